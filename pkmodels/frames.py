"""Frames: what is averaged or collected over a stretch of time."""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise

import numpy as np

from pkmodels.errors import InputError, SolveError, suggest
from pkmodels.nuclides import nuclide
from pkmodels.readings import (
    Sample,
    choose_label,
    observe,
    parents_of,
    unfollowed_daughters,
)
from pkmodels.schedule import Schedule
from pkmodels.symbols import LIGAND
from pkmodels.system import System
from pkmodels.time_integrals import TimeIntegrals
from pkmodels.timeline import lower
from pkmodels.trajectory import Trajectory, check_arguments, label_of_states, sample

# A mean is refined until halving its pieces changes it by less, relative to the peak.
_TOLERANCE = 1e-8
_MOST_HALVINGS = 40
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(10)


def frame_means(
    system: System,
    parameters: Mapping[str, float],
    schedule: Schedule,
    frames_h: np.ndarray,
    *,
    label: str | None = None,
) -> Trajectory:
    """Simulate means over frames, with the decay within each.

    Amounts and what was given are averaged, (1 / T) integral of A dt, and observables
    made of the means: a ratio is that of two means, as measured, and a decay-corrected
    observable is corrected for the decay within the frame, too.

    Parameters
    ----------
    system, parameters, schedule, label
        As for `pkmodels.simulate`.
    frames_h : (n_frames, 2) array
        Start and end of each frame, h, 0 <= start < end.

    Returns
    -------
    Trajectory
        Its times are the middles of the frames.

    Raises
    ------
    InputError
        When a frame is empty, and as `simulate` does.
    SolveError
        When the solution is not finite or a mean does not settle.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.administrations import Administration
    >>> from pkmodels.system import assemble
    >>> given = Schedule((Administration(0.0, 0.0, "x", "Ga-68", 100.0),))
    >>> system = assemble(organ_exchange.model(("kidney",)), given.form)
    >>> values = {"blood_half_time": 1.0, "fraction_kidney": 0.02,
    ...           "biological_half_life_kidney": 60.0}
    >>> scan = frame_means(system, values, given, np.array([[1.0, 1.25]]))
    >>> print(scan.times_h, scan.observables["kidney"].round(3))
    [1.125] [0.538]
    """
    check_arguments(system, parameters, schedule)
    chosen = choose_label(schedule, label)
    frames = np.asarray(frames_h, dtype=np.float64)
    if frames.ndim != 2 or frames.shape[1] != 2:
        raise InputError(
            f"frames_h has the shape {frames.shape}: give one row of start and end for "
            "each frame"
        )
    for start, end in frames:
        if not 0.0 <= start < end:
            raise InputError(
                f"the frame from {start:g} to {end:g} h: it must start at 0 h or later "
                "and end after it starts"
            )
    states_of = label_of_states(system, chosen)
    boundaries = lower(system, parameters, schedule, states_of).boundaries_h
    # What was given counts from its start on, though it may arrive later.
    jumps = np.union1d(boundaries, [a.time_h for a in schedule.administrations])
    means = _means(
        lambda times: sample(system, parameters, schedule, chosen, times), frames, jumps
    )
    observed = observe(system, chosen, parameters, means)
    reason = "these are means over frames: simulate gives time integrals"
    not_integrated = dict.fromkeys(observed.curves, reason)
    return Trajectory(
        times_h=frames.mean(axis=1),
        label=chosen,
        amounts={str(amount): mean for amount, mean in means.shown.items()},
        observables={n: np.array(c, np.float64) for n, c in observed.curves.items()},
        units=observed.units,
        unread={**observed.unread, **unfollowed_daughters(schedule)},
        fed_by=parents_of(schedule, chosen),
        integrate=partial(TimeIntegrals, {}, not_integrated, None),
    )


def collected(trajectory: Trajectory, amount: str) -> np.ndarray:
    """Return what a collecting amount, as urine, gained between the times.

    A(t_k) - A(t_(k-1)) exp(-lambda (t_k - t_(k-1))): the activity at t_k of what
    arrived since t_(k-1), as when the vessel is changed at each time.

    Parameters
    ----------
    trajectory : Trajectory
        With the times of the changes.
    amount : str
        An amount that nothing leaves.

    Returns
    -------
    (n_times - 1,) array
        MBq of the label, or nmol.

    Raises
    ------
    InputError
        When the trajectory has no such amount, or is of a daughter, which arises in the
        vessel, too.

    Examples
    --------
    >>> times, urine = np.array([0.0, 10.0, 20.0]), np.array([0.0, 4.0, 6.0])
    >>> curve = Trajectory(times, "ligand", {"urine": urine}, {}, {}, {})
    >>> print(collected(curve, "urine"))
    [4. 2.]
    """
    if amount not in trajectory.amounts:
        raise InputError(f"no amount {amount!r}: {suggest(amount, trajectory.amounts)}")
    if trajectory.fed_by:
        raise InputError(
            f"{trajectory.label} also arises from {', '.join(trajectory.fed_by)} in "
            "what was collected before: collect the label that was given"
        )
    rate = 0.0
    if trajectory.label != LIGAND:
        rate = nuclide(trajectory.label).decay_constant_per_h
    curve, elapsed = trajectory.amounts[amount], np.diff(trajectory.times_h)
    return curve[1:] - curve[:-1] * np.exp(-rate * elapsed)


def _means(
    sampled: Callable[[np.ndarray], Sample], frames: np.ndarray, jumps: np.ndarray
) -> Sample:
    """Average curves over frames by Gauss-Legendre, halving pieces until it holds."""
    owners, edges = _pieces(frames, jumps)
    total: np.ndarray = np.zeros(())
    for _ in range(_MOST_HALVINGS):
        middles = edges.mean(axis=1)
        first = np.stack([edges[:, 0], middles], axis=1)
        second = np.stack([middles, edges[:, 1]], axis=1)
        parts = np.concatenate([edges, first, second])
        widths = (parts[:, 1] - parts[:, 0]) / 2.0
        nodes = parts.mean(axis=1)[:, None] + widths[:, None] * _NODES
        found = sampled(nodes.ravel())
        curves = np.array(found.curves()).reshape(-1, *nodes.shape)
        areas = (curves @ _WEIGHTS * widths).reshape(len(curves), 3, -1)
        halved = areas[:, 1] + areas[:, 2]
        peaks = np.abs(curves).max(axis=(1, 2))[:, None] * (edges[:, 1] - edges[:, 0])
        held = (np.abs(areas[:, 0] - halved) <= _TOLERANCE * peaks).all(axis=0)
        if not total.shape:
            total = np.zeros((len(curves), len(frames)))
        np.add.at(total.T, owners[held], halved[:, held].T)
        if held.all():
            return found.with_curves(total / (frames[:, 1] - frames[:, 0]))
        owners = np.repeat(owners[~held], 2)
        edges = np.stack([first[~held], second[~held]], axis=1).reshape(-1, 2)
    raise SolveError(
        f"the mean over the frame from {frames[owners[0]][0]:g} h does not settle: "
        "check the sizes of the rates"
    )


def _pieces(frames: np.ndarray, jumps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split frames where anything jumps; say which frame each piece is of."""
    owners, edges = [], []
    for number, (start, end) in enumerate(frames):
        inside = [jump for jump in jumps if start < jump < end]
        for piece in pairwise([start, *inside, end]):
            owners.append(number)
            edges.append(piece)
    return np.array(owners), np.array(edges)
