"""The one unit system inside pkmodels (h, nmol, L, MBq, g, Gy) and its constants.

Numbers in other units are converted where they enter or leave, by `convert`.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from pkmodels.errors import InputError, ModelError

SECONDS_PER_HOUR = 3600.0
MINUTES_PER_HOUR = 60.0

# Exact in the SI since 2019 (BIPM, SI Brochure, 9th edition, 2019, section 2.2).
AVOGADRO_PER_MOL = 6.02214076e23
JOULE_PER_MEV = 1.602176634e-13

# 1 MeV in 1 g is 1.602176634e-10 Gy; 1 MBq h is 3.6e9 decays.
GY_G_PER_MEV_MBQ_H = JOULE_PER_MEV * 1e3 * 1e6 * SECONDS_PER_HOUR

# 1 ug over 1 g/mol is 1 umol.
NMOL_PER_UMOL = 1e3
MBQ_PER_GBQ = 1e3

# 1 MBq h is 1e6 x 3600 decays.
DECAYS_PER_MBQ_H = 1e6 * SECONDS_PER_HOUR

# 1 g/mL, the density that a standardized uptake value refers to by definition.
REFERENCE_DENSITY_G_PER_L = 1e3

# 1 mGy/(MBq s), the unit of published S-values, in Gy/(MBq h).
GY_PER_MBQ_H_PER_MGY_PER_MBQ_S = 1e-3 * SECONDS_PER_HOUR

# In the order of printing: nmol/(L h), Gy/(MBq h).
BASE_UNITS = ("Gy", "MBq", "L", "nmol", "g", "h")
_KNOWN = "h, nmol, L, MBq, g, Gy (or 1 for a plain number)"

# What can be converted. Becquerel and gray are dimensions of their own here, so that
# MBq is never 1/h and Sv never Gy. Time, litre: BIPM, SI Brochure, 9th edition, 2019,
# table 8; prefixes: table 7. Curie: NIST SP 811, 2008, appendix B.8, exact.
_DEFINITIONS = """
femto- = 1e-15 = f-
pico- = 1e-12 = p-
nano- = 1e-9 = n-
micro- = 1e-6 = \N{MICRO SIGN}- = \N{GREEK SMALL LETTER MU}- = u-
milli- = 1e-3 = m-
kilo- = 1e3 = k-
mega- = 1e6 = M-
giga- = 1e9 = G-
tera- = 1e12 = T-
hour = [time] = h
minute = hour / 60 = min
second = minute / 60 = s
day = 24 * hour = d
mole = [substance] = mol
liter = [volume] = L = l = litre
becquerel = [activity] = Bq
curie = 37e9 * becquerel = Ci
gram = [mass] = g
gray = [absorbed_dose] = Gy
molar = mole / liter = M
percent = 0.01 = %
"""
_DIMENSIONS = dict(
    zip(
        BASE_UNITS,
        ("absorbed_dose", "activity", "volume", "substance", "mass", "time"),
        strict=True,
    )
)

# A product after a division, as in nmol/L h, reads two ways.
_AMBIGUOUS = re.compile(
    r"/\s*(?:\w+|%|\([^()]*\))"
    r"(?:\s*(?:\*\*|\^)\s*(?:[-+.\w]+|\([^()]*\)))?"
    r"(?:\s*\*(?!\*)|\s)\s*[\w(%]"
)
# Long numbers and numbers to a power are in no unit, and would be computed forever.
_NO_UNIT = re.compile(
    "[^ -~\N{MICRO SIGN}\N{GREEK SMALL LETTER MU}]"
    r"|\d\d\d|\d\s*[eE_]|\d[\s)]*(?:\*\*|\^)"
)


@dataclass(frozen=True, repr=False)
class Unit:
    """A product of powers of h, nmol, L, MBq, g and Gy; `Unit()` is 1.

    Parameters
    ----------
    exponents : tuple of 6 Fraction
        The power of each of `BASE_UNITS`, in that order.

    Raises
    ------
    ModelError
        When the exponents are not six.

    Examples
    --------
    >>> concentration = parse_unit("nmol") / parse_unit("L")
    >>> print(concentration / parse_unit("h"), Unit())
    nmol/(L h) 1
    >>> concentration ** Fraction(1, 2) * concentration ** Fraction(1, 2)
    Unit('nmol/L')
    """

    exponents: tuple[Fraction, ...] = (Fraction(0),) * len(BASE_UNITS)

    def __post_init__(self) -> None:
        """Check the number of exponents."""
        if len(self.exponents) != len(BASE_UNITS):
            raise ModelError(
                f"a unit got the exponents {self.exponents}: it needs one for each of "
                f"{', '.join(BASE_UNITS)}; parse_unit makes it from text"
            )

    def __mul__(self, other: "Unit") -> "Unit":
        """Return the unit of a product."""
        pairs = zip(self.exponents, other.exponents, strict=True)
        return Unit(tuple(mine + theirs for mine, theirs in pairs))

    def __truediv__(self, other: "Unit") -> "Unit":
        """Return the unit of a quotient."""
        return self * other**-1

    def __pow__(self, exponent: int | Fraction) -> "Unit":
        """Return the unit of a power."""
        return Unit(tuple(mine * exponent for mine in self.exponents))

    def __str__(self) -> str:
        """Print it so that `parse_unit` reads it back."""
        powers = list(zip(BASE_UNITS, self.exponents, strict=True))
        above = [_power(name, p) for name, p in powers if p > 0]
        below = [_power(name, -p) for name, p in powers if p < 0]
        top = " ".join(above) or "1"
        if not below:
            return top
        return f"{top}/({' '.join(below)})" if len(below) > 1 else f"{top}/{below[0]}"

    def __repr__(self) -> str:
        """Print it as the text that makes it."""
        return f"Unit({str(self)!r})"


def _power(name: str, exponent: Fraction) -> str:
    if exponent == 1:
        return name
    whole = exponent.denominator == 1
    return f"{name}^{exponent}" if whole else f"{name}^({exponent})"


@lru_cache(maxsize=1024)
def parse_unit(text: str) -> Unit:
    """Read a unit made of h, nmol, L, MBq, g and Gy.

    Parameters
    ----------
    text : str
        Products (`L nmol`, `L*nmol`), quotients (`nmol/L/h`, `nmol/(L h)`) and
        powers (`L^2`) of the six; "1" is the unit of a plain number.

    Returns
    -------
    Unit

    Raises
    ------
    ModelError
        When the text is empty, cannot be read, reads two ways, or holds another
        unit: the message proposes ours and the conversion.

    Examples
    --------
    >>> parse_unit("1/nmol/h")
    Unit('1/(nmol h)')
    >>> parse_unit("nM")
    Traceback (most recent call last):
    pkmodels.errors.ModelError: unit 'nM' is not made of h, nmol, L, MBq, g, Gy (or 1 \
for a plain number): write 'nmol/L', which is the same
    """
    try:
        unit = _reduce(text)
    except InputError as error:
        raise ModelError(str(error)) from error
    if set(re.findall(r"[^\W\d_]+|%", text)) <= {*BASE_UNITS}:
        return unit
    ours = str(unit)
    remedy = (
        f"write {ours!r}, which is the same"
        if _factor(text, ours) == 1
        else f"write {ours!r}; convert(value, {text!r}, {ours!r}) converts the number"
    )
    raise ModelError(f"unit {text!r} is not made of {_KNOWN}: {remedy}")


def convert(value: float, unit: str, to: str) -> float:
    """Convert a number from one unit to another that measures the same.

    Nothing is converted that our six units tell apart: MBq is not 1/h, though both
    are 1/s in the SI, and g is not nmol.

    Parameters
    ----------
    value : float
        The number.
    unit, to : str
        Its unit and the one wanted: of h, min, s, d; mol, M; L; Bq, Ci; g; Gy; %,
        with the prefixes f to T, and their products, quotients and powers.

    Returns
    -------
    float

    Raises
    ------
    InputError
        When a unit cannot be read, or the two measure different things.

    References
    ----------
    BIPM, SI Brochure, 9th edition, 2019, tables 7 and 8; NIST SP 811, 2008,
    appendix B.8 (curie).

    Examples
    --------
    >>> convert(0.04, "1/min", "1/h")
    2.4
    >>> convert(5.0, "uCi/mL", "MBq/L")
    185.0
    """
    from_ours, to_ours = _reduce(unit), _reduce(to)
    if from_ours != to_ours:
        raise InputError(
            f"{value} {unit} cannot be converted to {to!r}: {unit!r} converts to "
            f"{str(from_ours)!r} and {to!r} to {str(to_ours)!r}, which measure "
            "different things; check both units"
        )
    factor = _factor(unit, to)
    return float(value * factor.numerator / factor.denominator)


@lru_cache(maxsize=1024)
def _factor(unit: str, to: str) -> Fraction:
    return Fraction(_registry().convert(Fraction(1), unit, to))


@lru_cache(maxsize=1024)
def _reduce(text: str) -> Unit:
    """Return our unit that a number in the unit `text` can be converted to."""
    if not text.strip():
        raise InputError(f"unit {text!r} is empty: write '1' for a plain number")
    if _AMBIGUOUS.search(text):
        raise InputError(
            f"unit {text!r} reads two ways: put what is below the line in parentheses, "
            "as in 'nmol/(L h)'"
        )
    unreadable = (
        f"unit {text!r} cannot be read: make it of {_KNOWN}, as in 'nmol/(L h)', "
        "without numbers"
    )
    if _NO_UNIT.search(text):
        raise InputError(unreadable)
    try:
        found = _registry().parse_units(text).dimensionality
    except Exception as error:  # pint fails in a dozen ways on what is no unit
        raise InputError(unreadable) from error
    exponents = (found.get(f"[{_DIMENSIONS[name]}]", 0) for name in BASE_UNITS)
    return Unit(tuple(Fraction(exponent) for exponent in exponents))


@lru_cache(maxsize=1)
def _registry() -> Any:
    from pint import UnitRegistry

    exact: Any = Fraction  # pint takes any type of number; its annotation says float
    registry = UnitRegistry(None, non_int_type=exact, cache_folder=None)
    registry.load_definitions(_DEFINITIONS.splitlines())
    return registry
