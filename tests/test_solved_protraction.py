"""Protraction by added states: as exact where linear, as scipy where not."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from pkmodels.administrations import Administration
from pkmodels.definition import Fate, Model
from pkmodels.dosimetry.biological_dose import g_factor, g_factor_of_exponentials
from pkmodels.dosimetry.protraction import protract
from pkmodels.dosimetry.solved_protraction import Protraction, protraction_of
from pkmodels.errors import InputError, SolveError
from pkmodels.exact import compile_exactly, doses_of
from pkmodels.models import organ_exchange
from pkmodels.models.blocks import binding, internalization_and_release
from pkmodels.nuclides import nuclide
from pkmodels.observables import percent_administered
from pkmodels.reactions import flow
from pkmodels.schedule import Schedule
from pkmodels.symbols import amounts, parameters, receptors
from pkmodels.system import System, assemble
from pkmodels.time_integrals import integrate_observables

LN2 = math.log(2.0)
DECAY = float(nuclide("Lu-177").decay_constant_per_h)
ORGANS = {
    "blood_half_time": np.array([1.0, 1.5, 0.7]),
    "fraction_left": np.array([0.02, 0.03, 0.025]),
    "biological_half_life_left": np.array([55.0, 40.0, 0.7]),
    "fraction_right": 0.03,
    "biological_half_life_right": 30.0,
}
CYCLES = Schedule(
    (
        Administration(0.0, 0.5, "x", "Lu-177", 100.0),
        Administration(5.0, 0.0, "x", "Lu-177", 50.0),
        Administration(72.0, 4.0, "x", "Lu-177", 7400.0),
    )
)


def receptor_model() -> Model:
    """Free ligand, what is bound to scarce receptors, and what is inside."""
    free, bound, inside = amounts("free bound inside", unit="nmol")
    (site,) = receptors("site", unit="nmol")
    (volume,), (sites,) = (
        parameters("volume", unit="L"),
        parameters("sites", unit="nmol"),
    )
    (on,) = parameters("on", unit="L/(nmol h)")
    off, into, released, out = parameters("off into released out", unit="1/h")
    return Model(
        "scarce_receptors",
        (
            *binding("binding", free, site, bound, volume=volume, k_on=on, k_off=off),
            *internalization_and_release(
                "inside",
                bound,
                inside,
                internalization=into,
                release=released,
                receptor=site,
                released=free,
            ),
            flow("excretion", free, None, out * free),
        ),
        {"intravenous": free},
        {
            "tumour": bound + inside,
            "blood": free,
            "concentration": free / volume,
            "percent": percent_administered(bound, decay_corrected=False),
            "squared": bound**2 / sites,
        },
        start={site: sites},
    )


VALUES = {
    "volume": 3.0,
    "sites": 10.0,
    "on": 1.5,
    "off": 0.4,
    "into": 0.3,
    "released": 0.015,
    "out": 0.35,
}


def by_scipy(doses: tuple[Any, ...], repair_half_time_h: float) -> Protraction:
    """Brute force: (start, length, nmol, MBq) each; all ligand, then the label."""
    v, mu = VALUES, LN2 / repair_half_time_h

    def slopes(time: float, y: np.ndarray, middle: float) -> np.ndarray:
        free, bound, inside, hot_free, hot_bound, hot_inside, *z = y[:8]
        on = v["on"] * (v["sites"] - bound) / v["volume"]
        nmol = MBq = 0.0
        for start, length, dose_nmol, dose_MBq in doses:
            if start < middle < start + length:
                nmol += dose_nmol / length
                MBq += dose_MBq / length * math.exp(-DECAY * (time - start))
        rates = []
        for a, b, c in ((free, bound, inside), (hot_free, hot_bound, hot_inside)):
            rates += [
                -on * a + v["off"] * b + v["released"] * c - v["out"] * a,
                on * a - v["off"] * b - v["into"] * b,
                v["into"] * b - v["released"] * c,
            ]
        change = np.array(rates) + np.array([nmol, 0, 0, MBq, 0, 0])
        change[3:] -= DECAY * y[3:6]
        a, z = np.array([hot_bound + hot_inside, hot_free]), np.array(z)
        return np.concatenate([change, a - mu * z, np.outer(a, z).ravel(), a])

    jumps = np.unique(
        [x for start, length, *_ in doses for x in (start, start + length)]
    )
    y = np.zeros(14)
    for low, high in pairwise([*jumps, jumps[-1] + 40.0 / DECAY]):
        for start, length, nmol, MBq in doses:
            if start == low and length == 0.0:
                y[0], y[3] = y[0] + nmol, y[3] + MBq
        args = ((low + high) / 2.0,)
        y = solve_ivp(
            slopes, (low, high), y, "LSODA", args=args, rtol=1e-10, atol=1e-13
        ).y[:, -1]
    return Protraction(
        ("tumour", "blood"), y[8:12].reshape(1, 2, 2), y[12:].reshape(1, 2)
    )


@pytest.fixture(scope="module")
def linear() -> System:
    return assemble(organ_exchange.model(("left", "right")), CYCLES.form)


def schedule_of(doses: tuple[Any, ...]) -> Schedule:
    return Schedule(
        tuple(
            Administration(
                start, length, "x", "Lu-177" if MBq else None, MBq, ligand_nmol=nmol
            )
            for start, length, nmol, MBq in doses
        )
    )


def test_it_is_the_exact_one_of_a_linear_system(linear) -> None:
    """Equal rates in the third draw; doses that follow each other; three half-times."""
    repair = np.array([2.8, 1.0, 20.0])
    found = protraction_of(
        linear, ORGANS, CYCLES, repair, observables=("left", "right")
    )
    values = np.stack(
        [np.broadcast_to(ORGANS[str(p)], 3) for p in linear.parameters], axis=1
    )
    compiled, doses = compile_exactly(linear), doses_of(CYCLES)
    exact = protract(compiled, values, doses, repair)
    np.testing.assert_allclose(found.q, exact, rtol=1e-7)
    integrals = [compiled.observe(v) @ compiled.integrate(v, doses) for v in values]
    np.testing.assert_allclose(found.time_integrals, integrals, rtol=1e-7)


SATURATING = {
    "one bolus": ((0.0, 0.0, 40.0, 200.0),),
    "an infusion": ((0.0, 4.0, 30.0, 7000.0),),
    "cold ligand first": ((0.0, 0.0, 25.0, 0.0), (2.0, 1.0, 20.0, 300.0)),
}


@pytest.mark.parametrize("doses", SATURATING.values(), ids=SATURATING)
def test_it_is_that_of_scipy_where_receptors_saturate(doses: tuple[Any, ...]) -> None:
    schedule = schedule_of(doses)
    system = assemble(receptor_model(), schedule.form)
    assert system.matrix is None
    found = protraction_of(
        system, VALUES, schedule, 2.8, observables=("tumour", "blood")
    )
    expected = by_scipy(doses, 2.8)
    np.testing.assert_allclose(found.q, expected.q, rtol=1e-6)
    np.testing.assert_allclose(found.time_integrals, expected.time_integrals, rtol=1e-6)
    weights = np.array([[1.0, 0.05]])
    g = g_factor(weights, found.q, found.time_integrals)
    wanted = g_factor(weights, expected.q, expected.time_integrals)
    assert g == pytest.approx(wanted, rel=1e-6)


def test_its_integrals_are_those_of_integrate_observables() -> None:
    schedule = schedule_of(SATURATING["cold ligand first"])
    system = assemble(receptor_model(), schedule.form)
    found = protraction_of(
        system, VALUES, schedule, 2.8, observables=("tumour", "blood")
    )
    other = integrate_observables(system, VALUES, schedule, "Lu-177", ["tumour"])
    assert found.time_integrals[0, 0] == pytest.approx(other.values["tumour"], rel=1e-6)


def test_with_a_trace_of_ligand_it_is_that_of_the_tracer_s_exponentials() -> None:
    """1e-5 nmol for 10 nmol of receptors: linear to 1e-6; its modes by numpy."""
    schedule = schedule_of(((0.0, 0.0, 1e-5, 1e-3),))
    system = assemble(receptor_model(), schedule.form)
    found = protraction_of(
        system, VALUES, schedule, 2.8, observables=("tumour", "blood")
    )
    v = VALUES
    on = v["on"] * v["sites"] / v["volume"]
    matrix = np.array(
        [
            [-on - v["out"], v["off"], v["released"]],
            [on, -v["off"] - v["into"], 0.0],
            [0.0, v["into"], -v["released"]],
        ]
    )
    values, modes = np.linalg.eig(matrix)
    sizes = modes * np.linalg.solve(modes, [1.0, 0.0, 0.0])
    for weights, row in (([1.0, 0.0], sizes[1] + sizes[2]), ([0.0, 1.0], sizes[0])):
        g = g_factor(np.array([weights]), found.q, found.time_integrals)
        # Receptors that cycle have complex modes: the same double sum of them.
        b, mu = DECAY - values, LN2 / 2.8
        pairs = np.outer(row, row) / (b[:, None] + b) / (b[:, None] + mu)
        expected = 2.0 * (pairs.sum() / (row / b).sum() ** 2).real
        assert g[0] == pytest.approx(float(expected), rel=1e-5)


def test_without_repair_q_is_the_product_of_the_integrals() -> None:
    schedule = schedule_of(SATURATING["an infusion"])
    system = assemble(receptor_model(), schedule.form)
    found = protraction_of(
        system, VALUES, schedule, 1e9, observables=("tumour", "blood")
    )
    both = found.q + found.q.transpose(0, 2, 1)
    outer = found.time_integrals[:, :, None] * found.time_integrals[:, None, :]
    np.testing.assert_allclose(both, outer, rtol=1e-5)


def test_a_daughter_is_read_by_itself() -> None:
    """Bi-212 from Pb-212 in one place: two exponentials, from Bateman's equations."""
    (organ,), (washout,) = amounts("organ", unit="nmol"), parameters("w", unit="1/h")
    model = Model(
        "one_place",
        (flow("washout", organ, None, washout * organ),),
        {"intravenous": organ},
        {"organ": organ},
        daughters=dict.fromkeys(("Bi-212", "Po-212", "Tl-208"), Fate.WITH_LIGAND),
    )
    given = Schedule((Administration(0.0, 0.0, "x", "Pb-212", 100.0),))
    system = assemble(model, given.form)
    fast, slow = (nuclide(n).decay_constant_per_h for n in ("Bi-212", "Pb-212"))
    for label, amplitudes in (("Bi-212", [1.0, -1.0]), ("Pb-212", [1.0, 0.0])):
        found = protraction_of(
            system, {"w": 0.03}, given, 2.8, label=label, observables=("organ",)
        )
        expected = g_factor_of_exponentials(amplitudes, [slow + 0.03, fast + 0.03], 2.8)
        g = g_factor(np.ones((1, 1)), found.q, found.time_integrals)
        assert g[0] == pytest.approx(float(expected), rel=1e-8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"observables": ()}, "observables is empty"),
        ({"observables": ("tumor",)}, "no observable 'tumor': did you mean 'tumour'"),
        ({"observables": ("concentration",)}, "a dose follows from an activity in MBq"),
        ({"observables": ("percent",)}, "a dose follows from an activity in MBq"),
        ({"observables": ("squared",)}, "a dose follows from an activity in MBq"),
        ({"label": "ligand"}, "ligand has no activity"),
        ({"repair_half_time_h": np.ones(2)}, "one for each of 1 draws"),
        ({"parameters": {**VALUES, "on": -1.0}}, "on"),
        ({"parameters": {**VALUES, "on": np.array([1.0, -1.0])}}, "of draw 1 is -1"),
        ({"parameters": {**VALUES, "on": np.ones((2, 2))}}, "have the shapes"),
        (
            {"parameters": {**VALUES, "on": np.ones(2), "off": np.ones(3)}},
            "have the shapes",
        ),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    schedule = schedule_of(SATURATING["one bolus"])
    arguments: dict[str, Any] = {
        "parameters": VALUES,
        "repair_half_time_h": 2.8,
        "observables": ("tumour",),
        **changes,
    }
    with pytest.raises(InputError, match=message):
        protraction_of(
            assemble(receptor_model(), schedule.form), schedule=schedule, **arguments
        )


def test_a_solve_that_fails_names_the_draw() -> None:
    schedule = schedule_of(SATURATING["one bolus"])
    system = assemble(receptor_model(), schedule.form)
    values = {**VALUES, "on": np.array([1.0, 1e305])}
    with pytest.raises(SolveError, match=r"1 of 2 draws .* the first is draw 1"):
        protraction_of(system, values, schedule, 2.8, observables=("tumour", "blood"))
