"""Composition: several models joined into one where they share a compartment."""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence

import sympy

from pkmodels.definition import DaughterEntry, Fate, Model, RouteEntry
from pkmodels.errors import ModelError, suggest
from pkmodels.routes import Route
from pkmodels.symbols import Amount, described


def merge(name: str, *models: Model, shared: Collection[str] = ()) -> Model:
    """Return the model that holds the reactions of several, joined where they meet.

    Equal amounts are one amount, so that models meet in the compartments that they
    share. What two models define alike (a reaction, an observable, a route, a start) is
    there once. A parameter or an input of two models is one quantity only where
    `shared` says so.

    Parameters
    ----------
    name : str
        Name of the merged model.
    *models : Model
        At least one.
    shared : collection of str
        Names of the parameters and inputs that are one quantity in all models that have
        them; amounts may be named too.

    Returns
    -------
    Model

    Raises
    ------
    ModelError
        When a name has two definitions, a parameter of two models is not in `shared`,
        or a name in `shared` is not in two models.

    Examples
    --------
    >>> from pkmodels.reactions import flow
    >>> from pkmodels.symbols import amounts, parameters
    >>> plasma, kidney, liver = amounts("plasma kidney liver", unit="nmol")
    >>> k, w = parameters("k w", unit="1/h")
    >>> given = {"intravenous": plasma}
    >>> renal = Model("renal", (flow("filtration", plasma, kidney, k * plasma),), given,
    ...               {"kidney": kidney})
    >>> hepatic = Model("hepatic", (flow("uptake", plasma, liver, w * plasma),), given,
    ...                 {"liver": liver})
    >>> print(merge("both", renal, hepatic))
    model both
      filtration: plasma -> kidney, rate plasma*k
      uptake: plasma -> liver, rate plasma*w
      dose by intravenous -> plasma
      observed kidney = kidney
      observed liver = liver
    """
    if not models:
        raise ModelError(
            f"merging into {name!r}: there is no model to merge: give some"
        )
    titles = _titles(models)
    _check_shared(name, titles, models, shared)

    def join[Key: Hashable, Definition](
        tables: Sequence[Mapping[Key, Definition]], called: Callable[[Key], str]
    ) -> dict[Key, Definition]:
        return _joined(name, titles, tables, called)

    reactions = [{r.name: r for r in model.reactions} for model in models]
    observables = [_sympified(model.observables) for model in models]
    routes = [{(n, r.amount.ligand): r for n, r in m.all_routes()} for m in models]
    starts = [_sympified(model.start) for model in models]
    return Model(
        name=name,
        reactions=tuple(join(reactions, "reaction {!r}".format).values()),
        routes=_entries(join(routes, lambda key: f"route {key[0]!r} for {key[1]}")),
        observables=join(observables, "observable {!r}".format),
        start=join(starts, "the start of {}".format),
        daughters=_joined_daughters(name, titles, models),
    )


def _titles(models: Sequence[Model]) -> tuple[str, ...]:
    """Return what messages call each model: its name, and its place where two agree."""
    names = [model.name for model in models]
    return tuple(
        f"model {name!r}" + (f" (number {i})" if names.count(name) > 1 else "")
        for i, name in enumerate(names, start=1)
    )


def _check_shared(
    name: str,
    titles: Sequence[str],
    models: Sequence[Model],
    shared: Collection[str],
) -> None:
    if isinstance(shared, str):
        raise ModelError(
            f"merging into {name!r}: shared={shared!r} is one text: write "
            f"shared=({shared!r},)"
        )
    first: dict[str, tuple[str, sympy.Symbol]] = {}
    repeated: set[str] = set()
    for title, model in zip(titles, models, strict=True):
        for symbol in (*model.amounts, *model.parameters, *model.inputs):
            other_title, other = first.setdefault(symbol.name, (title, symbol))
            if other_title == title:
                continue
            repeated.add(symbol.name)
            _check_one_quantity(name, (other_title, other), (title, symbol), shared)
    for wanted in shared:
        if wanted not in repeated:
            raise ModelError(
                f"merging into {name!r}: shared names {wanted!r}, which is not in two "
                f"of the models: {suggest(wanted, sorted(repeated))}"
            )


def _check_one_quantity(
    name: str,
    first: tuple[str, sympy.Symbol],
    second: tuple[str, sympy.Symbol],
    shared: Collection[str],
) -> None:
    (one, symbol), (two, other) = first, second
    rename = f"rename one with renamed(..., {{{symbol.name!r}: ...}})"
    if symbol != other:
        raise ModelError(
            f"merging into {name!r}: {symbol.name!r} is {described(symbol)} in {one} "
            f"and {described(other)} in {two}: define it alike, or {rename}"
        )
    if not isinstance(symbol, Amount) and symbol.name not in shared:
        raise ModelError(
            f"merging into {name!r}: {symbol.name!r}, {described(symbol)}, is in {one} "
            f"and in {two}: list it in shared=({symbol.name!r},) if it is one "
            f"quantity, or {rename}"
        )


def _joined[Key: Hashable, Definition](
    name: str,
    titles: Sequence[str],
    tables: Sequence[Mapping[Key, Definition]],
    called: Callable[[Key], str],
) -> dict[Key, Definition]:
    """Join tables of definitions; what two of them hold must be defined alike."""
    joined: dict[Key, Definition] = {}
    origin: dict[Key, str] = {}
    for title, table in zip(titles, tables, strict=True):
        for key, definition in table.items():
            other = joined.setdefault(key, definition)
            first = origin.setdefault(key, title)
            if other != definition:
                raise ModelError(
                    f"merging into {name!r}: {called(key)} is ({other}) in {first} and "
                    f"({definition}) in {title}: define it alike in both, leave it out "
                    "of one, or give one another name with renamed()"
                )
    return joined


def _sympified[Key](table: Mapping[Key, sympy.Expr]) -> dict[Key, sympy.Expr]:
    return {key: sympy.sympify(expression) for key, expression in table.items()}


def _entries(routes: Mapping[tuple[str, str], Route]) -> dict[str, RouteEntry]:
    """Return the routes as a model states them, one tuple where ligands share one."""
    by_name: dict[str, tuple[Amount | Route, ...]] = {}
    for (name, _), route in routes.items():
        plain = route.amount if route == Route(route.amount) else route
        by_name[name] = (*by_name.get(name, ()), plain)
    return {n: found[0] if len(found) == 1 else found for n, found in by_name.items()}


def _joined_daughters(
    name: str, titles: Sequence[str], models: Sequence[Model]
) -> dict[str, DaughterEntry]:
    """Join fates, and entry by entry the tables of where amounts release daughters."""
    fates: list[dict[str, str]] = []
    targets: list[dict[tuple[str, Amount], Amount]] = []
    for model in models:
        kinds = model.daughters.items()
        fates.append(
            {k: e.value if isinstance(e, Fate) else "by amount" for k, e in kinds}
        )
        targets.append(
            {
                (daughter, source): target
                for daughter, entry in kinds
                if not isinstance(entry, Fate)
                for source, target in entry.items()
            }
        )
    fate = _joined(name, titles, fates, lambda key: f"the fate of daughter {key!r}")
    target = _joined(
        name,
        titles,
        targets,
        lambda key: f"where {key[1]} releases daughter {key[0]!r}",
    )
    return {
        daughter: Fate(kind)
        if kind != "by amount"
        else {source: to for (of, source), to in target.items() if of == daughter}
        for daughter, kind in fate.items()
    }
