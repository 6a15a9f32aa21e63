"""Rates of change as polynomials in amounts and parameters."""

from collections import Counter
from collections.abc import Mapping
from math import lcm, prod
from typing import Any

import sympy
from sympy.polys.rings import PolyElement, PolyRing

from pkmodels.analysis.polynomials import Setting, TooLargeError
from pkmodels.symbols import Amount, Input, Parameter

# Terms of an equation once its products, or its denominators, are multiplied out.
EXPANSION_LIMIT = 2000


def by_denominator(
    expression: sympy.Expr, amounts: set[Amount]
) -> dict[sympy.Expr, sympy.Expr]:
    """Return the numerators of an expression by the denominators that hold amounts.

    expression = sum of numerator / denominator.

    Parameters
    ----------
    expression : sympy expression
        A rate, or a sum of rates.
    amounts : set of Amount
        The amounts.

    Returns
    -------
    dict of sympy expression to sympy expression
        Expanded numerators, without those that are 0.

    Examples
    --------
    >>> from pkmodels.symbols import amounts, parameters
    >>> (plasma,) = amounts("plasma", unit="nmol")
    >>> half, most = parameters("half most", unit="nmol")
    >>> by_denominator(plasma / most - plasma / (half + plasma), {plasma})
    {1: plasma/most, plasma + half: -plasma}
    """
    grouped: dict[sympy.Expr, sympy.Expr] = {}
    for term in sympy.Add.make_args(expression):
        top, bottom = term.as_numer_denom()
        constant, holding = bottom.as_independent(*amounts, as_Add=False)
        grouped[holding] = grouped.get(holding, sympy.S.Zero) + top / constant
    expanded = {bottom: sympy.expand(top) for bottom, top in grouped.items()}
    return {bottom: top for bottom, top in expanded.items() if top != 0}


def numerator(
    expression: sympy.Expr, amounts: set[Amount], setting: Setting
) -> PolyElement:
    """Return the numerator of an expression over one denominator.

    Parameters
    ----------
    expression : sympy expression
        A ratio of polynomials in the symbols of the ring.
    amounts : set of Amount
        The amounts.
    setting : Setting
        The ring and its symbols.

    Returns
    -------
    PolyElement

    Raises
    ------
    TooLargeError
        When a denominator may vanish, or past `EXPANSION_LIMIT`.

    Examples
    --------
    >>> from sympy import ZZ
    >>> from pkmodels.symbols import amounts, parameters
    >>> (plasma,) = amounts("plasma", unit="nmol")
    >>> half, most = parameters("half most", unit="nmol")
    >>> ring = PolyRing([plasma, half, most], ZZ)
    >>> rate = plasma / most + plasma / (half + plasma)
    >>> numerator(rate, {plasma}, Setting(ring, frozenset({0})))
    plasma**2 + plasma*half + plasma*most
    """
    tops, bottoms = [], []
    for held, part in by_denominator(expression, amounts).items():
        top, constant = sympy.fraction(sympy.together(part))
        tops.append(_polynomial(top, setting.ring))
        bottoms.append(_polynomial(held * constant, setting.ring))
        if not setting.never_zero(bottoms[-1]):
            raise TooLargeError(f"a denominator, {held}, may vanish")
    if prod(map(len, bottoms)) > EXPANSION_LIMIT:
        raise TooLargeError(f"{len(bottoms)} different denominators in one equation")
    total = setting.ring.zero
    for i, top in enumerate(tops):
        term = top
        for j, bottom in enumerate(bottoms):
            if i != j:
                term = term * bottom
        total += term
    return total


def plain_expressions(
    expressions: list[sympy.Expr], amounts: set[Amount]
) -> tuple[list[sympy.Expr], dict[sympy.Symbol, sympy.Expr]]:
    """Return expressions with symbols for what is no polynomial in parameters.

    Inputs have their value outside a schedule's windows, decimals are fractions; a
    parameter under a root is replaced by the power of a symbol, any other function
    of parameters by a symbol.

    Parameters
    ----------
    expressions : list of sympy expression
        Ratios of polynomials in the amounts.
    amounts : set of Amount
        The amounts.

    Returns
    -------
    tuple of (list of sympy expression, dict of Symbol to sympy expression)
        The expressions, and what the new symbols stand for.

    Raises
    ------
    TooLargeError
        When what the symbols stand for may be related, so that a difference of
        polynomials could be 0 unseen.

    Examples
    --------
    >>> from pkmodels.symbols import Parameter
    >>> mass = Parameter("mass", "1")
    >>> (plain,), stands_for = plain_expressions([mass**0.75 + mass], set())
    >>> (root,) = stands_for
    >>> plain == root**4 + root**3, stands_for[root]
    (True, mass**(1/4))
    """
    whole: Any = sympy.Tuple(*expressions)
    whole = whole.xreplace(
        {i: sympy.Rational(repr(i.otherwise)) for i in whole.atoms(Input)}
    )
    whole = whole.xreplace(
        {f: sympy.Rational(repr(float(f))) for f in whole.atoms(sympy.Float)}
    )
    stands_for: dict[sympy.Symbol, Any] = {}
    for parameter in sorted(whole.atoms(Parameter), key=str):
        powers = [p.exp for p in whole.atoms(sympy.Pow) if p.base == parameter]
        degree = lcm(*(e.q for e in powers if e.is_Rational))
        if degree > 1:
            root = sympy.Dummy(f"root_{parameter}", positive=True)
            stands_for[root] = parameter ** sympy.Rational(1, degree)
            whole = whole.xreplace({parameter: root**degree})

    def opaque(part: Any) -> bool:
        power = part.is_Pow and not part.exp.is_Integer
        special = part.is_Function or part.is_NumberSymbol or power
        return special and not part.free_symbols & amounts

    # From the outside in, so that no symbol stands for what holds another.
    parts = [p for p in sympy.preorder_traversal(whole) if opaque(p)]
    for part in dict.fromkeys(parts):
        symbol = sympy.Dummy(f"part_{len(stands_for)}")
        if whole.has(part):
            whole = whole.xreplace({part: symbol})
            stands_for[symbol] = part
    _refuse_related(whole, stands_for)
    return list(whole), stands_for


def _refuse_related(
    whole: sympy.Basic, stands_for: Mapping[sympy.Symbol, sympy.Expr]
) -> None:
    """Refuse symbols for parts that may be algebraic in one another, unseen."""
    roots = {s for s in stands_for if s.is_positive}
    parts = [e for s, e in stands_for.items() if s not in roots]
    if sum(not e.free_symbols for e in parts) > 1:
        raise TooLargeError("its rates hold several numbers that are no fractions")
    counts = Counter(s for e in (whole, *parts) for s in e.free_symbols)
    for part in parts:
        for symbol in sorted(part.free_symbols, key=str):
            if counts[symbol] > 1:
                raise TooLargeError(
                    f"its rates hold {symbol} inside and outside {part}"
                )


def _polynomial(expression: sympy.Expr, ring: PolyRing) -> PolyElement:
    if _expanded_length(expression) > EXPANSION_LIMIT:
        raise TooLargeError("its rates are too large to expand")
    return ring.from_expr(expression)


def _expanded_length(expression: Any) -> int:
    """Terms, at most, once products of sums are multiplied out."""
    if expression.is_Add:
        return sum(map(_expanded_length, expression.args))
    if expression.is_Mul:
        return prod(map(_expanded_length, expression.args))
    if expression.is_Pow and expression.exp.is_Integer and expression.exp > 0:
        return _expanded_length(expression.base) ** int(expression.exp)
    return 1
