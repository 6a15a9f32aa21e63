"""Courses that jump, of dx/dt = r - k x, with their closed form; for any kernel."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import sympy

from pkmodels.kernels.equations import Equations
from pkmodels.kernels.problem import Problem, Tangents


def inflow() -> Equations:
    """Return dx/dt = r - k x."""
    x, k, r = sympy.symbols("x k r")
    return Equations("inflow", (x,), (k, r), (r - k * x,), from_zero=False)


# The segment of each time of `courses`.
PLACES = np.array([0, 0, 0, 1, 2, 2, 3, 3, 4, 4, 4])


def courses(inputs: Any) -> Problem:
    """Return five segments: two jumps at once, a flow, a reset, a last dose.

    The inputs are k, r, four boundaries and the five amounts that are added.
    """
    k, rate, *others = inputs
    begins, added = jnp.stack([0.0 * k, *others[:4]]), jnp.stack(others[4:])
    rates = rate * jnp.array([0.0, 1.0, 2.0, 0.0, 0.5])
    times = [0.0, 0.4, 1.0, 1.0, 1.0, 2.2, 3.0, 3.0, 4.5, 4.5, 9.0]
    return Problem(
        constants=jnp.stack([jnp.broadcast_to(k, (5,)), rates], axis=1),
        boundaries_h=begins,
        keep=jnp.array([[0.0], [1.0], [1.0], [0.0], [0.5]]),
        added=added[:, None],
        scales=jnp.ones(1),
        times_h=jnp.array(times),
        places=jnp.asarray(PLACES),
    )


INPUTS = jnp.array([0.7, 3.0, 1.0, 1.0, 3.0, 4.5, 5.0, 2.0, 3.0, 4.0, 1.0])


def closed_form(inputs: Any) -> Any:
    problem = courses(inputs)
    ends = jnp.append(problem.boundaries_h[1:], problem.times_h[-1])
    state, found = jnp.zeros(()), []
    for segment in range(5):
        state = problem.keep[segment, 0] * state + problem.added[segment, 0]
        k, rate = problem.constants[segment]
        steady, begins = rate / k, problem.boundaries_h[segment]
        since = jnp.append(problem.times_h[PLACES == segment], ends[segment]) - begins
        *here, state = steady + (state - steady) * jnp.exp(-k * since)
        found += here
    return jnp.stack(found)


def tangents_of(course: Callable[[Any], Problem], inputs: Any) -> Tangents:
    """Return the directions of all inputs."""
    slopes = jax.jacfwd(course)(inputs)
    first = [jnp.moveaxis(x, -1, 0) for x in (slopes[0], slopes[1], slopes[3])]
    return Tangents(*first)
