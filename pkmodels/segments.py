"""Segments: stretches of time in which nothing jumps, as arrays."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pkmodels.administrations import Administration
from pkmodels.errors import InputError
from pkmodels.inflows import Inflow, slack_h


@dataclass(frozen=True, eq=False)
class Segments:
    """Stretches of time in which nothing jumps, one to a row.

    What happens at the start of each, in this order: a reset, what a steady state
    puts there (`Timeline.steady`), what is added. Then, t hours after its start, the
    inflow is ``rates + syringe_rates * exp(-syringe_decay_per_h * t)``.

    Parameters
    ----------
    boundaries_h : (n_segments,) array
        Start of each, h, increasing from 0.
    resets : (n_segments,) array of bool
        Whether every state goes back to its start.
    added : (n_segments, n_states) array
        What arrives at once, nmol or MBq.
    rates, syringe_rates : (n_segments, n_states) arrays
        What arrives at a constant rate, and at the start of the segment at a rate that
        falls, nmol/h or MBq/h.
    inputs : (n_segments, n_inputs) array
        Values of the system's inputs.
    """

    boundaries_h: np.ndarray
    resets: np.ndarray
    added: np.ndarray
    rates: np.ndarray
    syringe_rates: np.ndarray
    inputs: np.ndarray


@dataclass(frozen=True, eq=False)
class SteadyDose:
    """A dose that has been repeated for ever, as one interval of the repetition.

    Parameters
    ----------
    given : Administration
        The last dose.
    boundary : int
        The segment at whose start the state becomes the periodic one.
    adds : bool
        Whether the periodic state is added to what is there.
    interval_h : float
        Length of the interval, h.
    segments : Segments
        The interval.
    """

    given: Administration
    boundary: int
    adds: bool
    interval_h: float
    segments: Segments


def filled_segments(
    n_states: int,
    times_h: np.ndarray,
    resets: np.ndarray,
    inflows: Iterable[Inflow],
    inputs: Iterable[np.ndarray],
) -> Segments:
    """Return segments with what flows in during each.

    Parameters
    ----------
    n_states : int
        Number of states.
    times_h : (n_segments,) array
        Start of each segment, h; among them every time at which an inflow begins or
        ends.
    resets : (n_segments,) array of bool
        Whether each begins with a reset.
    inflows : iterable of Inflow
        What flows in.
    inputs : iterable of (n_segments,) array
        Value of each input in each segment.

    Returns
    -------
    Segments

    Raises
    ------
    InputError
        When an inflow lies in none of the segments.

    Examples
    --------
    >>> times, none = np.array([0.0, 1.0]), np.zeros(2, dtype=np.bool_)
    >>> infusion = Inflow(0, 0.0, 1.0, 5.0, 0.0)
    >>> filled_segments(1, times, none, [infusion], []).rates.tolist()
    [[5.0], [0.0]]
    """
    shape = (len(times_h), n_states)
    added, rates, syringe_rates = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for inflow in inflows:
        rows = _rows(times_h, inflow)
        if inflow.start_h == inflow.end_h:
            added[rows.start, inflow.state] += inflow.value
            continue
        into = syringe_rates if inflow.decay_per_h > 0.0 else rates
        end = times_h[rows.stop] if rows.stop < len(times_h) else inflow.end_h
        # Its edges may have been taken for others within the slack of their times.
        part = (inflow.end_h - inflow.start_h) / (end - times_h[rows.start])
        for row in rows:
            into[row, inflow.state] += part * inflow.value_at(float(times_h[row]))
    columns = np.array(list(inputs)).reshape(-1, len(times_h)).T
    return Segments(times_h, resets, added, rates, syringe_rates, columns)


def _rows(times_h: np.ndarray, inflow: Inflow) -> range:
    """Return the segments that an inflow lies in, as `distinct_times` splits time."""
    first = int(np.searchsorted(times_h, inflow.start_h, side="right")) - 1
    is_inside = inflow.end_h - times_h > slack_h(inflow.end_h)
    last = first if inflow.start_h == inflow.end_h else int(is_inside.sum()) - 1
    if not 0 <= first <= last:
        raise InputError(
            f"the inflow of {inflow.value:g} from {inflow.start_h!r} to "
            f"{inflow.end_h!r} h lies in no segment: give the times at which it begins "
            "and ends, and what is shorter than their rounding as a bolus"
        )
    return range(first, last + 1)


def distinct_times(times_h: Iterable[float], end_h: float = math.inf) -> np.ndarray:
    """Return 0 and the times between it and an end, in order, without near repeats.

    Parameters
    ----------
    times_h : iterable of float
        Times, h.
    end_h : float
        The end, h, > 0.

    Returns
    -------
    (n_times,) array

    Examples
    --------
    >>> distinct_times([0.3, -1.0, 0.1 + 0.2, 5.0], 5.0).tolist()
    [0.0, 0.3]
    """
    found = [0.0]
    for time in sorted(times_h):
        before_end = time < end_h and end_h - time > slack_h(time)
        if time - found[-1] > slack_h(time) and before_end:
            found.append(float(time))
    return np.array(found)


def segment_at(boundaries_h: np.ndarray, time_h: float) -> int:
    """Return the number of the segment that a time lies in, or begins.

    Parameters
    ----------
    boundaries_h : (n_segments,) array
        Start of each segment, h, increasing.
    time_h : float
        Time, h.

    Returns
    -------
    int

    Examples
    --------
    >>> segment_at(np.array([0.0, 0.3]), 0.1 + 0.2)
    1
    """
    after = np.searchsorted(boundaries_h, time_h + slack_h(time_h), side="right")
    return int(after) - 1
