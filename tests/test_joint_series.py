"""Classical methods meet joint data: what makes a region's curve, and what does not."""

from pathlib import Path

import pytest
from clinic_patients import replaced, write_patient
from test_joint_format import ROWS, joint_patient

from pkmodels.clinic.patient import Patient
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.scan_series import label_to_use, physical_MBq, series_of
from pkmodels.errors import InputError


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    more = [
        f"kidney_right,Ga-68,PET,{hour},,{value},SUV,,0,,,,"
        for hour, value in ((0.5, 2), (1, 4), (2, 5), (3, 5))
    ]
    more += ["liver,Lu-177,camera,96,96.5,9300,counts,,,,,600,300"]
    more += ["spleen,Ga-68,PET,1,,3,SUV,,0,,,,"]
    spleen = '[regions.spleen]\norgan = "spleen"\nvolume_mL = 150\n[groups.kidneys]'
    text = replaced(joint_patient(), "[groups.kidneys]", spleen)
    text = replaced(
        text,
        "[regions.kidney_right]",
        "[regions.kidney_right]\ndensity_g_per_mL = 1.05",
    )
    rows = ROWS + "\n".join(more)
    return read_patient(write_patient(tmp_path / "p", text, rows))


def test_a_planned_label_never_takes_the_pet_of_another_ligand(
    patient: Patient,
) -> None:
    # Four PET frames, two scans of 177Lu on the planned ligand.
    assert label_to_use(patient, "kidney_right", "Y-90") == "Lu-177"
    assert label_to_use(patient, "kidney_right", "Ga-68") == "Ga-68"
    assert series_of(patient, "kidney_right", "Lu-177").scans.times_h == (24.0, 48.0)
    assert label_to_use(patient, "spleen", "Y-90") == "Y-90"
    with pytest.raises(InputError, match="no label on the ligand of Y-90"):
        series_of(patient, "spleen", "Y-90")


def test_counts_become_activities_without_their_background(patient: Patient) -> None:
    # (12000 - 300) / (10 per s and MBq x 600 s), and (9300 - 300) / 6000.
    found = series_of(patient, "liver", "Lu-177").scans
    assert found.activities_MBq == pytest.approx((1.95, 1.5))


def test_what_is_no_scan_of_a_region_makes_no_series(patient: Patient) -> None:
    for region in ("blood", "urine"):
        with pytest.raises(InputError, match="no scan of Lu-177"):
            series_of(patient, region, "Lu-177")
    with pytest.raises(InputError, match="no scan of Ga-68 in kidney_left"):
        series_of(patient, "kidney_left", "Ga-68")  # SUVmax


def test_blood_and_urine_are_read_in_their_own_units(patient: Patient) -> None:
    blood = next(m for m in patient.measurements if m.region == "blood")
    assert physical_MBq(patient, blood) == 4.1  # MBq/L
    urine = next(m for m in patient.measurements if m.region == "urine")
    assert physical_MBq(patient, urine) == 60.0
