"""Structural identifiability against published benchmarks and closed forms."""

import math
import random
import re
import time
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from sympy.parsing.sympy_parser import parse_expr

from pkmodels.administrations import Administration, Delivery, SteadyState
from pkmodels.definition import Model
from pkmodels.errors import InputError, ModelError
from pkmodels.identifiability import exploration, field, matrices, occasions
from pkmodels.identifiability.answers import StructuralIdentifiability, Verdict
from pkmodels.identifiability.assessment import (
    assess_equations,
    assess_structure,
)
from pkmodels.identifiability.description import describe
from pkmodels.identifiability.equations import Equations, Stretch
from pkmodels.identifiability.nullspaces import null_space
from pkmodels.identifiability.occasions import Curve, Occasion, occasion_equations
from pkmodels.identifiability.program import OutOfTimeError, compile_equations
from pkmodels.identifiability.series import Points, outputs_series, residues
from pkmodels.models import organ_exchange
from pkmodels.reactions import Reaction, flow
from pkmodels.routes import Route
from pkmodels.schedule import Schedule
from pkmodels.symbols import Parameter, amounts, parameters, receptors
from pkmodels.system import assemble
from pkmodels.trajectory import simulate

TOLD = Verdict.IDENTIFIABLE
REFERENCE = Path(__file__).parent / "reference" / "structural_identifiability.txt"
# Known inputs are polynomials of this degree with arbitrary coefficients.
INPUT_DEGREE = 20


