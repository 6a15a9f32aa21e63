"""Questions of design: what is to be known, and what scans would tell of it.

With u the unknowns (normal priors of precision P) and c the calibrations of the scans,
x = (u, c): the information is diag(prior precision) + sum_rows r r' / s^2, with rows
r = d ln e / dx of what is scanned and variances s^2. Where noise is log-normal, what is
not known of its size is orthogonal to all else, and costs only in how wide a t interval
is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pkmodels.design.curves import Curves
from pkmodels.design.scans import Modality, Scan, modality_of
from pkmodels.design.unknowns import Unknowns
from pkmodels.errors import InputError, suggest

# A calibration that is known exactly has this sd of ln, so that it can be inverted.
_EXACT = 1e-6


@dataclass(frozen=True, eq=False)
class Question:
    """What is to be known, of whom, by what kinds of scan.

    Parameters
    ----------
    curves : Curves
        What scans would show of each draw.
    unknowns : Unknowns
        The coordinates, whose priors hold before any scan.
    target : (n_draws, n) array
        d ln q / du of the quantity at each draw, from `quantity_slopes`.
    modalities : tuple of Modality
        Kinds of scan.
    other_log_sd : float
        sd of ln of what no scan tells and the quantity holds too, >= 0: of a dose its
        mass and S-value.
    information : (n_draws, n, n) array or None
        About the unknowns, from elsewhere (a PET, another occasion).

    Raises
    ------
    InputError
        When shapes differ, a region has no curve, or two modalities share a name.
    """

    curves: Curves
    unknowns: Unknowns
    target: np.ndarray
    modalities: tuple[Modality, ...]
    other_log_sd: float = 0.0
    information: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Check that all parts are of one another."""
        draws, size = self.curves.slopes.shape[2], len(self.unknowns.names)
        if self.target.shape != (draws, size):
            raise InputError(
                f"the target is {self.target.shape} for {draws} draws of {size} "
                "unknowns: give one row to each draw"
            )
        extra = self.information
        if extra is not None and extra.shape != (draws, size, size):
            raise InputError(
                f"the information is {extra.shape}: give {(draws, size, size)}"
            )
        if not 0.0 <= self.other_log_sd < np.inf:
            raise InputError(f"other_log_sd is {self.other_log_sd}: give a number >= 0")
        names = [each.name for each in self.modalities]
        if not names or len(set(names)) != len(names):
            raise InputError(f"modalities {names}: give one at least, each once")
        for each in self.modalities:
            for region in each.regions:
                if region not in self.curves.regions:
                    known = self.curves.regions
                    raise InputError(
                        f"{each.name} shows {region!r}, of which there is no curve: "
                        f"{suggest(region, known)}"
                    )


def calibrations_of(question: Question) -> tuple[tuple[str, str], ...]:
    """Return every factor of calibration: modality, and region or nothing.

    Parameters
    ----------
    question : Question
        Whose modalities.

    Returns
    -------
    tuple of (str, str)

    Examples
    --------
    >>> from pkmodels.design import worked_example
    >>> question = worked_example.question()
    >>> calibrations_of(question)
    (('SPECT', ''),)
    """
    return tuple(
        (each.name, region)
        for each in question.modalities
        for region in (each.regions if each.per_region else ("",))
    )


def prior_precision(question: Question) -> np.ndarray:
    """Return what is known before scans, (n_draws, n_all, n_all).

    Parameters
    ----------
    question : Question
        The unknowns come first, then `calibrations_of`.

    Returns
    -------
    array

    Examples
    --------
    sd of ln 1 of the half-life; the calibration is exact.

    >>> from pkmodels.design import worked_example
    >>> question = worked_example.question()
    >>> print(np.diag(prior_precision(question)[0]).round())
    [1.e+00 1.e+12]
    """
    by_name = {each.name: each for each in question.modalities}
    factors = [
        by_name[name].calibration_log_sd for name, _ in calibrations_of(question)
    ]
    sd = np.concatenate([question.unknowns.sd, np.maximum(factors, _EXACT)])
    draws, size = question.target.shape
    found = np.tile(np.diag(sd**-2.0), (draws, 1, 1))
    if question.information is not None:
        found[:, :size, :size] += question.information
    return found


