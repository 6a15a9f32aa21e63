"""What a reader must know before using a result, in words."""

from collections.abc import Iterator

import numpy as np

from pkmodels.clinic.assessment import Assessment, Choice
from pkmodels.clinic.cohort_reliance import reliance_warnings
from pkmodels.clinic.model_checks import model_warnings
from pkmodels.clinic.patient import Patient, Plan, Treatment
from pkmodels.clinic.patient_models import held_uncertain, name_of, saturates
from pkmodels.clinic.question import MONTE_CARLO_LIMIT
from pkmodels.decision import cautions_of
from pkmodels.dosimetry.marrow import marrow_s_values, remainder_s
from pkmodels.fitting.fit import Fit
from pkmodels.fitting.posterior import EXPECTED
from pkmodels.models.values import LIGANDS
from pkmodels.nuclides import nuclide
from pkmodels.units import MBQ_PER_GBQ, NMOL_PER_UMOL

# Values further from the fitted curve, in sd of the usual noise, are named.
RESIDUAL_LIMIT = 3.0

_LU = "Lu-177"

# The label of the scan that shows the target.
TARGET_LABEL = "Ga-68"


def warnings(patient: Patient, fit: Fit, assessment: Assessment | None) -> list[str]:
    """List what a reader must know before using the result.

    Parameters
    ----------
    patient : Patient
        The patient, with the warnings of its files.
    fit : Fit
        The fit.
    assessment : Assessment or None
        None when the fit failed its checks.

    Returns
    -------
    list of str
    """
    found = [
        *patient.warnings,
        *_group_warnings(patient),
        *_mass_warnings(patient),
        *_marrow_warnings(patient, assessment),
        *_target_warnings(patient),
        *_treatment_warnings(patient),
    ]
    if fit.checks.attempts > 1:
        found.append(
            f"the sampler needed {fit.checks.attempts} attempts: look closely at the "
            "fit"
        )
    found += fit.checks.warnings
    if fit.despite is not None:
        found.append(f"the fit FAILED its checks and is used since {fit.despite}")
    if assessment is not None:
        found += reliance_warnings(patient, fit)
        found += _residual_warnings(fit)
        found += _tail_warnings(patient, assessment)
        found += _activity_warnings(assessment)
    return found


def _group_warnings(patient: Patient) -> Iterator[str]:
    measured = {m.region for m in patient.measurements}
    for group in patient.groups:
        bare = [region for region in group.regions if region not in measured]
        if bare:
            yield (
                f"group {group.name} is not reported: no measurement of "
                f"{', '.join(bare)}"
            )


def _mass_warnings(patient: Patient) -> Iterator[str]:
    if saturates(patient):
        yield from model_warnings(patient)
        yield from _held_warnings(patient)
        return
    given = {a.ligand_mass_ug for a in patient.schedule.administrations}
    for plan in patient.plans:
        if given != {plan.ligand_mass_ug} or plan.ligand_mass_ug is None:
            planned = _mass_text(plan.ligand_mass_ug)
            before = ", ".join(sorted(_mass_text(mass) for mass in given))
            yield (
                f"{plan.label} is planned with {planned} of ligand, measured with "
                f"{before}: organ_exchange cannot tell what another mass changes, "
                "since nothing saturates in it"
            )


def _held_warnings(patient: Patient) -> Iterator[str]:
    """Say what a model of many parameters takes as known of this patient."""
    name, held = name_of(patient), held_uncertain(patient)
    if held:
        yield (
            f"{name}: what scans do not inform is held at its typical value, so that "
            "its uncertainty, and what it does at another ligand mass, is not in the "
            f"intervals: {', '.join(held)}"
        )
    yield (
        f"{name}: another ligand mass is simulated with binding rates that are priors, "
        "not measured values of this patient or, for pentixather, of anybody"
    )


