"""What must agree in joint data: occasions, sharing, samples, counts, overlaps."""

import math
from collections.abc import Iterator
from itertools import pairwise

from pkmodels.clinic.joint_data import Occasion, StatedOverlap
from pkmodels.clinic.measurement_table import FILE_NAME as CSV_NAME
from pkmodels.clinic.patient import Patient
from pkmodels.clinic.patient_models import ALL_OF_IT, SAMPLED, saturates
from pkmodels.clinic.patient_toml import FILE_NAME, key_of
from pkmodels.errors import suggest
from pkmodels.measurements import Measurement, Quantity
from pkmodels.nuclides import nuclide

# Judgement: far below the noise of any scan.
_LEFT_FROM_BEFORE = 0.01


def occasion_problems(patient: Patient) -> Iterator[str]:
    """Yield what is wrong with occasions and what they share, whatever was measured.

    Parameters
    ----------
    patient : Patient
        Its measurements are not looked at.

    Yields
    ------
    str
        File, key, what was found and the remedy.
    """
    names = patient.occasion_names
    if "" in names:
        named = ", ".join(dict.fromkeys(name for name in names if name))
        yield (
            f"{FILE_NAME}: [[administration]] occasion: some name one ({named}) and "
            "others none; name the occasion of each, or of none"
        )
        return
    found = patient.occasions
    if len(found) > 1 and len(patient.schedule.ligands) == 1 and not saturates(patient):
        yield (
            f"{FILE_NAME}: [[administration]] occasion: found "
            f"{', '.join(o.name for o in found)}; organ_exchange solves all "
            "administrations together; leave occasion out, or name a model that tells "
            'them apart in [decision], as model = "pentixather"'
        )
    yield from _remains(patient)
    yield from _sharing_problems(patient)


def _remains(patient: Patient) -> Iterator[str]:
    """Find labels of which decay alone leaves too much when they are given again."""
    for later in patient.occasions:
        for label, given in later.schedule.labelled:
            for earlier in patient.occasions:
                left_MBq = _left_MBq(earlier, label, given.time_h)
                if earlier == later or left_MBq <= (
                    _LEFT_FROM_BEFORE * given.activity_MBq
                ):
                    continue
                yield (
                    f"{FILE_NAME}: [[administration]] occasion: when {later.name!r} "
                    f"gives {given.activity_MBq:g} MBq of {label} at "
                    f"{given.time_h:g} h, decay has left {left_MBq:.3g} MBq of that of "
                    f"{earlier.name!r}, and each occasion is solved without the "
                    "others; give these administrations one occasion"
                )


def _left_MBq(occasion: Occasion, label: str, time_h: float) -> float:
    decay = nuclide(label).decay_constant_per_h
    return sum(
        a.activity_MBq * math.exp(-decay * (time_h - a.time_h))
        for a in occasion.schedule.of_label(label).administrations
        if a.time_h <= time_h
    )


def _sharing_problems(patient: Patient) -> Iterator[str]:
    occasions = [occasion.name for occasion in patient.occasions]
    seen: set[tuple[str, str]] = set()
    for number, stated in enumerate(patient.sharings, start=1):
        where = f"{FILE_NAME}: [[sharing]] number {number}"
        if stated.occasion not in occasions:
            yield (
                f"{where} occasion: no occasion {stated.occasion!r}; "
                f"{suggest(stated.occasion, occasions)}"
            )
        elif len(occasions) == 1:
            yield (
                f"{where}: {occasions[0]} is the only occasion, which shares nothing; "
                "remove it, or name occasions in [[administration]]"
            )
        choice = (stated.parameter, stated.occasion)
        if choice in seen:
            yield (
                f"{where}: {stated.parameter} of {stated.occasion} is said twice; "
                "remove one"
            )
        seen.add(choice)


def joint_problems(patient: Patient) -> Iterator[str]:
    """Yield what is wrong between the rows and the tables of joint data.

    Parameters
    ----------
    patient : Patient

    Yields
    ------
    str
        File, line or key, what was found and the remedy.
    """
    yield from _maximum_problems(patient)
    yield from _unused_tables(patient)
    yield from _sample_problems(patient)
    yield from _urine_problems(patient)
    for overlap in patient.overlaps:
        yield from _overlap_problems(patient, overlap)


