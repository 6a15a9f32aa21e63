"""Numbers of two population models of Siebinga 2023: HA-DOTATATE and PSMA-617.

Both papers give a variation between patients as the coefficient of variation (CV) of a
log-normal, and the standard error of an estimate as a relative one (RSE). Their tables
were read as transcribed in the open model library nlmixr2lib.
"""

from collections.abc import Mapping
from types import MappingProxyType

from pkmodels.units import MINUTES_PER_HOUR
from pkmodels.values import Certainty, Prior, Value, log_normal, log_sd_of_cv

ML_PER_L = 1e3

_HA_DOTATATE = "Siebinga et al., EJNMMI Phys 2023;10:48, table 2"
_HA_PATIENTS = "Siebinga et al., EJNMMI Phys 2023;10:48, table 1, 9 patients"
_PSMA = "Siebinga et al., CPT Pharmacometrics Syst Pharmacol 2023;12:1060, table 2"
_PSMA_PATIENTS = (
    "Siebinga et al., CPT Pharmacometrics Syst Pharmacol 2023;12:1060, table 1, 10 "
    "patients"
)


def _fixed(value: float, unit: str, source: str) -> Value:
    return Value(value, unit, source, Certainty.PUBLISHED)


def _between(median: float, cv: float, unit: str, source: str) -> Prior:
    said = f"{source}; CV between patients {100.0 * cv:.3g} %"
    return log_normal(median, log_sd_of_cv(cv), unit, said, Certainty.PUBLISHED)


def _estimated(median: float, rse: float, unit: str, source: str) -> Prior:
    said = f"{source}; standard error {100.0 * rse:.3g} %, no spread between patients"
    return log_normal(median, log_sd_of_cv(rse), unit, said, Certainty.PUBLISHED)


# ---- HA-DOTATATE: what a fold is relative to, and who the patients were ----
HA_DOTATATE_MOLAR_MASS = Value(
    1628.5,
    "g/mol",
    "[68Ga]Ga-HA-DOTATATE, Siebinga et al., EJNMMI Res 2023;13:8, table 3",
    Certainty.PUBLISHED,
)
HA_TRACERS = ("Ga-68", "Lu-177")
# (activity MBq, peptide ug) of the median patient.
HA_ADMINISTERED: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"Ga-68": (96.0, 5.23), "Lu-177": (7271.0, 151.0)}
)
_HA_VOLUMES_L = {
    "blood": 4.0,
    "spleen": 0.21,
    "kidneys": 0.3,
    "receptor_organs": 4.0,
}
_HA_ELIMINATION = (0.25, 0.575)
_HA_ELIMINATION_CV = 0.316
# 1/h of Ga-68; CV between patients of the rate (Ga-68) or of the capacity (Lu-177).
_HA_UPTAKE = {
    "spleen": (0.21, 0.5),
    "kidneys": (0.22, 0.5),
    "tumour": (0.11, 0.5),
    "receptor_organs": (2.5, 0.316),
}
_HA_UPTAKE_REST = 1.0
_HA_CAPACITY_NMOL_PER_L = {
    "spleen": 16.7,
    "kidneys": 6.7,
    "tumour": 30.0,
    "receptor_organs": 2.4,
}
_HA_DEGRADATION = 0.01
# Lu-177's estimate over that of Ga-68, and its standard error.
_HA_FOLDS = {
    "fold_uptake_spleen": (0.0607 / 0.21, 0.15, "k12 0.0607 for 0.21 /h"),
    "fold_uptake_kidneys": (0.107 / 0.22, 0.15, "k13 0.107 for 0.22 /h"),
    "fold_uptake_tumour": (0.157 / 0.11, 0.14, "k14 0.157 for 0.11 /h"),
    "fold_degradation_tumour": (0.00375 / 0.01, 0.35, "k40 0.00375 for 0.01 /h"),
}
_HA_UNBOUND = {"Ga-68": 0.69, "Lu-177": 0.57}
_HA_EXPONENT_LU177 = (0.67, 0.17)
# Median, and the range of the patients over that of 9 normal deviates, 2.97 sd.
_HA_TARGET_ML, _HA_TOTAL_ML, _HA_VOLUME_LOG_SD = 80.0, 283.0, 1.1


