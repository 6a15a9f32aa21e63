"""What a result rests on, in words."""

from collections import Counter
from collections.abc import Iterator

from pkmodels.clinic.assessment import Assessment
from pkmodels.clinic.cohort_prior import cohort_parameters
from pkmodels.clinic.cohort_reliance import HEARD
from pkmodels.clinic.exposure import UPTAKE_OVER_H
from pkmodels.clinic.patient import Patient
from pkmodels.clinic.patient_models import (
    HAEMATOCRIT,
    WEIGHT,
    body_of,
    held_judged,
    held_uncertain,
    name_of,
    own_volumes_L,
    saturates,
)
from pkmodels.clinic.question import outlines_of
from pkmodels.clinic.responses import radiobiologies
from pkmodels.fitting.expectations import CALIBRATION, RECOVERY
from pkmodels.fitting.experiments import Sharing, use_in_words
from pkmodels.fitting.fit import Fit
from pkmodels.fitting.noise_words import noise_in_words
from pkmodels.values import Certainty


def assumptions(patient: Patient, fit: Fit, assessment: Assessment | None) -> list[str]:
    """List what the result assumes.

    Parameters
    ----------
    patient : Patient
        The patient.
    fit : Fit
        The fit.
    assessment : Assessment or None
        None when the fit failed its checks.

    Returns
    -------
    list of str
    """
    return [
        *_model_assumptions(patient),
        *_sharing_assumptions(fit),
        *([f"draws by {fit.checks.path}"] if fit.checks.path else []),
        *_noise_assumptions(patient, fit),
        *_outline_assumptions(patient),
        *_dose_assumptions(patient, assessment),
        *_response_assumptions(patient),
        *_left_out(patient),
    ]


def _model_assumptions(patient: Patient) -> Iterator[str]:
    if saturates(patient):
        yield from _saturable_assumptions(patient)
        return
    chosen = "" if patient.model else " (chosen: the default)"
    yield (
        f"model organ_exchange{chosen}: organs take up from blood, release out of the "
        "body, nothing saturates; every label of the ligand has the same biological "
        "kinetics, at every administration"
    )
    if patient.cohort_prior is not None:
        yield (
            f"the priors of {', '.join(cohort_parameters(patient))} are those of "
            f"{patient.cohort_prior.patients} patients of the cohort "
            f"{patient.cohort_prior.cohort!r}, of whom this one is taken to be one "
            "more; contraction is against them"
        )
        yield (
            "where the cohort speaks of what is limited and not this patient's scans "
            f"(contraction below {HEARD:g}), "
            + (
                "no activity is given"
                if patient.without_scans_reason is None
                else "an activity is given by the file's leave "
                f"({patient.without_scans_reason})"
            )
        )
    yield "the priors are listed in result.json and in report.html"


def _saturable_assumptions(patient: Patient) -> Iterator[str]:
    yield (
        f"model {name_of(patient)}: every dose is simulated with its own mass of "
        "ligand, by which receptors fill; each cycle begins with empty receptors; the "
        "body, and what is given besides, such as amino acids, are the same at every "
        "administration"
    )
    body, stated = body_of(patient), WEIGHT in patient.covariates
    yield (
        f"body: {body.sex}, {body.weight_kg:g} kg, {body.bsa_m2:.2f} m2 "
        f"({'stated' if stated else 'the reference person'}), haematocrit "
        f"{body.haematocrit:g} "
        f"({'stated' if HAEMATOCRIT in patient.covariates else 'reference'})"
    )
    volumes = ", ".join(f"{n} {v:.3g} L" for n, v in own_volumes_L(patient).items())
    yield (
        f"volumes by the file: {volumes or 'none'}; of all else the reference's; "
        "lesions that were not measured take nothing up"
    )
    judged = ", ".join(
        f"{n} {v.value:.4g} {v.unit}" for n, v in held_judged(patient).items()
    )
    if judged:
        yield f"held at numbers that are judgements: {judged}"
    yield (
        "all normal organs release what their receptors took in at one rate, and all "
        "tumours at one of their own: an organ that differs from the others is not "
        "described"
    )
    for name, prior in held_uncertain(patient).items():
        yield f"{name} is held at the median of its prior: {prior}"
    yield "the priors are listed in result.json and in report.html"


def _sharing_assumptions(fit: Fit) -> Iterator[str]:
    """Say what several occasions share, and what they do not."""
    experiments = fit.posterior.experiments
    if len(experiments) == 1:
        return
    names = " and ".join(experiment.name for experiment in experiments)
    yield (
        f"occasions {names} are fitted together, each begun with empty receptors; they "
        "share every parameter that they have in common, but for what is named next"
    )
    table = fit.posterior.table
    had_by = Counter(use.parameter for use in table.uses)
    for use in table.uses:
        if use.sharing is not Sharing.SHARED:
            words = use_in_words(table, use)
            yield f"{use.parameter} of {use.experiment}: {words}"
        elif had_by[use.parameter] == 1:
            yield f"{use.parameter} is of {use.experiment} alone"


