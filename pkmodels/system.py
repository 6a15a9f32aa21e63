"""Assembled systems: a model and the form of a schedule, turned into equations."""

from dataclasses import dataclass, replace

import sympy

from pkmodels.definition import Fate, Model, rates_of_change
from pkmodels.errors import ModelError, check_kind, suggest
from pkmodels.reactions import Reaction, running, without
from pkmodels.routes import Route
from pkmodels.schedule import LabelForm, ScheduleForm
from pkmodels.symbols import (
    LIGAND,
    NO_LIGAND,
    Amount,
    Input,
    Parameter,
    amounts_in,
    name_in_model,
)
from pkmodels.tracers import (
    DecayConstant,
    LabelEquations,
    Tracer,
    label_equations,
    moves_molecules,
    transports,
)
from pkmodels.wellposed import check_filled, check_units


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
    ligands : tuple of str
        The ligands of the model, given or not.
    amounts : tuple of Amount
        The amounts of ligand and receptor, in order.
    tracers : tuple of Tracer
        The activities that have states of their own, in order.
    parameters : tuple of Parameter
        The parameters, in order.
    inputs : tuple of Input
        The inputs, in order.
    reactions : tuple of Reaction
        Those that run; none of their rates may be negative.
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
    ligands: tuple[str, ...]
    amounts: tuple[Amount, ...]
    tracers: tuple[Tracer, ...]
    parameters: tuple[Parameter, ...]
    inputs: tuple[Input, ...]
    reactions: tuple[Reaction, ...]
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

    def __str__(self) -> str:
        """Print the equations, one line a state."""
        lines = [f"system {self.name}, time in h"]
        pairs = zip(self.states, self.derivatives, strict=True)
        lines += [f"  d {state}/dt = {rate}" for state, rate in pairs]
        return "\n".join(lines)

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
    _check_kinds(model, form)
    check_units(model)
    check_filled(model)
    names = _ligands_of(model, form)
    found = [(names[who], name, model.route(name, who)) for who, name in form.routes]
    routes = tuple(dict.fromkeys(found))
    form = replace(form, labels=_labels_in(model, form, names))
    filled, reactions = running(model.reactions, _seeds(model, form, routes))
    live = tuple(amount for amount in model.amounts if amount in filled)
    rates = rates_of_change(live, reactions)
    matrix = None
    if _may_be_linear(model, form, reactions):
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
        ligands=model.ligands,
        amounts=amounts,
        tracers=tuple(t for label in labels for t in label.tracers),
        parameters=model.parameters,
        inputs=model.inputs,
        reactions=reactions,
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
        for state in amounts_in(expanded):
            if state not in columns:
                continue
            coefficient = sympy.expand(sympy.diff(expanded, state))
            if not coefficient.free_symbols.isdisjoint(columns):
                return None
            entries[row, columns[state]] = coefficient
            remainder -= coefficient * state
        if sympy.expand(remainder) != 0:
            return None
    shape = (len(expressions), len(states))
    return sympy.ImmutableMatrix(sympy.SparseMatrix(*shape, entries))


def _check_kinds(model: Model, form: ScheduleForm) -> None:
    check_kind(
        "the model", model, Model, "assemble(model, schedule.form) takes a Model"
    )
    check_kind("the form", form, ScheduleForm, "assemble(model, schedule.form)")


def _may_be_linear(
    model: Model, form: ScheduleForm, reactions: tuple[Reaction, ...]
) -> bool:
    """Say whether one set of linear equations can serve ligand and labels alike."""
    for label in form.labels:
        transports(reactions, label.ligand)  # refuses what a label cannot follow
    if model.start or any(label.chain for label in form.labels):
        return False
    return not form.labels or all(moves_molecules(r) for r in reactions)


def _labels_in(
    model: Model, form: ScheduleForm, names: dict[str, str]
) -> tuple[LabelForm, ...]:
    """Return the labels by the model's names of the ligands."""
    own, converted = {amount.ligand for amount in model.start}, set()
    for reaction in model.reactions:
        made = {amount.ligand for amount, _ in reaction.products}
        lost = {amount.ligand for amount, _ in reaction.reactants}
        own |= made - lost
        if made - lost - {NO_LIGAND}:
            converted |= lost
    labels = []
    for label in form.labels:
        ligand = names[label.ligand]
        # What the body has or makes carries no label; a metabolite has its own ratio.
        same = label.proportional and ligand not in own and ligand not in converted
        labels.append(replace(label, ligand=ligand, proportional=same))
    return tuple(labels)


def _seeds(
    model: Model, form: ScheduleForm, routes: tuple[tuple[str, str, Route], ...]
) -> list[Amount]:
    """Return what is there, and what doses and daughters set free arrive in."""
    seeds = [*model.start, *(route.amount for _, _, route in routes)]
    if any(label.chain for label in form.labels):
        entries = model.daughters.values()
        seeds += [a for e in entries if not isinstance(e, Fate) for a in e.values()]
    return seeds


def _ligands_of(model: Model, form: ScheduleForm) -> dict[str, str]:
    """Say which of the model's ligands each given one is."""
    given = [*(ligand for ligand, _ in form.routes), *(x.ligand for x in form.labels)]
    names: dict[str, str] = {}
    for ligand in given:
        found = name_in_model(model.ligands, ligand)
        if found is None:
            raise ModelError(
                f"model {model.name!r} has no ligand {ligand!r}: "
                f"{suggest(ligand, model.ligands)}; make amounts of it, "
                f"amounts(..., ligand={ligand!r}), and a route"
                + (f", or give it as {LIGAND!r}" if LIGAND in model.ligands else "")
            )
        names[ligand] = found
    unnamed = [ligand for ligand, found in names.items() if found == LIGAND]
    if len(unnamed) > 1:
        raise ModelError(
            f"model {model.name!r} is written for one ligand and cannot be given "
            f"{' and '.join(unnamed)}: make amounts of each, "
            f"amounts(..., ligand={unnamed[0]!r})"
        )
    return names


def _readings(model: Model, live: tuple[Amount, ...]) -> tuple[sympy.Expr, ...]:
    readings = []
    for name, expression in model.observables.items():
        expression = sympy.sympify(expression)
        empty = [a for a in amounts_in(expression) if a not in live]
        reading = without(expression, empty)
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
    labelled |= {t.amount.ligand for label in labels for t in label.tracers}
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
            "administration (or ligand_mass_ug and molar_mass_g_per_mol)"
        )
