"""Simulated patients through the clinic's chain: does "at most 5 %" hold?

    python studies/safe_activity/study.py --patients 100 --workers 2

appends a row to patients.csv for each patient that it lacks. Stop it with Ctrl-C and
start it again at will; `figures.py` draws what is there.
"""

import argparse
import csv
import io
import os
import signal
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

FOLDER = Path(__file__).resolve().parent
TABLE = FOLDER / "patients.csv"
PATIENTS = 100
# Of each world that departs from what is stated, this share of the patients.
SHARE_OF_OTHERS = 0.6
DIGITS = 6


@dataclass(frozen=True)
class Case:
    """A patient to be simulated."""

    world: str
    protocol: str
    seed: int


def cases(n_patients: int) -> list[Case]:
    """Return the patients of the study: every protocol, then every other world."""
    from patient_row import PROTOCOLS, WORLDS

    stated, *others = WORLDS
    groups = [(stated, protocol, n_patients) for protocol in PROTOCOLS]
    fewer = round(SHARE_OF_OTHERS * n_patients)
    groups += [(world, "three", fewer) for world in others]
    return [Case(world, p, seed) for world, p, n in groups for seed in range(n)]


@contextmanager
def alone(table: Path) -> Iterator[None]:
    """Hold the table against a second run, which would repeat the same patients."""
    with table.open("a") as file:
        try:
            flock(file, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            raise SystemExit(f"another run is writing {table.name}: stop it") from None
        yield


def drop_broken_line(table: Path) -> None:
    """Cut off a last line that a killed run left half-written."""
    if not table.exists():
        return
    text = table.read_bytes()
    whole = text.rfind(b"\n") + 1
    if whole < len(text):
        with table.open("r+b") as file:
            file.truncate(whole)


def read_rows(table: Path) -> list[dict[str, str]]:
    """Return the rows of a table, as text; none where there is no table."""
    if not table.exists():
        return []
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def as_line(values: list[object]) -> str:
    """Return one line of the table, numbers to six digits."""
    line = io.StringIO()
    shown = [f"{v:.{DIGITS}g}" if isinstance(v, float) else v for v in values]
    csv.writer(line, lineterminator="\n").writerow(shown)
    return line.getvalue()


def append(table: Path, columns: tuple[str, ...], row: dict[str, object]) -> None:
    """Add a row, on the disk before anything else happens."""
    is_new = not table.exists() or table.stat().st_size == 0
    with table.open("a", encoding="utf-8") as file:
        head = as_line(list(columns)) if is_new else ""
        file.write(head + as_line([row[name] for name in columns]))
        file.flush()
        os.fsync(file.fileno())


def sort_rows(table: Path, order: list[Case]) -> None:
    """Write the table anew in the order of the cases, all or nothing."""
    rows = read_rows(table)
    place = {case: i for i, case in enumerate(order)}
    rows.sort(key=lambda row: place.get(case_of(row), len(place)))
    beside = table.with_suffix(".new")
    lines = [as_line(list(rows[0])), *(as_line(list(row.values())) for row in rows)]
    beside.write_text("".join(lines), "utf-8")
    beside.replace(table)


def case_of(row: dict[str, str]) -> Case:
    return Case(row["world"], row["protocol"], int(row["seed"]))


def _prepare() -> None:
    """In a worker: Ctrl-C is for the one that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    from pkmodels.kernels.cache import keep_xla_programs

    keep_xla_programs()


def _row_of(case: Case) -> dict[str, object]:
    from patient_row import patient_row

    try:
        return patient_row(case.world, case.protocol, case.seed)
    except Exception as error:
        raise RuntimeError(f"{case}: {error}") from error


def finished(todo: list[Case], workers: int) -> Iterator[dict[str, object]]:
    """Yield the rows of some cases as they are finished, each worker one at a time."""
    queue = iter(todo)
    with ProcessPoolExecutor(workers, get_context("spawn"), _prepare) as pool:
        waiting: set[Future] = {
            pool.submit(_row_of, case) for case in islice(queue, workers)
        }
        try:
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                waiting |= {pool.submit(_row_of, c) for c in islice(queue, len(done))}
                yield from (future.result() for future in done)
        except (KeyboardInterrupt, GeneratorExit):
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--patients", type=int, default=PATIENTS)
    parser.add_argument("--workers", type=int, default=1)
    chosen = parser.parse_args()
    from patient_row import COLUMNS

    with alone(TABLE):
        run(cases(chosen.patients), COLUMNS, chosen.workers)


def run(order: list[Case], columns: tuple[str, ...], workers: int) -> None:
    """Add the patients that the table lacks; sort it when it has them all."""
    drop_broken_line(TABLE)
    rows = read_rows(TABLE)
    if rows and tuple(rows[0]) != columns:
        raise SystemExit(
            f"{TABLE.name} has other columns than this study: move it away and run anew"
        )
    known = {case_of(row) for row in rows}
    # By seed, so that a table cut short holds as many patients of every group.
    todo = sorted((c for c in order if c not in known), key=lambda case: case.seed)
    parts = (*Progress.get_default_columns()[:3], MofNCompleteColumn())
    with Progress(*parts, TimeRemainingColumn()) as bar:
        done = len(order) - len(todo)
        task = bar.add_task("Patients", total=len(order), completed=done)
        try:
            for row in finished(todo, workers):
                append(TABLE, columns, row)
                bar.advance(task)
        except KeyboardInterrupt:
            raise SystemExit("stopped; run it again to go on") from None
    sort_rows(TABLE, order)


if __name__ == "__main__":
    main()
