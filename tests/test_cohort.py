"""The cohort: every folder is told of, failures first, and nothing done twice."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import made_up_result
import pytest
import simulators
from clinic_patients import write_patient

from pkmodels.clinic.cohort import Cohort, find_patients, run_cohort
from pkmodels.clinic.cohort_page import write_cohort_page
from pkmodels.clinic.cohort_rows import (
    ANSWERED,
    FAILED,
    REFUSED,
    cohort_csv,
    count,
    order,
    row_of,
    said_of,
)
from pkmodels.clinic.cohort_text import cohort_text
from pkmodels.clinic.command_line import main
from pkmodels.clinic.result_format import Result, read_result
from pkmodels.cohorts.outcomes import Failure, Outcome
from pkmodels.cohorts.runs import Progress
from pkmodels.errors import InputError


def outcome(value=None, failure=None):
    return Outcome("t", "key", value, failure, 1.0, 1.0, 100.0)


@pytest.fixture(scope="module")
def rows():
    answered = {"status": ANSWERED, **said_of(made_up_result.result())}
    failed = Result.model_validate(made_up_result.failed(patient_id="P2"))
    refused = {"status": REFUSED, **said_of(failed)}
    broken = Failure("SolveError", "no <solution>", "Traceback: here")
    return tuple(
        order(
            [
                row_of(outcome(answered), "a & b"),
                row_of(outcome(answered | {"patient": "P3"}), "=c"),
                row_of(outcome(refused), "d"),
                row_of(outcome(failure=broken), "e"),
            ]
        )
    )


def test_failures_are_at_the_top(rows):
    assert [row.status for row in rows] == [FAILED, REFUSED, ANSWERED, ANSWERED]
    assert count(rows) == "4 patients: 1 failed, 1 refused, 2 answered"


def test_the_table_says_what_the_results_say(rows):
    result = made_up_result.result()
    found = list(csv.DictReader(io.StringIO(cohort_csv(rows))))
    of_answered = [row for row in found if row["folder"] == "a & b"]
    safe = result.safe_activity["Y-90"]
    assert {row["target"] for row in of_answered} == set(safe.per_limit)
    for row in of_answered:
        organ = result.organs[row["target"]]["Y-90"]
        dose = organ.absorbed_dose_per_activity_Gy_per_GBq
        assert dose is not None
        assert float(row["dose_Gy_per_GBq"]) == dose.median
        assert (float(row["dose_lo95"]), float(row["dose_hi95"])) == dose.interval_95
        assert float(row["safe_activity_GBq"]) == safe.activity_GBq
        assert row["binding_limit"] == "kidneys"
    [refused] = [row for row in found if row["folder"] == "d"]
    assert refused["why"].startswith("R-hat of washout is 1.31")
    assert refused["safe_activity_GBq"] == ""
    # A spreadsheet would take it for a formula.
    assert {row["folder"] for row in found} >= {"'=c", "e"}


def test_text_and_page_tell_of_everyone_and_need_no_network(rows, tmp_path):
    cohort = Cohort(rows, ("notes",), Progress(4, 0, 1, 4, None))
    text = cohort_text(cohort)
    assert text.startswith("4 patients: 1 failed, 1 refused, 2 answered\n")
    assert "Folders without a patient: notes" in text
    assert "e: failed: SolveError: no <solution>" in text
    assert "Y-90 5.31 GBq (kidneys)" in text
    page = tmp_path / "cohort.html"
    write_cohort_page(page, cohort, "c")
    html = page.read_text("utf-8")
    assert html.index("no &lt;solution&gt;") < html.index("Every patient")
    assert 'href="patients/a%20%26%20b/report.html"' in html
    # What failed wrote no report.
    assert 'href="patients/e/' not in html
    assert 'src="http' not in html
    assert html.count('class="panel"') == 3


def test_folders_without_a_patient_are_told(tmp_path):
    for name in ("a", "b", ".hidden", "out"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / "measurements.csv").write_text("")
    found, others = find_patients(tmp_path, tmp_path / "out")
    assert [path.name for path in found] == ["a"]
    assert others == ["b"]
    with pytest.raises(InputError, match="holds no folder with"):
        find_patients(tmp_path / "a", tmp_path / "out")
    with pytest.raises(InputError, match="is no folder"):
        find_patients(tmp_path / "nowhere", tmp_path / "out")


def test_bad_input_is_told_and_mended_folders_are_read_again(tmp_path, capsys):
    for name in ("one", "two"):
        write_patient(tmp_path / name, "format = 3\n")
    command = ["cohort", str(tmp_path), "--workers", "0"]
    assert main(command) == 1
    told = capsys.readouterr()
    assert told.out.startswith("2 patients: 2 bad input\n")
    assert "one: bad input: " in told.out
    assert 'found 3; this version reads format = "pkmodels-patient/1"' in told.out
    assert main(command) == 1
    assert "2 of 2 patients, 2 from before" in capsys.readouterr().err
    (tmp_path / "two" / "patient.toml").write_text("format = 4\n")
    assert main(command) == 1
    told = capsys.readouterr()
    assert "1 from before" in told.err
    assert "found 4" in told.out
    assert (tmp_path / "out" / "cohort.html").exists()


def test_two_folders_of_one_id_are_told(tmp_path):
    from pkmodels.clinic.cohort_rows import CohortRow, told_twice

    rows = [CohortRow(name, "P1", ANSWERED, "") for name in "ab"]
    rows.append(replace(rows[0], folder="c", patient="P2"))
    assert [bool(row.why) for row in told_twice(rows)] == [True, True, False]


@pytest.mark.slow
def test_a_cohort_does_what_safe_activity_does(tmp_path: Path):
    """The same numbers as alone, by another process and by this one."""
    people = tmp_path / "people"
    for seed in range(2):
        (people / f"P{seed}").mkdir(parents=True)
        simulated = simulators.simulate(seed)
        simulators.write_patient(people / f"P{seed}", simulated)
    write_patient(people / "bad", "format = 3\n")
    out = tmp_path / "out"
    found = run_cohort(people, out, 3, workers=1)
    assert [row.status for row in found.rows] == ["bad input", ANSWERED, ANSWERED]
    # The one whose result was removed is done again, in this process.
    (out / "patients" / "P1" / "result.json").unlink()
    assert run_cohort(people, out, 3, workers=0).progress.reused == 2
    for name in ("P0", "P1"):
        alone = tmp_path / "alone" / name
        arguments = ["safe-activity", str(people / name), "--seed", "3"]
        assert main([*arguments, "--out", str(alone)]) == 0
        there = out / "patients" / name
        one, other = (
            json.loads((folder / "result.json").read_text())
            for folder in (alone, there)
        )
        assert one == other
        assert (there / "report.html").exists()
        assert read_result(there / "result.json").checks.passed
