"""Noise mixtures: how wide a profile must be cut where the noise is itself uncertain.

A profile with the noise held at one value tells what is known were the noise known:
with few measurements that is far too narrow. Given the noise, an estimate is about
normal; over the noise's posterior it is a mixture of normals, Student's t in the
textbook's case. Its quantile says how high the threshold of the profile must lie.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from pkmodels.errors import InputError
from pkmodels.fitting.coordinates import coordinates_of
from pkmodels.fitting.objectives import hold_noise
from pkmodels.fitting.posterior import FLOOR, NOISE, Posterior
from pkmodels.fitting.profile_search import find_optimum
from pkmodels.fitting.profiles import Objective

# Draws of the noise that are mixed: the share within is then known to 0.5 % or better.
MIXED = 400
# Draws that are looked at for lower energies, and of them, those that are begun from.
_LOOKED_AT, _BEGUN_FROM = 200, 8
# Lower by this, in nats, a draw shows that an optimum is none.
_LOWER = 1e-3
_RIDGE = 1e-10
# No noise is so uncertain that a quantile lies further out, in standard deviations.
_FARTHEST = 1e4


@dataclass(frozen=True, eq=False)
class NoiseMixture:
    """The normal approximation of an estimate for each of many values of the noise.

    Parameters
    ----------
    covariances : (m, n, n) array
        Of the parameters, the noise known.
    steps : (m, n) array
        From the best fit under the reference to that under this noise.
    reference : (n, n) array
        The covariance where the noise is that of the profile.
    """

    covariances: np.ndarray
    steps: np.ndarray
    reference: np.ndarray


def typical_noise(posterior: Posterior, draws: np.ndarray) -> np.ndarray:
    """Return the place at which a profile holds the noise: the root of its mean square.

    Parameters
    ----------
    posterior : Posterior
        What is fitted.
    draws : (m, n) array
        Of it, unconstrained.

    Returns
    -------
    (n,) array
        The mean of the draws, but for the noise.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> draws = np.log([[60.0, 0.03], [60.0, 0.04]])
    >>> at = typical_noise(worked_example.posterior(), draws)
    >>> np.exp(at).round(4).tolist()  # sqrt((0.03^2 + 0.04^2) / 2)
    [60.0, 0.0354]
    """
    squares = np.log(np.exp(2.0 * draws).mean(axis=0)) / 2.0
    return np.where(noise_places(posterior), squares, draws.mean(axis=0))


def noise_places(posterior: Posterior) -> np.ndarray:
    """Return which coordinates are noise, (n,) bool.

    Parameters
    ----------
    posterior : Posterior
        What is fitted.

    Returns
    -------
    (n,) array of bool

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> noise_places(worked_example.posterior()).tolist()
    [False, True]
    """
    each = [c.variable in (NOISE, FLOOR) for c in coordinates_of(posterior)]
    return np.array(each, dtype=bool)


def fit_from_draws(
    free: Objective, posterior: Posterior, draws: np.ndarray
) -> tuple[Objective, np.ndarray]:
    """Hold the noise at `typical_noise`, and fit until no draw lies lower.

    Parameters
    ----------
    free : Objective
        With the noise free: from `objectives_of`.
    posterior : Posterior
        What is fitted.
    draws : (m, n) array
        Of it: places to begin from, and to look for lower energies.

    Returns
    -------
    Objective
        With the noise held.
    (n,) array
        Its best fit.

    Raises
    ------
    SolveError
        When no optimum is found.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> from pkmodels.fitting.objectives import objectives_of
    >>> example = worked_example.posterior()
    >>> likelihood = objectives_of(example, seed=0).likelihood
    >>> draws = np.log([[50.0, 0.05], [80.0, 0.05]])
    >>> _, best = fit_from_draws(likelihood, example, draws)
    >>> np.exp(best).round(2).tolist()
    [64.56, 0.05]
    """
    noise, noisy = typical_noise(posterior, draws), noise_places(posterior)
    held = hold_noise(free, posterior, noise)
    few = _thinned(draws, _BEGUN_FROM)
    best = find_optimum(replace(held, starts=np.concatenate([held.starts, few])))
    looked_at = np.where(noisy, noise, _thinned(draws, _LOOKED_AT))
    energies = [held.slope(x)[0] for x in looked_at]
    if min(energies) < held.slope(best)[0] - _LOWER:
        lowest = looked_at[int(np.argmin(energies))]
        best = find_optimum(replace(held, starts=np.stack([best, lowest])))
    return held, best


def _thinned(draws: np.ndarray, most: int) -> np.ndarray:
    count = min(most, len(draws))
    return draws[((np.arange(count) + 0.5) * len(draws) / count).astype(int)]


def mix_noise(
    objective: Objective, posterior: Posterior, best: np.ndarray, draws: np.ndarray
) -> NoiseMixture:
    """Approximate the fit under each of the noise's draws.

    Parameters
    ----------
    objective : Objective
        With the noise free: from `objectives_of`.
    posterior : Posterior
        What is fitted.
    best : (n,) array
        The best fit with the noise held where it has it, from `find_optimum`.
    draws : (m, n) array
        Of the posterior; `MIXED` of them, evenly spaced, are mixed.

    Returns
    -------
    NoiseMixture

    References
    ----------
    Bates and Watts, Nonlinear Regression Analysis and its Applications, 1988, chapter 6
    (profiles in Student's t, where the noise is estimated from the residuals).

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> from pkmodels.fitting.objectives import objectives_of
    >>> example, best = worked_example.posterior(), np.log([64.0, 0.05])
    >>> likelihood = objectives_of(example, seed=0).likelihood
    >>> made = mix_noise(likelihood, example, best, best[None] + np.zeros((9, 1)))
    >>> round(threshold_over(made, np.array([1.0, 0.0]), 0.95), 3)  # the noise is known
    1.921
    """
    free = ~noise_places(posterior)
    scale = objective.scale

    def approximated(noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x = np.where(free, best, noise)
        held = hold_noise(objective, posterior, x)
        gradient = scale * held.slope(x)[1]
        curvature = scale[:, None] * held.curvature(x) * scale
        size = _RIDGE * max(float(np.trace(curvature)), 1.0)
        values, vectors = np.linalg.eigh(curvature)
        inverse = (vectors / np.maximum(values, size)) @ vectors.T
        covariance = scale[:, None] * inverse * scale
        covariance[~free] = covariance[:, ~free] = 0.0
        return covariance, np.where(free, -scale * (inverse @ gradient), 0.0)

    each = [approximated(noise) for noise in _thinned(draws, MIXED)]
    reference, there = approximated(best)
    return NoiseMixture(
        np.stack([covariance for covariance, _ in each]),
        np.stack([step - there for _, step in each]),
        reference,
    )


def threshold_over(mixture: NoiseMixture, gradient: np.ndarray, level: float) -> float:
    """Return how far a profile may rise within the interval, over the noise.

    z^2 / 2 with z such that mean_k P(|d_k + s_k Z| < z s) = level, where s is the
    normal approximation's sd under the noise of the profile, s_k and d_k its sd and its
    shift under each draw of the noise: half the chi-square quantile where the noise is
    known, half the square of Student's t where it follows from residuals alone.

    Parameters
    ----------
    mixture : NoiseMixture
        From `mix_noise`.
    gradient : (n,) array
        Of the quantity, at the best fit.
    level : float
        Of the interval, in (0, 1).

    Returns
    -------
    float

    Raises
    ------
    InputError
        When the level is outside (0, 1).

    Examples
    --------
    Of normal data with unknown mean and variance, variance / sigma^2 is 2 / chi2(2).

    >>> chi_square = -2.0 * np.log(1.0 - (np.arange(400) + 0.5) / 400.0)
    >>> covariances = (2.0 / chi_square)[:, None, None]
    >>> made = NoiseMixture(covariances, np.zeros((400, 1)), np.ones((1, 1)))
    >>> z = (2.0 * threshold_over(made, np.ones(1), 0.95)) ** 0.5
    >>> round(z, 1)  # t(2): 4.30
    4.3
    """
    if not 0.0 < level < 1.0:
        raise InputError(f"level is {level}: it must lie between 0 and 1, as 0.95")
    known = float(np.sqrt(gradient @ mixture.reference @ gradient))
    if not known > 0.0:
        # It hangs on the noise alone, or on nothing: there is nothing to mix.
        return float(norm.isf((1.0 - level) / 2.0)) ** 2 / 2.0
    spread = np.sqrt(np.einsum("i,kij,j->k", gradient, mixture.covariances, gradient))
    spread, shift = spread / known, mixture.steps @ gradient / known
    spread = np.maximum(spread, 1.0 / _FARTHEST)

    def lacking(z: float) -> float:
        within = norm.cdf((z - shift) / spread) - norm.cdf((-z - shift) / spread)
        return float(within.mean()) - level

    return float(brentq(lacking, 0.0, _FARTHEST)) ** 2 / 2.0  # pyright: ignore
