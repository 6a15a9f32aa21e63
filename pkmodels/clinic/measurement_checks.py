"""What must agree between the measurements and the tables of patient.toml."""

import math
from collections import defaultdict
from collections.abc import Iterator

from pkmodels.clinic.measurement_table import FILE_NAME
from pkmodels.clinic.patient import Calibration, Patient, Region
from pkmodels.clinic.patient_toml import FILE_NAME as TOML_NAME
from pkmodels.clinic.patient_toml import key_of
from pkmodels.errors import suggest
from pkmodels.measurements import Measurement, Quantity, decay_correction_factor
from pkmodels.nuclides import nuclide

# Noise and calibration reach some 10 %; beyond this a unit must be wrong.
_MOST_OF_WHAT_IS_LEFT = 1.5
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
    scans = {(m.start_h, m.end_h) for m in patient.measurements}
    if len(scans) == 1:
        yield (
            "one scan only: the half-lives come from the prior, and the intervals will "
            "be wide"
        )
    for region in patient.regions:
        times = {m.start_h for m in patient.measurements if m.region == region.name}
        if not times:
            yield f"region {region.name} has no measurement and is not fitted"
        elif len(times) == 1 < len(scans):
            yield (
                f"region {region.name} was measured at one time only: its interval "
                "will be wide"
            )
    calibrated = {calibration.modality for calibration in patient.calibrations}
    for modality in dict.fromkeys(m.modality for m in patient.measurements):
        if modality not in calibrated:
            yield (
                f"{modality} has no {key_of('calibration', modality)}: its calibration "
                "is taken as exact"
            )
    yield from _early_kidneys(patient)


def _duplicates(patient: Patient) -> Iterator[str]:
    first: dict[tuple[object, ...], Measurement] = {}
    for m in patient.measurements:
        earlier = first.setdefault(
            (m.region, m.label, m.modality, m.start_h, m.end_h), m
        )
        if earlier is not m:
            yield (
                f"{m.source}: is a duplicate of {earlier.source} ({m.region}, "
                f"{m.label}, {m.modality}, {m.start_h:g} to {m.end_h:g} h); remove one"
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
    measured = _modalities_of_regions(patient)
    free = {c.modality for c in patient.calibrations if c.cv is None}
    alone = [
        region
        for region, found in measured.items()
        if calibration.modality in found and not found - free
    ]
    if alone:
        yield (
            f'{where} cv: "free" needs another modality, not free, that measures the '
            f"same region, and there is none for {', '.join(alone)}; measure it so, or "
            "give cv as a fraction, as 0.05"
        )


def _modalities_of_regions(patient: Patient) -> dict[str, set[str]]:
    measured: dict[str, set[str]] = defaultdict(set)
    for m in patient.measurements:
        measured[m.region].add(m.modality)
    return measured


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
            yield (
                f"{m.source}, column value: {activity_MBq:.6g} MBq at {m.start_h:g} h "
                f"is more than decay has left of the {m.label} given by then, "
                f"{left_MBq:.4g} MBq; mend the unit, the time or "
                "decay_corrected_to_h"
            )


def _physical_MBq(m: Measurement, region: Region) -> float | None:
    decay = nuclide(m.label).decay_constant_per_h
    physical = m.value / decay_correction_factor(
        m.start_h, m.end_h, m.decay_corrected_to_h, decay
    )
    if m.quantity is Quantity.ACTIVITY:
        return physical
    return None if region.mass_g is None else physical * region.mass_g


def _left_of_given_MBq(patient: Patient, m: Measurement) -> float:
    decay = nuclide(m.label).decay_constant_per_h
    return sum(
        a.activity_MBq * math.exp(-decay * max(m.start_h - a.time_h, 0.0))
        for a in patient.schedule.of_label(m.label).administrations
        if a.time_h <= m.end_h
    )


def _early_kidneys(patient: Patient) -> Iterator[str]:
    kidneys = {region.name for region in patient.regions if region.organ == "kidney"}
    starts = [a.time_h for a in patient.schedule.administrations]
    for m in patient.measurements:
        since = [m.start_h - start for start in starts if m.start_h >= start]
        if m.region in kidneys and since and min(since) < _URINE_TIME_H:
            yield (
                f"{m.source}: {m.region} was measured within 1 h of an administration, "
                "where urine may inflate its activity; consider leaving that row out"
            )
