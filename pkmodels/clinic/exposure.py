"""Exposure: each draw's kinetics and dose of one label in each region and group."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from pkmodels.administrations import Administration
from pkmodels.clinic.dose_weights import (
    Irradiation,
    combine,
    irradiation_of,
    weigh,
)
from pkmodels.clinic.occasions import kinetics_of, measured_regions
from pkmodels.clinic.patient import Patient
from pkmodels.clinic.responses import Response
from pkmodels.clinic.syringes import Syringe, unit_dose
from pkmodels.dosimetry.biological_dose import g_factor
from pkmodels.dosimetry.doses import draw_factors
from pkmodels.dosimetry.protraction import protract
from pkmodels.dosimetry.solved_protraction import protraction_of
from pkmodels.exact import Doses, ExactSystem
from pkmodels.fitting.fit import Fit
from pkmodels.fitting.prediction import Prediction, predict
from pkmodels.saturable import SaturableSystem
from pkmodels.schedule import Schedule
from pkmodels.units import MBQ_PER_GBQ

# By then uptake from blood is over: six half-times of 4 h, the 97.5 % point of its
# prior.
UPTAKE_OVER_H = 24.0
_MANY_HALF_LIVES = 20.0
# Stream of random numbers of the S-values.
_S_STREAM = 1


@dataclass(frozen=True, eq=False)
class Exposure:
    """What one administration of one label does to a region or group, draw by draw.

    Parameters
    ----------
    tiac_h : (n_draws,) array
        Time-integrated activity per administered activity, h.
    tail : (n_draws,) array
        The share of it after the last scan.
    tiac_if_only_decay_h : (n_draws,) array or None
        The same if the label did nothing but decay after each region's last scan, h:
        the most that the tail can be once a region no longer fills; None where the last
        scan is before `UPTAKE_OVER_H`.
    effective_half_life_h : (n_draws,) array
        ln 2 x (activity integrated after a time) / (activity then), h; the time is
        that of the last scan of any region, at least `UPTAKE_OVER_H`. At most the
        physical half-life.
    dose_Gy_per_GBq : (n_draws,) array or None
        Absorbed dose per administered activity; None where it is not known.
    cross_share : (n_draws,) array or None
        The share of it that comes from other regions; None where no S-value of theirs
        is known, so that it was left out.
    protraction : (n_draws,) array or None
        G-factor of the dose rate; None where the organ's response is not known.
    missing : str or None
        Why the dose is not known.
    """

    tiac_h: np.ndarray
    tail: np.ndarray
    tiac_if_only_decay_h: np.ndarray | None
    effective_half_life_h: np.ndarray
    dose_Gy_per_GBq: np.ndarray | None
    cross_share: np.ndarray | None
    protraction: np.ndarray | None
    missing: str | None


@dataclass(frozen=True, eq=False)
class Dosimetry:
    """The S-values of a patient and one set of draws of their uncertainties.

    Parameters
    ----------
    irradiations : mapping of label to Irradiation
        The S-values in use.
    factors : mapping of str to (n_draws,) array
        Shared log-normal factors of the S-values.
    masses_g : mapping of str to (n_draws,) array
        Draws of each region's mass.
    targets : mapping of str to tuple of str
        The measured regions, and the groups of which every region is measured.
    responses : mapping of str to Response
        By target, where it is known.
    model_factors : mapping of str to (n_draws,) array
        What another model would make of each target's dose, one for all regions of an
        organ; 1 where that is not stated.
    """

    irradiations: Mapping[str, Irradiation]
    factors: Mapping[str, np.ndarray]
    masses_g: Mapping[str, np.ndarray]
    targets: Mapping[str, tuple[str, ...]]
    responses: Mapping[str, Response]
    model_factors: Mapping[str, np.ndarray]


def prepare_dosimetry(
    patient: Patient,
    fit: Fit,
    labels: tuple[str, ...],
    responses: Mapping[str, Response],
    model_factors: Mapping[str, np.ndarray],
) -> Dosimetry:
    """Draw the uncertainties of every S-value that a patient needs, once for all.

    Parameters
    ----------
    patient : Patient
        The patient.
    fit : Fit
        The fit, whose seed and masses are used.
    labels : tuple of str
        Labels measured, administered, planned or compared.
    responses : mapping of str to Response
        By target.
    model_factors : mapping of str to (n_draws,) array
        By target.

    Returns
    -------
    Dosimetry
    """
    measured = measured_regions(fit)
    irradiations = {n: irradiation_of(patient, measured, n) for n in labels}
    values = [pair.value for i in irradiations.values() for pair in i.pairs]
    factors = draw_factors(values, fit.draws.diverging.size, [fit.seed, _S_STREAM])
    return Dosimetry(
        irradiations=irradiations,
        factors=factors,
        masses_g=fit.masses(),
        targets=targets_of(patient, measured),
        responses=responses,
        model_factors=model_factors,
    )


def targets_of(
    patient: Patient, measured: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    """Return the regions of every target that is measured: regions, then groups.

    Parameters
    ----------
    patient : Patient
        The patient.
    measured : tuple of str
        Names of the regions measured.

    Returns
    -------
    dict of str to tuple of str
    """
    groups = {
        g.name: g.regions for g in patient.groups if set(g.regions) <= set(measured)
    }
    return {name: (name,) for name in measured} | groups


def expose(
    fit: Fit, dosimetry: Dosimetry, syringe: Syringe, last_h: Mapping[str, float]
) -> dict[str, Exposure]:
    """Return the exposure of every region and group to one administration of a label.

    Parameters
    ----------
    fit : Fit
        A fit that passed its checks.
    dosimetry : Dosimetry
        From `prepare_dosimetry`.
    syringe : Syringe
        What is given.
    last_h : mapping of str to float
        Time of each region's last scan after an administration, h.

    Returns
    -------
    dict of str to Exposure
        Regions that were measured, then groups of them.

    Raises
    ------
    FitRefusedError
        When the fit failed its checks.
    SolveError
        When a draw cannot be solved.
    """
    unit = unit_dose(syringe)
    compiled, parameters = kinetics_of(fit, syringe.ligand, syringe.occasion)
    divided = divide(compiled.system.observables, last_h, syringe.duration_h)
    predicted = predict(compiled, parameters, unit, divided)
    half_lives = _effective_half_lives(compiled, parameters, unit, last_h)
    totals = dict(zip(predicted.observables, predicted.time_integrals.T, strict=True))
    irradiation = dosimetry.irradiations[syringe.label]
    weights = weigh(
        irradiation, dosimetry.masses_g, dosimetry.factors, dosimetry.targets
    )
    protraction = _protraction(fit, syringe, predicted, dosimetry)
    found = {}
    for target, names in dosimetry.targets.items():
        columns = [predicted.observables.index(name) for name in names]
        total = predicted.time_integrals[:, columns].sum(axis=1)
        tail = predicted.tails[:, columns].sum(axis=1)
        then = predicted.at_last[:, columns].sum(axis=1)
        dose = cross = None
        if target in weights:
            dose = combine(weights[target], totals)
            own = {n: w for n, w in weights[target].items() if n in names}
            if len(own) < len(weights[target]):
                cross = np.clip(1.0 - combine(own, totals) / dose, 0.0, 1.0)
            dose = MBQ_PER_GBQ * dose * dosimetry.model_factors[target]
        why = [irradiation.missing[n] for n in names if n in irradiation.missing]
        found[target] = Exposure(
            tiac_h=total,
            tail=tail / total,
            tiac_if_only_decay_h=total - tail + then / unit.decay_constant_per_h
            if min(last_h[name] for name in names) >= UPTAKE_OVER_H
            else None,
            effective_half_life_h=half_lives(columns),
            dose_Gy_per_GBq=dose,
            cross_share=cross,
            protraction=protraction(target, weights.get(target)),
            missing=why[0] if why else None,
        )
    return found


def divide(
    regions: tuple[str, ...], last_h: Mapping[str, float], duration_h: float
) -> np.ndarray:
    """Return when the tail of each region begins: after its last scan and the infusion.

    Parameters
    ----------
    regions : tuple of str
        Names, in the model's order.
    last_h : mapping of str to float
        Time of each region's last scan after an administration, h.
    duration_h : float
        Length of the infusion, h.

    Returns
    -------
    (n_regions,) array, h

    Examples
    --------
    >>> divide(("kidney", "liver"), {"kidney": 24.0, "liver": 96.0}, 0.5)
    array([24., 96.])
    """
    return np.array([max(last_h[name], duration_h) for name in regions])


def _protraction(
    fit: Fit, syringe: Syringe, predicted: Prediction, dosimetry: Dosimetry
) -> Callable[[str, Mapping[str, np.ndarray] | None], np.ndarray | None]:
    """Return what gives a target's G-factor; targets of one response share a solve."""
    solved: dict[int, np.ndarray] = {}
    compiled, parameters = kinetics_of(fit, syringe.ligand, syringe.occasion)

    def of_target(
        target: str, weights: Mapping[str, np.ndarray] | None
    ) -> np.ndarray | None:
        response = dosimetry.responses.get(target)
        if weights is None or response is None:
            return None
        repair = response.repair_half_time_h
        if id(repair) not in solved:
            solved[id(repair)] = _products(compiled, parameters, syringe, repair)
        none = np.zeros(len(parameters))
        columns = [weights.get(name, none) for name in predicted.observables]
        return g_factor(
            np.stack(columns, axis=1), solved[id(repair)], predicted.time_integrals
        )

    return of_target


