"""Scan series: one region's scans as classical methods take them, in physical MBq."""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from pkmodels.clinic.patient import Patient
from pkmodels.dosimetry.scans import (
    Scans,
    scans_of_measurements,
    undo_decay_correction,
)
from pkmodels.errors import InputError
from pkmodels.measurements import Measurement, Quantity, correction_of
from pkmodels.nuclides import nuclide


def physical_MBq(patient: Patient, item: Measurement) -> float:
    """Return a measured value as the physical activity of its region, MBq.

    Parameters
    ----------
    patient : Patient
        Whose masses turn a concentration into an activity.
    item : Measurement
        The value, decay-corrected or not.

    Returns
    -------
    float
        As it was calibrated, at the time of the scan; of blood MBq/L, of urine at the
        end of the collection, of counts without their background.
    """
    background = 0.0 if item.counting is None else item.counting.background
    return max(item.value - background, 0.0) / scale_of(patient, item)


def scale_of(patient: Patient, item: Measurement) -> float:
    """Return a value over the physical activity, MBq (blood: MBq/L), it stands for.

    Parameters
    ----------
    patient : Patient
        Whose masses turn a concentration into an activity.
    item : Measurement
        The value.

    Returns
    -------
    float
    """
    if item.counting is not None:
        return item.counting.counts_per_s_per_MBq * item.counting.live_time_s
    scale = correction_of(item, nuclide(item.label).decay_constant_per_h)
    if item.quantity is Quantity.CONCENTRATION:
        masses = {region.name: region.mass_g for region in patient.regions}
        scale /= masses[item.region] or 1.0
    return scale


@dataclass(frozen=True)
class Series:
    """The scans of one region as a classical method takes them.

    Parameters
    ----------
    scans : Scans
        Physical activities.
    modality : str
        Whose calibration they carry.
    shape : str
        The modality of the scans themselves: another where they were tied to it.
    scaled_by : int
        Scans of that modality that a series without a scale was tied to; 0 where the
        series is the modality's own.
    """

    scans: Scans
    modality: str
    shape: str
    scaled_by: int


def label_to_use(patient: Patient, region: str, label: str) -> str:
    """Return which measured label of a region a label's curve is taken from.

    Parameters
    ----------
    patient : Patient
        The patient.
    region : str
        Name of a measured region.
    label : str
        The label wanted.

    Returns
    -------
    str
        The label itself where it was measured there, or where no label on its ligand
        was; else that one of those with most scans.
    """
    given = {a.ligand for name, a in patient.schedule.labelled if name == label}
    planned = {plan.ligand for plan in patient.plans if plan.label == label}
    # What is only compared is compared with the first plan.
    ligands = given | planned or {patient.plans[0].ligand}
    counts = Counter(
        m.label
        for m in patient.measurements
        if m.region == region
        and _shows_a_curve(m)
        and ligands & set(patient.occasion_of(m).schedule.ligands)
    )
    return label if label in counts or not counts else counts.most_common(1)[0][0]


def _shows_a_curve(item: Measurement) -> bool:
    """Say whether a value is one region's own: no limit, maximum, sample or urine."""
    whole = (Quantity.ACTIVITY, Quantity.CONCENTRATION, Quantity.COUNTS)
    return item.quantity in whole and not item.below and not item.maximum


def series_of(patient: Patient, region: str, label: str) -> Series:
    """Return the scans of one region and label after its only administration.

    The modality of known scale with the most scans; where one whose scale is free has
    more, that one, multiplied by the mean ratio (of logarithms) of the first to it,
    interpolated between its scans: planar scans normalized to a SPECT/CT.

    Parameters
    ----------
    patient : Patient
        The patient.
    region : str
        Name of the region.
    label : str
        A label that was measured.

    Returns
    -------
    Series

    Raises
    ------
    InputError
        When the label was not measured, or given several times, no modality has a known
        scale, or the scans make no series.

    References
    ----------
    Planar curves normalized to one SPECT/CT: the protocol of Haenscheid et al., J Nucl
    Med 2022 (177Lu-pentixather).
    """
    given = patient.schedule.of_label(label).administrations
    if len(given) > 1:
        raise InputError(f"{label} was given {len(given)} times: no single curve")
    if not given:
        raise InputError(f"no label on the ligand of {label} was measured in {region}")
    start_h = min(administration.time_h for administration in given)
    free = {c.modality for c in patient.calibrations if c.cv is None}
    by_modality: dict[str, list[Measurement]] = {}
    for item in patient.measurements:
        if (item.region, item.label) == (region, label) and _shows_a_curve(item):
            by_modality.setdefault(item.modality, []).append(item)
    known = [name for name in by_modality if name not in free]
    if not known:
        raise InputError(f"no scan of {label} in {region} has a known scale")
    most = max(known, key=lambda name: len(by_modality[name]))
    own = _scans(patient, by_modality[most], start_h)
    longest = max(by_modality, key=lambda name: len(by_modality[name]))
    if len(by_modality[longest]) <= len(own.times_h):
        return Series(own, most, most, 0)
    shape = _scans(patient, by_modality[longest], start_h)
    return Series(_scaled(shape, own), most, longest, len(own.times_h))


def _scans(patient: Patient, items: list[Measurement], start_h: float) -> Scans:
    masses = {region.name: region.mass_g for region in patient.regions}
    since = []
    uncounted = (_uncounted(patient, item) for item in items)
    for item in undo_decay_correction([*uncounted]):
        is_whole = item.quantity is Quantity.ACTIVITY
        weight = 1.0 if is_whole else masses[item.region] or 1.0
        since.append(
            replace(
                item,
                value=item.value * weight,
                quantity=Quantity.ACTIVITY,
                start_h=item.start_h - start_h,
                end_h=item.end_h - start_h,
            )
        )
    return scans_of_measurements(since)


def _uncounted(patient: Patient, item: Measurement) -> Measurement:
    """Return counts as the activity that they stand for."""
    if item.counting is None:
        return item
    activity = physical_MBq(patient, item)
    return replace(item, value=activity, quantity=Quantity.ACTIVITY, counting=None)


def _scaled(shape: Scans, known: Scans) -> Scans:
    """Return the shape at the scale of the scans that are known, by logarithms."""
    times, values = np.array(shape.times_h), np.array(shape.activities_MBq)
    at, found = np.array(known.times_h), np.array(known.activities_MBq)
    if (values <= 0.0).any() or (found <= 0.0).any():
        raise InputError(f"{shape.region}: an activity of 0 gives the series no scale")
    if at.min() < times[0] or at.max() > times[-1]:
        raise InputError(
            f"{shape.region}: the scan that gives the scale, at {at.min():g} h, lies "
            f"outside the series, {times[0]:g} to {times[-1]:g} h"
        )
    ratios = np.log(found) - np.interp(at, times, np.log(values))
    scaled = values * np.exp(ratios.mean())
    return replace(shape, activities_MBq=tuple(scaled.tolist()))
