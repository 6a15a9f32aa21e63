"""Doses repeated for ever, against closed forms and hundreds of doses."""

import math

import numpy as np
import pytest
from courses import (
    BINDING,
    BINDING_VALUES,
    GALLIUM,
    PLASMA,
    RATE,
    TIMES,
    K,
    assert_close,
    bolus,
    infused,
    solve,
)
from lsoda import integrate
from scipy.optimize import brentq

from pkmodels.administrations import Administration, SteadyState, repeat
from pkmodels.definition import Model
from pkmodels.errors import SolveError
from pkmodels.kernels.periodic import find_periodic_state
from pkmodels.reactions import flow
from pkmodels.schedule import Schedule
from pkmodels.symbols import amounts, parameters
from pkmodels.system import assemble
from pkmodels.timeline import lower


def periodic(rate: float, interval: float) -> float:
    """Return what is left of infinitely many doses of 1 before the next."""
    return 1.0 / math.expm1(rate * interval)


def test_steady_state_of_boluses_is_a_geometric_series() -> None:
    found = solve(bolus(10.0, 2.0, steady_state=SteadyState(4.0)))[:, 0]
    course = 10.0 * (1.0 + periodic(K, 4.0)) * np.exp(-K * (TIMES - 2.0))
    assert_close(found, np.where(TIMES >= 2.0, course, 0.0))


def test_steady_state_of_a_label_decays_between_the_doses() -> None:
    dose = Administration(
        0.0, 0.0, "drug", "Ga-68", 100.0, steady_state=SteadyState(2.0)
    )
    rate = K + GALLIUM
    expected = 100.0 * (1.0 + periodic(rate, 2.0)) * np.exp(-rate * TIMES)
    assert_close(solve(dose, label="Ga-68")[:, 0], expected)


@pytest.mark.parametrize("label", [None, "Ga-68"])
@pytest.mark.parametrize("length", [1.0, 2.0, 7.0])
def test_steady_state_of_infusions_is_that_of_many(
    label: str | None, length: float
) -> None:
    """Also where they overlap, and with those that had begun going on."""
    times = 100.0 + TIMES
    steady = Administration(
        100.0,
        length,
        "drug",
        label,
        5.0 if label else 0.0,
        ligand_nmol=5.0,
        steady_state=SteadyState(2.0),
    )
    decay = GALLIUM if label else 0.0
    expected = np.zeros(times.shape)
    for n in range(200):
        since = TIMES + 2.0 * n
        expected += 5.0 * np.exp(-decay * since) * infused(since, length, K)
    assert_close(solve(steady, label=label, times=times)[:, 0], expected)


def test_steady_state_counts_doses_on_their_way() -> None:
    """With a lag of 1.5 intervals, one dose is given and has not arrived."""
    dose = bolus(10.0, steady_state=SteadyState(1.0), route="late")
    arrivals = 1.5 - np.arange(0.0, 400.0)
    expected = np.zeros(TIMES.shape)
    for arrival in arrivals:
        since = TIMES - arrival
        expected += np.where(since >= 0.0, 4.0 * np.exp(-K * np.maximum(since, 0)), 0.0)
    assert_close(solve(dose)[:, 0], expected)


def test_steady_state_that_adds_and_one_that_replaces() -> None:
    first, steady = bolus(3.0), bolus(10.0, 1.0, steady_state=SteadyState(4.0, True))
    course = 10.0 * (1.0 + periodic(K, 4.0)) * np.exp(-K * (TIMES - 1.0))
    course = np.where(TIMES >= 1.0, course, 0.0)
    alone = 3.0 * np.exp(-K * TIMES)
    assert_close(solve(first, steady)[:, 0], alone + course)
    replacing = bolus(10.0, 1.0, steady_state=SteadyState(4.0))
    expected = np.where(TIMES >= 1.0, course, alone)
    assert_close(solve(first, replacing)[:, 0], expected)


def test_endless_infusion_stops_at_its_time() -> None:
    endless = Administration(
        1.0, 2.0, "drug", ligand_nmol=6.0, steady_state=SteadyState(0.0)
    )
    expected = np.where(TIMES >= 1.0, 3.0 / K * np.exp(-K * (TIMES - 1.0)), 0.0)
    assert_close(solve(endless)[:, 0], expected)


SATURABLE = Model(
    "saturable",
    (
        flow(
            "elimination",
            PLASMA,
            None,
            parameters("fastest", unit="nmol/h")[0]
            * PLASMA
            / (parameters("half", unit="nmol")[0] + PLASMA),
        ),
    ),
    {"intravenous": PLASMA},
    {"plasma": PLASMA},
)


def test_steady_state_of_michaelis_menten() -> None:
    """x' = - V x / (K + x) loses time V = K ln(x1 / x0) + x1 - x0."""
    fastest, half, dose, interval = 5.0, 20.0, 100.0, 24.0

    def surplus(least: float) -> float:
        most = least + dose
        return half * math.log(most / least) + dose - fastest * interval

    least = float(np.asarray(brentq(surplus, 1e-6, 1e4, xtol=1e-13)))
    found = solve(
        bolus(dose, steady_state=SteadyState(interval)),
        model=SATURABLE,
        values={"fastest": fastest, "half": half},
        times=np.array([0.0, 24.0]),
    )
    np.testing.assert_allclose(found[:, 0], [least + dose, least], rtol=1e-8)


def test_steady_state_keeps_the_receptors() -> None:
    """What hundreds of doses lead to, with as many receptors as before."""
    steady = bolus(10.0, steady_state=SteadyState(6.0))
    system = assemble(BINDING, Schedule((steady,)).form)
    line = lower(system, BINDING_VALUES, Schedule((steady,)))
    found = integrate(line, np.array([0.0]))[0]
    many = Schedule(repeat(bolus(10.0), interval_h=6.0, count=300))
    line = lower(system, BINDING_VALUES, many)
    expected = integrate(line, np.array([299 * 6.0]))[0]
    np.testing.assert_allclose(found, expected, rtol=1e-7)
    names = [str(state) for state in system.states]
    total = found[names.index("free")] + found[names.index("bound")]
    assert total == pytest.approx(20.0, rel=1e-10)


def test_what_nothing_empties_has_no_steady_state() -> None:
    (urine,) = amounts("urine", unit="nmol")
    model = Model(
        "collecting",
        (flow("excretion", PLASMA, urine, RATE * PLASMA),),
        {"intravenous": PLASMA},
        {"urine": urine},
    )
    with pytest.raises(SolveError) as error:
        solve(bolus(10.0, steady_state=SteadyState(4.0)), model=model, values={"k": K})
    assert "the steady state before the administration of drug at 0 h" in str(error)
    assert "urine (by 10)" in str(error.value)


def test_slow_steady_state_is_found_in_few_cycles() -> None:
    """Time constants from hours to a year, by cycles of a day."""
    rates = np.array([1e-4, 1e-3, 1e-2, 0.1, 1.0])
    left, count = np.exp(-24.0 * rates), 0

    def cycle(state: np.ndarray) -> np.ndarray:
        nonlocal count
        count += 1
        return (state + 1.0) * left

    names = [str(rate) for rate in rates]
    found = find_periodic_state(cycle, np.zeros(5), np.ones(5), names)
    np.testing.assert_allclose(found, left / (1.0 - left), rtol=1e-7)
    assert count < 30
