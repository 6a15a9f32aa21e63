"""A fit whose draws are made up, so that what follows from it has closed forms."""

import numpy as np

from pkmodels.clinic.patient import Patient
from pkmodels.clinic.question import build_posterior
from pkmodels.fitting.checks import Checks
from pkmodels.fitting.fit import Fit
from pkmodels.fitting.posterior import (
    EXPECTED,
    FRACTION,
    KINETICS,
    NOISE,
    ODDS,
)
from pkmodels.fitting.sampling import Draws
from pkmodels.values import Prior

CHAINS, EACH = 4, 500
PASSED = Checks(1.0, 2e3, 2e3, 0, 0, (), 1, ())

# Medians of the draws: h, and shares of the dose.
BLOOD_HALF_TIME_H = 1.0
HALF_LIFE_H = 60.0
FRACTION_EACH = 0.02


def made_up_fit(patient: Patient, log_sd: float = 0.1, seed: int = 0) -> Fit:
    """Return a fit that passed: log-normal draws of all that a fit draws.

    Rates and shares scatter by `log_sd`; masses, calibrations and recoveries as their
    priors say.
    """
    posterior = build_posterior(patient)
    generator = np.random.default_rng(seed)
    variables = {
        name: np.stack([_drawn(generator, prior) for prior in group.values()], axis=-1)
        for name, group in posterior.all_priors.items()
    }
    scatter = np.exp(
        log_sd * generator.standard_normal(variables[KINETICS].shape),
    )
    medians = [
        BLOOD_HALF_TIME_H if name == "blood_half_time" else HALF_LIFE_H
        for name in posterior.priors.independent
    ]
    variables[KINETICS] = np.array(medians) * scatter
    shares = FRACTION_EACH * np.exp(
        log_sd * generator.standard_normal(variables[ODDS].shape)
    )
    variables[FRACTION] = shares
    variables[ODDS] = shares / (1.0 - shares.sum(axis=-1, keepdims=True))
    variables[NOISE] = np.full_like(variables[NOISE], 0.05)
    count = len(posterior.observations.value)
    measured = posterior.observations.value
    variables[EXPECTED] = np.broadcast_to(measured, (CHAINS, EACH, count))
    size = variables[KINETICS].shape[-1]
    draws = Draws(
        variables,
        np.zeros((CHAINS, EACH, size)),
        np.zeros((CHAINS, EACH), bool),
        0.95,
    )
    return Fit(posterior, draws, PASSED, seed)


def _drawn(generator: np.random.Generator, prior: Prior) -> np.ndarray:
    normal = generator.standard_normal((CHAINS, EACH))
    given = prior.parameters
    if "median" in given:
        return given["median"] * np.exp(given["log_sd"] * normal)
    return given["scale"] * np.abs(normal)


def rates_of(fit: Fit, region: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return share, uptake rate and release rate of a region, 1/h, by draw."""
    names = [str(p) for p in fit.posterior.compiled.system.parameters]
    by_name = dict(zip(names, fit.parameters().T, strict=True))
    return (
        by_name[f"fraction_{region}"],
        np.log(2.0) / by_name["blood_half_time"],
        np.log(2.0) / by_name[f"biological_half_life_{region}"],
    )


def integral_h(fit: Fit, region: str, decay: float) -> np.ndarray:
    """Return the TIAC of a bolus, h: f k / ((k + lambda)(w + lambda))."""
    share, k, w = rates_of(fit, region)
    return share * k / ((k + decay) * (w + decay))


def activity_after(fit: Fit, region: str, decay: float, time_h: float) -> np.ndarray:
    """Return the activity per unit given as a bolus, a time later."""
    share, k, w = rates_of(fit, region)
    shape = (np.exp(-w * time_h) - np.exp(-k * time_h)) / (k - w)
    return share * k * shape * np.exp(-decay * time_h)


def tail_after(fit: Fit, region: str, decay: float, time_h: float) -> np.ndarray:
    """Return the share of a bolus's integral that comes after a time."""
    _, k, w = rates_of(fit, region)
    slow, fast = w + decay, k + decay
    late = np.exp(-slow * time_h) / slow - np.exp(-fast * time_h) / fast
    return late / (1.0 / slow - 1.0 / fast)
