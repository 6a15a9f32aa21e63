"""Likelihood: each kind of row against scipy.stats, conjugates and simulated data."""

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy import stats
from scipy.optimize import minimize_scalar

from pkmodels.errors import InputError, ModelError
from pkmodels.fitting.densities import Density, compile_density
from pkmodels.fitting.distributions import draw_counts
from pkmodels.fitting.likelihood import (
    add_likelihood,
    measured_rows,
    rows_of_terms,
    shared_factors,
)
from pkmodels.fitting.noise import (
    BACKGROUND,
    SAMPLE,
    arrange_noise,
    check_degrees,
    noise_priors,
    noisy_modalities,
)
from pkmodels.measurements import Counting, Measurement, Quantity, Sample
from pkmodels.values import Certainty, log_normal

SCAN = Measurement(
    region="kidney",
    label="Lu-177",
    modality="SPECT",
    start_h=24.0,
    end_h=24.5,
    value=70.0,
    quantity=Quantity.ACTIVITY,
    sd=None,
    decay_corrected_to_h=None,
    source="line 2",
)
COUNTING = Counting(9.0, 600.0, 300.0, 0.0, overdispersed=False)
COUNTED = replace(
    SCAN, modality="planar", quantity=Quantity.COUNTS, counting=COUNTING, value=5000.0
)
SCATTERED = replace(COUNTED, counting=replace(COUNTING, overdispersed=True))


def seen_of(measurements: Sequence[Measurement]) -> Any:
    """Return the arrays of rows that a likelihood reads, all of one floor."""
    modalities = tuple(dict.fromkeys(m.modality for m in measurements))
    return SimpleNamespace(
        noise=arrange_noise(measurements),
        modalities=modalities,
        modality=np.array([modalities.index(m.modality) for m in measurements]),
        floor=np.zeros(len(measurements), dtype=int),
        value=np.array([m.value for m in measurements]),
        sd=np.array([np.nan if m.sd is None else m.sd for m in measurements]),
    )


def model_of(
    measurements: Sequence[Measurement],
    expected: Sequence[float],
    *,
    noise: float = 0.1,
    floor: float = 2.0,
    degrees: float | None = None,
    log_prior_sd: float = 1e3,
) -> pm.Model:
    """Return a model of one unknown: ln of a factor of all that is expected."""
    seen = seen_of(measurements)
    additive = np.isfinite(seen.sd)
    with pm.Model() as model:
        amount = pm.Normal("log_factor", 0.0, np.array(log_prior_sd))
        drawn = {}
        for name, group in noise_priors(seen.noise, {}).items():
            sds = [prior.parameters["log_sd"] for prior in group.values()]
            drawn[name] = pm.LogNormal(name, 0.0, np.array(sds), shape=len(sds))
        predicted = pt.exp(amount) * np.array(expected)
        add_likelihood(
            seen,
            additive,
            measured_rows(seen, additive),
            predicted * shared_factors(seen.noise, drawn),
            pt.constant([noise] * len(seen.modalities))[
                : len(noisy_modalities(seen.noise, seen.modalities, seen.modality))
            ],
            pt.constant([floor]),
            background=drawn.get(BACKGROUND),
            student_t_degrees=degrees,
        )
    return model


def measured_of(density: Density) -> tuple[Any, ...]:
    """Return the measured values that a model holds."""
    model = density.model
    return density.data({n: model[n].get_value() for n in density.data_names})


def of_rows(model: pm.Model, at: float = 0.0) -> dict[str, np.ndarray]:
    """Return the log-density of each row by observed variable."""
    terms = model.observed_RVs
    found = model.compile_logp(vars=terms, sum=False, mode="FAST_COMPILE")(
        {"log_factor": at}
    )
    return {str(t.name): v for t, v in zip(terms, found, strict=True)}


def residual(degrees: float | None) -> Any:
    return stats.norm() if degrees is None else stats.t(degrees)


