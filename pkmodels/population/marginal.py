"""The marginal likelihood by Laplace's method about each mode, and its gradient.

With h_i(u) = -ln p(y_i, u) without constants, its mode u_i and second derivatives H_i,

    -2 ln p(y) = sum_i [2 h_i(u_i) + ln det H_i] + n ln(2 pi) + 2 sum ln y (log-normal)

The sum in brackets is NONMEM's objective. FOCEI puts for H_i its expectation over y,
which needs no second derivatives of what is predicted: first order, conditional,
with interaction (the variance of a value follows the subject's own prediction).
"""

from dataclasses import dataclass

import numpy as np

from pkmodels.population.conditional import (
    Local,
    errors_of,
    exact_curvature,
    expected_curvature,
    precision_of,
)
from pkmodels.population.coordinates import Estimates, estimates_of, gradient_of
from pkmodels.population.modes import Modes, find_modes
from pkmodels.population.predictions import Prediction, Predictor
from pkmodels.population.residuals import Residuals, changes_of

# Variances, deviations and condition numbers beyond this are lost in rounding.
_LEAST = 1e-13


@dataclass(frozen=True, eq=False)
class Marginal:
    """The objective of every subject at some estimates.

    Parameters
    ----------
    modes : Modes
        The modes.
    subjects : (n_subjects,) array
        FOCEI's objective of each, NONMEM's convention; inf where no mode was found.
    laplace : (n_subjects,) array
        The same with the exact second derivatives.
    gradients : (n_subjects, n) array
        Derivatives of `subjects` by the vector of `coordinates`; 0 where it is inf.
    """

    modes: Modes
    subjects: np.ndarray
    laplace: np.ndarray
    gradients: np.ndarray

    @property
    def objective(self) -> float:
        """FOCEI's objective of all."""
        return float(self.subjects.sum())

    @property
    def gradient(self) -> np.ndarray:
        """Its derivatives by the vector."""
        return self.gradients.sum(axis=0)


def marginal_at(
    predictor: Predictor, vector: np.ndarray, start: np.ndarray
) -> Marginal:
    """Return the objective and its gradient.

    The gradient is exact where the predictions have second derivatives: it follows the
    modes as they move, du/dt = -H^-1 d2h/du dt, as Almquist et al., J Pharmacokinet
    Pharmacodyn 2015;42:191-209.

    Parameters
    ----------
    predictor : Predictor
        Model and subjects.
    vector : (n,) array
        Where, in `pkmodels.population.coordinates`.
    start : (n_subjects, n_effects) array
        Where the search for the modes begins.

    Returns
    -------
    Marginal

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> fit = worked_example.fitted()
    >>> found = marginal_at(fit.predictor, fit.vector, np.zeros((6, 2)))
    >>> bool(abs(found.objective - fit.objective) < 1e-6)
    True
    """
    estimates = estimates_of(predictor.model, vector)
    if not _are_proper(estimates):
        return _lost(start, len(vector))
    modes = find_modes(predictor, estimates, start)
    local, made = modes.local, predictor.arrangement
    precision, _ = precision_of(estimates, made.values.shape[1])
    with np.errstate(all="ignore"):
        expected = expected_curvature(predictor, local, precision)
        exact = exact_curvature(predictor, local, precision)
        sign, log_determinant = np.linalg.slogdet(expected)
        good = modes.is_found & (sign > 0.0) & np.isfinite(log_determinant)
        subjects = np.where(good, 2.0 * local.half + log_determinant, np.inf)
        sign, log_determinant = np.linalg.slogdet(exact)
        convex = good & (sign > 0.0)
        laplace = np.where(convex, 2.0 * local.half + log_determinant, np.inf)
    if not good.all():
        return Marginal(modes, subjects, laplace, np.zeros((len(good), len(vector))))
    gradients = _gradients(predictor, estimates, vector, modes, expected, exact)
    return Marginal(modes, subjects, laplace, gradients)


def _are_proper(estimates: Estimates) -> bool:
    """Say whether covariances can be inverted, and errors are neither 0 nor huge."""
    spread = np.stack([estimates.additive, estimates.proportional])
    parts = [np.diag(estimates.between), np.diag(estimates.within), spread[spread > 0]]
    numbers = np.concatenate([part.ravel() for part in parts])
    if not ((numbers > _LEAST) & (numbers < 1.0 / _LEAST)).all():
        return False
    conditions = [
        np.linalg.cond(c) for c in (estimates.between, estimates.within) if len(c)
    ]
    return max(conditions) < 1.0 / _LEAST


