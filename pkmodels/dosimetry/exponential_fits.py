"""The classical fit: one or two exponentials by weighted least squares.

It stands beside the posterior as the comparison; its uncertainty is that of the fit
alone, to first order.
"""

import math
from dataclasses import dataclass

import numpy as np

from pkmodels.dosimetry.exponential_curves import (
    PARAMETERS,
    Form,
    Weights,
    differentiate_residuals,
    expand_terms,
    search_parameters,
    weigh_residuals,
)
from pkmodels.dosimetry.scans import Scans
from pkmodels.errors import InputError
from pkmodels.nuclides import nuclide

# Columns of the scaled Jacobian this close to dependent determine nothing.
_WORST_CONDITION = 1e7


@dataclass(frozen=True)
class ExponentialFit:
    """A weighted least-squares fit, A(t) = sum_i c_i exp(-l_i t).

    Parameters
    ----------
    region, label : str
        Region and radionuclide of the scans.
    form : Form
        The curve.
    weights : Weights
        How the scans were weighted.
    names : tuple of str
        Names of the parameters: ``ln A`` (A in MBq), ``l`` (1/h).
    estimates : (n_parameters,) array
        Their estimates.
    covariance : (n_parameters, n_parameters) array
        V = s^2 (J'WJ)^-1, zero for a rate that was held.
    coefficients_MBq, rates_per_h : (n_terms,) array
        c_i and l_i.
    sd : float or None
        Stated error of a scan, in the terms of `weights`; None when estimated.
    scale : float
        s: 1 when `sd` was stated, else the root of the mean squared residual over the
        degrees of freedom.
    sum_of_squares : float
        Weighted sum of squared residuals.
    n_scans : int
        Number of scans.
    last_scan_h : float
        Time of the last one, h.
    warnings : tuple of str
        A rate held at physical decay, of which the covariance then knows nothing.
    """

    region: str
    label: str
    form: Form
    weights: Weights
    names: tuple[str, ...]
    estimates: np.ndarray
    covariance: np.ndarray
    coefficients_MBq: np.ndarray
    rates_per_h: np.ndarray
    sd: float | None
    scale: float
    sum_of_squares: float
    n_scans: int
    last_scan_h: float
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class FittedIntegrals:
    """Time-integrated activities of a fit for several labels, with covariance.

    Parameters
    ----------
    labels : tuple of str
        Radionuclides.
    MBq_h : (n_labels,) array
        TIA of each, MBq h, for the same administered activity.
    relative_uncertainty : (n_labels,) array
        u(TIA) / TIA of each, of the fit alone.
    correlation : (n_labels, n_labels) array
        Of the TIAs.
    beyond_last_scan : (n_labels,) array
        Fraction of each after the last scan.
    """

    labels: tuple[str, ...]
    MBq_h: np.ndarray
    relative_uncertainty: np.ndarray
    correlation: np.ndarray
    beyond_last_scan: np.ndarray


