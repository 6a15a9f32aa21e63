"""The cohort's posterior: how patients differ, from draws that each one's fit left.

Two stages: each patient was fitted alone, with the prior N(0, 1) of every component y
(`pkmodels.fitting.cohort_draws`). Between patients

    y_ik ~ Normal(m_k, t_k),   m_k ~ Normal(0, 1),   t_k ~ HalfNormal(1),

in units of the first stage's priors: the population's median has the prior of a single
patient's parameter, and its spread is of the size of that prior's. The patients' draws
stand for their likelihoods (`pkmodels.fitting.smoothed_draws`), so that no scan is
fitted again. Components are independent between patients; of two organs that are alike,
sum and difference are.

References
----------
Hogg, Myers and Bovy, ApJ 2010;725:2166, and Lunn et al., J R Statist Soc C 2013;62:551
(hierarchical models in two stages, from draws of the first).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import arviz as az
import numpy as np
import pymc as pm
from threadpoolctl import threadpool_limits

from pkmodels.errors import FitRefusedError, InputError
from pkmodels.fitting.checks import DIVERGENCE_LIMIT, ESS_LIMIT, RHAT_LIMIT
from pkmodels.fitting.cohort_draws import CohortDraws
from pkmodels.fitting.reused_draws import (
    GAP_LIMIT,
    Reuse,
    ill_smoothed,
    look_at_reuse,
)
from pkmodels.fitting.sampling import Problem, compile_sampler, draw_posterior
from pkmodels.fitting.smoothed_draws import (
    SmoothedDraws,
    log_likelihood_graph,
    smooth_draws,
)
from pkmodels.fitting.whitening import whiten, whitened

# Of fewer, the next patient is nearer to Student's t of n - 1 than a log-normal may
# stand for: t_6 of 7 patients has a 99 % interval that is 15 % wider than that of the
# normal with its 95 % interval, t_7 of 8 one of 13 %.
LEAST_PATIENTS = 8
DRAWS_PER_CHAIN = 800
_WARMUP = 300
_TARGET_ACCEPTANCE = 0.8
# Where chains are too short, they are drawn again so many times as long.
_LONGER = 2
# Within which the optimizations start about the patients' own spread.
_STARTS = 0.5
# ln of a normal's weight where a patient has fewer.
_NONE = -1e6

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class CohortPosterior:
    """Draws of a population, with what was left out of it.

    Parameters
    ----------
    cohort : CohortDraws
        The patients, with the components that were learnt.
    mean, sd : (n_draws, n_components) arrays
        Of the population of each component.
    reuse : Reuse
        How well the patients' draws carry it.
    rhat, ess : float
        The largest R-hat, the least effective size (bulk or tail).
    left_out : mapping of str to str
        Parameters that were not learnt, or not from one patient, and why.
    """

    cohort: CohortDraws
    mean: np.ndarray
    sd: np.ndarray
    reuse: Reuse
    rhat: float
    ess: float
    left_out: dict[str, str]


def cohort_model(cohort: CohortDraws, smoothed: SmoothedDraws) -> pm.Model:
    """Return the PyMC model of a population, of which patients' draws are the data.

    Parameters
    ----------
    cohort : CohortDraws
        The patients.
    smoothed : SmoothedDraws
        Their likelihoods.

    Returns
    -------
    pymc.Model
        With the variables ``mean`` and ``sd`` of each ``component``.

    Examples
    --------
    >>> from pkmodels.fitting.cohort_draws import Component
    >>> y = np.random.default_rng(0).standard_normal((9, 100, 1))
    >>> one = Component("half_life", {"half_life": 1.0})
    >>> cohort = CohortDraws({}, (one,), tuple("abcdefghi"), y, y[:, 0] < 9)
    >>> model = cohort_model(cohort, smooth_draws(cohort, seed=0))
    >>> [variable.name for variable in model.free_RVs]
    ['mean', 'sd']
    """
    coords = {"component": [each.name for each in cohort.components]}
    with pm.Model(coords=coords) as model:
        data = {name: pm.Data(name, value) for name, value in _data(smoothed).items()}
        mean = pm.Normal("mean", 0.0, 1.0, dims="component")
        sd = pm.HalfNormal("sd", 1.0, dims="component")
        pm.Potential("patients", log_likelihood_graph(data, mean, sd).sum())
    return model


def _data(smoothed: SmoothedDraws) -> dict[str, np.ndarray]:
    return {
        "precision": smoothed.precision,
        "slope": smoothed.slope,
        "level": np.maximum(smoothed.level, _NONE),
    }


def learn_cohort(
    cohort: CohortDraws,
    *,
    seed: int,
    draws_per_chain: int = DRAWS_PER_CHAIN,
    progress: Progress | None = None,
) -> CohortPosterior:
    """Draw a population from its patients' draws, as far as they carry it.

    A parameter that fewer than `LEAST_PATIENTS` have, or of which the smoothed draws
    say something else than the draws do, is left out, and what is left is learnt.

    Parameters
    ----------
    cohort : CohortDraws
        The patients.
    seed : int
        Repeats the draws, >= 0.
    draws_per_chain : int
        Of 4 chains, a multiple of 100.
    progress : callable, optional
        Called with (iterations done, iterations in all).

    Returns
    -------
    CohortPosterior

    Raises
    ------
    InputError
        When fewer than `LEAST_PATIENTS` patients are given.
    FitRefusedError
        When no parameter is left, or the chains do not agree.

    Examples
    --------
    >>> from pkmodels.fitting.cohort_draws import Component
    >>> few = np.zeros((2, 100, 1))
    >>> one = Component("half_life", {"half_life": 1.0})
    >>> cohort = CohortDraws({}, (one,), ("P1", "P2"), few, few[:, 0] == 0)
    >>> learn_cohort(cohort, seed=1)
    Traceback (most recent call last):
        ...
    pkmodels.errors.InputError: 2 patients are no cohort: a population is learnt from \
