"""Profiles: the best fit with one quantity held, wherever it is held.

With E(x) the energy (-ln of the likelihood, or of the posterior density) and q(x) a
parameter or anything that follows from the parameters,

    rise(c) = min { E(x) : q(x) = c } - min E(x).

Where it passes half the chi-square quantile on both sides, the data bound q; where it
never does, q is practically unidentifiable on that side, whatever a normal
approximation says. Each point is re-optimized by Gauss and Newton: x minimizes
E(x) + k (q(x) - c)^2 / 2, and then also minimizes E where q is what it is at x.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

# What stands for the energy of what cannot be solved; an optimizer turns back there.
FAILED = 1e10


@dataclass(frozen=True, eq=False)
class Objective:
    """What is minimized.

    Parameters
    ----------
    slope : callable
        ``slope(x) -> (E, (n,) gradient)``; `FAILED` and zeros where x cannot be solved.
    curvature : callable
        ``curvature(x) -> (n, n)``, of Gauss and Newton.
    starts : (m, n) array
        Where optimizations begin.
    scale : (n,) array
        About how wide each direction is, > 0.
    words : str
        What E is made of, as "the likelihood".
    """

    slope: Callable[[np.ndarray], tuple[float, np.ndarray]]
    curvature: Callable[[np.ndarray], np.ndarray]
    starts: np.ndarray
    scale: np.ndarray
    words: str


@dataclass(frozen=True, eq=False)
class Target:
    """What is held.

    Parameters
    ----------
    name, unit : str
        What it is.
    at : callable
        ``at(x) -> (q, (n,) gradient)``, q on a scale without bounds, as ln.
    shown : callable
        ``shown(q) -> float``, increasing: the number in `unit`.
    reach : float
        How far from the estimate q is held at most, > 0, as ln 1000.
    """

    name: str
    unit: str
    at: Callable[[np.ndarray], tuple[float, np.ndarray]]
    shown: Callable[[float], float]
    reach: float


class End(StrEnum):
    """How a profile ends on one side."""

    CLOSED = "closed"  # it passes the threshold
    OPEN = "open"  # it does not, as far as it was followed
    UNSOLVED = "unsolved"  # the model cannot be solved, or fitted, further out
    AGAIN = "again"  # it passes the threshold, and comes below it again further out


@dataclass(frozen=True)
class Side:
    """One side of a profile.

    Parameters
    ----------
    end : End
        How it ends.
    bound : float or None
        Where it passes the threshold for good, in the target's unit; None where it
        does not.
    reached : float
        How far it was followed, in the target's unit; where it comes below again.
    rise : float
        The highest rise on this side.
    unseen : float or None
        Beyond the threshold, where the model could no longer be solved: whether values
        further out fit as well is not known. None where all was looked at.
    """

    end: End
    bound: float | None
    reached: float
    rise: float
    unseen: float | None = None


@dataclass(frozen=True, eq=False)
class Profile:
    """The profile of one quantity.

    Parameters
    ----------
    name, unit, of : str
        The quantity, and what was profiled: "the likelihood".
    level : float
        Of the interval, in (0, 1).
    threshold : float
        How far E may rise within the interval: half the chi-square quantile of one
        degree of freedom, 1.92 of 0.95, or what `profile` was given.
    estimate : float
        At the optimum.
    values, rises : (m,) arrays
        Where it was held, ascending, in `unit`; and how much E rises.
    points : (m, n) array
        The best fit at each.
    lower, upper : Side
        Its two sides.
    """

    name: str
    unit: str
    of: str
    level: float
    threshold: float
    estimate: float
    values: np.ndarray
    rises: np.ndarray
    points: np.ndarray
    lower: Side
    upper: Side

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """The bounds; None on a side that is not closed."""
        return self.lower.bound, self.upper.bound

    @property
    def identifiable(self) -> bool:
        """Whether it is bounded on both sides."""
        return self.lower.end is End.CLOSED and self.upper.end is End.CLOSED

    def describe(self) -> str:
        """Return the profile in a sentence."""
        return _describe(self)


def _describe(found: Profile) -> str:
    unit = f" {found.unit}" if found.unit else ""
    words = [
        f"{found.name}: {found.estimate:.4g}{unit}",
        *(
            _side_in_words(name, side, found, unit)
            for name, side in (("below", found.lower), ("above", found.upper))
        ),
    ]
    if found.identifiable:
        low, high = found.interval
        words[1:] = [f"{100.0 * found.level:g} % within {low:.4g} to {high:.4g}{unit}"]
        words += [
            f"nothing is known beyond {side.unseen:.4g}{unit}, where the model could "
            "not be solved"
            for side in (found.lower, found.upper)
            if side.unseen is not None
        ]
    return f"{', '.join(words)} (profile of {found.of})"


def _side_in_words(name: str, side: Side, found: Profile, unit: str) -> str:
    if side.end is End.CLOSED:
        return f"bounded {name} by {side.bound:.4g}{unit}"
    if side.end is End.UNSOLVED:
        return (
            f"unknown {name}: the model could not be fitted beyond "
            f"{side.reached:.4g}{unit}, where the misfit rises by {side.rise:.2g}"
        )
    if side.end is End.AGAIN:
        return (
            f"not bounded {name}: about {side.reached:.4g}{unit} fits as well again, "
            "beyond worse values"
        )
    return (
        f"not bounded {name}: as far as {side.reached:.4g}{unit} the misfit rises by "
        f"{side.rise:.2g} only, of {found.threshold:.3g} that would tell"
    )
