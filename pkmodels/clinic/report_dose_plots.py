"""The report's figures of dose against its limits, and of risk against activity."""

from collections.abc import Mapping
from html import escape

import numpy as np
import plotly.graph_objects as go

from pkmodels.clinic.report_axes import (
    BLACK,
    COLOURS,
    DASHES,
    GREY,
    VERMILION,
    Gallery,
    Legend,
    Panel,
    axes,
    patch,
    stroke,
    to_html,
)
from pkmodels.clinic.report_figures import DoseDraws, ReportFigures
from pkmodels.clinic.result_dosimetry import ProbabilityCurve
from pkmodels.clinic.result_format import Result, SafeActivity
from pkmodels.clinic.rounding import percent, rounded_down

_BINS = 40
_AXIS_TITLES = {"absorbed_dose": "Absorbed dose (Gy)", "bed": "BED (Gy)"}
_QUANTITIES = {"absorbed_dose": "Gy absorbed dose", "bed": "Gy BED"}
# The panel of detail reaches to this multiple of the accepted risk.
_DETAIL = 4.0


def dose_plots(
    figures: ReportFigures, probabilities: Mapping[tuple[str, str], str]
) -> tuple[Gallery, ...]:
    """Draw for each planned label the posteriors of dose or BED against their limits.

    Parameters
    ----------
    figures : ReportFigures
        What to draw.
    probabilities : mapping of (label, limit name) to str
        P(above the limit) at the safe activity, as text.

    Returns
    -------
    tuple of Gallery
        In the order in which the labels appear.
    """
    labels = dict.fromkeys(draws.label for draws in figures.dose_draws)
    legend = (
        patch(GREY, "below the limit"),
        patch(VERMILION, "above the limit"),
        stroke("dash", BLACK, "limit"),
    )
    galleries = []
    for number, label in enumerate(labels, start=1):
        of_label = [draws for draws in figures.dose_draws if draws.label == label]
        panels = tuple(
            Panel(
                f"{draws.limit_name}: P(above {draws.limit_Gy:g} "
                f"{_QUANTITIES[draws.quantity]}) "
                f"{_equals(probabilities[label, draws.limit_name])}",
                to_html(_dose_figure(draws), f"d{number}-{k}"),
            )
            for k, draws in enumerate(of_label, start=1)
        )
        galleries.append(Gallery(label, panels, legend))
    return tuple(galleries)


def risk_plots(result: Result) -> tuple[Gallery, ...]:
    """Draw for each planned label P(above the limit) against activity.

    Parameters
    ----------
    result : Result
        The result.

    Returns
    -------
    tuple of Gallery
        Two panels each: the whole, and the neighbourhood of the safe activity.
    """
    galleries = []
    for number, (label, safe) in enumerate(result.safe_activity.items(), start=1):
        curve = safe.probability_curve
        if curve is None:
            continue
        views = (("Whole range", False), ("Near the safe activity", True))
        panels = tuple(
            Panel(title, to_html(_risk_figure(safe, curve, detail), f"p{number}-{k}"))
            for k, (title, detail) in enumerate(views, start=1)
        )
        galleries.append(Gallery(label, panels, _risk_legend(safe, curve)))
    return tuple(galleries)


def bin_edges(draws: np.ndarray, limit: float) -> np.ndarray:
    """Return the edges of equal bins that hold all draws, the limit one of them.

    Parameters
    ----------
    draws : (n_draws,) array
        The draws, Gy, finite.
    limit : float
        The limit, Gy.

    Returns
    -------
    (n_bins + 1,) array
        Gy, increasing; the limit lies on their grid.

    Examples
    --------
    >>> edges = bin_edges(np.linspace(0.5, 4.5, 1001), limit=3.0)
    >>> bool(np.isclose(edges, 3.0).any())
    True
    """
    low, high = float(draws.min()), float(draws.max())
    inner_low, inner_high = np.quantile(draws, (0.01, 0.99))
    # A draw far out must not make the bins so many that the page grows.
    width = max((inner_high - inner_low) / _BINS, (high - low) / (10 * _BINS))
    if width <= 0.0:
        width = max(abs(high), 1.0) / 100.0
    first = np.floor((low - limit) / width)
    last = np.floor((high - limit) / width) + 1.0
    return limit + width * np.arange(first, last + 1.0)


