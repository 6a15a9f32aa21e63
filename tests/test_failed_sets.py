"""A parameter set that fails says so, and spoils no other."""

from dataclasses import replace

import numpy as np
import pytest
from courses import bolus
from parameter_sets import EXCHANGE, HOURS, SYRINGE, one_of, spread, together
from pbpk12_model import TRUE_VALUES
from pbpk12_model import model as pbpk12
from test_pitfalls import K_ON, OUT, RATE, SITES, B, K, P, V, binder, dose
from test_pitfalls import VALUES as BINDER_VALUES

from pkmodels.administrations import SteadyState
from pkmodels.batches import Ending
from pkmodels.definition import Model
from pkmodels.errors import InputError, SolveError
from pkmodels.kernels.problem import Controls, Outcome
from pkmodels.models import organ_exchange
from pkmodels.populations import CONTROLS
from pkmodels.reactions import Reaction, flow
from pkmodels.routes import Route
from pkmodels.schedule import Schedule, Window
from pkmodels.symbols import Parameter, inputs, parameters
from pkmodels.system import assemble
from pkmodels.trajectory import simulate


def test_what_simulate_refuses_is_data() -> None:
    """A fraction above 1 lets elimination run backwards."""
    values = {**EXCHANGE, "fraction_kidney": np.array([0.02, 2.0, 0.5, 1.5, 1.0])}
    model = organ_exchange.model(("kidney",))
    schedule = Schedule((dose(time=0.5),))
    found = together(model, schedule, values)
    assert found.failures == {1: Ending.BACKWARDS, 3: Ending.BACKWARDS}
    assert found.reached_h.tolist() == [96.0, 0.5, 96.0, 0.5, 96.0]
    for name in found.observables:
        wrong = np.isnan(found.observables[name]).all(axis=1)
        assert wrong.tolist() == [False, True, False, True, False]
    system = assemble(model, schedule.form)
    for number in range(5):
        line = (system, one_of(values, number), schedule, HOURS)
        if number in found.failures:
            with pytest.raises(SolveError, match="runs backwards"):
                simulate(*line)
        else:
            alone = simulate(*line).observables["kidney"]
            np.testing.assert_allclose(
                found.observables["kidney"][number], alone, rtol=1e-6, atol=1e-12
            )


def test_a_reaction_that_runs_backwards_between_the_times_is_seen() -> None:
    """Sites fall to a part of what is bound at 2 h; by 3 h binding has settled."""
    (density,) = inputs("density", unit="1", otherwise=1.0)
    on = Reaction("on", ((P, 1),), ((B, 1),), K_ON / V * P * (SITES * density - B))
    model = Model("m", (on,), {"intravenous": P}, {"bound": B})
    values = {"V": 3.0, "k_on": np.array([1.0, 1e-6]), "sites": 5.0}
    windows = (Window("density", 2.0, 9.0, 0.1),)
    schedule = Schedule((dose(nmol=500.0),), windows)
    found = together(model, schedule, values, times=np.array([1.0, 3.0]))
    assert found.failures == {0: Ending.BACKWARDS}
    assert found.reached_h.tolist() == [2.0, 3.0]


def test_an_amount_that_falls_below_zero_is_data() -> None:
    """A fraction above 1 takes out of an empty compartment."""
    (fraction,) = parameters("fraction", unit="1")
    kept = flow("kept", P, K, OUT * P * (1 - fraction))
    model = Model("m", (kept,), {"intravenous": P}, {"kidney": K})
    schedule = Schedule((dose(time=0.5),))
    values = {"out": 0.2, "fraction": np.array([0.5, 1.5])}
    found = together(model, schedule, values)
    assert found.failures == {1: Ending.NEGATIVE}
    assert 0.5 <= found.reached_h[1] < 1.0
    assert np.isnan(found.observables["kidney"][1]).all()
    with pytest.raises(SolveError, match="runs backwards"):
        simulate(assemble(model, schedule.form), one_of(values, 1), schedule, HOURS)


