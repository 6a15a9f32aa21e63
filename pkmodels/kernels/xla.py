"""The xla kernel: Rodas5P in matrix form, for any backend of JAX and for batches.

A fixed number of lanes works in step through a queue of draws: a lane that has finished
its draw, or failed, takes the next one, so that no draw waits for the slowest.
"""

import math
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap

from pkmodels.kernels.equations import Equations
from pkmodels.kernels.problem import Controls, Outcome, Problem, Solution, Tangents
from pkmodels.kernels.xla_step import (
    LEAST_REMEMBERED_ERROR,
    Functions,
    Step,
    first_step,
    functions_of,
    interpolate,
    next_divisor,
    relative_error,
    take_step,
)

# More lanes leave a processor's cache, fewer leave a GPU idle.
_LANES_ON_CPU = 256
_LANES_ELSEWHERE = 16384
# Times closer than this, relative to the larger of them and 1 h, are one.
_SAME_TIME = 1e-12
# A step is stretched to the end where less than this part of it would be left.
_STRETCH = 1.0 + 1e-7
# Relative to the larger of the time and 1e-3 h.
_SMALLEST_STEP = 1e-14


class _Course(NamedTuple):
    """Problems and what follows from them, with one axis of draws first."""

    problem: Problem
    tangents: Tangents
    last: Any  # the segment of the last time
    lengths: Any  # of the segments, h; of the last one, to the last time
    since: Any  # the times, since the start of their segments, h


class _Lanes(NamedTuple):
    """What each lane is at; one axis of lanes first."""

    draw: Any  # the number of draws, where none is left to do
    segment: Any
    has_jumped: Any  # whether the jump at the start of the segment has been made
    outcome: Any
    states: Any
    sensitivities: Any
    reached: Any  # since the start of the segment, h
    h: Any
    last_h: Any
    last_error: Any  # 0 before the first step of a segment
    is_free: Any  # whether it may be longer: none was refused
    written: Any  # how many times
    tried: Any  # how many steps


class _Results(NamedTuple):
    """What is returned, and how many draws have been taken from the queue."""

    states: Any
    sensitivities: Any
    report: Any
    taken: Any


@lru_cache(maxsize=64)
def xla_solver(equations: Equations) -> Callable[..., Solution]:
    """Return the solver of equations on whatever backend JAX runs on.

    It is compiled for each shape of its arguments. The derivatives in the directions of
    the tangents are those of the steps that were taken, at their lengths; it may not be
    differentiated otherwise.

    Parameters
    ----------
    equations : Equations
        The equations.

    Returns
    -------
    callable
        ``solve(problem, tangents=None, controls=Controls()) -> Solution``; leading
        batch axes of the arguments are broadcast, and come before the directions. It
        never raises for what the numbers are: see `Outcome`.

    Examples
    --------
    >>> import sympy
    >>> x, k = sympy.symbols("x k")
    >>> decay = Equations("decay", (x,), (k,), (-k * x,), from_zero=False)
    >>> one = jnp.ones((1, 1))
    >>> problem = Problem(one, jnp.zeros(1), one, one, jnp.ones(1),
    ...                   jnp.array([1.0]), jnp.zeros(1, int))
    >>> solution = xla_solver(decay)(problem)
    >>> print(solution.states.round(6), Outcome(int(solution.report[0])).name)
    [[0.367879]] SOLVED
    """
    functions = functions_of(equations)

    @partial(jax.jit, static_argnames="controls")
    def solve(
        problem: Problem,
        tangents: Tangents | None = None,
        controls: Controls = Controls(),  # noqa: B008 (it is immutable)
    ) -> Solution:
        if tangents is None:
            tangents = _no_directions(problem)
        problem, tangents, batch = _with_one_axis(problem, tangents)

        solve_draws = _vectorized(
            partial(_solve_draws, functions, controls), math.prod(batch)
        )
        found = solve_draws(problem, tangents)
        return jax.tree.map(lambda x: x.reshape(*batch, *x.shape[1:]), found)

    return solve


