"""Compiled systems as JAX functions: transformations, readings, and what is shared."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from courses import (
    BINDING,
    BINDING_VALUES,
    ONE_COMPARTMENT,
    PLASMA,
    VALUES,
    K,
    bolus,
    infused,
)

from pkmodels.administrations import Administration, repeat
from pkmodels.compiled import CompiledSystem, compile_system
from pkmodels.courses import course_of
from pkmodels.definition import Model
from pkmodels.errors import InputError, SolveError
from pkmodels.kernels.problem import Controls, Outcome
from pkmodels.models import organ_exchange
from pkmodels.reactions import flow
from pkmodels.schedule import Schedule, Window
from pkmodels.symbols import inputs, parameters
from pkmodels.system import assemble
from pkmodels.trajectory import simulate

FINE = Controls(relative=1e-10, absolute=1e-14)
TWICE = Schedule((bolus(10.0), Administration(2.0, 1.0, "drug", ligand_nmol=4.0)))
TIMES = np.array([0.0, 0.5, 2.0, 2.5, 3.0, 24.0])
KERNELS = ("native", "native by a callback", "xla")
# What takes long is asked of the first; of the others, too, with the slow tests.
SLOWER = (
    "native",
    *(pytest.param(kernel, marks=pytest.mark.slow) for kernel in KERNELS[1:]),
)
ORGANS = organ_exchange.model(("kidney",))
ORGAN_VALUES = {
    "blood_half_time": 1.0,
    "fraction_kidney": 0.02,
    "biological_half_life_kidney": 60.0,
}


def binding(kernel: str | None = "native", schedule: Schedule = TWICE):
    return compile_system(
        assemble(BINDING, schedule.form), kernel=kernel, controls=FINE
    )


def one_compartment(
    schedule: Schedule = TWICE, kernel: str | None = "native"
) -> CompiledSystem:
    return compile_system(
        assemble(ONE_COMPARTMENT, schedule.form), kernel=kernel, controls=FINE
    )


def closed_form(times: np.ndarray) -> np.ndarray:
    """Return what is left of TWICE."""
    first = 10.0 * np.exp(-K * times)
    return first + 4.0 * infused(times - 2.0, 1.0, K) * (times >= 2.0)


@pytest.mark.parametrize("kernel", SLOWER)
def test_with_and_without_jit_alone_and_in_batches(kernel: str) -> None:
    """Also where only parameters, only doses, or only readings have a batch axis."""
    solver = binding(kernel)
    course = course_of(solver.system, TWICE)
    names = [parameter.name for parameter in solver.system.parameters]
    center = jnp.array([BINDING_VALUES[name] for name in names])
    generator = np.random.default_rng(0)
    draws = center[None] * np.exp(generator.normal(0.0, 0.3, (5, len(center))))
    nmol = jnp.asarray(course.ligand_nmol)[None] * generator.uniform(0.5, 2.0, (5, 2))
    times = jnp.asarray(TIMES[None] + generator.uniform(0.0, 1.0, (5, 1)))

    def solve(vector: Any, nmol: Any, times: Any) -> Any:
        moved = replace(course, ligand_nmol=nmol)
        return solver.solve(vector, moved, times)

    plain = solve(center, course.ligand_nmol, jnp.asarray(TIMES))
    jitted = jax.jit(solve)(center, course.ligand_nmol, jnp.asarray(TIMES))
    np.testing.assert_array_equal(plain, jitted)
    arguments = (draws, nmol, times)
    usual = (center, jnp.asarray(course.ligand_nmol), jnp.asarray(TIMES))
    for batched in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)):
        axes = tuple(0 if is_one else None for is_one in batched)
        given = [
            a if b else u for a, u, b in zip(arguments, usual, batched, strict=True)
        ]
        found = jax.jit(jax.vmap(solve, axes))(*given)
        slopes = jax.vmap(jax.jacfwd(solve), axes)(*given)
        for draw in range(5):
            own = [a[draw] if b else a for a, b in zip(given, batched, strict=True)]
            np.testing.assert_allclose(found[draw], solve(*own), rtol=1e-7, atol=1e-9)
            np.testing.assert_allclose(
                slopes[draw], jax.jacfwd(solve)(*own), rtol=1e-6, atol=1e-7
            )


@pytest.mark.parametrize("kernel", SLOWER)
def test_batches_of_batches(kernel: str) -> None:
    """Two axes of rates, and a gradient in between, by the closed form."""
    solver = one_compartment(Schedule((bolus(10.0),)), kernel)
    rates = jnp.array([[0.1, 0.3, 2.0], [0.5, 0.7, 0.9]])
    times = jnp.array([0.0, 1.0, 4.0])

    def curve(rate: Any) -> Any:
        values = {**VALUES, "k": rate}
        return solver.solve(values, Schedule((bolus(10.0),)), times)[:, 0]

    found = jax.vmap(jax.vmap(curve))(rates)
    expected = 10.0 * np.exp(-rates[..., None] * times[None, None, :])
    np.testing.assert_allclose(found, expected, rtol=1e-8)
    slopes = jax.vmap(jax.vmap(jax.jacfwd(curve)))(rates)
    np.testing.assert_allclose(
        slopes, -times[None, None, :] * expected, rtol=1e-7, atol=1e-12
    )
    total = jax.grad(lambda r: jax.vmap(jax.vmap(curve))(r).sum())(rates)
    np.testing.assert_allclose(total, slopes.sum(axis=-1), rtol=1e-7)


def test_one_draw_that_fails_in_a_batch_is_lost_alone() -> None:
    solver = binding()
    rates = jnp.array([0.3, np.nan, 0.5, -50.0, 0.7])

    def solve(rate: Any) -> Any:
        values = {**BINDING_VALUES, "k": rate}
        return solver.solve_with_report(values, TWICE, TIMES)

    states, reports = jax.vmap(solve)(rates)
    outcomes = [Outcome(int(code)) for code in reports[:, 0]]
    assert outcomes[::2] == [Outcome.SOLVED] * 3
    assert Outcome.SOLVED not in outcomes[1::2]
    for draw in (0, 2, 4):
        np.testing.assert_allclose(states[draw], solve(rates[draw])[0], rtol=1e-7)
    assert np.isnan(states[1, -1]).all()
    assert np.isnan(states[3, -1]).all()


@pytest.mark.parametrize("kernel", SLOWER)
def test_readings_of_all_kinds(kernel: str) -> None:
    """None, one, repeated, in no order, all at 0, at jumps, and far beyond."""
    solver = one_compartment(kernel=kernel)
    for times in (
        [],
        [0.0],
        [7.0],
        [0.0, 0.0, 0.0],
        [3.0, 3.0, 0.5, 3.0],
        [24.0, 2.0, 0.0, 1.0, 2.0],
        [3.0],
        [1e-9, 1e3],
    ):
        array = np.array(times)
        found, report = solver.solve_with_report(VALUES, TWICE, array)
        assert found.shape == (len(times), 1)
        assert report[0] == Outcome.SOLVED
        np.testing.assert_allclose(
            found[:, 0], closed_form(array), rtol=1e-8, atol=1e-12
        )


@pytest.mark.parametrize("kernel", [*KERNELS, "exact"])
def test_before_and_after_a_jump(kernel: str) -> None:
    schedule = Schedule((bolus(10.0), bolus(5.0, 2.0)))
    system = assemble(ORGANS, schedule.form)
    solver = compile_system(system, kernel=kernel, controls=FINE)
    times = np.array([0.0, 0.0, 2.0, 2.0, 1.0])
    before = np.array([True, False, True, False, True])
    found = solver.solve(ORGAN_VALUES, schedule, times, before=before)[:, 0]
    np.testing.assert_allclose(found, [0.0, 10.0, 2.5, 7.5, 5.0], rtol=1e-8)
    after = solver.solve(ORGAN_VALUES, schedule, times)[:, 0]
    np.testing.assert_allclose(after, [10.0, 10.0, 7.5, 7.5, 5.0], rtol=1e-8)


@pytest.mark.parametrize(
    ("half_time", "times"),
    [(1.0, [1.0, 5.0]), (1.0, []), (np.nan, [1.0, 5.0]), (1.0, [-1.0, 1.0])],
)
def test_the_exact_kernel_is_as_the_others(half_time: float, times: Any) -> None:
    """No readings, values that are no numbers, times before 0."""
    schedule = Schedule((bolus(10.0),))
    system = assemble(ORGANS, schedule.form)
    values = {**ORGAN_VALUES, "blood_half_time": half_time}
    (found, report), (expected, known) = (
        compile_system(system, kernel=kernel).solve_with_report(
            values, schedule, np.array(times)
        )
        for kernel in ("exact", "native")
    )
    assert report[0] == known[0]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_daily_doses() -> None:
    """200 of them: a geometric series, and its derivative in the interval of one."""
    schedule = Schedule(repeat(bolus(10.0), interval_h=24.0, count=200))
    solver = one_compartment(schedule)
    values = {**VALUES, "k": 0.02}
    course = course_of(solver.system, schedule)
    times = np.array([23.9, 24.0 * 199, 24.0 * 200, 5000.0])
    found = solver.solve(values, course, times)[:, 0]
    given = 24.0 * np.arange(200)
    since = times[:, None] - given[None, :]
    each = np.where(since >= 0.0, 10.0 * np.exp(-0.02 * since), 0.0)
    np.testing.assert_allclose(found, each.sum(axis=1), rtol=1e-7)

    def moved(time: Any) -> Any:
        starts = jnp.asarray(course.time_h).at[100].set(time)
        return solver.solve(values, replace(course, time_h=starts), times)[:, 0]

    np.testing.assert_allclose(
        jax.jacfwd(moved)(2400.0), 0.02 * each[:, 100], rtol=1e-6, atol=1e-12
    )


@pytest.mark.parametrize(("horizon", "rate"), [(1e5, 1e-4), (1e5, 3.0), (1e-6, 1e5)])
def test_long_and_short_horizons(horizon: float, rate: float) -> None:
    schedule = Schedule((bolus(10.0), bolus(5.0, 0.5 * horizon)))
    solver = one_compartment(schedule)
    times = horizon * np.array([0.0, 0.1, 0.49, 0.5, 0.7, 1.0])
    found = solver.solve({**VALUES, "k": rate}, schedule, times)[:, 0]
    left = 10.0 * np.exp(-rate * times)
    since = np.maximum(times - times[3], 0.0)
    left += 5.0 * np.exp(-rate * since) * (times >= times[3])
    np.testing.assert_allclose(found, left, rtol=1e-8, atol=1e-10)


def test_windows_and_doses_without_length() -> None:
    """A window that ends as it begins, doses and a reset at one time."""
    schedule = Schedule(
        (bolus(10.0), bolus(3.0, 1.0), bolus(2.0, 1.0)),
        (Window("closed", 1.0, 1.0 + 1e-15, 1.0), Window("closed", 2.0, 3.0, 1.0)),
        (1.0,),
    )
    solver = one_compartment(schedule)
    times = np.array([0.5, 1.0, 2.0, 3.0, 4.0])
    found, report = solver.solve_with_report(VALUES, schedule, times)
    since = np.array([0.5, 0.0, 1.0, 1.0, 2.0])
    start = np.array([10.0, 5.0, 5.0, 5.0, 5.0])
    assert report[0] == Outcome.SOLVED
    np.testing.assert_allclose(found[:, 0], start * np.exp(-K * since), rtol=1e-8)


@pytest.mark.parametrize("kernel", [*KERNELS, "exact"])
def test_nothing_given(kernel: str) -> None:
    schedule = Schedule(())
    system = assemble(ORGANS, Schedule((bolus(1.0),)).form)
    solver = compile_system(system, kernel=kernel)
    found, report = solver.solve_with_report(ORGAN_VALUES, schedule, TIMES)
    assert report[0] == Outcome.SOLVED
    assert not np.asarray(found).any()


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_model_without_parameters(kernel: str) -> None:
    (speed,) = inputs("speed", unit="1/h", otherwise=0.3)
    model = Model(
        "driven",
        (flow("out", PLASMA, None, speed * PLASMA),),
        {"intravenous": PLASMA},
        {"plasma": PLASMA},
    )
    schedule = Schedule((bolus(10.0),), (Window("speed", 1.0, 2.0, 0.0),))
    solver = compile_system(assemble(model, schedule.form), kernel=kernel)
    found = solver.solve({}, schedule, np.array([0.5, 1.0, 2.0, 4.0]))[:, 0]
    expected = 10.0 * np.exp(-0.3 * np.array([0.5, 1.0, 1.0, 3.0]))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("kernel", [*KERNELS, "exact"])
def test_names_of_parameters_that_mean_something_elsewhere(kernel: str) -> None:
    rates = parameters("exp lambda pi E I k0 y0 c0 x0", unit="1/h")
    flows = (
        flow(f"out {rate}", PLASMA, None, number * rate * PLASMA)
        for number, rate in enumerate(rates, start=1)
    )
    model = Model("names", tuple(flows), {"intravenous": PLASMA}, {"plasma": PLASMA})
    schedule = Schedule((bolus(10.0),))
    solver = compile_system(
        assemble(model, schedule.form), kernel=kernel, controls=FINE
    )
    values = {rate.name: 0.01 / (1 + n) for n, rate in enumerate(rates)}
    assert len(values) == 9
    found = solver.solve(values, schedule, np.array([1.0, 5.0]))[:, 0]
    np.testing.assert_allclose(found, 10.0 * np.exp([-0.09, -0.45]), rtol=1e-8)


def test_wrong_names_and_shapes() -> None:
    solver = binding()
    with pytest.raises(InputError, match="no parameter 'onn'"):
        solver.solve({**BINDING_VALUES, "onn": 1.0}, TWICE, TIMES)
    some = {k: v for k, v in BINDING_VALUES.items() if k != "sites"}
    with pytest.raises(InputError, match="'sites' has no value"):
        solver.solve(some, TWICE, TIMES)
    with pytest.raises(InputError, match="parameters has the shape"):
        solver.solve(jnp.ones(4), TWICE, TIMES)
    with pytest.raises(InputError, match="one list of times"):
        solver.solve(BINDING_VALUES, TWICE, TIMES[:, None])
    with pytest.raises(InputError, match="native"):
        binding("nativ")


def test_simulate_says_why_and_where_a_solve_ends() -> None:
    """With the parameter values and the time: dx/dt = a x^2 ends at 1 / (a x_0)."""
    (rate,) = parameters("rate", unit="1/(nmol h)")
    model = Model(
        "runaway",
        (flow("in", None, PLASMA, rate * PLASMA**2),),
        {"intravenous": PLASMA},
        {"plasma": PLASMA},
    )
    schedule = Schedule((bolus(10.0),))
    system = assemble(model, schedule.form)
    with pytest.raises(SolveError) as caught:
        simulate(system, {"rate": 2.5}, schedule, np.array([0.01, 24.0]))
    for part in ("'runaway' could not be solved beyond 0.04 h", "rate = 2.5"):
        assert part in str(caught.value)
