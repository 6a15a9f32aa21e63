"""Symbols, reactions, models and systems: what they mean and what they refuse."""

import pickle
from dataclasses import replace

import pytest
import sympy

from pkmodels.definition import Model, derivatives
from pkmodels.errors import ModelError, suggest
from pkmodels.models import organ_exchange
from pkmodels.reactions import Reaction, flow
from pkmodels.routes import Route
from pkmodels.schedule import ScheduleForm
from pkmodels.symbols import (
    Amount,
    Input,
    Parameter,
    amounts,
    inputs,
    parameters,
    receptors,
)
from pkmodels.system import assemble

PLASMA, BOUND, URINE = amounts("plasma bound urine", unit="nmol")
(RECEPTOR,) = receptors("receptor", unit="nmol")
ON = Parameter("on", "1/(nmol h)")
OFF, FILTERED = parameters("off filtered", unit="1/h")
(HALF,) = parameters("half", unit="nmol")
(AMINO_ACIDS,) = inputs("amino_acids", unit="1", otherwise=0.5)
BOLUS = ScheduleForm((("dotatate", "intravenous"),))
BOLUS_OF_KNOWN_AMOUNT = replace(BOLUS, amounts_known=True)

BINDING = Reaction(
    "binding", ((PLASMA, 1), (RECEPTOR, 1)), ((BOUND, 1),), ON * PLASMA * RECEPTOR
)


def linear_model(**changes: object) -> Model:
    fields = {
        "name": "filtration",
        "reactions": (flow("filtration", PLASMA, URINE, FILTERED * PLASMA),),
        "routes": {"intravenous": PLASMA},
        "observables": {"plasma": PLASMA},
    }
    return Model(**(fields | changes))  # pyright: ignore[reportArgumentType]


def test_name_unit_and_kind_make_a_symbol() -> None:
    assert Amount("kidney", "nmol") == Amount("kidney", "nmol")
    assert Amount("kidney", "nmol") != Amount("kidney", "MBq")
    assert Amount("kidney", "nmol") != Parameter("kidney", "nmol")
    assert len({Amount("kidney", "nmol"), Amount("kidney", "nmol")}) == 1


@pytest.mark.parametrize("symbol", [PLASMA, RECEPTOR, OFF, AMINO_ACIDS])
def test_a_symbol_survives_pickling_with_its_unit(
    symbol: Amount | Parameter | Input,
) -> None:
    again = pickle.loads(pickle.dumps(symbol))
    assert (again, again.unit, type(again)) == (symbol, symbol.unit, type(symbol))
    assert again.is_nonnegative


@pytest.mark.parametrize("name", ["left kidney", "2nd", "a-b", ""])
def test_a_name_that_is_no_identifier_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match="is not an identifier: use letters"):
        Amount(name, "nmol")


def test_a_reaction_prints_as_chemistry() -> None:
    assert str(BINDING) == (
        "binding: plasma + receptor -> bound, rate plasma*receptor*on"
    )
    assert str(flow("loss", PLASMA, None, OFF * PLASMA)).startswith(
        "loss: plasma -> outside, rate "
    )
    pair = Reaction("dimer", ((PLASMA, 2),), ((BOUND, 1),), ON * PLASMA**2)
    assert str(pair) == "dimer: 2 plasma -> bound, rate plasma**2*on"


def test_reactions_refuse_what_means_nothing() -> None:
    with pytest.raises(ModelError, match="'idle' moves nothing"):
        flow("idle", None, None, OFF * PLASMA)
    with pytest.raises(ModelError, match="stoichiometry of plasma is 0"):
        Reaction("none", ((PLASMA, 0),), ((BOUND, 1),), OFF * PLASMA)
    with pytest.raises(ModelError, match="x in the rate is not an amount, a par"):
        flow("foreign", PLASMA, None, sympy.Symbol("x") * PLASMA)


def test_derivatives_are_products_less_reactants() -> None:
    rate = ON * PLASMA**2
    model = linear_model(
        reactions=(
            Reaction("dimer", ((PLASMA, 2),), ((BOUND, 3),), rate),
            flow("filtration", PLASMA, URINE, FILTERED * PLASMA),
        )
    )
    assert derivatives(model) == {
        PLASMA: -2 * rate - FILTERED * PLASMA,
        BOUND: 3 * rate,
        URINE: FILTERED * PLASMA,
    }


def test_what_flows_between_amounts_is_conserved() -> None:
    closed = linear_model(
        reactions=(
            flow("bind", PLASMA, BOUND, ON * PLASMA * RECEPTOR),
            flow("release", BOUND, PLASMA, OFF * BOUND),
            flow("filtration", PLASMA, URINE, FILTERED * PLASMA),
        ),
        start={RECEPTOR: Parameter("sites", "nmol")},
    )
    assert sympy.expand(sum(derivatives(closed).values())) == 0
    # The receptor enters a rate only, so that it is an amount of its own.
    assert RECEPTOR in closed.amounts
    assert derivatives(closed)[RECEPTOR] == 0


