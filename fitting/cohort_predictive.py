"""The next patient of a cohort: a prior of each parameter, and who stands apart.

The next patient's y of a component is a mixture of normals over the posterior of m and
t. A normal stands for it, of its mean and of the sd

    s = max(sqrt(E[t^2] + Var[m]), half of the 95 % interval / 1.96),

which is never narrower in the 95 %. Of two organs that are alike, with the sd s_u of
the sum's component and s_v of the difference's, both get max(s_u, s_v): independent
normals of that sd are at least as wide in every direction, and what counts for both
together, their sum, has its own sd where s_u is the larger one. Where two parameters
go together between patients (`pkmodels.fitting.cohort_correlations`), both variances
are widened by 1 + k, k = |covariance| / (s_1 s_2).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtr, ndtri

from pkmodels.fitting.cohort_correlations import Correlation
from pkmodels.fitting.cohort_draws import CohortDraws
from pkmodels.fitting.cohort_posterior import CohortPosterior
from pkmodels.fitting.priors import sampling_scale_sd
from pkmodels.fitting.smoothed_draws import smooth_draws, smoothed_log_likelihoods
from pkmodels.values import Certainty, Family, Prior

# Of a patient and component; Bonferroni's over all of them.
OUTLIER_LEVEL = 0.05
_LEVELS = (0.025, 0.5, 0.975)
_FAR = 0.995
# Draws of the posterior that quantiles of the mixture are found from.
_MIXED = 2000
_LOOKED_AT = 500
# A measured precision below this share of the prior's tells too little of a patient.
_LEAST_TOLD = 0.25
# Weighted draws that a p-value rests on: of fewer it is not known.
_LEAST_WEIGHTED = 100.0

Quantiles = tuple[float, float, float]


@dataclass(frozen=True)
class LearntParameter:
    """What a cohort tells of one parameter, in the parameter's unit.

    Parameters
    ----------
    prior : Prior
        Of the next patient.
    own : Prior
        Of the first stage: the model's own.
    patients : int
        That it was learnt from.
    median, spread : (float, float, float)
        2.5, 50 and 97.5 % of the population's median, and of the sd between patients
        of ln x (or logit x).
    tail_ratio : float
        99 % interval of the mixture over that of `prior`: above 1, the prior is too
        narrow far out.
    widened : float
        By what the sd of `prior` was widened for correlations, >= 1.
    """

    prior: Prior
    own: Prior
    patients: int
    median: Quantiles
    spread: Quantiles
    tail_ratio: float
    widened: float = 1.0


@dataclass(frozen=True)
class Outlier:
    """A patient who stands apart from the others.

    Parameters
    ----------
    member, component : str
        Who, and in what.
    p_value : float
        Two-sided, of what was measured under the population of the others; NaN where it
        is not known.
    size : float
        Effective number of draws that it rests on.
    """

    member: str
    component: str
    p_value: float
    size: float

    @property
    def told(self) -> str:
        """The p-value in words, with what it rests on."""
        if math.isnan(self.p_value):
            return (
                f"p is not known: {self.size:.0f} effective draws without this "
                f"patient, and {_LEAST_WEIGHTED:g} are needed"
            )
        return f"p = {self.p_value:.1g}, of {self.size:.0f} effective draws"


def predict_next(
    posterior: CohortPosterior,
    source: str,
    correlations: Sequence[Correlation] = (),
) -> dict[str, LearntParameter]:
    """Return the priors of the cohort's next patient.

    Parameters
    ----------
    posterior : CohortPosterior
        From `learn_cohort`.
    source : str
        Names the cohort, for the priors' source.
    correlations : sequence of Correlation
        From `learn_correlations`; without them components are independent.

    Returns
    -------
    dict of str to LearntParameter
        By parameter.

    Examples
    --------
    >>> from pkmodels.fitting.cohort_draws import CohortDraws, Component
    >>> from pkmodels.fitting.reused_draws import Reuse
    >>> from pkmodels.values import log_normal
    >>> own = {"k": log_normal(60.0, 0.5, "h", "wide", Certainty.JUDGEMENT)}
    >>> cohort = CohortDraws(
    ...     own, (Component("k", {"k": 1.0}),), ("P1",), np.zeros((1, 1, 1)),
    ...     np.ones((1, 1), bool),
    ... )
    >>> reuse = Reuse(np.zeros(1), np.ones(1), np.zeros(1), 0.0)
    >>> known = np.zeros((500, 1)), np.full((500, 1), 0.4)
    >>> found = predict_next(CohortPosterior(cohort, *known, reuse, 1.0, 1e3, {}), "c")
    >>> print(found["k"].prior)  # 0.4 x 0.5
    log-normal, median 60 h, sd of ln 0.2 (derived: c, 1 patient)
    """
    cohort = posterior.cohort
    normals = [
        _normal_of(m, t) for m, t in zip(posterior.mean.T, posterior.sd.T, strict=True)
    ]
    # Of a parameter: the component that decides how wide it is.
    widest = {
        name: max(
            (i for i, c in enumerate(cohort.components) if name in c.weights),
            key=lambda i: normals[i][1],
        )
        for name in cohort.parameters
    }
    wider = _widened(cohort, normals, widest, correlations)
    found = {}
    for name in cohort.parameters:
        parts = [
            (i, c.weights[name])
            for i, c in enumerate(cohort.components)
            if name in c.weights
        ]
        places = [i for i, _ in parts]
        mean_draws = sum(w * posterior.mean[:, i] for i, w in parts)
        # Of a pair's side: t^2 = (t_u^2 + t_v^2) / 2.
        sd_draws = np.sqrt(sum(w**2 * posterior.sd[:, i] ** 2 for i, w in parts))
        centre = sum(w * normals[i][0] for i, w in parts)
        count = int(cohort.has[:, places[0]].sum())
        own = cohort.priors[name]
        scale = sampling_scale_sd(own)
        patients = "1 patient" if count == 1 else f"{count} patients"
        low, middle, high = np.quantile(mean_draws, _LEVELS)
        spread = scale * np.quantile(sd_draws, _LEVELS)
        found[name] = LearntParameter(
            prior=_moved(
                own,
                centre,
                wider[name] * normals[widest[name]][1],
                f"{source}, {patients}",
            ),
            own=own,
            patients=count,
            median=(_back(own, low), _back(own, middle), _back(own, high)),
            spread=(float(spread[0]), float(spread[1]), float(spread[2])),
            tail_ratio=normals[widest[name]][2] / wider[name],
            widened=wider[name],
        )
    return found


def _widened(
    cohort: CohortDraws,
    normals: Sequence[tuple[float, float, float]],
    widest: Mapping[str, int],
    correlations: Sequence[Correlation],
) -> dict[str, float]:
    """Return sqrt(1 + k) of each parameter, its largest k."""
    found = dict.fromkeys(cohort.parameters, 1.0)
    for each in correlations:
        names = [list(cohort.components[i].weights) for i in each.components]
        sds = [normals[widest[of[0]]][1] for of in names]
        k = abs(each.covariance) / (sds[0] * sds[1])
        for name in (name for of in names for name in of):
            found[name] = max(found[name], math.sqrt(1.0 + k))
    return found


def _normal_of(mean: np.ndarray, sd: np.ndarray) -> tuple[float, float, float]:
    """Return mean and sd of what stands for a mixture, and the ratio of far tails."""
    step = max(1, len(mean) // _MIXED)
    m, t = mean[::step], sd[::step]
    low, _, high = (_quantile(m, t, p) for p in _LEVELS)
    moment = math.sqrt(float((sd**2).mean() + mean.var()))
    width = max(moment, (high - low) / 2.0 / float(ndtri(_LEVELS[2])))
    far = _quantile(m, t, _FAR) - _quantile(m, t, 1.0 - _FAR)
    return float(mean.mean()), width, far / 2.0 / float(ndtri(_FAR)) / width


def _quantile(mean: np.ndarray, sd: np.ndarray, p: float) -> float:
    each = mean + sd * ndtri(p)
    edges = float(each.min()) - 1e-9, float(each.max()) + 1e-9
    found: Any = brentq(lambda y: ndtr((y - mean) / sd).mean() - p, *edges)
    return float(found)


def _back(own: Prior, z: float) -> float:
    """Return a standardized value in its unit."""
    median, moved = own.parameters["median"], float(z) * sampling_scale_sd(own)
    if own.family is Family.LOG_NORMAL:
        return median * math.exp(moved)
    return float(expit(logit(median) + moved))


def _moved(own: Prior, mean: float, sd: float, source: str) -> Prior:
    """Return a prior of the own one's family, moved and narrowed."""
    scale = "log_sd" if own.family is Family.LOG_NORMAL else "logit_sd"
    given: Mapping[str, float] = {
        "median": _back(own, mean),
        scale: sd * sampling_scale_sd(own),
    }
    return replace(own, parameters=given, source=source, certainty=Certainty.DERIVED)


