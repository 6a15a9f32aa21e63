"""Occasions: receptors that differ between them, and patients that share a form."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from pkmodels import simulate
from pkmodels.administrations import Administration
from pkmodels.definition import Model
from pkmodels.errors import SolveError
from pkmodels.kernels.choice import single_kernel
from pkmodels.models import blocks
from pkmodels.reactions import Reaction, flow
from pkmodels.schedule import Schedule, Window
from pkmodels.symbols import amounts, inputs, parameters, receptors
from pkmodels.system import assemble

PLASMA, BOUND = amounts("plasma bound", unit="nmol")
(FREE,) = receptors("free", unit="nmol")
(DENSITY,) = inputs("density", unit="1", otherwise=1.0)
(MADE,) = parameters("made", unit="nmol/h")
LOST, OUT, GONE = parameters("lost out gone", unit="1/h")
(ON,) = parameters("on", unit="L/(nmol h)")
(VOLUME,) = parameters("volume", unit="L")
(SITES,) = parameters("sites", unit="nmol")

TURNOVER = Model(
    "receptors",
    blocks.receptor_turnover("cxcr4", FREE, synthesis=MADE * DENSITY, degradation=LOST),
    {},
    {"receptors": FREE},
    start={FREE: MADE / LOST},
)
# What is free of the sites is no amount: the rate says it, by the occasion's density.
UPTAKE = Model(
    "uptake",
    (
        Reaction(
            "binding",
            ((PLASMA, 1),),
            ((BOUND, 1),),
            ON * PLASMA / VOLUME * (SITES * DENSITY - BOUND),
        ),
        flow("internalization", BOUND, None, GONE * BOUND),
        flow("clearance", PLASMA, None, OUT * PLASMA),
    ),
    {"intravenous": PLASMA},
    {"tumour": BOUND},
)
VALUES = {"on": 0.02, "volume": 3.0, "sites": 0.6, "out": 0.6, "gone": 0.05}
# As much uptake of a trace, by so many sites that 0.1 nmol is one.
TRACE = VALUES | {"on": 2e-9, "sites": 6e6}
SECOND_H = 500.0
SINCE = np.array([0.5, 2.0, 8.0, 24.0, 72.0])
# Half-lives of Lu-177 (6.647 d) and Ga-68 (67.71 min): ICRP Publication 107.
LUTETIUM = math.log(2.0) / (6.647 * 24.0)
GALLIUM = math.log(2.0) * 60.0 / 67.71


def occasions(first_nmol: float, second_nmol: float, density: float) -> Schedule:
    """68Ga at 0 h, 177Lu at the second occasion with another receptor density."""
    return Schedule(
        (
            Administration(0.0, 0.0, "x", "Ga-68", 150.0, ligand_nmol=first_nmol),
            Administration(SECOND_H, 0.0, "x", "Lu-177", 40.0, ligand_nmol=second_nmol),
        ),
        (Window("density", SECOND_H, math.inf, density),),
    )


def test_receptors_approach_the_synthesis_of_the_occasion() -> None:
    """R(t) = R_new + (R_old - R_new) e^(-d t), with R = synthesis density / d."""
    start, end, made, lost = 48.0, 130.0, 0.6, 0.04
    schedule = Schedule((), (Window("density", start, end, 0.3),))
    times = np.array([0.0, 30.0, 48.0, 60.0, 90.0, 130.0, 150.0, 900.0])
    found = simulate(
        assemble(TURNOVER, schedule.form),
        {"made": made, "lost": lost},
        schedule,
        times,
        label="ligand",
    ).observables["receptors"]
    usual, fewer = made / lost, 0.3 * made / lost
    at_end = fewer + (usual - fewer) * math.exp(-lost * (end - start))
    during = fewer + (usual - fewer) * np.exp(-lost * (times - start))
    after = usual + (at_end - usual) * np.exp(-lost * (times - end))
    expected = np.where(times < start, usual, np.where(times < end, during, after))
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def bound_of_a_trace(since: np.ndarray, density: float) -> np.ndarray:
    """Part of a bolus (Bateman): a / (w - a - k) (e^-(a + k) t - e^-w t)."""
    uptake = TRACE["on"] / TRACE["volume"] * TRACE["sites"] * density
    left, gone = uptake + TRACE["out"], TRACE["gone"]
    return uptake / (gone - left) * (np.exp(-left * since) - np.exp(-gone * since))


@pytest.mark.parametrize("density", [0.5, 0.05, 1.7])
def test_a_trace_sees_the_receptors_of_its_occasion(density: float) -> None:
    schedule = occasions(0.1, 0.1, density)
    system = assemble(UPTAKE, schedule.form)
    for label, activity, decay, start, there in (
        ("Ga-68", 150.0, GALLIUM, 0.0, 1.0),
        ("Lu-177", 40.0, LUTETIUM, SECOND_H, density),
    ):
        found = simulate(system, TRACE, schedule, start + SINCE, label=label)
        expected = activity * bound_of_a_trace(SINCE, there) * np.exp(-decay * SINCE)
        np.testing.assert_allclose(
            found.observables["tumour"], expected, rtol=1e-6, atol=1e-12
        )


def test_half_the_receptors_take_up_half_of_a_trace() -> None:
    schedule = occasions(0.1, 0.1, 0.5)
    first, second = (
        simulate(
            assemble(UPTAKE, schedule.form),
            TRACE,
            schedule,
            start + SINCE,
            label="ligand",
        ).observables["tumour"]
        for start in (0.0, SECOND_H)
    )
    # Within what the tumour takes from the plasma, 0.004 of 0.6 per hour.
    np.testing.assert_allclose(second / first, 0.5, rtol=0.01)


def test_a_mass_fills_the_receptors_of_its_occasion() -> None:
    """Ligand and its label integrated apart by SciPy, over each occasion by itself."""
    schedule, values = occasions(30.0, 80.0, 0.4), VALUES | {"on": 0.2}
    k_on, sites = values["on"] / values["volume"], values["sites"]

    def slopes(_: float, x: np.ndarray, density: float) -> list[float]:
        plasma, bound, hot, hot_bound = x
        free, out, gone = sites * density - bound, values["out"], values["gone"]
        return [
            -k_on * plasma * free - out * plasma,
            k_on * plasma * free - gone * bound,
            -k_on * hot * free - out * hot - LUTETIUM * hot,
            k_on * hot * free - (gone + LUTETIUM) * hot_bound,
        ]

    def occasion(
        start: np.ndarray, times: np.ndarray, density: float
    ) -> tuple[np.ndarray, np.ndarray]:
        solution = solve_ivp(
            slopes,
            (0.0, times[-1]),
            start,
            method="LSODA",
            t_eval=times,
            args=(density,),
            rtol=1e-10,
            atol=1e-13,
        )
        assert solution.success, solution.message
        return solution.y[1], solution.y

    first, states = occasion(
        np.array([30.0, 0.0, 0.0, 0.0]), np.append(SINCE, SECOND_H), 1.0
    )
    again = states[:, -1] + np.array([80.0, 0.0, 40.0, 0.0])
    second, later = occasion(again, SINCE, 0.4)
    # The sites are nearly full, so that a trace's closed form would be wrong.
    assert first.max() > 0.8 * sites
    assert second.max() > 0.8 * 0.4 * sites
    system = assemble(UPTAKE, schedule.form)
    times = np.concatenate([SINCE, SECOND_H + SINCE])
    ligand = simulate(system, values, schedule, times, label="ligand")
    bound = np.concatenate([first[:-1], second])
    np.testing.assert_allclose(ligand.observables["tumour"], bound, rtol=1e-6)
    hot = simulate(system, values, schedule, SECOND_H + SINCE, label="Lu-177")
    np.testing.assert_allclose(hot.observables["tumour"], later[3], rtol=1e-6)


def test_sites_that_vanish_under_their_ligand_are_refused() -> None:
    """Of 0.6 nmol, nearly all bound, only 0.06 nmol are left: where should it go?"""
    schedule = Schedule(
        (Administration(0.0, 0.0, "x", ligand_nmol=500.0),),
        (Window("density", 2.0, math.inf, 0.1),),
    )
    system = assemble(UPTAKE, schedule.form)
    message = "reaction 'binding' of 'uptake' runs backwards at 2 h: .* density = 0.1"
    with pytest.raises(SolveError, match=message):
        simulate(system, VALUES, schedule, np.array([1.0, 2.0]))


MBQ_PER_NMOL = 90.0


def of_one_vial(*doses: tuple[float, float, float]) -> tuple[Administration, ...]:
    """Doses of (start, duration, nmol): the vial's activity falls, its mass stays."""
    return tuple(
        Administration(
            start,
            duration,
            "x",
            "Lu-177",
            MBQ_PER_NMOL * nmol * math.exp(-LUTETIUM * start),
            ligand_nmol=nmol,
        )
        for start, duration, nmol in doses
    )


