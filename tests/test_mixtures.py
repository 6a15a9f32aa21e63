"""Mixtures of t and weighted draws against closed forms and SciPy."""

import numpy as np
import pytest
from scipy.stats import multivariate_t, norm

from pkmodels.fitting.importance import (
    k_hat_of,
    mean_sizes,
    quantiles,
    resample,
    tail_sizes,
    variance_errors,
    weigh,
)
from pkmodels.fitting.mixtures import Mixture, draw, fit_mixture, log_density, sobol

FACTORS = np.array([[[1.0, 0.0], [0.5, 0.3]], [[0.2, 0.1], [0.0, 0.4]]])
TWO = Mixture(np.array([0.3, 0.7]), np.array([[0.0, 0.0], [3.0, -2.0]]), FACTORS, 5.0)


def test_density_is_that_of_scipy() -> None:
    x = np.random.default_rng(0).normal(1.0, 2.0, (50, 2))
    expected = sum(
        w * multivariate_t.pdf(x, m, f @ f.T, df=5)
        for w, m, f in zip(TWO.weights, TWO.means, TWO.factors, strict=True)
    )
    np.testing.assert_allclose(np.exp(log_density(TWO, x)), expected, rtol=1e-10)


def test_density_integrates_to_one() -> None:
    axis = np.linspace(-35.0, 35.0, 1001)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    total = np.exp(log_density(TWO, grid)).sum() * (axis[1] - axis[0]) ** 2
    assert total == pytest.approx(1.0, abs=1e-3)


def test_draws_have_the_moments_of_the_mixture() -> None:
    x = draw(TWO, sobol(16, 4, 1))
    mean = TWO.weights @ TWO.means
    scales = FACTORS @ FACTORS.transpose(0, 2, 1) * 5.0 / 3.0
    away = TWO.means - mean
    outer = away[:, :, None] * away[:, None, :]
    covariance = np.tensordot(TWO.weights, scales + outer, 1)
    np.testing.assert_allclose(x.mean(axis=0), mean, atol=0.01)
    np.testing.assert_allclose(np.cov(x.T), covariance, rtol=0.03)


def test_fit_finds_two_clusters_and_their_shares() -> None:
    random = np.random.default_rng(1)
    first = random.normal(0.0, 1.0, (3000, 3))
    second = 10.0 + random.normal(0.0, 0.2, (1000, 3))
    x = np.concatenate([first, second])
    found = fit_mixture(x, 2, 1e6, [1])
    order = np.argsort(found.means[:, 0])
    np.testing.assert_allclose(found.weights[order], [0.75, 0.25], atol=0.01)
    np.testing.assert_allclose(found.means[order[0]], 0.0, atol=0.1)
    np.testing.assert_allclose(found.means[order[1]], 10.0, atol=0.05)
    scales = found.factors @ found.factors.transpose(0, 2, 1)
    np.testing.assert_allclose(np.diag(scales[order[0]]), 1.0, rtol=0.1)


def test_fit_of_draws_in_a_plane_is_still_a_density() -> None:
    x = np.repeat(np.random.default_rng(0).standard_normal((500, 1)), 3, axis=1)
    assert np.isfinite(log_density(fit_mixture(x, 4, 5.0, [0]), x)).all()


@pytest.mark.parametrize(("sd", "shape"), [(2.0, 0.0), (0.75, 0.4375), (0.5, 0.75)])
def test_pareto_shape_is_that_of_a_narrow_normal_proposal(
    sd: float, shape: float
) -> None:
    """w = exp(x^2 (1/s^2 - 1) / 2) has the tail 1 / k = s^2 / (1 - s^2) + 1 ... ."""
    z = np.random.default_rng(3).standard_normal(200_000)
    x = sd * z[:, None]
    found = weigh(x, norm.logpdf(x[:, 0]), norm.logpdf(x[:, 0], scale=sd))
    # k = 1 - s^2; finite samples are a little below it (slow variation).
    expected = 1.0 - sd**2
    assert expected == pytest.approx(shape) or sd > 1.0
    if sd > 1.0:
        assert found.k_hat < 0.1
    else:
        assert found.k_hat == pytest.approx(expected, abs=0.12)


