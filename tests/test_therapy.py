"""A therapy simulated anew at each activity, against closed forms and simulations."""

import math
from typing import Any

import numpy as np
import pytest
from pbpk12_model import TRUE_VALUES
from pbpk12_model import model as pbpk12
from scipy.optimize import brentq

from pkmodels.administrations import Administration
from pkmodels.decision import (
    AnyBurden,
    DoseLimit,
    SimulatedBurden,
    compare,
    dose_burden,
    safe_activity,
)
from pkmodels.definition import Model
from pkmodels.errors import InputError, SolveError
from pkmodels.models import organ_exchange
from pkmodels.nuclides import nuclide
from pkmodels.reactions import flow
from pkmodels.schedule import Schedule, Window
from pkmodels.simulated_doses import simulated_dose
from pkmodels.symbols import amounts, inputs, parameters
from pkmodels.system import assemble
from pkmodels.therapy import Therapy, carrier_free_GBq, ligand_nmol
from pkmodels.time_integrals import integrate_observables

N = 40
MOLAR_MASS = 1347.0  # g/mol, about that of pentixather
# Gy/(MBq h), of a kidney of 155 g and a tumour of 20 g that keep the energy of Y-90.
KIDNEY, TUMOUR = 3.4e-3, 2.4e-2
ORGANS = organ_exchange.model(("kidney", "liver"))


def organ_draws(seed: int = 1) -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    return {
        "blood_half_time": 1.0 + generator.random(N),
        "fraction_kidney": 0.02 * np.exp(0.3 * generator.standard_normal(N)),
        "biological_half_life_kidney": 40.0 + 30.0 * generator.random(N),
        "fraction_liver": 0.03,
        "biological_half_life_liver": 300.0,
    }


def receptor_draws(seed: int = 2) -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    draws: dict[str, Any] = dict(TRUE_VALUES)
    for name in ("RT", "RK", "krelK", "GFR"):
        draws[name] = draws[name] * np.exp(0.25 * generator.standard_normal(N))
    return draws


def plan(**changes: Any) -> Therapy:
    stated = {"label": "Y-90", "duration_h": 0.5, "ligand_mass_ug": 250.0}
    return Therapy("drug", **{**stated, "molar_mass_g_per_mol": MOLAR_MASS, **changes})


def simulated_once(
    therapy: Therapy, values: dict[str, Any], draw: int, activity_GBq: float
) -> float:
    """Return the kidney's dose by a simulation of one body with one syringe."""
    one = {name: float(np.broadcast_to(v, N)[draw]) for name, v in values.items()}
    given = Administration(
        0.0,
        therapy.duration_h,
        "drug",
        therapy.label,
        activity_GBq * 1000.0,
        ligand_nmol=ligand_nmol(therapy, activity_GBq),
    )
    schedule = Schedule((given,))
    system = assemble(pbpk12(), schedule.form)
    found = integrate_observables(system, one, schedule, therapy.label, ("kidney",))
    return KIDNEY * found.values["kidney"]


@pytest.mark.parametrize("label", ["Lu-177", "Y-90"])
def test_a_model_that_does_not_saturate_gives_the_closed_form(label: str) -> None:
    """Bolus: f kb / ((kb + l)(k + l)) of the activity, and the burden in proportion."""
    values = organ_draws()
    therapy = Therapy("drug", label, 0.0)
    dose_at = simulated_dose(ORGANS, values, therapy, {"kidney": KIDNEY})
    decay = nuclide(label).decay_constant_per_h
    blood = math.log(2.0) / values["blood_half_time"]
    kidney = math.log(2.0) / values["biological_half_life_kidney"]
    hours = values["fraction_kidney"] * blood / ((blood + decay) * (kidney + decay))
    slope = 1000.0 * hours * KIDNEY
    np.testing.assert_allclose(dose_at(np.full(N, 7.0)), 7.0 * slope, rtol=1e-6)
    limit = DoseLimit("kidney", "absorbed_dose", 23.0)
    received = np.linspace(0.0, 5.0, N)
    simulated = SimulatedBurden(23.0, "absorbed_dose", received, dose_at)
    exact = dose_burden(limit, received, slope)
    np.testing.assert_allclose(
        simulated.activity_at_limit(), exact.activity_at_limit(), rtol=1e-6
    )
    answers = [
        safe_activity({"kidney": b}, confidence=0.5).activity_GBq
        for b in (simulated, exact)
    ]
    assert answers[0] == pytest.approx(answers[1], rel=1e-6)


