"""The command that compares models: what it decides over them, and what it refuses."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from clinic_patients import MEASUREMENTS, PATIENT, write_patient
from made_up_fit import made_up_fit
from rich.console import Console

from pkmodels.clinic import model_comparison
from pkmodels.clinic.assessment import assess
from pkmodels.clinic.averaged_choices import average_choices
from pkmodels.clinic.command_line import main
from pkmodels.clinic.model_comparison import (
    ModelComparison,
    _notes,
    compare_models,
    describe_comparison,
)
from pkmodels.clinic.patient import Waiver
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.rounding import rounded_down
from pkmodels.errors import FitRefusedError
from pkmodels.fitting.comparison import Comparison, Score
from pkmodels.fitting.fit import Fit

QUIET = Console(quiet=True)
COMPARISON = Comparison(
    "scan",
    3,
    (
        Score("organ_exchange", -20.0, 0.0, 0.0, 0, 3.1, 0.75, (0.6, 1.0), 0),
        Score("pentixather", -21.5, -1.5, 0.9, 1, 4.0, 0.25, (0.0, 0.4), 2),
    ),
)
RANGES = {score.model: score.weight_range for score in COMPARISON.scores}


def folder_of(tmp_path: Path) -> Path:
    write_patient(tmp_path, PATIENT, MEASUREMENTS)
    return tmp_path


def twice_as_large(fit: Fit) -> Fit:
    """Return the fit of a model that finds half of every mass: twice the dose."""
    variables = dict(fit.draws.variables)
    variables["mass"] = variables["mass"] / 2.0
    return replace(fit, draws=replace(fit.draws, variables=variables))


def test_two_models_decide_as_the_mixture_of_their_draws(tmp_path: Path) -> None:
    patient = read_patient(folder_of(tmp_path))
    one = made_up_fit(patient)
    fits = {"organ_exchange": one, "pentixather": twice_as_large(one)}
    assessed = {name: (fit, assess(patient, fit)) for name, fit in fits.items()}
    [found] = average_choices(patient, assessed, COMPARISON.weights, RANGES)
    reached = {}
    for name, (_, assessment) in assessed.items():
        decision = assessment.choices["Y-90"].decision
        assert decision is not None
        reached[name] = decision.activity_at_limit_GBq
    # As many draws of each as its weight says: 3 of the first to 1 of the other.
    every = np.sort(
        np.concatenate([*[reached["organ_exchange"]] * 3, reached["pentixather"]])
    )
    truth = every[every.size - int(np.ceil(0.95 * every.size))]
    assert found.activity is not None
    assert found.activity.activity_GBq == pytest.approx(truth, rel=1e-3)
    dose = found.doses["kidneys"]
    assert dose.between > 0.3
    text = describe_comparison(
        ModelComparison("test", COMPARISON, (found,), ("a note",))
    )
    assert "SAFE ACTIVITY of Y-90 over the models" in text
    assert "pentixather (weight 0.25)" in text
    assert "a note" in text
    assert "Not clinically validated" in text


def test_a_model_without_weight_does_not_count(tmp_path: Path) -> None:
    patient = read_patient(folder_of(tmp_path))
    one = made_up_fit(patient)
    assessed = {
        name: (fit, assess(patient, fit))
        for name, fit in {"a": one, "b": twice_as_large(one)}.items()
    }
    [found] = average_choices(
        patient, assessed, {"a": 1.0 - 1e-9, "b": 1e-9}, {"a": (0.5, 1.0), "b": None}
    )
    alone = assessed["a"][1].choices["Y-90"].decision
    assert found.activity is not None
    assert alone is not None
    assert found.activity.activity_GBq == alone.activity_GBq
    assert list(found.activity.by_model) == ["a"]
    # But the reader is told of it, and of what the weights of other scans would give.
    other = assessed["b"][1].choices["Y-90"].decision
    assert other is not None
    assert found.alone == {"a": alone.activity_GBq, "b": other.activity_GBq}
    [half] = average_choices(patient, assessed, {"a": 0.5, "b": 0.5}, {})
    assert half.activity is not None
    assert half.range_GBq is None
    assert found.range_GBq is not None
    expected = (half.activity.activity_GBq, alone.activity_GBq)
    assert found.range_GBq == pytest.approx(expected, rel=1e-9)
    text = describe_comparison(ModelComparison("test", COMPARISON, (found,), ()))
    least = rounded_down(other.activity_GBq)
    assert f"b (weight 0.00, not counted): {least} GBq by itself" in text
    assert f"The least of any model by itself: {least} GBq (b)" in text
    assert f"group more would give it: {rounded_down(expected[0])} to" in text


def test_weights_at_which_a_refusing_model_would_count_are_told(tmp_path: Path) -> None:
    patient = read_patient(folder_of(tmp_path))
    one = made_up_fit(patient)
    whole = assess(patient, one)
    choice = whole.choices["Y-90"]
    refusing = replace(choice, decision=None, refused="the scans end too early")
    other = replace(whole, choices={**whole.choices, "Y-90": refusing})
    [found] = average_choices(
        patient,
        {"a": (one, whole), "b": (one, other)},
        {"a": 1.0, "b": 0.0},
        {"a": (0.2, 1.0), "b": (0.0, 0.8)},
    )
    assert choice.decision is not None
    alone = choice.decision.activity_GBq
    assert found.range_GBq == pytest.approx((alone, alone), rel=1e-9)
    assert found.refusing_in_range == ("b",)
    text = describe_comparison(ModelComparison("test", COMPARISON, (found,), ()))
    assert "NO ACTIVITY at some of those weights, since b would count" in text


def test_what_one_model_refuses_is_refused(tmp_path: Path) -> None:
    patient = read_patient(folder_of(tmp_path))
    fit = made_up_fit(patient)
    assessment = assess(patient, fit)
    choice = replace(
        assessment.choices["Y-90"], decision=None, burdens={}, refused="scan later"
    )
    refusing = replace(assessment, choices={"Y-90": choice})
    assessed = {"a": (fit, assessment), "b": (fit, refusing)}
    [found] = average_choices(patient, assessed, {"a": 0.5, "b": 0.5}, {})
    assert found.activity is None
    assert found.refused == "b: scan later"
    assert ModelComparison("test", COMPARISON, (found,), ()).refused


def test_what_is_not_protected_and_what_the_files_warn_of_is_told(
    tmp_path: Path,
) -> None:
    patient = read_patient(folder_of(tmp_path))
    waived = replace(patient, waived=(Waiver("red_marrow", "stem cells stored"),))
    told = "\n".join(_notes(replace(waived, warnings=("one scan only",))))
    assert "WAIVED LIMIT: red_marrow is not protected (stem cells stored)" in told
    assert "one scan only" in told


def test_a_fit_that_failed_ends_the_comparison(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(tmp_path)
    made = made_up_fit(read_patient(folder))
    failed = replace(made, checks=replace(made.checks, reasons=("R-hat is 1.2",)))
    monkeypatch.setattr(model_comparison, "_patient_of", lambda patient, _: patient)
    monkeypatch.setattr(model_comparison, "fit_and_assess", lambda *_: (failed, None))
    with pytest.raises(FitRefusedError, match="nothing is compared: R-hat"):
        compare_models(folder, ["organ_exchange", "pentixather"], "scan", 0, QUIET)


def test_every_model_is_fitted_before_any_is_fitted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one's failure came after an hour of the first one's refits."""
    folder = folder_of(tmp_path)
    patient = read_patient(folder)
    made = made_up_fit(patient)
    failed = replace(made, checks=replace(made.checks, reasons=("R-hat is 1.2",)))
    fits = iter([(made, assess(patient, made)), (failed, None)])
    monkeypatch.setattr(model_comparison, "_patient_of", lambda patient, _: patient)
    monkeypatch.setattr(model_comparison, "fit_and_assess", lambda *_: next(fits))
    monkeypatch.setattr(model_comparison, "_validated", None)
    with pytest.raises(FitRefusedError, match="nothing is compared: R-hat"):
        compare_models(folder, ["organ_exchange", "pentixather"], "scan", 0, QUIET)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "organ_exchange"], "name at least two"),
        (["--model", "organ_exchange", "--model", "pentixath"], "did you mean"),
        (["--model", "organ_exchange"] * 2, "each once"),
        (
            ["--model", "organ_exchange", "--model", "pentixather"],
            "with the model pentixather:",
        ),
    ],
)
def test_models_that_cannot_be_compared_are_bad_input(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The patient was given DOTATATE, which pentixather does not describe."""
    assert main(["compare", str(folder_of(tmp_path)), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
