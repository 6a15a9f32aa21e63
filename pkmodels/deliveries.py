"""Deliveries: what of a course arrives in which state when, as traceable arrays."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import sympy

from pkmodels.arrivals import Content, Length
from pkmodels.courses import Course
from pkmodels.inflows import slack_h
from pkmodels.kernels.printing import jax_matrix
from pkmodels.system import System


class Deliveries(NamedTuple):
    """What is delivered, one entry an arrival (`pkmodels.arrivals.Arrival`).

    Attributes
    ----------
    state : (n_arrivals,) array of int, static
        Number of the state that it arrives in.
    stretch : (n_arrivals,) array of int, static
        Number of the stretch of time in which it does.
    first : (n_stretches,) array of int, static
        The first arrival in each stretch.
    falls : (n_arrivals,) array of bool, static
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

    state: np.ndarray
    stretch: np.ndarray
    first: np.ndarray
    falls: np.ndarray
    given: Any
    start_h: Any
    end_h: Any
    at_once: Any
    rate: Any
    decay_per_h: Any
    sound: Any


def deliveries_of(system: System, parameters: Any, course: Course) -> Deliveries:
    """Return what of a course arrives in which state when.

    An amount a that is given at the time t arrives at t + lag as a F exp(-k lag), with
    the bioavailability F and, of a label, its decay constant k: at once, or over a
    length L at the rate a F exp(-k lag) / L, which falls as exp(-k (time - start))
    unless it is constant.

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
    >>> found = deliveries_of(system, jnp.ones(3), course_of(system, schedule))
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
    table = _expressions(system)[0](parameters)
    time, lag, fraction = jnp.asarray(course.time_h)[dose], *table[route, :2].T
    length = _lengths(system, course, table)[dose]
    known = _is_sound(lag) & _is_sound(fraction) & _is_sound(length)
    known &= _is_sound(time)
    time, lag, length = (jnp.where(known, x, 0.0) for x in (time, lag, length))
    start, end = time + lag, time + lag + length
    given = jnp.where(known, fraction * _amounts(course, dose, arrivals), 0.0)
    decay = _decays(system, course, arrivals)
    arriving = given * jnp.exp(-decay * lag)
    # What is shorter than the rounding of its time could not be told from a bolus.
    is_bolus = length <= slack(start)
    if any(form.stopped_by is not None for form in doses):
        stop = _stops(course)[dose]
        arriving = jnp.where(start < stop - slack(start), arriving, 0.0)
        start, end = jnp.minimum(start, stop), jnp.minimum(end, stop)
    keys = [(n, system.routes[a.route][2].lag_h) for n, a in arrivals]
    stretches = list(dict.fromkeys(keys))
    return Deliveries(
        state=np.array([a.state for _, a in arrivals], np.int64),
        stretch=np.array([stretches.index(key) for key in keys], np.int64),
        first=np.array([keys.index(key) for key in stretches], np.int64),
        falls=np.array(falls, bool),
        given=given,
        start_h=start,
        end_h=end,
        at_once=jnp.where(is_bolus, arriving, 0.0),
        rate=jnp.where(is_bolus, 0.0, arriving / jnp.where(is_bolus, 1.0, length)),
        decay_per_h=decay,
        sound=jnp.all(known),
    )


def start_of(system: System, parameters: Any, course: Course) -> Any:
    """Return the states of a system before anything is given.

    Parameters
    ----------
    system, parameters, course
        As of `deliveries_of`.

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
    >>> print(start_of(system, jnp.ones(3), course_of(system, Schedule(()))))
    [0. 0.]
    """
    start = course.start_nmol
    if start is None:
        start = _expressions(system)[1](parameters)[0]
    return jnp.append(jnp.asarray(start, jnp.float64), jnp.zeros(len(system.tracers)))


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
        return jnp.asarray(course.loss_per_h)
    tracer = system.tracers[state - len(system.amounts)]
    slot = None if tracer.nuclide else tracer.slot
    kinds = [(c.slot, c.nuclide) for c in system.decay_constants]
    return jnp.asarray(course.decay_constants)[kinds.index((slot, tracer.nuclide))]


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
    >>> bool(slack(jnp.float64(2000.0)) == slack_h(2000.0))
    True
    """
    return slack_h(1.0) * jnp.maximum(jnp.abs(time_h), 1.0)


def _is_sound(values: Any) -> Any:
    return jnp.isfinite(values) & (values >= 0.0)


def _lengths(system: System, course: Course, table: Any) -> Any:
    """Return how long each dose takes, h; NaN where the system has no infusions."""
    doses, stated = course.form.doses, jnp.asarray(course.duration_h)
    numbers = table[np.array([dose.route for dose in doses], np.int64)]
    _, fraction, duration, rate = numbers.T
    sources = {
        Length.RATE_HELD: lambda: stated * fraction,
        Length.ROUTE_DURATION: lambda: duration,
        Length.ROUTE_RATE: lambda: fraction * jnp.asarray(course.ligand_nmol) / rate,
    }
    length = stated
    for source, lengths in sources.items():
        chosen = np.array([dose.length is source for dose in doses], bool)
        if chosen.any():
            length = jnp.where(chosen, lengths(), length)
    return length if system.has_infusions else jnp.where(length == 0.0, 0.0, jnp.nan)


def _amounts(course: Course, dose: np.ndarray, arrivals: list[Any]) -> Any:
    """Return what is in the syringe of each arrival, nmol or MBq."""
    activity = jnp.asarray(course.activity_MBq)
    bound = activity * (1.0 - jnp.asarray(course.free_label_fraction))
    table = jnp.stack([jnp.asarray(course.ligand_nmol), bound, activity - bound])
    row = list(Content)
    content = np.array([row.index(a.content) for _, a in arrivals], np.int64)
    return table[content, dose]


def _decays(system: System, course: Course, arrivals: list[Any]) -> Any:
    """Return the decay constant of what arrives, 1/h; 0 of ligand."""
    hot = {a.state for _, a in arrivals if a.content is not Content.LIGAND}
    states = sorted(hot)
    table = [jnp.zeros(()), *(decay_of(system, course, state) for state in states)]
    number = [
        0 if a.content is Content.LIGAND else 1 + states.index(a.state)
        for _, a in arrivals
    ]
    return jnp.stack(table)[np.array(number, np.int64)]


def _stops(course: Course) -> Any:
    """Return when a reset stops what is left of each dose, h; infinite if none does."""
    stopped_by = [dose.stopped_by for dose in course.form.doses]
    number = np.array([0 if n is None else n for n in stopped_by], np.int64)
    stops = np.array([n is not None for n in stopped_by], bool)
    resets = jnp.asarray(course.reset_h)
    resets = jnp.where(_is_sound(resets), resets, jnp.inf)
    return jnp.where(stops, resets[number], jnp.inf)


@lru_cache(maxsize=64)
def _expressions(system: System) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Return functions of the parameters: of the routes, and of the start."""
    rows = []
    for _, _, route in system.routes:
        length, rate = route.duration_h, route.rate_per_h
        rows.append(
            [
                route.lag_h,
                route.bioavailability,
                sympy.S.Zero if length is None else length,
                sympy.S.One if rate is None else rate,
            ]
        )
    return _function(system, rows, 4), _function(system, [list(system.start)], None)


def _function(
    system: System, rows: list[list[sympy.Expr]], width: int | None
) -> Callable[[Any], Any]:
    if not rows or not rows[0]:
        return lambda parameters: jnp.zeros((len(rows), width or 0))
    return jax_matrix(system.parameters, sympy.ImmutableMatrix(rows))
