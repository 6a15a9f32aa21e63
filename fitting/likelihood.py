"""Likelihood: how measured values scatter about what the model expects of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from pkmodels.fitting.observations import Observations

LOG_VALUE, VALUE, SD = "log_value_measured", "value_measured", "sd_stated"


def add_likelihood(
    seen: Observations,
    additive: np.ndarray,
    data: Mapping[str, np.ndarray],
    predicted: Any,
    noise: Any,
    floor: Any,
) -> None:
    """Add the measured values to the current PyMC model.

    ln y ~ Normal(ln(c f), s), or with additive noise
    y ~ Normal(c f, sqrt(a^2 + (s c f)^2 + sd^2)).

    Parameters
    ----------
    seen : Observations
        The rows.
    additive : (n,) array of bool
        Which rows have additive noise.
    data : mapping of str to array
        The measured values and stated sd, by the names of their ``pm.Data``.
    predicted : (n,) PyTensor vector
        c f of each row.
    noise : PyTensor vector
        s of each of ``seen.modalities``.
    floor : PyTensor vector or None
        a of each of ``seen.floors`` that a row with additive noise has; None if none.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> from pkmodels.fitting.posterior import measured_data
    >>> posterior = worked_example.posterior()
    >>> seen, additive = posterior.observations, posterior.additive
    >>> with pm.Model() as model:
    ...     noise = pt.constant([0.1])
    ...     data = measured_data(posterior)
    ...     expected = pt.constant(seen.value)
    ...     add_likelihood(seen, additive, data, expected, noise, None)
    >>> [variable.name for variable in model.observed_RVs]
    ['log_value']
    """
    of_row = noise[seen.modality]
    with_floor, relative = np.flatnonzero(additive), np.flatnonzero(~additive)
    if relative.size:
        pm.Normal(
            "log_value",
            mu=pt.log(predicted[relative]),
            sigma=of_row[relative],
            observed=pm.Data(LOG_VALUE, data[LOG_VALUE]),
        )
    if with_floor.size:
        expected = predicted[with_floor]
        used = np.unique(seen.floor[with_floor])
        floors = floor[np.searchsorted(used, seen.floor[with_floor])]
        stated: Any = pm.Data(SD, data[SD])
        variance = floors**2 + (of_row[with_floor] * expected) ** 2 + stated**2
        pm.Normal(
            "value",
            mu=expected,
            sigma=pt.sqrt(variance),
            observed=pm.Data(VALUE, data[VALUE]),
        )