def test_observables_add_with_their_weights() -> None:
    """The liver's cross dose, and a weight of each draw."""
    values, therapy = organ_draws(), Therapy("drug", "Lu-177", 0.0)
    weights = {"kidney": KIDNEY * np.linspace(0.9, 1.1, N), "liver": 1e-5}
    both = simulated_dose(ORGANS, values, therapy, weights)
    apart = [
        simulated_dose(ORGANS, values, therapy, {name: weight})
        for name, weight in weights.items()
    ]
    activity = np.linspace(1.0, 9.0, N)
    expected = sum(dose_at(activity) for dose_at in apart)
    np.testing.assert_allclose(both(activity), expected, rtol=1e-12)


@pytest.mark.parametrize(
    "changes", [{}, {"ligand_mass_ug": None, "ligand_mass_ug_per_GBq": 25.0}]
)
def test_saturating_receptors_agree_with_a_scan_of_simulations(
    changes: dict[str, Any],
) -> None:
    """Both a fixed mass of ligand, and one in proportion to the activity."""
    therapy, values = plan(**changes), receptor_draws()
    dose_at = simulated_dose(pbpk12(), values, therapy, {"kidney": KIDNEY})
    burden = SimulatedBurden(23.0, "absorbed_dose", np.full(N, 1.5), dose_at)
    reached = burden.activity_at_limit()

    def dose(draw: int, activity: float) -> float:
        return 1.5 + simulated_once(therapy, values, draw, activity)

    for draw in (0, 17):
        found = brentq(
            lambda a, n=draw: dose(n, a) - 23.0, 0.3 * reached[draw], 3 * reached[draw]
        )
        assert reached[draw] == pytest.approx(found, rel=1e-4)
    # A* straight from its definition: just below it enough bodies keep the limit.
    answer = safe_activity({"kidney": burden}, confidence=0.5).activity_GBq
    near = np.flatnonzero(np.abs(reached / answer - 1.0) < 0.3)
    kept = {}
    for factor in (1.0 - 1e-3, 1.0 + 1e-3):
        some = sum(dose(int(n), answer * factor) <= 23.0 for n in near)
        kept[factor] = some + np.sum(reached > answer * 1.3)
    assert kept[1.0 + 1e-3] < 0.5 * N <= kept[1.0 - 1e-3]


def test_more_ligand_saturates_the_kidney_s_receptors() -> None:
    """Per GBq the dose falls with the ligand mass; with a fixed mass it stays."""
    values = receptor_draws()
    per_GBq = {}
    for name, changes in {
        "fixed": {},
        "following": {"ligand_mass_ug": None, "ligand_mass_ug_per_GBq": 25.0},
    }.items():
        dose_at = simulated_dose(pbpk12(), values, plan(**changes), {"kidney": KIDNEY})
        per_GBq[name] = [dose_at(np.full(N, a)) / a for a in (2.0, 10.0, 20.0)]
    np.testing.assert_allclose(per_GBq["fixed"][0], per_GBq["fixed"][2], rtol=1e-5)
    # 25 ug/GBq are 250 ug at 10 GBq.
    np.testing.assert_allclose(per_GBq["fixed"][1], per_GBq["following"][1], rtol=1e-5)
    assert np.all(per_GBq["following"][0] > 1.1 * per_GBq["following"][1])
    assert np.all(per_GBq["following"][1] > 1.02 * per_GBq["following"][2])


def test_two_cycles_of_a_saturating_model_are_not_one_of_twice_the_activity() -> None:
    """With the mass fixed a syringe, doses are the same; with it following, more."""
    values = receptor_draws()
    therapy = plan(ligand_mass_ug=None, ligand_mass_ug_per_GBq=25.0, cycles=2)
    dose_at = simulated_dose(pbpk12(), values, therapy, {"kidney": KIDNEY})
    nothing = np.zeros(N)
    once = SimulatedBurden(23.0, "absorbed_dose", nothing, dose_at)
    twice = SimulatedBurden(23.0, "absorbed_dose", nothing, dose_at, therapy.cycles)
    np.testing.assert_allclose(
        twice.at(20.0), 2.0 * dose_at(np.full(N, 10.0)), rtol=1e-12
    )
    # Smaller syringes saturate less: more dose, and a smaller safe activity.
    assert np.all(twice.at(20.0) > 1.02 * once.at(20.0))
    answers = [safe_activity({"k": b}, confidence=0.5) for b in (once, twice)]
    assert answers[1].activity_GBq < answers[0].activity_GBq
    assert answers[1].activity_per_cycle_GBq == answers[1].activity_GBq / 2


