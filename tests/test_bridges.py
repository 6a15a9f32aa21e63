"""Bridges against the predictive density of normal data, in closed form."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from pkmodels.errors import InputError
from pkmodels.fitting.bridges import bridge
from pkmodels.fitting.comparison import Comparison, Score, worth

SD = 0.5
SHAPE, REPEATS = (4, 250), 100


def draw(
    generator, value: float, shapes: tuple = (SHAPE, SHAPE)
) -> tuple[np.ndarray, np.ndarray]:
    """x is Normal(0, 1) without the value, which is Normal(x, SD)."""
    sd = SD / np.hypot(1.0, SD)
    without = generator.standard_normal(shapes[0])
    whole = value / (1.0 + SD**2) + sd * generator.standard_normal(shapes[1])
    return norm.logpdf(value, without, SD), norm.logpdf(value, whole, SD)


@pytest.mark.parametrize("value", [1.0, 3.0])
def test_the_density_and_its_error_are_those_of_the_closed_form(value: float) -> None:
    truth = float(norm.logpdf(value, 0.0, np.hypot(1.0, SD)))
    found, plain = [], []
    for seed in range(REPEATS):
        without, whole = draw(np.random.default_rng(seed), value)
        found.append(bridge(without, whole))
        plain.append(np.log(np.exp(without).mean()))
    errors = np.array([each.elpd for each in found]) - truth
    stated = np.sqrt(np.mean([each.monte_carlo_error**2 for each in found]))
    assert abs(errors.mean()) < 4.0 * stated / np.sqrt(REPEATS)
    # Of 100 repeats the sd itself is known to 7 %.
    assert errors.std() == pytest.approx(stated, rel=0.3)
    assert errors.std() < np.std(plain)


def optimal(log_without: np.ndarray, log_whole: np.ndarray) -> float:
    """Meng and Wong's equation 4.1, typed anew, by a root finder."""
    p, q = np.exp(log_without).ravel(), np.exp(log_whole).ravel()

    def away(log_r: float) -> float:
        r = np.exp(log_r)
        upper = np.mean(p / (p.size * r + q.size * p))
        return float(np.log(upper / np.mean(1.0 / (p.size * r + q.size * q))) - log_r)

    root: Any = brentq(away, -50.0, 10.0)
    return float(root)


@pytest.mark.parametrize("sizes", [(60, 2000), (2000, 60)])
def test_unequal_numbers_of_draws_are_weighted_as_is_best(sizes) -> None:
    """The other way about, the errors are 2 and 7 times as large."""
    shapes = tuple((4, size) for size in sizes)
    truth = float(norm.logpdf(3.0, 0.0, np.hypot(1.0, SD)))
    pairs = [draw(np.random.default_rng(n), 3.0, shapes) for n in range(REPEATS)]
    errors = np.array([bridge(*pair).elpd for pair in pairs]) - truth
    least = np.array([optimal(*pair) for pair in pairs]) - truth
    assert np.sqrt(np.mean(errors**2)) < 1.1 * np.sqrt(np.mean(least**2))


def test_draws_that_were_resampled_are_worth_no_more_than_is_said() -> None:
    pair = draw(np.random.default_rng(0), 1.0)
    free, bound = bridge(*pair), bridge(*pair, (100.0, 100.0))
    assert bound.elpd == pytest.approx(free.elpd, abs=0.05)
    assert bound.monte_carlo_error == pytest.approx(
        free.monte_carlo_error * np.sqrt(1000 / 100), rel=0.15
    )


def test_a_value_far_out_is_known_better_than_by_the_plain_mean_and_told() -> None:
    """Seven of the draws count: the plain mean is off by half a nat."""
    truth = float(norm.logpdf(4.0, 0.0, np.hypot(1.0, SD)))
    pairs = [draw(np.random.default_rng(seed), 4.0) for seed in range(REPEATS)]
    found = [bridge(*pair) for pair in pairs]
    assert np.median([each.effective_size for each in found]) < 10.0
    errors = np.array([each.elpd for each in found]) - truth
    plain = np.array([np.log(np.exp(without).mean()) for without, _ in pairs]) - truth
    assert np.sqrt(np.mean(errors**2)) < 0.5 * np.sqrt(np.mean(plain**2))
    assert min(each.monte_carlo_error for each in found) > 0.1


def test_correlated_draws_are_worth_fewer() -> None:
    without, whole = draw(np.random.default_rng(0), 1.0)
    independent = bridge(without, whole).monte_carlo_error
    again = bridge(np.repeat(without, 9, axis=1), np.repeat(whole, 9, axis=1))
    assert again.monte_carlo_error == pytest.approx(independent, rel=0.3)


def test_draws_under_which_the_values_are_impossible_are_told() -> None:
    without, whole = draw(np.random.default_rng(0), 1.0)
    without[0, :100] = -np.inf
    assert np.isfinite(bridge(without, whole).elpd)
    whole[0, 0] = -np.inf
    with pytest.raises(InputError, match="impossible under some draws"):
        bridge(without, whole)


def test_refits_that_are_known_badly_are_told() -> None:
    one = Score("a", -20.0, 0.0, 0.0, 0, 3.1, 0.8, None, 1, 0.5)
    two = Score("b", -21.5, -1.5, 0.9, 1, 4.0, 0.2, None, 1, 0.05)
    said = " ".join(worth(Comparison("scan", 4, (one, two))))
    assert "elpd of a is known to +-0.5 only" in said
    assert "elpd of b" not in said
