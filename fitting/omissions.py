"""Omissions: a posterior without some of its rows, and what it says about them.

The posterior without rows keeps every parameter that still has a row to inform it.
Those that only the rows left out could inform, as the noise of a modality that is left
out altogether, stand at their prior, which is their posterior then.
"""

from collections.abc import Sequence
from dataclasses import fields, replace

import jax
import numpy as np
from scipy.special import logit

from pkmodels.errors import FitRefusedError, InputError
from pkmodels.fitting.coordinates import coordinates_of
from pkmodels.fitting.densities import compile_density
from pkmodels.fitting.fit import Fit
from pkmodels.fitting.noise import Noise
from pkmodels.fitting.observations import Observations
from pkmodels.fitting.posterior import EXPECTED, Posterior, build_model
from pkmodels.fitting.rows import log_likelihoods
from pkmodels.values import Family, Prior

# Stream of random numbers of what only the rows left out could inform.
_PRIOR_STREAM = 6
# Of the noise's fields, those that are no row by row array.
_NAMES = ("backgrounds", "samples", "maxima")
_BY_ROW = (
    "node",
    "weight",
    "overlap",
    "other_node",
    "other_weight",
    "factor",
    "calibration",
    "mass",
    "mass_exponent",
    "recovery",
    "modality",
    "region",
    "floor",
    "value",
    "sd",
)


def without_rows(posterior: Posterior, rows: Sequence[int]) -> Posterior:
    """Return a posterior that has not seen some of its measurements.

    Parameters
    ----------
    posterior : Posterior
        With all of them.
    rows : sequence of int
        Places of those to leave out, each >= 0; not all.

    Returns
    -------
    Posterior
        Of the same kinetics, priors and masses.

    Raises
    ------
    InputError
        When a row is not there, or none would be left.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> without_rows(worked_example.posterior(), [1]).observations.value.tolist()
    [70.0, 16.0]
    """
    seen = posterior.observations
    count = len(seen.value)
    outside = [row for row in rows if not 0 <= row < count]
    if outside:
        raise InputError(
            f"row {outside[0]} is left out, but there are {count}, from 0: see "
            "group_rows"
        )
    kept = np.setdiff1d(np.arange(count), np.asarray(rows, dtype=int))
    if kept.size == 0:
        raise InputError(
            f"all {count} rows are left out: nothing would be left to learn from; "
            "leave out single scans or rows"
        )
    experiments, start = [], 0
    for each in posterior.experiments:
        own = [i - start for i in kept if start <= i < start + len(each.measurements)]
        start += len(each.measurements)
        left = tuple(each.measurements[i] for i in own)
        experiments.append(replace(each, measurements=left))
    observations = replace(
        seen,
        measurements=tuple(seen.measurements[i] for i in kept),
        noise=_noise_of(seen.noise, kept),
        **_arrays_of(seen, kept),
    )
    return replace(posterior, experiments=tuple(experiments), observations=observations)


def _arrays_of(seen: Observations, kept: np.ndarray) -> dict[str, np.ndarray]:
    return {name: getattr(seen, name)[kept] for name in _BY_ROW}


def _noise_of(noise: Noise, kept: np.ndarray) -> Noise:
    names = [field.name for field in fields(noise) if field.name not in _NAMES]
    return replace(noise, **{name: getattr(noise, name)[kept] for name in names})


