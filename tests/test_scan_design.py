"""Which scans: against closed forms, known optimal times and finite differences."""

import shutil
from dataclasses import replace
from math import erfc
from pathlib import Path

import numpy as np
import pytest
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq

from pkmodels.clinic.another_scan import ScanValue, _valued, describe_scans
from pkmodels.clinic.command_line import main
from pkmodels.design import worked_example
from pkmodels.design.another_scan import (
    AnotherScan,
    log_sd_with_another,
    value_another_scan,
)
from pkmodels.design.criteria import criterion_over_times
from pkmodels.design.curves import tabulate_curves
from pkmodels.design.questions import Question
from pkmodels.design.scans import Calendar, Modality, Scan, allowed_times
from pkmodels.design.search import choose_scans, judge
from pkmodels.design.unknowns import quantity_slopes, unknowns_of
from pkmodels.design.variances import variances_after, variances_with_one_more
from pkmodels.errors import InputError
from pkmodels.exact import Doses
from pkmodels.fitting import worked_example as fitted_example
from pkmodels.fitting.checks import Checks
from pkmodels.fitting.fit import Fit
from pkmodels.fitting.observations import arrange
from pkmodels.fitting.sampling import Draws
from pkmodels.schedule import Schedule
from pkmodels.values import Certainty, PriorSet, half_normal, log_normal

HALF_LIFE_H = 60.0
# 177Lu, ICRP 107: 6.647 d.
DECAY_PER_H = np.log(2.0) / (6.647 * 24.0)
TOTAL_PER_H = np.log(2.0) / HALF_LIFE_H + DECAY_PER_H
SPECT, PLANAR = "SPECT", "planar"
PATIENT = Path(__file__).parents[1] / "studies" / "lu177_patient4"


@pytest.fixture(scope="module")
def question() -> Question:
    return worked_example.question()


def slope(times_h: np.ndarray) -> np.ndarray:
    """d ln e / d ln T of e = exp(-t ln 2 / T): typed anew."""
    return times_h * np.log(2.0) / HALF_LIFE_H


def with_kinds(question: Question, *kinds: Modality) -> Question:
    return replace(question, modalities=kinds)


