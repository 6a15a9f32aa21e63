"""What one more scan would tell, as the report's table and figures."""

from html import escape

import plotly.graph_objects as go

from pkmodels.clinic.report_axes import (
    BLACK,
    COLOURS,
    DASHES,
    GREY,
    Gallery,
    Legend,
    Panel,
    axes,
    stroke,
    to_html,
)
from pkmodels.clinic.report_tables import NOT_COMPUTED, Table
from pkmodels.clinic.result_dosimetry import AnotherScan
from pkmodels.clinic.result_format import Result
from pkmodels.clinic.result_text import summary_text
from pkmodels.clinic.rounding import rounded_down, with_interval
from pkmodels.clinic.scan_text import WORTHLESS, named, when

_ASSUMED = (
    "Expected of this fit's draws by the best linear estimate of ln dose, so that the "
    "interval is at most as wide. It assumes the same camera, calibration, outlines "
    "and scatter as in this fit, and that its model holds; what no scan of activity "
    "tells (mass, S-value, a calibration that all scans share) stays. Any hour of the "
    "day, after the last measurement and before the therapy where [[plan]] start_h "
    "says when it is, up to 168 h after the occasion's first dose and to four "
    "half-lives of the label that is measured."
)
_ACTIVITY = (
    "Then: the 95 % interval expected, about the same median. "
    "Safe activity: now, and its mean over what the scan may show (it may fall in this "
    "patient)."
)


def scans(result: Result) -> Table | None:
    """Return what one more scan would tell of each limited dose of the planned labels.

    Parameters
    ----------
    result : Result
        The result.

    Returns
    -------
    Table or None
        None where nothing is said of it.
    """
    rows: list[tuple[str, ...]] = []
    missing: list[str] = []
    of_activity: list[str] = []
    for label, targets in result.another_scan.items():
        for target, offers in targets.items():
            dosed = f"{target}, {label}"
            dose = result.organs[target][label].absorbed_dose_per_activity_Gy_per_GBq
            now = summary_text(dose)
            for each in offers:
                name = named(each, result)
                if each.missing is not None:
                    rows.append((dosed, name, now, *[NOT_COMPUTED] * 4))
                    missing.append(f"{name}, not computed: {each.missing}.")
                    continue
                rows.append((dosed, name, now, *_cells(result, label, target, each)))
                if each.activity_missing is not None:
                    of_activity.append(
                        f"Safe activity of {label}, not computed: "
                        f"{each.activity_missing}."
                    )
    if not rows:
        return None
    notes = (*dict.fromkeys(missing), *dict.fromkeys(of_activity))
    return Table(
        headers=(
            "Dose of",
            "One more",
            "Gy/GBq now",
            "Best at (nearly as good)",
            "Gy/GBq then",
            "Narrower by",
            "Safe activity (GBq)",
        ),
        rows=tuple(rows),
        notes=(*notes, f"{_ASSUMED} {_ACTIVITY}"),
        words=(1,),
    )


def _cells(
    result: Result, label: str, target: str, each: AnotherScan
) -> tuple[str, ...]:
    assert each.best_h is not None
    assert each.interval_then is not None
    assert each.narrowing is not None
    dose = result.organs[target][label].absorbed_dose_per_activity_Gy_per_GBq
    assert dose is not None
    then = with_interval(dose.median, each.interval_then)
    return (
        when(each),
        then,
        f"{each.narrowing:.2f}" if each.narrowing >= WORTHLESS else "nothing (1.00)",
        _activities(each),
    )


def _activities(each: AnotherScan) -> str:
    now, then = each.safe_activity_GBq, each.expected_safe_activity_GBq
    if now is None or then is None:
        return NOT_COMPUTED
    return f"{rounded_down(now)} to {rounded_down(then)}"


def scan_plots(result: Result) -> tuple[Gallery, ...]:
    """Draw for each planned label how wide the interval would be, against the hour.

    Parameters
    ----------
    result : Result
        The result.

    Returns
    -------
    tuple of Gallery
        Empty where nothing is known.
    """
    galleries = []
    for number, (label, targets) in enumerate(result.another_scan.items(), start=1):
        names = dict.fromkeys(
            named(each, result)
            for offers in targets.values()
            for each in offers
            if each.times_h
        )
        styles = {
            name: (COLOURS[i % len(COLOURS)], DASHES[i % len(DASHES)])
            for i, name in enumerate(names)
        }
        panels = tuple(
            Panel(
                f"{target}: width of the interval, % of now",
                to_html(_figure(result, offers, styles), f"s{number}-{k}"),
            )
            for k, (target, offers) in enumerate(targets.items(), start=1)
            if any(each.times_h for each in offers)
        )
        if panels:
            galleries.append(Gallery(label, panels, _legend(styles)))
    return tuple(galleries)


def _figure(
    result: Result, offers: list[AnotherScan], styles: dict[str, tuple[str, str]]
) -> go.Figure:
    figure = axes("One more scan, h after the occasion's first dose", "Width (%)")
    lowest = 100.0
    for each in offers:
        if not each.times_h:
            continue
        colour, dash = styles[named(each, result)]
        widths = [100.0 * ratio for ratio in each.width_ratio]
        lowest = min(lowest, *widths)
        past = [t <= each.earliest_h or t > each.latest_h for t in each.times_h]
        for gone in (True, False):
            figure.add_trace(
                go.Scatter(
                    x=each.times_h,
                    y=[
                        width if was is gone else None
                        for width, was in zip(widths, past, strict=True)
                    ],
                    mode="lines+markers",
                    marker={"size": 4 if not gone else 3},
                    line={
                        "color": GREY if gone else colour,
                        "width": 1.0 if gone else 2.0,
                        "dash": dash,
                    },
                    name=escape(named(each, result)),
                )
            )
    figure.add_hline(y=100.0, line={"color": BLACK, "width": 1}, opacity=1.0)
    figure.update_yaxes(range=[min(0.9 * lowest, 80.0), 103.0])
    return figure


def _legend(styles: dict[str, tuple[str, str]]) -> tuple[Legend, ...]:
    return (
        *(
            stroke(dash, colour, escape(name))
            for name, (colour, dash) in styles.items()
        ),
        stroke("solid", GREY, "no longer possible: for the next patient"),
    )
