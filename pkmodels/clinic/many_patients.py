"""Many patients from the command line: cohorts and calibration, with their files."""

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from pkmodels.atomic_files import write_text_atomically
from pkmodels.clinic.calibration_page import write_calibration_page
from pkmodels.clinic.calibration_table import (
    ranks_table,
    summary_lines,
    verdict_table,
)
from pkmodels.clinic.cohort import Cohort, run_cohort
from pkmodels.clinic.cohort_page import write_cohort_page
from pkmodels.clinic.cohort_rows import (
    BAD_INPUT,
    FAILED,
    REFUSED,
    CohortRow,
    cohort_csv,
)
from pkmodels.clinic.cohort_text import cohort_text
from pkmodels.clinic.folder_digests import digest_folder
from pkmodels.cohorts.calibration import calibrate, read_calibration
from pkmodels.cohorts.runs import Progress
from pkmodels.cohorts.verdicts import judge
from pkmodels.errors import FitRefusedError, InputError

if TYPE_CHECKING:
    from pkmodels.clinic.cohort_learning import LearntCohort

EXIT_DONE, EXIT_FAILED, EXIT_REFUSED = 0, 1, 3
_SUMMARY = ("cohort.html", "summary.csv", "summary.txt")
_SECONDS_BETWEEN_LINES = 10.0


def do_cohort(
    folder: Path,
    out: Path,
    seed: int,
    *,
    workers: int | None,
    scheduler: str | None,
    retry_failed: bool,
    prior_out: Path | None = None,
) -> tuple[str, int]:
    """Run a cohort, write ``summary.csv``, ``summary.txt`` and ``cohort.html``.

    Parameters
    ----------
    folder, out, seed, workers, scheduler, retry_failed
        See `pkmodels.clinic.cohort.run_cohort`.
    prior_out : Path, optional
        Where the prior of the next patient is written, after the summary; a cohort's
        prior that is there already is replaced, and no other file.

    Returns
    -------
    (str, int)
        The summary, and the exit status: 0 where every patient was answered, 3 where
        some were refused, 1 where some failed or had bad input.

    Raises
    ------
    InputError
        As of `run_cohort`; when `prior_out` cannot be written; when too few patients
        can be learnt from.
    FitRefusedError
        When nothing can be learnt of the next patient.
    """
    if prior_out is not None:
        _check_prior_out(prior_out, out)
    found = run_cohort(
        folder,
        out,
        seed,
        workers=workers,
        scheduler=scheduler,
        retry_failed=retry_failed,
        progress=_teller("patients"),
    )
    text = cohort_text(found)
    title = folder.resolve().name
    _write_summary(out, found, text, title)
    if prior_out is None:
        return text, _status(found.rows)
    from pkmodels.clinic.cohort_learning import learn_shown
    from pkmodels.clinic.cohort_learnt_text import learnt_lines
    from pkmodels.clinic.cohort_prior_file import cohort_prior_text

    typer.echo(f"Learning how the patients differ (seed {seed})", err=True)
    try:
        learnt = learn_shown(folder, out, found, seed, Console(stderr=True))
    except (InputError, FitRefusedError) as error:
        raise type(error)(
            f"{prior_out} is not written: {error}\nWhat was found of each patient is, "
            f"to {out}: {', '.join(_SUMMARY)}"
        ) from error
    write_text_atomically(prior_out, cohort_prior_text(learnt.content, prior_out.name))
    typer.echo(f"Written: {prior_out}", err=True)
    text += "\n" + "".join(f"{line}\n" for line in learnt_lines(learnt))
    _write_summary(out, found, text, title, learnt)
    return text, _status(found.rows)


def _write_summary(
    out: Path,
    found: Cohort,
    text: str,
    title: str,
    learnt: "LearntCohort | None" = None,
) -> None:
    write_text_atomically(out / "summary.csv", cohort_csv(found.rows))
    write_text_atomically(out / "summary.txt", text)
    write_cohort_page(out / "cohort.html", found, title, learnt)
    typer.echo(f"Written to {out}: {', '.join(_SUMMARY)}", err=True)