def test_the_variance_is_that_of_normal_variables_given_correlated_values(question):
    """Truth: conditioning the joint normal of ln T and of values of one calibration."""
    spect = Modality(SPECT, ("organ",), 0.1, 0.2, per_region=False)
    planar = Modality(PLANAR, ("organ",), 0.05, 3.0, per_region=True)
    asked = with_kinds(question, spect, planar)
    scans = [Scan(t, SPECT) for t in (4.0, 70.0)]
    scans += [Scan(t, PLANAR) for t in (24.0, 96.0, 150.0)]
    times = np.array([s.time_h for s in scans])
    of_spect = np.array([s.modality == SPECT for s in scans])
    same = np.equal.outer(of_spect, of_spect)
    shared = np.where(np.outer(of_spect, of_spect), 0.2**2, 3.0**2) * same
    own = np.diag(np.where(of_spect, 0.1, 0.05) ** 2)
    covariance = np.outer(slope(times), slope(times)) + shared + own  # prior sd is 1
    expected = 1.0 - slope(times) @ np.linalg.solve(covariance, slope(times))
    assert variances_after(asked, scans)[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("per_region", [True, False])
def test_regions_share_a_calibration_or_have_their_own(question, per_region):
    """Truth: the joint normal of two regions, ln e = -t ln 2 / T and twice that."""
    knots = question.curves.knots
    times = np.exp(knots)
    both = np.stack([slope(times), 2.0 * slope(times)], axis=-1)[:, None]
    curves = replace(
        question.curves,
        regions=("one", "other"),
        log_expected=CubicSpline(knots, -both).c,
        slopes=CubicSpline(knots, both[..., None]).c,
    )
    kind = Modality(SPECT, ("one", "other"), 0.1, 0.3, per_region=per_region)
    asked = replace(question, curves=curves, modalities=(kind,))
    found = variances_after(asked, [Scan(30.0, SPECT), Scan(80.0, SPECT)])[0]
    seen = np.concatenate([slope(np.array([30.0, 80.0])) * k for k in (1.0, 2.0)])
    region = np.array([0, 0, 1, 1])
    same = np.equal.outer(region, region) if per_region else np.ones((4, 4))
    covariance = np.outer(seen, seen) + 0.3**2 * same + 0.1**2 * np.eye(4)
    expected = 1.0 - seen @ np.linalg.solve(covariance, seen)
    assert found == pytest.approx(expected, rel=1e-4)


def test_what_no_scan_tells_is_added(question):
    other = replace(question, other_log_sd=0.3)
    scans = [Scan(60.0, SPECT)]
    added = variances_after(other, scans) - variances_after(question, scans)
    assert added == pytest.approx(0.09)


def test_information_from_elsewhere_adds_to_the_prior(question):
    known = replace(question, information=np.array([[[3.0]]]))
    assert variances_after(known, []) == pytest.approx(1.0 / 4.0)


def test_one_more_scan_is_what_a_new_design_says(question):
    spect = Modality(SPECT, ("organ",), 0.1, 0.2, per_region=False)
    asked = with_kinds(question, spect)
    made, times = [Scan(24.0, SPECT)], np.array([30.0, 90.0])
    more = variances_with_one_more(asked, made, SPECT, times)
    again = [variances_after(asked, [*made, Scan(t, SPECT)]) for t in times]
    np.testing.assert_allclose(more, again, rtol=1e-9)


@pytest.mark.parametrize("wrong_factor", [None, 1.1])
def test_gradients_over_times_are_those_of_finite_differences(question, wrong_factor):
    spect = Modality(SPECT, ("organ",), 0.05, 0.1, per_region=False, floor=3.0)
    planar = Modality(PLANAR, ("organ",), 0.05, 3.0, per_region=True)
    asked = with_kinds(question, spect, planar)
    value = criterion_over_times(
        asked, [SPECT, PLANAR, PLANAR], [Scan(3.0, SPECT)], wrong_factor
    )
    times, step = np.array([50.0, 20.0, 110.0]), 1e-3
    for i, gradient in enumerate(value(times)[1]):
        away = step * np.eye(3)[i]
        difference = (value(times + away)[0] - value(times - away)[0]) / (2 * step)
        assert gradient == pytest.approx(difference, rel=1e-5, abs=1e-10)


def test_one_scan_with_constant_error_is_best_at_the_mean_life(question):
    """Of A exp(-k t), A known, d/dk is largest at t = 1 / k (Box and Lucas 1959)."""
    constant = Modality(SPECT, ("organ",), 1e-4, 0.0, per_region=False, floor=1.0)
    asked = with_kinds(question, constant)
    found = choose_scans(asked, Calendar(1.0, 390.0, 0.0), 1, seed=0)
    assert found.scans[0].time_h == pytest.approx(1.0 / TOTAL_PER_H, rel=2e-3)


def test_two_scans_of_unknown_scale_are_best_at_the_published_distance(question):
    """Var(k) = (1 + exp(2 x)) / x^2 of an early scan and one x / k later, A unknown.

    Its least is where x - 1 = exp(-2 x): x = 1.1089.
    """
    x = brentq(lambda x: x - 1.0 - np.exp(-2.0 * x), 1.0, 2.0)
    free = Modality(PLANAR, ("organ",), 1e-4, 30.0, per_region=True, floor=1.0)
    asked = with_kinds(question, free)
    found = choose_scans(asked, Calendar(1.0, 390.0, 0.0), 2, seed=0)
    first, second = (scan.time_h for scan in found.scans)
    assert first == pytest.approx(1.0)
    assert (second - first) * TOTAL_PER_H == pytest.approx(x, rel=3e-3)


def test_a_modality_is_chosen_for_what_it_tells(question):
    """A SPECT of known scale beside planar scans of any: it is the one that is used."""
    spect = Modality(SPECT, ("organ",), 0.1, 0.0, per_region=False)
    planar = Modality(PLANAR, ("organ",), 0.1, 3.0, per_region=True)
    asked = with_kinds(question, planar, spect)
    found = choose_scans(asked, Calendar(1.0, 96.0, 4.0), 1, seed=0)
    assert [scan.modality for scan in found.scans] == [SPECT]


def test_no_pair_of_slots_is_better_than_what_is_chosen(question):
    spect = Modality(SPECT, ("organ",), 0.05, 0.1, per_region=False, floor=3.0)
    asked = with_kinds(question, spect)
    slots = (3.0, 22.0, 30.0, 46.0, 54.0, 70.0, 94.0, 102.0)
    calendar = Calendar(1.0, 120.0, 10.0, slots_h=slots)
    found = choose_scans(asked, calendar, 2, seed=0)
    every = [
        judge(asked, [Scan(a, SPECT), Scan(b, SPECT)]).value
        for a in slots
        for b in slots
        if b - a >= 10.0
    ]
    assert found.value == pytest.approx(min(every), rel=1e-12)


HALF_LIVES_H = 60.0 * np.exp([-1.2, -0.4, 0.1, 0.5, 1.3])


@pytest.fixture(scope="module")
def several() -> Question:
    """The same question of five half-lives at once, with a floor of the scatter."""
    example = fitted_example.experiment()
    posterior = fitted_example.posterior()
    unknowns = unknowns_of(posterior.table.priors, example.compiled.parameters)
    points = unknowns.centre + np.log(HALF_LIVES_H / HALF_LIFE_H)[:, None]
    given = posterior.observations.readouts[0].given
    assert isinstance(given, Doses)
    curves = tabulate_curves(example.compiled, given, unknowns, points, 1.0, 400.0)
    target = quantity_slopes(unknowns, points, lambda values: values[:, 0])
    spect = Modality(SPECT, ("organ",), 0.1, 0.0, per_region=False, floor=2.0)
    return Question(curves, unknowns, target, (spect,))


def variances_anew(times_h: np.ndarray) -> np.ndarray:
    """V of each half-life T: 1 / V = 1 + sum (t ln 2 / T)^2 / (0.1^2 + (2 / e)^2).

    e = 100 MBq exp(-(ln 2 / T + lambda) t), and the prior sd of ln T is 1.
    """
    rate = np.log(2.0) / HALF_LIVES_H
    slopes = np.multiply.outer(rate, times_h)
    seen = 100.0 * np.exp(-np.multiply.outer(rate + DECAY_PER_H, times_h))
    return 1.0 / (1.0 + (slopes**2 / (0.1**2 + (2.0 / seen) ** 2)).sum(axis=1))


@pytest.mark.parametrize("wrong_factor", [None, 1.2])
def test_a_design_is_judged_by_its_mean_over_the_draws(several, wrong_factor):
    times = np.array([20.0, 90.0])
    expected = variances_anew(times)
    scans = [Scan(t, SPECT) for t in times]
    found = judge(several, scans, wrong_factor=wrong_factor)
    assert found.log_sd_of_draws == pytest.approx(np.sqrt(expected), rel=1e-4)
    assert found.log_sd == pytest.approx(np.sqrt(expected.mean()), rel=1e-4)
    value = expected.mean()
    if wrong_factor is not None:
        value = np.mean([erfc(np.log(1.2) / np.sqrt(2.0 * v)) for v in expected])
    assert found.value == pytest.approx(value, rel=1e-4)


def test_the_scan_chosen_is_best_of_the_mean_and_of_no_draw_alone(several):
    grid = np.arange(1.0, 390.0, 0.25)
    every = np.array([variances_anew(np.array([t])) for t in grid])
    best = grid[np.argmin(every.mean(axis=1))]
    found = choose_scans(several, Calendar(1.0, 390.0, 0.0), 1, seed=0)
    assert found.scans[0].time_h == pytest.approx(best, abs=0.3)
    assert np.abs(grid[np.argmin(every, axis=0)] - best).min() > 3.0
    # With its gradient, which is the mean of the draws' gradients.
    value = criterion_over_times(several, [SPECT], [], None)
    slope_of_mean = np.gradient(every.mean(axis=1), grid)[400]
    assert value(grid[[400]])[1][0] == pytest.approx(slope_of_mean, rel=1e-3)


def test_times_keep_working_hours_gaps_and_scans_made_already(question):
    calendar = Calendar(1.0, 96.0, 6.0, 10.0, (8.0, 17.0), closed_days=(4,))
    made = (Scan(70.0, SPECT),)
    found = choose_scans(question, calendar, 2, fixed=made, seed=0)
    times = [scan.time_h for scan in found.scans]
    assert all(8.0 - 1e-6 <= (t + 10.0) % 24.0 <= 17.0 + 1e-6 for t in times)
    every = sorted([*times, 70.0])
    assert min(np.diff(every)) >= 6.0 - 1e-6
    assert max(times) <= 79.0 + 1e-6  # day 3, 17 o'clock: day 4 is closed


def test_slots_outside_of_working_hours_are_none():
    calendar = Calendar(1.0, 72.0, 0.0, 10.0, (8.0, 17.0), slots_h=(3.0, 12.0, 24.0))
    assert allowed_times(calendar) == ((3.0, 3.0), (24.0, 24.0))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"earliest_h": 0.0}, "earliest <= latest"),
        ({"least_gap_h": -1.0}, "least gap"),
        ({"open_clock_h": (8.0, 17.0)}, "given_at_clock_h"),
        ({"slots_h": (200.0,)}, "no time"),
        ({"open_clock_h": (17.0, 8.0), "given_at_clock_h": 10.0}, "working hours"),
    ],
)
def test_a_calendar_that_cannot_be_kept_is_refused(change, words):
    with pytest.raises(InputError, match=words):
        replace(Calendar(1.0, 96.0, 2.0), **change)


