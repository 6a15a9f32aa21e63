"""The safe activity against closed forms, numpy's roots and a search."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm

from pkmodels.decision import Burden, draws_needed, safe_activity
from pkmodels.errors import InputError


def scores(n_draws: int) -> np.ndarray:
    """Return normal scores amid equal shares of probability: draws without chance."""
    return norm.ppf((np.arange(n_draws) + 0.5) / n_draws)


def linear(limit_Gy: float, slope: np.ndarray, received: float = 0.0) -> Burden:
    zero = np.zeros_like(slope)
    return Burden(limit_Gy, zero + received, slope, zero, "absorbed_dose")


def log_normal(median: float, log_sd: float, score: np.ndarray) -> np.ndarray:
    return median * np.exp(log_sd * score)


def share_kept(burdens: dict[str, Burden], activity: float) -> float:
    """Return the share of draws that keep every limit, straight from the definition."""
    kept = [b.at(activity) <= b.limit_Gy * (1.0 + 1e-12) for b in burdens.values()]
    return float(np.mean(np.all(kept, axis=0)))


def searched(burdens: dict[str, Burden], confidence: float) -> float:
    """Return the largest activity that keeps enough draws, by bisection."""
    low, high = 0.0, 1.0
    while share_kept(burdens, high) >= confidence:
        high *= 2.0
    for _ in range(100):
        middle = (low + high) / 2.0
        if share_kept(burdens, middle) >= confidence:
            low = middle
        else:
            high = middle
    return low


def random_burdens(seed: int, n_draws: int) -> dict[str, Burden]:
    """Three correlated limits, one of them with a part that grows as A^2."""
    generator = np.random.default_rng(seed)
    shared, own = generator.standard_normal(n_draws), generator.standard_normal
    return {
        "kidneys": Burden(
            23.0,
            log_normal(2.5, 0.2, own(n_draws)),
            log_normal(1.2, 0.3, shared + 0.5 * own(n_draws)),
            np.zeros(n_draws),
            "absorbed_dose",
        ),
        "liver": linear(30.0, log_normal(1.4, 0.4, own(n_draws) - 0.5 * shared)),
        "spleen": Burden(
            40.0,
            np.zeros(n_draws),
            log_normal(1.5, 0.2, shared),
            log_normal(0.02, 0.3, own(n_draws)),
            "bed",
        ),
    }


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99])
def test_one_log_normal_dose_gives_the_limit_over_its_quantile(
    confidence: float,
) -> None:
    """A* = (L - received) / (median exp(sd z)), z the quantile of the confidence."""
    burden = linear(23.0, log_normal(1.25, 0.2, scores(20_000)), received=2.6)
    found = safe_activity({"kidneys": burden}, confidence=confidence)
    expected = (23.0 - 2.6) / (1.25 * math.exp(0.2 * norm.ppf(confidence)))
    assert found.activity_GBq == pytest.approx(expected, rel=1e-3)
    kidneys = found.per_limit["kidneys"]
    assert kidneys.activity_GBq == found.activity_GBq
    assert kidneys.probability_above == pytest.approx(1.0 - confidence, abs=1e-4)
    assert found.binding_limit == "kidneys"


@pytest.mark.parametrize("dependence", ["equal", "opposite", "independent"])
def test_two_limits_are_decided_jointly(dependence: str) -> None:
    """With F the distribution of the activity that each limit allows alone.

    Equal ranks: the smaller A*; opposite ranks: F1 + F2 - 1; independent: F1 F2.
    """
    first = scores(20_000)
    second = first if dependence == "equal" else -first
    if dependence == "independent":
        first, second = (grid.ravel() for grid in np.meshgrid(scores(600), scores(600)))
    burdens = {
        "kidneys": linear(23.0, log_normal(1.2, 0.30, first)),
        "liver": linear(30.0, log_normal(1.5, 0.35, second)),
    }

    def kept(activity: float) -> float:
        one = norm.cdf(math.log(23.0 / 1.2 / activity) / 0.30)
        other = norm.cdf(math.log(30.0 / 1.5 / activity) / 0.35)
        joint = {"equal": min(one, other), "opposite": max(one + other - 1.0, 0.0)}
        return joint.get(dependence, one * other)

    found = safe_activity(burdens, confidence=0.95)
    expected = brentq(lambda activity: kept(activity) - 0.95, 1.0, 30.0)
    assert found.activity_GBq == pytest.approx(expected, rel=3e-3)
    assert found.activity_GBq == pytest.approx(searched(burdens, 0.95), rel=1e-9)
    alone = [outcome.activity_GBq for outcome in found.per_limit.values()]
    assert found.activity_GBq <= min(alone)
    if dependence == "equal":
        assert found.activity_GBq == min(alone)
    else:
        assert found.activity_GBq < 0.99 * min(alone)


@pytest.mark.parametrize("seed", range(3))
def test_correlated_limits_agree_with_a_search(seed: int) -> None:
    burdens = random_burdens(seed, 1000)
    for confidence in (0.6, 0.9, 0.95):
        found = safe_activity(burdens, confidence=confidence)
        expected = searched(burdens, confidence)
        assert found.activity_GBq == pytest.approx(expected, rel=1e-9)


@given(st.integers(0, 10**6), st.floats(0.05, 0.97), st.integers(700, 900))
def test_enough_draws_are_kept_at_the_answer_and_too_few_above_it(
    seed: int, confidence: float, n_draws: int
) -> None:
    burdens = random_burdens(seed, n_draws)
    activity = safe_activity(burdens, confidence=confidence).activity_GBq
    assert share_kept(burdens, activity) >= confidence - 1e-9
    assert share_kept(burdens, activity * (1.0 + 1e-9)) < confidence


@given(st.integers(0, 10**6), st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_more_confidence_never_allows_more(seed: int, one: float, other: float) -> None:
    burdens = random_burdens(seed, 500)
    low, high = (safe_activity(burdens, confidence=c) for c in sorted((one, other)))
    assert high.activity_GBq <= low.activity_GBq


@given(
    st.floats(1.0, 100.0), st.floats(0.0, 200.0), st.floats(0.01, 10.0), st.floats(0, 5)
)
def test_activity_at_a_limit_is_the_positive_root(
    limit: float, received: float, slope: float, curvature: float
) -> None:
    parts = (np.array([x]) for x in (received, slope, curvature))
    burden = Burden(limit, *parts, quantity="bed")
    [found] = burden.activity_at_limit()
    if received >= limit:
        assert found == 0.0
        return
    # With the roots of a quotient, numpy's own stay accurate for a tiny curvature.
    inverse = np.roots([received - limit, slope, curvature])
    expected = 1.0 / max(inverse.real)
    assert found == pytest.approx(expected, rel=1e-7)
    assert burden.at(found)[0] == pytest.approx(limit, rel=1e-9)


def test_a_limit_already_exceeded_leaves_no_activity() -> None:
    """In 10 % of the draws the dose received is above the limit."""
    received = np.where(np.arange(1000) < 100, 24.0, 3.0)
    slope, zero = np.ones(1000), np.zeros(1000)
    burdens = {
        "liver": linear(30.0, slope),
        "kidneys": Burden(23.0, received, slope, zero, "absorbed_dose"),
    }
    found = safe_activity(burdens, confidence=0.95)
    assert found.activity_GBq == 0.0
    assert found.binding_limit == "kidneys"
    assert found.per_limit["kidneys"].probability_above == pytest.approx(0.1)
    assert found.per_limit["liver"].probability_above == 0.0
    assert found.per_limit["liver"].activity_GBq == pytest.approx(30.0)
    # A lower confidence is content with the other 90 %.
    assert safe_activity(burdens, confidence=0.9).activity_GBq == pytest.approx(20.0)


def test_the_binding_limit_is_the_one_most_often_exceeded() -> None:
    """The liver is exceeded first in few draws, the kidneys in most."""
    kidneys = linear(23.0, log_normal(1.0, 0.3, scores(1000)))
    liver = linear(30.0, log_normal(0.5, 0.6, -scores(1000)))
    found = safe_activity({"liver": liver, "kidneys": kidneys}, confidence=0.9)
    above = {name: o.probability_above for name, o in found.per_limit.items()}
    assert found.binding_limit == "kidneys"
    for name, burden in (("kidneys", kidneys), ("liver", liver)):
        beyond = burden.at(found.activity_GBq) > burden.limit_Gy * (1.0 + 1e-12)
        assert above[name] == pytest.approx(float(np.mean(beyond)))
    assert above["kidneys"] > above["liver"] > 0.0


def test_a_burden_is_received_plus_what_the_activity_adds() -> None:
    parts = (np.array([x]) for x in (2.0, 1.5, 0.1))
    burden = Burden(23.0, *parts, quantity="bed")
    assert burden.at(0.0)[0] == 2.0
    assert burden.at(10.0)[0] == pytest.approx(2.0 + 15.0 + 10.0)
    assert burden.exceeds(10.0)[0]
    assert not burden.exceeds(5.0)[0]


def test_draws_keep_their_order() -> None:
    """The activity at the first limit pairs with the draws of everything else."""
    burdens = random_burdens(1, 500)
    found = safe_activity(burdens, confidence=0.9).activity_at_limit_GBq
    for i, activity in itertools.islice(enumerate(found), 50):
        doses = [
            burden.at(activity)[i] / burden.limit_Gy for burden in burdens.values()
        ]
        assert max(doses) == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize(
    ("confidence", "needed"), [(0.5, 40), (0.9, 200), (0.95, 400), (0.999, 20_000)]
)
def test_too_few_draws_for_the_confidence_are_refused(
    confidence: float, needed: int
) -> None:
    assert draws_needed(confidence) == needed
    dose = np.linspace(1.0, 2.0, needed)
    assert safe_activity({"kidneys": linear(20.0, dose)}, confidence=confidence)
    message = rf"{needed - 1} draws are too few .* {needed} are needed"
    with pytest.raises(InputError, match=message):
        safe_activity({"kidneys": linear(20.0, dose[1:])}, confidence=confidence)


@pytest.mark.parametrize("confidence", [0.0, 1.0, -0.1, 95.0, math.nan])
def test_a_confidence_outside_its_range_is_refused(confidence: float) -> None:
    burdens = {"kidneys": linear(20.0, np.ones(1000))}
    with pytest.raises(InputError, match="confidence must lie between 0 and 1; got"):
        safe_activity(burdens, confidence=confidence)


def test_no_limit_at_all_is_refused() -> None:
    with pytest.raises(InputError, match="no limit is left to decide on"):
        safe_activity({}, confidence=0.95)


@pytest.mark.parametrize("field", ["received", "slope", "curvature"])
def test_a_draw_that_is_no_number_is_refused(field: str) -> None:
    """Sorted to the end it would count as a patient who stands any activity."""
    fields = {name: np.ones(1000) for name in ("received", "slope", "curvature")}
    fields[field][3] = math.nan
    received, slope, curvature = fields.values()
    burden = Burden(20.0, received, slope, curvature, "bed")
    with pytest.raises(InputError, match="1 of 1000 draws give no activity"):
        safe_activity({"kidneys": burden}, confidence=0.95)
