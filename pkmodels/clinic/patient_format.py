"""The format of patient.toml, "pkmodels-patient/1", as pydantic models.

Each field's description completes the sentence "give ...", in error messages too.
"""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from pkmodels.errors import suggest

FORMAT = "pkmodels-patient/1"

ORGANS = (
    "kidney",
    "liver",
    "spleen",
    "red_marrow",
    "tumour",
    "whole_body",
    "blood",
    "bladder",
    "adrenal",
    "salivary_gland",
    "lung",
    "heart",
    "pancreas",
    "bone",
    "intestine",
    "stomach",
    "remainder",
)

# The labels whose dose or curve this version can follow in a patient.
LABELS = ("Lu-177", "Y-90", "Ga-68")

# Densities of tissue run from lung, 0.26, to cortical bone, 1.9 g/mL.
_DENSITY_RANGE = (0.1, 3.0)
# Mass and volume x density may differ by their rounding, not by more.
_MASS_AGREEMENT = 0.05


def _known_organ(name: str) -> str:
    if name not in ORGANS:
        raise ValueError(f"{name!r} is not a known organ; {suggest(name, ORGANS)}")
    return name


def _known_label(name: str) -> str:
    if name not in LABELS:
        raise ValueError(f"{name!r} is not a known label; {suggest(name, LABELS)}")
    return name


def _plain_name(name: str) -> str:
    if not name.isidentifier():
        raise ValueError(
            f"{name!r} cannot name a region or group; use letters, digits and "
            "underscores, and begin with a letter, as kidney_left"
        )
    return name


def _plain_text(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError(f"found {text!r}; give one line of text, not blank")
    return text.strip()


Name = Annotated[str, AfterValidator(_plain_name)]
Text = Annotated[str, AfterValidator(_plain_text)]
Organ = Annotated[str, AfterValidator(_known_organ)]
Label = Annotated[str, AfterValidator(_known_label)]


class Table(BaseModel):
    """A table of the file: unknown keys, NaN and infinity are errors."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False
    )


class PatientTable(Table):
    """The table [patient]."""

    id: Text = Field(description="a pseudonym of the patient in quotes")
    note: str | None = Field(None, description="a free remark in quotes")
    sex: Literal["male", "female"] | None = Field(
        None, description='"male" or "female"'
    )
    body_mass_kg: float | None = Field(
        None, gt=0, le=700, description="the body mass in kg, above 0 and at most 700"
    )
    height_cm: float | None = Field(
        None, ge=20, le=300, description="the height in cm, 20 to 300"
    )
    haematocrit: float | None = Field(
        None, gt=0, lt=1, description="the haematocrit as a fraction: 0.45, not 45"
    )
    age: float | None = Field(
        None, ge=0, le=130, description="the age in years, 0 to 130"
    )
    serum_creatinine: float | None = Field(
        None,
        gt=0,
        le=30,
        description="serum creatinine in mg/dL (umol/L divided by 88.4), above 0 "
        "and at most 30",
    )


class AdministrationTable(Table):
    """One table [[administration]]."""

    time_h: float = Field(
        ge=0, description="its start in h after the start of the first one, 0 or more"
    )
    duration_h: float = Field(
        ge=0, description="the length of the infusion in h, 0 for a bolus"
    )
    ligand: Text = Field(description='the ligand\'s name in quotes, as "dotatate"')
    label: Label = Field(description='the radionuclide in quotes, as "Lu-177"')
    activity_MBq: float = Field(
        gt=0, description="the activity of the whole syringe at time_h, MBq, above 0"
    )
    ligand_mass_ug: float | None = Field(
        None,
        gt=0,
        description="the mass of all ligand, labelled or not, in ug, above 0, or "
        "leave the key out when it is unknown",
    )


class RegionTable(Table):
    """One table [regions.NAME]."""

    organ: Organ = Field(description='the tissue in quotes, as "kidney"')
    mass_g: float | None = Field(
        None, gt=0, description="the region's own mass (CT, not phantom) in g, above 0"
    )
    mass_cv: float | None = Field(
        None,
        ge=0,
        le=1,
        description="the relative standard deviation of the mass as a fraction, 0 to "
        "1: 0.05 is usual for a CT outline, 0 is exact",
    )
    volume_mL: float | None = Field(
        None, gt=0, description="the region's volume in mL, above 0"
    )
    density_g_per_mL: float | None = Field(
        None,
        ge=_DENSITY_RANGE[0],
        le=_DENSITY_RANGE[1],
        description="the density in g/mL, 0.1 to 3; soft tissue has about 1.05",
    )

    @property
    def mass_or_product_g(self) -> float | None:
        """`mass_g`, else `volume_mL` x `density_g_per_mL`, else None."""
        if self.mass_g is not None:
            return self.mass_g
        if self.volume_mL is None or self.density_g_per_mL is None:
            return None
        return self.volume_mL * self.density_g_per_mL

    @model_validator(mode="after")
    def _mass_carries_its_uncertainty(self) -> Self:
        mass_g = self.mass_or_product_g
        if mass_g is not None and self.mass_cv is None:
            raise ValueError(
                f"mass_cv is missing beside the mass of {mass_g:g} g; give "
                f"{RegionTable.model_fields['mass_cv'].description}"
            )
        if mass_g is None and self.mass_cv is not None:
            raise ValueError(
                "mass_cv is given without a mass; add mass_g, or volume_mL and "
                "density_g_per_mL"
            )
        return self

    @model_validator(mode="after")
    def _mass_volume_and_density_agree(self) -> Self:
        if self.mass_g is None or self.volume_mL is None:
            return self
        implied = self.mass_g / self.volume_mL
        density = self.density_g_per_mL
        if density is None:
            agree = _DENSITY_RANGE[0] <= implied <= _DENSITY_RANGE[1]
        else:
            agree = abs(implied / density - 1.0) <= _MASS_AGREEMENT
        if not agree:
            beside = "" if density is None else f", density_g_per_mL is {density:g}"
            raise ValueError(
                f"mass_g {self.mass_g:g} over volume_mL {self.volume_mL:g} is "
                f"{implied:.4g} g/mL{beside}; mend the one that is wrong"
            )
        return self


class GroupTable(Table):
    """One table [groups.NAME]."""

    regions: list[str] = Field(
        min_length=1,
        description='a list of region names, as ["kidney_left", "kidney_right"]',
    )


class CalibrationTable(Table):
    """One table [calibration.MODALITY]."""

    scope: Literal["modality", "region"] = Field(
        description='"modality" (one factor for all scans and regions) or "region" '
        "(one factor for a region's scans)"
    )
    cv: Annotated[float, Field(gt=0, le=1)] | Literal["free"] = Field(
        description="the factor's relative standard deviation as a fraction, above 0 "
        'and at most 1 (0.05 is 5 %), or "free"'
    )


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
        ge=0, description="the length of the infusion in h, 0 for a bolus"
    )


class LimitTable(Table):
    """One table [limits.NAME]: a limit, or a waiver with its reason."""

    absorbed_dose_Gy: float | None = Field(
        None, gt=0, description="the limit of the absorbed dose in Gy, above 0"
    )
    bed_Gy: float | None = Field(
        None,
        gt=0,
        description="the limit of the biologically effective dose in Gy, above 0",
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
        gt=0,
        lt=1,
        description="the probability with which all limits must hold, between 0 and "
        "1, as 0.95",
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


class NoiseTable(Table):
    """The optional table [noise]."""

    floor: bool = Field(
        default=False,
        description="true or false (no quotes): whether every value carries an "
        "additive noise besides the relative one",
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
