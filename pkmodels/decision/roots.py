"""Roots: the activity at which each draw's dose reaches its limit, all at once."""

from collections.abc import Callable

import numpy as np

from pkmodels.errors import InputError

# Relative, on the activity.
TOLERANCE = 1e-4
# A residual this small, relative to the dose, is a root to rounding.
_EXACT = 1e-12
# Of the bracketing: how far one step may go, and how far in all (factors).
_LARGEST_STEP = np.log(1e3)
_FLATTEST, _STEEPEST = 0.1, 10.0
_HIGHEST, _LOWEST = np.log(1e6), np.log(1e-15)
_MOST_EVALUATIONS = 100
# More than the noise of a solve: a dose that falls by more is not increasing.
_NOISE = 1e-5
# Of the ITP method: it needs at most two steps more than bisection.
_TRUNCATION = 0.2
_SLACK = 2

DoseAt = Callable[[np.ndarray], np.ndarray]


def solve_increasing(
    dose_at: DoseAt,
    target_Gy: np.ndarray,
    *,
    start_GBq: float = 1.0,
    tolerance: float = TOLERANCE,
) -> np.ndarray:
    """Return for each draw the activity at which an increasing dose is a target.

    It solves ln dose(exp x) = ln target for x = ln A, where a dose in proportion to the
    activity is a straight line: a step with slope 1 begins, steps that grow bracket the
    root, and the ITP method (interpolate, truncate, project) closes the bracket, all
    draws at each evaluation; its truncation follows the error of a secant instead of
    the bracket's width. The answer is the secant through the last bracket.

    Parameters
    ----------
    dose_at : callable
        One activity a draw (GBq, > 0) to one dose a draw (Gy, > 0), (n_draws,) both;
        increasing and continuous.
    target_Gy : (n_draws,) array
        The dose to reach, Gy, >= 0; where it is 0, the activity is 0.
    start_GBq : float
        Where to begin, GBq, > 0.
    tolerance : float
        Widest last bracket, relative to the activity.

    Returns
    -------
    (n_draws,) array, GBq

    Raises
    ------
    InputError
        When a dose is no number above 0, falls as the activity rises, or stays below
        its target up to 1e6 times the start, or above it down to 1e-15 of it.

    References
    ----------
    Oliveira and Takahashi, ACM Trans Math Softw 2020;47:5 (ITP).

    Examples
    --------
    >>> dose_at = lambda activity: 2.0 * activity + 0.1 * activity**2
    >>> print(solve_increasing(dose_at, np.array([0.0, 23.0, 40.0])).round(4))
    [ 0.      8.1659 12.3607]
    """
    target = np.asarray(target_Gy, np.float64)
    if not (np.isfinite(target) & (target >= 0.0)).all():
        raise InputError("a dose to reach is not a number >= 0: check the dose before")
    wanted = target > 0.0
    logs = np.log(np.where(wanted, target, 1.0))

    def off(x: np.ndarray) -> np.ndarray:
        found = _log_doses(dose_at, x, wanted) - logs
        return np.where(wanted, found, 0.0)

    start = np.full(target.shape, np.log(start_GBq))
    low, off_low, high, off_high = _bracketed(off, start, tolerance)
    root = _closed(off, low, off_low, high, off_high, tolerance)
    return np.where(wanted, np.exp(root), 0.0)


def _log_doses(dose_at: DoseAt, x: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    dose = np.asarray(dose_at(np.exp(x)), np.float64)
    if dose.shape != x.shape:
        raise InputError(
            f"the dose has the shape {dose.shape} for {x.size} activities: return one "
            "dose for each"
        )
    wrong = wanted & ~(np.isfinite(dose) & (dose > 0.0))
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"{int(wrong.sum())} of {x.size} draws have a dose that is no number above "
            f"0: draw {at} has {dose[at]:g} Gy at {np.exp(x[at]):.4g} GBq"
        )
    return np.log(np.where(wanted, dose, 1.0))


