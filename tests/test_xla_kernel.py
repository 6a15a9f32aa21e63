"""The xla kernel against the literature, closed forms and finite differences."""

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import stiff_problems
import sympy
from jumping_courses import INPUTS, closed_form, courses, inflow, tangents_of

from pkmodels.kernels.equations import Equations
from pkmodels.kernels.problem import Controls, Outcome, Problem, Solution, Tangents
from pkmodels.kernels.xla import xla_solver

pytestmark = pytest.mark.usefixtures("strict_dtypes")

TIGHT = Controls(relative=1e-12, absolute=1e-16)


def outcome_of(solution: Solution) -> Outcome:
    return Outcome(int(solution.report[..., 0]))


def one_state(
    change: Callable, constants: str, *, from_zero: bool = False
) -> Equations:
    """Return dx/dt = change(x, *constants)."""
    x, *symbols = sympy.symbols(f"x {constants}")
    return Equations(
        "one state", (x,), tuple(symbols), (change(x, *symbols),), from_zero
    )


DECAY = one_state(lambda x, k: -k * x, "k")
INFLOW = inflow()


@pytest.mark.reference
@pytest.mark.parametrize(
    "stiff",
    [
        stiff_problems.robertson(),
        stiff_problems.hires(),
        stiff_problems.van_der_pol(),
    ],
    ids=lambda stiff: stiff.equations.name,
)
def test_stiff_problems_of_the_literature(stiff: stiff_problems.StiffProblem):
    controls = Controls(relative=1e-9, absolute=1e-11, negative=math.inf)
    solution = xla_solver(stiff.equations)(stiff.problem, None, controls)
    assert outcome_of(solution) is Outcome.SOLVED
    np.testing.assert_allclose(solution.states, stiff.truth, rtol=stiff.reachable)


@pytest.mark.reference
def test_error_falls_with_the_tolerance_on_the_benchmark(repository: Path):
    truth = stiff_problems.pbpk12_truth(repository)
    solve = xla_solver(stiff_problems.pbpk12_equations())
    errors = []
    for exponent in (-4, -6, -8, -10):
        controls = Controls(relative=10.0**exponent, absolute=10.0 ** (exponent - 4))
        solution = solve(stiff_problems.pbpk12_problem(), None, controls)
        errors.append(stiff_problems.pbpk12_error(solution.states, truth))
    assert errors[0] < 1e-4
    assert errors[-1] < 1e-9
    assert all(b < 0.1 * a for a, b in pairwise(errors))


@pytest.mark.reference
def test_gradient_of_the_benchmark(repository: Path):
    problem = stiff_problems.pbpk12_problem(stiff_problems.PBPK12_SHIFTS)
    tangents = stiff_problems.pbpk12_tangents(problem)
    solve = xla_solver(stiff_problems.pbpk12_equations())
    solution = solve(problem, tangents, Controls(relative=1e-8, absolute=1e-12))
    value, gradient = stiff_problems.pbpk12_likelihood(
        repository, solution.states, solution.sensitivities
    )
    wanted = stiff_problems.PBPK12_LOG_LIKELIHOOD
    assert value == pytest.approx(wanted, abs=1e-6)
    np.testing.assert_allclose(gradient, stiff_problems.PBPK12_GRADIENT, rtol=1e-6)


def test_jumps_are_those_of_the_closed_form():
    solution = xla_solver(INFLOW)(courses(INPUTS), None, TIGHT)
    assert outcome_of(solution) is Outcome.SOLVED
    assert float(solution.report[1]) == 9.0
    np.testing.assert_allclose(
        solution.states[:, 0], closed_form(INPUTS), rtol=1e-9, atol=1e-11
    )


