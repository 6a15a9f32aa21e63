"""Traps that once gave a plausible number: each must give the right one, or none."""

import math
from dataclasses import replace

import numpy as np
import pytest
import sympy

from pkmodels.administrations import Administration, Delivery, SteadyState
from pkmodels.definition import Fate, Model
from pkmodels.errors import InputError, ModelError
from pkmodels.frames import collected, frame_means
from pkmodels.models import organ_exchange
from pkmodels.models.blocks import binding
from pkmodels.observables import percent_administered
from pkmodels.reactions import Reaction, flow
from pkmodels.routes import Route
from pkmodels.schedule import Schedule, Window
from pkmodels.symbols import Amount, Parameter, amounts, receptors
from pkmodels.system import System, assemble
from pkmodels.trajectory import Trajectory, simulate

P, B, K = amounts("P B K", unit="nmol")
(R,) = receptors("R", unit="nmol")
V, K_ON = Parameter("V", "L"), Parameter("k_on", "L/(nmol h)")
K_OFF, OUT, RATE = (Parameter(name, "1/h") for name in ("k_off", "out", "rate"))
SITES = Parameter("sites", "nmol")
CORE = (
    *binding("t", P, R, B, volume=V, k_on=K_ON, k_off=K_OFF),
    flow("out", P, None, OUT * P),
)
VALUES = {"V": 3.0, "k_on": 1.0, "k_off": 0.1, "out": 0.2, "sites": 5.0}
TIMES = np.array([0.0, 1.0, 24.0])
LUTETIUM, GALLIUM = math.log(2.0) / 159.528, math.log(2.0) / (67.71 / 60.0)


def binder(**observables: sympy.Expr) -> Model:
    return Model("binder", CORE, {"intravenous": P}, observables, {R: SITES})


def dose(
    ligand: str = "x",
    label: str | None = "Lu-177",
    MBq: float = 1000.0,
    nmol: float | None = 10.0,
    time: float = 0.0,
    duration: float = 0.0,
    **details: object,
) -> Administration:
    return Administration(
        time,
        duration,
        ligand,
        label,
        MBq,
        ligand_nmol=nmol,
        **details,  # pyright: ignore[reportArgumentType]
    )


def run(
    model: Model,
    *doses: Administration,
    values: dict[str, float] | None = None,
    label: str | None = None,
    times: np.ndarray = TIMES,
    windows: tuple[Window, ...] = (),
    resets: tuple[float, ...] = (),
) -> Trajectory:
    schedule = Schedule(doses, windows, resets)
    system = assemble(model, schedule.form)
    return simulate(system, values or VALUES, schedule, times, label=label)


def one_compartment(**observables: sympy.Expr) -> Model:
    out = flow("out", P, None, OUT * P)
    return Model("one", (out,), {"intravenous": P}, observables or {"p": P})


def test_what_holds_a_receptor_is_never_read_as_activity() -> None:
    model = binder(
        tumour=B + R,
        percent=percent_administered(B + R, decay_corrected=False),
        background=B + SITES,
        occupancy=B / (B + R),
        of_sites=B / SITES,
    )
    found = run(model, dose())
    assert set(found.unread) == {"tumour", "percent", "background"}
    ligand = run(model, dose(), label="ligand")
    assert set(ligand.unread) == set()
    for name in ("occupancy", "of_sites"):
        curve = found.observables[name]
        np.testing.assert_array_equal(curve, ligand.observables[name])
        assert 0.0 <= curve.min() <= curve.max() <= 1.0
        assert found.units[name] == "1"


def test_observables_say_their_unit() -> None:
    model = binder(bound=B, concentration=P / V)
    assert run(model, dose()).units == {"bound": "MBq", "concentration": "MBq/L"}
    ligand = run(model, dose(), label="ligand")
    assert ligand.units == {"bound": "nmol", "concentration": "nmol/L"}


@pytest.mark.parametrize("name", ["constant", Delivery.CONSTANT])
@pytest.mark.parametrize("saturable", [False, True])
def test_a_constant_delivery_may_be_written_as_text(name: str, saturable: bool) -> None:
    """Into a closed body: A(T) = (A0 / T) (1 - exp(-lambda T)) / lambda."""
    closed = Model(
        "closed",
        CORE[:2] if saturable else (flow("in", P, K, RATE * P),),
        {"intravenous": P},
        {
            "all": percent_administered(
                P + B if saturable else P + K, decay_corrected=True
            )
        },
        {R: SITES} if saturable else {},
    )
    values = {"V": 3.0, "k_on": 1.0, "k_off": 0.1, "sites": 5.0}
    found = run(
        closed,
        dose(label="Ga-68", duration=2.0, delivered=name),
        times=np.array([1.0, 2.0]),
        values=values if saturable else {"rate": 0.3},
    )
    total = sum(curve for amount, curve in found.amounts.items() if amount != "R")
    entered = (1.0 - math.exp(-GALLIUM * 2.0)) / (2.0 * GALLIUM)
    assert np.asarray(total)[1] == pytest.approx(1000.0 * entered, rel=1e-7)
    assert found.observables["all"][1] == pytest.approx(100.0, rel=1e-7)
    with pytest.raises(InputError, match="is 'linear': known: decaying, constant"):
        dose(delivered="linear")