def test_labels_are_compared_on_a_saturating_model() -> None:
    values = receptor_draws()
    decisions, burdens, tumours = {}, {}, {}
    for label, factor in (("Lu-177", 0.17), ("Y-90", 1.0)):
        therapy = plan(label=label)
        dose_at = simulated_dose(pbpk12(), values, therapy, {"kidney": KIDNEY * factor})
        tumours[label] = simulated_dose(
            pbpk12(), values, therapy, {"tumour": TUMOUR * factor}
        )
        kidney: AnyBurden = SimulatedBurden(23.0, "absorbed_dose", np.zeros(N), dose_at)
        burdens[label] = {"kidney": kidney}
        decisions[label] = safe_activity(burdens[label], confidence=0.5)
    found = compare(decisions, burdens, tumours)
    for label, outcome in found.per_label.items():
        activity = np.full(N, outcome.activity_GBq)
        ratio = tumours[label](activity) / burdens[label]["kidney"].dose_at(activity)
        assert outcome.tumour_to_organ is not None
        np.testing.assert_allclose(outcome.tumour_to_organ, ratio, rtol=1e-12)
    assert found.missing == ()


def test_a_plan_without_ligand_mass_is_refused_where_the_model_saturates() -> None:
    therapy = Therapy("drug", "Y-90", 0.0)
    message = (
        "has no mass of ligand, but in 'pbpk12' what ligand does depends .* state "
        "ligand_mass_ug "
    )
    with pytest.raises(InputError, match=message):
        simulated_dose(pbpk12(), receptor_draws(), therapy, {"kidney": KIDNEY})
    # Where nothing saturates the mass changes nothing.
    without = simulated_dose(ORGANS, organ_draws(), therapy, {"kidney": KIDNEY})
    stated = plan(duration_h=0.0)
    with_mass = simulated_dose(ORGANS, organ_draws(), stated, {"kidney": KIDNEY})
    activity = np.full(N, 5.0)
    np.testing.assert_allclose(without(activity), with_mass(activity), rtol=1e-9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ligand_mass_ug_per_GBq": 25.0}, "states both ligand_mass_ug and ligand_m"),
        ({"molar_mass_g_per_mol": None}, "molar_mass_g_per_mol is missing"),
        ({"ligand_mass_ug": -1.0}, "ligand_mass_ug is -1.0; it must be > 0"),
        ({"molar_mass_g_per_mol": math.nan}, "molar_mass_g_per_mol is nan"),
        (
            {"ligand_mass_ug": None, "ligand_mass_ug_per_GBq": 0.5},
            "which can carry 671.* MBq of Y-90 .*, not 1000 MBq: mend the mass",
        ),
        ({"cycles": 0}, "cycles is 0: give a whole number >= 1"),
    ],
)
def test_a_plan_that_cannot_be_prepared_is_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        plan(**changes)


def test_a_plan_says_what_its_syringe_holds() -> None:
    """8 GBq of Y-90 carrier-free are 4.42 nmol; 250 ug of 1347 g/mol are 186 nmol."""
    assert ligand_nmol(plan(), 8.0) == pytest.approx(185.6, abs=0.05)
    most = carrier_free_GBq(plan())
    assert most == pytest.approx(8.0 * 185.6 / 4.42, rel=2e-3)
    following = plan(ligand_mass_ug=None, ligand_mass_ug_per_GBq=25.0)
    found = ligand_nmol(following, np.array([1.0, 10.0]))
    np.testing.assert_allclose(found, [18.56, 185.6], rtol=1e-3)
    assert carrier_free_GBq(following) is None
    with pytest.raises(InputError, match="duration_h is -1"):
        Therapy("drug", "Y-90", -1.0)
    with pytest.raises(InputError, match="not a known radionuclide"):
        Therapy("drug", "Y90", 0.5)


