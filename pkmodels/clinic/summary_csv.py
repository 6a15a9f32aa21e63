"""The summary CSV: every number of a result that a department files, one a row."""

import csv
import io
from collections.abc import Iterator

from pkmodels.clinic.decision_text import dose_scope
from pkmodels.clinic.result_format import (
    ActivityAtLimit,
    OrganResult,
    Result,
    SafeActivity,
)
from pkmodels.clinic.result_records import DosePerActivity, Summary
from pkmodels.clinic.result_text import received_scope

COLUMNS = ("target", "label", "quantity", "unit", "median", "lo95", "hi95", "note")

Row = tuple[str, str, str, str, str, str, str, str]

# The whole patient, where a number belongs to no region.
_PATIENT = "patient"
_DOSES = {"absorbed_dose": "absorbed dose", "bed": "BED"}
# A spreadsheet reads a cell that begins with one of these as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def summary_table(result: Result) -> str:
    """Return summary.csv: target,label,quantity,unit,median,lo95,hi95,note.

    Numbers are those of result.json, not rounded. A quantity that is one number, as an
    activity or a probability, stands under ``median`` and has no interval. A quantity
    that could not be given has an empty ``median`` and a ``note`` that says why. A text
    that a spreadsheet would read as a formula is put behind an apostrophe.

    Parameters
    ----------
    result : Result
        The result. Of a fit that failed its checks there are no rows.

    Returns
    -------
    str
        A header and the rows, ended by line feeds.

    Examples
    --------
    >>> checks = {"passed": False, "rhat_max": 1.2, "ess_bulk_min": 40,
    ...           "ess_tail_min": 35, "divergences": 3, "failed_solves": 0,
    ...           "reasons": ["R-hat is 1.2: give more data"]}
    >>> result = Result(patient_id="P1", model="organ_exchange", checks=checks,
    ...                 versions={}, seed=0, data_sha256="0" * 64)
    >>> summary_table(result)
    'target,label,quantity,unit,median,lo95,hi95,note\\n'
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in _rows(result):
        writer.writerow(
            [harmless(row[0]), harmless(row[1]), *row[2:7], harmless(row[7])]
        )
    return text.getvalue()


def _rows(result: Result) -> Iterator[Row]:
    for target, labels in result.organs.items():
        for label, organ in labels.items():
            yield from _organ_rows(target, label, organ)
    for target, dose in result.dose_already_received_Gy.items():
        note = received_scope(result).lower().removesuffix(".")
        note = note if dose is not None else "cannot be given"
        yield _summary(target, "", "absorbed dose already received", "Gy", dose, note)
    for label, safe in result.safe_activity.items():
        yield from _safe_rows(label, safe)
    for label, compared in result.comparison.items():
        note = "" if compared.planned else "for comparison only"
        if not compared.planned:
            activity = compared.activity_GBq
            why = "; ".join(filter(None, (note, compared.missing)))
            yield _number(_PATIENT, label, "safe activity", "GBq", activity, why)
        for target, dose in compared.tumour_dose_Gy.items():
            quantity = "tumour absorbed dose at safe activity"
            told = "; ".join(filter(None, ("of this activity alone", note)))
            yield _summary(target, label, quantity, "Gy", dose, told)
        for target, ratio in compared.tumour_over_binding.items():
            quantity = "dose over that of binding organ"
            yield _summary(target, label, quantity, "1", ratio, note)


def _organ_rows(target: str, label: str, organ: OrganResult) -> Iterator[Row]:
    missing = organ.missing or ""
    dose = organ.absorbed_dose_per_activity_Gy_per_GBq
    at = None if dose is None else dose.at_activity_GBq
    needed = (
        ("TIAC", "h", organ.tiac_h, ""),
        ("effective half-life", "h", organ.effective_half_life_h, ""),
        (
            "absorbed dose per activity",
            "Gy/GBq",
            dose,
            "" if at is None else f"at {at!r} GBq",
        ),
        (
            "TIA after the last scan",
            "1",
            organ.fraction_of_tia_after_last_scan,
            "share of the TIA",
        ),
    )
    for quantity, unit, summary, note in needed:
        why = missing if summary is None else note
        yield _summary(target, label, quantity, unit, summary, why)
    where_known = (
        ("TIAC if only decay after the last scan", "h", organ.tiac_if_only_decay_h),
        ("share of dose from other regions", "1", organ.cross_dose_share),
        ("G-factor", "1", organ.protraction_factor),
    )
    for quantity, unit, summary in where_known:
        if summary is not None:
            yield _summary(target, label, quantity, unit, summary, "")


def _safe_rows(label: str, safe: SafeActivity) -> Iterator[Row]:
    told = [safe.missing or f"confidence {safe.confidence!r}"]
    if safe.binding_limit is not None:
        told.append(f"binding limit {safe.binding_limit}")
    if safe.monte_carlo_error is not None:
        told.append(f"relative Monte-Carlo error {safe.monte_carlo_error!r}")
    if safe.judgements:
        told.append(f"rests on judgements: {', '.join(safe.judgements)}")
    note = "; ".join(told)
    yield _number(_PATIENT, label, "safe activity", "GBq", safe.activity_GBq, note)
    if safe.activity_per_cycle_GBq is not None:
        note = f"{safe.cycles} cycles"
        each = safe.activity_per_cycle_GBq
        yield _number(_PATIENT, label, "safe activity per cycle", "GBq", each, note)
    reached = safe.activity_at_limit_GBq
    if reached is not None:
        quantity = "activity that reaches the first limit"
        yield _summary(_PATIENT, label, quantity, "GBq", reached, "")
    for target, limit in safe.per_limit.items():
        note = f"{limit.limit_Gy!r} Gy {_DOSES[limit.quantity]}"
        for quantity, unit, value in (
            ("activity allowed by this limit alone", "GBq", limit.activity_GBq),
            (
                "probability above the limit at safe activity",
                "1",
                limit.probability_above_at_safe_activity,
            ),
        ):
            yield _number(target, label, quantity, unit, value, note)
        if limit.received_Gy is not None:
            quantity = f"{_DOSES[limit.quantity]} already received"
            yield _summary(target, label, quantity, "Gy", limit.received_Gy, note)
    for kind, doses in (
        ("absorbed_dose", safe.absorbed_dose_Gy),
        ("bed", safe.bed_Gy),
    ):
        for target, dose in doses.items():
            quantity = f"{_DOSES[kind]} at safe activity"
            note = _dose_note(safe, target, kind)
            yield _summary(target, label, quantity, "Gy", dose, note)


def _dose_note(safe: SafeActivity, target: str, kind: str) -> str:
    """Say what a dose holds of what was received before."""
    told = [dose_scope(safe)]
    counted = safe.history_counted.get(target)
    if counted is not None:
        told.append(f"{'with' if counted == kind else 'without'} its history")
    others = safe.history_left_out.get(target)
    if others:
        told.append(f"without the history of {', '.join(others)}")
    return "; ".join(told)


def _summary(
    target: str,
    label: str,
    quantity: str,
    unit: str,
    summary: Summary | DosePerActivity | ActivityAtLimit | None,
    note: str,
) -> Row:
    if summary is None:
        return target, label, quantity, unit, "", "", "", note
    median, low, high = map(repr, (summary.median, *summary.interval_95))
    return target, label, quantity, unit, median, low, high, note


def _number(
    target: str, label: str, quantity: str, unit: str, value: float | None, note: str
) -> Row:
    text = "" if value is None else repr(value)
    return target, label, quantity, unit, text, "", "", note


def harmless(text: str) -> str:
    """Return text that no spreadsheet reads as a formula: behind an apostrophe.

    Parameters
    ----------
    text : str
        Of a cell.

    Returns
    -------
    str

    Examples
    --------
    >>> harmless("=1+1"), harmless("kidneys")
    ("'=1+1", 'kidneys')
    """
    return f"'{text}" if text.startswith(_FORMULA) else text
