"""One step of Rodas5P in matrix form, for one draw; vectorized by JAX."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import sympy

from pkmodels.kernels.equations import Equations
from pkmodels.kernels.printing import jax_matrix
from pkmodels.kernels.problem import Controls
from pkmodels.kernels.rodas5p import GAMMA, A, C, H
from pkmodels.kernels.step_rules import (
    EXPONENT,
    FIRST_GUESS,
    FIRST_LEAST_SLOPE,
    FIRST_MOST,
    FIRST_SHARE,
    FIRST_SMALL,
    LEAST_AMOUNT,
    LEAST_ERROR,
    LEAST_GROWTH,
    LEAST_REMEMBERED_ERROR,
    MOST_GROWTH,
    SAFETY,
    SENSITIVITY_FACTOR,
    SENSITIVITY_FLOOR,
)

jax.config.update("jax_enable_x64", True)


class Functions(NamedTuple):
    """What the equations give at a state.

    Attributes
    ----------
    derivatives, jacobian : callable
        ``function(states, constants, scales)``: f, (n_states,), and its derivatives by
        the states, (n_states, n_states). Where states count from 0, the derivative of
        `derivatives` itself is that at the least of amounts, never the 0 below it.
    """

    derivatives: Callable[[Any, Any, Any], Any]
    jacobian: Callable[[Any, Any, Any], Any]


class Step(NamedTuple):
    """A step that was tried, with what its dense output needs.

    Attributes
    ----------
    states : (n_states,) array
        At the end of it.
    bends : (3, n_states) array
        k_1, k_2 and k_3 of `interpolate`.
    error : (n_states,) array
        Estimate of its error.
    """

    states: Any
    bends: Any
    error: Any


def functions_of(equations: Equations) -> Functions:
    """Return the functions of equations, in JAX.

    Parameters
    ----------
    equations : Equations
        The equations.

    Returns
    -------
    Functions

    Examples
    --------
    >>> x, k = sympy.symbols("x k")
    >>> decay = Equations("decay", (x,), (k,), (-k * x**2,), from_zero=False)
    >>> x, k, scale = jnp.array([3.0]), jnp.array([2.0]), jnp.ones(1)
    >>> functions = functions_of(decay)
    >>> print(functions.derivatives(x, k, scale), functions.jacobian(x, k, scale))
    [-18.] [[-12.]]
    """
    arguments = (*equations.states, *equations.constants)
    size = len(equations.states)
    plain = jax_matrix(arguments, sympy.ImmutableMatrix([equations.derivatives]))
    position = {state: number for number, state in enumerate(equations.states)}
    found: list[sympy.Expr] = []
    # Where each entry of the matrix lies among those that are not always 0.
    places = np.full((size, size), -1)
    for row, derivative in enumerate(equations.derivatives):
        for symbol in sorted(set(position) & derivative.free_symbols, key=str):
            places[row, position[symbol]] = len(found)
            found.append(sympy.diff(derivative, symbol))
    entries = jax_matrix(arguments, sympy.ImmutableMatrix([[*found, sympy.S.Zero]]))

    def derivatives(states: Any, constants: Any, scales: Any) -> Any:
        return plain(jnp.concatenate([states, constants]))[0]

    def jacobian(states: Any, constants: Any, scales: Any) -> Any:
        if equations.from_zero:
            states = jnp.maximum(states, LEAST_AMOUNT * scales)
        return entries(jnp.concatenate([states, constants]))[0][places]

    if not equations.from_zero:
        return Functions(derivatives, jacobian)

    @jax.custom_jvp
    def from_zero(states: Any, constants: Any, scales: Any) -> Any:
        return derivatives(jnp.maximum(states, 0.0), constants, scales)

    @from_zero.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        states, constants, scales = primals
        least = jnp.maximum(states, LEAST_AMOUNT * scales)
        _, slope = jax.jvp(derivatives, (least, constants, scales), tangents)
        return from_zero(*primals), slope

    return Functions(from_zero, jacobian)


@jax.custom_jvp
def _solve(matrix: Any, inverse: Any, right_side: Any) -> Any:
    """Return the x of matrix x = right_side; the inverse serves derivatives too."""
    return inverse @ right_side


@_solve.defjvp
def _solve_slope(primals: Any, tangents: Any) -> Any:
    matrix, inverse, _ = primals
    matrix_slope, _, slope = tangents
    found = _solve(*primals)
    return found, _solve(matrix, inverse, slope - matrix_slope @ found)


def invert(matrix: Any) -> Any:
    """Return the inverse of a matrix by Gauss-Jordan elimination without pivoting.

    A library's pivoting costs more than it brings: with I / (GAMMA h) in the diagonal,
    a step that this makes wrong is refused, and a shorter one has a larger diagonal.

    Parameters
    ----------
    matrix : (n, n) array
        The matrix.

    Returns
    -------
    (n, n) array

    Examples
    --------
    >>> print(invert(jnp.array([[2.0, 1.0], [0.0, 4.0]])))
    [[ 0.5   -0.125]
     [ 0.     0.25 ]]
    """
    number = jnp.arange(len(matrix))

    def eliminate(place: Any, matrix: Any) -> Any:
        is_place = number == place
        row = jnp.where(is_place, 1.0, matrix[place]) / matrix[place, place]
        column = jnp.where(is_place, 0.0, matrix[:, place])
        others = jnp.where(is_place[None, :], 0.0, matrix)
        others = others - column[:, None] * row[None, :]
        return jnp.where(is_place[:, None], row[None, :], others)

    return jax.lax.fori_loop(0, len(matrix), eliminate, matrix, unroll=2)


def take_step(
    functions: Functions, h: Any, states: Any, constants: Any, scales: Any
) -> Step:
    """Take one step of Rodas5P; it may be differentiated, at the same length.

    Parameters
    ----------
    functions : Functions
        Those of the equations.
    h : scalar, h, > 0
        Length.
    states, scales : (n_states,) array
        Where it starts, and the size of each state.
    constants : (n_constants,) array
        The constants.

    Returns
    -------
    Step

    References
    ----------
    `pkmodels.kernels.rodas5p`.

    Examples
    --------
    >>> x, k = sympy.symbols("x k")
    >>> functions = functions_of(Equations("decay", (x,), (k,), (-k * x,), False))
    >>> one = jnp.ones(1)
    >>> print(take_step(functions, 0.1, one, one, one).states)  # exp(-0.1)
    [0.90483742]
    """
    size = states.shape[0]
    identity = jnp.eye(size)
    jacobian = functions.jacobian(states, constants, scales)
    matrix = identity / (GAMMA * h) - jacobian
    inverse = invert(jax.lax.stop_gradient(matrix))

    def stage(stages: Any, row: Any) -> tuple[Any, None]:
        number, to_state, to_change = row
        change = functions.derivatives(states + to_state @ stages, constants, scales)
        change = change + to_change @ stages / h
        found = _solve(matrix, inverse, change)
        return stages.at[number].set(found), None

    rows = (jnp.arange(len(A)), jnp.asarray(A), jnp.asarray(C))
    stages, _ = jax.lax.scan(stage, jnp.zeros((len(A), size)), rows)
    new = states + jnp.asarray(A[-1]) @ stages + stages[-1]
    return Step(new, jnp.asarray(H) @ stages, stages[-1])


def interpolate(theta: Any, start: Any, end: Any, bends: Any) -> Any:
    """Return what lies a part of a step after its start, of order 4.

    y(t + th h) = (1 - th) y + th (y_new + (1 - th) (k_1 + th (k_2 + th k_3)))

    Parameters
    ----------
    theta : scalar, 0..1
        Part of the step.
    start, end : (..., n_states) array
        At its start and its end.
    bends : (..., 3, n_states) array
        k_1, k_2 and k_3.

    Returns
    -------
    (..., n_states) array

    Examples
    --------
    >>> print(interpolate(0.5, jnp.zeros(1), jnp.ones(1), jnp.zeros((3, 1))))
    [0.5]
    """
    first, second, third = (bends[..., number, :] for number in range(3))
    rest = 1.0 - theta
    inner = first + theta * (second + theta * third)
    return rest * start + theta * (end + rest * inner)


def first_step(
    functions: Functions, controls: Controls, states: Any, constants: Any, scales: Any
) -> Any:
    """Return the length of the first step of a segment, h.

    Parameters
    ----------
    functions : Functions
        Those of the equations.
    controls : Controls
        The tolerances.
    states, scales : (n_states,) array
        Where it starts, and the size of each state.
    constants : (n_constants,) array
        The constants.

    Returns
    -------
    scalar, h

    References
    ----------
    Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I (1993), II.4,
    with the second derivative from the Jacobian matrix.

    Examples
    --------
    >>> x, k = sympy.symbols("x k")
    >>> functions = functions_of(Equations("decay", (x,), (k,), (-k * x,), False))
    >>> one = jnp.ones(1)
    >>> print(f"{first_step(functions, Controls(), one, one, one):.3f}")
    0.016
    """
    change = functions.derivatives(states, constants, scales)
    bend = functions.jacobian(states, constants, scales) @ change
    allowed = controls.absolute * scales + controls.relative * jnp.abs(states)
    size, slope, bent = (jnp.max(jnp.abs(x) / allowed) for x in (states, change, bend))
    is_small = jnp.logical_or(size < FIRST_SMALL, slope < FIRST_SMALL)
    guess = jnp.where(
        is_small, FIRST_GUESS, FIRST_SHARE * size / jnp.where(is_small, 1.0, slope)
    )
    largest = jnp.maximum(jnp.maximum(slope, bent), FIRST_LEAST_SLOPE)
    return jnp.minimum(FIRST_MOST * guess, (FIRST_SHARE / largest) ** EXPONENT)


def relative_error(controls: Controls, states: Any, step: Step, scales: Any) -> Any:
    """Return the largest error of a step by its tolerance.

    Parameters
    ----------
    controls : Controls
        The tolerances.
    states, scales : (n_states,) array
        Where it starts, and the size of each state.
    step : Step
        The step.

    Returns
    -------
    scalar
        At most 1 where the step is good enough; infinite where a number is not finite.

    Examples
    --------
    >>> step = Step(jnp.ones(1), jnp.zeros((3, 1)), jnp.full(1, 1e-3))
    >>> controls = Controls(relative=1e-2, absolute=0.0)
    >>> print(round(float(relative_error(controls, jnp.ones(1), step, jnp.ones(1))), 6))
    0.1
    """
    size = jnp.maximum(jnp.abs(states), jnp.abs(step.states))
    allowed = controls.absolute * scales + controls.relative * size
    found = jnp.max(jnp.abs(step.error) / allowed)
    sound = jnp.logical_and(jnp.all(jnp.isfinite(step.states)), jnp.isfinite(found))
    return jnp.where(sound, found, jnp.inf)


def error_of_directions(
    controls: Controls, sensitivities: Any, slopes: Step, scales: Any
) -> Any:
    """Return the largest error of a step of sensitivities by its tolerance.

    Parameters
    ----------
    controls : Controls
        The tolerances.
    sensitivities : (n_directions, n_states) array
        Where it starts.
    slopes : Step
        The step, with an axis of directions first.
    scales : (n_states,) array
        Size of each state.

    Returns
    -------
    scalar
        At most 1 where the step is good enough; what is not finite counts as exact.

    Examples
    --------
    >>> step = Step(jnp.ones((1, 1)), jnp.zeros((1, 3, 1)), jnp.full((1, 1), 1.01))
    >>> found = error_of_directions(Controls(1e-2), jnp.ones((1, 1)), step, jnp.ones(1))
    >>> print(round(float(found), 6))
    1.0
    """
    size = jnp.maximum(jnp.abs(sensitivities), jnp.abs(slopes.states))
    scales = scales[None, :]
    most = jnp.max(size / scales, axis=1, keepdims=True, initial=0.0)
    allowed = size + SENSITIVITY_FLOOR * most * scales
    ratio = jnp.abs(slopes.error) / (SENSITIVITY_FACTOR * controls.relative * allowed)
    return jnp.max(jnp.where(jnp.isfinite(ratio), ratio, 0.0), initial=0.0)


def next_divisor(error: Any, h: Any, last_error: Any, last_h: Any) -> Any:
    """Return what the length of a step is divided by for the next.

    Parameters
    ----------
    error, h : scalar
        Relative error and length of the step.
    last_error, last_h : scalar
        The same of the last one that was good enough; an error of 0 where none was.

    Returns
    -------
    scalar, 1/6..5

    References
    ----------
    Gustafsson, ACM Trans Math Softw 1994;20:496, as RODAS has it: Hairer and Wanner,
    Solving Ordinary Differential Equations II (1996), IV.8.

    Examples
    --------
    >>> print(round(float(next_divisor(1.0, 0.1, 0.0, 0.1)), 6))
    1.111111
    """
    error = jnp.maximum(error, LEAST_ERROR)
    divisor = error**EXPONENT / SAFETY
    has_last = last_error > 0.0
    before = jnp.maximum(last_error, LEAST_REMEMBERED_ERROR)
    trend = last_h / h * (error**2 / before) ** EXPONENT / SAFETY
    is_better = jnp.logical_and(has_last, error <= 1.0)
    divisor = jnp.where(is_better, jnp.maximum(divisor, trend), divisor)
    return jnp.clip(divisor, (1.0 / MOST_GROWTH), (1.0 / LEAST_GROWTH))
