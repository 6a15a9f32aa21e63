"""What a compiled system is given: labels, courses, controls, numbers; what is refused.

The truth is a closed form: of a bolus x in one compartment, x exp(-(k + lambda) t) is
left, lambda of the label or 0.
"""

import re
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from courses import (
    BINDING,
    BINDING_VALUES,
    GALLIUM,
    LUTETIUM,
    PLASMA,
    RATE,
    K,
    bolus,
)

from pkmodels.administrations import Administration
from pkmodels.compiled import CompiledSystem, compile_system
from pkmodels.courses import Course, course_of
from pkmodels.definition import Model
from pkmodels.errors import InputError, ModelError
from pkmodels.kernels.problem import Controls, Outcome, check_controls
from pkmodels.reactions import flow
from pkmodels.schedule import Schedule
from pkmodels.symbols import amounts
from pkmodels.system import assemble

LOSS = Model(
    "loss",
    (flow("elimination", PLASMA, None, RATE * PLASMA),),
    {"intravenous": PLASMA},
    {"plasma": PLASMA},
)
COLD = Schedule((bolus(10.0),))
COLD_LOSS = assemble(LOSS, COLD.form)
COURSE = course_of(COLD_LOSS, COLD)
TIMES = np.array([1.0, 2.0])
WAYS = ("exact", "native")


def hot(label: str, MBq: float, nmol: float | None = None) -> Administration:
    return Administration(0.0, 0.0, "drug", label, MBq, ligand_nmol=nmol)


TWO_LABELS = Schedule((hot("Lu-177", 100.0, 3.0), hot("Ga-68", 50.0, 2.0)))
ONE_LABEL = Schedule((hot("Lu-177", 100.0),))


def compiled_loss(schedule: Schedule, way: str = "native") -> CompiledSystem:
    return compile_system(assemble(LOSS, schedule.form), kernel=way)


