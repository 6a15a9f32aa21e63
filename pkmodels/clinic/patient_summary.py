"""What `pkmodels check` says of a patient's folder that it found in order."""

from collections.abc import Iterable, Iterator

from pkmodels.administrations import Administration
from pkmodels.clinic.cohort_prior import cohort_parameters
from pkmodels.clinic.joint_summary import noise_lines, sharing_lines
from pkmodels.clinic.own_s_values import unused_rows
from pkmodels.clinic.patient import Calibration, Limit, Patient, Plan, Recovery, Region
from pkmodels.clinic.patient_models import HAEMATOCRIT, HEIGHT, WEIGHT, saturates
from pkmodels.decision import History

# The covariate that changes a number in every model: whose S-values are scaled.
_USED = ("sex",)


def summarize(patient: Patient) -> str:
    """Describe a patient in some lines, waived limits and warnings included.

    Parameters
    ----------
    patient : Patient

    Returns
    -------
    str
        Plain text of several lines, without a line end at the last.

    Examples
    --------
    >>> from pathlib import Path
    >>> import tempfile
    >>> from pkmodels.clinic.patient_files import read_patient
    >>> from pkmodels.clinic.template import write_template
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = write_template(Path(folder))
    ...     print(summarize(read_patient(Path(folder))).splitlines()[0])
    Patient EXAMPLE: patient.toml and measurements.csv are in order.
    """
    modalities = ", ".join(
        dict.fromkeys(f"{m.modality} of {m.label}" for m in patient.measurements)
    )
    counted = "counts" if patient.count_administrations else "does NOT count"
    because = f" ({patient.count_reason})" if patient.count_reason else ""
    return "\n".join(
        [
            f"Patient {patient.id}: patient.toml and measurements.csv are in order.",
            *_section("WAIVED", (f"{w.target}: {w.reason}" for w in patient.waived)),
            *_section("Given", _given(patient)),
            *_section("Shared between occasions", sharing_lines(patient)),
            *_section(
                f"Measured ({modalities})",
                (_region(patient, region) for region in patient.regions),
            ),
            *_section("Calibration", map(_calibration, patient.calibrations)),
            *_section("Recovery", map(_recovery, patient.recoveries)),
            *_section("Noise and what is counted with it", noise_lines(patient)),
            *_section("S-values of the patient's own", _s_rows(patient)),
            *_section("Priors of the kinetics", _cohort(patient)),
            *_section("Treatments", _treatments(patient)),
            *_section("Received before", map(_history, patient.history)),
            *_section("Planned", _plans(patient)),
            *_section("Limits", (_limit(patient, limit) for limit in patient.limits)),
            *(f"  {line}" for line in _responses(patient)),
            f"  together at {100 * patient.confidence:g} % confidence; the dose "
            f"already given {counted}{because}",
            *_section("What the data cannot tell", _left_out(patient)),
            *_section("Stated, and of no effect on any number", _covariates(patient)),
            *_section("Warnings", patient.warnings),
        ]
    )


def _section(title: str, lines: Iterable[str]) -> list[str]:
    listed = [f"  {line}" for line in lines]
    return [f"{title}:", *listed] if listed else []


def _cohort(patient: Patient) -> Iterator[str]:
    if patient.cohort_prior is not None:
        for name, prior in cohort_parameters(patient).items():
            yield f"{name}: {prior}"


def _given(patient: Patient) -> Iterator[str]:
    several = len(patient.occasions) > 1
    for occasion in patient.occasions:
        for administration in occasion.schedule.administrations:
            on = f" (occasion {occasion.name})" if several else ""
            yield f"{_administration(administration)}{on}"


def _administration(given: Administration) -> str:
    return (
        f"{given.activity_MBq:g} MBq {given.label} {given.ligand} at "
        f"{given.time_h:g} h, {_how(given.duration_h, given.ligand_mass_ug)}"
    )


def _calibration(each: Calibration) -> str:
    factor = {"modality": "one factor", "region": "a factor for each region"}
    size = "free" if each.cv is None else f"cv {100 * each.cv:g} %"
    gamma = ""
    if each.gamma_keV is not None:
        gamma = (
            f"; gamma line of {each.gamma_keV:g} keV, calibrated with "
            f"{each.calibrated_with}, quantified with {each.quantified_with}"
        )
    return f"{each.modality}: {factor[each.scope]}, {size}{gamma}"


def _recovery(each: Recovery) -> str:
    return (
        f"{each.modality}: R = 1 - 1/(1 + (v/b1)^b2), b1 {each.b1_mL:g} mL (cv "
        f"{100 * each.b1_cv:g} %), b2 {each.b2:g} (cv {100 * each.b2_cv:g} %), "
        f"correlation {each.correlation:g}, {each.fwhm_mm:g} mm FWHM"
    )


