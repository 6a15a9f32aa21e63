"""What the symbols of a model tell before any number is known."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sympy

from pkmodels.analysis.conservation import (
    MassBalance,
    conserved_totals,
    mass_balance,
)
from pkmodels.analysis.equilibrium import SteadyStates, steady_states
from pkmodels.analysis.numerators import by_denominator
from pkmodels.definition import Model, derivatives
from pkmodels.reactions import Reaction, running
from pkmodels.symbols import Amount, Parameter


@dataclass(frozen=True)
class Linearity:
    """In what the equations of a model are linear (a constant inflow may be added).

    Parameters
    ----------
    linear_amounts, nonlinear_amounts : tuple of Amount
        Amounts that enter every equation only times a constant, and the others.
    nonlinear_reactions : tuple of str
        Reactions whose rate is not linear in all amounts together, unless they
        cancel in every equation.
    constant_inflows : tuple of str
        Reactions whose rate has a part that no amount scales, such as synthesis.
    tracer_ligands : tuple of str
        Ligands in whose own amounts everything is linear, all others being given.
    """

    linear_amounts: tuple[Amount, ...]
    nonlinear_amounts: tuple[Amount, ...]
    nonlinear_reactions: tuple[str, ...]
    constant_inflows: tuple[str, ...]
    tracer_ligands: tuple[str, ...]

    @property
    def linear(self) -> bool:
        """Whether the equations are linear in all amounts together."""
        return not self.nonlinear_amounts

    def __str__(self) -> str:
        """Print one line for each thing that there is to say."""
        if self.linear:
            lines = ["linear in every amount"]
        else:
            lines = [f"non-linear, by {_listed(self.nonlinear_reactions)}"]
            lines += [f"linear in {_listed(self.linear_amounts)}"]
            lines += [
                f"linear in the amounts of {ligand} where all others are given"
                for ligand in self.tracer_ligands
            ]
        if self.constant_inflows:
            lines += [f"constant inflow by {_listed(self.constant_inflows)}"]
        return "\n".join(lines)


@dataclass(frozen=True)
class Usage:
    """What of a model has no effect, cannot be filled or cannot be emptied.

    Judged by which symbols depend on which, so that what is named here certainly has
    no effect; what is not named may still have none.

    Parameters
    ----------
    outside_rates : tuple of Parameter
        Parameters in no rate: they only set doses, the start or what is observed.
    without_effect : tuple of Parameter
        Parameters that no observable depends on.
    unreachable : tuple of Amount
        Amounts that no dose, start or reaction can fill.
    unobserved : tuple of Amount
        Amounts that are not observed and influence nothing that is.
    sinks : tuple of Amount
        Amounts that something fills and no reaction empties.
    """

    outside_rates: tuple[Parameter, ...]
    without_effect: tuple[Parameter, ...]
    unreachable: tuple[Amount, ...]
    unobserved: tuple[Amount, ...]
    sinks: tuple[Amount, ...]

    def __str__(self) -> str:
        """Print one line for each kind."""
        found: tuple[tuple[str, Iterable[object]], ...] = (
            ("parameters in no rate", self.outside_rates),
            ("parameters without effect on an observable", self.without_effect),
            ("amounts that nothing can fill", self.unreachable),
            ("amounts without effect on an observable", self.unobserved),
            ("amounts that nothing empties", self.sinks),
        )
        return "\n".join(f"{what}: {_listed(items)}" for what, items in found)


@dataclass(frozen=True)
class Analysis:
    """What the symbols of a model tell; `analyse` makes it."""

    model: str
    conserved_totals: tuple[sympy.Expr, ...]
    mass_balance: tuple[MassBalance, ...]
    steady_states: SteadyStates
    linearity: Linearity
    usage: Usage

    def __str__(self) -> str:
        """Print under one heading each."""
        sections = (
            ("conserved totals", "\n".join(map(str, self.conserved_totals)) or "none"),
            ("mass balance", "\n".join(map(str, self.mass_balance)) or "no amounts"),
            ("steady states", str(self.steady_states) or "nothing to solve for"),
            ("linearity", str(self.linearity)),
            ("usage", str(self.usage)),
        )
        lines = [f"analysis of model {self.model}"]
        for heading, text in sections:
            lines.append(f"  {heading}")
            lines += [f"    {line}" for line in text.splitlines()]
        return "\n".join(lines)


def analyse(model: Model) -> Analysis:
    """Return what the symbols of a model tell before any number is known.

    Parameters
    ----------
    model : Model
        The model.

    Returns
    -------
    Analysis

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> print(analyse(organ_exchange.model(("kidney",))))
    analysis of model organ_exchange
      conserved totals
        none
      mass balance
        ligand: destroyed by washout_kidney, elimination
      steady states
        blood = 0, kidney = 0
      linearity
        linear in every amount
      usage
        parameters in no rate: none
        parameters without effect on an observable: none
        amounts that nothing can fill: none
        amounts without effect on an observable: none
        amounts that nothing empties: none
    """
    return Analysis(
        model.name,
        conserved_totals(model),
        mass_balance(model),
        steady_states(model),
        linearity(model),
        usage(model),
    )


def linearity(model: Model) -> Linearity:
    """Return in which amounts the equations of a model are linear.

    By the second derivatives of dx/dt: an amount is linear where all of its own
    vanish, a ligand where all among its own amounts do.

    Parameters
    ----------
    model : Model
        The model.

    Returns
    -------
    Linearity

    Examples
    --------
    >>> from pkmodels.reactions import flow
    >>> from pkmodels.symbols import amounts, parameters
    >>> plasma, kidney = amounts("plasma kidney", unit="nmol")
    >>> (fastest,) = parameters("fastest", unit="nmol/h")
    >>> (half,) = parameters("half", unit="nmol")
    >>> rate = fastest * plasma / (half + plasma)
    >>> uptake = flow("uptake", plasma, kidney, rate)
    >>> found = linearity(Model("m", (uptake,), {"intravenous": plasma}, {}))
    >>> found.nonlinear_reactions, found.linear_amounts
    (('uptake',), (kidney,))
    """
    states = model.amounts
    curved: set[frozenset[Amount]] = set()
    for rate in derivatives(model).values():
        curved |= _curved_pairs(rate, states)
    nonlinear = {amount for pair in curved for amount in pair}
    by = [r.name for r in model.reactions if curved & _curved_pairs(r.rate, states)]
    empty: Any = dict.fromkeys(states, sympy.S.Zero)
    return Linearity(
        linear_amounts=tuple(a for a in states if a not in nonlinear),
        nonlinear_amounts=tuple(a for a in states if a in nonlinear),
        nonlinear_reactions=tuple(by),
        constant_inflows=tuple(
            r.name for r in model.reactions if r.rate.subs(empty) != 0
        ),
        tracer_ligands=tuple(
            ligand
            for ligand in model.ligands
            if not any(all(a.ligand == ligand for a in pair) for pair in curved)
        ),
    )


def _curved_pairs(
    rate: sympy.Expr, states: tuple[Amount, ...]
) -> set[frozenset[Amount]]:
    """Pairs of amounts by which the second derivative does not vanish."""
    found = set()
    for bottom, top in by_denominator(rate, set(states)).items():
        part = top / bottom
        inside = [a for a in states if a in part.free_symbols]
        for i, first in enumerate(inside):
            slope: Any = part.diff(first)
            for second in inside[i:]:
                if second in slope.free_symbols and not _vanishes(slope.diff(second)):
                    found.add(frozenset((first, second)))
    return found


def _vanishes(expression: sympy.Expr) -> bool:
    return sympy.expand(sympy.fraction(sympy.together(expression))[0]) == 0


def usage(model: Model) -> Usage:
    """Return what of a model has no effect, cannot be filled or cannot be emptied.

    Parameters
    ----------
    model : Model
        The model.

    Returns
    -------
    Usage

    Examples
    --------
    >>> from pkmodels.reactions import flow
    >>> from pkmodels.symbols import amounts, parameters
    >>> plasma, urine = amounts("plasma urine", unit="nmol")
    >>> (excretion,) = parameters("excretion", unit="1/h")
    >>> (volume,) = parameters("volume", unit="L")
    >>> filtered = flow("filtration", plasma, urine, excretion * plasma)
    >>> seen = {"blood": plasma / volume}
    >>> print(usage(Model("m", (filtered,), {"intravenous": plasma}, seen)))
    parameters in no rate: volume
    parameters without effect on an observable: none
    amounts that nothing can fill: none
    amounts without effect on an observable: urine
    amounts that nothing empties: urine
    """
    reachable, live = running(model.reactions, model.sources())
    rates = _rates(model, live)
    effective = _effective(model, rates)
    inside = {s for reaction in model.reactions for s in reaction.rate.free_symbols}
    emptied = {a for r in model.reactions for a, n in r.net_counts().items() if n < 0}
    filled = {a for r in live for a, n in r.net_counts().items() if n > 0}
    filled |= {route.amount for _, route in model.all_routes()}
    return Usage(
        outside_rates=tuple(p for p in model.parameters if p not in inside),
        without_effect=tuple(p for p in model.parameters if p not in effective),
        unreachable=tuple(a for a in model.amounts if a not in reachable),
        unobserved=tuple(a for a in model.amounts if a not in effective),
        sinks=tuple(a for a in model.amounts if a in filled and a not in emptied),
    )


def _rates(model: Model, live: Iterable[Reaction]) -> dict[Amount, sympy.Expr]:
    terms: dict[Amount, list[sympy.Expr]] = {amount: [] for amount in model.amounts}
    for reaction in live:
        for amount, count in reaction.net_counts().items():
            terms[amount].append(count * reaction.rate)
    return {amount: sympy.expand(sympy.Add(*parts)) for amount, parts in terms.items()}


def _effective(model: Model, rates: Mapping[Amount, sympy.Expr]) -> set[sympy.Basic]:
    """Every symbol that an observable depends on, in any number of steps."""
    effective: set[sympy.Basic] = set()
    pending: list[Amount] = []
    for observable in map(sympy.sympify, model.observables.values()):
        seen = [a for a in model.amounts if a in observable.free_symbols]
        effective |= observable.free_symbols
        for amount in seen:
            effective |= _given(model, amount)
        if _curved_pairs(observable, model.amounts):
            pending += seen
            continue
        # A sum may change by less than its parts do: a conserved total, by nothing.
        change = sympy.expand(sympy.Add(*(observable.diff(a) * rates[a] for a in seen)))
        effective |= change.free_symbols
        pending += [a for a in model.amounts if a in change.free_symbols]
    done: set[Amount] = set()
    while pending:
        amount = pending.pop()
        if amount in done:
            continue
        done.add(amount)
        effective |= {amount, *rates[amount].free_symbols, *_given(model, amount)}
        pending += [a for a in model.amounts if a in rates[amount].free_symbols]
    return effective


def _given(model: Model, amount: Amount) -> set[sympy.Basic]:
    """Symbols of what an amount starts with and is given."""
    found = set(sympy.sympify(model.start.get(amount, 0)).free_symbols)
    for _, route in model.all_routes():
        if route.amount == amount:
            found |= {s for e in route.expressions for s in e.free_symbols}
    return found


def _listed(items: Iterable[object]) -> str:
    return ", ".join(map(str, items)) or "none"