def _maximum_problems(patient: Patient) -> Iterator[str]:
    stated = [each.modality for each in patient.maximum_excess]
    used = list(dict.fromkeys(m.modality for m in patient.measurements if m.maximum))
    for modality in used:
        if modality not in stated:
            first = next(m for m in patient.measurements if m.modality == modality)
            yield (
                f"{FILE_NAME}: {key_of('noise.maximum', modality)} is missing: "
                f"{first.source} and others are SUVmax, which is above the mean that a "
                "model describes; state by how much (excess_median, excess_log_sd, "
                "source)"
            )
    for modality in stated:
        if modality not in used:
            yield (
                f"{FILE_NAME}: {key_of('noise.maximum', modality)}: {CSV_NAME} has no "
                f"SUVmax of this modality; {suggest(modality, used)}, or remove it"
            )


def _unused_tables(patient: Patient) -> Iterator[str]:
    counted = list(
        dict.fromkeys(m.modality for m in patient.measurements if m.counting)
    )
    for each in patient.countings:
        if each.modality not in counted:
            yield (
                f"{FILE_NAME}: {key_of('counting', each.modality)}: {CSV_NAME} has no "
                f"counts of this modality; {suggest(each.modality, counted)}, or "
                "remove it"
            )
    sampled = any(m.sample for m in patient.measurements)
    if patient.sample_volume_cv is not None and not sampled:
        yield (
            f"{FILE_NAME}: [samples]: no row of {CSV_NAME} names a sample, so that "
            "volume_cv would be used for nothing; name it in the column sample, or "
            "remove the table"
        )


def _sample_problems(patient: Patient) -> Iterator[str]:
    first: dict[str, Measurement] = {}
    for m in patient.measurements:
        if m.sample is None:
            continue
        one = first.setdefault(m.sample.name, m)
        if (m.region, m.start_h, m.end_h) != (one.region, one.start_h, one.end_h):
            yield (
                f"{m.source}, column sample: {m.sample.name!r} is {m.region} from "
                f"{m.start_h:g} to {m.end_h:g} h, and in {one.source} {one.region} "
                f"from {one.start_h:g} to {one.end_h:g} h; replicates are of one "
                "sample: mend a name or a time"
            )


def _urine_problems(patient: Patient) -> Iterator[str]:
    collected = [m for m in patient.measurements if m.quantity is Quantity.COLLECTED]
    for label in dict.fromkeys(m.label for m in collected):
        own = sorted(
            (m for m in collected if m.label == label),
            key=lambda m: (m.start_h, m.end_h),
        )
        for one, other in pairwise(own):
            replicates = one.sample is not None and one.sample == other.sample
            if other.start_h < one.end_h and not replicates:
                yield (
                    f"{other.source}, column start_h: this collection begins at "
                    f"{other.start_h:g} h, before that of {one.source} ends at "
                    f"{one.end_h:g} h; what was collected is counted once: mend the "
                    "times"
                )


def _overlap_problems(patient: Patient, overlap: StatedOverlap) -> Iterator[str]:
    where = f"{FILE_NAME}: {key_of('overlap', overlap.modality, overlap.region)}"
    regions = [region.name for region in patient.regions]
    if overlap.region not in regions:
        yield f"{where}: unknown region; {suggest(overlap.region, regions)}"
        return
    rows = [
        m
        for m in patient.measurements
        if (m.modality, m.region) == (overlap.modality, overlap.region)
    ]
    if not rows:
        found = dict.fromkeys(
            m.modality for m in patient.measurements if m.region == overlap.region
        )
        yield (
            f"{where}: {CSV_NAME} has no such row; "
            f"{suggest(overlap.modality, [*found])}, or remove it"
        )
    for m in rows:
        if m.quantity not in (Quantity.ACTIVITY, Quantity.COUNTS):
            yield (
                f"{m.source}, column unit: {overlap.modality} of {overlap.region} has "
                "an overlap, which is of activities: give MBq, kBq, %IA or counts, or "
                f"remove {key_of('overlap', overlap.modality, overlap.region)}"
            )
    if overlap.region in overlap.others:
        yield (f"{where} of: {overlap.region} does not lie over itself; name what does")
    for name in overlap.others:
        yield from _partner_problems(patient, overlap.region, name, f"{where} of")


