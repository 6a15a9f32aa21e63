"""Variance budgets: what each factor of the chain contributes to a dose's variance."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from pkmodels.clinic.assessment import Assessment, Choice, mass_effects
from pkmodels.clinic.dose_weights import Irradiation, combine, weigh
from pkmodels.clinic.exposure import UPTAKE_OVER_H, Dosimetry, divide
from pkmodels.clinic.occasions import kinetics_of, measured_regions
from pkmodels.clinic.patient import Patient
from pkmodels.clinic.plans import last_scans_h, mass_changes
from pkmodels.clinic.result_dosimetry import Budget, Share
from pkmodels.clinic.syringes import syringe_of, unit_dose
from pkmodels.dosimetry.biological_dose import biologically_effective_dose
from pkmodels.dosimetry.variance_budget import Block, variance_budget
from pkmodels.fitting.fit import Fit
from pkmodels.fitting.observations import Observations
from pkmodels.fitting.posterior import CALIBRATION, RECOVERY
from pkmodels.fitting.prediction import predict
from pkmodels.units import MBQ_PER_GBQ

FIT = "counts and fit"
TAIL = "tail beyond the last scan"
CALIBRATED = "calibration"
RECOVERED = "recovery coefficient"
MASS = "mass and outline"
S_VALUE = "S-value"
RESPONSE = "alpha/beta and repair"
LIGAND_MASS = "ligand mass"
MODEL_CHOICE = "model choice"

# Monte-Carlo error of a share of the variance that is fine enough to show.
PRECISION = 0.01


@dataclass(frozen=True, eq=False)
class _Scale:
    """What turns a region's true activity into what is measured, draw by draw.

    The values found are A c R m^-k: where a region has several modalities, those of
    the one whose calibration is known best.
    """

    calibration: np.ndarray
    recovery: np.ndarray
    exponent: float


def budgets_of(
    patient: Patient, fit: Fit, assessment: Assessment
) -> dict[str, dict[str, Budget]]:
    """Return the budget of every limited target, for each label that is decided on.

    Parameters
    ----------
    patient : Patient
        The patient.
    fit : Fit
        The fit.
    assessment : Assessment
        Its doses.

    Returns
    -------
    dict of str to dict of str to Budget
        By label and limit: of ln(dose per activity), or of ln(BED of the safe activity)
        where the limit is one of BED. What was received before is not in it.
    """
    scales = _scales(fit)
    found: dict[str, dict[str, Budget]] = {}
    for label, choice in assessment.choices.items():
        for target, burden in choice.burdens.items():
            activity = 0.0
            if burden.quantity == "bed" and choice.decision is not None:
                activity = choice.decision.activity_GBq
            if burden.quantity == "bed" and activity == 0.0:
                continue
            found.setdefault(label, {})[target] = _budget(
                patient, fit, assessment, choice, target, activity, scales
            )
    return found


def _budget(
    patient: Patient,
    fit: Fit,
    assessment: Assessment,
    choice: Choice,
    target: str,
    activity_GBq: float,
    scales: Mapping[str, _Scale],
) -> Budget:
    dosimetry = assessment.dosimetry
    blocks = _blocks(patient, fit, dosimetry, choice, target, scales)
    function = _log_dose(dosimetry, choice, target, scales, activity_GBq)
    varying = {name: b for name, b in blocks.items() if _varies(b)}
    fixed = {name: b for name, b in blocks.items() if name not in varying}
    quantity = "absorbed_dose" if activity_GBq == 0.0 else "bed"
    generator = np.random.default_rng([fit.seed, 6])
    budget = variance_budget(
        lambda given: function({**fixed, **given}),
        varying,
        generator,
        quantity=f"ln {'dose per activity' if quantity == 'absorbed_dose' else 'BED'} "
        f"of {target}",
        precision=PRECISION,
    )
    return Budget(
        quantity=quantity,
        log_sd=float(np.sqrt(budget.variance)),
        factors={
            name: Share(first_order=share.first_order, total=share.total)
            for name, share in budget.shares.items()
        },
        interactions=budget.interactions,
        dependence=budget.dependence,
        noise=budget.noise,
        explained=budget.explain(),
    )


def _blocks(
    patient: Patient,
    fit: Fit,
    dosimetry: Dosimetry,
    choice: Choice,
    target: str,
    scales: Mapping[str, _Scale],
) -> dict[str, Block]:
    """Return the factors' draws; those that one cause makes vary together."""
    plan, masses = choice.plan, dosimetry.masses_g
    unit = unit_dose(syringe_of(patient, plan))
    compiled, parameters = kinetics_of(fit, plan.ligand)
    last_h = last_scans_h(patient, plan.ligand)
    divided = divide(compiled.system.observables, last_h, plan.duration_h)
    # Of a region that no scan shows, the parts are those of the usual least time.
    divided = np.where(divided > 0.0, divided, UPTAKE_OVER_H)
    predicted = predict(compiled, parameters, unit, divided)
    scale = np.stack(
        [
            scales[name].calibration
            * scales[name].recovery
            * (masses[name] ** -scales[name].exponent if name in masses else 1.0)
            for name in predicted.observables
        ],
        axis=1,
    )
    until = predicted.time_integrals - predicted.tails
    blocks: dict[str, Block] = {
        FIT: until * scale,
        TAIL: predicted.tails / until,
        CALIBRATED: np.stack([s.calibration for s in scales.values()], axis=1),
        RECOVERED: np.stack([s.recovery for s in scales.values()], axis=1),
        MASS: np.stack(list(masses.values()), axis=1),
        S_VALUE: np.stack([*dosimetry.factors.values(), np.ones(len(until))], axis=1),
        MODEL_CHOICE: dosimetry.model_factors[target],
    }
    if mass_changes(patient, plan):
        blocks[LIGAND_MASS] = mass_effects(patient, fit)[target]
    protraction = choice.exposures[target].protraction
    if choice.burdens[target].quantity == "bed" and protraction is not None:
        response = dosimetry.responses[target]
        blocks[RESPONSE] = (response.alpha_beta_Gy, protraction)
    return blocks


