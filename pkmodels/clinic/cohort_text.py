"""A cohort as text: counts, then one line a patient, failures first."""

from collections import Counter
from collections.abc import Sequence

from pkmodels.clinic.cohort import Cohort
from pkmodels.clinic.cohort_rows import ANSWERED, Activity, CohortRow, count
from pkmodels.clinic.result_format import NOT_VALIDATED
from pkmodels.clinic.rounding import rounded_down, with_interval

HEADS = ("folder", "status", "dose per activity (Gy/GBq)", "safe activity", "warnings")
_LONGEST_WHY = 300
_GAP = "  "


def dose_lines(row: CohortRow) -> tuple[str, ...]:
    """Return the dose per activity of every planned label and limited target.

    Parameters
    ----------
    row : CohortRow
        Of a patient.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> from pkmodels.clinic.cohort_rows import Dose
    >>> dose = Dose("Y-90", "kidneys", 1.38, 1.19, 1.58, 23.0, "absorbed_dose")
    >>> [line] = dose_lines(CohortRow("a", "P1", ANSWERED, "", doses=(dose,)))
    >>> line.startswith("Y-90 kidneys 1.38 (1.19")
    True
    """
    return tuple(
        f"{d.label} {d.target} {with_interval(d.median, (d.low, d.high))}"
        for d in row.doses
    )


def activity_lines(row: CohortRow) -> tuple[str, ...]:
    """Return the safe activity of every planned label with its binding limit.

    Parameters
    ----------
    row : CohortRow
        Of a patient.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> safe = Activity("Y-90", 13.19, 0.95, "kidneys", None)
    >>> activity_lines(CohortRow("a", "P1", ANSWERED, "", activities=(safe,)))
    ('Y-90 13.1 GBq (kidneys)',)
    """
    return tuple(_activity(each) for each in row.activities)


def _activity(safe: Activity) -> str:
    if safe.GBq is None:
        return f"{safe.label} not given"
    return f"{safe.label} {rounded_down(safe.GBq)} GBq ({safe.binding_limit})"


def cohort_text(cohort: Cohort) -> str:
    """Return a cohort as text for a terminal.

    Parameters
    ----------
    cohort : Cohort
        The cohort.

    Returns
    -------
    str
        Ends with a line break.
    """
    lines = [count(cohort.rows)]
    if cohort.left_out:
        lines.append(f"Folders without a patient: {', '.join(cohort.left_out)}")
    told = [row for row in cohort.rows if row.why]
    lines += [f"{row.folder}: {row.status}: {_short(row.why)}" for row in told]
    lines += [
        f"WAIVED LIMIT in {n} of {len(cohort.rows)}: {target} is not protected"
        for target, n in waived_limits(cohort.rows).items()
    ]
    table: list[tuple[str, ...]] = [HEADS]
    for row in cohort.rows:
        doses, safe = dose_lines(row), activity_lines(row)
        for i in range(max(len(doses), len(safe), 1)):
            first = i == 0
            table.append(
                (
                    row.folder if first else "",
                    row.status if first else "",
                    doses[i] if i < len(doses) else "",
                    safe[i] if i < len(safe) else "",
                    str(row.warnings) if first and row.status == ANSWERED else "",
                )
            )
    lines += ["", *_columns(table), "", NOT_VALIDATED]
    printable = ("".join(c if c.isprintable() else " " for c in x) for x in lines)
    return "".join(f"{line}\n" for line in printable)


def waived_limits(rows: Sequence[CohortRow]) -> dict[str, int]:
    """Return how many patients each limit is waived of.

    Parameters
    ----------
    rows : sequence of CohortRow
        Of every patient.

    Returns
    -------
    dict of str to int
        By target.

    Examples
    --------
    >>> row = CohortRow("a", "P1", ANSWERED, "", waived=("red_marrow",))
    >>> waived_limits([row, row])
    {'red_marrow': 2}
    """
    return dict(Counter(target for row in rows for target in row.waived))


def _short(why: str) -> str:
    one = " ".join(why.split())
    return one if len(one) <= _LONGEST_WHY else f"{one[:_LONGEST_WHY]}..."


def _columns(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        _GAP.join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]
    return [lines[0], "-" * len(_GAP.join("x" * w for w in widths)), *lines[1:]]
