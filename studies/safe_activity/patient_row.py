"""One simulated patient: measured, fitted, decided, and held against its truth."""

import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from classical import METHODS, estimate

from pkmodels.clinic.answerable import check_answerable
from pkmodels.clinic.assessment import Assessment, assess
from pkmodels.clinic.patient import Patient
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.question import build_posterior, draws_per_chain
from pkmodels.decision.safe_activities import quantile_error
from pkmodels.dosimetry.biological_dose import biologically_effective_dose
from pkmodels.dosimetry.radiobiology import KIDNEY_BED_LIMIT, KIDNEY_DOSE_LIMIT
from pkmodels.fitting.checks import quantile_size
from pkmodels.fitting.fit import CompiledFit, Fit, compile_fit, fit

# The simulator lies with the tests, and imports nothing of pkmodels.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
import simulators  # pyright: ignore[reportMissingImports]

FIXED_GBQ = 10.0
LIMITS_GY = {"dose": KIDNEY_DOSE_LIMIT.value, "bed": KIDNEY_BED_LIMIT.value}
GIVEN, PLANNED, TARGET = "Lu-177", "Y-90", "kidneys"

# 200 MBq: what Haenscheid et al., J Nucl Med 2022, gave for dosimetry.
PROTOCOLS = {
    name: simulators.Protocol("pentixather", 200.0, scans_h)
    for name, scans_h in {
        "two": (24.0, 96.0),
        "three": (4.0, 24.0, 96.0),
        "five": (4.0, 24.0, 48.0, 96.0, 168.0),
    }.items()
}
WORLDS = {
    "as stated": simulators.AS_STATED,
    "scatter": simulators.World(noise=1.5, freedom=4.0),
    "slow pool": simulators.World(slow_share=0.3, slow_ratio=4.0),
    "heavier": simulators.World(mass=1.1),
    "lighter": simulators.World(mass=1 / 1.1),
    "S of 90Y": simulators.World(s_y90=1.05),
}
QUANTITIES = ("tiac", "dose", "bed", "at_dose_limit", "at_bed_limit")
# Of each quantity; `error` is the Monte-Carlo error of the median, relative to it.
PARTS = ("truth", "rank", "low", "median", "high", "error")
ANSWERED = "answered"
COLUMNS = (
    *("world", "protocol", "seed", "outcome", "attempts", "tail", "before_Gy"),
    *(f"{q}_{part}" for q in QUANTITIES for part in PARTS),
    *(f"safe_{q}_{part}" for q in LIMITS_GY for part in ("GBq", "error", "reached")),
    *(f"{m}_{part}" for m in METHODS for part in ("dose", "sd", "before_Gy")),
)
Row = dict[str, Any]


def patient_row(
    world: str, protocol: str, seed: int, compiled: CompiledFit | None = None
) -> Row:
    """Return a row of patients.csv: everything that the figures are made of."""
    simulated, patient = measure(world, protocol, seed)
    truths = true_values(simulated)
    row: Row = dict.fromkeys(COLUMNS)
    row |= {"world": world, "protocol": protocol, "seed": seed}
    row |= {f"{q}_truth": truth for q, truth in truths.items()}
    row["before_Gy"] = simulated.dose(GIVEN, simulated.given_GBq)
    row |= classical_values(patient, simulated.given_GBq)
    fitted = fit(
        build_posterior(patient),
        seed=seed,
        draws_per_chain=draws_per_chain(patient.confidence),
        compiled=compiled or compiled_for(protocol),
    )
    row["attempts"] = fitted.checks.attempts
    if not fitted.checks.passed:
        return row | {"outcome": "fit refused: " + "; ".join(fitted.checks.reasons)}
    asked = {q: assess(asking(patient, q), fitted) for q in LIMITS_GY}
    choice = asked["dose"].choices[PLANNED]
    row["tail"] = np.median(choice.exposures[TARGET].tail)
    if choice.refused is not None:
        return row | {"outcome": f"refused: {choice.refused}"}
    for name, draws in posterior_values(asked).items():
        row |= summary(name, draws, truths[name], fitted)
    row |= safe_values(asked, simulated)
    return row | {"outcome": ANSWERED}


