"""The commonest slips of the pen: each is named, with what to write instead."""

import pytest
from test_pitfalls import CORE, OUT, TIMES, P, R, binder, dose

from pkmodels.administrations import Administration
from pkmodels.definition import Fate, Model
from pkmodels.errors import InputError, ModelError
from pkmodels.reactions import Reaction
from pkmodels.schedule import Schedule
from pkmodels.system import assemble
from pkmodels.trajectory import simulate


def slip(*parts: object, **more: object) -> Model:
    return Model("m", *parts, **more)  # pyright: ignore


FREED = {"Bi-213": {P: R}}
SLIPS = {
    "with a star before a block": lambda: slip((CORE,), {"iv": P}, {}),
    "reactions of model 'm' is Rea": lambda: slip(CORE[0], {"iv": P}, {}),
    "route 'iv' of model 'm' is 'P'": lambda: slip(CORE, {"iv": "P"}, {}),
    "'x' of model 'm' is 'P'": lambda: slip(CORE, {"iv": P}, {"x": "P"}),
    "a start of model 'm' is": lambda: slip(CORE, {"iv": P}, {}, {"R": 1}),
    "did you mean 'Bi-213'": lambda: slip(
        CORE, {"iv": P}, {}, daughters={"Bi213": Fate.IN_PLACE}
    ),
    "write Fate.WITH": lambda: slip(CORE, {"iv": P}, {}, daughters={"Bi-213": "x"}),
    "set free in R": lambda: slip(CORE, {"iv": P}, {}, daughters=FREED),
    "write a tuple, (one,) for one": lambda: Schedule(
        dose()  # pyright: ignore[reportArgumentType]
    ),
    "an entry of resets_h is 'x'": lambda: Schedule(
        (dose(),),
        (),
        (24.0, "x"),  # pyright: ignore[reportArgumentType]
    ),
    "write SteadyState(interval_h)": lambda: dose(steady_state=24.0),
    "label of an administration of x": lambda: Administration(
        0.0,
        0.0,
        "x",
        200.0,  # pyright: ignore[reportArgumentType]
    ),
    "assemble(model, schedule.form)": lambda: assemble(
        binder(),
        Schedule((dose(),)),  # pyright: ignore[reportArgumentType]
    ),
    "the system is Model(": lambda: simulate(
        binder(),  # pyright: ignore[reportArgumentType]
        {},
        Schedule(()),
        TIMES,
    ),
    "as a pair of an amount and how many": lambda: Reaction(
        "r",
        (P,),  # pyright: ignore[reportArgumentType]
        (),
        OUT * P,
    ),
}


@pytest.mark.parametrize("said", SLIPS)
def test_the_commonest_slips_are_named(said: str) -> None:
    with pytest.raises((InputError, ModelError)) as error:
        SLIPS[said]()
    assert said in str(error.value)
