"""Posterior-predictive checks: does the fitted model describe its own data?

Row i has the normal score z_i = Phi^-1(F(y_i | x)), F the distribution that a draw x
gives to the value: standard normal at the true x, whatever the noise is. Over rows of
one region or modality T = sum z_i^2 is then chi-square of n, so that the posterior-
predictive p-value P(T of replicated data >= T) is the mean of its upper tail over the
draws. And the signs of the residuals along a curve that fits change often.

A count N, or a value below its limit, says only that F lies within an interval, from
F(N - 1) to F(N) or from 0 to P(below): a uniform draw within it, anew for each x, has
the same distribution (Dunn and Smyth, J Comput Graph Stat 1996;5:236).
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import comb
from typing import Any

import jax
import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.sampling.jax import get_jaxified_graph
from pytensor.graph.replace import clone_replace
from scipy.special import ndtri, ndtri_exp
from scipy.stats import chi2, nbinom, poisson

from pkmodels.fitting.densities import Density
from pkmodels.fitting.distributions import has_extra_variance
from pkmodels.fitting.information import given_expected
from pkmodels.fitting.likelihood import COUNTS
from pkmodels.fitting.posterior import EXPECTED, Posterior, measured_data
from pkmodels.fitting.sampling import Draws

# Draws that a p-value is averaged over: it varies little from one to the next.
_MOST_DRAWS = 400
# Phi(8.2) is 1 to double precision.
_LARGEST_SCORE = 8.2
# Of the uniform draws within the interval of a count or a limit.
_SEED = 20
_COUNTS, _BELOW = "counts", "_below"

Scorer = Callable[[np.ndarray, np.ndarray, tuple[Any, ...]], dict[str, Any]]


@dataclass(frozen=True)
class PredictiveCheck:
    """How well the model describes the values of a region or modality.

    Parameters
    ----------
    about : str
        "region kidney_left" or "modality SPECT".
    n_rows : int
        How many values.
    p_value : float
        Posterior-predictive probability of values that lie as far from the curves, in
        [0, 1]; about 0.5 where the model holds.
    """

    about: str
    n_rows: int
    p_value: float


@dataclass(frozen=True)
class SignRuns:
    """How often the residuals of a region change their sign over time.

    Parameters
    ----------
    about : str
        Which region or modality.
    runs : int
        Stretches of residuals of one sign, over all its series.
    p_value : float
        Exact probability of so few, were the order of the residuals random.
    """

    about: str
    runs: int
    p_value: float


def compile_scores(density: Density) -> Scorer:
    """Compile the distribution function of every measured value.

    Parameters
    ----------
    density : Density
        Of a model from `build_model`.

    Returns
    -------
    callable
        ``scores(unconstrained, expected, data) -> {term: ln F}`` of (n_draws, n)
        vectors and the (n_draws, n_rows) values that they expect; each (n_draws, rows
        of the term). Of values below a limit ln P(below), of counts their mean and
        extra variance, (n_draws, 2, rows); {} where nothing is known of any term.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> from pkmodels.fitting.densities import compile_density
    >>> from pkmodels.fitting.posterior import build_model
    >>> density = compile_density(build_model(worked_example.posterior()))
    >>> scores = compile_scores(density)
    >>> data = density.data(measured_data(worked_example.posterior()))
    >>> at = np.array([[4.0, -2.0]])  # ln h, ln of the noise
    >>> list(scores(at, np.array([[70.0, 35.0, 16.0]]), data))
    ['log_value']
    """
    known, order = given_expected(density)
    graphs = {v.name: _log_distribution(v, known) for v in known.observed_RVs}
    graphs = {name: graph for name, graph in graphs.items() if graph is not None}
    if not graphs:
        return lambda unconstrained, expected, data: {}
    outputs: Any = known.replace_rvs_by_values(list(graphs.values()))
    named = [known[name] for name in (EXPECTED, *density.data_names)]
    shared: Any = {v: v.type(name=v.name) for v in named}
    outputs = clone_replace(outputs, replace=shared)
    function: Any = get_jaxified_graph(
        inputs=[*known.value_vars, *shared.values()], outputs=outputs
    )

    def one(x: Any, expected: Any, data: tuple[Any, ...]) -> Any:
        parts = density.split(x)
        found = function(*(parts[i] for i in order), expected, *data)
        return dict(zip(graphs, found, strict=True))

    return jax.jit(jax.vmap(one, in_axes=(0, 0, None)))


def _log_distribution(variable: Any, model: pm.Model) -> Any:
    """Return ln F of what was observed, or what it is made of; None if not known."""
    if variable.name == _COUNTS:
        mean, extra = variable.owner.op.dist_params(variable.owner)
        return pt.stack([mean, extra])
    if variable.name.endswith(_BELOW):
        return pm.logp(variable, model.rvs_to_values[variable])
    if np.issubdtype(variable.dtype, np.integer):
        return None
    try:
        return pm.logcdf(variable, model.rvs_to_values[variable])
    except NotImplementedError:
        return None


def normal_scores(
    posterior: Posterior, draws: Draws, density: Density, scorer: Scorer
) -> np.ndarray:
    """Return the normal score of every row for some of the draws.

    Parameters
    ----------
    posterior : Posterior
        What was fitted.
    draws : Draws
        From the sampler.
    density : Density
        Of its model.
    scorer : callable
        From `compile_scores`.

    Returns
    -------
    (n_some, n_rows) array
        NaN for rows whose distribution is not known.

    References
    ----------
    Dunn and Smyth, J Comput Graph Stat 1996;5:236 (scores of counts and limits).
    """
    count = draws.diverging.size
    some = np.unique(np.linspace(0, count - 1, _MOST_DRAWS).astype(int))
    at = draws.unconstrained.reshape(count, -1)[some]
    expected = draws.variables[EXPECTED].reshape(count, -1)[some]
    terms = scorer(at, expected, density.data(measured_data(posterior)))
    found = np.full((some.size, expected.shape[1]), np.nan)
    generator = np.random.default_rng(_SEED)
    for name, term in terms.items():
        known = np.asarray(term)
        if name == _COUNTS:
            counts = measured_data(posterior)[COUNTS]
            scores = count_scores(counts, known[:, 0], known[:, 1], generator)
        elif name.endswith(_BELOW):
            scores = ndtri_exp(known + np.log1p(-generator.random(known.shape)))
        else:
            scores = ndtri_exp(known)
        limited = np.clip(scores, -_LARGEST_SCORE, _LARGEST_SCORE)
        found[:, _rows(posterior, density.model, name)] = limited
    return found


def count_scores(
    counts: np.ndarray,
    mean: np.ndarray,
    extra: np.ndarray,
    generator: np.random.Generator,
) -> np.ndarray:
    """Return normal scores of counts, Phi^-1(F(N - 1) + v P(N)), v uniform.

    Parameters
    ----------
    counts : (n,) array of int
        N.
    mean, extra : (n_draws, n) array
        Of the counts, and variance less the mean: Poisson's or negative-binomial.
    generator : numpy.random.Generator
        Of v.

    Returns
    -------
    (n_draws, n) array

    References
    ----------
    Dunn and Smyth, J Comput Graph Stat 1996;5:236.

    Examples
    --------
    >>> generator = np.random.default_rng(1)
    >>> mean = np.full((1000, 1), 4.0)
    >>> drawn = generator.poisson(mean)
    >>> scores = [count_scores(n, m[None], 0.0 * m[None], generator)[0, 0]
    ...           for n, m in zip(drawn, mean)]
    >>> abs(np.mean(scores)) < 0.1, abs(np.std(scores) - 1.0) < 0.07
    (np.True_, np.True_)
    """
    scattered = has_extra_variance(mean, extra)
    size = np.divide(mean**2, extra, out=np.ones_like(mean), where=scattered)
    wide: Any = nbinom(size, size / (size + mean))
    below, here, above = (
        np.where(scattered, of_wide, of_poisson)
        for of_wide, of_poisson in (
            (wide.cdf(counts - 1), poisson.cdf(counts - 1, mean)),
            (wide.pmf(counts), poisson.pmf(counts, mean)),
            (wide.sf(counts), poisson.sf(counts, mean)),
        )
    )
    share = generator.random(mean.shape)
    low, high = below + share * here, above + (1.0 - share) * here
    return np.where(low < high, ndtri(low), -ndtri(high))


def _rows(posterior: Posterior, model: pm.Model, term: str) -> np.ndarray:
    """Return the rows of the observations that one term of the likelihood holds."""
    [dim] = model.named_vars_to_dims.get(term, (None,))
    if dim is not None:
        return np.array(model.coords[dim], dtype=int)
    additive = posterior.additive
    return np.flatnonzero(additive if term == "value" else ~additive)


def check_predictions(
    posterior: Posterior, scores: np.ndarray
) -> tuple[PredictiveCheck, ...]:
    """Return the posterior-predictive check of every region and every modality.

    Parameters
    ----------
    posterior : Posterior
        What was fitted.
    scores : (n_draws, n_rows) array
        From `normal_scores`.

    Returns
    -------
    tuple of PredictiveCheck

    References
    ----------
    Gelman, Meng, Stern, Stat Sinica 1996;6:733 (realized discrepancies).

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> posterior = worked_example.posterior()
    >>> far = np.array([[0.0, 3.0, -3.0]])
    >>> found = check_predictions(posterior, far)[0]  # chi-square 18 of 3
    >>> found.about, found.n_rows, round(found.p_value, 5)
    ('region organ', 3, 0.00044)
    """
    found = []
    for about, rows in _groups(posterior):
        own = rows[np.isfinite(scores[:, rows]).all(axis=0)]
        if own.size:
            sums = (scores[:, own] ** 2).sum(axis=1)
            p = float(chi2.sf(sums, own.size).mean())
            found.append(PredictiveCheck(about, own.size, p))
    return tuple(found)


def _groups(posterior: Posterior) -> list[tuple[str, np.ndarray]]:
    seen = posterior.observations
    regions = [
        (f"region {name}", np.flatnonzero(seen.region == i))
        for i, name in enumerate(seen.regions)
    ]
    modalities = [
        (f"modality {name}", np.flatnonzero(seen.modality == i))
        for i, name in enumerate(seen.modalities)
    ]
    return regions + modalities


def count_runs(posterior: Posterior, scores: np.ndarray) -> tuple[SignRuns, ...]:
    """Return how often residuals change sign, of every region and every modality.

    A series is what one modality measured of one region and label in one experiment,
    in the order of time. Given how many of its residuals lie above and below the curve,
    the number of runs has a known distribution; that of several is a convolution.

    Parameters
    ----------
    posterior : Posterior
        What was fitted.
    scores : (n_draws, n_rows) array
        From `normal_scores`; the sign is that of the mean.

    Returns
    -------
    tuple of SignRuns

    References
    ----------
    Wald and Wolfowitz, Ann Math Stat 1940;11:147.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> scores = np.array([[0.5, 1.0, -1.0]])
    >>> count_runs(worked_example.posterior(), scores)[0]  # doctest: +ELLIPSIS
    SignRuns(about='region organ', runs=2, p_value=0.66...)
    """
    above = scores.mean(axis=0) > 0.0
    # A limit is no residual: it lies on neither side.
    used = np.isfinite(scores).all(axis=0) & ~posterior.observations.noise.below
    series = _series(posterior, np.flatnonzero(used))
    found = []
    for about, rows in _groups(posterior):
        own = [above[s] for s in series if np.isin(s, rows).all()]
        if not own:
            continue
        runs = sum(1 + int((s[1:] != s[:-1]).sum()) for s in own)
        distribution = np.ones(1)
        for signs in own:
            of_one = runs_distribution(int(signs.sum()), int((~signs).sum()))
            distribution = np.convolve(distribution, of_one)
        found.append(SignRuns(about, runs, float(distribution[: runs + 1].sum())))
    return tuple(found)


def _series(posterior: Posterior, rows: np.ndarray) -> list[np.ndarray]:
    """Return the rows of each series in the order of time."""
    sizes = [len(e.measurements) for e in posterior.experiments]
    experiment = np.repeat(np.arange(len(sizes)), sizes)
    measurements = posterior.observations.measurements
    series: dict[tuple[Any, ...], list[int]] = {}
    for row in sorted(rows, key=lambda row: measurements[row].start_h):
        item = measurements[row]
        key = (experiment[row], item.region, item.modality, item.label)
        series.setdefault(key, []).append(int(row))
    return [np.array(found) for found in series.values()]


def runs_distribution(above: int, below: int) -> np.ndarray:
    """Return the distribution of the number of runs in a random order of two signs.

    P(2 k) = 2 C(a-1, k-1) C(b-1, k-1) / C(a+b, a), and
    P(2 k + 1) = (C(a-1, k) C(b-1, k-1) + C(a-1, k-1) C(b-1, k)) / C(a+b, a).

    Parameters
    ----------
    above, below : int
        How many of each sign, >= 0, not both 0.

    Returns
    -------
    (n,) array
        Probability of 0, 1, 2, ... runs.

    References
    ----------
    Wald and Wolfowitz, Ann Math Stat 1940;11:147.

    Examples
    --------
    >>> runs_distribution(2, 2).round(4)  # 2, 2 and 2 of the 6 orders
    array([0.    , 0.    , 0.3333, 0.3333, 0.3333])
    """
    if min(above, below) == 0:
        return np.array([0.0, 1.0])
    a, b = above - 1, below - 1
    ways = [0, 0]
    for k in range(1, min(above, below) + 1):
        ways.append(2 * comb(a, k - 1) * comb(b, k - 1))
        ways.append(comb(a, k) * comb(b, k - 1) + comb(a, k - 1) * comb(b, k))
    while ways[-1] == 0:
        ways.pop()
    return np.array(ways) / comb(above + below, above)
