"""Anchoring: coordinates in which sparse data do not make a funnel.

Where a region was scanned once, its value fixes the amount A_i = c f_i g_i taken up
(fraction f_i, response g_i, calibration c) to within the noise b, and b is itself
unknown: the posterior is a funnel, in which a sampler with one step size gets stuck.
Here the coordinate of f_i is the residual of one value, its anchor,

    ln f_i = ln y_i - ln(c g_i) + s_i e_i,
    s_i^2 = b^2 + b0^2 + (a^2 + sd_i^2) / y_i^2,

so that e_i is nearly standard normal whatever the noise, the kinetics and the
calibration are; a free calibration factor likewise. The posterior is untouched: the
determinant enters the density.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pymc as pm
from pymc.sampling.jax import get_jaxified_graph

from pkmodels.fitting.posterior import (
    CALIBRATION,
    EXPECTED,
    FLOOR,
    NOISE,
    ODDS,
    Posterior,
    add_distribution,
    form_of,
    measured_data,
)
from pkmodels.fitting.priors import on_sampling_scale, sampling_scale_sd
from pkmodels.fitting.sampling import Coordinates, Problem

# A factor less certain than this is anchored, too (a factor of e either way).
_FREE_LOG_SD = 1.0
_NOISE_SPREAD = 0.5
# Of a distribution of the user's own, about where PyMC starts it.
_OWN_SPREAD = 0.5


class Anchors(NamedTuple):
    """The anchors of some coordinates, as run-time arrays.

    Attributes
    ----------
    row : (n_anchors,) array of int
        Of the measurements.
    log_value : (n_anchors,) array
        ln y of each anchor.
    relative_variance : (n_anchors,) array
        b0^2 + sd^2 / y^2.
    floor : (n_anchors, n_floor) array
        1 / y^2 in the column of the anchor's floor, else 0.
    """

    row: Any
    log_value: Any
    relative_variance: Any
    floor: Any


def choose_anchors(posterior: Posterior) -> tuple[dict[int, int], dict[int, int]]:
    """Return the anchor row of each uptake fraction and of each free factor.

    Parameters
    ----------
    posterior : Posterior
        What is fitted; each fraction's name ends with the region that it feeds.

    Returns
    -------
    fractions, factors : dict of int to int
        Row by index of the fraction or of the calibration factor. A fraction whose
        region has no positive value of a known scale has none.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> choose_anchors(worked_example.posterior())  # no uptake fraction, no factor
    ({}, {})
    """
    seen = posterior.observations
    free = {
        j
        for j, (_, prior) in enumerate(seen.calibrations)
        if prior.parameters["log_sd"] >= _FREE_LOG_SD
    }
    # A limit or a number of counts is no estimate of what the model expects; a value
    # with a share of what lies over its region is not in proportion to the fraction.
    plain, alone = seen.noise.plain, seen.overlap == 0
    factor_of = seen.calibration - 1
    scaled = plain & alone & np.array([factor not in free for factor in factor_of])
    factors = {
        j: _middle(np.flatnonzero(plain & (factor_of == j)), seen.value) for j in free
    }
    fractions = {}
    for i, name in enumerate(posterior.priors.odds):
        region = next((r for r in seen.regions if name == f"fraction_{r}"), None)
        if region is None:
            continue
        rows = np.flatnonzero(scaled & (seen.region == seen.regions.index(region)))
        fractions[i] = _middle(rows, seen.value)
    return (
        {i: row for i, row in fractions.items() if row is not None},
        {j: row for j, row in factors.items() if row is not None},
    )


def fit_form(posterior: Posterior) -> str:
    """Return what a compiled fit serves: the posterior's form, and what has an anchor.

    Whether a coordinate has an anchor hangs on the measured values; which of them it
    is does not matter.

    Parameters
    ----------
    posterior : Posterior
        Model, priors, measurements.

    Returns
    -------
    str

    Examples
    --------
    >>> from dataclasses import replace
    >>> from pkmodels.fitting import worked_example
    >>> example = worked_example.posterior()
    >>> seen = example.observations
    >>> higher = replace(example, observations=replace(seen, value=2.0 * seen.value))
    >>> fit_form(higher) == fit_form(example)
    True
    """
    if posterior.saturates:
        return form_of(posterior)
    return form_of(posterior) + repr([list(x) for x in choose_anchors(posterior)])


def _middle(rows: np.ndarray, values: np.ndarray) -> int | None:
    """Return the row of the middle one of the positive values, by size."""
    positive = rows[values[rows] > 0.0]
    if positive.size == 0:
        return None
    return int(positive[np.argsort(values[positive])[positive.size // 2]])


def anchored(posterior: Posterior, model: pm.Model) -> Coordinates:
    """Return the coordinates of a posterior for `compile_sampler`.

    Parameters
    ----------
    posterior : Posterior
        What is fitted; posteriors of the same form share the coordinates.
    model : pymc.Model
        From `build_model`.

    Returns
    -------
    callable
        ``(position, (fractions, factors)) -> (unconstrained, log_determinant)``, with
        `Anchors` of the fractions and of the free factors.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> from pkmodels.fitting.posterior import build_model
    >>> posterior = worked_example.posterior()
    >>> move = anchored(posterior, build_model(posterior))
    >>> position, arrays = jnp.zeros(2), problem_of(posterior).coordinates
    >>> float(move(position, arrays)[1])  # nothing is anchored here
    0.0
    """
    seen = posterior.observations
    begin, stop = _slices(posterior)
    fractions, factors = choose_anchors(posterior)
    odds_at = np.array([begin[ODDS] + i for i in fractions], dtype=int)
    factors_at = np.array([begin.get(CALIBRATION, 0) + j for j in factors], dtype=int)
    log_expected = _log_expected(model)
    noise_of = [
        posterior.noisy.index(m) if m in posterior.noisy else 0 for m in seen.modalities
    ]
    noise_at = jnp.array(noise_of)[seen.modality]

    def spread(position: Any, anchors: Anchors) -> Any:
        noise = position[begin[NOISE] : stop[NOISE]][noise_at[anchors.row]]
        floor = position[begin[FLOOR] : stop[FLOOR]] if FLOOR in begin else jnp.zeros(0)
        variance = jnp.exp(2.0 * noise) + anchors.floor @ jnp.exp(2.0 * floor)
        return jnp.sqrt(variance + anchors.relative_variance)

    def move(position: Any, arrays: Any) -> tuple[Any, Any]:
        of_fractions, of_factors = arrays
        unconstrained, log_determinant = position, jnp.zeros(())
        if odds_at.size:
            size = spread(position, of_fractions)
            # With these odds at 1 each, the fraction of every anchored one is known.
            reference = position.at[odds_at].set(0.0)
            others = jnp.exp(reference[begin[ODDS] : stop[ODDS]])
            log_reference = -jnp.log1p(jnp.sum(others))
            missing = of_fractions.log_value - log_expected(reference)[of_fractions.row]
            log_fraction = log_reference + missing + size * position[odds_at]
            plain = jnp.sum(others) - odds_at.size
            remainder = (1.0 - jnp.sum(jnp.exp(log_fraction))) / (1.0 + plain)
            log_odds = log_fraction - jnp.log(remainder)
            unconstrained = position.at[odds_at].set(log_odds)
            total = jnp.sum(jnp.exp(log_fraction))
            log_determinant = jnp.sum(jnp.log(size)) - jnp.log1p(-total)
        if factors_at.size:
            size = spread(position, of_factors)
            reference = unconstrained.at[factors_at].set(0.0)
            missing = of_factors.log_value - log_expected(reference)[of_factors.row]
            log_factor = missing + size * position[factors_at]
            unconstrained = unconstrained.at[factors_at].set(log_factor)
            log_determinant = log_determinant + jnp.sum(jnp.log(size))
        return unconstrained, log_determinant

    return move


def _slices(posterior: Posterior) -> tuple[dict[str, int], dict[str, int]]:
    """Return where each variable begins and stops in a position."""
    sizes = {name: len(group) for name, group in posterior.all_priors.items()}
    ends = np.cumsum(list(sizes.values())).tolist()
    stop = dict(zip(sizes, ends, strict=True))
    return {name: stop[name] - size for name, size in sizes.items()}, stop


def _log_expected(model: pm.Model) -> Callable[[Any], Any]:
    """Return ln(c f) of each row as a function of the unconstrained vector."""
    (graph,) = model.replace_rvs_by_values([model[EXPECTED]])
    function: Any = get_jaxified_graph(inputs=model.value_vars, outputs=[graph])
    point = model.initial_point()
    cuts = np.cumsum([np.size(point[str(v.name)]) for v in model.value_vars])[:-1]
    return lambda position: jnp.log(function(*jnp.split(position, cuts))[0])


def problem_of(posterior: Posterior) -> Problem:
    """Return what one run of the anchored sampler of a posterior is given.

    Parameters
    ----------
    posterior : Posterior
        What is fitted.

    Returns
    -------
    Problem
        The chains start within a prior sd of the priors' medians, anchored
        coordinates within one sd of their anchor.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> problem_of(worked_example.posterior()).centre.round(2)  # ln 60 h, ln 0.05
    array([ 4.09, -3.  ])
    """
    fractions, factors = choose_anchors(posterior)
    centre: list[float] = []
    spread: list[float] = []
    for variable, group in posterior.all_priors.items():
        held = {ODDS: fractions, CALIBRATION: factors}.get(variable, {})
        for i, prior in enumerate(group.values()):
            if variable in (NOISE, FLOOR):
                centre.append(np.log(prior.parameters["scale"] / 2.0))
                spread.append(_NOISE_SPREAD)
            else:
                median = on_sampling_scale(prior, np.array(prior.parameters["median"]))
                centre.append(0.0 if i in held else float(median))
                spread.append(1.0 if i in held else sampling_scale_sd(prior))
    if posterior.distributions:
        model = pm.Model()
        for name, distribution in posterior.distributions.items():
            add_distribution(model, name, distribution)
        starts = [float(x) for x in model.initial_point().values()]
        centre, spread = centre + starts, spread + [_OWN_SPREAD] * len(starts)
    arrays = (_arrays(posterior, fractions), _arrays(posterior, factors))
    return Problem(measured_data(posterior), arrays, np.array(centre), np.array(spread))


def _arrays(posterior: Posterior, anchors: dict[int, int]) -> Anchors:
    seen, additive = posterior.observations, posterior.additive
    rows = np.array(list(anchors.values()), dtype=int)
    value = seen.value[rows]
    stated = np.where(additive, np.nan_to_num(seen.sd, nan=0.0), 0.0)[rows]
    used = np.unique(seen.floor[additive])
    floor = np.zeros((rows.size, len(posterior.all_priors.get(FLOOR, {}))))
    for k, row in enumerate(rows):
        if additive[row]:
            floor[k, np.searchsorted(used, seen.floor[row])] = 1.0 / value[k] ** 2
    least = posterior.minimum_noise**2
    return Anchors(rows, np.log(value), least + (stated / value) ** 2, floor)
