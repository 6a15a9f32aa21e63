"""What is conditional on random effects: predictions, misfit and its derivatives."""

from dataclasses import dataclass

import numpy as np

from pkmodels.population.coordinates import Estimates
from pkmodels.population.predictions import Prediction, Predictor
from pkmodels.population.residuals import Residuals, residuals_of


@dataclass(frozen=True, eq=False)
class Local:
    """All subjects at some random effects.

    Parameters
    ----------
    effects : (n_subjects, n_effects) array
        Where: eta, then kappa of each occasion.
    parameters : (n_subjects, n_occasions, n_parameters) array
        Parameters there, on their scales.
    prediction : Prediction
        What is predicted.
    residuals : Residuals
        What each value adds.
    half : (n_subjects,) array
        Half of -2 ln p(y, effects), without constants; inf where it is not finite.
    """

    effects: np.ndarray
    parameters: np.ndarray
    prediction: Prediction
    residuals: Residuals
    half: np.ndarray


def precision_of(estimates: Estimates, n_occasions: int) -> tuple[np.ndarray, float]:
    """Return the inverse covariance of one subject's random effects.

    Parameters
    ----------
    estimates : Estimates
        The covariances.
    n_occasions : int
        The most occasions that a subject has.

    Returns
    -------
    (n_effects, n_effects) array, float
        The inverse, and the log-determinant of the covariance.

    Examples
    --------
    >>> none = np.zeros(0)
    >>> made = Estimates(none, np.diag([0.25]), np.diag([0.5]), none, none)
    >>> print(precision_of(made, 2)[0])
    [[4. 0. 0.]
     [0. 2. 0.]
     [0. 0. 2.]]
    """
    parts = [estimates.between, *[estimates.within] * n_occasions]
    size = sum(map(len, parts))
    whole, first, log_determinant = np.zeros((size, size)), 0, 0.0
    for part in parts:
        here = slice(first, first + len(part))
        whole[here, here] = np.linalg.inv(part)
        log_determinant += float(np.linalg.slogdet(part)[1])
        first += len(part)
    return whole, log_determinant


def local_at(
    predictor: Predictor, estimates: Estimates, effects: np.ndarray, derivatives: int
) -> Local:
    """Return all subjects at some random effects.

    Parameters
    ----------
    predictor : Predictor
        Model and subjects.
    estimates : Estimates
        All else.
    effects : (n_subjects, n_effects) array
        Where.
    derivatives : int
        How many of the predictions, 0 to 2.

    Returns
    -------
    Local

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> fit = worked_example.fitted()
    >>> typical = local_at(fit.predictor, fit.estimates, np.zeros((6, 2)), 0)
    >>> bool((typical.half > fit.modes.local.half).all())
    True
    """
    made = predictor.arrangement
    parameters = parameters_at(predictor, estimates, effects)
    with np.errstate(all="ignore"):  # what is not finite is refused by its sum below
        prediction = predictor.predict(parameters, derivatives)
        additive, proportional = errors_of(predictor, estimates)
        residuals = residuals_of(
            made.values, prediction.values, additive, proportional, made.is_value
        )
        precision, log_determinant = precision_of(estimates, made.values.shape[1])
        prior = np.einsum("ie,ef,if->i", effects, precision, effects) + log_determinant
        half = residuals.value.sum(axis=(1, 2)) + 0.5 * prior
        parts = (prediction.slopes, prediction.curvatures)
        for part in parts[:derivatives]:
            half = half + 0.0 * part.reshape(len(half), -1).sum(axis=1)
    half = np.where(np.isfinite(half), half, np.inf)
    return Local(effects, parameters, prediction, residuals, half)


def parameters_at(
    predictor: Predictor, estimates: Estimates, effects: np.ndarray
) -> np.ndarray:
    """Return each subject's parameters, on their scales, at some random effects.

    Parameters
    ----------
    predictor, estimates, effects
        As of `local_at`.

    Returns
    -------
    (n_subjects, n_occasions, n_parameters) array

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> fit = worked_example.fitted()
    >>> found = parameters_at(fit.predictor, fit.estimates, np.zeros((6, 2)))
    >>> print(np.exp(found[0, 0]).round(2))
    [ 1.27  2.7  32.22]
    """
    made = predictor.arrangement
    own = np.einsum("kpe,ie->ikp", made.effects, effects)
    return made.fixed + made.design @ estimates.coefficients + own


