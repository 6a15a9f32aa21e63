"""Runs: thousands of independent tasks through processes, and none done twice.

Each finished task lies in a file of its own before the next begins on that worker, so
that whatever is killed loses only what was being done.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from pkmodels.atomic_files import remove_leftovers
from pkmodels.cohorts.outcomes import perform, read_outcome
from pkmodels.cohorts.tasks import Task, Work, check_names, task_key, work_identity
from pkmodels.errors import InputError

_LOCK = ".running"


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Parameters
    ----------
    done : int
        Tasks that are finished, those that failed and those of earlier runs included.
    reused : int
        Of them, finished by earlier runs.
    failed : int
        Of them, failed.
    total : int
        All tasks.
    seconds_left : float or None
        About; None until a task is finished in this run.
    unreadable : int
        Tasks whose kept outcome could not be read, and which are done again.
    """

    done: int
    reused: int
    failed: int
    total: int
    seconds_left: float | None
    unreadable: int = 0


@dataclass(frozen=True)
class Pending:
    """A task that is to be done, with its key."""

    task: Task
    key: str


def run_all(
    tasks: Sequence[Task],
    work: Work,
    folder: Path,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    retry_failed: bool = False,
    sources: Iterable[Path] = (),
    progress: Callable[[Progress], None] | None = None,
) -> Progress:
    """Do every task that is not done yet, and keep what each gives.

    An outcome counts as done where the task's argument, this package's code, the
    work's own file and the libraries are those it was made with. One that cannot be
    read counts as not done, and `Progress` tells how many. The work's exceptions are
    kept as failures, and the others go on; `read_outcomes` gives what is kept.

    Ctrl-C, or `kill -9` of this process or of a worker, loses what was being done and
    nothing else: the same call goes on. A task whose worker dies is given to others,
    and fails when three more die of it.

    Parameters
    ----------
    tasks : sequence of Task
        What to do, each with a name of its own.
    work : callable
        Takes a task's argument, returns a JSON value: a function of a module or a
        script, or `functools.partial` of one, since other processes have to find it.
    folder : Path
        Where outcomes are kept; made where it does not exist. With `scheduler` every
        worker must see it under this name.
    workers : int, optional
        Local processes, one thread each; by default as many as processors. 0 does the
        tasks in this process, one after another, without dask.
    scheduler : str, optional
        Address of a running dask scheduler, as ``tcp://host:8786``, whose workers are
        used instead; `workers` must not be given then.
    retry_failed : bool
        Whether tasks that failed before are done again.
    sources : iterable of Path
        Other files that the numbers hang on.
    progress : callable, optional
        Called with a `Progress` at the start and after every task.

    Returns
    -------
    Progress
        At the end.

    Raises
    ------
    InputError
        When two tasks share a name, another run is using the folder, or `workers` or
        `scheduler` cannot be used.
    OSError
        When the folder cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> from statistics import fmean
    >>> from pkmodels.cohorts.outcomes import read_outcomes
    >>> tasks = [Task("two", [22.0, 24.0]), Task("none", [])]
    >>> with tempfile.TemporaryDirectory() as name:
    ...     folder = Path(name)
    ...     first = run_all(tasks, fmean, folder, workers=0)
    ...     again = run_all(tasks, fmean, folder, workers=0)
    ...     two, none = read_outcomes(folder, tasks)
    >>> (first.done, first.reused, first.failed), again.reused
    ((2, 0, 1), 2)
    >>> two.value, none.failure.message
    (23.0, 'fmean requires at least one data point')
    """
    check_names(tasks)
    _check_workers(workers, scheduler)
    identity = work_identity(work, sources)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        remove_leftovers(folder, {f"{task.name}.json" for task in tasks})
        pending, before, failed, unreadable = [], 0, 0, 0
        for task in tasks:
            key = task_key(task, identity)
            try:
                found = read_outcome(folder, task.name)
            except InputError:
                found, unreadable = None, unreadable + 1
            if found is None or found.key != key:
                pending.append(Pending(task, key))
                continue
            lost = found.failure is not None
            if lost and retry_failed:
                pending.append(Pending(task, key))
            else:
                before += 1
                failed += lost
        return _follow(
            _finished(pending, work, folder, workers, scheduler),
            Progress(before, before, failed, len(tasks), None, unreadable),
            progress,
        )


def _check_workers(workers: int | None, scheduler: str | None) -> None:
    if workers is not None and workers < 0:
        raise InputError(f"workers is {workers}: give 0 or more")
    if workers is not None and scheduler is not None:
        raise InputError(
            f"workers is {workers}, and the scheduler {scheduler} has its own: give one"
        )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a folder against a second run, which would do the same tasks."""
    with (folder / _LOCK).open("a") as file:
        try:
            flock(file, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"another run is using {folder}: wait for it, or name another folder"
            ) from None
        yield


def _finished(
    pending: Sequence[Pending],
    work: Work,
    folder: Path,
    workers: int | None,
    scheduler: str | None,
) -> Iterator[bool]:
    """Yield, as tasks are finished, whether each failed."""
    if not pending:
        return
    if workers == 0:
        for each in pending:
            outcome = perform(work, each.task, each.key, folder)
            yield outcome.failure is not None
        return
    from pkmodels.cohorts.clusters import finish_on_cluster

    yield from finish_on_cluster(pending, work, folder, workers, scheduler)


def _follow(
    finished: Iterator[bool],
    start: Progress,
    tell: Callable[[Progress], None] | None,
) -> Progress:
    """Count what is finished, and tell of it."""
    began, now = time.perf_counter(), start
    if tell is not None:
        tell(now)
    for failed in finished:
        done = now.done + 1
        each = (time.perf_counter() - began) / (done - start.done)
        left = each * (start.total - done)
        failures = now.failed + failed
        now = replace(now, done=done, failed=failures, seconds_left=left)
        if tell is not None:
            tell(now)
    return now
