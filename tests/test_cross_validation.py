"""Leaving out: closed forms of a conjugate normal, quadrature, and rows that go."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import halfnorm, norm
from scipy.stats import multivariate_normal as _multivariate_normal

from pkmodels.errors import FitRefusedError, InputError
from pkmodels.fitting import worked_example
from pkmodels.fitting.bridges import bridge
from pkmodels.fitting.checks import Checks
from pkmodels.fitting.cross_validation import (
    CrossValidation,
    How,
    cross_validate,
    leave_out,
)
from pkmodels.fitting.densities import compile_density
from pkmodels.fitting.experiments import share_parameters
from pkmodels.fitting.fit import Fit, fit
from pkmodels.fitting.observations import arrange
from pkmodels.fitting.omissions import (
    log_likelihood_of,
    log_likelihood_without,
    without_rows,
)
from pkmodels.fitting.posterior import (
    Posterior,
    build_model,
    form_of,
    measured_data,
)
from pkmodels.fitting.row_groups import By, RowGroup, group_rows
from pkmodels.fitting.sampling import Draws
from pkmodels.nuclides import nuclide

PASSED = Checks(1.0, 2e3, 2e3, 0, 0, (), 1, ())
multivariate_normal: Any = _multivariate_normal
LU177 = nuclide("Lu-177").decay_constant_per_h


def conjugate_elpd(
    y: np.ndarray, groups: list[list[int]], sd: float, prior_sd: float
) -> np.ndarray:
    """Return ln p(y_g | y_-g) of y_i ~ N(mu, sd), mu ~ N(0, prior_sd)."""
    found = []
    for rows in groups:
        rest = np.delete(y, rows)
        precision = prior_sd**-2 + rest.size / sd**2
        mean = rest.sum() / sd**2 / precision
        size = len(rows)
        covariance = sd**2 * np.eye(size) + np.ones((size, size)) / precision
        found.append(
            multivariate_normal(np.full(size, mean), covariance).logpdf(y[rows])
        )
    return np.array(found)


@pytest.mark.parametrize("size", [1, 3])
def test_weighted_draws_find_the_exact_elpd_of_a_conjugate_normal(size: int) -> None:
    generator = np.random.default_rng(1)
    sd, prior_sd = 0.7, 2.0
    y = generator.normal(0.5, sd, 24)
    groups = [list(range(i, i + size)) for i in range(0, y.size, size)]
    precision = prior_sd**-2 + y.size / sd**2
    centre = y.sum() / sd**2 / precision
    mu = generator.normal(centre, precision**-0.5, (4, 5000, 1))
    logs = norm.logpdf(y, mu, sd)
    of_groups = np.stack([logs[..., g].sum(axis=-1) for g in groups], axis=-1)
    named = tuple(RowGroup(f"{g}", tuple(g)) for g in groups)
    found, limit = leave_out(of_groups, named, {"mu": mu})
    truth = conjugate_elpd(y, groups, sd, prior_sd)
    assert limit == pytest.approx(0.7)
    assert all(x.how is How.IMPORTANCE for x in found)
    elpds = np.array([x.elpd for x in found], dtype=float)
    np.testing.assert_allclose(elpds, truth, atol=0.02)
    # It is not the density of what was shown.
    assert sum(x.within for x in found) - elpds.sum() == pytest.approx(
        sum(_within(y, g, sd, prior_sd) for g in groups) - truth.sum(), abs=0.05
    )


def _within(y: np.ndarray, rows: list[int], sd: float, prior_sd: float) -> float:
    """Return ln of the mean of p(y_g | mu) over the posterior of all of y."""
    precision = prior_sd**-2 + y.size / sd**2
    mean = y.sum() / sd**2 / precision
    size = len(rows)
    covariance = sd**2 * np.eye(size) + np.ones((size, size)) / precision
    return float(multivariate_normal(np.full(size, mean), covariance).logpdf(y[rows]))


def test_a_group_that_decides_the_fit_is_refused() -> None:
    """Of two groups, one fixes mu 30 times better than the other."""
    generator = np.random.default_rng(2)
    mu = generator.normal(0.0, 0.03, (4, 1000, 1))
    logs = np.concatenate(
        [norm.logpdf(0.2, mu, 0.03), norm.logpdf(0.0, mu, 1.0)], axis=-1
    )
    named = (RowGroup("decisive", (0,)), RowGroup("vague", (1,)))
    found, limit = leave_out(logs, named, {"mu": mu})
    assert [x.how for x in found] == [How.REFUSED, How.IMPORTANCE]
    assert found[0].khat > limit
    both = CrossValidation(By.SCAN, tuple(found), limit, "")
    assert both.refused == ("decisive",)
    with pytest.raises(FitRefusedError, match=r"leaving out decisive .* `refit`"):
        _ = both.elpd


def test_groups_are_scans_regions_and_rows() -> None:
    example = worked_example.posterior()
    [only] = example.experiments
    first = only.measurements[0]
    same_time = replace(first, region="organ", modality="planar")
    scans = (*only.measurements, same_time)
    more = replace(only, measurements=scans)
    posterior = replace(example, experiments=(more,), observations=arrange([more], []))
    by_scan = group_rows(posterior, By.SCAN)
    assert [g.rows for g in by_scan] == [(0,), (1,), (2,), (3,)]
    assert by_scan[3].name == "Lu-177 planar at 24 h"
    assert [g.rows for g in group_rows(posterior, By.REGION)] == [(0, 1, 2, 3)]
    other = replace(more, name="another")
    both = replace(
        example,
        experiments=(more, other),
        table=_doubled(example, other.name),
        observations=arrange([more, other], []),
    )
    names = [g.name for g in group_rows(both, By.SCAN)]
    assert names[0] == "Lu-177 SPECT at 24 h of dosimetry"
    assert len(names) == 8


def _doubled(posterior: Posterior, other: str) -> Any:
    names = tuple(use.parameter for use in posterior.table.uses)
    first = posterior.experiments[0].name
    return share_parameters({first: names, other: names}, posterior.priors)


def test_a_posterior_without_rows_is_that_of_the_other_measurements() -> None:
    example = worked_example.posterior()
    [only] = example.experiments
    kept = tuple(only.measurements[i] for i in (0, 2))
    fewer = replace(only, measurements=kept)
    typed = replace(example, experiments=(fewer,), observations=arrange([fewer], []))
    found = without_rows(example, [1])
    at = np.log([50.0, 0.08])
    one, other = (
        float(density.log_density(at, *density.data(measured_data(p))))
        for p in (typed, found)
        for density in (compile_density(build_model(p)),)
    )
    assert one == pytest.approx(other, rel=1e-12)
    assert found.experiments[0].measurements == kept
    assert form_of(found) != form_of(example)


@pytest.mark.parametrize(
    ("rows", "message"), [([3], "there are 3, from 0"), ([0, 1, 2], "all 3 rows")]
)
def test_rows_that_are_not_there_and_all_rows_cannot_be_left_out(
    rows: list[int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        without_rows(worked_example.posterior(), rows)


def test_what_only_the_rows_left_out_inform_stands_at_its_prior() -> None:
    """The noise of a modality of one scan: its predictive density by quadrature."""
    example = worked_example.posterior()
    [only] = example.experiments
    scans = (
        *only.measurements[:2],
        replace(only.measurements[2], modality="planar", value=9.0),
    )
    more = replace(only, measurements=scans)
    posterior = replace(example, experiments=(more,), observations=arrange([more], []))
    reduced = without_rows(posterior, [2])
    assert reduced.noisy == ("SPECT",)
    at = np.broadcast_to(np.log([50.0, 0.05]), (4, 5000, 2))
    draws = Draws({}, at, np.zeros((4, 5000), bool), 0.9)
    logs = log_likelihood_without(posterior, [2], Fit(reduced, draws, PASSED, seed=0))
    found = float(np.log(np.exp(logs).mean()))
    expected = math.log(100.0) - (math.log(2.0) / 50.0 + LU177) * 120.0

    def density(noise: float) -> float:
        sd = math.hypot(noise, example.minimum_noise)
        return float(norm.pdf(math.log(9.0), expected, sd) / 9.0) * float(
            halfnorm.pdf(noise, scale=0.1)
        )

    truth = math.log(quad(density, 0.0, 1.0, points=[0.05, 0.2], limit=200)[0])
    assert found == pytest.approx(truth, abs=0.02)


def made_up() -> Fit:
    """A fit whose draws hang on the last scan far more than on the others."""
    generator = np.random.default_rng(3)
    shape = (4, 500)
    half_life = np.exp(generator.normal(np.log(48.0), 0.02, (*shape, 1)))
    times = np.array([24.0, 72.0, 120.0])
    variables = {
        "kinetics": half_life,
        "relative_noise": np.full((*shape, 1), 0.004),
        "expected": 100.0 * np.exp(-(np.log(2.0) / half_life + LU177) * times),
    }
    at = np.concatenate([np.log(half_life), np.full((*shape, 1), np.log(0.004))], -1)
    draws = Draws(variables, at, np.zeros(shape, bool), 0.9)
    return Fit(worked_example.posterior(), draws, PASSED, seed=0)


def test_a_group_with_a_high_pareto_k_is_fitted_again() -> None:
    made, asked, told = made_up(), [], []

    def refit(reduced: Posterior) -> Fit:
        asked.append(reduced.observations.value.tolist())
        return Fit(reduced, made.draws, PASSED, seed=0)

    refused = cross_validate(made, by=By.SCAN, refit=None)
    assert refused.refused
    found = cross_validate(
        made, by=By.SCAN, refit=refit, progress=lambda i, n: told.append((i, n))
    )
    again = [x for x in found.left_out if x.how is How.REFIT]
    assert [x.group.name for x in again] == list(refused.refused)
    assert len(asked) == len(again) == told[-1][1]
    values = [70.0, 35.0, 16.0]
    for each, values_seen in zip(again, asked, strict=True):
        [row] = each.group.rows
        assert values_seen == values[:row] + values[row + 1 :]
        # What is told of it is not of the weights that could not be used.
        assert math.isnan(each.khat)
        assert each.monte_carlo_error is not None
        logs = log_likelihood_of(made)[..., row]
        assert each.elpd == pytest.approx(bridge(logs, logs).elpd)


def test_a_refit_that_failed_its_checks_is_refused() -> None:
    made = made_up()
    failed = replace(PASSED, reasons=("R-hat is 1.2",))
    with pytest.raises(FitRefusedError, match=r"fit without Lu-177 SPECT .* R-hat"):
        cross_validate(
            made, by=By.SCAN, refit=lambda p: Fit(p, made.draws, failed, seed=0)
        )
    with pytest.raises(FitRefusedError, match="R-hat"):
        cross_validate(replace(made, checks=failed), by=By.SCAN, refit=None)


def test_one_group_cannot_be_left_out() -> None:
    with pytest.raises(InputError, match="all rows are of one region"):
        cross_validate(made_up(), by=By.REGION, refit=None)


def exact_elpd(row: int) -> float:
    """Return ln p(y_i | y_-i) of the worked example, by quadrature on a grid.

    Half-life log-normal(60 h, 1), noise half-normal(0.1); nothing of ours is used but
    the decay constant.
    """
    times, values = np.array([24.0, 72.0, 120.0]), np.array([70.0, 35.0, 16.0])
    log_h = np.linspace(np.log(25.0), np.log(120.0), 1201)[:, None]
    noise = np.linspace(1e-5, 0.6, 1500)[None, :]
    sd = np.hypot(noise, 0.01)
    prior = norm.logpdf(log_h, np.log(60.0), 1.0) + halfnorm.logpdf(noise, scale=0.1)
    logs = []
    for time, value in zip(times, values, strict=True):
        centre = np.log(100.0) - (np.log(2.0) / np.exp(log_h) + LU177) * time
        logs.append(norm.logpdf(np.log(value), centre, sd) - np.log(value))
    others = sum(logs[i] for i in range(3) if i != row)
    top = np.exp(prior + others + logs[row]).sum()
    return float(np.log(top / np.exp(prior + others).sum()))


@pytest.mark.slow
def test_leave_one_scan_out_of_a_fit_is_that_of_quadrature() -> None:
    """By weights where k allows, else by fitting again; and all by fitting again."""
    example = worked_example.posterior()
    fitted = fit(example, seed=1, draws_per_chain=2000)

    def refit(reduced: Posterior) -> Fit:
        return fit(reduced, seed=2, draws_per_chain=1000)

    found = cross_validate(fitted, by=By.SCAN, refit=refit)
    truth = np.array([exact_elpd(row) for row in range(3)])
    np.testing.assert_allclose(found.each, truth, atol=0.1)
    for row in range(3):
        reduced = refit(without_rows(example, [row]))
        logs = log_likelihood_without(example, [row], reduced)
        assert np.log(np.exp(logs).mean()) == pytest.approx(truth[row], abs=0.08)
        whole = log_likelihood_of(fitted)[..., row]
        joined = bridge(logs, whole)
        assert joined.monte_carlo_error < 0.05
        assert abs(joined.elpd - truth[row]) < 4.0 * joined.monte_carlo_error
