"""Formulas: one expression as plain text that is read back exactly."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, cast

import sympy
from sympy.core.relational import Relational
from sympy.printing.precedence import PRECEDENCE, precedence

from pkmodels.errors import ModelError
from pkmodels.symbols import Amount

# How each function is called in plain text, besides piecewise and sqrt.
FUNCTIONS: Mapping[str, Callable[..., sympy.Basic]] = {
    "abs": sympy.Abs,
    "acos": sympy.acos,
    "asin": sympy.asin,
    "atan": sympy.atan,
    "ceiling": sympy.ceiling,
    "cos": sympy.cos,
    "cosh": sympy.cosh,
    "erf": sympy.erf,
    "erfc": sympy.erfc,
    "exp": sympy.exp,
    "floor": sympy.floor,
    "gamma": sympy.gamma,
    "heaviside": sympy.Heaviside,
    "lambertw": sympy.LambertW,
    "log": sympy.log,
    "max": sympy.Max,
    "min": sympy.Min,
    "sign": sympy.sign,
    "sin": sympy.sin,
    "sinh": sympy.sinh,
    "tan": sympy.tan,
    "tanh": sympy.tanh,
}
_NAME_OF: Mapping[Any, str] = {function: name for name, function in FUNCTIONS.items()}
RELATIONS: Mapping[str, type[Relational]] = {
    "<": sympy.StrictLessThan,
    "<=": sympy.LessThan,
    ">": sympy.StrictGreaterThan,
    ">=": sympy.GreaterThan,
    "==": sympy.Equality,
    "!=": sympy.Unequality,
}
_SIGN_OF: Mapping[Any, str] = {relation: sign for sign, relation in RELATIONS.items()}


def formula_text(expression: sympy.Basic, names: Collection[str] = ()) -> str:
    """Write an expression in plain text that `parse_formula` reads back exactly.

    Factors stand as a pharmacologist writes them: numbers, constants, amounts.

    Parameters
    ----------
    expression : sympy expression
        What to write.
    names : collection of str
        Names of symbols that its reader knows. Should one be called ``pi``, the
        number is written ``pi()``.

    Returns
    -------
    str

    Raises
    ------
    ModelError
        When it holds what has no plain notation, or a number beyond 64-bit floats.

    Examples
    --------
    >>> from pkmodels.symbols import amounts, parameters
    >>> plasma, kidney = amounts("plasma kidney", unit="nmol")
    >>> (volume, flow) = parameters("volume flow", unit="L")
    >>> formula_text(flow * (plasma / volume - 0.1 * kidney**2))
    'flow*(plasma/volume - 0.1*kidney^2)'
    """
    if isinstance(expression, sympy.Symbol):
        return expression.name
    if isinstance(expression, sympy.Number):
        return number_text(expression)
    if isinstance(expression, sympy.Add):
        return join_terms([formula_text(t, names) for t in ordered_terms(expression)])
    if isinstance(expression, sympy.Mul):
        return _product_text(expression, names)
    if isinstance(expression, sympy.Pow) and expression.exp == sympy.S.Half:
        return f"sqrt({formula_text(expression.base, names)})"
    if isinstance(expression, sympy.Pow):
        if expression.exp.is_Number and expression.exp.is_negative:
            return _product_text(expression, names)
        base, exponent = (
            _enclosed(e, "Pow", names) for e in (expression.base, expression.exp)
        )
        return f"{base}^{exponent}"
    if expression is sympy.pi:
        return "pi()" if "pi" in names else "pi"
    if expression is sympy.E:
        return "exp(1)"
    return _call_text(expression, names)


def number_text(number: sympy.Number) -> str:
    """Write a number so that it is read back to the last bit.

    Parameters
    ----------
    number : sympy Number
        An integer, a ratio of two, or a 64-bit float.

    Returns
    -------
    str

    Raises
    ------
    ModelError
        When it is none of these.

    Examples
    --------
    >>> number_text(sympy.Float(0.1 + 0.2))
    '0.30000000000000004'
    """
    if isinstance(number, sympy.Rational) and number.is_finite:
        return str(number)
    nearest = float(number)
    if number.is_finite and sympy.Float(nearest) == number:
        return repr(nearest)
    raise ModelError(
        f"the number {number!s} is not a 64-bit float: write it as float(...) or as "
        "sympy.Rational(...)"
    )


def ordered_terms(expression: sympy.Expr) -> list[sympy.Expr]:
    """Return the terms of a sum: what is added first, and numbers before symbols.

    Parameters
    ----------
    expression : sympy expression
        The sum.

    Returns
    -------
    list of sympy expression

    Examples
    --------
    >>> x, y = sympy.symbols("x y")
    >>> ordered_terms(y - x)
    [y, -x]
    """
    terms = cast(list[sympy.Expr], expression.as_ordered_terms())
    return sorted(
        terms, key=lambda t: (bool(t.could_extract_minus_sign()), not t.is_number)
    )


def join_terms(terms: Sequence[str]) -> str:
    """Write a sum of written terms.

    Parameters
    ----------
    terms : sequence of str
        At least one; a minus sign in front means that it is subtracted.

    Returns
    -------
    str

    Examples
    --------
    >>> join_terms(["a", "-b", "c"])
    'a - b + c'
    """
    first, *others = terms
    joined = [f" - {t[1:]}" if t.startswith("-") else f" + {t}" for t in others]
    return "".join([first, *joined])


def fraction(
    expression: sympy.Expr,
) -> tuple[bool, list[sympy.Expr], list[sympy.Expr]]:
    """Take a product apart: numbers first, then constants, then amounts.

    Parameters
    ----------
    expression : sympy expression
        A product or a power.

    Returns
    -------
    bool
        Whether it has a minus sign.
    list of sympy expression
        The factors of its numerator.
    list of sympy expression
        The factors of its denominator.

    Examples
    --------
    >>> x, y = sympy.symbols("x y")
    >>> fraction(-2 * x / (3 * y))
    (True, [2, x], [3, y])
    """
    coefficient, factors = expression.as_coeff_mul(rational=False)
    negative = bool(coefficient.is_negative)
    coefficient = abs(coefficient)
    numerator: list[sympy.Expr] = []
    denominator: list[sympy.Expr] = []
    if isinstance(coefficient, sympy.Rational):
        numerator += [sympy.Integer(coefficient.p)] * (coefficient.p != 1)
        denominator += [sympy.Integer(coefficient.q)] * (coefficient.q != 1)
    else:
        numerator.append(coefficient)
    for factor in sympy.Mul(*factors, evaluate=False).as_ordered_factors():
        base, power = factor.as_base_exp()
        if factor.is_Pow and power.is_Number and power.is_negative:
            denominator.append(sympy.Pow(base, -power))
        elif factor != 1:
            numerator.append(factor)
    for side in (numerator, denominator):
        side.sort(key=lambda e: (not e.is_number, e.has(Amount)))
    return negative, numerator, denominator


def _product_text(expression: sympy.Expr, names: Collection[str]) -> str:
    negative, numerator, denominator = fraction(expression)
    above, below = (
        [_enclosed(factor, "Mul", names) for factor in side]
        for side in (numerator, denominator)
    )
    text = ("-" if negative else "") + ("*".join(above) or "1")
    if len(below) > 1:
        return f"{text}/({'*'.join(below)})"
    return f"{text}/{below[0]}" if below else text


def _enclosed(expression: sympy.Basic, level: str, names: Collection[str]) -> str:
    text = formula_text(expression, names)
    is_call = isinstance(expression, sympy.Pow) and expression.exp == sympy.S.Half
    bare = is_call or precedence(expression) > PRECEDENCE[level]
    return text if bare else f"({text})"


def _call_text(expression: sympy.Basic, names: Collection[str]) -> str:
    def written(e: sympy.Basic) -> str:
        return formula_text(e, names)

    relation = _SIGN_OF.get(type(expression))
    if relation is not None:
        left, right = map(written, expression.args)
        return f"{left} {relation} {right}"
    if isinstance(expression, sympy.And | sympy.Or):
        sign = " & " if isinstance(expression, sympy.And) else " | "
        parts = sorted(expression.args, key=sympy.default_sort_key)
        return sign.join(f"({written(part)})" for part in parts)
    if isinstance(expression, sympy.Not):
        return f"~({written(expression.args[0])})"
    if isinstance(expression, sympy.Piecewise):
        pairs: list[Any] = list(expression.args)
        return f"piecewise({', '.join(_piece_texts(pairs, written))})"
    name = _NAME_OF.get(expression.func)
    if name is None:
        raise ModelError(
            f"{expression} has no plain notation; known functions: piecewise, sqrt, "
            f"{', '.join(FUNCTIONS)}"
        )
    arguments = expression.args
    if isinstance(expression, sympy.Max | sympy.Min):
        arguments = tuple(sorted(arguments, key=sympy.default_sort_key))
    elif isinstance(expression, sympy.Heaviside):
        arguments = arguments[: 1 if arguments[1] == sympy.S.Half else 2]
    return f"{name}({', '.join(map(written, arguments))})"


def _piece_texts(
    pairs: list[tuple[sympy.Basic, sympy.Basic]], written: Callable[[sympy.Basic], str]
) -> Iterator[str]:
    for value, condition in pairs:
        yield written(value)
        if condition is not sympy.true:
            yield written(condition)
