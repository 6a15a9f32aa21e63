"""Made-up records of a result, for tests: realistic, of no patient."""

from pkmodels.clinic.report_figures import PriorPosterior

PLANNED, MEASURED = "Y-90", "Lu-177"
SAFE_ACTIVITY = 5.3179


def summary(median, spread=0.1, **more):
    return {
        "median": median,
        "mean": median * 1.01,
        "sd": median * spread / 2.0,
        "interval_95": [median * (1.0 - spread), median * (1.0 + spread)],
        **more,
    }


def budget(quantity):
    """Return a budget that sums to 1, with a negative dependence."""
    return {
        "quantity": quantity,
        "log_sd": 0.149,
        "factors": {
            "kinetics (fit)": {"first_order": 0.402, "total": 0.431},
            "mass of the kidneys": {"first_order": 0.267, "total": 0.279},
            "calibration": {"first_order": 0.178, "total": 0.182},
            "S-value": {"first_order": 0.083, "total": 0.085},
            "alpha/beta": {"first_order": 0.071, "total": 0.094},
            "repair half-time": {"first_order": 0.012, "total": 0.02},
        },
        "interactions": 0.031,
        "dependence": -0.044,
        "noise": 0.014,
        "explained": "The kinetics explain 40 % of the variance; the mass of the "
        "kidneys, which enters through the S-value and the recovery, 27 %.",
    }


def propagation():
    return {
        "factors": {
            "counts": 0.021,
            "calibration": 0.063,
            "recovery": 0.041,
            "mass": 0.077,
            "fit": 0.095,
            "S-value": 0.034,
        },
        "total": 0.147,
        "posterior": 0.1497,
    }


def classical():
    return [
        {
            "method": "bi-exponential least squares",
            "tiac_h": 1.083,
            "ratio": 1.031,
            "relative_sd": 0.064,
            "tail": 0.11,
        },
        {
            "method": "trapezoid, physical decay after the last scan",
            "tiac_h": 1.211,
            "ratio": 1.153,
            "tail": 0.24,
            "note": "an upper bound of the tail",
        },
        {
            "method": "one scan (Haenscheid 2018) at 96 h",
            "tiac_h": 1.013,
            "ratio": 0.965,
            "relative_sd": 0.1,
        },
        {
            "method": "mono-exponential, last two scans",
            "tiac_h": None,
            "ratio": None,
            "missing": "the last two values rise",
        },
    ]


def comparison():
    return {
        PLANNED: {
            "planned": True,
            "activity_GBq": SAFE_ACTIVITY,
            "binding_limit": "kidneys",
            "tumour_dose_Gy": {"lesion_1": summary(61.3, 0.35)},
            "tumour_over_binding": {"lesion_1": summary(4.12, 0.4)},
        },
        MEASURED: {
            "planned": False,
            "activity_GBq": 21.4417,
            "binding_limit": "kidneys",
            "tumour_dose_Gy": {"lesion_1": summary(74.6, 0.3)},
            "tumour_over_binding": {"lesion_1": summary(4.71, 0.35)},
        },
    }


def residual(label, after, given, bound):
    return {
        "label": label,
        "after_h": after,
        "of_MBq": given,
        "bound_MBq": bound,
        "measured_MBq": {
            "kidneys": summary(0.02 * bound, 0.3),
            "red_marrow": summary(0.004 * bound, 0.5),
        },
        "marrow_mGy_per_h": summary(0.0117, 0.4),
    }


def s_values():
    return [
        {
            "target": "kidneys",
            "source": "kidneys",
            "label": MEASURED,
            "mass_g": 297.0,
            "S_Gy_per_MBq_h": 2.89e-4,
            "relative_sd": 0.02,
            "certainty": "published",
            "provenance": "OpenDose, ICRP 110 adult male, kidneys 310 g, mass-scaled",
        },
        {
            "target": "red_marrow",
            "source": "red_marrow",
            "label": PLANNED,
            "mass_g": None,
            "S_Gy_per_MBq_h": 1.73e-4,
            "relative_sd": 0.25,
            "certainty": "judgement",
            "provenance": "inferred from Haenscheid's 90Y/177Lu marrow ratio",
        },
    ]


def parameters():
    return (
        PriorPosterior(
            "kidney_left: uptake",
            "1",
            (0.0081, 0.022, 0.0597),
            (0.0181, 0.0212, 0.0249),
            0.97,
        ),
        PriorPosterior(
            "kidney_left: washout",
            "1/h",
            (0.0051, 0.0125, 0.0306),
            (0.0109, 0.0137, 0.0171),
            0.93,
        ),
        PriorPosterior(
            "blood: slow", "1/h", (0.004, 0.02, 0.1), (0.005, 0.02, 0.09), 0.06
        ),
    )