def fit_exponentials(
    scans: Scans, form: Form, *, weights: Weights, sd: float | None
) -> ExponentialFit:
    """Fit one or two exponentials to physical activities.

    Minimizes sum_i w_i r_i^2 with all rates at least physical decay, since an
    effective half-life is never longer than the physical one. A rate that the scans
    would place below it is held there, with a warning.

    Parameters
    ----------
    scans : Scans
        Physical activities, > 0 for ``LOGARITHM`` and ``RELATIVE``; after 0 h for
        ``UPTAKE``.
    form : Form
        The curve.
    weights : Weights
        ``LOGARITHM``: r = ln(A_obs / A) / sd; ``RELATIVE``:
        r = (A_obs - A) / (sd A_obs); ``EQUAL``: r = (A_obs - A) / sd.
    sd : float or None
        Error of one scan: of ln A, relative, or in MBq; > 0. None to estimate it from
        the residuals, which needs more scans than parameters.

    Returns
    -------
    ExponentialFit

    Raises
    ------
    InputError
        When the scans are too few or do not determine the curve, an activity is 0
        where it may not be, or the sd is not positive.

    References
    ----------
    Gear et al., EANM guidance on uncertainty, Eur J Nucl Med Mol Imaging 2018;45:2456
    (V = s^2 (J'WJ)^-1).

    Examples
    --------
    >>> scans = Scans("kidney", "Lu-177", (24.0, 72.0, 120.0), (70.0, 35.0, 16.0))
    >>> fit = fit_exponentials(scans, Form.WASHOUT, weights=Weights.LOGARITHM, sd=0.05)
    >>> round(float(np.exp(fit.estimates[0])), 3), round(float(fit.estimates[1]), 6)
    (102.761, 0.015374)
    """
    _check(scans, form, weights, sd)
    found, warnings = search_parameters(scans, form, weights)
    by_parameter = differentiate_residuals(scans, form, weights, found)
    freed = [i for i in range(found.size) if not (warnings and i == 1)]
    squares = float(np.sum(weigh_residuals(scans, form, weights, found) ** 2))
    scale_squared = _scale_squared(scans, form, sd, squares, len(freed))
    covariance = np.zeros((found.size, found.size))
    covariance[np.ix_(freed, freed)] = scale_squared * _inverse(
        scans, form, by_parameter[:, freed]
    )
    coefficients, rates, *_ = expand_terms(form, found)
    return ExponentialFit(
        region=scans.region,
        label=scans.label,
        form=form,
        weights=weights,
        names=PARAMETERS[form],
        estimates=found,
        covariance=covariance,
        coefficients_MBq=coefficients,
        rates_per_h=rates,
        sd=sd,
        scale=1.0 if sd is not None else math.sqrt(scale_squared),
        sum_of_squares=squares if sd is None else squares / sd**2,
        n_scans=len(scans.times_h),
        last_scan_h=scans.times_h[-1],
        warnings=warnings,
    )


def integrate_fit(fit: ExponentialFit, labels: tuple[str, ...]) -> FittedIntegrals:
    """Return the TIAs of a fit, for its own label and after exchange of the label.

    TIA = sum_i c_i / (l_i - lambda_own + lambda), and u^2 = g'Vg with g its gradient
    by the fitted parameters: labels share the fit, so that their TIAs correlate.

    Parameters
    ----------
    fit : ExponentialFit
        The fit.
    labels : tuple of str
        Radionuclides wanted, on the same ligand at the same administered activity.

    Returns
    -------
    FittedIntegrals

    References
    ----------
    Gear et al., Eur J Nucl Med Mol Imaging 2018;45:2456 (u of the TIA); MIRD schema
    for the exchange of the label (Bolch et al., J Nucl Med 2009;50:477).

    Examples
    --------
    >>> scans = Scans("kidney", "Lu-177", (24.0, 72.0, 120.0), (70.0, 35.0, 16.0))
    >>> fit = fit_exponentials(scans, Form.WASHOUT, weights=Weights.LOGARITHM, sd=0.05)
    >>> both = integrate_fit(fit, ("Lu-177", "Y-90"))
    >>> both.MBq_h.round(1).tolist(), both.relative_uncertainty.round(4).tolist()
    ([6684.1, 4704.6], [0.0293, 0.0347])
    """
    coefficients, rates, by_coefficient, by_rate = expand_terms(fit.form, fit.estimates)
    own = nuclide(fit.label).decay_constant_per_h
    exchanged = np.stack(
        [rates - own + nuclide(label).decay_constant_per_h for label in labels]
    )
    integrals = (coefficients / exchanged).sum(axis=1)
    gradients = (1.0 / exchanged) @ by_coefficient - (
        coefficients / exchanged**2
    ) @ by_rate
    covariance = gradients @ fit.covariance @ gradients.T
    deviations = np.sqrt(np.diag(covariance))
    beyond = coefficients * np.exp(-exchanged * fit.last_scan_h) / exchanged
    return FittedIntegrals(
        labels=labels,
        MBq_h=integrals,
        relative_uncertainty=deviations / integrals,
        correlation=covariance / np.outer(deviations, deviations),
        beyond_last_scan=beyond.sum(axis=1) / integrals,
    )


