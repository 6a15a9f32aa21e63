"""Blocks of receptors and ligands, against closed forms."""

import math

import numpy as np
import pytest
import sympy
from block_calls import (
    BACK,
    FREE,
    HUGE,
    LIGAND,
    MADE,
    RIVAL,
    RIVAL_BOUND,
    SUNKEN,
    VOLUME,
    call,
    in_a_tube,
)
from block_curves import curves, settled
from hypothesis import given
from hypothesis import strategies as st

from pkmodels.models import blocks
from pkmodels.symbols import Amount, parameters


@given(
    *(st.floats(-1.0, 1.5).map(lambda x: 10.0**x) for _ in range(3)),
    st.floats(0.01, 5.0),
)
def test_binding_settles_where_depletion_lets_it(
    ligand: float, receptor: float, k_d: float, volume: float
) -> None:
    """B^2 - (L + R + K_D V) B + L R = 0 (Hulme and Trevethick 2010, depletion)."""
    values = {"volume": volume, "on": 1.0, "off": k_d}
    start = {"ligand": ligand, "free": receptor}
    k_on_per_nmol = values["on"] / volume
    late = 60.0 / (k_d + k_on_per_nmol * abs(ligand - receptor)) + 60.0
    late += 60.0 / math.sqrt(k_d * k_on_per_nmol * min(ligand, receptor))
    at_rest = settled(in_a_tube(*call("binding")), values, start, late)
    total = ligand + receptor + k_d * volume
    bound = (total - math.sqrt(total**2 - 4.0 * ligand * receptor)) / 2.0
    assert at_rest["bound"] == pytest.approx(bound, rel=1e-6)
    assert at_rest["bound"] + at_rest["ligand"] == pytest.approx(ligand)
    assert at_rest["bound"] + at_rest["free"] == pytest.approx(receptor)


def test_binding_of_an_excess_is_of_first_order() -> None:
    """k_obs = k_on c + k_off (Motulsky and Mahan 1984, without a competitor)."""
    values = {"volume": HUGE, "on": 0.4, "off": 0.3}
    concentration, receptor = 2.5, 1.5
    times = np.linspace(0.0, 4.0, 9)
    start = {"ligand": concentration * HUGE, "free": receptor}
    bound = curves(in_a_tube(*call("binding")), values, start, times)["bound"]
    k_obs = 0.4 * concentration + 0.3
    occupied = receptor * 0.4 * concentration / k_obs
    np.testing.assert_allclose(
        bound, occupied * (1.0 - np.exp(-k_obs * times)), rtol=1e-6, atol=1e-9
    )


COMPETITION = in_a_tube(
    *call("binding"),
    *blocks.binding(
        "rival",
        RIVAL,
        FREE,
        RIVAL_BOUND,
        volume=VOLUME,
        k_on=parameters("rival_on", unit="L/(nmol h)")[0],
        k_off=parameters("rival_off", unit="1/h")[0],
    ),
)


def competition(tracer: float, rival: float) -> dict[str, float]:
    """What is bound of 1 nmol of receptor; K_D is 2 nmol/L, K_I 5 nmol/L."""
    values = {"volume": HUGE, "on": 0.5, "off": 1.0, "rival_on": 0.1, "rival_off": 0.5}
    start = {"ligand": tracer * HUGE, "rival": rival * HUGE, "free": 1.0}
    return settled(COMPETITION, values, start, 60.0)


@pytest.mark.parametrize(("tracer", "rival"), [(2.0, 5.0), (0.1, 40.0), (30.0, 1.0)])
def test_two_ligands_share_one_receptor(tracer: float, rival: float) -> None:
    """Occupied by each: (c / K) / (1 + L / K_D + I / K_I)."""
    at_rest = competition(tracer, rival)
    whole = 1.0 + tracer / 2.0 + rival / 5.0
    assert at_rest["bound"] == pytest.approx(tracer / 2.0 / whole, rel=1e-5)
    assert at_rest["rival_bound"] == pytest.approx(rival / 5.0 / whole, rel=1e-5)
    assert at_rest["free"] == pytest.approx(1.0 / whole, rel=1e-5)