def test_weighted_moments_and_quantiles_are_those_of_the_posterior() -> None:
    x = 1.5 * norm.ppf(sobol(13, 1, 2)) + 0.3
    found = weigh(x, norm.logpdf(x[:, 0]), norm.logpdf(x[:, 0], 0.3, 1.5))
    assert found.log_evidence == pytest.approx(0.0, abs=1e-3)
    assert found.weights @ x[:, 0] == pytest.approx(0.0, abs=5e-3)
    ends = quantiles(found, x, np.array([0.025, 0.975]))[:, 0]
    np.testing.assert_allclose(ends, [-1.95996, 1.95996], atol=0.02)


def test_resampled_draws_do_not_keep_step_with_sobol_points() -> None:
    """Systematic resampling of points in Sobol order scattered six times as much."""
    x = 1.5 * norm.ppf(sobol(13, 1, 2))
    weights = weigh(x, norm.logpdf(x[:, 0]), norm.logpdf(x[:, 0], 0.0, 1.5)).weights
    spreads = [x[resample(weights, 4000, [seed])].std() for seed in range(20)]
    # 4,000 independent draws would scatter by 1 / sqrt(8000) = 0.011.
    np.testing.assert_allclose(
        np.sqrt(np.mean((np.array(spreads) - 1.0) ** 2)), 0.0, atol=0.015
    )


def test_effective_sizes_predict_the_scatter_of_repeated_runs() -> None:
    means, errors, tails = [], [], []
    x = np.random.default_rng(1000).standard_normal((1000, 1)) * 1.5
    for seed in range(400):
        x = 1.5 * np.random.default_rng(seed).standard_normal((1000, 1))
        found = weigh(x, norm.logpdf(x[:, 0]), norm.logpdf(x[:, 0], scale=1.5))
        mean = found.weights @ x[:, 0]
        means.append(mean)
        tails.append(found.weights @ (x[:, 0] < -1.95996))
        squares = found.weights @ (x[:, 0] - mean) ** 2
        errors.append(squares)
    found = weigh(x, norm.logpdf(x[:, 0]), norm.logpdf(x[:, 0], scale=1.5))
    size = mean_sizes(found, x)[0]
    assert np.std(means) == pytest.approx(1.0 / np.sqrt(size), rel=0.15)
    tail = np.sqrt(0.025 * 0.975 / tail_sizes(found, x)[0])
    assert np.std(tails) == pytest.approx(tail, rel=0.3)
    assert np.std(errors) == pytest.approx(variance_errors(found, x)[0], rel=0.2)


def test_a_variance_that_few_draws_carry_has_a_large_error() -> None:
    """0.1 % of the mass 30 sd away, which 4 draws of weight 8 have met."""
    random = np.random.default_rng(0)
    x = np.append(random.standard_normal(31_996), [30.0, 29.5, 30.5, 30.1])[:, None]
    log = np.append(np.zeros(31_996), np.full(4, np.log(8.0)))
    found = weigh(x, log, 1e-3 * random.random(32_000))
    assert variance_errors(found, x)[0] > 0.1
    assert found.k_hat < 0.7
    assert np.isfinite(k_hat_of(found, x[:, 0]))


def test_draws_where_the_posterior_is_zero_count_in_the_evidence() -> None:
    x = np.random.default_rng(0).standard_normal((4000, 1))
    log = norm.logpdf(x[:, 0])
    cut = weigh(x, np.where(x[:, 0] > 0.0, log, -np.inf), log + 1e-6 * x[:, 0])
    assert np.exp(cut.log_evidence) == pytest.approx(0.5, abs=0.03)
    assert (cut.x > 0.0).all()
