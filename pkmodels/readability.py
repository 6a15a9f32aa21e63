"""Whether an observable can be read for a label, and in which unit."""

from functools import lru_cache
from typing import Any

import sympy

from pkmodels.dimensions import unit_of
from pkmodels.errors import ModelError
from pkmodels.symbols import (
    ADMINISTERED,
    COUNTED_DECAYS,
    DECAY_CONSTANT,
    NO_LIGAND,
    UNDECAYED,
    Amount,
    Reading,
    amounts_in,
    symbols_in,
)
from pkmodels.units import Unit


@lru_cache(maxsize=256)
def label_unit(expression: sympy.Expr) -> Unit | None:
    """Return the unit of an observable read for a label, if it can be read.

    Amounts of ligand and what was given are then in MBq, receptors and parameters in
    what they are; what does not fit together, or leaves nmol over, is no activity.

    Parameters
    ----------
    expression : sympy expression
        The observable.

    Returns
    -------
    Unit or None

    Examples
    --------
    >>> from pkmodels.symbols import amounts, parameters
    >>> (bound,), (sites,) = amounts("bound", unit="nmol"), parameters("s", unit="nmol")
    >>> print(label_unit(bound), label_unit(bound / sites), label_unit(bound + sites))
    MBq None None
    """
    activity: dict[sympy.Symbol, sympy.Symbol] = {}
    for symbol in symbols_in(expression):
        labelled = isinstance(symbol, Amount) and symbol.ligand != NO_LIGAND
        relative = symbol in (ADMINISTERED, UNDECAYED, COUNTED_DECAYS)
        if isinstance(symbol, Amount | Reading) and (labelled or relative):
            unit = symbol.unit.replace("nmol", "MBq")
            activity[symbol] = Reading(f"{symbol.name}_of_label", unit)
    changed: Any = expression.xreplace(activity)
    try:
        unit = unit_of(changed)
    except ModelError:
        return None
    return None if "nmol" in str(unit) else unit


@lru_cache(maxsize=256)
def unreadable(expression: sympy.Expr) -> str | None:
    """Say why an observable cannot be read for a label, if it cannot.

    A label's activity may stand for an amount only where the units still fit, and the
    expression is in proportion to the amounts, or to their ratios; counts may have a
    background.

    Parameters
    ----------
    expression : sympy expression
        The observable.

    Returns
    -------
    str or None
        The reason, or None where it can be read.

    Examples
    --------
    >>> from pkmodels.symbols import amounts, receptors
    >>> tumour, flank = amounts("tumour flank", unit="nmol")
    >>> unreadable(tumour / flank) is None
    True
    >>> unreadable(tumour**2)
    'it is not in proportion to the amounts in it'
    >>> (receptor,) = receptors("receptor", unit="nmol")
    >>> unreadable(tumour / (tumour + receptor))
    'it holds receptor, which carries no label'
    """
    scaled = amounts_in(expression)
    for symbol in scaled:
        if symbol.ligand == NO_LIGAND:
            return f"it holds {symbol}, which carries no label"
    if not scaled:
        return "it holds no amount"
    if label_unit(expression) is None:
        return "it joins amounts with parameters in nmol, which are no activity"
    factor = sympy.Dummy("factor", positive=True)
    given = [s for s in expression.free_symbols if s in (ADMINISTERED, UNDECAYED)]
    scaling = {s: factor * s for s in (*scaled, *given)}
    larger = expression.subs(scaling, simultaneous=True)
    if sympy.simplify(larger - expression) == 0:
        return None
    empty = expression.subs(dict.fromkeys(scaled, 0))
    if sympy.simplify(larger - empty - factor * (expression - empty)) == 0:
        return None
    return "it is not in proportion to the amounts in it"


def is_of_ligand(expression: sympy.Expr) -> bool:
    """Say whether an observable is a fraction of ligand or receptor, as an occupancy.

    It has no unit, and none of a label: it is the same whichever label is read, and is
    read of the amounts.

    Parameters
    ----------
    expression : sympy expression
        The observable.

    Returns
    -------
    bool

    Examples
    --------
    >>> from pkmodels.symbols import amounts, receptors
    >>> (bound,), (free,) = amounts("bound", unit="nmol"), receptors("r", unit="nmol")
    >>> is_of_ligand(bound / (bound + free)), is_of_ligand(bound + free)
    (True, False)
    """
    relative = expression.has(ADMINISTERED, UNDECAYED) or needs_label(expression)
    if relative or unit_of(expression) != Unit():
        return False
    held = any(amount.ligand == NO_LIGAND for amount in amounts_in(expression))
    return held or label_unit(expression) is None


def needs_label(expression: sympy.Expr) -> bool:
    """Say whether an observable has a meaning for a label only.

    Parameters
    ----------
    expression : sympy expression
        The observable.

    Returns
    -------
    bool

    Examples
    --------
    >>> needs_label(DECAY_CONSTANT * Amount("cells", "nmol"))
    True
    """
    return not expression.free_symbols.isdisjoint({DECAY_CONSTANT, COUNTED_DECAYS})
