"""The command line: what each command takes, and what it prints.

What takes long to import is imported inside the command that needs it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from pkmodels.errors import FitRefusedError, InputError, PkmodelsError

EXIT_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_REFUSED = 3
EXIT_INTERRUPTED = 130

DEFAULT_SEED = 0
MAX_SEED = 2**31 - 1

app = typer.Typer(
    name="pkmodels",
    help="How much activity is safe: one patient's measurements, fitted and carried "
    "through another radionuclide, dose and limits. Research software, not "
    "clinically validated.",
    epilog="Exit status: 0 done, 1 failed, 2 bad input, 3 refused (the fit may not be "
    "trusted, or the scans end too early for an activity), 130 interrupted.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_Folder = Annotated[
    Path,
    typer.Argument(metavar="FOLDER", help="Holds patient.toml and measurements.csv."),
]
_Seed = Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Repeats a run exactly.")]


@contextmanager
def _failures_reported() -> Iterator[None]:
    """Turn the errors that pkmodels raises on purpose into a message and a status."""
    try:
        yield
    except InputError as error:
        message, status = f"Error: {error}", EXIT_BAD_INPUT
    except FitRefusedError as error:
        message, status = f"The fit is refused: {error}", EXIT_REFUSED
    except PkmodelsError as error:
        message, status = f"Error: {error}", EXIT_FAILED
    except OSError as error:
        if error.filename is None:
            raise
        message, status = f"Error: {error.filename}: {error.strerror}", EXIT_FAILED
    except KeyboardInterrupt:
        message, status = "Interrupted.", EXIT_INTERRUPTED
    else:
        return
    typer.echo(message, err=True)
    raise typer.Exit(status)


def _print_version(asked: bool) -> None:
    if asked:
        from pkmodels import __version__

        typer.echo(f"pkmodels {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Print the version and exit.",
        ),
    ] = False,
) -> None:
    pass


@app.command(help="Check a patient's folder and describe it; nothing is fitted.")
@_failures_reported()
def check(folder: _Folder) -> None:
    """Check a patient's folder and print its summary."""
    from pkmodels.clinic.answerable import check_answerable
    from pkmodels.clinic.patient_files import read_patient
    from pkmodels.clinic.patient_summary import summarize

    patient = read_patient(folder)
    check_answerable(patient)
    typer.echo(summarize(patient))


@app.command(help="Write a commented template of a patient's folder.")
@_failures_reported()
def new(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Made if it does not exist.")
    ],
) -> None:
    """Write the template and say what to do next."""
    from pkmodels.clinic.template import write_template

    for path in write_template(folder):
        typer.echo(f"wrote {path}")
    typer.echo(f"Its numbers are made up: replace them, then `pkmodels check {folder}`")


@app.command(
    "import",
    help="Write an organ table of another program (one row a time, one column an "
    "organ) as measurements.csv.",
)
@_failures_reported()
def import_measurements(
    table: Annotated[
        Path | None,
        typer.Argument(metavar="TABLE", help="The table, as CSV.", show_default=False),
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What the table's columns are, as TOML."),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(metavar="FILE", help="The file to write; it must not exist."),
    ] = Path("measurements.csv"),
    example: Annotated[
        bool, typer.Option("--example", help="Print an example of a mapping, and end.")
    ] = False,
) -> None:
    """Import a table and account for every column and empty cell of it."""
    from pkmodels.clinic.organ_import import import_table
    from pkmodels.clinic.template import example_mapping

    if example:
        typer.echo(example_mapping(), nl=False)
        return
    if table is None or mapping is None:
        given = {"TABLE": table, "--mapping": mapping}
        lacking = ", ".join(name for name, value in given.items() if value is None)
        raise InputError(
            f"{lacking} missing: pkmodels import TABLE.csv --mapping MAPPING.toml "
            "[--out FOLDER/measurements.csv] (`pkmodels import --example` prints a "
            "mapping)"
        )
    for line in import_table(table, mapping, out):
        typer.echo(line)
    typer.echo(f"Beside it belongs patient.toml; then `pkmodels check {out.parent}`")


@app.command(
    "safe-activity",
    help="Fit the measurements and print the largest activity that is safe.",
)
@_failures_reported()
def safe_activity(
    folder: _Folder,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where the result is written; the default is out/ in FOLDER.",
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print result.json instead of the table.")
    ] = False,
    seed: _Seed = DEFAULT_SEED,
) -> None:
    """Run the workflow; the result goes to stdout, all else to stderr."""
    from rich.console import Console

    from pkmodels.clinic.result_table import print_result
    from pkmodels.clinic.workflow import run

    output = run(folder, out, seed, Console(stderr=True))
    if json:
        typer.echo(output.result.model_dump_json(indent=2))
    else:
        print_result(output.result, Console())
    raise typer.Exit(output.exit_code)


_Workers = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="N",
        help="Processes; the default is one a processor, 0 is this one alone.",
    ),
]
_Scheduler = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="A running dask scheduler, instead."),
]
_Retry = Annotated[bool, typer.Option("--retry", help="Do again what failed before.")]


