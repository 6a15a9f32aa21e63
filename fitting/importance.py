"""Weighted draws of a posterior: Pareto-smoothed importance sampling."""

from dataclasses import dataclass

import numpy as np
from arviz_stats.base import array_stats  # pyright: ignore[reportPrivateImportUsage]
from scipy.special import logsumexp

# Tails whose effective size is reported, and held to a limit.
TAIL = 0.025
# Pareto's shape of what cannot be fitted: too few weights that are not 0.
_UNUSABLE = np.inf
_LEAST_DRAWS = 100


@dataclass(frozen=True, eq=False)
class WeightedSample:
    """Draws from a proposal with the weights that make them the posterior's.

    Parameters
    ----------
    x : (m, n) array
        Draws, unconstrained; those where the posterior is 0 are left out.
    log_ratios : (m,) array
        ln of posterior over proposal density, as computed.
    log_weights : (m,) array
        Their Pareto-smoothed form; the weights sum to 1.
    k_hat : float
        Pareto's shape of the ratios' tail.
    log_evidence : float
        ln of the mean ratio, over all draws.
    n_draws : int
        Draws made, with those left out.
    """

    x: np.ndarray
    log_ratios: np.ndarray
    log_weights: np.ndarray
    k_hat: float
    log_evidence: float
    n_draws: int

    @property
    def weights(self) -> np.ndarray:
        """Weights, (m,), which sum to 1."""
        return np.exp(self.log_weights)


def weigh(
    x: np.ndarray, log_density: np.ndarray, log_proposal: np.ndarray
) -> WeightedSample:
    """Return weighted draws, their weights Pareto-smoothed.

    Parameters
    ----------
    x : (m, n) array
        Draws of the proposal.
    log_density : (m,) array
        ln of the posterior there, up to a constant; -inf where it is 0.
    log_proposal : (m,) array
        ln of the proposal's density there.

    Returns
    -------
    WeightedSample

    References
    ----------
    Vehtari et al., J Machine Learning Research 2024;25(72) (Pareto smoothing; ArviZ's).

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((4000, 1))
    >>> log = -0.5 * x[:, 0] ** 2
    >>> found = weigh(1.2 * x, -0.5 * (1.2 * x[:, 0]) ** 2, log - np.log(1.2))
    >>> found.k_hat < 0.3, abs(round(found.log_evidence, 2))
    (True, 0.0)
    """
    log_ratios = log_density - log_proposal
    usable = np.isfinite(log_ratios)
    kept = log_ratios[usable]
    if kept.size < _LEAST_DRAWS:
        even = np.full(kept.size, -np.log(max(kept.size, 1)))
        return WeightedSample(x[usable], kept, even, _UNUSABLE, -np.inf, len(x))
    evidence = float(logsumexp(kept) - np.log(len(x)))
    smoothed, k_hat = _smooth(kept)
    return WeightedSample(x[usable], kept, smoothed, k_hat, evidence, len(x))


def k_hat_of(sample: WeightedSample, quantity: np.ndarray) -> float:
    """Return Pareto's shape of the ratios times a squared deviation.

    Where it is large, the variance of the quantity hangs on few draws.

    Parameters
    ----------
    sample : WeightedSample
        The draws.
    quantity : (m,) array
        A quantity at each draw.

    Returns
    -------
    float

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((4000, 1))
    >>> even = weigh(x, np.zeros(4000), 1e-9 * x[:, 0])
    >>> k_hat_of(even, x[:, 0]) < 0.3
    True
    """
    if not np.isfinite(sample.k_hat):
        return _UNUSABLE
    deviation = np.abs(quantity - sample.weights @ quantity)
    with np.errstate(divide="ignore"):
        log = sample.log_ratios + 2.0 * np.log(deviation)
    log = log[np.isfinite(log)]
    return _smooth(log)[1] if log.size >= _LEAST_DRAWS else _UNUSABLE


def mean_sizes(sample: WeightedSample, quantities: np.ndarray) -> np.ndarray:
    """Return how many independent draws each weighted mean is worth.

    var(q) / sum w^2 (q - mean)^2.

    Parameters
    ----------
    sample : WeightedSample
        The draws.
    quantities : (m, k) array
        Quantities at each draw.

    Returns
    -------
    (k,) array

    References
    ----------
    Owen, Monte Carlo theory, methods and examples, 2013, section 9.3.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((4000, 1))
    >>> even = weigh(x, np.zeros(4000), 1e-9 * x[:, 0])
    >>> mean_sizes(even, x).round()
    array([4000.])
    """
    weights = sample.weights
    squares = (quantities - weights @ quantities) ** 2
    return _ratio(weights @ squares, weights**2 @ squares)


