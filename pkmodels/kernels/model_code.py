"""Model code: the straight-line functions of one model, from its reduced equations.

Each takes pointers to arrays of values of so many lanes. The sensitivities' functions
work on `LANES` directions of one state, or one direction of `LANES` states.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sympy
from llvmlite import ir

from pkmodels.kernels.elimination import plan_elimination
from pkmodels.kernels.emission import LANES, POINTER, Code, Value
from pkmodels.kernels.expressions import Expressions
from pkmodels.kernels.factor_code import (
    Shape,
    begin_function,
    write_factor,
    write_solve,
)
from pkmodels.kernels.reduction import Reduced, partials
from pkmodels.kernels.step_rules import (
    LEAST_AMOUNT,
)


@dataclass(frozen=True)
class ModelCode:
    """The functions of one model.

    Parameters
    ----------
    shape : Shape
        Sizes.
    coefficients : Code
        ``(c, k)``: k = g(c).
    coefficient_slopes : Code
        ``(c, dc, dk)``: dk = dg/dc dc.
    derivatives : Code
        ``(y, k, dy)``: dy = f(y, k).
    fixed_jacobian : Code
        ``(k, J)``: the entries of df/dy without states.
    jacobian : Code
        ``(y, k, scale, J)``: the others.
    factor : Code
        ``(J, diagonal, LU)``: of W = diagonal I - J.
    solve : Code
        ``(LU, b)``: b becomes W^-1 b.
    solve_directions : Code
        The same for directions.
    directional : Code
        ``(J, y, k, scale, s, dk, out)``: df = J s + df/dk dk.
    fixed_jacobian_slopes : Code
        ``(k, dk, dJ)``: of the entries without states.
    jacobian_slopes : Code
        ``(y, k, scale, s, dk, dJ)``: of the others.
    add_jacobian_slopes : Code
        ``(dJ, u, out)``: out + dJ u.
    """

    shape: Shape
    coefficients: Code
    coefficient_slopes: Code
    derivatives: Code
    fixed_jacobian: Code
    jacobian: Code
    factor: Code
    solve: Code
    solve_directions: Code
    directional: Code
    fixed_jacobian_slopes: Code
    jacobian_slopes: Code
    add_jacobian_slopes: Code


def write_model(module: ir.Module, reduced: Reduced, lanes: int) -> ModelCode:
    """Write the functions of a model into a module.

    Parameters
    ----------
    module : ir.Module
        The module.
    reduced : Reduced
        The model.
    lanes : int
        Of its states: 1 or `LANES`.

    Returns
    -------
    ModelCode

    Examples
    --------
    >>> from pkmodels.kernels.equations import Equations
    >>> from pkmodels.kernels.reduction import reduce_equations
    >>> x, a = sympy.symbols("x a")
    >>> reduced = reduce_equations(Equations("decay", (x,), (a,), (-a * x,), False))
    >>> write_model(ir.Module(), reduced, 1).shape.entries
    ((0, 0),)
    """
    states = set(reduced.equations.states)
    entries = tuple(reduced.jacobian)
    changing = frozenset(
        number
        for number, entry in enumerate(reduced.jacobian.values())
        if entry.free_symbols & states
    )
    shape = Shape(
        lanes=lanes,
        states=len(reduced.equations.states),
        constants=len(reduced.equations.constants),
        coefficients=len(reduced.coefficients),
        entries=entries,
        elimination=plan_elimination(len(states), entries),
        changing=changing,
    )
    writer = _Writer(module, reduced, shape)
    return ModelCode(
        shape=shape,
        coefficients=writer.coefficients(),
        coefficient_slopes=writer.coefficient_slopes(),
        derivatives=writer.derivatives(),
        fixed_jacobian=writer.fixed_jacobian(),
        jacobian=writer.jacobian(),
        factor=write_factor(module, shape),
        solve=write_solve(module, shape, "solve", lanes),
        solve_directions=write_solve(module, shape, "solve_directions", LANES),
        directional=writer.directional(),
        fixed_jacobian_slopes=writer.fixed_jacobian_slopes(),
        jacobian_slopes=writer.jacobian_slopes(),
        add_jacobian_slopes=writer.add_jacobian_slopes(),
    )


class _Writer:
    """Writes the functions one after the other."""

    def __init__(self, module: ir.Module, reduced: Reduced, shape: Shape) -> None:
        self.module, self.reduced, self.shape = module, reduced, shape

    def coefficients(self) -> Code:
        code = self._begun("coefficients", 2)
        symbols = self._loaded(code, 0, self.reduced.equations.constants)
        self._put(code, 1, symbols, dict(enumerate(self.reduced.values)))
        return self._ended(code)

    def coefficient_slopes(self) -> Code:
        code = self._begun("coefficient_slopes", 3)
        symbols = self._loaded(code, 0, self.reduced.equations.constants)
        values = Expressions(code, self.shape.lanes, symbols)
        products = [
            (row, values.value(slope), code.load(code.arguments[1], c * LANES, LANES))
            for (row, c), slope in self.reduced.slopes.items()
        ]
        self._sums(code, 2, range(self.shape.coefficients), products)
        return self._ended(code)

    def derivatives(self) -> Code:
        code = self._begun("derivatives", 3)
        symbols = self._states(code, 0) | self._coefficients(code, 1)
        self._put(code, 2, symbols, dict(enumerate(self.reduced.derivatives)))
        return self._ended(code)

    def fixed_jacobian(self) -> Code:
        code = self._begun("fixed_jacobian", 2)
        entries = self._entries(fixed=True)
        self._put(code, 1, self._coefficients(code, 0), entries)
        return self._ended(code)

    def jacobian(self) -> Code:
        code = self._begun("jacobian", 4)
        symbols = self._states(code, 0, least=2) | self._coefficients(code, 1)
        self._put(code, 3, symbols, self._entries(fixed=False))
        return self._ended(code)

    def directional(self) -> Code:
        code = self._begun("directional", 7)
        own = self.shape.lanes
        jacobian, _, _, _, s, dk, _ = code.arguments
        products = [
            (row, code.load(jacobian, n * own, own), code.load(s, c * LANES, LANES))
            for n, (row, c) in enumerate(self.shape.entries)
        ]
        symbols = self._states(code, 1, least=3) | self._coefficients(code, 2)
        values = Expressions(code, own, symbols)
        products += [
            (row, values.value(slope), code.load(dk, c * LANES, LANES))
            for (row, c), slope in self.reduced.by_coefficient.items()
        ]
        self._sums(code, 6, range(self.shape.states), products)
        return self._ended(code)

    def fixed_jacobian_slopes(self) -> Code:
        code = self._begun("fixed_jacobian_slopes", 3)
        symbols = self._coefficients(code, 0)
        self._put_slopes(code, symbols, {1: self.reduced.coefficients}, fixed=True)
        return self._ended(code)

    def jacobian_slopes(self) -> Code:
        code = self._begun("jacobian_slopes", 6)
        symbols = self._states(code, 0, least=2) | self._coefficients(code, 1)
        by = {3: self.reduced.equations.states, 4: self.reduced.coefficients}
        self._put_slopes(code, symbols, by, fixed=False)
        return self._ended(code)

    def _put_slopes(
        self,
        code: Code,
        symbols: Mapping[sympy.Symbol, Value],
        by: Mapping[int, tuple[sympy.Symbol, ...]],
        *,
        fixed: bool,
    ) -> None:
        """Store the slopes of entries, by what the arguments hold directions of."""
        values = Expressions(code, self.shape.lanes, symbols)
        entries = self._entries(fixed=fixed)
        numbers = list(entries)
        products = [
            (
                numbers[row],
                values.value(slope),
                code.load(code.arguments[source], column * LANES, LANES),
            )
            for source, of in by.items()
            for (row, column), slope in partials(entries.values(), of).items()
        ]
        self._sums(code, len(code.arguments) - 1, numbers, products)

    def add_jacobian_slopes(self) -> Code:
        code = self._begun("add_jacobian_slopes", 3)
        slopes, u, out = code.arguments
        own = self.shape.lanes
        sums: dict[int, Value] = {}
        for number, (row, column) in enumerate(self.shape.entries):
            before = sums.get(row)
            if before is None:
                before = code.load(out, row * LANES, LANES)
            factor = code.spread(code.load(u, column * own, own), LANES)
            change = code.multiply(code.load(slopes, number * LANES, LANES), factor)
            sums[row] = code.add(before, change)
        for row, value in sums.items():
            code.store(value, out, row * LANES)
        return self._ended(code)

    def _begun(self, name: str, pointers: int) -> Code:
        return begin_function(self.module, self.shape, name, (POINTER,) * pointers)

    def _ended(self, code: Code) -> Code:
        code.builder.ret_void()
        return code

    def _loaded(
        self, code: Code, argument: int, symbols: Iterable[sympy.Symbol]
    ) -> dict[sympy.Symbol, Value]:
        lanes, place = self.shape.lanes, code.arguments[argument]
        return {
            symbol: code.load(place, number * lanes, lanes)
            for number, symbol in enumerate(symbols)
        }

    def _coefficients(self, code: Code, argument: int) -> dict[sympy.Symbol, Value]:
        return self._loaded(code, argument, self.reduced.coefficients)

    def _states(
        self, code: Code, argument: int, least: int | None = None
    ) -> dict[sympy.Symbol, Value]:
        """Return the states, those below 0 raised where a power needs it."""
        lanes = self.shape.lanes
        found = self._loaded(code, argument, self.reduced.equations.states)
        if not self.reduced.equations.from_zero:
            return found
        for number, (symbol, value) in enumerate(found.items()):
            floor = code.real(0.0, lanes)
            if least is not None:
                scale = code.load(code.arguments[least], number * lanes, lanes)
                floor = code.multiply(scale, code.real(LEAST_AMOUNT, lanes))
            found[symbol] = code.larger(value, floor)
        return found

    def _entries(self, *, fixed: bool) -> dict[int, sympy.Expr]:
        return {
            number: self.reduced.jacobian[place]
            for number, place in enumerate(self.shape.entries)
            if (number in self.shape.changing) != fixed
        }

    def _put(
        self,
        code: Code,
        argument: int,
        symbols: Mapping[sympy.Symbol, Value],
        expressions: Mapping[int, sympy.Expr],
    ) -> None:
        lanes = self.shape.lanes
        values = Expressions(code, lanes, symbols)
        for number, expression in expressions.items():
            value = values.value(expression)
            code.store(value, code.arguments[argument], number * lanes)

    def _sums(
        self,
        code: Code,
        argument: int,
        rows: Iterable[int],
        products: Iterable[tuple[int, Value, Value]],
    ) -> None:
        """Store sums of products, each of a value and one of directions."""
        sums: dict[int, Value] = {}
        for row, factor, direction in products:
            product = code.multiply(code.spread(factor, LANES), direction)
            before = sums.get(row)
            sums[row] = product if before is None else code.add(before, product)
        for row in rows:
            value = sums.get(row, code.real(0.0, LANES))
            code.store(value, code.arguments[argument], row * LANES)
