"""A made-up result and its figures, for tests: no patient, no fit."""

from math import erf, sqrt

import numpy as np
from made_up_records import (
    MEASURED,
    PLANNED,
    SAFE_ACTIVITY,
    budget,
    classical,
    comparison,
    parameters,
    propagation,
    residual,
    s_values,
    summary,
)

from pkmodels.clinic.report_figures import (
    CurveBand,
    DoseDraws,
    MeasuredPoint,
    ReportFigures,
    ResidualPoint,
)
from pkmodels.clinic.result_format import Result

ORGANS = ("kidney_left", "kidney_right", "kidneys", "liver")


def organ(tiac=1.05, half_life=49.2, dose=0.381, fraction=0.2):
    return {
        "tiac_h": summary(tiac),
        "effective_half_life_h": summary(half_life),
        "absorbed_dose_per_activity_Gy_per_GBq": summary(dose),
        "fraction_of_tia_after_last_scan": summary(fraction),
    }


def limit(activity, gray, quantity, probability):
    return {
        "activity_GBq": activity,
        "limit_Gy": gray,
        "quantity": quantity,
        "probability_above_at_safe_activity": probability,
    }


def safe_activity():
    return {
        "activity_GBq": SAFE_ACTIVITY,
        "confidence": 0.95,
        "binding_limit": "kidneys",
        "per_limit": {
            "kidneys": limit(5.3179, 23.0, "absorbed_dose", 0.05),
            "liver": limit(31.27, 40.0, "bed", 0.0),
        },
        "activity_at_limit_GBq": {"median": 6.8, "interval_95": [4.9, 9.2]},
    }


def checks():
    return {
        "passed": True,
        "rhat_max": 1.003,
        "ess_bulk_min": 2210.0,
        "ess_tail_min": 1800.0,
        "divergences": 0,
        "failed_solves": 0,
    }


def passed(**changes):
    """Return the fields of the result of a fit that passed its checks."""
    fields = {
        "format": "pkmodels-result/1",
        "patient_id": "P1",
        "model": "organ_exchange",
        "checks": checks(),
        "waived": {"red_marrow": "no marrow data; demonstration"},
        "organs": {
            name: {"Lu-177": organ(), "Y-90": organ(0.72, 32.0, 1.61, 0.08)}
            for name in ORGANS
        },
        "dose_already_received_Gy": {name: summary(2.51) for name in ORGANS},
        "safe_activity": {"Y-90": safe_activity()},
        "prior_contraction": {"uptake": 0.03, "washout": 0.93},
        "warnings": ["kidney_left at 3.74 h can hold urine activity"],
        "assumptions": ["what was administered counts against every limit"],
        "versions": {"pkmodels": "0.1.0", "jax": "0.12"},
        "seed": 0,
        "data_sha256": "ab" * 32,
    }
    return fields | changes


def failed(**changes):
    """Return the fields of the result of a fit that failed its checks."""
    nothing = {
        "organs": {},
        "dose_already_received_Gy": {},
        "safe_activity": {},
        "prior_contraction": {},
    }
    refused = checks() | {"passed": False, "rhat_max": 1.31}
    refused["reasons"] = ["R-hat of washout is 1.31: add scans or narrow its prior"]
    return passed(checks=refused) | nothing | changes


def result(**changes):
    return Result.model_validate(passed(**changes))


def dose_draws(name, gray, quantity, probability):
    """Return draws of which exactly the stated share is above the limit."""
    generator = np.random.default_rng(7)
    draws = np.sort(np.exp(0.1 * generator.standard_normal(2000)))
    n_above = round(2000 * probability)
    last_below = draws[1999 - n_above]
    first_above = draws[2000 - n_above] if n_above else 2.0 * last_below
    scaled = draws * gray / (0.5 * (last_below + first_above))
    return DoseDraws(name, "Y-90", SAFE_ACTIVITY, scaled, gray, quantity)


def figures():
    time = np.linspace(0.0, 200.0, 101)
    curves = []
    points = []
    for name in ORGANS:
        lutetium, yttrium = (
            100.0 * (np.exp(-rate * time) - np.exp(-time)) for rate in (0.0141, 0.0217)
        )
        measured = (lutetium, 0.9 * lutetium, 1.1 * lutetium)
        predicted = (yttrium, 0.9 * yttrium, 1.1 * yttrium)
        unit = "MBq per GBq planned"
        curves += [
            CurveBand(name, "Lu-177", "measured", "MBq", time, *measured),
            CurveBand(name, "Y-90", "predicted", unit, time, *predicted),
        ]
        points += [
            MeasuredPoint(name, "Lu-177", "SPECT", 27.7, 73.6, None),
            MeasuredPoint(name, "Lu-177", "planar", 103.1, 25.4, 2.0),
        ]
    draws = (
        dose_draws("kidneys", 23.0, "absorbed_dose", 0.05),
        dose_draws("liver", 40.0, "bed", 0.0),
    )
    return ReportFigures(tuple(curves), tuple(points), draws)


REGIONS = (*ORGANS, "spleen", "red_marrow", "lesion_1")


