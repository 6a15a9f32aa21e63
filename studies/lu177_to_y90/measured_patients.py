"""Simulated patients: who they are, what is measured of them, and what is true.

A patient is drawn from every prior of the model `pentixather`, those among them that a
fit holds at their medians. The curves are `simulate`'s (`tests` hold some against an
integration of the equations typed anew); scatter, calibration errors, scales of planar
scans, masses and S-values are drawn from what the fits state of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from pkmodels import Administration, Schedule, assemble, simulate
from pkmodels.dosimetry.s_values import require_s_value
from pkmodels.measurements import Measurement, Quantity
from pkmodels.models import pentixather
from pkmodels.models.values import LIGANDS
from pkmodels.system import System
from pkmodels.time_integrals import integrate_observables
from pkmodels.values import draw_values, log_sd_of_cv

REGIONS = {"kidneys": "kidneys", "spleen": "spleen"}
SHOWN = (*REGIONS, "blood")
PET, DOSIMETRY, THERAPY = "PET", "dosimetry", "therapy"


def given(label: str, ligand: str, MBq: float, ug: float) -> Schedule:
    """Return one bolus."""
    molar_mass = LIGANDS[ligand].molar_mass_g_per_mol.value
    dose = Administration(
        0.0,
        0.0,
        ligand,
        label,
        MBq,
        ligand_mass_ug=ug,
        molar_mass_g_per_mol=molar_mass,
    )
    return Schedule((dose,))


# Each occasion is days after the other: a body without ligand at its start.
SCHEDULES = {
    PET: given("Ga-68", "pentixafor", 150.0, 20.0),
    DOSIMETRY: given("Lu-177", "pentixather", 200.0, 75.0),
    THERAPY: given("Y-90", "pentixather", 4000.0, 250.0),
}
# What is measured at each occasion, and when (h after it begins).
PLANAR_H, SPECT_H = (2.0, 24.0, 48.0, 96.0), (24.0,)
SCANS = {
    PET: {"PET": (1.0,)},
    DOSIMETRY: {"planar": PLANAR_H, "SPECT": SPECT_H},
    THERAPY: {"90Y SPECT": (24.0,)},
}
BLOOD = "well counter"
BLOOD_H = {
    PET: (1.0,),
    DOSIMETRY: (0.5, 1.0, 4.0, 24.0, 48.0),
    THERAPY: (1.0, 4.0, 24.0, 48.0, 72.0),
}
# Errors that all scans of a modality share (cv); of planar scans each region's scale
# is free. Bremsstrahlung images of 90Y are quantified within a third at best.
CALIBRATION_CV = {"PET": 0.05, "SPECT": 0.05, "90Y SPECT": 0.3, BLOOD: 0.03}
PLANAR_SCALE_LOG_SD = 1.0
# Scatter of a modality's values: at least this, and half-normal in quadrature.
LEAST_SCATTER, SCATTER = 0.05, 0.05
KIDNEYS_G, KIDNEYS_CV = 310.0, 0.08
SEX = "male"

LABELS = ("Lu-177", "Y-90")
LIMIT_GY, CONFIDENCE = 23.0, 0.95
MBQ_PER_GBQ = 1e3


@dataclass(frozen=True)
class SimulatedPatient:
    """Measurements of each occasion, and the truth behind them.

    TIAC (h) of 90Y in the kidneys with the therapy's mass of ligand; their dose per
    activity (Gy/GBq) of each label, 177Lu with the tracer's mass; the parameters.
    """

    measurements: Mapping[str, tuple[Measurement, ...]]
    parameters: Mapping[str, float]
    tiac_h: float
    dose_Gy_per_GBq: Mapping[str, float]

    @property
    def received_Gy(self) -> float:
        """Dose of the tracer."""
        return tracer_GBq() * self.dose_Gy_per_GBq["Lu-177"]

    @property
    def allowed_GBq(self) -> float:
        """The activity of 90Y at which the kidneys reach their limit."""
        return (LIMIT_GY - self.received_Gy) / self.dose_Gy_per_GBq["Y-90"]


def tracer_GBq() -> float:
    """Return the activity of 177Lu that was given."""
    return SCHEDULES[DOSIMETRY].administrations[0].activity_MBq / MBQ_PER_GBQ


@cache
def system_of(occasion: str) -> System:
    """Return the equations of an occasion."""
    schedule = SCHEDULES[occasion]
    model = pentixather.model(REGIONS, schedule.ligands[0])
    shown = {name: model.observables[name] for name in SHOWN}
    return assemble(replace(model, observables=shown), schedule.form)


def draw_parameters(seed: int) -> dict[str, float]:
    """Draw a body and its ligands from every prior."""
    known = pentixather.values(REGIONS, "pentixafor")
    return {name: float(x[0]) for name, x in draw_values(known, 1, seed).items()}


def own_parameters(occasion: str, drawn: Mapping[str, float]) -> dict[str, float]:
    """Return those parameters that an occasion's model has."""
    return {str(p): drawn[str(p)] for p in system_of(occasion).parameters}


