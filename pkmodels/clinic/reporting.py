"""From an assessment to result.json."""

from importlib.metadata import version

import numpy as np

from pkmodels.clinic.assessment import Assessment, Choice, counted, tumours_of
from pkmodels.clinic.assumptions import assumptions
from pkmodels.clinic.budgets import budgets_of
from pkmodels.clinic.cautions import warnings
from pkmodels.clinic.classical import classical_estimates
from pkmodels.clinic.cohort_reliance import accepted_without_scans
from pkmodels.clinic.decision_basis import (
    history_counted,
    history_left_out,
    history_texts,
    judgements,
)
from pkmodels.clinic.exposure import Exposure
from pkmodels.clinic.patient import Patient
from pkmodels.clinic.propagations import propagations_of
from pkmodels.clinic.residual_activity import at_transplantation, left_over
from pkmodels.clinic.result_dosimetry import (
    Comparison,
    PointEstimate,
    ProbabilityCurve,
    SValueUsed,
)
from pkmodels.clinic.result_format import (
    ActivityAtLimit,
    Checks,
    LimitResult,
    OrganResult,
    Result,
    SafeActivity,
)
from pkmodels.clinic.result_records import DosePerActivity, Summary, summarize
from pkmodels.clinic.scan_values import value_one_more
from pkmodels.decision import PointEstimate as Point
from pkmodels.dosimetry.biological_dose import biologically_effective_dose
from pkmodels.fitting import checks as fit_checks
from pkmodels.fitting.fit import Fit
from pkmodels.fitting.learning import contraction, priors_in_words

# Whose versions a result names.
PACKAGES = ("pkmodels", "jax", "pymc", "numpyro", "arviz", "numpy")


def build_result(patient: Patient, fit: Fit, assessment: Assessment | None) -> Result:
    """Build result.json from a fit and, where it passed, its assessment.

    Parameters
    ----------
    patient : Patient
        The patient.
    fit : Fit
        The fit.
    assessment : Assessment or None
        None when the fit failed its checks: nothing is reported from it.

    Returns
    -------
    Result
    """
    reported = {} if assessment is None else _reported(patient, fit, assessment)
    return Result(
        patient_id=patient.id,
        note=patient.note,
        model=fit.posterior.compiled.system.name,
        checks=_checks(fit.checks),
        waived={waiver.target: waiver.reason for waiver in patient.waived},
        priors=dict(priors_in_words(fit.posterior)),
        warnings=warnings(patient, fit, assessment),
        assumptions=assumptions(patient, fit, assessment),
        history=history_texts(patient),
        inputs=dict(patient.files),
        versions={name: version(name) for name in PACKAGES},
        seed=fit.seed,
        data_sha256=patient.data_sha256,
        **reported,
    )


def _checks(found: fit_checks.Checks) -> Checks:
    return Checks(
        passed=found.passed,
        rhat_max=found.rhat_max,
        ess_bulk_min=found.ess_bulk_min,
        ess_tail_min=found.ess_tail_min,
        divergences=found.divergences,
        failed_solves=found.failed_solves,
        noise_conflict=list(found.noise_conflict),
        attempts=found.attempts,
        reasons=list(found.reasons),
        path=found.path,
        bfmi_min=found.bfmi_min,
        saturated_trees=found.saturated_trees,
        khat=found.khat,
        predictive_p={each.about: each.p_value for each in found.predictive},
        runs_p={each.about: each.p_value for each in found.runs},
        beyond_prior=dict(found.beyond_prior),
        warnings=list(found.warnings),
    )


