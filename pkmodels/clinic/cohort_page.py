"""The cohort's page: one self-contained HTML file, failures at the top."""

from html import escape
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import plotly.graph_objects as go
from jinja2 import Environment, StrictUndefined
from plotly.offline import get_plotlyjs

from pkmodels.atomic_files import write_text_atomically
from pkmodels.clinic.cohort import PATIENTS, Cohort
from pkmodels.clinic.cohort_prior_page import learnt_view
from pkmodels.clinic.cohort_rows import ANSWERED, CohortRow, Dose, count
from pkmodels.clinic.cohort_text import activity_lines, dose_lines, waived_limits
from pkmodels.clinic.report_axes import BLUE, COLOURS, Panel, axes, to_html
from pkmodels.clinic.result_format import NOT_VALIDATED

if TYPE_CHECKING:
    from pkmodels.clinic.cohort_learning import LearntCohort

_HIGH = 260
_REPORT = "report.html"
# A figure of fewer says nothing that the table does not.
_LEAST = 2


def write_cohort_page(
    path: Path, cohort: Cohort, title: str, learnt: "LearntCohort | None" = None
) -> None:
    """Write a cohort as one HTML page that needs no network.

    Parameters
    ----------
    path : Path
        The file to create or replace, beside the folder of the patients' results.
    cohort : Cohort
        What the page shows.
    title : str
        Name of the cohort.
    learnt : LearntCohort, optional
        What it tells of the next patient.

    Raises
    ------
    OSError
        When the file cannot be written.
    """
    template = resources.files("pkmodels.clinic").joinpath("templates/cohort.html.j2")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    panels = figures(cohort.rows)
    page = environment.from_string(template.read_text("utf-8")).render(
        not_validated=NOT_VALIDATED,
        title=title,
        counted=count(cohort.rows),
        left_out=cohort.left_out,
        troubled=[row for row in cohort.rows if row.status != ANSWERED],
        noted=[row for row in cohort.rows if row.status == ANSWERED and row.why],
        waived=waived_limits(cohort.rows),
        rows=cohort.rows,
        doses=dose_lines,
        activities=activity_lines,
        link=_link,
        plotly_js=get_plotlyjs() if panels or learnt else "",
        learnt=None if learnt is None else learnt_view(learnt),
        panels=panels,
    )
    write_text_atomically(path, page)


def _link(row: CohortRow) -> str | None:
    """Return where a patient's report is; None where there is none."""
    if not row.model:
        return None
    return f"{PATIENTS}/{quote(row.folder)}/{_REPORT}"


def figures(rows: tuple[CohortRow, ...]) -> tuple[Panel, ...]:
    """Return a figure of each planned label's doses, and of its safe activities.

    Parameters
    ----------
    rows : tuple of CohortRow
        Of every patient.

    Returns
    -------
    tuple of Panel
        Of what two patients or more have.
    """
    doses: dict[tuple[str, str], list[tuple[CohortRow, Dose]]] = {}
    safe: dict[str, list[tuple[CohortRow, float, str]]] = {}
    for row in rows:
        for dose in row.doses:
            doses.setdefault((dose.label, dose.target), []).append((row, dose))
        for each in row.activities:
            if each.GBq is not None:
                bound = str(each.binding_limit)
                safe.setdefault(each.label, []).append((row, each.GBq, bound))
    panels = []
    for (label, target), found in doses.items():
        if len(found) >= _LEAST:
            panels.append(_dose_panel(label, target, found, len(panels)))
    for label, given in safe.items():
        if len(given) >= _LEAST:
            panels.append(_activity_panel(label, given, len(panels)))
    return tuple(panels)


def _dose_panel(
    label: str, target: str, found: list[tuple[CohortRow, Dose]], number: int
) -> Panel:
    found = sorted(found, key=lambda each: each[1].median)
    figure = axes("patients, by dose", f"{label}, {escape(target)}: Gy/GBq", _HIGH)
    doses = [dose for _, dose in found]
    figure.add_trace(
        go.Scatter(
            x=list(range(1, len(doses) + 1)),
            y=[dose.median for dose in doses],
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [dose.high - dose.median for dose in doses],
                "arrayminus": [dose.median - dose.low for dose in doses],
                "thickness": 1,
                "width": 0,
                "color": BLUE,
            },
            mode="markers",
            marker={"color": BLUE, "size": 5},
            text=[escape(row.folder) for row, _ in found],
            hovertemplate="%{text}: %{y:.3g} Gy/GBq<extra></extra>",
        )
    )
    figure.update_yaxes(rangemode="tozero")
    title = f"Dose per activity of {label} in {target}: median and 95 % interval"
    return Panel(title, to_html(figure, f"cohort-{number}"))


def _activity_panel(
    label: str, given: list[tuple[CohortRow, float, str]], number: int
) -> Panel:
    given = sorted(given, key=lambda each: each[1])
    place = {row.folder: i for i, (row, _, _) in enumerate(given, start=1)}
    limits = list(dict.fromkeys(bound for _, _, bound in given))
    figure = axes("patients, by activity", f"{label}: GBq", _HIGH)
    for i, limit in enumerate(limits):
        own = [(row, GBq) for row, GBq, bound in given if bound == limit]
        figure.add_trace(
            go.Scatter(
                x=[place[row.folder] for row, _ in own],
                y=[GBq for _, GBq in own],
                mode="markers",
                marker={"color": COLOURS[i % len(COLOURS)], "size": 6},
                name=escape(limit),
                text=[escape(row.folder) for row, _ in own],
                hovertemplate="%{text}: %{y:.3g} GBq<extra></extra>",
            )
        )
    figure.update_yaxes(rangemode="tozero")
    figure.update_layout(
        showlegend=True,
        legend={"x": 0.02, "y": 0.98, "bgcolor": "rgba(255,255,255,0.7)"},
    )
    return Panel(
        f"Safe activity of {label}; colour: binding limit",
        to_html(figure, f"cohort-{number}"),
    )
