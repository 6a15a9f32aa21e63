"""Whether a fit may be trusted: how well it was drawn, and whether the model fits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import arviz as az
import numpy as np

from pkmodels.fitting.posterior import NOISE
from pkmodels.fitting.predictive_checks import PredictiveCheck, SignRuns
from pkmodels.fitting.sampling import Draws
from pkmodels.fitting.transitions import TREE_DEPTH
from pkmodels.values import Prior

# Vehtari et al., Bayesian Analysis 2021;16:667: R-hat below 1.01, ESS above 400.
RHAT_LIMIT = 1.01
ESS_LIMIT = 400.0
# Chains that disagree more do so for another reason than their length.
_NEARLY_MIXED = 1.05
# Share of transitions that may diverge.
DIVERGENCE_LIMIT = 0.001
# Betancourt, arXiv:1604.00695: below it, chains hardly reach the tails.
BFMI_LIMIT = 0.3
# Share of trajectories that may end at the longest length allowed.
SATURATION_LIMIT = 0.01
# Refuses 0.6 % of well-specified data whose noise is known, and fewer where it is
# estimated, as nearly always; the second one only warns. See tests/test_checks.py.
PREDICTIVE_LIMIT = 0.005
PREDICTIVE_WARNING = 0.02
# Values too near to the curves, and residuals with too few runs, are pointed out.
_NEAR_LIMIT = 0.999
_RUNS_LIMIT = 0.01
# A parameter is pressed against its prior where most of its draws are beyond its tails.
_CONFLICT_SHARE = 0.5
# Scatter this many times its prior's scale says that the model misses the data.
NOISE_LIMIT = 3.0


@dataclass(frozen=True)
class Weights:
    """What stands for a chain's diagnostics where draws were weighted, not chained.

    Parameters
    ----------
    mean_size, tail_size : float
        Least effective sizes for means and for tails.
    khat : float or None
        Pareto k of the weights; None where tempered runs drew.
    reasons : tuple of str
        Why the draws may not be reported; empty where they may.
    """

    mean_size: float
    tail_size: float
    khat: float | None
    reasons: tuple[str, ...] = ()


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
    bfmi_min : float or None
        Smallest energy fraction (E-BFMI) of a chain; None where no energy is known.
    saturated_trees : int
        Trajectories that ended at the longest length allowed.
    khat : float or None
        Pareto k of the importance weights; None where a chain drew.
    predictive : tuple of PredictiveCheck
        Of every region and modality.
    runs : tuple of SignRuns
        Of every region and modality.
    beyond_prior : mapping of str to float
        Share of a parameter's draws beyond its prior's tails, where there are any.
    misfits : tuple of str
        Those of `reasons` that no sampler can mend: the model does not describe the
        data.
    warnings : tuple of str
        What to look at though the fit may be used.
    path : str
        How the draws were made, and why so.
    short : bool
        Whether more draws of the same chains may be all that is lacking.
    """

    rhat_max: float | None
    ess_bulk_min: float | None
    ess_tail_min: float | None
    divergences: int
    failed_solves: int
    noise_conflict: tuple[str, ...]
    attempts: int
    reasons: tuple[str, ...]
    bfmi_min: float | None = None
    saturated_trees: int = 0
    khat: float | None = None
    predictive: tuple[PredictiveCheck, ...] = ()
    runs: tuple[SignRuns, ...] = ()
    beyond_prior: Mapping[str, float] = field(default_factory=dict)
    misfits: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    path: str = ""
    short: bool = False

    @property
    def passed(self) -> bool:
        """Whether anything may be reported from the fit."""
        return not self.reasons


