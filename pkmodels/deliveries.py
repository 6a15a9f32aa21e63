"""Deliveries: what of a course arrives in which state when, as traceable arrays."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import sympy
from jax.core import Tracer

from pkmodels.arrivals import Content, Length
from pkmodels.courses import Course
from pkmodels.inflows import slack_h
from pkmodels.kernels.printing import jax_matrix, numpy_function
from pkmodels.system import System


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Deliveries:
    """What is delivered, one entry an arrival (`pkmodels.arrivals.Arrival`).

    Parameters
    ----------
    state : tuple of int
        Number of the state that it arrives in.
    stretch : tuple of int
        Number of the stretch of time in which it does.
    first : tuple of int
        The first arrival in each stretch.
    falls : tuple of bool
        Whether its rate falls as its label decays in the syringe.
    given : (n_arrivals,) array
        How much arrives in all, were there no decay and no reset, nmol or MBq.
    start_h, end_h : (n_arrivals,) arrays
        From and to, h; a reset ends it.
    at_once : (n_arrivals,) array
        What arrives at the start, nmol or MBq.
    rate : (n_arrivals,) array
        Rate at the start, 1/h times nmol or MBq; 0 of a bolus.
    decay_per_h : (n_arrivals,) array
        Decay constant of the label, 1/h; 0 for ligand.
    sound : scalar of bool
        Whether every lag, bioavailability and length is finite and >= 0.
    """

    state: tuple[int, ...] = field(metadata={"static": True})
    stretch: tuple[int, ...] = field(metadata={"static": True})
    first: tuple[int, ...] = field(metadata={"static": True})
    falls: tuple[bool, ...] = field(metadata={"static": True})
    given: Any
    start_h: Any
    end_h: Any
    at_once: Any
    rate: Any
    decay_per_h: Any
    sound: Any


def with_library(*trees: Any) -> tuple[Any, ...]:
    """Return the library to compute with, and what is given as its arrays.

    NumPy where nothing is traced, so that it is computed once, when a function is
    traced, and not each time that it runs; else jax.numpy.

    Parameters
    ----------
    *trees : pytree
        Arrays, or what holds them.

    Returns
    -------
    library : module
    *trees : pytree

    Examples
    --------
    >>> with_library([1.0, 2.0])[0] is np
    True
    """
    leaves = jax.tree.leaves(trees)
    library = jnp if any(isinstance(x, Tracer) for x in leaves) else np
    return (library, *jax.tree.map(library.asarray, trees))


def deliveries_of(system: System, routes: Any, course: Course) -> Deliveries:
    """Return what of a course arrives in which state when.

    An amount a that is given at the time t arrives at t + lag as a F exp(-k lag), with
    the bioavailability F and, of a label, its decay constant k: at once, or over a
    length L at the rate a F exp(-k lag) / L, which falls as exp(-k (time - start))
    unless it is constant.

    Parameters
    ----------
    system : System
        The system.
    routes : (n_routes, 4) array
        As `routes_of` gives them.
    course : Course
        What is done.

    Returns
    -------
    Deliveries

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.administrations import Administration
    >>> from pkmodels.courses import course_of
    >>> from pkmodels.schedule import Schedule
    >>> from pkmodels.system import assemble
    >>> schedule = Schedule((Administration(1.0, 0.5, "x", ligand_nmol=10.0),))
    >>> system = assemble(organ_exchange.model(("kidney",)), schedule.form)
    >>> routes = routes_of(system, np.ones(3))
    >>> found = deliveries_of(system, routes, course_of(system, schedule))
    >>> print(found.start_h, found.end_h, found.rate)
    [1.] [1.5] [20.]
    """
    doses = course.form.doses
    arrivals = [(n, a) for n, dose in enumerate(doses) for a in dose.arrivals]
    dose = np.array([n for n, _ in arrivals], np.int64)
    route = np.array([a.route for _, a in arrivals], np.int64)
    falls = [
        a.content is not Content.LIGAND and not doses[n].constant for n, a in arrivals
    ]
    library, routes, course = with_library(routes, course)
    time, lag, fraction = course.time_h[dose], *routes[route, :2].T
    length = _lengths(library, system, course, routes)[dose]
    known = is_sound(time) & is_sound(lag) & is_sound(fraction) & is_sound(length)
    free = course.free_label_fraction[dose]
    known &= (free >= 0.0) & (free <= 1.0)
    time, lag, length = (library.where(known, x, 0.0) for x in (time, lag, length))
    start, end = time + lag, time + lag + length
    amount = fraction * _amounts(library, course, dose, arrivals)
    given = library.where(known, amount, 0.0)
    decay = _decays(library, system, course, arrivals)
    arriving = given * library.exp(-decay * lag)
    # What is shorter than the rounding of its time could not be told from a bolus.
    is_bolus = length <= slack(start)
    if any(form.stopped_by is not None for form in doses):
        stop = _stops(library, course)[dose]
        arriving = library.where(start < stop, arriving, 0.0)
        start, end = library.minimum(start, stop), library.minimum(end, stop)
    keys = [(n, system.routes[a.route][2].lag_h) for n, a in arrivals]
    stretches = list(dict.fromkeys(keys))
    return Deliveries(
        state=tuple(a.state for _, a in arrivals),
        stretch=tuple(stretches.index(key) for key in keys),
        first=tuple(keys.index(key) for key in stretches),
        falls=tuple(falls),
        given=given,
        start_h=start,
        end_h=end,
        at_once=library.where(is_bolus, arriving, 0.0),
        rate=library.where(is_bolus, 0.0, arriving)
        / library.where(is_bolus, 1.0, length),
        decay_per_h=decay,
        sound=library.all(known),
    )


def start_of(system: System, parameters: Any, course: Course) -> Any:
    """Return the states of a system before anything is given.

    Parameters
    ----------
    system : System
        The system.
    parameters : (n_parameters,) array
        Values in the order of ``system.parameters``.
    course : Course
        What is done.

    Returns
    -------
    (n_states,) array
        nmol of each amount, then MBq of each tracer, which is 0.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.courses import course_of
    >>> from pkmodels.schedule import Schedule, ScheduleForm
    >>> from pkmodels.system import assemble
    >>> form = ScheduleForm((("x", "intravenous"),))
    >>> system = assemble(organ_exchange.model(("kidney",)), form)
    >>> print(start_of(system, np.ones(3), course_of(system, Schedule(()))))
    [0. 0.]
    """
    start = course.start_nmol
    if start is None:
        start = _values(system, tuple(system.start), parameters)
    library, start = with_library(start)
    return library.append(start, np.zeros(len(system.tracers)))


def decay_of(system: System, course: Course, state: int) -> Any:
    """Return the decay constant of a label that may arrive in a state.

    Parameters
    ----------
    system : System
        The system.
    course : Course
        What is done.
    state : int
        Number of the state: any of a linear system, or that of a tracer.

    Returns
    -------
    scalar
        1/h.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.administrations import Administration
    >>> from pkmodels.courses import course_of
    >>> from pkmodels.schedule import Schedule
    >>> from pkmodels.system import assemble
    >>> schedule = Schedule((Administration(0.0, 0.0, "x", "Y-90", 9.0),))
    >>> system = assemble(organ_exchange.model(("kidney",)), schedule.form)
    >>> print(round(float(decay_of(system, course_of(system, schedule, "Y-90"), 0)), 5))
    0.01081
    """
    if system.matrix is not None:
        return course.loss_per_h
    tracer = system.tracers[state - len(system.amounts)]
    slot = None if tracer.nuclide else tracer.slot
    kinds = [(c.slot, c.nuclide) for c in system.decay_constants]
    return course.decay_constants[kinds.index((slot, tracer.nuclide))]


def slack(time_h: Any) -> Any:
    """Return `pkmodels.inflows.slack_h` of an array.

    Parameters
    ----------
    time_h : array
        Times, h.

    Returns
    -------
    array

    Examples
    --------
    >>> bool(slack(np.float64(2000.0)) == slack_h(2000.0))
    True
    """
    library, time = with_library(time_h)
    return slack_h(1.0) * library.maximum(library.abs(time), 1.0)


def is_sound(values: Any) -> Any:
    """Say which values are finite and >= 0.

    Parameters
    ----------
    values : array
        Times, lengths or fractions.

    Returns
    -------
    array of bool

    Examples
    --------
    >>> is_sound(np.array([0.0, -1.0, np.inf])).tolist()
    [True, False, False]
    """
    library, values = with_library(values)
    return library.isfinite(values) & (values >= 0.0)


def routes_of(system: System, parameters: Any) -> Any:
    """Return what the routes of a system say.

    Parameters
    ----------
    system : System
        The system.
    parameters : (n_parameters,) array
        Values in the order of ``system.parameters``.

    Returns
    -------
    (n_routes, 4) array
        Lag (h), bioavailability, modelled duration (h; 0 where there is none), modelled
        rate (nmol/h; 1 where there is none).

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.schedule import ScheduleForm
    >>> from pkmodels.system import assemble
    >>> form = ScheduleForm((("x", "intravenous"),))
    >>> system = assemble(organ_exchange.model(("kidney",)), form)
    >>> print(routes_of(system, np.ones(3)))
    [[0. 1. 0. 1.]]
    """
    found: list[sympy.Expr] = []
    for _, _, route in system.routes:
        length, rate = route.duration_h, route.rate_per_h
        found += [
            route.lag_h,
            route.bioavailability,
            sympy.S.Zero if length is None else length,
            sympy.S.One if rate is None else rate,
        ]
    return _values(system, tuple(found), parameters).reshape(-1, 4)


def _values(
    system: System, expressions: tuple[sympy.Expr, ...], parameters: Any
) -> Any:
    """Return the values of expressions; where none has a parameter, they are fixed."""
    library, parameters = with_library(parameters)
    known = [sympy.sympify(expression) for expression in expressions]
    if not any(expression.free_symbols for expression in known):
        return np.array([float(expression) for expression in known])
    if library is np:
        function = numpy_function(system.parameters, expressions)
        with np.errstate(all="ignore"):
            return np.array(function(list(parameters)), np.float64)
    return _jax_function(system.parameters, expressions)(parameters)[0]


@lru_cache(maxsize=256)
def _jax_function(
    arguments: tuple[sympy.Symbol, ...], expressions: tuple[sympy.Expr, ...]
) -> Callable[[Any], Any]:
    return jax_matrix(arguments, sympy.ImmutableMatrix([list(expressions)]))


def _lengths(library: Any, system: System, course: Course, routes: Any) -> Any:
    """Return how long each dose takes, h; NaN where the system has no infusions."""
    doses, stated = course.form.doses, course.duration_h
    numbers = routes[np.array([dose.route for dose in doses], np.int64)]
    _, fraction, duration, rate = numbers.T
    sources = {
        Length.RATE_HELD: lambda: stated * fraction,
        Length.ROUTE_DURATION: lambda: duration,
        Length.ROUTE_RATE: lambda: fraction * course.ligand_nmol / rate,
    }
    length = stated
    for source, lengths in sources.items():
        chosen = np.array([dose.length is source for dose in doses], bool)
        if chosen.any():
            length = library.where(chosen, lengths(), length)
    if system.has_infusions:
        return length
    return library.where(length == 0.0, 0.0, np.nan)


def _amounts(
    library: Any, course: Course, dose: np.ndarray, arrivals: list[Any]
) -> Any:
    """Return what is in the syringe of each arrival, nmol or MBq."""
    activity = course.activity_MBq
    bound = activity * (1.0 - course.free_label_fraction)
    table = library.stack([course.ligand_nmol, bound, activity - bound])
    row = list(Content)
    content = np.array([row.index(a.content) for _, a in arrivals], np.int64)
    return table[content, dose]


def _decays(library: Any, system: System, course: Course, arrivals: list[Any]) -> Any:
    """Return the decay constant of what arrives, 1/h; 0 of ligand."""
    hot = {a.state for _, a in arrivals if a.content is not Content.LIGAND}
    states = sorted(hot)
    decays = [decay_of(system, course, state) for state in states]
    table = library.stack([library.zeros(()), *decays])
    number = [
        0 if a.content is Content.LIGAND else 1 + states.index(a.state)
        for _, a in arrivals
    ]
    return table[np.array(number, np.int64)]


def _stops(library: Any, course: Course) -> Any:
    """Return when a reset stops what is left of each dose, h; infinite if none does."""
    stopped_by = [dose.stopped_by for dose in course.form.doses]
    number = np.array([0 if n is None else n for n in stopped_by], np.int64)
    stops = np.array([n is not None for n in stopped_by], bool)
    resets = course.reset_h
    resets = library.where(is_sound(resets), resets, np.inf)
    return library.where(stops, resets[number], np.inf)
