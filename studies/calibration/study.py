"""Simulated patients: are their truths where the draws say, uniformly?

    python studies/calibration/study.py default --workers 2
    python studies/calibration/study.py default_again --workers 2
    python studies/calibration/study.py pentixather --workers 2

Stop it at will and start it again: what is done is not done twice. At the end it writes
ranks_<which>.csv beside itself; `figures.py` draws them and writes the README's tables.
A part alone (`--first 100 --patients 100`) replaces its own rows of the table.

Patients of the default are drawn and measured by tests/simulators.py, which imports
nothing of pkmodels; those of pentixather by the package, as `pkmodels calibrate` does.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np

from pkmodels.clinic.answerable import check_answerable
from pkmodels.clinic.calibration_table import ranks_table
from pkmodels.clinic.folder_digests import digest_folder
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.question import build_posterior
from pkmodels.clinic.simulated_patients import (
    Measured,
    draw_truth,
    fit_measured,
    measure,
    write_example,
)
from pkmodels.cohorts.calibration import (
    Found,
    Truth,
    calibrate,
    read_calibration,
)
from pkmodels.cohorts.runs import Progress

HERE = Path(__file__).resolve().parent
SIMULATORS = HERE.parents[1] / "tests" / "simulators.py"
sys.path.insert(0, str(SIMULATORS.parent))
import simulators  # noqa: E402  # pyright: ignore[reportMissingImports]

# 200 MBq: what Haenscheid et al., J Nucl Med 2022, gave for dosimetry.
PROTOCOL = simulators.Protocol("pentixather", 200.0, (4.0, 24.0, 96.0))
PATIENTS = {
    "default": range(500),
    "default_again": range(500, 1000),
    "pentixather": range(200),
}
# A fit of `default` begins from random numbers that its truth was drawn with, too.
_APART = 1_000_000


def true_patient(number: int) -> Truth:
    """Draw and measure one patient by the simulator alone."""
    simulated = simulators.simulate(number, PROTOCOL)
    # What `simulate` begins with, of the same random numbers.
    truth = simulators.draw_truth(np.random.default_rng(number), PROTOCOL.ligand)
    odds = truth.fractions / (1.0 - truth.fractions.sum())
    values = {
        "kinetics: blood_half_time": np.log(2.0) / truth.blood_rate,
        "calibration: SPECT": truth.calibration,
        "relative_noise: SPECT": np.sqrt(truth.noise**2 - simulators.MINIMUM_NOISE**2),
    }
    for i, region in enumerate(simulators.REGIONS):
        half_life = np.log(2.0) / truth.rates[i, 0]
        values[f"kinetics: biological_half_life_{region}"] = half_life
        values[f"uptake_odds: fraction_{region}"] = odds[i]
        values[f"mass: {region}"] = truth.masses[region]
    for label in simulators.LAMBDA:
        values[f"TIAC {label} kidneys"] = simulated.kidney_tiac_h[label]
        values[f"dose {label} kidneys"] = simulated.kidney_dose_Gy_per_GBq[label]
    return Truth({name: float(value) for name, value in values.items()}, simulated)


def measured_patient(truth: Truth, number: int) -> Measured:
    """Read the files that a physicist would have written of one patient."""
    with tempfile.TemporaryDirectory() as folder:
        simulators.write_patient(Path(folder), truth.state, PROTOCOL)
        patient = read_patient(Path(folder))
    check_answerable(patient)
    return Measured(patient, build_posterior(patient))


def fit_apart(measured: Measured, number: int) -> Found:
    """Fit with random numbers that have nothing to do with the truth's."""
    return fit_measured(measured, number + _APART)


def show(progress: Progress) -> None:
    """Print a line, every tenth patient."""
    if progress.done % 10 == 0 or progress.done == progress.total:
        left = progress.seconds_left
        told = "" if left is None else f", about {left / 60.0:.0f} min left"
        print(f"{progress.done} of {progress.total}{told}", flush=True)


def merge(earlier: str, table: str, numbers: Iterable[int]) -> str:
    """Put a table of these numbers in the place of their rows in an earlier one."""
    head, *rows = table.splitlines()
    replaced = set(map(str, numbers))
    rows += [x for x in earlier.splitlines()[1:] if x.split(",")[0] not in replaced]
    return "\n".join([head, *sorted(rows, key=lambda x: int(x.split(",")[0]))]) + "\n"


def main() -> None:
    """Run what is lacking, and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("which", choices=PATIENTS)
    parser.add_argument("--first", type=int, default=0, help="place of the first")
    parser.add_argument("--patients", type=int, help="how many")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, default=HERE / "out")
    chosen = parser.parse_args()
    which, folder = chosen.which, chosen.out / chosen.which
    numbers = PATIENTS[which][chosen.first :][: chosen.patients]
    if which != "pentixather":
        fit = fit_measured if which == "default" else fit_apart
        steps = (true_patient, measured_patient, fit)
    else:
        example = write_example("pentixather", chosen.out / "example")
        of = (str(example), digest_folder(example))
        steps = (partial(draw_truth, *of), partial(measure, *of), fit_measured)
    calibrate(
        *steps,
        numbers,
        folder,
        workers=chosen.workers,
        sources=[SIMULATORS],
        progress=show,
    )
    found = read_calibration(folder, numbers)
    table = HERE / f"ranks_{which}.csv"
    earlier = table.read_text("utf-8") if table.exists() else ""
    table.write_text(merge(earlier, ranks_table(found), numbers), "utf-8")
    print(f"refused {len(found.refused)}, failed {len(found.failed)}; "
          f"CPU a patient: median {np.median(found.cpu_seconds):.1f} s, "
          f"sum {found.cpu_seconds.sum() / 3600.0:.2f} h")  # fmt: skip


if __name__ == "__main__":
    main()
