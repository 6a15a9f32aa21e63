"""A result printed in the terminal: short, at 80 columns, without need of colour."""

import textwrap
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from pkmodels.clinic.decision_text import SafeActivityText, safe_activities
from pkmodels.clinic.result_format import Result
from pkmodels.clinic.result_text import (
    ACCEPTED_WITHOUT_SCANS,
    budget_scope,
    check_figures,
    check_notes,
    dose_received_rows,
    main_uncertainties,
    organ_notes,
    organ_rows,
    stated_alone,
    trust,
    uninformed_parameters,
)
from pkmodels.clinic.scan_text import best_scan


def print_result(result: Result, console: Console) -> None:
    """Print a result as a person reads it: first what is not protected.

    Parameters
    ----------
    result : Result
        The result, as `read_result` gives it.
    console : Console
        Where to print; 80 columns are enough.

    Examples
    --------
    >>> checks = {"passed": False, "rhat_max": 1.2, "ess_bulk_min": 40,
    ...           "ess_tail_min": 35, "divergences": 3, "failed_solves": 0,
    ...           "reasons": ["R-hat is 1.2: give more data"]}
    >>> result = Result(patient_id="P1", model="organ_exchange", checks=checks,
    ...                 versions={}, seed=0, data_sha256="0" * 64)
    >>> print_result(result, Console(width=80))  # doctest: +ELLIPSIS
    Patient P1, model organ_exchange
    ...
    The fit may NOT be trusted...
    """
    _print_line(console, f"Patient {result.patient_id}, model {result.model}")
    if result.note is not None:
        _print_line(console, result.note)
    _print_waived(result, console)
    _print_without_scans(result, console)
    _print_checks(result, console)
    if result.checks.passed:
        _print_organs(result, console)
        _print_dose_received(result, console)
        for safe in safe_activities(result):
            _print_safe_activity(safe, console)
        _print_uncertainty(result, console)
        _print_contraction(result, console)
    _print_list("Warnings", result.warnings, console)
    _print_sources(result, console)
    _print_line(console, result.not_validated, style="bold")
    versions = ", ".join(f"{name} {v}" for name, v in result.versions.items())
    _print_line(console, f"Seed {result.seed}, data {result.data_sha256[:12]}")
    if versions:
        _print_line(console, f"Made with {versions}")


def _print_waived(result: Result, console: Console) -> None:
    if not result.waived:
        return
    console.print()
    _print_line(console, "WAIVED LIMITS: these organs are not protected", "bold")
    for target, reason in result.waived.items():
        _print_item(console, f"{target}: {reason}", mark="!")


def _print_without_scans(result: Result, console: Console) -> None:
    if not result.without_scans:
        return
    console.print()
    _print_line(console, ACCEPTED_WITHOUT_SCANS, "bold")
    for target, reason in result.without_scans.items():
        _print_item(console, f"{target}: {reason}", mark="!")


def _print_checks(result: Result, console: Console) -> None:
    console.print()
    _print_line(console, trust(result.checks), "bold")
    for note in check_notes(result.checks):
        _print_item(console, note)
    _print_item(console, check_figures(result.checks))


def _print_organs(result: Result, console: Console) -> None:
    """Print the planned labels; a screen does not hold the measured ones too."""
    headers = ("", "TIAC (h)", "Eff. T1/2 (h)", "Gy/GBq", "Tail")
    for planned in result.safe_activity:
        rows = [
            (organ, row.tiac, row.half_life, row.dose, row.after_last_scan)
            for organ, of_organ in organ_rows(result).items()
            for row in of_organ
            if row.label == planned
        ]
        _print_heading(
            console, f"Kinetics and dose of {planned}: median (95 % interval)"
        )
        _print_columns(console, headers, rows)
    _print_item(
        console, "Tail: the part of the TIA after the last scan, which no scan saw."
    )
    for note in organ_notes(result):
        _print_item(console, note)


def _print_dose_received(result: Result, console: Console) -> None:
    """Print what counts: regions with a limit, or all where every limit is waived."""
    limited = {
        name for safe in result.safe_activity.values() for name in safe.per_limit
    }
    rows = [
        row for row in dose_received_rows(result) if row[0] in limited or not limited
    ]
    if rows:
        without = ", without the history" if result.history else ""
        heading = f"Dose already received{without}: median (95 % interval)"
        _print_heading(console, heading)
        _print_columns(console, ("", "Absorbed dose (Gy)"), rows)
    for history in result.history:
        _print_item(console, f"History: {history}")


def _print_safe_activity(safe: SafeActivityText, console: Console) -> None:
    _print_heading(console, f"SAFE ACTIVITY of {safe.label}: {safe.headline}")
    for note in safe.notes:
        _print_item(console, note)
    if not safe.limits:
        return
    console.print()
    headers = ("Limit on", "at most", "alone allows", "P(above)", "")
    rows = [
        (row.name, row.limit, row.activity, row.probability, row.binds)
        for row in safe.limits
    ]
    _print_columns(console, headers, rows)
    _print_item(
        console, "P(above): probability of exceeding the limit at the safe activity."
    )


def _print_uncertainty(result: Result, console: Console) -> None:
    lines, scope = main_uncertainties(result), budget_scope(result)
    if lines and scope is not None:
        lines = (*lines, scope)
    _print_list("Where the uncertainty comes from", lines, console)
    _print_list("What one more scan would tell", best_scan(result), console)


def _print_contraction(result: Result, console: Console) -> None:
    uninformed = uninformed_parameters(result)
    if uninformed:
        joined = ", ".join(uninformed)
        heading = "The prior, not the data, speaks for (0: no data, 1: data alone)"
        _print_list(heading, (joined,), console)
    stated = stated_alone(result)
    if stated is not None:
        if not uninformed:
            console.print()
        _print_item(console, stated)


def _print_sources(result: Result, console: Console) -> None:
    """Say where assumptions and sources are; the terminal is one screen."""
    console.print()
    counts = (
        (len(result.assumptions), "assumption"),
        (len(result.priors), "prior"),
        (len(result.s_values), "S-value"),
    )
    told = ", ".join(
        f"{count} {name}{'' if count == 1 else 's'}" for count, name in counts if count
    )
    if told:
        _print_line(console, f"Read them with their sources in report.html: {told}")


def _print_list(heading: str, items: Iterable[str], console: Console) -> None:
    listed = tuple(items)
    if listed:
        _print_heading(console, heading)
        for item in listed:
            _print_item(console, item)


def _print_columns(
    console: Console, headers: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    """Print a table: names left, numbers right."""
    lines = [[_printable(cell) for cell in line] for line in (headers, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for number, line in enumerate(lines):
        name, *numbers = line
        padded = zip(numbers, widths[1:], strict=True)
        cells = [name.ljust(widths[0]), *(cell.rjust(width) for cell, width in padded)]
        _print_line(console, "  ".join(cells).rstrip())
        if number == 0:
            _print_line(console, "-" * (sum(widths) + 2 * (len(widths) - 1)))


def _print_heading(console: Console, heading: str) -> None:
    console.print()
    _print_line(console, heading, "bold")


def _print_line(console: Console, text: str, style: str = "") -> None:
    console.print(Text(_printable(text), style=style))


def _print_item(console: Console, text: str, mark: str = "-") -> None:
    lines = textwrap.wrap(
        _printable(text),
        width=max(console.width, 20),
        initial_indent=f"  {mark} ",
        subsequent_indent="    ",
    )
    for line in lines:
        _print_line(console, line)


def _printable(text: str) -> str:
    """Blank out control characters, which could steer a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
