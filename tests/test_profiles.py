"""Profiles against closed forms, SciPy, and models that are known to be flat."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq, least_squares, minimize_scalar
from scipy.stats import chi2

from pkmodels.errors import InputError, SolveError
from pkmodels.exact import compile_exactly
from pkmodels.fitting import worked_example
from pkmodels.fitting.coordinates import coordinates_of
from pkmodels.fitting.experiments import Experiment, alone
from pkmodels.fitting.objectives import (
    Objectives,
    hold_noise,
    objectives_of,
    parameter_target,
    quantity_target,
)
from pkmodels.fitting.observations import arrange
from pkmodels.fitting.profile_search import find_optimum, profile
from pkmodels.fitting.profiles import (
    FAILED,
    End,
    Objective,
    Profile,
    Target,
)
from pkmodels.models import organ_exchange
from pkmodels.nuclides import nuclide
from pkmodels.system import assemble
from pkmodels.values import Certainty, log_normal

THRESHOLD = float(chi2.ppf(0.95, 1)) / 2.0
LU177 = nuclide("Lu-177").decay_constant_per_h
Residuals = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def root(function: Callable[[float], float], low: float, high: float) -> float:
    found: Any = brentq(function, low, high)
    return float(found)


def bounds_of(found: Profile) -> np.ndarray:
    assert found.identifiable
    return np.array(found.interval, dtype=float)


def of_squares(residuals: Residuals, starts: np.ndarray) -> Objective:
    """Return half the sum of squares of residuals, with their Jacobian."""

    def slope(x: np.ndarray) -> tuple[float, np.ndarray]:
        r, jacobian = residuals(x)
        return 0.5 * float(r @ r), jacobian.T @ r

    def curvature(x: np.ndarray) -> np.ndarray:
        jacobian = residuals(x)[1]
        return jacobian.T @ jacobian

    return Objective(slope, curvature, starts, np.ones(starts.shape[1]), "a test")


def entry(place: int, size: int, reach: float = math.log(1000.0)) -> Target:
    gradient = np.eye(size)[place]
    return Target(f"x{place}", "", lambda x: (float(x[place]), gradient), float, reach)


def exponential(ln: np.ndarray, times: np.ndarray) -> np.ndarray:
    return np.exp(ln[0] - np.exp(ln[1]) * times)


TIMES = np.array([2.0, 10.0, 24.0, 48.0, 96.0])
NOISE = 0.05
SEEN = (
    100.0 * np.exp(-0.03 * TIMES) * (1.0 + NOISE * np.array([1, -1.2, 0.4, 0.9, -0.5]))
)


def of_exponential(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return residuals of y = exp(a - exp(b) t) with an sd of 5 % of 100."""
    curve, sd = exponential(x, TIMES), NOISE * 100.0
    rate = np.exp(x[1])
    return (SEEN - curve) / sd, -np.stack([curve, -rate * TIMES * curve], 1) / sd


def test_a_linear_model_has_the_interval_of_its_covariance() -> None:
    generator = np.random.default_rng(0)
    design = generator.standard_normal((12, 3)) @ np.diag([1.0, 3.0, 0.2])
    y = generator.standard_normal(12)
    linear = of_squares(lambda x: (y - design @ x, -design), np.zeros((1, 3)))
    covariance = np.linalg.inv(design.T @ design)
    best = covariance @ design.T @ y
    for place in range(3):
        found = profile(linear, entry(place, 3, reach=50.0), level=0.95)
        half = 1.959964 * math.sqrt(covariance[place, place])
        expected = best[place] + np.array([-half, half])
        np.testing.assert_allclose(
            bounds_of(found), expected, rtol=1e-3, atol=1e-3 * half
        )
        parabola = 0.5 * (found.values - best[place]) ** 2 / covariance[place, place]
        np.testing.assert_allclose(found.rises, parabola, atol=1e-5)


def test_a_linear_combination_has_the_interval_of_its_variance() -> None:
    design = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0], [1.0, 4.0]])
    y = np.array([0.3, 1.4, 1.9, 4.5])
    linear = of_squares(lambda x: (y - design @ x, -design), np.zeros((1, 2)))
    weight = np.array([1.0, 7.0])
    at_seven = Target("y(7)", "", lambda x: (float(weight @ x), weight), float, 100.0)
    covariance = np.linalg.inv(design.T @ design)
    centre = weight @ covariance @ design.T @ y
    half = 1.959964 * math.sqrt(weight @ covariance @ weight)
    found = profile(linear, at_seven, level=0.95)
    np.testing.assert_allclose(
        bounds_of(found), (centre - half, centre + half), rtol=2e-3
    )


