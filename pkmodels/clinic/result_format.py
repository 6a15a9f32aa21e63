"""The format of result.json, "pkmodels-result/1", and its reader.

The rules of reporting are part of the format: no NaN or infinity, nothing
reported from a fit that failed its checks, and a null that says why it is null.
"""

from collections.abc import Mapping
from pathlib import Path
from reprlib import repr as short_repr
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, ValidationError, model_validator

from pkmodels.clinic.result_dosimetry import (
    AnotherScan,
    Budget,
    ClassicalEstimate,
    Comparison,
    Dose,
    PointEstimate,
    ProbabilityCurve,
    Propagation,
    Residual,
    SValueUsed,
)
from pkmodels.clinic.result_records import (
    Count,
    DosePerActivity,
    Interval,
    NonNegative,
    Positive,
    Probability,
    Record,
    Summary,
    Text,
    check_interval,
    check_missing,
)
from pkmodels.errors import InputError

FORMAT = "pkmodels-result/1"
NOT_VALIDATED = "For research use; not a medical device. Not clinically validated."

# At the safe activity one draw lies on its limit, so rounding can move the
# probability by one draw.
_PROBABILITY_TOLERANCE = 0.005


class Checks(Record):
    """Whether the fit may be trusted, and the figures that say so.

    `noise_conflict` names what scatters more or less than its noise prior
    expects; `reasons` says why a fit failed and what to do, `warnings` what to look at
    though it may be used. `path` says how the draws were made and why so: `rhat_max`
    is of chains, `khat` of weights. `predictive_p` are posterior-predictive
    probabilities, `runs_p` those of so few changes of sign, by region and modality.
    """

    passed: bool
    rhat_max: NonNegative | None
    ess_bulk_min: NonNegative | None
    ess_tail_min: NonNegative | None
    divergences: Count
    failed_solves: Count
    noise_conflict: list[Text] = Field(default_factory=list)
    attempts: Annotated[int, Field(ge=1)] = 1
    reasons: list[Text] = Field(default_factory=list)
    path: str = ""
    bfmi_min: NonNegative | None = None
    saturated_trees: Count = 0
    khat: float | None = None
    predictive_p: dict[Text, Probability] = Field(default_factory=dict)
    runs_p: dict[Text, Probability] = Field(default_factory=dict)
    beyond_prior: dict[Text, Probability] = Field(default_factory=dict)
    warnings: list[Text] = Field(default_factory=list)

    @model_validator(mode="after")
    def _gives_reasons(self) -> Self:
        if not self.passed and not self.reasons:
            raise ValueError(
                "checks.passed is false but checks.reasons is empty: say which check "
                "failed and what to do"
            )
        if not self.passed:
            return self
        if self.reasons:
            raise ValueError(
                f"checks.passed is true but checks.reasons says {self.reasons}: a fit "
                "that passed has no reasons to be refused"
            )
        chained = not self.path or self.path.startswith("NUTS")
        if None in (self.ess_bulk_min, self.ess_tail_min) or (
            chained and self.rhat_max is None
        ):
            raise ValueError(
                "checks.passed is true but rhat_max (of chains), ess_bulk_min or "
                "ess_tail_min is null: a fit that passed has them"
            )
        return self


Contraction = Annotated[float, Field(le=1.0)]
Estimates = list[ClassicalEstimate]

# A null among these needs a reason.
_NEEDED = (
    "tiac_h",
    "effective_half_life_h",
    "absorbed_dose_per_activity_Gy_per_GBq",
    "fraction_of_tia_after_last_scan",
)


class OrganResult(Record):
    """Kinetics and dose of one label in one region or group.

    A quantity that cannot be given is null and `missing` says why. The effective
    half-life is ln 2 x (activity integrated after a time) / (activity then), at most
    the physical one; that time is the last scan of any region, at least 24 h and at
    most 20 physical half-lives after the administration. Where they are known: the
    TIAC if the label did nothing but decay after the last scan (a bound of the tail),
    the share of the dose that comes from other regions, and the G-factor of the dose
    rate.
    """

    tiac_h: Summary | None
    effective_half_life_h: Summary | None
    absorbed_dose_per_activity_Gy_per_GBq: DosePerActivity | None
    fraction_of_tia_after_last_scan: Summary | None
    tiac_if_only_decay_h: Summary | None = None
    cross_dose_share: Summary | None = None
    protraction_factor: Summary | None = None
    missing: Text | None = None

    @model_validator(mode="after")
    def _explains_nulls(self) -> Self:
        check_missing({name: getattr(self, name) for name in _NEEDED}, self.missing)
        fraction = self.fraction_of_tia_after_last_scan
        if fraction is not None and fraction.interval_95[1] > 1.0:
            raise ValueError(
                "fraction_of_tia_after_last_scan.interval_95 ends at "
                f"{fraction.interval_95[1]}: a fraction is between 0 and 1"
            )
        return self


