"""Choices of several models joined: doses and activities weighted by stacking."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pkmodels.clinic.patient import Patient

if TYPE_CHECKING:
    from pkmodels.clinic.assessment import Assessment, Choice
    from pkmodels.decision.model_averages import AveragedActivity, ModelAverage
    from pkmodels.fitting.fit import Fit

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
    refusing_in_range : tuple of str
        Models that count at such an end, and give no activity there.
    """

    label: str
    activity: "AveragedActivity | None"
    doses: "Mapping[str, ModelAverage]"
    refused: str | None
    alone: "Mapping[str, float | None]" = field(default_factory=dict)
    range_GBq: tuple[float, float] | None = None
    refusing_in_range: tuple[str, ...] = ()


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
