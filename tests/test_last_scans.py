"""The last scan of a region: one that shows activity, of the ligand that is planned."""

from pathlib import Path

import pytest
from clinic_patients import HEADER, MEASUREMENTS, PATIENT, replaced, write_patient
from test_joint_format import ROWS, joint_patient

from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.plans import last_scans_h


def with_below(*rows: str) -> str:
    """Return the usual rows with the column `below`, and more."""
    first, header, *lines = MEASUREMENTS.splitlines()
    assert header == HEADER
    usual = [f"{line}," for line in lines]
    return "\n".join([first, f"{HEADER},below", *usual, *rows, ""])


def test_a_limit_at_1000_h_is_no_last_scan(tmp_path: Path) -> None:
    """It shows no activity: the tail after 96 h stays to be judged."""
    rows = with_below("liver,Lu-177,SPECT,1000,,20,MBq,,,yes")
    patient = read_patient(write_patient(tmp_path / "p", PATIENT, rows))
    assert last_scans_h(patient, "dotatate")["liver"] == 96.0
    seen = rows.replace("20,MBq,,,yes", "20,MBq,,,")
    patient = read_patient(write_patient(tmp_path / "seen", PATIENT, seen))
    assert last_scans_h(patient, "dotatate")["liver"] == 1000.0


def test_a_region_of_which_only_limits_are_known_is_all_tail(tmp_path: Path) -> None:
    rows = with_below("liver,Lu-177,SPECT,48,,20,MBq,,,yes")
    kept = [
        line
        for line in rows.splitlines()
        if not line.startswith("liver") or line.endswith("yes")
    ]
    folder = write_patient(tmp_path / "p", PATIENT, "\n".join(kept))
    found = last_scans_h(read_patient(folder), "dotatate")
    assert found == {"kidney_left": 96.0, "kidney_right": 96.0, "liver": 0.0}


def test_only_scans_of_the_planned_ligand_count_and_no_samples(tmp_path: Path) -> None:
    """The PET at 1.25 h is of another ligand; times are since 48 h; blood is none."""
    patient = read_patient(write_patient(tmp_path / "p", joint_patient(), ROWS))
    assert last_scans_h(patient, "pentixather") == {
        "kidney_left": 24.0,
        "kidney_right": 48.0,
        "liver": 24.5,
    }
    assert last_scans_h(patient, "pentixafor")["kidney_left"] == 1.25


def test_a_late_scan_of_another_ligand_says_nothing_of_the_planned_one(
    tmp_path: Path,
) -> None:
    """A PET that is given last is seen 26 h after it: 177Lu was, 25 h after its own."""
    text = replaced(joint_patient(), "time_h = 48.0", "time_h = 46.0")
    rows = replaced(
        ROWS,
        "kidney_left,Ga-68,PET,1,1.25,9",
        "kidney_left,Ga-68,PET,30,30.25,9",
    )
    patient = read_patient(write_patient(tmp_path / "p", text, rows))
    assert last_scans_h(patient, "pentixather")["kidney_left"] == 26.0
    assert last_scans_h(patient, "pentixafor")["kidney_left"] == 30.25


def test_what_was_seen_with_another_ligand_only_has_that_scan(tmp_path: Path) -> None:
    spleen = (
        '[regions.spleen]\norgan = "spleen"\ndensity_g_per_mL = 1.06\n'
        "mass_g = 160.0\nmass_cv = 0.05\n\n[groups.kidneys]"
    )
    text = replaced(joint_patient(), "[groups.kidneys]", spleen)
    rows = f"{ROWS}spleen,Ga-68,PET,1,1.25,5,SUV,,0,,,,\n"
    patient = read_patient(write_patient(tmp_path / "p", text, rows))
    assert last_scans_h(patient, "pentixather")["spleen"] == pytest.approx(1.25)