def corrected_akaike(fit: ExponentialFit) -> float:
    """Return the corrected Akaike criterion of a fit; less is better.

    chi^2 + 2 K + 2 K (K + 1) / (n - K - 1) where the error of a scan was stated, else
    n ln(SS / n) in place of chi^2 and K one more. Comparable between forms only, for
    the same scans, weights and sd.

    Parameters
    ----------
    fit : ExponentialFit
        The fit.

    Returns
    -------
    float
        Infinite where n - K - 1 <= 0: so few scans cannot speak for such a form.

    References
    ----------
    Hurvich and Tsai, Biometrika 1989;76:297.

    Examples
    --------
    >>> scans = Scans("kidney", "Lu-177", (4.0, 24.0, 72.0, 120.0),
    ...               (95.0, 70.0, 35.0, 16.0))
    >>> fit = fit_exponentials(scans, Form.WASHOUT, weights=Weights.LOGARITHM, sd=0.05)
    >>> round(corrected_akaike(fit), 2)
    16.59
    """
    n, count = fit.n_scans, len(fit.names)
    misfit = fit.sum_of_squares
    if fit.sd is None:
        count += 1
        misfit = n * math.log(fit.sum_of_squares / n)
    left = n - count - 1
    if left <= 0:
        return math.inf
    return misfit + 2.0 * count + 2.0 * count * (count + 1) / left


def _check(scans: Scans, form: Form, weights: Weights, sd: float | None) -> None:
    count, needed = len(scans.times_h), len(PARAMETERS[form])
    if sd is not None and not (math.isfinite(sd) and sd > 0.0):
        raise InputError(f"{scans.region}: the sd of a scan is {sd}: it must be > 0")
    if count < needed + (sd is None):
        why = " and its error" if sd is None else ""
        raise InputError(
            f"{scans.region}: {count} scans do not determine {form}{why}: "
            f"{needed + (sd is None)} are needed"
        )
    if min(scans.activities_MBq) <= 0.0:
        if weights is not Weights.EQUAL or max(scans.activities_MBq) <= 0.0:
            raise InputError(
                f"{scans.region}: an activity of 0 cannot be fitted with {weights}: "
                f"leave that scan out, or weight by {Weights.EQUAL}"
            )
    if form is Form.UPTAKE and weights is Weights.LOGARITHM and scans.times_h[0] == 0.0:
        raise InputError(
            f"{scans.region}: {form} is 0 at 0 h and has no logarithm there: leave "
            "that scan out"
        )


def _scale_squared(
    scans: Scans, form: Form, sd: float | None, squares: float, n_free: int
) -> float:
    """Return what multiplies (J'J)^-1, J being that of residuals for an sd of 1."""
    if sd is not None:
        return sd**2
    if squares <= 0.0:
        raise InputError(
            f"{scans.region}: {form} runs exactly through the scans, so that their "
            "error cannot be estimated: state sd"
        )
    return squares / (len(scans.times_h) - n_free)


def _inverse(scans: Scans, form: Form, slopes: np.ndarray) -> np.ndarray:
    """Return (J'J)^-1 by the singular values of J with columns of length 1."""
    lengths = np.linalg.norm(slopes, axis=0)
    if (lengths > 0.0).all():
        _, singular, right = np.linalg.svd(slopes / lengths, full_matrices=False)
        if singular[-1] * _WORST_CONDITION > singular[0]:
            scaled = right.T / singular
            return (scaled @ scaled.T) / np.outer(lengths, lengths)
    raise InputError(
        f"{scans.region}: the scans do not determine every parameter of {form}: take a "
        "simpler form"
    )
