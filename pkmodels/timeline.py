"""Timelines: a schedule on an assembled system, as arrays split wherever it jumps."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from pkmodels.administrations import Administration
from pkmodels.arrivals import check_labels
from pkmodels.errors import InputError, check_kind
from pkmodels.inflows import Inflow, Portion, endless_inflows, repeated_inflows, slack_h
from pkmodels.nuclides import nuclide
from pkmodels.quantities import decay_values, evaluated, in_order, loss_of, portions
from pkmodels.schedule import Schedule
from pkmodels.segments import (
    Segments,
    SteadyDose,
    distinct_times,
    filled_segments,
    segment_at,
)
from pkmodels.symbols import Parameter
from pkmodels.system import System, linear_matrix
from pkmodels.windows import input_values

# Of an infusion that never ends; any length has the same solution.
_ENDLESS_CYCLE_H = 24.0


@dataclass(frozen=True, eq=False)
class Timeline:
    """All that a solver needs to know of one body, one schedule and one label.

    With t the time since the start of a segment, x the states and f the system's
    derivatives, dx/dt = f(x) - loss_per_h x + inflow(t).

    Parameters
    ----------
    system : System
        The equations.
    parameters : (n_parameters,) array
        Values in the order of ``system.parameters``.
    decay_constants : (n_decay_constants,) array
        Values in the order of ``system.decay_constants``, 1/h.
    loss_per_h : float
        Decay constant of every state where the amounts of a linear system hold a
        label's activity, 1/h; else 0.
    syringe_decay_per_h : (n_states,) array
        How fast a syringe's label decays that flows into each state, 1/h.
    start : (n_states,) array
        The states before anything is given, nmol or MBq.
    scales : (n_states,) array
        Size of each state, > 0: what is given of its ligand or label, or was there.
    segments : Segments
        What happens when; the last segment has no end.
    steady : tuple of SteadyDose
        In the order of time.
    """

    system: System
    parameters: np.ndarray
    decay_constants: np.ndarray
    loss_per_h: float
    syringe_decay_per_h: np.ndarray
    start: np.ndarray
    scales: np.ndarray
    segments: Segments
    steady: tuple[SteadyDose, ...]

    @property
    def boundaries_h(self) -> np.ndarray:
        """Every time at which something jumps, h, from 0 on."""
        return self.segments.boundaries_h


# When something is done: its time, and its place among what is done then.
_Rank = tuple[float, int]


def lower(
    system: System,
    parameters: Mapping[str, float],
    schedule: Schedule,
    label: str | None = None,
) -> Timeline:
    """Lower a schedule on a system to the arrays that a solver runs on.

    A label decays during its route's lag, and in the syringe unless it is delivered at
    a constant rate. A reset, and a steady state that replaces what is there, also stop
    the infusions and the late arrivals of what was given before.

    Parameters
    ----------
    system : System
        The system, assembled for the schedule's form.
    parameters : mapping of str to float
        Value of each parameter by name.
    schedule : Schedule
        What is done; all times from 0 on.
    label : str or None
        For a system with `matrix`: the label whose activity its states shall hold, or
        None for the amounts of ligand. Any other system holds the activities of all
        labels and the amounts of ligand at once, whatever is named here.

    Returns
    -------
    Timeline

    Raises
    ------
    InputError
        When a name is unknown, a value wrong or missing, or the form another.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.system import assemble
    >>> dose = Administration(0.0, 0.5, "dotatate", "Y-90", 100.0)
    >>> system = assemble(organ_exchange.model(("kidney",)), Schedule((dose,)).form)
    >>> values = {"blood_half_time": 1.0, "fraction_kidney": 0.02,
    ...           "biological_half_life_kidney": 60.0}
    >>> timeline = lower(system, values, Schedule((dose,)), "Y-90")
    >>> timeline.boundaries_h.tolist(), timeline.segments.syringe_rates[:, 0].tolist()
    ([0.0, 0.5], [200.0, 0.0])
    """
    numbers = check_parameters(system, parameters)
    check_labels(system, schedule, label)
    check_resets(schedule)
    values = dict(zip(system.parameters, numbers.tolist(), strict=True))
    given = sorted(schedule.administrations, key=lambda a: a.time_h)
    brought = [portions(system, values, schedule, a, label) for a in given]
    start = _start(system, values)
    ends = _ends(given, schedule.resets_h)
    inflows: list[Inflow] = []
    repeated: list[tuple[Administration, list[Inflow]]] = []
    for order, (a, found) in enumerate(zip(given, brought, strict=True)):
        pattern, onwards = _inflows(system, start, a, found)
        inflows += _until(onwards, (a.time_h, order), ends)
        again = any(end > (a.time_h, order) and end[0] == a.time_h for end in ends)
        if a.steady_state is not None and not again:
            repeated.append((a, pattern))
    jumps = [a.time_h for a, _ in repeated] + list(schedule.resets_h)
    segments = _segments(system, schedule, inflows, jumps)
    loss = loss_of(system, label)
    return Timeline(
        system=system,
        parameters=numbers,
        decay_constants=decay_values(system, schedule),
        loss_per_h=loss,
        syringe_decay_per_h=_syringe_decay(system, schedule, loss),
        start=np.array(start),
        scales=_scales(system, start, [p for found in brought for p in found]),
        segments=segments,
        steady=tuple(
            _steady_dose(system, schedule, segments, a, pattern)
            for a, pattern in repeated
        ),
    )


def check_parameters(system: System, parameters: Mapping[str, float]) -> np.ndarray:
    """Return the values of a system's parameters in their order.

    Parameters
    ----------
    system : System
        The system.
    parameters : mapping of str to float
        Value of each by name, >= 0.

    Returns
    -------
    (n_parameters,) array

    Raises
    ------
    InputError
        When one is missing, unknown, negative or not finite.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.schedule import ScheduleForm
    >>> from pkmodels.system import assemble
    >>> model = organ_exchange.model(("kidney",))
    >>> system = assemble(model, ScheduleForm((("dotatate", "intravenous"),)))
    >>> check_parameters(system, {"fraction_kidny": 0.02})
    Traceback (most recent call last):
    pkmodels.errors.InputError: no parameter 'fraction_kidny': did you mean \
