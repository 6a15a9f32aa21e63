"""Compiled systems: curves and time integrals against scipy and closed forms."""

import math
from dataclasses import replace
from functools import cache
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

from pkmodels.administrations import Administration
from pkmodels.definition import Model
from pkmodels.errors import InputError, ModelError
from pkmodels.exact import Doses, ExactSystem, compile_exactly, doses_of
from pkmodels.models import organ_exchange
from pkmodels.nuclides import nuclide
from pkmodels.reactions import flow
from pkmodels.schedule import Schedule, ScheduleForm
from pkmodels.symbols import amounts, parameters
from pkmodels.system import assemble
from pkmodels.trajectory import simulate

pytestmark = pytest.mark.usefixtures("strict_dtypes")

LN2 = math.log(2.0)
FORM = ScheduleForm((("ligand", "intravenous"),), infusions=True)

# A bolus, an infusion that overlaps a second bolus, and a late infusion.
STARTS, LENGTHS = np.array([0.0, 24.0, 25.0, 72.0]), np.array([0.0, 4.0, 0.0, 0.5])
ACTIVITIES = np.array([7400.0, 3000.0, 500.0, 1000.0])
TIMES = np.array([-1.0, 0.0, 0.5, 4.0, 24.0, 24.5, 25.0, 27.0, 28.0, 72.2, 72.5, 200.0])


def organs_from_blood() -> Model:
    return organ_exchange.model(("kidney", "liver"))


def chain() -> Model:
    """Plasma fills tissue, tissue fills an organ, which empties into urine."""
    plasma, tissue, organ = amounts("plasma tissue organ", unit="nmol")
    into, onward, lost, out = parameters("into onward lost out", unit="1/h")
    return Model(
        "chain",
        (
            flow("in", plasma, tissue, into * plasma),
            flow("on", tissue, organ, onward * tissue),
            flow("lost", plasma, None, lost * plasma),
            flow("out", organ, None, out * organ),
        ),
        {"intravenous": plasma},
        {"tissue": tissue, "organ": organ},
    )


def loop() -> Model:
    """Plasma exchanges with two tissues that exchange with each other."""
    plasma, near, far, urine = amounts("plasma near far urine", unit="nmol")
    a, b, c, d, e, f = parameters("a b c d e f", unit="1/h")
    return Model(
        "loop",
        (
            flow("out", plasma, near, a * plasma),
            flow("back", near, plasma, b * near),
            flow("further", near, far, c * near),
            flow("nearer", far, near, d * far),
            flow("round", far, plasma, e * far),
            flow("excretion", plasma, urine, f * plasma),
        ),
        {"intravenous": plasma},
        {"body": plasma + near + far, "urine": urine},
    )


# Each model with its parameters and the kernel that it needs.
PROBLEMS = {
    "organs": (organs_from_blood, [1.0, 0.02, 60.0, 0.1, 114.0], "one-step cascade"),
    "equal": (organs_from_blood, [5.0, 0.2, 5.0, 0.1, 1e9], "one-step cascade"),
    "chain": (chain, [0.7, 0.2, 0.5, 0.02], "matrix exponential"),
    "loop": (loop, [1.5, 0.4, 0.1, 0.05, 0.02, 0.3], "matrix exponential"),
}


@cache
def compiled(name: str) -> ExactSystem:
    return compile_exactly(assemble(PROBLEMS[name][0](), FORM))


@cache
def solver(name: str):
    return jax.jit(compiled(name).solve)


def values(name: str) -> np.ndarray:
    return np.array(PROBLEMS[name][1])


def given(label: str | None, *, only: int | slice = slice(None)) -> Doses:
    decay = 0.0 if label is None else nuclide(label).decay_constant_per_h
    return Doses(
        np.atleast_1d(STARTS[only]),
        np.atleast_1d(LENGTHS[only]),
        np.atleast_1d(ACTIVITIES[only]),
        np.float64(decay),
    )


