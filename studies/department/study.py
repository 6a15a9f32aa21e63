"""A department's patients as the prior of its next ones: what is gained, and at risk.

    python studies/department/study.py cohort      # 20 patients; resumable
    python studies/department/study.py patients    # new ones, with and without

Patients are simulated by `tests/simulated_department.py`, which imports nothing of
pkmodels. New ones have one scan or two; some are of another population, whose kidneys
release three times more slowly. Written: `cohort_prior.toml`, `patients.csv`.
"""

import argparse
import csv
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "tests"))

import simulated_department as department  # noqa: E402  # pyright: ignore[reportMissingImports]

from pkmodels.clinic.cohort_prior import check_usable  # noqa: E402
from pkmodels.clinic.cohort_prior_file import read_cohort_prior  # noqa: E402
from pkmodels.clinic.many_patients import do_cohort  # noqa: E402
from pkmodels.clinic.patient_files import read_patient  # noqa: E402
from pkmodels.clinic.workflow import fit_and_assess  # noqa: E402
from pkmodels.fitting.learning import contraction  # noqa: E402

MEMBERS = 20
PRIOR = HERE / "cohort_prior.toml"
TABLE = HERE / "patients.csv"
SCANS_H = {
    "24 h": (24.0,), "72 h": (72.0,), "24 and 72 h": (24.0, 72.0),
    "4 and 72 h": (4.0, 72.0),
}  # fmt: skip
FIRST_NEW, NEW, SLOW = 1000, 5, 3
# Of the activity that the kidneys' dose allows, whatever the rules say of it.
CONFIDENCE = 0.95
HALF_LIFE = "biological_half_life_kidney_left"
LABELS = ("Y-90", "Lu-177")
COLUMNS = (
    "patient", "scans", "kidney_half_life", "prior",
    *(f"{what} {label}" for label in LABELS
      for what in ("true_Gy_per_GBq", "median", "lo95", "hi95", "over_safe")),
    "told_half_life", "refused", "beyond_prior", "checks",
)  # fmt: skip


def learn(work):
    people = work / "department"
    for seed in range(MEMBERS):
        if not (people / f"P{seed:02d}").exists():
            department.write(people / f"P{seed:02d}", seed)
    text, _ = do_cohort(
        people, work / "out", 0, workers=0, scheduler=None, retry_failed=False,
        prior_out=PRIOR,
    )  # fmt: skip
    print(text)


def patients(work):
    prior = read_cohort_prior(PRIOR)
    done = set()
    if TABLE.exists():
        rows = list(csv.DictReader(TABLE.open()))
        done = {(r["patient"], r["scans"], r["prior"]) for r in rows}
    else:
        TABLE.write_text(",".join(COLUMNS) + "\n")
    for used in ("cohort", "own"):
        # One form after another: each is compiled once.
        for scans, times in SCANS_H.items():
            for number in range(NEW + SLOW):
                seed, slow = FIRST_NEW + number, number >= NEW
                if (str(seed), scans, used) in done:
                    continue
                row = one(work, seed, scans, times, 3.0 if slow else 1.0, used, prior)
                with TABLE.open("a", newline="") as file:
                    writer: Any = csv.DictWriter(file, COLUMNS)
                    writer.writerow(row)
                print(row, flush=True)


def one(work, seed, scans, times, factor, used, prior):
    folder = work / "new" / f"{seed}_at_{'_'.join(f'{t:g}' for t in times)}_h"
    truth = department.simulate(seed, times, kidney_factor=factor)
    if not folder.exists():
        department.write(folder, seed, times, kidney_factor=factor)
    patient = read_patient(folder)
    if used == "cohort":
        patient = replace(patient, cohort_prior=prior)
        check_usable(patient)
    fit, found = fit_and_assess(
        patient, 0, Console(quiet=True), {}, folder / "unfinished"
    )
    # The decision that a physicist would see.
    refused = (
        "fit" if found is None
        else (found.planned["Y-90"].refused or "").replace("\n", " ")
    )  # fmt: skip
    row = {
        "patient": seed,
        "scans": scans,
        "kidney_half_life": f"x {factor:g}",
        "prior": used,
        "told_half_life": f"{contraction(fit)[HALF_LIFE]:.2f}",
        "refused": " ".join(
            name
            for name, words in (
                ("tail", "after the last scan"),
                ("cohort", "the cohort speaks"),
            )
            if words in refused
        ),
        "beyond_prior": " ".join(
            f"{name}:{share:.2f}" for name, share in fit.checks.beyond_prior.items()
        ),
        "checks": "; ".join([*fit.checks.reasons, *fit.checks.warnings]) or "passed",
    }
    if found is None:
        return row
    for label in LABELS:
        true = truth.kidney_dose_Gy_per_GBq[label]
        dose = found.exposures[label]["kidneys"].dose_Gy_per_GBq
        assert dose is not None, "kidneys have S-values of both"
        low, median, high = np.quantile(dose, (0.025, 0.5, 0.975))
        # The activity that the draws allow, over the one that is safe.
        over = true / np.quantile(dose, CONFIDENCE)
        told = {"true_Gy_per_GBq": true, "median": median, "lo95": low, "hi95": high}
        told["over_safe"] = over
        row |= {f"{what} {label}": f"{x:.4g}" for what, x in told.items()}
    return row


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=("cohort", "patients"))
    parser.add_argument("--work", type=Path, default=HERE / "out")
    asked = parser.parse_args()
    {"cohort": learn, "patients": patients}[asked.step](asked.work)
