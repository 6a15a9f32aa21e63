"""Syringes: what is given, but for its activity."""

from dataclasses import dataclass

import numpy as np

from pkmodels.administrations import Administration
from pkmodels.clinic.patient import Patient, Plan
from pkmodels.clinic.patient_models import planned_nmol, saturates
from pkmodels.exact import Doses
from pkmodels.nuclides import nuclide


@dataclass(frozen=True)
class Syringe:
    """What is given, but for its activity.

    Parameters
    ----------
    ligand, label : str
        Ligand, and the radionuclide that it carries.
    duration_h : float
        Length of the infusion, h; 0 is a bolus.
    ligand_nmol : float or None
        All ligand, nmol; None where the model does not ask, since nothing saturates.
    occasion : str or None
        Where the ligand was given on several, the one of which this was given; None of
        what is planned, which rests on the last one.
    """

    ligand: str
    label: str
    duration_h: float
    ligand_nmol: float | None
    occasion: str | None = None


def syringe_of(patient: Patient, plan: Plan) -> Syringe:
    """Return what one cycle of a plan gives.

    Parameters
    ----------
    patient : Patient
        The patient.
    plan : Plan
        One of its plans, or one to compare them with.

    Returns
    -------
    Syringe
    """
    nmol = planned_nmol(patient, plan)
    return Syringe(plan.ligand, plan.label, plan.duration_h, nmol)


def syringe_given(patient: Patient, label: str, given: Administration) -> Syringe:
    """Return what an administration of a label gave.

    Parameters
    ----------
    patient : Patient
        The patient.
    label : str
        Its label.
    given : Administration
        One of the patient's.

    Returns
    -------
    Syringe
    """
    if not saturates(patient):
        return Syringe(given.ligand, label, given.duration_h, None)
    of_ligand = [o for o in patient.occasions if given.ligand in o.schedule.ligands]
    occasion = None
    if len(of_ligand) > 1:
        own = (o for o in of_ligand if given in o.schedule.administrations)
        occasion = next(own).name
    return Syringe(given.ligand, label, given.duration_h, given.ligand_nmol, occasion)


def unit_dose(syringe: Syringe) -> Doses:
    """Return 1 MBq of a label, as a solution takes it.

    Parameters
    ----------
    syringe : Syringe
        What is given.

    Returns
    -------
    Doses

    Examples
    --------
    >>> unit_dose(Syringe("pentixather", "Y-90", 0.5, None)).length_h
    array([0.5])
    """
    decay = np.float64(nuclide(syringe.label).decay_constant_per_h)
    length, nmol = np.array([syringe.duration_h]), syringe.ligand_nmol
    amount = None if nmol is None else np.array([nmol])
    return Doses(np.zeros(1), length, np.ones(1), decay, amount)
