"""Radioactive daughters of a model: where they stay and where they are set free."""

from dataclasses import dataclass

from pkmodels.definition import Fate, Model
from pkmodels.symbols import Amount


@dataclass(frozen=True)
class Release:
    """Decays in some amounts that set daughters free in one.

    Parameters
    ----------
    daughters : tuple of str
        The nuclides.
    sources : tuple of Amount
        Where their parents decay.
    target : Amount
        Where the daughters are then.
    """

    daughters: tuple[str, ...]
    sources: tuple[Amount, ...]
    target: Amount


def releases(model: Model) -> tuple[Release, ...]:
    """Return where daughters get to when set free, those together that do so alike.

    Parameters
    ----------
    model : Model
        The model.

    Returns
    -------
    tuple of Release
        Without the daughters that are set free where their parent is.

    Examples
    --------
    >>> from pkmodels.reactions import flow
    >>> from pkmodels.symbols import amounts
    >>> bound, inside, free = amounts("bound inside free", unit="nmol")
    >>> moves = (flow("uptake", bound, inside, bound), flow("loss", free, None, free))
    >>> fates = {"Bi-213": {bound: free, inside: free}}
    >>> model = Model("alpha", moves, {"local": bound}, {}, daughters=fates)
    >>> releases(model)
    (Release(daughters=('Bi-213',), sources=(bound, inside), target=free),)
    """
    together: dict[tuple[tuple[Amount, ...], Amount], list[str]] = {}
    for daughter, entry in model.daughters.items():
        if isinstance(entry, Fate):
            continue
        for target in dict.fromkeys(entry.values()):
            sources = tuple(a for a, into in entry.items() if target == into != a)
            if sources:
                together.setdefault((sources, target), []).append(daughter)
    return tuple(
        Release(tuple(daughters), sources, target)
        for (sources, target), daughters in together.items()
    )


def freed_in_place(model: Model) -> dict[str, tuple[Amount, ...]]:
    """Return the amounts in which each daughter is set free where its parent is.

    Parameters
    ----------
    model : Model
        The model.

    Returns
    -------
    dict of str to tuple of Amount

    Examples
    --------
    >>> from pkmodels.reactions import flow
    >>> from pkmodels.symbols import amounts
    >>> blood, free = amounts("blood free", unit="nmol")
    >>> loss = flow("loss", free, None, free)
    >>> fates = {"Bi-213": {blood: free, free: free}}
    >>> uptake = flow("uptake", blood, None, blood)
    >>> freed_in_place(Model("alpha", (uptake, loss), {"iv": blood}, {}, {}, fates))
    {'Bi-213': (free,)}
    """
    within = {
        daughter: tuple(a for a, into in entry.items() if a == into)
        for daughter, entry in model.daughters.items()
        if not isinstance(entry, Fate)
    }
    return {daughter: amounts for daughter, amounts in within.items() if amounts}


def staying(model: Model) -> tuple[tuple[str, Fate], ...]:
    """Return the daughters that are not set free, with what becomes of each.

    Parameters
    ----------
    model : Model
        The model.

    Returns
    -------
    tuple of (str, Fate)

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> staying(organ_exchange.model(("kidney",)))
    ()
    """
    entries = model.daughters.items()
    return tuple((name, fate) for name, fate in entries if isinstance(fate, Fate))
