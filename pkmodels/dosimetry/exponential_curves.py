"""Sums of one or two exponentials, and their least-squares search on scans."""

import math
from enum import StrEnum

import numpy as np
from scipy.optimize import OptimizeResult, least_squares

from pkmodels.dosimetry.scans import Scans, hold_at_physical
from pkmodels.errors import InputError

# A second rate of more than this over the time of the first scan leaves no trace in
# it, exp(-20) = 2e-9; of less than this over the last one's, it is the first rate.
_FASTEST = 20.0
# Logarithms: exp(300) and exp(-300) are numbers, and so are their squares.
_FARTHEST = 300.0
_CLOSEST = 1e-4
# Tolerances of the search from each start, and from the best point found.
_ROUGH, _FINE = 1e-6, 1e-14
# A term of less than this beside the other is none.
_SMALLEST = 1e-6


class Form(StrEnum):
    """The curves that can be fitted; all rates are effective ones."""

    WASHOUT = "A exp(-l t)"
    UPTAKE = "A (exp(-l1 t) - exp(-l2 t))"
    TWO_WASHOUTS = "A1 exp(-l1 t) + A2 exp(-l2 t)"


class Weights(StrEnum):
    """Which errors of the scans are equally likely."""

    LOGARITHM = "equal errors of ln A"
    RELATIVE = "errors proportional to the measured A"
    EQUAL = "equal errors of A"


PARAMETERS = {
    Form.WASHOUT: ("ln A", "l"),
    Form.UPTAKE: ("ln A", "l1", "l2"),
    Form.TWO_WASHOUTS: ("ln A1", "l1", "ln A2", "l2"),
}


