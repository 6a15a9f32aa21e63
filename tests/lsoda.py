"""The reference solution of any system: SciPy's LSODA, restarted at every jump.

Slow and plain on purpose: what the generated solvers are checked against.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import sympy
from scipy.integrate import ODEintWarning, odeint

from pkmodels.errors import SolveError
from pkmodels.inflows import slack_h
from pkmodels.kernels.equations import has_broken_power
from pkmodels.kernels.periodic import find_periodic_state
from pkmodels.kernels.printing import numpy_function
from pkmodels.segments import Segments, SteadyDose, segment_at
from pkmodels.symbols import amounts_in
from pkmodels.system import System
from pkmodels.timeline import Timeline, check_times

# LSODA's errors per step; over a course they add up to some ten times as much.
_RELATIVE = 1e-10
_ABSOLUTE = 1e-16  # times the size of each state
# Finer over one cycle of a steady state, so that the cycles' change can reach 1e-10.
_CYCLE_RELATIVE = 1e-12
_CYCLE_ABSOLUTE = 1e-17
_MOST_STEPS = 100_000


@dataclass(frozen=True)
class Functions:
    """A system's derivatives as functions of numbers.

    Parameters
    ----------
    derivatives : callable
        ``derivatives([*states, *constants]) -> list``, with the constants in the order
        parameters, inputs, decay constants.
    jacobian : callable
        The same of the entries of the Jacobian matrix that are not always 0.
    rows, columns : (n_entries,) arrays
        Where those are.
    from_zero : bool
        Whether states just below 0, which rounding brings about, count as 0: where a
        power of one is taken that negative numbers do not have.
    """

    derivatives: Callable[[Any], list[Any]]
    jacobian: Callable[[Any], list[Any]]
    rows: np.ndarray
    columns: np.ndarray
    from_zero: bool


@lru_cache(maxsize=64)
def functions_of(system: System) -> Functions:
    """Return a system's derivatives as functions; equal systems share them.

    ``functions_of.cache_info().misses`` counts how many systems were translated.

    Parameters
    ----------
    system : System
        The system.

    Returns
    -------
    Functions

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.schedule import ScheduleForm
    >>> from pkmodels.system import assemble
    >>> model = organ_exchange.model(("kidney",))
    >>> system = assemble(model, ScheduleForm((("dotatate", "intravenous"),)))
    >>> functions = functions_of(system)
    >>> len(functions.rows), functions.from_zero
    (3, False)
    """
    states = system.states
    constants = [c.symbol for c in system.decay_constants]
    arguments = (*states, *system.parameters, *system.inputs, *constants)
    position = {state: number for number, state in enumerate(states)}
    rows, columns, entries = [], [], []
    for row, derivative in enumerate(system.derivatives):
        for state in amounts_in(derivative):
            rows.append(row)
            columns.append(position[state])
            entries.append(sympy.diff(derivative, state))
    return Functions(
        derivatives=numpy_function(arguments, system.derivatives),
        jacobian=numpy_function(arguments, tuple(entries)),
        rows=np.array(rows, dtype=np.intp),
        columns=np.array(columns, dtype=np.intp),
        from_zero=any(map(has_broken_power, system.derivatives)),
    )


def integrate(
    timeline: Timeline, times_h: np.ndarray, before: np.ndarray | None = None
) -> np.ndarray:
    """Return the states at some times.

    Each stretch between two jumps is integrated by itself, to a relative tolerance of
    1e-10 a step and an absolute one of 1e-16 of what is given. At the time of a jump
    the states are those after it.

    Parameters
    ----------
    timeline : Timeline
        What happens.
    times_h : (n_times,) array
        Times, h, >= 0, in any order.
    before : (n_times,) array of bool, optional
        Where a time is that of a jump, whether the states before it are wanted: as for
        a blood sample that is drawn just before a dose.

    Returns
    -------
    (n_times, n_states) array
        nmol of each amount, or MBq of it where the timeline is that of a label, then
        MBq of each tracer.

    Raises
    ------
    InputError
        When a time is negative or not finite.
    SolveError
        When the integration fails, naming the time reached and the parameters.

    References
    ----------
    Petzold, SIAM J Sci Stat Comput 1983;4:136 (LSODA).

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.administrations import Administration
    >>> from pkmodels.schedule import Schedule
    >>> from pkmodels.system import assemble
    >>> from pkmodels.timeline import lower
    >>> schedule = Schedule((Administration(0.0, 0.0, "x", ligand_nmol=10.0),))
    >>> system = assemble(organ_exchange.model(("kidney",)), schedule.form)
    >>> values = {"blood_half_time": 1.0, "fraction_kidney": 0.02,
    ...           "biological_half_life_kidney": 60.0}
    >>> line = lower(system, values, schedule)
    >>> print(integrate(line, np.array([0.0, 1.0]))[:, 0].round(9))
    [10.  5.]
    """
    times = np.asarray(times_h, dtype=np.float64)
    check_times(times)
    early = np.zeros(times.shape, np.bool_) if before is None else np.asarray(before)
    segments, boundaries = timeline.segments, timeline.boundaries_h
    place = np.array([segment_at(boundaries, time) for time in times.tolist()], int)
    at_jump = np.abs(times - boundaries[place]) <= slack_h(1.0) * np.maximum(times, 1.0)
    early = early & at_jump
    states = np.empty((len(times), len(timeline.start)))
    state = timeline.start
    for row in range(max(place, default=-1) + 1):
        states[(place == row) & early] = state
        state = _after_jump(timeline, row, state)
        wanted = np.flatnonzero((place == row) & ~early)
        local = np.maximum(times[wanted] - boundaries[row], 0.0)
        length = np.inf
        if row + 1 < len(boundaries):
            length = boundaries[row + 1] - boundaries[row]
        until = length if np.any(place > row) else max(local, default=0.0)
        outputs = np.append(local, until)
        found = _advance(timeline, segments, row, state, outputs)
        states[wanted], state = found[:-1], found[-1]
    return states


def _after_jump(timeline: Timeline, row: int, state: np.ndarray) -> np.ndarray:
    segments = timeline.segments
    if segments.resets[row]:
        state = timeline.start
    for dose in timeline.steady:
        if dose.boundary == row:
            periodic = _periodic_state(timeline, dose)
            state = state + periodic if dose.adds else periodic
    return state + segments.added[row]


def _periodic_state(timeline: Timeline, dose: SteadyDose) -> np.ndarray:
    """Return the state just before the dose that has been repeated for ever."""
    segments = dose.segments
    ends = np.append(segments.boundaries_h[1:], dose.interval_h)
    finer = (_CYCLE_RELATIVE, _CYCLE_ABSOLUTE)

    def cycle(state: np.ndarray) -> np.ndarray:
        for row, end in enumerate(ends):
            outputs = np.array([end - segments.boundaries_h[row]])
            state = state + segments.added[row]
            state = _advance(timeline, segments, row, state, outputs, finer)[-1]
        return state

    names = [str(state) for state in timeline.system.states]
    try:
        return find_periodic_state(cycle, timeline.start, timeline.scales, names)
    except SolveError as error:
        raise SolveError(
            f"{timeline.system.name!r}: the steady state before the "
            f"{dose.given.described()}: {error} {_parameters_of(timeline)}"
        ) from error


def _advance(
    timeline: Timeline,
    segments: Segments,
    row: int,
    state: np.ndarray,
    outputs: np.ndarray,
    tolerances: tuple[float, float] = (_RELATIVE, _ABSOLUTE),
) -> np.ndarray:
    """Return the states some hours after the start of a segment."""
    found = np.repeat(state[None, :], len(outputs), axis=0)
    # LSODA cannot start towards a time that it cannot tell from the start.
    is_later = outputs > slack_h(float(segments.boundaries_h[row]))
    if is_later.any():
        later, place = np.unique(outputs[is_later], return_inverse=True)
        solved, reached, failure = _solve(
            timeline, segments, row, state, later, tolerances
        )
        if failure:
            at = segments.boundaries_h[row] + reached
            raise SolveError(
                f"{timeline.system.name!r} could not be solved beyond {at:.4g} h: "
                f"{failure} {_parameters_of(timeline)}"
            )
        found[is_later] = solved[place]
    return found


def _solve(
    timeline: Timeline,
    segments: Segments,
    row: int,
    state: np.ndarray,
    later: np.ndarray,
    tolerances: tuple[float, float],
) -> tuple[np.ndarray, float, str]:
    """Return the states at later times, the time reached, and why it ended there."""
    equations, jacobian = equations_in(timeline, segments, row)
    reached = 0.0

    def right_side(time: float, state: np.ndarray) -> np.ndarray:
        nonlocal reached
        change = equations(time, state)
        reached = max(reached, time)
        return change

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # What it warns of is in the report.
        warnings.simplefilter("ignore", ODEintWarning)
        try:
            solved, report = odeint(
                right_side,
                state,
                np.append(0.0, later),
                Dfun=jacobian,
                tfirst=True,
                full_output=True,
                rtol=tolerances[0],
                atol=tolerances[1] * timeline.scales,
                tcrit=later[-1:],
                mxstep=_MOST_STEPS,
            )
        except ArithmeticError as error:
            return state, reached, f"its equations have no value there ({error})"
    failure = ""
    if report["message"] != "Integration successful.":
        failure, reached = report["message"], float(np.max(report["tcur"]))
    elif not np.isfinite(solved).all():
        failure = "an amount is not finite"
    return solved[1:], reached, failure


def equations_in(
    timeline: Timeline, segments: Segments, row: int
) -> tuple[Callable[[float, np.ndarray], Any], Callable[[float, np.ndarray], Any]]:
    """Return the right-hand side of the equations in a segment, and its Jacobian.

    Parameters
    ----------
    timeline : Timeline
        The equations, the parameters, and how a label decays.
    segments : Segments
        Those of the timeline, or of one of its steady doses.
    row : int
        Which segment.

    Returns
    -------
    right_side, jacobian : callable
        ``f(time, state)`` with the time since the start of the segment, h: arrays of
        (n_states,) and (n_states, n_states), per hour.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.administrations import Administration
    >>> from pkmodels.schedule import Schedule
    >>> from pkmodels.system import assemble
    >>> from pkmodels.timeline import lower
    >>> schedule = Schedule((Administration(0.0, 0.5, "x", ligand_nmol=10.0),))
    >>> system = assemble(organ_exchange.model(("kidney",)), schedule.form)
    >>> values = {"blood_half_time": 1.0, "fraction_kidney": 0.02,
    ...           "biological_half_life_kidney": 60.0}
    >>> line = lower(system, values, schedule)
    >>> right_side, _ = equations_in(line, line.segments, 0)
    >>> print(right_side(0.0, line.start))
    [20.  0.]
    """
    functions = functions_of(timeline.system)
    constants = [
        *timeline.parameters.tolist(),
        *segments.inputs[row].tolist(),
        *timeline.decay_constants.tolist(),
    ]
    rates, syringe = segments.rates[row], segments.syringe_rates[row]
    falling, decay = bool(syringe.any()), timeline.syringe_decay_per_h
    loss, size = timeline.loss_per_h, len(timeline.start)
    diagonal = np.arange(size)

    # At 0 itself the slope of a power may be infinite, or a quotient 0 / 0.
    least = _ABSOLUTE * timeline.scales

    def arguments(state: np.ndarray, least: float | np.ndarray) -> list[float]:
        if functions.from_zero:
            state = np.maximum(state, least)
        return state.tolist() + constants

    def right_side(time: float, state: np.ndarray) -> np.ndarray:
        change = (
            np.array(functions.derivatives(arguments(state, 0.0)), np.float64) + rates
        )
        if loss:
            change -= loss * state
        if falling:
            change += syringe * np.exp(-decay * time)
        return change

    def jacobian(time: float, state: np.ndarray) -> np.ndarray:
        matrix = np.zeros((size, size))
        entries = functions.jacobian(arguments(state, least))
        matrix[functions.rows, functions.columns] = entries
        matrix[diagonal, diagonal] -= loss
        return matrix

    return right_side, jacobian


def _parameters_of(timeline: Timeline) -> str:
    names = timeline.system.parameters
    values = timeline.parameters.tolist()
    pairs = (f"{n} = {v:.6g}" for n, v in zip(names, values, strict=True))
    return f"(with {', '.join(pairs) or 'no parameters'})"