@pytest.mark.parametrize("degrees", [None, 4.0])
def test_each_kind_of_residual_has_the_density_of_scipy(degrees: float | None) -> None:
    """s = 0.1, a = 2, sd = 5, typed again; each kind also below its limit."""
    exact = replace(SCAN, sd=5.0)
    rows = [
        SCAN,
        replace(exact, value=66.0),
        replace(SCAN, below=True),
        replace(exact, below=True, value=61.0),
        replace(SCAN, value=50.0),
    ]
    expected = [75.0, 60.0, 90.0, 64.0, 75.0]
    found = of_rows(model_of(rows, expected, degrees=degrees))
    law = residual(degrees)
    z = [np.log(70.0 / 75.0) / 0.1, np.log(50.0 / 75.0) / 0.1]
    assert found["log_value"] == pytest.approx(law.logpdf(z) - np.log(0.1), rel=1e-12)
    sd = np.sqrt(2.0**2 + 6.0**2 + 5.0**2)
    direct = law.logpdf(6.0 / sd) - np.log(sd)
    assert found["value"] == pytest.approx([direct], rel=1e-12)
    z_below = np.log(70.0 / 90.0) / 0.1
    assert found["log_value_below"] == pytest.approx([law.logcdf(z_below)], rel=1e-10)
    wider = np.sqrt(2.0**2 + 6.4**2 + 5.0**2)
    assert found["value_below"] == pytest.approx([law.logcdf(-3.0 / wider)], rel=1e-10)


def test_counts_have_the_probabilities_of_scipy() -> None:
    """0.9 MBq give 9 x 600 x 0.9 = 4860 counts, and 300 behind them."""
    rows = [COUNTED, SCATTERED, replace(COUNTED, value=5300.0)]
    found = of_rows(model_of(rows, [0.9] * 3, noise=0.1))["counts"]
    mean = 4860.0 + 300.0
    size = mean**2 / 486.0**2
    expected = [
        stats.poisson.logpmf(5000, mean),
        stats.nbinom.logpmf(5000, size, size / (size + mean)),
        stats.poisson.logpmf(5300, mean),
    ]
    assert found == pytest.approx(expected, rel=1e-9)


def test_no_counts_where_none_are_expected_are_certain() -> None:
    clean = replace(COUNTED, counting=replace(COUNTING, background=0.0), value=0.0)
    assert of_rows(model_of([clean], [0.0]))["counts"] == pytest.approx([0.0])
    some = replace(clean, value=3.0)
    assert of_rows(model_of([some], [0.0]))["counts"] == [-np.inf]


def test_drawn_counts_scatter_as_their_probabilities_say() -> None:
    """Chi-square of 20,000 drawn counts of mean 12 and variance 48, p > 0.001."""
    n, mean, extra = 20_000, 12.0, 36.0
    drawn = draw_counts(
        np.full(n, mean), np.full(n, extra), rng=np.random.default_rng(5)
    )
    size = mean**2 / extra
    edges = np.arange(0, 40, 4)
    law = stats.nbinom(size, size / (size + mean))
    shares = np.diff([0.0, *law.cdf(edges), 1.0])
    seen = np.bincount(np.searchsorted(edges, drawn), minlength=len(edges) + 1)
    assert stats.chisquare(seen, shares * n).pvalue > 0.001


LIMITS = (
    (replace(SCAN, below=True, value=40.0), 90.0),
    (replace(SCAN, below=True, value=60.0, sd=5.0), 64.0),
)
VALUES = (
    (SCAN, 75.0),
    (replace(SCAN, sd=5.0), 60.0),
    (COUNTED, 0.9),
    (SCATTERED, 0.9),
)


@pytest.mark.parametrize(
    ("cases", "degrees"), [((*VALUES, *LIMITS), None), (LIMITS, 4.0)]
)
def test_gradients_in_jax_and_pytensor_are_those_of_the_density(
    cases: Sequence[tuple[Measurement, float]], degrees: float | None
) -> None:
    """One limit lies 8.6 sd below what is expected."""
    model = model_of(*zip(*cases, strict=True), degrees=degrees)
    density = compile_density(model)
    data = density.data({n: model[n].get_value() for n in density.data_names})
    log_density = jax.jit(density.log_density)

    def at(x: float) -> float:
        return float(log_density(np.array([x]), *data))

    step = 1e-4
    difference = (at(0.05 + step) - at(0.05 - step)) / (2.0 * step)
    slope = np.asarray(jax.grad(log_density)(np.array([0.05]), *data))
    assert slope == pytest.approx([difference], rel=1e-6)
    assert model.compile_dlogp(mode="FAST_COMPILE")(
        {"log_factor": 0.05}
    ) == pytest.approx(slope, rel=1e-8)
    assert model.compile_logp(mode="FAST_COMPILE")(
        {"log_factor": 0.05}
    ) == pytest.approx(at(0.05))


