"""A cohort's prior that nobody learnt, for the tests of its file and its use."""

from clinic_patients import MEASUREMENTS, PATIENT, replaced, write_patient

from pkmodels.clinic import cohort_prior_file
from pkmodels.clinic.cohort_prior import subject_digest
from pkmodels.clinic.cohort_prior_file import CohortPriorFile, cohort_prior_text

ORGANS = ["kidney_left", "kidney_right", "liver"]
NAMED = replaced(
    PATIENT, "[decision]", '[cohort_prior]\nfile = "prior.toml"\n\n[decision]'
)


def table(median, log_sd, patients=12, unit="h"):
    return {
        "unit": unit,
        "median": median,
        "log_sd": log_sd,
        "patients": patients,
        "own_median": 60.0,
        "own_log_sd": 1.0,
        "population_median": [0.9 * median, median, 1.1 * median],
        "population_log_sd": [0.8 * log_sd, log_sd, 1.3 * log_sd],
        "tail_ratio": 1.02,
        "widened": 1.1,
        "shared_sd": 0.05,
    }


def content(**changed):
    """Return what a file of 12 patients given dotatate says."""
    others = [f"other {i}" for i in range(12)]
    values = {
        "format": cohort_prior_file.FORMAT,
        "cohort": 'the "department"',
        "pkmodels": "0.1.0",
        "seed": 0,
        "model": "organ_exchange",
        "ligand": "dotatate",
        "labels": ["Lu-177"],
        "ligand_mass_ug": [150.0, 250.0],
        "patients": 12,
        "left_out": 1,
        "organs": ORGANS,
        "hyperprior": "half-normal",
        "independent": "all",
        "subjects": sorted(map(subject_digest, others)),
        "measured": sorted(map(subject_digest, others)),
        "parameter": {
            "blood_half_time": table(1.7, 0.3),
            "fraction_kidney_left": table(0.03, 0.4, unit=""),
            "biological_half_life_kidney_left": table(45.0, 0.25),
            "biological_half_life_kidney_right": table(46.0, 0.25, patients=9),
        },
    }
    return CohortPriorFile.model_validate(values | changed)


def write_with_cohort(folder, patient=NAMED, measurements=MEASUREMENTS, **changed):
    """Write a patient with the cohort's prior beside it."""
    write_patient(folder, patient, measurements)
    text = cohort_prior_text(content(**changed), "prior.toml")
    (folder / "prior.toml").write_text(text, "utf-8")
    return folder
