"""Burdens in BED and in cycles, limits of two kinds, and what was given before."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_tables import rows

from pkmodels.decision import (
    Burden,
    DoseLimit,
    History,
    SimulatedBurden,
    bed_burden,
    dose_burden,
    draw_histories,
    draw_history,
    fractionate,
    safe_activity,
)
from pkmodels.errors import InputError

KIDNEYS_23 = DoseLimit("kidneys", "absorbed_dose", 23.0)
KIDNEYS_BED_40 = DoseLimit("kidneys", "bed", 40.0)
ONE = np.ones(1)


@pytest.mark.reference
@pytest.mark.parametrize("row", rows("bed_g_factor"), ids=lambda row: row["case"])
def test_bed_of_a_dose_and_dose_of_a_bed_are_those_of_the_table(
    row: dict[str, str],
) -> None:
    """At 1 Gy/GBq activity and dose are one number."""
    g, alpha_beta = float(row["G"]) * ONE, float(row["alpha_beta"]) * ONE
    burden = bed_burden(KIDNEYS_BED_40, 0.0, ONE, g, alpha_beta)
    assert burden.at(23.0)[0] == pytest.approx(float(row["BED_at_23Gy"]), rel=1e-9)
    found = burden.activity_at_limit()[0]
    assert found == pytest.approx(float(row["D_at_BED40"]), rel=1e-9)


@given(
    st.integers(1, 8), st.floats(0.1, 5.0), st.floats(0.0, 1.0), st.floats(1.0, 10.0)
)
def test_cycles_add_the_bed_of_each(
    cycles: int, dose: float, g: float, alpha_beta: float
) -> None:
    """n cycles of A / n each: n d (A/n) (1 + G d (A/n) / (alpha/beta))."""
    activity = 12.0
    each = dose * activity / cycles
    expected = 5.0 + cycles * each * (1.0 + g * each / alpha_beta)
    given_at_once = (5.0, dose * ONE, g * ONE, alpha_beta * ONE)
    direct = bed_burden(KIDNEYS_BED_40, *given_at_once, cycles=cycles)
    assert direct.at(activity)[0] == pytest.approx(expected, rel=1e-12)
    # From any number of cycles to another.
    start = bed_burden(KIDNEYS_BED_40, *given_at_once, cycles=3)
    split = fractionate({"kidneys": start}, cycles)["kidneys"]
    assert split.cycles == cycles
    assert split.at(activity)[0] == pytest.approx(expected, rel=1e-12)


def test_more_cycles_allow_more_of_a_bed_and_the_same_dose() -> None:
    generator = np.random.default_rng(1)
    dose = np.exp(0.2 * generator.standard_normal(2000))
    g, alpha_beta = 0.08 + 0.0 * dose, 2.5 * np.exp(0.1 * generator.normal(size=2000))
    of_bed = {"kidneys": bed_burden(KIDNEYS_BED_40, 0.0, dose, g, alpha_beta)}
    of_dose = {"kidneys": dose_burden(KIDNEYS_23, 0.0, dose)}
    answers = [
        safe_activity(fractionate(of_bed, n), confidence=0.95) for n in (1, 2, 4)
    ]
    found = [a.activity_GBq for a in answers]
    assert found[0] < found[1] < found[2]
    assert [a.cycles for a in answers] == [1, 2, 4]
    assert answers[2].activity_per_cycle_GBq == found[2] / 4
    once, four = (
        safe_activity(fractionate(of_dose, n), confidence=0.95) for n in (1, 4)
    )
    assert once.activity_GBq == four.activity_GBq
    # With ever more cycles a BED is a dose: 40 Gy at the 95 % quantile.
    many = safe_activity(fractionate(of_bed, 100_000), confidence=0.95)
    expected = 40.0 / np.sort(dose)[1899]
    assert many.activity_GBq == pytest.approx(expected, rel=1e-4)


def test_a_simulated_burden_in_cycles_simulates_one_cycle() -> None:
    """dose_at(A) = A^2 of each: n (A / n)^2 = L at A = sqrt(n L)."""
    burden = SimulatedBurden(10.0, "absorbed_dose", np.array([1.0]), lambda a: a**2)
    for cycles in (1, 4):
        found = fractionate({"x": burden}, cycles)["x"]
        activity = math.sqrt(9.0 * cycles)
        assert found.activity_at_limit()[0] == pytest.approx(activity, rel=1e-8)
        assert found.at(activity)[0] == pytest.approx(10.0, rel=1e-12)
        assert found.at(0.0)[0] == 1.0


@given(st.floats(0.0, 39.0), st.floats(0.01, 10.0))
def test_a_bed_without_curvature_is_a_dose(received: float, dose: float) -> None:
    limit = DoseLimit("kidneys", "absorbed_dose", 40.0)
    of_dose = dose_burden(limit, received, dose * ONE)
    of_bed = bed_burden(KIDNEYS_BED_40, received, dose * ONE, 0.0 * ONE, 2.5 * ONE)
    assert of_bed.activity_at_limit()[0] == of_dose.activity_at_limit()[0]


def test_a_limit_of_one_quantity_on_another_is_refused() -> None:
    with pytest.raises(
        InputError, match="limit of kidneys is 40 Gy of BED, and the absorbed dose of"
    ):
        dose_burden(KIDNEYS_BED_40, 0.0, ONE)
    with pytest.raises(InputError, match="limit of kidneys is 23 Gy of absorbed dose"):
        bed_burden(KIDNEYS_23, 0.0, ONE, ONE, ONE)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quantity": "gray"}, "quantity is 'gray': write one of"),
        ({"limit_Gy": 0.0}, "the limit is 0.0 Gy; it must be > 0"),
        ({"limit_Gy": math.nan}, "the limit is nan Gy"),
        ({"cycles": 0}, "cycles is 0: give a whole number >= 1"),
        ({"slope": -ONE}, "slope of a burden is -1 in 1 of 1 draws; it must be >= 0"),
        ({"received": -ONE}, "received of a burden is -1"),
        ({"curvature": -ONE, "quantity": "bed"}, "curvature of a burden is -1"),
        ({"curvature": ONE}, "an absorbed dose is in proportion to the activity"),
        ({"slope": np.ones(2)}, "give one number a draw of each"),
    ],
)
def test_what_is_no_burden_is_refused(changes: dict, message: str) -> None:
    burden = Burden(23.0, 0.0 * ONE, ONE, 0.0 * ONE, "absorbed_dose")
    with pytest.raises(InputError, match=message):
        replace(burden, **changes)


def test_a_protraction_or_alpha_beta_out_of_range_is_refused() -> None:
    with pytest.raises(InputError, match=r"G is 1\.2 in 1 of 1 draws; it must be 0-1"):
        bed_burden(KIDNEYS_BED_40, 0.0, ONE, 1.2 * ONE, ONE)
    with pytest.raises(InputError, match="alpha/beta is 0 in 1 of 1 draws"):
        bed_burden(KIDNEYS_BED_40, 0.0, ONE, ONE, 0.0 * ONE)


def test_burdens_of_different_cycles_are_not_mixed() -> None:
    dose, limit = np.ones(1000), DoseLimit("liver", "absorbed_dose", 30.0)
    burdens = {
        "kidneys": bed_burden(KIDNEYS_BED_40, 0.0, dose, dose, dose, cycles=4),
        "liver": dose_burden(limit, 0.0, dose),
    }
    with pytest.raises(InputError, match=r"cycles \(kidneys 4, liver 1\): write frac"):
        safe_activity(burdens, confidence=0.95)
    assert safe_activity(fractionate(burdens, 4), confidence=0.95).cycles == 4


def test_limits_of_different_numbers_of_draws_are_refused() -> None:
    burdens = {
        "kidneys": dose_burden(KIDNEYS_23, 0.0, np.ones(1000)),
        "liver": dose_burden(KIDNEYS_23, 0.0, np.ones(999)),
    }
    with pytest.raises(InputError, match=r"draws \(kidneys 1000, liver 999\)"):
        safe_activity(burdens, confidence=0.9)


def test_a_draw_that_never_reaches_one_of_two_limits_is_refused() -> None:
    """Its other limit would hide it."""
    dose = np.ones(1000)
    none = np.where(np.arange(1000) == 7, 0.0, dose)
    burdens = {
        "kidneys": dose_burden(KIDNEYS_23, 0.0, dose),
        "liver": dose_burden(KIDNEYS_23, 0.0, none),
    }
    with pytest.raises(InputError, match="1 of 1000 draws give no activity"):
        safe_activity(burdens, confidence=0.9)


@pytest.mark.parametrize(("mean", "sd"), [(12.0, 3.0), (5.0, 5.0), (20.0, 0.2)])
def test_draws_of_a_history_have_the_stated_mean_and_sd(mean: float, sd: float) -> None:
    history = History("kidneys", "absorbed_dose", mean, sd, "report")
    draws = draw_history(history, 400_000, np.random.default_rng(3))
    assert draws.min() > 0.0
    assert draws.mean() == pytest.approx(mean, abs=4.0 * sd / math.sqrt(400_000))
    assert draws.std() == pytest.approx(sd, rel=0.03)
    # Log-normal: its median is mean / sqrt(1 + cv^2).
    expected = mean / math.sqrt(1.0 + (sd / mean) ** 2)
    assert np.median(draws) == pytest.approx(expected, rel=0.01)


def test_histories_of_a_target_add_and_lower_the_safe_activity() -> None:
    histories = [
        History("kidneys", "absorbed_dose", 4.0, 0.5, "first"),
        History("kidneys", "absorbed_dose", 6.0, 1.0, "second"),
    ]
    limits = (KIDNEYS_23, DoseLimit("liver", "absorbed_dose", 30.0))
    generator = np.random.default_rng(4)
    before = draw_histories(histories, limits, 50_000, generator)
    assert before["kidneys"].mean() == pytest.approx(10.0, abs=0.03)
    assert before["kidneys"].std() == pytest.approx(math.hypot(0.5, 1.0), rel=0.03)
    assert not before["liver"].any()
    dose = np.ones(50_000)
    found = safe_activity(
        {"kidneys": dose_burden(KIDNEYS_23, before["kidneys"], dose)}, confidence=0.95
    )
    # 23 Gy less the 95 % quantile of what was received.
    assert found.activity_GBq == pytest.approx(
        23.0 - np.quantile(before["kidneys"], 0.95), rel=1e-4
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sd_Gy": None}, r"\[\[history\]\] of kidneys: 12 Gy .* state sd_Gy"),
        ({"sd_Gy": 0.0}, "sd_Gy is 0.0; it must be > 0"),
        ({"sd_Gy": math.nan}, "sd_Gy is nan"),
        ({"value_Gy": -1.0}, "value_Gy is -1.0; it must be > 0"),
        ({"quantity": "Gy"}, "quantity is 'Gy': write one of"),
        ({"source": " "}, "source is empty: say where"),
    ],
)
def test_a_history_without_uncertainty_or_source_is_refused(
    changes: dict, message: str
) -> None:
    stated = History("kidneys", "absorbed_dose", 12.0, 3.0, "report of 2021")
    with pytest.raises(InputError, match=message):
        replace(stated, **changes)


def test_a_history_counts_only_against_a_limit_of_its_quantity() -> None:
    generator = np.random.default_rng(0)
    of_dose = History("kidneys", "absorbed_dose", 12.0, 3.0, "report")
    with pytest.raises(InputError, match=r"40 Gy of BED, and the \[\[history\]\] of"):
        draw_histories([of_dose], [KIDNEYS_BED_40], 10, generator)
    of_bed = History("kidneys", "bed", 12.0, 3.0, "report")
    with pytest.raises(InputError, match=r"\(report\) is Gy of BED"):
        draw_histories([of_bed], [KIDNEYS_23], 10, generator)
    # One that counts against nothing is not lost in silence.
    liver = History("livre", "absorbed_dose", 5.0, 1.0, "report")
    with pytest.raises(InputError, match="of livre counts against no limit: known: k"):
        draw_histories([liver], [KIDNEYS_23], 10, generator)
    found = draw_histories([liver], [KIDNEYS_23], 10, generator, waived=("livre",))
    assert list(found) == ["kidneys"]
    assert not found["kidneys"].any()
