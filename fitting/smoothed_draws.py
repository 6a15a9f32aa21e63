"""Smoothed draws: what each patient's draws say of a population, in closed form.

A patient's posterior, of draws y with the prior N(0, I), is taken as a mixture of
normals, sum_g a_g N(m_g, C_g). Divided by the prior it is the patient's likelihood,
whose mean over a population N(m, T), T = diag(t^2), is a closed form: with P = C^-1,
B = P - I, b = P m_g and r = b - B m,

    ln L = ln sum_g exp(c_g + b'm - m'Bm/2 - ln|I + tBt|/2 + r' t (I + tBt)^-1 t r / 2),
    c_g = ln a_g + (ln|P| - m_g'P m_g) / 2.

The draws themselves could be weighted instead (Hogg et al. 2010); but where a
population is narrow in several directions that a patient's scans tell little of, few
draws carry all weight. `pkmodels.fitting.reused_draws` holds one against the other.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.tensor.linalg import cholesky, solve_triangular

from pkmodels.fitting.cohort_draws import CohortDraws
from pkmodels.fitting.mixtures import fit_mixture

COMPONENTS = 3
# Of t distributions, so many degrees of freedom that they are normal.
_NORMAL = 1e6
# No direction is told less of than by nothing: B is not negative.
_WIDEST = 1.0 - 1e-6


@dataclass(frozen=True, eq=False)
class SmoothedDraws:
    """The patients' likelihoods as mixtures of normals.

    Parameters
    ----------
    precision : (n_members, n_normals, n, n) array
        B.
    slope : (n_members, n_normals, n) array
        b.
    level : (n_members, n_normals) array
        c; -inf where a patient has fewer normals.
    """

    precision: np.ndarray
    slope: np.ndarray
    level: np.ndarray


def smooth_draws(
    cohort: CohortDraws, *, normals: int = COMPONENTS, seed: int
) -> SmoothedDraws:
    """Return every patient's likelihood as a mixture of normals.

    Parameters
    ----------
    cohort : CohortDraws
        The patients.
    normals : int
        Of each patient at most.
    seed : int
        Repeats the fits, >= 0.

    Returns
    -------
    SmoothedDraws

    Examples
    --------
    >>> from pkmodels.fitting.cohort_draws import Component
    >>> y = np.random.default_rng(0).normal(0.8, np.sqrt(0.2), (1, 4000, 1))
    >>> one = CohortDraws({}, (Component("k", {"k": 1.0}),), ("P1",), y, y[:, 0] < 9)
    >>> found = smooth_draws(one, normals=1, seed=0)  # 1 was measured, with sd 0.5
    >>> found.precision[0, 0, 0].round(0), found.slope[0, 0].round(0)
    (array([4.]), array([4.]))
    """
    size = len(cohort.components)
    shape = (len(cohort.members), normals)
    precision, slope = np.zeros((*shape, size, size)), np.zeros((*shape, size))
    level = np.full(shape, -np.inf)
    for i, has in enumerate(cohort.has):
        if not has.any():
            level[i, 0] = 0.0
            continue
        fitted = fit_mixture(cohort.y[i][:, has], normals, _NORMAL, [seed, i])
        own = np.ix_(has, has)
        for g, (a, mean, factor) in enumerate(
            zip(fitted.weights, fitted.means, fitted.factors, strict=True)
        ):
            inverse, log_determinant = _invert(factor)
            precision[i, g][own] = inverse - np.eye(len(mean))
            slope[i, g, has] = inverse @ mean
            level[i, g] = np.log(a) + 0.5 * (log_determinant - mean @ inverse @ mean)
    return SmoothedDraws(precision, slope, level)


def _invert(factor: np.ndarray) -> tuple[np.ndarray, float]:
    """Return C^-1 and ln of its determinant, C no wider than the prior."""
    values, vectors = np.linalg.eigh(factor @ factor.T)
    values = np.minimum(values, _WIDEST)
    return (vectors / values) @ vectors.T, float(-np.log(values).sum())


def log_likelihood_graph(smoothed: dict[str, Any], mean: Any, sd: Any) -> Any:
    """Return ln L of every patient as a PyTensor expression.

    Parameters
    ----------
    smoothed : dict of str to PyTensor variable
        The fields of `SmoothedDraws` by name.
    mean, sd : (n,) PyTensor variables
        Of the population.

    Returns
    -------
    (n_members,) PyTensor vector

    Examples
    --------
    >>> nothing = {"precision": np.zeros((1, 1, 1, 1)), "slope": np.zeros((1, 1, 1))}
    >>> graph = {n: pt.constant(v) for n, v in nothing.items()}
    >>> graph["level"] = pt.zeros((1, 1))
    >>> log_likelihood_graph(graph, pt.ones(1), pt.ones(1)).ndim
    1
    """
    precision, slope = smoothed["precision"], smoothed["slope"]
    pulled = pt.dot(precision, mean)
    rest = (slope - pulled) * sd
    inner = precision * sd[:, None] * sd[None, :] + pt.eye(mean.shape[0])
    factor: Any = cholesky(inner)
    half: Any = solve_triangular(factor, rest[..., None], lower=True)[..., 0]
    diagonal: Any = pt.diagonal(factor, axis1=-2, axis2=-1)
    volume: Any = pt.log(diagonal)
    each: Any = smoothed["level"] + pt.dot(slope, mean) - 0.5 * pt.dot(pulled, mean)
    each = each - volume.sum(axis=-1) + 0.5 * (half**2).sum(axis=-1)
    return pm.math.logsumexp(each, axis=1, keepdims=False)


def smoothed_log_likelihoods(
    smoothed: SmoothedDraws, mean: np.ndarray, sd: np.ndarray
) -> np.ndarray:
    """Return ln L of every patient for one population.

    Parameters
    ----------
    smoothed : SmoothedDraws
        The patients.
    mean : (n,) array
        Of the population.
    sd : (n,) or (n, n) array
        Of the population; or the factor S of its covariance T = S S'.

    Returns
    -------
    (n_members,) array

    Examples
    --------
    >>> level = 0.5 * np.log(5.0) - 0.5 * 0.8**2 * 5.0  # of N(0.8, 0.2)
    >>> one = SmoothedDraws(
    ...     np.full((1, 1, 1, 1), 4.0), np.full((1, 1, 1), 4.0), np.full((1, 1), level)
    ... )
    >>> of = [smoothed_log_likelihoods(one, np.full(1, m), np.ones(1)) for m in (0, 1)]
    >>> round(float(of[1][0] - of[0][0]), 6)  # 1 was measured: sd^2 = 1 + 0.25
    0.4
    """
    spread = np.diag(sd) if sd.ndim == 1 else sd
    pulled = smoothed.precision @ mean
    rest = (smoothed.slope - pulled) @ spread
    inner = spread.T @ smoothed.precision @ spread + np.eye(len(mean))
    factor = np.linalg.cholesky(inner)
    half = np.linalg.solve(factor, rest[..., None])[..., 0]
    volume = np.log(np.diagonal(factor, axis1=-2, axis2=-1)).sum(axis=-1)
    each = smoothed.level + smoothed.slope @ mean - 0.5 * pulled @ mean
    terms = each - volume + 0.5 * (half**2).sum(axis=-1)
    top = terms.max(axis=1)
    return top + np.log(np.exp(terms - top[:, None]).sum(axis=1))
