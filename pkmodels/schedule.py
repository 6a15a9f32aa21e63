"""Administrations of ligands and labels, and the schedule that they make up."""

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

from pkmodels.errors import InputError
from pkmodels.nuclides import nuclide, nuclides

INTRAVENOUS = "intravenous"

# Equal to rounding: two syringes drawn from one vial.
_SAME_RATIO = 1e-9


class Delivery(StrEnum):
    """How the label enters during an infusion."""

    DECAYING = "decaying"  # as in a syringe: (activity / duration) exp(-lambda t)
    CONSTANT = "constant"  # activity / duration, as some published models assume


@dataclass(frozen=True)
class SteadyState:
    """A dose that has been repeated for ever before its time.

    Parameters
    ----------
    interval_h : float
        Time between doses, h, > 0; or 0 for an infusion at the rate amount / duration
        that has run for ever and stops at the time of the administration.
    adds : bool
        Whether it adds to what is there (NONMEM's SS = 2) instead of replacing it.
    """

    interval_h: float
    adds: bool = False

    def __post_init__(self) -> None:
        """Refuse an interval below 0."""
        if not (math.isfinite(self.interval_h) and self.interval_h >= 0.0):
            raise InputError(
                f"interval_h of a steady state is {self.interval_h}; it must be > 0, "
                "or 0 for an endless infusion"
            )


@dataclass(frozen=True)
class Administration:
    """One administration of one ligand, with or without a label.

    Parameters
    ----------
    time_h : float
        Start, h after the start of the first one, >= 0.
    duration_h : float
        Length of the infusion, h, >= 0; 0 is a bolus.
    ligand : str
        Name of the ligand.
    label : str or None
        Radionuclide that the ligand carries.
    activity_MBq : float
        Activity of the whole syringe at `time_h`, MBq, >= 0. During an infusion
        the label in the syringe decays, unless `delivered` says otherwise.
    ligand_mass_ug : float or None
        Mass of all ligand as a patient's file states it, ug, > 0; no model reads it.
    ligand_nmol : float or None
        Amount of all ligand, labelled or not, nmol, > 0; None when unknown, which
        only a model in which nothing saturates accepts.
    route : str
        Name of the model's route.
    delivered : Delivery
        How the label enters during an infusion.
    free_label_fraction : float
        Fraction of the activity that no ligand carries, 0 to 1. It is given to the
        model's ligand `free_label_name(label)`.
    steady_state : SteadyState or None
        Whether it was repeated for ever before.
    modelled : bool
        Whether the route's modelled duration or rate holds instead of `duration_h`,
        which is 0 then.
    holds_rate : bool
        Whether the pump's rate, `ligand_nmol / duration_h`, is kept where only the
        fraction F of it arrives (the route's bioavailability): then for F `duration_h`,
        as NONMEM does where RATE is given; else over `duration_h`, at F times the rate.

    Raises
    ------
    InputError
        When a number is out of its range, or the activity is more than the ligand
        can carry with a label on every molecule.
    """

    time_h: float
    duration_h: float
    ligand: str
    label: str | None = None
    activity_MBq: float = 0.0
    ligand_mass_ug: float | None = None
    ligand_nmol: float | None = None
    route: str = INTRAVENOUS
    delivered: Delivery = Delivery.DECAYING
    free_label_fraction: float = 0.0
    steady_state: SteadyState | None = None
    modelled: bool = False
    holds_rate: bool = False

    def __post_init__(self) -> None:
        """Check the numbers, and the activity against the amount of ligand."""
        for field in ("time_h", "duration_h", "activity_MBq", "free_label_fraction"):
            value = getattr(self, field)
            if not (math.isfinite(value) and value >= 0.0):
                raise InputError(
                    f"{self.described()}: {field} is {value}; it must be >= 0"
                )
        if self.free_label_fraction > 1.0:
            raise InputError(
                f"{self.described()}: free_label_fraction is "
                f"{self.free_label_fraction}; it must be from 0 to 1"
            )
        if self.ligand_nmol is not None and not (
            math.isfinite(self.ligand_nmol) and self.ligand_nmol > 0.0
        ):
            raise InputError(
                f"{self.described()}: ligand_nmol is {self.ligand_nmol}; it must be "
                "> 0, or None when unknown"
            )
        if self.label is None and self.activity_MBq > 0.0:
            raise InputError(
                f"{self.described()}: activity_MBq is {self.activity_MBq:g} without a "
                "label: say which radionuclide"
            )
        if self.modelled and self.duration_h > 0.0:
            raise InputError(
                f"{self.described()}: duration_h is {self.duration_h:g}, but the "
                "route's duration is asked for: keep one"
            )
        if self.holds_rate and not (self.duration_h > 0.0 and self.ligand_nmol):
            raise InputError(
                f"{self.described()}: holds_rate needs the rate ligand_nmol / "
                "duration_h: state both, or leave holds_rate out"
            )
        self._check_carrier_free()

    def _check_carrier_free(self) -> None:
        if self.label is None or self.ligand_nmol is None:
            return
        highest = nuclide(self.label).carrier_free_MBq_per_nmol
        bound_MBq = self.activity_MBq * (1.0 - self.free_label_fraction)
        if bound_MBq > highest * self.ligand_nmol:
            raise InputError(
                f"{self.described()}: {bound_MBq:g} MBq of {self.label} is more than "
                f"{self.ligand_nmol:g} nmol can carry: "
                f"{highest * self.ligand_nmol:.4g} MBq with a label on every "
                f"molecule (carrier-free, {highest:.4g} MBq/nmol): mend activity_MBq "
                "or ligand_nmol"
            )

    def described(self) -> str:
        """Say which administration this is."""
        label = f" with {self.label}" if self.label else ""
        return f"administration of {self.ligand}{label} at {self.time_h:g} h"

    @property
    def molar_activity_MBq_per_nmol(self) -> float | None:
        """Activity on the ligand over the amount of ligand at `time_h`, MBq/nmol."""
        if self.ligand_nmol is None:
            return None
        bound_MBq = self.activity_MBq * (1.0 - self.free_label_fraction)
        return bound_MBq / self.ligand_nmol