def refused(text: str, error: type[Exception] = InputError) -> Any:
    return pytest.raises(error, match=re.escape(text))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("label", "start", "decay"),
    [("Lu-177", 100.0, LUTETIUM), ("Ga-68", 50.0, GALLIUM), ("ligand", 5.0, 0.0)],
)
def test_a_linear_system_holds_the_label_that_is_named(
    way: str, label: str, start: float, decay: float
) -> None:
    compiled = compiled_loss(TWO_LABELS, way)
    expected = start * np.exp(-(K + decay) * TIMES)
    course = course_of(compiled.system, TWO_LABELS, label)
    for found in (
        compiled.solve({"k": K}, TWO_LABELS, TIMES, label=label),
        compiled.solve({"k": K}, course, TIMES),
    ):
        np.testing.assert_allclose(found[:, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("way", WAYS)
def test_without_a_name_it_is_the_only_label_and_without_labels_the_ligand(
    way: str,
) -> None:
    found = compiled_loss(ONE_LABEL, way).solve({"k": K}, ONE_LABEL, TIMES)[:, 0]
    expected = 100.0 * np.exp(-(K + LUTETIUM) * TIMES)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    found = compiled_loss(COLD, way).solve({"k": K}, COLD, TIMES)[:, 0]
    np.testing.assert_allclose(found, 10.0 * np.exp(-K * TIMES), rtol=1e-6)


def test_one_of_several_labels_must_be_named() -> None:
    system = assemble(LOSS, TWO_LABELS.form)
    said = "say which, label='Lu-177' or 'Ga-68', or label='ligand' for the amounts"
    for attempt in (
        lambda: course_of(system, TWO_LABELS),
        lambda: compile_system(system).solve({"k": K}, TWO_LABELS, TIMES),
    ):
        with refused(said):
            attempt()
    with refused("the schedule does not give 'Y-90': known: Lu-177, Ga-68"):
        course_of(system, TWO_LABELS, "Y-90")


def test_amounts_of_ligand_need_the_ligand_of_each_dose() -> None:
    with refused("need ligand_nmol of every administration: state it, or ask for a l"):
        course_of(assemble(LOSS, ONE_LABEL.form), ONE_LABEL, "ligand")


@pytest.mark.parametrize("label", ["Lu-177", "Ga-68", "ligand", "Y-90"])
def test_a_saturable_system_holds_all_at_once_and_takes_no_label(label: str) -> None:
    system = assemble(BINDING, TWO_LABELS.form)
    assert course_of(system, TWO_LABELS).loss_per_h == 0.0
    with refused(f"label is {label!r}, but the states of 'binding' are all ligand"):
        course_of(system, TWO_LABELS, label)
    with refused("leave label out, or read one by simulate(..., label=...)"):
        compile_system(system).solve(BINDING_VALUES, TWO_LABELS, TIMES, label=label)


def test_a_course_holds_its_label() -> None:
    compiled = compiled_loss(ONE_LABEL)
    course = course_of(compiled.system, ONE_LABEL, "Lu-177")
    with refused("label is 'Lu-177', but a Course holds the label it was made for"):
        compiled.solve({"k": K}, course, TIMES, label="Lu-177")
    with refused("the schedule is [1] (list): write a Schedule, or course_of("):
        compiled.solve({"k": K}, [1], TIMES)  # pyright: ignore[reportArgumentType]


def test_a_course_of_another_system_is_refused_saying_which() -> None:
    with refused(
        "made for another system, 'loss', than 'binding': without free, bound, on, "
    ):
        compile_system(assemble(BINDING, COLD.form)).solve(
            BINDING_VALUES, COURSE, TIMES
        )


def test_a_course_of_a_namesake_is_refused_saying_how_they_differ() -> None:
    (salt,) = amounts("salt", unit="nmol")
    other = replace(LOSS, routes={"oral": PLASMA, "intravenous": PLASMA})
    leaks = replace(
        LOSS, reactions=(*LOSS.reactions, flow("leak", PLASMA, salt, RATE * PLASMA))
    )
    given = Schedule((bolus(10.0), bolus(1.0, route="oral")))
    for model, schedule, said in (
        (replace(LOSS, name="lost"), COLD, "'lost': their names or the order of"),
        (leaks, COLD, "'loss', than 'loss': without salt; write course_of(system"),
        (other, given, "'loss', than 'loss': without oral of ligand into plasma"),
    ):
        system = assemble(model, schedule.form)
        with refused(said):
            compile_system(system).solve({"k": K}, COURSE, TIMES)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"time_h": np.zeros(2)}, "time_h of the course has the shape (2,)"),
        ({"ligand_nmol": np.ones((3, 1))}, "ligand_nmol of the course has the shape"),
        ({"loss_per_h": np.zeros(1)}, "loss_per_h of the course has the shape (1,)"),
        ({"start_nmol": np.zeros(4)}, "start_nmol of the course has the shape (4,)"),
    ],
)
def test_arrays_of_a_course_that_do_not_fit_it(
    way: str, change: dict[str, Any], said: str
) -> None:
    compiled = compiled_loss(COLD, way)
    with refused(said):
        compiled.solve({"k": K}, replace(COURSE, **change), TIMES)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"relative": 0.9e-14}, "relative is 9e-15; it must be from 1e-14 to 0.1"),
        ({"relative": 0.11}, "relative is 0.11; it must be from 1e-14 to 0.1"),
        ({"relative": np.nan}, "relative is nan; it must be"),
        ({"relative": "fine"}, "relative is 'fine' (str): give a number"),
        ({"absolute": -1e-300}, "absolute is -1e-300; it must be from 0 to 0.1"),
        ({"absolute": 0.11}, "absolute is 0.11; it must be from 0 to 0.1"),
        ({"most_steps": 0}, "most_steps is 0; it must be from 1 to 2.14748e+09"),
        ({"most_steps": 2**31}, "most_steps is 2147483648; it must be"),
        ({"most_steps": 10.0}, "most_steps is 10.0 (float): give a number"),
        ({"negative": -1e-9}, "negative is -1e-09; it must be from 0 to inf"),
        ({"negative": np.nan}, "negative is nan; it must be"),
    ],
)
def test_controls_out_of_their_range(change: dict[str, Any], said: str) -> None:
    controls = Controls()._replace(**change)
    for attempt in (
        lambda: check_controls(controls),
        lambda: compile_system(COLD_LOSS, controls=controls),
    ):
        with refused(f"controls: {said}"):
            attempt()