def _mass_text(mass_ug: float | None) -> str:
    return "an unstated mass" if mass_ug is None else f"{mass_ug:g} ug"


def _marrow_warnings(patient: Patient, assessment: Assessment | None) -> Iterator[str]:
    measured = {m.region for m in patient.measurements}
    marrow = {
        region.name
        for region in patient.regions
        if region.organ == "red_marrow" and region.name in measured
    }
    if not marrow:
        return
    most = photons_to_marrow(patient.sex)
    yield (
        "red marrow: photons from what was not measured are left out, so that its "
        f"dose of Lu-177 is too low here: by at most {most:.2g} Gy/GBq, if all "
        "activity decayed in the rest of the body (S from its remainder, OLINDA-type "
        "table)"
    )
    if assessment is None:
        return
    for limit in patient.limits:
        if not marrow & {region.name for region in patient.regions_of(limit.target)}:
            continue
        for label, activity in _lutetium_that_counts(patient, assessment):
            yield (
                f"the limit of {limit.target} is judged without them: for {label}, up "
                f"to {most * activity:.2g} Gy of the {limit.value_Gy:g} Gy may be "
                "missing"
            )


def _lutetium_that_counts(
    patient: Patient, assessment: Assessment
) -> Iterator[tuple[str, float]]:
    """Yield GBq of Lu-177 that counts at the activity of each label decided on."""
    given = 0.0
    if patient.count_administrations:
        activities = (a.activity_MBq for n, a in patient.schedule.labelled if n == _LU)
        given = sum(activities) / MBQ_PER_GBQ
    for label, choice in assessment.choices.items():
        if choice.decision is not None:
            planned = choice.decision.activity_GBq if label == _LU else 0.0
            if given + planned > 0.0:
                yield label, given + planned


def photons_to_marrow(sex: str) -> float:
    """Return the most that Lu-177 outside the measured regions gives red marrow.

    S(RM<-RB) / lambda: all of the activity decays in the remainder of the body.

    Parameters
    ----------
    sex : str
        ``male`` or ``female``.

    Returns
    -------
    float
        Gy per GBq administered.

    Examples
    --------
    >>> round(photons_to_marrow("male"), 3), round(photons_to_marrow("female"), 3)
    (0.076, 0.088)
    """
    values = marrow_s_values("Lu-177", sex, (), remainder=True)
    used = values.by_source.values()
    certain = {u.name: 1.0 for value in used for u in value.uncertainties}
    decay = nuclide("Lu-177").decay_constant_per_h
    return float(MBQ_PER_GBQ * remainder_s(values, certain) / decay)


def _target_warnings(patient: Patient) -> Iterator[str]:
    tumours = {region.name for region in patient.regions if region.organ == "tumour"}
    scanned = any(
        m.label == TARGET_LABEL and m.region in tumours for m in patient.measurements
    )
    if patient.target_confirmed is None and not scanned:
        yield (
            f"no {TARGET_LABEL} scan of a tumour is on file, and [patient] "
            "target_confirmed names nothing else that showed the target: whether the "
            "tumour takes the ligand up is not known"
        )


def _treatment_warnings(patient: Patient) -> Iterator[str]:
    for treatment in patient.treatments:
        for place in _places_of(treatment, patient):
            yield (
                f"{treatment.what} at {treatment.time_h:g} h lies {place}: it may "
                "change the receptor (CXCR4 was gone within 7 weeks of one "
                "chemotherapy cycle), so that doses of tumour, marrow and spleen "
                "predicted from these scans may not hold: measure again"
            )


def _places_of(treatment: Treatment, patient: Patient) -> Iterator[str]:
    """Say where a treatment lies among scans and therapies; nothing if it is past."""
    time_h = treatment.time_h
    # Time zero is the first administration.
    if time_h < 0.0:
        return
    if time_h <= min(m.start_h for m in patient.measurements):
        yield "between the first administration and the first scan"
    elif time_h < max(m.end_h for m in patient.measurements):
        yield "between the first scan and the last"
    else:
        places: dict[str, list[str]] = {}
        for plan in patient.plans:
            if (place := _place_after(time_h, plan)) is not None:
                places.setdefault(place, []).append(plan.label)
        for place, labels in places.items():
            yield place.format(f"the therapy with {' or '.join(labels)}")


