"""Courses lowered to problems, against the reference solution of the same schedule."""

import math
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from course_cases import CASES, EARLY, READINGS, Case, hot, infusion, lowered, solved
from courses import BINDING_VALUES, ONE_COMPARTMENT, VALUES, K, bolus
from hypothesis import given, settings
from hypothesis import strategies as st
from lsoda import integrate
from test_nmtest import CL, KA, V, of_the_first_row, published, subjects
from test_nmtest import system as nmtest_system

from pkmodels.administrations import SteadyState
from pkmodels.courses import Course, course_of
from pkmodels.errors import InputError
from pkmodels.kernels.equations import equations_of
from pkmodels.lowering import lower_course, problem_of
from pkmodels.schedule import Schedule, ScheduleForm, Window
from pkmodels.system import assemble
from pkmodels.timeline import lower

pytestmark = pytest.mark.usefixtures("strict_dtypes")


@pytest.mark.parametrize("name", CASES)
def test_solution_is_that_of_the_timeline(name: str) -> None:
    case = CASES[name]
    system = assemble(case.model, case.schedule.form)
    equations, layout = equations_of(system)
    line = lower(system, case.values, case.schedule, case.label)
    expected = integrate(line, READINGS, EARLY)
    size = len(system.states)
    for problem, rows in (lowered(case), problem_of(line, layout, READINGS, EARLY)):
        places, boundaries = (
            np.asarray(problem.places),
            np.asarray(problem.boundaries_h),
        )
        assert places.dtype == np.int64
        assert np.all(np.diff(places) >= 0)
        assert np.all(np.diff(boundaries) >= 0.0)
        assert np.all(np.asarray(problem.times_h) >= boundaries[places])
        np.testing.assert_allclose(problem.scales[:size], line.scales, rtol=1e-14)
        for state, syringe, _ in layout.syringes:
            assert problem.scales[syringe] == problem.scales[state]
        found = solved(equations, problem)[np.asarray(rows)][:, :size]
        error = np.abs(found - expected)
        assert np.all(error <= 2e-8 * np.abs(expected) + 1e-10 * line.scales)
        # Times but for rounding are one time, in both.
        distinct = np.unique(boundaries)
        assert np.all(np.diff(distinct) > 1e-12)
        distance = np.abs(line.boundaries_h[:, None] - distinct[None, :])
        assert np.all(distance.min(axis=1) <= 1e-12)


def test_time_integrals_go_on_over_resets() -> None:
    """Of a bolus of 10 that is lost at k: 10 (1 - exp(-k t)) / k, then again."""
    schedule = Schedule((bolus(10.0), bolus(10.0, 2.0)), resets_h=(2.0,))
    system = assemble(ONE_COMPARTMENT, schedule.form)
    equations, layout = equations_of(system, integrals=True)
    line = lower(system, VALUES, schedule)
    times = np.array([1.0, 2.0, 5.0])
    expected = [10.0 / K * -math.expm1(-K * t) for t in (1.0, 2.0, 3.0)]
    expected[2] += expected[1]
    values = jnp.array([VALUES[str(p)] for p in system.parameters])
    course = course_of(system, schedule)
    for problem, rows in (
        problem_of(line, layout, times),
        lower_course(system, layout, values, course, times),
    ):
        found = solved(equations, problem)[np.asarray(rows), layout.integrals]
        np.testing.assert_allclose(found, expected, rtol=1e-9)
        assert np.asarray(problem.scales).tolist() == [20.0, 20.0]


tenths = st.integers(0, 60).map(lambda n: n * 0.1)
lengths = st.integers(0, 30).map(lambda n: n * 0.1)
plans = st.lists(st.tuples(tenths, lengths), min_size=4, max_size=4)
edges = st.lists(tenths, min_size=3, max_size=3, unique=True).map(sorted)
SYSTEM = assemble(
    ONE_COMPARTMENT,
    ScheduleForm((("drug", "intravenous"), ("drug", "late")), infusions=True),
)
lower_one = jax.jit(partial(lower_course, SYSTEM, equations_of(SYSTEM)[1]))


