"""The report's figures of curves and of what the fit leaves unexplained."""

from dataclasses import dataclass
from html import escape

import numpy as np
import plotly.graph_objects as go

from pkmodels.clinic.report_axes import (
    BLACK,
    BLUE,
    COLOURS,
    SYMBOLS,
    VERMILION,
    Gallery,
    Legend,
    Panel,
    axes,
    mark,
    patch,
    stroke,
    to_html,
    transparent,
)
from pkmodels.clinic.report_figures import (
    CurveBand,
    MeasuredPoint,
    ReportFigures,
)

# What a normal residual keeps within with a probability of 95 %, about 2 sd.
_INNER = 2.0
# Of several administrations, not all are at its zero.
_FILE_TIME = "Time in the patient's file (h)"
_RESIDUAL_HEIGHT = 170


@dataclass(frozen=True)
class _Axes:
    """One pair of axes: a label in a region, with its curves and points."""

    title: str
    unit: str
    curves: tuple[CurveBand, ...]
    points: tuple[MeasuredPoint, ...]


def region_plots(figures: ReportFigures) -> tuple[Gallery, ...]:
    """Draw each region's curves: measured first, predicted beside them.

    Parameters
    ----------
    figures : ReportFigures
        What to draw.

    Returns
    -------
    tuple of Gallery
        In the order in which the regions appear.
    """
    regions = dict.fromkeys(
        [curve.region for curve in figures.curves]
        + [point.region for point in figures.points]
    )
    symbols = _symbols(figures)
    galleries = []
    for number, region in enumerate(regions, start=1):
        panels = tuple(
            Panel(found.title, to_html(_curve_figure(found, symbols), f"r{number}-{k}"))
            for k, found in enumerate(_axes_of(region, figures), start=1)
        )
        galleries.append(Gallery(region, panels, ()))
    return tuple(galleries)


def curve_legend(figures: ReportFigures) -> tuple[Legend, ...]:
    """Return the legend that the curves of all regions share.

    Parameters
    ----------
    figures : ReportFigures
        What is drawn.

    Returns
    -------
    tuple of Legend
    """
    entries = []
    for kind, colour, dash in (
        ("measured", BLUE, "solid"),
        ("predicted", VERMILION, "dash"),
    ):
        if any(curve.kind == kind for curve in figures.curves):
            entries.append(stroke(dash, colour, f"{kind}: posterior median"))
            entries.append(patch(transparent(colour), f"{kind}: 95 % interval"))
    with_bars = {point.modality for point in figures.points if point.sd is not None}
    entries += [
        mark(symbol, BLACK, name + (" (bar: 1 sd)" if name in with_bars else ""))
        for name, symbol in _symbols(figures).items()
        if any(point.modality == name for point in figures.points)
    ]
    return tuple(entries)


def residual_plots(figures: ReportFigures) -> Gallery | None:
    """Draw for each region how far each value lies from the fitted curve.

    Parameters
    ----------
    figures : ReportFigures
        What to draw.

    Returns
    -------
    Gallery or None
        One panel for each region; None where there are no residuals.
    """
    found = figures.residuals
    if not found:
        return None
    symbols = _symbols(figures)
    labels = dict.fromkeys(point.label for point in found)
    colours = {k: COLOURS[i % len(COLOURS)] for i, k in enumerate(labels)}
    end = 1.05 * max(point.time_h for point in found) or 1.0
    reach = max(3.2, 1.1 * max(abs(point.residual) for point in found))
    panels = []
    for number, region in enumerate(dict.fromkeys(p.region for p in found), start=1):
        figure = axes(_FILE_TIME, "Residual (sd)", _RESIDUAL_HEIGHT)
        figure.update_xaxes(range=[0.0, end])
        figure.update_yaxes(range=[-reach, reach])
        for level, dash in ((0.0, "solid"), (_INNER, "dash"), (-_INNER, "dash")):
            line = {"color": BLACK, "width": 1, "dash": dash}
            figure.add_hline(y=level, line=line, opacity=1.0)
        chosen = [point for point in found if point.region == region]
        for modality, label in dict.fromkeys((p.modality, p.label) for p in chosen):
            points = [p for p in chosen if (p.modality, p.label) == (modality, label)]
            figure.add_trace(
                go.Scatter(
                    x=[point.time_h for point in points],
                    y=[point.residual for point in points],
                    mode="markers",
                    marker={
                        "symbol": symbols[modality],
                        "size": 8,
                        "color": colours[label],
                    },
                    name=f"{escape(label)}, {escape(modality)}",
                )
            )
        panels.append(Panel(region, to_html(figure, f"e{number}")))
    entries = [
        mark(symbols[modality], colours[label], f"{label}, {modality}")
        for modality, label in dict.fromkeys((p.modality, p.label) for p in found)
    ]
    lines = stroke("dash", BLACK, "\N{PLUS-MINUS SIGN}2 sd")
    return Gallery("", tuple(panels), (*entries, lines))


