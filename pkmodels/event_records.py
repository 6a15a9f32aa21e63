"""Event records: one row of a table of doses and observations, read and checked.

References
----------
NONMEM Users Guide Part VI, PREDPP, chapter V (event records); Part VIII, Help Guide
(ADDL, CMT, EVID, RATE, SS data items). DUR, a duration in the table, is that of rxode2.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from pkmodels.errors import InputError

COLUMNS = tuple("ID TIME AMT RATE DUR EVID CMT II ADDL SS MDV DV".split())
OBSERVATION, DOSE, OTHER, RESET, RESET_AND_DOSE = range(5)
MODELLED = (-1.0, -2.0)  # RATE: the model has the rate, or the duration
_MISSING = frozenset(("", ".", "NA"))


@dataclass(frozen=True)
class Record:
    """One row, read and checked; what it leaves out is 0, or None where that differs.

    Parameters
    ----------
    where : str
        File and line, for messages.
    identifier : str
        ID.
    time_h : float
        TIME, h, >= 0.
    event : int
        EVID.
    amount, rate, duration_h : float
        AMT, RATE (or -1, -2 where the model has the rate, the duration) and DUR.
    compartment : int or None
        CMT.
    interval_h : float
        II, h.
    additional, steady : int
        ADDL and SS.
    value : float or None
        DV; None where it is missing.
    covariates : tuple of str
        Values of the covariates that are kept.
    """

    where: str
    identifier: str
    time_h: float
    event: int
    amount: float
    rate: float
    duration_h: float
    compartment: int | None
    interval_h: float
    additional: int
    steady: int
    value: float | None
    covariates: tuple[str, ...]


def read_record(where: str, row: Mapping[str, str], kept: Sequence[str]) -> Record:
    """Read one row of an event table.

    Parameters
    ----------
    where : str
        File and line, for messages.
    row : mapping of str to str
        Text by column, in any case; a dot, NA or nothing is missing.
    kept : sequence of str
        Columns that are kept as they are.

    Returns
    -------
    Record

    Raises
    ------
    InputError
        When a value cannot be read or contradicts another.

    Examples
    --------
    >>> record = read_record("line 2", {"TIME": "0", "AMT": "100", "RATE": "-2"}, ())
    >>> record.event == DOSE, record.amount, record.rate
    (True, 100.0, -2.0)
    """
    cells = {name.upper(): str(text).strip() for name, text in row.items()}
    number, whole = _readers(where, cells)
    amount = number("AMT") or 0.0
    event = whole("EVID")
    if event is None:
        event = DOSE if amount != 0.0 else OBSERVATION
    time = number("TIME")
    if time is None:
        raise InputError(f"{where}, column TIME: is missing: state the time in h")
    record = Record(
        where=where,
        identifier=cells.get("ID", "1"),
        time_h=time,
        event=event,
        amount=amount,
        rate=number("RATE") or 0.0,
        duration_h=number("DUR") or 0.0,
        compartment=whole("CMT"),
        interval_h=number("II") or 0.0,
        additional=whole("ADDL") or 0,
        steady=whole("SS") or 0,
        value=number("DV"),
        covariates=tuple(row[name] for name in kept),
    )
    _check_record(record)
    missing = whole("MDV")
    if missing not in (None, 0, 1):
        refuse(record, "MDV", missing, "it is 0 (observed) or 1 (missing)")
    if missing == 0 and event != OBSERVATION:
        refuse(record, "MDV", 0, f"but EVID {event} observes nothing: write 1")
    if missing == 0 and record.value is None:
        refuse(record, "MDV", 0, "but DV is missing: write MDV 1, or DV")
    return replace(record, value=None) if missing == 1 else record


def _readers(
    where: str, cells: Mapping[str, str]
) -> tuple[Callable[[str], float | None], Callable[[str], int | None]]:
    def number(name: str) -> float | None:
        text = cells.get(name, "")
        if text in _MISSING:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise InputError(
                f"{where}, column {name}: {text!r} is not a number: write one, or . "
                "where there is none"
            )
        return value

    def whole(name: str) -> int | None:
        value = number(name)
        if value is not None and value != int(value):
            raise InputError(
                f"{where}, column {name}: {value:g} is not a whole number: write one"
            )
        return None if value is None else int(value)

    return number, whole


def refuse(record: Record, column: str, value: object, remedy: str) -> NoReturn:
    """Refuse a row.

    Parameters
    ----------
    record : Record
        The row.
    column : str
        The column at fault.
    value : object
        What is there.
    remedy : str
        What contradicts it, and what to do.

    Raises
    ------
    InputError
        Always.

    Examples
    --------
    >>> record = read_record("line 2", {"TIME": "0"}, ())
    >>> refuse(record, "CMT", 3, "but there are two")
    Traceback (most recent call last):
    pkmodels.errors.InputError: line 2, column CMT: is 3, but there are two
    """
    shown = f"{value:g}" if isinstance(value, int | float) else value
    raise InputError(f"{record.where}, column {column}: is {shown}, {remedy}")


def _check_record(record: Record) -> None:
    """Refuse what contradicts itself."""
    r = record
    if r.event not in range(5):
        known = "0 observation, 1 dose, 2 other, 3 reset, 4 reset and dose"
        refuse(r, "EVID", r.event, f"which is none of {known}")
    if r.time_h < 0.0:
        refuse(r, "TIME", r.time_h, "before 0: count from the subject's first event")
    if r.event in (OBSERVATION, OTHER) and (r.compartment or 0) < 0:
        refuse(
            r,
            "CMT",
            r.compartment,
            "which turns a compartment off, and none can be here: drop the row, or let "
            "the model empty it",
        )
    doses = {
        "AMT": r.amount,
        "RATE": r.rate,
        "DUR": r.duration_h,
        "II": r.interval_h,
        "ADDL": r.additional,
        "SS": r.steady,
    }
    for column, value in doses.items():
        if r.event not in (DOSE, RESET_AND_DOSE) and value != 0:
            refuse(r, column, value, f"but EVID {r.event} gives no dose: write 0")
        if value < 0 and not (column == "RATE" and value in MODELLED):
            refuse(r, column, value, "but it must be 0 or more")
    if r.event in (DOSE, RESET_AND_DOSE):
        _check_dose(r)


def _check_dose(r: Record) -> None:
    endless = r.steady > 0 and r.interval_h == 0.0
    if r.steady not in (0, 1, 2):
        refuse(r, "SS", r.steady, "but only 1 (replaces) and 2 (adds) are known")
    if r.rate != 0.0 and r.duration_h > 0.0:
        refuse(r, "DUR", r.duration_h, f"and RATE is {r.rate:g}: keep one of the two")
    if endless and not (r.amount == 0.0 and r.rate > 0.0):
        refuse(
            r,
            "II",
            0,
            f"with SS {r.steady}, AMT {r.amount:g} and RATE {r.rate:g}: state the "
            "interval; or, for an infusion without end, AMT 0 and the RATE",
        )
    if endless and r.additional:
        refuse(r, "ADDL", r.additional, "but an infusion without end has no doses")
    if r.amount == 0.0 and not endless:
        refuse(r, "AMT", 0, f"but EVID {r.event} gives a dose: state how much")
    if r.additional and r.interval_h == 0.0:
        refuse(r, "ADDL", r.additional, "but II, the interval between, is missing")
    if r.interval_h > 0.0 and not r.additional and not r.steady:
        refuse(r, "II", r.interval_h, "but neither ADDL nor SS repeats the dose")
