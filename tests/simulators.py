"""Simulated patients whose answer is known: imports nothing of pkmodels.

Equations and numbers are typed again from the documentation: the organ-exchange
model, the priors of the ligands, S-values, radiobiology and their uncertainties. The
curves come from scipy's matrix exponential; G-factors from sums of exponentials.
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
SIDES = {"kidney_left": "left", "kidney_right": "right"}

# Stated priors: median and sd of ln.
BLOOD_HALF_TIME = (1.0, 0.7)
UPTAKE_ODDS = {
    "dotatate": {"kidney": (0.012, 0.8), "liver": (0.05, 1.0), "spleen": (0.025, 1.0)},
    "pentixather": {"kidney": (0.025, 0.7), "liver": (0.1, 1.0), "spleen": (0.01, 1.0)},
}
BIOLOGICAL_HALF_LIFE = {
    "dotatate": {"kidney": (60.0, 1.0), "liver": (114.0, 1.0), "spleen": (114.0, 1.0)},
    "pentixather": {
        "kidney": (55.0, 1.0),
        "liver": (344.0, 1.0),
        "spleen": (187.0, 1.0),
    },
}
NOISE_SCALE = 0.1
MINIMUM_NOISE = 0.01
CALIBRATION_CV = 0.05
MASS_CV = 0.08
ALPHA_BETA_GY = (2.5, 0.25)
REPAIR_HALF_TIME_H = (2.8, 0.3)

# Unequal kidneys, so that a mistake in weighing them shows.
MEASURED_MASS_G = {
    "kidney_left": 120.0,
    "kidney_right": 260.0,
    "liver": 1700.0,
    "spleen": 210.0,
}

# OpenDose, male, mGy/(MBq s): mass of one kidney, g, and its self-dose. Electrons:
# absorbed fraction 0.993 of 0.14792 MeV per decay, 0.576784 Gy g/(MBq h) per MeV.
SELF_LU = {"kidney_left": (152.983, 1.5662e-4), "kidney_right": (157.011, 1.5283e-4)}
CROSS_LU = {
    "kidney_left": {"kidney_right": 5.4688e-8, "liver": 4.7165e-8, "spleen": 3.435e-7},
    "kidney_right": {"kidney_left": 5.4199e-8, "liver": 2.2932e-7, "spleen": 2.756e-8},
}
PER_MBQ_H = 3.6  # Gy/(MBq h) in 1 mGy/(MBq s)
ELECTRONS = 0.993 * 0.14792 * 0.576784
S_LU_LOG_SD = 0.01
S_CROSS_LOG_SD = 0.35
Y_OVER_LU = (5.9, 0.034)

# The hybrid protocol: an infusion, planar scans of unknown scale, one SPECT/CT.
INFUSION_H = 0.5
PLANAR_H = (1.0, 20.0, 44.0, 92.0)
PLANAR_SD = 0.03  # stated, as a share of the value
SPECT_FRAME_H = (24.0, 24.6)
DENSITY_G_PER_ML = 1.05
FLOOR_SHARE = 0.01  # of the region's largest value


@dataclass(frozen=True)
class Protocol:
    """What is given, and when SPECT scans measure it."""

    ligand: str
    activity_MBq: float
    scans_h: tuple[float, ...]


THERAPY = Protocol("dotatate", 7400.0, (4.0, 24.0, 72.0, 120.0))


@dataclass(frozen=True)
class World:
    """How the truth departs from what the patient's file states; by default not.

    Scatter `noise` times as large, Student's t with `freedom` (None: normal); a share
    `slow_share` of the uptake in a second pool that empties `slow_ratio` times slower;
    true masses and the true S-value of Y-90 by a factor off.
    """

    noise: float = 1.0
    freedom: float | None = None
    slow_share: float = 0.0
    slow_ratio: float = 1.0
    mass: float = 1.0
    s_y90: float = 1.0


AS_STATED = World()


@dataclass(frozen=True)
class SimulatedPatient:
    """The rows of measurements.csv after `region`, and the truth behind them.

    Of both kidneys as one group, for each label: TIAC (h), dose per activity (Gy/GBq)
    and G-factor, the latter after a bolus only.
    """

    rows: list[tuple]
    given_GBq: float
    kidney_tiac_h: dict[str, float]
    kidney_dose_Gy_per_GBq: dict[str, float]
    kidney_g: dict[str, float]
    alpha_beta_Gy: float

    def dose(self, label, activity_GBq):
        return self.kidney_dose_Gy_per_GBq[label] * activity_GBq

    def bed(self, label, activity_GBq):
        dose = self.dose(label, activity_GBq)
        return dose * (1.0 + self.kidney_g[label] * dose / self.alpha_beta_Gy)

    def total_dose(self, activity_GBq):
        """Return Gy: of the 177Lu that was given and of an activity of 90Y."""
        return self.dose("Lu-177", self.given_GBq) + self.dose("Y-90", activity_GBq)

    def total_bed(self, activity_GBq):
        return self.bed("Lu-177", self.given_GBq) + self.bed("Y-90", activity_GBq)

    def activity_at_dose(self, limit_Gy):
        """Return GBq of 90Y that reaches a limit of absorbed dose."""
        left = max(limit_Gy - self.dose("Lu-177", self.given_GBq), 0.0)
        return left / self.kidney_dose_Gy_per_GBq["Y-90"]

    def activity_at_bed(self, limit_Gy):
        """Return GBq of 90Y that reaches a limit of BED: a root of a parabola."""
        left = max(limit_Gy - self.bed("Lu-177", self.given_GBq), 0.0)
        slope = self.kidney_dose_Gy_per_GBq["Y-90"]
        curvature = self.kidney_g["Y-90"] * slope**2 / self.alpha_beta_Gy
        return 2.0 * left / (slope + np.sqrt(slope**2 + 4.0 * curvature * left))


@dataclass(frozen=True)
class Truth:
    """What a patient is made of: regions of one pool or two that empty in parallel."""

    blood_rate: float
    fractions: np.ndarray  # (n_regions,)
    shares: np.ndarray  # (n_pools,) of each region's uptake
    rates: np.ndarray  # (n_regions, n_pools), 1/h
    calibration: float
    masses: dict[str, float]
    noise: float

    @property
    def matrix(self):
        matrix = np.diag([-self.blood_rate, *(-self.rates.ravel())])
        uptake = np.outer(self.fractions, self.shares).ravel()
        matrix[1:, 0] = uptake * self.blood_rate
        return matrix

    def of_regions(self, state):
        return state[1:].reshape(self.rates.shape).sum(axis=1)

    def curve(self, label, time, length=0.0):
        """Return MBq of each region per MBq given; the syringe decays meanwhile."""
        matrix = self.matrix
        generator = matrix - LAMBDA[label] * np.eye(len(matrix))
        dose = np.eye(len(matrix))[0]
        if length == 0.0:
            return self.of_regions(expm(generator * time) @ dose)
        whole = np.zeros((len(dose) + 1, len(dose) + 1))
        whole[:-1, :-1] = generator
        whole[:-1, -1] = dose / length
        whole[-1, -1] = -LAMBDA[label]
        during = min(time, length)
        state = expm(whole * during)[:-1, -1]
        return self.of_regions(expm(generator * (time - during)) @ state)

    def tiac(self, label, length=0.0):
        """Return h per region: (lambda I - M)^-1 x0, less what the syringe lost."""
        decay, matrix = LAMBDA[label], self.matrix
        dose = np.eye(len(matrix))[0]
        lost = -np.expm1(-decay * length) / (decay * length) if length else 1.0
        whole = np.linalg.solve(decay * np.eye(len(dose)) - matrix, dose)
        return self.of_regions(whole) * lost

    def exponentials(self, label):
        """Return c and l of each region's sum of c exp(-l t) after a bolus."""
        k = self.blood_rate
        filled = np.outer(self.fractions * k, self.shares) / (k - self.rates)
        amplitudes = np.column_stack([filled, -filled.sum(axis=1)])
        in_blood = np.full(len(self.rates), k)
        rates = np.column_stack([self.rates, in_blood]) + LAMBDA[label]
        return amplitudes, rates


