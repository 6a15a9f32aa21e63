"""Bridges: the density of values left out, from a fit without them and one with them.

The fit without a group of values says p(y_g | y_-g) = mean of p(y_g | x) over its
draws, of which few may count. The fit with them says the same of 1 / p(y_g | x). A
bridge takes both at once, and its error is the least that these draws allow.
"""

from dataclasses import dataclass
from typing import Any

import arviz
import numpy as np
from scipy.special import expit

from pkmodels.errors import InputError

# It types what it exports too narrowly.
az: Any = arviz
_MOST_ROUNDS, _CLOSE = 1000, 1e-10


@dataclass(frozen=True)
class Bridged:
    """ln p(y_g | y_-g), and how well it is known.

    Parameters
    ----------
    elpd : float
        ln of the predictive density.
    monte_carlo_error : float
        Its standard error from the number of draws, in nats.
    effective_size : float
        Draws of the fit without the group that count in the plain mean of p(y_g | x):
        (sum w)^2 / sum w^2.
    """

    elpd: float
    monte_carlo_error: float
    effective_size: float


def bridge(
    without: np.ndarray,
    whole: np.ndarray,
    most: tuple[float, float] = (np.inf, np.inf),
) -> Bridged:
    """Join two fits' densities of a group of values.

    With p = p(y_g | x), n_1 draws x of the fit without the group and n_2 of the whole,
    each counted by what it is worth, r = p(y_g | y_-g) solves

        r = mean_1(p / (n_1 r + n_2 p)) / mean_2(1 / (n_1 r + n_2 p)).

    Parameters
    ----------
    without : (n_chains, n_draws) array
        ln p(y_g | x) of draws of the fit that has not seen the group.
    whole : (n_chains, n_draws) array
        The same of draws of the fit that has.
    most : (float, float)
        What the draws of each are worth at most: those that were resampled by weight
        look independent, and are not.

    Returns
    -------
    Bridged

    Raises
    ------
    InputError
        When the group is impossible under every draw of one fit, or under one of the
        whole fit's.

    References
    ----------
    Meng and Wong, Statistica Sinica 1996;6:831 (the bridge and its optimum);
    Fruehwirth-Schnatter, Econometrics Journal 2004;7:143 (its error, with correlated
    draws).

    Examples
    --------
    A value 2 of Normal(x, 1) where x | y_-g is Normal(0, 1), x | y Normal(1, 1 / 2).

    >>> generator = np.random.default_rng(0)
    >>> def log_density(x):
    ...     return -0.5 * (2.0 - x) ** 2 - 0.5 * np.log(2.0 * np.pi)
    >>> found = bridge(log_density(generator.standard_normal((4, 500))),
    ...                log_density(1.0 + generator.standard_normal((4, 500)) / 2**0.5))
    >>> round(found.elpd, 1), found.monte_carlo_error < 0.03  # ln N(2; 0, 2) = -2.266
    (-2.3, True)
    """
    if not np.isfinite(whole).all() or not np.isfinite(without).any():
        raise InputError(
            "the values left out are impossible under some draws: look at their noise"
        )
    without = np.where(np.isnan(without), -np.inf, without)
    top = float(without.max())
    weights = np.exp(without - top)
    count = (
        _worth(weights, most[0]),
        _worth(np.exp(whole - float(whole.max())), most[1]),
    )
    odds = float(np.log(count[1]) - np.log(count[0]))
    found = top + float(np.log(weights.mean()))
    for _ in range(_MOST_ROUNDS):
        # n_2 p / (n_1 r + n_2 p) and n_1 r / (n_1 r + n_2 p): neither overflows.
        upper = expit(without - found + odds).mean()
        lower = expit(-(whole - found + odds)).mean()
        change = float(np.log(upper) - np.log(lower)) - odds
        found += change
        if abs(change) < _CLOSE:
            break
    variance = sum(
        _relative_variance(each, limit)
        for each, limit in zip(
            (expit(without - found + odds), expit(-(whole - found + odds))),
            most,
            strict=True,
        )
    )
    size = float(weights.sum() ** 2 / (weights**2).sum())
    return Bridged(found, float(np.sqrt(variance)), size)


def _worth(values: np.ndarray, most: float) -> float:
    """Return how many independent draws tell as much of a mean."""
    if np.ptp(values) == 0.0:
        return min(float(values.size), most)
    return min(float(az.ess(values, method="mean")), most)


def _relative_variance(values: np.ndarray, most: float) -> float:
    variance = float(values.var(ddof=1)) / float(values.mean()) ** 2
    return variance / _worth(values, most)
