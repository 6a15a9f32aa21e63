import json
import math

import made_up_result as made
import numpy as np
import pytest
from pydantic import ValidationError

from pkmodels.clinic.result_format import Result, read_result
from pkmodels.clinic.result_records import summarize
from pkmodels.errors import InputError

# Typed by hand from the description of the format, not written by pkmodels.
BY_HAND = """{
  "format": "pkmodels-result/1",
  "not_validated": "For research use; not a medical device. Not clinically validated.",
  "patient_id": "P1",
  "model": "organ_exchange",
  "checks": {"passed": true, "rhat_max": 1.0, "ess_bulk_min": 900,
             "ess_tail_min": 800, "divergences": 0, "failed_solves": 0},
  "organs": {"kidneys": {"Y-90": {
    "tiac_h": {"median": 1.0, "mean": 1.0, "sd": 0.1, "interval_95": [0.8, 1.2]},
    "effective_half_life_h":
      {"median": 30.0, "mean": 30.0, "sd": 1.0, "interval_95": [28.0, 32.0]},
    "absorbed_dose_per_activity_Gy_per_GBq":
      {"median": 1.5, "mean": 1.5, "sd": 0.1, "interval_95": [1.3, 1.7],
       "at_activity_GBq": 4.0},
    "fraction_of_tia_after_last_scan":
      {"median": 0.1, "mean": 0.1, "sd": 0.0, "interval_95": [0.1, 0.1]}}}},
  "dose_already_received_Gy":
    {"kidneys": {"median": 2.5, "mean": 2.5, "sd": 0.1, "interval_95": [2.3, 2.7]}},
  "safe_activity": {"Y-90": {
    "activity_GBq": 4.0, "confidence": 0.95, "binding_limit": "kidneys",
    "per_limit": {"kidneys": {"activity_GBq": 4.0, "limit_Gy": 23.0,
      "quantity": "absorbed_dose", "probability_above_at_safe_activity": 0.05}},
    "activity_at_limit_GBq": {"median": 5.0, "interval_95": [3.9, 6.1]}}},
  "prior_contraction": {"washout": 0.9},
  "waived": {"red_marrow": "no marrow data"},
  "warnings": [], "assumptions": [], "versions": {"pkmodels": "0.1.0"},
  "seed": 0, "data_sha256": "%s", "added_by_a_later_writer": 1
}""" % ("0" * 64)


def changed(fields, keys, value):
    """Return the fields as JSON would give them, with one of them changed."""
    copy = json.loads(json.dumps(fields))
    table = copy
    for key in keys[:-1]:
        table = table[key]
    table[keys[-1]] = value
    return copy


def test_summary_of_equally_spaced_draws_is_known_in_closed_form():
    found = summarize(np.random.default_rng(0).permutation(np.arange(1001.0)))
    assert found.interval_95 == pytest.approx((25.0, 975.0), rel=1e-12)
    assert found.median == pytest.approx(500.0, rel=1e-12)
    assert found.mean == pytest.approx(500.0, rel=1e-12)
    assert found.sd == pytest.approx(math.sqrt(1001 * 1002 / 12), rel=1e-12)


def test_summary_interpolates_linearly_between_draws():
    found = summarize([0.0, 1.0])
    assert found.interval_95 == pytest.approx((0.025, 0.975), rel=1e-12)


@pytest.mark.parametrize(
    ("draws", "words"),
    [
        ([1.0], "at least two"),
        ([[1.0, 2.0]], "one axis"),
        ([1.0, math.nan], "1 of 2 draws"),
        ([1.0, math.inf], "inf"),
        ([1.0, -0.5], "-0.5"),
    ],
)
def test_summary_refuses_draws_that_it_cannot_summarize(draws, words):
    with pytest.raises(InputError, match=words):
        summarize(draws)


