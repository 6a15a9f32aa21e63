"""The reference integration against closed forms and equations written by hand."""

import math

import numpy as np
import pytest
from courses import (
    BINDING,
    BINDING_VALUES,
    GALLIUM,
    LUTETIUM,
    ONE_COMPARTMENT,
    PLASMA,
    RATE,
    TIMES,
    VALUES,
    K,
    assert_close,
    bolus,
    infused,
    solve,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from lsoda import equations_in, functions_of, integrate
from scipy.integrate import solve_ivp
from sympy import Rational

from pkmodels.administrations import Administration, Delivery
from pkmodels.definition import Fate, Model
from pkmodels.errors import InputError, SolveError
from pkmodels.reactions import flow
from pkmodels.schedule import Schedule, Window
from pkmodels.symbols import amounts, parameters
from pkmodels.system import System, assemble
from pkmodels.timeline import lower


def test_bolus_and_infusion() -> None:
    assert_close(solve(bolus(10.0))[:, 0], 10.0 * np.exp(-K * TIMES))
    infusion = Administration(0.0, 2.0, "drug", ligand_nmol=10.0)
    assert_close(solve(infusion)[:, 0], 10.0 * infused(TIMES, 2.0, K))


def test_label_from_a_decaying_syringe() -> None:
    """What is infused decays at one rate wherever it is: infusion times decay."""
    infusion = Administration(0.0, 2.0, "drug", "Lu-177", 100.0)
    found = solve(infusion, label="Lu-177")[:, 0]
    assert_close(found, 100.0 * np.exp(-LUTETIUM * TIMES) * infused(TIMES, 2.0, K))


def test_label_at_a_constant_rate() -> None:
    given = Administration(
        0.0, 2.0, "drug", "Lu-177", 100.0, delivered=Delivery.CONSTANT
    )
    expected = 100.0 * infused(TIMES, 2.0, K + LUTETIUM)
    assert_close(solve(given, label="Lu-177")[:, 0], expected)


@pytest.mark.parametrize("length", [0.0, 2.0])
@pytest.mark.parametrize("delivered", list(Delivery))
def test_late_label_has_decayed_on_the_way(length: float, delivered: Delivery) -> None:
    given = Administration(
        0.0, length, "drug", "Ga-68", 100.0, route="late", delivered=delivered
    )
    decay = GALLIUM
    found = solve(given, label="Ga-68")[:, 0]
    since = TIMES - 1.5
    if length == 0.0:
        course = np.where(since >= 0.0, np.exp(-(K + decay) * since), 0.0)
        expected = 40.0 * math.exp(-decay * 1.5) * course
    elif delivered is Delivery.DECAYING:
        expected = 40.0 * np.exp(-decay * TIMES) * infused(since, length, K)
    else:
        expected = 40.0 * math.exp(-decay * 1.5) * infused(since, length, K + decay)
    assert_close(found, expected)


def test_elimination_stands_still_while_a_window_closes_it() -> None:
    shut = Window("closed", 1.0, 3.0, 1.0)
    open_for = TIMES - np.clip(TIMES - 1.0, 0.0, 2.0)
    found = solve(bolus(10.0), windows=(shut,))[:, 0]
    assert_close(found, 10.0 * np.exp(-K * open_for))


def test_reset_ends_what_is_there_under_way_and_in_the_pump() -> None:
    given = (
        bolus(10.0),
        Administration(0.0, 5.0, "drug", ligand_nmol=10.0),
        bolus(10.0, 0.4, route="late"),
        bolus(7.0, 1.0),
    )
    found = solve(*given, resets_h=(1.0,))[:, 0]
    after = 7.0 * np.exp(-K * (TIMES - 1.0))
    assert_close(found[2:], after[2:])
    assert found[1] > 10.0 * math.exp(-K * 0.5)


def test_before_and_after_a_dose() -> None:
    schedule = Schedule((bolus(10.0), bolus(5.0, 2.0)))
    line = lower(assemble(ONE_COMPARTMENT, schedule.form), VALUES, schedule)
    times = np.array([2.0, 0.0, 2.0, 0.0, 1.0])
    before = np.array([True, True, False, False, True])
    left = 10.0 * math.exp(-2.0 * K)
    expected = [left, 0.0, left + 5.0, 10.0, 10.0 * math.exp(-K)]
    assert_close(integrate(line, times, before)[:, 0], np.array(expected))


def test_no_time_at_all() -> None:
    assert solve(bolus(10.0), times=np.array([])).shape == (0, 1)


doses = st.tuples(
    st.integers(0, 200).map(lambda n: n / 10.0),
    st.floats(0.1, 9.0),
    st.floats(1e-3, 100.0),
    st.booleans(),
)


@settings(max_examples=25)
@given(st.lists(doses, min_size=1, max_size=6))
def test_any_doses_add_up(plan: list[tuple[float, float, float, bool]]) -> None:
    given = [
        Administration(t, 0.0 if fast else d, "drug", ligand_nmol=n)
        for t, d, n, fast in plan
    ]
    expected = np.zeros(TIMES.shape)
    for t, d, n, fast in plan:
        since = TIMES - t
        course = infused(since, d, K)
        if fast:
            course = np.where(since >= 0.0, np.exp(-K * np.maximum(since, 0.0)), 0.0)
        expected += n * course
    total = sum(n for _, _, n, _ in plan)
    found = solve(*given)[:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10 * total)


def slope_by_hand(time: float, y: np.ndarray, infusing: bool) -> list[float]:
    """Return the change of ligand, receptors, Lu-177 and Ga-68, in MBq, by hand."""
    plasma, free, bound, lutetium, lutetium_bound, gallium, gallium_bound = y
    on, off, lost = 0.5 * free, 0.1, 0.1 + 0.05
    ligand = 10.0 if infusing else 0.0
    activity = 50.0 * math.exp(-LUTETIUM * time) if infusing else 0.0
    return [
        ligand - (on + K) * plasma + off * bound,
        -on * plasma + lost * bound,
        on * plasma - lost * bound,
        activity - (on + K + LUTETIUM) * lutetium + off * lutetium_bound,
        on * lutetium - (lost + LUTETIUM) * lutetium_bound,
        -(on + K + GALLIUM) * gallium + off * gallium_bound,
        on * gallium - (lost + GALLIUM) * gallium_bound,
    ]


def test_labels_on_a_saturable_ligand_against_equations_by_hand() -> None:
    """Ligand and two labels given at other times, with one pmol beside 10 nmol."""
    doses = (
        Administration(0.0, 1.0, "drug", "Lu-177", 50.0, ligand_nmol=10.0),
        Administration(2.0, 0.0, "drug", "Ga-68", 0.05, ligand_nmol=1e-3),
    )
    schedule = Schedule(doses)
    system = assemble(BINDING, schedule.form)
    ends = np.array([1.0, 2.0, 2.5, 6.0, 30.0])
    found = integrate(lower(system, BINDING_VALUES, schedule), ends)
    state = np.array([0.0, 20.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    expected = []
    for start, end in zip([0.0, *ends], ends, strict=False):
        state = solve_ivp(
            slope_by_hand,
            (start, end),
            state,
            "Radau",
            rtol=1e-10,
            atol=1e-14,
            args=(start < 1.0,),
        ).y[:, -1]
        if end == 2.0:
            state = state + np.array([1e-3, 0.0, 0.0, 0.0, 0.0, 0.05, 0.0])
        expected.append(state)
    assert [str(state) for state in system.states] == (
        "plasma free bound plasma_label_1 bound_label_1 plasma_label_2 bound_label_2"
    ).split()
    np.testing.assert_allclose(found, np.array(expected), 1e-7, 1e-14)


def test_free_label_and_ligand_are_told_apart() -> None:
    (free_lutetium,) = amounts("salt", unit="nmol", ligand="free Lu")
    model = Model(
        "free label",
        (
            flow("elimination", PLASMA, None, RATE * PLASMA),
            flow("leak", free_lutetium, None, 2 * RATE * free_lutetium),
        ),
        {"intravenous": (PLASMA, free_lutetium)},
        {"plasma": PLASMA, "salt": free_lutetium},
    )
    dose = Administration(
        0.0, 0.0, "drug", "Lu-177", 100.0, ligand_nmol=10.0, free_label_fraction=0.1
    )
    found = solve(dose, label="Lu-177", values={"k": K}, model=model)
    assert_close(found[:, 0], 90.0 * np.exp(-(K + LUTETIUM) * TIMES))
    assert_close(found[:, 1], 10.0 * np.exp(-(2 * K + LUTETIUM) * TIMES))
    cold = solve(dose, values={"k": K}, model=model)
    assert_close(cold[:, 0], 10.0 * np.exp(-K * TIMES))
    assert not cold[:, 1].any()


def test_daughter_grows_in_as_bateman_says() -> None:
    """Pb-212 (10.64 h) to Bi-212 (60.55 min): ICRP 107, all of its decays."""
    model = Model(
        "chain",
        (flow("elimination", PLASMA, None, RATE * PLASMA),),
        {"intravenous": PLASMA},
        {"plasma": PLASMA},
        daughters=dict.fromkeys(("Bi-212", "Tl-208", "Po-212"), Fate.WITH_LIGAND),
    )
    dose = Administration(0.0, 0.0, "drug", "Pb-212", 100.0, ligand_nmol=10.0)
    schedule = Schedule((dose,))
    system = assemble(model, schedule.form)
    found = integrate(lower(system, {"k": K}, schedule), TIMES)
    head, daughter = math.log(2.0) / 10.64, math.log(2.0) * 60.0 / 60.55
    names = [tracer.nuclide for tracer in system.tracers]
    shift = len(system.amounts)
    kept = np.exp(-K * TIMES)
    lead = 100.0 * np.exp(-head * TIMES) * kept
    grown = np.exp(-head * TIMES) - np.exp(-daughter * TIMES)
    bismuth = 100.0 * daughter / (daughter - head) * grown * kept
    assert_close(found[:, shift + names.index("Pb-212")], lead)
    assert_close(found[:, shift + names.index("Bi-212")], bismuth)


def test_powers_that_negative_numbers_lack() -> None:
    """x' = - c sqrt(x) empties: sqrt(x) = sqrt(x0) - c t / 2, then 0."""
    (draining,) = parameters("c", unit="nmol**(1/2)/h")
    model = Model(
        "sink",
        (flow("drain", PLASMA, None, draining * PLASMA ** (1 / 2)),),
        {"intravenous": PLASMA},
        {"plasma": PLASMA},
    )
    found = solve(bolus(9.0), model=model, values={"c": 1.0})[:, 0]
    expected = np.maximum(3.0 - TIMES / 2.0, 0.0) ** 2
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)


def test_hill_kinetics_begin_from_nothing() -> None:
    """The slope of x^h / (c^h + x^h) is 0 / 0 as a quotient at x = 0."""
    depot, urine = amounts("depot urine", unit="nmol")
    power, (half,) = Rational(7, 5), parameters("half", unit="nmol")
    hill = PLASMA**power / (half**power + PLASMA**power)
    model = Model(
        "hill",
        (
            flow("absorption", depot, PLASMA, RATE * depot),
            flow("excretion", PLASMA, urine, RATE * half * hill),
        ),
        {"intravenous": depot},
        {"urine": urine},
    )
    found = solve(bolus(9.0), model=model, values={"k": K, "half": 2.0})
    np.testing.assert_allclose(found.sum(axis=1), 9.0, rtol=1e-9)
    assert found[-1, 2] > 8.0


@pytest.mark.parametrize("model", [ONE_COMPARTMENT, BINDING], ids=lambda m: m.name)
def test_slopes_are_those_of_the_derivatives(model: Model) -> None:
    """A wrong Jacobian would not change the solution, only the time it takes."""
    doses = [Administration(t, 0.0, "drug", "Ga-68", 5.0, None, 1.0) for t in (0, 1)]
    schedule = Schedule(tuple(doses))
    values = VALUES if model is ONE_COMPARTMENT else BINDING_VALUES
    line = lower(assemble(model, schedule.form), values, schedule, "Ga-68")
    right_side, jacobian = equations_in(line, line.segments, 0)
    state = np.linspace(1.0, 2.0, len(line.start))
    step = 1e-6
    expected = [
        (right_side(0.0, state + shift) - right_side(0.0, state - shift)) / (2 * step)
        for shift in step * np.eye(len(state))
    ]
    np.testing.assert_allclose(jacobian(0.0, state).T, expected, rtol=1e-8, atol=1e-8)


def test_equal_systems_are_translated_once() -> None:
    def fresh() -> System:
        return assemble(ONE_COMPARTMENT, Schedule((bolus(1.0),)).form)

    functions_of.cache_clear()
    assert functions_of(fresh()) is functions_of(fresh())
    assert functions_of.cache_info().misses == 1


def test_failed_solve_names_the_time_and_the_parameters() -> None:
    """x' = g x^2 has no end: x = x0 / (1 - g x0 t), infinite at 1 / (g x0) = 5 h."""
    (growth,) = parameters("growth", unit="1/(nmol h)")
    model = Model(
        "growing",
        (flow("growth", None, PLASMA, growth * PLASMA**2),),
        {"intravenous": PLASMA},
        {"plasma": PLASMA},
    )
    with pytest.raises(SolveError) as error:
        solve(bolus(2.0), model=model, values={"growth": 0.1}, times=np.array([9.0]))
    text = str(error.value)
    assert text.startswith("'growing' could not be solved beyond 5 h")
    assert "growth = 0.1" in text


@pytest.mark.parametrize("times", [[-1.0], [math.nan], [math.inf]])
def test_times_from_0_on_only(times: list[float]) -> None:
    with pytest.raises(InputError, match="times_h must be one list of times from 0"):
        solve(bolus(1.0), times=np.array(times))