def matrix(name: str) -> np.ndarray:
    """Return M in numbers, straight from the symbols."""
    system = compiled(name).system
    assert system.matrix is not None
    numbers = dict(zip(system.parameters, values(name), strict=True))
    return np.array(system.matrix.subs(numbers).evalf(17).tolist(), dtype=float)


def integrated(name: str, doses: Doses, times: np.ndarray) -> np.ndarray:
    """Solve dx/dt = (M - lambda) x + input by an explicit method, event by event."""
    root = compiled(name).system.amounts.index(
        compiled(name).system.routes[0][2].amount
    )
    decay = float(doses.decay_constant_per_h)
    rates = matrix(name) - decay * np.eye(len(matrix(name)))
    events = {0.0, *doses.start_h, *(doses.start_h + doses.length_h)}
    edges = sorted({*events, *times[times >= 0.0]})
    state, found = np.zeros(len(rates)), {}
    for begin, end in zip(edges, [*edges[1:], edges[-1]], strict=True):
        boluses = (doses.start_h == begin) & (doses.length_h == 0.0)
        state = state + doses.activity[boluses].sum() * np.eye(len(rates))[root]
        found[begin] = state
        running = (doses.start_h <= begin) & (begin < doses.start_h + doses.length_h)
        speed = doses.activity[running] / doses.length_h[running]
        origin = doses.start_h[running]

        def slope(t, x, speed=speed, origin=origin):
            infused = np.sum(speed * np.exp(-decay * (t - origin)))
            return rates @ x + infused * np.eye(len(x))[root]

        if end > begin:
            state = solve_ivp(
                slope, (begin, end), state, method="DOP853", rtol=1e-12, atol=1e-12
            ).y[:, -1]
    return np.array([found[t] if t >= 0.0 else 0.0 * state for t in times])


@pytest.mark.parametrize("name", PROBLEMS)
def test_kernel_is_the_fastest_that_fits(name: str) -> None:
    assert compiled(name).kernel == PROBLEMS[name][2]


@pytest.mark.parametrize("label", ["Lu-177", "Ga-68", None])
@pytest.mark.parametrize("name", PROBLEMS)
def test_curves_are_those_of_an_explicit_solver(name: str, label: str | None) -> None:
    """Before, at, during and after boluses and infusions; the syringe decays too."""
    doses = given(label)
    found = solver(name)(values(name), doses, TIMES)
    expected = integrated(name, doses, TIMES)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-8)


@pytest.mark.parametrize("name", ["organs", "chain"])
def test_compilation_and_batching_change_nothing(name: str) -> None:
    doses, one = given("Lu-177"), values(name)
    plain = compiled(name).solve(one, doses, TIMES)
    np.testing.assert_allclose(solver(name)(one, doses, TIMES), plain, rtol=1e-12)
    many = one * np.linspace(0.8, 1.2, 3)[:, None]
    together = jax.jit(jax.vmap(compiled(name).solve, in_axes=(0, None, None)))
    batch = together(many, doses, TIMES)
    for row, single in zip(batch, many, strict=True):
        looped = solver(name)(single, doses, TIMES)
        np.testing.assert_allclose(row, looped, rtol=1e-12)