def protraction(amplitudes, rates, repair_half_time):
    """Return G = 2/D^2 sum_ij a_i a_j / ((l_i + l_j)(l_i + mu)) of sum a exp(-l t)."""
    mu = np.log(2) / repair_half_time
    dose = np.sum(amplitudes / rates)
    pairs = np.outer(amplitudes, amplitudes)
    pairs = pairs / np.add.outer(rates, rates) / (rates + mu)[:, None]
    return 2.0 * pairs.sum() / dose**2


def log_sd(cv):
    return np.sqrt(np.log(1 + cv**2))


def log_normal(generator, median, spread):
    return median * np.exp(spread * generator.standard_normal())


def draw_noise(generator):
    """Draw relative noise: half-normal, and at least 1 %, in quadrature."""
    return np.hypot(NOISE_SCALE * generator.standard_normal(), MINIMUM_NOISE)


def draw_truth(generator, ligand="dotatate", world=AS_STATED) -> Truth:
    """Draw a patient from the stated priors, in a world."""
    k = np.log(2) / log_normal(generator, *BLOOD_HALF_TIME)
    organs = [ORGANS[region] for region in REGIONS]
    odds = np.array([log_normal(generator, *UPTAKE_ODDS[ligand][o]) for o in organs])
    half_lives = np.array(
        [log_normal(generator, *BIOLOGICAL_HALF_LIFE[ligand][o]) for o in organs]
    )
    shares = np.array([1.0 - world.slow_share, world.slow_share])
    rates = np.log(2) / half_lives[:, None] / np.array([1.0, world.slow_ratio])
    calibration = log_normal(generator, 1.0, log_sd(CALIBRATION_CV))
    spread = log_sd(MASS_CV)
    masses = {
        r: world.mass * log_normal(generator, MEASURED_MASS_G[r], spread)
        for r in REGIONS
    }
    noise = draw_noise(generator)
    pools = slice(None) if world.slow_share else slice(1)
    return Truth(
        blood_rate=k,
        fractions=odds / (1 + odds.sum()),
        shares=shares[pools],
        rates=rates[:, pools],
        calibration=calibration,
        masses=masses,
        noise=noise,
    )


