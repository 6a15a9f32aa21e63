"""Scans of one region tell nothing of another's tail; organs err apart.

Draws are made up, as in `test_assessment`, so that tails have closed forms.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from clinic_patients import PATIENT, replaced, write_patient
from made_up_fit import made_up_fit, tail_after

from pkmodels.clinic.assessment import Assessment, assess
from pkmodels.clinic.classical import best_fit
from pkmodels.clinic.patient import Patient, StatedRadiobiology, TailRule
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.responses import draw_responses
from pkmodels.clinic.scan_series import label_to_use
from pkmodels.dosimetry.scans import Scans
from pkmodels.errors import InputError

Y90 = np.log(2.0) / 64.10
HEADER = "region,label,modality,start_h,end_h,value,unit,sd,decay_corrected_to_h"
KIDNEYS = ("kidney_left", "kidney_right")


def rows(last_kidney_h: float, last_liver_h: float) -> str:
    """Return scans at 4 h and at each region's last time."""
    found = [HEADER]
    for name, last in (*((k, last_kidney_h) for k in KIDNEYS), ("liver", last_liver_h)):
        found += [f"{name},Lu-177,SPECT,{t},,{60.0 - 0.2 * t},MBq,," for t in (4, last)]
    return "\n".join(found) + "\n"


def patient_of(folder: Path, last_kidney_h: float, last_liver_h: float) -> Patient:
    text = replaced(PATIENT, "duration_h = 0.5", "duration_h = 0.0")
    return read_patient(write_patient(folder, text, rows(last_kidney_h, last_liver_h)))


@pytest.mark.parametrize("last_liver_h", [24.0, 144.0])
def test_a_late_scan_of_the_liver_moves_no_kidney(
    tmp_path: Path, last_liver_h: float
) -> None:
    patient = patient_of(tmp_path / "p", 24.0, last_liver_h)
    fit = made_up_fit(patient)
    found = assess(patient, fit).exposures["Y-90"]
    for name in KIDNEYS:
        expected = tail_after(fit, name, Y90, 24.0)
        np.testing.assert_allclose(found[name].tail, expected, rtol=1e-9)
    expected = tail_after(fit, "liver", Y90, last_liver_h)
    np.testing.assert_allclose(found["liver"].tail, expected, rtol=1e-9)
    lowest = min(found[name].tail.min() for name in KIDNEYS)
    highest = max(found[name].tail.max() for name in KIDNEYS)
    assert lowest < np.median(found["kidneys"].tail) < highest


def test_a_late_scan_of_the_liver_lets_no_activity_through(tmp_path: Path) -> None:
    """The kidneys, last scanned at 24 h, have half of their integral after it."""
    early, late = (
        patient_of(tmp_path / str(last), 24.0, last) for last in (24.0, 144.0)
    )
    rule = TailRule(flag_above=0.2, refuse_above=0.4)
    for patient in (early, late):
        fit = made_up_fit(patient)
        choice = assess(replace(patient, tail=rule), fit).choices["Y-90"]
        assert choice.refused is not None
        assert choice.decision is None
        assert choice.refused.startswith("kidneys: ")


def sd_of_ratio(found: Assessment, one: str, other: str) -> float:
    exposures = found.exposures["Y-90"]
    doses = [exposures[name].dose_Gy_per_GBq for name in (one, other)]
    assert doses[0] is not None
    assert doses[1] is not None
    return float(np.log(doses[0] / doses[1]).std())


def test_what_the_model_leaves_out_moves_organs_apart(tmp_path: Path) -> None:
    """A 30 % error of each organ is 42 % of a ratio of two, and none of two kidneys."""
    text = PATIENT.replace(
        '[regions.liver]\norgan = "liver"',
        '[regions.liver]\norgan = "liver"\nmass_g = 1500.0\nmass_cv = 0',
    ).replace("mass_cv = 0.05", "mass_cv = 0")
    patient = read_patient(write_patient(tmp_path / "p", text, rows(96.0, 96.0)))
    fit = made_up_fit(patient, log_sd=1e-3)
    known = assess(patient, fit)
    unknown = assess(replace(patient, model_choice_cv=0.3), fit)
    log_sd = np.sqrt(np.log1p(0.3**2))
    apart = np.hypot(sd_of_ratio(known, "kidneys", "liver"), np.sqrt(2.0) * log_sd)
    assert sd_of_ratio(unknown, "kidneys", "liver") == pytest.approx(apart, rel=0.05)
    assert sd_of_ratio(unknown, *KIDNEYS) == pytest.approx(
        sd_of_ratio(known, *KIDNEYS), rel=1e-9
    )