def _noise_assumptions(patient: Patient, fit: Fit) -> Iterator[str]:
    for about, words in noise_in_words(fit.posterior).items():
        # Calibration and recovery are told below, with what they are shared by.
        if not about.startswith((f"{CALIBRATION}[", f"{RECOVERY}[")):
            yield f"noise of {about}: {words}"
    for calibration in patient.calibrations:
        shared = "all its scans and regions, of every occasion and label"
        if calibration.scope == "region":
            shared = "all scans of a region, of every occasion and label"
        size = (
            "free" if calibration.cv is None else f"known to {100 * calibration.cv:g} %"
        )
        yield (
            f"calibration of {calibration.modality}: {size}, one factor shared by "
            f"{shared}"
        )
    for each in patient.maximum_excess:
        yield (
            f"SUVmax of {each.modality}: exceeds the mean by one share, the same for "
            "all regions and scans"
        )


def _outline_assumptions(patient: Patient) -> Iterator[str]:
    outlines, _ = outlines_of(patient)
    measured = {(m.modality, m.region) for m in patient.measurements}
    for outline in outlines:
        if (outline.modality, outline.region) in measured:
            yield (
                f"{outline.region}, {outline.modality}: activity grows with the "
                f"outlined volume to the power {outline.exponent:.2g} (EANM guidance), "
                "in which it shares the error of the mass; one recovery curve for all "
                "regions"
            )
    for region in patient.regions:
        if region.voxel_mm is not None and region.mass_cv is not None:
            yield (
                f"mass of {region.name}: relative sd {region.mass_cv:.0%} from a voxel "
                f"of {region.voxel_mm:g} mm and a resolution of {region.fwhm_mm:g} mm "
                "(EANM guidance)"
            )
    if not outlines:
        yield (
            "recovery: none stated, so that values count as corrected for it without "
            "error, and activities do not follow the outline"
        )


def _dose_assumptions(patient: Patient, assessment: Assessment | None) -> Iterator[str]:
    stated = "" if "sex" in patient.covariates else " (sex not given)"
    yield (
        f"S-values of the {patient.sex} phantom{stated}, self-doses scaled to the "
        "patient's masses, cross-doses not"
    )
    if assessment is not None:
        yield from _s_value_assumptions(assessment)
    if patient.count_administrations:
        yield (
            "the dose of every administration in the file counts against the limits; "
            "BEDs of administrations and cycles add, as with full repair between them"
        )
    else:
        yield (
            "the dose of the administrations in the file does NOT count against the "
            f"limits: {patient.count_reason}"
        )
    yield (
        "intervals are equal-tailed 95 %; effective half-life: ln 2 x activity "
        f"integrated after the last scan (at least {UPTAKE_OVER_H:g} h) / activity then"
    )
    tail = patient.tail
    yield (
        "tail beyond the last scan: the fitted rates, with what is uncertain of them; "
        f"above {tail.flag_above:.0%} of the integral it is flagged, above "
        f"{tail.refuse_above:.0%} of a limited target's no activity is given"
    )


def _s_value_assumptions(assessment: Assessment) -> Iterator[str]:
    irradiations = assessment.dosimetry.irradiations
    texts = [
        f"S-value of {i.label} for {pair.value.organ} is a {pair.value.certainty} "
        f"value: {pair.value.source}"
        for i in irradiations.values()
        for pair in i.pairs
        if pair.target == pair.source
        and pair.value.certainty is not Certainty.PUBLISHED
    ]
    yield from dict.fromkeys(texts)
    for irradiation in irradiations.values():
        pairs = ", ".join(f"{s} to {t}" for t, s in irradiation.no_cross)
        if pairs:
            yield (
                f"cross-dose of {irradiation.label} left out for want of an S-value: "
                f"{pairs}"
            )


def _response_assumptions(patient: Patient) -> Iterator[str]:
    for organ, known in radiobiologies(patient).items():
        yield (
            f"BED of {organ}: alpha/beta {known.alpha_beta_Gy}; half-time of repair "
            f"{known.repair_half_time_h}"
        )


def _left_out(patient: Patient) -> Iterator[str]:
    effects = [("another model", patient.model_choice_cv)]
    if not saturates(patient):
        effects.insert(0, ("another ligand mass", patient.ligand_mass_cv))
    for name, cv in effects:
        if cv is None:
            yield f"what {name} would change is not in the intervals ([uncertainty])"
        else:
            yield (
                f"{name} may change a dose by {cv:.0%} (relative sd, by the file), "
                "each organ's apart from the others'"
            )
