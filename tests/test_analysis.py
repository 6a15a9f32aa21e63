"""Linearity and usage of models that can be judged by hand."""

from classic_networks import (
    BACK,
    BINDING,
    BOUND,
    FASTEST,
    GIVEN,
    HALF,
    IN,
    INSIDE,
    LIGAND,
    LOSS,
    OFF,
    ON,
    OUT,
    RECEPTOR,
    RECYCLING,
    SITES,
    URINE,
    model_of,
)

from pkmodels.analysis.findings import analyse, linearity, usage
from pkmodels.reactions import Reaction, flow
from pkmodels.symbols import Amount, Parameter, receptors


def test_a_chain_is_linear_with_its_inflow_named():
    found = linearity(
        model_of(
            flow("infusion", None, LIGAND, GIVEN),
            flow("loss", LIGAND, None, OUT * LIGAND),
        )
    )
    assert found.linear
    assert found.constant_inflows == ("infusion",)
    assert str(found) == "linear in every amount\nconstant inflow by infusion"


def test_binding_is_linear_in_what_does_not_bind_and_in_the_ligand_alone():
    found = linearity(model_of(*RECYCLING))
    assert not found.linear
    assert found.nonlinear_reactions == ("binding",)
    assert set(found.linear_amounts) == {BOUND, INSIDE}
    assert found.tracer_ligands == ("ligand",)


def test_free_receptor_as_a_difference_is_not_linear_in_the_ligand():
    quick = flow("binding", LIGAND, BOUND, ON * LIGAND * (SITES - BOUND))
    found = linearity(model_of(quick))
    assert found.tracer_ligands == ()
    assert set(found.nonlinear_amounts) == {LIGAND, BOUND}


def test_saturation_is_not_linear_but_what_it_fills_is():
    rate = FASTEST * LIGAND / (HALF + LIGAND)
    found = linearity(model_of(flow("uptake", LIGAND, INSIDE, rate)))
    assert found.nonlinear_reactions == ("uptake",)
    assert found.linear_amounts == (INSIDE,)


def test_a_fraction_that_cancels_is_linear():
    rate = OUT * (LIGAND**2 + HALF * LIGAND) / (HALF + LIGAND)
    assert linearity(model_of(flow("loss", LIGAND, None, rate))).linear


def test_non_linear_parts_that_cancel_are_no_matter():
    there = flow("there", LIGAND, INSIDE, IN * LIGAND + ON * LIGAND * INSIDE)
    back = flow("back", INSIDE, LIGAND, ON * LIGAND * INSIDE)
    found = linearity(model_of(there, back))
    assert found.linear
    assert found.nonlinear_reactions == ()


def test_parameters_that_only_scale_what_is_seen_are_outside_the_rates():
    volume, lag = Parameter("volume", "L"), Parameter("lag", "h")
    found = usage(
        model_of(
            *BINDING,
            start={RECEPTOR: SITES},
            routes={"intravenous": LIGAND},
            observables={"blood": LIGAND / volume},
        )
    )
    assert found.outside_rates == (volume, SITES)
    assert found.without_effect == ()
    assert lag not in found.outside_rates


def test_what_happens_downstream_of_all_observables_has_no_effect():
    found = usage(
        model_of(
            flow("excretion", LIGAND, URINE, OUT * LIGAND),
            flow("voiding", URINE, None, LOSS * URINE),
            start={},
            routes={"intravenous": LIGAND},
            observables={"plasma": LIGAND},
        )
    )
    assert found.without_effect == (LOSS,)
    assert found.unobserved == (URINE,)
    assert found.sinks == ()


def test_a_conserved_observable_depends_on_no_rate():
    found = usage(
        model_of(
            *BINDING,
            start={RECEPTOR: SITES},
            routes={"intravenous": LIGAND},
            observables={"receptor": RECEPTOR + BOUND},
        )
    )
    assert set(found.without_effect) == {ON, OFF}


def test_a_product_of_amounts_depends_on_what_changes_either():
    found = usage(
        model_of(
            Reaction("growth", ((LIGAND, 1),), ((LIGAND, 2),), OUT * LIGAND),
            flow("loss", INSIDE, None, OUT * INSIDE),
            observables={"product": LIGAND * INSIDE},
        )
    )
    assert found.without_effect == ()


def test_amounts_behind_an_empty_one_are_unreachable():
    found = usage(
        model_of(
            *BINDING,
            flow("internalization", BOUND, INSIDE, IN * BOUND),
            flow("excretion", LIGAND, URINE, OUT * LIGAND),
            start={},
            routes={"intravenous": LIGAND},
            observables={"urine": URINE, "tumour": BOUND + INSIDE},
        )
    )
    assert set(found.unreachable) == {RECEPTOR, BOUND, INSIDE}
    assert {ON, OFF, IN} <= set(found.without_effect)
    assert found.sinks == (URINE,)


def test_what_needs_an_absent_enzyme_does_not_happen():
    enzyme, precursor = receptors("enzyme precursor", unit="nmol")
    found = usage(
        model_of(
            flow("conversion", LIGAND, INSIDE, ON * LIGAND * enzyme),
            flow("activation", precursor, enzyme, IN * precursor),
            flow("inactivation", enzyme, precursor, BACK * enzyme),
            start={},
            routes={"intravenous": LIGAND},
            observables={"inside": INSIDE},
        )
    )
    assert set(found.unreachable) == {enzyme, precursor, INSIDE}
    assert set(found.without_effect) == {ON, IN, BACK}


def test_a_daughter_fills_what_its_parent_reaches():
    daughter = Amount("daughter", "nmol")
    fields = {
        "start": {},
        "routes": {"intravenous": LIGAND},
        "daughters": {"Bi-213": {LIGAND: daughter}},
    }
    reactions = (
        flow("loss", LIGAND, None, OUT * LIGAND),
        flow("gone", daughter, None, LOSS * daughter),
    )
    assert usage(model_of(*reactions, **fields)).unreachable == ()


def test_the_analysis_prints_every_section():
    excretion = flow("excretion", LIGAND, URINE, OUT * LIGAND)
    model = model_of(*RECYCLING, excretion, observables={"tumour": BOUND + INSIDE})
    lines = str(analyse(model)).splitlines()
    assert lines[0] == "analysis of model made"
    assert "    bound + inside + receptor" in lines
    assert "    ligand: destroyed by recycling" in lines
    assert "    non-linear, by binding" in lines
    assert "    amounts that nothing empties: urine" in lines
    assert [line for line in lines if not line.startswith("    ")][1:] == [
        "  conserved totals",
        "  mass balance",
        "  steady states",
        "  linearity",
        "  usage",
    ]
