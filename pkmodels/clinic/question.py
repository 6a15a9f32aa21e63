"""The question as a posterior: a patient's data joined with a model and its priors."""

import math
from collections.abc import Mapping

from pkmodels.clinic.occasions import build_experiments
from pkmodels.clinic.patient import Calibration as StatedCalibration
from pkmodels.clinic.patient import Patient, Recovery, Region
from pkmodels.decision import draws_needed
from pkmodels.dosimetry.outlines import (
    RecoveryCurve,
    outline_exponent,
    recover,
    sphere_diameter,
)
from pkmodels.fitting.observations import (
    Calibration,
    Outline,
    Overlap,
    arrange,
    floor_name,
)
from pkmodels.fitting.posterior import Posterior
from pkmodels.fitting.sampling import CHAINS, CHUNK
from pkmodels.measurements import Quantity
from pkmodels.models import values
from pkmodels.values import (
    Certainty,
    Prior,
    half_normal,
    log_normal,
    log_sd_of_cv,
    logit_normal,
)

_USUAL_DRAWS_PER_CHAIN = 2000
# Each costs far more where every one is a solve, and whitened draws are worth more.
_SATURABLE_DRAWS_PER_CHAIN = 500
# The report's tables and figures stay quick with so many.
_MOST_DRAWS_PER_CHAIN = 8000
_SPARE_DRAWS = 1.3
_UNITS = {Quantity.CONCENTRATION: "MBq/g", Quantity.PER_LITRE: "MBq/L"}

# Relative standard error of a safe activity that is fine enough.
MONTE_CARLO_LIMIT = 0.01


def build_posterior(patient: Patient) -> Posterior:
    """Join a patient's data with a model and its priors.

    Parameters
    ----------
    patient : Patient
        A patient that `check_answerable` let pass.

    Returns
    -------
    Posterior
    """
    measured = {m.region for m in patient.measurements}
    regions = [region for region in patient.regions if region.name in measured]
    experiments, table = build_experiments(patient)
    calibrations = [_calibration(stated) for stated in patient.calibrations]
    return Posterior(
        experiments=experiments,
        table=table,
        observations=arrange(
            experiments, calibrations, *outlines_of(patient), _overlaps(patient)
        ),
        masses={
            r.name: log_normal(
                r.mass_g,
                log_sd_of_cv(r.mass_cv),
                "g",
                "by the patient's file",
                Certainty.STATED,
            )
            for r in regions
            if r.mass_g is not None and r.mass_cv
        },
        exact_masses={
            r.name: r.mass_g for r in regions if r.mass_g is not None and not r.mass_cv
        },
        relative_noise=values.RELATIVE_NOISE,
        noise_floor=_noise_floors(patient),
        floor_everywhere=patient.noise_floor,
        minimum_noise=values.MINIMUM_NOISE.value,
        student_t_degrees=patient.student_t_degrees,
        maximum_excess={
            each.modality: log_normal(
                each.median, each.log_sd, "", each.source, Certainty.STATED
            )
            for each in patient.maximum_excess
        },
    )


def _overlaps(patient: Patient) -> list[Overlap]:
    """Return what lies over regions, as the file states it."""
    return [
        Overlap(
            each.modality,
            each.region,
            each.others,
            logit_normal(
                each.share_median,
                each.share_logit_sd,
                each.source,
                Certainty.STATED,
            ),
        )
        for each in patient.overlaps
    ]


def outlines_of(patient: Patient) -> tuple[list[Outline], list[tuple[str, float]]]:
    """Return how outlines and recovery enter the values of each modality.

    Parameters
    ----------
    patient : Patient
        The patient.

    Returns
    -------
    outlines : list of Outline
        Of every region of known volume, for each modality with a recovery curve.
    recoveries : list of (str, float)
        Name and sd of ln of the factors that the loadings name: two independent ones
        for each curve, made of b1 and b2 with their correlation.
    """
    outlines, recoveries = [], []
    for curve in patient.recoveries:
        factors = _curve_factors(curve)
        recoveries += [(name, sd) for name, (sd, _) in factors.items()]
        for region in patient.regions:
            if region.outlined_volume_mL is not None and region.mass_g is not None:
                outlines.append(_outline(region, curve, factors))
    return outlines, recoveries


