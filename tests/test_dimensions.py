"""The units of expressions: derived, checked, and never silently coerced."""

from fractions import Fraction
from typing import Any

import mpmath
import pytest
import sympy
from hypothesis import assume, given
from hypothesis import strategies as st

from pkmodels.dimensions import check_unit, unit_of
from pkmodels.errors import ModelError
from pkmodels.symbols import Parameter
from pkmodels.units import Unit, parse_unit

simple_units = st.sampled_from(["1", "nmol", "h", "1/h", "L", "nmol/L", "MBq"])


def in_unit(name: str, unit: str | Unit) -> Parameter:
    return Parameter(name, str(unit))


PLASMA, RECEPTOR = in_unit("plasma", "nmol"), in_unit("receptor", "nmol")
CLEARANCE, VOLUME = in_unit("clearance", "L/h"), in_unit("volume", "L")
RATE, SHAPE = in_unit("rate", "1/h"), in_unit("shape", "1")
HEAVISIDE: Any = sympy.Heaviside  # SymPy's annotation of its second argument is wrong


@pytest.mark.parametrize(
    ("expression", "unit"),
    [
        (CLEARANCE * PLASMA / VOLUME, "nmol/h"),
        (2 * PLASMA, "nmol"),
        (sympy.Float(0.5) * sympy.pi * PLASMA, "nmol"),
        (PLASMA - RECEPTOR, "nmol"),
        (sympy.Add(0, PLASMA, evaluate=False), "nmol"),
        (sympy.S.Zero, "1"),
        (sympy.sqrt(PLASMA) * sympy.sqrt(RECEPTOR), "nmol"),
        (PLASMA ** sympy.Rational(1, 3), "nmol^(1/3)"),
        ((PLASMA / RECEPTOR) ** SHAPE, "1"),
        ((PLASMA / RECEPTOR) ** 0.75, "1"),
        (PLASMA**0.75, "nmol^(3/4)"),
        (sympy.exp(-RATE / in_unit("other", "1/h")) * VOLUME, "L"),
        (sympy.log(PLASMA / RECEPTOR), "1"),
        (sympy.Max(PLASMA - RECEPTOR, 0), "nmol"),
        (sympy.Min(PLASMA, RECEPTOR), "nmol"),
        (sympy.Abs(PLASMA - RECEPTOR), "nmol"),
        (sympy.sign(PLASMA - RECEPTOR), "1"),
        (sympy.Heaviside(PLASMA - RECEPTOR) * RATE, "1/h"),
        (sympy.Mod(PLASMA, RECEPTOR), "nmol"),
        (sympy.Piecewise((PLASMA, RATE > 0), (0, True)), "nmol"),
        (
            sympy.Piecewise(
                (RATE, sympy.And(PLASMA > RECEPTOR, SHAPE < 2)), (2 * RATE, True)
            ),
            "1/h",
        ),
    ],
)
def test_derived_units(expression: sympy.Expr, unit: str) -> None:
    assert unit_of(expression) == parse_unit(unit)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (
            1 + PLASMA,
            "plasma + 1: 1 has no unit, plasma is in nmol; give the number 1 a unit "
            "by making it a parameter",
        ),
        (
            CLEARANCE * PLASMA + RATE * PLASMA,
            "clearance*plasma + plasma*rate: clearance*plasma is in L nmol/h, "
            "plasma*rate is in nmol/h; multiply or divide one by a quantity in L",
        ),
        (
            PLASMA**SHAPE,
            "plasma**shape: plasma is in nmol, and to the power shape it has no fixed "
            "unit; divide plasma by a quantity in nmol first",
        ),
        (
            SHAPE**PLASMA,
            "shape**plasma: plasma is in nmol, and an exponent must have no unit; "
            "divide it by a quantity in nmol",
        ),
        (
            sympy.exp(PLASMA),
            "exp(plasma): plasma is in nmol, and the argument of exp must have no "
            "unit; divide it by a quantity in nmol",
        ),
        (
            sympy.Symbol("x") * PLASMA,
            "x: it carries no unit; make it with amounts() or parameters()",
        ),
        (
            sympy.Function("f")(SHAPE),
            "f(shape): it is an undefined function, of no known unit; write its "
            "expression, or a symbol with a unit in its place",
        ),
        (
            sympy.Derivative(PLASMA**2, PLASMA),
            "Derivative(plasma**2, plasma): no unit can be derived for a Derivative; "
            "write it with sums, products, powers, functions such as exp, and "
            "Piecewise",
        ),
        (sympy.nan, "nan: it is no number; look for a division by 0"),
    ],
)
def test_refused_expressions(expression: sympy.Expr, message: str) -> None:
    with pytest.raises(ModelError) as refusal:
        unit_of(expression)
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    "expression",
    [
        sympy.Max(PLASMA, VOLUME),
        sympy.Max(PLASMA, 1),
        sympy.Piecewise((PLASMA, RATE > 0), (VOLUME, True)),
        sympy.Piecewise((PLASMA, PLASMA > VOLUME), (RECEPTOR, True)),
        sympy.Piecewise((PLASMA, sympy.Or(SHAPE > 1, PLASMA > 1)), (RECEPTOR, True)),
        sympy.Heaviside(PLASMA + VOLUME),
        HEAVISIDE(PLASMA - RECEPTOR, VOLUME),
        sympy.Abs(PLASMA + VOLUME),
        sympy.Mod(PLASMA, VOLUME),
        sympy.tanh(RATE),
        sympy.log(PLASMA) - sympy.log(RECEPTOR),
        in_unit("activity", "MBq") + RATE,
        sympy.Pow(1 + PLASMA, 2) * VOLUME,
    ],
)
def test_units_that_do_not_fit_are_refused(expression: sympy.Expr) -> None:
    with pytest.raises(ModelError):
        unit_of(expression)


