"""Reading equations: what `pkmodels.notation.equations` writes, as expressions."""

import re
from collections.abc import Mapping

import sympy

from pkmodels.definition import Model
from pkmodels.errors import InputError, suggest
from pkmodels.notation.equations import EQUATIONS, HEADINGS, RATES
from pkmodels.notation.formula_parser import parse_formula
from pkmodels.symbols import Amount

_EQUATION = re.compile(r"d (\S+)/dt *= *(.*)", re.DOTALL)
_RATE = re.compile(r"(\S+) *= *(.*)", re.DOTALL)


def parse_equations(text: str, model: Model) -> dict[Amount, sympy.Expr]:
    """Read back the differential equations that `equations_text` writes.

    Parameters
    ----------
    text : str
        The equations, with or without named rates; what follows them (starts, doses,
        observables, daughters) is passed over.
    model : Model
        Says what each name stands for; its reactions are not looked at.

    Returns
    -------
    dict of Amount to sympy expression
        dx/dt of each amount.

    Raises
    ------
    InputError
        When a line is no equation, a name is unknown, an amount has no equation or
        two, or a rate is defined twice.

    Examples
    --------
    >>> from pkmodels.definition import derivatives
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.notation.equations import equations_text
    >>> model = organ_exchange.model(("kidney",))
    >>> parse_equations(equations_text(model), model) == derivatives(model)
    True
    """
    sections = _sections(text)
    symbols = {s.name: s for s in (*model.amounts, *model.parameters, *model.inputs)}
    rates: dict[str, sympy.Expr] = {}
    for line in sections[RATES]:
        name, formula = _taken_apart(_RATE, line, "NAME = FORMULA")
        if name in rates:
            raise InputError(f"rate {name!r} is defined twice: keep one")
        rates[name] = parse_formula(formula, symbols)
    known = {amount.name: amount for amount in model.amounts}
    found: dict[Amount, sympy.Expr] = {}
    for line in sections[EQUATIONS]:
        name, formula = _taken_apart(_EQUATION, line, "d NAME/dt = FORMULA")
        if name not in known:
            raise InputError(
                f"equation of {name!r}, which is no amount of model {model.name!r}: "
                f"{suggest(name, known)}"
            )
        if known[name] in found:
            raise InputError(f"{name!r} has two equations: keep one")
        found[known[name]] = (
            _sum_of_rates(formula, rates) if rates else parse_formula(formula, symbols)
        )
    missing = [name for name, amount in known.items() if amount not in found]
    if missing:
        raise InputError(
            f"no equation for {', '.join(missing)}: add d {missing[0]}/dt = ..."
        )
    return found


def _sections(text: str) -> dict[str, list[str]]:
    """Return the lines under each heading, what was wrapped joined again."""
    sections: dict[str, list[str]] = {name: [] for name in HEADINGS}
    current = EQUATIONS
    without_remarks = (line.split("#")[0] for line in text.splitlines())
    for line in filter(str.strip, without_remarks):
        if not line.startswith(" "):
            heading = re.split(r"\W", line, maxsplit=1)[0]
            if heading not in sections:
                nearest = suggest(heading, HEADINGS)
                raise InputError(f"heading {line!r} is unknown: {nearest}")
            current = heading
        elif line.startswith("   ") and sections[current]:
            sections[current][-1] += " " + line.strip()
        else:
            sections[current].append(line.strip())
    return sections


def _taken_apart(pattern: re.Pattern[str], line: str, form: str) -> tuple[str, str]:
    match = pattern.fullmatch(line)
    if match is None:
        raise InputError(f"{line!r} is no equation: write {form}")
    return match[1], match[2]


def _sum_of_rates(formula: str, rates: Mapping[str, sympy.Expr]) -> sympy.Expr:
    """Return the sum in the order of the rates, so that floats add up alike."""
    names = {name: sympy.Symbol(name) for name in rates}
    total = parse_formula(formula, names)
    coefficients = {name: total.coeff(symbol) for name, symbol in names.items()}
    remainder = total - sum(coefficients[name] * names[name] for name in names)
    if remainder != 0:
        raise InputError(
            f"{formula!r} is no sum of rates: write the formula below, under rates"
        )
    return sympy.Add(*(coefficients[name] * rate for name, rate in rates.items()))
