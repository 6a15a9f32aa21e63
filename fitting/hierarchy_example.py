"""A worked example for the doctests: priors of `pkmodels.population.worked_example`."""

from functools import cache

import numpy as np

from pkmodels.fitting.checks import Checks
from pkmodels.fitting.hierarchy import Hierarchy, state_hierarchy
from pkmodels.fitting.hierarchy_fit import HierarchyFit
from pkmodels.fitting.hierarchy_priors import HyperPrior, half_normal, normal
from pkmodels.fitting.sampling import Draws
from pkmodels.population import worked_example


def priors() -> dict[str, HyperPrior]:
    """Return wide priors of the example's population.

    Returns
    -------
    dict of str to HyperPrior

    Examples
    --------
    >>> len(priors())
    6
    """
    factor = "within a factor of 10"
    return {
        "ln ka": normal(0.0, 1.0, factor),
        "ln cl": normal(1.0, 1.0, factor),
        "ln v": normal(3.5, 1.0, factor),
        "sd of ka": half_normal(1.0, factor),
        "sd of cl": half_normal(1.0, factor),
        "additive sd of plasma": half_normal(2.0, "a fifth of the largest value"),
    }


@cache
def hierarchy() -> Hierarchy:
    """Return the example as a hierarchy, centred by information about FOCEI's fit.

    Returns
    -------
    Hierarchy

    Examples
    --------
    >>> hierarchy().centring.between.shape
    (6, 2)
    """
    fit = worked_example.fitted()
    return state_hierarchy(fit.predictor, priors(), start=fit.vector)


@cache
def made_up_fit() -> HierarchyFit:
    """Return draws about FOCEI's estimates, made up where sampling would take long.

    Returns
    -------
    HierarchyFit

    Examples
    --------
    >>> made_up_fit().vectors().shape
    (2000, 6)
    """
    fit, example = worked_example.fitted(), hierarchy()
    generator = np.random.default_rng(0)
    # About FOCEI's standard errors, of typical values and of ln sd.
    spread = np.array([0.2, 0.1, 0.02, 0.3, 0.3, 0.12])
    vectors = fit.vector + spread * generator.standard_normal((4, 500, 6))
    names = list(priors())
    variables = {name: vectors[..., n] for n, name in enumerate(names)}
    variables |= {name: np.exp(variables[name]) for name in names[3:]}
    modes = fit.modes.local.effects
    for e, name in enumerate(example.centring.effects):
        noise = 0.1 * generator.standard_normal((4, 500, len(modes)))
        variables[f"effect of {name}"] = modes[:, e] + noise
    draws = Draws(variables, vectors, np.zeros((4, 500), bool), 0.9)
    passed = Checks(1.0, 2000.0, 2000.0, 0, 0, (), 1, ())
    return HierarchyFit(example, draws, passed, seed=0)
