"""Modes of a posterior: several optimizations, the distinct ends, and their widths."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from pkmodels.fitting.mixtures import Mixture

_MOST_STEPS = 150
# A step must gain this part of what its slope promises, else it is shortened.
_LEAST_GAIN, _SHORTENED = 1e-4, 0.3
# No step is longer, in scales; the first is of a tenth of a scale.
_LONGEST, _FIRST = 1.0, 0.1
# A climb has ended where its next step promises less than this, in nats.
_FLAT = 1e-3
# One whose steps have become so short, in its own length, has ended too.
_SHORTEST = 1e-5
# Ends within so many standard deviations of a mode, for each dimension, are that mode.
_SAME = 0.5
MOST_MODES = 6
# A mode whose mass is exp(-15) of the largest is left out: it would never be drawn.
_FAR_BELOW = 15.0
# Rounds of differences of gradients, at first in scales, then in the mode's own widths.
_ROUNDS = 3
_FIRST_STEP, _STEP = 0.01, 0.3
# A direction that is not curved, as on a ridge, is taken as so many scales wide.
_WIDEST = 2.0

Slopes = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, eq=False)
class Mode:
    """A local maximum of a log-density, with its curvature.

    Parameters
    ----------
    x : (n,) array
        Where it is.
    log_density : float
        There.
    factor : (n, n) array
        F with F F' the inverse of the curvature of the energy.
    """

    x: np.ndarray
    log_density: float
    factor: np.ndarray

    @property
    def log_mass(self) -> float:
        """Return the ln of the mass under the normal distribution of this curvature."""
        volume = np.linalg.slogdet(self.factor)[1]
        return float(self.log_density + volume + 0.5 * self.x.size * np.log(2 * np.pi))


def find_modes(
    slopes: Slopes, starts: np.ndarray, scales: np.ndarray
) -> tuple[Mode, ...]:
    """Return the distinct ends of several optimizations (BFGS), heaviest first.

    All go in step, since many gradients at once cost little more than one.

    Parameters
    ----------
    slopes : callable
        ``slopes(xs) -> ((m,), (m, n))``, log-densities and gradients.
    starts : (m, n) array
        Where they begin.
    scales : (n,) array
        About how wide each direction is, as the prior's sd.

    Returns
    -------
    tuple of Mode
        At most `MOST_MODES`; none where no optimization ended where it is finite.

    References
    ----------
    Nocedal and Wright, Numerical Optimization, 2006, equation 6.17 (BFGS).

    Examples
    --------
    >>> def slopes(x):  # two normals of sd 0.1 at -1 and 1
    ...     nearest = np.sign(x)
    ...     return -50.0 * ((x - nearest) ** 2).sum(axis=-1), -100.0 * (x - nearest)
    >>> found = find_modes(slopes, np.array([[-2.0], [3.0], [0.5]]), np.ones(1))
    >>> sorted((float(m.x[0].round(2)), float(m.factor[0, 0].round(2))) for m in found)
    [(-1.0, 0.1), (1.0, 0.1)]
    """

    ends = _climb(slopes, starts, scales)
    modes: list[Mode] = []
    for x, height in ends:
        if len(modes) == MOST_MODES:
            break
        if not any(_is_at(x, mode) for mode in modes):
            modes.append(Mode(x, height, _factor(slopes, x, scales)))
    modes.sort(key=lambda mode: -mode.log_mass)
    return tuple(m for m in modes if m.log_mass > modes[0].log_mass - _FAR_BELOW)


def laplace_mixture(
    modes: tuple[Mode, ...], *, freedom: float, width: float, least: float
) -> Mixture:
    """Return t distributions at all modes, widened.

    Parameters
    ----------
    modes : tuple of Mode
        At least one.
    freedom : float
        Degrees of freedom.
    width : float
        Scale, in the mode's own widths.
    least : float
        Weight that no mode falls below, before they are made to sum to 1.

    Returns
    -------
    Mixture

    Examples
    --------
    >>> modes = tuple(Mode(np.array([x]), 0.0, np.eye(1)) for x in (0.0, 9.0))
    >>> laplace_mixture(modes, freedom=5.0, width=1.3, least=0.1).weights
    array([0.5, 0.5])
    """
    masses = np.array([mode.log_mass for mode in modes])
    weights = np.maximum(np.exp(masses - logsumexp(masses)), least)
    return Mixture(
        weights / weights.sum(),
        np.stack([mode.x for mode in modes]),
        width * np.stack([mode.factor for mode in modes]),
        freedom,
    )


def _climb(
    slopes: Slopes, starts: np.ndarray, scales: np.ndarray
) -> list[tuple[np.ndarray, float]]:
    """Return where the climbs end and how high, the highest first."""
    x = starts / scales
    height, slope = _scaled(slopes, x, scales)
    count, size = x.shape
    inverse = np.repeat(np.eye(size)[None], count, axis=0)
    steepest = np.linalg.norm(slope, axis=1)[:, None, None]
    inverse *= _FIRST / np.maximum(steepest, _FIRST)
    length, climbing = np.ones(count), np.isfinite(height)
    for _ in range(_MOST_STEPS):
        step = (inverse @ slope[:, :, None])[:, :, 0]
        promised = (step * slope).sum(axis=1)
        climbing &= (promised > _FLAT) & (length > _SHORTEST)
        if not climbing.any():
            break
        longest = np.linalg.norm(step, axis=1)
        step *= (length * np.minimum(1.0, _LONGEST / np.maximum(longest, 1e-300)))[
            :, None
        ]
        new_height, new_slope = np.full(count, -np.inf), np.zeros_like(slope)
        new_height[climbing], new_slope[climbing] = _scaled(
            slopes, (x + step)[climbing], scales
        )
        least = height + _LEAST_GAIN * (step * slope).sum(axis=1)
        taken = climbing & (new_height >= least)
        inverse = np.where(
            taken[:, None, None], _updated(inverse, step, slope - new_slope), inverse
        )
        x = np.where(taken[:, None], x + step, x)
        height = np.where(taken, new_height, height)
        slope = np.where(taken[:, None], new_slope, slope)
        length = np.where(taken, 1.0, _SHORTENED * length)
    finite = np.flatnonzero(np.isfinite(height))
    order = finite[np.argsort(-height[finite])]
    return [(x[i] * scales, float(height[i])) for i in order]


def _scaled(
    slopes: Slopes, x: np.ndarray, scales: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return heights and slopes in scales; what is no number is infinitely low."""
    height, slope = slopes(x * scales)
    finite = np.isfinite(height) & np.isfinite(slope).all(axis=1)
    return (
        np.where(finite, height, -np.inf),
        np.where(finite[:, None], slope * scales, 0.0),
    )


