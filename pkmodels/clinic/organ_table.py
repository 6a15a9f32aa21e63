"""Organ tables of other programs: one row a time and one column an organ, read."""

import csv
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from pkmodels.clinic.measurement_table import MeasurementRow
from pkmodels.clinic.organ_mapping import (
    CLOCK,
    UNITS,
    ColumnTable,
    OrganMapping,
)
from pkmodels.errors import InputError, suggest

_NUMBERS = {
    ".": re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"),
    ",": re.compile(r"[+-]?([0-9]+,?[0-9]*|,[0-9]+)([eE][+-]?[0-9]+)?"),
}
# Multiplied, then divided: both are whole numbers, so that 24 h stay 24 h.
_HOURS = {"h": (1.0, 1.0), "d": (24.0, 1.0), "min": (1.0, 60.0), "s": (1.0, 3600.0)}
_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True)
class OrganTable:
    """What an organ table holds, in the terms of measurements.csv.

    Parameters
    ----------
    rows : tuple of MeasurementRow
        By region, then in the order of the table; `line` is the table's.
    blanks : tuple of str
        Where a cell of values is empty: line and column.
    without_sd : int
        How many values have no sd, though their column has a column for it.
    empty_lines : tuple of int
        Lines below the header without any cell.
    """

    rows: tuple[MeasurementRow, ...]
    blanks: tuple[str, ...]
    without_sd: int
    empty_lines: tuple[int, ...]


def parse_organ_table(text: str, mapping: OrganMapping, name: str) -> OrganTable:
    """Read the text of an organ table.

    Parameters
    ----------
    text : str
        The whole file.
    mapping : OrganMapping
        What its columns are.
    name : str
        The file's name, for messages.

    Returns
    -------
    OrganTable

    Raises
    ------
    InputError
        When a column is neither mapped nor ignored, or is missing; a cell is not a
        number, a time or a value that can be; or a time is given twice. One line for
        each mistake, with line and column.

    Examples
    --------
    >>> from pkmodels.clinic.organ_mapping import parse_mapping
    >>> from pkmodels.clinic.template import example_mapping
    >>> mapping = parse_mapping(example_mapping(), "map.toml")
    >>> parse_organ_table("Time (h);Kidney L [MBq]", mapping, "organs.csv")
    Traceback (most recent call last):
        ...
    pkmodels.errors.InputError: organs.csv line 1: missing column 'Kidney R [MBq]', \
which the mapping names (values of kidney_right); the table has: 'Time (h)', \
'Kidney L [MBq]'
    organs.csv line 1: missing column 'Liver [MBq]', which the mapping names (values \
of liver); the table has: 'Time (h)', 'Kidney L [MBq]'
    organs.csv line 1: missing column 'Liver SD', which the mapping names (sd of \
liver); the table has: 'Time (h)', 'Kidney L [MBq]'
    organs.csv line 1: missing column 'Operator', which the mapping names (ignored); \
the table has: 'Time (h)', 'Kidney L [MBq]'
    """
    # str.splitlines would also break a line at characters that no editor counts.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if len(lines) < mapping.header_line or not lines[mapping.header_line - 1].strip():
        raise InputError(
            f"{name} line {mapping.header_line}: names no columns; mend header_line of "
            "the mapping"
        )
    below = list(enumerate(lines, start=1))[mapping.header_line :]
    header = _cells(lines[mapping.header_line - 1], mapping)
    if header is None:
        raise InputError(f"{name} line {mapping.header_line}: {_QUOTES}")
    problems = [
        f"{name} line {mapping.header_line}: {problem}"
        for problem in _header_problems(header, mapping)
    ]
    if problems:
        raise InputError("\n".join(problems))
    scans: list[_Scan] = []
    empty: list[int] = []
    for number, line in below:
        if not line.strip(_mark(mapping) + ' \t"'):
            empty.append(number)
            continue
        scan, found = _scan(number, line, header, mapping)
        problems += [f"{name} line {number}{problem}" for problem in found]
        if scan is not None:
            scans.append(scan)
    problems += _repeated(scans, name)
    if not problems and not any(scan.values for scan in scans):
        problems.append(f"{name}: holds no value below the header; export it again")
    if problems:
        raise InputError("\n".join(problems))
    # A line end at the end of the file makes no line.
    left_out = [number for number in empty if number < len(lines)]
    return _gather(scans, mapping, name, tuple(left_out))


