"""What may stand in equations, solved by what is chosen for it, against Radau."""

import logging
from dataclasses import replace

import jax
import numpy as np
import pytest
import sympy
from random_networks import by_radau, every_direction
from stiff_problems import single

from pkmodels.kernels.choice import NATIVE, XLA, choose_solver
from pkmodels.kernels.equations import Equations, has_broken_power
from pkmodels.kernels.native import native_kernel
from pkmodels.kernels.problem import Controls, Outcome, Problem, Tangents
from pkmodels.kernels.xla import xla_solver
from pkmodels.symbols import Amount, Parameter

X, Y = STATES = Amount("x", "nmol"), Amount("y", "nmol")
A, B, N = CONSTANTS = tuple(Parameter(name, "1") for name in "abn")
VALUES = (0.9, 0.6, 1.7)
FINE = Controls(relative=1e-10, absolute=1e-14)

# x falls from 1 as exp(-a t), and what it loses makes y, which starts from 0.
MADE = A * X
SMOOTH = {
    "hill": MADE - B * Y**1.7 / (0.3**1.7 + Y**1.7),
    "hill with a constant exponent": MADE - B * Y**N / (1 + Y**N),
    "a power of 1.5": MADE - B * Y ** sympy.Rational(3, 2),
    "high powers": MADE - B * Y**17 + B * Y**5 - B**2 / (1 + Y) ** 3,
    "a power with a constant exponent": MADE - B * (1 + Y) ** (-N),
    "a saturated loss": MADE - B * Y / (N + Y) + Y / (X + N) ** 2,
    "exp": MADE * sympy.exp(-B * Y) * sympy.exp(X - 1),
    "log": MADE * sympy.log(1 + B * X) - B * sympy.log(1 + Y),
    "tanh": MADE * sympy.tanh(B * X) - sympy.tanh(Y / N) / 3,
    "sinh and cosh": B * sympy.sinh(X) - Y * sympy.cosh(B),
    "sin, cos and tan": MADE * sympy.cos(X) ** 2 + sympy.sin(Y) + sympy.tan(B * X),
    "an exponential of an exponential": MADE * sympy.exp(-sympy.exp(-N * Y)),
    "numbers": MADE / 3 - sympy.pi * Y / 7 + sympy.E * X / sympy.sqrt(2),
}
# None of these bends where it is read; the solution passes the kink in between.
KINKED = {
    "max": MADE - sympy.Max(Y - B * X, 0),
    "min": MADE - sympy.Min(Y, B * X),
    "max of three": MADE - sympy.Max(Y - X, B * (Y - 0.3), 0),
    "abs": MADE - sympy.Abs(Y - X) / 2,
    "piecewise": sympy.Piecewise((MADE, X > B), (MADE / 2 - B * Y, True)),
    "piecewise with a constant piece": sympy.Piecewise((MADE, X > B), (-B * Y, True))
    + sympy.Piecewise((B * N, X > B), (N, True)),
    "piecewise of both": sympy.Piecewise(
        (MADE, (X > B) & (Y < N)), (MADE - B * Y, True)
    ),
}


def equations_with(change: sympy.Expr) -> Equations:
    derivatives = (-MADE, sympy.sympify(change))
    return Equations(
        "made", STATES, CONSTANTS, derivatives, any(map(has_broken_power, derivatives))
    )


PROBLEM = single(VALUES, [1.0, 0.0], [1.0, 1.0], [0.0, 0.3, 1.0, 2.5, 6.0])


