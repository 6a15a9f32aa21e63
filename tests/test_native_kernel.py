"""The native kernel against truth from outside: closed forms, literature, Radau.

Batches and failures are in test_native_batches.py.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy
from random_networks import by_radau, every_direction
from stiff_problems import (
    PBPK12_GRADIENT,
    PBPK12_LOG_LIKELIHOOD,
    PBPK12_SHIFTS,
    StiffProblem,
    hires,
    pbpk12_equations,
    pbpk12_error,
    pbpk12_likelihood,
    pbpk12_problem,
    pbpk12_tangents,
    pbpk12_truth,
    robertson,
    single,
    van_der_pol,
)

from pkmodels.kernels.equations import Equations
from pkmodels.kernels.native import NativeKernel, native_kernel
from pkmodels.kernels.problem import Controls, Outcome, Problem, Solution

X, RATE, OTHER = sympy.symbols("x rate other")


def tight(relative: float, **rest: Any) -> Controls:
    return Controls(relative, 1e-4 * relative, **rest)


def outcome(solution: Solution) -> Outcome:
    return Outcome(int(solution.report[0]))


@pytest.fixture(scope="module")
def pbpk12() -> NativeKernel:
    return native_kernel(pbpk12_equations())


@pytest.mark.reference
def test_errors_on_pbpk12_fall_with_the_tolerance(
    pbpk12: NativeKernel, repository: Path
) -> None:
    """Against the published reference solution; some 10 times the tolerance at most."""
    problem, truth = pbpk12_problem(), pbpk12_truth(repository)
    tolerances = 10.0 ** -np.arange(4, 11)
    found = [pbpk12.solve(problem, controls=tight(r)) for r in tolerances]
    errors = np.array([pbpk12_error(f.states, truth) for f in found])
    assert (errors < 3.0 * tolerances).all(), errors
    assert (np.diff(np.log10(errors)) < -0.3).all(), errors
    # Rodas5P's error is of order 5 in the number of steps.
    steps = np.array([f.report[2] for f in found])
    order = -np.polyfit(np.log(steps[2:]), np.log(errors[2:]), 1)[0]
    assert 3.0 < order < 6.0


@pytest.mark.reference
@pytest.mark.parametrize(
    ("relative", "within"), [(1e-6, 1e-5), (1e-7, 2e-6), (1e-10, 5e-9)]
)
def test_gradient_of_pbpk12(
    pbpk12: NativeKernel, repository: Path, relative: float, within: float
) -> None:
    """Against a complex-step gradient at 1e-12, in eight directions."""
    problem = pbpk12_problem(PBPK12_SHIFTS)
    found = pbpk12.solve(problem, pbpk12_tangents(problem), tight(relative))
    value, gradient = pbpk12_likelihood(repository, found.states, found.sensitivities)
    assert value == pytest.approx(PBPK12_LOG_LIKELIHOOD, abs=30 * relative)
    np.testing.assert_allclose(gradient, PBPK12_GRADIENT, rtol=within)


@pytest.mark.reference
@pytest.mark.parametrize("made", [robertson, hires, van_der_pol])
def test_stiff_problems_of_the_literature(made: Callable[[], StiffProblem]) -> None:
    """Van der Pol's oscillator is below 0 half of the time, and may be."""
    stiff = made()
    kernel = native_kernel(stiff.equations, in_lanes=False)
    errors = []
    for relative in (1e-4, 1e-6, 1e-8):
        controls = tight(relative, negative=np.inf)
        found = kernel.solve(stiff.problem, controls=controls)
        assert outcome(found) is Outcome.SOLVED
        errors.append(np.max(np.abs(found.states / stiff.truth - 1.0)))
    assert errors[0] < 1e-4
    assert errors[1] < 1e-6
    assert errors[2] < 10.0 * stiff.reachable


def test_sensitivities_of_a_stiff_problem() -> None:
    """Those of HIRES, in some constants and starts, by the variational equations."""
    stiff = hires()
    tangents = every_direction(stiff.problem, 2)
    controls = tight(1e-9)
    kernel = native_kernel(stiff.equations, in_lanes=False)
    found = kernel.solve(stiff.problem, tangents, controls)
    _, expected = by_radau(stiff.equations, stiff.problem, tangents, relative=1e-9)
    size = np.abs(expected).max(axis=2, keepdims=True)
    assert (np.abs(found.sensitivities - expected) / size).max() < 1e-5


