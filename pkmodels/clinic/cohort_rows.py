"""Rows of a cohort: what its table says of each patient, from result.json alone."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pkmodels.clinic.result_format import Result
from pkmodels.clinic.summary_csv import harmless
from pkmodels.cohorts.outcomes import Outcome

ANSWERED, REFUSED, BAD_INPUT, FAILED = "answered", "refused", "bad input", "failed"
# Of several folders that state one id, how many are named.
_NAMED = 3
# Failures first: they are what someone has to look at.
ORDER = (FAILED, BAD_INPUT, REFUSED, ANSWERED)
COLUMNS = (
    "folder",
    "patient",
    "status",
    "why",
    "model",
    "label",
    "target",
    "dose_Gy_per_GBq",
    "dose_lo95",
    "dose_hi95",
    "safe_activity_GBq",
    "confidence",
    "binding_limit",
    "limit_Gy",
    "quantity",
    "waived",
    "warnings",
)


@dataclass(frozen=True)
class Dose:
    """Absorbed dose per activity of one planned label in one limited target, Gy/GBq."""

    label: str
    target: str
    median: float
    low: float
    high: float
    limit_Gy: float
    quantity: str


@dataclass(frozen=True)
class Activity:
    """What is safe of one planned label; None with why where it is not given."""

    label: str
    GBq: float | None
    confidence: float
    binding_limit: str | None
    missing: str | None


@dataclass(frozen=True)
class CohortRow:
    """One patient of a cohort.

    Parameters
    ----------
    folder, patient : str
        Name of the folder, and the id that the file states ('' where it has none).
    status : str
        One of `ORDER`.
    why : str
        Why there is no answer; '' where there is one.
    model : str
        Of the fit.
    doses : tuple of Dose
        Of every planned label and limited target.
    activities : tuple of Activity
        Of every planned label.
    waived : tuple of str
        Limits that were waived: organs that are not protected.
    warnings : int
        How many the result has.
    traceback : str
        Of a failure.
    """

    folder: str
    patient: str
    status: str
    why: str
    model: str = ""
    doses: tuple[Dose, ...] = ()
    activities: tuple[Activity, ...] = ()
    waived: tuple[str, ...] = ()
    warnings: int = 0
    traceback: str = ""


def said_of(result: Result) -> dict[str, Any]:
    """Return what the table says of a result, as JSON.

    Parameters
    ----------
    result : Result
        As written.

    Returns
    -------
    dict
    """
    why = list(result.checks.reasons)
    doses, activities = [], []
    for label, safe in result.safe_activity.items():
        activities.append(
            {
                "label": label,
                "GBq": safe.activity_GBq,
                "confidence": safe.confidence,
                "binding_limit": safe.binding_limit,
                "missing": safe.missing,
            }
        )
        if safe.missing is not None:
            why.append(f"{label}: {safe.missing}")
        for target, limit in safe.per_limit.items():
            found = result.organs[target][label].absorbed_dose_per_activity_Gy_per_GBq
            if found is not None:
                low, high = found.interval_95
                doses.append(
                    {
                        "label": label,
                        "target": target,
                        "median": found.median,
                        "low": low,
                        "high": high,
                        "limit_Gy": limit.limit_Gy,
                        "quantity": limit.quantity,
                    }
                )
    return {
        "patient": result.patient_id,
        "why": "; ".join(why),
        "model": result.model,
        "doses": doses,
        "activities": activities,
        "waived": list(result.waived),
        "warnings": len(result.warnings) + len(result.checks.warnings),
    }


def readable(text: str) -> str:
    r"""Return a text that can be written as UTF-8, whatever a file was called.

    Parameters
    ----------
    text : str
        A name or a message.

    Returns
    -------
    str
        With ``\udc..`` for each byte that is no UTF-8.

    Examples
    --------
    >>> readable("M\u00fcller"), readable("M\udcfcller")
    ('Müller', 'M\\udcfcller')
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def row_of(outcome: Outcome, folder: str) -> CohortRow:
    """Return one patient's row.

    Parameters
    ----------
    outcome : Outcome
        Of `pkmodels.clinic.cohort.answer`.
    folder : str
        Name of the patient's folder.

    Returns
    -------
    CohortRow
    """
    failure = outcome.failure
    if failure is not None:
        why = readable(f"{failure.kind}: {failure.message}")
        where = readable(failure.traceback)
        return CohortRow(readable(folder), "", FAILED, why, traceback=where)
    said = outcome.value
    return CohortRow(
        folder=readable(folder),
        patient=said.get("patient", ""),
        status=said["status"],
        why=readable(said["why"]),
        model=said.get("model", ""),
        doses=tuple(Dose(**each) for each in said.get("doses", ())),
        activities=tuple(Activity(**each) for each in said.get("activities", ())),
        waived=tuple(said.get("waived", ())),
        warnings=said.get("warnings", 0),
    )


