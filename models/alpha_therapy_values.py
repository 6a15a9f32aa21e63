"""Numbers of `alpha_therapy`: nearly all are judgement, with wide priors."""

from pkmodels.models import cxcr4_values as cxcr4
from pkmodels.models.physiology import plasma_volume, reference_body
from pkmodels.units import MINUTES_PER_HOUR
from pkmodels.values import Certainty, ParameterValue, Value, log_normal, logit_normal

HOURS_PER_DAY = 24.0

_NEWTON = (
    "Newton et al., Hum Exp Toxicol 2001 (207Bi citrate in one man, abstract read)"
)
_ICRP_30 = "ICRP Publication 30 as recalled, not read again"

OF_LIGAND: dict[str, ParameterValue] = {
    "plasma_volume": plasma_volume(reference_body("male")),
    "unbound_fraction": logit_normal(
        0.04,
        0.25,
        "more than 96 % is bound in plasma (Schottelius et al., Theranostics 2017, "
        "abstract); 0.02 to 0.06",
        Certainty.JUDGEMENT,
    ),
    "rest_volume": Value(
        12.0, "L", "interstitial fluid of an adult, rounded", Certainty.JUDGEMENT
    ),
    "rest_exchange": log_normal(
        30.0,
        0.5,
        "L/h",
        "free peptide leaves capillaries within minutes; wide",
        Certainty.JUDGEMENT,
    ),
    "tumour_volume": Value(
        0.3 * 0.05,
        "L",
        "interstitium, 0.3 of a tumour of 50 mL (share: Kletting et al., J Nucl Med "
        "2016;57:503); the size is what is shown",
        Certainty.JUDGEMENT,
    ),
    "tumour_exchange": log_normal(
        0.2e-3 * 50.0 * MINUTES_PER_HOUR,
        0.7,
        "L/h",
        "0.2 mL/(min g) in 50 g, of neuroendocrine tumours (Kletting 2016); widened",
        Certainty.JUDGEMENT,
    ),
    "dissociation_constant": cxcr4.PENTIXATHER_DISSOCIATION_CONSTANT,
    "dissociation": cxcr4.PEPTIDE_DISSOCIATION,
    "tumour_receptors": log_normal(
        5.0, 1.0, "nmol", "100 nmol/L in 50 mL; wide", Certainty.JUDGEMENT
    ),
    "internalization": cxcr4.PEPTIDE_INTERNALIZATION,
    "tumour_release": cxcr4.PEPTIDE_RELEASE,
    "filtration_rate": log_normal(
        0.1 * MINUTES_PER_HOUR,
        0.3,
        "L/h",
        "100 mL/min, a healthy adult",
        Certainty.JUDGEMENT,
    ),
    "reabsorbed_fraction": logit_normal(
        0.044,
        0.45,
        "kidneys take up 2.2 (sd 1.0) % each of what is given, Haenscheid et al., J "
        "Nucl Med 2022; here all that leaves is filtered",
        Certainty.DERIVED,
    ),
    "kidney_release": log_normal(
        0.0126,
        0.5,
        "1/h",
        "biological half-life 55 h, from the effective 41 h of Haenscheid et al., J "
        "Nucl Med 2022",
        Certainty.DERIVED,
    ),
}

OF_DAUGHTERS: dict[str, ParameterValue] = {
    "francium_escape": log_normal(
        20.0,
        1.0,
        "1/h",
        "out of interstitium at the rate of perfusion, as alkali ions do; wide",
        Certainty.JUDGEMENT,
    ),
    "francium_clearance": log_normal(
        20.0,
        1.0,
        "1/h",
        "from plasma into all cells within minutes, as potassium and rubidium; wide",
        Certainty.JUDGEMENT,
    ),
    "bismuth_escape": log_normal(
        5.0,
        1.0,
        "1/h",
        "out of interstitium, slowed by proteins that bind bismuth; unknown, wide",
        Certainty.JUDGEMENT,
    ),
    "escape_from_cells": log_normal(
        0.5,
        1.2,
        "1/h",
        "of daughters set free inside cells; unknown, very wide",
        Certainty.JUDGEMENT,
    ),
    "bismuth_plasma_half_time": log_normal(
        0.5,
        0.7,
        "h",
        f"between 0.01 d ({_ICRP_30}) and the 1.1 h that 1 % left at 7 h would mean "
        f"({_NEWTON})",
        Certainty.DERIVED,
    ),
    "bismuth_kidney_fraction": logit_normal(
        0.4,
        0.7,
        f"{_ICRP_30}; one man held more in the liver after 3 days ({_NEWTON})",
        Certainty.JUDGEMENT,
    ),
    "bismuth_excreted_share": logit_normal(
        0.5,
        0.7,
        f"of what kidneys do not take up: {_ICRP_30} (0.3 in all); 55 % had left in 47 "
        f"h, mostly in urine ({_NEWTON})",
        Certainty.JUDGEMENT,
    ),
}

# Probability that the recoil of an alpha decay breaks the daughter out of its chelator.
RECOIL_RELEASE = Value(
    1.0,
    "1",
    "recoils of some 100 keV are ten thousand times a chemical bond: de Kruijff et "
    "al., Pharmaceuticals 2015;8:321 (as recalled)",
    Certainty.JUDGEMENT,
)
ACTIVITY = Value(
    8.0,
    "MBq",
    "100 kBq/kg, as of 225Ac-PSMA-617 (recalled); none of pentixather is published",
    Certainty.JUDGEMENT,
)
LIGAND_MASS = Value(
    75.0, "ug", "as for dosimetry with 177Lu; none is published", Certainty.JUDGEMENT
)
