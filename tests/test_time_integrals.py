"""Time-integrated activity to infinity: closed forms, other solvers, conservation."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from course_cases import CASES, Case, hot, solved
from courses import (
    BINDING,
    BINDING_VALUES,
    BOUND,
    FREE,
    GALLIUM,
    INSIDE,
    LUTETIUM,
    ONE_COMPARTMENT,
    PLASMA,
    RATE,
    VALUES,
    K,
)
from hot_and_cold import MBq_per_nmol, decay_constant, slopes
from pbpk12_model import PLASMA_IN_KIDNEY, TRUE_VALUES
from pbpk12_model import model as pbpk12
from scipy.integrate import odeint, quad

from pkmodels.administrations import Administration, SteadyState
from pkmodels.compiled_integrals import with_tracers
from pkmodels.definition import Model
from pkmodels.kernels.equations import equations_of
from pkmodels.lowering import problem_of
from pkmodels.nuclides import nuclide
from pkmodels.reactions import flow
from pkmodels.schedule import Schedule, Window
from pkmodels.symbols import (
    parameters,
)
from pkmodels.system import assemble
from pkmodels.time_integrals import Tail, integrate_observables
from pkmodels.timeline import lower
from pkmodels.trajectory import Trajectory, simulate

# Half-lives after which 1e-18 of a label is left.
LONG = 60.0 * math.log(2.0)


def simulated(
    model: Model,
    values: dict[str, float],
    *given: Administration,
    label: str | None = None,
    windows: tuple[Window, ...] = (),
    resets_h: tuple[float, ...] = (),
) -> Trajectory:
    schedule = Schedule(given, windows, resets_h)
    system = assemble(model, schedule.form)
    return simulate(system, values, schedule, np.array([1.0]), label=label)


def area(found: Trajectory, name: str = "plasma") -> float:
    assert name in found.time_integrals, found.not_integrated
    return found.time_integrals[name]


# Linear systems.


def test_late_doses_of_a_linear_system() -> None:
    """F A exp(-lambda lag) / (k + lambda), by two routes."""
    found = simulated(
        ONE_COMPARTMENT,
        VALUES,
        hot(0.0, 0.0, "Ga-68", 100.0),
        hot(2.0, 0.0, "Ga-68", 30.0, route="late"),
    )
    late = 30.0 * VALUES["fraction"] * math.exp(-GALLIUM * VALUES["lag"])
    assert area(found) == pytest.approx((100.0 + late) / (K + GALLIUM), rel=1e-12)
    assert found.tail == Tail(from_h=0.0, share=1.0, error=0.0)


TOTAL = K + LUTETIUM


def test_elimination_stops_for_a_while() -> None:
    """From 1 to 3 h only decay is left."""
    first = 100.0 * -math.expm1(-TOTAL) / TOTAL
    there = 100.0 * math.exp(-TOTAL)
    shut = there * -math.expm1(-2.0 * LUTETIUM) / LUTETIUM
    last = there * math.exp(-2.0 * LUTETIUM) / TOTAL
    dose, window = hot(0.0, 0.0, "Lu-177", 100.0), Window("closed", 1.0, 3.0, 1.0)
    found = simulated(ONE_COMPARTMENT, VALUES, dose, windows=(window,))
    assert area(found) == pytest.approx(first + shut + last, rel=1e-9)


def test_a_reset_ends_what_was_given_before() -> None:
    before = 100.0 * -math.expm1(-5.0 * TOTAL) / TOTAL
    doses = hot(0.0, 0.0, "Lu-177", 100.0), hot(6.0, 0.0, "Lu-177", 7.0)
    found = simulated(ONE_COMPARTMENT, VALUES, *doses, resets_h=(5.0,))
    assert area(found) == pytest.approx(before + 7.0 / TOTAL, rel=1e-9)


def test_a_steady_state_is_integrated_from_its_time_on() -> None:
    """What is left of all doses before, every 6 h, is a geometric series."""
    every = SteadyState(6.0)
    found = simulated(
        ONE_COMPARTMENT, VALUES, hot(0.0, 0.0, "Ga-68", 100.0, steady_state=every)
    )
    total = K + GALLIUM
    there = 100.0 / -math.expm1(-6.0 * total)
    assert area(found) == pytest.approx(there / total, rel=1e-9)


def test_activity_that_grows_has_no_integral() -> None:
    (gain,) = parameters("gain", unit="1/h")
    growth = flow("growth", PLASMA, None, (RATE - gain) * PLASMA)
    model = Model("growth", (growth,), {"intravenous": PLASMA}, {"plasma": PLASMA})
    dose = hot(0.0, 0.0, "Lu-177", 1.0)
    schedule = Schedule((dose,))
    system = assemble(model, schedule.form)
    found = integrate_observables(
        system, {"k": 0.0, "gain": 0.1}, schedule, "Lu-177", ["plasma"]
    )
    assert found.values == {}
    assert found.tail is None
    assert found.reasons["plasma"].startswith("the activity does not die away")


# Systems in which something saturates.

(CAPACITY,) = parameters("capacity", unit="nmol/h")
(HALF,) = parameters("half", unit="nmol")
SATURABLE = Model(
    "saturable",
    (flow("elimination", PLASMA, None, CAPACITY * PLASMA / (HALF + PLASMA)),),
    {"intravenous": PLASMA},
    {"plasma": PLASMA},
)


@pytest.mark.parametrize("nmol", [1e-6, 1.0, 30.0, 1000.0])
@pytest.mark.parametrize("label", ["Ga-68", "Lu-177"])
def test_michaelis_menten(nmol: float, label: str) -> None:
    """The activity is A x exp(-lambda t) / x0; capacity t = half ln(x0 / x) + x0 - x.

    Hence the integral, A / (x0 capacity) times that of (half + x) exp(-lambda t(x))
    over x from 0 to x0; it tends to A / (capacity / half + lambda) with small x0.
    """
    capacity, half, decay = 2.0, 10.0, nuclide(label).decay_constant_per_h

    def slice_of(x: float) -> float:
        time = (half * math.log(nmol / x) + nmol - x) / capacity
        return (half + x) * math.exp(-decay * time)

    least = max(nmol - 30.0 * capacity / decay, 0.0)
    whole = quad(slice_of, least, nmol, epsabs=0.0, epsrel=1e-11, limit=200)[0]
    expected = 100.0 * whole / capacity
    if nmol == 1e-6:
        linear = 100.0 * nmol / (capacity / half + decay)
        assert expected == pytest.approx(linear, rel=1e-6)
    dose = hot(0.0, 0.0, label, 100.0 * nmol, ligand_nmol=nmol)
    found = simulated(SATURABLE, {"capacity": capacity, "half": half}, dose)
    assert area(found) == pytest.approx(expected, rel=2e-6)
    assert found.tail is not None
    assert found.tail.error <= 1e-6
    assert area(found) == pytest.approx(expected, rel=found.tail.error + 1e-8)


def brute_areas(doses: tuple[tuple[float, float], ...], label: str, MBq: float) -> Any:
    """Return the time integrals of pbpk12's six activities, with boluses of (h, nmol).

    All molecules, labelled and not, each with its integral, by LSODA to 60 half-lives.
    """
    decay = np.array([0.0, decay_constant(label)])
    ends = [*(time for time, _ in doses[1:]), doses[-1][0] + LONG / decay[1]]
    state = np.zeros((2, 2, 6))
    hot_nmol = MBq / MBq_per_nmol(label)

    def right_side(_: float, flat: np.ndarray) -> np.ndarray:
        x = flat.reshape(2, 2, 6)[0]
        return np.array([slopes(x, decay), x]).ravel()

    for (time, nmol), end in zip(doses, ends, strict=True):
        state[0, :, 0] += [nmol - hot_nmol, hot_nmol]
        found = odeint(
            right_side,
            state.ravel(),
            [0.0, end - time],
            tfirst=True,
            rtol=1e-11,
            atol=1e-18,
            mxstep=100_000,
        )
        state = found[-1].reshape(2, 2, 6)
    return state[1, 1] * MBq_per_nmol(label)


@pytest.mark.parametrize(
    ("doses", "label"),
    [
        (((0.0, 50.0),), "Lu-177"),
        (((0.0, 50.0), (48.0, 80.0)), "Lu-177"),
        (((0.0, 50.0),), "Y-90"),
    ],
)
def test_pbpk12_by_brute_force(doses: tuple[Any, ...], label: str) -> None:
    given = [hot(t, 0.0, label, 3000.0, ligand_nmol=nmol) for t, nmol in doses]
    found = simulated(pbpk12(), TRUE_VALUES, *given)
    P, I, C, N, K, L = brute_areas(doses, label, 3000.0)  # noqa: E741
    assert found.tail is not None
    assert found.tail.error <= 1e-6
    allowed = found.tail.error + 1e-7
    assert area(found, "plasma") == pytest.approx(P / TRUE_VALUES["VP"], rel=allowed)
    assert area(found, "tumour") == pytest.approx(I + C + N, rel=allowed)
    kidney = K + L + PLASMA_IN_KIDNEY * P
    assert area(found, "kidney") == pytest.approx(kidney, rel=allowed)


def states_integrated(case: Case, label: str, since: float = 0.0) -> float:
    """Return the integral of the label in plasma by LSODA to 60 half-lives."""
    schedule = case.schedule
    system = with_tracers(assemble(case.model, schedule.form))
    equations, layout = equations_of(system, integrals=True)
    linear = system.matrix is not None
    line = lower(system, case.values, schedule, label if linear else None)
    slowest = min(nuclide(name).decay_constant_per_h for name in schedule.labels)
    times = np.array([since, line.boundaries_h[-1] + LONG / slowest])
    problem, rows = problem_of(line, layout, times)
    found = solved(equations, problem)[np.asarray(rows)][:, layout.integrals :]
    found = found[1] - found[0]
    if linear:
        return found[0]
    slots = schedule.slots()
    return sum(
        found[number]
        for number, tracer in enumerate(system.tracers, start=len(system.amounts))
        if tracer.amount == PLASMA
        and (tracer.nuclide or slots[tracer.slot][1]) == label
    )


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("label in the syringe", "Ga-68"),
        ("label in the syringe", "Lu-177"),
        ("label at a constant rate", "Ga-68"),
        ("labels on a saturable ligand", "Lu-177"),
        ("labels on a saturable ligand", "Ga-68"),
        ("free label", "Lu-177"),
        ("daughters", "Pb-212"),
        ("daughters", "Bi-212"),
        ("daughters", "Tl-208"),
    ],
)
def test_schedules_of_all_forms(name: str, label: str) -> None:
    case = CASES[name]
    found = simulated(
        case.model,
        dict(case.values),
        *case.given,
        label=label,
        windows=case.windows,
        resets_h=case.resets_h,
    )
    assert area(found) == pytest.approx(states_integrated(case, label), rel=1e-6)


def test_a_steady_state_of_what_saturates() -> None:
    """As the last of many doses written out, from its time on."""
    dose = hot(0.0, 0.0, "Lu-177", 100.0, ligand_nmol=10.0)
    steady = replace(dose, steady_state=SteadyState(6.0))
    written = tuple(replace(dose, time_h=6.0 * n) for n in range(81))
    expected = states_integrated(
        Case(BINDING, written, BINDING_VALUES), "Lu-177", since=480.0
    )
    found = simulated(BINDING, BINDING_VALUES, steady)
    assert area(found) == pytest.approx(expected, rel=1e-6)


def test_turnover_of_a_receptor() -> None:
    """Synthesis, degradation of free and bound: LSODA on equations written by hand."""
    made, lost, taken = 0.4, 0.02, 0.05
    on, off, nmol, decay = 0.5, 0.1, 60.0, LUTETIUM
    (synthesis,) = parameters("made", unit="nmol/h")
    (degradation,) = parameters("lost", unit="1/h")
    model = Model(
        "turnover",
        (
            *BINDING.reactions[:2],
            flow("uptake", BOUND, None, INSIDE * BOUND),
            flow("synthesis", None, FREE, synthesis),
            flow("degradation", FREE, None, degradation * FREE),
            BINDING.reactions[-1],
        ),
        {"intravenous": PLASMA},
        {"plasma": PLASMA, "bound": BOUND},
        start={FREE: synthesis / degradation},
    )

    def right_side(_: float, y: np.ndarray) -> list[float]:
        free, plasma, bound, active, held = y[:5]
        change = [made - lost * free - on * plasma * free + off * bound]
        for x, b, rate in ((plasma, bound, 0.0), (active, held, decay)):
            change.append(-on * free * x + off * b - (K + rate) * x)
            change.append(on * free * x - (off + taken + rate) * b)
        return [*change, active, held]

    start = [made / lost, nmol, 0.0, 500.0, 0.0, 0.0, 0.0]
    end = [0.0, LONG / decay]
    accuracy: Any = {"rtol": 1e-11, "atol": 1e-14, "mxstep": 100_000, "tfirst": True}
    expected = odeint(right_side, start, end, **accuracy)[-1, -2:]
    dose = hot(0.0, 0.0, "Lu-177", 500.0, ligand_nmol=nmol)
    values = {"on": on, "off": off, "internalize": taken, "k": K}
    # A second label in no proportion, so that the first has states of its own, too.
    tracer = hot(0.0, 0.0, "Ga-68", 1e-6, ligand_nmol=1e-9)
    for given in ((dose,), (dose, tracer)):
        found = simulated(
            model, {**values, "made": made, "lost": lost}, *given, label="Lu-177"
        )
        both = [area(found, "plasma"), area(found, "bound")]
        assert both == pytest.approx(expected.tolist(), rel=2e-6)
        assert found.tail is not None
        assert found.tail.from_h < 1000.0  # 6 half-lives, not 60
