"""Radiobiology: alpha/beta, repair and limits of organs, each with its source."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pkmodels.errors import InputError
from pkmodels.values import Certainty, Prior, Value, log_normal, log_sd_of_cv

KIDNEY_ALPHA_BETA = log_normal(
    2.5,
    0.25,
    "Gy",
    "late effects in kidneys: 2.5 Gy in MIRD pamphlet 20 (Wessels et al., J Nucl Med "
    "2008;49:1884), 2.6 Gy in Barone et al., J Nucl Med 2005;46 Suppl 1:99S, both as "
    "commonly quoted; the spread (95 % within 1.5 to 4.1 Gy) is a judgement",
    Certainty.JUDGEMENT,
)
KIDNEY_REPAIR_HALF_TIME = log_normal(
    2.8,
    0.3,
    "h",
    "2.8 h in Barone et al., J Nucl Med 2005;46 Suppl 1:99S, and MIRD pamphlet 20, as "
    "commonly quoted; the spread (95 % within 1.6 to 5.0 h) is a judgement",
    Certainty.JUDGEMENT,
)

KIDNEY_BED_LIMIT = Value(
    40.0,
    "Gy",
    "biologically effective dose of the kidneys, patients without risk factors: Bodei "
    "et al., Eur J Nucl Med Mol Imaging 2008;35:1847, as commonly quoted",
    Certainty.PUBLISHED,
)
KIDNEY_BED_LIMIT_AT_RISK = Value(
    28.0,
    "Gy",
    "biologically effective dose of the kidneys, patients with risk factors "
    "(hypertension, diabetes): Bodei et al., Eur J Nucl Med Mol Imaging 2008;35:1847, "
    "as commonly quoted",
    Certainty.PUBLISHED,
)
KIDNEY_DOSE_LIMIT = Value(
    23.0,
    "Gy",
    "absorbed dose of both kidneys: TD5/5 of fractionated external beam, Emami et al., "
    "Int J Radiat Oncol Biol Phys 1991;21:109, as commonly quoted",
    Certainty.PUBLISHED,
)


@dataclass(frozen=True)
class Radiobiology:
    """How an organ answers to a dose, with what is uncertain of it.

    Parameters
    ----------
    organ : str
        The organ.
    alpha_beta_Gy : Prior
        alpha/beta of the linear-quadratic model, Gy.
    repair_half_time_h : Prior
        Half-time of repair of sublethal damage, h.
    """

    organ: str
    alpha_beta_Gy: Prior
    repair_half_time_h: Prior


KNOWN: Mapping[str, Radiobiology] = {
    "kidney": Radiobiology("kidney", KIDNEY_ALPHA_BETA, KIDNEY_REPAIR_HALF_TIME)
}


def radiobiology_of(organ: str) -> Radiobiology:
    """Return what is known of an organ's radiobiology.

    Parameters
    ----------
    organ : str
        The organ.

    Returns
    -------
    Radiobiology

    Raises
    ------
    InputError
        When nothing is known of it: no value of another organ stands in.

    Examples
    --------
    >>> kidney = radiobiology_of("kidney")
    >>> kidney.alpha_beta_Gy.parameters["median"], kidney.repair_half_time_h.unit
    (2.5, 'h')
    """
    if organ not in KNOWN:
        raise InputError(
            f"no alpha/beta and repair half-time of {organ!r} are known (known: "
            f"{', '.join(KNOWN)}): state [radiobiology.{organ}] in patient.toml with "
            "alpha_beta_Gy, alpha_beta_cv, repair_half_time_h and repair_half_time_cv"
        )
    return KNOWN[organ]


def stated_radiobiology(
    organ: str,
    *,
    alpha_beta_Gy: float,
    alpha_beta_cv: float,
    repair_half_time_h: float,
    repair_half_time_cv: float,
    source: str,
) -> Radiobiology:
    """Return the radiobiology of an organ that a user states.

    A median m with a coefficient of variation c is log-normal with
    sd of ln = sqrt(ln(1 + c^2)).

    Parameters
    ----------
    organ : str
        The organ.
    alpha_beta_Gy, repair_half_time_h : float
        Medians, Gy and h, > 0.
    alpha_beta_cv, repair_half_time_cv : float
        Their coefficients of variation, > 0.
    source : str
        Where they come from.

    Returns
    -------
    Radiobiology

    Raises
    ------
    InputError
        When a number is not finite and > 0, or the source is empty.

    Examples
    --------
    >>> liver = stated_radiobiology(
    ...     "liver", alpha_beta_Gy=2.5, alpha_beta_cv=0.3, repair_half_time_h=2.5,
    ...     repair_half_time_cv=0.5, source="as our physicist judges")
    >>> print(liver.repair_half_time_h)
    log-normal, median 2.5 h, sd of ln 0.472 (stated: as our physicist judges)
    """
    numbers = {
        "alpha_beta_Gy": alpha_beta_Gy,
        "alpha_beta_cv": alpha_beta_cv,
        "repair_half_time_h": repair_half_time_h,
        "repair_half_time_cv": repair_half_time_cv,
    }
    for name, number in numbers.items():
        if not (math.isfinite(number) and number > 0.0):
            raise InputError(
                f"radiobiology of {organ}: {name} is {number}; it must be finite and "
                "> 0"
            )
    if not source.strip():
        raise InputError(
            f"radiobiology of {organ}: source is empty: say where it is from"
        )

    def prior(median: float, cv: float, unit: str) -> Prior:
        return log_normal(median, log_sd_of_cv(cv), unit, source, Certainty.STATED)

    return Radiobiology(
        organ,
        prior(alpha_beta_Gy, alpha_beta_cv, "Gy"),
        prior(repair_half_time_h, repair_half_time_cv, "h"),
    )


def draw_radiobiology(
    radiobiology: Radiobiology, n_draws: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw alpha/beta and the repair half-time of an organ, independent of each other.

    Parameters
    ----------
    radiobiology : Radiobiology
        The organ's.
    n_draws : int
        Number of draws.
    generator : numpy Generator
        Source of randomness. Draw once for a patient: every dose of one organ shares
        the draws.

    Returns
    -------
    alpha_beta_Gy : (n_draws,) array, Gy
    repair_half_time_h : (n_draws,) array, h

    Raises
    ------
    InputError
        When a prior is not log-normal.

    Examples
    --------
    >>> ratio, half_time = draw_radiobiology(
    ...     radiobiology_of("kidney"), 100_000, np.random.default_rng(0))
    >>> round(float(np.median(ratio)), 2), round(float(np.median(half_time)), 1)
    (2.5, 2.8)
    """
    alpha_beta = _drawn(radiobiology.alpha_beta_Gy, n_draws, generator)
    return alpha_beta, _drawn(radiobiology.repair_half_time_h, n_draws, generator)


def _drawn(prior: Prior, n_draws: int, generator: np.random.Generator) -> np.ndarray:
    if set(prior.parameters) != {"median", "log_sd"}:
        raise InputError(
            f"radiobiology is drawn from log-normal priors, not from {prior}: write "
            "log_normal(...)"
        )
    log_sd = prior.parameters["log_sd"]
    return prior.parameters["median"] * np.exp(
        log_sd * generator.standard_normal(n_draws)
    )