def rows_at(question: Question, modality: str, times_h: Any, arrays: Any = np) -> Any:
    """Return whitened rows of scans of one modality.

    Parameters
    ----------
    question : Question
        What is asked.
    modality : str
        Name of the modality.
    times_h : (n_times,) array
        When, h.
    arrays : module
        What calculates them: NumPy, or `jax.numpy` of traced times.

    Returns
    -------
    (n_times, n_draws, n_regions, n_all) array
        Each row divided by its sd.

    Examples
    --------
    Slope ln 2 of the half-life and 1 of the calibration, over a scatter of 0.1.

    >>> from pkmodels.design import worked_example
    >>> question = worked_example.question()
    >>> print(rows_at(question, "SPECT", np.array([60.0]))[0, 0].round(3))
    [[ 6.931 10.   ]]
    """
    kind = modality_of(Scan(0.0, modality), question.modalities)
    factors = calibrations_of(question)
    columns = [question.curves.regions.index(region) for region in kind.regions]
    shared = np.zeros((len(kind.regions), len(factors)))
    for row, region in enumerate(kind.regions):
        shared[row, factors.index((kind.name, region if kind.per_region else ""))] = 1.0
    log_expected, slopes = question.curves.at(times_h, arrays)
    own = slopes[:, :, np.array(columns)]
    noise = kind.floor * arrays.exp(-log_expected[:, :, np.array(columns)])
    sd = arrays.sqrt(kind.log_sd**2 + noise**2)[..., None]
    wide = arrays.broadcast_to(shared, (*own.shape[:-1], len(factors)))
    return arrays.concatenate([own, wide], axis=-1) / sd


def whole_target(question: Question) -> np.ndarray:
    """Return d ln q / dx, (n_draws, n_all): calibrations change no quantity.

    Parameters
    ----------
    question : Question
        What is asked.

    Returns
    -------
    array

    Examples
    --------
    >>> from pkmodels.design import worked_example
    >>> question = worked_example.question()
    >>> print(whole_target(question).round(6))
    [[1. 0.]]
    """
    count = len(calibrations_of(question))
    return np.pad(question.target, ((0, 0), (0, count)))


def information_of_scans(question: Question, scans: Sequence[Scan]) -> np.ndarray:
    """Return prior precision and information of scans, (n_draws, n_all, n_all).

    Parameters
    ----------
    question : Question
        What is asked.
    scans : sequence of Scan
        Made, or to be made.

    Returns
    -------
    array

    Raises
    ------
    InputError
        When a scan is of no modality, or outside the curves.

    Examples
    --------
    >>> from pkmodels.design import worked_example
    >>> question = worked_example.question()
    >>> found = information_of_scans(question, [Scan(60.0, "SPECT")])
    >>> print(found[0, 0, 0].round(3))  # 1 + (ln 2 / 0.1)^2
    49.045
    """
    check_scans(question, scans)
    found = prior_precision(question)
    for name in dict.fromkeys(scan.modality for scan in scans):
        times = np.array([s.time_h for s in scans if s.modality == name])
        rows = rows_at(question, name, times)
        found += np.einsum("tdrx,tdry->dxy", rows, rows)
    return found


def check_scans(question: Question, scans: Sequence[Scan]) -> None:
    """Refuse scans of no modality, or where there are no curves.

    Parameters
    ----------
    question : Question
        What is asked.
    scans : sequence of Scan
        The scans.

    Raises
    ------
    InputError
        When there is such a scan.

    Examples
    --------
    >>> from pkmodels.design import worked_example
    >>> question = worked_example.question()
    >>> check_scans(question, [Scan(60.0, "SPECT")])
    """
    curves = question.curves
    for scan in scans:
        modality_of(scan, question.modalities)
        if not (
            curves.earliest_h - 1e-9 <= scan.time_h <= curves.latest_h * (1.0 + 1e-12)
        ):
            raise InputError(
                f"{scan}: the curves are known from {curves.earliest_h:g} to "
                f"{curves.latest_h:g} h: tabulate them for longer"
            )
