"""Residual variances and what each value adds to the objective, with derivatives."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Residuals:
    """What each value adds to half of -2 ln p(y | f), and its derivatives by f.

    g = ((y - f)^2 / R + ln R) / 2 with R = a^2 + b^2 f^2.

    Parameters
    ----------
    variance : array
        R; 1 where there is no value.
    value, slope, curvature : arrays
        g, dg/df and d2g/df2; 0 where there is no value.
    weight, weight_slope : arrays
        Expectation of d2g/df2 over y, 1/R + (R'/R)^2 / 2, and its derivative by f.
    """

    variance: np.ndarray
    value: np.ndarray
    slope: np.ndarray
    curvature: np.ndarray
    weight: np.ndarray
    weight_slope: np.ndarray


@dataclass(frozen=True)
class ResidualChange:
    """Derivatives by the log of an error's standard deviation, ln a or ln b.

    Parameters
    ----------
    value, slope, weight : arrays
        Of g, dg/df and the weight.
    """

    value: np.ndarray
    slope: np.ndarray
    weight: np.ndarray


def variance_of(
    predicted: np.ndarray, additive: np.ndarray, proportional: np.ndarray
) -> np.ndarray:
    """Return the variance of values, a^2 + b^2 f^2.

    Parameters
    ----------
    predicted, additive, proportional : arrays
        f, a and b of each value.

    Returns
    -------
    array

    Examples
    --------
    >>> float(variance_of(np.array(10.0), np.array(1.0), np.array(0.2)))
    5.0
    """
    return additive**2 + (proportional * predicted) ** 2


def residuals_of(
    values: np.ndarray,
    predicted: np.ndarray,
    additive: np.ndarray,
    proportional: np.ndarray,
    is_value: np.ndarray,
) -> Residuals:
    """Return what each value adds to the objective.

    Parameters
    ----------
    values, predicted : arrays
        y and f.
    additive, proportional : arrays
        a and b of each value.
    is_value : array of bool
        Where there is one.

    Returns
    -------
    Residuals

    Examples
    --------
    >>> one, yes = np.ones(1), np.ones(1, bool)
    >>> float(residuals_of(3 * one, one, 2 * one, 0 * one, yes).slope[0])
    -0.5
    """
    f, b2 = predicted, proportional**2
    R = np.where(is_value, variance_of(f, additive, proportional), 1.0)
    r = np.where(is_value, values - f, 0.0)
    R1, R2 = 2.0 * b2 * f, 2.0 * b2
    u = r / R
    half = 0.5 * (r * u + np.log(R))
    slope = -u - 0.5 * R1 * u**2 + 0.5 * R1 / R
    curvature = (
        1.0 / R
        + 2.0 * u * R1 / R
        - 0.5 * R2 * u**2
        + u**2 * R1**2 / R
        + 0.5 * R2 / R
        - 0.5 * (R1 / R) ** 2
    )
    weight = 1.0 / R + 0.5 * (R1 / R) ** 2
    weight_slope = -R1 / R**2 + R1 * R2 / R**2 - R1**3 / R**3
    parts = (half, slope, curvature, weight, weight_slope)
    return Residuals(R, *(np.where(is_value, part, 0.0) for part in parts))


def changes_of(
    values: np.ndarray,
    predicted: np.ndarray,
    additive: np.ndarray,
    proportional: np.ndarray,
    is_value: np.ndarray,
) -> tuple[ResidualChange, ResidualChange]:
    """Return derivatives by ln a and by ln b of what each value adds.

    Parameters
    ----------
    values, predicted, additive, proportional, is_value : arrays
        As of `residuals_of`.

    Returns
    -------
    tuple of two ResidualChange

    Examples
    --------
    >>> one, yes = np.ones(1), np.ones(1, bool)
    >>> by_a, by_b = changes_of(3 * one, one, 2 * one, 0 * one, yes)
    >>> float(by_a.value[0]), float(by_b.value[0])
    (0.0, 0.0)
    """
    f, a2, b2 = predicted, additive**2, proportional**2
    R = np.where(is_value, variance_of(f, additive, proportional), 1.0)
    u = np.where(is_value, values - f, 0.0) / R
    R1 = 2.0 * b2 * f
    found = []
    for by, by1 in ((2.0 * a2, 0.0 * f), (2.0 * b2 * f**2, 2.0 * R1)):
        value = 0.5 * by * (1.0 / R - u**2)
        slope = (
            u * by / R
            + 0.5 * by1 * (1.0 / R - u**2)
            + 0.5 * R1 * (2.0 * u**2 * by / R - by / R**2)
        )
        weight = -by / R**2 + R1 * by1 / R**2 - R1**2 * by / R**3
        parts = (value, slope, weight)
        found.append(ResidualChange(*(np.where(is_value, part, 0.0) for part in parts)))
    return found[0], found[1]
