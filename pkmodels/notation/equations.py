"""Equations: a model as differential equations, in plain text and in LaTeX."""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import count

import sympy

from pkmodels.definition import Model, Route, derivatives
from pkmodels.errors import InputError, suggest
from pkmodels.notation.formula_parser import parse_formula
from pkmodels.notation.formulas import formula_text, join_terms, ordered_terms
from pkmodels.notation.typesetting import formula_latex, name_latex, text_latex
from pkmodels.symbols import Amount

# Longer sums continue on the next line.
_TEXT_WIDTH = 88
_LATEX_RATES_PER_LINE, _LATEX_FORMULAS_PER_LINE = 4, 2

_EQUATION = re.compile(r"d (\S+)/dt *= *(.*)", re.DOTALL)
_RATE = re.compile(r"(\S+) *= *(.*)", re.DOTALL)

_EQUATIONS, _RATES = "equations", "rates"
_STARTS, _INPUTS, _DOSES, _OBSERVED = "start", "inputs", "doses", "observed"
_HEADINGS = (_EQUATIONS, _RATES, _STARTS, _INPUTS, _DOSES, _OBSERVED)


def equations_text(model: Model, *, substituted: bool = False) -> str:
    """Write a model as differential equations in plain text.

    dx/dt = sum over reactions of (n_products - n_reactants) rate, time in h, for all
    ligand; a label's physical decay is not part of a model.

    Parameters
    ----------
    model : Model
        The model.
    substituted : bool
        Whether each rate's formula stands in every equation, instead of its name
        there and its formula once below.

    Returns
    -------
    str

    Raises
    ------
    ModelError
        When an expression has no plain notation.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> text = equations_text(organ_exchange.model(("kidney",)))
    >>> print("\\n".join(text.splitlines()[:3]))
    equations of organ_exchange, time in h, without physical decay
      d blood/dt  = -uptake_kidney - elimination
      d kidney/dt = uptake_kidney - washout_kidney
    """
    names = _symbol_names(model)

    def written(expression: sympy.Basic) -> str:
        return formula_text(expression, names)

    if substituted:
        equations = {a: written(e) for a, e in derivatives(model).items()}
        rates: dict[str, str] = {}
    else:
        labels = _rate_labels(model)
        equations = {
            a: join_terms(_named_terms(model, a, labels, "*") or ["0"])
            for a in model.amounts
        }
        rates = {
            label: written(reaction.rate)
            for label, reaction in zip(labels, model.reactions, strict=True)
        }
    lines = [f"{_EQUATIONS} of {model.name}, time in h, without physical decay"]
    lines += _aligned({f"d {a}/dt": text for a, text in equations.items()})
    if rates:
        named = zip(_aligned(rates), rates, model.reactions, strict=True)
        lines += [_RATES]
        lines += [line + _remark(r.name, label) for line, label, r in named]
    if model.start:
        lines += [f"{_STARTS} (0 where not stated)"]
        lines += _aligned({str(a): written(e) for a, e in model.start.items()})
    if model.inputs:
        lines += [f"{_INPUTS}, where the schedule does not set them"]
        lines += _aligned({str(i): repr(i.otherwise) for i in model.inputs})
    if model.routes:
        lines += [_DOSES]
        lines += [f"  {_route_text(name, r)}" for name, r in model.all_routes()]
    if model.observables:
        lines += [_OBSERVED]
        lines += _aligned({n: written(e) for n, e in model.observables.items()})
    return "\n".join(lines)


def _remark(name: str, label: str) -> str:
    return "" if name in label else f"  # {' '.join(name.split())}"


def _symbol_names(model: Model) -> set[str]:
    return {s.name for s in (*model.amounts, *model.parameters, *model.inputs)}


