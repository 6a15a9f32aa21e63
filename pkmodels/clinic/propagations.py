"""The EANM's analytic propagation of uncertainty, beside the posterior."""

import math
from collections.abc import Mapping

import numpy as np

from pkmodels.clinic.assessment import Assessment, Choice
from pkmodels.clinic.budgets import LIGAND_MASS, MASS, MODEL_CHOICE, S_VALUE
from pkmodels.clinic.classical import best_fit, noise_of, scan_noise
from pkmodels.clinic.dose_weights import self_value
from pkmodels.clinic.patient import Patient, Region
from pkmodels.clinic.plans import mass_changes
from pkmodels.clinic.question import outlines_of
from pkmodels.clinic.result_dosimetry import Propagation
from pkmodels.clinic.scan_series import Series, label_to_use, series_of
from pkmodels.dosimetry.exponential_fits import ExponentialFit, integrate_fit
from pkmodels.dosimetry.mass_scaling import SValue
from pkmodels.dosimetry.propagation import (
    CALIBRATION,
    FIT,
    RECOVERY,
)
from pkmodels.errors import InputError
from pkmodels.fitting.fit import Fit
from pkmodels.fitting.observations import Outline
from pkmodels.values import log_sd_of_cv

NORMALIZATION = "normalization to the scans of known scale"
# A step in ln m over which ln S is a line.
_STEP = 1e-4


def propagations_of(
    patient: Patient, fit: Fit, assessment: Assessment
) -> dict[str, dict[str, Propagation]]:
    """Return the propagated uncertainty of every limited target's dose per activity.

    u^2 = u_fit^2 + u_norm^2 + u(Q)^2 + u_b(R)^2 + [(k - c2) u(v)]^2 + u(S)^2: in each
    region the fit of its scans by exponentials, the noise of the scans that a series
    without a scale is tied to, the calibration and the recovery curve that its scans
    share, the outlined volume, by which the activity grows with the power k and the
    S-value falls with c2, and the S-value. Regions of a group add by their share of the
    energy: linearly what they share, in squares what each has of its own.

    Parameters
    ----------
    patient : Patient
        The patient.
    fit : Fit
        Whose noise of a modality stands for that of a single scan.
    assessment : Assessment
        Its doses.

    Returns
    -------
    dict of str to dict of str to Propagation
        By label and limit; of self-dose, of absorbed dose alone.

    References
    ----------
    Gear et al., EANM guidance on uncertainty, Eur J Nucl Med Mol Imaging 2018;45:2456.
    """
    found: dict[str, dict[str, Propagation]] = {}
    for label, choice in assessment.choices.items():
        for target in choice.burdens:
            found.setdefault(label, {})[target] = _of_target(
                patient, fit, assessment, choice, target
            )
    return found


def _of_target(
    patient: Patient, fit: Fit, assessment: Assessment, choice: Choice, target: str
) -> Propagation:
    dose = choice.exposures[target].dose_Gy_per_GBq
    assert dose is not None
    posterior = float(np.log(dose).std(ddof=1))
    names = assessment.dosimetry.targets[target]
    regions = [region for region in patient.regions if region.name in names]
    outlines, recoveries = outlines_of(patient)
    by_place = {(o.modality, o.region): o for o in outlines}
    noise = noise_of(fit)
    try:
        found = {
            region.name: _of_region(
                patient, region, choice.plan.label, by_place, dict(recoveries), noise
            )
            for region in regions
        }
    except InputError as error:
        return Propagation(
            factors={}, total=None, posterior=posterior, missing=str(error)
        )
    alone = {name: factors for name, (factors, _, _) in found.items()}
    notes = [text for _, curve, _ in found.values() for text in curve.warnings]
    seen = [series for _, _, series in found.values()]
    shares = _energy_shares(assessment, choice, names)
    by_region = {c.modality for c in patient.calibrations if c.scope == "region"}
    own_scale = all(series.modality in by_region for series in seen)
    alone_in = {FIT, NORMALIZATION, MASS} | ({CALIBRATION} if own_scale else set())
    factors: dict[str, float] = {}
    for factor in next(iter(alone.values())):
        parts = [shares[name] * of_region[factor] for name, of_region in alone.items()]
        shared = factor not in alone_in
        factors[factor] = abs(sum(parts)) if shared else math.hypot(*parts)
    if patient.model_choice_cv is not None:
        factors[MODEL_CHOICE] = log_sd_of_cv(patient.model_choice_cv)
    if patient.ligand_mass_cv is not None and mass_changes(patient, choice.plan):
        factors[LIGAND_MASS] = log_sd_of_cv(patient.ligand_mass_cv)
    return Propagation(
        factors=factors,
        total=math.hypot(*factors.values()),
        posterior=posterior,
        note="; ".join(dict.fromkeys(notes)) or None,
    )


def _of_region(
    patient: Patient,
    region: Region,
    label: str,
    outlines: Mapping[tuple[str, str], Outline],
    recoveries: Mapping[str, float],
    noise: Mapping[str, float],
) -> tuple[dict[str, float], ExponentialFit, Series]:
    """Return the relative uncertainty of a region's dose by factor, and its curve."""
    own = label_to_use(patient, region.name, label)
    series = series_of(patient, region.name, own)
    curve = best_fit(series.scans, sd=scan_noise(noise, series))
    fitted = integrate_fit(curve, (label,))
    scale = noise[series.modality] / math.sqrt(max(series.scaled_by, 1))
    outline = outlines.get((series.modality, region.name))
    calibration = next(
        (c.cv for c in patient.calibrations if c.modality == series.modality), None
    )
    value = self_value(patient, region, label)
    assert value is not None
    assert region.mass_g is not None
    exponent = 0.0 if outline is None else outline.exponent
    falls = -mass_slope(value, region.mass_g)
    loadings = {} if outline is None else outline.loadings
    recovery = math.hypot(*(recoveries[n] * load for n, load in loadings.items()))
    factors = {
        FIT: float(fitted.relative_uncertainty[0]),
        NORMALIZATION: scale if series.scaled_by else 0.0,
        CALIBRATION: 0.0 if calibration is None else log_sd_of_cv(calibration),
        RECOVERY: recovery,
        MASS: (falls - exponent) * log_sd_of_cv(region.mass_cv or 0.0),
        S_VALUE: math.hypot(*(u.log_sd for u in value.uncertainties)),
    }
    return factors, curve, series


def mass_slope(value: SValue, mass_g: float) -> float:
    """Return d ln S / d ln m at a mass; -1 where every electron stays.

    Parameters
    ----------
    value : SValue
        The S-value.
    mass_g : float
        The mass, g.

    Returns
    -------
    float

    Examples
    --------
    >>> from pkmodels.dosimetry.s_values import s_value
    >>> round(mass_slope(s_value("kidney", "Lu-177", "male"), 150.0), 2)
    -0.99
    """
    low, high = (value.at_mass(mass_g * math.exp(x)) for x in (-_STEP, _STEP))
    return math.log(high / low) / (2.0 * _STEP)


def _energy_shares(
    assessment: Assessment, choice: Choice, names: tuple[str, ...]
) -> dict[str, float]:
    masses = assessment.dosimetry.masses_g
    energy = {}
    for name in names:
        dose = choice.exposures[name].dose_Gy_per_GBq
        assert dose is not None
        energy[name] = float(np.median(dose * masses[name]))
    return {name: part / sum(energy.values()) for name, part in energy.items()}
