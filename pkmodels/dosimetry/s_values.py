"""S-values: MIRD self-dose S-values, scaled to the patient's organ mass."""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from pkmodels.nuclides import nuclide
from pkmodels.units import GY_G_PER_MEV_MBQ_H, GY_PER_MBQ_H_PER_MGY_PER_MBQ_S
from pkmodels.values import Certainty, Value

KIDNEY_Y90_OVER_LU177 = Value(
    5.9,
    "1",
    "between 5.83 (Monte Carlo for a 155 g ellipsoid, over OpenDose) and 6.07 "
    "(OLINDA-type tables); sd of ln 0.034",
    Certainty.DERIVED,
)
KIDNEY_Y90_LOG_SD = Value(0.034, "1", KIDNEY_Y90_OVER_LU177.source, Certainty.DERIVED)
Y90_ESCAPE_LENGTH = Value(
    0.265,
    "cm",
    "energy-weighted path <r> in phi = 1 - <r> A / (4 V), from a Monte Carlo "
    "calculation with ICRP 107 spectra",
    Certainty.DERIVED,
)
Y90_SPHERE_LOG_SD = Value(
    0.03,
    "1",
    "the same calculation: the law and the organ's shape, here a sphere",
    Certainty.DERIVED,
)
SOFT_TISSUE_DENSITY = Value(
    1.05, "g/mL", "ICRP Publication 89 (2002), soft organs", Certainty.PUBLISHED
)

# Solid organs whose Y-90 absorbed fraction follows from their size alone.
_SPHERE_ORGANS = ("liver", "spleen")


@dataclass(frozen=True)
class Uncertainty:
    """A log-normal factor with median 1 that several doses may share.

    Parameters
    ----------
    name : str
        What is uncertain; doses that name the same one share its draws.
    log_sd : float
        Standard deviation of its logarithm, > 0.
    """

    name: str
    log_sd: float


@dataclass(frozen=True)
class SValue:
    """The self-dose S-value of an organ as a function of its mass.

    S(m) = sum_i c_i m^(-p_i), Gy/(MBq h): electrons with p = 1, photons with
    p = 2/3, electrons that leave a sphere with p = 4/3.

    Parameters
    ----------
    organ, label : str
        Organ and radionuclide.
    terms : tuple of (float, float)
        (c_i, p_i), with the mass in g.
    uncertainties : tuple of Uncertainty
        Independent factors that multiply it.
    certainty : Certainty
        How sure it is.
    source : str
        Where it comes from.
    reference_mass_g : float or None
        Mass of the phantom's organ, g; None where it follows from others.

    References
    ----------
    Bolch et al., MIRD pamphlet 21, J Nucl Med 2009;50:477 (schema, mass scaling).
    """

    organ: str
    label: str
    terms: tuple[tuple[float, float], ...]
    uncertainties: tuple[Uncertainty, ...]
    certainty: Certainty
    source: str
    reference_mass_g: float | None = None

    def at_mass(self, mass_g: Any) -> Any:
        """Return S, Gy/(MBq h), for a mass (g, scalar or array, > 0)."""
        return sum(c * mass_g ** (-p) for c, p in self.terms)


def s_value(organ: str, label: str, sex: str) -> SValue | None:
    """Return the self-dose S-value of an organ, or None where none is known.

    Parameters
    ----------
    organ : str
        ``kidney`` (one kidney), ``liver``, ``spleen``, ``red_marrow``...
    label : str
        Radionuclide.
    sex : str
        ``male`` or ``female``: which reference phantom is scaled.

    Returns
    -------
    SValue or None

    References
    ----------
    OpenDose (ICRP 110 phantoms) and OLINDA-type tables, see data/s_values.csv; for
    Y-90 the kidneys by ratio to Lu-177, liver and spleen by absorbed fraction, from
    the values at the head of this module.

    Examples
    --------
    >>> left = s_value("kidney", "Lu-177", "male")
    >>> round(1e3 * left.at_mass(245.3) * 1.0532, 2)  # Gy/GBq from a TIAC of 1.0532 h
    0.37
    >>> s_value("bladder", "Lu-177", "male") is None
    True
    """
    table = _table()
    if (organ, label, sex) in table:
        return table[organ, label, sex]
    if label == "Y-90" and organ == "kidney":
        return _kidney_y90(table[organ, "Lu-177", sex])
    if label == "Y-90" and organ in _SPHERE_ORGANS:
        return _sphere_y90(organ)
    return None


def _kidney_y90(lutetium: SValue) -> SValue:
    ratio = KIDNEY_Y90_OVER_LU177.value
    own = Uncertainty("Y-90 / Lu-177 S-value ratio, kidney", KIDNEY_Y90_LOG_SD.value)
    return SValue(
        organ="kidney",
        label="Y-90",
        terms=tuple((ratio * c, p) for c, p in lutetium.terms),
        uncertainties=(*lutetium.uncertainties, own),
        certainty=Certainty.DERIVED,
        source=f"{ratio} x S of Lu-177 ({KIDNEY_Y90_OVER_LU177.source})",
    )


def _sphere_y90(organ: str) -> SValue:
    delta = nuclide("Y-90").electron_MeV * GY_G_PER_MEV_MBQ_H
    # A / V of a sphere is 3 / radius, and radius = (3 m / (4 pi density))^(1/3).
    radius = (3.0 / (4.0 * math.pi * SOFT_TISSUE_DENSITY.value)) ** (1.0 / 3.0)
    escape = delta * Y90_ESCAPE_LENGTH.value * 3.0 / (4.0 * radius)
    return SValue(
        organ=organ,
        label="Y-90",
        terms=((delta, 1.0), (-escape, 4.0 / 3.0)),
        uncertainties=(
            Uncertainty(f"Y-90 absorbed fraction, {organ}", Y90_SPHERE_LOG_SD.value),
        ),
        certainty=Certainty.DERIVED,
        source=f"absorbed fraction of a sphere: {Y90_ESCAPE_LENGTH.source}",
    )


@cache
def _table() -> dict[tuple[str, str, str], SValue]:
    text = resources.files("pkmodels").joinpath("data/s_values.csv").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    rows = csv.DictReader(lines)
    return {(r["organ"], r["label"], r["sex"]): _from_row(r) for r in rows}


def _from_row(row: Mapping[str, str]) -> SValue:
    mass = float(row["reference_mass_g"])
    total = float(row["S_mGy_per_MBq_s"]) * GY_PER_MBQ_H_PER_MGY_PER_MBQ_S
    terms: tuple[tuple[float, float], ...] = ((total * mass, 1.0),)
    if row["electron_fraction"]:
        delta = nuclide(row["label"]).electron_MeV * GY_G_PER_MEV_MBQ_H
        electrons = float(row["electron_fraction"]) * delta
        photons = (total - electrons / mass) * mass ** (2.0 / 3.0)
        terms = ((electrons, 1.0), (photons, 2.0 / 3.0))
    name = f"S-value of {row['label']}, {row['organ']}"
    return SValue(
        organ=row["organ"],
        label=row["label"],
        terms=terms,
        uncertainties=(Uncertainty(name, float(row["log_sd"])),),
        certainty=Certainty(row["certainty"]),
        source=row["source"],
        reference_mass_g=mass,
    )
