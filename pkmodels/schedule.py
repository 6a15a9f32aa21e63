"""Administrations of labelled ligand, and the schedule that they make up."""

from dataclasses import dataclass

from pkmodels.errors import ModelError

INTRAVENOUS = "intravenous"


@dataclass(frozen=True)
class Administration:
    """One administration of one ligand carrying one label.

    Parameters
    ----------
    time_h : float
        Start, h after the start of the first one, >= 0.
    duration_h : float
        Length of the infusion, h, >= 0; 0 is a bolus.
    ligand : str
        Name of the ligand.
    label : str
        Radionuclide that the ligand carries.
    activity_MBq : float
        Activity of the whole syringe at `time_h`, MBq, > 0. During an infusion
        the label in the syringe decays.
    ligand_mass_ug : float or None
        Mass of all ligand, labelled or not, ug, > 0; None when unknown.
    """

    time_h: float
    duration_h: float
    ligand: str
    label: str
    activity_MBq: float
    ligand_mass_ug: float | None = None


@dataclass(frozen=True)
class Schedule:
    """Several administrations, in the order of their times."""

    administrations: tuple[Administration, ...]

    def of_label(self, label: str) -> "Schedule":
        """Return the administrations that carry `label`."""
        return Schedule(tuple(a for a in self.administrations if a.label == label))

    @property
    def form(self) -> "ScheduleForm":
        """What of this schedule decides the equations."""
        ligands = {a.ligand for a in self.administrations}
        if len(ligands) != 1:
            raise ModelError(
                f"a schedule needs exactly one ligand; this one has "
                f"{', '.join(sorted(ligands)) or 'no administration'}"
            )
        infusions = any(a.duration_h > 0.0 for a in self.administrations)
        return ScheduleForm(ligands.pop(), INTRAVENOUS, infusions)


@dataclass(frozen=True)
class ScheduleForm:
    """What of a schedule decides the equations: never amounts, times or counts.

    Parameters
    ----------
    ligand : str
        The ligand given.
    route : str
        How it is given.
    infusions : bool
        Whether any administration takes time.
    """

    ligand: str
    route: str
    infusions: bool
