"""Checks of the fitted model against its data, each against a truth from outside."""

from dataclasses import replace
from itertools import pairwise, permutations
from types import SimpleNamespace
from typing import Any

import numpy as np
import pymc as pm
import pytest
from scipy.stats import norm

from pkmodels.errors import FitRefusedError, InputError
from pkmodels.fitting import worked_example
from pkmodels.fitting.checks import (
    BFMI_LIMIT,
    PREDICTIVE_LIMIT,
    PREDICTIVE_WARNING,
    check,
)
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


def linear_patients(
    count: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Simulate ln y = X beta + s e.

    Four regions with an amount and a half-life each (prior sd of ln 0.9 and 1), a
    calibration of 5 % and half-normal noise of scale 0.1, four scans. Returned are the
    values, the prior covariance of X beta, and each row's region.
    """
    times, half_lives = np.array([4.0, 24.0, 72.0, 120.0]), [60.0, 60.0, 114.0, 114.0]
    design = np.zeros((16, 9))
    for i, half_life in enumerate(half_lives):
        design[4 * i : 4 * i + 4, 2 * i] = 1.0
        design[4 * i : 4 * i + 4, 2 * i + 1] = np.log(2.0) * times / half_life
    design[:, -1] = 1.0
    sd = np.array([0.9, 1.0] * 4 + [0.05])
    noise = np.hypot(0.1 * generator.standard_normal(count), 0.01)
    scatter = noise[:, None] * generator.standard_normal((count, 16))
    values = (sd * generator.standard_normal((count, 9))) @ design.T + scatter
    return values, (design * sd**2) @ design.T, np.repeat(np.arange(4), 4)


def linear_scores(
    values: np.ndarray, prior: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Return residuals in sd of 40 posterior draws of each patient, conjugate given s.

    s from its marginal posterior on a grid; X beta given s is normal.
    """
    raw = np.linspace(2e-3, 0.8, 120)
    grid = np.hypot(raw, 0.01)
    whole = prior + grid[:, None, None] ** 2 * np.eye(16)
    inverse, log_det = np.linalg.inv(whole), np.linalg.slogdet(whole)[1]
    size = np.einsum("pi,gij,pj->pg", values, inverse, values)
    log_weight = -(size + log_det) / 2.0 - raw**2 / 2.0 / 0.1**2
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    cumulative = np.cumsum(weight, axis=1) / weight.sum(axis=1, keepdims=True)
    found = np.empty((len(values), 40, 16))
    for p, value in enumerate(values):
        chosen = np.searchsorted(cumulative[p], generator.uniform(size=40))
        for k, g in enumerate(np.minimum(chosen, raw.size - 1)):
            # Residual given s: mean s^2 C^-1 y, covariance s^2 - s^4 C^-1.
            s2 = grid[g] ** 2
            covariance = s2 * np.eye(16) - s2**2 * inverse[g]
            spread, vectors = np.linalg.eigh(covariance)
            unit = vectors @ (
                np.sqrt(np.maximum(spread, 0.0)) * generator.standard_normal(16)
            )
            found[p, k] = (s2 * inverse[g] @ value + unit) / grid[g]
    return found


def least_p(values: np.ndarray, prior: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Return the least p-value of any region or modality of each patient."""
    four: Any = SimpleNamespace(
        observations=SimpleNamespace(
            regions=("a", "b", "c", "d"),
            region=region,
            modalities=("SPECT",),
            modality=np.zeros(16, int),
        )
    )
    scores = linear_scores(values, prior, np.random.default_rng(1))
    return np.array(
        [min(c.p_value for c in check_predictions(four, s)) for s in scores]
    )


def test_well_specified_data_pass_and_a_value_ten_times_too_large_does_not() -> None:
    """Closed-form posteriors: at most 1 % false alarms; here none of 200."""
    generator = np.random.default_rng(5)
    values, prior, region = linear_patients(200, generator)
    assert (least_p(values, prior, region) < PREDICTIVE_WARNING).sum() <= 2
    wrong = values[:60].copy()
    wrong[np.arange(60), generator.integers(16, size=60)] += np.log(10.0)
    p = least_p(wrong, prior, region)
    assert (p < PREDICTIVE_LIMIT).mean() > 0.6
    assert (p < PREDICTIVE_WARNING).mean() > 0.9


def test_information_is_fishers_for_normal_noise() -> None:
    """J' J / s^2 + 1 / t^2 in closed form, whatever the residuals are."""
    times, sd = np.array([1.0, 2.0, 5.0]), 0.1
    prior_sd = {"rate": 0.7, "amount": 0.3, "calibration": 0.05}
    with pm.Model() as model:
        rate, amount, calibration = (
            pm.LogNormal(name, 0.0, spread) for name, spread in prior_sd.items()
        )
        curve = amount * pm.math.exp(-rate * times)
        expected = pm.Deterministic(EXPECTED, curve * calibration)
        pm.Normal("y", pm.math.log(expected), sd, observed=np.array([3.0, -2.0, 0.5]))
    information = information_of(compile_density(model))
    assert information is not None
    x = np.array([0.4, 1.0, -0.1])  # ln of each: d ln e / d ln rate = -rate t
    slopes = np.column_stack([-times * np.exp(0.4), np.ones(3), np.ones(3)])
    wanted = slopes.T @ slopes / sd**2 + np.diag([1 / s**2 for s in prior_sd.values()])
    np.testing.assert_allclose(information(x, ()), wanted, rtol=1e-10)


def test_a_row_of_which_nothing_is_expected_tells_nothing() -> None:
    """J' J / s^2 of the other row, 1 / 0.1^2, and the prior's 1 / 1^2."""
    with pm.Model() as model:
        amount = pm.LogNormal("amount")
        rows = pm.math.stack([0.0 * amount, amount])
        expected: Any = pm.Deterministic(EXPECTED, rows)
        pm.Normal("blank", expected[0], 0.3, observed=0.1)
        pm.Normal("y", pm.math.log(expected[1]), 0.1, observed=0.5)
    information = information_of(compile_density(model))
    assert information is not None
    np.testing.assert_allclose(information(np.zeros(1), ()), [[101.0]], rtol=1e-7)


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
    near = PredictiveCheck("region liver", 4, 0.9995)
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
