"""Calibration's page: ranks of every quantity with the bands they should stay in."""

from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jinja2 import Environment, StrictUndefined
from plotly.offline import get_plotlyjs
from scipy.stats import binom

from pkmodels.atomic_files import write_text_atomically
from pkmodels.clinic.calibration_table import summary_lines, verdict_rows
from pkmodels.clinic.report_axes import (
    BLACK,
    BLUE,
    GREY,
    Panel,
    axes,
    to_html,
    transparent,
)
from pkmodels.clinic.result_format import NOT_VALIDATED
from pkmodels.cohorts.calibration import Calibration, Ranks
from pkmodels.cohorts.rank_tests import (
    Band,
    counts_below,
    ecdf_band,
    rank_histogram,
    usual_bins,
)
from pkmodels.cohorts.verdicts import judge

_HIGH = 200
# Of both bands.
PROBABILITY = 0.95


def write_calibration_page(path: Path, calibration: Calibration, title: str) -> None:
    """Write what simulated patients say as one HTML page that needs no network.

    Parameters
    ----------
    path : Path
        The file to create or replace; its folder must exist.
    calibration : Calibration
        From `pkmodels.cohorts.calibration.read_calibration`.
    title : str
        What was calibrated.

    Raises
    ------
    OSError
        When the file cannot be written.
    """
    template = resources.files("pkmodels.clinic").joinpath(
        "templates/calibration.html.j2"
    )
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    verdicts = judge(calibration)
    heads, *rows = verdict_rows(verdicts)
    page = environment.from_string(template.read_text("utf-8")).render(
        not_validated=NOT_VALIDATED,
        title=title,
        lines=summary_lines(calibration, verdicts),
        heads=heads,
        rows=rows,
        plotly_js=get_plotlyjs(),
        panels=rank_panels(calibration),
    )
    write_text_atomically(path, page)


def rank_panels(calibration: Calibration) -> tuple[Panel, ...]:
    """Return two figures of every quantity: its ranks in bins, and their ECDF.

    Parameters
    ----------
    calibration : Calibration
        From `read_calibration`.

    Returns
    -------
    tuple of Panel
        The ECDF less that of uniform ranks, within its simultaneous band; each bin
        beside the 95 % interval of its own count.
    """
    bands: dict[tuple[int, int], Band] = {}
    panels = []
    for number, found in enumerate(calibration.quantities):
        size = (found.ranks.size, found.draws)
        if size[0] == 0:
            continue
        if size not in bands:
            bands[size] = ecdf_band(*size, PROBABILITY)
        panels += [
            Panel(f"{found.name}: ranks", to_html(_bins(found), f"bins-{number}")),
            Panel(
                f"{found.name}: ECDF - uniform",
                to_html(_ecdf(found, bands[size]), f"ecdf-{number}"),
            ),
        ]
    return tuple(panels)


def _bins(found: Ranks) -> go.Figure:
    n = found.ranks.size
    bins = usual_bins(n, found.draws)
    counts = rank_histogram(found.ranks, found.draws, bins)
    tails = (0.5 * (1.0 - PROBABILITY), 0.5 * (1.0 + PROBABILITY))
    low, high = (float(x) for x in binom.ppf(tails, n, 1.0 / bins))
    figure = axes(f"rank among {found.draws} draws", "patients", _HIGH)
    width = (found.draws + 1) / bins
    figure.add_trace(
        go.Bar(
            x=(np.arange(bins) + 0.5) * width,
            y=counts,
            width=width,
            marker={"color": BLUE, "line": {"color": "#FFFFFF", "width": 1}},
            hovertemplate="%{y}<extra></extra>",
        )
    )
    figure.add_hrect(y0=low, y1=high, fillcolor=GREY, opacity=0.3, line_width=0)
    figure.add_hline(y=n / bins, line={"color": BLACK, "width": 1})
    return figure


def _ecdf(found: Ranks, band: Band) -> go.Figure:
    n = found.ranks.size
    share = band.thresholds / (found.draws + 1)
    figure = axes(f"rank / {found.draws + 1}", "difference", _HIGH)
    line: dict[str, Any] = {"mode": "lines", "hoverinfo": "skip"}
    pale = {"color": GREY, "width": 1}
    figure.add_trace(go.Scatter(x=share, y=band.low / n - share, line=pale, **line))
    figure.add_trace(
        go.Scatter(
            x=share,
            y=band.high / n - share,
            line=pale,
            fill="tonexty",
            fillcolor=transparent(GREY),
            **line,
        )
    )
    counts = counts_below(found.ranks, found.draws)
    figure.add_trace(
        go.Scatter(
            x=share,
            y=counts / n - share,
            line={"color": BLUE, "width": 2, "shape": "hv"},
            name=escape(found.name),
            **line,
        )
    )
    return figure