def _dose_figure(draws: DoseDraws) -> go.Figure:
    """Draw a histogram in which the limit is the edge of a bin."""
    figure = axes(_AXIS_TITLES[draws.quantity], "Posterior density (1/Gy)")
    edges = bin_edges(draws.draws, draws.limit_Gy)
    density, _ = np.histogram(draws.draws, bins=edges, density=True)
    centres = 0.5 * (edges[1:] + edges[:-1])
    above = centres > draws.limit_Gy
    for chosen, name, colour, pattern in (
        (~above, "below the limit", GREY, ""),
        (above, "above the limit", VERMILION, "/"),
    ):
        figure.add_trace(
            go.Bar(
                x=centres[chosen].tolist(),
                y=density[chosen].tolist(),
                width=float(edges[1] - edges[0]),
                marker={
                    "color": colour,
                    "line": {"width": 0},
                    "pattern": {"shape": pattern, "fillmode": "overlay"},
                },
                name=name,
            )
        )
    _mark(figure, draws.limit_Gy, f"limit {draws.limit_Gy:g} Gy", "dash", "right")
    low, high = min(edges[0], draws.limit_Gy), max(edges[-1], draws.limit_Gy)
    margin = 0.04 * (high - low)
    figure.update_xaxes(range=[max(low - margin, 0.0), high + margin])
    # Room above the bars for the name of the limit.
    figure.update_yaxes(range=[0.0, 1.2 * float(density.max())])
    return figure


def _risk_figure(
    safe: SafeActivity, curve: ProbabilityCurve, detail: bool
) -> go.Figure:
    figure = axes("Activity (GBq)", "P(above the limit) (%)")
    accepted = 100.0 * (1.0 - safe.confidence)
    for name, probabilities, colour, dash, width in _risk_curves(curve):
        figure.add_trace(
            go.Scatter(
                x=curve.activity_GBq,
                y=[100.0 * probability for probability in probabilities],
                mode="lines",
                line={"color": colour, "width": width, "dash": dash},
                name=escape(name),
            )
        )
    line = {"color": GREY, "width": 1, "dash": "dash"}
    figure.add_hline(y=accepted, line=line, opacity=1.0)
    activity = safe.activity_GBq
    point = None if safe.point_estimate is None else safe.point_estimate.activity_GBq
    if activity is not None:
        right = point is None or point >= activity
        side = "right" if right else "left"
        _mark(figure, activity, f"A* {rounded_down(activity)}", "solid", side)
        if point is not None:
            side = "left" if right else "right"
            _mark(figure, point, f"point {rounded_down(point)}", "dot", side)
    top = min(_DETAIL * accepted, 100.0) if detail else 100.0
    # The name of a line stands above the curves.
    figure.update_yaxes(range=[0.0, 1.15 * top])
    figure.update_xaxes(range=_risk_range(curve, activity, top, detail))
    return figure


def _risk_range(
    curve: ProbabilityCurve, activity: float | None, top: float, detail: bool
) -> list[float]:
    """Return the activities to show: all, or those of a risk up to the top."""
    activities = np.array(curve.activity_GBq)
    if not detail or activity is None or activity == 0.0:
        return [float(activities[0]), float(activities[-1])]
    shown = activities[100.0 * np.array(curve.any_limit) <= top]
    high = max(float(shown[-1]) if shown.size else activity, 1.2 * activity)
    return [max(2.0 * activity - high, 0.0), high]


def _risk_curves(
    curve: ProbabilityCurve,
) -> list[tuple[str, list[float], str, str, float]]:
    """Return name, values, colour, dash and width of each curve."""
    curves = [
        (
            name,
            list(probabilities),
            COLOURS[number % len(COLOURS)],
            DASHES[number % len(DASHES)],
            2.0,
        )
        for number, (name, probabilities) in enumerate(curve.per_limit.items())
    ]
    return [("any limit", list(curve.any_limit), BLACK, "solid", 3.5), *curves]


def _risk_legend(safe: SafeActivity, curve: ProbabilityCurve) -> tuple[Legend, ...]:
    entries = [
        stroke(dash, colour, name) for name, _, colour, dash, _ in _risk_curves(curve)
    ]
    accepted = percent(1.0 - safe.confidence)
    entries.append(stroke("dash", GREY, f"accepted risk {accepted} (1 - confidence)"))
    return tuple(entries)


def _mark(figure: go.Figure, at: float, text: str, dash: str, anchor: str) -> None:
    """Draw a vertical line with its name beside its top: left or right of it."""
    line = {"color": BLACK, "width": 1.5, "dash": dash}
    figure.add_vline(x=at, line=line, opacity=1.0)
    figure.add_annotation(
        x=at,
        y=1.0,
        yref="paper",
        text=text,
        showarrow=False,
        xanchor=anchor,
        yanchor="top",
        bgcolor="rgba(255,255,255,0.8)",
        borderpad=1,
        font={"size": 10},
    )


def _equals(probability: str) -> str:
    """Return the probability with an equals sign, unless it has its own sign."""
    return probability if probability[0] in "<>" else f"= {probability}"
