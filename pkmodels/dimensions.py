"""The unit of an expression, derived from the units of its symbols."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import lru_cache

import sympy
from sympy.core.function import AppliedUndef
from sympy.core.relational import Relational
from sympy.logic.boolalg import BooleanAtom, BooleanFunction

from pkmodels.errors import ModelError
from pkmodels.units import Unit, parse_unit

_LONGEST_SHOWN = 100
_MOST_SYMBOLS_NAMED = 6


def unit_of(expression: sympy.Basic) -> Unit:
    """Return the unit that an expression has, given the units of its symbols.

    Numbers are without unit, and 0 fits any. The terms of a sum, the arguments of
    Max, Min and Mod, the branches of a Piecewise and the sides of a comparison need
    one unit; exponents and the arguments of exp, log, tanh and the like need none.

    Parameters
    ----------
    expression : sympy expression
        Of symbols that carry a `unit`, which is part of their identity.

    Returns
    -------
    Unit

    Raises
    ------
    ModelError
        When units do not fit, a symbol has none, or the expression holds what has
        no unit, as a derivative or an undefined function.

    Examples
    --------
    >>> from pkmodels.symbols import amounts, parameters
    >>> (plasma,) = amounts("plasma", unit="nmol")
    >>> filtration, leak = parameters("filtration leak", unit="L/h")
    >>> (volume,) = parameters("volume", unit="L")
    >>> unit_of((filtration + leak) * plasma / volume)
    Unit('nmol/h')
    >>> unit_of(1 + plasma)
    Traceback (most recent call last):
    pkmodels.errors.ModelError: plasma + 1: 1 has no unit, plasma is in nmol; \
give the number 1 a unit by making it a parameter
    """
    return _unit(sympy.sympify(expression)) or Unit()


def check_unit(what: str, expression: sympy.Basic, expected: str) -> None:
    """Refuse an expression whose unit is not the one expected; 0 fits any.

    Parameters
    ----------
    what : str
        What the expression is, to begin the message with, as
        "reaction 'filtration': the rate".
    expression : sympy expression
        Of symbols that carry a `unit`.
    expected : str
        The unit that it must have.

    Raises
    ------
    ModelError
        When it has another unit, naming the factor that is missing, or none can be
        derived.

    Examples
    --------
    >>> from pkmodels.symbols import amounts, parameters
    >>> (plasma,) = amounts("plasma", unit="nmol")
    >>> (filtered,) = parameters("filtered", unit="L/h")
    >>> check_unit("reaction 'filtration': the rate", filtered * plasma, "nmol/h")
    Traceback (most recent call last):
    pkmodels.errors.ModelError: reaction 'filtration': the rate plasma*filtered is in \
