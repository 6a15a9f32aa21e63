"""Blocks of reactions: what they refuse, and a model made of them."""

import csv
from pathlib import Path

import numpy as np
import pytest
import sympy
from block_calls import CALLS, CHAIN, LIGAND, OFF, ON, PLASMA, RIVAL, TRANSIT, call
from block_curves import curves
from pbpk12_model import TRUE_VALUES
from pbpk12_model import model as pbpk12

from pkmodels.definition import derivatives
from pkmodels.dimensions import check_unit
from pkmodels.errors import ModelError
from pkmodels.models import blocks
from pkmodels.symbols import NO_LIGAND, Amount, amounts, parameters, receptors

AMOUNTS = [(b, a) for b, (places, _) in CALLS.items() for a in places]
QUANTITIES = [(b, q) for b, (_, quantities) in CALLS.items() for q in quantities]


def test_every_block_is_called_here() -> None:
    assert {*CALLS, "transit_chain"} == set(blocks.__all__)


@pytest.mark.parametrize("block", CALLS)
def test_a_block_makes_rates_in_nmol_per_hour_and_loses_no_ligand(block: str) -> None:
    reactions = call(block)
    assert len({r.name for r in reactions}) == len(reactions)
    for reaction in reactions:
        assert reaction.name.startswith("x_")
        check_unit(reaction.name, reaction.rate, "nmol/h")
        ligand = reaction.of_ligand(LIGAND.ligand)
        assert [len(side) for side in ligand] in ([1, 1], [1, 0], [0, 1], [0, 0])
        if ligand[0] and not ligand[1]:
            assert "degradation" in reaction.name


@pytest.mark.parametrize(("block", "quantity"), QUANTITIES)
def test_a_quantity_in_another_unit_is_refused(block: str, quantity: str) -> None:
    (dose,) = parameters("dose", unit="Gy")
    message = f"block {block} 'x': {quantity} dose is in Gy, expected "
    with pytest.raises(ModelError, match=message):
        call(block, **{quantity: dose})


@pytest.mark.parametrize(("block", "amount"), AMOUNTS)
def test_an_amount_that_is_none_is_refused(block: str, amount: str) -> None:
    with pytest.raises(ModelError, match=f"{amount} is on, which is not an amount"):
        call(block, **{amount: ON})


@pytest.mark.parametrize(("block", "amount"), AMOUNTS)
def test_a_ligand_is_no_receptor_and_turns_into_no_other(
    block: str, amount: str
) -> None:
    right = CALLS[block][0][amount]
    ligands = [a for a in CALLS[block][0].values() if a.ligand != NO_LIGAND]
    if right.ligand == NO_LIGAND:
        with pytest.raises(ModelError, match="of rival, but it must be no ligand"):
            call(block, **{amount: RIVAL})
    else:
        with pytest.raises(ModelError, match="holds no ligand: make it with amounts"):
            call(block, **{amount: Amount("other", "nmol", NO_LIGAND)})
        if len(ligands) > 1:
            with pytest.raises(ModelError, match="does not turn into another"):
                call(block, **{amount: RIVAL})


@pytest.mark.parametrize(("block", "amount"), AMOUNTS)
def test_amounts_of_one_block_have_one_unit(block: str, amount: str) -> None:
    places = CALLS[block][0]
    right = places[amount]
    other = Amount(right.name, "MBq", right.ligand)
    if len(places) == 1 or block in ("binding", "michaelis_menten_elimination"):
        with pytest.raises(ModelError, match="is in MBq, expected nmol"):
            call(block, **{amount: other})
    else:
        with pytest.raises(ModelError, match=r"is in (MBq|nmol), expected (nmol|MBq)"):
            call(block, **{amount: other})


def test_one_amount_cannot_be_two_and_a_name_must_be_one() -> None:
    with pytest.raises(ModelError, match="ligand and bound are both ligand: name two"):
        call("binding", bound=LIGAND)
    with pytest.raises(ModelError, match="block exchange 'a b': its name is not an id"):
        blocks.exchange("a b", *CALLS["exchange"][0].values(), **CALLS["exchange"][1])
    with pytest.raises(ModelError, match="transit_chain 'gut': its chain is empty"):
        blocks.transit_chain("gut", (), PLASMA, mean_transit_time=TRANSIT)
    with pytest.raises(ModelError, match=r"chain\[0\] and chain\[1\] are both plasma"):
        blocks.transit_chain("x", (PLASMA, PLASMA), None, mean_transit_time=TRANSIT)
    with pytest.raises(ModelError, match="mean_transit_time off is in 1/h, expected h"):
        blocks.transit_chain("x", CHAIN, PLASMA, mean_transit_time=OFF)


def test_pbpk12_in_blocks_is_the_published_system() -> None:
    """The benchmark's equations, x = s + u; free receptors are RT - C and RK - K."""
    model = pbpk12()
    P, I, C, N, K, L = amounts("P I C N K L", unit="nmol")  # noqa: E741
    RTf, RKf = receptors("RTf RKf", unit="nmol")
    s = {parameter.name: parameter for parameter in model.parameters}
    perf = s["kT"] * (P / s["VP"] - I / s["VI"])
    bT = s["kon"] * I / s["VI"] * (s["RT"] - C) - s["koff"] * C
    bK = s["kon"] * P / s["VP"] * (s["RK"] - K) - s["koff"] * K
    filt = s["GFR"] * P / s["VP"]
    published = {
        P: -perf - bK - filt + s["krelK"] * L,
        I: perf - bT + s["krelT"] * N,
        C: bT - s["kintT"] * C,
        N: s["kintT"] * C - s["krelT"] * N,
        K: bK - s["kintK"] * K,
        L: s["kintK"] * K + s["freab"] * filt - s["krelK"] * L,
    }
    ours = derivatives(model)
    free = {RTf: s["RT"] - C, RKf: s["RK"] - K}
    for amount, rate in published.items():
        assert sympy.expand(ours[amount].xreplace(free) - rate) == 0, amount
    assert sympy.expand(ours[RTf] + ours[C]) == 0
    assert sympy.expand(ours[RKf] + ours[K]) == 0
    assert model.start == {RTf: s["RT"], RKf: s["RK"]}
    assert set(ours) == {*published, *free}


@pytest.mark.reference
def test_pbpk12_gives_the_benchmarks_amounts(repository: Path) -> None:
    table = repository.parent / "shared/reference/benchmark/pbpk12_reference.csv"
    if not table.exists():
        pytest.skip("needs ../shared/reference, which is no part of the repository")
    lines = table.read_text("utf-8").splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    times = [0.0, *(float(row["time_h"]) for row in rows)]
    start = {"P": 100.0, "RTf": TRUE_VALUES["RT"], "RKf": TRUE_VALUES["RK"]}
    found = curves(pbpk12(), TRUE_VALUES, start, times)
    for name in "PICNKL":
        carrier = [float(row[f"{name}s"]) + float(row[f"{name}u"]) for row in rows]
        np.testing.assert_allclose(found[name][1:], carrier, rtol=1e-6, atol=1e-9)
