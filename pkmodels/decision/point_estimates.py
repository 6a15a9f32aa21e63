"""Point estimates: what ignoring the uncertainty would have given, and its regret."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pkmodels.decision.burdens import AnyBurden, Burdens
from pkmodels.decision.roots import solve_increasing
from pkmodels.decision.safe_activities import SafeActivity
from pkmodels.errors import InputError

Statistic = Literal["median", "mean"]
_STATISTICS = {"median": np.median, "mean": np.mean}


@dataclass(frozen=True)
class Excess:
    """How one limit fares at the activity of the point estimate.

    Parameters
    ----------
    probability_above : float
        P(burden > limit) there.
    expected_Gy : float or None
        E(burden - limit | burden > limit) there, Gy of the limit's quantity; None where
        no draw exceeds it.
    """

    probability_above: float
    expected_Gy: float | None


@dataclass(frozen=True)
class PointEstimate:
    """The activity that one number for each dose would allow, and what it risks.

    Parameters
    ----------
    statistic : "median" or "mean"
        Which number of each burden's draws.
    activity_GBq : float
        The largest activity at which it keeps every limit, GBq, of all cycles together.
    setting_limit : str
        The limit that sets it.
    per_limit : mapping of str to Excess
        Each limit there.
    probability_any_above : float
        P(at least one limit is exceeded) there.
    safe_share : float or None
        A* over this activity: 1 minus how far A* lies below it; None where both are 0.
    """

    statistic: Statistic
    activity_GBq: float
    setting_limit: str
    per_limit: Mapping[str, Excess]
    probability_any_above: float
    safe_share: float | None


def point_estimate(
    burdens: Burdens, answer: SafeActivity, *, statistic: Statistic = "median"
) -> PointEstimate:
    """Return what a planner who ignores the uncertainty would give, and its regret.

    A_p = max{A : median(burden_o(A)) <= L_o for all o} (or the mean). In the median
    patient half the draws then exceed the limit that sets it.

    Parameters
    ----------
    burdens : mapping of str to Burden or SimulatedBurden
        As given to `safe_activity`.
    answer : SafeActivity
        What it returned.
    statistic : "median" or "mean"
        Which number stands for each burden.

    Returns
    -------
    PointEstimate

    Raises
    ------
    InputError
        When there is no burden, or the statistic is unknown.

    Examples
    --------
    >>> from pkmodels.decision import DoseLimit, dose_burden
    >>> from pkmodels.decision.safe_activities import safe_activity
    >>> limit = DoseLimit("kidneys", "absorbed_dose", 20.0)
    >>> burdens = {"kidneys": dose_burden(limit, 0.0, np.linspace(1.0, 2.0, 1001))}
    >>> found = point_estimate(burdens, safe_activity(burdens, confidence=0.95))
    >>> round(found.activity_GBq, 2), round(found.probability_any_above, 2)
    (13.33, 0.5)
    >>> round(found.per_limit["kidneys"].expected_Gy, 2)  # 13.33 x 0.25 Gy/GBq
    3.34
    """
    if statistic not in _STATISTICS:
        raise InputError(
            f"statistic is {statistic!r}: write one of {', '.join(_STATISTICS)}"
        )
    if not burdens:
        raise InputError("no limit is left to decide on: limit at least one organ")
    each = {n: _activity_of(burden, statistic) for n, burden in burdens.items()}
    setting = min(each, key=lambda name: each[name])
    activity = each[setting]
    above = {name: burden.exceeds(activity) for name, burden in burdens.items()}
    either = np.any(np.stack(list(above.values())), axis=0)
    return PointEstimate(
        statistic=statistic,
        activity_GBq=activity,
        setting_limit=setting,
        per_limit={
            name: _excess(burden, activity, above[name])
            for name, burden in burdens.items()
        },
        probability_any_above=float(np.mean(either)),
        safe_share=answer.activity_GBq / activity if activity > 0.0 else None,
    )


def _activity_of(burden: AnyBurden, statistic: Statistic) -> float:
    """Return where the statistic of the burden reaches the limit."""
    centre = _STATISTICS[statistic]
    before = float(centre(burden.received))
    if before >= burden.limit_Gy:
        return 0.0

    def added(activity: np.ndarray) -> np.ndarray:
        return np.array([float(centre(burden.at(float(activity[0])))) - before])

    # Each draw's own answer is near, so few evaluations follow.
    start = float(np.median(burden.activity_at_limit()))
    room = np.array([burden.limit_Gy - before])
    [found] = solve_increasing(added, room, start_GBq=start if start > 0.0 else 1.0)
    return float(found)


def _excess(burden: AnyBurden, activity: float, above: np.ndarray) -> Excess:
    if not above.any():
        return Excess(0.0, None)
    beyond = burden.at(activity)[above] - burden.limit_Gy
    return Excess(float(np.mean(above)), float(np.mean(np.maximum(beyond, 0.0))))