L nmol/h, expected nmol/h: divide it by a quantity in L (filtered is in L/h, plasma is \
in nmol)
    """
    wanted = parse_unit(expected)
    expression = sympy.sympify(expression)
    try:
        found = _unit(expression)
    except ModelError as error:
        raise ModelError(f"{what} holds {error}") from error
    if found is None or found == wanted:
        return
    symbols = sorted(expression.free_symbols, key=str)
    named = ""
    if 0 < len(symbols) <= _MOST_SYMBOLS_NAMED:
        named = f" ({', '.join(_stated(symbol) for symbol in symbols)})"
    raise ModelError(
        f"{what} {_stated(expression)}, expected "
        f"{'no unit' if wanted == Unit() else wanted}: "
        f"{_missing(wanted / found)}{named}"
    )


def _missing(factor: Unit) -> str:
    if str(factor) == "1/h" or factor == _upright(factor):
        return f"multiply it by a quantity in {factor}"
    return f"divide it by a quantity in {factor**-1}"


def _upright(factor: Unit) -> Unit:
    """Return the unit, or its inverse where all its exponents are negative."""
    above = any(exponent > 0 for exponent in factor.exponents)
    return factor if above else factor**-1


@lru_cache(maxsize=1 << 15)
def _unit(expression: sympy.Basic) -> Unit | None:
    """Return the unit, or None for 0, which fits any."""
    if isinstance(expression, sympy.Symbol):
        return _unit_of_symbol(expression)
    for kind, rule in _RULES:
        if isinstance(expression, kind):
            return rule(expression)
    raise ModelError(
        f"{_shown(expression)}: no unit can be derived for a "
        f"{type(expression).__name__}; write it with sums, products, powers, "
        "functions such as exp, and Piecewise"
    )


def _unit_of_symbol(symbol: sympy.Symbol) -> Unit:
    unit = getattr(symbol, "unit", None)
    if not isinstance(unit, str):
        raise ModelError(
            f"{symbol}: it carries no unit; make it with amounts() or parameters()"
        )
    return parse_unit(unit)


def _unit_of_number(number: sympy.Basic) -> Unit | None:
    if number in (sympy.nan, sympy.zoo):
        raise ModelError(f"{number}: it is no number; look for a division by 0")
    return None if number == 0 else Unit()


def _unit_of_product(product: sympy.Basic) -> Unit | None:
    units = [_unit(factor) for factor in product.args]
    known = [unit for unit in units if unit is not None]
    if len(known) < len(units):
        return None
    result = Unit()
    for unit in known:
        result = result * unit
    return result


def _unit_of_power(power: sympy.Basic) -> Unit:
    base, exponent = power.args
    _need_no_unit(power, (exponent,), "an exponent")
    unit = _unit(base) or Unit()
    if unit == Unit():
        return unit
    if isinstance(exponent, sympy.Rational):
        return unit ** Fraction(int(exponent.p), int(exponent.q))
    if isinstance(exponent, sympy.Float):  # SymPy splits (a/b)**0.75 in two powers
        return unit ** Fraction(repr(float(exponent)))
    raise ModelError(
        f"{_shown(power)}: {_stated(base)}, and to the power {exponent} it has no "
        f"fixed unit; divide {_shown(base)} by a quantity in {unit} first"
    )


def _unit_of_equals(expression: sympy.Basic) -> Unit | None:
    return _common(expression, expression.args)


def _unit_of_argument(expression: sympy.Basic) -> Unit | None:
    return _unit(expression.args[0])


def _unit_of_step(expression: sympy.Basic) -> Unit:
    """Give a step or sign no unit, whatever the unit of its argument."""
    _unit(expression.args[0])
    _need_no_unit(expression, expression.args[1:], "its value at 0")
    return Unit()


def _unit_of_piecewise(piecewise: sympy.Basic) -> Unit | None:
    for branch in piecewise.args:
        _unit(branch.args[1])
    return _common(piecewise, [branch.args[0] for branch in piecewise.args])


def _unit_of_comparison(comparison: sympy.Basic) -> Unit:
    _common(comparison, comparison.args)
    return Unit()


def _unit_of_logic(logic: sympy.Basic) -> Unit:
    for condition in logic.args:
        _unit(condition)
    return Unit()


def _unit_of_function(function: sympy.Basic) -> Unit:
    if isinstance(function, AppliedUndef):
        raise ModelError(
            f"{_shown(function)}: it is an undefined function, of no known unit; "
            "write its expression, or a symbol with a unit in its place"
        )
    _need_no_unit(function, function.args, f"the argument of {type(function).__name__}")
    return Unit()


_RULES: tuple[
    tuple[type | tuple[type, ...], Callable[[sympy.Basic], Unit | None]], ...
] = (
    ((sympy.Number, sympy.NumberSymbol, type(sympy.zoo)), _unit_of_number),
    (sympy.Mul, _unit_of_product),
    (sympy.Pow, _unit_of_power),
    ((sympy.Add, sympy.Max, sympy.Min, sympy.Mod), _unit_of_equals),
    (sympy.Abs, _unit_of_argument),
    ((sympy.sign, sympy.Heaviside), _unit_of_step),
    (sympy.Piecewise, _unit_of_piecewise),
    (Relational, _unit_of_comparison),
    ((BooleanAtom, BooleanFunction), _unit_of_logic),
    (sympy.Function, _unit_of_function),
)


def _common(whole: sympy.Basic, parts: Iterable[sympy.Basic]) -> Unit | None:
    """Return the one unit of all parts that are not 0, or refuse."""
    first_with: dict[Unit, sympy.Basic] = {}
    for part in parts:
        unit = _unit(part)
        if unit is not None:
            first_with.setdefault(unit, part)
    if len(first_with) <= 1:
        return next(iter(first_with), None)
    number = first_with.get(Unit())
    one, other = list(first_with)[:2]
    remedy = (
        f"give the number {number} a unit by making it a parameter"
        if number is not None and number.is_number
        else f"multiply or divide one by a quantity in {_upright(one / other)}"
    )
    stated = ", ".join(_stated(part) for part in first_with.values())
    raise ModelError(f"{_shown(whole)}: {stated}; {remedy}")


def _need_no_unit(whole: sympy.Basic, parts: Iterable[sympy.Basic], role: str) -> None:
    for part in parts:
        unit = _unit(part) or Unit()
        if unit != Unit():
            raise ModelError(
                f"{_shown(whole)}: {_stated(part)}, and {role} must have no unit; "
                f"divide it by a quantity in {unit}"
            )


def _stated(expression: sympy.Basic) -> str:
    unit = _unit(expression) or Unit()
    known = "has no unit" if unit == Unit() else f"is in {unit}"
    return f"{_shown(expression)} {known}"


def _shown(expression: sympy.Basic) -> str:
    text = str(expression)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."