def _varies(block: Block) -> bool:
    parts = block if isinstance(block, tuple) else (block,)
    return any(bool((np.ptp(part, axis=0) > 0.0).any()) for part in parts)


def _log_dose(
    dosimetry: Dosimetry,
    choice: Choice,
    target: str,
    scales: Mapping[str, _Scale],
    activity_GBq: float,
) -> Callable[[Mapping[str, Block]], np.ndarray]:
    """Return what gives ln dose per activity, or ln BED at an activity above 0."""
    names = dosimetry.targets[target]
    irradiation = _only(dosimetry.irradiations[choice.plan.label], names)

    def function(given: Mapping[str, Block]) -> np.ndarray:
        block = {name: np.asarray(b) for name, b in given.items() if name != RESPONSE}
        masses = dict(zip(dosimetry.masses_g, block[MASS].T, strict=True))
        factors = dict(zip(dosimetry.factors, block[S_VALUE].T, strict=False))
        apparent = block[FIT] * (1.0 + block[TAIL])
        true = apparent / (block[CALIBRATED] * block[RECOVERED])
        integrals = {
            name: true[:, i] * (masses[name] ** s.exponent if name in masses else 1.0)
            for i, (name, s) in enumerate(scales.items())
        }
        weights = weigh(irradiation, masses, factors, {target: names})[target]
        dose = combine(weights, integrals) * block[MODEL_CHOICE]
        if LIGAND_MASS in block:
            dose = dose * block[LIGAND_MASS]
        if RESPONSE not in given:
            return np.log(dose)
        alpha_beta, protraction = given[RESPONSE]
        each = MBQ_PER_GBQ * dose * activity_GBq / choice.plan.cycles
        bed = biologically_effective_dose(each, protraction, alpha_beta)
        return np.log(choice.plan.cycles * bed)

    return function


def _only(irradiation: Irradiation, names: tuple[str, ...]) -> Irradiation:
    pairs = tuple(pair for pair in irradiation.pairs if pair.target in names)
    return Irradiation(irradiation.label, pairs, {}, ())


def _scales(fit: Fit) -> dict[str, _Scale]:
    """Return the scale of each observable of the model, in its order."""
    seen = fit.posterior.observations
    count = fit.draws.diverging.size

    def drawn(variable: str) -> np.ndarray:
        values = fit.draws.variables.get(variable)
        return np.ones((count, 0)) if values is None else values.reshape(count, -1)

    calibration, log_recovery = drawn(CALIBRATION), np.log(drawn(RECOVERY))
    found = {}
    for name in measured_regions(fit):
        row = _best_row(seen, name)
        factor = seen.calibration[row] - 1
        found[name] = _Scale(
            calibration=calibration[:, factor] if factor >= 0 else np.ones(count),
            recovery=np.exp(log_recovery @ seen.recovery[row]),
            exponent=float(seen.mass_exponent[row]),
        )
    return found


def _best_row(seen: Observations, region: str) -> int:
    """Return a row of the region whose calibration is known best."""
    rows = np.flatnonzero(seen.region == seen.regions.index(region))
    log_sd = [0.0, *(p.parameters["log_sd"] for _, p in seen.calibrations)]
    return int(min(rows, key=lambda row: log_sd[seen.calibration[row]]))
