"""Boundaries: what an estimate says that ran to the edge of what is possible."""

import numpy as np

from pkmodels.population.coordinates import Estimates
from pkmodels.population.structure import PopulationModel, effects_of

# An effect of a smaller standard deviation on its scale is nothing: 0.2 % of a
# parameter, below the accuracy of any assay.
# One part of a combined error is, at this share of where it started.
_LEAST_DEVIATION = 2e-3


def boundaries_of(model: PopulationModel, estimates: Estimates) -> list[str]:
    """Say which random effects and errors are at the edge of what they may be.

    Parameters
    ----------
    model : PopulationModel
        The model.
    estimates : Estimates
        What was estimated.

    Returns
    -------
    list of str
        Each with the remedy.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from pkmodels.population import worked_example
    >>> fit = worked_example.fitted()
    >>> small = replace(fit.estimates, between=np.diag([1e-8, 0.1]))
    >>> boundaries_of(fit.model, small)[0][:52]
    'the variance of ka between subjects ran to 0 (standa'
    """
    found = []
    pairs = (
        (effects_of(model.between), estimates.between, "subjects"),
        (effects_of(model.occasions), estimates.within, "occasions"),
    )
    for names, covariance, kind in pairs:
        deviations = np.sqrt(np.diag(covariance))
        for name, deviation in zip(names, deviations, strict=True):
            if deviation < _LEAST_DEVIATION:
                found.append(
                    f"the variance of {name} between {kind} ran to 0 (standard "
                    f"deviation {deviation:.2g}): these values show none; leave the "
                    "effect out"
                )
        kept = deviations >= _LEAST_DEVIATION
        if kept.sum() > 1:
            scaled = covariance / np.outer(deviations, deviations)
            least = float(np.linalg.eigvalsh(scaled[np.ix_(kept, kept)])[0])
            if least < 1e-4:
                found.append(
                    f"the covariance between {kind} of {', '.join(names)} is close to "
                    f"singular (least eigenvalue of the correlations {least:.1g}): "
                    "take effects out of the block, or make them independent"
                )
    for name, error in model.residual.items():
        n = list(model.residual).index(name)
        if error.additive and error.proportional:
            for kind, value in (
                ("additive", estimates.additive[n]),
                ("proportional", estimates.proportional[n]),
            ):
                start = error.additive if kind == "additive" else error.proportional
                if value < _LEAST_DEVIATION * start:
                    found.append(
                        f"the {kind} error of {name} ran to 0 ({value:.2g}): leave it "
                        "out"
                    )
    return found
