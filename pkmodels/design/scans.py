"""Scans that could be made, and when they may be."""

from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, inf, isfinite

from pkmodels.errors import InputError, suggest

HOURS_PER_DAY = 24.0
# Two times that differ by less are one: rounding, not minutes.
_ROUNDING_H = 1e-9


@dataclass(frozen=True)
class Modality:
    """How values of a kind of scan come about.

    ln value = ln expected + ln calibration + error, each normal. The error's variance
    is log_sd^2 + (floor / expected)^2.

    Parameters
    ----------
    name : str
        Its name: "SPECT", "planar", "well counter".
    regions : tuple of str
        Observables that one scan gives a value of, each once.
    log_sd : float
        Scatter, sd of ln of a value, > 0.
    calibration_log_sd : float
        sd of ln of the factor that all its values share, >= 0; 0 is exact.
    per_region : bool
        Whether each region has a factor of its own, as of planar scans, whose scale is
        free, rather than one that all share.
    floor : float
        Scatter that stays when nothing is left, in the observables' unit, >= 0.

    Raises
    ------
    InputError
        When a number is out of range, or no region or one twice is named.
    """

    name: str
    regions: tuple[str, ...]
    log_sd: float
    calibration_log_sd: float
    per_region: bool
    floor: float = 0.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not (isfinite(self.log_sd) and self.log_sd > 0.0):
            raise InputError(
                f"log_sd of {self.name} is {self.log_sd}: give a finite number > 0"
            )
        for what in ("calibration_log_sd", "floor"):
            value = getattr(self, what)
            if not (isfinite(value) and value >= 0.0):
                raise InputError(
                    f"{what} of {self.name} is {value}: give a finite number >= 0"
                )
        if not self.regions or len(set(self.regions)) != len(self.regions):
            raise InputError(
                f"{self.name} shows {', '.join(self.regions) or 'no region'}: name at "
                "least one, and none twice"
            )


@dataclass(frozen=True, order=True)
class Scan:
    """One scan.

    Parameters
    ----------
    time_h : float
        h after the first administration starts.
    modality : str
        Name of its `Modality`.
    """

    time_h: float
    modality: str

    def __str__(self) -> str:
        """Name it as a reader would."""
        return f"{self.modality} at {self.time_h:.3g} h"


@dataclass(frozen=True)
class Calendar:
    """When scans may be made.

    Parameters
    ----------
    earliest_h, latest_h : float
        h after the first administration starts, 0 < earliest <= latest.
    least_gap_h : float
        Between two scans of one modality, >= 0. Different ones may share a visit.
    given_at_clock_h : float or None
        Time of day of the administration, 0 to 24 h; needed with `open_clock_h`.
    open_clock_h : (float, float) or None
        Working hours, as (8, 17); None for any time.
    closed_days : tuple of int
        Days without scans, counted from that of the administration, 0.
    slots_h : tuple of float or None
        The only times that the camera is free at, h after the administration.

    Raises
    ------
    InputError
        When a number is out of range, or no time is left.
    """

    earliest_h: float
    latest_h: float
    least_gap_h: float
    given_at_clock_h: float | None = None
    open_clock_h: tuple[float, float] | None = None
    closed_days: tuple[int, ...] = ()
    slots_h: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        """Check the numbers, and that they leave a time."""
        if not 0.0 < self.earliest_h <= self.latest_h < inf:
            raise InputError(
                f"scans from {self.earliest_h:g} to {self.latest_h:g} h: give "
                "0 < earliest <= latest"
            )
        if not 0.0 <= self.least_gap_h < inf:
            raise InputError(
                f"the least gap is {self.least_gap_h:g} h: give a number >= 0"
            )
        needed = self.open_clock_h is not None or bool(self.closed_days)
        if needed and self.given_at_clock_h is None:
            raise InputError(
                "working hours and closed days need the time of day of the "
                "administration: give given_at_clock_h"
            )
        given = self.given_at_clock_h
        if given is not None and not 0.0 <= given < HOURS_PER_DAY:
            raise InputError(f"given at {given:g} h of the day: give 0 to 24")
        if self.open_clock_h is not None:
            opens, closes = self.open_clock_h
            if not 0.0 <= opens < closes <= HOURS_PER_DAY:
                raise InputError(
                    f"working hours of {opens:g} to {closes:g}: give 0 <= opens < "
                    "closes <= 24"
                )
        if not allowed_times(self):
            raise InputError(
                f"no time from {self.earliest_h:g} to {self.latest_h:g} h is left by "
                "working hours, closed days and slots: widen them"
            )


