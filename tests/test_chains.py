"""Decay chains against other solvers, and against energies added up by hand."""

import math
from decimal import Decimal, localcontext
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pkmodels.chains import (
    PROMPT_HALF_LIFE_H,
    Member,
    bateman,
    decay_chain,
    effective_parents,
)
from pkmodels.errors import InputError
from pkmodels.nuclides import nuclide

ALPHA_EMITTERS = ("Ac-225", "Bi-213", "Pb-212")

# Half-life in h and branching of ICRP 107, written down apart from our table.
HOUR, MINUTE, SECOND = Decimal(3600), Decimal(60), Decimal(1)
HALF_LIVES_S = {
    "Ac-225": 240 * HOUR,
    "Fr-221": Decimal("4.9") * MINUTE,
    "At-217": Decimal("0.0323") * SECOND,
    "Bi-213": Decimal("45.59") * MINUTE,
    "Po-213": Decimal("4.2e-6") * SECOND,
    "Tl-209": Decimal("2.161") * MINUTE,
    "Pb-209": Decimal("3.253") * HOUR,
    "Pb-212": Decimal("10.64") * HOUR,
    "Bi-212": Decimal("60.55") * MINUTE,
    "Po-212": Decimal("2.99e-7") * SECOND,
    "Tl-208": Decimal("3.053") * MINUTE,
}
TO_BI213 = ("Ac-225", "Fr-221", "At-217", "Bi-213")
PATHS = {
    "Ac-225": [
        (TO_BI213[:1], "1"),
        (TO_BI213[:2], "1"),
        (TO_BI213[:3], "1"),
        (TO_BI213, "0.99988"),
        ((*TO_BI213, "Po-213"), "0.99988*0.9791"),
        ((*TO_BI213, "Tl-209"), "0.99988*0.0209"),
        ((*TO_BI213, "Po-213", "Pb-209"), "0.99988*0.9791"),
        ((*TO_BI213, "Tl-209", "Pb-209"), "0.99988*0.0209"),
    ],
    "Bi-213": [
        (("Bi-213",), "1"),
        (("Bi-213", "Po-213"), "0.9791"),
        (("Bi-213", "Tl-209"), "0.0209"),
        (("Bi-213", "Po-213", "Pb-209"), "0.9791"),
        (("Bi-213", "Tl-209", "Pb-209"), "0.0209"),
    ],
    "Pb-212": [
        (("Pb-212",), "1"),
        (("Pb-212", "Bi-212"), "1"),
        (("Pb-212", "Bi-212", "Po-212"), "0.6406"),
        (("Pb-212", "Bi-212", "Tl-208"), "0.3594"),
    ],
}


def sums_of_exponentials(name: str, time_h: float) -> dict[str, float]:
    """Bateman's own formula in 150 digits, so that its cancellation does no harm."""
    with localcontext(prec=150):
        ln2, elapsed = Decimal(2).ln(), Decimal(time_h) * HOUR
        activities: dict[str, Decimal] = {}
        for path, factors in PATHS[name]:
            rates = [ln2 / HALF_LIVES_S[member] for member in path]
            terms = (
                (-rate * elapsed).exp()
                / math.prod(other - rate for other in rates if other != rate)
                for rate in rates
            )
            share = math.prod(Decimal(factor) for factor in factors.split("*"))
            activity = share * math.prod(rates[1:]) * sum(terms)
            activities[path[-1]] = activities.get(path[-1], Decimal(0)) + activity
        return {member: float(activity) for member, activity in activities.items()}


@pytest.mark.reference
@pytest.mark.parametrize("name", ALPHA_EMITTERS)
def test_activities_are_those_of_radioactivedecay(name: str) -> None:
    # In rational arithmetic and 320 digits; imported here, since it takes seconds.
    import radioactivedecay

    start = radioactivedecay.InventoryHP({name: 1.0}, "Bq")
    times = [1e-4, 3.0, 700.0]
    curves = bateman(name, times)
    for i, time in enumerate(times):
        expected = start.decay(time, "h").activities("Bq")
        found = {member: curve[i] for member, curve in curves.items()}
        radioactive = {str(k): v for k, v in expected.items() if str(k) in found}
        assert {k for k, v in expected.items() if v > 0.0} == found.keys()
        assert found == pytest.approx(radioactive, rel=1e-12, abs=0.0)


