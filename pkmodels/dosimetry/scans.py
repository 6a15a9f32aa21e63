"""Scans of one region as physical activities, and their integral by a named method.

The classical methods fit effective rates, so that a decay-corrected activity would be
taken for slower washout: `Scans` holds physical activities by construction.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pkmodels.errors import InputError
from pkmodels.measurements import Measurement, Quantity, decay_correction_factor
from pkmodels.nuclides import nuclide
from pkmodels.values import Certainty, Value

LONGEST_FRAME = Value(
    0.3,
    "1",
    "part of a half-life beyond which a frame's mean is no longer the activity at its "
    "middle; at the bound the two differ by (0.3 ln 2)^2 / 24 = 0.2 %",
    Certainty.JUDGEMENT,
)
_REMEDY = (
    "effective rates are those of physical activities: undo the correction with "
    "undo_decay_correction, or divide by decay_correction_factor"
)


@dataclass(frozen=True)
class Scans:
    """Physical activities of one region at some times after its administration.

    Parameters
    ----------
    region, label : str
        Region and radionuclide.
    times_h : tuple of float
        Times after the administration, h, >= 0, strictly increasing.
    activities_MBq : tuple of float
        Activities at these times, MBq, >= 0, not decay-corrected.

    Raises
    ------
    InputError
        When there is no scan, a number is not finite or negative, times do not
        increase, or the two lengths differ.
    """

    region: str
    label: str
    times_h: tuple[float, ...]
    activities_MBq: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check times and activities."""
        if len(self.times_h) != len(self.activities_MBq) or not self.times_h:
            raise InputError(
                f"{self.region}: {len(self.times_h)} times and "
                f"{len(self.activities_MBq)} activities: give one of each per scan, "
                "and at least one scan"
            )
        for name, values in (
            ("time, h", self.times_h),
            ("activity, MBq", self.activities_MBq),
        ):
            for value in values:
                if not (math.isfinite(value) and value >= 0.0):
                    raise InputError(
                        f"{self.region}: {name}, is {value}: it must be finite and >= 0"
                    )
        pairs = zip(self.times_h, self.times_h[1:], strict=False)
        if any(later <= earlier for earlier, later in pairs):
            raise InputError(
                f"{self.region}: scan times {list(self.times_h)} h must increase: sort "
                "them, and average scans of the same time"
            )


@dataclass(frozen=True)
class TimeIntegral:
    """Time-integrated activity from 0 to infinity by one named method.

    Parameters
    ----------
    region, label : str
        Region and radionuclide.
    method : str
        The method, with its choices.
    MBq_h : float
        Time-integrated activity, MBq h, >= 0.
    beyond_last_scan : float or None
        Fraction of it after the last scan, in [0, 1]; None where the method has no
        curve.
    tail : str
        The rule beyond the last scan.
    terminal_rate_per_h : float or None
        Effective rate of that tail, 1/h, never below physical decay; None where the
        method has none.
    warnings : tuple of str
        What the number rests on that the scans do not show; empty when nothing.
    """

    region: str
    label: str
    method: str
    MBq_h: float
    beyond_last_scan: float | None
    tail: str
    terminal_rate_per_h: float | None
    warnings: tuple[str, ...]


def scans_of_measurements(measurements: Sequence[Measurement]) -> Scans:
    """Return the scans of one region in the order of their times.

    A frame's mean stands at the middle of the frame.

    Parameters
    ----------
    measurements : sequence of Measurement
        Physical activities of one region and label, MBq.

    Returns
    -------
    Scans

    Raises
    ------
    InputError
        When one is decay-corrected, a concentration, or longer than 0.3 half-lives of
        its label; when regions or labels differ; and as `Scans`.

    Examples
    --------
    >>> scan = Measurement("kidney", "Lu-177", "SPECT", 24.0, 24.5, 70.0,
    ...                    Quantity.ACTIVITY, None, 0.0, "scan 1")
    >>> scans_of_measurements([scan])
    Traceback (most recent call last):
    pkmodels.errors.InputError: scan 1: kidney is decay-corrected to 0 h: effective \
rates are those of physical activities: undo the correction with \
undo_decay_correction, or divide by decay_correction_factor
    >>> physical = scans_of_measurements(undo_decay_correction([scan]))
    >>> physical.times_h, round(physical.activities_MBq[0], 2)
    ((24.25,), 63.0)
    """
    if not measurements:
        raise InputError("no measurement is given: give at least one scan")
    if len({(one.region, one.label) for one in measurements}) > 1:
        named = sorted({f"{one.label} in {one.region}" for one in measurements})
        raise InputError(
            f"the scans are of {', '.join(named)}: give one region and label at a time"
        )
    for one in measurements:
        _check_measurement(one)
    ordered = sorted(measurements, key=lambda one: one.start_h + one.end_h)
    return Scans(
        ordered[0].region,
        ordered[0].label,
        tuple(0.5 * (one.start_h + one.end_h) for one in ordered),
        tuple(one.value for one in ordered),
    )


