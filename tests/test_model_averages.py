"""Averages over models: mixtures of known distributions, decided on as one."""

import math
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from pkmodels.decision import Burdens, DoseLimit, dose_burden, safe_activity
from pkmodels.decision.model_averages import (
    average_models,
    average_safe_activity,
    model_choice_budget,
)
from pkmodels.errors import InputError

LIMIT = DoseLimit("kidneys", "absorbed_dose", 23.0)
LIVER = DoseLimit("liver", "absorbed_dose", 30.0)


def log_normal(median: float, log_sd: float, count: int) -> np.ndarray:
    """Return quantiles of a log-normal that stand for draws without chance."""
    return median * np.exp(log_sd * norm.ppf((np.arange(count) + 0.5) / count))


def kidneys(dose: np.ndarray) -> Burdens:
    return {"kidneys": dose_burden(LIMIT, 0.0, dose)}


def test_the_mixture_decides_at_the_root_of_both_distributions() -> None:
    """w1 P1(dose A > 23) + w2 P2(dose A > 23) = 5 %, of log-normals in closed form."""
    models = {"one": (1.4, 0.10), "two": (1.9, 0.20)}
    weights = {"one": 0.7, "two": 0.3}
    burdens = {
        name: kidneys(log_normal(median, sd, 40000))
        for name, (median, sd) in models.items()
    }
    found = average_safe_activity(burdens, weights, confidence=0.95)

    def above(activity: float) -> float:
        each = [
            weights[name] * float(norm.sf(np.log(23.0 / activity / median) / sd))
            for name, (median, sd) in models.items()
        ]
        return sum(each)

    truth: Any = brentq(lambda a: above(a) - 0.05, 1.0, 30.0)
    assert found.activity_GBq == pytest.approx(truth, rel=1e-3)
    for name, (median, sd) in models.items():
        alone = 23.0 / (median * math.exp(sd * norm.ppf(0.95)))
        assert found.by_model[name].activity_GBq == pytest.approx(alone, rel=1e-3)
        kept = norm.cdf(np.log(23.0 / truth / median) / sd)
        assert found.kept_by_model[name] == pytest.approx(kept, abs=1e-3)
    assert found.probability_above["kidneys"] == pytest.approx(0.05, abs=1e-3)
    # The mixture lies between its models, not at their mean.
    alone = [x.activity_GBq for x in found.by_model.values()]
    assert min(alone) < found.activity_GBq < max(alone)


def test_one_model_alone_decides_as_it_always_did() -> None:
    generator = np.random.default_rng(0)
    dose = log_normal(1.4, 0.2, 4000)[generator.permutation(4000)]
    liver = log_normal(1.5, 0.4, 4000)[generator.permutation(4000)]
    burdens = {**kidneys(dose), "liver": dose_burden(LIVER, 0.0, liver)}
    alone = safe_activity(burdens, confidence=0.95)
    for weights, given in (
        ({"one": 1.0}, {"one": burdens}),
        ({"one": 1.0, "two": 0.0}, {"one": burdens, "two": kidneys(dose)}),
    ):
        found = average_safe_activity(given, weights, confidence=0.95)
        assert found.activity_GBq == alone.activity_GBq
        assert found.binding_limit == alone.binding_limit
        assert found.monte_carlo_error == pytest.approx(
            alone.monte_carlo_error, rel=0.05
        )
        for limit, outcome in alone.per_limit.items():
            above = found.probability_above[limit]
            assert above == pytest.approx(outcome.probability_above)