def test_a_label_is_not_given_to_a_ligand_of_another_name() -> None:
    with pytest.raises(ModelError, match="one ligand and cannot be given ligand and x"):
        run(one_compartment(), dose("ligand", None, 0.0), dose("x"))
    blocker = Amount("blocker", "nmol", "AMD3100")
    two = Model(
        "two",
        (*one_compartment().reactions, flow("q", blocker, None, OUT * blocker)),
        {"intravenous": (P, blocker)},
        {"p": P},
    )
    with pytest.raises(ModelError, match="'AMD-3100': did you mean 'AMD3100'"):
        run(two, dose("AMD-3100", None, 0.0), dose("ligand"))
    for name in ("ligand", "x"):
        with pytest.raises(ModelError, match="has no ligand 'free Lu'"):
            run(one_compartment(), dose(name, free_label_fraction=0.3))
    named = replace(two, routes={"intravenous": (P, blocker)})
    system = assemble(named, Schedule((dose("ligand"),)).form)
    with pytest.raises(InputError, match="AMD3100"):
        simulate(system, {"out": 0.2}, Schedule((dose("AMD3100"),)), TIMES)


def metabolizing(*more: Reaction, start: dict | None = None) -> Model:
    metabolite = Amount("M", "nmol", "metabolite")
    return Model(
        "metabolism",
        (flow("metabolism", P, metabolite, RATE * P), *more),
        {"intravenous": P},
        {"metabolite": metabolite},
        start or {},
    )


def test_a_metabolite_keeps_the_label_whatever_else_happens() -> None:
    truth = 1000.0 * (1.0 - np.exp(-0.3 * TIMES)) * np.exp(-LUTETIUM * TIMES)
    plain = run(metabolizing(), dose("ligand"), values={"rate": 0.3})
    np.testing.assert_allclose(plain.observables["metabolite"], truth, rtol=1e-7)
    crowded = metabolizing(*CORE[:2], start={R: SITES})
    values = {"rate": 0.3, "V": 3.0, "k_on": 1e-9, "k_off": 0.1, "sites": 5.0}
    found = run(crowded, dose("ligand"), values=values)
    np.testing.assert_allclose(found.observables["metabolite"], truth, rtol=1e-6)


def test_what_is_made_on_account_of_a_ligand_carries_no_label() -> None:
    enzyme = Amount("enzyme", "nmol", "")
    induced = Model(
        "induction",
        (flow("out", P, None, OUT * P), flow("induction", None, enzyme, RATE * P)),
        {"intravenous": P},
        {"p": P, "enzyme": enzyme},
    )
    found = run(induced, dose(), values={"out": 0.2, "rate": 0.3})
    truth = 1000.0 * np.exp(-(0.2 + LUTETIUM) * TIMES)
    np.testing.assert_allclose(found.observables["p"], truth, rtol=1e-7)
    assert "enzyme" not in found.amounts
    assert "enzyme" in found.unread


def test_a_label_is_not_split_or_multiplied() -> None:
    pair = Reaction("pair", ((P, 2),), ((K, 1),), K_ON / V * P**2)
    birth = Reaction("birth", ((P, 1),), ((P, 1), (K, 1)), RATE * P)
    for reaction in (pair, birth):
        model = Model("m", (reaction,), {"intravenous": P}, {"k": K})
        with pytest.raises(ModelError, match="leaves open where a label goes"):
            run(model, dose())


def test_percent_administered_starts_anew_at_a_reset() -> None:
    model = one_compartment(
        ia=percent_administered(P, decay_corrected=False),
        corrected=percent_administered(P, decay_corrected=True),
    )
    found = run(
        model,
        dose(),
        dose(time=96.0),
        values={"out": 0.2},
        times=np.array([95.0, 96.0, 97.0]),
        resets=(96.0,),
    )
    falls = np.exp(-0.2 * np.array([95.0, 0.0, 1.0]))
    np.testing.assert_allclose(found.observables["corrected"], 100.0 * falls, rtol=1e-7)
    assert found.observables["ia"][1] == pytest.approx(100.0)


def test_nothing_is_relative_to_what_was_given_for_ever() -> None:
    model = one_compartment(ia=percent_administered(P, decay_corrected=True), p=P)
    found = run(model, dose(steady_state=SteadyState(2.0)), values={"out": 0.2})
    assert found.unread == {
        "ia": "what was given until then is not known as one amount"
    }