def dose_weights(masses, s_factor, ratio, cross_factors):
    """Return Gy/(MBq h) of the kidneys together from each region, for each label."""
    total = sum(masses[r] for r in KIDNEYS)
    lutetium = {region: 0.0 for region in REGIONS}
    yttrium = {region: 0.0 for region in REGIONS}
    for target in KIDNEYS:
        reference, published = SELF_LU[target]
        mass, share = masses[target], masses[target] / total
        photons = published * PER_MBQ_H - ELECTRONS / reference
        own = ELECTRONS / mass + photons * (reference / mass) ** (2 / 3)
        lutetium[target] += share * own * s_factor
        yttrium[target] += share * own * s_factor * ratio
        for source, value in CROSS_LU[target].items():
            factor = cross_factors[target, source]
            lutetium[source] += share * value * PER_MBQ_H * factor
    return {"Lu-177": lutetium, "Y-90": yttrium}


def answer(
    truth: Truth, rows, given_MBq, lengths, generator, s_y90=1.0
) -> SimulatedPatient:
    """Add the true TIAC, dose and G of the kidneys for each label's infusion length."""
    s_factor = log_normal(generator, 1.0, S_LU_LOG_SD)
    ratio = s_y90 * log_normal(generator, *Y_OVER_LU)
    cross = {
        (target, source): log_normal(generator, 1.0, S_CROSS_LOG_SD)
        for target, sources in CROSS_LU.items()
        for source in sources
    }
    alpha_beta = log_normal(generator, *ALPHA_BETA_GY)
    repair = log_normal(generator, *REPAIR_HALF_TIME_H)
    tiac, dose, g = {}, {}, {}
    for label, weights in dose_weights(truth.masses, s_factor, ratio, cross).items():
        each = dict(zip(REGIONS, truth.tiac(label, lengths[label]), strict=True))
        tiac[label] = sum(each[r] for r in KIDNEYS)
        dose[label] = 1e3 * sum(weights[r] * each[r] for r in REGIONS)
        if lengths[label] == 0.0:
            amplitudes, rates = truth.exponentials(label)
            of_region = np.array([weights[r] for r in REGIONS])[:, None]
            rate = of_region * amplitudes
            g[label] = protraction(rate.ravel(), rates.ravel(), repair)
    return SimulatedPatient(rows, given_MBq / 1e3, tiac, dose, g, alpha_beta)


