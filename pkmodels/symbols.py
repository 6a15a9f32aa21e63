"""The symbols of a model: amounts, parameters and inputs, each with its unit."""

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

import sympy

from pkmodels.errors import ModelError, check_kind
from pkmodels.nuclides import FREE_LABEL
from pkmodels.units import parse_unit

# The ligand of a model that is written for one, whichever it may be.
LIGAND = "ligand"
# What is no ligand: receptors, transporters, binding proteins.
NO_LIGAND = ""


class _SymbolWithUnit(sympy.Symbol):
    """A symbol that is told from others by its unit and further details, too."""

    unit: str
    __slots__ = ("unit",)

    def _details(self) -> tuple[Any, ...]:
        return (self.unit,)

    def _hashable_content(self) -> tuple[Any, ...]:
        return (*super()._hashable_content(), *self._details())

    def __getnewargs_ex__(self) -> Any:
        return (self.name, *self._details()), {}


class Amount(_SymbolWithUnit):
    """Moles of one form of one ligand (or of a receptor) in one place.

    Read for a label instead of for all ligand, the same symbol is its activity.
    """

    ligand: str
    __slots__ = ("ligand",)

    def __new__(cls, name: str, unit: str, ligand: str = LIGAND) -> "Amount":
        """Make the symbol; equal names, units and ligands give equal symbols."""
        return _symbol(cls, name, unit=unit, ligand=ligand)

    def _details(self) -> tuple[Any, ...]:
        return (self.unit, self.ligand)


class Parameter(_SymbolWithUnit):
    """A positive constant of a model."""

    __slots__ = ()

    def __new__(cls, name: str, unit: str) -> "Parameter":
        """Make the symbol; equal names and units give equal symbols."""
        return _symbol(cls, name, unit=unit)


class Input(_SymbolWithUnit):
    """What a schedule sets for a while: piecewise constant in time, known, >= 0.

    Outside the windows of the schedule it has the value `otherwise`.
    """

    otherwise: float
    __slots__ = ("otherwise",)

    def __new__(cls, name: str, unit: str, otherwise: float) -> "Input":
        """Make the symbol; equal names, units and values give equal symbols."""
        if not (math.isfinite(otherwise) and otherwise >= 0.0):
            raise ModelError(
                f"input {name!r}: otherwise is {otherwise}; it must be finite and >= 0"
            )
        return _symbol(cls, name, unit=unit, otherwise=float(otherwise))

    def _details(self) -> tuple[Any, ...]:
        return (self.unit, self.otherwise)


class Reading(_SymbolWithUnit):
    """What an observable may know of the label that it is read for."""

    __slots__ = ()

    def __new__(cls, name: str, unit: str) -> "Reading":
        """Make the symbol; equal names and units give equal symbols."""
        return _symbol(cls, name, unit=unit)


def _symbol(cls: Any, name: str, **details: Any) -> Any:
    check_kind(f"{cls.__name__.lower()} name", name, str, "write it in quotes")
    if not name.isidentifier():
        raise ModelError(
            f"{cls.__name__.lower()} name {name!r} is not an identifier: use letters, "
            "digits and underscores, starting with a letter"
        )
    # One spelling of each unit, so that 1/h and h^-1 make equal symbols.
    details["unit"] = str(parse_unit(details["unit"]))
    symbol = sympy.Symbol.__xnew__(cls, name, nonnegative=True)
    for field, value in details.items():
        setattr(symbol, field, value)
    return symbol


# All that was given before the time of the reading, each as it was when given.
ADMINISTERED = Reading("administered", "nmol")
# The same, less what has decayed until then: the reference of decay-corrected values.
UNDECAYED = Reading("undecayed", "nmol")
# Of the label, ln 2 / half-life; 0 when the ligand itself is read.
DECAY_CONSTANT = Reading("decay_constant", "1/h")
# 1000 g/L, the density that a standardized uptake value is referred to.
REFERENCE_DENSITY = Reading("reference_density", "g/L")
# Decays in 1 h of what is read, 3.6e9 for 1 MBq: an amount read as activity is in MBq.
COUNTED_DECAYS = Reading("counted_decays", "1/(nmol h)")


def _split(names: str) -> list[str]:
    found = names.split()
    repeated = [name for name, count in Counter(found).items() if count > 1]
    if repeated:
        raise ModelError(f"{repeated[0]!r} is named twice in {names!r}: name it once")
    return found


def symbols_in(expression: sympy.Basic) -> list[sympy.Symbol]:
    """Return the symbols of an expression in the order of their names.

    Parameters
    ----------
    expression : sympy expression
        The expression.

    Returns
    -------
    list of sympy.Symbol

    Examples
    --------
    >>> on, off = parameters("on off", unit="1/h")
    >>> symbols_in(on / off)
    [off, on]
    """
    found = [s for s in expression.free_symbols if isinstance(s, sympy.Symbol)]
    return sorted(found, key=lambda symbol: symbol.name)


