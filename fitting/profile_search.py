"""The search of a profile: best fits with one quantity held, step by step outwards.

See `pkmodels.fitting.profiles`. A step that rises too little is followed by a longer
one, and one that rises too much is taken back.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.stats import chi2

from pkmodels.errors import InputError, SolveError
from pkmodels.fitting.profiles import (
    FAILED,
    End,
    Objective,
    Profile,
    Side,
    Target,
)

_MOST_ITERATIONS = 200
_GRADIENT_TOLERANCE = 1e-6
# Held so firmly that q ends within about this share of a step of where it should.
_FIRMNESS = 100.0
# Steps aim at this share of the threshold, and are taken back above the other.
_USUAL_RISE, _LARGEST_RISE = 0.2, 0.6
_FIRST_STEP = 0.4  # in standard deviations of the normal approximation
_MOST_POINTS, _MOST_HALVINGS, _MOST_ROUNDS = 60, 8, 4
# A place lower than the optimum by this was no optimum.
_LOWER = 1e-3
# Part of the threshold to which its crossing is known.
_CROSSING = 1e-3
_RIDGE = 1e-10
# Beyond the threshold, places at which another good fit is looked for on each side.
_BEYOND = 10
# What an optimization that ended may still gain, by its gradient and curvature; flat
# directions count as if a prior thirty times as wide as each scale bounded them.
_GAIN, _FLATTEST = 1e-3, 1e-3


def find_optimum(objective: Objective) -> np.ndarray:
    """Return the lowest end of several optimizations.

    Parameters
    ----------
    objective : Objective
        What is minimized.

    Returns
    -------
    (n,) array

    Raises
    ------
    SolveError
        When none ends where the model can be solved, or none at an optimum.

    Examples
    --------
    >>> bowl = Objective(lambda x: (0.5 * x @ x, x), lambda x: np.eye(2),
    ...                  np.array([[1.0, 2.0]]), np.ones(2), "the likelihood")
    >>> (find_optimum(bowl) + 0.0).round(6).tolist()
    [0.0, 0.0]
    """
    ends = [_minimized(objective, start, None) for start in objective.starts]
    x, lowest = min(ends, key=lambda end: end[1])
    if lowest >= FAILED:
        raise SolveError(
            f"{objective.words} is finite at none of the places where an optimization "
            "was begun: look at the priors of the rates"
        )
    if not _ended(objective, x, None):
        x, _ = _minimized(objective, x, None)
    if not _ended(objective, x, None):
        raise SolveError(
            f"no optimization of {objective.words} ends at an optimum (the lowest is "
            f"{lowest:.6g}): the solver is not exact enough, or starts are too far away"
        )
    return x


def _ended(
    objective: Objective, x: np.ndarray, held: tuple[Target, float, float] | None
) -> bool:
    """Tell whether a place is an optimum, by what a Newton step would still gain."""
    scale = objective.scale
    energy, gradient = objective.slope(x)
    if energy >= FAILED:
        return False
    curvature = objective.curvature(x)
    if held is not None:
        target, q, firmness = held
        found, change = target.at(x)
        gradient = gradient + firmness * (found - q) * change
        curvature = curvature + firmness * np.outer(change, change)
    values, vectors = np.linalg.eigh(scale[:, None] * curvature * scale)
    along = vectors.T @ (scale * gradient)
    gain = 0.5 * float(np.sum(along**2 / (np.abs(values) + _FLATTEST)))
    return gain < _GAIN


def profile(
    objective: Objective,
    target: Target,
    *,
    level: float,
    optimum: np.ndarray | None = None,
    threshold: float | None = None,
) -> Profile:
    """Follow a quantity to both sides of its estimate, fitting all else anew.

    Where a side has passed the threshold it is looked at further out, as far as the
    target reaches: where it comes below again, it is not bounded. Between those places
    a narrow valley may still be missed.

    Parameters
    ----------
    objective : Objective
        What is minimized.
    target : Target
        What is held.
    level : float
        Of the interval, in (0, 1), as 0.95.
    optimum : (n,) array, optional
        From `find_optimum`, to save finding it again.
    threshold : float, optional
        How far E may rise within the interval, > 0; by default half the chi-square
        quantile, which is for noise that is known: see `noise_mixtures`.

    Returns
    -------
    Profile

    Raises
    ------
    InputError
        When the level is outside (0, 1).
    SolveError
        When no optimum is found.

    References
    ----------
    Raue et al., Bioinformatics 2009;25:1923 (profile likelihood, its threshold, and
    what is structurally and practically unidentifiable); Venzon and Moolgavkar, Appl
    Stat 1988;37:87.

    Examples
    --------
    >>> precision = np.array([[2.0, 1.0], [1.0, 1.0]])  # variance of the first: 1
    >>> bowl = Objective(lambda x: (0.5 * x @ precision @ x, precision @ x),
    ...                  lambda x: precision, np.zeros((1, 2)), np.ones(2), "a bowl")
    >>> first = Target("x", "", lambda x: (x[0], np.array([1.0, 0.0])), float, 10.0)
    >>> found = profile(bowl, first, level=0.95)
    >>> [round(bound, 2) for bound in found.interval]
    [-1.96, 1.96]
    """
    if not 0.0 < level < 1.0:
        raise InputError(f"level is {level}: it must lie between 0 and 1, as 0.95")
    if threshold is None:
        threshold = float(chi2.ppf(level, 1)) / 2.0
    at = find_optimum(objective) if optimum is None else np.asarray(optimum, float)
    for _ in range(_MOST_ROUNDS):
        lowest = objective.slope(at)[0]
        sides = [_follow(objective, target, at, sign, threshold) for sign in (-1, 1)]
        every = [point for found in sides for point in found.points]
        least = min(every, key=lambda point: point.energy, default=None)
        if least is None or least.energy > lowest - _LOWER:
            return _made(objective, target, at, level, threshold, sides)
        at = _minimized(objective, least.x, None)[0]
    raise SolveError(
        f"the profile of {target.name} finds lower and lower energies: its optimum is "
        "not to be found from these starts; start nearer, or narrow the priors"
    )


@dataclass(frozen=True, eq=False)
class _Point:
    """Where a profile was, in the target's scale, and how high."""

    q: float
    energy: float
    x: np.ndarray


