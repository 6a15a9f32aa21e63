"""Units: reading, printing and converting them, their algebra, and refusing."""

import itertools
import subprocess
import sys
from fractions import Fraction

import pint
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pkmodels.errors import InputError, ModelError
from pkmodels.units import BASE_UNITS, Unit, convert, parse_unit

SMALL = [Fraction(n, d) for n in range(-3, 4) for d in (1, 2, 3)]
exponents = st.sampled_from(SMALL)
units = st.builds(Unit, st.tuples(*[exponents] * len(BASE_UNITS)))


@pytest.mark.parametrize(
    ("text", "powers"),
    [
        ("1", {}),
        ("1/h", {"h": -1}),
        ("1/(nmol h)", {"nmol": -1, "h": -1}),
        ("1/nmol/h", {"nmol": -1, "h": -1}),
        ("L/h", {"L": 1, "h": -1}),
        ("nmol/L", {"nmol": 1, "L": -1}),
        ("nmol/L/h", {"nmol": 1, "L": -1, "h": -1}),
        ("MBq", {"MBq": 1}),
        ("L/(nmol h)", {"L": 1, "nmol": -1, "h": -1}),
        ("L/h/g", {"L": 1, "h": -1, "g": -1}),
        ("g/L", {"g": 1, "L": -1}),
        ("Gy/(MBq h)", {"Gy": 1, "MBq": -1, "h": -1}),
        ("MBq*h", {"MBq": 1, "h": 1}),
        ("L**2/h^2", {"L": 2, "h": -2}),
        ("nmol^(1/2)", {"nmol": Fraction(1, 2)}),
    ],
)
def test_units_read(text: str, powers: dict[str, Fraction | int]) -> None:
    expected = tuple(Fraction(powers.get(name, 0)) for name in BASE_UNITS)
    assert parse_unit(text).exponents == expected


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("nmol/L/h", "nmol/(L h)"),
        ("1/h", "1/h"),
        ("h/h", "1"),
        ("h MBq", "MBq h"),
        ("nmol L/h", "L nmol/h"),
        ("1/L**2", "1/L^2"),
    ],
)
def test_units_print(text: str, printed: str) -> None:
    assert str(parse_unit(text)) == printed


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("1/min", "write '1/h'; convert(value, '1/min', '1/h') converts the number"),
        ("nM", "write 'nmol/L', which is the same"),
        ("hour", "write 'h', which is the same"),
        ("mL", "write 'L'; convert(value, 'mL', 'L') converts the number"),
        ("Bq s", "write 'MBq h'; convert(value, 'Bq s', 'MBq h') converts the number"),
        ("%", "write '1'; convert(value, '%', '1') converts the number"),
    ],
)
def test_other_units_are_refused_with_ours_proposed(text: str, remedy: str) -> None:
    with pytest.raises(ModelError) as refusal:
        parse_unit(text)
    assert str(refusal.value) == (
        f"unit {text!r} is not made of h, nmol, L, MBq, g, Gy (or 1 for a plain "
        f"number): {remedy}"
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty: write '1'"),
        (" ", "is empty: write '1'"),
        ("nmol/L h", "reads two ways"),
        ("nmol/L*h", "reads two ways"),
        ("1/(nmol h) L", "reads two ways"),
        ("1/h^2 L", "reads two ways"),
        ("furlong", "cannot be read"),
        ("%IA", "cannot be read"),
        ("Sv", "cannot be read"),
        ("2 h", "cannot be read"),
        ("0", "cannot be read"),
        ("60", "cannot be read"),
        ("nmol/", "cannot be read"),
        ("(h", "cannot be read"),
        ("mL/min/1.73 m^2", "cannot be read"),
        ("h^(9^9^9^9)", "cannot be read"),
        ("h**1e999999999", "cannot be read"),
        ("h^9999999999", "cannot be read"),
    ],
)
def test_unreadable_units_are_refused(text: str, why: str) -> None:
    with pytest.raises(ModelError) as refusal:
        parse_unit(text)
    assert str(refusal.value).startswith(f"unit {text!r} {why}")
    with pytest.raises(InputError):
        convert(1.0, text, "h")


