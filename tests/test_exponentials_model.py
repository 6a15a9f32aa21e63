"""The model `exponentials` against tables made elsewhere, and curves written anew."""

import math
from dataclasses import replace

import numpy as np
import pytest
from reference_tables import rows

from pkmodels.administrations import Administration
from pkmodels.compiled_integrals import compile_integrals
from pkmodels.dosimetry.biological_dose import g_factor, g_factor_of_exponentials
from pkmodels.dosimetry.solved_protraction import protraction_of
from pkmodels.errors import InputError, ModelError
from pkmodels.models import exponential_terms, exponentials
from pkmodels.nuclides import nuclide
from pkmodels.schedule import Schedule
from pkmodels.system import System, assemble
from pkmodels.trajectory import simulate
from pkmodels.values import draw_values

# With `make test` they would take it beyond ten minutes.
pytestmark = pytest.mark.slow

LN2 = math.log(2.0)
LU = LN2 / 159.528  # ICRP 107, 6.647 d
GIVEN = 100.0


def given(label: str = "Lu-177") -> Schedule:
    return Schedule((Administration(0.0, 0.0, "pentixather", label, GIVEN),))


def system_of(phases: int, uptake: bool, label: str = "Lu-177") -> System:
    model = exponentials.model(("organ",), phases=phases, uptake=uptake)
    return assemble(model, given(label).form)


def patient_of(
    amplitudes: list[float], half_lives_h: list[float]
) -> tuple[dict[str, float], int, bool, float]:
    """Return parameters whose curve with Lu-177 is sum a_i 2^(-t / T_i), and its scale.

    The half-lives are effective; a last amplitude below 0, that of uptake, makes the
    sum 0. The scale is what the sum is over the curve per administered activity.
    """
    uptake = amplitudes[-1] < 0.0
    rates = [LN2 / t - LU for t in half_lives_h]
    washout = list(zip(amplitudes, rates, strict=True))[: len(rates) - uptake]
    washout.sort(key=lambda pair: pair[1])
    parts = [a * (1.0 - k / rates[-1]) if uptake else a for a, k in washout]
    slow = [LN2 / k for _, k in washout]
    shares = [part / sum(parts) for part in parts]
    values = {"uptake_odds_organ": 0.25, "biological_half_life_organ": slow[0]}
    if uptake:
        values["uptake_half_time"] = LN2 / rates[-1]
    left = 1.0
    for i in range(len(parts), 1, -1):
        values[f"share_organ_{i}"] = shares[i - 1] / left
        values[f"half_life_ratio_organ_{i}"] = slow[i - 1] / slow[i - 2]
        left -= shares[i - 1]
    return values, len(parts), uptake, sum(parts) / 0.2


@pytest.mark.reference
@pytest.mark.parametrize("row", rows("bed_g_factor"), ids=lambda r: r["case"])
def test_g_factors_are_those_of_the_table(row: dict[str, str]) -> None:
    amplitudes = [float(a) for a in row["amplitudes"].split()]
    half_lives = [float(t) for t in row["half_lives_h"].split()]
    values, phases, uptake, scale = patient_of(amplitudes, half_lives)
    repair, expected = float(row["T_rep_h"]), float(row["G"])
    found = protraction_of(
        system_of(phases, uptake), values, given(), repair, observables=("organ",)
    )
    solved = g_factor(np.ones((1, 1)), found.q, found.time_integrals)
    assert float(solved[0]) == pytest.approx(expected, rel=1e-6)
    curve = exponential_terms.curve_of(
        values, "organ", "Lu-177", regions=("organ",), phases=phases, uptake=uptake
    )
    closed = g_factor_of_exponentials(curve.coefficients, curve.rates_per_h, repair)
    assert float(closed) == pytest.approx(expected, rel=1e-9)
    # And the integral is that of the table's exponentials.
    area = sum(a * t / LN2 for a, t in zip(amplitudes, half_lives, strict=True))
    assert float(exponential_terms.integrate_curve(curve)) * scale == pytest.approx(
        area
    )
    assert found.time_integrals[0, 0] / GIVEN * scale == pytest.approx(area, rel=1e-6)


