"""Batches and failures of the native kernel: no draw disturbs another, all are told.

Draws are solved eight in step; what each gives alone is known.
"""

from typing import Any

import numpy as np
import pytest
import sympy
from stiff_problems import pbpk12_equations, pbpk12_problem, single

from pkmodels.kernels.equations import Equations
from pkmodels.kernels.native import NativeKernel, native_kernel
from pkmodels.kernels.problem import Controls, Outcome, Problem, Solution, Tangents

X, RATE = sympy.symbols("x rate")
DECAY = Equations("decay", (X,), (RATE,), (-RATE * X,), False)
# dx/dt = a x^2 has no solution from 1 / a on; dx/dt = -a falls below 0 there.
GROWTH = Equations("growth", (X,), (RATE,), (RATE * X**2,), False)
FALL = Equations("fall", (X,), (RATE,), (-RATE,), False)
STEEP = Equations("steep", (X,), (RATE,), (RATE / (2 - 2 * X),), False)

COUNTS = (1, 2, 3, 7, 8, 9, 17)
_OWN_AXES = Problem(2, 1, 2, 2, 1, 1, 1)


@pytest.fixture(scope="module")
def pbpk12() -> NativeKernel:
    return native_kernel(pbpk12_equations())


def outcome(solution: Solution) -> Outcome:
    return Outcome(int(solution.report[0]))


def spread(draws: int, seed: int = 0) -> Problem:
    """Return pbpk12 at draws of all its constants, log-normal with 0.5."""
    generator = np.random.default_rng(seed)
    problem = pbpk12_problem()
    factors = np.exp(generator.normal(0.0, 0.5, (draws, 1, 14)))
    return problem._replace(constants=problem.constants * factors)


def directions_of(problem: Problem, count: int) -> Tangents:
    """Return the relative changes of the first constants of each draw."""
    draws = len(problem.constants)
    slopes = np.zeros((draws, count, 1, 14))
    for number in range(count):
        slopes[:, number, :, number] = problem.constants[:, :, number]
    none = np.zeros((draws, count, 1))
    return Tangents(slopes, none, np.zeros((*none.shape, 12)))


def of_draw(problem: Problem, draw: int) -> Problem:
    return Problem(
        *(
            array[draw] if np.ndim(array) > own else array
            for array, own in zip(problem, _OWN_AXES, strict=True)
        )
    )


def alone(
    kernel: NativeKernel, problem: Problem, tangents: Tangents | None, **how: Any
) -> list[Solution]:
    """Return the solution of each draw by itself."""
    draws = len(problem.constants)
    along = [
        None if tangents is None else Tangents(*(t[d] for t in tangents))
        for d in range(draws)
    ]
    return [
        kernel.solve(of_draw(problem, draw), along[draw], **how)
        for draw in range(draws)
    ]


def assert_same(found: Solution, each: list[Solution], within: float = 3e-6) -> None:
    """States to a tolerance, sensitivities ten times as much, of the largest."""
    for draw, own in enumerate(each):
        assert found.report[draw, 0] == own.report[0]
        is_there = np.isfinite(own.states)
        np.testing.assert_array_equal(np.isfinite(found.states[draw]), is_there)
        error = np.abs(found.states[draw] - own.states) / (np.abs(own.states) + 1e-6)
        assert np.max(error[is_there], initial=0.0) < within, draw
        error = np.abs(found.sensitivities[draw] - own.sensitivities)
        if error.size:
            largest = np.nanmax(np.abs(own.sensitivities), axis=(1, 2), keepdims=True)
            assert np.nanmax(error / largest, initial=0.0) < 10.0 * within, draw


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    """Relative to the largest of each curve."""
    largest = np.abs(expected).max(axis=-2, keepdims=True) + 1e-9
    assert (np.abs(found - expected) / largest).max() < 1e-6


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("draws", COUNTS)
def test_a_batch_gives_what_its_draws_give_alone(
    pbpk12: NativeKernel, draws: int, threads: int
) -> None:
    problem = spread(draws)
    for count in (0, 1, 3, 9):
        tangents = directions_of(problem, count)
        found = pbpk12.solve(problem, tangents, threads=threads)
        assert found.sensitivities.shape == (draws, count, 20, 12)
        assert_same(found, alone(pbpk12, problem, tangents))