def test_free_label_adds_to_what_is_given_as_such() -> None:
    free = Amount("F", "nmol", "free Lu")
    model = Model(
        "free",
        (*CORE, flow("lost", free, None, RATE * free)),
        {"intravenous": (P, free)},
        {"free": free},
        {R: SITES},
    )
    found = run(
        model,
        dose("ligand", MBq=100.0, free_label_fraction=0.3),
        dose("free Lu", MBq=50.0, nmol=1.0),
        values={**VALUES, "rate": 0.1},
    )
    assert found.observables["free"][0] == pytest.approx(80.0)


def test_a_frame_may_hold_the_start_of_what_arrives_later() -> None:
    late = Parameter("late", "h")
    model = replace(
        one_compartment(ia=percent_administered(P, decay_corrected=True)),
        routes={"intravenous": Route(P, lag_h=late)},
    )
    schedule = Schedule((dose(time=1.05),))
    found = frame_means(
        assemble(model, schedule.form),
        {"out": 0.2, "late": 0.7},
        schedule,
        np.array([[1.0, 2.0]]),
    )
    rate = 0.2 + LUTETIUM
    arrived = 1000.0 * math.exp(-LUTETIUM * 0.7) * (1.0 - math.exp(-rate * 0.25)) / rate
    assert found.amounts["P"][0] == pytest.approx(arrived, rel=1e-7)


def test_daughters_are_not_collected_as_if_they_were_given() -> None:
    members = ("Fr-221", "Bi-213", "Tl-209", "Pb-209")
    model = replace(
        organ_exchange.model(("kidney",)),
        daughters=dict.fromkeys(members, Fate.WITH_LIGAND),
    )
    values = {
        "blood_half_time": 1.0,
        "fraction_kidney": 0.1,
        "biological_half_life_kidney": 60.0,
    }
    found = run(model, dose(label="Ac-225", MBq=8.0), values=values, label="Bi-213")
    with pytest.raises(InputError, match="Bi-213 also arises from Ac-225"):
        collected(found, "kidney")


def test_daughters_that_cannot_be_followed_are_named() -> None:
    values = {"out": 0.2}
    found = run(one_compartment(), dose(label="Ra-223", nmol=None), values=values)
    assert set(found.unread) == {"Rn-219"}


def test_a_model_in_concentrations_takes_no_dose() -> None:
    c = Amount("c", "nmol/L")
    model = Model("c", (flow("out", c, None, OUT * c),), {"intravenous": c}, {"c": c})
    with pytest.raises(ModelError, match="a dose is in nmol, but c is in nmol/L: make"):
        run(model, dose())


def test_a_forgotten_start_is_an_error() -> None:
    model = Model("binder", CORE, {"intravenous": P}, {"bound": B})
    with pytest.raises(ModelError, match="nothing ever fills R, B, so that t_associat"):
        run(model, dose())


def test_a_trough_is_the_value_before_the_dose() -> None:
    """A dose of 100 a day, k = ln 10 / day: 10 before the second, 110 after it."""
    schedule = Schedule(
        (dose(None or "x", None, 0.0, 100.0), dose("x", None, 0.0, 100.0, 24.0))
    )
    system = assemble(one_compartment(), schedule.form)
    found = simulate(
        system,
        {"out": math.log(10.0) / 24.0},
        schedule,
        np.array([24.0, 24.0]),
        before=np.array([True, False]),
    )
    np.testing.assert_allclose(found.observables["p"], [10.0, 110.0], rtol=1e-8)


def test_an_estimated_hill_exponent_is_accepted() -> None:
    hill = Parameter("hill", "1")
    rate = Parameter("vmax", "nmol/h") * (P / SITES) ** hill / (1 + (P / SITES) ** hill)
    model = Model("hill", (flow("uptake", P, K, rate),), {"intravenous": P}, {"k": K})
    values = {"vmax": 2.0, "sites": 5.0, "hill": 1.0}
    found = run(model, dose(), dose(time=6.0), values=values)
    total = sum(found.amounts.values())
    given = 1000.0 * np.exp(-LUTETIUM * TIMES)
    given += np.where(TIMES >= 6.0, 1000.0 * np.exp(-LUTETIUM * (TIMES - 6.0)), 0.0)
    np.testing.assert_allclose(total, given, rtol=1e-7)


def test_a_mass_and_a_molar_mass_give_the_amount() -> None:
    """75 ug of 1347.3 g/mol are 55.7 nmol (domain: 75 ug = 56 nmol)."""
    given = Administration(
        0.0, 0.0, "x", "Lu-177", 200.0, 75.0, molar_mass_g_per_mol=1347.3
    )
    assert given.ligand_nmol == pytest.approx(55.667, abs=1e-3)
    with pytest.raises(InputError, match="ligand_nmol is 100, but 75 ug"):
        replace(given, ligand_nmol=100.0)
    with pytest.raises(InputError, match="nmol can carry"):
        replace(given, ligand_mass_ug=5.0, ligand_nmol=None, activity_MBq=5000.0)


def test_a_system_prints_its_equations() -> None:
    system: System = assemble(one_compartment(), Schedule((dose(),)).form)
    assert str(system) == "system one, time in h\n  d P/dt = -P*out"
