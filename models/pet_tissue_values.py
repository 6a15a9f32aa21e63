"""Numbers of `pet_tissue`: what a tissue does with [68Ga]pentixafor, all judgement."""

from pkmodels.models.physiology import plasma_volume, reference_body
from pkmodels.units import MINUTES_PER_HOUR
from pkmodels.values import Certainty, Value, log_normal, logit_normal

_NOBODY = "no rate constants of pentixafor in a human tissue are at hand; wide"
_BODY = reference_body("male")

K1 = log_normal(
    0.1 * MINUTES_PER_HOUR,
    0.8,
    "1/h",
    f"0.1 mL/min of plasma cleared per mL of tissue: {_NOBODY}",
    Certainty.JUDGEMENT,
)
K2 = log_normal(
    0.15 * MINUTES_PER_HOUR,
    0.8,
    "1/h",
    f"0.15 /min, a free distribution volume near 0.7: {_NOBODY}",
    Certainty.JUDGEMENT,
)
K3 = log_normal(
    0.05 * MINUTES_PER_HOUR,
    0.8,
    "1/h",
    f"0.05 /min: {_NOBODY}",
    Certainty.JUDGEMENT,
)
K4 = log_normal(
    0.01 * MINUTES_PER_HOUR,
    0.8,
    "1/h",
    f"0.01 /min, slow, since tumours keep the label: {_NOBODY}",
    Certainty.JUDGEMENT,
)
BLOOD_FRACTION = logit_normal(
    0.05, 0.5, "5 % of a tissue is blood; wide", Certainty.JUDGEMENT
)
PLASMA_VOLUME = plasma_volume(_BODY)
PLASMA_HALF_TIME = log_normal(
    1.0,
    0.7,
    "h",
    "one exponential stands for the whole plasma curve; wide",
    Certainty.JUDGEMENT,
)
BLOOD_TO_PLASMA = Value(
    1.0 - _BODY.haematocrit,
    "1",
    "1 - haematocrit of the reference man: peptides do not enter red cells",
    Certainty.DERIVED,
)
TISSUE_VOLUME = Value(
    0.02,
    "L",
    "20 mL, what is shown; concentrations do not depend on it while it is "
    "small beside plasma",
    Certainty.JUDGEMENT,
)
ACTIVITY = Value(
    150.0,
    "MBq",
    "[68Ga]pentixafor PET is done with 100-150 MBq, methods review of the "
    "pentixafor/pentixather approach",
    Certainty.PUBLISHED,
)
LIGAND_MASS = Value(
    20.0,
    "ug",
    "[68Ga]pentixafor is made of 20 ug of peptide, methods review of the "
    "pentixafor/pentixather approach",
    Certainty.PUBLISHED,
)