def scipy_profile(ln_rate: float) -> float:
    """Return the least half sum of squares with the rate of the exponential held."""
    shape = np.exp(-np.exp(ln_rate) * TIMES)
    amplitude = shape @ SEEN / (shape @ shape)
    return 0.5 * float((((SEEN - amplitude * shape) / (NOISE * 100.0)) ** 2).sum())


def test_the_profile_of_an_exponential_is_that_of_scipy() -> None:
    found = profile(
        of_squares(of_exponential, np.array([[4.0, -4.0]])), entry(1, 2), level=0.95
    )
    best: Any = minimize_scalar(scipy_profile, bounds=(-5.0, -2.0), method="bounded")

    def rise(ln_rate: float) -> float:
        return scipy_profile(ln_rate) - best.fun - THRESHOLD

    bounds = [root(rise, best.x - 1.0, best.x), root(rise, best.x, best.x + 1.0)]
    np.testing.assert_allclose(bounds_of(found), bounds, atol=2e-4)
    assert found.estimate == pytest.approx(best.x, abs=1e-5)
    held = [scipy_profile(value) - best.fun for value in found.values]
    np.testing.assert_allclose(found.rises, held, atol=1e-5)


def test_the_profile_of_an_integral_is_that_of_held_fits() -> None:
    """A / l of the exponential: SciPy fits the rate with A = integral x rate."""

    def at(x: np.ndarray) -> tuple[float, np.ndarray]:
        return float(x[0] - x[1]), np.array([1.0, -1.0])

    integral = Target("TIA", "MBq h", at, lambda q: float(np.exp(q)), math.log(1e3))
    found = profile(
        of_squares(of_exponential, np.array([[4.0, -4.0]])), integral, level=0.95
    )

    def held(log_integral: float) -> float:
        best = least_squares(
            lambda b: of_exponential(np.array([log_integral + b[0], b[0]]))[0], [-3.5]
        )
        return best.cost

    free = least_squares(lambda x: of_exponential(x)[0], [4.6, -3.5]).cost
    for bound in found.interval:
        assert bound is not None
        assert held(math.log(bound)) - free == pytest.approx(THRESHOLD, rel=5e-3)


