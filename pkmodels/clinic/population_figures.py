"""Figures of a fitted population: fit, residuals, predictive checks, random effects."""

from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
from scipy.stats import norm

from pkmodels.clinic.population_diagnostics import Diagnostics, RandomEffect
from pkmodels.clinic.population_tables import units_of
from pkmodels.clinic.report_axes import (
    BLACK,
    BLUE,
    GREY,
    VERMILION,
    Panel,
    axes,
    to_html,
    transparent,
)
from pkmodels.population.predictive_checks import PredictiveCheck

_HIGH = 260
# Normal deviates beyond this are one in twenty.
_USUAL = float(norm.ppf(0.975))
# Values in each group of a trend, at least, and groups at most: ours.
_IN_A_GROUP, _GROUPS = 8, 10
_SKIP: dict[str, Any] = {"mode": "lines", "hoverinfo": "skip"}


@dataclass(frozen=True)
class Section:
    """Panels under one heading, with a note on how to read them."""

    heading: str
    note: str
    panels: tuple[Panel, ...]


def sections(found: Diagnostics, *, logarithmic: bool) -> tuple[Section, ...]:
    """Return every figure of a fit.

    Parameters
    ----------
    found : Diagnostics
        From `diagnose`.
    logarithmic : bool
        Whether axes of values are; values that are not above 0 are then left out.

    Returns
    -------
    tuple of Section
    """
    made = []
    for number, check in enumerate(found.checks):
        name, unit = check.observable, units_of(found.fit.model)[check.observable]
        made += [
            _goodness(found, name, unit, number, logarithmic),
            _check(check, unit, number, logarithmic, found.replicates),
        ]
    made.append(_distribution_errors(found))
    made.append(_histograms(found))
    if found.covariates:
        made.append(_covariates(found))
    return tuple(made)


def _goodness(
    found: Diagnostics, name: str, unit: str, number: int, logarithmic: bool
) -> Section:
    table = found.table
    kept = table.observable == name
    value, typical, individual = (
        each[kept] for each in (table.value, table.typical, table.individual)
    )
    residual, own = table.conditional_residual[kept], table.individual_residual[kept]
    words = [escape(f"{s}, {t:g} h") for s, t in _whose(found, kept)]
    in_unit = f", {escape(unit)}" if unit else ""
    left_out = 0
    if logarithmic:
        positive = (value > 0.0) & (typical > 0.0) & (individual > 0.0)
        left_out = int((~positive).sum())
    panels = []
    for title, predicted in (("PRED", typical), ("IPRED", individual)):
        figure = axes(f"{title}{in_unit}", f"DV{in_unit}", _HIGH)
        ends = _ends(np.concatenate([predicted, value]), logarithmic)
        figure.add_scatter(x=ends, y=ends, line={"color": BLACK, "width": 1}, **_SKIP)
        _dots(figure, predicted, value, words)
        if logarithmic:
            figure.update_xaxes(type="log", dtick=1)
            figure.update_yaxes(type="log", dtick=1)
        panels.append((f"DV against {title}", figure))
    for title, at in (("time, h", table.time_h[kept]), (f"PRED{in_unit}", typical)):
        figure = axes(title, "CWRES", _HIGH)
        _band(figure)
        _dots(figure, at, residual, words)
        _trend(figure, at, residual)
        panels.append((f"CWRES against {title.split(',')[0]}", figure))
    figure = axes(f"IPRED{in_unit}", "|IWRES|", _HIGH)
    _dots(figure, individual, np.abs(own), words)
    _trend(figure, individual, np.abs(own))
    figure.update_yaxes(rangemode="tozero")
    panels.append(("|IWRES| against IPRED", figure))
    note = (
        "Line: identity; vermilion: means of groups of neighbours. CWRES: band of "
        f"±{_USUAL:.2f}. A trend of |IWRES| says that the residual error's form is "
        "wrong."
    )
    if left_out:
        note += f" {left_out} values at or below 0 are not on logarithmic axes."
    return Section(f"Fit of {name}", note, _panels(panels, f"fit-{number}"))


