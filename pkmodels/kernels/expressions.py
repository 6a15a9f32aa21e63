"""Expressions: SymPy's to machine code, each shared part once, constants exact."""

from collections.abc import Mapping
from functools import reduce

import sympy

from pkmodels.errors import ModelError
from pkmodels.kernels.emission import Code, Value

_FUNCTIONS = {
    sympy.exp: "exp",
    sympy.log: "log",
    sympy.sin: "sin",
    sympy.cos: "cos",
    sympy.tan: "tan",
    sympy.sinh: "sinh",
    sympy.cosh: "cosh",
    sympy.tanh: "tanh",
    sympy.Abs: "fabs",
    sympy.floor: "floor",
    sympy.ceiling: "ceil",
}
_RELATIONS = {
    sympy.StrictLessThan: "<",
    sympy.LessThan: "<=",
    sympy.StrictGreaterThan: ">",
    sympy.GreaterThan: ">=",
    sympy.Equality: "==",
    sympy.Unequality: "!=",
}
# Above this a power is taken by the library.
_LARGEST_PRODUCT = 16


class Expressions:
    """Writes expressions into a function; what was written is not written again.

    Parameters
    ----------
    code : Code
        The function.
    lanes : int
        Lanes of every value.
    values : mapping of Symbol to Value
        The symbols.
    """

    def __init__(
        self, code: Code, lanes: int, values: Mapping[sympy.Symbol, Value]
    ) -> None:
        self._code, self._lanes = code, lanes
        self._known: dict[sympy.Basic, Value] = {**values}

    def value(self, expression: sympy.Basic) -> Value:
        """Return the value of an expression, written where the code now is.

        Parameters
        ----------
        expression : sympy expression
            Of known symbols.

        Returns
        -------
        Value

        Raises
        ------
        ModelError
            When it holds a function that no code is generated for.
        """
        if expression not in self._known:
            self._known[expression] = self._written(expression)
        return self._known[expression]

    def _written(self, expression: sympy.Basic) -> Value:
        code = self._code
        if expression.is_number:
            return code.real(float(expression), self._lanes)  # type: ignore[arg-type]
        if isinstance(expression, sympy.Add):
            return self._sum(expression)
        if isinstance(expression, sympy.Mul):
            return self._product(expression)
        if isinstance(expression, sympy.Pow):
            return self._power(expression)
        if isinstance(expression, sympy.Piecewise):
            return self._piecewise(expression)
        if isinstance(expression, sympy.Max | sympy.Min):
            of_two = code.larger if isinstance(expression, sympy.Max) else code.smaller
            return reduce(of_two, map(self.value, expression.args))
        if isinstance(expression, sympy.Heaviside | sympy.sign):
            return self._step(expression)
        name = _FUNCTIONS.get(expression.func)
        if name is None:
            raise ModelError(
                f"no machine code is generated for {expression.func.__name__}, in "
                f"{expression}: write it with {', '.join(sorted(_FUNCTIONS.values()))}"
                ", powers, Piecewise, Max or Min, or use the kernel 'xla'"
            )
        return code.intrinsic(name, self.value(expression.args[0]))

    def _sum(self, expression: sympy.Add) -> Value:
        terms = [term.as_coeff_Mul() for term in expression.args]
        terms.sort(key=lambda term: bool(term[0] < 0))
        number, part = terms[0]
        total = self._scaled(number, part)
        for number, part in terms[1:]:
            if number < 0:
                total = self._code.subtract(total, self._scaled(-number, part))
            else:
                total = self._code.add(total, self._scaled(number, part))
        return total

    def _product(self, expression: sympy.Mul) -> Value:
        number, part = expression.as_coeff_Mul()
        if number != 1:
            return self._scaled(number, part)
        below = [f for f in expression.args if f.is_Pow and f.exp.is_negative]  # type: ignore[attr-defined]
        above = [f for f in expression.args if f not in below]
        found = reduce(self._code.multiply, map(self.value, above)) if above else None
        if not below:
            assert found is not None
            return found
        divisor = self.value(sympy.Mul(*(1 / f for f in below)))
        return self._code.divide(found or self._code.real(1.0, self._lanes), divisor)

    def _scaled(self, number: sympy.Expr, part: sympy.Expr) -> Value:
        if part == 1:
            return self._code.real(float(number), self._lanes)
        value = self.value(part)
        if number == 1:
            return value
        return self._code.multiply(self._code.real(float(number), self._lanes), value)

    def _power(self, expression: sympy.Pow) -> Value:
        base, exponent = expression.as_base_exp()
        if exponent.is_negative:
            one = self._code.real(1.0, self._lanes)
            return self._code.divide(one, self.value(base ** (-exponent)))
        if exponent.is_Integer and exponent <= _LARGEST_PRODUCT:
            half = self.value(base ** (exponent // 2))
            square = self._code.multiply(half, half)
            if exponent % 2 == 0:
                return square
            return self._code.multiply(square, self.value(base))
        if exponent == sympy.Rational(1, 2):
            return self._code.intrinsic("sqrt", self.value(base))
        if base == sympy.E:
            return self._code.intrinsic("exp", self.value(exponent))
        return self._code.intrinsic("pow", self.value(base), self.value(exponent))

    def _piecewise(self, expression: sympy.Piecewise) -> Value:
        # Outside all pieces there is no value.
        found = self._code.real(float("nan"), self._lanes)
        for piece, condition in reversed(expression.args):  # type: ignore[misc]
            here = self.value(piece)
            if condition == sympy.true:
                found = here
            else:
                found = self._code.builder.select(
                    self._condition(condition), here, found
                )
        return found

    def _condition(self, condition: sympy.Basic) -> Value:
        builder = self._code.builder
        if isinstance(condition, sympy.And | sympy.Or):
            join = builder.and_ if isinstance(condition, sympy.And) else builder.or_
            return reduce(join, map(self._condition, condition.args))
        if isinstance(condition, sympy.Not):
            return builder.not_(self._condition(condition.args[0]))
        sign = _RELATIONS.get(condition.func)
        if sign is None:
            raise ModelError(f"no machine code is generated for {condition}")
        left, right = map(self.value, condition.args)
        return builder.fcmp_ordered(sign, left, right)

    def _step(self, expression: sympy.Basic) -> Value:
        code, argument = self._code, self.value(expression.args[0])
        zero, one = (code.real(x, self._lanes) for x in (0.0, 1.0))
        above = code.builder.fcmp_ordered(">", argument, zero)
        below = zero
        if isinstance(expression, sympy.sign):
            is_below = code.builder.fcmp_ordered("<", argument, zero)
            below = code.builder.select(is_below, code.real(-1.0, self._lanes), zero)
        return code.builder.select(above, one, below)
