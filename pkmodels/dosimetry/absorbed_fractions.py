"""Absorbed fractions of spheres and solid organs, and the S-values they give.

S = phi Delta / m, with Delta the mean energy of the electrons per decay and phi the
part of it that stays in the mass m.
"""

import csv
import math
from functools import cache
from importlib import resources
from itertools import pairwise

import numpy as np

from pkmodels.dosimetry.mass_scaling import SValue, Uncertainty
from pkmodels.errors import InputError
from pkmodels.nuclides import nuclide
from pkmodels.units import DECAYS_PER_MBQ_H, GY_G_PER_MEV_MBQ_H
from pkmodels.values import Certainty, Value

Y90_ESCAPE_LENGTH = Value(
    0.265,
    "cm",
    "energy-weighted path <r> in phi = 1 - <r> A / (4 V), from a Monte Carlo "
    "calculation with ICRP 107 spectra",
    Certainty.DERIVED,
)
LU177_ESCAPE_LENGTH = Value(0.0268, "cm", Y90_ESCAPE_LENGTH.source, Certainty.DERIVED)
Y90_SPHERE_LOG_SD = Value(
    0.03,
    "1",
    "the same calculation: the law and the organ's shape, here a sphere",
    Certainty.DERIVED,
)
SOFT_TISSUE_DENSITY = Value(
    1.05, "g/mL", "ICRP Publication 89 (2002), soft organs", Certainty.PUBLISHED
)
LU177_TUMOUR_LOG_SD = Value(
    0.03,
    "1",
    "judgement: spheres of Olguin 2020 differ by up to 4 % from OLINDA's and by 1.1 % "
    "from a Monte Carlo calculation for this project",
    Certainty.JUDGEMENT,
)
Y90_TUMOUR_LOG_SD = Value(
    0.06,
    "1",
    "judgement: 1 % of the Monte Carlo model, up to 1.5 % of the interpolation, and "
    "the shape: a spheroid of axes 2:1:1 has 8 % more surface than the sphere, which "
    "takes 3 % of S at 1 g and 9 % at 0.1 g",
    Certainty.JUDGEMENT,
)

_ESCAPE_LENGTHS = {"Lu-177": LU177_ESCAPE_LENGTH, "Y-90": Y90_ESCAPE_LENGTH}
# Between two tabulated masses; ln S interpolated in them is within 1e-4 of the law.
_NODES_BETWEEN = 20


def sphere_fraction(label: str, mass_g: float) -> float:
    """Return the absorbed fraction of electrons in a solid organ, taken as a sphere.

    phi = 1 - <r> A / (4 V) = 1 - 3 <r> / (4 R), first order in range over radius.

    Parameters
    ----------
    label : str
        ``Lu-177`` or ``Y-90``.
    mass_g : float
        Mass, g, > 0; within 3 % of Monte Carlo from 1 g for Y-90.

    Returns
    -------
    float
        Below 1.

    Raises
    ------
    InputError
        For another radionuclide, or a mass so small that the law does not hold
        (phi below 1/2).

    References
    ----------
    `Y90_ESCAPE_LENGTH`, `LU177_ESCAPE_LENGTH`; the law: Cauchy's mean chord, 4 V / A.

    Examples
    --------
    >>> [round(sphere_fraction(label, 150.0), 3) for label in ("Y-90", "Lu-177")]
    [0.939, 0.994]
    """
    if label not in _ESCAPE_LENGTHS:
        raise InputError(
            f"absorbed fraction of {label} in a sphere: known for "
            f"{', '.join(_ESCAPE_LENGTHS)} only; give S-values of {label} in a "
            "table of your own"
        )
    # phi = 1 - escape m^(-1/3).
    fraction = 1.0 - escape_coefficient(label) / mass_g ** (1.0 / 3.0)
    if not fraction > 0.5:
        raise InputError(
            f"absorbed fraction of {label} in a sphere of {mass_g:g} g: the first-"
            "order law holds where most of the energy stays; take "
            f"s_value('tumour', {label!r}, sex)"
        )
    return fraction


def escape_coefficient(label: str) -> float:
    """Return e in phi = 1 - e m^(-1/3), g^(1/3), for a sphere of soft tissue.

    e = (3/4) <r> (4 pi rho / 3)^(1/3): A / V of a sphere is 3 / R.

    Parameters
    ----------
    label : str
        ``Lu-177`` or ``Y-90``.

    Returns
    -------
    float

    Examples
    --------
    >>> round(escape_coefficient("Y-90"), 4)
    0.3256
    """
    density = SOFT_TISSUE_DENSITY.value
    per_radius = (4.0 * math.pi * density / 3.0) ** (1.0 / 3.0)
    return 0.75 * _ESCAPE_LENGTHS[label].value * per_radius


