"""Tests of ranks: is a truth uniform among the draws of its posterior?

Of n patients, each with the rank r of its truth among L draws, 0 <= r <= L: where the
posterior is right, and its draws independent, every rank has probability 1 / (L + 1).
The band and its p, and the coverage's, are exact; that of equal bins is chi-square, to
which its distribution tends only.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln
from scipy.stats import binom, binomtest, chisquare

from pkmodels.errors import InputError

# Of a chi-square's bins: Cochran, Biometrics 1954;10:417, asks for 5.
_LEAST_EXPECTED = 5.0
_MOST_BINS = 20
# A probability this near to another is the same: both are sums of rounded terms.
_ROUNDING = 1e-9
_HALVINGS = 25


@dataclass(frozen=True, eq=False)
class Band:
    """Where the counts of ranks below each threshold lie, simultaneously.

    Parameters
    ----------
    thresholds : (L,) array of int
        1 to L; the count is of the ranks below one.
    low, high : (L,) array of int
        Smallest and largest count inside.
    probability : float
        That all counts lie inside: at least what was asked for.
    """

    thresholds: np.ndarray
    low: np.ndarray
    high: np.ndarray
    probability: float


def ecdf_band(n: int, draws: int, probability: float) -> Band:
    """Return the simultaneous band of the ranks' empirical distribution function.

    At each threshold it is the central region of Binomial(n, i / (L + 1)) whose tails
    have more than gamma / 2 each; gamma is the largest with which all counts lie inside
    with the probability asked for. That probability is exact: counts are a Markov
    chain, count_i - count_(i-1) ~ Binomial(n - count_(i-1), 1 / (L + 2 - i)).

    Parameters
    ----------
    n : int
        Patients, >= 1.
    draws : int
        L, >= 1.
    probability : float
        In (0, 1).

    Returns
    -------
    Band

    Raises
    ------
    InputError
        When an argument is outside its range.

    References
    ----------
    Säilynoja, Bürkner, Vehtari, Stat Comput 2022;32:32, section 2.2.

    Examples
    --------
    >>> band = ecdf_band(100, 99, 0.95)
    >>> int(band.low[49]), int(band.high[49]), band.probability >= 0.95
    (36, 64, True)
    """
    _check_counts(n, draws)
    if not 0.0 < probability < 1.0:
        raise InputError(f"the probability of a band is {probability}: between 0 and 1")
    tails = _tails(n, draws)
    below, above = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (below + above)
        if _inside(n, *_limits(tails, middle)) >= probability:
            below = middle
        else:
            above = middle
    low, high = _limits(tails, below)
    thresholds = np.arange(1, draws + 1)
    return Band(thresholds, low, high, _inside(n, low, high))


def ecdf_p(ranks: np.ndarray, draws: int) -> float:
    """Return the exact p that ranks are uniform, by the most extreme count below any.

    Parameters
    ----------
    ranks : (n,) array of int
        0 to `draws`.
    draws : int
        L, >= 1.

    Returns
    -------
    float
        P(some count is as far in its binomial tail as the farthest one seen).

    Raises
    ------
    InputError
        When there are no ranks, or one is outside its range.

    References
    ----------
    Säilynoja, Bürkner, Vehtari, Stat Comput 2022;32:32.

    Examples
    --------
    >>> even = np.repeat(np.arange(20), 10)
    >>> ecdf_p(even, 19), ecdf_p(np.minimum(even, 14), 19) < 1e-6
    (1.0, True)
    """
    ranks = _checked(ranks, draws)
    counts = counts_below(ranks, draws)
    chances = np.arange(1, draws + 1) / (draws + 1)
    lower = binom.cdf(counts, ranks.size, chances)
    upper = binom.sf(counts - 1, ranks.size, chances)
    gamma = float(2.0 * np.minimum(lower, upper).min())
    if gamma >= 1.0:
        return 1.0
    found = 1.0 - _inside(ranks.size, *_limits(_tails(ranks.size, draws), gamma))
    return min(max(found, 0.0), 1.0)


def counts_below(ranks: np.ndarray, draws: int) -> np.ndarray:
    """Return how many ranks are below 1, 2, ..., L.

    Parameters
    ----------
    ranks : (n,) array of int
        0 to `draws`.
    draws : int
        L.

    Returns
    -------
    (L,) array of int

    Examples
    --------
    >>> counts_below(np.array([0, 0, 2, 3]), 3)
    array([2, 2, 3])
    """
    return np.searchsorted(np.sort(ranks), np.arange(1, draws + 1), side="left")


def chi_square_p(ranks: np.ndarray, draws: int, bins: int | None = None) -> float:
    """Return the chi-square p that ranks fall into equal bins equally often.

    Parameters
    ----------
    ranks : (n,) array of int
        0 to `draws`.
    draws : int
        L, >= 1.
    bins : int, optional
        A divisor of L + 1; by default the largest up to 20 with 5 ranks expected in
        each.

    Returns
    -------
    float

    Raises
    ------
    InputError
        When `bins` is no divisor of L + 1, or too few ranks are expected in each.

    References
    ----------
    Talts et al., arXiv:1804.06788 (ranks); Cochran, Biometrics 1954;10:417 (5).

    Examples
    --------
    >>> round(chi_square_p(np.repeat([0, 1, 2, 3], [10, 20, 30, 40]), 3), 8)  # chi2 20
    0.00016974
    """
    ranks = _checked(ranks, draws)
    bins = usual_bins(ranks.size, draws) if bins is None else bins
    if bins < 2 or (draws + 1) % bins or ranks.size / bins < _LEAST_EXPECTED:
        raise InputError(
            f"{bins} bins of {ranks.size} ranks among {draws} draws: give a divisor of "
            f"{draws + 1}, 2 or more, with {_LEAST_EXPECTED:g} ranks or more in each"
        )
    return float(chisquare(rank_histogram(ranks, draws, bins)).pvalue)


def usual_bins(n: int, draws: int) -> int:
    """Return the largest divisor of L + 1 up to 20 with 5 of n ranks in each.

    Parameters
    ----------
    n : int
        Patients.
    draws : int
        L.

    Returns
    -------
    int
        At least 1.

    Examples
    --------
    >>> usual_bins(500, 199), usual_bins(40, 199)
    (20, 8)
    """
    fit = [
        b
        for b in range(1, _MOST_BINS + 1)
        if (draws + 1) % b == 0 and n / b >= _LEAST_EXPECTED
    ]
    return max(fit, default=1)


def rank_histogram(ranks: np.ndarray, draws: int, bins: int) -> np.ndarray:
    """Return how many ranks fall into each of equal bins.

    Parameters
    ----------
    ranks : (n,) array of int
        0 to `draws`.
    draws : int
        L.
    bins : int
        A divisor of L + 1.

    Returns
    -------
    (bins,) array of int

    Examples
    --------
    >>> rank_histogram(np.array([0, 1, 2, 9]), 9, 2)
    array([3, 1])
    """
    return np.bincount(ranks * bins // (draws + 1), minlength=bins)


def covered(ranks: np.ndarray, draws: int, level: float) -> np.ndarray:
    """Return which truths lie in the central interval of their draws.

    Parameters
    ----------
    ranks : (n,) array of int
        0 to `draws`.
    draws : int
        L.
    level : float
        Of the interval; (1 - level) / 2 of the L + 1 ranks must be a whole number.

    Returns
    -------
    (n,) array of bool

    Raises
    ------
    InputError
        When no interval between draws has exactly that level.

    Examples
    --------
    >>> covered(np.array([4, 5, 194, 195]), 199, 0.95)
    array([False,  True,  True, False])
    """
    ranks = _checked(ranks, draws)
    cut = 0.5 * (1.0 - level) * (draws + 1)
    if not 0.0 < level < 1.0 or abs(cut - round(cut)) > _ROUNDING * (draws + 1):
        raise InputError(
            f"no interval between {draws} draws holds {level:g} exactly: with 199 "
            "there are those of 0.5, 0.8, 0.9, 0.95 and 0.99"
        )
    return (ranks >= round(cut)) & (ranks <= draws - round(cut))


def coverage_p(count: int, n: int, level: float = 0.95) -> float:
    """Return the exact two-sided binomial p of how many intervals hold their truth.

    Parameters
    ----------
    count : int
        Intervals that do.
    n : int
        Of how many.
    level : float
        What each holds it with.

    Returns
    -------
    float

    Examples
    --------
    >>> round(coverage_p(183, 200), 4)
    0.0328
    """
    return float(binomtest(int(count), int(n), level).pvalue)


def exact_interval(count: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a share.

    Parameters
    ----------
    count : int
        How many.
    n : int
        Of how many.
    level : float
        Of the interval.

    Returns
    -------
    (float, float)

    References
    ----------
    Clopper, Pearson, Biometrika 1934;26:404.

    Examples
    --------
    >>> low, high = exact_interval(0, 20)
    >>> low, round(high, 4)  # 1 - 0.025^(1/20)
    (0.0, 0.1684)
    """
    found = binomtest(int(count), int(n)).proportion_ci(level, method="exact")
    return float(found.low), float(found.high)