def find_outliers(posterior: CohortPosterior, *, seed: int) -> tuple[Outlier, ...]:
    """Return the patients whom the population of the others does not expect.

    Of each component that a patient's scans tell of, the measured value d with its sd
    e (the posterior without the prior) has the p-value of Normal(m, t^2 + e^2) over the
    posterior without the patient, which is that of all weighted by 1 / L_i. Found are
    those below 0.05 divided by how many were looked at, and those whose weights leave
    fewer than 100 effective draws, 1 / sum of squared shares: of them p is not known.

    Parameters
    ----------
    posterior : CohortPosterior
        From `learn_cohort`.
    seed : int
        Repeats the smoothing, >= 0.

    Returns
    -------
    tuple of Outlier
        The most unlikely one first.

    Examples
    --------
    >>> from pkmodels.fitting.cohort_draws import CohortDraws, Component
    >>> from pkmodels.fitting.reused_draws import Reuse
    >>> generator = np.random.default_rng(0)
    >>> y = generator.normal(np.array([0.0, 9.0])[:, None, None], 0.1, (2, 500, 1))
    >>> one = Component("k", {"k": 1.0})
    >>> cohort = CohortDraws({}, (one,), ("P1", "P2"), y, np.ones((2, 1), bool))
    >>> known = np.zeros((200, 1)), np.ones((200, 1))
    >>> reuse = Reuse(np.zeros(1), np.ones(2), np.zeros(1), 0.0)
    >>> found = CohortPosterior(cohort, *known, reuse, 1.0, 1e3, {})
    >>> [each.member for each in find_outliers(found, seed=0)]
    ['P2']
    """
    cohort = posterior.cohort
    smoothed = smooth_draws(cohort, normals=1, seed=seed)
    step = max(1, len(posterior.mean) // _LOOKED_AT)
    mean, sd = posterior.mean[::step], posterior.sd[::step]
    log_l = np.array(
        [
            smoothed_log_likelihoods(smoothed, m, t)
            for m, t in zip(mean, sd, strict=True)
        ]
    )
    looked_at = []
    for i, member in enumerate(cohort.members):
        weights = np.exp(log_l[:, i].min() - log_l[:, i])
        weights /= weights.sum()
        size = float(1.0 / (weights**2).sum())
        for k in np.flatnonzero(cohort.has[i]):
            own = cohort.y[i, :, k]
            variance = max(float(own.var()), 1e-12)
            told = 1.0 / variance - 1.0
            if told < _LEAST_TOLD:
                continue
            measured, e2 = float(own.mean()) / variance / told, 1.0 / told
            z = (measured - mean[:, k]) / np.sqrt(sd[:, k] ** 2 + e2)
            below = float(weights @ ndtr(z))
            p = 2.0 * min(below, 1.0 - below)
            if size < _LEAST_WEIGHTED:
                p = math.nan
            looked_at.append(Outlier(member, cohort.components[k].name, p, size))
    limit = OUTLIER_LEVEL / max(len(looked_at), 1)
    found = [each for each in looked_at if not each.p_value >= limit]
    return tuple(
        sorted(found, key=lambda each: (math.isnan(each.p_value), each.p_value))
    )
