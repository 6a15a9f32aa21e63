"""Equations: printed and parsed again they are the same system; LaTeX can be set."""

import math
import re
from dataclasses import replace

import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from matplotlib.mathtext import MathTextParser

from pkmodels.definition import Model, derivatives
from pkmodels.errors import InputError, ModelError
from pkmodels.notation.equation_parser import parse_equations
from pkmodels.notation.equations import (
    equations_text,
    latex,
    latex_sections,
)
from pkmodels.notation.formula_parser import parse_formula
from pkmodels.notation.formulas import formula_text
from pkmodels.notation.typesetting import formula_latex, name_latex, text_latex
from pkmodels.reactions import Reaction, flow
from pkmodels.routes import Route
from pkmodels.symbols import amounts, inputs, parameters

# Names that SymPy, Python or the notation itself use for something else.
NAMES = (
    "lambda E S N Q gamma beta I O pi zeta C exp rate d dt if and sqrt kidney_left "
    "True oo start rates e1 v1 _x y_ λ plasma Max None"
).split()
CONSTANTS = (
    sympy.Integer(1),
    sympy.Integer(3),
    sympy.Rational(2, 3),
    sympy.Float(0.1 + 0.2),
    sympy.Float(6.02214076e23),
    sympy.pi,
    sympy.E,
    sympy.sqrt(2),
)


def factors(symbols: list[sympy.Symbol]) -> st.SearchStrategy[sympy.Expr]:
    """Expressions that are finite wherever the symbols are not negative."""
    floats = st.floats(1e-3, 1e3).map(sympy.Float)
    leaves = st.sampled_from([*symbols, *CONSTANTS]) | floats
    x, y = symbols[:2]
    pieces = [
        lambda a, b: a + b,
        lambda a, b: a * b,
        lambda a, b: a - b,
        lambda a, b: a / (1 + b**2),
        lambda a, b: sympy.Rational(2, 3) * a / (1 + sympy.exp(-(b**2))),
        lambda a, b: (a + b) ** 2,
        lambda a, b: 2 * a / (3 * sympy.sqrt(1 + b**2)),
        lambda a, b: sympy.exp(-a) * sympy.log(2 + b**2),
        lambda a, b: sympy.Max(a, b) - sympy.Min(a, sympy.Abs(b)),
        lambda a, b: sympy.Piecewise((a, x < y), (b, True)),
        lambda a, b: sympy.Piecewise(
            (a, (x >= 1) & (y < 2)), (b, sympy.Ne(x, y) | ~(x > 3)), (1, True)
        ),
        lambda a, b: sympy.tanh(a) ** sympy.Rational(3, 2) * 2 ** (-(b**2)),
    ]
    return st.recursive(
        leaves,
        lambda inner: st.builds(
            lambda f, a, b: f(a, b), st.sampled_from(pieces), inner, inner
        ),
        max_leaves=4,
    )


@st.composite
def networks(draw: st.DrawFn) -> Model:
    """Random networks: any stoichiometry, several reactants, catalysts, inputs."""
    names = draw(st.permutations(NAMES))
    states = list(amounts(" ".join(names[:4]), unit="nmol"))
    constants: list[sympy.Symbol] = list(parameters(" ".join(names[4:7]), unit="1"))
    constants += inputs(names[7], unit="1", otherwise=1.0)
    factor = factors([*states, *constants])
    side = st.lists(
        st.tuples(st.sampled_from(states), st.integers(1, 3)),
        max_size=2,
        unique_by=lambda pair: pair[0],
    )
    labels = draw(st.permutations([*names[8:10], names[4], "CXCL12 + ligand", "2nd"]))
    reactions = []
    for label in labels[: draw(st.integers(1, 4))]:
        leaving, arriving = draw(side), draw(side)
        rate = draw(factor) * sympy.Mul(*(a**n for a, n in leaving))
        assume(not rate.has(sympy.nan, sympy.zoo, sympy.oo, sympy.I))
        assume(all(f == sympy.Float(float(f)) for f in rate.atoms(sympy.Float)))
        assume(leaving or arriving)
        reactions.append(Reaction(label, tuple(leaving), tuple(arriving), rate))
    one: sympy.Expr = sympy.Integer(1)
    used = [a for r in reactions for a, _ in (*r.reactants, *r.products)]
    start = dict.fromkeys(used, one) | dict.fromkeys(
        (a for r in reactions for a in r.rate.free_symbols if a in states),
        one + constants[0],
    )
    try:
        return Model("network", tuple(reactions), {"by_vein": used[0]}, {}, start)
    except ModelError:
        assume(False)
        raise


