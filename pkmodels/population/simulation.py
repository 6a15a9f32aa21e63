"""Simulated values: what a fitted population would have given, again and again."""

from collections.abc import Callable

import numpy as np

from pkmodels.errors import InputError, SolveError
from pkmodels.population.conditional import errors_of, parameters_at
from pkmodels.population.estimation import PopulationFit
from pkmodels.population.residuals import variance_of


def simulate_values(
    fit: PopulationFit,
    replicates: int,
    *,
    seed: int,
    progress: Callable[[int, int], object] | None = None,
) -> np.ndarray:
    """Simulate the subjects' values with new random effects and residuals.

    Parameters
    ----------
    fit : PopulationFit
        The fit, whose subjects, doses and times are kept.
    replicates : int
        How many times, >= 1.
    seed : int
        Of the draws.
    progress : callable or None
        Called with the number of replicates done, and of all.

    Returns
    -------
    (replicates, n_subjects, n_occasions, n_values) array
        As `pkmodels.population.subjects.Arrangement.values`: logs where the error is
        log-normal, 0 where there is no value.

    Raises
    ------
    InputError
        When there is no replicate.
    SolveError
        When a simulated subject cannot be solved.

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> simulate_values(worked_example.fitted(), 20, seed=1).shape
    (20, 6, 1, 6)
    """
    if replicates < 1:
        raise InputError(f"{replicates} replicates: give 1 or more")
    made = fit.predictor.arrangement
    generator = np.random.default_rng(seed)
    subjects, occasions = made.values.shape[:2]
    roots = [_root(fit.estimates.between), _root(fit.estimates.within)]
    additive, proportional = errors_of(fit.predictor, fit.estimates)
    found = np.empty((replicates, *made.values.shape))
    for n in range(replicates):
        eta = generator.standard_normal((subjects, len(roots[0]))) @ roots[0].T
        kappa = generator.standard_normal((subjects, occasions, len(roots[1])))
        kappa = (kappa @ roots[1].T).reshape(subjects, -1)
        effects = np.concatenate([eta, kappa], axis=1)
        own = parameters_at(fit.predictor, fit.estimates, effects)
        predicted = fit.predictor.predict(own, 0).values
        bad = np.flatnonzero(~np.isfinite(predicted).all(axis=(1, 2)))
        if len(bad):
            raise SolveError(
                f"subject {made.names[bad[0]]} cannot be solved with the random "
                f"effects {effects[bad[0]].round(3).tolist()} of replicate {n + 1}: "
                "are the variances that large, or the controls of the solve too tight?"
            )
        deviation = np.sqrt(variance_of(predicted, additive, proportional))
        scatter = deviation * generator.standard_normal(predicted.shape)
        found[n] = np.where(made.is_value, predicted + scatter, 0.0)
        if progress is not None:
            progress(n + 1, replicates)
    return found


def _root(covariance: np.ndarray) -> np.ndarray:
    return np.linalg.cholesky(covariance) if len(covariance) else covariance
