"""Residual activity: what is left of a label at a later time, and its dose rate."""

from collections.abc import Mapping

import numpy as np

from pkmodels.clinic.assessment import Assessment, Choice, mass_effects
from pkmodels.clinic.dose_weights import combine, weigh
from pkmodels.clinic.patient import Patient
from pkmodels.clinic.plans import mass_changes
from pkmodels.clinic.result_dosimetry import Residual
from pkmodels.clinic.result_records import summarize
from pkmodels.clinic.syringes import syringe_of, unit_dose
from pkmodels.exact import Doses, doses_of
from pkmodels.fitting.fit import Fit
from pkmodels.fitting.prediction import predict_curves
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
    return _residual(
        patient,
        fit,
        assessment,
        plan.label,
        doses,
        given_MBq,
        day * _HOURS_PER_DAY,
        effects,
    )


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
    for label in patient.schedule.labels:
        schedule = patient.schedule.of_label(label)
        given_MBq = sum(
            a.activity_MBq for n, a in patient.schedule.labelled if n == label
        )
        found[label] = _residual(
            patient,
            fit,
            assessment,
            label,
            doses_of(schedule),
            given_MBq,
            min(starts),
            {},
        )
    return found


def _residual(
    patient: Patient,
    fit: Fit,
    assessment: Assessment,
    label: str,
    doses: Doses,
    given_MBq: float,
    after_h: float,
    effects: Mapping[str, np.ndarray],
) -> Residual:
    decay = nuclide(label).decay_constant_per_h
    since = after_h - np.asarray(doses.start_h)
    bound = float(np.sum(np.asarray(doses.activity) * np.exp(-decay * since)))
    curves = predict_curves(
        fit.posterior.compiled, fit.parameters(), doses, np.array([after_h])
    )
    names = fit.posterior.compiled.system.observables
    left = np.where(curves[:, 0, :] < _NOTHING_MBQ, 0.0, curves[:, 0, :])
    activity = dict(zip(names, left.T, strict=True))
    rate, missing = _marrow_rate(patient, assessment, label, activity, effects)
    return Residual(
        label=label,
        after_h=float(np.max(since)),
        of_MBq=given_MBq,
        bound_MBq=bound,
        measured_MBq={name: summarize(draws) for name, draws in activity.items()},
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
