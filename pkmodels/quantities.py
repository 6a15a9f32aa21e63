"""Quantities: how much of what is administered arrives, when, and how it decays."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy

from pkmodels.administrations import Administration
from pkmodels.arrivals import Content, Length, arrivals_of, length_source, route_of
from pkmodels.errors import InputError, suggest
from pkmodels.inflows import Portion
from pkmodels.nuclides import nuclide
from pkmodels.routes import Route
from pkmodels.schedule import Schedule
from pkmodels.symbols import Parameter
from pkmodels.system import System


def portions(
    system: System,
    values: Mapping[Parameter, float],
    schedule: Schedule,
    administration: Administration,
    label: str | None,
) -> tuple[Portion, ...]:
    """Return what one administration brings into each state of a system.

    Parameters
    ----------
    system : System
        The system.
    values : mapping of Parameter to float
        Value of each parameter.
    schedule : Schedule
        What the administration is part of.
    administration : Administration
        The administration.
    label : str or None
        As of `pkmodels.arrivals.arrivals_of`.

    Returns
    -------
    tuple of Portion

    Raises
    ------
    InputError
        When the route, the amount of ligand or the length is missing, or what the
        route says is out of its range.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.system import assemble
    >>> model = organ_exchange.model(("kidney",))
    >>> dose = Administration(0.0, 0.5, "dotatate", ligand_nmol=10.0)
    >>> schedule = Schedule((dose,))
    >>> (portion,) = portions(assemble(model, schedule.form), {}, schedule, dose, None)
    >>> portion.amount, portion.length_h
    (10.0, 0.5)
    """
    a = administration
    arrivals = arrivals_of(system, schedule, a, label)
    length = _length(route_of(system, schedule, a.ligand, a.route), values, a)
    bound = a.activity_MBq * (1.0 - a.free_label_fraction)
    amounts = {
        Content.LIGAND: a.ligand_nmol or 0.0,
        Content.BOUND_LABEL: bound,
        Content.FREE_LABEL: a.activity_MBq - bound,
    }
    decay = nuclide(a.label).decay_constant_per_h if a.label is not None else 0.0
    found = []
    for arrival in arrivals:
        route, amount = system.routes[arrival.route][2], amounts[arrival.content]
        of_label = 0.0 if arrival.content is Content.LIGAND else decay
        if amount > 0.0:
            found.append(
                _portion(route, values, a, arrival.state, amount, length, of_label)
            )
    return tuple(found)


def evaluated(expression: sympy.Expr, values: Mapping[Parameter, float]) -> float:
    """Return the value of an expression of parameters.

    Parameters
    ----------
    expression : sympy expression
        The expression.
    values : mapping of Parameter to float
        Value of each parameter.

    Returns
    -------
    float

    Examples
    --------
    >>> x = Parameter("x", "h")
    >>> evaluated(2 * x, {x: 0.1 + 0.2})
    0.6000000000000001
    """
    known: Any = sympy.sympify(expression)
    numbers = {s: sympy.Float(values[s]) for s in known.free_symbols}
    return float(known.xreplace(numbers))


def decay_values(system: System, schedule: Schedule) -> np.ndarray:
    """Return the values of a system's decay constants in their order.

    Parameters
    ----------
    system : System
        The system.
    schedule : Schedule
        Which label each of the system's is.

    Returns
    -------
    (n_decay_constants,) array
        1/h.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.system import assemble
    >>> schedule = Schedule((Administration(0.0, 0.0, "x", "Y-90", 9.0),))
    >>> system = assemble(organ_exchange.model(("kidney",)), schedule.form)
    >>> decay_values(system, schedule).shape  # one matrix serves any label
    (0,)
    """
    slots, found = schedule.slots(), []
    for constant in system.decay_constants:
        name = constant.nuclide
        if name is None and constant.slot is not None:
            name = slots[constant.slot][1]
        found.append(nuclide(str(name)).decay_constant_per_h)
    return np.array(found)


def loss_of(system: System, label: str | None) -> float:
    """Return the decay constant that every state is lost at besides the equations.

    Parameters
    ----------
    system : System
        The system.
    label : str or None
        The label whose activity the states of a linear system hold, if any.

    Returns
    -------
    float
        1/h; 0 where the states hold ligand, or labels have states of their own.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.schedule import ScheduleForm
    >>> from pkmodels.system import assemble
    >>> form = ScheduleForm((("x", "intravenous"),))
    >>> system = assemble(organ_exchange.model(("kidney",)), form)
    >>> round(loss_of(system, "Y-90"), 5)
    0.01081
    """
    if system.matrix is None or label is None:
        return 0.0
    return nuclide(label).decay_constant_per_h


def _portion(
    route: Route,
    values: Mapping[Parameter, float],
    a: Administration,
    state: int,
    amount: float,
    length_h: float,
    decay_per_h: float,
) -> Portion:
    fraction = _in_range("bioavailability", route.bioavailability, values, a)
    lag = _in_range("lag_h", route.lag_h, values, a)
    given = fraction * amount
    return Portion(state, given, lag, length_h, decay_per_h, a.delivered)


def _in_range(
    name: str,
    expression: sympy.Expr,
    values: Mapping[Parameter, float],
    a: Administration,
) -> float:
    value = evaluated(expression, values)
    if not (math.isfinite(value) and value >= 0.0):
        raise InputError(
            f"{a.described()}: {name} of the route {a.route!r} is {expression} = "
            f"{value:g}; it must be >= 0: mend the parameters in it"
        )
    return value


def _length(
    route: Route, values: Mapping[Parameter, float], a: Administration
) -> float:
    """Return how long what is given takes to arrive, h."""
    source = length_source(route, a)
    fraction = _in_range("bioavailability", route.bioavailability, values, a)
    if source is Length.STATED:
        return a.duration_h
    if source is Length.RATE_HELD:
        return a.duration_h * fraction
    if route.duration_h is not None:
        return _in_range("duration_h", route.duration_h, values, a)
    assert route.rate_per_h is not None
    assert a.ligand_nmol is not None
    rate = _in_range("rate_per_h", route.rate_per_h, values, a)
    if rate == 0.0:
        raise InputError(
            f"{a.described()}: at the modelled rate 0 nmol/h, {a.ligand_nmol:g} nmol "
            "of ligand has no length: state a rate > 0"
        )
    return fraction * a.ligand_nmol / rate


def in_order(system: System, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what is given for each parameter of a system, in their order.

    Parameters
    ----------
    system : System
        The system.
    parameters : mapping of str to any
        One for each by name.

    Returns
    -------
    tuple

    Raises
    ------
    InputError
        When a name is unknown or missing.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.schedule import ScheduleForm
    >>> from pkmodels.system import assemble
    >>> model = organ_exchange.model(("kidney",))
    >>> system = assemble(model, ScheduleForm((("dotatate", "intravenous"),)))
    >>> in_order(system, {"fraction_kidny": 0.02})
    Traceback (most recent call last):
    pkmodels.errors.InputError: no parameter 'fraction_kidny': did you mean \
'fraction_kidney'? Known: blood_half_time, fraction_kidney, biological_half_life_kidney
    """
    names = [str(parameter) for parameter in system.parameters]
    for name in parameters:
        if name not in names:
            raise InputError(f"no parameter {name!r}: {suggest(str(name), names)}")
    missing = [name for name in names if name not in parameters]
    if missing:
        raise InputError(
            f"parameter {missing[0]!r} has no value: give each of {', '.join(names)}"
        )
    return tuple(parameters[name] for name in names)
