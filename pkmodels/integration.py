"""Integration: the states of a timeline by the generated solver."""

from dataclasses import replace

import numpy as np

from pkmodels.errors import SolveError
from pkmodels.kernels.choice import solve_numbers
from pkmodels.kernels.equations import Equations, Layout, equations_of
from pkmodels.kernels.periodic import find_periodic_state
from pkmodels.kernels.problem import Controls, Outcome, Problem
from pkmodels.lowering import problem_of
from pkmodels.segments import SteadyDose
from pkmodels.timeline import Timeline

# A thousand times finer than a solve for a likelihood, in some seven times the steps.
CONTROLS = Controls(relative=1e-10, absolute=1e-16)
# Finer over one cycle of a steady state, so that the cycles' change can reach 1e-10.
_OF_CYCLES = Controls(relative=1e-12, absolute=1e-17)

_REASONS = {
    Outcome.STEP_LIMIT: f"it takes more than {CONTROLS.most_steps} steps",
    Outcome.NOT_FINITE: "an amount is not finite",
    Outcome.STEP_TOO_SMALL: "its steps become too small to go on",
}


class FallenError(SolveError):
    """An amount that falls below 0.

    Attributes
    ----------
    time_h : float
        When it is seen to, h.
    """

    def __init__(self, message: str, time_h: float) -> None:
        super().__init__(message)
        self.time_h = time_h


def integrate(
    timeline: Timeline,
    times_h: np.ndarray,
    before: np.ndarray | None = None,
    controls: Controls = CONTROLS,
) -> np.ndarray:
    """Return the states at some times.

    By Rodas5P, each stretch between two jumps by itself. At the time of a jump the
    states are those after it.

    Parameters
    ----------
    timeline : Timeline
        What happens.
    times_h : (n_times,) array
        Times, h, >= 0, in any order.
    before : (n_times,) array of bool, optional
        Where a time is that of a jump, whether the states before it are wanted: as for
        a blood sample that is drawn just before a dose.
    controls : Controls
        Tolerances and limits.

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
    Steinebach, BIT Numer Math 2023;63:27 (Rodas5P).

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
    equations, layout = equations_of(timeline.system)
    problem, rows = problem_of(replace(timeline, steady=()), layout, times_h, before)
    for dose in timeline.steady:
        problem = _from_steady_state(timeline, equations, layout, problem, dose)
    return _states(timeline, equations, problem, controls)[rows]


def _states(
    timeline: Timeline, equations: Equations, problem: Problem, controls: Controls
) -> np.ndarray:
    found = solve_numbers(equations, problem, controls)
    outcome, reached = Outcome(int(found.report[0])), float(found.report[1])
    until = f"{timeline.system.name!r} could not be solved beyond {reached:.4g} h"
    if outcome is Outcome.NEGATIVE:
        fallen = _fallen(equations, problem, reached)
        message = f"{until}: {fallen} {_parameters_of(timeline)}"
        raise FallenError(message, reached)
    if outcome is not Outcome.SOLVED:
        raise SolveError(f"{until}: {_REASONS[outcome]} {_parameters_of(timeline)}")
    return np.asarray(found.states)[:, : len(timeline.system.states)]


def _fallen(equations: Equations, problem: Problem, time_h: float) -> str:
    """Say which amount fell below 0."""
    last = int(np.searchsorted(problem.boundaries_h, time_h, side="left")) - 1
    there = problem._replace(
        times_h=np.array([time_h]), places=np.array([max(last, 0)], np.int64)
    )
    free = CONTROLS._replace(negative=np.inf)
    (states,) = np.asarray(solve_numbers(equations, there, free).states)
    lowest = int(np.argmin(states / problem.scales))
    return (
        f"{equations.states[lowest]} falls to {states[lowest]:.3g}, below 0: check the "
        "signs and sizes of the rates"
    )


def _from_steady_state(
    timeline: Timeline,
    equations: Equations,
    layout: Layout,
    problem: Problem,
    dose: SteadyDose,
) -> Problem:
    """Return a problem in which a dose has been repeated for ever before its time."""
    periodic = _periodic_state(timeline, equations, layout, dose)
    # One segment of the problem is before those of the timeline.
    row, count = dose.boundary + 1, len(periodic)
    keep, added = np.array(problem.keep), np.array(problem.added)
    if not dose.adds:
        keep[row, :count] = 0.0
        added[row, :count] = timeline.segments.added[dose.boundary]
    added[row, :count] += periodic
    return problem._replace(keep=keep, added=added)


def _periodic_state(
    timeline: Timeline, equations: Equations, layout: Layout, dose: SteadyDose
) -> np.ndarray:
    """Return the state just before the dose that has been repeated for ever."""
    until = np.array([dose.interval_h])

    def cycle(state: np.ndarray) -> np.ndarray:
        interval = replace(timeline, start=state, segments=dose.segments, steady=())
        problem, _ = problem_of(interval, layout, until)
        return _states(timeline, equations, problem, _OF_CYCLES)[0]

    names = [str(state) for state in timeline.system.states]
    try:
        return find_periodic_state(cycle, timeline.start, timeline.scales, names)
    except SolveError as error:
        raise SolveError(
            f"{timeline.system.name!r}: the steady state before the "
            f"{dose.given.described()}: {error} {_parameters_of(timeline)}"
        ) from error


def _parameters_of(timeline: Timeline) -> str:
    names = timeline.system.parameters
    values = timeline.parameters.tolist()
    pairs = (f"{n} = {v:.6g}" for n, v in zip(names, values, strict=True))
    return f"(with {', '.join(pairs) or 'no parameters'})"
