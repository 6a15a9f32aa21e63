"""The compartment graph of a model, laid out by Graphviz and drawn as SVG."""

from textwrap import wrap

from sympy import Symbol, sympify

from pkmodels.definition import Model
from pkmodels.notation.daughters import freed_in_place, releases, staying
from pkmodels.notation.doses import route_details
from pkmodels.notation.formulas import formula_text
from pkmodels.notation.graph_drawing import (
    DOT_SIZE,
    OUTSIDE_SIZE,
    WHITE,
    Arrow,
    Drawing,
    LegendEntry,
    Line,
    Node,
    Shape,
    Stroke,
    draw,
    text_height,
    text_width,
)
from pkmodels.reactions import Reaction
from pkmodels.symbols import LIGAND, NO_LIGAND, Amount, Input, described

# P. Tol, Colour Schemes, SRON/EPS/TN/09-002, issue 3.2, 2021: the "light" scheme, made
# for filling cells with black text and distinct to colour-blind readers.
_LIGAND_FILLS = (
    "#77AADD",
    "#EE8866",
    "#EEDD88",
    "#FFAABB",
    "#99DDFF",
    "#44BB99",
    "#BBCC33",
    "#AAAA00",
)
_OTHER_FILL = "#DDDDDD"

_NAME_SIZE, _LABEL_SIZE, _NOTE_SIZE = 12.0, 10.0, 9.0
_NOTE_CHARACTERS = 30
_PADDING = 8.0


def graph_svg(model: Model) -> str:
    """Draw a model as compartments joined by its reactions.

    Boxes are amounts, filled by ligand, with the observables that they are seen in;
    rounded ones are receptors and whatever else is no ligand. Each arrow passes
    through the name of its reaction, and meets others in a dot where several amounts
    react or arise. Dashed arrows start at what changes a rate without taking part,
    thick ones are doses, dotted ones lead from where a label decays to where its
    radioactive daughter is set free. No other decay is drawn.

    Parameters
    ----------
    model : Model
        The model.

    Returns
    -------
    str
        The SVG document, which needs no font of its own and no network.

    Raises
    ------
    ModelError
        When the layout fails.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> svg = graph_svg(organ_exchange.model(("kidney",)))
    >>> svg.count("uptake_kidney</text>")
    1
    """
    nodes, arrows = _compartments(model), []
    for number, reaction in enumerate(model.reactions):
        more_nodes, more_arrows = _process(number, reaction)
        nodes += more_nodes
        arrows += more_arrows
    for more_nodes, more_arrows in (_doses(model), _releases(model)):
        nodes += more_nodes
        arrows += more_arrows
    legend = _legend(model, nodes, arrows)
    return draw(Drawing(model.name, tuple(nodes), tuple(arrows), legend))


def _key(name: str) -> str:
    return f"symbol {name}"


def _compartments(model: Model) -> list[Node]:
    fills = _fills(model)
    named = len(model.ligands) > len(_LIGAND_FILLS)
    nodes = []
    for amount in model.amounts:
        seen = [
            name
            for name, observable in model.observables.items()
            if amount in sympify(observable).free_symbols
        ]
        notes = [f"of {amount.ligand}"] if named and amount.ligand else []
        if seen:
            note = "observed" if seen == [amount.name] else f"seen in {', '.join(seen)}"
            notes += wrap(note, _NOTE_CHARACTERS)
        notes += [
            f"{daughter} set free here"
            for daughter, amounts in freed_in_place(model).items()
            if amount in amounts
        ]
        lines = (
            Line(amount.name, _NAME_SIZE),
            *(Line(note, _NOTE_SIZE, faint=True) for note in notes),
        )
        shape = Shape.BOX if amount.ligand else Shape.ROUNDED
        nodes.append(_enclosing(amount, shape, lines, fills[amount.ligand]))
    for symbol in model.inputs:
        lines = (Line(symbol.name, _NAME_SIZE),)
        nodes.append(_enclosing(symbol, Shape.INPUT, lines, WHITE))
    return nodes


def _fills(model: Model) -> dict[str, str]:
    count = len(_LIGAND_FILLS)
    fills = {
        ligand: _LIGAND_FILLS[number % count]
        for number, ligand in enumerate(model.ligands)
    }
    return fills | {NO_LIGAND: _OTHER_FILL}


def _enclosing(
    symbol: Symbol, shape: Shape, lines: tuple[Line, ...], fill: str
) -> Node:
    width = max(text_width(line.text, line.size) for line in lines) + 2 * _PADDING
    height = text_height(lines) + 1.25 * _PADDING
    if shape is Shape.ROUNDED:
        width += height / 2
    hint = f"{symbol}: {described(symbol)}"
    return Node(_key(symbol.name), shape, width, height, lines, fill, hint)