def _vectorized(solve: Callable[..., Solution], draws: int) -> Callable[..., Solution]:
    """Return what solves the draws that `jax.vmap` adds in the same queue."""
    vectorized = custom_vmap(solve)

    @vectorized.def_vmap
    def _(size: int, is_batched: Any, *given: Any) -> tuple[Solution, Any]:
        def joined(array: Any, has_axis: bool) -> Any:
            array = array if has_axis else jnp.broadcast_to(array, (size, *array.shape))
            return array.reshape(size * draws, *array.shape[2:])

        joint = jax.tree.map(joined, given, tuple(is_batched))
        found = _vectorized(solve, size * draws)(*joint)
        apart = jax.tree.map(lambda x: x.reshape(size, draws, *x.shape[1:]), found)
        return apart, jax.tree.map(lambda _: True, apart)

    return vectorized


def _no_directions(problem: Problem) -> Tangents:
    segments, constants = problem.constants.shape[-2:]
    states = problem.added.shape[-1]
    return Tangents(
        jnp.zeros((0, segments, constants)),
        jnp.zeros((0, segments)),
        jnp.zeros((0, segments, states)),
    )


# How many axes each array has without batches.
_OWN_AXES = (Problem(2, 1, 2, 2, 1, 1, 1), Tangents(3, 2, 3))


def _with_one_axis(
    problem: Problem, tangents: Tangents
) -> tuple[Problem, Tangents, tuple[int, ...]]:
    """Return the arrays with their batch axes broadcast and joined, and those axes."""
    given = jax.tree.map(jnp.asarray, (problem, tangents))
    own_axes = jax.tree.leaves(_OWN_AXES)
    batch = jnp.broadcast_shapes(
        *(
            array.shape[: array.ndim - own]
            for array, own in zip(jax.tree.leaves(given), own_axes, strict=True)
        )
    )

    def joined(x: Any, own: int) -> Any:
        shape = x.shape[x.ndim - own :]
        return jnp.broadcast_to(x, (*batch, *shape)).reshape(math.prod(batch), *shape)

    problem, tangents = jax.tree.map(joined, given, _OWN_AXES)
    return problem, tangents, batch


def _course_of(problem: Problem, tangents: Tangents) -> _Course:
    boundaries, times, places = problem.boundaries_h, problem.times_h, problem.places
    last = places[:, -1]
    ends = jnp.concatenate([boundaries[:, 1:], boundaries[:, -1:]], axis=1)
    is_last = jnp.arange(boundaries.shape[1])[None, :] == last[:, None]
    ends = jnp.where(is_last, times[:, -1:], ends)
    slack = _SAME_TIME * jnp.maximum(jnp.abs(boundaries), 1.0)
    lengths = ends - boundaries
    lengths = jnp.where(lengths <= slack, 0.0, lengths)
    since = times - jnp.take_along_axis(boundaries, places, axis=1)
    since = jnp.where(since <= jnp.take_along_axis(slack, places, axis=1), 0.0, since)
    # A time that rounding puts after the end of its segment is at the end of it.
    since = jnp.minimum(since, jnp.take_along_axis(lengths, places, axis=1))
    return _Course(problem, tangents, last, lengths, since)


def _solve_draws(
    functions: Functions, controls: Controls, problem: Problem, tangents: Tangents
) -> Solution:
    """Solve problems with one axis of draws first."""
    draws, times = problem.times_h.shape
    directions, states = tangents.added.shape[1], problem.added.shape[2]
    results = _Results(
        jnp.full((draws, times, states), jnp.nan),
        jnp.full((draws, times, directions, states), jnp.nan),
        jnp.zeros((draws, 3)),
        jnp.zeros((), int),
    )
    if times and draws:
        course = _course_of(problem, tangents)
        most = _LANES_ON_CPU if jax.default_backend() == "cpu" else _LANES_ELSEWHERE
        lanes = _idle_lanes(min(draws, most), directions, states)
        begin = partial(_begin, functions, controls, course)
        move = partial(_move, functions, controls, course)
        _, results = jax.lax.while_loop(
            lambda at: jnp.any(at[0].draw < draws),
            lambda at: begin(*move(*at)),
            begin(lanes, results),
        )
    return Solution(
        results.states, jnp.moveaxis(results.sensitivities, 2, 1), results.report
    )


