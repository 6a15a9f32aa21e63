"""Problems: one course of equations as arrays, the same for every kernel."""

import math
from enum import IntEnum
from numbers import Integral, Real
from typing import Any, NamedTuple

from pkmodels.errors import InputError, check_kind


class Problem(NamedTuple):
    """What happens to dy/dt = f(y, c), as arrays; any may have leading batch axes.

    At the start of segment i, y becomes keep[i] * y + added[i], from y = 0 before the
    first; then dy/dt = f(y, constants[i]) until the start of the next segment. The last
    one has no end. Segments without length are allowed.

    Attributes
    ----------
    constants : (n_segments, n_constants) array
        c in each segment.
    boundaries_h : (n_segments,) array
        Start of each, h, not decreasing.
    keep : (n_segments, n_states) array
        1 where what is there stays, 0 where it is replaced.
    added : (n_segments, n_states) array
        What is added.
    scales : (n_states,) array
        Size of each state, > 0, that its absolute tolerance is a part of.
    times_h : (n_times,) array
        When the states are wanted, h, not decreasing within a segment.
    places : (n_times,) array of int64
        The segment that each belongs to, not decreasing. A time at the end of a segment
        that belongs to it gives the state before the jump there.
    """

    constants: Any
    boundaries_h: Any
    keep: Any
    added: Any
    scales: Any
    times_h: Any
    places: Any


class Tangents(NamedTuple):
    """Derivatives of a `Problem` in some directions, before the axes of its own.

    Attributes
    ----------
    constants : (n_directions, n_segments, n_constants) array
    boundaries_h : (n_directions, n_segments) array
    added : (n_directions, n_segments, n_states) array
    """

    constants: Any
    boundaries_h: Any
    added: Any


class Controls(NamedTuple):
    """What a solve is allowed.

    Attributes
    ----------
    relative : float
        Tolerance of the error of a step, relative to each state; of a sensitivity,
        a hundred times as much, and none where its own slope has a kink or no end.
    absolute : float
        The same relative to the scale of each state.
    most_steps : int
        Steps, rejected ones included, in a whole solve.
    negative : float
        How far below 0, relative to its scale, a state may fall at the end of a step.
    """

    relative: float = 1e-7
    absolute: float = 1e-13
    most_steps: int = 100_000
    negative: float = 1e-5


def check_controls(controls: Controls) -> None:
    """Refuse tolerances and limits that no solve can keep.

    Parameters
    ----------
    controls : Controls
        The controls.

    Raises
    ------
    InputError
        When one is out of its range.

    Examples
    --------
    >>> check_controls(Controls(relative=0.0))
    Traceback (most recent call last):
    pkmodels.errors.InputError: controls: relative is 0.0; it must be from 1e-14 to 0.1
    """
    check_kind("controls", controls, Controls, "write Controls(relative=1e-8)")
    for name, least, most in (
        ("relative", 1e-14, 0.1),
        ("absolute", 0.0, 0.1),
        ("most_steps", 1, 2**31 - 1),
        ("negative", 0.0, math.inf),
    ):
        value = getattr(controls, name)
        kind = Integral if name == "most_steps" else Real
        check_kind(f"controls: {name}", value, kind, "give a number")
        if not least <= value <= most:
            raise InputError(
                f"controls: {name} is {value}; it must be from {least:g} to {most:g}"
            )


class Outcome(IntEnum):
    """How a solve ended."""

    SOLVED = 0
    STEP_LIMIT = 1
    NOT_FINITE = 2
    NEGATIVE = 3
    STEP_TOO_SMALL = 4


class Solution(NamedTuple):
    """What a kernel gives.

    Attributes
    ----------
    states : (n_times, n_states) array
        NaN where the solve did not get to.
    sensitivities : (n_directions, n_times, n_states) array
        Derivatives of the states in the directions of `Tangents`, at fixed times.
    report : (3,) array
        The `Outcome`, the time reached (h), and how many steps were tried.
    """

    states: Any
    sensitivities: Any
    report: Any