_QUOTES = (
    "the row cannot be split into columns; close every quotation mark on its own line"
)


@dataclass(frozen=True)
class _Scan:
    """One row: start and end, h; value and sd by column name; columns left empty."""

    line: int
    start_h: float
    end_h: float
    values: Mapping[str, tuple[float, float | None]]
    blank: tuple[str, ...]


def _mark(mapping: OrganMapping) -> str:
    return "\t" if mapping.separator == "tab" else mapping.separator


def _cells(line: str, mapping: OrganMapping) -> list[str] | None:
    try:
        row = next(csv.reader([line], delimiter=_mark(mapping), strict=True))
    except csv.Error:
        return None
    return [cell.strip() for cell in row]


def _header_problems(header: list[str], mapping: OrganMapping) -> Iterator[str]:
    roles = dict(mapping.roles)
    has = ", ".join(repr(name) for name in header)
    if len(header) == 1:
        yield (
            f"found one column, {has}; does separator = {mapping.separator!r} of the "
            "mapping fit the table?"
        )
        return
    for name, role in roles.items():
        if name not in header:
            yield (
                f"missing column {name!r}, which the mapping names ({role}); the table "
                f"has: {has}"
            )
    for name in dict.fromkeys(header):
        if header.count(name) > 1:
            yield f"column {name!r} stands {header.count(name)} times; rename them"
        elif name not in roles:
            yield (
                f"column {name!r} is neither mapped nor ignored; add "
                f"[columns.{_quoted(name)}] with region and unit, or list it under "
                f"ignore; {suggest(name, roles)}"
            )


def _quoted(name: str) -> str:
    return f'"{name}"'


def _scan(
    number: int, line: str, header: list[str], mapping: OrganMapping
) -> tuple[_Scan | None, list[str]]:
    """Read one row; what is wrong with it follows the line's number in a message."""
    cells = _cells(line, mapping)
    if cells is None:
        return None, [f": {_QUOTES}"]
    if len(cells) != len(header):
        return None, [
            f": {len(cells)} columns where the header has {len(header)}; look for a "
            "missing separator, or a decimal mark that is one"
        ]
    row = dict(zip(header, cells, strict=True))
    problems: list[str] = []
    times = [
        _try(problems, name, lambda cell=row[name]: _time(cell, mapping))
        for name in mapping.time.columns
    ]
    values = {
        name: found
        for name, column in mapping.columns.items()
        if (found := _reading(problems, row, name, column, mapping)) is not None
    }
    blank = tuple(n for n in mapping.columns if _is_blank(row[n], mapping))
    start, end = times[0], times[-1]
    if start is not None and end is not None and end < start:
        problems.append(
            f", column {_quoted(mapping.time.columns[-1])}: the end is before the start"
        )
    if problems or start is None or end is None:
        return None, problems
    return _Scan(number, start, end, values, blank), []


def _reading(
    problems: list[str],
    row: Mapping[str, str],
    name: str,
    column: ColumnTable,
    mapping: OrganMapping,
) -> tuple[float, float | None] | None:
    """Return a column's value and sd; None where it is blank or wrong."""
    where = f", column {_quoted(name)}"
    if _is_blank(row[name], mapping):
        if column.sd_column and not _is_blank(row[column.sd_column], mapping):
            problems.append(
                f"{where}: is blank beside an sd; give the value, or clear both"
            )
        return None
    value = _try(problems, name, lambda: _value(row[name], mapping))
    sd = _sd(problems, row, column, value, mapping)
    if value == 0.0 and sd is None:
        problems.append(
            f"{where}: found 0 without an sd; give its sd, since 0 alone says nothing "
            "of how little was there, or clear the cell"
        )
    return None if value is None else (value, sd)


def _try(problems: list[str], column: str, read: Callable[[], float]) -> float | None:
    try:
        return read()
    except InputError as error:
        problems.append(f", column {_quoted(column)}: {error}")
        return None


def _is_blank(cell: str, mapping: OrganMapping) -> bool:
    return not cell or cell in mapping.blank


