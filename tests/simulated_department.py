"""A simulated department: patients of one known population. Imports nothing of ours.

The population is narrower than the stated priors, and its medians are not theirs. A
patient's two kidneys are alike: they share most of what sets the patient apart.
"""

from dataclasses import dataclass

import numpy as np
import simulators
from simulators import Protocol, Truth, log_normal

DOSIMETRY = Protocol("pentixather", 200.0, (4.0, 24.0, 72.0, 120.0))


@dataclass(frozen=True)
class Spread:
    """Median, sd of ln between patients, and of ln between the sides of one."""

    median: float
    log_sd: float
    between_sides: float = 0.0

    @property
    def total(self) -> float:
        """Of one side between patients."""
        return float(np.hypot(self.log_sd, self.between_sides))


BLOOD_HALF_TIME = Spread(2.0, 0.3)
UPTAKE_ODDS = {
    "kidney": Spread(0.035, 0.35, 0.08),
    "liver": Spread(0.15, 0.25),
    "spleen": Spread(0.02, 0.4),
}
HALF_LIFE = {
    "kidney": Spread(45.0, 0.25, 0.05),
    "liver": Spread(260.0, 0.3),
    "spleen": Spread(150.0, 0.3),
}
NOISE = 0.05


def draw(generator, spreads, *, factor=1.0, correlated=None):
    """Return a value of each region; `correlated` are standard deviates by organ."""
    shared = {
        organ: generator.standard_normal() if correlated is None else correlated[organ]
        for organ in spreads
    }
    return np.array(
        [
            spreads[organ].median
            * (factor if organ == "kidney" else 1.0)
            * np.exp(
                spreads[organ].log_sd * shared[organ]
                + spreads[organ].between_sides * generator.standard_normal()
            )
            for organ in (simulators.ORGANS[r] for r in simulators.REGIONS)
        ]
    )


def draw_truth(generator, *, kidney_factor=1.0, correlation=0.0) -> Truth:
    """Draw a patient; the kidneys' half-life is `kidney_factor` times another's.

    `correlation` is that of ln odds and ln half-life of an organ between patients.
    """
    k = np.log(2) / log_normal(
        generator, BLOOD_HALF_TIME.median, BLOOD_HALF_TIME.log_sd
    )
    first = {organ: generator.standard_normal() for organ in UPTAKE_ODDS}
    rest = np.sqrt(1.0 - correlation**2)
    second = {
        organ: correlation * z + rest * generator.standard_normal()
        for organ, z in first.items()
    }
    odds = draw(generator, UPTAKE_ODDS, correlated=first)
    half_lives = draw(generator, HALF_LIFE, factor=kidney_factor, correlated=second)
    masses = {
        r: log_normal(
            generator,
            simulators.MEASURED_MASS_G[r],
            simulators.log_sd(simulators.MASS_CV),
        )
        for r in simulators.REGIONS
    }
    return Truth(
        blood_rate=k,
        fractions=odds / (1.0 + odds.sum()),
        shares=np.ones(1),
        rates=np.log(2) / half_lives[:, None],
        calibration=log_normal(
            generator, 1.0, simulators.log_sd(simulators.CALIBRATION_CV)
        ),
        masses=masses,
        noise=NOISE,
    )


def simulate(seed, scans_h=DOSIMETRY.scans_h, *, kidney_factor=1.0, correlation=0.0):
    """Measure a patient of the department by SPECT; the same seed is the same one."""
    generator = np.random.default_rng([seed, 25])
    truth = draw_truth(generator, kidney_factor=kidney_factor, correlation=correlation)
    rows = []
    for t in DOSIMETRY.scans_h:
        curve = truth.curve("Lu-177", t)
        for region, true in zip(simulators.REGIONS, curve, strict=True):
            scatter = np.exp(truth.noise * generator.standard_normal())
            value = DOSIMETRY.activity_MBq * truth.calibration * true * scatter
            if t in scans_h:
                rows.append((region, "", "SPECT", t, "", value, "MBq", "", ""))
    lengths = {"Lu-177": 0.0, "Y-90": 0.0}
    return simulators.answer(truth, rows, DOSIMETRY.activity_MBq, lengths, generator)


def write(
    folder, seed, scans_h=DOSIMETRY.scans_h, *, kidney_factor=1.0, correlation=0.0
):
    """Write a patient's folder, with an id of its own, and return the truth."""
    simulated = simulate(
        seed, scans_h, kidney_factor=kidney_factor, correlation=correlation
    )
    folder.mkdir(parents=True)
    simulators.write_patient(folder, simulated, DOSIMETRY)
    path = folder / "patient.toml"
    text = path.read_text("utf-8").replace('id = "simulated"', f'id = "D{seed}"')
    path.write_text(text, "utf-8")
    return simulated