def _partner_problems(
    patient: Patient, region: str, name: str, where: str
) -> Iterator[str]:
    """Find what cannot be counted with a region, or holds the region itself."""
    organs = {each.name: each.organ for each in patient.regions}
    others = [n for n, organ in organs.items() if organ not in SAMPLED and n != region]
    what = organs.get(name, name)
    if what in SAMPLED:
        yield (
            f"{where}: {name} is what is sampled, no activity that lies over "
            f"{region}; {suggest(name, others)}"
        )
    elif name in {group.name for group in patient.groups}:
        yield f"{where}: {name} is a group; name those of its regions that lie over it"
    elif what in ALL_OF_IT or (what, organs[region]) == ("kidneys", "kidney"):
        yield (
            f"{where}: {name} holds {region} itself, which would be counted twice; "
            'name what lies over it, as liver or, with model = "pentixather", rest'
        )


def joint_warnings(patient: Patient) -> Iterator[str]:
    """Yield what a reader of the result must know of joint data.

    Parameters
    ----------
    patient : Patient

    Yields
    ------
    str
        One sentence or two.
    """
    occasions = patient.occasions
    if len(occasions) > 1 and saturates(patient):
        yield (
            f"{', '.join(o.name for o in occasions)} are solved each by itself: what "
            "ligand one leaves on receptors does not block the next (administrations "
            "of one [[administration]] occasion are solved together)"
        )
    measured = {patient.occasion_of(m).name for m in patient.measurements}
    for occasion in occasions:
        if len(occasions) > 1 and occasion.name not in measured:
            yield (
                f"nothing was measured of occasion {occasion.name}: it informs no "
                "parameter, and only its dose counts"
            )
    for ligand in dict.fromkeys(plan.ligand for plan in patient.plans):
        yield from _seen_with_another_ligand(patient, ligand)
    yield from _corrected_to_before(patient)
    labels: dict[str, dict[str, None]] = {}
    for m in patient.measurements:
        labels.setdefault(m.modality, {})[m.label] = None
    for modality, several in labels.items():
        if len(several) > 1:
            yield (
                f"{modality} measured {' and '.join(several)}: they share its noise "
                "and, where it has one, its calibration; name them apart (as "
                f"'{modality} {list(several)[-1]}') where each was calibrated by itself"
            )


def _corrected_to_before(patient: Patient) -> Iterator[str]:
    """Find values corrected to when their label was not there yet: time 0, mostly."""
    found: dict[tuple[str, float, float], list[Measurement]] = {}
    for m in patient.measurements:
        given = patient.occasion_of(m).schedule.of_label(m.label).administrations
        first_h, reference = min(a.time_h for a in given), m.decay_corrected_to_h
        if reference is not None and reference < first_h:
            found.setdefault((m.label, reference, first_h), []).append(m)
    for (label, reference, first_h), rows in found.items():
        yield (
            f"{rows[0].source}: {label} corrected to {reference:g} h, before it was "
            f"given at {first_h:g} h (rows: {len(rows)}); where the software corrected "
            "to the injection, write its time"
        )


def _seen_with_another_ligand(patient: Patient, ligand: str) -> Iterator[str]:
    seen = {
        m.region
        for m in patient.measurements
        if ligand in patient.occasion_of(m).schedule.ligands
    }
    limited = {
        r.name for each in patient.limits for r in patient.regions_of(each.target)
    }
    measured = dict.fromkeys(m.region for m in patient.measurements)
    other = [name for name in measured if name in limited and name not in seen]
    if other:
        yield (
            f"{', '.join(other)} under a limit: measured with another ligand than the "
            f"planned {ligand}, whose dose there rests on what the model says the two "
            "have in common"
        )
