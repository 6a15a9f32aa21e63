"""Ligands that share a transporter or an enzyme, against closed forms."""

import math
from typing import Any

import numpy as np
import pytest
import sympy
from block_calls import (
    BLOCK,
    FASTEST,
    FLOW,
    HALF,
    HUGE,
    PASSAGE,
    PLASMA,
    SMALL,
    TUBULE,
    VOLUME,
    call,
    in_a_tube,
)
from block_curves import curves
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import lambertw

from pkmodels.administrations import Administration
from pkmodels.composition import merge
from pkmodels.definition import Model
from pkmodels.errors import ModelError
from pkmodels.models import blocks
from pkmodels.reactions import Reaction
from pkmodels.schedule import Schedule
from pkmodels.symbols import Amount, amounts, parameters
from pkmodels.system import assemble
from pkmodels.trajectory import simulate
from pkmodels.variants import for_ligand

RIVAL, RIVAL_TUBULE, RIVAL_KIDNEY = amounts(
    "rival rival_tubule rival_kidney", unit="nmol", ligand="rival"
)
INHIBITOR, RIVAL_HALF = parameters("inhibitor rival_half", unit="nmol/L")
LOADS = st.floats(-2.0, 3.0).map(lambda x: 10.0**x)


def metabolism(
    name: str, source: Amount, half: sympy.Expr, *others: tuple[sympy.Expr, sympy.Expr]
) -> tuple[Reaction, ...]:
    return blocks.michaelis_menten_elimination(
        name,
        source,
        volume=VOLUME,
        maximum_rate=FASTEST,
        half_saturation=half,
        competitors=others,
    )


def rival_reabsorption(*, competitive: bool) -> tuple[Reaction, ...]:
    """The way of a rival, alike in all, through the same tubule."""
    return blocks.filtration_with_saturable_reabsorption(
        "rival",
        RIVAL,
        RIVAL_TUBULE,
        RIVAL_KIDNEY,
        None,
        volume=VOLUME,
        filtration_rate=FLOW,
        tubular_volume=SMALL,
        tubular_flow=PASSAGE,
        transport_maximum=FASTEST,
        half_saturation=HALF,
        competitive=competitive,
        block=BLOCK,
        competitors=((TUBULE / SMALL, HALF),),
    )


def lambert(c0: float, speed: float, half: float, times: np.ndarray) -> np.ndarray:
    """Concentration under V c / (K + c), V in nmol/L/h (Schnell and Mendoza 1997)."""
    argument = c0 / half * np.exp((c0 - speed * times) / half)
    return half * lambertw(argument).real


@pytest.mark.parametrize(("dose", "rival"), [(20.0, 10.0), (300.0, 1.0), (0.1, 90.0)])
def test_two_alike_ligands_are_eliminated_as_one_of_their_sum(
    dose: float, rival: float
) -> None:
    """Their sum follows Lambert's W; each stays the part of it that it began as."""
    model = in_a_tube(
        *metabolism("one", PLASMA, HALF, (RIVAL / VOLUME, HALF)),
        *metabolism("two", RIVAL, HALF, (PLASMA / VOLUME, HALF)),
    )
    times = np.linspace(0.0, 6.0, 7)
    values = {"volume": 3.0, "fastest": 12.0, "half": 2.5}
    found = curves(model, values, {"plasma": dose, "rival": rival}, times)
    total = 3.0 * lambert((dose + rival) / 3.0, 12.0 / 3.0, 2.5, times)
    part = dose / (dose + rival)
    np.testing.assert_allclose(found["plasma"], part * total, rtol=1e-6)
    np.testing.assert_allclose(found["rival"], (1.0 - part) * total, rtol=1e-6)


