"""What of parameters that cannot be known can be, found and checked at further points.

Products of powers and sums are read off a null space that is the same everywhere; other
sums of products and of quotients are looked for. Every combination is then checked at
points and primes of its own, and where a family can be scaled or shifted unseen, that
is done by a random amount and every term of every output compared.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import sympy

from pkmodels.identifiability.combinations import (
    Family,
    Point,
    families,
    linear_family,
    scaling_family,
)
from pkmodels.identifiability.equations import Equations
from pkmodels.identifiability.field import draw_primes, power
from pkmodels.identifiability.matrices import Matrix, Task, draw_points, sensitivities
from pkmodels.identifiability.nullspaces import NullSpace, null_space
from pkmodels.identifiability.program import (
    OutOfTimeError,
    UndecidableError,
    compile_equations,
)
from pkmodels.identifiability.series import outputs_series
from pkmodels.identifiability.sums import (
    WIDEST,
    candidates,
    common_family,
    gradient,
    needed_points,
    searched_family,
)

# Points, each with its prime, at which every combination is checked again.
CHECKS = 2


def points_of(task: Task, matrix: Matrix, spaces: Sequence[NullSpace]) -> list[Point]:
    """Return the points whose rank is highest, with their null spaces.

    Parameters
    ----------
    task : Task
        Whose unknowns they are.
    matrix : Matrix
        At which points.
    spaces : sequence of NullSpace
        Of each.

    Returns
    -------
    list of Point

    Examples
    --------
    >>> x, k = sympy.symbols("x k")
    >>> task, rng = _example(x, {x: -k * x}, [k]), np.random.default_rng(1)
    >>> drawn = draw_points(task, rng, draw_primes(2, rng), powers=1)
    >>> found = sensitivities(task, drawn, 4)
    >>> spaces = [null_space(found.rows(n, 4), int(p))
    ...           for n, p in enumerate(drawn.primes)]
    >>> [point.space.rank for point in points_of(task, found, spaces)]
    [1, 1]
    """
    best = max(space.rank for space in spaces)
    found = []
    for n, space in enumerate(spaces):
        if space.rank == best:
            values = [matrix.points.values[s][n] for s in task.unknown]
            found.append(Point(int(matrix.points.primes[n]), np.array(values), space))
    return found


def find_families(
    task: Task,
    points: list[Point],
    rng: np.random.Generator,
    *,
    terms: int,
    powers: int,
) -> tuple[Family, ...]:
    """Return the families of parameters that cannot be known one by one.

    Parameters
    ----------
    task : Task
        The equations.
    points : list of Point
        Those of the answer, from `points_of`.
    rng : numpy.random.Generator
        Where further points are drawn from.
    terms, powers : int
        Terms of the series, and of the small time between doses.

    Returns
    -------
    tuple of Family
        Without combinations where none was found or none held; `not_looked_for` says
        why where time ran out.

    Examples
    --------
    >>> x, k, q = sympy.symbols("x k q")
    >>> task, rng = _example(x, {x: -k * q * x}, [k, q]), np.random.default_rng(1)
    >>> points = _further(task, rng, 3, 4, 1)
    >>> find_families(task, points, rng, terms=4, powers=1)[0].combinations
    (k*q,)
    """
    plain = []
    for members in families(points):
        own = tuple(task.unknown[n] for n in members)
        freedom = sum(free in members for free in points[0].space.free)
        plain.append((members, Family(own, freedom, ())))
    if any(point.space.free != points[0].space.free for point in points):
        reason = "the points differ in what is free; try another seed"
        return tuple(replace(f, not_looked_for=reason) for _, f in plain)
    try:
        further = _further(task, rng, CHECKS, terms, powers)
    except (OutOfTimeError, UndecidableError) as problem:
        reason = _reason(problem)
        return tuple(replace(f, not_looked_for=reason) for _, f in plain)
    found = []
    for members, family in plain:
        if family.freedom < len(members):
            family = _explored(task, points, further, members, rng, terms, powers)
        found.append(family)
    return tuple(found)


def _reason(problem: Exception) -> str:
    return "time ran out" if isinstance(problem, OutOfTimeError) else str(problem)


def _example(
    output: sympy.Symbol,
    derivatives: Mapping[sympy.Symbol, sympy.Expr],
    unknown: Sequence[sympy.Symbol],
) -> Task:
    """Return a small task for the examples here: every state starts at 1."""
    start = dict.fromkeys(derivatives, sympy.S.One)
    equations = Equations("example", derivatives, start, {"y": output})
    program = compile_equations(equations)
    return Task((equations,), (program,), tuple(unknown), math.inf)


def _further(
    task: Task,
    rng: np.random.Generator,
    count: int,
    terms: int,
    powers: int,
    prime: int | None = None,
) -> list[Point]:
    primes = (
        draw_primes(count, rng)
        if prime is None
        else np.full(count, prime, dtype=np.int64)
    )
    drawn = draw_points(task, rng, primes, powers=powers)
    matrix = sensitivities(task, drawn, terms)
    spaces = [null_space(matrix.rows(n, terms), int(p)) for n, p in enumerate(primes)]
    return points_of(task, matrix, spaces)


def _explored(
    task: Task,
    points: list[Point],
    further: list[Point],
    members: tuple[int, ...],
    rng: np.random.Generator,
    terms: int,
    powers: int,
) -> Family:
    for read in (scaling_family, linear_family):
        family = read(points, task.unknown, members)
        if family is None or not _holds(family, task.unknown, further):
            continue
        if not task.is_rational:
            return family
        try:
            if _is_unseen(task, family, rng, terms, powers):
                return replace(family, reparametrized=True)
        except OutOfTimeError:
            return family
    return _searched(task, points, further, members, rng, terms, powers)


def _holds(
    family: Family, unknown: tuple[sympy.Symbol, ...], points: Sequence[Point]
) -> bool:
    """Say whether no combination changes along any null direction at these points."""
    members = [unknown.index(s) for s in family.parameters]
    for point in points:
        basis = point.space.basis[members]
        for combination in family.combinations:
            slopes = gradient(combination, family.parameters, unknown, point)
            change = (slopes[:, None, None] * basis % point.prime).sum(axis=0)
            if (change % point.prime).any():
                return False
    return True


def _is_unseen(
    task: Task, family: Family, rng: np.random.Generator, terms: int, powers: int
) -> bool:
    """Change a family by a random amount and compare every term of every output."""
    for direction in family.directions:
        primes = draw_primes(1, rng)
        drawn = draw_points(task, rng, primes, powers=powers, derivatives=False)
        amount = rng.integers(2, primes - 1)
        values = {
            **drawn.values,
            **_moved(family, direction, drawn.values, amount, primes),
        }
        other = replace(drawn, values=values)
        for program, each in zip(task.programs, task.occasions, strict=True):
            one, _ = outputs_series(program, each, drawn, terms, task.deadline)
            two, _ = outputs_series(program, each, other, terms, task.deadline)
            if (one != two).any():
                return False
    return True


def _moved(
    family: Family,
    direction: Mapping[sympy.Symbol, Fraction],
    values: Mapping[sympy.Symbol, np.ndarray],
    amount: np.ndarray,
    primes: np.ndarray,
) -> dict[sympy.Symbol, np.ndarray]:
    """Return p c^w of a family that scales, p + c w of one that shifts."""
    whole = math.lcm(*(w.denominator for w in direction.values()))
    prime, found = int(primes[0]), {}
    for symbol, weight in direction.items():
        n = int(weight * whole)
        if family.scales:
            factor = power(amount, n % (prime - 1), primes)
            found[symbol] = values[symbol] * factor % primes
        else:
            found[symbol] = (values[symbol] + amount * n) % primes
    return found


def _searched(
    task: Task,
    points: list[Point],
    further: list[Point],
    members: tuple[int, ...],
    rng: np.random.Generator,
    terms: int,
    powers: int,
) -> Family:
    """Look for combinations at as many points as those take, if time allows."""
    freedom = sum(free in members for free in points[0].space.free)
    count = needed_points(len(members), freedom)
    found = Family(tuple(task.unknown[n] for n in members), freedom, ())
    try:
        prime = int(draw_primes(1, rng)[0])
        some = _further(task, rng, count, terms, powers, prime)
    except (OutOfTimeError, UndecidableError) as problem:
        return replace(found, not_looked_for=_reason(problem))
    if _are_alike(some, points, count):
        family = common_family(some, task.unknown, members)
        found = family if _holds(family, task.unknown, further) else found
    if found.complete or len(members) > WIDEST or task.has_doses_apart:
        return found
    fixed = np.all([point.space.fixed for point in points], axis=0)
    beside = tuple(int(n) for n in np.flatnonzero(fixed))
    if len(members) + len(beside) > WIDEST:
        beside = ()
    own = [task.unknown[n] for n in members]
    kinds = candidates(own, [task.unknown[n] for n in beside])
    count = needed_points(max(map(len, kinds)), 1)
    try:
        many = _further(task, rng, count, terms, 1, prime)
    except (OutOfTimeError, UndecidableError) as problem:
        return replace(found, not_looked_for=_reason(problem))
    if not _are_alike(many, points, count):
        return found
    family = searched_family(many, task.unknown, members, beside)
    return family if _holds(family, task.unknown, further) else found


def _are_alike(found: list[Point], points: list[Point], count: int) -> bool:
    free = points[0].space.free
    return len(found) == count and all(point.space.free == free for point in found)
