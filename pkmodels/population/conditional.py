"""Conditional modes: each subject's most probable random effects, all at once."""

from dataclasses import dataclass

import numpy as np

from pkmodels.population.coordinates import Estimates
from pkmodels.population.predictions import Prediction, Predictor
from pkmodels.population.residuals import Residuals, residuals_of

# Squared length of a step in units of the mode's standard error. Gauss-Newton steps go
# on to the first, Newton steps to the second; what is left is the square of that.
_NEAR, _THERE = 1e-6, 1e-14
_MOST_STEPS, _MOST_NEWTON_STEPS = 200, 20
# The least damping, relative to the diagonal, and by how much it grows and shrinks.
_DAMPING, _DAMPING_GROWS, _DAMPING_SHRINKS = 1e-2, 8.0, 0.2


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


@dataclass(frozen=True, eq=False)
class Modes:
    """Every subject's mode.

    Parameters
    ----------
    local : Local
        The modes, with first and second derivatives.
    is_found : (n_subjects,) array of bool
        Whether the search ended at a minimum.
    steps : int
        How many batched solves it took.
    """

    local: Local
    is_found: np.ndarray
    steps: int


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
    parameters = (
        made.fixed
        + made.design @ estimates.coefficients
        + np.einsum("kpe,ie->ikp", made.effects, effects)
    )
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


def find_modes(predictor: Predictor, estimates: Estimates, start: np.ndarray) -> Modes:
    """Find every subject's most probable random effects.

    Damped Gauss-Newton steps on all subjects at once, then Newton steps with the exact
    second derivatives until a step is within 1e-7 standard errors.

    Parameters
    ----------
    predictor : Predictor
        Model and subjects.
    estimates : Estimates
        All else.
    start : (n_subjects, n_effects) array
        Where to begin; a subject that cannot be solved there begins at 0.

    Returns
    -------
    Modes

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> fit = worked_example.fitted()
    >>> found = find_modes(fit.predictor, fit.estimates, np.zeros((6, 2)))
    >>> bool(np.abs(found.local.effects - fit.modes.local.effects).max() < 1e-6)
    True
    """
    precision, _ = precision_of(estimates, predictor.arrangement.values.shape[1])
    local = local_at(predictor, estimates, start, 1)
    if not np.isfinite(local.half).all():
        start = np.where(np.isfinite(local.half)[:, None], start, 0.0)
        local = local_at(predictor, estimates, start, 1)
    local, steps = _approach(predictor, estimates, local, precision)
    return _finish(predictor, estimates, local, precision, steps)


def _approach(
    predictor: Predictor, estimates: Estimates, local: Local, precision: np.ndarray
) -> tuple[Local, int]:
    """Take damped Gauss-Newton steps until they are short, or no longer help."""
    damping = np.zeros(len(local.half))
    for step in range(1, _MOST_STEPS + 1):
        gradient = _finite(half_gradient(predictor, local, precision), 0.0)
        curvature = expected_curvature(predictor, local, precision)
        curvature = np.where(np.isfinite(curvature), curvature, precision)
        undamped = _solve(curvature, gradient)
        short = np.einsum("ie,ie->i", gradient, undamped) < _NEAR
        done = short | (damping > 1e8) | ~np.isfinite(local.half)
        if done.all():
            return local, step
        diagonal = np.einsum("iee->ie", curvature)
        extra = damping[:, None, None] * np.eye(len(precision)) * diagonal[:, None, :]
        move = -_solve(curvature + extra, gradient)
        move[done] = 0.0
        moved = local_at(predictor, estimates, local.effects + move, 1)
        better = moved.half <= local.half
        local = _chosen(better, moved, local)
        worse = np.maximum(_DAMPING, damping * _DAMPING_GROWS)
        damping = np.where(better, damping * _DAMPING_SHRINKS, worse)
        damping[better & (damping < _DAMPING)] = 0.0
    return local, _MOST_STEPS


def _finish(
    predictor: Predictor,
    estimates: Estimates,
    local: Local,
    precision: np.ndarray,
    steps: int,
) -> Modes:
    """Take Newton steps to the mode, and see that it is a minimum."""
    is_found, step = np.zeros(len(local.half), bool), 0
    for step in range(1, _MOST_NEWTON_STEPS + 1):
        local = local_at(predictor, estimates, local.effects, 2)
        gradient = _finite(half_gradient(predictor, local, precision), 0.0)
        with np.errstate(invalid="ignore"):
            exact = exact_curvature(predictor, local, precision)
        exact = _finite(exact, 0.0)
        convex = np.linalg.eigvalsh(exact)[:, 0] > 0.0
        expected = _finite(expected_curvature(predictor, local, precision), 0.0)
        # Where the surface bends downwards, the approximation still points down it.
        used = np.where(convex[:, None, None], exact, expected + 1e-12 * precision)
        move = -_solve(used, gradient)
        length = -np.einsum("ie,ie->i", gradient, move)
        is_found = convex & np.isfinite(local.half) & (length < _THERE)
        if is_found.all() or step == _MOST_NEWTON_STEPS:
            break
        move[is_found] = 0.0
        trial = local_at(predictor, estimates, local.effects + move, 1)
        for _ in range(10):
            slack = 1e-10 * np.maximum(1.0, np.abs(local.half))
            rises = trial.half > local.half + np.where(np.isfinite(slack), slack, 0.0)
            if not rises.any():
                break
            move[rises] /= 4.0
            trial = local_at(predictor, estimates, local.effects + move, 1)
        local = trial
    return Modes(local, is_found, steps + step)


def _chosen(which: np.ndarray, one: Local, other: Local) -> Local:
    """Return one where it is chosen, and the other elsewhere, of two with slopes."""

    def pick(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.where(which.reshape(-1, *(1,) * (a.ndim - 1)), a, b)

    prediction = Prediction(
        pick(one.prediction.values, other.prediction.values),
        pick(one.prediction.slopes, other.prediction.slopes),
    )
    names = ("variance", "value", "slope", "curvature", "weight", "weight_slope")
    residuals = Residuals(
        *(pick(getattr(one.residuals, n), getattr(other.residuals, n)) for n in names)
    )
    return Local(
        pick(one.effects, other.effects),
        pick(one.parameters, other.parameters),
        prediction,
        residuals,
        pick(one.half, other.half),
    )


def _solve(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return matrix^-1 vector for each subject; 0 where the matrix is singular."""
    safe = np.isfinite(np.linalg.slogdet(matrices)[1])
    kept = np.where(safe[:, None, None], matrices, np.eye(matrices.shape[-1]))
    found = np.linalg.solve(kept, vectors[..., None])[..., 0]
    return np.where(safe[:, None], found, 0.0)


def _finite(values: np.ndarray, otherwise: float) -> np.ndarray:
    return np.where(np.isfinite(values), values, otherwise)
