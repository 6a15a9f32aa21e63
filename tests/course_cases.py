"""Schedules of all forms on small models, lowered to problems, and solved by SciPy."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from courses import (
    BINDING,
    BINDING_VALUES,
    FREE,
    ONE_COMPARTMENT,
    PLASMA,
    RATE,
    SITES,
    VALUES,
    K,
    bolus,
)
from scipy.integrate import odeint

from pkmodels.administrations import Administration, Delivery
from pkmodels.courses import course_of
from pkmodels.definition import Fate, Model
from pkmodels.kernels.equations import Equations, equations_of
from pkmodels.kernels.printing import numpy_function
from pkmodels.kernels.problem import Problem
from pkmodels.lowering import lower_course
from pkmodels.reactions import flow
from pkmodels.routes import Route
from pkmodels.schedule import Schedule, Window
from pkmodels.symbols import amounts, parameters
from pkmodels.system import assemble


def solved(equations: Equations, problem: Problem) -> np.ndarray:
    """Return the states at the readings, as `Problem` says, by SciPy's LSODA."""
    arguments = (*equations.states, *equations.constants)
    function = numpy_function(arguments, equations.derivatives)
    arrays = Problem(*(np.asarray(array) for array in problem))
    found = np.full((len(arrays.times_h), len(equations.states)), np.nan)
    ends = np.append(arrays.boundaries_h[1:], max(arrays.times_h, default=0.0))
    state = np.zeros(len(equations.states))
    for row, (start, end) in enumerate(zip(arrays.boundaries_h, ends, strict=True)):
        constants = arrays.constants[row].tolist()
        state = arrays.keep[row] * state + arrays.added[row]
        wanted = arrays.places == row
        times = np.concatenate([[start], arrays.times_h[wanted], [max(start, end)]])
        assert np.all(np.diff(times) >= 0.0)
        distinct, where = np.unique(times, return_inverse=True)
        curve = state[None, :]
        if len(distinct) > 1:
            curve = odeint(
                lambda _, y, c=constants: function([*y.tolist(), *c]),
                state,
                distinct - start,
                tfirst=True,
                rtol=1e-11,
                atol=1e-15 * arrays.scales,
                mxstep=100_000,
            )
        found[wanted], state = curve[where[1:-1]], curve[-1]
    return found


@dataclass(frozen=True)
class Case:
    """A schedule on a model, and which label is followed."""

    model: Model
    given: tuple[Administration, ...]
    values: Mapping[str, float]
    label: str | None = None
    windows: tuple[Window, ...] = ()
    resets_h: tuple[float, ...] = ()

    @property
    def schedule(self) -> Schedule:
        return Schedule(self.given, self.windows, self.resets_h)


def infusion(hours: float, nmol: float = 10.0, time: float = 0.0) -> Administration:
    return Administration(time, hours, "drug", ligand_nmol=nmol)


def hot(time: float, hours: float, label: str, MBq: float, **rest: Any) -> Any:
    return Administration(time, hours, "drug", label, MBq, **rest)