@pytest.mark.parametrize("degrees", [None, 4.0])
@pytest.mark.parametrize("failed", [np.nan, np.inf])
@pytest.mark.parametrize(
    "row",
    [
        SCAN,
        replace(SCAN, sd=5.0),
        replace(SCAN, below=True),
        replace(SCAN, below=True, sd=5.0),
        COUNTED,
        SCATTERED,
    ],
    ids=lambda row: f"{row.quantity}-{row.sd}-{row.below}",
)
def test_a_failed_solve_has_no_density_rather_than_no_number(
    row: Measurement, failed: float, degrees: float | None
) -> None:
    model = model_of([row, row], [1.0, failed], degrees=degrees)
    [found] = of_rows(model).values()
    assert np.isfinite(found[0])
    assert found[1] == -np.inf


def test_a_negative_expectation_has_no_log_normal_density() -> None:
    assert of_rows(model_of([SCAN], [-1e-9]))["log_value"] == [-np.inf]


@pytest.mark.parametrize("degrees", [None, 4.0])
def test_nothing_is_below_any_limit_for_certain(degrees: float | None) -> None:
    """P(0 < L) = 1 before the first dose; below 0 and no number have no density."""
    blank = replace(SCAN, below=True)
    model = model_of([blank] * 4, [0.0, -1e-9, np.nan, 70.0], degrees=degrees)
    found = of_rows(model)["log_value_below"]
    assert found[:3].tolist() == [0.0, -np.inf, -np.inf]
    assert found[3] == pytest.approx(np.log(0.5))
    density = compile_density(model_of([blank] * 2, [0.0, 70.0], degrees=degrees))
    slope = jax.grad(density.log_density)(np.zeros(1), *measured_of(density))
    assert np.isfinite(slope).all()
    assert slope[0] < 0.0


def test_a_sample_widens_counts_by_its_own_error_only() -> None:
    """One replicate of 3 %: negative-binomial, without the modality's 10 %."""
    tube = replace(COUNTED, sample=Sample("blood at 1 h", 0.03))
    [found] = of_rows(model_of([tube], [0.9], noise=0.1))["counts"]
    mean, size = 5160.0, (5160.0 / (0.03 * 4860.0)) ** 2
    expected = stats.nbinom.logpmf(5000, size, size / (size + mean))
    assert found == pytest.approx(expected, rel=1e-9)
    seen = seen_of([tube])
    assert noisy_modalities(seen.noise, seen.modalities, seen.modality) == ()


def test_counts_leave_the_conjugate_gamma_posterior() -> None:
    """Flat ln A and Poisson counts: A ~ Gamma(sum N, sum of counts per MBq)."""
    clean = replace(COUNTING, background=0.0)
    rows = [
        replace(COUNTED, counting=clean, value=value) for value in (40.0, 55.0, 31.0)
    ]
    shape = np.array([0.01, 0.008, 0.007])
    model = model_of(rows, shape.tolist(), log_prior_sd=1e6)
    log_density = model.compile_logp(mode="FAST_COMPILE")
    logs = np.linspace(-0.5, 0.5, 7)
    found = np.array([log_density({"log_factor": x}) for x in logs])
    scale = 1.0 / (5400.0 * shape.sum())
    expected = stats.gamma.logpdf(np.exp(logs), 126.0, scale=scale) + logs  # of ln A
    assert found - found[0] == pytest.approx(expected - expected[0], rel=1e-9)


def covariance(model: pm.Model) -> np.ndarray:
    """Return the covariance of a posterior that is normal: inverse of the curvature."""
    density = compile_density(model)
    data = density.data({n: model[n].get_value() for n in density.data_names})
    hessian = jax.jit(jax.hessian(density.log_density))(np.zeros(density.size), *data)
    return np.linalg.inv(-np.asarray(hessian))


