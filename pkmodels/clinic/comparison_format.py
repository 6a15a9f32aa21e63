"""The format of comparison.json, "pkmodels-comparison/1"."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from pkmodels.clinic.result_format import NOT_VALIDATED
from pkmodels.clinic.result_records import (
    Count,
    Interval,
    NonNegative,
    Probability,
    Record,
    Summary,
    Text,
)

FORMAT = "pkmodels-comparison/1"
HOW = Literal["PSIS", "refit"]


class LeftOutScore(Record):
    """What a model says of one group of values that it is not shown.

    `elpd` is ln p(y_g | y_-g), `within` ln p(y_g | y) of the fit that has seen them,
    `khat` the Pareto k of the weights, null where another fit gave `elpd`, as `how`
    says; `monte_carlo_error` is then that of `elpd`, from the number of draws.
    """

    elpd: float
    within: float
    khat: float | None
    how: HOW
    monte_carlo_error: NonNegative | None


class ModelScore(Record):
    """One model: how it fares, how it was fitted, and what the reader must know of it.

    `difference` is elpd less that of the best model, `standard_error` its own, null
    where the groups are too few for one. `groups` is by name of what was left out.
    """

    elpd: float
    difference: Annotated[float, Field(le=0.0)]
    standard_error: NonNegative | None
    better_in: Count
    effective_parameters: float
    weight: Probability
    weight_range: tuple[Probability, Probability] | None
    refits: Count
    groups: dict[Text, LeftOutScore]
    path: str
    rhat_max: NonNegative | None
    ess_tail_min: NonNegative | None
    divergences: Count
    warnings: list[Text]


class ModelAnswer(Record):
    """What one model alone says of a planned label.

    `dose_Gy_per_GBq` is by limited target. `kept` is the probability that all limits
    are kept at the activity of all models together, if this model holds; null where it
    has no weight. `missing` says why no activity is given.
    """

    dose_Gy_per_GBq: dict[Text, Summary]
    activity_GBq: NonNegative | None
    binding_limit: Text | None
    kept: Probability | None
    missing: Text | None = None


class StackedDose(Record):
    """A dose over all models, and what share of its variance their choice brings."""

    median: NonNegative
    interval_95: Interval
    share_of_model_choice: Probability


class LabelAnswer(Record):
    """What all models together say of a planned label, and each alone.

    `activity_GBq` (of all cycles) keeps every limit with `confidence` over the models,
    weighted by stacking; `missing` says why it is null. `range_GBq` is that activity at
    the ends of the weights' ranges, null where they have none.
    """

    activity_GBq: NonNegative | None
    confidence: Annotated[float, Field(gt=0.0, lt=1.0)]
    binding_limit: Text | None = None
    probability_above: dict[Text, Probability] = Field(default_factory=dict)
    monte_carlo_error: NonNegative | None = None
    cycles: Annotated[int, Field(ge=1)] = 1
    range_GBq: tuple[NonNegative, NonNegative] | None = None
    refusing_in_range: list[Text] = Field(default_factory=list)
    dose_Gy_per_GBq: dict[Text, StackedDose]
    by_model: dict[Text, ModelAnswer]
    missing: Text | None = None


class ComparisonResult(Record):
    """The whole of comparison.json."""

    format: Literal["pkmodels-comparison/1"] = FORMAT
    not_validated: Text = NOT_VALIDATED
    patient_id: Text
    left_out_by: Text
    n_groups: Count
    good_khat: float
    models: dict[Text, ModelScore] = Field(min_length=2)
    labels: dict[Text, LabelAnswer]
    waived: dict[Text, Text]
    cautions: list[Text]
    inputs: dict[Text, str]
    versions: dict[Text, Text]
    seed: Count
    data_sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
