"""The Markdown supplement: complete, and read by a Markdown parser as it is meant."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
import sympy
from markdown_it import MarkdownIt
from test_graph import FIFTEEN

from pkmodels.definition import Fate, Model
from pkmodels.errors import InputError
from pkmodels.models import organ_exchange
from pkmodels.notation.supplement import supplement
from pkmodels.reactions import flow
from pkmodels.routes import Route
from pkmodels.symbols import amounts, parameters
from pkmodels.values import Certainty, Value, log_normal

BLOOD, ORGAN = amounts("blood organ", unit="nmol", ligand="pentixather")
UPTAKE, LOSS = parameters("uptake loss", unit="1/h")
(LAG,) = parameters("lag", unit="h")
(FRACTION,) = parameters("fraction", unit="1")
MODEL = Model(
    "one_organ",
    (
        flow("uptake|fast", BLOOD, ORGAN, UPTAKE * BLOOD),
        flow("loss", ORGAN, None, LOSS * ORGAN),
    ),
    {"oral": Route(BLOOD, lag_h=LAG, bioavailability=FRACTION)},
    {"organ": ORGAN + BLOOD / 10},
    daughters={"Bi-213": Fate.IN_PLACE},
)
VALUES = {
    "uptake": Value(0.1 + 0.2, "1/h", "A | B\n2020", Certainty.PUBLISHED),
    "fraction": log_normal(0.5, 0.25, "", "wide", Certainty.JUDGEMENT),
}


def tables(markdown: str) -> dict[str, list[list[str]]]:
    """The cells of each table, by the heading before it."""
    found: dict[str, list[list[str]]] = {}
    heading, previous = "", ""
    for token in MarkdownIt("commonmark").enable("table").parse(markdown):
        if token.type == "inline":
            text = "".join(child.content for child in token.children or ())
            if previous == "heading_open":
                heading = text
            elif previous in ("th_open", "td_open"):
                found[heading][-1].append(text)
        elif token.type == "tr_open":
            found.setdefault(heading, []).append([])
        previous = token.type
    return found


def test_every_part_of_the_model_has_its_row() -> None:
    meanings = {"blood": "whole blood", "loss": "washout"}
    found = tables(supplement(MODEL, VALUES, meanings=meanings))
    assert found == {
        "Amounts": [
            ["amount", "meaning", "ligand", "unit", "start"],
            ["blood", "whole blood", "pentixather", "nmol", "0"],
            ["organ", "", "pentixather", "nmol", "0"],
        ],
        "Parameters": [
            ["parameter", "meaning", "unit", "value", "how sure", "source"],
            ["uptake", "", "1/h", "0.3", "published", "A | B 2020"],
            ["loss", "washout", "1/h", "", "", ""],
            ["lag", "", "h", "", "", ""],
            [
                "fraction",
                "",
                "1",
                "log-normal, median 0.5, sd of ln 0.25",
                "judgement",
                "wide",
            ],
        ],
        "Reactions": [
            ["reaction", "turns", "at the rate"],
            ["uptake|fast", "blood -> organ", "uptake*blood"],
            ["loss", "organ -> outside", "loss*organ"],
        ],
        "Doses": [
            ["route", "ligand", "into", "bioavailability", "lag (h)"],
            ["oral", "pentixather", "blood", "fraction", "lag"],
        ],
        "Observables": [["observable", "formula"], ["organ", "blood/10 + organ"]],
        "Radioactive daughters": [
            ["daughter", "where its parent decays"],
            ["Bi-213", "stays in the compartment"],
        ],
    }


@pytest.mark.parametrize("number", [0.3, 3, np.float32(0.5), sympy.Rational(1, 4)])
def test_the_source_of_a_plain_number_is_not_stated(number: float) -> None:
    rows = tables(supplement(MODEL, {**VALUES, "loss": number}))["Parameters"]
    assert rows[2] == ["loss", "1/h", f"{float(number):g}", "", "not stated"]


def test_columns_that_would_be_empty_are_left_out() -> None:
    found = tables(supplement(MODEL))
    assert found["Parameters"][0] == ["parameter", "unit"]
    assert found["Amounts"][0] == ["amount", "ligand", "unit", "start"]


def test_equations_are_blocks_of_latex_and_what_follows_is_said() -> None:
    text = supplement(FIFTEEN)
    blocks = re.findall(r"\$\$\n(.*?)\n\$\$", text, re.DOTALL)
    assert [block.count("&=") for block in blocks] == [
        len(FIFTEEN.amounts),
        len(FIFTEEN.reactions),
        len(FIFTEEN.start),
    ]
    for block in blocks:
        assert block.startswith("\\begin{aligned}\n")
        assert block.endswith("\n\\end{aligned}")
        assert block.count("\\\\\n") == block.count("&=") + block.count("&\\quad") - 1
    assert "- AMD3100: destroyed by blocker_elimination" in text
    closed = replace(MODEL, reactions=MODEL.reactions[:1])
    assert "- conserved in total: `blood + organ`" in supplement(closed)
    assert "- linear in every amount" in supplement(closed)


def test_assumptions_come_first_without_their_indentation() -> None:
    text = supplement(MODEL, assumptions="One organ.\n\n    - it is small\n    ")
    assert "## Assumptions\n\nOne organ.\n\n- it is small\n\nTime is in h." in text


@pytest.mark.parametrize(
    ("values", "meanings", "message"),
    [
        ({"uptak": VALUES["uptake"]}, {}, "'uptak', which is no parameter .* 'uptake'"),
        ({"lag": VALUES["uptake"]}, {}, "'lag' is in 1/h, the parameter in h: convert"),
        (
            {"lag": "0.5"},
            {},
            r"of 'lag' is '0.5' \(str\): write a Value, a Prior or a n",
        ),
        ({"lag": None}, {}, r"value of 'lag' is None \(NoneType\): write a Value"),
        ({"lag": True}, {}, r"value of 'lag' is True \(bool\): write a Value"),
        ({"lag": math.nan}, {}, "value of 'lag' is nan, which is not finite: write"),
        (
            [0.5],
            {},
            r"the mapping of values is \[0.5\] \(list\): write {'uptake': 0.1}",
        ),
        ({}, {"bloood": "?"}, "'bloood', which is not in model .* 'blood'"),
    ],
)
def test_what_belongs_to_nothing_is_refused(
    values: dict, meanings: dict, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        supplement(MODEL, values, meanings=meanings)


def test_the_library_s_model_has_a_supplement() -> None:
    model = organ_exchange.model(("kidney", "liver"))
    text = supplement(model, assumptions=organ_exchange.__doc__ or "")
    assert "Siegel et al., MIRD pamphlet 16" in text
    assert len(tables(text)["Parameters"]) == 1 + len(model.parameters)