def _s_rows(patient: Patient) -> Iterator[str]:
    if patient.s_table is None:
        return
    rows = patient.s_table.rows
    unused = [each.row for each in unused_rows(patient)]
    yield f"{patient.s_table.name}: {len(rows) - len(unused)} of {len(rows)} rows used"
    for row in rows:
        if row not in unused:
            yield f"{row.target} from {row.source}, {row.label}: {row.provenance}"


def _left_out(patient: Patient) -> Iterator[str]:
    tail = patient.tail
    yield (
        f"share of an integral after the last scan: above {100 * tail.flag_above:g} % "
        f"a warning, above {100 * tail.refuse_above:g} % no activity"
    )
    for cv, what in (
        (patient.ligand_mass_cv, "another ligand mass"),
        (patient.model_choice_cv, "another model"),
    ):
        if cv is not None:
            yield f"{what} may change the dose per activity by {100 * cv:g} % (cv)"
    if patient.noise_floor:
        yield "every value carries an additive noise, too"
    if patient.student_t_degrees is not None:
        yield (
            "values may be outliers: Student's t with "
            f"{patient.student_t_degrees:g} degrees of freedom"
        )


def _covariates(patient: Patient) -> Iterator[str]:
    used = (*_USED, WEIGHT, HEIGHT, HAEMATOCRIT) if saturates(patient) else _USED
    used = (*used, WEIGHT) if patient.body_mass_used else used
    given = {k: v for k, v in patient.covariates.items() if k not in used}
    if given:
        yield ", ".join(f"{key} {value}" for key, value in given.items())


def _treatments(patient: Patient) -> Iterator[str]:
    for each in patient.treatments:
        yield f"{each.what} at {each.time_h:g} h"


def _history(each: History) -> str:
    what = "BED" if each.quantity == "bed" else "absorbed dose"
    sd = "sd not stated" if each.sd_Gy is None else f"sd {each.sd_Gy:g} Gy"
    return f"{each.target}: {what} {each.value_Gy:g} Gy, {sd} ({each.source})"


def _plans(patient: Patient) -> Iterator[str]:
    for plan in patient.plans:
        yield _plan(plan)
    if patient.transplantation_day is not None:
        yield f"stem cells on day {patient.transplantation_day:g} after the therapy"


def _plan(plan: Plan) -> str:
    start = "" if plan.start_h is None else f", from {plan.start_h:g} h"
    cycles = "" if plan.cycles == 1 else f", {plan.cycles} equal cycles"
    how = _how(plan.duration_h, plan.ligand_mass_ug)
    return f"{plan.label} {plan.ligand}, {how}{start}{cycles}"


def _responses(patient: Patient) -> Iterator[str]:
    for each in patient.radiobiology:
        yield (
            f"{each.organ} responds by alpha/beta {each.alpha_beta_Gy:g} Gy (cv "
            f"{100 * each.alpha_beta_cv:g} %), repair {each.repair_half_time_h:g} h "
            f"(cv {100 * each.repair_half_time_cv:g} %)"
        )


def _how(duration_h: float, mass_ug: float | None) -> str:
    length = f"infusion of {duration_h:g} h" if duration_h > 0 else "bolus"
    mass = "ligand mass not stated" if mass_ug is None else f"{mass_ug:g} ug ligand"
    return f"{length}, {mass}"


def _region(patient: Patient, region: Region) -> str:
    mass = "mass not stated"
    if region.mass_g is not None and region.mass_cv is not None:
        mass = f"{region.mass_g:g} g (cv {100 * region.mass_cv:.3g} %)"
    measured = [m for m in patient.measurements if m.region == region.name]
    name = region.name
    if region.name != region.organ:
        side = "" if region.side is None else f"{region.side} "
        name = f"{region.name} ({side}{region.organ})"
    if not measured:
        return f"{name}, {mass}: no value"
    values = "1 value" if len(measured) == 1 else f"{len(measured)} values"
    first, last = min(m.start_h for m in measured), max(m.end_h for m in measured)
    times = f"{first:.4g} h" if first == last else f"{first:.4g} to {last:.4g} h"
    return f"{name}, {mass}: {values}, {times}"


def _limit(patient: Patient, limit: Limit) -> str:
    members = ", ".join(region.name for region in patient.regions_of(limit.target))
    named = limit.target if members == limit.target else f"{limit.target} ({members})"
    if limit.bed_Gy is not None:
        return f"{named}: BED {limit.bed_Gy:g} Gy"
    return f"{named}: absorbed dose {limit.absorbed_dose_Gy:g} Gy"
