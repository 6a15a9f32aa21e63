"""SymPy expressions to JAX functions, without losing a bit of any constant."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import jax.numpy as jnp
import sympy
from sympy.printing.numpy import NumPyPrinter


class _ExactPrinter(NumPyPrinter):
    """Prints every constant as the shortest text that reads back to the same bits."""

    def _print_Float(self, expr: sympy.Float) -> str:
        return repr(float(expr))

    def _print_NumberSymbol(self, expr: sympy.Expr) -> str:
        return repr(float(expr))

    def _print_And(self, expr: sympy.And) -> str:
        return "(" + " & ".join(f"({self._print(a)})" for a in expr.args) + ")"

    def _print_Or(self, expr: sympy.Or) -> str:
        return "(" + " | ".join(f"({self._print(a)})" for a in expr.args) + ")"

    def _print_log(self, expr: sympy.log) -> str:
        argument = expr.args[0]
        if argument.is_number:
            return repr(float(expr))
        return f"log({self._print(argument)})"


def exact_source(expression: sympy.Expr) -> str:
    """Print an expression as source with exact constants.

    Parameters
    ----------
    expression : sympy expression
        The expression.

    Returns
    -------
    str

    Examples
    --------
    >>> exact_source(sympy.Float(0.1 + 0.2) * sympy.Symbol("x"))
    '0.30000000000000004*x'
    >>> exact_source(sympy.log(2) * sympy.Symbol("x"))
    'x*0.6931471805599453'
    """
    return str(_ExactPrinter({"fully_qualified_modules": False}).doprint(expression))


@lru_cache(maxsize=256)
def numpy_function(
    arguments: tuple[sympy.Symbol, ...], expressions: tuple[sympy.Expr, ...]
) -> Callable[[Sequence[Any]], list[Any]]:
    """Return a NumPy function that gives the values of expressions.

    Parameters
    ----------
    arguments : tuple of Symbol
        The arguments, in order.
    expressions : tuple of sympy expression
        What to compute.

    Returns
    -------
    callable
        Takes the values of the arguments (numbers or arrays), gives a list.

    Examples
    --------
    >>> x, y = sympy.symbols("x y")
    >>> numpy_function((x, y), (x * y, x + 1))([2.0, 3.0])
    [6.0, 3.0]
    """
    function = sympy.lambdify(
        list(arguments),
        list(expressions),
        modules=["numpy"],
        printer=_ExactPrinter({"fully_qualified_modules": False}),
        cse=True,
        dummify=True,  # a parameter may be called exp, lambda or x0
    )
    return lambda values: function(*values)


def jax_matrix(
    arguments: Sequence[sympy.Symbol], matrix: sympy.ImmutableMatrix
) -> Callable[[Any], Any]:
    """Return a JAX function that gives a matrix of expressions.

    Parameters
    ----------
    arguments : sequence of Symbol
        The arguments, in order.
    matrix : (m, n) sympy matrix
        What to compute.

    Returns
    -------
    callable
        Takes a (n_arguments,) array, gives a (m, n) float64 array.

    Examples
    --------
    >>> x, y = sympy.symbols("x y")
    >>> function = jax_matrix((x, y), sympy.ImmutableMatrix([[x * y, 1]]))
    >>> print(function(jnp.array([2.0, 3.0])))
    [[6. 1.]]
    """
    function = sympy.lambdify(
        list(arguments),
        matrix.flat(),
        modules=[jnp],
        printer=_ExactPrinter({"fully_qualified_modules": False}),
        cse=True,
        dummify=True,  # a parameter may be called exp, lambda or x0
    )

    def evaluate(values: Any) -> Any:
        entries = function(*(values[i] for i in range(len(arguments))))
        arrays = [jnp.asarray(entry, jnp.float64) for entry in entries]
        return jnp.stack(arrays).reshape(matrix.shape)

    return evaluate