@pytest.mark.reference
@given(
    name=st.sampled_from(ALPHA_EMITTERS),
    exponents=st.lists(st.floats(-15.0, 3.3), min_size=1, max_size=4),
)
def test_activities_are_bateman_sums_of_exponentials(
    name: str, exponents: list[float]
) -> None:
    times = 10.0 ** np.array(exponents)
    curves = bateman(name, times)
    for i, time in enumerate(times):
        expected = sums_of_exponentials(name, float(time))
        found = {member: curve[i] for member, curve in curves.items()}
        assert found == pytest.approx(expected, rel=1e-12, abs=0.0)


@pytest.mark.reference
@pytest.mark.parametrize(
    ("name", "alpha", "electron", "photon"),
    [
        # MeV per decay of the head when all daughters decay in place, added up from
        # ICRP 107's index (alphas with recoil) by a script that is no part of pkmodels.
        ("Ac-225", 27.994, 0.690, 0.219),
        ("Bi-213", 8.483, 0.656, 0.173),
        ("Pb-212", 7.952, 0.901, 1.456),
    ],
)
def test_energy_of_a_whole_chain(
    name: str, alpha: float, electron: float, photon: float
) -> None:
    decays: dict[str, float] = {name: 1.0}
    for member in decay_chain(name)[1:]:
        decays[member.name] = sum(decays[p] * part for p, part in member.parents)
    energy = {
        kind: sum(count * getattr(nuclide(c), kind) for c, count in decays.items())
        for kind in ("alpha_MeV", "electron_MeV", "photon_MeV")
    }
    assert energy["alpha_MeV"] == pytest.approx(alpha, abs=5e-4)
    assert energy["electron_MeV"] == pytest.approx(electron, abs=5e-4)
    assert energy["photon_MeV"] == pytest.approx(photon, abs=5e-4)


def test_two_members_are_bateman_by_hand() -> None:
    times = np.array([[0.0, 1.0, 10.0], [64.1, 500.0, 2000.0]])
    metastable, ground = math.log(2.0) / 3.19, math.log(2.0) / 64.10
    expected = 0.99998 * ground / (metastable - ground) * np.exp(-ground * times)
    expected *= -np.expm1(-(metastable - ground) * times)
    curves = bateman("Y-90m", times)
    np.testing.assert_allclose(curves["Y-90"], expected, rtol=1e-13)
    np.testing.assert_allclose(curves["Y-90m"], np.exp(-metastable * times), rtol=1e-13)


@pytest.mark.parametrize(
    ("name", "members", "prompt"),
    [
        (
            "Ac-225",
            "Ac-225 Fr-221 At-217 Bi-213 Po-213 Tl-209 Pb-209",
            {"At-217", "Po-213"},
        ),
        ("At-217", "At-217 Bi-213 Po-213 Tl-209 Pb-209", {"Po-213"}),
        ("Pb-212", "Pb-212 Bi-212 Po-212 Tl-208", {"Po-212"}),
        ("Ge-68", "Ge-68 Ga-68", set()),
        ("Lu-177", "Lu-177", set()),
    ],
)
def test_members_follow_their_parents(
    name: str, members: str, prompt: set[str]
) -> None:
    chain = decay_chain(name)
    assert [member.name for member in chain] == members.split()
    assert {member.name for member in chain if member.prompt} == prompt
    assert chain[0].parents == ()
    for i, member in enumerate(chain[1:], start=1):
        assert member.parents
        assert {p for p, _ in member.parents} <= {c.name for c in chain[:i]}


def test_prompt_members_are_skipped_over() -> None:
    assert effective_parents(decay_chain("Ac-225")) == {
        "Ac-225": (),
        "Fr-221": (("Ac-225", 1.0),),
        "At-217": (("Fr-221", 1.0),),
        "Bi-213": (("Fr-221", 0.99988),),
        "Po-213": (("Bi-213", 0.9791),),
        "Tl-209": (("Bi-213", 0.0209),),
        "Pb-209": (("Bi-213", 0.9791), ("Tl-209", 1.0)),
    }
    # As the head, At-217 is followed in time.
    assert effective_parents(decay_chain("At-217"))["Bi-213"] == (("At-217", 0.99988),)