def true_curves(
    occasion: str, drawn: Mapping[str, float], times_h: np.ndarray
) -> dict[str, np.ndarray]:
    """Return what each region (MBq) and blood (MBq/L) hold at ascending times."""
    own, schedule = own_parameters(occasion, drawn), SCHEDULES[occasion]
    found = simulate(system_of(occasion), own, schedule, np.asarray(times_h))
    return dict(found.observables)


def simulate_patient(seed: int) -> SimulatedPatient:
    """Draw a patient and measure it at all three occasions."""
    drawn, generator = draw_parameters(seed), np.random.default_rng([seed, 1])
    measured = {name: _measure(name, drawn, generator) for name in SCHEDULES}
    kidneys_g = KIDNEYS_G * _factor(generator, KIDNEYS_CV)
    tiac, dose = {}, {}
    errors = dict[str, float]()  # what both labels' S-values share is drawn once
    for label, occasion in zip(LABELS, (DOSIMETRY, THERAPY), strict=True):
        own, schedule = own_parameters(occasion, drawn), SCHEDULES[occasion]
        found = integrate_observables(
            system_of(occasion), own, schedule, label, ("kidneys",)
        )
        [syringe] = schedule.administrations
        tiac[label] = found.values["kidneys"] / syringe.activity_MBq
        value = require_s_value("kidneys", label, SEX)
        weight = value.at_mass(kidneys_g)
        for source in value.uncertainties:
            sd = source.log_sd
            known = errors.setdefault(source.name, sd * generator.standard_normal())
            weight *= np.exp(known)
        dose[label] = float(weight * tiac[label] * MBQ_PER_GBQ)
    return SimulatedPatient(measured, drawn, float(tiac["Y-90"]), dose)


def _measure(
    occasion: str, drawn: Mapping[str, float], generator: np.random.Generator
) -> tuple[Measurement, ...]:
    """Return an occasion's values, each with its scatter and shared errors."""
    series = {
        modality: (tuple(REGIONS), times) for modality, times in SCANS[occasion].items()
    }
    series[BLOOD] = (("blood",), BLOOD_H[occasion])
    every = sorted({t for _, times in series.values() for t in times})
    curves = true_curves(occasion, drawn, np.array(every))
    [label] = SCHEDULES[occasion].labels
    rows = []
    for modality, (regions, times) in series.items():
        scatter = np.hypot(SCATTER * _z(generator), LEAST_SCATTER)
        shared = _factor(generator, CALIBRATION_CV.get(modality, 0.0))
        for region in regions:
            scale = shared
            if modality == "planar":
                scale = np.exp(PLANAR_SCALE_LOG_SD * _z(generator))
            for time in times:
                true = curves[region][every.index(time)] * scale
                value = float(true * np.exp(scatter * _z(generator)))
                rows.append(_row(region, label, modality, time, value))
    return tuple(rows)


def _row(region: str, label: str, modality: str, time: float, value: float):
    in_blood = region == "blood"
    return Measurement(
        region=region,
        label=label,
        modality=modality,
        start_h=time,
        end_h=time,
        value=value,
        quantity=Quantity.PER_LITRE if in_blood else Quantity.ACTIVITY,
        sd=None,
        decay_corrected_to_h=None,
        source=f"simulated {modality} of {region} at {time:g} h",
    )


def _z(generator: np.random.Generator) -> float:
    return float(generator.standard_normal())


def _factor(generator: np.random.Generator, cv: float) -> float:
    return float(np.exp(log_sd_of_cv(cv) * _z(generator)))
