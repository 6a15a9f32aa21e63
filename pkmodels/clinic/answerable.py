"""Whether this version can answer what a patient's folder asks, before any fit."""

import math
from collections.abc import Iterator
from statistics import NormalDist

from pkmodels.clinic.dose_weights import irradiation_of, labels_of, self_value
from pkmodels.clinic.model_checks import model_problems
from pkmodels.clinic.own_s_values import own_row_problems
from pkmodels.clinic.patient import Limit, Patient, Region
from pkmodels.clinic.patient_models import saturates
from pkmodels.clinic.patient_toml import FILE_NAME, key_of
from pkmodels.clinic.responses import organ_of, radiobiologies, responding_organ
from pkmodels.decision import MINIMUM_TAIL_DRAWS
from pkmodels.dosimetry.mass_scaling import SHARE_OUTSIDE
from pkmodels.errors import InputError, suggest
from pkmodels.gammas import gamma_ratio
from pkmodels.values import log_sd_of_cv

# What organ_exchange calls its own symbols.
_RESERVED_NAMES = ("blood", "blood_half_time")
_RESERVED_PREFIXES = ("fraction_", "biological_half_life_")

# How patient.toml names the quantities.
_KEYS = {"absorbed_dose": "absorbed_dose_Gy", "bed": "bed_Gy"}

# A mass so many times the reference organ's, or less, is a wrong unit.
_MASS_RATIO = 20.0

# Half of what an S-value lets its draws do (`SHARE_OUTSIDE`): data may move the mass.
_OUTSIDE = SHARE_OUTSIDE.value / 2.0

# With more, the sampler would need more draws than a laptop holds.
HIGHEST_CONFIDENCE = 0.999


def check_answerable(patient: Patient) -> None:
    """Refuse a question that this version has no model, S-value or rule for.

    Parameters
    ----------
    patient : Patient
        A patient whose files are in order.

    Raises
    ------
    InputError
        With every obstacle, one a line, each with its remedy.
    """
    problems = [
        *model_problems(patient),
        *_name_problems(patient),
        *_mass_problems(patient),
        *_time_problems(patient),
        *_limit_problems(patient),
        *_radiobiology_problems(patient),
        *_cross_problems(patient),
        *own_row_problems(patient),
        *_confidence_problems(patient),
        *_history_problems(patient),
        *_gamma_problems(patient),
        *_recovery_problems(patient),
    ]
    if problems:
        raise InputError("\n".join(problems))


def _mass_problems(patient: Patient) -> Iterator[str]:
    for region in patient.regions:
        try:
            value = self_value(patient, region, "Lu-177")
        except InputError as error:
            yield f"{FILE_NAME}: [regions.{region.name}]: {error}"
            continue
        yield from _range_problems(patient, region)
        usual = None if value is None else value.reference_mass_g
        if region.mass_g is None or usual is None:
            continue
        if not usual / _MASS_RATIO < region.mass_g < usual * _MASS_RATIO:
            yield (
                f"{FILE_NAME}: [regions.{region.name}] mass_g = {region.mass_g:g}: the "
                f"reference {region.organ} weighs {usual:g} g, and a factor above "
                f"{_MASS_RATIO:g} is taken for a wrong unit: give it in g"
            )


def _range_problems(patient: Patient, region: Region) -> Iterator[str]:
    """Find masses for which a label's S-value does not hold, as of large tumours."""
    for label in labels_of(patient):
        value = self_value(patient, region, label)
        bounds = None if value is None else value.mass_range_g
        if region.mass_g is None or bounds is None:
            continue
        if _share_outside(region.mass_g, region.mass_cv or 0.0, bounds) > _OUTSIDE:
            yield (
                f"{FILE_NAME}: [regions.{region.name}] mass_g = {region.mass_g:g}, "
                f"mass_cv = {region.mass_cv or 0.0:.2g}: the S-value of {label} for "
                f"{region.organ} holds from {bounds[0]:g} to {bounds[1]:g} g, and the "
                "mass may lie outside: leave it out, or give an S-value for it in a "
                "table of your own ([s_values])"
            )