def test_the_number_of_draws_of_a_model_is_not_its_weight() -> None:
    few, many = log_normal(1.4, 0.1, 2000), log_normal(1.9, 0.2, 40000)
    thin = average_safe_activity(
        {"one": kidneys(few), "two": kidneys(many)},
        {"one": 0.7, "two": 0.3},
        confidence=0.95,
    )
    even = average_safe_activity(
        {"one": kidneys(log_normal(1.4, 0.1, 40000)), "two": kidneys(many)},
        {"one": 0.7, "two": 0.3},
        confidence=0.95,
    )
    assert thin.activity_GBq == pytest.approx(even.activity_GBq, rel=2e-3)
    found = average_models({"one": few, "two": many}, {"one": 0.7, "two": 0.3})
    assert found.mean == pytest.approx(0.7 * few.mean() + 0.3 * many.mean())


def test_the_error_of_the_mixture_is_that_of_repeated_draws() -> None:
    generator = np.random.default_rng(5)
    weights = {"one": 0.6, "two": 0.4}
    activities, errors = [], []
    for _ in range(300):
        burdens = {
            "one": kidneys(1.4 * np.exp(0.1 * generator.standard_normal(1000))),
            "two": kidneys(1.7 * np.exp(0.15 * generator.standard_normal(1000))),
        }
        found = average_safe_activity(burdens, weights, confidence=0.95)
        activities.append(found.activity_GBq)
        errors.append(found.monte_carlo_error)
    spread = np.std(activities) / np.mean(activities)
    # It counts every tail as if in proportion to the weight, which is on the safe side.
    assert np.mean(errors) == pytest.approx(spread, rel=0.35)


def test_the_part_of_model_choice_is_the_law_of_total_variance() -> None:
    one, two = log_normal(1.0, 0.2, 20000), log_normal(1.5, 0.2, 20000)
    draws = {"one": np.log(one), "two": np.log(two)}
    found = average_models(draws, {"one": 0.75, "two": 0.25})
    gap = math.log(1.5)
    truth = 0.75 * 0.25 * gap**2 / (0.75 * 0.25 * gap**2 + 0.04)
    assert found.between == pytest.approx(truth, rel=2e-3)
    budget = model_choice_budget(found, np.random.default_rng(0), quantity="ln dose")
    share = budget.shares["model choice"]
    assert share.first_order == pytest.approx(truth, abs=4.0 * budget.noise + 0.01)
    same = average_models(
        {"one": draws["one"], "two": draws["one"]}, {"one": 0.5, "two": 0.5}
    )
    assert same.between == pytest.approx(0.0, abs=1e-12)


def test_quantiles_of_equal_models_are_those_of_all_draws() -> None:
    one, two = np.arange(0.0, 100.0), np.arange(50.0, 150.0)
    found = average_models({"one": one, "two": two}, {"one": 0.5, "two": 0.5})
    every = np.concatenate([one, two])
    np.testing.assert_allclose(
        found.quantiles(), np.quantile(every, [0.025, 0.5, 0.975])
    )


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"one": 0.7, "two": 0.7}, "with the sum 1"),
        ({"one": 1.2, "two": -0.2}, "each be >= 0"),
        ({"one": 1.0}, "one weight to each model"),
    ],
)
def test_weights_that_are_none_are_refused(
    weights: dict[str, float], message: str
) -> None:
    draws = {"one": np.ones(500), "two": np.ones(500)}
    with pytest.raises(InputError, match=message):
        average_models(draws, weights)


def test_models_must_be_asked_the_same() -> None:
    dose = log_normal(1.4, 0.1, 1000)
    other = {
        "kidneys": dose_burden(DoseLimit("kidneys", "absorbed_dose", 27.0), 0.0, dose)
    }
    with pytest.raises(InputError, match="ask the same of every model"):
        average_safe_activity(
            {"one": kidneys(dose), "two": other},
            {"one": 0.5, "two": 0.5},
            confidence=0.95,
        )
    with pytest.raises(InputError, match="too few for a confidence"):
        average_safe_activity(
            {"one": kidneys(dose[:100]), "two": kidneys(dose)},
            {"one": 0.5, "two": 0.5},
            confidence=0.95,
        )
    with pytest.raises(InputError, match="not finite"):
        average_models({"one": np.array([1.0, np.nan])}, {"one": 1.0})
