"""The queue of draws that the xla kernel's lanes work through, in step.

A lane that has finished its draw, or failed, takes the next one, so that no draw waits
for the slowest.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pkmodels.kernels.problem import Controls, Outcome, Problem, Solution, Tangents
from pkmodels.kernels.step_rules import (
    SAME_TIME,
)
from pkmodels.kernels.xla_lane import Lane, Segment, idle_lanes, jump, try_step
from pkmodels.kernels.xla_step import Functions, interpolate

# More lanes leave a processor's cache, fewer leave a GPU idle.
_LANES_ON_CPU = 256
_LANES_ELSEWHERE = 16384


class _Course(NamedTuple):
    """Problems and what follows from them, with one axis of draws first."""

    problem: Problem
    tangents: Tangents
    last: Any  # the segment of the last time
    lengths: Any  # of the segments, h; of the last one, to the last time
    since: Any  # the times, since the start of their segments, h


class _Results(NamedTuple):
    """What is returned, and how many draws have been taken from the queue."""

    states: Any
    sensitivities: Any
    report: Any
    taken: Any


def solve_draws(
    functions: Functions, controls: Controls, problem: Problem, tangents: Tangents
) -> Solution:
    """Solve problems, some at a time in lanes of their own.

    Parameters
    ----------
    functions : Functions
        Those of the equations.
    controls : Controls
        What a solve is allowed.
    problem : Problem
        Every array with one axis of draws first.
    tangents : Tangents
        The same.

    Returns
    -------
    Solution
        With the axis of draws first.

    Examples
    --------
    >>> import sympy
    >>> from pkmodels.kernels.equations import Equations
    >>> from pkmodels.kernels.xla_step import functions_of
    >>> x, k = sympy.symbols("x k")
    >>> functions = functions_of(Equations("decay", (x,), (k,), (-k * x,), False))
    >>> rates = jnp.array([0.0, 1.0]).reshape(2, 1, 1)
    >>> one, zero = jnp.ones((2, 1, 1)), jnp.zeros((2, 1))
    >>> first = zero.astype(int)
    >>> problem = Problem(rates, zero, one, one, zero + 1.0, zero + 1.0, first)
    >>> axes = (1, 1), (1,), (1, 1)
    >>> none = Tangents(*(jnp.zeros((2, 0, *own)) for own in axes))
    >>> solution = solve_draws(functions, Controls(), problem, none)
    >>> print(solution.states[:, 0, 0].round(6))
    [1.       0.367879]
    """
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
        lanes = idle_lanes(min(draws, most), directions, states)
        begin = partial(_begin, functions, controls, course)
        move = partial(_move, functions, controls, course)
        _, results = jax.lax.while_loop(
            lambda at: jnp.any(at[0].draw < draws),
            lambda at: move(*begin(*at)),
            (lanes, results),
        )
    return Solution(
        results.states, jnp.moveaxis(results.sensitivities, 2, 1), results.report
    )


def _course_of(problem: Problem, tangents: Tangents) -> _Course:
    boundaries, times, places = problem.boundaries_h, problem.times_h, problem.places
    last = places[:, -1]
    ends = jnp.concatenate([boundaries[:, 1:], boundaries[:, -1:]], axis=1)
    is_last = jnp.arange(boundaries.shape[1])[None, :] == last[:, None]
    ends = jnp.where(is_last, times[:, -1:], ends)
    slack = SAME_TIME * jnp.maximum(jnp.abs(boundaries), 1.0)
    lengths = ends - boundaries
    lengths = jnp.where(lengths <= slack, 0.0, lengths)
    since = times - jnp.take_along_axis(boundaries, places, axis=1)
    since = jnp.where(since <= jnp.take_along_axis(slack, places, axis=1), 0.0, since)
    # A time that rounding puts after the end of its segment is at the end of it.
    since = jnp.minimum(since, jnp.take_along_axis(lengths, places, axis=1))
    return _Course(problem, tangents, last, lengths, since)


def _begin(
    functions: Functions,
    controls: Controls,
    course: _Course,
    lanes: Lane,
    results: _Results,
) -> tuple[Lane, _Results]:
    """Bring every lane to where a step is to be made, or to the end of the queue."""

    def is_busy(at: tuple[Lane, _Results]) -> Any:
        lanes, _ = at
        stands = jnp.logical_or(~lanes.has_jumped, lanes.outcome != Outcome.SOLVED)
        return jnp.any(jnp.logical_and(lanes.draw < len(course.last), stands))

    def advance(at: tuple[Lane, _Results]) -> tuple[Lane, _Results]:
        lanes, results = _take_draws(course, *at)
        is_due = jnp.logical_and(lanes.draw < len(course.last), ~lanes.has_jumped)
        in_lanes = jax.vmap(partial(jump, functions, controls))
        jumped = in_lanes(lanes, _of_segments(course, lanes))
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


def _leave_segments(lanes: Lane, mask: Any) -> Lane:
    return lanes._replace(
        segment=lanes.segment + jnp.where(mask, 1, 0),
        has_jumped=jnp.logical_and(lanes.has_jumped, ~mask),
    )


def _take_draws(
    course: _Course, lanes: Lane, results: _Results
) -> tuple[Lane, _Results]:
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
    idle = idle_lanes(len(place), *lanes.sensitivities.shape[1:])
    idle = idle._replace(draw=jnp.minimum(number, draws))
    return _choose(has_ended, idle, lanes), results._replace(
        report=results.report.at[place].set(report, mode="drop"),
        taken=results.taken + jnp.sum(has_ended),
    )


def _of_segments(course: _Course, lanes: Lane) -> Segment:
    problem, tangents = course.problem, course.tangents
    draw = jnp.clip(lanes.draw, 0, len(course.last) - 1)
    segment = jnp.minimum(lanes.segment, course.last[draw])
    before = jnp.maximum(segment - 1, 0)
    return Segment(
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


def _move(
    functions: Functions,
    controls: Controls,
    course: _Course,
    lanes: Lane,
    results: _Results,
) -> tuple[Lane, _Results]:
    """Try a step in every lane."""
    segments = _of_segments(course, lanes)
    attempt = jax.vmap(partial(try_step, functions, controls))
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


def _write(
    course: _Course,
    lanes: Lane,
    results: _Results,
    until: Any,
    values: Callable[[Any], tuple[Any, Any]],
) -> tuple[Lane, _Results]:
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