@pytest.mark.parametrize("tracer", [0.02, 2.0, 20.0])
def test_the_ic50_is_that_of_cheng_and_prusoff(tracer: float) -> None:
    """IC50 = K_I (1 + L / K_D) (Biochem Pharmacol 1973;22:3099-3108)."""
    ic50 = 5.0 * (1.0 + tracer / 2.0)
    alone = competition(tracer, 0.0)["bound"]
    assert competition(tracer, ic50)["bound"] == pytest.approx(alone / 2.0, rel=1e-5)


def test_internalization_keeps_the_receptor_where_it_says() -> None:
    """The ligand inside is (k_i B0 / (r - k_i)) (e^-k_i t - e^-r t): Bateman."""
    values, times = {"intake": 0.7, "loss": 0.2}, np.linspace(0.0, 12.0, 7)
    inside = 0.7 * 3.0 / (0.2 - 0.7) * (np.exp(-0.7 * times) - np.exp(-0.2 * times))
    for receptor in (FREE, SUNKEN, None):
        reactions = call("internalization_and_release", receptor=receptor)
        found = curves(in_a_tube(*reactions), values, {"bound": 3.0}, times)
        np.testing.assert_allclose(found["inside"], inside, rtol=1e-7, atol=1e-9)
        total = found["bound"] + found["inside"] + found["ligand"]
        np.testing.assert_allclose(total, 3.0)
        if receptor is not None:
            np.testing.assert_allclose(found[receptor.name], 3.0 - found["bound"])


def test_degraded_ligand_leaves_the_body() -> None:
    reactions = call("internalization_and_release", released=None)
    assert str(reactions[1]) == "x_release: inside -> outside, rate inside*loss"


def test_receptors_approach_synthesis_over_degradation() -> None:
    """R(t) = s / d + (R0 - s / d) e^(-d t)."""
    times = np.linspace(0.0, 20.0, 5)
    model, start = in_a_tube(*call("receptor_turnover")), {"free": 9.0}
    found = curves(model, {"made": 0.6, "loss": 0.15}, start, times)["free"]
    np.testing.assert_allclose(found, 4.0 + 5.0 * np.exp(-0.15 * times), rtol=1e-7)


DOWN = {"volume": HUGE, "on": 0.5, "off": 0.1, "intake": 0.8, "loss": 0.3}
DOWN |= {"made": 1.2, "lost": 0.1, "back": 0.9, "broken": 0.4}


def down_regulated(agonist: float, receptor: Amount | None) -> dict[str, float]:
    """Receptors and ligand at rest, the agonist held at a concentration, nmol/L."""
    lost, broken = parameters("lost broken", unit="1/h")
    reactions = (
        *call("binding"),
        *call("internalization_and_release", receptor=receptor, released=None),
        *blocks.receptor_turnover("x", FREE, synthesis=MADE, degradation=lost),
        *blocks.receptor_recycling(
            "x", SUNKEN, FREE, recycling=BACK, degradation=broken
        ),
    )
    start = {"ligand": agonist * HUGE, "free": 12.0}
    return settled(in_a_tube(*reactions), DOWN, start, 800.0)


@pytest.mark.parametrize("agonist", [0.0, 0.2, 3.0])
def test_an_agonist_takes_receptors_from_the_surface(agonist: float) -> None:
    """Fluxes balance: synthesis = lost R + broken S, back S + broken S = k_i B."""
    at_rest = down_regulated(agonist, SUNKEN)
    a = 0.5 * agonist / (0.1 + 0.8)
    free = 1.2 / (0.1 + 0.8 * a * 0.4 / (0.9 + 0.4))
    assert at_rest["free"] == pytest.approx(free, rel=1e-5)
    assert at_rest["bound"] == pytest.approx(a * free, rel=1e-5)
    assert at_rest["sunken"] == pytest.approx(0.8 * a * free / 1.3, rel=1e-5)
    assert at_rest["inside"] == pytest.approx(0.8 * a * free / 0.3, rel=1e-5)


