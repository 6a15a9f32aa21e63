"""Reading formulas: what `pkmodels.notation.formulas` writes, as expressions."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import sympy
from sympy.core.parameters import distribute

from pkmodels.errors import InputError, suggest
from pkmodels.notation.formulas import FUNCTIONS, RELATIONS

_NUMBER = re.compile(r"[0-9]+\.?[0-9]*(?:[eE][-+]?[0-9]+)?")
_OPERATOR = re.compile(r"<=|>=|==|!=|[-+*/^(),<>&|~]")


def parse_formula(text: str, symbols: Mapping[str, Any]) -> Any:
    """Read what `formula_text` writes.

    Parameters
    ----------
    text : str
        Numbers, names, ``+ - * / ^``, functions, and conditions in ``piecewise``.
    symbols : mapping of str to sympy expression
        What each name stands for.

    Returns
    -------
    sympy expression

    Raises
    ------
    InputError
        When it is no formula, or holds a name or a function that is unknown.

    Examples
    --------
    >>> from pkmodels.symbols import parameters
    >>> (beta,) = parameters("beta", unit="1/h")
    >>> parse_formula("2*beta^2", {"beta": beta})
    2*beta**2
    """
    tokens = _Tokens(text, symbols)
    with distribute(False):
        found = tokens.disjunction()
    if tokens.left:
        raise tokens.error("an operator")
    return found


def _split(text: str) -> Iterator[str]:
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        match = _NUMBER.match(text, position) or _OPERATOR.match(text, position)
        end = match.end() if match else position
        while end < len(text) and not match and text[position : end + 1].isidentifier():
            end += 1
        if end == position:
            raise InputError(
                f"{text!r}: {text[position]!r} belongs in no formula: use numbers, "
                "names and + - * / ^ ( )"
            )
        yield text[position:end]
        position = end


class _Tokens:
    """What is left to read of a formula; each method reads one level of binding."""

    def __init__(self, text: str, symbols: Mapping[str, Any]) -> None:
        self.text = text
        self.symbols = symbols
        self.left = list(_split(text))[::-1]

    def error(self, expected: str) -> InputError:
        found = repr(self.left[-1]) if self.left else "the end"
        return InputError(f"{self.text!r}: expected {expected}, found {found}")

    def taken(self, *wanted: str) -> str:
        return self.left.pop() if self.left and self.left[-1] in wanted else ""

    def expect(self, wanted: str) -> None:
        if not self.taken(wanted):
            raise self.error(repr(wanted))

    def disjunction(self) -> Any:
        parts = [self.conjunction()]
        while self.taken("|"):
            parts.append(self.conjunction())
        return sympy.Or(*parts) if len(parts) > 1 else parts[0]

    def conjunction(self) -> Any:
        parts = [self.relation()]
        while self.taken("&"):
            parts.append(self.relation())
        return sympy.And(*parts) if len(parts) > 1 else parts[0]

    def relation(self) -> Any:
        if self.taken("~"):
            return sympy.Not(self.relation())
        left = self.sum()
        sign = self.taken(*RELATIONS)
        return RELATIONS[sign](left, self.sum()) if sign else left

    def sum(self) -> Any:
        terms = [self.product(self.taken("+", "-"))]
        while sign := self.taken("+", "-"):
            terms.append(self.product(sign))
        return sympy.Add(*terms) if len(terms) > 1 else terms[0]

    def product(self, sign: str) -> Any:
        factors: list[Any] = [sympy.S.NegativeOne] if sign == "-" else []
        factors.append(self.power())
        while operator := self.taken("*", "/"):
            factor = self.power()
            factors.append(factor if operator == "*" else sympy.Pow(factor, -1))
        return sympy.Mul(*factors) if len(factors) > 1 else factors[0]

    def power(self) -> Any:
        base = self.atom()
        if not self.taken("^"):
            return base
        sign = self.taken("-")
        exponent = self.power()
        return sympy.Pow(base, -exponent if sign else exponent)

    def atom(self) -> Any:
        if self.taken("("):
            inner = self.disjunction()
            self.expect(")")
            return inner
        token = self.left[-1] if self.left else ""
        if token[:1].isascii() and token[:1].isdigit():
            self.left.pop()
            is_integer = token.isdigit()
            return sympy.Integer(token) if is_integer else sympy.Float(float(token))
        if not token.isidentifier():
            raise self.error("a number, a name or '('")
        self.left.pop()
        if self.taken("("):
            return self.call(token)
        if token in self.symbols:
            return self.symbols[token]
        if token == "pi":
            return sympy.pi
        raise InputError(
            f"{self.text!r}: {token!r} is unknown: {suggest(token, self.symbols)}"
        )

    def call(self, name: str) -> Any:
        arguments = []
        while not self.taken(")"):
            if arguments:
                self.expect(",")
            arguments.append(self.disjunction())
        if name == "pi" and not arguments:
            return sympy.pi
        if name == "sqrt" and len(arguments) == 1:
            return sympy.sqrt(arguments[0])
        if name == "piecewise" and arguments:
            conditions = [*arguments[1::2], sympy.true]
            return sympy.Piecewise(*zip(arguments[::2], conditions, strict=False))
        if name not in FUNCTIONS:
            known = ["piecewise", "sqrt", *FUNCTIONS]
            raise InputError(
                f"{self.text!r}: no function {name!r}: {suggest(name, known)}"
            )
        try:
            return FUNCTIONS[name](*arguments)
        except TypeError as error:
            raise InputError(
                f"{self.text!r}: {name} does not take {len(arguments)} arguments"
            ) from error