8 or more, since of fewer its spread is hardly known
    """
    if len(cohort.members) < LEAST_PATIENTS:
        raise InputError(
            f"{len(cohort.members)} patients are no cohort: a population is learnt "
            f"from {LEAST_PATIENTS} or more, since of fewer its spread is hardly known"
        )
    left_out = _too_few(cohort)
    cohort = cohort.without(list(left_out))
    while cohort.components:
        mean, sd, rhat, ess = _draw(cohort, seed, draws_per_chain, progress)
        reuse = look_at_reuse(cohort, mean, sd, seed=seed)
        refused = _not_carried(cohort, reuse)
        ill = ill_smoothed(cohort, seed=seed)
        if not refused and not reuse.together and ill.any():
            cohort, told = _without_ill(cohort, ill)
            few = _too_few(cohort)
            left_out |= told | few
            cohort = cohort.without(list(few))
            continue
        if not refused:
            return CohortPosterior(cohort, mean, sd, reuse, rhat, ess, left_out)
        left_out |= refused
        cohort = cohort.without(list(refused))
    told = "; ".join(f"{name}: {why}" for name, why in left_out.items())
    raise FitRefusedError(f"no parameter of the cohort can be learnt: {told}")


def _too_few(cohort: CohortDraws) -> dict[str, str]:
    """Return parameters that too few patients have."""
    return {
        name: f"{count} patients have it, and {LEAST_PATIENTS} are needed"
        for component, count in zip(
            cohort.components, cohort.has.sum(axis=0), strict=True
        )
        if count < LEAST_PATIENTS
        for name in component.weights
    }


def _without_ill(
    cohort: CohortDraws, ill: np.ndarray
) -> tuple[CohortDraws, dict[str, str]]:
    """Return the cohort without what is ill smoothed of each patient, and who it is."""
    told = {}
    has = cohort.has.copy()
    for i, member in enumerate(cohort.members):
        places = np.flatnonzero(ill[i])
        names = {name for k in places for name in cohort.components[k].weights}
        for k, component in enumerate(cohort.components):
            has[i, k] &= not names & set(component.weights)
        told |= {
            f"{name} of {member}": "its draws are not what they are smoothed to, and "
            "all components together could not be held against the draws"
            for name in sorted(names)
        }
    y = np.where(has[:, None, :], cohort.y, 0.0)
    return replace(cohort, y=y, has=has), told


def _draw(
    cohort: CohortDraws, seed: int, draws_per_chain: int, progress: Progress | None
) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Return draws of means and sds, with the largest R-hat and the least size."""
    smoothed = smooth_draws(cohort, seed=seed)
    sampler = compile_sampler(
        cohort_model(cohort, smoothed),
        target_acceptance=_TARGET_ACCEPTANCE,
        coordinates=whitened,
        warmup=_WARMUP,
    )
    count = len(cohort.components)
    first = Problem(
        _data(smoothed), (), _first_guess(cohort), np.full(2 * count, _STARTS)
    )
    with threadpool_limits(limits=1, user_api="blas"):
        problem = whiten(sampler, first, seed=seed)
        for wanted in (draws_per_chain, _LONGER * draws_per_chain):
            drawn = draw_posterior(
                sampler, problem, seed=seed, draws_per_chain=wanted, progress=progress
            )
            if drawn.wanted_per_chain is not None:
                raise KeyboardInterrupt
            rhat, ess, reasons = _check_chains(drawn.unconstrained, drawn.diverging)
            if not reasons:
                break
        else:
            raise FitRefusedError(
                f"the cohort's posterior was not drawn well: {'; '.join(reasons)}; "
                "take more patients, or leave out those whose scans tell little"
            )
    mean, sd = (drawn.variables[name].reshape(-1, count) for name in ("mean", "sd"))
    return mean, sd, rhat, ess


