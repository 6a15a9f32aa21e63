"""Therapies: what each syringe of a plan holds, and how often it is given."""

import math
from dataclasses import dataclass
from typing import Any

from pkmodels.administrations import INTRAVENOUS
from pkmodels.decision.limits import check_cycles
from pkmodels.errors import InputError
from pkmodels.nuclides import nuclide
from pkmodels.schedule import Window
from pkmodels.units import MBQ_PER_GBQ, NMOL_PER_UMOL


@dataclass(frozen=True)
class Therapy:
    """A therapy whose activity is to be found: what each syringe holds, and how often.

    Parameters
    ----------
    ligand : str
        Name of the ligand.
    label : str
        Radionuclide that it carries.
    duration_h : float
        Length of each infusion, h, >= 0; 0 is a bolus.
    ligand_mass_ug : float or None
        Mass of all ligand in one syringe, labelled or not, ug, > 0, whatever its
        activity.
    ligand_mass_ug_per_GBq : float or None
        The same in proportion to the activity, ug/GBq, > 0. Neither where it is not
        known, which only a model in which nothing saturates accepts.
    molar_mass_g_per_mol : float or None
        Molar mass of the ligand, g/mol, > 0; needed with either mass.
    cycles : int
        Equal cycles, >= 1, between which the body returns to what it was.
    route : str
        Name of the model's route.
    windows : tuple of Window
        Values of the model's inputs, as of co-infused amino acids, in hours from the
        start of the infusion.

    Raises
    ------
    InputError
        When a number is out of its range, both masses are stated, the molar mass is
        missing or a mass per activity is less than carrier-free.
    """

    ligand: str
    label: str
    duration_h: float
    ligand_mass_ug: float | None = None
    ligand_mass_ug_per_GBq: float | None = None
    molar_mass_g_per_mol: float | None = None
    cycles: int = 1
    route: str = INTRAVENOUS
    windows: tuple[Window, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a plan that cannot be prepared."""
        what = f"the plan of {self.ligand} with {self.label}"
        check_cycles(self.cycles)
        if not (math.isfinite(self.duration_h) and self.duration_h >= 0.0):
            raise InputError(
                f"{what}: duration_h is {self.duration_h}; it must be >= 0"
            )
        for key in ("ligand_mass_ug", "ligand_mass_ug_per_GBq", "molar_mass_g_per_mol"):
            value = getattr(self, key)
            if value is not None and not (math.isfinite(value) and value > 0.0):
                raise InputError(
                    f"{what}: {key} is {value}; it must be > 0, or None when unknown"
                )
        masses = (self.ligand_mass_ug, self.ligand_mass_ug_per_GBq)
        if None not in masses:
            raise InputError(
                f"{what} states both ligand_mass_ug and ligand_mass_ug_per_GBq: keep "
                "the one that the syringe will hold"
            )
        if any(m is not None for m in masses) and self.molar_mass_g_per_mol is None:
            raise InputError(
                f"{what}: molar_mass_g_per_mol is missing, which turns its mass of "
                "ligand into an amount"
            )
        highest = nuclide(self.label).carrier_free_MBq_per_nmol
        each = ligand_nmol(self, 1.0)
        if self.ligand_mass_ug_per_GBq is not None and each is not None:
            if highest * each < MBQ_PER_GBQ:
                raise InputError(
                    f"{what}: ligand_mass_ug_per_GBq = {self.ligand_mass_ug_per_GBq:g} "
                    f"is {each:.4g} nmol, which can carry {highest * each:.4g} MBq of "
                    f"{self.label} with a label on every molecule (carrier-free), not "
                    "1000 MBq: mend the mass"
                )


def ligand_nmol(therapy: Therapy, activity_GBq: Any) -> Any:
    """Return the amount of ligand in a syringe of some activity.

    Parameters
    ----------
    therapy : Therapy
        The plan.
    activity_GBq : float or array
        Activity of one syringe, GBq, >= 0.

    Returns
    -------
    float, array or None
        nmol, of the activity's shape; None where no mass is stated.

    Examples
    --------
    >>> plan = Therapy("pentixather", "Y-90", 0.5, ligand_mass_ug=250.0,
    ...                molar_mass_g_per_mol=1347.0)
    >>> round(ligand_nmol(plan, 8.0), 1)
    185.6
    """
    if therapy.molar_mass_g_per_mol is None:
        return None
    if therapy.ligand_mass_ug is not None:
        mass = therapy.ligand_mass_ug + 0.0 * activity_GBq
    elif therapy.ligand_mass_ug_per_GBq is not None:
        mass = therapy.ligand_mass_ug_per_GBq * activity_GBq
    else:
        return None
    return mass / therapy.molar_mass_g_per_mol * NMOL_PER_UMOL


def carrier_free_GBq(therapy: Therapy) -> float | None:
    """Return the highest activity that one syringe's ligand can carry.

    Parameters
    ----------
    therapy : Therapy
        The plan.

    Returns
    -------
    float or None
        GBq, with a label on every molecule; None where the mass follows the activity
        or is not stated.

    Examples
    --------
    >>> plan = Therapy("pentixather", "Y-90", 0.5, ligand_mass_ug=250.0,
    ...                molar_mass_g_per_mol=1347.0)
    >>> round(carrier_free_GBq(plan))
    336
    """
    if therapy.ligand_mass_ug is None:
        return None
    nmol = ligand_nmol(therapy, 1.0)
    return nmol * nuclide(therapy.label).carrier_free_MBq_per_nmol / MBQ_PER_GBQ