def test_sensitivities_across_jumps_are_those_of_the_closed_form():
    tangents = tangents_of(courses, INPUTS)
    solution = xla_solver(INFLOW)(courses(INPUTS), tangents, TIGHT)
    expected = jax.jacfwd(closed_form)(INPUTS).T
    np.testing.assert_allclose(
        solution.sensitivities[:, :, 0], expected, rtol=1e-8, atol=1e-9
    )
    # Each boundary matters somewhere, before and at the other jumps too.
    assert (np.abs(expected[2:6]).max(axis=1) > 0.1).all()


def test_the_time_itself_is_no_part_of_the_solution():
    later = courses(INPUTS)
    later = later._replace(
        boundaries_h=later.boundaries_h + 1000.0, times_h=later.times_h + 1000.0
    )
    solution = xla_solver(INFLOW)(later, None, TIGHT)
    np.testing.assert_allclose(
        solution.states[:, 0], closed_form(INPUTS), rtol=1e-9, atol=1e-11
    )


def saturating() -> Equations:
    """A dose that binds to few receptors: two states, not linear."""
    free, bound = sympy.symbols("free bound")
    on, off, lost, sites, rate = sympy.symbols("on off lost sites rate")
    binding = on * free * (sites - bound) - off * bound
    change = (rate - binding - lost * free, binding - lost * bound / 10)
    return Equations(
        "saturating", (free, bound), (on, off, lost, sites, rate), change, False
    )


def saturating_course(inputs: Any) -> Problem:
    """A dose at 0, an infusion over a while, a second dose that removes some."""
    *constants, rate, begins, ends, again, dose, second = inputs
    zero = jnp.zeros(())
    rates = (zero, rate, zero, zero)
    return Problem(
        constants=jnp.stack([jnp.stack([*constants, r]) for r in rates]),
        boundaries_h=jnp.stack([zero, begins, ends, again]),
        keep=jnp.array([[0.0, 0.0], [1.0, 1.0], [1.0, 1.0], [0.25, 1.0]]),
        added=jnp.stack([jnp.stack([x, zero]) for x in (dose, zero, zero, second)]),
        scales=jnp.array([10.0, 2.0]),
        times_h=jnp.array([0.3, 0.9, 1.5, 2.5, 4.0, 5.0, 20.0]),
        places=jnp.array([0, 0, 1, 1, 2, 3, 3]),
    )


def test_sensitivities_are_finite_differences_of_a_saturating_system():
    # on, off, lost, sites, rate, begins, ends, again, dose, second
    inputs = jnp.array([9.0, 0.5, 0.3, 2.0, 4.0, 1.0, 3.0, 4.5, 10.0, 6.0])
    solve = xla_solver(saturating())
    states = jax.jit(lambda x: solve(saturating_course(x), None, TIGHT).states)
    tangents = tangents_of(saturating_course, inputs)
    found = solve(saturating_course(inputs), tangents, TIGHT).sensitivities
    for direction in range(len(inputs)):
        step = jnp.zeros(len(inputs)).at[direction].set(1e-4 * inputs[direction])
        # Fourth order: the errors of differences and of solves are below 1e-8.
        near, far = (
            states(inputs + n * step) - states(inputs - n * step) for n in (1.0, 2.0)
        )
        expected = (8.0 * near - far) / (12.0 * step[direction])
        np.testing.assert_allclose(found[direction], expected, rtol=2e-6, atol=2e-7)


def test_sensitivities_are_those_of_the_steps_taken():
    # At a loose tolerance too: as accurate as the states are, not worse.
    problem = stiff_problems.pbpk12_problem()
    tangents = stiff_problems.pbpk12_tangents(problem)
    solve = xla_solver(stiff_problems.pbpk12_equations())
    errors = []
    truth = solve(problem, tangents, Controls(1e-11, 1e-15)).sensitivities
    size = np.abs(truth).max(axis=1, keepdims=True)
    for exponent in (-4, -6):
        controls = Controls(relative=10.0**exponent, absolute=10.0 ** (exponent - 4))
        found = solve(problem, tangents, controls).sensitivities
        errors.append(float(np.max(np.abs(found - truth) / size)))
    assert errors[0] < 1e-3
    assert errors[1] < 0.1 * errors[0]


