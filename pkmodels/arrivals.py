"""Arrivals: where what is administered arrives in a system, whatever the numbers."""

from dataclasses import dataclass
from enum import StrEnum

from pkmodels.administrations import Administration, free_label_name
from pkmodels.errors import InputError, suggest
from pkmodels.routes import Route
from pkmodels.schedule import Schedule
from pkmodels.symbols import name_in_model
from pkmodels.system import System


class Content(StrEnum):
    """What of an administration arrives in one state."""

    LIGAND = "ligand"
    BOUND_LABEL = "label on the ligand"
    FREE_LABEL = "label that no ligand carries"


class Length(StrEnum):
    """What decides how long an administration takes to arrive."""

    STATED = "its duration_h"
    RATE_HELD = "its duration_h times the bioavailability"
    ROUTE_DURATION = "the route's duration_h"
    ROUTE_RATE = "what arrives over the route's rate_per_h"


@dataclass(frozen=True)
class Arrival:
    """Where one content of an administration arrives, whatever the numbers.

    Parameters
    ----------
    content : Content
        What it is.
    state : int
        Number of the state of the system.
    route : int
        Number of its route in ``system.routes``.
    """

    content: Content
    state: int
    route: int


def arrivals_of(
    system: System,
    schedule: Schedule,
    administration: Administration,
    label: str | None,
) -> tuple[Arrival, ...]:
    """Return where what one administration brings arrives in a system.

    Parameters
    ----------
    system : System
        The system.
    schedule : Schedule
        What the administration is part of.
    administration : Administration
        The administration.
    label : str or None
        The label whose activity the amounts of a linear system hold; None for ligand,
        and wherever labels have states of their own.

    Returns
    -------
    tuple of Arrival

    Raises
    ------
    InputError
        When the route, the amount of ligand or the length is missing, or the system
        was assembled for boluses only.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.system import assemble
    >>> schedule = Schedule((Administration(0.0, 0.0, "x", "Y-90", 9.0),))
    >>> system = assemble(organ_exchange.model(("kidney",)), schedule.form)
    >>> (one,) = arrivals_of(system, schedule, schedule.administrations[0], "Y-90")
    >>> one.content.value, one.state, one.route
    ('label on the ligand', 0, 0)
    """
    a = administration
    number = route_number(system, schedule, a.ligand, a.route)
    route = system.routes[number][2]
    length_source(route, a)
    if (a.duration_h > 0.0 or a.modelled) and not system.has_infusions:
        time = "a modelled time" if a.modelled else f"{a.duration_h:g} h"
        raise InputError(
            f"{a.described()} takes {time}, but {system.name!r} was assembled "
            "for boluses only: assemble it with a form whose infusions is True"
        )
    found = []
    if system.matrix is None or label is None:
        if route.amount in system.amounts:
            _check_ligand_known(system, a)
            state = system.amounts.index(route.amount)
            found.append(Arrival(Content.LIGAND, state, number))
    if a.label is None or (system.matrix is not None and a.label != label):
        return tuple(found)
    shares = {
        (Content.BOUND_LABEL, a.ligand): 1.0 - a.free_label_fraction,
        (Content.FREE_LABEL, free_label_name(a.label)): a.free_label_fraction,
    }
    for (content, ligand), share in shares.items():
        if share == 0.0:
            continue
        number = route_number(system, schedule, ligand, a.route)
        to = system.routes[number][2]
        own_length = to.duration_h is not None or to.rate_per_h is not None
        if a.modelled and to != route and own_length:
            raise InputError(
                f"{a.described()}: its length is that of the route of {a.ligand}, "
                f"but the route of {ligand} has another: leave it out there"
            )
        state = _labelled_state(system, schedule, to, (ligand, a.label))
        if state is not None:
            found.append(Arrival(content, state, number))
    return tuple(found)


def length_source(route: Route, administration: Administration) -> Length:
    """Say what decides how long an administration takes to arrive.

    Parameters
    ----------
    route : Route
        The route of its ligand.
    administration : Administration
        The administration.

    Returns
    -------
    Length

    Raises
    ------
    InputError
        When it is left to a route that does not say it, or to a rate of an amount of
        ligand that is not known.

    Examples
    --------
    >>> from pkmodels.symbols import Amount
    >>> dose = Administration(0.0, 0.5, "dotatate", ligand_nmol=10.0)
    >>> length_source(Route(Amount("plasma", "nmol")), dose).value
    'its duration_h'
    """
    a = administration
    if not a.modelled:
        return Length.RATE_HELD if a.holds_rate else Length.STATED
    if route.duration_h is not None:
        return Length.ROUTE_DURATION
    if route.rate_per_h is None:
        raise InputError(
            f"{a.described()} leaves its length to the route {a.route!r}, which has "
            "neither duration_h nor rate_per_h: give the route one, or the "
            "administration its duration_h"
        )
    if a.ligand_nmol is None:
        raise InputError(
            f"{a.described()}: at the modelled rate {route.rate_per_h} nmol/h, an "
            "amount of ligand that is not known has no length: state ligand_nmol"
        )
    return Length.ROUTE_RATE


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
    return system.routes[route_number(system, schedule, ligand, name)][2]


def route_number(system: System, schedule: Schedule, ligand: str, name: str) -> int:
    """Return the number of the route by which a ligand of a schedule is given.

    Parameters
    ----------
    system, schedule, ligand, name
        As of `route_of`.

    Returns
    -------
    int
        Its place in ``system.routes``.

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
    >>> route_number(system, schedule, "dotatate", "intravenous")
    0
    """
    named = model_ligand(system, schedule, ligand)
    routes = enumerate(system.routes)
    found = {n: number for number, (_, n, r) in routes if r.amount.ligand == named}
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


def _check_ligand_known(system: System, a: Administration) -> None:
    if a.ligand_nmol is None:
        raise InputError(
            f"{a.described()}: the amounts of {system.name!r} in nmol need ligand_nmol "
            "of every administration: state it, or ask for a label"
        )


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
