"""Values that hold a root of at most one quadratic equation, and their signs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sympy
from sympy.polys.rings import PolyElement, PolyRing

from pkmodels.analysis.polynomials import (
    Setting,
    TooLargeError,
    is_small,
    quotient,
    shared_factor,
)

# Terms of a value's numerator and denominator together, without and with a root.
SIZE_LIMIT = 2000
ROOT_SIZE_LIMIT = 300

# Values by position of their unknown, and what must be >= 0 for them.
Found = tuple[dict[int, sympy.Expr], tuple[sympy.Expr, ...]]


@dataclass(frozen=True)
class Root:
    """(plain + times sqrt(radicand)) / bottom.

    Parameters
    ----------
    plain, times, bottom : PolyElement
        The value; `times` is 0 where it holds no root.
    radicand : PolyElement
        What is under the root.
    """

    plain: PolyElement
    times: PolyElement
    bottom: PolyElement
    radicand: PolyElement

    def reduced(self) -> "Root":
        """Return the same without the common factor that is seen."""
        parts = [part for part in (self.plain, self.times) if part]
        shared = self.bottom
        for part in parts:
            shared = shared_factor(shared, part)
        limit = ROOT_SIZE_LIMIT if self.times else SIZE_LIMIT
        if sum(map(len, (self.plain, self.times, self.bottom))) > limit:
            raise TooLargeError("its values grow too large to write down")
        return Root(
            quotient(self.plain, shared),
            quotient(self.times, shared),
            quotient(self.bottom, shared),
            self.radicand,
        )

    def over(self, other: "Root") -> "Root":
        """Return the quotient, by the conjugate of the divisor."""
        if not other.times:
            plain, times = (p * other.bottom for p in (self.plain, self.times))
            bottom = self.bottom * other.plain
            return Root(plain, times, bottom, self.radicand).reduced()
        plain, times = self.scaled(other.plain, -other.times)
        norm = other.norm
        if not norm:
            raise TooLargeError("a denominator vanishes at one of two roots")
        bottom = self.bottom * norm
        plain, times = (part * other.bottom for part in (plain, times))
        return Root(plain, times, bottom, self.radicand).reduced()

    def scaled(
        self, plain: PolyElement, times: PolyElement
    ) -> tuple[PolyElement, PolyElement]:
        """Return the numerator's parts times plain + times sqrt(radicand)."""
        return (
            self.plain * plain + self.times * times * self.radicand,
            self.plain * times + self.times * plain,
        )

    @property
    def norm(self) -> PolyElement:
        """The value times its conjugate, times the denominator squared."""
        return self.plain**2 - self.times**2 * self.radicand


def root_of(
    ring: PolyRing, quadratic: tuple[int, PolyElement] | None
) -> dict[int, Root]:
    """Return the greater root of a quadratic equation, by the position of its unknown.

    x = (-b + sqrt(b^2 - 4 a c)) / (2 a)

    Parameters
    ----------
    ring : PolyRing
        The polynomials.
    quadratic : tuple of (int, PolyElement) or None
        Position of the unknown x and a x^2 + b x + c, which is 0.

    Returns
    -------
    dict of int to Root
        Empty where there is no equation.

    Examples
    --------
    >>> from sympy import ZZ
    >>> from sympy.polys.rings import ring
    >>> polynomials, x, a = ring("x, a", ZZ)
    >>> root_of(polynomials, (0, x**2 - 3 * x + a))[0].radicand
    -4*a + 9
    """
    if quadratic is None:
        return {}
    position, equation = quadratic
    lead, linear, constant = (equation.coeff_wrt(position, n) for n in (2, 1, 0))
    radicand = linear**2 - 4 * lead * constant
    return {position: Root(-linear, ring.one, 2 * lead, radicand).reduced()}


