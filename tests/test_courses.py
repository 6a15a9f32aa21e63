"""Courses: what is static, what is traced, and what is refused."""

import math
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from course_cases import LEAKING, MODELLED
from courses import (
    BINDING,
    BINDING_VALUES,
    GALLIUM,
    LUTETIUM,
    ONE_COMPARTMENT,
    VALUES,
    bolus,
)

from pkmodels.administrations import Administration, SteadyState
from pkmodels.compiled import compile_system
from pkmodels.courses import Course, course_of
from pkmodels.errors import InputError
from pkmodels.kernels.equations import equations_of
from pkmodels.kernels.problem import Outcome
from pkmodels.lowering import lower_course
from pkmodels.schedule import Schedule, ScheduleForm, Window
from pkmodels.system import System, assemble
from pkmodels.timeline import lower

ROUTES = (("drug", "intravenous"), ("drug", "late"))
SYSTEM = assemble(ONE_COMPARTMENT, ScheduleForm(ROUTES, (), True, True))
BOLUSES = assemble(ONE_COMPARTMENT, ScheduleForm(ROUTES, (), False, True))


def labelled(label: str, *plan: tuple[float, float, float, float]) -> Schedule:
    """Return doses of (time, length, MBq, nmol)."""
    return Schedule(
        tuple(
            Administration(time, length, "drug", label, MBq, ligand_nmol=nmol)
            for time, length, MBq, nmol in plan
        )
    )


FIRST = labelled("Lu-177", (0.0, 0.5, 7400.0, 150.0), (9.0, 0.0, 30.0, 20.0))
SECOND = labelled("Y-90", (0.0, 0.0, 3000.0, 70.0), (5.0, 4.0, 3000.0, 90.0))


@pytest.mark.parametrize(
    ("system", "labels"),
    [(SYSTEM, ("Lu-177", "Y-90")), (assemble(BINDING, FIRST.form), (None, None))],
    ids=["linear", "saturable"],
)
def test_patients_of_one_form_share_one_compilation(
    system: System, labels: tuple[str | None, str | None]
) -> None:
    """Also with another label, and where one infuses what the other injects."""
    _, layout = equations_of(system)
    traced = []

    @jax.jit
    def boundaries(values: Any, course: Course) -> Any:
        traced.append(1)
        return lower_course(system, layout, values, course, np.ones(1))[0].boundaries_h

    both = zip((FIRST, SECOND), labels, strict=True)
    courses = [course_of(system, schedule, label) for schedule, label in both]
    assert len({jax.tree.structure(course) for course in courses}) == 1
    assert courses[0].form == courses[1].form
    found = [boundaries(jnp.ones(len(system.parameters)), c) for c in courses]
    assert len(traced) == 1
    assert [np.unique(x).tolist() for x in found] == [[0.0, 0.5, 9.0], [0.0, 5.0, 9.0]]


def test_arrays_are_those_of_the_schedule() -> None:
    windows = (Window("closed", -math.inf, 1.0, 0.5), Window("closed", 3.0, 5.0, 1.0))
    schedule = replace(FIRST, windows=windows, resets_h=(12.0, 8.0))
    course = course_of(SYSTEM, schedule, "Lu-177")
    assert course.time_h.tolist() == [0.0, 9.0]
    assert course.duration_h.tolist() == [0.5, 0.0]
    assert course.ligand_nmol.tolist() == [150.0, 20.0]
    assert course.activity_MBq.tolist() == [7400.0, 30.0]
    assert course.reset_h.tolist() == [12.0, 8.0]
    assert course.window_start_h.tolist() == [-math.inf, 3.0]
    assert course.window_end_h.tolist() == [1.0, 5.0]
    assert course.window_value.tolist() == [0.5, 1.0]
    assert course.loss_per_h == pytest.approx(LUTETIUM)
    assert course_of(SYSTEM, schedule).loss_per_h == course.loss_per_h
    assert course_of(SYSTEM, schedule, "ligand").loss_per_h == 0.0
    # The first reset after each dose, in whichever order they are given.
    assert [dose.stopped_by for dose in course.form.doses] == [1, 0]
    assert [(w.begins, w.ends) for w in course.form.windows] == [
        (False, True),
        (True, True),
    ]
    leaves, structure = jax.tree.flatten(course)
    assert all(leaf.dtype == np.float64 for leaf in leaves)
    assert jax.tree.unflatten(structure, leaves).form == course.form