@settings(max_examples=25)
@given(plans, edges, tenths, st.sampled_from([0.0, 0.2, 1.3]))
def test_any_course(
    plan: list[Any], edges: list[float], reset: float, lag: float
) -> None:
    """On a grid of tenths of an hour, where much coincides but for rounding."""
    ways = (("intravenous", "decaying"), ("late", "decaying"), ("late", "constant"))
    doses = tuple(
        hot(time, length, "Ga-68", 1.0 + time, route=route, delivered=delivered)
        for (time, length), (route, delivered) in zip(plan, ways, strict=False)
    )
    windows = tuple(Window("closed", a, b, 0.5 * a) for a, b in pairwise(edges))
    schedule, values = Schedule(doses, windows, (reset,)), {**VALUES, "lag": lag}
    line = lower(SYSTEM, values, schedule, "Ga-68")
    expected = integrate(line, READINGS, EARLY)
    array = jnp.array([values[str(p)] for p in SYSTEM.parameters])
    problem, rows = lower_one(
        array, course_of(SYSTEM, schedule, "Ga-68"), READINGS, EARLY
    )
    found = solved(equations_of(SYSTEM)[0], problem)[np.asarray(rows), :1]
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10 * line.scales[0])


@pytest.mark.reference
@pytest.mark.parametrize("name", ["2", "5", "8", "17", "18", "24"])
def test_nonmem_agrees(name: str) -> None:
    """Lags, held and modelled lengths, a reset; `cp` has five digits."""
    subject, system = subjects()[name], nmtest_system()
    equations, layout = equations_of(system)
    columns = {"lag": "lagt", "fraction": "bioav", "duration": "dur2"}
    values = {"ka": KA, "CL": CL, "V": V}
    values |= {n: of_the_first_row(subject, column) for n, column in columns.items()}
    problem, rows = jax.jit(partial(lower_course, system, layout))(
        jnp.array([values[str(p)] for p in system.parameters]),
        course_of(system, subject.schedule),
        np.array(subject.times_h),
        np.array(subject.before),
    )
    found = 1000.0 / V * solved(equations, problem)[np.asarray(rows), 1]
    np.testing.assert_allclose(found, published(subject), rtol=1e-4, atol=1e-9)


def many(case: Case, count: int) -> tuple[Any, Any, Course, Any]:
    """Return a lowering, parameter sets, and courses at other times and amounts."""
    system = assemble(case.model, case.schedule.form)
    course = course_of(system, case.schedule, case.label)
    factors = jnp.linspace(0.7, 1.3, count)
    values = jnp.array([case.values[str(p)] for p in system.parameters])
    courses = jax.tree.map(
        lambda leaf: (
            factors.reshape(-1, *[1] * np.ndim(leaf)) * jnp.asarray(leaf)[None]
        ),
        course,
    )
    lowering = partial(lower_course, system, equations_of(system)[1])
    return lowering, factors[:, None] * values[None, :], courses, course


@pytest.mark.parametrize("name", ["label in the syringe", "modelled"])
def test_many_at_once_are_as_one_by_one(name: str) -> None:
    lowering, values, courses, _ = many(CASES[name], 2)
    alone = jax.jit(lowering)
    at_once = jax.jit(jax.vmap(lowering, (0, 0, None, None)))
    found = at_once(values, courses, READINGS, EARLY)
    for number in range(2):
        course = jax.tree.map(lambda leaf, n=number: leaf[n], courses)
        assert_equal(alone(values[number], course, READINGS, EARLY), found, number)


def test_without_compilation_it_is_the_same() -> None:
    lowering, values, _, course = many(CASES["held rate"], 1)
    found = lowering(values[0], course, READINGS, EARLY)
    assert_equal(found, jax.jit(lowering)(values[0], course, READINGS, EARLY))


def assert_equal(one: Any, other: Any, number: Any = ...) -> None:
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for mine, yours in zip(*map(jax.tree.leaves, (one, other)), strict=True):
        np.testing.assert_allclose(yours[number], mine, 1e-13, 1e-13)


def test_readings_known_to_be_in_order_are_not_sorted() -> None:
    lowering, values, _, course = many(CASES["resets"], 1)
    times = np.unique(READINGS)
    assert_equal(
        lowering(values[0], course, times),
        jax.jit(partial(lowering, in_order=True))(values[0], course, times),
    )
    problem, _ = lowering(values[0], course, times[::-1], in_order=True)
    assert np.isnan(problem.added[0, 0])


