"""What a modeller reads when a model is wrong: each message by its text."""

import re
from contextlib import AbstractContextManager

import numpy as np
import pytest
import sympy

from pkmodels.administrations import Administration
from pkmodels.definition import Model
from pkmodels.errors import InputError, ModelError
from pkmodels.reactions import Reaction, flow
from pkmodels.routes import Route
from pkmodels.schedule import Schedule, Window
from pkmodels.symbols import (
    Amount,
    Parameter,
    amounts,
    inputs,
    parameters,
    receptors,
)
from pkmodels.system import assemble
from pkmodels.trajectory import simulate

PLASMA, KIDNEY, BOUND = amounts("plasma kidney bound", unit="nmol")
(RECEPTOR,) = receptors("receptor", unit="nmol")
UPTAKE, RELEASE = parameters("uptake release", unit="1/h")
CLEARANCE = Parameter("clearance", "L/h")
GIVEN = Schedule(
    (Administration(0.0, 0.0, "pentixather", "Lu-177", 200.0, ligand_nmol=56.0),)
)


def model(*reactions: Reaction, **changes: object) -> Model:
    fields = {
        "name": "m",
        "reactions": reactions or (flow("in", PLASMA, KIDNEY, UPTAKE * PLASMA),),
        "routes": {"intravenous": PLASMA},
        "observables": {"kidney": KIDNEY},
    }
    return Model(**(fields | changes))  # pyright: ignore[reportArgumentType]


def said(error: type[Exception], text: str) -> AbstractContextManager[object]:
    return pytest.raises(error, match="^" + re.escape(text) + "$")


def test_a_unit_that_does_not_fit_names_reaction_expected_and_found() -> None:
    wrong = model(flow("filtration", PLASMA, KIDNEY, CLEARANCE * PLASMA))
    with said(
        ModelError,
        "model 'm': reaction 'filtration': the rate plasma*clearance is in L nmol/h, "
        "expected nmol/h: divide it by a quantity in L (clearance is in L/h, plasma is "
        "in nmol)",
    ):
        assemble(wrong, GIVEN.form)
    with said(
        ModelError,
        "model 'm': observable 'kidney': kidney + clearance: kidney is in nmol, "
        "clearance is in L/h; multiply or divide one by a quantity in nmol h/L",
    ):
        assemble(model(observables={"kidney": KIDNEY + CLEARANCE}), GIVEN.form)
    volume = Amount("bladder", "L")
    with said(
        ModelError,
        "model 'm': reaction 'out' turns plasma (nmol) into bladder (L): give both one "
        "unit",
    ):
        assemble(
            model(flow("out", PLASMA, volume, UPTAKE * PLASMA), observables={}),
            GIVEN.form,
        )
    for field, found in (("lag_h", "the lag uptake is in 1/h, expected h"),):
        late = model(routes={"intravenous": Route(PLASMA, **{field: UPTAKE})})
        with pytest.raises(ModelError, match=f"route 'intravenous': {found}"):
            assemble(late, GIVEN.form)
    with pytest.raises(ModelError, match="the start of kidney, uptake is in 1/h, exp"):
        assemble(model(start={KIDNEY: UPTAKE}), GIVEN.form)


def test_a_unit_of_another_system_is_refused_with_the_conversion() -> None:
    with pytest.raises(ModelError, match=r"convert\(value, '1/min', '1/h'\) converts"):
        Parameter("uptake", "1/min")


def test_an_unknown_name_has_the_nearest_suggested() -> None:
    stray = Amount("kidny", "nmol")
    with said(
        ModelError,
        "model 'm': observable 'x' uses kidny, which no reaction changes: did you mean "
        "'kidney'? Known: plasma, kidney",
    ):
        model(observables={"x": stray})
    with said(
        ModelError,
        "model 'm' has no route 'intravenus' for pentixather: did you mean "
        "'intravenous'? Known: intravenous",
    ):
        other = Administration(0.0, 0.0, "pentixather", route="intravenus")
        assemble(model(), Schedule((other,)).form)


def test_a_reaction_out_of_an_empty_compartment() -> None:
    with said(
        ModelError,
        "reaction 'leak' takes plasma out of an empty compartment: its rate "
        "clearance does not vanish where plasma = 0; multiply it by plasma, or leave "
        "plasma out of the reactants",
    ):
        flow("leak", PLASMA, None, CLEARANCE)
    with said(
        ModelError,
        "model 'm': reaction 'washout' needs bound, a compartment that is always "
        "empty: no route, no reaction and no start fills it; say start={bound: ...} "
        "or what makes it",
    ):
        model(
            flow("in", PLASMA, KIDNEY, UPTAKE * PLASMA),
            flow("washout", BOUND, None, RELEASE * BOUND),
        )


def test_two_definitions_of_one_parameter() -> None:
    with said(
        ModelError,
        "model 'm': 'uptake' is defined twice, as a parameter in 1/h and as a "
        "parameter in L/h: give each its own name, or both one definition",
    ):
        other = Parameter("uptake", "L/h")
        model(
            flow("in", PLASMA, KIDNEY, UPTAKE * PLASMA),
            flow("out", KIDNEY, None, other * KIDNEY / Parameter("v", "L")),
        )
    with pytest.raises(ModelError, match="'off' is named twice in 'off on off'"):
        parameters("off on off", unit="1/h")


def test_an_observable_of_a_state_that_nothing_changes() -> None:
    with pytest.raises(
        ModelError, match="observable 'tumour' uses bound, which no reaction changes"
    ):
        model(observables={"tumour": BOUND})
    with pytest.raises(ModelError, match="observable 'x' uses y, which is not an amo"):
        model(observables={"x": sympy.Symbol("y")})


def test_an_administration_of_a_ligand_that_the_model_lacks() -> None:
    drug = Amount("drug", "nmol", "AMD3100")
    blocking = model(
        flow("loss", drug, None, UPTAKE * drug),
        routes={"intravenous": drug},
        observables={},
    )
    with said(
        ModelError,
        "model 'm' has no ligand 'pentixather': known: AMD3100; make amounts of it, "
        "amounts(..., ligand='pentixather'), and a route",
    ):
        assemble(blocking, GIVEN.form)


def test_an_activity_above_carrier_free() -> None:
    with said(
        InputError,
        "administration of pentixather with Y-90 at 0 h: 8000 MBq of Y-90 is more than "
        "4 nmol can carry: 7236 MBq with a label on every molecule (carrier-free, 1809 "
        "MBq/nmol): mend activity_MBq or ligand_nmol",
    ):
        Administration(0.0, 0.0, "pentixather", "Y-90", 8000.0, ligand_nmol=4.0)


def test_an_input_that_the_model_lacks() -> None:
    dose = GIVEN.administrations
    scheduled = Schedule(dose, (Window("blok", 0.0, 2.0, 1.0),))
    (block,) = inputs("block", unit="1", otherwise=0.0)
    gate = model(flow("in", PLASMA, KIDNEY, UPTAKE * (1 - block) * PLASMA))
    system = assemble(gate, scheduled.form)
    with pytest.raises(InputError, match=r"'blok'.*did you mean 'block'"):
        simulate(system, {"uptake": 0.1}, scheduled, np.ones(1))
    with pytest.raises(ModelError, match="input 'block': otherwise is -1; it must be"):
        inputs("block", unit="1", otherwise=-1)
    with pytest.raises(InputError, match="input 'block' has two values from 1 h"):
        Schedule((), (Window("block", 0.0, 2.0, 1.0), Window("block", 1.0, 3.0, 1.0)))