def simulate(seed: int, protocol=THERAPY, world=AS_STATED) -> SimulatedPatient:
    """Measure a patient by a few SPECT scans, in MBq, without a stated sd."""
    generator = np.random.default_rng(seed)
    truth = draw_truth(generator, protocol.ligand, world)
    rows = []
    for t in protocol.scans_h:
        for region, true in zip(REGIONS, truth.curve("Lu-177", t), strict=True):
            unit = (
                generator.standard_normal()
                if world.freedom is None
                else generator.standard_t(world.freedom)
            )
            scatter = np.exp(world.noise * truth.noise * unit)
            value = protocol.activity_MBq * truth.calibration * true * scatter
            rows.append((region, "", "SPECT", t, "", value, "MBq", "", ""))
    lengths = {"Lu-177": 0.0, "Y-90": 0.0}
    given = protocol.activity_MBq
    return answer(truth, rows, given, lengths, generator, world.s_y90)


def simulate_hybrid(seed: int) -> SimulatedPatient:
    """Measure a patient by planar scans of unknown scale and one SPECT/CT.

    An infusion; planar values with a stated sd and a scale of its own for each
    region; one SPECT frame in kBq/mL, decay-corrected to time zero.
    """
    generator = np.random.default_rng([seed, 1])
    truth = draw_truth(generator)
    planar_noise = draw_noise(generator)
    decay, given = LAMBDA["Lu-177"], THERAPY.activity_MBq
    curves = {t: truth.curve("Lu-177", t, INFUSION_H) for t in PLANAR_H}
    start, end = SPECT_FRAME_H
    frame = np.linspace(start, end, 61)
    in_frame = np.asarray(
        simpson([truth.curve("Lu-177", t, INFUSION_H) for t in frame], frame, axis=0)
    )
    corrected = decay * np.exp(decay * start) / -np.expm1(-decay * (end - start))
    rows = []
    for i, region in enumerate(REGIONS):
        scale = given * log_normal(generator, 1.0, 1.0)
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
        value = given * truth.calibration * per_mL * scatter
        rows.append((region, "", "SPECT", start, end, value, "kBq/mL", "", 0.0))
    return answer(truth, rows, given, {"Lu-177": INFUSION_H, "Y-90": 0.0}, generator)


PATIENT = """
format = "pkmodels-patient/1"
[patient]
id = "simulated"
sex = "male"
[[administration]]
time_h = 0.0
duration_h = {duration}
ligand = "{ligand}"
label = "Lu-177"
activity_MBq = {activity}
[groups.kidneys]
regions = ["kidney_left", "kidney_right"]
[calibration.SPECT]
scope = "modality"
cv = {calibration_cv}
[[plan]]
ligand = "{ligand}"
label = "Y-90"
duration_h = 0.0
[limits.kidneys]
absorbed_dose_Gy = 23.0
[limits.red_marrow]
waived = true
reason = "simulated"
[decision]
confidence = 0.95
"""
PLANAR = """
[calibration.planar]
scope = "region"
cv = "free"
"""
REGION = """
[regions.{name}]
organ = "{organ}"
{side}mass_g = {mass}
mass_cv = {cv}
density_g_per_mL = {density}
"""
HEADER = "region,label,modality,start_h,end_h,value,unit,sd,decay_corrected_to_h"