@pytest.mark.parametrize("name", PROBLEMS)
def test_slopes_are_those_of_finite_differences(name: str) -> None:
    """Fourth-order differences; a half-life of 1e9 h is varied by its own size."""
    doses, one = given("Y-90"), values(name)

    def curve(logs):
        return solver(name)(jnp.exp(logs), doses, TIMES)

    found = np.asarray(jax.jacfwd(curve)(np.log(one)))
    for i, direction in enumerate(np.eye(len(one))):
        far, near = (
            [np.asarray(curve(np.log(one) + s * h * direction)) for s in (1.0, -1.0)]
            for h in (2e-3, 1e-3)
        )
        expected = (8.0 * (near[0] - near[1]) - (far[0] - far[1])) / 12e-3
        np.testing.assert_allclose(found[..., i], expected, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("label", ["Lu-177", "Ga-68"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_time_integrals_are_the_area_under_the_curve(name: str, label: str) -> None:
    doses, parameters_ = given(label), values(name)
    total = np.asarray(compiled(name).integrate(parameters_, doses))
    after = np.asarray(compiled(name).integrate_after(parameters_, doses, 100.0))
    edges = np.array([0.0, 1.0, 4.0, 12.0, 24.0, 25.0, 28.0, 40.0, 72.0, 72.5, 85.0])
    edges = np.concatenate(
        [edges, [100.0, 130.0, 200.0, 400.0, 1000.0, 3000.0, 8000.0]]
    )
    nodes, weights = np.polynomial.legendre.leggauss(40)
    areas = []
    for begin, end in pairwise(edges):
        half = (end - begin) / 2.0
        curve = solver(name)(parameters_, doses, begin + half * (nodes + 1.0))
        areas.append(half * weights @ np.asarray(curve))
    np.testing.assert_allclose(total, np.sum(areas, axis=0), rtol=1e-10)
    tail = np.sum(areas[11:], axis=0)
    np.testing.assert_allclose(after, tail, rtol=1e-9, atol=1e-12 * total.max())


def test_area_under_an_infused_curve_by_adaptive_quadrature() -> None:
    """scipy's quadrature of the activity in blood, with its own equation."""
    doses, k = given("Lu-177", only=1), LN2
    decay, length = float(doses.decay_constant_per_h), 4.0

    def blood(t: float) -> float:
        shared = math.exp(-decay * t) * ACTIVITIES[1] / (k * length)
        return shared * (math.exp(-k * max(t - length, 0.0)) - math.exp(-k * t))

    area = sum(quad(blood, a, b, epsabs=0)[0] for a, b in [(0, 4), (4, 50), (50, 500)])
    found = compiled("organs").integrate(values("organs"), doses)[0]
    assert float(found) == pytest.approx(area, rel=1e-10)


@pytest.mark.parametrize("label", ["Lu-177", "Y-90"])
def test_organ_integral_after_a_bolus_is_batemans(label: str) -> None:
    """f k A / ((k + lambda) (w + lambda))."""
    k, w, decay = LN2, LN2 / 60.0, nuclide(label).decay_constant_per_h
    expected = 0.02 * k * ACTIVITIES[0] / ((k + decay) * (w + decay))
    found = compiled("organs").integrate(values("organs"), given(label, only=0))[1]
    assert float(found) == pytest.approx(expected, rel=1e-13)


def test_an_infused_syringe_delivers_what_has_not_yet_decayed() -> None:
    """Over d hours (1 - exp(-lambda d)) / (lambda d) of its activity at the start."""
    decay = nuclide("Ga-68").decay_constant_per_h
    bolus = Doses(np.zeros(1), np.zeros(1), np.ones(1), np.float64(decay))
    infused = bolus._replace(length_h=np.array([2.0]))
    share = (1.0 - math.exp(-2.0 * decay)) / (2.0 * decay)
    for name in PROBLEMS:
        one, other = (
            compiled(name).integrate(values(name), d) for d in (infused, bolus)
        )
        np.testing.assert_allclose(one, share * np.asarray(other), rtol=1e-13)


@pytest.mark.parametrize("name", ["organs", "loop"])
def test_doses_add_and_only_their_age_counts(name: str) -> None:
    solve = solver(name)
    whole = solve(values(name), given("Lu-177"), TIMES)
    each = [solve(values(name), given("Lu-177", only=i), TIMES) for i in range(4)]
    np.testing.assert_allclose(whole, sum(each), rtol=1e-12, atol=1e-12)
    late = given("Lu-177", only=3)
    early = solve(values(name), late._replace(start_h=np.zeros(1)), TIMES - 72.0)
    np.testing.assert_allclose(each[3], early, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["organs", "chain"])
def test_a_reading_at_a_dose_but_for_rounding_is_after_it(name: str) -> None:
    """Also its slopes: -(M - lambda) x by the time of a bolus, no share of its jump."""
    decay, dose = nuclide("Ga-68").decay_constant_per_h, np.eye(len(matrix(name)))[0]
    root = compiled(name).system.routes[0][2].amount
    assert compiled(name).system.amounts.index(root) == 0
    start, slope = 0.1 + 0.2, (matrix(name) - decay * np.eye(len(dose))) @ dose

    @jax.jit
    def curve(start, times, length):
        doses = Doses(start[None], length[None], np.ones(1), np.float64(decay))
        return solver(name)(values(name), doses, times)

    slopes = jax.jit(jax.jacfwd(curve, argnums=(0, 1, 2)))
    times = np.array([0.3, 0.3 - 1e-9, 0.3 + 5e-13])
    for length in (0.0, 5e-13):
        given_ = (np.float64(start), times, np.float64(length))
        found = np.asarray(curve(*given_))
        np.testing.assert_allclose(found[[0, 2]], [dose, dose], atol=1e-12, rtol=0.0)
        np.testing.assert_array_equal(found[1], 0.0)
        moved, read, longer = slopes(*given_)
        np.testing.assert_allclose(moved[0], -slope, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(read[0, :, 0], slope, rtol=1e-12, atol=1e-13)
        np.testing.assert_array_equal(np.asarray(moved)[1], 0.0)
        np.testing.assert_array_equal(np.asarray(longer), 0.0)
    moved, _, _ = slopes(np.float64(start), times, np.float64(2.0))
    np.testing.assert_allclose(moved[0], -dose / 2.0, rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize("name", ["organs", "chain"])
def test_a_reading_at_the_end_of_an_infusion_has_the_slope_just_after(name) -> None:
    """0.1 h + 0.2 h is not 0.3 h; the speed after it is (M - lambda) x."""
    doses = given("Ga-68", only=1)._replace(start_h=np.array([0.1]))
    doses = doses._replace(length_h=np.array([0.2]))
    decay = float(doses.decay_constant_per_h)

    def curve(time):
        return solver(name)(values(name), doses, time[None])[0]

    for time in (0.3, 0.1 + 0.2):
        x, speed = jax.jvp(curve, (np.float64(time),), (np.float64(1.0),))
        expected = matrix(name) @ np.asarray(x) - decay * np.asarray(x)
        np.testing.assert_allclose(speed, expected, rtol=1e-9)


@pytest.mark.parametrize("name", ["organs", "chain"])
def test_a_length_that_is_none_gives_nan(name: str) -> None:
    """A negative one, and any in a system that was assembled for boluses only."""
    boluses = compile_exactly(
        assemble(PROBLEMS[name][0](), replace(FORM, infusions=False))
    )
    dose = given("Lu-177", only=0)
    for system, length in ((compiled(name), -1.0), (boluses, 0.5)):
        wrong = dose._replace(length_h=np.array([length]))
        assert np.isnan(system.solve(values(name), wrong, TIMES[3:])).all()
        assert np.isnan(system.integrate(values(name), wrong)).all()
        assert np.isfinite(system.solve(values(name), dose, TIMES)).all()


def test_nothing_is_lost_where_nothing_decays() -> None:
    """All that was given is in the body or the urine at every time."""
    found = np.asarray(solver("loop")(values("loop"), given(None), TIMES))
    delivered = np.clip(TIMES[:, None] - STARTS, 0.0, LENGTHS) / np.where(
        LENGTHS, LENGTHS, 1
    )
    delivered = np.where(LENGTHS > 0.0, delivered, TIMES[:, None] >= STARTS)
    np.testing.assert_allclose(found.sum(axis=1), delivered @ ACTIVITIES, rtol=1e-11)


def test_all_that_enters_the_organs_model_leaves_it() -> None:
    """Eliminated and washed out, rate times time integral, make up the dose."""
    half_time, f1, b1, f2, b2 = values("organs")
    blood, kidney, liver = compiled("organs").integrate(values("organs"), given(None))
    lost = LN2 * ((1.0 - f1 - f2) * blood / half_time + kidney / b1 + liver / b2)
    assert float(lost) == pytest.approx(ACTIVITIES.sum(), rel=1e-13)


@pytest.mark.parametrize("name", ["organs", "loop"])
def test_another_label_decays_differently_and_changes_nothing_else(name: str) -> None:
    lutetium, yttrium = given("Lu-177", only=0), given("Y-90", only=0)
    faster = yttrium.decay_constant_per_h - lutetium.decay_constant_per_h
    one, other = (solver(name)(values(name), d, TIMES) for d in (lutetium, yttrium))
    expected = np.asarray(one) * np.exp(-faster * np.maximum(TIMES, 0.0))[:, None]
    np.testing.assert_allclose(other, expected, rtol=1e-12)


def test_observables_are_sums_of_amounts() -> None:
    observe = compiled("loop").observe(values("loop"))
    np.testing.assert_array_equal(observe, [[1, 1, 1, 0], [0, 0, 0, 1]])


def test_what_is_not_linear_is_refused_before_any_solve() -> None:
    (plasma,) = amounts("plasma", unit="nmol")
    (rate,), (half,) = parameters("rate", unit="nmol/h"), parameters("h", unit="nmol")
    binding = flow("uptake", plasma, None, rate * plasma / (half + plasma))
    model = Model("uptake", (binding,), {"intravenous": plasma}, {"plasma": plasma})
    with pytest.raises(ModelError, match="'uptake' has no exact solution: it is not l"):
        compile_exactly(assemble(model, replace(FORM, amounts_known=True)))


def test_doses_are_of_one_label() -> None:
    lutetium = Administration(0.0, 0.5, "dotatate", "Lu-177", 7400.0)
    yttrium = Administration(48.0, 0.0, "dotatate", "Y-90", 1000.0)
    both = Schedule((lutetium, yttrium))
    with pytest.raises(InputError, match=r"has Lu-177, Y-90: use Schedule\.of_label"):
        doses_of(both)
    with pytest.raises(InputError, match="the schedule has no administration"):
        doses_of(Schedule(()))
    doses = doses_of(both.of_label("Y-90"))
    assert [float(f[0]) for f in doses[:3]] == [48.0, 0.0, 1000.0]
    assert doses.decay_constant_per_h == nuclide("Y-90").decay_constant_per_h


def simulated(**parameters_: float):
    schedule = Schedule((Administration(0.0, 0.0, "dotatate", "Lu-177", 100.0),))
    return simulate(
        compiled("chain").system, parameters_, schedule, np.array([0.0, 24.0])
    )


def test_a_simulation_names_its_observables() -> None:
    found = simulated(into=0.7, onward=0.2, lost=0.5, out=0.02)
    assert set(found.observables) == set(found.time_integrals) == {"tissue", "organ"}
    doses = Doses(
        np.zeros(1), np.zeros(1), np.array([100.0]), np.float64(LN2 / 159.528)
    )
    area = compiled("chain").integrate(np.array([0.7, 0.2, 0.5, 0.02]), doses)
    assert found.time_integrals["organ"] == pytest.approx(float(area[2]), rel=1e-12)


def test_a_simulation_says_which_parameter_is_wrong() -> None:
    with pytest.raises(InputError, match="no parameter 'intoo': did you mean 'into'"):
        simulated(intoo=0.7, onward=0.2, lost=0.5, out=0.02)
    with pytest.raises(InputError, match="parameter 'out' has no value: give each of"):
        simulated(into=0.7, onward=0.2, lost=0.5)
    with pytest.raises(InputError, match="parameter 'into' is inf; it must be >= 0"):
        simulated(into=math.inf, onward=0.2, lost=0.5, out=0.02)
