"""What an outline drawn too wide or too tight does to volume, counts and recovery.

A region is taken for a sphere of uniform activity, blurred by a Gaussian.
"""

import math
from dataclasses import dataclass

import numpy as np

from pkmodels.errors import InputError

_MM3_PER_ML = 1e3
# Full width at half maximum over standard deviation of a Gaussian, 2 sqrt(2 ln 2).
_FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))
# Below this diameter, in FWHM, the closed forms lose digits and mean nothing.
_SMALLEST_SPHERE = 0.1


@dataclass(frozen=True)
class RecoveryCurve:
    """Recovery of spheres against their volume, fitted to a phantom.

    R(v) = 1 - 1 / (1 + (v / b1)^b2).

    Parameters
    ----------
    b1_mL, b2 : float
        Its parameters: mL and 1, > 0.
    covariance : ((float, float), (float, float))
        Of (b1_mL, b2), from the fit to the phantom; symmetric, not negative.
    source : str
        Which phantom, camera and reconstruction.

    Raises
    ------
    InputError
        When a parameter is not positive or the covariance is none.

    References
    ----------
    Gear et al., EANM guidance on uncertainty, Eur J Nucl Med Mol Imaging 2018;45:2456.
    """

    b1_mL: float
    b2: float
    covariance: tuple[tuple[float, float], tuple[float, float]]
    source: str

    def __post_init__(self) -> None:
        """Check parameters and covariance."""
        if not (self.b1_mL > 0.0 and self.b2 > 0.0):
            raise InputError(
                f"recovery curve with b1 = {self.b1_mL} mL and b2 = {self.b2}: both "
                "must be > 0"
            )
        matrix = np.array(self.covariance, float)
        proper = matrix.shape == (2, 2) and np.isfinite(matrix).all()
        if not (proper and matrix[0, 1] == matrix[1, 0] and _not_negative(matrix)):
            raise InputError(
                f"covariance {self.covariance} of a recovery curve is none: give "
                "((var b1, cov), (cov, var b2)) with cov^2 <= var b1 var b2"
            )


@dataclass(frozen=True)
class Recovery:
    """Recovery at one volume.

    Parameters
    ----------
    value : float
        R, > 0.
    exponent : float
        d ln R / d ln v: by which power R follows the outlined volume.
    curve_uncertainty : float
        u(R) / R from the curve alone, at a known volume, >= 0.
    """

    value: float
    exponent: float
    curve_uncertainty: float


def sphere_diameter(volume_mL: float) -> float:
    """Return the diameter of the sphere of a volume, (6 v / pi)^(1/3).

    Parameters
    ----------
    volume_mL : float
        Volume, mL, > 0.

    Returns
    -------
    float
        Diameter, mm.

    Raises
    ------
    InputError
        When the volume is not positive.

    Examples
    --------
    >>> round(sphere_diameter(33.51), 2)
    40.0
    """
    _check_positive("volume, mL", volume_mL)
    return (6.0 * _MM3_PER_ML * volume_mL / math.pi) ** (1.0 / 3.0)


def volume_uncertainty(diameter_mm: float, voxel_mm: float, fwhm_mm: float) -> float:
    """Return u(v) / v of a sphere outlined on an image.

    [u(v) / v]^2 = (3 / d)^2 (a^2 / 6 + FWHM^2 / (4 ln 2)): each of the two edges of a
    diameter is off by a voxel's rounding, a^2 / 12, and by the blur's standard
    deviation, FWHM^2 / (8 ln 2).

    Parameters
    ----------
    diameter_mm : float
        Diameter d of the sphere of the same volume, mm, > 0.
    voxel_mm : float
        Voxel size a, mm, >= 0.
    fwhm_mm : float
        Resolution of the image on which it was outlined, mm, >= 0: that of the CT
        where the CT was outlined.

    Returns
    -------
    float

    Raises
    ------
    InputError
        When the diameter is not positive or a length is negative.

    References
    ----------
    Gear et al., Eur J Nucl Med Mol Imaging 2018;45:2456.

    Examples
    --------
    >>> round(volume_uncertainty(40.0, 4.8, 12.0), 3)  # on SPECT
    0.56
    >>> round(volume_uncertainty(40.0, 1.0, 1.0), 3)  # on CT
    0.054
    """
    _check_positive("diameter, mm", diameter_mm)
    if not (voxel_mm >= 0.0 and fwhm_mm >= 0.0):
        raise InputError(
            f"voxel {voxel_mm} mm and resolution {fwhm_mm} mm: neither may be negative"
        )
    variance = voxel_mm**2 / 6.0 + fwhm_mm**2 / (4.0 * math.log(2.0))
    return 3.0 / diameter_mm * math.sqrt(variance)


