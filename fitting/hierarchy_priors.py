"""Priors of what is estimated of a population: stated for every name, never assumed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from pkmodels.errors import InputError, suggest
from pkmodels.population.coordinates import coefficient_names
from pkmodels.population.structure import Block, PopulationModel


class HyperFamily(StrEnum):
    """The families of hyperpriors; each lists the numbers that it takes."""

    NORMAL = "normal"  # mean, sd
    HALF_NORMAL = "half-normal"  # scale
    HALF_STUDENT_T = "half-Student t"  # scale, degrees
    LOG_NORMAL = "log-normal"  # median, log_sd
    LKJ = "LKJ"  # concentration


@dataclass(frozen=True)
class HyperPrior:
    """A prior of a typical value, a coefficient, a standard deviation or correlations.

    Made by `normal`, `half_normal`, `half_student_t`, `log_normal` and `lkj`.

    Parameters
    ----------
    family : HyperFamily
        Which distribution.
    numbers : mapping of str to float
        Its parameters.
    source : str
        The paper, table or reasoning that it comes from.

    Raises
    ------
    InputError
        When a number is not finite, one but a mean is not above 0, or no source is
        given.
    """

    family: HyperFamily
    numbers: Mapping[str, float]
    source: str

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name, value in self.numbers.items():
            if not math.isfinite(value) or (name != "mean" and value <= 0.0):
                above = "" if name == "mean" else ", above 0"
                raise InputError(
                    f"{name} of a {self.family} prior is {value}: give a finite number"
                    f"{above}"
                )
        if not self.source.strip():
            raise InputError(
                f"a {self.family} prior has no source: say where it comes from"
            )

    def __str__(self) -> str:
        """Print the prior as a reader would write it."""
        words = {"log_sd": "sd of ln"}
        said = [f"{words.get(n, n)} {value:.6g}" for n, value in self.numbers.items()]
        return f"{self.family}, {', '.join(said)} ({self.source})"


def normal(mean: float, sd: float, source: str) -> HyperPrior:
    """Return a normal prior, of a typical value on its scale or a coefficient.

    Parameters
    ----------
    mean, sd : float
        On the scale: of ln ka, not of ka; sd > 0.
    source : str
        Where it comes from.

    Returns
    -------
    HyperPrior

    Examples
    --------
    >>> print(normal(0.0, 2.0, "1/h within a factor of 50"))
    normal, mean 0, sd 2 (1/h within a factor of 50)
    """
    return HyperPrior(HyperFamily.NORMAL, {"mean": mean, "sd": sd}, source)


def half_normal(scale: float, source: str) -> HyperPrior:
    """Return a half-normal prior of a standard deviation, abs(Normal(0, scale)).

    Parameters
    ----------
    scale : float
        > 0, of the standard deviation's unit.
    source : str
        Where it comes from.

    Returns
    -------
    HyperPrior

    References
    ----------
    Gelman, Bayesian Analysis 2006;1:515-534 (half-t and half-normal priors of standard
    deviations between groups).

    Examples
    --------
    >>> print(half_normal(1.0, "subjects differ by less than a factor of 10"))
    half-normal, scale 1 (subjects differ by less than a factor of 10)
    """
    return HyperPrior(HyperFamily.HALF_NORMAL, {"scale": scale}, source)


def half_student_t(scale: float, degrees: float, source: str) -> HyperPrior:
    """Return a half-Student-t prior of a standard deviation; heavier than half-normal.

    Parameters
    ----------
    scale, degrees : float
        > 0.
    source : str
        Where it comes from.

    Returns
    -------
    HyperPrior

    Examples
    --------
    >>> half_student_t(0.5, 4.0, "wide").numbers["degrees"]
    4.0
    """
    numbers = {"scale": scale, "degrees": degrees}
    return HyperPrior(HyperFamily.HALF_STUDENT_T, numbers, source)


def log_normal(median: float, log_sd: float, source: str) -> HyperPrior:
    """Return a log-normal prior of a standard deviation: it keeps it away from 0.

    Parameters
    ----------
    median, log_sd : float
        > 0.
    source : str
        Where it comes from.

    Returns
    -------
    HyperPrior

    Examples
    --------
    >>> print(log_normal(0.1, 0.5, "assay"))
    log-normal, median 0.1, sd of ln 0.5 (assay)
    """
    numbers = {"median": median, "log_sd": log_sd}
    return HyperPrior(HyperFamily.LOG_NORMAL, numbers, source)


def lkj(concentration: float, source: str) -> HyperPrior:
    """Return a prior of the correlations of a block: p(R) ~ det(R)^(concentration - 1).

    Parameters
    ----------
    concentration : float
        > 0; 1 is uniform over correlation matrices, more draws them towards none.
    source : str
        Where it comes from.

    Returns
    -------
    HyperPrior

    References
    ----------
    Lewandowski, Kurowicka and Joe, J Multivariate Analysis 2009;100:1989-2001.

    Examples
    --------
    >>> print(lkj(2.0, "weakly towards none"))
    LKJ, concentration 2 (weakly towards none)
    """
    return HyperPrior(HyperFamily.LKJ, {"concentration": concentration}, source)


_LOCATION = (HyperFamily.NORMAL,)
_SPREAD = (HyperFamily.HALF_NORMAL, HyperFamily.HALF_STUDENT_T, HyperFamily.LOG_NORMAL)
_CORRELATION = (HyperFamily.LKJ,)
_REMEDY = {
    _LOCATION: "normal(mean, sd, source), on its scale",
    _SPREAD: "half_normal(scale, source), half_student_t or log_normal",
    _CORRELATION: "lkj(concentration, source)",
}


def correlation_name(block: Block, ending: str) -> str:
    """Return what the correlations of a block are called.

    Parameters
    ----------
    block : Block
        Random effects.
    ending : str
        "" between subjects, " by occasion" between occasions.

    Returns
    -------
    str

    Examples
    --------
    >>> from pkmodels.population.structure import correlated
    >>> correlation_name(correlated({"cl": 0.1, "v": 0.2})[0], "")
    'correlation of cl, v'
    """
    return f"correlation of {', '.join(block.parameters)}{ending}"


def prior_names(model: PopulationModel) -> tuple[str, ...]:
    """Return what needs a prior: all that `population.coordinates.names_of` names.

    Variances and covariances by their standard deviations and correlations.

    Parameters
    ----------
    model : PopulationModel
        The model.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> prior_names(worked_example.population())[2:]
    ('ln v', 'sd of ka', 'sd of cl', 'additive sd of plasma')
    """
    return tuple(_wanted(model))


def check_priors(model: PopulationModel, priors: Mapping[str, HyperPrior]) -> None:
    """Refuse priors that are missing, unused or of the wrong kind.

    Parameters
    ----------
    model : PopulationModel
        The model.
    priors : mapping of str to HyperPrior
        By `prior_names`.

    Raises
    ------
    InputError
        Naming the first that is wrong, and what to write.

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> check_priors(worked_example.population(), {"ln ka": half_normal(1.0, "x")})
    Traceback (most recent call last):
    pkmodels.errors.InputError: the prior of ln ka is half-normal: give \
