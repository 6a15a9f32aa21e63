"""The cohort: every folder is told of, failures first, and nothing done twice."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import made_up_result
import pytest
import simulators
from clinic_patients import write_patient
from made_up_cohort_prior import content

from pkmodels.clinic.cohort import Cohort, answer, find_patients, run_cohort
from pkmodels.clinic.cohort_page import write_cohort_page
from pkmodels.clinic.cohort_prior_file import cohort_prior_text
from pkmodels.clinic.cohort_rows import (
    ANSWERED,
    BAD_INPUT,
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
from pkmodels.clinic.folder_digests import digest_folder
from pkmodels.clinic.many_patients import do_cohort
from pkmodels.clinic.result_format import Result, read_result
from pkmodels.cohorts.outcomes import Failure, Outcome
from pkmodels.cohorts.runs import Progress
from pkmodels.errors import InputError, SolveError


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


def test_the_text_names_the_organs_that_are_not_protected(rows):
    waived = [replace(rows[-1], waived=("red_marrow",))]
    waived += [replace(row, waived=()) for row in rows]
    text = cohort_text(Cohort(tuple(waived), (), Progress(5, 0, 1, 5, None)))
    assert "WAIVED LIMIT in 1 of 5: red_marrow is not protected" in text


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
    rows = [CohortRow(f"{i}", "P1", ANSWERED, "") for i in range(1000)]
    said = told_twice(rows)[0].why
    assert "is also that of 1, 2, 3 and 996 more: one patient, or a mistake?" in said


@pytest.fixture
def people(tmp_path):
    """Two patients whose files cannot be used, which takes no fit to find."""
    for name in ("one", "two"):
        write_patient(tmp_path / "people" / name, "format = 3\n")
    return tmp_path / "people"


def all_files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def place_results_over_patients(study: Path) -> Path:
    (study / "people").rename(study / "patients")
    return study


def place_results_in_a_patient(study: Path) -> Path:
    return study / "people" / "one" / "results"


def place_results_over_what_a_link_leads_to(study: Path) -> Path:
    (study / "out" / "patients" / "one").mkdir(parents=True)
    (study / "people" / "one").rename(study / "out" / "patients" / "one" / "files")
    (study / "people" / "one").symlink_to(study / "out" / "patients" / "one" / "files")
    return study / "out"


def place_a_link_among_results(study: Path) -> Path:
    (study / "out" / "patients").mkdir(parents=True)
    (study / "out" / "patients" / "one").symlink_to(study / "people" / "two")
    return study / "out"


@pytest.mark.parametrize(
    "place",
    [
        place_results_over_patients,
        place_results_in_a_patient,
        place_results_over_what_a_link_leads_to,
        place_a_link_among_results,
    ],
)
def test_results_are_never_put_where_a_patients_own_files_lie(people, place, capsys):
    """They were removed there, measurements and all."""
    study = people.parent
    out = place(study)
    folder = people if people.is_dir() else study / "patients"
    before = all_files(study)
    assert main(["cohort", str(folder), "--out", str(out), "--workers", "0"]) == 2
    assert "is, holds or lies in the patient's folder" in capsys.readouterr().err
    assert all_files(study) == before


def test_only_what_the_command_writes_is_removed(people, tmp_path):
    out = tmp_path / "out"
    there = out / "patients" / "one"
    there.mkdir(parents=True)
    for name in ("result.json", "notes.txt", "measurements.csv"):
        (there / name).write_text("")
    run_cohort(people, out, 1, workers=0)
    left = {path.name for path in there.iterdir()}
    assert left == {"notes.txt", "measurements.csv"}


def test_a_patient_called_out_is_told_not_overwritten(people, capsys):
    write_patient(people / "out", "format = 3\n")
    before = all_files(people)
    assert main(["cohort", str(people), "--workers", "0"]) == 2
    assert "name another folder with --out" in capsys.readouterr().err
    assert all_files(people) == before
    # Elsewhere it is a patient like others.
    out = people.parent / "elsewhere"
    assert len(run_cohort(people, out, 1, workers=0).rows) == 3


def test_what_is_no_mistake_of_the_files_is_a_failure(people, tmp_path, monkeypatch):
    """It was kept as the patient's answer: no later run tried again."""

    def fail(*_):
        raise SolveError("no step is small enough")

    monkeypatch.setattr("pkmodels.clinic.workflow.run", fail)
    found = run_cohort(people, tmp_path / "out", 1, workers=0)
    assert [row.status for row in found.rows] == [FAILED, FAILED]
    assert found.progress.failed == 2
    monkeypatch.undo()
    again = run_cohort(people, tmp_path / "out", 1, workers=0, retry_failed=True)
    assert [row.status for row in again.rows] == [BAD_INPUT, BAD_INPUT]