def _first_guess(cohort: CohortDraws) -> np.ndarray:
    """Return mean and ln sd of the patients' means, where the chains start."""
    own = cohort.y.mean(axis=1)
    guess = [
        (values.mean(), np.log(max(values.std(), 0.1)))
        for values in (own[has, i] for i, has in enumerate(cohort.has.T))
    ]
    return np.concatenate(np.array(guess).T)


def _check_chains(
    unconstrained: np.ndarray, diverging: np.ndarray
) -> tuple[float, float, list[str]]:
    """Return the largest R-hat, the least effective size, and what is wrong."""
    tree = az.from_dict({"posterior": {"x": unconstrained}})
    rhat = float(az.rhat(tree)["x"].values.max())
    sizes = (az.ess(tree, method=m)["x"].values.min() for m in ("bulk", "tail"))
    ess, diverged = float(min(sizes)), int(diverging.sum())
    reasons = []
    if not rhat < RHAT_LIMIT:
        reasons.append(f"R-hat is {rhat:.4g}, not below {RHAT_LIMIT:g}")
    if not ess > ESS_LIMIT:
        reasons.append(f"an effective size is {ess:.0f}, not above {ESS_LIMIT:g}")
    if diverged > DIVERGENCE_LIMIT * diverging.size:
        reasons.append(f"{diverged} of {diverging.size} transitions diverged")
    return rhat, ess, reasons


def _not_carried(cohort: CohortDraws, reuse: Reuse) -> dict[str, str]:
    """Return the parameters whose draws say something else than they do smoothed."""
    gaps = reuse.gaps
    if reuse.together:
        gaps = np.maximum(gaps, reuse.shifts)
    return {
        name: (
            "what the patients' draws say of it depends on how they are smoothed, by "
            f"{gap:.2g} of its own uncertainty, more than {GAP_LIMIT:g}; take patients "
            "with more scans that tell of it"
        )
        for component, gap in zip(cohort.components, gaps, strict=True)
        if not gap < GAP_LIMIT
        for name in component.weights
    }