def _check(
    check: PredictiveCheck, unit: str, number: int, logarithmic: bool, replicates: int
) -> Section:
    in_unit = f", {escape(unit)}" if unit else ""
    corrected = "prediction-corrected " if check.is_prediction_corrected else ""
    figure = axes("time, h", f"{corrected}{escape(check.observable)}{in_unit}", 340)
    figure.update_layout(width=640)
    middle = int(np.argmin(np.abs(check.levels - 0.5)))
    _dots(figure, check.times_h, check.values, None, opacity=0.35)
    for n, level in enumerate(check.levels):
        colour = VERMILION if n == middle else BLUE
        pale = {"color": colour, "width": 0}
        at = check.middle_h
        figure.add_scatter(x=at, y=check.low[n], line=pale, **_SKIP)
        figure.add_scatter(
            x=at,
            y=check.high[n],
            line=pale,
            fill="tonexty",
            fillcolor=transparent(colour),
            **_SKIP,
        )
        figure.add_scatter(
            x=at,
            y=check.observed[n],
            line={"color": colour, "width": 2, "dash": "solid" if n == middle else
                  "dash"},
            mode="lines+markers",
            marker={"size": 4},
            hovertemplate=f"{level:.0%} of values: %{{y:.4g}}<extra></extra>",
        )  # fmt: skip
    if logarithmic:
        figure.update_yaxes(type="log", dtick=1)
    levels = ", ".join(f"{100.0 * level:g}" for level in check.levels)
    note = (
        f"Lines: {levels} % quantiles of the values in {len(check.counts)} bins "
        f"({check.counts.min()} to {check.counts.max()} values each), at each bin's "
        f"median time; bands: {check.confidence:.0%} of the same quantiles of "
        f"{replicates} simulations. {check.fraction_within:.0%} of the quantiles lie "
        "within."
    )
    title = f"Visual predictive check of {check.observable}"
    html = to_html(figure, f"check-{number}").replace("width:340px", "width:640px")
    return Section(title, note, (Panel("", html),))


def _distribution_errors(found: Diagnostics) -> Section:
    npde = found.npde
    everything = np.ones(len(npde.errors), bool)
    words = [escape(f"{s}, {t:g} h") for s, t in _whose(found, everything)]
    panels = []
    units = set(units_of(found.fit.model).values())
    in_unit = f", {escape(units.pop())}" if len(units) == 1 and "" not in units else ""
    for title, at in (("time, h", npde.time_h), (f"PRED{in_unit}", npde.typical)):
        figure = axes(title, "NPDE", _HIGH)
        _band(figure)
        _dots(figure, at, npde.errors, words)
        _trend(figure, at, npde.errors)
        panels.append((f"NPDE against {title.split(',')[0]}", figure))
    ordered = np.sort(npde.errors)
    expected = norm.ppf((np.arange(len(ordered)) + 0.5) / len(ordered))
    figure = axes("normal quantile", "NPDE", _HIGH)
    ends = [min(expected[0], ordered[0]), max(expected[-1], ordered[-1])]
    figure.add_scatter(x=ends, y=ends, line={"color": BLACK, "width": 1}, **_SKIP)
    _dots(figure, expected, ordered, None)
    panels.append(("Quantiles", figure))
    panels.append(("Histogram, and Normal(0, 1)", _histogram("NPDE", npde.errors, 1.0)))
    note = (
        f"{len(npde.errors)} values, {found.replicates} simulations: mean "
        f"{npde.mean:.2f} (p {npde.p_mean:.2g}, Wilcoxon), variance "
        f"{npde.variance:.2f} (p {npde.p_variance:.2g}, chi-squared), normal: p "
        f"{npde.p_normal:.2g} (Shapiro and Wilk); skewness {npde.skewness:.2f}, excess "
        f"kurtosis {npde.excess_kurtosis:.2f}. Together: p {npde.p_global:.2g} (least "
        "of three, times 3)."
    )
    heading = "Normalized prediction distribution errors (NPDE)"
    return Section(heading, note, _panels(panels, "npde"))


def _histograms(found: Diagnostics) -> Section:
    panels = [
        (
            f"{escape(each.name)}: shrinkage {each.shrinkage:.0%}",
            _histogram(escape(each.name), each.values, each.sd),
        )
        for each in found.effects
    ]
    note = (
        "Modes of the random effects, and the normal distribution that was estimated. "
        "Where they shrink by more than some 30 %, their shape and what they follow "
        "mislead (Karlsson and Savic, Clin Pharmacol Ther 2007;82:17)."
    )
    return Section("Random effects", note, _panels(panels, "effect"))


def _covariates(found: Diagnostics) -> Section:
    panels = [
        (
            f"{escape(each.name)} against {escape(name)}",
            _against(each, name, values, found),
        )
        for name, values in found.covariates.items()
        for each in found.effects
    ]
    note = "Vermilion: the line of least squares; of categories the means."
    return Section("Random effects against covariates", note, _panels(panels, "cov"))


