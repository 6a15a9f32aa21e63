"""The law of propagation of uncertainty along the dosimetry chain, to first order.

It stands beside the posterior: equal where all uncertainties are small, and not beyond.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pkmodels.dosimetry.outlines import Recovery
from pkmodels.errors import InputError
from pkmodels.values import Certainty, Value

LARGEST_LINEAR = Value(
    0.2,
    "1",
    "a log-normal factor of log sd s has the relative sd sqrt(exp(s^2) - 1), at 0.2 "
    "already 1 % above s",
    Certainty.DERIVED,
)

FIT = "fit of the scans"
CALIBRATION = "calibration"
RECOVERY = "recovery curve"
OUTLINE = "outline"
MASS = "mass"


@dataclass(frozen=True)
class Propagation:
    """Relative standard uncertainties of an absorbed dose.

    Parameters
    ----------
    factors : mapping of str to float
        Relative uncertainty of the dose from each independent cause alone; an
        outline that counts, recovery and mass share is one cause.
    steps : mapping of str to float
        u / value of each quantity along the chain: ``volume``, ``counts``,
        ``recovery``, ``activity``, ``TIA``, ``S``, ``dose``.
    covariances : mapping of str to float
        What a shared volume adds to the relative variance of the ``activity`` (counts
        against recovery) and of the ``dose`` (TIA against S): 2 cov / product.
    total : float
        u(D) / D.
    warnings : tuple of str
        Factors that are too large for first order.
    """

    factors: Mapping[str, float]
    steps: Mapping[str, float]
    covariances: Mapping[str, float]
    total: float
    warnings: tuple[str, ...]


def calibration_uncertainty(reference: float, repeats: float) -> float:
    """Return u(Q) / Q of a camera's calibration.

    [u(Q) / Q]^2 = [u(A_ref) / A_ref]^2 + [s(Q) / Q]^2.

    Parameters
    ----------
    reference : float
        Relative uncertainty of the reference activity (dose calibrator), >= 0.
    repeats : float
        Relative standard deviation of the mean of repeated calibrations, >= 0.

    Returns
    -------
    float

    Raises
    ------
    InputError
        When one is negative or not finite.

    References
    ----------
    Gear et al., EANM guidance on uncertainty, Eur J Nucl Med Mol Imaging 2018;45:2456.

    Examples
    --------
    >>> round(calibration_uncertainty(0.03, 0.04), 6)
    0.05
    """
    _check({"reference": reference, "repeats": repeats})
    return math.hypot(reference, repeats)


def propagate_dose(
    *,
    fit: float,
    calibration: float,
    recovery: Recovery,
    border: float,
    volume: float,
    mass_exponent: float,
    mass: float | None,
    others: Mapping[str, float],
) -> Propagation:
    """Return the relative uncertainty of D = TIA S(m) and what it is made of.

    With v the outlined volume, u its relative uncertainties, e = d ln R / d ln v:
    u(C) = phi / (2 R) u(v); u(R)^2 = u_b(R)^2 + e^2 u(v)^2;
    u(A)^2 = u(Q)^2 + u(R)^2 + u(C)^2 - (phi / R) e u(v)^2;
    u(TIA)^2 = u_fit^2 + u(A)^2, since all scans share calibration, recovery and
    outline; u(S) = c2 u(m) of S = c1 m^(-c2);
    u(D)^2 = u(TIA)^2 + u(S)^2 - 2 c2 kappa u(v)^2 + others,
    kappa = phi / (2 R) - e, where the mass is that of the same outline. So the outline
    enters once, as abs(kappa - c2) u(v).

    Parameters
    ----------
    fit : float
        u(TIA) / TIA of the fitted curve from the scans' own noise, >= 0.
    calibration : float
        u(Q) / Q, >= 0.
    recovery : Recovery
        That divides the counts.
    border : float
        phi of `border_density`, in [0, 1]; only used with `volume` above 0.
    volume : float
        u(v) / v of the outline in which counts are taken, one for all scans, >= 0.
    mass_exponent : float
        c2 of S, > 0: about 1 for electrons that stay in the organ.
    mass : float or None
        u(m) / m of a mass measured apart from that outline, >= 0; None where the mass
        is the outlined volume times density, so that both err together.
    others : mapping of str to float
        Further independent relative uncertainties of the dose by name, >= 0: the
        S-value itself, the tail. It may be empty.

    Returns
    -------
    Propagation

    Raises
    ------
    InputError
        When one is negative or not finite, the recovery or the mass exponent is not
        positive, or another factor takes the name of one of these.

    References
    ----------
    Gear et al., EANM guidance on uncertainty, Eur J Nucl Med Mol Imaging 2018;45:2456;
    phi and the covariance of counts and recovery derived in `outlines`.

    Examples
    --------
    >>> example = propagate_dose(
    ...     fit=0.029319, calibration=0.05, recovery=Recovery(0.8, 0.1, 0.08),
    ...     border=1.0, volume=0.0, mass_exponent=1.0, mass=0.10, others={})
    >>> round(example.total, 4)
    0.1406
    """
    given = {"fit": fit, "calibration": calibration, "volume": volume}
    given["recovery"] = recovery.curve_uncertainty
    _check(given | ({} if mass is None else {"mass": mass}) | dict(others))
    _check_names(others)
    _check_numbers(border, recovery, mass_exponent)
    counts = border / (2.0 * recovery.value)
    kappa = counts - recovery.exponent
    shared = mass is None
    mass_term = mass_exponent * (volume if mass is None else mass)

    covariances = {
        "activity": -2.0 * counts * recovery.exponent * volume**2,
        "dose": -2.0 * mass_exponent * kappa * volume**2 if shared else 0.0,
    }
    steps = {"volume": volume, "counts": counts * volume}
    steps["recovery"] = math.hypot(
        recovery.curve_uncertainty, recovery.exponent * volume
    )
    steps["activity"] = _root(
        calibration, steps["recovery"], steps["counts"], plus=covariances["activity"]
    )
    steps["TIA"] = math.hypot(fit, steps["activity"])
    steps["S"] = mass_term
    steps["dose"] = _root(
        steps["TIA"], mass_term, *others.values(), plus=covariances["dose"]
    )
    factors = {
        FIT: fit,
        CALIBRATION: calibration,
        RECOVERY: recovery.curve_uncertainty,
        OUTLINE: abs(kappa - mass_exponent if shared else kappa) * volume,
    }
    factors |= {} if shared else {MASS: mass_term}
    factors |= dict(others)
    return Propagation(
        factors=factors,
        steps=steps,
        covariances=covariances,
        total=math.hypot(*factors.values()),
        warnings=_warn(factors | {"volume": volume}),
    )


def _root(*terms: float, plus: float) -> float:
    # A correlation of -1 can leave a rounding error below 0.
    return math.sqrt(max(sum(term**2 for term in terms) + plus, 0.0))


def _warn(factors: Mapping[str, float]) -> tuple[str, ...]:
    return tuple(
        f"{name} is uncertain by {100.0 * factor:.0f} %, too much for first order: "
        "trust the posterior"
        for name, factor in factors.items()
        if factor > LARGEST_LINEAR.value
    )


def _check(given: Mapping[str, float]) -> None:
    for name, value in given.items():
        if not (math.isfinite(value) and value >= 0.0):
            raise InputError(
                f"relative uncertainty of {name} is {value}: it must be finite and >= 0"
            )


def _check_names(others: Mapping[str, float]) -> None:
    taken = {FIT, CALIBRATION, RECOVERY, OUTLINE, MASS} & set(others)
    if taken:
        raise InputError(
            f"factor {sorted(taken)[0]!r} is one of the chain's own: give it there, or "
            "name the other one differently"
        )


def _check_numbers(border: float, recovery: Recovery, mass_exponent: float) -> None:
    if not (recovery.value > 0.0 and mass_exponent > 0.0):
        raise InputError(
            f"recovery {recovery.value} and mass exponent {mass_exponent}: both must "
            "be > 0"
        )
    if not 0.0 <= border <= 1.0:
        raise InputError(
            f"density at the border is {border}: phi lies in [0, 1]; border_density "
            "gives it"
        )