def test_receptors_degraded_with_the_ligand_are_not_recycled() -> None:
    a = 0.5 * 2.0 / 0.9
    at_rest = down_regulated(2.0, None)
    assert at_rest["free"] == pytest.approx(1.2 / (0.1 + 0.8 * a), rel=1e-5)
    assert at_rest["sunken"] == 0.0
    at_once = down_regulated(2.0, FREE)
    assert at_once["free"] == pytest.approx(12.0, rel=1e-5)


def test_endocytosis_without_ligand_shares_receptors_out() -> None:
    """With nothing lost, inside / surface = endocytosis / recycling."""
    reactions = call("receptor_recycling", degradation=sympy.S.Zero)
    values = {"back": 0.9, "intake": 0.3}
    at_rest = settled(in_a_tube(*reactions), values, {"free": 8.0}, 40.0)
    assert at_rest == pytest.approx({"free": 6.0, "sunken": 2.0})
    assert [r.name for r in call("receptor_recycling", endocytosis=sympy.S.Zero)] == [
        "x_recycling",
        "x_inner_degradation",
    ]


def test_an_endogenous_agonist_settles_where_it_is_made_as_fast_as_lost() -> None:
    """CXCL12: synthesis = lost L + k_i B, B = R_T L / (L + K), inside = k_i B / loss.

    K = V (k_off + k_i) / k_on; nothing recycles it, so that it is degraded inside.
    """
    (lost,) = parameters("lost", unit="1/h")
    reactions = (
        *blocks.ligand_turnover("cxcl12", LIGAND, synthesis=MADE, degradation=lost),
        *call("binding"),
        *call("internalization_and_release", receptor=FREE, released=None),
    )
    values = {"volume": 3.0, "on": 2.0, "off": 0.4, "intake": 1.1, "loss": 0.5}
    values |= {"made": 5.0, "lost": 0.7}
    at_rest = settled(in_a_tube(*reactions), values, {"free": 4.0}, 200.0)
    k = (0.4 + 1.1) / 2.0 * 3.0
    b, c = 0.7 * k + 1.1 * 4.0 - 5.0, -5.0 * k
    ligand = (-b + math.sqrt(b**2 - 4.0 * 0.7 * c)) / (2.0 * 0.7)
    assert at_rest["ligand"] == pytest.approx(ligand, rel=1e-6)
    assert at_rest["bound"] == pytest.approx(4.0 * ligand / (ligand + k), rel=1e-6)
    assert at_rest["inside"] == pytest.approx(1.1 * at_rest["bound"] / 0.5, rel=1e-6)


def test_protein_leaves_the_unbound_fraction_free() -> None:
    """Free approaches f_u of all at the rate k_off / f_u."""
    times = np.array([0.0, 0.02, 0.1, 5.0])
    model, start = in_a_tube(*call("plasma_protein_binding")), {"plasma": 50.0}
    found = curves(model, {"fraction": 0.04, "off": 0.6}, start, times)["plasma"]
    np.testing.assert_allclose(
        found, 2.0 + 48.0 * np.exp(-0.6 / 0.04 * times), rtol=1e-6
    )


def test_nonspecific_binding_is_in_proportion() -> None:
    values = {"intake": 0.3, "off": 1.2}
    for amount in (1.0, 1000.0):
        model = in_a_tube(*call("nonspecific_binding"))
        at_rest = settled(model, values, {"plasma": amount}, 30.0)
        assert at_rest["bound"] / at_rest["plasma"] == pytest.approx(0.25)
