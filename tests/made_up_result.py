"""A made-up result and its figures, for tests: no patient, no fit."""

import numpy as np

from pkmodels.clinic.report_figures import (
    CurveBand,
    DoseDraws,
    MeasuredPoint,
    ReportFigures,
)
from pkmodels.clinic.result_format import Result

SAFE_ACTIVITY = 5.3179
ORGANS = ("kidney_left", "kidney_right", "kidneys", "liver")


def summary(median, spread=0.1, **more):
    return {
        "median": median,
        "mean": median * 1.01,
        "sd": median * spread / 2.0,
        "interval_95": [median * (1.0 - spread), median * (1.0 + spread)],
        **more,
    }


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