def test_many_times_within_a_step():
    times = np.linspace(0.0, 3.0, 500)
    problem = stiff_problems.single([1.0], [1.0], [1.0], times)
    solution = xla_solver(DECAY)(problem, None, Controls(relative=1e-8))
    assert float(solution.report[2]) < 60
    np.testing.assert_allclose(solution.states[:, 0], np.exp(-times), rtol=1e-7)


def test_no_times_need_no_steps():
    problem = stiff_problems.single([1.0], [1.0], [1.0], [])
    solution = xla_solver(DECAY)(problem)
    assert solution.states.shape == (0, 1)
    np.testing.assert_array_equal(solution.report, 0.0)


def test_time_that_rounding_puts_after_its_segment_is_at_the_end_of_it():
    problem = Problem(
        constants=np.ones((2, 1)),
        boundaries_h=np.array([0.0, 0.3]),
        keep=np.array([[0.0], [1.0]]),
        added=np.ones((2, 1)),
        scales=np.ones(1),
        times_h=np.array([0.1 + 0.2, 0.3]),
        places=np.array([0, 1]),
    )
    assert problem.times_h[0] > problem.boundaries_h[1]
    states = xla_solver(DECAY)(problem).states[:, 0]
    np.testing.assert_allclose(states, np.exp(-0.3) + np.array([0.0, 1.0]), rtol=1e-6)


def test_equal_times_are_equal():
    problem = stiff_problems.single([1.0], [1.0], [1.0], [0.0, 0.0, 0.5, 0.5, 1.0, 1.0])
    states = xla_solver(DECAY)(problem).states[:, 0]
    np.testing.assert_array_equal(states[::2], states[1::2])
    np.testing.assert_allclose(states[::2], np.exp([0.0, -0.5, -1.0]), rtol=1e-6)


