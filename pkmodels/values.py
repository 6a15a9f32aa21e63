"""Numbers with their provenance, and prior distributions as plain values."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist
from zlib import crc32

import numpy as np

from pkmodels.errors import InputError, ModelError


class Certainty(StrEnum):
    """How sure a number is."""

    PUBLISHED = "published"
    DERIVED = "derived"
    JUDGEMENT = "judgement"
    STATED = "stated"  # by whoever wrote the patient's file


@dataclass(frozen=True)
class Value:
    """A number with its unit and source.

    Parameters
    ----------
    value : float
        The number, in `unit`.
    unit : str
        Its unit.
    source : str
        The paper, table or reasoning that it comes from.
    certainty : Certainty
        Whether it was read, derived or judged.
    """

    value: float
    unit: str
    source: str
    certainty: Certainty


class Family(StrEnum):
    """The families of priors; each lists the parameters that it takes."""

    LOG_NORMAL = "log_normal"  # median > 0, log_sd > 0
    LOGIT_NORMAL = "logit_normal"  # 0 < median < 1, logit_sd > 0
    HALF_NORMAL = "half_normal"  # scale > 0


_PARAMETERS = {
    Family.LOG_NORMAL: ("median", "log_sd"),
    Family.LOGIT_NORMAL: ("median", "logit_sd"),
    Family.HALF_NORMAL: ("scale",),
}


@dataclass(frozen=True)
class Prior:
    """A prior distribution of one parameter, with its source.

    Parameters
    ----------
    family : Family
        Which distribution.
    parameters : mapping of str to float
        Its parameters, each > 0: log_normal takes ``median`` (in `unit`) and
        ``log_sd``; logit_normal, of a fraction, ``median`` (< 1) and ``logit_sd``;
        half_normal ``scale`` (in `unit`).
    unit : str
        Unit of the quantity.
    source : str
        The paper, table or reasoning that it comes from.
    certainty : Certainty
        Whether it was read, derived or judged.

    Raises
    ------
    ModelError
        When the parameters are not those of the family, or not positive.
    """

    family: Family
    parameters: Mapping[str, float]
    unit: str
    source: str
    certainty: Certainty

    def __post_init__(self) -> None:
        """Check that the parameters are those of the family."""
        expected = _PARAMETERS[self.family]
        if set(self.parameters) != set(expected):
            raise ModelError(
                f"a {self.family} prior takes {', '.join(expected)}; "
                f"got {', '.join(self.parameters)}"
            )
        for name, value in self.parameters.items():
            if not (math.isfinite(value) and value > 0.0):
                raise ModelError(
                    f"{name} of a {self.family} prior must be finite and > 0; "
                    f"got {value}"
                )
        if self.family is Family.LOGIT_NORMAL and self.parameters["median"] >= 1.0:
            raise ModelError(
                f"the median of a {self.family} prior, of a fraction, must be below 1; "
                f"got {self.parameters['median']}"
            )

    def __str__(self) -> str:
        """Print the prior as a reader would write it."""
        if self.family is Family.LOG_NORMAL:
            median, log_sd = self.parameters["median"], self.parameters["log_sd"]
            unit = "" if self.unit == "1" else f" {self.unit}".rstrip()
            text = f"log-normal, median {median:.6g}{unit}"
            text = f"{text}, sd of ln {log_sd:.3g}"
        elif self.family is Family.LOGIT_NORMAL:
            median, logit_sd = self.parameters["median"], self.parameters["logit_sd"]
            text = f"logit-normal, median {median:.6g}, sd of logit {logit_sd:.3g}"
        else:
            text = f"half-normal, scale {self.parameters['scale']:.3g} {self.unit}"
        return f"{text.rstrip()} ({self.certainty}: {self.source})"


@dataclass(frozen=True)
class PriorSet:
    """The priors of a model's parameters.

    Parameters
    ----------
    independent : mapping of str to Prior
        Prior of each parameter that stands alone, by name.
    odds : mapping of str to Prior
        Parameters that make up a simplex with an unnamed remainder: the fraction of
        i is odds_i / (1 + sum odds), odds_i being its ratio to the remainder, whose
        prior this is. It may be empty.
    """

    independent: Mapping[str, Prior]
    odds: Mapping[str, Prior]

    def check(self, names: tuple[str, ...]) -> None:
        """Refuse missing and unused priors.

        Parameters
        ----------
        names : tuple of str
            Every parameter of the model.

        Raises
        ------
        ModelError
            When a parameter has no prior, or a prior no parameter.
        """
        given = [*self.independent, *self.odds]
        missing = [name for name in names if name not in given]
        unused = [name for name in given if name not in names]
        if missing or unused or len(given) != len(set(given)):
            raise ModelError(
                "each parameter needs exactly one prior; without one: "
                f"{', '.join(missing) or 'none'}; unused: {', '.join(unused) or 'none'}"
            )


def log_normal(
    median: float, log_sd: float, unit: str, source: str, certainty: Certainty
) -> Prior:
    """Return a log-normal prior: ln x ~ Normal(ln median, log_sd).

    Parameters
    ----------
    median : float
        Median, in `unit`, > 0.
    log_sd : float
        Standard deviation of ln x, > 0.
    unit, source : str
        Unit, and the paper, table or reasoning.
    certainty : Certainty
        Whether it was read, derived or judged.

    Returns
    -------
    Prior

    Examples
    --------
    >>> print(log_normal(60.0, 1.0, "h", "wide", Certainty.JUDGEMENT))
    log-normal, median 60 h, sd of ln 1 (judgement: wide)
    """
    parameters = {"median": median, "log_sd": log_sd}
    return Prior(Family.LOG_NORMAL, parameters, unit, source, certainty)


def logit_normal(
    median: float, logit_sd: float, source: str, certainty: Certainty
) -> Prior:
    """Return a logit-normal prior of a fraction: logit x ~ Normal(logit median, sd).

    logit x = ln(x / (1 - x)).

    Parameters
    ----------
    median : float
        Median, in (0, 1).
    logit_sd : float
        Standard deviation of logit x, > 0.
    source : str
        The paper, table or reasoning.
    certainty : Certainty
        Whether it was read, derived or judged.

    Returns
    -------
    Prior

    Examples
    --------
    >>> print(logit_normal(0.5, 0.2, "two equal kidneys", Certainty.JUDGEMENT))
    logit-normal, median 0.5, sd of logit 0.2 (judgement: two equal kidneys)
    """
    parameters = {"median": median, "logit_sd": logit_sd}
    return Prior(Family.LOGIT_NORMAL, parameters, "1", source, certainty)


def half_normal(scale: float, unit: str, source: str, certainty: Certainty) -> Prior:
    """Return a half-normal prior: x = abs(z), z ~ Normal(0, scale).

    Parameters
    ----------
    scale : float
        Scale, in `unit`, > 0.
    unit, source : str
        Unit, and the paper, table or reasoning.
    certainty : Certainty
        Whether it was read, derived or judged.

    Returns
    -------
    Prior

    Examples
    --------
    >>> print(half_normal(0.1, "", "residuals of 5-10 %", Certainty.JUDGEMENT))
    half-normal, scale 0.1 (judgement: residuals of 5-10 %)
    """
    return Prior(Family.HALF_NORMAL, {"scale": scale}, unit, source, certainty)


def log_sd_of_cv(cv: float) -> float:
    """Return the sd of ln x of a log-normal x with a coefficient of variation.

    sqrt(ln(1 + cv^2)).

    Parameters
    ----------
    cv : float
        sd / mean, >= 0.

    Returns
    -------
    float

    Examples
    --------
    >>> round(log_sd_of_cv(0.05), 6)
    0.049969
    """
    return math.sqrt(math.log1p(cv**2))


ParameterValue = Value | Prior


def typical(values: Mapping[str, ParameterValue]) -> dict[str, float]:
    """Return one number for each parameter: the value, or the median of its prior.

    Parameters
    ----------
    values : mapping of str to Value or Prior
        What is known of each parameter, by name.

    Returns
    -------
    dict of str to float

    Examples
    --------
    >>> wide = log_normal(60.0, 1.0, "h", "wide", Certainty.JUDGEMENT)
    >>> typical({"half_life": wide})
    {'half_life': 60.0}
    """
    return {name: _median(value) for name, value in values.items()}


def _median(value: ParameterValue) -> float:
    if isinstance(value, Value):
        return value.value
    if value.family is Family.HALF_NORMAL:
        return value.parameters["scale"] * NormalDist().inv_cdf(0.75)
    return value.parameters["median"]


def draw_values(
    values: Mapping[str, ParameterValue], n_draws: int, seed: int
) -> dict[str, np.ndarray]:
    """Draw virtual patients: each parameter from its prior, independently.

    Parameters
    ----------
    values : mapping of str to Value or Prior
        What is known of each parameter, by name; a Value is the same for all.
    n_draws : int
        Number of patients, >= 1.
    seed : int
        Repeats the draws, >= 0. A name has its own draws, whatever else is drawn.

    Returns
    -------
    dict of str to (n_draws,) array

    Raises
    ------
    InputError
        When fewer than one is asked for.

    Examples
    --------
    >>> wide = log_normal(60.0, 1.0, "h", "wide", Certainty.JUDGEMENT)
    >>> drawn = draw_values({"half_life": wide}, 10_000, seed=0)["half_life"]
    >>> round(float(np.log(drawn).std()), 1)
    1.0
    """
    if n_draws < 1:
        raise InputError(f"n_draws is {n_draws}: ask for one patient at least")
    drawn = {}
    for name, value in values.items():
        generator = np.random.default_rng([seed, crc32(name.encode())])
        drawn[name] = _drawn(value, generator.standard_normal(n_draws))
    return drawn


def _drawn(value: ParameterValue, deviates: np.ndarray) -> np.ndarray:
    if isinstance(value, Value):
        return np.full(deviates.size, value.value)
    if value.family is Family.HALF_NORMAL:
        return value.parameters["scale"] * np.abs(deviates)
    median = value.parameters["median"]
    if value.family is Family.LOG_NORMAL:
        return median * np.exp(value.parameters["log_sd"] * deviates)
    odds = median / (1.0 - median)
    odds = odds * np.exp(value.parameters["logit_sd"] * deviates)
    return odds / (1.0 + odds)
