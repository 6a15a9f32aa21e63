"""Infusions of any length and speed, against mpmath and an implicit solver."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from exact_cascades import exact_cascade, exact_slopes
from scipy.integrate import solve_ivp

from pkmodels.administrations import Administration
from pkmodels.kernels import linear
from pkmodels.models import organ_exchange
from pkmodels.nuclides import nuclide
from pkmodels.schedule import Schedule
from pkmodels.system import assemble
from pkmodels.trajectory import simulate

pytestmark = pytest.mark.usefixtures("strict_dtypes")

LN2 = math.log(2.0)
EPSILON = np.finfo(float).eps

by_exponential = jax.jit(linear.exponential_response(0))
by_cascade = jax.jit(linear.cascade_response(0, infusions=True))


def organ_by_cascade(numbers: Any) -> Any:
    """Return what `cascade_content` does of k, u, w, time and length."""
    k, u, w, time, length = numbers
    matrix = jnp.zeros((2, 2)).at[0, 0].set(-k).at[1, 0].set(u).at[1, 1].set(-w)
    return by_cascade(matrix, time[None], length[None])[0, 1]


organs_by_cascade = jax.jit(jax.vmap(organ_by_cascade))
organ_slopes = jax.jit(jax.vmap(jax.grad(organ_by_cascade)))


# Rates of the organ over that of blood: equal, nearly so, slower and faster.
RATIOS = (1.0, 1.0 + 1e-13, 1.0 + 1e-9, 1.0 - 1e-5, 1.01, 0.9, 0.3, 3.0, 1e-6, 100.0)


def infusions_of(speed: float) -> np.ndarray:
    """Return (k, u, w, time, length) during and after infusions where k d is `speed`.

    The slower rate times the time since is at most 600, so that no float vanishes.
    """
    length = 3.0
    k = speed / length
    found = [
        (k, 0.4 * k, k * ratio, at * length, length)
        for ratio in RATIOS
        for latest in [1.0 + 600.0 / (speed * min(ratio, 1.0))]
        for at in (1e-6, 0.3, 1.0 - 1e-9, 1.0 + 1e-9, min(1.5, latest), min(20, latest))
    ]
    return np.array(found)


@pytest.mark.parametrize("speed", np.logspace(-3.0, 4.0, 15))
def test_infusions_of_any_length_and_speed_are_exact(speed: float) -> None:
    """To the rounding of w times the time since, as any exponential."""
    cases = infusions_of(speed)
    found = np.asarray(organs_by_cascade(cases))
    for number, case in zip(found, cases, strict=True):
        k, _, w, time, length = case
        since = min(k, w) * max(time - length, 0.0)
        expected = exact_cascade(*case)
        assert number == pytest.approx(expected, rel=(8.0 + since) * EPSILON)


@pytest.mark.parametrize("speed", np.logspace(-3.0, 4.0, 8))
def test_slopes_of_infusions_of_any_length_and_speed_are_exact(speed: float) -> None:
    """In each rate, the time and the length, to rounding of the terms they are of."""
    cases = infusions_of(speed)
    found = np.asarray(organ_slopes(cases))
    for slopes, case in zip(found, cases, strict=True):
        content = exact_cascade(*case)
        for slope, number, expected in zip(
            slopes, case, exact_slopes(*case), strict=True
        ):
            rounding = 1e-14 * (1.0 + case[:3:2].max() * case[3]) * content / number
            assert slope == pytest.approx(expected, rel=3e-13, abs=rounding)


@pytest.mark.parametrize("first", [-30.0, -0.3, 0.0, 1e-9, 0.2, 0.7, 5.0, 300.0, 1e4])
def test_divided_difference_of_exponentials_is_accurate(first: float) -> None:
    gaps = np.array([0.0, 1e-12, 1e-3, 0.2, 0.49, 0.51, 3.0, 100.0, 1e5])
    second = first + gaps
    with mpmath.workdps(80):
        exact = []
        for b in second:
            # Where the two are equal, apart by less than is seen after rounding.
            p, q = mpmath.mpf(first), mpmath.mpf(b) + mpmath.mpf(10) ** -25
            p = p + mpmath.mpf(10) ** -27
            means = [-mpmath.expm1(-z) / z for z in (p, q)]
            exact.append(float((means[0] - means[1]) / (q - p)))
    firsts = np.full(len(gaps), first)
    for found in (linear.phi_drop(firsts, second), linear.phi_drop(second, firsts)):
        np.testing.assert_allclose(found, exact, rtol=2e-15)


@pytest.mark.parametrize("response", [by_cascade, by_exponential])
def test_slopes_where_a_dose_starts_or_ends_are_those_just_after(response) -> None:
    """M x + input by the time; by the length -x / d + e / d, and 0 for a bolus."""
    matrix, dose = np.array([[-0.7, 0.0], [0.1, -0.2]]), np.array([1.0, 0.0])

    def one(time: Any, length: Any) -> Any:
        return response(matrix, time[None], length[None])[0]

    end = np.asarray(one(np.float64(2.0), np.float64(2.0)))
    expected = {
        (0.0, 0.0): (dose, matrix @ dose, 0.0 * dose),
        (0.0, 2.0): (0.0 * dose, dose / 2.0, 0.0 * dose),
        (2.0, 2.0): (end, matrix @ end, (dose - end) / 2.0),
    }
    for (time, length), (value, by_time, by_length) in expected.items():
        at = (np.float64(time), np.float64(length))
        np.testing.assert_allclose(one(*at), value, rtol=1e-15)
        for derivative in (jax.jacfwd, jax.jacrev):
            found = derivative(one, argnums=(0, 1))(*at)
            np.testing.assert_allclose(found[0], by_time, rtol=1e-14, atol=1e-15)
            np.testing.assert_allclose(found[1], by_length, rtol=1e-14, atol=1e-15)
    before = jax.jacfwd(one, argnums=(0, 1))(np.float64(-1e-9), np.float64(0.0))
    np.testing.assert_array_equal(np.asarray(before), 0.0)


@pytest.mark.parametrize(
    ("length", "half_time"), [(72.0, 0.05), (168.0, 0.02), (1000.0, 0.05)]
)
def test_a_long_infusion_into_a_fast_blood_is_that_of_an_implicit_solver(
    length: float, half_time: float
) -> None:
    """Radau's curve during and after; blood at the end is A exp(-lambda d) / (k d)."""
    schedule = Schedule((Administration(0.0, length, "x", "Lu-177", 100.0),))
    model = organ_exchange.model(("kidney",))
    system = assemble(model, schedule.form)
    k, f, w = LN2 / half_time, 0.02, LN2 / 60.0
    decay = nuclide("Lu-177").decay_constant_per_h
    named = dict(zip(map(str, system.parameters), (half_time, f, 60.0), strict=True))
    times = np.array([0.01, 0.1, 1.0, 0.5, 1.0 + 0.01 / length, 1.5]) * length
    rates = np.array([[-k - decay, 0.0], [f * k, -w - decay]])
    dose = np.array([100.0 / length, 0.0])

    def part(begin: float, end: float, state: np.ndarray, given: float):
        return solve_ivp(
            lambda t, x: rates @ x + given * math.exp(-decay * t) * dose,
            (begin, end),
            state,
            "Radau",
            jac=rates,
            rtol=1e-10,
            atol=1e-13,
            dense_output=True,
        )

    during = part(0.0, length, np.zeros(2), 1.0)
    after = part(length, 1.5 * length, during.y[:, -1], 0.0)
    found = simulate(system, named, schedule, times).amounts
    at_end = 100.0 * math.exp(-decay * length) / (k * length)
    assert found["blood"][2] == pytest.approx(at_end, rel=1e-13)
    for row, time in enumerate(times):
        expected = (during if time <= length else after).sol(time)
        curves = [found["blood"][row], found["kidney"][row]]
        np.testing.assert_allclose(curves, expected, rtol=1e-6, atol=1e-10)
