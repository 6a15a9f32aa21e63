"""Likelihood: how measured values scatter about what the model expects of them."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from pkmodels.errors import InputError
from pkmodels.fitting.distributions import (
    draw_censored,
    draw_counts,
    log_count_probability,
    log_probability_below,
)
from pkmodels.fitting.noise import EXCESS, SAMPLE, Noise, noisy_modalities
from pkmodels.fitting.observations import Observations

LOG_VALUE, VALUE, SD = "log_value_measured", "value_measured", "sd_stated"
LOG_LIMIT, LIMIT, LIMIT_SD = "log_limit", "limit", "limit_sd_stated"
COUNTS = "counts_measured"
# Each observed variable, its name also that of its rows' dimension plus "_row".
TERMS = ("log_value", "value", "log_value_below", "value_below", "counts")


def rows_of_terms(seen: Observations, additive: np.ndarray) -> dict[str, np.ndarray]:
    """Return which rows each observed variable holds.

    Parameters
    ----------
    seen : Observations
        The rows.
    additive : (n,) array of bool
        Which rows have additive noise.

    Returns
    -------
    dict of str to array of int
        By name of the observed variable; those without rows are left out.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> posterior = worked_example.posterior()
    >>> rows_of_terms(posterior.observations, posterior.additive)
    {'log_value': array([0, 1, 2])}
    """
    below, counted = seen.noise.below, seen.noise.counted
    masks = (
        ~additive & ~below & ~counted,
        additive & ~below & ~counted,
        ~additive & below,
        additive & below,
        counted,
    )
    rows = {name: np.flatnonzero(m) for name, m in zip(TERMS, masks, strict=True)}
    return {name: found for name, found in rows.items() if found.size}


def measured_rows(seen: Observations, additive: np.ndarray) -> dict[str, np.ndarray]:
    """Return what of the rows is ``pm.Data``: values, limits and stated sd.

    Parameters
    ----------
    seen : Observations
        The rows.
    additive : (n,) array of bool
        Which rows have additive noise.

    Returns
    -------
    dict of str to array
        By the names that `add_likelihood` gives them.

    Raises
    ------
    InputError
        When a value of log-normal noise is not positive.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> posterior = worked_example.posterior()
    >>> measured_rows(posterior.observations, posterior.additive)[LOG_VALUE].round(3)
    array([4.248, 3.555, 2.773])
    """
    rows, stated = rows_of_terms(seen, additive), np.nan_to_num(seen.sd, nan=0.0)
    data: dict[str, np.ndarray] = {}
    for term, name in (("log_value", LOG_VALUE), ("log_value_below", LOG_LIMIT)):
        if term in rows:
            values = seen.value[rows[term]]
            if not (values > 0.0).all():
                place = rows[term][~(values > 0.0)][0]
                raise InputError(
                    f"row {place} is {seen.value[place]} with log-normal noise: state "
                    "its sd, or the limit of quantification that it fell below"
                )
            data[name] = np.log(values)
    for term, name, sd in (("value", VALUE, SD), ("value_below", LIMIT, LIMIT_SD)):
        if term in rows:
            data[name] = seen.value[rows[term]]
            data[sd] = stated[rows[term]]
    if "counts" in rows:
        data[COUNTS] = seen.value[rows["counts"]].astype(np.int64)
    return data


def shared_factors(noise: Noise, drawn: Mapping[str, Any]) -> Any:
    """Return what multiplies each row for the errors that it shares with others.

    The factor of its sample, and 1 + x where it is the largest voxel of a region.

    Parameters
    ----------
    noise : Noise
        Of the rows.
    drawn : mapping of str to PyTensor vector
        The model's variables by name.

    Returns
    -------
    (n,) PyTensor vector

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> seen = worked_example.posterior().observations
    >>> shared_factors(seen.noise, {}).eval()
    array([1., 1., 1.])
    """
    factors: Any = pt.ones(len(noise.below))
    for name, place in ((SAMPLE, noise.sample), (EXCESS, noise.maximum)):
        if place.any():
            here = drawn[name] + (1.0 if name == EXCESS else 0.0)
            each: Any = pt.concatenate([pt.ones(1), here])
            factors = factors * each[place]
    return factors


def add_likelihood(
    seen: Observations,
    additive: np.ndarray,
    data: Mapping[str, np.ndarray],
    predicted: Any,
    noise: Any,
    floor: Any,
    *,
    background: Any = None,
    student_t_degrees: float | None,
) -> None:
    """Add the measured values to the current PyMC model.

    Log-normal: ln y ~ Normal(ln(c f), s). With additive noise: y ~ Normal(c f,
    sqrt(a^2 + (s c f)^2 + sd^2)). Below a limit L, either gives ln P(y < L) in place of
    its density (M3); where c f is exactly 0, as before the first dose, that is certain
    under log-normal noise. With Student's t, of as many degrees of freedom, in place of
    the normal distribution, s is its scale. Counts: N ~ Poisson(q c f + b), or
    negative-binomial of that mean m and the variance m + (s q c f)^2. Where c f is no
    number, since its solve failed, the density is 0.

    Parameters
    ----------
    seen : Observations
        The rows.
    additive : (n,) array of bool
        Which rows have additive noise; never counts.
    data : mapping of str to array
        From `measured_rows`.
    predicted : (n,) PyTensor vector
        c f of each row.
    noise : PyTensor vector
        s of each of `noisy_modalities`.
    floor : PyTensor vector or None
        a of each of ``seen.floors`` that a row with additive noise has; None if none.
    background : PyTensor vector or None
        Factor of each of ``seen.noise.backgrounds``; None if there is none.
    student_t_degrees : float or None
        Degrees of freedom of the residuals, > 2; None where they are normal.

    References
    ----------
    Beal, J Pharmacokinet Pharmacodyn 2001;28:481 (M3). Lange et al., J Am Stat Assoc
    1989;84:881 (Student's t).

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> posterior = worked_example.posterior()
    >>> seen, additive = posterior.observations, posterior.additive
    >>> with pm.Model() as model:
    ...     noise = pt.constant([0.1])
    ...     data = measured_rows(seen, additive)
    ...     expected = pt.constant(seen.value)
    ...     add_likelihood(seen, additive, data, expected, noise, None,
    ...                    student_t_degrees=None)
    >>> [variable.name for variable in model.observed_RVs]
    ['log_value']
    """
    rows = rows_of_terms(seen, additive)
    model: Any = pm.modelcontext(None)
    for name, found in rows.items():
        model.add_coord(f"{name}_row", found.tolist())
    spread = _relative_spread(seen, noise)
    solved: Any = pt.isfinite(predicted)
    used = np.unique(seen.floor[additive])
    for name, measured, limited in (
        ("log_value", LOG_VALUE, False),
        ("log_value_below", LOG_LIMIT, True),
    ):
        if name in rows:
            at = rows[name]
            positive = solved[at] & (predicted[at] > 0.0)
            centre = pt.log(pt.switch(positive, predicted[at], 1.0))
            known = positive
            if limited:  # nothing is below every limit
                centre = pt.switch(pt.eq(predicted[at], 0.0), -np.inf, centre)
                known = solved[at] & (predicted[at] >= 0.0)
            values = pm.Data(measured, data[measured])
            _add_residuals(
                name, centre, spread[at], known, values, limited, student_t_degrees
            )
    for name, measured, sd, limited in (
        ("value", VALUE, SD, False),
        ("value_below", LIMIT, LIMIT_SD, True),
    ):
        if name in rows:
            at = rows[name]
            centre = pt.switch(solved[at], predicted[at], 0.0)
            floors = floor[np.searchsorted(used, seen.floor[at])]
            stated: Any = pm.Data(sd, data[sd])
            variance = floors**2 + (spread[at] * centre) ** 2 + stated**2
            values = pm.Data(measured, data[measured])
            _add_residuals(
                name,
                centre,
                pt.sqrt(variance),
                solved[at],
                values,
                limited,
                student_t_degrees,
            )
    if "counts" in rows:
        _add_counts(seen, rows["counts"], data, predicted, spread, background)


def _relative_spread(seen: Observations, noise: Any) -> Any:
    """Return the relative noise of each row, of its own sample included.

    Counts that are not overdispersed have none but their sample's.
    """
    noisy = noisy_modalities(seen.noise, seen.modalities, seen.modality)
    place = [noisy.index(name) + 1 if name in noisy else 0 for name in seen.modalities]
    by_modality: Any = pt.concatenate([pt.zeros(1), noise]) if noisy else pt.zeros(1)
    of_rows = np.where(seen.noise.noisy, np.array(place)[seen.modality], 0)
    spread: Any = by_modality[of_rows]
    own = seen.noise.own_log_sd
    return pt.sqrt(spread**2 + own**2) if own.any() else spread


def _add_residuals(
    name: str,
    centre: Any,
    spread: Any,
    solved: Any,
    values: Any,
    limited: bool,
    degrees: float | None,
) -> None:
    """Add rows of one kind of residual; no density where `solved` is False."""
    centre, dims = pt.switch(solved, centre, np.inf), f"{name}_row"
    if limited:
        pm.CustomDist(
            name,
            centre,
            spread,
            values,
            logp=partial(_log_below, degrees=degrees),
            random=partial(draw_censored, degrees=degrees),
            observed=values,
            dims=dims,
        )
    elif degrees is None:
        pm.Normal(name, mu=centre, sigma=spread, observed=values, dims=dims)
    else:
        pm.StudentT(
            name,
            nu=np.array(degrees),
            mu=centre,
            sigma=spread,
            observed=values,
            dims=dims,
        )


def _log_below(
    limit: Any, centre: Any, spread: Any, _: Any, *, degrees: float | None
) -> Any:
    return log_probability_below(limit, centre, spread, degrees)


def _add_counts(
    seen: Observations,
    at: np.ndarray,
    data: Mapping[str, np.ndarray],
    predicted: Any,
    spread: Any,
    background: Any,
) -> None:
    noise = seen.noise
    signal = noise.counts_per_MBq[at] * predicted[at]
    behind: Any = noise.background[at]
    if noise.backgrounds:
        factors: Any = pt.concatenate([pt.ones(1), background])
        behind = behind * factors[noise.background_factor[at]]
    mean = signal + behind
    mean = pt.switch(pt.isfinite(mean) & (mean >= 0.0), mean, np.inf)
    scattered = ~noise.poisson[at]
    extra = pt.switch(scattered, (spread[at] * signal) ** 2, 0.0)
    pm.CustomDist(
        "counts",
        mean,
        extra,
        logp=log_count_probability,
        random=draw_counts,
        dtype="int64",
        observed=pm.Data(COUNTS, data[COUNTS]),
        dims="counts_row",
    )
