"""Normalized prediction distribution errors: is each value a draw of its prediction?"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from pkmodels.errors import InputError
from pkmodels.population.conditional import local_at
from pkmodels.population.estimation import PopulationFit
from pkmodels.population.simulation import simulate_values

# Fewer make the errors coarse and the tests reject what is right: Comets, Brendel and
# Mentre, Comput Methods Programs Biomed 2008;90:154-166, ask for at least so many.
LEAST_REPLICATES = 1000


@dataclass(frozen=True, eq=False)
class DistributionErrors:
    """Normalized prediction distribution errors (NPDE) and their tests.

    Parameters
    ----------
    errors : (n,) array
        One for each value, subject by subject; Normal(0, 1) where the model is right.
    subject, observable : (n,) arrays of str
        Whose, and of what.
    time_h, typical : (n,) arrays
        When (h), and what is predicted at random effects of 0.
    mean, variance, skewness, excess_kurtosis : float
        Of the errors.
    p_mean, p_variance, p_normal : float
        P-values: Wilcoxon's signed rank, chi-squared of the variance, Shapiro and Wilk.
    p_global : float
        The least of them, times 3 (Bonferroni), 1 at most.
    """

    errors: np.ndarray
    subject: np.ndarray
    observable: np.ndarray
    time_h: np.ndarray
    typical: np.ndarray
    mean: float
    variance: float
    skewness: float
    excess_kurtosis: float
    p_mean: float
    p_variance: float
    p_normal: float
    p_global: float


def distribution_errors(
    fit: PopulationFit,
    *,
    replicates: int,
    seed: int,
    simulated: np.ndarray | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> DistributionErrors:
    """Return normalized prediction distribution errors and their tests.

    Each subject's values and simulated values are decorrelated by mean and Cholesky
    factor of the simulated ones; the share of simulated values below a value, at least
    1 / (2 replicates), is turned into a normal deviate.

    Parameters
    ----------
    fit : PopulationFit
        The fit.
    replicates, seed, progress
        As of `simulate_values`; 1000 replicates or more.
    simulated : array or None
        What `simulate_values` returned, to use again; `replicates` and `seed` are then
        without effect.

    Returns
    -------
    DistributionErrors

    Raises
    ------
    InputError
        When there are fewer than 1000 replicates, or too few for a subject's values.

    References
    ----------
    Brendel et al., Pharm Res 2006;23:2036-2049; Comets, Brendel and Mentre, Comput
    Methods Programs Biomed 2008;90:154-166.

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> found = distribution_errors(worked_example.fitted(), replicates=1000, seed=1)
    >>> len(found.errors), found.p_global > 0.05
    (36, True)
    """
    made = fit.predictor.arrangement
    count = replicates if simulated is None else len(simulated)
    if count < LEAST_REPLICATES:
        raise InputError(
            f"{count} replicates: NPDE need {LEAST_REPLICATES} or more, since the "
            "tests of fewer reject models that are right"
        )
    if simulated is None:
        simulated = simulate_values(fit, replicates, seed=seed, progress=progress)
    start = np.zeros_like(fit.modes.local.effects)
    typical = local_at(fit.predictor, fit.estimates, start, 0).prediction.values
    names = np.array(list(fit.model.residual))
    errors = []
    for i, name in enumerate(made.names):
        kept = made.is_value[i]
        errors.append(_of_subject(made.values[i][kept], simulated[:, i][:, kept], name))
    found = np.concatenate(errors)
    rows = np.argwhere(made.is_value)
    kept = tuple(rows.T)
    p_values = _tests(found)
    return DistributionErrors(
        errors=found,
        subject=np.array(made.names)[rows[:, 0]],
        observable=names[made.error[kept]],
        time_h=made.times_h[kept],
        typical=np.where(
            made.is_log, np.exp(np.where(made.is_log, typical, 0.0)), typical
        )[kept],
        mean=float(found.mean()),
        variance=float(found.var(ddof=1)),
        skewness=float(stats.skew(found)),
        excess_kurtosis=float(stats.kurtosis(found)),
        p_mean=p_values[0],
        p_variance=p_values[1],
        p_normal=p_values[2],
        p_global=min(1.0, 3.0 * min(p_values)),
    )


def _of_subject(values: np.ndarray, simulated: np.ndarray, name: str) -> np.ndarray:
    replicates = len(simulated)
    mean = simulated.mean(axis=0)
    covariance = np.atleast_2d(np.cov(simulated, rowvar=False))
    try:
        factor = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError as error:
        raise InputError(
            f"the simulated values of subject {name} have no covariance to decorrelate "
            f"by: {replicates} replicates of {len(values)} values; give more "
            "replicates, or the error an additive part"
        ) from error
    own = np.linalg.solve(factor, values - mean)
    others = np.linalg.solve(factor, (simulated - mean).T).T
    share = (others < own).mean(axis=0)
    least = 0.5 / replicates
    return stats.norm.ppf(np.clip(share, least, 1.0 - least))


def _tests(errors: np.ndarray) -> tuple[float, float, float]:
    """Return p-values of a mean of 0, a variance of 1 and a normal distribution."""
    n = len(errors)
    below = float(stats.chi2.cdf((n - 1) * errors.var(ddof=1), n - 1))
    return (
        float(np.asarray(stats.wilcoxon(errors))[1]),
        2.0 * min(below, 1.0 - below),
        float(stats.shapiro(errors).pvalue),
    )
