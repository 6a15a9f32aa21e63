"""Runs of many tasks: nothing done twice, nothing lost, whatever is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from functools import partial
from pathlib import Path

import many_tasks
import pytest
from many_tasks import WRONG, die_of_three, double, tasks

from pkmodels.cohorts import tasks as tasks_module
from pkmodels.cohorts.outcomes import read_outcome, read_outcomes
from pkmodels.cohorts.runs import run_all
from pkmodels.cohorts.tasks import Task, task_key, work_identity
from pkmodels.errors import InputError

N = 8


def test_a_failure_is_kept_with_its_reason_and_the_others_go_on(tmp_path: Path):
    told = []
    ended = run_all(tasks(N), double, tmp_path, workers=0, progress=told.append)
    assert (ended.done, ended.failed, ended.reused, ended.total) == (N, 1, 0, N)
    assert [each.done for each in told] == list(range(N + 1))
    assert told[0].seconds_left is None
    assert told[-1].seconds_left == 0.0
    for outcome in read_outcomes(tmp_path, tasks(N)):
        number = int(outcome.name[1:])
        if number == WRONG:
            assert outcome.failure is not None
            assert outcome.failure.kind == "ValueError"
            assert outcome.failure.message == "five is not doubled"
            assert "many_tasks.py" in outcome.failure.traceback
        else:
            assert outcome.value["twice"] == 2 * number


def test_what_is_done_is_not_done_again(tmp_path: Path):
    run_all(tasks(N), double, tmp_path, workers=0)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")}
    again = run_all(tasks(N + 2), double, tmp_path, workers=0)
    assert (again.done, again.reused, again.failed) == (N + 2, N, 1)
    assert all(path.stat().st_mtime_ns == when for path, when in before.items())


def test_another_argument_or_other_code_is_done_again(tmp_path: Path):
    run_all([Task("one", 1)], double, tmp_path, workers=0)
    assert run_all([Task("one", 2)], double, tmp_path, workers=0).reused == 0
    found = read_outcome(tmp_path, "one")
    assert found is not None
    assert found.value["twice"] == 4
    source = tmp_path / "numbers.txt"
    for text, reused in (("1", 0), ("1", 1), ("2", 0)):
        source.write_text(text)
        ended = run_all([Task("one", 2)], double, tmp_path, workers=0, sources=[source])
        assert ended.reused == reused


def test_failures_are_tried_again_only_when_asked(tmp_path: Path):
    run_all(tasks(N), double, tmp_path, workers=0)
    ended = run_all(tasks(N), double, tmp_path, workers=0, retry_failed=True)
    assert (ended.reused, ended.failed) == (N - 1, 1)


def give_nan(_: int) -> float:
    return float("nan")


def test_a_value_that_is_not_finite_is_a_failure(tmp_path: Path):
    assert run_all([Task("one", 1)], give_nan, tmp_path, workers=0).failed == 1
    found = read_outcome(tmp_path, "one")
    assert found is not None
    assert found.failure is not None
    assert "what task 'one' gave is not JSON" in found.failure.message


def test_a_second_run_of_the_same_folder_is_refused(tmp_path: Path):
    with (tmp_path / ".running").open("a") as held:
        flock(held, LOCK_EX)
        with pytest.raises(InputError, match="another run is using"):
            run_all(tasks(1), double, tmp_path, workers=0)


@pytest.mark.parametrize("name", ["", "a/b", ".hidden", "x" * 121, "ä"])
def test_a_name_that_names_no_file_is_refused(name: str):
    with pytest.raises(InputError, match="the name of a task is"):
        Task(name, 1)


def test_two_tasks_of_one_name_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match="two tasks are called 'P1' and 'p1'"):
        run_all([Task("P1", 1), Task("p1", 2)], double, tmp_path, workers=0)


def test_a_damaged_outcome_is_told_and_done_again(tmp_path: Path):
    run_all(tasks(3), double, tmp_path, workers=0)
    (tmp_path / "t0.json").write_text('{"format": "pkm')
    (tmp_path / "t1.json").write_bytes(b"")
    with pytest.raises(InputError, match=r"t0\.json is no outcome of a task"):
        read_outcome(tmp_path, "t0")
    ended = run_all(tasks(3), double, tmp_path, workers=0)
    assert (ended.done, ended.reused, ended.unreadable) == (3, 1, 2)
    assert run_all(tasks(3), double, tmp_path, workers=0).unreadable == 0


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path: Path):
    left, fresh, other = (
        tmp_path / f".{name}.json"
        for name in ("t0.0123456789abcdef", "t1.0123456789abcdef", "t0.notes")
    )
    for path in (left, fresh, other):
        path.write_text("{")
    for path in (left, other):
        os.utime(path, (0.0, 0.0))
    run_all(tasks(2), double, tmp_path, workers=0)
    assert not left.exists()
    assert fresh.exists()
    assert other.exists()


def test_keys_hang_on_the_work_and_on_what_is_bound_to_it():
    def key(work):
        return task_key(Task("t", 1), work_identity(work))

    bound = [key(partial(double, number)) for number in (1, 1, 2)]
    assert bound[0] == bound[1]
    assert len({*bound, key(double), key(die_of_three)}) == 4


@pytest.mark.parametrize("library", ["numba", "llvmlite", "pytensor", "nutpie"])
def test_another_version_of_what_compiles_or_samples_is_other_code(
    library: str, monkeypatch: pytest.MonkeyPatch
):
    code_version = tasks_module.code_version.__wrapped__
    before, asked = code_version(), tasks_module._version

    def version(name: str) -> str:
        return "0.0.1" if name == library else asked(name)

    monkeypatch.setattr(tasks_module, "_version", version)
    assert code_version() != before


def test_no_scheduler_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pkmodels.cohorts.clusters._CONNECT_S", "1s")
    with pytest.raises(InputError, match="no dask scheduler answers at"):
        run_all(tasks(1), double, tmp_path, scheduler="tcp://127.0.0.1:9")


def test_without_dask_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r'pip install "pkmodels\[cohort\]"'):
        run_all(tasks(1), double, tmp_path, workers=1)


# What follows starts processes: seconds each.


@pytest.mark.slow
def test_processes_give_what_this_one_does(tmp_path: Path):
    ended = run_all(tasks(30), double, tmp_path / "there", workers=2)
    run_all(tasks(30), double, tmp_path / "here", workers=0)
    assert (ended.done, ended.failed) == (30, 1)
    processes = set()
    for name in (task.name for task in tasks(30)):
        there = json.loads((tmp_path / "there" / f"{name}.json").read_text())
        here = json.loads((tmp_path / "here" / f"{name}.json").read_text())
        assert there["key"] == here["key"]
        if there["value"] is not None:
            processes.add(there["value"].pop("process"))
            here["value"].pop("process")
        assert there["value"] == here["value"]
    assert len(processes) == 2
    assert os.getpid() not in processes


@contextmanager
def dask(*arguments: str) -> Iterator[subprocess.Popen]:
    """A dask process of its own, ended at the end."""
    process = subprocess.Popen([sys.executable, "-m", "dask", *arguments])
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.slow
def test_a_scheduler_that_runs_already_does_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # The workers must find the tasks' module, as they must find pkmodels.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    told = tmp_path / "scheduler.json"
    local = ("--host", "127.0.0.1", "--no-dashboard")
    with dask("scheduler", *local, "--port", "0", "--scheduler-file", str(told)):
        wait_for(told)
        address = json.loads(told.read_text("utf-8"))["address"]
        with pytest.raises(InputError, match="has no workers"):
            run_all(tasks(N), double, tmp_path / "out", scheduler=address)
        with dask("worker", address, *local, "--nthreads", "1", "--nworkers", "1"):
            wait_for_worker(address)
            ended = run_all(tasks(N), double, tmp_path / "out", scheduler=address)
    assert (ended.done, ended.failed, ended.reused) == (N, 1, 0)
    for outcome in read_outcomes(tmp_path / "out", tasks(N)):
        number = int(outcome.name[1:])
        if number != WRONG:
            assert outcome.value["twice"] == 2 * number


def wait_for(path: Path) -> None:
    end = time.monotonic() + 60.0
    while not path.exists() or not path.read_text("utf-8"):
        assert time.monotonic() < end, f"{path} was never written"
        time.sleep(0.1)


def wait_for_worker(address: str) -> None:
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(1, timeout=60)


@pytest.mark.slow
def test_a_scheduler_that_is_lost_is_told_and_its_workers_have_one_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    told = tmp_path / "scheduler.json"
    local = ("--host", "127.0.0.1", "--no-dashboard")
    file = ("--scheduler-file", str(told))
    with dask("scheduler", *local, "--port", "0", *file) as scheduler:
        wait_for(told)
        address = json.loads(told.read_text("utf-8"))["address"]
        worker = ("worker", address, *local, "--nworkers", "1", "--nthreads")
        with dask(*worker, "2"):
            wait_for_worker(address)
            with pytest.raises(InputError, match="has 2 threads"):
                run_all(tasks(N), double, tmp_path / "out", scheduler=address)
        # The one that was stopped is not the one waited for.
        time.sleep(1.0)
        with dask(*worker, "1"):
            wait_for_worker(address)

            def end(now) -> None:
                if now.done == 2:
                    scheduler.kill()

            slowly = partial(run_all, tasks(12), many_tasks.double_slowly)
            with pytest.raises(InputError, match="was lost: what was finished"):
                slowly(tmp_path / "out", scheduler=address, progress=end)
    assert slowly(tmp_path / "out", workers=0).reused >= 2


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_task_that_kills_its_worker_fails_alone(tmp_path: Path, workers: int):
    """Of one worker, the task that waits beside it dies with it each time."""
    ended = run_all(tasks(12), die_of_three, tmp_path, workers=workers)
    assert (ended.done, ended.failed) == (12, 2)
    found = read_outcome(tmp_path, f"t{many_tasks.DEADLY}")
    assert found is not None
    assert found.failure is not None
    assert found.failure.kind == "KilledWorker"
    assert "its worker process died each time" in found.failure.message


def start(folder: Path, count: int) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, many_tasks.__file__, str(count), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        # A terminal's Ctrl-C reaches the whole group.
        start_new_session=True,
    )


def wait_for_files(folder: Path, count: int) -> None:
    for _ in range(1200):
        if len(list(folder.glob("t*.json"))) >= count:
            return
        time.sleep(0.05)
    pytest.fail(f"no {count} outcomes within a minute")


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_killed_loses_no_finished_task(tmp_path: Path, how: int):
    count, before = 24, 6
    run = start(tmp_path, count)
    wait_for_files(tmp_path, before)
    os.killpg(run.pid, how)
    run.communicate(timeout=60)
    assert run.returncode != 0
    kept = {p: p.read_text() for p in tmp_path.glob("t*.json")}
    assert before <= len(kept) < count
    assert all(json.loads(text)["name"] == p.stem for p, text in kept.items())
    told, _ = start(tmp_path, count).communicate(timeout=120)
    last = told.splitlines()[-1].split()
    assert last == [str(count), str(len(kept))]
    assert all(p.read_text() == text for p, text in kept.items())
    assert len(list(tmp_path.glob("t*.json"))) == count
