"""Variances: how well a quantity would be known after scans that are not made yet.

With the information I of `pkmodels.design.questions` and g = d ln q / dx,

    V = g' I^-1 g

is the variance of ln q after the scans: exact where ln e and ln q are linear in the
unknowns, else Fisher's information at a draw; averaged over draws it is the expected
variance.
"""

from collections.abc import Sequence

import numpy as np

from pkmodels.design.questions import (
    Question,
    check_scans,
    information_of_scans,
    rows_at,
    whole_target,
)
from pkmodels.design.scans import Scan


def variances_after(question: Question, scans: Sequence[Scan]) -> np.ndarray:
    """Return the variance of ln q after some scans, at each draw.

    Parameters
    ----------
    question : Question
        What is asked.
    scans : sequence of Scan
        None is what the priors alone say.

    Returns
    -------
    (n_draws,) array

    Raises
    ------
    InputError
        When a scan is of no modality, or outside the curves.

    References
    ----------
    Chaloner and Verdinelli, Stat Sci 1995;10:273 (Bayesian c-optimality); Retout and
    Mentre, J Pharmacokinet Pharmacodyn 2003;30:417 (averaged over a prior).

    Examples
    --------
    An organ whose half-life is log-normal (60 h, sd of ln 1), scanned exactly at 60 h
    with 10 % scatter: the slope is ln 2, so that 1 / V = 1 + (ln 2 / 0.1)^2.

    >>> from pkmodels.design import worked_example
    >>> question = worked_example.question()
    >>> found = variances_after(question, [Scan(60.0, "SPECT")])
    >>> print((1.0 / found).round(3), round(1.0 + (np.log(2.0) / 0.1) ** 2, 3))
    [49.045] 49.045
    """
    information = information_of_scans(question, scans)
    target = whole_target(question)
    solved = np.linalg.solve(information, target[:, :, None])[:, :, 0]
    return np.einsum("dx,dx->d", target, solved) + question.other_log_sd**2


def variances_with_one_more(
    question: Question, scans: Sequence[Scan], modality: str, times_h: np.ndarray
) -> np.ndarray:
    """Return the variance of ln q with one more scan at each of many times.

    By Woodbury's identity from the covariance without it, M:
    V = g' M g - b' (I + R M R')^-1 b, b = R M g, with its whitened rows R.

    Parameters
    ----------
    question : Question
        What is asked.
    scans : sequence of Scan
        Made, or to be made, without the one.
    modality : str
        Of the one.
    times_h : (n_times,) array
        When it could be, h.

    Returns
    -------
    (n_times, n_draws) array

    Raises
    ------
    InputError
        When a scan is of no modality, or outside the curves.

    Examples
    --------
    >>> from pkmodels.design import worked_example
    >>> question, times = worked_example.question(), np.array([24.0, 60.0])
    >>> more = variances_with_one_more(question, [], "SPECT", times)
    >>> both = [variances_after(question, [Scan(t, "SPECT")]) for t in times]
    >>> bool(np.allclose(more, both, rtol=1e-10))
    True
    """
    times = np.asarray(times_h, float)
    check_scans(question, [Scan(float(t), modality) for t in times])
    covariance = np.linalg.inv(information_of_scans(question, scans))
    rows = rows_at(question, modality, times)
    return reduced_variances(question, covariance, rows)


def reduced_variances(
    question: Question, covariance: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    """Return the variances of ln q when rows are added to a covariance.

    Parameters
    ----------
    question : Question
        What is asked.
    covariance : (n_draws, n_all, n_all) array
        Before.
    rows : (n_times, n_draws, n_rows, n_all) array
        Whitened, from `rows_at`.

    Returns
    -------
    (n_times, n_draws) array

    Examples
    --------
    >>> from pkmodels.design import worked_example
    >>> from pkmodels.design.questions import prior_precision
    >>> question = worked_example.question()
    >>> before = np.linalg.inv(prior_precision(question))
    >>> rows = rows_at(question, "SPECT", np.array([60.0]))
    >>> print((1.0 / reduced_variances(question, before, rows)).round(3))
    [[49.045]]
    """
    target = whole_target(question)
    moved = np.einsum("dxy,dy->dx", covariance, target)
    before = np.einsum("dx,dx->d", target, moved)
    spread = rows @ covariance  # (n_times, n_draws, n_rows, n_all)
    inner = np.eye(rows.shape[2]) + spread @ np.swapaxes(rows, -1, -2)
    seen = np.einsum("tdrx,dx->tdr", rows, moved)
    gained = np.einsum(
        "tdr,tdr->td", seen, np.linalg.solve(inner, seen[..., None])[..., 0]
    )
    return np.maximum(before - gained, 0.0) + question.other_log_sd**2
