"""Biologically effective dose (BED): the linear-quadratic model with repair."""

from typing import Any

import numpy as np

from pkmodels.errors import InputError

# Rounding that a G-factor, at most 1 by its definition, may be above 1 by.
_ROUNDING = 1e-9


def g_factor_of_exponentials(
    amplitudes: Any, rates: Any, repair_half_time_h: Any
) -> np.ndarray:
    """Return the G-factor of a dose rate that is a sum of exponentials.

    For R(t) = sum_i a_i exp(-b_i t), D = sum_i a_i / b_i and mu = ln 2 / T_repair:
    G = (2 / D^2) sum_ij a_i a_j / [(b_i + b_j) (b_i + mu)]; for one exponential
    G = T_repair / (T_repair + T_effective).

    Parameters
    ----------
    amplitudes : (..., n_terms) array
        a_i, in any unit of dose rate or activity; uptake has a negative one. R(t) is
        nowhere negative.
    rates : (..., n_terms) array
        b_i, with physical decay, 1/h, > 0.
    repair_half_time_h : (...,) array
        Half-time of repair of sublethal damage, h, > 0.

    Returns
    -------
    (...,) array
        From 0 (all is repaired at once) to 1 (nothing is repaired).

    Raises
    ------
    InputError
        When a number is out of its range, or the dose rate is negative somewhere or
        lost to rounding, so that no dose is left or G is above 1.

    References
    ----------
    Lea and Catcheside, J Genet 1942;44:216; Dale, Br J Radiol 1985;58:515; Baechler et
    al., Med Phys 2008;35:1123 (several exponentials).

    Examples
    --------
    >>> half_lives = np.array([8.0, 60.0])  # 60 % with 8 h, 40 % with 60 h
    >>> g = g_factor_of_exponentials([0.6, 0.4], np.log(2.0) / half_lives, 2.8)
    >>> round(float(g), 5)
    0.05756
    """
    a, b = np.asarray(amplitudes, float), np.asarray(rates, float)
    if not a.ndim or not b.ndim or a.shape[-1] != b.shape[-1]:
        raise InputError(
            f"amplitudes have the shape {a.shape} and rates {b.shape}: give one of "
            "each for every exponential, along the last axis"
        )
    _check("amplitudes", a, np.isfinite(a), "finite")
    _check_positive("rates", b, "1/h")
    repair = np.asarray(repair_half_time_h, float)
    _check_positive("repair_half_time_h", repair, "h")
    mu = np.log(2.0) / repair[..., None]
    dose = np.sum(a / b, axis=-1)
    _check("the dose of these exponentials", dose, dose > 0.0, "> 0")
    pairs = a[..., None, :] / (b[..., :, None] + b[..., None, :])
    inner = np.sum(pairs, axis=-1)
    g = 2.0 / dose**2 * np.sum(a * inner / (b + mu), axis=-1)
    remedy = "from 0 to 1: the dose rate is negative somewhere, or all but cancels"
    is_possible = (g >= 0.0) & (g <= 1.0 + _ROUNDING)
    _check("the G-factor of these exponentials", g, is_possible, remedy)
    return np.minimum(g, 1.0)


def g_factor(weights: Any, q: Any, time_integrals: Any) -> np.ndarray:
    """Return the G-factor of a target that several activities irradiate.

    G = 2 s'Q s / (s'A)^2; then BED = D (1 + G D / (alpha/beta)).

    Parameters
    ----------
    weights : (n_draws, n_observables) array
        Dose rate per activity s_i of each source, as S-values are, >= 0.
    q : (n_draws, n_observables, n_observables) array
        As `pkmodels.dosimetry.protraction.protract` gives it, MBq^2 h^2.
    time_integrals : (n_draws, n_observables) array
        Of the same observables and doses as `q`, MBq h.

    Returns
    -------
    (n_draws,) array
        From 0 to 1.

    Raises
    ------
    InputError
        When a shape or a weight is wrong, there is no dose, or G is above 1: then `q`
        and `time_integrals` are of different doses.

    Examples
    --------
    >>> area = np.array([[60.0]])  # one exponential: Q = A^2 G / 2
    >>> g_factor(np.ones((1, 1)), 0.5 * 0.064 * area[:, :, None] ** 2, area)
    array([0.064])
    """
    s, q, integrals = (np.asarray(x, float) for x in (weights, q, time_integrals))
    if s.ndim != 2 or integrals.shape != s.shape or q.shape != (*s.shape, s.shape[1]):
        raise InputError(
            f"weights have the shape {s.shape}, q {q.shape} and time_integrals "
            f"{integrals.shape}: they must be (n, m), (n, m, m) and (n, m)"
        )
    wrong = s[~(np.isfinite(s) & (s >= 0.0))]
    if wrong.size:
        raise InputError(f"weights: {wrong[0]:g} must be finite and >= 0")
    dose = np.sum(s * integrals, axis=1)
    if not (dose > 0.0).all():
        raise InputError(
            f"the dose of draw {int(np.argmin(dose > 0.0))} is {dose.min():g}: without "
            "a dose there is no G-factor"
        )
    g = 2.0 * np.einsum("di,dij,dj->d", s, q, s) / dose**2
    if not ((g >= 0.0) & (g <= 1.0 + _ROUNDING)).all():
        raise InputError(
            f"G-factors are from {g.min():g} to {g.max():g} and must be from 0 to 1: "
            "give q and time_integrals of the same doses and observables"
        )
    return np.minimum(g, 1.0)