def blocks() -> dict[str, str]:
    text = re.sub(r"^#.*$", "", REFERENCE.read_text(), flags=re.MULTILINE)
    parts = re.split(r"^\[(.*)\].*$", text.replace("\n    ", " "), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@cache
def published(name: str) -> tuple[Equations, list[sympy.Symbol], list[sympy.Expr]]:
    """Return equations, unknowns, and generators of what is identifiable."""
    text = blocks()[name]
    # lambda is no name of a symbol in Python.
    names = set(re.findall(r"[A-Za-z_]\w*", text))
    table = {n: sympy.Symbol(n) for n in names}
    derivatives, outputs, known = {}, {}, []
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("y:"):
            outputs[f"y{len(outputs)}"] = parse_expr(line[2:], local_dict=table)
        elif line.startswith("known:"):
            known = parse_expr(f"[{line[6:]}]", local_dict=table)
        else:
            state, rate = line.split("' =")
            derivatives[table[state]] = parse_expr(rate, local_dict=table)
    start = {state: sympy.Symbol(f"{state}_0") for state in derivatives}
    used = [*derivatives.values(), *outputs.values()]
    free = {s for e in used for s in e.free_symbols} - set(derivatives)
    given = {s for s in free if re.fullmatch(r"u\d?", str(s))}
    unknown = [*sorted(free - given, key=str), *start.values()]
    known = [e.xreplace(start) for e in known]
    for u in sorted(given, key=str):
        chain = [u, *sympy.symbols(f"{u}_d1:{INPUT_DEGREE + 1}")]
        derivatives |= dict(zip(chain, [*chain[1:], sympy.S.Zero], strict=True))
        start |= {s: sympy.Symbol(f"{s}_start") for s in chain}
    return Equations(name, derivatives, start, outputs), unknown, known


def numbers(values: dict[sympy.Symbol, int]) -> dict[Any, sympy.Integer]:
    return {s: sympy.Integer(v) for s, v in values.items()}


@cache
def answer(name: str) -> StructuralIdentifiability:
    equations, unknown, _ = published(name)
    return assess_equations([equations], unknown, budget_s=30.0, seed=1)


def expected(
    unknown: list[sympy.Symbol], known: list[sympy.Expr]
) -> tuple[int, dict[str, bool]]:
    """Return the rank of the generators' Jacobian, and what lies in its row space."""
    draw = random.Random(5)
    at = numbers({s: draw.randrange(2, 10**4) for s in unknown})
    rows = []
    for e in known:
        slopes = {s: sympy.diff(e, s).xreplace(at) for s in e.free_symbols}
        rows.append([slopes.get(s, 0) for s in unknown])
    matrix = sympy.Matrix(rows)
    directions = matrix.nullspace()
    fixed = {str(s): all(v[n] == 0 for v in directions) for n, s in enumerate(unknown)}
    return len(unknown) - len(directions), fixed


def verdicts(found: StructuralIdentifiability) -> dict[str, bool]:
    assert not found.of(Verdict.UNDECIDED), found.reason
    return {n: v is Verdict.IDENTIFIABLE for n, v in found.parameters.items()}


@pytest.mark.reference
@pytest.mark.parametrize("name", blocks())
def test_published_benchmarks_have_the_published_answer(name: str) -> None:
    _, unknown, known = published(name)
    found = answer(name)
    rank, fixed = expected(unknown, known)
    assert (found.rank, verdicts(found)) == (rank, fixed)


@pytest.mark.reference
@pytest.mark.parametrize("name", blocks())
def test_combinations_of_benchmarks_are_functions_of_the_published_ones(
    name: str,
) -> None:
    _, unknown, known = published(name)
    mine = [e for family in answer(name).families for e in family.combinations]
    if mine:
        rank, _ = expected(unknown, known)
        assert expected(unknown, [*known, *mine])[0] == rank


def test_products_and_sums_of_one_family_are_both_found() -> None:
    # Akt pathway: 16 parameters and first values, 3 directions; with the difference of
    # three rates, all else are products of powers.
    sizes = {len(f.parameters): f for f in answer("Fujita").families}
    assert (sizes[16].freedom, sizes[16].complete) == (3, True)
    difference = parse_expr("reaction_1_k1 - reaction_9_k1 - reaction_1_k2")
    assert {difference, -difference} & set(sizes[16].combinations)


# Models of pharmacokinetics, with closed forms.

(k10, k12, k21, k20, ka) = parameters("k10 k12 k21 k20 ka", unit="1/h")
(volume,) = parameters("V", unit="L")
(fraction,) = parameters("F", unit="1")
plasma, tissue, gut = amounts("plasma tissue gut", unit="nmol")


def one_compartment(*more: Reaction, **routes: Route) -> Model:
    return Model(
        "one compartment",
        (flow("out", plasma, None, k10 * plasma), *more),
        {"intravenous": plasma, **routes},
        {"concentration": plasma / volume, "amount": plasma},
    )


def given(
    route: str = "intravenous", nmol: float = 100.0, **more: Any
) -> Administration:
    return Administration(
        0.0, more.pop("duration_h", 0.0), "drug", route=route, ligand_nmol=nmol, **more
    )


def occasion(
    model: Model,
    *doses: Administration,
    name: str = "one",
    measured: tuple[Curve, ...] = (Curve("concentration", "ligand"),),
    from_h: float = 0.0,
    **more: Any,
) -> Occasion:
    return Occasion(name, model, Schedule(doses), measured, from_h, **more)


def structure(occasions: list[Occasion], unknown: str) -> StructuralIdentifiability:
    return assess_structure(occasions, unknown.split(), budget_s=30.0, seed=3)


def combinations(found: StructuralIdentifiability) -> set[str]:
    return {str(e) for family in found.families for e in family.combinations}


def oral() -> Model:
    return one_compartment(
        flow("absorption", gut, plasma, ka * gut),
        oral=Route(gut, bioavailability=fraction),
    )


def test_a_bolus_tells_volume_and_elimination() -> None:
    # c = D / V exp(-k t)
    found = structure([occasion(one_compartment(), given())], "k10 V")
    assert found.of(Verdict.IDENTIFIABLE) == ("k10", "V")
    assert found.proven
    assert found.error_bound == 0.0


def test_an_oral_dose_tells_both_rates_up_to_their_order_but_only_F_over_V() -> None:
    # c = F D ka / (V (ka - k)) (exp(-k t) - exp(-ka t)): ka and k may be swapped
    found = structure([occasion(oral(), given("oral"))], "k10 ka V F")
    assert found.of(Verdict.NOT) == ("V", "F")
    assert combinations(found) & {"F/V", "V/F"}
    assert found.families[0].reparametrized
    assert structure([occasion(oral(), given("oral"))], "k10 ka V").proven


def test_an_oral_and_an_intravenous_occasion_together_tell_the_fraction_absorbed() -> (
    None
):
    both = [
        occasion(oral(), given("oral"), name="oral"),
        occasion(oral(), given(), name="intravenous"),
    ]
    assert structure(both, "k10 ka V F").of(Verdict.NOT) == ()


def test_a_parameter_of_one_occasion_alone_is_not_shared() -> None:
    own = Parameter("k_oral", "1/h")
    both = [
        occasion(oral(), given("oral"), name="oral", replaced={"k10": own}),
        occasion(oral(), given(), name="intravenous"),
    ]
    found = structure(both, "k10 k_oral ka V F")
    assert found.of(Verdict.NOT) == ()
    # Linked by a ratio that one occasion alone sees, beside a rate that it sees, too.
    ratio = Parameter("ratio", "1")
    only = occasion(one_compartment(), given(), replaced={"k10": ratio * k10})
    found = structure([only], "k10 ratio V")
    assert combinations(found) == {"k10*ratio"}


def two_compartments() -> Model:
    return one_compartment(
        flow("there", plasma, tissue, k12 * plasma),
        flow("back", tissue, plasma, k21 * tissue),
        flow("other_out", tissue, None, k20 * tissue),
    )


def test_two_compartments_that_both_eliminate_tell_three_combinations() -> None:
    # Bellman and Astrom, Math Biosci 1970;7:329-339, example 2
    found = structure([occasion(two_compartments(), given())], "k10 k12 k21 k20 V")
    assert found.of(Verdict.IDENTIFIABLE) == ("V",)
    assert combinations(found) == {"k10 + k12", "k20 + k21", "k12*k21"}
    assert found.families[0].complete
    # Without the second elimination: the textbook's two compartments.
    model = one_compartment(*two_compartments().reactions[1:3])
    assert structure([occasion(model, given())], "k10 k12 k21 V").proven


def test_a_curve_of_unknown_scale_tells_no_volume() -> None:
    scale = Parameter("scale", "1")
    curve = Curve("concentration", "ligand", scale)
    seen = occasion(two_compartments(), given(), measured=(curve,))
    found = structure([seen], "k10 k12 k21 V scale")
    assert found.of(Verdict.NOT) == ("V", "scale")
    assert combinations(found) <= {"V/scale", "scale/V"}


def saturating() -> Model:
    (highest,), (half,) = (
        parameters("Vmax", unit="nmol/h"),
        parameters("Km", unit="nmol"),
    )
    rate = highest * plasma / (half + plasma)
    return Model(
        "Michaelis-Menten",
        (flow("out", plasma, None, rate),),
        {"intravenous": Route(plasma, bioavailability=fraction)},
        {"concentration": plasma / volume},
    )


def test_michaelis_menten_elimination_is_known_up_to_the_size_of_the_dose() -> None:
    # c' = -(Vmax/V) c / (Km/V + c), c(0) = F D / V: three numbers
    seen = occasion(saturating(), given())
    assert structure([seen], "Vmax Km V").of(Verdict.NOT) == ()
    found = structure([seen], "Vmax Km V F")
    assert found.of(Verdict.IDENTIFIABLE) == ()
    (family,) = found.families
    assert (family.freedom, family.complete, family.reparametrized) == (1, True, True)


def test_bivalent_binding_tells_rates_but_not_the_number_of_receptors() -> None:
    # Ligand in excess: R -> LR -> LRR. Receptors R0, crosslinking rate and scale only
    # as R0 kx and R0 scale.
    (on, off), (cross,) = (
        parameters("on off", unit="1/h"),
        parameters("kx", unit="1/(nmol h)"),
    )
    (sites,), (scale,) = parameters("R0", unit="nmol"), parameters("scale", unit="1")
    free, one, two = receptors("R LR LRR", unit="nmol")
    model = Model(
        "bivalent",
        (
            flow("bind", free, one, 2 * on * free),
            flow("leave", one, free, off * one),
            Reaction("cross", ((one, 1), (free, 1)), ((two, 1),), cross * one * free),
            Reaction("uncross", ((two, 1),), ((one, 1), (free, 1)), 2 * off * two),
        ),
        {},
        {"signal": one + two},
        {free: sites},
    )
    seen = occasion(model, measured=(Curve("signal", "ligand", scale),))
    found = structure([seen], "on off kx R0 scale")
    assert found.of(Verdict.IDENTIFIABLE) == ("on", "off")
    (family,) = found.families
    assert family.complete
    changes = {"kx": -1, "R0": 1, "scale": -1}
    for e in family.combinations:
        powers = e.as_powers_dict()
        assert sum(n * changes[str(s)] for s, n in powers.items()) == 0


def test_an_unknown_hill_exponent_is_told_by_a_curve_from_a_known_dose() -> None:
    x, highest, half, power, scale = sympy.symbols("x Vmax Km n scale")
    rate = -highest * x**power / (half**power + x**power)
    hill = Equations("hill", {x: rate}, {x: sympy.Integer(100)}, {"y": scale * x})
    unknown = [highest, half, power, scale]
    found = assess_equations([hill], unknown, budget_s=30.0, seed=1)
    assert found.of(Verdict.IDENTIFIABLE) == ("Vmax", "Km", "n", "scale")
    # Values of powers of an unknown exponent are taken as independent.
    assert not found.proven
    assert "not proven" in describe(found)


def test_square_roots_are_exact() -> None:
    # x' = -k sqrt(x): sqrt(s x0) - k sqrt(s) t / 2 is all that is seen of s x
    x, k, scale, first = sympy.symbols("x k scale first")
    model = Equations("root", {x: -k * sympy.sqrt(x)}, {x: first}, {"y": scale * x})
    found = assess_equations([model], [k, scale, first], budget_s=30.0, seed=1)
    assert (found.rank, found.of(Verdict.IDENTIFIABLE)) == (2, ())
    assert combinations(found) == {"first*scale", "k**2*scale"}


# Times between doses.


def endogenous(read_before: bool) -> Equations:
    x, k, scale, first = sympy.symbols("x k scale first")
    stretches = (
        Stretch(Fraction(24), read=read_before),
        Stretch(None, added={x: sympy.Integer(50)}),
    )
    return Equations(
        "two", {x: -k * x}, {x: first}, {"y": scale * x}, stretches=stretches
    )


def test_what_was_there_before_a_dose_is_told_only_if_it_was_measured() -> None:
    # After the dose: scale (first exp(-24 k) + 50) exp(-k t)
    unknown = list(sympy.symbols("k scale first"))
    after = assess_equations([endogenous(False)], unknown, budget_s=30.0, seed=1)
    assert after.of(Verdict.NOT) == ("scale", "first")
    assert after.rank == 2
    assert assess_equations([endogenous(True)], unknown, budget_s=30.0, seed=1).proven


def test_a_long_way_that_passes_unseen_between_doses_is_told() -> None:
    # a -> b -> c -> d before the second dose, d alone is seen after it: d(24 h) begins
    # with the third power of time. k cannot be told from what is there when it is seen.
    names = sympy.symbols("a b c d")
    k, out, scale, first = sympy.symbols("k out scale first")
    moved = [k * x for x in names[:3]]
    rates = [
        -moved[0],
        *(i - o for i, o in zip(moved, [*moved[1:], out * names[3]], strict=True)),
    ]
    pulse = {names[3]: sympy.Integer(10)}
    stretches = (
        Stretch(Fraction(24), read=False),
        Stretch(None, added=pulse, emptied=names[:3]),
    )
    model = Equations(
        "way",
        dict(zip(names, rates, strict=True)),
        {names[0]: first},
        {"d": scale * names[3]},
        stretches=stretches,
    )
    # Seen: scale (10 + d(24 h)) exp(-out t). With scale known, d(24 h) is one number.
    for unknown, fixed in {
        (k, out, scale): ("out",),
        (k, out): ("k", "out"),
        (k, out, first): ("out",),
    }.items():
        found = assess_equations([model], unknown, budget_s=30.0, seed=1)
        assert found.of(Verdict.IDENTIFIABLE) == tuple(map(str, fixed))


def test_scans_after_an_infusion_tell_what_scans_after_a_bolus_tell() -> None:
    for duration_h in (0.0, 2.0):
        dose = given(duration_h=duration_h)
        seen = occasion(two_compartments(), dose, from_h=4.0)
        found = structure([seen], "k10 k12 k21 k20 V")
        assert found.rank == 4
        assert found.of(Verdict.IDENTIFIABLE) == ("V",)


def test_a_second_equal_dose_tells_nothing_new_of_a_linear_model() -> None:
    later = Administration(48.0, 0.0, "drug", ligand_nmol=100.0)
    seen = occasion(two_compartments(), given(), later)
    found = structure([seen], "k10 k12 k21 k20 V")
    assert (found.rank, found.of(Verdict.IDENTIFIABLE)) == (4, ("V",))


def test_a_label_given_after_its_ligand_is_followed_by_itself() -> None:
    # Cold ligand saturates first; the label, a trace, then sees k(x) = Vmax/(Km + x).
    cold = given(nmol=100.0)
    hot = Administration(24.0, 0.0, "drug", "Lu-177", 50.0, ligand_nmol=1.0)
    curve = Curve("concentration", "Lu-177")
    seen = occasion(saturating(), cold, hot, measured=(curve,), from_h=24.0)
    found = structure([seen], "Vmax Km V")
    assert found.of(Verdict.NOT) == ()
    # With F and V: the label's first value F 50 / V, and Vmax / F and Km / F.
    found = structure([seen], "Vmax Km V F")
    assert (found.rank, found.of(Verdict.IDENTIFIABLE)) == (3, ())


def test_a_syringe_that_decays_changes_nothing() -> None:
    label = {"label": "Lu-177", "activity_MBq": 200.0}
    curve = Curve("concentration", "Lu-177")
    for delivered in Delivery:
        dose = given(duration_h=1.0, delivered=delivered, **label)
        seen = occasion(oral(), dose, measured=(curve,))
        assert structure([seen], "k10 V").proven


def test_curves_that_are_wanted_are_determined_or_not() -> None:
    scale = Parameter("scale", "1")
    planar, spect = (Curve("amount", "ligand", s) for s in (scale, sympy.S.One))
    model = one_compartment(oral=Route(plasma, bioavailability=fraction))
    dose = given("oral")
    alone = occasion(model, dose, measured=(planar,), predicted=(spect,))
    found = structure([alone], "k10 F scale")
    assert found.predicted == {"one: amount": Verdict.NOT}
    both = occasion(model, dose, measured=(planar, spect), predicted=(spect,))
    found = structure([both], "k10 F scale")
    assert found.predicted == {"one: amount": Verdict.IDENTIFIABLE}


def test_a_therapy_to_come_is_predicted_from_scans_of_another_label() -> None:
    """The kidneys' curve of 90Y, where only 177Lu is scanned and before."""
    model = organ_exchange.model(("kidney",))
    tracer, therapy = (
        Schedule((replace(organ_exchange.schedule().administrations[0], label=label),))
        for label in ("Lu-177", "Y-90")
    )
    spect, planar = (
        Curve("kidney", "Lu-177", s) for s in (sympy.S.One, Parameter("scale", "1"))
    )
    wanted = Curve("kidney", "Y-90")
    unknown = [*map(str, model.parameters), "scale"]
    for curves, verdict in (((planar,), Verdict.NOT), ((planar, spect), TOLD)):
        scans = Occasion("tracer", model, tracer, curves, 0.0)
        to_come = Occasion("therapy", model, therapy, (), 0.0, (wanted,))
        found = assess_structure([scans, to_come], unknown, budget_s=30.0, seed=1)
        assert found.predicted == {"therapy: kidney, Y-90": verdict}
    # One syringe with both labels, of which one is scanned.
    both = Schedule((*tracer.administrations, *therapy.administrations))
    mixed = Occasion("mixed", model, both, (spect,), 0.0, (wanted,))
    found = assess_structure([mixed], unknown[:-1], budget_s=30.0, seed=1)
    assert found.predicted == {"mixed, Y-90: kidney, Y-90": TOLD}


def test_all_ligand_is_predicted_from_a_scanned_label() -> None:
    dose = given(label="Lu-177", activity_MBq=200.0)
    seen, wanted = Curve("amount", "Lu-177"), Curve("concentration", "ligand")
    scans = occasion(one_compartment(), dose, measured=(seen,), predicted=(wanted,))
    assert structure([scans], "k10").predicted == {"one, ligand: concentration": TOLD}
    assert structure([scans], "k10 V").predicted == {
        "one, ligand: concentration": Verdict.NOT
    }


def test_nothing_measured_at_all_is_refused() -> None:
    wanted = (Curve("amount", "ligand"),)
    with pytest.raises(InputError, match="nothing is measured on any occasion"):
        structure([occasion(oral(), given(), measured=(), predicted=wanted)], "k10")
    with pytest.raises(InputError, match="'one' has no curve"):
        structure([occasion(oral(), given(), measured=())], "k10")


def test_a_known_lag_moves_a_dose_and_tells_nothing() -> None:
    """As the same doses given later, with and without decay."""
    late = one_compartment(late=Route(plasma, lag_h=Parameter("lag", "h")))
    lag = {"lag": sympy.Rational(3, 2)}
    first = given(label="Lu-177", activity_MBq=200.0)
    delayed = replace(first, route="late", time_h=10.0)
    shifted = replace(first, time_h=11.5)
    for curve in (Curve("amount", "ligand"), Curve("amount", "Lu-177")):
        one, other = (
            occasion_equations(
                occasion(late, first, dose, measured=(curve,), replaced=lag)
            )[0]
            for dose in (delayed, shifted)
        )
        assert [s.length for s in one.stretches] == [Fraction(23, 2), None]
        assert [s.length for s in other.stretches] == [Fraction(23, 2), None]
    seen = occasion(
        late, delayed, measured=(Curve("concentration", "Lu-177"),), replaced=lag
    )
    assert structure([seen], "k10 V").of(Verdict.NOT) == ()
    schedule = Schedule((delayed,), resets_h=(11.0,))
    reset = Occasion("one", late, schedule, (curve,), 0.0, replaced=lag)
    assert "a reset and a dose with a lag" in structure([reset], "k10").reason


def test_powers_of_the_time_between_doses_are_stated() -> None:
    scaled = Curve("amount", "ligand", Parameter("scale", "1"))
    model = one_compartment(oral=Route(plasma, bioavailability=fraction))
    doses = given("oral"), replace(given("oral"), time_h=24.0)
    found = structure([occasion(model, *doses, measured=(scaled,))], "k10 F scale")
    assert found.powers >= 6
    assert f"more than {found.powers} powers of that time" in describe(found)
    alone = structure([occasion(model, doses[0], measured=(scaled,))], "k10 F scale")
    assert alone.powers == 1
    assert "powers" not in describe(alone)


# What cannot be decided, and what is refused.


def test_a_function_without_a_power_series_is_undecided_with_its_name() -> None:
    x, k = sympy.symbols("x k")
    model = Equations("least", {x: -sympy.Min(k, x)}, {x: sympy.S.One}, {"y": x})
    found = assess_equations([model], [k], budget_s=30.0, seed=1)
    assert found.of(Verdict.UNDECIDED) == ("k",)
    assert "Min" in found.reason
    assert "Undecided" in describe(found)


def test_a_division_by_nothing_at_the_start_is_undecided() -> None:
    x, y, k = sympy.symbols("x y k")
    model = Equations("ratio", {x: -k * x, y: k * x}, {x: sympy.S.One}, {"z": x / y})
    found = assess_equations([model], [k], budget_s=30.0, seed=1)
    assert found.of(Verdict.UNDECIDED) == ("k",)
    assert "is 0" in found.reason


def test_a_spent_budget_is_undecided() -> None:
    equations, unknown, _ = published("KD1999")
    found = assess_equations([equations], unknown, budget_s=1e-6, seed=1)
    assert set(found.parameters.values()) == {Verdict.UNDECIDED}
    assert "1e-06 s" in found.reason


def test_what_was_not_looked_for_in_time_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = occasion(oral(), given("oral"))
    assert "what can be known: F/V" in describe(structure([seen], "ka k10 F V"))

    def late(*_: Any, **__: Any) -> None:
        raise OutOfTimeError

    monkeypatch.setattr(exploration, "_further", late)
    found = structure([seen], "ka k10 F V")
    assert found.of(Verdict.NOT) == ("F", "V")
    assert "F, V: 1 direction unseen; combinations not looked for: time ran out" in (
        describe(found)
    )


def test_a_search_that_ends_with_the_time_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # k20 + k21, k10 + k12 and k12 k21 of two compartments: found by the search alone.
    seen = occasion(two_compartments(), given())
    further, calls = exploration._further, []

    def later(*arguments: Any, **more: Any) -> Any:
        calls.append(1)
        if len(calls) > 1:
            raise OutOfTimeError
        return further(*arguments, **more)

    monkeypatch.setattr(exploration, "_further", later)
    found = structure([seen], "k10 k12 k21 k20 V")
    assert "not looked for: time ran out" in describe(found)


def test_the_budget_is_the_callers_and_stops_assembling(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = [occasion(oral(), given(), name=f"{n}") for n in range(20)]
    began = time.monotonic()
    found = assess_structure(seen, ["k10"], budget_s=1e-3, seed=1)
    one = time.monotonic() - began
    assert "longer than the 0.001 s allowed" in found.reason
    assert found.of(Verdict.UNDECIDED) == ("k10",)
    # Assembled one at most: the next ones would have been refused here.
    made = []
    monkeypatch.setattr(
        occasions, "assemble", lambda *all_: made.append(1) or assemble(*all_)
    )
    assess_structure(seen, ["k10"], budget_s=1e-9, seed=1)
    assert len(made) <= 1
    assert one < 2.0


def test_doses_that_have_no_exact_form_are_undecided() -> None:
    repeated = given(steady_state=SteadyState(24.0))
    found = structure([occasion(one_compartment(), repeated)], "k10 V")
    assert found.of(Verdict.UNDECIDED) == ("k10", "V")
    assert "steady state" in found.reason
    late = one_compartment(late=Route(plasma, lag_h=Parameter("lag", "h")))
    found = structure([occasion(late, given("late"))], "k10 V")
    assert "lag" in found.reason


def test_what_takes_too_much_memory_is_undecided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(matrices, "_MOST_BYTES", 1000)
    found = structure([occasion(two_compartments(), given())], "k10 k12 k21 k20 V")
    assert "GiB" in found.reason
    # Point after point gives the same answer as all at once.
    monkeypatch.setattr(matrices, "_MOST_BYTES", 40000)
    found = structure([occasion(two_compartments(), given())], "k10 k12 k21 k20 V")
    assert combinations(found) == {"k10 + k12", "k20 + k21", "k12*k21"}


def test_related_exponentials_are_undecided() -> None:
    x, k = sympy.symbols("x k")
    rate = -x * (sympy.exp(k) + sympy.exp(2 * k))
    model = Equations("two", {x: rate}, {x: sympy.S.One}, {"y": x})
    found = assess_equations([model], [k], budget_s=30.0, seed=1)
    assert "powers of one another" in found.reason


@pytest.mark.parametrize(
    "relation",
    [
        "p * (log(a*b) - log(a) - log(b))",
        "p * (log(a**2) - 2*log(a)) + b",
        "p * (log(6*a) - log(2) - log(3*a)) + b",
        "p * (log(a/b) + log(b) - log(a))",
    ],
)
def test_related_logarithms_are_undecided(relation: str) -> None:
    # y = x + p times what is 0 whatever a and b: p cannot be known.
    x, k, a, b, p = sympy.symbols("x k a b p")
    known_names = {"a": a, "b": b, "p": p}
    output = x + parse_expr(relation, local_dict=known_names)
    model = Equations("logs", {x: -k * x}, {x: sympy.S.One}, {"y": output})
    found = assess_equations([model], [k, p], budget_s=30.0, seed=1)
    assert found.of(Verdict.UNDECIDED) == ("k", "p")
    assert "logarithms of" in found.reason
    assert not found.proven


def test_related_powers_are_undecided() -> None:
    x, k, a, b, p, n = sympy.symbols("x k a b p n")
    output = x + p * ((a * b) ** n - a**n * b**n)
    model = Equations("powers", {x: -k * x}, {x: sympy.S.One}, {"y": output})
    found = assess_equations([model], [k, p], budget_s=30.0, seed=1)
    assert "powers of one another" in found.reason


def test_what_is_not_there_is_refused() -> None:
    seen = occasion(one_compartment(), given())
    with pytest.raises(ModelError, match="unknown 'k99' is in no occasion"):
        structure([seen], "k99")
    with pytest.raises(InputError, match="budget_s is 0"):
        assess_structure([seen], ["k10"], budget_s=0.0, seed=1)
    urine, label = Curve("urine", "ligand"), Curve("concentration", "Lu-177")
    unknown_curve = occasion(one_compartment(), given(), measured=(urine,))
    with pytest.raises(ModelError, match="no observable 'urine'"):
        structure([unknown_curve], "k10")
    not_given = occasion(one_compartment(), given(), measured=(label,))
    with pytest.raises(InputError, match="was not administered"):
        structure([not_given], "k10")
    with pytest.raises(InputError, match="2 occasions are called 'one'"):
        structure([seen, seen], "k10")


def test_a_parameter_that_acts_on_nothing_measured_cannot_be_known() -> None:
    seen = occasion(one_compartment(), given(), measured=(Curve("amount", "ligand"),))
    found = structure([seen], "k10 V")
    assert found.of(Verdict.NOT) == ("V",)
    assert not found.proven
    assert "V: 1 direction unseen; nothing of them can be known" in describe(found)


def test_where_no_unknown_acts_on_what_is_measured_none_can_be_known() -> None:
    seen = occasion(one_compartment(), given(), measured=(Curve("amount", "ligand"),))
    found = structure([seen], "V")
    assert found.parameters == {"V": Verdict.NOT}
    assert (found.rank, found.proven, found.reason) == (0, False, "")
    assert "V: 1 direction unseen; nothing of them can be known" in describe(found)
    wanted = replace(seen, predicted=(Curve("amount", "ligand"),))
    assert structure([wanted], "V").predicted == {"one: amount": TOLD}


def test_the_answer_does_not_hang_on_the_points() -> None:
    seen = occasion(two_compartments(), given())
    unknown = ["k10", "k12", "k21", "k20", "V"]
    answers = [
        assess_structure([seen], unknown, budget_s=30.0, seed=seed) for seed in range(5)
    ]
    assert all(each.parameters == answers[0].parameters for each in answers)
    assert all(combinations(each) == combinations(answers[0]) for each in answers)


# The equations, against a simulation of the same schedule.


def valued(expression: Any, known: Any) -> float:
    return float(sympy.sympify(expression).subs(known))


def integrated(
    equations: Equations, values: dict[str, float], times_h: list[float]
) -> dict[str, np.ndarray]:
    """Solve the equations by LSODA, stretch after stretch."""
    states = list(equations.derivatives)
    begin, found, state = 0.0, {name: [] for name in equations.outputs}, np.zeros(0)
    for number, stretch in enumerate(equations.stretches):
        known: Any = {s: values[s.name] for s in equations.symbols}
        for symbol, e in stretch.given.items():
            known[symbol] = valued(e, known)
        rates = sympy.lambdify(
            [states],
            [sympy.sympify(e).subs(known) for e in equations.derivatives.values()],
        )
        if number == 0 or stretch.restarted:
            start = (equations.start.get(s, sympy.S.Zero) for s in states)
            state = np.array([valued(e, known) for e in start])
        for symbol in stretch.emptied:
            state[states.index(symbol)] = 0.0
        for symbol, e in stretch.added.items():
            state[states.index(symbol)] += valued(e, known)
        end = np.inf if stretch.length is None else begin + float(stretch.length)
        inside = [t for t in times_h if begin <= t < end]
        last = max(inside, default=begin) if math.isinf(end) else end
        if last == begin:
            break
        curve = solve_ivp(
            lambda _, x, rates=rates: rates(x),
            (begin, last),
            state,
            method="LSODA",
            rtol=1e-10,
            atol=1e-13,
            t_eval=sorted({*inside, last}),
        )
        for name, e in equations.outputs.items():
            shown = sympy.lambdify([states], e.subs(known))
            found[name] += [
                float(shown(x))
                for t, x in zip(curve.t, curve.y.T, strict=True)
                if t in inside
            ]
        begin, state = end, curve.y[:, -1].copy()
    return {name: np.array(row) for name, row in found.items()}


def test_equations_of_hot_and_cold_infusions_are_those_that_are_simulated() -> None:
    cold = given(nmol=80.0, duration_h=1.5)
    hot = Administration(
        6.0, 2.0, "drug", "Lu-177", 50.0, ligand_nmol=3.0, route="intravenous"
    )
    schedule = Schedule((cold, hot))
    values = {"Vmax": 4.0, "Km": 25.0, "V": 3.0, "F": 0.8}
    times = [7.0, 8.0, 20.0, 60.0]
    curves = (Curve("concentration", "Lu-177"), Curve("concentration", "ligand"))
    (equations,) = occasion_equations(
        Occasion("one", saturating(), schedule, curves, 0.0)
    )
    decay = math.log(2.0) / (6.647 * 24.0)
    (constant,) = {str(s) for s in equations.symbols if "decay" in str(s)}
    found = integrated(equations, values | {constant: decay}, times)
    system = assemble(saturating(), schedule.form)
    for curve in curves:
        true = simulate(system, values, schedule, np.array(times), label=curve.label)
        exact = true.observables["concentration"]
        np.testing.assert_allclose(found[str(curve)], exact, rtol=1e-4)


DECAY = math.log(2.0) / (6.647 * 24.0)
LINEAR = {"k10": 0.1, "k12": 0.3, "k21": 0.05, "k20": 0.02, "V": 3.0}
RATES = np.array([[-0.4, 0.05], [0.3, -0.07]]) - DECAY * np.eye(2)


def label_curve(*doses: Administration, times: list[float]) -> np.ndarray:
    """Integrate the equations of a label of two compartments, and let it decay."""
    curve = Curve("concentration", "Lu-177")
    seen = Occasion("one", two_compartments(), Schedule(doses), (curve,), 0.0)
    (equations,) = occasion_equations(seen)
    known = {
        "undecayed_Lu-177_at_48_h": math.exp(DECAY * 48.0),
        "decay_constant_Lu-177": DECAY,
    }
    found = integrated(equations, LINEAR | known, times)[str(curve)]
    return found * np.exp(-DECAY * np.array(times))


def test_two_cycles_of_a_label_add_up_as_matrix_exponentials_do() -> None:
    # Without decay, the later cycle is larger by exp(lambda 48 h).
    cycles = [
        Administration(t, 0.0, "drug", "Lu-177", 200.0, ligand_nmol=5.0)
        for t in (0.0, 48.0)
    ]
    times = [10.0, 50.0, 90.0]
    exact = [
        sum(
            (expm(RATES * (t - given_h)) @ [200.0 / 3.0, 0.0])[0]
            for given_h in (0.0, 48.0)
            if t > given_h
        )
        for t in times
    ]
    np.testing.assert_allclose(label_curve(*cycles, times=times), exact, rtol=1e-6)


def test_a_syringe_decays_or_is_constant_as_stated() -> None:
    # dx/dt = (M - lambda) x + r(t), r = A / T, times exp(-lambda t) where it decays
    for delivered, rate in ((Delivery.CONSTANT, 0.0), (Delivery.DECAYING, DECAY)):
        dose = Administration(
            48.0, 20.0, "drug", "Lu-177", 200.0, ligand_nmol=5.0, delivered=delivered
        )
        wide = np.zeros((3, 3))
        wide[:2, :2], wide[0, 2], wide[2, 2] = RATES, 1.0, -rate
        exact = (expm(wide * 15.0) @ [0.0, 0.0, 200.0 / 20.0 / 3.0])[0]
        found = label_curve(dose, times=[63.0])
        np.testing.assert_allclose(found, [exact], rtol=1e-7)


# The arithmetic.


def test_terms_are_those_of_the_exact_taylor_series() -> None:
    x, highest, half = sympy.symbols("x Vmax Km")
    rate = -highest * x / (half + x)
    model = Equations("one", {x: rate}, {x: sympy.Integer(3)}, {"y": x**2 / (1 + x)})
    (prime,) = field.draw_primes(1, np.random.default_rng(4))
    at = {highest: 17, half: 23}
    points = Points(
        np.array([prime]), {s: np.array([v]) for s, v in at.items()}, (half,), 1, 0
    )
    shown, _ = outputs_series(compile_equations(model), model, points, 4, np.inf)
    # Lie derivatives, without the program: y_k = L^k h / k!
    lie, value = x**2 / (1 + x), []
    slopes = []
    start = {x: 3, **at}
    for k in range(4):
        factorial = math.factorial(k)
        value.append(Fraction(str(lie.xreplace(numbers(start)))) / factorial)
        slope = sympy.diff(lie, half).xreplace(numbers(start))
        slopes.append(Fraction(str(slope)) / factorial)
        lie = sympy.diff(lie, x) * rate
    primes = np.array([prime])
    assert shown[0, 0, 0, 0].tolist() == [int(residues(v, primes)[0]) for v in value]
    assert shown[0, 0, 1, 0].tolist() == [int(residues(v, primes)[0]) for v in slopes]


def test_the_state_after_a_time_is_the_exponential_series() -> None:
    # x(L e) = exp(-k L e) to e^5, with its derivative by k
    x, k = sympy.symbols("x k")
    stretches = (Stretch(Fraction(3), read=False), Stretch())
    model = Equations(
        "one", {x: -k * x}, {x: sympy.S.One}, {"y": x}, stretches=stretches
    )
    primes = field.draw_primes(1, np.random.default_rng(4))
    points = Points(primes, {k: np.array([7])}, (k,), 6, 0)
    shown, _ = outputs_series(compile_equations(model), model, points, 1, np.inf)
    e = sympy.Symbol("e")
    for row, curve in enumerate(
        [sympy.exp(-3 * k * e), -3 * e * sympy.exp(-3 * k * e)]
    ):
        terms = sympy.series(curve, e, 0, 6).removeO()
        for n in range(6):
            exact = terms.coeff(e, n).xreplace(numbers({k: 7}))
            number = Fraction(str(exact))
            assert shown[0, 0, row, n, 0] == residues(number, primes)[0]


def test_powers_logarithms_and_exponentials_keep_their_identities() -> None:
    x, k = sympy.symbols("x k")
    outputs = {
        "root": sympy.sqrt(4 + x),
        "log": sympy.log(4 + x),
        "exp": sympy.exp(k * x),
        "rate": 1 / (4 + x),
    }
    model = Equations("one", {x: k * x}, {x: sympy.S.One}, outputs)
    primes = field.draw_primes(1, np.random.default_rng(9))
    for value in range(2, 60):  # until 4 + x(0) = 5 has a root
        primes = field.draw_primes(1, np.random.default_rng(value))
        if field.root(np.array([5]), 2, primes)[0] >= 0:
            break
    points = Points(primes, {k: np.array([7])}, (k,), 1, 0)
    shown, _ = outputs_series(compile_equations(model), model, points, 8, np.inf)
    root, log, exp, rate = (shown[n] for n in range(4))
    grown = [7**n * pow(int(sympy.factorial(n)), -1, int(primes[0])) for n in range(8)]
    grown[0] += 4
    square = [
        int(field.convolve(root[..., : n + 1], root[..., : n + 1], primes)[0, 0, 0])
        for n in range(8)
    ]
    assert square == [g % int(primes[0]) for g in grown]
    # ln(4 + x)' = k x / (4 + x) and exp(k x)' = k^2 x exp(k x), term by term
    slope = np.array([[[[g * n % int(primes[0]) for n, g in enumerate(grown)]]]])
    for n in range(1, 8):
        found = field.convolve(slope[..., 1 : n + 1], rate[:, :1, :, :n], primes)
        assert found[0, 0, 0] == log[0, 0, 0, n] * n % primes[0]
        found = field.convolve(
            7 * slope[..., 1 : n + 1] % primes[0], exp[:, :1, :, :n], primes
        )
        assert found[0, 0, 0] == exp[0, 0, 0, n] * n % primes[0]


def test_null_spaces_are_those_of_an_exact_elimination_elsewhere() -> None:
    draw = np.random.default_rng(2)
    prime = 1073741783 if sympy.isprime(1073741783) else sympy.prevprime(1 << 30)
    for rank in (1, 3, 5):
        left, right = draw.integers(0, 50, (9, rank)), draw.integers(0, 50, (rank, 5))
        rows = left @ right
        found = null_space(rows[..., None], int(prime))
        exact = sympy.Matrix(rows.tolist())
        assert found.rank == exact.rank()
        assert ((rows @ found.basis[..., 0].astype(object)) % prime == 0).all()


def test_ranks_count_what_differs_only_by_a_power_of_the_small_number() -> None:
    # [[1, e], [e, e^2]] has rank 1, [[1, e], [e, 2 e^2]] rank 2
    rows = np.zeros((2, 2, 4), dtype=np.int64)
    rows[0, 0, 0] = rows[0, 1, 1] = rows[1, 0, 1] = rows[1, 1, 2] = 1
    assert null_space(rows, 101).rank == 1
    rows[1, 1, 2] = 2
    assert null_space(rows, 101).rank == 2


def test_sums_of_products_are_exact_at_their_longest() -> None:
    (prime,) = field.draw_primes(1, np.random.default_rng(3))
    largest = np.full((1, 1, field.MOST_TERMS), prime - 1)
    found = field.dot(largest, largest[0], np.array([prime]))
    assert found[0, 0] == field.MOST_TERMS % prime
