"""Variants of a model: renamed, for another ligand, with linked parameters."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

import sympy

from pkmodels.definition import Fate, Model, RouteEntry
from pkmodels.dimensions import check_unit
from pkmodels.errors import ModelError, suggest
from pkmodels.reactions import Reaction
from pkmodels.routes import Route
from pkmodels.symbols import LIGAND, NO_LIGAND, Amount, Input, Parameter

_NO_NAMES: Mapping[str, str] = {}


def renamed(model: Model, names: Mapping[str, str]) -> Model:
    """Return a model with other names.

    A name stands for all that has it: an amount, a parameter or an input, and a
    reaction, an observable and a route. All are renamed at once, so that two may
    exchange their names.

    Parameters
    ----------
    model : Model
        The model.
    names : mapping of str to str
        For each name to change, the new one.

    Returns
    -------
    Model

    Raises
    ------
    ModelError
        When the model lacks a name, or two things would have one name.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> model = renamed(organ_exchange.model(("kidney",)), {"kidney": "kidney_left"})
    >>> print(model.reactions[0])
    uptake_kidney: blood -> kidney_left, rate \
blood*fraction_kidney*log(2)/blood_half_time
    """
    known = _all_names(model)
    for name in names:
        _check_known(f"renaming in model {model.name!r}", name, known)
    return _with_names(
        model, symbols=names, reactions=names, observables=names, routes=names
    )


def prefixed(model: Model, prefix: str, keep: Collection[str] = ()) -> Model:
    """Return a model in which every name begins with a prefix.

    Two copies of one organ merge so, when they keep the plasma and its route.

    Parameters
    ----------
    model : Model
        The model.
    prefix : str
        What each name begins with, before an underscore.
    keep : collection of str
        Names of whatever kind (route names among them) that stay.

    Returns
    -------
    Model
        Of that name too.

    Raises
    ------
    ModelError
        When the model lacks a name to keep, or two things would have one name.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> model = prefixed(organ_exchange.model(("kidney",)), "mouse", keep=("blood",))
    >>> print(model.reactions[1])
    mouse_washout_kidney: mouse_kidney -> outside, rate \
mouse_kidney*log(2)/mouse_biological_half_life_kidney
    """
    _check_not_text("keep", keep)
    known = _all_names(model)
    for name in keep:
        _check_known(f"prefixing model {model.name!r}: keep", name, known)
    names = {name: f"{prefix}_{name}" for name in known if name not in keep}
    result = _with_names(
        model, symbols=names, reactions=names, observables=names, routes=names
    )
    return replace(result, name=f"{prefix}_{model.name}")


def for_ligand(
    model: Model, ligand: str, suffix: str | None = None, keep: Collection[str] = ()
) -> Model:
    """Return the same model for another ligand, ready to be merged with others.

    The ligand's amounts become amounts of `ligand`. They, the reactions that move them
    or stop without them, the observables of them, and the parameters that only these,
    their starts and their routes use get the suffix. Receptors and what they use,
    inputs, route names and what `keep` names stay, so that merged models share them:
    list those parameters in ``merge(..., shared=...)``.

    Parameters
    ----------
    model : Model
        Of one ligand, or of `pkmodels.symbols.LIGAND` and others, which stay.
    ligand : str
        The ligand that it is to be for.
    suffix : str or None
        What names end with, after an underscore, or "" for nothing; None is the
        ligand's name, with an underscore for what may not stand in a name.
    keep : collection of str
        Parameters that do not depend on the ligand, as volumes and flows.

    Returns
    -------
    Model
        Its name ends with the suffix too.

    Raises
    ------
    ModelError
        When the model has several ligands and none is unnamed, the ligand has no name
        or is in the model already, the model lacks a parameter to keep, or two things
        would have one name.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> model = for_ligand(organ_exchange.model(("kidney",)), "dotatate", "t",
    ...                    keep=("blood_half_time",))
    >>> print(model.reactions[0], model.ligands)
    uptake_kidney_t: blood_t -> kidney_t, rate \
