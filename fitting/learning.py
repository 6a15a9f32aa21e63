"""Learning: what the data told about each parameter, beside its prior."""

from collections.abc import Iterator, Mapping

import numpy as np
import pymc as pm

from pkmodels.fitting.fit import Fit
from pkmodels.fitting.posterior import (
    KINETICS,
    MASS,
    ODDS,
    PROPORTION,
    Posterior,
    distribution_in_words,
)
from pkmodels.fitting.priors import (
    on_sampling_scale,
    prior_quantiles,
    sampling_scale_sd,
)
from pkmodels.values import Prior

Quantiles = tuple[float, float, float]
_LEVELS = (0.025, 0.5, 0.975)
# Draws of a PyMC distribution, whose variance has no closed form in general.
_PRIOR_DRAWS, _SEED = 4000, 0


def contraction(fit: Fit) -> dict[str, float]:
    """Return how much the data narrowed each parameter: 1 - var posterior / var prior.

    On the scale of ln x for log-normal priors, of logit x for logit-normal ones, of x
    for half-normal ones. An unknown with a PyMC distribution is held to draws of that,
    on the scale of ln x where all are positive. Near 0 the prior speaks, near 1 the
    data do.

    Parameters
    ----------
    fit : Fit
        The fit.

    Returns
    -------
    dict of str to float
        By parameter; noise and calibration by ``variable[coordinate]``.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> from pkmodels.fitting.checks import Checks
    >>> from pkmodels.fitting.sampling import Draws
    >>> generator = np.random.default_rng(0)
    >>> variables = {
    ...     "kinetics": np.exp(generator.normal(4.2, 0.1, (4, 500, 1))),
    ...     "relative_noise": np.abs(generator.normal(0.0, 0.1, (4, 500, 1))),
    ... }
    >>> draws = Draws(variables, np.zeros((4, 500, 2)), np.zeros((4, 500), bool), 0.9)
    >>> passed = Checks(1.0, 2e3, 2e3, 0, 0, (), 1, ())
    >>> example = Fit(worked_example.posterior(), draws, passed, seed=0)
    >>> {name: round(value, 1) for name, value in contraction(example).items()}
    {'half_life': 1.0, 'relative_noise[SPECT]': 0.0}
    """
    found: dict[str, float] = {}
    for name, prior, draws in _parameters(fit):
        scaled = on_sampling_scale(prior, draws)
        found[name] = 1.0 - float(np.var(scaled)) / sampling_scale_sd(prior) ** 2
    for name, prior_draws, draws in _drawn_priors(fit):
        positive = min(prior_draws.min(), draws.min()) > 0.0
        before, after = (
            float(np.var(np.log(x) if positive else x)) for x in (prior_draws, draws)
        )
        found[name] = 1.0 - after / before
    return found


def quantiles_of(fit: Fit) -> dict[str, tuple[str, Quantiles, Quantiles]]:
    """Return each parameter's unit and its quantiles before and after the data.

    Parameters
    ----------
    fit : Fit
        The fit.

    Returns
    -------
    dict of str to (str, (float, float, float), (float, float, float))
        By parameter as in `contraction`: unit, then 2.5, 50 and 97.5 % of the prior and
        of the posterior. An uptake fraction stands as its ratio to the eliminated one;
        the quantiles of a PyMC distribution are those of draws.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> from pkmodels.fitting.checks import Checks
    >>> from pkmodels.fitting.sampling import Draws
    >>> variables = {
    ...     "kinetics": np.full((4, 500, 1), 70.0),
    ...     "relative_noise": np.full((4, 500, 1), 0.05),
    ... }
    >>> draws = Draws(variables, np.zeros((4, 500, 2)), np.zeros((4, 500), bool), 0.9)
    >>> passed = Checks(1.0, 2e3, 2e3, 0, 0, (), 1, ())
    >>> example = Fit(worked_example.posterior(), draws, passed, seed=0)
    >>> unit, prior, posterior = quantiles_of(example)["half_life"]
    >>> unit, round(prior[2] / prior[1], 2), posterior[1]  # exp(1.96)
    ('h', 7.1, 70.0)
    """
    found = {}
    for name, prior, draws in _parameters(fit):
        low, median, high = (float(q) for q in np.quantile(draws, _LEVELS))
        found[name] = prior.unit, prior_quantiles(prior, _LEVELS), (low, median, high)
    for name, prior_draws, draws in _drawn_priors(fit):
        low, median, high = (float(q) for q in np.quantile(prior_draws, _LEVELS))
        before = low, median, high
        low, median, high = (float(q) for q in np.quantile(draws, _LEVELS))
        unit = fit.posterior.priors.independent[name].unit
        found[name] = unit, before, (low, median, high)
    return found


def _drawn_priors(fit: Fit) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield name, prior draws and draws of each unknown with a PyMC distribution."""
    for name, distribution in fit.posterior.distributions.items():
        prior = np.asarray(pm.draw(distribution, _PRIOR_DRAWS, random_seed=_SEED))
        yield name, prior, fit.draws.variables[name].ravel()


def _parameters(fit: Fit) -> Iterator[tuple[str, Prior, np.ndarray]]:
    """Yield name, prior and draws of every parameter that a measurement depends on."""
    count = fit.draws.diverging.size
    weighed = fit.posterior.observations.weighed
    for variable, group in fit.posterior.all_priors.items():
        columns = fit.draws.variables[variable].reshape(count, -1).T
        for (name, prior), column in zip(group.items(), columns, strict=True):
            if variable != MASS or name in weighed:
                yield _key(variable, name), prior, column


def _key(variable: str, name: str) -> str:
    return name if variable in (KINETICS, PROPORTION, ODDS) else f"{variable}[{name}]"


def priors_in_words(posterior: Posterior) -> Mapping[str, str]:
    """Return every prior as text.

    Parameters
    ----------
    posterior : Posterior
        What is fitted.

    Returns
    -------
    mapping of str to str
        By parameter, as `contraction` names them; an uptake fraction's prior is that
        of its ratio to the eliminated fraction.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> priors_in_words(worked_example.posterior())["half_life"]
    'log-normal, median 60 h, sd of ln 1 (judgement: wide)'
    """
    words: dict[str, str] = {}
    for variable, group in posterior.all_priors.items():
        for name, prior in group.items():
            note = "ratio to the eliminated fraction: " if variable == ODDS else ""
            words[_key(variable, name)] = f"{note}{prior}"
    for name, distribution in posterior.distributions.items():
        words[name] = distribution_in_words(distribution)
    return words