def _rate_labels(model: Model) -> tuple[str, ...]:
    """Name each rate by its reaction, unless that name means something else too."""
    taken = _symbol_names(model)
    names = [reaction.name for reaction in model.reactions]
    if all(name.isidentifier() for name in names):
        for labels in (names, [f"rate_{name}" for name in names]):
            if not taken & set(labels):
                return tuple(labels)
    stem = next(
        stem
        for stem in ("v" + "_" * n for n in count())
        if not any(name.startswith(stem) for name in taken)
    )
    return tuple(f"{stem}{number}" for number, _ in enumerate(names, start=1))


def _named_terms(
    model: Model, amount: Amount, labels: Iterable[str], times: str
) -> list[str]:
    """Return the signed terms of an equation, gains before losses."""
    net = [reaction.net_counts().get(amount, 0) for reaction in model.reactions]
    counts = zip(net, labels, strict=True)
    return [
        ("-" if n < 0 else "") + (f"{abs(n)}{times}" if abs(n) > 1 else "") + label
        for n, label in sorted(counts, key=lambda pair: pair[0] < 0)
        if n
    ]


def _aligned(lines: Mapping[str, str]) -> list[str]:
    width = max(map(len, lines))
    return [_wrapped(f"  {left:{width}} = {right}") for left, right in lines.items()]


def _wrapped(line: str) -> str:
    """Break a long line before signs, best between terms, indenting what follows."""
    wrapped, rest = [], line
    indent = " " * (line.index(" = ") + 3)
    while len(rest) > _TEXT_WIDTH:
        signs = [m.start() for m in re.finditer(r" [-+] ", rest[: _TEXT_WIDTH + 3])]
        inside = [p for p in signs if len(indent) < p <= _TEXT_WIDTH]
        between = [p for p in inside if rest.count("(", 0, p) == rest.count(")", 0, p)]
        if not inside:
            break
        end = (between or inside)[-1]
        wrapped.append(rest[:end])
        rest = indent + rest[end + 1 :]
    return "\n".join([*wrapped, rest])


def _route_text(name: str, route: Route) -> str:
    details = [f"by {name} into {route.amount}"]
    details += [f"{what} {formula_text(e)}" for what, e in _route_details(route)]
    return ", ".join(details)


def _route_details(route: Route) -> Iterator[tuple[str, sympy.Expr]]:
    if route.bioavailability != 1:
        yield "bioavailability", route.bioavailability
    if route.lag_h != 0:
        yield "lag in h", route.lag_h
    if route.duration_h is not None:
        yield "duration in h", route.duration_h
    if route.rate_per_h is not None:
        yield f"rate in {route.amount.unit}/h", route.rate_per_h


def latex(model: Model, *, substituted: bool = False) -> str:
    r"""Write a model as one LaTeX ``aligned`` block, for mathematics with amsmath.

    Parameters
    ----------
    model : Model
        The model.
    substituted : bool
        Whether each rate's formula stands in every equation, instead of its name
        there and its formula once below.

    Returns
    -------
    str
        Equations, rates, starts, inputs, doses and observables, in this order.

    Raises
    ------
    ModelError
        When an expression holds a number beyond 64-bit floats.

    Examples
    --------
    >>> from pkmodels.reactions import flow
    >>> from pkmodels.symbols import amounts
    >>> (blood,) = amounts("blood", unit="nmol")
    >>> text = latex(Model("m", (flow("loss", blood, None, blood),), {"iv": blood}, {}))
    >>> print(text.splitlines()[1])
    \frac{d\,\mathrm{blood}}{dt} &= - v_{\text{loss}} \\[1ex]
    """
    sections = latex_sections(model, substituted=substituted).values()
    body = " \\\\[1ex]\n".join(" \\\\\n".join(lines) for lines in sections)
    return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"


