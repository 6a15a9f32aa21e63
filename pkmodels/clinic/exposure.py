"""Exposure: each draw's kinetics and dose of one label in each region and group."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from pkmodels.clinic.answerable import sex_of
from pkmodels.clinic.patient import Patient, Region
from pkmodels.dosimetry.doses import absorbed_dose, draw_factors, energy_weighted_mean
from pkmodels.dosimetry.s_values import SValue, s_value
from pkmodels.exact import Doses, ExactSystem
from pkmodels.fitting.fit import Fit
from pkmodels.fitting.prediction import predict
from pkmodels.nuclides import nuclide

_MBQ_PER_GBQ = 1e3

# By then uptake from blood is over: six half-times of 4 h, the 97.5 % point of its
# prior.
UPTAKE_OVER_H = 24.0
_MANY_HALF_LIVES = 20.0


@dataclass(frozen=True, eq=False)
class Exposure:
    """What one administration of one label does to a region or group, draw by draw.

    Parameters
    ----------
    tiac_h : (n_draws,) array
        Time-integrated activity per administered activity, h.
    tail : (n_draws,) array
        The share of it after the last scan.
    effective_half_life_h : (n_draws,) array
        ln 2 x (activity integrated after a time) / (activity then), h; the time is
        the last scan's, at least `UPTAKE_OVER_H`. At most the physical half-life.
    dose_Gy_per_GBq : (n_draws,) array or None
        Absorbed dose per administered activity; None where it is not known.
    missing : str or None
        Why it is not known.
    """

    tiac_h: np.ndarray
    tail: np.ndarray
    effective_half_life_h: np.ndarray
    dose_Gy_per_GBq: np.ndarray | None
    missing: str | None


@dataclass(frozen=True, eq=False)
class Dosimetry:
    """The S-values of a patient and one set of draws of their uncertainties.

    Parameters
    ----------
    sex : str
        Whose S-values are scaled.
    factors : mapping of str to (n_draws,) array
        Shared log-normal factors of the S-values.
    masses_g : mapping of str to (n_draws,) array
        Draws of each region's mass.
    """

    sex: str
    factors: Mapping[str, np.ndarray]
    masses_g: Mapping[str, np.ndarray]


def prepare_dosimetry(patient: Patient, fit: Fit, labels: tuple[str, ...]) -> Dosimetry:
    """Draw the uncertainties of every S-value that a patient needs, once for all.

    Parameters
    ----------
    patient : Patient
        The patient.
    fit : Fit
        The fit, whose seed and masses are used.
    labels : tuple of str
        Labels measured, administered or planned.

    Returns
    -------
    Dosimetry
    """
    sex = sex_of(patient)
    known = [s_value(r.organ, label, sex) for r in patient.regions for label in labels]
    generator = np.random.default_rng([fit.seed, 1])
    n_draws = fit.draws.diverging.size
    factors = draw_factors([s for s in known if s is not None], n_draws, generator)
    return Dosimetry(sex, factors, fit.masses())


def expose(
    patient: Patient,
    fit: Fit,
    dosimetry: Dosimetry,
    label: str,
    duration_h: float,
    last_h: float,
) -> dict[str, Exposure]:
    """Return the exposure of every region and group to one administration of a label.

    Parameters
    ----------
    patient : Patient
        The patient.
    fit : Fit
        A fit that passed its checks.
    dosimetry : Dosimetry
        From `prepare_dosimetry`.
    label : str
        The label.
    duration_h : float
        Length of the infusion, h; 0 is a bolus.
    last_h : float
        Time of the last scan after an administration, h.

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
    decay = np.float64(nuclide(label).decay_constant_per_h)
    unit = Doses(np.zeros(1), np.array([duration_h]), np.ones(1), decay)
    compiled, parameters = fit.posterior.compiled, fit.parameters()
    predicted = predict(compiled, parameters, unit, max(last_h, duration_h))
    half_lives = _effective_half_lives(compiled, parameters, unit, last_h)
    totals = dict(zip(predicted.observables, predicted.time_integrals.T, strict=True))
    tails = dict(zip(predicted.observables, predicted.tails.T, strict=True))
    doses = _region_doses(patient, dosimetry, label, totals)
    found = {}
    for target, names in _targets(patient, tuple(totals)).items():
        total, tail = (sum(part[name] for name in names) for part in (totals, tails))
        columns = [predicted.observables.index(name) for name in names]
        dose, missing = _target_dose(names, doses, dosimetry)
        found[target] = Exposure(
            tiac_h=np.asarray(total),
            tail=np.asarray(tail / total),
            effective_half_life_h=half_lives(columns),
            dose_Gy_per_GBq=dose,
            missing=missing,
        )
    return found


def _effective_half_lives(
    compiled: ExactSystem, parameters: np.ndarray, unit: Doses, last_h: float
) -> Callable[[list[int]], np.ndarray]:
    """Return what gives the effective half-life of observables taken together."""
    physical = np.log(2.0) / float(unit.decay_constant_per_h)
    # Not so late that nothing is left of a short-lived label.
    late = min(max(last_h, UPTAKE_OVER_H), _MANY_HALF_LIVES * physical)
    after = predict(compiled, parameters, unit, max(late, float(unit.length_h[0])))

    def of_columns(columns: list[int]) -> np.ndarray:
        tail, then = after.tails[:, columns].sum(1), after.at_last[:, columns].sum(1)
        return np.minimum(np.log(2.0) * tail / then, physical)

    return of_columns


def _targets(patient: Patient, measured: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    groups = {
        g.name: g.regions for g in patient.groups if set(g.regions) <= set(measured)
    }
    return {name: (name,) for name in measured} | groups


def _region_doses(
    patient: Patient,
    dosimetry: Dosimetry,
    label: str,
    totals: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray | str]:
    """Return Gy per GBq of each region, or a sentence that says what is missing."""
    doses: dict[str, np.ndarray | str] = {}
    for region in patient.regions:
        if region.name not in totals:
            continue
        value = s_value(region.organ, label, dosimetry.sex)
        missing = _missing(region, value, label)
        if value is None or missing is not None:
            doses[region.name] = str(missing)
            continue
        mass = dosimetry.masses_g[region.name]
        per_MBq = absorbed_dose(value, totals[region.name], mass, dosimetry.factors)
        doses[region.name] = _MBQ_PER_GBQ * per_MBq
    return doses


def _missing(region: Region, value: SValue | None, label: str) -> str | None:
    if value is None:
        return f"no S-value of {label} for {region.organ}"
    if region.mass_g is None:
        return f"no mass of {region.name}: give mass_g and mass_cv"
    return None


def _target_dose(
    names: tuple[str, ...],
    doses: Mapping[str, np.ndarray | str],
    dosimetry: Dosimetry,
) -> tuple[np.ndarray | None, str | None]:
    known: dict[str, np.ndarray] = {}
    for name in names:
        dose = doses[name]
        if isinstance(dose, str):
            return None, dose
        known[name] = dose
    masses = {name: dosimetry.masses_g[name] for name in names}
    return energy_weighted_mean(known, masses), None
