"""Safe activities: the largest that keeps every limit with a confidence."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pkmodels.decision.burdens import Burdens, cycles_of
from pkmodels.errors import InputError

# Draws beyond the quantile that decides, so that its Monte-Carlo error stays small.
MINIMUM_TAIL_DRAWS = 20
# One standard deviation to each side, as probabilities of a normal distribution.
_ONE_SD = (0.15865525393145707, 0.8413447460685429)


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


@dataclass(frozen=True, eq=False)
class SafeActivity:
    """The largest activity that keeps every limit, jointly over the draws.

    Parameters
    ----------
    activity_GBq : float
        A* = sup{A : P(burden_o(A) <= L_o for all o) >= confidence}, GBq, of all cycles
        together; 0 when no activity is safe.
    confidence : float
        The confidence asked.
    binding_limit : str
        The limit with the largest P(burden > limit) at A*.
    per_limit : mapping of str to LimitOutcome
        Each limit on its own.
    activity_at_limit_GBq : (n_draws,) array
        For each draw the activity that reaches the first limit, GBq.
    monte_carlo_error : float
        Standard error of A* from the finite number of draws, relative to A*; infinite
        where A* is 0 and more draws might raise it.
    cycles : int
        Equal cycles that the activity is given in.
    """

    activity_GBq: float
    confidence: float
    binding_limit: str
    per_limit: Mapping[str, LimitOutcome]
    activity_at_limit_GBq: np.ndarray
    monte_carlo_error: float
    cycles: int

    @property
    def activity_per_cycle_GBq(self) -> float:
        """Activity of each of the equal cycles, GBq."""
        return self.activity_GBq / self.cycles


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


def safe_activity(
    burdens: Burdens, *, confidence: float, effective_size: float | None = None
) -> SafeActivity:
    """Return the largest activity that keeps every limit with the confidence.

    A* = sup{A : P(burden_o(A) <= L_o for all limits o) >= confidence}, joint over the
    draws: each burden grows with A, so A* is a lower quantile of the activity at
    which a draw reaches its first limit.

    Parameters
    ----------
    burdens : mapping of str to Burden or SimulatedBurden
        One for each limit that is not waived, all from the same draws.
    confidence : float
        In (0, 1).
    effective_size : float or None
        Of how many independent draws the tail is worth: the tail ESS of the chains,
        > 0; None where the draws are independent.

    Returns
    -------
    SafeActivity

    Raises
    ------
    InputError
        When there is no limit, the confidence is outside (0, 1), the draws are too
        few for it or differ in number, or one of them is not a number.

    Examples
    --------
    >>> from pkmodels.decision import DoseLimit, dose_burden
    >>> limit = DoseLimit("kidneys", "absorbed_dose", 20.0)
    >>> kidneys = dose_burden(limit, 0.0, np.linspace(1.0, 2.0, 1001))
    >>> answer = safe_activity({"kidneys": kidneys}, confidence=0.95)
    >>> round(answer.activity_GBq, 3)  # 20 Gy over the 95 % quantile, 1.95 Gy/GBq
    10.256
    """
    reached = _reached(burdens)
    first = np.min(np.stack(list(reached.values())), axis=0)
    if first.size < draws_needed(confidence):
        raise InputError(
            f"{first.size} draws are too few for a confidence of {confidence}: "
            f"{draws_needed(confidence)} are needed"
        )
    endless = ~np.all([np.isfinite(found) for found in reached.values()], axis=0)
    if endless.any():
        count = int(endless.sum())
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
    return SafeActivity(
        activity_GBq=activity,
        confidence=confidence,
        binding_limit=binding,
        per_limit=per_limit,
        activity_at_limit_GBq=first,
        monte_carlo_error=quantile_error(
            first, 1.0 - confidence, effective_size=effective_size
        ),
        cycles=cycles_of(burdens),
    )


def quantile_error(
    draws: np.ndarray, probability: float, *, effective_size: float | None = None
) -> float:
    """Return the Monte-Carlo standard error of a quantile, relative to it.

    Of S independent draws, the share below the true p-quantile is about Beta(S p + 1,
    S (1 - p) + 1); half the distance between the order statistics at its 15.9 and
    84.1 % points is one standard error.

    Parameters
    ----------
    draws : (n_draws,) array
        The draws, >= 0.
    probability : float
        p, in (0, 1).
    effective_size : float or None
        S, > 0; None for the number of draws.

    Returns
    -------
    float
        Infinite where the quantile is 0 and its error is not.

    Raises
    ------
    InputError
        When the effective size is not above 0.

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter and Buerkner, Bayesian Analysis
    2021;16:667-718, section 4.4 and appendix.

    Examples
    --------
    The 5 % quantile of 8000 uniform draws from 1 to 2 is 1.05 +- 0.0024.

    >>> round(quantile_error(np.linspace(1.0, 2.0, 8000), 0.05), 4)
    0.0023
    """
    # Not at the top, so that importing pkmodels.decision stays quick.
    from scipy.special import betaincinv

    size = float(draws.size) if effective_size is None else float(effective_size)
    if not (math.isfinite(size) and size > 0.0):
        raise InputError(f"effective_size is {effective_size}; it must be > 0")
    ordered = np.sort(draws)
    ranks = np.arange(1, ordered.size + 1) / (ordered.size + 1.0)
    shape = (size * probability + 1.0, size * (1.0 - probability) + 1.0)
    points = [float(betaincinv(*shape, share)) for share in _ONE_SD]
    low, high = np.interp(points, ranks, ordered)
    centre = float(np.interp(probability, ranks, ordered))
    error = float(high - low) / 2.0
    if error == 0.0:
        return 0.0
    return error / centre if centre > 0.0 else math.inf


def _reached(burdens: Burdens) -> dict[str, np.ndarray]:
    """Return the activity at which each draw reaches each limit."""
    if not burdens:
        raise InputError("no limit is left to decide on: limit at least one organ")
    cycles_of(burdens)
    counts = {name: burden.received.size for name, burden in burdens.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise InputError(
            f"the limits have different numbers of draws ({listed}): they are decided "
            "jointly, so give the same draws of all"
        )
    return {name: burden.activity_at_limit() for name, burden in burdens.items()}


def _largest_kept(reached: np.ndarray, confidence: float) -> float:
    """Return the largest A that at least a `confidence` of the draws can take."""
    kept = math.ceil(round(confidence * reached.size, 9))
    return float(np.sort(reached)[reached.size - kept])
