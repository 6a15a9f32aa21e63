"""What follows a refused certificate of several modes: two large tempered runs.

Where they agree, their particles are the posterior; where they do not, the data do not
identify it, and that is said.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from pkmodels.fitting.certificate import NOT_IDENTIFIED
from pkmodels.fitting.fast_path import Progress
from pkmodels.fitting.importance import TAIL, resample
from pkmodels.fitting.modes import Mode
from pkmodels.fitting.targets import Target
from pkmodels.fitting.tempering import Particles, temper

PARTICLES, MOVES, PRIOR_DRAWS = 8192, 8, 32768
# Copies of a particle move apart, but not all the way.
MOST_SIZE = PARTICLES / 4.0
# Two runs agree where they differ by less than half of what counts as wrong in
# `benchmarks/certificate.py`: in sd, relative, in sd, and in nats.
AGREEMENT = {
    "means": 0.075,
    "sd": 0.10,
    "2.5 and 97.5 % quantiles": 0.25,
    "log evidence": 0.5,
}
# A mode of more than this share of the mass, by its curvature, must hold particles.
_LEAST_SHARE = 0.05
# Particles of a mode lie within so many standard deviations beyond the usual distance.
_WITHIN = 3.0


@dataclass(frozen=True, eq=False)
class TemperedDraws:
    """Draws of two tempered runs, and whether these agree.

    Parameters
    ----------
    draws : (n_draws, n) array
        Equally weighted, half of each run, unconstrained.
    differences : mapping of str to float
        The largest, by the names of `AGREEMENT`.
    reasons : tuple of str
        Why the draws may not be used; empty where they may.
    mean_size, tail_size : float
        Effective sizes of both runs together, from how far these differ; see
        `pooled_sizes`.
    """

    draws: np.ndarray
    differences: Mapping[str, float]
    reasons: tuple[str, ...]
    mean_size: float
    tail_size: float

    @property
    def identified(self) -> bool:
        """Whether the draws may be used."""
        return not self.reasons

    @property
    def fallback(self) -> str | None:
        """What is to be said where the draws may not be used."""
        return None if self.identified else NOT_IDENTIFIED


def draw_tempered(
    target: Target,
    data: Mapping[str, np.ndarray],
    *,
    seed: int,
    n_draws: int,
    modes: tuple[Mode, ...] = (),
    progress: Progress | None = None,
) -> TemperedDraws:
    """Draw from a posterior of several modes by two independent tempered runs.

    Parameters
    ----------
    target : Target
        The posterior.
    data : mapping of str to array
        Its data by name.
    seed : int
        Repeats both runs exactly, >= 0.
    n_draws : int
        Draws wanted, at most twice `PARTICLES`.
    modes : tuple of Mode
        Ends of optimizations; each that should hold mass must hold particles.
    progress : callable, optional
        Called with (runs done, runs in all).

    Returns
    -------
    TemperedDraws

    Raises
    ------
    SolveError
        As of `pkmodels.fitting.tempering.temper`.

    References
    ----------
    Del Moral et al., J R Statist Soc B 2006;68:411.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from pkmodels.fitting.targets import compile_target
    >>> normal = lambda x: -0.5 * (x**2).sum() - 0.5 * jnp.log(2.0 * jnp.pi)
    >>> two = lambda x: normal(x) - 50.0 * (jnp.abs(x[0]) - 1.0) ** 2  # near -1 and 1
    >>> prior = lambda m, seed, _: np.random.default_rng(seed).standard_normal((m, 1))
    >>> target = compile_target(two, normal, prior, 1)
    >>> found = draw_tempered(target, {}, seed=1, n_draws=4000)
    >>> found.identified, abs(round(float((found.draws > 0.0).mean()) - 0.5, 1))
    (True, 0.0)
    """
    given = target.data(data)
    runs: list[Particles] = []
    with threadpool_limits(limits=1, user_api="blas"):
        for number in (1, 2):
            evaluate = partial(_evaluate, target, given)
            x = target.draw_prior(PRIOR_DRAWS, 2 * seed + number, given)
            prior = Particles(x, *evaluate(x), 0.0, 0.0)
            runs.append(
                temper(
                    evaluate, prior, count=PARTICLES, moves=MOVES, seed=[seed, number]
                )
            )
            if progress is not None:
                progress(number, 2)
    differences = _differences(*runs)
    pooled = np.concatenate([run.x for run in runs])
    even = np.full(len(pooled), 1.0 / len(pooled))
    return TemperedDraws(
        pooled[resample(even, n_draws, [seed, 3])],
        differences,
        (*_disagreements(differences), *_empty_modes(modes, runs, pooled)),
        *pooled_sizes(runs[0].x, runs[1].x),
    )


def pooled_sizes(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Return how many independent draws two runs together are worth.

    Two means of n independent draws each differ by d, E(d^2) = 2 var / n, so that the
    2 n draws of both are worth 4 var / d^2; of the probabilities of tails likewise. The
    worst parameter and tail count, which errs towards too few, and no more than
    `MOST_SIZE`, since a small d may be chance.

    Parameters
    ----------
    first, second : (m, n) array
        Draws of each run.

    Returns
    -------
    mean_size, tail_size : float

    Examples
    --------
    >>> x = np.linspace(-1.0, 1.0, 2001)[:, None]
    >>> mean, tail = pooled_sizes(x, x + 0.1 * x.std())
    >>> round(mean), round(tail)  # 4 1.0025 / 0.1^2, 4 (0.025 0.975) / (57 / 2001)^2
    (401, 120)
    """
    both = np.concatenate([first, second])
    apart = np.abs(first.mean(axis=0) - second.mean(axis=0))
    in_sd = float(np.max(apart / np.maximum(both.std(axis=0), 1e-300)))
    cuts = np.quantile(both, [TAIL, 1.0 - TAIL], axis=0)
    tails = [
        np.concatenate([(x < cuts[0]).mean(axis=0), (x > cuts[1]).mean(axis=0)])
        for x in (first, second)
    ]
    in_tail = float(np.max(np.abs(tails[0] - tails[1]))) / np.sqrt(TAIL * (1.0 - TAIL))
    # A tenth of the least difference that counts: nothing divides by 0.
    least = 0.1 * 2.0 / np.sqrt(MOST_SIZE)
    mean, tail = (4.0 / max(d, least) ** 2 for d in (in_sd, in_tail))
    return min(mean, MOST_SIZE), min(tail, MOST_SIZE)


