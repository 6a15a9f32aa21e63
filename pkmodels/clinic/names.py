"""Names that a person typed, matched with the names that exist."""

import re
from collections.abc import Iterable

from pkmodels.errors import suggest


def suggest_name(name: str, known: Iterable[str]) -> str:
    """Say which known name is nearest, whatever its case and the order of its parts.

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
    >>> suggest_name("177lu", ["Lu-177", "Y-90"])
    "did you mean 'Lu-177'? Known: Lu-177, Y-90"
    >>> suggest_name("mbq", ["MBq", "kBq"])
    "did you mean 'MBq'? Known: MBq, kBq"
    """
    names = list(known)
    same = [other for other in names if _parts(other) == _parts(name)]
    if same:
        return f"did you mean {same[0]!r}? Known: {', '.join(names)}"
    return suggest(name, names)


def _parts(name: str) -> list[str]:
    return sorted(re.findall(r"[^\W\d_]+|\d+|%", name.casefold()))