def test_more_scans_than_there_is_room_for_are_refused(question):
    with pytest.raises(InputError, match="room for 2 of 3"):
        choose_scans(question, Calendar(1.0, 96.0, 1.0, slots_h=(4.0, 24.0)), 3, seed=0)


def test_a_scan_outside_of_the_curves_is_refused(question):
    with pytest.raises(InputError, match="tabulate them for longer"):
        judge(question, [Scan(500.0, SPECT)])


def test_a_half_normal_prior_has_no_normal_scale():
    prior = half_normal(1.0, "h", "a test", Certainty.STATED)
    with pytest.raises(InputError, match="log-normal"):
        unknowns_of(PriorSet({"half_life": prior}, {}), ("half_life",))


def test_members_of_a_simplex_become_shares_of_one():
    odds = {
        n: log_normal(m, 1.0, "", "a test", Certainty.STATED)
        for n, m in (("a", 1.0), ("b", 2.0))
    }
    found = unknowns_of(PriorSet({}, odds), ("a", "b"))
    np.testing.assert_allclose(found.parameters(found.centre), [0.25, 0.5])


def test_one_more_scan_after_a_fit_is_the_closed_form_of_normal_draws():
    """Truth: conditioning of ln q on two correlated values, from the covariance."""
    joint = np.array([[1.0, 0.6, 0.2], [0.6, 1.0, 0.5], [0.2, 0.5, 1.0]])
    generator = np.random.default_rng(0)
    white = generator.standard_normal((5000, 3))
    white = white - white.mean(axis=0)
    white = white @ np.linalg.inv(np.linalg.cholesky(np.cov(white.T))).T
    draws = white @ np.linalg.cholesky(joint).T
    variance = np.array([[0.3, 0.1]])
    found = log_sd_with_another(draws[:, 0], draws[:, None, 1:], variance)
    inner = joint[1:, 1:] + np.diag(variance[0])
    left = 1.0 - joint[0, 1:] @ np.linalg.solve(inner, joint[0, 1:])
    assert found[0] == pytest.approx(np.sqrt(left), rel=1e-9)


