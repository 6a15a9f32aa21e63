"""The compartment graph: what it shows, and that nothing in it overlaps."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from itertools import combinations
from typing import NamedTuple
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pkmodels.definition import Fate, Model
from pkmodels.models import organ_exchange
from pkmodels.notation.graph import graph_svg
from pkmodels.notation.graph_drawing import text_width
from pkmodels.reactions import Reaction, flow
from pkmodels.routes import Route
from pkmodels.symbols import amounts, inputs, parameters, receptors

NUMBER = re.compile(r"-?[\d.]+")
SVG = "{http://www.w3.org/2000/svg}"
# Of Helvetica, in parts of its size (AFM): above and below the line of writing.
ASCENDER, DESCENDER = 0.718, 0.207


class Box(NamedTuple):
    what: str
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: "Box") -> bool:
        apart = (
            self.right <= other.left
            or other.right <= self.left
            or self.bottom <= other.top
            or other.bottom <= self.top
        )
        return not apart

    def holds(self, x: float, y: float) -> bool:
        return self.left < x < self.right and self.top < y < self.bottom


def moved(root: ElementTree.Element) -> list[tuple[ElementTree.Element, float, float]]:
    """Each element of a drawing with the shift of its group."""
    found = []
    for group in root.findall(f"{SVG}g"):
        x, y = map(float, NUMBER.findall(group.get("transform", "")))
        found += [(element, x, y) for element in group.iter()]
    return found


def text_boxes(svg: str) -> list[Box]:
    boxes = []
    for element, x, y in moved(ElementTree.fromstring(svg)):
        if element.tag == f"{SVG}text":
            size, length, left, line = (
                float(element.get(name, "nan"))
                for name in ("font-size", "textLength", "x", "y")
            )
            if element.get("text-anchor") == "middle":
                left -= length / 2
            top, bottom = y + line - ASCENDER * size, y + line + DESCENDER * size
            text = element.text or ""
            boxes.append(Box(text, x + left, top, x + left + length, bottom))
    return boxes


def compartment_boxes(svg: str) -> list[Box]:
    boxes = []
    for element, x, y in moved(ElementTree.fromstring(svg)):
        if element.tag == f"{SVG}rect":
            left, top, width, height = (
                float(element.get(name, "nan"))
                for name in ("x", "y", "width", "height")
            )
            left, top = left + x, top + y
            boxes.append(Box("compartment", left, top, left + width, top + height))
    return boxes


def height(element: ElementTree.Element) -> float:
    numbers = NUMBER.findall(element.get("d", ""))
    return float(numbers[1]) if numbers else 0.0


def points_on_lines(svg: str) -> list[tuple[float, float]]:
    """Points along every curve, its two ends left out."""
    points = []
    for element, x, y in moved(ElementTree.fromstring(svg)):
        if element.tag == f"{SVG}path" and "C" in element.get("d", ""):
            numbers = [float(n) for n in re.findall(r"-?[\d.]+", element.get("d", ""))]
            corners = [
                complex(*pair) for pair in zip(*[iter(numbers)] * 2, strict=True)
            ]
            for i in range(0, len(corners) - 1, 3):
                a, b, c, d = corners[i : i + 4]
                for t in (k / 20 for k in range(21)):
                    u = 1 - t
                    p = u**3 * a + 3 * u**2 * t * b + 3 * u * t**2 * c + t**3 * d
                    if abs(p - corners[0]) > 2 and abs(p - corners[-1]) > 2:
                        points.append((p.real + x, p.imag + y))
    return points


def fifteen_compartments() -> Model:
    """A labelled ligand, a blocker and an endogenous one compete for a receptor."""
    plasma, liver, tissue, bound, inside, tubule, lysosome, urine, muscle = amounts(
        "plasma liver tumour tumour_bound tumour_internalized kidney_tubule "
        "kidney_lysosome urine muscle",
        unit="nmol",
        ligand="pentixather",
    )
    blocker, blocker_tumour, blocker_bound = amounts(
        "blocker_plasma blocker_tumour blocker_bound", unit="nmol", ligand="AMD3100"
    )
    chemokine, chemokine_bound = amounts(
        "CXCL12 CXCL12_bound", unit="nmol", ligand="CXCL12"
    )
    (free,) = receptors("CXCR4_free", unit="nmol")
    (on,) = parameters("k_on", unit="1/(nmol h)")
    (k,) = parameters("k", unit="1/h")
    (made,) = parameters("synthesis", unit="nmol/h")
    (half,) = parameters("half_saturation", unit="nmol")
    (amino,) = inputs("amino_acids", unit="1", otherwise=0.0)

    def binds(name, ligand, complex_):
        return (
            Reaction(
                f"{name}_binding",
                ((ligand, 1), (free, 1)),
                ((complex_, 1),),
                on * ligand * free,
            ),
            Reaction(
                f"{name}_release",
                ((complex_, 1),),
                ((ligand, 1), (free, 1)),
                k * complex_,
            ),
        )

    slowed = (1 - amino / 2) / (1 + tubule / half + blocker / half)
    reactions = (
        flow("tumour_perfusion", plasma, tissue, k * plasma),
        flow("tumour_drainage", tissue, plasma, k * tissue),
        *binds("tumour", tissue, bound),
        flow("internalization", bound, inside, k * bound),
        Reaction(
            "receptor_recycling", ((inside, 1),), ((free, 1), (plasma, 1)), k * inside
        ),
        flow("liver_uptake", plasma, liver, k * plasma),
        flow("biliary_excretion", liver, None, k * liver),
        flow("muscle_uptake", plasma, muscle, k * plasma),
        flow("muscle_return", muscle, plasma, k * muscle),
        flow("filtration", plasma, tubule, k * plasma),
        flow("reabsorption", tubule, lysosome, k * tubule * slowed),
        flow("urination", tubule, urine, k * tubule),
        flow("lysosomal_release", lysosome, urine, k * lysosome),
        flow("blocker_perfusion", blocker, blocker_tumour, k * blocker),
        flow("blocker_return", blocker_tumour, blocker, k * blocker_tumour),
        flow("blocker_elimination", blocker, None, k * blocker),
        *binds("blocker", blocker_tumour, blocker_bound),
        flow("CXCL12_synthesis", None, chemokine, made),
        *binds("CXCL12", chemokine, chemokine_bound),
        flow("CXCL12_degradation", chemokine_bound, None, k * chemokine_bound),
        flow("receptor_synthesis", None, free, made),
        flow("receptor_degradation", free, None, k * free),
    )
    seen = {
        "tumour": tissue + bound + inside + plasma / 20,
        "kidney": tubule + lysosome + plasma / 20,
        "liver": liver,
        "blood": plasma,
    }
    return Model(
        "fifteen", reactions, {"intravenous": (plasma, blocker)}, seen, {free: half}
    )


def with_bismuth(model: Model) -> Model:
    """Let all of the first ligand lose its bismuth, and dose it late and in part."""
    bismuth, kidney = amounts("bismuth kidney_bismuth", unit="nmol", ligand="free Bi")
    (k,) = parameters("k", unit="1/h")
    (lag,) = parameters("absorption_lag", unit="h")
    (fraction,) = parameters("absorbed", unit="1")
    carriers = [a for a in model.amounts if a.ligand == model.ligands[0]]
    fate = {**dict.fromkeys(carriers, bismuth), kidney: kidney, bismuth: bismuth}
    moves = (
        flow("bismuth_uptake", bismuth, kidney, k * bismuth),
        flow("bismuth_loss", kidney, None, k * kidney),
    )
    return replace(
        model,
        name=f"{model.name}_with_bismuth",
        reactions=(*model.reactions, *moves),
        routes={"skin": Route(carriers[0], lag_h=lag, bioavailability=fraction)},
        daughters={
            "Fr-221": Fate.WITH_LIGAND,
            "Bi-213": fate,
            "Tl-209": Fate.IN_PLACE,
        },
        start={a: 1 for a in model.amounts if a.ligand != model.ligands[0]},
    )


FIFTEEN = fifteen_compartments()
ORGANS = organ_exchange.model(
    tuple("kidney_left kidney_right liver spleen red_marrow tumour lung bone".split())
)


ALPHA = with_bismuth(FIFTEEN)


@pytest.mark.parametrize(
    "model", [FIFTEEN, ORGANS, ALPHA, with_bismuth(ORGANS)], ids=lambda m: m.name
)
def test_no_labels_overlap_and_no_line_crosses_one(model: Model) -> None:
    svg = graph_svg(model)
    texts, boxes = text_boxes(svg), compartment_boxes(svg)
    assert len(texts) > 2 * len(model.amounts)
    for one, other in combinations(texts, 2):
        assert not one.overlaps(other), (one, other)
    for box in boxes:
        for text in texts:
            inside = box.holds(text.left, text.top) and box.holds(
                text.right, text.bottom
            )
            assert inside or not box.overlaps(text), (box, text)
    lines = points_on_lines(svg)
    assert len(lines) > 20 * len(model.reactions)
    for x, y in lines:
        for box in (*texts, *boxes):
            assert not box.holds(x, y), (box, x, y)


def test_the_test_of_overlaps_can_fail() -> None:
    a, b = Box("a", 0, 0, 10, 10), Box("b", 9, 9, 20, 20)
    assert a.overlaps(b)
    assert not a.overlaps(Box("c", 11, 0, 20, 10))


def test_everything_of_the_model_is_drawn_and_explained() -> None:
    svg = graph_svg(FIFTEEN)
    texts = [box.what for box in text_boxes(svg)]
    for symbol in (*FIFTEEN.amounts, *FIFTEEN.inputs):
        assert texts.count(symbol.name) >= 1, symbol
    for reaction in FIFTEEN.reactions:
        assert texts.count(reaction.name) == 1, reaction.name
    assert texts.count("dose: intravenous") == 2
    assert "seen in tumour, kidney, blood" in texts
    assert {"AMD3100", "changes the rate", "react or arise together"} <= set(texts)
    # Two that influence reabsorption without taking part, and one in the legend.
    assert svg.count('stroke-dasharray="4 3" marker-end') == 2 + 1


def test_how_a_dose_arrives_stands_at_its_arrow() -> None:
    boxes = {box.what: box for box in text_boxes(graph_svg(ALPHA))}
    dose, fraction, lag, amount = (
        boxes[text]
        for text in (
            "dose: skin",
            "bioavailability: absorbed",
            "lag (h): absorption_lag",
            "plasma",
        )
    )
    assert dose.bottom <= fraction.top < fraction.bottom <= lag.top < amount.top
    assert "bioavailability" not in graph_svg(FIFTEEN)


def test_arrows_run_from_what_leaves_to_what_arrives() -> None:
    source, target = amounts("source target", unit="nmol")
    (k,) = parameters("k", unit="1/h")
    svg = graph_svg(
        Model("m", (flow("moves", source, target, k * source),), {"r": source}, {})
    )
    boxes = {t.what: t for t in text_boxes(svg)}
    into_source, out_of_source, into_target = (
        (element.get("marker-end"), NUMBER.findall(element.get("d", "")), y)
        for element, _, y in sorted(
            moved(ElementTree.fromstring(svg)), key=lambda found: height(found[0])
        )
        if "C" in element.get("d", "")
    )
    for (head, numbers, y), upper, lower in (
        (into_source, "dose: r", "source"),
        (out_of_source, "source", "moves"),
        (into_target, "moves", "target"),
    ):
        # The name of a reaction interrupts its arrow; the head is at the far end.
        assert (head is None) == (lower == "moves")
        assert boxes[upper].bottom <= float(numbers[1]) + y + 3
        assert float(numbers[-1]) + y <= boxes[lower].top


def test_counts_other_than_one_are_written() -> None:
    one, two = amounts("monomer dimer", unit="nmol")
    (k,) = parameters("k", unit="1/(nmol h)")
    pairing = Reaction("pairing", ((one, 2),), ((two, 1),), k * one**2)
    svg = graph_svg(Model("m", (pairing,), {"r": one}, {}))
    assert "2 monomer -&gt; dimer</text>" in svg


NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn", "Co"]),
    min_size=1,
    max_size=40,
).filter(str.strip)


@settings(max_examples=25)
@given(reaction=NAMES, route=NAMES, observable=NAMES, model=NAMES)
def test_any_name_is_drawn_as_it_stands(
    reaction: str, route: str, observable: str, model: str
) -> None:
    (node,) = amounts("node", unit="nmol")
    (k,) = parameters("graph", unit="1/h")
    moves = (flow(reaction, node, None, k * node),)
    svg = graph_svg(Model(model, moves, {route: node}, {observable: node}))
    root = ElementTree.fromstring(svg)
    texts = [box.what for box in text_boxes(svg)]
    assert reaction in texts
    assert f"dose: {route}" in texts
    assert root.findtext(f"{SVG}title") == model


def test_widths_are_those_of_helvetica() -> None:
    # Adobe's Helvetica.afm: A 667, v 500, W 944, i 222, space 278.
    assert text_width("AvWi ", 1000.0) == 667 + 500 + 944 + 222 + 278
    assert text_width("λ", 10.0) >= text_width("m", 10.0)


def test_nothing_is_printed_and_graphviz_is_loaded_late() -> None:
    code = (
        "import sys, pkmodels.notation.graph as g; "
        "assert 'pygraphviz' not in sys.modules; "
        "from pkmodels.models import organ_exchange as o; "
        "g.graph_svg(o.model(('kidney',)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ},
    )
    assert (run.stdout, run.stderr) == ("", "")
