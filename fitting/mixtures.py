"""Mixtures of multivariate t: their density, Sobol draws, and a fit to draws."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import gammaincinv, gammaln, logsumexp, ndtri
from scipy.stats import qmc

# Rounds of EM; a proposal need not be at its optimum.
_ROUNDS = 15
# A component of fewer draws than this many per dimension is dropped.
_LEAST_PER_DIMENSION = 2.0
# Each scale leans to the whole sample's so much, as that many draws per dimension.
_LEANING = 0.5
# Sobol numbers are kept off 0 and 1, where quantiles have no end.
EDGE = 1e-12


@dataclass(frozen=True, eq=False)
class Mixture:
    """A mixture of multivariate t distributions.

    p(x) = sum_k w_k t_nu(x; m_k, F_k F_k').

    Parameters
    ----------
    weights : (k,) array
        w, which sum to 1.
    means : (k, n) array
        m.
    factors : (k, n, n) array
        F, invertible; the squared scale is F F'.
    freedom : float
        nu > 0, degrees of freedom of all components.
    """

    weights: np.ndarray
    means: np.ndarray
    factors: np.ndarray
    freedom: float


def log_density(mixture: Mixture, x: np.ndarray) -> np.ndarray:
    """Return ln p(x).

    Parameters
    ----------
    mixture : Mixture
        The mixture.
    x : (m, n) array
        Places.

    Returns
    -------
    (m,) array

    Examples
    --------
    >>> standard = Mixture(np.ones(1), np.zeros((1, 1)), np.ones((1, 1, 1)), 1.0)
    >>> np.exp(log_density(standard, np.zeros((1, 1)))).round(6)  # Cauchy: 1 / pi
    array([0.31831])
    """
    total: Any = logsumexp(_terms(mixture, x)[0], axis=0)
    return total


def draw(mixture: Mixture, uniforms: np.ndarray) -> np.ndarray:
    """Return draws of a mixture from points of the unit cube.

    Parameters
    ----------
    mixture : Mixture
        Of n dimensions.
    uniforms : (m, n + 2) array
        In (0, 1): choice of the component, its scale, its direction.

    Returns
    -------
    (m, n) array

    Examples
    --------
    >>> standard = Mixture(np.ones(1), np.zeros((1, 1)), np.ones((1, 1, 1)), 1e6)
    >>> draw(standard, np.array([[0.5, 0.5, 0.975]])).round(2)
    array([[1.96]])
    """
    edges = np.cumsum(mixture.weights)[:-1]
    chosen = np.searchsorted(edges, uniforms[:, 0], side="right")
    half = 0.5 * mixture.freedom
    # A chi-squared number over its mean is a gamma number over its own.
    scale = np.sqrt(half / gammaincinv(half, uniforms[:, 1]))
    steps = ndtri(uniforms[:, 2:]) * scale[:, None]
    found = np.empty_like(steps)
    for k, (mean, factor) in enumerate(
        zip(mixture.means, mixture.factors, strict=True)
    ):
        own = chosen == k
        found[own] = mean + steps[own] @ factor.T
    return found


def sobol(log2_count: int, size: int, seed: int | list[int]) -> np.ndarray:
    """Return scrambled Sobol points inside the unit cube.

    Parameters
    ----------
    log2_count : int
        The number of points is 2 to this power.
    size : int
        Dimensions.
    seed : int or list of int
        Repeats the scramble.

    Returns
    -------
    (2**log2_count, size) array
        In (0, 1).

    References
    ----------
    Owen, J Complexity 1998;14:466 (scrambling); `scipy.stats.qmc.Sobol`.

    Examples
    --------
    >>> abs(sobol(10, 2, 1).mean(axis=0) - 0.5).max() < 1e-3  # plain draws: 0.01
    np.True_
    """
    generator = np.random.default_rng(seed)
    points = qmc.Sobol(size, rng=generator).random_base2(log2_count)
    return np.clip(points, EDGE, 1.0 - EDGE)


def fit_mixture(x: np.ndarray, count: int, freedom: float, seed: list[int]) -> Mixture:
    """Fit a mixture of t to equally weighted draws, by expectation-maximization.

    Weighted draws are resampled first: EM then has as few points as matter. Small
    components lean to the scale of the whole sample, and the smallest are dropped.

    Parameters
    ----------
    x : (m, n) array
        Draws, m > n.
    count : int
        Components at most.
    freedom : float
        Degrees of freedom of all.
    seed : list of int
        Repeats the first means.

    Returns
    -------
    Mixture

    References
    ----------
    Peel and McLachlan, Statistics and Computing 2000;10:339, equations 16 to 22;
    Cappe et al., Statistics and Computing 2008;18:447 (as a proposal).

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((2000, 1))
    >>> found = fit_mixture(x, 1, 1e6, [0])
    >>> found.means.round(1) + 0.0, found.factors.round(1)
    (array([[0.]]), array([[[1.]]]))
    """
    centre, factor = x.mean(axis=0), _whole_factor(x)
    white = np.linalg.solve(factor, (x - centre).T).T
    fitted = _maximize(white, _first(white, count, freedom, seed))
    return Mixture(
        fitted.weights,
        centre + fitted.means @ factor.T,
        factor @ fitted.factors,
        freedom,
    )


def _whole_factor(x: np.ndarray) -> np.ndarray:
    """Return F with F F' the covariance, of draws that may lie in a plane."""
    covariance = np.atleast_2d(np.cov(x.T))
    spread = np.sqrt(np.diag(covariance))
    spread = np.where(spread > 0.0, spread, 1.0)
    values, vectors = np.linalg.eigh(covariance / np.outer(spread, spread))
    least = 1e-10 * values[-1] if values[-1] > 0.0 else 1.0
    return spread[:, None] * vectors * np.sqrt(np.maximum(values, least))


def _first(white: np.ndarray, count: int, freedom: float, seed: list[int]) -> Mixture:
    """Return components at draws that lie far from each other (k-means++)."""
    generator = np.random.default_rng(seed)
    n_draws, size = white.shape
    chosen = [int(generator.integers(n_draws))]
    nearest = ((white - white[chosen[0]]) ** 2).sum(axis=1)
    for _ in range(min(count, n_draws) - 1):
        if nearest.sum() <= 0.0:
            break
        chosen.append(int(generator.choice(n_draws, p=nearest / nearest.sum())))
        distance = ((white - white[chosen[-1]]) ** 2).sum(axis=1)
        nearest = np.minimum(nearest, distance)
    k = len(chosen)
    scale = np.sqrt(max(float(nearest.mean()) / size, 1e-6))
    return Mixture(
        np.full(k, 1.0 / k),
        white[chosen],
        np.repeat(scale * np.eye(size)[None], k, axis=0),
        freedom,
    )


def _maximize(white: np.ndarray, mixture: Mixture) -> Mixture:
    n_draws, size = white.shape
    nu = mixture.freedom
    products = (white[:, :, None] * white[:, None, :]).reshape(n_draws, -1)
    for _ in range(_ROUNDS):
        terms, distance = _terms(mixture, white)
        shares = np.exp(terms - logsumexp(terms, axis=0))
        totals = shares.sum(axis=1)
        kept = totals >= min(_LEAST_PER_DIMENSION * size, totals.max())
        shares, distance, totals = shares[kept], distance[kept], totals[kept]
        pull = shares * (nu + size) / (nu + distance)
        pulls = pull.sum(axis=1)
        means = pull @ white / pulls[:, None]
        second = (pull @ products).reshape(-1, size, size)
        outer = means[:, :, None] * means[:, None, :]
        scatter = second - pulls[:, None, None] * outer
        lean = _LEANING * size
        # The whole sample is white, and a component is one of some number of it.
        prior = lean * np.eye(size) * max(len(totals), 1) ** (-2.0 / size)
        scales = (scatter + prior) / (totals + lean)[:, None, None]
        mixture = Mixture(totals / totals.sum(), means, np.linalg.cholesky(scales), nu)
    return mixture


def _terms(mixture: Mixture, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ln of each component's part of p(x), and squared distances, (k, m)."""
    nu, size = mixture.freedom, x.shape[1]
    norm = gammaln(0.5 * (nu + size)) - gammaln(0.5 * nu)
    norm -= 0.5 * size * np.log(nu * np.pi)
    with np.errstate(divide="ignore"):
        log_weights = np.log(mixture.weights)
    distance = np.empty((len(log_weights), len(x)))
    volumes = np.empty(len(log_weights))
    inverses = np.linalg.inv(mixture.factors)
    for k, inverse in enumerate(inverses):
        distance[k] = (((x - mixture.means[k]) @ inverse.T) ** 2).sum(axis=1)
        volumes[k] = np.linalg.slogdet(inverse)[1]
    heads = log_weights + volumes + norm
    return heads[:, None] - 0.5 * (nu + size) * np.log1p(distance / nu), distance
