"""Numbers of pharmacology and noise, each with its source; the priors of the models."""

from collections.abc import Mapping
from dataclasses import dataclass

from pkmodels.values import (
    Certainty,
    Prior,
    Value,
    half_normal,
    log_normal,
    logit_normal,
)

_HAENSCHEID = "Haenscheid et al., J Nucl Med 2022 (177Lu-pentixather, 19 patients)"
_BUDIANSAH = "Budiansah et al., EJNMMI Phys 2025;12:26 (DOTATATE)"


@dataclass(frozen=True)
class Ligand:
    """A molecule that carries a label.

    Parameters
    ----------
    name : str
        Its name in patient files.
    molar_mass_g_per_mol : Value
        Its molar mass with the chelator.
    """

    name: str
    molar_mass_g_per_mol: Value


LIGANDS: Mapping[str, Ligand] = {
    name: Ligand(name, Value(mass, "g/mol", source, Certainty.DERIVED))
    for name, mass, source in (
        ("pentixafor", 1221.4, "sum formula C60H80N14O14"),
        ("pentixather", 1347.3, "sum formula C60H79IN14O14 (pentixafor with iodine)"),
        ("dotatate", 1435.6, "sum formula C65H90N14O19S2"),
    )
}

# Organs that fill from blood and empty out of the body, as organ_exchange assumes.
EXCHANGING_ORGANS = (
    "kidney",
    "kidneys",
    "liver",
    "spleen",
    "red_marrow",
    "tumour",
    "adrenal",
    "salivary_gland",
    "lung",
    "heart",
    "pancreas",
    "bone",
    "intestine",
    "stomach",
)

BLOOD_HALF_TIME = log_normal(
    1.0,
    0.7,
    "h",
    "peptides leave blood within hours; wide",
    Certainty.JUDGEMENT,
)

# Ratio of the fraction that an organ takes up to the fraction that is eliminated.
_UPTAKE_ODDS_ANY = log_normal(
    0.02, 1.5, "", "any organ, any ligand; very wide", Certainty.JUDGEMENT
)
_UPTAKE_ODDS: Mapping[tuple[str, str], Prior] = {
    ("pentixather", "kidney"): log_normal(
        0.025,
        0.7,
        "",
        f"2.2 % (0.6-5.1 %) per kidney, {_HAENSCHEID}; widened",
        Certainty.DERIVED,
    ),
    ("pentixather", "kidneys"): log_normal(
        0.05,
        0.7,
        "",
        f"twice that of one kidney, 2.2 % (0.6-5.1 %), {_HAENSCHEID}; widened",
        Certainty.DERIVED,
    ),
    ("pentixather", "liver"): log_normal(
        0.1, 1.0, "", f"from dose and half-life of {_HAENSCHEID}", Certainty.DERIVED
    ),
    ("pentixather", "spleen"): log_normal(
        0.01, 1.0, "", f"from dose and half-life of {_HAENSCHEID}", Certainty.DERIVED
    ),
    ("pentixather", "red_marrow"): log_normal(
        0.1, 1.2, "", f"from dose and half-life of {_HAENSCHEID}", Certainty.DERIVED
    ),
    ("dotatate", "kidney"): log_normal(
        0.012,
        0.8,
        "",
        f"per kidney: typical peak of both 1.7 % in {_BUDIANSAH}, whose published "
        "kidney values run twice as high; widened",
        Certainty.DERIVED,
    ),
    ("dotatate", "kidneys"): log_normal(
        0.024,
        0.8,
        "",
        f"typical peak of both 1.7 % in {_BUDIANSAH}, whose published kidney values "
        "run twice as high; widened",
        Certainty.DERIVED,
    ),
    ("dotatate", "liver"): log_normal(
        0.05, 1.0, "", f"typical peak 5.5 % in {_BUDIANSAH}", Certainty.DERIVED
    ),
    ("dotatate", "spleen"): log_normal(
        0.025, 1.0, "", f"typical peak 2.5 % in {_BUDIANSAH}", Certainty.DERIVED
    ),
}