def _check_prior_out(path: Path, out: Path) -> None:
    """Refuse, before hours of fits, where a cohort's prior cannot be written."""
    if path.parent.resolve() == out.resolve() and not out.exists():
        return  # which the run makes
    if not path.parent.is_dir():
        raise InputError(
            f"--prior-out {path}: there is no folder {path.parent}; make it, or name "
            "another file"
        )
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise InputError(
            f"--prior-out {path}: nothing may be written to {path.parent}; name "
            "another file"
        )
    if not os.path.lexists(path):
        return
    if not path.is_file():
        raise InputError(f"--prior-out {path} is no file; name another one")
    from pkmodels.clinic.cohort_prior_file import read_cohort_prior

    try:
        read_cohort_prior(path)
    except (InputError, OSError) as error:
        raise InputError(
            f"--prior-out {path} exists and is no cohort's prior, so it is not "
            f"replaced; name another file ({error})"
        ) from None


def _status(rows: tuple[CohortRow, ...]) -> int:
    statuses = {row.status for row in rows}
    if statuses & {FAILED, BAD_INPUT}:
        return EXIT_FAILED
    return EXIT_REFUSED if REFUSED in statuses else EXIT_DONE


def do_calibration(
    subject: str,
    patients: int,
    out: Path,
    *,
    workers: int | None,
    scheduler: str | None,
    retry_failed: bool,
) -> tuple[str, int]:
    """Simulate and fit patients; write their ranks, the tests and a page.

    Parameters
    ----------
    subject : str
        A patient's folder, or one of `simulated_patients.EXAMPLES`.
    patients : int
        How many, >= 1.
    out : Path
        Where it is written.
    workers, scheduler, retry_failed
        See `pkmodels.cohorts.runs.run_all`.

    Returns
    -------
    (str, int)
        The tests as text, and the exit status: 1 where a patient failed, otherwise 0;
        a refused fit is an outcome like others here.

    Raises
    ------
    InputError
        When the subject is neither, or cannot be simulated; as of `run_all`.
    """
    from pkmodels.clinic.patient_files import read_patient
    from pkmodels.clinic.simulated_patients import (
        EXAMPLES,
        check_simulable,
        draw_truth,
        fit_measured,
        measure,
        write_example,
    )

    folder = Path(subject)
    if subject in EXAMPLES and not folder.is_dir():
        folder = write_example(subject, out / "subject")
    subject_patient = read_patient(folder)
    check_simulable(subject_patient)
    # Before it, since they are what a patient's outcome is of.
    where, digest = str(folder.resolve()), digest_folder(folder)
    numbers = range(patients)
    kept = out / "tasks"
    calibrate(
        partial(draw_truth, where, digest),
        partial(measure, where, digest),
        fit_measured,
        numbers,
        kept,
        workers=workers,
        scheduler=scheduler,
        retry_failed=retry_failed,
        progress=_teller("simulated patients"),
    )
    found = read_calibration(kept, numbers)
    verdicts = judge(found)
    write_text_atomically(out / "ranks.csv", ranks_table(found))
    write_text_atomically(out / "tests.csv", verdict_table(verdicts))
    write_calibration_page(out / "calibration.html", found, subject)
    typer.echo(f"Written to {out}: calibration.html, ranks.csv, tests.csv", err=True)
    lines = [*summary_lines(found, verdicts), "", verdict_table(verdicts, gap="  ")]
    return "\n".join(lines), EXIT_FAILED if found.failed else EXIT_DONE


def _teller(what: str) -> Callable[[Progress], None]:
    """Return what tells of progress on stderr, in lines, not too often."""
    told = 0.0

    def tell(progress: Progress) -> None:
        nonlocal told
        now = time.monotonic()
        ended = progress.done == progress.total
        if now - told < _SECONDS_BETWEEN_LINES and not ended:
            return
        told = now
        parts = [f"{progress.done} of {progress.total} {what}"]
        if progress.reused:
            parts.append(f"{progress.reused} from before")
        if progress.unreadable:
            parts.append(f"{progress.unreadable} unreadable ones are done again")
        if progress.failed:
            parts.append(f"{progress.failed} failed")
        if progress.seconds_left is not None and not ended:
            parts.append(f"about {_duration(progress.seconds_left)} left")
        typer.echo(", ".join(parts), err=True)

    return tell


def _duration(seconds: float) -> str:
    """Return a time in words.

    Examples
    --------
    >>> _duration(42.0), _duration(600.0), _duration(9000.0)
    ('42 s', '10 min', '2.5 h')
    """
    if seconds < 100.0:
        return f"{seconds:.0f} s"
    minutes = seconds / 60.0
    return f"{minutes:.0f} min" if minutes < 100.0 else f"{minutes / 60.0:.1f} h"
