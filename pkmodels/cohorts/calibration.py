"""Simulation-based calibration: are the truths uniform among the draws?

A truth is drawn from the prior, measured as the model says, and fitted. Where prior,
simulator, posterior and sampler agree, its rank among L independent draws is uniform on
0 to L, for every parameter and everything that follows from them.

A refusal depends on the data and on the seed of the sampler, not on the truth once the
data are known. So ranks of the fits that were not refused are uniform still, and the
tests hold for them; but they say nothing of the refused, whose truths are others: the
patients left are those that were easier to fit. Where a refusal hides a bad posterior,
the ranks do not show it. `coverage` therefore counts refused fits both ways.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pkmodels.cohorts.outcomes import Outcome, read_outcomes
from pkmodels.cohorts.runs import Progress, run_all
from pkmodels.cohorts.tasks import Task
from pkmodels.errors import FitRefusedError, InputError
from pkmodels.fitting.checks import quantile_size

# Between them lie 0.5, 0.8, 0.9, 0.95 and 0.99 exactly.
DRAWS = 199
_LEVELS = (0.05, 0.5, 0.95)
INTERVAL = (0.025, 0.5, 0.975)
# Nearer to a truth, relative to it, a draw is the same number, rounded elsewhere.
_SAME = 1e-12
# Stream of random numbers of what ties are decided by.
_LOTS = 7


@dataclass(frozen=True)
class Truth:
    """One simulated patient before anything is measured.

    Parameters
    ----------
    values : mapping of str to float
        What is compared with the draws: parameters and what follows from them.
    state : anything
        What `simulate` needs besides.
    """

    values: Mapping[str, float]
    state: Any


@dataclass(frozen=True, eq=False)
class Found:
    """What a fit found of one simulated patient.

    Parameters
    ----------
    draws : mapping of str to (n_chains, n_draws) array
        Of every value of the truth; empty where the fit is refused.
    refused : str or None
        Why nothing may be reported.
    size : float or None
        Where draws were weighted: what they are worth, of which their order tells
        nothing.
    """

    draws: Mapping[str, np.ndarray]
    refused: str | None = None
    size: float | None = None


def calibrate(
    draw_truth: Callable[[int], Truth],
    simulate: Callable[[Truth, int], Any],
    fit: Callable[[Any, int], Found],
    patients: Sequence[int],
    folder: Path,
    *,
    draws: int = DRAWS,
    workers: int | None = None,
    scheduler: str | None = None,
    retry_failed: bool = False,
    sources: Iterable[Path] = (),
    progress: Callable[[Progress], None] | None = None,
) -> Progress:
    """Draw, measure and fit simulated patients, and keep the rank of each truth.

    Parameters
    ----------
    draw_truth : callable
        Of a patient's number, which is its seed, too.
    simulate : callable
        Of the truth and the number: the data.
    fit : callable
        Of the data and the number: what was found. A `FitRefusedError` is a refusal,
        any other exception a failure.
    patients : sequence of int
        Numbers, >= 0.
    folder : Path
        Where each patient is kept; `read_calibration` reads it.
    draws : int
        L: each rank is among so many draws, thinned evenly from those of the fit.
    workers, scheduler, retry_failed, sources, progress
        See `pkmodels.cohorts.runs.run_all`.

    Returns
    -------
    Progress
        At the end.

    Raises
    ------
    InputError
        As `run_all`; when `draws` is below 1.

    References
    ----------
    Talts et al., arXiv:1804.06788; Modrák et al., Bayesian Analysis 2025;20:461
    (derived quantities).
    """
    if draws < 1:
        raise InputError(f"draws is {draws}: give 1 or more; 199 is usual")
    return run_all(
        [Task(f"patient_{number}", number) for number in patients],
        partial(_trial, draw_truth, simulate, fit, draws),
        folder,
        workers=workers,
        scheduler=scheduler,
        retry_failed=retry_failed,
        sources=sources,
        progress=progress,
    )


def _trial(
    draw_truth: Callable[[int], Truth],
    simulate: Callable[[Truth, int], Any],
    fit: Callable[[Any, int], Found],
    draws: int,
    number: int,
) -> dict[str, Any]:
    """Return what is kept of one patient."""
    truth = draw_truth(number)
    kept: dict[str, Any] = {
        "draws": draws,
        "truths": {name: float(value) for name, value in truth.values.items()},
        "refused": None,
        "found": {},
    }
    try:
        found = fit(simulate(truth, number), number)
    except FitRefusedError as refusal:
        return kept | {"refused": str(refusal)}
    if found.refused is not None:
        return kept | {"refused": found.refused}
    if set(found.draws) != set(truth.values):
        odd = sorted(set(found.draws) ^ set(truth.values))
        raise InputError(f"{', '.join(odd)}: truths and draws must have the same names")
    return kept | {
        "found": {
            name: rank_of(
                truth.values[name], found.draws[name], draws, found.size, seed=number
            )
            for name in truth.values
        }
    }


def rank_of(
    truth: float,
    drawn: np.ndarray,
    draws: int,
    size: float | None = None,
    *,
    seed: int,
) -> dict[str, float | int | None]:
    """Return the rank of a truth among thinned draws, and the interval of all draws.

    Among draws that equal the truth (to 1e-12 of it) its place is drawn by lot, so that
    the rank of what is a constant, or of few values, is uniform as it should be.

    Parameters
    ----------
    truth : float
        The true value.
    drawn : (n_chains, n_draws) array
        Draws of it.
    draws : int
        L: how many are taken, evenly spaced along the chains.
    size : float, optional
        What weighted draws are worth.
    seed : int
        Of the lots, >= 0: another one for each patient.

    Returns
    -------
    dict
        ``rank``, 0 to L, None where the draws are worth fewer than L independent ones
        (the least effective size at the 5, 50 and 95 % quantile); ``low``, ``median``,
        ``high`` of the 95 % interval; ``size``.

    Raises
    ------
    InputError
        When there are fewer than L draws, or one is not finite.

    Examples
    --------
    >>> drawn = np.random.default_rng(0).standard_normal((4, 500))
    >>> found = rank_of(0.0, drawn, 199, seed=0)
    >>> 80 < found["rank"] < 120, round(found["high"], 1)
    (True, 1.9)
    """
    flat = np.asarray(drawn, float).ravel()
    if flat.size < draws or not np.isfinite(flat).all() or not np.isfinite(truth):
        raise InputError(
            f"{flat.size} draws for ranks among {draws}, all finite: "
            f"{bool(np.isfinite(flat).all())}, truth {truth}: give more draws, or look "
            "at what is not finite"
        )
    worth = min(quantile_size(drawn, level) for level in _LEVELS)
    worth = worth if size is None else min(worth, size)
    places = ((np.arange(draws) + 0.5) * flat.size / draws).astype(int)
    low, median, high = np.quantile(flat, INTERVAL)
    chosen, near = flat[places], _SAME * abs(truth)
    ties = int((np.abs(chosen - truth) <= near).sum())
    below = int((chosen < truth - near).sum())
    rank = below + int(np.random.default_rng([seed, _LOTS]).integers(ties + 1))
    return {
        "rank": rank if worth >= draws else None,
        "low": float(low),
        "median": float(median),
        "high": float(high),
        "size": float(worth),
    }


@dataclass(frozen=True, eq=False)
class Ranks:
    """What is known of one quantity.

    Parameters
    ----------
    name : str
        Of the parameter, or of what follows.
    draws : int
        L.
    patients : (n,) array of int
        Numbers of those with a rank.
    ranks : (n,) array of int
        0 to L.
    truths, low, median, high : (n,) array
        The truth, and the 95 % interval of all draws.
    correlated : int
        Patients without a rank, since their draws were worth fewer than L.
    """

    name: str
    draws: int
    patients: np.ndarray
    ranks: np.ndarray
    truths: np.ndarray
    low: np.ndarray
    median: np.ndarray
    high: np.ndarray
    correlated: int


@dataclass(frozen=True, eq=False)
class Calibration:
    """What simulated patients say of a fit.

    Parameters
    ----------
    quantities : tuple of Ranks
        Of every parameter, and of what follows.
    refused : mapping of int to str
        Patients whose fit was refused, and why.
    failed : mapping of int to str
        Patients of which something went wrong, and what.
    total : int
        Patients, those among them.
    cpu_seconds : (n,) array
        What each patient took of a processor.
    refused_truths : mapping of str to array
        Truths of the refused, of each quantity.
    """

    quantities: tuple[Ranks, ...]
    refused: Mapping[int, str]
    failed: Mapping[int, str]
    total: int
    cpu_seconds: np.ndarray
    refused_truths: Mapping[str, np.ndarray]


def read_calibration(folder: Path, patients: Sequence[int]) -> Calibration:
    """Read what `calibrate` kept, whatever code and subject it was made with.

    After `calibrate` all of these patients are of the same; while it runs, or where it
    was not run again after a change, some may be of an earlier one.

    Parameters
    ----------
    folder : Path
        Of the run.
    patients : sequence of int
        Numbers; those that are not done yet are left out.

    Returns
    -------
    Calibration

    Raises
    ------
    InputError
        When nothing is kept there, or runs of different `draws` are mixed.
    """
    tasks = [Task(f"patient_{number}", number) for number in patients]
    return gather(read_outcomes(folder, tasks), str(folder))


def gather(outcomes: Iterable[Outcome], where: str) -> Calibration:
    """Put patients together by quantity.

    Parameters
    ----------
    outcomes : iterable of Outcome
        From `calibrate`.
    where : str
        Where they are, for messages.

    Returns
    -------
    Calibration

    Raises
    ------
    InputError
        When there are none, or runs of different `draws` are mixed.
    """
    refused: dict[int, str] = {}
    failed: dict[int, str] = {}
    rows: dict[str, list[tuple[int, dict[str, Any], float]]] = {}
    lost: dict[str, list[float]] = {}
    sizes: set[int] = set()
    seconds: list[float] = []
    for outcome in outcomes:
        number = int(outcome.name.removeprefix("patient_"))
        seconds.append(outcome.cpu_seconds)
        if outcome.failure is not None:
            failed[number] = f"{outcome.failure.kind}: {outcome.failure.message}"
            continue
        sizes.add(outcome.value["draws"])
        truths = outcome.value["truths"]
        if outcome.value["refused"] is not None:
            refused[number] = outcome.value["refused"]
            for name, truth in truths.items():
                lost.setdefault(name, []).append(truth)
            continue
        for name, found in outcome.value["found"].items():
            rows.setdefault(name, []).append((number, found, truths[name]))
    if not seconds or len(sizes) > 1:
        raise InputError(
            f"{where} holds {len(seconds)} patients, with ranks among "
            f"{sorted(sizes)} draws: run the calibration, each in a folder of its own"
        )
    draws = sizes.pop() if sizes else DRAWS
    return Calibration(
        quantities=tuple(_ranks(name, draws, each) for name, each in rows.items()),
        refused=refused,
        failed=failed,
        total=len(seconds),
        cpu_seconds=np.array(seconds),
        refused_truths={name: np.array(each) for name, each in lost.items()},
    )


def _ranks(
    name: str, draws: int, rows: list[tuple[int, dict[str, Any], float]]
) -> Ranks:
    known = [row for row in rows if row[1]["rank"] is not None]

    def column(key: str) -> np.ndarray:
        return np.array([found[key] for _, found, _ in known], float)

    return Ranks(
        name=name,
        draws=draws,
        patients=np.array([number for number, _, _ in known], int),
        ranks=column("rank").astype(int),
        truths=np.array([truth for _, _, truth in known], float),
        low=column("low"),
        median=column("median"),
        high=column("high"),
        correlated=len(rows) - len(known),
    )
