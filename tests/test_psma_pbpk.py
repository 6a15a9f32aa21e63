"""PSMA I&T in the whole body against what is published of five patients."""

from functools import cache

import numpy as np
import peptide_rewrite
import pytest
import sympy
from reference_tables import rows

from pkmodels.administrations import Administration
from pkmodels.definition import Model
from pkmodels.errors import ModelError
from pkmodels.models import psma_pbpk
from pkmodels.models.physiology import Body, reference_body
from pkmodels.nuclides import nuclide
from pkmodels.schedule import Schedule
from pkmodels.symbols import Amount
from pkmodels.system import System, assemble
from pkmodels.trajectory import simulate
from pkmodels.values import Prior, typical

# With `make test` they would take it beyond ten minutes.
pytestmark = pytest.mark.slow

LESIONS = ("tumour_1", "tumour_2", "tumour_rest")
REGIONS = {
    "kidneys": "kidneys",
    "salivary_glands": "salivary_gland",
    **dict.fromkeys(LESIONS, "tumour"),
}
PATIENTS = rows("psma_it_patients")
# Of all that the paper's body differs in from the shared one, its own number.
PAPERS_BODY = {
    "volume_liver": 1.91,
    "volume_spleen": 0.183,
    "volume_gut": 0.385 + 0.548 + 0.104 + 0.15,
    "interstitial_rest": 4.1,
    "permeability_red_marrow": 60.0 * 2.0,
}


def parameters_of(patient: dict[str, str]) -> dict[str, float]:
    """The published fit of one patient, of 71 kg and a haematocrit of 0.45."""
    body = Body("male", 71.0, float(patient["surface"]), 0.45)
    own = typical(psma_pbpk.values(REGIONS, body))
    for organ in ("kidneys", "salivary_glands", *LESIONS):
        own[f"volume_{organ}"] = float(patient[f"{organ}_mL"]) / 1e3
    for organ in ("kidneys", "salivary_glands", "tumour_1", "tumour_2"):
        own[f"receptor_density_{organ}"] = float(patient[f"density_{organ}"])
    own["receptor_density_tumour_rest"] = 266.0
    own["release"] = 60.0 * float(patient["release_kidneys"])
    own["release_tumour"] = 60.0 * float(patient["release_tumour"])
    own["release_salivary_glands"] = 60.0 * float(patient["release_salivary_glands"])
    perfusion = 60.0 * float(patient["perfusion_salivary_glands"])
    own["perfusion_salivary_glands"] = perfusion
    own["filtration_rate"] = 0.06 * float(patient["extraction"]) / 3.0 * 20.0 / 15.0
    return own


def in_the_papers_body(own: dict[str, float]) -> dict[str, float]:
    """The same with the paper's organs instead of the shared ones."""
    changed = own | PAPERS_BODY
    for share in ("vascular_gut", "interstitial_gut"):
        changed[share] *= own["volume_gut"] / changed["volume_gut"]
    changed["interstitial_bone"] *= 8.4 / 9.3
    changed["vascular_prostate"] *= 0.004 / 0.04
    tiny = 1e-6  # the paper has no adrenals
    changed["volume_adrenals"] *= tiny
    changed["flow_adrenals"] *= tiny
    return changed


def injections(
    patient: dict[str, str], count: int, interval_h: float, *, but_last: bool = False
) -> Schedule:
    """A cycle in equal parts, each over 10 min, from one vial."""
    nmol = float(patient["labelled_nmol"]) + float(patient["unlabelled_nmol"])
    activity = float(patient["activity_MBq"])
    half_life_h = nuclide("Lu-177").half_life_h
    return Schedule(
        tuple(
            Administration(
                n * interval_h,
                10.0 / 60.0,
                "psma_it",
                "Lu-177",
                activity / count * 2.0 ** (-n * interval_h / half_life_h),
                ligand_nmol=nmol / count,
            )
            for n in range(count - 1 if but_last else count)
        )
    )


