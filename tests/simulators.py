"""Simulated patients whose answer is known: imports nothing of pkmodels.

Equations and numbers are typed again from the documentation: the organ-exchange
model, the priors of DOTATATE, S-values and their uncertainties. The curves come from
scipy's matrix exponential.
"""

from dataclasses import dataclass

import numpy as np
from scipy.integrate import simpson
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
MINIMUM_NOISE = 0.01
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


# The hybrid protocol: an infusion, planar scans of unknown scale, one SPECT/CT.
INFUSION_H = 0.5
PLANAR_H = (1.0, 20.0, 44.0, 92.0)
PLANAR_SD = 0.03  # stated, as a share of the value
SPECT_FRAME_H = (24.0, 24.6)
DENSITY_G_PER_ML = 1.05
FLOOR_SHARE = 0.01  # of the region's largest value


@dataclass(frozen=True)
class SimulatedPatient:
    """The rows of measurements.csv after `region`, and the truth behind them."""

    rows: list[tuple]
    kidney_tiac_h: dict[str, float]
    kidney_dose_Gy_per_GBq: dict[str, float]


@dataclass(frozen=True)
class Truth:
    """What a patient is made of, drawn from the stated priors."""

    matrix: np.ndarray
    calibration: float
    masses: dict[str, float]
    noise: float

    def curve(self, label, time, length=0.0):
        """Return MBq of each region per MBq given; the syringe decays meanwhile."""
        generator = self.matrix - LAMBDA[label] * np.eye(len(self.matrix))
        dose = np.eye(len(self.matrix))[0]
        if length == 0.0:
            return (expm(generator * time) @ dose)[1:]
        whole = np.zeros((len(dose) + 1, len(dose) + 1))
        whole[:-1, :-1] = generator
        whole[:-1, -1] = dose / length
        whole[-1, -1] = -LAMBDA[label]
        during = min(time, length)
        state = expm(whole * during)[:-1, -1]
        return (expm(generator * (time - during)) @ state)[1:]

    def tiac(self, label, length=0.0):
        """Return h per region: (lambda I - M)^-1 x0, less what the syringe lost."""
        decay = LAMBDA[label]
        dose = np.eye(len(self.matrix))[0]
        lost = -np.expm1(-decay * length) / (decay * length) if length else 1.0
        return np.linalg.solve(decay * np.eye(len(dose)) - self.matrix, dose)[1:] * lost


def log_sd(cv):
    return np.sqrt(np.log(1 + cv**2))


def log_normal(generator, median, spread):
    return median * np.exp(spread * generator.standard_normal())


def draw_noise(generator):
    """Draw relative noise: half-normal, and at least 1 %, in quadrature."""
    return np.hypot(NOISE_SCALE * generator.standard_normal(), MINIMUM_NOISE)


def draw_truth(generator) -> Truth:
    """Draw a patient from the stated priors."""
    k = np.log(2) / log_normal(generator, *BLOOD_HALF_TIME)
    organs = [ORGANS[region] for region in REGIONS]
    odds = np.array([log_normal(generator, *UPTAKE_ODDS[organ]) for organ in organs])
    half_lives = [log_normal(generator, *BIOLOGICAL_HALF_LIFE[o]) for o in organs]
    fractions = odds / (1 + odds.sum())
    matrix = np.diag([-k, *(-np.log(2) / np.array(half_lives))])
    matrix[1:, 0] = fractions * k
    calibration = log_normal(generator, 1.0, log_sd(CALIBRATION_CV))
    spread = log_sd(MASS_CV)
    masses = {r: log_normal(generator, MEASURED_MASS_G[r], spread) for r in REGIONS}
    noise = draw_noise(generator)
    return Truth(matrix, calibration, masses, noise)


def answer(truth: Truth, rows, lengths, generator) -> SimulatedPatient:
    """Add the true TIAC and dose of the kidneys for each label's infusion length."""
    s_factor = log_normal(generator, 1.0, S_LU_LOG_SD)
    ratio = {"Lu-177": 1.0, "Y-90": log_normal(generator, *Y_OVER_LU)}
    tiac, dose = {}, {}
    for label in LAMBDA:
        each = dict(zip(REGIONS, truth.tiac(label, lengths[label]), strict=True))
        masses = truth.masses
        tiac[label] = sum(each[r] for r in KIDNEYS)
        energy = sum(
            each[r] * (ELECTRONS + PHOTONS * masses[r] ** (1 / 3)) for r in KIDNEYS
        )
        mass = sum(masses[r] for r in KIDNEYS)
        dose[label] = 1e3 * s_factor * ratio[label] * energy / mass
    return SimulatedPatient(rows, tiac, dose)


def simulate(seed: int) -> SimulatedPatient:
    """Measure a patient four times by SPECT, in MBq, without a stated sd."""
    generator = np.random.default_rng(seed)
    truth = draw_truth(generator)
    rows = []
    for t in SCANS_H:
        for region, true in zip(REGIONS, truth.curve("Lu-177", t), strict=True):
            scatter = np.exp(truth.noise * generator.standard_normal())
            value = ACTIVITY_MBQ * truth.calibration * true * scatter
            rows.append((region, "", "SPECT", t, "", value, "MBq", "", ""))
    return answer(truth, rows, {"Lu-177": 0.0, "Y-90": 0.0}, generator)


def simulate_hybrid(seed: int) -> SimulatedPatient:
    """Measure a patient by planar scans of unknown scale and one SPECT/CT.

    An infusion; planar values with a stated sd and a scale of its own for each
    region; one SPECT frame in kBq/mL, decay-corrected to time zero.
    """
    generator = np.random.default_rng([seed, 1])
    truth = draw_truth(generator)
    planar_noise = draw_noise(generator)
    decay = LAMBDA["Lu-177"]
    curves = {t: truth.curve("Lu-177", t, INFUSION_H) for t in PLANAR_H}
    start, end = SPECT_FRAME_H
    frame = np.linspace(start, end, 61)
    in_frame = np.asarray(
        simpson([truth.curve("Lu-177", t, INFUSION_H) for t in frame], frame, axis=0)
    )
    corrected = decay * np.exp(decay * start) / -np.expm1(-decay * (end - start))
    rows = []
    for i, region in enumerate(REGIONS):
        scale = ACTIVITY_MBQ * log_normal(generator, 1.0, 1.0)
        expected = np.array([scale * curves[t][i] for t in PLANAR_H])
        floor = abs(FLOOR_SHARE * expected.max() * generator.standard_normal())
        for t, mean in zip(PLANAR_H, expected, strict=True):
            sd = PLANAR_SD * mean
            total = np.sqrt(floor**2 + (planar_noise * mean) ** 2 + sd**2)
            value = 0.0
            while value <= 0.0:  # as a person would leave out what is not positive
                value = mean + total * generator.standard_normal()
            rows.append((region, "", "planar", t, "", value, "MBq", sd, ""))
        per_mL = in_frame[i] * corrected / truth.masses[region] * DENSITY_G_PER_ML * 1e3
        scatter = np.exp(truth.noise * generator.standard_normal())
        value = ACTIVITY_MBQ * truth.calibration * per_mL * scatter
        rows.append((region, "", "SPECT", start, end, value, "kBq/mL", "", 0.0))
    return answer(truth, rows, {"Lu-177": INFUSION_H, "Y-90": 0.0}, generator)