def second_order(steps: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Solve dx/dt = -a x (x + d) in steps of one length, one a segment.

    Return the errors at the middle and at the end of each step, and that of dx/da;
    x = d x0 / ((x0 + d) exp(a d t) - x0).
    """
    equations = Equations(
        "second order", (X,), (RATE, OTHER), (-RATE * X * (X + OTHER),), False
    )
    a, d, until = 1.0, 0.5, 2.0

    def exact(times: np.ndarray, a: float) -> np.ndarray:
        return d / ((1.0 + d) * np.exp(a * d * times) - 1.0)

    boundaries = until * np.arange(steps) / steps
    middle = boundaries + 0.5 * until / steps
    ends = np.append(boundaries[1:], until)
    times = np.stack([middle, ends], axis=1).ravel()
    problem = Problem(
        constants=np.tile([a, d], (steps, 1)),
        boundaries_h=boundaries,
        keep=np.ones((steps, 1)),
        added=np.eye(steps, 1),
        scales=np.ones(1),
        times_h=times,
        places=np.repeat(np.arange(steps), 2),
    )
    # So loose that a step is as long as its segment.
    loose = Controls(relative=1e3, absolute=1e3, negative=np.inf)
    kernel = native_kernel(equations, in_lanes=False)
    found = kernel.solve(problem, every_direction(problem, 1), loose)
    assert found.report[2] == steps
    errors = np.abs(found.states[:, 0] - exact(times, a)).reshape(steps, 2)
    slope = (exact(times, a + 1e-4) - exact(times, a - 1e-4)) / 2e-4
    by_rate = np.abs(found.sensitivities[0, :, 0] / a - slope)
    return errors[:, 0], errors[:, 1], float(by_rate.max())


def test_steps_are_of_order_5_and_so_is_what_lies_between() -> None:
    """Halved steps make 32 times smaller errors; dense output of order 4 does so, too.

    The interpolation is of order 4: within one step its error is that of h^5.
    """
    middles, ends, slopes = [], [], []
    for steps in (20, 40, 80):
        middle, end, slope = second_order(steps)
        middles.append(middle.max())
        ends.append(end.max())
        slopes.append(slope)
    for errors in (middles, ends, slopes):
        orders = np.log2(np.array(errors[:-1]) / errors[1:])
        assert orders[-1] > 4.6, errors
    assert middles[-1] < 1e-9
    assert ends[-1] < 1e-9


def test_between_steps_the_error_is_that_of_the_steps(pbpk12: NativeKernel) -> None:
    """Read 2000 times, pbpk12 is as accurate as its tolerance asks everywhere."""
    times = np.geomspace(1e-3, 240.0, 2000)
    problem = pbpk12_problem()._replace(
        times_h=times, places=np.zeros(len(times), np.int64)
    )
    found = pbpk12.solve(problem, controls=tight(1e-7))
    expected, _ = by_radau(pbpk12_equations(), problem, relative=1e-11, absolute=1e-15)
    assert found.report[2] < 400  # some six readings in each step
    assert pbpk12_error(found.states, expected) < 2e-6


def test_amounts_of_a_picomole_beside_a_hundred_nanomoles(
    pbpk12: NativeKernel,
) -> None:
    """The labelled ligand is a tracer: 10^-5 of all, and as accurate as all."""
    problem = pbpk12_problem()
    times = problem.times_h
    hot, cold = 1e-3, 100.0
    start = np.zeros((1, 12))
    start[0, :2] = hot, cold - hot
    problem = problem._replace(added=start, scales=np.tile([hot, cold], 6))
    found = pbpk12.solve(problem, controls=tight(1e-7))
    all_hot = problem._replace(scales=np.ones(12))
    expected, _ = by_radau(pbpk12_equations(), all_hot, relative=1e-11, absolute=1e-19)
    labelled = np.abs(found.states / expected - 1.0)[:, 0::2]
    assert labelled.max() < 1e-6
    assert len(times) == 20


def test_labelled_and_unlabelled_are_conserved() -> None:
    """Nothing leaves a closed network: totals stay to rounding, at any tolerance."""
    receptor = sympy.Symbol("receptor")
    on, off, inside, back = k = sympy.symbols("on off inside back")
    bound, sunken = sympy.symbols("bound sunken")
    binding = on * X * receptor - off * bound
    equations = Equations(
        "closed",
        (X, receptor, bound, sunken),
        k,
        (
            -binding + back * sunken,
            -binding + back * sunken,
            binding - inside * bound,
            inside * bound - back * sunken,
        ),
        False,
    )
    start = np.array([10.0, 3.0, 0.0, 1.0])
    times = np.array([0.01, 0.1, 1.0, 24.0, 1e4])
    problem = single([50.0, 0.3, 2.0, 0.01], start, np.full(4, 10.0), times)
    kernel = native_kernel(equations, in_lanes=False)
    for relative in (1e-3, 1e-7):
        found = kernel.solve(problem, every_direction(problem), tight(relative))
        ligand = found.states @ np.array([1.0, 0.0, 1.0, 1.0])
        sites = found.states @ np.array([0.0, 1.0, 1.0, 1.0])
        rounding = 1e-15 * (10.0 + found.report[2])
        np.testing.assert_allclose(ligand, 11.0, rtol=rounding)
        np.testing.assert_allclose(sites, 4.0, rtol=rounding)
        slopes = found.sensitivities @ np.array([1.0, 0.0, 1.0, 1.0])
        expected = np.array([0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0])
        np.testing.assert_allclose(slopes - expected[:, None], 0.0, atol=1e-11)


def test_slopes_where_the_states_stand_still() -> None:
    """Receptors in balance: R stays, and dR/d(made) = (1 - exp(-lost t)) / lost.

    No error of R itself keeps the steps short.
    """
    receptor, made, lost = sympy.symbols("receptor made lost")
    change = (made - lost * receptor,)
    equations = Equations("turnover", (receptor,), (made, lost), change, False)
    problem = single([2.0, 0.1], [20.0], [20.0], [1.0, 5.0, 20.0, 50.0, 100.0])
    tangents = every_direction(problem)
    found = native_kernel(equations, in_lanes=False).solve(problem, tangents)
    left = np.exp(-0.1 * problem.times_h)
    expected = np.array([20.0 * (1.0 - left), -20.0 * (1.0 - left), left])
    np.testing.assert_allclose(
        found.sensitivities[:, :, 0], expected, rtol=1e-5, atol=1e-5
    )
