"""Where the chains of a hierarchy begin, and about how wide its posterior is there."""

from typing import Any

import numpy as np

from pkmodels.errors import SolveError
from pkmodels.fitting.centring import scores_spread
from pkmodels.fitting.hierarchy import Hierarchy, real_occasions, shifts_of
from pkmodels.fitting.hierarchy_priors import correlation_name
from pkmodels.fitting.sampling import Problem, Sampler
from pkmodels.population.coordinates import coefficient_names, estimates_of

# Spread of the chains' starts, in approximate posterior standard deviations.
_DISPERSION = 1.5


def problem_of(hierarchy: Hierarchy, sampler: Sampler) -> Problem:
    """Return where the chains of a hierarchy begin.

    Parameters
    ----------
    hierarchy : Hierarchy
        What to fit.
    sampler : Sampler
        From `compile_hierarchy`.

    Returns
    -------
    Problem

    Raises
    ------
    SolveError
        When the posterior is not finite there.

    Examples
    --------
    >>> from pkmodels.fitting import hierarchy_example
    >>> from pkmodels.fitting.hierarchy_fit import compile_hierarchy
    >>> example = hierarchy_example.hierarchy()
    >>> sampler = compile_hierarchy(example, target_acceptance=0.9)
    >>> problem_of(example, sampler).coordinates[0][:3].round(2)  # FOCEI's ln ka, cl, v
    array([0.24, 0.99, 3.47])
    """
    model = sampler.model
    values, spreads = _begin(hierarchy)
    centre, scale = [], []
    for variable in model.free_RVs:
        value = np.ravel(values[str(variable.name)])
        centre.append(value)
        scale.append(
            np.broadcast_to(np.ravel(spreads[str(variable.name)]), value.shape)
        )
    whole = (np.concatenate(centre), np.concatenate(scale))
    density, gradient = sampler.slope(whole[0], ())
    if not (np.isfinite(density) and np.isfinite(gradient).all()):
        raise SolveError(
            f"the posterior of {hierarchy.model.name!r} is not finite at the start: "
            "start nearer, look at doses and times, or give the error an additive part "
            "where 0 is predicted"
        )
    size = len(whole[0])
    return Problem({}, whole, np.zeros(size), np.full(size, _DISPERSION))


def _begin(hierarchy: Hierarchy) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return each variable at the start, unconstrained, and about how wide it is."""
    predictor, model, priors = hierarchy.predictor, hierarchy.model, hierarchy.priors
    estimates = estimates_of(model, hierarchy.start)
    n_subjects = len(predictor.arrangement.names)
    values: dict[str, Any] = {}
    spreads: dict[str, Any] = {}
    # A standard deviation of n things is known to 1 / sqrt(2 n) of itself.
    of_subjects = 1.0 / np.sqrt(2.0 * n_subjects)
    of_values = 1.0 / np.sqrt(2.0 * predictor.arrangement.n_values)
    shared = float(np.sqrt(np.diag(estimates.between).mean() / n_subjects))
    for n, name in enumerate(coefficient_names(model)):
        values[name] = estimates.coefficients[n]
        spreads[name] = min(shared, priors[name].numbers["sd"])
    pairs = (
        (model.between, estimates.between, ""),
        (model.occasions, estimates.within, " by occasion"),
    )
    for blocks, covariance, ending in pairs:
        first = 0
        for block in blocks:
            here = slice(first, first + len(block.parameters))
            part = covariance[here, here]
            sds = np.sqrt(np.diag(part))
            for name, sd in zip(block.parameters, sds, strict=True):
                values[f"sd of {name}{ending}"] = np.log(sd)
                spreads[f"sd of {name}{ending}"] = of_subjects
            name = f"sampled {correlation_name(block, ending)}"
            # Shrunk, so that the start is away from the edge.
            shrunk = 0.9 * part / np.outer(sds, sds) + 0.1 * np.eye(len(sds))
            values[name] = 2.0 * np.arctanh(_partial_correlations(shrunk))
            spreads[name] = 2.0 * of_subjects
            first += len(block.parameters)
    for n, name in enumerate(model.residual):
        for kind in ("additive", "proportional"):
            value = getattr(estimates, kind)[n]
            values[f"{kind} sd of {name}"] = np.log(value) if value else 0.0
            spreads[f"{kind} sd of {name}"] = of_values
    _begin_effects(hierarchy, values, spreads)
    return values, spreads


def _begin_effects(
    hierarchy: Hierarchy, values: dict[str, Any], spreads: dict[str, Any]
) -> None:
    """Add the sampled effects, each centred or not, at the modes."""
    predictor, centring = hierarchy.predictor, hierarchy.centring
    estimates = estimates_of(hierarchy.model, hierarchy.start)
    left = scores_spread(predictor, hierarchy.start, hierarchy.modes)
    real = real_occasions(predictor)
    between, within = shifts_of(predictor)
    k, m = len(centring.effects), len(centring.occasion_effects)
    root = np.linalg.cholesky(estimates.between)
    eta = hierarchy.modes[:, :k]
    scores = np.linalg.solve(root, eta.T).T
    for e, name in enumerate(centring.effects):
        which, own = centring.between[:, e], between[:, e] @ estimates.coefficients
        key = f"sampled effect of {name}"
        values[key] = np.where(which, own + eta[:, e], scores[:, e])
        spreads[key] = np.where(which, root[e, e], 1.0) * left[:, e]
    if not m:
        return
    rows, occasions = real[:, 0], real[:, 1]
    kappa = hierarchy.modes[:, k:].reshape(len(eta), -1, m)[rows, occasions]
    left = left[:, k:].reshape(len(eta), -1, m)[rows, occasions]
    root = np.linalg.cholesky(estimates.within)
    scores = np.linalg.solve(root, kappa.T).T
    for e, name in enumerate(centring.occasion_effects):
        which = centring.within[rows, occasions, e]
        own = within[:, e] @ estimates.coefficients + kappa[:, e]
        if name in centring.effects:
            own = own + eta[rows, centring.effects.index(name)]
        key = f"sampled effect of {name} by occasion"
        values[key] = np.where(which, own, scores[:, e])
        spreads[key] = np.where(which, root[e, e], 1.0) * left[:, e]


def _partial_correlations(correlations: np.ndarray) -> np.ndarray:
    """Return the correlation of each pair given all before both, row by row."""
    factor = np.linalg.cholesky(correlations)
    rows, columns = np.tril_indices(len(factor), -1)
    before = [(factor[i, :j] ** 2).sum() for i, j in zip(rows, columns, strict=True)]
    return factor[rows, columns] / np.sqrt(1.0 - np.array(before))
