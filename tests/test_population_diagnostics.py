"""Diagnostics of a population: against closed forms of a model that is linear."""

from dataclasses import replace
from typing import Any

import numpy as np
import population_cases as cases
import pytest
from scipy.stats import kstest

from pkmodels.errors import InputError
from pkmodels.population.distribution_errors import distribution_errors
from pkmodels.population.estimation import PopulationFit
from pkmodels.population.goodness import goodness, shrinkage
from pkmodels.population.importance import sampled_likelihood
from pkmodels.population.predictive_checks import visual_predictive_check
from pkmodels.population.simulation import simulate_values
from pkmodels.population.structure import (
    ErrorForm,
    PopulationModel,
    ResidualError,
    Scale,
    Typical,
    independent,
)
from pkmodels.population.subjects import Occasion, Subject


@pytest.fixture(scope="module")
def line() -> PopulationFit:
    return cases.at_the_truth(cases.line_population(), cases.line_subjects(30, seed=7))


def whitened(subjects: list[Subject], root: str) -> np.ndarray:
    """Residuals of each subject, whitened by their true covariance."""
    found = []
    for subject in subjects:
        sizes = [len(occasion.values) for occasion in subject.occasions]
        mean, covariance, _ = cases.line_moments(sizes)
        values = np.concatenate([occasion.values for occasion in subject.occasions])
        if root == "cholesky":
            factor = np.linalg.cholesky(covariance)
            found.append(np.linalg.solve(factor, values - mean))
        else:
            values_, vectors = np.linalg.eigh(covariance)
            inverse = (vectors / np.sqrt(values_)) @ vectors.T
            found.append(inverse @ (values - mean))
    return np.concatenate(found)


def test_conditional_residuals_are_those_of_the_marginal_normal(line: PopulationFit):
    table = goodness(line)
    expected = whitened(cases.line_subjects(30, seed=7), "symmetric")
    assert table.conditional_residual == pytest.approx(expected, abs=1e-8)
    assert table.typical == pytest.approx(cases.LEVEL + cases.SLOPE * table.time_h)
    assert set(table.occasion[table.subject == "2"]) == {1, 2, 3}


def test_distribution_errors_are_those_of_the_marginal_normal(line: PopulationFit):
    found = distribution_errors(line, replicates=2000, seed=1)
    expected = whitened(cases.line_subjects(30, seed=7), "cholesky")
    near = np.abs(expected) < 2.0
    # The Monte-Carlo error of a normal score from 2000: 0.03 in the middle, 0.07 at 2.
    assert np.abs(found.errors - expected)[near].max() < 0.25
    assert np.abs(found.errors - expected)[near].mean() < 0.04
    assert found.p_global > 0.05


def test_distribution_errors_show_a_wrong_residual_error(line: PopulationFit):
    model = cases.line_population(ResidualError(ErrorForm.ADDITIVE, additive=1.4))
    wrong = cases.at_the_truth(model, cases.line_subjects(30, seed=7))
    found = distribution_errors(wrong, replicates=1000, seed=1)
    assert found.p_variance < 1e-4
    assert found.p_global < 3e-4
    assert found.variance < 0.7


@pytest.mark.slow
def test_p_values_are_uniform_where_the_model_is_right():
    p_values = []
    for seed in range(40):
        fit = cases.at_the_truth(cases.line_population(), cases.line_subjects(12, seed))
        p_values.append(distribution_errors(fit, replicates=1000, seed=seed).p_mean)
    assert kstest(p_values, "uniform").pvalue > 0.01


def test_simulated_values_have_the_moments_of_the_model(line: PopulationFit):
    draws = simulate_values(line, 1500, seed=2)
    made = line.predictor.arrangement
    one = 2  # three occasions
    kept = made.is_value[one]
    sizes = kept.sum(axis=1).tolist()
    mean, covariance, _ = cases.line_moments(sizes)
    own = draws[:, one][:, kept]
    error = np.sqrt(np.diag(covariance) / 1500)
    assert (np.abs(own.mean(axis=0) - mean) / error).max() < 4.0
    assert np.abs(np.cov(own.T) - covariance).max() < 0.17 * covariance.max()


