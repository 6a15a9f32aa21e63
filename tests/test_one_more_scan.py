"""The value of one more scan in result and report: closed forms, and refits."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from clinic_patients import PATIENT, replaced, write_patient
from made_up_fit import activity_after, made_up_fit
from made_up_result import passed
from pydantic import ValidationError
from scipy.stats import norm

from pkmodels.clinic.assessment import Assessment, assess
from pkmodels.clinic.patient import Patient
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.question import build_posterior
from pkmodels.clinic.report_scans import scan_plots, scans
from pkmodels.clinic.reporting import build_result
from pkmodels.clinic.result_dosimetry import AnotherScan
from pkmodels.clinic.result_format import Result
from pkmodels.clinic.scan_text import best_scan
from pkmodels.clinic.scan_values import value_one_more
from pkmodels.clinic.simulated_patients import quantities
from pkmodels.design.another_scan import foresee_scan
from pkmodels.design.expected_quantiles import expected_quantile
from pkmodels.errors import InputError
from pkmodels.fitting.fit import Fit, compile_fit, fit

# 177Lu, ICRP 107: 6.647 d.
DECAY_PER_H = np.log(2.0) / (6.647 * 24.0)
REGIONS = ("kidney_left", "kidney_right", "liver")


@pytest.fixture(scope="module")
def assessed(tmp_path_factory) -> tuple[Patient, Fit, Assessment]:
    patient = read_patient(write_patient(tmp_path_factory.mktemp("patient")))
    made = made_up_fit(patient)
    return patient, made, assess(patient, made)


def test_the_quantile_after_one_more_scan_is_that_of_normal_variables():
    """Two regions of one calibration; ln q goes with both: all is jointly normal."""
    generator = np.random.default_rng(2)
    slopes, calibration = np.array([0.2, 0.3]), 0.1
    noise = np.array([0.1, 0.15]) ** 2
    x, c, other = generator.standard_normal((3, 8000))
    log_values = x[:, None] * slopes + calibration * c[:, None]
    log_q = 0.3 * x - calibration * c + 0.05 * other
    covariance = np.outer(slopes, slopes) + calibration**2 + np.diag(noise)
    with_q = 0.3 * slopes - calibration**2
    now = 0.3**2 + calibration**2 + 0.05**2
    then = now - with_q @ np.linalg.solve(covariance, with_q)
    z = norm.ppf(0.05)
    # The median moves by now - then, so that its exponential grows on average.
    truth = np.exp((now - then) / 2.0 + z * np.sqrt(then))
    found = expected_quantile(
        log_values,
        np.broadcast_to(noise, log_values.shape),
        np.exp(log_q),
        0.05,
        truths=800,
        seed=0,
    )
    assert found.now == pytest.approx(np.exp(z * np.sqrt(now)), rel=0.02)
    assert abs(found.then - truth) < 3.0 * found.standard_error + 0.01 * truth
    # The gain itself is far larger than what the test allows for.
    assert truth / np.exp(z * np.sqrt(now)) > 1.1
    assert found.effective_draws > 1000


def test_a_scan_that_tells_nothing_changes_no_quantile():
    generator = np.random.default_rng(3)
    q = np.exp(0.2 * generator.standard_normal(4000))
    shown = generator.standard_normal((4000, 1))
    found = expected_quantile(shown, np.ones((4000, 1)), q, 0.05, truths=200, seed=0)
    assert found.then == pytest.approx(found.now, rel=5e-3)
    constant = expected_quantile(
        np.zeros((4000, 1)), np.ones((4000, 1)), q, 0.05, truths=2, seed=0
    )
    assert constant.then == constant.now


def test_quantiles_that_cannot_be_foreseen_are_refused():
    generator = np.random.default_rng(3)
    x = generator.standard_normal(400)
    wide = np.ones((400, 1))
    with pytest.raises(InputError, match="tells so much"):
        expected_quantile(x[:, None], 1e-6 * wide, np.exp(x), 0.05, truths=9, seed=0)
    with pytest.raises(InputError, match="0 in some draws"):
        expected_quantile(x[:, None], wide, np.maximum(x, 0.0), 0.05, truths=9, seed=0)
    with pytest.raises(InputError, match="0 < probability"):
        expected_quantile(x[:, None], wide, np.exp(x), 1.0, truths=9, seed=0)
    with pytest.raises(InputError, match="one of each draw"):
        expected_quantile(x[:, None], wide[:9], np.exp(x), 0.5, truths=9, seed=0)


def test_the_width_is_that_of_the_joint_covariance_of_closed_form_curves(assessed):
    """Truth: the Schur complement in ln dose of curves that are typed anew."""
    patient, made, assessment = assessed
    [found] = value_one_more(patient, made, assessment)["Y-90"]["kidneys"]
    dose = assessment.choices["Y-90"].exposures["kidneys"].dose_Gy_per_GBq
    assert dose is not None
    calibration = np.log(made.draws.variables["calibration"].reshape(-1))
    for time in (100.0, 168.0):
        shown = [
            np.log(activity_after(made, name, DECAY_PER_H, time)) + calibration
            for name in REGIONS
        ]
        joint = np.cov(np.stack([np.log(dose), *shown]))
        # The made-up scatter, and the least one that is assumed.
        joint[1:, 1:] += (0.05**2 + 0.01**2) * np.eye(3)
        left = 1.0 / np.linalg.inv(joint)[0, 0]
        told = found.width_ratio[found.times_h.index(time)]
        assert told == pytest.approx(np.sqrt(left / joint[0, 0]), rel=1e-6)
    assert set(found.regions) == set(REGIONS)


def test_a_scan_is_offered_after_the_last_one_and_before_the_therapy(assessed):
    patient, made, assessment = assessed
    [found] = value_one_more(patient, made, assessment)["Y-90"]["kidneys"]
    assert found.best_h is not None
    assert found.narrowing is not None
    assert 96.0 < found.best_h <= 168.0
    best = found.width_ratio[found.times_h.index(found.best_h)]
    assert found.narrowing == pytest.approx(1.0 / best)
    assert min(found.times_h) < 4.0  # those that passed, too: for the next patient
    choice = assessment.choices["Y-90"]
    for start, possible in ((120.0, True), (97.0, False)):
        plan = replace(choice.plan, start_h=start)
        early = replace(assessment, choices={"Y-90": replace(choice, plan=plan)})
        [other] = value_one_more(patient, made, early)["Y-90"]["kidneys"]
        assert (other.missing is None) is possible
        assert other.latest_h == start
        if possible:
            assert other.best_h is not None
            assert other.best_h <= start
        else:
            assert "and the therapy at 97 h" in (other.missing or "")


def test_the_activity_expected_is_missing_where_none_is_given(assessed):
    patient, made, assessment = assessed
    choice = replace(
        assessment.choices["Y-90"], decision=None, burdens={}, refused="scan later"
    )
    refusing = replace(assessment, choices={"Y-90": choice})
    [found] = value_one_more(patient, made, refusing)["Y-90"]["kidneys"]
    assert found.narrowing is not None
    assert found.expected_safe_activity_GBq is None
    assert found.activity_missing == "scan later"


def test_result_report_and_terminal_say_the_same(assessed):
    patient, made, assessment = assessed
    result = build_result(patient, made, assessment)
    again = Result.model_validate_json(result.model_dump_json())
    [found] = again.another_scan["Y-90"]["kidneys"]
    table = scans(result)
    assert table is not None
    [row] = table.rows
    assert f"{found.narrowing:.2f}" in row
    [line] = best_scan(result)
    assert f"{found.narrowing:.2f} times narrower" in line
    [gallery] = scan_plots(result)
    assert len(gallery.panels) == 1
    assert found.expected_safe_activity_GBq is not None
    assert found.safe_activity_GBq is not None
    assert found.expected_safe_activity_GBq > found.safe_activity_GBq


def test_what_is_not_computed_is_said_with_its_reason(assessed):
    patient, made, assessment = assessed
    choice = assessment.choices["Y-90"]
    plan = replace(choice.plan, start_h=97.0)
    early = replace(assessment, choices={"Y-90": replace(choice, plan=plan)})
    result = build_result(patient, made, early)
    table = scans(result)
    assert table is not None
    assert "not computed" in table.rows[0]
    assert any("no scan is possible" in note for note in table.notes)
    [line] = best_scan(result)
    assert "no scan is possible between the last one, 96 h" in line


def test_nothing_is_said_of_a_fit_that_failed_nor_without_a_reason(assessed):
    patient, made, assessment = assessed
    told = value_one_more(patient, made, assessment)
    reasons = ["R-hat of washout is 1.31"]
    checks = passed()["checks"] | {"passed": False, "reasons": reasons}
    with pytest.raises(ValidationError, match="another_scan is filled"):
        Result.model_validate(
            passed(
                checks=checks,
                organs={},
                safe_activity={},
                dose_already_received_Gy={},
                prior_contraction={},
                another_scan=told,
            )
        )
    [one] = told["Y-90"]["kidneys"]
    fields = one.model_dump() | {"narrowing": None}
    with pytest.raises(ValidationError, match="`missing` must say why"):
        AnotherScan.model_validate(fields)


def test_a_short_lived_label_is_not_scanned_for_a_week(tmp_path: Path):
    """68Ga halves in 68 min: nothing is left to count of it after five hours."""
    toml = replaced(PATIENT, 'label = "Lu-177"', 'label = "Ga-68"')
    toml = replaced(toml, "activity_MBq = 7400.0", "activity_MBq = 150.0")
    rows = "region,label,modality,start_h,end_h,value,unit,sd,decay_corrected_to_h\n"
    rows += "".join(
        f"{name},Ga-68,SPECT,{t},,{value},MBq,,\n"
        for t in (1, 2)
        for name, value in (("kidney_left", 5), ("kidney_right", 4), ("liver", 9))
    )
    patient = read_patient(write_patient(tmp_path, toml, rows))
    made = made_up_fit(patient)
    [found] = value_one_more(patient, made, assess(patient, made))["Y-90"]["kidneys"]
    assert found.latest_h == pytest.approx(4.0 * 67.71 / 60.0, rel=1e-3)
    assert max(found.times_h) <= found.latest_h


LIVER_TOO = """
[limits.liver]
absorbed_dose_Gy = 30.0