@pytest.mark.reference
def test_ratios_of_yttrium_to_lutetium_are_those_of_the_table() -> None:
    compiled = {
        label: compile_integrals(system_of(1, False, label))
        for label in ("Lu-177", "Y-90")
    }
    for row in rows("y90_lu177_ratio"):
        # The table's infinite half-life is as good as a billion years.
        half_life = min(float(row["Tbio_h"]), 1e13)
        values = {"uptake_odds_organ": 0.044, "biological_half_life_organ": half_life}
        whole = {}
        for label, found in compiled.items():
            solved = found.integrate(values, given(label), 500.0, label=label)
            whole[label] = float(np.sum(np.asarray(solved.until + solved.tail)))
        expected = float(row["TIAC_ratio"])
        assert whole["Y-90"] / whole["Lu-177"] == pytest.approx(expected, rel=1e-7)
        for label, column in (("Lu-177", "Teff_Lu_h"), ("Y-90", "Teff_Y_h")):
            effective = exponential_terms.effective_half_life(half_life, label)
            assert float(effective) == pytest.approx(float(row[column]), rel=1e-9)
            if half_life < 1e13:
                back = exponential_terms.biological_half_life(effective, label)
                assert float(back) == pytest.approx(half_life, rel=1e-9)


@pytest.mark.reference
def test_one_scan_misjudges_the_integral_as_in_the_table() -> None:
    system, values = system_of(1, False), {"uptake_odds_organ": 0.044}
    values["biological_half_life_organ"] = 1.0 / (1.0 / 41.0 - 1.0 / 159.528)
    table = rows("single_scan_error")
    times = 41.0 * np.array([float(row["t_over_Teff"]) for row in table])
    seen = simulate(system, values, given(), times)
    estimated = seen.observables["organ"] * 2.0 * times / LN2
    expected = [float(row["est_over_true"]) for row in table]
    ratio = estimated / seen.time_integrals["organ"]
    np.testing.assert_allclose(ratio, expected, rtol=1e-7)


@pytest.mark.reference
@pytest.mark.parametrize(
    "row", rows("lu177_patient4_published_fit"), ids=lambda r: r["organ"]
)
def test_published_fits_of_patient_4_are_one_phase_with_uptake(
    row: dict[str, str],
) -> None:
    """A (exp(-l1 t) - exp(-l2 t)) and its integral, both as published."""
    activity, size = 7210.43, float(row["A_MBq"])
    slow, fast = float(row["lambda_washout_per_h"]), float(row["lambda_uptake_per_h"])
    fraction = size / activity * (fast - slow) / (fast - LU)
    values = {
        "uptake_odds_organ": fraction / (1.0 - fraction),
        "uptake_half_time": LN2 / (fast - LU),
        "biological_half_life_organ": LN2 / (slow - LU),
    }
    seen = simulate(system_of(1, True), values, given(), np.array([3.0, 100.0]))
    expected = size * (np.exp(-slow * seen.times_h) - np.exp(-fast * seen.times_h))
    found = seen.observables["organ"] * activity / GIVEN
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    tiac = seen.time_integrals["organ"] / GIVEN
    assert tiac == pytest.approx(float(row["TIAC_h"]), rel=1e-6)


