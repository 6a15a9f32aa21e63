"""Power series of outputs and of their derivatives by the unknowns, modulo primes."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from pkmodels.identifiability.constants import (
    NoRootError,
    Points,
    evaluate_constants,
    residues,
    stand_in,
)
from pkmodels.identifiability.equations import Equations
from pkmodels.identifiability.field import (
    convolve,
    exponential,
    invert,
    logarithm,
    multiply,
    power,
    reciprocal,
    root,
)
from pkmodels.identifiability.program import Program, UndecidableError, check_time


@dataclass(frozen=True)
class _Group:
    """Steps of one kind on one level, done together."""

    kind: str
    target: np.ndarray
    first: np.ndarray
    second: np.ndarray
    # Of affine steps: where each target's terms begin, and the offsets.
    begins: np.ndarray
    offsets: tuple[tuple[int, int], ...]
    roots: tuple[Any, ...]


def _groups(program: Program) -> list[_Group]:
    by_kind: dict[tuple[int, str], list[int]] = {}
    for n, step in enumerate(program.series):
        if step[0] != "state":
            by_kind.setdefault((program.levels[n], step[0]), []).append(n)
    found = []
    for (_, kind), steps in sorted(by_kind.items()):
        rows = [program.series[n] for n in steps]
        offsets, roots, begins = [], (), np.zeros(0, dtype=int)
        if kind == "affine":
            offsets = [(n, r[2]) for n, r in zip(steps, rows, strict=True)]
            offsets = [(n, c) for n, c in offsets if c is not None]
            full = [(n, r[1]) for n, r in zip(steps, rows, strict=True) if r[1]]
            steps = [n for n, _ in full]
            counts = [len(terms) for _, terms in full]
            begins = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(int)
            first = [c for _, terms in full for c, _ in terms]
            second = [s for _, terms in full for _, s in terms]
        else:
            first = [r[1] for r in rows]
            second = [r[2] if kind in ("product", "quotient") else 0 for r in rows]
            roots = tuple(r[2] for r in rows) if kind == "exp" else ()
        target, one, other = (np.array(a, dtype=int) for a in (steps, first, second))
        found.append(_Group(kind, target, one, other, begins, tuple(offsets), roots))
    return found


class _Course:
    """Series of one stretch, term after term."""

    def __init__(
        self,
        program: Program,
        points: Points,
        constants: list[np.ndarray | None],
        start: np.ndarray,
        terms: int,
    ) -> None:
        self.program, self.points, self.groups = program, points, _groups(program)
        self.constants = np.array(constants)
        shape = (len(program.series), *points.shape, terms)
        self.terms = np.zeros(shape, dtype=np.int64)
        self.states = np.array(
            [n for n, step in enumerate(program.series) if step[0] == "state"],
            dtype=int,
        )
        self.terms[self.states, ..., 0] = start
        self.inverse: dict[int, np.ndarray] = {}
        self.reached = 0

    def advance(self, until: int, deadline: float) -> None:
        """Compute the terms below `until`."""
        primes = self.points.primes
        sources = np.array(self.program.derivatives, dtype=int)
        for k in range(self.reached, until):
            check_time(deadline)
            for group in self.groups:
                self._compute(group, k)
            if k + 1 < self.terms.shape[-1]:
                share = residues(Fraction(1, k + 1), primes)[:, None, None]
                rates = self.terms[sources, ..., k]
                self.terms[self.states, ..., k + 1] = (
                    rates * share % primes[:, None, None]
                )
        self.reached = max(self.reached, until)

    def _compute(self, group: _Group, k: int) -> None:
        primes, terms = self.points.primes, self.terms
        modulus = primes[:, None, None]
        if group.kind == "affine":
            if len(group.target):
                parts = multiply(
                    self.constants[group.first], terms[group.second, ..., k], primes
                )
                sums = np.add.reduceat(parts, group.begins, axis=0)
                terms[group.target, ..., k] = sums % modulus
            if k == 0:
                for target, constant in group.offsets:
                    sums = terms[target, ..., 0] + self.constants[constant]
                    terms[target, ..., 0] = sums % modulus
            return
        a = terms[group.first, ..., : k + 1]
        if group.kind == "product":
            b = terms[group.second, ..., : k + 1]
            terms[group.target, ..., k] = convolve(a, b, primes)
        elif group.kind == "quotient":
            self._divide(group, a, k)
        elif k == 0:
            self._begin(group, a[..., 0])
        else:
            self._grow(group, a, k)

    def _divide(self, group: _Group, a: np.ndarray, k: int) -> None:
        primes, key = self.points.primes, id(group)
        if k == 0:
            below = self.terms[group.second, ..., 0]
            _refuse_zero(below, "a denominator")
            self.inverse[key] = reciprocal(below, primes)
        c = self.terms[group.target, ..., : k + 1]
        rest = a[..., k] - convolve(c, self.terms[group.second, ..., : k + 1], primes)
        rest %= primes[:, None, None]
        self.terms[group.target, ..., k] = multiply(rest, self.inverse[key], primes)

    def _begin(self, group: _Group, a: np.ndarray) -> None:
        """Set the first terms of exponentials and logarithms."""
        points, key = self.points, id(group)
        if group.kind == "log":
            _refuse_zero(a, "what is raised to a power or its logarithm taken")
            self.inverse[key] = reciprocal(a, points.primes)
            plain = stand_in("log", a[..., 0, 0], points)
            self.terms[group.target, ..., 0] = logarithm(a, plain, points.primes)
            return
        plain = stand_in("exp", a[..., 0, 0], points)
        for n, of in enumerate(group.roots):
            if of is not None:
                base, above, below = of
                found = root(self.terms[base, :, 0, 0, 0], below, points.primes)
                if (found < 0).any():
                    raise NoRootError
                found = power(found, abs(above), points.primes)
                plain[n] = invert(found, points.primes) if above < 0 else found
        self.terms[group.target, ..., 0] = exponential(a, plain, points.primes)

    def _grow(self, group: _Group, a: np.ndarray, k: int) -> None:
        """Use c' = c a' of an exponential, and a c' = a' of a logarithm."""
        primes, modulus = self.points.primes, self.points.primes[:, None, None]
        share = residues(Fraction(1, k), primes)[:, None, None]
        c = self.terms[group.target, ..., : k + 1]
        count, wide = np.arange(k + 1), modulus[..., None]
        if group.kind == "exp":
            found = convolve(a * count % wide, c, primes)
        else:
            rest = k * a[..., k] - convolve(c * count % wide, a, primes)
            found = multiply(rest % modulus, self.inverse[id(group)], primes)
        self.terms[group.target, ..., k] = found * share % modulus


def _refuse_zero(elements: np.ndarray, what: str) -> None:
    if (elements[..., 0, 0] == 0).any():
        raise UndecidableError(
            f"{what} is 0 where a stretch of time between doses begins, so that there "
            "is no power series: let the model start with something there"
        )


def outputs_series(
    program: Program,
    equations: Equations,
    points: Points,
    terms: int,
    deadline: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the series of what is measured and of what is predicted.

    Stretch after stretch: the state at the end of one of length L is sum x_k (e L)^k
    with e a formal small number, so that times between doses stay exact.

    Parameters
    ----------
    program : Program
        Of the equations.
    equations : Equations
        Whose stretches are followed.
    points : Points
        Where.
    terms : int
        Terms of each series, >= 1 and at most `field.MOST_TERMS`.
    deadline : float
        By `time.monotonic`.

    Returns
    -------
    outputs, predicted : arrays of int64
        (n_stretches_read x n_outputs, n_points, 1 + n_unknown, n_powers, terms).

    Raises
    ------
    UndecidableError, NoRootError, OutOfTimeError
        When there is no such series, not at these points, or not in time.

    Examples
    --------
    >>> import sympy
    >>> from pkmodels.identifiability.program import compile_equations
    >>> x, k = sympy.symbols("x k")
    >>> washout = Equations("one", {x: -k * x}, {x: sympy.S.One}, {"x": x})
    >>> points = Points(np.array([23]), {k: np.array([5])}, (k,), 1, 0)
    >>> shown, _ = outputs_series(
    ...     compile_equations(washout), washout, points, 3, np.inf)
    >>> shown[0, 0, :, 0].tolist()  # 1 - k t + k^2 t^2 / 2, and -t + k t^2
    [[1, 18, 1], [0, 22, 5]]
    """
    outputs, predicted = [], []
    states = tuple(equations.derivatives)
    state = np.zeros((len(states), *points.shape), dtype=np.int64)
    modulus = points.primes[:, None, None]
    for number, stretch in enumerate(equations.stretches):
        constants = evaluate_constants(program, points, number)
        values = np.array(constants)
        if number == 0 or stretch.restarted:
            state = values[list(program.start)].reshape(state.shape).copy()
        for symbol in stretch.emptied:
            state[states.index(symbol)] = 0
        for place, constant in program.added[number].items():
            state[place] = (state[place] + values[constant]) % modulus
        # What follows needs so many terms of this stretch, read or not.
        carried = 0 if stretch.length is None else points.powers
        count = max(carried, terms if stretch.read else 1)
        course = _Course(program, points, constants, state, count)
        course.advance(count, deadline)
        if stretch.read:
            outputs.append(course.terms[list(program.outputs), ..., :terms])
            predicted.append(course.terms[list(program.predicted), ..., :terms])
        if stretch.length is not None:
            state = _carried(course, residues(stretch.length, points.primes))
    return np.concatenate(outputs), np.concatenate(predicted)


def _carried(course: _Course, length: np.ndarray) -> np.ndarray:
    """Return sum x_k (e L)^k, up to the powers of e that are kept."""
    points = course.points
    found = np.zeros((len(course.states), *points.shape), dtype=np.int64)
    for k in range(min(points.powers, course.reached)):
        scale = power(length, k, points.primes)[:, None, None]
        part = (
            course.terms[course.states, ..., k] * scale % points.primes[:, None, None]
        )
        found[..., k:] += part[..., : points.powers - k]
    return found % points.primes[:, None, None]
