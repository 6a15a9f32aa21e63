"""The format of patient.toml, "pkmodels-patient/1", as pydantic models.

Each field's description completes the sentence "give ...", in error messages too.
"""

from typing import Self

from pydantic import Field, model_validator

from pkmodels.clinic.joint_tables import (
    CountingTable,
    NoiseTable,
    Overlaps,
    SamplesTable,
    SharingTable,
)
from pkmodels.clinic.patient_tables import (
    LONGEST_INFUSION_H,
    AdministrationTable,
    CalibrationTable,
    GroupTable,
    Label,
    Name,
    Organ,
    PatientTable,
    RecoveryTable,
    RegionTable,
    Table,
    Text,
)

FORMAT = "pkmodels-patient/1"

# Judgement: what an organ under a limit may survive lies well below; more is a wrong
# unit, as cGy or mGy. BED is above the dose, twice and more for alpha/beta of 2.5 Gy.
HIGHEST_DOSE_GY = 200.0
HIGHEST_BED_GY = 500.0
# Judgement: what holds no more often than a coin falls on its head is no confidence.
LOWEST_CONFIDENCE = 0.5


class PlanTable(Table):
    """One table [[plan]]."""

    ligand: Text = Field(description='the ligand\'s name in quotes, as "dotatate"')
    label: Label = Field(description='the radionuclide in quotes, as "Y-90"')
    ligand_mass_ug: float | None = Field(
        None,
        gt=0,
        description="the mass of all ligand, labelled or not, in ug, above 0, or "
        "leave the key out when it is unknown",
    )
    duration_h: float = Field(
        ge=0,
        le=LONGEST_INFUSION_H,
        description="the length of the infusion in h, 0 for a bolus, at most "
        f"{LONGEST_INFUSION_H:g}",
    )
    start_h: float | None = Field(
        None,
        ge=0,
        description="when the therapy is to start, h after the start of the first "
        "administration, or leave the key out",
    )
    cycles: int = Field(
        1,
        ge=1,
        le=20,
        description="a whole number of equal cycles, 1 to 20, so far apart that "
        "repair is complete between them",
    )


class HistoryTable(Table):
    """One table [[history]]: dose received before, from outside this file."""

    target: Name = Field(description="the region or group that received it")
    absorbed_dose_Gy: float | None = Field(
        None,
        gt=0,
        le=HIGHEST_DOSE_GY,
        description="the absorbed dose received, Gy, above 0 and at most "
        f"{HIGHEST_DOSE_GY:g}",
    )
    bed_Gy: float | None = Field(
        None,
        gt=0,
        le=HIGHEST_BED_GY,
        description=f"the BED received, Gy, above 0 and at most {HIGHEST_BED_GY:g}",
    )
    sd_Gy: float | None = Field(
        None, gt=0, description="its standard deviation, Gy, above 0"
    )
    source: Text = Field(
        description='where it comes from, in quotes, as "external beam 2019"'
    )

    @model_validator(mode="after")
    def _one_quantity_with_its_uncertainty(self) -> Self:
        given = [key for key in ("absorbed_dose_Gy", "bed_Gy") if getattr(self, key)]
        if len(given) != 1:
            raise ValueError(
                f"gives {' and '.join(given) or 'no dose'}; give exactly one of "
                "absorbed_dose_Gy and bed_Gy: they count against different limits"
            )
        if self.sd_Gy is None:
            raise ValueError(
                "sd_Gy is missing: a dose without its uncertainty cannot be counted "
                "with a confidence; give its standard deviation in Gy"
            )
        value_Gy = self.absorbed_dose_Gy or self.bed_Gy or 0.0
        if self.sd_Gy > value_Gy:
            raise ValueError(
                f"sd_Gy {self.sd_Gy:g} is above the dose of {value_Gy:g} Gy, which as "
                "a log-normal would mostly be far less than that; give the standard "
                "deviation in Gy (not in %), or the most that was received and its "
                "error"
            )
        return self


class TreatmentTable(Table):
    """One table [[treatment]]: what may change the receptor or the organs."""

    time_h: float = Field(
        description="when it began, h after the start of the first administration; "
        "negative before it"
    )
    what: Text = Field(description='what was done, in quotes, as "one cycle dexa-BEAM"')


