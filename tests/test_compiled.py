"""Compiled systems: curves and time integrals against scipy and published numbers."""

import math
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference_tables import rows
from scipy.integrate import quad, solve_ivp

from pkmodels.compiled import CompiledSystem, Doses, compile_system, doses_of
from pkmodels.definition import Model
from pkmodels.errors import InputError, ModelError, SolveError
from pkmodels.models import organ_exchange
from pkmodels.nuclides import nuclide
from pkmodels.reactions import flow
from pkmodels.schedule import Administration, Schedule, ScheduleForm
from pkmodels.symbols import Amount, amounts, parameters
from pkmodels.system import assemble
from pkmodels.trajectory import simulate

pytestmark = pytest.mark.usefixtures("strict_dtypes")

LN2 = math.log(2.0)
FORM = ScheduleForm("ligand", "intravenous", infusions=True)

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
def compiled(name: str) -> CompiledSystem:
    return compile_system(assemble(PROBLEMS[name][0](), FORM))


@cache
def solver(name: str):
    return jax.jit(compiled(name).solve)


def values(name: str) -> np.ndarray:
    return np.array(PROBLEMS[name][1])


def given(label: str | None, *, only: int | slice = slice(None)) -> Doses:
    decay = 0.0 if label is None else nuclide(label).decay_constant_per_h
    fields = (np.atleast_1d(a[only]) for a in (STARTS, LENGTHS, ACTIVITIES))
    return Doses(*fields, np.float64(decay))


def matrix(name: str) -> np.ndarray:
    """Return M in numbers, straight from the symbols."""
    system = compiled(name).system
    assert system.matrix is not None
    numbers = dict(zip(system.parameters, values(name), strict=True))
    return np.array(system.matrix.subs(numbers).evalf(17).tolist(), dtype=float)


def integrated(name: str, doses: Doses, times: np.ndarray) -> np.ndarray:
    """Solve dx/dt = (M - lambda) x + input by an explicit method, event by event."""
    root = compiled(name).system.amounts.index(compiled(name).system.route)
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


@pytest.mark.parametrize("name", PROBLEMS)
def test_compilation_and_batching_change_nothing(name: str) -> None:
    doses, one = given("Lu-177"), values(name)
    many = one * np.linspace(0.8, 1.2, 3)[:, None]
    plain = compiled(name).solve(one, doses, TIMES)
    np.testing.assert_allclose(solver(name)(one, doses, TIMES), plain, rtol=1e-12)
    batch = jax.vmap(compiled(name).solve, in_axes=(0, None, None))(many, doses, TIMES)
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
    for begin, end in zip(edges, edges[1:], strict=False):
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


def test_doses_add_and_only_their_age_counts() -> None:
    for name in PROBLEMS:
        whole = solver(name)(values(name), given("Lu-177"), TIMES)
        parts = [
            solver(name)(values(name), given("Lu-177", only=i), TIMES) for i in range(4)
        ]
        np.testing.assert_allclose(whole, sum(parts), rtol=1e-12, atol=1e-12)
        late = given("Lu-177", only=3)
        early = late._replace(start_h=np.zeros(1))
        np.testing.assert_allclose(
            solver(name)(values(name), late, TIMES),
            solver(name)(values(name), early, TIMES - 72.0),
            rtol=1e-12,
            atol=1e-12,
        )


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


def test_another_label_on_the_same_ligand_decays_differently_and_no_more() -> None:
    lutetium, yttrium = given("Lu-177", only=0), given("Y-90", only=0)
    faster = yttrium.decay_constant_per_h - lutetium.decay_constant_per_h
    times = TIMES[TIMES >= 0.0]
    for name in PROBLEMS:
        one, other = (solver(name)(values(name), d, times) for d in (lutetium, yttrium))
        expected = np.asarray(one) * np.exp(-faster * times)[:, None]
        np.testing.assert_allclose(other, expected, rtol=1e-12)


def test_observables_are_sums_of_amounts() -> None:
    observe = compiled("loop").observe(values("loop"))
    np.testing.assert_array_equal(observe, [[1, 1, 1, 0], [0, 0, 0, 1]])


