"""Conserved totals and mass balance, against answers derived by hand."""

import time

import numpy as np
import pytest
import sympy
from classic_networks import (
    BINDING,
    IN,
    LIGAND,
    ON,
    OUT,
    RECEPTOR,
    RECYCLING,
    TURNOVER,
    URINE,
    michaelis_menten,
    model_of,
    networks,
    prey_and_predator,
    sixty_states,
)
from hypothesis import given

from pkmodels.analysis import conservation
from pkmodels.analysis.conservation import conserved_totals, mass_balance
from pkmodels.definition import Model, derivatives
from pkmodels.reactions import Reaction, flow
from pkmodels.symbols import Amount, amounts


def printed_totals(model: Model) -> set[str]:
    return {str(total) for total in conserved_totals(model)}


def test_receptor_is_conserved_through_internalization_and_recycling():
    assert printed_totals(model_of(*RECYCLING)) == {"bound + inside + receptor"}


def test_closed_binding_conserves_ligand_and_receptor():
    assert printed_totals(model_of(*BINDING)) == {"bound + free", "bound + receptor"}


def test_enzyme_and_substrate_totals_of_michaelis_and_menten():
    assert printed_totals(michaelis_menten()) == {
        "complexed + enzyme",
        "complexed + made + substrate",
    }


def test_plasma_bound_and_urine_are_one_total():
    excretion = flow("excretion", LIGAND, URINE, OUT * LIGAND)
    assert "bound + free + urine" in printed_totals(model_of(*BINDING, excretion))


def test_two_ligands_share_the_receptor_total():
    other, other_bound = amounts("other other_bound", unit="nmol", ligand="rival")
    pair = ((other, 1), (RECEPTOR, 1))
    rival = Reaction("rival", pair, ((other_bound, 1),), ON * other * RECEPTOR)
    assert printed_totals(model_of(*BINDING, rival)) == {
        "bound + free",
        "other + other_bound",
        "bound + other_bound + receptor",
    }


def test_a_dimer_counts_twice():
    single, double = amounts("single double", unit="nmol")
    pairing = Reaction("pairing", ((single, 2),), ((double, 1),), ON * single**2)
    assert printed_totals(model_of(pairing)) == {"2*double + single"}


def test_what_leaves_in_pairs_conserves_a_difference():
    loss = Reaction("loss", ((LIGAND, 1), (RECEPTOR, 1)), (), ON * LIGAND * RECEPTOR)
    assert printed_totals(model_of(loss)) == {"free - receptor"}


def test_of_more_totals_than_are_independent_the_shortest_are_given():
    # Also second + third + fifth, which is the sum of the others less one of them.
    a, b, c, d, e = amounts("first second third fourth fifth", unit="nmol")
    exchange = Reaction("exchange", ((a, 1), (b, 1)), ((c, 1), (d, 1)), ON * a * b)
    assert printed_totals(model_of(exchange, flow("rest", c, e, IN * c))) == {
        "first + fourth",
        "fourth + second",
        "fifth + first + third",
    }


def test_a_catalyst_is_a_total_of_its_own():
    breakdown = flow("breakdown", LIGAND, None, ON * LIGAND * RECEPTOR)
    model = model_of(breakdown, start={LIGAND: 1, RECEPTOR: 1})
    assert printed_totals(model) == {"receptor"}


def test_open_and_turning_over_models_conserve_nothing():
    assert conserved_totals(model_of(*TURNOVER)) == ()
    assert conserved_totals(prey_and_predator()) == ()


def coefficients(model: Model, totals: tuple[sympy.Expr, ...]) -> np.ndarray:
    parts = [total.as_coefficients_dict() for total in totals]
    rows = [[int(part[a]) for a in model.amounts] for part in parts]
    return np.array(rows, dtype=float).reshape(len(rows), len(model.amounts))


