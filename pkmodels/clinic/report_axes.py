"""Axes shared by the report's figures: one size that fits a phone and half an A4."""

from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
import plotly.io

# CSS pixels. Two lie side by side on A4 less its margins, 703 wide; one fits a phone.
WIDTH = 340

# Okabe and Ito's palette, which colour-blind readers can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
BLACK, GREY = "#000000", "#777777"
BLUE, VERMILION = COLOURS[:2]
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "x", "star")

_SHAPES = {
    "circle": '<circle cx="8" cy="6" r="4"/>',
    "diamond": '<path d="M8 1L13 6L8 11L3 6Z"/>',
    "square": '<path d="M4 2H12V10H4Z"/>',
    "triangle-up": '<path d="M8 1.5L13 10.5H3Z"/>',
    "x": '<path d="M4 2L12 10M12 2L4 10" stroke="currentColor" stroke-width="3"/>',
    "star": (
        '<path d="M8 .8L9.4 4.5L13.4 4.7L10.3 7.2L11.3 11L8 8.9L4.7 11L5.7 7.2L2.6 4.7'
        'L6.6 4.5Z"/>'
    ),
}
# Lengths of dash and gap as plotly draws them, in px at the legend's line width.
_STROKES = {
    "solid": "none",
    "dash": "7 4",
    "dot": "2 3",
    "dashdot": "6 3 2 3",
    "longdash": "11 4",
    "longdashdot": "11 3 2 3",
}


@dataclass(frozen=True)
class Panel:
    """One pair of axes: its title, said above it, and its HTML."""

    title: str
    html: str


@dataclass(frozen=True)
class Legend:
    """One entry of a legend: a small picture and what it means."""

    picture: str
    text: str


@dataclass(frozen=True)
class Gallery:
    """Panels of one subject with their common legend."""

    heading: str
    panels: tuple[Panel, ...]
    legend: tuple[Legend, ...]


def axes(x_title: str, y_title: str, height: int = 235) -> go.Figure:
    """Return empty axes.

    Parameters
    ----------
    x_title, y_title : str
        What is drawn, with its unit; escaped where it comes from a file.
    height : int
        CSS pixels.

    Returns
    -------
    Figure
    """
    figure = go.Figure()
    line: dict[str, Any] = {
        "showline": True,
        "linecolor": BLACK,
        "ticks": "outside",
        "ticklen": 4,
        "showgrid": True,
        "gridcolor": "#EBEBEB",
        "zeroline": False,
        "title_font_size": 11,
        "title_standoff": 6,
        "automargin": False,
    }
    figure.update_layout(
        template="none",
        width=WIDTH,
        height=height,
        margin={"l": 52, "r": 10, "t": 8, "b": 38},
        font={"size": 11, "color": BLACK, "family": "Liberation Sans, Arial"},
        showlegend=False,
        bargap=0.0,
        barmode="overlay",
        xaxis={**line, "title_text": x_title, "nticks": 7},
        yaxis={**line, "title_text": y_title, "nticks": 6},
    )
    return figure


def to_html(figure: go.Figure, name: str) -> str:
    """Return a figure as HTML with a fixed id, so that a report is repeatable.

    Parameters
    ----------
    figure : Figure
        The figure.
    name : str
        Unique in the page.

    Returns
    -------
    str
    """
    return plotly.io.to_html(
        figure,
        full_html=False,
        include_plotlyjs=False,
        div_id=f"figure-{name}",
        default_width=f"{WIDTH}px",
        default_height=f"{figure.layout.height}px",
        config={"displayModeBar": False, "responsive": False},
    )


def transparent(colour: str) -> str:
    """Return a colour that lets what is below shine through.

    Parameters
    ----------
    colour : str
        As in ``"#0072B2"``.

    Returns
    -------
    str

    Examples
    --------
    >>> transparent("#0072B2")
    'rgba(0,114,178,0.25)'
    """
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.25)"


def mark(symbol: str, colour: str, text: str) -> Legend:
    """Return a legend's entry of a marker.

    Parameters
    ----------
    symbol, colour, text : str
        One of `SYMBOLS`, a colour, and what it means.

    Returns
    -------
    Legend
    """
    return Legend(_picture(_SHAPES[symbol], colour), text)


def stroke(dash: str, colour: str, text: str) -> Legend:
    """Return a legend's entry of a line.

    Parameters
    ----------
    dash, colour, text : str
        One of `DASHES`, a colour, and what it means.

    Returns
    -------
    Legend
    """
    line = (
        f'<path d="M0 6H26" stroke="{colour}" stroke-width="2.5" '
        f'stroke-dasharray="{_STROKES[dash]}"/>'
    )
    return Legend(_picture(line, colour, 26), text)


def patch(colour: str, text: str) -> Legend:
    """Return a legend's entry of a filled area.

    Parameters
    ----------
    colour, text : str
        A colour, and what it means.

    Returns
    -------
    Legend
    """
    return Legend(_picture('<path d="M1 1H15V11H1Z"/>', colour), text)


def _picture(shape: str, colour: str, width: int = 16) -> str:
    return (
        f'<svg width="{width}" height="12" viewBox="0 0 {width} 12" fill="{colour}" '
        f'color="{colour}" aria-hidden="true">{shape}</svg>'
    )