def expand_terms(
    form: Form, p: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the terms c_i exp(-l_i t) of a curve and how they follow its parameters.

    Parameters
    ----------
    form : Form
        The curve.
    p : (n_parameters,) array
        Its `PARAMETERS`: ln MBq and 1/h.

    Returns
    -------
    (c, l, dc/dp, dl/dp)
        (n_terms,) MBq, (n_terms,) 1/h and (n_terms, n_parameters) each.

    Examples
    --------
    >>> c, l, *_ = expand_terms(Form.UPTAKE, np.array([0.0, 0.02, 0.3]))
    >>> c.tolist(), l.tolist()
    ([1.0, -1.0], [0.02, 0.3])
    """
    if form is Form.WASHOUT:
        size, positions, signs = p[:1], [0], [1.0]
        rates, rate_positions = p[1:], [1]
    elif form is Form.UPTAKE:
        size, positions, signs = p[[0, 0]], [0, 0], [1.0, -1.0]
        rates, rate_positions = p[1:], [1, 2]
    else:
        size, positions, signs = p[[0, 2]], [0, 2], [1.0, 1.0]
        rates, rate_positions = p[[1, 3]], [1, 3]
    coefficients = np.array(signs) * np.exp(size)
    by_coefficient = np.zeros((len(signs), p.size))
    by_rate = np.zeros((len(signs), p.size))
    for i, (position, rate_position) in enumerate(
        zip(positions, rate_positions, strict=True)
    ):
        by_coefficient[i, position] = coefficients[i]
        by_rate[i, rate_position] = 1.0
    return coefficients, rates, by_coefficient, by_rate


def weigh_residuals(
    scans: Scans, form: Form, weights: Weights, p: np.ndarray
) -> np.ndarray:
    """Return the residuals of the scans, for an sd of 1.

    Parameters
    ----------
    scans : Scans
        Physical activities.
    form : Form
        The curve.
    weights : Weights
        Residuals of ln A, relative to the measured A, or in MBq.
    p : (n_parameters,) array
        Its `PARAMETERS`.

    Returns
    -------
    (n_scans,) array

    Examples
    --------
    >>> scans = Scans("kidney", "Lu-177", (0.0,), (1.25,))
    >>> float(weigh_residuals(scans, Form.WASHOUT, Weights.RELATIVE, np.zeros(2))[0])
    -0.2
    """
    observed = np.array(scans.activities_MBq)
    coefficients, rates, *_ = expand_terms(form, p)
    curve = np.exp(-np.outer(scans.times_h, rates)) @ coefficients
    if weights is Weights.LOGARITHM:
        return np.log(np.maximum(curve, np.finfo(float).tiny) / observed)
    return (curve - observed) / (observed if weights is Weights.RELATIVE else 1.0)


def differentiate_residuals(
    scans: Scans, form: Form, weights: Weights, p: np.ndarray
) -> np.ndarray:
    """Return the derivatives of `weigh_residuals` by the parameters.

    Parameters
    ----------
    scans, form, weights, p
        As there.

    Returns
    -------
    (n_scans, n_parameters) array

    Examples
    --------
    >>> scans = Scans("kidney", "Lu-177", (10.0,), (1.25,))
    >>> differentiate_residuals(
    ...     scans, Form.WASHOUT, Weights.LOGARITHM, np.zeros(2)).tolist()
    [[1.0, -10.0]]
    """
    observed, times = np.array(scans.activities_MBq), np.array(scans.times_h)
    coefficients, rates, by_coefficient, by_rate = expand_terms(form, p)
    decays = np.exp(-np.outer(times, rates))
    slope = decays @ by_coefficient - times[:, None] * (
        (decays * coefficients) @ by_rate
    )
    if weights is Weights.LOGARITHM:
        return slope / (decays @ coefficients)[:, None]
    return slope / observed[:, None] if weights is Weights.RELATIVE else slope


def search_parameters(
    scans: Scans, form: Form, weights: Weights
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the parameters of the least sum of squares, rates at least physical decay.

    Where the slow rate of the free minimum lies below physical decay it is held there
    and the others are searched anew.

    Parameters
    ----------
    scans : Scans
        Physical activities.
    form : Form
        The curve.
    weights : Weights
        How the residuals are weighted.

    Returns
    -------
    ((n_parameters,) array, tuple of str)
        Its `PARAMETERS`, and a warning where the slow rate was held.

    Raises
    ------
    InputError
        When the search does not converge, or the scans show no second term.

    Examples
    --------
    >>> scans = Scans("kidney", "Lu-177", (0.0, 50.0), (4.0, 2.0))
    >>> p, warnings = search_parameters(scans, Form.WASHOUT, Weights.LOGARITHM)
    >>> round(float(np.log(2.0) / p[1]), 6), warnings
    (50.0, ())
    """
    found = _minimize(scans, form, weights, None)
    _check_terms(scans, form, found)
    slow, warnings = hold_at_physical(float(found[1]), scans.label)
    if warnings:
        found = _minimize(scans, form, weights, slow)
        _check_terms(scans, form, found)
    return found, warnings


def _minimize(
    scans: Scans, form: Form, weights: Weights, held: float | None
) -> np.ndarray:
    """Return the parameters of the least sum of squares, the slow rate free or held."""

    def natural(q: np.ndarray) -> np.ndarray:
        return _natural(form, q, held)

    def slopes(q: np.ndarray) -> np.ndarray:
        by_parameter = differentiate_residuals(scans, form, weights, natural(q))
        return _by_search(form, natural(q), by_parameter, held)

    lower, upper = _bounds(scans, form, held)

    def search(start: np.ndarray, tolerance: float) -> OptimizeResult:
        return least_squares(
            lambda q: weigh_residuals(scans, form, weights, natural(q)),
            np.clip(start, lower + 1e-9, upper - 1e-9),
            jac=slopes,  # pyright: ignore[reportArgumentType]
            bounds=(lower, upper),
            x_scale="jac",
            xtol=tolerance,
            ftol=tolerance,
            gtol=tolerance,
            max_nfev=2000,
        )

    rough = [search(start, _ROUGH) for start in _starts(scans, form, held)]
    best = search(min(rough, key=lambda found: found.cost).x, _FINE)
    if not (best.success and math.isfinite(best.cost)):
        raise InputError(
            f"{scans.region}: the fit of {form} did not converge ({best.message}): "
            "take a simpler form"
        )
    if form is not Form.WASHOUT:
        low, high = lower[-1], upper[-1]
        if not low + 1e-3 < best.x[-1] < high - 1e-3:
            raise InputError(
                f"{scans.region}: the scans do not determine the second rate of "
                f"{form}: it runs to {natural(best.x)[-1]:.3g} 1/h; take {Form.WASHOUT}"
            )
    return natural(best.x)


def _check_terms(scans: Scans, form: Form, p: np.ndarray) -> None:
    """Refuse a fit of two terms of which one has vanished."""
    coefficients = np.abs(expand_terms(form, p)[0])
    if coefficients.min() < _SMALLEST * coefficients.max():
        raise InputError(
            f"{scans.region}: one of the two washouts vanishes, so that the scans show "
            f"no more than one: take {Form.WASHOUT}"
        )


def _natural(form: Form, q: np.ndarray, held: float | None) -> np.ndarray:
    """Return the parameters from those of the search, with ln(l2 - l1) for l2."""
    p = q.copy() if held is None else np.insert(q, 1, held)
    if form is not Form.WASHOUT:
        p[-1] = p[1] + math.exp(p[-1])
    return p


def _by_search(
    form: Form, p: np.ndarray, by_parameter: np.ndarray, held: float | None
) -> np.ndarray:
    """Return derivatives by the parameters of the search from those by p."""
    slopes = by_parameter.copy()
    if form is not Form.WASHOUT:
        slopes[:, 1] += by_parameter[:, -1]
        slopes[:, -1] *= p[-1] - p[1]
    return slopes if held is None else np.delete(slopes, 1, axis=1)


def _bounds(
    scans: Scans, form: Form, held: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the search, so far out that only overflow lies beyond them."""
    size = math.log(max(scans.activities_MBq))
    names = PARAMETERS[form]
    lower = np.full(len(names), size - _FARTHEST)
    upper = np.full(len(names), size + _FARTHEST)
    lower[1], upper[1] = np.array([-_FARTHEST, _FARTHEST]) / scans.times_h[-1]
    if held is not None:
        lower, upper = np.delete(lower, 1), np.delete(upper, 1)
    if form is not Form.WASHOUT:
        first = next(time for time in scans.times_h if time > 0.0)
        lower[-1] = math.log(_CLOSEST / scans.times_h[-1])
        upper[-1] = math.log(_FASTEST / first)
    return lower, upper


def _starts(scans: Scans, form: Form, held: float | None) -> list[np.ndarray]:
    """Return starts whose second rate spans what the times can tell apart."""
    times, activities = np.array(scans.times_h), np.array(scans.activities_MBq)
    peak = int(np.argmax(activities))
    falling = slice(min(peak, times.size - 2), None)
    slope = np.polyfit(times[falling], np.log(np.maximum(activities[falling], 1e-9)), 1)
    slow, size = max(-slope[0], 1e-3), math.log(activities[peak])
    if form is Form.WASHOUT:
        starts = [np.array([size + slow * times[peak], slow])]
    else:
        first = times[times > 0.0][0]
        spans = np.log(np.geomspace(1.0 / times[-1], 5.0 / first, 6))
        amplitudes = [size] if form is Form.UPTAKE else [size, size - 1.0]
        starts = [np.array([size, slow, *amplitudes[1:], span]) for span in spans]
    return [start if held is None else np.delete(start, 1) for start in starts]