def recover(curve: RecoveryCurve, volume_mL: float) -> Recovery:
    """Return the recovery at a volume.

    With q = (v / b1)^b2, R = q / (1 + q), and 1 - R = 1 / (1 + q):
    d ln R / d ln v = b2 (1 - R), d ln R / d b1 = -b2 (1 - R) / b1,
    d ln R / d b2 = ln(v / b1) (1 - R); u(R) / R by these and the covariance of b.

    Parameters
    ----------
    curve : RecoveryCurve
        The phantom's curve.
    volume_mL : float
        Outlined volume, mL, > 0.

    Returns
    -------
    Recovery

    Raises
    ------
    InputError
        When the volume is not positive.

    References
    ----------
    Gear et al., Eur J Nucl Med Mol Imaging 2018;45:2456.

    Examples
    --------
    >>> curve = RecoveryCurve(5.0, 1.0, ((0.25, 0.0), (0.0, 0.0025)), "phantom")
    >>> found = recover(curve, 20.0)
    >>> found.value, round(found.exponent, 3), round(found.curve_uncertainty, 4)
    (0.8, 0.2, 0.0243)
    """
    _check_positive("volume, mL", volume_mL)
    ratio = volume_mL / curve.b1_mL
    lost = 1.0 / (1.0 + ratio**curve.b2)
    gradient = lost * np.array([-curve.b2 / curve.b1_mL, math.log(ratio)])
    variance = float(gradient @ np.array(curve.covariance, float) @ gradient)
    return Recovery(
        value=1.0 - lost,
        exponent=curve.b2 * lost,
        curve_uncertainty=math.sqrt(max(variance, 0.0)),
    )


def border_density(diameter_mm: float, fwhm_mm: float) -> float:
    """Return phi, twice the blurred sphere's density at its border over that inside.

    phi = erf(2 r / (sigma sqrt 2)) - 2 sigma / (r sqrt(2 pi))
    [1 - exp(-2 r^2 / sigma^2)], from the blurred sphere's density at s = r:
    erf(2 r / (sigma sqrt 2)) / 2 - sigma / (r sqrt(2 pi)) [1 - exp(-2 r^2 / sigma^2)].
    An outline moved by dv takes in phi dv / 2, so that u(C) / C = phi / (2 R) u(v) / v.

    Parameters
    ----------
    diameter_mm : float
        Diameter 2 r, mm, at least 0.1 of the resolution.
    fwhm_mm : float
        Resolution, sigma = FWHM / (2 sqrt(2 ln 2)), mm, > 0.

    Returns
    -------
    float
        In (0, 1); 1 for a region much larger than the resolution.

    Raises
    ------
    InputError
        When a length is not positive, or the sphere is below 0.1 of the resolution.

    References
    ----------
    Derived here; in agreement with Gear et al., Eur J Nucl Med Mol Imaging
    2018;45:2456, as remembered.

    Examples
    --------
    >>> round(border_density(40.0, 12.0), 4)
    0.7967
    """
    x = _radius_in_sigma(diameter_mm, fwhm_mm)
    spilled = -math.expm1(-2.0 * x**2)
    inside = math.erf(math.sqrt(2.0) * x)
    return inside - 2.0 / (x * math.sqrt(2.0 * math.pi)) * spilled