'fraction_kidney'? Known: blood_half_time, fraction_kidney, biological_half_life_kidney
    """
    in_order(system, parameters)
    names = [str(parameter) for parameter in system.parameters]
    for name in names:
        check_kind(f"parameter {name!r}", parameters[name], Real, "give a number")
    values = np.array([float(parameters[name]) for name in names])
    for name, value in zip(names, values.tolist(), strict=True):
        if not (math.isfinite(value) and value >= 0.0):
            raise InputError(f"parameter {name!r} is {value:g}; it must be >= 0")
    return values


def _start(system: System, values: Mapping[Parameter, float]) -> list[float]:
    start = [evaluated(expression, values) for expression in system.start]
    for amount, value in zip(system.amounts, start, strict=True):
        if value < 0.0:
            raise InputError(
                f"{amount} of {system.name!r} starts with {value:g} nmol: its start "
                "must be >= 0"
            )
    return start + [0.0] * len(system.tracers)


def check_resets(schedule: Schedule) -> None:
    """Refuse resets before the start of a schedule, or without a time.

    Parameters
    ----------
    schedule : Schedule
        The schedule.

    Raises
    ------
    InputError
        When a reset is negative or not finite.

    Examples
    --------
    >>> check_resets(Schedule((), resets_h=(24.0,)))
    """
    for time in schedule.resets_h:
        if not 0.0 <= time < math.inf:
            raise InputError(f"a reset is at {time:g} h; it must be at 0 h or later")


def check_times(times_h: np.ndarray, before: Any = None) -> None:
    """Refuse what is no list of times.

    Parameters
    ----------
    times_h : (n_times,) array
        Times, h.
    before : (n_times,) array of bool or None
        Where the value before what happens at the very time is wanted.

    Raises
    ------
    InputError
        When one has another shape, or a time is negative or not finite.

    Examples
    --------
    >>> check_times(np.array([0.0, 24.0]))
    """
    wrong = times_h[~(np.isfinite(times_h) & (times_h >= 0.0))]
    if times_h.ndim != 1 or wrong.size:
        shown = f"one is {wrong[0]:g} h" if wrong.size else f"shape {times_h.shape}"
        raise InputError(
            f"times_h must be one list of times from 0 h on, the start of the "
            f"schedule; {shown}"
        )
    if before is not None and np.shape(before) != times_h.shape:
        raise InputError(
            f"before has the shape {np.shape(before)}: give one value for each of the "
            f"{len(times_h)} times"
        )


def _ends(given: Sequence[Administration], resets_h: Iterable[float]) -> list[_Rank]:
    """Return when all that was given before ends; a reset precedes the doses there."""
    replacing = (
        (a.time_h, order)
        for order, a in enumerate(given)
        if a.steady_state is not None and not a.steady_state.adds
    )
    return sorted([*((time, -1) for time in resets_h), *replacing])


def _until(
    inflows: Iterable[Inflow], given: _Rank, ends: Sequence[_Rank]
) -> list[Inflow]:
    """Return what is left of inflows where the first later end cuts them."""
    stop = min((end[0] for end in ends if end > given), default=math.inf)
    return [
        i if i.start_h == i.end_h else i.within(0.0, stop)
        for i in inflows
        if i.start_h < stop - slack_h(i.start_h)
    ]


def _inflows(
    system: System, start: list[float], a: Administration, found: Iterable[Portion]
) -> tuple[list[Inflow], list[Inflow]]:
    """Return one interval of a dose's repetition, and what it brings from its time."""
    if a.steady_state is None:
        return [], [portion.inflow(a.time_h) for portion in found]
    if a.steady_state.adds:
        _check_superposition(system, start, a)
    pattern: list[Inflow] = []
    onwards: list[Inflow] = []
    for portion in found:
        if a.steady_state.interval_h > 0.0:
            both = repeated_inflows(portion, a.steady_state)
        else:
            both = endless_inflows(portion, a, _ENDLESS_CYCLE_H)
        pattern += both[0]
        onwards += [inflow.moved(a.time_h) for inflow in both[1]]
    return pattern, onwards