def test_a_result_typed_by_hand_is_read(tmp_path):
    path = tmp_path / "result.json"
    path.write_text(BY_HAND, "utf-8")
    found = read_result(path)
    dose = found.organs["kidneys"]["Y-90"].absorbed_dose_per_activity_Gy_per_GBq
    assert dose is not None
    assert dose.at_activity_GBq == 4.0
    assert found.safe_activity["Y-90"].per_limit["kidneys"].limit_Gy == 23.0


@pytest.mark.parametrize("fields", [made.passed(), made.failed()])
def test_a_written_result_is_read_back_the_same(fields, tmp_path):
    result = Result.model_validate(fields)
    path = tmp_path / "result.json"
    path.write_text(result.model_dump_json(indent=2), "utf-8")
    assert read_result(path) == result


def test_what_is_written_is_the_format():
    written = json.loads(made.result().model_dump_json())
    by_hand = json.loads(BY_HAND)
    assert set(by_hand) - set(written) == {"added_by_a_later_writer"}
    assert written["format"] == "pkmodels-result/1"
    for keys in (("checks",), ("safe_activity", "Y-90"), ("organs", "kidneys", "Y-90")):
        ours, theirs = written, by_hand
        for key in keys:
            ours, theirs = ours[key], theirs[key]
        assert set(theirs) <= set(ours)


NOT_FINITE = [
    ("organs", "liver", "Y-90", "tiac_h", "median"),
    ("organs", "liver", "Y-90", "tiac_h", "interval_95"),
    ("dose_already_received_Gy", "liver", "sd"),
    ("prior_contraction", "uptake"),
    ("safe_activity", "Y-90", "activity_GBq"),
    ("safe_activity", "Y-90", "per_limit", "kidneys", "limit_Gy"),
    ("checks", "rhat_max"),
]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("keys", NOT_FINITE, ids=lambda keys: keys[-1])
def test_no_number_may_be_nan_or_infinite(keys, bad, tmp_path):
    value = [0.1, bad] if keys[-1] == "interval_95" else bad
    fields = changed(made.passed(), keys, value)
    with pytest.raises(ValidationError, match="finite"):
        Result.model_validate(fields)
    path = tmp_path / "result.json"
    path.write_text(json.dumps(fields), "utf-8")
    with pytest.raises(InputError, match=keys[-1]):
        read_result(path)


LIMITS = ("safe_activity", "Y-90", "per_limit")
TIAC = ("organs", "liver", "Y-90", "tiac_h")
RULES = {
    "null without missing": (TIAC, None, "must say why"),
    "missing without null": (
        ("organs", "liver", "Y-90", "missing"),
        "no S-value",
        "nothing is null",
    ),
    "interval without median": ((*TIAC, "interval_95"), [0.9, 1.0], "hold the median"),
    "interval reversed": ((*TIAC, "interval_95"), [2.0, 0.1], "hold the median"),
    "negative dose": (
        ("dose_already_received_Gy", "liver", "interval_95"),
        [-1.0, 3.0],
        "greater than or equal to 0",
    ),
    "fraction above one": (
        ("organs", "liver", "Y-90", "fraction_of_tia_after_last_scan"),
        made.summary(0.95),
        "between 0 and 1",
    ),
    "contraction above one": (("prior_contraction", "uptake"), 1.1, "less than"),
    "confidence of one": (("safe_activity", "Y-90", "confidence"), 1.0, "less than 1"),
    "unknown binding limit": (
        ("safe_activity", "Y-90", "binding_limit"),
        "kidny",
        "not in per_limit",
    ),
    "no binding limit": (
        ("safe_activity", "Y-90", "binding_limit"),
        None,
        "name the limit that binds",
    ),
    "wrong binding limit": (
        ("safe_activity", "Y-90", "binding_limit"),
        "liver",
        "has the largest",
    ),
    "unsafe activity": (
        (*LIMITS, "kidneys", "probability_above_at_safe_activity"),
        0.2,
        "not a safe activity",
    ),
    "more than one limit allows": (
        (*LIMITS, "liver", "activity_GBq"),
        5.0,
        "all limits together allow no more",
    ),
    "limit without its own activity": (
        (*LIMITS, "liver", "activity_GBq"),
        None,
        "has a null",
    ),
    "limit on an unknown organ": (
        (*LIMITS, "spleen"),
        made.limit(40.0, 23.0, "absorbed_dose", 0.0),
        "not in organs",
    ),
    "limited and waived": (("waived", "liver"), "because", "both waived and limited"),
    "waived without reason": (("waived", "red_marrow"), " ", "at least 1 character"),
    "unknown key": (("checks", "rhat"), 1.0, "not permitted"),
    "unknown quantity": ((*LIMITS, "liver", "quantity"), "dose", "absorbed_dose"),
    "wrong format": (("format",), "pkmodels-result/2", "pkmodels-result/1"),
    "short hash": (("data_sha256",), "ab", "match pattern"),
    "passed with reasons": (("checks", "reasons"), ["R-hat"], "no reasons"),
    "passed without R-hat": (("checks", "rhat_max"), None, "that passed has them"),
    "passed without organs": (("organs",), {}, "organs is empty"),
    "passed without safe activity": (("safe_activity",), {}, "is empty"),
}


