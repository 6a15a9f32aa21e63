"""Records of result.json on where a dose comes from and how sure it is."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pkmodels.clinic.result_records import (
    Interval,
    NonNegative,
    Positive,
    Probability,
    Record,
    Summary,
    Text,
    check_missing,
)

Dose = Literal["absorbed_dose", "bed"]

# Rounding of a sum of shares that make up the whole.
_SUM_TOLERANCE = 1e-6


class Share(Record):
    """What a factor contributes to the variance: alone, and with its interactions."""

    first_order: float
    total: float


class Budget(Record):
    """Where the variance of ln(dose per activity) comes from.

    The first orders, `interactions` and `dependence` (what factors that the data
    correlate add or take away) sum to 1; `noise` is the Monte-Carlo error of a share.
    """

    quantity: Dose
    log_sd: NonNegative
    factors: dict[Text, Share] = Field(min_length=1)
    interactions: float
    dependence: float
    noise: NonNegative
    explained: Text

    @model_validator(mode="after")
    def _sums_to_one(self) -> Self:
        alone = sum(share.first_order for share in self.factors.values())
        whole = alone + self.interactions + self.dependence
        if abs(whole - 1.0) > _SUM_TOLERANCE:
            raise ValueError(
                f"first orders, interactions and dependence sum to {whole}: a budget "
                "sums to 1"
            )
        return self


class Propagation(Record):
    """The EANM's analytic propagation beside the posterior: relative standard errors.

    `factors` holds each factor's relative standard uncertainty of the dose, `total`
    their combination, `posterior` the sd of ln(dose) over the draws; `note` says what
    makes the total too small.
    """

    factors: dict[Text, NonNegative]
    total: NonNegative | None
    posterior: NonNegative
    note: Text | None = None
    missing: Text | None = None

    @model_validator(mode="after")
    def _explains_nulls(self) -> Self:
        check_missing({"total": self.total}, self.missing)
        return self


class ClassicalEstimate(Record):
    """What another method makes of the same scans of one region and label.

    `ratio` is its TIAC over the posterior's median; `relative_sd` its own stated error.
    """

    method: Text
    tiac_h: NonNegative | None
    ratio: NonNegative | None
    relative_sd: NonNegative | None = None
    tail: Probability | None = None
    note: Text | None = None
    missing: Text | None = None

    @model_validator(mode="after")
    def _explains_nulls(self) -> Self:
        check_missing({"tiac_h": self.tiac_h, "ratio": self.ratio}, self.missing)
        return self


class SValueUsed(Record):
    """An S-value that a dose rests on, at the stated mass."""

    target: Text
    source: Text
    label: Text
    mass_g: Positive | None
    S_Gy_per_MBq_h: Positive
    relative_sd: NonNegative
    certainty: Text
    provenance: Text


class PointEstimate(Record):
    """What the median dose alone would have allowed, and what that would risk.

    `probability_above` is that of exceeding any limit there. `expected_excess_Gy` is
    how far `setting_limit`, the limit that sets this activity, is exceeded on average
    where it is exceeded, in Gy of that limit's `quantity`.
    """

    activity_GBq: NonNegative
    probability_above: Probability
    expected_excess_Gy: NonNegative
    safe_over_point: NonNegative | None
    setting_limit: Text | None = None
    quantity: Dose | None = None


class ProbabilityCurve(Record):
    """P(above the limit) against activity, for each limit and for any of them."""

    activity_GBq: list[NonNegative] = Field(min_length=2)
    per_limit: dict[Text, list[Probability]]
    any_limit: list[Probability]

    @model_validator(mode="after")
    def _has_one_value_for_each_activity(self) -> Self:
        lengths = {len(c) for c in (self.any_limit, *self.per_limit.values())}
        if lengths != {len(self.activity_GBq)}:
            raise ValueError(
                f"{len(self.activity_GBq)} activities but curves of {sorted(lengths)}: "
                "give one probability for each activity"
            )
        return self


class Residual(Record):
    """What is left of a label at a time after its administration.

    Of a therapy in cycles it is the last cycle alone, `of_MBq` what that one gives.

    `bound_MBq` decays only: nothing excreted. `measured_MBq` is what the measured
    regions and blood hold; `marrow_mGy_per_h` the dose rate of red marrow.
    """

    label: Text
    after_h: NonNegative
    of_MBq: Positive
    bound_MBq: NonNegative
    measured_MBq: dict[Text, Summary]
    marrow_mGy_per_h: Summary | None
    missing: Text | None = None

    @model_validator(mode="after")
    def _explains_nulls(self) -> Self:
        check_missing({"marrow_mGy_per_h": self.marrow_mGy_per_h}, self.missing)
        return self


class Comparison(Record):
    """One label as therapy, from the same draws as the others.

    `planned` is false for a label that is only compared. `tumour_dose_Gy` and
    `tumour_over_binding` (dose of the tumour over dose of the binding organ) are at
    its own safe activity, by tumour region.
    """

    planned: bool
    activity_GBq: NonNegative | None
    binding_limit: Text | None
    tumour_dose_Gy: dict[Text, Summary]
    tumour_over_binding: dict[Text, Summary]
    missing: Text | None = None


class AnotherScan(Record):
    """What one more scan of a modality would tell of one limited dose.

    Times are h after the first dose of the occasion. `width_ratio` is the expected
    width of the 95 % interval of ln(dose per activity) over the width now, at
    `times_h`, those that have passed included. It can still be made from `earliest_h`
    to `latest_h`, tells most at `best_h`, and nine tenths of that from `good_h[0]` to
    `good_h[1]`. `interval_now` and `interval_then` (about the same median) are in
    Gy/GBq. `expected_safe_activity_GBq`, with its relative standard error, is the mean
    over what the scan may show; `activity_missing` says why it is null.
    """

    occasion: Text
    modality: Text
    regions: list[Text]
    times_h: list[Positive]
    width_ratio: list[Annotated[float, Field(ge=0.0, le=1.0)]]
    earliest_h: NonNegative
    latest_h: NonNegative
    interval_now: Interval
    best_h: Positive | None = None
    good_h: Interval | None = None
    interval_then: Interval | None = None
    narrowing: Annotated[float, Field(ge=1.0)] | None = None
    safe_activity_GBq: NonNegative | None = None
    expected_safe_activity_GBq: NonNegative | None = None
    expected_error: NonNegative | None = None
    activity_missing: Text | None = None
    missing: Text | None = None

    @model_validator(mode="after")
    def _explains_nulls(self) -> Self:
        best = {name: getattr(self, name) for name in _OF_BEST}
        check_missing(best, self.missing)
        if len(self.times_h) != len(self.width_ratio):
            raise ValueError(
                f"{len(self.times_h)} times but {len(self.width_ratio)} widths: give "
                "one for each"
            )
        if self.missing is None:
            check_missing(
                {"expected_safe_activity_GBq": self.expected_safe_activity_GBq},
                self.activity_missing,
            )
        return self


# What a scan that can still be made has.
_OF_BEST = ("best_h", "good_h", "interval_then", "narrowing")