def test_unknown_amount_of_ligand_is_no_number() -> None:
    hot = Administration(0.0, 0.0, "drug", "Ga-68", 100.0)
    course = course_of(SYSTEM, Schedule((hot,)), "Ga-68")
    assert np.isnan(course.ligand_nmol).all()
    assert course.loss_per_h == pytest.approx(GALLIUM)


def test_decay_constants_are_those_of_the_systems() -> None:
    one = Administration(0.0, 0.0, "drug", "Lu-177", 5.0, ligand_nmol=1.0)
    schedule = Schedule((one, replace(one, label="Ga-68", time_h=1.0)))
    system = assemble(BINDING, schedule.form)
    course = course_of(system, schedule)
    assert course.decay_constants.tolist() == pytest.approx([LUTETIUM, GALLIUM])
    values = {**BINDING_VALUES}
    expected = lower(system, values, schedule).decay_constants
    assert course.decay_constants.tolist() == expected.tolist()


def test_only_the_doses_of_one_label_arrive_in_its_states() -> None:
    given = (
        Administration(0.0, 0.0, "drug", "Ga-68", 100.0),
        Administration(1.0, 0.0, "drug", "Lu-177", 50.0),
    )
    course = course_of(SYSTEM, Schedule(given), "Lu-177")
    assert [len(dose.arrivals) for dose in course.form.doses] == [0, 1]


HOT = Administration(0.0, 0.0, "drug", "Ga-68", 100.0)
REFUSED: dict[str, tuple[System, Schedule, str | None]] = {
    "no input": (
        SYSTEM,
        Schedule((bolus(1.0),), (Window("closd", 0.0, 1.0, 1.0),)),
        None,
    ),
    "no label": (SYSTEM, Schedule((HOT,)), "Ga-67"),
    "no route": (SYSTEM, Schedule((bolus(1.0, route="lat"),)), None),
    "no amount": (SYSTEM, Schedule((HOT,)), None),
    "no boluses": (BOLUSES, Schedule((replace(bolus(1.0), duration_h=2.0),)), None),
    "no length": (SYSTEM, Schedule((bolus(1.0, modelled=True),)), None),
    "no time": (SYSTEM, Schedule((bolus(1.0),), resets_h=(-1.0,)), None),
    "no daughters": (SYSTEM, Schedule((replace(HOT, label="Ac-225"),)), "Ac-225"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_timeline_refuses_is_refused_in_the_same_words(name: str) -> None:
    system, schedule, label = REFUSED[name]
    said = []
    for attempt in (
        partial(course_of, system, schedule, label or "ligand"),
        partial(lower, system, VALUES, schedule, label),
    ):
        with pytest.raises(InputError) as error:
            attempt()
        said.append(str(error.value))
    assert said[0] == said[1]


def test_modelled_length_where_the_form_has_boluses_only() -> None:
    system = assemble(MODELLED, ScheduleForm((("drug", "long"),), (), False, True))
    dose = bolus(1.0, modelled=True, route="long")
    with pytest.raises(InputError, match="takes a modelled time, but 'modelled' was"):
        course_of(system, Schedule((dose,)))


def test_steady_states_are_for_simulate() -> None:
    dose = bolus(1.0, steady_state=SteadyState(4.0))
    with pytest.raises(InputError, match="is at steady state, which is no array: use "):
        course_of(SYSTEM, Schedule((dose,)))


def test_a_label_that_is_free_altogether_has_no_state_on_the_ligand() -> None:
    dose = replace(HOT, label="Lu-177", ligand_nmol=1.0, free_label_fraction=1.0)
    schedule = Schedule((dose,))
    system = assemble(LEAKING, schedule.form)
    (form,) = course_of(system, schedule).form.doses
    found = {(str(system.states[a.state]), a.content.name) for a in form.arrivals}
    assert found == {("plasma", "LIGAND"), ("salt_label_1", "FREE_LABEL")}
    line = lower(system, BINDING_VALUES, schedule)
    # It is late by 1 h, in which it decays.
    assert line.segments.added[1, -1] == pytest.approx(100.0 * math.exp(-LUTETIUM))


def test_a_part_that_cannot_be_is_not_solved() -> None:
    course = course_of(SYSTEM, FIRST, "Lu-177")
    parts = np.full(course.free_label_fraction.shape, 2.0)
    wrong = replace(course, free_label_fraction=parts)
    compiled = compile_system(SYSTEM)
    times = np.array([1.0, 20.0])
    for given, outcome in ((course, Outcome.SOLVED), (wrong, Outcome.NOT_FINITE)):
        _, report = compiled.solve_with_report(VALUES, given, times)
        assert report[0] == outcome
