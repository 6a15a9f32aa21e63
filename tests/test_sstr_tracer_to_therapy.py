"""HA-DOTATATE: the paper's equations in ug, its rates, saturation and closed form."""

import numpy as np
import pytest
from reference_tables import rows
from scipy.integrate import simpson, solve_ivp

from pkmodels.administrations import Administration
from pkmodels.errors import ModelError
from pkmodels.models import sstr_tracer_to_therapy
from pkmodels.notation.parameter_values import check_values
from pkmodels.schedule import Schedule
from pkmodels.system import assemble
from pkmodels.trajectory import simulate
from pkmodels.values import Prior, typical

# With `make test` they would take it beyond ten minutes.
pytestmark = pytest.mark.slow

TRACERS = ("Ga-68", "Lu-177")
MOLAR_MASS = 1628.5
MASSES_UG = {"Ga-68": 5.23, "Lu-177": 151.0}
UNBOUND = {"Ga-68": 0.69, "Lu-177": 0.57}
# Volume (L) and capacity (nmol/L) in the order of the paper; the tumour's volume is the
# patient's.
PLACES = {
    "spleen": (0.21, 16.7),
    "kidneys": (0.3, 6.7),
    "tumour": (None, 30.0),
    "receptor_organs": (4.0, 2.4),
}


def published(tracer):
    table = rows("ha_dotatate_siebinga2023")
    return {row["parameter"]: float(row[tracer]) for row in table}


def amounts_nmol(tracer, times_h, mass_ug=None, **changed):
    mass_ug = mass_ug or MASSES_UG[tracer]
    dose = Administration(
        0.0,
        0.0,
        "ha_dotatate",
        tracer,
        1e-3 * mass_ug,
        ligand_mass_ug=mass_ug,
        molar_mass_g_per_mol=MOLAR_MASS,
    )
    schedule = Schedule((dose,))
    system = assemble(sstr_tracer_to_therapy.model(tracer), schedule.form)
    values = {**typical(sstr_tracer_to_therapy.values(tracer)), **changed}
    return simulate(system, values, schedule, times_h, label="ligand").observables


@pytest.mark.parametrize("tracer", TRACERS)
def test_values_cover_the_parameters_in_their_units(tracer):
    model = sstr_tracer_to_therapy.model(tracer)
    check_values(model.parameters, sstr_tracer_to_therapy.values(tracer))


def test_folds_lead_from_the_rates_of_the_scan_to_those_of_the_therapy():
    scan = typical(sstr_tracer_to_therapy.values("Ga-68"))
    therapy = typical(sstr_tracer_to_therapy.values("Lu-177"))
    for row in rows("ha_dotatate_siebinga2023"):
        name = row["parameter"]
        fold = therapy.get(f"fold_{name}", 1.0)
        assert scan[name] == therapy[name] == float(row["Ga-68"])
        assert therapy[name] * fold == pytest.approx(float(row["Lu-177"]), rel=1e-12)
        if row["fold"]:
            assert fold == pytest.approx(float(row["fold"]), abs=0.0051)


@pytest.mark.parametrize("tracer", TRACERS)
@pytest.mark.parametrize(("target_mL", "total_mL"), [(80.0, 283.0), (7.81, 644.0)])
def test_curves_are_those_of_the_papers_equations_in_ug(tracer, target_mL, total_mL):
    rates, unbound = published(tracer), UNBOUND[tracer]
    exponent = {"Ga-68": 1.0, "Lu-177": 0.67}[tracer]
    factors = {
        "spleen": np.exp(-0.4 * total_mL / 1000.0),
        "tumour": (target_mL / 80.0) ** exponent,
    }

    def flows(_, state):
        blood, change = state[0], []
        for place, held in zip((*PLACES, "rest"), state[1:], strict=True):
            uptake = rates[f"uptake_{place}"] * factors.get(place, 1.0)
            if place != "rest":
                volume, capacity = PLACES[place]
                volume = target_mL / 1000.0 if volume is None else volume
                uptake *= 1.0 - held / (capacity * MOLAR_MASS / 1000.0 * volume)
            lost = {"tumour": rates["degradation_tumour"]}.get(place, 0.01)
            change.append((uptake * unbound * blood, lost * held))
        taken = sum(uptake for uptake, _ in change)
        return [
            -rates["elimination"] * blood - taken,
            *(uptake - lost for uptake, lost in change),
        ]

    times = np.array([0.2, 0.75, 4.0, 24.0, 72.0, 168.0])
    start = [MASSES_UG[tracer], 0.0, 0.0, 0.0, 0.0, 0.0]
    solved = solve_ivp(
        flows, (0.0, 168.0), start, "LSODA", times, rtol=1e-11, atol=1e-13
    )
    found = amounts_nmol(
        tracer,
        times,
        tumour_volume=target_mL / 1000.0,
        other_tumour_volume=(total_mL - target_mL) / 1000.0,
    )
    for place, expected in zip((*PLACES, "rest"), solved.y[1:], strict=True):
        in_ug = found[place] * MOLAR_MASS / 1000.0
        assert in_ug == pytest.approx(expected, rel=1e-6), place