def test_a_folder_of_results_that_cannot_be_used_is_a_failure(people, tmp_path):
    (tmp_path / "out" / "patients").mkdir(parents=True)
    (tmp_path / "out" / "patients" / "one").write_text("a file")
    found = run_cohort(people, tmp_path / "out", 1, workers=0)
    status = {row.folder: row.status for row in found.rows}
    assert status == {"one": FAILED, "two": BAD_INPUT}
    (tmp_path / "out" / "patients" / "one").unlink()
    again = run_cohort(people, tmp_path / "out", 1, workers=0, retry_failed=True)
    assert {row.status for row in again.rows} == {BAD_INPUT}


def test_files_that_change_while_they_wait_are_no_answer(people):
    argument = {
        "folder": str(people / "one"),
        "out": str(people.parent / "out"),
        "seed": 1,
        "files": digest_folder(people / "one"),
    }
    assert answer(argument)["status"] == BAD_INPUT
    (people / "one" / "patient.toml").write_text("format = 4\n")
    with pytest.raises(InputError, match="are not those that this run began with"):
        answer(argument)


def test_a_folder_whose_name_is_not_utf_8_is_told(people, tmp_path):
    odd = Path(os.fsdecode(os.fsencode(people) + b"/M\xfcller"))
    try:
        (people / "two").rename(odd)
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    _, status = do_cohort(
        people, tmp_path / "out", 1, workers=0, scheduler=None, retry_failed=False
    )
    assert status == 1
    rows = (tmp_path / "out" / "summary.csv").read_text("utf-8").splitlines()
    assert rows[2].startswith("one,") or rows[2].startswith("M\\udcfcller,")
    assert len(rows) == 3
    assert "M\\udcfcller" in (tmp_path / "out" / "cohort.html").read_text("utf-8")


def test_a_file_that_cannot_be_read_is_its_patients_row(people, tmp_path, monkeypatch):
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.parent.name == "one":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    found = run_cohort(people, tmp_path / "out", 1, workers=0)
    why = {row.folder: row.why for row in found.rows}
    assert why["one"].startswith("cannot be read (Permission denied)")
    assert "found 3" in why["two"]
    monkeypatch.undo()
    again = run_cohort(people, tmp_path / "out", 1, workers=0)
    assert {"found 3" in row.why for row in again.rows} == {True}


@pytest.mark.parametrize("content", [b"", b'{"format": "\xff"}', b"[]"])
def test_a_damaged_outcome_of_a_patient_is_told_and_done_again(
    people, tmp_path, capsys, content
):
    command = ["cohort", str(people), "--out", str(tmp_path / "out"), "--workers", "0"]
    assert main(command) == 1
    first, _ = sorted((tmp_path / "out" / "tasks").glob("patient_*.json"))
    whole = first.read_bytes()
    first.write_bytes(content)
    capsys.readouterr()
    assert main(command) == 1
    told = capsys.readouterr()
    assert "1 unreadable ones are done again" in told.err
    assert told.out.startswith("2 patients: 2 bad input\n")
    assert json.loads(first.read_bytes())["value"] == json.loads(whole)["value"]


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


