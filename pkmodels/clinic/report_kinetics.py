"""The report's tables on kinetics: its own, its tail, and other methods'."""

from pkmodels.clinic.report_tables import NOT_COMPUTED, Table
from pkmodels.clinic.result_dosimetry import ClassicalEstimate
from pkmodels.clinic.result_format import OrganResult, Result
from pkmodels.clinic.result_records import Summary
from pkmodels.clinic.result_text import UNKNOWN, organ_rows, summary_text
from pkmodels.clinic.rounding import percent, percent_interval, relative, rounded


def kinetics(result: Result) -> Table:
    """Return kinetics and dose per activity, by region and label.

    Parameters
    ----------
    result : Result
        The result.

    Returns
    -------
    Table
    """
    rows: list[tuple[str, ...]] = []
    for organ, of_organ in organ_rows(result).items():
        rows.append((organ,))
        rows += [
            (row.label, row.tiac, row.half_life, row.dose, row.after_last_scan)
            for row in of_organ
        ]
    return Table(
        headers=(
            "",
            "TIAC (h)",
            "Effective half-life (h)",
            "Dose per activity (Gy/GBq)",
            "Tail",
        ),
        rows=tuple(rows),
        notes=(
            "Posterior median, in brackets the equal-tailed 95 % interval. TIAC: "
            "time-integrated activity per administered activity. Tail: the part of the "
            "time-integrated activity after the last scan, which no scan saw (median).",
        ),
    )


def tails(result: Result) -> Table:
    """Return what lies beyond the scans and beside the organ, by region and label.

    Parameters
    ----------
    result : Result
        The result.

    Returns
    -------
    Table
    """
    rows: list[tuple[str, ...]] = []
    for target, labels in result.organs.items():
        rows.append((target,))
        rows += [_tail_row(label, organ) for label, organ in labels.items()]
    return Table(
        headers=(
            "",
            "Tail",
            "TIAC (h)",
            "TIAC if only decay (h)",
            "Dose from other regions",
            "G-factor",
        ),
        rows=tuple(rows),
        notes=(
            "Tail: share of the time-integrated activity after the last scan, which no "
            "scan saw. TIAC if only decay: a bound, as if nothing left the region "
            "after the last scan. G-factor: protraction of the dose rate (BED = "
            "D (1 + G D / (alpha/beta))). Median (95 % interval).",
        ),
    )


def classical(result: Result) -> Table | None:
    """Return what other methods make of the same scans, by region and label.

    Parameters
    ----------
    result : Result
        The result.

    Returns
    -------
    Table or None
        None where the result holds none.
    """
    rows: list[tuple[str, ...]] = []
    for label, targets in result.classical.items():
        for target, estimates in targets.items():
            if estimates:
                rows.append((f"{target}, {label}",))
                rows += [_classical_row(estimate) for estimate in estimates]
    if not rows:
        return None
    return Table(
        headers=("Method", "TIAC (h)", "Ratio", "Stated error", "Tail", "Note"),
        rows=tuple(rows),
        notes=(
            "Ratio: its TIAC over the posterior's median. Stated error: the relative "
            "standard error that the method gives itself. Tail: its share of the "
            "time-integrated activity after the last scan.",
        ),
        words=(5,),
    )


def _classical_row(estimate: ClassicalEstimate) -> tuple[str, ...]:
    error, tail = estimate.relative_sd, estimate.tail
    said = [text for text in (estimate.missing, estimate.note) if text is not None]
    return (
        estimate.method,
        UNKNOWN if estimate.tiac_h is None else rounded(estimate.tiac_h),
        UNKNOWN if estimate.ratio is None else rounded(estimate.ratio),
        "none" if error is None else relative(error),
        "" if tail is None else percent(tail),
        "; ".join(said),
    )


def _tail_row(label: str, organ: OrganResult) -> tuple[str, ...]:
    tail = organ.fraction_of_tia_after_last_scan
    return (
        label,
        UNKNOWN if tail is None else _share_text(tail),
        summary_text(organ.tiac_h),
        _optional(organ.tiac_if_only_decay_h),
        NOT_COMPUTED
        if organ.cross_dose_share is None
        else _share_text(organ.cross_dose_share),
        _optional(organ.protraction_factor),
    )


def _share_text(summary: Summary) -> str:
    # A share of a sum can come out above 1 by rounding alone.
    median, low, high = (
        min(value, 1.0) for value in (summary.median, *summary.interval_95)
    )
    return percent_interval(median, (low, high))


def _optional(summary: Summary | None) -> str:
    return NOT_COMPUTED if summary is None else summary_text(summary)
