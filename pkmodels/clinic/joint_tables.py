"""Tables of patient.toml for joint data: what occasions share, and special rows.

Each field's description completes the sentence "give ...", in error messages too.
"""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from pkmodels.clinic.patient_tables import Name, Table, Text


class SharingTable(Table):
    """One table [[sharing]]."""

    parameter: Text = Field(
        description='the name of a parameter of the model in quotes, as "release"'
    )
    occasion: Text = Field(
        description="the name of an occasion in quotes: as its [[administration]] has "
        "it, or its ligand's where none is named"
    )
    how: Literal["shared", "linked", "free"] = Field(
        description='"shared" (one value for all occasions), "linked" (a ratio to the '
        'shared value) or "free" (a value of its own)'
    )
    ratio_median: float | None = Field(
        None,
        gt=0,
        description="the median of the ratio to the shared value (of a fraction x: of "
        "its odds x/(1 - x)), above 0",
    )
    ratio_log_sd: float | None = Field(
        None,
        gt=0,
        le=3,
        description="the standard deviation of the logarithm of the ratio, above 0 and "
        "at most 3: 0.5 is a factor of 2.7 either way",
    )
    source: Text | None = Field(
        None, description="where the ratio comes from, in quotes"
    )

    @model_validator(mode="after")
    def _a_link_has_its_ratio(self) -> Self:
        keys = ("ratio_median", "ratio_log_sd", "source")
        missing = [key for key in keys if getattr(self, key) is None]
        if self.how == "linked" and missing:
            raise ValueError(
                f"links {self.parameter} without {', '.join(missing)}; give the ratio "
                "to the shared value, how sure it is and where it comes from"
            )
        given = [key for key in keys[:2] if getattr(self, key) is not None]
        if self.how != "linked" and given:
            raise ValueError(
                f'gives {" and ".join(given)} with how = "{self.how}"; a ratio '
                'belongs to how = "linked": mend how, or remove it'
            )
        return self


class OverlapTable(Table):
    """One table [overlap.MODALITY.REGION]."""

    of: dict[Text, Annotated[float, Field(ge=-1, le=1)]] = Field(
        min_length=1,
        description="what lies above and below the region, each with its weight from "
        "-1 to 1, as { liver = 0.5 }: a region, or an observable of the model",
    )
    share_median: float = Field(
        gt=0,
        lt=1,
        description="the median of the share of it that is counted with the region, "
        "between 0 and 1",
    )
    share_logit_sd: float = Field(
        gt=0,
        le=3,
        description="the standard deviation of the share's logit, ln(o/(1 - o)), above "
        "0 and at most 3",
    )
    source: Text = Field(description="where the share comes from, in quotes")


class MaximumTable(Table):
    """One table [noise.maximum.MODALITY]."""

    excess_median: float = Field(
        gt=0,
        le=10,
        description="the median of (largest voxel / mean) - 1, above 0 and at most 10",
    )
    excess_log_sd: float = Field(
        gt=0,
        le=3,
        description="the standard deviation of its logarithm, above 0 and at most 3",
    )
    source: Text = Field(description="where both come from, in quotes")


def _names_a_modality(found: object) -> object:
    if isinstance(found, dict) and set(found) & set(MaximumTable.model_fields):
        raise ValueError(
            "the table names no modality; write [noise.maximum.MODALITY], as "
            "[noise.maximum.PET]"
        )
    return found


class NoiseTable(Table):
    """The optional table [noise]."""

    floor: bool = Field(
        default=False,
        description="true or false (no quotes): whether every value carries an "
        "additive noise besides the relative one",
    )
    student_t_degrees: float | None = Field(
        default=None,
        gt=2,
        le=100,
        description="the degrees of freedom of Student's t, above 2 and at most 100, "
        "as 4.0: values may then be outliers; leave the key out for normal noise",
    )
    maximum: Annotated[dict[Text, MaximumTable], BeforeValidator(_names_a_modality)] = (
        Field(
            default_factory=dict,
            description="a table [noise.maximum.MODALITY] for values in SUVmax",
        )
    )


class SamplesTable(Table):
    """The optional table [samples]."""

    volume_cv: float = Field(
        gt=0,
        le=0.5,
        description="the relative standard deviation of a sample's volume or dilution, "
        "above 0 and at most 0.5, as 0.03",
    )


class CountingTable(Table):
    """One table [counting.MODALITY]: N ~ Poisson(sensitivity A time + background)."""

    counts_per_s_per_MBq: float = Field(
        gt=0, description="the sensitivity in counts per s and MBq, above 0"
    )
    background_log_sd: float = Field(
        ge=0,
        le=2,
        description="the standard deviation of the logarithm of the background, 0 to "
        "2: about 1/sqrt(N) where it was counted as N, 0 is exact",
    )
    overdispersed: bool = Field(
        description="true or false (no quotes): whether counts scatter more than "
        "Poisson's, as those of whole regions do"
    )


def _names_modality_and_region(found: object) -> object:
    if not isinstance(found, dict):
        return found
    for modality, tables in found.items():
        keys = set(tables if isinstance(tables, dict) else [modality])
        if keys & set(OverlapTable.model_fields):
            raise ValueError(
                "a table of it names no region; write [overlap.MODALITY.REGION], as "
                "[overlap.planar.kidney_left]"
            )
    return found


Overlaps = Annotated[
    dict[Text, dict[Name, OverlapTable]], BeforeValidator(_names_modality_and_region)
]
