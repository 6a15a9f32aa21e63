"""The cohort: every patient's folder of a folder, each as `safe-activity` does it."""

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pkmodels.atomic_files import remove_leftovers
from pkmodels.clinic.cohort_rows import (
    ANSWERED,
    BAD_INPUT,
    REFUSED,
    CohortRow,
    order,
    readable,
    row_of,
    said_of,
    told_twice,
)
from pkmodels.clinic.folder_digests import check_unchanged, digest_folder
from pkmodels.clinic.result_format import read_result
from pkmodels.cohorts.outcomes import read_outcome, read_outcomes
from pkmodels.cohorts.runs import Progress, run_all
from pkmodels.cohorts.tasks import Task
from pkmodels.errors import FitRefusedError, InputError

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
        When there is no such folder, or no patient in it; when results would be
        written where a patient's own files lie.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: name one of patients' folders")
    found, others = [], []
    for each in sorted(folder.iterdir()):
        if not each.is_dir() or each.name.startswith("."):
            continue
        has = _holds_patient(each)
        if each.resolve() == out.resolve():
            if has:
                raise InputError(
                    f"{each} holds {' or '.join(FILES)}, but results would be written "
                    "there: name another folder with --out, or rename the patient's"
                )
            continue
        (found if has else others).append(each)
    if not found:
        raise InputError(
            f"{folder} holds no folder with {' or '.join(FILES)}: name the folder "
            "above the patients' own (`pkmodels safe-activity` is for a single one)"
        )
    _check_apart(found, out)
    return found, [readable(each.name) for each in others]


def _holds_patient(folder: Path) -> bool:
    try:
        return any((folder / name).exists() for name in FILES)
    except OSError:
        return True  # which is told when it is read


def _check_apart(patients: Sequence[Path], out: Path) -> None:
    """Refuse results where a patient's own files lie: those would be removed."""
    written = {_results_of(each, out).resolve(): each for each in patients}
    if len(written) < len(patients):
        [one, *_] = (p for p in patients if p not in written.values())
        raise InputError(
            f"{readable(str(one))} and another patient's folder would have their "
            "results in one place: give the folders names of their own"
        )
    inputs = {each.resolve(): each for each in patients}
    within = [
        (place, inputs[above])
        for place in (*written, (out / TASKS).resolve())
        for above in (place, *place.parents)
        if above in inputs
    ]
    within += [
        (above, patient)
        for place, patient in inputs.items()
        for above in (place, *place.parents)
        if above in written
    ]
    if within:
        place, patient = within[0]
        raise InputError(
            f"results would be written to {place}, which is, holds or lies in the "
            f"patient's folder {patient}: name a folder away from the patients' own "
            "with --out"
        )


def _results_of(patient: Path, out: Path) -> Path:
    return out / PATIENTS / readable(patient.name)


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
        As of `find_patients` and of `run_all`.
    """
    patients, left_out = find_patients(folder, out)
    tasks: dict[Path, Task] = {}
    rows: list[CohortRow] = []
    for each in patients:
        try:
            tasks[each] = _task(each, out, seed)
        except OSError as error:
            why = f"cannot be read ({error.strerror}): {error.filename}"
            rows.append(CohortRow(readable(each.name), "", BAD_INPUT, readable(why)))
    kept = out / TASKS
    _forget_lost(kept, tasks.values())
    done = run_all(
        list(tasks.values()),
        answer,
        kept,
        workers=workers,
        scheduler=scheduler,
        retry_failed=retry_failed,
        progress=progress,
    )
    outcomes = read_outcomes(kept, list(tasks.values()))
    rows += [
        row_of(outcome, patient.name)
        for outcome, patient in zip(outcomes, tasks, strict=True)
    ]
    return Cohort(tuple(order(told_twice(rows))), tuple(left_out), done)


def _task(patient: Path, out: Path, seed: int) -> Task:
    argument = {
        "folder": str(patient.resolve()),
        "out": str(_results_of(patient, out).resolve()),
        "seed": seed,
        "files": digest_folder(patient),
    }
    # A folder may be called what no task may.
    short = hashlib.sha256(os.fsencode(patient.name)).hexdigest()[:16]
    return Task(f"patient_{short}", argument)


def _forget_lost(kept: Path, tasks: Iterable[Task]) -> None:
    """Do a patient again whose result somebody removed."""
    for task in tasks:
        try:
            found = read_outcome(kept, task.name)
        except InputError:
            continue  # `run_all` tells, and does it again
        said = {} if found is None else found.value or {}
        if "result" in said and not (Path(task.argument["out"]) / _RESULT).exists():
            (kept / f"{task.name}.json").unlink()


def answer(argument: dict[str, Any]) -> dict[str, Any]:
    """Do one patient, in whichever process; what is wrong with a file is an answer.

    Anything else that goes wrong is raised, and so a failure of this run.

    Parameters
    ----------
    argument : dict
        ``folder``, ``out``, ``seed`` and ``files``, of `digest_folder`.

    Returns
    -------
    dict
        What the table of the cohort says: see `pkmodels.clinic.cohort_rows`.

    Raises
    ------
    InputError
        When the files are no longer those, or the folder of the results cannot be
        used.
    SolveError, ModelError
        When the model cannot be solved.
    OSError
        When a file cannot be read or written.
    """
    from rich.console import Console

    from pkmodels.clinic.workflow import WRITTEN, check_writable, run

    folder, out = Path(argument["folder"]), Path(argument["out"])
    check_unchanged(folder, argument["files"])
    check_writable(out)
    # What an earlier run wrote of other files or other code must not stay beside this.
    _remove_results(out, WRITTEN)
    try:
        output = run(folder, out, argument["seed"], Console(quiet=True))
    except (InputError, FitRefusedError) as error:
        status = BAD_INPUT if isinstance(error, InputError) else REFUSED
        return {"status": status, "why": str(error)}
    # As it was written: what the table says is what the file says.
    result = read_result(out / _RESULT)
    status = ANSWERED if output.exit_code == 0 else REFUSED
    return {"status": status, "result": _RESULT, **said_of(result)}


def _remove_results(out: Path, written: Sequence[str]) -> None:
    """Remove a patient's results; draws of an unfinished fit stay, to go on from."""
    for name in written:
        (out / name).unlink(missing_ok=True)
    remove_leftovers(out, written)