LONG, FAST = parameters("long", unit="h")[0], parameters("fast", unit="nmol/h")[0]
PART = parameters("part", unit="1")[0]
MODELLED = Model(
    "modelled",
    ONE_COMPARTMENT.reactions,
    {
        "long": Route(PLASMA, bioavailability=PART, duration_h=LONG),
        "fast": Route(PLASMA, LONG / 7, PART, rate_per_h=FAST),
        "intravenous": Route(PLASMA, bioavailability=PART),
    },
    {"plasma": PLASMA},
)
(SALT,) = amounts("salt", unit="nmol", ligand="free Lu")
LEAKING = Model(
    "leaking",
    (*BINDING.reactions, flow("leak", SALT, None, 2 * RATE * SALT)),
    {"intravenous": (PLASMA, Route(SALT, lag_h=0.3 / RATE))},
    {"plasma": PLASMA},
    start={FREE: SITES},
)
CHAIN = Model(
    "chain",
    BINDING.reactions,
    {"intravenous": PLASMA},
    {"plasma": PLASMA},
    start={FREE: SITES},
    daughters=dict.fromkeys(("Bi-212", "Tl-208", "Po-212"), Fate.WITH_LIGAND),
)
SHUT = (Window("closed", -1.0, 0.5, 0.2), Window("closed", 1.0, 3.0, 1.0))
FROM_THEN_ON = (
    Window("closed", -math.inf, 1.0, 0.5),
    Window("closed", 4.0, math.inf, 1),
)
MODELLED_VALUES = {"k": K, "long": 4.0, "fast": 2.0, "part": 0.5}
ONE = (ONE_COMPARTMENT,)
CASES = {
    "boluses": Case(*ONE, (bolus(10.0, 2.0), bolus(1.0), bolus(3.0, 5.0)), VALUES),
    "nothing": Case(BINDING, (), BINDING_VALUES),
    "infusions that overlap": Case(
        *ONE, (infusion(4.0), infusion(4.0, 20.0, 2.0), bolus(5.0, 2.0)), VALUES
    ),
    "late and in part": Case(
        *ONE,
        (bolus(1.0, 5.0, route="late"), replace(infusion(2.0), route="late")),
        VALUES,
        windows=SHUT,
    ),
    "windows without end": Case(*ONE, (infusion(2.0),), VALUES, windows=FROM_THEN_ON),
    "resets": Case(
        *ONE,
        (
            bolus(10.0),
            infusion(5.0),
            bolus(10.0, 0.4, route="late"),
            bolus(7.0, 1.0),
            replace(infusion(3.0, time=1.0), route="late"),
        ),
        VALUES,
        windows=SHUT,
        resets_h=(6.0, 1.0, 4.0),
    ),
    "reset of what is bound": Case(
        BINDING, (bolus(10.0), infusion(2.0, time=3.0)), BINDING_VALUES, None, (), (4,)
    ),
    "reset at 0": Case(BINDING, (bolus(10.0),), BINDING_VALUES, resets_h=(0.0,)),
    "label in the syringe": Case(
        *ONE,
        (
            hot(0.0, 4.0, "Ga-68", 100.0),
            hot(2.0, 5.0, "Ga-68", 30.0, route="late"),
            hot(1.0, 1.0, "Lu-177", 70.0),
            hot(3.0, 0.0, "Ga-68", 9.0, route="late"),
        ),
        VALUES,
        "Ga-68",
        SHUT,
        resets_h=(8.0,),
    ),
    "label at a constant rate": Case(
        *ONE,
        (
            hot(0.0, 4.0, "Ga-68", 100.0, delivered=Delivery.CONSTANT, route="late"),
            hot(1.0, 4.0, "Ga-68", 10.0),
        ),
        VALUES,
        "Ga-68",
    ),
    "labels on a saturable ligand": Case(
        BINDING,
        (
            hot(0.0, 1.0, "Lu-177", 50.0, ligand_nmol=10.0),
            hot(0.5, 2.0, "Ga-68", 0.05, ligand_nmol=1e-3),
            hot(2.0, 3.0, "Lu-177", 5.0, ligand_nmol=1.0),
            hot(2.5, 0.0, "Ga-68", 0.05, ligand_nmol=1.0),
        ),
        BINDING_VALUES,
        resets_h=(4.0,),
    ),
    "daughters": Case(
        CHAIN, (hot(0.0, 2.0, "Pb-212", 10.0, ligand_nmol=10.0),), BINDING_VALUES
    ),
    "modelled": Case(
        MODELLED,
        tuple(
            bolus(12.0, t, modelled=True, route=r)
            for t, r in ((0, "long"), (1, "fast"))
        ),
        MODELLED_VALUES,
    ),
    "held rate": Case(
        MODELLED, (replace(infusion(5.0), holds_rate=True), bolus(3.0)), MODELLED_VALUES
    ),
    "free label": Case(
        LEAKING,
        tuple(
            hot(t, 0.5 * t, "Lu-177", 9.0, ligand_nmol=2.0, free_label_fraction=share)
            for t, share in ((0.0, 0.2), (1.0, 1.0), (2.0, 0.0))
        ),
        BINDING_VALUES,
    ),
    "times that differ by rounding": Case(
        *ONE,
        (
            infusion(0.3),
            bolus(1.0, 0.1 + 0.2),
            bolus(2.0, 0.3),
            infusion(1.0, 2.0, 0.3),
        ),
        VALUES,
        None,
        (Window("closed", 0.1 + 0.2, 2.0, 0.7),),
    ),
    "reset a rounding after a dose": Case(
        *ONE,
        (bolus(2.0, 0.3), bolus(1.0, 0.1 + 0.2), bolus(4.0, 2.0, route="late")),
        VALUES,
        resets_h=(0.1 + 0.2, 3.5),
    ),
}
READINGS = np.array(
    [0.3, 50.0, 0.0, 0.0, 2.0, 2.0, 0.1 + 0.2, 0.3, 1.0, 4.0, 3.5, 7.7, 8.0, 1.5, 2.5]
)
EARLY = np.array([0, 1, 1, 0, 1, 0, 0, 1, 0, 0, 1, 1, 1, 1, 0], dtype=bool)


def lowered(case: Case, **how: Any) -> tuple[Problem, np.ndarray]:
    system = assemble(case.model, case.schedule.form)
    _, layout = equations_of(system)
    values = jnp.array([case.values[str(p)] for p in system.parameters])
    course = course_of(system, case.schedule, case.label)
    function = jax.jit(partial(lower_course, system, layout))
    return function(values, replace(course, **how), READINGS, EARLY)