class LimitResult(Record):
    """One limit: its own largest activity, and the risk at the safe activity.

    `received_Gy` is what already counts against it, in the limit's quantity.
    """

    activity_GBq: NonNegative | None
    limit_Gy: Positive
    quantity: Dose
    probability_above_at_safe_activity: Probability | None
    received_Gy: Summary | None = None


class ActivityAtLimit(Record):
    """The activity that reaches the first limit, GBq, over the posterior."""

    median: NonNegative
    interval_95: Interval

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        check_interval(self.median, self.interval_95)
        return self


class SafeActivity(Record):
    """The largest activity of one planned label that keeps every limit.

    `activity_GBq` is 0 when no activity is safe, and null, with `missing`
    saying why, when it cannot be given (as when every limit is waived). It is the
    sum over `cycles`; `monte_carlo_error` is its relative standard error.

    Doses at the safe activity, by region and group, hold the administrations in the
    file where `administrations_counted`. Of earlier history `history_counted` names the
    targets that hold it, each in the one quantity in which it was stated, and
    `history_left_out` those that hold nothing of the history of another target that
    shares regions with them. `judgements` says which numbers behind the limited doses
    were judged, not published, derived or stated.
    """

    activity_GBq: NonNegative | None
    confidence: Annotated[float, Field(gt=0.0, lt=1.0)]
    binding_limit: Text | None
    per_limit: dict[Text, LimitResult]
    activity_at_limit_GBq: ActivityAtLimit | None
    monte_carlo_error: NonNegative | None = None
    cycles: Annotated[int, Field(ge=1)] = 1
    activity_per_cycle_GBq: NonNegative | None = None
    absorbed_dose_Gy: dict[Text, Summary] = Field(default_factory=dict)
    bed_Gy: dict[Text, Summary] = Field(default_factory=dict)
    point_estimate: PointEstimate | None = None
    probability_curve: ProbabilityCurve | None = None
    at_transplantation: Residual | None = None
    administrations_counted: bool = True
    history_counted: dict[Text, Dose] = Field(default_factory=dict)
    history_left_out: dict[Text, list[Text]] = Field(default_factory=dict)
    judgements: list[Text] = Field(default_factory=list)
    missing: Text | None = None

    @model_validator(mode="after")
    def _keeps_every_limit(self) -> Self:
        if self.binding_limit is not None and self.binding_limit not in self.per_limit:
            raise ValueError(
                f"binding_limit {self.binding_limit!r} is not in per_limit "
                f"({', '.join(self.per_limit) or 'empty'}): give it there"
            )
        check_missing({"activity_GBq": self.activity_GBq}, self.missing)
        if self.activity_GBq is None:
            return self
        if self.binding_limit is None:
            raise ValueError(
                f"activity_GBq is {self.activity_GBq} but binding_limit is null: name "
                "the limit that binds"
            )
        probabilities = _probabilities(self.per_limit, self.activity_GBq)
        largest = max(probabilities.values())
        if probabilities[self.binding_limit] < largest:
            raise ValueError(
                f"binding_limit is {self.binding_limit!r}, exceeded with probability "
                f"{probabilities[self.binding_limit]}, but another is exceeded with "
                f"{largest}: the binding limit has the largest"
            )
        allowed = 1.0 - self.confidence + _PROBABILITY_TOLERANCE
        if self.activity_GBq > 0.0 and largest > allowed:
            raise ValueError(
                f"activity_GBq {self.activity_GBq} breaks {self.binding_limit!r} with "
                f"probability {largest}, but confidence is {self.confidence}: it is "
                "not a safe activity"
            )
        return self


