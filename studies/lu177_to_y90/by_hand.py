"""What a clinic calculates by hand of the same tracer: one dose and its uncertainty.

Planar counts of the kidneys are fitted by two exponentials (uptake and washout), the
curve is normalised to the SPECT/CT, 177Lu is exchanged for 90Y, integrated, and
multiplied by the S-value at the stated mass. The law of propagation of uncertainty
gives the relative standard uncertainty: of the fit, of the scan that it is normalised
to, of calibration, mass and S-value (Gear et al., EANM guidance, Eur J Nucl Med Mol
Imaging 2018;45:2456). The mass of ligand plays no part in it.
"""

import math
from dataclasses import dataclass

import measured_patients as patients
import numpy as np

from pkmodels.dosimetry.exponential_curves import Form, Weights
from pkmodels.dosimetry.exponential_fits import (
    ExponentialFit,
    fit_exponentials,
    integrate_fit,
)
from pkmodels.dosimetry.s_values import require_s_value
from pkmodels.dosimetry.scans import Scans
from pkmodels.errors import InputError
from pkmodels.values import log_sd_of_cv

# What a clinic would state for the scatter of a scan: the patients', as it is drawn.
SCAN_SD = math.hypot(patients.LEAST_SCATTER, patients.SCATTER)
_TRACER, _PLANNED = patients.LABELS


@dataclass(frozen=True)
class ByHand:
    """TIAC (h) and dose (Gy/GBq) of 90Y with relative standard uncertainties.

    received_Gy is the tracer's dose.
    """

    tiac_h: float
    tiac_log_sd: float
    dose_Gy_per_GBq: float
    dose_log_sd: float
    received_Gy: float

    def activity_GBq(self, sds: float) -> float:
        """Return GBq of 90Y that keep the limit with so many sd to spare."""
        left = patients.LIMIT_GY - self.received_Gy
        return left / (self.dose_Gy_per_GBq * math.exp(sds * self.dose_log_sd))


def calculate(patient: patients.SimulatedPatient) -> ByHand:
    """Calculate the dose of 90Y from planar scans and one SPECT/CT of the tracer."""
    fitted = _curve(scans_of(patient, "planar"))
    spect = scans_of(patient, "SPECT")
    scale = _normalisation(fitted, spect)
    both = integrate_fit(fitted, patients.LABELS)
    given = patients.tracer_GBq() * patients.MBQ_PER_GBQ
    tiac = dict(zip(patients.LABELS, scale * both.MBq_h / given, strict=True))
    calibration = log_sd_of_cv(patients.CALIBRATION_CV["SPECT"])
    of_fit = float(both.relative_uncertainty[1])
    of_tiac = math.hypot(of_fit, SCAN_SD, calibration)
    value = require_s_value("kidneys", _PLANNED, patients.SEX)
    weight = {
        label: require_s_value("kidneys", label, patients.SEX).at_mass(
            patients.KIDNEYS_G
        )
        for label in patients.LABELS
    }
    of_s = math.hypot(*(source.log_sd for source in value.uncertainties))
    of_mass = log_sd_of_cv(patients.KIDNEYS_CV)
    return ByHand(
        tiac_h=float(tiac[_PLANNED]),
        tiac_log_sd=of_tiac,
        dose_Gy_per_GBq=float(weight[_PLANNED] * tiac[_PLANNED] * patients.MBQ_PER_GBQ),
        dose_log_sd=math.hypot(of_tiac, of_s, of_mass),
        received_Gy=float(weight[_TRACER] * tiac[_TRACER] * given),
    )


def scans_of(patient: patients.SimulatedPatient, modality: str) -> Scans:
    """Return the kidneys' values of a modality: counts or MBq, not corrected."""
    items = [
        item
        for item in patient.measurements[patients.DOSIMETRY]
        if (item.region, item.modality) == ("kidneys", modality)
    ]
    times = tuple(item.start_h for item in items)
    return Scans("kidneys", _TRACER, times, tuple(item.value for item in items))


def _curve(scans: Scans) -> ExponentialFit:
    """Fit uptake and washout; washout alone where the scans show no uptake."""
    for form in (Form.UPTAKE, Form.WASHOUT):
        try:
            return fit_exponentials(scans, form, weights=Weights.LOGARITHM, sd=SCAN_SD)
        except InputError:
            continue  # the scans do not determine this form
    raise InputError(f"{scans.region}: no sum of exponentials fits its scans")


def _normalisation(fitted: ExponentialFit, spect: Scans) -> float:
    """Return MBq per count of the curve, by the scans of known scale."""
    times = np.asarray(spect.times_h)[:, None]
    shape = np.exp(-fitted.rates_per_h * times) @ fitted.coefficients_MBq
    return float(np.exp(np.mean(np.log(np.asarray(spect.activities_MBq) / shape))))
