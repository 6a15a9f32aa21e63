"""Measurements: a value with its region, time, modality and decay convention."""

import math
from dataclasses import dataclass
from enum import StrEnum

from pkmodels.errors import InputError

# Beyond so many half-lives a decay correction is a mistyped time.
_MOST_HALF_LIVES = 100.0


class Quantity(StrEnum):
    """What a measured value is, in the unit system of pkmodels."""

    ACTIVITY = "activity"  # MBq in the region
    CONCENTRATION = "concentration"  # MBq per g of the region


@dataclass(frozen=True)
class Measurement:
    """One measured value of one region.

    Parameters
    ----------
    region : str
        Name of the region.
    label : str
        Radionuclide measured.
    modality : str
        What measured it; measurements of one modality can share a calibration.
    start_h, end_h : float
        Start and end of the acquisition, h; equal when it is instantaneous.
    value : float
        Measured value, MBq or MBq/g (see `quantity`), >= 0.
    quantity : Quantity
        Activity of the region or concentration in it.
    sd : float or None
        One standard deviation of the value without calibration, in the value's
        unit, > 0; None when it is to be estimated.
    decay_corrected_to_h : float or None
        Time to which the value is decay-corrected, h; None when it is the
        physical activity during the acquisition.
    source : str
        Where the value was read, for messages (file and line).
    """

    region: str
    label: str
    modality: str
    start_h: float
    end_h: float
    value: float
    quantity: Quantity
    sd: float | None
    decay_corrected_to_h: float | None
    source: str


def decay_correction_factor(
    start_h: float, end_h: float, reference_h: float | None, decay_constant_per_h: float
) -> float:
    """Return what multiplies the physical value to give the reported one.

    For an instantaneous value exp(lambda (t - t_ref)). For a frame, the scanner's
    convention of a pure decay during the frame:
    exp(lambda (start - t_ref)) lambda d / (1 - exp(-lambda d)), d = end - start.

    Parameters
    ----------
    start_h, end_h : float
        Start and end of the acquisition, h, end >= start.
    reference_h : float or None
        Time to which the value is corrected, h; None when it is physical.
    decay_constant_per_h : float
        Physical decay constant, 1/h, > 0.

    Returns
    -------
    float
        Reported value / physical value; 1 when it is physical.

    Raises
    ------
    InputError
        When the correction runs over more than 100 half-lives.

    Examples
    --------
    >>> decay_correction_factor(24.0, 24.0, None, 0.1)
    1.0
    >>> round(decay_correction_factor(10.0, 10.0, 0.0, 0.0693147), 6)
    2.0
    """
    if reference_h is None:
        return 1.0
    away = abs(start_h - reference_h) * decay_constant_per_h / math.log(2.0)
    if away > _MOST_HALF_LIVES:
        raise InputError(
            f"a value measured at {start_h:g} h and decay-corrected to "
            f"{reference_h:g} h is corrected over {away:.3g} half-lives: give the "
            "reference time in hours after the first administration"
        )
    exponent = decay_constant_per_h * (end_h - start_h)
    frame = exponent / -math.expm1(-exponent) if exponent > 0.0 else 1.0
    return math.exp(decay_constant_per_h * (start_h - reference_h)) * frame
