"""Whether a fit may be trusted: convergence, divergences, failed solves, noise."""

from collections.abc import Mapping
from dataclasses import dataclass

import arviz as az
import numpy as np

from pkmodels.fitting.posterior import NOISE
from pkmodels.fitting.sampling import Draws
from pkmodels.values import Prior

# Vehtari et al., Bayesian Analysis 2021;16:667: R-hat below 1.01, ESS above 400.
RHAT_LIMIT = 1.01
ESS_LIMIT = 400.0
# Share of transitions that may diverge.
DIVERGENCE_LIMIT = 0.001
# Scatter this many times its prior's scale says that the model misses the data.
NOISE_LIMIT = 3.0


@dataclass(frozen=True)
class Checks:
    """The checks of a fit, as a value that travels with it.

    Parameters
    ----------
    rhat_max : float or None
        Largest R-hat; None when it is not finite.
    ess_bulk_min, ess_tail_min : float or None
        Smallest effective sample sizes.
    divergences : int
        Transitions that diverged.
    failed_solves : int
        Draws whose prediction is not finite.
    noise_conflict : tuple of str
        Modalities whose scatter is far above its prior.
    attempts : int
        Runs of the sampler until the fit was accepted or given up.
    reasons : tuple of str
        Why the fit failed and what to do; empty when it passed.
    """

    rhat_max: float | None
    ess_bulk_min: float | None
    ess_tail_min: float | None
    divergences: int
    failed_solves: int
    noise_conflict: tuple[str, ...]
    attempts: int
    reasons: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether anything may be reported from the fit."""
        return not self.reasons


def check(
    draws: Draws, failed_solves: int, noise_prior: Mapping[str, Prior], attempts: int
) -> Checks:
    """Check the draws of a posterior.

    Parameters
    ----------
    draws : Draws
        From the sampler.
    failed_solves : int
        Draws whose prediction is not finite.
    noise_prior : mapping of str to Prior
        Half-normal prior of the relative noise, by modality.
    attempts : int
        Runs of the sampler so far.

    Returns
    -------
    Checks

    References
    ----------
    Vehtari et al., Bayesian Analysis 2021;16:667 (rank-normalized R-hat, ESS).

    Examples
    --------
    >>> normal = np.random.default_rng(0).standard_normal((4, 500, 1))
    >>> noise = np.full((4, 500, 1), 0.05)
    >>> draws = Draws({"relative_noise": noise}, normal, np.zeros((4, 500), bool), 0.9)
    >>> from pkmodels.values import Certainty, half_normal
    >>> prior = {"SPECT": half_normal(0.1, "", "wide", Certainty.JUDGEMENT)}
    >>> check(draws, 0, prior, 1).passed
    True
    """
    tree = az.from_dict({"posterior": {"x": draws.unconstrained}})
    # A chain that never moves divides by zero here, and is refused below.
    with np.errstate(divide="ignore", invalid="ignore"):
        rhat = _finite(az.rhat(tree)["x"].values.max())
        bulk = _finite(az.ess(tree, method="bulk")["x"].values.min())
        tail = _finite(az.ess(tree, method="tail")["x"].values.min())
    divergences = int(draws.diverging.sum())
    medians = np.median(draws.variables[NOISE], axis=(0, 1))
    conflict = tuple(
        name
        for (name, prior), median in zip(noise_prior.items(), medians, strict=True)
        if median > NOISE_LIMIT * prior.parameters["scale"]
    )
    reasons = [
        *_convergence_reasons(rhat, bulk, tail),
        *_validity_reasons(divergences, draws.diverging.size, failed_solves, conflict),
    ]
    return Checks(
        rhat_max=rhat,
        ess_bulk_min=bulk,
        ess_tail_min=tail,
        divergences=divergences,
        failed_solves=failed_solves,
        noise_conflict=conflict,
        attempts=attempts,
        reasons=tuple(reasons),
    )


def quantile_size(draws: np.ndarray, probability: float) -> float:
    """Return how many independent draws an estimated quantile is worth.

    Parameters
    ----------
    draws : (n_chains, n_draws) array
        Draws of one quantity.
    probability : float
        Of the quantile, in (0, 1).

    Returns
    -------
    float
        The effective sample size; at most the number of draws.

    References
    ----------
    Vehtari et al., Bayesian Analysis 2021;16:667.

    Examples
    --------
    >>> normal = np.random.default_rng(0).standard_normal((4, 500))
    >>> 1500.0 < quantile_size(normal, 0.05) <= 2000.0
    True
    """
    found = az.ess(draws, method="quantile", prob=probability)
    return min(float(found), float(draws.size))


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _convergence_reasons(
    rhat: float | None, bulk: float | None, tail: float | None
) -> list[str]:
    reasons = []
    if rhat is None or rhat >= RHAT_LIMIT:
        reasons.append(
            f"R-hat is {_text(rhat)}, not below {RHAT_LIMIT}: the chains disagree. "
            "Look for values that contradict each other; add scans"
        )
    for name, ess in (("bulk", bulk), ("tail", tail)):
        if ess is None or ess < ESS_LIMIT:
            reasons.append(
                f"the {name} effective sample size is {_text(ess)}, below "
                f"{ESS_LIMIT:.0f}: too few independent draws. Add scans, or state the "
                "calibration more tightly"
            )
    return reasons


def _validity_reasons(
    divergences: int, transitions: int, failed_solves: int, conflict: tuple[str, ...]
) -> list[str]:
    reasons = []
    if divergences > DIVERGENCE_LIMIT * transitions:
        reasons.append(
            f"{divergences} of {transitions} transitions diverged: part of the "
            "posterior was not explored. Look for values that contradict each other, "
            "or add scans"
        )
    if failed_solves:
        reasons.append(
            f"{failed_solves} draws could not be solved: look for a value with a wrong "
            "unit or time"
        )
    reasons += [
        f"{modality} scatters about the fitted curves by more than "
        f"{NOISE_LIMIT:g} times the scale of its noise prior: the model does not "
        "describe these data. Look for a wrong unit, time, region or decay correction, "
        "or leave out an early point that holds urine"
        for modality in conflict
    ]
    return reasons


def _text(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.4g}"