def measure(
    world: str, protocol: str, seed: int
) -> tuple[simulators.SimulatedPatient, Patient]:
    """Simulate a patient and read the files that a physicist would have written."""
    measured = PROTOCOLS[protocol]
    simulated = simulators.simulate(seed, measured, WORLDS[world])
    with tempfile.TemporaryDirectory() as folder:
        simulators.write_patient(Path(folder), simulated, measured)
        patient = read_patient(Path(folder))
    check_answerable(patient)
    return simulated, patient


@cache
def compiled_for(protocol: str) -> CompiledFit:
    """Compile the sampler of a protocol, once for its patients of every world."""
    _, patient = measure("as stated", protocol, 0)
    return compile_fit(build_posterior(patient))


def asking(patient: Patient, question: str) -> Patient:
    """Return the patient with the limit of a question: 23 Gy, or 40 Gy of BED."""
    [limit] = patient.limits
    by_dose = question == "dose"
    value = LIMITS_GY[question]
    limit = replace(
        limit,
        absorbed_dose_Gy=value if by_dose else None,
        bed_Gy=None if by_dose else value,
    )
    return replace(patient, limits=(limit,))


def true_values(simulated: simulators.SimulatedPatient) -> dict[str, float]:
    return {
        "tiac": simulated.kidney_tiac_h[PLANNED],
        "dose": simulated.kidney_dose_Gy_per_GBq[PLANNED],
        "bed": simulated.bed(PLANNED, FIXED_GBQ),
        "at_dose_limit": simulated.activity_at_dose(LIMITS_GY["dose"]),
        "at_bed_limit": simulated.activity_at_bed(LIMITS_GY["bed"]),
    }


def posterior_values(asked: Mapping[str, Assessment]) -> dict[str, np.ndarray]:
    """Return the draws of each quantity."""
    exposure = asked["dose"].exposures[PLANNED][TARGET]
    response = asked["dose"].dosimetry.responses[TARGET]
    decisions = {q: of.choices[PLANNED].decision for q, of in asked.items()}
    per_GBq, g = exposure.dose_Gy_per_GBq, exposure.protraction
    assert per_GBq is not None
    assert g is not None
    return {
        "tiac": exposure.tiac_h,
        "dose": per_GBq,
        "bed": biologically_effective_dose(
            per_GBq * FIXED_GBQ, g, response.alpha_beta_Gy
        ),
        **{f"at_{q}_limit": d.activity_at_limit_GBq for q, d in decisions.items() if d},
    }


def summary(name: str, draws: np.ndarray, truth: float, fitted: Fit) -> Row:
    low, median, high = np.quantile(draws, (0.025, 0.5, 0.975))
    size = quantile_size(draws.reshape(fitted.draws.diverging.shape), 0.5)
    return {
        f"{name}_rank": np.mean(draws < truth),
        f"{name}_low": low,
        f"{name}_median": median,
        f"{name}_high": high,
        f"{name}_error": quantile_error(draws, 0.5, effective_size=size),
    }


def safe_values(
    asked: Mapping[str, Assessment], simulated: simulators.SimulatedPatient
) -> Row:
    """Return each safe activity, and how much of its limit it truly reaches."""
    totals = {"dose": simulated.total_dose, "bed": simulated.total_bed}
    row: Row = {}
    for question, assessment in asked.items():
        decision = assessment.choices[PLANNED].decision
        assert decision is not None
        safe = decision.activity_GBq
        row[f"safe_{question}_GBq"] = safe
        row[f"safe_{question}_error"] = decision.monte_carlo_error
        reached = totals[question](safe) / LIMITS_GY[question]
        row[f"safe_{question}_reached"] = reached
    return row


def classical_values(patient: Patient, given_GBq: float) -> Row:
    """Return what each classical method finds; nothing where it finds nothing."""
    row: Row = {}
    for method in METHODS:
        planned = estimate(patient, method, PLANNED)
        given = estimate(patient, method, GIVEN)
        if planned is None or given is None:
            continue
        row[f"{method}_dose"] = planned.dose_Gy_per_GBq
        row[f"{method}_sd"] = planned.relative_sd
        row[f"{method}_before_Gy"] = given.dose_Gy_per_GBq * given_GBq
    return row