def system(model: Model) -> dict:
    """The right-hand side, by the definition: net stoichiometry times rate."""
    sums = {}
    for amount in model.amounts:
        terms = []
        for reaction in model.reactions:
            gained = sum(n for a, n in reaction.products if a == amount)
            lost = sum(n for a, n in reaction.reactants if a == amount)
            terms.append((gained - lost) * reaction.rate)
        sums[amount] = sympy.Add(*terms)
    return sums


@settings(max_examples=60)
@given(networks())
def test_the_printed_equations_parsed_again_are_the_same_system(model: Model) -> None:
    assert parse_equations(equations_text(model), model) == system(model)


@settings(max_examples=60)
@given(networks())
def test_so_are_the_substituted_ones(model: Model) -> None:
    text = equations_text(model, substituted=True)
    assert "\nrates\n" not in text
    assert parse_equations(text, model) == derivatives(model)


PLASMA, BOUND, RECEPTOR, URINE = amounts("plasma bound receptor urine", unit="nmol")
ON, VOLUME, SITES, LAG, FRACTION = parameters("k_on V sites lag F", unit="1")
OFF, FILTERED = parameters("k_off filtration", unit="1/h")
(AMINO_ACIDS,) = inputs("amino_acids", unit="1", otherwise=0.0)


def binding_model(filtration: str = "filtering") -> Model:
    return Model(
        "binding_model",
        (
            Reaction(
                "binding",
                ((PLASMA, 1), (RECEPTOR, 1)),
                ((BOUND, 1),),
                ON * PLASMA / VOLUME * RECEPTOR,
            ),
            Reaction(
                "release", ((BOUND, 1),), ((PLASMA, 1), (RECEPTOR, 1)), OFF * BOUND
            ),
            flow(filtration, PLASMA, URINE, FILTERED * (1 + AMINO_ACIDS) * PLASMA),
        ),
        {"by_vein": Route(PLASMA, lag_h=LAG, bioavailability=FRACTION)},
        {"50 % of blood": PLASMA / 2, "tumour": BOUND},
        {RECEPTOR: SITES},
    )


def test_equations_read_as_a_pharmacologist_writes_them() -> None:
    assert equations_text(binding_model()).splitlines() == [
        "equations of binding_model, time in h, without physical decay",
        "  d plasma/dt   = release - binding - filtering",
        "  d receptor/dt = release - binding",
        "  d bound/dt    = binding - release",
        "  d urine/dt    = filtering",
        "rates",
        "  binding   = k_on*plasma*receptor/V",
        "  release   = k_off*bound",
        "  filtering = filtration*(1 + amino_acids)*plasma",
        "start (0 where not stated)",
        "  receptor = sites",
        "inputs, where the schedule does not set them",
        "  amino_acids = 0.0",
        "doses",
        "  by by_vein into plasma, bioavailability F, lag in h lag",
        "observed",
        "  50 % of blood = plasma/2",
        "  tumour        = bound",
    ]


