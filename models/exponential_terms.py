"""The model `exponentials` in closed form: terms, integrals and half-lives.

A region's activity per administered activity is sum_i c_i exp(-l_i t), with the
effective rates l_i = biological rate + lambda of the label. The equations are those of
`pkmodels.models.exponentials`.

References
----------
Siegel et al., MIRD pamphlet 16, J Nucl Med 1999;40:37S-61S.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pkmodels.errors import InputError, suggest
from pkmodels.models.exponentials import SHOWN_REGIONS, UPTAKE_HALF_TIME, check_form
from pkmodels.nuclides import nuclide

# Relative distance of two rates below which the terms of a curve cancel.
_EQUAL = 1e-6


@dataclass(frozen=True)
class ExponentialCurve:
    """A region's activity per administered activity, sum_i c_i exp(-l_i t).

    Parameters
    ----------
    coefficients : (..., n_terms) array
        c_i; the term of uptake, the last one, is negative.
    rates_per_h : (..., n_terms) array
        l_i, effective, 1/h, > 0.
    """

    coefficients: np.ndarray
    rates_per_h: np.ndarray


def curve_of(
    parameters: Mapping[str, Any],
    region: str,
    label: str,
    *,
    regions: tuple[str, ...] = SHOWN_REGIONS,
    phases: int = 2,
    uptake: bool = True,
) -> ExponentialCurve:
    """Return the exponentials of a region's activity per administered activity.

    Parameters
    ----------
    parameters : mapping of str to float or (n_draws,) array
        Every parameter of `pkmodels.models.exponentials.model` with the same arguments.
    region : str
        One of the regions.
    label : str
        The radionuclide, which decays on top.
    regions, phases, uptake
        As that model takes them.

    Returns
    -------
    ExponentialCurve
        Slowest phase first, then the faster ones, then the uptake.

    Raises
    ------
    InputError
        When the region or the label is unknown, or a washout is as fast as the uptake
        to within 1e-6, where the terms would cancel.
    ModelError
        As that model does.

    References
    ----------
    Siegel et al., MIRD pamphlet 16, J Nucl Med 1999;40:37S-61S.

    Examples
    --------
    >>> from pkmodels.dosimetry.biological_dose import g_factor_of_exponentials
    >>> patient = {"uptake_odds_kidney": 0.022 / 0.978, "uptake_half_time": 4.0,
    ...            "biological_half_life_kidney": 55.2}
    >>> kidney = curve_of(patient, "kidney", "Lu-177", regions=("kidney",), phases=1)
    >>> print(kidney.coefficients.round(5), round(float(integrate_curve(kidney)), 4))
    [ 0.02372 -0.02372] 1.2698
    >>> g = g_factor_of_exponentials(kidney.coefficients, kidney.rates_per_h, 2.8)
    >>> round(float(g), 4)
    0.0607
    """
    check_form(regions, phases, uptake)
    if region not in regions:
        raise InputError(f"no region {region!r}: {suggest(region, regions)}")
    decay = nuclide(label).decay_constant_per_h
    odds = {name: np.asarray(parameters[f"uptake_odds_{name}"]) for name in regions}
    fraction = odds[region] / (1.0 + sum(odds.values()))
    shares, rates = _phases(parameters, region, phases)
    sizes = [fraction * share for share in shares]
    if uptake:
        filling = np.log(2.0) / np.asarray(parameters[UPTAKE_HALF_TIME], float)
        for rate in rates:
            if np.any(np.abs(filling - rate) < _EQUAL * filling):
                raise InputError(
                    f"{region}: the uptake half-time and a biological half-life are "
                    f"equal ({np.log(2.0) / filling!r:.40} h), where the terms of the "
                    "curve cancel: change one by 1e-5 of itself, or simulate the model"
                )
        sizes = [
            size * filling / (filling - rate)
            for size, rate in zip(sizes, rates, strict=True)
        ]
        sizes, rates = [*sizes, -sum(sizes)], [*rates, filling]
    coefficients = np.stack(np.broadcast_arrays(*sizes), axis=-1)
    effective = np.stack(np.broadcast_arrays(*rates), axis=-1) + decay
    return ExponentialCurve(*np.broadcast_arrays(coefficients, effective))


def integrate_curve(curve: ExponentialCurve) -> np.ndarray:
    """Return the time-integrated activity coefficient, sum_i c_i / l_i.

    Parameters
    ----------
    curve : ExponentialCurve
        The curve.

    Returns
    -------
    (...,) array
        TIAC, h.

    Examples
    --------
    >>> one = ExponentialCurve(np.array([0.044]), np.log(2.0) / np.array([41.0]))
    >>> round(float(integrate_curve(one)), 2)  # both kidneys 4.4 %, 41 h effective
    2.6
    """
    return np.sum(curve.coefficients / curve.rates_per_h, axis=-1)


def effective_half_life(biological_h: Any, label: str) -> np.ndarray:
    """Return the effective half-life T_b T_p / (T_b + T_p).

    Parameters
    ----------
    biological_h : float or array
        Biological half-life, h, > 0; infinite for what stays for ever.
    label : str
        The radionuclide.

    Returns
    -------
    array, h

    Raises
    ------
    InputError
        When a half-life is not above 0, or the label is unknown.

    Examples
    --------
    >>> round(float(effective_half_life(55.2, "Lu-177")), 2)
    41.01
    """
    biological = np.asarray(biological_h, float)
    if not (biological > 0.0).all():
        raise InputError(f"a biological half-life of {biological_h} h: it must be > 0")
    return 1.0 / (1.0 / biological + 1.0 / nuclide(label).half_life_h)


def biological_half_life(effective_h: Any, label: str) -> np.ndarray:
    """Return the biological half-life that gives an effective one.

    Parameters
    ----------
    effective_h : float or array
        Effective half-life, h, > 0 and below the physical one.
    label : str
        The radionuclide.

    Returns
    -------
    array, h

    Raises
    ------
    InputError
        When an effective half-life is not between 0 and the physical one, which no
        washout gives, or the label is unknown.

    Examples
    --------
    >>> round(float(biological_half_life(41.0, "Lu-177")), 1)
    55.2
    """
    effective, physical = np.asarray(effective_h, float), nuclide(label).half_life_h
    if not ((effective > 0.0) & (effective < physical)).all():
        raise InputError(
            f"an effective half-life of {effective_h} h with {label}: it must be above "
            f"0 and below the physical one, {physical:g} h; look at the decay "
            "correction of the scans"
        )
    return 1.0 / (1.0 / effective - 1.0 / physical)


def _phases(
    parameters: Mapping[str, Any], region: str, phases: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the shares and the biological rates of a region, slowest first."""

    def of(name: str) -> np.ndarray:
        return np.asarray(parameters[name], float)

    rates = [np.log(2.0) / of(f"biological_half_life_{region}")]
    for i in range(2, phases + 1):
        rates.append(rates[-1] / of(f"half_life_ratio_{region}_{i}"))
    shares, left = [], np.ones(())
    for i in range(phases, 1, -1):
        shares.append(left * of(f"share_{region}_{i}"))
        left = left - shares[-1]
    return [left, *reversed(shares)], rates