@pytest.mark.parametrize("name", SMOOTH)
def test_functions_are_compiled_and_right(name: str) -> None:
    """States and all sensitivities, alone and in lanes."""
    equations = equations_with(SMOOTH[name])
    tangents = every_direction(PROBLEM)
    kernel = native_kernel(equations)
    states, slopes = by_radau(equations, PROBLEM, tangents)
    free = FINE._replace(negative=np.inf)
    batch = PROBLEM._replace(constants=np.tile(PROBLEM.constants, (3, 1, 1)))
    alone = kernel.solve(PROBLEM, tangents, free)
    lanes = kernel.solve(batch, tangents, free)
    assert alone.report[0] == Outcome.SOLVED
    for found, known in (
        (alone.states, states),
        (lanes.states[2], states),
        (alone.sensitivities, slopes),
        (lanes.sensitivities[2], slopes),
    ):
        np.testing.assert_allclose(found, known, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", KINKED)
def test_functions_with_kinks_are_right(name: str) -> None:
    """Whatever is chosen: also where the kink is passed within a step."""
    equations = equations_with(KINKED[name])
    solver = choose_solver(equations)
    tangents = every_direction(PROBLEM)
    solve = jax.jit(solver.solve, static_argnums=2)
    found = solve(PROBLEM, tangents, FINE._replace(negative=np.inf))
    plain = replace(equations, derivatives=tuple(map(smoothed, equations.derivatives)))
    states, slopes = by_radau(plain, PROBLEM, tangents)
    np.testing.assert_allclose(found.states, states, rtol=1e-6, atol=1e-7)
    if "piecewise" not in name:  # a jump moves with the constants, unseen by slopes
        np.testing.assert_allclose(found.sensitivities, slopes, rtol=1e-5, atol=1e-5)


def smoothed(expression: sympy.Expr) -> sympy.Expr:
    """Return the same written with Piecewise, which SciPy's oracle differentiates."""
    return expression.rewrite(sympy.Piecewise)


@pytest.mark.parametrize("name", KINKED)
def test_functions_with_kinks_are_compiled(name: str) -> None:
    assert choose_solver(equations_with(KINKED[name])).kernel == NATIVE


def test_numbers_keep_every_bit() -> None:
    """0.1 + 0.2 is not 0.3: a hundred thousand million million times the difference."""
    x, one, other = sympy.symbols("x one other")
    sums = [sympy.Float(0.1 + 0.2), sympy.Float(0.3)]
    change = (sums[0] * one - sums[1] * other) * sympy.Float(1e17)
    kernel = native_kernel(Equations("numbers", (x,), (one, other), (change,), False))
    found = kernel.solve(single([1.0, 1.0], [0.0], [1.0], [1.0]))
    assert found.states[0, 0] == pytest.approx((0.1 + 0.2 - 0.3) * 1e17, rel=0.5)


@pytest.mark.parametrize("prefix", ["k", "c", "y", "x", "_", "coefficient"])
def test_names_do_not_matter(prefix: str) -> None:
    """Whatever symbols are called, also as the code's own may be."""
    x, y, a, b = sympy.symbols(f"{prefix}0 {prefix}1 {prefix}2 {prefix}3")
    changes = (-a / b * x, a / b * x - b * y)
    equations = Equations("named", (x, y), (a, b), changes, False)
    problem = single([0.6, 0.4], [1.0, 0.0], [1.0, 1.0], [1.0, 3.0])
    found = native_kernel(equations, in_lanes=False).solve(problem, controls=FINE)
    expected, _ = by_radau(equations, problem)
    np.testing.assert_allclose(found.states, expected, rtol=1e-7)


def test_what_no_code_is_generated_for_is_solved_by_xla(
    caplog: pytest.LogCaptureFixture,
) -> None:
    equations = equations_with(MADE - sympy.atan(Y))
    with caplog.at_level(logging.WARNING, "pkmodels.kernels"):
        solver = choose_solver(equations)
    assert solver.kernel == XLA
    assert "made is solved by the kernel 'xla'" in caplog.text
    assert "atan" in caplog.text
    found = jax.jit(solver.solve, static_argnums=2)(PROBLEM, None, FINE)
    expected, _ = by_radau(equations, PROBLEM)
    np.testing.assert_allclose(found.states, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("exponent", [0.5, 1.5, 1.0001])
def test_powers_until_nothing_is_left(exponent: float) -> None:
    """dx/dt = -a x^m: x^(1 - m) is a straight line; a root reaches 0 and stays."""
    x, a, m = sympy.symbols("x a m")
    for power, constants in (
        (x ** sympy.Float(exponent), [0.7]),
        (x**m, [0.7, exponent]),
    ):
        symbols = (a, m)[: len(constants)]
        equations = Equations("power", (x,), symbols, (-a * power,), True)
        times = np.array([0.5, 1.0, 2.0, 2.5, 5.0, 50.0])
        problem = single(constants, [1.0], [1.0], times)
        kernel = native_kernel(equations, in_lanes=False)
        found = kernel.solve(problem, every_direction(problem))
        line = 1.0 + (exponent - 1.0) * 0.7 * times
        expected = np.maximum(line, 0.0) ** (1.0 / (1.0 - exponent))
        assert found.report[0] == Outcome.SOLVED
        np.testing.assert_allclose(found.states[:, 0], expected, rtol=1e-5, atol=1e-5)
        # dx/da = -t x^m
        slope = -times * np.maximum(expected, 0.0) ** exponent
        early = times < 2.5  # the root is at 0 from 2.86 h on, where slopes are steep
        by_rate = found.sensitivities[0, :, 0] / constants[0]
        np.testing.assert_allclose(by_rate[early], slope[early], rtol=1e-4)
        assert np.isfinite(found.sensitivities).all()


def test_slopes_after_a_state_in_which_rates_have_no_value() -> None:
    """A rate that is 0 / 0 where nothing is yet, and a dose at 0 h.

    dx/dt = -a x^2 / (x + y), dy/dt = -dx/dt from (1, 0): x + y = 1, x = 1 / (1 + a t).
    """
    x, y, a = sympy.symbols("x y a")
    rate = a * x**2 / (x + y)
    equations = Equations("shared", (x, y), (a,), (-rate, rate), False)
    times = np.array([0.0, 0.5, 2.0])
    problem = Problem(
        constants=np.full((2, 1), 0.8),
        boundaries_h=np.zeros(2),
        keep=np.ones((2, 2)),
        added=np.array([[0.0, 0.0], [1.0, 0.0]]),
        scales=np.ones(2),
        times_h=times,
        places=np.ones(3, np.int64),
    )
    tangents = Tangents(np.ones((1, 2, 1)), np.zeros((1, 2)), np.zeros((1, 2, 2)))
    left = 1.0 / (1.0 + 0.8 * times)
    for solve in (native_kernel(equations).solve, jax.jit(xla_solver(equations))):
        found = solve(problem, tangents)
        np.testing.assert_allclose(found.states[:, 0], left, rtol=1e-6)
        slopes = found.sensitivities[0, :, 0]
        np.testing.assert_allclose(slopes, -times * left**2, rtol=1e-5)