def _label(key: str, texts: tuple[str, ...], shape: Shape, hint: str = "") -> Node:
    sizes = (_LABEL_SIZE, *(_NOTE_SIZE for _ in texts[1:]))
    lines = tuple(Line(t, size) for t, size in zip(texts, sizes, strict=True))
    width = max(text_width(line.text, line.size) for line in lines)
    return Node(key, shape, width + 6.0, text_height(lines) + 2.0, lines, "none", hint)


def _process(number: int, reaction: Reaction) -> tuple[list[Node], list[Arrow]]:
    """Return a reaction's name, with its dots, and the arrows through it."""
    key = f"reaction {number}"
    counted = any(n > 1 for _, n in (*reaction.reactants, *reaction.products))
    chemistry = str(reaction).removeprefix(f"{reaction.name}: ").partition(", rate ")[0]
    texts = (reaction.name, chemistry) if counted else (reaction.name,)
    nodes = [_label(key, texts, Shape.LABEL, str(reaction))]
    arrows = []
    for side, participants in (
        ("in", reaction.reactants),
        ("out", reaction.products),
    ):
        ends = list(dict.fromkeys(_key(str(amount)) for amount, _ in participants))
        leaves = side == "in"
        meeting = key
        if len(ends) != 1:
            meeting = f"{key} {side}"
            shape, size = (
                (Shape.DOT, DOT_SIZE) if ends else (Shape.OUTSIDE, OUTSIDE_SIZE)
            )
            nodes.append(Node(meeting, shape, size, size))
            pair = (meeting, key) if leaves else (key, meeting)
            arrows.append(Arrow(*pair, pointed=not leaves and not ends))
        for end in ends:
            pair = (end, meeting) if leaves else (meeting, end)
            arrows.append(Arrow(*pair, pointed=not leaves))
    taking_part = {amount for amount, _ in (*reaction.reactants, *reaction.products)}
    for symbol in sorted(reaction.rate.free_symbols - taking_part, key=str):
        if isinstance(symbol, Amount | Input):
            arrows.append(Arrow(_key(str(symbol)), key, stroke=Stroke.DASHED))
    return nodes, arrows


def _doses(model: Model) -> tuple[list[Node], list[Arrow]]:
    nodes, arrows = [], []
    for number, (name, route) in enumerate(model.all_routes()):
        key = f"dose {number}"
        notes = [
            f"{what} ({unit}): {formula_text(e)}"
            if unit
            else f"{what}: {formula_text(e)}"
            for what, unit, e in route_details(route)
        ]
        nodes.append(_label(key, (f"dose: {name}", *notes), Shape.DOSE))
        arrows.append(Arrow(key, _key(str(route.amount)), stroke=Stroke.THICK))
    return nodes, arrows


def _releases(model: Model) -> tuple[list[Node], list[Arrow]]:
    """Return one name for all that set the same daughters free in one amount."""
    nodes, arrows = [], []
    for number, release in enumerate(releases(model)):
        key = f"release {number}"
        daughters, target = ", ".join(release.daughters), release.target
        hint = (
            f"{daughters}, set free by decay in {', '.join(map(str, release.sources))}"
        )
        nodes.append(_label(key, (daughters,), Shape.LABEL, hint))
        dotted = Stroke.DOTTED
        arrows += [
            Arrow(_key(str(source)), key, pointed=False, stroke=dotted)
            for source in release.sources
        ]
        arrows.append(Arrow(key, _key(str(target)), stroke=dotted))
    return nodes, arrows


def _legend(
    model: Model, nodes: list[Node], arrows: list[Arrow]
) -> tuple[LegendEntry, ...]:
    fills = _fills(model)
    entries = [
        LegendEntry(ligand, Shape.BOX, fills[ligand])
        for ligand in model.ligands
        if ligand != LIGAND or len(model.ligands) > 1
    ]
    shapes = {node.shape for node in nodes}
    entries += [
        LegendEntry(meaning, shape, fill)
        for shape, fill, meaning in (
            (Shape.ROUNDED, _OTHER_FILL, "no ligand (receptor, ...)"),
            (Shape.INPUT, WHITE, "set by the schedule"),
            (Shape.DOT, "none", "react or arise together"),
            (Shape.OUTSIDE, "none", "outside"),
        )
        if shape in shapes
    ]
    strokes = {arrow.stroke for arrow in arrows}
    entries += [
        LegendEntry(meaning, stroke)
        for stroke, meaning in (
            (Stroke.DASHED, "changes the rate"),
            (Stroke.DOTTED, "decay sets the daughter free"),
        )
        if stroke in strokes
    ]
    entries += [LegendEntry(f"{name} {fate}", None) for name, fate in staying(model)]
    return tuple(entries)
