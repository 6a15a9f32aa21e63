"""What the report draws: curves, measured points and dose posteriors, as arrays."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pkmodels.errors import InputError


@dataclass(frozen=True, eq=False)
class CurveBand:
    """A posterior time-activity curve of one label in one region or group.

    Parameters
    ----------
    region, label : str
        Name of the region or group, and the radionuclide, with its occasion in brackets
        where it was measured on several.
    kind : {"measured", "predicted"}
        Whether the label was measured, or is planned and predicted.
    unit : str
        Unit of the curve, as in ``"MBq"`` or ``"MBq per GBq planned"``.
    time_h : (n_times,) array
        Times after the first administration, h, increasing.
    median, lo95, hi95 : (n_times,) array
        Median and ends of the 95 % interval, `unit`, >= 0.

    Raises
    ------
    InputError
        When the arrays differ in length, hold a value that is not finite, or the
        median leaves the band.
    """

    region: str
    label: str
    kind: Literal["measured", "predicted"]
    unit: str
    time_h: np.ndarray
    median: np.ndarray
    lo95: np.ndarray
    hi95: np.ndarray

    def __post_init__(self) -> None:
        """Refuse arrays that make no curve."""
        what = f"curve of {self.label} in {self.region}"
        for name in ("time_h", "median", "lo95", "hi95"):
            _check_array(getattr(self, name), f"{what}: {name}")
        lengths = {len(a) for a in (self.time_h, self.median, self.lo95, self.hi95)}
        if len(lengths) != 1:
            raise InputError(
                f"{what}: its arrays have lengths {sorted(lengths)}: give one value "
                "of each for every time"
            )
        if (np.diff(self.time_h) <= 0.0).any():
            raise InputError(f"{what}: time_h does not increase: sort it by time")
        if (self.lo95 > self.median).any() or (self.median > self.hi95).any():
            raise InputError(
                f"{what}: its median leaves the band: give lo95 <= median <= hi95"
            )


@dataclass(frozen=True)
class MeasuredPoint:
    """One measured value of a region, as the fit saw it.

    Parameters
    ----------
    region, label, modality : str
        Where, of which radionuclide and by what it was measured.
    time_h : float
        Middle of the acquisition, h after the first administration.
    value_MBq : float
        Physical activity, MBq, >= 0.
    sd : float or None
        One standard deviation, MBq; None when it was estimated.
    """

    region: str
    label: str
    modality: str
    time_h: float
    value_MBq: float
    sd: float | None


@dataclass(frozen=True, eq=False)
class DoseDraws:
    """The posterior of what one limit counts, at the safe activity of one label.

    Parameters
    ----------
    limit_name : str
        Name of the region or group that carries the limit.
    label : str
        The planned radionuclide.
    at_activity_GBq : float
        The activity for which the draws hold, GBq, >= 0.
    draws : (n_draws,) array
        Absorbed dose or BED that counts against the limit, Gy, >= 0.
    limit_Gy : float
        The limit, Gy.
    quantity : {"absorbed_dose", "bed"}
        What the limit is on.

    Raises
    ------
    InputError
        When there are no draws or one of them is not finite.
    """

    limit_name: str
    label: str
    at_activity_GBq: float
    draws: np.ndarray
    limit_Gy: float
    quantity: Literal["absorbed_dose", "bed"]

    def __post_init__(self) -> None:
        """Refuse draws that make no distribution."""
        _check_array(self.draws, f"dose draws of {self.label} for {self.limit_name}")


@dataclass(frozen=True)
class ResidualPoint:
    """How far one value lies from the fitted curve.

    Parameters
    ----------
    region, label, modality : str
        Where, of which radionuclide and by what it was measured.
    time_h : float
        Middle of the acquisition, h after the first administration.
    residual : float
        (value - expected) / sd, or (ln value - ln expected) / sd of ln: medians over
        the posterior.
    """

    region: str
    label: str
    modality: str
    time_h: float
    residual: float


@dataclass(frozen=True)
class PriorPosterior:
    """A parameter before and after the data.

    Parameters
    ----------
    name, unit : str
        The parameter as the result names it, and its unit.
    prior, posterior : (float, float, float)
        2.5, 50 and 97.5 % quantiles, `unit`, >= 0.
    contraction : float
        1 - posterior variance / prior variance, <= 1.
    """

    name: str
    unit: str
    prior: tuple[float, float, float]
    posterior: tuple[float, float, float]
    contraction: float


@dataclass(frozen=True)
class ReportFigures:
    """Everything that the report draws and the result does not hold.

    Parameters
    ----------
    curves : tuple of CurveBand
        Measured and predicted curves, in the order in which they appear.
    points : tuple of MeasuredPoint
        The measured values.
    dose_draws : tuple of DoseDraws
        For each planned label one of each limit, in the limit's quantity.
    residuals : tuple of ResidualPoint
        One for each measured value.
    parameters : tuple of PriorPosterior
        One for each parameter.
    """

    curves: tuple[CurveBand, ...] = ()
    points: tuple[MeasuredPoint, ...] = ()
    dose_draws: tuple[DoseDraws, ...] = ()
    residuals: tuple[ResidualPoint, ...] = ()
    parameters: tuple[PriorPosterior, ...] = ()


def _check_array(values: np.ndarray, what: str) -> None:
    if values.ndim != 1 or values.size == 0:
        raise InputError(
            f"{what} has shape {values.shape}: give one axis with at least one value"
        )
    if not np.isfinite(values).all():
        raise InputError(
            f"{what} holds {int((~np.isfinite(values)).sum())} values that are not "
            "finite: leave them out"
        )