def test_a_plan_that_starts_before_an_administration_is_refused(tmp_path: Path) -> None:
    later = """
[[administration]]
time_h = 300.0
duration_h = 0.5
ligand = "dotatate"
label = "Lu-177"
activity_MBq = 7400.0

[regions.kidney_left]"""
    text = replaced(PATIENT, "\n[regions.kidney_left]", later)
    text = text.replace('label = "Y-90"', 'label = "Y-90"\nstart_h = 100.0')
    with pytest.raises(
        InputError, match=r"start_h = 100: the last administration ends"
    ):
        read_patient(write_patient(tmp_path / "p", text, rows(96.0, 96.0)))


def test_least_squares_sees_an_uptake_that_the_scans_show() -> None:
    """Four scans of a bi-exponential with 3 % noise: no washout from time 0."""
    times = np.array([1.5, 22.0, 46.0, 94.0])
    curve = 5.0 * (np.exp(-0.018 * times) - np.exp(-0.5 * times))
    noisy = curve * np.exp(0.03 * np.array([0.4, -0.8, 0.9, -0.3]))
    scans = Scans("kidney", "Lu-177", tuple(times), tuple(noisy))
    found = best_fit(scans, sd=0.03)
    assert found.coefficients_MBq.min() < 0.0
    assert found.rates_per_h.min() == pytest.approx(0.018, rel=0.05)
    falling = Scans(
        "kidney", "Lu-177", tuple(times), tuple(5.0 * np.exp(-0.02 * times))
    )
    assert best_fit(falling, sd=0.03).coefficients_MBq.size == 1


def test_three_scans_show_an_uptake_too() -> None:
    """4, 24 and 96 h of a slow uptake: no washout from time 0 fits them."""
    times = np.array([4.0, 24.0, 96.0])
    curve = 5.0 * (np.exp(-0.015 * times) - np.exp(-0.2 * times))
    scans = Scans("kidney", "Lu-177", tuple(times), tuple(curve))
    found = best_fit(scans, sd=0.05)
    total = float(np.sum(found.coefficients_MBq / found.rates_per_h))
    assert total == pytest.approx(5.0 / 0.015 - 5.0 / 0.2, rel=1e-3)


def test_a_region_of_two_labels_is_compared_by_the_one_with_more_scans(
    tmp_path: Path,
) -> None:
    """Four SPECT scans of 177Lu give the curve of 90Y, whatever row comes first."""
    pet = "kidney_left,Ga-68,PET,1,,3,MBq,,\n"
    text = replaced(
        PATIENT,
        "[regions.kidney_left]",
        '[[administration]]\ntime_h = 0.0\nduration_h = 0.0\nligand = "dotatate"\n'
        'label = "Ga-68"\nactivity_MBq = 150.0\n\n[regions.kidney_left]',
    )
    table = rows(96.0, 96.0).replace("\n", "\n" + pet, 1)
    patient = read_patient(write_patient(tmp_path / "p", text, table))
    assert label_to_use(patient, "kidney_left", "Y-90") == "Lu-177"
    assert label_to_use(patient, "kidney_left", "Ga-68") == "Ga-68"
    assert label_to_use(patient, "liver", "Ga-68") == "Lu-177"


def test_the_response_of_the_liver_moves_no_draw_of_the_kidneys(tmp_path: Path) -> None:
    patient = patient_of(tmp_path / "p", 24.0, 96.0)
    liver = StatedRadiobiology("liver", 2.5, 0.3, 2.0, 0.3)
    alone = draw_responses(patient, KIDNEYS, 100, [0])
    both = draw_responses(
        replace(patient, radiobiology=(liver,)), ("liver", *KIDNEYS), 100, [0]
    )
    assert set(both) == {"liver", *KIDNEYS}
    for name in KIDNEYS:
        np.testing.assert_array_equal(
            alone[name].alpha_beta_Gy, both[name].alpha_beta_Gy
        )
