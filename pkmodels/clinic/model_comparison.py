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
    alone : mapping of str to float or None
        What every model allows by itself (GBq), those without weight among them; None
        of one that gives none.
    range_GBq : (float, float) or None
        The least and the largest activity over the models, where the weight of one of
        them is at an end of its range, the others in proportion; None where weights
        have no range.
    """

    label: str
    activity: "AveragedActivity | None"
    doses: "Mapping[str, ModelAverage]"
    refused: str | None
    alone: "Mapping[str, float | None]" = field(default_factory=dict)
    range_GBq: tuple[float, float] | None = None
    refusing_in_range: tuple[str, ...] = ()


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


def average_choices(
    patient: Patient,
    assessed: "Mapping[str, tuple[Fit, Assessment]]",
    weights: Mapping[str, float],
    ranges: "Mapping[str, tuple[float, float] | None]",
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
    ranges : mapping of str to (float, float) or None
        Least and largest weight of each model when one group is not counted; at its
        ends the others keep their proportions.

    Returns
    -------
    tuple of AveragedChoice
    """
    labels = [plan.label for plan in patient.plans]
    found = []
    for label in labels:
        every = {n: (f, a.choices[label]) for n, (f, a) in assessed.items()}
        counted = _counted(weights)
        of_label = _averaged(patient, label, {n: every[n] for n in counted}, counted)
        alone = {
            name: None if choice.decision is None else choice.decision.activity_GBq
            for name, (_, choice) in every.items()
        }
        if of_label.activity is not None:
            ends, refusing = _at_ends(patient, every, weights, ranges)
            of_label = replace(of_label, range_GBq=ends, refusing_in_range=refusing)
        found.append(replace(of_label, alone=alone))
    return tuple(found)


def _counted(weights: Mapping[str, float]) -> dict[str, float]:
    """Return the weights that count; what an optimizer leaves of nothing is nothing."""
    counted = {n: w for n, w in weights.items() if w > _LEAST_WEIGHT}
    return {name: w / sum(counted.values()) for name, w in counted.items()}


def _at_ends(
    patient: Patient,
    every: "Mapping[str, tuple[Fit, Choice]]",
    weights: Mapping[str, float],
    ranges: "Mapping[str, tuple[float, float] | None]",
) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """Return the least and the largest activity at the ends of the weights' ranges.

    And the models that count at some end, and give no activity there.
    """
    found: list[float] = []
    refusing: dict[str, None] = {}
    for model, ends in ranges.items():
        for end in ends or ():
            others = {n: w for n, w in weights.items() if n != model}
            total = sum(others.values())
            # Of models without weight, the others share alike.
            shared = {
                n: (1.0 - end)
                * (w / total if total > _LEAST_WEIGHT else 1 / len(others))
                for n, w in others.items()
            }
            counted = _counted({model: end, **shared})
            chosen = {n: every[n] for n in counted}
            none = [n for n, (_, choice) in chosen.items() if choice.decision is None]
            refusing |= dict.fromkeys(none)
            if not none:
                found.append(_activity(patient, chosen, counted).activity_GBq)
    return (min(found), max(found)) if found else None, tuple(refusing)


def _averaged(
    patient: Patient,
    label: str,
    chosen: "Mapping[str, tuple[Fit, Choice]]",
    weights: Mapping[str, float],
) -> AveragedChoice:
    from pkmodels.decision.model_averages import average_models

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
    if any(choice.decision is None for _, choice in chosen.values()):
        return AveragedChoice(label, None, doses, None)
    return AveragedChoice(label, _activity(patient, chosen, weights), doses, None)


def _activity(
    patient: Patient,
    chosen: "Mapping[str, tuple[Fit, Choice]]",
    weights: Mapping[str, float],
) -> "AveragedActivity":
    from pkmodels.clinic.assessment import deciding_size
    from pkmodels.decision.model_averages import average_safe_activity

    sizes = {
        name: deciding_size(f, c.decision.activity_at_limit_GBq, patient.confidence)
        for name, (f, c) in chosen.items()
        if c.decision is not None
    }
    return average_safe_activity(
        {name: c.burdens for name, (_, c) in chosen.items()},
        weights,
        confidence=patient.confidence,
        effective_sizes=sizes,
    )


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