def _sd(
    problems: list[str],
    row: Mapping[str, str],
    column: ColumnTable,
    value: float | None,
    mapping: OrganMapping,
) -> float | None:
    if column.sd_fraction is not None and value:
        return column.sd_fraction * value
    name = column.sd_column
    if name is None or _is_blank(row[name], mapping):
        return None
    sd = _try(problems, name, lambda: _number(row[name], mapping))
    if sd is not None and sd <= 0.0:
        problems.append(
            f", column {_quoted(name)}: found {row[name]}; an sd is above 0; clear the "
            "cell to have it estimated"
        )
        return None
    return sd


def _number(cell: str, mapping: OrganMapping) -> float:
    if _NUMBERS[mapping.decimal].fullmatch(cell):
        number = float(cell.replace(",", "."))
        if math.isfinite(number):
            return number
    other = "," if mapping.decimal == "." else "."
    if other in cell:
        raise InputError(
            f"found {cell!r}, where decimal = {mapping.decimal!r} of the mapping; mend "
            "decimal, or take thousands separators out of the table"
        )
    raise InputError(
        f"found {cell!r}; give a number alone, clear the cell, or list it under blank "
        "of the mapping"
    )


def _value(cell: str, mapping: OrganMapping) -> float:
    number = _number(cell, mapping)
    if number < 0.0:
        raise InputError(f"found {cell}; a value is above 0, or 0 with an sd")
    return number


def _time(cell: str, mapping: OrganMapping) -> float:
    if _is_blank(cell, mapping):
        raise InputError("is blank; give the time of the scan, or remove the row")
    if mapping.time.unit == CLOCK:
        hours = _clock_hours(cell, mapping)
    else:
        number = _number(cell, mapping)
        times, over = _HOURS[mapping.time.unit]
        hours = number * times / over
    if hours < 0.0:
        raise InputError(
            f"found {cell}, {-hours:.4g} h before the first administration; times "
            "count from its start"
        )
    return hours


def _clock_hours(cell: str, mapping: OrganMapping) -> float:
    written, reference = mapping.time.clock_format, mapping.time.reference
    assert written is not None
    assert reference is not None
    try:
        then = datetime.strptime(cell, written)
    except ValueError:
        raise InputError(
            f"found {cell!r}, which is not written as clock_format {written!r} of the "
            "mapping says"
        ) from None
    first = datetime.strptime(reference, written)
    return (then - first).total_seconds() / _SECONDS_PER_HOUR


def _repeated(scans: list[_Scan], name: str) -> Iterator[str]:
    first: dict[tuple[float, float], _Scan] = {}
    for scan in scans:
        earlier = first.setdefault((scan.start_h, scan.end_h), scan)
        if earlier is not scan:
            yield (
                f"{name} line {scan.line}: {scan.start_h:g} h is the time of line "
                f"{earlier.line} too; remove one row, or mend its time"
            )


def _gather(
    scans: list[_Scan], mapping: OrganMapping, name: str, empty: tuple[int, ...]
) -> OrganTable:
    rows = [
        _row(scan, scan.values[title], column, mapping)
        for title, column in mapping.columns.items()
        for scan in scans
        if title in scan.values
    ]
    blanks = tuple(
        f"{name} line {scan.line}, column {_quoted(title)}"
        for scan in scans
        for title in scan.blank
    )
    lacking = [
        scan
        for title, column in mapping.columns.items()
        for scan in scans
        if column.sd_column and title in scan.values and scan.values[title][1] is None
    ]
    return OrganTable(tuple(rows), blanks, len(lacking), empty)


def _row(
    scan: _Scan,
    found: tuple[float, float | None],
    column: ColumnTable,
    mapping: OrganMapping,
) -> MeasurementRow:
    unit, over = UNITS[column.unit]
    value, sd = found
    corrected = mapping.decay_corrected_to
    if corrected == "start":
        corrected = scan.start_h
    return MeasurementRow(
        line=scan.line,
        region=column.region,
        label=mapping.label,
        modality=mapping.modality,
        start_h=scan.start_h,
        end_h=scan.end_h,
        value=value / over,
        unit=unit,
        sd=None if sd is None else sd / over,
        decay_corrected_to_h=None if corrected == "none" else float(corrected),
    )
