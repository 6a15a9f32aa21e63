"""Boundaries: all times at which something jumps, in order, and readings among them."""

from typing import Any, NamedTuple

import jax
import numpy as np

from pkmodels.courses import Course
from pkmodels.deliveries import Deliveries, is_sound, slack, with_library
from pkmodels.system import System

# As many are sorted faster by comparing each with each, all in one loop.
_FEW = 64


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
    >>> from pkmodels.deliveries import deliveries_of, routes_of
    >>> from pkmodels.schedule import Schedule
    >>> from pkmodels.system import assemble
    >>> schedule = Schedule((Administration(1.0, 0.5, "x", ligand_nmol=10.0),))
    >>> system = assemble(organ_exchange.model(("kidney",)), schedule.form)
    >>> course = course_of(system, schedule)
    >>> routes = routes_of(system, np.ones(3))
    >>> order = order_of(system, course, deliveries_of(system, routes, course))
    >>> print(order.boundaries_h, order.starts, order.ends)
    [0.  1.  1.5] [1] [2]
    """
    library, course, deliveries = with_library(course, deliveries)
    begun = [n for n, w in enumerate(course.form.windows) if w.begins]
    ended = [n for n, w in enumerate(course.form.windows) if w.ends]
    resets, first = course.reset_h, np.array(deliveries.first, np.int64)
    window_starts = course.window_start_h[np.array(begun, np.int64)]
    window_ends = course.window_end_h[np.array(ended, np.int64)]
    ends = deliveries.end_h[first]
    events = (
        np.zeros(1),
        _from_0(library, resets),
        _from_0(library, window_ends),
        ends if system.has_infusions else ends[:0],
        _from_0(library, window_starts),
        deliveries.start_h[first],
    )
    times = library.concatenate(events)
    count = len(times)
    places = _ranks(library, _fixed(library, times))
    splits = np.cumsum([len(event) for event in events])[:-1].tolist()
    _, at_resets, at_window_ends, at_ends, at_window_starts, at_starts = library.split(
        places, splits
    )
    edges = library.concatenate([window_starts, window_ends])
    windows = range(len(course.form.windows))
    return Order(
        boundaries_h=_merged(library, _ordered(library, places, times)),
        resets=at_resets,
        starts=at_starts,
        ends=at_ends,
        window_starts=_spread(library, at_window_starts, begun, windows, 0),
        window_ends=_spread(library, at_window_ends, ended, windows, count),
        sound=library.all(is_sound(resets)) & library.all(library.isfinite(edges)),
    )


def _fixed(library: Any, values: Any) -> Any:
    """Return values without derivatives."""
    return values if library is np else jax.lax.stop_gradient(values)


def _from_0(library: Any, times: Any) -> Any:
    return library.where(library.isfinite(times) & (times > 0.0), times, 0.0)


def _spread(
    library: Any, places: Any, numbers: list[int], of_all: range, otherwise: int
) -> Any:
    """Return the place of each of all, where only those of some numbers are known."""
    table = library.append(places, np.array([otherwise]))
    rows = [numbers.index(n) if n in numbers else len(numbers) for n in of_all]
    return table[np.array(rows, np.int64)]


def _merged(library: Any, times: Any) -> Any:
    """Return times in order, where those equal but for rounding are the first of them.

    Each keeps its own derivative.
    """
    values = _fixed(library, times)
    is_new = library.append(np.array([True]), library.diff(values) > slack(values[1:]))
    starts = library.where(is_new, values, 0.0)
    up_to = np.tri(len(times), dtype=bool)
    merged = library.max(library.where(up_to, starts[None, :], 0.0), axis=1)
    return merged + (times - values)


def placed_readings(
    boundaries: Any, times: Any, before: Any, in_order: bool = False
) -> tuple[Any, Any, Any]:
    """Return readings in the order that kernels need, and the segment of each.

    A reading at a boundary but for rounding is at it, and after what happens there.

    Parameters
    ----------
    boundaries : (n_segments,) array
        Start of each segment, h, not decreasing from 0.
    times : (n_times,) array
        Readings, h, >= 0, in any order.
    before : (n_times,) array of bool or None
        Where a reading at a boundary is before all that happens there.
    in_order : bool
        Whether the times do not decrease, and none is before what happens.

    Returns
    -------
    times : (n_times,) array
        Sorted by segment, then by time, h; their derivatives are those given.
    places : (n_times,) array of int64
        The segment of each.
    rows : (n_times,) array of int64
        The row of those that each of the readings given is.

    Examples
    --------
    >>> boundaries, times = np.array([0.0, 1.0, 1.0]), np.array([1.0, 0.5, 1.0])
    >>> placed_readings(boundaries, times, np.array([False, False, True]))
    (array([0.5, 1. , 1. ]), array([0, 0, 2]), array([2, 0, 1]))
    """
    library, boundaries, given, before = with_library(boundaries, times, before)
    boundaries, times = _fixed(library, boundaries), _fixed(library, given)
    distance = slack(times)
    is_begun = boundaries[None, :] <= (times + distance)[:, None]
    place = library.sum(is_begun, axis=1) - 1
    anchor = library.max(library.where(is_begun, boundaries[None, :], 0.0), axis=1)
    time = library.maximum(times, anchor)
    if in_order:
        return time + (given - times), place, library.arange(len(times))
    if before is not None:
        is_early = before & (library.abs(times - anchor) <= distance)
        first = library.sum(boundaries[None, :] < anchor[:, None], axis=1)
        place = library.where(is_early, library.maximum(first - 1, 0), place)
        time = library.where(is_early, anchor, time)
    rows = _ranks(library, place, time)
    time = time + (given - times)
    return _ordered(library, rows, time), _ordered(library, rows, place), rows


def _ranks(library: Any, *keys: Any) -> Any:
    """Return the place of each entry in order, by the first key, then by the next."""
    count = len(keys[0])
    if library is np or count > _FEW:
        return library.argsort(library.lexsort(keys[::-1]))
    number = library.arange(count)
    precedes = number[None, :] < number[:, None]
    for key in reversed(keys):
        mine, yours = key[:, None], key[None, :]
        precedes = (yours < mine) | ((yours == mine) & precedes)
    return library.sum(precedes, axis=1)


def _ordered(library: Any, ranks: Any, values: Any) -> Any:
    """Return values in the order of their ranks, which are all different."""
    count = len(ranks)
    if library is np or count > _FEW:
        return values[library.argsort(ranks)]
    is_here = ranks[None, :] == library.arange(count)[:, None]
    none = library.zeros((), values.dtype)
    return library.sum(library.where(is_here, values[None, :], none), axis=1)
