"""Criteria: what a plan of scans is judged by, and its gradient over their times."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm as jax_norm
from scipy.stats import norm

from pkmodels.design.questions import (
    Question,
    information_of_scans,
    rows_at,
    whole_target,
)
from pkmodels.design.scans import Scan
from pkmodels.errors import InputError


def criterion(variances: np.ndarray, wrong_factor: float | None) -> np.ndarray:
    """Return what a design is judged by, averaged over draws (the last axis).

    Parameters
    ----------
    variances : (..., n_draws) array
        Of ln q.
    wrong_factor : float or None
        None: the mean variance. A factor f > 1: the probability that the median of q
        is wrong by more than f either way, 2 (1 - Phi(ln f / sd)). Where q is the dose
        per activity and one limit L of dose binds, the activity L / q is as wrong.

    Returns
    -------
    (...) array

    Raises
    ------
    InputError
        When the factor is not above 1.

    Examples
    --------
    >>> v = np.array([0.01, 0.04])
    >>> round(float(criterion(v, None)), 3), round(float(criterion(v, 1.25)), 3)
    (0.025, 0.145)
    """
    check_factor(wrong_factor)
    if wrong_factor is None:
        return np.mean(variances, axis=-1)
    away = np.log(wrong_factor) / np.sqrt(variances)
    return np.mean(2.0 * norm.sf(away), axis=-1)


def check_factor(wrong_factor: float | None) -> None:
    """Refuse a factor that nothing can be wrong by.

    Parameters
    ----------
    wrong_factor : float or None
        Of `criterion`.

    Raises
    ------
    InputError
        When it is not above 1.

    Examples
    --------
    >>> check_factor(1.2)
    """
    if wrong_factor is not None and not 1.0 < wrong_factor < np.inf:
        raise InputError(f"wrong by a factor of {wrong_factor}: give one above 1")


def criterion_over_times(
    question: Question,
    modalities: Sequence[str],
    fixed: Sequence[Scan],
    wrong_factor: float | None,
) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """Return a criterion as a function of scan times, with its gradient.

    Parameters
    ----------
    question : Question
        What is asked.
    modalities : sequence of str
        Of each scan whose time is free.
    fixed : sequence of Scan
        Made already.
    wrong_factor : float or None
        As of `criterion`.

    Returns
    -------
    callable
        ``value(times_h) -> (criterion, (n_times,) gradient per h)``, exact for the
        splines of `Curves`.

    Examples
    --------
    >>> from pkmodels.design import worked_example
    >>> value = criterion_over_times(worked_example.question(), ["SPECT"], [], None)
    >>> value(np.array([60.0]))[1][0] < 0.0  # a later scan would tell more
    np.True_
    """
    check_factor(wrong_factor)
    base = information_of_scans(question, fixed)
    target = whole_target(question)
    kinds = tuple(modalities)

    @jax.jit
    def value(times: Any) -> Any:
        information = jnp.asarray(base)
        for name in dict.fromkeys(kinds):
            places = jnp.array([i for i, kind in enumerate(kinds) if kind == name])
            rows = rows_at(question, name, times[places], jnp)
            information = information + jnp.einsum("tdrx,tdry->dxy", rows, rows)
        solved = jnp.linalg.solve(information, target[:, :, None])[:, :, 0]
        variances = jnp.sum(target * solved, axis=1) + question.other_log_sd**2
        if wrong_factor is None:
            return jnp.mean(variances)
        away = jnp.log(wrong_factor) / jnp.sqrt(variances)
        return jnp.mean(2.0 * jax_norm.cdf(-away))

    both = jax.jit(jax.value_and_grad(value))

    def found(times_h: np.ndarray) -> tuple[float, np.ndarray]:
        number, gradient = both(jnp.asarray(times_h, float))
        return float(number), np.asarray(gradient)

    return found
