"""Blocks of transport and elimination, against closed forms and limits."""

import math

import numpy as np
import pytest
from block_calls import HUGE, PLASMA, TRANSIT, call, in_a_tube
from block_curves import curves, settled
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import lambertw
from scipy.stats import gamma

from pkmodels.models import blocks
from pkmodels.symbols import amounts


def test_exchange_evens_concentrations_out() -> None:
    """The difference of concentration falls at q (1 / V + 1 / W)."""
    times = np.linspace(0.0, 3.0, 4)
    values = {"volume": 3.0, "small": 0.5, "clearance": 0.4}
    found = curves(in_a_tube(*call("exchange")), values, {"plasma": 7.0}, times)
    difference = found["plasma"] / 3.0 - found["tissue"] / 0.5
    expected = 7.0 / 3.0 * np.exp(-0.4 * (1.0 / 3.0 + 1.0 / 0.5) * times)
    np.testing.assert_allclose(difference, expected, rtol=1e-7, atol=1e-9)


ORGAN = {"volume": HUGE, "small": 0.2, "space": 0.6, "flow": 5.0, "clearance": 2.0}


def test_a_perfused_organ_fills_to_the_concentration_of_plasma() -> None:
    model = in_a_tube(*call("perfused_organ", drains_to=None, outflow=None))
    at_rest = settled(model, ORGAN, {"plasma": 4.0 * HUGE}, 60.0)
    assert at_rest["vascular"] / 0.2 == pytest.approx(4.0)
    assert at_rest["tissue"] / 0.6 == pytest.approx(4.0)


def test_a_well_mixed_capillary_extracts_ps_over_flow_and_ps() -> None:
    """Into an empty, endless tissue: uptake = F PS / (F + PS) c."""
    model = in_a_tube(*call("perfused_organ", drains_to=None, outflow=None))
    times = [0.0, 2.0, 3.0]
    found = curves(model, ORGAN | {"space": HUGE}, {"plasma": 4.0 * HUGE}, times)
    assert np.diff(found["tissue"])[1] == pytest.approx(5.0 * 2.0 / 7.0 * 4.0, rel=1e-6)


def test_a_perfused_organ_drains_where_it_says_at_its_own_outflow() -> None:
    """Portal inflow besides: v / V_v = F c / outflow once the tissue is full."""
    model = in_a_tube(*call("perfused_organ"))
    start = {"plasma": 4.0 * HUGE}
    found = curves(model, ORGAN | {"passage": 8.0}, start, [0.0, 60.0, 61.0])
    np.testing.assert_allclose(found["vascular"][1:] / 0.2, 5.0 * 4.0 / 8.0)
    assert found["venous"][2] - found["venous"][1] == pytest.approx(20.0, rel=1e-6)


def test_absorption_empties_the_depot_exponentially() -> None:
    times = np.linspace(0.0, 8.0, 5)
    model = in_a_tube(*call("first_order_absorption"))
    found = curves(model, {"intake": 0.35}, {"tissue": 10.0}, times)
    np.testing.assert_allclose(found["plasma"], 10.0 * (1.0 - np.exp(-0.35 * times)))


@pytest.mark.parametrize("n", [1, 3, 8])
def test_a_transit_chain_delays_by_an_erlang_time(n: int) -> None:
    """Arrival is the gamma density of shape n and mean MTT (Savic 2007)."""
    chain = amounts(" ".join(f"stage_{i}" for i in range(n)), unit="nmol")
    reactions = blocks.transit_chain("x", chain, PLASMA, mean_transit_time=TRANSIT)
    times = np.linspace(0.0, 60.0, 6001)
    found = curves(in_a_tube(*reactions), {"transit": 2.4}, {"stage_0": 5.0}, times)
    arrival = n / 2.4 * found[f"stage_{n - 1}"] / 5.0
    np.testing.assert_allclose(arrival, gamma.pdf(times, n, scale=2.4 / n), atol=1e-8)
    waiting = 1.0 - found["plasma"] / 5.0
    assert np.trapezoid(waiting, times) == pytest.approx(2.4, rel=1e-4)


