"""The supplement of a paper: a model written out in Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from inspect import cleandoc

import sympy

from pkmodels.analysis.conservation import conserved_totals, mass_balance
from pkmodels.analysis.findings import linearity
from pkmodels.definition import Fate, Model
from pkmodels.errors import InputError, suggest
from pkmodels.notation.equations import latex_sections
from pkmodels.notation.formulas import formula_text
from pkmodels.notation.parameter_values import Known, check_values, value_texts
from pkmodels.symbols import Parameter

_CONVENTION = (
    "Time is in h. Amounts are of all ligand, labelled or not; the physical decay of a "
    "label is added to these equations when the model is simulated."
)


def supplement(
    model: Model,
    values: Mapping[str, Known] | None = None,
    *,
    meanings: Mapping[str, str] | None = None,
    assumptions: str = "",
) -> str:
    """Write a model out as the Markdown supplement of a paper.

    Parameters
    ----------
    model : Model
        The model.
    values : mapping of str to Value, Prior or float, optional
        Value or prior of each parameter that has one, in the parameter's unit; the
        source of a plain number counts as not stated.
    meanings : mapping of str to str, optional
        What an amount, a parameter or an input stands for, by its name.
    assumptions : str
        Markdown, for example the docstring of the model.

    Returns
    -------
    str
        Assumptions, amounts, parameters, inputs, reactions, equations, doses,
        observables, daughters and what is conserved. Equations are LaTeX with amsmath.

    Raises
    ------
    InputError
        When a value or a meaning belongs to nothing in the model, or a value is none
        or has another unit than its parameter.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> text = supplement(organ_exchange.model(("kidney",)))
    >>> [line for line in text.splitlines() if line.startswith("#")][:3]
    ['# organ_exchange', '## Assumptions', '## Amounts']
    """
    values, meanings = {} if values is None else values, meanings or {}
    _check(model, values, meanings)
    sections = {
        "Assumptions": "\n\n".join(filter(None, [cleandoc(assumptions), _CONVENTION])),
        "Amounts": _amounts(model, meanings),
        "Parameters": _parameters(model, values, meanings),
        "Inputs": _table(
            ("input", "meaning", "unit", "where the schedule does not set it"),
            [
                (_code(i), meanings.get(i.name, ""), i.unit, f"{i.otherwise:g}")
                for i in model.inputs
            ],
        ),
        "Reactions": _reactions(model),
        "Equations": _equations(model),
        "Doses": _doses(model),
        "Observables": _table(
            ("observable", "formula"),
            [(name, _code(sympy.sympify(e))) for name, e in model.observables.items()],
        ),
        "Radioactive daughters": _daughters(model),
        "What the equations tell": _consequences(model),
    }
    parts = [f"# {_cell(model.name)}"]
    parts += [f"## {title}\n\n{text}" for title, text in sections.items() if text]
    return "\n\n".join(parts) + "\n"


def _check(
    model: Model, values: Mapping[str, Known], meanings: Mapping[str, str]
) -> None:
    parameters = {p.name: p for p in model.parameters}
    known = [s.name for s in (*model.amounts, *model.parameters, *model.inputs)]
    for name in meanings:
        if name not in known:
            raise InputError(
                f"a meaning is given for {name!r}, which is not in model "
                f"{model.name!r}: {suggest(name, known)}"
            )
    check_values(model.parameters, values)
    for name in values:
        if name not in parameters:
            raise InputError(
                f"a value is given for {name!r}, which is no parameter of model "
                f"{model.name!r}: {suggest(name, parameters)}"
            )


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table, without the columns that are empty in every row."""
    filled = list(rows)
    kept = [n for n, _ in enumerate(columns) if any(row[n] for row in filled)]
    lines = [[columns[n] for n in kept], ["---"] * len(kept)]
    lines += [[row[n] for n in kept] for row in filled]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if filled else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


def _code(expression: sympy.Basic) -> str:
    return _quoted(formula_text(expression))


def _quoted(text: str) -> str:
    return f"`{_cell(text)}`"


def _amounts(model: Model, meanings: Mapping[str, str]) -> str:
    rows = [
        (
            _code(amount),
            _cell(meanings.get(amount.name, "")),
            _cell(amount.ligand) or "none",
            amount.unit,
            _code(sympy.sympify(model.start.get(amount, 0))),
        )
        for amount in model.amounts
    ]
    return _table(("amount", "meaning", "ligand", "unit", "start"), rows)


def _parameters(
    model: Model, values: Mapping[str, Known], meanings: Mapping[str, str]
) -> str:
    def row(parameter: Parameter) -> tuple[str, ...]:
        value = values.get(parameter.name)
        known = ("", "", "") if value is None else value_texts(value)
        cells = (meanings.get(parameter.name, ""), parameter.unit, *known)
        return (_code(parameter), *map(_cell, cells))

    columns = ("parameter", "meaning", "unit", "value", "how sure", "source")
    return _table(columns, map(row, model.parameters))


def _reactions(model: Model) -> str:
    rows = []
    for reaction in model.reactions:
        chemistry = str(reaction).removeprefix(f"{reaction.name}: ")
        chemistry = chemistry.partition(", rate ")[0]
        rows.append((_cell(reaction.name), _quoted(chemistry), _code(reaction.rate)))
    return _table(("reaction", "turns", "at the rate"), rows)


def _equations(model: Model) -> str:
    sections = latex_sections(model)
    blocks = []
    for name in ("equations", "rates", "start"):
        if name in sections:
            body = " \\\\\n".join(sections[name])
            blocks.append(f"$$\n\\begin{{aligned}}\n{body}\n\\end{{aligned}}\n$$")
    return "\n\n".join(blocks)


def _doses(model: Model) -> str:
    rows = [
        (
            _cell(name),
            _cell(route.amount.ligand),
            _code(route.amount),
            _code(sympy.sympify(route.bioavailability)),
            _code(sympy.sympify(route.lag_h)),
            "" if route.duration_h is None else _code(sympy.sympify(route.duration_h)),
            "" if route.rate_per_h is None else _code(sympy.sympify(route.rate_per_h)),
        )
        for name, route in model.all_routes()
    ]
    columns = ("route", "ligand", "into", "bioavailability", "lag (h)")
    return _table((*columns, "duration (h)", "rate (per h)"), rows)


def _daughters(model: Model) -> str:
    rows = []
    for daughter, fate in model.daughters.items():
        if isinstance(fate, Fate):
            text = str(fate)
        else:
            pairs = (f"from {_code(a)} into {_code(b)}" for a, b in fate.items())
            text = ", ".join(pairs)
        rows.append((_cell(daughter), text))
    return _table(("daughter", "where its parent decays"), rows)


def _consequences(model: Model) -> str:
    totals = ", ".join(_code(total) for total in conserved_totals(model))
    lines = [f"conserved in total: {totals or 'nothing'}"]
    lines += [_cell(str(balance)) for balance in mass_balance(model)]
    lines += [_cell(line) for line in str(linearity(model)).splitlines()]
    return "\n".join(f"- {line}" for line in lines)