@given(st.one_of(st.text(), st.text("hnmolLMBqgGy /*^()%.0123456789-+e")))
def test_any_text_is_a_unit_or_refused(text: str) -> None:
    try:
        unit = parse_unit(text)
    except ModelError:
        return
    assert parse_unit(str(unit)) == unit


@pytest.mark.parametrize(
    ("value", "unit", "to", "expected"),
    [
        (0.04, "1/min", "1/h", 2.4),
        (9.0, "pmol", "nmol", 0.009),
        (74.0, "MBq", "mCi", 2.0),
        (250.0, "ug", "g", 250e-6),
        (3.0, "nM", "nmol/L", 3.0),
        (12.5, "%", "1", 0.125),
        (120.0, "mL/min", "L/h", 7.2),
        (1.0, "mGy/(MBq s)", "Gy/(MBq h)", 3.6),
        (6.647, "d", "h", 159.528),
    ],
)
def test_conversions(value: float, unit: str, to: str, expected: float) -> None:
    assert convert(value, unit, to) == pytest.approx(expected, rel=1e-15, abs=0)


@pytest.mark.reference
def test_conversions_agree_with_pints_own_definitions() -> None:
    """Ours are a short list of definitions; pint's stock registry is another one."""
    stock = pint.UnitRegistry(cache_folder=None)
    groups = (
        ["h", "min", "s", "d", "ks"],
        ["mol", "nmol", "pmol", "umol", "fmol"],
        ["L", "mL", "uL"],
        ["Bq", "kBq", "MBq", "GBq", "mCi", "uCi"],
        ["g", "kg", "mg", "ug", "\N{MICRO SIGN}g"],
        ["Gy", "mGy"],
        ["nM", "pM", "nmol/L", "pmol/mL"],
        ["1", "%"],
        ["kBq/mL", "MBq/L", "Bq/uL"],
        ["mGy/(MBq s)", "Gy/(GBq h)"],
    )
    for group in groups:
        for unit, to in itertools.permutations(group, 2):
            theirs = stock.convert(1.0, unit, to)
            assert convert(1.0, unit, to) == pytest.approx(theirs, rel=1e-12, abs=0)


@pytest.mark.parametrize(
    ("unit", "to"),
    [
        ("MBq", "1/h"),
        ("1/s", "Bq"),
        ("Bq h", "1"),
        ("g", "nmol"),
        ("nM", "nmol"),
        ("Gy", "MBq"),
        ("%", "h"),
    ],
)
def test_what_our_units_tell_apart_is_never_converted(unit: str, to: str) -> None:
    with pytest.raises(InputError, match="measure different things"):
        convert(1.0, unit, to)


def test_refused_conversion_names_both() -> None:
    with pytest.raises(InputError) as refusal:
        convert(5.0, "Bq", "1/h")
    assert str(refusal.value) == (
        "5.0 Bq cannot be converted to '1/h': 'Bq' converts to 'MBq' and '1/h' to "
        "'1/h', which measure different things; check both units"
    )


def test_unit_needs_six_exponents() -> None:
    with pytest.raises(ModelError, match="one for each of Gy, MBq, L, nmol, g, h"):
        Unit((Fraction(1),))


def test_importing_units_does_not_load_pint() -> None:
    code = "import sys, pkmodels.units; sys.exit('pint' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@given(units, units, units, exponents, exponents)
def test_units_are_an_abelian_group(
    a: Unit, b: Unit, c: Unit, p: Fraction, q: Fraction
) -> None:
    assert a * b == b * a
    assert hash(a * b) == hash(b * a)
    assert (a * b) * c == a * (b * c)
    assert a * Unit() == a
    assert a / a == Unit()
    assert (a / b) * b == a
    assert (a**p) ** q == a ** (p * q)
    assert (a * b) ** p == a**p * b**p
    assert a**p * a**q == a ** (p + q)


@given(units)
def test_printed_units_read_back(unit: Unit) -> None:
    assert parse_unit(str(unit)) == unit


@given(units, units)
def test_different_units_print_differently(a: Unit, b: Unit) -> None:
    assert (str(a) == str(b)) == (a == b)
