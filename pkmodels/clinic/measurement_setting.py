"""What of patient.toml says how the rows of measurements.csv are to be read."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pkmodels.clinic.joint_data import Occasion, StatedCounting, divide_schedule
from pkmodels.clinic.patient import Patient, Region
from pkmodels.schedule import Schedule


@dataclass(frozen=True)
class Setting:
    """What of a patient's file says how rows are to be read.

    Parameters
    ----------
    regions : mapping of str to Region
        By name.
    schedule : Schedule
        What was administered.
    occasion_names : tuple of str
        Occasion of each administration; empty: each ligand is one.
    body_mass_kg : float or None
        Body mass, kg, > 0: for SUV.
    countings : mapping of str to StatedCounting
        By modality: for counts.
    sample_volume_cv : float or None
        Relative sd of a sample's volume: for replicates of samples.
    """

    regions: Mapping[str, Region]
    schedule: Schedule
    occasion_names: tuple[str, ...] = ()
    body_mass_kg: float | None = None
    countings: Mapping[str, StatedCounting] = field(default_factory=dict)
    sample_volume_cv: float | None = None

    @property
    def occasions(self) -> tuple[Occasion, ...]:
        """Administrations that are solved together, in the order of time."""
        return divide_schedule(self.schedule, self.occasion_names)


def setting_of(patient: Patient) -> Setting:
    """Return what of a patient's file says how rows are to be read.

    Parameters
    ----------
    patient : Patient
        Its measurements are not looked at.

    Returns
    -------
    Setting

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from pkmodels.clinic.patient_files import read_patient
    >>> from pkmodels.clinic.template import write_template
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = write_template(Path(folder))
    ...     setting = setting_of(read_patient(Path(folder)))
    >>> setting.body_mass_kg is None, [o.name for o in setting.occasions]
    (True, ['dotatate'])
    """
    mass = patient.covariates.get("body_mass_kg")
    return Setting(
        regions={r.name: r for r in patient.regions},
        schedule=patient.schedule,
        occasion_names=patient.occasion_names,
        body_mass_kg=float(mass) if isinstance(mass, int | float) else None,
        countings={c.modality: c for c in patient.countings},
        sample_volume_cv=patient.sample_volume_cv,
    )