def latex_sections(
    model: Model, *, substituted: bool = False
) -> dict[str, tuple[str, ...]]:
    """Write the parts of a model as lines of LaTeX, each aligned at its ``&``.

    Parameters
    ----------
    model : Model
        The model.
    substituted : bool
        Whether each rate's formula stands in every equation.

    Returns
    -------
    dict of str to tuple of str
        The lines of ``equations``, ``rates``, ``start``, ``inputs``, ``doses`` and
        ``observed``, those that the model has.

    Raises
    ------
    ModelError
        When an expression holds a number beyond 64-bit floats.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> list(latex_sections(organ_exchange.model(("kidney",))))
    ['equations', 'rates', 'doses', 'observed']
    """
    rates = {r.name: f"v_{{{text_latex(_spaced(r.name))}}}" for r in model.reactions}
    size = _LATEX_FORMULAS_PER_LINE if substituted else _LATEX_RATES_PER_LINE
    equations = derivatives(model)
    sums = {
        amount: [formula_latex(t) for t in ordered_terms(equations[amount])]
        if substituted
        else _named_terms(model, amount, rates.values(), r" \, ") or ["0"]
        for amount in model.amounts
    }
    sections = {
        _EQUATIONS: [
            rf"\frac{{d\,{name_latex(a.name)}}}{{dt}} &= {_broken(terms, size)}"
            for a, terms in sums.items()
        ],
        _RATES: [
            f"{rates[r.name]} &= {formula_latex(r.rate)}"
            for r in model.reactions
            if not substituted
        ],
        _STARTS: [
            f"{name_latex(a.name)}(0) &= {formula_latex(e)}"
            for a, e in model.start.items()
        ],
        _INPUTS: [
            rf"{name_latex(i.name)} &= {i.otherwise:g} \quad \text{{unless set}}"
            for i in model.inputs
        ],
        _DOSES: [_route_latex(name, route) for name, route in model.all_routes()],
        _OBSERVED: [
            f"{text_latex(_spaced(name))} &= {formula_latex(sympy.sympify(e))}"
            for name, e in model.observables.items()
        ],
    }
    return {name: tuple(lines) for name, lines in sections.items() if lines}


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _broken(terms: list[str], size: int) -> str:
    """Join terms, a few on each line."""
    signed = [t if t.startswith("-") else f"+ {t}" for t in terms]
    signed[0] = terms[0]
    spaced = [f"- {t[1:].lstrip()}" if t.startswith("-") else t for t in signed]
    chunks = [" ".join(spaced[i : i + size]) for i in range(0, len(spaced), size)]
    return " \\\\\n&\\quad ".join(chunks)


def _route_latex(name: str, route: Route) -> str:
    target = rf"{text_latex(f'dose by {_spaced(name)}')} &\to "
    details = [name_latex(route.amount.name)]
    details += [
        rf"{text_latex(what)}\ {formula_latex(e)}" for what, e in _route_details(route)
    ]
    return target + r",\ ".join(details)


def parse_equations(text: str, model: Model) -> dict[Amount, sympy.Expr]:
    """Read back the differential equations that `equations_text` writes.

    Parameters
    ----------
    text : str
        The equations, with or without named rates; starts, doses and observables
        are passed over.
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
    >>> from pkmodels.models import organ_exchange
    >>> model = organ_exchange.model(("kidney",))
    >>> parse_equations(equations_text(model), model) == derivatives(model)
    True
    """
    sections = _sections(text)
    symbols = {s.name: s for s in (*model.amounts, *model.parameters, *model.inputs)}
    rates: dict[str, sympy.Expr] = {}
    for line in sections[_RATES]:
        name, formula = _taken_apart(_RATE, line, "NAME = FORMULA")
        if name in rates:
            raise InputError(f"rate {name!r} is defined twice: keep one")
        rates[name] = parse_formula(formula, symbols)
    known = {amount.name: amount for amount in model.amounts}
    found: dict[Amount, sympy.Expr] = {}
    for line in sections[_EQUATIONS]:
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
    sections: dict[str, list[str]] = {name: [] for name in _HEADINGS}
    current = _EQUATIONS
    without_remarks = (line.split("#")[0] for line in text.splitlines())
    for line in filter(str.strip, without_remarks):
        if not line.startswith(" "):
            heading = re.split(r"\W", line, maxsplit=1)[0]
            if heading not in sections:
                nearest = suggest(heading, _HEADINGS)
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
