"""Reactions: what leaves, what arrives, and at what symbolic rate."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import sympy

from pkmodels.errors import ModelError, check_kind
from pkmodels.symbols import Amount, Input, Parameter, amounts_in, symbols_in

OUTSIDE = "outside"


@dataclass(frozen=True)
class Reaction:
    """Amounts that turn into others at a rate.

    Each reactant x contributes dx/dt = -n rate and each product +n rate, with n
    its stoichiometry. No reactant or no product stands for the outside of the body.

    Parameters
    ----------
    name : str
        Name of the process.
    reactants, products : tuple of (Amount, int)
        What leaves and what arrives, each with its stoichiometry, >= 1.
    rate : sympy expression
        Amount per hour, of amounts, parameters and inputs only; 0 wherever a
        reactant is used up.

    Raises
    ------
    ModelError
        When the rate holds another symbol or does not vanish with a reactant, a
        stoichiometry is below 1, or nothing takes part.
    """

    name: str
    reactants: tuple[tuple[Amount, int], ...]
    products: tuple[tuple[Amount, int], ...]
    rate: sympy.Expr

    def __post_init__(self) -> None:
        """Check the participants and the symbols of the rate."""
        self._check_kinds()
        participants = (*self.reactants, *self.products)
        if not participants:
            raise ModelError(f"reaction {self.name!r} moves nothing: name an amount")
        for amount, count in participants:
            if count < 1:
                raise ModelError(
                    f"reaction {self.name!r}: stoichiometry of {amount} is {count}; "
                    "it must be at least 1"
                )
        for symbol in symbols_in(self.rate):
            if not isinstance(symbol, Amount | Parameter | Input):
                raise ModelError(
                    f"reaction {self.name!r}: {symbol} in the rate is not an amount, a "
                    "parameter or an input: make it with amounts(), parameters() or "
                    "inputs()"
                )
        # Parameters are positive, so that an unknown power of 0 is 0.
        positive = self.rate.xreplace(
            {
                symbol: sympy.Dummy(symbol.name, positive=True)
                for symbol in symbols_in(self.rate)
                if isinstance(symbol, Parameter)
            }
        )
        for amount, _ in self.reactants:
            if positive.subs(amount, 0) != 0:
                raise ModelError(
                    f"reaction {self.name!r} takes {amount} out of an empty "
                    f"compartment: its rate {self.rate} does not vanish where "
                    f"{amount} = 0; multiply it by {amount}, or leave {amount} out of "
                    "the reactants"
                )

    def _check_kinds(self) -> None:
        where = f"reaction {self.name!r}"
        for name, side in (("reactants", self.reactants), ("products", self.products)):
            for entry in side:
                if not (isinstance(entry, tuple) and len(entry) == 2):
                    raise ModelError(
                        f"{where}: {name} hold {entry!r}: write each as a pair of an "
                        "amount and how many, ((plasma, 1),)"
                    )
                check_kind(f"{where}: {name}", entry[0], Amount, "use amounts()")
        if isinstance(self.rate, str):
            check_kind(f"{where}: the rate", self.rate, sympy.Expr, "leave the quotes")
        object.__setattr__(self, "rate", sympy.sympify(self.rate))

    def __str__(self) -> str:
        """Print the reaction as chemistry."""
        left, right = (
            " + ".join(f"{n} {a}" if n > 1 else str(a) for a, n in side) or OUTSIDE
            for side in (self.reactants, self.products)
        )
        return f"{self.name}: {left} -> {right}, rate {self.rate}"

    def net_counts(self) -> dict[Amount, int]:
        """Return how many of each amount arrive less how many leave, if not 0."""
        counts: dict[Amount, int] = {}
        for sign, side in ((-1, self.reactants), (1, self.products)):
            for amount, count in side:
                counts[amount] = counts.get(amount, 0) + sign * count
        return {amount: count for amount, count in counts.items() if count}

    def of_ligand(self, ligand: str) -> tuple[tuple[Amount, ...], tuple[Amount, ...]]:
        """Return where molecules of one ligand leave and arrive, one entry each."""
        leaving, arriving = (
            tuple(a for a, n in side if a.ligand == ligand for _ in range(n))
            for side in (self.reactants, self.products)
        )
        return leaving, arriving


def running(
    reactions: Iterable[Reaction], seeds: Iterable[Amount]
) -> tuple[frozenset[Amount], tuple[Reaction, ...]]:
    """Return the amounts that can ever be filled, and the reactions that then run.

    Parameters
    ----------
    reactions : iterable of Reaction
        The reactions.
    seeds : iterable of Amount
        What is there or arrives from outside by a dose.

    Returns
    -------
    filled : frozenset of Amount
    reactions : tuple of Reaction
        Those whose rate is not 0 for ever, with 0 for what is never filled.

    Examples
    --------
    >>> from pkmodels.symbols import amounts, parameters
    >>> plasma, kidney, tumour = amounts("plasma kidney tumour", unit="nmol")
    >>> (rate,) = parameters("rate", unit="1/h")
    >>> uptake = flow("uptake", plasma, kidney, rate * plasma)
    >>> washout = flow("washout", tumour, None, rate * tumour)
    >>> filled, kept = running((uptake, washout), (plasma,))
    >>> sorted(map(str, filled)), [reaction.name for reaction in kept]
    (['kidney', 'plasma'], ['uptake'])
    """
    filled, found = set(seeds), {reaction: reaction.rate for reaction in reactions}
    while True:
        before = len(filled)
        for reaction in found:
            empty = [a for a in amounts_in(reaction.rate) if a not in filled]
            found[reaction] = without(reaction.rate, empty)
            if found[reaction] != 0:
                filled |= {amount for amount, _ in reaction.products}
        if len(filled) == before:
            break
    kept = (replace(reaction, rate=r) for reaction, r in found.items() if r != 0)
    return frozenset(filled), tuple(kept)


def without(expression: sympy.Expr, empty: Iterable[Amount]) -> sympy.Expr:
    """Return an expression where some amounts are 0.

    Parameters
    ----------
    expression : sympy expression
        The expression.
    empty : iterable of Amount
        The amounts that are 0.

    Returns
    -------
    sympy expression

    Examples
    --------
    >>> from pkmodels.symbols import amounts
    >>> plasma, kidney = amounts("plasma kidney", unit="nmol")
    >>> without(plasma + kidney, [kidney])
    plasma
    """
    replaced: Any = expression.xreplace(dict.fromkeys(empty, sympy.S.Zero))
    return replaced


def flow(
    name: str, source: Amount | None, target: Amount | None, rate: sympy.Expr
) -> Reaction:
    """Return the reaction that moves one amount into another.

    d(source)/dt = -rate, d(target)/dt = +rate.

    Parameters
    ----------
    name : str
        Name of the process.
    source, target : Amount or None
        Where it comes from and goes to; None is the outside of the body.
    rate : sympy expression
        Amount per hour.

    Returns
    -------
    Reaction

    Raises
    ------
    ModelError
        As `Reaction` does, and when source and target are the same.

    Examples
    --------
    >>> from pkmodels.symbols import amounts, parameters
    >>> plasma, kidney = amounts("plasma kidney", unit="nmol")
    >>> (uptake,) = parameters("uptake", unit="1/h")
    >>> print(flow("retention", plasma, kidney, uptake * plasma))
    retention: plasma -> kidney, rate plasma*uptake
    """
    if source is not None and source == target:
        raise ModelError(
            f"reaction {name!r} moves {source} into itself: name two amounts"
        )
    return Reaction(
        name=name,
        reactants=() if source is None else ((source, 1),),
        products=() if target is None else ((target, 1),),
        rate=rate,
    )