def solid_organ_y90(organ: str) -> SValue:
    """Return the self-dose S-value of Y-90 in a solid organ, as a sphere.

    S = Delta (1 - e m^(-1/3)) / m.

    Parameters
    ----------
    organ : str
        ``liver`` or ``spleen``: far larger than the range, near enough to a sphere.

    Returns
    -------
    SValue

    Examples
    --------
    >>> round(solid_organ_y90("liver").at_mass(1800.0) / 3.6, 7)  # mGy/(MBq s)
    8.08e-05
    """
    delta = nuclide("Y-90").electron_MeV * GY_G_PER_MEV_MBQ_H
    escape = delta * escape_coefficient("Y-90")
    name = f"Y-90 absorbed fraction, {organ}"
    return SValue(
        organ=organ,
        label="Y-90",
        terms=((delta, 1.0), (-escape, 4.0 / 3.0)),
        uncertainties=(Uncertainty(name, Y90_SPHERE_LOG_SD.value),),
        certainty=Certainty.DERIVED,
        source=f"absorbed fraction of a sphere: {Y90_ESCAPE_LENGTH.source}",
    )


@cache
def tumour(label: str) -> SValue | None:
    """Return the S-value of a tumour as a sphere of its mass, or None.

    Lu-177: tabulated S of spheres, photons included, ln S linear in ln m. Y-90:
    S = phi Delta / m, phi between tabulated masses linear in m^(-1/3), surface over
    volume.

    Parameters
    ----------
    label : str
        Radionuclide.

    Returns
    -------
    SValue or None
        None for radionuclides other than Lu-177 (0.00431 to 932 g) and Y-90 (0.1 to
        1000 g).

    References
    ----------
    Olguin et al., Phys Med Biol 2020 (Lu-177); Monte Carlo for this project (Y-90);
    see data/lu177_spheres.csv and data/y90_spheres.csv.

    Examples
    --------
    >>> lesion = tumour("Lu-177")
    >>> round(1e3 * lesion.at_mass(14.6), 2)  # mGy/(MBq h)
    5.87
    """
    if label == "Lu-177":
        rows = _columns("lu177_spheres", "mass_g", "S_Gy_per_Bq_s")
        # Gy/(Bq s) is Gy per decay.
        nodes = tuple((m, s * DECAYS_PER_MBQ_H) for m, s in rows)
        log_sd = LU177_TUMOUR_LOG_SD
        source = "Olguin et al. 2020, spheres of unit-density soft tissue"
    elif label == "Y-90":
        nodes, log_sd = _nodes_y90(), Y90_TUMOUR_LOG_SD
        source = "sphere of soft tissue: Monte Carlo calculation with ICRP 107 spectra"
    else:
        return None
    name = f"S-value of {label}, tumour as a sphere"
    return SValue(
        organ="tumour",
        label=label,
        terms=(),
        uncertainties=(Uncertainty(name, log_sd.value),),
        certainty=Certainty.PUBLISHED if label == "Lu-177" else Certainty.DERIVED,
        source=f"{source}; sd of ln {log_sd.value:g}: {log_sd.source}",
        nodes=nodes,
        mass_range_g=(nodes[0][0], nodes[-1][0]),
    )


def _nodes_y90() -> tuple[tuple[float, float], ...]:
    masses, fractions = np.array(
        _columns("y90_spheres", "mass_g", "absorbed_fraction")
    ).T
    pieces = [
        np.geomspace(low, high, _NODES_BETWEEN, endpoint=False)
        for low, high in pairwise(masses)
    ]
    grid = np.concatenate([*pieces, masses[-1:]])
    # np.interp wants an increasing abscissa.
    found = np.interp(-(grid ** (-1 / 3)), -(masses ** (-1 / 3)), fractions)
    delta = nuclide("Y-90").electron_MeV * GY_G_PER_MEV_MBQ_H
    return tuple(zip(grid.tolist(), (delta * found / grid).tolist(), strict=True))


def _columns(name: str, first: str, second: str) -> list[tuple[float, float]]:
    path = resources.files("pkmodels").joinpath(f"data/{name}.csv")
    lines = [x for x in path.read_text("utf-8").splitlines() if not x.startswith("#")]
    return [(float(row[first]), float(row[second])) for row in csv.DictReader(lines)]