def only_product(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """y = k1 k2 exp(-k3 t), of whose k1 and k2 the product is seen (Raue et al.)."""
    curve = np.exp(x[0] + x[1] - np.exp(x[2]) * TIMES)
    slopes = np.stack([curve, curve, -np.exp(x[2]) * TIMES * curve], axis=1)
    sd = NOISE * 100.0
    return (SEEN - curve) / sd, -slopes / sd


def test_what_is_seen_only_as_a_product_is_open_on_both_sides() -> None:
    objective = of_squares(only_product, np.array([[2.0, 2.0, -3.5]]))
    for place in (0, 1):
        found = profile(objective, entry(place, 3), level=0.95)
        assert (found.lower.end, found.upper.end) == (End.OPEN, End.OPEN)
        assert found.interval == (None, None)
        assert found.rises.max() < 1e-6
        reached = found.values[[0, -1]] - found.estimate
        np.testing.assert_allclose(reached, [-math.log(1e3), math.log(1e3)], rtol=0.02)
        assert "not bounded below" in found.describe()
    # The other factor makes up for it all the way.
    np.testing.assert_allclose(np.ptp(found.points[:, :2].sum(axis=1)), 0.0, atol=1e-4)
    assert profile(objective, entry(2, 3), level=0.95).identifiable
    both = Target(
        "k1 k2",
        "",
        lambda x: (float(x[0] + x[1]), np.array([1.0, 1.0, 0.0])),
        lambda q: float(np.exp(q)),
        math.log(1e3),
    )
    assert profile(objective, both, level=0.95).identifiable


def test_a_rate_seen_too_late_is_bounded_on_one_side_only() -> None:
    """y = 1 - exp(-k t) at 5, 10 and 20: any fast k fits; the slow bound is closed."""
    times, y, sd = np.array([5.0, 10.0, 20.0]), np.ones(3), 0.1

    def residuals(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        left = np.exp(-np.exp(x[0]) * times)
        return (y - 1.0 + left) / sd, -(np.exp(x[0]) * times * left)[:, None] / sd

    found = profile(of_squares(residuals, np.array([[1.0]])), entry(0, 1), level=0.95)

    def rise(ln_rate: float) -> float:
        r = residuals(np.array([ln_rate]))[0]
        return 0.5 * float(r @ r) - THRESHOLD

    assert found.upper.end is End.OPEN
    assert found.upper.bound is None
    assert found.lower.end is End.CLOSED
    assert found.lower.bound == pytest.approx(root(rise, -6.0, 0.0), abs=2e-3)
    words = found.describe()
    assert "bounded below by" in words
    assert "not bounded above" in words


def test_where_the_model_cannot_be_solved_the_side_is_unknown() -> None:
    def slope(x: np.ndarray) -> tuple[float, np.ndarray]:
        return (FAILED, np.zeros(1)) if x[0] > 0.5 else (0.5 * float(x @ x), x)

    wall = Objective(slope, lambda x: np.eye(1), np.zeros((1, 1)), np.ones(1), "a wall")
    found = profile(wall, entry(0, 1), level=0.95)
    assert found.upper.end is End.UNSOLVED
    assert 0.4 < found.upper.reached <= 0.5
    assert found.lower.bound == pytest.approx(-1.96, abs=0.01)
    assert "could not be fitted beyond" in found.describe()
    nowhere = Objective(
        lambda x: (FAILED, np.zeros(1)), wall.curvature, wall.starts, wall.scale, "it"
    )
    with pytest.raises(SolveError, match="finite at none"):
        find_optimum(nowhere)


def test_a_profile_that_finds_a_better_fit_starts_again_from_it() -> None:
    """Two valleys, at -2 (depth 1) and 1 (depth 3): it begins in the shallow one."""

    def slope(x: np.ndarray) -> tuple[float, np.ndarray]:
        depths, places = np.array([1.0, 3.0]), np.array([-2.0, 1.0])
        bells = depths * np.exp(-0.5 * (x[0] - places) ** 2 / 0.25)
        change = (bells * (x[0] - places) / 0.25).sum()
        return float(-bells.sum()) + 0.01 * x[0] ** 2, np.array([change + 0.02 * x[0]])

    valleys = Objective(
        slope, lambda x: np.eye(1), np.array([[-2.0]]), np.ones(1), "valleys"
    )
    found = profile(valleys, entry(0, 1, reach=4.0), level=0.95)
    assert found.estimate == pytest.approx(1.0, abs=0.02)


def two_wells(deeper: float) -> Objective:
    """-ln of two unit normals at 0 and 6, the second `deeper` by so many nats."""

    def slope(x: np.ndarray) -> tuple[float, np.ndarray]:
        logs = np.array([-0.5 * x[0] ** 2, deeper - 0.5 * (x[0] - 6.0) ** 2])
        shares = np.exp(logs - np.logaddexp(*logs))
        return -float(np.logaddexp(*logs)), shares @ (x[0] - np.array([[0.0], [6.0]]))

    return Objective(slope, lambda x: np.eye(1), np.zeros((1, 1)), np.ones(1), "wells")


def test_another_well_beyond_the_threshold_leaves_the_side_open() -> None:
    """It was "-1.96 to 1.96, identifiable"."""
    found = profile(two_wells(0.0), entry(0, 1, reach=12.0), level=0.95)
    assert found.upper.end is End.AGAIN
    assert not found.identifiable
    assert found.interval[1] is None
    assert found.upper.reached == pytest.approx(6.0, abs=1.96)
    assert "fits as well again" in found.describe()
    assert found.lower.bound == pytest.approx(-1.96, abs=0.01)


def test_what_could_not_be_solved_beyond_the_threshold_is_told() -> None:
    """The second well lies where nothing can be solved: it is not denied."""
    wells = two_wells(0.0)

    def slope(x: np.ndarray) -> tuple[float, np.ndarray]:
        return (np.inf, np.zeros(1)) if x[0] > 2.6 else wells.slope(x)

    found = profile(replace(wells, slope=slope), entry(0, 1, reach=12.0), level=0.95)
    assert found.upper.end is End.CLOSED
    assert found.upper.bound == pytest.approx(1.96, abs=0.02)
    assert found.upper.unseen is not None
    assert 1.9 < found.upper.unseen < 2.7
    assert "nothing is known beyond" in found.describe()
    assert found.lower.unseen is None


def test_a_deeper_well_beyond_the_threshold_is_the_optimum() -> None:
    found = profile(two_wells(3.0), entry(0, 1, reach=12.0), level=0.95)
    assert found.estimate == pytest.approx(6.0, abs=0.01)
    np.testing.assert_allclose(
        bounds_of(found), 6.0 + np.array([-1.96, 1.96]), atol=0.02
    )


def test_an_optimization_that_did_not_end_is_no_optimum() -> None:
    """Its slope says that it could go down for ever."""
    slide = Objective(
        lambda x: (float(-x[0]), -np.ones(1)),
        lambda x: np.zeros((1, 1)),
        np.zeros((1, 1)),
        np.ones(1),
        "a slide",
    )
    with pytest.raises(SolveError, match="ends at an optimum"):
        find_optimum(slide)


def test_the_level_is_a_probability() -> None:
    bowl = of_squares(of_exponential, np.array([[4.0, -4.0]]))
    with pytest.raises(InputError, match="level is 95"):
        profile(bowl, entry(0, 2), level=95.0)


def worked_energy(log_half_life: float, *, with_prior: bool) -> float:
    """Return the energy of the worked example, least over the noise, typed anew.

    On ln of the half-life and of the noise, as PyMC has it; noise half-normal(0.1).
    """
    times, values = np.array([24.0, 72.0, 120.0]), np.log([70.0, 35.0, 16.0])
    rate = math.log(2.0) / math.exp(log_half_life) + LU177
    squares = float(((values - math.log(100.0) + rate * times) ** 2).sum())

    def energy(log_noise: float) -> float:
        noise = math.exp(log_noise)
        variance = noise**2 + 0.01**2
        likelihood = 1.5 * math.log(variance) + 0.5 * squares / variance
        return likelihood + 0.5 * (noise / 0.1) ** 2 - log_noise

    found: Any = minimize_scalar(
        energy, bounds=(-8.0, 1.0), method="bounded", options={"xatol": 1e-9}
    )
    prior = 0.5 * (log_half_life - math.log(60.0)) ** 2 if with_prior else 0.0
    return float(found.fun) + prior


@pytest.fixture(scope="module")
def both() -> Objectives:
    return objectives_of(worked_example.posterior(), seed=0)


@pytest.fixture(scope="module")
def of_example(both: Objectives) -> dict[bool, Profile]:
    posterior = worked_example.posterior()
    target = parameter_target(posterior, "half_life")
    return {
        True: profile(both.posterior, target, level=0.95),
        False: profile(both.likelihood, target, level=0.95),
    }


@pytest.mark.parametrize("with_prior", [True, False])
def test_a_posterior_and_its_likelihood_have_the_profile_of_scipy(
    of_example: dict[bool, Profile], with_prior: bool
) -> None:
    found = of_example[with_prior]
    best: Any = minimize_scalar(
        lambda x: worked_energy(x, with_prior=with_prior),
        bounds=(3.0, 5.0),
        method="bounded",
        options={"xatol": 1e-9},
    )

    def rise(x: float) -> float:
        return worked_energy(x, with_prior=with_prior) - best.fun - THRESHOLD

    bounds = np.exp(
        [root(rise, best.x - 1.5, best.x), root(rise, best.x, best.x + 1.5)]
    )
    assert found.estimate == pytest.approx(math.exp(best.x), rel=1e-4)
    np.testing.assert_allclose(bounds_of(found), bounds, rtol=1e-3)


def test_a_derived_quantity_has_the_profile_of_what_it_follows_from(
    of_example: dict[bool, Profile], both: Objectives
) -> None:
    """The TIA of an organ that held all of 100 MBq: 100 / (ln 2 / h + decay)."""
    posterior = worked_example.posterior()

    def integral(parameters: np.ndarray, _: dict[str, np.ndarray]) -> np.ndarray:
        return 100.0 / (np.log(2.0) / parameters[:, 0] + LU177)

    target = quantity_target(posterior, "TIA", "MBq h", integral)
    found = profile(both.likelihood, target, level=0.95)
    for bound, half_life in zip(
        bounds_of(found), of_example[False].interval, strict=True
    ):
        assert half_life is not None
        expected = 100.0 / (math.log(2.0) / half_life + LU177)
        assert bound == pytest.approx(expected, rel=1e-3)
    wrong = quantity_target(posterior, "nothing", "", lambda p, _: 0.0 * p[:, 0])
    with pytest.raises(InputError, match="one number above 0 for each"):
        wrong.at(np.zeros(2))


def test_unknown_parameters_are_named() -> None:
    with pytest.raises(InputError, match="did you mean 'half_life'"):
        parameter_target(worked_example.posterior(), "half_lif")


def test_an_uptake_fraction_is_held_as_the_fraction_that_it_is() -> None:
    """f_i = o_i / (1 + sum o); its slopes by differences."""
    organs = {"kidney": "kidney", "liver": "liver"}
    example = worked_example.posterior()
    [scan] = example.experiments[0].measurements[:1]
    given = example.experiments[0].schedule
    compiled = compile_exactly(
        assemble(organ_exchange.model(tuple(organs)), given.form)
    )
    scans = tuple(replace(scan, region=name) for name in organs)
    only = Experiment("therapy", compiled, given, scans)
    posterior = replace(
        example,
        experiments=(only,),
        table=alone(only, organ_exchange.priors("dotatate", organs)),
        observations=arrange([only], []),
        masses={"kidney": log_normal(300.0, 0.1, "g", "typed", Certainty.STATED)},
    )
    keys = [c.key for c in coordinates_of(posterior)]
    x = np.linspace(-2.0, 0.5, len(keys))
    target = parameter_target(posterior, "fraction_liver")
    odds = {name: math.exp(x[keys.index(f"fraction_{name}")]) for name in organs}
    q, gradient = target.at(x)
    assert math.exp(q) == pytest.approx(odds["liver"] / (1.0 + sum(odds.values())))
    step = 1e-6 * np.eye(x.size)
    slopes = [(target.at(x + d)[0] - target.at(x - d)[0]) / 2e-6 for d in step]
    np.testing.assert_allclose(gradient, slopes, atol=1e-8)
    # The fraction over the mass, as a concentration would have it.
    place = list(compiled.parameters).index("fraction_liver")
    per_gram = quantity_target(
        posterior, "", "1/g", lambda p, masses: p[:, place] / masses["kidney"]
    )
    expected = gradient.copy()
    expected[keys.index("mass[kidney]")] = -1.0
    found, by_difference = per_gram.at(x)
    mass = math.exp(x[keys.index("mass[kidney]")])
    assert math.exp(found) == pytest.approx(math.exp(q) / mass, rel=1e-9)
    np.testing.assert_allclose(by_difference, expected, atol=1e-5)


def test_with_the_noise_held_only_the_residuals_count(both: Objectives) -> None:
    """Half the squares of the residuals over a known variance, typed anew."""
    posterior, noise = worked_example.posterior(), 0.08
    held = hold_noise(both.likelihood, posterior, np.log([50.0, noise]))
    target = parameter_target(posterior, "half_life")
    found = profile(held, target, level=0.95)
    times, values = np.array([24.0, 72.0, 120.0]), np.log([70.0, 35.0, 16.0])

    def energy(log_half_life: float) -> float:
        rate = math.log(2.0) / math.exp(log_half_life) + LU177
        squares = float(((values - math.log(100.0) + rate * times) ** 2).sum())
        return 0.5 * squares / (noise**2 + 0.01**2)

    best: Any = minimize_scalar(energy, bounds=(3.0, 5.0), method="bounded")

    def rise(x: float) -> float:
        return energy(x) - float(best.fun) - THRESHOLD

    bounds = np.exp(
        [root(rise, best.x - 1.0, best.x), root(rise, best.x, best.x + 1.0)]
    )
    np.testing.assert_allclose(bounds_of(found), bounds, rtol=1e-3)
    np.testing.assert_allclose(np.exp(found.points[:, 1]), noise, rtol=1e-6)
