"""Typesetting: expressions, names and text in LaTeX with amsmath."""

import re
import unicodedata

import sympy
from sympy.printing.latex import LatexPrinter
from sympy.printing.precedence import PRECEDENCE

from pkmodels.notation.formulas import fraction, number_text, ordered_terms


def formula_latex(expression: sympy.Basic) -> str:
    r"""Write an expression in LaTeX, names upright and factors apart.

    Parameters
    ----------
    expression : sympy expression
        What to write.

    Returns
    -------
    str
        For mathematics mode; needs amsmath.

    Raises
    ------
    ModelError
        When it holds a number beyond 64-bit floats.

    Examples
    --------
    >>> from pkmodels.symbols import Amount, Parameter
    >>> print(formula_latex(Amount("blood", "nmol") * Parameter("k_on", "1/h")))
    \mathrm{k}_{\mathrm{on}} \cdot \mathrm{blood}
    """
    return _LatexPrinter({"mul_symbol": "dot", "ln_notation": True}).doprint(expression)


class _LatexPrinter(LatexPrinter):
    def _print_Symbol(self, expr: sympy.Symbol, style: str = "plain") -> str:
        return name_latex(expr.name)

    def _print_Float(self, expr: sympy.Float) -> str:
        mantissa, _, exponent = number_text(expr).partition("e")
        scale = rf"\cdot 10^{{{int(exponent)}}}" if exponent else ""
        return f"{mantissa} {scale}".rstrip()

    def _as_ordered_terms(
        self, expr: sympy.Expr, order: str | None = None
    ) -> list[sympy.Expr]:
        return ordered_terms(expr)

    def _print_Mul(self, expr: sympy.Expr) -> str:
        negative, numerator, denominator = fraction(expr)
        above, below = map(self._factors, (numerator, denominator))
        text = rf"\frac{{{above or 1}}}{{{below}}}" if below else above
        if not below and len(numerator) == 1:
            text = self.parenthesize(numerator[0], PRECEDENCE["Mul"])
        return f"- {text}" if negative else text

    def _factors(self, factors: list[sympy.Expr]) -> str:
        if len(factors) == 1:
            return self._print(factors[0])
        return r" \cdot ".join(self.parenthesize(f, PRECEDENCE["Mul"]) for f in factors)


def name_latex(name: str) -> str:
    r"""Write a name upright; what follows its first underscore is a subscript.

    Parameters
    ----------
    name : str
        An identifier.

    Returns
    -------
    str

    Examples
    --------
    >>> print(name_latex("uptake_kidney_left"))
    \mathrm{uptake}_{\mathrm{kidney\ left}}
    """
    parts = name.split("_")
    if not all(parts):
        return _upright(name)
    below = " ".join(parts[1:])
    return _upright(parts[0]) + (f"_{{{_upright(below)}}}" if below else "")


def _upright(name: str) -> str:
    if name.isascii():
        escaped = name.replace("_", r"\_").replace(" ", r"\ ")
        return rf"\mathrm{{{escaped}}}"
    return text_latex(name)


def text_latex(text: str) -> str:
    r"""Write any text inside mathematics; Greek letters become commands.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str

    Examples
    --------
    >>> print(text_latex("%IA/g"))
    \text{\%IA/g}
    """
    return rf"\text{{{escape_latex(text)}}}"


def escape_latex(text: str) -> str:
    r"""Write any text so that LaTeX sets it as it stands.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str

    Examples
    --------
    >>> print(escape_latex("50 % of k_on"))
    50 \% of k\_on
    """
    return "".join(map(_escaped, text))


_ESCAPES = {
    **{character: f"\\{character}" for character in "#$%&_{}"},
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "\n": " ",
    "\N{MICRO SIGN}": r"$\mu$",
}
# Those that LaTeX has no command for look like Latin letters.
_GREEK_COMMANDS = frozenset(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho "
    "sigma tau upsilon phi chi psi omega "
    "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega".split()
)


def _escaped(character: str) -> str:
    name = unicodedata.name(character, "").replace("LAMDA", "LAMBDA")
    greek = re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER (\w+)", name)
    if greek:
        command = greek[2].lower() if greek[1] == "SMALL" else greek[2].capitalize()
        if command in _GREEK_COMMANDS:
            return rf"$\{command}$"
    return _ESCAPES.get(character, character)