def amounts_in(expression: sympy.Basic) -> list[Amount]:
    """Return the amounts of an expression in the order of their names.

    Parameters
    ----------
    expression : sympy expression
        The expression.

    Returns
    -------
    list of Amount

    Examples
    --------
    >>> plasma, bound = amounts("plasma bound", unit="nmol")
    >>> amounts_in(plasma * bound + 1)
    [bound, plasma]
    """
    return [symbol for symbol in symbols_in(expression) if isinstance(symbol, Amount)]


def amounts(names: str, *, unit: str, ligand: str = LIGAND) -> tuple[Amount, ...]:
    """Make one amount of a ligand for each name.

    Parameters
    ----------
    names : str
        Names separated by spaces.
    unit : str
        Their unit, nmol where a mass of ligand may saturate anything.
    ligand : str
        The ligand that they hold; left out in a model of one ligand, which then
        takes whichever is given.

    Returns
    -------
    tuple of Amount

    Raises
    ------
    ModelError
        When a name is not an identifier or repeats, or the unit is not of the system.

    Examples
    --------
    >>> plasma, kidney = amounts("plasma kidney", unit="nmol")
    >>> kidney, kidney.unit
    (kidney, 'nmol')
    >>> (blocker,) = amounts("blocker", unit="nmol", ligand="AMD3100")
    >>> blocker.ligand
    'AMD3100'
    """
    return tuple(Amount(name, unit, ligand) for name in _split(names))


def receptors(names: str, *, unit: str) -> tuple[Amount, ...]:
    """Make one amount of free receptor (or any other thing that is no ligand) each.

    Parameters
    ----------
    names : str
        Names separated by spaces.
    unit : str
        Their unit, that of the ligands that they bind.

    Returns
    -------
    tuple of Amount

    Raises
    ------
    ModelError
        As `amounts` does.

    Examples
    --------
    >>> (free,) = receptors("free_receptor", unit="nmol")
    >>> free.ligand
    ''
    """
    return tuple(Amount(name, unit, NO_LIGAND) for name in _split(names))


def parameters(names: str, *, unit: str) -> tuple[Parameter, ...]:
    """Make one parameter for each name.

    Parameters
    ----------
    names : str
        Names separated by spaces.
    unit : str
        Their unit.

    Returns
    -------
    tuple of Parameter

    Raises
    ------
    ModelError
        When a name is not an identifier or repeats, or the unit is not of the system.

    Examples
    --------
    >>> on, off = parameters("on off", unit="1/h")
    >>> on + off
    off + on
    """
    return tuple(Parameter(name, unit) for name in _split(names))


def inputs(names: str, *, unit: str, otherwise: float) -> tuple[Input, ...]:
    """Make one input for each name.

    Parameters
    ----------
    names : str
        Names separated by spaces.
    unit : str
        Their unit.
    otherwise : float
        Value wherever a schedule says nothing, >= 0.

    Returns
    -------
    tuple of Input

    Raises
    ------
    ModelError
        When a name is not an identifier or repeats, or the unit is not of the system.

    Examples
    --------
    >>> (amino_acids,) = inputs("amino_acids", unit="1", otherwise=0.0)
    >>> amino_acids.otherwise
    0.0
    """
    return tuple(Input(name, unit, otherwise) for name in _split(names))


def name_in_model(known: Iterable[str], ligand: str) -> str | None:
    """Return by which name a model knows a ligand.

    A model that names no ligand, but for free labels, takes any by the name `LIGAND`.

    Parameters
    ----------
    known : iterable of str
        The model's ligands.
    ligand : str
        The ligand.

    Returns
    -------
    str or None
        None where it has no place in the model.

    Examples
    --------
    >>> name_in_model(("ligand", "free Lu"), "dotatate")
    'ligand'
    >>> name_in_model(("ligand", "AMD3100"), "AMD-3100") is None
    True
    """
    names = set(known)
    if ligand in names:
        return ligand
    unnamed = all(n == LIGAND or n.startswith(FREE_LABEL) for n in names)
    takes_any = LIGAND in names and unnamed and not ligand.startswith(FREE_LABEL)
    return LIGAND if takes_any else None


def described(symbol: sympy.Symbol) -> str:
    """Say what a symbol is, with its unit.

    Parameters
    ----------
    symbol : Amount, Parameter, Input or Reading
        The symbol.

    Returns
    -------
    str

    Examples
    --------
    >>> described(Parameter("uptake", "1/h"))
    'a parameter in 1/h'
    >>> described(Amount("bound", "nmol", "pentixather"))
    'an amount of pentixather in nmol'
    """
    if isinstance(symbol, Amount):
        return f"an amount of {symbol.ligand or 'no ligand'} in {symbol.unit}"
    if isinstance(symbol, Input):
        return f"an input in {symbol.unit}, otherwise {symbol.otherwise:g}"
    if isinstance(symbol, Parameter):
        return f"a parameter in {symbol.unit}"
    return f"a reading in {getattr(symbol, 'unit', 'no unit')}"
