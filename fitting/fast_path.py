"""The fast path: a posterior by certified importance sampling, without a long chain.

Optimizations and tempered particles show where the posterior is; mixtures of t are
fitted to it in three stages, and their draws weighted. `certificate` says whether the
result may be used.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.special import logsumexp
from threadpoolctl import threadpool_limits

from pkmodels.errors import SolveError
from pkmodels.fitting.certificate import Certificate, Evidence, certify
from pkmodels.fitting.importance import (
    WeightedSample,
    k_hat_of,
    mean_sizes,
    resample,
    tail_sizes,
    variance_errors,
    weigh,
)
from pkmodels.fitting.mixtures import Mixture, draw, fit_mixture, log_density, sobol
from pkmodels.fitting.modes import Mode, find_modes, laplace_mixture
from pkmodels.fitting.targets import SLOPES, Target
from pkmodels.fitting.tempering import Particles, power_of_share, temper
from pkmodels.fitting.trajectories import follow

PRIOR_DRAWS = 4096
PARTICLES, MOVES = 1024, 4
STARTS = 64
# Of which so many start at draws of the tempered prior; one at its mean, the others at
# draws of the prior.
_TEMPERED_STARTS, _TEMPERED_SHARE = 16, 0.05
# Three stages of 2^12, 2^13 and 2^14 draws, of mixtures of so many components.
STAGES = ((12, 6), (13, 12), (14, 20))
FREEDOM = 5.0
# Of each stage's mixture: t distributions at all modes, widened.
_LAPLACE_SHARES, _LAPLACE_WIDTH, _LEAST_MODE = (0.3, 0.1, 0.05), 1.3, 0.1
# Points that a mixture is fitted to; no more than so many copies of an effective draw.
_FITTED, _COPIES = 3072, 4.0
TRAJECTORIES = 25
# Trajectories that rise by less are places where the posterior has mass.
_REACHED = 3.0
# A peak of less than exp(-6) of the mass of the largest is no mode of its own.
_HEAVY = 6.0

Derived = Callable[[np.ndarray], np.ndarray]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class CertifiedDraws:
    """Draws of a posterior, with the certificate that says whether to use them.

    Parameters
    ----------
    draws : (n_draws, n) array
        Equally weighted draws, unconstrained; resampled from `weighted`.
    weighted : WeightedSample
        All draws with their weights.
    mean_sizes, tail_sizes : (n + k,) array
        Effective sizes for the means and for the tails of p = 0.025, of every parameter
        and derived quantity.
    particles : Particles
        Of the tempering.
    modes : tuple of Mode
        Distinct ends of the optimizations.
    certificate : Certificate
        Whether the draws may be used.
    """

    draws: np.ndarray
    weighted: WeightedSample
    mean_sizes: np.ndarray
    tail_sizes: np.ndarray
    particles: Particles
    modes: tuple[Mode, ...]
    certificate: Certificate


def draw_certified(
    target: Target,
    data: Mapping[str, np.ndarray],
    *,
    seed: int,
    n_draws: int,
    derived: Derived | None = None,
    progress: Progress | None = None,
) -> CertifiedDraws:
    """Draw from a posterior by importance sampling, and certify the draws.

    Parameters
    ----------
    target : Target
        The posterior, from `pkmodels.fitting.targets.target_of`.
    data : mapping of str to array
        Its data by name.
    seed : int
        Repeats a run exactly, >= 0.
    n_draws : int
        Equally weighted draws wanted.
    derived : callable, optional
        ``derived(x) -> (m, k)``, what is reported, of (m, n) unconstrained draws: the
        certificate covers it too.
    progress : callable, optional
        Called with (steps done, steps in all).

    Returns
    -------
    CertifiedDraws
        Refused where ``certificate.accepted`` is false: then do what
        ``certificate.fallback`` says.

    Raises
    ------
    SolveError
        When the posterior is 0 wherever the prior was drawn.

    References
    ----------
    Cappe et al., Statistics and Computing 2008;18:447 (mixtures fitted in stages);
    Owen and Zhou, J Am Statist Assoc 2000;95:135 (all stages' draws weighted by their
    common mixture, with the prior as a part that is always there); Vehtari et al.,
    J Machine Learning Research 2024;25(72) (Pareto smoothing).

    Examples
    --------
    >>> from pkmodels.fitting.targets import compile_target
    >>> normal = lambda x: -0.5 * (x**2).sum() - 0.5 * np.log(2.0 * np.pi)
    >>> posterior = lambda x: normal(x) - 0.5 * ((x[0] - 1.0) / 0.1) ** 2
    >>> prior = lambda m, seed, _: np.random.default_rng(seed).standard_normal((m, 1))
    >>> target = compile_target(posterior, normal, prior, 1)
    >>> found = draw_certified(target, {}, seed=1, n_draws=4000)
    >>> found.certificate.accepted, round(float(found.draws.mean()), 2)
    (True, 0.99)
    """
    # Threads that wait for each other on matrices this small only take time.
    with threadpool_limits(limits=1, user_api="blas"):
        return _draw(target, data, seed, n_draws, derived, progress)


def _draw(
    target: Target,
    data: Mapping[str, np.ndarray],
    seed: int,
    n_draws: int,
    derived: Derived | None,
    progress: Progress | None,
) -> CertifiedDraws:
    given = target.data(data)
    evaluate = partial(_evaluate, target, given)
    done = partial(_report, progress)
    x = target.draw_prior(PRIOR_DRAWS, seed, given)
    prior = Particles(x, *evaluate(x), 0.0, 0.0)
    modes = _modes(target, given, prior, seed)
    done(1)
    particles = temper(evaluate, prior, count=PARTICLES, moves=MOVES, seed=[seed, 1])
    done(2)
    weighted, proposal = _stages(evaluate, prior, particles, modes, seed)
    done(3)
    quantities = _quantities(weighted.x, derived)
    tails = tail_sizes(weighted, quantities)
    evidence = Evidence(
        k_hat=weighted.k_hat,
        moment_k_hats=np.array([k_hat_of(weighted, q) for q in quantities.T]),
        tail_sizes=tails,
        variance_errors=variance_errors(weighted, quantities),
        log_weights=weighted.log_ratios,
        n_draws=weighted.n_draws,
        particle_log_weights=_log_weights(
            particles.x, particles.log_density, evaluate, proposal
        ),
        particle_log_evidence=particles.log_evidence,
        log_evidence=weighted.log_evidence,
        mode_log_weights=_mode_weights(modes, evaluate, proposal),
        modes=_heavy(modes),
        **_walked(target, given, weighted, evaluate, proposal, seed),
    )
    done(4)
    places = resample(weighted.weights, n_draws, [seed, 5])
    return CertifiedDraws(
        draws=weighted.x[places],
        weighted=weighted,
        mean_sizes=mean_sizes(weighted, quantities),
        tail_sizes=tails,
        particles=particles,
        modes=modes,
        certificate=certify(evidence),
    )


def _report(progress: Progress | None, done: int) -> None:
    if progress is not None:
        progress(done, 4)


def _evaluate(
    target: Target, data: tuple[Any, ...], x: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    return target.values(x, data)


def _modes(
    target: Target, data: tuple, prior: Particles, seed: int
) -> tuple[Mode, ...]:
    """Return the modes reached from the prior: its mean, its best draws, any draws."""
    generator = np.random.default_rng([seed, 2])
    finite = np.flatnonzero(np.isfinite(prior.log_density))
    if not finite.size:
        raise SolveError(
            f"the posterior is finite at none of {len(prior.x)} draws of the prior: "
            "look at the priors of the rates"
        )
    likelihood = prior.log_likelihood[finite]
    power = power_of_share(likelihood, _TEMPERED_SHARE)
    total: Any = logsumexp(power * likelihood)
    weights = np.exp(power * likelihood - total)
    near = resample(weights, _TEMPERED_STARTS, [seed, 3])
    anywhere = generator.choice(finite.size, STARTS - 1 - _TEMPERED_STARTS)
    chosen = prior.x[finite[np.concatenate([near, anywhere])]]
    starts = np.concatenate([prior.x.mean(axis=0)[None], chosen])
    return find_modes(
        lambda x: target.slopes(x, data),
        starts,
        prior.x.std(axis=0),
    )


def _stages(
    evaluate: Callable, prior: Particles, particles: Particles, modes, seed: int
) -> tuple[WeightedSample, Callable[[np.ndarray, np.ndarray], np.ndarray]]:
    """Return all weighted draws, and ln of the density that they were drawn from.

    Every draw is weighted by the mixture of the prior and all stages, each with its
    share of the draws.
    """
    x = [prior.x]
    densities = [prior.log_density]
    priors = [prior.log_prior]
    mixtures: list[Mixture] = []
    counts = [len(prior.x)]

    def proposal(places: np.ndarray, log_prior: np.ndarray) -> np.ndarray:
        shares = np.log(np.array(counts) / sum(counts))
        terms = [log_prior, *(log_density(m, places) for m in mixtures)]
        total: Any = logsumexp(np.stack(terms) + shares[:, None], axis=0)
        return total

    weighted = None
    for stage, (log2_count, components) in enumerate(STAGES):
        known = _known(weighted, particles, [seed, 10 + stage])
        fitted = fit_mixture(known, components, FREEDOM, [seed, 20 + stage])
        mixtures.append(_with_modes(fitted, modes, _LAPLACE_SHARES[stage]))
        uniforms = sobol(log2_count, prior.x.shape[1] + 2, [seed, 30 + stage])
        x.append(draw(mixtures[-1], uniforms))
        log_prior, density = evaluate(x[-1])
        counts.append(len(x[-1]))
        priors.append(log_prior)
        densities.append(density)
        places = np.concatenate(x)
        weighted = weigh(
            places,
            np.concatenate(densities),
            proposal(places, np.concatenate(priors)),
        )
    assert weighted is not None
    return weighted, proposal


def _known(
    weighted: WeightedSample | None, particles: Particles, seed: list[int]
) -> np.ndarray:
    """Return what the next mixture is fitted to: particles and the weighted draws."""
    if weighted is None or not weighted.x.size:
        return particles.x
    effective = 1.0 / float((weighted.weights**2).sum())
    count = int(min(_FITTED, _COPIES * effective))
    drawn = weighted.x[resample(weighted.weights, max(count, 1), seed)]
    return np.concatenate([particles.x, drawn])


def _with_modes(fitted: Mixture, modes: tuple[Mode, ...], share: float) -> Mixture:
    if not modes:
        return fitted
    peaks = laplace_mixture(
        modes, freedom=FREEDOM, width=_LAPLACE_WIDTH, least=_LEAST_MODE
    )
    return Mixture(
        np.concatenate([(1.0 - share) * fitted.weights, share * peaks.weights]),
        np.concatenate([fitted.means, peaks.means]),
        np.concatenate([fitted.factors, peaks.factors]),
        FREEDOM,
    )


def _log_weights(
    x: np.ndarray, density: np.ndarray, evaluate: Callable, proposal: Callable
) -> np.ndarray:
    return density - proposal(x, evaluate(x)[0])


def _mode_weights(
    modes: tuple[Mode, ...], evaluate: Callable, proposal: Callable
) -> np.ndarray:
    if not modes:
        return np.empty(0)
    x = np.stack([mode.x for mode in modes])
    densities = np.array([mode.log_density for mode in modes])
    return _log_weights(x, densities, evaluate, proposal)


def _heavy(modes: tuple[Mode, ...]) -> int:
    return sum(mode.log_mass > modes[0].log_mass - _HEAVY for mode in modes)


def _walked(
    target: Target,
    data: tuple,
    weighted: WeightedSample,
    evaluate: Callable,
    proposal: Callable,
    seed: int,
) -> dict[str, np.ndarray]:
    """Return energy errors of trajectories from the draws, and weights at the ends."""
    starts = weighted.x[resample(weighted.weights, SLOPES, [seed, 4])]
    centred = weighted.x - weighted.weights @ weighted.x
    covariance = (weighted.weights * centred.T) @ centred
    least = 1e-10 * np.trace(covariance) * np.eye(target.size)
    walked = follow(
        lambda x: target.slopes(x, data),
        starts,
        np.linalg.cholesky(covariance + least),
        count=TRAJECTORIES,
        seed=[seed, 6],
    )
    reached = walked.energy_errors < _REACHED
    ends = walked.ends[reached]
    weights = (
        _log_weights(ends, walked.log_density[reached], evaluate, proposal)
        if len(ends)
        else np.full(1, -np.inf)
    )
    return {
        "energy_errors": walked.energy_errors.ravel(),
        "trajectory_log_weights": weights,
    }


def _quantities(x: np.ndarray, derived: Derived | None) -> np.ndarray:
    if derived is None:
        return x
    return np.concatenate([x, np.asarray(derived(x))], axis=1)
