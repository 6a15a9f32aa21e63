"""Goodness of fit: predictions and residuals of every value, and shrinkage."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pkmodels.population.conditional import errors_of, local_at
from pkmodels.population.estimation import PopulationFit
from pkmodels.population.residuals import variance_of
from pkmodels.population.structure import effects_of


@dataclass(frozen=True, eq=False)
class GoodnessTable:
    """One row for each value.

    Parameters
    ----------
    subject, observable : (n,) arrays of str
        Whose, and of what.
    occasion : (n,) array of int
        On which, from 1.
    time_h : (n,) array
        When, h.
    value : (n,) array
        DV, unit of the observable.
    typical : (n,) array
        PRED: predicted at random effects of 0.
    individual : (n,) array
        IPRED: predicted at the subject's mode.
    individual_residual : (n,) array
        IWRES, (y - f) / sd at the mode; of logs where the error is log-normal.
    conditional_residual : (n,) array
        CWRES, of `conditional_residuals`.
    """

    subject: np.ndarray
    observable: np.ndarray
    occasion: np.ndarray
    time_h: np.ndarray
    value: np.ndarray
    typical: np.ndarray
    individual: np.ndarray
    individual_residual: np.ndarray
    conditional_residual: np.ndarray


@dataclass(frozen=True)
class Shrinkage:
    """How far estimates of what is each subject's own are drawn to what is typical.

    1 - sd(modes) / omega of each random effect, and 1 - sd(IWRES) of each observable:
    Karlsson and Savic, Clin Pharmacol Ther 2007;82:17-20. Above some 0.3, plots of the
    modes or of IPRED and IWRES mislead.

    Parameters
    ----------
    between, within : mapping of str to float
        By parameter, of effects between subjects and between occasions.
    residual : mapping of str to float
        By observable.
    """

    between: Mapping[str, float]
    within: Mapping[str, float]
    residual: Mapping[str, float]


def goodness(fit: PopulationFit) -> GoodnessTable:
    """Return predictions and residuals of every value.

    Parameters
    ----------
    fit : PopulationFit
        The fit.

    Returns
    -------
    GoodnessTable

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> table = goodness(worked_example.fitted())
    >>> print(table.value[:3], table.individual[:3].round(2))
    [5.6 8.1 8.9] [5.79 7.9  8.6 ]
    """
    made = fit.predictor.arrangement
    start = np.zeros_like(fit.modes.local.effects)
    at_zero = local_at(fit.predictor, fit.estimates, start, 0).prediction.values
    at_mode = fit.modes.local.prediction.values
    deviation = np.sqrt(_variances(fit))
    rows = np.argwhere(made.is_value)
    kept = tuple(rows.T)

    def natural(values: np.ndarray) -> np.ndarray:
        logs = np.exp(np.where(made.is_log, values, 0.0))
        return np.where(made.is_log, logs, values)[kept]

    names = np.array(list(fit.model.residual))
    return GoodnessTable(
        subject=np.array(made.names)[rows[:, 0]],
        observable=names[made.error[kept]],
        occasion=rows[:, 1] + 1,
        time_h=made.times_h[kept],
        value=natural(made.values),
        typical=natural(at_zero),
        individual=natural(at_mode),
        individual_residual=((made.values - at_mode) / deviation)[kept],
        conditional_residual=conditional_residuals(fit)[kept],
    )


def conditional_residuals(fit: PopulationFit) -> np.ndarray:
    """Return conditional weighted residuals, CWRES.

    Cov^-1/2 (y - E) of each subject with E = f(u) - a u and Cov = a Omega a' + R(f(u)),
    a = df/du at the mode u; the symmetric root.

    Parameters
    ----------
    fit : PopulationFit
        The fit.

    Returns
    -------
    (n_subjects, n_occasions, n_values) array
        Near Normal(0, 1) where the model is right; 0 where there is no value.

    References
    ----------
    Hooker, Staatz and Karlsson, Pharm Res 2007;24:2187-2197.

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> conditional_residuals(worked_example.fitted()).shape
    (6, 1, 6)
    """
    made, local = fit.predictor.arrangement, fit.modes.local
    by_effects = np.einsum(
        "ikjp,kpe->ikje", local.prediction.slopes, made.active_effects
    )
    shape = made.values.shape
    flat = by_effects.reshape(shape[0], shape[1] * shape[2], -1)
    covariance = flat @ _covariance(fit) @ np.swapaxes(flat, -1, -2)
    variances = np.where(made.is_value, _variances(fit), 1.0).reshape(shape[0], -1)
    covariance += variances[:, :, None] * np.eye(variances.shape[1])
    expected = local.prediction.values.reshape(shape[0], -1)
    expected = expected - np.einsum("ine,ie->in", flat, local.effects)
    off = np.where(made.is_value.reshape(shape[0], -1), 1.0, 0.0) * (
        made.values.reshape(shape[0], -1) - expected
    )
    values, vectors = np.linalg.eigh(covariance)
    turned = np.einsum("inm,in->im", vectors, off) / np.sqrt(values)
    return np.einsum("inm,im->in", vectors, turned).reshape(shape)


def shrinkage(fit: PopulationFit) -> Shrinkage:
    """Return the shrinkage of random effects and of residuals.

    Parameters
    ----------
    fit : PopulationFit
        The fit.

    Returns
    -------
    Shrinkage

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> found = shrinkage(worked_example.fitted())
    >>> {name: round(value, 2) for name, value in found.between.items()}
    {'ka': -0.09, 'cl': -0.08}
    """
    made, modes = fit.predictor.arrangement, fit.modes.local.effects
    between, within = effects_of(fit.model.between), effects_of(fit.model.occasions)
    first = len(between)
    k_within = modes[:, first:].reshape(len(modes), -1, max(len(within), 1))
    present = made.is_value.any(axis=2)
    table = goodness(fit)
    return Shrinkage(
        between={
            name: _shrunk(modes[:, n], fit.estimates.between[n, n])
            for n, name in enumerate(between)
        },
        within={
            name: _shrunk(k_within[:, :, n][present], fit.estimates.within[n, n])
            for n, name in enumerate(within)
        },
        residual={
            name: _shrunk(table.individual_residual[table.observable == name], 1.0)
            for name in fit.model.residual
        },
    )


def _shrunk(values: np.ndarray, variance: float) -> float:
    return float(1.0 - values.std(ddof=1) / np.sqrt(variance))


def _variances(fit: PopulationFit) -> np.ndarray:
    additive, proportional = errors_of(fit.predictor, fit.estimates)
    return variance_of(fit.modes.local.prediction.values, additive, proportional)


def _covariance(fit: PopulationFit) -> np.ndarray:
    """Return the covariance of all random effects of one subject."""
    between, within = fit.estimates.between, fit.estimates.within
    size = fit.modes.local.effects.shape[1]
    whole = np.zeros((size, size))
    whole[: len(between), : len(between)] = between
    for first in range(len(between), size, max(len(within), 1)):
        here = slice(first, first + len(within))
        whole[here, here] = within
    return whole