def ranks_of_shares(shares: np.ndarray, draws: int) -> np.ndarray:
    """Return shares of many draws below each truth as ranks among fewer draws.

    Parameters
    ----------
    shares : (n,) array
        In [0, 1], of far more than `draws` draws each.
    draws : int
        L.

    Returns
    -------
    (n,) array of int
        0 to L.

    Examples
    --------
    >>> ranks_of_shares(np.array([0.0, 0.0251, 1.0]), 199)
    array([  0,   5, 199])
    """
    return np.minimum((np.asarray(shares) * (draws + 1)).astype(int), draws)


def _check_counts(n: int, draws: int) -> None:
    if n < 1 or draws < 1:
        raise InputError(f"{n} ranks among {draws} draws: both must be at least 1")


def _checked(ranks: np.ndarray, draws: int) -> np.ndarray:
    found = np.asarray(ranks)
    _check_counts(found.size, draws)
    if found.dtype.kind not in "iu" or found.min() < 0 or found.max() > draws:
        raise InputError(
            f"ranks run from {found.min()} to {found.max()} ({found.dtype}): they are "
            f"whole numbers from 0 to {draws}"
        )
    return found


def _tails(n: int, draws: int) -> np.ndarray:
    """Return the smaller tail of each count below each threshold, (L, n + 1)."""
    chances = np.arange(1, draws + 1)[:, None] / (draws + 1)
    counts = np.arange(n + 1)
    return np.minimum(binom.cdf(counts, n, chances), binom.sf(counts - 1, n, chances))


