"""Models: reactions, where a dose arrives, and what can be observed."""

from collections.abc import Mapping
from dataclasses import dataclass

import sympy

from pkmodels.errors import ModelError
from pkmodels.reactions import Reaction
from pkmodels.symbols import Amount, Parameter


@dataclass(frozen=True)
class Model:
    """A compartment model of one ligand, without doses and without data.

    Parameters
    ----------
    name : str
        Name of the model.
    reactions : tuple of Reaction
        All processes; decay of a label is not one of them.
    routes : mapping of str to Amount
        For each route of administration, the amount where the dose arrives.
    observables : mapping of str to sympy expression
        What can be measured, of amounts and parameters.

    Raises
    ------
    ModelError
        When names repeat, or a route or an observable uses an unknown symbol.
    """

    name: str
    reactions: tuple[Reaction, ...]
    routes: Mapping[str, Amount]
    observables: Mapping[str, sympy.Expr]

    def __post_init__(self) -> None:
        """Check names and symbols."""
        if not self.routes:
            raise ModelError(f"model {self.name!r} has no route for a dose")
        names = [reaction.name for reaction in self.reactions]
        _refuse_repeats(self.name, "reaction", names)
        symbols = [str(symbol) for symbol in (*self.amounts, *self.parameters)]
        _refuse_repeats(self.name, "symbol", symbols)
        known = {*self.amounts, *self.parameters}
        for kind, named in (("route", self.routes), ("observable", self.observables)):
            for name, expression in named.items():
                for symbol in expression.free_symbols - known:
                    raise ModelError(
                        f"model {self.name!r}: {kind} {name!r} uses {symbol}, "
                        "which is in no reaction"
                    )

    @property
    def amounts(self) -> tuple[Amount, ...]:
        """Every amount, in the order of first appearance."""
        found: dict[Amount, None] = {}
        for reaction in self.reactions:
            for amount, _ in (*reaction.reactants, *reaction.products):
                found.setdefault(amount)
            for symbol in sorted(reaction.rate.free_symbols, key=str):
                if isinstance(symbol, Amount):
                    found.setdefault(symbol)
        return tuple(found)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Every parameter of the rates and the observables, in order of appearance."""
        found: dict[Parameter, None] = {}
        expressions = [reaction.rate for reaction in self.reactions]
        for expression in (*expressions, *self.observables.values()):
            for symbol in sorted(expression.free_symbols, key=str):
                if isinstance(symbol, Parameter):
                    found.setdefault(symbol)
        return tuple(found)

    def __str__(self) -> str:
        """Print the model as chemistry."""
        lines = [f"model {self.name}"]
        lines += [f"  {reaction}" for reaction in self.reactions]
        lines += [f"  dose by {route} -> {a}" for route, a in self.routes.items()]
        lines += [f"  observed {name} = {e}" for name, e in self.observables.items()]
        return "\n".join(lines)


def _refuse_repeats(model: str, kind: str, names: list[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ModelError(
            f"model {model!r}: {kind} name {repeated[0]!r} stands for two things: "
            "give each its own name (and each symbol one unit)"
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
    rates: dict[Amount, sympy.Expr] = {a: sympy.S.Zero for a in model.amounts}
    for reaction in model.reactions:
        for amount, count in reaction.reactants:
            rates[amount] -= count * reaction.rate
        for amount, count in reaction.products:
            rates[amount] += count * reaction.rate
    return rates


def latex(model: Model) -> str:
    r"""Return the model's equations as a LaTeX ``aligned`` block.

    Parameters
    ----------
    model : Model
        The model.

    Returns
    -------
    str

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> print(latex(organ_exchange.model(("kidney",))).splitlines()[0])
    \begin{aligned}
    """
    names = {
        symbol: r"\mathrm{" + symbol.name.replace("_", r"\_") + "}"
        for symbol in (*model.amounts, *model.parameters)
    }
    lines = []
    for amount, rate in derivatives(model).items():
        left = r"\frac{d\, " + names[amount] + r"}{dt}"
        right = sympy.factor_terms(sympy.expand(rate))
        lines.append(f"{left} &= {sympy.latex(right, symbol_names=names)}")
    body = " \\\\\n".join(lines)
    return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"
