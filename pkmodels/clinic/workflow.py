"""The safe-activity workflow: a patient's folder in, a result and its files out."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from pkmodels.clinic.answerable import check_answerable
from pkmodels.clinic.patient import Patient
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.patient_models import saturates
from pkmodels.clinic.result_format import Result
from pkmodels.errors import InputError

if TYPE_CHECKING:
    from pkmodels.clinic.assessment import Assessment
    from pkmodels.clinic.report_figures import ReportFigures
    from pkmodels.fitting.fit import CompiledFit, Fit
    from pkmodels.fitting.posterior import Posterior

_SECONDS_BETWEEN_LINES = 20.0
# Draws that come sooner after others were loaded, or are done before it matters.
_AT_ONCE_S = 0.2
# Where the draws of a run are until it is done.
UNFINISHED = "unfinished"
# What a run writes, renamed in the reverse order: result.json last.
WRITTEN = ("result.json", "summary.csv", "curves.csv", "posterior.nc", "report.html")

_GOES_ON = "Interrupted: the same command goes on from what was drawn."

EXIT_DONE = 0
EXIT_REFUSED = 3


@dataclass(frozen=True)
class Output:
    """What a run gives.

    Parameters
    ----------
    result : Result
        What was written as result.json.
    exit_code : int
        0, or 3 when no activity is given: the fit failed its checks, too much of a
        planned label's integral lies after the last scan, or a cohort speaks of what
        is limited and not the scans.
    seconds : mapping of str to float
        Time of each step.
    """

    result: Result
    exit_code: int
    seconds: Mapping[str, float]


def run(folder: Path, out: Path | None, seed: int, console: Console) -> Output:
    """Fit a patient's measurements and write the largest activity that is safe.

    Parameters
    ----------
    folder : Path
        Holds patient.toml and measurements.csv.
    out : Path or None
        Where to write; None is ``out/`` in the folder.
    seed : int
        Repeats a run exactly, >= 0.
    console : Console
        Where progress and timings are shown.

    Returns
    -------
    Output

    Raises
    ------
    InputError
        When the files or the question cannot be used; nothing is written.
    SolveError
        When a draw cannot be solved.
    OSError
        When a file cannot be written.
    """
    patient = read_patient(folder)
    check_answerable(patient)
    target = out or folder / "out"
    check_writable(target)
    seconds: dict[str, float] = {}
    with _timed(seconds, "import"), console.status("Importing"):
        from pkmodels.clinic.figure_data import build_figures
        from pkmodels.clinic.reporting import build_result
        from pkmodels.kernels.cache import keep_xla_programs
    keep_xla_programs()
    unfinished = target / UNFINISHED
    fit, assessment = fit_and_assess(patient, seed, console, seconds, unfinished)
    with _timed(seconds, "write"), console.status("Writing"):
        result = build_result(patient, fit, assessment)
        figures = build_figures(patient, fit, assessment)
        _write(target, fit, result, figures)
        shutil.rmtree(unfinished, ignore_errors=True)
    split = ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items())
    console.print(f"Time: {split}; written to {target}", style="dim")
    return Output(result, exit_code(result, assessment), seconds)


def exit_code(result: Result, assessment: "Assessment | None") -> int:
    """Return the exit status of a run.

    Parameters
    ----------
    result : Result
        The result.
    assessment : Assessment or None
        None where the fit failed its checks.

    Returns
    -------
    int
        3 where no activity of a planned label is given, else 0.
    """
    if not result.checks.passed or assessment is None:
        return EXIT_REFUSED
    refused = any(c.refused is not None for c in assessment.planned.values())
    return EXIT_REFUSED if refused else EXIT_DONE


def check_writable(out: Path) -> None:
    """Make the folder of the output, or say before the fit why it cannot be used.

    Parameters
    ----------
    out : Path
        The folder.

    Raises
    ------
    InputError
        When it cannot be made or written to.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise InputError(
            f"--out {out}: {error.strerror}: name a folder that you may write to"
        ) from error


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - start