def _reported(patient: Patient, fit: Fit, assessment: Assessment) -> dict:
    organs: dict[str, dict[str, OrganResult]] = {}
    for label, exposures in assessment.exposures.items():
        for target, exposure in exposures.items():
            organs.setdefault(target, {})[label] = _organ(exposure)
    return {
        "without_scans": accepted_without_scans(patient, fit),
        "organs": organs,
        "dose_already_received_Gy": {
            target: None if dose is None else summarize(dose)
            for target, dose in assessment.received.dose_Gy.items()
        },
        "safe_activity": {
            label: _safe_activity(patient, fit, assessment, choice)
            for label, choice in assessment.planned.items()
        },
        "prior_contraction": contraction(fit),
        "budgets": budgets_of(patient, fit, assessment),
        "propagation": propagations_of(patient, fit, assessment),
        "classical": classical_estimates(patient, fit, assessment),
        "comparison": _comparison(patient, assessment),
        "another_scan": value_one_more(patient, fit, assessment),
        "left_over": left_over(patient, fit, assessment),
        "s_values": _s_values(patient, assessment),
    }


def _organ(exposure: Exposure) -> OrganResult:
    dose = exposure.dose_Gy_per_GBq
    return OrganResult(
        tiac_h=summarize(exposure.tiac_h),
        effective_half_life_h=summarize(exposure.effective_half_life_h),
        absorbed_dose_per_activity_Gy_per_GBq=None
        if dose is None
        else DosePerActivity(**summarize(dose).model_dump()),
        fraction_of_tia_after_last_scan=summarize(exposure.tail),
        tiac_if_only_decay_h=_maybe(exposure.tiac_if_only_decay_h),
        cross_dose_share=_maybe(exposure.cross_share),
        protraction_factor=_maybe(exposure.protraction),
        missing=exposure.missing,
    )


def _maybe(draws: np.ndarray | None) -> Summary | None:
    return None if draws is None else summarize(draws)


def _safe_activity(
    patient: Patient, fit: Fit, assessment: Assessment, choice: Choice
) -> SafeActivity:
    decision, point = choice.decision, choice.point
    if decision is None or point is None:
        return SafeActivity(
            activity_GBq=None,
            confidence=patient.confidence,
            binding_limit=None,
            per_limit={},
            activity_at_limit_GBq=None,
            cycles=choice.plan.cycles,
            missing=choice.refused
            or "every limit is waived, so that nothing bounds the activity",
        )
    reached: Summary = summarize(decision.activity_at_limit_GBq)
    error = decision.monte_carlo_error
    counts = patient.count_administrations
    return SafeActivity(
        activity_GBq=decision.activity_GBq,
        confidence=decision.confidence,
        binding_limit=decision.binding_limit,
        per_limit=_per_limit(patient, assessment, choice),
        activity_at_limit_GBq=ActivityAtLimit(
            median=reached.median, interval_95=reached.interval_95
        ),
        monte_carlo_error=error if np.isfinite(error) else None,
        cycles=decision.cycles,
        activity_per_cycle_GBq=decision.activity_per_cycle_GBq,
        absorbed_dose_Gy=_doses(assessment, choice, counts),
        bed_Gy=_beds(assessment, choice, counts),
        point_estimate=_point_estimate(choice, point),
        probability_curve=None
        if choice.curve is None
        else ProbabilityCurve(
            activity_GBq=choice.curve.activities_GBq.tolist(),
            per_limit={n: p.tolist() for n, p in choice.curve.per_limit.items()},
            any_limit=choice.curve.of_any.tolist(),
        ),
        at_transplantation=at_transplantation(patient, fit, assessment, choice),
        administrations_counted=counts,
        history_counted=history_counted(patient),
        history_left_out=history_left_out(patient, list(choice.exposures)),
        judgements=judgements(patient, assessment, choice.plan.label),
    )


def _point_estimate(choice: Choice, point: Point) -> PointEstimate:
    excess = point.per_limit[point.setting_limit].expected_Gy
    return PointEstimate(
        activity_GBq=point.activity_GBq,
        probability_above=point.probability_any_above,
        expected_excess_Gy=excess or 0.0,
        safe_over_point=point.safe_share,
        setting_limit=point.setting_limit,
        quantity=choice.burdens[point.setting_limit].quantity,
    )


def _per_limit(
    patient: Patient, assessment: Assessment, choice: Choice
) -> dict[str, LimitResult]:
    assert choice.decision is not None
    found = {}
    for limit in patient.limits:
        outcome = choice.decision.per_limit[limit.target]
        before = counted(patient, limit, assessment.received)
        found[limit.target] = LimitResult(
            activity_GBq=outcome.activity_GBq,
            limit_Gy=limit.value_Gy,
            quantity=limit.quantity,
            probability_above_at_safe_activity=outcome.probability_above,
            received_Gy=_maybe(before),
        )
    return found


