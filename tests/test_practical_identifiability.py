"""Stiff and sloppy directions, uptake fractions, and the table with its words."""

import math
from dataclasses import replace
from typing import Any

import noisy_halflives
import numpy as np
import pytest
from scipy.stats import binomtest

from pkmodels.errors import FitRefusedError, InputError
from pkmodels.fitting import worked_example
from pkmodels.fitting.checks import Checks
from pkmodels.fitting.fit import Fit
from pkmodels.fitting.identifiability import identify, strongest_correlations
from pkmodels.fitting.identifiability_answers import Answer
from pkmodels.fitting.noise_mixtures import mix_noise, threshold_over, typical_noise
from pkmodels.fitting.objectives import hold_noise, parameter_target
from pkmodels.fitting.profile_search import find_optimum, profile
from pkmodels.fitting.profiles import End, Objective, Profile, Side
from pkmodels.fitting.sampling import Draws
from pkmodels.fitting.sloppiness import sloppiness

PASSED = Checks(1.0, 2e3, 2e3, 0, 0, (), 1, ())


def test_the_axes_of_a_rotated_information_are_found() -> None:
    angle = 0.3
    turn = np.array(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    )
    information = turn @ np.diag([400.0, 0.04]) @ turn.T
    found = sloppiness(information, ["uptake", "release"], np.array([1.0, 1.0]))
    np.testing.assert_allclose(found.eigenvalues, [400.0, 0.04], rtol=1e-9)
    np.testing.assert_allclose(np.abs(found.directions), np.abs(turn), rtol=1e-9)
    np.testing.assert_allclose(found.log_sd, [0.05, 5.0], rtol=1e-9)
    assert found.decades == pytest.approx(4.0)
    assert found.direction(0) == "uptake^0.96 release^0.30"
    assert found.told.tolist() == [True, False]
    words = found.describe()
    assert "stiff: uptake^0.96 release^0.30: the data say sd of ln 0.05" in words
    assert "4.0 decades" in words


def test_a_prior_that_is_narrower_along_a_direction_is_its_own() -> None:
    """Along (a, b) / sqrt 2 with prior sd 0.1 and 1: precision (100 + 1) / 2."""
    found = sloppiness(np.ones((2, 2)), ["a", "b"], np.array([0.1, 1.0]))
    np.testing.assert_allclose(found.prior_log_sd, math.sqrt(2.0 / 101.0), rtol=1e-9)
    assert not found.told.any()


def test_information_that_is_none_says_nothing() -> None:
    found = sloppiness(np.zeros((2, 2)), ["a", "b"], np.ones(2))
    assert np.isinf(found.log_sd).all()
    assert "the data say nothing" in found.describe()
    with pytest.raises(InputError, match="is not finite"):
        sloppiness(np.full((1, 1), np.nan), ["a"], np.ones(1))
    with pytest.raises(InputError, match="for 2 names"):
        sloppiness(np.eye(3), ["a", "b"], np.ones(2))


def of_profile(lower: End, upper: End) -> Profile:
    def side(end: End, at: float) -> Side:
        return Side(end, at if end is End.CLOSED else None, at, 0.5)

    return Profile(
        "k",
        "1/h",
        "the likelihood",
        0.95,
        1.92,
        1.0,
        np.ones(1),
        np.zeros(1),
        np.ones((1, 1)),
        side(lower, 0.5),
        side(upper, 2.0),
    )


@pytest.mark.parametrize(
    ("structural", "lower", "upper", "learned", "words"),
    [
        ("identifiable", End.CLOSED, End.CLOSED, 0.9, "the measurements tell it"),
        ("identifiable", End.CLOSED, End.CLOSED, 0.2, "is 80% of the prior's"),
        (
            "identifiable",
            End.CLOSED,
            End.OPEN,
            0.2,
            "do not bound it above: other times",
        ),
        ("-", End.OPEN, End.CLOSED, 0.2, "do not bound it below; the prior does"),
        ("undecided", End.OPEN, End.OPEN, 0.0, "do not bound it on either side;"),
        (
            "not identifiable",
            End.OPEN,
            End.OPEN,
            0.0,
            "no such measurements can tell it",
        ),
        ("not identifiable", End.CLOSED, End.CLOSED, 0.9, "contradiction"),
        ("identifiable", End.CLOSED, End.AGAIN, 0.9, "other values, beyond"),
        ("identifiable", End.UNSOLVED, End.CLOSED, 0.9, "not decided"),
    ],
)
def test_the_verdict_joins_both_answers(
    structural: str, lower: End, upper: End, learned: float, words: str
) -> None:
    own = of_profile(lower, upper)
    answer = Answer("k", structural, own, own, learned, None)
    assert words in answer.verdict
    if structural != "not identifiable":
        assert "30% of the posterior's draws" in replace(answer, outside=0.3).verdict


def test_what_rests_on_other_priors_is_not_told_by_the_measurements_alone() -> None:
    """ln 4 wide without the prior, a third of it with it."""
    alone = of_profile(End.CLOSED, End.CLOSED)
    third = 4.0 ** (1.0 / 6.0)
    narrow = replace(
        alone,
        lower=Side(End.CLOSED, 1.0 / third, 1.0, 2.0),
        upper=Side(End.CLOSED, third, 1.0, 2.0),
    )
    said = Answer("k", "identifiable", alone, narrow, 0.9, None).verdict
    assert "together with priors" in said
    assert "3.0 times as wide" in said


def made_up(middle: float = 4.17) -> Fit:
    at = np.random.default_rng(0).normal([middle, -3.0], 0.05, (4, 500, 2))
    at[..., 1] += 5.0 * (at[..., 0] - middle)
    variables = {"kinetics": np.exp(at[..., :1]), "relative_noise": np.exp(at[..., 1:])}
    draws = Draws(variables, at, np.zeros((4, 500), bool), 0.9)
    return Fit(worked_example.posterior(), draws, PASSED, seed=0)


