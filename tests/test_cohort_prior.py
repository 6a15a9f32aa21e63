"""A cohort as the prior of the next patient: its file, and what the clinic does."""

from dataclasses import replace

import pytest
from clinic_patients import MEASUREMENTS, PATIENT, replaced, write_patient

from pkmodels.clinic import cohort_prior_file
from pkmodels.clinic.cohort_prior import (
    cohort_parameters,
    compared_organs,
    measured_digest,
    parameter_keys,
    region_keys,
    subject_digest,
)
from pkmodels.clinic.cohort_prior_file import (
    CohortPriorFile,
    cohort_prior_text,
    parse_cohort_prior,
)
from pkmodels.clinic.command_line import main
from pkmodels.clinic.occasions import build_experiments
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.patient_summary import summarize
from pkmodels.errors import InputError
from pkmodels.fitting.cohort_posterior import LEAST_PATIENTS

NAMED = replaced(
    PATIENT, "[decision]", '[cohort_prior]\nfile = "prior.toml"\n\n[decision]'
)
ORGANS = ["kidney_left", "kidney_right", "liver"]


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


def write(folder, patient=NAMED, measurements=MEASUREMENTS, **changed):
    """Write a patient with the cohort's prior beside it."""
    write_patient(folder, patient, measurements)
    text = cohort_prior_text(content(**changed), "prior.toml")
    (folder / "prior.toml").write_text(text, "utf-8")
    return folder


def test_the_file_gives_back_what_was_written():
    text = cohort_prior_text(content(), "prior.toml")
    read = parse_cohort_prior(text, "prior.toml")
    assert read.cohort == 'the "department"'
    assert read.ligand_mass_ug == (150.0, 250.0)
    given = read.priors["biological_half_life_kidney_right"]
    assert dict(given.parameters) == {"median": 46.0, "log_sd": 0.25}
    assert "cohort 'the \"department\"', 9 patients" in given.source
    assert text.startswith("# What 12 patients of one department tell")
    assert cohort_prior_file.LEAST_PATIENTS == LEAST_PATIENTS


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("log_sd = 0.3", "log_sd = -0.3", ["blood_half_time] log_sd", "above 0"]),
        ("median = 1.7", 'median = "x"', ["blood_half_time] median: found 'x'"]),
        ("patients = 12", "patients = 5", ["patients: found 5", "8 or more"]),
        ("seed = 0", "sed = 0", ["sed: unknown key; did you mean 'seed'"]),
        ("model = ", 'model = "pentixather" #', ["only 'organ_exchange' has cohorts"]),
        ("log_sd = 0.3", "", ["[parameter.blood_half_time] log_sd is missing"]),
        ("prior/1", "prior/2", ["found 'pkmodels-cohort-prior/2'"]),
        ("seed = 0", "seed = ", ["not valid TOML"]),
        ("patients = 12\nleft", "patients = 13\nleft", ["12 digests of 13 patients"]),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_key(tmp_path, old, new, told):
    folder = write(tmp_path / "P")
    text = (folder / "prior.toml").read_text("utf-8")
    (folder / "prior.toml").write_text(replaced(text, old, new), "utf-8")
    with pytest.raises(InputError) as refused:
        read_patient(folder)
    for words in ["prior.toml: ", *told]:
        assert words in str(refused.value)


def test_a_patient_takes_the_cohorts_priors_and_its_own_for_the_rest(tmp_path):
    patient = read_patient(write(tmp_path / "P"))
    _, shares = build_experiments(patient)
    priors = shares.priors
    assert priors.independent["blood_half_time"].parameters["median"] == 1.7
    assert priors.odds["fraction_kidney_left"].parameters["log_sd"] == 0.4
    # The library's, since the cohort does not tell of it.
    assert priors.odds["fraction_kidney_right"].parameters["median"] == 0.012
    assert priors.independent["biological_half_life_liver"].parameters["log_sd"] == 1.0
    [told] = [w for w in patient.warnings if "model's own prior" in w]
    assert "fraction_kidney_right" in told
    assert "biological_half_life_liver" in told
    said = summarize(patient)
    assert "Priors of the kinetics:" in said
    assert "blood_half_time: log-normal, median 1.7 h, sd of ln 0.3 (derived:" in said