def test_controls_at_the_ends_of_their_range() -> None:
    check_controls(Controls(1e-14, 0.0, 1, 0.0))
    check_controls(Controls(0.1, 0.1, 2**31 - 1, np.inf))
    check_controls(
        Controls()._replace(relative=np.float64(1e-6), most_steps=np.int64(5))
    )


@pytest.mark.parametrize(
    ("system", "options", "said"),
    [
        (LOSS, {}, "(Model): write compile_system(assemble(model, schedule.form))"),
        ([COLD_LOSS], {}, "(list): write compile_system(assemble(model, schedule.fo"),
        (None, {}, "the system is None (NoneType): write compile_system(assemble("),
        (COLD_LOSS, {"kernel": 5}, "the kernel is 5 (int): it is one of native, nat"),
        (COLD_LOSS, {"kernel": ["xla"]}, "the kernel is ['xla'] (list): it is one of"),
        (COLD_LOSS, {"kernel": "exat"}, "no kernel 'exat': did you mean 'exact'? Kno"),
        (COLD_LOSS, {"controls": {}}, "controls is {} (dict): write Controls(relati"),
        (COLD_LOSS, {"controls": 1e-8}, "controls is 1e-08 (float): write Controls("),
    ],
)
def test_what_cannot_be_compiled(system: Any, options: Any, said: str) -> None:
    with refused(said):
        compile_system(system, **options)


def test_what_has_no_exact_solution_is_not_solved_exactly() -> None:
    with refused("model 'binding' has no exact solution", ModelError):
        compile_system(assemble(BINDING, COLD.form), kernel="exact")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        (np.ones(2), "parameters has the shape (2,) and must have (1,) on 'loss'"),
        (np.ones((1, 1)), "parameters has the shape (1, 1) and must have (1,) on"),
        ([], "parameters has the shape (0,) and must have (1,) on 'loss'"),
        (["fast"], "parameters must be real numbers"),
        ({"k": [1.0, 2.0]}, "parameter k has the shape (2,): give one number, and us"),
        ({"k": "fast"}, "parameter k must be real numbers: it is 'fast'"),
        ({"k": 1j}, "parameter k must be real numbers: it is 1j"),
        ({"k": None}, "parameter k must be real numbers: it is None"),
        ({"kk": K}, "no parameter 'kk': did you mean 'k'? Known: k"),
        ({}, "parameter 'k' has no value: give each of k"),
    ],
)
def test_parameters_of_the_wrong_shape_or_kind(
    way: str, parameters: Any, said: str
) -> None:
    with refused(said):
        compiled_loss(COLD, way).solve(parameters, COLD, TIMES)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("times", "before", "said"),
    [
        (
            TIMES[:, None],
            None,
            "times_h must be one list of times; its shape is (2, 1)",
        ),
        (1.0, None, "times_h must be one list of times; its shape is ()"),
        ("soon", None, "times_h must be real numbers: it is 'soon'"),
        ([1.0, None], None, "times_h must be real numbers"),
        (TIMES, [True], "before has the shape (1,) and must have (2,) on 'loss'"),
        (TIMES, ["no", "no"], "before must be real numbers"),
    ],
)
def test_times_of_the_wrong_shape_or_kind(
    way: str, times: Any, before: Any, said: str
) -> None:
    with refused(said):
        compiled_loss(COLD, way).solve({"k": K}, COLD, times, before=before)


