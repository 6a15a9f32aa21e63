"""Probabilities: how likely each limit is exceeded, against the activity."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pkmodels.decision.burdens import Burdens
from pkmodels.decision.safe_activities import SafeActivity
from pkmodels.errors import InputError

# Of the draws, those that have reached their first limit at the end of the grid.
_SHARE_SHOWN = 0.99
# How far the grid goes, in units of A*.
_LEAST_SHOWN, _MOST_SHOWN = 1.5, 4.0


@dataclass(frozen=True, eq=False)
class ProbabilityCurve:
    """P(burden > limit) against the activity.

    Parameters
    ----------
    activities_GBq : (n_activities,) array
        Of all cycles together, GBq.
    per_limit : mapping of str to (n_activities,) array
        For each limit.
    of_any : (n_activities,) array
        That at least one limit is exceeded.
    """

    activities_GBq: np.ndarray
    per_limit: Mapping[str, np.ndarray]
    of_any: np.ndarray


def probability_curve(burdens: Burdens, activities_GBq: np.ndarray) -> ProbabilityCurve:
    """Return the probability that each limit, and any of them, is exceeded.

    The share of the draws whose activity at the limit is below the activity. Nothing
    is simulated anew.

    Parameters
    ----------
    burdens : mapping of str to Burden or SimulatedBurden
        From the same draws, at least one.
    activities_GBq : (n_activities,) array
        GBq, >= 0.

    Returns
    -------
    ProbabilityCurve

    Raises
    ------
    InputError
        When there is no burden, or an activity is negative or no number.

    Examples
    --------
    >>> from pkmodels.decision import DoseLimit, dose_burden
    >>> limit = DoseLimit("kidneys", "absorbed_dose", 20.0)
    >>> kidneys = dose_burden(limit, 0.0, np.linspace(1.0, 2.0, 1001))
    >>> probability_curve({"kidneys": kidneys}, np.array([10.5, 16.0])).of_any.round(2)
    array([0.1 , 0.75])
    """
    activities = np.asarray(activities_GBq, np.float64)
    if not burdens:
        raise InputError("no limit is left to show: limit at least one organ")
    if not (np.isfinite(activities) & (activities >= 0.0)).all():
        raise InputError("the activities of a curve must be numbers >= 0 GBq")
    above = {
        name: np.stack([burden.exceeds(float(a)) for a in activities])
        for name, burden in burdens.items()
    }
    either = np.any(np.stack(list(above.values())), axis=0)
    return ProbabilityCurve(
        activities_GBq=activities,
        per_limit={name: found.mean(axis=1) for name, found in above.items()},
        of_any=either.mean(axis=1),
    )


def activity_grid(answer: SafeActivity, count: int = 81) -> np.ndarray:
    """Return activities to show a decision at: from 0 past A*, which is one of them.

    It ends where 99 % of the draws have reached a limit, but between 1.5 and 4 A*.

    Parameters
    ----------
    answer : SafeActivity
        The decision.
    count : int
        How many, >= 3.

    Returns
    -------
    (count,) array, GBq, increasing

    Raises
    ------
    InputError
        When the count is below 3, or no draw stands any activity.

    Examples
    --------
    >>> from pkmodels.decision import DoseLimit, dose_burden
    >>> from pkmodels.decision.safe_activities import safe_activity
    >>> limit = DoseLimit("kidneys", "absorbed_dose", 20.0)
    >>> kidneys = dose_burden(limit, 0.0, np.linspace(1.0, 2.0, 1001))
    >>> answer = safe_activity({"kidneys": kidneys}, confidence=0.95)
    >>> grid = activity_grid(answer, 9)
    >>> answer.activity_GBq in grid, round(float(grid[-1]), 1)
    (True, 19.8)
    """
    if count < 3:
        raise InputError(f"count is {count}: a grid takes at least 3 activities")
    safe = answer.activity_GBq
    end = float(np.quantile(answer.activity_at_limit_GBq, _SHARE_SHOWN))
    if safe > 0.0:
        end = min(max(end, _LEAST_SHOWN * safe), _MOST_SHOWN * safe)
    if end <= 0.0:
        raise InputError(
            "no draw stands any activity: there is no curve of probability to show"
        )
    grid = np.linspace(0.0, end, count)
    if safe > 0.0:
        # The nearest inner point moves onto A*, so that a figure can mark it.
        grid[1 + int(np.argmin(np.abs(grid[1:-1] - safe)))] = safe
    return grid
