"""Records of result.json: what every table of it is made of.

No NaN or infinity, and a null that says why it is null.
"""

from collections.abc import Mapping
from typing import Annotated, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from pkmodels.errors import InputError

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
NonNegative = Annotated[float, Field(ge=0.0)]
Positive = Annotated[float, Field(gt=0.0)]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=0)]
Interval = tuple[NonNegative, NonNegative]


class Record(BaseModel):
    """One table of result.json: closed, immutable, without NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Distribution(Record):
    """What a posterior of a quantity that cannot be negative is reduced to."""

    median: NonNegative
    mean: NonNegative
    sd: NonNegative
    interval_95: Interval

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        check_interval(self.median, self.interval_95)
        return self


class Summary(Distribution):
    """A posterior: median, mean, standard deviation and 95 % interval.

    The interval is equal-tailed: the 2.5 and 97.5 % quantiles.
    """


class DosePerActivity(Distribution):
    """Absorbed dose per administered activity, Gy/GBq.

    `at_activity_GBq` is the activity for which it holds, where the model
    saturates; null where dose is proportional to activity.
    """

    at_activity_GBq: Positive | None = None


def check_interval(median: float, interval: tuple[float, float]) -> None:
    """Refuse an interval that does not hold its median.

    Parameters
    ----------
    median : float
        The median.
    interval : (float, float)
        2.5 and 97.5 % quantiles.

    Raises
    ------
    ValueError
        When the median lies outside.

    Examples
    --------
    >>> check_interval(1.0, (0.8, 1.2))
    """
    low, high = interval
    if not low <= median <= high:
        raise ValueError(
            f"interval_95 [{low}, {high}] does not hold the median {median}: give "
            "[2.5 % quantile, 97.5 % quantile]"
        )


def check_missing(values: Mapping[str, object], missing: str | None) -> None:
    """Refuse a null without a reason, and a reason without a null.

    Parameters
    ----------
    values : mapping of str to object
        The fields that may be null.
    missing : str or None
        Why one of them is.

    Raises
    ------
    ValueError
        When one is given without the other.

    Examples
    --------
    >>> check_missing({"tiac_h": None}, "no scan")
    """
    nulls = [name for name, value in values.items() if value is None]
    if nulls and missing is None:
        raise ValueError(f"{', '.join(nulls)} is null: `missing` must say why")
    if missing is not None and not nulls:
        raise ValueError(
            f"`missing` says {missing!r} but nothing is null: leave it null"
        )


def summarize(draws: ArrayLike) -> Summary:
    """Reduce posterior draws to median, mean, standard deviation and interval.

    Parameters
    ----------
    draws : (n_draws,) array
        Draws of one quantity, any unit, finite, >= 0, at least two.

    Returns
    -------
    Summary
        With the equal-tailed 95 % interval, quantiles by linear interpolation.

    Raises
    ------
    InputError
        When there are fewer than two draws, or one is negative or not finite.

    Examples
    --------
    >>> summarize([1.0, 2.0, 3.0, 4.0, 5.0]).interval_95
    (1.1, 4.9)
    """
    values = np.asarray(draws, dtype=np.float64)
    if values.ndim != 1 or values.size < 2:
        raise InputError(
            f"draws have shape {values.shape}: give one axis of at least two draws"
        )
    bad = ~np.isfinite(values) | (values < 0.0)
    if bad.any():
        raise InputError(
            f"{int(bad.sum())} of {values.size} draws are negative or not finite, the "
            f"first of them {values[bad][0]}: a summary needs finite draws >= 0"
        )
    low, median, high = (float(q) for q in np.quantile(values, (0.025, 0.5, 0.975)))
    return Summary(
        median=median,
        mean=float(values.mean()),
        sd=float(values.std(ddof=1)),
        interval_95=(low, high),
    )
