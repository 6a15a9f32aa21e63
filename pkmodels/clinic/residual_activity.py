"""Residual activity: what is left of a label at a later time, and its dose rate."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pkmodels.clinic.assessment import Assessment, Choice, mass_effects
from pkmodels.clinic.dose_weights import combine, weigh
from pkmodels.clinic.occasions import kinetics_of, measured_regions
from pkmodels.clinic.patient import Patient
from pkmodels.clinic.plans import mass_changes
from pkmodels.clinic.result_dosimetry import Residual
from pkmodels.clinic.result_records import summarize
from pkmodels.clinic.syringes import syringe_of, unit_dose
from pkmodels.fitting.fit import Fit
from pkmodels.fitting.prediction import predict_curves, predict_labels
from pkmodels.nuclides import nuclide
from pkmodels.units import MBQ_PER_GBQ

_HOURS_PER_DAY = 24.0
_MGY_PER_GY = 1e3
# A becquerel: what is below is nothing.
_NOTHING_MBQ = 1e-6


def at_transplantation(
    patient: Patient, fit: Fit, assessment: Assessment, choice: Choice
) -> Residual | None:
    """Return what is left of a therapy on the day of the transplantation.

    Parameters
    ----------
    patient : Patient
        The patient.
    fit : Fit
        The fit.
    assessment : Assessment
        Its doses.
    choice : Choice
        The therapy; of several cycles, the last one alone.

    Returns
    -------
    Residual or None
        None without a day or without an activity.
    """
    day, decision = patient.transplantation_day, choice.decision
    if day is None or decision is None or decision.activity_GBq == 0.0:
        return None
    plan, given_MBq = choice.plan, MBQ_PER_GBQ * decision.activity_per_cycle_GBq
    unit = unit_dose(syringe_of(patient, plan))
    doses = unit._replace(activity=given_MBq * np.asarray(unit.activity))
    effects = mass_effects(patient, fit) if mass_changes(patient, plan) else {}
    at_h = day * _HOURS_PER_DAY
    compiled, parameters = kinetics_of(fit, plan.ligand)
    curves = predict_curves(compiled, parameters, doses, np.array([at_h]))
    left = dict(zip(compiled.system.observables, curves[:, 0].T, strict=True))
    when = _When(given_MBq, np.zeros(1), np.array([given_MBq]), at_h)
    return _residual(patient, assessment, plan.label, left, when, effects)


def left_over(
    patient: Patient, fit: Fit, assessment: Assessment
) -> dict[str, Residual]:
    """Return what is left of each given label when the first therapy starts.

    Parameters
    ----------
    patient : Patient
        The patient.
    fit : Fit
        The fit.
    assessment : Assessment
        Its doses.

    Returns
    -------
    dict of str to Residual
        By label; empty where no plan says when it starts.
    """
    starts = [plan.start_h for plan in patient.plans if plan.start_h is not None]
    if not starts:
        return {}
    found = {}
    at_h = min(starts)
    for label in patient.schedule.labels:
        given = patient.schedule.of_label(label).administrations
        activity = np.array([a.activity_MBq for a in given])
        begun = np.array([a.time_h for a in given])
        when = _When(float(activity.sum()), begun, activity, at_h)
        left = _left_of(fit, label, at_h)
        found[label] = _residual(patient, assessment, label, left, when, {})
    return found


def _left_of(fit: Fit, label: str, at_h: float) -> dict[str, np.ndarray]:
    """Return what each region holds of a label, of all occasions together, MBq."""
    total = {name: np.zeros(1) for name in measured_regions(fit)}
    for experiment in fit.posterior.experiments:
        if label not in experiment.schedule.labels:
            continue
        compiled, parameters = experiment.compiled, fit.parameters(experiment.name)
        found = predict_labels(
            compiled, parameters, experiment.schedule, np.array([at_h])
        )[label][:, 0]
        for name, draws in zip(compiled.system.observables, found.T, strict=True):
            if name in total:
                total[name] = total[name] + draws
    return total


@dataclass(frozen=True)
class _When:
    """What was given (MBq in all, and each dose with its time, h), and when to look."""

    given_MBq: float
    begun_h: np.ndarray
    activity_MBq: np.ndarray
    at_h: float


def _residual(
    patient: Patient,
    assessment: Assessment,
    label: str,
    found: Mapping[str, np.ndarray],
    when: _When,
    effects: Mapping[str, np.ndarray],
) -> Residual:
    decay = nuclide(label).decay_constant_per_h
    since = when.at_h - when.begun_h
    bound = float(np.sum(when.activity_MBq * np.exp(-decay * since)))
    left = {n: np.where(x < _NOTHING_MBQ, 0.0, x) for n, x in found.items()}
    rate, missing = _marrow_rate(patient, assessment, label, left, effects)
    return Residual(
        label=label,
        after_h=float(np.max(since)),
        of_MBq=when.given_MBq,
        bound_MBq=bound,
        measured_MBq={name: summarize(draws) for name, draws in left.items()},
        marrow_mGy_per_h=None if rate is None else summarize(_MGY_PER_GY * rate),
        missing=missing,
    )


def _marrow_rate(
    patient: Patient,
    assessment: Assessment,
    label: str,
    activity_MBq: Mapping[str, np.ndarray],
    effects: Mapping[str, np.ndarray],
) -> tuple[np.ndarray | None, str | None]:
    marrow = [r.name for r in patient.regions if r.organ == "red_marrow"]
    measured = [name for name in marrow if name in activity_MBq]
    if not measured:
        return None, "no red marrow was measured: its dose rate is not known"
    dosimetry, name = assessment.dosimetry, measured[0]
    weights = weigh(
        dosimetry.irradiations[label],
        dosimetry.masses_g,
        dosimetry.factors,
        {name: (name,)},
    )
    if name not in weights:
        return None, dosimetry.irradiations[label].missing[name]
    rate = combine(weights[name], activity_MBq) * dosimetry.model_factors[name]
    return rate * effects.get(name, 1.0), None
