"""Derivatives of lowered courses, against differences of their solutions."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from course_cases import LEAKING, MODELLED, MODELLED_VALUES, Case, hot, infusion, solved
from courses import BINDING_VALUES, ONE_COMPARTMENT, VALUES, bolus
from jax.flatten_util import ravel_pytree
from scipy.integrate import odeint

from pkmodels.administrations import Delivery
from pkmodels.courses import course_of
from pkmodels.kernels.equations import Equations, equations_of
from pkmodels.kernels.printing import numpy_function
from pkmodels.kernels.problem import Problem
from pkmodels.lowering import lower_course
from pkmodels.schedule import Window
from pkmodels.system import assemble

pytestmark = pytest.mark.usefixtures("strict_dtypes")


def sensed(equations: Equations, problem: Problem, tangents: Problem) -> np.ndarray:
    """Return derivatives of the states by the variational equations, and at jumps.

    s' = J s + df/dc c', s+ = keep (s- + f- t') + added' - f+ t' at a boundary t.
    """
    states, constants = equations.states, equations.constants
    slopes = sympy.Matrix(equations.derivatives)
    blocks = (
        equations.derivatives,
        slopes.jacobian(states).flat(),
        slopes.jacobian(constants).flat(),
    )
    functions = [
        numpy_function((*states, *constants), tuple(block)) for block in blocks
    ]
    size, count = len(states), len(tangents.boundaries_h)
    found = np.full((len(problem.times_h), count, size), np.nan)
    y, s, slope = np.zeros(size), np.zeros((count, size)), np.zeros(size)
    ends = np.append(problem.boundaries_h[1:], problem.times_h[-1])

    def change(_: float, both: np.ndarray, c: Any, dc: np.ndarray) -> np.ndarray:
        arguments = [*both[:size].tolist(), *c.tolist()]
        f, by_state, by_constant = (np.array(g(arguments), float) for g in functions)
        along = both[size:].reshape(count, size) @ by_state.reshape(size, size).T
        along = along + dc @ by_constant.reshape(size, -1).T
        return np.append(f, along.ravel())

    for row, (start, end) in enumerate(zip(problem.boundaries_h, ends, strict=True)):
        c, dc = problem.constants[row], tangents.constants[:, row]
        moved = tangents.boundaries_h[:, row, None]
        y = problem.keep[row] * y + problem.added[row]
        after = change(0.0, np.append(y, 0.0 * s), c, 0.0 * dc)[:size]
        s = problem.keep[row] * (s + slope * moved)
        s = s + tangents.added[:, row] - after * moved
        wanted = problem.places == row
        times = np.concatenate([[start], problem.times_h[wanted], [max(start, end)]])
        curve = np.append(y, s.ravel())[None, :]
        distinct, where = np.unique(times, return_inverse=True)
        if len(distinct) > 1:
            curve = odeint(
                change, curve[0], distinct, (c, dc), tfirst=True, rtol=1e-9, atol=1e-9
            )
        found[wanted] = curve[where[1:-1], size:].reshape(-1, count, size)
        y, s = curve[-1, :size], curve[-1, size:].reshape(count, size)
        slope = change(0.0, curve[-1], c, 0.0 * dc)[:size]
    return np.moveaxis(found, 1, 0)


MOVED = {
    "label of a linear system": Case(
        ONE_COMPARTMENT,
        (
            hot(0.4, 2.0, "Ga-68", 10.0, ligand_nmol=3.0),
            hot(1.1, 3.0, "Ga-68", 7.0, ligand_nmol=3.0, route="late"),
            hot(4.5, 0.0, "Ga-68", 5.0, ligand_nmol=3.0, route="late"),
            hot(6.3, 0.3, "Ga-68", 5.0, ligand_nmol=3.0, delivered=Delivery.CONSTANT),
        ),
        VALUES,
        "Ga-68",
        (Window("closed", 1.7, 3.1, 0.8),),
        resets_h=(5.2,),
    ),
    "saturable": Case(
        LEAKING,
        (
            hot(0.4, 1.5, "Lu-177", 9.0, ligand_nmol=12.0, free_label_fraction=0.2),
            hot(1.2, 1.0, "Lu-177", 9.0, ligand_nmol=5.0, free_label_fraction=0.1),
            hot(3.1, 0.0, "Lu-177", 3.0, ligand_nmol=8.0, free_label_fraction=0.3),
        ),
        BINDING_VALUES,
    ),
    "modelled": Case(
        MODELLED,
        (
            bolus(12.0, 0.2, modelled=True, route="long"),
            bolus(8.0, 1.3, modelled=True, route="fast"),
            replace(infusion(2.0, time=2.7), holds_rate=True),
        ),
        MODELLED_VALUES,
        resets_h=(5.6,),
    ),
}


@pytest.mark.parametrize("name", MOVED)
def test_derivatives_are_differences(name: str) -> None:
    """In every parameter, time, length and amount, also of what a reset cuts."""
    case = MOVED[name]
    system = assemble(case.model, case.schedule.form)
    equations, layout = equations_of(system, integrals=True)
    course = course_of(system, case.schedule, case.label)
    # Away from 0, below which there is none.
    free = np.maximum(course.free_label_fraction, 0.1)
    course = replace(course, free_label_fraction=free)
    if name == "saturable":
        course = replace(course, start_nmol=np.array([1.0, 20.0, 2.0]))
    values = jnp.array([case.values[str(p)] for p in system.parameters])
    point, restore = ravel_pytree((values, jax.tree.map(jnp.asarray, course)))
    times = np.array([0.9, 1.6, 2.8, 5.0, 5.9, 9.0])

    @jax.jit
    def lowered_at(numbers: Any) -> Problem:
        values, course = restore(numbers)
        return lower_course(system, layout, values, course, times)[0]

    directions = jax.vmap(lambda d: jax.jvp(lowered_at, (point,), (d,))[1])
    tangents = directions(jnp.eye(len(point)))  # of places they are of no type
    problem = lowered_at(point)
    slopes = tangents._replace(places=problem.places)
    problem, slopes = (jax.tree.map(np.asarray, x) for x in (problem, slopes))
    found = sensed(equations, problem, slopes)
    step, scale = 3e-4, np.asarray(problem.scales)
    assert not slopes.scales.any()
    none = jax.tree.map(jnp.zeros_like, course)
    bolus_length = replace(none, duration_h=1.0 * (course.duration_h == 0.0))
    is_bolus_length, _ = ravel_pytree((0.0 * values, bolus_length))
    for number, direction in enumerate(np.eye(len(point)) * step):
        if is_bolus_length[number]:
            np.testing.assert_allclose(found[number], 0.0, atol=1e-9)
            continue
        up, down = (
            solved(equations, lowered_at(jnp.asarray(point + sign * direction)))
            for sign in (1.0, -1.0)
        )
        expected = (up - down) / (2.0 * step)
        size = max(1.0, np.abs(expected / scale).max())
        error = np.abs(found[number] - expected) / scale / size
        assert error.max() < 3e-6, restore(jnp.asarray(direction))
