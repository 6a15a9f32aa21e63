"""The summary CSV holds the numbers of the result, one a row."""

import csv
from io import StringIO

import made_up_result as made
import pytest

from pkmodels.clinic.result_format import Result
from pkmodels.clinic.summary_csv import COLUMNS, summary_table


def rows(result):
    reader = csv.DictReader(StringIO(summary_table(result)))
    assert tuple(reader.fieldnames or ()) == COLUMNS
    return {(row["target"], row["label"], row["quantity"]): row for row in reader}


def numbers(row):
    return tuple(float(row[name]) for name in ("median", "lo95", "hi95"))


@pytest.fixture(scope="module")
def result():
    return made.complete_result()


@pytest.fixture(scope="module")
def table(result):
    return rows(result)


def test_each_quantity_of_a_region_and_label_has_one_row(result, table):
    assert len(summary_table(result).splitlines()) == 1 + len(table)


def test_numbers_are_those_of_the_result_to_the_last_digit(result, table):
    for target, labels in result.organs.items():
        for label, organ in labels.items():
            for quantity, unit, found in (
                ("TIAC", "h", organ.tiac_h),
                ("effective half-life", "h", organ.effective_half_life_h),
                (
                    "absorbed dose per activity",
                    "Gy/GBq",
                    organ.absorbed_dose_per_activity_Gy_per_GBq,
                ),
                (
                    "TIA after the last scan",
                    "1",
                    organ.fraction_of_tia_after_last_scan,
                ),
                ("G-factor", "1", organ.protraction_factor),
            ):
                row = table[target, label, quantity]
                assert row["unit"] == unit
                assert numbers(row) == (found.median, *found.interval_95)
    safe = result.safe_activity["Y-90"]
    for target, dose in safe.bed_Gy.items():
        row = table[target, "Y-90", "BED at safe activity"]
        assert numbers(row) == (dose.median, *dose.interval_95)
    for target, limit in safe.per_limit.items():
        for quantity, value in (
            ("activity allowed by this limit alone", limit.activity_GBq),
            (
                "probability above the limit at safe activity",
                limit.probability_above_at_safe_activity,
            ),
        ):
            row = table[target, "Y-90", quantity]
            assert float(row["median"]) == value
            assert row["lo95"] == row["hi95"] == ""


def test_the_safe_activity_stands_with_its_limit_confidence_and_error(table):
    row = table["patient", "Y-90", "safe activity"]
    assert (float(row["median"]), row["unit"]) == (made.SAFE_ACTIVITY, "GBq")
    assert row["note"] == (
        "confidence 0.95; binding limit kidneys; relative Monte-Carlo error 0.0042; "
        "rests on judgements: alpha/beta (2.5 Gy) and half-time of repair (2.8 h) in "
        "the BED of kidneys, the S-value of red_marrow from red_marrow"
    )
    assert table["kidneys", "Y-90", "BED already received"]["note"] == "28.0 Gy BED"
    compared = table["patient", "Lu-177", "safe activity"]
    assert compared["note"] == "for comparison only"


def test_each_dose_says_what_it_holds_of_what_was_received_before(table):
    given = "with the administrations in the file"
    for target, quantity, note in (
        ("kidneys", "BED at safe activity", f"{given}; with its history"),
        ("kidneys", "absorbed dose at safe activity", f"{given}; without its history"),
        (
            "kidney_left",
            "BED at safe activity",
            f"{given}; without the history of kidneys",
        ),
        ("liver", "absorbed dose at safe activity", given),
        ("lesion_1", "tumour absorbed dose at safe activity", "of this activity alone"),
    ):
        assert table[target, "Y-90", quantity]["note"] == note
    without = made.complete_safe_activity() | {"administrations_counted": False}
    found = rows(made.complete_result(safe_activity={"Y-90": without}))
    note = found["liver", "Y-90", "absorbed dose at safe activity"]["note"]
    assert note == "without the administrations in the file"
    received = "of the administrations in the file, without the history"
    assert table["liver", "", "absorbed dose already received"]["note"] == received


def test_a_number_that_is_missing_is_empty_and_says_why():
    without = made.organ() | {
        "absorbed_dose_per_activity_Gy_per_GBq": None,
        "missing": "no S-value for bladder",
    }
    organs = made.passed()["organs"] | {"bladder": {"Y-90": without}}
    found = rows(made.result(organs=organs))
    row = found["bladder", "Y-90", "absorbed dose per activity"]
    assert (row["median"], row["note"]) == ("", "no S-value for bladder")
    assert found["bladder", "Y-90", "TIAC"]["note"] == ""


def test_a_failed_fit_has_no_rows():
    assert rows(Result.model_validate(made.failed())) == {}


def test_a_spreadsheet_meets_no_formula():
    organs = made.passed()["organs"] | {'=cmd|" /C"!A0, x\n': {"Y-90": made.organ()}}
    found = rows(made.result(organs=organs))
    names = {target for target, _, _ in found}
    assert '\'=cmd|" /C"!A0, x' in names
    assert not any(name.startswith(("=", "+", "-", "@")) for name in names)
