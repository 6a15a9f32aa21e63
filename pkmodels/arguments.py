"""Arguments: what a caller gives, as numbers that JAX can trace."""

from collections.abc import Mapping
from typing import Any

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from jax.core import Tracer  # noqa: E402

from pkmodels.errors import InputError  # noqa: E402
from pkmodels.quantities import in_order  # noqa: E402
from pkmodels.system import System  # noqa: E402


def as_numbers(name: str, value: Any) -> Any:
    """Return an argument as an array of float64, unless JAX traces it.

    Parameters
    ----------
    name : str
        What to call it in the message.
    value : array-like
        The argument.

    Returns
    -------
    array

    Raises
    ------
    InputError
        When it is not made of real numbers.

    Examples
    --------
    >>> as_numbers("times_h", [1, 2])
    array([1., 2.])
    """
    if isinstance(value, Tracer):
        return value
    if isinstance(value, list | tuple) and any(isinstance(x, Tracer) for x in value):
        return jnp.asarray(value, jnp.float64)
    try:
        found = np.asarray(value)
        if found.dtype.kind not in "biuf":
            raise TypeError(f"it is {value!r}")
        return found.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be real numbers: {error}") from error


def parameter_values(system: System, parameters: Any) -> tuple[Any, ...]:
    """Return the parameters as one array, or as numbers of their own in order.

    Parameters
    ----------
    system : System
        The system.
    parameters : mapping of str to number, or array-like
        By name, or in the order of ``system.parameters``.

    Returns
    -------
    tuple of array
        One array of all, or one of each.

    Raises
    ------
    InputError
        When a name is unknown or missing, or a value is not one real number.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.schedule import ScheduleForm
    >>> from pkmodels.system import assemble
    >>> model = organ_exchange.model(("kidney",))
    >>> system = assemble(model, ScheduleForm((("x", "intravenous"),)))
    >>> parameter_values(system, [1, 2, 3])
    (array([1., 2., 3.]),)
    """
    if not isinstance(parameters, Mapping):
        return (as_numbers("parameters", parameters),)
    values = in_order(system, parameters)
    found = []
    for parameter, value in zip(system.parameters, values, strict=True):
        number = as_numbers(f"parameter {parameter!s}", value)
        if jnp.ndim(number) != 0:
            raise InputError(
                f"parameter {parameter!s} has the shape {jnp.shape(number)}: give one "
                "number, and use jax.vmap for many at once"
            )
        found.append(number)
    return tuple(found)
