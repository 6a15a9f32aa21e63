"""Time-integrated activity as a JAX function: values, errors, derivatives, failures."""

import math
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from course_cases import hot
from courses import BINDING, GALLIUM, ONE_COMPARTMENT, VALUES, K, bolus
from pbpk12_model import TRUE_VALUES
from pbpk12_model import model as pbpk12

from pkmodels.compiled_integrals import Integrals, compile_integrals
from pkmodels.courses import course_of
from pkmodels.errors import InputError, ModelError
from pkmodels.kernels.problem import Controls, Outcome
from pkmodels.schedule import Schedule
from pkmodels.system import assemble
from pkmodels.trajectory import simulate

DOSES = tuple(
    hot(t, 0.5, "Lu-177", 3000.0, ligand_nmol=nmol) for t, nmol in ((0, 50.0), (48, 80))
)
SCHEDULE = Schedule(DOSES)
SYSTEM = assemble(pbpk12(), SCHEDULE.form)
FINE = Controls(relative=1e-9, absolute=1e-13)


def everything(found: Integrals) -> Any:
    return jnp.sum(found.until + found.tail)


def test_compiled_integrals_are_those_of_a_simulation() -> None:
    compiled = compile_integrals(SYSTEM, controls=FINE)
    found = simulate(SYSTEM, TRUE_VALUES, SCHEDULE, np.array([1.0]))
    names = [str(state).split("_")[0] for state in compiled.states]
    for horizon in (1200.0, 3000.0):
        areas = compiled.integrate(TRUE_VALUES, SCHEDULE, horizon)
        assert areas.report[0] == Outcome.SOLVED
        assert float(areas.from_h) == horizon
        total = dict(zip(names, np.asarray(areas.until + areas.tail), strict=True))
        tumour = total["I"] + total["C"] + total["N"]
        assert tumour == pytest.approx(found.time_integrals["tumour"], rel=2e-6)
        plasma = total["P"] / TRUE_VALUES["VP"]
        assert plasma == pytest.approx(found.time_integrals["plasma"], rel=2e-6)


def test_the_error_of_a_tail_is_what_it_is_off_by() -> None:
    """From the last jump on, where the receptors are full, it is off by a lot."""
    compiled = compile_integrals(SYSTEM, controls=FINE)
    early, late = (compiled.integrate(TRUE_VALUES, SCHEDULE, t) for t in (0.0, 3000.0))
    assert float(early.from_h) == 48.5
    off = np.abs(early.until + early.tail - late.until - late.tail)
    assert np.asarray(early.tail_error).tolist() == pytest.approx(
        off.tolist(), rel=1e-4
    )
    assert np.max(off / (late.until + late.tail)) > 0.1
    assert np.max(late.tail_error / (late.until + late.tail)) < 1e-7


def test_compiled_integrals_have_derivatives() -> None:
    compiled = compile_integrals(SYSTEM, controls=FINE)
    names = ("kon", "RT", "krelK")
    course = course_of(compiled.system, SCHEDULE)

    def total(logs: Any, activity: Any) -> Any:
        values = dict(zip(names, jnp.exp(logs), strict=True))
        given = replace(course, activity_MBq=activity)
        return everything(compiled.integrate({**TRUE_VALUES, **values}, given, 500.0))

    logs = np.log([TRUE_VALUES[name] for name in names])
    activity = jnp.array([3000.0, 2000.0])
    found = jax.jit(jax.grad(total, (0, 1)))(logs, activity)
    for i, direction in enumerate(np.eye(3)):
        far, near = (
            float(total(logs + h * direction, activity))
            - float(total(logs - h * direction, activity))
            for h in (2e-3, 1e-3)
        )
        slope = (8.0 * near - far) / 12e-3
        assert float(found[0][i]) == pytest.approx(slope, rel=1e-5)
    # It is linear in the activities.
    whole = float(total(logs, activity))
    assert float(activity @ found[1]) == pytest.approx(whole, rel=1e-6)


def test_batches_are_loops() -> None:
    compiled = compile_integrals(SYSTEM)
    rows = np.array([[v] * 3 for v in TRUE_VALUES.values()]).T
    rows *= np.linspace(0.8, 1.2, 3)[:, None]
    order = [list(TRUE_VALUES).index(str(p)) for p in SYSTEM.parameters]
    rows = rows[:, order]
    course = course_of(compiled.system, SCHEDULE)
    many = jax.vmap(lambda row: compiled.integrate(row, course, 400.0))(rows)
    for n, row in enumerate(rows):
        one = compiled.integrate(row, course, 400.0)
        np.testing.assert_allclose(many.until[n], one.until, rtol=1e-6)
        np.testing.assert_allclose(many.tail[n], one.tail, rtol=1e-5)


