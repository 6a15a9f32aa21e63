"""Numbers of the xenograft model: animals, tumours, tracers, blocks."""

from collections.abc import Mapping
from dataclasses import dataclass

from pkmodels.errors import InputError, suggest
from pkmodels.models import cxcr4_values as cxcr4
from pkmodels.units import MINUTES_PER_HOUR
from pkmodels.values import (
    Certainty,
    ParameterValue,
    Prior,
    Value,
    log_normal,
    logit_normal,
)

TUNED = "tuned: calibration, not evidence"
_POSCHENRIEDER = "Poschenrieder et al., EJNMMI Res 2016;6:36 (Daudi, 90 min)"
_DAVIES = "Davies and Morris, Pharm Res 1993;10:1093-1095; recalled, not read again"
_BROWN = "Brown et al., Toxicol Ind Health 1997;13:407-484; recalled, not read again"
_LABEL = "prescribing information of plerixafor, in humans"
_KLETTING = "Kletting et al., J Nucl Med 2016;57:503 (DOTATATE in humans)"


@dataclass(frozen=True)
class Animal:
    """Size of an animal.

    Parameters
    ----------
    body_mass_g, plasma_mL, filtration_mL_per_min : float
        Mass (g), plasma volume (mL), glomerular filtration (mL/min).
    liver_g, kidneys_g, intestine_g, muscle_g : float
        Masses of organs, g.
    amd3100_mg_per_kg : float
        Customary blocking dose.
    """

    body_mass_g: float
    plasma_mL: float
    filtration_mL_per_min: float
    liver_g: float
    kidneys_g: float
    intestine_g: float
    muscle_g: float
    amd3100_mg_per_kg: float


# Davies and Morris 1993; blocking doses: methods review of the pentixafor approach.
ANIMALS: Mapping[str, Animal] = {
    "mouse": Animal(20.0, 1.0, 0.28, 1.75, 0.34, 1.5, 10.0, 2.0),
    "rat": Animal(250.0, 7.8, 1.31, 10.0, 2.0, 10.0, 122.0, 30.0),
}
# Receptors (nmol/L of tumour) and permeability (1/h), both tuned.
_TUMOURS: Mapping[str, tuple[float, float, str]] = {
    "OH-1": (34.0, 2.0, "6.2 %ID/g at 1 h, 4.6 at 2 h, 68Ga-pentixafor in OH-1"),
    "Daudi": (140.0, 4.8, f"16.2 %ID/g in {_POSCHENRIEDER}"),
}
TUMOURS = tuple(_TUMOURS)


@dataclass(frozen=True)
class Injection:
    """What one animal gets of a tracer.

    Parameters
    ----------
    label : str
        Radionuclide.
    activity_MBq, ligand_nmol : Value
        Activity (MBq) and all ligand (nmol).
    """

    label: str
    activity_MBq: Value
    ligand_nmol: Value


INJECTIONS: Mapping[str, Injection] = {
    "pentixafor": Injection(
        "Ga-68",
        Value(2.5, "MBq", "2.5 MBq in 100 uL, methods review", Certainty.PUBLISHED),
        Value(
            0.06,
            "nmol",
            "2.5 MBq of a product of 20 ug (16 nmol) in some 700 MBq",
            Certainty.JUDGEMENT,
        ),
    ),
    "pentixather": Injection(
        "Lu-177",
        Value(2.5, "MBq", "as of pentixafor", Certainty.JUDGEMENT),
        Value(
            0.46,
            "nmol",
            "2.5 MBq of a product of 75 ug (56 nmol) in 300 MBq",
            Certainty.DERIVED,
        ),
    ),
    "fdg": Injection(
        "F-18",
        Value(9.0, "MBq", "about 9 MBq, methods review", Certainty.PUBLISHED),
        Value(
            0.1, "nmol", "a trace: nothing in this model saturates", Certainty.JUDGEMENT
        ),
    ),
}
BEFORE_H: Mapping[str, Value] = {
    "intravenous": Value(
        1.0 / MINUTES_PER_HOUR, "h", "immediately before: 1 min", Certainty.JUDGEMENT
    ),
    "subcutaneous": Value(
        30.0 / MINUTES_PER_HOUR, "h", "some 30 min before", Certainty.PUBLISHED
    ),
    "co-injected": Value(0.0, "h", "in one syringe", Certainty.PUBLISHED),
}


def animal_named(name: str) -> Animal:
    """Return an animal.

    Parameters
    ----------
    name : str
        ``"mouse"`` or ``"rat"``.

    Returns
    -------
    Animal

    Raises
    ------
    InputError
        When it is neither.

    Examples
    --------
    >>> animal_named("rat").amd3100_mg_per_kg
    30.0
    """
    if name not in ANIMALS:
        raise InputError(f"no animal {name!r}: {suggest(name, ANIMALS)}")
    return ANIMALS[name]