def test_replicates_do_not_narrow_the_error_of_their_sample() -> None:
    """ln A of three replicates: variance t^2 + s^2 / 3, of one t^2 + s^2."""
    tube = Sample("blood at 1 h", 0.05)
    blood = replace(SCAN, quantity=Quantity.PER_LITRE, sample=tube)
    three = covariance(model_of([blood] * 3, [70.0] * 3, noise=0.02))
    assert three[0, 0] == pytest.approx(0.05**2 + 0.02**2 / 3.0, rel=1e-6)
    one = covariance(model_of([blood], [70.0], noise=0.02))
    assert one[0, 0] == pytest.approx(0.05**2 + 0.02**2, rel=1e-6)
    apart = [replace(blood, sample=Sample(f"tube {i}", 0.05)) for i in range(3)]
    samples = covariance(model_of(apart, [70.0] * 3, noise=0.02))
    assert samples[0, 0] == pytest.approx((0.05**2 + 0.02**2) / 3.0, rel=1e-6)


def test_a_counted_background_is_one_factor_of_a_regions_scans() -> None:
    """Its log-normal prior and the Poisson rows, typed again."""
    counting = replace(COUNTING, background_log_sd=0.2)
    rows = [replace(COUNTED, counting=counting), replace(COUNTED, counting=counting)]
    model = model_of(rows, [0.9, 0.9])
    assert arrange_noise(rows).backgrounds == (("kidney, planar", 0.2),)
    found = model.compile_logp(mode="FAST_COMPILE")(
        {"log_factor": 0.0, f"{BACKGROUND}_log__": np.array([0.3])}
    )
    mean = 4860.0 + 300.0 * np.exp(0.3)
    expected = 2.0 * stats.poisson.logpmf(5000, mean) + stats.norm.logpdf(0.3, 0.0, 0.2)
    expected += stats.norm.logpdf(0.0, 0.0, 1e3)
    assert float(found) == pytest.approx(expected, rel=1e-9)


def estimate(model: pm.Model) -> float:
    log_density = model.compile_logp(mode="FAST_COMPILE")
    found: Any = minimize_scalar(
        lambda x: -float(log_density({"log_factor": x})), bracket=(-0.2, 0.2), tol=1e-8
    )
    return float(found.x)


@pytest.mark.parametrize("sd", [None, 1e-9])
def test_limits_of_quantification_keep_the_estimate_right(sd: float | None) -> None:
    """400 simulated values about 20 MBq, 30 % scatter, 62 % of them below 22 MBq.

    By M3 ln of the amount is found within 3.5 standard errors, and farther off where
    they are left out or count as half the limit.
    """
    generator = np.random.default_rng(11)
    unit = generator.standard_normal(400)
    true = 20.0 * np.exp(0.3 * unit) if sd is None else 20.0 * (1.0 + 0.3 * unit)
    limit = 22.0
    plain = [replace(SCAN, value=float(v), sd=sd) for v in true if v >= limit]
    n_below = 400 - len(plain)
    below = [replace(SCAN, value=limit, sd=sd, below=True)] * n_below
    halved = [replace(SCAN, value=limit / 2.0, sd=sd)] * n_below
    error = 0.3 / np.sqrt(200.0)  # rounded up: fewer than half are values

    def found(rows: list[Measurement]) -> float:
        return estimate(model_of(rows, [20.0] * len(rows), noise=0.3, floor=1e-9))

    assert abs(found([*plain, *below])) < 3.5 * error
    assert found(plain) > 3.5 * error
    assert abs(found([*plain, *halved])) > 3.5 * error


def test_an_outlier_moves_the_estimate_less_under_students_t() -> None:
    """Nine values about 70 MBq, one tenfold: t of 4 degrees, and scipy's estimate."""
    generator = np.random.default_rng(2)
    values = 70.0 * np.exp(0.05 * generator.standard_normal(10))
    values[4] *= 10.0
    rows = [replace(SCAN, value=float(v)) for v in values]
    robust = estimate(model_of(rows, [70.0] * 10, noise=0.05, degrees=4.0))
    assert abs(robust) < 0.06
    assert estimate(model_of(rows, [70.0] * 10, noise=0.05)) > 0.2
    _, location, _ = stats.t.fit(np.log(values / 70.0), fdf=4.0, fscale=0.05)
    assert robust == pytest.approx(location, abs=1e-4)