class RadiobiologyTable(Table):
    """One table [radiobiology.ORGAN]."""

    alpha_beta_Gy: float = Field(
        gt=0, le=50, description="alpha/beta in Gy, above 0 and at most 50"
    )
    alpha_beta_cv: float = Field(
        gt=0,
        le=1,
        description="its relative standard deviation, above 0 and at most 1",
    )
    repair_half_time_h: float = Field(
        gt=0,
        le=100,
        description="the half-time of repair in h, above 0 and at most 100",
    )
    repair_half_time_cv: float = Field(
        gt=0,
        le=1,
        description="its relative standard deviation, above 0 and at most 1",
    )


class LimitTable(Table):
    """One table [limits.NAME]: a limit, or a waiver with its reason."""

    absorbed_dose_Gy: float | None = Field(
        None,
        gt=0,
        le=HIGHEST_DOSE_GY,
        description="the limit of the absorbed dose in Gy, above 0 and at most "
        f"{HIGHEST_DOSE_GY:g}",
    )
    bed_Gy: float | None = Field(
        None,
        gt=0,
        le=HIGHEST_BED_GY,
        description="the limit of the biologically effective dose in Gy, above 0 and "
        f"at most {HIGHEST_BED_GY:g}",
    )
    waived: bool = Field(False, description="true (no quotes) to waive the limit")
    reason: Text | None = Field(
        None, description="the reason of the waiver in quotes, not blank"
    )

    @model_validator(mode="after")
    def _one_limit_or_a_reasoned_waiver(self) -> Self:
        given = [key for key in ("absorbed_dose_Gy", "bed_Gy") if getattr(self, key)]
        if self.waived:
            given.append("waived")
        if len(given) != 1:
            raise ValueError(
                f"gives {' and '.join(given) or 'no limit'}; give exactly one of "
                "absorbed_dose_Gy, bed_Gy and waived = true (a limit of absorbed dose, "
                "as 23 Gy, and one of BED, as 40 Gy, are different limits)"
            )
        if self.waived and self.reason is None:
            raise ValueError('is waived without a reason; add reason = "..."')
        if self.reason is not None and not self.waived:
            raise ValueError(
                "gives a reason but is not waived; add waived = true, or make the "
                "reason a # comment"
            )
        return self


class DecisionTable(Table):
    """The table [decision]."""

    confidence: float = Field(
        ge=LOWEST_CONFIDENCE,
        lt=1,
        description="the probability with which all limits must hold, between "
        f"{LOWEST_CONFIDENCE:g} and 1, as 0.95",
    )
    model: Text | None = Field(
        None, description='a model\'s name in quotes, as "organ_exchange"'
    )
    count_administrations: bool = Field(
        True,
        description="true or false (no quotes): whether the dose already given counts "
        "against the limits",
    )
    count_reason: Text | None = Field(
        None, description="why the dose already given does not count, in quotes"
    )

    @model_validator(mode="after")
    def _not_counting_has_a_reason(self) -> Self:
        if not self.count_administrations and self.count_reason is None:
            raise ValueError(
                "count_administrations = false leaves out dose that the patient has "
                'received; say why: count_reason = "..."'
            )
        if self.count_administrations and self.count_reason is not None:
            raise ValueError(
                "count_reason belongs to count_administrations = false; remove it"
            )
        return self


class TailTable(Table):
    """The optional table [tail]: the share of the integral that no scan saw."""

    flag_above: float = Field(
        default=0.3,
        gt=0,
        lt=1,
        description="the share after the last scan above which a warning is given, "
        "between 0 and 1",
    )
    refuse_above: float = Field(
        default=0.6,
        gt=0,
        lt=1,
        description="the share after the last scan, of a planned label in what a "
        "limit is on, above which no activity is given, between 0 and 1",
    )

    @model_validator(mode="after")
    def _flags_before_it_refuses(self) -> Self:
        if self.flag_above > self.refuse_above:
            raise ValueError(
                f"flag_above {self.flag_above:g} is above refuse_above "
                f"{self.refuse_above:g}; a warning comes before a refusal"
            )
        return self


