"""Assembled systems: a model and the form of a schedule, turned into equations."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import sympy

from pkmodels.definition import Fate, Model, Route, rates_of_change
from pkmodels.dimensions import check_unit, unit_of
from pkmodels.errors import ModelError
from pkmodels.reactions import Reaction
from pkmodels.schedule import LabelForm, ScheduleForm
from pkmodels.symbols import LIGAND, Amount, Input, Parameter, amounts_in
from pkmodels.tracers import DecayConstant, LabelEquations, Tracer, label_equations


@dataclass(frozen=True)
class System:
    """Equations of a model for one form of schedule.

    There are two kinds. Where nothing saturates, `matrix` is M in dx/dt = M x: the
    amounts of ligand and the activity of any label obey it, each with its own doses
    (the activity with - lambda x added), so that no label has states of its own.
    Otherwise the states are the amounts of all ligand (nmol) that anything depends on
    and, after them, the activity of each label (MBq) that is not in proportion to
    its ligand: the tracers.

    Parameters
    ----------
    name : str
        Name of the model.
    amounts : tuple of Amount
        The amounts of ligand and receptor, in order.
    tracers : tuple of Tracer
        The activities that have states of their own, in order.
    parameters : tuple of Parameter
        The parameters, in order.
    inputs : tuple of Input
        The inputs, in order.
    derivatives : tuple of sympy expression
        dx/dt of each amount, without decay, then of each tracer, with it.
    start : tuple of sympy expression
        What is there of each amount before the first dose, of parameters.
    decay_constants : tuple of DecayConstant
        Those in the equations of the tracers.
    matrix : sympy.ImmutableMatrix or None
        M in dx/dt = M x where the system is linear and homogeneous, else None.
    observables : tuple of str
        Names of what can be measured.
    readings : tuple of sympy expression
        Each of them, of amounts, parameters, inputs and readings.
    observation : sympy.ImmutableMatrix or None
        H in observed = H x where every observable is linear in the amounts.
    routes : tuple of (str, str, Route)
        For each ligand, as the model calls it, and name of a route, where its dose
        arrives.
    labels : tuple of LabelForm
        The labels of the form; none where `matrix` holds for any of them.
    has_infusions : bool
        Whether the schedule may hold infusions.
    """

    name: str
    amounts: tuple[Amount, ...]
    tracers: tuple[Tracer, ...]
    parameters: tuple[Parameter, ...]
    inputs: tuple[Input, ...]
    derivatives: tuple[sympy.Expr, ...]
    start: tuple[sympy.Expr, ...]
    decay_constants: tuple[DecayConstant, ...]
    matrix: sympy.ImmutableMatrix | None
    observables: tuple[str, ...]
    readings: tuple[sympy.Expr, ...]
    observation: sympy.ImmutableMatrix | None
    routes: tuple[tuple[str, str, Route], ...]
    labels: tuple[LabelForm, ...]
    has_infusions: bool

    @property
    def states(self) -> tuple[Amount, ...]:
        """Every state: the amounts, then the tracers."""
        return (*self.amounts, *(tracer.symbol for tracer in self.tracers))


def assemble(model: Model, form: ScheduleForm) -> System:
    """Turn a model into the fewest equations that a form of schedule needs.

    Parameters
    ----------
    model : Model
        The model.
    form : ScheduleForm
        Ligands, routes, labels and kinds of administration; never amounts or times.

    Returns
    -------
    System

    Raises
    ------
    ModelError
        When a unit does not fit, the model lacks a ligand or a route, or something
        saturates and the amount of ligand is not known.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> form = ScheduleForm(routes=(("dotatate", "intravenous"),))
    >>> assemble(organ_exchange.model(("kidney",)), form).matrix is not None
    True
    """
    check_units(model)
    names = _ligands_of(model, form)
    found = [(names[who], name, model.route(name, who)) for who, name in form.routes]
    routes = tuple(dict.fromkeys(found))
    form = replace(form, labels=_labels_in(model, form, names))
    live, reactions = _running(model, _seeds(model, form, routes))
    rates = rates_of_change(live, reactions)
    matrix = None
    if not model.start and not any(label.chain for label in form.labels):
        matrix = linear_matrix(live, tuple(rates.values()))
    readings = _readings(model, live)
    labels: tuple[LabelEquations, ...] = ()
    amounts = live
    if matrix is None:
        labels = tuple(
            label_equations(model, reactions, live, slot, label)
            for slot, label in enumerate(form.labels)
            if not label.proportional
        )
        amounts = _needed(form, rates, labels, readings)
        _refuse_unknown_amounts(model, form, routes, amounts)
    return System(
        name=model.name,
        amounts=amounts,
        tracers=tuple(t for label in labels for t in label.tracers),
        parameters=model.parameters,
        inputs=model.inputs,
        derivatives=(
            *(rates[amount] for amount in amounts),
            *(rate for label in labels for rate in label.derivatives),
        ),
        start=tuple(sympy.sympify(model.start.get(a, 0)) for a in amounts),
        decay_constants=tuple(
            dict.fromkeys(c for label in labels for c in label.decay_constants)
        ),
        matrix=matrix,
        observables=tuple(model.observables),
        readings=readings,
        observation=linear_matrix(amounts, readings),
        routes=routes,
        labels=form.labels if matrix is None else (),
        has_infusions=form.infusions,
    )


def check_units(model: Model) -> None:
    """Refuse a model whose units do not fit.

    Each rate is in the unit of what it moves per hour, each start in that of its
    amount, lags and durations are in h, and every sum adds like to like.

    Parameters
    ----------
    model : Model
        The model.

    Raises
    ------
    ModelError
        Naming the reaction or observable, the unit expected and the one found.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> check_units(organ_exchange.model(("kidney",)))
    """
    where = f"model {model.name!r}: "
    for reaction in model.reactions:
        what = f"{where}reaction {reaction.name!r}: the rate"
        participants = [a for a, _ in (*reaction.reactants, *reaction.products)]
        for amount in participants:
            if amount.unit != participants[0].unit:
                raise ModelError(
                    f"{where}reaction {reaction.name!r} turns {participants[0]} "
                    f"({participants[0].unit}) into {amount} ({amount.unit}): give "
                    "both one unit"
                )
        check_unit(what, reaction.rate, f"({participants[0].unit})/h")
    for name, expression in model.observables.items():
        try:
            unit_of(sympy.sympify(expression))
        except ModelError as error:
            raise ModelError(f"{where}observable {name!r}: {error}") from error
    for amount, expression in model.start.items():
        check_unit(f"{where}the start of {amount},", expression, amount.unit)
    for name, route in model.all_routes():
        what = f"{where}route {name!r}:"
        check_unit(f"{what} the lag", route.lag_h, "h")
        check_unit(f"{what} the bioavailability", route.bioavailability, "1")
        if route.duration_h is not None:
            check_unit(f"{what} the duration", route.duration_h, "h")
        if route.rate_per_h is not None:
            unit = f"({route.amount.unit})/h"
            check_unit(f"{what} the rate", route.rate_per_h, unit)


def linear_matrix(
    states: tuple[Amount, ...], expressions: tuple[sympy.Expr, ...]
) -> sympy.ImmutableMatrix | None:
    """Return M where the expressions are M x for the states x.

    Parameters
    ----------
    states : tuple of Amount
        The states x.
    expressions : tuple of sympy expression
        The expressions.

    Returns
    -------
    (n_expressions, n_states) sympy.ImmutableMatrix or None
        None where an expression is not linear and homogeneous.

    Examples
    --------
    >>> from pkmodels.symbols import amounts
    >>> plasma, kidney = amounts("plasma kidney", unit="nmol")
    >>> linear_matrix((plasma, kidney), (2 * plasma, plasma + kidney))
    Matrix([
    [2, 0],
    [1, 1]])
    >>> linear_matrix((plasma,), (plasma**2,)) is None
    True
    """
    columns = {state: column for column, state in enumerate(states)}
    entries: dict[tuple[int, int], sympy.Expr] = {}
    for row, expression in enumerate(expressions):
        remainder = expanded = sympy.expand(expression)
        present = [s for s in expanded.free_symbols if s in columns]
        for state in sorted(present, key=str):
            coefficient = sympy.expand(sympy.diff(expanded, state))
            if not coefficient.free_symbols.isdisjoint(columns):
                return None
            entries[row, columns[state]] = coefficient
            remainder -= coefficient * state
        if sympy.expand(remainder) != 0:
            return None
    shape = (len(expressions), len(states))
    return sympy.ImmutableMatrix(sympy.SparseMatrix(*shape, entries))


def _labels_in(
    model: Model, form: ScheduleForm, names: dict[str, str]
) -> tuple[LabelForm, ...]:
    """Return the labels by the model's names of the ligands."""
    own = {amount.ligand for amount in model.start}
    for reaction in model.reactions:
        made = {amount.ligand for amount, _ in reaction.products}
        own |= made - {amount.ligand for amount, _ in reaction.reactants}
    labels = []
    for label in form.labels:
        ligand = names[label.ligand]
        # What the body has or makes of the ligand carries no label.
        same = label.proportional and ligand not in own
        labels.append(replace(label, ligand=ligand, proportional=same))
    return tuple(labels)