PATIENTS = (
    Schedule(of_one_vial((0.0, 0.5, 20.0))),
    Schedule(
        of_one_vial((0.0, 1.0, 60.0), (48.0, 0.25, 35.0), (96.0, 2.0, 5.0)),
        (Window("density", 40.0, math.inf, 0.7),),
    ),
    Schedule(
        of_one_vial((3.0, 0.1, 140.0), (200.0, 0.0, 7.0)),
        (Window("density", 0.0, 9.0, 1.3), Window("density", 150.0, 260.0, 0.8)),
    ),
)


def test_three_patients_of_one_form_share_one_compilation() -> None:
    single_kernel.cache_clear()
    for number, schedule in enumerate(PATIENTS):
        system = assemble(UPTAKE, schedule.form)
        assert system.tracers == ()
        values = VALUES | {"sites": 0.6 + number}
        found = simulate(system, values, schedule, np.linspace(1.0, 300.0, 5))
        assert found.observables["tumour"].max() > 0.0
        assert single_kernel.cache_info().misses == 1
    # Another hot fraction, a form of its own.
    other = occasions(30.0, 80.0, 0.4)
    system = assemble(UPTAKE, other.form)
    simulate(system, VALUES, other, SINCE, label="Ga-68")
    assert single_kernel.cache_info().misses == 2
