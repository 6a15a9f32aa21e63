"""From an assessment to what is written: the result, the curves and the figures."""

import csv
import io
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Literal

import numpy as np

from pkmodels.clinic.assessment import Assessment, last_scan_h
from pkmodels.clinic.assumptions import assumptions, warnings
from pkmodels.clinic.exposure import Exposure
from pkmodels.clinic.patient import Patient
from pkmodels.clinic.report_figures import (
    CurveBand,
    DoseDraws,
    MeasuredPoint,
    ReportFigures,
)
from pkmodels.clinic.result_format import (
    ActivityAtLimit,
    Checks,
    DosePerActivity,
    LimitResult,
    OrganResult,
    Result,
    SafeActivity,
    Summary,
    summarize,
)
from pkmodels.exact import Doses, doses_of
from pkmodels.fitting import checks as fit_checks
from pkmodels.fitting.fit import Fit, contraction, priors_in_words
from pkmodels.fitting.posterior import CALIBRATION
from pkmodels.fitting.prediction import predict_curves
from pkmodels.measurements import Measurement, Quantity, decay_correction_factor
from pkmodels.nuclides import nuclide

_PACKAGES = ("pkmodels", "jax", "pymc", "numpyro", "arviz", "numpy")
_MBQ_PER_GBQ = 1e3

# Curves run to this multiple of the last scan, and at least a week.
_BEYOND_LAST_SCAN = 1.5
_WEEK_H = 168.0


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
        assumptions=assumptions(patient, fit),
        versions={name: version(name) for name in _PACKAGES},
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
    )


def _reported(patient: Patient, fit: Fit, assessment: Assessment) -> dict:
    organs: dict[str, dict[str, OrganResult]] = {}
    for label, exposures in assessment.exposures.items():
        for target, exposure in exposures.items():
            organs.setdefault(target, {})[label] = _organ(exposure)
    return {
        "organs": organs,
        "dose_already_received_Gy": {
            target: None if dose is None else summarize(dose)
            for target, dose in assessment.received_Gy.items()
        },
        "safe_activity": {
            plan.label: _safe_activity(patient, assessment, plan.label)
            for plan in patient.plans
        },
        "prior_contraction": contraction(fit),
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
        missing=exposure.missing,
    )


def _safe_activity(
    patient: Patient, assessment: Assessment, label: str
) -> SafeActivity:
    decision = assessment.decisions.get(label)
    if decision is None:
        return SafeActivity(
            activity_GBq=None,
            confidence=patient.confidence,
            binding_limit=None,
            per_limit={},
            activity_at_limit_GBq=None,
            missing="every limit is waived, so that nothing bounds the activity",
        )
    reached: Summary = summarize(decision.activity_at_limit_GBq)
    return SafeActivity(
        activity_GBq=decision.activity_GBq,
        confidence=decision.confidence,
        binding_limit=decision.binding_limit,
        per_limit={
            name: LimitResult(
                activity_GBq=outcome.activity_GBq,
                limit_Gy=assessment.burdens[label][name].limit_Gy,
                quantity="absorbed_dose",
                probability_above_at_safe_activity=outcome.probability_above,
            )
            for name, outcome in decision.per_limit.items()
        },
        activity_at_limit_GBq=ActivityAtLimit(
            median=reached.median, interval_95=reached.interval_95
        ),
    )


def build_figures(
    patient: Patient, fit: Fit, assessment: Assessment | None
) -> ReportFigures:
    """Build what the report draws; only the points when the fit failed its checks.

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
    ReportFigures
    """
    points = tuple(_point(patient, fit, m) for m in patient.measurements)
    if assessment is None:
        return ReportFigures(points=points)
    draws = tuple(
        DoseDraws(
            limit_name=name,
            label=label,
            at_activity_GBq=decision.activity_GBq,
            draws=assessment.burdens[label][name].at(decision.activity_GBq),
            limit_Gy=assessment.burdens[label][name].limit_Gy,
            quantity="absorbed_dose",
        )
        for label, decision in assessment.decisions.items()
        for name in decision.per_limit
    )
    return ReportFigures(_curves(patient, fit), points, draws)


