"""The marginal likelihood itself, by importance sampling about each mode."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, logsumexp
from scipy.stats import chi2, norm, qmc

from pkmodels.errors import InputError
from pkmodels.population.conditional import (
    expected_curvature,
    local_at,
    precision_of,
)
from pkmodels.population.estimation import PopulationFit

# Degrees of freedom of the proposal: its tails are heavier than the target's, so that
# weights are bounded where the mode's curvature is right.
_DEGREES = 5.0
# Independent scrambles of the sequence, whose scatter gives the Monte-Carlo error.
_SCRAMBLES = 8


@dataclass(frozen=True, eq=False)
class SampledLikelihood:
    """-2 ln p(y) at a fit's estimates, constants and all.

    Parameters
    ----------
    value, standard_error : float
        It, and its Monte-Carlo standard error.
    subjects : (n_subjects,) array
        Of each subject.
    effective_fraction : (n_subjects,) array
        Effective sample size of each over the number of draws; far below 1 the mode
        misrepresents the subject.
    """

    value: float
    standard_error: float
    subjects: np.ndarray
    effective_fraction: np.ndarray


def sampled_likelihood(
    fit: PopulationFit,
    draws: int,
    *,
    seed: int,
    progress: Callable[[int, int], object] | None = None,
) -> SampledLikelihood:
    """Return -2 ln p(y) without Laplace's approximation.

    p(y_i) is the mean of p(y_i, u) / q_i(u) over draws from q_i, a Student t about the
    mode with FOCEI's covariance. Draws are of Sobol' sequences, scrambled for each
    subject by itself, so that errors of subjects are independent and their
    variances add up.

    Parameters
    ----------
    fit : PopulationFit
        The fit.
    draws : int
        Of each subject: 8 times a power of 2, >= 64.
    seed : int
        Of the draws, >= 0. Different seeds share none.
    progress : callable or None
        Called with the number of draws done, and of all.

    Returns
    -------
    SampledLikelihood

    Raises
    ------
    InputError
        When the number of draws is another.

    References
    ----------
    Matousek, J Complexity 1998;14:527-556 (the scrambles, as SciPy has them).

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> fit = worked_example.fitted()
    >>> found = sampled_likelihood(fit, 512, seed=1)
    >>> bool(abs(found.value - fit.minus_two_log_likelihood) < 0.5)
    True
    """
    each = draws // _SCRAMBLES
    if draws != each * _SCRAMBLES or each < 8 or each & (each - 1):
        raise InputError(
            f"{draws} draws: give {_SCRAMBLES} times a power of 2, 64 or more"
        )
    predictor, mode = fit.predictor, fit.modes.local.effects
    size = mode.shape[1]
    occasions = predictor.arrangement.values.shape[1]
    precision, _ = precision_of(fit.estimates, occasions)
    curvature = expected_curvature(predictor, fit.modes.local, precision)
    # Rows u with u' u = (L z)' H (L z) = z' z: L = chol(H)^-T.
    spread = np.swapaxes(np.linalg.inv(np.linalg.cholesky(curvature)), -1, -2)
    determinant = 0.5 * np.linalg.slogdet(curvature)[1]
    constant = (
        gammaln((_DEGREES + size) / 2.0)
        - gammaln(_DEGREES / 2.0)
        - 0.5 * size * math.log(_DEGREES * math.pi)
    )
    logs = np.empty((_SCRAMBLES, each, len(mode)))
    done = 0
    for scramble, seeds in enumerate(np.random.SeedSequence(seed).spawn(_SCRAMBLES)):
        own = seeds.spawn(len(mode))
        nets = np.stack([_student_draws(each, size, one) for one in own], axis=1)
        for n, z in enumerate(nets):
            at = mode + np.einsum("ief,if->ie", spread, z)
            half = local_at(predictor, fit.estimates, at, 0).half
            squares = (z * z).sum(axis=1)
            tail = 0.5 * (_DEGREES + size) * np.log1p(squares / _DEGREES)
            logs[scramble, n] = -half - (constant + determinant - tail)
            done += 1
            if progress is not None:
                progress(done, draws)
    return _summed(fit, logs - 0.5 * size * math.log(2.0 * math.pi))


def _student_draws(count: int, size: int, seed: np.random.SeedSequence) -> np.ndarray:
    """Return a scrambled net of standard Student t vectors, (count, size)."""
    sequence = qmc.Sobol(size + 1, scramble=True, rng=np.random.default_rng(seed))
    uniform = np.clip(sequence.random(count), 1e-15, 1.0 - 1e-15)
    scale = np.sqrt(_DEGREES / chi2.ppf(uniform[:, -1], _DEGREES))
    return norm.ppf(uniform[:, :-1]) * scale[:, None]


def _summed(fit: PopulationFit, logs: np.ndarray) -> SampledLikelihood:
    made = fit.predictor.arrangement
    counts = made.is_value.sum(axis=(1, 2))
    values = np.where(made.is_value & made.is_log, made.values, 0.0).sum(axis=(1, 2))
    constant = counts * math.log(2.0 * math.pi) + 2.0 * values
    flat = logs.reshape(-1, logs.shape[-1])
    total = np.asarray(logsumexp(flat, axis=0))
    subjects = -2.0 * (total - math.log(len(flat))) + constant
    # By scramble, relative to the mean of all: delta method on the log.
    parts = np.exp(np.asarray(logsumexp(logs, axis=1)) - math.log(logs.shape[1]))
    whole = parts / parts.mean(axis=0)
    error = 2.0 * whole.std(axis=0, ddof=1) / math.sqrt(len(logs))
    squares = np.asarray(logsumexp(2.0 * flat, axis=0))
    effective = np.exp(2.0 * total - squares) / len(flat)
    return SampledLikelihood(
        value=float(subjects.sum()),
        standard_error=float(np.sqrt((error**2).sum())),
        subjects=subjects,
        effective_fraction=effective,
    )