@cache
def assembled() -> tuple[Model, System]:
    """The model, and the system of all peptide."""
    model = psma_pbpk.model(REGIONS)
    return model, assemble(model, injections(PATIENTS[0], 1, 0.0).form)


def amounts_at(
    own: dict[str, float], schedule: Schedule, times_h: np.ndarray
) -> dict[sympy.Basic, np.ndarray]:
    """All peptide in each amount, nmol."""
    _, system = assembled()
    found = simulate(system, own, schedule, times_h, label="ligand").amounts
    return {a: found[str(a)] for a in system.amounts}


def read(
    name: str, amounts: dict[sympy.Basic, np.ndarray], own: dict[str, float]
) -> np.ndarray:
    """An observable, in nmol."""
    expression = assembled()[0].observables[name]
    symbols = tuple(expression.free_symbols)
    known = (amounts[s] if s in amounts else own[str(s)] for s in symbols)
    return sympy.lambdify(symbols, expression, "math")(*known)


def occupied(
    own: dict[str, float], schedule: Schedule, time_h: float, organ: str = "tumour_1"
) -> float:
    """The share of receptors that hold peptide, %."""
    amounts = amounts_at(own, schedule, np.array([time_h]))
    bound = float(amounts[Amount(f"{organ}_bound", "nmol")][0])
    return 100.0 * bound / own[f"receptor_density_{organ}"] / own[f"volume_{organ}"]


@pytest.mark.reference
@pytest.mark.parametrize(
    "row",
    [
        # More than two injections are another form, to be compiled by itself.
        pytest.param(row, marks=() if row["injections"] == "2" else pytest.mark.slow)
        for row in rows("psma_it_occupancy")
    ],
)
def test_receptors_of_lesion_1_are_free_again_as_published(row: dict[str, str]) -> None:
    """Within 15 % of the paper, and as another implementation of it has them.

    The paper's 25 % after 12 h are 28 % in both; nothing is tuned.
    """
    count, interval_h = int(row["injections"]), float(row["interval_h"])
    # Just before the last injection, which is left out.
    found = np.mean(
        [
            occupied(
                parameters_of(patient),
                injections(patient, count, interval_h, but_last=True),
                interval_h * (count - 1),
            )
            for patient in PATIENTS
        ]
    )
    printed = row["rewritten"]
    half_a_digit = 0.05 if "." in printed else 0.5
    assert found == pytest.approx(float(printed), abs=half_a_digit)
    least, most = float(row["published_least"]), float(row["published_most"])
    assert 0.85 * least < found < 1.15 * most


@pytest.mark.reference
def test_the_slower_affinity_of_8_nM_is_not_the_papers() -> None:
    """Its table offers 1 or 8 nM: with 8, nothing would be left after 36 h."""
    own = parameters_of(PATIENTS[1])
    own["k_off"] *= 8.0
    assert occupied(own, injections(PATIENTS[1], 1, 0.0), 36.0) < 0.5


@pytest.mark.reference
def test_amounts_are_those_of_the_equations_written_anew() -> None:
    patient = PATIENTS[1]
    organs = ("kidneys", "salivary_glands", *LESIONS)
    names = ("kidneys", "salivary_glands", "tumour_1", "tumour_2")
    release = {
        "normal": float(patient["release_kidneys"]),
        "salivary_glands": float(patient["release_salivary_glands"]),
        "lesion": float(patient["release_tumour"]),
    }
    body = peptide_rewrite.psma_it(
        bsa=float(patient["surface"]),
        gfr=float(patient["extraction"]) / 3e3 * 20.0 / 15.0,
        litres={organ: float(patient[f"{organ}_mL"]) / 1e3 for organ in organs},
        density={n: float(patient[f"density_{n}"]) for n in names}
        | {"tumour_rest": 266.0},
        release=release,
        salivary_flow=float(patient["perfusion_salivary_glands"]),
    )
    schedule = injections(patient, 1, 0.0)
    (given,) = schedule.administrations
    times_h = np.array([0.5, 4.0, 24.0])
    assert given.ligand_nmol is not None
    states = body.solve(given.ligand_nmol, 10.0, 60.0 * times_h)
    expected = body.read(states)
    own = in_the_papers_body(parameters_of(patient))
    amounts = amounts_at(own, schedule, times_h)
    for region in (*REGIONS, "serum", "whole_body"):
        # The paper has no adrenals, ours are a millionth of their size.
        found = read(region, amounts, own)
        np.testing.assert_allclose(found, expected[region], rtol=1e-5, err_msg=region)
    place = Amount("tumour_1_bound", "nmol")
    occupancy = amounts[place] / own["receptor_density_tumour_1"]
    found = occupancy / own["volume_tumour_1"]
    np.testing.assert_allclose(found, body.occupied(states, "tumour_1"), rtol=1e-5)