blood_t*fraction_kidney_t*log(2)/blood_half_time ('dotatate',)
    """
    _check_not_text("keep", keep)
    written_for = _ligand_to_replace(model, ligand)
    end = re.sub(r"\W+", "_", ligand) if suffix is None else suffix
    parameters = {p.name for p in model.parameters}
    for name in keep:
        _check_known(f"model {model.name!r} for {ligand}: keep", name, parameters)
    own = {a for a in model.amounts if a.ligand == written_for}
    reactions = {r.name for r in model.reactions if _is_of(own, r)}
    observables = {n for n, e in model.observables.items() if own & _free_symbols(e)}
    used = _parameters_of_ligand(model, own, reactions, observables)
    symbols = {a.name for a in own} | {p.name for p in used if p.name not in keep}

    def ended(names: Iterable[str]) -> dict[str, str]:
        return {name: f"{name}_{end}" if end else name for name in names}

    result = _with_names(
        model,
        symbols=ended(symbols),
        reactions=ended(reactions),
        observables=ended(observables),
        ligands={written_for: ligand},
    )
    return replace(result, name=f"{model.name}_{end}" if end else model.name)


def with_parameters(model: Model, expressions: Mapping[str, sympy.Expr]) -> Model:
    """Return a model in which expressions stand for some of its parameters.

    So a parameter of one tracer is linked to that of another by a ratio. All are put
    in at once: an expression may hold a parameter that is itself replaced.

    Parameters
    ----------
    model : Model
        The model.
    expressions : mapping of str to sympy expression
        For each name of a parameter, an expression of parameters and inputs in its
        unit; inputs may not reach starts and routes.

    Returns
    -------
    Model

    Raises
    ------
    ModelError
        When the model lacks a parameter, a unit differs, or an expression holds
        anything else.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.symbols import parameters
    >>> (ratio,) = parameters("ratio", unit="1")
    >>> (shared,) = parameters("half_life_of_another", unit="h")
    >>> model = with_parameters(organ_exchange.model(("kidney",)),
    ...                         {"biological_half_life_kidney": ratio * shared})
    >>> print(model.reactions[1].rate)
    kidney*log(2)/(half_life_of_another*ratio)
    """
    parameters = {p.name: p for p in model.parameters}
    symbols: dict[sympy.Symbol, sympy.Expr] = {}
    for name, given in expressions.items():
        what = f"model {model.name!r}: parameter {name!r}"
        _check_known(f"replacing a parameter of model {model.name!r}", name, parameters)
        expression = sympy.sympify(given)
        for symbol in sorted(expression.free_symbols, key=str):
            if not isinstance(symbol, Parameter | Input):
                raise ModelError(
                    f"{what} is to be {expression}, but {symbol} is not a parameter or "
                    "an input: make it with parameters() or inputs()"
                )
        check_unit(what, expression, parameters[name].unit)
        symbols[parameters[name]] = expression
    return _substituted(model, symbols)


def _check_known(what: str, name: str, known: Iterable[str]) -> None:
    names = list(known)
    if name not in names:
        raise ModelError(f"{what}: it has no {name!r}: {suggest(name, names)}")


def _check_not_text(argument: str, names: Collection[str]) -> None:
    if isinstance(names, str):
        raise ModelError(f"{argument}={names!r} is one text: write ({names!r},)")


def _symbols(model: Model) -> tuple[Amount | Parameter | Input, ...]:
    return (*model.amounts, *model.parameters, *model.inputs)


def _all_names(model: Model) -> tuple[str, ...]:
    """Return every name that can be changed, each once."""
    found = [symbol.name for symbol in _symbols(model)]
    found += [reaction.name for reaction in model.reactions]
    return tuple(dict.fromkeys([*found, *model.observables, *model.routes]))


def _free_symbols(expression: sympy.Expr) -> set[sympy.Basic]:
    return set(sympy.sympify(expression).free_symbols)


def _is_of(own: set[Amount], reaction: Reaction) -> bool:
    """Say whether a reaction moves a ligand or stops without it."""
    if own & {amount for amount, _ in (*reaction.reactants, *reaction.products)}:
        return True
    without = reaction.rate.xreplace(dict.fromkeys(own, sympy.S.Zero))
    return bool(own & _free_symbols(reaction.rate)) and without == 0


def _ligand_to_replace(model: Model, ligand: str) -> str:
    known = model.ligands
    what = f"model {model.name!r} for {ligand!r}"
    if ligand == NO_LIGAND:
        raise ModelError(f"{what}: a ligand needs a name")
    if LIGAND not in known and len(known) != 1:
        raise ModelError(
            f"{what}: it has {len(known)} ligands, {', '.join(known) or 'none'}, and "
            "which one to replace is not clear: leave ligand= out where the amounts of "
            "that one are made"
        )
    replaced = LIGAND if LIGAND in known else known[0]
    if ligand in known and ligand != replaced:
        raise ModelError(
            f"{what}: it has amounts of {ligand} already: name another ligand"
        )
    return replaced


def _parameters_of_ligand(
    model: Model, own: set[Amount], reactions: set[str], observables: set[str]
) -> set[Parameter]:
    """Return the parameters that the ligand's side uses and no other side does."""
    sides: dict[bool, list[sympy.Expr]] = {True: [], False: []}
    for reaction in model.reactions:
        sides[reaction.name in reactions].append(reaction.rate)
    for name, expression in model.observables.items():
        sides[name in observables].append(expression)
    for amount, expression in model.start.items():
        sides[amount in own].append(expression)
    for _, route in model.all_routes():
        sides[route.amount in own].extend(route.expressions)
    mine, others = (
        {symbol for expression in sides[side] for symbol in _free_symbols(expression)}
        for side in (True, False)
    )
    return {symbol for symbol in mine - others if isinstance(symbol, Parameter)}


