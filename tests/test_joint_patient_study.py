"""The folder of joint data: in order, as its script made it, with its truth."""

import csv
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from pkmodels.clinic.answerable import check_answerable
from pkmodels.clinic.patient_files import read_patient
from pkmodels.measurements import Quantity


@pytest.fixture(scope="module")
def folder(repository: Path) -> Path:
    return repository / "studies" / "joint_patient"


@pytest.fixture(scope="module")
def study(folder: Path) -> ModuleType:
    # Other studies are called study.py, too.
    path = folder / "study.py"
    spec = importlib.util.spec_from_file_location("joint_patient", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_folder_can_be_answered(folder: Path) -> None:
    check_answerable(read_patient(folder))


def test_the_folder_is_read_as_it_was_simulated(folder: Path) -> None:
    patient = read_patient(folder)
    pet, dosimetry = patient.occasions
    assert (pet.name, pet.schedule.ligands) == ("PET", ("pentixafor",))
    assert (dosimetry.start_h, dosimetry.schedule.ligands) == (48.0, ("pentixather",))
    kinds = [
        (m.modality, m.quantity, patient.occasion_of(m)) for m in patient.measurements
    ]
    assert kinds.count(("PET", Quantity.CONCENTRATION, pet)) == 10
    assert kinds.count(("planar", Quantity.ACTIVITY, dosimetry)) == 20
    assert kinds.count(("SPECT", Quantity.ACTIVITY, dosimetry)) == 5
    assert kinds.count(("well counter", Quantity.PER_LITRE, dosimetry)) == 7
    largest = {m.region for m in patient.measurements if m.maximum}
    assert largest == {"tumour_iliac"}
    assert [m.start_h for m in patient.measurements if m.below] == [192.0]


def test_the_readme_holds_the_truth(folder: Path) -> None:
    with (folder / "truth.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["what"] != "parameter"]
    planned, linear = (
        {row["name"]: row["value"] for row in rows if row["what"].endswith(ug)}
        for ug in ("250 ug", "75 ug")
    )
    assert len(planned) == 6
    readme = (folder / "README.md").read_text("utf-8")
    for name, value in planned.items():
        assert f"| {name} | {value} h | {linear[name]} h |" in readme


@pytest.mark.slow
def test_the_script_makes_the_folder(folder: Path, study: ModuleType) -> None:
    assert (folder / "measurements.csv").read_text("utf-8") == study.measurements()
    assert (folder / "truth.csv").read_text("utf-8") == study.truths()
