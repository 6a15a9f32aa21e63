"""Measurements: a value with its region, time, modality and decay convention."""

import math
from dataclasses import dataclass
from enum import StrEnum

from pkmodels.errors import InputError

# Beyond so many half-lives a decay correction is a mistyped time.
_MOST_HALF_LIVES = 100.0


_GRAMS_PER_KG = 1000.0


class Quantity(StrEnum):
    """What a measured value is, in the unit system of pkmodels."""

    ACTIVITY = "activity"  # MBq in the region
    CONCENTRATION = "concentration"  # MBq per g of the region
    PER_LITRE = "per litre"  # MBq per L (kBq per mL) of a sample, as of blood
    COLLECTED = "collected"  # MBq at the end of what arrived since the start, as urine
    COUNTS = "counts"  # detected decays; see `Counting`


@dataclass(frozen=True)
class Counting:
    """How counts follow from the mean activity A (MBq) during the acquisition.

    N ~ Poisson(s A t + b); with more scatter than Poisson's, negative-binomial of the
    same mean and the variance mean + (r s A t)^2, r the modality's relative noise.

    Parameters
    ----------
    counts_per_s_per_MBq : float
        Sensitivity s, > 0.
    live_time_s : float
        Counting time t less the dead time, s, > 0.
    background : float
        Counts b expected in that time without the region's activity, >= 0.
    background_log_sd : float
        Standard deviation of ln b, >= 0; where b was itself counted as N_b, about
        1 / sqrt(N_b). One factor for the modality's scans of a region.
    overdispersed : bool
        Whether the counts scatter more than Poisson's.

    Raises
    ------
    InputError
        When a number is out of its range.
    """

    counts_per_s_per_MBq: float
    live_time_s: float
    background: float
    background_log_sd: float
    overdispersed: bool

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("counts_per_s_per_MBq", "live_time_s"):
            _check_size(name, getattr(self, name), positive=True)
        for name in ("background", "background_log_sd"):
            _check_size(name, getattr(self, name), positive=False)


@dataclass(frozen=True)
class Sample:
    """What replicates of one sample share: its volume's or dilution's error.

    Parameters
    ----------
    name : str
        Measurements of one name are replicates of one sample.
    log_sd : float
        Standard deviation of ln of the factor that they share, > 0.

    Raises
    ------
    InputError
        When `log_sd` is out of its range.
    """

    name: str
    log_sd: float

    def __post_init__(self) -> None:
        """Check the range."""
        _check_size("log_sd of a sample", self.log_sd, positive=True)


def _check_size(name: str, value: float, *, positive: bool) -> None:
    if not (math.isfinite(value) and (value > 0.0 or (value == 0.0 and not positive))):
        wanted = "> 0" if positive else ">= 0"
        raise InputError(f"{name} is {value}: it must be finite and {wanted}")


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
        Start and end of the acquisition or of the collection, h; equal when it is
        instantaneous.
    value : float
        Measured value, in the unit of `quantity`, >= 0.
    quantity : Quantity
        Activity of the region, concentration in it, or another.
    sd : float or None
        One standard deviation of the value without calibration, in the value's
        unit, > 0; None when it is to be estimated.
    decay_corrected_to_h : float or None
        Time to which the value is decay-corrected, h; None when it is the
        physical activity during the acquisition.
    source : str
        Where the value was read, for messages (file and line).
    below : bool
        Whether the value is a limit of quantification that it fell below (M3).
    counting : Counting or None
        Of counts, how they follow from the activity; else None.
    sample : Sample or None
        Which sample it is a replicate of, where its volume is uncertain.
    maximum : bool
        Whether it is the region's largest voxel (SUVmax), which is above the mean.

    Raises
    ------
    InputError
        When the fields contradict each other.

    References
    ----------
    Beal, J Pharmacokinet Pharmacodyn 2001;28:481 (method M3).
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
    below: bool = False
    counting: Counting | None = None
    sample: Sample | None = None
    maximum: bool = False

    def __post_init__(self) -> None:
        """Refuse fields that contradict each other."""
        problem = _contradiction(self)
        if problem is not None:
            raise InputError(f"{self.source}: {problem}")


