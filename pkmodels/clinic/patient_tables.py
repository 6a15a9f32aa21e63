"""Tables of patient.toml that say who was given what, and how it was measured.

Each field's description completes the sentence "give ...", in error messages too.
"""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from pkmodels.errors import suggest

ORGANS = (
    "kidney",
    "kidneys",
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
    "urine",
)

# The labels whose dose or curve this version can follow in a patient.
LABELS = ("Lu-177", "Y-90", "Ga-68")

# Judgement: six weeks; a longer infusion is minutes or seconds, not hours.
LONGEST_INFUSION_H = 1000.0

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
    target_confirmed: Text | None = Field(
        None,
        description="what showed the target, in quotes, as "
        '"68Ga-pentixafor PET/CT, 9 days before"',
    )
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
        ge=0,
        le=LONGEST_INFUSION_H,
        description="the length of the infusion in h, 0 for a bolus, at most "
        f"{LONGEST_INFUSION_H:g}",
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
    occasion: Text | None = Field(
        None,
        description="the name of an occasion in quotes: administrations of one "
        "occasion are solved together, and apart from the others",
    )


class RegionTable(Table):
    """One table [regions.NAME]."""

    organ: Organ = Field(
        description='the tissue in quotes: "kidney" is one kidney, "kidneys" both '
        "outlined as one region"
    )
    side: Literal["left", "right"] | None = Field(
        None, description='"left" or "right", of a region of organ "kidney"'
    )
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
    voxel_mm: float | None = Field(
        None,
        gt=0,
        le=20,
        description="the voxel's side in the image that the region was outlined on, "
        "mm, above 0 and at most 20",
    )
    fwhm_mm: float | None = Field(
        None,
        gt=0,
        le=50,
        description="the resolution (full width at half maximum) of the image that "
        "the region was outlined on, mm, above 0 and at most 50",
    )

    @property
    def mass_or_product_g(self) -> float | None:
        """`mass_g`, else `volume_mL` x `density_g_per_mL`, else None."""
        if self.mass_g is not None:
            return self.mass_g
        if self.volume_mL is None or self.density_g_per_mL is None:
            return None
        return self.volume_mL * self.density_g_per_mL

    @property
    def volume_or_quotient_mL(self) -> float | None:
        """`volume_mL`, else `mass_g` / `density_g_per_mL`, else None."""
        if self.volume_mL is not None:
            return self.volume_mL
        if self.mass_g is None or self.density_g_per_mL is None:
            return None
        return self.mass_g / self.density_g_per_mL

    @model_validator(mode="after")
    def _mass_carries_its_uncertainty(self) -> Self:
        mass_g = self.mass_or_product_g
        outline = self.voxel_mm is not None
        if mass_g is not None and self.mass_cv is None and not outline:
            raise ValueError(
                f"mass_cv is missing beside the mass of {mass_g:g} g; give "
                f"{RegionTable.model_fields['mass_cv'].description}; or voxel_mm and "
                "fwhm_mm, from which it follows"
            )
        if self.mass_cv is not None and outline:
            raise ValueError(
                "both mass_cv and voxel_mm are given; the uncertainty of the mass is "
                "one or follows from the other: remove one"
            )
        if mass_g is None and self.mass_cv is not None:
            raise ValueError(
                "mass_cv is given without a mass; add mass_g, or volume_mL and "
                "density_g_per_mL"
            )
        return self

    @model_validator(mode="after")
    def _an_outline_is_whole(self) -> Self:
        if (self.voxel_mm is None) != (self.fwhm_mm is None):
            raise ValueError(
                "voxel_mm and fwhm_mm belong together: give both, or mass_cv instead"
            )
        if self.voxel_mm is not None and self.volume_or_quotient_mL is None:
            raise ValueError(
                "voxel_mm is given without a volume; add volume_mL, or mass_g and "
                "density_g_per_mL"
            )
        if self.side is not None and self.organ != "kidney":
            raise ValueError(
                f"side is given for organ {self.organ!r}; it belongs to organ "
                '"kidney", which is one kidney'
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
    gamma_keV: float | None = Field(
        None, gt=0, description="the energy of the gamma line that is counted, keV"
    )
    calibrated_with: Text | None = Field(
        None,
        description="whose gamma yield the camera's sensitivity rests on, in quotes, "
        'as "ICRP 107" or "ENSDF"',
    )
    quantified_with: Text | None = Field(
        None,
        description="whose gamma yield the values of measurements.csv rest on, in "
        'quotes, as "ICRP 107" or "ENSDF"',
    )

    @model_validator(mode="after")
    def _a_gamma_line_is_whole(self) -> Self:
        given = [
            key
            for key in ("gamma_keV", "calibrated_with", "quantified_with")
            if getattr(self, key) is not None
        ]
        if given and len(given) < 3:
            raise ValueError(
                f"gives {' and '.join(given)} alone; gamma_keV, calibrated_with and "
                "quantified_with belong together"
            )
        return self


class RecoveryTable(Table):
    """One table [recovery.MODALITY]: R(v) = 1 - 1 / (1 + (v / b1)^b2)."""

    b1_mL: float = Field(
        gt=0,
        description="b1 of R = 1 - 1/(1 + (v/b1)^b2), the volume recovered by half, "
        "in mL",
    )
    b1_cv: float = Field(
        ge=0, le=1, description="the relative standard deviation of b1, 0 to 1"
    )
    b2: float = Field(gt=0, le=5, description="b2 of R, above 0 and at most 5")
    b2_cv: float = Field(
        ge=0, le=1, description="the relative standard deviation of b2, 0 to 1"
    )
    correlation: float = Field(
        ge=-1, le=1, description="the correlation of b1 and b2, -1 to 1; 0 if unknown"
    )
    fwhm_mm: float = Field(
        gt=0,
        le=50,
        description="the resolution of the modality's images, mm, above 0 and at "
        "most 50",
    )
