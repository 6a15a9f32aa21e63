"""Where a cohort speaks of a limited organ and no scan does, no activity is given."""

import io
from dataclasses import replace

import numpy as np
import pytest
from clinic_patients import replaced
from made_up_cohort_prior import NAMED, write_with_cohort
from made_up_fit import made_up_fit
from rich.console import Console

from pkmodels.clinic.assessment import assess
from pkmodels.clinic.cautions import warnings
from pkmodels.clinic.cohort_reliance import (
    reliance_refusal,
    unheard_limits,
    unheard_parameters,
)
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.patient_summary import summarize
from pkmodels.clinic.reporting import build_result
from pkmodels.clinic.result_table import print_result
from pkmodels.clinic.workflow import EXIT_DONE, EXIT_REFUSED, exit_code

LEFT, RIGHT = (f"biological_half_life_kidney_{side}" for side in ("left", "right"))
# The cohort's sd of ln: 0.25 of the kidneys' half-lives, 0.3 of blood, 0.4 of uptake.
# Draws as wide as 0.24 narrow them by 1 - (0.24/0.25)^2 = 0.08, 0.36 and 0.64.
UNTOLD, TOLD = 0.24, 0.1
REASON = "only one scan was possible; kidneys are sound"


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    return read_patient(write_with_cohort(tmp_path_factory.mktemp("cohort") / "P"))


@pytest.fixture(scope="module")
def untold(patient):
    return made_up_fit(patient, UNTOLD)


def answered(patient, fit):
    """Return the result, and the exit status that comes with it."""
    assessment = assess(patient, fit)
    result = build_result(patient, fit, assessment)
    return result, exit_code(result, assessment)


def test_no_activity_is_given_where_the_cohort_speaks_of_a_limited_organ(
    patient, untold
):
    of = unheard_limits(patient, untold)
    assert set(of) == {"kidneys"}
    assert set(of["kidneys"]) == {LEFT, RIGHT}
    assert of["kidneys"][LEFT] == pytest.approx(1 - (UNTOLD / 0.25) ** 2, abs=0.06)
    result, status = answered(patient, untold)
    assert status == EXIT_REFUSED
    for safe in result.safe_activity.values():
        assert safe.activity_GBq is None
        assert safe.missing is not None
        assert f"kidneys, by {LEFT} (contraction 0." in safe.missing
        assert "scan once more" in safe.missing
        assert "[cohort_prior] without_scans_reason" in safe.missing
    # Kinetics and doses stay, with their warning.
    kidneys = result.organs["kidneys"]["Y-90"]
    assert kidneys.tiac_h is not None
    assert kidneys.tiac_h.median > 0.0
    assert kidneys.absorbed_dose_per_activity_Gy_per_GBq is not None
    assert any(w.startswith(f"of {LEFT}, {RIGHT} the cohort") for w in result.warnings)
    assert result.without_scans == {}
    # What another scan would tell says why no activity stands beside it.
    [offer, *_] = result.another_scan["Y-90"]["kidneys"]
    assert offer.activity_missing is not None
    assert "the cohort speaks" in offer.activity_missing


def test_by_the_files_leave_an_activity_is_given_and_the_reason_told(patient, untold):
    allowed = replace(patient, without_scans_reason=REASON)
    result, status = answered(allowed, untold)
    assert status == EXIT_DONE
    given = [safe.activity_GBq for safe in result.safe_activity.values()]
    assert all(activity is not None and activity > 0.0 for activity in given)
    assert result.without_scans == {"kidneys": REASON}
    told = [w for w in result.warnings if REASON in w]
    assert any(
        w.startswith("the activity rests on the cohort for kidneys") for w in told
    )
    assert any("by the file's leave" in each for each in result.assumptions)
    stream = io.StringIO()
    print_result(result, Console(file=stream, width=80))
    said = " ".join(stream.getvalue().split())
    assert "ACCEPTED WITHOUT SCANS" in said
    assert f"kidneys: {REASON}" in said


def test_where_scans_speak_nothing_is_refused_and_leave_is_not_needed(patient):
    fit = made_up_fit(patient, TOLD)
    assert unheard_parameters(patient, fit) == {}
    result, status = answered(patient, fit)
    assert status == EXIT_DONE
    assert not any("the cohort speaks" in w for w in result.warnings)
    allowed, _ = answered(replace(patient, without_scans_reason=REASON), fit)
    assert allowed.without_scans == {}


def test_an_organ_without_a_limit_is_told_of_and_not_refused(patient):
    """Of blood the cohort's sd is 0.3, which draws as wide tell nothing of."""
    fit = made_up_fit(patient, TOLD)
    wide = dict(fit.draws.variables)
    places = list(fit.posterior.priors.independent)
    generator = np.random.default_rng(0)
    draws = wide["kinetics"].copy()
    blood = draws[..., places.index("blood_half_time")]
    blood[...] = 1.7 * np.exp(0.3 * generator.standard_normal(blood.shape))
    fit = replace(fit, draws=replace(fit.draws, variables=wide | {"kinetics": draws}))
    assert set(unheard_parameters(patient, fit)) == {"blood_half_time"}
    assert reliance_refusal(patient, fit) is None
    told = warnings(patient, fit, assess(patient, fit))
    assert any(w.startswith("of blood_half_time the cohort speaks") for w in told)


def test_without_a_cohort_nothing_is_of_it(patient, untold):
    plain = replace(patient, cohort_prior=None)
    assert unheard_parameters(plain, untold) == {}
    assert reliance_refusal(plain, untold) is None


def test_the_file_states_the_reason_and_the_summary_tells_it(tmp_path):
    text = replaced(
        NAMED,
        'file = "prior.toml"\n',
        f'file = "prior.toml"\nwithout_scans_reason = "{REASON}"\n',
    )
    patient = read_patient(write_with_cohort(tmp_path / "P", text))
    assert patient.without_scans_reason == REASON
    assert f"an activity is given all the same: {REASON}" in summarize(patient)
