"""One simulated patient: measured, fitted, decided, and held against its truth."""

import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from classical import estimates

from pkmodels.clinic.answerable import check_answerable
from pkmodels.clinic.assessment import Assessment, Choice, assess
from pkmodels.clinic.patient import Patient
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.question import build_posterior
from pkmodels.decision.safe_activities import quantile_error
from pkmodels.dosimetry.biological_dose import biologically_effective_dose
from pkmodels.dosimetry.radiobiology import KIDNEY_BED_LIMIT, KIDNEY_DOSE_LIMIT
from pkmodels.fitting.checks import quantile_size
from pkmodels.fitting.fit import CompiledFit, Fit, compile_fit, fit
from pkmodels.fitting.posterior import form_of

# The simulator lies with the tests, since it must know nothing of pkmodels.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
import simulators  # noqa: E402  # pyright: ignore[reportMissingImports]

DRAWS_PER_CHAIN = 1000
FIXED_GBQ = 10.0
DOSE_LIMIT_GY = KIDNEY_DOSE_LIMIT.value
BED_LIMIT_GY = KIDNEY_BED_LIMIT.value
LABEL = "Y-90"

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
    "heavier kidneys": simulators.World(mass=1.1),
    "lighter kidneys": simulators.World(mass=1 / 1.1),
    "S of 90Y": simulators.World(s_y90=1.05),
}
QUANTITIES = ("tiac", "dose", "bed", "at_dose_limit", "at_bed_limit")
OF_QUANTITY = ("truth", "rank", "low", "median", "high", "error")
QUESTIONS = ("dose", "bed")
METHODS = ("stated", "residual", "biexponential")
COLUMNS = (
    *("world", "protocol", "seed", "outcome", "attempts", "tail", "before_Gy"),
    *(f"{q}_{part}" for q in QUANTITIES for part in OF_QUANTITY),
    *(f"safe_{q}_{part}" for q in QUESTIONS for part in ("GBq", "error", "reached")),
    *(f"{m}_{part}" for m in METHODS for part in ("dose", "sd", "before_Gy")),
)
Row = dict[str, str | int | float | None]


def patient_row(
    world: str,
    protocol: str,
    seed: int,
    compiled: CompiledFit | None = None,
) -> Row:
    """Return a row of patients.csv: everything that the figures are made of."""
    measured = PROTOCOLS[protocol]
    simulated = simulators.simulate(seed, measured, WORLDS[world])
    with tempfile.TemporaryDirectory() as folder:
        simulators.write_patient(Path(folder), simulated, measured)
        patient = read_patient(Path(folder))
    check_answerable(patient)
    row: Row = dict.fromkeys(COLUMNS)
    row |= {"world": world, "protocol": protocol, "seed": seed}
    row |= true_values(simulated) | classical_values(patient)
    posterior = build_posterior(patient)
    if compiled is None:
        compiled = compiled_for(protocol)
    fitted = fit(
        posterior, seed=seed, draws_per_chain=DRAWS_PER_CHAIN, compiled=compiled
    )
    row["attempts"] = fitted.checks.attempts
    if not fitted.checks.passed:
        return row | {"outcome": "fit refused: " + "; ".join(fitted.checks.reasons)}
    found = {q: assess(_asked(patient, q), fitted) for q in QUESTIONS}
    row["tail"] = float(np.median(found["dose"].exposures[LABEL]["kidneys"].tail))
    refused = found["dose"].choices[LABEL].refused
    if refused is not None:
        return row | {"outcome": "refused: " + refused}
    row |= posterior_values(fitted, found, simulated)
    return row | {"outcome": "answered"}


@cache
def compiled_for(protocol: str) -> CompiledFit:
    """Compile the sampler of a protocol, once for its patients of every world."""
    measured = PROTOCOLS[protocol]
    with tempfile.TemporaryDirectory() as folder:
        simulators.write_patient(
            Path(folder), simulators.simulate(0, measured), measured
        )
        return compile_fit(build_posterior(read_patient(Path(folder))))