@pytest.mark.reference
def test_salivary_doses_are_those_of_another_implementation() -> None:
    """Of four patients 5.6-6.5 Gy, of the third 22.3 Gy: nlmixr2lib's article."""
    doses = []
    times_h = np.concatenate([np.linspace(0, 24, 200), np.linspace(25, 600, 300)])
    for patient in PATIENTS:
        own = parameters_of(patient)
        amounts = amounts_at(own, injections(patient, 1, 0.0), times_h)
        nmol = float(patient["labelled_nmol"]) + float(patient["unlabelled_nmol"])
        decay = np.exp(-times_h * nuclide("Lu-177").decay_constant_per_h)
        fraction = read("salivary_glands", amounts, own) * decay / nmol
        integral = np.trapezoid(fraction, times_h) * float(patient["activity_MBq"])
        doses.append(integral * 60.0 * float(patient["S_salivary_glands"]))
    assert doses.pop(2) == pytest.approx(22.3, rel=0.02)
    assert 5.6 * 0.98 < min(doses)
    assert max(doses) < 6.5 * 1.02


def test_equal_lesions_take_up_by_their_volume() -> None:
    own = parameters_of(PATIENTS[1])
    own |= {"volume_tumour_1": 0.001, "volume_tumour_2": 0.002}
    own["receptor_density_tumour_1"] = own["receptor_density_tumour_2"]
    amounts = amounts_at(own, injections(PATIENTS[1], 1, 0.0), np.array([24.0]))
    one, two = (read(name, amounts, own) for name in LESIONS[:2])
    np.testing.assert_allclose(two / one, 2.0, rtol=1e-6)


def test_most_of_a_cycle_is_excreted_within_a_day() -> None:
    """As of a small peptide that receptors do not keep, and whose kidneys work."""
    own, given = parameters_of(PATIENTS[1]), injections(PATIENTS[1], 1, 0.0)
    inside = read("whole_body", amounts_at(own, given, np.array([24.0])), own)
    assert 0.05 < float(inside[0]) / 98.5 < 0.5


@pytest.mark.parametrize(
    "regions",
    [
        {"kidney_left": "kidney", "kidney_right": "kidney", "liver": "liver"},
        {"kidneys": "kidneys", "a": "tumour", "b": "tumour", "s": "salivary_gland"},
    ],
)
def test_values_are_those_of_the_parameters_whatever_is_measured(
    regions: dict[str, str],
) -> None:
    known = psma_pbpk.values(regions)
    assert {str(p) for p in psma_pbpk.model(regions).parameters} == set(known)
    informed = psma_pbpk.fitted(regions)
    assert len(set(informed)) == len(informed)
    assert all(isinstance(known[name], Prior) for name in informed)


@pytest.mark.parametrize("verb", [psma_pbpk.model, psma_pbpk.values])
def test_a_womans_body_is_refused(verb: object) -> None:
    with pytest.raises(ModelError, match="describes men"):
        verb(body=reference_body("female"))  # type: ignore[operator]