def _products(
    compiled: ExactSystem | SaturableSystem,
    parameters: np.ndarray,
    syringe: Syringe,
    repair_half_time_h: np.ndarray,
) -> np.ndarray:
    """Return the products of dose rates and unrepaired damage, by observable."""
    if not isinstance(compiled, SaturableSystem):
        return protract(compiled, parameters, unit_dose(syringe), repair_half_time_h)
    drawn = dict(zip(compiled.parameters, parameters.T, strict=True))
    given = Administration(
        0.0,
        syringe.duration_h,
        syringe.ligand,
        syringe.label,
        1.0,
        ligand_nmol=syringe.ligand_nmol,
    )
    return protraction_of(
        compiled.system,
        {**compiled.fixed, **drawn},
        Schedule((given,)),
        repair_half_time_h,
        observables=compiled.system.observables,
    ).q


def _effective_half_lives(
    compiled: ExactSystem | SaturableSystem,
    parameters: np.ndarray,
    unit: Doses,
    last_h: Mapping[str, float],
) -> Callable[[list[int]], np.ndarray]:
    """Return what gives the effective half-life of observables taken together."""
    physical = np.log(2.0) / float(unit.decay_constant_per_h)
    # Of all regions at one time, so that groups have one; not so late that nothing is
    # left of a short-lived label.
    latest = max(UPTAKE_OVER_H, *last_h.values())
    late = min(latest, _MANY_HALF_LIVES * physical)
    after = predict(compiled, parameters, unit, max(late, float(unit.length_h[0])))

    def of_columns(columns: list[int]) -> np.ndarray:
        tail, then = after.tails[:, columns].sum(1), after.at_last[:, columns].sum(1)
        return np.minimum(np.log(2.0) * tail / then, physical)

    return of_columns