def stoichiometry(model: Model) -> np.ndarray:
    place = {amount: i for i, amount in enumerate(model.amounts)}
    matrix = np.zeros((len(place), len(model.reactions)))
    for column, reaction in enumerate(model.reactions):
        for amount, count in reaction.products:
            matrix[place[amount], column] += count
        for amount, count in reaction.reactants:
            matrix[place[amount], column] -= count
    return matrix


def check_totals(model: Model, totals: tuple[sympy.Expr, ...]) -> np.ndarray:
    rates = derivatives(model)
    for total in totals:
        change = sympy.Add(*(total.diff(a) * rate for a, rate in rates.items()))
        assert sympy.together(sympy.expand(change)) == 0
    basis = coefficients(model, totals)
    wanted = len(model.amounts) - np.linalg.matrix_rank(stoichiometry(model))
    assert len(totals) == wanted
    assert wanted == 0 or np.linalg.matrix_rank(basis) == wanted
    return basis


@given(networks())
def test_totals_are_conserved_complete_and_not_negative(drawn):
    model, weight = drawn
    basis = check_totals(model, conserved_totals(model))
    # What was built in is a combination of them; and since it is positive, a basis
    # of non-negative totals exists.
    both = np.vstack([basis, weight])
    assert np.linalg.matrix_rank(both) == len(basis)
    assert (basis >= 0).all()


@given(networks())
def test_totals_are_complete_where_the_search_is_given_up(drawn):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conservation, "SEARCH_LIMIT", -1)
        check_totals(drawn[0], conserved_totals(drawn[0]))


def test_sixty_states_take_less_than_a_second():
    model = sixty_states()
    started = time.perf_counter()
    totals = conserved_totals(model)
    assert time.perf_counter() - started < 1.0
    assert len(model.amounts) == 61
    assert len(totals) == 16
    assert {len(total.args) for total in totals} == {2, 46}


def test_mass_balance_of_turnover_names_every_reaction():
    ligand, rest = mass_balance(model_of(*TURNOVER))
    assert ligand.destroyed == ("internalization", "elimination")
    assert (ligand.created, ligand.exchanged, ligand.unequal) == ((), (), ())
    assert rest.ligand == ""
    assert (rest.created, rest.destroyed) == (("synthesis",), ("degradation",))
    assert rest.exchanged == ("binding", "release")


def test_binding_conserves_the_ligand():
    ligand, rest = mass_balance(model_of(*BINDING))
    assert ligand.conserved
    assert str(ligand) == "ligand: conserved by every reaction"
    assert not rest.conserved


def test_recycling_a_receptor_destroys_the_ligand_that_it_carried():
    ligand, rest = mass_balance(model_of(*RECYCLING))
    assert ligand.destroyed == ("recycling",)
    assert "recycling" in rest.exchanged


def test_two_in_one_out_does_not_balance():
    single, double = amounts("single double", unit="nmol")
    pairing = Reaction("pairing", ((single, 2),), ((double, 1),), ON * single**2)
    (ligand,) = mass_balance(model_of(pairing))
    assert ligand.unequal == ("pairing",)
    assert str(ligand) == "ligand: not balanced in pairing"


def test_one_ligand_turns_into_another():
    drug, metabolite = Amount("drug", "nmol", "drug"), Amount("made", "nmol", "product")
    first, second = mass_balance(model_of(flow("change", drug, metabolite, IN * drug)))
    assert first.exchanged == second.exchanged == ("change",)


def test_an_enzyme_that_is_given_back_takes_no_part():
    breakdown = Reaction(
        "breakdown",
        ((RECEPTOR, 1), (LIGAND, 1)),
        ((RECEPTOR, 1),),
        ON * RECEPTOR * LIGAND,
    )
    rest, ligand = sorted(mass_balance(model_of(breakdown)), key=lambda b: b.ligand)
    assert rest.conserved
    assert ligand.destroyed == ("breakdown",)


def test_prey_is_created_out_of_itself():
    prey, predator = mass_balance(prey_and_predator())
    assert (prey.unequal, prey.exchanged) == (("birth",), ("predation",))
    assert (predator.unequal, predator.destroyed) == (("predation",), ("death",))
