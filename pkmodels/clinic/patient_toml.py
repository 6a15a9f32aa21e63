"""The text of patient.toml, read and checked against its format.

Every mistake is reported at once, one a line: the key as the file writes it, what
was found and what to give instead.
"""

import json
import re
import tomllib
from typing import NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pkmodels.clinic.joint_tables import (
    CountingTable,
    MaximumTable,
    NoiseTable,
    OverlapTable,
    SamplesTable,
    SharingTable,
)
from pkmodels.clinic.patient_format import (
    FORMAT,
    CohortPriorTable,
    DecisionTable,
    HistoryTable,
    LimitTable,
    PatientFile,
    PlanTable,
    RadiobiologyTable,
    STableTable,
    TailTable,
    TransplantationTable,
    TreatmentTable,
    UncertaintyTable,
)
from pkmodels.clinic.patient_tables import (
    AdministrationTable,
    CalibrationTable,
    GroupTable,
    PatientTable,
    RecoveryTable,
    RegionTable,
    Table,
)
from pkmodels.errors import InputError, suggest

FILE_NAME = "patient.toml"

SCHEMAS: dict[str, type[Table]] = {
    "patient": PatientTable,
    "administration": AdministrationTable,
    "regions": RegionTable,
    "groups": GroupTable,
    "calibration": CalibrationTable,
    "plan": PlanTable,
    "limits": LimitTable,
    "decision": DecisionTable,
    "noise": NoiseTable,
    "recovery": RecoveryTable,
    "history": HistoryTable,
    "treatment": TreatmentTable,
    "radiobiology": RadiobiologyTable,
    "tail": TailTable,
    "uncertainty": UncertaintyTable,
    "s_values": STableTable,
    "cohort_prior": CohortPriorTable,
    "transplantation": TransplantationTable,
    "sharing": SharingTable,
    "overlap": OverlapTable,
    "samples": SamplesTable,
    "counting": CountingTable,
    "noise.maximum": MaximumTable,
}
_LISTS = ("administration", "plan", "history", "treatment", "sharing")
# How many names follow in a table's own, as MODALITY and REGION.
_NAMES = {
    "regions": 1,
    "groups": 1,
    "calibration": 1,
    "limits": 1,
    "recovery": 1,
    "radiobiology": 1,
    "counting": 1,
    "noise.maximum": 1,
    "overlap": 2,
}


def parse_patient_toml(text: str) -> PatientFile:
    """Read the text of a patient.toml.

    Parameters
    ----------
    text : str
        The whole file.

    Returns
    -------
    PatientFile

    Raises
    ------
    InputError
        When it is empty, not TOML, of another format, or breaks the format; one
        line for each mistake.

    Examples
    --------
    >>> parse_patient_toml('format = "pkmodels-patient/2"')
    Traceback (most recent call last):
        ...
    pkmodels.errors.InputError: patient.toml: format: found 'pkmodels-patient/2'; this \
version reads format = "pkmodels-patient/1" only
    """
    if not text.strip():
        raise InputError(
            f"{FILE_NAME}: the file is empty; `pkmodels new FOLDER` writes a template"
        )
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(_syntax_problem(text, str(error))) from None
    if content.get("format") != FORMAT:
        raise InputError(_format_problem(content))
    try:
        return PatientFile.model_validate(content)
    except ValidationError as error:
        lines = [_problem(details) for details in error.errors(include_url=False)]
        raise InputError("\n".join(dict.fromkeys(lines))) from None


def key_of(section: str, *names: str) -> str:
    """Write a named table as the file does.

    Parameters
    ----------
    section : str
        First part of the table's name, as ``"limits"``.
    *names : str
        The other parts.

    Returns
    -------
    str

    Examples
    --------
    >>> key_of("limits", "kidneys"), key_of("calibration", "SPECT/CT")
    ('[limits.kidneys]', '[calibration."SPECT/CT"]')
    """
    return f"[{'.'.join([section, *map(_quoted, names)])}]"