def complete(**changes):
    """Return the fields of a result in which every optional field is filled.

    One label is planned and one only compared; a limit in BED stands beside one in Gy;
    there is a tumour, an earlier treatment and a stem-cell transplantation.
    """
    safe = complete_safe_activity()
    fields = {
        "note": "made up, for tests",
        "organs": {
            name: {MEASURED: full_organ(0.10), PLANNED: full_organ(0.06)}
            for name in REGIONS
        },
        "waived": {},
        "safe_activity": {PLANNED: safe},
        "dose_already_received_Gy": {name: summary(1.12, 0.2) for name in REGIONS},
        "budgets": {
            PLANNED: {name: budget("bed") for name in ("kidneys", "lesion_1")},
            MEASURED: {"kidneys": budget("absorbed_dose")},
        },
        "propagation": {PLANNED: {name: propagation() for name in REGIONS}},
        "classical": {MEASURED: {"kidneys": classical(), "lesion_1": classical()}},
        "comparison": comparison(),
        "left_over": {PLANNED: residual(MEASURED, 120.0, 250.0, 148.0)},
        "s_values": s_values(),
        "history": [
            "2025-11-03: 6.9 GBq of [177Lu]Lu-DOTATATE; kidneys 4.8 Gy +- 0.9 Gy (1 sd)"
        ],
        "inputs": {
            "patient.toml": 'id = "P1"\n[[plan]]\nlabel = "Y-90"\nconfidence = 0.95\n',
            "measurements.csv": "region,time_h,value,unit\nkidney_left,3.74,41.2,MBq\n",
        },
        "priors": {
            "kidney_left: washout": "log-normal, median 0.0125 1/h, sd of ln 0.4 "
            "(domain.md 3.4: biological half-life of 55 h)"
        },
        "prior_contraction": {p.name: p.contraction for p in parameters()},
        "warnings": [
            "kidney_left at 3.74 h can hold urine activity",
            "red_marrow: 31 % of its time-integrated activity lies after the last scan",
        ],
        "assumptions": [
            "what was administered counts against every limit",
            "dose is proportional to activity: the ligand does not saturate",
            "masses do not change between dosimetry and therapy",
        ],
    }
    return passed(**(fields | changes))


def full_organ(fraction):
    return organ(fraction=fraction) | {
        "tiac_if_only_decay_h": summary(1.22),
        "cross_dose_share": summary(0.013, 0.4),
        "protraction_factor": summary(0.086, 0.2),
    }


def complete_safe_activity():
    """Kidneys bind, in BED; marrow's limit is in Gy; the worst limit is any limit."""
    grid = np.linspace(0.0, 12.0, 61)
    kidneys, marrow, liver = (
        normal_cdf(np.log(np.maximum(grid, 1e-9) / middle) / spread)
        for middle, spread in ((6.8, 0.1497), (9.4, 0.25), (38.0, 0.2))
    )
    together = np.max([kidneys, marrow, liver], axis=0)
    return {
        "activity_GBq": SAFE_ACTIVITY,
        "confidence": 0.95,
        "binding_limit": "kidneys",
        "per_limit": {
            "kidneys": limit(5.3179, 28.0, "bed", 0.05)
            | {"received_Gy": summary(5.9, 0.3)},
            "red_marrow": limit(6.231, 2.0, "absorbed_dose", 0.0115)
            | {"received_Gy": summary(0.081, 0.3)},
            "liver": limit(27.27, 40.0, "absorbed_dose", 0.0),
        },
        "activity_at_limit_GBq": {"median": 6.8, "interval_95": [5.07, 9.11]},
        "monte_carlo_error": 0.0042,
        "cycles": 2,
        "activity_per_cycle_GBq": SAFE_ACTIVITY / 2.0,
        "absorbed_dose_Gy": {name: summary(14.2, 0.3) for name in REGIONS},
        "bed_Gy": {name: summary(19.6, 0.4) for name in REGIONS if name != "lesion_1"},
        "point_estimate": {
            "activity_GBq": 6.764,
            "probability_above": 0.497,
            "expected_excess_Gy": 2.613,
            "safe_over_point": SAFE_ACTIVITY / 6.764,
            "setting_limit": "kidneys",
            "quantity": "bed",
        },
        "probability_curve": {
            "activity_GBq": grid.tolist(),
            "per_limit": {
                "kidneys": kidneys.tolist(),
                "red_marrow": marrow.tolist(),
                "liver": liver.tolist(),
            },
            "any_limit": together.tolist(),
        },
        "at_transplantation": residual(PLANNED, 336.0, 5318.0, 140.6),
        "history_counted": {"kidneys": "bed"},
        "history_left_out": {"kidney_left": ["kidneys"], "kidney_right": ["kidneys"]},
        "judgements": [
            "alpha/beta (2.5 Gy) and half-time of repair (2.8 h) in the BED of kidneys",
            "the S-value of red_marrow from red_marrow",
        ],
    }


def normal_cdf(value):
    return np.array([0.5 * (1.0 + erf(v / sqrt(2.0))) for v in value])


def residual_points():
    generator = np.random.default_rng(11)
    return tuple(
        ResidualPoint(name, MEASURED, modality, time, float(value))
        for name in REGIONS
        for (modality, time), value in zip(
            (("planar", 3.74), ("SPECT", 27.7), ("planar", 103.1)),
            generator.standard_normal(3),
            strict=True,
        )
    )


def complete_result(**changes):
    return Result.model_validate(complete(**changes))


def complete_figures():
    plain = figures()
    return ReportFigures(
        curves=plain.curves,
        points=plain.points,
        dose_draws=(
            dose_draws("kidneys", 28.0, "bed", 0.05),
            dose_draws("red_marrow", 2.0, "absorbed_dose", 0.0115),
            dose_draws("liver", 40.0, "absorbed_dose", 0.0),
        ),
        residuals=residual_points(),
        parameters=parameters(),
    )
