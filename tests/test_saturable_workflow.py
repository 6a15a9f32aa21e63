"""The whole command on patients whose model saturates, whose truth is known."""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
from clinic_patients import write_patient
from rich.console import Console

from pkmodels import Administration, Schedule, assemble, simulate
from pkmodels.clinic.workflow import EXIT_DONE, run
from pkmodels.models import dotatate_pbpk
from pkmodels.time_integrals import integrate_observables
from pkmodels.values import typical

REGIONS = {"kidneys": "kidneys", "spleen": "spleen"}
SCANS_H = np.array([4.0, 24.0, 48.0, 96.0, 168.0])
DOTATATE = """\
format = "pkmodels-patient/1"
[patient]
id = "dotatate"
sex = "male"
[[administration]]
time_h = 0.0
duration_h = 0.5
ligand = "dotatate"
label = "Lu-177"
activity_MBq = 200.0
ligand_mass_ug = 100.0
[regions.kidneys]
organ = "kidneys"
mass_g = 310.0
mass_cv = 0.05
[regions.spleen]
organ = "spleen"
mass_g = 150.0
mass_cv = 0.05
[calibration.SPECT]
scope = "modality"
cv = 0.05
[[plan]]
ligand = "dotatate"
label = "Lu-177"
duration_h = 0.5
ligand_mass_ug = 200.0
[limits.kidneys]
absorbed_dose_Gy = 23.0
[limits.red_marrow]
waived = true
reason = "simulated"
[decision]
confidence = 0.95
model = "dotatate_pbpk"
"""


def quiet() -> Console:
    return Console(file=sys.stderr, quiet=True)


def tiacs(out: Path, label: str) -> dict[str, tuple[float, float]]:
    """Return the 95 % interval of each region's TIAC, h."""
    with (out / "summary.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["target"]: (float(row["lo95"]), float(row["hi95"]))
            for row in csv.DictReader(file)
            if row["label"] == label and row["quantity"] == "TIAC"
        }


@pytest.mark.slow
def test_a_simulated_pentixather_patient_is_answered(
    repository: Path, tmp_path: Path
) -> None:
    folder = repository / "studies" / "simulated_pentixather"
    output = run(folder, tmp_path, 0, quiet())
    assert output.exit_code == EXIT_DONE
    with (folder / "patients.csv").open(encoding="utf-8", newline="") as file:
        truths = [row for row in csv.DictReader(file) if row["seed"] == "0"]
    found = tiacs(tmp_path, "Y-90")
    assert len(truths) == 5
    for row in truths:
        low, high = found[row["region"]]
        assert low < float(row["truth_h"]) < high


def given(mass_ug: float) -> Schedule:
    dose = Administration(
        0.0,
        0.5,
        "dotatate",
        "Lu-177",
        200.0,
        ligand_mass_ug=mass_ug,
        molar_mass_g_per_mol=1435.6,
    )
    return Schedule((dose,))


@pytest.mark.slow
def test_a_dotatate_body_of_exact_scans_gives_back_its_dose_at_another_mass(
    tmp_path: Path,
) -> None:
    model = dotatate_pbpk.model(REGIONS)
    values = typical(dotatate_pbpk.values(REGIONS))
    values |= {"volume_kidneys": 0.31, "volume_spleen": 0.15}
    values |= {"receptor_density_spleen": 12.0, "release": 0.008}
    measured = given(100.0)
    curves = simulate(
        assemble(model, measured.form), values, measured, SCANS_H
    ).observables
    rows = ["region,label,modality,start_h,end_h,value,unit,sd,decay_corrected_to_h"]
    for region in REGIONS:
        rows += [
            f"{region},Lu-177,SPECT,{time:g},,{value:.6g},MBq,,"
            for time, value in zip(SCANS_H, curves[region], strict=True)
        ]
    folder = write_patient(tmp_path / "patient", DOTATATE, "\n".join(rows) + "\n")
    output = run(folder, tmp_path / "out", 0, quiet())
    assert output.exit_code == EXIT_DONE
    planned = given(200.0)
    truth = integrate_observables(
        assemble(model, planned.form), values, planned, "Lu-177", tuple(REGIONS)
    ).values
    found = tiacs(tmp_path / "out", "Lu-177")
    for region in REGIONS:
        low, high = found[region]
        assert low < truth[region] / 200.0 < high
