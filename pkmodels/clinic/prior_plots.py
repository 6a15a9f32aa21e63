"""The prior-predictive figure: what was expected before, and what was then measured."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pkmodels.clinic.report_axes import BLACK, BLUE, SYMBOLS, WIDTH
from pkmodels.fitting.prior_predictive import PriorPredictive
from pkmodels.measurements import Measurement, Quantity

# Their expectation is not the region's activity times a factor.
_NOT_ACTIVITIES = (Quantity.COUNTS, Quantity.COLLECTED)
_LEVELS = (0.025, 0.25, 0.5, 0.75, 0.975)
_PANEL_HEIGHT = 260
_BEYOND_LAST_SCAN = 1.1
# Activities below this share of a panel's largest are left below its axis.
_DECADES = 4.0
# Of BLUE: the dark band is seen through the light one.
_LIGHT, _DARK = "rgb(191,219,236)", "rgb(102,170,209)"


@dataclass(frozen=True)
class _Panel:
    """A label in a region: quantiles of its curve, and its values as activities."""

    title: str
    times_h: np.ndarray
    quantiles: np.ndarray  # (5, n_times), MBq
    rows: list[Measurement]
    ranges: np.ndarray  # (3, n_rows): 2.5, 50, 97.5 % of the value expected, MBq
    measured: np.ndarray  # (n_rows,), MBq


def plot_prior_predictive(drawn: PriorPredictive) -> go.Figure:
    """Draw what the prior expects of each measured region, and the measurements.

    Each panel has the median and the central 50 and 95 % of the region's physical
    activity, MBq. Over them lies each measured value, with a bar: the 95 % of values
    that the prior expects there, noise, calibration and mass included. Values and bars
    are divided by the prior's median of what turns the activity into the value, at the
    middle of the frame.

    Parameters
    ----------
    drawn : PriorPredictive
        From `pkmodels.fitting.prior_predictive.draw_prior_predictive`.

    Returns
    -------
    plotly Figure
        Counts and collections are no activities of a region, and are left out; the
        last line of the figure says how many.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> from pkmodels.fitting.prior_predictive import draw_prior_predictive
    >>> drawn = draw_prior_predictive(worked_example.posterior(), 500, seed=0)
    >>> [panel.text for panel in plot_prior_predictive(drawn).layout.annotations][0]
    'organ, Lu-177'
    """
    panels = list(_panels(drawn))
    columns = min(2, len(panels))
    lines = math.ceil(len(panels) / columns)
    figure = make_subplots(
        lines,
        columns,
        subplot_titles=[escape(panel.title) for panel in panels],
        x_title="Time after the experiment's zero (h)",
        y_title="Activity (MBq)",
        vertical_spacing=0.28 / lines,
    )
    modalities = dict.fromkeys(m.modality for panel in panels for m in panel.rows)
    symbols: dict[str, str] = dict(
        zip(modalities, SYMBOLS * len(modalities), strict=False)
    )
    named: set[str | None] = set()
    for place, panel in enumerate(panels):
        row, column = place // columns + 1, place % columns + 1
        for trace in _traces(panel, symbols):
            trace.showlegend = trace.name is not None and trace.name not in named
            named.add(trace.name)
            figure.add_trace(trace, row=row, col=column)
        top = math.log10(max(panel.quantiles.max(), panel.measured.max(initial=0.0)))
        figure.update_xaxes(rangemode="tozero", row=row, col=column)
        figure.update_yaxes(
            type="log", range=[top - _DECADES, top + 0.2], row=row, col=column
        )
    left_out = sum(m.quantity in _NOT_ACTIVITIES for m in _measurements(drawn))
    if left_out:
        note = f"{left_out} counts or collections are not drawn"
        figure.add_annotation(
            text=note, showarrow=False, x=0, y=-0.12, xref="paper", yref="paper"
        )
    figure.update_layout(
        template="simple_white",
        width=WIDTH * 2,
        height=_PANEL_HEIGHT * lines + 120,
        font={"size": 11, "color": BLACK, "family": "Liberation Sans, Arial"},
        legend={"orientation": "h", "y": -0.12 - 0.16 / lines},
    )
    return figure


def _measurements(drawn: PriorPredictive) -> tuple[Measurement, ...]:
    return drawn.posterior.observations.measurements


def _panels(drawn: PriorPredictive) -> Iterator[_Panel]:
    posterior = drawn.posterior
    several = len(posterior.experiments) > 1
    first = 0
    for experiment in posterior.experiments:
        measured = experiment.measurements
        observables = experiment.compiled.system.observables
        for label in dict.fromkeys(m.label for m in measured):
            own = [m for m in measured if m.label == label]
            end = _BEYOND_LAST_SCAN * max(m.end_h for m in own)
            times = np.concatenate(
                [np.geomspace(end / 1e3, end, 80), [_middle(m) for m in own]]
            )
            times, back = np.unique(times, return_inverse=True)
            curves = drawn.curves(label, times, experiment.name)
            at = dict(zip(map(id, own), back[80:], strict=True))
            for region in dict.fromkeys(m.region for m in own):
                activity = curves[:, :, observables.index(region)]
                rows = [
                    i
                    for i, m in enumerate(measured)
                    if (m.label, m.region) == (label, region)
                    and m.quantity not in _NOT_ACTIVITIES
                ]
                where = [at[id(measured[i])] for i in rows]
                places = first + np.array(rows, dtype=int)
                scale = np.median(
                    drawn.variables["expected"][:, places] / activity[:, where], axis=0
                )
                ranges = np.quantile(drawn.values[:, places], (0.025, 0.5, 0.975), 0)
                yield _Panel(
                    f"{region}, {label}" + f", {experiment.name}" * several,
                    times,
                    np.quantile(activity, _LEVELS, axis=0),
                    [measured[i] for i in rows],
                    ranges / scale,
                    posterior.observations.value[places] / scale,
                )
        first += len(measured)


def _middle(item: Measurement) -> float:
    return (item.start_h + item.end_h) / 2.0


def _traces(panel: _Panel, symbols: dict[str, str]) -> Iterator[Any]:
    low, lower, median, upper, high = panel.quantiles
    times = np.concatenate([panel.times_h, panel.times_h[::-1]])
    bands = ((low, high, "95 %", _LIGHT), (lower, upper, "50 %", _DARK))
    for below, above, name, colour in bands:
        yield go.Scatter(
            x=times,
            y=np.concatenate([above, below[::-1]]),
            fill="toself",
            fillcolor=colour,
            line={"width": 0},
            mode="lines",
            hoverinfo="skip",
            name=f"curve expected, {name}",
        )
    yield go.Scatter(
        x=panel.times_h, y=median, mode="lines", line={"color": BLUE}, name="median"
    )
    for modality in dict.fromkeys(m.modality for m in panel.rows):
        for limit in (False, True):
            chosen = [
                i
                for i, m in enumerate(panel.rows)
                if (m.modality, m.below) == (modality, limit)
            ]
            if chosen:
                yield from _points(panel, chosen, modality, symbols[modality], limit)


def _points(
    panel: _Panel, chosen: list[int], modality: str, symbol: str, limit: bool
) -> Iterator[Any]:
    """Draw values, open where they are a limit that was not reached, and their bars."""
    times = [_middle(panel.rows[i]) for i in chosen]
    low, middle, high = panel.ranges[:, chosen]
    yield go.Scatter(
        x=times,
        y=middle,
        error_y={
            "type": "data",
            "symmetric": False,
            "array": high - middle,
            "arrayminus": middle - low,
            "color": BLUE,
            "thickness": 1,
            "width": 4,
        },
        mode="markers",
        marker={"size": 1, "color": BLUE},
        name="value expected, 95 %",
    )
    yield go.Scatter(
        x=times,
        y=panel.measured[chosen],
        mode="markers",
        marker={"symbol": symbol + "-open" * limit, "size": 8, "color": BLACK},
        name=escape(modality) + (", limit not reached" if limit else ", measured"),
    )
