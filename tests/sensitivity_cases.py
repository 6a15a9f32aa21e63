"""Schedules in which much overlaps, to differentiate in every number."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from course_cases import LEAKING, MODELLED, MODELLED_VALUES, hot, infusion
from courses import (
    BINDING,
    BINDING_VALUES,
    BOUND,
    FREE,
    ONE_COMPARTMENT,
    PLASMA,
    SITES,
    VALUES,
    bolus,
)

from pkmodels.administrations import Delivery
from pkmodels.courses import Course, course_of
from pkmodels.definition import Model
from pkmodels.schedule import Schedule, Window
from pkmodels.symbols import parameters
from pkmodels.system import System, assemble

PLASMA_0, BOUND_0 = parameters("plasma_0 bound_0", unit="nmol")
STARTED = Model(
    "started",
    BINDING.reactions,
    {"intravenous": PLASMA},
    {"plasma": PLASMA},
    start={FREE: SITES, PLASMA: PLASMA_0, BOUND: BOUND_0},
)


@dataclass(frozen=True)
class Case:
    """A schedule, parameters, and readings (some of them before a jump)."""

    model: Model
    schedule: Schedule
    values: Mapping[str, float]
    label: str | None
    times: np.ndarray

    @property
    def course(self) -> Course:
        return course_of(self.system, self.schedule, self.label)

    @property
    def system(self) -> System:
        return assemble(self.model, self.schedule.form)


CASES = {
    "boluses, infusions, lag, window, reset": Case(
        ONE_COMPARTMENT,
        Schedule(
            (
                bolus(10.0, 0.2),
                infusion(2.0, 8.0, 0.5),
                infusion(3.0, 5.0, 1.1),
                bolus(4.0, 0.3, route="late"),
                replace(infusion(1.0, 7.0, 2.3), route="late"),
                bolus(6.0, 5.5),
            ),
            (Window("closed", 0.7, 1.9, 0.6), Window("closed", 3.3, 6.1, 0.3)),
            (5.2,),
        ),
        VALUES,
        None,
        np.array([0.1, 0.35, 0.9, 1.5, 2.0, 3.0, 4.15, 5.0, 5.4, 6.5, 12.0]),
    ),
    "a label that decays in syringes": Case(
        ONE_COMPARTMENT,
        Schedule(
            (
                hot(0.4, 2.0, "Ga-68", 10.0, ligand_nmol=3.0),
                hot(1.1, 3.0, "Ga-68", 7.0, ligand_nmol=3.0, route="late"),
                hot(4.5, 0.0, "Ga-68", 5.0, ligand_nmol=3.0, route="late"),
                hot(
                    1.3, 0.3, "Ga-68", 5.0, ligand_nmol=3.0, delivered=Delivery.CONSTANT
                ),
            )
        ),
        VALUES,
        "Ga-68",
        np.array([0.6, 1.4, 2.0, 3.0, 6.5, 9.0]),
    ),
    "labels that saturate": Case(
        LEAKING,
        Schedule(
            (
                hot(0.4, 1.5, "Lu-177", 9.0, ligand_nmol=12.0, free_label_fraction=0.2),
                hot(1.2, 1.0, "Lu-177", 9.0, ligand_nmol=5.0, free_label_fraction=0.1),
                hot(3.1, 0.0, "Lu-177", 3.0, ligand_nmol=8.0, free_label_fraction=0.3),
            )
        ),
        BINDING_VALUES,
        None,
        np.array([0.2, 0.8, 1.5, 2.0, 3.0, 3.3, 8.0]),
    ),
    "modelled lengths, rates and parts": Case(
        MODELLED,
        Schedule(
            (
                bolus(12.0, 0.2, modelled=True, route="long"),
                bolus(8.0, 1.3, modelled=True, route="fast"),
                replace(infusion(2.0, time=2.7), holds_rate=True),
            )
        ),
        MODELLED_VALUES,
        None,
        np.array([0.1, 1.0, 1.8, 2.9, 3.6, 4.1, 7.0]),
    ),
    "from a start": Case(
        STARTED,
        Schedule((bolus(10.0, 1.0), infusion(2.0, 20.0, 1.5))),
        {**BINDING_VALUES, "plasma_0": 3.0, "bound_0": 1.0},
        None,
        np.array([0.0, 0.5, 1.2, 2.0, 5.0, 30.0]),
    ),
}