def test_symbols_are_listed_in_order_of_appearance() -> None:
    model = organ_exchange.model(("kidney", "liver"))
    assert [str(a) for a in model.amounts] == ["blood", "kidney", "liver"]
    assert [str(p) for p in model.parameters] == [
        "blood_half_time",
        "fraction_kidney",
        "biological_half_life_kidney",
        "fraction_liver",
        "biological_half_life_liver",
    ]


def test_models_refuse_what_is_ambiguous_or_unknown() -> None:
    twice = flow("filtration", PLASMA, None, FILTERED * PLASMA)
    with pytest.raises(ModelError, match="reaction name 'filtration' stands for two"):
        linear_model(reactions=(twice, twice))
    other_unit = Amount("plasma", "MBq")
    with pytest.raises(
        ModelError,
        match="'plasma' is defined twice, as an amount of ligand in nmol and",
    ):
        linear_model(
            reactions=(twice, flow("other", other_unit, None, OFF * other_unit))
        )
    with pytest.raises(ModelError, match="'filtration' has no route for a dose"):
        linear_model(routes={})
    with pytest.raises(ModelError, match="route 'oral' uses bound, which is in no"):
        linear_model(routes={"oral": BOUND})
    with pytest.raises(ModelError, match="observable 'tumour' uses bound, which no"):
        linear_model(observables={"tumour": BOUND})


def test_a_model_prints_every_part() -> None:
    text = str(linear_model())
    assert text.splitlines() == [
        "model filtration",
        "  filtration: plasma -> urine, rate plasma*filtered",
        "  dose by intravenous -> plasma",
        "  observed plasma = plasma",
    ]


def test_organ_exchange_is_the_documented_system() -> None:
    """dB/dt = -k B (uptake and elimination together), dO/dt = f k B - w O."""
    system = assemble(organ_exchange.model(("kidney", "liver")), BOLUS)
    half_time, f1, b1, f2, b2 = system.parameters
    k, ln2 = sympy.log(2) / half_time, sympy.log(2)
    expected = sympy.Matrix(
        [[-k, 0, 0], [f1 * k, -ln2 / b1, 0], [f2 * k, 0, -ln2 / b2]]
    )
    assert system.matrix is not None
    assert sympy.simplify(system.matrix - expected) == sympy.zeros(3, 3)
    assert system.observation == sympy.Matrix([[0, 1, 0], [0, 0, 1]])
    assert system.observables == ("kidney", "liver")


def test_organ_exchange_refuses_regions_that_it_cannot_name() -> None:
    with pytest.raises(ModelError, match="at least one region"):
        organ_exchange.model(())
    with pytest.raises(ModelError, match="rename the region 'blood'"):
        organ_exchange.model(("blood",))
    with pytest.raises(ModelError, match="stands for two things"):
        organ_exchange.model(("kidney", "kidney"))


def test_a_linear_system_has_its_matrix() -> None:
    system = assemble(linear_model(), BOLUS)
    assert system.matrix == sympy.Matrix([[-FILTERED, 0], [FILTERED, 0]])
    assert system.observation == sympy.Matrix([[1, 0]])
    assert system.routes == (("ligand", "intravenous", Route(PLASMA)),)


@pytest.mark.parametrize(
    "rate",
    [
        ON * PLASMA**2,
        FILTERED * PLASMA * HALF / (PLASMA + HALF),
        FILTERED * sympy.sqrt(PLASMA * HALF),
    ],
)
def test_a_system_that_is_not_linear_has_no_matrix(rate: sympy.Expr) -> None:
    model = linear_model(reactions=(flow("a", PLASMA, BOUND, rate),))
    assert assemble(model, BOLUS_OF_KNOWN_AMOUNT).matrix is None


def test_a_system_that_is_not_homogeneous_has_no_matrix() -> None:
    produced = flow("production", None, BOUND, Parameter("produced", "nmol/h"))
    model = linear_model(reactions=(produced, flow("a", PLASMA, None, OFF * PLASMA)))
    assert assemble(model, BOLUS_OF_KNOWN_AMOUNT).matrix is None
    filled = linear_model(start={URINE: HALF})
    assert assemble(filled, BOLUS_OF_KNOWN_AMOUNT).matrix is None


def test_linearity_is_seen_through_what_cancels() -> None:
    rate = FILTERED * PLASMA * (PLASMA + HALF) / HALF - FILTERED * PLASMA**2 / HALF
    model = linear_model(reactions=(flow("a", PLASMA, BOUND, rate),))
    matrix = assemble(model, BOLUS).matrix
    assert matrix == sympy.Matrix([[-FILTERED, 0], [FILTERED, 0]])


def test_an_observable_that_is_not_linear_is_seen() -> None:
    model = linear_model(observables={"square": PLASMA**2})
    assert assemble(model, BOLUS).observation is None


def test_a_route_that_the_model_lacks_is_named() -> None:
    form = ScheduleForm((("dotatate", "intravenus"),))
    with pytest.raises(ModelError, match="no route 'intravenus' for dotatate: did"):
        assemble(linear_model(), form)


def test_suggestions_name_the_nearest_or_list_all() -> None:
    assert suggest("splen", ["liver", "spleen"]).startswith("did you mean 'spleen'?")
    assert suggest("zzz", ["liver", "spleen"]) == "known: liver, spleen"
    assert suggest("zzz", []) == "known: none"