def _against(
    each: RandomEffect,
    name: str,
    values: tuple[float | str | None, ...],
    found: Diagnostics,
) -> go.Figure:
    figure = axes(escape(name), escape(each.name), _HIGH)
    subjects = found.fit.predictor.arrangement.names
    rows = [n for n, i in enumerate(each.subject) if values[i] is not None]
    at = [values[each.subject[n]] for n in rows]
    own = each.values[rows]
    words = [escape(subjects[each.subject[n]]) for n in rows]
    figure.add_hline(y=0.0, line={"color": BLACK, "width": 1})
    if any(isinstance(value, str) for value in at):
        at = [escape(str(value)) for value in at]
        _dots(figure, at, own, words)
        for level in dict.fromkeys(at):
            mean = own[[value == level for value in at]].mean()
            line = {"color": VERMILION, "width": 3}
            figure.add_scatter(
                x=[level],
                y=[mean],
                mode="markers",
                marker={"symbol": "line-ew", "size": 26, "line": line},
                hovertemplate="mean %{y:.3g}<extra></extra>",
            )
        figure.update_xaxes(type="category")
        return figure
    numbers = np.array(at, np.float64)
    _dots(figure, numbers, own, words)
    if np.ptp(numbers) > 0.0:
        slope, level = np.polyfit(numbers, own, 1)
        ends = np.array([numbers.min(), numbers.max()])
        line = {"color": VERMILION, "width": 2}
        figure.add_scatter(x=ends, y=level + slope * ends, line=line, **_SKIP)
    return figure


def _histogram(title: str, values: np.ndarray, sd: float) -> go.Figure:
    figure = axes(title, "density", _HIGH)
    figure.add_histogram(
        x=values,
        histnorm="probability density",
        nbinsx=max(6, min(30, int(np.sqrt(len(values))) + 4)),
        marker={"color": transparent(BLUE), "line": {"color": BLUE, "width": 1}},
        hovertemplate="%{x}: %{y:.2g}<extra></extra>",
    )
    reach = max(3.0 * sd, float(np.abs(values).max()))
    grid = np.linspace(-reach, reach, 121)
    line = {"color": VERMILION, "width": 2}
    figure.add_scatter(x=grid, y=norm.pdf(grid, 0.0, sd), line=line, **_SKIP)
    return figure


def _whose(found: Diagnostics, kept: np.ndarray) -> list[tuple[str, float]]:
    table = found.table
    return [
        (str(s), float(t))
        for s, t in zip(table.subject[kept], table.time_h[kept], strict=True)
    ]


def _ends(values: np.ndarray, logarithmic: bool) -> list[float]:
    values = values[values > 0.0] if logarithmic else values
    return [float(values.min()), float(values.max())]


def _dots(
    figure: go.Figure, x: Any, y: np.ndarray, words: Any, opacity: float = 0.55
) -> None:
    named = {"text": words, "hovertemplate": "%{text}: %{y:.3g}<extra></extra>"}
    figure.add_scatter(
        x=x,
        y=y,
        mode="markers",
        marker={"color": BLUE, "size": 5, "opacity": opacity},
        **(named if words is not None else {"hoverinfo": "skip"}),
    )


def _band(figure: go.Figure) -> None:
    figure.add_hrect(y0=-_USUAL, y1=_USUAL, fillcolor=GREY, opacity=0.12, line_width=0)
    figure.add_hline(y=0.0, line={"color": BLACK, "width": 1})


def _trend(figure: go.Figure, x: np.ndarray, y: np.ndarray) -> None:
    """Draw means of groups of neighbours; values of one x are of one group."""
    groups = min(_GROUPS, len(x) // _IN_A_GROUP)
    if groups < 2:
        return
    _, place, counts = np.unique(x, return_inverse=True, return_counts=True)
    before = np.cumsum(counts) - counts / 2.0
    group = np.minimum((before * groups / len(x)).astype(int), groups - 1)[place]
    used = np.unique(group)
    line = {"color": VERMILION, "width": 2}
    at = [float(np.median(x[group == g])) for g in used]
    means = [float(y[group == g].mean()) for g in used]
    figure.add_scatter(x=at, y=means, line=line, **_SKIP)


def _panels(made: list[tuple[str, go.Figure]], name: str) -> tuple[Panel, ...]:
    return tuple(
        Panel(title, to_html(figure, f"{name}-{n}"))
        for n, (title, figure) in enumerate(made)
    )
