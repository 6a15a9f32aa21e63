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
from pkmodels.fitting.posterior import Posterior, measured_data
from pkmodels.fitting.repeated_tempering import PARTICLES, draw_tempered
from pkmodels.fitting.sampling import CHAINS, Draws, Progress
from pkmodels.fitting.targets import Target, target_of
from pkmodels.saturable import SaturableSystem

# Of more unknowns than so many, mixtures are refused more often than not
# (benchmarks/certificate.py), and what was spent on them is lost.
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
    if not isinstance(posterior.experiments[0].compiled, SaturableSystem):
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
        A quarter of the draws wanted.
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
    found = draw_certified(target, data, seed=seed, n_draws=wanted, progress=progress)
    certificate = found.certificate
    mean, tail = float(found.mean_sizes.min()), float(found.tail_sizes.min())
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
    drawn = _as_draws(density, tempered.draws)
    # Copies of a particle move apart, but not all the way.
    size = PARTICLES / 4.0
    return FastDraws(drawn, Weights(size, size, None, tempered.reasons), told)


@lru_cache(maxsize=4)
def _target(density: Density) -> Target:
    return target_of(density)


@lru_cache(maxsize=4)
def _constrain(density: Density) -> Callable:
    return jax.jit(jax.vmap(density.constrain))


def _as_draws(density: Density, x: np.ndarray) -> Draws:
    """Return independent draws as chains; those that are left over are dropped."""
    count = len(x) // CHAINS
    x = x[: CHAINS * count]
    values = _constrain(density)(x)
    return Draws(
        variables={
            name: np.asarray(value).reshape(CHAINS, count, *np.shape(value)[1:])
            for name, value in zip(density.names, values, strict=True)
        },
        unconstrained=x.reshape(CHAINS, count, -1),
        diverging=np.zeros((CHAINS, count), dtype=bool),
        target_acceptance=float("nan"),
    )
