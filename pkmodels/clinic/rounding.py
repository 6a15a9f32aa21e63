"""Numbers as a person reads them: no more digits than their interval supports."""

from decimal import ROUND_DOWN, Decimal

EN_DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"

# Width of an equal-tailed 95 % interval of a normal distribution, in sd.
_INTERVAL_WIDTH_SD = 3.92


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
    """Return a median with its 95 % interval, as many digits as that supports.

    The median ends at the second significant digit of the interval's standard
    deviation, width / 3.92 (GUM, JCGM 100:2008, 7.2.6), and has at most three
    significant digits. The ends carry the median's decimals, as far as these leave
    them two or three significant digits.

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
    '12 (0.044-123)'
    """
    decimals = 2 - _exponent(median)
    spread = (interval[1] - interval[0]) / _INTERVAL_WIDTH_SD
    if spread > 0.0 and median != 0.0:
        decimals = max(min(decimals, 1 - _exponent(spread)), -_exponent(median))
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


def percent_interval(median: float, interval: tuple[float, float]) -> str:
    """Return a share with its 95 % interval, as percentages.

    Parameters
    ----------
    median : float
        Between 0 and 1.
    interval : tuple of float
        The ends of the interval, between 0 and 1.

    Returns
    -------
    str

    Examples
    --------
    >>> percent_interval(0.204, (0.121, 0.33)).replace(EN_DASH, "-")
    '20 % (12-33 %)'
    """
    low, high = interval
    return (
        f"{percent(median)} ({percent(low).removesuffix(' %')}{EN_DASH}{percent(high)})"
    )


def share(part: float) -> str:
    """Return a share of a variance as a whole percentage; it may be negative.

    Parameters
    ----------
    part : float
        The share, finite.

    Returns
    -------
    str

    Examples
    --------
    >>> [share(part).replace(MINUS, "-") for part in (0.384, -0.031, 0.002, -0.001)]
    ['38 %', '-3 %', '0 %', '0 %']
    """
    whole = round(100.0 * part)
    return f"{MINUS if whole < 0 else ''}{abs(whole)} %"


def relative(uncertainty: float) -> str:
    """Return a relative standard uncertainty as a percentage, two digits.

    Parameters
    ----------
    uncertainty : float
        The standard uncertainty over the value, >= 0, finite.

    Returns
    -------
    str

    Examples
    --------
    >>> [relative(u) for u in (0.0, 0.004, 0.0347, 0.2149, 1.53)]
    ['0 %', '0.40 %', '3.5 %', '21 %', '150 %']
    """
    value = 100.0 * uncertainty
    return f"{_with_decimals(value, 1 - int(f'{value:.1e}'.partition('e')[2]))} %"


def _exponent(value: float) -> int:
    """Return the power of ten of the value after rounding to three digits."""
    return int(f"{value:.2e}".partition("e")[2])


def _with_decimals(value: float, decimals: int) -> str:
    if value == 0.0:
        return "0"
    if decimals > 5:
        return f"{value:.2e}"
    return f"{round(value, decimals):.{max(decimals, 0)}f}"