def test_the_error_of_a_sampled_likelihood_is_its_scatter_over_seeds(
    line: PopulationFit,
):
    # The truth: values of a subject are normal, occasions and all.
    exact = 0.0
    for subject in cases.line_subjects(30, seed=7):
        sizes = [len(occasion.values) for occasion in subject.occasions]
        mean, covariance, _ = cases.line_moments(sizes)
        values = np.concatenate([occasion.values for occasion in subject.occasions])
        white = np.linalg.solve(np.linalg.cholesky(covariance), values - mean)
        exact += white @ white + np.linalg.slogdet(2.0 * np.pi * covariance)[1]
    found = [sampled_likelihood(line, 64, seed=seed) for seed in range(24)]
    off = np.array([each.value for each in found]) - exact
    stated = np.array([each.standard_error for each in found])
    # Mean square of 24 scores: chi-squared / 24, 99.9 % of it within 0.33 and 2.1.
    assert 0.33 < np.mean((off / stated) ** 2) < 2.1
    # No draws shared by neighbouring seeds: their errors are as unlike as any.
    assert abs(np.corrcoef(off[:-1], off[1:])[0, 1]) < 3.3 / np.sqrt(len(off) - 1)


def test_shrinkage_is_that_of_a_balanced_design():
    # A level by subject, n values each: modes are drawn to 0 by n w / (n w + s2).
    generator, n, variance, sd = np.random.default_rng(5), 4, 0.5, 1.0
    values = 3.0 + np.sqrt(variance) * generator.normal(size=(25, 1))
    values = values + sd * generator.normal(size=(25, n))
    subjects = [
        Subject(
            f"{i}",
            (
                Occasion(
                    cases.LINE, np.ones(()), np.arange(n, dtype=float), ("y",) * n, row
                ),
            ),
        )
        for i, row in enumerate(values)
    ]
    model = PopulationModel(
        "level",
        {
            "level": Typical(3.0, "1", Scale.IDENTITY),
            "slope": Typical(0.0, "1", Scale.IDENTITY, estimated=False),
        },
        independent({"level": variance}),
        {"y": ResidualError(ErrorForm.ADDITIVE, additive=sd)},
    )
    found = shrinkage(cases.at_the_truth(model, subjects))
    drawn = n * variance / (n * variance + sd**2)
    modes = drawn * (values.mean(axis=1) - 3.0)
    expected = 1.0 - modes.std(ddof=1) / np.sqrt(variance)
    assert found.between["level"] == pytest.approx(expected, abs=1e-8)
    left = (values - 3.0 - modes[:, None]) / sd
    assert found.residual["y"] == pytest.approx(1.0 - left.std(ddof=1), abs=1e-8)


def test_bands_of_a_predictive_check_are_those_of_normal_quantiles(
    line: PopulationFit,
):
    check = visual_predictive_check(
        line, "y", bins=[-0.5, 0.5, 1.5, 2.5, 4.5], replicates=1000, seed=3
    )
    assert check.counts.sum() == line.predictor.arrangement.n_values
    # The same quantiles of values drawn anew at time 0, an occasion each.
    generator = np.random.default_rng(11)
    size = (1000, 60)
    levels = np.sqrt(cases.BETWEEN[0, 0]) * generator.normal(size=(1000, 30))
    own = np.repeat(np.arange(30), 1 + np.arange(30) % 3)
    scatter = np.sqrt(cases.WITHIN + cases.DEVIATION**2) * generator.normal(size=size)
    drawn = np.quantile(cases.LEVEL + levels[:, own] + scatter, check.levels, axis=1)
    assert check.counts[0] == 60
    expected = np.quantile(drawn, [0.025, 0.5, 0.975], axis=1)
    assert check.median[:, 0] == pytest.approx(expected[1], abs=0.06)
    assert check.low[:, 0] == pytest.approx(expected[0], abs=0.15)
    assert check.high[:, 0] == pytest.approx(expected[2], abs=0.15)
    assert check.fraction_within > 0.8
    wrong = cases.line_population()
    typical = {**wrong.typical, "slope": Typical(1.5, "1", Scale.IDENTITY)}
    off = cases.at_the_truth(
        replace(wrong, typical=typical), cases.line_subjects(30, seed=7)
    )
    missed = visual_predictive_check(off, "y", bins=4, replicates=300, seed=3)
    assert missed.fraction_within < 0.7