def ha_dotatate(tracer: str) -> dict[str, Value | Prior]:
    """Return the values of `sstr_tracer_to_therapy` for one tracer.

    Parameters
    ----------
    tracer : str
        ``"Ga-68"`` or ``"Lu-177"``.

    Returns
    -------
    dict of str to Value or Prior
        With Ga-68 patients differ in their rates of uptake, with Lu-177 in their
        capacities, as the paper has it.

    Examples
    --------
    >>> print(ha_dotatate("Lu-177")["capacity_tumour"])
    log-normal, median 30 nmol/L, sd of ln 0.472 (published: Siebinga et al., EJNMMI \
Phys 2023;10:48, table 2; CV between patients 50 %)
    """
    is_therapy = tracer == "Lu-177"
    found: dict[str, Value | Prior] = {
        f"volume_{place}": _fixed(litres, "L", f"ICRP 89, {_HA_DOTATATE}")
        for place, litres in _HA_VOLUMES_L.items()
    }
    found["elimination"] = _between(
        _HA_ELIMINATION[0], _HA_ELIMINATION_CV, "1/h", _HA_DOTATATE
    )
    for place, (rate, cv) in _HA_UPTAKE.items():
        capacity = _HA_CAPACITY_NMOL_PER_L[place]
        found[f"uptake_{place}"] = (
            _fixed(rate, "1/h", f"of Ga-68, {_HA_DOTATATE}")
            if is_therapy
            else _between(rate, cv, "1/h", _HA_DOTATATE)
        )
        found[f"capacity_{place}"] = (
            _between(capacity, cv, "nmol/L", _HA_DOTATATE)
            if is_therapy
            else _fixed(capacity, "nmol/L", _HA_DOTATATE)
        )
    found["uptake_rest"] = _fixed(_HA_UPTAKE_REST, "1/h", _HA_DOTATATE)
    for place in (*_HA_UPTAKE, "rest"):
        found[f"degradation_{place}"] = _fixed(
            _HA_DEGRADATION, "1/h", f"of Ga-68, {_HA_DOTATATE}"
        )
    found["fraction_unbound"] = _fixed(_HA_UNBOUND[tracer], "1", _HA_DOTATATE)
    found |= _ha_tumours(is_therapy)
    return found | (_ha_folds() if is_therapy else {})


def _ha_tumours(is_therapy: bool) -> dict[str, Value | Prior]:
    said = "ranges over 27- to 29-fold as sd of ln"
    exponent, error = _HA_EXPONENT_LU177
    return {
        "tumour_volume": log_normal(
            _HA_TARGET_ML / ML_PER_L,
            _HA_VOLUME_LOG_SD,
            "L",
            f"target lesions, median 80.0 (7.81-212) mL, {_HA_PATIENTS}; {said}",
            Certainty.DERIVED,
        ),
        "other_tumour_volume": log_normal(
            (_HA_TOTAL_ML - _HA_TARGET_ML) / ML_PER_L,
            _HA_VOLUME_LOG_SD,
            "L",
            f"all lesions, median 283 (22.4-644) mL, less the median of the target "
            f"lesions, {_HA_PATIENTS}; {said}",
            Certainty.DERIVED,
        ),
        "tumour_volume_of_cohort": _fixed(
            _HA_TARGET_ML / ML_PER_L, "L", f"median, {_HA_PATIENTS}"
        ),
        "tumour_volume_exponent": (
            _estimated(exponent, error, "1", _HA_DOTATATE)
            if is_therapy
            else _fixed(1.0, "1", _HA_DOTATATE)
        ),
        "tumour_sink": _fixed(
            0.4, "1/L", f"fixed from an earlier PBPK model, eq. 4, {_HA_DOTATATE}"
        ),
    }


def _ha_folds() -> dict[str, Value | Prior]:
    tracer, therapy = _HA_ELIMINATION
    found: dict[str, Value | Prior] = {
        name: _estimated(fold, error, "1", f"{said}, {_HA_DOTATATE}")
        for name, (fold, error, said) in _HA_FOLDS.items()
    }
    found["fold_elimination"] = _fixed(
        therapy / tracer,
        "1",
        f"k10 0.575 for 0.25 /h, fixed by the paper: a clearance of 2.3 L/h with amino "
        f"acids; {_HA_DOTATATE}",
    )
    return found


