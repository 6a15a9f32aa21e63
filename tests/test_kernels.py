"""Exact printing and exact solutions of linear systems, against mpmath and scipy."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import scipy.linalg
import sympy
from exact_cascades import exact_cascade
from hypothesis import given, settings
from hypothesis import strategies as st

from pkmodels.kernels import linear
from pkmodels.kernels.printing import jax_matrix
from pkmodels.symbols import Parameter

pytestmark = pytest.mark.usefixtures("strict_dtypes")

EPSILON = np.finfo(float).eps
X = sympy.Symbol("x")

# Rates from 1e-6 to 1000 per hour, a loop and a leak: columns sum to 0 or below.
STIFF = np.array(
    [
        [-1000.0, 0.01, 0.0, 0.0],
        [999.0, -5.0, 0.0, 1e-4],
        [0.5, 4.0, -1e-3, 0.0],
        [0.0, 1e-6, 1e-5, -1.01e-4],
    ]
)

exponential = jax.jit(linear.matrix_exponential)
by_exponential = jax.jit(linear.exponential_response(0))
by_cascade = jax.jit(linear.cascade_response(0, infusions=True))
by_bolus_cascade = jax.jit(linear.cascade_response(0, infusions=False))


def exact_exponential(matrix: np.ndarray, time: float) -> np.ndarray:
    """Return exp(M t) with 60 digits, rounded."""
    with mpmath.workdps(60):
        exact = mpmath.expm(mpmath.matrix(matrix.tolist()) * mpmath.mpf(time))
        return np.array(exact.tolist(), dtype=float)


def random_compartments(seed: int, size: int, *, closed: bool) -> np.ndarray:
    """Return a compartment matrix in which everything exchanges with everything."""
    generator = np.random.default_rng(seed)
    matrix = np.exp(generator.normal(-2.0, 2.0, (size, size)))
    np.fill_diagonal(matrix, 0.0)
    leak = 0.0 if closed else np.exp(generator.normal(-2.0, 2.0, size))
    return matrix - np.diag(matrix.sum(axis=0) + leak)


def same_bits(a: float, b: float) -> bool:
    return float(a).hex() == float(b).hex()


@pytest.mark.parametrize(
    ("constant", "expected"),
    [
        (sympy.Float(0.1 + 0.2), 0.1 + 0.2),
        (sympy.Float("0.1", 40) + sympy.Float("0.2", 40), 0.3),
        (sympy.Rational(1, 3), 1 / 3),
        (sympy.Rational(10**20 + 1, 3 * 10**20), 1 / 3),
        (sympy.pi, math.pi),
        (sympy.E, math.e),
        (sympy.EulerGamma, 0.5772156649015329),
        (sympy.Catalan, 0.915965594177219),
        (sympy.log(2), math.log(2.0)),
        (sympy.log(sympy.Rational(3, 7)), math.log(3 / 7)),
        (sympy.Float(5e-324 * 2**60), 5e-324 * 2**60),
        (sympy.Integer(7), 7.0),
    ],
)
def test_a_constant_reaches_the_code_with_every_bit(
    constant: sympy.Expr, expected: float
) -> None:
    function = jax_matrix((X,), sympy.ImmutableMatrix([[constant * X, constant]]))
    scaled, alone = function(jnp.array([1.0]))[0]
    assert same_bits(scaled, expected)
    assert same_bits(alone, expected)


@given(st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False))
@settings(max_examples=200)
def test_any_float_reaches_the_code_with_every_bit(number: float) -> None:
    function = jax_matrix((X,), sympy.ImmutableMatrix([[sympy.Float(number) * X]]))
    assert same_bits(function(jnp.array([1.0]))[0, 0], number + 0.0)


def test_a_matrix_keeps_its_shape_whatever_its_symbols_are_called() -> None:
    # A word of Python, a function, and a name that common subexpressions get.
    rate, volume, x0 = (Parameter(name, "1") for name in ("lambda", "exp", "x0"))
    left = sympy.exp(-rate)
    matrix = sympy.ImmutableMatrix([[left / volume, 0, 1], [left * x0, 2, rate]])
    function = jax_matrix((rate, volume, x0), matrix)
    found = jax.vmap(function)(jnp.array([[0.5, 4.0, 3.0], [0.0, 1.0, 5.0]]))
    assert found.dtype == jnp.float64
    once = math.exp(-0.5)
    expected = [[once / 4.0, 0.0, 1.0], [once * 3.0, 2.0, 0.5]]
    np.testing.assert_allclose(found[0], expected, rtol=1e-15)
    np.testing.assert_array_equal(found[1], [[1.0, 0.0, 1.0], [5.0, 2.0, 0.0]])


@pytest.mark.parametrize("time", [1e-3, 1.0, 100.0, 1000.0])
def test_exponential_of_a_stiff_system_is_right_in_every_entry(time: float) -> None:
    """Entries down to 1e-21 keep their relative accuracy, about s t epsilon."""
    found, expected = (
        np.asarray(exponential(STIFF, time)),
        exact_exponential(STIFF, time),
    )
    conditioned = max(1.0, 1000.0 * time) * 4.0 * EPSILON
    np.testing.assert_allclose(found, expected, rtol=conditioned, atol=0.0)
    assert (found[expected > 0.0] > 0.0).all()


@pytest.mark.parametrize("seed", range(5))
def test_exponential_agrees_with_scipy(seed: int) -> None:
    matrix = random_compartments(seed, 5, closed=False)
    for time in (0.0, 0.01, 1.0, 30.0):
        expected = scipy.linalg.expm(matrix * time)
        np.testing.assert_allclose(
            exponential(matrix, time), expected, rtol=1e-11, atol=1e-300
        )


@pytest.mark.parametrize(
    "matrix",
    [
        np.diag([5.0, -1.0]) + np.array([[0.0, 0.0], [1.0, 0.0]]),  # one amount grows
        np.array([[-1.0, 100.0], [100.0, -1.0]]),  # more arrives than leaves
        np.array([[-1.0, -3.0], [3.0, -1.0]]),  # oscillates
        np.zeros((2, 2)),
    ],
)
def test_exponential_is_right_where_amounts_are_not_conserved(
    matrix: np.ndarray,
) -> None:
    for time in (0.1, 1.0, 5.0):
        expected = exact_exponential(matrix, time)
        conditioned = 4.0 * EPSILON * max(1.0, np.abs(matrix).sum() * time)
        found = np.asarray(exponential(matrix, time))
        np.testing.assert_allclose(
            found, expected, rtol=0.0, atol=conditioned * np.abs(expected).max()
        )


def test_nothing_is_lost_from_a_closed_system() -> None:
    matrix = random_compartments(0, 5, closed=True)
    for time in (0.1, 10.0, 1000.0):
        columns = np.asarray(exponential(matrix, time)).sum(axis=0)
        np.testing.assert_allclose(columns, 1.0, rtol=1e-10)


def test_derivative_of_the_exponential_is_the_frechet_derivative() -> None:
    matrix = random_compartments(1, 4, closed=False)
    direction = random_compartments(2, 4, closed=False)
    _, found = jax.jvp(lambda m: exponential(m, 3.0), (matrix,), (direction,))
    expected = scipy.linalg.expm_frechet(
        matrix * 3.0, direction * 3.0, compute_expm=False
    )
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
    _, speed = jax.jvp(lambda t: exponential(matrix, t), (3.0,), (1.0,))
    np.testing.assert_allclose(speed, matrix @ exponential(matrix, 3.0), rtol=1e-10)


def test_a_system_too_fast_for_the_exponential_gives_nan() -> None:
    matrix = np.array([[-1.0, 0.0], [1.0, 0.0]])
    limit = 0.5 * 2.0**linear.SQUARINGS
    assert np.isfinite(exponential(matrix, limit)).all()
    assert np.isnan(exponential(matrix, 1.01 * limit)).all()


@given(st.floats(0.0, 1e4))
def test_mean_of_an_exponential_is_accurate_everywhere(z: float) -> None:
    with mpmath.workdps(50):
        exact = 1.0 if z == 0.0 else float(-mpmath.expm1(-mpmath.mpf(z)) / z)
    assert float(linear.phi(jnp.array(z))) == pytest.approx(exact, rel=5e-16)


@pytest.mark.parametrize("z", [0.0, 1e-8, 9.99e-4, 1.01e-3, 0.5, 40.0])
def test_slope_of_the_mean_of_an_exponential(z: float) -> None:
    """d phi / dz = -int_0^1 s exp(-z s) ds."""
    with mpmath.workdps(30):
        exact: Any = mpmath.quad(lambda s: -s * mpmath.exp(-z * s), [0, 1])
    assert float(jax.grad(linear.phi)(z)) == pytest.approx(float(exact), rel=1e-11)


@pytest.mark.parametrize(
    ("k", "w"),
    [
        (0.7, 0.7),  # equal rates
        (0.7, 0.7 * (1.0 + 1e-12)),
        (0.7, 0.7 * (1.0 - 1e-6)),
        (0.7, 0.0),  # nothing is released
        (1e-6, 1e-5),
        (20.0, 0.005),
        (0.3, 15.0),
        (0.7, -0.02),  # grows by itself
        (-0.05, 0.3),
        (-0.05, -0.1),
    ],
)
def test_cascade_is_the_closed_form_of_each_organ(k: float, w: float) -> None:
    """Before, at, during and after an infusion of 4 h, and after a bolus."""
    u = 0.3 * abs(k)
    matrix = np.array([[-k, 0.0], [u, -w]])
    times = np.array([-3.0, 0.0, 1e-6, 1.0, 4.0, 4.5, 24.0, 200.0])
    for length, response in ((4.0, by_cascade), (0.0, by_cascade)):
        found = np.asarray(response(matrix, times, np.full(8, length)))[:, 1]
        expected = [exact_cascade(k, u, w, max(t, 0.0), length) for t in times]
        np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-300)


@pytest.mark.parametrize("length", [0.0, 2.0])
def test_dosed_amount_decays_exponentially(length: float) -> None:
    k = 0.7
    matrix = np.array([[-k, 0.0], [0.1, -0.2]])
    times = np.array([-1.0, 0.0, 0.5, 2.0, 10.0])
    found = np.asarray(by_cascade(matrix, times, np.full(5, length)))[:, 0]
    if length == 0.0:
        expected = np.where(times < 0.0, 0.0, np.exp(-k * times))
    else:
        during = np.clip(times, 0.0, length)
        filled = -np.expm1(-k * during) / (k * length)
        expected = filled * np.exp(-k * np.maximum(times - length, 0.0))
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=0.0)


@pytest.mark.parametrize("seed", range(4))
def test_both_kernels_agree_on_a_cascade(seed: int) -> None:
    generator = np.random.default_rng(seed)
    k, *washout = np.exp(generator.normal(-1.5, 1.5, 4))
    matrix = np.diag([-k, *(-w for w in washout)])
    matrix[1:, 0] = k * generator.dirichlet(np.ones(4))[:3]
    times = np.array([-1.0, 0.0, 0.2, 1.0, 1.5, 30.0, 300.0])
    lengths = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0])
    np.testing.assert_allclose(
        by_cascade(matrix, times, lengths),
        by_exponential(matrix, times, lengths),
        rtol=1e-11,
        atol=1e-300,
    )


def test_a_bolus_only_kernel_is_the_same_for_boluses() -> None:
    matrix = np.array([[-0.7, 0.0], [0.1, -0.2]])
    times, none = np.array([-1.0, 0.0, 1.0, 50.0]), np.zeros(4)
    np.testing.assert_allclose(
        by_bolus_cascade(matrix, times, none),
        by_cascade(matrix, times, none),
        rtol=1e-14,
    )


@pytest.mark.parametrize("length", [0.0, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_response_of_a_loop_is_that_of_scipy(seed: int, length: float) -> None:
    """After an infusion: exp(M (t - d)) M^-1 (exp(M d) - 1) e / d."""
    matrix = random_compartments(seed, 4, closed=False)
    dose = np.array([1.0, 0.0, 0.0, 0.0])
    times = np.array([-0.5, 0.0, 0.7, 2.0, 2.5, 40.0])
    found = by_exponential(matrix, times, np.full(6, length))
    for row, time in zip(np.asarray(found), times, strict=True):
        during = np.clip(time, 0.0, length)
        start = dose
        if length > 0.0:
            grown = scipy.linalg.expm(matrix * during) @ dose - dose
            start = np.linalg.solve(matrix, grown) / length
        after = scipy.linalg.expm(matrix * max(time - during, 0.0)) @ start
        expected = after if time >= 0.0 else np.zeros(4)
        np.testing.assert_allclose(row, expected, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("response", [by_cascade, by_exponential])
@pytest.mark.parametrize("length", [0.0, 4.0])
@pytest.mark.parametrize("w", [0.5, 0.5 * (1.0 + 1e-5), 0.02])
def test_slopes_are_those_of_the_exact_solution(response, length, w) -> None:
    """Also where the rates are equal, at the dose and before it, where they are 0."""
    times = np.array([-1.0, 0.0, 1.0, 4.0, 30.0])
    rates = np.array([0.5, 0.2, w])

    def organ(rates):
        k, u, w = rates
        matrix = jnp.array([[-1.0, 0.0], [0.0, 0.0]]) * k
        matrix = matrix.at[1, 0].set(u).at[1, 1].set(-w)
        return response(matrix, times, np.full(5, length))[:, 1]

    found = np.asarray(jax.jacfwd(organ)(rates))
    backwards = np.asarray(jax.jacrev(organ)(rates))
    for i, step in enumerate(1e-4 * rates):
        for j, time in enumerate(times):
            if time <= 0.0:
                expected = 0.0
            else:
                up, down = (rates + s * step * np.eye(3)[i] for s in (1.0, -1.0))
                high, low = (
                    exact_cascade(r[0], r[1], r[2], time, length) for r in (up, down)
                )
                expected = (high - low) / (2.0 * step)
            assert found[j, i] == pytest.approx(expected, rel=2e-7, abs=1e-12)
            assert backwards[j, i] == pytest.approx(found[j, i], rel=1e-12, abs=1e-15)


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ([[-1, 0, 0], [1, -2, 0], [1, 0, -3]], True),
        ([[-1, 0, 0], [1, -2, 0], [0, 1, -3]], False),  # a chain
        ([[-1, 0, 1], [1, -2, 0], [1, 0, -3]], False),  # a loop
        ([[-1]], True),
    ],
)
def test_a_cascade_is_told_from_other_systems(matrix, expected: bool) -> None:
    assert linear.is_one_step_cascade(sympy.ImmutableMatrix(matrix), 0) is expected