def _idle_lanes(lanes: int, directions: int, states: int) -> _Lanes:
    """Return lanes that have done a draw which there is not."""
    zeros, none = jnp.zeros(lanes), jnp.zeros(lanes, int)
    return _Lanes(
        draw=none - 1,
        segment=none,
        has_jumped=zeros > 0.0,
        outcome=none,
        states=jnp.zeros((lanes, states)),
        sensitivities=jnp.zeros((lanes, directions, states)),
        reached=zeros,
        h=zeros,
        last_h=zeros,
        last_error=zeros,
        is_free=zeros == 0.0,
        written=none,
        tried=none,
    )


def _begin(
    functions: Functions,
    controls: Controls,
    course: _Course,
    lanes: _Lanes,
    results: _Results,
) -> tuple[_Lanes, _Results]:
    """Bring every lane to where a step is to be made, or to the end of the queue."""

    def is_busy(at: tuple[_Lanes, _Results]) -> Any:
        lanes, _ = at
        stands = jnp.logical_or(~lanes.has_jumped, lanes.outcome != Outcome.SOLVED)
        return jnp.any(jnp.logical_and(lanes.draw < len(course.last), stands))

    def advance(at: tuple[_Lanes, _Results]) -> tuple[_Lanes, _Results]:
        lanes, results = _take_draws(course, *at)
        is_due = jnp.logical_and(lanes.draw < len(course.last), ~lanes.has_jumped)
        jump = jax.vmap(partial(_jump, functions, controls))
        jumped = jump(lanes, _of_segments(course, lanes))
        lanes = _choose(is_due, jumped, lanes)
        is_due = jnp.logical_and(is_due, lanes.outcome == Outcome.SOLVED)
        lanes, results = _write(
            course,
            lanes,
            results,
            jnp.where(is_due, 0.0, -1.0),
            lambda since: (lanes.states, lanes.sensitivities),
        )
        draw = jnp.minimum(lanes.draw, len(course.last) - 1)
        is_empty = course.lengths[draw, lanes.segment] == 0.0
        return _leave_segments(lanes, jnp.logical_and(is_due, is_empty)), results

    return jax.lax.while_loop(is_busy, advance, (lanes, results))


def _choose(mask: Any, first: Any, second: Any) -> Any:
    """Return the lanes of the first where the mask says so, else of the second."""

    def chosen(x: Any, y: Any) -> Any:
        return jnp.where(mask.reshape(-1, *(1,) * (x.ndim - 1)), x, y)

    return jax.tree.map(chosen, first, second)


def _leave_segments(lanes: _Lanes, mask: Any) -> _Lanes:
    return lanes._replace(
        segment=lanes.segment + jnp.where(mask, 1, 0),
        has_jumped=jnp.logical_and(lanes.has_jumped, ~mask),
    )


def _take_draws(
    course: _Course, lanes: _Lanes, results: _Results
) -> tuple[_Lanes, _Results]:
    """Report on the draws that have ended, and give their lanes the next ones."""
    draws = len(course.last)
    draw = jnp.clip(lanes.draw, 0, draws - 1)
    is_done = lanes.segment > course.last[draw]
    has_ended = jnp.logical_or(is_done, lanes.outcome != Outcome.SOLVED)
    has_ended = jnp.logical_or(has_ended, lanes.draw < 0)
    has_ended = jnp.logical_and(has_ended, lanes.draw < draws)
    segment = jnp.minimum(lanes.segment, course.last[draw])
    until = jnp.where(is_done, course.lengths[draw, segment], lanes.reached)
    report = jnp.stack(
        [
            lanes.outcome.astype(float),
            course.problem.boundaries_h[draw, segment] + until,
            lanes.tried.astype(float),
        ],
        axis=1,
    )
    has_report = jnp.logical_and(has_ended, lanes.draw >= 0)
    place = jnp.where(has_report, lanes.draw, draws)
    number = results.taken + jnp.cumsum(has_ended) - 1
    idle = _idle_lanes(len(place), *lanes.sensitivities.shape[1:])
    idle = idle._replace(draw=jnp.minimum(number, draws))
    return _choose(has_ended, idle, lanes), results._replace(
        report=results.report.at[place].set(report, mode="drop"),
        taken=results.taken + jnp.sum(has_ended),
    )


