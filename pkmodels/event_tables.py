"""Event tables: doses, resets and observations of subjects, as NONMEM reads them.

Time is in h, amounts are in nmol and rates in nmol/h. The columns that mean something
here, in any case: ID TIME AMT RATE DUR EVID CMT II ADDL SS MDV DV. Where RATE is given,
an infusion keeps that rate, and the route's bioavailability shortens it.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from pkmodels.administrations import Administration, SteadyState, repeat
from pkmodels.errors import InputError, suggest
from pkmodels.event_records import (
    COLUMNS,
    DOSE,
    MODELLED,
    OBSERVATION,
    RESET,
    RESET_AND_DOSE,
    Record,
    read_record,
    refuse,
)
from pkmodels.schedule import Schedule

_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars", " ": "spaces"}
_CHANGES = (DOSE, RESET, RESET_AND_DOSE)


@dataclass(frozen=True)
class Subject:
    """One subject of an event table.

    Parameters
    ----------
    identifier : str
        As in the table.
    schedule : Schedule
        Doses and resets.
    times_h : tuple of float
        Time of each observation, h.
    observed : tuple of (float or None)
        DV of each, in the table's unit; None where it is missing.
    compartments : tuple of (int or None)
        CMT of each, which says what was observed; None where the table does not.
    before : tuple of bool
        Whether each precedes, in the table, a dose or reset at the same time: the
        states before it are then meant.
    covariates : mapping of str to tuple of str
        The values of each declared covariate, one for each row of the subject.
    rows_h : tuple of float
        Time of each row, h.
    """

    identifier: str
    schedule: Schedule
    times_h: tuple[float, ...]
    observed: tuple[float | None, ...]
    compartments: tuple[int | None, ...]
    before: tuple[bool, ...]
    covariates: Mapping[str, tuple[str, ...]]
    rows_h: tuple[float, ...]


def read_event_table(
    path: Path | str,
    *,
    routes: Mapping[int, str],
    ligand: str,
    covariates: Iterable[str] = (),
) -> tuple[Subject, ...]:
    """Read the subjects of a CSV file in NONMEM's layout.

    Parameters
    ----------
    path : Path or str
        The file: a header, then one event to a line.
    routes : mapping of int to str
        The model's route for each number of a dosed compartment (CMT).
    ligand : str
        The ligand that is given.
    covariates : iterable of str
        The other columns, which are kept as text.

    Returns
    -------
    tuple of Subject
        In the order of the file.

    Raises
    ------
    InputError
        When columns are not separated by commas, a column is unknown or a row means
        nothing, naming file, line, column and value.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> table = "ID,TIME,AMT,DV\\n1,0,100,.\\n1,2,.,4.2\\n"
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "events.csv"
    ...     _ = file.write_text(table)
    ...     (subject,) = read_event_table(file, routes={1: "oral"}, ligand="drug")
    >>> subject.times_h, subject.observed
    ((2.0,), (4.2,))
    """
    file = Path(path)
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream)
            lines = [(reader.line_num, row) for row in reader if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file}: cannot be read as a CSV file: {error}") from error
    if not lines:
        raise InputError(f"{file}: is empty: write a header and one event to a line")
    header = [name.strip() for name in lines[0][1]]
    _check_separator(str(file), header)
    rows = []
    for number, row in lines[1:]:
        if len(row) != len(header):
            raise InputError(
                f"{file}, line {number}: has {len(row)} values and the header "
                f"{len(header)}: mend the commas"
            )
        rows.append((f"{file}, line {number}", dict(zip(header, row, strict=True))))
    repeated = [name for name in header if header.count(name) > 1]
    if repeated:
        raise InputError(f"{file}: column {repeated[0]!r} is there twice: drop one")
    return _subjects(
        str(file), header, rows, routes=routes, ligand=ligand, covariates=covariates
    )


def subjects_of(
    rows: Sequence[Mapping[str, object]],
    *,
    routes: Mapping[int, str],
    ligand: str,
    covariates: Iterable[str] = (),
) -> tuple[Subject, ...]:
    """Return the subjects of rows that were already read.

    Parameters
    ----------
    rows : sequence of mapping of str to object
        Value by column, one mapping for each event, all of the same columns.
    routes, ligand, covariates
        As for `read_event_table`.

    Returns
    -------
    tuple of Subject

    Raises
    ------
    InputError
        As `read_event_table` does, naming the row, the first of which is 1.

    Examples
    --------
    >>> dose = {"TIME": 0, "AMT": 100, "ADDL": 2, "II": 24}
    >>> (subject,) = subjects_of([dose], routes={1: "oral"}, ligand="drug")
    >>> [a.time_h for a in subject.schedule.administrations]
    [0.0, 24.0, 48.0]
    """
    if not rows:
        raise InputError("the event table has no rows: give one for each event")
    header = list(rows[0])
    texts = []
    for number, row in enumerate(rows, start=1):
        if list(row) != header:
            raise InputError(
                f"row {number} of the event table has the columns {', '.join(row)}, "
                f"and the first has {', '.join(header)}: give all the same"
            )
        values = {name: "" if row[name] is None else str(row[name]) for name in header}
        texts.append((f"row {number} of the event table", values))
    return _subjects(
        "the event table",
        header,
        texts,
        routes=routes,
        ligand=ligand,
        covariates=covariates,
    )


def _subjects(
    source: str,
    header: Sequence[str],
    rows: Sequence[tuple[str, Mapping[str, str]]],
    *,
    routes: Mapping[int, str],
    ligand: str,
    covariates: Iterable[str],
) -> tuple[Subject, ...]:
    kept = tuple(covariates)
    _check_columns(source, header, kept)
    groups: dict[str, list[Record]] = {}
    last = ""
    for where, row in rows:
        record = read_record(where, row, kept)
        if record.identifier in groups and record.identifier != last:
            raise InputError(
                f"{where}: ID {record.identifier} comes back after ID {last}: sort the "
                "rows by subject"
            )
        last = record.identifier
        groups.setdefault(last, []).append(record)
    return tuple(_subject(records, routes, ligand, kept) for records in groups.values())


def _check_separator(source: str, header: Sequence[str]) -> None:
    for separator, name in _OTHER_SEPARATORS.items():
        parts = [part.strip().upper() for part in header[0].split(separator)]
        if len(header) == 1 and len(set(parts) & set(COLUMNS)) > 1:
            raise InputError(
                f"{source}: the columns are separated by {name}: separate them by "
                "commas, and write decimals with a point"
            )


def _check_columns(source: str, header: Sequence[str], kept: Sequence[str]) -> None:
    known = [name.upper() for name in header if name.upper() in COLUMNS]
    for name in known:
        if known.count(name) > 1:
            raise InputError(f"{source}: column {name} is there twice: drop one")
    if "TIME" not in known:
        raise InputError(f"{source}: has no column TIME: {suggest('TIME', header)}")
    for name in header:
        if name.upper() not in COLUMNS and name not in kept:
            raise InputError(
                f"{source}: column {name!r} is unknown: {suggest(name, COLUMNS)}; name "
                "it in covariates to keep it, or drop it"
            )
    for name in kept:
        if name not in header:
            raise InputError(
                f"{source}: has no column {name!r}, named as a covariate: "
                f"{suggest(name, header)}"
            )
        if name.upper() in COLUMNS:
            raise InputError(
                f"{source}: column {name!r} cannot be a covariate, since it says what "
                "happens: rename it"
            )


def _subject(
    records: Sequence[Record],
    routes: Mapping[int, str],
    ligand: str,
    kept: Sequence[str],
) -> Subject:
    for one, other in pairwise(records):
        if other.time_h < one.time_h:
            refuse(
                other,
                "TIME",
                other.time_h,
                f"after {one.time_h:g} h in the row before: sort the rows by time (a "
                "reset does not start the clock anew here)",
            )
    observations = [r for r in records if r.event == OBSERVATION]
    jumps = [(r.time_h, n) for n, r in enumerate(records) if r.event in _CHANGES]
    before = [
        any(time == r.time_h and m > n for time, m in jumps)
        for n, r in enumerate(records)
        if r.event == OBSERVATION
    ]
    return Subject(
        identifier=records[0].identifier,
        schedule=_schedule(records, routes, ligand),
        times_h=tuple(r.time_h for r in observations),
        observed=tuple(r.value for r in observations),
        compartments=tuple(r.compartment for r in observations),
        before=tuple(before),
        covariates={
            name: tuple(r.covariates[i] for r in records) for i, name in enumerate(kept)
        },
        rows_h=tuple(r.time_h for r in records),
    )


def _schedule(
    records: Sequence[Record], routes: Mapping[int, str], ligand: str
) -> Schedule:
    """Return the doses and resets; a steady state that replaces ends what was."""
    given: list[Administration] = []
    resets: list[float] = []
    _check_modelled(records)
    for r in records:
        if r.event in (RESET, RESET_AND_DOSE):
            resets.append(r.time_h)
            later = [a.time_h for a in given if a.time_h > r.time_h]
            if later:
                refuse(
                    r,
                    "EVID",
                    r.event,
                    f"but ADDL goes on to {max(later):g} h, and programs differ in "
                    "whether a reset ends it: let ADDL end before the reset",
                )
        if r.event in (RESET, RESET_AND_DOSE) or r.steady == 1:
            given = [a for a in given if a.time_h < r.time_h]
        if r.event in (DOSE, RESET_AND_DOSE):
            dose = _dose(r, _route(r, routes), ligand)
            count = r.additional + 1
            given += repeat(dose, interval_h=r.interval_h or 1.0, count=count)
    given.sort(key=lambda a: a.time_h)
    return Schedule(tuple(given), resets_h=tuple(resets))


def _check_modelled(records: Sequence[Record]) -> None:
    """Refuse a route whose rate and duration are both left to the model."""
    seen: dict[int | None, float] = {}
    for r in records:
        if r.rate in MODELLED:
            first = seen.setdefault(r.compartment, r.rate)
            if r.rate != first:
                refuse(
                    r,
                    "RATE",
                    r.rate,
                    f"and {first:g} before: a route has a modelled rate (-1) or a "
                    "modelled duration (-2); give each a CMT and a route of its own",
                )


def _route(r: Record, routes: Mapping[int, str]) -> str:
    if r.compartment is None and len(routes) == 1:
        return next(iter(routes.values()))
    if r.compartment not in routes:
        shown = "missing" if r.compartment is None else r.compartment
        known = ", ".join(f"{number} ({name})" for number, name in routes.items())
        refuse(r, "CMT", shown, f"and no route is named for it; routes has {known}")
    return routes[int(r.compartment or 0)]


def _dose(r: Record, route: str, ligand: str) -> Administration:
    steady = SteadyState(r.interval_h, adds=r.steady == 2) if r.steady else None
    endless = steady is not None and r.interval_h == 0.0
    duration = r.duration_h
    if r.rate > 0.0:
        duration = 1.0 if endless else r.amount / r.rate
    return Administration(
        time_h=r.time_h,
        duration_h=duration,
        ligand=ligand,
        ligand_nmol=r.rate if endless else r.amount,
        route=route,
        steady_state=steady,
        modelled=r.rate in MODELLED,
        holds_rate=r.rate > 0.0,
    )
