"""The solve as an operation: values, gradients, one solve for both, and its pickle."""

import pickle
from typing import Any

import jax.numpy as jnp
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor.compile.maker import function as compile_function
from pytensor.gradient import grad as gradient_of
from scipy.stats import norm

from pkmodels.compiled import compile_system
from pkmodels.errors import ModelError
from pkmodels.exact import Doses, compile_exactly
from pkmodels.fitting import operations, worked_example
from pkmodels.fitting.operations import (
    Recipe,
    SolvedRows,
    SolvedRowsAndSlopes,
    solved_rows,
)
from pkmodels.fitting.posterior import build_model
from pkmodels.fitting.rows import term_rows
from pkmodels.models import organ_exchange
from pkmodels.schedule import ScheduleForm
from pkmodels.system import assemble

# PyTensor's own types do not know what they return.
compiled_graph: Any = compile_function
grad: Any = gradient_of
TIMES = np.array([1.0, 2.0, 5.0])


def two_phases(times: np.ndarray) -> Any:
    """a exp(-k t) + b^2, of (k,) and (a, b)."""

    def rows(rate: Any, sizes: Any) -> Any:
        return sizes[0] * jnp.exp(-rate[0] * times) + sizes[1] ** 2

    return rows


def nowhere(times: np.ndarray) -> Any:
    return lambda rate: jnp.nan * rate[0] * times


def graph() -> tuple[list[Any], Any]:
    vectors = [pt.vector("rate", shape=(1,)), pt.vector("sizes", shape=(2,))]
    return vectors, solved_rows(two_phases, (TIMES,))(*vectors)


def operations_in(function: Any) -> list[type]:
    own = (SolvedRows, SolvedRowsAndSlopes)
    nodes = function.maker.fgraph.toposort()
    return [type(node.op) for node in nodes if isinstance(node.op, own)]


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "JAX", "NUMBA"])
def test_values_and_gradients_are_those_of_the_closed_form(mode: str) -> None:
    vectors, rows = graph()
    weights = np.array([1.0, -2.0, 0.5])
    slopes = grad((weights * rows).sum(), vectors)
    function = compiled_graph(vectors, [rows, *slopes], mode=mode)
    found = [np.asarray(x) for x in function(np.array([0.3]), np.array([4.0, 1.5]))]
    decay = np.exp(-0.3 * TIMES)
    np.testing.assert_allclose(found[0], 4.0 * decay + 2.25, rtol=1e-14)
    by_rate = (weights * -4.0 * TIMES * decay).sum()
    np.testing.assert_allclose(found[1], [by_rate], rtol=1e-13)
    by_sizes = [(weights * decay).sum(), weights.sum() * 2.0 * 1.5]
    np.testing.assert_allclose(found[2], by_sizes, rtol=1e-13)
    # One solve gave all that.
    assert operations_in(function) == [SolvedRowsAndSlopes]


def test_a_graph_without_gradients_does_not_pay_for_them() -> None:
    vectors, rows = graph()
    function = compiled_graph(vectors, rows.sum(), mode="FAST_COMPILE")
    assert operations_in(function) == [SolvedRows]


def test_log_density_and_gradient_of_a_posterior_cost_one_solve() -> None:
    model = build_model(worked_example.posterior())
    density: Any = model.logp()
    slope = pt.concatenate(grad(density, model.value_vars))
    both = compiled_graph(model.value_vars, [density, slope], mode="FAST_COMPILE")
    value = compiled_graph(model.value_vars, density, mode="FAST_COMPILE")
    assert operations_in(both) == [SolvedRowsAndSlopes]
    assert operations_in(value) == [SolvedRows]
    place = [np.log([60.0]), np.log([0.05])]
    found, gradient = both(*place)
    assert float(value(*place)) == pytest.approx(float(found), rel=1e-14)
    step = 1e-6
    for i in range(2):
        ends = []
        for sign in (1.0, -1.0):
            moved = [x + sign * step * (i == j) for j, x in enumerate(place)]
            ends.append(float(value(*moved)))
        difference = (ends[0] - ends[1]) / (2.0 * step)
        assert gradient[i] == pytest.approx(difference, rel=1e-6)