def recover_sphere(diameter_mm: float, fwhm_mm: float) -> Recovery:
    """Return the recovery of a blurred sphere inside its own border, without a phantom.

    The mean of 1 - 3 s / (4 r) + s^3 / (16 r^3), the overlap of two spheres at the
    distance s, over the distances s < 2 r of a Gaussian blur. With x = r / sigma,
    E = exp(-2 x^2) and k = sqrt(2 / pi):
    R = erf(sqrt(2) x) - 2 k x E - 3 k / (4 x) [2 - (4 x^2 + 2) E]
    + k / (16 x^3) [8 - (16 x^4 + 16 x^2 + 8) E].
    Counts change alike by sphere and by outline, so that d ln R / d ln v = phi / R - 1.

    Parameters
    ----------
    diameter_mm : float
        Diameter 2 r, mm, at least 0.1 of the resolution.
    fwhm_mm : float
        Resolution, mm, > 0.

    Returns
    -------
    Recovery
        Its curve uncertainty is 0: an ideal, to compare a phantom's curve with.

    Raises
    ------
    InputError
        When a length is not positive, or the sphere is below 0.1 of the resolution.

    References
    ----------
    Derived here.

    Examples
    --------
    >>> ideal = recover_sphere(40.0, 12.0)
    >>> round(ideal.value, 4), round(ideal.exponent, 4)
    (0.7017, 0.1355)
    """
    x = _radius_in_sigma(diameter_mm, fwhm_mm)
    k, e = math.sqrt(2.0 / math.pi), math.exp(-2.0 * x**2)
    near = math.erf(math.sqrt(2.0) * x) - 2.0 * k * x * e
    linear = k * (2.0 - (4.0 * x**2 + 2.0) * e)
    cubic = k * (8.0 - (16.0 * x**4 + 16.0 * x**2 + 8.0) * e)
    value = near - 0.75 / x * linear + cubic / (16.0 * x**3)
    slope = border_density(diameter_mm, fwhm_mm) / value - 1.0
    return Recovery(value, slope, 0.0)


def outline_exponent(diameter_mm: float, fwhm_mm: float, recovery: Recovery) -> float:
    """Return the power by which an activity follows the outlined volume.

    A_est / A_true = (v_est / v_true)^kappa with kappa = phi / (2 R) - d ln R / d ln v:
    counts are taken inside the outline and divided by the recovery at its volume. 1/2
    for a region much larger than the resolution; for an ideal sphere 1 - phi / (2 R).
    Resolution and recovery must be of the same images: kappa means nothing where the
    recovery is far from that of a sphere blurred so (see `recover_sphere`).

    Parameters
    ----------
    diameter_mm : float
        Diameter of the sphere of the outlined volume, mm.
    fwhm_mm : float
        Resolution of the emission image, mm, > 0.
    recovery : Recovery
        Recovery that divides the counts, at this volume.

    Returns
    -------
    float

    Raises
    ------
    InputError
        As `border_density`; when the recovery is not positive.

    References
    ----------
    Derived here: first order in v_est / v_true - 1.

    Examples
    --------
    >>> round(outline_exponent(40.0, 12.0, recover_sphere(40.0, 12.0)), 4)
    0.4323
    >>> round(outline_exponent(400.0, 12.0, recover_sphere(400.0, 12.0)), 3)
    0.495
    """
    _check_positive("recovery", recovery.value)
    counts = border_density(diameter_mm, fwhm_mm) / (2.0 * recovery.value)
    return counts - recovery.exponent


def _radius_in_sigma(diameter_mm: float, fwhm_mm: float) -> float:
    _check_positive("diameter, mm", diameter_mm)
    _check_positive("resolution, mm", fwhm_mm)
    if diameter_mm < _SMALLEST_SPHERE * fwhm_mm:
        raise InputError(
            f"a sphere of {diameter_mm:g} mm at a resolution of {fwhm_mm:g} mm cannot "
            f"be outlined: its diameter must be at least {_SMALLEST_SPHERE} of it"
        )
    return 0.5 * diameter_mm / (fwhm_mm / _FWHM_PER_SIGMA)


def _check_positive(what: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0.0):
        raise InputError(f"{what}, is {value}: it must be > 0")


def _not_negative(matrix: np.ndarray) -> bool:
    (first, shared), (_, second) = matrix
    return bool(first >= 0.0 and second >= 0.0 and shared**2 <= first * second)