def _doses(assessment: Assessment, choice: Choice, count: bool) -> dict[str, Summary]:
    """Return what each target receives in Gy: the safe activity, and what counts."""
    assert choice.decision is not None
    found = {}
    for target, exposure in choice.exposures.items():
        dose = exposure.dose_Gy_per_GBq
        before = assessment.received.dose_Gy.get(target) if count else 0.0
        if dose is None or before is None:
            continue
        total = before + dose * choice.decision.activity_GBq
        burden = choice.burdens.get(target)
        if burden is not None and burden.quantity == "absorbed_dose":
            total = burden.at(choice.decision.activity_GBq)
        found[target] = summarize(total)
    return found


def _beds(assessment: Assessment, choice: Choice, count: bool) -> dict[str, Summary]:
    assert choice.decision is not None
    cycles, found = choice.decision.cycles, {}
    for target, exposure in choice.exposures.items():
        dose, response = (
            exposure.dose_Gy_per_GBq,
            assessment.dosimetry.responses.get(target),
        )
        before = assessment.received.bed_Gy.get(target) if count else 0.0
        if dose is None or response is None or before is None:
            continue
        if exposure.protraction is None:
            continue
        each = biologically_effective_dose(
            dose * choice.decision.activity_per_cycle_GBq,
            exposure.protraction,
            response.alpha_beta_Gy,
        )
        total = before + cycles * each
        burden = choice.burdens.get(target)
        if burden is not None and burden.quantity == "bed":
            total = burden.at(choice.decision.activity_GBq)
        found[target] = summarize(total)
    return found


def _comparison(patient: Patient, assessment: Assessment) -> dict[str, Comparison]:
    tumours, found = tumours_of(patient, assessment.choices), {}
    for label, choice in assessment.choices.items():
        decision = choice.decision
        doses = {
            name: choice.exposures[name].dose_Gy_per_GBq
            for name in tumours
            if decision is not None
        }
        known = {name: dose for name, dose in doses.items() if dose is not None}
        activity = None if decision is None else decision.activity_GBq
        organ = None
        if decision is not None:
            organ = choice.exposures[decision.binding_limit].dose_Gy_per_GBq
        found[label] = Comparison(
            planned=choice.planned,
            activity_GBq=activity,
            binding_limit=None if decision is None else decision.binding_limit,
            tumour_dose_Gy={
                name: summarize(dose * (activity or 0.0))
                for name, dose in known.items()
            },
            tumour_over_binding={
                name: summarize(dose / organ)
                for name, dose in known.items()
                if organ is not None
            },
            missing=_why_no_tumour(tumours, known, choice),
        )
    return found if len(found) > 1 else {}


def _why_no_tumour(
    tumours: list[str], known: dict[str, np.ndarray], choice: Choice
) -> str | None:
    if choice.decision is None:
        return choice.refused or "nothing bounds the activity"
    if not tumours:
        return "no tumour was measured: its dose is not known"
    bare = [name for name in tumours if name not in known]
    return f"the dose of {', '.join(bare)} is not known" if bare else None


def _s_values(patient: Patient, assessment: Assessment) -> list[SValueUsed]:
    masses = {region.name: region.mass_g for region in patient.regions}
    used = []
    for irradiation in assessment.dosimetry.irradiations.values():
        for pair in irradiation.pairs:
            mass, value = masses[pair.target], pair.value
            assert mass is not None
            log_sd = np.sqrt(sum(u.log_sd**2 for u in value.uncertainties))
            used.append(
                SValueUsed(
                    target=pair.target,
                    source=pair.source,
                    label=irradiation.label,
                    mass_g=mass,
                    S_Gy_per_MBq_h=float(value.at_mass(mass)),
                    relative_sd=float(log_sd),
                    certainty=str(value.certainty),
                    provenance=value.source,
                )
            )
    return used
