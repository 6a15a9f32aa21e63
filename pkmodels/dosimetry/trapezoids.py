"""Time-integrated activity by trapezoids, with a stated start and a stated tail."""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from pkmodels.dosimetry.scans import Scans, TimeIntegral, hold_at_physical
from pkmodels.errors import InputError
from pkmodels.nuclides import nuclide


class Start(StrEnum):
    """What the activity is between time 0 and the first scan."""

    ZERO = "A(0) = 0"
    FIRST_VALUE = "A(0) = A(t_1)"
    BACK_EXTRAPOLATED = "A(0) by the line through the logarithms of the first two scans"


class Tail(StrEnum):
    """How the activity falls beyond the last scan."""

    LAST_THREE = "rate fitted through the last three scans"
    LAST_TWO = "rate through the last two scans"
    PHYSICAL = "physical decay"


@dataclass(frozen=True)
class _Decline:
    rate_per_h: float
    warnings: tuple[str, ...]


def integrate_trapezoids(scans: Scans, *, start: Start, tail: Tail) -> TimeIntegral:
    """Return the TIA by trapezoids, linear where it rises, logarithmic where it falls.

    Between scans, with d = t_(i+1) - t_i: d (A_i + A_(i+1)) / 2 where the activity
    rises or either is 0, and d (A_i - A_(i+1)) / ln(A_i / A_(i+1)) where it falls.
    Before the first scan as `start` says; beyond the last one A_n / k, with the rate k
    of `tail`, never below physical decay. Physical decay from the last scan on is the
    largest tail that an organ can have which takes up nothing more.

    Parameters
    ----------
    scans : Scans
        Physical activities after one administration at time 0.
    start : Start
        ``ZERO`` suits an organ that fills until the first scan; ``FIRST_VALUE`` and
        ``BACK_EXTRAPOLATED`` one that fills at once.
    tail : Tail
        ``LAST_THREE`` is unweighted least squares of ln A.

    Returns
    -------
    TimeIntegral
        With a warning where a rate was held at physical decay, and where the activity
        had not begun to fall, so that the tail is no bound.

    Raises
    ------
    InputError
        When the scans are too few for the start or the tail, an activity that a
        logarithm needs is 0, or the back-extrapolated activity would rise from 0.

    References
    ----------
    Siegel et al., MIRD pamphlet 16, J Nucl Med 1999;40:37S (trapezoids, physical
    decay beyond the last point); Yeh and Kwan, J Pharmacokinet Biopharm 1978;6:79
    (linear and logarithmic trapezoids).

    Examples
    --------
    >>> scans = Scans("kidney", "Lu-177", (24.0, 72.0, 120.0), (70.0, 35.0, 16.0))
    >>> result = integrate_trapezoids(
    ...     scans, start=Start.BACK_EXTRAPOLATED, tail=Tail.LAST_TWO)
    >>> round(result.MBq_h), round(result.beyond_last_scan, 3)
    (6578, 0.149)
    """
    times, activities = np.array(scans.times_h), np.array(scans.activities_MBq)
    before = _before_first(scans, start)
    between = sum(
        _trapezoid(times[i + 1] - times[i], activities[i], activities[i + 1])
        for i in range(times.size - 1)
    )
    decline = _decline(scans, tail)
    beyond = scans.activities_MBq[-1] / decline.rate_per_h
    total = before + between + beyond
    if total <= 0.0:
        raise InputError(
            f"{scans.region}: every activity is 0, so that nothing can be integrated: "
            "leave the region out"
        )
    return TimeIntegral(
        region=scans.region,
        label=scans.label,
        method=f"trapezoids, linear up and logarithmic down, {start}",
        MBq_h=float(total),
        beyond_last_scan=float(beyond / total),
        tail=str(tail),
        terminal_rate_per_h=decline.rate_per_h,
        warnings=decline.warnings,
    )


def _trapezoid(width: float, first: float, second: float) -> float:
    if second >= first or second <= 0.0:
        return 0.5 * width * (first + second)
    ratio = math.log(first / second)
    # The logarithmic mean in a form that does not cancel where the two are close.
    return width * second * math.expm1(ratio) / ratio


def _before_first(scans: Scans, start: Start) -> float:
    time, activity = scans.times_h[0], scans.activities_MBq[0]
    if start is Start.ZERO:
        return 0.5 * time * activity
    if start is Start.FIRST_VALUE:
        return time * activity
    if len(scans.times_h) < 2:
        raise InputError(
            f"{scans.region}: back-extrapolation needs two scans, 1 is given: "
            f"take '{Start.ZERO}' or '{Start.FIRST_VALUE}'"
        )
    rate = _rate(scans, slice(0, 2))
    if rate < 0.0:
        raise InputError(
            f"{scans.region}: the activity rises from {activity:g} to "
            f"{scans.activities_MBq[1]:g} MBq over the first two scans, so that a line "
            f"back to time 0 means nothing: take '{Start.ZERO}'"
        )
    return _trapezoid(time, activity * math.exp(rate * time), activity)


def _decline(scans: Scans, tail: Tail) -> _Decline:
    if tail is Tail.PHYSICAL:
        rate, warnings = nuclide(scans.label).decay_constant_per_h, ()
    else:
        count = 3 if tail is Tail.LAST_THREE else 2
        if len(scans.times_h) < count:
            raise InputError(
                f"{scans.region}: '{tail}' needs {count} scans, "
                f"{len(scans.times_h)} given: take '{Tail.PHYSICAL}'"
            )
        fitted = _rate(scans, slice(-count, None))
        rate, warnings = hold_at_physical(fitted, scans.label)
    last = scans.activities_MBq[-2:]
    if len(last) < 2 or last[1] >= last[0]:
        warnings = (
            *warnings,
            "the scans do not show the activity falling: with further uptake even "
            "physical decay from the last scan is too small a tail",
        )
    return _Decline(float(rate), warnings)


def _rate(scans: Scans, which: slice) -> float:
    """Return minus the slope of ln A over some scans, by unweighted least squares."""
    times = np.array(scans.times_h[which])
    activities = np.array(scans.activities_MBq[which])
    if (activities <= 0.0).any():
        raise InputError(
            f"{scans.region}: an activity of 0 has no logarithm, so that no rate can "
            "be fitted through it: leave that scan out and say so"
        )
    away = times - times.mean()
    return float(-(away @ np.log(activities)) / (away @ away))
