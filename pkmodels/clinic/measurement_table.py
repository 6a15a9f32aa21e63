"""The rows of measurements.csv: read, with every mistake told by line and column."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pkmodels.clinic.measurement_cells import COUNTS, READERS
from pkmodels.errors import InputError, suggest

FILE_NAME = "measurements.csv"

COLUMNS = (
    "region",
    "label",
    "modality",
    "start_h",
    "end_h",
    "value",
    "unit",
    "sd",
    "decay_corrected_to_h",
)
# Those may be left out: blank in every row.
OPTIONAL_COLUMNS = ("below", "sample", "live_time_s", "background_counts")

_HEADER = ",".join(COLUMNS)
# Columns that belong to counts, and those that do not.
_OF_COUNTS = ("live_time_s", "background_counts")
_NOT_OF_COUNTS = ("sd", "decay_corrected_to_h")
_SECONDS_PER_HOUR = 3600.0
# A printed time is rounded: 20 min are 0.333 h.
_ROUNDED = 1.02


@dataclass(frozen=True)
class MeasurementRow:
    """One row of measurements.csv as written there, in its own unit.

    Parameters
    ----------
    line : int
        Line of the file, from 1.
    region : str
        Name of the region.
    label : str or None
        Radionuclide; None where it is blank.
    modality : str
        What measured it.
    start_h, end_h : float
        Start and end of the acquisition, h, end >= start.
    value : float
        The value in `unit`, > 0, or 0 with an `sd`; of counts a whole number.
    unit : str
        One of `pkmodels.clinic.measurement_cells.UNITS`.
    sd : float or None
        One standard deviation of the value, in `unit`, > 0; None where blank.
    decay_corrected_to_h : float or None
        Time that the value is decay-corrected to, h; None where blank.
    below : bool
        Whether `value` is a limit of quantification that was not reached.
    sample : str or None
        Name of the sample that it is a replicate of; None where blank.
    live_time_s : float or None
        Of counts: the time of counting less the dead time, s, > 0.
    background_counts : float or None
        Of counts: those expected in that time without the region's activity, >= 0.
    """

    line: int
    region: str
    label: str | None
    modality: str
    start_h: float
    end_h: float
    value: float
    unit: str
    sd: float | None
    decay_corrected_to_h: float | None
    below: bool = False
    sample: str | None = None
    live_time_s: float | None = None
    background_counts: float | None = None


def at(line: int, column: str | None = None) -> str:
    """Name a line of measurements.csv, and a column of it, for a message.

    Parameters
    ----------
    line : int
        Line of the file, from 1.
    column : str, optional
        Name of the column.

    Returns
    -------
    str

    Examples
    --------
    >>> at(7, "value")
    'measurements.csv line 7, column value'
    """
    return f"{FILE_NAME} line {line}" + (f", column {column}" if column else "")


def parse_measurement_rows(text: str) -> tuple[MeasurementRow, ...]:
    r"""Read the text of a measurements.csv.

    Parameters
    ----------
    text : str
        The whole file.

    Returns
    -------
    tuple of MeasurementRow
        In the order of the file; at least one.

    Raises
    ------
    InputError
        When it holds no measurement, its header is not the format's, or a row
        cannot be read; one line for each mistake.

    Examples
    --------
    >>> header = "region,label,modality,start_h,end_h,value,unit,sd,"
    >>> rows = parse_measurement_rows(
    ...     header + "decay_corrected_to_h\n"
    ...     "# four days after the injection\n"
    ...     "liver,,SPECT,96,,41.5,MBq,,\n"
    ... )
    >>> rows[0].line, rows[0].value, rows[0].end_h, rows[0].label
    (3, 41.5, 96.0, None)
    """
    lines = [
        (number, line)
        for number, line in enumerate(_split_lines(text), start=1)
        if line.strip(", \t;") and not line.lstrip().startswith("#")
    ]
    if not lines:
        raise InputError(
            f"{FILE_NAME}: the file is empty; its first row is the header {_HEADER}"
        )
    header = _parse_header(*lines[0])
    if len(lines) == 1:
        raise InputError(
            f"{FILE_NAME}: holds the header and no measurement; add a row for each"
        )
    problems: list[str] = []
    rows = [_parse_row(number, line, header, problems) for number, line in lines[1:]]
    if problems:
        raise InputError("\n".join(problems))
    return tuple(row for row in rows if row is not None)


def _split_lines(text: str) -> list[str]:
    # str.splitlines would also break a line at characters that no editor counts.
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _parse_header(number: int, line: str) -> list[str]:
    header = [cell.strip() for cell in _split_cells(number, line)]
    for mark, name in ((";", "semicolons"), ("\t", "tabs")):
        if mark in line:
            raise InputError(
                f"{at(number)}: columns are separated by {name}; save the table with "
                "commas between columns and points in decimals"
            )
    known = (*COLUMNS, *OPTIONAL_COLUMNS)
    unknown = [name for name in header if name not in known]
    missing = [name for name in COLUMNS if name not in header]
    problems = [
        f"{at(number)}: unknown column {name!r}; {suggest(name, known)}"
        for name in unknown
    ]
    if missing:
        problems.append(
            f"{at(number)}: missing column {', '.join(missing)}; the header is "
            f"{_HEADER}, in any order, and may have {', '.join(OPTIONAL_COLUMNS)}"
        )
    problems += [
        f"{at(number)}: column {name} is given twice; remove one"
        for name in known
        if header.count(name) > 1
    ]
    if problems:
        raise InputError("\n".join(problems))
    return header


def _split_cells(number: int, line: str) -> list[str]:
    try:
        return next(csv.reader([line], strict=True, skipinitialspace=True))
    except csv.Error as error:
        raise InputError(
            f"{at(number)}: the row cannot be split into columns ({error}); close "
            "every quotation mark on its own line"
        ) from None


def _parse_row(
    number: int, line: str, header: list[str], problems: list[str]
) -> MeasurementRow | None:
    """Read one row, or add what is wrong with it to `problems`."""
    try:
        cells = _split_cells(number, line)
    except InputError as error:
        problems.append(str(error))
        return None
    if len(cells) != len(header):
        problems.append(
            f"{at(number)}: {len(cells)} columns where the header has {len(header)}; "
            "look for a decimal comma or a missing comma (a blank cell keeps its comma)"
        )
        return None
    parsed: dict[str, Any] = {}
    for column, cell in zip(header, cells, strict=True):
        try:
            parsed[column] = READERS[column](cell.strip())
        except InputError as error:
            problems.append(f"{at(number, column)}: {error}")
    if len(parsed) < len(header):
        return None
    if parsed["end_h"] is None:
        parsed["end_h"] = parsed["start_h"]
    row = MeasurementRow(line=number, **parsed)
    found = list(_row_problems(row))
    problems += found
    return None if found else row


def _row_problems(row: MeasurementRow) -> Iterator[str]:
    if row.value < 0:
        yield (
            f"{at(row.line, 'value')}: found {row.value:g}; a value is above 0, or 0 "
            "with an sd"
        )
    if row.value == 0 and row.below:
        yield f"{at(row.line, 'value')}: found 0 with below = yes; {_LIMIT}"
    elif row.value == 0 and row.sd is None and row.unit != COUNTS:
        yield (
            f"{at(row.line, 'value')}: found 0 without an sd; give the sd, since 0 "
            "alone says nothing of how little was there; or, with below = yes, the "
            "limit of quantification; or leave the row out"
        )
    if row.end_h < row.start_h:
        yield (
            f"{at(row.line, 'end_h')}: the end {row.end_h:g} h is before the start "
            f"{row.start_h:g} h; exchange or mend them"
        )
    yield from _count_problems(row)


def _count_problems(row: MeasurementRow) -> Iterator[str]:
    """Find what does not go with counts, or with anything else."""
    counted = row.unit == COUNTS
    for column in _NOT_OF_COUNTS if counted else _OF_COUNTS:
        if getattr(row, column) is not None:
            belongs = (
                f"it belongs to the unit {COUNTS}"
                if column in _OF_COUNTS
                else f"{COUNTS} are given as they were counted, uncorrected"
            )
            yield f"{at(row.line, column)}: the unit is {row.unit}, and {belongs}"
    for column in _OF_COUNTS if counted else ():
        if getattr(row, column) is None:
            yield (
                f"{at(row.line, column)}: is blank; {COUNTS} need it: "
                f"{_COUNTING[column]}"
            )
    if not counted:
        return
    if row.below:
        yield (
            f"{at(row.line, 'below')}: {COUNTS} are never below a limit; give the "
            "number, 0 included, and leave it blank"
        )
    if row.value != round(row.value):
        yield (
            f"{at(row.line, 'value')}: found {row.value:g} {COUNTS}; give a whole "
            "number, before any correction"
        )
    length_s = (row.end_h - row.start_h) * _SECONDS_PER_HOUR * _ROUNDED
    if row.live_time_s is not None and 0.0 < length_s < row.live_time_s:
        yield (
            f"{at(row.line, 'live_time_s')}: found {row.live_time_s:g} s, more than "
            f"lies between {row.start_h:g} and {row.end_h:g} h; mend one of them"
        )


_LIMIT = "give the limit of quantification, above 0, that was not reached"
_COUNTING = {
    "live_time_s": "the time of counting less the dead time, s",
    "background_counts": "those expected in that time without the region's activity, "
    "0 if there are none",
}
