"""Rows of a patient's own S-table: used, named as left out, or refused as a mistake."""

from pathlib import Path

import pytest
from clinic_patients import PATIENT, replaced, write_patient

from pkmodels.clinic.answerable import check_answerable
from pkmodels.clinic.dose_weights import irradiation_of, self_value
from pkmodels.clinic.own_s_values import unused_rows
from pkmodels.clinic.patient import Patient
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.patient_summary import summarize
from pkmodels.dosimetry.s_table_files import COLUMNS
from pkmodels.errors import InputError
from pkmodels.models.values import EXCHANGING_ORGANS

LIVER = "liver,liver,Lu-177,female,1400,1.8e-5,0.05,stated,mine"
KIDNEY = "kidney,kidney,Lu-177,any,155,1.5e-4,0.02,stated,mine"
SPLEEN_TO_LEFT = "left_kidney,liver,Lu-177,any,,2e-7,0.3,stated,mine"
MASS = ('organ = "liver"', 'organ = "liver"\nmass_g = 1600\nmass_cv = 0.05')
SIDES = (
    ("mass_g = 160.0", 'side = "left"\nmass_g = 160.0'),
    ("mass_g = 150.0", 'side = "right"\nmass_g = 150.0'),
)


def patient_of(
    folder: Path, *rows: str, exchanges: tuple[tuple[str, str], ...] = ()
) -> Patient:
    """Write the usual patient, a woman, with a table of her own, and read it."""
    text = replaced(PATIENT, "[decision]", '[s_values]\ntable = "own.csv"\n[decision]')
    for old, new in (MASS, *exchanges):
        text = replaced(text, old, new)
    write_patient(folder, text)
    table = "\n".join([",".join(COLUMNS), *rows, ""])
    (folder / "own.csv").write_text(table, "utf-8")
    return read_patient(folder)


def refusal_of(patient: Patient) -> str:
    with pytest.raises(InputError) as error:
        check_answerable(patient)
    return str(error.value)


def test_rows_that_serve_are_used_and_nothing_is_said(tmp_path: Path) -> None:
    cross = "kidneys,liver,Lu-177,any,,2e-7,0.3,stated,mine"
    patient = patient_of(tmp_path, LIVER, KIDNEY, cross)
    check_answerable(patient)
    assert unused_rows(patient) == ()
    assert patient.warnings == ()
    assert "own table own.csv: 3 of 3 rows used" in summarize(patient)


def test_a_kidneys_row_of_lu177_serves_y90_too(tmp_path: Path) -> None:
    """The kidneys' S of Y-90 is 5.9 times that of Lu-177, which is the row's."""
    patient = patient_of(tmp_path, KIDNEY)
    value = self_value(patient, patient.regions[0], "Y-90")
    assert value is not None
    assert "own.csv, line 2: mine" in value.source
    assert unused_rows(patient) == ()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "kidney_left",
            "'kidney_left' is the name of a region, and rows go by organ: ",
        ),
        ("heart_wall", "'heart_wall' is no organ that this version can measure"),
        ("parotid", "'parotid' is no organ that this version can measure"),
        ("remainder", "'remainder' is no organ that this version can measure"),
    ],
)
def test_a_name_that_serves_no_region_is_refused(
    name: str, words: str, tmp_path: Path
) -> None:
    said = refusal_of(patient_of(tmp_path, LIVER, LIVER.replace("liver", name)))
    assert f"own table own.csv, line 3: {words}" in said
    assert len(said.splitlines()) == 1


def test_a_region_with_a_side_is_told_its_name_in_the_table(tmp_path: Path) -> None:
    row = KIDNEY.replace("kidney", "kidney_left")
    said = refusal_of(patient_of(tmp_path, row, exchanges=SIDES))
    assert "rows go by organ: write left_kidney" in said


def test_a_row_of_the_other_sex_is_refused(tmp_path: Path) -> None:
    man = LIVER.replace("female", "male")
    said = refusal_of(patient_of(tmp_path / "p", man))
    assert "line 2: sex is 'male', but [patient] sex is 'female'" in said
    unstated = (('sex = "female"\n', ""),)
    said = refusal_of(patient_of(tmp_path / "q", LIVER, exchanges=unstated))
    assert (
        "line 2: sex is 'female', but [patient] sex is not stated, so that 'male' is "
        "taken: the row serves no region"
    ) in said


def test_a_table_for_both_sexes_is_used_and_the_other_rows_named(
    tmp_path: Path,
) -> None:
    others = (
        LIVER.replace("female", "male"),
        LIVER.replace("Lu-177", "Ga-68").replace("1.8e-5", "5e-5"),
        LIVER.replace("liver", "spleen").replace("1400,1.8e-5", "130,1.8e-4"),
    )
    patient = patient_of(tmp_path, LIVER, *others)
    check_answerable(patient)
    [said] = patient.warnings
    assert said == (
        "rows of the own table own.csv that serve no dose here: line 3 (another row "
        "serves its organs); line 4 (of Ga-68); line 5 (no region of spleen is "
        "measured)"
    )
    assert "own table own.csv: 1 of 4 rows used" in summarize(patient)


def test_a_cross_row_of_the_other_kind_of_kidney_is_refused(tmp_path: Path) -> None:
    """With sides left_kidney and right_kidney are looked up, without them kidneys."""
    both = SPLEEN_TO_LEFT.replace("left_kidney", "kidneys")
    said = refusal_of(patient_of(tmp_path / "p", both, exchanges=SIDES))
    assert (
        "line 2: kidneys from liver serves none of kidney_left (left, organ 'kidney')"
    ) in said
    said = refusal_of(patient_of(tmp_path / "q", SPLEEN_TO_LEFT))
    assert "left_kidney from liver serves none of kidney_left (no side" in said
    check_answerable(patient_of(tmp_path / "r", SPLEEN_TO_LEFT, exchanges=SIDES))
    check_answerable(patient_of(tmp_path / "s", both))


def test_a_cross_row_to_a_region_without_mass_is_named(tmp_path: Path) -> None:
    row = "liver,kidneys,Lu-177,any,,1e-7,0.3,stated,mine"
    bare = ((MASS[1], MASS[0]),)
    patient = patient_of(tmp_path, row, exchanges=bare)
    check_answerable(patient)
    assert any("line 2 (no dose of liver is known)" in w for w in patient.warnings)


SELF = "1e-5,0.05,stated,mine"


@pytest.mark.parametrize("organ", [o for o in EXCHANGING_ORGANS if "kidney" not in o])
def test_every_organ_that_can_be_fitted_takes_a_row_by_its_own_name(
    organ: str, tmp_path: Path
) -> None:
    row = f"{organ},{organ},Lu-177,any,1600,{SELF}"
    exchange = (('organ = "liver"', f'organ = "{organ}"'),)
    patient = patient_of(tmp_path, row, exchanges=exchange)
    measured = tuple(region.name for region in patient.regions)
    [pair] = [
        pair
        for pair in irradiation_of(patient, measured, "Lu-177").pairs
        if pair.target == pair.source == "liver"
    ]
    # 1e-5 mGy/(MBq s) at the row's mass; 1 mGy/(MBq s) is 3.6 Gy/(MBq h).
    assert pair.value.at_mass(1600.0) == pytest.approx(3.6e-5)
    assert unused_rows(patient) == ()