def test_linear_systems_are_exact_from_any_horizon() -> None:
    schedule = Schedule((hot(0.0, 0.0, "Ga-68", 100.0),))
    compiled = compile_integrals(assemble(ONE_COMPARTMENT, schedule.form))
    total = K + GALLIUM
    for horizon in (0.0, 2.0):
        found = compiled.integrate(VALUES, schedule, horizon, label="Ga-68")
        expected = 100.0 / total * math.exp(-total * horizon)
        assert float(found.tail[0]) == pytest.approx(expected, rel=1e-6)
        assert float(everything(found)) == pytest.approx(100.0 / total, rel=1e-6)
        assert float(found.tail_error[0]) < 1e-4
        alone = compiled.integrate(VALUES, schedule, horizon)
        assert float(everything(alone)) == float(everything(found))
    with pytest.raises(InputError, match="ligand has no activity to integrate"):
        compiled.integrate(VALUES, schedule, 1.0, label="ligand")
    both = Schedule((*schedule.administrations, hot(0.0, 0.0, "Lu-177", 1.0)))
    with pytest.raises(InputError, match="say which, label='Ga-68' or 'Lu-177'"):
        compiled.integrate(VALUES, both, 1.0)
    course = course_of(compiled.system, schedule, "Ga-68")
    with pytest.raises(InputError, match="a Course holds the label"):
        compiled.integrate(VALUES, course, 1.0, label="Ga-68")


def test_failure_is_data() -> None:
    compiled = compile_integrals(SYSTEM, controls=Controls(most_steps=5))
    found = compiled.integrate(TRUE_VALUES, SCHEDULE, 100.0)
    assert found.report[0] == Outcome.STEP_LIMIT
    for part in (found.until, found.tail, found.tail_error):
        assert np.isnan(np.asarray(part)).all()


@pytest.mark.parametrize("horizon", [math.inf, math.nan, -math.inf, -1.0])
def test_a_horizon_that_cannot_be_is_data(horizon: float) -> None:
    compiled = compile_integrals(SYSTEM)
    for ask in (compiled.integrate, jax.jit(compiled.integrate, static_argnums=1)):
        found = ask(TRUE_VALUES, SCHEDULE, horizon)
        assert found.report[0] == Outcome.NOT_FINITE
        for part in (found.until, found.tail, found.tail_error):
            assert np.isnan(np.asarray(part)).all()


def test_a_label_that_does_not_decay_is_data() -> None:
    schedule = Schedule((hot(0.0, 0.0, "Ga-68", 100.0, ligand_nmol=1.0),))
    compiled = compile_integrals(assemble(ONE_COMPARTMENT, schedule.form))
    course = course_of(compiled.system, schedule, "ligand")
    found = compiled.integrate(VALUES, course, 1.0)
    assert found.report[0] == Outcome.NOT_FINITE
    assert np.isnan(np.asarray(found.until)).all()


@pytest.mark.usefixtures("strict_dtypes")
def test_lists_and_plain_numbers_are_arrays() -> None:
    compiled = compile_integrals(SYSTEM)
    row = [TRUE_VALUES[str(p)] for p in SYSTEM.parameters]
    expected = compiled.integrate(np.array(row), SCHEDULE, np.float64(400.0))
    course = course_of(compiled.system, SCHEDULE)
    given: list[Any] = [row, tuple(row), jnp.array(row), TRUE_VALUES]
    given.append({name: np.array(value) for name, value in TRUE_VALUES.items()})
    for parameters in given:
        found = compiled.integrate(parameters, course, 400)
        np.testing.assert_allclose(found.tail, expected.tail, rtol=1e-12)
    traced = jax.jit(lambda x: compiled.integrate([x, *row[1:]], course, 400))
    np.testing.assert_allclose(traced(row[0]).tail, expected.tail, rtol=1e-12)


def test_mistakes_are_named() -> None:
    compiled = compile_integrals(SYSTEM)
    with pytest.raises(InputError, match="no parameter 'konn': did you mean 'kon'"):
        compiled.integrate({**TRUE_VALUES, "konn": 1.0}, SCHEDULE, 0.0)
    few = {name: v for name, v in TRUE_VALUES.items() if name != "kon"}
    with pytest.raises(InputError, match="parameter 'kon' has no value"):
        compiled.integrate(few, SCHEDULE, 0.0)
    with pytest.raises(InputError, match=r"horizon_h has the shape \(2,\)"):
        compiled.integrate(TRUE_VALUES, SCHEDULE, [1.0, 2.0])
    cold = Schedule((bolus(10.0),))
    with pytest.raises(ModelError, match="assembled without a label"):
        compile_integrals(assemble(BINDING, cold.form))