@pytest.mark.parametrize("tracer", TRACERS)
def test_a_trace_follows_the_closed_form(tracer):
    """X = f_u k D (exp(-d t) - exp(-K t)) / (K - d), K = k_el + f_u sum k."""
    rates, unbound = published(tracer), UNBOUND[tracer]
    rates["uptake_spleen"] *= np.exp(-0.4 * 0.283)
    taken = sum(rate for name, rate in rates.items() if name.startswith("uptake"))
    total = rates["elimination"] + unbound * taken
    times, mass = np.array([0.5, 2.0, 24.0, 100.0]), 1e-7
    found = amounts_nmol(tracer, times, mass_ug=mass)
    dose = mass * 1000.0 / MOLAR_MASS
    for place in ("spleen", "kidneys", "tumour", "receptor_organs", "rest"):
        lost = rates["degradation_tumour"] if place == "tumour" else 0.01
        shape = (np.exp(-lost * times) - np.exp(-total * times)) / (total - lost)
        expected = unbound * rates[f"uptake_{place}"] * dose * shape
        assert found[place] == pytest.approx(expected, rel=1e-5), place


def slopes(tracer, name, place):
    """Return d ln(amount at 24 h) / d ln(parameter)."""
    value = typical(sstr_tracer_to_therapy.values(tracer))[name]
    ends = [
        amounts_nmol(tracer, np.array([24.0]), **{name: value * factor})[place][0]
        for factor in (0.99, 1.01)
    ]
    return np.log(ends[1] / ends[0]) / np.log(1.01 / 0.99)


@pytest.mark.parametrize(
    "place", ["kidneys", pytest.param("receptor_organs", marks=pytest.mark.slow)]
)
def test_what_patients_differ_in_moves_from_uptake_rates_to_capacities(place):
    rates = [slopes(tracer, f"uptake_{place}", place) for tracer in TRACERS]
    capacities = [slopes(tracer, f"capacity_{place}", place) for tracer in TRACERS]
    assert rates[0] > rates[1]
    assert capacities[1] > 3.0 * capacities[0]
    assert capacities[0] < 0.25


def test_the_spread_between_patients_is_where_the_paper_puts_it():
    scan = sstr_tracer_to_therapy.values("Ga-68")
    therapy = sstr_tracer_to_therapy.values("Lu-177")
    for place in PLACES:
        assert isinstance(scan[f"uptake_{place}"], Prior)
        assert isinstance(therapy[f"capacity_{place}"], Prior)
        assert not isinstance(scan[f"capacity_{place}"], Prior)
        assert not isinstance(therapy[f"uptake_{place}"], Prior)


def test_more_peptide_fills_the_receptors_and_spills_over_into_the_rest():
    at = np.array([24.0])
    little, much = (amounts_nmol("Lu-177", at, mass_ug=m) for m in (5.0, 151.0))
    of_dose = {
        place: much[place][0] / 151.0 / (little[place][0] / 5.0)
        for place in (*PLACES, "rest")
    }
    # The large group of organs fills first; what it leaves in blood reaches the others,
    # so that the spleen, far from full, holds more of the dose and not less.
    assert of_dose["receptor_organs"] < 0.25
    assert of_dose["spleen"] > 1.0
    assert of_dose["rest"] > of_dose["spleen"]
    receptors = [
        sum(found[place][0] for place in PLACES) / mass
        for found, mass in ((little, 5.0), (much, 151.0))
    ]
    assert receptors[1] < 0.5 * receptors[0]
    for place, (volume, capacity) in PLACES.items():
        assert much[place][0] < capacity * (volume or 0.08), place


def test_one_patients_scan_and_therapy_share_all_but_the_folds():
    scan, therapy = (
        {str(p) for p in sstr_tracer_to_therapy.model(tracer).parameters}
        for tracer in TRACERS
    )
    assert scan < therapy
    # A patient whose kidneys take up twice as much is so with both tracers.
    for tracer in TRACERS:
        early = np.array([0.01])
        usual = amounts_nmol(tracer, early)["kidneys"][0]
        twice = amounts_nmol(tracer, early, uptake_kidneys=0.44)["kidneys"][0]
        assert twice / usual == pytest.approx(2.0, rel=2e-2)


def test_physical_decay_takes_its_part_of_the_decay_corrected_integral():
    schedule = sstr_tracer_to_therapy.schedule()
    (dose,) = schedule.administrations
    system = assemble(sstr_tracer_to_therapy.model(), schedule.form)
    values = typical(sstr_tracer_to_therapy.values())
    times = np.linspace(0.0, 400.0, 2001)
    physical = simulate(system, values, schedule, times)
    ligand = simulate(system, values, schedule, times, label="ligand")
    assert dose.ligand_nmol is not None
    molar = dose.activity_MBq / dose.ligand_nmol
    corrected = molar * ligand.observables["kidneys"]
    decayed = corrected * np.exp(-np.log(2.0) / 159.528 * times)
    assert physical.observables["kidneys"] == pytest.approx(decayed, rel=1e-6)
    kept = physical.time_integrals["kidneys"] / simpson(corrected, x=times)
    assert kept == pytest.approx(0.01 / (0.01 + np.log(2.0) / 159.528), rel=0.03)


def test_another_tracer_is_refused_by_name():
    for call in (
        sstr_tracer_to_therapy.model,
        sstr_tracer_to_therapy.values,
        sstr_tracer_to_therapy.schedule,
    ):
        with pytest.raises(ModelError, match=r"tracer 'Y-90' of HA-DOTATATE: .*Lu-177"):
            call("Y-90")
