"""Combinations of parameters that can be known, where they themselves cannot.

A function g of the parameters is determined where its gradient is normal to every
direction that leaves the outputs as they are: N' grad g = 0, N a basis of those.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm

import numpy as np
import sympy

from pkmodels.identifiability.nullspaces import NullSpace

# Exponents and coefficients beyond this are no simple combination.
LARGEST = 12


@dataclass(frozen=True)
class Family:
    """Parameters that cannot be known one by one, and what of them can.

    Parameters
    ----------
    parameters : tuple of symbol
        Those that only occur together.
    freedom : int
        In how many directions they may change together unseen.
    combinations : tuple of sympy expression
        Independent functions of them that are determined.
    directions : tuple of mapping of symbol to Fraction
        Weights w, where the family may be scaled unseen, each parameter by c^w for
        any c, or shifted, by c w; one mapping a direction. Empty where neither is so.
    scales : bool
        Which of both.
    reparametrized : bool
        Whether that was done by random amounts, with no change in any term of the
        outputs' series; else the combinations were checked to first order.
    not_looked_for : str
        Why combinations were not looked for to the end; empty where they were.

    Examples
    --------
    >>> volume, fraction = sympy.symbols("V F")
    >>> found = Family((volume, fraction), 1, (fraction / volume,))
    >>> found.complete
    True
    """

    parameters: tuple[sympy.Symbol, ...]
    freedom: int
    combinations: tuple[sympy.Expr, ...]
    directions: tuple[Mapping[sympy.Symbol, Fraction], ...] = ()
    scales: bool = False
    reparametrized: bool = False
    not_looked_for: str = ""

    @property
    def complete(self) -> bool:
        """Whether the combinations are all that can be known of the parameters."""
        return len(self.combinations) == len(self.parameters) - self.freedom


@dataclass(frozen=True)
class Point:
    """Null space and values at one point.

    Parameters
    ----------
    prime : int
        The prime.
    values : (n_unknown,) array of int64
        Values of the unknowns.
    space : NullSpace
        What leaves the outputs as they are.
    """

    prime: int
    values: np.ndarray
    space: NullSpace


def families(points: Sequence[Point]) -> list[tuple[int, ...]]:
    """Return which undetermined parameters occur together.

    Parameters
    ----------
    points : sequence of Point
        At least one.

    Returns
    -------
    list of tuple of int
        Indices.

    Examples
    --------
    >>> from pkmodels.identifiability.nullspaces import null_space
    >>> rows = np.array([[[1], [1], [0], [0]], [[0], [0], [1], [2]]])
    >>> families([Point(101, np.ones(4), null_space(rows, 101))])
    [(0, 1), (2, 3)]
    """
    touched = np.zeros(points[0].space.basis.shape[:2], dtype=bool)
    for point in points:
        touched |= (point.space.basis != 0).any(axis=2)
    left = [{int(n) for n in np.flatnonzero(column)} for column in touched.T]
    found: list[set[int]] = []
    for one in left:
        apart = [other for other in found if not other & one]
        together = one.union(*(other for other in found if other & one))
        found = [*apart, together]
    return sorted(tuple(sorted(group)) for group in found)


def rational(residue: int, prime: int) -> Fraction | None:
    """Return the small rational number that a residue stands for, if there is one.

    Parameters
    ----------
    residue : int
        The residue.
    prime : int
        The prime.

    Returns
    -------
    Fraction or None
        With numerator and denominator up to 12.

    Examples
    --------
    >>> rational(51, 101), rational(100, 101)
    (Fraction(1, 2), Fraction(-1, 1))
    """
    for below in range(1, LARGEST + 1):
        above = residue * below % prime
        for number in (above, above - prime):
            if abs(number) <= LARGEST:
                return Fraction(number, below)
    return None


def _constant_basis(
    points: Sequence[Point], members: tuple[int, ...], *, logarithmic: bool
) -> list[list[Fraction]] | None:
    """Return the null space where it is the same everywhere, one direction a row.

    In logarithms of the parameters where asked for.
    """
    found: list[list[list[Fraction]]] = []
    for point in points:
        space = point.space
        mine = [n for n, free in enumerate(space.free) if free in members]
        basis = space.basis[list(members)][:, mine]
        if (basis[..., 1:] != 0).any():
            return None
        plain = basis[..., 0].astype(object)
        if logarithmic:
            own = point.values[list(members)]
            at_free = point.values[[space.free[n] for n in mine]]
            inverse = np.array(
                [pow(int(v), -1, point.prime) for v in own], dtype=object
            )
            plain = plain * inverse[:, None] * at_free.astype(object) % point.prime
        rows = [[rational(int(v), point.prime) for v in row] for row in plain.T]
        if any(v is None for row in rows for v in row):
            return None
        found.append([[v for v in row if v is not None] for row in rows])
    return found[0] if all(rows == found[0] for rows in found) else None


def whole_numbers(row: Sequence[Fraction]) -> list[int]:
    """Return the smallest whole numbers in the same proportion.

    Parameters
    ----------
    row : sequence of Fraction
        Numbers, not all 0.

    Returns
    -------
    list of int

    Examples
    --------
    >>> whole_numbers([Fraction(1, 2), Fraction(-1, 3)])
    [3, -2]
    """
    scale = lcm(*(v.denominator for v in row))
    whole = [int(v * scale) for v in row]
    common = gcd(*whole)
    return [v // common for v in whole]


def _normals(basis: list[list[Fraction]]) -> list[list[int]]:
    """Return small whole numbers normal to every row."""
    table = sympy.Matrix([[sympy.Rational(str(v)) for v in row] for row in basis])
    found = [[Fraction(str(v)) for v in vector] for vector in table.nullspace()]
    return shortened([whole_numbers(row) for row in found])


def shortened(rows: list[list[int]]) -> list[list[int]]:
    """Replace rows by sums and differences with fewer and smaller entries.

    Parameters
    ----------
    rows : list of list of int
        Linearly independent rows.

    Returns
    -------
    list of list of int
        Rows that span the same numbers.

    Examples
    --------
    >>> shortened([[1, 1, 0], [1, 2, 1]])
    [[1, 1, 0], [0, 1, 1]]
    """

    def size(row: list[int]) -> tuple[int, int, int, bool]:
        weight, first = sum(v != 0 for v in row), next(filter(None, row))
        return weight, sum(map(abs, row)), sum(v < 0 for v in row), first < 0

    rows = [min(row, [-v for v in row], key=size) for row in rows]
    changed = True
    while changed:
        changed = False
        for i, one in enumerate(rows):
            for j, other in enumerate(rows):
                for sign in (1, -1):
                    mixed = [a + sign * b for a, b in zip(one, other, strict=True)]
                    if i == j or not any(mixed):
                        continue
                    mixed = min(mixed, [-v for v in mixed], key=size)
                    if size(mixed) < size(rows[i]):
                        rows[i], one, changed = mixed, mixed, True
    return rows


def scaling_family(
    points: Sequence[Point],
    unknown: tuple[sympy.Symbol, ...],
    members: tuple[int, ...],
) -> Family | None:
    """Return a family that may be scaled unseen, with the products that are known.

    Where d ln p is the same along a null direction at every point, products of powers
    with exponents normal to it do not change.

    Parameters
    ----------
    points : sequence of Point
        Several.
    unknown : tuple of symbol
        The unknowns.
    members : tuple of int
        Which of them belong together.

    Returns
    -------
    Family or None

    Examples
    --------
    >>> from pkmodels.identifiability.nullspaces import null_space
    >>> point = Point(101, np.array([2, 3]), null_space(np.array([[[3], [2]]]), 101))
    >>> scaling_family([point], sympy.symbols("a b"), (0, 1)).combinations
    (a*b,)
    """
    basis = _constant_basis(points, members, logarithmic=True)
    if basis is None:
        return None
    own = tuple(unknown[n] for n in members)
    products = [
        sympy.Mul(*(s**v for s, v in zip(own, row, strict=True)))
        for row in _normals(basis)
    ]
    return Family(
        own,
        len(basis),
        tuple(products),
        tuple(dict(zip(own, row, strict=True)) for row in basis),
        True,
    )


def linear_family(
    points: Sequence[Point],
    unknown: tuple[sympy.Symbol, ...],
    members: tuple[int, ...],
) -> Family | None:
    """Return a family whose null space is the same everywhere, with the known sums.

    Parameters
    ----------
    points, unknown, members
        As of `scaling_family`.

    Returns
    -------
    Family or None

    Examples
    --------
    >>> from pkmodels.identifiability.nullspaces import null_space
    >>> point = Point(101, np.array([2, 3]), null_space(np.array([[[1], [1]]]), 101))
    >>> linear_family([point], sympy.symbols("a b"), (0, 1)).combinations
    (a + b,)
    """
    basis = _constant_basis(points, members, logarithmic=False)
    if basis is None:
        return None
    own = tuple(unknown[n] for n in members)
    sums = [
        sympy.Add(*(v * s for s, v in zip(own, row, strict=True)))
        for row in _normals(basis)
    ]
    return Family(
        own,
        len(basis),
        tuple(sums),
        tuple(dict(zip(own, row, strict=True)) for row in basis),
    )