def test_directions_do_not_disturb_each_other(pbpk12: NativeKernel) -> None:
    """Of 1 to 14 directions, each is what it is among all of them."""
    problem = spread(8)
    everything = pbpk12.solve(problem, directions_of(problem, 14))
    single_draw = of_draw(problem, 3)
    for count in (1, 7, 8, 9, 13):
        tangents = directions_of(problem, count)
        found = pbpk12.solve(problem, tangents)
        assert_close(found.states, everything.states)
        assert_close(found.sensitivities, everything.sensitivities[:, :count])
        own = Tangents(*(t[3] for t in tangents))
        one = pbpk12.solve(single_draw, own)
        every = pbpk12.solve(
            single_draw, Tangents(*(t[3] for t in directions_of(problem, 14)))
        )
        assert_close(one.sensitivities, every.sensitivities[:count])


def broken(problem: Problem, draw: int, kind: str) -> Problem:
    """Return a batch one draw of which cannot be solved."""
    constants, added = problem.constants.copy(), np.array(problem.added)
    added = np.tile(added, (len(constants), 1, 1))
    if kind == "not a number":
        constants[draw, 0, 5] = np.nan
    elif kind == "negative":
        added[draw, 0, 1] = -50.0
    else:
        added[draw, 0, 1] = np.inf
    return problem._replace(constants=constants, added=added)


@pytest.mark.parametrize("kind", ["not a number", "negative", "infinite"])
@pytest.mark.parametrize(("draws", "bad"), [(1, 0), (2, 1), (3, 0), (8, 5), (17, 16)])
def test_a_draw_that_fails_disturbs_no_other(
    pbpk12: NativeKernel, draws: int, bad: int, kind: str
) -> None:
    problem = broken(spread(draws), bad, kind)
    expected = Outcome.NEGATIVE if kind == "negative" else Outcome.NOT_FINITE
    for threads in (1, 2):
        tangents = directions_of(problem, 2)
        found = pbpk12.solve(problem, tangents, threads=threads)
        assert found.report[bad, 0] == expected
        assert np.isnan(found.states[bad, -1]).all()
        others = np.delete(np.arange(draws), bad)
        assert (found.report[others, 0] == Outcome.SOLVED).all()
        clean = spread(draws)
        for other in others:
            own = Tangents(*(t[other] for t in tangents))
            each = pbpk12.solve(of_draw(clean, int(other)), own)
            rows = Solution(*(array[other : other + 1] for array in found))
            assert_same(rows, [each])


def test_a_draw_beyond_the_step_limit_disturbs_no_other(pbpk12: NativeKernel) -> None:
    """The limit is that of each draw; a group of draws in step may need more."""
    problem = spread(9)
    each = alone(pbpk12, problem, None)
    steps = np.array([own.report[2] for own in each])
    assert steps.min() < steps.max()
    limit = int(np.sort(steps)[-2])
    controls = Controls(most_steps=limit)
    found = pbpk12.solve(problem, controls=controls)
    ends = [Outcome.STEP_LIMIT if s > limit else Outcome.SOLVED for s in steps]
    assert found.report[:, 0].tolist() == ends
    assert_same(found, alone(pbpk12, problem, None, controls=controls))


@pytest.mark.parametrize("draws", [3, 8, 9])
def test_a_draw_much_stiffer_than_the_others(pbpk12: NativeKernel, draws: int) -> None:
    """A thousand times faster, and still accurate; so are its neighbours."""
    problem = spread(draws)
    constants = problem.constants.copy()
    constants[1, 0, 2:5] *= 1e3
    problem = problem._replace(constants=constants)
    tangents = directions_of(problem, 3)
    found = pbpk12.solve(problem, tangents)
    controls = Controls(relative=1e-10, absolute=1e-14)
    assert_same(found, alone(pbpk12, problem, tangents, controls=controls))