normal(mean, sd, source), on its scale
    """
    wanted = _wanted(model)
    for name, prior in priors.items():
        if name not in wanted:
            raise InputError(
                f"a prior of {name!r}, which {model.name!r} does not estimate: "
                f"{suggest(name, wanted)}"
            )
        if prior.family not in wanted[name]:
            raise InputError(
                f"the prior of {name} is {prior.family}: give {_REMEDY[wanted[name]]}"
            )
    for name, families in wanted.items():
        if name not in priors:
            raise InputError(
                f"{name} of {model.name!r} has no prior, and none is assumed: give "
                f"{_REMEDY[families]}"
            )


def describe_priors(
    model: PopulationModel, priors: Mapping[str, HyperPrior]
) -> tuple[str, ...]:
    """Return all priors in words, in the model's order.

    Parameters
    ----------
    model : PopulationModel
        The model.
    priors : mapping of str to HyperPrior
        By `prior_names`.

    Returns
    -------
    tuple of str

    Raises
    ------
    InputError
        As `check_priors`.

    Examples
    --------
    >>> from pkmodels.fitting import hierarchy_example
    >>> from pkmodels.population import worked_example
    >>> describe_priors(worked_example.population(), hierarchy_example.priors())[3]
    'sd of ka: half-normal, scale 1 (within a factor of 10)'
    """
    check_priors(model, priors)
    return tuple(f"{name}: {priors[name]}" for name in prior_names(model))


def add_prior(name: str, prior: HyperPrior, size: int = 1) -> Any:
    """Add a variable with a prior to the current PyMC model.

    Correlations R of LKJ's distribution are made of partial correlations, which are
    independent: of column j < i, given the columns before it, 2 x - 1 with x ~
    Beta(b, b), b = concentration + (size - 2 - j) / 2. They are the variable "sampled
    ..."; R itself bears the name.

    Parameters
    ----------
    name : str
        Of the variable.
    prior : HyperPrior
        Its prior.
    size : int
        Of the block, where the prior is of correlations.

    Returns
    -------
    PyMC variable, or list of lists of them
        A number; of correlations the rows of the Cholesky factor, up to the diagonal.

    References
    ----------
    Lewandowski, Kurowicka and Joe, J Multivariate Analysis 2009;100:1989-2001, section
    2.4.

    Examples
    --------
    >>> with pm.Model():
    ...     add_prior("sd of ka", half_normal(1.0, "x")).name
    'sd of ka'
    """
    numbers = prior.numbers
    if prior.family is HyperFamily.NORMAL:
        return pm.Normal(name, numbers["mean"], numbers["sd"])
    if prior.family is HyperFamily.HALF_NORMAL:
        return pm.HalfNormal(name, numbers["scale"])
    if prior.family is HyperFamily.HALF_STUDENT_T:
        return pm.HalfStudentT(name, nu=numbers["degrees"], sigma=numbers["scale"])
    if prior.family is HyperFamily.LOG_NORMAL:
        return pm.LogNormal(name, math.log(numbers["median"]), numbers["log_sd"])
    return _add_correlations(name, numbers["concentration"], size)


def _add_correlations(name: str, concentration: float, size: int) -> list[list[Any]]:
    rows, columns = np.tril_indices(size, -1)
    shape = concentration + (size - 2 - columns) / 2.0
    partial: Any = 2.0 * pm.Beta(f"sampled {name}", shape, shape) - 1.0
    factor: list[list[Any]] = [[pt.constant(1.0)]]
    for i in range(1, size):
        left, row = pt.constant(1.0), []
        for p in (partial[n] for n in np.flatnonzero(rows == i)):
            row.append(p * pt.sqrt(left))
            left = left * (1.0 - p**2)
        factor.append([*row, pt.sqrt(left)])
    whole: list[Any] = [
        sum(a * b for a, b in zip(one, other, strict=False))
        for one in factor
        for other in factor
    ]
    correlations: Any = pt.stack(whole)
    pm.Deterministic(name, correlations.reshape((size, size)))
    return factor


def _wanted(model: PopulationModel) -> dict[str, tuple[HyperFamily, ...]]:
    """Return the families that each name may have."""
    found: dict[str, tuple[HyperFamily, ...]] = {}
    found |= dict.fromkeys(coefficient_names(model), _LOCATION)
    for blocks, ending in ((model.between, ""), (model.occasions, " by occasion")):
        for block in blocks:
            found |= {f"sd of {one}{ending}": _SPREAD for one in block.parameters}
            if len(block.parameters) > 1:
                found[correlation_name(block, ending)] = _CORRELATION
    for name, error in model.residual.items():
        found |= {f"additive sd of {name}": _SPREAD} if error.additive else {}
        found |= {f"proportional sd of {name}": _SPREAD} if error.proportional else {}
    return found