@pytest.mark.parametrize(
    ("label", "weights", "changes", "message"),
    [
        ("Ac-225", {"kidney": 1.0}, {}, "has daughters whose dose is their own"),
        ("Y-90", {"kidny": 1.0}, {}, "no observable 'kidny': did you mean 'kidney'"),
        ("Y-90", {}, {}, "no observable has a weight"),
        ("Y-90", {"kidney": -1.0}, {}, "the weight of 'kidney' must be a number >= 0"),
        ("Y-90", {"kidney": np.ones(3)}, {}, "the draws are not of one number"),
        (
            "Y-90",
            {"kidney": 1.0},
            {"fraction_liver": math.nan},
            "parameter 'fraction_liver' must be a number >= 0",
        ),
    ],
)
def test_wrong_arguments_are_refused(
    label: str, weights: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    therapy = Therapy("drug", label, 0.0)
    with pytest.raises(InputError, match=message):
        simulated_dose(ORGANS, organ_draws() | changes, therapy, weights)


def test_one_activity_for_each_draw_is_asked_for() -> None:
    dose_at = simulated_dose(
        ORGANS, organ_draws(), Therapy("drug", "Y-90", 0.0), {"kidney": KIDNEY}
    )
    with pytest.raises(InputError, match=r"shape \(1,\) for 40 draws: give one"):
        dose_at(np.ones(1))


def test_a_concentration_has_its_weight_divided_by_the_volume_of_each_draw() -> None:
    """plasma is P / VP, MBq/L: the dose of the blood, with a VP of each draw."""
    values = receptor_draws()
    values["VP"] = np.linspace(2.5, 3.5, N)
    dose_at = simulated_dose(pbpk12(), values, plan(), {"plasma": 1e-3})
    found = dose_at(np.full(N, 5.0))
    for draw in (0, N - 1):
        one = {name: float(np.broadcast_to(v, N)[draw]) for name, v in values.items()}
        given = Administration(
            0.0, 0.5, "drug", "Y-90", 5000.0, ligand_nmol=ligand_nmol(plan(), 5.0)
        )
        schedule = Schedule((given,))
        system = assemble(pbpk12(), schedule.form)
        exact = integrate_observables(system, one, schedule, "Y-90", ("plasma",))
        expected = 1e-3 * exact.values["plasma"]
        assert found[draw] == pytest.approx(expected, rel=2e-5)


def test_a_draw_that_cannot_be_solved_is_named() -> None:
    """Its binding is so fast that the rate overflows."""
    values = receptor_draws()
    values["kon"] = np.where(np.arange(N) == 5, 1e300, TRUE_VALUES["kon"])
    dose_at = simulated_dose(pbpk12(), values, plan(), {"kidney": KIDNEY})
    with pytest.raises(SolveError, match="1 of 40 draws cannot be solved: draw 5 at 5"):
        dose_at(np.full(N, 5.0))


def test_a_tail_that_is_no_closed_form_yet_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After half a mean life of Y-90, 46 h, the receptors still bind."""
    monkeypatch.setattr("pkmodels.simulated_doses._HORIZON", 0.5)
    dose_at = simulated_dose(pbpk12(), receptor_draws(), plan(), {"kidney": KIDNEY})
    with pytest.raises(SolveError, match=r"after 0\.5 mean lives .* is off by"):
        dose_at(np.full(N, 5.0))


def test_an_input_has_the_value_of_its_window() -> None:
    """It halves the only loss: an activity of 1 / (k / 2 + l) h."""
    (plasma,) = amounts("plasma", unit="nmol")
    (rate,), (block,) = (
        parameters("rate", unit="1/h"),
        inputs("block", unit="1", otherwise=0.0),
    )
    model = Model(
        "blocked",
        (flow("loss", plasma, None, rate * (1 - block) * plasma),),
        {"intravenous": plasma},
        {"plasma": plasma},
    )
    rates = np.linspace(0.01, 0.1, N)
    therapy = Therapy(
        "drug", "Lu-177", 0.0, windows=(Window("block", 0.0, math.inf, 0.5),)
    )
    dose_at = simulated_dose(model, {"rate": rates}, therapy, {"plasma": KIDNEY})
    decay = nuclide("Lu-177").decay_constant_per_h
    expected = 1000.0 * KIDNEY / (rates / 2.0 + decay)
    np.testing.assert_allclose(dose_at(np.ones(N)), expected, rtol=1e-6)
