"""Numbers as a person reads them: three significant digits, with their interval."""

from decimal import ROUND_DOWN, Decimal

EN_DASH = "\N{EN DASH}"


def rounded(value: float) -> str:
    """Return a number with three significant digits.

    Parameters
    ----------
    value : float
        Any finite number.

    Returns
    -------
    str

    Examples
    --------
    >>> [rounded(value) for value in (0.0, 0.03812, 9.996, 1234.0, 2.5e-6)]
    ['0', '0.0381', '10.0', '1230', '2.50e-06']
    """
    return _with_decimals(value, 2 - _exponent(value))


def rounded_down(value: float) -> str:
    """Return a number with three significant digits, never rounded up.

    Parameters
    ----------
    value : float
        A finite number, >= 0.

    Returns
    -------
    str

    Examples
    --------
    >>> [rounded_down(value) for value in (5.3199, 5.31, 0.0, 12.39)]
    ['5.31', '5.31', '0', '12.3']
    """
    exact = Decimal(repr(value))
    if not exact:
        return "0"
    step = Decimal(1).scaleb(exact.adjusted() - 2)
    return rounded(float(exact.quantize(step, rounding=ROUND_DOWN)))


def with_interval(median: float, interval: tuple[float, float]) -> str:
    """Return a median with its 95 % interval, three significant digits.

    The ends carry the median's decimals, as far as these leave them two or three
    significant digits.

    Parameters
    ----------
    median : float
        The median, finite.
    interval : tuple of float
        The ends of the interval, finite, in the unit of the median.

    Returns
    -------
    str

    Examples
    --------
    >>> with_interval(0.38123, (0.32961, 0.44129)).replace(EN_DASH, "-")
    '0.381 (0.330-0.441)'
    >>> with_interval(12.31, (0.0444, 123.4)).replace(EN_DASH, "-")
    '12.3 (0.044-123)'
    """
    decimals = 2 - _exponent(median)
    low, high = (
        _with_decimals(end, max(1 - _exponent(end), min(decimals, 2 - _exponent(end))))
        for end in interval
    )
    return f"{_with_decimals(median, decimals)} ({low}{EN_DASH}{high})"


def percent(probability: float) -> str:
    """Return a probability as a percentage, never shown as 0 or 100 unless it is.

    Parameters
    ----------
    probability : float
        Between 0 and 1.

    Returns
    -------
    str

    Examples
    --------
    >>> [percent(p) for p in (0.0, 0.0001, 0.05, 0.4321, 0.9999, 1.0)]
    ['0 %', '< 0.1 %', '5.0 %', '43 %', '> 99.9 %', '100 %']
    """
    if probability in (0.0, 1.0):
        return f"{100.0 * probability:.0f} %"
    if probability < 0.001:
        return "< 0.1 %"
    if probability > 0.999:
        return "> 99.9 %"
    decimals = 1 if probability < 0.0995 or probability > 0.9905 else 0
    return f"{100.0 * probability:.{decimals}f} %"


def _exponent(value: float) -> int:
    """Return the power of ten of the value after rounding to three digits."""
    return int(f"{value:.2e}".partition("e")[2])


def _with_decimals(value: float, decimals: int) -> str:
    if value == 0.0:
        return "0"
    if decimals > 5:
        return f"{value:.2e}"
    return f"{round(value, decimals):.{max(decimals, 0)}f}"