def _curves(patient: Patient, fit: Fit) -> tuple[CurveBand, ...]:
    measured = dict.fromkeys(m.label for m in patient.measurements)
    end = max(_BEYOND_LAST_SCAN * max(m.end_h for m in patient.measurements), _WEEK_H)
    beyond = max(_BEYOND_LAST_SCAN * last_scan_h(patient), _WEEK_H)
    curves = []
    for label in measured:
        doses = doses_of(patient.schedule.of_label(label))
        curves += _bands(patient, fit, doses, _times(end), label, "measured", "MBq")
    for plan in patient.plans:
        decay = np.float64(nuclide(plan.label).decay_constant_per_h)
        length = np.array([plan.duration_h])
        doses = Doses(np.zeros(1), length, np.array([_MBQ_PER_GBQ]), decay)
        unit = "MBq per GBq planned"
        times = _times(beyond)
        curves += _bands(patient, fit, doses, times, plan.label, "predicted", unit)
    return tuple(curves)


def _times(end: float) -> np.ndarray:
    """Return times that are dense while the tracer is taken up."""
    return np.unique(
        np.concatenate([np.linspace(0, 12, 49), np.linspace(12, end, 111)])
    )


def _bands(
    patient: Patient,
    fit: Fit,
    doses: Doses,
    times: np.ndarray,
    label: str,
    kind: Literal["measured", "predicted"],
    unit: str,
) -> list[CurveBand]:
    curves = predict_curves(fit.posterior.compiled, fit.parameters(), doses, times)
    names = fit.posterior.compiled.system.observables
    by_name = {name: curves[:, :, i] for i, name in enumerate(names)}
    for group in patient.groups:
        if set(group.regions) <= set(names):
            together = [by_name[name] for name in group.regions]
            by_name[group.name] = np.sum(together, axis=0)
    bands = []
    for name, draws in by_name.items():
        lo95, median, hi95 = np.quantile(draws, (0.025, 0.5, 0.975), axis=0)
        bands.append(CurveBand(name, label, kind, unit, times, median, lo95, hi95))
    return bands


def _point(patient: Patient, fit: Fit, item: Measurement) -> MeasuredPoint:
    """Return a value as physical MBq, its calibration factor divided out."""
    decay = nuclide(item.label).decay_constant_per_h
    scale = decay_correction_factor(
        item.start_h, item.end_h, item.decay_corrected_to_h, decay
    )
    if item.quantity is Quantity.CONCENTRATION:
        masses = {region.name: region.mass_g for region in patient.regions}
        scale /= masses[item.region] or 1.0
    scale *= _calibration_median(fit, item)
    return MeasuredPoint(
        region=item.region,
        label=item.label,
        modality=item.modality,
        time_h=(item.start_h + item.end_h) / 2.0,
        value_MBq=item.value / scale,
        sd=None if item.sd is None else item.sd / scale,
    )


def _calibration_median(fit: Fit, item: Measurement) -> float:
    if not fit.checks.passed or CALIBRATION not in fit.draws.variables:
        return 1.0
    names = [name for name, _ in fit.posterior.observations.calibrations]
    medians = np.median(fit.draws.variables[CALIBRATION], axis=(0, 1))
    by_name: Mapping[str, float] = dict(zip(names, medians.tolist(), strict=True))
    own = by_name.get(f"{item.modality}, {item.region}")
    return by_name.get(item.modality, 1.0) if own is None else own


def curves_table(curves: Sequence[CurveBand]) -> str:
    """Return curves.csv: region,label,time_h,median,lo95,hi95.

    Parameters
    ----------
    curves : sequence of CurveBand
        Measured labels in MBq, planned ones in MBq per planned GBq.

    Returns
    -------
    str
        A label that is measured and planned too is called ``<label> (planned)`` in
        the rows of its prediction.

    Examples
    --------
    >>> one = np.array([0.0, 1.0])
    >>> band = CurveBand("liver", "Y-90", "predicted", "MBq", one, one, one, one)
    >>> print(curves_table([band]).splitlines()[1])
    liver,Y-90,0.0,0.0,0.0,0.0
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("region", "label", "time_h", "median", "lo95", "hi95"))
    measured = {band.label for band in curves if band.kind == "measured"}
    for band in curves:
        clash = band.kind == "predicted" and band.label in measured
        label = f"{band.label} (planned)" if clash else band.label
        columns = (band.time_h, band.median, band.lo95, band.hi95)
        for row in zip(*(column.tolist() for column in columns), strict=True):
            writer.writerow((band.region, label, *row))
    return text.getvalue()
