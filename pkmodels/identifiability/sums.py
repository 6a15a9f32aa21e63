"""Sums of products and of quotients that are determined, looked for term by term."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import sympy

from pkmodels.identifiability.combinations import (
    Family,
    Point,
    rational,
    shortened,
    whole_numbers,
)
from pkmodels.identifiability.nullspaces import null_space

# Products and quotients of so many parameters at most are tried.
WIDEST = 7


def candidates(
    own: Sequence[sympy.Symbol], beside: Sequence[sympy.Symbol]
) -> list[list[sympy.Expr]]:
    """Return the terms of which a combination may be a sum, simple ones first.

    Parameters
    ----------
    own : sequence of symbol
        The family.
    beside : sequence of symbol
        Parameters that are determined, which may be factors.

    Returns
    -------
    list of list of sympy expression
        The parameters; with products of two; with quotients, too.

    Examples
    --------
    >>> a, b = sympy.symbols("a b")
    >>> candidates([a, b], [])
    [[a, b], [a, b, a**2, a*b, b**2], [a, b, a/b, b/a]]
    """
    single: list[sympy.Expr] = list(own)
    every = [*own, *beside]
    pairs = [every[i] * every[j] for i in range(len(own)) for j in range(i, len(every))]
    quotients = [a / b for a in every for b in every if a != b and {a, b} & set(own)]
    return [single, single + pairs, single + quotients]


def needed_points(terms: int, freedom: int) -> int:
    """Return how many points tell the sums of so many terms, with three to spare.

    Parameters
    ----------
    terms, freedom : int
        Number of terms, and of directions.

    Returns
    -------
    int

    Examples
    --------
    >>> needed_points(14, 2)
    10
    """
    return -(-terms // freedom) + 3


def common_family(
    points: Sequence[Point],
    unknown: tuple[sympy.Symbol, ...],
    members: tuple[int, ...],
) -> Family:
    """Return a family with the products of powers and the sums that are known.

    Exponents n of a product are normal to every null direction in logarithms of the
    parameters, at every point; weights of a sum to every null direction itself.

    Parameters
    ----------
    points : sequence of Point
        As many as `needed_points` says, all of one prime.
    unknown, members
        As of `pkmodels.identifiability.combinations.scaling_family`.

    Returns
    -------
    Family
        Its combinations may be fewer than there are, or none.

    Examples
    --------
    >>> def at(a, b, c):  # a b and b + c are seen
    ...     rows = np.array([[[b], [a], [0]], [[0], [1], [1]]])
    ...     return Point(101, np.array([a, b, c]), null_space(rows, 101))
    >>> points = [at(n + 2, 7 * n + 3, n * n + 5) for n in range(1, 6)]
    >>> common_family(points, sympy.symbols("a b c"), (0, 1, 2)).combinations
    (a*b, b + c)
    """
    own = tuple(unknown[n] for n in members)
    freedom = sum(free in members for free in points[0].space.free)
    found: list[sympy.Expr] = []
    for logarithmic in (True, False):
        rows = np.concatenate([_null_rows(p, members, logarithmic) for p in points])
        space, whole = null_space_of(rows, points[0].prime), []
        for vector in space.T:
            numbers = [rational(int(v), points[0].prime) for v in vector]
            if all(v is not None for v in numbers):
                whole.append(whole_numbers([v for v in numbers if v is not None]))
        for row in shortened(whole):
            pairs = zip(own, row, strict=True)
            if logarithmic:
                found.append(sympy.Mul(*(s**n for s, n in pairs)))
            else:
                found.append(sympy.Add(*(n * s for s, n in pairs)))
    independent = independent_of(found, own, unknown, points[0])
    return Family(own, freedom, tuple(independent))


def _null_rows(point: Point, members: tuple[int, ...], logarithmic: bool) -> np.ndarray:
    mine = [n for n, free in enumerate(point.space.free) if free in members]
    basis = point.space.basis[list(members)][:, mine]
    if logarithmic:
        own = [pow(int(v), -1, point.prime) for v in point.values[list(members)]]
        basis = basis * np.array(own, dtype=np.int64)[:, None, None] % point.prime
    return basis.reshape(len(members), -1).T


def independent_of(
    found: Sequence[sympy.Expr],
    own: tuple[sympy.Symbol, ...],
    unknown: tuple[sympy.Symbol, ...],
    point: Point,
) -> list[sympy.Expr]:
    """Return combinations of which none is a function of those before it.

    Parameters
    ----------
    found : sequence of sympy expression
        Sums of products of powers.
    own : tuple of symbol
        The family.
    unknown : tuple of symbol
        The symbols of the point's values.
    point : Point
        Where gradients are compared.

    Returns
    -------
    list of sympy expression

    Examples
    --------
    >>> a, b = sympy.symbols("a b")
    >>> point = Point(101, np.array([2, 3]), null_space(np.zeros((1, 2, 1), int), 101))
    >>> independent_of([a * b, a**2 * b**2, a + b], (a, b), (a, b), point)
    [a*b, a + b]
    """
    gradients = np.zeros((0, len(own), 1), dtype=np.int64)
    kept: list[sympy.Expr] = []
    for candidate in found:
        row = gradient(candidate, own, unknown, point)
        more = np.concatenate([gradients, row.reshape(1, -1, 1)])
        if rank_of(more, point.prime) > len(gradients):
            gradients = more
            kept.append(candidate)
    return kept


def searched_family(
    points: Sequence[Point],
    unknown: tuple[sympy.Symbol, ...],
    members: tuple[int, ...],
    beside: tuple[int, ...],
) -> Family:
    """Return a family with the sums of products and of quotients that are known.

    Parameters
    ----------
    points : sequence of Point
        As many as `needed_points` says, all of one prime.
    unknown, members
        As of `scaling_family`.
    beside : tuple of int
        Determined unknowns that may be factors.

    Returns
    -------
    Family
        Its combinations may be fewer than there are, or none.

    Examples
    --------
    >>> from pkmodels.identifiability.nullspaces import null_space
    >>> def at(a, b):  # a (1 + b) is seen
    ...     rows = np.array([[[1 + b], [a]]])
    ...     return Point(101, np.array([a, b]), null_space(rows, 101))
    >>> points = [at(n * n + 2, 7 * n + 3) for n in range(1, 9)]
    >>> searched_family(points, sympy.symbols("a b"), (0, 1), ()).combinations
    (a*b + a,)
    """
    own = tuple(unknown[n] for n in members)
    others = tuple(unknown[n] for n in beside)
    freedom = sum(free in members for free in points[0].space.free)
    found: list[sympy.Expr] = []
    for terms in candidates(own, others):
        if len(found) == len(own) - freedom:
            break
        more = _invariant_sums(points, unknown, members, terms)
        found = independent_of([*found, *more], own, unknown, points[0])
    return Family(own, freedom, tuple(found))


def rank_of(rows: np.ndarray, prime: int) -> int:
    """Return the rank of rows modulo a prime.

    Parameters
    ----------
    rows : (n_rows, n_columns, n_powers) array of int64
        The matrix.
    prime : int
        The prime.

    Returns
    -------
    int

    Examples
    --------
    >>> rank_of(np.array([[[1], [2]], [[3], [6]]]), 101)
    1
    """
    return null_space(rows, prime).rank


def gradient(
    expression: sympy.Expr,
    own: Sequence[sympy.Symbol],
    unknown: tuple[sympy.Symbol, ...],
    point: Point,
) -> np.ndarray:
    """Return the derivatives of a sum of products of powers, modulo the prime.

    Parameters
    ----------
    expression : sympy expression
        The sum.
    own : sequence of symbol
        By which.
    unknown : tuple of symbol
        The symbols of the point's values.
    point : Point
        Where.

    Returns
    -------
    (n_own,) array of int64

    Examples
    --------
    >>> from pkmodels.identifiability.nullspaces import null_space
    >>> a, b = sympy.symbols("a b")
    >>> point = Point(101, np.array([2, 3]), null_space(np.zeros((1, 2, 1), int), 101))
    >>> gradient(a**2 * b + a, [a, b], (a, b), point).tolist()
    [13, 4]
    """
    prime = point.prime
    at = {s: int(v) for s, v in zip(unknown, point.values, strict=True)}
    found = dict.fromkeys(own, 0)
    for term in sympy.Add.make_args(expression):
        coefficient, product = term.as_coeff_Mul()
        number = Fraction(str(coefficient))
        scale = number.numerator * pow(number.denominator, -1, prime)
        powers = {s: int(n) for s, n in product.as_powers_dict().items()}
        value = scale
        for symbol, n in powers.items():
            value = value * pow(at[symbol], n, prime) % prime
        for symbol in found.keys() & powers.keys():
            slope = powers[symbol] * pow(at[symbol], -1, prime)
            found[symbol] = (found[symbol] + value * slope) % prime
    return np.array([found[s] for s in own], dtype=np.int64)


def _invariant_sums(
    points: Sequence[Point],
    unknown: tuple[sympy.Symbol, ...],
    members: tuple[int, ...],
    terms: list[sympy.Expr],
) -> list[sympy.Expr]:
    """Return sums c_i term_i whose gradient is normal to all null spaces."""
    own = [unknown[n] for n in members]
    rows = []
    for point in points:
        mine = [n for n, free in enumerate(point.space.free) if free in members]
        basis = point.space.basis[list(members)][:, mine]
        gradients = np.array([gradient(t, own, unknown, point) for t in terms])
        for direction in range(len(mine)):
            for power in range(basis.shape[2]):
                column = basis[:, direction, power]
                rows.append(
                    (gradients * column % point.prime).sum(axis=1) % point.prime
                )
    prime = points[0].prime
    # Simple terms last become free columns, so that each sum leads with one.
    space = null_space_of(np.array(rows)[:, ::-1], prime)
    sums = []
    for vector in space.T[:, ::-1]:
        numbers = [rational(int(v), prime) for v in vector]
        if all(v is not None for v in numbers):
            total = sympy.Add(
                *(
                    sympy.Rational(v.numerator, v.denominator) * t
                    for v, t in zip(numbers, terms, strict=True)
                    if v is not None
                )
            )
            sums.append(sympy.expand(total))
    return sorted(sums, key=lambda e: (len(sympy.Add.make_args(e)), sympy.count_ops(e)))


def null_space_of(rows: np.ndarray, prime: int) -> np.ndarray:
    """Return a basis of what plain rows take to 0, a column each.

    Parameters
    ----------
    rows : (n_rows, n_columns) array of int64
        The matrix.
    prime : int
        The prime.

    Returns
    -------
    (n_columns, n_columns - rank) array of int64

    Examples
    --------
    >>> null_space_of(np.array([[1, 100]]), 101).tolist()
    [[1], [1]]
    """
    return null_space(rows[..., None], prime).basis[..., 0]