def _share_outside(mass_g: float, cv: float, bounds: tuple[float, float]) -> float:
    """Return the probability that a mass lies outside some bounds."""
    if cv == 0.0:
        return float(not bounds[0] <= mass_g <= bounds[1])
    of_log = NormalDist(math.log(mass_g), log_sd_of_cv(cv))
    low, high = (of_log.cdf(math.log(bound)) for bound in bounds)
    return low + 1.0 - high


def _name_problems(patient: Patient) -> Iterator[str]:
    if saturates(patient):
        return
    for region in patient.regions:
        if region.name in _RESERVED_NAMES or region.name.startswith(_RESERVED_PREFIXES):
            yield (
                f"{FILE_NAME}: [regions.{region.name}]: the model organ_exchange uses "
                "this name itself: choose another for the region, in both files"
            )


def _time_problems(patient: Patient) -> Iterator[str]:
    for item in patient.measurements:
        given = patient.schedule.of_label(item.label).administrations
        first = min(a.time_h for a in given)
        if item.end_h == item.start_h == first:
            yield (
                f"{item.source}: start_h = {item.start_h:g} is the moment of the "
                "administration, when no organ holds anything yet: give the frame with "
                "end_h, or leave the row out"
            )
    last = max((m.end_h for m in patient.measurements), default=0.0)
    for number, plan in enumerate(patient.plans, start=1):
        if plan.start_h is not None and plan.start_h < last:
            yield (
                f"{FILE_NAME}: [[plan]] number {number} start_h = {plan.start_h:g}: "
                f"the last scan ends at {last:g} h, and a therapy is planned from "
                "scans before it; mend start_h (h after the first administration), or "
                "leave out the scans that come later"
            )


def _limit_problems(patient: Patient) -> Iterator[str]:
    for limit in patient.limits:
        where = f"{FILE_NAME}: [limits.{limit.target}]"
        if limit.quantity == "bed":
            yield from _response_problems(patient, limit, where)
        yield from _dose_problems(patient, limit, where)


def _dose_problems(patient: Patient, limit: Limit, where: str) -> Iterator[str]:
    regions = patient.regions_of(limit.target)
    for label in dict.fromkeys(plan.label for plan in patient.plans):
        for organ in _without_s_value(patient, regions, label):
            yield (
                f"{where}: no S-value of {label} for {organ} is known, so that its "
                "dose cannot be limited: give it in a table of your own ([s_values]), "
                "waive the limit with a reason, or leave out the plan"
            )
    if not patient.count_administrations:
        return
    for label in patient.schedule.labels:
        for organ in _without_s_value(patient, regions, label):
            yield (
                f"{where}: the {label} that was given counts against it, but no "
                f"S-value of {label} for {organ} is known: set "
                "count_administrations = false with a count_reason in [decision] "
                "(which leaves out every administration), leave this administration "
                "and its measurements out, or waive the limit with a reason"
            )


def _without_s_value(
    patient: Patient, regions: tuple[Region, ...], label: str
) -> list[str]:
    bare = (r.organ for r in regions if self_value(patient, r, label) is None)
    return list(dict.fromkeys(bare))


def _response_problems(patient: Patient, limit: Limit, where: str) -> Iterator[str]:
    organ = organ_of(patient, limit.target)
    if organ not in radiobiologies(patient):
        yield (
            f"{where} bed_Gy = {limit.bed_Gy:g}: no alpha/beta and repair half-time of "
            f"{organ} are known: state them in [radiobiology.{organ}], or give the "
            "limit that you hold in Gy of absorbed dose"
        )


