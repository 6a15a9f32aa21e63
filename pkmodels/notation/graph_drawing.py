"""Drawings of boxes and arrows: sized here, laid out by Graphviz, written as SVG."""

from dataclasses import dataclass
from enum import StrEnum
from html import escape
from typing import Any

from pkmodels.errors import ModelError

# Widths in thousandths of the size: Adobe Core 14 font metrics, Helvetica.afm. Arial
# and Liberation Sans have the same.
_WIDTHS = {
    character: width
    for width, characters in {
        191: "'",
        222: "ijl",
        260: "|",
        278: " !,./:;I[\\]ft",
        333: "()-`r",
        334: "{}",
        355: '"',
        389: "*",
        469: "^",
        500: "Jcksvxyz",
        556: "#$0123456789?L_abdeghnopqu",
        584: "+<=>~",
        611: "FTZ",
        667: "&ABEKPSVXY",
        722: "CDHNRUw",
        778: "GOQ",
        833: "Mm",
        889: "%",
        944: "W",
        1015: "@",
    }.items()
    for character in characters
}
_WIDEST = max(_WIDTHS.values())
_FONTS = "Helvetica, Arial, 'Liberation Sans', sans-serif"

# Side of the square around a dot and around the sign for the outside, points.
DOT_SIZE, OUTSIDE_SIZE = 7.0, 13.0
WHITE = "#FFFFFF"

_POINTS_PER_INCH = 72.0
_LINE_SPACING = 1.25
_MARGIN = 12.0
_INK, _FAINT_INK = "#111111", "#333333"
_SWATCH_WIDTH, _SWATCH_HEIGHT, _LEGEND_SIZE, _LEGEND_GAP = 22.0, 12.0, 9.0, 18.0
_SMALLEST_WIDTH = 320.0


class Shape(StrEnum):
    """How a node is drawn."""

    BOX = "box"
    ROUNDED = "rounded"
    INPUT = "input"
    LABEL = "label"
    DOSE = "dose"
    DOT = "dot"
    OUTSIDE = "outside"


class Stroke(StrEnum):
    """How a line between two nodes is drawn."""

    PLAIN = "plain"
    THICK = "thick"
    DASHED = "dashed"
    DOTTED = "dotted"


@dataclass(frozen=True)
class Line:
    """One line of text, its size in points."""

    text: str
    size: float
    faint: bool = False


@dataclass(frozen=True)
class Node:
    """A node: its key, its shape and size (points), what is written in it.

    `hint` shows when the pointer rests on it.
    """

    key: str
    shape: Shape
    width: float
    height: float
    lines: tuple[Line, ...] = ()
    fill: str = "none"
    hint: str = ""


@dataclass(frozen=True)
class Arrow:
    """A line between two nodes, by their keys; with a head unless it goes on."""

    tail: str
    head: str
    pointed: bool = True
    stroke: Stroke = Stroke.PLAIN


@dataclass(frozen=True)
class LegendEntry:
    """What a mark of the drawing means; without a mark, what is not drawn."""

    meaning: str
    mark: Shape | Stroke | None
    fill: str = "none"


@dataclass(frozen=True)
class Drawing:
    """A graph to draw, with its legend."""

    title: str
    nodes: tuple[Node, ...]
    arrows: tuple[Arrow, ...]
    legend: tuple[LegendEntry, ...] = ()


Point = tuple[float, float]


@dataclass(frozen=True)
class _Layout:
    width: float
    height: float
    centres: dict[str, Point]
    paths: tuple[tuple[Point, ...], ...]


def text_width(text: str, size: float) -> float:
    """Return the width of a line of text in Helvetica.

    Parameters
    ----------
    text : str
        The line.
    size : float
        Size of the font, points, > 0.

    Returns
    -------
    float
        Width, points; of what Helvetica lacks, an upper bound.

    Examples
    --------
    >>> round(text_width("plasma", 10.0), 2)
    32.23
    """
    return size * sum(_WIDTHS.get(character, _WIDEST) for character in text) / 1000.0


def text_height(lines: tuple[Line, ...]) -> float:
    """Return the height of lines of text.

    Parameters
    ----------
    lines : tuple of Line
        The lines.

    Returns
    -------
    float
        Height, points.

    Examples
    --------
    >>> text_height((Line("plasma", 10.0), Line("seen in blood", 8.0)))
    22.5
    """
    return _LINE_SPACING * sum(line.size for line in lines)


