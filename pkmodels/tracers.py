"""Labels as tracers: where a labelled molecule goes, at what chance per hour.

A label rides on molecules that it does not change. Where a reaction moves molecules of
a ligand out of amount x at the rate r, each molecule there leaves at the rate r / x,
and so does the labelled share a of them: da/dt = - (r / x) a - lambda a, plus what
arrives. That is linear in the labels, with coefficients of all ligand, labelled or not.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import sympy

from pkmodels.chains import decay_chain, effective_parents
from pkmodels.definition import Fate, Model
from pkmodels.errors import ModelError, suggest
from pkmodels.reactions import Reaction
from pkmodels.schedule import LabelForm
from pkmodels.symbols import NO_LIGAND, Amount, Parameter


@dataclass(frozen=True)
class Transport:
    """Molecules of one ligand that move.

    Parameters
    ----------
    source : Amount
        Where they leave.
    target : Amount or None
        Where they arrive; None is the outside of the body.
    coefficient : sympy expression
        Chance of each molecule in `source` to move, 1/h.
    """

    source: Amount
    target: Amount | None
    coefficient: sympy.Expr


@dataclass(frozen=True)
class Tracer:
    """The activity of one nuclide in one amount, a state of its own.

    Parameters
    ----------
    symbol : Amount
        The state, MBq.
    slot : int
        Which label of the schedule's form it belongs to.
    nuclide : str or None
        The member of the decay chain; None is the label itself, whichever it is.
    amount : Amount
        Where it is.
    moves : bool
        Whether it moves as the ligand in `amount` does.
    """

    symbol: Amount
    slot: int
    nuclide: str | None
    amount: Amount
    moves: bool


@dataclass(frozen=True)
class DecayConstant:
    """The decay constant of a tracer, a number that the schedule gives.

    Parameters
    ----------
    symbol : Parameter
        Its symbol, 1/h.
    slot : int or None
        Which label of the schedule's form it is of; None where `nuclide` says it.
    nuclide : str or None
        The member of the decay chain; None is the label itself.
    """

    symbol: Parameter
    slot: int | None
    nuclide: str | None


def transports(reactions: tuple[Reaction, ...], ligand: str) -> tuple[Transport, ...]:
    """Return where the molecules of a ligand go.

    Parameters
    ----------
    reactions : tuple of Reaction
        The reactions.
    ligand : str
        The ligand.

    Returns
    -------
    tuple of Transport

    Raises
    ------
    ModelError
        When it cannot be told which molecule becomes which, or a rate cannot be
        divided by the amount that it empties.

    Examples
    --------
    >>> from pkmodels.reactions import flow
    >>> from pkmodels.symbols import amounts, parameters
    >>> plasma, kidney = amounts("plasma kidney", unit="nmol")
    >>> (capacity,) = parameters("capacity", unit="nmol/h")
    >>> (half,) = parameters("half", unit="nmol")
    >>> uptake = flow("uptake", plasma, kidney, capacity * plasma / (half + plasma))
    >>> transports((uptake,), "ligand")[0].coefficient
    capacity/(plasma + half)
    """
    found = []
    for reaction in reactions:
        leaving, arriving = reaction.of_ligand(ligand)
        if not leaving:
            continue
        arriving = arriving or _converted(reaction)
        targets: tuple[Amount | None, ...] = arriving or (None,) * len(leaving)
        one_kind = len(set(leaving)) == 1 or len(set(targets)) == 1
        if len(targets) != len(leaving) or not one_kind:
            raise ModelError(
                f"reaction {reaction.name!r} turns {len(leaving)} molecules of "
                f"{ligand} into {len(arriving)} in a way that leaves open where a "
                "label goes: write it as reactions that move one molecule each"
            )
        for source, target in zip(leaving, targets, strict=True):
            found.append(Transport(source, target, _per_molecule(reaction, source)))
    return tuple(found)


def _converted(reaction: Reaction) -> tuple[Amount, ...]:
    """Return where molecules arrive as another ligand: a metabolite keeps the label."""
    before = {amount.ligand for amount, _ in reaction.reactants}
    return tuple(
        amount
        for amount, count in reaction.products
        for _ in range(count)
        if amount.ligand not in before and amount.ligand != NO_LIGAND
    )


def moves_molecules(reaction: Reaction) -> bool:
    """Say whether a reaction moves one molecule, or takes it away, and nothing else.

    Its equations are then those of a label on the molecule, too.

    Parameters
    ----------
    reaction : Reaction
        The reaction.

    Returns
    -------
    bool

    Examples
    --------
    >>> from pkmodels.reactions import flow
    >>> from pkmodels.symbols import amounts, parameters
    >>> plasma, kidney = amounts("plasma kidney", unit="nmol")
    >>> (rate,) = parameters("rate", unit="1/h")
    >>> moves_molecules(flow("uptake", plasma, kidney, rate * plasma))
    True
    >>> moves_molecules(flow("induction", None, kidney, rate * plasma))
    False
    """
    sides = (reaction.reactants, reaction.products)
    molecules = [[a for a, n in side for _ in range(n)] for side in sides]
    ligand = all(a.ligand != NO_LIGAND for side in molecules for a in side)
    leaving, arriving = molecules
    return ligand and len(leaving) == 1 and len(arriving) <= 1


def _per_molecule(reaction: Reaction, source: Amount) -> sympy.Expr:
    factors = list(sympy.Mul.make_args(reaction.rate))
    for position, factor in enumerate(factors):
        base, exponent = factor.as_base_exp()
        # A power that is not known is taken as at least 1, as of a Hill rate.
        rest = base / source
        follows = base.has(source) and not rest.has(source)
        if follows and not (exponent - 1).is_negative:
            factors[position] = base ** (exponent - 1) * rest
            return sympy.Mul(*factors)
    quotient = sympy.cancel(sympy.together(reaction.rate) / source)
    if not quotient.subs(source, 0).is_finite:
        raise ModelError(
            f"reaction {reaction.name!r}: the rate {reaction.rate} over {source} has "
            f"no value where {source} = 0, so that a label cannot be followed: write "
            f"the rate as {source} times something"
        )
    return quotient


@dataclass(frozen=True)
class LabelEquations:
    """The equations of one label and its daughters.

    Parameters
    ----------
    tracers : tuple of Tracer
        The states.
    derivatives : tuple of sympy expression
        Of each, MBq/h, with decay, without doses.
    decay_constants : tuple of DecayConstant
        The decay constants in them.
    """

    tracers: tuple[Tracer, ...]
    derivatives: tuple[sympy.Expr, ...]
    decay_constants: tuple[DecayConstant, ...]


# A tracer is told apart by its nuclide, its amount and whether it moves.
_Key = tuple[str | None, Amount, bool]
# Where the molecules of a ligand go from each amount.
_Leaving = Callable[[str], Mapping[Amount, list[Transport]]]


def label_equations(
    model: Model,
    reactions: tuple[Reaction, ...],
    live: tuple[Amount, ...],
    slot: int,
    form: LabelForm,
) -> LabelEquations:
    """Return the states of a label with its daughters, and their equations.

    dA_m/dt = transport(A_m) + lambda_m (sum_p b_mp A_p - A_m) for each member m of the
    decay chain with its parents p, amount by amount. Members that decay at once
    (`pkmodels.chains.Member.prompt`) have no state.

    Parameters
    ----------
    model : Model
        The model, which says what becomes of daughters.
    reactions : tuple of Reaction
        Those that run under the schedule's form.
    live : tuple of Amount
        The amounts that may be filled.
    slot : int
        Number of the label in the schedule's form.
    form : LabelForm
        The label.

    Returns
    -------
    LabelEquations

    Raises
    ------
    ModelError
        When the model does not say what becomes of a daughter, and as `transports`.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> model = organ_exchange.model(("kidney",))
    >>> label = LabelForm("ligand", proportional=False)
    >>> found = label_equations(model, model.reactions, model.amounts, 0, label)
    >>> [str(tracer.symbol) for tracer in found.tracers]
    ['blood_label_1', 'kidney_label_1']
    """
    head = (None, ()) if form.chain is None else (form.chain, ())
    members = [head, *_daughters(form)]
    constants = tuple(_decay_constant(slot, name) for name, _ in members)
    states: dict[_Key, Tracer] = {}
    terms: dict[_Key, list[sympy.Expr]] = {}

    @cache
    def leaving(ligand: str) -> dict[Amount, list[Transport]]:
        found: dict[Amount, list[Transport]] = {}
        for transport in transports(reactions, ligand):
            found.setdefault(transport.source, []).append(transport)
        return found

    def state_of(key: _Key) -> list[sympy.Expr]:
        if key not in states:
            states[key], terms[key] = _tracer(slot, *key), []
        return terms[key]

    for amount in live:
        if amount.ligand == form.ligand:
            state_of((head[0], amount, True))
            _reach(leaving, (head[0], amount, True), state_of)
    for (name, parents), constant in zip(members, constants, strict=True):
        for parent, branching in parents:
            for tracer in [t for t in states.values() if t.nuclide == parent]:
                key = _place(model, str(name), tracer)
                share = sympy.S.One if branching == 1.0 else sympy.Float(branching)
                feed = share * constant.symbol * tracer.symbol
                state_of(key).append(feed)
                _reach(leaving, key, state_of)
        for key in [k for k in states if k[0] == name]:
            terms[key].append(-constant.symbol * states[key].symbol)
    _add_transports(leaving, states, terms)
    derivatives = tuple(sympy.Add(*terms[key]) for key in states)
    return LabelEquations(tuple(states.values()), derivatives, constants)


def _daughters(form: LabelForm) -> list[tuple[str, tuple[tuple[str, float], ...]]]:
    if form.chain is None:
        return []
    chain = decay_chain(form.chain)
    parents = effective_parents(chain)
    return [(m.name, parents[m.name]) for m in chain[1:] if not m.prompt]


def _place(model: Model, daughter: str, parent: Tracer) -> _Key:
    """Say where a daughter is that arises from a tracer."""
    fate = model.daughters.get(daughter)
    if fate is None:
        raise ModelError(
            f"model {model.name!r}: {parent.nuclide} decays into {daughter}, and the "
            f"model does not say what becomes of it: add daughters={{{daughter!r}: "
            "Fate.WITH_LIGAND}, Fate.IN_PLACE or {amount: the amount it is set free in}"
        )
    if isinstance(fate, Fate):
        return (daughter, parent.amount, parent.moves and fate is Fate.WITH_LIGAND)
    if parent.amount not in fate:
        raise ModelError(
            f"model {model.name!r}: daughters[{daughter!r}] does not say where "
            f"{parent.amount} sets it free: "
            f"{suggest(str(parent.amount), map(str, fate))}"
        )
    return (daughter, fate[parent.amount], True)


def _reach(leaving: _Leaving, start: _Key, state_of: Callable[[_Key], object]) -> None:
    """Make a state wherever a moving tracer can get to."""
    name, amount, moves = start
    pending, seen = [amount] if moves else [], {amount}
    while pending:
        source = pending.pop()
        for transport in leaving(source.ligand).get(source, []):
            target = transport.target
            if target is not None and target not in seen:
                seen.add(target)
                pending.append(target)
                state_of((name, target, True))


def _add_transports(
    leaving: _Leaving,
    states: Mapping[_Key, Tracer],
    terms: Mapping[_Key, list[sympy.Expr]],
) -> None:
    for key, tracer in states.items():
        if not tracer.moves:
            continue
        for transport in leaving(tracer.amount.ligand).get(tracer.amount, []):
            flux = transport.coefficient * tracer.symbol
            terms[key].append(-flux)
            if transport.target is not None:
                terms[(key[0], transport.target, True)].append(flux)


def _tracer(slot: int, nuclide: str | None, amount: Amount, moves: bool) -> Tracer:
    member = nuclide.replace("-", "_") if nuclide else "label"
    name = f"{amount}_{member}_{slot + 1}" + ("" if moves else "_left")
    symbol = Amount(name, "MBq", amount.ligand)
    return Tracer(symbol, slot, nuclide, amount, moves)


def _decay_constant(slot: int, nuclide: str | None) -> DecayConstant:
    member = nuclide.replace("-", "_") if nuclide else f"label_{slot + 1}"
    symbol = Parameter(f"decay_constant_{member}", "1/h")
    return DecayConstant(symbol, None if nuclide else slot, nuclide)
