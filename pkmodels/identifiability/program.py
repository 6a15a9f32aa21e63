"""Expressions as straight-line programs on constants and on power series in time."""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy

from pkmodels.identifiability.degrees import Degrees
from pkmodels.identifiability.equations import Equations


class UndecidableError(Exception):
    """Why an exact answer cannot be had: the reason of an undecided result."""


class OutOfTimeError(Exception):
    """The time allowed is over."""


def check_time(deadline: float) -> None:
    """Stop where the time allowed is over.

    Parameters
    ----------
    deadline : float
        By `time.monotonic`.

    Raises
    ------
    OutOfTimeError
        When it has passed.

    Examples
    --------
    >>> check_time(math.inf)
    """
    if time.monotonic() > deadline:
        raise OutOfTimeError


@dataclass(frozen=True)
class Program:
    """Steps that compute constants, then the terms of series one after another.

    Parameters
    ----------
    constants : tuple of tuple
        Steps: ``("symbol", s)``, ``("number", Fraction)``, ``("named", name)``,
        ``("sum", ids)``, ``("product", ids)``, ``("inverse", id)``, ``("exp", id)``,
        ``("log", id)``, ``("root", id, degree)``.
    series : tuple of tuple
        Steps: ``("state", n)``, ``("affine", ((constant, series), ...), constant or
        None)``, ``("product", a, b)``, ``("quotient", a, b)``, ``("log", a)``,
        ``("exp", a, root)``: root is None, or (series, numerator, denominator) of the
        power that it is.
    levels : tuple of int
        Of each series: one more than the highest of those that it is made of.
    derivatives, outputs, predicted : tuple of int
        Series of each.
    start : tuple of int
        Constant of each state.
    added, given : tuple of mapping
        For each stretch, constants by state and by symbol.
    degree, output_degree : int
        Bounds of numerator plus denominator of the derivatives and of the outputs.
    """

    constants: tuple[tuple[Any, ...], ...]
    series: tuple[tuple[Any, ...], ...]
    levels: tuple[int, ...]
    derivatives: tuple[int, ...]
    outputs: tuple[int, ...]
    predicted: tuple[int, ...]
    start: tuple[int, ...]
    added: tuple[Mapping[int, int], ...]
    given: tuple[Mapping[sympy.Symbol, int], ...]
    degree: int
    output_degree: int


