"""Numbers of `exponentials` that are no property of one organ and ligand."""

from pkmodels.values import Certainty, Value, log_normal, logit_normal

_HAENSCHEID = "Haenscheid et al., J Nucl Med 2022 (177Lu-pentixather, 19 patients)"

UPTAKE_HALF_TIME = log_normal(
    5.0,
    0.6,
    "h",
    f"activity rises during the first day in {_HAENSCHEID}; 3-10 h assumed, widened",
    Certainty.JUDGEMENT,
)
SHARE = logit_normal(
    0.3,
    1.0,
    "part of what a region takes up that a faster phase releases; wide",
    Certainty.JUDGEMENT,
)
HALF_LIFE_RATIO = logit_normal(
    0.15,
    1.0,
    "half-life of a phase over that of the next slower one; wide",
    Certainty.JUDGEMENT,
)
ACTIVITY = Value(
    200.0, "MBq", f"dosimetry before therapy in {_HAENSCHEID}", Certainty.PUBLISHED
)
LIGAND_MASS = Value(
    75.0,
    "ug",
    "pentixather for dosimetry with 177Lu, methods review of the "
    "pentixafor/pentixather approach",
    Certainty.PUBLISHED,
)
