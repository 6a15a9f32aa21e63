"""Photons that cameras and counters see: how many per decay, and by whose table.

A camera calibrated with one table's photons per decay and read with another's is wrong
by their ratio: for the 208 keV line of Lu-177 by 5.7 % (ICRP 107 over ENSDF).
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources

from pkmodels.errors import InputError, suggest
from pkmodels.nuclides import nuclide

# A judgement: an energy rounded to whole keV, 208 or 113, finds its line.
NEAREST_KEV = 1.0


@dataclass(frozen=True)
class GammaLine:
    """A photon line of a radionuclide.

    Parameters
    ----------
    label : str
        The radionuclide.
    energy_keV : float
        Photon energy, keV.
    yield_per_decay : float
        Photons per decay, > 0; above 1 for annihilation.
    sd : float or None
        Standard uncertainty of the yield; None where the source gives none.
    source : str
        The table: ``ICRP 107``, ``ENSDF`` or ``DDEP``.
    """

    label: str
    energy_keV: float
    yield_per_decay: float
    sd: float | None
    source: str


def gamma_line(label: str, energy_keV: float, source: str) -> GammaLine:
    """Look up the photon line nearest to an energy, at most 1 keV away.

    Parameters
    ----------
    label : str
        The radionuclide.
    energy_keV : float
        Energy, keV, > 0.
    source : str
        ``"ICRP 107"`` for all radionuclides (the six most frequent lines); ``"ENSDF"``
        and ``"DDEP"`` for 208 and 113 keV of Lu-177. There is no default: results
        calibrated with one and read with another differ.

    Returns
    -------
    GammaLine

    Raises
    ------
    InputError
        When the table lacks the radionuclide or has no line within 1 keV: the message
        lists those that it has.

    References
    ----------
    ICRP Publication 107 (2008); ENSDF as in paceENSDF 0.6.3; DDEP recommended data.
    See data/photon_lines.csv.

    Examples
    --------
    >>> gamma_line("Lu-177", 208.0, "ICRP 107").yield_per_decay
    0.11
    >>> line = gamma_line("Lu-177", 208.0, "ENSDF")
    >>> round(line.yield_per_decay, 6), line.sd
    (0.1041, 0.0004)
    """
    nuclide(label)
    table = _lines()
    sources = list(dict.fromkeys(where for _, where in table))
    if source not in sources:
        raise InputError(
            f"source {source!r} of photon lines: {suggest(source, sources)}"
        )
    lines = table.get((label, source), ())
    near = [line for line in lines if abs(line.energy_keV - energy_keV) <= NEAREST_KEV]
    if near:
        return min(near, key=lambda line: abs(line.energy_keV - energy_keV))
    listed = ", ".join(f"{line.energy_keV:g} keV" for line in lines) or "no line"
    others = [where for other, where in table if other == label and where != source]
    elsewhere = f"; {', '.join(others)} also lists {label}" if others else ""
    raise InputError(
        f"{label}: {source} has no line within {NEAREST_KEV:g} keV of {energy_keV:g} "
        f"keV; pkmodels holds {listed}{elsewhere}"
    )


def check_one_source(
    label: str, energy_keV: float, calibrated_with: str, quantified_with: str
) -> None:
    """Refuse a calibration and a quantification that count photons differently.

    Parameters
    ----------
    label : str
        The radionuclide.
    energy_keV : float
        Energy of the line, keV.
    calibrated_with, quantified_with : str
        The tables whose yields turned counts into a sensitivity, and then into
        activity.

    Raises
    ------
    InputError
        When they are not the same table; the message says by how much activities are
        wrong.

    Examples
    --------
    >>> check_one_source("Lu-177", 208.0, "ENSDF", "ENSDF")
    """
    used = gamma_line(label, energy_keV, calibrated_with)
    taken = gamma_line(label, energy_keV, quantified_with)
    if calibrated_with == quantified_with:
        return
    error = used.yield_per_decay / taken.yield_per_decay - 1.0
    raise InputError(
        f"{label}, {used.energy_keV:g} keV: calibrated with {calibrated_with} "
        f"({100.0 * used.yield_per_decay:.4g} %) but quantified with {quantified_with} "
        f"({100.0 * taken.yield_per_decay:.4g} %), so that activities come out "
        f"{abs(100.0 * error):.1f} % too {'high' if error > 0 else 'low'}: use one "
        f"source for both, or name the mixture, mixture=({calibrated_with!r}, "
        f"{quantified_with!r}) of gamma_ratio, and multiply the activities by what it "
        "returns"
    )


def gamma_ratio(
    label: str,
    energy_keV: float,
    calibrated_with: str,
    quantified_with: str,
    *,
    mixture: tuple[str, str] | None = None,
) -> float:
    """Return what activities must be multiplied by, Y_quant / Y_cal.

    With N counts and a sensitivity N_ref / (A_ref Y_cal), the activity N / (sensitivity
    Y_quant) is too large by Y_cal / Y_quant.

    Parameters
    ----------
    label, energy_keV, calibrated_with, quantified_with
        As in `check_one_source`.
    mixture : tuple of (str, str) or None
        The two sources by name, calibration first, to accept that they differ.

    Returns
    -------
    float
        1 for one source.

    Raises
    ------
    InputError
        When the sources differ and the mixture is not named, or named differently.

    Examples
    --------
    >>> mixed = ("ICRP 107", "ENSDF")
    >>> round(gamma_ratio("Lu-177", 208.0, *mixed, mixture=mixed), 4)
    0.9464
    """
    if mixture is None:
        check_one_source(label, energy_keV, calibrated_with, quantified_with)
        return 1.0
    if mixture != (calibrated_with, quantified_with):
        raise InputError(
            f"mixture {mixture!r} is not ({calibrated_with!r}, {quantified_with!r}), "
            "the sources of calibration and quantification: name them in this order, "
            "or leave mixture out"
        )
    used = gamma_line(label, energy_keV, calibrated_with)
    taken = gamma_line(label, energy_keV, quantified_with)
    return taken.yield_per_decay / used.yield_per_decay


@cache
def _lines() -> dict[tuple[str, str], tuple[GammaLine, ...]]:
    path = resources.files("pkmodels").joinpath("data/photon_lines.csv")
    lines = [x for x in path.read_text("utf-8").splitlines() if not x.startswith("#")]
    found: dict[tuple[str, str], tuple[GammaLine, ...]] = {}
    for row in csv.DictReader(lines):
        key = row["label"], row["source"]
        sd = float(row["sd_percent"]) / 100.0 if row["sd_percent"] else None
        line = GammaLine(
            label=row["label"],
            energy_keV=float(row["energy_keV"]),
            yield_per_decay=float(row["percent"]) / 100.0,
            sd=sd,
            source=row["source"],
        )
        found[key] = (*found.get(key, ()), line)
    return found
