"""Checks of the fitted model against its data, each against a truth from outside."""

from dataclasses import replace
from itertools import pairwise, permutations

import numpy as np
import pymc as pm
import pytest
from scipy.stats import norm

from pkmodels.errors import FitRefusedError, InputError
from pkmodels.fitting import worked_example
from pkmodels.fitting.checks import BFMI_LIMIT, PREDICTIVE_LIMIT, check
from pkmodels.fitting.densities import compile_density
from pkmodels.fitting.fit import Fit, use_despite
from pkmodels.fitting.information import information_of
from pkmodels.fitting.posterior import EXPECTED, KINETICS, NOISE, build_model
from pkmodels.fitting.predictive_checks import (
    PredictiveCheck,
    SignRuns,
    check_predictions,
    compile_scores,
    count_runs,
    normal_scores,
    runs_distribution,
)
from pkmodels.fitting.prior_conflicts import find_conflicts
from pkmodels.fitting.sampling import Draws
from pkmodels.values import Certainty, half_normal

NOISE_PRIOR = {"SPECT": half_normal(0.1, "", "wide", Certainty.JUDGEMENT)}
EXAMPLE = worked_example.posterior()


def made_up(statistics: dict[str, np.ndarray] | None = None) -> Draws:
    normal = np.random.default_rng(0).standard_normal((4, 1000, 2))
    variables = {NOISE: np.full((4, 1000, 1), 0.05)}
    still = np.zeros((4, 1000), bool)
    return Draws(variables, normal, still, 0.9, statistics or {})


def test_the_number_of_runs_is_that_of_all_orders() -> None:
    """Counted one by one: every order of a pluses and b minuses."""
    for above, below in ((1, 1), (3, 2), (4, 3), (1, 5)):
        signs = [1] * above + [0] * below
        orders = set(permutations(signs))
        runs = [1 + sum(x != y for x, y in pairwise(o)) for o in orders]
        counted = np.bincount(runs) / len(orders)
        np.testing.assert_allclose(runs_distribution(above, below), counted)


def test_residuals_of_one_sign_at_a_time_are_seen() -> None:
    apart = np.tile([1.0, 1.0, -1.0], (5, 1))
    [region, modality] = count_runs(EXAMPLE, apart)
    assert (region.about, region.runs) == ("region organ", 2)
    assert region.p_value == pytest.approx(2.0 / 3.0)  # 2 of the 3 orders
    assert modality.about == "modality SPECT"


def draws_at(half_life_h: float, noise: float, expected: np.ndarray) -> Draws:
    at = np.array([np.log(half_life_h), np.log(noise)])
    variables = {
        KINETICS: np.full((4, 100, 1), half_life_h),
        NOISE: np.full((4, 100, 1), noise),
        EXPECTED: np.tile(expected, (4, 100, 1)),
    }
    return Draws(variables, np.tile(at, (4, 100, 1)), np.zeros((4, 100), bool), 0.9)


def test_normal_scores_are_the_residuals_in_sd() -> None:
    """Log-normal noise: (ln y - ln e) / sqrt(b^2 + b0^2), b0 = 1 %."""
    measured, expected = EXAMPLE.observations.value, np.array([60.0, 36.0, 17.0])
    density = compile_density(build_model(EXAMPLE))
    scores = normal_scores(
        EXAMPLE, draws_at(60.0, 0.2, expected), density, compile_scores(density)
    )
    wanted = np.log(measured / expected) / np.hypot(0.2, EXAMPLE.minimum_noise)
    np.testing.assert_allclose(scores, np.tile(wanted, (400, 1)), rtol=1e-7)


def test_the_predictive_p_is_uniform_at_the_truth() -> None:
    """At known parameters and noise it is a plain chi-square test."""
    generator = np.random.default_rng(3)
    found = [
        check_predictions(EXAMPLE, generator.standard_normal((1, 3)))[0].p_value
        for _ in range(2000)
    ]
    assert np.mean(np.array(found) < 0.1) == pytest.approx(0.1, abs=0.025)
    assert np.mean(found) == pytest.approx(0.5, abs=0.025)


def test_information_is_fishers_for_normal_noise() -> None:
    """J' J / s^2 + 1 / t^2 in closed form, whatever the residuals are."""
    times, sd, prior_sd = np.array([1.0, 2.0, 5.0]), 0.1, 0.7
    with pm.Model() as model:
        rate = pm.LogNormal("rate", 0.0, prior_sd, shape=1)
        expected = pm.Deterministic(EXPECTED, pm.math.exp(-rate[0] * times))
        pm.Normal("y", pm.math.log(expected), sd, observed=np.array([3.0, -2.0, 0.5]))
    information = information_of(compile_density(model))
    assert information is not None
    x = np.array([0.4])  # ln rate: d ln e / dx = -t exp(x)
    slopes = -times * np.exp(x)
    wanted = slopes @ slopes / sd**2 + 1.0 / prior_sd**2
    assert float(information(x, ())[0, 0]) == pytest.approx(wanted, rel=1e-10)