class UncertaintyTable(Table):
    """The optional table [uncertainty]: relative sd of what the model leaves out."""

    ligand_mass_cv: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="how far another ligand mass may change the dose per activity, a "
        "relative standard deviation above 0 and at most 1",
    )
    model_choice_cv: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="how far another model may change the dose per activity, a "
        "relative standard deviation above 0 and at most 1",
    )


class STableTable(Table):
    """The optional table [s_values]."""

    table: Text = Field(
        description='the name of a CSV file in the folder, as "s_values.csv"'
    )


class CohortPriorTable(Table):
    """The optional table [cohort_prior]."""

    file: Text = Field(
        description='the name of a file in the folder, as "cohort_prior.toml", which '
        "`pkmodels cohort FOLDER --prior-out FILE` writes"
    )
    without_scans_reason: Text | None = Field(
        None,
        description="why an activity may be given where the cohort speaks and not this "
        "patient's scans, in quotes",
    )


class TransplantationTable(Table):
    """The optional table [transplantation]."""

    day: float = Field(
        gt=0,
        le=100,
        description="the day of the stem-cell transplantation after the therapy, "
        "above 0 and at most 100",
    )


class PatientFile(Table):
    """The whole of patient.toml."""

    format: str = Field(description=f'format = "{FORMAT}"')
    patient: PatientTable = Field(description="a table [patient] with the key id")
    administration: list[AdministrationTable] = Field(
        min_length=1, description="a table [[administration]] for each administration"
    )
    regions: dict[Name, RegionTable] = Field(
        min_length=1,
        description="a table [regions.NAME] for each region of measurements.csv",
    )
    groups: dict[Name, GroupTable] = Field(
        default_factory=dict,
        description="a table [groups.NAME] for regions that share a limit",
    )
    calibration: dict[Text, CalibrationTable] = Field(
        default_factory=dict,
        description="a table [calibration.MODALITY] for a modality's unknown factor",
    )
    plan: list[PlanTable] = Field(
        min_length=1, description="a table [[plan]] for each therapy to compare"
    )
    limits: dict[Name, LimitTable] = Field(
        min_length=1, description="a table [limits.NAME] for each region or group"
    )
    decision: DecisionTable = Field(
        description="a table [decision] with the key confidence"
    )
    noise: NoiseTable = Field(
        default_factory=NoiseTable, description="a table [noise] with the key floor"
    )
    sharing: list[SharingTable] = Field(
        default_factory=list,
        description="a table [[sharing]] for each parameter that is not as the model "
        "has it between occasions",
    )
    overlap: Overlaps = Field(
        default_factory=dict,
        description="a table [overlap.MODALITY.REGION] for what is counted with a "
        "region",
    )
    samples: SamplesTable | None = Field(
        None, description="a table [samples] with the key volume_cv"
    )
    counting: dict[Text, CountingTable] = Field(
        default_factory=dict,
        description="a table [counting.MODALITY] for values in counts",
    )
    recovery: dict[Text, RecoveryTable] = Field(
        default_factory=dict,
        description="a table [recovery.MODALITY] for values that were divided by a "
        "recovery coefficient",
    )
    history: list[HistoryTable] = Field(
        default_factory=list,
        description="a table [[history]] for each dose received before",
    )
    treatment: list[TreatmentTable] = Field(
        default_factory=list,
        description="a table [[treatment]] for each treatment that may change uptake",
    )
    radiobiology: dict[Organ, RadiobiologyTable] = Field(
        default_factory=dict,
        description="a table [radiobiology.ORGAN] for a limit in BED",
    )
    tail: TailTable = Field(
        default_factory=TailTable,
        description="a table [tail] with flag_above and refuse_above",
    )
    uncertainty: UncertaintyTable = Field(
        default_factory=UncertaintyTable,
        description="a table [uncertainty] with ligand_mass_cv or model_choice_cv",
    )
    s_values: STableTable | None = Field(
        None, description="a table [s_values] with the key table"
    )
    cohort_prior: CohortPriorTable | None = Field(
        None, description="a table [cohort_prior] with the key file"
    )
    transplantation: TransplantationTable | None = Field(
        None, description="a table [transplantation] with the key day"
    )