def evaluate(polynomial: PolyElement, roots: Mapping[int, Root]) -> Root:
    """Return a polynomial with the root put in for its symbol.

    Parameters
    ----------
    polynomial : PolyElement
        The polynomial.
    roots : mapping of int to Root
        The root by the position of its symbol, as `root_of` makes it.

    Returns
    -------
    Root

    Raises
    ------
    TooLargeError
        When the value passes `SIZE_LIMIT`.

    Examples
    --------
    >>> from sympy import ZZ
    >>> from sympy.polys.rings import ring
    >>> polynomials, x, a = ring("x, a", ZZ)
    >>> roots = root_of(polynomials, (0, x**2 - a))
    >>> evaluate(x**2 + 1, roots).plain
    a + 1
    """
    ring: Any = polynomial.ring
    if not roots:
        return Root(polynomial, ring.zero, ring.one, ring.zero)
    ((position, root),) = roots.items()
    degree = max(0, int(polynomial.degree(position))) if polynomial else 0
    plain, times, bottom = ring.zero, ring.zero, ring.one
    for power in reversed(range(degree + 1)):
        value = Root(plain, times, bottom, root.radicand).reduced()
        plain, times = value.scaled(root.plain, root.times)
        bottom = value.bottom * root.bottom
        plain += polynomial.coeff_wrt(position, power) * bottom
    return Root(plain, times, bottom, root.radicand).reduced()


def select(values: Mapping[int, Root], setting: Setting) -> list[Found]:
    """Return the values that can be non-negative, once for each root that allows it.

    y = u + w sqrt(D), for the two signs of w, is judged by the signs of u, w and
    u^2 - w^2 D, for positive parameters.

    Parameters
    ----------
    values : mapping of int to Root
        Values by the position of their unknown, all with one radicand.
    setting : Setting
        The ring and its symbols.

    Returns
    -------
    list of (dict of int to sympy expression, tuple of sympy expression)
        The values, and what must be >= 0 for them to be non-negative.

    Examples
    --------
    >>> from sympy import ZZ
    >>> from sympy.polys.rings import ring
    >>> polynomials, x, a = ring("x, a", ZZ)
    >>> values = root_of(polynomials, (0, x**2 + x - a))
    >>> select(values, Setting(polynomials, frozenset({0})))
    [({0: sqrt(4*a + 1)/2 - 1/2}, ())]
    """
    with_root = [value for value in values.values() if value.times]
    if not with_root:
        return _judged(values, 1, setting)
    radicand = with_root[0].radicand
    inside = setting.sign(radicand) if radicand else 1
    if inside == -1:
        return []
    # Where one of the two is negative, both are real.
    real = inside == 1 or any(setting.sign(value.norm) == -1 for value in with_root)
    conditions = () if real else (_factored(radicand),)
    return [
        (found, (*conditions, *more))
        for root in (1, -1)
        for found, more in _judged(values, root, setting)
    ]


def _judged(values: Mapping[int, Root], root: int, setting: Setting) -> list[Found]:
    found, where = {}, []
    for position, value in values.items():
        found[position] = _expression(value, root)
        sign = _sign(value, root, setting)
        if sign == -1 and not _free(found[position], setting):
            return []
        if sign != 1 and found[position] != 0:
            where.append(found[position])
    return [(found, tuple(where))]


def _sign(value: Root, root: int, setting: Setting) -> int:
    """Return 1 or -1 where the value certainly has that sign, otherwise 0."""
    bottom = setting.sign(value.bottom)
    plain = bottom * setting.sign(value.plain) if value.plain else 0
    if not value.times:
        return plain
    times = bottom * root * setting.sign(value.times)
    norm = setting.sign(value.norm) if value.norm else 0
    if plain and norm == 1:
        return plain
    if times and (norm == -1 or plain == times or not value.plain):
        return times
    return 0


def _free(expression: sympy.Expr, setting: Setting) -> bool:
    """Whether it holds an undetermined unknown, which may be 0."""
    unknown = {setting.ring.symbols[i] for i in setting.unknown}
    return bool(expression.free_symbols & unknown)


def _factored(polynomial: PolyElement) -> Any:
    whole: Any = polynomial.as_expr()
    return sympy.factor(whole) if is_small(polynomial) else sympy.factor_terms(whole)


def _expression(value: Root, root: int) -> sympy.Expr:
    plain, times, bottom = value.plain, root * value.times, value.bottom
    counts = [*plain.values(), *times.values()]
    if bottom.LC < 0 or (counts and all(count < 0 for count in counts)):
        plain, times, bottom = -plain, -times, -bottom
    if not times:
        return _factored(plain) / _factored(bottom)
    rooted = _factored(times) * sympy.sqrt(_factored(value.radicand))
    return (_factored(plain) + rooted) / _factored(bottom)
