"""Comparison of closed-form curves by AIC, on the scale of a predictive density.

`corrected_akaike` leaves out what curves of the same scans, weights and sd share. Here
it is added, so that curves of other weights, and a model's cross-validation by rows,
stand on one scale: ln of the density of the values themselves, in MBq. The term for
few scans belongs to an sd that is estimated from them: where it was stated the penalty
is K. For use as a library: no command asks for it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pkmodels.dosimetry.exponential_curves import Form, Weights
from pkmodels.dosimetry.exponential_fits import ExponentialFit, corrected_akaike
from pkmodels.dosimetry.scans import Scans
from pkmodels.errors import InputError


@dataclass(frozen=True)
class CurveScore:
    """How well a closed-form curve would predict scans like its own.

    Parameters
    ----------
    region, label : str
        Of its scans.
    form : Form
        The curve.
    weights : Weights
        How its scans were weighted.
    n_parameters, n_scans : int
        Fitted parameters, the sd among them where it was estimated; and scans.
    log_likelihood : float
        ln of the density of the activities (MBq) at the best fit.
    akaike : float
        AIC with all constants, -2 log_likelihood + 2 K where the sd was stated; AICc,
        with 2 K (K + 1) / (n - K - 1) more, where it was estimated, infinite where the
        scans are too few for that.
    """

    region: str
    label: str
    form: Form
    weights: Weights
    n_parameters: int
    n_scans: int
    log_likelihood: float
    akaike: float

    @property
    def expected_log_density(self) -> float:
        """-AIC / 2, an estimate of ln of the density of new scans at these times."""
        return -self.akaike / 2.0


def score_curve(fit: ExponentialFit, scans: Scans) -> CurveScore:
    """Return the AIC of a fitted curve with its constants.

    ln L = -n/2 ln(2 pi s^2) - SS / (2 s^2) - sum_i ln v_i, SS the sum of squares of
    r_i for an sd of 1, s the stated sd or sqrt(SS / n), and v_i = y_i for residuals of
    the logarithm (the density of the value itself) and for relative ones (whose sd is
    s y_i), 1 for equal weights.

    Parameters
    ----------
    fit : ExponentialFit
        The fit.
    scans : Scans
        Those that it was fitted to.

    Returns
    -------
    CurveScore

    Raises
    ------
    InputError
        When the scans are not the fit's.

    References
    ----------
    Hurvich and Tsai, Biometrika 1989;76:297 (the term for few scans, derived for an
    estimated variance); Burnham and Anderson, Model Selection and
    Multimodel Inference, 2nd ed., 2002, chapters 2 and 7.

    Examples
    --------
    >>> from pkmodels.dosimetry.exponential_fits import fit_exponentials
    >>> scans = Scans("kidney", "Lu-177", (4.0, 24.0, 72.0, 120.0),
    ...               (95.0, 70.0, 35.0, 16.0))
    >>> fit = fit_exponentials(scans, Form.WASHOUT, weights=Weights.LOGARITHM, sd=0.05)
    >>> found = score_curve(fit, scans)
    >>> round(found.log_likelihood, 2), round(found.expected_log_density, 2)
    (-7.12, -9.12)
    """
    if (fit.region, fit.label, fit.n_scans) != (
        scans.region,
        scans.label,
        len(scans.times_h),
    ):
        raise InputError(
            f"the curve is of {fit.n_scans} scans of {fit.region}, {fit.label}; got "
            f"{len(scans.times_h)} of {scans.region}, {scans.label}: give those that "
            "it was fitted to"
        )
    n, squares = fit.n_scans, fit.sum_of_squares
    count, squared_sd = len(fit.names), fit.sd
    if squared_sd is None:
        count += 1
        log_variance, misfit = math.log(squares / n), float(n)
    else:
        log_variance, misfit = 2.0 * math.log(squared_sd), squares
    scale = 0.0
    if fit.weights is not Weights.EQUAL:
        scale = float(np.sum(np.log(scans.activities_MBq)))
    likelihood = -0.5 * (n * (math.log(2.0 * math.pi) + log_variance) + misfit) - scale
    return CurveScore(
        region=fit.region,
        label=fit.label,
        form=fit.form,
        weights=fit.weights,
        n_parameters=count,
        n_scans=n,
        log_likelihood=likelihood,
        akaike=_criterion(fit, likelihood, count),
    )


def _criterion(fit: ExponentialFit, likelihood: float, count: int) -> float:
    """Return AIC of a stated sd; of an estimated one AICc, as `corrected_akaike`."""
    if fit.sd is not None:
        return -2.0 * likelihood + 2.0 * count
    shorter = corrected_akaike(fit)
    if not math.isfinite(shorter):
        return math.inf
    n = fit.n_scans
    return -2.0 * likelihood + (shorter - n * math.log(fit.sum_of_squares / n))


def akaike_weights(akaike: Sequence[float]) -> np.ndarray:
    """Return the weight of each of several models of the same data by AIC or AICc.

    w_m = exp(-d_m / 2) / sum exp(-d / 2), d_m = AIC_m less the smallest.

    Parameters
    ----------
    akaike : sequence of float
        Of each, AIC or AICc; infinite ones get 0.

    Returns
    -------
    (n_models,) array
        Their sum is 1.

    Raises
    ------
    InputError
        When none is finite.

    References
    ----------
    Burnham and Anderson 2002, section 2.9.

    Examples
    --------
    >>> akaike_weights([10.0, 12.0, math.inf]).round(3).tolist()
    [0.731, 0.269, 0.0]
    """
    values = np.asarray(akaike, dtype=float)
    if not np.isfinite(values).any() or np.isnan(values).any():
        raise InputError(
            f"AIC of the models are {values.tolist()}: at least one must be finite: "
            "its scans outnumber its parameters by two"
        )
    relative = np.exp(-0.5 * (values - values.min()))
    return relative / relative.sum()
