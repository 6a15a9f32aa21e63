"""The fits: experiments of one patient in one posterior, and what it says of 90Y."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import measured_patients as patients
import numpy as np
from measured_patients import CALIBRATION_CV, DOSIMETRY, PET, THERAPY

from pkmodels.decision import DoseLimit, dose_burden, safe_activity
from pkmodels.dosimetry.s_values import require_s_value
from pkmodels.exact import doses_of
from pkmodels.fitting.experiments import (
    Experiment,
    ParameterTable,
    share_parameters,
)
from pkmodels.fitting.fit import CompiledFit, Fit, compile_fit, fit
from pkmodels.fitting.observations import Calibration, arrange
from pkmodels.fitting.posterior import Posterior
from pkmodels.fitting.prediction import predict, predict_curves
from pkmodels.models import pentixather
from pkmodels.models.values import FREE_CALIBRATION_LOG_SD
from pkmodels.saturable import SaturableSystem, compile_saturable
from pkmodels.values import (
    Certainty,
    Prior,
    PriorSet,
    half_normal,
    log_sd_of_cv,
    typical,
)

# Which occasions each fit has. The tracer's is what a clinic has before a therapy.
FITS = {
    "tracer": (DOSIMETRY,),
    "tracer and PET": (DOSIMETRY, PET),
    "tracer and therapy": (DOSIMETRY, THERAPY),
}
# Blood is measured and predicted, and these matter for it: what holds ligand back in
# the interstitium, and what marrow and liver, which are not scanned, keep and return.
OF_BLOOD = (
    "interstitial_protein_ratio",
    "binding_potential_red_marrow",
    "biliary_fraction",
)
VARIED = (*pentixather.fitted(patients.REGIONS), *OF_BLOOD)
RATIOS = tuple(pentixather.table.RATIOS)
LEVELS = (0.025, 0.5, 0.975)
DRAWS_PER_CHAIN = 600


@cache
def kinetics(occasion: str) -> SaturableSystem:
    """Compile an occasion's model; what neither varies nor is known is at its median.

    Ratios of pentixafor to pentixather link the PET to the other occasions.
    """
    [ligand] = patients.SCHEDULES[occasion].ligands
    model = pentixather.model(patients.REGIONS, ligand)
    shown = {name: model.observables[name] for name in patients.SHOWN}
    known = pentixather.values(patients.REGIONS, ligand)
    varied = (*VARIED, *(RATIOS if ligand == "pentixafor" else ()))
    model = replace(model, observables=shown)
    used = {str(parameter) for parameter in model.parameters}
    held = {n: v for n, v in known.items() if n in used and n not in varied}
    return compile_saturable(
        model,
        ligand,
        varied,
        typical(held),
        infusions=False,
    )


def sharing(occasions: tuple[str, ...]) -> ParameterTable:
    """Return the table: one body, so that every occasion shares its parameters."""
    known = pentixather.values(patients.REGIONS, "pentixafor")
    parameters = {name: kinetics(name).parameters for name in occasions}
    needed = dict.fromkeys(p for own in parameters.values() for p in own)
    priors: dict[str, Prior] = {}
    for name in needed:
        prior = known[name]
        assert isinstance(prior, Prior)
        priors[name] = prior
    return share_parameters(parameters, PriorSet(priors, {}))


def posterior_of(
    patient: patients.SimulatedPatient, occasions: tuple[str, ...]
) -> Posterior:
    """Join the measurements of some occasions with the model and its priors."""
    experiments = tuple(
        Experiment(
            name, kinetics(name), patients.SCHEDULES[name], patient.measurements[name]
        )
        for name in occasions
    )
    measured = {m.modality for e in experiments for m in e.measurements}
    stated = [
        Calibration(modality, per_region=False, log_sd=log_sd_of_cv(cv))
        for modality, cv in CALIBRATION_CV.items()
        if modality in measured
    ]
    free = FREE_CALIBRATION_LOG_SD.value
    planar = Calibration("planar", per_region=True, log_sd=free)
    scatter = half_normal(patients.SCATTER, "", "the study's scatter", Certainty.STATED)
    return Posterior(
        experiments=experiments,
        table=sharing(occasions),
        observations=arrange(experiments, [*stated, planar]),
        masses={},
        exact_masses={},
        relative_noise=scatter,
        noise_floor={},
        floor_everywhere=False,
        minimum_noise=patients.LEAST_SCATTER,
    )


@cache
def compiled_fit(name: str) -> CompiledFit:
    """Compile one of `FITS`; it serves every patient."""
    return compile_fit(posterior_of(patients.simulate_patient(0), FITS[name]))


def fit_patient(patient: patients.SimulatedPatient, name: str, seed: int) -> Fit:
    """Fit one of `FITS` to a patient."""
    return fit(
        posterior_of(patient, FITS[name]),
        seed=seed,
        draws_per_chain=DRAWS_PER_CHAIN,
        compiled=compiled_fit(name),
    )


@dataclass(frozen=True, eq=False)
class Answer:
    """What a fit says of the therapy: draws of the TIAC, doses, and the activity.

    TIAC (h) of 90Y in the kidneys with the therapy's mass; Gy/GBq of 90Y; Gy of the
    tracer; GBq of 90Y, all doses of that mass together, that keep the limit.
    """

    tiac_h: np.ndarray
    dose_Gy_per_GBq: np.ndarray
    received_Gy: np.ndarray
    safe_GBq: float


def answer(fitted: Fit, seed: int) -> Answer:
    """Predict 90Y at the therapy's mass of ligand from a fit, and decide."""
    draws, generator = fitted.parameters(DOSIMETRY), np.random.default_rng([seed, 2])
    cv = log_sd_of_cv(patients.KIDNEYS_CV)
    masses = patients.KIDNEYS_G * np.exp(cv * generator.standard_normal(len(draws)))
    errors: dict[str, np.ndarray] = {}
    tiac, dose = {}, {}
    for label, occasion in (("Lu-177", DOSIMETRY), ("Y-90", THERAPY)):
        doses = doses_of(patients.SCHEDULES[occasion])
        last_h = max(patients.PLANAR_H)
        found = predict(kinetics(DOSIMETRY), draws, doses, last_h)
        column = found.observables.index("kidneys")
        tiac[label] = found.time_integrals[:, column] / float(doses.activity[0])
        value = require_s_value("kidneys", label, patients.SEX)
        weight = value.at_mass(masses)
        for source in value.uncertainties:
            error = source.log_sd * generator.standard_normal(masses.size)
            weight = weight * np.exp(errors.setdefault(source.name, error))
        dose[label] = weight * tiac[label] * patients.MBQ_PER_GBQ
    received = patients.tracer_GBq() * dose["Lu-177"]
    limit = DoseLimit("kidneys", "absorbed_dose", patients.LIMIT_GY)
    burden = dose_burden(limit, received, dose["Y-90"])
    safe = safe_activity({"kidneys": burden}, confidence=patients.CONFIDENCE)
    return Answer(tiac["Y-90"], dose["Y-90"], received, safe.activity_GBq)


def bands(fitted: Fit, occasion: str, times_h: np.ndarray) -> Mapping[str, np.ndarray]:
    """Return 2.5, 50 and 97.5 % of each curve of an occasion, (3, n_times) each."""
    draws = fitted.parameters(DOSIMETRY)
    doses = doses_of(patients.SCHEDULES[occasion])
    curves = predict_curves(kinetics(DOSIMETRY), draws, doses, times_h)
    columns = kinetics(DOSIMETRY).system.observables
    found = np.quantile(curves, LEVELS, axis=0)
    return {name: found[:, :, i] for i, name in enumerate(columns)}