def _seeds(
    model: Model, form: ScheduleForm, routes: tuple[tuple[str, str, Route], ...]
) -> list[Amount]:
    """Return the amounts that doses, and daughters set free, arrive in."""
    seeds = [route.amount for _, _, route in routes]
    if any(label.chain for label in form.labels):
        entries = model.daughters.values()
        seeds += [a for e in entries if not isinstance(e, Fate) for a in e.values()]
    return seeds


def _ligands_of(model: Model, form: ScheduleForm) -> dict[str, str]:
    """Say which of the model's ligands each given one is."""
    given = [*(ligand for ligand, _ in form.routes), *(x.ligand for x in form.labels)]
    unnamed = list(dict.fromkeys(who for who in given if who not in model.ligands))
    if len(unnamed) > 1:
        raise ModelError(
            f"model {model.name!r} has no ligands {', '.join(unnamed)}; it has "
            f"{', '.join(model.ligands)}: make amounts of them, "
            f"amounts(..., ligand={unnamed[0]!r})"
        )
    return {who: who if who in model.ligands else LIGAND for who in given}


def _running(
    model: Model, seeds: Iterable[Amount]
) -> tuple[tuple[Amount, ...], tuple[Reaction, ...]]:
    """Return the amounts that can ever be filled, and the reactions that then run."""
    live = {*seeds, *model.start}
    rates = {reaction: reaction.rate for reaction in model.reactions}
    while True:
        before = len(live)
        for reaction in model.reactions:
            empty = [a for a in amounts_in(reaction.rate) if a not in live]
            rates[reaction] = _without(reaction.rate, empty)
            if rates[reaction] != 0:
                live |= {amount for amount, _ in reaction.products}
        if len(live) == before:
            break
    reactions = tuple(
        replace(reaction, rate=rate) for reaction, rate in rates.items() if rate != 0
    )
    return tuple(amount for amount in model.amounts if amount in live), reactions


