"""Regret of the point estimate, labels side by side, and cautions."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from pkmodels.decision import (
    AnyBurden,
    DoseLimit,
    SimulatedBurden,
    activity_grid,
    bed_burden,
    cautions_of,
    compare,
    dose_burden,
    point_estimate,
    probability_curve,
    safe_activity,
)
from pkmodels.errors import InputError
from pkmodels.nuclides import nuclide

N = 20_000
SCORES = norm.ppf((np.arange(N) + 0.5) / N)
KIDNEYS = DoseLimit("kidneys", "absorbed_dose", 23.0)
LIVER = DoseLimit("liver", "absorbed_dose", 30.0)


def shuffled(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(SCORES)


def test_the_median_dose_is_exceeded_in_half_of_the_draws() -> None:
    """D = L exp(s z) at L / median, and E(D - L | D > L) = L (2 e^(s^2/2) Phi(s) - 1).

    A* lies below it by exp(-s z_0.95).
    """
    sd = 0.3
    burdens: dict[str, AnyBurden] = {
        "kidneys": dose_burden(KIDNEYS, 0.0, 1.25 * np.exp(sd * SCORES))
    }
    answer = safe_activity(burdens, confidence=0.95)
    found = point_estimate(burdens, answer)
    assert found.activity_GBq == pytest.approx(23.0 / 1.25, rel=1e-6)
    assert found.setting_limit == "kidneys"
    assert found.probability_any_above == pytest.approx(0.5, abs=1e-3)
    kidneys = found.per_limit["kidneys"]
    assert kidneys.probability_above == found.probability_any_above
    excess = 23.0 * (2.0 * math.exp(sd**2 / 2.0) * float(norm.cdf(sd)) - 1.0)
    assert kidneys.expected_Gy == pytest.approx(excess, rel=2e-3)
    share = math.exp(-sd * float(norm.ppf(0.95)))
    assert found.safe_share == pytest.approx(share, rel=1e-3)


def test_the_mean_dose_is_exceeded_less_often() -> None:
    """L / (median e^(s^2/2)), exceeded with the probability Phi(-s / 2)."""
    sd = 0.4
    burdens = {"kidneys": dose_burden(KIDNEYS, 0.0, np.exp(sd * SCORES))}
    answer = safe_activity(burdens, confidence=0.95)
    found = point_estimate(burdens, answer, statistic="mean")
    assert found.activity_GBq == pytest.approx(23.0 / math.exp(sd**2 / 2), rel=1e-3)
    expected = float(norm.cdf(-sd / 2.0))
    assert found.probability_any_above == pytest.approx(expected, abs=1e-3)
    with pytest.raises(InputError, match="statistic is 'mode': write one of median"):
        point_estimate(burdens, answer, statistic="mode")  # pyright: ignore[reportArgumentType]


def test_the_limit_that_the_median_reaches_first_sets_it_and_others_count() -> None:
    """Independent kidneys and liver at 1 - (1 - 0.5) (1 - p)."""
    burdens = {
        "kidneys": dose_burden(KIDNEYS, 3.0, 2.0 * np.exp(0.2 * SCORES)),
        "liver": dose_burden(LIVER, 0.0, 2.0 * np.exp(0.5 * shuffled(1))),
    }
    answer = safe_activity(burdens, confidence=0.95)
    found = point_estimate(burdens, answer)
    assert found.setting_limit == "kidneys"
    assert found.activity_GBq == pytest.approx(10.0, rel=1e-6)
    above = 1.0 - float(norm.cdf(math.log(30.0 / 20.0) / 0.5))
    assert found.per_limit["liver"].probability_above == pytest.approx(above, abs=2e-3)
    either = 1.0 - 0.5 * (1.0 - above)
    assert found.probability_any_above == pytest.approx(either, abs=5e-3)
    far = {**burdens, "liver": dose_burden(LIVER, 0.0, np.full(N, 1e-3))}
    outcome = point_estimate(far, answer).per_limit["liver"]
    assert (outcome.probability_above, outcome.expected_Gy) == (0.0, None)


def test_a_simulated_burden_has_the_point_estimate_of_its_closed_form() -> None:
    dose, g = np.exp(0.3 * SCORES), np.full(N, 0.08)
    limit = DoseLimit("kidneys", "bed", 40.0)
    closed = bed_burden(limit, 1.0, dose, g, np.full(N, 2.5))
    simulated = SimulatedBurden(
        40.0,
        "bed",
        np.ones(N),
        lambda a: dose * a * (1.0 + 0.08 * dose * a / 2.5),
    )
    answer = safe_activity({"kidneys": closed}, confidence=0.95)
    one, other = (
        point_estimate({"kidneys": burden}, answer) for burden in (closed, simulated)
    )
    assert other.activity_GBq == pytest.approx(one.activity_GBq, rel=1e-6)
    assert other.probability_any_above == pytest.approx(0.5, abs=1e-3)


def test_nothing_is_left_where_the_median_was_received_already() -> None:
    burdens = {"kidneys": dose_burden(KIDNEYS, 24.0, np.ones(N))}
    answer = safe_activity(burdens, confidence=0.95)
    found = point_estimate(burdens, answer)
    assert (found.activity_GBq, found.safe_share) == (0.0, None)
    assert found.per_limit["kidneys"].expected_Gy == pytest.approx(1.0)


def test_labels_at_their_own_safe_activities_have_the_closed_form() -> None:
    """Log-normal doses: the kidney's of both labels share a part, so do the tumour's.

    With a_X = 23 / q95(kidney), ln(T_1 a_1) - ln(T_2 a_2) is normal.
    """
    kidney, tumour, own = shuffled(1), shuffled(2), shuffled(3)
    burdens = {
        "Lu-177": {"kidneys": dose_burden(KIDNEYS, 0.0, 0.9 * np.exp(0.3 * kidney))},
        "Y-90": {"kidneys": dose_burden(KIDNEYS, 0.0, 3.75 * np.exp(0.4 * kidney))},
    }
    tumours = {
        "Lu-177": 3.0 * np.exp(0.3 * tumour),
        "Y-90": 14.0 * np.exp(0.2 * tumour + 0.25 * own),
    }
    decisions = {
        label: safe_activity(some, confidence=0.95) for label, some in burdens.items()
    }
    found = compare(decisions, burdens, tumours)
    z = float(norm.ppf(0.95))
    lu, y = 23.0 / 0.9 * math.exp(-0.3 * z), 23.0 / 3.75 * math.exp(-0.4 * z)
    assert found.per_label["Lu-177"].activity_GBq == pytest.approx(lu, rel=1e-3)
    expected = 3.0 * lu * math.exp(0.3**2 / 2.0)
    of_lu = found.per_label["Lu-177"]
    assert of_lu.expected_tumour_dose_Gy == pytest.approx(expected, rel=2e-3)
    ratio = (math.log(14.0 * y) - math.log(3.0 * lu)) / math.hypot(0.1, 0.25)
    more = found.probability_more["Y-90", "Lu-177"]
    assert more == pytest.approx(float(norm.cdf(ratio)), abs=0.01)
    assert found.probability_more["Lu-177", "Y-90"] == pytest.approx(1.0 - more)
    # The ratio of absorbed doses per draw does not know the activity.
    assert of_lu.tumour_to_organ is not None
    np.testing.assert_allclose(
        of_lu.tumour_to_organ, 3.0 / 0.9 * np.exp(0.3 * tumour - 0.3 * kidney)
    )
    assert found.missing == ()


def test_a_missing_tumour_and_other_gaps_are_stated() -> None:
    one = np.ones(N)
    of_dose = {"kidneys": dose_burden(KIDNEYS, 0.0, one)}
    over = {"kidneys": dose_burden(KIDNEYS, 24.0, one)}
    of_bed = {"kidneys": SimulatedBurden(40.0, "bed", 0.0 * one, lambda a: a)}
    burdens = {"Lu-177": of_dose, "Y-90": of_bed, "Tb-161": over}
    decisions = {
        label: safe_activity(some, confidence=0.95) for label, some in burdens.items()
    }
    found = compare(decisions, burdens, {"Y-90": one, "Tb-161": lambda a: 2.0 * a})
    assert found.per_label["Lu-177"].tumour_dose_Gy is None
    assert found.per_label["Y-90"].tumour_to_organ is None
    assert found.per_label["Tb-161"].expected_tumour_dose_Gy == 0.0
    assert set(found.probability_more) == {("Y-90", "Tb-161"), ("Tb-161", "Y-90")}
    text = "\n".join(found.missing)
    assert "Lu-177: no dose of a tumour is known" in text
    assert "Y-90: the limit of kidneys is simulated as BED" in text
    assert "Tb-161: no activity is safe" in text
    with pytest.raises(InputError, match="the tumour's dose of Y-90 7"):
        compare(decisions, burdens, {"Y-90": np.ones(7)})
    with pytest.raises(InputError, match="Y-90 was decided on 'kidneys', of which no"):
        compare(decisions, burdens | {"Y-90": {}}, {})


def test_cautions_name_their_numbers() -> None:
    assert cautions_of("Y-90", 8.0, 186.0) == ()
    assert cautions_of("Lu-177", 30.0, None) == ()
    both = cautions_of("Y-90", 9.0, 4.42)
    assert [c.name for c in both] == ["above_usually_prepared", "above_carrier_free"]
    assert "9.00 GBq of Y-90" in both[0].text
    assert "up to 8 GBq" in both[0].text
    # domain.md 2.4: 8 GBq of Y-90 carrier-free are 4.42 nmol.
    highest = nuclide("Y-90").carrier_free_MBq_per_nmol * 4.42 / 1000.0
    assert highest == pytest.approx(8.0, rel=1e-3)
    assert "more than 4.42 nmol of ligand can carry: 8 GBq" in both[1].text
    assert [c.name for c in cautions_of("Lu-177", 7.4, 10.0)] == ["above_carrier_free"]


def test_cycles_and_what_was_received_are_in_a_comparison() -> None:
    """Per cycle of a: tumour a^1.2, kidney a^0.9 besides the 4 Gy received."""
    one = np.ones(N)
    kidney = SimulatedBurden(23.0, "absorbed_dose", 4.0 * one, lambda a: a**0.9, 2)
    burdens = {"Y-90": {"kidneys": kidney}}
    decisions = {"Y-90": safe_activity(burdens["Y-90"], confidence=0.95)}
    found = compare(decisions, burdens, {"Y-90": lambda a: a**1.2}).per_label["Y-90"]
    each = (19.0 / 2.0) ** (1.0 / 0.9)
    assert found.activity_GBq == pytest.approx(2.0 * each, rel=1e-6)
    assert found.expected_tumour_dose_Gy == pytest.approx(2.0 * each**1.2, rel=1e-6)
    assert found.tumour_to_organ is not None
    ratio = 2.0 * each**1.2 / 19.0
    np.testing.assert_allclose(found.tumour_to_organ, ratio, rtol=1e-6)


def test_what_is_simulated_is_solved_once() -> None:
    asked = []

    def dose_at(activity: np.ndarray) -> np.ndarray:
        asked.append(activity)
        return activity * np.exp(0.3 * SCORES)

    burdens = {"kidneys": SimulatedBurden(23.0, "absorbed_dose", np.zeros(N), dose_at)}
    answer = safe_activity(burdens, confidence=0.95)
    count = len(asked)
    probability_curve(burdens, activity_grid(answer))
    safe_activity(burdens, confidence=0.9)
    assert len(asked) == count
