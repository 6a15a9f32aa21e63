"""The format of a mapping file, "pkmodels-mapping/1", as pydantic models.

Each field's description completes the sentence "give ...", in error messages too.
"""

import re
import tomllib
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from pkmodels.clinic.patient_tables import Label, Name, Table, Text
from pkmodels.errors import InputError, suggest

FORMAT = "pkmodels-mapping/1"

# Into the units of measurements.csv: the unit written, and what divides the value.
UNITS: dict[str, tuple[str, float]] = {
    "MBq": ("MBq", 1.0),
    "kBq": ("kBq", 1.0),
    "Bq": ("kBq", 1e3),
    "%IA": ("%IA", 1.0),
    "kBq/mL": ("kBq/mL", 1.0),
    "Bq/mL": ("kBq/mL", 1e3),
    "%IA/g": ("%IA/g", 1.0),
}
CLOCK = "clock"

_ColumnName = Annotated[str, Field(min_length=1)]


class TimeTable(Table):
    """The table [time]: one column of times, or the start and end of each scan."""

    column: _ColumnName | None = Field(
        None, description="the name of the column of times in quotes"
    )
    start: _ColumnName | None = Field(
        None, description="the name of the column of the scans' starts in quotes"
    )
    end: _ColumnName | None = Field(
        None, description="the name of the column of the scans' ends in quotes"
    )
    unit: Literal["h", "d", "min", "s", "clock"] = Field(
        description='"h", "d", "min" or "s" after the start of the first '
        'administration, or "clock" for dates with times'
    )
    clock_format: str | None = Field(
        None,
        min_length=1,
        description='how dates are written, in quotes, as "%d.%m.%Y %H:%M"',
    )
    reference: str | None = Field(
        None,
        min_length=1,
        description="the start of the first administration in quotes, written as the "
        "table writes its times",
    )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that hold times: start, then end where there is one."""
        names = (self.column, self.start, self.end)
        return tuple(name for name in names if name is not None)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        given = [key for key in ("column", "start", "end") if getattr(self, key)]
        if given not in (["column"], ["start", "end"]):
            raise ValueError(
                f"gives {' and '.join(given) or 'no column'}; give column alone, or "
                "start and end"
            )
        clock = (self.clock_format, self.reference)
        if self.unit == CLOCK and None in clock:
            raise ValueError(
                'unit = "clock" needs clock_format and reference: give '
                f"{TimeTable.model_fields['clock_format'].description}, and "
                f"{TimeTable.model_fields['reference'].description}"
            )
        if self.unit != CLOCK and clock != (None, None):
            raise ValueError(
                'clock_format and reference belong to unit = "clock"; remove them'
            )
        return self

    @model_validator(mode="after")
    def _reads_its_own_reference(self) -> Self:
        if self.clock_format is None or self.reference is None:
            return self
        parts = set(re.findall("%(.)", self.clock_format))
        if not parts & {"Y", "y"} or not parts & {"H", "I"}:
            raise ValueError(
                f"clock_format {self.clock_format!r} has no year or no hour; write "
                'dates with both, as "%d.%m.%Y %H:%M"'
            )
        try:
            datetime.strptime(self.reference, self.clock_format)
        except ValueError:
            raise ValueError(
                f"reference {self.reference!r} is not written as clock_format "
                f"{self.clock_format!r} says; mend one of them"
            ) from None
        return self


class ColumnTable(Table):
    """One table [columns."NAME"]: which region a column is, and in which unit."""

    region: Name = Field(description="the region's name of patient.toml in quotes")
    unit: Literal["MBq", "kBq", "Bq", "%IA", "kBq/mL", "Bq/mL", "%IA/g"] = Field(
        description=f"the column's unit in quotes, one of {', '.join(UNITS)}"
    )
    sd_column: _ColumnName | None = Field(
        None,
        description="the name of the column of its standard deviations, in the same "
        "unit",
    )
    sd_fraction: float | None = Field(
        None,
        gt=0,
        le=1,
        description="the standard deviation as a fraction of each value, above 0 and "
        "at most 1, without calibration",
    )

    @model_validator(mode="after")
    def _has_one_sd(self) -> Self:
        if self.sd_column is not None and self.sd_fraction is not None:
            raise ValueError("gives sd_column and sd_fraction; remove one")
        return self


class OrganMapping(Table):
    """The whole of a mapping file."""

    format: str = Field(description=f'format = "{FORMAT}"')
    separator: Literal[",", ";", "tab"] = Field(
        description='what stands between columns: ",", ";" or "tab"'
    )
    decimal: Literal[".", ","] = Field(
        description='what stands before decimals: "." or ","'
    )
    encoding: Literal["utf-8", "cp1252", "utf-16"] = Field(
        default="utf-8",
        description='how the table is saved: "utf-8", "cp1252" (Windows) or "utf-16"',
    )
    header_line: int = Field(
        default=1,
        ge=1,
        description="the number of the line that names the columns, from 1; the lines "
        "above it are left out",
    )
    label: Label = Field(description='the radionuclide in quotes, as "Lu-177"')
    modality: Text = Field(description='what measured it in quotes, as "SPECT"')
    decay_corrected_to: float | Literal["none", "start"] = Field(
        description='"none" (the activity at the time of the scan), "start" (corrected '
        "to each scan's start) or the time in h that every value is corrected to (0 is "
        "the start of the first administration)"
    )
    blank: list[str] = Field(
        default_factory=list,
        description='a list of what stands for no value beside an empty cell, as ["-"]',
    )
    ignore: list[str] = Field(
        default_factory=list,
        description='a list of the names of columns to leave out, "" for one without',
    )
    time: TimeTable = Field(description="a table [time] with the keys column and unit")
    columns: dict[_ColumnName, ColumnTable] = Field(
        min_length=1, description='a table [columns."NAME"] for each column of values'
    )

    @property
    def roles(self) -> list[tuple[str, str]]:
        """Name and role of every column that the mapping names."""
        sds = [(c.sd_column, f"sd of {c.region}") for c in self.columns.values()]
        return [
            *((name, "time") for name in self.time.columns),
            *((name, f"values of {c.region}") for name, c in self.columns.items()),
            *((name, role) for name, role in sds if name is not None),
            *((name, "ignored") for name in self.ignore),
        ]

    @model_validator(mode="after")
    def _each_column_and_region_has_one_role(self) -> Self:
        if self.decimal == self.separator:
            raise ValueError(
                'decimal and separator are both ","; save the table with ";" or tabs '
                "between columns, or with decimal points"
            )
        roles: dict[str, str] = {}
        for name, role in self.roles:
            if name in roles:
                raise ValueError(
                    f"column {name!r} is named twice: {roles[name]}, and {role}; keep "
                    "one"
                )
            roles[name] = role
        regions: dict[str, str] = {}
        for name, column in self.columns.items():
            earlier = regions.setdefault(column.region, name)
            if earlier != name:
                raise ValueError(
                    f"columns {earlier!r} and {name!r} are both {column.region}: map "
                    "one and ignore the other"
                )
        return self


def parse_mapping(text: str, name: str) -> OrganMapping:
    """Read the text of a mapping file.

    Parameters
    ----------
    text : str
        The whole file.
    name : str
        Its name, for messages.

    Returns
    -------
    OrganMapping

    Raises
    ------
    InputError
        When it is not TOML, of another format, or breaks the format; one line for
        each mistake.

    Examples
    --------
    >>> parse_mapping('format = "pkmodels-mapping/2"', "map.toml")
    Traceback (most recent call last):
        ...
    pkmodels.errors.InputError: map.toml: format: found 'pkmodels-mapping/2'; this \
