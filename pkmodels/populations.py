"""Populations: one schedule simulated in many bodies, in chunks that stream."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pkmodels.batches import (
    Batch,
    Ending,
    Reading,
    solver_in_lanes,
    solver_one_by_one,
)
from pkmodels.errors import InputError, check_kind, suggest
from pkmodels.given import Given, given_by
from pkmodels.kernels.problem import Controls, check_controls
from pkmodels.readings import (
    Sample,
    activities,
    choose_label,
    observe,
    unfollowed_daughters,
)
from pkmodels.schedule import Schedule
from pkmodels.signs import backward_rates, negative_amounts
from pkmodels.symbols import LIGAND
from pkmodels.system import System
from pkmodels.timeline import check_times
from pkmodels.trajectory import check_arguments, label_of_states
from pkmodels.windows import input_values

# With these, benchmarks' pbpk12 is within 1e-6 of each amount that simulate gives.
CONTROLS = Controls(relative=3e-7, absolute=1e-13)
CHUNK = 4096


@dataclass(frozen=True, eq=False)
class Sets:
    """What some parameter sets of a population show over time.

    Parameters
    ----------
    first : int
        Number of the first of them in the population, from 0.
    times_h : (n_times,) array
        Times, h.
    label : str
        The label that is read, or ``"ligand"``.
    observables : mapping of str to (n_sets, n_times) array
        As of `pkmodels.trajectory.Trajectory`; NaN throughout a set that failed.
    units : mapping of str to str
        Their units.
    unread : mapping of str to str
        As of `Trajectory`.
    endings : (n_sets,) array of int64
        The `Ending` of each; `Ending.SOLVED` is 0.
    reached_h : (n_sets,) array
        How far each got, h: of one that failed, where that was seen, or NaN.
    """

    first: int
    times_h: np.ndarray
    label: str
    observables: Mapping[str, np.ndarray]
    units: Mapping[str, str]
    unread: Mapping[str, str]
    endings: np.ndarray
    reached_h: np.ndarray

    def __len__(self) -> int:
        """Return the number of sets."""
        return len(self.endings)

    @property
    def failures(self) -> dict[int, Ending]:
        """How each set that failed did, by its number in the population."""
        failed = np.flatnonzero(self.endings)
        return {self.first + int(n): Ending(int(self.endings[n])) for n in failed}


@dataclass(frozen=True, eq=False)
class _Wanted:
    """What is read, the same for all sets."""

    reading: Reading
    label: str
    observed: System
    given: Given
    must_read: bool


def simulate_sets(
    system: System,
    parameters: Mapping[str, Any],
    schedule: Schedule,
    times_h: np.ndarray,
    *,
    label: str | None = None,
    before: np.ndarray | None = None,
    observables: Sequence[str] | None = None,
    chunk: int = CHUNK,
    threads: int | None = None,
    controls: Controls = CONTROLS,
    kernel: str | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Iterator[Sets]:
    """Simulate what one label, or the ligand itself, shows with many parameter sets.

    It means what `pkmodels.trajectory.simulate` means of each set, solved as many at
    once as the processor can. What that refuses is data here: see `Ending`. No more
    than one chunk is in memory, and between two of them a caller may stop. An amount is
    within some 1e-6 of itself, or 1e-12 of what is given of its ligand or label in all
    (ten times ``controls.absolute``), whichever is more.

    Parameters
    ----------
    system : System
        The model, assembled with the schedule's form.
    parameters : mapping of str to float or (n_sets,) array
        Every parameter of the model by name, >= 0; a single number is that of all sets.
    schedule : Schedule
        What is done. With doses at steady state sets are solved one by one, with the
        tolerances of `simulate`, and neither `controls` nor `kernel` may be given.
    times_h : (n_times,) array
        Times, h, >= 0.
    label, before
        As of `simulate`.
    observables : sequence of str or None
        Which to return; None for all that can be read.
    chunk : int
        Sets in a chunk, >= 1.
    threads : int or None
        Most that share a chunk; None for one each core.
    controls : Controls
        Tolerances and limits of each solve.
    kernel : str or None
        One of `pkmodels.kernels.choice.KERNELS`; None for the fastest that is here.
    progress : callable or None
        ``progress(done, total)``, called before each chunk is given out.

    Yields
    ------
    Sets
        The sets in order, `chunk` of them at a time.

    Raises
    ------
    InputError
        At once, when a parameter of any set is missing, unknown, negative or not
        finite, or another argument is wrong.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.administrations import Administration
    >>> from pkmodels.system import assemble
    >>> given = Schedule((Administration(0.0, 0.0, "dotatate", "Lu-177", 100.0),))
    >>> system = assemble(organ_exchange.model(("kidney",)), given.form)
    >>> values = {"blood_half_time": 1.0, "fraction_kidney": np.array([0.02, 0.04]),
    ...           "biological_half_life_kidney": 60.0}
    >>> for sets in simulate_sets(system, values, given, np.array([0.0, 24.0])):
    ...     print(sets.observables["kidney"].round(4))
    [[0.     1.3888]
     [0.     2.7775]]
    """
    check_kind("the parameters", parameters, Mapping, "write {name: values}")
    columns, count = _columns(parameters)
    first = {name: float(column.flat[0]) for name, column in columns.items()}
    check_arguments(system, first, schedule)
    _check_columns(columns)
    check_controls(controls)
    for name, number in (("chunk", chunk), ("threads", threads)):
        if number is not None and not (isinstance(number, int) and number >= 1):
            raise InputError(f"{name} is {number!r}: give a whole number >= 1")
    wanted = _wanted(system, schedule, times_h, label, before, observables)
    size = min(chunk, 1 << (count - 1).bit_length())
    if any(a.steady_state is not None for a in schedule.administrations):
        if kernel is not None or controls != CONTROLS:
            raise InputError(
                "doses at steady state are solved one by one, as simulate does: leave "
                "kernel and controls out, or write the doses out with repeat()"
            )
        solve = solver_one_by_one(wanted.reading)
    else:
        solve = solver_in_lanes(
            wanted.reading, size, controls=controls, threads=threads, kernel=kernel
        )

    def stream() -> Iterator[Sets]:
        for start in range(0, count, size):
            end = min(start + size, count)
            here = {n: c[start:end] if c.ndim else c for n, c in columns.items()}
            rows = [
                np.broadcast_to(here[str(p)], end - start) for p in system.parameters
            ]
            batch = solve(np.stack(rows, axis=1))
            found = _read(wanted, here, batch, start)
            if progress is not None:
                progress(end, count)
            yield found

    return stream()


def gather_sets(chunks: Iterable[Sets]) -> Sets:
    """Return chunks that follow each other as one.

    Parameters
    ----------
    chunks : iterable of Sets
        As `simulate_sets` yields them, at least one.

    Returns
    -------
    Sets
        All of them, in memory.

    Raises
    ------
    InputError
        When there are none, or one does not follow the one before.

    Examples
    --------
    >>> curves = {"kidney": np.ones((1, 2))}
    >>> one = Sets(0, np.arange(2.0), "Y-90", curves, {"kidney": "MBq"}, {},
    ...            np.zeros(1, int), np.ones(1))
    >>> len(gather_sets([one, replace(one, first=1)]))
    2
    """
    found = list(chunks)
    if not found:
        raise InputError("there are no sets to gather: give what simulate_sets yields")
    number = found[0].first
    for sets in found:
        if sets.first != number:
            raise InputError(
                f"set {sets.first} follows set {number - 1}: give the chunks of one "
                "simulate_sets in order"
            )
        number += len(sets)
    return replace(
        found[0],
        observables={
            name: np.concatenate([sets.observables[name] for sets in found])
            for name in found[0].observables
        },
        endings=np.concatenate([sets.endings for sets in found]),
        reached_h=np.concatenate([sets.reached_h for sets in found]),
    )


def _columns(parameters: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], int]:
    """Return the values of each parameter, and how many sets there are."""
    columns: dict[str, np.ndarray] = {}
    counts: dict[str, int] = {}
    for name, values in parameters.items():
        column = np.asarray(values)
        if column.dtype.kind not in "fiu" or column.ndim > 1 or column.size == 0:
            raise InputError(
                f"parameter {name!r} is {values!r:.60}: give a number, or one list of "
                "numbers with one of each set"
            )
        columns[name] = column.astype(np.float64, copy=False)
        if column.ndim:
            counts[name] = column.size
    for name, count in counts.items():
        other = next(iter(counts))
        if count != counts[other]:
            raise InputError(
                f"parameter {name!r} has {count} values, and {other!r} "
                f"{counts[other]}: give as many of each, or a single number"
            )
    return columns, next(iter(counts.values()), 1)


def _check_columns(columns: Mapping[str, np.ndarray]) -> None:
    for name, column in columns.items():
        values = np.atleast_1d(column)
        wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0.0)))
        if wrong.size:
            raise InputError(
                f"parameter {name!r} of set {wrong[0]} is {values[wrong[0]]:g}; it "
                f"must be >= 0 (so it is in {wrong.size} of {values.size} sets)"
            )


def _wanted(
    system: System,
    schedule: Schedule,
    times_h: np.ndarray,
    label: str | None,
    before: np.ndarray | None,
    observables: Sequence[str] | None,
) -> _Wanted:
    chosen = choose_label(schedule, label)
    times = np.asarray(times_h, np.float64)
    check_times(times, before)
    early = np.zeros(len(times), bool) if before is None else np.asarray(before, bool)
    if isinstance(observables, str):
        raise InputError(f"observables is {observables!r}: write ({observables!r},)")
    readings = dict(zip(system.observables, system.readings, strict=True))
    names = system.observables if observables is None else tuple(observables)
    for name in names:
        if name not in readings:
            raise InputError(f"no observable {name!r}: {suggest(name, readings)}")
    return _Wanted(
        reading=Reading(
            system, schedule, label_of_states(system, chosen), times, early
        ),
        label=chosen,
        observed=replace(
            system, observables=names, readings=tuple(readings[n] for n in names)
        ),
        given=given_by(schedule, chosen, times[:, None], early[:, None]),
        must_read=observables is not None,
    )


def _read(
    wanted: _Wanted, parameters: Mapping[str, Any], batch: Batch, first: int
) -> Sets:
    """Return what is seen of a batch; every set whose numbers cannot be is NaN."""
    schedule, times = wanted.reading.schedule, wanted.reading.times_h
    sample = _sample(wanted, batch)
    endings, reached_h = _judged(wanted, parameters, sample, batch)
    count, shape = len(times), (len(times), len(endings))
    given = replace(
        wanted.given,
        administered=np.broadcast_to(wanted.given.administered, shape),
        undecayed=np.broadcast_to(wanted.given.undecayed, shape),
    )
    asked = Sample(
        {amount: curve[:count] for amount, curve in sample.shown.items()},
        {amount: curve[:count] for amount, curve in sample.ligand.items()},
        {name: curve[:count] for name, curve in sample.inputs.items()},
        given,
    )
    known: Any = parameters
    observed = observe(wanted.observed, wanted.label, known, asked)
    if wanted.must_read and observed.unread:
        name, reason = next(iter(observed.unread.items()))
        raise InputError(
            f"observable {name!r} cannot be read of {wanted.label}: {reason}"
        )
    curves = {n: np.array(curve.T, np.float64) for n, curve in observed.curves.items()}
    for curve in curves.values():
        curve[endings != Ending.SOLVED] = np.nan
    return Sets(
        first=first,
        times_h=times,
        label=wanted.label,
        observables=curves,
        units=observed.units,
        unread={**observed.unread, **unfollowed_daughters(schedule)},
        endings=endings,
        reached_h=reached_h,
    )


def _sample(wanted: _Wanted, batch: Batch) -> Sample:
    """Return what observables are made of at every time, with sets as last axis."""
    reading, label = wanted.reading, wanted.label
    system, schedule, times = reading.system, reading.schedule, batch.times_h
    early = np.zeros(times.shape, np.bool_)
    early[: len(reading.before)] = reading.before[:, None]
    if system.matrix is not None:
        shown = {a: batch.states[:, i] for i, a in enumerate(system.amounts)}
        ligand = shown if label == LIGAND else {}
    else:
        shown = activities(system, schedule, label, times, batch.states)
        ligand = activities(system, schedule, LIGAND, times, batch.states)
    inputs = input_values(system, schedule, times, early)
    return Sample(shown, ligand, inputs, wanted.given)


def _judged(
    wanted: _Wanted, parameters: Mapping[str, Any], sample: Sample, batch: Batch
) -> tuple[np.ndarray, np.ndarray]:
    """Return how each set ended, and where: as solved, or as no body can."""
    endings, reached = batch.endings.copy(), batch.reached_h.copy()
    given = wanted.reading.schedule.administrations
    nmol = sum(a.ligand_nmol or 0.0 for a in given)
    activity = sum(a.activity_MBq for a in given)
    largest = nmol if wanted.label == LIGAND else activity

    def fail(mask: np.ndarray, ending: Ending) -> None:
        fails = mask.any(axis=0) & (endings == Ending.SOLVED)
        endings[fails] = ending
        at = np.where(mask[:, fails], batch.times_h[:, fails], np.inf)
        reached[fails] = at.min(axis=0, initial=np.inf)

    for _, mask in backward_rates(wanted.reading.system, parameters, sample):
        fail(mask, Ending.BACKWARDS)
    for _, mask in negative_amounts(sample, largest, nmol):
        fail(mask, Ending.NEGATIVE)
    return endings, reached
