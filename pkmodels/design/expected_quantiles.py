"""Expected quantiles: what a cautious choice will be, on average, after one more scan.

A draw of the fit is taken for the truth, the scan is made of it, and all other draws
are weighted by how well they agree with it; the quantile of the weighted draws is what
would be chosen then. Its mean over many truths is what is expected. The scan is
summed up by the best linear estimate of ln q, which loses a little of what it tells and
leaves one number to agree with, so that the weights stay those of many draws.
"""

from dataclasses import dataclass

import numpy as np

from pkmodels.design.another_scan import check_draws
from pkmodels.errors import InputError

# Weights of fewer draws say little of a quantile in a tail.
_LEAST_SIZE = 100.0


@dataclass(frozen=True)
class ExpectedQuantile:
    """A quantile as it is, and as it is expected to be after one more scan.

    Parameters
    ----------
    now : float
        Of the draws.
    then : float
        Expected.
    standard_error : float
        Of `then`, of how many truths were tried.
    effective_draws : float
        What the weights of a typical truth are worth.
    """

    now: float
    then: float
    standard_error: float
    effective_draws: float


def expected_quantile(
    log_values: np.ndarray,
    variance: np.ndarray,
    quantity: np.ndarray,
    probability: float,
    *,
    truths: int,
    seed: int,
) -> ExpectedQuantile:
    """Return the quantile of a quantity that is expected after one more scan.

    E_y [ quantile_p(q | y) ], y = b'(ln values + scatter), b the weights of the best
    linear estimate of ln q.

    Parameters
    ----------
    log_values : (n_draws, n_regions) array
        ln of what the scan would show, but for its scatter.
    variance : (n_draws, n_regions) array
        Of the scatter, of ln, > 0.
    quantity : (n_draws,) array
        q, > 0: an activity (GBq) or a dose (Gy).
    probability : float
        Of the quantile, in (0, 1).
    truths : int
        How many draws are taken for the truth, >= 2.
    seed : int
        Repeats it exactly, >= 0.

    Returns
    -------
    ExpectedQuantile

    Raises
    ------
    InputError
        When shapes differ, a number is out of range, the quantity is 0 in a draw, there
        are fewer than 100 draws, or the scan tells so much that the weights leave too
        few.

    References
    ----------
    Menzies, Med Decis Making 2016;36:308 (draws weighted by the likelihood of data that
    were simulated from another draw); Fearnhead and Prangle, J R Stat Soc B
    2012;74:419 (an estimate as the summary of data).

    Examples
    --------
    ln q is standard normal and the scan shows it with as much scatter: its sd shrinks
    to sqrt(1/2), so that the 5 % quantile is expected at exp(1/4 - 1.645 sqrt(1/2)).

    >>> x = np.random.default_rng(0).standard_normal(4000)
    >>> found = expected_quantile(
    ...     x[:, None], np.ones((4000, 1)), np.exp(x), 0.05, truths=400, seed=1)
    >>> truth = np.exp(0.25 - 1.645 * np.sqrt(0.5))
    >>> round(float(truth), 2), bool(abs(found.then - truth) < 0.04)
    (0.4, True)
    """
    check_draws(quantity, log_values[:, None], variance.mean(axis=0)[None])
    if variance.shape != log_values.shape:
        raise InputError(
            f"the variances are {variance.shape}: give one of each draw and region, "
            f"{log_values.shape}"
        )
    if not 0.0 < probability < 1.0 or truths < 2:
        raise InputError(
            f"probability {probability:g} and {truths} truths: give 0 < probability < "
            "1, and 2 truths at least"
        )
    if not (quantity > 0.0).all():
        raise InputError("the quantity is 0 in some draws: give one above 0 for each")
    seen, scatter = _summary(log_values, variance, np.log(quantity))
    if not scatter.any():
        # The scan goes with nothing of q.
        same = _quantile(np.sort(quantity), np.ones(len(seen)), probability)
        return ExpectedQuantile(same, same, 0.0, float(len(seen)))
    generator = np.random.default_rng(seed)
    order = np.argsort(quantity)
    ascending, seen, scatter = quantity[order], seen[order], scatter[order]
    # One of each slice of the draws, so that few truths stand for all.
    places = (np.arange(truths) + generator.random(truths)) / truths * len(order)
    found, sizes = np.empty(truths), np.empty(truths)
    for n, i in enumerate(places.astype(int)):
        shown = seen[i] + np.sqrt(scatter[i]) * generator.standard_normal()
        log_weight = -0.5 * ((shown - seen) ** 2 / scatter + np.log(scatter))
        # The truth itself, or a copy of it, agrees too well.
        log_weight[seen == seen[i]] = -np.inf
        weight = np.exp(log_weight - log_weight.max())
        sizes[n] = weight.sum() ** 2 / (weight @ weight)
        found[n] = _quantile(ascending, weight, probability)
    typical = float(np.median(sizes))
    if typical < _LEAST_SIZE:
        raise InputError(
            f"one more scan tells so much that {typical:.0f} of {len(order)} draws are "
            "left to agree with it: what is safe after it is not known from these draws"
        )
    error = float(np.std(found, ddof=1) / np.sqrt(truths))
    now = _quantile(ascending, np.ones(len(order)), probability)
    return ExpectedQuantile(now, float(found.mean()), error, typical)


def _summary(
    log_values: np.ndarray, variance: np.ndarray, log_quantity: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the best linear estimate of ln q in each draw, and its scatter."""
    away = log_values - log_values.mean(axis=0)
    about = log_quantity - log_quantity.mean()
    spread = away.T @ away / (len(away) - 1) + np.diag(variance.mean(axis=0))
    weights = np.linalg.solve(spread, away.T @ about / (len(away) - 1))
    return away @ weights, variance @ weights**2


def _quantile(ascending: np.ndarray, weight: np.ndarray, probability: float) -> float:
    """Return a quantile of weighted values, linear between the middles of weights."""
    total = np.cumsum(weight)
    return float(np.interp(probability * total[-1], total - 0.5 * weight, ascending))