def test_fractions_of_other_organs_are_not_used(tmp_path):
    """Of the ratio to what is eliminated, which then holds another organ's."""
    patient = read_patient(write(tmp_path / "P", organs=[*ORGANS, "spleen"]))
    assert set(cohort_parameters(patient)) == {
        "blood_half_time",
        "biological_half_life_kidney_left",
        "biological_half_life_kidney_right",
    }
    assert any("uptake fractions are not used" in w for w in patient.warnings)


def test_regions_go_by_organ_and_side_and_tumours_by_nothing(tmp_path):
    text = replaced(NAMED, "[regions.liver]", "[regions.big_liver]")
    text = text.replace("kidney_left", "a").replace("kidney_right", "b")
    for name, side in (("a", "left"), ("b", "right")):
        text = replaced(text, f"[regions.{name}]", f'[regions.{name}]\nside = "{side}"')
    text += '[regions.lesion]\norgan = "tumour"\n'
    rows = MEASUREMENTS.replace("liver", "big_liver")
    rows = rows.replace("kidney_left", "a").replace("kidney_right", "b")
    rows += "lesion,Lu-177,SPECT,24,,7,MBq,,\nlesion,Lu-177,SPECT,96,,3,MBq,,\n"
    patient = read_patient(write(tmp_path / "P", text, rows))
    assert region_keys(patient) == {
        "a": "kidney_left",
        "b": "kidney_right",
        "big_liver": "liver",
        "lesion": None,
    }
    assert compared_organs(patient) == tuple(ORGANS)
    assert parameter_keys(patient)["fraction_a"] == "fraction_kidney_left"
    assert "fraction_a" in cohort_parameters(patient)
    assert "fraction_lesion" not in cohort_parameters(patient)


def test_who_is_in_the_cohort_is_not_fitted_with_it(tmp_path):
    ids = [subject_digest(name) for name in ["TEST ", *map(str, range(11))]]
    with pytest.raises(InputError, match="would count twice"):
        read_patient(write(tmp_path / "id", subjects=sorted(ids)))
    plain = read_patient(write_patient(tmp_path / "plain"))
    marks = [measured_digest(plain), *ids[1:]]
    # Under another id, with rows in another order and a comment.
    head, *rows = MEASUREMENTS.splitlines()[1:]
    other = "\n".join(["# again", head, *rows[::-1]]) + "\n"
    named = replaced(NAMED, 'id = "test"', 'id = "new"')
    with pytest.raises(InputError, match="these very measurements"):
        read_patient(write(tmp_path / "m", named, other, measured=sorted(marks)))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('ligand = "dotatate"', 'ligand = "pentixather"', "is of the ligand dotatate"),
        (
            "confidence",
            'model = "pentixather"\nconfidence',
            "is of the model organ_exch",
        ),
    ],
)
def test_another_ligand_or_model_is_refused(tmp_path, capsys, old, new, told):
    text = NAMED.replace(old, new)
    text = text.replace("duration_h = 0.5", "duration_h = 0.5\nligand_mass_ug = 200")
    folder = write(tmp_path / "P", text)
    assert main(["check", str(folder)]) == 2
    assert told in capsys.readouterr().err


def test_a_model_compared_with_is_refused_too(tmp_path):
    """`pkmodels compare` exchanges the model after the files were read."""
    patient = read_patient(write(tmp_path / "P"))
    with pytest.raises(InputError, match="is of the model organ_exchange"):
        build_experiments(replace(patient, model="pentixather"))


def test_another_ligand_mass_is_told(tmp_path):
    patient = read_patient(write(tmp_path / "P", ligand_mass_ug=[10.0, 50.0]))
    assert any(
        "200 ug of ligand, and the cohort with 10 to" in w for w in patient.warnings
    )
    unknown = read_patient(write(tmp_path / "Q", ligand_mass_ug=None))
    assert any("mass of the cohort" in w for w in unknown.warnings)


def test_a_missing_file_is_told(tmp_path):
    folder = write_patient(tmp_path / "P", NAMED)
    with pytest.raises(InputError, match=r"\[cohort_prior\] file: 'prior.toml' is no"):
        read_patient(folder)
