"""Sensitivities of all outputs at random points modulo random primes."""

import math
from dataclasses import dataclass, replace

import numpy as np
import sympy

from pkmodels.identifiability.constants import NoRootError, Points
from pkmodels.identifiability.equations import Equations
from pkmodels.identifiability.field import MOST_TERMS
from pkmodels.identifiability.program import Program, UndecidableError
from pkmodels.identifiability.series import outputs_series

# Tries to find a point at which every square root exists.
_TRIES = 400
# Memory of the series of one point; several at a time take a quarter of it.
_MOST_BYTES = 1 << 30


@dataclass(frozen=True)
class Task:
    """Equations with their programs, and what is asked of them.

    Parameters
    ----------
    occasions : tuple of Equations
        The occasions.
    programs : tuple of Program
        Of each.
    unknown : tuple of symbol
        The unknowns.
    deadline : float
        By `time.monotonic`.
    """

    occasions: tuple[Equations, ...]
    programs: tuple[Program, ...]
    unknown: tuple[sympy.Symbol, ...]
    deadline: float

    @property
    def terms(self) -> int:
        """Terms that suffice in general position, and wherever nothing saturates."""
        most = max(2 * self.states, self.states + len(self.unknown))
        return min(MOST_TERMS, most + 2)

    @property
    def states(self) -> int:
        """States of the largest occasion."""
        return max(len(each.derivatives) for each in self.occasions)

    @property
    def has_doses_apart(self) -> bool:
        """Whether time passes between doses."""
        return any(len(each.stretches) > 1 for each in self.occasions)

    @property
    def is_rational(self) -> bool:
        """Whether there are no exponentials, logarithms and powers of any exponent."""
        steps = [s for p in self.programs for s in (*p.constants, *p.series)]
        return all(step[0] not in ("exp", "log", "root") for step in steps)


@dataclass(frozen=True)
class Matrix:
    """Sensitivities of all outputs at some points.

    Parameters
    ----------
    points : Points
        Where.
    outputs : (n_outputs, n_points, n_unknown, n_powers, terms) array of int64
        Of what is measured, occasion after occasion.
    predicted : tuple of arrays of the same kind
        Of what is not, for each occasion.
    """

    points: Points
    outputs: np.ndarray
    predicted: tuple[np.ndarray, ...]

    def rows(self, n: int, terms: int) -> np.ndarray:
        """Return what one point tells, (n_rows, n_unknown, n_powers)."""
        return rows_of(self.outputs[:, n], terms)


def rows_of(outputs: np.ndarray, terms: int) -> np.ndarray:
    """Return series as rows, the first terms of all outputs first.

    Parameters
    ----------
    outputs : (n_outputs, n_unknown, n_powers, n) array
        The series.
    terms : int
        How many terms of each, <= n.

    Returns
    -------
    (n_outputs x terms, n_unknown, n_powers) array

    Examples
    --------
    >>> rows_of(np.arange(4).reshape(2, 1, 1, 2), 2).ravel().tolist()
    [0, 2, 1, 3]
    """
    ordered = np.moveaxis(outputs[..., :terms], -1, 0)
    return ordered.reshape(-1, *outputs.shape[1:3])


def draw_points(
    task: Task,
    rng: np.random.Generator,
    primes: np.ndarray,
    *,
    powers: int,
    derivatives: bool = True,
) -> Points:
    """Draw points at which every square root exists.

    Parameters
    ----------
    task : Task
        Whose symbols have values.
    rng : numpy.random.Generator
        Where they are drawn from.
    primes : (n_points,) array of int64
        The prime of each.
    powers : int
        Terms of the small time between doses, >= 1.
    derivatives : bool
        Whether derivatives by the unknowns are wanted.

    Returns
    -------
    Points

    Raises
    ------
    UndecidableError
        When no point was found.

    Examples
    --------
    >>> x, k = sympy.symbols("x k")
    >>> washout = Equations("one", {x: -k * x}, {x: sympy.S.One}, {"x": x})
    >>> from pkmodels.identifiability.program import compile_equations
    >>> task = Task((washout,), (compile_equations(washout),), (k,), math.inf)
    >>> from pkmodels.identifiability.field import draw_primes
    >>> rng = np.random.default_rng(1)
    >>> draw_points(task, rng, draw_primes(2, rng), powers=1).shape
    (2, 2, 1)
    """
    every = sorted({s for each in task.occasions for s in each.symbols}, key=str)
    salt = int(rng.integers(1 << 30))
    unknown = task.unknown if derivatives else ()

    def draw(some: np.ndarray) -> Points:
        values = {s: rng.integers(2, some - 1) for s in every}
        return Points(some, values, unknown, powers, salt)

    if task.is_rational:
        return draw(primes)
    found = []
    for n in range(len(primes)):
        for _ in range(_TRIES):
            one = draw(primes[n : n + 1])
            if _has_roots(task, replace(one, unknown=())):
                found.append(one)
                break
        else:
            raise UndecidableError(
                f"no point was found in {_TRIES} at which every square root exists"
            )
    values = {s: np.concatenate([one.values[s] for one in found]) for s in every}
    return Points(primes, values, unknown, powers, salt)


def _has_roots(task: Task, points: Points) -> bool:
    try:
        for program, each in zip(task.programs, task.occasions, strict=True):
            outputs_series(program, each, points, 1, math.inf)
    except NoRootError:
        return False
    return True


def sensitivities(task: Task, points: Points, terms: int) -> Matrix:
    """Return the derivatives of every term of every output by the unknowns.

    Parameters
    ----------
    task : Task
        The equations.
    points : Points
        Where.
    terms : int
        Terms of each series, >= 1.

    Returns
    -------
    Matrix

    Raises
    ------
    UndecidableError, OutOfTimeError
        As `outputs_series`.

    Examples
    --------
    >>> x, k = sympy.symbols("x k")
    >>> washout = Equations("one", {x: -k * x}, {x: sympy.S.One}, {"x": x})
    >>> from pkmodels.identifiability.program import compile_equations
    >>> task = Task((washout,), (compile_equations(washout),), (k,), math.inf)
    >>> points = Points(np.array([23]), {k: np.array([5])}, (k,), 1, 0)
    >>> sensitivities(task, points, 3).rows(0, 3).ravel().tolist()  # -t + k t^2
    [0, 22, 5]
    """
    steps = max(len(program.series) for program in task.programs)
    size = 8 * steps * (1 + len(points.unknown)) * points.powers * terms
    if size > _MOST_BYTES:
        raise UndecidableError(
            f"its series take {size / 2**30:.1f} GiB, more than "
            f"{_MOST_BYTES / 2**30:g} GiB: ask for fewer unknowns"
        )
    at_once = max(1, _MOST_BYTES // (4 * size))
    parts = [
        _outputs(task, points.only(slice(n, n + at_once)), terms)
        for n in range(0, len(points.primes), at_once)
    ]
    outputs = np.concatenate([shown for shown, _ in parts], axis=1)
    predicted = zip(*(wanted for _, wanted in parts), strict=True)
    return Matrix(
        points, outputs, tuple(np.concatenate(each, axis=1) for each in predicted)
    )


def _outputs(
    task: Task, points: Points, terms: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    found = [
        outputs_series(program, each, points, terms, task.deadline)
        for program, each in zip(task.programs, task.occasions, strict=True)
    ]
    shown = np.concatenate([shown for shown, _ in found])
    return shown[:, :, 1:], [wanted[:, :, 1:] for _, wanted in found]
