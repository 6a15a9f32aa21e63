"""What the report draws, from a fit and its assessment; and the table of curves."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import jax
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
from pkmodels.fitting.expectations import CALIBRATION, OVERLAP, row_means
from pkmodels.fitting.fit import Fit
from pkmodels.fitting.learning import contraction, quantiles_of
from pkmodels.fitting.noise import EXCESS
from pkmodels.fitting.posterior import EXPECTED, FLOOR, NOISE
from pkmodels.fitting.prediction import predict_curves, predict_labels
from pkmodels.measurements import Measurement
from pkmodels.nuclides import nuclide
from pkmodels.units import MBQ_PER_GBQ

# Curves run to this multiple of the last scan, and at least a week.
_BEYOND_LAST_SCAN = 1.5
_WEEK_H = 168.0
# Nothing is left to show of a label after so many of its half-lives (0.1 %).
_HALF_LIVES = 10.0
# Dense for so long after an administration, while the tracer is taken up.
_UPTAKE_H = 12.0
# Enough for a median.
_DRAWS_OF_PARTS = 200


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
    rows = fit.posterior.observations.measurements
    parts = dict(zip(rows, own_parts(fit).tolist(), strict=True))
    points = tuple(
        _point(patient, fit, m, parts[m])
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
    curves = []
    for label, observables, times, drawn in _measured(fit):
        by_name = dict(zip(observables, np.moveaxis(drawn, 2, 0), strict=True))
        by_name = {name: by_name[name] for name in measured_regions(fit)}
        curves += _bands(patient, by_name, times, label, "measured", "MBq")
    for plan in patient.plans:
        unit = unit_dose(syringe_of(patient, plan))
        doses = unit._replace(activity=MBQ_PER_GBQ * np.asarray(unit.activity))
        unit = "MBq per GBq planned"
        compiled, parameters = kinetics_of(fit, plan.ligand)
        last_h = max(last_scans_h(patient, plan.ligand).values())
        times = curve_times((0.0,), last_h)
        drawn = np.moveaxis(predict_curves(compiled, parameters, doses, times), 2, 0)
        by_name = dict(zip(compiled.system.observables, drawn, strict=True))
        curves += _bands(patient, by_name, times, plan.label, "predicted", unit)
    return tuple(curves)


def _measured(
    fit: Fit,
) -> Iterator[tuple[str, tuple[str, ...], np.ndarray, np.ndarray]]:
    """Yield each measured label of an occasion, what is observed, times and curves."""
    for experiment in fit.posterior.experiments:
        compiled, schedule = experiment.compiled, experiment.schedule
        last = max(m.end_h for m in experiment.measurements)
        starts = {a.time_h for a in schedule.administrations}
        times = curve_times(sorted(starts), last)
        parameters = fit.parameters(experiment.name)
        found = predict_labels(compiled, parameters, schedule, times)
        for label in dict.fromkeys(m.label for m in experiment.measurements):
            given = [a.time_h for a in schedule.of_label(label).administrations]
            scanned_h = max(
                m.end_h for m in experiment.measurements if m.label == label
            )
            gone_h = max(given) + _HALF_LIVES * nuclide(label).half_life_h
            shown = (times >= min(given)) & (times <= max(scanned_h, gone_h))
            curves = found[label][:, shown]
            name = name_label(fit, label, experiment.name)
            yield name, compiled.system.observables, times[shown], curves


def curve_times(starts: Sequence[float], last: float) -> np.ndarray:
    """Return times of a curve, dense for 12 h after each administration.

    Parameters
    ----------
    starts : sequence of float
        When each administration starts, h, ascending; the curve begins at the first.
    last : float
        When the last scan ends, h: the curve goes on for half as long again, and for a
        week at least.

    Returns
    -------
    (n_times,) array
        h, ascending.

    Examples
    --------
    >>> times = curve_times((100.0, 148.0), 300.0)
    >>> times[:3].tolist(), times[-1].item()
    ([100.0, 100.25, 100.5], 400.0)
    >>> float(np.diff(times[(times >= 148.0) & (times <= 160.0)]).max())
    0.25
    """
    first = starts[0]
    end = first + max(_BEYOND_LAST_SCAN * (last - first), _WEEK_H)
    end = max(end, starts[-1] + _UPTAKE_H)
    dense = [np.linspace(start, start + _UPTAKE_H, 49) for start in starts]
    return np.unique(np.concatenate([*dense, np.linspace(first + _UPTAKE_H, end, 111)]))


def name_label(fit: Fit, label: str, occasion: str) -> str:
    """Return a label, with its occasion where it was measured on several.

    Parameters
    ----------
    fit : Fit
        Of all occasions.
    label, occasion : str
        A label that was measured, and on which occasion.

    Returns
    -------
    str
    """
    measured = [{m.label for m in e.measurements} for e in fit.posterior.experiments]
    several = sum(label in labels for labels in measured) > 1
    return f"{label} ({occasion})" if several else label


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


def own_parts(fit: Fit) -> np.ndarray:
    """Return how much of each row's mean is its region's own, not what lies over it.

    Parameters
    ----------
    fit : Fit
        The fit.

    Returns
    -------
    (n,) array
        Medians of A / (A + o sum_k w_k A_k) in the order of the observations; 1 without
        an overlap, or where the fit failed its checks.
    """
    posterior, seen = fit.posterior, fit.posterior.observations
    if not (seen.overlaps and fit.checks.passed):
        return np.ones(len(seen.value))
    shares = fit.draws.variables[OVERLAP]
    shares = shares.reshape(-1, shares.shape[-1])
    some = slice(None, None, max(1, len(shares) // _DRAWS_OF_PARTS))
    means = row_means({e.name: e.compiled for e in posterior.experiments}, seen)
    vectors = [fit.parameters(e.name)[some] for e in posterior.experiments]
    own, others = np.split(np.asarray(jax.vmap(means)(*vectors)), 2, axis=1)
    share = np.insert(shares[some], 0, 0.0, axis=1)[:, seen.overlap]
    return np.median(own / (own + share * others), axis=0)


def _point(patient: Patient, fit: Fit, item: Measurement, own: float) -> MeasuredPoint:
    """Return a value as physical MBq, its fitted factors divided out."""
    factor = _calibration_median(fit, item) * _excess_median(fit, item) / own
    return MeasuredPoint(
        region=item.region,
        label=name_label(fit, item.label, patient.occasion_of(item).name),
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
    if not plain.size:
        return ()
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
        own = {band.label, *(n for n in measured if n.startswith(f"{band.label} ("))}
        clash = band.kind == "predicted" and bool(own & measured)
        label = f"{band.label} (planned)" if clash else band.label
        columns = (band.time_h, band.median, band.lo95, band.hi95)
        for row in zip(*(column.tolist() for column in columns), strict=True):
            writer.writerow((band.region, label, *row))
    return text.getvalue()
