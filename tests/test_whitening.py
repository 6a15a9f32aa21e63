"""Whitened coordinates: mode and width of a known posterior, which stays what it is."""

from typing import Any

import numpy as np
import pymc as pm
import pytest

from pkmodels.errors import SolveError
from pkmodels.fitting.sampling import Problem, compile_sampler, draw_posterior
from pkmodels.fitting.whitening import whiten, whitened

# Two unknowns whose sum is measured far better than their difference.
PRIOR_SD, NOISE = np.array([2.0, 0.5]), 0.01
SUM = 1.0


def ridge() -> pm.Model:
    with pm.Model() as model:
        x = pm.Normal("x", 0.0, PRIOR_SD, shape=2)
        pm.Normal("y", x.sum(), NOISE, observed=SUM)
    return model


def exact() -> tuple[np.ndarray, np.ndarray]:
    """Return mean and covariance in closed form."""
    precision = np.diag(PRIOR_SD**-2) + np.ones((2, 2)) / NOISE**2
    covariance = np.linalg.inv(precision)
    return covariance @ (np.ones(2) * SUM / NOISE**2), covariance


def test_mode_and_width_of_a_ridge_are_found() -> None:
    sampler = compile_sampler(ridge(), target_acceptance=0.8, coordinates=whitened)
    problem = Problem({}, (), np.zeros(2), PRIOR_SD)
    mode, factor = whiten(sampler, problem, seed=0).coordinates
    mean, covariance = exact()
    np.testing.assert_allclose(mode, mean, atol=1e-3)
    np.testing.assert_allclose(factor @ factor.T, covariance, rtol=1e-3, atol=1e-6)


def test_draws_in_whitened_coordinates_are_of_the_same_posterior() -> None:
    sampler = compile_sampler(
        ridge(), target_acceptance=0.8, coordinates=whitened, warmup=100
    )
    problem = Problem({}, (), np.zeros(2), PRIOR_SD)
    given = whiten(sampler, problem, seed=0)
    drawn = draw_posterior(sampler, given, seed=1, draws_per_chain=1000)
    mean, covariance = exact()
    draws = drawn.variables["x"].reshape(-1, 2)
    # 4,000 draws, nearly independent: 4 standard errors.
    error = 4.0 * np.sqrt(np.diag(covariance) / 2000.0)
    assert (np.abs(draws.mean(axis=0) - mean) < error).all()
    np.testing.assert_allclose(
        draws.std(axis=0), np.sqrt(np.diag(covariance)), rtol=0.1
    )


def test_a_posterior_that_is_finite_nowhere_is_refused() -> None:
    with pm.Model() as model:
        x = pm.Normal("x")
        nowhere: Any = pm.math.log(-1.0 - x**2)
        pm.Potential("nowhere", nowhere)
    sampler = compile_sampler(model, target_acceptance=0.8, coordinates=whitened)
    with pytest.raises(SolveError, match="finite at none"):
        whiten(sampler, Problem({}, (), np.zeros(1), np.ones(1)), seed=0)
