"""The assessment: a fit's draws turned into doses, limits and the safe activity."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pkmodels.clinic.exposure import Dosimetry, Exposure, expose, prepare_dosimetry
from pkmodels.clinic.patient import Patient
from pkmodels.decision import Burden, SafeActivity, safe_activity
from pkmodels.errors import InputError
from pkmodels.fitting.fit import Fit

_MBQ_PER_GBQ = 1e3


@dataclass(frozen=True, eq=False)
class Assessment:
    """Everything that the result and the report say about one patient.

    Parameters
    ----------
    exposures : mapping of label to mapping of target to Exposure
        Of every label measured or planned.
    received_Gy : mapping of str to (n_draws,) array or None
        Dose of all administrations of the file, by region and group.
    burdens : mapping of label to mapping of str to Burden
        What each limit counts, by planned label.
    decisions : mapping of str to SafeActivity
        By planned label; empty when every limit is waived.
    dosimetry : Dosimetry
        The S-values used.
    """

    exposures: Mapping[str, Mapping[str, Exposure]]
    received_Gy: Mapping[str, np.ndarray | None]
    burdens: Mapping[str, Mapping[str, Burden]]
    decisions: Mapping[str, SafeActivity]
    dosimetry: Dosimetry


def assess(patient: Patient, fit: Fit) -> Assessment:
    """Turn a fit into doses and decide on the activity.

    Parameters
    ----------
    patient : Patient
        The patient.
    fit : Fit
        A fit that passed its checks.

    Returns
    -------
    Assessment

    Raises
    ------
    FitRefusedError
        When the fit failed its checks.
    InputError
        When a limit needs a dose that is not known; `check_answerable` says why.
    SolveError
        When a draw cannot be solved.
    """
    administrations = reversed(patient.schedule.labelled)
    given = {label: a.duration_h for label, a in administrations}
    planned = {plan.label: plan.duration_h for plan in patient.plans}
    labels = tuple(dict.fromkeys([*given, *planned]))
    dosimetry = prepare_dosimetry(patient, fit, labels)
    last_h = last_scan_h(patient)

    def exposed(durations: Mapping[str, float]) -> dict[str, dict[str, Exposure]]:
        return {
            label: expose(patient, fit, dosimetry, label, duration, last_h)
            for label, duration in durations.items()
        }

    of_given, of_planned = exposed(given), exposed(planned)
    received = received_doses(patient, fit, dosimetry, last_h)
    burdens = {n: _burdens(patient, of_planned[n], received) for n in planned}
    decisions = {
        label: safe_activity(counted, confidence=patient.confidence)
        for label, counted in burdens.items()
        if counted
    }
    return Assessment(
        exposures=of_given | of_planned,
        received_Gy=received,
        burdens=burdens,
        decisions=decisions,
        dosimetry=dosimetry,
    )


def last_scan_h(patient: Patient) -> float:
    """Return the longest time from an administration to a scan before the next one.

    Parameters
    ----------
    patient : Patient
        The patient.

    Returns
    -------
    float
        h.
    """
    found = 0.0
    for scan in patient.measurements:
        given = patient.schedule.of_label(scan.label).administrations
        starts = [a.time_h for a in given if a.time_h <= scan.start_h]
        found = max(found, scan.end_h - max(starts))
    return found


def received_doses(
    patient: Patient, fit: Fit, dosimetry: Dosimetry, last_h: float
) -> dict[str, np.ndarray | None]:
    """Return the dose of all administrations of the file, per draw.

    Parameters
    ----------
    patient : Patient
        The patient.
    fit : Fit
        A fit that passed its checks.
    dosimetry : Dosimetry
        From `prepare_dosimetry`.
    last_h : float
        Time of the last scan after an administration, h.

    Returns
    -------
    dict of str to (n_draws,) array or None
        Gy by region and group; None where a label's dose is not known.
    """
    totals: dict[str, np.ndarray | None] = {}
    for label, given in patient.schedule.labelled:
        exposures = expose(patient, fit, dosimetry, label, given.duration_h, last_h)
        for target, exposure in exposures.items():
            before = totals.get(target, np.zeros(1))
            if before is None or exposure.dose_Gy_per_GBq is None:
                totals[target] = None
                continue
            dose = exposure.dose_Gy_per_GBq * (given.activity_MBq / _MBQ_PER_GBQ)
            totals[target] = before + dose
    return totals


def _burdens(
    patient: Patient,
    exposures: Mapping[str, Exposure],
    received: Mapping[str, np.ndarray | None],
) -> dict[str, Burden]:
    burdens = {}
    for limit in patient.limits:
        slope = exposures[limit.target].dose_Gy_per_GBq
        before = received[limit.target] if patient.count_administrations else 0.0
        if slope is None or before is None or limit.absorbed_dose_Gy is None:
            raise InputError(f"[limits.{limit.target}] needs a dose that is not known")
        zero = np.zeros_like(slope)
        limit_Gy = limit.absorbed_dose_Gy
        burdens[limit.target] = Burden(limit_Gy, zero + before, slope, zero)
    return burdens
