"""The format of result.json, "pkmodels-result/1", and its reader.

The rules of reporting are part of the format: no NaN or infinity, nothing
reported from a fit that failed its checks, and a null that says why it is null.
"""

from collections.abc import Mapping
from pathlib import Path
from reprlib import repr as short_repr
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from pkmodels.errors import InputError

FORMAT = "pkmodels-result/1"
NOT_VALIDATED = "Research software. Not clinically validated."

# At the safe activity one draw lies on its limit, so rounding can move the
# probability by one draw.
_PROBABILITY_TOLERANCE = 0.005

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
NonNegative = Annotated[float, Field(ge=0.0)]
Positive = Annotated[float, Field(gt=0.0)]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=0)]
Interval = tuple[NonNegative, NonNegative]


class _Record(BaseModel):
    """One table of result.json: closed, immutable, without NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class _Distribution(_Record):
    """What a posterior of a quantity that cannot be negative is reduced to."""

    median: NonNegative
    mean: NonNegative
    sd: NonNegative
    interval_95: Interval

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        _check_interval(self.median, self.interval_95)
        return self


class Summary(_Distribution):
    """A posterior: median, mean, standard deviation and 95 % interval.

    The interval is equal-tailed: the 2.5 and 97.5 % quantiles.
    """


class DosePerActivity(_Distribution):
    """Absorbed dose per administered activity, Gy/GBq.

    `at_activity_GBq` is the activity for which it holds, where the model
    saturates; null where dose is proportional to activity.
    """

    at_activity_GBq: Positive | None = None


class Checks(_Record):
    """Whether the fit may be trusted, and the figures that say so.

    `noise_conflict` names what scatters more or less than its noise prior
    expects; `reasons` says why a fit failed and what to do.
    """

    passed: bool
    rhat_max: NonNegative | None
    ess_bulk_min: NonNegative | None
    ess_tail_min: NonNegative | None
    divergences: Count
    failed_solves: Count
    noise_conflict: list[Text] = []
    attempts: Annotated[int, Field(ge=1)] = 1
    reasons: list[Text] = []

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
        if None in (self.rhat_max, self.ess_bulk_min, self.ess_tail_min):
            raise ValueError(
                "checks.passed is true but rhat_max, ess_bulk_min or ess_tail_min is "
                "null: a fit that passed has all three"
            )
        return self


class OrganResult(_Record):
    """Kinetics and dose of one label in one region or group.

    A quantity that cannot be given is null and `missing` says why.
    """

    tiac_h: Summary | None
    effective_half_life_h: Summary | None
    absorbed_dose_per_activity_Gy_per_GBq: DosePerActivity | None
    fraction_of_tia_after_last_scan: Summary | None
    missing: Text | None = None

    @model_validator(mode="after")
    def _explains_nulls(self) -> Self:
        values = {name: value for name, value in self if name != "missing"}
        _check_missing(values, self.missing)
        fraction = self.fraction_of_tia_after_last_scan
        if fraction is not None and fraction.interval_95[1] > 1.0:
            raise ValueError(
                "fraction_of_tia_after_last_scan.interval_95 ends at "
                f"{fraction.interval_95[1]}: a fraction is between 0 and 1"
            )
        return self


class LimitResult(_Record):
    """One limit: its own largest activity, and the risk at the safe activity."""

    activity_GBq: NonNegative | None
    limit_Gy: Positive
    quantity: Literal["absorbed_dose", "bed"]
    probability_above_at_safe_activity: Probability | None


class ActivityAtLimit(_Record):
    """The activity that reaches the first limit, GBq, over the posterior."""

    median: NonNegative
    interval_95: Interval

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        _check_interval(self.median, self.interval_95)
        return self


class SafeActivity(_Record):
    """The largest activity of one planned label that keeps every limit.

    `activity_GBq` is 0 when no activity is safe, and null, with `missing`
    saying why, when it cannot be given (as when every limit is waived).
    """

    activity_GBq: NonNegative | None
    confidence: Annotated[float, Field(gt=0.0, lt=1.0)]
    binding_limit: Text | None
    per_limit: dict[Text, LimitResult]
    activity_at_limit_GBq: ActivityAtLimit | None
    missing: Text | None = None

    @model_validator(mode="after")
    def _keeps_every_limit(self) -> Self:
        if self.binding_limit is not None and self.binding_limit not in self.per_limit:
            raise ValueError(
                f"binding_limit {self.binding_limit!r} is not in per_limit "
                f"({', '.join(self.per_limit) or 'empty'}): give it there"
            )
        _check_missing({"activity_GBq": self.activity_GBq}, self.missing)
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


class Result(_Record):
    """The whole of result.json.

    A result whose `checks.passed` is false carries no organs, no doses, no safe
    activity and no prior contraction.
    """

    format: Literal["pkmodels-result/1"] = FORMAT
    not_validated: Text = NOT_VALIDATED
    patient_id: Text
    note: Text | None = None
    model: Text
    checks: Checks
    waived: dict[Text, Text] = {}
    organs: dict[Text, dict[Text, OrganResult]] = {}
    dose_already_received_Gy: dict[Text, Summary | None] = {}
    safe_activity: dict[Text, SafeActivity] = {}
    prior_contraction: dict[Text, Annotated[float, Field(le=1.0)]] = {}
    priors: dict[Text, Text] = {}
    warnings: list[Text] = []
    assumptions: list[Text] = []
    versions: dict[Text, Text]
    seed: Count
    data_sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]

    @model_validator(mode="after")
    def _reports_what_may_be_reported(self) -> Self:
        reported = {
            "organs": self.organs,
            "dose_already_received_Gy": self.dose_already_received_Gy,
            "safe_activity": self.safe_activity,
            "prior_contraction": self.prior_contraction,
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


def _check_interval(median: float, interval: tuple[float, float]) -> None:
    low, high = interval
    if not low <= median <= high:
        raise ValueError(
            f"interval_95 [{low}, {high}] does not hold the median {median}: give "
            "[2.5 % quantile, 97.5 % quantile]"
        )


def _check_missing(values: Mapping[str, object], missing: str | None) -> None:
    nulls = [name for name, value in values.items() if value is None]
    if nulls and missing is None:
        raise ValueError(f"{', '.join(nulls)} is null: `missing` must say why")
    if missing is not None and not nulls:
        raise ValueError(
            f"`missing` says {missing!r} but nothing is null: leave it null"
        )


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


def summarize(draws: ArrayLike) -> Summary:
    """Reduce posterior draws to median, mean, standard deviation and interval.

    Parameters
    ----------
    draws : (n_draws,) array
        Draws of one quantity, any unit, finite, >= 0, at least two.

    Returns
    -------
    Summary
        With the equal-tailed 95 % interval, quantiles by linear interpolation.

    Raises
    ------
    InputError
        When there are fewer than two draws, or one is negative or not finite.

    Examples
    --------
    >>> summarize([1.0, 2.0, 3.0, 4.0, 5.0]).interval_95
    (1.1, 4.9)
    """
    values = np.asarray(draws, dtype=np.float64)
    if values.ndim != 1 or values.size < 2:
        raise InputError(
            f"draws have shape {values.shape}: give one axis of at least two draws"
        )
    bad = ~np.isfinite(values) | (values < 0.0)
    if bad.any():
        raise InputError(
            f"{int(bad.sum())} of {values.size} draws are negative or not finite, the "
            f"first of them {values[bad][0]}: a summary needs finite draws >= 0"
        )
    low, median, high = (float(q) for q in np.quantile(values, (0.025, 0.5, 0.975)))
    return Summary(
        median=median,
        mean=float(values.mean()),
        sd=float(values.std(ddof=1)),
        interval_95=(low, high),
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
