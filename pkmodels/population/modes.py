"""Conditional modes: each subject's most probable random effects, all at once."""

from dataclasses import dataclass

import numpy as np

from pkmodels.population.conditional import (
    Local,
    exact_curvature,
    expected_curvature,
    half_gradient,
    local_at,
    precision_of,
)
from pkmodels.population.coordinates import Estimates
from pkmodels.population.predictions import Prediction, Predictor
from pkmodels.population.residuals import Residuals

# Squared length of a step in units of the mode's standard error. Gauss-Newton steps go
# on to the first, Newton steps to the second; what is left is the square of that.
_NEAR, _THERE = 1e-6, 1e-14
_MOST_STEPS, _MOST_NEWTON_STEPS = 200, 20
# The least damping, relative to the diagonal, and by how much it grows and shrinks.
_DAMPING, _DAMPING_GROWS, _DAMPING_SHRINKS = 1e-2, 8.0, 0.2


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
