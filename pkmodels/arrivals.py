"""Arrivals: where what is administered arrives in a system, and how much of it."""

import math
from collections.abc import Mapping
from typing import Any

import sympy

from pkmodels.administrations import Administration, free_label_name
from pkmodels.errors import InputError, suggest
from pkmodels.inflows import Portion
from pkmodels.nuclides import nuclide
from pkmodels.routes import Route
from pkmodels.schedule import Schedule
from pkmodels.symbols import Parameter, name_in_model
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
        The label whose activity the amounts of a linear system hold; None for ligand,
        and wherever labels have states of their own.

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
    route = route_of(system, schedule, a.ligand, a.route)
    length = _length(route, values, a)
    if length > 0.0 and not system.has_infusions:
        raise InputError(
            f"{a.described()} takes {length:g} h, but {system.name!r} was assembled "
            "for boluses only: assemble it with a form whose infusions is True"
        )
    found = []
    if system.matrix is None or label is None:
        if route.amount in system.amounts:
            state = system.amounts.index(route.amount)
            nmol = _ligand_nmol(system, a)
            found.append(_portion(route, values, a, state, nmol, length, 0.0))
    if a.label is not None and (system.matrix is None or a.label == label):
        bound = a.activity_MBq * (1.0 - a.free_label_fraction)
        shares = {a.ligand: bound}
        if a.free_label_fraction > 0.0:
            shares[free_label_name(a.label)] = a.activity_MBq - bound
        decay = nuclide(a.label).decay_constant_per_h
        for ligand, activity in shares.items():
            to = route_of(system, schedule, ligand, a.route)
            own_length = to.duration_h is not None or to.rate_per_h is not None
            if a.modelled and to != route and own_length:
                raise InputError(
                    f"{a.described()}: its length is that of the route of {a.ligand}, "
                    f"but the route of {ligand} has another: leave it out there"
                )
            state = _labelled_state(system, schedule, to, (ligand, a.label))
            if activity > 0.0 and state is not None:
                found.append(_portion(to, values, a, state, activity, length, decay))
    return tuple(found)


def route_of(system: System, schedule: Schedule, ligand: str, name: str) -> Route:
    """Return the route of a system by which a ligand of a schedule is given.

    Parameters
    ----------
    system : System
        The system.
    schedule : Schedule
        The schedule; it may give one ligand by another name than the model's.
    ligand, name : str
        The ligand and the route.

    Returns
    -------
    Route

    Raises
    ------
    InputError
        When the system was not assembled for them.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.system import assemble
    >>> schedule = Schedule((Administration(0.0, 0.0, "dotatate"),))
    >>> system = assemble(organ_exchange.model(("kidney",)), schedule.form)
    >>> route_of(system, schedule, "dotatate", "intravenous").amount
    blood
    """
    named = model_ligand(system, schedule, ligand)
    found = {n: r for _, n, r in system.routes if r.amount.ligand == named}
    if name not in found:
        raise InputError(
            f"{system.name!r} was not assembled for {ligand} by the route {name!r}: "
            f"{suggest(name, found)}; assemble it with the schedule's form"
        )
    return found[name]


def model_ligand(system: System, schedule: Schedule, ligand: str) -> str:
    """Return the name by which a system knows a ligand of a schedule.

    Parameters
    ----------
    system : System
        The system.
    schedule : Schedule
        The schedule.
    ligand : str
        The ligand; the unnamed ligand of a model stands for one of any name.

    Returns
    -------
    str

    Raises
    ------
    InputError
        When the system lacks it.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.system import assemble
    >>> schedule = Schedule((Administration(0.0, 0.0, "dotatate"),))
    >>> system = assemble(organ_exchange.model(("kidney",)), schedule.form)
    >>> model_ligand(system, schedule, "dotatate")
    'ligand'
    """
    found = name_in_model(system.ligands, ligand)
    given = dict.fromkeys(who for who, _ in schedule.form.routes)
    alike = [who for who in given if name_in_model(system.ligands, who) == found]
    if found is None or len(alike) > 1:
        raise InputError(
            f"{system.name!r} was not assembled for {' and '.join(alike) or ligand!r}: "
            f"{suggest(ligand, system.ligands)}; assemble it with the schedule's form"
        )
    return found


def check_labels(system: System, schedule: Schedule, label: str | None) -> None:
    """Refuse a schedule whose labels a system was not assembled for.

    Parameters
    ----------
    system : System
        The system.
    schedule : Schedule
        The schedule.
    label : str or None
        The label whose activity the amounts of a linear system hold, if any.

    Raises
    ------
    InputError
        When a label of the schedule has no place in the system.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.system import assemble
    >>> schedule = Schedule((Administration(0.0, 0.0, "dotatate", "Y-90", 9.0),))
    >>> system = assemble(organ_exchange.model(("kidney",)), schedule.form)
    >>> check_labels(system, schedule, "Y-90")
    """
    given, remedy = schedule.form.labels, "assemble it with the schedule's form"
    if system.matrix is None:
        fits = len(given) == len(system.labels) and all(
            one.chain == other.chain
            and one.proportional >= other.proportional
            and model_ligand(system, schedule, one.ligand) == other.ligand
            for one, other in zip(given, system.labels, strict=True)
        )
        if not fits:
            raise InputError(
                f"{system.name!r} was assembled for other labels than the schedule "
                f"gives, or for a constant ratio of label to ligand: {remedy}"
            )
        return
    if label is not None and label not in schedule.labels:
        raise InputError(
            f"the schedule does not give {label!r}: {suggest(label, schedule.labels)}"
        )
    if label is not None and any(form.chain == label for form in given):
        raise InputError(
            f"{system.name!r} was assembled without the daughters of {label}: {remedy}"
        )


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
    fraction = _in_range("bioavailability", route.bioavailability, values, a)
    if not a.modelled:
        return a.duration_h * fraction if a.holds_rate else a.duration_h
    if route.duration_h is not None:
        return _in_range("duration_h", route.duration_h, values, a)
    if route.rate_per_h is None:
        raise InputError(
            f"{a.described()} leaves its length to the route {a.route!r}, which has "
            "neither duration_h nor rate_per_h: give the route one, or the "
            "administration its duration_h"
        )
    rate = _in_range("rate_per_h", route.rate_per_h, values, a)
    if rate == 0.0 or a.ligand_nmol is None:
        raise InputError(
            f"{a.described()}: at the modelled rate {rate:g} nmol/h, "
            f"{a.ligand_nmol} nmol of ligand has no length: state a rate > 0 and "
            "ligand_nmol"
        )
    return fraction * a.ligand_nmol / rate


def _ligand_nmol(system: System, a: Administration) -> float:
    if a.ligand_nmol is None:
        raise InputError(
            f"{a.described()}: the amounts of {system.name!r} in nmol need ligand_nmol "
            "of every administration: state it, or ask for a label"
        )
    return a.ligand_nmol


def _labelled_state(
    system: System, schedule: Schedule, route: Route, given: tuple[str, str]
) -> int | None:
    """Return the state that holds a label where it arrives, if there is one."""
    if system.matrix is not None:
        return system.amounts.index(route.amount)
    slot = schedule.slots().index(given)
    chain = system.labels[slot].chain
    for number, tracer in enumerate(system.tracers, start=len(system.amounts)):
        where = (tracer.slot, tracer.nuclide, tracer.amount, tracer.moves)
        if where == (slot, chain, route.amount, True):
            return number
    return None
