"""Sampled arterial curves: how tissue answers them, and how they drive a model.

Between samples a curve c is linear, before the first and at it 0. Then, of an
exponential response exp(-r t) to it, both

    E(t) = int c(w) exp(-r (t - w)) dw   and   F(t) = int_(w < t) E(w) dw

are exact: over a step d with x = r d, from the samples c0 and c1 at its ends,

    E1 = exp(-x) E0 + d (c0 p1 + (c1 - c0) p2)
    F1 = F0 + d E0 p1 + d^2 (c0 p2 + (c1 - c0) p3)

with p_n(x) = sum_k (-x)^k / (k + n)!, of which p1 = (1 - exp(-x)) / x. F gives the mean
over a frame of a scan. A rate 0 is one like any other (irreversible trapping).

A compiled model takes inputs that are constant in windows of time. `windows` gives
those of how fast the curve rises and falls, so that an amount of each, integrated by
the model, differ by the curve itself: no interpolation error is added.
"""

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from pkmodels.errors import InputError
from pkmodels.schedule import Window

PLASMA_RISE, PLASMA_FALL = "plasma_rise", "plasma_fall"
BLOOD_RISE, BLOOD_FALL = "blood_rise", "blood_fall"

# Below it the series of p_n; above it the quotients, which lose one digit at most.
_SERIES_BELOW = 0.5
_SERIES_TERMS = 16


@dataclass(frozen=True, eq=False)
class ArterialInput:
    """Arterial curves of one scan, corrected for decay as the scan itself is.

    Parameters
    ----------
    times_h : (n_samples,) array
        Times, h, increasing, two at least.
    plasma : (n_samples,) array
        Parent tracer in arterial plasma, corrected for metabolites: nmol/L, or any
        unit of concentration, kBq/mL, that the scan has too; >= 0, the first one 0.
    blood : (n_samples,) array
        All activity in arterial whole blood, in the same unit; >= 0, the first one 0.

    Raises
    ------
    InputError
        When the lengths differ, times do not increase, or a value is out of its range.
    """

    times_h: np.ndarray
    plasma: np.ndarray
    blood: np.ndarray

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("times_h", "plasma", "blood"):
            values = np.asarray(getattr(self, name), float)
            object.__setattr__(self, name, values)
            if values.ndim != 1 or values.shape != np.shape(self.times_h):
                raise InputError(
                    f"arterial input: {name} has the shape {values.shape} and times_h "
                    f"{np.shape(self.times_h)}: give one value for each time"
                )
        if self.times_h.size < 2 or not (np.diff(self.times_h) > 0.0).all():
            raise InputError(
                "arterial input: times_h must increase, from two samples on; sort them "
                "and keep one of each time"
            )
        for name in ("plasma", "blood"):
            values = getattr(self, name)
            wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0.0)))
            if wrong.size:
                raise InputError(
                    f"arterial input: {name} is {values[wrong[0]]:g} at "
                    f"{self.times_h[wrong[0]]:g} h; it must be >= 0: cut noise below 0"
                )
            if values[0] != 0.0:
                raise InputError(
                    f"arterial input: {name} starts with {values[0]:g}, not 0: put the "
                    "time before the tracer arrives in front"
                )


def delayed(arterial: ArterialInput, delay_h: float) -> ArterialInput:
    """Return the curves as they reach a tissue later than the place of sampling.

    Parameters
    ----------
    arterial : ArterialInput
        The curves as sampled.
    delay_h : float
        How much later, h; below 0 where the tissue is reached earlier.

    Returns
    -------
    ArterialInput

    Examples
    --------
    >>> curve = ArterialInput([0.0, 0.01], [0.0, 5.0], [0.0, 4.0])
    >>> delayed(curve, 0.5).times_h.tolist()
    [0.5, 0.51]
    """
    return replace(arterial, times_h=arterial.times_h + delay_h)


