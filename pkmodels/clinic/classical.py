"""Classical methods on the same scans, beside the posterior."""

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from pkmodels.clinic.assessment import Assessment
from pkmodels.clinic.occasions import measured_regions
from pkmodels.clinic.patient import Patient
from pkmodels.clinic.patient_models import saturates
from pkmodels.clinic.result_dosimetry import ClassicalEstimate
from pkmodels.clinic.scan_series import Series, label_to_use, series_of
from pkmodels.dosimetry.exponential_curves import Form, Weights
from pkmodels.dosimetry.exponential_fits import (
    ExponentialFit,
    corrected_akaike,
    fit_exponentials,
    integrate_fit,
)
from pkmodels.dosimetry.scans import Scans, TimeIntegral, exchange_label
from pkmodels.dosimetry.single_scan import (
    integrate_haenscheid,
    integrate_known_rate,
    integrate_population,
    known_rate_error,
    single_scan_error,
)
from pkmodels.dosimetry.trapezoids import Start, Tail, integrate_trapezoids
from pkmodels.errors import InputError
from pkmodels.fitting.fit import Fit
from pkmodels.fitting.posterior import NOISE
from pkmodels.models.values import effective_half_life

# Haenscheid's single scan is meant for four days after 177Lu.
SINGLE_SCAN_H = 96.0


def classical_estimates(
    patient: Patient, fit: Fit, assessment: Assessment
) -> dict[str, dict[str, list[ClassicalEstimate]]]:
    """Return what the classical methods make of each region's scans.

    Parameters
    ----------
    patient : Patient
        The patient.
    fit : Fit
        The fit.
    assessment : Assessment
        Whose posterior TIAC the estimates are held against.

    Returns
    -------
    dict of str to dict of str to list of ClassicalEstimate
        By label, then by region. Another label than the measured one is predicted from
        the same scans with its own decay.
    """
    found: dict[str, dict[str, list[ClassicalEstimate]]] = {}
    noise = noise_of(fit)
    for region in measured_regions(fit):
        own_labels = (m.label for m in patient.measurements if m.region == region)
        for label in dict.fromkeys([*own_labels, *assessment.choices]):
            own = label_to_use(patient, region, label)
            given = [a.activity_MBq for n, a in patient.schedule.labelled if n == own]
            exposure = assessment.exposures[label][region]
            posterior = float(np.median(exposure.tiac_h))
            half_life = float(np.median(exposure.effective_half_life_h))
            try:
                series = series_of(patient, region, own)
                scans, sd = series.scans, scan_noise(noise, series)
                if label != own:
                    scans = exchange_label(scans, label)
            except InputError as error:
                estimates = [_missing("every classical method", error)]
            else:
                estimates = [
                    *_of_region(patient, scans, given[0], sd, posterior, half_life)
                ]
            estimates = [_of_another_mass(patient, x, label, own) for x in estimates]
            found.setdefault(label, {})[region] = estimates
    return found


def _of_another_mass(
    patient: Patient, estimate: ClassicalEstimate, label: str, own: str
) -> ClassicalEstimate:
    """Say where the posterior alone knows of another ligand mass."""
    if not saturates(patient) or estimate.missing is not None:
        return estimate
    given = {a.ligand_mass_ug for n, a in patient.schedule.labelled if n == own}
    planned = {p.ligand_mass_ug for p in patient.plans if p.label == label}
    if not planned and label not in patient.schedule.labels:  # only compared
        planned = {patient.plans[0].ligand_mass_ug}
    if planned <= given:
        return estimate
    before, after = (
        ", ".join(f"{mass:g}" for mass in masses if mass is not None)
        for masses in (given, planned)
    )
    note = f"for {before} ug; the fit is for {after} ug"
    return estimate.model_copy(update={"note": _joined(note, estimate.note or "")})


def _of_region(
    patient: Patient,
    scans: Scans,
    activity_MBq: float,
    sd: float | None,
    posterior_h: float,
    half_life_h: float,
) -> Iterator[ClassicalEstimate]:
    def estimate(
        name: str, method: Callable[[], tuple[float, dict[str, object]]]
    ) -> ClassicalEstimate:
        try:
            integral, more = method()
        except InputError as error:
            return _missing(name, error)
        tiac = integral / activity_MBq
        return ClassicalEstimate.model_validate(
            {"method": name, "tiac_h": tiac, "ratio": tiac / posterior_h, **more}
        )

    yield estimate("exponentials, least squares", lambda: _exponentials(scans, sd))
    for tail in (Tail.LAST_TWO, Tail.PHYSICAL):
        yield estimate(
            f"trapezoids, then {tail}",
            lambda tail=tail: _trapezoids(scans, tail),
        )
    yield estimate(
        "one scan (Haenscheid 2018)", lambda: _haenscheid(scans, half_life_h)
    )
    organ = next(r.organ for r in patient.regions if r.name == scans.region)
    prior = effective_half_life(patient.schedule.ligands[0], organ, scans.label)
    if prior is not None:
        rate = math.log(2.0) / prior.parameters["median"]
        yield estimate(
            "one scan, known rate (Madsen 2018)",
            lambda: _known_rate(scans, rate, half_life_h, prior.source),
        )
        one = integrate_population

        def population() -> tuple[float, dict[str, object]]:
            found = one(_single(scans), prior)
            note = f"half-lives of {prior.source}"
            return found.median_MBq_h, {"relative_sd": found.log_sd, "note": note}

        yield estimate("one scan, population half-life", population)