def _updated(inverse: np.ndarray, step: np.ndarray, bent: np.ndarray) -> np.ndarray:
    """Return the inverse curvatures after steps that bent the slopes."""
    curvature = (step * bent).sum(axis=1)
    usable = curvature > 1e-10
    safe = np.where(usable, curvature, 1.0)[:, None, None]
    across = np.eye(step.shape[1]) - step[:, :, None] * bent[:, None, :] / safe
    along = step[:, :, None] * step[:, None, :] / safe
    found = across @ inverse @ across.transpose(0, 2, 1) + along
    return np.where(usable[:, None, None], found, inverse)


def _is_at(x: np.ndarray, mode: Mode) -> bool:
    away = np.linalg.solve(mode.factor, x - mode.x)
    return bool(away @ away < _SAME**2 * x.size)


def _factor(slopes: Slopes, x: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Return F with F F' the inverse curvature, by differences of gradients."""
    factor, step = np.diag(scales), _FIRST_STEP
    for _ in range(_ROUNDS):
        moves = step * factor.T
        gradients = slopes(np.concatenate([x + moves, x - moves]))[1]
        above, below = np.split(gradients, 2)
        curvature = -(above - below) @ factor / (2.0 * step)
        if not np.isfinite(curvature).all():
            return factor
        values, vectors = np.linalg.eigh((curvature + curvature.T) / 2.0)
        own = factor @ vectors
        # In scales, no direction is wider than the prior lets it be.
        flat = ((own / scales[:, None]) ** 2).sum(axis=0) / _WIDEST**2
        factor, step = own / np.sqrt(np.maximum(values, flat)), _STEP
    return factor
