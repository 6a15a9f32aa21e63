"""The errors of pkmodels: each names the thing, the value received and the remedy."""

import re
from collections.abc import Iterable
from difflib import get_close_matches


class PkmodelsError(Exception):
    """The root of every error that pkmodels raises on purpose."""


class InputError(PkmodelsError, ValueError):
    """A caller's or a file's mistake: says where, what was found and the remedy."""


class ModelError(PkmodelsError, ValueError):
    """An ill-posed model, raised when it is defined or assembled, never later."""


class SolveError(PkmodelsError, RuntimeError):
    """A solve that failed, with the parameter values that made it fail."""


class FitRefusedError(PkmodelsError, RuntimeError):
    """A fit that failed its checks: nothing may be reported from it."""


def check_kind(
    what: str, value: object, kinds: type | tuple[type, ...], remedy: str
) -> None:
    """Refuse a value of the wrong kind.

    Parameters
    ----------
    what : str
        What the value is for.
    value : object
        What was given.
    kinds : type or tuple of types
        What it may be.
    remedy : str
        What to write instead.

    Raises
    ------
    InputError
        When it is none of them.

    Examples
    --------
    >>> check_kind("the name", 5, str, "write it in quotes")
    Traceback (most recent call last):
    pkmodels.errors.InputError: the name is 5 (int): write it in quotes
    """
    if not isinstance(value, kinds):
        shown = repr(value)
        short = shown if len(shown) <= 60 else f"{shown[:57]}..."
        raise InputError(f"{what} is {short} ({type(value).__name__}): {remedy}")


def suggest(name: str, known: Iterable[str]) -> str:
    """Say which known name is nearest, and list the known ones.

    Case and the order of a name's parts do not count.

    Parameters
    ----------
    name : str
        The name that was not found.
    known : iterable of str
        The names that would have been.

    Returns
    -------
    str
        A sentence to end an error message with.

    Examples
    --------
    >>> suggest("kidny", ["kidney", "liver"])
    "did you mean 'kidney'? Known: kidney, liver"
    >>> suggest("177lu", ["Lu-177", "Y-90"])
    "did you mean 'Lu-177'? Known: Lu-177, Y-90"
    >>> suggest("x", ["kidney", "liver"])
    'known: kidney, liver'
    """
    names = list(known)
    listed = ", ".join(names) if names else "none"
    same = [other for other in names if _parts(other) == _parts(name)]
    near = same or get_close_matches(name, names, n=1)
    return f"did you mean {near[0]!r}? Known: {listed}" if near else f"known: {listed}"


def _parts(name: str) -> list[str]:
    return sorted(re.findall(r"[^\W\d_]+|\d+|%", name.casefold()))