def write_patient(folder, simulated, protocol=THERAPY, duration=0.0):
    """Write patient.toml and measurements.csv, as a physicist would state them."""
    regions = [
        REGION.format(
            name=name,
            organ=ORGANS[name],
            side=f'side = "{SIDES[name]}"\n' if name in SIDES else "",
            mass=MEASURED_MASS_G[name],
            cv=MASS_CV,
            density=DENSITY_G_PER_ML,
        )
        for name in REGIONS
    ]
    rows = [",".join(map(str, row)) for row in simulated.rows]
    planar = PLANAR if any("planar" in row for row in rows) else ""
    text = PATIENT.format(
        duration=duration,
        ligand=protocol.ligand,
        activity=protocol.activity_MBq,
        calibration_cv=CALIBRATION_CV,
    )
    (folder / "patient.toml").write_text(text + planar + "".join(regions), "utf-8")
    (folder / "measurements.csv").write_text("\n".join([HEADER, *rows]), "utf-8")


# The pentixather protocol: a planar series of free scale, one SPECT/CT; a bolus.
SERIES_MBQ = 200.0
SERIES_PLANAR_H = (2.0, 24.0, 48.0, 96.0)
SERIES_SPECT_H = 24.0
SERIES_ORGANS = ("kidney", "liver")
# What of the liver lies over the kidney on planar scans: median and sd of logit.
OVERLAP_SHARE = (0.2, 0.5)


@dataclass(frozen=True)
class PlanarPatient:
    """Rows (region, modality, time, value) and the kidney's true TIAC of 90Y, h."""

    rows: list[tuple]
    kidney_tiac_h: float


def one_step(fraction, k, w, t):
    """Return what an organ holds of a bolus: filled at k f, emptied at w."""
    return fraction * k * (np.exp(-w * t) - np.exp(-k * t)) / (k - w)


def simulate_planar(seed: int, *, overlaid: bool) -> PlanarPatient:
    """Measure a kidney and a liver by planar scans of unknown scale and one SPECT/CT.

    With `overlaid` the kidney's counts hold a share of the liver's, drawn from
    `OVERLAP_SHARE`.
    """
    generator = np.random.default_rng([seed, 3])
    k = np.log(2) / log_normal(generator, *BLOOD_HALF_TIME)
    of_ligand = [
        (UPTAKE_ODDS["pentixather"][o], BIOLOGICAL_HALF_LIFE["pentixather"][o])
        for o in SERIES_ORGANS
    ]
    odds = np.array([log_normal(generator, *uptake) for uptake, _ in of_ligand])
    fractions = odds / (1.0 + odds.sum())
    w = np.log(2) / np.array([log_normal(generator, *stay) for _, stay in of_ligand])
    median, spread = OVERLAP_SHARE
    odds_of_share = median / (1.0 - median) * log_normal(generator, 1.0, spread)
    share = odds_of_share / (1.0 + odds_of_share) if overlaid else 0.0
    scales = [log_normal(generator, 1.0, 1.0) for _ in SERIES_ORGANS]
    calibration = log_normal(generator, 1.0, log_sd(CALIBRATION_CV))
    noise = {"planar": draw_noise(generator), "SPECT": draw_noise(generator)}

    def activity(t):
        decayed = SERIES_MBQ * np.exp(-LAMBDA["Lu-177"] * t)
        return decayed * one_step(fractions, k, w, t)

    rows = []
    for t in SERIES_PLANAR_H:
        kidney, liver = activity(t)
        counted = (scales[0] * (kidney + share * liver), scales[1] * liver)
        for region, value in zip(SERIES_ORGANS, counted, strict=True):
            scatter = np.exp(noise["planar"] * generator.standard_normal())
            rows.append((region, "planar", t, value * scatter))
    for region, value in zip(SERIES_ORGANS, activity(SERIES_SPECT_H), strict=True):
        scatter = np.exp(noise["SPECT"] * generator.standard_normal())
        rows.append((region, "SPECT", SERIES_SPECT_H, calibration * value * scatter))
    decay = LAMBDA["Y-90"]
    tiac = fractions[0] * k / ((k + decay) * (w[0] + decay))
    return PlanarPatient(rows, float(tiac))


