"""The report's figures as plotly HTML, sized to print on A4."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
import plotly.io
from plotly.subplots import make_subplots

from pkmodels.clinic.report_figures import (
    CurveBand,
    DoseDraws,
    MeasuredPoint,
    ReportFigures,
)

# CSS pixels: an A4 page less its margins is 703 wide.
_WIDTH = 690
_ROW_HEIGHT = 222
_COLUMNS = 2
_BINS = 40

# Okabe and Ito's palette, which colour-blind readers can tell apart.
_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#777777"
_SYMBOLS = ("circle", "diamond", "square", "triangle-up", "x", "star")
_AXIS_TITLES = {"absorbed_dose": "Absorbed dose (Gy)", "bed": "BED (Gy)"}


@dataclass(frozen=True)
class _Panel:
    """One pair of axes: a label in a region, with its curves and points."""

    title: str
    unit: str
    curves: tuple[CurveBand, ...]
    points: tuple[MeasuredPoint, ...]


def region_plots(figures: ReportFigures) -> tuple[tuple[str, str], ...]:
    """Draw each region's curves: measured on the left, predicted beside it.

    Parameters
    ----------
    figures : ReportFigures
        What to draw.

    Returns
    -------
    tuple of (region, HTML), both str
        In the order in which the regions appear.
    """
    regions = dict.fromkeys(
        [curve.region for curve in figures.curves]
        + [point.region for point in figures.points]
    )
    modalities = dict.fromkeys(point.modality for point in figures.points)
    symbols = {
        modality: _SYMBOLS[number % len(_SYMBOLS)]
        for number, modality in enumerate(modalities)
    }
    return tuple(
        (region, _html(_region_figure(_panels(region, figures), symbols), f"r{number}"))
        for number, region in enumerate(regions, start=1)
    )


def dose_plots(
    figures: ReportFigures, probabilities: Mapping[tuple[str, str], str]
) -> tuple[tuple[str, str], ...]:
    """Draw for each planned label the posteriors of dose against their limits.

    Parameters
    ----------
    figures : ReportFigures
        What to draw.
    probabilities : mapping of (label, limit name) to str
        P(above the limit) at the safe activity, as text.

    Returns
    -------
    tuple of (label, HTML), both str
        In the order in which the labels appear.
    """
    labels = dict.fromkeys(draws.label for draws in figures.dose_draws)
    plots = []
    for number, label in enumerate(labels, start=1):
        of_label = [draws for draws in figures.dose_draws if draws.label == label]
        titles = [
            f"{escape(draws.limit_name)}: P(above {draws.limit_Gy:g} Gy) "
            f"{_equals(probabilities[label, draws.limit_name])}"
            for draws in of_label
        ]
        plots.append((label, _html(_dose_figure(of_label, titles), f"d{number}")))
    return tuple(plots)


def _panels(region: str, figures: ReportFigures) -> list[_Panel]:
    """Return the panels of a region, the measured labels first."""
    curves = [curve for curve in figures.curves if curve.region == region]
    points = [point for point in figures.points if point.region == region]
    panels = []
    for label in dict.fromkeys(
        [curve.label for curve in curves if curve.kind == "measured"]
        + [point.label for point in points]
    ):
        panels.append(
            _Panel(
                title=f"{escape(label)}, measured",
                unit="MBq",
                curves=tuple(
                    curve
                    for curve in curves
                    if (curve.label, curve.kind) == (label, "measured")
                ),
                points=tuple(point for point in points if point.label == label),
            )
        )
    for curve in curves:
        if curve.kind == "predicted":
            title = f"{escape(curve.label)}, predicted (dashed)"
            panels.append(_Panel(title, curve.unit, (curve,), ()))
    return panels


def _region_figure(panels: list[_Panel], symbols: Mapping[str, str]) -> go.Figure:
    figure = _grid([panel.title for panel in panels])
    named: set[str] = set()
    for number, panel in enumerate(panels):
        place: dict[str, Any] = {
            "row": number // _COLUMNS + 1,
            "col": number % _COLUMNS + 1,
        }
        for curve in panel.curves:
            _add_curve(figure, curve, named, place)
        for modality in dict.fromkeys(point.modality for point in panel.points):
            points = [point for point in panel.points if point.modality == modality]
            _add_points(figure, points, symbols[modality], named, place)
        figure.update_xaxes(title_text="Time (h)", rangemode="tozero", **place)
        figure.update_yaxes(
            title_text=f"Activity ({escape(panel.unit)})", rangemode="tozero", **place
        )
    return figure


def _add_curve(
    figure: go.Figure, curve: CurveBand, named: set[str], place: Mapping[str, Any]
) -> None:
    """Draw the band as one closed outline, then the median over it."""
    measured = curve.kind == "measured"
    colour = _BLUE if measured else _ORANGE
    median, band = "posterior median", "95 % interval"
    figure.add_trace(
        go.Scatter(
            x=np.concatenate([curve.time_h, curve.time_h[::-1]]).tolist(),
            y=np.concatenate([curve.hi95, curve.lo95[::-1]]).tolist(),
            fill="toself",
            fillcolor=_transparent(colour),
            line={"width": 0.5, "color": _transparent(colour)},
            mode="lines",
            hoverinfo="skip",
            name=band,
            legendgroup=band,
            showlegend=band not in named,
        ),
        **place,
    )
    figure.add_trace(
        go.Scatter(
            x=curve.time_h.tolist(),
            y=curve.median.tolist(),
            mode="lines",
            line={"color": colour, "width": 2, "dash": "solid" if measured else "dash"},
            name=median,
            legendgroup=median,
            showlegend=median not in named,
        ),
        **place,
    )
    named.update((band, median))


def _add_points(
    figure: go.Figure,
    points: list[MeasuredPoint],
    symbol: str,
    named: set[str],
    place: Mapping[str, Any],
) -> None:
    bars = any(point.sd is not None for point in points)
    name = escape(points[0].modality) + (" (bar: 1 sd)" if bars else "")
    figure.add_trace(
        go.Scatter(
            x=[point.time_h for point in points],
            y=[point.value_MBq for point in points],
            error_y={"type": "data", "array": [point.sd or 0.0 for point in points]}
            if bars
            else None,
            mode="markers",
            marker={"symbol": symbol, "size": 7, "color": "#000000"},
            name=name,
            legendgroup=name,
            showlegend=name not in named,
        ),
        **place,
    )
    named.add(name)


def _dose_figure(of_label: list[DoseDraws], titles: list[str]) -> go.Figure:
    figure = _grid(titles)
    for number, draws in enumerate(of_label):
        place: dict[str, Any] = {
            "row": number // _COLUMNS + 1,
            "col": number % _COLUMNS + 1,
        }
        _add_density(figure, draws, number == 0, place)
        figure.add_vline(
            x=draws.limit_Gy,
            line={"color": "#000000", "width": 2, "dash": "dash"},
            opacity=1.0,
            annotation_text=f"limit {draws.limit_Gy:g} Gy",
            annotation_position="top left",
            **place,
        )
        figure.update_xaxes(title_text=_AXIS_TITLES[draws.quantity], **place)
        figure.update_yaxes(title_text="Posterior density (1/Gy)", **place)
    return figure


def _add_density(
    figure: go.Figure, draws: DoseDraws, named: bool, place: Mapping[str, Any]
) -> None:
    """Draw a histogram in which the limit is the edge of a bin."""
    edges = bin_edges(draws.draws, draws.limit_Gy)
    density, _ = np.histogram(draws.draws, bins=edges, density=True)
    centres = 0.5 * (edges[1:] + edges[:-1])
    above = centres > draws.limit_Gy
    for chosen, name, colour, pattern in (
        (~above, "below the limit", _GREY, ""),
        (above, "above the limit", _ORANGE, "/"),
    ):
        figure.add_trace(
            go.Bar(
                x=centres[chosen].tolist(),
                y=density[chosen].tolist(),
                width=float(edges[1] - edges[0]),
                marker={
                    "color": colour,
                    "line": {"width": 0},
                    "pattern": {"shape": pattern},
                },
                name=name,
                legendgroup=name,
                showlegend=named,
            ),
            **place,
        )
    # Room above the bars for the name of the limit.
    figure.update_yaxes(range=[0.0, 1.2 * float(density.max())], **place)


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


def _grid(titles: list[str]) -> go.Figure:
    """Return empty axes in two columns, with the legend below."""
    rows = (len(titles) + _COLUMNS - 1) // _COLUMNS
    height = 55 + _ROW_HEIGHT * rows
    figure = make_subplots(
        rows=rows,
        cols=_COLUMNS,
        subplot_titles=titles,
        horizontal_spacing=0.12,
        vertical_spacing=70.0 / height if rows > 1 else 0.0,
    )
    figure.update_annotations(font_size=13)
    figure.update_layout(
        template="simple_white",
        width=_WIDTH,
        height=height,
        margin={"l": 60, "r": 15, "t": 36, "b": 70},
        font={"size": 11, "color": "#000000"},
        legend={
            "orientation": "h",
            "x": 0.0,
            "y": 0.0,
            "yref": "container",
            "yanchor": "bottom",
        },
        bargap=0.0,
        barmode="overlay",
    )
    figure.update_xaxes(title_standoff=6, title_font_size=11)
    figure.update_yaxes(title_standoff=6, title_font_size=11)
    return figure


def _equals(probability: str) -> str:
    """Return the probability with an equals sign, unless it has its own sign."""
    return probability if probability[0] in "<>" else f"= {probability}"


def _transparent(colour: str) -> str:
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.25)"


def _html(figure: go.Figure, name: str) -> str:
    # A fixed id, because plotly's own is random and a report must be repeatable.
    return plotly.io.to_html(
        figure,
        full_html=False,
        include_plotlyjs=False,
        div_id=f"figure-{name}",
        config={"displayModeBar": False, "responsive": False},
    )
