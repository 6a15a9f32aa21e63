"""The safe activity, its limits and its risks in words and rounded numbers."""

from dataclasses import dataclass

from pkmodels.clinic.result_format import LimitResult, Result, SafeActivity
from pkmodels.clinic.result_text import QUANTITIES, UNKNOWN, summary_text
from pkmodels.clinic.rounding import (
    percent,
    relative,
    rounded_down,
    with_interval,
)


@dataclass(frozen=True)
class LimitRow:
    """One row of the table of limits, as text."""

    name: str
    limit: str
    activity: str
    probability: str
    binds: str


@dataclass(frozen=True)
class SafeActivityText:
    """The safe activity of one planned label, as text."""

    label: str
    headline: str
    notes: tuple[str, ...]
    limits: tuple[LimitRow, ...]


def safe_activities(result: Result) -> tuple[SafeActivityText, ...]:
    """Return the safe activity of every planned label, with its limits.

    Parameters
    ----------
    result : Result
        The result.

    Returns
    -------
    tuple of SafeActivityText
    """
    return tuple(
        SafeActivityText(
            label=label,
            headline=_headline(safe),
            notes=(*_safe_notes(safe), *_tumour_notes(result, label)),
            limits=tuple(
                _limit_row(name, limit, name == safe.binding_limit)
                for name, limit in safe.per_limit.items()
            ),
        )
        for label, safe in result.safe_activity.items()
    )


def limit_text(limit: LimitResult) -> str:
    """Return the limit with its quantity, as it was set.

    Parameters
    ----------
    limit : LimitResult
        The limit.

    Returns
    -------
    str

    Examples
    --------
    >>> limit_text(
    ...     LimitResult(
    ...         activity_GBq=5.3,
    ...         limit_Gy=23.25,
    ...         quantity="bed",
    ...         probability_above_at_safe_activity=0.05,
    ...     )
    ... )
    '23.25 Gy BED'
    """
    return f"{limit.limit_Gy:g} Gy {QUANTITIES[limit.quantity]}"


def history_text(safe: SafeActivity, target: str) -> str:
    """Say in which of its doses a region or group holds earlier history.

    Parameters
    ----------
    safe : SafeActivity
        The safe activity of one planned label.
    target : str
        A region or group.

    Returns
    -------
    str

    Examples
    --------
    >>> safe = SafeActivity(
    ...     activity_GBq=None, confidence=0.95, binding_limit=None, per_limit={},
    ...     activity_at_limit_GBq=None, missing="for the example",
    ...     history_counted={"kidneys": "bed"},
    ...     history_left_out={"kidney_left": ["kidneys"]})
    >>> history_text(safe, "kidneys")
    'in the BED, not in the absorbed dose'
    >>> history_text(safe, "kidney_left")
    'without that of kidneys'
    >>> history_text(safe, "liver")
    'none'
    """
    counted = safe.history_counted.get(target)
    said = []
    if counted is not None:
        (other,) = set(QUANTITIES) - {counted}
        said.append(f"in the {QUANTITIES[counted]}, not in the {QUANTITIES[other]}")
    others = safe.history_left_out.get(target)
    if others:
        said.append(f"without that of {', '.join(others)}")
    return "; ".join(said) or "none"


def dose_scope(safe: SafeActivity) -> str:
    """Say what the doses at the safe activity hold besides it.

    Parameters
    ----------
    safe : SafeActivity
        The safe activity of one planned label.

    Returns
    -------
    str

    Examples
    --------
    >>> dose_scope(SafeActivity(
    ...     activity_GBq=None, confidence=0.95, binding_limit=None, per_limit={},
    ...     activity_at_limit_GBq=None, missing="for the example",
    ...     administrations_counted=False))
    'without the administrations in the file'
    """
    which = "with" if safe.administrations_counted else "without"
    return f"{which} the administrations in the file"


def _headline(safe: SafeActivity) -> str:
    if safe.activity_GBq is None:
        return f"not given: {safe.missing}"
    binding = safe.binding_limit or UNKNOWN
    limit = safe.per_limit.get(binding)
    bound = binding if limit is None else f"{binding} ({limit_text(limit)})"
    if safe.activity_GBq == 0.0:
        return f"0 GBq: no activity is safe. Binding limit: {bound}"
    return f"{rounded_down(safe.activity_GBq)} GBq. Binding limit: {bound}"


def _safe_notes(safe: SafeActivity) -> tuple[str, ...]:
    if safe.activity_GBq is None:
        return ()
    notes = []
    if safe.cycles > 1 and safe.activity_per_cycle_GBq is not None:
        notes.append(
            f"It is the sum over {safe.cycles} cycles of "
            f"{rounded_down(safe.activity_per_cycle_GBq)} GBq each."
        )
    risks = [
        limit.probability_above_at_safe_activity for limit in safe.per_limit.values()
    ]
    exceeded = max((risk for risk in risks if risk is not None), default=0.0)
    if safe.activity_GBq == 0.0 and exceeded > 1.0 - safe.confidence:
        notes.append(
            "What was already received exceeds a limit with a probability of "
            f"{percent(exceeded)}, before any activity is given."
        )
    elif safe.per_limit:
        notes.append(
            "All limits together are kept with a probability of at least "
            f"{100.0 * safe.confidence:g} %."
        )
    if safe.judgements:
        what = "a judgement" if len(safe.judgements) == 1 else "judgements"
        notes.append(f"It rests on {what}: {'; '.join(safe.judgements)}.")
    if safe.monte_carlo_error is not None:
        notes.append(
            "Monte-Carlo standard error of it, from the finite number of draws: "
            f"{relative(safe.monte_carlo_error)}."
        )
    at_limit = safe.activity_at_limit_GBq
    if at_limit is not None:
        reached = with_interval(at_limit.median, at_limit.interval_95)
        notes.append(
            f"The first limit is reached at {reached} GBq: median (95 % interval)."
        )
    return tuple(notes)


def _tumour_notes(result: Result, label: str) -> tuple[str, ...]:
    compared = result.comparison.get(label)
    given = result.safe_activity[label].activity_GBq is not None
    if compared is None or not compared.tumour_dose_Gy or not given:
        return ()
    doses = ", ".join(
        f"{region} {summary_text(dose)} Gy"
        for region, dose in compared.tumour_dose_Gy.items()
    )
    return (f"Tumour dose from it alone: {doses}: median (95 % interval).",)


def _limit_row(name: str, limit: LimitResult, binds: bool) -> LimitRow:
    activity = limit.activity_GBq
    probability = limit.probability_above_at_safe_activity
    return LimitRow(
        name=name,
        limit=limit_text(limit),
        activity=UNKNOWN if activity is None else f"{rounded_down(activity)} GBq",
        probability=UNKNOWN if probability is None else percent(probability),
        binds="binds" if binds else "",
    )