def _check_superposition(system: System, start: list[float], a: Administration) -> None:
    linear = system.matrix is not None or (
        not any(start) and linear_matrix(system.states, system.derivatives) is not None
    )
    if not linear:
        raise InputError(
            f"{a.described()} adds its steady state to what is there, but "
            f"{system.name!r} is not linear, or does not start empty, so that two "
            "courses do not add up: write the doses out with repeat()"
        )


def _segments(
    system: System,
    schedule: Schedule,
    inflows: Sequence[Inflow],
    jumps: Iterable[float],
) -> Segments:
    """Split the time from 0 on wherever anything jumps."""
    edges = [t for w in schedule.windows for t in (w.start_h, w.end_h)]
    found = [*jumps, *(t for i in inflows for t in (i.start_h, i.end_h)), *edges]
    times = distinct_times(found)
    inputs = list(input_values(system, schedule, times).values())
    resets = np.zeros(len(times), dtype=np.bool_)
    resets[[segment_at(times, time) for time in schedule.resets_h]] = True
    return filled_segments(len(system.states), times, resets, inflows, inputs)


def _steady_dose(
    system: System,
    schedule: Schedule,
    segments: Segments,
    a: Administration,
    pattern: Sequence[Inflow],
) -> SteadyDose:
    assert a.steady_state is not None
    interval = a.steady_state.interval_h or _ENDLESS_CYCLE_H
    times = distinct_times([i.start_h for i in pattern], interval)
    times = distinct_times([*times, *(i.end_h for i in pattern)], interval)
    then = np.full(times.shape, a.time_h)
    inputs = list(input_values(system, schedule, then).values())
    none = np.zeros(len(times), dtype=np.bool_)
    return SteadyDose(
        given=a,
        boundary=segment_at(segments.boundaries_h, a.time_h),
        adds=a.steady_state.adds,
        interval_h=interval,
        segments=filled_segments(len(system.states), times, none, pattern, inputs),
    )


def _syringe_decay(system: System, schedule: Schedule, loss: float) -> np.ndarray:
    slots = schedule.slots()
    names = [t.nuclide or slots[t.slot][1] for t in system.tracers]
    own = [nuclide(name).decay_constant_per_h for name in names]
    return np.array([loss] * len(system.amounts) + own)


def _scales(system: System, start: list[float], found: Sequence[Portion]) -> np.ndarray:
    """Return the size of each state: what is given of its ligand or label in all."""
    kinds = [a.ligand for a in system.amounts] + [t.slot for t in system.tracers]
    totals: dict[str | int, float] = dict.fromkeys(kinds, 0.0)
    for portion in found:
        totals[kinds[portion.state]] += portion.amount
    for kind, there in zip(kinds, start, strict=True):
        totals[kind] = max(totals[kind], there)
    largest = max(totals.values(), default=0.0) or 1.0
    return np.array([totals[kind] or largest for kind in kinds])
