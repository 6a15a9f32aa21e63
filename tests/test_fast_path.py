"""The fast path against closed forms, and what it refuses."""

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pathological_posteriors as pathological
import pymc as pm
import pytest
from ordinary_posteriors import linear, log_linear
from scipy.stats import kstest, lognorm, norm

from pkmodels.errors import ModelError, SolveError
from pkmodels.fitting.certificate import SEVERAL_MODES
from pkmodels.fitting.densities import compile_density
from pkmodels.fitting.fast_path import draw_certified
from pkmodels.fitting.importance import quantiles
from pkmodels.fitting.modes import find_modes
from pkmodels.fitting.repeated_tempering import draw_tempered
from pkmodels.fitting.targets import Target, compile_target, target_of
from pkmodels.fitting.tempering import Particles, effective_share, temper
from pkmodels.fitting.trajectories import follow


def compiled(density, size: int, names: tuple[str, ...]) -> Target:
    prior = pathological.draw_prior(size)
    return compile_target(density, pathological.log_prior, prior, size, names)


@pytest.fixture(scope="module")
def four() -> Target:
    return compiled(log_linear, 4, ("design", "seen"))


@pytest.mark.parametrize("seed", [1, 2])
def test_a_linear_posterior_is_accepted_and_is_that_of_the_closed_form(
    four: Target, seed: int
) -> None:
    problem = linear(np.random.default_rng(seed), 4)
    steps: list[tuple[int, int]] = []
    found = draw_certified(
        four,
        problem.data,
        seed=seed,
        n_draws=4000,
        derived=lambda x: np.exp(x[:, :1]),
        progress=lambda done, of: steps.append((done, of)),
    )
    assert found.certificate.accepted, found.certificate
    assert steps == [(i, 4) for i in (1, 2, 3, 4)]
    truth, sample = problem.truth, found.weighted
    mean = sample.weights @ sample.x
    assert (np.abs(mean - truth.mean) < 0.02 * truth.sd).all()
    ends = quantiles(sample, sample.x, pathological.PROBABILITIES)
    assert (np.abs(ends - truth.quantiles) < 0.08 * truth.sd).all()
    assert found.tail_sizes.shape == (5,)
    assert found.tail_sizes.min() > 5000.0
    for column, m, s in zip(found.draws.T, truth.mean, truth.sd, strict=True):
        assert kstest(column, norm(m, s).cdf).pvalue > 1e-4


def test_evidence_is_that_of_the_closed_form(four: Target) -> None:
    problem = linear(np.random.default_rng(5), 4)
    design, seen = problem.data["design"], problem.data["seen"]
    found = draw_certified(four, problem.data, seed=3, n_draws=10)
    covariance = np.eye(20) + design @ design.T
    exact = -0.5 * seen @ np.linalg.solve(covariance, seen)
    exact -= 0.5 * np.linalg.slogdet(covariance)[1]
    assert found.weighted.log_evidence == pytest.approx(exact, abs=0.02)
    assert found.particles.log_evidence == pytest.approx(exact, abs=0.5)


