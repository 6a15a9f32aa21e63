"""Draws of a hierarchy in the coordinates of `pkmodels.population`."""

import numpy as np

from pkmodels.fitting.hierarchy import Hierarchy, real_occasions
from pkmodels.fitting.hierarchy_priors import correlation_name
from pkmodels.fitting.sampling import Draws
from pkmodels.population.coordinates import coefficient_names


def vector_draws(hierarchy: Hierarchy, draws: Draws) -> np.ndarray:
    """Return draws in `pkmodels.population.coordinates`, of whatever fit.

    Parameters
    ----------
    hierarchy : Hierarchy
        What was fitted.
    draws : Draws
        Of its variables.

    Returns
    -------
    (n_draws, n) array

    Examples
    --------
    >>> from pkmodels.fitting import hierarchy_example
    >>> fit = hierarchy_example.made_up_fit()
    >>> vector_draws(fit.hierarchy, fit.draws).mean(axis=0).round(1)
    array([ 0.2,  1. ,  3.5, -0.7, -1.3, -1.4])
    """
    model = hierarchy.model
    found = [_flat(draws, name)[:, None] for name in coefficient_names(model)]
    for blocks, ending in ((model.between, ""), (model.occasions, " by occasion")):
        for block in blocks:
            sds = [_flat(draws, f"sd of {name}{ending}") for name in block.parameters]
            factor = np.stack(sds, axis=1)[:, :, None] * (
                np.linalg.cholesky(_flat(draws, correlation_name(block, ending)))
                if len(sds) > 1
                else np.ones((len(sds[0]), 1, 1))
            )
            rows, columns = np.tril_indices(len(sds))
            entries = factor[:, rows, columns]
            diagonal = rows == columns
            entries[:, diagonal] = np.log(entries[:, diagonal])
            found.append(entries)
    for name, error in model.residual.items():
        for kind, value in (
            ("additive", error.additive),
            ("proportional", error.proportional),
        ):
            if value:
                found.append(np.log(_flat(draws, f"{kind} sd of {name}"))[:, None])
    return np.concatenate(found, axis=1)


def effect_draws(hierarchy: Hierarchy, draws: Draws) -> np.ndarray:
    """Return draws of random effects in the order of `pkmodels.population`.

    Parameters
    ----------
    hierarchy : Hierarchy
        What was fitted.
    draws : Draws
        Of its variables.

    Returns
    -------
    (n_draws, n_subjects, n_effects) array

    Examples
    --------
    >>> from pkmodels.fitting import hierarchy_example
    >>> fit = hierarchy_example.made_up_fit()
    >>> effect_draws(fit.hierarchy, fit.draws).shape
    (2000, 6, 2)
    """
    centring, made = hierarchy.centring, hierarchy.predictor.arrangement
    eta = [_flat(draws, f"effect of {name}") for name in centring.effects]
    found = np.stack(eta, axis=-1)
    if not centring.occasion_effects:
        return found
    real = real_occasions(hierarchy.predictor)
    shape = (len(found), *made.values.shape[:2], len(centring.occasion_effects))
    kappa = np.zeros(shape)
    for e, name in enumerate(centring.occasion_effects):
        own = _flat(draws, f"effect of {name} by occasion")
        kappa[:, real[:, 0], real[:, 1], e] = own
    flat = kappa.reshape(*found.shape[:2], -1)
    return np.concatenate([found, flat], axis=-1)


def _flat(draws: Draws, name: str) -> np.ndarray:
    found = np.asarray(draws.variables[name])
    return found.reshape(-1, *found.shape[2:])