def test_what_is_not_linear_is_refused_before_any_solve() -> None:
    plasma, receptor = amounts("plasma receptor", unit="nmol")
    (on,) = parameters("on", unit="1/(nmol h)")
    binding = flow("binding", plasma, None, on * plasma * receptor)
    model = Model("binding", (binding,), {"intravenous": plasma}, {"plasma": plasma})
    with pytest.raises(ModelError, match="'binding' is not linear and homogeneous"):
        compile_system(assemble(model, FORM))


def test_doses_are_of_one_label() -> None:
    lutetium = Administration(0.0, 0.5, "dotatate", "Lu-177", 7400.0)
    yttrium = Administration(48.0, 0.0, "dotatate", "Y-90", 1000.0)
    both = Schedule((lutetium, yttrium))
    with pytest.raises(InputError, match="has Lu-177, Y-90: use Schedule.of_label"):
        doses_of(both)
    with pytest.raises(InputError, match="the schedule has no administration"):
        doses_of(Schedule(()))
    doses = doses_of(both.of_label("Y-90"))
    assert [float(f[0]) for f in doses[:3]] == [48.0, 0.0, 1000.0]
    assert doses.decay_constant_per_h == nuclide("Y-90").decay_constant_per_h


def simulated(**parameters_: float):
    schedule = Schedule((Administration(0.0, 0.0, "dotatate", "Lu-177", 100.0),))
    return simulate(compiled("chain"), parameters_, schedule, np.array([0.0, 24.0]))


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
    with pytest.raises(InputError, match="parameter 'out' has no value: give all of"):
        simulated(into=0.7, onward=0.2, lost=0.5)
    with pytest.raises(SolveError, match="'chain' is not finite at .*inf.*: check the"):
        simulated(into=math.inf, onward=0.2, lost=0.5, out=0.02)


@cache
def one_organ() -> CompiledSystem:
    """An organ that holds the whole dose at once and releases it at a rate."""
    organ, (rate,) = Amount("organ", "nmol"), parameters("rate", unit="1/h")
    release = flow("release", organ, None, rate * organ)
    model = Model("one organ", (release,), {"intravenous": organ}, {"organ": organ})
    return compile_system(assemble(model, FORM))


def organ_integral(rate, label: str, activity=1.0):
    decay = np.float64(nuclide(label).decay_constant_per_h)
    doses = Doses(np.zeros(1), np.zeros(1), jnp.reshape(activity, (1,)), decay)
    return one_organ().integrate(jnp.reshape(rate, (1,)), doses)[0]


@pytest.mark.reference
@pytest.mark.parametrize(
    "row", rows("lu177_patient4_published_fit"), ids=lambda r: r["organ"]
)
def test_integral_of_the_published_fit_of_patient_4(row: dict[str, str]) -> None:
    """A (exp(-l1 t) - exp(-l2 t)) is an organ of organ_exchange with l - lambda."""
    amplitude, washout, uptake = (
        float(row[name])
        for name in ("A_MBq", "lambda_washout_per_h", "lambda_uptake_per_h")
    )
    decay, activity = nuclide("Lu-177").decay_constant_per_h, 7210.43
    k, w = uptake - decay, washout - decay
    fraction = amplitude * (k - w) / (k * activity)
    assert 0.0 < fraction < 1.0
    model = organ_exchange.model(("organ",))
    organs = compile_system(assemble(model, FORM))
    parameters_ = np.array([LN2 / k, fraction, LN2 / w])
    doses = Doses(np.zeros(1), np.zeros(1), np.array([activity]), np.float64(decay))
    area = float(organs.integrate(parameters_, doses)[1])
    assert area == pytest.approx(float(row["TIA_MBq_h"]), rel=1e-9)
    assert area / activity == pytest.approx(float(row["TIAC_h"]), rel=1e-6)
    times = np.array([3.74, 27.7, 103.1])
    curve = organs.solve(parameters_, doses, times)[:, 1]
    published = amplitude * (np.exp(-washout * times) - np.exp(-uptake * times))
    np.testing.assert_allclose(curve, published, rtol=1e-12)


RATIO_TABLE = rows("y90_lu177_ratio")


