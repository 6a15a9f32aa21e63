"""Merging models: what joins, what collides and what the message says."""

import re
from dataclasses import replace
from typing import Any

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from pbpk12_model import model as pbpk12

from pkmodels.composition import merge
from pkmodels.definition import Fate, Model, derivatives
from pkmodels.errors import ModelError
from pkmodels.reactions import flow
from pkmodels.routes import Route
from pkmodels.symbols import Amount, Input, Parameter, amounts, parameters

PLASMA, KIDNEY, LIVER, URINE = amounts("plasma kidney liver urine", unit="nmol")
RIVAL, RIVAL_URINE = amounts("rival rival_urine", unit="nmol", ligand="rival")
IN_MBQ = Amount("plasma", "MBq")
UPTAKE, WASHOUT, HEPATIC = parameters("uptake washout hepatic", unit="1/h")
(SITES,) = parameters("sites", unit="nmol")
(LAG,) = parameters("lag", unit="h")
ACIDS = Input("acids", "1", 0.0)

RENAL = Model(
    "renal",
    (
        flow("filtration", PLASMA, KIDNEY, UPTAKE * PLASMA),
        flow("washout", KIDNEY, URINE, WASHOUT * KIDNEY),
    ),
    {"intravenous": PLASMA},
    {"kidney": KIDNEY},
    start={PLASMA: SITES},
    daughters={"Bi-213": Fate.IN_PLACE},
)
HEPATIC_MODEL = Model(
    "hepatic",
    (flow("hepatic", PLASMA, LIVER, HEPATIC * PLASMA),),
    {"intravenous": PLASMA, "oral": Route(LIVER, lag_h=LAG)},
    {"liver": LIVER},
)

ALL = ("uptake", "washout", "sites")


def changed(model: Model, **changes: Any) -> Model:
    return replace(model, **({"name": "changed"} | changes))


def test_models_meet_in_the_compartment_that_they_share() -> None:
    both = merge("both", RENAL, HEPATIC_MODEL)
    assert derivatives(both) == {
        PLASMA: -UPTAKE * PLASMA - HEPATIC * PLASMA,
        KIDNEY: UPTAKE * PLASMA - WASHOUT * KIDNEY,
        URINE: WASHOUT * KIDNEY,
        LIVER: HEPATIC * PLASMA,
    }
    assert both.name == "both"
    assert both.routes == HEPATIC_MODEL.routes
    assert both.observables == {"kidney": KIDNEY, "liver": LIVER}
    assert both.start == {PLASMA: SITES}
    assert both.daughters == {"Bi-213": Fate.IN_PLACE}


@given(st.lists(st.sampled_from("abc"), min_size=12, max_size=12))
def test_a_model_taken_apart_merges_to_itself(parts: list[str]) -> None:
    whole = pbpk12()
    assert len(whole.reactions) == len(parts)
    pieces = [piece(whole, part, parts) for part in sorted(set(parts))]
    counted = [p.name for one in pieces for p in one.parameters]
    shared = {name for name in counted if counted.count(name) > 1}
    merged = merge("whole", *pieces, shared=shared)
    assert {r.name: r for r in merged.reactions} == {r.name: r for r in whole.reactions}
    ours, expected = derivatives(merged), derivatives(whole)
    assert all(sympy.expand(ours[a] - expected[a]) == 0 for a in whole.amounts)


def piece(whole: Model, part: str, parts: list[str]) -> Model:
    """The reactions that are in this part, all of whose amounts are there before."""
    found = tuple(r for r, p in zip(whole.reactions, parts, strict=True) if p == part)
    sides = [side for r in found for side in (*r.reactants, *r.products)]
    return Model(part, found, {}, {}, start={amount: SITES for amount, _ in sides})


def test_what_two_models_define_alike_is_there_once() -> None:
    again = changed(RENAL, daughters={"Bi-213": Fate.IN_PLACE, "Tl-209": Fate.IN_PLACE})
    both = merge("both", RENAL, again, shared=("uptake", "washout", "sites"))
    assert both.reactions == RENAL.reactions
    assert both.observables == RENAL.observables
    assert both.daughters == again.daughters


def test_a_route_may_give_several_ligands() -> None:
    rival = Model(
        "rival",
        (flow("rival_loss", RIVAL, RIVAL_URINE, HEPATIC * RIVAL),),
        {"intravenous": Route(RIVAL, lag_h=LAG)},
        {},
    )
    both = merge("both", RENAL, rival)
    assert both.routes == {"intravenous": (PLASMA, Route(RIVAL, lag_h=LAG))}
    assert both.route("intravenous", "rival").lag_h == LAG
    assert merge("three", both, HEPATIC_MODEL, shared=("hepatic", "lag")).routes == {
        "intravenous": (PLASMA, Route(RIVAL, lag_h=LAG)),
        "oral": Route(LIVER, lag_h=LAG),
    }


