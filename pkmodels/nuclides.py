"""Radionuclides: half-life, mean energies and carrier-free molar activity."""

import csv
import math
from dataclasses import dataclass
from functools import cache
from importlib import resources

from pkmodels.errors import InputError, suggest
from pkmodels.units import AVOGADRO_PER_MOL, SECONDS_PER_HOUR

_HOURS_PER = {"s": 1.0 / SECONDS_PER_HOUR, "min": 1.0 / 60.0, "h": 1.0, "d": 24.0}


@dataclass(frozen=True)
class Nuclide:
    """A radionuclide as tabulated in ICRP Publication 107.

    Parameters
    ----------
    name : str
        Element and mass number, as in ``"Lu-177"``.
    half_life_h : float
        Physical half-life, h, > 0.
    alpha_MeV, electron_MeV, photon_MeV : float
        Mean energy per decay carried by alphas (recoil included), by electrons
        and by photons, MeV, >= 0.
    """

    name: str
    half_life_h: float
    alpha_MeV: float
    electron_MeV: float
    photon_MeV: float

    @property
    def decay_constant_per_h(self) -> float:
        """ln 2 / half-life, 1/h."""
        return math.log(2.0) / self.half_life_h

    @property
    def carrier_free_MBq_per_nmol(self) -> float:
        """Activity of one nmol of pure nuclide, lambda N_A, MBq/nmol."""
        per_second = self.decay_constant_per_h / SECONDS_PER_HOUR
        return per_second * AVOGADRO_PER_MOL * 1e-9 * 1e-6


@cache
def nuclides() -> dict[str, Nuclide]:
    """Return every radionuclide that pkmodels knows, by name.

    Returns
    -------
    dict of str to Nuclide

    References
    ----------
    ICRP Publication 107, Nuclear Decay Data for Dosimetric Calculations (2008).

    Examples
    --------
    >>> sorted(nuclides())
    ['Ga-68', 'Lu-177', 'Y-90']
    """
    text = resources.files("pkmodels").joinpath("data/icrp107.csv").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {
        row["nuclide"]: Nuclide(
            name=row["nuclide"],
            half_life_h=float(row["half_life"]) * _HOURS_PER[row["unit"]],
            alpha_MeV=float(row["alpha_MeV"]),
            electron_MeV=float(row["electron_MeV"]),
            photon_MeV=float(row["photon_MeV"]),
        )
        for row in csv.DictReader(lines)
    }


def nuclide(name: str) -> Nuclide:
    """Look up one radionuclide.

    Parameters
    ----------
    name : str
        Element and mass number, as in ``"Y-90"``.

    Returns
    -------
    Nuclide

    Raises
    ------
    InputError
        When the table holds no such nuclide.

    Examples
    --------
    >>> nuclide("Y-90").half_life_h
    64.1
    >>> round(nuclide("Lu-177").carrier_free_MBq_per_nmol, 1)
    726.8
    """
    try:
        return nuclides()[name]
    except KeyError:
        raise InputError(
            f"label {name!r} is not a known radionuclide: {suggest(name, nuclides())}"
        ) from None