class _Builder:
    """Steps found so far; equal expressions become one step."""

    def __init__(self, states: Sequence[sympy.Symbol], deadline: float) -> None:
        self.deadline = deadline
        self.states = frozenset(states)
        self.constants: list[tuple[Any, ...]] = []
        self.series: list[tuple[Any, ...]] = []
        self.levels: list[int] = []
        self._known: dict[tuple[Any, ...], int] = {}
        self._constant_of: dict[sympy.Basic, int] = {}
        self._series_of: dict[sympy.Basic, int] = {}
        for n, state in enumerate(states):
            self._series_of[state] = self._step(("state", n))

    def _constant(self, *step: Any) -> int:
        key = ("constant", *step)
        if key not in self._known:
            self._known[key] = len(self.constants)
            self.constants.append(step)
        return self._known[key]

    def _step(self, step: tuple[Any, ...]) -> int:
        key = ("series", *step)
        if key not in self._known:
            self._known[key] = len(self.series)
            self.series.append(step)
            below = [self.levels[a] for a in sources(step)]
            self.levels.append(1 + max(below, default=-1))
        return self._known[key]

    def is_constant(self, expression: sympy.Basic) -> bool:
        return self.states.isdisjoint(expression.free_symbols)

    def constant(self, expression: Any) -> int:
        expression = sympy.sympify(expression)
        if expression not in self._constant_of:
            check_time(self.deadline)
            self._constant_of[expression] = self._make_constant(expression)
        return self._constant_of[expression]

    def _make_constant(self, e: Any) -> int:
        if isinstance(e, sympy.Symbol):
            return self._constant("symbol", e)
        if isinstance(e, sympy.Rational | sympy.Float):
            value = Fraction(float(e) if e.is_Float else str(e))
            return self._constant("number", value)
        if isinstance(e, sympy.NumberSymbol):
            return self._constant("named", str(e))
        if e.is_Add:
            return self._constant("sum", tuple(self.constant(a) for a in e.args))
        if e.is_Mul:
            return self._constant("product", tuple(self.constant(a) for a in e.args))
        if not e.free_symbols and not e.is_Rational and _is_transcendental(e):
            return self._constant("named", str(e))
        if isinstance(e, sympy.exp):
            return self._constant("exp", self.constant(e.args[0]))
        if isinstance(e, sympy.log):
            return self._constant("log", self.constant(e.args[0]))
        if e.is_Pow:
            return self._constant_power(*e.args)
        raise _refused(e)

    def _constant_power(self, base: Any, exponent: Any) -> int:
        if not exponent.is_Rational:
            return self._constant("exp", self.constant(exponent * sympy.log(base)))
        step = self.constant(base)
        if exponent.q != 1:
            step = self._constant("root", step, int(exponent.q))
        step = self._constant("product", (step,) * abs(int(exponent.p)))
        return self._constant("inverse", step) if exponent.p < 0 else step

    def series_step(self, expression: Any) -> int:
        expression = sympy.sympify(expression)
        if expression not in self._series_of:
            check_time(self.deadline)
            self._series_of[expression] = self._make_series(expression)
        return self._series_of[expression]

    def _make_series(self, e: Any) -> int:
        if self.is_constant(e):
            return self._step(("affine", (), self.constant(e)))
        if e.is_Add:
            still = sympy.Add(*(a for a in e.args if self.is_constant(a)))
            moving = [self._term(a) for a in e.args if not self.is_constant(a)]
            offset = None if still == 0 else self.constant(still)
            return self._step(("affine", tuple(moving), offset))
        if e.is_Mul:
            coefficient, core = self._term(e)
            if coefficient == self.constant(1):
                return core
            return self._step(("affine", ((coefficient, core),), None))
        if isinstance(e, sympy.exp):
            return self._step(("exp", self.series_step(e.args[0]), None))
        if isinstance(e, sympy.log):
            return self._step(("log", self.series_step(e.args[0])))
        if e.is_Pow:
            return self._series_power(*e.args)
        raise _refused(e)

    def _term(self, e: Any) -> tuple[int, int]:
        """Split off what is constant."""
        factors = sympy.Mul.make_args(e)
        still = [f for f in factors if self.is_constant(f)]
        moving = [f for f in factors if not self.is_constant(f)]
        above: list[int] = []
        below: list[int] = []
        for factor in moving:
            base, exponent = factor.as_base_exp()
            if factor.is_Pow and exponent.is_Integer and exponent < 0:
                below.append(self._integer_power(base, -int(exponent)))
            else:
                above.append(self.series_step(factor))
        core = self._product(above) if above else self.series_step(sympy.S.One)
        if below:
            core = self._step(("quotient", core, self._product(below)))
        return self.constant(sympy.Mul(*still)), core

    def _product(self, steps: Iterable[int]) -> int:
        left = sorted(steps)
        while len(left) > 1:
            one, other, *rest = left
            left = [*rest, self._step(("product", one, other))]
        return left[0]

    def _integer_power(self, base: Any, exponent: int) -> int:
        return self._product([self.series_step(base)] * exponent)

    def _series_power(self, base: Any, exponent: Any) -> int:
        if exponent.is_Integer and exponent > 0:
            return self._integer_power(base, int(exponent))
        if exponent.is_Integer:
            below = self._integer_power(base, -int(exponent))
            return self._step(("quotient", self.series_step(sympy.S.One), below))
        argument = self.series_step(exponent * sympy.log(base))
        root = None
        if exponent.is_Rational:
            root = (self.series_step(base), int(exponent.p), int(exponent.q))
        return self._step(("exp", argument, root))


def sources(step: tuple[Any, ...]) -> tuple[int, ...]:
    """Return the series that a step of a `Program` is made of.

    Parameters
    ----------
    step : tuple
        The step.

    Returns
    -------
    tuple of int

    Examples
    --------
    >>> sources(("quotient", 3, 4)), sources(("exp", 5, (2, 1, 3)))
    ((3, 4), (5, 2))
    """
    kind = step[0]
    if kind == "affine":
        return tuple(source for _, source in step[1])
    if kind == "exp":
        return (step[1], *(() if step[2] is None else step[2][:1]))
    return tuple(step[1:]) if kind in ("product", "quotient", "log") else ()


def _is_transcendental(e: Any) -> bool:
    """Say whether a number is taken as independent of all others, as ln 2 is."""
    power = e.is_Pow and not e.args[1].is_Rational
    return power or isinstance(e, sympy.exp | sympy.log)


def _refused(expression: sympy.Basic) -> UndecidableError:
    kind = type(expression).__name__
    return UndecidableError(
        f"{expression} is a {kind}, which has no exact power series here"
    )


