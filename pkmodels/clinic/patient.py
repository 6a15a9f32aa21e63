"""The patient of a folder as the rest of pkmodels sees it: plain frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pkmodels.clinic.cohort_prior import CohortPrior
from pkmodels.clinic.joint_data import (
    MaximumExcess,
    Occasion,
    StatedCounting,
    StatedOverlap,
    StatedSharing,
    divide_schedule,
    occasion_at,
)
from pkmodels.decision import History, Quantity
from pkmodels.dosimetry.s_tables import STable
from pkmodels.measurements import Measurement
from pkmodels.schedule import Schedule

# Whose S-values are scaled where the file states no sex; the result says so.
UNSTATED_SEX = "male"


@dataclass(frozen=True)
class Region:
    """One region of the body that the measurements name.

    Parameters
    ----------
    name : str
        Name, as in measurements.csv.
    organ : str
        What tissue it is: ``"kidney"``, ``"liver"``, ...; ``"kidneys"`` is both
        outlined as one region.
    mass_g : float or None
        Mass, g, > 0; None when unknown. Where the file gives `volume_mL` and
        `density_g_per_mL` only, it is their product.
    mass_cv : float or None
        Relative standard deviation of the mass, 0 to 1; None when `mass_g` is. Where
        the file gives `voxel_mm` and `fwhm_mm`, it follows from them.
    volume_mL : float or None
        Volume, mL, > 0.
    density_g_per_mL : float or None
        Density, g/mL, > 0.
    side : "left", "right" or None
        Which kidney.
    voxel_mm, fwhm_mm : float or None
        Voxel and resolution of the image that it was outlined on, mm, > 0.
    """

    name: str
    organ: str
    mass_g: float | None = None
    mass_cv: float | None = None
    volume_mL: float | None = None
    density_g_per_mL: float | None = None
    side: Literal["left", "right"] | None = None
    voxel_mm: float | None = None
    fwhm_mm: float | None = None

    @property
    def outlined_volume_mL(self) -> float | None:
        """`volume_mL`, else `mass_g` / `density_g_per_mL`, else None."""
        if self.volume_mL is not None:
            return self.volume_mL
        if self.mass_g is None or self.density_g_per_mL is None:
            return None
        return self.mass_g / self.density_g_per_mL


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
    gamma_keV : float or None
        Energy of the gamma line that is counted, keV.
    calibrated_with, quantified_with : str or None
        Whose yield of that line the sensitivity and the values rest on.
    """

    modality: str
    scope: Literal["modality", "region"]
    cv: float | None
    gamma_keV: float | None = None
    calibrated_with: str | None = None
    quantified_with: str | None = None


