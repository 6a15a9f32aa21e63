"""Reused draws: each patient's draws, weighted by what a population says of them.

With the first stage's prior N(0, 1) and a population N(m_k, t_k) of each component,

    w_is = prod_k N(y_isk; m_k, t_k) / N(y_isk; 0, 1),   L_i = mean_s w_is,

over the components that patient i has. What `pkmodels.fitting.smoothed_draws` says is
held here against the draws themselves. With e(h) their difference in sum_i ln L_i,
the posterior mean of any quantity q of the population h moves by about cov(q, e), and
so by no more of its sd than sd(e). Held to a limit are sd(e) of each component alone,
its gap, and |cov(q, e)| / sd(q) of e over all components together, with q each
component's m and ln t: its shift. Over many components sd(e) itself is large since all
of them add to it, and no q moves by so much. A
population narrower than a fifth of the patients' own uncertainty is looked at as one of
that width: narrower ones are no different to any patient, and no draws tell of them.

References
----------
Hogg, Myers and Bovy, ApJ 2010;725:2166 (L_i of draws). Kish, Survey sampling, 1965
(effective share of weighted draws).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logsumexp

from pkmodels.fitting.cohort_draws import CohortDraws
from pkmodels.fitting.smoothed_draws import smooth_draws, smoothed_log_likelihoods

# Of its own sd, what the smoothing may move any one component's mean or ln sd.
GAP_LIMIT = 0.5
# Of ln L of all components: the draws' relative error of L is sqrt(exp(v) - 1), which
# at v = 1 is 1.3: L is not known to its own size, and e says nothing.
VARIANCE_LIMIT = 1.0
# Where that check is off: of a patient's own sd, and of the sd itself.
MEAN_LIMIT, SD_LIMIT = 0.1, 0.1
# Of a patient's posterior sd, by median: narrower populations are all alike.
_ALIKE = 0.2
# Draws of the population at which both are looked at.
_LOOKED_AT = 200


@dataclass(frozen=True, eq=False)
class Reuse:
    """How well every patient's draws carry a population.

    Parameters
    ----------
    gaps : (n_components,) array
        sd of e of each component alone, Monte-Carlo noise of the weights included.
    shares : (n_members,) array
        Effective share of a patient's draws, over all components.
    shifts : (n_components,) array
        Of its own sd, what e of all components together moves m or ln t by.
    variance : float
        Of sum ln L_i of weighted draws: above `VARIANCE_LIMIT`, `shifts` are noise.
    """

    gaps: np.ndarray
    shares: np.ndarray
    shifts: np.ndarray
    variance: float

    @property
    def together(self) -> bool:
        """Whether the draws tell of all components together."""
        return self.variance < VARIANCE_LIMIT


def ill_smoothed(cohort: CohortDraws, *, seed: int) -> np.ndarray:
    """Return where a patient's mixture has another mean or sd than its draws.

    It is asked where `Reuse.together` is false, so that nothing else holds what the
    mixtures say of all components together against the draws.

    Parameters
    ----------
    cohort : CohortDraws
        The patients.
    seed : int
        Repeats the smoothing, >= 0.

    Returns
    -------
    (n_members, n_components) bool array
        True where the mean is off by `MEAN_LIMIT` of the draws' sd or more, or the sd
        by `SD_LIMIT` of itself.

    Examples
    --------
    >>> from pkmodels.fitting.cohort_draws import Component
    >>> y = np.random.default_rng(0).standard_normal((2, 2000, 1))
    >>> y *= np.array([0.5, 8.0])[:, None, None]  # no data makes a prior wider
    >>> cohort = CohortDraws({}, (Component("k", {"k": 1.0}),), ("P1", "P2"), y,
    ...     y[:, 0] < 99)
    >>> ill_smoothed(cohort, seed=0).tolist()
    [[False], [True]]
    """
    smoothed = smooth_draws(cohort, seed=seed)
    size = len(cohort.components)
    precision = smoothed.precision + np.eye(size)
    covariance = np.linalg.inv(precision)
    centres = np.einsum("igab,igb->iga", covariance, smoothed.slope)
    norm = np.linalg.slogdet(precision)[1] - (centres * smoothed.slope).sum(axis=-1)
    log_share = smoothed.level - 0.5 * norm
    share = np.exp(log_share - logsumexp(log_share, axis=1, keepdims=True))[..., None]
    mean = (share * centres).sum(axis=1)
    each = np.diagonal(covariance, axis1=-2, axis2=-1) + centres**2
    sd = np.sqrt((share * each).sum(axis=1) - mean**2)
    own, own_sd = cohort.y.mean(axis=1), cohort.y.std(axis=1)
    held = np.abs(mean - own) < MEAN_LIMIT * own_sd
    held &= np.abs(sd - own_sd) < SD_LIMIT * own_sd
    return cohort.has & ~held


def log_weights(cohort: CohortDraws, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Return ln w of every patient's draws.

    Parameters
    ----------
    cohort : CohortDraws
        The patients.
    mean, sd : (n_components,) arrays
        Of the population, in units of the first stage's priors.

    Returns
    -------
    (n_members, n_draws) array

    Examples
    --------
    >>> from pkmodels.fitting.cohort_draws import Component
    >>> y = np.array([[[0.0], [1.0]]])
    >>> one = CohortDraws({}, (Component("k", {"k": 1.0}),), ("P1",), y, y[:, 0] == 0)
    >>> log_weights(one, np.ones(1), np.ones(1)).tolist()  # y - 1/2
    [[-0.5, 0.5]]
    """
    y = cohort.y
    ratio = 0.5 * y**2 - 0.5 * ((y - mean) / sd) ** 2 - np.log(sd)
    return np.where(cohort.has[:, None, :], ratio, 0.0).sum(axis=2)


