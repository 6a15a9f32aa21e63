"""Prior conflicts: parameters that the data press against the edge of their prior."""

import numpy as np
from scipy.special import logit, ndtri

from pkmodels.fitting.posterior import Posterior
from pkmodels.fitting.sampling import Draws
from pkmodels.values import Family, Prior

# Each prior's tails hold this together, shared among all parameters of a fit.
_TAILS = 0.01
# So many draws beyond the tails are of no interest.
_LEAST_SHARE = 0.05


def find_conflicts(posterior: Posterior, draws: Draws) -> dict[str, float]:
    """Return what share of each parameter's draws lies beyond its prior's tails.

    A tail holds 0.5 % of the prior divided by the number of parameters, so that where
    all priors are right some parameter truly lies there in 1 % of all patients. The
    scale of a noise has an upper tail only: to be near 0 is what it should be.

    Parameters
    ----------
    posterior : Posterior
        What was fitted.
    draws : Draws
        From the sampler.

    Returns
    -------
    dict of str to float
        By ``variable[coordinate]``, in (0, 1]; shares below 5 % are left out.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> variables = {
    ...     "kinetics": np.full((4, 500, 1), 6000.0),  # prior: 60 h, sd of ln 1
    ...     "relative_noise": np.full((4, 500, 1), 0.05),
    ... }
    >>> draws = Draws(variables, np.zeros((4, 500, 2)), np.zeros((4, 500), bool), 0.9)
    >>> find_conflicts(worked_example.posterior(), draws)
    {'kinetics[half_life]': 1.0}
    """
    groups = posterior.all_priors
    tail = _TAILS / 2.0 / sum(len(group) for group in groups.values())
    found = {}
    for variable, group in groups.items():
        columns = draws.variables[variable].reshape(draws.diverging.size, -1).T
        for (name, prior), column in zip(group.items(), columns, strict=True):
            share = float((_standardized(prior, column) > -ndtri(tail)).mean())
            if share >= _LEAST_SHARE:
                found[f"{variable}[{name}]"] = share
    return found


def _standardized(prior: Prior, draws: np.ndarray) -> np.ndarray:
    """Return how far out each draw lies: |z| of the normal of as large a tail."""
    given = prior.parameters
    if prior.family is Family.LOG_NORMAL:
        return np.abs(np.log(draws / given["median"])) / given["log_sd"]
    if prior.family is Family.LOGIT_NORMAL:
        return np.abs(logit(draws) - logit(given["median"])) / given["logit_sd"]
    return draws / given["scale"]