def allowed_times(calendar: Calendar) -> tuple[tuple[float, float], ...]:
    """Return the intervals in which scans may be made; a slot begins where it ends.

    Parameters
    ----------
    calendar : Calendar
        What is allowed.

    Returns
    -------
    tuple of (float, float)
        Begin and end of each, h after the administration, ascending.

    Examples
    --------
    Given at 10 o'clock, scanned from 8 to 17 within three days:

    >>> allowed_times(Calendar(1.0, 72.0, 1.0, 10.0, (8.0, 17.0)))
    ((1.0, 7.0), (22.0, 31.0), (46.0, 55.0), (70.0, 72.0))
    """
    spans = [(calendar.earliest_h, calendar.latest_h)]
    given = calendar.given_at_clock_h
    if given is not None:
        opens, closes = calendar.open_clock_h or (0.0, HOURS_PER_DAY)
        days = range(
            floor((given + calendar.earliest_h) / HOURS_PER_DAY),
            ceil((given + calendar.latest_h) / HOURS_PER_DAY) + 1,
        )
        working = (
            (HOURS_PER_DAY * day + opens - given, HOURS_PER_DAY * day + closes - given)
            for day in days
            if day not in calendar.closed_days
        )
        spans = [
            (max(low, calendar.earliest_h), min(high, calendar.latest_h))
            for low, high in working
            if max(low, calendar.earliest_h) <= min(high, calendar.latest_h)
        ]
    if calendar.slots_h is None:
        return tuple(spans)
    return tuple((t, t) for t in sorted(set(calendar.slots_h)) if _inside(t, spans))


def _inside(time_h: float, spans: list[tuple[float, float]]) -> bool:
    return any(low - _ROUNDING_H <= time_h <= high + _ROUNDING_H for low, high in spans)


def apart(scans: list[Scan], calendar: Calendar) -> bool:
    """Say whether scans of each modality keep the least gap.

    Parameters
    ----------
    scans : list of Scan
        Those to be made.
    calendar : Calendar
        Whose gap.

    Returns
    -------
    bool

    Examples
    --------
    >>> both = [Scan(24.0, "SPECT"), Scan(24.0, "planar"), Scan(30.0, "planar")]
    >>> apart(both, Calendar(1.0, 96.0, 12.0)), apart(both[:2], Calendar(1, 96, 12))
    (False, True)
    """
    for name in {scan.modality for scan in scans}:
        times = sorted(s.time_h for s in scans if s.modality == name)
        gaps = (b - a for a, b in pairwise(times))
        if any(gap < calendar.least_gap_h - _ROUNDING_H for gap in gaps):
            return False
    return True


def modality_of(scan: Scan, modalities: tuple[Modality, ...]) -> Modality:
    """Return the modality of a scan.

    Parameters
    ----------
    scan : Scan
        The scan.
    modalities : tuple of Modality
        Those that there are.

    Returns
    -------
    Modality

    Raises
    ------
    InputError
        When there is none of its name.

    Examples
    --------
    >>> spect = Modality("SPECT", ("kidneys",), 0.05, 0.05, per_region=False)
    >>> modality_of(Scan(24.0, "SPECT"), (spect,)).log_sd
    0.05
    """
    for each in modalities:
        if each.name == scan.modality:
            return each
    names = [each.name for each in modalities]
    raise InputError(f"no modality {scan.modality!r}: {suggest(scan.modality, names)}")
