"""Equations: what code is generated from, dy/dt = f(y, c), with c constant for a while.

All that a schedule does between two jumps is in here: a constant inflow is one of the
constants, and a syringe whose label decays is a state of its own, so that time itself
does not appear.
"""

from dataclasses import dataclass
from functools import lru_cache

import sympy

from pkmodels.symbols import amounts_in
from pkmodels.system import System


@dataclass(frozen=True)
class Equations:
    """dy/dt = f(y, c).

    Parameters
    ----------
    name : str
        Of the model.
    states : tuple of Symbol
        y: the states of a system, then the syringes, then the time integrals.
    constants : tuple of Symbol
        c: parameters, inputs, decay constants, the loss, the rates of inflow, then the
        decay constants of the syringes.
    derivatives : tuple of sympy expression
        f, one for each state.
    from_zero : bool
        Whether states just below 0, which rounding brings about, count as 0: where a
        power of one is taken that negative numbers do not have.
    """

    name: str
    states: tuple[sympy.Symbol, ...]
    constants: tuple[sympy.Symbol, ...]
    derivatives: tuple[sympy.Expr, ...]
    from_zero: bool


@dataclass(frozen=True)
class Layout:
    """Where what a schedule brings lies in the states and constants of equations.

    Parameters
    ----------
    loss : int or None
        Number of the constant that every state of a linear system is lost at, the
        label's decay constant; None where labels have states of their own.
    rates : tuple of (int, int)
        Number of each state that a dose may flow into, and of the constant that holds
        the constant rate of it.
    syringes : tuple of (int, int, int)
        Number of each state that a label may flow into from a syringe in which it
        decays, of the state that holds its rate, and of the constant that the rate
        falls at.
    integrals : int or None
        Number of the first time integral; they are of all states of the system, in
        order. None where there are none.
    """

    loss: int | None
    rates: tuple[tuple[int, int], ...]
    syringes: tuple[tuple[int, int, int], ...]
    integrals: int | None


@lru_cache(maxsize=256)
def equations_of(
    system: System, *, integrals: bool = False
) -> tuple[Equations, Layout]:
    """Return the equations that a system's solution is integrated by.

    Parameters
    ----------
    system : System
        The system.
    integrals : bool
        Whether to add the time integral of each of its states.

    Returns
    -------
    equations : Equations
    layout : Layout

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.schedule import ScheduleForm
    >>> from pkmodels.system import assemble
    >>> model = organ_exchange.model(("kidney",))
    >>> form = ScheduleForm((("dotatate", "intravenous"),), infusions=True)
    >>> system = assemble(model, form)
    >>> equations, layout = equations_of(system)
    >>> [str(c) for c in equations.constants[-3:]]
    ['loss', 'rate into blood', 'decay in the syringe into blood']
    >>> layout
    Layout(loss=3, rates=((0, 4),), syringes=((0, 2, 5),), integrals=None)
    """
    states: list[sympy.Symbol] = list(system.states)
    derivatives = list(system.derivatives)
    decay = [c.symbol for c in system.decay_constants]
    constants: list[sympy.Symbol] = [*system.parameters, *system.inputs, *decay]
    loss = None
    if system.matrix is not None:
        loss = len(constants)
        constants.append(sympy.Symbol("loss"))
        for number, state in enumerate(states):
            derivatives[number] -= constants[loss] * state
    dosed = dosed_states(system) if system.has_infusions else ()
    rates = []
    for number in dosed:
        rates.append((number, len(constants)))
        constants.append(sympy.Symbol(f"rate into {states[number]}"))
        derivatives[number] += constants[-1]
    syringes = []
    for number in dosed:
        if loss is None and number < len(system.amounts):
            continue  # an amount of ligand, which does not decay
        syringes.append((number, len(states), len(constants)))
        constants.append(sympy.Symbol(f"decay in the syringe into {states[number]}"))
        states.append(sympy.Symbol(f"syringe into {states[number]}"))
        derivatives[number] += states[-1]
        derivatives.append(-constants[-1] * states[-1])
    first = len(states) if integrals else None
    if integrals:
        states += [sympy.Symbol(f"integral of {state}") for state in system.states]
        derivatives += system.states
    equations = Equations(
        name=system.name,
        states=tuple(states),
        constants=tuple(constants),
        derivatives=tuple(derivatives),
        from_zero=any(map(has_broken_power, system.derivatives)),
    )
    return equations, Layout(loss, tuple(rates), tuple(syringes), first)


def dosed_states(system: System) -> tuple[int, ...]:
    """Return the numbers of the states of a system that a dose may arrive in.

    Parameters
    ----------
    system : System
        The system.

    Returns
    -------
    tuple of int
        In the order of the states.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.schedule import ScheduleForm
    >>> from pkmodels.system import assemble
    >>> model = organ_exchange.model(("kidney",))
    >>> dosed_states(assemble(model, ScheduleForm((("dotatate", "intravenous"),))))
    (0,)
    """
    reached = {route.amount for _, _, route in system.routes}
    amounts = [number for number, a in enumerate(system.amounts) if a in reached]
    tracers = [
        number
        for number, tracer in enumerate(system.tracers, start=len(system.amounts))
        if tracer.moves
        and tracer.amount in reached
        and tracer.nuclide == system.labels[tracer.slot].chain
    ]
    return (*amounts, *tracers)


def has_broken_power(expression: sympy.Expr) -> bool:
    """Say whether a power of an amount is taken that negative numbers do not have.

    Parameters
    ----------
    expression : sympy expression
        The expression.

    Returns
    -------
    bool

    Examples
    --------
    >>> from pkmodels.symbols import Amount
    >>> x = Amount("x", "nmol")
    >>> has_broken_power(x**1.5), has_broken_power(x**2)
    (True, False)
    """
    return any(
        not power.exp.is_integer and bool(amounts_in(power.base))
        for power in expression.atoms(sympy.Pow)
    )