def scans_of_arrays(
    region: str,
    label: str,
    times_h: Sequence[float],
    activities_MBq: Sequence[float],
    *,
    decay_corrected_to_h: float | None,
) -> Scans:
    """Return the scans of one region from plain numbers, convention stated.

    Parameters
    ----------
    region, label : str
        Region and radionuclide.
    times_h : (n_scans,) sequence
        Times after the administration, h, >= 0, increasing.
    activities_MBq : (n_scans,) sequence
        Activities, MBq, >= 0.
    decay_corrected_to_h : float or None
        Time to which the activities are decay-corrected, h; None when physical.

    Returns
    -------
    Scans

    Raises
    ------
    InputError
        When the activities are decay-corrected; and as `Scans`.

    Examples
    --------
    >>> scans_of_arrays("kidney", "Lu-177", [24, 72], [70, 35],
    ...                 decay_corrected_to_h=None).activities_MBq
    (70.0, 35.0)
    """
    if decay_corrected_to_h is not None:
        raise InputError(
            f"{region} is decay-corrected to {decay_corrected_to_h:g} h: {_REMEDY}"
        )
    times = tuple(float(time) for time in times_h)
    return Scans(region, label, times, tuple(float(a) for a in activities_MBq))


def undo_decay_correction(
    measurements: Sequence[Measurement],
) -> tuple[Measurement, ...]:
    """Return the measurements as physical activities.

    Each value, and its sd, is divided by `decay_correction_factor`.

    Parameters
    ----------
    measurements : sequence of Measurement
        Decay-corrected or not, each to its own time.

    Returns
    -------
    tuple of Measurement
        None is decay-corrected.

    Raises
    ------
    InputError
        As `nuclide` and `decay_correction_factor`.

    Examples
    --------
    >>> scan = Measurement("tumour", "Y-90", "PET", 64.1, 64.1, 10.0,
    ...                    Quantity.ACTIVITY, 1.0, 0.0, "scan 1")
    >>> [physical] = undo_decay_correction([scan])
    >>> round(physical.value, 12), physical.sd, physical.decay_corrected_to_h
    (5.0, 0.5, None)
    """
    return tuple(_physical(one) for one in measurements)


def exchange_label(scans: Scans, label: str) -> Scans:
    """Return what the scans would have shown of another label on the same ligand.

    A_2(t) = A_1(t) exp((lambda_1 - lambda_2) t), for the same administered activity.
    It holds where the ligand's amount changes nothing, so not between masses that
    saturate a receptor differently.

    Parameters
    ----------
    scans : Scans
        Physical activities after one administration at time 0.
    label : str
        The other radionuclide.

    Returns
    -------
    Scans

    Raises
    ------
    InputError
        When a label is unknown.

    References
    ----------
    MIRD schema: one biological curve, decay of each label (Bolch et al., MIRD
    pamphlet 21, J Nucl Med 2009;50:477).

    Examples
    --------
    >>> scans = Scans("kidney", "Lu-177", (0.0, 64.1), (10.0, 5.0))
    >>> [round(a, 4) for a in exchange_label(scans, "Y-90").activities_MBq]
    [10.0, 3.3029]
    """
    slower = nuclide(scans.label).decay_constant_per_h
    difference = slower - nuclide(label).decay_constant_per_h
    pairs = zip(scans.times_h, scans.activities_MBq, strict=True)
    exchanged = tuple(a * math.exp(difference * t) for t, a in pairs)
    return replace(scans, label=label, activities_MBq=exchanged)


def hold_at_physical(rate_per_h: float, label: str) -> tuple[float, tuple[str, ...]]:
    """Return an effective rate that is at least physical decay, and say when held.

    Parameters
    ----------
    rate_per_h : float
        Fitted effective rate, 1/h.
    label : str
        Radionuclide.

    Returns
    -------
    (float, tuple of str)
        The rate, 1/h, and a warning when it was held.

    Examples
    --------
    >>> hold_at_physical(0.02, "Lu-177")
    (0.02, ())
    >>> rate, [warning] = hold_at_physical(0.004, "Lu-177")
    >>> round(rate, 6), warning
    (0.004345, 'fitted effective rate 0.004 1/h is below physical decay of Lu-177 \
(0.004345 1/h) and was held there')
    """
    physical = nuclide(label).decay_constant_per_h
    if rate_per_h >= physical:
        return rate_per_h, ()
    return physical, (
        f"fitted effective rate {rate_per_h:.4g} 1/h is below physical decay of "
        f"{label} ({physical:.4g} 1/h) and was held there",
    )


def _check_measurement(one: Measurement) -> None:
    if one.decay_corrected_to_h is not None:
        raise InputError(
            f"{one.source}: {one.region} is decay-corrected to "
            f"{one.decay_corrected_to_h:g} h: {_REMEDY}"
        )
    if one.quantity is not Quantity.ACTIVITY:
        raise InputError(
            f"{one.source}: {one.region} is a {one.quantity}: multiply it by the "
            "region's mass, to integrate an activity"
        )
    longest = LONGEST_FRAME.value * nuclide(one.label).half_life_h
    if one.end_h - one.start_h > longest:
        raise InputError(
            f"{one.source}: the frame lasts {one.end_h - one.start_h:g} h, more than "
            f"{LONGEST_FRAME.value} half-lives of {one.label}: its mean is not the "
            "activity at its middle; fit a model to it"
        )


def _physical(one: Measurement) -> Measurement:
    factor = decay_correction_factor(
        one.start_h,
        one.end_h,
        one.decay_corrected_to_h,
        nuclide(one.label).decay_constant_per_h,
    )
    return replace(
        one,
        value=one.value / factor,
        sd=None if one.sd is None else one.sd / factor,
        decay_corrected_to_h=None,
    )
