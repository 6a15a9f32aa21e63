"""Visual predictive checks: quantiles of values beside those of simulated ones."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pkmodels.errors import InputError, suggest
from pkmodels.population.conditional import local_at
from pkmodels.population.estimation import PopulationFit
from pkmodels.population.simulation import simulate_values


@dataclass(frozen=True, eq=False)
class PredictiveCheck:
    """Quantiles of an observable by time, measured and simulated.

    Parameters
    ----------
    observable : str
        Of what.
    is_prediction_corrected : bool
        Whether values are scaled to their bin's median typical prediction.
    levels : (n_levels,) array
        Levels of the quantiles.
    confidence : float
        Of the bands: equal-tailed, over the replicates.
    edges_h : (n_bins + 1,) array
        Where bins begin and end, h; a value at an edge is of the bin above.
    middle_h : (n_bins,) array
        Median time of the values in each bin, h.
    counts : (n_bins,) array of int
        How many values are in each.
    observed : (n_levels, n_bins) array
        Quantiles of the values.
    low, median, high : (n_levels, n_bins) arrays
        Band and median of the same quantiles of each replicate.
    times_h, values : (n,) arrays
        The values themselves, corrected where the check is.
    """

    observable: str
    is_prediction_corrected: bool
    levels: np.ndarray
    confidence: float
    edges_h: np.ndarray
    middle_h: np.ndarray
    counts: np.ndarray
    observed: np.ndarray
    low: np.ndarray
    median: np.ndarray
    high: np.ndarray
    times_h: np.ndarray
    values: np.ndarray

    @property
    def fraction_within(self) -> float:
        """Share of the observed quantiles that lie within their bands."""
        inside = (self.observed >= self.low) & (self.observed <= self.high)
        return float(inside.mean())


def visual_predictive_check(
    fit: PopulationFit,
    observable: str,
    *,
    bins: int | Sequence[float],
    replicates: int,
    seed: int,
    levels: Sequence[float] = (0.05, 0.5, 0.95),
    confidence: float = 0.95,
    prediction_corrected: bool = False,
    simulated: np.ndarray | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> PredictiveCheck:
    """Compare quantiles of the values with those of simulated subjects.

    Prediction-corrected, each value is y_ij med(PRED in its bin) / PRED_ij, which takes
    out what doses and covariates explain: Bergstrand et al., AAPS J 2011;13:143-151.

    Parameters
    ----------
    fit : PopulationFit
        The fit.
    observable : str
        Of what.
    bins : int or sequence of float
        At most so many bins of about as many values each, cut between distinct times,
        or their edges, h.
    replicates, seed, progress
        As of `simulate_values`; 2 / (1 - confidence) replicates or more, for one
        beyond each end of a band.
    levels : sequence of float
        Levels of the quantiles, between 0 and 1, both excluded.
    confidence : float
        Of the bands, between 0 and 1, both excluded.
    prediction_corrected : bool
        Whether to correct.
    simulated : array or None
        What `simulate_values` returned, to use again; `replicates` and `seed` are then
        without effect.

    Returns
    -------
    PredictiveCheck

    Raises
    ------
    InputError
        When the observable is unknown, a level or the confidence is none, replicates
        are too few for the bands, a bin is empty or a value in none, or what is
        predicted is 0 where it is to be corrected.

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> check = visual_predictive_check(
    ...     worked_example.fitted(), "plasma", bins=3, replicates=100, seed=1)
    >>> check.counts.tolist(), check.fraction_within
    ([12, 12, 12], 1.0)
    """
    made, names = fit.predictor.arrangement, list(fit.model.residual)
    if observable not in names:
        raise InputError(f"no values of {observable!r}: {suggest(observable, names)}")
    _check_bands(levels, confidence)
    count = replicates if simulated is None else len(simulated)
    # Rounded, since 2 / (1 - 0.95) is 39.99... or 40.00... by chance.
    needed = math.ceil(round(2.0 / (1.0 - confidence), 6))
    if count < needed:
        raise InputError(
            f"{count} replicates: bands of {confidence:.10g} need {needed} or more, "
            "and are smooth from some 1000"
        )
    if simulated is None:
        simulated = simulate_values(fit, replicates, seed=seed, progress=progress)
    kept = made.is_value & (made.error == names.index(observable))
    is_log = bool(made.is_log[kept].all())
    times, values, draws = made.times_h[kept], made.values[kept], simulated[:, kept]
    if is_log:
        values, draws = np.exp(values), np.exp(draws)
    edges = _edges(times, bins)
    place = _places(times, edges, observable)
    counts = np.bincount(place, minlength=len(edges) - 1)
    if prediction_corrected:
        factor = _correction(fit, kept, place, is_log)
        values, draws = values * factor, draws * factor
    tails = ((1.0 - confidence) / 2.0, 0.5, (1.0 + confidence) / 2.0)
    observed = np.empty((len(levels), len(counts)))
    bands = np.empty((3, *observed.shape))
    for n in range(len(counts)):
        observed[:, n] = np.quantile(values[place == n], levels)
        each = np.quantile(draws[:, place == n], levels, axis=1)
        bands[:, :, n] = np.quantile(each, tails, axis=1)
    return PredictiveCheck(
        observable=observable,
        is_prediction_corrected=prediction_corrected,
        levels=np.array(levels),
        confidence=confidence,
        edges_h=edges,
        middle_h=np.array([np.median(times[place == n]) for n in range(len(counts))]),
        counts=counts,
        observed=observed,
        low=bands[0],
        median=bands[1],
        high=bands[2],
        times_h=times,
        values=values,
    )


def _check_bands(levels: Sequence[float], confidence: float) -> None:
    for what, values in (("levels", levels), ("confidence", [confidence])):
        if not len(values) or not all(0.0 < value < 1.0 for value in values):
            raise InputError(
                f"{what} of a predictive check: {', '.join(map(str, values)) or 'none'}"
                "; give shares between 0 and 1, both excluded, as 0.95"
            )


def _places(times: np.ndarray, edges: np.ndarray, observable: str) -> np.ndarray:
    """Return the bin of each value; one at the last edge is of the last bin."""
    outside = (times < edges[0]) | (times > edges[-1])
    if outside.any():
        raise InputError(
            f"{int(outside.sum())} values of {observable} lie outside of the bins, "
            f"which go from {edges[0]:g} to {edges[-1]:g} h: the values go from "
            f"{times.min():g} to {times.max():g} h; widen the bins"
        )
    place = np.searchsorted(edges, times, side="right") - 1
    place = np.where(times == edges[-1], len(edges) - 2, place)
    empty = np.flatnonzero(np.bincount(place, minlength=len(edges) - 1) == 0)
    if len(empty):
        first = int(empty[0])
        raise InputError(
            f"no value of {observable} lies between {edges[first]:g} and "
            f"{edges[first + 1]:g} h: take out one of these two edges"
        )
    return place


def _edges(times: np.ndarray, bins: int | Sequence[float]) -> np.ndarray:
    """Return edges given, or those between distinct times that share values evenly."""
    if not isinstance(bins, int | np.integer):
        edges = np.array(bins, np.float64)
        if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0.0).all():
            raise InputError(
                f"edges of bins {bins}: give two or more times (h), ascending"
            )
        return edges
    if bins < 1:
        raise InputError(f"{bins} bins: give 1 or more, or their edges, h")
    distinct, counts = np.unique(times, return_counts=True)
    if len(distinct) < 2:
        raise InputError(f"all times are {times[0]:g} h: give edges of bins")
    below = np.cumsum(counts)[:-1]
    wanted = len(times) * np.arange(1, bins) / bins
    cuts = np.unique([np.argmin(np.abs(below - share)) for share in wanted]).astype(int)
    between = (distinct[cuts] + distinct[cuts + 1]) / 2.0
    return np.concatenate([distinct[:1], between, distinct[-1:]])


def _correction(
    fit: PopulationFit, kept: np.ndarray, place: np.ndarray, is_log: bool
) -> np.ndarray:
    start = np.zeros_like(fit.modes.local.effects)
    typical = local_at(fit.predictor, fit.estimates, start, 0).prediction.values[kept]
    typical = np.exp(typical) if is_log else typical
    middle = np.array([np.median(typical[place == n]) for n in range(place.max() + 1)])
    # What is 0 in every subject, as before absorption, needs no correction.
    nothing = (typical == 0.0) & (middle[place] == 0.0)
    if ((typical <= 0.0) & ~nothing).any():
        raise InputError(
            "what is predicted at a value is not above 0, so that it cannot be "
            "corrected: give edges of bins that keep times before absorption apart, "
            "or do not correct"
        )
    return np.where(nothing, 1.0, middle[place] / np.where(nothing, 1.0, typical))