def tail_sizes(sample: WeightedSample, quantities: np.ndarray) -> np.ndarray:
    """Return how many independent draws the tails' probabilities are worth.

    The smaller of p (1 - p) / sum w^2 (1[q in tail] - p)^2 of the two tails of
    p = `TAIL`.

    Parameters
    ----------
    sample : WeightedSample
        The draws.
    quantities : (m, k) array
        Quantities at each draw.

    Returns
    -------
    (k,) array

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((4000, 1))
    >>> even = weigh(x, np.zeros(4000), 1e-9 * x[:, 0])
    >>> tail_sizes(even, x).round()
    array([4000.])
    """
    sizes = []
    for ends in (quantities, -quantities):
        cuts = quantiles(sample, ends, np.array([TAIL]))[0]
        sizes.append(mean_sizes(sample, (ends <= cuts).astype(float)))
    return np.minimum(*sizes)


def variance_errors(sample: WeightedSample, quantities: np.ndarray) -> np.ndarray:
    """Return the relative standard error of each weighted variance.

    sqrt(sum w^2 ((q - mean)^2 - var)^2) / var. A little mass far away, which few draws
    have met, makes it large; the Pareto shape may miss it.

    Parameters
    ----------
    sample : WeightedSample
        The draws.
    quantities : (m, k) array
        Quantities at each draw.

    Returns
    -------
    (k,) array
        Infinite where a variance is 0.

    References
    ----------
    Owen, Monte Carlo theory, methods and examples, 2013, section 9.2.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((4000, 1))
    >>> even = weigh(x, np.zeros(4000), 1e-9 * x[:, 0])
    >>> variance_errors(even, x).round(3)  # sqrt(2 / 4000) = 0.022
    array([0.022])
    """
    # Unsmoothed, since smoothing shortens just the weights that matter here.
    raw = np.exp(sample.log_ratios - logsumexp(sample.log_ratios))
    squares = (quantities - raw @ quantities) ** 2
    variances = raw @ squares
    errors = np.sqrt(raw**2 @ (squares - variances) ** 2)
    endless = np.full_like(errors, np.inf)
    return np.divide(errors, variances, out=endless, where=variances > 0.0)


def quantiles(
    sample: WeightedSample, quantities: np.ndarray, probabilities: np.ndarray
) -> np.ndarray:
    """Return weighted quantiles.

    Parameters
    ----------
    sample : WeightedSample
        The draws.
    quantities : (m, k) array
        Quantities at each draw.
    probabilities : (p,) array
        In (0, 1).

    Returns
    -------
    (p, k) array

    Examples
    --------
    >>> x = np.linspace(0.0, 1.0, 1001)[:, None]
    >>> even = weigh(x, np.zeros(1001), 1e-9 * x[:, 0])
    >>> quantiles(even, x, np.array([0.25])).round(3)
    array([[0.25]])
    """
    found = np.empty((len(probabilities), quantities.shape[1]))
    for column, values in enumerate(quantities.T):
        order = np.argsort(values)
        reached = np.cumsum(sample.weights[order])
        middle = reached - 0.5 * sample.weights[order]
        found[:, column] = np.interp(probabilities, middle, values[order])
    return found


def resample(weights: np.ndarray, count: int, seed: list[int]) -> np.ndarray:
    """Return places of equally weighted draws, shuffled (systematic resampling).

    Parameters
    ----------
    weights : (m,) array
        Which sum to 1.
    count : int
        Draws wanted.
    seed : list of int
        Repeats them.

    Returns
    -------
    (count,) array of int

    References
    ----------
    Kitagawa, J Computational and Graphical Statistics 1996;5:1, appendix.

    Examples
    --------
    >>> sorted(resample(np.array([0.25, 0.75]), 4, [0]).tolist())
    [0, 1, 1, 1]
    """
    generator = np.random.default_rng(seed)
    # Teeth at even distances would keep step with the pattern of Sobol points.
    order = generator.permutation(len(weights))
    teeth = (np.arange(count) + generator.random()) / count
    edges = np.cumsum(weights[order])
    places = np.searchsorted(edges / edges[-1], teeth)
    return generator.permutation(order[np.minimum(places, len(weights) - 1)])


def _smooth(log_ratios: np.ndarray) -> tuple[np.ndarray, float]:
    """Return smoothed log-weights that sum to 1, and Pareto's shape."""
    if np.ptp(log_ratios) < 1e-12:  # a proposal that is the posterior has no tail
        return np.full(log_ratios.size, -np.log(log_ratios.size)), -np.inf
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        smoothed, k_hat = array_stats.psislw(-log_ratios)
    shape = float(k_hat)
    if not np.isfinite(shape):
        return log_ratios - logsumexp(log_ratios), _UNUSABLE
    return np.asarray(smoothed), shape


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0.0)