# Each size of a linear model takes seconds to compile.
@pytest.mark.parametrize(
    ("phases", "uptake"),
    [
        *((n, False) for n in (1, 2, 3)),
        *(pytest.param(n, True, marks=pytest.mark.slow) for n in (1, 2, 3)),
    ],
)
def test_curves_are_sums_of_exponentials(phases: int, uptake: bool) -> None:
    """Shares of the dose that wash out side by side, each convolved with the uptake."""
    regions = ("organ", "other") if uptake else ("organ",)
    model = exponentials.model(regions, phases, uptake)
    system = assemble(model, given().form)
    times = np.array([0.0, 0.5, 4.0, 24.0, 100.0, 400.0])
    drawn = draw_values(exponentials.values(regions, phases, uptake), 5, seed=3)
    for n in range(5):
        values = {name: float(draws[n]) for name, draws in drawn.items()}
        total = 1.0 + sum(values[f"uptake_odds_{region}"] for region in regions)
        fraction = values["uptake_odds_organ"] / total
        half_lives = [values["biological_half_life_organ"]]
        shares = {}
        left = 1.0
        for i in range(2, phases + 1):
            half_lives.append(half_lives[-1] * values[f"half_life_ratio_organ_{i}"])
        for i in range(phases, 1, -1):
            shares[i] = left * values[f"share_organ_{i}"]
            left -= shares[i]
        shares[1] = left
        rates = [LN2 / t for t in half_lives]
        expected = np.zeros(len(times))
        for i, k in enumerate(rates, start=1):
            if uptake:
                u = LN2 / values["uptake_half_time"]
                part = u / (u - k) * (np.exp(-k * times) - np.exp(-u * times))
            else:
                part = np.exp(-k * times)
            expected += fraction * shares[i] * part * np.exp(-LU * times)
        seen = simulate(system, values, given(), times)
        np.testing.assert_allclose(
            seen.observables["organ"], GIVEN * expected, rtol=1e-6, atol=1e-9
        )
        curve = exponential_terms.curve_of(
            values, "organ", "Lu-177", regions=regions, phases=phases, uptake=uptake
        )
        terms = np.exp(-np.outer(times, curve.rates_per_h)) @ curve.coefficients
        np.testing.assert_allclose(terms, expected, rtol=1e-9, atol=1e-12)
        closed = GIVEN * float(exponential_terms.integrate_curve(curve))
        assert seen.time_integrals["organ"] == pytest.approx(closed, rel=1e-7)


def test_draws_are_integrated_together() -> None:
    drawn = draw_values(exponentials.values(), 7, seed=1)
    curve = exponential_terms.curve_of(drawn, "liver", "Y-90")
    assert curve.coefficients.shape == curve.rates_per_h.shape == (7, 3)
    one = {name: draws[4] for name, draws in drawn.items()}
    alone = exponential_terms.curve_of(one, "liver", "Y-90")
    whole = exponential_terms.integrate_curve(curve)
    assert whole[4] == pytest.approx(float(exponential_terms.integrate_curve(alone)))
    slowest = np.min(curve.rates_per_h, axis=-1)
    assert (slowest > nuclide("Y-90").decay_constant_per_h).all()


def test_what_no_region_takes_up_is_eliminated_as_fast() -> None:
    """All fractions, and what is left, are fed by one pool in proportion."""
    model = exponentials.model(("a", "b"), phases=1)
    dose = replace(given().administrations[0], ligand_nmol=1.0)
    system = assemble(model, Schedule((dose,)).form)
    values = {"uptake_odds_a": 0.5, "uptake_odds_b": 1.5, "uptake_half_time": 2.0}
    values |= {"biological_half_life_a": 1e9, "biological_half_life_b": 1e9}
    seen = simulate(system, values, Schedule((dose,)), np.array([50.0]), label="ligand")
    assert seen.observables["a"][0] == pytest.approx(0.5 / 3.0, rel=1e-6)
    assert seen.observables["b"][0] == pytest.approx(1.5 / 3.0, rel=1e-6)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ModelError, match="cannot all be filled at once"):
        exponentials.model(("a", "b"), uptake=False)
    with pytest.raises(ModelError, match="1, 2 or 3 phases; got 4"):
        exponentials.model(("a",), phases=4)
    with pytest.raises(ModelError, match="at least one region"):
        exponentials.values(())
    with pytest.raises(ModelError, match="rename the region 'pool'"):
        exponentials.model(("pool",))
    values = {"uptake_odds_a": 0.1, "uptake_half_time": 5.0}
    values["biological_half_life_a"] = 5.0
    with pytest.raises(InputError, match="are equal"):
        exponential_terms.curve_of(values, "a", "Lu-177", regions=("a",), phases=1)
    with pytest.raises(InputError, match="no region 'livr'"):
        exponential_terms.curve_of(values, "livr", "Lu-177", regions=("a",), phases=1)
    with pytest.raises(InputError, match="below the physical one"):
        exponential_terms.biological_half_life(160.0, "Lu-177")
    with pytest.raises(InputError, match="must be > 0"):
        exponential_terms.effective_half_life(0.0, "Lu-177")