def compile_equations(equations: Equations, deadline: float = math.inf) -> Program:
    """Turn equations into a program.

    Powers with exponents that are no integers are exponentials of logarithms, whose
    terms follow from c' = c a' and a c' = a': extra states, as it were.

    Parameters
    ----------
    equations : Equations
        The equations.
    deadline : float
        By `time.monotonic`.

    Returns
    -------
    Program

    Raises
    ------
    UndecidableError
        When an expression holds a function that has no such series, or exponentials
        or logarithms are related.
    OutOfTimeError
        When the deadline has passed.

    Examples
    --------
    >>> x, k = sympy.symbols("x k")
    >>> washout = Equations("one", {x: -k * x}, {x: sympy.S.One}, {"x": x})
    >>> compile_equations(washout).series
    (('state', 0), ('affine', ((2, 0),), None))
    """
    states = tuple(equations.derivatives)
    builder = _Builder(states, deadline)
    found = {
        "derivatives": tuple(map(builder.series_step, equations.derivatives.values())),
        "outputs": tuple(map(builder.series_step, equations.outputs.values())),
        "predicted": tuple(map(builder.series_step, equations.predicted.values())),
    }
    start = tuple(builder.constant(equations.start.get(s, 0)) for s in states)
    place = {state: n for n, state in enumerate(states)}
    for stretch in equations.stretches:
        for e in (*stretch.added.values(), *stretch.given.values()):
            if not builder.is_constant(sympy.sympify(e)):
                raise UndecidableError(f"{e} of a dose is not constant")
    added = tuple(
        {place[s]: builder.constant(e) for s, e in stretch.added.items()}
        for stretch in equations.stretches
    )
    given = tuple(
        {s: builder.constant(e) for s, e in stretch.given.items()}
        for stretch in equations.stretches
    )
    _refuse_related(equations)
    degrees = Degrees(builder.constants, builder.series)
    shown = (*found["outputs"], *found["predicted"])
    entering = [c for part in (*added, *given) for c in part.values()]
    begins = max((degrees.of_constant(c) for c in (*start, *entering)), default=1)
    return Program(
        constants=tuple(builder.constants),
        series=tuple(builder.series),
        levels=tuple(builder.levels),
        start=start,
        added=added,
        given=given,
        degree=degrees.of_series(found["derivatives"]) * max(begins, 1),
        output_degree=degrees.of_series(shown) * max(begins, 1),
        **found,
    )


def _refuse_related(equations: Equations) -> None:
    """Refuse exponentials or logarithms that are related in an obvious way.

    Their values at a point are taken as independent. Arguments of exponentials that
    are rational multiples of one another, and of logarithms whose products of powers
    are 1, show that they are not; relations that lie deeper are not looked for.
    """
    expressions = [
        *equations.derivatives.values(),
        *equations.start.values(),
        *equations.outputs.values(),
        *equations.predicted.values(),
        *(e for s in equations.stretches for e in s.added.values()),
        *(e for s in equations.stretches for e in s.given.values()),
    ]
    exponents: dict[sympy.Expr, None] = {}
    logs: dict[sympy.Expr, None] = {}
    for expression in map(sympy.sympify, expressions):
        for e in expression.atoms(sympy.exp):
            exponents.setdefault(sympy.expand(e.args[0]))
        for e in expression.atoms(sympy.Pow):
            base, exponent = e.args
            if not exponent.is_Rational:
                argument = exponent * sympy.expand_log(sympy.log(base), force=True)
                exponents.setdefault(sympy.expand(argument))
        for e in expression.atoms(sympy.log):
            logs.setdefault(e.args[0])
    rows = [argument.as_coefficients_dict() for argument in exponents]
    if _are_related(rows):
        raise UndecidableError(
            f"the exponentials of {', '.join(map(str, exponents))} are powers of one "
            "another, which the exact values do not know"
        )
    if _are_related([_factors(argument) for argument in logs]):
        raise UndecidableError(
            f"the logarithms of {', '.join(map(str, logs))} are sums of one another, "
            "which the exact values do not know"
        )


def _factors(argument: sympy.Expr) -> dict[sympy.Expr, Any]:
    """Return factors of the argument of a logarithm, with their powers."""
    found: dict[sympy.Expr, Any] = {}
    factored: Any = sympy.factor(argument)
    for base, exponent in factored.as_powers_dict().items():
        parts: list[tuple[Any, Any]] = [(base, sympy.S.One)]
        if base.is_Rational and base > 0:
            primes: Any = sympy.factorrat(base)
            parts = [(sympy.Integer(p), n) for p, n in primes.items()]
        for part, times in parts:
            found[part] = found.get(part, 0) + times * exponent
    return found


def _are_related(rows: Sequence[Mapping[sympy.Expr, Any]]) -> bool:
    """Say whether rows of coefficients are linearly dependent."""
    if len(rows) < 2:
        return False
    terms = list(dict.fromkeys(term for row in rows for term in row))
    table = sympy.Matrix([[row.get(term, 0) for term in terms] for row in rows])
    return table.rank() < len(rows)