# Two tracers of one receptor: a 68Ga PET, then 177Lu; rates differ by ratios within
# what Siebinga et al., EJNMMI Phys 2023;10:48 found for HA-DOTATATE.
LAMBDA_GA = np.log(2) * 60.0 / 67.71  # half-life 67.71 min: ICRP Publication 107
LINKED_RATIOS = (0.3, 1.4)
LINKED_RATES = ("elimination", "uptake_kidneys", "uptake_tumour")
LINKED_RELEASES = ("release_kidneys", "release_tumour")
# Median (1/h) and sd of ln between patients: near table 2 of the same paper.
LINKED_MEDIANS = {
    "elimination": (0.25, 0.3),
    "uptake_kidneys": (0.05, 0.5),
    "uptake_tumour": (0.03, 0.7),
    "release_kidneys": (0.01, 0.4),
    "release_tumour": (0.006, 0.5),
}
LINKED_MBQ = {"Ga-68": 100.0, "Lu-177": 7000.0}
# The scan sees all three; of the therapy there are blood and kidneys, and no tumour.
LINKED_SCANS_H = {
    "Ga-68": dict.fromkeys(("blood", "kidneys", "tumour"), (0.25, 1.0, 2.0)),
    "Lu-177": {"blood": (0.5, 2.0, 6.0), "kidneys": (4.0, 24.0, 96.0)},
}
LINKED_LEAST_NOISE, LINKED_NOISE = 0.05, 0.05


@dataclass(frozen=True)
class LinkedPatient:
    """Rows (region, label, time, MBq) and the truth of the therapy.

    Ratios of the therapy's rates to the scan's; TIAC (h) of 177Lu in the kidneys; what
    the tumour holds of the therapy's activity after 24 h.
    """

    rows: list[tuple]
    ratios: dict[str, float]
    kidneys_tiac_h: float
    tumour_24h: float


def linked_curves(rates, decay, t):
    """Return blood, kidneys and tumour of a bolus of 1: Bateman's equations."""
    kidneys, tumour = rates["uptake_kidneys"], rates["uptake_tumour"]
    left = rates["elimination"] + kidneys + tumour
    decayed = np.exp(-decay * t)
    found = {"blood": np.exp(-left * t) * decayed}
    for organ, uptake in (("kidneys", kidneys), ("tumour", tumour)):
        out = rates[f"release_{organ}"]
        shape = (np.exp(-out * t) - np.exp(-left * t)) / (left - out)
        found[organ] = uptake * shape * decayed
    return found


def simulate_linked(seed: int) -> LinkedPatient:
    """Measure a patient who gets two tracers, one for a scan and one for a therapy."""
    generator = np.random.default_rng([seed, 4])
    rates = {n: log_normal(generator, *x) for n, x in LINKED_MEDIANS.items()}
    low, high = np.log(LINKED_RATIOS)
    ratios = {n: float(np.exp(generator.uniform(low, high))) for n in LINKED_RATES}
    of_therapy = {n: rate * ratios.get(n, 1.0) for n, rate in rates.items()}
    rows = []
    for label, own, decay in (
        ("Ga-68", rates, LAMBDA_GA),
        ("Lu-177", of_therapy, LAMBDA["Lu-177"]),
    ):
        noise = np.hypot(LINKED_NOISE * generator.standard_normal(), LINKED_LEAST_NOISE)
        for region, times in LINKED_SCANS_H[label].items():
            for t in times:
                share = linked_curves(own, decay, t)[region]
                scatter = np.exp(noise * generator.standard_normal())
                rows.append((region, label, t, LINKED_MBQ[label] * share * scatter))
    decay = LAMBDA["Lu-177"]
    left = sum(of_therapy[n] for n in LINKED_RATES) + decay
    out = of_therapy["release_kidneys"] + decay
    tiac = of_therapy["uptake_kidneys"] / (left * out)
    later = linked_curves(of_therapy, decay, 24.0)["tumour"]
    return LinkedPatient(rows, ratios, float(tiac), float(later))