def test_plain_numbers_are_printed_as_they_stand() -> None:
    route = Route(PLASMA, lag_h=0.5, bioavailability=0.75)  # type: ignore[arg-type]
    model = replace(
        binding_model(),
        start={RECEPTOR: 20.0},
        routes={"by_vein": route},
        observables={"nothing": 0},
    )
    text = equations_text(model)
    assert "\n  receptor = 20.0\n" in text
    assert "\n  by by_vein into plasma, bioavailability 0.75, lag in h 0.5\n" in text
    assert text.endswith("\n  nothing = 0")


def test_a_rate_called_like_a_parameter_gets_a_name_of_its_own() -> None:
    model = binding_model(filtration="filtration")
    text = equations_text(model)
    assert "d urine/dt    = rate_filtration\n" in text
    assert parse_equations(text, model) == system(model)
    model = binding_model(filtration="filtration (kidney)")
    text = equations_text(model)
    assert "d urine/dt    = v3\n" in text
    assert "  v3 = filtration*(1 + amino_acids)*plasma  # filtration (kidney)\n" in text
    assert parse_equations(text, model) == system(model)


def test_long_equations_are_wrapped_and_parsed_all_the_same() -> None:
    targets = amounts(" ".join(f"organ_{i}" for i in range(20)), unit="nmol")
    model = Model(
        "organs",
        tuple(flow(f"uptake_of_{o}", PLASMA, o, OFF * PLASMA) for o in targets),
        {"by_vein": PLASMA},
        {},
    )
    text = equations_text(model)
    assert max(map(len, text.splitlines())) <= 88
    assert parse_equations(text, model) == system(model)


@pytest.mark.parametrize(
    "value", [0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, 1e22, -2.5e-7]
)
def test_each_bit_of_a_float_survives(value: float) -> None:
    read = parse_formula(formula_text(sympy.Float(value)), {})
    assert float(read) == value


def test_a_parameter_called_pi_is_not_the_number() -> None:
    (circle,) = parameters("pi", unit="1")
    text = formula_text(circle * sympy.pi, {"pi"})
    assert text == "pi()*pi"
    assert parse_formula(text, {"pi": circle}) == circle * sympy.pi
    assert parse_formula("2*pi", {}) == 2 * sympy.pi


def test_what_binds_tighter_is_read_first() -> None:
    symbols = {"a": ON, "b": OFF, "c": VOLUME}
    a, b, c = symbols.values()
    for text, expected in {
        "a - b - c": a - b - c,
        "a - (b - c)": a - b + c,
        "a/b/c": a / (b * c),
        "a/b*c": a * c / b,
        "a^b^c": a ** (b**c),
        "(a^b)^c": (a**b) ** c,
        "-a^2": -(a**2),
        "a^-2*b": b / a**2,
        "2e3*a": 2000.0 * a,
        "exp(-a)*max(b, c, 1)": sympy.exp(-a) * sympy.Max(b, c, 1),
    }.items():
        assert sympy.expand(parse_formula(text, symbols) - expected) == 0, text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("k_onn*plasma", "'k_onn' is unknown: did you mean 'k_on'"),
        ("k_on*", "expected a number, a name or '\\(', found the end"),
        ("k_on plasma", "expected an operator, found 'plasma'"),
        ("(k_on", "expected '\\)', found the end"),
        ("sine(k_on)", "no function 'sine': did you mean 'sin'"),
        ("log(k_on, plasma, 3)", "log does not take 3 arguments"),
        ("k_on $ 2", "'\\$' belongs in no formula"),
    ],
)
def test_what_is_no_formula_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_formula(text, {"k_on": ON, "plasma": PLASMA})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("d urine/dt", "d bladder/dt", "'bladder', which is no amount of model"),
        ("d urine/dt", "d bound/dt", "'bound' has two equations: keep one"),
        ("  d urine/dt    = filtering\n", "", "no equation for urine: add d urine/dt"),
        ("= filtering\n", "= k_on*filtering\n", "'k_on' is unknown: known: binding"),
        ("= filtering\n", "= filtering^2\n", "is no sum of rates"),
        ("  release ", "  binding ", "rate 'binding' is defined twice"),
        ("d urine/dt    =", "urine", "is no equation: write d NAME/dt = FORMULA"),
        ("rates", "rate", "heading 'rate' is unknown: did you mean 'rates'"),
    ],
)
def test_equations_that_are_wrong_are_refused(old: str, new: str, message: str) -> None:
    text = equations_text(binding_model())
    assert old in text
    with pytest.raises(InputError, match=message):
        parse_equations(text.replace(old, new, 1), binding_model())


