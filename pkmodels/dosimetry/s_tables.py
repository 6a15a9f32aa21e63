"""pkmodels' own tables of S-values: OpenDose, and organ values where it has none."""

import csv
from collections.abc import Mapping
from functools import cache
from importlib import resources

from pkmodels.dosimetry.absorbed_fractions import LU177_ESCAPE_LENGTH, sphere_fraction
from pkmodels.dosimetry.s_rows import SRow, STable
from pkmodels.dosimetry.s_table_files import parse_s_table
from pkmodels.values import Certainty, Value

KIDNEY_ELECTRON_FRACTION = Value(
    0.993,
    "1",
    "Monte Carlo for a 155 g ellipsoid with ICRP 107 spectra, Lu-177",
    Certainty.DERIVED,
)
SELF_LOG_SD = Value(
    0.01, "1", "spread between OpenDose and OLINDA-type tables", Certainty.DERIVED
)
CROSS_LOG_SD = Value(
    0.35,
    "1",
    "judgement: root mean square of ln(OpenDose / OLINDA-type) for the kidneys from "
    "liver and spleen, both phantoms; a patient's distances differ as much",
    Certainty.JUDGEMENT,
)

_OPENDOSE_SOURCES = ("left_kidney", "right_kidney", "liver", "spleen")


@cache
def organ_table() -> STable:
    """Return pkmodels' own S-values of organs: OLINDA-type, and judgements for Y-90.

    Returns
    -------
    STable
        For Lu-177, kidneys, liver, spleen, red marrow and total body, self and cross;
        for Y-90, red marrow.

    References
    ----------
    See data/s_values.csv, row by row.

    Examples
    --------
    >>> row = organ_table().find("red_marrow", "kidneys", "Lu-177", "male")
    >>> row.S_mGy_per_MBq_s
    3.35e-08
    """
    text = resources.files("pkmodels").joinpath("data/s_values.csv").read_text("utf-8")
    return parse_s_table(text, "s_values.csv", own=False)


@cache
def opendose_table() -> STable:
    """Return the S-values of Lu-177 from kidneys, liver and spleen to all organs.

    Returns
    -------
    STable
        For both phantoms. From both kidneys together: the mean of left and right,
        weighted by their masses, as for an even concentration.

    References
    ----------
    OpenDose, ICRP Publication 110 phantoms; see data/opendose_lu177.csv.

    Examples
    --------
    >>> row = opendose_table().find("kidneys", "kidneys", "Lu-177", "male")
    >>> f"{row.S_mGy_per_MBq_s:.3e} {row.mass_g:.0f}"
    '7.712e-05 310'
    """
    path = resources.files("pkmodels").joinpath("data/opendose_lu177.csv")
    lines = [x for x in path.read_text("utf-8").splitlines() if not x.startswith("#")]
    table = list(csv.DictReader(lines))
    mass = {(r["sex"], r["target"]): float(r["mass_g"]) for r in table}
    found = []
    for row in table:
        left, right = (
            mass[row["sex"], f"{s}_kidney"] * float(row[f"{s}_kidney"])
            for s in ("left", "right")
        )
        values = {source: float(row[source]) for source in _OPENDOSE_SOURCES}
        values["kidneys"] = (left + right) / mass[row["sex"], "kidneys"]
        found += [_opendose_row(row, source, s) for source, s in values.items()]
    return STable("OpenDose", tuple(found))


def _opendose_row(row: Mapping[str, str], source: str, s: float) -> SRow:
    target, mass_g = row["target"], float(row["mass_g"])
    phantom = "AM" if row["sex"] == "male" else "AF"
    said, fraction, log_sd = f"OpenDose ICRP 110 {phantom}", None, CROSS_LOG_SD
    if target == source:
        log_sd = SELF_LOG_SD
        if target in ("liver", "spleen"):
            fraction = sphere_fraction("Lu-177", mass_g)
            said += (
                "; electron fraction 1 - r A / (4 V) of a sphere, r = "
                f"{10.0 * LU177_ESCAPE_LENGTH.value:g} mm"
            )
        else:
            fraction = KIDNEY_ELECTRON_FRACTION.value
            said += f" {target.replace('_', ' ')}"
            said += f"; electron fraction: {KIDNEY_ELECTRON_FRACTION.source}"
    return SRow(
        target=target,
        source=source,
        label="Lu-177",
        sex=row["sex"],
        mass_g=mass_g,
        S_mGy_per_MBq_s=s,
        electron_fraction=fraction,
        log_sd=log_sd.value,
        certainty=Certainty.PUBLISHED,
        provenance=f"{said}; sd: {log_sd.source}",
        own=False,
    )