def _without(expression: sympy.Expr, empty: Iterable[Amount]) -> sympy.Expr:
    replaced: Any = expression.xreplace(dict.fromkeys(empty, sympy.S.Zero))
    return replaced


def _readings(model: Model, live: tuple[Amount, ...]) -> tuple[sympy.Expr, ...]:
    readings = []
    for name, expression in model.observables.items():
        expression = sympy.sympify(expression)
        empty = [a for a in amounts_in(expression) if a not in live]
        reading = _without(expression, empty)
        if reading.has(sympy.nan, sympy.zoo):
            raise ModelError(
                f"model {model.name!r}: observable {name!r} divides by what this "
                f"schedule never fills ({', '.join(map(str, empty))}): give "
                "the ligand, or leave the observable out"
            )
        readings.append(reading)
    return tuple(readings)


def _needed(
    form: ScheduleForm,
    rates: dict[Amount, sympy.Expr],
    labels: tuple[LabelEquations, ...],
    readings: tuple[sympy.Expr, ...],
) -> tuple[Amount, ...]:
    """Return the amounts of all ligand that anything followed depends on."""
    if not form.labels:
        return tuple(rates)
    wanted = {x.ligand for x in form.labels if x.proportional}
    needed = {amount for amount in rates if amount.ligand in wanted}
    for label in labels:
        for derivative in label.derivatives:
            needed |= rates.keys() & set(amounts_in(derivative))
    labelled = {x.ligand for x in form.labels}
    for reading in readings:
        amounts = rates.keys() & set(amounts_in(reading))
        if any(amount.ligand not in labelled for amount in amounts):
            needed |= amounts
    pending = list(needed)
    while pending:
        for amount in amounts_in(rates[pending.pop()]):
            if amount not in needed:
                needed.add(amount)
                pending.append(amount)
    return tuple(amount for amount in rates if amount in needed)


def _refuse_unknown_amounts(
    model: Model,
    form: ScheduleForm,
    routes: tuple[tuple[str, str, Route], ...],
    amounts: tuple[Amount, ...],
) -> None:
    given = {route.amount.ligand for _, _, route in routes}
    given &= {amount.ligand for amount in amounts}
    if given and not form.amounts_known:
        raise ModelError(
            f"model {model.name!r} is not linear: what {', '.join(sorted(given))} does "
            "depends on how much of it there is: state ligand_nmol of every "
            "administration"
        )
