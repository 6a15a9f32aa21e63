"""Trajectories: how far a posterior can be walked over in coordinates of its own."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# In the posterior's own widths: a step of 0.8 n^(-1/4) keeps the energy of a normal
# distribution within a few tenths (Neal, Handbook of Markov Chain Monte Carlo, 2011,
# section 5.4.4), and this length carries most of the way across.
_STEP, _LENGTH = 0.8, 1.6


@dataclass(frozen=True, eq=False)
class Trajectories:
    """Hamiltonian trajectories of several chains.

    Parameters
    ----------
    ends : (n_trajectories, n_chains, n) array
        Where each trajectory ended, accepted or not.
    log_density : (n_trajectories, n_chains) array
        There; -inf where it could not be solved.
    energy_errors : (n_trajectories, n_chains) array
        How much the total energy rose; inf where it is not finite.
    """

    ends: np.ndarray
    log_density: np.ndarray
    energy_errors: np.ndarray


def follow(
    slopes: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    starts: np.ndarray,
    factor: np.ndarray,
    *,
    count: int,
    seed: list[int],
) -> Trajectories:
    """Follow chains of Hamiltonian trajectories, by leapfrog steps of one size.

    Parameters
    ----------
    slopes : callable
        ``slopes(xs) -> ((m,), (m, n))``, log-densities and gradients.
    starts : (n_chains, n) array
        Draws of the posterior, as they are thought to be.
    factor : (n, n) array
        F with F F' their covariance: the metric.
    count : int
        Trajectories of each chain.
    seed : list of int
        Repeats them.

    Returns
    -------
    Trajectories

    References
    ----------
    Neal, Handbook of Markov Chain Monte Carlo, 2011, chapter 5.

    Examples
    --------
    >>> slopes = lambda x: (-0.5 * (x**2).sum(axis=1), -x)
    >>> starts = np.random.default_rng(0).standard_normal((16, 4))
    >>> found = follow(slopes, starts, np.eye(4), count=25, seed=[1])
    >>> found.ends.shape, found.energy_errors.max() < 1.5
    ((25, 16, 4), np.True_)
    """
    generator = np.random.default_rng(seed)
    n_chains, size = starts.shape
    step = _STEP * size**-0.25
    leaps = max(2, round(_LENGTH / step))
    z = np.zeros((n_chains, size))
    density, gradient = slopes(starts)
    now = (z, density, gradient @ factor)
    ends, densities, errors = [], [], []
    for _ in range(count):
        momentum = generator.standard_normal((n_chains, size))
        length = step * generator.uniform(0.8, 1.2)
        then, moved = now, momentum
        # Where a trajectory ran away, numbers end: such a rise is counted as infinite.
        with np.errstate(invalid="ignore", over="ignore"):
            for _ in range(leaps):
                moved = moved + 0.5 * length * then[2]
                position = then[0] + length * moved
                density, gradient = slopes(starts + position @ factor.T)
                then = (position, density, gradient @ factor)
                moved = moved + 0.5 * length * then[2]
            rise = 0.5 * ((moved**2).sum(axis=1) - (momentum**2).sum(axis=1))
            rise = rise - (then[1] - now[1])
        finite = np.isfinite(rise) & np.isfinite(then[0]).all(axis=1)
        rise = np.where(finite, rise, np.inf)
        ends.append(np.where(finite[:, None], starts + then[0] @ factor.T, starts))
        densities.append(np.where(finite, then[1], -np.inf))
        errors.append(rise)
        taken = -np.log(generator.random(n_chains)) > rise
        now = (
            np.where(taken[:, None], then[0], now[0]),
            np.where(taken, then[1], now[1]),
            np.where(taken[:, None], then[2], now[2]),
        )
    return Trajectories(np.stack(ends), np.stack(densities), np.stack(errors))