def told_twice(rows: Sequence[CohortRow]) -> list[CohortRow]:
    """Return the rows; where two folders state one patient's id, both say so.

    Parameters
    ----------
    rows : sequence of CohortRow
        Of every patient.

    Returns
    -------
    list of CohortRow

    Examples
    --------
    >>> same = [CohortRow(name, "P1", ANSWERED, "") for name in ("a", "b")]
    >>> told_twice(same)[0].why, told_twice(same)[0].warnings
    ('the id P1 is also that of b: one patient, or a mistake?', 1)
    """
    of_id: dict[str, list[str]] = {}
    for row in rows:
        if row.patient:
            of_id.setdefault(row.patient, []).append(row.folder)
    found = []
    for row in rows:
        others = [name for name in of_id.get(row.patient, ()) if name != row.folder]
        if others:
            named = ", ".join(others[:_NAMED])
            if len(others) > _NAMED:
                named += f" and {len(others) - _NAMED} more"
            said = (
                f"the id {row.patient} is also that of {named}: one patient, or a "
                "mistake?"
            )
            why = f"{row.why}; {said}" if row.why else said
            row = replace(row, why=why, warnings=row.warnings + 1)
        found.append(row)
    return found


def order(rows: Iterable[CohortRow]) -> list[CohortRow]:
    """Return failures first, then what was refused, then answers.

    Parameters
    ----------
    rows : iterable of CohortRow
        Of every patient.

    Returns
    -------
    list of CohortRow

    Examples
    --------
    >>> rows = [CohortRow(s[0], "", s, "") for s in (ANSWERED, FAILED, REFUSED)]
    >>> [row.status for row in order(rows)]
    ['failed', 'refused', 'answered']
    """
    return sorted(rows, key=lambda row: ORDER.index(row.status))


def count(rows: Sequence[CohortRow]) -> str:
    """Say how many patients there are of each status.

    Parameters
    ----------
    rows : sequence of CohortRow
        Of every patient.

    Returns
    -------
    str

    Examples
    --------
    >>> count([CohortRow("a", "", ANSWERED, ""), CohortRow("b", "", FAILED, "x")])
    '2 patients: 1 failed, 1 answered'
    """
    numbers = {status: sum(row.status == status for row in rows) for status in ORDER}
    told = ", ".join(f"{n} {status}" for status, n in numbers.items() if n)
    return f"{len(rows)} patient{'' if len(rows) == 1 else 's'}: {told}"


def cohort_csv(rows: Sequence[CohortRow]) -> str:
    """Return a long table: one row for each planned label and limited target.

    A patient without doses has one row, whose status and reason say why.

    Parameters
    ----------
    rows : sequence of CohortRow
        Of every patient.

    Returns
    -------
    str
        CSV with the columns `COLUMNS`.
    """
    text = io.StringIO()
    writer: Any = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        same = {
            "folder": harmless(row.folder),
            "patient": harmless(row.patient),
            "status": row.status,
            "why": harmless(" ".join(row.why.split())),
            "model": row.model,
            "waived": harmless(" ".join(row.waived)),
            "warnings": row.warnings,
        }
        safe = {each.label: each for each in row.activities}
        for label, each in safe.items():
            own = [dose for dose in row.doses if dose.label == label]
            of_label = same | {
                "label": label,
                "safe_activity_GBq": "" if each.GBq is None else repr(each.GBq),
                "confidence": each.confidence,
                "binding_limit": harmless(each.binding_limit or ""),
            }
            writer.writerows([of_label | _dose_cells(dose) for dose in own])
            if not own:
                writer.writerow(of_label)
        if not safe:
            writer.writerow(same)
    return text.getvalue()


def _dose_cells(dose: Dose) -> dict[str, object]:
    return {
        "target": harmless(dose.target),
        "dose_Gy_per_GBq": repr(dose.median),
        "dose_lo95": repr(dose.low),
        "dose_hi95": repr(dose.high),
        "limit_Gy": dose.limit_Gy,
        "quantity": dose.quantity,
    }