def draw(drawing: Drawing) -> str:
    """Lay a drawing out and write it as SVG.

    Parameters
    ----------
    drawing : Drawing
        What to draw.

    Returns
    -------
    str
        The document. No label covers another.

    Raises
    ------
    ModelError
        When Graphviz finds no layout.

    Examples
    --------
    >>> box = Node("a", Shape.BOX, 60.0, 30.0, (Line("plasma", 12.0),))
    >>> draw(Drawing("one box", (box,), ())).count("<rect")
    2
    """
    layout = _laid_out(drawing)
    width = max(layout.width, _SMALLEST_WIDTH)
    legend, legend_height = _legend_svg(drawing.legend, width)
    total = width + 2 * _MARGIN, layout.height + legend_height + 2 * _MARGIN
    shift = (width - layout.width) / 2 + _MARGIN
    body = [
        _arrow_svg(arrow, path)
        for arrow, path in zip(drawing.arrows, layout.paths, strict=True)
    ]
    body += [_node_svg(node, layout.centres[node.key]) for node in drawing.nodes]
    size = f'width="{total[0]:.0f}" height="{total[1]:.0f}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size} '
            f'viewBox="0 0 {total[0]:.2f} {total[1]:.2f}" font-family="{_FONTS}">',
            f"<title>{escape(drawing.title)}</title>",
            '<defs><marker id="head" viewBox="0 0 10 8" refX="9" refY="4" '
            'markerWidth="8" markerHeight="6.4" orient="auto" '
            f'markerUnits="userSpaceOnUse"><path d="M0 0L10 4L0 8L2 4z" fill="{_INK}"/>'
            "</marker></defs>",
            f'<rect width="100%" height="100%" fill="{WHITE}"/>',
            f'<g transform="translate({shift:.2f} {_MARGIN:.2f})">',
            *body,
            "</g>",
            f'<g transform="translate({_MARGIN:.2f} {layout.height + _MARGIN:.2f})">',
            *legend,
            "</g>",
            "</svg>\n",
        ]
    )


def _laid_out(drawing: Drawing) -> _Layout:
    # Loads Graphviz, which only a drawing needs.
    import pygraphviz

    graph: Any = pygraphviz.AGraph(directed=True, strict=False)
    graph.graph_attr.update(nodesep="0.3", ranksep="0.28", splines="true")
    # Without text in it Graphviz asks for no fonts, which differ between machines.
    graph.node_attr.update(label="", fixedsize="true", shape="box")
    for node in drawing.nodes:
        size = {
            "width": f"{node.width / _POINTS_PER_INCH:.4f}",
            "height": f"{node.height / _POINTS_PER_INCH:.4f}",
        }
        if node.shape in (Shape.DOT, Shape.OUTSIDE):
            size["shape"] = "circle"
        graph.add_node(node.key, **size)
    for number, arrow in enumerate(drawing.arrows):
        weight = "4" if arrow.stroke in (Stroke.PLAIN, Stroke.THICK) else "1"
        graph.add_edge(
            arrow.tail, arrow.head, key=str(number), arrowhead="none", weight=weight
        )
    try:
        graph.layout(prog="dot")
    except (ValueError, OSError) as error:
        raise ModelError(
            f"Graphviz finds no layout of {drawing.title!r} ({error}): print it as "
            "chemistry instead"
        ) from error
    left, bottom, right, top = map(float, graph.graph_attr["bb"].split(","))

    def point(text: str) -> Point:
        x, y = map(float, text.split(","))
        return x - left, top - y

    centres = {n.key: point(graph.get_node(n.key).attr["pos"]) for n in drawing.nodes}
    paths = tuple(
        tuple(
            map(
                point,
                graph.get_edge(a.tail, a.head, str(number)).attr["pos"].split(),
            )
        )
        for number, a in enumerate(drawing.arrows)
    )
    return _Layout(right - left, top - bottom, centres, paths)


def _arrow_svg(arrow: Arrow, path: tuple[Point, ...]) -> str:
    (x, y), *others = path
    curve = " ".join(f"{a:.2f},{b:.2f}" for a, b in others)
    style = {
        Stroke.DASHED: ' stroke-dasharray="4 3"',
        Stroke.DOTTED: ' stroke-dasharray="0.1 3.2" stroke-linecap="round"',
    }.get(arrow.stroke, "")
    style += ' marker-end="url(#head)"' if arrow.pointed else ""
    width = {Stroke.THICK: 2.4, Stroke.DOTTED: 1.8}.get(arrow.stroke, 1.1)
    return (
        f'<path d="M{x:.2f},{y:.2f}C{curve}" fill="none" stroke="{_INK}" '
        f'stroke-width="{width}"{style}/>'
    )


