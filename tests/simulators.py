"""Simulated patients whose answer is known: imports nothing of pkmodels.

Equations and numbers are typed again from the documentation: the organ-exchange
model, the priors of DOTATATE, S-values and their uncertainties. The curves come from
scipy's matrix exponential.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import expm

LAMBDA = {"Lu-177": np.log(2) / (6.647 * 24), "Y-90": np.log(2) / 64.10}

REGIONS = ("kidney_left", "kidney_right", "liver", "spleen")
ORGANS = {"kidney_left": "kidney", "kidney_right": "kidney", "liver": "liver",
          "spleen": "spleen"}  # fmt: skip
KIDNEYS = ("kidney_left", "kidney_right")

# Stated priors: median and sd of ln.
BLOOD_HALF_TIME = (1.0, 0.7)
UPTAKE_ODDS = {"kidney": (0.012, 0.8), "liver": (0.05, 1.0), "spleen": (0.025, 1.0)}
BIOLOGICAL_HALF_LIFE = {
    "kidney": (60.0, 1.0),
    "liver": (114.0, 1.0),
    "spleen": (114.0, 1.0),
}
NOISE_SCALE = 0.1
CALIBRATION_CV = 0.05
MASS_CV = 0.08

MEASURED_MASS_G = {
    "kidney_left": 120.0,
    "kidney_right": 260.0,
    "liver": 1700.0,
    "spleen": 210.0,
}
ACTIVITY_MBQ = 7400.0
SCANS_H = (4.0, 24.0, 72.0, 120.0)

# OpenDose, male, one kidney of 153 g: 1.5662e-4 mGy/(MBq s); electrons 0.14792 MeV
# per decay, absorbed fraction 0.993, Gy g/(MBq h) from 0.576784 per MeV.
S_TOTAL = 1.5662e-4 * 3.6
ELECTRONS = 0.993 * 0.14792 * 0.576784
PHOTONS = (S_TOTAL - ELECTRONS / 153.0) * 153.0 ** (2 / 3)
S_LU_LOG_SD = 0.01
Y_OVER_LU = (5.9, 0.034)


@dataclass(frozen=True)
class SimulatedPatient:
    """Measured values (MBq, physical) by region and scan, and the truth behind them."""

    values: dict[str, list[float]]
    kidney_tiac_h: dict[str, float]
    kidney_dose_Gy_per_GBq: dict[str, float]


def log_sd(cv):
    return np.sqrt(np.log(1 + cv**2))


def simulate(seed: int) -> SimulatedPatient:
    """Draw a patient from the stated priors and measure it."""
    generator = np.random.default_rng(seed)

    def log_normal(median, spread):
        return median * np.exp(spread * generator.standard_normal())

    k = np.log(2) / log_normal(*BLOOD_HALF_TIME)
    odds = np.array([log_normal(*UPTAKE_ODDS[ORGANS[r]]) for r in REGIONS])
    half_lives = [log_normal(*BIOLOGICAL_HALF_LIFE[ORGANS[r]]) for r in REGIONS]
    fractions = odds / (1 + odds.sum())
    matrix = np.diag([-k, *(-np.log(2) / np.array(half_lives))])
    matrix[1:, 0] = fractions * k
    calibration = np.exp(log_sd(CALIBRATION_CV) * generator.standard_normal())
    masses = {r: log_normal(MEASURED_MASS_G[r], log_sd(MASS_CV)) for r in REGIONS}
    noise = abs(NOISE_SCALE * generator.standard_normal())
    values = {region: [] for region in REGIONS}
    for t in SCANS_H:
        activity = (
            ACTIVITY_MBQ * expm((matrix - LAMBDA["Lu-177"] * np.eye(5)) * t)[1:, 0]
        )
        for region, true in zip(REGIONS, activity, strict=True):
            scatter = np.exp(noise * generator.standard_normal())
            values[region].append(calibration * true * scatter)
    s_factor = np.exp(S_LU_LOG_SD * generator.standard_normal())
    ratio = {"Lu-177": 1.0, "Y-90": log_normal(*Y_OVER_LU)}
    tiac, dose = {}, {}
    for label, decay in LAMBDA.items():
        each = np.linalg.solve(decay * np.eye(5) - matrix, np.eye(5)[0])[1:]
        per_region = dict(zip(REGIONS, each, strict=True))
        tiac[label] = sum(per_region[r] for r in KIDNEYS)
        energy = sum(
            per_region[r] * (ELECTRONS + PHOTONS * masses[r] ** (1 / 3))
            for r in KIDNEYS
        )
        mass = sum(masses[r] for r in KIDNEYS)
        dose[label] = 1e3 * s_factor * ratio[label] * energy / mass
    return SimulatedPatient(values, tiac, dose)
