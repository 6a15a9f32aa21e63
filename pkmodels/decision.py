"""The decision: the largest activity that keeps every limit with a confidence."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pkmodels.errors import InputError

# Draws beyond the quantile that decides, so that its Monte-Carlo error stays small.
MINIMUM_TAIL_DRAWS = 20


@dataclass(frozen=True)
class Burden:
    """What one limit counts, as draws of a function of the activity A.

    burden(A) = received + slope A + curvature A^2, in Gy.

    Parameters
    ----------
    limit_Gy : float
        The limit, Gy, > 0.
    received : (n_draws,) array
        What was received before, Gy, >= 0.
    slope : (n_draws,) array
        Gy per GBq, > 0.
    curvature : (n_draws,) array
        Gy per GBq^2, >= 0; zero for an absorbed dose.
    """

    limit_Gy: float
    received: np.ndarray
    slope: np.ndarray
    curvature: np.ndarray

    def at(self, activity_GBq: float) -> np.ndarray:
        """Return the draws of the burden at an activity (GBq)."""
        return self.received + activity_GBq * (
            self.slope + activity_GBq * self.curvature
        )

    def activity_at_limit(self) -> np.ndarray:
        """Return for each draw the activity that reaches the limit, GBq; at least 0."""
        room = np.maximum(self.limit_Gy - self.received, 0.0)
        # The root of curvature A^2 + slope A - room, in the form that does not cancel.
        root = np.sqrt(self.slope**2 + 4.0 * self.curvature * room)
        return 2.0 * room / (self.slope + root)

    def exceeds(self, activity_GBq: float) -> np.ndarray:
        """Return for each draw whether the burden is above the limit, (n_draws,) bool.

        Judged by activity, so that rounding cannot tip the draw that decides.
        """
        already = self.received > self.limit_Gy
        return already | (self.activity_at_limit() < activity_GBq)


@dataclass(frozen=True)
class LimitOutcome:
    """What one limit says on its own.

    Parameters
    ----------
    activity_GBq : float
        Largest activity that keeps this limit with the confidence, GBq.
    probability_above : float
        P(burden > limit) at the joint safe activity.
    """

    activity_GBq: float
    probability_above: float


@dataclass(frozen=True)
class SafeActivity:
    """The largest activity that keeps every limit, jointly over the draws.

    Parameters
    ----------
    activity_GBq : float
        A* = sup{A : P(burden_o(A) <= L_o for all o) >= confidence}, GBq; 0 when no
        activity is safe.
    confidence : float
        The confidence asked.
    binding_limit : str
        The limit with the largest P(burden > limit) at A*.
    per_limit : mapping of str to LimitOutcome
        Each limit on its own.
    activity_at_limit_GBq : (n_draws,) array
        For each draw the activity that reaches the first limit, GBq.
    """

    activity_GBq: float
    confidence: float
    binding_limit: str
    per_limit: Mapping[str, LimitOutcome]
    activity_at_limit_GBq: np.ndarray


def draws_needed(confidence: float) -> int:
    """Return how many independent draws a confidence needs.

    Parameters
    ----------
    confidence : float
        In (0, 1).

    Returns
    -------
    int
        So many that at least 20 lie beyond the quantile that decides.

    Raises
    ------
    InputError
        When the confidence is outside (0, 1).

    Examples
    --------
    >>> draws_needed(0.95), draws_needed(0.99)
    (400, 2000)
    """
    if not 0.0 < confidence < 1.0:
        raise InputError(
            f"confidence must lie between 0 and 1; got {confidence}: 0.95 is usual"
        )
    return math.ceil(round(MINIMUM_TAIL_DRAWS / (1.0 - confidence), 6))


def safe_activity(burdens: Mapping[str, Burden], *, confidence: float) -> SafeActivity:
    """Return the largest activity that keeps every limit with the confidence.

    A* = sup{A : P(burden_o(A) <= L_o for all limits o) >= confidence}, joint over the
    draws: each burden grows with A, so A* is a lower quantile of the activity at
    which a draw reaches its first limit.

    Parameters
    ----------
    burdens : mapping of str to Burden
        One for each limit that is not waived, all from the same draws.
    confidence : float
        In (0, 1).

    Returns
    -------
    SafeActivity

    Raises
    ------
    InputError
        When there is no limit, the confidence is outside (0, 1), the draws are too
        few for it, or one of them is not a number.

    Examples
    --------
    >>> dose = np.linspace(1.0, 2.0, 1001)
    >>> zero = np.zeros(1001)
    >>> answer = safe_activity({"kidneys": Burden(20.0, zero, dose, zero)},
    ...                        confidence=0.95)
    >>> round(answer.activity_GBq, 3)  # 20 Gy over the 95 % quantile, 1.95 Gy/GBq
    10.256
    """
    if not burdens:
        raise InputError("no limit is left to decide on: limit at least one organ")
    reached = {name: burden.activity_at_limit() for name, burden in burdens.items()}
    first = np.min(np.stack(list(reached.values())), axis=0)
    if first.size < draws_needed(confidence):
        raise InputError(
            f"{first.size} draws are too few for a confidence of {confidence}: "
            f"{draws_needed(confidence)} are needed"
        )
    if not np.isfinite(first).all():
        count = int((~np.isfinite(first)).sum())
        raise InputError(
            f"{count} of {first.size} draws give no activity that reaches a limit: "
            "each dose must be a number and each dose per activity above 0"
        )
    activity = _largest_kept(first, confidence)
    per_limit = {
        name: LimitOutcome(
            activity_GBq=_largest_kept(reached[name], confidence),
            probability_above=float(np.mean(burden.exceeds(activity))),
        )
        for name, burden in burdens.items()
    }
    # Where several have equal probability, the one that alone allows least binds.
    binding = max(
        per_limit,
        key=lambda n: (per_limit[n].probability_above, -per_limit[n].activity_GBq),
    )
    return SafeActivity(activity, confidence, binding, per_limit, first)


def _largest_kept(reached: np.ndarray, confidence: float) -> float:
    """Return the largest A that at least a `confidence` of the draws can take."""
    kept = math.ceil(round(confidence * reached.size, 9))
    return float(np.sort(reached)[reached.size - kept])