def noise_of(fit: Fit) -> dict[str, float]:
    """Return the relative noise that the fit found for each modality's values.

    Parameters
    ----------
    fit : Fit
        The fit.

    Returns
    -------
    dict of str to float
        Posterior medians, with the least noise in quadrature.
    """
    noisy, least = fit.posterior.noisy, fit.posterior.minimum_noise
    if not noisy:
        return {}
    medians = np.median(fit.draws.variables[NOISE], axis=(0, 1))
    return {
        name: float(np.hypot(median, least))
        for name, median in zip(noisy, medians, strict=True)
    }


def scan_noise(noise: Mapping[str, float], series: Series) -> float | None:
    """Return the relative noise of the scans that make up a series, None of counts.

    Parameters
    ----------
    noise : mapping of str to float
        Of each modality.
    series : Series
        The series.

    Returns
    -------
    float or None
    """
    return noise.get(series.shape)


def best_fit(scans: Scans, *, sd: float | None = None) -> ExponentialFit:
    """Return the exponential curve that Akaike's criterion prefers.

    Parameters
    ----------
    scans : Scans
        Physical activities.
    sd : float or None
        Relative noise of a scan: chi^2 + 2 K then chooses. None to estimate it, by the
        corrected criterion.

    Returns
    -------
    ExponentialFit
        Least squares of the logarithms; of the forms that the scans determine.

    Raises
    ------
    InputError
        When they determine none.
    """
    fits, problems = [], []
    for form in Form:
        try:
            fit = fit_exponentials(scans, form, weights=Weights.LOGARITHM, sd=sd)
        except InputError as error:
            problems.append(str(error))
        else:
            fits.append(fit)
    if not fits:
        raise InputError(problems[0])
    if sd is not None:
        return min(fits, key=lambda f: f.sum_of_squares + 2.0 * len(f.names))
    # With few scans no criterion is finite: then the simplest curve that fits at all.
    return min(fits, key=lambda f: (corrected_akaike(f), len(f.names)))


def _exponentials(scans: Scans, sd: float | None) -> tuple[float, dict[str, object]]:
    fit = best_fit(scans, sd=sd)
    integral = integrate_fit(fit, (scans.label,))
    noise = "noise by the scatter" if sd is None else f"scans of {sd:.1%} noise"
    return float(integral.MBq_h[0]), {
        "relative_sd": float(integral.relative_uncertainty[0]),
        "tail": float(integral.beyond_last_scan[0]),
        "note": _joined(str(fit.form), noise, *fit.warnings),
    }


def _trapezoids(scans: Scans, tail: Tail) -> tuple[float, dict[str, object]]:
    found: TimeIntegral = integrate_trapezoids(scans, start=Start.ZERO, tail=tail)
    note = _joined(str(Start.ZERO), *found.warnings)
    return found.MBq_h, {"tail": found.beyond_last_scan, "note": note}


def _haenscheid(scans: Scans, half_life_h: float) -> tuple[float, dict[str, object]]:
    single = _single(scans)
    [time] = single.times_h
    factor = single_scan_error(time / half_life_h)
    note = (
        f"scan at {time:.3g} h; {factor:.2f} of the truth at the posterior's "
        f"effective half-life of {half_life_h:.3g} h, if one exponential holds"
    )
    return integrate_haenscheid(single).MBq_h, {"note": note}


def _known_rate(
    scans: Scans, rate_per_h: float, half_life_h: float, source: str
) -> tuple[float, dict[str, object]]:
    single = _single(scans)
    assumed_h = math.log(2.0) / rate_per_h
    factor = known_rate_error(single.times_h[0], assumed_h, half_life_h)
    note = (
        f"{assumed_h:.3g} h, the median of {source}; {factor:.2f} of the truth at the "
        f"posterior's {half_life_h:.3g} h, if one exponential holds"
    )
    return integrate_known_rate(single, rate_per_h).MBq_h, {"note": note}


def _single(scans: Scans) -> Scans:
    """Return the scan nearest to four days."""
    i = min(
        range(len(scans.times_h)), key=lambda i: abs(scans.times_h[i] - SINGLE_SCAN_H)
    )
    return Scans(
        scans.region, scans.label, (scans.times_h[i],), (scans.activities_MBq[i],)
    )


def _joined(*texts: str) -> str:
    return "; ".join(text for text in texts if text)


def _missing(method: str, error: InputError) -> ClassicalEstimate:
    return ClassicalEstimate(method=method, tiac_h=None, ratio=None, missing=str(error))