def test_power_that_negative_numbers_do_not_have():
    # x = (x0^-1/2 + k t / 2)^-2 for dx/dt = -k x^1.5, from far above to next to 0.
    equations = one_state(lambda x, k: -k * x**1.5, "k", from_zero=True)
    times = np.array([0.0, 1.0, 1e2, 1e4])
    problem = stiff_problems.single([2.0], [4.0], [4.0], times)
    tangents = Tangents(np.ones((1, 1, 1)), np.zeros((1, 1)), np.zeros((1, 1, 1)))
    solution = xla_solver(equations)(problem, tangents, Controls(1e-10, 1e-16))
    root = 4.0**-0.5 + 2.0 * times / 2.0
    np.testing.assert_allclose(solution.states[:, 0], root**-2.0, rtol=1e-7)
    expected = -2.0 * root**-3.0 * times / 2.0
    np.testing.assert_allclose(solution.sensitivities[0, :, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("exponent", [0.5, 1.5])
def test_a_state_may_start_at_zero(exponent: float):
    x, y = states = sympy.symbols("x y")
    (k,) = constants = sympy.symbols(["k"])
    loss = y**exponent
    equations = Equations(
        "from 0", states, tuple(constants), (-k * x, k * x - loss), True
    )
    problem = stiff_problems.single(
        [1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.1, 1.0, 50.0]
    )
    added = np.zeros((2, 1, 2))
    added[0, 0, 0] = added[1, 0, 1] = 1.0
    tangents = Tangents(np.zeros((2, 1, 1)), np.zeros((2, 1)), added)
    solution = xla_solver(equations)(problem, tangents, Controls(1e-9, 1e-13))
    assert outcome_of(solution) is Outcome.SOLVED
    assert np.isfinite(solution.sensitivities).all()
    assert (np.asarray(solution.states) > -1e-5).all()
    tight = Controls(1e-11, 1e-15)
    more, less = (
        xla_solver(equations)(
            problem._replace(added=problem.added + np.array([[change, 0.0]])),
            None,
            tight,
        )
        for change in (1e-5, -1e-5)
    )
    expected = (more.states - less.states) / 2e-5
    np.testing.assert_allclose(
        solution.sensitivities[0, :3], expected[:3], rtol=1e-4, atol=1e-6
    )


def to_and_fro(x: Any, k: Any) -> Any:
    """Return -1 above 1/2 and 1 below it: no step is short enough there."""
    return sympy.Piecewise((-k, x > 0.5), (k, True))


@pytest.mark.parametrize(
    ("change", "constant", "controls", "outcome", "latest"),
    [
        (lambda x, k: -k * x, 1.0, Controls(most_steps=5), Outcome.STEP_LIMIT, 1.9),
        (lambda x, k: -k * x, math.nan, Controls(), Outcome.NOT_FINITE, 0.0),
        (to_and_fro, 1.0, Controls(1e-15, 1e-16), Outcome.STEP_TOO_SMALL, 0.501),
        # x = (1 - t / 2)^2, and no number after 2 h
        (lambda x, k: -k * sympy.sqrt(x) - 0.1, 1.0, Controls(), Outcome.NOT_FINITE, 2),
        (lambda x, k: -k, 1.0, Controls(), Outcome.NEGATIVE, 1.001),
    ],
    ids=lambda value: value.name if isinstance(value, Outcome) else "",
)
def test_failures_are_reported(
    change: Callable,
    constant: float,
    controls: Controls,
    outcome: Outcome,
    latest: float,
):
    times = np.concatenate([np.linspace(0.0, 1.8, 19), [3.0]])
    problem = stiff_problems.single([constant], [1.0], [1.0], times)
    tangents = Tangents(np.ones((1, 1, 1)), np.zeros((1, 1)), np.zeros((1, 1, 1)))
    solution = xla_solver(one_state(change, "k"))(problem, tangents, controls)
    assert outcome_of(solution) is outcome
    reached = float(solution.report[1])
    assert reached <= latest
    missing = np.isnan(np.asarray(solution.states)[:, 0])
    np.testing.assert_array_equal(missing, times > reached)
    assert np.isnan(np.asarray(solution.sensitivities)[0, missing, 0]).all()
    assert float(solution.report[2]) <= controls.most_steps


def test_what_grows_without_end_fails_before_it_does():
    equations = one_state(lambda x, k: k * x**2, "k")  # x = 1 / (1 - t)
    problem = stiff_problems.single([1.0], [1.0], [1.0], [0.5, 2.0])
    solution = xla_solver(equations)(problem)
    assert outcome_of(solution) in (Outcome.STEP_TOO_SMALL, Outcome.NOT_FINITE)
    assert float(solution.report[1]) == pytest.approx(1.0, abs=1e-6)
    assert float(solution.states[0, 0]) == pytest.approx(2.0, rel=1e-6)
    assert np.isnan(solution.states[1, 0])


@pytest.mark.parametrize("field", ["boundaries_h", "times_h", "added"])
def test_what_is_not_finite_fails_there(field: str):
    problem = courses(INPUTS)
    values = getattr(problem, field)
    broken = problem._replace(**{field: values.at[3].set(jnp.nan)})
    if field == "times_h":  # only the last one has an effect on the steps
        broken = problem._replace(times_h=values.at[-1].set(jnp.nan))
    solution = xla_solver(INFLOW)(broken)
    assert outcome_of(solution) is Outcome.NOT_FINITE
    assert np.isfinite(solution.states[:3]).all()
    assert np.isnan(solution.states[-1]).all()


def test_negative_amounts_within_the_tolerance_are_left_alone():
    equations = one_state(lambda x, k: -k, "k")
    problem = stiff_problems.single([1.0], [1.0], [1.0], [0.5, 1.5])
    solution = xla_solver(equations)(problem, None, Controls(negative=0.6))
    np.testing.assert_allclose(solution.states[:, 0], [0.5, -0.5], rtol=1e-12)
