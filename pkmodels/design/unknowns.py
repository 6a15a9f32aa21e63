"""Unknowns: the parameters of a model on the scale on which their priors are normal."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from scipy.special import logit

from pkmodels.errors import InputError
from pkmodels.values import Family, PriorSet


@dataclass(frozen=True, eq=False)
class Unknowns:
    """The coordinates u of a model's parameters, whose priors are normal.

    u = ln x of a log-normal, logit x of a logit-normal, ln of the odds of a member of a
    simplex, whose fraction is odds_i / (1 + sum odds).

    Parameters
    ----------
    names : tuple of str
        Parameters, in the order of the model's vector.
    centre, sd : (n,) arrays
        Mean and sd of each coordinate under its prior.
    fraction : (n,) array of bool
        Which are logits.
    odds : (n,) array of bool
        Which are odds of one simplex.
    """

    names: tuple[str, ...]
    centre: np.ndarray
    sd: np.ndarray
    fraction: np.ndarray
    odds: np.ndarray

    def draw(self, count: int, seed: int) -> np.ndarray:
        """Return draws of the priors, (count, n), on the scale of the coordinates."""
        if count < 1:
            raise InputError(f"{count} draws: give 1 at least")
        generator = np.random.default_rng(seed)
        away = generator.standard_normal((count, len(self.names)))
        return self.centre + self.sd * away

    def parameters(self, at: Any) -> Any:
        """Return the model's parameters at coordinates, (..., n), as JAX arrays."""
        grown = jnp.exp(jnp.asarray(at))
        total = 1.0 + jnp.sum(jnp.where(self.odds, grown, 0.0), axis=-1, keepdims=True)
        share = jnp.where(self.odds, grown / total, grown)
        return jnp.where(self.fraction, grown / (1.0 + grown), share)


def unknowns_of(priors: PriorSet, parameters: tuple[str, ...]) -> Unknowns:
    """Return the coordinates of a model's parameters.

    Parameters
    ----------
    priors : PriorSet
        A log-normal or logit-normal prior of each.
    parameters : tuple of str
        In the order of the model's vector.

    Returns
    -------
    Unknowns

    Raises
    ------
    ModelError
        When a parameter has no prior, or a prior no parameter.
    InputError
        When a prior is half-normal, or one of odds not log-normal.

    Examples
    --------
    >>> from pkmodels.values import Certainty, log_normal
    >>> wide = log_normal(60.0, 1.0, "h", "wide", Certainty.JUDGEMENT)
    >>> found = unknowns_of(PriorSet({"half_life": wide}, {}), ("half_life",))
    >>> round(float(found.parameters(found.centre)[0]), 6)
    60.0
    """
    priors.check(parameters)
    centre, sd, fraction, odds = [], [], [], []
    for name in parameters:
        prior = priors.odds.get(name) or priors.independent[name]
        logged = prior.family is Family.LOGIT_NORMAL
        of_whole = name in priors.odds
        if prior.family is Family.HALF_NORMAL or (logged and of_whole):
            raise InputError(
                f"the prior of {name} is {prior}: a design needs a log-normal, or of a "
                "fraction a logit-normal one"
            )
        median = prior.parameters["median"]
        centre.append(logit(median) if logged else np.log(median))
        sd.append(prior.parameters["logit_sd" if logged else "log_sd"])
        fraction.append(logged)
        odds.append(of_whole)
    return Unknowns(
        parameters,
        np.array(centre, float),
        np.array(sd, float),
        np.array(fraction, bool),
        np.array(odds, bool),
    )


def quantity_slopes(
    unknowns: Unknowns,
    points: np.ndarray,
    quantity: Callable[[np.ndarray], np.ndarray],
    step: float = 1e-3,
) -> np.ndarray:
    """Return d ln q / du of a positive quantity, by central differences.

    Parameters
    ----------
    unknowns : Unknowns
        The coordinates.
    points : (m, n) array
        Where.
    quantity : callable
        ``quantity(parameters) -> (k,)``, > 0, of (k, n) parameters, all at once: a
        TIAC (h) or a dose (Gy).
    step : float
        In sd of each prior: above a solver's error, far below the bend of a curve.

    Returns
    -------
    (m, n) array

    Raises
    ------
    InputError
        When the quantity is not a number above 0 for each.

    Examples
    --------
    >>> from pkmodels.values import Certainty, log_normal
    >>> wide = log_normal(60.0, 1.0, "h", "wide", Certainty.JUDGEMENT)
    >>> one = unknowns_of(PriorSet({"half_life": wide}, {}), ("half_life",))
    >>> rate = lambda parameters: np.log(2.0) / parameters[:, 0]
    >>> print(quantity_slopes(one, one.centre[None], rate).round(6))
    [[-1.]]
    """
    count, size = points.shape
    away = np.diag(step * unknowns.sd)
    shifted = np.stack([points[:, None] + away, points[:, None] - away])
    flat = np.asarray(unknowns.parameters(shifted.reshape(-1, size)))
    values = np.asarray(quantity(flat), float)
    if values.shape != (len(flat),) or not (np.isfinite(values) & (values > 0.0)).all():
        raise InputError(
            f"the quantity is {np.ravel(values)[:3]} (shape {values.shape}) at "
            f"{len(flat)} parameter sets: it must be one finite number above 0 for each"
        )
    above, below = np.log(values).reshape(2, count, size)
    return (above - below) / (2.0 * step * unknowns.sd)
