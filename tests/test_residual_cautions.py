"""Cautions about values far from the curve; and what their shared factors assume."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from clinic_patients import HEADER, MEASUREMENTS, PATIENT, replaced, write_patient
from made_up_fit import made_up_fit

from pkmodels.clinic import cautions
from pkmodels.clinic.assumptions import assumptions
from pkmodels.clinic.patient import Patient
from pkmodels.clinic.patient_files import read_patient
from pkmodels.fitting.posterior import EXPECTED

COLUMNS = f"{HEADER},below,live_time_s,background_counts"
# A limit far above the curve, an outlier, and counts.
LIMIT, OUTLIER = "liver,Lu-177,SPECT,200", "liver,Lu-177,SPECT,150"
ROWS = "\n".join(
    [
        COLUMNS,
        *(f"{line},,," for line in MEASUREMENTS.splitlines()[2:]),
        f"{LIMIT},,80,MBq,,,yes,,",
        f"{OUTLIER},,80,MBq,,,,,",
        "liver,Lu-177,camera,96,96.5,12000,counts,,,,600,300",
        "",
    ]
)
COUNTING = """\
confidence = 0.95

[counting.camera]
counts_per_s_per_MBq = 10.0
background_log_sd = 0.02
overdispersed = false
"""


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    text = replaced(PATIENT, "confidence = 0.95\n", COUNTING)
    return read_patient(write_patient(tmp_path / "p", text, ROWS))


def test_neither_a_limit_nor_counts_are_far_from_the_curve(patient: Patient) -> None:
    """The curve is at 4 MBq where 80 were the limit, and where 80 were measured."""
    fit = made_up_fit(patient)
    expected = np.array(fit.draws.variables[EXPECTED])
    low = [i for i, m in enumerate(patient.measurements) if m.value in (80.0, 12000.0)]
    assert len(low) == 3
    expected[..., low] *= 0.05
    variables = {**fit.draws.variables, EXPECTED: expected}
    fit = replace(fit, draws=replace(fit.draws, variables=variables))
    [told] = cautions._residual_warnings(fit)
    assert "liver at 150 h is 20 times the fitted curve" in told


def test_what_one_factor_is_shared_by_is_told(patient: Patient) -> None:
    fit = made_up_fit(patient)
    told = assumptions(patient, fit, None)
    assert (
        "calibration of SPECT: known to 5 %, one factor shared by all its scans and "
        "regions, of every occasion and label"
    ) in told
    [stated] = patient.calibrations
    by_region = replace(patient, calibrations=(replace(stated, scope="region"),))
    assert any(
        "one factor shared by all scans of a region, of every occasion and label" in x
        for x in assumptions(by_region, fit, None)
    )
