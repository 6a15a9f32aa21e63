"""One lane of the xla kernel: the draw that it is at, its jumps and steps."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pkmodels.kernels.problem import Controls, Outcome
from pkmodels.kernels.step_rules import (
    LEAST_REMEMBERED_ERROR,
    MOST_RETRIES,
    SHORTEST_RETRY,
    SMALLEST_STEP,
    SMALLEST_TIME_H,
    STRETCH,
)
from pkmodels.kernels.xla_step import (
    Functions,
    Step,
    error_of_directions,
    first_step,
    next_divisor,
    relative_error,
    take_step,
)


class Lane(NamedTuple):
    """What a lane is at; of many, with one axis of lanes first.

    Attributes
    ----------
    draw : int
        Which it works on; the number of draws, where none is left to do.
    segment : int
        Which it is in; the one after the last, when it has done them all.
    has_jumped : bool
        Whether the jump at the start of the segment has been made.
    outcome : int
        An `Outcome`.
    states, sensitivities : (n_states,), (n_directions, n_states) array
        Where it is.
    reached : scalar, h
        How far in the segment.
    h : scalar, h
        Length of the next step.
    last_h, last_error : scalar
        Length and error of the last step; 0 where the segment has just begun.
    is_free : bool
        Whether the next step may be longer than the last: none was refused.
    written, tried, retries : int
        How many times have been written, and steps tried, of the draw, and how many of
        those last were only tried again for the sensitivities.
    """

    draw: Any
    segment: Any
    has_jumped: Any
    outcome: Any
    states: Any
    sensitivities: Any
    reached: Any
    h: Any
    last_h: Any
    last_error: Any
    is_free: Any
    written: Any
    tried: Any
    retries: Any


class Segment(NamedTuple):
    """What a lane needs of the problem in its segment.

    Attributes
    ----------
    begins, length : scalar, h
        When it starts, and how long it is.
    constants, constants_before : (n_constants,) array
        In it, and in the one before.
    keep, added, scales : (n_states,) array
        As of a `Problem`.
    constant_slopes, boundary_slopes, added_slopes : (n_directions, ...) array
        As of `Tangents`.
    """

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


def idle_lanes(lanes: int, directions: int, states: int) -> Lane:
    """Return lanes that have not begun with anything: the draw before the first.

    Parameters
    ----------
    lanes, directions, states : int
        How many.

    Returns
    -------
    Lane

    Examples
    --------
    >>> print(idle_lanes(2, 0, 1).draw)
    [-1 -1]
    """
    zeros, none = jnp.zeros(lanes), jnp.zeros(lanes, int)
    return Lane(
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
        retries=none,
    )


def jump(functions: Functions, controls: Controls, lane: Lane, here: Segment) -> Lane:
    """Make the jump at the start of a segment: y+ = keep y- + added.

    At the boundary tau, at a fixed time:
    s+ = keep (s- + f(y-, c-) tau') + added' - f(y+, c+) tau'.

    Parameters
    ----------
    functions : Functions
        Those of the equations.
    controls : Controls
        What a solve is allowed.
    lane : Lane
        At the end of the segment before; of states 0 before the first.
    here : Segment
        The segment that starts.

    Returns
    -------
    Lane
        Not solved where a boundary or a state is not finite.

    Examples
    --------
    >>> import sympy
    >>> from pkmodels.kernels.equations import Equations
    >>> from pkmodels.kernels.xla_step import functions_of
    >>> x, k = sympy.symbols("x k")
    >>> functions = functions_of(Equations("decay", (x,), (k,), (-k * x,), False))
    >>> lane = jax.tree.map(lambda field: field[0], idle_lanes(1, 0, 1))
    >>> one, none = jnp.ones(1), jnp.zeros((0, 1))
    >>> here = Segment(0.0, 1.0, one, one, one, 5.0 * one, one, none, none[:, 0], none)
    >>> lane = jump(functions, Controls(), lane, here)
    >>> print(lane.states)
    [5.]
    """
    states = here.keep * lane.states + here.added
    slopes = lane.sensitivities
    if len(slopes):
        gone = functions.derivatives(lane.states, here.constants_before, here.scales)
        gone = jnp.where(lane.segment > 0, gone, 0.0)
        come = functions.derivatives(states, here.constants, here.scales)
        moved = here.boundary_slopes[:, None]
        # Where nothing has been given yet, a slope may be 0 / 0.
        gone, come = (
            jnp.where(moved == 0.0, 0.0, x[None, :] * moved) for x in (gone, come)
        )
        slopes = here.keep[None, :] * (slopes + gone) + here.added_slopes - come
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


def try_step(
    functions: Functions, controls: Controls, lane: Lane, here: Segment
) -> tuple[Lane, Step, Step, Any]:
    """Try a step, of the states and of the sensitivities with them.

    Parameters
    ----------
    functions : Functions
        Those of the equations.
    controls : Controls
        What a solve is allowed.
    lane : Lane
        Within a segment.
    here : Segment
        The segment.

    Returns
    -------
    lane : Lane
        After the step, where it was good enough.
    step, slopes : Step
        The step, and its derivatives with an axis of directions first.
    is_accepted : bool
        Whether it was good enough.

    Examples
    --------
    >>> import sympy
    >>> from pkmodels.kernels.equations import Equations
    >>> from pkmodels.kernels.xla_step import functions_of
    >>> x, k = sympy.symbols("x k")
    >>> functions = functions_of(Equations("decay", (x,), (k,), (-k * x,), False))
    >>> lane = jax.tree.map(lambda field: field[0], idle_lanes(1, 0, 1))
    >>> one, none = jnp.ones(1), jnp.zeros((0, 1))
    >>> here = Segment(0.0, 1.0, one, one, one, 5.0 * one, one, none, none[:, 0], none)
    >>> lane = jump(functions, Controls(), lane, here)
    >>> lane, _, _, is_accepted = try_step(functions, Controls(), lane, here)
    >>> expected = 5.0 * jnp.exp(-lane.reached)
    >>> print(is_accepted, bool(jnp.allclose(lane.states, expected)))
    True True
    """
    left = here.length - lane.reached
    reaches = lane.h * STRETCH >= left
    h = jnp.where(reaches, left, lane.h)
    step, slopes = _step_of(functions, h, lane, here)
    error = relative_error(controls, lane.states, step, here.scales)
    theirs = error_of_directions(controls, lane.sensitivities, slopes, here.scales)
    # A slope that has no end must not hold up what it is a slope of.
    is_poor = theirs > 1.0
    may_hold = (lane.retries < MOST_RETRIES) & (h > SHORTEST_RETRY * here.length)
    theirs = jnp.where(may_hold, theirs, 0.0)
    is_held = (error <= 1.0) & (theirs > 1.0)
    error = jnp.where(error <= 1.0, jnp.maximum(error, theirs), error)
    is_sound = error <= 1.0
    is_negative = is_sound & jnp.any(step.states < -controls.negative * here.scales)
    # What is right before a fall is reached by shorter steps.
    error = jnp.where(is_negative, jnp.inf, error)
    is_beyond = lane.tried >= controls.most_steps
    is_good = error <= 1.0
    is_accepted = is_good & ~is_beyond
    next_h = h / next_divisor(error, h, lane.last_error, lane.last_h)
    next_h = jnp.where(lane.is_free, next_h, jnp.minimum(next_h, h))
    least = (
        jnp.maximum(jnp.abs(here.begins + lane.reached), SMALLEST_TIME_H)
        * SMALLEST_STEP
    )
    # Written so that it holds of a length that is not a number.
    is_stuck = ~is_good & ~is_held & ~(next_h > least)
    stuck = jnp.where(error < jnp.inf, Outcome.STEP_TOO_SMALL, Outcome.NOT_FINITE)
    stuck = jnp.where(is_negative, Outcome.NEGATIVE, stuck)
    outcome = jnp.select(
        [is_beyond, is_stuck], [Outcome.STEP_LIMIT, stuck], Outcome.SOLVED
    )
    accepted = lane._replace(
        states=step.states,
        sensitivities=slopes.states,
        reached=jnp.where(reaches, here.length, lane.reached + h),
        last_h=h,
        last_error=jnp.maximum(error, LEAST_REMEMBERED_ERROR),
    )
    moved = jax.tree.map(partial(jnp.where, is_accepted), accepted, lane)
    moved = moved._replace(
        h=next_h,
        is_free=is_accepted,
        outcome=outcome.astype(int),
        tried=lane.tried + jnp.where(is_beyond, 0, 1),
        retries=jnp.where(
            is_poor,
            lane.retries + is_held.astype(int),
            jnp.maximum(lane.retries - 1, 0),
        ),
    )
    return moved, step, slopes, is_accepted


def _step_of(
    functions: Functions, h: Any, lane: Lane, here: Segment
) -> tuple[Step, Step]:
    """Take a step, and differentiate it at the same length in all directions."""

    def of_inputs(states: Any, constants: Any) -> Step:
        return take_step(functions, h, states, constants, here.scales)

    def along(states: Any, constants: Any) -> tuple[Step, Step]:
        at = (lane.states, here.constants)
        return jax.jvp(of_inputs, at, (states, constants))

    if len(lane.sensitivities):
        in_directions = jax.vmap(along, out_axes=(None, 0))
        return in_directions(lane.sensitivities, here.constant_slopes)
    step = of_inputs(lane.states, here.constants)
    bends = jnp.zeros((0, *step.bends.shape))
    return step, Step(lane.sensitivities, bends, lane.sensitivities)
