"""Paths to a posterior: certified importance sampling, tempered runs, or NUTS."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import jax
import numpy as np

from pkmodels.fitting.certificate import SEVERAL_MODES
from pkmodels.fitting.checks import Weights
from pkmodels.fitting.densities import Density
from pkmodels.fitting.fast_path import draw_certified
from pkmodels.fitting.posterior import (
    EXPECTED,
    Posterior,
    measured_data,
    parameter_draws,
)
from pkmodels.fitting.repeated_tempering import PARTICLES, draw_tempered
from pkmodels.fitting.sampling import CHAINS, Draws, Progress
from pkmodels.fitting.targets import BATCH, Target, target_of

# As many are resampled at least: they cost little, and copies cost effective size.
LEAST_DRAWS = 8000
# The certificate was counted up to so many (benchmarks/certificate.py); patients of 15
# were refused, and what was spent on them is lost.
MOST_UNKNOWNS = 12


class Path(StrEnum):
    """How a posterior is drawn from."""

    AUTO = "auto"  # fast where that is likely to be accepted, else NUTS
    FAST = "fast"
    NUTS = "nuts"


@dataclass(frozen=True)
class FastDraws:
    """What the fast path gives.

    Parameters
    ----------
    draws : Draws or None
        None where it was refused, and NUTS is to go on.
    weights : Weights
        Their effective sizes, and why they may not be reported.
    told : str
        What was done and why, in words.
    """

    draws: Draws | None
    weights: Weights
    told: str


def choose_path(posterior: Posterior, size: int, path: Path) -> tuple[Path, str]:
    """Return which path is tried first, and why.

    Parameters
    ----------
    posterior : Posterior
        What is to be fitted.
    size : int
        Its unknowns.
    path : Path
        What was asked for.

    Returns
    -------
    path : Path
        FAST or NUTS.
    why : str

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> choose_path(worked_example.posterior(), 2, Path.AUTO)[1]
    'NUTS: nothing saturates, so that chains are quick in coordinates of their own'
    """
    if path is not Path.AUTO:
        return path, f"{_NAMES[path]}: asked for"
    if not posterior.saturates:
        return Path.NUTS, (
            "NUTS: nothing saturates, so that chains are quick in coordinates of their "
            "own"
        )
    if size > MOST_UNKNOWNS:
        return Path.NUTS, (
            f"NUTS: {size} unknowns, more than the {MOST_UNKNOWNS} up to which the "
            "fast path is tried"
        )
    return Path.FAST, f"{_NAMES[Path.FAST]}: {size} unknowns, each solve dear"


_NAMES = {Path.FAST: "certified importance sampling", Path.NUTS: "NUTS"}


def draw_fast(
    density: Density,
    posterior: Posterior,
    *,
    seed: int,
    draws_per_chain: int,
    progress: Progress | None = None,
) -> FastDraws:
    """Draw by certified importance sampling, or by tempered runs where it says so.

    Parameters
    ----------
    density : Density
        Of the posterior's model.
    posterior : Posterior
        What is fitted.
    seed : int
        Repeats the draws exactly, >= 0.
    draws_per_chain : int
        A quarter of the draws wanted; of importance draws `LEAST_DRAWS` at least.
    progress : callable, optional
        Called with (steps done, steps in all).

    Returns
    -------
    FastDraws

    Raises
    ------
    SolveError
        When the posterior is 0 wherever the prior was drawn.
    """
    target, data = _target(density), measured_data(posterior)
    wanted = CHAINS * draws_per_chain
    found = draw_certified(
        target,
        data,
        seed=seed,
        n_draws=max(wanted, CHAINS * -(-LEAST_DRAWS // CHAINS)),
        derived=derived_of(density, posterior),
        progress=progress,
    )
    certificate, count = found.certificate, len(found.draws)
    mean = resampled_size(float(found.mean_sizes.min()), count)
    tail = resampled_size(float(found.tail_sizes.min()), count)
    if certificate.accepted:
        drawn = _as_draws(density, found.draws)
        told = f"{_NAMES[Path.FAST]}: every part of its certificate holds"
        return FastDraws(drawn, Weights(mean, tail, found.weighted.k_hat), told)
    refused = f"the certificate was refused ({'; '.join(certificate.reasons)})"
    if certificate.fallback != SEVERAL_MODES:
        return FastDraws(None, Weights(mean, tail, None), f"NUTS: {refused}")
    most = min(wanted, 2 * PARTICLES)
    tempered = draw_tempered(
        target, data, seed=seed, n_draws=most, modes=found.modes, progress=progress
    )
    told = f"two tempered runs: {refused}"
    drawn, count = _as_draws(density, tempered.draws), len(tempered.draws)
    mean = resampled_size(tempered.mean_size, count)
    tail = resampled_size(tempered.tail_size, count)
    return FastDraws(drawn, Weights(mean, tail, None, tempered.reasons), told)


def resampled_size(size: float, n_draws: int) -> float:
    """Return how many independent draws resampled draws are worth.

    1 / (1 / size + 1 / n_draws): the variances of weighting and of resampling add. For
    systematic resampling the second is an upper bound, so that the size is a lower one.

    Parameters
    ----------
    size : float
        Effective size of the weighted draws, for a mean or for a tail's probability.
    n_draws : int
        How many were resampled, > 0.

    Returns
    -------
    float

    References
    ----------
    Owen, Monte Carlo theory, methods and examples, 2013, section 9.3.

    Examples
    --------
    >>> resampled_size(8000.0, 8000)
    4000.0
    """
    return 1.0 / (1.0 / size + 1.0 / n_draws) if size > 0.0 else 0.0


def derived_of(
    density: Density, posterior: Posterior
) -> Callable[[np.ndarray], np.ndarray]:
    """Return what gives the quantities that results are made of, at draws.

    ln of every parameter of every experiment and of the expected value of every row;
    the quantity itself where it is not positive at every draw. What is the same at
    every draw is left out.

    Parameters
    ----------
    density : Density
        Of the posterior's model.
    posterior : Posterior
        What is fitted.

    Returns
    -------
    callable
        ``derived(x) -> (m, k)`` of (m, n) unconstrained draws.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> from pkmodels.fitting.densities import compile_density
    >>> from pkmodels.fitting.posterior import build_model
    >>> example = worked_example.posterior()
    >>> derived = derived_of(compile_density(build_model(example)), example)
    >>> x = np.log([[60.0, 0.05], [30.0, 0.05]])
    >>> derived(x).shape, derived(x)[:, 0].round(3).tolist()  # ln h, 3 rows
    ((2, 4), [4.094, 3.401])
    """

    def derived(x: np.ndarray) -> np.ndarray:
        if not len(x):
            return np.empty((0, 0))
        draws = _as_chains(density, x, 1)
        columns = [
            parameter_draws(posterior, draws, e.name) for e in posterior.experiments
        ]
        columns.append(draws.variables[EXPECTED][0])
        every = np.concatenate(columns, axis=1)
        # What is no number is kept, and refused.
        every = every[:, ~(np.ptp(every, axis=0) == 0.0)]
        positive = (every > 0.0).all(axis=0)
        return np.where(positive, np.log(np.where(positive, every, 1.0)), every)

    return derived


@lru_cache(maxsize=4)
def _target(density: Density) -> Target:
    return target_of(density)


@lru_cache(maxsize=4)
def _constrain(density: Density) -> Callable:
    return jax.jit(jax.vmap(density.constrain))


def _as_draws(density: Density, x: np.ndarray) -> Draws:
    """Return independent draws as chains; those that are left over are dropped."""
    return _as_chains(density, x[: len(x) // CHAINS * CHAINS], CHAINS)


def _as_chains(density: Density, x: np.ndarray, chains: int) -> Draws:
    """Return draws as chains, constrained in batches of one size."""
    rows, count = len(x), len(x) // chains
    padded = np.concatenate([x, np.repeat(x[-1:], -rows % BATCH, axis=0)])
    constrain = _constrain(density)
    parts = [constrain(padded[at : at + BATCH]) for at in range(0, len(padded), BATCH)]
    values = [np.concatenate(of)[:rows] for of in zip(*parts, strict=True)]
    return Draws(
        variables={
            name: value.reshape(chains, count, *value.shape[1:])
            for name, value in zip(density.names, values, strict=True)
        },
        unconstrained=x.reshape(chains, count, -1),
        diverging=np.zeros((chains, count), dtype=bool),
        target_acceptance=float("nan"),
    )
