"""Numbers of the binding assay: the tube, its washes and the gamma counter."""

from collections.abc import Mapping

from pkmodels.models import cxcr4_values as cxcr4
from pkmodels.units import AVOGADRO_PER_MOL, MINUTES_PER_HOUR
from pkmodels.values import (
    Certainty,
    ParameterValue,
    Value,
    log_normal,
    logit_normal,
)

_PROTOCOL = (
    "protocol of the methods review of the pentixafor/pentixather approach: some 4e5 "
    "cells in 500 uL, 1e6 cpm (28.7 kBq, about 1 nM) in 50 uL"
)

TRACER_NMOL_PER_L = Value(1.0, "nmol/L", _PROTOCOL, Certainty.PUBLISHED)
TRACER_MBQ_PER_NMOL = Value(
    52.0, "MBq/nmol", f"28.7 kBq in 0.55 pmol; {_PROTOCOL}", Certainty.DERIVED
)
BLOCK_NMOL_PER_L = Value(
    100_000.0, "nmol/L", "AMD3100 100 umol/L (printed as 100 mM)", Certainty.PUBLISHED
)
PREINCUBATION_H = Value(
    30.0 / MINUTES_PER_HOUR, "h", "AMD3100 30 min before", Certainty.PUBLISHED
)

VOLUME = Value(5.5e-4, "L", _PROTOCOL, Certainty.PUBLISHED)

TUBE: Mapping[str, ParameterValue] = {
    "volume": VOLUME,
    "cells": Value(4e5, "1", _PROTOCOL, Certainty.PUBLISHED),
    "molecules_per_nmol": Value(
        AVOGADRO_PER_MOL * 1e-9, "1/nmol", "Avogadro constant", Certainty.PUBLISHED
    ),
    "receptors_per_cell": log_normal(
        1e5,
        1.0,
        "1",
        "order 1e4 to 1e5 in Jurkat and myeloma lines (recalled); by line",
        Certainty.JUDGEMENT,
    ),
    "dissociation_constant": cxcr4.PENTIXAFOR_DISSOCIATION_CONSTANT,
    "dissociation": cxcr4.PEPTIDE_DISSOCIATION,
    "internalization": cxcr4.PEPTIDE_INTERNALIZATION,
    "release": cxcr4.PEPTIDE_RELEASE,
    "amd3100_dissociation_constant": cxcr4.AMD3100_DISSOCIATION_CONSTANT,
    "amd3100_dissociation": cxcr4.AMD3100_DISSOCIATION,
    "nonspecific_ratio": log_normal(
        0.002,
        0.7,
        "1",
        "unspecific over free at equilibrium: a few per mille stay on 4e5 cells",
        Certainty.JUDGEMENT,
    ),
    "nonspecific_dissociation": log_normal(
        10.0, 1.0, "1/h", "minutes, faster than the receptor", Certainty.JUDGEMENT
    ),
}

WASH_AND_COUNT: Mapping[str, ParameterValue] = {
    "dissociation_on_ice": log_normal(
        0.3,
        1.0,
        "1/h",
        "a tenth of k_off at 37 degrees: rates fall some two to threefold per 10 K",
        Certainty.JUDGEMENT,
    ),
    "wash_time": Value(
        6.0 / MINUTES_PER_HOUR,
        "h",
        "2 min on ice at least and two washes of 2 min at 4 degrees",
        Certainty.DERIVED,
    ),
    "carried_over": log_normal(
        1e-3,
        0.7,
        "1",
        "two washes that each leave some 3 % of the liquid",
        Certainty.JUDGEMENT,
    ),
    "counting_delay": Value(
        15.0 / MINUTES_PER_HOUR, "h", "from the wash to the count", Certainty.JUDGEMENT
    ),
    "count_time": Value(
        1.0 / MINUTES_PER_HOUR, "h", "counts are stated per minute", Certainty.JUDGEMENT
    ),
    "efficiency": logit_normal(
        0.58, 0.1, "1e6 cpm of 28.7 kBq: 1e6 / 60 / 28 700", Certainty.DERIVED
    ),
    "background": log_normal(
        50.0 * MINUTES_PER_HOUR,
        0.3,
        "1/h",
        "some 50 cpm, by counter",
        Certainty.JUDGEMENT,
    ),
}
