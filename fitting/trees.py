"""Trees: a fit as an ArviZ ``DataTree``, to plot, to compare and to keep."""

from collections.abc import Mapping
from typing import Any

import arviz as az
import numpy as np
import xarray as xr

from pkmodels.fitting.fit import Fit
from pkmodels.fitting.posterior import EXPECTED, Posterior, build_model
from pkmodels.fitting.prior_predictive import PriorPredictive
from pkmodels.fitting.rows import draw_rows, log_likelihoods

# The variable of every group that has one entry for each measurement.
VALUE, ROW = "value", "row"


def to_tree(fit: Fit, *, prior: PriorPredictive | None = None) -> xr.DataTree:
    """Return the fit as an ArviZ tree.

    All terms of the likelihood share one variable ``value`` over ``row``, so that
    ``az.loo``, ``az.compare`` and the predictive plots need no names. Its
    log-likelihood is of the value itself, in its unit; see `pkmodels.fitting.rows`.

    Parameters
    ----------
    fit : Fit
        The fit; its checks are in ``attrs``, whether they passed or not.
    prior : PriorPredictive, optional
        Of the same posterior, for the groups ``prior`` and ``prior_predictive``.

    Returns
    -------
    xarray.DataTree
        Groups ``posterior``, ``posterior_predictive``, ``log_likelihood``,
        ``sample_stats``, ``observed_data``, ``constant_data`` (what each row is).

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> from pkmodels.fitting.checks import Checks
    >>> from pkmodels.fitting.sampling import Draws
    >>> variables = {
    ...     "kinetics": np.full((4, 500, 1), 60.0),
    ...     "relative_noise": np.full((4, 500, 1), 0.05),
    ...     "expected": np.full((4, 500, 3), [68.3, 31.8, 14.8]),
    ... }
    >>> draws = Draws(variables, np.zeros((4, 500, 2)), np.zeros((4, 500), bool), 0.9)
    >>> passed = Checks(1.0, 2e3, 2e3, 0, 0, (), 1, ())
    >>> tree = to_tree(Fit(worked_example.posterior(), draws, passed, seed=0))
    >>> tree["posterior"]["kinetics"].dims
    ('chain', 'draw', 'kinetics_of')
    >>> tree["log_likelihood"]["value"].dims
    ('chain', 'draw', 'row')
    """
    model, draws = build_model(fit.posterior), fit.draws
    chains = draws.diverging.shape
    flat = {
        name: array.reshape(-1, *array.shape[2:])
        for name, array in draws.variables.items()
    }
    seen = fit.posterior.observations
    groups: dict[str, Any] = {
        "posterior": dict(draws.variables),
        "posterior_predictive": {
            VALUE: draw_rows(model, flat, fit.seed).reshape(*chains, -1)
        },
        "log_likelihood": {VALUE: log_likelihoods(model, flat).reshape(*chains, -1)},
        "sample_stats": {"diverging": draws.diverging, **draws.statistics},
        "observed_data": {VALUE: seen.value},
        "constant_data": _constants(fit.posterior),
    }
    if prior is not None:
        groups["prior"] = {n: array[None] for n, array in prior.variables.items()}
        groups["prior_predictive"] = {VALUE: prior.values[None]}
    dims = {name: list(dims) for name, dims in model.named_vars_to_dims.items()}
    rows = {name: [ROW] for name in (VALUE, EXPECTED, *groups["constant_data"])}
    coords = {name: list(c) for name, c in model.coords.items() if c is not None}
    tree = az.from_dict(groups, coords=coords, dims={**dims, **rows})
    tree.attrs["seed"] = fit.seed
    tree.attrs["checks_passed"] = int(fit.checks.passed)
    return tree


def _constants(posterior: Posterior) -> Mapping[str, np.ndarray]:
    """Return what each row is."""
    measured = posterior.observations.measurements
    experiments = [e.name for e in posterior.experiments for _ in e.measurements]
    return {
        "sd": posterior.observations.sd,
        "time": np.array([(m.start_h + m.end_h) / 2.0 for m in measured]),
        "region": np.array([m.region for m in measured]),
        "label": np.array([m.label for m in measured]),
        "modality": np.array([m.modality for m in measured]),
        "quantity": np.array([str(m.quantity) for m in measured]),
        "experiment": np.array(experiments),
    }
