"""The cohort: every patient's folder of a folder, each as `safe-activity` does it."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pkmodels.clinic.cohort_rows import (
    ANSWERED,
    BAD_INPUT,
    FAILED,
    REFUSED,
    CohortRow,
    order,
    row_of,
    said_of,
    told_twice,
)
from pkmodels.clinic.result_format import read_result
from pkmodels.cohorts.outcomes import read_outcomes
from pkmodels.cohorts.runs import Progress, run_all
from pkmodels.cohorts.tasks import Task
from pkmodels.errors import FitRefusedError, InputError, PkmodelsError

FILES = ("patient.toml", "measurements.csv")
TASKS, PATIENTS = "tasks", "patients"
_RESULT = "result.json"


@dataclass(frozen=True)
class Cohort:
    """What is known of a folder of patients.

    Parameters
    ----------
    rows : tuple of CohortRow
        Of every patient: failures first, then refusals, then answers, each by name.
    left_out : tuple of str
        Folders that hold no patient.
    progress : Progress
        Of the run.
    """

    rows: tuple[CohortRow, ...]
    left_out: tuple[str, ...]
    progress: Progress


def find_patients(folder: Path, out: Path) -> tuple[list[Path], list[str]]:
    """Return the patients' folders, and the names of others that hold none.

    A folder that holds one of the two files counts as a patient's, so that a lacking
    file is told.

    Parameters
    ----------
    folder : Path
        Of the cohort.
    out : Path
        Where results are written, which is no patient.

    Returns
    -------
    (list of Path, list of str)

    Raises
    ------
    InputError
        When there is no such folder, or no patient in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: name one of patients' folders")
    found, others = [], []
    for each in sorted(folder.iterdir()):
        if not each.is_dir() or each.name.startswith("."):
            continue
        if each.resolve() == out.resolve():
            continue
        has = any((each / name).exists() for name in FILES)
        (found if has else others).append(each)
    if not found:
        raise InputError(
            f"{folder} holds no folder with {' or '.join(FILES)}: name the folder "
            "above the patients' own (`pkmodels safe-activity` is for a single one)"
        )
    return found, [each.name for each in others]


def run_cohort(
    folder: Path,
    out: Path,
    seed: int,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    retry_failed: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Cohort:
    """Do every patient that is not done yet, and read what is known of all.

    Parameters
    ----------
    folder : Path
        Of the cohort.
    out : Path
        Where results are written: ``patients/<name>/`` as `safe-activity` does, and
        what a later run goes on from.
    seed : int
        Repeats a run exactly; each patient has the same.
    workers, scheduler, retry_failed, progress
        See `pkmodels.cohorts.runs.run_all`.

    Returns
    -------
    Cohort

    Raises
    ------
    InputError
        When no patient is found, or as of `run_all`.
    """
    patients, left_out = find_patients(folder, out)
    tasks = [_task(each, out, seed) for each in patients]
    kept = out / TASKS
    _forget_lost(out, [each.name for each in patients])
    done = run_all(
        tasks,
        answer,
        kept,
        workers=workers,
        scheduler=scheduler,
        retry_failed=retry_failed,
        progress=progress,
    )
    rows = [
        row_of(outcome, patient.name)
        for outcome, patient in zip(read_outcomes(kept, tasks), patients, strict=True)
    ]
    return Cohort(tuple(order(told_twice(rows))), tuple(left_out), done)


def _task(patient: Path, out: Path, seed: int) -> Task:
    argument = {
        "folder": str(patient.resolve()),
        "out": str((out / PATIENTS / patient.name).resolve()),
        "seed": seed,
        "files": _digest(patient),
    }
    # A folder may be called what no task may.
    short = hashlib.sha256(patient.name.encode()).hexdigest()[:16]
    return Task(f"patient_{short}", argument)


def _digest(patient: Path) -> str:
    """Return a digest of a patient's files, its own S-values among them."""
    hashed = hashlib.sha256()
    for path in sorted(patient.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            hashed.update(f"{path.name}\n".encode())
            hashed.update(hashlib.sha256(path.read_bytes()).digest())
    return hashed.hexdigest()


def _forget_lost(out: Path, names: Sequence[str]) -> None:
    """Do a patient again whose result somebody removed."""
    for name in names:
        short = hashlib.sha256(name.encode()).hexdigest()[:16]
        kept = out / TASKS / f"patient_{short}.json"
        told = kept.exists() and f'"result": "{_RESULT}"' in kept.read_text("utf-8")
        if told and not (out / PATIENTS / name / _RESULT).exists():
            kept.unlink()


def answer(argument: dict[str, Any]) -> dict[str, Any]:
    """Do one patient, in whichever process; what is wrong with a file is an answer.

    Parameters
    ----------
    argument : dict
        ``folder``, ``out`` and ``seed``.

    Returns
    -------
    dict
        What the table of the cohort says: see `pkmodels.clinic.cohort_rows`.
    """
    from rich.console import Console

    from pkmodels.clinic.workflow import run

    out = Path(argument["out"])
    # What an earlier run wrote of other files or other code must not stay beside this.
    _remove_results(out)
    try:
        output = run(
            Path(argument["folder"]), out, argument["seed"], Console(quiet=True)
        )
    except (InputError, FitRefusedError) as error:
        status = BAD_INPUT if isinstance(error, InputError) else REFUSED
        return {"status": status, "why": str(error)}
    except PkmodelsError as error:
        return {"status": FAILED, "why": str(error)}
    # As it was written: what the table says is what the file says.
    result = read_result(out / _RESULT)
    status = ANSWERED if output.exit_code == 0 else REFUSED
    return {"status": status, "result": _RESULT, **said_of(result)}


def _remove_results(out: Path) -> None:
    """Remove a patient's results; draws of an unfinished fit stay, to go on from."""
    if not out.is_dir():
        return
    for path in out.iterdir():
        if path.is_file():
            path.unlink()
