"""Equations: a model as differential equations, in plain text and in LaTeX."""

import re
from collections.abc import Iterable, Mapping
from itertools import count
from textwrap import wrap

import sympy

from pkmodels.definition import Model, derivatives
from pkmodels.notation.daughters import freed_in_place, releases, staying
from pkmodels.notation.doses import route_details
from pkmodels.notation.formulas import formula_text, join_terms, ordered_terms
from pkmodels.notation.typesetting import formula_latex, name_latex, text_latex
from pkmodels.routes import Route
from pkmodels.symbols import Amount

# Longer sums continue on the next line.
_TEXT_WIDTH = 88
_LATEX_RATES_PER_LINE, _LATEX_FORMULAS_PER_LINE = 4, 2

EQUATIONS, RATES = "equations", "rates"
_STARTS, _INPUTS, _DOSES, _OBSERVED = "start", "inputs", "doses", "observed"
_DAUGHTERS = "daughters"
# What the text has, in this order.
HEADINGS = (EQUATIONS, RATES, _STARTS, _INPUTS, _DOSES, _OBSERVED, _DAUGHTERS)


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

    def written(expression: object) -> str:
        return formula_text(sympy.sympify(expression), names)

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
    lines = [f"{EQUATIONS} of {model.name}, time in h, without physical decay"]
    lines += _aligned({f"d {a}/dt": text for a, text in equations.items()})
    if rates:
        named = zip(_aligned(rates), rates, model.reactions, strict=True)
        lines += [RATES]
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
    if model.daughters:
        lines += [f"{_DAUGHTERS}, where their parent decays", *_daughter_lines(model)]
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
    details += [
        f"{_with_unit(what, unit)} {formula_text(e)}"
        for what, unit, e in route_details(route)
    ]
    return ", ".join(details)


def _with_unit(what: str, unit: str) -> str:
    return f"{what} in {unit}" if unit else what


def _daughter_lines(model: Model) -> list[str]:
    texts = [f"{daughter} {fate}" for daughter, fate in staying(model)]
    for release in releases(model):
        sources = ", ".join(map(str, release.sources))
        daughters = ", ".join(release.daughters)
        texts.append(f"{daughters} set free from {sources} into {release.target}")
    for daughter, amounts in freed_in_place(model).items():
        texts.append(f"{daughter} set free in {', '.join(map(str, amounts))}")
    return [
        f"  {line}"
        for text in texts
        for line in wrap(
            text,
            _TEXT_WIDTH - 2,
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    ]


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
        Equations, rates, starts, inputs, doses, observables and daughters, in this
        order.

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
        The lines of ``equations``, ``rates``, ``start``, ``inputs``, ``doses``,
        ``observed`` and ``daughters``, those that the model has.

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
        EQUATIONS: [
            rf"\frac{{d\,{name_latex(a.name)}}}{{dt}} &= {_broken(terms, size)}"
            for a, terms in sums.items()
        ],
        RATES: [
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
        _DAUGHTERS: _daughters_latex(model),
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
        rf"{text_latex(_with_unit(what, unit))}\ {formula_latex(e)}"
        for what, unit, e in route_details(route)
    ]
    return target + r",\ ".join(details)


def _daughters_latex(model: Model) -> list[str]:
    lines = [rf"{text_latex(d)} &\ {text_latex(fate)}" for d, fate in staying(model)]
    for release in releases(model):
        target = name_latex(release.target.name)
        lines.append(
            rf"{text_latex(', '.join(release.daughters))} &\ "
            rf"{text_latex('set free from')}\ {_listed(release.sources)} \to {target}"
        )
    for daughter, amounts in freed_in_place(model).items():
        where = rf"{text_latex('set free in')}\ {_listed(amounts)}"
        lines.append(rf"{text_latex(daughter)} &\ {where}")
    return lines


def _listed(amounts: tuple[Amount, ...]) -> str:
    """List amounts, a few on each line."""
    names, size = [name_latex(a.name) for a in amounts], _LATEX_RATES_PER_LINE
    chunks = [r",\ ".join(names[i : i + size]) for i in range(0, len(names), size)]
    return ", \\\\\n&\\quad ".join(chunks)
