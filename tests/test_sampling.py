"""The sampler on known distributions, the posterior's density, and the checks."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pymc as pm
import pytest
from scipy.stats import halfnorm, norm

from pkmodels.compiled import compile_system
from pkmodels.dosimetry import s_value
from pkmodels.errors import InputError, ModelError
from pkmodels.fitting.checks import check
from pkmodels.fitting.fit import CompiledFit, fit, parameter_draws
from pkmodels.fitting.observations import Calibration, arrange
from pkmodels.fitting.posterior import Posterior, build_model, form_of
from pkmodels.fitting.sampling import (
    CHAINS,
    WARMUP,
    Draws,
    Sampler,
    compile_sampler,
    draw_posterior,
)
from pkmodels.measurements import Measurement, Quantity
from pkmodels.models import organ_exchange
from pkmodels.nuclides import nuclide
from pkmodels.schedule import Administration, Schedule
from pkmodels.system import assemble
from pkmodels.values import Certainty, Prior, half_normal, log_normal

LN2 = math.log(2.0)
LU177 = nuclide("Lu-177").decay_constant_per_h
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
    return draw_posterior(
        sampler,
        data={"measured": measured},
        spread=np.ones(4),
        seed=seed,
        draws_per_chain=1000,
        **more,
    )


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


# One kidney by two modalities, as totals and as concentrations, and a liver.
GIVEN = Schedule((Administration(0.0, 0.0, "dotatate", "Lu-177", 7400.0),))
REGIONS = {"kidney": "kidney", "liver": "liver"}


def scan(region: str, time_h: float, value: float, **changes) -> Measurement:
    plain = Measurement(
        region=region,
        label="Lu-177",
        modality="SPECT",
        start_h=time_h,
        end_h=time_h,
        value=value,
        quantity=Quantity.ACTIVITY,
        sd=None,
        decay_corrected_to_h=None,
        source="line 2",
    )
    return replace(plain, **changes)


def posterior_of(
    scans: list[Measurement],
    organs: Mapping[str, str] = REGIONS,
    calibrations: tuple[Calibration, ...] = (),
    masses: Mapping[str, Prior] | None = None,
) -> Posterior:
    model = organ_exchange.model(tuple(organs))
    compiled = compile_system(assemble(model, GIVEN.form))
    observables = compiled.system.observables
    observations = arrange(scans, GIVEN, observables, calibrations)
    floor = half_normal(0.7, "MBq", "1 % of the largest", Certainty.JUDGEMENT)
    return Posterior(
        compiled=compiled,
        observations=observations,
        priors=organ_exchange.priors("dotatate", organs),
        masses=masses or {},
        exact_masses={"liver": 1700.0},
        relative_noise=half_normal(0.1, "", "wide", Certainty.JUDGEMENT),
        noise_floor=dict.fromkeys(observations.floors, floor),
        floor_everywhere=False,
    )


def mass_prior(log_sd: float) -> Prior:
    return log_normal(150.0, log_sd, "g", "CT", Certainty.PUBLISHED)


def test_log_density_is_that_of_the_stated_model() -> None:
    """Every prior and likelihood typed again, at one point, on the log scale."""
    per_gram = {"quantity": Quantity.CONCENTRATION}
    posterior = posterior_of(
        [
            scan("kidney", 24.0, 70.0),
            scan("kidney", 72.0, 0.25, modality="planar", **per_gram),
            scan("liver", 24.0, 0.2, sd=0.01, **per_gram),
            scan("kidney", 96.0, 20.0, sd=2.0, decay_corrected_to_h=0.0),
        ],
        calibrations=(
            Calibration("SPECT", per_region=False, log_sd=0.05),
            Calibration("planar", per_region=True, log_sd=0.3),
        ),
        masses={"kidney": mass_prior(0.1)},
    )
    half_times, odds = [1.2, 50.0, 120.0], [0.015, 0.06]
    factors, mass, noise, floors = [1.03, 0.8], 160.0, [0.07, 0.12], [0.3, 0.9]

    k, whole = LN2 / half_times[0], 1.0 + sum(odds)

    def activity(organ: int, t: float) -> float:
        w = LN2 / half_times[1 + organ]
        shape = (math.exp(-w * t) - math.exp(-k * t)) / (k - w)
        return 7400.0 * odds[organ] / whole * k * shape * math.exp(-LU177 * t)

    expected = norm.logpdf(
        np.log([*half_times, *odds, *factors, mass]),
        np.log([1.0, 60.0, 114.0, 0.012, 0.05, 1.0, 1.0, 150.0]),
        [0.7, 1.0, 1.0, 0.8, 1.0, 0.05, 0.3, 0.1],
    ).sum()
    for values, scale in ((noise, 0.1), (floors, 0.7)):
        expected += (halfnorm.logpdf(values, scale=scale) + np.log(values)).sum()
    spect = 1.03 * activity(0, 24.0)
    planar = 0.8 * activity(0, 72.0) / mass
    expected += norm.logpdf(np.log(70.0), np.log(spect), noise[0])
    expected += norm.logpdf(np.log(0.25), np.log(planar), noise[1])
    liver = 1.03 * activity(1, 24.0) / 1700.0
    corrected = 1.03 * activity(0, 96.0) * math.exp(LU177 * 96.0)
    for value, predicted, sd, floor in (
        (20.0, corrected, 2.0, floors[0]),
        (0.2, liver, 0.01, floors[1]),
    ):
        spread = math.hypot(floor, noise[0] * predicted, sd)
        expected += norm.logpdf(value, predicted, spread)

    model = build_model(posterior)
    point = {
        "kinetics": half_times,
        "uptake_odds": odds,
        "calibration": factors,
        "mass": [mass],
        "relative_noise": noise,
        "noise_floor": floors,
    }
    logs = {f"{name}_log__": np.log(values) for name, values in point.items()}
    assert set(logs) == {str(variable.name) for variable in model.value_vars}
    found = model.compile_logp(mode="JAX")(logs)
    assert float(found) == pytest.approx(expected, rel=1e-9)
    named = dict(model.coords)["noise_floor_of"]
    assert named is not None
    assert list(named) == ["kidney, SPECT", "liver, SPECT, per g"]


def test_an_uncertain_mass_cancels_in_the_dose_from_concentrations() -> None:
    """Dose is activity per mass: measured, where concentrations are. Mass +-30 %."""
    k, w, fraction, mass = LN2 / 1.0, LN2 / 60.0, 0.015, 150.0

    def concentration(t: float) -> float:
        shape = (math.exp(-w * t) - math.exp(-k * t)) / (k - w)
        return 7400.0 * fraction * k * shape * math.exp(-LU177 * t) / mass

    times = np.array([4.0, 24.0, 48.0, 72.0, 96.0, 120.0, 168.0])
    scatter = 1.0 + 0.04 * np.array([1, -1, -1, 1, 1, -1, 0])
    scans = [
        scan("kidney", t, concentration(t) * error, quantity=Quantity.CONCENTRATION)
        for t, error in zip(times, scatter, strict=True)
    ]
    prior = mass_prior(0.3)
    posterior = posterior_of(scans, {"kidney": "kidney"}, (), {"kidney": prior})
    found = fit(posterior, seed=4, draws_per_chain=1000)
    assert found.checks.passed
    half_time, taken_up, half_life = found.parameters().T
    rate, release = LN2 / half_time, LN2 / half_life
    area = 7400.0 * taken_up * rate / ((rate + LU177) * (release + LU177))
    masses = found.masses()["kidney"]
    kidney = s_value("kidney", "Lu-177", "male")
    assert kidney is not None
    dose = area * kidney.at_mass(masses)
    truth = 7400.0 * fraction * k / ((k + LU177) * (w + LU177)) * kidney.at_mass(mass)
    assert np.median(dose) == pytest.approx(truth, rel=0.05)
    # The activity follows the mass, and the dose does not.
    assert np.std(np.log(masses)) > 0.2
    assert np.corrcoef(np.log(area), np.log(masses))[0, 1] > 0.95
    assert np.std(np.log(dose)) < 0.06


def test_a_compiled_fit_of_another_form_is_refused(sampler: Sampler) -> None:
    one = posterior_of([scan("kidney", 24.0, 70.0)])
    other_value = posterior_of([scan("kidney", 24.0, 99.0)])
    other_time = posterior_of([scan("kidney", 25.0, 70.0)])
    assert form_of(one) == form_of(other_value)
    assert form_of(one) != form_of(other_time)
    with pytest.raises(InputError, match="compiled for other scans, doses or priors"):
        fit(
            other_time,
            seed=0,
            draws_per_chain=100,
            compiled=CompiledFit(sampler, form_of(one)),
        )


def test_a_concentration_without_a_mass_is_refused() -> None:
    concentration = scan("kidney", 24.0, 0.3, quantity=Quantity.CONCENTRATION)
    with pytest.raises(ModelError, match="'kidney' has concentrations but no mass"):
        posterior_of([concentration])


def test_draws_of_the_parameters_are_in_the_order_of_the_model() -> None:
    posterior = posterior_of([scan("kidney", 24.0, 70.0)])
    kinetics = np.array([1.0, 60.0, 114.0])  # blood, kidney, liver: order of priors
    variables = {
        "kinetics": np.broadcast_to(kinetics, (4, 2, 3)),
        "fraction": np.broadcast_to([0.01, 0.05], (4, 2, 2)),
    }
    made = Draws(variables, np.zeros((4, 2, 5)), np.zeros((4, 2), bool), 0.9)
    ordered = parameter_draws(posterior, made)
    names = [str(p) for p in posterior.compiled.system.parameters]
    assert ordered.shape == (8, 5)
    assert dict(zip(names, ordered[0], strict=True)) == {
        "blood_half_time": 1.0,
        "fraction_kidney": 0.01,
        "biological_half_life_kidney": 60.0,
        "fraction_liver": 0.05,
        "biological_half_life_liver": 114.0,
    }


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