@dataclass(frozen=True)
class Recovery:
    """The recovery coefficient that a modality's values were divided by.

    R(v) = 1 - 1 / (1 + (v / b1)^b2), v the outlined volume in mL.

    Parameters
    ----------
    modality : str
        Name of the modality.
    b1_mL, b2 : float
        Coefficients, > 0.
    b1_cv, b2_cv : float
        Their relative standard deviations, 0 to 1.
    correlation : float
        Of b1 and b2, -1 to 1.
    fwhm_mm : float
        Resolution of its images, mm, > 0.
    """

    modality: str
    b1_mL: float
    b1_cv: float
    b2: float
    b2_cv: float
    correlation: float
    fwhm_mm: float


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
    start_h : float or None
        When it is to start, h after the first administration.
    cycles : int
        Equal cycles that the activity is divided into, with full repair between.
    """

    ligand: str
    label: str
    ligand_mass_ug: float | None
    duration_h: float
    start_h: float | None = None
    cycles: int = 1


@dataclass(frozen=True)
class Treatment:
    """A treatment that may change what takes the ligand up, and when it began, h."""

    time_h: float
    what: str


@dataclass(frozen=True)
class StatedRadiobiology:
    """What the file says of an organ's response: alpha/beta and repair.

    Parameters
    ----------
    organ : str
        The organ.
    alpha_beta_Gy, repair_half_time_h : float
        Gy and h, > 0.
    alpha_beta_cv, repair_half_time_cv : float
        Relative standard deviations, 0 to 1.
    """

    organ: str
    alpha_beta_Gy: float
    alpha_beta_cv: float
    repair_half_time_h: float
    repair_half_time_cv: float


@dataclass(frozen=True)
class TailRule:
    """Shares of a time integral after the last scan that are flagged and refused."""

    flag_above: float
    refuse_above: float


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

    @property
    def quantity(self) -> Quantity:
        """What is limited."""
        return "bed" if self.absorbed_dose_Gy is None else "absorbed_dose"

    @property
    def value_Gy(self) -> float:
        """The limit of that quantity, Gy."""
        value = self.bed_Gy if self.absorbed_dose_Gy is None else self.absorbed_dose_Gy
        assert value is not None
        return value


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
        Hash of the files, as hexadecimal digits.
    target_confirmed : str or None
        What showed the target.
    recoveries : tuple of Recovery
    history : tuple of History
        Dose received before, from outside this file.
    treatments : tuple of Treatment
    radiobiology : tuple of StatedRadiobiology
    tail : TailRule
    ligand_mass_cv, model_choice_cv : float or None
        How far another ligand mass or model may change the dose per activity.
    s_table : STable or None
        The patient's own S-values.
    transplantation_day : float or None
        Day of the stem-cell transplantation after the therapy.
    files : mapping of str to str
        The text of each file, by name.
    occasion_names : tuple of str
        Occasion of each administration, in the order of `schedule`; empty where the
        file names none: then each ligand is one.
    sharings : tuple of StatedSharing
        What parameters of one occasion have to do with the others', where stated.
    overlaps : tuple of StatedOverlap
        What lies above and below regions and is counted with them.
    maximum_excess : tuple of MaximumExcess
        Of each modality whose values are a region's largest voxel (SUVmax).
    countings : tuple of StatedCounting
        Of each modality that gives counts.
    sample_volume_cv : float or None
        Relative sd of a sample's volume, which its replicates share.
    student_t_degrees : float or None
        Degrees of freedom where values may be outliers; None where noise is normal.
    body_mass_used : bool
        Whether a value was stated as SUV.
    cohort_prior : CohortPrior or None
        The cohort whose kinetics are the prior of this patient's.
    without_scans_reason : str or None
        Why an activity may be given where the cohort speaks and no scan does.
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
    target_confirmed: str | None
    recoveries: tuple[Recovery, ...]
    history: tuple[History, ...]
    treatments: tuple[Treatment, ...]
    radiobiology: tuple[StatedRadiobiology, ...]
    tail: TailRule
    ligand_mass_cv: float | None
    model_choice_cv: float | None
    s_table: STable | None
    transplantation_day: float | None
    files: Mapping[str, str]
    occasion_names: tuple[str, ...] = ()
    sharings: tuple[StatedSharing, ...] = ()
    overlaps: tuple[StatedOverlap, ...] = ()
    maximum_excess: tuple[MaximumExcess, ...] = ()
    countings: tuple[StatedCounting, ...] = ()
    sample_volume_cv: float | None = None
    student_t_degrees: float | None = None
    body_mass_used: bool = False
    cohort_prior: CohortPrior | None = None
    without_scans_reason: str | None = None

    @property
    def occasions(self) -> tuple[Occasion, ...]:
        """Administrations that are solved together, in the order of time."""
        return divide_schedule(self.schedule, self.occasion_names)

    @property
    def sex(self) -> str:
        """Whose S-values are scaled to the patient's masses: male unless stated."""
        return str(self.covariates.get("sex", UNSTATED_SEX))

    def occasion_of(self, item: Measurement) -> Occasion:
        """Return the occasion that a measurement belongs to.

        Parameters
        ----------
        item : Measurement
            One of `measurements`.

        Returns
        -------
        Occasion
            The last one that had given its label when it was measured.
        """
        found = occasion_at(self.occasions, item.label, item.start_h)
        assert found is not None
        return found

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
