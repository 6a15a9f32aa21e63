"""Exact non-negative solutions of small polynomial systems, by elimination.

Written for steady states: sparse systems of low degree whose unknowns are not
negative and whose other symbols are positive.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from sympy.polys.rings import PolyElement

from pkmodels.analysis.polynomials import (
    Setting,
    TooLargeError,
    Work,
    is_small,
    may_divide,
    monomial_factor,
    quotient,
    shared_factor,
    symbols_of,
)

# Cases that one search may tell apart.
BRANCH_LIMIT = 200


@dataclass(frozen=True)
class Branch:
    """One case of the search: what is solved, and what is left to solve.

    Parameters
    ----------
    equations : tuple of PolyElement
        What must still be 0.
    nonzero : tuple of PolyElement
        What is not 0 in this case.
    solved : tuple of (int, PolyElement, PolyElement)
        Position of an unknown with the numerator and denominator of its value, in
        unknowns that are not solved.
    quadratic : tuple of (int, PolyElement) or None
        The last unknown and its equation, where that is of second degree.
    """

    equations: tuple[PolyElement, ...]
    nonzero: tuple[PolyElement, ...] = ()
    solved: tuple[tuple[int, PolyElement, PolyElement], ...] = ()
    quadratic: tuple[int, PolyElement] | None = None


def solve_polynomials(
    equations: Iterable[PolyElement], setting: Setting
) -> tuple[Branch, ...]:
    """Return every case in which all equations hold.

    Each case is reached by equivalences: a factor is 0; a sum of terms of one sign
    is 0 where each is; an unknown x of c x + r = 0 is -r/c where c is not 0.

    Parameters
    ----------
    equations : iterable of PolyElement
        What must be 0.
    setting : Setting
        The ring and its symbols.

    Returns
    -------
    tuple of Branch
        None where the equations contradict each other. Values may still be
        negative.

    Raises
    ------
    TooLargeError
        Past the limits, or where neither a linear nor one quadratic equation is
        left.

    Examples
    --------
    >>> from sympy import ZZ
    >>> from sympy.polys.rings import ring
    >>> polynomials, x, y, a = ring("x, y, a", ZZ)
    >>> setting = Setting(polynomials, frozenset({0, 1}))
    >>> (branch,) = solve_polynomials([x * y - a * x, x + y - 2 * a, x - a], setting)
    >>> sorted((position, str(top)) for position, top, _ in branch.solved)
    [(0, 'a'), (1, 'a')]
    """
    pending, done, work, seen = [Branch(tuple(equations))], [], Work(setting), 0
    while pending:
        branch = pending.pop()
        seen += 1
        if seen > BRANCH_LIMIT:
            raise TooLargeError(f"more than {BRANCH_LIMIT} cases to tell apart")
        finished = False
        while not finished:
            cases = _split_cases(branch, setting, work)
            if len(cases) != 1:
                pending += cases
                break
            branch = cases[0]
            choice = _choose(branch, setting)
            if choice is None:
                done += _finished(branch, setting, work)
                finished = True
                continue
            branch, other = _eliminated(branch, choice, setting, work)
            pending += other
    return tuple(done)


def _split_cases(branch: Branch, setting: Setting, work: Work) -> list[Branch]:
    """The branch tidied: none where it contradicts itself, several where it splits."""
    if any(not polynomial for polynomial in branch.nonzero):
        return []
    single: dict[PolyElement, None] = {}
    several: list[list[PolyElement]] = []
    pending = list(branch.equations)
    while pending:
        polynomial = pending.pop()
        if not polynomial:
            continue
        parts = _factors(polynomial, branch.nonzero, setting, work)
        if not parts:
            return []
        if len(parts) > 1:
            several.append(parts)
        elif setting.sign(parts[0]) and len(parts[0]) > 1:
            pending += _terms(parts[0], setting)
        else:
            single.setdefault(parts[0])
    # A product with a factor that is 0 anyway says nothing more.
    several = [parts for parts in several if not any(part in single for part in parts)]
    if not several:
        return [replace(branch, equations=tuple(single))]
    several.sort(key=len)
    rest = [_product(parts, setting) for parts in several[1:]]
    return [
        replace(
            branch,
            equations=(*single, *rest, part),
            nonzero=(*branch.nonzero, *several[0][:i]),
        )
        for i, part in enumerate(several[0])
    ]


def _product(parts: list[PolyElement], setting: Setting) -> PolyElement:
    result = setting.ring.one
    for part in parts:
        result = result * part
    return result


def _terms(polynomial: PolyElement, setting: Setting) -> list[PolyElement]:
    """Products of unknowns that are all 0 where a sum of one sign is."""
    found = set()
    for powers in polynomial:
        found.add(frozenset(i for i in setting.unknown if powers[i]))
    least = [term for term in found if not any(other < term for other in found)]
    return [
        _product([setting.ring.gens[i] for i in sorted(term)], setting)
        for term in sorted(least, key=sorted)
    ]


def _factors(
    polynomial: PolyElement,
    nonzero: tuple[PolyElement, ...],
    setting: Setting,
    work: Work,
) -> list[PolyElement]:
    """Distinct factors that could be 0, without powers."""
    term = monomial_factor([polynomial], setting.ring)
    found = [setting.ring.gens[i] for i in sorted(setting.unknowns(term))]
    rest = quotient(polynomial, term)
    for divisor in nonzero:
        rest = _divided([rest], divisor, work)[0]
    work.spend(len(rest))
    found += _irreducible(rest, setting)
    signed = [-part if part.LC < 0 else part for part in found]
    return [
        part
        for part in dict.fromkeys(signed)
        if not setting.never_zero(part) and part not in nonzero
    ]


def _divided(
    wholes: list[PolyElement], divisor: PolyElement, work: Work
) -> list[PolyElement]:
    """All divided by one of them all, as often as they can be."""
    while all(not whole or may_divide(divisor, whole) for whole in wholes):
        work.spend(len(divisor) * sum(map(len, wholes)))
        pairs: list[Any] = [whole.div(divisor) for whole in wholes]
        if any(remainder for _, remainder in pairs) or not any(wholes):
            break
        wholes = [divided for divided, _ in pairs]
    return wholes


def _irreducible(polynomial: PolyElement, setting: Setting) -> list[PolyElement]:
    unknowns = setting.unknowns(polynomial)
    if not unknowns:
        return []
    for position in sorted(unknowns):
        if polynomial.degree(position) != 1:
            continue
        slope, rest = (
            polynomial.coeff_wrt(position, 1),
            polynomial.coeff_wrt(position, 0),
        )
        if not setting.unknowns(slope) or not rest:
            return [polynomial]
        shared = shared_factor(slope, rest)
        return [*_irreducible(shared, setting), quotient(polynomial, shared)]
    if not is_small(polynomial):
        return [polynomial]
    return [factor for factor, _ in polynomial.factor_list()[1]]


@dataclass(frozen=True)
class _Choice:
    position: int
    equation: PolyElement
    slope: PolyElement
    rest: PolyElement


def _choose(branch: Branch, setting: Setting) -> _Choice | None:
    """The linear unknown that is cheapest to eliminate."""
    uses = Counter(i for p in branch.equations for i in setting.unknowns(p))
    best: tuple[Any, ...] | None = None
    chosen = None
    for polynomial in branch.equations:
        for i in sorted(setting.unknowns(polynomial)):
            if polynomial.degree(i) != 1:
                continue
            slope, rest = polynomial.coeff_wrt(i, 1), polynomial.coeff_wrt(i, 0)
            splits = not (setting.never_zero(slope) or slope in branch.nonzero)
            score = (splits, len(polynomial) * (uses[i] - 1), len(polynomial), i)
            if best is None or score < best:
                best, chosen = score, _Choice(i, polynomial, slope, rest)
    return chosen


def _eliminated(
    branch: Branch, choice: _Choice, setting: Setting, work: Work
) -> tuple[Branch, list[Branch]]:
    equations = [p for p in branch.equations if p is not choice.equation]
    other = []
    divisors = branch.nonzero
    if not (setting.never_zero(choice.slope) or choice.slope in branch.nonzero):
        other.append(replace(branch, equations=(*equations, choice.slope, choice.rest)))
    if len(choice.slope) > 1 or setting.unknowns(choice.slope):
        divisors = (*divisors, choice.slope)
    solved = [
        _value(position, [top, bottom], choice, branch.nonzero, work)
        for position, top, bottom in branch.solved
    ]
    solved.append((choice.position, -choice.rest, choice.slope))
    branch = replace(
        branch,
        equations=tuple(_substituted([p], choice, work)[0] for p in equations),
        nonzero=tuple(_substituted([p], choice, work)[0] for p in divisors),
        solved=tuple(solved),
    )
    return branch, other


def _value(
    position: int,
    parts: list[PolyElement],
    choice: _Choice,
    nonzero: tuple[PolyElement, ...],
    work: Work,
) -> tuple[int, PolyElement, PolyElement]:
    if choice.position in symbols_of(*parts):
        # As in elimination without fractions, earlier pivots divide what is formed.
        parts = _substituted(parts, choice, work)
        for divisor in nonzero:
            parts = _divided(parts, divisor, work)
        if all(parts):
            shared = shared_factor(*parts)
            parts = [quotient(part, shared) for part in parts]
    return position, parts[0], parts[1]


def _substituted(
    polynomials: list[PolyElement], choice: _Choice, work: Work
) -> list[PolyElement]:
    """Numerators over one denominator after x = -rest / slope, by Horner's scheme."""
    # The degree of 0 is minus infinity.
    degree = max(0, *(int(p.degree(choice.position)) if p else 0 for p in polynomials))
    if degree == 0:
        return polynomials
    size = max(len(choice.slope), len(choice.rest))
    found = []
    for polynomial in polynomials:
        work.spend(len(polynomial) * size**degree)
        scale = polynomial.ring.one
        result = polynomial.coeff_wrt(choice.position, degree)
        for power in reversed(range(degree)):
            scale = scale * choice.slope
            term = polynomial.coeff_wrt(choice.position, power)
            result = term * scale - choice.rest * result
        found.append(result)
    return found


def _finished(branch: Branch, setting: Setting, work: Work) -> Iterator[Branch]:
    """The branch once no unknown is linear; nothing where it contradicts itself."""
    if not branch.equations:
        yield branch
        return
    unknowns = {i for p in branch.equations for i in setting.unknowns(p)}
    left, *others = branch.equations
    if len(unknowns) == 1 and all(is_small(left, other) for other in others):
        for other in others:
            left: Any = left.gcd(other)
        others = []
        if not setting.unknowns(left):
            return
    degree = max(left.degree(i) for i in unknowns)
    if others or len(unknowns) > 1 or degree > 2:
        names = ", ".join(str(setting.ring.symbols[i]) for i in sorted(unknowns))
        raise TooLargeError(
            f"{1 + len(others)} equation(s) of degree {degree} in {names} remain"
        )
    position = unknowns.pop()
    if degree == 2:
        yield replace(branch, equations=(), quadratic=(position, left))
        return
    slope, rest = left.coeff_wrt(position, 1), left.coeff_wrt(position, 0)
    choice = _Choice(position, left, slope, rest)
    yield _eliminated(replace(branch, equations=()), choice, setting, work)[0]