def _bracketed(
    off: Callable[[np.ndarray], np.ndarray], start: np.ndarray, tolerance: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return activities on both sides of each root, with how far off each is."""
    low, high = np.full(start.shape, -np.inf), np.full(start.shape, np.inf)
    off_low, off_high = low.copy(), high.copy()
    x, found, step = start, np.zeros(start.shape), np.zeros(start.shape)
    slope, reach = np.ones(start.shape), 0.0
    for _ in range(_MOST_EVALUATIONS):
        before, found = found, off(x)
        below, above = found <= _EXACT, found >= -_EXACT
        _refuse_falling(x, found, low, off_low, high, off_high)
        low, off_low = np.where(below, x, low), np.where(below, found, off_low)
        high, off_high = np.where(above, x, high), np.where(above, found, off_high)
        open_above, open_below = np.isinf(high), np.isinf(low)
        if not (open_above | open_below).any():
            return low, off_low, high, off_high
        _refuse_far(x - start, open_above, open_below, np.exp(x))
        # Along the slope 1 of proportion; then along the last slope and beyond it.
        if reach:
            slope = np.where(
                step == 0.0, 1.0, (found - before) / np.where(step, step, 1)
            )
        size = np.abs(found) / np.clip(slope, _FLATTEST, _STEEPEST) + reach
        size = np.minimum(size, _LARGEST_STEP)
        step = np.where(open_above, size, np.where(open_below, -size, 0.0))
        x, reach = x + step, max(4.0 * reach, tolerance / 4.0)
    raise InputError(f"no bracket of a limit in {_MOST_EVALUATIONS} evaluations")


def _refuse_falling(
    x: np.ndarray,
    found: np.ndarray,
    low: np.ndarray,
    off_low: np.ndarray,
    high: np.ndarray,
    off_high: np.ndarray,
) -> None:
    falls = (x > low) & (found < off_low - _NOISE)
    falls |= (x < high) & (found > off_high + _NOISE)
    if falls.any():
        at = int(np.flatnonzero(falls)[0])
        raise InputError(
            f"the dose of {int(falls.sum())} of {x.size} draws falls as the activity "
            f"rises (draw {at}, near {np.exp(x[at]):.4g} GBq): no largest safe "
            "activity follows from it; check the model and its parameters"
        )


def _refuse_far(
    moved: np.ndarray,
    open_above: np.ndarray,
    open_below: np.ndarray,
    activity: np.ndarray,
) -> None:
    too_high, too_low = open_above & (moved > _HIGHEST), open_below & (moved < _LOWEST)
    for stuck, side in ((too_high, "below"), (too_low, "above")):
        if stuck.any():
            at = int(np.flatnonzero(stuck)[0])
            raise InputError(
                f"the dose of {int(stuck.sum())} of {moved.size} draws stays {side} "
                f"the limit at every activity tried (draw {at}, {activity[at]:.3g} "
                "GBq): its uptake is bounded, as where all of it saturates; limit "
                "another organ, or state the ligand's mass as it will be given"
            )


def _closed(
    off: Callable[[np.ndarray], np.ndarray],
    low: np.ndarray,
    off_low: np.ndarray,
    high: np.ndarray,
    off_high: np.ndarray,
    tolerance: float,
) -> np.ndarray:
    """Return the roots in brackets, by ITP until each is as narrow as asked."""
    width = np.maximum(high - low, tolerance)
    steps = np.ceil(np.log2(width / tolerance)) + _SLACK
    for number in range(int(steps.max()) + 1):
        is_wide = high - low > tolerance
        if not is_wide.any():
            break
        x = _next(low, off_low, high, off_high, steps - number, tolerance)
        x = np.where(is_wide, x, low)
        found = off(x)
        _refuse_falling(x, found, low, off_low, high, off_high)
        below, above = is_wide & (found <= 0.0), is_wide & (found >= 0.0)
        low, off_low = np.where(below, x, low), np.where(below, found, off_low)
        high, off_high = np.where(above, x, high), np.where(above, found, off_high)
    rise = off_high - off_low
    share = np.where(rise > 0.0, -off_low / np.where(rise > 0.0, rise, 1.0), 0.0)
    return low + np.clip(share, 0.0, 1.0) * (high - low)


def _next(
    low: np.ndarray,
    off_low: np.ndarray,
    high: np.ndarray,
    off_high: np.ndarray,
    left: np.ndarray,
    tolerance: float,
) -> np.ndarray:
    """Return where ITP looks next: interpolated, truncated and projected."""
    width, middle = high - low, (low + high) / 2.0
    rise = off_high - off_low
    share = np.where(rise > 0.0, -off_low / np.where(rise > 0.0, rise, 1.0), 0.5)
    secant = low + share * width
    side = np.sign(middle - secant)
    # The error of a secant is its curvature times the distances to both ends.
    distances = (secant - low) * (high - secant)
    truncation = np.maximum(_TRUNCATION * distances, tolerance / 4.0)
    near = np.abs(middle - secant) <= truncation
    moved = np.where(near, middle, secant + side * truncation)
    radius = np.maximum(tolerance / 2.0 * 2.0**left - width / 2.0, 0.0)
    too_far = np.abs(moved - middle) > radius
    return np.where(too_far, middle - side * radius, moved)