def ill_posed() -> tuple[Model, Schedule]:
    part, sites = Parameter("part", "1"), Parameter("sites", "nmol")
    whole, late = parameters("whole late", unit="h")
    model = Model(
        "ill",
        (
            flow("out", P, None, Parameter("k", "1/h") * P),
            flow("loss", B, None, Parameter("k", "1/h") * B),
        ),
        {"late": Route(P, lag_h=whole - late, bioavailability=1 - part)},
        {"p": P, "b": B},
        start={B: sites - Parameter("lost", "nmol")},
    )
    return model, Schedule((bolus(10.0, route="late"),))


@pytest.mark.parametrize("repeated", [False, True])
def test_a_route_or_start_that_cannot_be_is_data(repeated: bool) -> None:
    model, schedule = ill_posed()
    values = {
        "k": 0.3,
        "part": np.array([0.5, 1.5, 0.5, 0.5, 1.0]),
        "whole": 2.0,
        "late": np.array([1.0, 1.0, 3.0, 1.0, 2.0]),
        "sites": np.array([1.0, 1.0, 1.0, 0.5, 1.0]),
        "lost": np.array([0.0, 0.0, 0.0, 0.6, 1.0]),
    }
    if repeated:
        (given,) = schedule.administrations
        schedule = Schedule((replace(given, steady_state=SteadyState(12.0)),))
    found = together(model, schedule, values)
    assert found.failures == dict.fromkeys((1, 2, 3), Ending.ILL_POSED)
    assert np.isnan(found.reached_h[1:4]).all()
    system = assemble(model, schedule.form)
    for number in found.failures:
        with pytest.raises(InputError):
            simulate(system, one_of(values, number), schedule, HOURS)
    alone = simulate(system, one_of(values, 0), schedule, HOURS).observables["p"]
    curve = found.observables["p"][0]
    np.testing.assert_allclose(curve, alone, rtol=1e-6, atol=1e-9)


def test_a_failed_solve_is_data() -> None:
    few = CONTROLS._replace(most_steps=20)
    values = spread(TRUE_VALUES, 3)
    found = together(pbpk12(), Schedule((SYRINGE,)), values, controls=few)
    assert set(found.failures.values()) == {Ending.STEP_LIMIT}
    assert ((found.reached_h >= 0.0) & (found.reached_h < 96.0)).all()
    assert all(np.isnan(curve).all() for curve in found.observables.values())
    assert all(Ending[outcome.name] == outcome for outcome in Outcome)


def test_steady_states_are_solved_one_by_one() -> None:
    given = dose(nmol=2.0, label=None, MBq=0.0, steady_state=SteadyState(12.0))
    values = {**BINDER_VALUES, "out": np.array([0.2, 0.0, 0.4]), "k_off": 0.3}
    model, schedule = binder(bound=B, plasma=P), Schedule((given,))
    found = together(model, schedule, values)
    assert found.failures == {1: Ending.UNSOLVED}  # what never leaves has none
    for how in ({"kernel": "xla"}, {"controls": Controls()}):
        with pytest.raises(InputError, match="are solved one by one"):
            together(model, schedule, values, **how)
    system = assemble(model, schedule.form)
    for number in (0, 2):
        alone = simulate(system, one_of(values, number), schedule, HOURS)
        for name, curve in alone.observables.items():
            np.testing.assert_allclose(found.observables[name][number], curve)
    backwards = organ_exchange.model(("kidney",))
    exchange = {**EXCHANGE, "fraction_kidney": np.array([0.5, 1.5])}
    found = together(backwards, schedule, exchange)
    assert found.failures == {1: Ending.BACKWARDS}
    given = replace(given, ligand_nmol=9.0)
    (fraction,), (on,) = (
        parameters("fraction", unit="1"),
        inputs("on", unit="1", otherwise=0.0),
    )
    kept = flow("kept", P, K, OUT * P * (1 - on * fraction))
    model = Model(
        "m", (kept, flow("loss", K, None, RATE * K)), {"intravenous": P}, {"kidney": K}
    )
    schedule = Schedule((given,), (Window("on", 1.0, np.inf, 1.0),))
    values = {"out": 0.2, "rate": 2.0, "fraction": np.array([0.5, 3.0])}
    found = together(model, schedule, values)
    assert found.failures == {1: Ending.NEGATIVE}
    assert 1.0 < found.reached_h[1] < 2.0