@dataclass(frozen=True, eq=False)
class _Followed:
    """One side as it was followed, from the optimum outwards."""

    end: End
    points: list[_Point]
    crossing: float | None
    again: float | None = None
    unseen: float | None = None


def _follow(
    objective: Objective, target: Target, at: np.ndarray, sign: int, threshold: float
) -> _Followed:
    """Step outwards until the threshold is passed, or as far as may be."""
    start = _Point(target.at(at)[0], objective.slope(at)[0], at)
    step, halvings = _first_step(objective, target, at), 0
    points, before = [], start
    while len(points) < _MOST_POINTS:
        left = target.reach - abs(before.q - start.q)
        if left <= 1e-9 * target.reach:
            return _Followed(End.OPEN, points, None)
        length = min(step, left)
        found = _held(objective, target, before, before.q + sign * length, length)
        if found is None or found.energy - before.energy > _LARGEST_RISE * threshold:
            if halvings < _MOST_HALVINGS:
                step, halvings = length / 2.0, halvings + 1
                continue
            if found is None:
                return _Followed(End.UNSOLVED, points, None)
        halvings = 0
        points.append(found)
        if found.energy - start.energy >= threshold:
            closed = _crossed(objective, target, start, before, points, threshold)
            return _looked_beyond(objective, target, start, sign, closed, threshold)
        if found.energy < start.energy - _LOWER:
            return _Followed(End.UNSOLVED, points, None)
        gain = abs(found.energy - before.energy)
        step = length * float(
            np.clip(_USUAL_RISE * threshold / max(gain, 1e-12), 0.5, 2.0)
        )
        before = found
    return _Followed(End.UNSOLVED, points, None)


def _first_step(objective: Objective, target: Target, at: np.ndarray) -> float:
    """Return a share of the sd of the normal approximation, within the reach."""
    scale = objective.scale
    curvature = scale[:, None] * objective.curvature(at) * scale
    gradient = scale * target.at(at)[1]
    size = _RIDGE * max(float(np.trace(curvature)), 1.0)
    ridged = curvature + size * np.eye(scale.size)
    values, vectors = np.linalg.eigh(ridged)
    along = vectors.T @ gradient
    variance = float(np.sum(along**2 / np.maximum(values, size)))
    return float(min(_FIRST_STEP * np.sqrt(variance), target.reach / 8.0))


def _held(
    objective: Objective, target: Target, before: _Point, q: float, length: float
) -> _Point | None:
    """Fit with the target held about q; None where that cannot be solved."""
    held = (target, q, _FIRMNESS / length**2)
    x, energy = _minimized(objective, before.x, held)
    if energy >= FAILED or not _ended(objective, x, held):
        return None
    return _Point(target.at(x)[0], energy, x)


