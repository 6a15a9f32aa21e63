"""Derivatives of compiled systems, against differences of LSODA's solutions.

In every number of a course: parameters, amounts, times, lengths, windows, resets,
readings. The oracle lowers each changed schedule anew and integrates it by LSODA.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import lsoda
import numpy as np
import pytest
from course_cases import hot, infusion
from courses import (
    BOUND,
    FREE,
    ONE_COMPARTMENT,
    PLASMA,
    VALUES,
    bolus,
)
from sensitivity_cases import CASES, Case

from pkmodels import compiled as compiled_module
from pkmodels.compiled import CompiledSystem, compile_system
from pkmodels.courses import course_of
from pkmodels.kernels.choice import Solver, choose_solver
from pkmodels.kernels.problem import Controls, Problem, Tangents
from pkmodels.schedule import Schedule, Window
from pkmodels.system import assemble
from pkmodels.timeline import lower

FINE = Controls(relative=1e-10, absolute=1e-14)
OF_DOSES = (
    "time_h",
    "duration_h",
    "ligand_nmol",
    "activity_MBq",
    "free_label_fraction",
)
OF_WINDOWS = {
    "window_start_h": "start_h",
    "window_end_h": "end_h",
    "window_value": "value",
}


@cache
def compiled(name: str, kernel: str = "native") -> CompiledSystem:
    return compile_system(CASES[name].system, kernel=kernel, controls=FINE)


def by_lsoda(case: Case, values: Any, schedule: Schedule, times: np.ndarray) -> Any:
    return lsoda.integrate(lower(case.system, values, schedule, case.label), times)


def changed(schedule: Schedule, field: str, number: int, change: float) -> Schedule:
    """Return the schedule with one number of it moved."""
    if field == "reset_h":
        resets = list(schedule.resets_h)
        resets[number] += change
        return replace(schedule, resets_h=tuple(resets))
    if field in OF_DOSES:
        given = list(schedule.administrations)
        old = getattr(given[number], field)
        given[number] = replace(given[number], **{field: old + change})
        return replace(schedule, administrations=tuple(given))
    windows = list(schedule.windows)
    name = OF_WINDOWS[field]
    old = getattr(windows[number], name)
    windows[number] = replace(windows[number], **{name: old + change})
    return replace(schedule, windows=tuple(windows))


def difference(function: Callable[[float], np.ndarray], step: float) -> np.ndarray:
    """Return a derivative at 0, of order 2 in the step."""
    return (function(step) - function(-step)) / (2.0 * step)


def assert_slope(found: Any, expected: np.ndarray, what: str) -> None:
    size = max(1e-3, float(np.abs(expected).max()))
    error = float(np.abs(np.asarray(found) - expected).max()) / size
    assert error < 5e-6, f"{what}: {error:.2g} of {size:.3g}"


@pytest.mark.parametrize("name", CASES)
def test_parameters(name: str) -> None:
    """As a mapping, and as a vector."""
    case, solver = CASES[name], compiled(name)
    values = {key: float(value) for key, value in case.values.items()}
    found = jax.jacfwd(lambda v: solver.solve(v, case.course, case.times))(values)
    names = [parameter.name for parameter in case.system.parameters]
    vector = jnp.array([values[name] for name in names])
    columns = jax.jacfwd(lambda v: solver.solve(v, case.course, case.times))(vector)
    for place, parameter in enumerate(names):
        value = values[parameter]

        def at(change: float, parameter: str = parameter, value: float = value) -> Any:
            moved = {**values, parameter: value + change}
            return by_lsoda(case, moved, case.schedule, case.times)

        assert_slope(found[parameter], difference(at, 3e-4 * value), parameter)
        np.testing.assert_allclose(
            columns[..., place], found[parameter], rtol=1e-9, atol=1e-12
        )


@pytest.mark.parametrize("name", CASES)
def test_all_of_a_course(name: str) -> None:
    """Amounts, times, lengths and fractions of doses; windows; resets; at once."""
    case, solver = CASES[name], compiled(name)
    course = case.course
    fields = (*OF_DOSES, *OF_WINDOWS, "reset_h")
    numbers = {field: jnp.asarray(getattr(course, field)) for field in fields}
    is_hot = any(dose.activity_MBq for dose in case.schedule.administrations)
    checked = 0

    def solve(numbers: dict[str, Any]) -> Any:
        return solver.solve(case.values, replace(course, **numbers), case.times)

    found = jax.jacfwd(solve)(numbers)
    for field, array in numbers.items():
        for number in range(array.size):
            if not is_hot and field in ("activity_MBq", "free_label_fraction"):
                continue
            value = float(array[number])
            if field == "free_label_fraction" and value == 0.0:
                continue  # it has no room to fall
            if field == "duration_h" and value == 0.0:
                assert np.abs(found[field][..., number]).max() < 1e-12
                continue

            def at(change: float, field: str = field, number: int = number) -> Any:
                moved = changed(case.schedule, field, number, change)
                return by_lsoda(case, case.values, moved, case.times)

            expected = difference(at, 3e-4 * max(value, 0.3))
            assert_slope(found[field][..., number], expected, f"{field} {number}")
            checked += 1
    assert checked >= 4


@pytest.mark.parametrize("name", CASES)
def test_times_of_readings(name: str) -> None:
    """Each reading moves by its own time only."""
    case, solver = CASES[name], compiled(name)
    times = case.times[case.times > 0.0]

    def solve(times: Any) -> Any:
        return solver.solve(case.values, case.course, times)

    found = np.asarray(jax.jacfwd(solve)(jnp.asarray(times)))
    own = np.moveaxis(np.diagonal(found, axis1=0, axis2=2), 1, 0)
    assert_slope(found.sum(axis=2), own, "readings of other times")
    expected = difference(
        lambda d: by_lsoda(case, case.values, case.schedule, times + d), 3e-4
    )
    assert_slope(own, expected, "times")


def test_amounts_at_the_start() -> None:
    """Those of a course, against the parameters that a model starts with."""
    case, solver = CASES["from a start"], compiled("from a start")
    names = {"plasma_0": PLASMA, "sites": FREE, "bound_0": BOUND}
    by_state = {state: name for name, state in names.items()}
    order = [by_state[amount] for amount in case.system.amounts]
    start = jnp.array([case.values[name] for name in order])

    def solve(start: Any) -> Any:
        course = replace(case.course, start_nmol=start)
        return solver.solve(case.values, course, case.times)

    found = jax.jacfwd(solve)(start)
    for place, name in enumerate(order):

        def at(change: float, name: str = name) -> Any:
            moved = {**case.values, name: case.values[name] + change}
            return by_lsoda(case, moved, case.schedule, case.times)

        assert_slope(found[..., place], difference(at, 3e-3), name)


def test_decay_constants() -> None:
    """A bolus of a label: A exp(-(k + decay) t), also in the decay constant."""
    dose = hot(1.0, 0.0, "Lu-177", 50.0, ligand_nmol=1.0)
    system = assemble(ONE_COMPARTMENT, Schedule((dose,)).form)
    course = course_of(system, Schedule((dose,)), "Lu-177")
    solver = compile_system(system, kernel="native", controls=FINE)
    times = np.array([0.5, 1.0, 3.0, 20.0])

    def solve(decay: Any) -> Any:
        return solver.solve(VALUES, replace(course, loss_per_h=decay), times)[:, 0]

    decay = float(course.loss_per_h)
    since = np.maximum(times - 1.0, 0.0)
    curve = 50.0 * np.exp(-(0.3 + decay) * since) * (times >= 1.0)
    np.testing.assert_allclose(solve(decay), curve, rtol=1e-8)
    np.testing.assert_allclose(jax.jacfwd(solve)(decay), -since * curve, rtol=1e-7)


@pytest.mark.parametrize(
    "kernel", ["native", pytest.param("xla", marks=pytest.mark.slow)]
)
def test_forward_and_reverse_agree(kernel: str) -> None:
    """jvp, jacfwd, jacrev and grad, with and without jit."""
    name = "boluses, infusions, lag, window, reset"
    case, solver = CASES[name], compiled(name, kernel)
    course, times = case.course, jnp.asarray(case.times)
    point = (dict(case.values), course.time_h, course.ligand_nmol, times)
    arguments = (0, 1, 2, 3)

    def curve(values: Any, starts: Any, nmol: Any, readings: Any) -> Any:
        moved = replace(course, time_h=starts, ligand_nmol=nmol)
        return solver.solve(values, moved, readings)[:, 0]

    forward = jax.jit(jax.jacfwd(curve, arguments))(*point)
    reverse = jax.jacrev(curve, arguments)(*point)
    total = jax.grad(lambda *p: curve(*p).sum(), arguments)(*point)
    one = jax.tree.map(lambda x: jnp.ones(np.shape(x)), point)
    _, along = jax.jvp(curve, point, one)
    columns = [x.reshape(len(times), -1).sum(axis=1) for x in jax.tree.leaves(forward)]
    np.testing.assert_allclose(along, sum(columns), rtol=1e-9, atol=1e-11)
    for found, other, summed in zip(
        *(jax.tree.leaves(tree) for tree in (forward, reverse, total)), strict=True
    ):
        np.testing.assert_allclose(found, other, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(found.sum(axis=0), summed, rtol=1e-9, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_all_kernels_have_the_same_derivatives(name: str) -> None:
    case = CASES[name]
    values = {key: float(value) for key, value in case.values.items()}
    found = [
        jax.jacfwd(solver.solve)(values, case.course, case.times)
        for solver in (compiled(name), compiled(name, "xla"))
    ]
    for one, other in zip(*map(jax.tree.leaves, found), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


def test_only_what_varies_costs_a_direction(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many directions as there are numbers that a derivative is taken in."""
    seen: list[int] = []

    def watched(equations: Any, kernel: str | None = None) -> Solver:
        solver = choose_solver(equations, kernel)

        def solve(
            problem: Problem, tangents: Tangents | None = None, controls: Any = FINE
        ) -> Any:
            seen.append(0 if tangents is None else tangents.boundaries_h.shape[0])
            return solver.solve(problem, tangents, controls)

        return Solver(solver.kernel, solve)

    monkeypatch.setattr(compiled_module, "choose_solver", watched)
    case = CASES["from a start"]
    solver = compile_system(
        case.system, kernel="native", controls=Controls(1e-6, 1e-10)
    )
    course, values = case.course, {k: float(v) for k, v in case.values.items()}
    vector = jnp.array([values[p.name] for p in case.system.parameters])

    def some(moved: dict[str, Any]) -> Any:
        return solver.solve({**values, **moved}, course, case.times).sum()

    def both(*names: str) -> dict[str, float]:
        return {name: values[name] for name in names}

    def of_all(vector: Any) -> Any:
        return solver.solve(vector, course, case.times)

    def of_doses(nmol: Any) -> Any:
        moved = replace(course, ligand_nmol=nmol)
        return solver.solve(values, moved, case.times).sum()

    def of_times(times: Any) -> Any:
        return solver.solve(values, course, times).sum()

    nmol, times = jnp.asarray(course.ligand_nmol), jnp.array([0.5, 1.2, 3.0])
    # Of other parameters each time: what was traced once is not traced again.
    for count, run in (
        (0, lambda: some({})),
        (1, lambda: jax.grad(some)(both("on"))),
        (2, lambda: jax.grad(some)(both("on", "k"))),
        (2, lambda: jax.jit(jax.grad(some))(both("off", "k"))),
        (2, lambda: jax.jvp(some, (both("on", "off"),), (both("on", "off"),))),
        (2, lambda: jax.jacfwd(some)(both("sites", "off"))),
        (len(vector), lambda: jax.jacfwd(of_all)(vector)),
        (2, lambda: jax.grad(of_doses)(nmol)),
        (3, lambda: jax.grad(of_times)(times)),
    ):
        seen.clear()
        jax.block_until_ready(run())
        # Tracing comes before differentiation, and costs no solve.
        assert max(seen) == count, (count, seen)
        assert set(seen) <= {0, count}, (count, seen)