def _node_svg(node: Node, centre: Point) -> str:
    parts = ["<g>"]
    if node.hint:
        parts.append(f"<title>{escape(node.hint)}</title>")
    parts.append(_shape_svg(node.shape, centre, (node.width, node.height), node.fill))
    y = centre[1] - text_height(node.lines) / 2
    for line in node.lines:
        # Helvetica's letters reach from 0.72 above to 0.21 below their line (AFM).
        baseline = y + line.size * (_LINE_SPACING / 2 + 0.255)
        parts.append(_text_svg(line, (centre[0], baseline), "middle"))
        y += line.size * _LINE_SPACING
    return "".join([*parts, "</g>"])


def _shape_svg(shape: Shape, centre: Point, size: Point, fill: str) -> str:
    (x, y), (width, height) = centre, size
    if shape is Shape.DOT:
        return f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{width / 2:.2f}" fill="{_INK}"/>'
    if shape is Shape.OUTSIDE:
        radius, reach = width / 2 - 1.5, width / 2
        return (
            f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{radius:.2f}" fill="{WHITE}" '
            f'stroke="{_INK}"/><path d="M{x - reach:.2f},{y + reach:.2f}'
            f'L{x + reach:.2f},{y - reach:.2f}" stroke="{_INK}"/>'
        )
    if shape in (Shape.LABEL, Shape.DOSE):
        return ""
    corner = height / 2 if shape is Shape.ROUNDED else 3.0
    style = ' stroke-dasharray="4 3"' if shape is Shape.INPUT else ""
    return (
        f'<rect x="{x - width / 2:.2f}" y="{y - height / 2:.2f}" width="{width:.2f}" '
        f'height="{height:.2f}" rx="{corner:.2f}" fill="{fill}" '
        f'stroke="{_INK}"{style}/>'
    )


def _text_svg(line: Line, at: Point, anchor: str) -> str:
    # The length holds the text inside its box whatever font the reader has.
    length = text_width(line.text, line.size)
    return (
        f'<text x="{at[0]:.2f}" y="{at[1]:.2f}" text-anchor="{anchor}" '
        f'font-size="{line.size:g}" textLength="{length:.2f}" '
        f'lengthAdjust="spacingAndGlyphs" fill="{_FAINT_INK if line.faint else _INK}">'
        f"{escape(line.text)}</text>"
    )


def _legend_svg(
    entries: tuple[LegendEntry, ...], width: float
) -> tuple[list[str], float]:
    """Return the legend below a drawing, in rows of its width, and its height."""
    if not entries:
        return [], 0.0
    parts: list[str] = []
    row = 1.4 * _LEGEND_SIZE + 4.0
    x, y = 0.0, row
    for entry in entries:
        line = Line(entry.meaning, _LEGEND_SIZE, faint=True)
        swatch = 0.0 if entry.mark is None else _SWATCH_WIDTH + 5.0
        length = swatch + text_width(line.text, line.size)
        if x and x + length > width:
            x, y = 0.0, y + row
        parts += _mark_svg(entry, (x, y))
        at = x + swatch, y + 0.255 * _LEGEND_SIZE
        parts.append(_text_svg(line, at, "start"))
        x += length + _LEGEND_GAP
    return parts, y + row / 2


def _mark_svg(entry: LegendEntry, at: Point) -> list[str]:
    """Return the mark of a legend's entry, which starts at a point."""
    x, y = at
    if entry.mark is None:
        return []
    if isinstance(entry.mark, Stroke):
        ends = (at, at, (x + _SWATCH_WIDTH, y), (x + _SWATCH_WIDTH, y))
        return [_arrow_svg(Arrow("", "", stroke=entry.mark), ends)]
    size = {
        Shape.DOT: (DOT_SIZE, DOT_SIZE),
        Shape.OUTSIDE: (OUTSIDE_SIZE, OUTSIDE_SIZE),
    }.get(entry.mark, (_SWATCH_WIDTH, _SWATCH_HEIGHT))
    return [_shape_svg(entry.mark, (x + _SWATCH_WIDTH / 2, y), size, entry.fill)]