def fit_and_assess(
    patient: Patient,
    seed: int,
    console: Console,
    seconds: dict[str, float],
    unfinished: Path,
) -> "tuple[Fit, Assessment | None]":
    """Fit and assess, again with more draws where a decision is not sharp enough.

    Parameters
    ----------
    patient : Patient
        A patient that `check_answerable` let pass.
    seed : int
        Repeats a run exactly, >= 0.
    console : Console
        Where progress is shown.
    seconds : dict of str to float
        Time of each step, which is added to.
    unfinished : Path
        Where draws are kept until they are done.

    Returns
    -------
    Fit
    Assessment or None
        None where the fit failed its checks.
    """
    from pkmodels.clinic.assessment import assess
    from pkmodels.clinic.compiled_fits import compile_once
    from pkmodels.clinic.question import build_posterior, draws_per_chain, more_draws

    posterior = build_posterior(patient)
    with _timed(seconds, "compile"), console.status("Compiling the model"):
        compiled = compile_once(posterior)
    count = draws_per_chain(patient.confidence, saturable=saturates(patient))
    while True:
        with _timed(seconds, "sample"):
            # Of other data or another seed, nothing that was drawn serves.
            kept = unfinished / f"{compiled.form[:8]}-{patient.data_sha256[:8]}-{seed}"
            fitted = sample(posterior, compiled, seed, count, console, kept)
        if not fitted.checks.passed:
            return fitted, None
        with _timed(seconds, "assess"), console.status("Assessing"):
            assessment = assess(patient, fitted)
        wanted = more_draws(count, assessment.monte_carlo_error)
        if wanted <= count:
            return fitted, assessment
        count = wanted


def sample(
    posterior: "Posterior",
    compiled: "CompiledFit",
    seed: int,
    draws: int,
    console: Console,
    kept: Path,
) -> "Fit":
    """Fit, showing progress; interrupted, say that the same command goes on.

    Parameters
    ----------
    posterior : Posterior
        What is fitted.
    compiled : CompiledFit
        Of its form.
    seed : int
        Repeats a run exactly, >= 0.
    draws : int
        Of each chain, a multiple of 100.
    console : Console
        Where progress is shown.
    kept : Path
        Folder of the draws that are made, from which a later run goes on.

    Returns
    -------
    Fit

    Raises
    ------
    KeyboardInterrupt
        When it was interrupted, whatever was drawn.
    """
    try:
        fitted = _drawn(posterior, compiled, seed, draws, console, kept)
    except KeyboardInterrupt:
        console.print(_GOES_ON)
        raise
    if fitted.draws.wanted_per_chain is not None:
        console.print(_GOES_ON)
        raise KeyboardInterrupt
    return fitted


def _drawn(
    posterior: "Posterior",
    compiled: "CompiledFit",
    seed: int,
    draws: int,
    console: Console,
    kept: Path,
) -> "Fit":
    from pkmodels.fitting.fit import fit

    if not console.is_terminal:
        return fit(
            posterior,
            seed=seed,
            draws_per_chain=draws,
            compiled=compiled,
            progress=_lines(console),
            folder=kept,
        )
    columns = (TextColumn("Sampling"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task, measure = bar.add_task("", total=None), _stopwatch()

        def show(done: int, total: int) -> None:
            _, drawn = measure(done, total)
            # Its speed must not be that of draws that were loaded.
            change = bar.update if drawn > 0 else bar.reset
            change(task, total=total, completed=done)

        return fit(
            posterior,
            seed=seed,
            draws_per_chain=draws,
            compiled=compiled,
            progress=show,
            folder=kept,
        )


def _lines(console: Console) -> Callable[[int, int], None]:
    """Return what tells of progress in lines, where there is no terminal to draw on."""
    measure, told = _stopwatch(), time.perf_counter()

    def tell(done: int, total: int) -> None:
        nonlocal told
        seconds, drawn = measure(done, total)
        now = time.perf_counter()
        if now - told >= _SECONDS_BETWEEN_LINES and drawn > 0 and done < total:
            left = seconds * (total - done) / drawn
            console.print(f"Sampling: {done / total:.0%}, about {left:.0f} s left")
            told = now

    return tell


def _stopwatch() -> Callable[[int, int], tuple[float, int]]:
    """Return what gives seconds and draws since draws are made, not loaded."""
    began = before = 0.0
    first = last = of = 0
    loading = True

    def measure(done: int, total: int) -> tuple[float, int]:
        nonlocal began, before, first, last, of, loading
        now = time.perf_counter()
        another = total != of or done <= last
        loading = another or (loading and now - before < _AT_ONCE_S)
        if loading:
            began, first = now, done
        before, last, of = now, done, total
        return now - began, done - first

    return measure


def _write(out: Path, fit: "Fit", result: Result, figures: "ReportFigures") -> None:
    """Write every file beside its name, and rename them when all are whole."""
    from pkmodels.atomic_files import replace_atomically
    from pkmodels.clinic.figure_data import curves_table
    from pkmodels.clinic.report import write_report
    from pkmodels.clinic.summary_csv import summary_table
    from pkmodels.fitting.trees import to_tree

    with ExitStack() as stack:
        answer, summary, curves, posterior, report = (
            stack.enter_context(replace_atomically(out / name)) for name in WRITTEN
        )
        write_report(report, result, figures)
        to_tree(fit).to_netcdf(posterior, engine="h5netcdf")
        curves.write_text(curves_table(figures.curves), "utf-8")
        summary.write_text(summary_table(result), "utf-8")
        answer.write_text(result.model_dump_json(indent=2) + "\n", "utf-8")
