"""Batches: the states of one schedule in many bodies, solved several at once."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import sympy  # noqa: E402

from pkmodels.arrivals import Length, length_source, route_of  # noqa: E402
from pkmodels.courses import course_of  # noqa: E402
from pkmodels.errors import SolveError  # noqa: E402
from pkmodels.integration import FallenError, integrate  # noqa: E402
from pkmodels.kernels.choice import XLA, choose_solver  # noqa: E402
from pkmodels.kernels.equations import Equations, Layout, equations_of  # noqa: E402
from pkmodels.kernels.native import available_threads, native_kernel  # noqa: E402
from pkmodels.kernels.printing import numpy_function  # noqa: E402
from pkmodels.kernels.problem import Controls, Outcome, Problem, Solution  # noqa: E402
from pkmodels.lowering import lower_course  # noqa: E402
from pkmodels.schedule import Schedule  # noqa: E402
from pkmodels.symbols import LIGAND  # noqa: E402
from pkmodels.system import System  # noqa: E402
from pkmodels.timeline import lower  # noqa: E402


class Ending(IntEnum):
    """How the simulation of one body ended; the first are those of `Outcome`.

    `simulate` of the same parameters says what is wrong. An amount may be NEGATIVE
    because a reaction runs backwards that takes out of an empty compartment.
    """

    SOLVED = Outcome.SOLVED
    STEP_LIMIT = Outcome.STEP_LIMIT
    NOT_FINITE = Outcome.NOT_FINITE
    NEGATIVE = Outcome.NEGATIVE
    STEP_TOO_SMALL = Outcome.STEP_TOO_SMALL
    BACKWARDS = 5  # a reaction has a negative rate
    ILL_POSED = 6  # a lag, bioavailability, length or start is negative or no number
    UNSOLVED = 7  # of those solved one by one: another reason


class Batch(NamedTuple):
    """The states of many bodies.

    Attributes
    ----------
    states : (n_all_times, n_states, n_bodies) array
        nmol, or MBq of a label or tracer; not to be read of a body that failed.
    times_h : (n_all_times, n_bodies) array
        Those asked for, then those at which something jumps in each body, h.
    endings : (n_bodies,) array of int64
        The `Ending` of each.
    reached_h : (n_bodies,) array
        How far each was solved, h; NaN where that is not known.
    """

    states: np.ndarray
    times_h: np.ndarray
    endings: np.ndarray
    reached_h: np.ndarray


@dataclass(frozen=True, eq=False)
class Reading:
    """What of a system on a schedule is to be solved.

    Parameters
    ----------
    system : System
        The system.
    schedule : Schedule
        What is done.
    label : str or None
        As of `pkmodels.timeline.lower`.
    times_h : (n_times,) array
        Times, h, >= 0.
    before : (n_times,) array of bool
        Where a time is that of a jump, whether the states before it are wanted.
    """

    system: System
    schedule: Schedule
    label: str | None
    times_h: np.ndarray
    before: np.ndarray


def solver_in_lanes(
    reading: Reading,
    size: int,
    *,
    controls: Controls,
    threads: int | None = None,
    kernel: str | None = None,
) -> Callable[[np.ndarray], Batch]:
    """Return what solves up to `size` bodies at once.

    Parameters
    ----------
    reading : Reading
        What is solved; no dose is at steady state.
    size : int
        Most bodies in one batch; all of one size share a compilation.
    controls : Controls
        What a solve is allowed.
    threads : int or None
        Most that the native kernel shares a batch among; None for one each core.
    kernel : str or None
        As of `pkmodels.kernels.choice.choose_solver`.

    Returns
    -------
    callable
        ``solve(parameters) -> Batch`` of 1 to `size` rows of values in the order of
        ``system.parameters``.

    Raises
    ------
    InputError
        When the schedule is not of the form that the system was assembled for.

    Examples
    --------
    >>> from pkmodels.administrations import Administration
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.system import assemble
    >>> schedule = Schedule((Administration(0.0, 0.0, "x", ligand_nmol=10.0),))
    >>> system = assemble(organ_exchange.model(("kidney",)), schedule.form)
    >>> one = np.ones(1)
    >>> reading = Reading(system, schedule, None, one, one > 1)
    >>> solve = solver_in_lanes(reading, 2, controls=Controls())
    >>> found = solve(np.array([[1.0, 0.02, 60.0], [0.5, 0.02, 60.0]]))
    >>> print(found.states[0, 0].round(5), found.times_h[:, 0], found.endings)
    [5.  2.5] [1. 0. 0.] [0 0]
    """
    system = reading.system
    equations, layout = equations_of(system)
    states_of = reading.label if system.matrix is None else reading.label or LIGAND
    course = course_of(system, reading.schedule, states_of)
    run = _runner(equations, kernel, controls, threads or available_threads())
    lowered = _lowered(system, layout)

    def solve(parameters: np.ndarray) -> Batch:
        count = len(parameters)
        missing = np.repeat(parameters[-1:], size - count, axis=0)
        full = np.concatenate([parameters, missing])
        problem, rows, times = lowered(full, course, reading.times_h, reading.before)
        found = run(Problem(*map(np.asarray, problem)), count)
        inside = np.asarray(found.states)[:count, :, : len(system.states)]
        rows = np.asarray(rows)[:count]
        ending, reached, _ = np.asarray(found.report)[:count].T
        wrong = is_ill_posed(reading, parameters)
        return Batch(
            states=_by_time(inside, rows),
            times_h=np.asarray(times)[:count].T,
            endings=np.where(wrong, Ending.ILL_POSED, ending.astype(np.int64)),
            reached_h=np.where(wrong, np.nan, reached),
        )

    return solve


def solver_one_by_one(reading: Reading) -> Callable[[np.ndarray], Batch]:
    """Return what solves bodies one after another, doses at steady state included.

    Parameters
    ----------
    reading : Reading
        What is solved, with the tolerances of `pkmodels.integration.integrate`.

    Returns
    -------
    callable
        As that of `solver_in_lanes`, of any number of rows.

    Examples
    --------
    >>> from pkmodels.administrations import Administration, SteadyState
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.system import assemble
    >>> dose = Administration(0.0, 0.0, "x", ligand_nmol=10.0,
    ...                       steady_state=SteadyState(interval_h=1.0))
    >>> schedule = Schedule((dose,))
    >>> system = assemble(organ_exchange.model(("kidney",)), schedule.form)
    >>> reading = Reading(system, schedule, None, np.zeros(1), np.zeros(1, bool))
    >>> found = solver_one_by_one(reading)(np.array([[1.0, 0.02, 60.0]]))
    >>> print(found.states[0, 0].round(6))  # 10 / (1 - 1/2)
    [20.]
    """
    names = [str(parameter) for parameter in reading.system.parameters]

    def solve_one(row: np.ndarray) -> tuple[np.ndarray, np.ndarray, Ending, float]:
        values = dict(zip(names, row.tolist(), strict=True))
        line = lower(reading.system, values, reading.schedule, reading.label)
        latest = reading.times_h.max(initial=0.0)
        jumps = line.boundaries_h[line.boundaries_h <= latest]
        times = np.append(reading.times_h, jumps)
        early = np.append(reading.before, np.zeros(len(jumps), np.bool_))
        none = np.full((len(times), len(reading.system.states)), np.nan)
        try:
            return integrate(line, times, early), times, Ending.SOLVED, latest
        except FallenError as error:
            return none, times, Ending.NEGATIVE, error.time_h
        except SolveError:
            return none, times, Ending.UNSOLVED, np.nan

    def solve(parameters: np.ndarray) -> Batch:
        ill_posed = is_ill_posed(reading, parameters)
        sound = np.flatnonzero(~ill_posed)
        found = [solve_one(parameters[row]) for row in sound]
        lengths = [len(times) for _, times, *_ in found]
        most = max(lengths, default=len(reading.times_h))
        count, width = len(parameters), len(reading.system.states)
        states, times = np.full((most, width, count), np.nan), np.zeros((most, count))
        endings = np.full(count, Ending.ILL_POSED, np.int64)
        reached = np.full(count, np.nan)
        for row, (values, at, ending, until) in zip(sound, found, strict=True):
            # A body with fewer jumps than others is looked at more than once.
            repeated = np.minimum(np.arange(most), len(at) - 1)
            states[:, :, row], times[:, row] = values[repeated], at[repeated]
            endings[row], reached[row] = ending, until
        return Batch(states, times, endings, reached)

    return solve


def is_ill_posed(reading: Reading, parameters: np.ndarray) -> np.ndarray:
    """Say in which bodies what a route or the start says is no number >= 0.

    Parameters
    ----------
    reading : Reading
        What is solved.
    parameters : (n_bodies, n_parameters) array
        Values in the order of ``system.parameters``.

    Returns
    -------
    (n_bodies,) array of bool

    Examples
    --------
    >>> from pkmodels.administrations import Administration
    >>> from pkmodels.definition import Model
    >>> from pkmodels.reactions import flow
    >>> from pkmodels.routes import Route
    >>> from pkmodels.symbols import amounts, parameters
    >>> from pkmodels.system import assemble
    >>> (x,), (k,) = amounts("x", unit="nmol"), parameters("k", unit="1/h")
    >>> (part,) = parameters("part", unit="1")
    >>> oral = {"oral": Route(x, bioavailability=1 - part)}
    >>> model = Model("gut", (flow("out", x, None, k * x),), oral, {"x": x})
    >>> schedule = Schedule((Administration(0.0, 0.0, "y", route="oral"),))
    >>> system = assemble(model, schedule.form)
    >>> reading = Reading(system, schedule, None, np.zeros(1), np.zeros(1, bool))
    >>> [str(parameter) for parameter in system.parameters]
    ['k', 'part']
    >>> print(is_ill_posed(reading, np.array([[1.0, 0.5], [1.0, 2.0]])))
    [False  True]
    """
    system, schedule = reading.system, reading.schedule
    wanted: list[Any] = list(system.start)
    for _, _, route in system.routes:
        wanted += [route.lag_h, route.bioavailability]
    for a in schedule.administrations:
        route = route_of(system, schedule, a.ligand, a.route)
        source = length_source(route, a)
        if source is Length.ROUTE_DURATION:
            wanted.append(route.duration_h)
        elif source is Length.ROUTE_RATE:
            assert route.rate_per_h is not None
            wanted.append(1 / route.rate_per_h)
    function = numpy_function(system.parameters, tuple(map(sympy.sympify, wanted)))
    found = np.zeros(len(parameters), np.bool_)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for values in function(list(parameters.T)):
            found |= ~(np.isfinite(values) & (np.asarray(values) >= 0.0))
    return found


@lru_cache(maxsize=64)
def _lowered(system: System, layout: Layout) -> Callable[..., Any]:
    """Return what lowers a course for many bodies, and reads it at its jumps, too."""

    def lower_body(parameters: Any, course: Any, times: Any, before: Any) -> Any:
        lower_at = partial(lower_course, system, layout, parameters, course)
        boundaries = lower_at(times, before)[0].boundaries_h
        latest = jnp.max(times, initial=0.0)
        jumps = jnp.where(boundaries <= latest, boundaries, latest)
        every = jnp.concatenate([times, jumps])
        early = jnp.concatenate([before, jnp.zeros(jumps.shape, bool)])
        problem, rows = lower_at(every, early)
        return problem, rows, every

    return jax.jit(jax.vmap(lower_body, in_axes=(0, None, None, None)))


def _runner(
    equations: Equations, kernel: str | None, controls: Controls, threads: int
) -> Callable[[Problem, int], Solution]:
    """Return what solves the first of some problems, or all, by the best kernel."""
    solver = choose_solver(equations, kernel)
    if solver.kernel == XLA:
        # All of them, since another number of problems is another compilation.
        return lambda problem, count: solver.solve(problem, None, controls)
    native = native_kernel(equations)

    def run(problem: Problem, count: int) -> Solution:
        first = Problem(*(array[:count] for array in problem))
        return native.solve(first, None, controls, threads=threads)

    return run


def _by_time(states: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return states (n_bodies, n_times, n_states) in order, bodies last."""
    found = np.empty((*states.shape[1:], len(states)))
    same = bool(np.all(rows == rows[:1]))
    everyone = np.arange(len(states))
    for time, at in enumerate(rows.T):
        found[time] = (states[:, at[0]] if same else states[everyone, at]).T
    return found