def _limits(tails: np.ndarray, gamma: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the smallest and largest count whose tails have more than gamma / 2."""
    inside = tails > 0.5 * gamma * (1.0 + _ROUNDING)
    last = tails.shape[1] - 1
    # Where nothing is inside, low is above high.
    low = np.where(inside.any(axis=1), inside.argmax(axis=1), last + 1)
    return low, last - inside[:, ::-1].argmax(axis=1)


def _inside(n: int, low: np.ndarray, high: np.ndarray) -> float:
    """Return the probability that every count is within its limits."""
    draws = low.size
    if (low > high).any():
        return 0.0
    factorials = gammaln(np.arange(n + 1) + 1.0)
    before, chance = np.zeros(1, int), np.ones(1)
    for i in range(draws):
        after = np.arange(low[i], high[i] + 1)
        p = 1.0 / (draws + 1 - i)
        added = after[:, None] - before
        left = n - before
        possible = np.clip(added, 0, left)
        log_pmf = (
            factorials[left]
            - factorials[possible]
            - factorials[left - possible]
            + possible * np.log(p)
            + (left - possible) * np.log1p(-p)
        )
        step = np.where((added >= 0) & (added <= left), np.exp(log_pmf), 0.0)
        before, chance = after, step @ chance
    return float(min(chance.sum(), 1.0))