def test_draws_with_boundaries_and_times_of_their_own() -> None:
    """x falls at a rate, and is doubled at a time; each is read at times of its own."""
    draws = 11
    generator = np.random.default_rng(3)
    rates = generator.uniform(0.1, 2.0, draws)
    doubled = generator.uniform(0.5, 3.0, draws)
    times = np.sort(generator.uniform(0.0, 5.0, (draws, 4)), axis=1)
    ones = np.ones((draws, 2, 1))
    problem = Problem(
        constants=rates[:, None, None] * ones,
        boundaries_h=np.stack([0.0 * doubled, doubled], axis=1),
        keep=np.array([[1.0], [2.0]]),
        added=np.array([[1.0], [0.0]]),
        scales=np.ones(1),
        times_h=times,
        places=(times >= doubled[:, None]).astype(np.int64),
    )
    # In the rate, and in the time at which it is doubled, which changes nothing.
    none = np.zeros((draws, 2, 2, 1))
    tangents = Tangents(none.copy(), np.zeros((draws, 2, 2)), none)
    tangents.constants[:, 0] = 1.0
    tangents.boundaries_h[:, 1, 1] = 1.0
    kernel = native_kernel(DECAY)
    expected = np.exp(-rates[:, None] * times) * (1.0 + problem.places)
    for threads in (1, 2):
        found = kernel.solve(problem, tangents, Controls(1e-9, 1e-12), threads=threads)
        np.testing.assert_allclose(found.states[..., 0], expected, rtol=3e-8)
        slopes = found.sensitivities[..., 0]
        np.testing.assert_allclose(slopes[:, 0], -times * expected, rtol=1e-7)
        np.testing.assert_allclose(slopes[:, 1], 0.0, atol=1e-7)


def ended(
    equations: Equations,
    rate: float,
    times: Any,
    controls: Controls = Controls(),  # noqa: B008 (cannot change)
    start: float = 1.0,
) -> Solution:
    problem = single([rate], [start], [1.0], times)
    tangents = Tangents(np.ones((1, 1, 1)), np.zeros((1, 1)), np.zeros((1, 1, 1)))
    kernel = native_kernel(equations, in_lanes=False)
    return kernel.solve(problem, tangents, controls)


def assert_lost_from(found: Solution, first: int) -> None:
    """Values before, NaN from there on, in states and sensitivities alike."""
    lost = np.arange(len(found.states)) >= first
    np.testing.assert_array_equal(np.isnan(found.states[:, 0]), lost)
    np.testing.assert_array_equal(np.isnan(found.sensitivities[0, :, 0]), lost)


def test_step_limit() -> None:
    """Rejected steps count, and as many as the limit are allowed."""
    times = [0.0, 1e-3, 5.0]
    needed = int(ended(DECAY, 1.0, times).report[2])
    enough = ended(DECAY, 1.0, times, Controls(most_steps=needed))
    assert outcome(enough) is Outcome.SOLVED
    found = ended(DECAY, 1.0, times, Controls(most_steps=needed - 1))
    assert outcome(found) is Outcome.STEP_LIMIT
    assert_lost_from(found, 2)
    np.testing.assert_allclose(found.states[:2, 0], np.exp([0.0, -1e-3]), rtol=1e-7)
    assert 1e-3 <= found.report[1] < 5.0
    assert found.report[2] == needed - 1


def test_what_grows_beyond_all_bounds() -> None:
    """x = 1 / (1 - t): right before 1 h, and lost from there on."""
    found = ended(GROWTH, 1.0, [0.5, 0.9, 0.99, 1.01, 2.0])
    assert outcome(found) in (Outcome.NOT_FINITE, Outcome.STEP_TOO_SMALL)
    assert_lost_from(found, 3)
    np.testing.assert_allclose(found.states[:3, 0], [2.0, 10.0, 100.0], rtol=1e-4)
    assert found.report[1] == pytest.approx(1.0, abs=1e-5)


