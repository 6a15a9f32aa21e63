"""All kernels on all models: native, xla, LSODA, SciPy's Radau, diffrax's Kvaerno5."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import lsoda
import numpy as np
import pbpk12_model
import pytest
import sympy
from block_calls import CALLS, call, in_a_tube
from classic_networks import (
    RECYCLING,
    TURNOVER,
    michaelis_menten,
    model_of,
    prey_and_predator,
    sixty_states,
)
from courses import BINDING, BINDING_VALUES
from hypothesis import given, settings
from random_networks import Network, by_radau, every_direction, networks

from pkmodels.administrations import Administration
from pkmodels.courses import course_of
from pkmodels.definition import Model
from pkmodels.kernels.equations import Equations, Layout, equations_of
from pkmodels.kernels.native import native_kernel
from pkmodels.kernels.problem import Controls, Outcome, Problem
from pkmodels.kernels.xla import xla_solver
from pkmodels.lowering import lower_course
from pkmodels.models import organ_exchange
from pkmodels.schedule import Schedule, Window
from pkmodels.symbols import parameters
from pkmodels.system import System, assemble
from pkmodels.timeline import lower

FINE = Controls(relative=1e-10, absolute=1e-14)
TIMES = np.array([0.0, 0.02, 0.3, 1.0, 2.0, 5.0, 24.0, 100.0])
DRAWS = 100


@dataclass(frozen=True)
class Case:
    """A model, what is done, and values of its parameters."""

    model: Model
    values: dict[str, float]
    schedule: Schedule = field(default_factory=lambda: Schedule(()))
    label: str | None = None

    @property
    def system(self) -> System:
        return assemble(self.model, self.schedule.form)


def given_twice(label: str | None = None) -> Schedule:
    """An infusion, and a bolus while it runs."""
    activity = 100.0 if label else 0.0
    return Schedule(
        (
            Administration(0.0, 1.5, "drug", label, activity, ligand_nmol=20.0),
            Administration(1.0, 0.0, "drug", label, activity, ligand_nmol=5.0),
        )
    )


def made_up(model: Model) -> dict[str, float]:
    """Return a value of each parameter, of about 1; a fraction below it."""
    names = sorted((p.name, p.unit) for p in model.parameters)
    sizes = np.exp(np.random.default_rng(len(names)).normal(0.0, 0.7, len(names)))
    return {
        name: 0.4 if unit == "1" else float(size)
        for (name, unit), size in zip(names, sizes, strict=True)
    }


ORGANS = organ_exchange.model(("kidney", "liver"))
ORGAN_VALUES = {
    "blood_half_time": 1.5,
    "fraction_kidney": 0.05,
    "fraction_liver": 0.2,
    "biological_half_life_kidney": 50.0,
    "biological_half_life_liver": 90.0,
}
(SOME,) = parameters("some", unit="nmol")
BLOCKED = (Window("block", 0.5, 3.0, 0.7),)


@cache
def case_of(name: str) -> Case:
    if name in CALLS:
        model = in_a_tube(*call(name))
        windows = BLOCKED if model.inputs else ()
        return Case(model, made_up(model), Schedule((), windows))
    models = {
        "recycling": lambda: model_of(*RECYCLING),
        "turnover": lambda: model_of(*TURNOVER),
        "michaelis menten": michaelis_menten,
        "prey and predator": prey_and_predator,
        "sixty states": sixty_states,
    }
    if name in models:
        model = models[name]()
        # They start with 1 of everything, which is without a unit.
        model = replace(model, start=dict.fromkeys(model.amounts, SOME))
        if name == "prey and predator":
            # Three rounds at most: their phase is lost a little more in each.
            return Case(model, {"in_": 0.1, "on": 0.1, "out": 0.1, "some": 1.0})
        return Case(model, made_up(model))
    values = dict(pbpk12_model.TRUE_VALUES)
    return {
        "organs": lambda: Case(ORGANS, ORGAN_VALUES, given_twice()),
        "organs, Lu-177": lambda: Case(
            ORGANS, ORGAN_VALUES, given_twice("Lu-177"), "Lu-177"
        ),
        "binding, Ga-68": lambda: Case(BINDING, BINDING_VALUES, given_twice("Ga-68")),
        "pbpk12": lambda: Case(pbpk12_model.model(), values, given_twice()),
        "pbpk12, Lu-177": lambda: Case(
            pbpk12_model.model(), values, given_twice("Lu-177")
        ),
    }[name]()


QUICK = ("pbpk12, Lu-177", "organs, Lu-177", "michaelis menten", "filtration")
SLOW = (
    *("organs", "binding, Ga-68", "pbpk12", "recycling", "turnover"),
    *("prey and predator", "sixty states"),
    *sorted(set(CALLS) - set(QUICK)),
)
EVERY = [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]


def draws_of(case: Case, count: int) -> np.ndarray:
    """Return values and draws about them, log-normal with 0.5; fractions below 1."""
    names = [parameter.name for parameter in case.system.parameters]
    units = [parameter.unit for parameter in case.system.parameters]
    center = np.array([case.values[name] for name in names])
    factors = np.random.default_rng(1).normal(0.0, 0.5, (count, len(names)))
    drawn = np.concatenate([center[None], center * np.exp(factors)])
    is_part = np.array([unit == "1" for unit in units])
    limit = 0.99 / max(1, is_part.sum())
    return np.where(is_part, np.minimum(drawn, max(limit, 0.3)), drawn)


def lowered(case: Case, draws: np.ndarray) -> tuple[Equations, Problem, np.ndarray]:
    """Return equations, a batch of problems, and the rows of the readings."""
    equations, layout = equations_of(case.system)
    problem, rows = lowering(case.system, layout, case)(draws)
    return equations, Problem(*map(np.asarray, problem)), np.asarray(rows[0])


def lowering(system: System, layout: Layout, case: Case) -> Callable[..., Any]:
    course = course_of(system, case.schedule, case.label)
    one = lambda values: lower_course(system, layout, values, course, TIMES)  # noqa: E731
    return jax.jit(jax.vmap(one))


def by_lsoda(case: Case, values: np.ndarray) -> np.ndarray:
    names = [parameter.name for parameter in case.system.parameters]
    named = dict(zip(names, values.tolist(), strict=True))
    line = lower(case.system, named, case.schedule, case.label)
    return lsoda.integrate(line, TIMES)


def of_draw(problem: Problem, draw: int) -> Problem:
    return Problem(*(array[draw] for array in problem))


def worst(found: Any, expected: np.ndarray, scales: np.ndarray) -> float:
    """Return the largest error, relative, with 1e-6 of what is given added."""
    count = expected.shape[-1]
    states = np.asarray(found)[..., :count]
    size = np.abs(expected) + 1e-6 * scales[..., None, :count]
    return float(np.max(np.abs(states - expected) / size))


@pytest.mark.parametrize("name", EVERY)
def test_all_kernels_agree_on_all_models(name: str) -> None:
    """At its values and at draws of them; all draws in lanes, some one by one."""
    case = case_of(name)
    count = 4 if name in QUICK else DRAWS
    draws = draws_of(case, count)
    equations, problem, rows = lowered(case, draws)
    kernel = native_kernel(equations)
    native = kernel.solve(problem, controls=FINE, threads=2)
    assert (native.report[:, 0] == Outcome.SOLVED).all(), native.report
    expected = np.stack([by_lsoda(case, draw) for draw in draws])
    assert worst(native.states[:, rows], expected, problem.scales) < 1e-6
    for draw in range(0, count, 1 + count // 5):
        own = of_draw(problem, draw)
        alone = kernel.solve(own, controls=FINE)
        assert worst(alone.states[rows], expected[draw], own.scales) < 1e-6
    xla = xla_solver(equations)(problem, None, FINE)
    assert (xla.report[:, 0] == Outcome.SOLVED).all(), xla.report
    assert worst(np.asarray(xla.states)[:, rows], expected, problem.scales) < 1e-6
    for draw in (0, count):
        radau, _ = by_radau(equations, of_draw(problem, draw))
        assert worst(radau[rows], expected[draw], problem.scales[draw]) < 1e-6


@pytest.mark.parametrize("name", EVERY)
def test_default_tolerances_are_enough_on_all_models(name: str) -> None:
    """Within 1e-5, with whatever is given in view, at draws of the values."""
    case = case_of(name)
    draws = draws_of(case, 24)
    equations, problem, _ = lowered(case, draws)
    kernel = native_kernel(equations)
    usual, fine = kernel.solve(problem), kernel.solve(problem, controls=FINE)
    assert worst(usual.states, fine.states, problem.scales) < 1e-5


@pytest.mark.parametrize("name", EVERY)
def test_sensitivities_of_native_and_xla_agree_with_radau(name: str) -> None:
    """In some constants, starts, and jumps."""
    case = case_of(name)
    equations, batch, _ = lowered(case, draws_of(case, 0))
    problem = of_draw(batch, 0)
    tangents = every_direction(problem, 1 if name in QUICK else 3)
    _, expected = by_radau(equations, problem, tangents, relative=1e-9)
    size = np.abs(expected).max(axis=(1, 2), keepdims=True) + 1e-3
    for found in (
        native_kernel(equations).solve(problem, tangents, FINE),
        xla_solver(equations)(problem, tangents, FINE),
    ):
        error = np.abs(np.asarray(found.sensitivities) - expected) / size
        assert error.max() < 1e-6, np.unravel_index(error.argmax(), error.shape)


@pytest.mark.parametrize("name", ["pbpk12, Lu-177", "organs, Lu-177"])
def test_native_agrees_with_diffrax(name: str) -> None:
    """Kvaerno5, segment by segment; between its steps diffrax is of order 3 only."""
    diffrax = pytest.importorskip("diffrax")
    case = case_of(name)
    equations, batch, _ = lowered(case, draws_of(case, 0))
    problem = of_draw(batch, 0)
    right = sympy.lambdify(
        [equations.states, equations.constants], list(equations.derivatives), "jax"
    )
    term = diffrax.ODETerm(lambda t, y, c: jnp.stack(right(y, c)))
    control = diffrax.PIDController(rtol=1e-9, atol=jnp.asarray(1e-12 * problem.scales))

    @jax.jit
    def advanced(y: Any, c: Any, times: Any) -> Any:
        return diffrax.diffeqsolve(
            term,
            diffrax.Kvaerno5(),
            0.0,
            times[-1],
            None,
            y,
            c,
            saveat=diffrax.SaveAt(ts=times),
            stepsize_controller=control,
            max_steps=100_000,
        ).ys

    found = native_kernel(equations).solve(problem, controls=FINE)
    y = jnp.zeros(len(equations.states))
    ends = np.append(problem.boundaries_h[1:], problem.times_h[-1])
    for row, (start, end) in enumerate(zip(problem.boundaries_h, ends, strict=True)):
        y = problem.keep[row] * y + problem.added[row]
        if end <= start:
            continue
        wanted = (problem.places == row) & (problem.times_h > start)
        times = np.append(problem.times_h[wanted], end) - start
        curve = advanced(y, problem.constants[row], times)
        expected, y = np.asarray(curve[:-1]), curve[-1]
        assert (
            not wanted.any()
            or worst(found.states[wanted], expected, problem.scales) < 3e-5
        )


def assert_like_radau(network: Network) -> None:
    """Values, and sensitivities in some constants, starts and the time of a jump."""
    equations, problem = network.equations, network.problem
    tangents = every_direction(problem, 2)
    controls = Controls(relative=1e-9, absolute=1e-12)
    kernel = native_kernel(equations, in_lanes=False)
    found = kernel.solve(problem, tangents, controls)
    states, slopes = by_radau(equations, problem, tangents, relative=1e-9)
    assert found.report[0] == Outcome.SOLVED
    np.testing.assert_allclose(found.states, states, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.sensitivities, slopes, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@given(networks(most=5, all_there=True))
@settings(max_examples=5)
def test_random_networks(network: Network) -> None:
    assert_like_radau(network)


@pytest.mark.slow
@given(networks(all_there=True))
@settings(max_examples=50)
def test_many_random_networks(network: Network) -> None:
    assert_like_radau(network)


@pytest.mark.slow
@given(networks(most=4))
@settings(max_examples=4)
def test_random_networks_half_of_which_is_empty(network: Network) -> None:
    """Nothing may move at all, while the sensitivities do."""
    assert_like_radau(network)