@dataclass(frozen=True)
class Window:
    """A stretch of time in which an input of the model has a value.

    Parameters
    ----------
    name : str
        Name of the input.
    start_h, end_h : float
        From and to, h; start < end. The end may be infinite.
    value : float
        Its value there, in the input's unit, >= 0.

    Raises
    ------
    InputError
        When a number is out of its range.
    """

    name: str
    start_h: float
    end_h: float
    value: float

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not self.start_h < self.end_h:
            raise InputError(
                f"input {self.name!r}: the window from {self.start_h:g} to "
                f"{self.end_h:g} h is empty: end it after it starts"
            )
        if not (math.isfinite(self.value) and self.value >= 0.0):
            raise InputError(
                f"input {self.name!r}: the value is {self.value}; it must be >= 0"
            )


@dataclass(frozen=True)
class Schedule:
    """All that is done to one body: administrations, inputs, resets.

    Parameters
    ----------
    administrations : tuple of Administration
        In the order of their times.
    windows : tuple of Window
        Values of the model's inputs; those of one input do not overlap.
    resets_h : tuple of float
        Times at which every amount goes back to its start, h.

    Raises
    ------
    InputError
        When windows of one input overlap.
    """

    administrations: tuple[Administration, ...]
    windows: tuple[Window, ...] = ()
    resets_h: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse windows of one input that overlap."""
        ordered = sorted(self.windows, key=lambda w: (w.name, w.start_h))
        for one, other in pairwise(ordered):
            if one.name == other.name and other.start_h < one.end_h:
                raise InputError(
                    f"input {one.name!r} has two values from {other.start_h:g} h: "
                    f"the windows from {one.start_h:g} and {other.start_h:g} h overlap"
                )

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label, in the order of first administration."""
        return tuple(dict.fromkeys(label for label, _ in self.labelled))

    @property
    def ligands(self) -> tuple[str, ...]:
        """Every ligand, in the order of first administration."""
        return tuple(dict.fromkeys(a.ligand for a in self.administrations))

    @property
    def labelled(self) -> tuple[tuple[str, Administration], ...]:
        """Each administration that carries a label, with the label before it."""
        return tuple((a.label, a) for a in self.administrations if a.label is not None)

    def of_label(self, label: str) -> "Schedule":
        """Return the schedule with the administrations that carry `label` only."""
        kept = tuple(a for a in self.administrations if a.label == label)
        return replace(self, administrations=kept)

    @property
    def form(self) -> "ScheduleForm":
        """What of this schedule decides the equations."""
        given = self.administrations
        routes = {(a.ligand, a.route) for a in given}
        free = [a for a in given if a.free_label_fraction > 0.0 and a.label]
        routes |= {(free_label_name(str(a.label)), a.route) for a in free}
        return ScheduleForm(
            routes=tuple(sorted(routes)),
            labels=tuple(_label_forms(self)),
            infusions=any(a.duration_h > 0.0 or a.modelled for a in given),
            amounts_known=all(a.ligand_nmol is not None for a in given),
        )

    def slots(self) -> tuple[tuple[str, str], ...]:
        """Return each (ligand, label) pair, free labels included, as given first."""
        found: dict[tuple[str, str], None] = {}
        for a in self.administrations:
            if a.label is not None:
                if a.free_label_fraction < 1.0:
                    found.setdefault((a.ligand, a.label))
                if a.free_label_fraction > 0.0:
                    found.setdefault((free_label_name(a.label), a.label))
        return tuple(found)