@pytest.mark.slow
def test_a_cohort_that_is_killed_in_a_fit_loses_that_patient_only(tmp_path: Path):
    people, out = tmp_path / "people", tmp_path / "out"
    for seed in range(3):
        (people / f"P{seed}").mkdir(parents=True)
        simulators.write_patient(people / f"P{seed}", simulators.simulate(seed))
    command = [sys.executable, "-m", "pkmodels", "cohort", str(people)]
    command += ["--out", str(out), "--workers", "1"]
    # A group of its own, so that its workers die with it.
    run = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    wait_for(lambda: len(list((out / "tasks").glob("patient_*.json"))) >= 1)
    # The next fit has begun: it has a folder, and no result.
    wait_for(lambda: len(list((out / "patients").glob("*/unfinished"))) >= 1)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait(60)
    kept = {p: p.read_bytes() for p in (out / "tasks").glob("patient_*.json")}
    results = {p: p.stat().st_mtime_ns for p in out.glob("patients/*/result.json")}
    assert 1 <= len(kept) < 3
    again = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert again.returncode == 0, again.stderr
    assert f"{len(kept)} from before" in again.stderr
    assert again.stdout.startswith("3 patients: 3 answered\n")
    assert all(path.read_bytes() == content for path, content in kept.items())
    finished = [json.loads(content)["value"]["patient"] for content in kept.values()]
    for path, when in results.items():
        if read_result(path).patient_id in finished:
            assert path.stat().st_mtime_ns == when


def wait_for(seen: Callable[[], bool]) -> None:
    end = time.monotonic() + 300.0
    while not seen():
        assert time.monotonic() < end, "nothing within five minutes"
        time.sleep(0.02)


def test_a_refused_learning_loses_nothing_of_the_patients(people, tmp_path, capsys):
    """Two patients are too few to learn from: known after all fits only."""
    prior = tmp_path / "prior.toml"
    out = tmp_path / "out"
    command = ["cohort", str(people), "--out", str(out), "--workers", "0"]
    assert main([*command, "--prior-out", str(prior)]) == 2
    told = capsys.readouterr().err
    assert "prior.toml is not written: 0 patients can be used" in told
    assert "cohort.html, summary.csv, summary.txt" in told
    assert not prior.exists()
    assert "one: bad input" in (out / "summary.txt").read_text("utf-8")
    assert len((out / "summary.csv").read_text("utf-8").splitlines()) == 3
    assert "found 3" in (out / "cohort.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("where", "text", "told"),
    [
        ("no/prior.toml", None, "there is no folder"),
        ("people", None, "is no file"),
        ("mine.toml", 'format = "pkmodels-patient/1"\n', "found 'pkmodels-patient/1'"),
        ("mine.toml", "my notes", "not valid TOML"),
        ("mine.toml", 'format = "pkmodels-cohort-prior/1"\n', "cohort is missing"),
    ],
)
def test_where_a_prior_cannot_go_is_told_before_anything_is_fitted(
    people, tmp_path, capsys, where, text, told
):
    prior = tmp_path / where
    if text is not None:
        prior.write_text(text, "utf-8")
    command = ["cohort", str(people), "--out", str(tmp_path / "out"), "--workers", "0"]
    assert main([*command, "--prior-out", str(prior)]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    if text is not None:
        assert prior.read_text("utf-8") == text


def test_a_cohorts_prior_that_is_there_already_may_be_replaced(people, tmp_path):
    prior = tmp_path / "prior.toml"
    prior.write_text(cohort_prior_text(content(), "prior.toml"), "utf-8")
    with pytest.raises(InputError, match="0 patients can be used"):
        do_cohort(
            people,
            tmp_path / "out",
            1,
            workers=0,
            scheduler=None,
            retry_failed=False,
            prior_out=prior,
        )
    # And is not, where nothing was learnt.
    assert prior.read_text("utf-8") == cohort_prior_text(content(), "prior.toml")
