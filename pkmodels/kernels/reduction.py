"""Reduction: equations with all that is constant in a segment taken out of the loop.

dy/dt = f(y, k) with the coefficients k = g(c) of what is constant, and the derivatives
that a stiff solver with sensitivities needs, entry by entry.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import sympy

from pkmodels.kernels.elimination import Place
from pkmodels.kernels.equations import Equations


@dataclass(frozen=True)
class Reduced:
    """Equations in coefficients.

    Parameters
    ----------
    equations : Equations
        What was reduced, its symbols renamed.
    coefficients : tuple of Symbol
        k, in order.
    values : tuple of sympy expression
        g: each coefficient, of the constants of the equations.
    slopes : mapping of (coefficient, constant) to sympy expression
        dk/dc, of the constants.
    derivatives : tuple of sympy expression
        f, of states and coefficients.
    jacobian : mapping of (row, column) to sympy expression
        df/dy.
    by_coefficient : mapping of (row, coefficient) to sympy expression
        df/dk.
    """

    equations: Equations
    coefficients: tuple[sympy.Symbol, ...]
    values: tuple[sympy.Expr, ...]
    slopes: Mapping[Place, sympy.Expr]
    derivatives: tuple[sympy.Expr, ...]
    jacobian: Mapping[Place, sympy.Expr]
    by_coefficient: Mapping[Place, sympy.Expr]


def reduce_equations(equations: Equations) -> Reduced:
    """Take what is constant out of equations, and differentiate the rest.

    Parameters
    ----------
    equations : Equations
        The equations.

    Returns
    -------
    Reduced

    Examples
    --------
    >>> x, a, b = sympy.symbols("x a b")
    >>> found = reduce_equations(Equations("decay", (x,), (a, b), (-a / b * x,), False))
    >>> found.derivatives, found.values, dict(found.jacobian)
    ((-k0*y0,), (c0/c1,), {(0, 0): -k0})
    """
    equations = _renamed(equations)
    taken = _Taken(frozenset(equations.states))
    derivatives = tuple(
        taken.reduced(sympy.sympify(rate)) for rate in equations.derivatives
    )
    values = tuple(taken.coefficients)
    coefficients = tuple(taken.coefficients.values())
    return Reduced(
        equations=equations,
        coefficients=coefficients,
        values=values,
        slopes=partials(values, equations.constants),
        derivatives=derivatives,
        jacobian=partials(derivatives, equations.states),
        by_coefficient=partials(derivatives, coefficients),
    )


def _renamed(equations: Equations) -> Equations:
    """Return equations of real symbols, with names that coefficients do not have."""
    states, constants = (
        tuple(sympy.Symbol(f"{kind}{i}", real=True) for i in range(len(symbols)))
        for kind, symbols in (("y", equations.states), ("c", equations.constants))
    )
    before = (*equations.states, *equations.constants)
    names = dict(zip(before, (*states, *constants), strict=True))
    rates = tuple(sympy.sympify(e).xreplace(names) for e in equations.derivatives)
    return replace(equations, states=states, constants=constants, derivatives=rates)


def partials(
    expressions: Iterable[sympy.Expr], symbols: Iterable[sympy.Symbol]
) -> dict[Place, sympy.Expr]:
    """Return the derivatives of expressions that are not always 0.

    Parameters
    ----------
    expressions : iterable of sympy expression
        The expressions, the rows.
    symbols : iterable of Symbol
        What to differentiate by, the columns.

    Returns
    -------
    dict of (row, column) to sympy expression

    Examples
    --------
    >>> x, y = sympy.symbols("x y")
    >>> partials((x * y, y**2), (x, y))
    {(0, 0): y, (0, 1): x, (1, 1): 2*y}
    """
    column: dict[sympy.Basic, int] = {
        symbol: number for number, symbol in enumerate(symbols)
    }
    found: dict[Place, sympy.Expr] = {}
    for row, expression in enumerate(expressions):
        here = sorted(
            (column[symbol], symbol)
            for symbol in expression.free_symbols
            if symbol in column
        )
        for number, symbol in here:
            entry = _derivative(expression, symbol)
            if entry != 0:
                found[row, number] = entry
    return found


def _derivative(expression: sympy.Expr, symbol: sympy.Basic) -> sympy.Expr:
    """Return the derivative of a sum term by term, which keeps shared products."""
    terms = [t for t in sympy.Add.make_args(expression) if symbol in t.free_symbols]
    slope: Any = sympy.Add(*(sympy.diff(term, symbol) for term in terms))
    # Of a kink, which is passed at no time or at one.
    return slope.replace(sympy.DiracDelta, lambda *_: sympy.Integer(0))


class _Taken:
    """Coefficients as they are found; equal ones are one."""

    def __init__(self, states: frozenset[sympy.Symbol]) -> None:
        self.states = states
        self.coefficients: dict[sympy.Expr, sympy.Symbol] = {}

    def reduced(self, expression: sympy.Basic) -> sympy.Expr:
        """Return an expression with its constant parts as coefficients."""
        if self._is_constant(expression):
            return self._coefficient(expression)
        if isinstance(expression, sympy.Add | sympy.Mul):
            factors = self._collected(expression).items()
            return sympy.Add(*(self._coefficient(c) * part for part, c in factors))
        if isinstance(expression, sympy.Symbol):
            return expression
        reduced: Any = expression.func(*(self.reduced(a) for a in expression.args))
        return reduced

    def _collected(self, expression: sympy.Expr) -> dict[sympy.Expr, sympy.Expr]:
        """Return the constant factor of each thing that a sum holds."""
        found: dict[sympy.Expr, sympy.Expr] = {}
        for term in sympy.Add.make_args(expression):
            factors = sympy.Mul.make_args(term)
            constant = sympy.Mul(*(f for f in factors if self._is_constant(f)))
            others = [f for f in factors if not self._is_constant(f)]
            if len(others) == 1 and isinstance(others[0], sympy.Add):
                inner = self._collected(others[0])
            else:
                inner = {sympy.Mul(*map(self.reduced, others)): sympy.Integer(1)}
            for part, factor in inner.items():
                found[part] = found.get(part, sympy.Integer(0)) + constant * factor
        return found

    def _is_constant(self, expression: sympy.Basic) -> bool:
        return self.states.isdisjoint(expression.free_symbols)

    def _coefficient(self, expression: Any) -> Any:
        """Return the coefficient that stands for a constant, but for a number in it."""
        if not expression.free_symbols:
            return expression
        if not isinstance(expression, sympy.Expr):  # a condition
            return expression.func(*map(self._coefficient, expression.args))
        number, rest = expression.as_coeff_Mul()
        if isinstance(rest, sympy.Add) and rest.could_extract_minus_sign():
            number, rest = -number, -rest
        name = sympy.Symbol(f"k{len(self.coefficients)}", real=True)
        return number * self.coefficients.setdefault(rest, name)
