"""Equations of one occasion, as the analysis of identifiability takes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import sympy

from pkmodels.errors import ModelError, suggest


@dataclass(frozen=True)
class Stretch:
    """A stretch of time between doses, in which every given rate is constant.

    Parameters
    ----------
    length : Fraction or None
        Its length, > 0; None of the last one.
    added : mapping of symbol to sympy expression
        What is added to states at its start: boluses, of parameters.
    given : mapping of symbol to sympy expression
        What stands for symbols of the equations in it: rates of infusion, inputs.
    emptied : tuple of symbol
        States that are set to 0 at its start, before anything is added.
    restarted : bool
        Whether every state goes back to its start first.
    read : bool
        Whether anything is measured in it.
    """

    length: Fraction | None = None
    added: Mapping[sympy.Symbol, sympy.Expr] = field(default_factory=dict)
    given: Mapping[sympy.Symbol, sympy.Expr] = field(default_factory=dict)
    emptied: tuple[sympy.Symbol, ...] = ()
    restarted: bool = False
    read: bool = True


@dataclass(frozen=True)
class Equations:
    """What one occasion shows: dx/dt = f(x, p), x(0) = start(p), y = h(x, p).

    Parameters
    ----------
    name : str
        Name of the occasion.
    derivatives : mapping of symbol to sympy expression
        f of each state.
    start : mapping of symbol to sympy expression
        Of parameters; 0 where not stated.
    outputs : mapping of str to sympy expression
        h of what is measured, by name; none where something is only wanted.
    predicted : mapping of str to sympy expression
        h of what is not measured but wanted, by name.
    stretches : tuple of Stretch
        In the order of time.

    Raises
    ------
    ModelError
        When nothing is measured or wanted, or doses, start or stretches contradict the
        states.
    """

    name: str
    derivatives: Mapping[sympy.Symbol, sympy.Expr]
    start: Mapping[sympy.Symbol, sympy.Expr]
    outputs: Mapping[str, sympy.Expr]
    predicted: Mapping[str, sympy.Expr] = field(default_factory=dict)
    stretches: tuple[Stretch, ...] = (Stretch(),)

    def __post_init__(self) -> None:
        """Check states and stretches."""
        if not self.outputs and not self.predicted:
            raise ModelError(
                f"occasion {self.name!r} measures nothing: give outputs, or what is "
                "to be predicted"
            )
        states = {str(state) for state in self.derivatives}
        used = [
            *self.start,
            *(s for e in self.stretches for s in (*e.added, *e.emptied)),
        ]
        for symbol in used:
            if symbol not in self.derivatives:
                raise ModelError(
                    f"occasion {self.name!r}: {symbol} is filled but is no state: "
                    f"{suggest(str(symbol), states)}"
                )
        if not self.stretches:
            raise ModelError(f"occasion {self.name!r} has no stretch of time: give one")
        *before, last = self.stretches
        if last.length is not None or any(e.length is None for e in before):
            raise ModelError(
                f"occasion {self.name!r}: every stretch but the last has a length, "
                "the last has none"
            )
        if not any(stretch.read for stretch in self.stretches):
            raise ModelError(
                f"occasion {self.name!r} is never measured: read one of its stretches"
            )

    @property
    def symbols(self) -> frozenset[sympy.Symbol]:
        """Every symbol that is neither a state nor given in a stretch."""
        expressions = [
            *self.derivatives.values(),
            *self.start.values(),
            *self.outputs.values(),
            *self.predicted.values(),
        ]
        for stretch in self.stretches:
            expressions += [*stretch.added.values(), *stretch.given.values()]
        given = {s for stretch in self.stretches for s in stretch.given}
        found = {s for e in expressions for s in sympy.sympify(e).free_symbols}
        return frozenset(
            s
            for s in found
            if isinstance(s, sympy.Symbol)
            and s not in self.derivatives
            and s not in given
        )
