"""The cells of measurements.csv: the text of each column becomes its value."""

import math
import re
from collections.abc import Callable

from pkmodels.errors import InputError, suggest

COUNTS = "counts"
UNITS = ("MBq", "kBq", "%IA", "kBq/mL", "%IA/g", "SUV", "SUVmax", COUNTS)

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_REFERENCE_TIME = (
    "give the time in h that the value is corrected to (0 = start of the first "
    "administration), or leave it blank for the activity at the time of the scan"
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
    limit = (
        "; a value below quantification is its limit, with yes in the column below"
        if text.startswith("<")
        else ""
    )
    raise InputError(f"found {text!r}; give a number alone, as 98.56{limit}")


def _optional_number(text: str) -> float | None:
    return _number(text) if text else None


def _positive_or_blank(text: str) -> float | None:
    number = _optional_number(text)
    if number is not None and number <= 0:
        raise InputError(
            f"found {number:g}; an sd is above 0; leave it blank to have it estimated"
        )
    return number


def _live_time(text: str) -> float | None:
    number = _optional_number(text)
    if number is not None and number <= 0:
        raise InputError(f"found {number:g}; a time of counting is above 0 s")
    return number


def _background(text: str) -> float | None:
    number = _optional_number(text)
    if number is not None and number < 0:
        raise InputError(f"found {number:g}; a background is 0 counts or more")
    return number


def _yes_or_no(text: str) -> bool:
    if text not in ("", "yes", "no"):
        raise InputError(
            f"found {text!r}; write yes where the value is the limit of "
            "quantification that was not reached, else leave it blank"
        )
    return text == "yes"


def _reference(text: str) -> float | None:
    try:
        return _optional_number(text)
    except InputError:
        raise InputError(f"found {text!r}; {_REFERENCE_TIME}") from None


# By column; each raises InputError, without naming line or column.
READERS: dict[str, Callable[[str], object]] = {
    "region": _text,
    "label": lambda text: text or None,
    "modality": _text,
    "start_h": _number,
    "end_h": _optional_number,
    "value": _number,
    "unit": _unit,
    "sd": _positive_or_blank,
    "decay_corrected_to_h": _reference,
    "below": _yes_or_no,
    "sample": lambda text: _text(text) if text else None,
    "live_time_s": _live_time,
    "background_counts": _background,
}