class _Segment(NamedTuple):
    """What a lane needs of the problem in its segment."""

    begins: Any
    length: Any
    constants: Any
    constants_before: Any
    keep: Any
    added: Any
    scales: Any
    constant_slopes: Any
    boundary_slopes: Any
    added_slopes: Any


def _of_segments(course: _Course, lanes: _Lanes) -> _Segment:
    problem, tangents = course.problem, course.tangents
    draw = jnp.clip(lanes.draw, 0, len(course.last) - 1)
    segment = jnp.minimum(lanes.segment, course.last[draw])
    before = jnp.maximum(segment - 1, 0)
    return _Segment(
        problem.boundaries_h[draw, segment],
        course.lengths[draw, segment],
        problem.constants[draw, segment],
        problem.constants[draw, before],
        problem.keep[draw, segment],
        problem.added[draw, segment],
        problem.scales[draw],
        tangents.constants[draw, :, segment],
        tangents.boundaries_h[draw, :, segment],
        tangents.added[draw, :, segment],
    )


def _jump(
    functions: Functions, controls: Controls, lane: _Lanes, here: _Segment
) -> _Lanes:
    """Make the jump at the start of a segment: y+ = keep y- + added.

    At the boundary tau, at a fixed time:
    s+ = keep (s- + f(y-, c-) tau') + added' - f(y+, c+) tau'.
    """
    states = here.keep * lane.states + here.added
    slopes = lane.sensitivities
    if len(slopes):
        gone = functions.derivatives(lane.states, here.constants_before, here.scales)
        gone = jnp.where(lane.segment > 0, gone, 0.0)
        come = functions.derivatives(states, here.constants, here.scales)
        moved = here.boundary_slopes[:, None]
        kept = here.keep[None, :] * (slopes + gone[None, :] * moved)
        slopes = kept + here.added_slopes - come[None, :] * moved
    is_sound = jnp.logical_and(jnp.isfinite(here.length), jnp.isfinite(here.begins))
    is_sound = jnp.logical_and(is_sound, jnp.all(jnp.isfinite(states)))
    h = first_step(functions, controls, states, here.constants, here.scales)
    return lane._replace(
        has_jumped=jnp.ones((), bool),
        outcome=jnp.where(is_sound, Outcome.SOLVED, Outcome.NOT_FINITE).astype(int),
        states=states,
        sensitivities=slopes,
        reached=jnp.zeros(()),
        h=h,
        last_h=h,
        last_error=jnp.zeros(()),
        is_free=jnp.ones((), bool),
    )


def _move(
    functions: Functions,
    controls: Controls,
    course: _Course,
    lanes: _Lanes,
    results: _Results,
) -> tuple[_Lanes, _Results]:
    """Try a step in every lane."""
    segments = _of_segments(course, lanes)
    attempt = jax.vmap(partial(_attempt, functions, controls))
    moved, step, slopes, is_accepted = attempt(lanes, segments)
    length = moved.reached - lanes.reached

    def between(since: Any) -> tuple[Any, Any]:
        theta = (since - lanes.reached) / jnp.where(length > 0.0, length, 1.0)
        inside = jax.vmap(interpolate)
        theta = jnp.clip(theta, 0.0, 1.0)
        return (
            inside(theta, lanes.states, step.states, step.bends),
            inside(theta, lanes.sensitivities, slopes.states, slopes.bends),
        )

    until = jnp.where(is_accepted, moved.reached, -1.0)
    moved, results = _write(course, moved, results, until, between)
    is_over = jnp.logical_and(is_accepted, moved.reached >= segments.length)
    moved = _leave_segments(moved, is_over)
    return _choose(lanes.draw < len(course.last), moved, lanes), results