@dataclass(frozen=True)
class LabelForm:
    """How one label on one ligand is followed.

    Parameters
    ----------
    ligand : str
        The ligand.
    proportional : bool
        Whether the labelled fraction of the ligand is the same everywhere, but for
        its decay: then activity = molar activity x amount x exp(-lambda t).
    chain : str or None
        The label where it has daughters in the table of radionuclides, which need
        equations of their own; else None, and any label will do. A radioactive
        daughter that is not in the table is not followed: its activity cannot be read.
    """

    ligand: str
    proportional: bool
    chain: str | None = None


@dataclass(frozen=True)
class ScheduleForm:
    """What of a schedule decides the equations: never amounts, times or counts.

    Parameters
    ----------
    routes : tuple of (str, str)
        Each ligand with the name of a route by which it is given.
    labels : tuple of LabelForm
        One for each label on each ligand, in the order of first administration.
    infusions : bool
        Whether any administration takes time.
    amounts_known : bool
        Whether the amount of ligand (nmol) of each administration is stated.
    """

    routes: tuple[tuple[str, str], ...]
    labels: tuple[LabelForm, ...] = ()
    infusions: bool = False
    amounts_known: bool = False


def free_label_name(label: str) -> str:
    """Return the name of the ligand that a label without its ligand is.

    Parameters
    ----------
    label : str
        A radionuclide.

    Returns
    -------
    str

    Examples
    --------
    >>> free_label_name("Lu-177")
    'free Lu'
    """
    return f"free {nuclide(label).name.split('-')[0]}"


def has_followed_daughters(label: str) -> bool:
    """Say whether a label's daughters get equations of their own.

    Parameters
    ----------
    label : str
        A radionuclide.

    Returns
    -------
    bool
        Whether any of them is in the table of radionuclides.

    Examples
    --------
    >>> has_followed_daughters("Ac-225"), has_followed_daughters("Lu-177")
    (True, False)
    """
    return any(name in nuclides() for name, _ in nuclide(label).daughters)


def repeat(
    administration: Administration, *, interval_h: float, count: int
) -> tuple[Administration, ...]:
    """Return an administration and its repetitions.

    Parameters
    ----------
    administration : Administration
        The first one.
    interval_h : float
        Time from the start of one to the start of the next, h, > 0.
    count : int
        How many in all, >= 1.

    Returns
    -------
    tuple of Administration

    Raises
    ------
    InputError
        When the interval or the count is out of its range.

    Examples
    --------
    >>> cycle = Administration(0.0, 0.5, "dotatate", "Lu-177", 7400.0)
    >>> [a.time_h for a in repeat(cycle, interval_h=1344.0, count=4)]
    [0.0, 1344.0, 2688.0, 4032.0]
    """
    if count < 1 or not (math.isfinite(interval_h) and interval_h > 0.0):
        raise InputError(
            f"repeat {administration.described()}: interval_h is {interval_h} and "
            f"count {count}; the interval must be > 0 and the count >= 1"
        )
    if administration.steady_state is not None:
        later = replace(administration, steady_state=None)
    else:
        later = administration
    times = (administration.time_h + n * interval_h for n in range(1, count))
    return (administration, *(replace(later, time_h=time) for time in times))


def _label_forms(schedule: Schedule) -> list[LabelForm]:
    forms = []
    for ligand, label in schedule.slots():
        chain = label if has_followed_daughters(label) else None
        same = chain is None and _same_fraction(schedule, ligand, label)
        forms.append(LabelForm(ligand, same, chain))
    return forms


def _same_fraction(schedule: Schedule, ligand: str, label: str) -> bool:
    """Whether all of a ligand carries a label in one ratio, but for decay."""
    given = [a for a in schedule.administrations if a.ligand == ligand]
    if not given:  # a free label has no amount of ligand
        return False
    rate = nuclide(label).decay_constant_per_h
    ratios = []
    for a in given:
        ratio = a.molar_activity_MBq_per_nmol
        constant = a.delivered is Delivery.CONSTANT and (a.duration_h > 0 or a.modelled)
        if a.label != label or ratio is None or constant or a.steady_state is not None:
            return False
        ratios.append(math.log(ratio) + rate * a.time_h if ratio > 0.0 else -math.inf)
    return max(ratios) - min(ratios) <= _SAME_RATIO