# ---- PSMA-617 ----
PSMA617_MOLAR_MASS = Value(
    1042.1, "g/mol", "sum formula C49H71N9O16", Certainty.DERIVED
)
# The capacity is published in MBq, and the molar activity that it was found at is not.
PSMA617_MOLAR_ACTIVITY = Value(
    60.0,
    "MBq/nmol",
    "of the patients' syringes: not published with the model; 177Lu-PSMA-617 is made "
    "at some tens of MBq/nmol. One number, the same for all: where a dose is given at "
    "it, curves of activity do not depend on it",
    Certainty.JUDGEMENT,
)
# Table 2: median, 1/h, and CV between patients where there is one.
_PSMA_RATES: Mapping[str, tuple[float, float | None]] = MappingProxyType(
    {
        "elimination": (0.288, 0.172),
        "uptake_salivary_glands": (0.0238, None),
        "release_salivary_glands": (0.0307, None),
        "uptake_kidneys": (0.00867, 0.161),
        "release_kidneys": (0.0141, None),
        "uptake_liver": (0.0238, None),
        "release_liver": (0.0283, 0.095),
        "uptake_tumour": (0.000248, 0.588),
        "release_tumour": (0.00902, None),
        "uptake_other": (1.05, None),
        "release_other": (0.744, None),
    }
)
_CREATININE_ML_PER_MIN, _CREATININE_LOG_SD = 87.9, 0.25
# The lesion for which the paper states doses; patients' range is 289-fold, 10 of them.
_PSMA_TUMOUR_ML, _PSMA_TUMOUR_LOG_SD = 1.73, 1.8
PSMA617_RESIDUAL_CV: Mapping[str, Value] = MappingProxyType(
    {
        region: _fixed(cv, "1", f"proportional residual error, {_PSMA}")
        for region, cv in (
            ("blood_concentration", 0.193),
            ("salivary_glands", 0.246),
            ("kidneys", 0.304),
            ("liver", 0.850),
            ("tumour", 0.458),
        )
    }
)


def psma617() -> dict[str, Value | Prior]:
    """Return the values of `psma617_population`.

    Returns
    -------
    dict of str to Value or Prior

    Examples
    --------
    >>> psma617()["salivary_capacity"].parameters["median"]
    40.4
    """
    found: dict[str, Value | Prior] = {}
    for name, (rate, cv) in _PSMA_RATES.items():
        found[name] = (
            _fixed(rate, "1/h", _PSMA)
            if cv is None
            else _between(rate, cv, "1/h", _PSMA)
        )
    found |= {
        "blood_volume": _fixed(10.3, "L", f"V1, {_PSMA}"),
        "salivary_capacity": _between(
            40.4, 0.593, "MBq", f"Bmax, decay-corrected activity, {_PSMA}"
        ),
        "molar_activity": PSMA617_MOLAR_ACTIVITY,
        "tumour_occasion": _between(
            1.0, 0.435, "1", f"between the cycles of one patient, k15, {_PSMA}"
        ),
        "tumour_volume_exponent": _estimated(0.705, 0.123, "1", _PSMA),
    }
    return found | _psma_covariates()


def _psma_covariates() -> dict[str, Value | Prior]:
    creatinine = _CREATININE_ML_PER_MIN * MINUTES_PER_HOUR / ML_PER_L
    said = f"median 87.9 (50.2-110) mL/min, {_PSMA_PATIENTS}"
    lesion = (
        "median 1.73 mL, for which the paper states doses; 0.27-78.0 mL, "
        f"{_PSMA_PATIENTS}"
    )
    return {
        "creatinine_clearance": log_normal(
            creatinine, _CREATININE_LOG_SD, "L/h", said, Certainty.DERIVED
        ),
        "creatinine_clearance_of_cohort": _fixed(creatinine, "L/h", said),
        "tumour_volume": log_normal(
            _PSMA_TUMOUR_ML / ML_PER_L,
            _PSMA_TUMOUR_LOG_SD,
            "L",
            lesion,
            Certainty.DERIVED,
        ),
        "tumour_volume_of_cohort": _fixed(_PSMA_TUMOUR_ML / ML_PER_L, "L", lesion),
    }