def test_daughters_released_from_each_amount_join() -> None:
    first = changed(RENAL, name="first", daughters={"Fr-221": {PLASMA: URINE}})
    second = changed(HEPATIC_MODEL, daughters={"Fr-221": {LIVER: PLASMA}})
    both = merge("both", first, second)
    assert both.daughters == {"Fr-221": {PLASMA: URINE, LIVER: PLASMA}}
    other = changed(first, daughters={"Bi-213": {KIDNEY: URINE}})
    chain = merge("chain", first, other, shared=ALL)
    assert chain.daughters == {"Fr-221": {PLASMA: URINE}, "Bi-213": {KIDNEY: URINE}}
    third = changed(HEPATIC_MODEL, daughters={"Fr-221": {PLASMA: LIVER}})
    with pytest.raises(ModelError, match="where plasma releases daughter 'Fr-221' is"):
        merge("both", first, third)
    fourth = changed(HEPATIC_MODEL, daughters={"Fr-221": Fate.WITH_LIGAND})
    with pytest.raises(ModelError, match="the fate of daughter 'Fr-221' is"):
        merge("both", first, fourth)


@pytest.mark.parametrize(
    ("other", "shared", "message"),
    [
        (
            changed(RENAL),
            ("washout", "sites"),
            "merging into 'both': 'uptake', a parameter in 1/h, is in model 'renal' "
            "and in model 'changed': list it in shared=('uptake',) if it is one "
            "quantity, or rename one with renamed(..., {'uptake': ...})",
        ),
        (
            changed(
                RENAL,
                reactions=(flow("filtration", PLASMA, URINE, UPTAKE * PLASMA),),
                observables={},
            ),
            ("uptake", "sites"),
            "reaction 'filtration' is (filtration: plasma -> kidney, rate "
            "plasma*uptake) in model 'renal' and (filtration: plasma -> urine, rate "
            "plasma*uptake) in model 'changed': define it alike in both, leave it out "
            "of one, or give one another name with renamed()",
        ),
        (
            changed(RENAL, observables={"kidney": KIDNEY + URINE}),
            ALL,
            "observable 'kidney' is (kidney) in model 'renal' and (kidney + urine) in "
            "model 'changed'",
        ),
        (
            changed(RENAL, start={PLASMA: 2 * SITES}),
            ALL,
            "the start of plasma is (sites) in model 'renal' and (2*sites) in model "
            "'changed'",
        ),
        (
            changed(RENAL, routes={"intravenous": KIDNEY}),
            ALL,
            "route 'intravenous' for ligand is",
        ),
        (
            changed(RENAL, daughters={"Bi-213": Fate.WITH_LIGAND}),
            ALL,
            "the fate of daughter 'Bi-213' is (stays in the compartment) in model "
            "'renal' and (stays with the ligand) in model 'changed'",
        ),
        (
            Model(
                "activity",
                (flow("loss", IN_MBQ, None, HEPATIC * IN_MBQ),),
                {"intravenous": IN_MBQ},
                {},
            ),
            (),
            "'plasma' is an amount of ligand in nmol in model 'renal' and an amount of "
            "ligand in MBq in model 'activity': define it alike, or rename one",
        ),
        (
            Model(
                "odd",
                (flow("loss", LIVER, None, Parameter("kidney", "1/h") * LIVER),),
                {"oral": LIVER},
                {},
            ),
            (),
            "'kidney' is an amount of ligand in nmol in model 'renal' and a parameter "
            "in 1/h in model 'odd'",
        ),
        (
            HEPATIC_MODEL,
            ("uptak",),
            "merging into 'both': shared names 'uptak', which is not in two of the "
            "models",
        ),
        (HEPATIC_MODEL, ("plasm",), "did you mean 'plasma'?"),
        (
            HEPATIC_MODEL,
            "plasma",
            "shared='plasma' is one text: write shared=('plasma',)",
        ),
        (
            changed(RENAL, name="renal"),
            (),
            "is in model 'renal' (number 1) and in model 'renal' (number 2)",
        ),
    ],
)
def test_a_collision_names_the_thing_both_models_and_the_remedy(
    other: Model, shared: Any, message: str
) -> None:
    with pytest.raises(ModelError, match=re.escape(message)):
        merge("both", RENAL, other, shared=shared)


def test_an_input_of_two_models_must_be_shared_and_alike() -> None:
    def blocked(name: str, acids: Input) -> Model:
        rate = UPTAKE * (1 - acids) * PLASMA
        return Model(name, (flow("loss", PLASMA, None, rate),), {"iv": PLASMA}, {})

    one, two = blocked("one", ACIDS), blocked("two", ACIDS)
    assert merge("both", one, two, shared=("uptake", "acids")).inputs == (ACIDS,)
    with pytest.raises(ModelError, match="'acids', an input in 1, otherwise 0, is in"):
        merge("both", one, two, shared=("uptake",))
    with pytest.raises(ModelError, match="otherwise 1 in model 'two': define it alike"):
        merge("both", one, blocked("two", Input("acids", "1", 1.0)), shared=("uptake",))


def test_merging_nothing_is_refused_and_one_is_itself() -> None:
    with pytest.raises(ModelError, match="merging into 'none': there is no model"):
        merge("none")
    assert merge("renal", RENAL) == RENAL