def test_steps_that_become_too_small() -> None:
    """x = 1 - sqrt(1/4 - t) ends at 1/4 h, infinitely steep but finite."""
    found = ended(STEEP, 1.0, [0.0, 0.2, 0.24, 0.26, 1.0], start=0.5)
    assert outcome(found) is Outcome.STEP_TOO_SMALL
    assert_lost_from(found, 3)
    expected = 1.0 - np.sqrt([0.25, 0.05, 0.01])
    np.testing.assert_allclose(found.states[:3, 0], expected, rtol=1e-5)
    assert found.report[1] == pytest.approx(0.25, abs=1e-5)


def test_what_falls_below_0() -> None:
    """x = 1 - t. What is below 0 by less than the tolerance is no failure."""
    found = ended(FALL, 1.0, [0.0, 2.0, 3.0])
    assert outcome(found) is Outcome.NEGATIVE
    assert_lost_from(found, 1)
    assert found.report[1] > 1.0
    for allowed, times in ((0.6, [0.5, 1.5]), (np.inf, [0.5, 1.5, 9.0])):
        free = ended(FALL, 1.0, times, Controls(negative=allowed))
        assert outcome(free) is Outcome.SOLVED
        np.testing.assert_allclose(free.states[:, 0], 1.0 - np.array(times), rtol=1e-9)
    assert outcome(ended(FALL, 1.0, [1.000001])) is Outcome.SOLVED


def test_what_is_right_before_a_fall_is_given() -> None:
    """A long step that ends below 0 is no reason to lose what it passed before."""
    found = ended(FALL, 1.0, [0.0, 0.5, 0.9, 2.0, 3.0])
    assert outcome(found) is Outcome.NEGATIVE
    assert_lost_from(found, 3)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_what_is_no_number(number: float) -> None:
    """In a constant, in the start (also where nothing follows it), in a time."""
    for found in (
        ended(DECAY, number, [0.0, 1.0, 2.0]),
        ended(DECAY, 1.0, [0.0, 1.0], start=number),
        ended(DECAY, 1.0, [0.0], start=number),
    ):
        assert outcome(found) is Outcome.NOT_FINITE
        assert np.isnan(found.states[-1]).all() or len(found.states) == 1
    if np.isnan(number):
        found = ended(DECAY, 1.0, [0.0, number])
        assert outcome(found) is not Outcome.SOLVED
        assert_lost_from(found, 1)


def test_a_boundary_that_is_no_number() -> None:
    ones = np.ones((2, 1))
    problem = Problem(
        ones,
        np.array([0.0, np.nan]),
        ones,
        ones,
        np.ones(1),
        np.array([0.0, 1.0]),
        np.array([0, 1]),
    )
    found = native_kernel(DECAY, in_lanes=False).solve(problem)
    assert outcome(found) is not Outcome.SOLVED
    assert np.isnan(found.states[1]).all()


def test_fails_in_a_later_segment() -> None:
    """The states until then are right; the time is that of the schedule."""
    ones = np.ones((2, 1))
    problem = Problem(
        np.array([[1.0], [np.nan]]),
        np.array([0.0, 2.0]),
        ones,
        ones,
        np.ones(1),
        np.array([1.0, 2.0, 2.0, 3.0]),
        np.array([0, 0, 1, 1]),
    )
    found = native_kernel(DECAY, in_lanes=False).solve(problem)
    assert outcome(found) is Outcome.NOT_FINITE
    assert found.report[1] == 2.0
    left = [np.exp(-1.0), np.exp(-2.0), 1.0 + np.exp(-2.0)]
    np.testing.assert_allclose(found.states[:3, 0], left, rtol=1e-6)
    assert np.isnan(found.states[3, 0])