def _evaluate(
    target: Target, data: tuple[Any, ...], x: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    return target.values(x, data)


def _differences(first: Particles, second: Particles) -> dict[str, float]:
    both = np.concatenate([first.x, second.x])
    scale = np.maximum(both.std(axis=0), 1e-300)
    ends = [np.quantile(run.x, [0.025, 0.975], axis=0) for run in (first, second)]
    found = (
        np.abs(first.x.mean(axis=0) - second.x.mean(axis=0)) / scale,
        np.abs(first.x.std(axis=0) - second.x.std(axis=0)) / scale,
        np.abs(ends[0] - ends[1]) / scale,
        np.abs(first.log_evidence - second.log_evidence),
    )
    return {
        name: float(np.max(value)) for name, value in zip(AGREEMENT, found, strict=True)
    }


def _disagreements(differences: Mapping[str, float]) -> list[str]:
    return [
        f"two tempered runs differ by {value:.3g} in {name}, not below "
        f"{AGREEMENT[name]:g}: the data do not identify the parameters; add scans, or "
        "state a prior more tightly"
        for name, value in differences.items()
        if not value < AGREEMENT[name]
    ]


def _empty_modes(
    modes: tuple[Mode, ...], runs: list[Particles], pooled: np.ndarray
) -> list[str]:
    """Name the modes that should hold mass by their curvature and hold no particle."""
    evidence = max(run.log_evidence for run in runs)
    reasons = []
    for mode in modes:
        if mode.log_mass < evidence + np.log(_LEAST_SHARE):
            continue
        away = np.linalg.solve(mode.factor, (pooled - mode.x).T)
        farthest = np.sqrt(mode.x.size) + _WITHIN
        if not ((away**2).sum(axis=0) < farthest**2).any():
            reasons.append(
                f"an optimization ended at {np.round(mode.x, 3).tolist()} "
                "(unconstrained), where much mass should be and no particle is: state "
                "a prior that says which mode is meant"
            )
    return reasons