class Result(Record):
    """The whole of result.json.

    A result whose `checks.passed` is false carries no organs, no doses, no safe
    activity and nothing that follows from them. Budgets, propagation, classical
    estimates and other scans are by label, then by region or group; `inputs` holds the
    patient's files. `waived` and `without_scans` give the file's reason by target: of
    limits that do not count, and of limits of whose kinetics a cohort speaks and not
    the patient's scans.
    """

    format: Literal["pkmodels-result/1"] = FORMAT
    not_validated: Text = NOT_VALIDATED
    patient_id: Text
    note: Text | None = None
    model: Text
    checks: Checks
    waived: dict[Text, Text] = Field(default_factory=dict)
    without_scans: dict[Text, Text] = Field(default_factory=dict)
    organs: dict[Text, dict[Text, OrganResult]] = Field(default_factory=dict)
    dose_already_received_Gy: dict[Text, Summary | None] = Field(default_factory=dict)
    safe_activity: dict[Text, SafeActivity] = Field(default_factory=dict)
    prior_contraction: dict[Text, Annotated[float, Field(le=1.0)]] = Field(
        default_factory=dict
    )
    budgets: dict[Text, dict[Text, Budget]] = Field(default_factory=dict)
    propagation: dict[Text, dict[Text, Propagation]] = Field(default_factory=dict)
    classical: dict[Text, dict[Text, list[ClassicalEstimate]]] = Field(
        default_factory=dict
    )
    comparison: dict[Text, Comparison] = Field(default_factory=dict)
    another_scan: dict[Text, dict[Text, list[AnotherScan]]] = Field(
        default_factory=dict
    )
    left_over: dict[Text, Residual] = Field(default_factory=dict)
    s_values: list[SValueUsed] = Field(default_factory=list)
    history: list[Text] = Field(default_factory=list)
    inputs: dict[Text, str] = Field(default_factory=dict)
    priors: dict[Text, Text] = Field(default_factory=dict)
    warnings: list[Text] = Field(default_factory=list)
    assumptions: list[Text] = Field(default_factory=list)
    versions: dict[Text, Text]
    seed: Count
    data_sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]

    @model_validator(mode="after")
    def _reports_what_may_be_reported(self) -> Self:
        reported = {
            "without_scans": self.without_scans,
            "organs": self.organs,
            "dose_already_received_Gy": self.dose_already_received_Gy,
            "safe_activity": self.safe_activity,
            "prior_contraction": self.prior_contraction,
            "budgets": self.budgets,
            "propagation": self.propagation,
            "classical": self.classical,
            "comparison": self.comparison,
            "another_scan": self.another_scan,
            "left_over": self.left_over,
        }
        if not self.checks.passed:
            filled = [name for name, table in reported.items() if table]
            if filled:
                raise ValueError(
                    f"checks.passed is false but {', '.join(filled)} is filled: "
                    "nothing may be reported from a fit that failed its checks"
                )
            return self
        for name in ("organs", "safe_activity"):
            if not reported[name]:
                raise ValueError(
                    f"checks.passed is true but {name} is empty: a fit that passed "
                    "reports it"
                )
        _check_names(self)
        return self


def _probabilities(
    per_limit: Mapping[str, LimitResult], activity_GBq: float
) -> dict[str, float]:
    """Return each limit's probability, refusing an activity above a limit's own."""
    probabilities = {}
    for name, limit in per_limit.items():
        probability = limit.probability_above_at_safe_activity
        if probability is None or limit.activity_GBq is None:
            raise ValueError(
                f"activity_GBq is {activity_GBq} but per_limit.{name} has a null: give "
                "its own activity and its probability"
            )
        if activity_GBq > limit.activity_GBq * (1.0 + 1e-9):
            raise ValueError(
                f"activity_GBq {activity_GBq} is above the {limit.activity_GBq} that "
                f"limit {name!r} allows alone: all limits together allow no more"
            )
        probabilities[name] = probability
    return probabilities


def _check_names(result: Result) -> None:
    """Refuse a dose or a limit of something that the result does not describe."""
    limits = {name for safe in result.safe_activity.values() for name in safe.per_limit}
    for name in sorted(limits | set(result.dose_already_received_Gy)):
        if name not in result.organs:
            raise ValueError(
                f"{name!r} carries a dose or a limit but is not in organs "
                f"({', '.join(result.organs)}): give its kinetics there"
            )
    both = sorted(limits & set(result.waived))
    if both:
        raise ValueError(
            f"{', '.join(both)} is both waived and limited: a limit counts or is waived"
        )


def read_result(path: Path) -> Result:
    """Read a result.json and check it against the format.

    Keys that a later writer of the same format added are ignored.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Result

    Raises
    ------
    InputError
        When the file cannot be read, is not JSON, or breaks a rule of the format.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} cannot be read ({error}): give a result.json that pkmodels wrote"
        ) from error
    try:
        return Result.model_validate_json(text, extra="ignore")
    except ValidationError as error:
        problems = "\n".join(_describe(problem) for problem in error.errors())
        raise InputError(
            f"{path} is not a {FORMAT} file. Write it again with `pkmodels "
            f"safe-activity`, or mend:\n{problems}"
        ) from error


def _describe(problem: Mapping[str, object]) -> str:
    """Say where one problem is, what it is and what was found."""
    location = problem["loc"]
    keys = location if isinstance(location, tuple) else ()
    where = ".".join(map(str, keys)) or "the file"
    return f"  {where}: {problem['msg']}; found {short_repr(problem['input'])}"