@pytest.mark.reference
@pytest.mark.parametrize("row", RATIO_TABLE, ids=lambda r: f"{r['Tbio_h']} h")
def test_label_exchange_gives_the_table_of_ratios(row: dict[str, str]) -> None:
    rate = LN2 / float(row["Tbio_h"])
    lutetium, yttrium = (float(organ_integral(rate, n)) for n in ("Lu-177", "Y-90"))
    # At once in the organ, an effective half-life is ln 2 times the residence time.
    assert LN2 * lutetium == pytest.approx(float(row["Teff_Lu_h"]), rel=1e-9)
    assert LN2 * yttrium == pytest.approx(float(row["Teff_Y_h"]), rel=1e-9)
    ratio = yttrium / lutetium
    assert ratio == pytest.approx(float(row["TIAC_ratio"]), rel=1e-9)
    local = nuclide("Y-90").electron_MeV / nuclide("Lu-177").electron_MeV
    olinda = 2.93e-5 / 60.0 * 1e3 * 299.0 / (7.76e-5 * 310.0)
    # The S-value ratio by Monte Carlo is given to the seven digits of its column.
    for column, sigma, tolerance in (
        ("dose_ratio_local_6.308", local, 1e-9),
        ("dose_ratio_OLINDA_6.069657", olinda, 1e-9),
        ("dose_ratio_MC_5.827282", 5.827282, 5e-7 / 5.827282),
    ):
        assert sigma * ratio == pytest.approx(float(row[column]), rel=tolerance)


@pytest.mark.reference
def test_one_s_value_ratio_explains_every_row_of_the_monte_carlo_column() -> None:
    found = []
    for row in RATIO_TABLE:
        rate = LN2 / float(row["Tbio_h"])
        ratio = organ_integral(rate, "Y-90") / organ_integral(rate, "Lu-177")
        found.append(float(row["dose_ratio_MC_5.827282"]) / float(ratio))
    np.testing.assert_allclose(found, found[0], rtol=1e-9)


@pytest.mark.reference
def test_propagated_uncertainty_of_the_label_exchange_has_the_published_digits() -> (
    None
):
    """A weighted log-linear fit; our integrals and slopes carry it to each label."""
    times, activities = np.array([24.0, 72.0, 120.0]), np.array([70.0, 35.0, 16.0])
    design = np.stack([np.ones(3), -times], axis=1) / 0.05
    covariance = np.linalg.inv(design.T @ design)
    log_start, effective = covariance @ design.T @ (np.log(activities) / 0.05)
    decay = nuclide("Lu-177").decay_constant_per_h

    def log_integrals(fitted):
        rate, start = fitted[1] - decay, jnp.exp(fitted[0])
        areas = [organ_integral(rate, n, start) for n in ("Lu-177", "Y-90")]
        return jnp.log(jnp.stack(areas))

    fitted = np.array([log_start, effective])
    lutetium, yttrium = np.exp(np.asarray(log_integrals(fitted)))
    slopes = np.asarray(jax.jacobian(log_integrals)(fitted))
    carried = slopes @ covariance @ slopes.T
    ur = np.sqrt(np.diag(carried))
    u = np.sqrt(np.diag(covariance))
    found = {
        "A0_MBq": math.exp(log_start),
        "lambda_per_h": effective,
        "effective_half_life_h": LN2 / effective,
        "u_ln_A0": u[0],
        "u_lambda_per_h": u[1],
        "corr_ln_A0_lambda": covariance[0, 1] / (u[0] * u[1]),
        "tia_lu177_MBq_h": lutetium,
        "ur_tia_lu177": ur[0],
        "tia_y90_MBq_h": yttrium,
        "ur_tia_y90": ur[1],
        "corr_tia_lu177_y90": carried[0, 1] / (ur[0] * ur[1]),
        "ur_dose_lu177": math.hypot(ur[0], 0.05, 0.08, 0.10),
    }
    for row in rows("propagation_example"):
        half_a_digit = 0.5 * 10.0 ** -int(row["digits"])
        value = float(row["value"])
        assert found.pop(row["quantity"]) == pytest.approx(value, abs=half_a_digit)
    assert not found
