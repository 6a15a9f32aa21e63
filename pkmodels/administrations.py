"""Administrations: what is given, of which ligand and label, when and how."""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from pkmodels.errors import InputError, check_kind, suggest
from pkmodels.nuclides import FREE_LABEL, nuclide
from pkmodels.units import NMOL_PER_UMOL

INTRAVENOUS = "intravenous"


_NUMBERS = (
    "time_h",
    "duration_h",
    "activity_MBq",
    "free_label_fraction",
    "ligand_nmol",
    "ligand_mass_ug",
    "molar_mass_g_per_mol",
)


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
        Mass of all ligand, labelled or not, ug, > 0; models read it where the molar
        mass is given, too.
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
    molar_mass_g_per_mol : float or None
        Molar mass of the ligand, g/mol, > 0: with `ligand_mass_ug` it gives
        `ligand_nmol`.
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
    molar_mass_g_per_mol: float | None = None
    steady_state: SteadyState | None = None
    modelled: bool = False
    holds_rate: bool = False

    def __post_init__(self) -> None:
        """Check the numbers, and the activity against the amount of ligand."""
        self._check_kinds()
        for field in ("time_h", "duration_h", "activity_MBq", "free_label_fraction"):
            value = getattr(self, field)
            if not (math.isfinite(value) and value >= 0.0):
                raise InputError(
                    f"{self.described()}: {field} is {value}; it must be >= 0"
                )
        self._convert_mass()
        if self.free_label_fraction > 1.0:
            raise InputError(
                f"{self.described()}: free_label_fraction is "
                f"{self.free_label_fraction}; it must be from 0 to 1"
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

    def _check_kinds(self) -> None:
        check_kind("the ligand of an administration", self.ligand, str, "give its name")
        names = [("label", self.label), ("route", self.route)]
        for field, value in names:
            if value is not None:
                what = f"{field} of an administration of {self.ligand}"
                check_kind(what, value, str, "give its name")
        if self.steady_state is not None:
            remedy = "write SteadyState(interval_h)"
            what = f"steady_state of an administration of {self.ligand}"
            check_kind(what, self.steady_state, SteadyState, remedy)
        if self.delivered not in set(Delivery):
            raise InputError(
                f"delivered of an administration of {self.ligand} is "
                f"{self.delivered!r}: {suggest(str(self.delivered), list(Delivery))}"
            )
        object.__setattr__(self, "delivered", Delivery(self.delivered))
        for field in _NUMBERS:
            value = getattr(self, field)
            if value is not None:
                what = f"{field} of an administration of {self.ligand}"
                check_kind(what, value, (int, float), "give a number")

    def _convert_mass(self) -> None:
        for field in ("ligand_nmol", "ligand_mass_ug", "molar_mass_g_per_mol"):
            value = getattr(self, field)
            if value is not None and not (math.isfinite(value) and value > 0.0):
                raise InputError(
                    f"{self.described()}: {field} is {value}; it must be > 0, or None "
                    "when unknown"
                )
        if self.ligand_mass_ug is None or self.molar_mass_g_per_mol is None:
            return
        nmol = self.ligand_mass_ug / self.molar_mass_g_per_mol * NMOL_PER_UMOL
        stated = self.ligand_nmol
        if stated is not None and not math.isclose(stated, nmol, rel_tol=1e-3):
            raise InputError(
                f"{self.described()}: ligand_nmol is {stated:g}, but "
                f"{self.ligand_mass_ug:g} ug of {self.molar_mass_g_per_mol:g} g/mol "
                f"are {nmol:.4g} nmol: keep one of them"
            )
        object.__setattr__(self, "ligand_nmol", nmol if stated is None else stated)

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
    return FREE_LABEL + nuclide(label).name.split("-")[0]


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