def log_likelihood_without(
    posterior: Posterior, rows: Sequence[int], reduced: Fit
) -> np.ndarray:
    """Return ln p(y_g | x) under each draw x of a fit that has not seen these rows.

    Jointly of all rows g, each in its own unit.

    Parameters
    ----------
    posterior : Posterior
        With all rows.
    rows : sequence of int
        Those that were left out.
    reduced : Fit
        Of `without_rows` of them.

    Returns
    -------
    (n_chains, n_draws) array
        -inf where the rows are impossible.

    Raises
    ------
    FitRefusedError
        When the fit failed its checks.
    InputError
        When the fit is of another posterior.

    References
    ----------
    Vehtari, Gelman and Gabry, Stat Comput 2017;27:1413, equation 4: the mean of its
    exponential is the predictive density.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> from pkmodels.fitting.checks import Checks
    >>> from pkmodels.fitting.sampling import Draws
    >>> example = worked_example.posterior()
    >>> at = np.full((4, 100, 2), np.log([50.0, 0.1]))  # half-life in h, noise
    >>> draws = Draws({}, at, np.zeros((4, 100), bool), 0.9)
    >>> passed = Checks(1.0, 2e3, 2e3, 0, 0, (), 1, ())
    >>> fitted = Fit(without_rows(example, [2]), draws, passed, seed=0)
    >>> round(float(log_likelihood_without(example, [2], fitted)[0, 0]), 3)
    -7.541
    """
    if not reduced.checks.passed and reduced.despite is None:
        raise FitRefusedError("; ".join(reduced.checks.reasons))
    if len(reduced.posterior.observations.value) + len(rows) != len(
        posterior.observations.value
    ):
        raise InputError(
            f"the fit has seen {len(reduced.posterior.observations.value)} rows of "
            f"{len(posterior.observations.value)}, {len(rows)} being left out: fit "
            "without_rows(posterior, rows)"
        )
    model = build_model(posterior)
    density = compile_density(model)
    at = _completed(posterior, reduced)
    drawn = jax.jit(lambda xs: jax.lax.map(density.constrain, xs, batch_size=500))(at)
    variables = dict(zip(density.names, map(np.asarray, drawn), strict=True))
    found = log_likelihoods(model, variables)[:, list(rows)].sum(axis=1)
    found = np.where(np.isnan(found), -np.inf, found)
    return found.reshape(reduced.draws.diverging.shape)


def _completed(posterior: Posterior, reduced: Fit) -> np.ndarray:
    """Return the draws as vectors of the whole posterior, (n_draws, n)."""
    count = reduced.draws.diverging.size
    known = reduced.draws.unconstrained.reshape(count, -1)
    names = [(c.variable, c.name) for c in coordinates_of(reduced.posterior)]
    generator = np.random.default_rng([reduced.seed, _PRIOR_STREAM])
    columns = []
    for each in coordinates_of(posterior):
        if (each.variable, each.name) in names:
            columns.append(known[:, names.index((each.variable, each.name))])
        else:
            assert each.prior is not None
            columns.append(_draw_unconstrained(each.prior, count, generator))
    return np.stack(columns, axis=1)


def _draw_unconstrained(
    prior: Prior, count: int, generator: np.random.Generator
) -> np.ndarray:
    """Draw from a prior on PyMC's unconstrained scale: of ln x, or of logit x."""
    normal, given = generator.standard_normal(count), prior.parameters
    if prior.family is Family.LOG_NORMAL:
        return np.log(given["median"]) + given["log_sd"] * normal
    if prior.family is Family.LOGIT_NORMAL:
        return logit(given["median"]) + given["logit_sd"] * normal
    return np.log(given["scale"] * np.abs(normal))


def log_likelihood_of(fit: Fit) -> np.ndarray:
    """Return ln of the density of each measured value under each draw of a fit.

    Parameters
    ----------
    fit : Fit
        A fit.

    Returns
    -------
    (n_chains, n_draws, n_rows) array
        Of the values themselves; see `pkmodels.fitting.rows`.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> from pkmodels.fitting.checks import Checks
    >>> from pkmodels.fitting.sampling import Draws
    >>> variables = {
    ...     "kinetics": np.full((4, 100, 1), 60.0),
    ...     "relative_noise": np.full((4, 100, 1), 0.05),
    ...     "expected": np.full((4, 100, 3), [70.0, 35.0, 16.0]),
    ... }
    >>> draws = Draws(variables, np.zeros((4, 100, 2)), np.zeros((4, 100), bool), 0.9)
    >>> passed = Checks(1.0, 2e3, 2e3, 0, 0, (), 1, ())
    >>> made = Fit(worked_example.posterior(), draws, passed, seed=0)
    >>> log_likelihood_of(made)[0, 0].round(3)
    array([-2.191, -1.498, -0.715])
    """
    drawn = fit.draws.variables
    assert EXPECTED in drawn
    flat = {name: x.reshape(-1, *x.shape[2:]) for name, x in drawn.items()}
    found = log_likelihoods(build_model(fit.posterior), flat)
    return found.reshape(*fit.draws.diverging.shape, -1)