def test_a_model_without_expected_rows_has_no_information() -> None:
    with pm.Model() as model:
        pm.Normal("x")
    assert information_of(compile_density(model)) is None


def test_a_parameter_far_from_its_prior_is_named() -> None:
    """60 h, sd of ln 1: two parameters share 1 %, so each tail holds 0.25 %."""
    edge = 60.0 * float(np.exp(norm.isf(0.0025)))
    inside = draws_at(0.99 * edge, 0.05, np.ones(3))
    outside = draws_at(1.01 * edge, 0.05, np.ones(3))
    assert not find_conflicts(EXAMPLE, inside)
    conflicts = find_conflicts(EXAMPLE, outside)
    assert conflicts == {"kinetics[half_life]": 1.0}
    found = check(made_up(), 0, NOISE_PRIOR, 1, beyond_prior=conflicts)
    assert found.passed
    assert "100% of the draws of kinetics[half_life] lie beyond" in found.warnings[0]


def walk(step: float) -> np.ndarray:
    """An energy that changes by `step` sd from one transition to the next."""
    normal = np.random.default_rng(1).standard_normal((4, 1000))
    found = np.zeros((4, 1000))
    for i in range(1, 1000):
        keep = 1.0 - step**2 / 2.0
        found[:, i] = keep * found[:, i - 1] + np.sqrt(1.0 - keep**2) * normal[:, i]
    return found


@pytest.mark.parametrize(("step", "passes"), [(0.3, False), (1.0, True)])
def test_a_low_energy_fraction_is_refused(step: float, passes: bool) -> None:
    """E-BFMI of a walk is the mean square of its steps over its variance."""
    depth = np.full((4, 1000), 4)
    found = check(
        made_up({"energy": walk(step), "tree_depth": depth}), 0, NOISE_PRIOR, 1
    )
    assert found.bfmi_min is not None
    assert found.bfmi_min == pytest.approx(step**2, rel=0.3)
    assert found.passed is passes
    assert (found.bfmi_min < BFMI_LIMIT) is not passes
    assert passes or "energy fraction" in found.reasons[0]


def test_trajectories_that_were_cut_off_are_pointed_out() -> None:
    depth = np.full((4, 1000), 4)
    depth[0, :50] = 10
    energy = np.random.default_rng(0).standard_normal((4, 1000))
    found = check(made_up({"energy": energy, "tree_depth": depth}), 0, NOISE_PRIOR, 1)
    assert found.passed
    assert found.saturated_trees == 50
    assert "50 of 4000 trajectories were cut off" in found.warnings[0]


def test_a_region_that_is_missed_is_refused_and_no_second_run_helps() -> None:
    missed = PredictiveCheck("region liver", 4, PREDICTIVE_LIMIT / 2.0)
    found = check(made_up(), 0, NOISE_PRIOR, 1, predictive=[missed])
    assert not found.passed
    assert found.misfits == found.reasons
    assert "4 values of region liver lie farther" in found.reasons[0]


def test_values_that_lie_too_near_and_too_few_runs_are_pointed_out() -> None:
    near = PredictiveCheck("region liver", 4, 1.0 - PREDICTIVE_LIMIT / 2.0)
    few = SignRuns("modality SPECT", 4, 1e-3)
    found = check(made_up(), 0, NOISE_PRIOR, 1, predictive=[near], runs=[few])
    assert found.passed
    assert "nearer to the curves" in found.warnings[0]
    assert "change sign too seldom (4 runs, p = 0.001)" in found.warnings[1]


def test_an_interrupted_run_says_so_and_is_refused_where_it_is_too_short() -> None:
    enough = replace(made_up(), wanted_per_chain=2000)
    found = check(enough, 0, NOISE_PRIOR, 1)
    assert found.passed
    assert "interrupted after 1000 of 2000 draws" in found.warnings[0]
    few = replace(
        enough,
        unconstrained=enough.unconstrained[:, :50],
        diverging=enough.diverging[:, :50],
    )
    found = check(few, 0, NOISE_PRIOR, 1)
    assert not found.passed
    assert "interrupted after 50 of 2000" in found.warnings[0]


def test_a_failed_fit_is_used_only_for_a_stated_reason() -> None:
    missed = PredictiveCheck("region liver", 4, 1e-5)
    checks = check(made_up(), 0, NOISE_PRIOR, 1, predictive=[missed])
    draws = draws_at(60.0, 0.05, np.ones(3))
    failed = Fit(EXAMPLE, draws, checks, 0)
    with pytest.raises(FitRefusedError, match="region liver"):
        failed.parameters()
    with pytest.raises(InputError, match="only with a reason"):
        use_despite(failed, " ")
    used = use_despite(failed, "the liver does not bear on the kidneys")
    assert used.parameters().shape == (400, 1)
    assert "FAILED its checks, used since the liver" in repr(used)
    with pytest.raises(InputError, match="passed its checks"):
        use_despite(Fit(EXAMPLE, draws, check(made_up(), 0, NOISE_PRIOR, 1), 0), "no")
