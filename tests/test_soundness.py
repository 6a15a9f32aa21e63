"""What no body can have is refused, and nothing else."""

import numpy as np
import pytest
from test_pitfalls import (
    CORE,
    K_OFF,
    K_ON,
    LUTETIUM,
    OUT,
    RATE,
    SITES,
    TIMES,
    VALUES,
    B,
    K,
    P,
    R,
    V,
    binder,
    dose,
    metabolizing,
    run,
)

from pkmodels.definition import Model
from pkmodels.errors import InputError, ModelError, SolveError
from pkmodels.models import organ_exchange
from pkmodels.models.blocks import filtration
from pkmodels.reactions import Reaction, flow
from pkmodels.routes import Route
from pkmodels.schedule import Schedule, Window
from pkmodels.symbols import Amount, Parameter, inputs
from pkmodels.system import assemble
from pkmodels.trajectory import simulate


def test_a_fraction_above_one_is_no_solution() -> None:
    fraction = Parameter("fraction", "1")
    (block,) = inputs("block", unit="1", otherwise=0.0)
    model = Model(
        "kidney",
        filtration(
            "kidney",
            P,
            K,
            None,
            volume=V,
            filtration_rate=Parameter("gfr", "L/h"),
            reabsorbed_fraction=fraction,
            block=block,
        ),
        {"intravenous": P},
        {"kidney": K},
    )
    values = {"V": 3.0, "gfr": 6.0, "fraction": 0.05}
    assert run(model, dose(), values=values).observables["kidney"][1] > 0.0
    with pytest.raises(SolveError, match="'kidney_excretion' of 'kidney' runs back"):
        run(model, dose(), values={**values, "fraction": 5.0})
    with pytest.raises(SolveError, match="'kidney_reabsorption' of 'kidney' runs"):
        run(model, dose(), values=values, windows=(Window("block", 0.0, 4.0, 50.0),))
    exchange = {
        "blood_half_time": 1.0,
        "fraction_kidney": 2.0,
        "biological_half_life_kidney": 60.0,
    }
    with pytest.raises(SolveError, match="'elimination' of 'organ_exchange' runs back"):
        run(organ_exchange.model(("kidney",)), dose(), values=exchange)
    less = Model("less", CORE, {"intravenous": P}, {}, {R: SITES - 2 * SITES})
    with pytest.raises(InputError, match="R of 'less' starts with -5 nmol"):
        run(less, dose())


def test_a_reaction_that_runs_backwards_between_the_times_is_seen() -> None:
    """Sites fall to a tenth of what is bound at 2 h; by 3 h binding has settled."""
    (density,) = inputs("density", unit="1", otherwise=1.0)
    free = SITES * density - B
    on = Reaction("on", ((P, 1),), ((B, 1),), K_ON / V * P * free)
    model = Model("m", (on,), {"intravenous": P}, {"bound": B})
    values = {"V": 3.0, "k_on": 1.0, "sites": 5.0}
    run(model, dose(nmol=500.0), values=values, times=np.array([1.0, 3.0]))
    with pytest.raises(SolveError, match="reaction 'on' of 'm' runs backwards at 2 h"):
        run(
            model,
            dose(nmol=500.0),
            values=values,
            times=np.array([1.0, 3.0]),
            windows=(Window("density", 2.0, 9.0, 0.1),),
        )


def test_a_rival_that_is_not_there_need_not_be_filled() -> None:
    rival = Amount("rival", "nmol", "other")
    rate = Parameter("vmax", "nmol/h") * P / (SITES + P + rival)
    loss = flow("rival_loss", rival, None, OUT * rival)
    model = Model("m", (flow("out", P, None, rate),), {"intravenous": P}, {"p": P})
    found = run(model, dose("ligand"), values={"vmax": 2.0, "sites": 5.0})
    assert found.observables["p"][1] < 1000.0
    with pytest.raises(
        ModelError, match="'rival_loss' needs rival, a compartment that"
    ):
        Model("m", (*model.reactions, loss), {"intravenous": P}, {"p": P})


LATE = [np.array([96.0, 168.0]), np.array([500.0]), np.array([3000.0])]


@pytest.mark.parametrize("times", LATE)
@pytest.mark.parametrize("label", ["Ga-68", "ligand"])
def test_rounding_long_after_a_dose_is_no_fault(times: np.ndarray, label: str) -> None:
    """A chain behind a lag, and saturable loss, read only when all is gone."""
    late, top = Parameter("late", "h"), Parameter("vmax", "nmol/h")
    steps = (
        flow("one", P, K, RATE * P),
        flow("two", K, B, OUT * K),
        flow("three", B, None, K_OFF * B),
    )
    lagged = Model("lag", steps, {"intravenous": Route(P, lag_h=late)}, {"k": K})
    loss = flow("loss", P, K, top * P / (SITES + P))
    saturable = Model("sat", (loss, *steps[1:]), {"intravenous": P}, {"k": K})
    values = {"rate": 1.0, "out": 0.5, "k_off": 0.7, "late": 0.25}
    more = {"vmax": 8.0, "sites": 5.0, "out": 0.5, "k_off": 0.7}
    for model, numbers in ((lagged, values), (saturable, more)):
        found = run(
            model, dose(label="Ga-68"), values=numbers, times=times, label=label
        )
        assert np.abs(found.observables["k"]).max() < 1e-6


def test_a_block_of_one_and_rounding_is_whole() -> None:
    (block,) = inputs("block", unit="1", otherwise=1.0 + 2.3e-16)
    out = flow("out", P, None, OUT * (1 - block) * P)
    model = Model("blocked", (out,), {"intravenous": P}, {"p": P})
    found = run(model, dose(label="Lu-177"), values={"out": 0.2})
    np.testing.assert_allclose(
        found.observables["p"], 1000.0 * np.exp(-LUTETIUM * TIMES), rtol=1e-9
    )


def test_a_metabolite_needs_no_amounts_beside_what_saturates() -> None:
    other = Amount("X", "nmol", "endogenous")
    turnover = flow(
        "loss", other, None, Parameter("vmax", "nmol/h") * other / (SITES + other)
    )
    model = metabolizing(turnover, start={other: SITES})
    values = {"rate": 0.3, "vmax": 1.0, "sites": 5.0}
    found = run(model, dose("ligand", nmol=None), values=values)
    truth = 1000.0 * (1.0 - np.exp(-0.3 * TIMES)) * np.exp(-LUTETIUM * TIMES)
    np.testing.assert_allclose(found.observables["metabolite"], truth, rtol=1e-7)


def test_times_that_are_no_list_are_refused() -> None:
    schedule = Schedule((dose(),))
    system = assemble(binder(), schedule.form)
    for times in (np.array(5.0), np.zeros((2, 2)), np.array([-1.0])):
        with pytest.raises(InputError, match="times_h must be one list of times"):
            simulate(system, VALUES, schedule, times)
    with pytest.raises(InputError, match=r"before has the shape \(1,\)"):
        simulate(system, VALUES, schedule, TIMES, before=np.array([True]))
    with pytest.raises(InputError, match=r"parameter 'V' is '3' \(str\): give a numb"):
        simulate(system, {**VALUES, "V": "3"}, schedule, TIMES)  # pyright: ignore