def residual_count(figures: ReportFigures) -> str:
    """Say how many values lie outside 2 sd.

    Parameters
    ----------
    figures : ReportFigures
        What is drawn.

    Returns
    -------
    str

    Examples
    --------
    >>> from pkmodels.clinic.report_figures import ResidualPoint
    >>> point = ResidualPoint("liver", "Lu-177", "SPECT", 24.0, -2.3)
    >>> residual_count(ReportFigures(residuals=(point,)))[:35]
    '1 of 1 values lie outside 2 sd; abo'
    """
    outside = sum(abs(point.residual) > _INNER for point in figures.residuals)
    return (
        f"{outside} of {len(figures.residuals)} values lie outside 2 sd; about 1 in 20 "
        "is expected there. A trend against time is a sign that the model's curve has "
        "the wrong shape."
    )


def _symbols(figures: ReportFigures) -> dict[str, str]:
    """Return each modality's symbol, the same in curves and residuals."""
    shown = (*figures.points, *figures.residuals)
    modalities = dict.fromkeys(point.modality for point in shown)
    return {
        modality: SYMBOLS[number % len(SYMBOLS)]
        for number, modality in enumerate(modalities)
    }


def _axes_of(region: str, figures: ReportFigures) -> list[_Axes]:
    """Return the axes of a region, the measured labels first."""
    curves = [curve for curve in figures.curves if curve.region == region]
    points = [point for point in figures.points if point.region == region]
    found = []
    for label in dict.fromkeys(
        [curve.label for curve in curves if curve.kind == "measured"]
        + [point.label for point in points]
    ):
        measured = (label, "measured")
        found.append(
            _Axes(
                title=f"{label}, measured",
                unit="MBq",
                curves=tuple(c for c in curves if (c.label, c.kind) == measured),
                points=tuple(point for point in points if point.label == label),
            )
        )
    for curve in curves:
        if curve.kind == "predicted":
            title = f"{curve.label}, predicted (dashed)"
            found.append(_Axes(title, curve.unit, (curve,), ()))
    return found


def _curve_figure(found: _Axes, symbols: dict[str, str]) -> go.Figure:
    is_predicted = any(curve.kind == "predicted" for curve in found.curves)
    time = "Time after administration (h)" if is_predicted else _FILE_TIME
    figure = axes(time, f"Activity ({escape(found.unit)})")
    for curve in found.curves:
        _add_curve(figure, curve)
    for modality in dict.fromkeys(point.modality for point in found.points):
        points = [point for point in found.points if point.modality == modality]
        _add_points(figure, points, symbols[modality])
    figure.update_xaxes(rangemode="tozero")
    figure.update_yaxes(rangemode="tozero")
    return figure


def _add_curve(figure: go.Figure, curve: CurveBand) -> None:
    """Draw the band as one closed outline, then the median over it."""
    measured = curve.kind == "measured"
    colour = BLUE if measured else VERMILION
    figure.add_trace(
        go.Scatter(
            x=np.concatenate([curve.time_h, curve.time_h[::-1]]).tolist(),
            y=np.concatenate([curve.hi95, curve.lo95[::-1]]).tolist(),
            fill="toself",
            fillcolor=transparent(colour),
            line={"width": 0.5, "color": transparent(colour)},
            mode="lines",
            hoverinfo="skip",
        )
    )
    figure.add_trace(
        go.Scatter(
            x=curve.time_h.tolist(),
            y=curve.median.tolist(),
            mode="lines",
            line={"color": colour, "width": 2, "dash": "solid" if measured else "dash"},
            name="posterior median",
        )
    )


def _add_points(figure: go.Figure, points: list[MeasuredPoint], symbol: str) -> None:
    bars = any(point.sd is not None for point in points)
    figure.add_trace(
        go.Scatter(
            x=[point.time_h for point in points],
            y=[point.value_MBq for point in points],
            error_y={"type": "data", "array": [point.sd or 0.0 for point in points]}
            if bars
            else None,
            mode="markers",
            marker={"symbol": symbol, "size": 7, "color": BLACK},
            name=escape(points[0].modality),
        )
    )