def look_at_reuse(
    cohort: CohortDraws, mean: np.ndarray, sd: np.ndarray, *, seed: int
) -> Reuse:
    """Return how well the patients' draws carry what was learnt of their population.

    Parameters
    ----------
    cohort : CohortDraws
        The patients.
    mean, sd : (n, n_components) arrays
        Draws of the population.
    seed : int
        Repeats the smoothing, >= 0.

    Returns
    -------
    Reuse

    Examples
    --------
    >>> from pkmodels.fitting.cohort_draws import Component
    >>> y = np.random.default_rng(0).standard_normal((1, 4000, 1))  # no data
    >>> one = CohortDraws({}, (Component("k", {"k": 1.0}),), ("P1",), y, y[:, 0] < 9)
    >>> found = look_at_reuse(one, np.zeros((2, 1)), np.full((2, 1), 0.5), seed=0)
    >>> round(float(found.shares[0]), 1)  # t sqrt(2 - t^2)
    0.7
    """
    step = max(1, len(mean) // _LOOKED_AT)
    least = _ALIKE * np.median(cohort.y.std(axis=1), axis=0)
    mean, log_sd, sd = mean[::step], np.log(sd[::step]), np.maximum(sd[::step], least)
    shares, variance, differences = _held_against(cohort, mean, sd, seed)
    shifts = np.maximum(_shifts(mean, differences), _shifts(log_sd, differences))
    gaps = []
    for i in range(len(cohort.components)):
        alone = cohort.keeping([i])
        _, _, own = _held_against(alone, mean[:, [i]], sd[:, [i]], seed)
        gaps.append(own.std())
    return Reuse(np.array(gaps), shares, shifts, variance)


def _shifts(q: np.ndarray, differences: np.ndarray) -> np.ndarray:
    """Return |cov(q, e)| / sd(q) of each column of q."""
    apart = q - q.mean(axis=0)
    moved = np.abs(apart.T @ (differences - differences.mean())) / len(q)
    return moved / np.maximum(q.std(axis=0), 1e-12)


def _held_against(
    cohort: CohortDraws, mean: np.ndarray, sd: np.ndarray, seed: int
) -> tuple[np.ndarray, float, np.ndarray]:
    """Return effective shares, the variance of sum ln L, and e of each population."""
    smoothed = smooth_draws(cohort, seed=seed)
    shares, variances, differences = [], [], []
    count = cohort.y.shape[1]
    for m, t in zip(mean, sd, strict=True):
        log_w = log_weights(cohort, m, t)
        total: Any = logsumexp(log_w, axis=1)
        w = np.exp(log_w - total[:, None])
        share = 1.0 / (w**2).sum(axis=1) / count
        of_draws = total - np.log(count)
        shares.append(share)
        variances.append(((1.0 / share - 1.0) / count).sum())
        differences.append((of_draws - smoothed_log_likelihoods(smoothed, m, t)).sum())
    return np.mean(shares, axis=0), float(np.mean(variances)), np.array(differences)
