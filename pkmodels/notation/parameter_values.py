"""Values of parameters, as a table shows them: number, how sure, source."""

import math
from collections.abc import Iterable, Mapping
from numbers import Real

from pkmodels.errors import InputError, check_kind
from pkmodels.symbols import Parameter
from pkmodels.units import parse_unit
from pkmodels.values import Family, Prior, Value

# What is known of a parameter; a plain number is in its unit, from no stated source.
Known = Value | Prior | float

_REMEDY = "write a Value, a Prior or a number"


def check_values(parameters: Iterable[Parameter], values: object) -> None:
    """Refuse what is no value of a parameter; other names are passed over.

    Parameters
    ----------
    parameters : iterable of Parameter
        The parameters.
    values : object
        What is given for them, which should be a mapping of names.

    Raises
    ------
    InputError
        When it is no mapping, or one of its values is no Value, no Prior and no finite
        number, or in another unit than its parameter.

    Examples
    --------
    >>> check_values([Parameter("uptake", "1/h")], {"uptake": "0.1"})
    Traceback (most recent call last):
    pkmodels.errors.InputError: the value of 'uptake' is '0.1' (str): write a Value, ...
    """
    check_kind("the mapping of values", values, Mapping, "write {'uptake': 0.1}")
    assert isinstance(values, Mapping)
    for parameter in parameters:
        if parameter.name in values:
            _check_value(parameter, values[parameter.name])


def _check_value(parameter: Parameter, value: object) -> None:
    what = f"the value of {parameter.name!r}"
    kinds = () if isinstance(value, bool) else (Value, Prior, Real)
    check_kind(what, value, kinds, _REMEDY)
    if isinstance(value, Real) and not math.isfinite(value):
        raise InputError(f"{what} is {value}, which is not finite: {_REMEDY}")
    # Numbers without a unit may say so by an empty text.
    if isinstance(value, Value | Prior) and (
        parse_unit(value.unit or "1") != parse_unit(parameter.unit)
    ):
        raise InputError(
            f"{what} is in {value.unit or '1'}, the parameter in {parameter.unit}: "
            "convert the value"
        )


def value_texts(value: Known) -> tuple[str, str, str]:
    """Write a value for a table.

    Parameters
    ----------
    value : Value, Prior or float
        The value.

    Returns
    -------
    tuple of str
        The number or the distribution, how sure it is, and its source.

    Examples
    --------
    >>> value_texts(0.1)
    ('0.1', '', 'not stated')
    """
    if isinstance(value, Value | Prior):
        return _number(value), value.certainty, value.source
    return f"{float(value):.12g}", "", "not stated"


def _number(value: Value | Prior) -> str:
    if isinstance(value, Value):
        return f"{value.value:.12g}"
    if value.family is Family.LOG_NORMAL:
        median, log_sd = value.parameters["median"], value.parameters["log_sd"]
        return f"log-normal, median {median:.6g}, sd of ln {log_sd:.3g}"
    if value.family is Family.LOGIT_NORMAL:
        median, logit_sd = value.parameters["median"], value.parameters["logit_sd"]
        return f"logit-normal, median {median:.6g}, sd of logit {logit_sd:.3g}"
    return f"half-normal, scale {value.parameters['scale']:.6g}"