def errors_of(
    predictor: Predictor, estimates: Estimates
) -> tuple[np.ndarray, np.ndarray]:
    """Return a and b of each value.

    Parameters
    ----------
    predictor : Predictor
        Model and subjects.
    estimates : Estimates
        The standard deviations by observable.

    Returns
    -------
    two (n_subjects, n_occasions, n_values) arrays

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> fit = worked_example.fitted()
    >>> errors_of(fit.predictor, fit.estimates)[1].max()
    np.float64(0.0)
    """
    error = predictor.arrangement.error
    return estimates.additive[error], estimates.proportional[error]


def half_gradient(
    predictor: Predictor, local: Local, precision: np.ndarray
) -> np.ndarray:
    """Return derivatives of half of -2 ln p(y, effects) by the effects.

    Parameters
    ----------
    predictor : Predictor
        Model and subjects.
    local : Local
        Where, with first derivatives.
    precision : (n_effects, n_effects) array
        Of `precision_of`.

    Returns
    -------
    (n_subjects, n_effects) array

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> fit = worked_example.fitted()
    >>> precision, _ = precision_of(fit.estimates, 1)
    >>> found = half_gradient(fit.predictor, fit.modes.local, precision)
    >>> bool(np.abs(found).max() < 1e-6)
    True
    """
    by = np.einsum("ikj,ikjp->ikp", local.residuals.slope, local.prediction.slopes)
    effects = predictor.arrangement.active_effects
    return np.einsum("kpe,ikp->ie", effects, by) + local.effects @ precision


def expected_curvature(
    predictor: Predictor, local: Local, precision: np.ndarray
) -> np.ndarray:
    """Return FOCEI's approximation of the second derivatives: no second ones of f.

    sum_j (1/R + (R'/R)^2 / 2) a_j a_j' + Omega^-1 with a = df/d effects: Wang, J
    Pharmacokinet Pharmacodyn 2007;34:575-593.

    Parameters
    ----------
    predictor, local, precision
        As of `half_gradient`.

    Returns
    -------
    (n_subjects, n_effects, n_effects) array

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> fit = worked_example.fitted()
    >>> precision, _ = precision_of(fit.estimates, 1)
    >>> expected_curvature(fit.predictor, fit.modes.local, precision).shape
    (6, 2, 2)
    """
    slopes = local.prediction.slopes
    weighted = local.residuals.weight[..., None] * slopes
    return _to_effects(predictor, np.swapaxes(weighted, -1, -2) @ slopes) + precision


def exact_curvature(
    predictor: Predictor, local: Local, precision: np.ndarray
) -> np.ndarray:
    """Return the second derivatives of half of -2 ln p(y, effects) by the effects.

    Parameters
    ----------
    predictor, precision
        As of `half_gradient`.
    local : Local
        Where, with second derivatives.

    Returns
    -------
    (n_subjects, n_effects, n_effects) array

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> fit = worked_example.fitted()
    >>> precision, _ = precision_of(fit.estimates, 1)
    >>> found = exact_curvature(fit.predictor, fit.modes.local, precision)
    >>> bool((np.linalg.eigvalsh(found) > 0.0).all())
    True
    """
    slopes, residuals = local.prediction.slopes, local.residuals
    weighted = residuals.curvature[..., None] * slopes
    by = np.swapaxes(weighted, -1, -2) @ slopes
    by += np.einsum("ikj,ikjpq->ikpq", residuals.slope, local.prediction.curvatures)
    return _to_effects(predictor, by) + precision


def _to_effects(predictor: Predictor, by: np.ndarray) -> np.ndarray:
    """Return second derivatives by effects, of those by parameters."""
    effects = predictor.arrangement.active_effects
    return (np.swapaxes(effects, -1, -2) @ by @ effects).sum(axis=1)
