"""Paths: what is said of the draws that each gives, against closed forms."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pkmodels.fitting import worked_example
from pkmodels.fitting.fit import _long_enough, fit
from pkmodels.fitting.paths import LEAST_DRAWS, Path, resampled_size
from pkmodels.fitting.repeated_tempering import pooled_sizes

EXAMPLE = worked_example.posterior()


def test_resampled_draws_are_worth_no_more_than_their_number() -> None:
    """The variance of a mean of n resampled of m weighted draws is 1/m + 1/n."""
    generator = np.random.default_rng(2)
    means = [
        generator.choice(generator.standard_normal(200), 50).mean() for _ in range(8000)
    ]
    assert 1.0 / np.var(means) == pytest.approx(resampled_size(200.0, 50), rel=0.06)
    assert resampled_size(0.0, 50) == 0.0


def test_sizes_of_two_runs_are_those_of_independent_draws() -> None:
    """4 / size is a squared difference of mean 4 / 2 n; of two tails the larger.

    The larger of two independent chi-square of 1 has the mean 1 + 2 / pi.
    """
    generator = np.random.default_rng(3)
    pairs = generator.standard_normal((3000, 2, 200, 1))
    sizes = np.array([pooled_sizes(*pair) for pair in pairs])
    found = 1.0 / (1.0 / sizes).mean(axis=0)
    np.testing.assert_allclose(found, [400.0, 400.0 / (1.0 + 2.0 / np.pi)], rtol=0.07)


def half_life_by_quadrature(levels: np.ndarray) -> np.ndarray:
    """Return quantiles of the half-life: values, times and priors as in the example."""
    lutetium_h = 6.6443 * 24.0  # ENSDF; a hundredth of an hour would not be seen
    times = np.array([24.0, 72.0, 120.0])
    log_half_lives = np.linspace(np.log(20.0), np.log(200.0), 1201)
    noises = np.linspace(1e-4, 1.0, 2000)
    rates = np.log(2.0) * (np.exp(-log_half_lives)[:, None] + 1.0 / lutetium_h)
    residuals = np.log([70.0, 35.0, 16.0]) - np.log(100.0) + rates * times
    sd = np.hypot(noises, 0.01)
    log_likelihood = -0.5 * (residuals**2).sum(axis=1)[:, None] / sd**2 - 3.0 * np.log(
        sd
    )
    weights = np.exp(log_likelihood - 0.5 * (noises / 0.1) ** 2)
    prior = np.exp(-0.5 * (log_half_lives - np.log(60.0)) ** 2)
    marginal = weights.sum(axis=1) * prior
    return np.exp(
        np.interp(levels, np.cumsum(marginal) / marginal.sum(), log_half_lives)
    )


def test_the_fast_path_gives_the_posterior_and_says_what_its_draws_are_worth() -> None:
    found = fit(EXAMPLE, seed=2, draws_per_chain=100, path=Path.FAST)
    assert found.checks.passed, found.checks.reasons
    half_lives = found.parameters()[:, 0]
    assert half_lives.size == LEAST_DRAWS
    assert found.checks.ess_tail_min is not None
    assert found.checks.ess_tail_min < LEAST_DRAWS
    levels = np.array([0.025, 0.5, 0.975])
    truth = half_life_by_quadrature(levels)
    np.testing.assert_allclose(np.quantile(half_lives, levels), truth, rtol=0.01)


def test_runs_go_on_where_more_draws_may_be_all_that_is_lacking() -> None:
    asked: list[int] = []

    def run(*, draws_per_chain: int) -> Any:
        asked.append(draws_per_chain)
        checks = SimpleNamespace(short=draws_per_chain < 400)
        return SimpleNamespace(
            checks=checks, draws=SimpleNamespace(wanted_per_chain=None)
        )

    _long_enough(run, 200)
    _long_enough(run, 400)
    assert asked == [200, 400, 400]
