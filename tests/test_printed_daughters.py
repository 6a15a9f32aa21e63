"""Radioactive daughters in the equations, the LaTeX and the graph of a model."""

import math
from dataclasses import replace
from xml.etree import ElementTree

from test_equations import (
    BOUND,
    OFF,
    PLASMA,
    URINE,
    binding_model,
    system,
    width_when_set,
)
from test_graph import ALPHA, FIFTEEN, NUMBER, moved, text_boxes

from pkmodels.definition import Fate, Model, derivatives
from pkmodels.notation.equation_parser import parse_equations
from pkmodels.notation.equations import equations_text, latex, latex_sections
from pkmodels.notation.graph import graph_svg
from pkmodels.reactions import flow
from pkmodels.symbols import amounts, parameters


def alpha_model() -> Model:
    """Bismuth that leaves the ligand where francium decays, except in the kidney."""
    bismuth, kidney = amounts("bismuth kidney_bismuth", unit="nmol", ligand="free Bi")
    fate = {PLASMA: bismuth, BOUND: bismuth, URINE: bismuth}
    return replace(
        binding_model(),
        reactions=(
            *binding_model().reactions,
            flow("uptake", bismuth, kidney, OFF * bismuth),
        ),
        daughters={
            "Fr-221": Fate.WITH_LIGAND,
            "Bi-213": {**fate, bismuth: bismuth, kidney: kidney},
            "Tl-209": {**fate, bismuth: bismuth, kidney: bismuth},
            "Pb-212": Fate.IN_PLACE,
        },
    )


def test_daughters_are_printed_last_and_passed_over() -> None:
    text = equations_text(alpha_model())
    _, _, after = text.partition("\ndaughters, where their parent decays\n")
    assert after.splitlines() == [
        "  Fr-221 stays with the ligand",
        "  Pb-212 stays in the compartment",
        "  Bi-213 set free from plasma, bound, urine into bismuth",
        "  Tl-209 set free from plasma, bound, urine, kidney_bismuth into bismuth",
        "  Bi-213 set free in bismuth, kidney_bismuth",
        "  Tl-209 set free in bismuth",
    ]
    for substituted in (False, True):
        text = equations_text(alpha_model(), substituted=substituted)
        assert parse_equations(text, alpha_model()) == derivatives(alpha_model())


def test_daughters_alike_share_a_line_however_long() -> None:
    targets = amounts(" ".join(f"organ_{i}" for i in range(20)), unit="nmol")
    moves = [flow(f"uptake_{o}", PLASMA, o, OFF * PLASMA) for o in targets]
    fate = dict.fromkeys(targets, PLASMA)
    model = Model(
        "m", tuple(moves), {"r": PLASMA}, {}, {}, {"Bi-213": fate, "Fr-221": fate}
    )
    text = equations_text(model)
    assert text.count("Bi-213, Fr-221 set free from organ_0, organ_1, ") == 1
    assert text.endswith("organ_19 into plasma")
    assert max(map(len, text.splitlines())) <= 88
    assert parse_equations(text, model) == system(model)


def test_latex_tells_what_becomes_of_daughters() -> None:
    lines = latex_sections(alpha_model())["daughters"]
    assert lines[0] == r"\text{Fr-221} &\ \text{stays with the ligand}"
    assert lines[2] == (
        r"\text{Bi-213} &\ \text{set free from}\ \mathrm{plasma},\ \mathrm{bound},\ "
        r"\mathrm{urine} \to \mathrm{bismuth}"
    )
    assert lines[5] == r"\text{Tl-209} &\ \text{set free in}\ \mathrm{bismuth}"
    assert latex(alpha_model()).rstrip().splitlines()[-2] == lines[5]


def test_a_renderer_accepts_that_latex() -> None:
    for line in latex_sections(alpha_model())["daughters"]:
        assert 0.0 < width_when_set(line) < math.inf


def test_daughters_that_are_set_free_are_drawn_and_others_told() -> None:
    svg = graph_svg(ALPHA)
    texts = [box.what for box in text_boxes(svg)]
    assert texts.count("Bi-213") == 1
    assert texts.count("Bi-213 set free here") == 2
    legend = {
        "decay sets the daughter free",
        "Fr-221 stays with the ligand",
        "Tl-209 stays in the compartment",
    }
    assert legend <= set(texts)
    dotted = [line for line in svg.splitlines() if "stroke-dasharray" in line]
    dotted = [line for line in dotted if "4 3" not in line]
    carriers = [a for a in FIFTEEN.amounts if a.ligand == "pentixather"]
    # To the name from each, from there to the bismuth, and one in the legend.
    assert len(dotted) == len(carriers) + 1 + 1
    assert sum("marker-end" in line for line in dotted) == 1 + 1
    assert "decay sets" not in graph_svg(FIFTEEN)


def test_decay_arrows_run_from_where_the_parent_is_to_the_daughter() -> None:
    source, target = amounts("source target", unit="nmol")
    (k,) = parameters("k", unit="1/h")
    moves = (
        flow("loss", source, None, k * source),
        flow("out", target, None, k * target),
    )
    fates = {"Fr-221": {source: target}, "Bi-213": {source: target}}
    svg = graph_svg(Model("m", moves, {"r": source}, {}, {}, fates))
    boxes = {t.what: t for t in text_boxes(svg)}
    away, arriving, legend = (
        (element.get("marker-end"), NUMBER.findall(element.get("d", "")), y)
        for element, _, y in moved(ElementTree.fromstring(svg))
        if (element.get("stroke-dasharray") or "4 3") != "4 3"
    )
    assert (away[0], arriving[0], legend[0]) == (None, "url(#head)", "url(#head)")
    for (_, numbers, y), upper, lower in (
        (away, "source", "Fr-221, Bi-213"),
        (arriving, "Fr-221, Bi-213", "target"),
    ):
        assert boxes[upper].bottom <= float(numbers[1]) + y + 3
        assert float(numbers[-1]) + y <= boxes[lower].top + 3