_BIOLOGICAL_HALF_LIFE_ANY = log_normal(
    60.0, 1.0, "h", "any organ, any ligand; wide", Certainty.JUDGEMENT
)
_BIOLOGICAL_HALF_LIFE: Mapping[tuple[str, str], Prior] = {
    ("pentixather", organ): log_normal(
        median,
        1.0,
        "h",
        f"effective half-life {effective} h of {_HAENSCHEID}, without decay; widened",
        Certainty.DERIVED,
    )
    for organ, median, effective in (
        ("kidney", 55.0, 41),
        ("kidneys", 55.0, 41),
        ("liver", 344.0, 109),
        ("spleen", 187.0, 86),
        ("red_marrow", 217.0, 92),
    )
} | {
    ("dotatate", organ): log_normal(
        114.0,
        1.0,
        "h",
        f"degradation 1.01e-4 /min in normal organs, {_BUDIANSAH}; widened",
        Certainty.DERIVED,
    )
    for organ in ("liver", "spleen")
}

_EFFECTIVE_HALF_LIFE: Mapping[tuple[str, str, str], Prior] = {
    ("pentixather", organ, "Lu-177"): log_normal(
        40.0,
        0.24,
        "h",
        f"41 (sd 10, 24-64) h in {_HAENSCHEID}, as a log-normal",
        Certainty.DERIVED,
    )
    for organ in ("kidney", "kidneys")
}

# Of both kidneys' activity.
SHARE_OF_ONE_KIDNEY = logit_normal(
    0.5,
    0.15,
    "the larger kidney rarely does more than 57 % of the work",
    Certainty.JUDGEMENT,
)

RELATIVE_NOISE = half_normal(
    0.1,
    "",
    "residuals of single-patient fits are 5-10 %; wide",
    Certainty.JUDGEMENT,
)
MINIMUM_NOISE = Value(
    0.01,
    "",
    "no scan is better than 1 %; it also keeps the posterior explorable where values "
    "are as few as unknowns",
    Certainty.JUDGEMENT,
)
# Of the region's largest value.
NOISE_FLOOR_FRACTION = Value(
    0.01, "", "1 % of the region's largest value", Certainty.JUDGEMENT
)
# sd of ln of a factor declared "free": a factor of 400 either way at 2 sd.
FREE_CALIBRATION_LOG_SD = Value(3.0, "1", "practically flat", Certainty.JUDGEMENT)


def uptake_odds(ligand: str, organ: str) -> Prior:
    """Return the prior of an organ's uptake relative to elimination.

    Parameters
    ----------
    ligand, organ : str
        Ligand and organ; those without values of their own get a very wide prior.

    Returns
    -------
    Prior

    Examples
    --------
    >>> uptake_odds("ligand", "lung").parameters["median"]
    0.02
    """
    return _UPTAKE_ODDS.get((ligand, organ), _UPTAKE_ODDS_ANY)


def biological_half_life(ligand: str, organ: str) -> Prior:
    """Return the prior of an organ's biological half-life.

    Parameters
    ----------
    ligand, organ : str
        Ligand and organ; those without values of their own get a wide prior.

    Returns
    -------
    Prior

    Examples
    --------
    >>> print(biological_half_life("dotatate", "kidney"))
    log-normal, median 60 h, sd of ln 1 (judgement: any organ, any ligand; wide)
    """
    return _BIOLOGICAL_HALF_LIFE.get((ligand, organ), _BIOLOGICAL_HALF_LIFE_ANY)


def effective_half_life(ligand: str, organ: str, label: str) -> Prior | None:
    """Return what a population's effective half-lives of an organ are.

    Parameters
    ----------
    ligand, organ, label : str
        Ligand, organ and radionuclide.

    Returns
    -------
    Prior or None
        Log-normal, h; None where no population was published.

    Examples
    --------
    >>> effective_half_life("pentixather", "kidney", "Lu-177").parameters["median"]
    40.0
    """
    return _EFFECTIVE_HALF_LIFE.get((ligand, organ, label))
