"""What must agree between the measurements and the tables of patient.toml."""

import math
from collections import defaultdict
from collections.abc import Iterator

from pkmodels.clinic.measurement_table import FILE_NAME
from pkmodels.clinic.measurement_units import BLOOD, URINE
from pkmodels.clinic.patient import Calibration, Patient, Region
from pkmodels.clinic.patient_toml import FILE_NAME as TOML_NAME
from pkmodels.clinic.patient_toml import key_of
from pkmodels.errors import suggest
from pkmodels.measurements import Measurement, Quantity, correction_of
from pkmodels.nuclides import nuclide

# Noise and calibration reach some 10 %; beyond this a unit must be wrong.
_MOST_OF_WHAT_IS_LEFT = 1.5
# Judgement: no adult holds less blood (ICRP 89: 5.3 L men, 3.9 L women).
_LEAST_BLOOD_L = 1.0
# Within the first hour a kidney region holds urine that leaves it again.
_URINE_TIME_H = 1.0


def measurement_problems(patient: Patient) -> Iterator[str]:
    """Yield what is wrong between measurements and tables, one message a mistake.

    Parameters
    ----------
    patient : Patient

    Yields
    ------
    str
        File, line or key, what was found and the remedy.
    """
    yield from _duplicates(patient)
    yield from _modality_spellings(patient)
    for calibration in patient.calibrations:
        yield from _calibration_problems(patient, calibration)
    yield from _limits_without_data(patient)
    yield from _more_than_given(patient)


def measurement_warnings(patient: Patient) -> Iterator[str]:
    """Yield what a reader of the result must know of the measurements.

    Parameters
    ----------
    patient : Patient

    Yields
    ------
    str
        One sentence or two.
    """
    yield from _few_times(patient)
    calibrated = {calibration.modality for calibration in patient.calibrations}
    for modality in dict.fromkeys(m.modality for m in patient.measurements):
        if modality not in calibrated:
            yield (
                f"{modality} has no {key_of('calibration', modality)}: its calibration "
                "is taken as exact"
            )
    yield from _early_kidneys(patient)


def _few_times(patient: Patient) -> Iterator[str]:
    """Tell what was measured too seldom on every occasion to show how it goes on."""
    scans: dict[str, set[tuple[float, float]]] = defaultdict(set)
    times: dict[tuple[str, str], set[float]] = defaultdict(set)
    for m in patient.measurements:
        occasion = patient.occasion_of(m).name
        scans[occasion].add((m.start_h, m.end_h))
        times[m.region, occasion].add(m.start_h)
    most = max(len(found) for found in scans.values())
    if most == 1:
        yield (
            f"one scan only{' of each occasion' if len(scans) > 1 else ''}: the "
            "half-lives come from the prior, and the intervals will be wide"
        )
    for region in patient.regions:
        own = [len(found) for (name, _), found in times.items() if name == region.name]
        if not own:
            yield f"region {region.name} has no measurement and is not fitted"
        elif max(own) == 1 < most and region.organ not in (BLOOD, URINE):
            yield (
                f"region {region.name} was measured at one time only"
                f"{' on each occasion' if len(own) > 1 else ''}: its interval "
                "will be wide"
            )


def _duplicates(patient: Patient) -> Iterator[str]:
    first: dict[tuple[object, ...], Measurement] = {}
    for m in patient.measurements:
        earlier = first.setdefault(
            (m.region, m.label, m.modality, m.start_h, m.end_h), m
        )
        replicates = m.sample is not None and m.sample == earlier.sample
        if earlier is not m and not replicates:
            yield (
                f"{m.source}: is a duplicate of {earlier.source} ({m.region}, "
                f"{m.label}, {m.modality}, {m.start_h:g} to {m.end_h:g} h); remove "
                "one, or name in the column sample the sample that both are of"
            )


def _modality_spellings(patient: Patient) -> Iterator[str]:
    spelled: dict[str, Measurement] = {}
    for m in patient.measurements:
        earlier = spelled.setdefault(m.modality.casefold(), m)
        if earlier.modality != m.modality:
            yield (
                f"{m.source}, column modality: {m.modality!r} is {earlier.modality!r} "
                f"in {earlier.source}; spell one modality in one way"
            )