def _attempt(
    functions: Functions,
    controls: Controls,
    lane: _Lanes,
    here: _Segment,
) -> tuple[_Lanes, Step, Step, Any]:
    """Try a step; return also it, its slopes, and whether it was accepted."""
    left = here.length - lane.reached
    reaches = lane.h * _STRETCH >= left
    h = jnp.where(reaches, left, lane.h)

    def of_inputs(states: Any, constants: Any) -> Step:
        return take_step(functions, h, states, constants, here.scales)

    def along(states: Any, constants: Any) -> tuple[Step, Step]:
        at = (lane.states, here.constants)
        return jax.jvp(of_inputs, at, (states, constants))

    if len(lane.sensitivities):
        slopes_of = jax.vmap(along, out_axes=(None, 0))
        step, slopes = slopes_of(lane.sensitivities, here.constant_slopes)
    else:
        step = of_inputs(lane.states, here.constants)
        bends = jnp.zeros((0, *step.bends.shape))
        slopes = Step(lane.sensitivities, bends, lane.sensitivities)
    error = relative_error(controls, lane.states, step, here.scales)
    is_negative = jnp.any(step.states < -controls.negative * here.scales)
    is_good = error <= 1.0
    is_accepted = jnp.logical_and(is_good, ~is_negative)
    is_accepted = jnp.logical_and(is_accepted, lane.tried < controls.most_steps)
    longer = h / next_divisor(error, h, lane.last_error, lane.last_h)
    longer = jnp.where(lane.is_free, longer, jnp.minimum(longer, h))
    least = jnp.maximum(jnp.abs(here.begins + lane.reached), 1e-3) * _SMALLEST_STEP
    stuck = jnp.where(error < jnp.inf, Outcome.STEP_TOO_SMALL, Outcome.NOT_FINITE)
    outcome = jnp.where(
        is_good,
        jnp.where(is_negative, Outcome.NEGATIVE, Outcome.SOLVED),
        jnp.where(longer > least, Outcome.SOLVED, stuck),
    )
    is_beyond = lane.tried >= controls.most_steps
    outcome = jnp.where(is_beyond, Outcome.STEP_LIMIT, outcome)
    accepted = lane._replace(
        states=step.states,
        sensitivities=slopes.states,
        reached=jnp.where(reaches, here.length, lane.reached + h),
        last_h=h,
        last_error=jnp.maximum(error, LEAST_REMEMBERED_ERROR),
    )
    moved = jax.tree.map(partial(jnp.where, is_accepted), accepted, lane)
    return (
        moved._replace(
            h=longer,
            is_free=is_accepted,
            outcome=outcome.astype(int),
            tried=lane.tried + jnp.where(is_beyond, 0, 1),
        ),
        step,
        slopes,
        is_accepted,
    )


def _write(
    course: _Course,
    lanes: _Lanes,
    results: _Results,
    until: Any,
    values: Callable[[Any], tuple[Any, Any]],
) -> tuple[_Lanes, _Results]:
    """Write the values at each lane's next times, until some time of its segment."""
    draws, times = course.since.shape
    draw = jnp.clip(lanes.draw, 0, draws - 1)

    def next_times(written: Any) -> tuple[Any, Any]:
        time = jnp.minimum(written, times - 1)
        since = course.since[draw, time]
        is_here = course.problem.places[draw, time] == lanes.segment
        is_due = jnp.logical_and(is_here, since <= until)
        return since, jnp.logical_and(is_due, written < times)

    def go_on(at: tuple[Any, _Results]) -> Any:
        return jnp.any(next_times(at[0])[1])

    def write(at: tuple[Any, _Results]) -> tuple[Any, _Results]:
        written, results = at
        since, is_due = next_times(written)
        states, slopes = values(since)
        place = (jnp.where(is_due, draw, draws), written)
        return written + jnp.where(is_due, 1, 0), results._replace(
            states=results.states.at[place].set(states, mode="drop"),
            sensitivities=results.sensitivities.at[place].set(slopes, mode="drop"),
        )

    written, results = jax.lax.while_loop(go_on, write, (lanes.written, results))
    return lanes._replace(written=written), results
