"""Radionuclides: half-life, mean energies, daughters, carrier-free molar activity."""

import csv
import math
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources

from pkmodels.errors import InputError, suggest
from pkmodels.units import AVOGADRO_PER_MOL, SECONDS_PER_HOUR

_HOURS_PER = {"s": 1.0 / SECONDS_PER_HOUR, "min": 1.0 / 60.0, "h": 1.0, "d": 24.0}

ICRP_107 = "ICRP 107"
ENSDF = "ENSDF"

# A label that no ligand carries is a ligand of its own, "free Lu".
FREE_LABEL = "free "

# Daughters in data/icrp107.csv that ICRP Publication 107 does not list, being stable.
STABLE_DAUGHTERS = frozenset(
    "B-11 O-18 S-32 Ca-44 Ti-47 Ni-64 Zn-64 Zn-67 Zn-68 Y-89 Zr-90 Ru-99 Cd-111 Te-124 "
    "Te-125 Xe-131 Eu-153 Gd-155 Dy-161 Er-166 Hf-177 W-186 Os-188 Pb-208 "
    "Bi-209".split()
)


@dataclass(frozen=True)
class Nuclide:
    """A radionuclide as tabulated in ICRP Publication 107, or with a newer half-life.

    Parameters
    ----------
    name : str
        Element and mass number, as in ``"Lu-177"``.
    half_life_h : float
        Physical half-life, h, > 0.
    alpha_MeV, electron_MeV, photon_MeV : float
        Mean energy per decay carried by alphas (recoil included), by electrons
        and by photons, MeV, >= 0.
    daughters : tuple of (str, float)
        What it decays into, stable or not, each with its branching fraction, in
        (0, 1].
    source : str
        Where its half-life and, where they differ in this, its energies come from.
    """

    name: str
    half_life_h: float
    alpha_MeV: float
    electron_MeV: float
    photon_MeV: float
    daughters: tuple[tuple[str, float], ...]
    source: str = ICRP_107

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
    >>> len(nuclides())
    43
    >>> [name for name in nuclides() if name.startswith("Tb")]
    ['Tb-161', 'Tb-152', 'Tb-155']
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
            daughters=_parse_daughters(row["daughters"]),
        )
        for row in csv.DictReader(lines)
    }


def nuclide(name: str, source: str = ICRP_107) -> Nuclide:
    """Look up one radionuclide.

    Parameters
    ----------
    name : str
        Element and mass number, as in ``"Y-90"``.
    source : str
        ``"ICRP 107"``, or ``"ENSDF"`` for the newer half-life of Lu-177, Y-90 or Ga-68;
        energies and branching fractions are those of ICRP 107 then too.

    Returns
    -------
    Nuclide
        Its `source` says what comes from where.

    Raises
    ------
    InputError
        When the table holds no such nuclide, or the source no such half-life.

    References
    ----------
    ICRP Publication 107 (2008); ENSDF as in paceENSDF 0.6.3, see data/half_lives.csv.

    Examples
    --------
    >>> nuclide("Y-90").half_life_h
    64.1
    >>> round(nuclide("Lu-177").carrier_free_MBq_per_nmol, 1)
    726.8
    >>> nuclide("Bi-213").daughters
    (('Po-213', 0.9791), ('Tl-209', 0.0209))
    >>> newer = nuclide("Y-90", source="ENSDF")
    >>> newer.half_life_h, newer.source
    (64.05, 'half-life: ENSDF; energies and branching: ICRP 107')
    """
    try:
        found = nuclides()[name]
    except KeyError:
        raise InputError(
            f"label {name!r} is not a known radionuclide: {suggest(name, nuclides())}"
        ) from None
    if source == ICRP_107:
        return found
    newer = _newer_half_lives()
    sources = list(dict.fromkeys([ICRP_107, *(where for _, where in newer)]))
    if source not in sources:
        raise InputError(
            f"source {source!r} of nuclear data: {suggest(source, sources)}"
        )
    if (name, source) not in newer:
        held = ", ".join(other for other, where in newer if where == source)
        raise InputError(
            f"{source} half-life of {name}: pkmodels holds those of {held} only; "
            f"take source={ICRP_107!r}"
        )
    said = f"half-life: {source}; energies and branching: {ICRP_107}"
    return replace(found, half_life_h=newer[name, source], source=said)


@cache
def _newer_half_lives() -> dict[tuple[str, str], float]:
    text = (
        resources.files("pkmodels").joinpath("data/half_lives.csv").read_text("utf-8")
    )
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {
        (row["nuclide"], row["source"]): float(row["half_life"])
        * _HOURS_PER[row["unit"]]
        for row in csv.DictReader(lines)
    }


def _parse_daughters(text: str) -> tuple[tuple[str, float], ...]:
    pairs = (part.split(":") for part in text.split(";"))
    return tuple((daughter, float(fraction)) for daughter, fraction in pairs)