[limits.red_marrow]"""
# Truths of the two patients: share of the dose and biological half-life (h) of each.
TRUTHS = (
    {"kidney_left": (0.02, 60.0), "kidney_right": (0.018, 55.0), "liver": (0.08, 90.0)},
    {"kidney_left": (0.03, 40.0), "kidney_right": (0.03, 45.0), "liver": (0.05, 140.0)},
)
SCATTER, BLOOD_H, SCANNED_H, LATER_H = 0.05, 1.0, (4.0, 24.0, 40.0), 120.0


def scanned(truth: dict, time_h: float, generator: np.random.Generator) -> list[float]:
    """Return what a scan shows of a truth, typed anew: a bolus and its scatter."""
    fast = np.log(2.0) / BLOOD_H
    values = []
    for share, half_life in truth.values():
        slow = np.log(2.0) / half_life
        shape = (np.exp(-slow * time_h) - np.exp(-fast * time_h)) / (fast - slow)
        values.append(7400.0 * share * fast * shape * np.exp(-DECAY_PER_H * time_h))
    scatter = SCATTER * generator.standard_normal(len(values))
    return list(np.array(values) * np.exp(scatter))


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1])
def test_refits_with_the_scan_are_as_narrow_as_was_foretold(
    number: int, tmp_path: Path
):
    """The scan is made of draws of the first fit, and the patient is fitted again.

    The mean variance of the refits is what was foretold, but for how it scatters from
    scan to scan: 5 scans know the ratio of widths to about 5 %.
    """
    generator = np.random.default_rng(20 + number)
    truth = TRUTHS[number]
    rows = ["region,label,modality,start_h,end_h,value,unit,sd,decay_corrected_to_h"]
    rows += [
        f"{name},Lu-177,SPECT,{time:g},,{value:.5g},MBq,,"
        for time in SCANNED_H
        for name, value in zip(truth, scanned(truth, time, generator), strict=True)
    ]
    toml = replaced(PATIENT, "\n[limits.red_marrow]", LIVER_TOO)
    toml = replaced(
        toml, 'organ = "liver"\n', 'organ = "liver"\nmass_g = 1800.0\nmass_cv = 0.05\n'
    )
    toml += "\n[tail]\nflag_above = 0.5\nrefuse_above = 0.99\n"
    patient = read_patient(write_patient(tmp_path, toml, "\n".join(rows) + "\n"))
    first = fit(build_posterior(patient), seed=1, draws_per_chain=1000)
    assert first.checks.passed, first.checks.reasons
    seen = foresee_scan(first, "SPECT", np.array([LATER_H]))
    doses = {
        name: quantities(patient, first)[f"dose Y-90 {name}"].reshape(-1)
        for name in ("kidneys", "liver")
    }
    told = {name: seen.value(dose) for name, dose in doses.items()}
    found: dict[str, list[float]] = {name: [] for name in doses}
    compiled = None
    for i in generator.choice(len(seen.log_values), 5, replace=False):
        noise = np.sqrt(seen.variance[i, 0]) * generator.standard_normal(3)
        shown = np.exp(seen.log_values[i, 0] + noise)
        more = [
            replace(
                m, start_h=LATER_H, end_h=LATER_H, value=float(v), source=f"new {v}"
            )
            for m in patient.measurements[:3]
            for name, v in zip(seen.regions, shown, strict=True)
            if name == m.region
        ]
        again = replace(patient, measurements=(*patient.measurements, *more))
        posterior = build_posterior(again)
        compiled = compiled or compile_fit(posterior)
        refit = fit(posterior, seed=2, draws_per_chain=500, compiled=compiled)
        assert not refit.checks.failed_solves
        assert (refit.checks.rhat_max or 9.0) < 1.02
        trusted = replace(refit, checks=first.checks)
        for name in doses:
            dose = quantities(again, trusted)[f"dose Y-90 {name}"]
            found[name].append(float(np.var(np.log(dose))))
    for name, value in told.items():
        now, then = value.log_sd_now, float(value.log_sd_then[0])
        realised = float(np.sqrt(np.mean(found[name])))
        print(number, name, "foretold", then / now, "realised", realised / now)
        assert realised == pytest.approx(then, rel=0.15)
    assert told["liver"].log_sd_then[0] < 0.9 * told["liver"].log_sd_now