def _called(symbol: Amount | Parameter | Input, name: str, ligand: str) -> sympy.Symbol:
    if isinstance(symbol, Amount):
        return Amount(name, symbol.unit, ligand)
    if isinstance(symbol, Input):
        return Input(name, symbol.unit, symbol.otherwise)
    return Parameter(name, symbol.unit)


def _with_names(
    model: Model,
    *,
    symbols: Mapping[str, str],
    reactions: Mapping[str, str] = _NO_NAMES,
    observables: Mapping[str, str] = _NO_NAMES,
    routes: Mapping[str, str] = _NO_NAMES,
    ligands: Mapping[str, str] = _NO_NAMES,
) -> Model:
    kinds = (
        ("symbol", [symbol.name for symbol in _symbols(model)], symbols),
        ("reaction", [reaction.name for reaction in model.reactions], reactions),
        ("observable", list(model.observables), observables),
        ("route", list(model.routes), routes),
    )
    for kind, known, names in kinds:
        _refuse_collisions(model.name, kind, known, names)
    replaced: dict[sympy.Symbol, sympy.Expr] = {}
    for symbol in _symbols(model):
        ligand = symbol.ligand if isinstance(symbol, Amount) else NO_LIGAND
        name = symbols.get(symbol.name, symbol.name)
        replaced[symbol] = _called(symbol, name, ligands.get(ligand, ligand))
    result = _substituted(model, replaced)
    return replace(
        result,
        reactions=tuple(
            replace(r, name=reactions.get(r.name, r.name)) for r in result.reactions
        ),
        observables={observables.get(n, n): e for n, e in result.observables.items()},
        routes={routes.get(n, n): entry for n, entry in result.routes.items()},
    )


def _refuse_collisions(
    model: str, kind: str, known: Iterable[str], names: Mapping[str, str]
) -> None:
    origin: dict[str, str] = {}
    for old in known:
        new = names.get(old, old)
        other = origin.setdefault(new, old)
        if other != old:
            raise ModelError(
                f"model {model!r}: {kind}s {other!r} and {old!r} would both be called "
                f"{new!r}: choose another name for one"
            )


def _substituted(model: Model, symbols: Mapping[sympy.Symbol, sympy.Expr]) -> Model:
    """Put expressions in the place of symbols, and amounts in the place of amounts."""

    def amount(old: Amount) -> Amount:
        new = symbols.get(old, old)
        return new if isinstance(new, Amount) else old

    def expression(old: sympy.Expr) -> Any:
        return sympy.sympify(old).xreplace(symbols)

    def side(old: tuple[tuple[Amount, int], ...]) -> tuple[tuple[Amount, int], ...]:
        return tuple((amount(a), n) for a, n in old)

    return replace(
        model,
        reactions=tuple(
            Reaction(r.name, side(r.reactants), side(r.products), expression(r.rate))
            for r in model.reactions
        ),
        routes={
            name: _substituted_route(entry, amount, expression)
            for name, entry in model.routes.items()
        },
        observables={n: expression(e) for n, e in model.observables.items()},
        start={amount(a): expression(e) for a, e in model.start.items()},
        daughters={
            label: entry
            if isinstance(entry, Fate)
            else {amount(a): amount(b) for a, b in entry.items()}
            for label, entry in model.daughters.items()
        },
    )


def _substituted_route(
    entry: RouteEntry,
    amount: Callable[[Amount], Amount],
    expression: Callable[[sympy.Expr], Any],
) -> RouteEntry:
    def one(old: Amount | Route) -> Amount | Route:
        if isinstance(old, Amount):
            return amount(old)
        stated = {f.name: getattr(old, f.name) for f in fields(old)}
        del stated["amount"]
        changed = {n: expression(e) for n, e in stated.items() if e is not None}
        return replace(old, amount=amount(old.amount), **changed)

    if isinstance(entry, tuple):
        return tuple(one(part) for part in entry)
    return one(entry)