def _minimized(
    objective: Objective,
    start: np.ndarray,
    held: tuple[Target, float, float] | None,
) -> tuple[np.ndarray, float]:
    """Return where E, with what is held, is least, and E there."""
    scale = objective.scale

    def slope(z: np.ndarray) -> tuple[float, np.ndarray]:
        x = start + scale * z
        energy, gradient = objective.slope(x)
        if energy >= FAILED:
            return FAILED, np.zeros_like(z)
        if held is not None:
            target, q, firmness = held
            found, change = target.at(x)
            energy = energy + 0.5 * firmness * (found - q) ** 2
            gradient = gradient + firmness * (found - q) * change
        return energy, scale * gradient

    def curvature(z: np.ndarray) -> np.ndarray:
        x = start + scale * z
        found = objective.curvature(x)
        if held is not None:
            target, _, firmness = held
            change = target.at(x)[1]
            found = found + firmness * np.outer(change, change)
        return scale[:, None] * found * scale

    options: dict[str, Any] = {"maxiter": _MOST_ITERATIONS, "gtol": _GRADIENT_TOLERANCE}
    found = minimize(
        slope,
        np.zeros_like(start),
        jac=True,
        hess=curvature,
        method="trust-exact",
        options=options,
    )
    x = start + scale * found.x
    return x, float(objective.slope(x)[0])


def _crossed(
    objective: Objective,
    target: Target,
    start: _Point,
    before: _Point,
    points: list[_Point],
    threshold: float,
) -> _Followed:
    """Find where the threshold is passed, between the last two points."""

    def height(point: _Point) -> float:
        # About linear in q, as of a parabola.
        return float(np.sqrt(max(point.energy - start.energy, 0.0)))

    inner, outer, wanted = before, points[-1], np.sqrt(threshold)
    crossing = _between(inner, outer, height, wanted)
    for _ in range(_MOST_HALVINGS):
        width = abs(outer.q - inner.q)
        found = _held(objective, target, inner, crossing, width)
        if found is None or not min(inner.q, outer.q) < found.q < max(inner.q, outer.q):
            break
        points.append(found)
        if found.energy - start.energy >= threshold:
            outer = found
        else:
            inner = found
        crossing = _between(inner, outer, height, wanted)
        if abs(found.energy - start.energy - threshold) < _CROSSING * threshold:
            break
    return _Followed(End.CLOSED, points, crossing)


def _looked_beyond(
    objective: Objective,
    target: Target,
    start: _Point,
    sign: int,
    closed: _Followed,
    threshold: float,
) -> _Followed:
    """Look between the threshold and the end of the reach for another good fit."""
    before = max(closed.points, key=lambda point: abs(point.q - start.q))
    points = list(closed.points)
    left = target.reach - abs(before.q - start.q)
    if left <= 1e-9 * target.reach:
        return closed
    length = left / _BEYOND
    for place in range(1, _BEYOND + 1):
        q = start.q + sign * (target.reach - left + place * length)
        found = _held(objective, target, before, q, length)
        if found is None:
            return replace(closed, points=points, unseen=before.q)
        points.append(found)
        if found.energy - start.energy < threshold:
            x, energy = _minimized(objective, found.x, None)
            if energy < start.energy - _LOWER:
                points.append(_Point(target.at(x)[0], energy, x))
            return _Followed(End.AGAIN, points, None, found.q)
        before = found
    return replace(closed, points=points)


def _between(
    inner: _Point, outer: _Point, height: Callable[[_Point], float], wanted: float
) -> float:
    low, high = height(inner), height(outer)
    share = (wanted - low) / (high - low) if high > low else 1.0
    return inner.q + float(np.clip(share, 0.0, 1.0)) * (outer.q - inner.q)


def _made(
    objective: Objective,
    target: Target,
    at: np.ndarray,
    level: float,
    threshold: float,
    sides: list[_Followed],
) -> Profile:
    lowest, q = objective.slope(at)[0], target.at(at)[0]
    every = [_Point(q, lowest, at), *(p for found in sides for p in found.points)]
    every.sort(key=lambda point: point.q)
    lower, upper = (_side(found, target, q, lowest) for found in sides)
    return Profile(
        name=target.name,
        unit=target.unit,
        of=objective.words,
        level=level,
        threshold=threshold,
        estimate=float(target.shown(q)),
        values=np.array([target.shown(point.q) for point in every]),
        rises=np.array([max(point.energy - lowest, 0.0) for point in every]),
        points=np.array([point.x for point in every]),
        lower=lower,
        upper=upper,
    )


def _side(found: _Followed, target: Target, q: float, lowest: float) -> Side:
    if found.again is not None:
        return Side(
            found.end, None, float(target.shown(found.again)), _rise(found, lowest)
        )
    furthest = max((p.q for p in found.points), key=lambda x: abs(x - q), default=q)
    bound = None if found.crossing is None else float(target.shown(found.crossing))
    unseen = None if found.unseen is None else float(target.shown(found.unseen))
    reached = float(target.shown(furthest))
    return Side(found.end, bound, reached, _rise(found, lowest), unseen)


def _rise(found: _Followed, lowest: float) -> float:
    rise = max((p.energy - lowest for p in found.points), default=0.0)
    return float(max(rise, 0.0))