version reads format = "pkmodels-mapping/1" only
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(
            f"{name}: not valid TOML: {error}. Put text in quotes, write decimals with "
            "a point, and give each key and table once"
        ) from None
    if content.get("format") != FORMAT:
        found = repr(content["format"]) if "format" in content else "nothing"
        raise InputError(
            f'{name}: format: found {found}; this version reads format = "{FORMAT}" '
            "only"
        )
    try:
        return OrganMapping.model_validate(content)
    except ValidationError as error:
        lines = [f"{name}: {_problem(e)}" for e in error.errors(include_url=False)]
        raise InputError("\n".join(dict.fromkeys(lines))) from None


def _problem(details: ErrorDetails) -> str:
    where, schema, key = _locate([str(part) for part in details["loc"]])
    field = schema.model_fields.get(key)
    give = f"give {field.description}" if field else "`pkmodels import --example`"
    match details["type"]:
        case "extra_forbidden":
            return f"{where}: unknown key; {suggest(key, schema.model_fields)}"
        case "value_error":
            return f"{where}: {details.get('ctx', {}).get('error')}".removeprefix(": ")
        case "missing":
            return f"{where} is missing; {give}"
        case _:
            found = details["input"]
            shown = "a table" if isinstance(found, dict) else repr(found)
            return f"{where}: found {shown[:60]}; {give}"


def _locate(location: list[str]) -> tuple[str, type[Table], str]:
    """Return the place as the file writes it, its table's schema, and the key."""
    parts = [part for part in location if part != "[key]"]
    if parts and parts[0] == "time" and len(parts) > 1:
        return f"[time] {parts[1]}", TimeTable, parts[1]
    if parts and parts[0] == "columns" and len(parts) > 1:
        column = parts[1]
        bare = re.fullmatch(r"[A-Za-z0-9_-]+", column) is not None
        table = f"[columns.{column if bare else chr(34) + column + chr(34)}]"
        key = parts[2] if len(parts) > 2 else ""
        return f"{table} {key}".rstrip(), ColumnTable, key
    key = parts[0] if parts else ""
    shown = f"[{key}]" if key in ("time", "columns") else key
    return shown, OrganMapping, key
