"""Limits: what a region or group may receive, in which quantity."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from pkmodels.errors import InputError

Quantity = Literal["absorbed_dose", "bed"]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
_SAID = {"absorbed_dose": "absorbed dose", "bed": "BED"}


@dataclass(frozen=True)
class DoseLimit:
    """What a region or group may receive in all.

    Parameters
    ----------
    target : str
        Name of the region or group.
    quantity : "absorbed_dose" or "bed"
        What is limited. 23 Gy of absorbed dose and 23 Gy BED are different limits.
    value_Gy : float
        The limit, Gy, > 0.

    Raises
    ------
    InputError
        When the quantity is unknown or the value out of its range.
    """

    target: str
    quantity: Quantity
    value_Gy: float

    def __post_init__(self) -> None:
        """Refuse an unknown quantity and a value that is not above 0."""
        check_limit(f"the limit of {self.target}", self.quantity, self.value_Gy)


def check_quantity(limit: DoseLimit, quantity: Quantity, what: str) -> None:
    """Refuse a limit of one quantity on another.

    Parameters
    ----------
    limit : DoseLimit
        The limit.
    quantity : "absorbed_dose" or "bed"
        What is to be counted against it.
    what : str
        Its name, for the message.

    Raises
    ------
    InputError
        When the two differ.

    Examples
    --------
    >>> limit = DoseLimit("kidneys", "bed", 40.0)
    >>> check_quantity(limit, "absorbed_dose", "the absorbed dose of kidneys")
    Traceback (most recent call last):
    pkmodels.errors.InputError: the limit of kidneys is 40 Gy of BED, and the absorbed \
dose of kidneys is Gy of absorbed dose: 23 Gy and 40 Gy BED are different limits; \
state the limit in the quantity that is counted
    """
    if quantity not in QUANTITIES:
        raise InputError(f"{what}: quantity is {quantity!r}: write one of {QUANTITIES}")
    if limit.quantity != quantity:
        raise InputError(
            f"the limit of {limit.target} is {limit.value_Gy:g} Gy of "
            f"{_SAID[limit.quantity]}, and {what} is Gy of {_SAID[quantity]}: 23 Gy "
            "and 40 Gy BED are different limits; state the limit in the quantity that "
            "is counted"
        )


def check_cycles(cycles: int) -> None:
    """Refuse a number of cycles below 1.

    Parameters
    ----------
    cycles : int
        How many.

    Raises
    ------
    InputError
        When it is no whole number >= 1.

    Examples
    --------
    >>> check_cycles(4)
    """
    if not (isinstance(cycles, int) and cycles >= 1):
        raise InputError(f"cycles is {cycles!r}: give a whole number >= 1")


def check_limit(what: str, quantity: str, value_Gy: float) -> None:
    """Refuse an unknown quantity, and a limit that is not above 0.

    Parameters
    ----------
    what : str
        What is limited, for the message.
    quantity : str
        What is counted.
    value_Gy : float
        The limit, Gy.

    Raises
    ------
    InputError
        When either is wrong.

    Examples
    --------
    >>> check_limit("the limit of kidneys", "bed", 40.0)
    """
    if quantity not in QUANTITIES:
        raise InputError(f"{what}: quantity is {quantity!r}: write one of {QUANTITIES}")
    if not (np.isfinite(value_Gy) and value_Gy > 0.0):
        raise InputError(f"{what}: the limit is {value_Gy} Gy; it must be > 0")
