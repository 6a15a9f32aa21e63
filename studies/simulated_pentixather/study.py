"""Simulated patients of the model pentixather: do the fits' intervals hold the truth?

    python studies/simulated_pentixather/study.py --patients 12

Adds to patients.csv what it lacks, one simulated patient after another, and prints how
many of the intervals hold their truth. The first patient is this folder's own.
"""

import argparse
import csv
import tempfile
from pathlib import Path

import numpy as np

from pkmodels import Administration, Schedule, assemble, simulate
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.patient_models import own_volumes_L
from pkmodels.clinic.question import build_posterior, draws_per_chain
from pkmodels.clinic.syringes import syringe_of, unit_dose
from pkmodels.fitting.fit import CompiledFit, compile_fit, fit
from pkmodels.fitting.prediction import predict
from pkmodels.models import pentixather
from pkmodels.models.values import LIGANDS
from pkmodels.time_integrals import integrate_observables
from pkmodels.values import draw_values

HERE = Path(__file__).parent
TABLE = HERE / "patients.csv"
COLUMNS: tuple[str, ...] = (
    "seed",
    "checks",
    "region",
    "truth_h",
    "linear_h",
    "low",
    "median",
    "high",
)
REGIONS = {
    "kidney_left": "kidney",
    "kidney_right": "kidney",
    "liver": "liver",
    "spleen": "spleen",
    "tumour_iliac": "tumour",
}
SCANS_H = np.array([4.0, 24.0, 48.0, 96.0, 168.0])
# Scatter of a scan, and the sd of the calibration that all scans share (the file's).
SCATTER, CALIBRATION = 0.05, 0.05
MEASURED_UG, PLANNED_UG = 75.0, 250.0
LEVELS = (0.025, 0.5, 0.975)
HEADER = "region,label,modality,start_h,end_h,value,unit,sd,decay_corrected_to_h"


def truth_of(seed: int) -> dict[str, float]:
    """Draw a patient: every prior varies, those that a fit will hold among them."""
    known = pentixather.values(REGIONS)
    drawn = {name: float(x[0]) for name, x in draw_values(known, 1, seed).items()}
    # What the file states of this body.
    patient = read_patient(HERE)
    for name, volume_L in own_volumes_L(patient).items():
        if f"volume_{name}" in drawn:
            drawn[f"volume_{name}"] = volume_L
    return drawn


def given(label: str, mass_ug: float, length_h: float, MBq: float) -> Schedule:
    """Return one administration of pentixather."""
    molar_mass = LIGANDS["pentixather"].molar_mass_g_per_mol.value
    dose = Administration(
        0.0,
        length_h,
        "pentixather",
        label,
        MBq,
        ligand_mass_ug=mass_ug,
        molar_mass_g_per_mol=molar_mass,
    )
    return Schedule((dose,))


def tiac_h(truth: dict[str, float], mass_ug: float) -> dict[str, float]:
    """Return the true TIAC of 90Y in each region with some mass of ligand, h."""
    schedule = given("Y-90", mass_ug, 0.5, 1.0)
    system = assemble(pentixather.model(REGIONS), schedule.form)
    found = integrate_observables(system, truth, schedule, "Y-90", tuple(REGIONS))
    return {name: found.values[name] for name in REGIONS}


def scans(truth: dict[str, float], seed: int) -> str:
    """Return what SPECT would measure of a patient, as measurements.csv."""
    schedule = given("Lu-177", MEASURED_UG, 0.25, 200.0)
    system = assemble(pentixather.model(REGIONS), schedule.form)
    curves = simulate(system, truth, schedule, SCANS_H).observables
    generator = np.random.default_rng([seed, 1])
    factor = np.exp(CALIBRATION * generator.standard_normal())
    lines = [HEADER]
    for region in REGIONS:
        seen = curves[region] * factor
        seen = seen * np.exp(SCATTER * generator.standard_normal(seen.size))
        lines += [
            f"{region},Lu-177,SPECT,{time:g},,{value:.4g},MBq,,"
            for time, value in zip(SCANS_H, seen, strict=True)
        ]
    return "\n".join(lines) + "\n"


def rows_of(
    seed: int, compiled: CompiledFit | None
) -> tuple[list[dict[str, object]], CompiledFit]:
    """Measure and fit one patient; hold what is predicted against the truth."""
    truth = truth_of(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "patient.toml").write_text((HERE / "patient.toml").read_text("utf-8"))
        (folder / "measurements.csv").write_text(scans(truth, seed))
        patient = read_patient(folder)
    posterior = build_posterior(patient)
    compiled = compiled or compile_fit(posterior)
    each = draws_per_chain(patient.confidence, saturable=True)
    fitted = fit(posterior, seed=seed, draws_per_chain=each, compiled=compiled)
    planned, linear = tiac_h(truth, PLANNED_UG), tiac_h(truth, MEASURED_UG)
    row: dict[str, object] = {"seed": seed, "checks": "; ".join(fitted.checks.reasons)}
    if not fitted.checks.passed:
        return [row], compiled
    unit = unit_dose(syringe_of(patient, patient.plans[0]))
    found = predict(posterior.compiled, fitted.parameters(), unit, SCANS_H[-1])
    quantiles = np.quantile(found.time_integrals, LEVELS, axis=0)
    shares = {"truth_h": planned, "linear_h": linear}
    rows = [
        row
        | {"region": region}
        | {column: f"{of[region]:.5g}" for column, of in shares.items()}
        | {
            level: f"{value:.5g}"
            for level, value in zip(COLUMNS[-3:], quantiles[:, column], strict=True)
        }
        for column, region in enumerate(found.observables)
    ]
    return rows, compiled


def read_table() -> list[dict[str, str]]:
    """Return what is known of all patients."""
    if not TABLE.exists():
        return []
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def summary(rows: list[dict[str, str]]) -> str:
    """Say how many patients were answered, and how many intervals hold the truth."""
    answered = [row for row in rows if row["region"]]
    lines = [
        f"patients: {len({row['seed'] for row in rows})}, "
        f"refused: {len(rows) - len(answered)}"
    ]
    for region in REGIONS:
        own = [row for row in answered if row["region"] == region]
        held = [
            r for r in own if float(r["low"]) <= float(r["truth_h"]) <= float(r["high"])
        ]
        lines.append(f"{region}: {len(held)} of {len(own)} intervals hold the truth")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Fit simulated patients")
    parser.add_argument("--patients", type=int, default=0, help="how many in all")
    wanted = parser.parse_args().patients
    done = {int(row["seed"]) for row in read_table()}
    compiled = None
    for seed in range(wanted):
        if seed in done:
            continue
        rows, compiled = rows_of(seed, compiled)
        is_new = not TABLE.exists()
        with TABLE.open("a", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
            if is_new:
                writer.writeheader()
            writer.writerows(rows)
        print(f"patient {seed} of {wanted}", flush=True)
    print(summary(read_table()))


if __name__ == "__main__":
    main()
