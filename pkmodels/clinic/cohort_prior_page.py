"""What a cohort tells of its next patient, as the cohort's page shows it."""

import math
from dataclasses import dataclass
from html import escape

import plotly.graph_objects as go

from pkmodels.clinic.cohort_learning import LearntCohort
from pkmodels.clinic.cohort_learnt_text import correlation_lines, reuse_line
from pkmodels.clinic.report_axes import BLUE, axes, to_html
from pkmodels.fitting.cohort_predictive import LearntParameter, Quantiles

_GREY = "#8C8C8C"
_ROW_PIXELS, _MARGIN_PIXELS = 34, 110
_WIDE, _LABELS = 720, 250
_NORMAL_95 = 1.96


@dataclass(frozen=True)
class LearntRow:
    """One line of the table."""

    name: str
    patients: int
    median: str
    spread: str
    prior: str
    own: str


@dataclass(frozen=True)
class LearntView:
    """What the page's section shows."""

    patients: int
    panel: str
    rows: tuple[LearntRow, ...]
    notes: tuple[str, ...]
    told: str


def learnt_view(found: LearntCohort) -> LearntView:
    """Return the section of a cohort's page on its next patient.

    Parameters
    ----------
    found : LearntCohort
        What was learnt.

    Returns
    -------
    LearntView
    """
    rows = tuple(
        LearntRow(
            name,
            of.patients,
            f"{_three(of.median)} {of.prior.unit}".rstrip(),
            _three(of.spread),
            _pair(of.prior.parameters, of.prior.unit),
            _pair(of.own.parameters, of.prior.unit),
        )
        for name, of in found.learnt.items()
    )
    notes = [reuse_line(found), *correlation_lines(found)]
    notes += [f"{name} is not learnt: {why}" for name, why in found.kept.items()]
    notes += [f"{name} is left out: {why}" for name, why in found.left_out.items()]
    notes += [
        f"{each.member} stands apart from the others, or may, in {each.component} "
        f"({each.told}): look at these scans"
        for each in found.outliers
    ]
    wide = [n for n, of in found.learnt.items() if of.tail_ratio > 1.1]
    if wide:
        notes.append(
            "far out the next patient is less well known than the prior says: "
            f"{', '.join(wide)} (99 % interval wider by more than a tenth)"
        )
    content = found.content
    told = (
        "Blue: the next patient's prior. Grey: the model's own. Bars: 95 %. An uptake "
        "fraction is told as its ratio to what is eliminated. Taken beforehand: "
        f"{content.hyperprior}. Independent: {content.independent}. Of the patients' "
        f"draws at least {100 * float(found.posterior.reuse.shares.min()):.1f} % carry "
        "weight under what was learnt."
    )
    return LearntView(content.patients, _figure(found.learnt), rows, tuple(notes), told)


def _three(of: Quantiles) -> str:
    low, middle, high = of
    return f"{middle:.3g} ({low:.3g} to {high:.3g})"


def _pair(given, unit: str) -> str:
    return f"{given['median']:.3g} {unit}".rstrip() + f", {given['log_sd']:.2g}"


def _figure(learnt: dict[str, LearntParameter]) -> str:
    """Draw the next patient's prior and the own one, over the own one's median."""
    names = list(learnt)[::-1]
    figure = axes(
        "over the median of the model's own prior",
        "",
        _MARGIN_PIXELS + _ROW_PIXELS * len(names),
    )
    for colour, shift, own in ((_GREY, 0.14, True), (BLUE, -0.14, False)):
        figure.add_trace(_bars(learnt, names, colour, shift, own=own))
    figure.update_xaxes(type="log")
    figure.update_yaxes(
        tickvals=list(range(len(names))), ticktext=[escape(name) for name in names]
    )
    figure.update_layout(width=_WIDE, margin_l=_LABELS)
    return to_html(figure, "cohort-learnt")


def _bars(
    learnt: dict[str, LearntParameter],
    names: list[str],
    colour: str,
    shift: float,
    *,
    own: bool,
) -> go.Scatter:
    x, up, down = [], [], []
    for name in names:
        of = learnt[name]
        given = (of.own if own else of.prior).parameters
        middle = given["median"] / of.own.parameters["median"]
        factor = math.exp(_NORMAL_95 * given["log_sd"])
        x.append(middle)
        up.append(middle * factor - middle)
        down.append(middle - middle / factor)
    return go.Scatter(
        x=x,
        y=[i + shift for i in range(len(names))],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": up,
            "arrayminus": down,
            "thickness": 1.5,
            "width": 0,
            "color": colour,
        },
        mode="markers",
        marker={"color": colour, "size": 6},
        hovertemplate="%{x:.3g}<extra></extra>",
    )
