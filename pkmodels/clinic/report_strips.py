"""Small pictures in table cells: bars and intervals as SVG that scales by itself.

Coordinates are percentages, so that a strip is as wide as its column, on any screen
and on paper, and needs no script.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

# Okabe and Ito's palette, which colour-blind readers can tell apart.
BLUE, VERMILION, SKY, GREY = "#0072B2", "#D55E00", "#56B4E9", "#999999"

_HEIGHT = 16
_PALE = "#DDDDDD"
# Beyond these decades around 1 a ratio is drawn at the edge.
_DECADES = 3
# An axis of shares has at most about as many.
_TICKS = 6


@dataclass(frozen=True)
class Picture:
    """A drawing that a page shows as it is, without escaping: no text from a file."""

    svg: str


@dataclass(frozen=True)
class Axis:
    """Where the values of a column of strips lie.

    Parameters
    ----------
    low, high : float
        Its ends, low < high; both above 0 where it is logarithmic.
    ticks : tuple of float
        Where it has a line.
    logarithmic : bool
        Whether equal ratios are equally far apart.
    percent : bool
        Whether ticks are written as percentages.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    logarithmic: bool = False
    percent: bool = False

    def place(self, value: float) -> float:
        """Return where a value lies, in percent of the width, at most at the edge."""
        inside = min(max(value, self.low), self.high)
        if self.logarithmic:
            share = (log10(inside) - log10(self.low)) / log10(self.high / self.low)
        else:
            share = (inside - self.low) / (self.high - self.low)
        # A little room, so that the first and the last tick can be read.
        return 6.0 + 88.0 * share


def share_axis(values: Sequence[float]) -> Axis:
    """Return an axis of shares from 0, or below, to at least 0.5.

    Parameters
    ----------
    values : sequence of float
        Shares; some may be negative.

    Returns
    -------
    Axis

    Examples
    --------
    >>> share_axis([0.4, -0.1]).ticks
    (0.0, 0.25, 0.5)
    """
    low, largest = min((*values, 0.0)), max((*values, 0.5))
    step = 0.25 * ceil((largest - low) / (0.25 * _TICKS))
    first, last = ceil(low / step), ceil(largest / step)
    ticks = tuple(step * number for number in range(first, last + 1))
    return Axis(low, ticks[-1], ticks, percent=True)


def amount_axis(values: Sequence[float]) -> Axis:
    """Return a linear axis from 0 with three to six round ticks.

    Parameters
    ----------
    values : sequence of float
        What it must hold, >= 0.

    Returns
    -------
    Axis

    Examples
    --------
    >>> amount_axis([5.3, 31.2]).ticks
    (0.0, 10.0, 20.0, 30.0, 40.0)
    """
    largest = max(*values, 0.0) or 1.0
    power = 10.0 ** floor(log10(largest / 2.0))
    step = next(s * power for s in (1, 2, 5, 10) if largest / (s * power) <= 5.0)
    count = ceil(largest / step)
    return Axis(0.0, count * step, tuple(i * step for i in range(count + 1)))


def ratio_axis(values: Sequence[float]) -> Axis:
    """Return a logarithmic axis of whole decades around 1.

    Parameters
    ----------
    values : sequence of float
        What it must hold, >= 0; what is beyond three decades lies at its edge.

    Returns
    -------
    Axis

    Examples
    --------
    >>> ratio_axis([0.03, 4.0]).ticks
    (0.01, 0.1, 1.0, 10.0)
    """
    powers = [log10(value) for value in values if value > 0.0]
    low = max(min((floor(power) for power in powers), default=-1), -_DECADES)
    high = min(max((ceil(power) for power in powers), default=1), _DECADES)
    low, high = min(low, -1), max(high, 1)
    ticks = tuple(10.0**power for power in range(low, high + 1))
    return Axis(ticks[0], ticks[-1], ticks, logarithmic=True)


def scale(axis: Axis) -> Picture:
    """Draw the axis' numbers, for the head of the column.

    Parameters
    ----------
    axis : Axis
        The axis.

    Returns
    -------
    Picture
    """
    texts = "".join(
        f'<text x="{axis.place(tick):.2f}%" y="11">{_tick(axis, tick)}</text>'
        for tick in axis.ticks
    )
    return Picture(f'<svg class="strip" height="{_HEIGHT}">{texts}</svg>')


def bar_strip(axis: Axis, total: float, first: float | None = None) -> Picture:
    """Draw a bar from 0, pale, and a dark one over it.

    Parameters
    ----------
    axis : Axis
        Linear, and holds 0.
    total : float
        End of the pale bar, or of the only one.
    first : float or None
        End of the dark bar.

    Returns
    -------
    Picture

    Examples
    --------
    >>> 'width="44.00%"' in bar_strip(share_axis([0.25]), 0.25).svg
    True
    """
    bars = _bar(axis, total, 3, 10, SKY if first is not None else BLUE)
    if first is not None:
        bars += _bar(axis, first, 5, 6, BLUE)
    return _strip(axis, bars)


def interval_strip(axis: Axis, *intervals: tuple[float, float, float]) -> Picture:
    """Draw intervals with their medians: the last dark, one before it grey.

    Parameters
    ----------
    axis : Axis
        The axis.
    *intervals : (float, float, float)
        Low end, median and high end; one, or a prior and its posterior.

    Returns
    -------
    Picture

    Examples
    --------
    >>> strip = interval_strip(ratio_axis([0.1, 10.0]), (0.1, 1.0, 10.0))
    >>> 'x="6.00%" y="6" width="88.00%"' in strip.svg
    True
    """
    drawn = ""
    styles = ((GREY, 4, 8), (BLUE, 6, 4))[-len(intervals) :]
    for (low, median, high), (colour, top, thick) in zip(
        intervals, styles, strict=True
    ):
        left, right = axis.place(low), axis.place(high)
        drawn += (
            f'<rect x="{left:.2f}%" y="{top}" width="{max(right - left, 0.5):.2f}%" '
            f'height="{thick}" fill="{colour}"/>'
            f'<line x1="{axis.place(median):.2f}%" x2="{axis.place(median):.2f}%" '
            f'y1="{top - 3}" y2="{top + thick + 3}" stroke="{colour}" '
            'stroke-width="2"/>'
        )
    return _strip(axis, drawn)


def _bar(axis: Axis, end: float, top: int, thick: int, colour: str) -> str:
    left, right = sorted((axis.place(0.0), axis.place(end)))
    return (
        f'<rect x="{left:.2f}%" y="{top}" width="{right - left:.2f}%" '
        f'height="{thick}" fill="{colour}"/>'
    )


def _strip(axis: Axis, drawn: str) -> Picture:
    lines = "".join(
        f'<line x1="{axis.place(tick):.2f}%" x2="{axis.place(tick):.2f}%" y1="0" '
        f'y2="{_HEIGHT}" stroke="{_PALE}"/>'
        for tick in axis.ticks
    )
    return Picture(f'<svg class="strip" height="{_HEIGHT}">{lines}{drawn}</svg>')


def _tick(axis: Axis, tick: float) -> str:
    return f"{100.0 * tick:g} %" if axis.percent else f"{tick:g}"