def biologically_effective_dose(dose: Any, g: Any, alpha_beta: Any) -> np.ndarray:
    """Return the biologically effective dose of one course of irradiation.

    BED = D (1 + G D / (alpha/beta)). The BEDs of courses add where the damage of one is
    repaired before the next (`total_biologically_effective_dose`).

    Parameters
    ----------
    dose : array
        Absorbed dose D, Gy, >= 0.
    g : array
        Its G-factor, 0 to 1.
    alpha_beta : array
        alpha/beta of the tissue, Gy, > 0.

    Returns
    -------
    array, Gy

    Raises
    ------
    InputError
        When a number is out of its range.

    References
    ----------
    Dale, Br J Radiol 1985;58:515; MIRD pamphlet 20, Wessels et al., J Nucl Med
    2008;49:1884 (kidneys).

    Examples
    --------
    >>> round(float(biologically_effective_dose(23.0, 0.06393, 2.5)), 2)
    36.53
    """
    dose, g, alpha_beta = (np.asarray(x, float) for x in (dose, g, alpha_beta))
    _check("dose", dose, (dose >= 0.0) & np.isfinite(dose), ">= 0 Gy")
    _check_tissue(g, alpha_beta)
    return dose * (1.0 + g * dose / alpha_beta)


def dose_of_biologically_effective_dose(
    bed: Any, g: Any, alpha_beta: Any
) -> np.ndarray:
    """Return the absorbed dose that has a biologically effective dose.

    The root D of BED = D (1 + G D / (alpha/beta)) in the form that does not cancel,
    D = 2 BED / (1 + sqrt(1 + 4 G BED / (alpha/beta))).

    Parameters
    ----------
    bed : array
        Biologically effective dose, Gy, >= 0.
    g : array
        G-factor, 0 to 1; at 0 the two doses are equal.
    alpha_beta : array
        alpha/beta of the tissue, Gy, > 0.

    Returns
    -------
    array, Gy

    Raises
    ------
    InputError
        When a number is out of its range.

    Examples
    --------
    >>> round(float(dose_of_biologically_effective_dose(40.0, 0.06393, 2.5)), 2)
    24.57
    """
    bed, g, alpha_beta = (np.asarray(x, float) for x in (bed, g, alpha_beta))
    _check("bed", bed, (bed >= 0.0) & np.isfinite(bed), ">= 0 Gy")
    _check_tissue(g, alpha_beta)
    return 2.0 * bed / (1.0 + np.sqrt(1.0 + 4.0 * g * bed / alpha_beta))


def biologically_effective_dose_of_fractions(
    dose: Any, fractions: Any, alpha_beta: Any, g: Any = 1.0
) -> np.ndarray:
    """Return the biologically effective dose of equal fractions, repaired in between.

    BED = D (1 + G D / (n alpha/beta)), D the dose of all n together: n times the BED of
    one.

    Parameters
    ----------
    dose : array
        Absorbed dose of all fractions together, Gy, >= 0.
    fractions : array
        How many there are, n >= 1.
    alpha_beta : array
        alpha/beta of the tissue, Gy, > 0.
    g : array
        G-factor of one fraction, 0 to 1: 1 for a few minutes of external beam.

    Returns
    -------
    array, Gy

    Raises
    ------
    InputError
        When a number is out of its range.

    References
    ----------
    Barendsen, Int J Radiat Oncol Biol Phys 1982;8:1981; Fowler, Br J Radiol
    1989;62:679.

    Examples
    --------
    >>> float(biologically_effective_dose_of_fractions(23.0, 10, 2.5))  # 2.3 Gy each
    44.16
    """
    count = np.asarray(fractions, float)
    is_count = (count >= 1.0) & (count == np.round(count)) & np.isfinite(count)
    _check("fractions", count, is_count, "a whole number >= 1")
    each = np.asarray(dose, float) / count
    return count * biologically_effective_dose(each, g, alpha_beta)


def total_biologically_effective_dose(*courses: Any) -> np.ndarray:
    """Return the biologically effective dose of courses that follow each other.

    The sum of theirs: it holds where what one course damaged is repaired, and its
    label gone, before the next begins. Where it is not (a therapy days after its
    dosimetry), give both doses to `pkmodels.dosimetry.protraction` at once.

    Parameters
    ----------
    *courses : array
        BED of each, Gy, >= 0: draw by draw, or one number.

    Returns
    -------
    array, Gy

    Raises
    ------
    InputError
        When there is none, or one is negative or not finite.

    Examples
    --------
    >>> total_biologically_effective_dose(np.array([10.0, 12.0]), 6.0).tolist()
    [16.0, 18.0]
    """
    if not courses:
        raise InputError("no course was given: give the BED of each, Gy")
    doses = [np.asarray(course, float) for course in courses]
    for number, course in enumerate(doses, start=1):
        is_dose = (course >= 0.0) & np.isfinite(course)
        _check(f"the BED of course {number}", course, is_dose, ">= 0 Gy")
    return np.asarray(sum(doses[1:], start=doses[0]))


def _check_tissue(g: np.ndarray, alpha_beta: np.ndarray) -> None:
    remedy = "from 0 to 1: give a G-factor"
    _check("g", g, (g >= 0.0) & (g <= 1.0 + _ROUNDING), remedy)
    _check_positive("alpha_beta", alpha_beta, "Gy")


def _check_positive(name: str, values: np.ndarray, unit: str) -> None:
    _check(name, values, (values > 0.0) & np.isfinite(values), f"> 0 {unit}")


def _check(name: str, values: np.ndarray, is_right: np.ndarray, wanted: str) -> None:
    wrong = np.flatnonzero(~np.asarray(is_right))
    if wrong.size:
        found = np.ravel(values)[wrong[0]]
        raise InputError(
            f"{name}: {found:g} (number {wrong[0] + 1} of {np.size(values)}, "
            f"{wrong.size} wrong in all) must be {wanted}"
        )
