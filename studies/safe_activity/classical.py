"""What a clinic would calculate from the same scans by hand: one number and its sd.

Each kidney's scans are fitted by exponentials, their time integral is exchanged from
177Lu to 90Y and multiplied by the S-value at the stated mass; both kidneys together
are energy over mass. The law of propagation of uncertainty then gives the relative
standard uncertainty, with calibration and S-value shared by both kidneys, and fit and
mass each kidney's own: Gear et al., EANM guidance, Eur J Nucl Med Mol Imaging
2018;45:2456. Self-dose only, as 90Y has no other; for the 177Lu given before it leaves
out less than 1 %.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from pkmodels.clinic.classical import best_fit
from pkmodels.clinic.dose_weights import self_value
from pkmodels.clinic.patient import Patient, Region
from pkmodels.clinic.propagations import mass_slope
from pkmodels.dosimetry.exponential_curves import Form, Weights
from pkmodels.dosimetry.exponential_fits import (
    ExponentialFit,
    corrected_akaike,
    fit_exponentials,
    integrate_fit,
)
from pkmodels.dosimetry.outlines import Recovery
from pkmodels.dosimetry.propagation import CALIBRATION, FIT, MASS, propagate_dose
from pkmodels.dosimetry.scans import Scans
from pkmodels.errors import InputError
from pkmodels.values import log_sd_of_cv

MEASURED = "Lu-177"
# Judgement: what a clinic would state for the scatter of one scan; it is also the
# scale of the scatter's prior, so that both methods start from the same belief.
SCAN_SD = 0.1
S_VALUE = "S-value"
OWN = (FIT, MASS)


@dataclass(frozen=True)
class Estimate:
    """Dose per activity (Gy/GBq) and its relative standard uncertainty."""

    dose_Gy_per_GBq: float
    relative_sd: float


def stated_scatter(scans: Scans) -> ExponentialFit:
    """Fit one or two exponentials, whichever AICc prefers, each scan to 10 %."""
    fits = []
    for form in Form:
        try:
            fits.append(
                fit_exponentials(scans, form, weights=Weights.LOGARITHM, sd=SCAN_SD)
            )
        except InputError:
            continue  # too few scans for this form: the simpler ones remain
    if not fits:
        raise InputError(f"{scans.region}: no sum of exponentials fits its scans")
    # With two or three scans no criterion is finite: then the simplest curve.
    return min(fits, key=lambda found: (corrected_akaike(found), len(found.names)))


def biexponential(scans: Scans) -> ExponentialFit:
    """Fit uptake and washout, each scan to 10 %; needs three scans."""
    return fit_exponentials(scans, Form.UPTAKE, weights=Weights.LOGARITHM, sd=SCAN_SD)


METHODS: dict[str, Callable[[Scans], ExponentialFit]] = {
    "stated": stated_scatter,
    "residual": best_fit,
    "biexponential": biexponential,
}


def estimate(patient: Patient, method: str, label: str) -> Estimate | None:
    """Return what a method makes of both kidneys, or None where it cannot."""
    [group] = patient.groups
    regions = [r for r in patient.regions if r.name in group.regions]
    energies, chains = {}, {}
    for region in regions:
        try:
            fitted = METHODS[method](scans_of(patient, region.name))
        except InputError:
            return None  # too few scans, or they show no second rate
        energies[region.name], chains[region.name] = _of_kidney(
            patient, region, fitted, label
        )
    energy = sum(energies.values())
    mass = sum(r.mass_g or math.nan for r in regions)
    shares = {name: part / energy for name, part in energies.items()}
    squares = 0.0
    for factor in next(iter(chains.values())):
        parts = [share * chains[name][factor] for name, share in shares.items()]
        total = math.hypot(*parts) if factor in OWN else sum(parts)
        squares += total**2
    return Estimate(energy / mass, math.sqrt(squares))


def scans_of(patient: Patient, region: str) -> Scans:
    """Return a region's scans: they are snapshots in MBq, not decay-corrected."""
    items = [item for item in patient.measurements if item.region == region]
    return Scans(
        region=region,
        label=MEASURED,
        times_h=tuple(item.start_h for item in items),
        activities_MBq=tuple(item.value for item in items),
    )


def _of_kidney(
    patient: Patient, region: Region, fitted: ExponentialFit, label: str
) -> tuple[float, dict[str, float]]:
    """Return the energy, Gy g per GBq given, and its relative uncertainties."""
    [given] = patient.schedule.administrations
    [calibration] = patient.calibrations
    value = self_value(patient, region, label)
    if value is None or not region.mass_g or not region.mass_cv or not calibration.cv:
        raise InputError(f"{region.name}: its mass or S-value is not stated")
    integral = integrate_fit(fitted, (label,))
    chain = propagate_dose(
        fit=float(integral.relative_uncertainty[0]),
        calibration=log_sd_of_cv(calibration.cv),
        recovery=Recovery(1.0, 0.0, 0.0),
        border=0.0,
        volume=0.0,
        mass_exponent=-mass_slope(value, region.mass_g),
        mass=log_sd_of_cv(region.mass_cv),
        others={S_VALUE: math.hypot(*(u.log_sd for u in value.uncertainties))},
    )
    dose = value.at_mass(region.mass_g) * float(integral.MBq_h[0])
    per_GBq = 1e3 * dose / given.activity_MBq
    kept = {k: chain.factors[k] for k in (FIT, CALIBRATION, MASS, S_VALUE)}
    return per_GBq * region.mass_g, kept
