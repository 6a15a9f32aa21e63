"""A factor that a cohort's patients share: what no number of them averages out.

Every patient's fit holds a camera's calibration as unknown, with the sd s of its ln,
and independently of the other patients' fits. Where one camera measured all, the true
factor is the same for all, and two things are wrong with what was learnt:

- the population's median m is off by that factor, and not by s / sqrt(patients);
- each patient's own draws are wider by s than patients scatter for it, so that the sd
  between patients is found too small: t^2 - s^2 in the place of t^2.

Both are mended on the safe side: m gets the variance s^2 more, and t^2 gets s^2 more.
Where the factor was another one for every patient, the prior is wider than it need be.

An uptake is learnt as its ratio o to the eliminated fraction, 1 / (1 + sum of o): a
factor of 1 + e in all uptakes changes ln o by e (1 + sum of o), to first order.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy.special import ndtri

from pkmodels.errors import InputError
from pkmodels.fitting.cohort_posterior import CohortPosterior
from pkmodels.fitting.priors import sampling_scale_sd

# Orders the quantiles of the shared factor among the posterior's draws.
_SEED = 0


def with_shared_error(
    posterior: CohortPosterior, shared: Mapping[str, float]
) -> CohortPosterior:
    """Return a population whose patients share an error that nothing averages out.

    Parameters
    ----------
    posterior : CohortPosterior
        From `learn_cohort`.
    shared : mapping of str to float
        The sd, >= 0, of the shared error of ln x (or logit x) by parameter; of others
        it is 0. Of a pair it is one error, the same on both sides.

    Returns
    -------
    CohortPosterior
        With m + d z and sqrt(t^2 + d^2) of each component, z standard normal and d the
        sum of weight x error / sd of the own prior.

    Raises
    ------
    InputError
        When an error is negative or no number, or its parameter was never given.

    Examples
    --------
    >>> from pkmodels.fitting.cohort_draws import CohortDraws, Component
    >>> from pkmodels.fitting.reused_draws import Reuse
    >>> from pkmodels.values import Certainty, log_normal
    >>> own = {"k": log_normal(1.0, 0.5, "", "wide", Certainty.JUDGEMENT)}
    >>> y, has = np.zeros((1, 1, 1)), np.ones((1, 1), bool)
    >>> cohort = CohortDraws(own, (Component("k", {"k": 1.0}),), ("P1",), y, has)
    >>> reuse = Reuse(np.zeros(1), np.ones(1), np.zeros(1), 0.0)
    >>> known = np.zeros((1000, 1)), np.full((1000, 1), 0.4)
    >>> found = CohortPosterior(cohort, *known, reuse, 1.0, 1e3, {})
    >>> wide = with_shared_error(found, {"k": 0.15})  # 0.3 of the own prior's sd
    >>> round(float(wide.mean.std()), 2), round(float(wide.sd[0, 0]), 2)
    (0.3, 0.5)
    """
    cohort = posterior.cohort
    for name, error in shared.items():
        if name not in cohort.priors:
            raise InputError(
                f"a shared error of {name!r} is given, which the cohort does not have"
            )
        if not 0.0 <= error < np.inf:
            raise InputError(
                f"the shared error of {name} is {error}: give the sd of its ln, >= 0"
            )
    moved = np.array(
        [
            sum(
                weight * shared.get(name, 0.0) / sampling_scale_sd(cohort.priors[name])
                for name, weight in each.weights.items()
            )
            for each in cohort.components
        ]
    )
    count = len(posterior.mean)
    z = ndtri((np.arange(count) + 0.5) / count)
    z = np.random.default_rng(_SEED).permutation(z)
    return replace(
        posterior,
        mean=posterior.mean + z[:, None] * moved,
        sd=np.sqrt(posterior.sd**2 + moved**2),
    )
