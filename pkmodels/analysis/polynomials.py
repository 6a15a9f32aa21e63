"""Polynomials in unknowns >= 0 and positive parameters: signs and common factors.

Work is bounded by the sizes of the polynomials, never by a clock, so that an answer
does not depend on the machine.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import gcd
from typing import Any

from sympy.polys.rings import PolyElement, PolyRing

# Steps on single powers in terms that one search may take: about a second.
WORK_LIMIT = 4_000_000
# Symbols and terms up to which polynomials are factored: milliseconds.
SYMBOL_LIMIT = 8
FACTOR_LIMIT = 24


class TooLargeError(Exception):
    """The search passed a limit, or met an equation that it cannot solve."""


@dataclass(frozen=True)
class Setting:
    """What the symbols of a ring of polynomials stand for.

    Parameters
    ----------
    ring : PolyRing
        Polynomials with whole coefficients.
    unknown : frozenset of int
        Positions of the generators to solve for, all >= 0.
    signless : frozenset of int
        Positions of those that may have either sign; all others are positive.
    """

    ring: PolyRing
    unknown: frozenset[int]
    signless: frozenset[int] = frozenset()

    def unknowns(self, polynomial: PolyElement) -> set[int]:
        """Return which unknowns a polynomial holds."""
        return symbols_of(polynomial) & self.unknown

    def sign(self, polynomial: PolyElement) -> int:
        """Return 1 or -1 where all terms have that sign, otherwise 0."""
        signs = {1 if value > 0 else -1 for value in polynomial.values()}
        if len(signs) != 1 or symbols_of(polynomial) & self.signless:
            return 0
        return signs.pop()

    def never_zero(self, polynomial: PolyElement) -> bool:
        """Whether no non-negative unknowns make it 0, for parameters in general."""
        if not polynomial:
            return False
        without = (not any(powers[i] for i in self.unknown) for powers in polynomial)
        return not self.unknowns(polynomial) or (
            self.sign(polynomial) != 0 and any(without)
        )


class Work:
    """What one search has done so far: counted, since it must be bounded."""

    def __init__(self, setting: Setting) -> None:
        """Start at nothing."""
        self.done, self.step = 0, setting.ring.ngens

    def spend(self, terms: int) -> None:
        """Count steps on terms, and stop the search past `WORK_LIMIT`."""
        self.done += terms * self.step
        if self.done > WORK_LIMIT:
            raise TooLargeError("its equations grow too large to eliminate")


def symbols_of(*polynomials: PolyElement) -> set[int]:
    """Return the positions of the symbols that polynomials hold.

    Parameters
    ----------
    *polynomials : PolyElement
        The polynomials.

    Returns
    -------
    set of int

    Examples
    --------
    >>> from sympy import ZZ
    >>> from sympy.polys.rings import ring
    >>> _, x, y, z = ring("x, y, z", ZZ)
    >>> symbols_of(x * z + 1)
    {0, 2}
    """
    found: set[int] = set()
    for polynomial in polynomials:
        for powers in polynomial:
            found.update(i for i, power in enumerate(powers) if power)
    return found


def is_small(*polynomials: PolyElement) -> bool:
    """Return whether polynomials may be factored within the limits.

    Parameters
    ----------
    *polynomials : PolyElement
        The polynomials.

    Returns
    -------
    bool

    Examples
    --------
    >>> from sympy import ZZ
    >>> from sympy.polys.rings import ring
    >>> _, x, y = ring("x, y", ZZ)
    >>> is_small(x + y), is_small((x + y) ** 30)
    (True, False)
    """
    terms = all(len(polynomial) <= FACTOR_LIMIT for polynomial in polynomials)
    return terms and len(symbols_of(*polynomials)) <= SYMBOL_LIMIT


def monomial_factor(polynomials: Iterable[PolyElement], ring: PolyRing) -> PolyElement:
    """Return the largest single term that divides all polynomials.

    Parameters
    ----------
    polynomials : iterable of PolyElement
        Not 0.
    ring : PolyRing
        Their ring.

    Returns
    -------
    PolyElement

    Examples
    --------
    >>> from sympy import ZZ
    >>> from sympy.polys.rings import ring
    >>> polynomials, x, y = ring("x, y", ZZ)
    >>> monomial_factor([4 * x**2 * y + 2 * x, 6 * x * y], polynomials)
    2*x
    """
    kept = list(polynomials)
    powers = map(min, zip(*(p for whole in kept for p in whole), strict=True))
    content = gcd(*(int(count) for whole in kept for count in whole.values()))
    return ring.term_new(tuple(powers), ring.domain(content))


def shared_factor(first: PolyElement, second: PolyElement) -> PolyElement:
    """Return a common factor: the greatest where the polynomials are small.

    Otherwise only a single term, or one of the two where it divides the other.

    Parameters
    ----------
    first, second : PolyElement
        Not 0.

    Returns
    -------
    PolyElement

    Examples
    --------
    >>> from sympy import ZZ
    >>> from sympy.polys.rings import ring
    >>> _, x, y = ring("x, y", ZZ)
    >>> shared_factor(x**2 - y**2, 2 * x * y - 2 * y**2)
    x - y
    """
    ring: Any = first.ring
    term = monomial_factor([first, second], ring)
    less, more = (quotient(p, term) for p in sorted((first, second), key=len))
    if len(less) == 1:
        return term
    if is_small(less, more):
        return term * less.gcd(more)
    if may_divide(less, more) and not more.rem([less]):
        return term * less
    return term


def may_divide(divisor: PolyElement, whole: PolyElement) -> bool:
    """Return whether trying to divide is worth it: a sum, without too high a power.

    Parameters
    ----------
    divisor, whole : PolyElement
        Not 0.

    Returns
    -------
    bool

    Examples
    --------
    >>> from sympy import ZZ
    >>> from sympy.polys.rings import ring
    >>> _, x, y = ring("x, y", ZZ)
    >>> may_divide(x + y, x**2 - y**2), may_divide(x, x**2), may_divide(x + y, x)
    (True, False, False)
    """
    if not 1 < len(divisor) <= len(whole):
        return False
    held = symbols_of(divisor)
    return all(divisor.degree(i) <= whole.degree(i) for i in held)


def quotient(whole: PolyElement, divisor: PolyElement) -> PolyElement:
    """Return a polynomial divided by one that divides it.

    Parameters
    ----------
    whole, divisor : PolyElement
        The second divides the first.

    Returns
    -------
    PolyElement

    Examples
    --------
    >>> from sympy import ZZ
    >>> from sympy.polys.rings import ring
    >>> _, x, y = ring("x, y", ZZ)
    >>> quotient(x**2 - y**2, x + y)
    x - y
    """
    result: Any = whole.exquo(divisor)
    return result
