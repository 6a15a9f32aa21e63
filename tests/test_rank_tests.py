"""Tests of ranks: against enumeration, closed forms, another library and chance."""

from itertools import product

import numpy as np
import pytest
from arviz_stats.ecdf_utils import simulate_confidence_bands
from scipy.stats import binom, chi2

from pkmodels.cohorts.rank_tests import (
    chi_square_p,
    counts_below,
    coverage_p,
    covered,
    ecdf_band,
    ecdf_p,
    exact_interval,
    rank_histogram,
)
from pkmodels.errors import InputError

N = 200


def farthest(ranks, draws):
    """Return twice the smallest binomial tail of a count below any threshold."""
    found = 1.0
    for threshold in range(1, draws + 1):
        count = sum(rank < threshold for rank in ranks)
        chance = threshold / (draws + 1)
        tails = (
            binom.cdf(count, len(ranks), chance),
            binom.sf(count - 1, len(ranks), chance),
        )
        found = min(found, 2.0 * min(tails))
    return found


@pytest.mark.parametrize(("n", "draws"), [(5, 3), (3, 7)])
def test_the_exact_p_is_that_of_every_possible_outcome(n, draws):
    every = list(product(range(draws + 1), repeat=n))
    tails = np.array([farthest(ranks, draws) for ranks in every])
    for ranks, tail in list(zip(every, tails, strict=True))[::37]:
        share = float(np.mean(tails <= tail * (1.0 + 1e-9)))
        assert ecdf_p(np.array(ranks), draws) == pytest.approx(share, abs=1e-12)


def test_the_band_holds_uniform_ranks_as_often_as_it_says():
    n, draws = 60, 19
    band = ecdf_band(n, draws, 0.9)
    generator = np.random.default_rng(1)
    ranks = generator.integers(0, draws + 1, (20_000, n))
    counts = np.stack([(ranks < t).sum(axis=1) for t in band.thresholds], axis=1)
    inside = ((counts >= band.low) & (counts <= band.high)).all(axis=1).mean()
    # Three standard errors of 20,000 repetitions.
    assert inside == pytest.approx(band.probability, abs=3 * 0.0021)
    assert 0.9 <= band.probability < 0.92


def test_the_band_is_that_of_arviz_whose_level_is_simulated():
    n = 100
    points = np.arange(1, n) / n
    # Its level is a simulated quantile: a few tenths of a percent in probability.
    level = simulate_confidence_bands(
        n, 1, points, 0.95, 4_000, np.random.default_rng(0)
    )
    low, high = binom.ppf([[0.5 - 0.5 * level], [0.5 + 0.5 * level]], n, points)
    band = ecdf_band(n, n - 1, 0.95)
    assert np.abs(low - band.low).max() <= 1
    assert np.abs(high - band.high).max() <= 1
    assert np.mean(low == band.low) > 0.8


@pytest.mark.parametrize("test", [ecdf_p, chi_square_p])
def test_uniform_ranks_are_rejected_as_often_as_the_level_says(test):
    generator = np.random.default_rng(2)
    found = [test(generator.integers(0, 20, 60), 19) for _ in range(N)]
    for level in (0.05, 0.2):
        rejected = int(np.sum(np.array(found) <= level))
        assert binom.sf(rejected - 1, N, level) > 1e-3
        assert binom.cdf(rejected, N, level) > 1e-3


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda z: z + 0.35, "a shift"),
        (lambda z: 1.35 * z, "intervals too narrow"),
        (lambda z: 0.7 * z, "intervals too wide"),
    ],
)
def test_wrong_posteriors_are_seen(spoil, what):
    generator = np.random.default_rng(3)
    truths = spoil(generator.standard_normal(300))
    drawn = generator.standard_normal((300, 199))
    ranks = (drawn < truths[:, None]).sum(axis=1)
    assert ecdf_p(ranks, 199) < 1e-3, what
    assert chi_square_p(ranks, 199) < 1e-3, what


def test_chi_square_is_the_sum_over_its_bins():
    ranks = np.repeat(np.arange(10), [4, 16, 10, 10, 10, 10, 10, 10, 10, 10])
    assert rank_histogram(ranks, 9, 5).tolist() == [20, 20, 20, 20, 20]
    assert chi_square_p(ranks, 9, 5) == 1.0
    # Two counts are 6 off 10: 2 * 36 / 10, nine degrees of freedom.
    assert chi_square_p(ranks, 9, 10) == pytest.approx(chi2.sf(7.2, 9), rel=1e-12)


def test_coverage_counts_exactly_its_share_of_the_ranks():
    every = np.arange(200)
    for level in (0.5, 0.8, 0.9, 0.95, 0.99):
        assert covered(every, 199, level).mean() == pytest.approx(level, abs=1e-12)
    with pytest.raises(InputError, match=r"no interval between 99 draws holds 0\.95"):
        covered(np.arange(100), 99, 0.95)


def test_shares_have_their_exact_p_and_interval():
    # All of n covered: 0.95^n, doubled-tail rule adds what is as unlikely below.
    assert coverage_p(95, 100) == 1.0
    low, high = exact_interval(7, 7)
    assert (low, high) == (pytest.approx(0.025 ** (1 / 7), rel=1e-9), 1.0)


def test_counts_are_of_ranks_below():
    assert counts_below(np.array([3, 0, 0, 2]), 3).tolist() == [2, 2, 3]


@pytest.mark.parametrize("ranks", [np.array([]), np.array([0.5]), np.array([200])])
def test_what_is_no_rank_is_refused(ranks):
    with pytest.raises((InputError, ValueError)):
        ecdf_p(ranks, 199)