def _contradiction(item: Measurement) -> str | None:
    """Return what is wrong with a measurement, if anything, and the remedy."""
    counted = item.quantity is Quantity.COUNTS
    if counted != (item.counting is not None):
        return f"{item.quantity} and counting={item.counting}: counts need a Counting"
    if counted and not (item.value >= 0.0 and item.value == round(item.value)):
        return f"{item.value} counts: give a whole number, before any correction"
    if counted and (item.sd is not None or item.decay_corrected_to_h is not None):
        return "counts carry no sd and no decay correction: give them as counted"
    if counted and item.below:
        return "counts are never below a limit: give the number, 0 included"
    if item.below and not item.value > 0.0:
        return f"below {item.value}: give the limit of quantification, > 0"
    if item.quantity is Quantity.COLLECTED and not item.end_h > item.start_h:
        return f"collected from {item.start_h:g} to {item.end_h:g} h: give start < end"
    if item.maximum and item.quantity is not Quantity.CONCENTRATION:
        return f"the largest voxel is a concentration; got {item.quantity}"
    return None


def concentration_of_suv(
    suv: float,
    *,
    body_mass_kg: float,
    activity_MBq: float,
    density_g_per_mL: float,
) -> float:
    """Return the concentration that a standardized uptake value (SUV) stands for.

    SUV A / (m rho), since SUV = (concentration per mL) m / A.

    Parameters
    ----------
    suv : float
        SUV by body mass, g/mL, >= 0.
    body_mass_kg : float
        Body mass m, kg, > 0.
    activity_MBq : float
        Activity A that the scanner divided by, MBq, > 0, at the time to which the SUV
        is decay-corrected: as a rule, as injected, and then the measurement is
        ``decay_corrected_to_h`` the time of injection.
    density_g_per_mL : float
        Density rho of the tissue, g/mL, > 0.

    Returns
    -------
    float
        MBq/g.

    Raises
    ------
    InputError
        When a number is out of its range.

    Examples
    --------
    >>> round(concentration_of_suv(
    ...     5.0, body_mass_kg=70.0, activity_MBq=150.0, density_g_per_mL=1.05
    ... ), 6)
    0.010204
    """
    _check_size("suv", suv, positive=False)
    _check_size("body_mass_kg", body_mass_kg, positive=True)
    _check_size("activity_MBq", activity_MBq, positive=True)
    _check_size("density_g_per_mL", density_g_per_mL, positive=True)
    return suv * activity_MBq / (body_mass_kg * _GRAMS_PER_KG * density_g_per_mL)


def concentration_of_percent(percent_per_g: float, *, activity_MBq: float) -> float:
    """Return the concentration that a percentage of what was given per gram stands for.

    Parameters
    ----------
    percent_per_g : float
        %IA/g (%ID/g), >= 0.
    activity_MBq : float
        Activity that is 100 %, MBq, > 0, at the time to which the value is
        decay-corrected.

    Returns
    -------
    float
        MBq/g.

    Raises
    ------
    InputError
        When a number is out of its range.

    Examples
    --------
    >>> concentration_of_percent(0.02, activity_MBq=200.0)
    0.04
    """
    _check_size("percent_per_g", percent_per_g, positive=False)
    _check_size("activity_MBq", activity_MBq, positive=True)
    return percent_per_g / 100.0 * activity_MBq


def correction_of(item: Measurement, decay_constant_per_h: float) -> float:
    """Return what multiplies the physical value of a measurement to give its value.

    Parameters
    ----------
    item : Measurement
        The measurement; what was collected is corrected from the end of the collection.
    decay_constant_per_h : float
        Physical decay constant of its label, 1/h, > 0.

    Returns
    -------
    float
        See `decay_correction_factor`.

    Raises
    ------
    InputError
        When the correction runs over more than 100 half-lives.

    Examples
    --------
    >>> urine = Measurement("urine", "Lu-177", "dose calibrator", 0.0, 10.0, 40.0,
    ...                     Quantity.COLLECTED, None, 0.0, "line 2")
    >>> round(correction_of(urine, 0.0693147), 6)
    2.0
    """
    start_h = item.start_h
    if item.quantity is Quantity.COLLECTED:
        start_h = item.end_h
    return decay_correction_factor(
        start_h, item.end_h, item.decay_corrected_to_h, decay_constant_per_h
    )


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