def check(
    draws: Draws,
    failed_solves: int,
    noise_prior: Mapping[str, Prior],
    attempts: int,
    *,
    predictive: Sequence[PredictiveCheck] = (),
    runs: Sequence[SignRuns] = (),
    beyond_prior: Mapping[str, float] | None = None,
    weights: Weights | None = None,
    path: str = "",
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
    predictive : sequence of PredictiveCheck
        From `check_predictions`.
    runs : sequence of SignRuns
        From `count_runs`.
    beyond_prior : mapping of str to float, optional
        From `find_conflicts`.
    weights : Weights, optional
        Where no chain drew: what stands for its diagnostics.
    path : str
        How the draws were made, and why so.

    Returns
    -------
    Checks

    References
    ----------
    Vehtari et al., Bayesian Analysis 2021;16:667 (rank-normalized R-hat, ESS);
    Betancourt, arXiv:1604.00695 (energy).

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
    rhat, bulk, tail = _convergence(draws)
    unmixed = _convergence_reasons(rhat, bulk, tail)
    if weights is not None:
        rhat, bulk, tail = None, weights.mean_size, weights.tail_size
        unmixed = [*_size_reasons(bulk, tail), *weights.reasons]
    divergences = int(draws.diverging.sum())
    medians = np.median(draws.variables[NOISE], axis=(0, 1)) if noise_prior else ()
    conflict = tuple(
        name
        for (name, prior), median in zip(noise_prior.items(), medians, strict=True)
        if median > NOISE_LIMIT * prior.parameters["scale"]
    )
    bfmi, saturated = _trajectories(draws)
    misfits = [*_noise_reasons(conflict), *_predictive_reasons(predictive)]
    reasons = [
        *unmixed,
        *_validity_reasons(divergences, draws.diverging.size, failed_solves),
        *_energy_reasons(bfmi),
        *misfits,
    ]
    beyond = dict(beyond_prior or {})
    return Checks(
        rhat_max=rhat,
        ess_bulk_min=bulk,
        ess_tail_min=tail,
        divergences=divergences,
        failed_solves=failed_solves,
        noise_conflict=conflict,
        attempts=attempts,
        reasons=tuple(reasons),
        bfmi_min=bfmi,
        saturated_trees=saturated,
        khat=None if weights is None else weights.khat,
        predictive=tuple(predictive),
        runs=tuple(runs),
        beyond_prior=beyond,
        misfits=tuple(misfits),
        warnings=tuple(_warnings(draws, saturated, predictive, runs, beyond)),
        path=path,
        short=weights is None
        and bool(reasons)
        and len(reasons) == len(unmixed)
        and rhat is not None
        and rhat < _NEARLY_MIXED,
    )


def _convergence(draws: Draws) -> tuple[float | None, float | None, float | None]:
    """Return the largest R-hat and the smallest bulk and tail effective sizes."""
    tree = az.from_dict({"posterior": {"x": draws.unconstrained}})
    # A chain that never moves divides by zero here, and is refused.
    with np.errstate(divide="ignore", invalid="ignore"):
        return (
            _finite(az.rhat(tree)["x"].values.max()),
            _finite(az.ess(tree, method="bulk")["x"].values.min()),
            _finite(az.ess(tree, method="tail")["x"].values.min()),
        )


def _trajectories(draws: Draws) -> tuple[float | None, int]:
    """Return the least energy fraction of a chain, and how many trees were cut off."""
    if not draws.statistics:
        return None, 0
    energy = np.asarray(draws.statistics["energy"])
    # A chain that never moves divides by zero here.
    with np.errstate(divide="ignore", invalid="ignore"):
        bfmi = _finite(np.min(az.bfmi(energy)))
    depth = np.asarray(draws.statistics["tree_depth"])
    return bfmi, int((depth >= TREE_DEPTH).sum())


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
    return [*reasons, *_size_reasons(bulk, tail)]


def _size_reasons(bulk: float | None, tail: float | None) -> list[str]:
    reasons = []
    for name, ess in (("bulk", bulk), ("tail", tail)):
        if ess is None or ess < ESS_LIMIT:
            reasons.append(
                f"the {name} effective sample size is {_text(ess)}, below "
                f"{ESS_LIMIT:.0f}: too few independent draws. Add scans, state the "
                "calibration more tightly, or take more draws"
            )
    return reasons


def _validity_reasons(
    divergences: int, transitions: int, failed_solves: int
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
    return reasons


def _energy_reasons(bfmi: float | None) -> list[str]:
    if bfmi is None or bfmi >= BFMI_LIMIT:
        return []
    return [
        f"the energy fraction (E-BFMI) is {bfmi:.2g}, below {BFMI_LIMIT:g}: the tails "
        "were hardly reached. State noise or calibration more tightly, or add scans"
    ]


def _noise_reasons(conflict: tuple[str, ...]) -> list[str]:
    return [
        f"{modality} scatters about the fitted curves by more than "
        f"{NOISE_LIMIT:g} times the scale of its noise prior: the model does not "
        "describe these data. Look for a wrong unit, time, region or decay correction, "
        "or leave out an early point that holds urine"
        for modality in conflict
    ]


def _predictive_reasons(predictive: Sequence[PredictiveCheck]) -> list[str]:
    return [
        f"the {found.n_rows} values of {found.about} lie farther from the fitted "
        "curves than their noise allows (posterior-predictive p = "
        f"{found.p_value:.1g}, below {PREDICTIVE_LIMIT:g}): the model does not "
        "describe them. Look for a wrong unit, time, region or stated sd"
        for found in predictive
        if found.p_value < PREDICTIVE_LIMIT
    ]


def _warnings(
    draws: Draws,
    saturated: int,
    predictive: Sequence[PredictiveCheck],
    runs: Sequence[SignRuns],
    beyond_prior: Mapping[str, float],
) -> list[str]:
    warnings = []
    drawn = draws.diverging.shape[1]
    if draws.wanted_per_chain is not None:
        warnings.append(
            f"sampling was interrupted after {drawn} of {draws.wanted_per_chain} draws "
            "of each chain: the same call goes on where draws are kept in a folder"
        )
    if saturated > SATURATION_LIMIT * draws.diverging.size:
        warnings.append(
            f"{saturated} of {draws.diverging.size} trajectories were cut off at "
            f"2^{TREE_DEPTH} steps: the posterior is long and narrow. Add scans, or "
            "state the priors more tightly"
        )
    warnings += [
        f"the {found.n_rows} values of {found.about} lie nearer to the curves than "
        f"their stated noise (posterior-predictive p = {found.p_value:.4f}): look for "
        "a stated sd that is too large, or values that were copied"
        for found in predictive
        if found.p_value > _NEAR_LIMIT
    ]
    warnings += [
        f"the {found.n_rows} values of {found.about} lie rather far from the fitted "
        f"curves (posterior-predictive p = {found.p_value:.2g}): look for one that "
        "stands out in the report's curves"
        for found in predictive
        if PREDICTIVE_LIMIT <= found.p_value < PREDICTIVE_WARNING
    ]
    warnings += [
        f"the residuals of {found.about} change sign too seldom ({found.runs} runs, "
        f"p = {found.p_value:.1g}): the model's curves have another shape than the "
        "data. Look at the report's curves"
        for found in runs
        if found.p_value < _RUNS_LIMIT
    ]
    warnings += [
        f"{share:.0%} of the draws of {name} lie beyond the tails of its prior: the "
        "data contradict the prior. Look for a wrong unit or time, or a wrong prior"
        for name, share in beyond_prior.items()
        if share > _CONFLICT_SHARE
    ]
    return warnings


def _text(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.4g}"
