"""The model that solvers are timed on is the published one; no time is tested."""

import csv
import importlib.util
from pathlib import Path
from types import ModuleType

import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from scipy.integrate import odeint


@pytest.fixture(scope="module")
def pbpk12(repository: Path) -> ModuleType:
    path = repository / "benchmarks/pbpk12.py"
    spec = importlib.util.spec_from_file_location("pbpk12", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def true_states(pbpk12: ModuleType) -> np.ndarray:
    return pbpk12.solve_tightly(pbpk12.TRUE_LOG)


def published(repository: Path, name: str) -> list[dict[str, str]]:
    table = repository.parent / f"shared/reference/benchmark/{name}.csv"
    if not table.exists():
        pytest.skip("needs ../shared/reference, which is no part of the repository")
    lines = table.read_text("utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def solve_with_sensitivities(pbpk12: ModuleType, logs: np.ndarray):
    """States (20, 12), sensitivities (8, 20, 12): ds/dt = J s + df/dc c', by LSODA."""
    symbols, count = pbpk12.equations(), len(pbpk12.ESTIMATED)
    change = sympy.Matrix(symbols.derivatives)
    names = [symbols.states, symbols.constants]
    right_side = sympy.lambdify(names, list(symbols.derivatives), "math")
    jacobian = sympy.lambdify(names, change.jacobian(symbols.states), "numpy")
    slopes = sympy.lambdify(names, change.jacobian(symbols.constants), "numpy")
    constants = pbpk12.constants_of(logs)
    towards = pbpk12.tangents_of(constants).constants[:, 0]

    def whole(_: float, flat: np.ndarray) -> np.ndarray:
        rows = flat.reshape(1 + count, -1)
        at = (rows[0].tolist(), constants.tolist())
        found = np.empty_like(rows)
        found[0] = right_side(*at)
        found[1:] = rows[1:] @ jacobian(*at).T + towards @ slopes(*at).T
        return found.ravel()

    start = np.zeros((1 + count, len(pbpk12.STATES)))
    start[0] = pbpk12.START
    solved = odeint(
        whole,
        start.ravel(),
        np.append(0.0, pbpk12.TIMES_H),
        tfirst=True,
        rtol=1e-10,
        atol=1e-12,
        mxstep=100_000,
    )[1:].reshape(len(pbpk12.TIMES_H), 1 + count, -1)
    return solved[:, 0], solved[:, 1:].transpose(1, 0, 2)


@pytest.mark.reference
def test_the_solution_is_the_published_one(
    pbpk12: ModuleType, true_states: np.ndarray, repository: Path
) -> None:
    rows = published(repository, "pbpk12_reference")
    assert [float(row["time_h"]) for row in rows] == pbpk12.TIMES_H.tolist()
    table = [[float(row[name]) for name in pbpk12.STATES] for row in rows]
    assert pbpk12.error_of(true_states, np.array(table)) < 1e-10
    used, source = pbpk12.reference_states()
    assert "published" in source
    np.testing.assert_array_equal(used, table)


@pytest.mark.reference
def test_the_data_are_the_published_ones(
    pbpk12: ModuleType, true_states: np.ndarray, repository: Path
) -> None:
    rows = published(repository, "pbpk12_data")
    table = [[float(row[name]) for name in ("y1", "y2", "y3")] for row in rows]
    np.testing.assert_allclose(pbpk12.data_of(true_states), table, rtol=1e-9)


@pytest.mark.reference
def test_likelihood_and_gradient_are_the_published_ones(
    pbpk12: ModuleType, true_states: np.ndarray
) -> None:
    data = pbpk12.data_of(true_states)
    states, sensitivities = solve_with_sensitivities(pbpk12, pbpk12.SHIFTED_LOG)
    found = (
        pbpk12.log_likelihood(states, data),
        pbpk12.gradient(states, sensitivities, data),
    )
    assert pbpk12.gradient_error_of(found) < 1e-7
    in_jax = pbpk12.gradient(
        jnp.asarray(states), jnp.asarray(sensitivities), data, jnp.log
    )
    np.testing.assert_allclose(in_jax, found[1], rtol=1e-12)


def test_the_right_sides_agree(pbpk12: ModuleType) -> None:
    symbols = pbpk12.equations()
    names = [symbols.states, symbols.constants]
    generated = sympy.lambdify(names, list(symbols.derivatives), "math")
    generator = np.random.default_rng(1)
    states = generator.uniform(0.0, 5.0, len(pbpk12.STATES))
    constants = pbpk12.constants_of(pbpk12.prior_draws(1)[0])
    plain = pbpk12.derivatives(states.tolist(), constants.tolist())
    np.testing.assert_allclose(generated(states, constants), plain, rtol=1e-12)
    in_jax = pbpk12.derivatives(jnp.asarray(states), jnp.asarray(constants))
    np.testing.assert_allclose(jnp.stack(in_jax), plain, rtol=1e-12)


def test_nothing_but_filtered_ligand_is_lost(pbpk12: ModuleType) -> None:
    states = np.random.default_rng(2).uniform(0.0, 5.0, len(pbpk12.STATES))
    values = pbpk12.VALUES
    total = sum(pbpk12.derivatives(states, list(values.values())))
    plasma = states[0] + states[1]
    filtered = values["GFR"] * plasma / values["VP"]
    assert total == pytest.approx(-(1.0 - values["freab"]) * filtered, rel=1e-12)


def test_batches_hold_the_single_problems(pbpk12: ModuleType) -> None:
    constants = pbpk12.constants_of(pbpk12.prior_draws(3))
    times = pbpk12.POSTERIOR_TIMES_H
    batch, tangents = pbpk12.batch_of(constants, times), pbpk12.tangents_of(constants)
    for number, row in enumerate(constants):
        single = pbpk12.problem_of(row, times)
        for field, whole, part in zip(batch._fields, batch, single, strict=True):
            np.testing.assert_array_equal(whole[number], part, err_msg=field)
        alone = pbpk12.tangents_of(row)
        for field, whole, part in zip(tangents._fields, tangents, alone, strict=True):
            np.testing.assert_array_equal(whole[number], part, err_msg=field)


def test_tangents_are_derivatives_by_the_logs(pbpk12: ModuleType) -> None:
    step, logs = 1e-6, pbpk12.SHIFTED_LOG
    found = pbpk12.tangents_of(pbpk12.constants_of(logs)).constants[:, 0]
    shifts = step * np.eye(len(logs))
    upper, lower = (
        pbpk12.constants_of(logs + shifts),
        pbpk12.constants_of(logs - shifts),
    )
    np.testing.assert_allclose(found, (upper - lower) / (2.0 * step), atol=1e-8)
    assert np.count_nonzero(found) == len(pbpk12.ESTIMATED)


def test_the_prior_is_that_of_the_posterior_problem(pbpk12: ModuleType) -> None:
    away = pbpk12.prior_draws(20_000) - pbpk12.TRUE_LOG
    np.testing.assert_allclose(away.mean(axis=0), 0.0, atol=0.015)
    np.testing.assert_allclose(away.std(axis=0), 0.5, atol=0.01)