def _curve_factors(curve: Recovery) -> dict[str, tuple[float, tuple[float, float]]]:
    """Return sd of ln of each factor, and what it does to ln b1 and ln b2."""
    b1, b2 = log_sd_of_cv(curve.b1_cv), log_sd_of_cv(curve.b2_cv)
    shared = curve.correlation * b2 / b1 if b1 > 0.0 else 0.0
    alone = b2 * math.sqrt(1.0 - curve.correlation**2) if b1 > 0.0 else b2
    factors = {
        f"{curve.modality}, b1": (b1, (1.0, shared)),
        f"{curve.modality}, b2": (alone, (0.0, 1.0)),
    }
    return {name: factor for name, factor in factors.items() if factor[0] > 0.0}


def _outline(
    region: Region,
    curve: Recovery,
    factors: Mapping[str, tuple[float, tuple[float, float]]],
) -> Outline:
    volume_mL, mass_g = region.outlined_volume_mL, region.mass_g
    assert volume_mL is not None
    assert mass_g is not None
    exact = ((0.0, 0.0), (0.0, 0.0))
    at = recover(RecoveryCurve(curve.b1_mL, curve.b2, exact, "by the file"), volume_mL)
    lost = 1.0 - at.value
    # d ln R by ln b1 and by ln b2.
    slopes = (-curve.b2 * lost, curve.b2 * lost * math.log(volume_mL / curve.b1_mL))
    return Outline(
        modality=curve.modality,
        region=region.name,
        exponent=outline_exponent(sphere_diameter(volume_mL), curve.fwhm_mm, at),
        mass_g=mass_g,
        loadings={
            name: slopes[0] * by_b1 + slopes[1] * by_b2
            for name, (_, (by_b1, by_b2)) in factors.items()
        },
    )


def _calibration(stated: StatedCalibration) -> Calibration:
    free = values.FREE_CALIBRATION_LOG_SD.value
    log_sd = free if stated.cv is None else log_sd_of_cv(stated.cv)
    return Calibration(stated.modality, stated.scope == "region", log_sd)


def _noise_floors(patient: Patient) -> dict[str, Prior]:
    """Return the prior of the additive noise of each kind of value, in its unit."""
    share = values.NOISE_FLOOR_FRACTION
    largest: dict[str, float] = {}
    units: dict[str, str] = {}
    for item in patient.measurements:
        name = floor_name(item)
        # A value of 0 has a stated sd, which then sets the scale.
        size = item.value if item.value > 0.0 else (item.sd or 0.0)
        largest[name] = max(size, largest.get(name, 0.0))
        units[name] = _UNITS.get(item.quantity, "MBq")
    return {
        name: half_normal(
            share.value * value, units[name], share.source, share.certainty
        )
        for name, value in largest.items()
    }


def draws_per_chain(confidence: float, *, saturable: bool = False) -> int:
    """Return how many draws of each chain a confidence needs.

    Parameters
    ----------
    confidence : float
        In (0, 1).
    saturable : bool
        Whether each draw costs a numerical solution.

    Returns
    -------
    int
        A multiple of the sampler's chunk, at least 2000, or 500 where each is dear.

    Examples
    --------
    >>> draws_per_chain(0.95), draws_per_chain(0.999)
    (2000, 5000)
    """
    each = math.ceil(draws_needed(confidence) / CHAINS / CHUNK) * CHUNK
    usual = _SATURABLE_DRAWS_PER_CHAIN if saturable else _USUAL_DRAWS_PER_CHAIN
    return max(usual, each)


def more_draws(count: int, error: float) -> int:
    """Return how many draws of each chain would bring a Monte-Carlo error below 1 %.

    The error falls with the square root of the number of draws.

    Parameters
    ----------
    count : int
        Draws of each chain so far.
    error : float
        Relative Monte-Carlo error of the safe activity with them.

    Returns
    -------
    int
        The same number where the error is small enough, or where they were drawn so
        often already that more are not worth their time; else a multiple of the
        sampler's chunk with some to spare.

    Examples
    --------
    >>> more_draws(2000, 0.005), more_draws(2000, 0.015), more_draws(6000, 0.015)
    (2000, 5900, 8000)
    """
    if error <= MONTE_CARLO_LIMIT:
        return count
    wanted = count * (error / MONTE_CARLO_LIMIT) ** 2 * _SPARE_DRAWS
    return max(count, min(_MOST_DRAWS_PER_CHAIN, math.ceil(wanted / CHUNK) * CHUNK))