def _guess(median: float, log_sd: float, unit: str, source: str) -> Prior:
    return log_normal(median, log_sd, unit, source, Certainty.JUDGEMENT)


def _size(name: str) -> dict[str, ParameterValue]:
    """Return volumes, masses and the blood in organs."""
    animal = animal_named(name)
    named = animal.liver_g + animal.kidneys_g + animal.intestine_g + animal.muscle_g
    masses = {
        "muscle": (animal.muscle_g, _DAVIES),
        "liver": (animal.liver_g, _DAVIES),
        "kidneys": (animal.kidneys_g, _DAVIES),
        "intestine": (animal.intestine_g, _DAVIES),
        "rest": (
            animal.body_mass_g - named - 2.0 * animal.plasma_mL,
            "body less blood and the organs named",
        ),
    }
    weighed: dict[str, ParameterValue] = {
        f"{organ}_mass": Value(mass, "g", source, Certainty.JUDGEMENT)
        for organ, (mass, source) in masses.items()
    }
    return weighed | {
        "tumour_mass": Value(
            0.25, "g", "imaged at 200 to 300 mm3, methods review", Certainty.PUBLISHED
        ),
        "tissue_density": Value(
            1000.0, "g/L", "1 g of tissue is taken as 1 mL", Certainty.JUDGEMENT
        ),
        "plasma_volume": Value(
            animal.plasma_mL * 1e-3, "L", _DAVIES, Certainty.JUDGEMENT
        ),
        "haematocrit": Value(0.45, "1", _BROWN, Certainty.JUDGEMENT),
    }


_BLOOD: Mapping[str, ParameterValue] = {
    "tumour_blood": logit_normal(0.05, 0.5, "solid tumours", Certainty.JUDGEMENT),
    "muscle_blood": Value(0.04, "1", _BROWN, Certainty.JUDGEMENT),
}
_ORGAN_BLOOD: Mapping[str, ParameterValue] = {
    "kidneys_blood": Value(0.24, "1", _BROWN, Certainty.JUDGEMENT),
    "liver_blood": Value(0.31, "1", _BROWN, Certainty.JUDGEMENT),
    "intestine_blood": Value(0.03, "1", "as of other tissue", Certainty.JUDGEMENT),
}
_VOIDING = _guess(
    0.5, 0.7, "1/h", "awake mice void about hourly; none under isoflurane"
)


def _filtration(name: str) -> Value:
    per_min = animal_named(name).filtration_mL_per_min
    return Value(per_min * 1e-3 * MINUTES_PER_HOUR, "L/h", _DAVIES, Certainty.JUDGEMENT)


_PEPTIDE: Mapping[str, ParameterValue] = {
    "tumour_space": logit_normal(
        0.3, 0.4, f"interstitium 0.3 of a tumour, {_KLETTING}", Certainty.DERIVED
    ),
    "muscle_space": logit_normal(
        0.13, 0.3, "extracellular space of muscle", Certainty.JUDGEMENT
    ),
    "rest_space": logit_normal(
        0.25, 0.3, "skin, carcass: interstitium is largest there", Certainty.JUDGEMENT
    ),
    "intestine_space": logit_normal(
        0.15, 0.4, "interstitium of the wall", Certainty.JUDGEMENT
    ),
    "muscle_permeability": _guess(
        0.02 * MINUTES_PER_HOUR, 0.5, "1/h", f"0.02 mL/min/g, {_KLETTING}; widened"
    ),
    "rest_permeability": _guess(
        0.02 * MINUTES_PER_HOUR, 0.5, "1/h", f"0.02 mL/min/g, {_KLETTING}; widened"
    ),
    "intestine_permeability": _guess(
        0.02 * MINUTES_PER_HOUR, 0.5, "1/h", f"0.02 mL/min/g, {_KLETTING}; widened"
    ),
    "liver_permeability": _guess(
        3.0, 0.5, "1/h", f"{TUNED}, with its space: liver falls within the hour"
    ),
    "liver_space": _guess(1.5, 0.4, "1", f"{TUNED}: liver 2.0 %ID/g, {_POSCHENRIEDER}"),
    "bile": _guess(
        0.083, 0.5, "1/h", f"{TUNED}: intestine 0.7 %ID/g, {_POSCHENRIEDER}"
    ),
    "passage": _guess(0.1, 0.5, "1/h", "some 10 h through a mouse"),
    "kidney_retained": logit_normal(
        0.1, 0.5, f"{TUNED}: kidneys 1.7 %ID/g, {_POSCHENRIEDER}", Certainty.JUDGEMENT
    ),
    "kidney_washout": _guess(
        3.0,
        0.5,
        "1/h",
        "set by eye: PET shows pentixafor leave the kidneys within the hour",
    ),
    "voiding": _VOIDING,
    "dissociation": cxcr4.PEPTIDE_DISSOCIATION,
    "internalization": cxcr4.PEPTIDE_INTERNALIZATION,
    "release": cxcr4.PEPTIDE_RELEASE,
}
_UNBOUND: Mapping[str, Prior] = {
    "pentixafor": logit_normal(
        0.53, 0.5, f"{TUNED}: blood 1.08 %ID/g at 1 h with OH-1", Certainty.JUDGEMENT
    ),
    "pentixather": logit_normal(
        0.04, 0.4, "over 96 % bound, Schottelius 2017 abstract", Certainty.DERIVED
    ),
}
_DISSOCIATION_CONSTANT: Mapping[str, Prior] = {
    "pentixafor": cxcr4.PENTIXAFOR_DISSOCIATION_CONSTANT,
    "pentixather": cxcr4.PENTIXATHER_DISSOCIATION_CONSTANT,
}
AMD3100_MOLAR_MASS = cxcr4.AMD3100_MOLAR_MASS
_AMD3100: Mapping[str, ParameterValue] = {
    "amd3100_dissociation_constant": cxcr4.AMD3100_DISSOCIATION_CONSTANT,
    "amd3100_dissociation": cxcr4.AMD3100_DISSOCIATION,
    "amd3100_unbound_fraction": logit_normal(
        0.42, 0.4, f"up to 58 % bound, {_LABEL}", Certainty.DERIVED
    ),
    "amd3100_absorption": _guess(
        4.0, 0.6, "1/h", f"peak after 30 to 60 min, {_LABEL}; faster in mice"
    ),
    "amd3100_spreading": _guess(
        4.0, 0.6, "1/h", "into extracellular fluid within some 10 min"
    ),
    "amd3100_permeability_ratio": _guess(
        2.0, 0.5, "1", "over the peptide's: 503 against 1221 g/mol"
    ),
}