def test_one_name_with_two_units_is_two_symbols() -> None:
    """The cache of units must not take one for the other."""
    assert unit_of(RATE * in_unit("twin", "nmol")) == parse_unit("nmol/h")
    assert unit_of(RATE * in_unit("twin", "L")) == parse_unit("L/h")


FILTRATION = "reaction 'filtration': the rate"


@pytest.mark.parametrize(
    ("expression", "expected", "message"),
    [
        (
            CLEARANCE * PLASMA,
            "nmol/h",
            f"{FILTRATION} clearance*plasma is in L nmol/h, expected nmol/h: divide "
            "it by a quantity in L (clearance is in L/h, plasma is in nmol)",
        ),
        (
            PLASMA,
            "nmol/h",
            f"{FILTRATION} plasma is in nmol, expected nmol/h: multiply it by a "
            "quantity in 1/h (plasma is in nmol)",
        ),
        (
            RATE,
            "nmol/h",
            f"{FILTRATION} rate is in 1/h, expected nmol/h: multiply it by a quantity "
            "in nmol (rate is in 1/h)",
        ),
        (
            CLEARANCE,
            "nmol/h",
            f"{FILTRATION} clearance is in L/h, expected nmol/h: multiply it by a "
            "quantity in nmol/L (clearance is in L/h)",
        ),
        (
            sympy.S(2),
            "nmol/h",
            f"{FILTRATION} 2 has no unit, expected nmol/h: multiply it by a quantity "
            "in nmol/h",
        ),
        (
            PLASMA,
            "1",
            f"{FILTRATION} plasma is in nmol, expected no unit: divide it by a "
            "quantity in nmol (plasma is in nmol)",
        ),
        (
            RATE * (1 + PLASMA),
            "nmol/h",
            f"{FILTRATION} holds plasma + 1: 1 has no unit, plasma is in nmol; give "
            "the number 1 a unit by making it a parameter",
        ),
    ],
)
def test_check_names_what_is_missing(
    expression: sympy.Expr, expected: str, message: str
) -> None:
    with pytest.raises(ModelError) as refusal:
        check_unit(FILTRATION, expression, expected)
    assert str(refusal.value) == message


def test_long_expressions_are_cut_in_messages() -> None:
    many = [in_unit(f"compartment_{number}", "nmol") for number in range(60)]
    with pytest.raises(ModelError) as refusal:
        check_unit(FILTRATION, sympy.Add(*many), "nmol/h")
    assert len(str(refusal.value)) < 250
    assert "..." in str(refusal.value)


def test_check_accepts_what_fits() -> None:
    check_unit(FILTRATION, RATE * PLASMA, "nmol/h")
    check_unit(FILTRATION, sympy.S.Zero, "nmol/h")
    check_unit("observable 'ratio'", PLASMA / RECEPTOR, "1")


