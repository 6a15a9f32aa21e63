"""Lowering: a course on a system as the arrays of a kernel's problem, traceable."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pkmodels.boundaries import Order, order_of, placed_readings
from pkmodels.courses import Course
from pkmodels.deliveries import (
    Deliveries,
    decay_of,
    deliveries_of,
    is_sound,
    routes_of,
    start_of,
    with_library,
)
from pkmodels.errors import InputError
from pkmodels.kernels.equations import Layout
from pkmodels.kernels.problem import Problem
from pkmodels.system import System
from pkmodels.timeline import Timeline, check_times

# What a rate, or a time integral, is measured against: the size of its state and 1 h.
_HOUR = 1.0


class _Running(NamedTuple):
    """What happens at each boundary, and goes on from there, one row each.

    Whether all is replaced by the start, what is added, the constant rates of inflow,
    and what syringes hold.
    """

    is_refilled: Any
    at_once: Any
    rates: Any
    syringes: Any


def lower_course(
    system: System,
    layout: Layout,
    parameters: Any,
    course: Course,
    times_h: Any,
    before: Any = None,
    *,
    in_order: bool = False,
) -> tuple[Problem, Any]:
    """Lower a course on a system to the problem that a kernel solves.

    It means what `pkmodels.timeline.lower` means. There is one boundary for 0 and one
    for each event (reset, arrival, end of an infusion, edge of a window), in the order
    of their times; those of one time make segments without length. What is not
    finite, or negative and may not be (times, lengths, lags, bioavailability), makes
    every state NaN. A syringe holds, from each boundary on, exactly what is left in it.

    Parameters
    ----------
    system : System
        The system.
    layout : Layout
        That of its equations, as `pkmodels.kernels.equations.equations_of` gives it.
    parameters : (n_parameters,) array
        Values in the order of ``system.parameters``, >= 0.
    course : Course
        What is done, as `pkmodels.courses.course_of` gives it.
    times_h : (n_times,) array
        Readings, h, >= 0, in any order; at a jump they are after it.
    before : (n_times,) array of bool or None
        Where a reading at a jump is before it.
    in_order : bool
        Whether it is known that `times_h` do not decrease, with `before` None: then
        they are not sorted. Where that is wrong, every state is NaN.

    Returns
    -------
    problem : Problem
        With the readings in the order that kernels need. The scale of a syringe, and
        of a time integral, is that of its state and 1 h; scales have no derivative.
    rows : (n_times,) array of int64
        The row of ``problem.times_h`` that each of `times_h` is.

    Raises
    ------
    InputError
        When an array has another shape.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.administrations import Administration
    >>> from pkmodels.courses import course_of
    >>> from pkmodels.kernels.equations import equations_of
    >>> from pkmodels.schedule import Schedule
    >>> from pkmodels.system import assemble
    >>> schedule = Schedule((Administration(1.0, 0.5, "x", ligand_nmol=10.0),))
    >>> system = assemble(organ_exchange.model(("kidney",)), schedule.form)
    >>> _, layout = equations_of(system)
    >>> course = course_of(system, schedule)
    >>> problem, rows = lower_course(
    ...     system, layout, jnp.ones(3), course, jnp.array([9.0, 1.0]))
    >>> print(problem.boundaries_h, problem.constants[:, 4])  # the rate into blood
    [0.  1.  1.5] [ 0. 20.  0.]
    >>> print(problem.times_h, problem.places, rows)
    [1. 9.] [1 2] [1 0]
    """
    _check_shapes(system, parameters, course, times_h, before)
    library, times = with_library(times_h)
    known = is_sound(times)
    with np.errstate(all="ignore"):
        start = start_of(system, parameters, course)
        routes = routes_of(system, parameters)
        deliveries = deliveries_of(system, routes, course)
        order = order_of(system, course, deliveries)
        running = _running(system, layout, deliveries, order)
        readings = library.where(known, times, 0.0)
        placed = placed_readings(order.boundaries_h, readings, before, in_order)
    sound = deliveries.sound & order.sound & library.all(known)
    if in_order:
        sound &= library.all(library.diff(times) >= 0.0)
    keep, added = _jumps(layout, sound, start, order, running)
    problem = Problem(
        constants=_constants(system, layout, parameters, course, order, running),
        boundaries_h=order.boundaries_h,
        keep=keep,
        added=added,
        scales=_scales(system, layout, start, deliveries),
        times_h=placed[0],
        places=placed[1],
    )
    return problem, placed[2]


def problem_of(
    timeline: Timeline,
    layout: Layout,
    times_h: np.ndarray,
    before: np.ndarray | None = None,
) -> tuple[Problem, np.ndarray]:
    """Return a timeline as the problem that a kernel solves, in NumPy.

    Parameters
    ----------
    timeline : Timeline
        What happens, without doses at steady state.
    layout, times_h, before
        As of `lower_course`.

    Returns
    -------
    problem : Problem
        One segment without length, whose end is before anything is given, and then
        those of the timeline.
    rows : (n_times,) array of int64
        The row of ``problem.times_h`` that each of `times_h` is.

    Raises
    ------
    InputError
        When a dose is at steady state, or a time is negative or not finite.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.administrations import Administration
    >>> from pkmodels.kernels.equations import equations_of
    >>> from pkmodels.schedule import Schedule
    >>> from pkmodels.system import assemble
    >>> from pkmodels.timeline import lower
    >>> schedule = Schedule((Administration(1.0, 0.0, "x", ligand_nmol=10.0),))
    >>> system = assemble(organ_exchange.model(("kidney",)), schedule.form)
    >>> values = {str(parameter): 1.0 for parameter in system.parameters}
    >>> problem, _ = problem_of(
    ...     lower(system, values, schedule), equations_of(system)[1], np.ones(1))
    >>> problem.boundaries_h.tolist(), problem.added.tolist()
    ([0.0, 0.0, 1.0], [[0.0, 0.0], [0.0, 0.0], [10.0, 0.0]])
    """
    if timeline.steady:
        raise InputError(
            f"the {timeline.steady[0].given.described()} is at steady state, which no "
            "problem holds: use simulate, or write the doses out with repeat()"
        )
    boundaries = np.append(0.0, timeline.boundaries_h)
    times = np.asarray(times_h, np.float64)
    check_times(times)
    placed, places, rows = placed_readings(boundaries, times, before)
    keep, added = _jumps_of(timeline, layout)
    problem = Problem(
        constants=_constants_of(timeline, layout),
        boundaries_h=boundaries,
        keep=keep,
        added=added,
        scales=_extended(layout, timeline.scales),
        times_h=placed,
        places=places,
    )
    return problem, rows


def _jumps_of(timeline: Timeline, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    segments = timeline.segments
    from_syringe = [state for state, *_ in layout.syringes]
    is_refilled = np.append(True, segments.resets)[:, None]
    start = np.where(is_refilled, timeline.start, 0.0)
    integrals = (*start.shape[:1], 0 if layout.integrals is None else start.shape[1])
    keep = np.where(is_refilled, 0.0, np.ones(start.shape))
    syringes = _preceded(segments.syringe_rates[:, from_syringe])
    added = start + _preceded(segments.added)
    return (
        np.hstack([keep, np.zeros(syringes.shape), np.ones(integrals)]),
        np.hstack([added, syringes, np.zeros(integrals)]),
    )


def _constants_of(timeline: Timeline, layout: Layout) -> np.ndarray:
    segments = timeline.segments
    loss = [] if layout.loss is None else [timeline.loss_per_h]
    falls = timeline.syringe_decay_per_h[[state for state, *_ in layout.syringes]]
    rates = segments.rates[:, [state for state, _ in layout.rates]]
    shape = (1 + len(rates), 1)
    columns = [
        np.tile(timeline.parameters, shape),
        np.vstack([segments.inputs[:1], segments.inputs]),
        np.tile(timeline.decay_constants, shape),
        np.tile(np.array(loss), shape),
        _preceded(rates),
        np.tile(falls, shape),
    ]
    return np.hstack(columns)


def _preceded(rows: np.ndarray) -> np.ndarray:
    """Return rows after one of zeros, for the segment before the first."""
    return np.vstack([np.zeros(rows.shape[1]), rows])


def _check_shapes(
    system: System, parameters: Any, course: Course, times: Any, before: Any
) -> None:
    wanted: dict[str, tuple[Any, tuple[int, ...]]] = {
        "parameters": (parameters, (len(system.parameters),))
    }
    doses, windows = (len(course.form.doses),), (len(course.form.windows),)
    for name in ("time_h", "duration_h", "ligand_nmol", "activity_MBq"):
        wanted[f"{name} of the course"] = (getattr(course, name), doses)
    wanted["free_label_fraction of the course"] = (course.free_label_fraction, doses)
    for name in ("window_start_h", "window_end_h", "window_value"):
        wanted[f"{name} of the course"] = (getattr(course, name), windows)
    wanted["reset_h of the course"] = (course.reset_h, (course.form.resets,))
    wanted["loss_per_h of the course"] = (course.loss_per_h, ())
    decays = (len(system.decay_constants),)
    wanted["decay_constants of the course"] = (course.decay_constants, decays)
    if course.start_nmol is not None:
        amounts = (len(system.amounts),)
        wanted["start_nmol of the course"] = (course.start_nmol, amounts)
    if before is not None:
        wanted["before"] = (before, jnp.shape(times))
    for name, (array, shape) in wanted.items():
        if jnp.shape(array) != shape:
            raise InputError(
                f"{name} has the shape {jnp.shape(array)} and must have {shape} on "
                f"{system.name!r}: use jax.vmap for many at once"
            )
    if jnp.ndim(times) != 1:
        raise InputError(
            f"times_h must be one list of times; its shape is {jnp.shape(times)}"
        )


def _running(
    system: System, layout: Layout, deliveries: Deliveries, order: Order
) -> _Running:
    """Return what goes on from each boundary, and what happens there at once."""
    library, deliveries, order = with_library(deliveries, order)
    count, stretch = len(order.boundaries_h), np.array(deliveries.stretch, np.int64)
    number = np.arange(count)[None, :]
    starts = order.starts[stretch][:, None]
    states = np.array(deliveries.state, np.int64)
    landed = library.where(starts == number, deliveries.at_once[:, None], 0.0)
    is_refilled = library.any(order.resets[:, None] == number, axis=0)
    at_once = landed.T @ _columns(states, range(len(system.states)))
    is_refilled = is_refilled | (number[0] == 0)
    if not layout.rates:
        return _Running(
            is_refilled, at_once, np.zeros((count, 0)), np.zeros((count, 0))
        )
    running = (starts <= number) & (number < order.ends[stretch][:, None])
    falls = np.array(deliveries.falls, bool)[:, None]
    rate, decay = deliveries.rate[:, None], deliveries.decay_per_h[:, None]
    elapsed = order.boundaries_h[None, :] - deliveries.start_h[:, None]
    elapsed = library.where(running, elapsed, 0.0)
    left = library.where(running & falls, rate * library.exp(-decay * elapsed), 0.0)
    steady = library.where(running & ~falls, rate, 0.0)
    into = _columns(states, [state for state, _ in layout.rates])
    from_syringe = _columns(states, [state for state, *_ in layout.syringes])
    return _Running(is_refilled, at_once, steady.T @ into, left.T @ from_syringe)


def _columns(states: np.ndarray, wanted: Any) -> np.ndarray:
    """Return 1 where an arrival is in a wanted state, one column each, else 0."""
    return (states[:, None] == np.array(wanted, np.int64)[None, :]).astype(np.float64)


def _jumps(
    layout: Layout, sound: Any, start: Any, order: Order, running: _Running
) -> tuple[Any, Any]:
    """Return what stays and what is added at each boundary."""
    count, states = len(order.boundaries_h), len(start)
    integrals = (count, 0 if layout.integrals is None else states)
    library, is_refilled = with_library(running.is_refilled[:, None])
    keep = library.where(is_refilled, 0.0, np.ones((count, states)))
    none = np.zeros(running.syringes.shape)
    keep = library.concatenate([keep, none, np.ones(integrals)], axis=1)
    library, sound, start, running = with_library(sound, start, running)
    start = library.where(sound, start, np.nan)[None, :]
    added = library.where(running.is_refilled[:, None], start, 0.0) + running.at_once
    added = [added, running.syringes, np.zeros(integrals)]
    return keep, library.concatenate(added, axis=1)


def _constants(
    system: System,
    layout: Layout,
    parameters: Any,
    course: Course,
    order: Order,
    running: _Running,
) -> Any:
    library, windows, order = with_library(course.window_value, order)
    count = len(order.boundaries_h)
    number = np.arange(count)
    inputs = [np.full(count, symbol.otherwise) for symbol in system.inputs]
    for row, window in enumerate(course.form.windows):
        is_on = (order.window_starts[row] <= number) & (number < order.window_ends[row])
        inputs[window.input] = library.where(is_on, windows[row], inputs[window.input])
    falls = [decay_of(system, course, state) for state, *_ in layout.syringes]
    loss = [] if layout.loss is None else [course.loss_per_h]
    columns = [
        _repeated(count, parameters),
        library.stack(inputs, axis=1) if inputs else np.zeros((count, 0)),
        _repeated(count, course.decay_constants),
        _repeated(count, loss),
        running.rates,
        _repeated(count, falls),
    ]
    library, columns = with_library(columns)
    return library.concatenate(columns, axis=1)


def _repeated(count: int, values: Any) -> Any:
    """Return values, an array or a list of scalars, as so many rows."""
    library = with_library(values)[0]
    row = library.asarray(values, np.float64)
    return library.broadcast_to(row, (count, len(row)))


def _scales(system: System, layout: Layout, start: Any, deliveries: Deliveries) -> Any:
    """Return the size of each state: what is given of its ligand or label in all."""
    library, start, given = with_library(start, deliveries.given)
    names = [a.ligand for a in system.amounts] + [t.slot for t in system.tracers]
    kinds = list(dict.fromkeys(names))
    kind = np.array([kinds.index(name) for name in names], np.int64)
    states = np.array(deliveries.state, np.int64)
    totals = given @ _columns(kind[states], range(len(kinds)))
    is_kind = kind[None, :] == np.arange(len(kinds))[:, None]
    there = library.where(is_kind, start[None, :], 0.0)
    totals = library.maximum(totals, library.max(there, axis=1))
    largest = library.max(totals, initial=0.0)
    largest = library.where(largest > 0.0, largest, 1.0)
    sizes = _extended(layout, library.where(totals > 0.0, totals, largest)[kind])
    return sizes if library is np else jax.lax.stop_gradient(sizes)


def _extended(layout: Layout, scales: Any) -> Any:
    """Return the scales of all states of equations, from those of the system's."""
    library, scales = with_library(scales)
    into = np.array([state for state, *_ in layout.syringes], np.int64)
    integrals = scales[:0] if layout.integrals is None else scales
    return library.concatenate([scales, scales[into] / _HOUR, integrals * _HOUR])