@pytest.mark.parametrize("inhibitor", [0.0, 3.0, 40.0])
def test_an_inhibitor_multiplies_the_half_saturation(inhibitor: float) -> None:
    """K seems K (1 + I / K_I), held at I; the maximum stays."""
    model = in_a_tube(*metabolism("one", PLASMA, HALF, (INHIBITOR, RIVAL_HALF)))
    times = np.linspace(0.0, 6.0, 7)
    values = {"volume": 3.0, "fastest": 12.0, "half": 2.5, "rival_half": 1.5}
    found = curves(model, values | {"inhibitor": inhibitor}, {"plasma": 30.0}, times)
    expected = 3.0 * lambert(10.0, 4.0, 2.5 * (1.0 + inhibitor / 1.5), times)
    np.testing.assert_allclose(found["plasma"], expected, rtol=1e-6)


def test_ligands_that_name_no_competitor_have_a_maximum_each() -> None:
    """So saturated that 12 nmol/h of V_max leave per hour, of each or of both."""
    lone = (
        *metabolism("one", PLASMA, HALF),
        *metabolism("two", RIVAL, HALF),
    )
    sharing = (
        *metabolism("one", PLASMA, HALF, (RIVAL / VOLUME, HALF)),
        *metabolism("two", RIVAL, HALF, (PLASMA / VOLUME, HALF)),
    )
    values = {"volume": 3.0, "fastest": 12.0, "half": 1e-3}
    for reactions, lost in ((lone, 24.0), (sharing, 12.0)):
        start = {"plasma": 500.0, "rival": 500.0}
        found = curves(in_a_tube(*reactions), values, start, [0.0, 1.0])
        after = found["plasma"][1] + found["rival"][1]
        assert 1000.0 - after == pytest.approx(lost, rel=1e-4)


RENAL = {"volume": HUGE, "small": 0.05, "flow": 7.0, "passage": 1.5}
RENAL |= {"fastest": 20.0, "half": 4.0}


def tubular(filtered: float, most: float, half: float) -> float:
    """The root of F = T_m c / (K + c) + Q c, in the form that does not cancel."""
    b = 1.5 * half + most - filtered
    root = math.sqrt(b**2 + 4.0 * 1.5 * filtered * half)
    return (root - b) / 3.0 if b < 0.0 else 2.0 * filtered * half / (root + b)


def reabsorbed(
    plasma: float, rival: float, *, competitive: bool, blocked: float
) -> tuple[float, float]:
    """Of each of two alike ligands, per hour at steady concentrations in plasma."""
    model = in_a_tube(
        *call(
            "filtration_with_saturable_reabsorption",
            competitive=competitive,
            competitors=((RIVAL_TUBULE / SMALL, HALF),),
        ),
        *rival_reabsorption(competitive=competitive),
    )
    start = {"plasma": plasma * HUGE, "rival": rival * HUGE}
    found = curves(model, RENAL | {"block": blocked}, start, [0.0, 5.0, 6.0])
    kidneys = (found["kidney"], found["rival_kidney"])
    one, two = (float(kidney[2] - kidney[1]) for kidney in kidneys)
    return one, two


@given(LOADS, LOADS, st.floats(0.0, 0.95), st.booleans())
def test_two_alike_ligands_are_reabsorbed_as_one_of_their_sum(
    plasma: float, rival: float, blocked: float, competitive: bool
) -> None:
    """The sum as one ligand's closed form has it, shared as the concentrations are."""
    found = reabsorbed(plasma, rival, competitive=competitive, blocked=blocked)
    free = 1.0 - blocked
    most, half = (20.0, 4.0 / free) if competitive else (20.0 * free, 4.0)
    c = tubular(7.0 * (plasma + rival), most, half)
    total, part = most * c / (half + c), plasma / (plasma + rival)
    assert found[0] == pytest.approx(part * total, rel=1e-5)
    assert found[1] == pytest.approx((1.0 - part) * total, rel=1e-5)


