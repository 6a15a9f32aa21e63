"""What one more scan of a patient would tell of the doses that are limited."""

import shutil
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console

from pkmodels.clinic.answerable import check_answerable
from pkmodels.clinic.patient import Patient
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.result_format import NOT_VALIDATED
from pkmodels.clinic.workflow import UNFINISHED, fit_and_assess
from pkmodels.errors import FitRefusedError, InputError

if TYPE_CHECKING:
    from pkmodels.design.another_scan import AnotherScan
    from pkmodels.fitting.experiments import Experiment
    from pkmodels.fitting.fit import Fit

# When scans are customarily made, h: what the table shows.
_SHOWN_H = (1.0, 4.0, 24.0, 48.0, 72.0, 96.0, 120.0, 144.0, 168.0)
# Between the times that are tried for the best one, h.
_STEP_H = 2.0


@dataclass(frozen=True, eq=False)
class ScanValue:
    """What one more scan of a modality would tell of one dose.

    Parameters
    ----------
    occasion, modality : str
        Of which occasion, by what.
    label, target : str
        Whose dose: of the planned label, to what has a limit.
    found : AnotherScan or None
        Times are h after the occasion's first dose; None where `omitted` says why it
        is not known.
    omitted : str or None
        Why.
    """

    occasion: str
    modality: str
    label: str
    target: str
    found: "AnotherScan | None"
    omitted: str | None


def value_scans(
    folder: Path, latest_h: float, seed: int, console: Console
) -> tuple[ScanValue, ...]:
    """Fit a patient's measurements, and value one more scan of each modality.

    Parameters
    ----------
    folder : Path
        Holds patient.toml and measurements.csv.
    latest_h : float
        The latest time of it, h after the first dose of its occasion.
    seed : int
        Repeats a run exactly, >= 0.
    console : Console
        Where progress is shown.

    Returns
    -------
    tuple of ScanValue
        Of each occasion, modality and limited dose of each plan.

    Raises
    ------
    InputError
        When the files or the question cannot be used, or every dose ends after
        `latest_h`.
    FitRefusedError
        When the fit failed its checks.
    """
    patient = read_patient(folder)
    check_answerable(patient)
    _check_latest(patient, latest_h)
    unfinished = folder / "out" / f"{UNFINISHED}-design"
    fitted, assessment = fit_and_assess(patient, seed, console, {}, unfinished)
    shutil.rmtree(unfinished, ignore_errors=True)
    if assessment is None:
        raise FitRefusedError("; ".join(fitted.checks.reasons))
    from pkmodels.clinic.scan_values import limited_doses

    return tuple(
        _valued(fitted, each, modality, label, target, dose, latest_h)
        for each in fitted.posterior.experiments
        for modality in dict.fromkeys(m.modality for m in each.measurements)
        for label, target, dose in limited_doses(patient, assessment)
    )


def _check_latest(patient: Patient, latest_h: float) -> None:
    """Refuse a latest time that no scan can keep, before minutes are spent fitting."""
    if not isfinite(latest_h):
        raise InputError(f"--latest is {latest_h}: give hours, as 168")
    for occasion in patient.occasions:
        given = occasion.schedule.administrations
        first = min(each.time_h for each in given)
        ended = max(each.time_h + each.duration_h for each in given) - first
        if latest_h <= ended:
            raise InputError(
                f"--latest is {latest_h:g} h, and the last dose of {occasion.name} "
                f"ends {ended:g} h after its first: give a later one"
            )


def _valued(
    fitted: "Fit",
    experiment: "Experiment",
    modality: str,
    label: str,
    target: str,
    dose: np.ndarray,
    latest_h: float,
) -> ScanValue:
    from pkmodels.clinic.scan_values import dosed_h, latest_of
    from pkmodels.design.another_scan import value_another_scan

    start, ended = dosed_h(experiment)  # the file's clock; scans count from the start
    end, latest_h = ended - start, latest_of(experiment, modality, latest_h)
    fine = np.arange(end + _STEP_H, latest_h + 1e-9, _STEP_H)
    shown = [t for t in _SHOWN_H if end < t <= latest_h]
    since = np.unique([*shown, *fine])
    if not since.size:
        raise InputError(
            f"the last dose of {experiment.name} ends {end:g} h after its first, and "
            f"{modality} is seen until {latest_h:.3g} h (--latest, and four half-lives "
            "of its label): give a later one"
        )
    try:
        found = value_another_scan(
            fitted, modality, start + since, dose, experiment.name
        )
    except InputError as error:
        return ScanValue(experiment.name, modality, label, target, None, str(error))
    found = replace(found, times_h=since)
    return ScanValue(experiment.name, modality, label, target, found, None)


def describe_scans(values: tuple[ScanValue, ...]) -> str:
    """Say what one more scan would tell, as text.

    Parameters
    ----------
    values : tuple of ScanValue
        From `value_scans`.

    Returns
    -------
    str
    """
    lines: list[str] = []
    for each in values:
        head = f"{each.label}, dose to {each.target}; {each.occasion}: {each.modality}"
        if each.found is None:
            lines += [f"{head}: not known: {each.omitted}", ""]
            continue
        found = each.found
        now = _factor(found.log_sd_now)
        lines += [f"{head} of {', '.join(found.regions)}", found.describe()]
        lines.append(f"  as it is: 95 % interval, upper over lower {now:.2f}")
        for time in _SHOWN_H:
            [at] = np.nonzero(found.times_h == time)
            if at.size:
                then = _factor(float(found.log_sd_then[at[0]]))
                lines.append(f"  one more at {time:g} h: {then:.2f}")
        lines.append("")
    lines.append(
        "Expected of the fit's draws, with the scatter and calibration found in it, by "
        "the best linear estimate of ln dose. Times are h after the occasion's first "
        "dose, any hour of the day, to four half-lives of the label that is measured; "
        "those that have passed are shown for the next patient."
    )
    lines.append(NOT_VALIDATED)
    return "\n".join(lines)


def _factor(log_sd: float) -> float:
    """Return upper over lower end of the central 95 % of a log-normal."""
    return float(np.exp(2.0 * NormalDist().inv_cdf(0.975) * log_sd))
