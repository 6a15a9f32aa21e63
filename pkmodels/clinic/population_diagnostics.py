"""All that is shown of a fitted population: made once, then drawn and written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import stats

from pkmodels.errors import FitRefusedError, InputError
from pkmodels.population.distribution_errors import (
    DistributionErrors,
    distribution_errors,
)
from pkmodels.population.estimation import PopulationFit
from pkmodels.population.goodness import (
    GoodnessTable,
    Shrinkage,
    goodness,
    shrinkage,
)
from pkmodels.population.predictive_checks import (
    PredictiveCheck,
    visual_predictive_check,
)
from pkmodels.population.simulation import simulate_values
from pkmodels.population.structure import effects_of
from pkmodels.population.subjects import Subject
from pkmodels.population.uncertainty import CovarianceKind, Uncertainty, uncertainty


@dataclass(frozen=True, eq=False)
class RandomEffect:
    """One random effect: every subject's estimate of it.

    Parameters
    ----------
    name : str
        ``"eta of cl"``, or ``"kappa of cl"`` between occasions.
    parameter : str
        Of what.
    values : (n,) array
        At the modes: of each subject, or of each occasion with values.
    subject : (n,) array of int
        Place of the subject of each.
    sd : float
        Estimated standard deviation in the population.
    shrinkage : float
        1 - sd(values) / sd.
    p_mean : float
        P-value of a mean of 0, by Student's t.
    """

    name: str
    parameter: str
    values: np.ndarray
    subject: np.ndarray
    sd: float
    shrinkage: float
    p_mean: float


@dataclass(frozen=True, eq=False)
class Diagnostics:
    """A fit with all that a page shows of it.

    Parameters
    ----------
    fit : PopulationFit
        The fit.
    errors : Uncertainty or str
        Standard errors, or why there are none.
    table : GoodnessTable
        One row for each value.
    shrinkage : Shrinkage
        Of effects and residuals.
    effects : tuple of RandomEffect
        Between subjects, then between occasions.
    checks : tuple of PredictiveCheck
        Of each observable.
    npde : DistributionErrors
        In the order of the rows of `table`.
    covariates : mapping of str to tuple
        By name, each subject's, None where it has none.
    replicates, seed : int
        Of the simulations.
    """

    fit: PopulationFit
    errors: Uncertainty | str
    table: GoodnessTable
    shrinkage: Shrinkage
    effects: tuple[RandomEffect, ...]
    checks: tuple[PredictiveCheck, ...]
    npde: DistributionErrors
    covariates: Mapping[str, tuple[float | str | None, ...]]
    replicates: int
    seed: int


def diagnose(
    fit: PopulationFit,
    subjects: Sequence[Subject],
    *,
    kind: CovarianceKind,
    bins: int | Sequence[float],
    replicates: int,
    seed: int,
    prediction_corrected: bool = False,
    progress: Callable[[str, int, int], object] | None = None,
) -> Diagnostics:
    """Return all that is shown of a fit.

    Parameters
    ----------
    fit : PopulationFit
        The fit.
    subjects : sequence of Subject
        Those that were fitted, whose covariates are shown.
    kind : CovarianceKind
        Of the standard errors.
    bins : int or sequence of float
        Of the predictive check of every observable, as `visual_predictive_check`.
    replicates, seed : int
        Of the simulations; 1000 replicates or more.
    prediction_corrected : bool
        Whether the predictive checks are.
    progress : callable or None
        Called with what is done, how much of it, and of how much.

    Returns
    -------
    Diagnostics

    Raises
    ------
    InputError
        When the subjects are not those of the fit, or as `visual_predictive_check`
        and `distribution_errors`.
    SolveError
        As `simulate_values`.

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> found = diagnose(worked_example.fitted(), worked_example.subjects(),
    ...     kind=CovarianceKind.CURVATURE, bins=3, replicates=1000, seed=1)
    >>> [(each.name, round(each.sd, 2)) for each in found.effects]
    [('eta of ka', 0.52), ('eta of cl', 0.27)]
    """
    if tuple(each.name for each in subjects) != fit.predictor.arrangement.names:
        raise InputError(
            f"{len(subjects)} subjects that are not those of the fit, or in another "
            "order: give those that it was made of"
        )

    def told(what: str) -> Callable[[int, int], object] | None:
        return None if progress is None else partial(progress, what)

    try:
        errors = uncertainty(fit, kind, progress=told("standard errors"))
    except FitRefusedError as refusal:
        errors = str(refusal)
    draws = simulate_values(fit, replicates, seed=seed, progress=told("simulations"))
    drawn = shrinkage(fit)
    return Diagnostics(
        fit=fit,
        errors=errors,
        table=goodness(fit),
        shrinkage=drawn,
        effects=_effects(fit, drawn),
        checks=tuple(
            visual_predictive_check(
                fit,
                observable,
                bins=bins,
                replicates=replicates,
                seed=seed,
                prediction_corrected=prediction_corrected,
                simulated=draws,
            )
            for observable in fit.model.residual
        ),
        npde=distribution_errors(
            fit, replicates=replicates, seed=seed, simulated=draws
        ),
        covariates=_covariates(subjects),
        replicates=replicates,
        seed=seed,
    )


def _covariates(
    subjects: Sequence[Subject],
) -> dict[str, tuple[float | str | None, ...]]:
    names = dict.fromkeys(name for each in subjects for name in each.covariates)
    return {n: tuple(each.covariates.get(n) for each in subjects) for n in names}


def _effects(fit: PopulationFit, drawn: Shrinkage) -> tuple[RandomEffect, ...]:
    modes, made = fit.modes.local.effects, fit.predictor.arrangement
    between, within = effects_of(fit.model.between), effects_of(fit.model.occasions)
    everyone = np.arange(len(modes))
    found = [
        _effect("eta", name, modes[:, n], everyone, cov, drawn.between)
        for n, (name, cov) in enumerate(
            zip(between, np.diag(fit.estimates.between), strict=True)
        )
    ]
    if not within:
        return tuple(found)
    present = made.is_value.any(axis=2)
    of_occasions = modes[:, len(between) :].reshape(*present.shape, len(within))
    whose = np.broadcast_to(everyone[:, None], present.shape)[present]
    found += [
        _effect("kappa", name, of_occasions[:, :, n][present], whose, cov, drawn.within)
        for n, (name, cov) in enumerate(
            zip(within, np.diag(fit.estimates.within), strict=True)
        )
    ]
    return tuple(found)


def _effect(
    kind: str,
    parameter: str,
    values: np.ndarray,
    subject: np.ndarray,
    variance: float,
    drawn: Mapping[str, float],
) -> RandomEffect:
    return RandomEffect(
        name=f"{kind} of {parameter}",
        parameter=parameter,
        values=values,
        subject=subject,
        sd=float(np.sqrt(variance)),
        shrinkage=drawn[parameter],
        p_mean=float(np.asarray(stats.ttest_1samp(values, 0.0))[1]),
    )