def solved(way: str, k: Any, course: Course, times: Any) -> tuple[np.ndarray, Any]:
    compiled = compiled_loss(COLD, way)
    states, report = compiled.solve_with_report({"k": k}, course, times)
    return np.asarray(states), np.asarray(report)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("k", "change", "times", "outcome"),
    [
        (np.nan, {}, TIMES, Outcome.NOT_FINITE),
        (np.inf, {}, TIMES, Outcome.NOT_FINITE),
        (-800.0, {}, TIMES, Outcome.NOT_FINITE),
        (K, {"ligand_nmol": np.array([np.nan])}, TIMES, Outcome.NOT_FINITE),
        (K, {"ligand_nmol": np.array([np.inf])}, TIMES, Outcome.NOT_FINITE),
        (K, {"loss_per_h": np.array(np.nan)}, TIMES, Outcome.NOT_FINITE),
        (K, {"time_h": np.array([-1.0])}, TIMES, Outcome.NOT_FINITE),
        (K, {"time_h": np.array([np.nan])}, TIMES, Outcome.NOT_FINITE),
        (K, {}, np.array([np.nan, 1.0]), Outcome.NOT_FINITE),
        (K, {}, np.array([1.0, np.inf]), Outcome.NOT_FINITE),
        (K, {}, np.array([-1.0]), Outcome.NOT_FINITE),
        (K, {"ligand_nmol": np.array([-10.0])}, TIMES, Outcome.NEGATIVE),
    ],
)
def test_numbers_that_give_no_amounts_give_nan_and_say_why(
    way: str, k: float, change: dict[str, Any], times: np.ndarray, outcome: Outcome
) -> None:
    states, report = solved(way, k, replace(COURSE, **change), times)
    assert Outcome(int(report[0])) is outcome
    assert np.isnan(states[-1]).all()
    if way == "exact":
        assert np.isnan(states).all()
        assert report[1:].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("way", WAYS)
def test_an_exact_solution_is_reported_as_solved(way: str) -> None:
    states, report = solved(way, K, COURSE, TIMES)
    np.testing.assert_allclose(states[:, 0], 10.0 * np.exp(-K * TIMES), rtol=1e-6)
    assert report[:2].tolist() == [Outcome.SOLVED, 2.0]
    states, report = solved(way, K, COURSE, np.zeros(0))
    assert states.shape == (0, 1)
    assert report[0] == Outcome.SOLVED


def test_an_exact_solution_may_be_as_negative_as_the_controls_allow() -> None:
    course = replace(COURSE, ligand_nmol=np.array([-10.0]))
    free = Controls(negative=np.inf)
    compiled = compile_system(COLD_LOSS, kernel="exact", controls=free)
    states, report = compiled.solve_with_report({"k": K}, course, TIMES)
    np.testing.assert_allclose(states[:, 0], -10.0 * np.exp(-K * TIMES), rtol=1e-9)
    assert report[0] == Outcome.SOLVED


def test_there_are_no_second_derivatives_of_a_numeric_solve() -> None:
    compiled = compiled_loss(COLD)

    def left(k: Any) -> Any:
        return compiled.solve({"k": k}, COLD, jnp.array([2.0]))[0, 0]

    slope = jax.grad(left)
    assert float(slope(K)) == pytest.approx(-20.0 * np.exp(-2.0 * K), rel=1e-5)
    said = "'loss': there are no second derivatives of a solve: use differences of its"
    for twice in (jax.grad(slope), jax.hessian(left), jax.jacfwd(jax.jacfwd(left))):
        with refused(said):
            twice(K)


def test_an_exact_solution_has_second_derivatives() -> None:
    compiled = compiled_loss(COLD, "exact")

    def left(k: Any) -> Any:
        return compiled.solve({"k": k}, COLD, jnp.array([2.0]))[0, 0]

    assert float(jax.hessian(left)(K)) == pytest.approx(40.0 * np.exp(-2.0 * K))
