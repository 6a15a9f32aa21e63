"""The folder of joint data: in order, as its script made it, with its truth."""

import csv
import importlib.util
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pkmodels.clinic import occasions
from pkmodels.clinic.answerable import check_answerable
from pkmodels.clinic.patient import Patient
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.patient_models import PatientModel, patient_model
from pkmodels.clinic.question import build_posterior
from pkmodels.fitting.expectations import row_means
from pkmodels.measurements import Quantity
from pkmodels.values import Certainty, Value


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


@pytest.mark.slow
def test_the_model_at_the_truth_predicts_what_was_written(
    folder: Path, study: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Units, decay and times of every row: only noise and scales are between them."""
    truth = study.truth()

    def at_the_truth(patient: Patient, ligand: str) -> PatientModel:
        chosen = patient_model(patient, ligand)
        held = {
            name: Value(truth[name], known.unit, "truth", Certainty.STATED)
            for name, known in chosen.held.items()
        }
        return replace(chosen, held=held)

    monkeypatch.setattr(occasions, "patient_model", at_the_truth)
    patient = read_patient(folder)
    posterior = build_posterior(patient)
    seen = posterior.observations
    kinetics = {e.name: e.compiled for e in posterior.experiments}
    vectors = [
        np.array([truth[name] for name in each.compiled.parameters])
        for each in posterior.experiments
    ]
    means = np.asarray(row_means(kinetics, seen)(*vectors))
    masses = {region.name: region.mass_g for region in patient.regions}
    mass = np.array([1.0, *(masses[region] for region in seen.weighed)])[seen.mass]
    expected = means * seen.factor * mass**-seen.mass_exponent
    ratios: dict[str, list[float]] = {}
    for item, mean in zip(seen.measurements, expected, strict=True):
        if item.below:
            assert mean < item.value
            continue
        of_region = item.modality == "planar" or item.maximum
        name = f"{item.modality} {item.region}" if of_region else item.modality
        ratios.setdefault(name, []).append(np.log(item.value / mean))
    assert sum(map(len, ratios.values())) == 41
    for name, found in ratios.items():
        [modality] = [each for each in study.SCATTER if name.startswith(each)]
        assert np.ptp(found) < 5.0 * study.SCATTER[modality], name
        if name in study.CALIBRATION:
            assert abs(np.mean(found)) < 3.0 * study.CALIBRATION[name], name