def fit_of(log_half_lives: np.ndarray, *, passed: bool = True) -> Fit:
    """A fit whose draws are given, so that what they say is known."""
    count = log_half_lives.size // 4
    variables = {
        "kinetics": np.exp(log_half_lives).reshape(4, count, 1),
        "relative_noise": np.full((4, count, 1), 0.1),
    }
    draws = Draws(variables, np.zeros((4, count, 2)), np.zeros((4, count), bool), 0.9)
    reasons = () if passed else ("R-hat is 1.2",)
    checks = Checks(1.0, 900.0, 900.0, 0, 0, (), 1, reasons)
    noisier = replace(fitted_example.posterior(), minimum_noise=0.1)
    return Fit(noisier, draws, checks, seed=0)


def test_after_a_fit_the_half_life_shrinks_as_its_slope_says():
    """ln e = -t ln 2 / T is nearly linear in ln T where T is known to 2 %."""
    spread, center = 0.02, np.log(60.0)
    normal = np.random.default_rng(1).standard_normal(4000)
    normal = (normal - normal.mean()) / normal.std(ddof=1)
    fitted = fit_of(center + spread * normal)
    times = np.array([24.0, 60.0, 120.0])
    half_lives = fitted.parameters()[:, 0]
    found = value_another_scan(fitted, SPECT, times, half_lives)
    noise = 0.1**2 + 0.1**2
    expected = (spread**-2 + slope(times) ** 2 / noise) ** -0.5
    np.testing.assert_allclose(found.log_sd_then, expected, rtol=1e-3)
    assert found.best == 2
    assert "SPECT of organ would tell most at 120 h" in found.describe()


