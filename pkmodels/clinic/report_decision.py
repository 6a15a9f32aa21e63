"""The report's tables on the decision: limits, doses and risk."""

from pkmodels.clinic.decision_text import (
    dose_scope,
    history_text,
    limit_text,
    safe_activities,
)
from pkmodels.clinic.report_tables import NOT_COMPUTED, Table
from pkmodels.clinic.result_format import Result, SafeActivity
from pkmodels.clinic.result_records import Summary
from pkmodels.clinic.result_text import QUANTITIES, received_scope, summary_text
from pkmodels.clinic.rounding import percent, rounded, rounded_down

_MEDIAN = "Posterior median, in brackets the equal-tailed 95 % interval."
_LIMIT_NOTES = (
    "Alone allows: the largest activity if this were the only limit. Probability of "
    "exceeding it: at the safe activity. Activities are rounded down."
)
_RECEIVED_NOTE = (
    "Already received: counts against the limit, in the limit's quantity (absorbed "
    "dose or BED)."
)
_HISTORY_NOTE = (
    "Earlier history: it is known in one quantity, for one region or group, and only "
    "that dose holds it. A group with its history is not to be held against its parts "
    "without it."
)


def limits(result: Result, label: str) -> Table | None:
    """Return the limits of one planned label with their own activities and risks.

    Parameters
    ----------
    result : Result
        The result.
    label : str
        A planned label of it.

    Returns
    -------
    Table or None
        None where no limit is set.
    """
    (told,) = (text for text in safe_activities(result) if text.label == label)
    if not told.limits:
        return None
    safe = result.safe_activity[label]
    table = Table(
        headers=(
            "Limit on",
            "At most",
            "Alone allows",
            "Probability of exceeding it",
            "",
        ),
        rows=tuple(
            (row.name, row.limit, row.activity, row.probability, row.binds)
            for row in told.limits
        ),
        notes=(_LIMIT_NOTES,),
    )
    if not any(_received_texts(safe)):
        return table
    return Table(
        headers=(*table.headers[:2], "Already received (Gy)", *table.headers[2:]),
        rows=tuple(
            (*row[:2], already, *row[2:])
            for row, already in zip(table.rows, _received_texts(safe), strict=True)
        ),
        notes=(f"{_LIMIT_NOTES} {_RECEIVED_NOTE}",),
    )


def doses(result: Result, label: str) -> Table | None:
    """Return the dose of every region at the safe activity, in Gy and in BED.

    Parameters
    ----------
    result : Result
        The result.
    label : str
        A planned label of it.

    Returns
    -------
    Table or None
        None where the result holds no doses.
    """
    safe = result.safe_activity[label]
    targets = dict.fromkeys((*safe.absorbed_dose_Gy, *safe.bed_Gy))
    if not targets:
        return None
    rows = tuple(
        (
            target,
            _optional(safe.absorbed_dose_Gy.get(target)),
            _optional(safe.bed_Gy.get(target)),
            limit_text(safe.per_limit[target]) if target in safe.per_limit else "none",
        )
        for target in targets
    )
    table = Table(
        headers=("", "Absorbed dose (Gy)", "BED (Gy)", "Limit"),
        rows=rows,
        notes=(f"Of this activity, {dose_scope(safe)}. {_MEDIAN}",),
    )
    if not safe.history_counted:
        return table
    return Table(
        headers=(*table.headers, "Earlier history"),
        rows=tuple(
            (*row, history_text(safe, target))
            for row, target in zip(rows, targets, strict=True)
        ),
        notes=(*table.notes, _HISTORY_NOTE),
        words=(4,),
    )


def received(result: Result) -> Table | None:
    """Return the dose that each region has already received.

    Parameters
    ----------
    result : Result
        The result.

    Returns
    -------
    Table or None
        None where nothing was received.
    """
    if not result.dose_already_received_Gy:
        return None
    return Table(
        headers=("", "Absorbed dose (Gy)"),
        rows=tuple(
            (target, summary_text(dose))
            for target, dose in result.dose_already_received_Gy.items()
        ),
        notes=(f"{received_scope(result)} {_MEDIAN}",),
    )


def point_estimate(safe: SafeActivity) -> tuple[str, ...]:
    """Say what the median dose alone would have allowed, and what that would risk.

    Parameters
    ----------
    safe : SafeActivity
        The safe activity of one planned label.

    Returns
    -------
    tuple of str
        Empty where the result does not hold it.

    Examples
    --------
    >>> limit = {"activity_GBq": 5.3, "limit_Gy": 23.0, "quantity": "absorbed_dose",
    ...          "probability_above_at_safe_activity": 0.05}
    >>> point = {"activity_GBq": 6.769, "probability_above": 0.5,
    ...          "expected_excess_Gy": 2.61, "safe_over_point": 0.783}
    >>> safe = SafeActivity.model_validate({
    ...     "activity_GBq": 5.3, "confidence": 0.95, "binding_limit": "kidneys",
    ...     "per_limit": {"kidneys": limit}, "activity_at_limit_GBq": None,
    ...     "point_estimate": point})
    >>> point_estimate(safe)[1]
    'The safe activity is 0.783 times that of the point estimate.'
    """
    point = safe.point_estimate
    if point is None:
        return ()
    limit, unit = "the limit that is broken most", "Gy"
    if point.setting_limit is not None and point.quantity is not None:
        limit = f"that of {point.setting_limit}"
        unit = f"Gy {QUANTITIES[point.quantity]}"
    lines = [
        "The median dose alone, without its uncertainty, would have allowed "
        f"{rounded_down(point.activity_GBq)} GBq. At that activity a limit would be "
        f"exceeded with a probability of {percent(point.probability_above)}; where "
        f"{limit} is, by {rounded(point.expected_excess_Gy)} {unit} on average."
    ]
    if point.safe_over_point is not None:
        lines.append(
            f"The safe activity is {rounded(point.safe_over_point)} times that of the "
            "point estimate."
        )
    return tuple(lines)


def _received_texts(safe: SafeActivity) -> list[str]:
    doses = (limit.received_Gy for limit in safe.per_limit.values())
    return ["" if dose is None else summary_text(dose) for dose in doses]


def _optional(summary: Summary | None) -> str:
    return NOT_COMPUTED if summary is None else summary_text(summary)
