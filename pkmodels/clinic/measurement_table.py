"""The rows of measurements.csv: read, with every mistake told by line and column."""

import csv
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

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
UNITS = ("MBq", "kBq", "%IA", "kBq/mL", "%IA/g")

_HEADER = ",".join(COLUMNS)
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_REFERENCE_TIME = (
    "give the time in h that the value is corrected to (0 = start of the first "
    "administration), or leave it blank for the activity at the time of the scan"
)


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
        The value in `unit`, > 0, or 0 with an `sd`.
    unit : str
        One of `UNITS`.
    sd : float or None
        One standard deviation of the value, in `unit`, > 0; None where blank.
    decay_corrected_to_h : float or None
        Time that the value is decay-corrected to, h; None where blank.
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
    unknown = [name for name in header if name not in COLUMNS]
    missing = [name for name in COLUMNS if name not in header]
    problems = [
        f"{at(number)}: unknown column {name!r}; {suggest(name, COLUMNS)}"
        for name in unknown
    ]
    if missing:
        problems.append(
            f"{at(number)}: missing column {', '.join(missing)}; the header is "
            f"{_HEADER}, in any order"
        )
    problems += [
        f"{at(number)}: column {name} is given twice; remove one"
        for name in COLUMNS
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
            parsed[column] = _READERS[column](cell.strip())
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
    if row.value == 0 and row.sd is None:
        yield (
            f"{at(row.line, 'value')}: found 0 without an sd; give the sd, since 0 "
            "alone says nothing of how little was there, or leave the row out"
        )
    if row.end_h < row.start_h:
        yield (
            f"{at(row.line, 'end_h')}: the end {row.end_h:g} h is before the start "
            f"{row.start_h:g} h; exchange or mend them"
        )


def _text(text: str) -> str:
    if not text or not text.isprintable():
        raise InputError("is blank; give a name" if not text else f"found {text!r}")
    return text


def _unit(text: str) -> str:
    if text in UNITS:
        return text
    if "corr" in text.casefold():
        raise InputError(
            f"found {text!r}; the unit is one of {', '.join(UNITS)}, and a correction "
            f"is told in decay_corrected_to_h: {_REFERENCE_TIME}"
        )
    raise InputError(f"unknown unit {text!r}; {suggest(text, UNITS)}")


def _number(text: str) -> float:
    if not text:
        raise InputError("is blank; give a number")
    if re.fullmatch(r"[+-]?[0-9.]*,[0-9]+([eE][+-]?[0-9]+)?", text):
        raise InputError(f"found {text!r}; write decimals with a point, not a comma")
    if _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    if re.fullmatch(r"[+-]?(nan|inf|infinity)", text.casefold()) or _NUMBER.fullmatch(
        text
    ):
        raise InputError(f"found {text}; give a finite number, or leave the row out")
    raise InputError(f"found {text!r}; give a number alone, as 98.56")


def _optional_number(text: str) -> float | None:
    return _number(text) if text else None


def _positive_or_blank(text: str) -> float | None:
    number = _optional_number(text)
    if number is not None and number <= 0:
        raise InputError(
            f"found {number:g}; an sd is above 0; leave it blank to have it estimated"
        )
    return number


def _reference(text: str) -> float | None:
    try:
        return _optional_number(text)
    except InputError:
        raise InputError(f"found {text!r}; {_REFERENCE_TIME}") from None


_READERS: dict[str, Callable[[str], object]] = {
    "region": _text,
    "label": lambda text: text or None,
    "modality": _text,
    "start_h": _number,
    "end_h": _optional_number,
    "value": _number,
    "unit": _unit,
    "sd": _positive_or_blank,
    "decay_corrected_to_h": _reference,
}
