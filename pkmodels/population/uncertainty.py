"""Standard errors of what was estimated, from its curvature and from the subjects."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from pkmodels.errors import FitRefusedError
from pkmodels.population.coordinates import readings_of
from pkmodels.population.estimation import PopulationFit
from pkmodels.population.marginal import marginal_at

# Steps of the central differences: of gradients in standard errors, of readings in
# coordinates. Errors are their squares.
_GRADIENT_STEP, _READING_STEP = 1e-2, 1e-5


class CovarianceKind(StrEnum):
    """Which estimate of the covariance of what was estimated."""

    CURVATURE = "R^-1"
    SCORES = "S^-1"
    SANDWICH = "R^-1 S R^-1"


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """How uncertain what was estimated is.

    Parameters
    ----------
    kind : CovarianceKind
        From what.
    names : tuple of str
        What was estimated.
    values, standard_errors : (n,) arrays
        Estimates as they are read, and their standard errors.
    covariance : (n, n) array
        Of the estimates.
    condition_number : float
        Largest over least eigenvalue of the correlations: above 1000 the values do not
        tell all estimates apart (Montgomery and Peck, Introduction to Linear Regression
        Analysis, Wiley 1982).
    """

    kind: CovarianceKind
    names: tuple[str, ...]
    values: np.ndarray
    standard_errors: np.ndarray
    covariance: np.ndarray
    condition_number: float

    def __str__(self) -> str:
        """Return a table."""
        wide = max(map(len, self.names))
        lines = [f"{'':{wide}}    estimate    standard error ({self.kind})"]
        each = zip(self.names, self.values, self.standard_errors, strict=True)
        lines += [f"{name:{wide}}  {x:10.4g}  {se:10.3g}" for name, x, se in each]
        lines.append(f"condition number {self.condition_number:.3g}")
        return "\n".join(lines)


def uncertainty(
    fit: PopulationFit,
    kind: CovarianceKind,
    *,
    progress: Callable[[int, int], object] | None = None,
) -> Uncertainty:
    """Return the standard errors of a population fit.

    With F = -2 ln L, R = F''/2 by central differences of the exact gradient, and S the
    sum over the subjects of outer products of the gradients of F_i/2. The inverse of
    either is the covariance where the model is true; the sandwich is where the random
    effects or errors are not as assumed, given many subjects.

    Parameters
    ----------
    fit : PopulationFit
        The fit.
    kind : CovarianceKind
        Which.
    progress : callable or None
        Called with the number of gradients done, and of all.

    Returns
    -------
    Uncertainty
        Of covariances as they are read, by linear propagation.

    Raises
    ------
    FitRefusedError
        When an estimate is at a boundary, R is not positive definite, or there are
        fewer subjects than estimates for S.

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> found = uncertainty(worked_example.fitted(), CovarianceKind.CURVATURE)
    >>> print(found.standard_errors.round(3))
    [0.214 0.114 0.016 0.156 0.044 0.037]
    """
    if fit.boundaries:
        raise FitRefusedError(
            "at the edge of what is possible nothing has a standard error: "
            + "; ".join(fit.boundaries)
        )
    scores = (
        0.5 * marginal_at(fit.predictor, fit.vector, fit.modes.local.effects).gradients
    )
    if kind is CovarianceKind.SCORES:
        covariance = _inverse(scores.T @ scores, fit, "S")
    else:
        curvature = _curvature(fit, scores, progress)
        covariance = _inverse(curvature, fit, "R")
        if kind is CovarianceKind.SANDWICH:
            covariance = covariance @ (scores.T @ scores) @ covariance
    by = np.empty((len(fit.vector),) * 2)
    for column, step in enumerate(_READING_STEP * np.eye(len(fit.vector))):
        ahead = readings_of(fit.model, fit.vector + step)
        behind = readings_of(fit.model, fit.vector - step)
        by[:, column] = (ahead - behind) / (2.0 * _READING_STEP)
    covariance = by @ covariance @ by.T
    errors = np.sqrt(np.diag(covariance))
    eigenvalues = np.linalg.eigvalsh(covariance / np.outer(errors, errors))
    return Uncertainty(
        kind=kind,
        names=fit.names,
        values=fit.values,
        standard_errors=errors,
        covariance=covariance,
        condition_number=float(eigenvalues[-1] / eigenvalues[0]),
    )


def _curvature(
    fit: PopulationFit,
    scores: np.ndarray,
    progress: Callable[[int, int], object] | None,
) -> np.ndarray:
    """Return half the second derivatives of -2 ln L."""
    steps = _GRADIENT_STEP / np.sqrt(np.maximum((scores**2).sum(axis=0), 1e-4))
    rows = []
    for n, step in enumerate(np.diag(steps)):
        sides = []
        for sign in (1.0, -1.0):
            found = marginal_at(
                fit.predictor, fit.vector + sign * step, fit.modes.local.effects
            )
            if not np.isfinite(found.objective):
                raise FitRefusedError(
                    f"the objective cannot be computed beside the estimate of "
                    f"{fit.names[n]} = {fit.values[n]:.4g}: a subject fails there; "
                    "tighten the controls of the solve, or simplify the model"
                )
            sides.append(found.gradient)
        rows.append((sides[0] - sides[1]) / (2.0 * steps[n]))
        if progress is not None:
            progress(n + 1, len(steps))
    whole = np.array(rows) / 2.0
    return (whole + whole.T) / 2.0


def _inverse(matrix: np.ndarray, fit: PopulationFit, name: str) -> np.ndarray:
    """Return an inverse, or say which estimate the values do not tell."""
    scale = np.sqrt(np.abs(np.diag(matrix)))
    if name == "S" and len(fit.predictor.arrangement.names) < len(fit.vector):
        raise FitRefusedError(
            f"{len(fit.predictor.arrangement.names)} subjects have fewer scores than "
            f"there are estimates ({len(fit.vector)}), so that S has no inverse: ask "
            "for R^-1"
        )
    if (scale > 0.0).all():
        values, vectors = np.linalg.eigh(matrix / np.outer(scale, scale))
        if values[0] > 1e-10:
            inverse = (vectors / values) @ vectors.T
            return inverse / np.outer(scale, scale)
        worst = int(np.argmax(np.abs(vectors[:, 0])))
    else:
        worst = int(np.argmin(scale))
    raise FitRefusedError(
        f"{name} is not positive definite: the values do not tell {fit.names[worst]} "
        f"(= {fit.values[worst]:.4g}), or not apart from others, so that nothing has a "
        "standard error: hold it or leave it out and fit again"
    )