def test_one_more_scan_of_an_unknown_modality_is_refused():
    fitted = fit_of(np.log(60.0) + 0.02 * np.random.default_rng(1).normal(size=400))
    with pytest.raises(InputError, match="no modality 'PET'"):
        value_another_scan(fitted, "PET", np.array([24.0]), fitted.parameters()[:, 0])


def test_a_fit_that_failed_has_no_value_of_one_more_scan():
    fitted = fit_of(np.full(400, np.log(60.0)), passed=False)
    with pytest.raises(Exception, match="R-hat"):
        value_another_scan(fitted, SPECT, np.array([24.0]), np.ones(400))


def test_the_clinic_says_what_one_more_scan_brings_and_why_it_cannot():
    found = AnotherScan(
        SPECT, ("kidneys",), np.array([24.0, 96.0]), 0.2, np.array([0.15, 0.1])
    )
    known = ScanValue("dosimetry", SPECT, "Y-90", "kidneys", found, None)
    omitted = ScanValue("dosimetry", "probe", "Y-90", "kidneys", None, "it is counted")
    text = describe_scans((known, omitted))
    assert "would tell most at 96 h" in text
    assert "shrink by 50%" in text
    # exp(2 x 1.96 x 0.1)
    assert "one more at 96 h: 1.48" in text
    assert "probe: not known: it is counted" in text


@pytest.mark.parametrize("start_h", [0.0, 48.0])
def test_times_of_one_more_scan_count_from_the_occasions_first_dose(start_h):
    """A tracer two days into the file: what a scan tells is that of one at 0 h."""
    log_half_lives = np.log(60.0) + 0.1 * np.random.default_rng(1).normal(size=400)
    fitted = fit_of(log_half_lives)
    one = fitted.posterior.experiments[0]
    given = tuple(
        replace(a, time_h=a.time_h + start_h) for a in one.schedule.administrations
    )
    scans = tuple(
        replace(m, start_h=m.start_h + start_h, end_h=m.end_h + start_h)
        for m in one.measurements
    )
    moved = replace(one, schedule=Schedule(given), measurements=scans)
    posterior = replace(
        fitted.posterior, experiments=(moved,), observations=arrange([moved], [])
    )
    fitted = replace(fitted, posterior=posterior)
    dose = fitted.parameters()[:, 0]
    told = _valued(fitted, moved, SPECT, "Y-90", "organ", dose, 120.0)
    assert told.found is not None
    assert told.found.times_h.min() > 0.0
    assert told.found.times_h.max() == 120.0
    # The free half-life is seen by its slope: nearly nothing at once, most at the end.
    at_once, late = told.found.log_sd_then[[0, -1]]
    assert at_once == pytest.approx(0.1, rel=0.1)
    assert late == pytest.approx(
        (0.1**-2 + slope(np.array(120.0)) ** 2 / 0.02) ** -0.5, rel=0.1
    )


@pytest.mark.slow
def test_a_patients_folder_is_told_what_one_more_scan_brings(tmp_path, capsys):
    for path in PATIENT.glob("*.*"):
        if path.suffix in (".toml", ".csv"):
            shutil.copy(path, tmp_path)
    assert main(["design", str(tmp_path), "--latest", "120"]) == 0
    said = capsys.readouterr().out
    assert "Y-90, dose to kidneys; dosimetry: SPECT of kidney_left" in said
    assert "one more at 96 h" in said
    assert "one more at 144 h" not in said


def test_a_first_dose_that_is_not_at_0_is_refused():
    """A calendar's hours would else count from another zero than the scans'."""
    example = fitted_example.posterior()
    unknown = unknowns_of(example.table.priors, example.compiled.parameters)
    doses = example.observations.readouts[0].given
    assert isinstance(doses, Doses)
    late = doses._replace(start_h=np.asarray(doses.start_h) + 20.0)
    points = unknown.centre[None]
    with pytest.raises(InputError, match="first dose starts at 20 h"):
        tabulate_curves(example.compiled, late, unknown, points, 30.0, 200.0)