def convolve(
    times_h: np.ndarray, curve: np.ndarray, rate_per_h: float, at_h: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return E and F of the module: a curve convolved with exp(-r t), and its integral.

    Parameters
    ----------
    times_h, curve : (n_samples,) array
        Samples, joined by lines; 0 before the first, which is 0.
    rate_per_h : float
        r, 1/h, >= 0.
    at_h : (n_times,) array
        Times wanted, h, in any order, not after the last sample.

    Returns
    -------
    (n_times,) array, (n_times,) array
        E, in the curve's unit times h, and F, times h^2.

    Raises
    ------
    InputError
        When the rate is negative or not finite, or a time is after the last sample.

    Examples
    --------
    >>> ramp = np.array([0.0, 2.0])  # c = t, so that E = t^2 / 2 and F = t^3 / 6
    >>> e, f = convolve(ramp, ramp, 0.0, np.array([1.0, 2.0]))
    >>> print(e, f.round(4))
    [0.5 2. ] [0.1667 1.3333]
    """
    if not (math.isfinite(rate_per_h) and rate_per_h >= 0.0):
        raise InputError(f"a rate of {rate_per_h} 1/h: it must be finite and >= 0")
    wanted = np.asarray(at_h, float)
    if wanted.size and wanted.max() > times_h[-1]:
        raise InputError(
            f"the scan lasts until {wanted.max():g} h, but the last arterial sample is "
            f"at {times_h[-1]:g} h: add later samples, or leave out later frames"
        )
    grid = np.union1d(times_h, wanted[wanted > times_h[0]])
    values = np.interp(grid, times_h, curve)
    steps = np.diff(grid)
    p1, p2, p3 = _series(rate_per_h * steps)
    kept = np.exp(-rate_per_h * steps)
    change = np.diff(values)
    gained = steps * (values[:-1] * p1 + change * p2)
    area = steps**2 * (values[:-1] * p2 + change * p3)
    e, f = [0.0], [0.0]
    lines = (kept, gained, steps * p1, area)
    for keep, gain, weight, own in zip(*(x.tolist() for x in lines), strict=True):
        f.append(f[-1] + weight * e[-1] + own)
        e.append(keep * e[-1] + gain)
    place = np.searchsorted(grid, np.maximum(wanted, grid[0]))
    return np.array(e)[place], np.array(f)[place]


def integrals(times_h: np.ndarray, curve: np.ndarray, at_h: np.ndarray) -> np.ndarray:
    """Return the integral of a curve from its first sample to some times.

    Parameters
    ----------
    times_h, curve, at_h
        As for `convolve`.

    Returns
    -------
    (n_times,) array

    Raises
    ------
    InputError
        When a time is after the last sample.

    Examples
    --------
    >>> ramp = np.array([0.0, 2.0])
    >>> integrals(ramp, ramp, np.array([1.0])).tolist()
    [0.5]
    """
    return convolve(times_h, curve, 0.0, at_h)[0]


def windows(arterial: ArterialInput) -> tuple[Window, ...]:
    """Return the inputs of a model that integrates the curves' rise and fall.

    Parameters
    ----------
    arterial : ArterialInput
        The curves, from 0 h or later on.

    Returns
    -------
    tuple of Window
        Of the inputs ``plasma_rise``, ``plasma_fall``, ``blood_rise`` and
        ``blood_fall``, in the curve's unit per h, each constant between two samples.

    Raises
    ------
    InputError
        When it starts before 0 h.

    Examples
    --------
    >>> curve = ArterialInput([0.0, 0.5, 1.0], [0.0, 4.0, 1.0], [0.0, 2.0, 2.0])
    >>> for window in windows(curve):
    ...     print(window.name, window.start_h, window.end_h, window.value)
    plasma_rise 0.0 0.5 8.0
    plasma_fall 0.5 1.0 6.0
    blood_rise 0.0 0.5 4.0
    """
    if arterial.times_h[0] < 0.0:
        raise InputError(
            f"arterial input: it starts at {arterial.times_h[0]:g} h, and a schedule "
            "at 0 h: give scan and samples later times"
        )
    found = []
    for curve, rise, fall in (
        (arterial.plasma, PLASMA_RISE, PLASMA_FALL),
        (arterial.blood, BLOOD_RISE, BLOOD_FALL),
    ):
        slopes = np.diff(curve) / np.diff(arterial.times_h)
        edges = pairwise(arterial.times_h.tolist())
        for (start, end), slope in zip(edges, slopes.tolist(), strict=True):
            if slope != 0.0:
                name = rise if slope > 0.0 else fall
                found.append(Window(name, start, end, abs(slope)))
    return tuple(found)


def _series(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return p_1, p_2 and p_3 of numbers >= 0."""
    small = x < _SERIES_BELOW
    near = np.where(small, x, 0.0)
    far = np.where(small, 1.0, x)
    found = []
    quotient = np.exp(-far)
    for n in (1, 2, 3):
        quotient = (1.0 / math.factorial(n - 1) - quotient) / far
        powers = ((-near) ** k / math.factorial(k + n) for k in range(_SERIES_TERMS))
        found.append(np.where(small, sum(powers), quotient))
    return found[0], found[1], found[2]
