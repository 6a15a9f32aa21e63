"""What `compare` writes, and that an interrupted one goes on from its refits."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from clinic_patients import MEASUREMENTS, PATIENT, write_patient
from made_up_fit import made_up_fit
from rich.console import Console

from pkmodels.clinic import compiled_fits, model_comparison
from pkmodels.clinic.assessment import assess
from pkmodels.clinic.comparison_format import ComparisonResult
from pkmodels.clinic.comparison_page import comparison_page, write_comparison
from pkmodels.clinic.model_comparison import (
    ModelComparison,
    _validated,
    average_choices,
)
from pkmodels.clinic.patient import Patient
from pkmodels.clinic.patient_files import read_patient
from pkmodels.errors import InputError
from pkmodels.fitting import cross_validation
from pkmodels.fitting.comparison import compare
from pkmodels.fitting.cross_validation import CrossValidation, How, LeftOut
from pkmodels.fitting.fit import Fit
from pkmodels.fitting.row_groups import By, RowGroup

MODELS = ("organ_exchange", "pentixather")


@pytest.fixture(scope="module")
def patient(tmp_path_factory) -> Patient:
    folder = write_patient(tmp_path_factory.mktemp("p"), PATIENT, MEASUREMENTS)
    return read_patient(folder)


def validation(
    elpds: list[float], khat: float, how: How, error: float | None = None
) -> CrossValidation:
    left = tuple(
        LeftOut(RowGroup(f"SPECT at {t} h", (i,)), elpd, elpd + 1.0, khat, how, error)
        for i, (t, elpd) in enumerate(zip((24, 96), elpds, strict=True))
    )
    return CrossValidation(By.SCAN, left, 0.7, "the same")


@pytest.fixture(scope="module")
def found(patient: Patient) -> ModelComparison:
    one = made_up_fit(patient)
    variables = dict(one.draws.variables)
    variables["mass"] = variables["mass"] / 2.0  # twice the dose
    other = replace(one, draws=replace(one.draws, variables=variables))
    fits = dict(zip(MODELS, (one, other), strict=True))
    assessed = {name: (fit, assess(patient, fit)) for name, fit in fits.items()}
    validations = {
        MODELS[0]: validation([-3.0, -5.0], 0.41, How.IMPORTANCE),
        MODELS[1]: validation([-4.0, -4.5], np.nan, How.REFIT, 0.07),
    }
    comparison = compare(validations)
    return ModelComparison(
        patient.id,
        comparison,
        average_choices(patient, assessed, comparison.weights, {}),
        ("a note of the file",),
        validations,
        assessed,
        patient,
        dict.fromkeys(MODELS, patient),
    )


def test_every_number_of_a_comparison_is_in_its_file(
    found: ModelComparison, tmp_path: Path
):
    write_comparison(tmp_path, found)
    kept = json.loads((tmp_path / "comparison.json").read_text("utf-8"))
    read = ComparisonResult.model_validate(kept)
    best, other = (read.models[name] for name in MODELS)
    assert best.elpd == -8.0
    assert other.difference == pytest.approx(-0.5)
    assert other.standard_error is None  # two groups are too few for one
    assert other.better_in == 1
    assert other.refits == 2
    assert other.groups["SPECT at 96 h"].khat is None
    assert other.groups["SPECT at 96 h"].monte_carlo_error == 0.07
    assert other.groups["SPECT at 96 h"].how == "refit"
    assert best.weight + other.weight == pytest.approx(1.0)
    answer, [choice] = read.labels["Y-90"], found.choices
    assert choice.activity is not None
    assert answer.activity_GBq == choice.activity.activity_GBq
    assert answer.dose_Gy_per_GBq["kidneys"].share_of_model_choice > 0.3
    doses = [answer.by_model[n].dose_Gy_per_GBq["kidneys"].median for n in MODELS]
    # Electrons go with 1 / mass; photons and doses from elsewhere do less.
    assert doses[1] == pytest.approx(2.0 * doses[0], rel=0.01)
    for name in MODELS:
        alone = found.assessed[name][1].choices["Y-90"].decision
        assert alone is not None
        assert answer.by_model[name].activity_GBq == alone.activity_GBq
    assert read.waived == {"red_marrow": "no marrow data"}
    assert "a note of the file" in read.cautions
    assert any("too few for a standard error" in text for text in read.cautions)
    page = (tmp_path / "comparison.html").read_text("utf-8")
    for text in (
        "±0.07 *",
        "over all models",
        "Waived limits",
        "a note of the file",
        "Name and signature",
        "Not clinically validated",
        "too few",
    ):
        assert text in page
    # Nothing is fetched and nothing runs.
    assert "<script" not in page
    assert "://" not in page


def test_a_label_without_an_activity_says_why(found: ModelComparison):
    [choice] = found.choices
    refused = replace(choice, activity=None, refused="pentixather: scan later")
    from pkmodels.clinic.comparison_page import comparison_result

    result = comparison_result(replace(found, choices=(refused,)))
    assert result.labels["Y-90"].missing == "pentixather: scan later"
    page = comparison_page(result)
    assert "NO ACTIVITY is given" in page
    assert "pentixather: scan later" in page
    with pytest.raises(InputError, match="no patient and no fits"):
        comparison_result(replace(found, assessed={}))


def test_an_interrupted_comparison_goes_on_from_the_folders_of_its_refits(
    patient: Patient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Each refit has a folder of its own, and the same one when asked again."""
    made = made_up_fit(patient)
    asked: list[str] = []

    def drawn(reduced, compiled, seed, draws, console, kept: Path) -> Fit:
        asked.append(kept.name)
        assert kept.parent == tmp_path
        if len(asked) == 2:
            raise KeyboardInterrupt
        return made

    def refused(log_likelihood, groups, variables):
        left = [LeftOut(g, None, -1.0, 2.0, How.REFUSED) for g in groups]
        return left, 0.7

    class Compiled:
        form = "0123456789"

    monkeypatch.setattr(model_comparison, "sample", drawn)
    monkeypatch.setattr(compiled_fits, "compile_once", lambda _: Compiled())
    monkeypatch.setattr(cross_validation, "leave_out", refused)
    monkeypatch.setattr(
        cross_validation, "log_likelihood_of", lambda _: np.zeros((4, 500, 6))
    )
    monkeypatch.setattr(
        cross_validation, "log_likelihood_without", lambda *_: np.full((4, 500), -2.0)
    )
    console = Console(quiet=True)
    with pytest.raises(KeyboardInterrupt):
        _validated(patient, made, "scan", console, tmp_path)
    found = _validated(patient, made, "scan", console, tmp_path)
    assert [left.how for left in found.left_out] == [How.REFIT, How.REFIT]
    assert asked[:2] == asked[2:]
    assert len(set(asked)) == 2