def _place_after(time_h: float, plan: Plan) -> str | None:
    """Say where a time after the last scan lies; the therapy's name goes into {}."""
    if plan.start_h is None:
        return "after the last scan, and before {} or not: its start is not stated"
    if time_h <= plan.start_h:
        return "between the last scan and {}"
    if plan.cycles > 1:
        return "after the start of {}, and perhaps between its cycles"
    return None


def _activity_warnings(assessment: Assessment) -> Iterator[str]:
    for label, choice in assessment.planned.items():
        yield from _doses_left_out(label, choice, assessment)
        if choice.refused is not None:
            yield f"no activity of {label} is given: {choice.refused}"
        if choice.decision is None:
            continue
        nmol = _ligand_nmol(choice.plan)
        activity = choice.decision.activity_per_cycle_GBq
        yield from (c.text for c in cautions_of(label, activity, nmol))
        error = choice.decision.monte_carlo_error
        if choice.decision.activity_GBq > 0.0 and error > MONTE_CARLO_LIMIT:
            yield (
                f"the activity of {label} carries a Monte-Carlo error of {error:.1%}, "
                f"above {MONTE_CARLO_LIMIT:.0%}: the posterior is wide; another seed "
                "will move it by as much"
            )


def _doses_left_out(
    label: str, choice: Choice, assessment: Assessment
) -> Iterator[str]:
    """Name targets whose dose at the safe activity is not given, and why."""
    received = assessment.received.dose_Gy
    bare = [
        target
        for target, exposure in choice.exposures.items()
        if exposure.dose_Gy_per_GBq is not None and received.get(target) is None
    ]
    if bare and choice.decision is not None:
        yield (
            f"{', '.join(bare)}: the dose at the safe activity of {label} is not "
            "given, since the dose of something that was given before is not known"
        )


def _ligand_nmol(plan: Plan) -> float | None:
    ligand = LIGANDS.get(plan.ligand)
    if ligand is None or plan.ligand_mass_ug is None:
        return None
    return plan.ligand_mass_ug / ligand.molar_mass_g_per_mol.value * NMOL_PER_UMOL


def _residual_warnings(fit: Fit) -> Iterator[str]:
    """Name values far from the fitted curve, by what noise is usual."""
    seen = fit.posterior.observations
    expected = np.median(fit.draws.variables[EXPECTED], axis=(0, 1))
    usual = fit.posterior.relative_noise.parameters["scale"]
    stated = np.nan_to_num(seen.sd, nan=0.0)
    size = np.sqrt(stated**2 + (usual * expected) ** 2)
    far = np.abs(seen.value - expected) > RESIDUAL_LIMIT * size
    # A limit is no value, and counts have a noise of their own.
    for i in np.flatnonzero(far & seen.noise.plain):
        item = seen.measurements[i]
        yield (
            f"{item.source}: {item.region} at {item.start_h:g} h is "
            f"{seen.value[i] / expected[i]:.2g} times the fitted curve, beyond "
            f"{RESIDUAL_LIMIT:g} sd of the usual noise ({usual:.0%}): check this value"
        )


def _tail_warnings(patient: Patient, assessment: Assessment) -> Iterator[str]:
    for label, exposures in assessment.exposures.items():
        for target, exposure in exposures.items():
            share = float(np.median(exposure.tail))
            if share > patient.tail.flag_above and exposure.dose_Gy_per_GBq is not None:
                yield (
                    f"{target}: {share:.0%} of the time-integrated activity of {label} "
                    "lies after the last scan and rests on the fitted release rate"
                )
