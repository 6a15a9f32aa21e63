"""Hierarchical fits as ArviZ ``DataTree``, to plot, to compare and to keep."""

import math
from typing import Any

import arviz as az
import jax
import numpy as np
import xarray as xr

from pkmodels.fitting.hierarchy import OCCASION, SUBJECT, real_occasions
from pkmodels.fitting.hierarchy_draws import effect_draws, vector_draws
from pkmodels.fitting.hierarchy_fit import HierarchyFit
from pkmodels.fitting.subject_rows import subject_rows
from pkmodels.fitting.trees import ROW, VALUE
from pkmodels.population.coordinates import coefficient_names, estimates_of
from pkmodels.population.residuals import variance_of


def hierarchy_tree(fit: HierarchyFit) -> xr.DataTree:
    """Return a hierarchical fit as an ArviZ tree.

    Parameters
    ----------
    fit : HierarchyFit
        The fit; whether it passed its checks is in ``attrs``.

    Returns
    -------
    xarray.DataTree
        Groups ``posterior`` (priors' names, sampled and random effects by subject and
        occasion), ``log_likelihood`` (``value`` over ``row``, ln p of each value in its
        unit, given its subject's effects), ``sample_stats``, ``observed_data``,
        ``constant_data`` (subject, occasion and time of each row).

    Examples
    --------
    >>> from pkmodels.fitting import hierarchy_example
    >>> tree = hierarchy_tree(hierarchy_example.made_up_fit())
    >>> tree["posterior"]["effect of ka"].dims
    ('chain', 'draw', 'subject')
    >>> tree["log_likelihood"]["value"].shape
    (4, 500, 36)
    """
    hierarchy, draws = fit.hierarchy, fit.draws
    made = hierarchy.predictor.arrangement
    places = np.argwhere(made.is_value)
    names = np.array(made.names)
    logs = made.is_log[made.is_value]
    values = made.values[made.is_value]
    chains = draws.diverging.shape
    groups: dict[str, Any] = {
        "posterior": dict(draws.variables),
        "log_likelihood": {VALUE: log_likelihoods(fit).reshape(*chains, -1)},
        "sample_stats": {"diverging": draws.diverging, **draws.statistics},
        "observed_data": {VALUE: np.where(logs, np.exp(values), values)},
        "constant_data": {
            "subject_of": names[places[:, 0]],
            "occasion_of": places[:, 1] + 1,
            "time": made.times_h[made.is_value],
        },
    }
    real = real_occasions(hierarchy.predictor)
    coords: dict[str, Any] = {
        SUBJECT: list(names),
        OCCASION: [f"{names[i]}, occasion {k + 1}" for i, k in real],
        ROW: np.arange(len(values)),
    }
    of_effects = {
        name: [OCCASION if name.endswith("by occasion") else SUBJECT]
        for name in draws.variables
        if name.startswith(("effect of", "sampled effect of"))
    }
    rows = {key: [ROW] for key in (VALUE, "subject_of", "occasion_of", "time")}
    tree = az.from_dict(groups, coords=coords, dims={**of_effects, **rows})
    tree.attrs["seed"] = fit.seed
    tree.attrs["checks_passed"] = int(fit.checks.passed)
    tree.attrs["assumptions"] = "; ".join(fit.assumptions)
    return tree


def log_likelihoods(fit: HierarchyFit) -> np.ndarray:
    """Return ln p of each value, in its unit, given its subject's effects.

    Parameters
    ----------
    fit : HierarchyFit
        The fit, whether it passed its checks or not.

    Returns
    -------
    (n_draws, n_values) array

    Examples
    --------
    >>> from pkmodels.fitting import hierarchy_example
    >>> log_likelihoods(hierarchy_example.made_up_fit()).shape
    (2000, 36)
    """
    hierarchy = fit.hierarchy
    predictor, model = hierarchy.predictor, hierarchy.model
    made = predictor.arrangement
    vectors = vector_draws(hierarchy, fit.draws)
    effects = effect_draws(hierarchy, fit.draws)
    count = len(coefficient_names(model))
    rows = jax.jit(subject_rows(predictor))
    error, logs = made.error[made.is_value], made.is_log[made.is_value]
    values = made.values[made.is_value]
    found = np.empty((len(vectors), len(values)))
    for n, (vector, own) in enumerate(zip(vectors, effects, strict=True)):
        estimates = estimates_of(model, vector)
        typical = made.fixed[..., made.active] + made.active_design @ vector[:count]
        at = typical + np.einsum("kpe,ie->ikp", made.active_effects, own)
        f = np.asarray(rows(at.ravel()))
        variance = variance_of(
            f, estimates.additive[error], estimates.proportional[error]
        )
        misfit = (values - f) ** 2 / variance + np.log(2.0 * math.pi * variance)
        # Of a log-normal error, ln y was normal: its density in y has 1 / y more.
        found[n] = -0.5 * misfit - np.where(logs, values, 0.0)
    return found