@given(LOADS, LOADS, st.floats(0.0, 0.95), st.booleans())
def test_an_inhibitor_in_the_tubule_multiplies_the_half_saturation(
    plasma: float, inhibitor: float, blocked: float, competitive: bool
) -> None:
    """K seems K (1 + a + I / K_I), where amino acids alone make it K (1 + a).

    What competes and leaves 1 - b of a trace has a = b / (1 - b); another block leaves
    1 - b of T_m.
    """
    reactions = call(
        "filtration_with_saturable_reabsorption",
        competitive=competitive,
        competitors=((INHIBITOR, RIVAL_HALF),),
    )
    values = RENAL | {"inhibitor": inhibitor, "rival_half": 0.7, "block": blocked}
    model = in_a_tube(*reactions)
    found = curves(model, values, {"plasma": plasma * HUGE}, [0.0, 5.0, 6.0])["kidney"]
    acids = blocked / (1.0 - blocked) if competitive else 0.0
    most = 20.0 if competitive else 20.0 * (1.0 - blocked)
    half = 4.0 * (1.0 + acids + inhibitor / 0.7)
    c = tubular(7.0 * plasma, most, half)
    assert found[2] - found[1] == pytest.approx(most * c / (half + c), rel=1e-5)


def eliminated_beside(other: str) -> Model:
    """A model for one ligand, which names another ligand's plasma."""
    rival = Amount(f"plasma_{other}", "nmol", other)
    reactions = metabolism("hepatic", PLASMA, HALF, (rival / VOLUME, HALF))
    routes = {"intravenous": (PLASMA, rival)}
    return Model("hepatic", reactions, routes, {"plasma": PLASMA})


def test_models_for_two_ligands_share_what_each_names_of_the_other() -> None:
    """The sum follows Lambert's W, and the label besides decays."""
    shared = ("volume", "fastest", "half")
    both = merge(
        "both",
        for_ligand(eliminated_beside("hot"), "cold", keep=shared),
        for_ligand(eliminated_beside("cold"), "hot", keep=shared),
        shared=shared,
    )
    hot = Administration(0.0, 0.0, "hot", "Lu-177", 50.0, ligand_nmol=6.0)
    cold = Administration(0.0, 0.0, "cold", ligand_nmol=90.0)
    values, times = {"volume": 3.0, "fastest": 12.0, "half": 2.5}, np.arange(8.0)
    # Lu-177's half-life of 6.647 d: ICRP Publication 107.
    decay = np.exp(-math.log(2.0) / (6.647 * 24.0) * times)
    for given_too, others in (((cold,), 90.0), ((), 0.0)):
        schedule = Schedule((hot, *given_too))
        system = assemble(both, schedule.form)
        found = simulate(system, values, schedule, times, label="Lu-177")
        kept = lambert((6.0 + others) / 3.0, 4.0, 2.5, times) / ((6.0 + others) / 3.0)
        np.testing.assert_allclose(
            found.observables["plasma_hot"], 50.0 * kept * decay, rtol=1e-6
        )


DOSE = parameters("dose", unit="Gy")[0]


@pytest.mark.parametrize(
    ("competitors", "message"),
    [
        (((DOSE, HALF),), "its concentration dose is in Gy, expected nmol/L"),
        (((RIVAL, HALF),), "its concentration rival is in nmol, expected nmol/L"),
        (((INHIBITOR, SMALL),), "its half saturation small is in L, expected nmol/L"),
        (((INHIBITOR, HALF), (DOSE, HALF)), r"competitors\[1\]: its concentration"),
        ((INHIBITOR, HALF), r"competitors\[0\] is inhibitor, which is no pair: write"),
        (
            ((HALF, RIVAL / SMALL),),
            "its half saturation is rival/small, which is no ",
        ),
        (((INHIBITOR, 0),), "its half saturation is 0, which is no constant above 0"),
    ],
)
@pytest.mark.parametrize(
    "block", ["filtration_with_saturable_reabsorption", "michaelis_menten_elimination"]
)
def test_what_is_no_competitor_is_refused(
    block: str, competitors: Any, message: str
) -> None:
    with pytest.raises(ModelError, match=f"block {block} 'x': .*{message}"):
        call(block, competitors=competitors)


def test_a_ligand_does_not_compete_with_itself() -> None:
    own = {
        "filtration_with_saturable_reabsorption": TUBULE,
        "michaelis_menten_elimination": PLASMA,
    }
    for block, amount in own.items():
        mixed = ((amount + RIVAL) / VOLUME, HALF)
        with pytest.raises(ModelError, match=f"holds {amount}, which the block itself"):
            call(block, competitors=(mixed,))
