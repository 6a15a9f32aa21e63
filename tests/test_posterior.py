"""The posterior: its density typed again, its form, and what mass and dose share."""

import math
from collections.abc import Mapping
from dataclasses import replace

import jax
import numpy as np
import pytest
from scipy.stats import halfnorm, norm

from pkmodels.administrations import Administration
from pkmodels.dosimetry.s_values import s_value
from pkmodels.errors import InputError, ModelError
from pkmodels.exact import compile_exactly
from pkmodels.fitting.anchoring import anchored, problem_of
from pkmodels.fitting.experiments import Experiment, alone
from pkmodels.fitting.fit import compile_fit, fit
from pkmodels.fitting.observations import Calibration, arrange
from pkmodels.fitting.posterior import (
    Posterior,
    build_model,
    form_of,
    parameter_draws,
)
from pkmodels.fitting.sampling import Draws
from pkmodels.measurements import Measurement, Quantity
from pkmodels.models import organ_exchange
from pkmodels.nuclides import nuclide
from pkmodels.schedule import Schedule
from pkmodels.system import assemble
from pkmodels.values import Certainty, Prior, half_normal, log_normal

LN2 = math.log(2.0)
LU177 = nuclide("Lu-177").decay_constant_per_h

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
    compiled = compile_exactly(assemble(model, GIVEN.form))
    only = Experiment("dosimetry", compiled, GIVEN, tuple(scans))
    observations = arrange([only], calibrations)
    floor = half_normal(0.7, "MBq", "1 % of the largest", Certainty.JUDGEMENT)
    return Posterior(
        experiments=(only,),
        table=alone(only, organ_exchange.priors("dotatate", organs)),
        observations=observations,
        masses=masses or {},
        exact_masses={"liver": 1700.0},
        relative_noise=half_normal(0.1, "", "wide", Certainty.JUDGEMENT),
        minimum_noise=0.02,
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
    spread = np.hypot(noise, 0.02)  # no value is better than 2 %
    spect = 1.03 * activity(0, 24.0)
    planar = 0.8 * activity(0, 72.0) / mass
    expected += norm.logpdf(np.log(70.0), np.log(spect), spread[0])
    expected += norm.logpdf(np.log(0.25), np.log(planar), spread[1])
    liver = 1.03 * activity(1, 24.0) / 1700.0
    corrected = 1.03 * activity(0, 96.0) * math.exp(LU177 * 96.0)
    for value, predicted, sd, floor in (
        (20.0, corrected, 2.0, floors[0]),
        (0.2, liver, 0.01, floors[1]),
    ):
        whole_sd = math.hypot(floor, spread[0] * predicted, sd)
        expected += norm.logpdf(value, predicted, whole_sd)

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


@pytest.mark.parametrize("seed", range(3))
def test_anchored_coordinates_carry_the_determinant_of_their_derivative(
    seed: int,
) -> None:
    """A liver scanned once, planar scans of free scale, a value with a stated sd."""
    free = Calibration("planar", per_region=True, log_sd=3.0)
    posterior = posterior_of(
        [
            scan("kidney", 24.0, 70.0),
            scan("kidney", 72.0, 35.0, sd=2.0),
            scan("kidney", 24.0, 150.0, modality="planar"),
            scan("kidney", 96.0, 60.0, modality="planar"),
            scan("liver", 24.0, 300.0, sd=10.0),
        ],
        calibrations=(Calibration("SPECT", per_region=False, log_sd=0.05), free),
    )
    model, problem = build_model(posterior), problem_of(posterior)
    move = jax.jit(anchored(posterior, model))
    jitter = np.random.default_rng(seed).uniform(-1.0, 1.0, problem.centre.size)
    position = problem.centre + jitter * problem.spread
    unconstrained, log_determinant = move(position, problem.coordinates)
    assert np.isfinite(unconstrained).all()
    derivative = jax.jacfwd(lambda u: move(u, problem.coordinates)[0])(position)
    sign, expected = np.linalg.slogdet(np.asarray(derivative))
    assert sign == 1.0
    assert float(log_determinant) == pytest.approx(expected, rel=1e-9)


@pytest.mark.slow
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


def test_a_compiled_fit_of_another_form_is_refused() -> None:
    one = posterior_of([scan("kidney", 24.0, 70.0)])
    other_value = posterior_of([scan("kidney", 24.0, 99.0)])
    other_time = posterior_of([scan("kidney", 25.0, 70.0)])
    assert form_of(one) == form_of(other_value)
    assert form_of(one) != form_of(other_time)
    with pytest.raises(InputError, match="compiled for other scans, doses or priors"):
        fit(other_time, seed=0, draws_per_chain=100, compiled=compile_fit(one))


def test_a_concentration_without_a_mass_is_refused() -> None:
    concentration = scan("kidney", 24.0, 0.3, quantity=Quantity.CONCENTRATION)
    with pytest.raises(ModelError, match="'kidney' hang on its mass"):
        posterior_of([concentration])


def test_draws_of_the_parameters_are_in_the_order_of_the_model() -> None:
    posterior = posterior_of([scan("kidney", 24.0, 70.0)])
    kinetics = np.array([1.0, 60.0, 114.0])  # blood, kidney, liver: order of priors
    variables = {
        "kinetics": np.broadcast_to(kinetics, (4, 2, 3)),
        "uptake_odds": np.broadcast_to(np.array([1.0, 5.0]) / 94.0, (4, 2, 2)),
    }
    made = Draws(variables, np.zeros((4, 2, 5)), np.zeros((4, 2), bool), 0.9)
    ordered = parameter_draws(posterior, made)
    names = [str(p) for p in posterior.compiled.system.parameters]
    assert ordered.shape == (8, 5)
    assert dict(zip(names, ordered[0], strict=True)) == pytest.approx(
        {
            "blood_half_time": 1.0,
            "fraction_kidney": 0.01,
            "biological_half_life_kidney": 60.0,
            "fraction_liver": 0.05,
            "biological_half_life_liver": 114.0,
        }
    )