@st.composite
def expressions_in(draw: st.DrawFn, unit: Unit, depth: int = 3) -> sympy.Expr:
    """Draw a random expression built to have this unit."""

    def more(of: Unit) -> Any:
        return draw(expressions_in(of, depth - 1))

    leaf = in_unit(draw(st.sampled_from(["a", "b", "c"])), unit)
    if depth == 0:
        return leaf
    other = parse_unit(draw(simple_units))
    half = Fraction(1, 2)
    kinds = {
        "leaf": lambda: leaf,
        "number": lambda: draw(st.integers(1, 5)) * more(unit),
        "sum": lambda: more(unit) + more(unit),
        "difference": lambda: more(unit) - more(unit),
        "product": lambda: more(other) * more(unit / other),
        "quotient": lambda: more(other) / more(other / unit),
        "square": lambda: more(unit**half) ** 2,
        "root": lambda: sympy.sqrt(more(unit**2)),
        "larger": lambda: sympy.Max(more(unit), more(unit)),
        "size": lambda: sympy.Abs(more(unit)),
        "positive": lambda: sympy.Max(more(unit), 0),
        "bounded": lambda: leaf * sympy.tanh(more(other) / more(other)),
        "raised": lambda: leaf * in_unit("x", "1") ** sympy.atan(more(Unit())),
        "switch": lambda: sympy.Piecewise(
            (more(unit), more(other) > more(other)), (more(unit), True)
        ),
    }
    return finite(kinds[draw(st.sampled_from(sorted(kinds)))]())


def finite(expression: Any) -> sympy.Expr:
    """Leave out what divides by a difference that cancelled, as 1/(a - a)."""
    assume(not expression.has(sympy.nan, sympy.zoo, sympy.oo))
    return expression


def scales_as(expression: sympy.Expr, unit: Unit) -> bool:
    """Whether larger base units change the expression's value as they change `unit`.

    Dimensional homogeneity, tried with numbers: another way to know a unit.
    """
    larger = [mpmath.mpf(s) for s in ("1.7", "2.3", "0.6", "3.1", "0.4", "1.3")]

    def scale(of: Unit) -> Any:
        powers = zip(larger, of.exponents, strict=True)
        fractions = [s ** (mpmath.mpf(p.numerator) / p.denominator) for s, p in powers]
        return mpmath.fprod(fractions)

    symbols: list[Any] = sorted(expression.free_symbols, key=sympy.srepr)
    evaluate = sympy.lambdify(symbols, expression, "mpmath", dummify=True)
    with mpmath.workdps(40):
        for start in ("0.31", "1.9"):
            values = [mpmath.mpf(start) + i / mpmath.pi for i in range(len(symbols))]
            scaled = [
                v * scale(parse_unit(s.unit))
                for v, s in zip(values, symbols, strict=True)
            ]
            before, after = evaluate(*values) * scale(unit), evaluate(*scaled)
            if abs(before - after) > mpmath.mpf("1e-12") * (abs(before) + 1e-9):
                return False
    return True


@given(st.data(), simple_units)
def test_derived_unit_is_the_one_built(data: st.DataObject, unit: str) -> None:
    expression = data.draw(expressions_in(parse_unit(unit)))
    assume(expression != 0)
    assert unit_of(expression) == parse_unit(unit)
    check_unit("it", expression, unit)
    with pytest.raises(ModelError, match="multiply it by a quantity in 1/h"):
        check_unit("it", expression, str(parse_unit(unit) / parse_unit("h")))


@given(st.data(), simple_units, simple_units)
def test_no_unit_is_silently_coerced(
    data: st.DataObject, unit: str, replaced: str
) -> None:
    """A leaf in another unit: refused, or the expression really has the unit found."""
    expression = data.draw(expressions_in(parse_unit(unit)))
    assume(expression.free_symbols)
    leaf = data.draw(st.sampled_from(sorted(expression.free_symbols, key=sympy.srepr)))
    changed = finite(expression.xreplace({leaf: in_unit("changed", replaced)}))
    assume(changed != 0)
    try:
        found = unit_of(changed)
    except ModelError:
        return
    assert scales_as(changed, found)


@given(st.data())
def test_only_homogeneous_expressions_are_accepted(data: st.DataObject) -> None:
    """Parts of any unit put together: refused, or homogeneous in the unit found."""
    few = st.sampled_from(["1", "nmol", "1/h"])
    one, other = (
        data.draw(expressions_in(parse_unit(data.draw(few)), 1)) for _ in range(2)
    )
    join = data.draw(
        st.sampled_from(
            [
                lambda x, y: x + y,
                lambda x, y: x * y,
                lambda x, y: x / y,
                lambda x, y: sympy.tanh(x) * y,
                lambda x, y: x**2 + y,
                lambda x, y: sympy.Max(x, y),
                lambda x, y: sympy.Piecewise((x, y > 1), (2 * x, True)),
                lambda x, y: sympy.Piecewise((x, x > 1), (y, True)),
            ]
        )
    )
    joined = finite(join(one, other))
    assume(joined != 0)
    try:
        found = unit_of(joined)
    except ModelError:
        return
    assert scales_as(joined, found)
