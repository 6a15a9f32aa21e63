"""The sampler on known distributions, its coordinates, and the checks of a fit."""

import math

import jax.numpy as jnp
import numpy as np
import pymc as pm
import pytest
from scipy.stats import norm

from pkmodels.fitting.checks import check
from pkmodels.fitting.sampling import (
    CHAINS,
    WARMUP,
    Draws,
    Problem,
    Sampler,
    compile_sampler,
    draw_posterior,
)
from pkmodels.values import Certainty, half_normal

MEAN = np.array([1.0, -2.0])
COVARIANCE = np.array([[1.0, 1.6], [1.6, 4.0]])
MEASURED = np.array([2.0, 3.0, 4.0])


@pytest.fixture(scope="module")
def sampler() -> Sampler:
    """Two correlated normals, a half-normal, and a mean of measured values."""
    with pm.Model() as model:
        pm.MvNormal("pair", MEAN, COVARIANCE)
        pm.HalfNormal("noise", 0.5)
        mean = pm.Normal("mean", 0.0, 10.0)
        pm.Normal("value", mean, 1.0, observed=pm.Data("measured", MEASURED))
    return compile_sampler(model, target_acceptance=0.9)


def drawn(
    sampler: Sampler, seed: int, measured: np.ndarray = MEASURED, **more
) -> Draws:
    problem = Problem({"measured": measured}, (), np.zeros(4), np.ones(4))
    return draw_posterior(sampler, problem, seed=seed, draws_per_chain=1000, **more)


@pytest.fixture(scope="module")
def draws(sampler: Sampler) -> Draws:
    return drawn(sampler, seed=1)


def test_known_distributions_are_recovered(draws: Draws) -> None:
    """Within four Monte-Carlo errors of a quarter of the draws."""
    error = 4.0 / math.sqrt(CHAINS * 1000 / 4.0)
    pair = draws.variables["pair"].reshape(-1, 2)
    sds = np.sqrt(np.diag(COVARIANCE))
    assert (np.abs(pair.mean(axis=0) - MEAN) < error * sds).all()
    np.testing.assert_allclose(pair.std(axis=0), sds, rtol=error)
    assert np.corrcoef(pair.T)[0, 1] == pytest.approx(0.8, abs=0.36 * error)
    noise = draws.variables["noise"].ravel()
    assert noise.min() > 0.0
    assert noise.mean() == pytest.approx(0.5 * math.sqrt(2.0 / math.pi), rel=error)
    assert np.quantile(noise, 0.9) == pytest.approx(0.5 * norm.ppf(0.95), rel=error)
    assert not draws.diverging.any()


@pytest.mark.parametrize("shift", [0.0, 5.0])
def test_measured_values_are_an_argument_of_a_run(
    sampler: Sampler, shift: float
) -> None:
    """Conjugate: precision n + 1/100, mean sum y / (n + 1/100), without compiling."""
    mean = drawn(sampler, 2, MEASURED + shift).variables["mean"].ravel()
    precision = 3.0 + 0.01
    expected = (MEASURED.sum() + 3.0 * shift) / precision
    assert mean.mean() == pytest.approx(expected, abs=0.13 / math.sqrt(precision))
    assert mean.std() == pytest.approx(1.0 / math.sqrt(precision), rel=0.13)


def test_a_seed_repeats_every_bit_and_another_does_not(
    sampler: Sampler, draws: Draws
) -> None:
    again, other = drawn(sampler, seed=1), drawn(sampler, seed=2)
    for name, values in draws.variables.items():
        np.testing.assert_array_equal(again.variables[name], values)
        assert (other.variables[name] != values).all()
    np.testing.assert_array_equal(again.unconstrained, draws.unconstrained)
    # No two chains are the same either.
    chains = draws.variables["mean"]
    assert len({chain.tobytes() for chain in chains}) == CHAINS


def test_draws_have_one_axis_of_chains_and_one_of_draws(draws: Draws) -> None:
    shapes = {name: values.shape for name, values in draws.variables.items()}
    assert shapes == {
        "pair": (CHAINS, 1000, 2),
        "noise": (CHAINS, 1000),
        "mean": (CHAINS, 1000),
    }
    assert draws.unconstrained.shape == (CHAINS, 1000, 4)
    assert draws.diverging.shape == (CHAINS, 1000)


def test_progress_is_told_from_the_first_chunk_to_the_last(sampler: Sampler) -> None:
    told: list[tuple[int, int]] = []
    drawn(sampler, seed=3, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (WARMUP + 1000, WARMUP + 1000)
    assert [done for done, _ in told] == sorted({done for done, _ in told})


def test_other_coordinates_change_the_effort_and_not_the_posterior() -> None:
    """x = 0.5 sinh(u) with its determinant: still Normal(1, 2)."""

    def coordinates(u, scale):
        return scale * jnp.sinh(u), jnp.sum(jnp.log(scale * jnp.cosh(u)))

    with pm.Model() as model:
        pm.Normal("x", 1.0, 2.0)
    bent = compile_sampler(model, target_acceptance=0.9, coordinates=coordinates)
    problem = Problem({}, jnp.array([0.5]), np.zeros(1), np.ones(1))
    found = draw_posterior(bent, problem, seed=5, draws_per_chain=1000)
    x = found.variables["x"].ravel()
    assert x.mean() == pytest.approx(1.0, abs=0.25)
    assert x.std() == pytest.approx(2.0, rel=0.13)
    np.testing.assert_array_equal(found.unconstrained.ravel(), x)


def made_up(seed: int = 0, noise: float = 0.05) -> Draws:
    normal = np.random.default_rng(seed).standard_normal((4, 1000, 2))
    variables = {"relative_noise": np.full((4, 1000, 1), noise)}
    return Draws(variables, normal, np.zeros((4, 1000), bool), 0.9)


NOISE_PRIOR = {"SPECT": half_normal(0.1, "", "wide", Certainty.JUDGEMENT)}


def test_independent_draws_pass_the_checks() -> None:
    found = check(made_up(), 0, NOISE_PRIOR, 1)
    assert found.passed
    assert found.rhat_max is not None
    assert found.rhat_max < 1.005
    assert found.ess_bulk_min is not None
    assert found.ess_bulk_min > 3000


def test_each_check_refuses_what_it_is_for() -> None:
    apart, stuck, leaving = made_up(), made_up(), made_up()
    apart.unconstrained[0, :, 1] += 1.0
    stuck.unconstrained[...] = np.cumsum(stuck.unconstrained, axis=1)
    leaving.diverging[0, :5] = True
    for found, reason in (
        (check(apart, 0, NOISE_PRIOR, 1), "R-hat is"),
        (check(stuck, 0, NOISE_PRIOR, 1), "effective sample size is"),
        (check(leaving, 0, NOISE_PRIOR, 1), "5 of 4000 transitions diverged"),
        (check(made_up(), 3, NOISE_PRIOR, 1), "3 draws could not be solved"),
        (check(made_up(noise=0.4), 0, NOISE_PRIOR, 1), "SPECT scatters about"),
    ):
        assert not found.passed
        assert reason in " ".join(found.reasons)


def test_a_chain_that_never_moves_is_refused() -> None:
    still = made_up()
    still.unconstrained[...] = 1.0
    found = check(still, 0, NOISE_PRIOR, 1)
    assert found.rhat_max is None
    assert not found.passed
    assert "not finite" in " ".join(found.reasons)