def peptide_values(tracer: str, tumour: str, animal: str) -> dict[str, ParameterValue]:
    """Return the values of the model of a peptide; names as `xenograft.values` has.

    Parameters
    ----------
    tracer : str
        ``"pentixafor"`` or ``"pentixather"``.
    tumour : str
        One of `TUMOURS`.
    animal : str
        One of `ANIMALS`.

    Returns
    -------
    dict of str to Value or Prior

    Examples
    --------
    >>> peptide_values("pentixafor", "OH-1", "rat")["plasma_volume"].value
    0.0078
    """
    density, permeability, source = _TUMOURS[tumour]
    tissue = 0.25 * animal_named(animal).body_mass_g * 1e-3
    return {
        **_size(animal),
        **_BLOOD,
        **_ORGAN_BLOOD,
        **_PEPTIDE,
        "unbound_fraction": _UNBOUND[tracer],
        "dissociation_constant": _DISSOCIATION_CONSTANT[tracer],
        "receptor_density": _guess(density, 0.5, "nmol/L", f"{TUNED}: {source}"),
        "tumour_permeability": _guess(permeability, 0.3, "1/h", f"{TUNED}: {source}"),
        "glomerular_filtration": _filtration(animal),
        **_AMD3100,
        "amd3100_tissue_volume": _guess(
            tissue, 0.3, "L", f"0.3 L/kg less plasma, {_LABEL}"
        ),
    }


def fdg_values(animal: str) -> dict[str, ParameterValue]:
    """Return the values of the model of FDG.

    Parameters
    ----------
    animal : str
        One of `ANIMALS`.

    Returns
    -------
    dict of str to Value or Prior

    Examples
    --------
    >>> fdg_values("mouse")["rest_inflow"].parameters["median"]
    6.0
    """
    size = _size(animal)
    kept = ("tumour_mass", "muscle_mass", "plasma_volume", "haematocrit")
    rest = animal_named(animal)
    others = rest.body_mass_g - rest.muscle_g - 2.0 * rest.plasma_mL
    why = "a fasted, anaesthetised animal; order of magnitude"
    rates = {"tumour": (12.0, 4.0), "muscle": (3.0, 0.5), "rest": (6.0, 1.2)}
    found: dict[str, ParameterValue] = {name: size[name] for name in kept}
    for tissue, (inflow, phosphorylation) in rates.items():
        found[f"{tissue}_inflow"] = _guess(inflow, 0.6, "1/h", why)
        found[f"{tissue}_phosphorylation"] = _guess(phosphorylation, 0.6, "1/h", why)
        found[f"{tissue}_partition"] = logit_normal(
            0.6, 0.3, "glucose space of tissue", Certainty.JUDGEMENT
        )
    filtered = _filtration(animal).value
    return found | {
        **_BLOOD,
        "rest_mass": Value(others, "g", "body less muscle, blood", Certainty.JUDGEMENT),
        "tissue_density": size["tissue_density"],
        "urinary_clearance": _guess(
            0.3 * filtered, 0.5, "L/h", "a third of filtration: part is reabsorbed"
        ),
        "voiding": _VOIDING,
    }
