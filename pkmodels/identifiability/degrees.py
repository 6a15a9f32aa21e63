"""Bounds of the degree of a program's steps as rational functions."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

_Step = tuple[Any, ...]
# Factors of a denominator, each a step, with their powers.
_Factors = Counter[tuple[str, int]]
# Degree of the numerator, and the denominator.
_Bound = tuple[int, _Factors]


class Degrees:
    """Bounds of degree: a numerator over factors, each a step with its power."""

    def __init__(self, constants: Sequence[_Step], series: Sequence[_Step]) -> None:
        """Bound every step in turn."""
        self.constants: list[_Bound] = []
        self.series: list[_Bound] = []
        self.sizes: dict[tuple[str, int], int] = {}
        for step in constants:
            self.constants.append(self._constant(step))
        for step in series:
            self.series.append(self._series(step))

    def of_constant(self, n: int) -> int:
        """Return the bound of a constant, numerator plus denominator."""
        numerator, below = self.constants[n]
        return numerator + self._size(below)

    def of_series(self, steps: Iterable[int]) -> int:
        """Return the bound of several series over one denominator."""
        numerator, below = self._sum([self.series[n] for n in steps])
        return max(1, numerator + self._size(below))

    def _size(self, factors: _Factors) -> int:
        return sum(self.sizes[f] * n for f, n in factors.items())

    def _sum(self, parts: list[_Bound]) -> _Bound:
        common: _Factors = Counter()
        for _, below in parts:
            common |= below
        tops = [top + self._size(common - below) for top, below in parts]
        return max(tops, default=0), common

    def _inverse(self, key: tuple[str, int], part: _Bound) -> _Bound:
        top, below = part
        self.sizes[key] = max(top, 1)
        return self._size(below), Counter({key: 1})

    @staticmethod
    def _times(
        parts: list[_Bound],
    ) -> _Bound:
        below: _Factors = Counter()
        for _, factors in parts:
            below += factors
        return sum(top for top, _ in parts), below

    def _constant(self, step: _Step) -> _Bound:
        kind = step[0]
        if kind == "sum":
            return self._sum([self.constants[n] for n in step[1]])
        if kind == "product":
            return self._times([self.constants[n] for n in step[1]])
        if kind == "inverse":
            return self._inverse(("constant", step[1]), self.constants[step[1]])
        return (0 if kind in ("number", "named") else 1), Counter()

    def _series(self, step: _Step) -> _Bound:
        kind = step[0]
        if kind == "affine":
            terms = [
                self._times([self.constants[c], self.series[s]]) for c, s in step[1]
            ]
            terms += [] if step[2] is None else [self.constants[step[2]]]
            return self._sum(terms)
        if kind == "product":
            return self._times([self.series[n] for n in step[1:]])
        if kind == "quotient":
            other = self._inverse(("series", step[2]), self.series[step[2]])
            return self._times([self.series[step[1]], other])
        # A state, or a function that is a variable of its own.
        return 1, Counter()
