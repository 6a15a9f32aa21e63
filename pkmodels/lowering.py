"""Lowering: a course on a system as the arrays of a kernel's problem, traceable."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pkmodels.boundaries import Order, order_of, placed_readings
from pkmodels.courses import Course
from pkmodels.deliveries import Deliveries, decay_of, deliveries_of, start_of
from pkmodels.errors import InputError
from pkmodels.kernels.equations import Layout
from pkmodels.kernels.problem import Problem
from pkmodels.kernels.reference import check_times
from pkmodels.system import System
from pkmodels.timeline import Timeline

# What a rate, or a time integral, is measured against: the size of its state and 1 h.
_HOUR = 1.0


def lower_course(
    system: System,
    layout: Layout,
    parameters: Any,
    course: Course,
    times_h: Any,
    before: Any = None,
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
    parameters = jnp.asarray(parameters, jnp.float64)
    times = jnp.asarray(times_h, jnp.float64)
    _check_shapes(system, parameters, course, times, before)
    start = start_of(system, parameters, course)
    deliveries = deliveries_of(system, parameters, course)
    order = order_of(system, course, deliveries)
    known = jnp.isfinite(times) & (times >= 0.0)
    sound = deliveries.sound & order.sound & jnp.all(known)
    rates, syringes = _running(layout, deliveries, order)
    start_or_nan = jnp.where(sound, start, jnp.nan)
    keep, added = _jumps(layout, start_or_nan, deliveries, order, syringes)
    readings = jnp.where(known, times, 0.0)
    fixed = jax.lax.stop_gradient(readings)
    early = jnp.zeros(times.shape, bool) if before is None else jnp.asarray(before)
    boundaries = jax.lax.stop_gradient(order.boundaries_h)
    placed, places, rows = placed_readings(jnp, boundaries, fixed, early)
    problem = Problem(
        constants=_constants(system, layout, parameters, course, order, rates),
        boundaries_h=order.boundaries_h,
        keep=keep,
        added=added,
        scales=_scales(system, layout, start, deliveries),
        times_h=placed + jnp.zeros_like(placed).at[rows].set(readings - fixed),
        places=places,
    )
    return problem, rows


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
    early = np.zeros(times.shape, np.bool_) if before is None else np.asarray(before)
    placed, places, rows = placed_readings(np, boundaries, times, early)
    keep, added = _jumps_of(timeline, layout)
    problem = Problem(
        constants=_constants_of(timeline, layout),
        boundaries_h=boundaries,
        keep=keep,
        added=added,
        scales=_extended(np, layout, timeline.scales),
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


def _running(layout: Layout, deliveries: Deliveries, order: Order) -> tuple[Any, Any]:
    """Return the constant rates, and what syringes hold, from each boundary on."""
    boundaries, count = order.boundaries_h, len(order.boundaries_h)
    if not layout.rates:
        return jnp.zeros((count, 0)), jnp.zeros((count, 0))
    number = jnp.arange(count)[None, :]
    starts, ends = (x[deliveries.stretch] for x in (order.starts, order.ends))
    running = (starts[:, None] <= number) & (number < ends[:, None])
    falls = deliveries.falls[:, None]
    rate, decay = deliveries.rate[:, None], deliveries.decay_per_h[:, None]
    elapsed = boundaries[None, :] - deliveries.start_h[:, None]
    elapsed = jnp.where(running, elapsed, 0.0)
    left = jnp.where(running & falls, rate * jnp.exp(-decay * elapsed), 0.0)
    steady = jnp.where(running & ~falls, rate, 0.0)
    into = _columns(deliveries.state, [state for state, _ in layout.rates])
    from_syringe = _columns(deliveries.state, [state for state, *_ in layout.syringes])
    return steady.T @ into, left.T @ from_syringe


def _columns(states: np.ndarray, wanted: Any) -> np.ndarray:
    """Return 1 where an arrival is in a wanted state, one column each, else 0."""
    return (states[:, None] == np.array(wanted, np.int64)[None, :]).astype(np.float64)


def _jumps(
    layout: Layout, start: Any, deliveries: Deliveries, order: Order, syringes: Any
) -> tuple[Any, Any]:
    """Return what stays and what is added at each boundary."""
    count, states = len(order.boundaries_h), len(start)
    number = jnp.arange(count)[None, :]
    is_refilled = jnp.any(order.resets[:, None] == number, axis=0) | (number[0] == 0)
    lands = order.starts[deliveries.stretch][:, None] == number
    landed = jnp.where(lands, deliveries.at_once[:, None], 0.0)
    added = landed.T @ _columns(deliveries.state, range(states))
    added += jnp.where(is_refilled[:, None], start[None, :], 0.0)
    keep = jnp.where(is_refilled[:, None], 0.0, jnp.ones((count, states)))
    integrals = (count, 0 if layout.integrals is None else states)
    return (
        jnp.hstack([keep, jnp.zeros(syringes.shape), jnp.ones(integrals)]),
        jnp.hstack([added, syringes, jnp.zeros(integrals)]),
    )


def _constants(
    system: System,
    layout: Layout,
    parameters: Any,
    course: Course,
    order: Order,
    rates: Any,
) -> Any:
    count = len(order.boundaries_h)
    number = jnp.arange(count)
    inputs = [jnp.full(count, symbol.otherwise) for symbol in system.inputs]
    for row, window in enumerate(course.form.windows):
        is_on = order.window_starts[row] <= number
        is_on &= number < order.window_ends[row]
        value = jnp.asarray(course.window_value)[row]
        inputs[window.input] = jnp.where(is_on, value, inputs[window.input])
    falls = [decay_of(system, course, state) for state, *_ in layout.syringes]
    loss = [] if layout.loss is None else [jnp.asarray(course.loss_per_h)]

    def everywhere(values: Any) -> Any:
        return jnp.broadcast_to(values, (count, len(values)))

    columns = [
        everywhere(parameters),
        jnp.stack(inputs, axis=1) if inputs else jnp.zeros((count, 0)),
        everywhere(jnp.asarray(course.decay_constants)),
        everywhere(jnp.stack(loss) if loss else jnp.zeros(0)),
        rates,
        everywhere(jnp.stack(falls) if falls else jnp.zeros(0)),
    ]
    return jnp.hstack(columns)


def _scales(system: System, layout: Layout, start: Any, deliveries: Deliveries) -> Any:
    """Return the size of each state: what is given of its ligand or label in all."""
    names = [a.ligand for a in system.amounts] + [t.slot for t in system.tracers]
    kinds = list(dict.fromkeys(names))
    kind = np.array([kinds.index(name) for name in names], np.int64)
    totals = deliveries.given @ _columns(kind[deliveries.state], range(len(kinds)))
    totals = jnp.maximum(totals, jnp.zeros(len(kinds)).at[kind].max(start))
    largest = jnp.max(totals, initial=0.0)
    sizes = jnp.where(totals > 0.0, totals, jnp.where(largest > 0.0, largest, 1.0))
    return jax.lax.stop_gradient(_extended(jnp, layout, sizes[kind]))


def _extended(library: Any, layout: Layout, scales: Any) -> Any:
    """Return the scales of all states of equations, from those of the system's."""
    into = np.array([state for state, *_ in layout.syringes], np.int64)
    integrals = scales[:0] if layout.integrals is None else scales
    return library.concatenate([scales, scales[into] / _HOUR, integrals * _HOUR])
