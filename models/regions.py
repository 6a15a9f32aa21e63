"""Regions of a patient's scans as organs of a whole-body model.

A region is an organ, one of two kidneys, both kidneys, or a tumour by its own name.
"""

from collections.abc import Mapping, Sequence

import sympy

from pkmodels.errors import ModelError, suggest
from pkmodels.symbols import Parameter

KIDNEY, KIDNEYS, TUMOUR = "kidney", "kidneys", "tumour"


def tumours_of(regions: Mapping[str, str]) -> tuple[str, ...]:
    """Return the regions that are tumours.

    Parameters
    ----------
    regions : mapping of str to str
        Organ of each region.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> tumours_of({"liver": "liver", "segment_6": "tumour"})
    ('segment_6',)
    """
    return tuple(region for region, organ in regions.items() if organ == TUMOUR)


def share_name(regions: Mapping[str, str]) -> str | None:
    """Return the name of the parameter that tells one kidney from the other.

    Parameters
    ----------
    regions : mapping of str to str
        Organ of each region.

    Returns
    -------
    str or None
        ``share_<region>`` of the first region that is a ``kidney``; None where none is.

    Examples
    --------
    >>> share_name({"left": "kidney", "right": "kidney", "liver": "liver"})
    'share_left'
    """
    single = [region for region, organ in regions.items() if organ == KIDNEY]
    return f"share_{single[0]}" if single else None


def check_regions(
    model: str,
    regions: Mapping[str, str],
    organs: Sequence[str],
    taken: Mapping[str, str],
) -> None:
    """Refuse regions that a whole-body model cannot show.

    Parameters
    ----------
    model : str
        Name of the model.
    regions : mapping of str to str
        Organ of each region.
    organs : sequence of str
        Those that the model describes.
    taken : mapping of str to str
        Names with a meaning in the model, to the organ that they stand for; ``""`` for
        no region at all.

    Raises
    ------
    ModelError
        When an organ is unknown or described more than once, or a name is taken.

    Examples
    --------
    >>> both = {"left": "kidney", "both": "kidneys"}
    >>> check_regions("body", both, ("kidney", "kidneys"), {})
    Traceback (most recent call last):
    pkmodels.errors.ModelError: body: regions are kidney and kidneys: give each \
kidney, or both as one
    """
    for name, organ in regions.items():
        what = f"{model}: region {name!r}"
        if organ not in organs:
            raise ModelError(f"{what}: no organ {organ!r}: {suggest(organ, organs)}")
        if taken.get(name, organ) != organ:
            raise ModelError(
                f"{what} has the name of something else in the model, but is the organ "
                f"{organ!r}: give it another name in both files"
            )
    given = list(regions.values())
    for organ in sorted(set(given) - {TUMOUR}):
        most = 2 if organ == KIDNEY else 1
        if given.count(organ) > most:
            raise ModelError(
                f"{model}: {given.count(organ)} regions are {organ}, but there can be "
                f"{most}: outline them as one"
            )
    if {KIDNEY, KIDNEYS} <= set(given):
        raise ModelError(
            f"{model}: regions are kidney and kidneys: give each kidney, or both as one"
        )


def observe_regions(
    regions: Mapping[str, str],
    contents: Mapping[str, sympy.Expr],
    names: Mapping[str, str],
) -> dict[str, sympy.Expr]:
    """Return what each region shows of what the organs hold.

    Of two kidneys the first holds a share of both, the other the rest of it.

    Parameters
    ----------
    regions : mapping of str to str
        Organ of each region, as `check_regions` lets pass.
    contents : mapping of str to sympy expression
        What each organ and tumour holds, by its name in the model.
    names : mapping of str to str
        The name in the model of organs that are called otherwise.

    Returns
    -------
    dict of str to sympy expression

    Examples
    --------
    >>> held = {"kidneys": sympy.Symbol("held")}
    >>> observe_regions({"left": "kidney", "right": "kidney"}, held, {})
    {'left': share_left*held, 'right': held*(1 - share_left)}
    """
    share = share_name(regions)
    found: dict[str, sympy.Expr] = {}
    for region, organ in regions.items():
        if organ == KIDNEY:
            first = Parameter(str(share), "1")
            part = first if share == f"share_{region}" else 1 - first
            found[region] = part * contents[KIDNEYS]
        else:
            name = region if organ == TUMOUR else names.get(organ, organ)
            found[region] = contents[name]
    return found
