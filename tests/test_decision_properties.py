"""What any decision must obey: monotone, joint, scaled, and its Monte-Carlo error."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from pkmodels.decision import (
    AnyBurden,
    DoseLimit,
    SimulatedBurden,
    activity_grid,
    bed_burden,
    dose_burden,
    probability_curve,
    quantile_error,
    safe_activity,
)
from pkmodels.errors import InputError

SEEDS = st.integers(0, 10**6)
N = 500


def drawn(
    seed: int,
    *,
    limit_Gy: float = 23.0,
    received: float = 2.0,
    mass: float = 1.0,
    scale: float = 1.0,
) -> dict[str, AnyBurden]:
    """Two limits on one posterior, a dose and a BED; doses go as 1 / mass."""
    generator = np.random.default_rng(seed)
    shared = generator.standard_normal(N)
    first = 1.2 * np.exp(0.3 * shared + 0.1 * generator.standard_normal(N))
    second = 1.5 * np.exp(-0.1 * shared + 0.3 * generator.standard_normal(N))
    g = 0.04 + 0.08 * generator.random(N)
    return {
        "kidneys": dose_burden(
            DoseLimit("kidneys", "absorbed_dose", limit_Gy),
            received,
            scale * first / mass,
        ),
        "spleen": bed_burden(
            DoseLimit("spleen", "bed", 2.0 * limit_Gy),
            received,
            scale * second / mass,
            g,
            np.full(N, 2.5),
        ),
    }


def found(burdens: dict[str, AnyBurden], confidence: float = 0.9) -> float:
    return safe_activity(burdens, confidence=confidence).activity_GBq


@given(SEEDS, st.floats(5.0, 60.0), st.floats(1.0, 2.0))
def test_a_higher_limit_never_allows_less(seed: int, limit: float, more: float) -> None:
    assert found(drawn(seed, limit_Gy=limit)) <= found(
        drawn(seed, limit_Gy=limit * more)
    )


@given(SEEDS, st.floats(0.5, 2.0), st.floats(1.0, 2.0))
def test_a_heavier_organ_never_allows_less(seed: int, mass: float, more: float) -> None:
    low, high = (found(drawn(seed, mass=m)) for m in (mass, mass * more))
    assert low <= high * (1.0 + 1e-12)


@given(SEEDS, st.floats(0.0, 20.0), st.floats(0.0, 20.0))
def test_more_received_never_allows_more(
    seed: int, received: float, more: float
) -> None:
    assert found(drawn(seed, received=received)) >= found(
        drawn(seed, received=received + more)
    )


@given(SEEDS, st.floats(0.1, 0.95), st.floats(0.1, 0.95))
def test_more_confidence_never_allows_more(seed: int, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert found(drawn(seed), high) <= found(drawn(seed), low)


@given(SEEDS, st.floats(0.1, 0.95))
def test_waiving_never_lowers_and_together_is_at_most_each_alone(
    seed: int, confidence: float
) -> None:
    burdens = drawn(seed)
    answer = safe_activity(burdens, confidence=confidence)
    for name, burden in burdens.items():
        alone = found({name: burden}, confidence)
        assert answer.activity_GBq <= alone
        assert answer.per_limit[name].activity_GBq == alone


@given(SEEDS, st.floats(0.1, 10.0))
def test_doses_c_times_as_high_allow_an_activity_c_times_as_low(
    seed: int, scale: float
) -> None:
    expected = found(drawn(seed)) / scale
    assert found(drawn(seed, scale=scale)) == pytest.approx(expected, rel=1e-9)


@given(SEEDS, st.floats(0.1, 0.95))
def test_the_binding_limit_has_the_largest_probability(
    seed: int, confidence: float
) -> None:
    burdens = drawn(seed)
    answer = safe_activity(burdens, confidence=confidence)
    above = {
        name: np.mean(burden.at(answer.activity_GBq) > burden.limit_Gy * (1 + 1e-12))
        for name, burden in burdens.items()
    }
    assert above[answer.binding_limit] == max(above.values())


@given(SEEDS, st.floats(0.1, 0.95))
def test_simulated_burdens_decide_as_the_closed_form_does(
    seed: int, confidence: float
) -> None:
    burdens = drawn(seed)
    simulated: dict[str, AnyBurden] = {
        name: SimulatedBurden(
            burden.limit_Gy,
            burden.quantity,
            burden.received,
            lambda a, b=burden: b.slope * a + b.curvature * a**2,  # pyright: ignore[reportAttributeAccessIssue]
        )
        for name, burden in burdens.items()
    }
    expected = safe_activity(burdens, confidence=confidence)
    mixed = {"kidneys": burdens["kidneys"], "spleen": simulated["spleen"]}
    for some in (simulated, mixed):
        answer = safe_activity(some, confidence=confidence)
        assert answer.activity_GBq == pytest.approx(expected.activity_GBq, rel=1e-6)
        assert answer.binding_limit == expected.binding_limit


@given(SEEDS)
def test_the_curve_of_probability_rises_and_passes_the_decision(seed: int) -> None:
    burdens = drawn(seed)
    answer = safe_activity(burdens, confidence=0.9)
    grid = activity_grid(answer, 41)
    assert len(grid) == 41
    assert grid[0] == 0.0
    assert np.all(np.diff(grid) > 0.0)
    curve = probability_curve(burdens, grid)
    for name, above in curve.per_limit.items():
        assert np.all(np.diff(above) >= 0.0)
        assert np.all(above <= curve.of_any)
        direct = [np.mean(burdens[name].at(a) > burdens[name].limit_Gy) for a in grid]
        np.testing.assert_allclose(above, direct, atol=1.5 / N)
    at_answer = curve.of_any[grid == answer.activity_GBq]
    assert at_answer.tolist() == [pytest.approx(0.1, abs=1.5 / N)]
    assert curve.of_any[-1] >= 0.5


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95])
def test_the_monte_carlo_error_is_that_of_a_quantile(confidence: float) -> None:
    """sqrt(p (1 - p) / n) / f(q), relative to q, and the spread of repeated answers."""
    limit, n_draws, log_sd = DoseLimit("x", "absorbed_dose", 20.0), 2000, 0.3
    z = norm.ppf(1.0 - confidence)
    exact = (
        log_sd
        * math.sqrt(confidence * (1.0 - confidence) / n_draws)
        / float(norm.pdf(z))
    )
    generator = np.random.default_rng(7)
    answers = []
    for _ in range(400):
        dose = np.exp(log_sd * generator.standard_normal(n_draws))
        answers.append(
            safe_activity({"x": dose_burden(limit, 0.0, dose)}, confidence=confidence)
        )
    activities = np.array([a.activity_GBq for a in answers])
    errors = np.array([a.monte_carlo_error for a in answers])
    # 400 repetitions know a spread to 3.5 %.
    assert activities.std() / activities.mean() == pytest.approx(exact, rel=0.15)
    assert errors.mean() == pytest.approx(exact, rel=0.06)


def test_chains_worth_fewer_draws_have_a_larger_error() -> None:
    """A quarter of the draws: twice the error."""
    draws = np.exp(0.3 * norm.ppf((np.arange(8000) + 0.5) / 8000))
    all_of_them = quantile_error(draws, 0.05)
    quarter = quantile_error(draws, 0.05, effective_size=2000.0)
    assert quarter == pytest.approx(2.0 * all_of_them, rel=0.02)
    burdens = {"x": dose_burden(DoseLimit("x", "absorbed_dose", 1.0), 0.0, 1.0 / draws)}
    answer = safe_activity(burdens, confidence=0.95, effective_size=2000.0)
    assert answer.monte_carlo_error == pytest.approx(quarter, rel=1e-6)
    for wrong in (0.0, -1.0, math.nan):
        with pytest.raises(InputError, match="effective_size is"):
            quantile_error(draws, 0.05, effective_size=wrong)


def test_no_activity_at_all_has_an_error_only_where_more_draws_could_change_it() -> (
    None
):
    limit = DoseLimit("x", "absorbed_dose", 20.0)
    over = dose_burden(limit, 21.0, np.ones(1000))
    certain = safe_activity({"x": over}, confidence=0.9)
    assert (certain.activity_GBq, certain.monte_carlo_error) == (0.0, 0.0)
    with pytest.raises(InputError, match="no draw stands any activity"):
        activity_grid(certain)
    # In 10.5 % of the draws the limit is exceeded already.
    received = np.where(np.arange(1000) < 105, 21.0, 1.0)
    barely = safe_activity(
        {"x": dose_burden(limit, received, np.ones(1000))}, confidence=0.9
    )
    assert (barely.activity_GBq, barely.monte_carlo_error) == (0.0, math.inf)
