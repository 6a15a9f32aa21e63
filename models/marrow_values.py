"""Numbers of the marrow models: red marrow seen through blood, and with receptors."""

from pkmodels.dosimetry.marrow import PEPTIDE_RATIO
from pkmodels.models import cxcr4_values, organ_exchange_values
from pkmodels.models.physiology import organ, plasma_volume, reference_body
from pkmodels.models.siebinga_values import psma617
from pkmodels.values import Certainty, Prior, Value, log_normal, logit_normal

_ICRP_89 = "ICRP Publication 89, 2002, reference man"
BLOOD_MASS = Value(5600.0, "g", f"5300 mL of blood, {_ICRP_89}", Certainty.PUBLISHED)
RED_MARROW_MASS = Value(1170.0, "g", _ICRP_89, Certainty.PUBLISHED)
_MARROW = organ(reference_body("male"), "red_marrow")
# Sinusoids have gaps that the capillaries of muscle, whose permeability this is, lack.
_PERMEABILITY_FACTOR = 3.0
RECEPTORS_NMOL = 100.0
RELEASE_PER_H = 0.003


def through_blood() -> dict[str, Value]:
    """Return the values of the marrow that holds what its blood and fluid hold.

    Returns
    -------
    dict of str to Value

    Examples
    --------
    >>> through_blood()["marrow_to_blood"].value
    1.0
    """
    rates = psma617()
    said = "177Lu-PSMA-617, which serves as the example"
    named = {
        "elimination": "elimination",
        "uptake_tissue": "uptake_other",
        "release_tissue": "release_other",
    }
    found = {}
    for name, of in named.items():
        known = rates[of]
        median = known.value if isinstance(known, Value) else known.parameters["median"]
        source = f"{said}; {known.source}"
        found[name] = Value(median, "1/h", source, Certainty.DERIVED)
    return {
        **found,
        "marrow_to_blood": PEPTIDE_RATIO,
        "blood_mass": BLOOD_MASS,
        "red_marrow_mass": RED_MARROW_MASS,
    }


def with_receptors() -> dict[str, Value | Prior]:
    """Return the values of the marrow whose cells bind a ligand of CXCR4.

    Returns
    -------
    dict of str to Value or Prior
        None of the rates of binding has been measured.

    Examples
    --------
    >>> with_receptors()["receptors"].certainty
    <Certainty.JUDGEMENT: 'judgement'>
    """
    permeability, interstitium = (
        _MARROW.permeability_surface_L_per_h,
        _MARROW.interstitial_L,
    )
    assert permeability is not None
    assert interstitium is not None
    return {
        "plasma_half_time": organ_exchange_values.BLOOD_HALF_TIME,
        "unbound_fraction": logit_normal(
            0.04,
            0.3,
            "more than 96 % of pentixather is bound in plasma, Schottelius et al. 2017 "
            "(abstract); 0.02-0.06",
            Certainty.JUDGEMENT,
        ),
        "plasma_volume": plasma_volume(reference_body("male")),
        "marrow_plasma_volume": _MARROW.vascular_L,
        "marrow_interstitial_volume": interstitium,
        "marrow_permeability_surface": log_normal(
            _PERMEABILITY_FACTOR * permeability.value,
            0.7,
            "L/h",
            f"{_PERMEABILITY_FACTOR:g} times {permeability.source}, since sinusoids "
            "have gaps; wide",
            Certainty.JUDGEMENT,
        ),
        "receptors": log_normal(
            RECEPTORS_NMOL,
            0.8,
            "nmol",
            "in all red marrow: tuned to the median marrow dose of Haenscheid 2022, "
            "0.47 Gy/GBq: calibration, not evidence",
            Certainty.JUDGEMENT,
        ),
        "dissociation_constant": cxcr4_values.PENTIXATHER_DISSOCIATION_CONSTANT,
        "dissociation": cxcr4_values.PEPTIDE_DISSOCIATION,
        "internalization": cxcr4_values.PEPTIDE_INTERNALIZATION,
        "release": log_normal(
            RELEASE_PER_H,
            0.5,
            "1/h",
            "tuned to the effective half-life of marrow in Haenscheid 2022, 92 h: "
            "calibration, not evidence",
            Certainty.JUDGEMENT,
        ),
    }
