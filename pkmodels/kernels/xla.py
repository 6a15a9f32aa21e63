"""The xla kernel: Rodas5P in matrix form, for any backend of JAX and for batches."""

import math
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap

from pkmodels.kernels.equations import Equations
from pkmodels.kernels.problem import Controls, Problem, Solution, Tangents
from pkmodels.kernels.xla_queue import solve_draws
from pkmodels.kernels.xla_step import functions_of

# How many axes each array has without batches.
_OWN_AXES = (Problem(2, 1, 2, 2, 1, 1, 1), Tangents(3, 2, 3))


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
    >>> from pkmodels.kernels.problem import Outcome
    >>> solution = xla_solver(decay)(problem)
    >>> print(solution.states.round(6), Outcome(int(solution.report[0])).name)
    [[0.367879]] SOLVED
    """
    functions = functions_of(equations)

    @jax.jit
    def solve(
        problem: Problem,
        tangents: Tangents | None = None,
        controls: Controls = Controls(),  # noqa: B008 (it is immutable)
    ) -> Solution:
        if tangents is None:
            tangents = _no_directions(problem)
        problem, tangents, batch = _with_one_axis(problem, tangents)

        solve_all = _vectorized(partial(solve_draws, functions), math.prod(batch))
        found = solve_all(controls, problem, tangents)
        return jax.tree.map(lambda x: x.reshape(*batch, *x.shape[1:]), found)

    return solve


def _vectorized(solve: Callable[..., Solution], draws: int) -> Callable[..., Solution]:
    """Return what solves the draws that `jax.vmap` adds in the same queue."""
    vectorized = custom_vmap(solve)

    @vectorized.def_vmap
    def _(
        size: int, is_batched: Any, controls: Controls, *given: Any
    ) -> tuple[Solution, Any]:
        def joined(array: Any, has_axis: bool) -> Any:
            array = array if has_axis else jnp.broadcast_to(array, (size, *array.shape))
            return array.reshape(size * draws, *array.shape[2:])

        joint = jax.tree.map(joined, given, tuple(is_batched[1:]))
        found = _vectorized(solve, size * draws)(controls, *joint)
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


def _with_one_axis(
    problem: Problem, tangents: Tangents
) -> tuple[Problem, Tangents, tuple[Any, ...]]:
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
