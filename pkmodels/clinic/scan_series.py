"""Scan series: one region's scans as classical methods take them, in physical MBq."""

from pkmodels.clinic.patient import Patient
from pkmodels.dosimetry.scans import LONGEST_FRAME, Scans
from pkmodels.errors import InputError
from pkmodels.measurements import Measurement, Quantity, decay_correction_factor
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
        As it was calibrated, at the time of the scan.
    """
    return item.value / scale_of(patient, item)


def scale_of(patient: Patient, item: Measurement) -> float:
    """Return a value over the physical activity, MBq, that it stands for.

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
    decay = nuclide(item.label).decay_constant_per_h
    scale = decay_correction_factor(
        item.start_h, item.end_h, item.decay_corrected_to_h, decay
    )
    if item.quantity is Quantity.CONCENTRATION:
        masses = {region.name: region.mass_g for region in patient.regions}
        scale /= masses[item.region] or 1.0
    return scale


def series_of(patient: Patient, region: str, label: str) -> Scans:
    """Return the scans of one region and label after its only administration.

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
    Scans
        Of the modality of known scale with the most scans.

    Raises
    ------
    InputError
        When the label was given several times, no modality has a known scale, or the
        scans make no series.
    """
    given = patient.schedule.of_label(label).administrations
    if len(given) > 1:
        raise InputError(f"{label} was given {len(given)} times: no single curve")
    free = {c.modality for c in patient.calibrations if c.cv is None}
    by_modality: dict[str, list[Measurement]] = {}
    for item in patient.measurements:
        if (item.region, item.label) == (region, label) and item.modality not in free:
            by_modality.setdefault(item.modality, []).append(item)
    if not by_modality:
        raise InputError(f"no scan of {label} in {region} has a known scale")
    items = max(by_modality.values(), key=len)
    start_h = min(administration.time_h for administration in given)
    half_life_h = nuclide(label).half_life_h
    for item in items:
        if item.end_h - item.start_h > LONGEST_FRAME.value * half_life_h:
            raise InputError(
                f"{item.source}: the frame is {item.end_h - item.start_h:g} h long, "
                f"above {LONGEST_FRAME.value:g} half-lives of {label}"
            )
    ordered = sorted(items, key=lambda item: item.start_h + item.end_h)
    return Scans(
        region=region,
        label=label,
        times_h=tuple((i.start_h + i.end_h) / 2.0 - start_h for i in ordered),
        activities_MBq=tuple(physical_MBq(patient, i) for i in ordered),
    )