@pytest.mark.parametrize("blocked", [0.0, 0.4, 1.0])
def test_filtration_shares_out_what_it_clears(blocked: float) -> None:
    values = {"volume": 3.0, "flow": 6.6, "fraction": 0.7, "block": blocked}
    times, kept = np.linspace(0.0, 2.0, 5), 0.7 * (1.0 - blocked)
    found = curves(in_a_tube(*call("filtration")), values, {"plasma": 9.0}, times)
    cleared = 9.0 * (1.0 - np.exp(-6.6 / 3.0 * times))
    np.testing.assert_allclose(found["kidney"], kept * cleared, atol=1e-8)
    np.testing.assert_allclose(found["urine"], (1.0 - kept) * cleared, atol=1e-8)


RENAL = {"volume": HUGE, "small": 0.05, "flow": 7.0, "passage": 1.5}
RENAL |= {"fastest": 20.0, "half": 4.0}


def renal_rates(
    concentration: float, blocked: float, *, competitive: bool
) -> tuple[float, float]:
    """Reabsorbed and excreted per hour at a steady concentration in plasma."""
    reactions = call("filtration_with_saturable_reabsorption", competitive=competitive)
    start = {"plasma": concentration * HUGE}
    values = RENAL | {"block": blocked}
    found = curves(in_a_tube(*reactions), values, start, [0.0, 5.0, 6.0])
    return np.diff(found["kidney"])[1], np.diff(found["urine"])[1]


@given(st.floats(-2.0, 3.0).map(lambda x: 10.0**x), st.floats(0.0, 1.0), st.booleans())
def test_excreted_is_filtered_less_reabsorbed(
    concentration: float, blocked: float, competitive: bool
) -> None:
    """In the tubule F = T(c) + Q c, a quadratic in c for saturable T(c)."""
    reabsorbed, excreted = renal_rates(concentration, blocked, competitive=competitive)
    filtered = 7.0 * concentration
    assert reabsorbed + excreted == pytest.approx(filtered, rel=1e-6)
    free = 1.0 - blocked
    most, half = 20.0 * free, 4.0
    if competitive and free > 0.0:
        most, half = 20.0, 4.0 / free
    b = 1.5 * half + most - filtered
    root = math.sqrt(b**2 + 4.0 * 1.5 * filtered * half)
    # The form of the root that does not cancel.
    tubular = (root - b) / 3.0 if b < 0.0 else 2.0 * filtered * half / (root + b)
    assert excreted == pytest.approx(1.5 * tubular, rel=1e-5)
    assert -1e-9 <= reabsorbed <= 20.0


def test_a_load_fills_the_transport_maximum_and_displaces_a_competitor() -> None:
    trace, load = 1e-6, 1e5
    assert renal_rates(load, 0.0, competitive=False)[0] == pytest.approx(20.0, rel=1e-3)
    assert renal_rates(load, 0.8, competitive=False)[0] == pytest.approx(4.0, rel=1e-3)
    assert renal_rates(load, 0.8, competitive=True)[0] == pytest.approx(20.0, rel=1e-3)
    # Of a trace, (T_m / K) / (T_m / K + Q) is kept, T_m / K less the block.
    for competitive in (False, True):
        kept = renal_rates(trace, 0.8, competitive=competitive)[0] / (7.0 * trace)
        assert kept == pytest.approx(1.0 / (1.0 + 1.5), rel=1e-4)


def test_excretion_collects_and_empties() -> None:
    """The bladder's content is Bateman's, secretion k and emptying e."""
    times, (k, e) = np.linspace(0.0, 10.0, 6), (0.8, 0.3)
    model = in_a_tube(*call("excretion"))
    found = curves(model, {"intake": k, "loss": e}, {"kidney": 2.0}, times)
    bladder = 2.0 * k / (e - k) * (np.exp(-k * times) - np.exp(-e * times))
    np.testing.assert_allclose(found["tubule"], bladder, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(sum(found.values()), 2.0)


@pytest.mark.parametrize("dose", [0.5, 30.0, 400.0])
def test_saturable_elimination_follows_lambert_w(dose: float) -> None:
    """c = K_m W((c0 / K_m) exp((c0 - V t) / K_m)) (Schnell and Mendoza 1997)."""
    values = {"volume": 3.0, "fastest": 12.0, "half": 2.5}
    times = np.linspace(0.0, 6.0, 7)
    model = in_a_tube(*call("michaelis_menten_elimination"))
    found = curves(model, values, {"plasma": dose}, times)["plasma"] / 3.0
    c0, speed = dose / 3.0, 12.0 / 3.0
    argument = c0 / 2.5 * np.exp((c0 - speed * times) / 2.5)
    np.testing.assert_allclose(found, 2.5 * lambertw(argument).real, rtol=1e-6)