def test_what_has_no_plain_notation_is_refused() -> None:
    for expression in (sympy.Integral(ON, VOLUME), sympy.zeta(ON), sympy.I * ON):
        with pytest.raises(ModelError, match="has no plain notation; known functions"):
            formula_text(expression)
    with pytest.raises(ModelError, match="is not a 64-bit float"):
        formula_text(sympy.Float("0.1", 40) * ON)


def test_latex_keeps_names_whole_upright_and_apart() -> None:
    lines = latex_sections(binding_model())
    assert lines["equations"][0] == (
        r"\frac{d\,\mathrm{plasma}}{dt} &= v_{\text{release}} - v_{\text{binding}} "
        r"- v_{\text{filtering}}"
    )
    assert lines["rates"][0] == (
        r"v_{\text{binding}} &= \frac{\mathrm{k}_{\mathrm{on}} \cdot "
        r"\mathrm{plasma} \cdot \mathrm{receptor}}{\mathrm{V}}"
    )
    assert lines["start"] == (r"\mathrm{receptor}(0) &= \mathrm{sites}",)
    assert lines["doses"] == (
        r"\text{dose by by vein} &\to \mathrm{plasma},\ \text{bioavailability}\ "
        r"\mathrm{F},\ \text{lag in h}\ \mathrm{lag}",
    )
    assert lines["observed"][0].startswith(r"\text{50 \% of blood} &= ")


def test_latex_of_names_text_and_numbers() -> None:
    assert name_latex("_x") == r"\mathrm{\_x}"
    assert name_latex("λ_B") == r"\text{$\lambda$}_{\mathrm{B}}"
    assert text_latex("a_b & {c}^d\\e") == (
        r"\text{a\_b \& \{c\}\textasciicircum{}d\textbackslash{}e}"
    )
    assert formula_latex(0.1 * ON) == r"0.1 \cdot \mathrm{k}_{\mathrm{on}}"
    assert formula_latex(6e23 * VOLUME) == r"6 \cdot 10^{23} \cdot \mathrm{V}"
    assert formula_latex(sympy.Mul(-0.5, VOLUME + 1, SITES)) == (
        r"- 0.5 \cdot \mathrm{sites} \cdot \left(1 + \mathrm{V}\right)"
    )


@settings(max_examples=30)
@given(networks())
def test_latex_can_be_set_line_by_line(model: Model) -> None:
    block = latex(model)
    bare = re.sub(r"\\[{}]", "", block)
    assert bare.count("{") == bare.count("}")
    assert block.count(r"\left") == block.count(r"\right")
    outside_cases = re.sub(r"\\begin{cases}.*?\\end{cases}", "", block)
    for line in outside_cases.splitlines()[1:-1]:
        assert line.count("&") == 1, line


def width_when_set(line: str) -> float:
    """The width of a line of LaTeX, in points, as Matplotlib sets it."""
    one = line.replace("&", "").replace("\\\\\n", "").replace(r"\ ", r"\,")
    width, *_ = MathTextParser("path").parse(f"${one}$", dpi=72)
    return width


@pytest.mark.parametrize("substituted", [False, True])
def test_a_renderer_accepts_the_latex(substituted: bool) -> None:
    for lines in latex_sections(binding_model(), substituted=substituted).values():
        for line in lines:
            assert 0.0 < width_when_set(line) < math.inf
