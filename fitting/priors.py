"""Priors as PyMC distributions: the only place where a `Prior` becomes one."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
from scipy.special import expit, logit, ndtri

from pkmodels.errors import ModelError
from pkmodels.values import Family, Prior


def log_normals(name: str, priors: Mapping[str, Prior], dim: str) -> Any:
    """Add a vector of independent log-normal variables to the current PyMC model.

    Parameters
    ----------
    name : str
        Name of the variable.
    priors : mapping of str to Prior
        Priors by coordinate, all log-normal.
    dim : str
        Name of its dimension, whose coordinates the model already holds.

    Returns
    -------
    PyMC variable, (n,)

    Raises
    ------
    ModelError
        When a prior is of another family.

    Examples
    --------
    >>> from pkmodels.values import Certainty, log_normal
    >>> prior = {"kidney": log_normal(60.0, 1.0, "h", "wide", Certainty.JUDGEMENT)}
    >>> with pm.Model(coords={"organ": ["kidney"]}):
    ...     log_normals("half_life", prior, "organ").name
    'half_life'
    """
    for key, prior in priors.items():
        if prior.family is not Family.LOG_NORMAL:
            raise ModelError(f"{key}: a log-normal prior is needed here; got {prior}")
    medians = [prior.parameters["median"] for prior in priors.values()]
    spreads = [prior.parameters["log_sd"] for prior in priors.values()]
    return pm.LogNormal(name, mu=np.log(medians), sigma=np.array(spreads), dims=dim)


def logit_normals(name: str, priors: Mapping[str, Prior], dim: str) -> Any:
    """Add a vector of independent logit-normal variables to the current PyMC model.

    Parameters
    ----------
    name : str
        Name of the variable.
    priors : mapping of str to Prior
        Priors by coordinate, all logit-normal.
    dim : str
        Name of its dimension, whose coordinates the model already holds.

    Returns
    -------
    PyMC variable, (n,)

    Raises
    ------
    ModelError
        When a prior is of another family.

    Examples
    --------
    >>> from pkmodels.values import Certainty, logit_normal
    >>> prior = {"left": logit_normal(0.5, 0.2, "two kidneys", Certainty.JUDGEMENT)}
    >>> with pm.Model(coords={"side": ["left"]}):
    ...     logit_normals("share", prior, "side").name
    'share'
    """
    for key, prior in priors.items():
        if prior.family is not Family.LOGIT_NORMAL:
            raise ModelError(f"{key}: a logit-normal prior is needed here; got {prior}")
    medians = np.array([prior.parameters["median"] for prior in priors.values()])
    spreads = np.array([prior.parameters["logit_sd"] for prior in priors.values()])
    # PyMC would sample them between 0 and 1 without a transform.
    return pm.LogitNormal(
        name,
        mu=logit(medians),
        sigma=spreads,
        dims=dim,
        transform=pm.distributions.transforms.logodds,
    )


def half_normals(
    name: str, priors: Mapping[str, Prior], dim: str, *, scales: Any = None
) -> Any:
    """Add a vector of independent half-normal variables to the current PyMC model.

    Parameters
    ----------
    name : str
        Name of the variable.
    priors : mapping of str to Prior
        Priors by coordinate, all half-normal.
    dim : str
        Name of its dimension, whose coordinates the model already holds.
    scales : PyMC data, optional
        Stands for the priors' scales, so that they can change between runs.

    Returns
    -------
    PyMC variable, (n,)

    Raises
    ------
    ModelError
        When a prior is of another family.

    Examples
    --------
    >>> from pkmodels.values import Certainty, half_normal
    >>> prior = {"SPECT": half_normal(0.1, "", "wide", Certainty.JUDGEMENT)}
    >>> with pm.Model(coords={"modality": ["SPECT"]}):
    ...     half_normals("noise", prior, "modality").name
    'noise'
    """
    for key, prior in priors.items():
        if prior.family is not Family.HALF_NORMAL:
            raise ModelError(f"{key}: a half-normal prior is needed here; got {prior}")
    sigma = half_normal_scales(priors) if scales is None else scales
    return pm.HalfNormal(name, sigma=sigma, dims=dim)


def half_normal_scales(priors: Mapping[str, Prior]) -> np.ndarray:
    """Return the scales of half-normal priors, in order.

    Parameters
    ----------
    priors : mapping of str to Prior
        Priors, all half-normal.

    Returns
    -------
    (n,) array

    Examples
    --------
    >>> from pkmodels.values import Certainty, half_normal
    >>> prior = half_normal(0.1, "", "wide", Certainty.JUDGEMENT)
    >>> half_normal_scales({"SPECT": prior}).tolist()
    [0.1]
    """
    return np.array([prior.parameters["scale"] for prior in priors.values()])


def sampling_scale_sd(prior: Prior) -> float:
    """Return the prior sd on the scale on which contraction is judged.

    Parameters
    ----------
    prior : Prior
        The prior.

    Returns
    -------
    float
        sd of ln x for a log-normal, of logit x for a logit-normal; of x for a
        half-normal, scale sqrt(1 - 2/pi).

    Examples
    --------
    >>> from pkmodels.values import Certainty, half_normal
    >>> wide = half_normal(0.1, "", "wide", Certainty.JUDGEMENT)
    >>> round(sampling_scale_sd(wide), 4)
    0.0603
    """
    if prior.family is Family.LOG_NORMAL:
        return prior.parameters["log_sd"]
    if prior.family is Family.LOGIT_NORMAL:
        return prior.parameters["logit_sd"]
    return prior.parameters["scale"] * math.sqrt(1.0 - 2.0 / math.pi)


def on_sampling_scale(prior: Prior, draws: np.ndarray) -> np.ndarray:
    """Return draws on the scale of `sampling_scale_sd`.

    Parameters
    ----------
    prior : Prior
        The prior.
    draws : (n_draws,) array
        In the prior's unit.

    Returns
    -------
    (n_draws,) array

    Examples
    --------
    >>> from pkmodels.values import Certainty, log_normal
    >>> wide = log_normal(1.0, 0.5, "h", "wide", Certainty.JUDGEMENT)
    >>> on_sampling_scale(wide, np.ones(2)).tolist()
    [0.0, 0.0]
    """
    if prior.family is Family.LOG_NORMAL:
        return np.log(draws)
    if prior.family is Family.LOGIT_NORMAL:
        return logit(draws)
    return draws


def prior_quantiles(
    prior: Prior, levels: tuple[float, float, float]
) -> tuple[float, float, float]:
    """Return quantiles of a prior.

    Parameters
    ----------
    prior : Prior
        The prior.
    levels : (float, float, float)
        Probabilities, in (0, 1).

    Returns
    -------
    (float, float, float)
        In the prior's unit.

    Examples
    --------
    >>> from pkmodels.values import Certainty, half_normal
    >>> wide = half_normal(0.1, "", "wide", Certainty.JUDGEMENT)
    >>> round(prior_quantiles(wide, (0.025, 0.5, 0.975))[1], 4)
    0.0674
    """
    if prior.family is Family.LOG_NORMAL:
        median, log_sd = prior.parameters["median"], prior.parameters["log_sd"]
        first, second, third = (median * math.exp(log_sd * ndtri(p)) for p in levels)
    elif prior.family is Family.LOGIT_NORMAL:
        centre, sd = logit(prior.parameters["median"]), prior.parameters["logit_sd"]
        first, second, third = (expit(centre + sd * ndtri(p)) for p in levels)
    else:
        scale = prior.parameters["scale"]
        first, second, third = (scale * ndtri(0.5 + p / 2.0) for p in levels)
    return float(first), float(second), float(third)
