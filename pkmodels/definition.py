"""Models: reactions, where a dose arrives, what is there before, what is observed."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import sympy

from pkmodels.errors import ModelError, check_kind, suggest
from pkmodels.nuclides import nuclides
from pkmodels.reactions import Reaction, without
from pkmodels.routes import Route
from pkmodels.symbols import (
    NO_LIGAND,
    Amount,
    Input,
    Parameter,
    Reading,
    amounts_in,
    described,
    name_in_model,
    symbols_in,
)


class Fate(StrEnum):
    """What becomes of a radioactive daughter where its parent decays."""

    WITH_LIGAND = "stays with the ligand"
    IN_PLACE = "stays in the compartment"


# How a route is written in a model: plainly, with details, or one for each ligand.
RouteEntry = Amount | Route | tuple[Amount | Route, ...]
# What becomes of a daughter: a fate, or the amount in which each amount releases it.
DaughterEntry = Fate | Mapping[Amount, Amount]


@dataclass(frozen=True)
class Model:
    """A compartment model of ligands and receptors, without doses and without data.

    Parameters
    ----------
    name : str
        Name of the model.
    reactions : tuple of Reaction
        All processes; decay of a label is not one of them.
    routes : mapping of str to Amount, Route or tuple of them
        For each route of administration, where a dose arrives; a tuple has one entry
        for each ligand that may be given by it.
    observables : mapping of str to sympy expression
        What can be measured, of amounts, parameters, inputs and readings
        (`pkmodels.observables`).
    start : mapping of Amount to sympy expression
        What is there before the first dose, of parameters; 0 where not stated.
    daughters : mapping of str to Fate or mapping of Amount to Amount
        For each radioactive daughter of a label, what becomes of it.

    Raises
    ------
    ModelError
        When names repeat, a symbol is unknown, or nothing ever fills a compartment.
    """

    name: str
    reactions: tuple[Reaction, ...]
    routes: Mapping[str, RouteEntry]
    observables: Mapping[str, sympy.Expr]
    start: Mapping[Amount, sympy.Expr] = field(default_factory=dict)
    daughters: Mapping[str, DaughterEntry] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check kinds, names and symbols."""
        _check_kinds(self)
        _check_names(self)
        _check_symbols(self)
        _check_daughters(self)
        _check_filled(self)

    @property
    def amounts(self) -> tuple[Amount, ...]:
        """Every amount of the reactions, in the order of first appearance."""
        found: dict[Amount, None] = {}
        for reaction in self.reactions:
            for amount, _ in (*reaction.reactants, *reaction.products):
                found.setdefault(amount)
            for amount in amounts_in(reaction.rate):
                found.setdefault(amount)
        return tuple(found)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Every parameter, in order of appearance."""
        return tuple(s for s in self._symbols() if isinstance(s, Parameter))

    @property
    def inputs(self) -> tuple[Input, ...]:
        """Every input, in order of appearance."""
        return tuple(s for s in self._symbols() if isinstance(s, Input))

    @property
    def ligands(self) -> tuple[str, ...]:
        """Every ligand, in order of appearance."""
        found = dict.fromkeys(amount.ligand for amount in self.amounts)
        return tuple(ligand for ligand in found if ligand != NO_LIGAND)

    def expressions(self) -> Iterator[sympy.Expr]:
        """Yield every expression of the model."""
        yield from (reaction.rate for reaction in self.reactions)
        yield from (sympy.sympify(e) for e in self.observables.values())
        yield from (sympy.sympify(e) for e in self.start.values())
        for _, route in self.all_routes():
            yield from route.expressions

    def sources(self) -> tuple[Amount, ...]:
        """Return what doses, the start and daughters that are set free fill."""
        found = {route.amount: None for _, route in self.all_routes()}
        found |= {a: None for a, e in self.start.items() if sympy.sympify(e) != 0}
        entries = self.daughters.values()
        freed = (a for e in entries if not isinstance(e, Fate) for a in e.values())
        return tuple({**found, **dict.fromkeys(freed)})

    def all_routes(self) -> Iterator[tuple[str, Route]]:
        """Yield the name of each route with its details, one for each ligand."""
        for name, entry in self.routes.items():
            for one in entry if isinstance(entry, tuple) else (entry,):
                yield name, one if isinstance(one, Route) else Route(one)

    def route(self, name: str, ligand: str) -> Route:
        """Return the route by which a ligand is given.

        Parameters
        ----------
        name : str
            Name of the route.
        ligand : str
            The ligand; an unnamed ligand of the model is any that it does not name.

        Returns
        -------
        Route

        Raises
        ------
        ModelError
            When the model lacks the ligand or the route.
        """
        known = self.ligands
        wanted = name_in_model(known, ligand)
        if wanted is None:
            raise ModelError(
                f"model {self.name!r} has no ligand {ligand!r}: "
                f"{suggest(ligand, known)}"
            )
        found = {n: r for n, r in self.all_routes() if r.amount.ligand == wanted}
        if name not in found:
            raise ModelError(
                f"model {self.name!r} has no route {name!r} for {ligand}: "
                f"{suggest(name, found)}"
            )
        return found[name]

    def _symbols(self) -> tuple[sympy.Symbol, ...]:
        found: dict[sympy.Symbol, None] = {}
        for expression in self.expressions():
            for symbol in symbols_in(expression):
                found.setdefault(symbol)
        return tuple(found)

    def __str__(self) -> str:
        """Print the model as chemistry."""
        lines = [f"model {self.name}"]
        lines += [f"  {reaction}" for reaction in self.reactions]
        lines += [f"  starts with {a} = {e}" for a, e in self.start.items()]
        lines += [f"  dose by {name} -> {route}" for name, route in self.all_routes()]
        lines += [f"  observed {name} = {e}" for name, e in self.observables.items()]
        for daughter, entry in self.daughters.items():
            if isinstance(entry, Fate):
                lines.append(f"  {daughter} {entry}")
            else:
                freed = ", ".join(f"{a} -> {b}" for a, b in entry.items())
                lines.append(f"  {daughter} is set free: {freed}")
        return "\n".join(lines)


def _check_kinds(model: Model) -> None:
    where = f"of model {model.name!r}"
    check_kind("the name of a model", model.name, str, "write it in quotes")
    remedy = "write (reaction, reaction), with a star before a block: (*binding(...),)"
    check_kind(f"reactions {where}", model.reactions, (tuple, list), remedy)
    for reaction in model.reactions:
        check_kind(f"a reaction {where}", reaction, Reaction, remedy)
    object.__setattr__(model, "reactions", tuple(model.reactions))
    for part in ("routes", "observables", "start", "daughters"):
        value = getattr(model, part)
        check_kind(f"{part} {where}", value, Mapping, "write {name: ...}")
    for name, entry in model.routes.items():
        for one in entry if isinstance(entry, tuple) else (entry,):
            remedy = "write the amount itself, or Route(amount, ...)"
            check_kind(f"route {name!r} {where}", one, (Amount, Route), remedy)
    for amount in model.start:
        remedy = "write the amount itself, {receptor: sites}"
        check_kind(f"a start {where}", amount, Amount, remedy)
    expressions = {**model.observables, **{str(a): e for a, e in model.start.items()}}
    for name, expression in expressions.items():
        remedy = "write an expression of amounts and parameters, without quotes"
        kinds = (sympy.Expr, int, float)
        check_kind(f"{name!r} {where}", expression, kinds, remedy)


def _check_daughters(model: Model) -> None:
    known, amounts = nuclides(), set(model.amounts)
    for daughter, entry in model.daughters.items():
        where = f"daughters[{daughter!r}] of model {model.name!r}"
        if daughter not in known:
            raise ModelError(
                f"{where} is no known radionuclide: {suggest(daughter, known)}"
            )
        remedy = "write Fate.WITH_LIGAND, Fate.IN_PLACE or {amount: amount}"
        check_kind(where, entry, (Fate, Mapping), remedy)
        if isinstance(entry, Fate):
            continue
        for amount in (*entry, *entry.values()):
            if amount not in amounts:
                raise ModelError(f"{where}: {amount} is in no reaction of the model")
        for target in entry.values():
            if target.ligand == NO_LIGAND:
                raise ModelError(
                    f"{where} is set free in {target}, which holds no ligand: make an "
                    "amount of it, amounts(..., ligand='free Bi')"
                )


def _check_names(model: Model) -> None:
    if not model.routes and not model.start:
        raise ModelError(
            f"model {model.name!r} has no route for a dose and starts empty: give it "
            "routes={'intravenous': plasma} or start={...}"
        )
    _refuse_repeats(model.name, "reaction", [r.name for r in model.reactions])
    symbols = [*model.amounts, *model.parameters, *model.inputs]
    by_name: dict[str, sympy.Symbol] = {}
    for symbol in symbols:
        other = by_name.setdefault(symbol.name, symbol)
        if other != symbol:
            raise ModelError(
                f"model {model.name!r}: {symbol.name!r} is defined twice, as "
                f"{described(other)} and as {described(symbol)}: give each its own "
                "name, or both one definition"
            )
    pairs = [f"{name} ({route.amount.ligand})" for name, route in model.all_routes()]
    _refuse_repeats(model.name, "route", pairs)


def _refuse_repeats(model: str, kind: str, names: list[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ModelError(
            f"model {model!r}: {kind} name {repeated[0]!r} stands for two things: "
            "give each its own name"
        )


def _check_symbols(model: Model) -> None:
    amounts = set(model.amounts)
    for name, expression in model.observables.items():
        for symbol in symbols_in(sympy.sympify(expression)):
            if isinstance(symbol, Amount) and symbol not in amounts:
                raise ModelError(
                    f"model {model.name!r}: observable {name!r} uses {symbol}, which "
                    "no reaction changes: "
                    f"{suggest(symbol.name, map(str, model.amounts))}"
                )
            if not isinstance(symbol, Amount | Parameter | Input | Reading):
                raise ModelError(
                    f"model {model.name!r}: observable {name!r} uses {symbol}, which "
                    "is not an amount, a parameter, an input or a reading"
                )
    known = [(f"route {name!r}", route.amount) for name, route in model.all_routes()]
    known += [("the start", amount) for amount in model.start]
    for where, amount in known:
        if amount not in amounts:
            raise ModelError(
                f"model {model.name!r}: {where} uses {amount}, which is in no "
                f"reaction: {suggest(amount.name, map(str, model.amounts))}"
            )
    constant = [(f"start of {a}", sympy.sympify(e)) for a, e in model.start.items()]
    for name, route in model.all_routes():
        constant += [(f"route {name!r}", e) for e in route.expressions]
    for where, expression in constant:
        for symbol in symbols_in(expression):
            if not isinstance(symbol, Parameter):
                raise ModelError(
                    f"model {model.name!r}: {where} uses {symbol}, which is not a "
                    "parameter: it must be known before the first dose"
                )


def _check_filled(model: Model) -> None:
    filled = {route.amount for _, route in model.all_routes()} | set(model.start)
    for reaction in model.reactions:
        filled |= {amount for amount, _ in reaction.products}
    for entry in model.daughters.values():
        if not isinstance(entry, Fate):
            filled |= set(entry.values())
    for reaction in model.reactions:
        for amount in amounts_in(reaction.rate):
            # What only slows a reaction, as a rival does, may be missing.
            if amount not in filled and without(reaction.rate, [amount]) == 0:
                raise ModelError(
                    f"model {model.name!r}: reaction {reaction.name!r} needs {amount}, "
                    "a compartment that is always empty: no route, no reaction and no "
                    f"start fills it; say start={{{amount}: ...}} or what makes it"
                )


def derivatives(model: Model) -> dict[Amount, sympy.Expr]:
    """Return the right-hand side of the model's equations, without decay.

    dx/dt = sum over reactions of (n_products - n_reactants) rate.

    Parameters
    ----------
    model : Model
        The model.

    Returns
    -------
    dict of Amount to sympy expression

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> model = organ_exchange.model(("kidney",))
    >>> sorted(str(amount) for amount in derivatives(model))
    ['blood', 'kidney']
    """
    return rates_of_change(model.amounts, model.reactions)


def rates_of_change(
    amounts: Iterable[Amount], reactions: Iterable[Reaction]
) -> dict[Amount, sympy.Expr]:
    """Return dx/dt of each amount under some reactions.

    Parameters
    ----------
    amounts : iterable of Amount
        All that take part.
    reactions : iterable of Reaction
        The reactions.

    Returns
    -------
    dict of Amount to sympy expression

    Examples
    --------
    >>> from pkmodels.reactions import flow
    >>> plasma, kidney = Amount("plasma", "nmol"), Amount("kidney", "nmol")
    >>> uptake = flow("uptake", plasma, kidney, Parameter("u", "1/h") * plasma)
    >>> rates_of_change((plasma, kidney), (uptake,))
    {plasma: -plasma*u, kidney: plasma*u}
    """
    terms: dict[Amount, list[sympy.Expr]] = {amount: [] for amount in amounts}
    for reaction in reactions:
        for amount, count in reaction.net_counts().items():
            terms[amount].append(count * reaction.rate)
    return {amount: sympy.Add(*parts) for amount, parts in terms.items()}