def _lost(start: np.ndarray, size: int) -> Marginal:
    """Return what stands for an objective that cannot be computed."""
    lost, none = np.full(len(start), np.inf), np.zeros(0)
    local = Local(start, none, Prediction(none), Residuals(*[none] * 6), lost)
    modes = Modes(local, np.zeros(len(start), bool), 0)
    return Marginal(modes, lost, lost, np.zeros((len(start), size)))


def _gradients(
    predictor: Predictor,
    estimates: Estimates,
    vector: np.ndarray,
    modes: Modes,
    expected: np.ndarray,
    exact: np.ndarray,
) -> np.ndarray:
    made, local = predictor.arrangement, modes.local
    slopes, curvatures = local.prediction.slopes, local.prediction.curvatures
    residuals, effects = local.residuals, made.active_effects
    inverse = np.linalg.inv(expected)
    # Covariance of the parameters by that of the effects; then of each prediction.
    spread = effects @ inverse[:, None] @ np.swapaxes(effects, -1, -2)
    seen = slopes @ spread
    variance = (seen * slopes).sum(axis=-1)
    determinant = np.einsum("ikj,ikjp->ikp", residuals.weight_slope * variance, slopes)
    weighted = 2.0 * residuals.weight[..., None] * seen
    determinant += np.einsum("ikjpq,ikjq->ikp", curvatures, weighted)
    by_mode = np.einsum("kpe,ikp->ie", effects, determinant)
    follows = np.linalg.solve(exact, by_mode[..., None])[..., 0]
    moves = np.einsum("kpe,ie->ikp", effects, follows)
    along = np.einsum("ikjp,ikp->ikj", slopes, moves)
    implicit = np.einsum("ikj,ikjp->ikp", residuals.curvature * along, slopes)
    bent = np.einsum("ikj,ikjpq->ikpq", residuals.slope, curvatures)
    implicit += np.einsum("ikpq,ikq->ikp", bent, moves)
    direct = 2.0 * np.einsum("ikj,ikjp->ikp", residuals.slope, slopes)
    by_parameters = direct + determinant - implicit
    between, within = _by_covariances(estimates, local.effects, inverse, follows)
    by_errors = _by_errors(predictor, estimates, modes, variance, along)
    return gradient_of(
        predictor.model,
        vector,
        np.einsum("ikp,ikpc->ic", by_parameters, made.active_design),
        between,
        within,
        *by_errors,
    )


def _by_covariances(
    estimates: Estimates, modes: np.ndarray, inverse: np.ndarray, follows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return derivatives by the covariances of effects, every entry taken as free."""
    outer = modes[:, :, None] * follows[:, None, :]
    moments = modes[:, :, None] * modes[:, None, :] + inverse
    moments -= 0.5 * (outer + np.swapaxes(outer, -1, -2))

    def derivative(covariance: np.ndarray, first: int, times: int) -> np.ndarray:
        size = len(covariance)
        precision = np.linalg.inv(covariance)
        whole = np.zeros((len(modes), size, size))
        for n in range(times):
            here = slice(first + n * size, first + (n + 1) * size)
            whole += covariance - moments[:, here, here]
        return precision @ whole @ precision

    k, m = len(estimates.between), len(estimates.within)
    occasions = (modes.shape[1] - k) // m if m else 0
    return derivative(estimates.between, 0, 1), derivative(
        estimates.within, k, occasions
    )


def _by_errors(
    predictor: Predictor,
    estimates: Estimates,
    modes: Modes,
    variance: np.ndarray,
    along: np.ndarray,
) -> list[np.ndarray]:
    """Return derivatives by the logs of a and of b, of each observable."""
    made = predictor.arrangement
    additive, proportional = errors_of(predictor, estimates)
    predicted = modes.local.prediction.values
    every = (made.values, predicted, additive, proportional, made.is_value)
    found = []
    for change in changes_of(*every):
        each = 2.0 * change.value + change.weight * variance - change.slope * along
        columns = [
            np.where(made.error == n, each, 0.0).sum(axis=(1, 2))
            for n in range(len(predictor.model.residual))
        ]
        found.append(np.stack(columns, axis=1))
    return found