def test_the_same_seed_gives_the_same_draws_and_another_others(four: Target) -> None:
    problem = linear(np.random.default_rng(6), 4)
    one, two, other = (
        draw_certified(four, problem.data, seed=seed, n_draws=500).draws
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


def test_two_modes_are_refused() -> None:
    problem = pathological.flip_flop(np.random.default_rng(3), 2)
    target = compiled(pathological.log_flip, 2, ("log_data", "noise"))
    found = draw_certified(target, problem.data, seed=1, n_draws=500)
    assert not found.certificate.accepted
    assert found.certificate.fallback == SEVERAL_MODES
    assert "several modes" in found.certificate.reasons[0]


@pytest.mark.slow
def test_two_large_tempered_runs_weigh_two_modes() -> None:
    problem = pathological.flip_flop(np.random.default_rng(3), 2)
    target = compiled(pathological.log_flip, 2, ("log_data", "noise"))
    found = draw_certified(target, problem.data, seed=1, n_draws=500)
    again = draw_tempered(target, problem.data, seed=1, n_draws=8000, modes=found.modes)
    assert again.identified, again.reasons
    truth = problem.truth
    off = np.abs(again.draws.mean(axis=0) - truth.mean) / truth.sd
    assert (off < 0.1).all()
    np.testing.assert_allclose(again.draws.std(axis=0), truth.sd, rtol=0.1)


@pytest.mark.slow
def test_a_mode_that_holds_no_particle_is_not_identified(four: Target) -> None:
    problem = linear(np.random.default_rng(7), 4)
    found = draw_certified(four, problem.data, seed=1, n_draws=10)
    (mode, *_) = found.modes
    moved = type(mode)(mode.x + 100.0, mode.log_density + 10.0, mode.factor)
    again = draw_tempered(four, problem.data, seed=1, n_draws=10, modes=(moved,))
    assert again.fallback == "not identified"
    assert "no particle" in again.reasons[-1]


def test_a_derived_quantity_without_a_variance_is_refused(four: Target) -> None:
    """1 / x has no variance where x may be 0, though x itself is known well."""
    problem = linear(np.random.default_rng(8), 4)
    centre = problem.truth.mean[0]
    found = draw_certified(
        four,
        problem.data,
        seed=1,
        n_draws=10,
        derived=lambda x: 1.0 / (x[:, :1] - centre),
    )
    failed = {part.name for part in found.certificate.parts if not part.passed}
    assert failed & {
        "Pareto shape of squared deviations",
        "relative error of a variance",
    }


def test_a_posterior_that_is_finite_nowhere_says_so() -> None:
    target = compiled(lambda x: jnp.log(-1.0 - x @ x), 2, ())
    with pytest.raises(SolveError, match="finite at none of 4096 draws"):
        draw_certified(target, {}, seed=1, n_draws=10)


def test_prior_draws_of_a_model_are_of_its_log_prior() -> None:
    """Hierarchical, transformed, and with a scale that is data."""
    with pm.Model() as model:
        scale = pm.Data("scale", 2.0)
        width = pm.HalfNormal("width", scale)
        middle = pm.Normal("middle", 1.0, 0.5, shape=2)
        value = pm.LogNormal("value", middle, width + 0.5)
        pm.Normal("seen", value.sum(), 1.0, observed=1.0)
    target = target_of(compile_density(model))
    x = target.draw_prior(20_000, 1, target.data({"scale": np.array(0.5)}))
    assert kstest(np.exp(x[:, 0]), "halfnorm", args=(0.0, 0.5)).pvalue > 1e-3
    assert kstest(x[:, 1], norm(1.0, 0.5).cdf).pvalue > 1e-3
    standard = (x[:, 3] - x[:, 1]) / (np.exp(x[:, 0]) + 0.5)
    assert kstest(standard, norm.cdf).pvalue > 1e-3
    assert not np.array_equal(
        x, target.draw_prior(20_000, 2, target.data({"scale": np.array(0.5)}))
    )


def test_a_model_with_a_flat_prior_is_refused_with_a_remedy() -> None:
    with pm.Model() as model:
        x = pm.Flat("x")
        pm.Normal("seen", x, 1.0, observed=1.0)
    target = target_of(compile_density(model))
    with pytest.raises(ModelError, match="give each parameter a proper prior"):
        target.draw_prior(10, 1, ())


def test_a_log_normal_model_gives_its_exact_posterior() -> None:
    with pm.Model() as model:
        value = pm.LogNormal("value", 1.0, 0.5)
        pm.LogNormal("seen", pm.math.log(value), 0.1, observed=3.0)
    target = target_of(compile_density(model))
    found = draw_certified(target, {}, seed=1, n_draws=4000)
    precision = 1 / 0.5**2 + 1 / 0.1**2
    mean = (1.0 / 0.5**2 + np.log(3.0) / 0.1**2) / precision
    exact = lognorm(s=precision**-0.5, scale=np.exp(mean))
    assert found.certificate.accepted
    assert kstest(np.exp(found.draws[:, 0]), exact.cdf).pvalue > 1e-3


def test_climbs_end_at_the_highest_points_and_know_their_widths() -> None:
    covariance = np.array([[1.0, 0.9], [0.9, 1.0]]) * 0.01
    inverse = np.linalg.inv(covariance)

    def slopes(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        near = np.where(x[:, :1] + x[:, 1:] > 0.0, 1.0, -1.0)
        slope = -(x - near) @ inverse
        return 0.5 * (slope * (x - near)).sum(axis=1), slope

    starts = np.random.default_rng(0).standard_normal((20, 2))
    modes = find_modes(slopes, starts, np.ones(2))
    assert sorted(mode.x[0].round(3) for mode in modes) == [-1.0, 1.0]
    for mode in modes:
        np.testing.assert_allclose(mode.factor @ mode.factor.T, covariance, rtol=0.02)


def test_tempering_leaves_out_what_cannot_be_solved() -> None:
    """Half of the prior is not solvable: the evidence is that of the other half."""

    def evaluate(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        prior = norm.logpdf(x[:, 0])
        return prior, np.where(x[:, 0] > 0.0, prior, -np.inf)

    x = np.random.default_rng(0).standard_normal((4096, 1))
    prior = Particles(x, *evaluate(x), 0.0, 0.0)
    found = temper(evaluate, prior, count=1024, moves=4, seed=[1])
    assert found.log_evidence == pytest.approx(np.log(0.5), abs=0.05)
    assert (found.x > 0.0).all()
    assert effective_share(np.full(4, -np.inf)) == 0.0


def test_trajectories_diverge_in_a_funnel_and_not_in_a_normal() -> None:
    problem = pathological.funnel(np.random.default_rng(0), 5)
    arguments = tuple(problem.data[k] for k in ("shift", "scales", "spread"))
    slope = jax.jit(
        jax.vmap(jax.value_and_grad(lambda x: pathological.log_funnel(x, *arguments)))
    )

    def slopes(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        value, gradient = slope(x)
        return np.asarray(value), np.asarray(gradient)

    z = np.random.default_rng(1).standard_normal((16, 5))
    spread = float(problem.data["spread"])
    draws = z * problem.data["scales"]
    draws[:, 1:] *= np.exp(spread * z[:, :1])
    metric = np.diag(problem.truth.sd)
    rough = follow(slopes, draws + problem.data["shift"], metric, count=25, seed=[1])
    smooth = follow(
        lambda x: (-0.5 * (x**2).sum(axis=1), -x), z, np.eye(5), count=25, seed=[1]
    )
    assert np.mean(rough.energy_errors > 10.0) > 0.1
    assert np.mean(smooth.energy_errors > 10.0) == 0.0


@pytest.mark.slow
def test_no_wrong_answer_is_accepted_and_ordinary_ones_are(
    repository: Path,
) -> None:
    """A handful of each kind; `benchmarks/certificate.py` counts a hundred of each."""
    spec = importlib.util.spec_from_file_location(
        "certificate_benchmark", repository / "benchmarks/certificate.py"
    )
    assert spec is not None
    assert spec.loader is not None
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    hard = [
        benchmark.judge(problem, benchmark.target_of(problem), i, False)
        for i, problem in enumerate(pathological.problems(4, 0.1))
    ]
    assert [kind for kind, accepted, wrong in hard if accepted and wrong] == []
    plain = [
        benchmark.judge(problem, benchmark.target_of(problem), i, False)
        for i, problem in enumerate(benchmark.ordinary_problems(4, 0.1))
    ]
    assert [kind for kind, accepted, wrong in plain if accepted and wrong] == []
    assert sum(accepted for _, accepted, _ in plain) >= 0.8 * len(plain)
