"""The whole workflow on patients that are less usual than patient 4."""

import json

import numpy as np
import pytest
from clinic_patients import PATIENT, replaced, write_patient
from rich.console import Console

from pkmodels.clinic.command_line import main
from pkmodels.clinic.workflow import run
from pkmodels.errors import InputError

HEADER = "region,label,modality,start_h,end_h,value,unit,sd,decay_corrected_to_h\n"
SCANS = "".join(
    f"{region},,SPECT,{time},,{value},MBq,,\n"
    for region, values in (
        ("kidney_left", (95.0, 72.0, 26.0)),
        ("kidney_right", (88.0, 66.0, 23.0)),
    )
    for time, value in zip((4, 24, 96), values, strict=True)
)


@pytest.fixture(scope="module")
def infused(tmp_path_factory):
    """A bolus was measured; Lu-177 itself and Y-90 are planned as infusions."""
    plan = '[[plan]]\nligand = "dotatate"\nlabel = "Lu-177"\nduration_h = 24.0\n'
    text = replaced(PATIENT, "duration_h = 0.5", "duration_h = 24.0")
    text = replaced(text, "[limits.kidneys]", f"{plan}[limits.kidneys]")
    text = replaced(text, "confidence = 0.95", "confidence = 0.9")
    zero = "liver,,SPECT,24,,0,MBq,30,\n"
    folder = tmp_path_factory.mktemp("infused") / "p"
    write_patient(folder, text, HEADER + SCANS + zero)
    return run(folder, None, 1, Console(quiet=True)), folder / "out"


def test_planned_infusion_curve_integrates_to_its_tiac(infused):
    """A plan that takes time after a measured bolus: the curve, not only the TIAC."""
    output, out = infused
    rows = [r.split(",") for r in (out / "curves.csv").read_text().splitlines()]
    for label, name in (("Y-90", "Y-90"), ("Lu-177", "Lu-177 (planned)")):
        picked = [
            (float(r[2]), float(r[3])) for r in rows if r[:2] == ["kidneys", name]
        ]
        time, median = np.array(picked).T
        assert (np.diff(time) > 0.0).all()
        kidneys = output.result.organs["kidneys"][label]
        decay = np.log(2.0) / kidneys.effective_half_life_h.median
        total = np.trapezoid(median, time) + median[-1] / decay
        assert total / 1e3 == pytest.approx(kidneys.tiac_h.median, rel=0.01)
        assert time[np.argmax(median)] == pytest.approx(24.0, abs=2.0)


def test_both_plans_come_from_the_same_draws(infused):
    """At equal limits the activities are inverse to the doses per activity."""
    result = infused[0].result
    safe, dose = {}, {}
    for label in ("Lu-177", "Y-90"):
        safe[label] = result.safe_activity[label].activity_at_limit_GBq.median
        kidneys = result.organs["kidneys"][label]
        dose[label] = kidneys.absorbed_dose_per_activity_Gy_per_GBq.median
    ratio = dose["Y-90"] / dose["Lu-177"]
    assert safe["Lu-177"] / safe["Y-90"] == pytest.approx(ratio, rel=0.02)


def test_a_region_with_only_a_zero_is_fitted(infused):
    liver = infused[0].result.organs["liver"]["Lu-177"]
    assert liver.tiac_h.median > 0.0
    assert liver.absorbed_dose_per_activity_Gy_per_GBq is None
    assert liver.missing == "no mass of liver: give mass_g and mass_cv"


def test_command_gives_pure_json_and_what_does_not_count(tmp_path, capsys):
    left_out = 'confidence = 0.95\ncount_administrations = false\ncount_reason = "x"'
    text = replaced(PATIENT, "confidence = 0.95", left_out)
    text = replaced(text, "absorbed_dose_Gy = 23.0", "absorbed_dose_Gy = 1.0")
    folder = write_patient(tmp_path / "p ü", text, HEADER + SCANS)
    assert main(["safe-activity", str(folder), "--json", "--seed", "5"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["seed"] == 5
    received = result["dose_already_received_Gy"]["kidneys"]["median"]
    assert received > 1.0  # above the limit, but it was not to count
    assert result["safe_activity"]["Y-90"]["activity_GBq"] > 0.0


@pytest.mark.slow
def test_nothing_is_safe_above_the_limit(tmp_path, capsys):
    text = replaced(PATIENT, "absorbed_dose_Gy = 23.0", "absorbed_dose_Gy = 1.0")
    folder = write_patient(tmp_path / "p", text, HEADER + SCANS)
    assert main(["safe-activity", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "no activity is safe" in printed
    assert "before any activity is given" in printed
    assert "are kept with a probability" not in printed


def test_an_unusable_output_folder_is_found_before_the_fit(tmp_path):
    folder = write_patient(tmp_path / "p", PATIENT, HEADER + SCANS)
    taken = tmp_path / "file"
    taken.write_text("")
    with pytest.raises(InputError, match="name a folder that you may write to"):
        run(folder, taken, 0, Console(quiet=True))
