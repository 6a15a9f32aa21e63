"""The value of one more scan of this patient, of each modality for each limit."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pkmodels.clinic.assessment import Assessment, Choice
from pkmodels.clinic.patient import Patient
from pkmodels.clinic.result_dosimetry import AnotherScan
from pkmodels.design.another_scan import ForeseenScan, foresee_scan
from pkmodels.design.expected_quantiles import expected_quantile
from pkmodels.errors import InputError
from pkmodels.fitting.experiments import Experiment
from pkmodels.fitting.fit import Fit
from pkmodels.nuclides import nuclide

# The latest scan, h after the first dose of its occasion: a week.
LATEST_H = 168.0
# Less than a sixteenth of a label is left then; a judgement: counts are too few for the
# scatter of the earlier scans.
_MOST_HALF_LIVES = 4.0
# Times that are tried, h.
_TRIED_H = np.array([1.0, 2.0, *np.arange(4.0, LATEST_H + 1.0, 4.0)])
_ENDS = (0.025, 0.975)
# Draws that are taken for the truth: the standard error is then below half a per cent.
_TRUTHS = 200
# Of what the best time tells.
_NEARLY = 0.9


def limited_doses(
    patient: Patient, assessment: Assessment
) -> list[tuple[str, str, np.ndarray]]:
    """Return the draws of each planned dose that has a limit.

    Parameters
    ----------
    patient : Patient
        The patient.
    assessment : Assessment
        Its doses.

    Returns
    -------
    list of (label, target, (n_draws,) array of Gy/GBq)
    """
    return [
        (label, target, dose)
        for label, choice in assessment.planned.items()
        for target in dict.fromkeys(limit.target for limit in patient.limits)
        if target in choice.exposures
        and (dose := choice.exposures[target].dose_Gy_per_GBq) is not None
    ]


def dosed_h(experiment: Experiment) -> tuple[float, float]:
    """Return when the first dose of an occasion starts and its last one ends, h."""
    given = experiment.schedule.administrations
    return (
        min(a.time_h for a in given),
        max(a.time_h + a.duration_h for a in given),
    )


def latest_of(experiment: Experiment, modality: str, latest_h: float) -> float:
    """Return the latest time of a modality, h after the occasion's first dose.

    Parameters
    ----------
    experiment : Experiment
        The occasion.
    modality : str
        One of its modalities.
    latest_h : float
        As asked.

    Returns
    -------
    float
        Four half-lives of the label that it shows, where that is less.
    """
    labels = {m.label for m in experiment.measurements if m.modality == modality}
    decay = max(nuclide(label).decay_constant_per_h for label in labels)
    return min(latest_h, _MOST_HALF_LIVES * float(np.log(2.0)) / decay)


def value_one_more(
    patient: Patient, fit: Fit, assessment: Assessment
) -> dict[str, dict[str, list[AnotherScan]]]:
    """Return what one more scan of each modality would tell of each limited dose.

    Parameters
    ----------
    patient : Patient
        The patient.
    fit : Fit
        A fit that passed its checks.
    assessment : Assessment
        Its doses and decisions.

    Returns
    -------
    dict of str to dict of str to list of AnotherScan
        By label and target.
    """
    found: dict[str, dict[str, list[AnotherScan]]] = {}
    doses = limited_doses(patient, assessment)
    for each in _foreseen(fit) if doses else ():
        for label, target, dose in doses:
            choice = assessment.planned[label]
            value = _valued(patient, fit, choice, dose, each)
            found.setdefault(label, {}).setdefault(target, []).append(value)
    return found


@dataclass(frozen=True, eq=False)
class _Offer:
    """What a scan of a modality would show, h after the first dose, or why unknown."""

    experiment: Experiment
    modality: str
    latest_h: float
    foreseen: ForeseenScan | None
    why: str | None


def _foreseen(fit: Fit) -> Iterator[_Offer]:
    for experiment in fit.posterior.experiments:
        start, end = dosed_h(experiment)
        for modality in dict.fromkeys(m.modality for m in experiment.measurements):
            latest = latest_of(experiment, modality, LATEST_H)
            since = _TRIED_H[(_TRIED_H > end - start) & (_TRIED_H <= latest)]
            seen, why = None, None
            try:
                if not since.size:
                    raise InputError(
                        f"the last dose ends {end - start:g} h after the first one, "
                        f"and scans end at {latest:.3g} h"
                    )
                seen = foresee_scan(fit, modality, start + since, experiment.name)
                seen = replace(seen, times_h=since)
            except InputError as error:
                why = str(error)
            yield _Offer(experiment, modality, latest, seen, why)


def _valued(
    patient: Patient, fit: Fit, choice: Choice, dose: np.ndarray, offer: _Offer
) -> AnotherScan:
    start, _ = dosed_h(offer.experiment)
    now = max(m.end_h for m in patient.measurements) - start
    therapy, latest = choice.plan.start_h, offer.latest_h
    latest = latest if therapy is None else min(latest, therapy - start)
    low, high = (float(x) for x in np.quantile(dose, _ENDS))
    told: dict[str, Any] = {
        "occasion": offer.experiment.name,
        "modality": offer.modality,
        "earliest_h": now,
        "latest_h": max(latest, 0.0),
        "interval_now": (low, high),
        "regions": [],
        "times_h": [],
        "width_ratio": [],
    }
    seen = offer.foreseen
    if seen is None:
        return AnotherScan(**told, missing=offer.why)
    try:
        value = seen.value(dose)
    except InputError as error:
        return AnotherScan(**told, missing=str(error))
    ratio = np.minimum(value.log_sd_then / value.log_sd_now, 1.0)
    told |= {
        "regions": list(seen.regions),
        "times_h": seen.times_h.tolist(),
        "width_ratio": ratio.tolist(),
    }
    possible = (seen.times_h > now) & (seen.times_h <= latest)
    if not possible.any():
        return AnotherScan(**told, missing=_too_late(now, latest, therapy, start))
    best = int(np.argmin(np.where(possible, ratio, np.inf)))
    median = float(np.median(dose))
    then = (
        median * (low / median) ** ratio[best],
        median * (high / median) ** ratio[best],
    )
    told |= {
        "best_h": float(seen.times_h[best]),
        "good_h": _good(seen.times_h, ratio, possible, best),
        "interval_then": then,
        "narrowing": float(1.0 / ratio[best]),
    }
    return AnotherScan(**told, **_activity(fit, choice, seen, best))


def _too_late(now: float, latest: float, therapy: float | None, start: float) -> str:
    if therapy is not None and therapy - start <= latest:
        return (
            f"no scan is possible between the last one, {now:.3g} h after the first "
            f"dose, and the therapy at {latest:.3g} h"
        )
    return (
        f"no scan is possible any more: the last one was {now:.3g} h after the first "
        f"dose, and none is made after {latest:.3g} h"
    )


def _good(
    times_h: np.ndarray, ratio: np.ndarray, possible: np.ndarray, best: int
) -> tuple[float, float]:
    """Return the times about the best one that tell nearly as much."""
    enough = possible & (1.0 - ratio >= _NEARLY * (1.0 - ratio[best]))
    first = last = best
    while first > 0 and enough[first - 1]:
        first -= 1
    while last + 1 < len(times_h) and enough[last + 1]:
        last += 1
    return float(times_h[first]), float(times_h[last])


def _activity(fit: Fit, choice: Choice, seen: ForeseenScan, at: int) -> dict[str, Any]:
    """Return the safe activity, and the one expected after a scan at a time."""
    decision = choice.decision
    if decision is None:
        why = choice.refused or "every limit is waived, so that nothing bounds it"
        return {"activity_missing": why}
    told: dict[str, Any] = {"safe_activity_GBq": decision.activity_GBq}
    try:
        found = expected_quantile(
            seen.log_values[:, at],
            seen.variance[:, at],
            decision.activity_at_limit_GBq,
            1.0 - decision.confidence,
            truths=_TRUTHS,
            seed=fit.seed,
        )
    except InputError as error:
        return {**told, "activity_missing": str(error)}
    return {
        **told,
        "expected_safe_activity_GBq": decision.activity_GBq * found.then / found.now,
        "expected_error": found.standard_error / found.then,
    }