def _calibration_problems(patient: Patient, calibration: Calibration) -> Iterator[str]:
    where = f"{TOML_NAME}: {key_of('calibration', calibration.modality)}"
    modalities = list(dict.fromkeys(m.modality for m in patient.measurements))
    if calibration.modality not in modalities:
        yield (
            f"{where}: {FILE_NAME} has no such modality; "
            f"{suggest(calibration.modality, modalities)}"
        )
        return
    if calibration.cv is not None:
        return
    if calibration.scope != "region":
        yield (
            f'{where} cv: "free" needs scope = "region"; set it, or give cv as a '
            "fraction, as 0.05"
        )
        return
    alone = _without_scale(patient, calibration.modality)
    if alone:
        on = "" if len(patient.occasions) == 1 else " on the same occasion"
        yield (
            f'{where} cv: "free" needs another modality, not free, that measures the '
            f"same region{on} (by no SUVmax, and above its limit), and there is none "
            f"for {', '.join(alone)}; measure it so, or give cv as a fraction, as 0.05"
        )


def _without_scale(patient: Patient, modality: str) -> list[str]:
    """Return the regions of a free modality that nothing of known scale measured.

    One occasion on which both did is enough, since the scale is one of all occasions. A
    scan of another ligand tells little of a scale, a limit or a maximum nothing.
    """
    free = {c.modality for c in patient.calibrations if c.cv is None}
    of_modality = [m for m in patient.measurements if m.modality == modality]
    scaled = {
        (m.region, patient.occasion_of(m).name)
        for m in patient.measurements
        if m.modality not in free and not m.below and not m.maximum
    }
    tied = {
        m.region
        for m in of_modality
        if (m.region, patient.occasion_of(m).name) in scaled
    }
    return [r for r in dict.fromkeys(m.region for m in of_modality) if r not in tied]


def _limits_without_data(patient: Patient) -> Iterator[str]:
    measured = {m.region for m in patient.measurements}
    for limit in patient.limits:
        bare = [
            r.name for r in patient.regions_of(limit.target) if r.name not in measured
        ]
        if bare:
            yield (
                f"{TOML_NAME}: {key_of('limits', limit.target)}: {FILE_NAME} has no "
                f"row of {', '.join(bare)}; add the rows, or waive the limit with a "
                "reason"
            )


def _more_than_given(patient: Patient) -> Iterator[str]:
    """Find values that exceed what decay has left of the activity administered."""
    regions = {region.name: region for region in patient.regions}
    free = {c.modality for c in patient.calibrations if c.cv is None}
    for m in patient.measurements:
        activity_MBq = _physical_MBq(m, regions[m.region])
        if m.modality in free or activity_MBq is None:
            continue
        left_MBq = _left_of_given_MBq(patient, m)
        if activity_MBq > _MOST_OF_WHAT_IS_LEFT * left_MBq:
            least = "at least " if m.quantity is Quantity.PER_LITRE else ""
            yield (
                f"{m.source}, column value: {least}{activity_MBq:.6g} MBq at "
                f"{_when_h(m):g} h is more than decay has left of the {m.label} given "
                f"by then, {left_MBq:.4g} MBq; mend the unit, the time or "
                "decay_corrected_to_h"
            )


def _physical_MBq(m: Measurement, region: Region) -> float | None:
    """Return the activity that a value stands for; of blood, the least there is."""
    if m.below or m.maximum:
        return None
    if m.counting is not None:
        seen = max(m.value - m.counting.background, 0.0)
        return seen / m.counting.counts_per_s_per_MBq / m.counting.live_time_s
    decay = nuclide(m.label).decay_constant_per_h
    physical = m.value / correction_of(m, decay)
    if m.quantity is Quantity.PER_LITRE:
        return physical * _LEAST_BLOOD_L
    if m.quantity is not Quantity.CONCENTRATION:
        return physical
    return None if region.mass_g is None else physical * region.mass_g


def _when_h(m: Measurement) -> float:
    return m.end_h if m.quantity is Quantity.COLLECTED else m.start_h


def _left_of_given_MBq(patient: Patient, m: Measurement) -> float:
    decay = nuclide(m.label).decay_constant_per_h
    return sum(
        a.activity_MBq * math.exp(-decay * max(_when_h(m) - a.time_h, 0.0))
        for a in patient.schedule.of_label(m.label).administrations
        if a.time_h <= m.end_h
    )


def _early_kidneys(patient: Patient) -> Iterator[str]:
    kidneys = {region.name for region in patient.regions if region.organ == "kidney"}
    for m in patient.measurements:
        given = patient.schedule.of_label(m.label).administrations
        since = [m.start_h - a.time_h for a in given if m.start_h >= a.time_h]
        if m.region in kidneys and since and min(since) < _URINE_TIME_H:
            yield (
                f"{m.source}: {m.region} was measured within 1 h of an administration, "
                "where urine may inflate its activity; consider leaving that row out"
            )
