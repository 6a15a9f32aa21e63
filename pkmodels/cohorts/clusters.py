"""Clusters: where a run's tasks are done, by dask.distributed."""

import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from pkmodels.cohorts.outcomes import (
    Outcome,
    failure_of,
    keep,
    perform,
    read_outcome,
)
from pkmodels.cohorts.tasks import Task, Work, code_version
from pkmodels.errors import InputError, PkmodelsError

if TYPE_CHECKING:
    from distributed import Client

    from pkmodels.cohorts.runs import Pending

# Handed out at a time for each thread: one that runs and one that waits.
_IN_FLIGHT = 2
_CONNECT_S = "20s"
# Ctrl-C in a terminal reaches every process: only the one that was started is to act.
_DEAF = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
_SETTINGS = {
    # What compiles may be silent for long, and is not dead.
    "distributed.scheduler.worker-ttl": None,
    "distributed.comm.timeouts.connect": _CONNECT_S,
    "distributed.worker.preload": [_DEAF],
    "distributed.nanny.pre-spawn-environ.JAX_PLATFORMS": "cpu",
    # No worker is stopped or killed for its memory: a task that needs it, needs it.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.admin.large-graph-warning-threshold": "1GB",
}


def finish_on_cluster(
    pending: "Sequence[Pending]",
    work: Work,
    folder: Path,
    workers: int | None,
    scheduler: str | None,
) -> Iterator[bool]:
    """Do tasks on a cluster; yield, as they are finished, whether each failed.

    Parameters
    ----------
    pending : sequence of Pending
        What to do.
    work : callable
        What is done.
    folder : Path
        Where each worker keeps what it has finished.
    workers : int or None
        Local processes; None: as many as processors.
    scheduler : str or None
        Address of a running scheduler, to be used instead.

    Yields
    ------
    bool

    Raises
    ------
    InputError
        When dask.distributed is not installed, the scheduler does not answer, has no
        workers or is lost, or its workers see another folder, run other code or have
        several threads.
    """
    folder = folder.resolve()
    with _client(workers, scheduler, len(pending)) as client:
        # What it returns hangs on how the client was made: here it is no coroutine.
        found: Any = client.nthreads()
        threads = sum(found.values())
        if scheduler is not None:
            _check_workers(client, scheduler, folder, found)
        try:
            yield from _bounded(client, pending, work, folder, _IN_FLIGHT * threads)
        except CancelledError as error:
            raise InputError(
                f"the scheduler {'of this run' if scheduler is None else scheduler} "
                "was lost: what was finished is kept; start it anew, with its "
                "workers, and the same command goes on"
            ) from error


@contextmanager
def _client(
    workers: int | None, scheduler: str | None, most: int
) -> "Iterator[Client]":
    try:
        from dask import config
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise InputError(
            "runs over many patients need dask.distributed, which is not installed: "
            'pip install "pkmodels[cohort]"'
        ) from error
    with config.set(_SETTINGS), _quiet():
        if scheduler is not None:
            try:
                client = Client(scheduler, timeout=_CONNECT_S, set_as_default=False)
            except (OSError, ValueError, ImportError) as error:
                raise InputError(
                    f"no dask scheduler answers at {scheduler} ({error}): start one "
                    "with `dask scheduler`, or leave it out for local processes"
                ) from error
            with client:
                yield client
            return
        count = min(workers or os.cpu_count() or 1, most)
        with (
            LocalCluster(
                n_workers=count,
                threads_per_worker=1,
                processes=True,
                dashboard_address=":0",
                memory_limit=None,
            ) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep dask's own log, which says what outcomes and errors say, from the screen."""
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            # Of a busy machine: that its scratch folder was slow.
            warnings.filterwarnings("ignore", "Creating scratch", UserWarning)
            yield
    finally:
        logger.setLevel(before)


def _check_workers(
    client: "Client", scheduler: str, folder: Path, threads: Mapping[str, int]
) -> None:
    """Refuse a scheduler whose workers cannot do the work, or would do other work."""
    if not threads:
        raise InputError(
            f"the scheduler at {scheduler} has no workers: start some with "
            f"`dask worker {scheduler} --nthreads 1`"
        )
    # Fits of one process share what they compile, which is not made for threads.
    several = [worker for worker, count in threads.items() if count != 1]
    if several:
        raise InputError(
            f"worker {several[0]} has {threads[several[0]]} threads: start workers "
            f"with `dask worker {scheduler} --nthreads 1 --nworkers N`"
        )
    name, word = f".seen-by-{token_hex(8)}", token_hex(8)
    path = folder / name
    path.write_text(word, "utf-8")
    try:
        seen: Any = client.run(_look, path)
    finally:
        path.unlink()
    for worker, (read, code) in seen.items():
        if read != word:
            raise InputError(
                f"worker {worker} does not see {folder}: name a folder that all "
                "machines share, with --out"
            )
        if code != code_version():
            raise InputError(
                f"worker {worker} runs another version of pkmodels or its libraries: "
                "install the same one"
            )


def _look(path: Path) -> tuple[str | None, str]:
    """Return what a worker reads in a file, and the version of its code."""
    read = path.read_text("utf-8") if path.exists() else None
    return read, code_version()


def _bounded(
    client: "Client",
    pending: "Sequence[Pending]",
    work: Work,
    folder: Path,
    in_flight: int,
) -> Iterator[bool]:
    """Hand out few tasks at a time: memory does not grow with their number."""
    from distributed import as_completed

    waiting = iter(pending)
    by_key: dict[Any, Pending] = {}

    def submit(each: "Pending") -> Any:
        future = client.submit(_perform, work, each.task, each.key, folder, pure=False)
        by_key[future.key] = each
        return future

    first = [submit(each) for each in islice(waiting, in_flight)]
    doing = as_completed(first, loop=client.loop)
    # Which would otherwise be kept for as long as this runs.
    first.clear()
    lost = []
    for future in doing:
        each = by_key.pop(future.key)
        if _worker_died(future.exception()):
            lost.append(each)
        else:
            yield _told(each, future, folder)
        future.release()
        for following in islice(waiting, 1):
            doing.add(submit(following))
    # A task may have died of another one's deeds, on the same worker: each alone.
    for each in lost:
        future = submit(each)
        yield _told(each, future, folder)
        future.release()


def _worker_died(error: BaseException | None) -> bool:
    return error is not None and failure_of(error).kind == "KilledWorker"


def _told(each: "Pending", future: Any, folder: Path) -> bool:
    """Return whether a task failed, when it is done; keep the loss of its worker."""
    error = future.exception()
    if error is not None:
        _keep_loss(each, error, folder)
    return error is not None or future.result()


def _perform(work: Work, task: Task, key: str, folder: Path) -> bool:
    """In a worker: do a task, and return no more than whether it failed."""
    try:
        before = read_outcome(folder, task.name)
    except InputError:
        before = None  # which `run_all` has told of
    if before is not None and before.key == key and before.failure is None:
        # By a worker that died between this and saying so.
        return False
    return perform(work, task, key, folder).failure is not None


def _keep_loss(each: "Pending", error: BaseException, folder: Path) -> None:
    """Keep that a task's worker died, or that nothing could be written or sent."""
    if isinstance(error, OSError | PkmodelsError | CancelledError):
        raise error
    found = failure_of(error)
    if _worker_died(error):
        said = (
            "its worker process died each time it was tried, the last four times "
            "alone: killed, or out of memory; free some, and try it with --retry"
        )
        found = replace(found, message=said)
    keep(Outcome(each.task.name, each.key, None, found, 0.0, 0.0, 0.0), folder)
