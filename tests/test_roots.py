"""The vectorised search for an activity, against closed forms and SciPy's brentq."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from pkmodels.decision.roots import solve_increasing
from pkmodels.errors import InputError


def counted(function):
    """Return a function and how often it was asked."""
    calls = []

    def dose_at(activity: np.ndarray) -> np.ndarray:
        calls.append(activity)
        return function(activity)

    return dose_at, calls


@given(
    st.lists(st.floats(0.2, 5.0), min_size=1, max_size=5),
    st.floats(5.0, 60.0),
    st.floats(1.0, 30.0),
)
def test_a_dose_in_proportion_takes_few_evaluations(
    slopes: list[float], target: float, start: float
) -> None:
    slope = np.array(slopes)
    dose_at, calls = counted(lambda activity: slope * activity)
    found = solve_increasing(dose_at, np.full(slope.shape, target), start_GBq=start)
    np.testing.assert_allclose(found, target / slope, rtol=1e-9)
    assert len(calls) <= 3


@given(
    st.lists(
        st.tuples(st.floats(0.05, 20.0), st.floats(0.0, 50.0), st.floats(0.1, 100.0)),
        min_size=1,
        max_size=8,
    ),
    st.floats(0.5, 60.0),
    st.floats(0.1, 30.0),
)
def test_a_dose_that_saturates_agrees_with_brentq(
    draws: list[tuple[float, float, float]], target: float, start: float
) -> None:
    """A saturable part beside one in proportion, with sharp and with soft knees."""
    slope, most, half = np.array(draws).T

    def dose(activity: np.ndarray, n: int | slice = slice(None)) -> np.ndarray:
        return slope[n] * activity + most[n] * activity / (half[n] + activity)

    dose_at, calls = counted(dose)
    found = solve_increasing(dose_at, np.full(slope.shape, target), start_GBq=start)
    assert len(calls) <= 16
    for n, activity in enumerate(found):
        expected = brentq(
            lambda a, n=n: float(dose(a, n)) - target, 0.0, 1e5, xtol=1e-9
        )
        assert activity == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    "function",
    [
        lambda a: a**3,
        lambda a: np.sqrt(a),
        lambda a: np.expm1(a / 5.0),
        lambda a: np.where(a < 4.0, 0.01 * a, 0.04 + 30.0 * (a - 4.0)),
        lambda a: np.log1p(a),
        lambda a: np.where(
            a < 3.0, a, 3.0 + 1e-6 * (a - 3.0) + 10 * np.maximum(a - 9, 0)
        ),
    ],
)
def test_awkward_doses_are_bracketed(function) -> None:
    target = np.array([0.0, 1e-3, 0.5, 3.5, 7.0])
    found = solve_increasing(function, target)
    assert found[0] == 0.0
    for activity, wanted in zip(found[1:], target[1:], strict=True):
        low, high = activity * (1.0 - 2e-4), activity * (1.0 + 2e-4)
        assert function(np.array([low]))[0] <= wanted <= function(np.array([high]))[0]


def test_a_dose_that_never_reaches_the_limit_is_refused() -> None:
    limited = np.array([1.0, 0.0])

    def dose_at(activity: np.ndarray) -> np.ndarray:
        return 10.0 * activity / (1.0 + activity) + limited * activity

    message = r"1 of 2 draws stays below the limit .*\(draw 1, .*uptake is bounded"
    with pytest.raises(InputError, match=message):
        solve_increasing(dose_at, np.array([23.0, 23.0]))


def test_a_dose_that_stays_above_the_limit_is_refused() -> None:
    with pytest.raises(InputError, match="1 of 1 draws stays above the limit"):
        solve_increasing(lambda a: 30.0 + a, np.array([23.0]))


def test_a_dose_that_falls_is_refused() -> None:
    """It rises again, past the limit, so that a search would find something."""
    with pytest.raises(InputError, match="of 1 draws falls as the activity rises"):
        solve_increasing(lambda a: 20.0 / a + 0.01 * a, np.array([23.0]), start_GBq=9.0)


@pytest.mark.parametrize("wrong", [math.nan, -1.0, math.inf, 0.0])
def test_a_dose_that_is_no_number_is_refused(wrong: float) -> None:
    with pytest.raises(InputError, match=f"1 of 2 draws .* draw 1 has {wrong:g} Gy"):
        solve_increasing(lambda a: np.array([a[0], wrong]), np.full(2, 23.0))
    with pytest.raises(InputError, match="a dose to reach is not a number >= 0"):
        solve_increasing(lambda a: a, np.array([math.nan]))
    with pytest.raises(InputError, match="return one dose for each"):
        solve_increasing(lambda a: a[:1], np.full(2, 23.0))
