"""The symbols of a model: amounts and parameters, each with its unit."""

from typing import Any

import sympy

from pkmodels.errors import ModelError


class Amount(sympy.Symbol):
    """Moles (or, for a tracer, activity) of one form of one ligand in one place."""

    unit: str
    __slots__ = ("unit",)

    def __new__(cls, name: str, unit: str) -> "Amount":
        """Make the symbol; equal names and units give equal symbols."""
        return _symbol(cls, name, unit)

    def _hashable_content(self) -> tuple[Any, ...]:
        return (*super()._hashable_content(), self.unit)

    def __getnewargs_ex__(self) -> Any:
        """Pickle by name and unit."""
        return (self.name, self.unit), {}


class Parameter(sympy.Symbol):
    """A positive constant of a model."""

    unit: str
    __slots__ = ("unit",)

    def __new__(cls, name: str, unit: str) -> "Parameter":
        """Make the symbol; equal names and units give equal symbols."""
        return _symbol(cls, name, unit)

    def _hashable_content(self) -> tuple[Any, ...]:
        return (*super()._hashable_content(), self.unit)

    def __getnewargs_ex__(self) -> Any:
        """Pickle by name and unit."""
        return (self.name, self.unit), {}


def _symbol(cls: Any, name: str, unit: str) -> Any:
    if not name.isidentifier():
        raise ModelError(
            f"{cls.__name__.lower()} name {name!r} is not an identifier: use letters, "
            "digits and underscores, starting with a letter"
        )
    symbol = sympy.Symbol.__xnew__(cls, name, nonnegative=True)
    symbol.unit = unit
    return symbol


def amounts(names: str, *, unit: str) -> tuple[Amount, ...]:
    """Make one amount for each name.

    Parameters
    ----------
    names : str
        Names separated by spaces.
    unit : str
        Their unit.

    Returns
    -------
    tuple of Amount

    Raises
    ------
    ModelError
        When a name is not an identifier.

    Examples
    --------
    >>> plasma, kidney = amounts("plasma kidney", unit="nmol")
    >>> kidney, kidney.unit
    (kidney, 'nmol')
    """
    return tuple(Amount(name, unit) for name in names.split())


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
        When a name is not an identifier.

    Examples
    --------
    >>> on, off = parameters("on off", unit="1/h")
    >>> on + off
    off + on
    """
    return tuple(Parameter(name, unit) for name in names.split())
