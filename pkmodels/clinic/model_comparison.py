"""Comparison of models for one patient: which predicts the scans, and what is safe."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from pkmodels.clinic.answerable import check_answerable
from pkmodels.clinic.patient import Patient
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.patient_models import MODELS, saturates, with_amounts
from pkmodels.clinic.result_format import NOT_VALIDATED
from pkmodels.clinic.rounding import rounded, rounded_down
from pkmodels.clinic.workflow import UNFINISHED, check_writable, fit_and_assess, sample
from pkmodels.errors import FitRefusedError, InputError, suggest

if TYPE_CHECKING:
    from pkmodels.clinic.assessment import Assessment, Choice
    from pkmodels.decision.model_averages import AveragedActivity, ModelAverage
    from pkmodels.fitting.comparison import Comparison
    from pkmodels.fitting.cross_validation import CrossValidation
    from pkmodels.fitting.fit import Fit
    from pkmodels.fitting.posterior import Posterior

_LEAST_WEIGHT = 1e-6


@dataclass(frozen=True, eq=False)
class AveragedChoice:
    """What several models say of one planned label together.

    Parameters
    ----------
    label : str
        The label.
    activity : AveragedActivity or None
        None where `refused` says why none is given.
    doses : mapping of str to ModelAverage
        Absorbed dose per activity (Gy/GBq) by limited target, where it is known.
    refused : str or None
        Why no activity is given.
    """

    label: str
    activity: "AveragedActivity | None"
    doses: "Mapping[str, ModelAverage]"
    refused: str | None


@dataclass(frozen=True, eq=False)
class ModelComparison:
    """Several models fitted to one patient.

    Parameters
    ----------
    patient_id : str
        The patient's pseudonym.
    comparison : Comparison
        Which predicts best what it is not shown.
    choices : tuple of AveragedChoice
        Of every planned label.
    notes : tuple of str
        What the reader must know besides.
    validations : mapping of str to CrossValidation
        By model: what each says of every group that it is not shown.
    assessed : mapping of str to (Fit, Assessment)
        By model.
    patient : Patient or None
        The patient, as the file has it.
    patients : mapping of str to Patient
        As asked of each model.
    """

    patient_id: str
    comparison: "Comparison"
    choices: tuple[AveragedChoice, ...]
    notes: tuple[str, ...]
    validations: "Mapping[str, CrossValidation]" = field(default_factory=dict)
    assessed: "Mapping[str, tuple[Fit, Assessment]]" = field(default_factory=dict)
    patient: Patient | None = None
    patients: Mapping[str, Patient] = field(default_factory=dict)

    @property
    def refused(self) -> bool:
        """Whether any planned label has no activity."""
        return any(choice.refused is not None for choice in self.choices)


def compare_models(
    folder: Path,
    models: Sequence[str],
    by: str,
    seed: int,
    console: Console,
    out: Path | None = None,
) -> ModelComparison:
    """Fit a patient's measurements with several models and decide over all of them.

    Draws are kept until the end: interrupted or killed, the same call goes on from
    what was drawn.

    Parameters
    ----------
    folder : Path
        Holds patient.toml and measurements.csv; its own ``model`` does not count.
    models : sequence of str
        At least two models that a patient's file may name.
    by : str
        What is left out at a time: "scan", "region" or "row".
    seed : int
        Repeats a run exactly, >= 0.
    console : Console
        Where progress is shown.
    out : Path, optional
        Where ``comparison.json`` and ``comparison.html`` are written; ``out/`` in the
        folder by default.

    Returns
    -------
    ModelComparison

    Raises
    ------
    InputError
        When the files, a model or the question cannot be used.
    OSError
        When a file cannot be written.
    FitRefusedError
        When a fit failed its checks: then nothing is compared.
    """
    of_file = read_patient(folder)
    patients = {name: _patient_of(of_file, name) for name in _checked(models)}
    from pkmodels.clinic.comparison_page import write_comparison
    from pkmodels.fitting.comparison import compare
    from pkmodels.fitting.row_groups import By
    from pkmodels.kernels.cache import keep_xla_programs

    if by not in list(By):
        raise InputError(f"--by {by}: {suggest(by, list(By))}")
    keep_xla_programs()
    target = out or folder / "out"
    check_writable(target)
    unfinished = target / UNFINISHED
    assessed, validations = {}, {}
    for name, patient in patients.items():
        console.print(f"{name}: fitting", style="dim")
        fit, assessment = fit_and_assess(patient, seed, console, {}, unfinished)
        if assessment is None:
            reasons = "; ".join(fit.checks.reasons)
            raise FitRefusedError(f"{name}, so that nothing is compared: {reasons}")
        validations[name] = _validated(patient, fit, By(by), console, unfinished)
        assessed[name] = (fit, assessment)
    comparison = compare(validations)
    found = ModelComparison(
        of_file.id,
        comparison,
        average_choices(of_file, assessed, comparison.weights),
        _notes(of_file),
        validations,
        assessed,
        of_file,
        patients,
    )
    write_comparison(target, found)
    console.print(f"Written to {target}: comparison.html, comparison.json", style="dim")
    shutil.rmtree(unfinished, ignore_errors=True)
    return found


def _checked(models: Sequence[str]) -> list[str]:
    for name in models:
        if name not in MODELS:
            raise InputError(f"--model {name}: {suggest(name, MODELS)}")
    if len(set(models)) < 2 or len(set(models)) < len(models):
        raise InputError(
            f"--model {', '.join(models) or 'is missing'}: name at least two, each "
            f"once, as --model {MODELS[0]} --model {MODELS[1]}"
        )
    return list(models)


def _patient_of(patient: Patient, model: str) -> Patient:
    """Return the patient as asked of one model; model choice is not counted twice."""
    chosen = with_amounts(replace(patient, model=model, model_choice_cv=None))
    try:
        check_answerable(chosen)
    except InputError as error:
        raise InputError(f"with the model {model}: {error}") from error
    return chosen


def _validated(
    patient: Patient, fitted: "Fit", by: str, console: Console, unfinished: Path
) -> "CrossValidation":
    from pkmodels.clinic.compiled_fits import compile_once
    from pkmodels.clinic.question import draws_per_chain
    from pkmodels.fitting.cross_validation import cross_validate
    from pkmodels.fitting.row_groups import By
    from pkmodels.fitting.saved_draws import digest

    count = draws_per_chain(patient.confidence, saturable=saturates(patient))
    seed = fitted.seed

    def refit(reduced: "Posterior") -> "Fit":
        compiled = compile_once(reduced)
        # The values that are left say which scan it is that is not there.
        values = digest([reduced.observations.value])
        kept = unfinished / f"{compiled.form[:8]}-{values[:8]}-{seed}"
        return sample(reduced, compiled, seed, count, console, kept)

    def tell(done: int, total: int) -> None:
        console.print(f"Fitted again without one {by}: {done} of {total}", style="dim")

    return cross_validate(fitted, by=By(by), refit=refit, progress=tell)


def average_choices(
    patient: Patient,
    assessed: "Mapping[str, tuple[Fit, Assessment]]",
    weights: Mapping[str, float],
) -> tuple[AveragedChoice, ...]:
    """Return what the models say together of every planned label.

    Parameters
    ----------
    patient : Patient
        Whose limits and confidence count.
    assessed : mapping of str to (Fit, Assessment)
        By model.
    weights : mapping of str to float
        By model, from stacking.

    Returns
    -------
    tuple of AveragedChoice
    """
    # What an optimizer leaves of nothing is nothing.
    counted = {n: w for n, w in weights.items() if w > _LEAST_WEIGHT}
    counted = {name: w / sum(counted.values()) for name, w in counted.items()}
    labels = [plan.label for plan in patient.plans]
    return tuple(
        _averaged(
            patient,
            label,
            {n: (assessed[n][0], assessed[n][1].choices[label]) for n in counted},
            counted,
        )
        for label in labels
    )


def _averaged(
    patient: Patient,
    label: str,
    chosen: "Mapping[str, tuple[Fit, Choice]]",
    weights: Mapping[str, float],
) -> AveragedChoice:
    from pkmodels.clinic.assessment import deciding_size
    from pkmodels.decision.model_averages import average_models, average_safe_activity

    doses = {}
    for limit in patient.limits:
        each = {n: c.exposures[limit.target] for n, (_, c) in chosen.items()}
        known = {n: x.dose_Gy_per_GBq for n, x in each.items()}
        draws = {n: x for n, x in known.items() if x is not None}
        if len(draws) == len(chosen):
            doses[limit.target] = average_models(draws, weights)
    refused = {n: c.refused for n, (_, c) in chosen.items() if c.refused is not None}
    if refused:
        why = "; ".join(f"{name}: {reason}" for name, reason in refused.items())
        return AveragedChoice(label, None, doses, why)
    decided = {n: (f, c) for n, (f, c) in chosen.items() if c.decision is not None}
    if len(decided) < len(chosen):
        return AveragedChoice(label, None, doses, None)
    sizes = {
        name: deciding_size(f, c.decision.activity_at_limit_GBq, patient.confidence)
        for name, (f, c) in decided.items()
        if c.decision is not None
    }
    activity = average_safe_activity(
        {name: c.burdens for name, (_, c) in decided.items()},
        weights,
        confidence=patient.confidence,
        effective_sizes=sizes,
    )
    return AveragedChoice(label, activity, doses, None)


def _notes(patient: Patient) -> tuple[str, ...]:
    notes = [
        f"WAIVED LIMIT: {waiver.target} is not protected ({waiver.reason})"
        for waiver in patient.waived
    ]
    if patient.warnings:
        notes.append(
            "Warnings of the files, which `pkmodels check` tells with the rest: "
            + "; ".join(patient.warnings)
        )
    if patient.model_choice_cv is not None:
        notes.append(
            "[uncertainty] model_choice_cv is left out here: the models themselves "
            "stand for it."
        )
    return tuple(notes)


def describe_comparison(found: ModelComparison) -> str:
    """Return a comparison as the text that the command prints.

    Parameters
    ----------
    found : ModelComparison
        From `compare_models`.

    Returns
    -------
    str
    """
    from pkmodels.fitting.comparison import describe

    lines = [f"Patient {found.patient_id}", "", describe(found.comparison), ""]
    for choice in found.choices:
        lines += _choice_lines(choice)
    lines += found.notes
    lines.append(NOT_VALIDATED)
    return "\n".join(lines)


def _choice_lines(choice: AveragedChoice) -> list[str]:
    lines = []
    for target, dose in choice.doses.items():
        low, median, high = (rounded(float(x)) for x in dose.quantiles())
        lines.append(
            f"{target}, {choice.label}: {median} ({low}-{high}) Gy/GBq; choice of "
            f"model {dose.between:.0%} of the variance"
        )
    if choice.refused is not None:
        return [*lines, f"NO ACTIVITY of {choice.label} is given: {choice.refused}"]
    found = choice.activity
    if found is None:
        return [*lines, f"{choice.label}: no limit bounds the activity."]
    lines.append(
        f"SAFE ACTIVITY of {choice.label} over the models: "
        f"{rounded_down(found.activity_GBq)} GBq ({found.confidence:g} confidence). "
        f"Binding limit: {found.binding_limit}"
    )
    for name, alone in found.by_model.items():
        lines.append(
            f"  {name} (weight {found.weights[name]:.2f}): "
            f"{rounded_down(alone.activity_GBq)} GBq by itself; if it holds, all "
            f"limits are kept with {found.kept_by_model[name]:.1%}"
        )
    return lines