@pytest.mark.parametrize("traced", [False, True])
def test_more_than_a_few_readings_and_doses_are_sorted_as_few_are(traced: bool) -> None:
    doses = tuple(bolus(1.0 + n, float(n * 7 % 90)) for n in range(90))
    schedule, times = Schedule(doses), np.array([n * 11 % 100 + 0.5 for n in range(90)])
    system = assemble(ONE_COMPARTMENT, schedule.form)
    values = jnp.array([VALUES[str(p)] for p in system.parameters])
    lowering = partial(lower_course, system, equations_of(system)[1])
    problem, rows = (jax.jit(lowering) if traced else lowering)(
        values, course_of(system, schedule), times
    )
    assert np.array_equal(problem.boundaries_h, [0.0, *range(90)])
    assert np.array_equal(np.asarray(problem.times_h)[rows], times)
    amounts = {dose.time_h: dose.ligand_nmol for dose in doses}
    assert problem.added[1:, 0].tolist() == [amounts[n] for n in range(90)]


def test_own_start_replaces_that_of_the_model() -> None:
    case = CASES["reset of what is bound"]
    more = replace(case, values={**BINDING_VALUES, "sites": 35.0})
    own = lowered(case, start_nmol=np.array([0.0, 35.0, 0.0]))[0]
    wanted = lowered(more)[0]
    for name in ("added", "scales", "keep"):
        assert np.array_equal(getattr(own, name), getattr(wanted, name))
    assert float(own.scales[1]) == 35.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_h": [-1.0, 1.0, 2.0]},
        {"time_h": [0.0, math.nan, 2.0]},
        {"duration_h": [0.0, 0.0, -1.0]},
        {"reset_h": [math.inf]},
        {"reset_h": [math.nan]},
        {"window_end_h": [math.inf]},
        {"window_start_h": [math.nan]},
        {"lag": -0.1},
        {"fraction": math.nan},
        {"times": [1.0, -1.0]},
        {"times": [1.0, math.nan]},
    ],
    ids=str,
)
def test_what_cannot_be_makes_everything_nan(wrong: dict[str, Any]) -> None:
    """And never a boundary that a solver would run to for ever."""
    late = bolus(1.0, 1.0, route="late")
    shut = (Window("closed", 0.5, 9.0, 1.0),)
    schedule = Schedule((bolus(1.0), late, infusion(2.0, time=2.0)), shut, (4.0,))
    system = assemble(ONE_COMPARTMENT, schedule.form)
    _, layout = equations_of(system)
    lower_one = jax.jit(partial(lower_course, system, layout))
    values, times = dict(VALUES), jnp.array([1.0, 2.0])
    course = course_of(system, schedule)

    def start_of_all() -> float:
        array = jnp.array([values[str(p)] for p in system.parameters])
        problem, _ = lower_one(array, course, times)
        assert np.all(np.isfinite(problem.boundaries_h))
        assert np.all(np.isfinite(problem.times_h))
        return float(problem.added[0, 0])

    assert start_of_all() == 0.0
    for name, value in wrong.items():
        if name == "times":
            times = jnp.array(value)
        elif name in values:
            values[name] = value
        else:
            course = replace(course, **{name: jnp.array(value)})
    assert math.isnan(start_of_all())


def test_length_where_the_form_has_none_makes_everything_nan() -> None:
    lowering, values, _, course = many(CASES["boluses"], 1)
    longer = replace(course, duration_h=np.array([0.0, 1.0, 0.0]))
    problem, _ = lowering(values[0], longer, READINGS)
    assert np.isnan(problem.added[0]).all()


def test_shapes_are_checked() -> None:
    lowering, values, _, course = many(CASES["boluses"], 1)
    with pytest.raises(InputError, match=r"parameters has the shape \(1, 3\) and must"):
        lowering(values, course, READINGS)
    with pytest.raises(InputError, match=r"time_h of the course has the shape \(2,\)"):
        lowering(values[0], replace(course, time_h=np.zeros(2)), READINGS)
    with pytest.raises(InputError, match=r"before has the shape \(2,\) and must"):
        lowering(values[0], course, READINGS, np.zeros(2, bool))
    with pytest.raises(InputError, match="times_h must be one list of times"):
        lowering(values[0], course, 0.0)


def test_timelines_that_no_problem_holds() -> None:
    case = CASES["boluses"]
    steady = replace(case.given[1], steady_state=SteadyState(4.0))
    for given_doses, times, text in (
        ((steady,), READINGS, "at steady state, which no problem holds: use simulate"),
        (case.given, np.array([-1.0]), "times_h must be one list of times from 0 h"),
    ):
        schedule = Schedule(given_doses)
        system = assemble(case.model, schedule.form)
        line = lower(system, case.values, schedule)
        with pytest.raises(InputError, match=text):
            problem_of(line, equations_of(system)[1], times)