def test_shares_of_paths_through_two_prompt_members_add_up() -> None:
    chain = (
        Member("Bi-212", ()),
        Member("Po-212", (("Bi-212", 0.6),)),
        Member("Po-213", (("Bi-212", 0.1), ("Po-212", 0.5))),
        Member("Pb-209", (("Po-213", 1.0), ("Bi-212", 0.3))),
    )
    ((origin, share),) = effective_parents(chain)["Pb-209"]
    assert origin == "Bi-212"
    assert share == pytest.approx(0.1 + 0.6 * 0.5 + 0.3)


@pytest.mark.parametrize("name", ALPHA_EMITTERS)
def test_error_of_taking_a_member_as_prompt_is_what_is_stated(name: str) -> None:
    chain, times = decay_chain(name), np.geomspace(1e-3, 100.0, 60)
    curves, feeders = bateman(name, times), effective_parents(chain)
    for member in chain:
        if member.prompt:
            assert member.nuclide.half_life_h < PROMPT_HALF_LIFE_H
            feeding = sum(f * curves[p] for p, f in feeders[member.name])
            error = np.abs(feeding / curves[member.name] - 1.0)
            limit = 1.1e-4 if member.name == "At-217" else 2e-9
            # A parent rises about as t squared at the most, Bi-213 in that of Ac-225.
            mean_life = member.nuclide.half_life_h / math.log(2.0)
            assert np.all(error <= limit + 2.1 * mean_life / times)


def test_prompt_error_of_at_217_from_pure_fr_221() -> None:
    """Fr-221 alone decays with 4.9 min: A_At / A_Fr = 1 / (1 - 0.0323 s / 4.9 min)."""
    curves = bateman("Fr-221", [0.1, 0.5, 2.0])
    excess = 0.0323 / 294.0
    np.testing.assert_allclose(
        curves["At-217"] / curves["Fr-221"], 1.0 / (1.0 - excess), rtol=1e-12
    )
    assert excess == pytest.approx(1.1e-4, rel=0.01)


@pytest.mark.parametrize(
    ("name", "parent", "daughter"),
    [
        ("I-131", "I-131", "Xe-131m"),
        ("Tc-99m", "Tc-99m", "Tc-99"),
        ("Ra-224", "Ra-224", "Rn-220"),
        ("At-211", "At-211", "Po-211"),
    ],
)
def test_radioactive_daughter_that_the_table_lacks_is_an_error(
    name: str, parent: str, daughter: str
) -> None:
    with pytest.raises(
        InputError, match=rf"chain of '{name}': {parent} decays into {daughter} .* add"
    ):
        decay_chain(name)


def test_unknown_head_of_a_chain_is_an_error() -> None:
    with pytest.raises(InputError, match=r"'Ac225'.*did you mean 'Ac-225'"):
        decay_chain("Ac225")


def test_chain_out_of_order_is_an_error() -> None:
    chain = decay_chain("Pb-212")
    for backwards in (chain[::-1], chain[1:]):
        with pytest.raises(InputError, match=r"stands before its parent .*212"):
            effective_parents(backwards)


@pytest.mark.parametrize("time", [-1.0, math.nan, math.inf])
def test_impossible_time_is_an_error(time: float) -> None:
    with pytest.raises(InputError, match=rf"times_h: found {time}; .* at least 0 h"):
        bateman("Pb-212", [1.0, time])


def test_shape_and_extremes_of_time() -> None:
    assert bateman("Ac-225", 0.0)["Fr-221"].shape == ()
    assert bateman("Ac-225", [])["Fr-221"].shape == (0,)
    start = {member: float(curve) for member, curve in bateman("Ac-225", 0.0).items()}
    assert start.pop("Ac-225") == 1.0
    assert set(start.values()) == {0.0}
    assert {float(curve) for curve in bateman("Ac-225", 1e300).values()} == {0.0}


def test_late_activities_are_in_transient_equilibrium() -> None:
    """Long after, all decay as the head: A_2 / A_1 = lambda_2/(lambda_2 - lambda_1)."""
    names, curves = ("Pb-212", "Bi-212"), bateman("Pb-212", [60.0, 80.0])
    head, daughter = (math.log(2.0) / nuclide(name).half_life_h for name in names)
    ratio = curves["Bi-212"] / curves["Pb-212"]
    np.testing.assert_allclose(ratio, daughter / (daughter - head), rtol=1e-10)
    for before, after in pairwise(ratio):
        assert after == pytest.approx(before, rel=1e-10)
