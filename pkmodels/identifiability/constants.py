"""Values of a program's constants at points modulo primes."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import sympy

from pkmodels.identifiability.field import (
    exponential,
    logarithm,
    multiply,
    reciprocal,
    root,
)
from pkmodels.identifiability.program import Program


class NoRootError(Exception):
    """A square root of what is no square modulo the prime: take another point."""


@dataclass(frozen=True)
class Points:
    """Values of every symbol, modulo a prime for each point.

    Parameters
    ----------
    primes : (n_points,) array of int64
        The primes.
    values : mapping of symbol to (n_points,) array of int64
        Residues.
    unknown : tuple of symbol
        Those by which derivatives are taken; none for values alone.
    powers : int
        Terms kept of the formal small time by which doses are apart, >= 1.
    salt : int
        Decides what stands for the values of exponentials and logarithms.
    """

    primes: np.ndarray
    values: Mapping[sympy.Symbol, np.ndarray]
    unknown: tuple[sympy.Symbol, ...]
    powers: int
    salt: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of an element."""
        return len(self.primes), 1 + len(self.unknown), self.powers

    def only(self, some: slice) -> "Points":
        """Return some of the points."""
        values = {symbol: value[some] for symbol, value in self.values.items()}
        return replace(self, primes=self.primes[some], values=values)

    def whole(self, number: np.ndarray | int) -> np.ndarray:
        """Return an element without derivatives."""
        out = np.zeros(self.shape, dtype=np.int64)
        out[:, 0, 0] = number % self.primes
        return out


def residues(number: Fraction, primes: np.ndarray) -> np.ndarray:
    """Return a rational number modulo primes.

    Parameters
    ----------
    number : Fraction
        The number.
    primes : (n_points,) array of int64
        Primes that do not divide its denominator.

    Returns
    -------
    (n_points,) array of int64

    Examples
    --------
    >>> residues(Fraction(1, 2), np.array([101])).tolist()
    [51]
    """
    found = [number.numerator * pow(number.denominator, -1, int(p)) for p in primes]
    return np.array([n % int(p) for n, p in zip(found, primes, strict=True)])


def stand_in(kind: str, plain: np.ndarray, points: Points) -> np.ndarray:
    """Return residues that stand for a transcendental function, equal for equals.

    Those of unequal arguments are independent, whatever relates the true ones:
    exp(a + b) is not exp(a) exp(b). What rests on it is not proven.
    """
    flat = plain.reshape(-1)
    primes = np.broadcast_to(points.primes, plain.shape).reshape(-1)
    out = np.empty(flat.shape, dtype=np.int64)
    for n, (value, prime) in enumerate(zip(flat, primes, strict=True)):
        seed = (points.salt, zlib.crc32(kind.encode()), int(value), int(prime))
        out[n] = np.random.default_rng(seed).integers(1, prime)
    special = {"exp": (0, 1), "log": (1, 0)}.get(kind)
    if special is not None:
        out[flat == special[0]] = special[1]
    return out.reshape(plain.shape)


def _rooted(element: np.ndarray, degree: int, points: Points) -> np.ndarray:
    """Return a^(1/degree), as exp(ln a / degree) from the exact root of its value."""
    plain = root(element[..., 0, 0], degree, points.primes)
    if (plain < 0).any():
        raise NoRootError
    zero = np.zeros_like(plain)
    share = residues(Fraction(1, degree), points.primes)[:, None, None]
    grown = logarithm(element, zero, points.primes) * share
    return exponential(grown % points.primes[:, None, None], plain, points.primes)


def evaluate_constants(
    program: Program, points: Points, stretch: int
) -> list[np.ndarray | None]:
    """Return every constant of a program in one stretch.

    Parameters
    ----------
    program : Program
        The program.
    points : Points
        Where.
    stretch : int
        Its number.

    Returns
    -------
    list of (n_points, 1 + n_directions, n_powers) array of int64

    Raises
    ------
    NoRootError
        When a square root does not exist at a point.

    Examples
    --------
    >>> from pkmodels.identifiability.equations import Equations
    >>> from pkmodels.identifiability.program import compile_equations
    >>> x, k = sympy.symbols("x k")
    >>> washout = Equations("one", {x: -k * x}, {x: sympy.S.One}, {"x": x})
    >>> points = Points(np.array([23]), {k: np.array([5])}, (k,), 1, 0)
    >>> evaluate_constants(compile_equations(washout), points, 0)[2].tolist()  # -k
    [[[18], [22]]]
    """
    found: list[np.ndarray] = []
    given = program.given[stretch]
    for step in program.constants:
        if step[0] == "symbol" and step[1] in given:
            found.append(points.whole(0))  # replaced below
        else:
            found.append(_constant(step, found, points))
    if not given:
        return list(found)
    # What a stretch gives is made of parameters alone, so that once more is enough.
    values = {symbol: found[n] for symbol, n in given.items()}
    again: list[np.ndarray] = []
    for step in program.constants:
        if step[0] == "symbol" and step[1] in values:
            again.append(values[step[1]])
        else:
            again.append(_constant(step, again, points))
    return list(again)


def _constant(
    step: tuple[Any, ...], found: Sequence[np.ndarray], points: Points
) -> np.ndarray:
    kind, primes = step[0], points.primes
    if kind == "symbol":
        out = points.whole(points.values[step[1]])
        if step[1] in points.unknown:
            out[:, 1 + points.unknown.index(step[1]), 0] = 1
        return out
    if kind == "number":
        return points.whole(residues(step[1], primes))
    if kind == "named":
        return points.whole(stand_in(step[1], np.zeros_like(primes), points))
    if kind == "sum":
        out = sum((found[n] for n in step[1]), np.zeros(points.shape, dtype=np.int64))
        return out % primes[:, None, None]
    if kind == "product":
        out = points.whole(1)
        for n in step[1]:
            out = multiply(out, found[n], primes)
        return out
    element = found[step[1]]
    if kind == "inverse":
        return reciprocal(element, primes)
    if kind == "root":
        return _rooted(element, step[2], points)
    plain = stand_in(kind, element[..., 0, 0], points)
    function = exponential if kind == "exp" else logarithm
    return function(element, plain, primes)
