"""Outcomes: what one task gave, kept in a file of its own the moment it is known."""

import json
import resource
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pkmodels.atomic_files import write_text_atomically
from pkmodels.cohorts.tasks import Task, Work, canonical
from pkmodels.errors import InputError

FORMAT = "pkmodels-task/1"


@dataclass(frozen=True)
class Failure:
    """Why a task gave nothing.

    Parameters
    ----------
    kind : str
        Class of the exception.
    message : str
        What it says.
    traceback : str
        Where it came from.
    """

    kind: str
    message: str
    traceback: str


@dataclass(frozen=True)
class Outcome:
    """What one task gave.

    Parameters
    ----------
    name, key : str
        Of the task; see `tasks.task_key`.
    value : JSON value
        What the work returned; None where it failed.
    failure : Failure or None
        Why it failed.
    seconds, cpu_seconds : float
        What it took by the clock, and of its process' processors.
    memory_MB : float
        The largest memory of its process until then, MB.
    """

    name: str
    key: str
    value: Any
    failure: Failure | None
    seconds: float
    cpu_seconds: float
    memory_MB: float


def perform(work: Work, task: Task, key: str, folder: Path) -> Outcome:
    """Do one task and keep what it gave; a failure is kept likewise.

    Parameters
    ----------
    work : callable
        Takes the task's argument and returns a JSON value.
    task : Task
        The task.
    key : str
        From `task_key`.
    folder : Path
        Where the outcome is kept, as ``<name>.json``.

    Returns
    -------
    Outcome

    Raises
    ------
    OSError
        When the outcome cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     found = perform(lambda x: 2.0 * x, Task("two", 11.5), "key", Path(name))
    ...     found.value, read_outcome(Path(name), "two") == found
    (23.0, True)
    """
    clock, processor = time.perf_counter(), time.process_time()
    value, failure = None, None
    try:
        value = work(task.argument)
        canonical(value, f"what task {task.name!r} gave")
    except Exception as error:
        value, failure = None, failure_of(error)
    outcome = Outcome(
        task.name,
        key,
        value,
        failure,
        time.perf_counter() - clock,
        time.process_time() - processor,
        peak_memory_MB(),
    )
    keep(outcome, folder)
    return outcome


def failure_of(error: BaseException) -> Failure:
    """Return an exception as what can be kept.

    Parameters
    ----------
    error : exception
        What was raised.

    Returns
    -------
    Failure

    Examples
    --------
    >>> failure_of(ValueError("no dose")).message
    'no dose'
    """
    return Failure(
        type(error).__name__,
        str(error) or "(it says nothing)",
        "".join(traceback.format_exception(error)),
    )


def keep(outcome: Outcome, folder: Path) -> None:
    """Write an outcome, whole or not at all.

    Parameters
    ----------
    outcome : Outcome
        What to write.
    folder : Path
        Where.

    Raises
    ------
    OSError
        When it cannot be written.
    """
    text = json.dumps({"format": FORMAT, **asdict(outcome)}, allow_nan=False, indent=1)
    write_text_atomically(folder / f"{outcome.name}.json", text + "\n")


def read_outcome(folder: Path, name: str) -> Outcome | None:
    """Return what is kept of a task; None where nothing is.

    Parameters
    ----------
    folder : Path
        Of the run.
    name : str
        Of the task.

    Returns
    -------
    Outcome or None

    Raises
    ------
    InputError
        When the file is there but is no outcome.
    """
    path = folder / f"{name}.json"
    try:
        found = json.loads(path.read_text("utf-8"))
        if found.pop("format") != FORMAT or found["name"] != name:
            raise ValueError("another format or name")
        failure = found.pop("failure")
        return Outcome(failure=None if failure is None else Failure(**failure), **found)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is no outcome of a task ({error}): remove it, and it is done anew"
        ) from error


def read_outcomes(folder: Path, tasks: Sequence[Task]) -> Iterator[Outcome]:
    """Yield what is kept of some tasks, one at a time, in their order.

    Parameters
    ----------
    folder : Path
        Of the run.
    tasks : sequence of Task
        Which; those of which nothing is kept are left out.

    Yields
    ------
    Outcome
    """
    for task in tasks:
        found = read_outcome(folder, task.name)
        if found is not None:
            yield found


def peak_memory_MB() -> float:
    """Return the largest memory that this process has had, MB.

    Returns
    -------
    float

    Examples
    --------
    >>> peak_memory_MB() > 1.0
    True
    """
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in KiB, macOS in bytes.
    return largest / (2**20 if sys.platform == "darwin" else 2**10)
