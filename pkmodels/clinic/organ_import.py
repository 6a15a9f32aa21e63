"""Organ tables imported: written as measurements.csv, with an account of every cell."""

import csv
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

from pkmodels.atomic_files import write_text_atomically
from pkmodels.clinic.measurement_table import COLUMNS, MeasurementRow
from pkmodels.clinic.organ_mapping import (
    CLOCK,
    UNITS,
    ColumnTable,
    OrganMapping,
    parse_mapping,
)
from pkmodels.clinic.organ_table import OrganTable, parse_organ_table
from pkmodels.errors import InputError


def import_table(table: Path, mapping: Path, out: Path) -> tuple[str, ...]:
    """Write an organ table as a measurements.csv.

    Parameters
    ----------
    table : Path
        The table that another program exported.
    mapping : Path
        What its columns are, in the format "pkmodels-mapping/1".
    out : Path
        The file to write; it must not exist, and its folder is made if need be.

    Returns
    -------
    tuple of str
        What was written, from which columns, and what was left out, line by line.

    Raises
    ------
    InputError
        When a file cannot be read or written, or the table and the mapping do not
        fit; one line for each mistake.

    Examples
    --------
    >>> import tempfile
    >>> from pkmodels.clinic.template import example_mapping
    >>> header = "Time (h);Kidney L [MBq];Kidney R [MBq];Liver [MBq];Liver SD;Operator"
    >>> with tempfile.TemporaryDirectory() as name:
    ...     folder = Path(name)
    ...     _ = (folder / "organs.csv").write_text(f"{header}\\n24,5;73,1;;321;9,6;KL")
    ...     _ = (folder / "map.toml").write_text(example_mapping())
    ...     told = import_table(
    ...         folder / "organs.csv", folder / "map.toml", folder / "measurements.csv"
    ...     )
    ...     rows = (folder / "measurements.csv").read_text().splitlines()[-2:]
    >>> rows
    ['kidney_left,Lu-177,SPECT,24.5,,73.1,MBq,,', \
'liver,Lu-177,SPECT,24.5,,321.0,MBq,9.6,']
    >>> told[-1]
    'left out, being empty: organs.csv line 2, column "Kidney R [MBq]"'
    """
    if out.exists():
        raise InputError(
            f"--out {out} exists already and is left as it is; name another file, or "
            "move it away"
        )
    stated = _read(mapping)
    plan = parse_mapping(_decode(stated, mapping.name, "utf-8"), mapping.name)
    content = _read(table)
    found = parse_organ_table(
        _decode(content, table.name, plan.encoding), plan, table.name
    )
    text = _header(table.name, content, mapping.name, stated, plan) + _csv(found.rows)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(out, text)
    except OSError as error:
        raise InputError(
            f"--out {out}: {error.strerror}: name a file in a folder that you may "
            "write to"
        ) from error
    return tuple(_account(out, found, plan))


def _csv(rows: tuple[MeasurementRow, ...]) -> str:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        cells = {name: getattr(row, name) for name in COLUMNS}
        if row.end_h == row.start_h:
            cells["end_h"] = None
        writer.writerow(cells.values())
    return written.getvalue()


def _header(
    table: str, content: bytes, mapping: str, stated: bytes, plan: OrganMapping
) -> str:
    """Write where the values come from as comments of measurements.csv."""
    corrected = plan.decay_corrected_to
    sources = [
        f"Imported by `pkmodels import` from {table}",
        f"  sha256 {hashlib.sha256(content).hexdigest()}",
        f"with the mapping {mapping}",
        f"  sha256 {hashlib.sha256(stated).hexdigest()}",
        f"Decay-corrected to: {corrected}" + (" h" if corrected != "none" else ""),
        *(_mapped(name, column) for name, column in plan.columns.items()),
        *(f'"{name}": ignored' for name in plan.ignore),
    ]
    return "".join(f"# {line}\n" for line in sources)


def _mapped(name: str, column: ColumnTable) -> str:
    unit, over = UNITS[column.unit]
    divided = f", divided by {over:g}: {unit}" if over != 1.0 else ""
    sd = f', sd from "{column.sd_column}"' if column.sd_column else ""
    if column.sd_fraction is not None:
        sd = f", sd {column.sd_fraction:g} of the value"
    return f'"{name}": {column.region}, {column.unit}{divided}{sd}'


def _account(out: Path, found: OrganTable, plan: OrganMapping) -> Iterator[str]:
    """Tell what was written, from which columns, and what was left out."""
    scans = {(row.start_h, row.end_h) for row in found.rows}
    corrected = plan.decay_corrected_to
    how = {"none": "not decay-corrected", "start": "corrected to each scan's start"}
    told = how.get(str(corrected), f"decay-corrected to {corrected} h")
    yield (
        f"wrote {out}: {_count(len(found.rows), 'value')} at "
        f"{_count(len(scans), 'time')}, {plan.label} by {plan.modality}, {told}"
    )
    for name, column in plan.columns.items():
        rows = [row for row in found.rows if row.region == column.region]
        yield f"{_mapped(name, column)}: {_count(len(rows), 'value')}"
    if plan.ignore:
        yield f"ignored: {', '.join(f'"{name}"' for name in plan.ignore)}"
    if plan.header_line > 1:
        yield f"left out above the header: {_count(plan.header_line - 1, 'line')}"
    if found.empty_lines:
        listed = ", ".join(str(number) for number in found.empty_lines)
        yield f"left out, without any cell: line {listed}"
    if found.without_sd:
        yield f"{_count(found.without_sd, 'value')} without an sd: to be estimated"
    if plan.time.unit == CLOCK and "%z" not in (plan.time.clock_format or ""):
        yield "clock times are taken as one time zone, without a change to summer time"
    if len(found.blanks) > 1:
        yield f"left out, being empty: {len(found.blanks)} cells"
    for blank in found.blanks:
        yield f"left out, being empty: {blank}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); name a file that you may read"
        ) from error


def _decode(content: bytes, name: str, encoding: str) -> str:
    try:
        text = content.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeError as error:
        raise InputError(
            f"{name}: is not saved as {encoding} ({error.__class__.__name__}); save it "
            "as UTF-8, or state its encoding in the mapping"
        ) from None
    if "\0" in text:
        raise InputError(
            f"{name}: holds a zero byte; save it as UTF-8, or state its encoding "
            '(as "utf-16") in the mapping'
        )
    return text
