"""The report's tables on labels: one against another, and what is left of them."""

from collections.abc import Mapping

from pkmodels.clinic.report_strips import (
    amount_axis,
    bar_strip,
    interval_strip,
    scale,
)
from pkmodels.clinic.report_tables import Table
from pkmodels.clinic.result_dosimetry import Comparison, Residual
from pkmodels.clinic.result_format import Result
from pkmodels.clinic.result_records import Summary
from pkmodels.clinic.result_text import UNKNOWN, summary_text
from pkmodels.clinic.rounding import rounded, rounded_down

_HOURS_PER_DAY = 24.0
_COMPARED = (
    "Each label at its own safe activity, from the same draws of the kinetics. Tumour "
    "dose: of that activity alone, without what was received before. Over "
    "binding organ: dose of the tumour over that of the organ whose limit binds. "
    "Median (95 % interval)."
)
_LEFT = (
    "At most left: by decay alone, as if nothing were excreted; rounded to three "
    "digits. Red marrow: its dose rate at that time."
)
_LAST_CYCLE = (
    "Of a therapy in cycles it is the last cycle alone, that many days after it: what "
    "is left of the cycles before comes on top."
)


def comparison(result: Result) -> Table | None:
    """Return what each label would achieve, the planned ones and those compared.

    Parameters
    ----------
    result : Result
        The result.

    Returns
    -------
    Table or None
        None where nothing is compared.
    """
    if not result.comparison:
        return None
    rows: list[tuple[str, ...]] = []
    for label, compared in result.comparison.items():
        rows += _comparison_rows(label, compared)
    return Table(
        headers=(
            "Label",
            "Safe activity",
            "Bound by",
            "Tumour",
            "Tumour dose (Gy)",
            "Over binding organ",
        ),
        rows=tuple(rows),
        notes=(_COMPARED, *_comparison_notes(result)),
        words=(2, 3),
    )


def comparison_pictures(result: Result) -> tuple[Table, ...]:
    """Draw safe activity, tumour dose and the tumour's ratio for each label.

    Parameters
    ----------
    result : Result
        The result.

    Returns
    -------
    tuple of Table
        Empty where fewer than two labels are compared.
    """
    if len(result.comparison) < 2:
        return ()
    given = {
        label: compared.activity_GBq
        for label, compared in result.comparison.items()
        if compared.activity_GBq is not None
    }
    pictures = []
    if given:
        axis = amount_axis(list(given.values()))
        rows = tuple((k, bar_strip(axis, activity)) for k, activity in given.items())
        pictures.append(Table(("Safe activity (GBq)", scale(axis)), rows))
    for heading, field in (
        ("Tumour dose (Gy)", "tumour_dose_Gy"),
        ("Tumour over binding organ", "tumour_over_binding"),
    ):
        found = {
            f"{label}, {region}": summary
            for label, compared in result.comparison.items()
            for region, summary in getattr(compared, field).items()
        }
        if found:
            pictures.append(_intervals(heading, found))
    return tuple(pictures)


def left_over(result: Result) -> Table | None:
    """Return what is left of labels: at a transplantation and when therapy starts.

    Parameters
    ----------
    result : Result
        The result.

    Returns
    -------
    Table or None
        None where the result asks for neither.
    """
    rows, cycles = [], 1
    for safe in result.safe_activity.values():
        if safe.at_transplantation is not None:
            when = "Transplantation"
            if safe.cycles > 1:
                when += f", of the last of {safe.cycles} cycles alone"
            cycles = max(cycles, safe.cycles)
            rows.append(_residual_row(when, safe.at_transplantation))
    for name, residual in result.left_over.items():
        when = "Start of the therapy"
        if name != residual.label:
            when += f" with {name}"
        rows.append(_residual_row(when, residual))
    if not rows:
        return None
    return Table(
        headers=(
            "At",
            "Label",
            "After",
            "Of (MBq)",
            "At most left (MBq)",
            "In measured regions (MBq)",
            "Red marrow (mGy/h)",
        ),
        rows=tuple(rows),
        notes=(_LEFT, *((_LAST_CYCLE,) if cycles > 1 else ())),
        words=(5, 6),
    )


def _comparison_rows(label: str, compared: Comparison) -> list[tuple[str, ...]]:
    name = label if compared.planned else f"{label} (for comparison only)"
    activity = compared.activity_GBq
    amount = UNKNOWN if activity is None else f"{rounded_down(activity)} GBq"
    regions = dict.fromkeys((*compared.tumour_dose_Gy, *compared.tumour_over_binding))
    first = (name, amount, compared.binding_limit or UNKNOWN)
    rows = [
        (
            *(first if number == 0 else ("", "", "")),
            region,
            summary_text(compared.tumour_dose_Gy.get(region)),
            summary_text(compared.tumour_over_binding.get(region)),
        )
        for number, region in enumerate(regions)
    ]
    return rows or [(*first, UNKNOWN, UNKNOWN, UNKNOWN)]


def _comparison_notes(result: Result) -> tuple[str, ...]:
    compared_only = [n for n, c in result.comparison.items() if not c.planned]
    notes = [
        f"{n} is not planned: it is here for comparison only." for n in compared_only
    ]
    notes += [
        f"{name}: {compared.missing}"
        for name, compared in result.comparison.items()
        if compared.missing is not None
    ]
    return tuple(notes)


def _intervals(heading: str, found: Mapping[str, Summary]) -> Table:
    axis = amount_axis([summary.interval_95[1] for summary in found.values()])
    rows = tuple(
        (
            name,
            interval_strip(
                axis,
                (summary.interval_95[0], summary.median, summary.interval_95[1]),
            ),
        )
        for name, summary in found.items()
    )
    return Table((heading, scale(axis)), rows)


def _residual_row(when: str, residual: Residual) -> tuple[str, ...]:
    measured = "; ".join(
        f"{region} {summary_text(left)}"
        for region, left in residual.measured_MBq.items()
    )
    marrow = residual.marrow_mGy_per_h
    unknown = f"{UNKNOWN}: {residual.missing}"
    return (
        when,
        residual.label,
        _duration(residual.after_h),
        rounded(residual.of_MBq),
        rounded(residual.bound_MBq),
        measured or UNKNOWN,
        unknown if marrow is None else summary_text(marrow),
    )


def _duration(hours: float) -> str:
    if hours < 2.0 * _HOURS_PER_DAY:
        return f"{rounded(hours)} h"
    return f"{rounded(hours / _HOURS_PER_DAY)} d"
