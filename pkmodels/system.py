"""Assembled systems: a model and the form of a schedule, turned into equations."""

from dataclasses import dataclass

import sympy

from pkmodels.definition import Model, derivatives
from pkmodels.errors import ModelError, suggest
from pkmodels.schedule import ScheduleForm
from pkmodels.symbols import Amount, Parameter


@dataclass(frozen=True)
class System:
    """Equations of a model for one form of schedule.

    dx/dt = f(x, parameters) for the ligand; the activity of a label follows the
    same equations with - lambda x added, lambda being a run-time number.

    Parameters
    ----------
    name : str
        Name of the model.
    amounts : tuple of Amount
        The states, in order.
    parameters : tuple of Parameter
        The parameters, in order.
    derivatives : tuple of sympy expression
        dx/dt of each state, without decay.
    matrix : sympy.ImmutableMatrix or None
        M in dx/dt = M x where the system is linear and homogeneous, else None.
    observables : tuple of str
        Names of what can be measured.
    observation : sympy.ImmutableMatrix or None
        H in observed = H x where every observable is linear in the amounts.
    route : Amount
        Where the dose arrives.
    has_infusions : bool
        Whether the schedule may hold infusions.
    """

    name: str
    amounts: tuple[Amount, ...]
    parameters: tuple[Parameter, ...]
    derivatives: tuple[sympy.Expr, ...]
    matrix: sympy.ImmutableMatrix | None
    observables: tuple[str, ...]
    observation: sympy.ImmutableMatrix | None
    route: Amount
    has_infusions: bool


def assemble(model: Model, form: ScheduleForm) -> System:
    """Turn a model into the equations that a form of schedule needs.

    Parameters
    ----------
    model : Model
        The model.
    form : ScheduleForm
        Ligand, route and kind of administration; never amounts or times.

    Returns
    -------
    System

    Raises
    ------
    ModelError
        When the model has no such route.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> form = ScheduleForm(ligand="dotatate", route="intravenous", infusions=False)
    >>> assemble(organ_exchange.model(("kidney",)), form).matrix is not None
    True
    """
    if form.route not in model.routes:
        raise ModelError(
            f"model {model.name!r} has no route {form.route!r}: "
            f"{suggest(form.route, model.routes)}"
        )
    rates = derivatives(model)
    states = model.amounts
    expressions = tuple(rates[amount] for amount in states)
    return System(
        name=model.name,
        amounts=states,
        parameters=model.parameters,
        derivatives=expressions,
        matrix=_linear_matrix(states, expressions),
        observables=tuple(model.observables),
        observation=_linear_matrix(states, tuple(model.observables.values())),
        route=model.routes[form.route],
        has_infusions=form.infusions,
    )


def _linear_matrix(
    states: tuple[Amount, ...], expressions: tuple[sympy.Expr, ...]
) -> sympy.ImmutableMatrix | None:
    jacobian = sympy.Matrix(expressions).jacobian(sympy.Matrix(states))
    jacobian = jacobian.applyfunc(sympy.expand)
    if jacobian.free_symbols & set(states):
        return None
    remainder = sympy.Matrix(expressions) - jacobian * sympy.Matrix(states)
    if any(sympy.expand(entry) != 0 for entry in remainder):
        return None
    return sympy.ImmutableMatrix(jacobian)