def _quoted(name: str) -> str:
    bare = re.fullmatch(r"[A-Za-z0-9_-]+", name) is not None
    return name if bare else json.dumps(name, ensure_ascii=False)


def _syntax_problem(text: str, message: str) -> str:
    at = re.search(r"at line (\d+)", message)
    line = text.splitlines()[int(at.group(1)) - 1].strip() if at else ""
    shown = f"; the line reads {line[:60]!r}" if line else ""
    return (
        f"{FILE_NAME}: not valid TOML: {message}{shown}. Put text in quotes, write "
        "decimals with a point, and give each key and table once"
    )


def _format_problem(content: dict[str, object]) -> str:
    if "format" not in content:
        return (
            f"{FILE_NAME}: format is missing; the file must begin with "
            f'format = "{FORMAT}"'
        )
    return (
        f"{FILE_NAME}: format: found {_show(content['format'])}; this version reads "
        f'format = "{FORMAT}" only'
    )


class _Place(NamedTuple):
    """Where in the file an error lies."""

    table: str  # as the file writes it; empty at the top level
    schema: type[Table]
    key: str | None  # None when the table itself is at fault


def _locate(location: tuple[int | str, ...]) -> _Place:
    head, *rest = (part for part in location if part != "[key]")
    section = str(head)
    if section == "noise" and rest[:1] == ["maximum"] and rest[1:]:
        section, rest = "noise.maximum", rest[1:]
    schema = SCHEMAS.get(section)
    if schema is None or not rest:
        return _Place("", PatientFile, str(head))
    if section in _LISTS:
        number, *keys = rest
        table = f"[[{section}]] number {int(number) + 1}"
    elif section in _NAMES:
        names, keys = rest[: _NAMES[section]], rest[_NAMES[section] :]
        table = key_of(section, *map(str, names))
    else:
        table, keys = f"[{section}]", rest
    return _Place(table, schema, str(keys[0]) if keys else None)


def _problem(details: ErrorDetails) -> str:
    place = _locate(details["loc"])
    where = f"{FILE_NAME}: {_written(place, details['input'])}"
    kind, found = details["type"], details["input"]
    field = place.schema.model_fields.get(place.key or "")
    if kind == "extra_forbidden":
        return f"{where}: unknown key; {_suggest_key(place)}"
    if kind == "value_error":
        return f"{where}: {_reason(details)}"
    if place.key in _LISTS and not place.table and isinstance(found, dict):
        return (
            f"{where}: found the table [{place.key}]; write [[{place.key}]], with two "
            "brackets, at each of its tables"
        )
    give = f"give {field.description}" if field else "`pkmodels new` shows the format"
    if kind == "missing":
        return f"{where} is missing; {give}"
    if isinstance(found, str) and _reads_as_number(found) and field is not None:
        return f"{where}: found {_show(found)} in quotes; take them off: {give}"
    return f"{where}: found {_show(found)}; {give}"


def _written(place: _Place, found: object) -> str:
    if place.table:
        return f"{place.table} {place.key}" if place.key else place.table
    key = str(place.key)
    if key in _LISTS or isinstance(found, list):
        return f"[[{key}]]"
    return f"[{key}]" if key in SCHEMAS or isinstance(found, dict) else key


def _suggest_key(place: _Place) -> str:
    known = list(place.schema.model_fields)
    elsewhere = [
        f"[[{name}]]" if name in _LISTS else f"[{name}]"
        for name, schema in SCHEMAS.items()
        if place.key in schema.model_fields and schema is not place.schema
    ]
    if elsewhere:
        return (
            f"{place.key!r} belongs to {' or '.join(elsewhere)}; known here: "
            f"{', '.join(known)}"
        )
    return suggest(str(place.key), known)


def _reason(details: ErrorDetails) -> str:
    return str(details.get("ctx", {}).get("error", details["msg"]))


def _reads_as_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?[0-9.,]+([eE][+-]?[0-9]+)?", text.strip()) is not None


def _show(value: object) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "an empty list" if not value else "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
