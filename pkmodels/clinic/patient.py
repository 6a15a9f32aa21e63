"""The patient of a folder as the rest of pkmodels sees it: plain frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pkmodels.measurements import Measurement
from pkmodels.schedule import Schedule


@dataclass(frozen=True)
class Region:
    """One region of the body that the measurements name.

    Parameters
    ----------
    name : str
        Name, as in measurements.csv.
    organ : str
        What tissue it is: ``"kidney"``, ``"liver"``, ...
    mass_g : float or None
        Mass, g, > 0; None when unknown. Where the file gives `volume_mL` and
        `density_g_per_mL` only, it is their product.
    mass_cv : float or None
        Relative standard deviation of the mass, 0 to 1; None when `mass_g` is.
    volume_mL : float or None
        Volume, mL, > 0.
    density_g_per_mL : float or None
        Density, g/mL, > 0.
    """

    name: str
    organ: str
    mass_g: float | None = None
    mass_cv: float | None = None
    volume_mL: float | None = None
    density_g_per_mL: float | None = None


@dataclass(frozen=True)
class Group:
    """Regions of one organ that share a limit; its dose is energy over mass."""

    name: str
    regions: tuple[str, ...]


@dataclass(frozen=True)
class Calibration:
    """An unknown factor that multiplies what one modality measures.

    Parameters
    ----------
    modality : str
        Name of the modality, as in measurements.csv.
    scope : "modality" or "region"
        Whether one factor serves all regions, or each region has its own.
    cv : float or None
        Relative standard deviation of the factor, > 0; None when it is free.
    """

    modality: str
    scope: Literal["modality", "region"]
    cv: float | None


@dataclass(frozen=True)
class Plan:
    """A therapy whose safe activity is asked.

    Parameters
    ----------
    ligand : str
        Name of the ligand.
    label : str
        Radionuclide that it carries.
    ligand_mass_ug : float or None
        Mass of all ligand, labelled or not, ug, > 0; None when unknown.
    duration_h : float
        Length of the infusion, h, >= 0; 0 is a bolus.
    """

    ligand: str
    label: str
    ligand_mass_ug: float | None
    duration_h: float


@dataclass(frozen=True)
class Limit:
    """What a region or group may receive: an absorbed dose or a BED, Gy, never both.

    Parameters
    ----------
    target : str
        Name of the region or group.
    absorbed_dose_Gy : float or None
        Limit of the absorbed dose, Gy, > 0.
    bed_Gy : float or None
        Limit of the biologically effective dose, Gy, > 0.
    """

    target: str
    absorbed_dose_Gy: float | None
    bed_Gy: float | None


@dataclass(frozen=True)
class Waiver:
    """A limit that the physicist leaves out on purpose, with the reason."""

    target: str
    reason: str


@dataclass(frozen=True)
class Patient:
    """Everything that a patient's folder states, checked and in pkmodels' units.

    Parameters
    ----------
    id : str
        The patient's pseudonym.
    note : str or None
        What the file says about the patient in free words.
    covariates : mapping of str to object
        Those given of sex, body_mass_kg, height_cm, haematocrit (a fraction),
        age (years) and serum_creatinine (mg/dL).
    schedule : Schedule
        What was administered, in the order of time.
    regions : tuple of Region
    groups : tuple of Group
    calibrations : tuple of Calibration
    plans : tuple of Plan
        One a label.
    limits : tuple of Limit
    waived : tuple of Waiver
    confidence : float
        Probability with which all limits must hold together, 0 to 1.
    model : str or None
        Name of the model asked for; None leaves the choice to pkmodels.
    count_administrations : bool
        Whether the dose already given counts against every limit.
    count_reason : str or None
        Why it does not count.
    noise_floor : bool
        Whether every value carries an additive noise besides the relative one.
    measurements : tuple of Measurement
    warnings : tuple of str
        What a reader of the result must know of the data.
    data_sha256 : str
        Hash of the two files, as hexadecimal digits.
    """

    id: str
    note: str | None
    covariates: Mapping[str, object]
    schedule: Schedule
    regions: tuple[Region, ...]
    groups: tuple[Group, ...]
    calibrations: tuple[Calibration, ...]
    plans: tuple[Plan, ...]
    limits: tuple[Limit, ...]
    waived: tuple[Waiver, ...]
    confidence: float
    model: str | None
    count_administrations: bool
    count_reason: str | None
    noise_floor: bool
    measurements: tuple[Measurement, ...]
    warnings: tuple[str, ...]
    data_sha256: str

    def regions_of(self, target: str) -> tuple[Region, ...]:
        """Return the region named `target`, or the regions of the group so named.

        Parameters
        ----------
        target : str
            Name of a region or of a group.

        Returns
        -------
        tuple of Region
            Empty when neither is so named.
        """
        names = {name for g in self.groups if g.name == target for name in g.regions}
        return tuple(r for r in self.regions if r.name in names or r.name == target)
