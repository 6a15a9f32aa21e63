"""What the calculations of a binding assay ask of the numbers they are given."""

import numpy as np

from pkmodels.errors import InputError


def check_positive(name: str, given: float | np.ndarray) -> np.ndarray:
    """Return what is given as an array, when each number is finite and above 0.

    Parameters
    ----------
    name : str
        What it is, for the message.
    given : float or array
        Any unit.

    Returns
    -------
    array of the shape of `given`

    Raises
    ------
    InputError
        When there is no number, or one is not finite or not above 0.

    Examples
    --------
    >>> check_positive("dissociation_constant", 0.0)
    Traceback (most recent call last):
    pkmodels.errors.InputError: dissociation_constant is 0.0; it must be finite and > 0
    """
    values = np.asarray(given, np.float64)
    if values.size == 0 or not (np.isfinite(values) & (values > 0.0)).all():
        raise InputError(f"{name} is {values}; {_it(values)} must be finite and > 0")
    return values


def check_not_negative(name: str, given: float | np.ndarray) -> np.ndarray:
    """Return what is given as an array, when each number is finite and 0 or above.

    Parameters
    ----------
    name : str
        What it is, for the message.
    given : float or array
        Any unit.

    Returns
    -------
    array of the shape of `given`

    Raises
    ------
    InputError
        When there is no number, or one is not finite or below 0.

    Examples
    --------
    >>> check_not_negative("ligand", [1.0, -1.0])
    Traceback (most recent call last):
    pkmodels.errors.InputError: ligand is [ 1. -1.]; each must be finite and >= 0
    """
    values = np.asarray(given, np.float64)
    if values.size == 0 or not (np.isfinite(values) & (values >= 0.0)).all():
        raise InputError(f"{name} is {values}; {_it(values)} must be finite and >= 0")
    return values


def _it(values: np.ndarray) -> str:
    return "each" if values.ndim else "it"