def test_other_functions_are_never_taken_for_one_another() -> None:
    (rate, sizes), rows = graph()
    others = solved_rows(two_phases, (2.0 * TIMES,))(rate, sizes)
    slope = grad(rows.sum(), rate)
    function = compiled_graph([rate, sizes], [others, slope], mode="FAST_COMPILE")
    found, _ = function(np.array([0.3]), np.array([1.0, 0.0]))
    np.testing.assert_allclose(found, np.exp(-0.6 * TIMES))


def test_what_cannot_be_solved_is_no_number_and_no_error() -> None:
    rate = pt.vector("rate", shape=(1,))
    rows = solved_rows(nowhere, (TIMES,))(rate)
    both = compiled_graph([rate], [rows, grad(rows.sum(), rate)], mode="FAST_COMPILE")
    assert all(np.isnan(array).all() for array in both(np.ones(1)))


def test_second_derivatives_are_refused() -> None:
    (rate, sizes), rows = graph()
    slope: Any = grad((rows**2).sum(), rate)
    with pytest.raises(Exception, match="no second derivatives") as refusal:
        compiled_graph([rate, sizes], grad(slope.sum(), rate), mode="FAST_COMPILE")
    assert "differences of gradients" in str(refusal.value)


def test_a_vector_of_unknown_length_is_refused() -> None:
    with pytest.raises(ModelError, match="vector of known length"):
        solved_rows(nowhere, (TIMES,))(pt.vector("rate"))


def test_a_process_forked_after_the_first_solve_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would hang: JAX's threads are not in it."""
    rate = pt.vector("rate", shape=(1,))
    function = compiled_graph(
        [rate], solved_rows(nowhere, (TIMES,))(rate), mode="FAST_COMPILE"
    )
    monkeypatch.setattr(operations, "_used_in", [-1])
    with pytest.raises(ModelError, match='mp_ctx="spawn"'):
        function(np.ones(1))


def test_an_operation_is_pickled_as_what_it_is_rebuilt_from() -> None:
    model = build_model(worked_example.posterior())
    place = {"kinetics_log__": np.log([50.0]), "relative_noise_log__": np.log([0.1])}
    density: Any = model.logp()
    function = compiled_graph(model.value_vars, density, mode="FAST_COMPILE")
    again = pickle.loads(pickle.dumps(function))
    assert float(again(*place.values())) == float(function(*place.values()))
    recipe = Recipe(two_phases, (TIMES,))
    assert recipe.function(np.ones(1), np.ones(2)).shape == (3,)
    assert "function" not in vars(pickle.loads(pickle.dumps(recipe)))
    assert len(repr(SolvedRows(recipe))) < 80


def test_compiled_systems_are_pickled() -> None:
    form = ScheduleForm((("dotatate", "intravenous"),))
    system = assemble(organ_exchange.model(("kidney", "liver")), form)
    exact, compiled = compile_exactly(system), compile_system(system)
    again, rebuilt = pickle.loads(pickle.dumps((exact, compiled)))
    values = np.array([1.0, 0.02, 60.0, 0.05, 100.0])
    dose = Doses(np.zeros(1), np.zeros(1), np.ones(1), 0.004)
    np.testing.assert_array_equal(
        again.solve(values, dose, TIMES), exact.solve(values, dose, TIMES)
    )
    assert again.parameters == exact.parameters
    assert (rebuilt.kernel, rebuilt.system) == (compiled.kernel, system)


def test_a_pymc_user_extends_the_model_before_sampling() -> None:
    """The README's example: a half-life known from elsewhere is one more term."""
    model: Any = build_model(worked_example.posterior())
    plain = model.compile_logp(mode="FAST_COMPILE")
    with model:
        kidney = model["kinetics"][model.coords["kinetics_of"].index("half_life")]
        pm.Normal("published", pm.math.log(kidney), 0.2, observed=np.log(50.0))
    extended = model.compile_logp(mode="FAST_COMPILE")
    place = {"kinetics_log__": np.log([64.0]), "relative_noise_log__": np.log([0.1])}
    more = norm.logpdf(np.log(50.0), np.log(64.0), 0.2)
    assert float(extended(place)) - float(plain(place)) == pytest.approx(more)
    # What was added has no row of the measurements.
    assert list(term_rows(model)) == ["log_value"]
