"""Many draws at once in the xla kernel: each is as it would be alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import stiff_problems
from jumping_courses import INPUTS, courses, inflow, tangents_of

from pkmodels.kernels import xla_queue
from pkmodels.kernels.problem import Controls, Problem, Solution, Tangents
from pkmodels.kernels.xla import xla_solver

pytestmark = pytest.mark.usefixtures("strict_dtypes")

INFLOW = inflow()


def batch(draws: int) -> tuple[Problem, Tangents]:
    """Return courses that differ in all; the third and the last fail."""
    shape = (draws, len(INPUTS))
    factors = jnp.exp(0.2 * jax.random.normal(jax.random.key(1), shape))
    inputs = jnp.broadcast_to(INPUTS, shape) * factors
    # The times of this course stand beside its jumps.
    inputs = inputs.at[:, 2:6].set(jnp.broadcast_to(INPUTS[2:6], (draws, 4)))
    inputs = inputs.at[2, 0].set(jnp.nan).at[-1, 8].set(-50.0)
    return jax.vmap(courses)(inputs), jax.vmap(lambda x: tangents_of(courses, x))(
        inputs
    )


def check_equal(found: Solution, wanted: Solution):
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.fixture(scope="module")
def loop() -> tuple[Problem, Tangents, Solution]:
    """Return a batch, and what each of its draws gives alone."""
    problem, tangents = batch(10)
    solve = xla_solver(INFLOW)
    draws = [
        solve(*jax.tree.map(lambda x, n=n: x[n], (problem, tangents)))
        for n in range(10)
    ]
    found = jax.tree.map(lambda *solutions: jnp.stack(solutions), *draws)
    failed = np.flatnonzero(np.asarray(found.report)[:, 0])
    assert failed.tolist() == [2, 9]
    return problem, tangents, found


def test_batch_is_a_loop(loop: tuple[Problem, Tangents, Solution]):
    check_equal(xla_solver(INFLOW)(*loop[:2]), loop[2])


def test_draws_wait_in_the_queue(
    monkeypatch: pytest.MonkeyPatch, loop: tuple[Problem, Tangents, Solution]
):
    monkeypatch.setattr(xla_queue, "_LANES_ON_CPU", 3)
    check_equal(xla_solver.__wrapped__(INFLOW)(*loop[:2]), loop[2])


def test_vmap_is_a_loop(loop: tuple[Problem, Tangents, Solution]):
    # Once over single draws, and over a part of the axes of a batch.
    solve, given = xla_solver(INFLOW), loop[:2]
    check_equal(jax.vmap(solve)(*given), loop[2])
    halves = jax.tree.map(lambda x: x.reshape(2, 5, *x.shape[1:]), given)
    nested = jax.vmap(solve, in_axes=(1, 1), out_axes=1)(*halves)
    check_equal(jax.tree.map(lambda x: x.reshape(10, *x.shape[2:]), nested), loop[2])


def test_batch_axes_are_broadcast():
    problem, _ = batch(10)
    times = jnp.array([0.0, 0.5, 1.0, 1.0, 1.0, 2.0, 3.0, 3.0, 4.5, 4.5, 5.0])
    shared = problem._replace(times_h=times, scales=jnp.ones(1))
    solve = xla_solver(INFLOW)
    own = shared._replace(
        times_h=jnp.broadcast_to(times, (10, 11)), scales=jnp.ones((10, 1))
    )
    check_equal(solve(shared), solve(own))
    axes = Problem(0, 0, 0, 0, None, None, 0)
    check_equal(jax.vmap(solve, in_axes=(axes,))(shared), solve(own))


def test_a_slow_draw_takes_no_more_steps_than_alone():
    times = [1.0]
    solve = xla_solver(INFLOW)
    rates = np.array([1.0, 1e4, 1.0, 1e-3])
    problem = stiff_problems.single([1.0, 0.0], [1.0], [1.0], times)
    problem = problem._replace(
        constants=np.stack([rates, 0.0 * rates], axis=1)[:, None]
    )
    together = np.asarray(solve(problem).report)
    for rate, report in zip(rates, together, strict=True):
        alone = solve(stiff_problems.single([rate, 0.0], [1.0], [1.0], times))
        np.testing.assert_array_equal(report, alone.report)


def test_jit_is_no_jit():
    solve = xla_solver(INFLOW)
    controls = Controls(relative=1e-3, absolute=1e-3)
    problem = stiff_problems.single([1.0, 0.5], [1.0], [1.0], [0.0, 0.2, 0.5])
    tangents = Tangents(np.ones((1, 1, 2)), np.zeros((1, 1)), np.zeros((1, 1, 1)))
    inside = jax.jit(lambda p, t: solve(p, t, controls))(problem, tangents)
    check_equal(inside, solve(problem, tangents, controls))
    with jax.disable_jit():
        check_equal(inside, solve(problem, tangents, controls))
