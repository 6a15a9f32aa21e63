"""The check by simulation: patients measured by a protocol, and full fits of them."""

from functools import cache

import numpy as np
import protocols
from protocols import LEAST_SCATTER, MODALITIES, PLANAR, REGIONS, SCATTER

from pkmodels.design.scans import Scan
from pkmodels.fitting.experiments import Experiment, alone
from pkmodels.fitting.fit import CompiledFit, compile_fit, fit
from pkmodels.fitting.observations import Calibration, arrange
from pkmodels.fitting.posterior import Posterior
from pkmodels.fitting.prediction import predict_labels
from pkmodels.measurements import Measurement, Quantity
from pkmodels.values import Certainty, half_normal

DRAWS_PER_CHAIN = 500
LEVELS = (0.025, 0.5, 0.975)


def measure(
    point: np.ndarray, scans: tuple[Scan, ...], seed: int
) -> tuple[Measurement, ...]:
    """Return values with scatter and calibration of their own, from `simulate`d curves.

    Numbers of one seed are the same for scans in the same place of two protocols.
    """
    own = np.asarray(protocols.unknowns().parameters(point))[None]
    schedule = protocols.schedule_of(*protocols.TRACER)
    times = np.unique([scan.time_h for scan in scans])
    [label] = schedule.labels
    curves = predict_labels(protocols.kinetics(), own, schedule, times)[label][0]
    generator = np.random.default_rng([seed, 1])
    rows = []
    for kind in MODALITIES:
        scatter = np.hypot(SCATTER * generator.standard_normal(), LEAST_SCATTER)
        factors = kind.calibration_log_sd * generator.standard_normal(len(REGIONS))
        for scan in (s for s in scans if s.modality == kind.name):
            for column, region in enumerate(kind.regions):
                ln = np.log(curves[np.searchsorted(times, scan.time_h), column])
                ln += factors[column if kind.per_region else 0]
                ln += scatter * generator.standard_normal()
                rows.append(_row(region, label, scan, float(np.exp(ln))))
    return tuple(rows)


def _row(region: str, label: str, scan: Scan, value: float) -> Measurement:
    return Measurement(
        region=region,
        label=label,
        modality=scan.modality,
        start_h=scan.time_h,
        end_h=scan.time_h,
        value=value,
        quantity=Quantity.ACTIVITY,
        sd=None,
        decay_corrected_to_h=None,
        source=f"simulated {scan} of {region}",
    )


def posterior_of(measured: tuple[Measurement, ...]) -> Posterior:
    schedule = protocols.schedule_of(*protocols.TRACER)
    only = Experiment("tracer", protocols.kinetics(), schedule, measured)
    seen = {m.modality for m in measured}
    calibrations = [
        Calibration(
            kind.name,
            per_region=kind.name == PLANAR,
            log_sd=kind.calibration_log_sd,
        )
        for kind in MODALITIES
        if kind.name in seen
    ]
    return Posterior(
        experiments=(only,),
        table=alone(only, protocols.priors()),
        observations=arrange([only], calibrations),
        masses={},
        exact_masses={},
        relative_noise=half_normal(SCATTER, "", "as simulated", Certainty.STATED),
        noise_floor={},
        floor_everywhere=False,
        minimum_noise=LEAST_SCATTER,
    )


@cache
def compiled_fit(scans: tuple[Scan, ...]) -> CompiledFit:
    """Compile the fit of a protocol, which serves every patient."""
    point = protocols.unknowns().centre
    return compile_fit(posterior_of(measure(point, scans, 0)))


def fit_patient(
    point: np.ndarray, scans: tuple[Scan, ...], seed: int
) -> dict[str, float | str]:
    """Measure and fit a patient; return sd and quantiles of the TIAC (h)."""
    fitted = fit(
        posterior_of(measure(point, scans, seed)),
        seed=seed,
        draws_per_chain=DRAWS_PER_CHAIN,
        compiled=compiled_fit(scans),
    )
    if not fitted.checks.passed:
        return {"checks": "; ".join(fitted.checks.reasons)}
    tiac = protocols.tiac_h(fitted.parameters("tracer"))
    low, median, high = np.quantile(tiac, LEVELS)
    return {
        "checks": "",
        "log_sd": float(np.std(np.log(tiac))),
        "low": float(low),
        "median": float(median),
        "high": float(high),
    }