def test_largest_voxels_of_a_modality_share_a_factor_above_one() -> None:
    hottest = replace(SCAN, quantity=Quantity.CONCENTRATION, maximum=True)
    noise = arrange_noise([hottest, SCAN, replace(hottest, modality="PET")])
    assert noise.maxima == ("SPECT", "PET")
    drawn = {"maximum_excess": pt.constant([0.4, 0.2])}
    assert shared_factors(noise, drawn).eval() == pytest.approx([1.4, 1.0, 1.2])
    prior = log_normal(0.4, 0.8, "", "made up", Certainty.JUDGEMENT)
    with pytest.raises(ModelError, match="without one: PET; unused: none"):
        noise_priors(noise, {"SPECT": prior})
    with pytest.raises(ModelError, match="without one: none; unused: SPECT"):
        noise_priors(arrange_noise([SCAN]), {"SPECT": prior})


def test_only_pure_counts_have_no_relative_noise() -> None:
    seen = seen_of([COUNTED, SCAN])
    found = noisy_modalities(seen.noise, seen.modalities, seen.modality)
    assert found == ("SPECT",)
    seen = seen_of([COUNTED, SCATTERED])
    assert noisy_modalities(seen.noise, seen.modalities, seen.modality) == ("planar",)


def test_rows_of_each_term_are_named_by_their_place() -> None:
    rows = [COUNTED, SCAN, replace(SCAN, sd=5.0), replace(SCAN, below=True), SCAN]
    model = model_of(rows, [1.0] * 5)
    assert model.coords["log_value_row"] == (1, 4)
    assert model.coords["counts_row"] == (0,)
    assert model.named_vars_to_dims["log_value_below"] == ("log_value_below_row",)
    seen = seen_of(rows)
    found = rows_of_terms(seen, np.isfinite(seen.sd))
    assert sorted(np.concatenate(list(found.values())).tolist()) == list(range(5))


def test_what_cannot_be_read_is_refused_with_its_place() -> None:
    with pytest.raises(
        InputError, match=r"line 2: 5000\.5 counts: give a whole number"
    ):
        replace(COUNTED, value=5000.5)
    with pytest.raises(InputError, match="counts need a Counting"):
        replace(COUNTED, counting=None)
    with pytest.raises(InputError, match="counts carry no sd"):
        replace(COUNTED, decay_corrected_to_h=0.0)
    with pytest.raises(InputError, match="counts are never below a limit"):
        replace(COUNTED, below=True)
    with pytest.raises(InputError, match=r"below 0\.0: give the limit"):
        replace(SCAN, below=True, value=0.0)
    with pytest.raises(InputError, match="collected from 24 to 24 h"):
        replace(SCAN, quantity=Quantity.COLLECTED, end_h=24.0)
    with pytest.raises(InputError, match="the largest voxel is a concentration"):
        replace(SCAN, maximum=True)
    with pytest.raises(InputError, match=r"live_time_s is 0\.0: .* > 0"):
        replace(COUNTING, live_time_s=0.0)
    with pytest.raises(InputError, match=r"background is -1\.0: .* >= 0"):
        replace(COUNTING, background=-1.0)
    with pytest.raises(InputError, match="log_sd of a sample is nan"):
        Sample("tube", np.nan)
    one, other = (replace(SCAN, sample=Sample("tube", sd)) for sd in (0.03, 0.05))
    with pytest.raises(InputError, match=r"'tube' has an error of 0\.05 .* 0\.03"):
        arrange_noise([one, other])
    with pytest.raises(ModelError, match="must be finite and above 2"):
        check_degrees(2.0)
    seen = seen_of([replace(SCAN, value=0.0)])
    with pytest.raises(InputError, match=r"0\.0 with log-normal noise: state its sd"):
        measured_rows(seen, np.array([False]))


def test_samples_are_a_group_of_priors_with_their_stated_error() -> None:
    tube = replace(SCAN, sample=Sample("tube", 0.03))
    groups = noise_priors(arrange_noise([tube, tube]), {})
    assert list(groups) == [SAMPLE]
    assert groups[SAMPLE]["tube"].parameters == {"median": 1.0, "log_sd": 0.03}
