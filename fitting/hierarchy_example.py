"""A worked example for the doctests: priors of `pkmodels.population.worked_example`."""

from functools import cache

from pkmodels.fitting.hierarchy import Hierarchy, state_hierarchy
from pkmodels.fitting.hierarchy_priors import HyperPrior, half_normal, normal
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
