"""Boundaries: all times at which something jumps, in order, and readings among them."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pkmodels.courses import Course
from pkmodels.deliveries import Deliveries, slack
from pkmodels.inflows import slack_h
from pkmodels.system import System


class Order(NamedTuple):
    """All boundaries in order, and the number of each event's.

    Attributes
    ----------
    boundaries_h : (n_boundaries,) array
        Times, h, not decreasing, from 0 on.
    resets : (n_resets,) array of int64
        The boundary of each reset.
    starts, ends : (n_stretches,) arrays of int64
        That of the start and the end of each stretch of time in which something
        arrives; without ends where the system has no infusions.
    window_starts, window_ends : (n_windows,) arrays of int64
        Those of the windows; 0, and n_boundaries, where one has no start or no end.
    sound : scalar of bool
        Whether the times of resets and windows are finite, and those of resets >= 0.
    """

    boundaries_h: Any
    resets: Any
    starts: Any
    ends: Any
    window_starts: Any
    window_ends: Any
    sound: Any


def order_of(system: System, course: Course, deliveries: Deliveries) -> Order:
    """Return the boundaries of a course: 0, and one for every event.

    Of those at one time, resets and ends precede starts; times that differ by rounding
    become one time, at which each boundary keeps its own derivative.

    Parameters
    ----------
    system : System
        The system.
    course : Course
        What is done.
    deliveries : Deliveries
        What of it arrives when.

    Returns
    -------
    Order

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.administrations import Administration
    >>> from pkmodels.courses import course_of
    >>> from pkmodels.deliveries import deliveries_of
    >>> from pkmodels.schedule import Schedule
    >>> from pkmodels.system import assemble
    >>> schedule = Schedule((Administration(1.0, 0.5, "x", ligand_nmol=10.0),))
    >>> system = assemble(organ_exchange.model(("kidney",)), schedule.form)
    >>> course = course_of(system, schedule)
    >>> order = order_of(system, course, deliveries_of(system, jnp.ones(3), course))
    >>> print(order.boundaries_h, order.starts, order.ends)
    [0.  1.  1.5] [1] [2]
    """
    begun = np.flatnonzero([w.begins for w in course.form.windows])
    ended = np.flatnonzero([w.ends for w in course.form.windows])
    resets = jnp.asarray(course.reset_h)
    window_ends = jnp.asarray(course.window_end_h)[ended]
    window_starts = jnp.asarray(course.window_start_h)[begun]
    edges = jnp.concatenate([window_ends, window_starts])
    ends = deliveries.end_h[deliveries.first]
    events = (
        jnp.zeros(1),
        _from_0(resets),
        _from_0(window_ends),
        ends if system.has_infusions else ends[:0],
        _from_0(window_starts),
        deliveries.start_h[deliveries.first],
    )
    times = jnp.concatenate(events)
    count = len(times)
    sequence = jnp.argsort(jax.lax.stop_gradient(times), stable=True)
    places = jnp.zeros(count, jnp.int64).at[sequence].set(jnp.arange(count))
    splits = np.cumsum([len(event) for event in events])[:-1]
    _, at_resets, at_window_ends, at_ends, at_window_starts, at_starts = jnp.split(
        places, splits
    )
    windows = len(course.form.windows)
    return Order(
        boundaries_h=_merged(times[sequence]),
        resets=at_resets,
        starts=at_starts,
        ends=at_ends,
        window_starts=jnp.zeros(windows, jnp.int64).at[begun].set(at_window_starts),
        window_ends=jnp.full(windows, count).at[ended].set(at_window_ends),
        sound=jnp.all(jnp.isfinite(resets) & (resets >= 0.0))
        & jnp.all(jnp.isfinite(edges)),
    )


def _from_0(times: Any) -> Any:
    return jnp.where(jnp.isfinite(times) & (times > 0.0), times, 0.0)


def _merged(times: Any) -> Any:
    """Return times in order, where those equal but for rounding are the first of them.

    Each keeps its own derivative.
    """
    values = jax.lax.stop_gradient(times)
    is_new = jnp.append(True, jnp.diff(values) > slack(values[1:]))
    merged = jax.lax.cummax(jnp.where(is_new, values, 0.0))
    return merged + (times - values)


def placed_readings(
    library: Any, boundaries: Any, times: Any, before: Any
) -> tuple[Any, Any, Any]:
    """Return readings in the order that kernels need, and the segment of each.

    A reading at a boundary but for rounding is at it, and after what happens there.

    Parameters
    ----------
    library : module
        jax.numpy or numpy.
    boundaries : (n_segments,) array
        Start of each segment, h, not decreasing from 0.
    times : (n_times,) array
        Readings, h, >= 0, in any order.
    before : (n_times,) array of bool
        Where a reading at a boundary is before all that happens there.

    Returns
    -------
    times : (n_times,) array
        Sorted by segment, then by time, h.
    places : (n_times,) array of int64
        The segment of each.
    rows : (n_times,) array of int64
        The row of those that each of the readings given is.

    Examples
    --------
    >>> boundaries, times = np.array([0.0, 1.0, 1.0]), np.array([1.0, 0.5, 1.0])
    >>> placed_readings(np, boundaries, times, np.array([False, False, True]))
    (array([0.5, 1. , 1. ]), array([0, 0, 2]), array([2, 0, 1]))
    """
    distance = slack_h(1.0) * library.maximum(library.abs(times), 1.0)
    is_begun = boundaries[None, :] <= (times + distance)[:, None]
    last = library.sum(is_begun, axis=1) - 1
    anchor = boundaries[last]
    is_early = before & (library.abs(times - anchor) <= distance)
    first = library.sum(boundaries[None, :] < anchor[:, None], axis=1)
    place = library.where(is_early, library.maximum(first - 1, 0), last)
    time = library.where(is_early, anchor, library.maximum(times, anchor))
    sequence = library.lexsort((time, place))
    return time[sequence], place[sequence], library.argsort(sequence)