def _radiobiology_problems(patient: Patient) -> Iterator[str]:
    stated = [each.organ for each in patient.radiobiology]
    if {"kidney", "kidneys"} <= set(stated):
        yield (
            f"{FILE_NAME}: [radiobiology.kidney] and [radiobiology.kidneys]: one "
            "response serves every kidney region; remove one of them"
        )
    known = list(dict.fromkeys(region.organ for region in patient.regions))
    responding = {responding_organ(organ) for organ in known}
    for organ in stated:
        if responding_organ(organ) not in responding:
            yield (
                f"{FILE_NAME}: [radiobiology.{organ}]: no region is of organ "
                f"{organ!r}, so that it would be used for nothing; "
                f"{suggest(organ, known)}, or remove it"
            )


def _history_problems(patient: Patient) -> Iterator[str]:
    limits = {limit.target: limit for limit in patient.limits}
    waived = {waiver.target for waiver in patient.waived}
    for each in patient.history:
        limit = limits.get(each.target)
        if limit is None and each.target not in waived:
            yield (
                f"{FILE_NAME}: [[history]] target {each.target!r} carries no limit, so "
                f"that what it received would count against nothing; "
                f"{suggest(each.target, [*limits])}"
            )
        elif limit is not None and limit.quantity != each.quantity:
            yield (
                f"{FILE_NAME}: [[history]] of {each.target} is in "
                f"{_KEYS[each.quantity]} and [limits.{each.target}] in "
                f"{_KEYS[limit.quantity]}: they are different quantities; give what "
                "was received in the limit's own"
            )


def _gamma_problems(patient: Patient) -> Iterator[str]:
    measured = dict.fromkeys((m.modality, m.label) for m in patient.measurements)
    for each in patient.calibrations:
        energy, ours, theirs = (
            each.gamma_keV,
            each.calibrated_with,
            each.quantified_with,
        )
        if energy is None or ours is None or theirs is None:
            continue
        where = f"{FILE_NAME}: {key_of('calibration', each.modality)}"
        for label in (n for modality, n in measured if modality == each.modality):
            try:
                factor = gamma_ratio(
                    label, energy, ours, theirs, mixture=(ours, theirs)
                )
            except InputError as error:
                yield f"{where}: {error}"
                continue
            if ours != theirs:
                yield (
                    f"{where}: calibrated with {ours} but quantified with {theirs}, "
                    f"whose yields of {label} at {energy:g} keV differ, so that "
                    f"activities come out {_too_much(1.0 / factor)}: multiply the "
                    f"values of this modality by {factor:.4g} and state {ours} for both"
                )


def _too_much(ratio: float) -> str:
    side = "high" if ratio > 1.0 else "low"
    return f"{abs(100.0 * (ratio - 1.0)):.1f} % too {side}"


def _recovery_problems(patient: Patient) -> Iterator[str]:
    measured = {(m.modality, m.region) for m in patient.measurements}
    regions = {region.name: region for region in patient.regions}
    for curve in patient.recoveries:
        where = f"{FILE_NAME}: {key_of('recovery', curve.modality)}"
        names = sorted(
            name for modality, name in measured if modality == curve.modality
        )
        if not names:
            yield f"{where}: no measurement is of this modality; remove it, or mend it"
        for name in names:
            if regions[name].outlined_volume_mL is None or regions[name].mass_g is None:
                yield (
                    f"{where}: the recovery of {name} follows from its volume, which "
                    f"is unknown; add mass_g and density_g_per_mL, or volume_mL, to "
                    f"[regions.{name}]"
                )


def _cross_problems(patient: Patient) -> Iterator[str]:
    """Look up every S-value before the fit, so that a wrong table ends no long run."""
    measured = tuple(dict.fromkeys(m.region for m in patient.measurements))
    for label in labels_of(patient):
        try:
            irradiation_of(patient, measured, label)
        except InputError as error:
            yield f"{FILE_NAME}: {error}"


def _confidence_problems(patient: Patient) -> Iterator[str]:
    if patient.confidence > HIGHEST_CONFIDENCE:
        yield (
            f"{FILE_NAME}: [decision] confidence = {patient.confidence}: at most "
            f"{HIGHEST_CONFIDENCE} can be given from draws, with "
            f"{MINIMUM_TAIL_DRAWS} of them beyond it"
        )
