"""What the report draws, from a fit and its assessment; and the table of curves."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np

from pkmodels.clinic.assessment import Assessment
from pkmodels.clinic.occasions import kinetics_of, measured_regions
from pkmodels.clinic.patient import Patient
from pkmodels.clinic.plans import last_scans_h
from pkmodels.clinic.report_figures import (
    CurveBand,
    DoseDraws,
    MeasuredPoint,
    PriorPosterior,
    ReportFigures,
    ResidualPoint,
)
from pkmodels.clinic.scan_series import physical_MBq, scale_of
from pkmodels.clinic.syringes import syringe_of, unit_dose
from pkmodels.fitting.expectations import CALIBRATION
from pkmodels.fitting.fit import Fit
from pkmodels.fitting.learning import contraction, quantiles_of
from pkmodels.fitting.noise import EXCESS
from pkmodels.fitting.posterior import EXPECTED, FLOOR, NOISE
from pkmodels.fitting.prediction import predict_curves, predict_labels
from pkmodels.measurements import Measurement
from pkmodels.units import MBQ_PER_GBQ

# Curves run to this multiple of the last scan, and at least a week.
_BEYOND_LAST_SCAN = 1.5
_WEEK_H = 168.0


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
    organs = measured_regions(fit)
    # A limit is no value, and a sample's concentration is on no region's curve.
    points = tuple(
        _point(patient, fit, m)
        for m in patient.measurements
        if m.region in organs and not m.below
    )
    if assessment is None:
        return ReportFigures(points=points)
    draws = tuple(
        DoseDraws(
            limit_name=name,
            label=label,
            at_activity_GBq=choice.decision.activity_GBq,
            draws=burden.at(choice.decision.activity_GBq),
            limit_Gy=burden.limit_Gy,
            quantity=burden.quantity,
        )
        for label, choice in assessment.planned.items()
        if choice.decision is not None
        for name, burden in choice.burdens.items()
    )
    return ReportFigures(
        curves=_curves(patient, fit),
        points=points,
        dose_draws=draws,
        residuals=_residuals(fit),
        parameters=_parameters(fit),
    )


def _curves(patient: Patient, fit: Fit) -> tuple[CurveBand, ...]:
    end = max(_BEYOND_LAST_SCAN * max(m.end_h for m in patient.measurements), _WEEK_H)
    beyond = max(_BEYOND_LAST_SCAN * max(last_scans_h(patient).values()), _WEEK_H)
    curves = []
    for label, observables, drawn in _measured(fit, _times(end)):
        by_name = dict(zip(observables, np.moveaxis(drawn, 2, 0), strict=True))
        by_name = {name: by_name[name] for name in measured_regions(fit)}
        curves += _bands(patient, by_name, _times(end), label, "measured", "MBq")
    for plan in patient.plans:
        unit = unit_dose(syringe_of(patient, plan))
        doses = unit._replace(activity=MBQ_PER_GBQ * np.asarray(unit.activity))
        unit = "MBq per GBq planned"
        compiled, parameters = kinetics_of(fit, plan.ligand)
        times = _times(beyond)
        drawn = np.moveaxis(predict_curves(compiled, parameters, doses, times), 2, 0)
        by_name = dict(zip(compiled.system.observables, drawn, strict=True))
        curves += _bands(patient, by_name, times, plan.label, "predicted", unit)
    return tuple(curves)


def _measured(
    fit: Fit, times: np.ndarray
) -> Iterator[tuple[str, tuple[str, ...], np.ndarray]]:
    """Yield each measured label, what is observed, and its curves on an occasion."""
    for experiment in fit.posterior.experiments:
        parameters = fit.parameters(experiment.name)
        found = predict_labels(
            experiment.compiled, parameters, experiment.schedule, times
        )
        for label in dict.fromkeys(m.label for m in experiment.measurements):
            yield label, experiment.compiled.system.observables, found[label]


def _times(end: float) -> np.ndarray:
    """Return times that are dense while the tracer is taken up."""
    return np.unique(
        np.concatenate([np.linspace(0, 12, 49), np.linspace(12, end, 111)])
    )


def _bands(
    patient: Patient,
    by_name: Mapping[str, np.ndarray],
    times: np.ndarray,
    label: str,
    kind: Literal["measured", "predicted"],
    unit: str,
) -> list[CurveBand]:
    of_groups = {
        group.name: np.sum([by_name[name] for name in group.regions], axis=0)
        for group in patient.groups
        if set(group.regions) <= set(by_name)
    }
    bands = []
    for name, draws in {**by_name, **of_groups}.items():
        lo95, median, hi95 = np.quantile(draws, (0.025, 0.5, 0.975), axis=0)
        bands.append(CurveBand(name, label, kind, unit, times, median, lo95, hi95))
    return bands


def _point(patient: Patient, fit: Fit, item: Measurement) -> MeasuredPoint:
    """Return a value as physical MBq, its fitted factors divided out."""
    factor = _calibration_median(fit, item) * _excess_median(fit, item)
    return MeasuredPoint(
        region=item.region,
        label=item.label,
        modality=item.modality,
        time_h=(item.start_h + item.end_h) / 2.0,
        value_MBq=physical_MBq(patient, item) / factor,
        sd=None if item.sd is None else item.sd / scale_of(patient, item) / factor,
    )


def _residuals(fit: Fit) -> tuple[ResidualPoint, ...]:
    """Return each value's distance from the curve in sd of the fitted noise.

    Limits and counts have none.
    """
    posterior, count = fit.posterior, fit.draws.diverging.size
    seen = posterior.observations
    plain = np.flatnonzero(seen.noise.plain)
    noisy = {seen.modalities.index(name): i for i, name in enumerate(posterior.noisy)}
    columns = [noisy[modality] for modality in seen.modality[plain]]
    expected = fit.draws.variables[EXPECTED].reshape(count, -1)[:, plain]
    noise = fit.draws.variables[NOISE].reshape(count, -1)[:, columns]
    least = np.hypot(posterior.minimum_noise, seen.noise.own_log_sd[plain])
    relative = np.hypot(noise, least)
    additive = posterior.additive[plain]
    floor = np.zeros_like(expected)
    if additive.any():
        used = np.unique(seen.floor[posterior.additive])
        drawn = fit.draws.variables[FLOOR].reshape(count, -1)
        own = np.searchsorted(used, seen.floor[plain][additive])
        floor[:, additive] = drawn[:, own]
    value, stated = seen.value[plain], np.nan_to_num(seen.sd[plain], nan=0.0)
    spread = np.sqrt(floor**2 + (relative * expected) ** 2 + stated**2)
    with np.errstate(divide="ignore"):  # a value of 0 has a stated sd: the other branch
        logarithm = np.log(value) - np.log(expected)
    each = np.where(additive, (value - expected) / spread, logarithm / relative)
    items = [seen.measurements[row] for row in plain]
    return tuple(
        ResidualPoint(
            region=item.region,
            label=item.label,
            modality=item.modality,
            time_h=(item.start_h + item.end_h) / 2.0,
            residual=float(residual),
        )
        for item, residual in zip(items, np.median(each, axis=0), strict=True)
    )


def _parameters(fit: Fit) -> tuple[PriorPosterior, ...]:
    narrowed = contraction(fit)
    return tuple(
        PriorPosterior(name, unit, prior, posterior, narrowed[name])
        for name, (unit, prior, posterior) in quantiles_of(fit).items()
    )


def _calibration_median(fit: Fit, item: Measurement) -> float:
    if not fit.checks.passed or CALIBRATION not in fit.draws.variables:
        return 1.0
    names = [name for name, _ in fit.posterior.observations.calibrations]
    medians = np.median(fit.draws.variables[CALIBRATION], axis=(0, 1))
    by_name: Mapping[str, float] = dict(zip(names, medians.tolist(), strict=True))
    own = by_name.get(f"{item.modality}, {item.region}")
    return by_name.get(item.modality, 1.0) if own is None else own


def _excess_median(fit: Fit, item: Measurement) -> float:
    """Return how many times the mean a region's largest voxel is."""
    if not (item.maximum and fit.checks.passed):
        return 1.0
    column = fit.posterior.observations.noise.maxima.index(item.modality)
    drawn = fit.draws.variables[EXCESS].reshape(fit.draws.diverging.size, -1)
    return 1.0 + float(np.median(drawn[:, column]))


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
