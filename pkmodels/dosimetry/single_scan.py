"""Time-integrated activity from a single scan, and the error that costs."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from pkmodels.dosimetry.scans import Scans, TimeIntegral
from pkmodels.errors import InputError
from pkmodels.nuclides import nuclide
from pkmodels.values import Family, Prior

# Equal-probability points of the summary; its error is far below the prior's own.
_POINTS = 4000
_LN2 = math.log(2.0)


@dataclass(frozen=True)
class PopulationIntegral:
    """Time-integrated activity of one scan and a population's half-lives.

    Parameters
    ----------
    median_MBq_h : float
        Median, MBq h.
    log_sd : float
        Standard deviation of its logarithm, from the half-life alone: the scan's own
        noise and calibration come on top.
    impossible : float
        Prior probability of an effective half-life longer than the physical one, in
        [0, 1): that part was cut off.
    source : str
        Where the population comes from.
    """

    median_MBq_h: float
    log_sd: float
    impossible: float
    source: str


def integrate_haenscheid(scan: Scans) -> TimeIntegral:
    """Return the TIA by Haenscheid's approximation, A(t) 2 t / ln 2.

    Exact for one washout scanned at one or at two effective half-lives, within 10 %
    between 0.764 and 2.437 of them; see `single_scan_error`.

    Parameters
    ----------
    scan : Scans
        One scan, after more than 0 h.

    Returns
    -------
    TimeIntegral

    Raises
    ------
    InputError
        When there are several scans, or it is at 0 h.

    References
    ----------
    Haenscheid et al., Dose mapping after endoradiotherapy with 177Lu-DOTATATE/TOC by
    a single measurement after 4 days, J Nucl Med 2018;59:75.

    Examples
    --------
    >>> scan = Scans("kidney", "Lu-177", (96.0,), (25.0,))
    >>> round(integrate_haenscheid(scan).MBq_h, 1)
    6924.9
    """
    time, activity = _only(scan)
    return TimeIntegral(
        region=scan.region,
        label=scan.label,
        method="single scan, A(t) 2 t / ln 2 (Haenscheid 2018)",
        MBq_h=activity * 2.0 * time / _LN2,
        beyond_last_scan=None,
        tail="none: one number stands for the whole curve",
        terminal_rate_per_h=None,
        warnings=(),
    )


def integrate_known_rate(scan: Scans, effective_rate_per_h: float) -> TimeIntegral:
    """Return the TIA of one washout of known effective rate, A(t) exp(k t) / k.

    Parameters
    ----------
    scan : Scans
        One scan.
    effective_rate_per_h : float
        Effective rate k, 1/h, at least physical decay: washout plus decay.

    Returns
    -------
    TimeIntegral

    Raises
    ------
    InputError
        When there are several scans, or the rate is below physical decay.

    References
    ----------
    Madsen et al., Med Phys 2018;45:2318; Haenscheid et al. 2017, who write the dose as
    proportional to 2^(t / T_eff) T_eff.

    Examples
    --------
    >>> scan = Scans("kidney", "Lu-177", (96.0,), (25.0,))
    >>> round(integrate_known_rate(scan, 0.0154).MBq_h, 1)
    7120.0
    """
    time, activity = _only(scan)
    physical = nuclide(scan.label).decay_constant_per_h
    if not (math.isfinite(effective_rate_per_h) and effective_rate_per_h >= physical):
        raise InputError(
            f"{scan.region}: effective rate {effective_rate_per_h:g} 1/h is below "
            f"physical decay of {scan.label}, {physical:.4g} 1/h: give washout plus "
            "decay, not washout alone"
        )
    return TimeIntegral(
        region=scan.region,
        label=scan.label,
        method="single scan, known effective rate (Madsen 2018)",
        MBq_h=float(_one_washout(activity, time, _LN2 / effective_rate_per_h)),
        beyond_last_scan=math.exp(-effective_rate_per_h * time),
        tail="the known rate",
        terminal_rate_per_h=effective_rate_per_h,
        warnings=(),
    )


def integrate_population(scan: Scans, effective_half_life: Prior) -> PopulationIntegral:
    """Return the TIA of one scan and a population's effective half-lives.

    A(t) 2^(t/T) T / ln 2 with ln T ~ Normal(ln median, log_sd), T at most the physical
    half-life. It is not monotone in T: a scan at T / ln 2 knows the TIA best.

    Parameters
    ----------
    scan : Scans
        One scan, activity > 0.
    effective_half_life : Prior
        Log-normal, h, of the scan's label and region.

    Returns
    -------
    PopulationIntegral

    Raises
    ------
    InputError
        When there are several scans, the activity is 0, or the prior is not log-normal
        in h.

    References
    ----------
    Hou et al., J Nucl Med 2021 (population half-lives, one scan); a log-normal, since
    half-lives are positive and skewed.

    Examples
    --------
    >>> from pkmodels.values import Certainty, log_normal
    >>> kidneys = log_normal(40.0, 0.24, "h", "Haenscheid 2022", Certainty.DERIVED)
    >>> scan = Scans("kidney", "Lu-177", (48.0,), (25.0,))
    >>> result = integrate_population(scan, kidneys)
    >>> round(result.median_MBq_h, 1), round(result.log_sd, 3)
    (3334.0, 0.049)
    """
    _, activity = _only(scan)
    if activity <= 0.0:
        raise InputError(
            f"{scan.region}: an activity of 0 leaves nothing to scale a curve to: use "
            "another scan"
        )
    middles = (np.arange(_POINTS) + 0.5) / _POINTS
    integrals, impossible = _of_quantiles(scan, effective_half_life, middles)
    return PopulationIntegral(
        median_MBq_h=float(np.median(integrals)),
        log_sd=float(np.log(integrals).std()),
        impossible=impossible,
        source=effective_half_life.source,
    )


def draw_population(
    scan: Scans,
    effective_half_life: Prior,
    n_draws: int,
    generator: np.random.Generator,
) -> np.ndarray:
    """Return draws of the TIA of `integrate_population`.

    Parameters
    ----------
    scan : Scans
        One scan.
    effective_half_life : Prior
        Log-normal, h, of the scan's label and region.
    n_draws : int
        Number of draws, >= 1.
    generator : numpy Generator
        Source of randomness.

    Returns
    -------
    (n_draws,) array, MBq h

    Raises
    ------
    InputError
        As `integrate_population`.

    Examples
    --------
    >>> from pkmodels.values import Certainty, log_normal
    >>> kidneys = log_normal(40.0, 0.24, "h", "Haenscheid 2022", Certainty.DERIVED)
    >>> scan = Scans("kidney", "Lu-177", (48.0,), (25.0,))
    >>> draws = draw_population(scan, kidneys, 2000, np.random.default_rng(0))
    >>> draws.shape, bool(3310 < np.median(draws) < 3360)
    ((2000,), True)
    """
    return _of_quantiles(scan, effective_half_life, generator.random(n_draws))[0]


def single_scan_error(t_over_effective_half_life: Any) -> Any:
    """Return Haenscheid's estimate over the truth for one washout, 2 x 2^(-x).

    Parameters
    ----------
    t_over_effective_half_life : float or array
        x = t / T_eff, > 0: of this patient's curve, where it is one washout.

    Returns
    -------
    float or array
        1 at x = 1 and x = 2; largest, 2 / (e ln 2) = 1.061, at x = 1 / ln 2.

    References
    ----------
    From A(t) 2 t / ln 2 over A(t) 2^x T_eff / ln 2; Haenscheid et al., J Nucl Med
    2018;59:75.

    Examples
    --------
    >>> single_scan_error(3.0)
    0.75
    """
    x = t_over_effective_half_life
    return 2.0 * x * 2.0**-x


def known_rate_error(
    time_h: Any, assumed_half_life_h: Any, true_half_life_h: Any
) -> Any:
    """Return the estimate by a known rate over the truth, for one washout.

    (T_a / T) 2^(t / T_a - t / T).

    Parameters
    ----------
    time_h : float or array
        Time of the scan, h, >= 0.
    assumed_half_life_h, true_half_life_h : float or array
        Effective half-lives, h, > 0.

    Returns
    -------
    float or array

    Examples
    --------
    >>> round(known_rate_error(96.0, 50.0, 40.0), 3)
    0.896
    """
    apart = time_h / assumed_half_life_h - time_h / true_half_life_h
    return assumed_half_life_h / true_half_life_h * 2.0**apart


def _only(scan: Scans) -> tuple[float, float]:
    if len(scan.times_h) != 1:
        raise InputError(
            f"{scan.region}: {len(scan.times_h)} scans are given to a method of one: "
            "choose the scan, or integrate trapezoids"
        )
    if scan.times_h[0] <= 0.0:
        raise InputError(
            f"{scan.region}: the scan is at 0 h, where nothing has washed out: use a "
            "later one"
        )
    return scan.times_h[0], scan.activities_MBq[0]


def _one_washout(activity: float, time: float, half_life: Any) -> Any:
    return activity * 2.0 ** (time / half_life) * half_life / _LN2


def _of_quantiles(
    scan: Scans, prior: Prior, quantiles: np.ndarray
) -> tuple[np.ndarray, float]:
    """Return the TIA at quantiles of the possible half-lives, and what was cut off."""
    time, activity = _only(scan)
    if prior.family is not Family.LOG_NORMAL or prior.unit != "h":
        raise InputError(
            f"{scan.region}: the prior of an effective half-life is {prior}: give a "
            "log-normal in h"
        )
    median, log_sd = prior.parameters["median"], prior.parameters["log_sd"]
    longest = math.log(nuclide(scan.label).half_life_h / median) / log_sd
    possible = float(ndtr(longest))
    if possible < 0.5:
        raise InputError(
            f"{scan.region}: half of the population's effective half-lives "
            f"(median {median:g} h) are longer than the physical one of {scan.label}: "
            "give effective half-lives of this label"
        )
    half_lives = median * np.exp(log_sd * ndtri(quantiles * possible))
    return _one_washout(activity, time, half_lives), 1.0 - possible
