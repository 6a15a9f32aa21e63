"""What a result rests on, in words: assumptions and warnings."""

from collections.abc import Iterator

import numpy as np

from pkmodels.clinic.answerable import sex_of
from pkmodels.clinic.assessment import Assessment
from pkmodels.clinic.exposure import UPTAKE_OVER_H
from pkmodels.clinic.patient import Patient
from pkmodels.dosimetry.s_values import s_value
from pkmodels.fitting.fit import Fit
from pkmodels.fitting.posterior import EXPECTED, FLOOR, NOISE
from pkmodels.values import Certainty

# Values further from the fitted curve, in sd of the usual noise, are named.
RESIDUAL_LIMIT = 3.0

# Above this share the tail, which no scan saw, decides a good part of the dose.
TAIL_LIMIT = 0.3


def assumptions(patient: Patient, fit: Fit) -> list[str]:
    """List what the result assumes.

    Parameters
    ----------
    patient : Patient
        The patient.
    fit : Fit
        The fit.

    Returns
    -------
    list of str
    """
    return [
        *_model_assumptions(patient),
        *_noise_assumptions(patient, fit),
        *_dose_assumptions(patient),
    ]


def _model_assumptions(patient: Patient) -> Iterator[str]:
    chosen = "" if patient.model else " (chosen: the only model of this version)"
    yield (
        f"model organ_exchange{chosen}: organs take up from blood, release out of the "
        "body, nothing saturates; every label of the ligand has the same biological "
        "kinetics, at every administration"
    )
    yield "the priors are listed in result.json and in report.html"


def _noise_assumptions(patient: Patient, fit: Fit) -> Iterator[str]:
    groups = fit.posterior.all_priors
    least = fit.posterior.minimum_noise
    for modality, prior in groups[NOISE].items():
        yield f"relative noise of {modality}: {prior}; never below {100 * least:g} %"
    for kind, prior in groups.get(FLOOR, {}).items():
        yield f"additive noise of {kind}: {prior}"
    for calibration in patient.calibrations:
        shared = "all its scans and regions"
        if calibration.scope == "region":
            shared = "the scans of a region"
        size = (
            "free" if calibration.cv is None else f"known to {100 * calibration.cv:g} %"
        )
        yield f"calibration of {calibration.modality}: {size}, shared by {shared}"


def _dose_assumptions(patient: Patient) -> Iterator[str]:
    sex = sex_of(patient)
    stated = "" if "sex" in patient.covariates else " (sex not given)"
    yield (
        f"S-values of the {sex} phantom{stated}, scaled to the patient's masses; "
        "self-dose only"
    )
    yield from dict.fromkeys(_s_value_assumptions(patient, sex))
    if patient.count_administrations:
        yield "the dose of every administration in the file counts against the limits"
    else:
        yield (
            "the dose of the administrations in the file does NOT count against the "
            f"limits: {patient.count_reason}"
        )
    yield (
        "intervals are equal-tailed 95 %; effective half-life: ln 2 x activity "
        f"integrated after the last scan (at least {UPTAKE_OVER_H:g} h) / activity then"
    )


def _s_value_assumptions(patient: Patient, sex: str) -> Iterator[str]:
    planned = (plan.label for plan in patient.plans)
    labels = dict.fromkeys([*patient.schedule.labels, *planned])
    for region in patient.regions:
        for label in labels:
            value = s_value(region.organ, label, sex)
            if value is not None and value.certainty is not Certainty.PUBLISHED:
                yield (
                    f"S-value of {label} for {region.organ} is a {value.certainty} "
                    f"value: {value.source}"
                )


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
        *_marrow_warnings(patient),
    ]
    if fit.checks.attempts > 1:
        found.append(
            f"the sampler needed {fit.checks.attempts} attempts: look closely at the "
            "fit"
        )
    if assessment is not None:
        found += _residual_warnings(patient, fit)
        found += _tail_warnings(patient, assessment)
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


def _mass_text(mass_ug: float | None) -> str:
    return "an unstated mass" if mass_ug is None else f"{mass_ug:g} ug"


def _marrow_warnings(patient: Patient) -> Iterator[str]:
    if any(region.organ == "red_marrow" for region in patient.regions):
        yield (
            "red marrow: self-dose only. Photons from the rest of the body are left "
            "out; for Lu-177 they can add as much again (at most 0.23 Gy/GBq in men, "
            "0.27 in women, if all activity decayed in the body: 2.74e-7 and 3.28e-7 "
            "mGy/(MBq s), OLINDA-type table), so that a marrow dose of Lu-177 is too "
            "low here"
        )


def _residual_warnings(patient: Patient, fit: Fit) -> Iterator[str]:
    """Name values far from the fitted curve, by what noise is usual."""
    seen = fit.posterior.observations
    expected = np.median(fit.draws.variables[EXPECTED], axis=(0, 1))
    usual = fit.posterior.relative_noise.parameters["scale"]
    stated = np.nan_to_num(seen.sd, nan=0.0)
    size = np.sqrt(stated**2 + (usual * expected) ** 2)
    for i in np.flatnonzero(np.abs(seen.value - expected) > RESIDUAL_LIMIT * size):
        item = patient.measurements[i]
        yield (
            f"{item.source}: {item.region} at {item.start_h:g} h is "
            f"{seen.value[i] / expected[i]:.2g} times the fitted curve, beyond "
            f"{RESIDUAL_LIMIT:g} sd of the usual noise ({usual:.0%}): check this value"
        )


def _tail_warnings(patient: Patient, assessment: Assessment) -> Iterator[str]:
    for label, exposures in assessment.exposures.items():
        for target, exposure in exposures.items():
            share = float(np.median(exposure.tail))
            if share > TAIL_LIMIT and exposure.dose_Gy_per_GBq is not None:
                yield (
                    f"{target}: {share:.0%} of the time-integrated activity of {label} "
                    "lies after the last scan and rests on the fitted release rate"
                )
