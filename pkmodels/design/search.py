"""Search: the scans after which a quantity is known best, within a calendar.

Exchange over a grid of times and modalities finds where to begin, from several random
beginnings and a greedy one; then times move by their exact gradients, each within its
interval. A local optimum is possible: how many beginnings agree is said.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.stats import norm

from pkmodels.design.criteria import criterion, criterion_over_times
from pkmodels.design.questions import Question, information_of_scans, rows_at
from pkmodels.design.scans import Calendar, Scan, allowed_times, apart
from pkmodels.design.variances import reduced_variances, variances_after
from pkmodels.errors import InputError

# Times of the grid in each interval that is allowed.
_GRID_PER_DECADE, _LEAST_IN_INTERVAL = 24, 5
_EXCHANGES = 30
# Beginnings whose criterion is within this part of the best have found the same.
SAME = 1e-3


@dataclass(frozen=True)
class Design:
    """Scans, and how well a quantity is expected to be known after them.

    Parameters
    ----------
    scans : tuple of Scan
        Ascending, without those made already.
    fixed : tuple of Scan
        Those made already.
    log_sd : float
        sqrt of the expected variance of ln q.
    log_sd_of_draws : tuple of float
        sd of ln q at each draw.
    value : float
        The criterion: the expected variance, or a probability.
    agreeing, beginnings : int
        How many beginnings found a criterion within a thousandth of it, of how many; 0
        of a design that was not searched for.
    """

    scans: tuple[Scan, ...]
    fixed: tuple[Scan, ...]
    log_sd: float
    log_sd_of_draws: tuple[float, ...]
    value: float
    agreeing: int = 0
    beginnings: int = 0

    def width(self, probability: float) -> float:
        """Return upper over lower end of the central interval of q, from `log_sd`."""
        return float(np.exp(2.0 * norm.isf((1.0 - probability) / 2.0) * self.log_sd))

    def __str__(self) -> str:
        """Name the scans as a reader would."""
        return ", ".join(str(scan) for scan in self.scans) or "no scan"


def judge(
    question: Question,
    scans: Sequence[Scan],
    *,
    fixed: Sequence[Scan] = (),
    wrong_factor: float | None = None,
) -> Design:
    """Return how well a quantity is expected to be known after given scans.

    Parameters
    ----------
    question : Question
        What is asked.
    scans, fixed : sequences of Scan
        Those to be made, and those made already.
    wrong_factor : float or None
        As of `pkmodels.design.criteria.criterion`.

    Returns
    -------
    Design

    Raises
    ------
    InputError
        When a scan is of no modality, or outside the curves.

    Examples
    --------
    >>> from pkmodels.design import worked_example
    >>> question = worked_example.question()
    >>> found = judge(question, [Scan(24.0, "SPECT"), Scan(120.0, "SPECT")])
    >>> round(found.log_sd, 4), round(found.width(0.95), 2)
    (0.0706, 1.32)
    """
    variances = variances_after(question, [*fixed, *scans])
    return Design(
        scans=tuple(sorted(scans)),
        fixed=tuple(sorted(fixed)),
        log_sd=float(np.sqrt(np.mean(variances))),
        log_sd_of_draws=tuple(np.sqrt(variances).tolist()),
        value=float(criterion(variances, wrong_factor)),
    )


def choose_scans(
    question: Question,
    calendar: Calendar,
    count: int,
    *,
    fixed: Sequence[Scan] = (),
    modalities: Sequence[str] | None = None,
    wrong_factor: float | None = None,
    beginnings: int = 4,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Design:
    """Choose times and modalities of scans.

    Parameters
    ----------
    question : Question
        What is asked.
    calendar : Calendar
        When scans may be made; its first and last time lie within the curves.
    count : int
        Of scans to choose, >= 1.
    fixed : sequence of Scan
        Made already; they keep the gap, too.
    modalities : sequence of str, optional
        Those to choose from, all of the question's by default.
    wrong_factor : float or None
        None for the least expected variance of ln q; a factor above 1 for the least
        probability of a median that is wrong by more than it.
    beginnings : int
        Of the search, >= 1.
    seed : int
        Repeats it, >= 0.
    progress : callable, optional
        Called with beginnings done and all.

    Returns
    -------
    Design

    Raises
    ------
    InputError
        When a number is out of range, the calendar is longer than the curves, or has
        no room for so many scans.

    References
    ----------
    Mitchell, Technometrics 1974;16:203 (exchange); Kraft, DFVLR-FB 88-28, 1988 (SLSQP).

    Examples
    --------
    The half-life of an organ of 60 h, all of it there at first, is best known from the
    latest scan where the scatter of a value stays the same.

    >>> from pkmodels.design import worked_example
    >>> question = worked_example.question()
    >>> print(choose_scans(question, Calendar(1.0, 96.0, 4.0), 2, seed=0))
    SPECT at 92 h, SPECT at 96 h
    """
    names = [each.name for each in question.modalities]
    chosen = tuple(names if modalities is None else modalities)
    _check(count, beginnings, chosen, names)
    candidates = _candidates(calendar, chosen)
    tables = _Tables(
        question,
        candidates,
        _padded_rows(question, candidates, chosen),
        calendar,
        tuple(fixed),
        wrong_factor,
        cache(lambda kinds: criterion_over_times(question, kinds, fixed, wrong_factor)),
    )
    generator = np.random.default_rng([seed, 0])
    found: list[tuple[float, list[Scan]]] = []
    for done in range(beginnings):
        start = [] if done == 0 else _random_scans(tables, count, generator)
        exchanged = _exchange(tables, _completed(tables, start, count))
        found.append(_polished(tables, exchanged))
        if progress is not None:
            progress(done + 1, beginnings)
    best = min(found, key=lambda each: each[0])
    agreeing = sum(value <= best[0] * (1.0 + SAME) for value, _ in found)
    judged = judge(question, best[1], fixed=fixed, wrong_factor=wrong_factor)
    return replace(judged, agreeing=agreeing, beginnings=beginnings)


@dataclass(frozen=True, eq=False)
class _Tables:
    """What every exchange looks up."""

    question: Question
    candidates: tuple[Scan, ...]
    rows: np.ndarray
    calendar: Calendar
    fixed: tuple[Scan, ...]
    wrong_factor: float | None
    slopes: Callable[[tuple[str, ...]], Callable[[np.ndarray], Any]]

    def allowed(self, scans: Sequence[Scan]) -> bool:
        return apart([*self.fixed, *scans], self.calendar)

    def value(self, scans: Sequence[Scan]) -> float:
        variances = variances_after(self.question, [*self.fixed, *scans])
        return float(criterion(variances, self.wrong_factor))


def _check(
    count: int, beginnings: int, chosen: tuple[str, ...], names: Sequence[str]
) -> None:
    if count < 1 or beginnings < 1:
        raise InputError(
            f"{count} scans from {beginnings} beginnings: give 1 or more of each"
        )
    unknown = [name for name in chosen if name not in names]
    if unknown or not chosen:
        raise InputError(
            f"scans of {', '.join(chosen) or 'nothing'}: choose from {', '.join(names)}"
        )


def _candidates(calendar: Calendar, names: Sequence[str]) -> tuple[Scan, ...]:
    """Return a grid of scans; each interval has its ends, and even steps of ln t."""
    times: list[float] = []
    for low, high in allowed_times(calendar):
        steps = int(np.ceil(_GRID_PER_DECADE * np.log10(high / low)))
        many = 1 if high == low else max(_LEAST_IN_INTERVAL, steps + 1)
        times += np.geomspace(low, high, many).tolist()
    each = sorted(set(times))
    return tuple(Scan(float(t), name) for name in names for t in each)


def _padded_rows(
    question: Question, candidates: Sequence[Scan], names: Sequence[str]
) -> np.ndarray:
    """Return the rows of all; a modality of fewer regions has rows of 0 besides."""
    found = []
    for name in names:
        times = np.array([s.time_h for s in candidates if s.modality == name])
        found.append(rows_at(question, name, times))
    width = max(each.shape[2] for each in found)
    pads = [(0, 0), (0, 0), (0, 0), (0, 0)]
    padded = []
    for each in found:
        pads[2] = (0, width - each.shape[2])
        padded.append(np.pad(each, pads))
    return np.concatenate(padded)


def _random_scans(
    tables: _Tables, count: int, generator: np.random.Generator
) -> list[Scan]:
    """Return candidates in random order, as many as keep the gap."""
    scans: list[Scan] = []
    for place in generator.permutation(len(tables.candidates)):
        candidate = tables.candidates[place]
        if len(scans) < count and tables.allowed([*scans, candidate]):
            scans.append(candidate)
    return scans


def _completed(tables: _Tables, scans: list[Scan], count: int) -> list[Scan]:
    """Add the best candidate again and again."""
    while len(scans) < count:
        best = _best_addition(tables, scans)
        if best is None:
            raise InputError(
                f"the calendar has room for {len(scans)} of {count} scans beside "
                f"{len(tables.fixed)} made already: ask for fewer, or a smaller gap"
            )
        scans = [*scans, best[1]]
    return scans


def _best_addition(tables: _Tables, scans: Sequence[Scan]) -> tuple[float, Scan] | None:
    """Return the candidate that tells most beside some scans, if any keeps the gap."""
    allowed = [
        i for i, scan in enumerate(tables.candidates) if tables.allowed([*scans, scan])
    ]
    if not allowed:
        return None
    base = information_of_scans(tables.question, [*tables.fixed, *scans])
    variances = reduced_variances(
        tables.question, np.linalg.inv(base), tables.rows[allowed]
    )
    values = criterion(variances, tables.wrong_factor)
    best = int(np.argmin(values))
    return float(values[best]), tables.candidates[allowed[best]]


def _exchange(tables: _Tables, scans: list[Scan]) -> list[Scan]:
    """Replace one scan after another by the best in its place, until none is better."""
    value = tables.value(scans)
    for _ in range(_EXCHANGES):
        before = value
        for place in range(len(scans)):
            rest = [*scans[:place], *scans[place + 1 :]]
            best = _best_addition(tables, rest)
            if best is not None and best[0] < value * (1.0 - 1e-9):
                value, scans = best[0], [*rest, best[1]]
        if value >= before * (1.0 - 1e-9):
            break
    return sorted(scans)


def _polished(tables: _Tables, scans: list[Scan]) -> tuple[float, list[Scan]]:
    """Move times by their gradients, each within its interval, keeping the gaps."""
    scans = sorted(scans, key=lambda scan: (scan.modality, scan.time_h))
    spans = allowed_times(tables.calendar)
    bounds = [_span_of(scan.time_h, spans) for scan in scans]
    start = np.array([scan.time_h for scan in scans])
    began = tables.value(scans)
    if all(low == high for low, high in bounds):
        return began, scans
    names = tuple(scan.modality for scan in scans)
    value, scale = tables.slopes(names), began

    def scaled(times: np.ndarray) -> tuple[float, np.ndarray]:
        # Past a bound by rounding, there are no curves.
        inside = np.clip(times, *np.transpose(bounds))
        number, gradient = value(inside)
        return number / scale, gradient / scale

    found = minimize(
        scaled,
        start,
        jac=True,
        method="SLSQP",
        bounds=bounds,
        constraints=_gaps(scans, tables),
        options={"maxiter": 100, "ftol": 1e-9},
    )
    times = np.clip(found.x, *np.transpose(bounds))
    moved = sorted(Scan(float(t), name) for t, name in zip(times, names, strict=True))
    # A search that ended badly may have crossed a gap, or lost: keep what was there.
    if tables.allowed(moved) and (ended := tables.value(moved)) < began:
        return ended, moved
    return began, scans


def _gaps(scans: Sequence[Scan], tables: _Tables) -> list[dict[str, object]]:
    """Return a linear constraint for each pair of neighbours of one modality."""
    constraints: list[dict[str, object]] = []
    gap, size = tables.calendar.least_gap_h, len(scans)

    def keep(row: np.ndarray, shift: float) -> None:
        constraints.append(
            {
                "type": "ineq",
                "fun": lambda t: float(row @ t) + shift - gap,
                "jac": lambda t: row,
            }
        )

    for i, one in enumerate(scans):
        for j, other in enumerate(scans):
            if one.modality == other.modality and one.time_h < other.time_h:
                keep(np.eye(size)[j] - np.eye(size)[i], 0.0)
        for made in tables.fixed:
            if made.modality == one.modality:
                sign = 1.0 if one.time_h >= made.time_h else -1.0
                keep(sign * np.eye(size)[i], -sign * made.time_h)
    return constraints


def _span_of(
    time_h: float, spans: Sequence[tuple[float, float]]
) -> tuple[float, float]:
    away = [max(low - time_h, time_h - high, 0.0) for low, high in spans]
    return spans[int(np.argmin(away))]