def test_prediction_correction_takes_out_the_dose():
    # Values in proportion to the dose, without scatter: corrected, all are one curve.
    generator = np.random.default_rng(9)
    times = np.arange(4, dtype=float)
    mean = cases.LEVEL + cases.SLOPE * times
    subjects = [
        Subject(
            f"{i}",
            (Occasion(cases.LINE, np.array(dose), times, ("y",) * 4, dose * mean),),
        )
        for i, dose in enumerate(generator.uniform(1.0, 9.0, size=20))
    ]
    error = ResidualError(ErrorForm.PROPORTIONAL, proportional=0.1)
    fit = cases.at_the_truth(
        replace(cases.line_population(error), occasions=()), subjects
    )
    edges = [-0.5, 0.5, 1.5, 2.5, 3.5]
    plain, corrected = (
        visual_predictive_check(
            fit, "y", bins=edges, replicates=50, seed=1, prediction_corrected=on
        )
        for on in (False, True)
    )
    assert np.ptp(corrected.observed, axis=0).max() < 1e-9
    assert np.ptp(plain.observed, axis=0).min() > 10.0


def test_bins_that_cannot_be_kept_are_refused_with_a_remedy(line: PopulationFit):
    def check(**change: Any) -> None:
        asked: dict[str, Any] = {"bins": 2, "replicates": 40, "seed": 1} | change
        visual_predictive_check(line, asked.pop("observable", "y"), **asked)

    with pytest.raises(InputError, match="between 10 and 20 h: take out"):
        check(bins=[-1.0, 10.0, 20.0])
    with pytest.raises(InputError, match=r"lie outside .* widen the bins"):
        check(bins=[1.0, 3.0])
    with pytest.raises(InputError, match="0 bins: give 1 or more"):
        check(bins=0)
    with pytest.raises(InputError, match="no values of 'z'"):
        check(observable="z")
    with pytest.raises(InputError, match=r"confidence .* 1\.5; give shares"):
        check(confidence=1.5)
    with pytest.raises(InputError, match=r"levels .* give shares"):
        check(levels=(0.05, 5.0))
    with pytest.raises(InputError, match=r"39 replicates: bands of 0\.95 need 40"):
        check(replicates=39)
    check(replicates=40)


@pytest.mark.parametrize("bins", [1, 2, 3, 5, 8, np.int64(3)])
def test_as_many_bins_as_asked_for_are_cut_between_nominal_times(
    line: PopulationFit, bins: int
):
    # Values at 0, 1, 2, 3 and 4 h: the later the fewer.
    found = visual_predictive_check(line, "y", bins=bins, replicates=40, seed=1)
    assert len(found.counts) <= min(bins, 5)
    assert found.counts.min() > 0
    assert found.counts.sum() == line.predictor.arrangement.n_values
    inner = found.edges_h[1:-1]
    assert (inner % 1.0 == 0.5).all()
    if bins <= 3:
        assert len(found.counts) == bins


def test_distribution_errors_of_few_replicates_are_refused(line: PopulationFit):
    with pytest.raises(InputError, match="999 replicates: NPDE need 1000"):
        distribution_errors(line, replicates=999, seed=1)
    draws = simulate_values(line, 10, seed=1)
    with pytest.raises(InputError, match="10 replicates"):
        distribution_errors(line, replicates=1000, seed=1, simulated=draws)
