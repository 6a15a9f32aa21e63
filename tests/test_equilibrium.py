"""Steady states, against closed forms, another solver and their own equations."""

from typing import Any

import numpy as np
import pytest
import sympy
from classic_networks import (
    BACK,
    BINDING,
    BOUND,
    FASTEST,
    GIVEN,
    HALF,
    IN,
    LIGAND,
    LOSS,
    MADE,
    OFF,
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
from scipy.integrate import solve_ivp
from sympy import ZZ
from sympy.polys.rings import ring

from pkmodels.analysis.elimination import solve_polynomials
from pkmodels.analysis.equilibrium import SteadyStates, steady_states
from pkmodels.analysis.polynomials import Setting
from pkmodels.definition import derivatives
from pkmodels.reactions import Reaction, flow
from pkmodels.symbols import Amount, Input, Parameter, amounts, parameters


def only_state(found: SteadyStates) -> dict[str, sympy.Expr]:
    assert found.complete, found.reason
    (state,) = found.states
    return {str(amount): value for amount, value in state.values.items()}


def same(first: sympy.Expr, second: sympy.Expr) -> bool:
    return sympy.simplify(first - second) == 0


def totals_of(found: SteadyStates) -> dict[str, Parameter]:
    return {str(total): symbol for symbol, total in found.totals.items()}


def test_turnover_settles_at_synthesis_over_degradation():
    model = model_of(*TURNOVER)
    assert only_state(steady_states(model)) == {
        "free": 0,
        "receptor": MADE / LOSS,
        "bound": 0,
    }


def test_closed_binding_settles_at_the_root_of_its_quadratic():
    found = steady_states(model_of(*BINDING))
    totals = totals_of(found)
    ligand, receptor = totals["bound + free"], totals["bound + receptor"]
    # The smaller root of on (L - b)(R - b) = off b.
    middle = ligand + receptor + OFF / ON
    bound = (middle - sympy.sqrt(middle**2 - 4 * ligand * receptor)) / 2
    values = only_state(found)
    expected = {"bound": bound, "free": ligand - bound, "receptor": receptor - bound}
    generator = np.random.default_rng(1)
    for _ in range(3):
        numbers: Any = {
            symbol: sympy.Rational(int(generator.integers(1, 99)), 7)
            for symbol in (ON, OFF, ligand, receptor)
        }
        for name, value in expected.items():
            assert abs((values[name] - value).subs(numbers).n(40)) < 1e-30
    assert found.states[0].where == ()


def test_what_is_too_long_to_read_is_described_and_still_held():
    secretion = flow("secretion", None, LIGAND, GIVEN)
    found = steady_states(model_of(*BINDING))
    values = {a: str(e) for a, e in found.states[0].values.items()}
    size = sum(map(len, values.values()))
    assert size > 500
    assert str(found.states[0]) == (
        f"{', '.join(map(str, values))} = roots of a quadratic ({size:,} characters; "
        "steady_states(model).states holds them)"
    )
    # A state that is short enough is printed whole, however many amounts it has.
    assert "characters" not in str(steady_states(model_of(*RECYCLING)))
    assert (
        max(map(len, str(steady_states(model_of(*TURNOVER, secretion))).split("\n")))
        < 301
    )


def test_an_enzyme_uses_up_its_substrate():
    found = steady_states(michaelis_menten())
    totals = totals_of(found)
    assert only_state(found) == {
        "enzyme": totals["complexed + enzyme"],
        "substrate": 0,
        "complexed": 0,
        "made": totals["complexed + made + substrate"],
    }


def test_recycling_returns_every_receptor():
    found = steady_states(model_of(*RECYCLING))
    values = only_state(found)
    assert values["receptor"] == totals_of(found)["bound + inside + receptor"]
    assert values["free"] == values["bound"] == values["inside"] == 0


def test_prey_and_predator_die_out_or_balance():
    found = steady_states(prey_and_predator())
    states = {tuple(state.values.values()) for state in found.states}
    assert states == {(0, 0), (OUT / ON, IN / ON)}


def test_a_closed_chain_settles_by_detailed_balance():
    first, second, third = amounts("first second third", unit="nmol")
    forth = parameters("k12 k23", unit="1/h")
    back = parameters("k21 k32", unit="1/h")
    found = steady_states(
        model_of(
            flow("a", first, second, forth[0] * first),
            flow("b", second, first, back[0] * second),
            flow("c", second, third, forth[1] * second),
            flow("d", third, second, back[1] * third),
        )
    )
    (total,) = found.totals
    share = 1 + forth[0] / back[0] + forth[0] * forth[1] / (back[0] * back[1])
    values = only_state(found)
    assert same(values["first"], total / share)
    assert same(values["third"], values["second"] * forth[1] / back[1])
    assert same(values["second"], values["first"] * forth[0] / back[0])


def test_an_open_chain_with_an_infusion():
    first, second = amounts("first second", unit="nmol")
    found = steady_states(
        model_of(
            flow("infusion", None, first, GIVEN),
            flow("there", first, second, IN * first),
            flow("back", second, first, BACK * second),
            flow("out", first, None, OUT * first),
        )
    )
    values = only_state(found)
    assert same(values["first"], GIVEN / OUT)
    assert same(values["second"], GIVEN * IN / (OUT * BACK))


def test_a_sink_of_an_open_model_is_undetermined():
    found = steady_states(
        model_of(
            flow("excretion", LIGAND, URINE, OUT * LIGAND),
            flow("breakdown", LIGAND, None, LOSS * LIGAND),
        )
    )
    (state,) = found.states
    assert state.undetermined == (URINE,)
    assert str(found) == "free = 0; any urine"


def test_saturable_elimination_settles_only_below_its_maximum():
    found = steady_states(
        model_of(
            flow("infusion", None, LIGAND, GIVEN),
            flow("elimination", LIGAND, None, FASTEST * LIGAND / (HALF + LIGAND)),
        )
    )
    (state,) = found.states
    assert same(state.values[LIGAND], GIVEN * HALF / (FASTEST - GIVEN))
    (condition,) = state.where
    numbers = {HALF: 1, FASTEST: 2}
    assert (
        condition.subs({**numbers, GIVEN: 1})
        > 0
        > condition.subs({**numbers, GIVEN: 3})
    )


def test_the_negative_root_is_left_out():
    found = steady_states(
        model_of(
            flow("infusion", None, LIGAND, GIVEN),
            Reaction("growth", ((LIGAND, 1),), ((LIGAND, 2),), IN * LIGAND),
            flow("crowding", LIGAND, None, ON * LIGAND**2),
        )
    )
    root = sympy.sqrt(IN**2 + 4 * ON * GIVEN)
    assert same(only_state(found)["free"], (IN + root) / (2 * ON))
    assert found.states[0].where == ()


def test_nothing_settles_where_something_enters_and_nothing_leaves():
    found = steady_states(model_of(flow("synthesis", None, LIGAND, MADE)))
    assert found.complete
    assert found.states == ()
    assert str(found) == "none: the equations contradict each other"


def test_pairs_that_leave_exhaust_one_or_the_other():
    loss = Reaction("loss", ((LIGAND, 1), (RECEPTOR, 1)), (), ON * LIGAND * RECEPTOR)
    found = steady_states(model_of(loss))
    (difference,) = found.totals
    assert {(s.values[LIGAND], s.values[RECEPTOR], s.where) for s in found.states} == {
        (difference, 0, (difference,)),
        (0, -difference, (-difference,)),
    }


def test_infection_dies_out_or_becomes_endemic():
    # Susceptible and infected with turnover: endemic where made on > loss (loss + out).
    healthy, ill = Amount("healthy", "nmol", "a"), Amount("ill", "nmol", "b")
    found = steady_states(
        model_of(
            flow("birth", None, healthy, MADE),
            Reaction(
                "infection", ((healthy, 1), (ill, 1)), ((ill, 2),), ON * healthy * ill
            ),
            flow("death", healthy, None, LOSS * healthy),
            flow("death_ill", ill, None, (LOSS + OUT) * ill),
        )
    )
    free, endemic = sorted(found.states, key=lambda state: len(state.where))
    assert dict(free.values) == {healthy: MADE / LOSS, ill: 0}
    assert same(endemic.values[healthy], (LOSS + OUT) / ON)
    assert same(endemic.values[ill], MADE / (LOSS + OUT) - LOSS / ON)
    assert endemic.where == (endemic.values[ill],)


@pytest.mark.parametrize("seed", range(3))
def test_a_ligand_made_in_the_body_settles_where_integration_ends(seed):
    model = model_of(*TURNOVER, flow("secretion", None, LIGAND, GIVEN))
    values = only_state(steady_states(model))
    generator = np.random.default_rng(seed)
    numbers: Any = {p: float(generator.uniform(0.3, 3.0)) for p in model.parameters}
    rates = [rate.subs(numbers) for rate in derivatives(model).values()]
    right_hand_side = sympy.lambdify([model.amounts], rates)
    ended = solve_ivp(
        lambda _, x: right_hand_side(x),
        (0, 400),
        np.ones(3),
        "LSODA",
        rtol=1e-10,
        atol=1e-12,
    )
    expected = [float(values[str(a)].subs(numbers)) for a in model.amounts]
    np.testing.assert_allclose(ended.y[:, -1], expected, rtol=1e-6)


def test_competition_for_one_receptor_needs_a_cubic_and_says_so():
    # Wang ZX, FEBS Lett 1995;360:111-114: the exact solution is a root of a cubic.
    other, other_bound = amounts("other other_bound", unit="nmol", ligand="rival")
    pair = ((other, 1), (RECEPTOR, 1))
    (on, off) = Parameter("other_on", "1/(nmol h)"), Parameter("other_off", "1/h")
    found = steady_states(
        model_of(
            *BINDING,
            Reaction("rival", pair, ((other_bound, 1),), on * other * RECEPTOR),
            Reaction("part", ((other_bound, 1),), pair, off * other_bound),
        )
    )
    assert not found.complete
    assert found.states == ()
    assert "degree 3" in found.reason


def test_a_search_without_end_is_given_up():
    found = steady_states(sixty_states())
    assert found.reason == "its equations grow too large to eliminate"
    assert str(found).startswith("not found: ")


def test_a_rate_that_is_no_polynomial_is_named():
    strange = flow("strange", LIGAND, None, FASTEST * (1 - sympy.exp(-LIGAND / HALF)))
    found = steady_states(model_of(strange))
    assert found.reason == "the rate of 'strange' is no ratio of polynomials"


def test_powers_and_logarithms_of_parameters_are_kept():
    mass, half_life = Parameter("mass", "1"), Parameter("half_life", "h")
    found = steady_states(
        model_of(
            flow("infusion", None, LIGAND, GIVEN * mass),
            flow("clearance", LIGAND, BOUND, OUT * mass**0.75 * LIGAND),
            flow("decay", BOUND, None, sympy.log(2) / half_life * BOUND),
        )
    )
    values = only_state(found)
    assert same(values["free"], GIVEN * mass ** sympy.Rational(1, 4) / OUT)
    assert same(values["bound"], GIVEN * mass * half_life / sympy.log(2))


def test_functions_that_may_be_related_are_not_taken_for_independent():
    # exp(2 a) - exp(a)^2 is 0, which polynomials in two symbols would not show.
    rate = sympy.exp(2 * HALF) - sympy.exp(HALF)
    found = steady_states(model_of(flow("loss", LIGAND, None, rate * LIGAND)))
    assert "half inside and outside" in found.reason


def test_an_input_is_at_rest():
    blocked = Input("blocked", "1", 0.25)
    found = steady_states(
        model_of(
            flow("infusion", None, LIGAND, GIVEN),
            flow("loss", LIGAND, None, OUT * (1 - blocked) * LIGAND),
        )
    )
    assert same(only_state(found)["free"], 4 * GIVEN / (3 * OUT))


@given(networks())
def test_what_is_found_is_steady_and_keeps_the_totals(drawn):
    model, _ = drawn
    found = steady_states(model)
    numbers = {p: sympy.Integer(2 + i) for i, p in enumerate(model.parameters)}
    given = {t: sympy.Integer(5 + 3 * i) for i, t in enumerate(found.totals)}
    for state in found.states:
        free = dict.fromkeys(state.undetermined, sympy.Integer(1))
        at: Any = {
            a: e.subs({**numbers, **given, **free}).n(40)
            for a, e in state.values.items()
        }
        if any(e.subs({**numbers, **given, **free}) < 0 for e in state.where):
            continue
        assert all(value >= 0 for value in at.values())
        for rate in derivatives(model).values():
            assert abs(rate.subs(numbers).subs(at)) < 1e-25
        for symbol, total in found.totals.items():
            assert abs(total.subs(at) - given[symbol]) < 1e-25


def test_a_sum_of_one_sign_vanishes_only_term_by_term():
    polynomials, x, y, z, a, b = ring("x, y, z, a, b", ZZ)
    setting = Setting(polynomials, frozenset({0, 1, 2}))
    (branch,) = solve_polynomials([a * x + b * x * y + z], setting)
    assert {position: top for position, top, _ in branch.solved} == {0: 0, 2: 0}


def solved_positions(equations, polynomials) -> list[list[int]]:
    setting = Setting(polynomials, frozenset({0, 1, 2}))
    found = solve_polynomials(equations, setting)
    return sorted(sorted(i for i, _, _ in branch.solved) for branch in found)


def test_a_product_of_sums_makes_a_case_for_each():
    polynomials, x, y, _, a, b = ring("x, y, z, a, b", ZZ)
    assert solved_positions([(x - a) * (y - b)], polynomials) == [[0], [1]]


def test_a_coefficient_that_may_vanish_makes_a_case_of_its_own():
    # x = z^2/(y - a); or, where y = a, z = 0 and any x.
    polynomials, x, y, z, a, _ = ring("x, y, z, a, b", ZZ)
    assert solved_positions([x * (y - a) - z**2], polynomials) == [[0], [1, 2]]
