"""Tempering: particles carried from the prior to the posterior by degrees."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import logsumexp

from pkmodels.errors import SolveError
from pkmodels.fitting.importance import resample
from pkmodels.fitting.mixtures import EDGE, Mixture, draw, fit_mixture, log_density

# Effective share of the particles that a step to the next temperature may leave.
_SHARE = 0.5
# Share of the prior's draws at the first step, from which fewer particles are taken.
_FIRST_SHARE = 0.25
_MOST_STEPS = 200
# Length of a difference, 2.38 / sqrt(2 n) (ter Braak 2006), and the least part of it.
_LENGTH, _SHORTEST = 2.38, 0.3
# Degrees of freedom, and parts, of the mixture by which a particle moves to anywhere.
_FREEDOM, _PARTS = 5.0, 4
# One step in so many goes the whole way between two particles: to another mode.
_WHOLE_WAY = 0.1
_JITTER = 1e-3

# Returns (log_prior, log_density) of many vectors.
Evaluate = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, eq=False)
class Particles:
    """Equally weighted draws of prior times likelihood to a power.

    Parameters
    ----------
    x : (m, n) array
        Places, unconstrained.
    log_prior, log_density : (m,) array
        ln of the prior, and of prior times likelihood.
    power : float
        Of the likelihood, 0 to 1.
    log_evidence : float
        ln of the mean over the prior of the likelihood to that power.
    """

    x: np.ndarray
    log_prior: np.ndarray
    log_density: np.ndarray
    power: float
    log_evidence: float

    @property
    def log_likelihood(self) -> np.ndarray:
        """Return the ln of the likelihood, (m,)."""
        return self.log_density - self.log_prior


def temper(
    evaluate: Evaluate,
    prior: Particles,
    *,
    count: int,
    moves: int,
    seed: list[int],
) -> Particles:
    """Carry draws of the prior to the posterior (sequential Monte Carlo).

    Each step raises the power of the likelihood until the effective share of the
    particles is a half, resamples, and moves every particle several times: anywhere
    under a mixture of t fitted to the particles, and by differences of two of them.
    Each half is moved by what the other half knows, so that the moves are exact.

    Parameters
    ----------
    evaluate : callable
        Returns (log_prior, log_density) of many vectors.
    prior : Particles
        Draws of the prior, more than `count`.
    count : int
        Particles, even.
    moves : int
        Of each particle at each power, even; twice as many at the last.
    seed : list of int
        Repeats a run exactly.

    Returns
    -------
    Particles
        Of power 1.

    Raises
    ------
    SolveError
        When the posterior is 0 at all draws of the prior, or is not reached.

    References
    ----------
    Del Moral et al., J R Statist Soc B 2006;68:411; ter Braak, Statistics and Computing
    2006;16:239 (differences of particles).

    Examples
    --------
    >>> def evaluate(x):  # prior N(0, 1), one measurement 1.0 with sd 0.1
    ...     prior = -0.5 * x[:, 0] ** 2
    ...     return prior, prior - 50.0 * (x[:, 0] - 1.0) ** 2
    >>> x = np.random.default_rng(0).standard_normal((4096, 1))
    >>> found = temper(evaluate, Particles(x, *evaluate(x), 0.0, 0.0), count=1024,
    ...     moves=4, seed=[1])
    >>> abs(found.x.mean() - 1 / 1.01) < 0.02, abs(found.x.std() - 0.0995) < 0.01
    (np.True_, np.True_)
    """
    generator = np.random.default_rng(seed)
    if not np.isfinite(prior.log_density).any():
        raise SolveError(
            f"the posterior is finite at none of {len(prior.x)} draws of the prior: "
            "look at the priors of the rates"
        )
    now, share = prior, _FIRST_SHARE
    for step in range(_MOST_STEPS):
        power = _next_power(now, share)
        gain = (power - now.power) * now.log_likelihood
        log_total: Any = logsumexp(gain)
        total = float(log_total)
        places = resample(np.exp(gain - total), count, [*seed, step])
        now = Particles(
            now.x[places],
            now.log_prior[places],
            now.log_density[places],
            power,
            now.log_evidence + total - float(np.log(len(gain))),
        )
        last = power == 1.0
        wanted = 2 * moves if last else moves
        now = _moved(evaluate, now, wanted, generator, [*seed, step, 1])
        if last:
            return now
        share = _SHARE
    raise SolveError(
        f"the likelihood reached only the power {now.power:.3g} in {_MOST_STEPS} "
        "steps: look for a noise level or a unit that is far off"
    )


def effective_share(log_weights: np.ndarray) -> float:
    """Return the effective share of weighted draws, (sum w)^2 / (m sum w^2).

    Parameters
    ----------
    log_weights : (m,) array
        ln w up to a constant.

    Returns
    -------
    float

    Examples
    --------
    >>> round(effective_share(np.log([1.0, 1.0, 1e-9, 1e-9])), 3)
    0.5
    """
    top = np.max(log_weights)
    if not np.isfinite(top):
        return 0.0
    weights = np.exp(log_weights - top)
    return float(weights.sum() ** 2 / (weights.size * (weights**2).sum()))


def power_of_share(log_likelihood: np.ndarray, share: float) -> float:
    """Return the power of the likelihood, at most 1, that leaves an effective share.

    Parameters
    ----------
    log_likelihood : (m,) array
        Of equally weighted draws.
    share : float
        In (0, 1).

    Returns
    -------
    float

    Examples
    --------
    >>> log_likelihood = np.array([0.0, -10.0])
    >>> power = power_of_share(log_likelihood, 0.8)
    >>> round(effective_share(power * log_likelihood), 3)
    0.8
    """
    if effective_share(log_likelihood) >= share:
        return 1.0
    # Draws that cannot be solved have no weight at any power above 0.
    solved = log_likelihood[np.isfinite(log_likelihood)]
    share = min(share * log_likelihood.size / solved.size, 0.999)

    def excess(log_power: float) -> float:
        return effective_share(np.exp(log_power) * solved) - share

    least = -100.0
    if excess(least) <= 0.0 or excess(0.0) >= 0.0:
        return 1.0
    root: Any = brentq(excess, least, 0.0, xtol=1e-3)
    return float(np.exp(root))


def _next_power(now: Particles, share: float) -> float:
    rest = 1.0 - now.power
    step = power_of_share(rest * now.log_likelihood, share)
    return 1.0 if step >= 1.0 else now.power + rest * step


def _moved(
    evaluate: Evaluate,
    now: Particles,
    moves: int,
    generator: np.random.Generator,
    seed: list[int],
) -> Particles:
    """Return particles after some moves, every other one to anywhere."""
    halves = np.array_split(generator.permutation(len(now.x)), 2)
    fits = [fit_mixture(now.x[half], _PARTS, _FREEDOM, seed) for half in halves]
    for move in range(moves):
        for own, other, fitted in zip(halves, halves[::-1], fits[::-1], strict=True):
            if move % 2 == 0:
                x, odds = _anywhere(now.x[own], fitted, generator)
            else:
                x, odds = _differences(now.x[own], now.x[other], generator)
            now = _taken(evaluate, now, own, x, odds, generator)
    return now


def _taken(
    evaluate: Evaluate,
    now: Particles,
    own: np.ndarray,
    x: np.ndarray,
    odds: np.ndarray,
    generator: np.random.Generator,
) -> Particles:
    """Return particles after some were moved, by Metropolis and Hastings' rule."""
    log_prior, density = evaluate(x)
    old = now.log_prior[own] + now.power * now.log_likelihood[own]
    with np.errstate(invalid="ignore"):
        new = log_prior + now.power * (density - log_prior)
    taken = np.log(generator.random(len(own))) < new - old + odds
    arrays = [a.copy() for a in (now.x, now.log_prior, now.log_density)]
    for array, moved in zip(arrays, (x, log_prior, density), strict=True):
        array[own[taken]] = moved[taken]
    places, log_prior, density = arrays
    return replace(now, x=places, log_prior=log_prior, log_density=density)


def _anywhere(
    own: np.ndarray, fitted: Mixture, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return draws of a mixture, and their odds."""
    uniforms = generator.uniform(EDGE, 1.0 - EDGE, (len(own), own.shape[1] + 2))
    x = draw(fitted, uniforms)
    return x, log_density(fitted, own) - log_density(fitted, x)


def _differences(
    own: np.ndarray, others: np.ndarray, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return particles moved by differences of two of the others, and even odds."""
    count, size = own.shape
    first = generator.integers(len(others), size=count)
    second = (first + generator.integers(1, len(others), size=count)) % len(others)
    lengths = generator.uniform(_SHORTEST, 1.0, (count, 1))
    shortened = _LENGTH / np.sqrt(2.0 * size) * lengths
    whole = generator.random((count, 1)) < _WHOLE_WAY
    spread = others.std(axis=0) * _JITTER
    steps = np.where(whole, 1.0, shortened) * (others[first] - others[second])
    steps += spread * generator.standard_normal((count, size))
    return own + steps, np.zeros(count)
