"""The study of simulated pentixather patients: its folder, its table, one anew."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from pkmodels.clinic.answerable import check_answerable
from pkmodels.clinic.patient_files import read_patient


@pytest.fixture(scope="module")
def study(repository: Path) -> ModuleType:
    # Other studies are called study.py, too.
    path = repository / "studies" / "simulated_pentixather" / "study.py"
    spec = importlib.util.spec_from_file_location("simulated_pentixather", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_folder_is_the_first_simulated_patient(study: ModuleType) -> None:
    check_answerable(read_patient(study.HERE))
    written = (study.HERE / "measurements.csv").read_text("utf-8")
    assert written == study.scans(study.truth_of(0), 0)


def test_intervals_hold_the_truth_of_most_patients(study: ModuleType) -> None:
    rows = [row for row in study.read_table() if row["region"]]
    patients = {row["seed"] for row in rows}
    assert len(patients) >= 8
    held = [float(r["low"]) <= float(r["truth_h"]) <= float(r["high"]) for r in rows]
    # Regions of one patient share a calibration: patients, not rows, are independent.
    assert sum(held) >= 0.85 * len(held)


def test_truths_are_those_of_the_model(study: ModuleType) -> None:
    rows = study.read_table()
    seed = int(rows[-1]["seed"])
    planned = study.tiac_h(study.truth_of(seed), study.PLANNED_UG)
    linear = study.tiac_h(study.truth_of(seed), study.MEASURED_UG)
    for row in rows:
        if int(row["seed"]) == seed:
            assert float(row["truth_h"]) == pytest.approx(planned[row["region"]], 1e-3)
            assert float(row["linear_h"]) == pytest.approx(linear[row["region"]], 1e-3)


def test_the_readme_says_what_the_table_does(study: ModuleType) -> None:
    readme = (study.HERE / "README.md").read_text("utf-8")
    for line in study.summary(study.read_table()).splitlines():
        assert line in readme


@pytest.mark.slow
def test_a_patient_fitted_anew_is_that_of_the_table(study: ModuleType) -> None:
    rows = [row for row in study.read_table() if row["seed"] == "0"]
    found, _ = study.rows_of(0, None)
    for row, again in zip(rows, found, strict=True):
        # Another processor takes other steps: the draws differ by their noise.
        for level in ("low", "median", "high"):
            assert float(again[level]) == pytest.approx(float(row[level]), rel=0.03)
