"""The comparison of models as files: all its numbers, and a page to read and sign."""

import math
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined

from pkmodels.atomic_files import write_text_atomically
from pkmodels.clinic.cautions import warnings
from pkmodels.clinic.comparison_format import (
    ComparisonResult,
    LabelAnswer,
    LeftOutScore,
    ModelAnswer,
    ModelScore,
    StackedDose,
)
from pkmodels.clinic.reporting import PACKAGES
from pkmodels.clinic.result_records import summarize
from pkmodels.clinic.result_text import UNKNOWN, summary_text
from pkmodels.clinic.rounding import percent, rounded_down, share, with_interval
from pkmodels.errors import InputError
from pkmodels.fitting.comparison import worth

if TYPE_CHECKING:
    from pkmodels.clinic.averaged_choices import AveragedChoice
    from pkmodels.clinic.model_comparison import ModelComparison
    from pkmodels.fitting.cross_validation import LeftOut

# How the notes of a comparison begin that are of waived limits.
WAIVED = "WAIVED LIMIT"
NOTHING_BOUNDS = "every limit is waived, so that nothing bounds the activity"


def write_comparison(out: Path, found: "ModelComparison") -> None:
    """Write ``comparison.json`` and ``comparison.html``, each whole or not at all.

    Parameters
    ----------
    out : Path
        The folder; it must exist.
    found : ModelComparison
        From `compare_models`.

    Raises
    ------
    OSError
        When a file cannot be written.
    """
    result = comparison_result(found)
    write_text_atomically(out / "comparison.html", comparison_page(result))
    text = result.model_dump_json(indent=2) + "\n"
    write_text_atomically(out / "comparison.json", text)


def comparison_result(found: "ModelComparison") -> ComparisonResult:
    """Return a comparison as the record that is written.

    Parameters
    ----------
    found : ModelComparison
        From `compare_models`.

    Returns
    -------
    ComparisonResult

    Raises
    ------
    InputError
        When it holds no fits, as one that was made up for its text.
    """
    patient = found.patient
    if patient is None or not found.assessed:
        raise InputError(
            "this comparison holds no patient and no fits: write one of compare_models"
        )
    first = next(iter(found.assessed.values()))[0]
    good_khat = min(each.good_khat for each in found.validations.values())
    return ComparisonResult(
        patient_id=found.patient_id,
        left_out_by=found.comparison.by,
        n_groups=found.comparison.n_groups,
        good_khat=good_khat,
        models=_models(found),
        labels={each.label: _label(found, each) for each in found.choices},
        waived={waiver.target: waiver.reason for waiver in patient.waived},
        # Waived limits have a key of their own.
        cautions=[
            *worth(found.comparison),
            *(n for n in found.notes if not n.startswith(WAIVED)),
        ],
        inputs=dict(patient.files),
        versions={name: version(name) for name in PACKAGES},
        seed=first.seed,
        data_sha256=patient.data_sha256,
    )


def _models(found: "ModelComparison") -> dict[str, ModelScore]:
    models = {}
    for score in found.comparison.scores:
        fit, assessment = found.assessed[score.model]
        patient = found.patients[score.model]
        groups = {
            left.group.name: _left_out(left)
            for left in found.validations[score.model].left_out
        }
        models[score.model] = ModelScore(
            elpd=score.elpd,
            difference=score.difference,
            standard_error=None if found.comparison.few else score.standard_error,
            better_in=score.better_in,
            effective_parameters=score.effective_parameters,
            weight=min(max(score.weight, 0.0), 1.0),
            weight_range=score.weight_range,
            refits=score.refits,
            groups=groups,
            path=fit.checks.path,
            rhat_max=fit.checks.rhat_max,
            ess_tail_min=fit.checks.ess_tail_min,
            divergences=fit.checks.divergences,
            warnings=warnings(patient, fit, assessment),
        )
    return models


def _left_out(left: "LeftOut") -> LeftOutScore:
    assert left.elpd is not None, "nothing is compared where a group was refused"
    return LeftOutScore(
        elpd=left.elpd,
        within=left.within,
        khat=left.khat if math.isfinite(left.khat) else None,
        how="refit" if left.how == "refit" else "PSIS",
        monte_carlo_error=left.monte_carlo_error,
    )


def _label(found: "ModelComparison", choice: "AveragedChoice") -> LabelAnswer:
    patient = found.patient
    assert patient is not None
    doses = {}
    for target, average in choice.doses.items():
        low, median, high = (float(x) for x in average.quantiles())
        doses[target] = StackedDose(
            median=median,
            interval_95=(low, high),
            share_of_model_choice=average.between,
        )
    by_model = {model: _alone(found, choice, model) for model in found.assessed}
    activity = choice.activity
    if activity is None:
        return LabelAnswer(
            activity_GBq=None,
            confidence=patient.confidence,
            dose_Gy_per_GBq=doses,
            by_model=by_model,
            missing=choice.refused or NOTHING_BOUNDS,
        )
    error = activity.monte_carlo_error
    return LabelAnswer(
        activity_GBq=activity.activity_GBq,
        confidence=activity.confidence,
        binding_limit=activity.binding_limit,
        probability_above=dict(activity.probability_above),
        monte_carlo_error=error if math.isfinite(error) else None,
        cycles=activity.cycles,
        range_GBq=choice.range_GBq,
        refusing_in_range=list(choice.refusing_in_range),
        dose_Gy_per_GBq=doses,
        by_model=by_model,
    )


def _alone(
    found: "ModelComparison", choice: "AveragedChoice", model: str
) -> ModelAnswer:
    own = found.assessed[model][1].choices[choice.label]
    patient = found.patient
    assert patient is not None
    drawn = {x.target: own.exposures[x.target] for x in patient.limits}
    doses = {n: e.dose_Gy_per_GBq for n, e in drawn.items()}
    decision, kept = own.decision, None
    if choice.activity is not None:
        kept = choice.activity.kept_by_model.get(model)
    return ModelAnswer(
        dose_Gy_per_GBq={n: summarize(x) for n, x in doses.items() if x is not None},
        activity_GBq=None if decision is None else decision.activity_GBq,
        binding_limit=None if decision is None else decision.binding_limit,
        kept=kept,
        missing=None if decision is not None else own.refused or NOTHING_BOUNDS,
    )


def comparison_page(result: ComparisonResult) -> str:
    """Return the page of a comparison, which needs no network and no script.

    Parameters
    ----------
    result : ComparisonResult
        What it shows.

    Returns
    -------
    str
        HTML.
    """
    template = resources.files("pkmodels.clinic").joinpath(
        "templates/comparison.html.j2"
    )
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(template.read_text("utf-8")).render(
        result=result,
        summary=summary_text,
        stacked=lambda dose: with_interval(dose.median, dose.interval_95),
        share=share,
        percent=percent,
        GBq=lambda value: "none" if value is None else f"{rounded_down(value)} GBq",
        groups=list(next(iter(result.models.values())).groups),
        warned=_warned(result),
        unknown=UNKNOWN,
    )


def _warned(result: ComparisonResult) -> dict[str, str]:
    """Return every warning once, with the models that it is of."""
    models: dict[str, list[str]] = {}
    for name, model in result.models.items():
        for text in model.warnings:
            models.setdefault(text, []).append(name)
    return {text: ", ".join(names) for text, names in models.items()}
