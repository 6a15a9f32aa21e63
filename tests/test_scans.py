"""Trapezoids and single scans against closed forms, and the decay convention."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_tables import rows
from scipy.integrate import quad

from pkmodels.dosimetry.scans import (
    Scans,
    exchange_label,
    hold_at_physical,
    scans_of_arrays,
    scans_of_measurements,
    undo_decay_correction,
)
from pkmodels.dosimetry.single_scan import (
    draw_population,
    integrate_haenscheid,
    integrate_known_rate,
    integrate_population,
    known_rate_error,
    single_scan_error,
)
from pkmodels.dosimetry.trapezoids import Start, Tail, integrate_trapezoids
from pkmodels.errors import InputError
from pkmodels.measurements import Measurement, Quantity, decay_correction_factor
from pkmodels.values import Certainty, half_normal, log_normal

LU177 = math.log(2.0) / 159.528  # ICRP 107
Y90 = math.log(2.0) / 64.10  # ICRP 107
KIDNEYS = log_normal(40.0, 0.24, "h", "Haenscheid 2022", Certainty.DERIVED)


def one_washout(rate, times, activity=100.0, label="Lu-177"):
    activities = tuple(activity * math.exp(-rate * t) for t in times)
    return Scans("kidney", label, tuple(times), activities)


def measured(value=70.0, corrected_to=None, start=24.0, end=24.0, **changes):
    one = Measurement(
        "kidney",
        "Lu-177",
        "SPECT",
        start,
        end,
        value,
        Quantity.ACTIVITY,
        None,
        corrected_to,
        "line 2",
    )
    return replace(one, **changes)


def test_decay_corrected_scans_are_refused():
    with pytest.raises(InputError, match=r"line 2: kidney is decay-corrected to 0 h.*"):
        scans_of_measurements([measured(corrected_to=0.0)])
    with pytest.raises(InputError, match=r"decay-corrected to 24 h.*undo_decay_corr"):
        scans_of_arrays("kidney", "Lu-177", [24.0], [70.0], decay_corrected_to_h=24.0)


def test_a_correction_is_undone_whatever_time_each_scan_is_corrected_to():
    """One to injection, one to its own start over a frame, one not at all."""
    physical = {4.0: 95.0, 24.0: 70.0, 72.0: 35.0}
    to_injection = 95.0 * math.exp(LU177 * 4.0)
    frame = LU177 * 1.0 / (1.0 - math.exp(-LU177 * 1.0))
    scans = scans_of_measurements(
        undo_decay_correction(
            [
                measured(35.0, start=72.0, end=72.0),
                measured(70.0 * frame, corrected_to=23.5, start=23.5, end=24.5),
                measured(to_injection, corrected_to=0.0, start=4.0, end=4.0),
            ]
        )
    )
    assert scans.times_h == tuple(physical)
    np.testing.assert_allclose(scans.activities_MBq, list(physical.values()))
    factor = decay_correction_factor(23.5, 24.5, 23.5, LU177)
    assert factor == pytest.approx(frame)


def test_taking_a_corrected_curve_for_a_physical_one_would_add_39_percent():
    """Why the convention is enforced: T_eff 45 h, corrected to injection."""
    times = (24.0, 72.0, 120.0)
    physical = one_washout(math.log(2.0) / 45.0, times)
    corrected = one_washout(math.log(2.0) / 45.0 - LU177, times)
    wrong, right = (
        integrate_trapezoids(
            scans, start=Start.BACK_EXTRAPOLATED, tail=Tail.LAST_TWO
        ).MBq_h
        for scans in (corrected, physical)
    )
    assert wrong / right == pytest.approx(1.0 / (1.0 - 45.0 / 159.528), rel=1e-9)


@pytest.mark.parametrize(
    ("measurements", "text"),
    [
        ([], "no measurement is given"),
        ([measured(), measured(region="liver")], "one region and label at a time"),
        ([measured(), measured(label="Y-90")], "Lu-177 in kidney, Y-90 in kidney"),
        ([measured(quantity=Quantity.CONCENTRATION)], "multiply it by the region's"),
        ([measured(end=84.0)], r"lasts 60 h, more than 0\.3 half-lives of Lu-177"),
        ([measured(), measured()], r"must increase.*average scans of the same time"),
        ([measured(value=-1.0)], r"activity, MBq, is -1\.0"),
        ([measured(value=math.nan)], "must be finite"),
    ],
)
def test_what_is_no_series_of_scans_is_refused(measurements, text):
    with pytest.raises(InputError, match=text):
        scans_of_measurements(measurements)


def test_times_and_activities_go_together():
    with pytest.raises(InputError, match="2 times and 1 activities"):
        Scans("kidney", "Lu-177", (1.0, 2.0), (1.0,))


@pytest.mark.parametrize("rate", [0.006, 0.015, 0.05])
def test_scans_of_another_label_integrate_as_its_own_curve(rate):
    """k = l - lambda_Lu; TIA_Y = A / (k + lambda_Y)."""
    scans = exchange_label(one_washout(rate, (0.0, 24.0, 96.0)), "Y-90")
    result = integrate_trapezoids(scans, start=Start.ZERO, tail=Tail.LAST_TWO)
    assert result.label == "Y-90"
    assert result.MBq_h == pytest.approx(100.0 / (rate - LU177 + Y90), rel=1e-9)


@given(st.floats(-0.01, 0.1))
def test_no_effective_half_life_is_longer_than_the_physical_one(fitted):
    rate, warnings = hold_at_physical(fitted, "Lu-177")
    assert math.log(2.0) / rate <= 159.528 * (1.0 + 1e-12)
    assert bool(warnings) == (fitted < LU177)
    assert rate == fitted or warnings


@given(
    st.floats(0.0044, 0.2),
    st.lists(st.floats(1.0, 60.0), min_size=3, max_size=6),
    st.sampled_from([Tail.LAST_TWO, Tail.LAST_THREE]),
)
def test_one_washout_is_exact_at_any_spacing(rate, gaps, tail):
    scans = one_washout(rate, np.cumsum(gaps).tolist())
    result = integrate_trapezoids(scans, start=Start.BACK_EXTRAPOLATED, tail=tail)
    assert result.MBq_h == pytest.approx(100.0 / rate, rel=1e-8)
    assert result.beyond_last_scan == pytest.approx(
        math.exp(-rate * scans.times_h[-1]), rel=1e-6
    )
    assert result.terminal_rate_per_h == pytest.approx(rate, rel=1e-6)
    assert result.warnings == ()


def test_dense_scans_integrate_a_curve_with_uptake():
    """A (1/l1 - 1/l2), rising linearly and falling logarithmically."""
    times = np.concatenate([[0.0], np.geomspace(0.05, 500.0, 2000)])
    activities = 100.0 * (np.exp(-0.015 * times) - np.exp(-0.3 * times))
    scans = Scans("kidney", "Lu-177", tuple(times), tuple(activities))
    result = integrate_trapezoids(scans, start=Start.ZERO, tail=Tail.LAST_THREE)
    assert result.MBq_h == pytest.approx(100.0 / 0.015 - 100.0 / 0.3, rel=1e-5)


def test_linear_up_and_logarithmic_down_by_hand():
    """Triangle 0.5*10*40, flat-to-rise 0.5*10*(40+80), then 60/ln 4 * 20, tail 20/k."""
    scans = Scans("kidney", "Lu-177", (10.0, 20.0, 40.0), (40.0, 80.0, 20.0))
    result = integrate_trapezoids(scans, start=Start.ZERO, tail=Tail.LAST_TWO)
    rate = math.log(4.0) / 20.0
    expected = 200.0 + 600.0 + 60.0 / math.log(4.0) * 20.0 + 20.0 / rate
    assert result.MBq_h == pytest.approx(expected, rel=1e-12)
    assert result.beyond_last_scan == pytest.approx(20.0 / rate / expected, rel=1e-12)


def test_each_start_is_what_it_says():
    scans = one_washout(0.02, (24.0, 72.0))
    first, rest = scans.activities_MBq[0], scans.activities_MBq[0] / 0.02
    areas = {
        start: integrate_trapezoids(scans, start=start, tail=Tail.LAST_TWO).MBq_h - rest
        for start in Start
    }
    assert areas[Start.ZERO] == pytest.approx(12.0 * first)
    assert areas[Start.FIRST_VALUE] == pytest.approx(24.0 * first)
    assert areas[Start.BACK_EXTRAPOLATED] == pytest.approx((100.0 - first) / 0.02)


def test_the_tail_through_three_scans_is_their_regression_line():
    scans = Scans(
        "kidney", "Lu-177", (4.0, 24.0, 72.0, 120.0), (90.0, 70.0, 35.0, 16.0)
    )
    result = integrate_trapezoids(scans, start=Start.ZERO, tail=Tail.LAST_THREE)
    slope = np.polyfit([24.0, 72.0, 120.0], np.log([70.0, 35.0, 16.0]), 1)[0]
    assert result.terminal_rate_per_h == pytest.approx(-slope, rel=1e-12)


def test_a_tail_slower_than_decay_is_held_there_and_said():
    scans = Scans("liver", "Lu-177", (24.0, 72.0, 120.0), (100.0, 98.0, 95.0))
    held = integrate_trapezoids(scans, start=Start.ZERO, tail=Tail.LAST_THREE)
    bound = integrate_trapezoids(scans, start=Start.ZERO, tail=Tail.PHYSICAL)
    assert held.terminal_rate_per_h == pytest.approx(LU177)
    assert held.MBq_h == pytest.approx(bound.MBq_h)
    assert "below physical decay of Lu-177" in held.warnings[0]
    assert bound.warnings == ()


def test_physical_decay_bounds_every_fitted_tail():
    for rate in (0.005, 0.015, 0.1):
        scans = one_washout(rate, (4.0, 24.0, 72.0))
        fitted, bound = (
            integrate_trapezoids(scans, start=Start.ZERO, tail=tail)
            for tail in (Tail.LAST_TWO, Tail.PHYSICAL)
        )
        assert fitted.MBq_h < bound.MBq_h
        assert fitted.beyond_last_scan is not None
        assert bound.beyond_last_scan is not None
        assert fitted.beyond_last_scan < bound.beyond_last_scan


def test_an_activity_that_still_rises_is_said():
    scans = Scans("tumour", "Lu-177", (4.0, 24.0), (50.0, 60.0))
    for tail in (Tail.LAST_TWO, Tail.PHYSICAL):
        result = integrate_trapezoids(scans, start=Start.ZERO, tail=tail)
        assert "do not show the activity falling" in result.warnings[-1]


@pytest.mark.parametrize(
    ("activities", "start", "tail", "text"),
    [
        ((50.0, 60.0), Start.BACK_EXTRAPOLATED, Tail.PHYSICAL, "rises from 50 to 60"),
        ((60.0,), Start.BACK_EXTRAPOLATED, Tail.PHYSICAL, "needs two scans"),
        ((60.0, 50.0), Start.ZERO, Tail.LAST_THREE, "needs 3 scans, 2 given"),
        ((60.0, 0.0), Start.ZERO, Tail.LAST_TWO, "has no logarithm"),
        ((0.0, 0.0), Start.ZERO, Tail.PHYSICAL, "every activity is 0"),
    ],
)
def test_trapezoids_that_mean_nothing_are_refused(activities, start, tail, text):
    times = (4.0, 24.0, 72.0)[: len(activities)]
    with pytest.raises(InputError, match=text):
        integrate_trapezoids(
            Scans("kidney", "Lu-177", times, activities), start=start, tail=tail
        )


@pytest.mark.reference
@pytest.mark.parametrize("row", rows("lu177_patient4_published_fit"))
def test_trapezoids_of_patient_4_agree_with_the_published_fit(row):
    """Another method on the same scans: within 5 %, and the bound lies above."""
    found = [r for r in rows("lu177_patient4_scans") if r["organ"] == row["organ"]]
    times, activities = (
        [float(r[name]) for r in found] for name in ("time_h", "activity_MBq")
    )
    scans = scans_of_arrays(
        row["organ"], "Lu-177", times, activities, decay_corrected_to_h=None
    )
    published = float(row["TIA_MBq_h"])
    result = integrate_trapezoids(scans, start=Start.ZERO, tail=Tail.LAST_THREE)
    assert result.MBq_h == pytest.approx(published, rel=0.05)
    bound = integrate_trapezoids(scans, start=Start.FIRST_VALUE, tail=Tail.PHYSICAL)
    assert bound.MBq_h > published


@pytest.mark.reference
@pytest.mark.parametrize("row", rows("single_scan_error"))
def test_single_scan_error_is_that_of_the_table(row):
    x, expected = float(row["t_over_Teff"]), float(row["est_over_true"])
    assert single_scan_error(x) == pytest.approx(expected, rel=1e-9)
    # And it is the error that the method makes on such a curve, integrated by scipy.
    half_life = 41.0
    rate = math.log(2.0) / half_life
    scan = one_washout(rate, (x * half_life,))
    truth = quad(lambda t: 100.0 * math.exp(-rate * t), 0.0, math.inf)[0]
    made = integrate_haenscheid(scan).MBq_h / truth
    assert made == pytest.approx(expected, rel=1e-9)


def test_haenscheid_is_within_ten_percent_where_it_says():
    x = np.linspace(0.764, 2.437, 1001)
    assert np.all(np.abs(single_scan_error(x) - 1.0) < 0.1003)
    assert abs(single_scan_error(0.75) - 1.0) > 0.1
    assert abs(single_scan_error(2.45) - 1.0) > 0.1


@given(st.floats(5.0, 159.0), st.floats(1.0, 300.0))
def test_a_known_rate_is_exact_for_its_curve(half_life, time):
    rate = math.log(2.0) / half_life
    result = integrate_known_rate(one_washout(rate, (time,)), rate)
    assert result.MBq_h == pytest.approx(100.0 / rate, rel=1e-9)
    assert result.beyond_last_scan == pytest.approx(math.exp(-rate * time), rel=1e-12)


@given(st.floats(20.0, 150.0), st.floats(20.0, 150.0), st.floats(1.0, 200.0))
def test_the_error_of_a_wrong_rate_is_the_one_made(assumed, true, time):
    scan = one_washout(math.log(2.0) / true, (time,))
    made = integrate_known_rate(scan, math.log(2.0) / assumed).MBq_h
    truth = 100.0 * true / math.log(2.0)
    assert known_rate_error(time, assumed, true) == pytest.approx(
        made / truth, rel=1e-9
    )


def test_population_half_lives_give_the_spread_that_simulation_gives():
    scan = Scans("kidney", "Lu-177", (48.0,), (25.0,))
    generator = np.random.default_rng(11)
    half_lives = 40.0 * np.exp(0.24 * generator.standard_normal(400_000))
    half_lives = half_lives[half_lives < 159.528]
    integrals = 25.0 * 2.0 ** (48.0 / half_lives) * half_lives / math.log(2.0)
    summary = integrate_population(scan, KIDNEYS)
    assert summary.median_MBq_h == pytest.approx(np.median(integrals), rel=1e-3)
    assert summary.log_sd == pytest.approx(np.log(integrals).std(), rel=0.01)
    draws = draw_population(scan, KIDNEYS, 50_000, np.random.default_rng(4))
    assert np.median(draws) == pytest.approx(summary.median_MBq_h, rel=5e-3)
    assert np.log(draws).std() == pytest.approx(summary.log_sd, rel=0.03)


def test_no_half_life_of_a_population_is_longer_than_the_physical_one():
    """Liver: median 109 h. Without the cut a fifth of the draws would be impossible."""
    liver = log_normal(109.0, 0.5, "h", "made up", Certainty.JUDGEMENT)
    scan = Scans("liver", "Lu-177", (1.0,), (100.0,))
    draws = draw_population(scan, liver, 20_000, np.random.default_rng(2))
    assert draws.max() < 100.0 * 2.0 ** (1.0 / 159.528) * 159.528 / math.log(2.0)
    assert integrate_population(scan, liver).impossible == pytest.approx(
        0.223, abs=0.001
    )


def test_the_best_time_of_a_scan_is_where_the_integral_turns():
    """d TIA / dT = 0 at t = T / ln 2: there a population's spread costs least."""
    spread = {
        time: integrate_population(
            Scans("k", "Lu-177", (time,), (1.0,)), KIDNEYS
        ).log_sd
        for time in (4.0, 24.0, 40.0 / math.log(2.0), 120.0)
    }
    assert min(spread, key=spread.__getitem__) == 40.0 / math.log(2.0)
    assert spread[4.0] == pytest.approx(0.24, rel=0.1)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: integrate_haenscheid(one_washout(0.02, (1.0, 2.0))), "2 scans are"),
        (lambda: integrate_haenscheid(one_washout(0.02, (0.0,))), "the scan is at 0 h"),
        (
            lambda: integrate_known_rate(one_washout(0.02, (24.0,)), 0.004),
            "washout plus decay, not washout alone",
        ),
        (
            lambda: integrate_population(
                one_washout(0.02, (24.0,)),
                half_normal(40.0, "h", "x", Certainty.JUDGEMENT),
            ),
            "give a log-normal in h",
        ),
        (
            lambda: integrate_population(
                one_washout(0.02, (24.0,)),
                log_normal(400.0, 0.3, "h", "biological", Certainty.JUDGEMENT),
            ),
            "are longer than the physical one",
        ),
        (
            lambda: integrate_population(
                Scans("kidney", "Lu-177", (24.0,), (0.0,)), KIDNEYS
            ),
            "nothing to scale",
        ),
    ],
)
def test_a_single_scan_that_means_nothing_is_refused(call, text):
    with pytest.raises(InputError, match=text):
        call()