@pytest.mark.parametrize(("keys", "value", "words"), RULES.values(), ids=RULES)
def test_each_rule_of_the_format_is_enforced(keys, value, words):
    Result.model_validate(made.passed())
    with pytest.raises(ValidationError, match=words):
        Result.model_validate(changed(made.passed(), keys, value))


@pytest.mark.parametrize(
    "name", ["organs", "dose_already_received_Gy", "safe_activity", "prior_contraction"]
)
def test_a_failed_fit_reports_nothing(name):
    with pytest.raises(ValidationError, match=f"{name} is filled"):
        Result.model_validate(made.failed(**{name: made.passed()[name]}))


def test_a_failed_fit_gives_its_reasons():
    checks = made.failed()["checks"] | {"reasons": []}
    with pytest.raises(ValidationError, match="say which check failed"):
        Result.model_validate(made.failed(checks=checks))


def test_a_fit_that_never_ran_has_no_figures():
    nothing = {"rhat_max": None, "ess_bulk_min": None, "ess_tail_min": None}
    checks = made.failed()["checks"] | nothing
    assert Result.model_validate(made.failed(checks=checks)).checks.rhat_max is None


def test_no_safe_activity_is_zero_and_no_limit_is_null():
    dire = made.safe_activity() | {"activity_GBq": 0.0}
    dire["per_limit"] = {"kidneys": made.limit(0.0, 23.0, "absorbed_dose", 0.7)}
    assert made.result(safe_activity={"Y-90": dire})
    unlimited = made.safe_activity() | {
        "activity_GBq": None,
        "binding_limit": None,
        "per_limit": {},
        "activity_at_limit_GBq": None,
    }
    with pytest.raises(ValidationError, match="must say why"):
        made.result(safe_activity={"Y-90": unlimited})
    unlimited["missing"] = "every limit is waived"
    assert made.result(safe_activity={"Y-90": unlimited})


def test_an_organ_without_an_s_value_has_no_dose():
    without = made.organ() | {
        "absorbed_dose_per_activity_Gy_per_GBq": None,
        "missing": "no S-value of Y-90 for organ bladder",
    }
    organs = made.passed()["organs"] | {"bladder": {"Y-90": without}}
    doses = made.passed()["dose_already_received_Gy"] | {"bladder": None}
    result = made.result(organs=organs, dose_already_received_Gy=doses)
    assert result.dose_already_received_Gy["bladder"] is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a pkmodels-result/1 file"),
        (b"{", "JSON"),
        (b"[]", "the file"),
        (b'{"format": "other"}', "format"),
        (b"\xff\xfe{}", "cannot be read"),
    ],
)
def test_a_file_that_is_no_result_is_refused(content, words, tmp_path):
    path = tmp_path / "result.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        read_result(path)
    assert str(path) in str(caught.value)


def test_a_file_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_result(tmp_path / "nothing.json")