@app.command(
    help="Do every patient's folder in FOLDER as safe-activity does, and write a table "
    "and a page of all. Given again, it goes on."
)
@_failures_reported()
def cohort(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Holds patients' folders.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Where results are written; default out/ in FOLDER."
        ),
    ] = None,
    workers: _Workers = None,
    scheduler: _Scheduler = None,
    retry: _Retry = False,
    prior_out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Learn how the patients' kinetics differ, and write it as the prior "
            "of the next patient ([cohort_prior] in patient.toml).",
        ),
    ] = None,
    seed: _Seed = DEFAULT_SEED,
) -> None:
    """Run a cohort; the summary goes to stdout, progress to stderr."""
    from pkmodels.clinic.many_patients import do_cohort

    text, status = do_cohort(
        folder,
        out or folder / "out",
        seed,
        workers=workers,
        scheduler=scheduler,
        retry_failed=retry,
        prior_out=prior_out,
    )
    typer.echo(text, nl=False)
    raise typer.Exit(status)


@app.command(
    help="Simulate patients, fit them, and test whether their truths are where the "
    "draws say. SUBJECT is a patient's folder, clinic-default or pentixather."
)
@_failures_reported()
def calibrate(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="SUBJECT",
            help="Whose times, regions and model are simulated; values do not count.",
        ),
    ],
    patients: Annotated[
        int, typer.Option(min=1, metavar="N", help="How many; more goes on.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where it is written.")],
    workers: _Workers = None,
    scheduler: _Scheduler = None,
    retry: _Retry = False,
) -> None:
    """Run a calibration; the tests go to stdout, progress to stderr."""
    from pkmodels.clinic.many_patients import do_calibration

    text, status = do_calibration(
        subject,
        patients,
        out,
        workers=workers,
        scheduler=scheduler,
        retry_failed=retry,
    )
    typer.echo(text, nl=False)
    raise typer.Exit(status)


@app.command(
    "compare",
    help="Fit the measurements with several models: which predicts the scans best, "
    "and what activity is safe over all of them. Given again, it goes on.",
)
@_failures_reported()
def compare(
    folder: _Folder,
    model: Annotated[
        list[str],
        typer.Option(metavar="NAME", help="A model of a patient; at least two."),
    ],
    by: Annotated[
        str,
        typer.Option(metavar="WHAT", help="Left out at a time: scan, region or row."),
    ] = "scan",
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where comparison.html and .json are written; default out/ in FOLDER.",
        ),
    ] = None,
    seed: _Seed = DEFAULT_SEED,
) -> None:
    """Compare models; the result goes to stdout, all else to stderr."""
    from rich.console import Console

    from pkmodels.clinic.model_comparison import compare_models, describe_comparison

    found = compare_models(folder, model, by, seed, Console(stderr=True), out)
    typer.echo(describe_comparison(found))
    raise typer.Exit(EXIT_REFUSED if found.refused else 0)


@app.command(
    help="Fit a patient's measurements, and say what one more scan would tell of the "
    "dose, and when.",
)
@_failures_reported()
def design(
    folder: _Folder,
    latest: Annotated[
        float,
        typer.Option(
            metavar="H", min=1.0, help="The latest time, h after the occasion's dose."
        ),
    ] = 168.0,
    seed: _Seed = DEFAULT_SEED,
) -> None:
    """Value one more scan; the result goes to stdout, all else to stderr."""
    from rich.console import Console

    from pkmodels.clinic.another_scan import describe_scans, value_scans

    found = value_scans(folder, latest, seed, Console(stderr=True))
    typer.echo(describe_scans(found))


@app.command(
    help="Fit a patient's measurements, and say of every kinetic parameter whether "
    "such scans can tell it, and whether these do (profiles).",
)
@_failures_reported()
def identify(
    folder: _Folder,
    level: Annotated[
        float,
        typer.Option(metavar="P", min=0.5, max=0.999, help="Of the intervals."),
    ] = 0.95,
    seed: _Seed = DEFAULT_SEED,
) -> None:
    """Say what is identifiable; the table goes to stdout, all else to stderr."""
    from rich.console import Console

    from pkmodels.clinic.identification import identify_patient

    found = identify_patient(folder, level, seed, Console(stderr=True))
    typer.echo(found.describe())


@app.command(
    help="List the library's models: what each is, and what it was tested against."
)
@_failures_reported()
def models(
    sizes: Annotated[
        bool,
        typer.Option(
            "--sizes", help="Count amounts and parameters, too; this takes seconds."
        ),
    ] = False,
) -> None:
    """Print the table of the library's models."""
    from pkmodels.clinic.model_list import list_models

    typer.echo(list_models(sizes=sizes))
    typer.echo("One of them: `pkmodels show NAME --as table`")


@app.command(help="Print a model: its reactions, equations, graph or tables.")
@_failures_reported()
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A model of the library, or FILE.py:NAME of a function or a model.",
        ),
    ],
    form: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="FORM",
            help="chemistry, equations, latex, graph (SVG), table or supplement "
            "(Markdown).",
        ),
    ] = "chemistry",
) -> None:
    """Print a model in one of the forms."""
    from pkmodels.clinic.model_display import show as display

    typer.echo(display(name, form))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows `pkmodels`; by default the arguments of the process.

    Returns
    -------
    int
        The exit status: 0 done, 1 failed, 2 bad input, 3 refused (the fit may not
        be trusted, or the scans end too early for an activity), 130 interrupted.

    Examples
    --------
    >>> main(["check", "no-such-folder"])
    2
    """
    try:
        app(args=None if arguments is None else list(arguments), prog_name="pkmodels")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else EXIT_FAILED
    return 0
