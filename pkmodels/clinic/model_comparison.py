"""Comparison of models for one patient: which predicts the scans, and what is safe."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from pkmodels.clinic.answerable import check_answerable
from pkmodels.clinic.averaged_choices import AveragedChoice, average_choices
from pkmodels.clinic.patient import Patient
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.patient_models import MODELS, saturates, with_amounts
from pkmodels.clinic.result_format import NOT_VALIDATED
from pkmodels.clinic.rounding import rounded, rounded_down
from pkmodels.clinic.workflow import UNFINISHED, check_writable, fit_and_assess, sample
from pkmodels.errors import FitRefusedError, InputError, suggest

if TYPE_CHECKING:
    from pkmodels.clinic.assessment import Assessment
    from pkmodels.fitting.comparison import Comparison
    from pkmodels.fitting.cross_validation import CrossValidation
    from pkmodels.fitting.fit import Fit
    from pkmodels.fitting.posterior import Posterior


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
    unfinished = target / f"{UNFINISHED}-compare"
    assessed, validations = {}, {}
    for name, patient in patients.items():
        console.print(f"{name}: fitting", style="dim")
        fit, assessment = fit_and_assess(patient, seed, console, {}, unfinished)
        if assessment is None:
            reasons = "; ".join(fit.checks.reasons)
            raise FitRefusedError(f"{name}, so that nothing is compared: {reasons}")
        assessed[name] = (fit, assessment)
    # When all are fitted: one that fails then costs no refits of the others.
    for name, patient in patients.items():
        fit, _ = assessed[name]
        validations[name] = _validated(patient, fit, By(by), console, unfinished)
    comparison = compare(validations)
    found = ModelComparison(
        of_file.id,
        comparison,
        average_choices(
            of_file,
            assessed,
            comparison.weights,
            {score.model: score.weight_range for score in comparison.scores},
        ),
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

    def refit(reduced: "Posterior") -> "Fit":
        compiled = compile_once(reduced)
        # The values that are left say which scan it is that is not there.
        told = f"{compiled.form[:8]}-{digest([reduced.observations.value])[:8]}"
        seed = _seed_of(told, fitted.seed)
        kept = unfinished / f"{told}-{seed}"
        return sample(reduced, compiled, seed, count, console, kept)

    def tell(done: int, total: int) -> None:
        console.print(f"Fitted again without one {by}: {done} of {total}", style="dim")

    return cross_validate(fitted, by=By(by), refit=refit, progress=tell)


def _seed_of(told: str, seed: int) -> int:
    """Return a refit's own seed: with one for all, their errors would add up."""
    import numpy as np

    sequence = np.random.SeedSequence([seed, *told.encode()])
    return int(sequence.generate_state(1)[0])


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
    for name, own in choice.alone.items():
        if name not in found.by_model:
            said = "none" if own is None else f"{rounded_down(own)} GBq"
            lines.append(f"  {name} (weight 0.00, not counted): {said} by itself")
    if choice.range_GBq is not None:
        low, high = (rounded_down(x) for x in choice.range_GBq)
        lines.append(
            "  With each model's weight at the least and the most that leaving out one "
            f"group more would give it: {low} to {high} GBq"
        )
    if choice.refusing_in_range:
        named = ", ".join(choice.refusing_in_range)
        lines.append(
            f"  NO ACTIVITY at some of those weights, since {named} would count and "
            "gives none"
        )
    given = {n: own for n, own in choice.alone.items() if own is not None}
    if given:
        least = min(given, key=lambda name: given[name])
        lines.append(
            f"  The least of any model by itself: {rounded_down(given[least])} GBq "
            f"({least})"
        )
    return lines