def test_near_and_at_the_edges_of_a_form() -> None:
    """A dose at 0 h, a reading at it, a window that begins with a dose."""
    schedule = Schedule(
        (bolus(10.0, 0.0), infusion(1.0, 4.0, 2.0)), (Window("closed", 2.0, 3.0, 0.5),)
    )
    system = assemble(ONE_COMPARTMENT, schedule.form)
    solver = compile_system(system, kernel="native", controls=FINE)
    course = course_of(system, schedule)
    times = jnp.array([0.0, 2.0, 2.0, 3.0, 3.0, 5.0])
    before = np.array([False, True, False, True, False, False])

    def solve(values: Any, nmol: Any) -> Any:
        moved = replace(course, ligand_nmol=nmol)
        return solver.solve(values, moved, times, before=before)[:, 0]

    by_values, by_nmol = jax.jacfwd(solve, (0, 1))(dict(VALUES), course.ligand_nmol)
    # During the infusion, 1 h at half the rate of elimination: (1 - exp(-k/2)) 2/k.
    k = 0.3
    filled = (1.0 - math.exp(-k / 2)) * 2.0 / k
    left = np.exp(-k * np.array([0.0, 2.0, 2.0, 2.5, 2.5, 4.5]))
    of_second = filled * np.array([0, 0, 0, 1.0, 1.0, math.exp(-2 * k)])
    np.testing.assert_allclose(by_nmol, np.stack([left, of_second], 1), rtol=1e-8)
    slope = (math.exp(-k / 2) / k - filled / k) * 4.0
    at_end = -25.0 * math.exp(-2.5 * k) + slope
    assert by_values["k"][1] == pytest.approx(-20.0 * math.exp(-2 * k), rel=1e-8)
    assert by_values["k"][3] == pytest.approx(at_end, rel=1e-7)
    assert not np.asarray(by_values["lag"]).any()