def test_the_table_holds_both_answers_and_what_is_confused() -> None:
    told: list[tuple[int, int]] = []
    found = identify(
        made_up(),
        structural={"half_life": "identifiable"},
        level=0.95,
        progress=lambda i, n: told.append((i, n)),
    )
    [answer] = found.answers
    assert told == [(1, 1)]
    assert answer.likelihood.identifiable
    # The draws are of ln of the half-life: normal, 4.17 and 0.05.
    expected = np.exp(4.17 + 0.05 * np.array([-1.96, 1.96]))
    np.testing.assert_allclose(np.array(answer.drawn), expected, rtol=0.01)
    assert answer.confused_with is not None
    assert answer.confused_with[0] == "relative_noise[SPECT]"
    assert answer.confused_with[1] == pytest.approx(5.0 / math.sqrt(26.0), abs=0.01)
    table = found.describe()
    low, high = answer.likelihood.interval
    assert f"{low:.3g} to {high:.3g}" in table
    assert "relative_noise[SPECT] (+0.98)" in table
    # h / (ln 2 sqrt(24^2 + 72^2 + 120^2)) of h = 64.5 h is 0.655, times the noise.
    noise = math.hypot(math.exp(-3.0 + 5.0 * 5.0 * 0.05**2), 0.01)
    assert f"stiff: half_life: the data say sd of ln {0.655 * noise:.2g}" in table


def test_a_posterior_elsewhere_than_the_profile_is_told() -> None:
    """Draws about 49 h, where the scans say 64 h."""
    [answer] = identify(made_up(3.9), structural=None, level=0.95).answers
    assert answer.outside > 0.9
    assert "not decided: " in answer.verdict


def test_the_noise_is_integrated_out_of_the_worked_example() -> None:
    """Against the marginal posterior on a grid; it was 62.1 to 67.2 h once."""
    times, seen = np.array([24.0, 72.0, 120.0]), np.log([70.0, 35.0, 16.0])
    generator = np.random.default_rng(0)
    at = noisy_halflives.draw(generator, times, seen, 4000).reshape(4, 1000, 2)
    variables = {"kinetics": np.exp(at[..., :1]), "relative_noise": np.exp(at[..., 1:])}
    draws = Draws(variables, at, np.zeros((4, 1000), bool), 0.9)
    fitted = Fit(worked_example.posterior(), draws, PASSED, seed=0)
    [answer] = identify(fitted, structural=None, level=0.95).answers
    alone = noisy_halflives.interval(times, seen, 0.95, with_prior=False)
    bounds = np.array(answer.likelihood.interval, dtype=float)
    np.testing.assert_allclose(bounds, alone, rtol=0.01)
    bounds = np.array(answer.posterior.interval, dtype=float)
    with_prior = noisy_halflives.interval(times, seen, 0.95, with_prior=True)
    np.testing.assert_allclose(bounds, with_prior, rtol=0.01)
    both = noisy_halflives.interval(times, seen, 0.95, with_prior=True)
    np.testing.assert_allclose(np.array(answer.drawn), both, rtol=0.01)
    assert 0.01 < answer.outside < 0.12


@pytest.mark.slow
@pytest.mark.parametrize(
    ("times", "patients"), [((24, 72, 120), 300), ((4, 24, 96), 300)]
)
def test_the_profile_holds_the_truth_as_often_as_it_says(
    times: tuple[float, ...], patients: int
) -> None:
    """With the noise at its mode, 260 of 300 of three scans; truths of the priors."""
    when, example = np.array(times, dtype=float), worked_example.posterior()
    target = parameter_target(example, "half_life")
    held = 0
    for number in range(patients):
        generator = np.random.default_rng([number, len(times)])
        truth, seen = noisy_halflives.simulate(generator, when)
        draws = noisy_halflives.draw(generator, when, seen, 1000)

        def energy(x: np.ndarray, seen: np.ndarray = seen) -> Any:
            return noisy_halflives.energy(x, when, seen)

        free = Objective(
            lambda x, energy=energy: energy(x)[:2],
            lambda x, energy=energy: energy(x)[2],
            np.log([[60.0, 0.1], [30.0, 0.1], [120.0, 0.1]]),
            np.array([1.0, 0.5]),
            "the likelihood",
        )
        known = hold_noise(free, example, typical_noise(example, draws))
        best = find_optimum(known)
        mixture = mix_noise(free, example, best, draws)
        threshold = threshold_over(mixture, target.at(best)[1], 0.95)
        found = profile(known, target, level=0.95, optimum=best, threshold=threshold)
        low, high = found.interval
        above = low is None or low <= math.exp(truth)
        held += above and (high is None or math.exp(truth) <= high)
    assert binomtest(held, patients, 0.95).pvalue > 0.01


def test_wrong_names_and_refused_fits_are_told() -> None:
    made = made_up()
    with pytest.raises(InputError, match="no parameter of the kinetics"):
        identify(made, structural={"half_lif": "identifiable"}, level=0.95)
    failed = replace(made, checks=replace(PASSED, reasons=("R-hat is 1.2",)))
    with pytest.raises(FitRefusedError, match="R-hat"):
        identify(failed, structural=None, level=0.95)


def test_a_parameter_that_does_not_move_is_confused_with_nothing() -> None:
    made = made_up()
    still = made.draws.unconstrained.copy()
    still[..., 1] = -3.0
    draws = replace(made.draws, unconstrained=still)
    assert strongest_correlations(replace(made, draws=draws)) == {}
    with pytest.raises(InputError, match="no parameter"):
        parameter_target(made.posterior, "noise")
