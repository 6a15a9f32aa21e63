"""Protraction of linear systems, against closed forms and quadrature."""

import math
import re
from itertools import pairwise
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from exact_protraction import DIGITS, integral, organ, q
from scipy.integrate import solve_ivp

from pkmodels.definition import Model
from pkmodels.dosimetry.biological_dose import g_factor, g_factor_of_exponentials
from pkmodels.dosimetry.protraction import protract, repair_rates
from pkmodels.errors import InputError, SolveError
from pkmodels.exact import Doses, ExactSystem, compile_exactly
from pkmodels.models import organ_exchange
from pkmodels.nuclides import nuclide
from pkmodels.reactions import flow
from pkmodels.schedule import ScheduleForm
from pkmodels.symbols import amounts, parameters
from pkmodels.system import assemble

LN2 = math.log(2.0)
DECAY = float(nuclide("Lu-177").decay_constant_per_h)
FORM = ScheduleForm((("x", "intravenous"),), infusions=True)


@pytest.fixture(scope="module")
def two_organs() -> ExactSystem:
    return compile_exactly(assemble(organ_exchange.model(("left", "right")), FORM))


@pytest.fixture(scope="module")
def exchanging() -> ExactSystem:
    """Plasma and a tissue to and fro, and a store behind it: no cascade."""
    plasma, tissue, store = amounts("plasma tissue store", unit="nmol")
    out, over, back, into, lost = parameters("out over back into lost", unit="1/h")
    model = Model(
        "exchanging",
        (
            flow("excretion", plasma, None, out * plasma),
            flow("uptake", plasma, tissue, over * plasma),
            flow("return", tissue, plasma, back * tissue),
            flow("trapping", tissue, store, into * tissue),
            flow("loss", store, plasma, lost * store),
        ),
        {"intravenous": plasma},
        {"plasma": plasma, "organ": tissue + store},
    )
    return compile_exactly(assemble(model, FORM))


def one_dose(length_h: float, activity: float = 1.0, decay: float = DECAY) -> Doses:
    return Doses(np.zeros(1), np.array([length_h]), np.array([activity]), decay)


def compiled_integrals(compiled: ExactSystem, values: np.ndarray, doses: Doses) -> Any:
    return np.stack(
        [
            np.asarray(compiled.observe(row) @ compiled.integrate(row, doses))
            for row in values
        ]
    )


def closed_form(
    values: np.ndarray, length_h: float, repair_half_time_h: float, decay: float = DECAY
) -> tuple[np.ndarray, np.ndarray]:
    """Q and time integrals of the two organs by mpmath."""
    blood_half_time, *pairs = (mp.mpf(float(value)) for value in values)
    rate = mp.log(2) / blood_half_time
    # The model's parameters are in this order: blood, then fraction and half-life.
    curves = [
        organ(rate, fraction * rate, mp.log(2) / half, decay, length_h, 1.0)[1]
        for fraction, half in (pairs[:2], pairs[2:])
    ]
    products = [[q(a, b, repair_half_time_h) for b in curves] for a in curves]
    return np.array(products, float), np.array([integral(c) for c in curves], float)


def test_the_parameters_are_in_the_order_that_the_closed_form_takes(two_organs) -> None:
    assert list(map(str, two_organs.system.parameters)) == [
        "blood_half_time",
        "fraction_left",
        "biological_half_life_left",
        "fraction_right",
        "biological_half_life_right",
    ]


USUAL = np.array([1.0, 0.02, 55.0, 0.03, 30.0])
# Equal to that of blood, nearly so, far slower; a tiny fraction beside a large one.
EQUAL = np.array([2.0, 0.02, 2.0, 0.03, 2.0 * (1.0 + 1e-9)])
APART = np.array([0.01, 1e-6, 5000.0, 0.9, 0.02])


@pytest.mark.parametrize("values", [USUAL, EQUAL, APART], ids=["usual", "equal", "far"])
@pytest.mark.parametrize("length_h", [0.0, 1e-9, 1e-3, 0.5, 4.0, 300.0])
@pytest.mark.parametrize("repair_half_time_h", [2.8, 1e-4, 1e6])
def test_q_is_the_closed_form_of_any_length_rate_and_repair(
    two_organs, values: np.ndarray, length_h: float, repair_half_time_h: float
) -> None:
    """Each entry by itself, however small: nothing cancels."""
    with mp.workdps(DIGITS):
        expected, areas = closed_form(values, length_h, repair_half_time_h)
    doses = one_dose(length_h)
    found = protract(two_organs, values[None], doses, repair_half_time_h)
    # Steps: 300 h at 1e-4 h are 4e6, which lose seven of sixteen digits.
    speed = LN2 * max(length_h, 1.0) / min(values[0], values[4], repair_half_time_h)
    np.testing.assert_allclose(found[0], expected, rtol=1e-13 + 1e-15 * speed)
    integrals = compiled_integrals(two_organs, values[None], doses)
    np.testing.assert_allclose(integrals[0], areas, rtol=1e-12)


def test_the_repair_as_fast_as_a_rate_is_no_special_case(two_organs) -> None:
    """mu = k = w, and mu = w + decay, the rate of the activity."""
    both = 1.0 / (1.0 / 2.0 + DECAY / LN2)
    for repair in (2.0, both):
        with mp.workdps(DIGITS):
            expected, _ = closed_form(EQUAL, 0.5, repair)
        found = protract(two_organs, EQUAL[None], one_dose(0.5), repair)
        np.testing.assert_allclose(found[0], expected, rtol=1e-13)


def test_g_is_that_of_the_exponentials_of_a_bolus(two_organs) -> None:
    """Two sources that irradiate one target, each with uptake and washout."""
    weights = np.array([[1.0, 0.1]])
    doses = one_dose(0.0)
    found = g_factor(
        weights,
        protract(two_organs, USUAL[None], doses, 2.8),
        compiled_integrals(two_organs, USUAL[None], doses),
    )
    k, half_lives, fractions = LN2 / USUAL[0], USUAL[2::2], USUAL[1::2]
    sizes = weights[0] * fractions * k / (k - LN2 / half_lives)
    amplitudes = np.append(sizes, -sizes.sum())
    rates = DECAY + np.append(LN2 / half_lives, k)
    assert found[0] == pytest.approx(
        float(g_factor_of_exponentials(amplitudes, rates, 2.8)), rel=1e-12
    )


EXCHANGE = np.array([0.7, 0.4, 0.3, 0.1, 0.02])
OVERLAPPING = Doses(
    np.array([0.0, 2.0, 3.0, 30.0]),
    np.array([4.0, 0.0, 6.0, 1.0]),
    np.array([100.0, 30.0, 50.0, 80.0]),
    DECAY,
)


def by_integration(
    values: np.ndarray, doses: Doses, repair_half_time_h: float
) -> np.ndarray:
    """Q of `exchanging` by scipy, its equations written out again, dose by dose."""
    out, over, back, into, lost = values
    mu = LN2 / repair_half_time_h
    given = list(zip(doses.start_h, doses.length_h, doses.activity, strict=True))

    def slopes(time: float, y: np.ndarray, middle: float) -> np.ndarray:
        plasma, tissue, store, first, second, *_ = y
        inflow = sum(
            activity / length * math.exp(-DECAY * (time - start))
            for start, length, activity in given
            if start < middle < start + length
        )
        a, z = np.array([plasma, tissue + store]), np.array([first, second])
        return np.array(
            [
                back * tissue + lost * store - (out + over + DECAY) * plasma + inflow,
                over * plasma - (back + into + DECAY) * tissue,
                into * tissue - (lost + DECAY) * store,
                *(a - mu * z),
                *np.outer(a, z).ravel(),
            ]
        )

    jumps = np.unique(
        [x for start, length, _ in given for x in (start, start + length)]
    )
    y = np.zeros(9)
    for low, high in pairwise([*jumps, jumps[-1] + 4000.0]):
        y[0] += sum(a for start, length, a in given if start == low and length == 0.0)
        args = ((low + high) / 2.0,)
        y = solve_ivp(
            slopes, (low, high), y, "LSODA", args=args, rtol=1e-11, atol=1e-15
        ).y[:, -1]
    return y[5:].reshape(2, 2)


@pytest.mark.parametrize("doses", [OVERLAPPING, one_dose(0.5)], ids=["four", "one"])
def test_q_of_any_linear_system_and_doses_is_that_of_scipy(
    exchanging, doses: Doses
) -> None:
    expected = by_integration(EXCHANGE, doses, 2.8)
    found = protract(exchanging, EXCHANGE[None], doses, 2.8)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_q_of_an_infusion_is_the_double_integral_of_the_solution(two_organs) -> None:
    """Gauss-Legendre of both integrals over the curves that `solve` gives."""
    doses, mu = one_dose(4.0), LN2 / 2.8
    nodes, weights = np.polynomial.legendre.leggauss(16)

    def spread(edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        half, low = np.diff(edges)[:, None] / 2.0, edges[:-1, None]
        return (low + half * (nodes + 1.0)).ravel(), (half * weights).ravel()

    outer, shares = spread(np.array([0, 1, 4, 6, 12, 40, 160, 400, 1000, 2500.0]))
    total = np.zeros((2, 2))
    for time, share in zip(outer, shares, strict=True):
        back = time - np.array([120.0, 40.0, 15.0, 5.0, 1.0, 0.0])
        edges = np.unique(np.clip([*back, min(4.0, time), 0.0], 0.0, time))
        inner, parts = spread(edges)
        times = np.zeros(200)
        times[: len(inner)], times[-1] = inner, time
        curves = np.asarray(two_organs.solve(USUAL, doses, times))[:, 1:]
        kept = parts * np.exp(-mu * (time - inner))
        total += share * np.outer(curves[-1], kept @ curves[: len(inner)])
    found = protract(two_organs, USUAL[None], doses, 2.8)[0]
    np.testing.assert_allclose(found, total, rtol=1e-9)


def test_without_repair_g_is_1_and_with_repair_at_once_0(exchanging) -> None:
    integrals = compiled_integrals(exchanging, EXCHANGE[None], OVERLAPPING)
    slow = protract(exchanging, EXCHANGE[None], OVERLAPPING, 1e14)
    outer = integrals[:, :, None] * integrals[:, None, :]
    np.testing.assert_allclose(slow + slow.transpose(0, 2, 1), outer, rtol=1e-10)
    weights = np.array([[0.3, 1.0]])
    assert g_factor(weights, slow, integrals) == pytest.approx(1.0, rel=1e-10)
    fast = protract(exchanging, EXCHANGE[None], OVERLAPPING, 1e-5)
    assert 0.0 < g_factor(weights, fast, integrals)[0] < 1e-5
    # mu Q is the integral of the product, which is symmetric.
    np.testing.assert_allclose(fast, fast.transpose(0, 2, 1), rtol=1e-3)


def test_damage_of_a_dose_long_repaired_adds_none(two_organs) -> None:
    """Two cycles 100 days apart: Q adds, and so do the BEDs."""
    doses = Doses(np.array([0.0, 2400.0]), np.full(2, 0.5), np.array([1.0, 3.0]), DECAY)
    found = protract(two_organs, USUAL[None], doses, 2.8)
    single = protract(two_organs, USUAL[None], one_dose(0.5), 2.8)
    np.testing.assert_allclose(found, 10.0 * single, rtol=1e-7)
    near = doses._replace(start_h=np.array([0.0, 96.0]))
    interacting = protract(two_organs, USUAL[None], near, 2.8)
    assert (interacting > 1.01 * 10.0 * single).all()


def test_draws_are_independent_and_more_than_one_batch_is_the_same(two_organs) -> None:
    generator = np.random.default_rng(5)
    values = USUAL * np.exp(0.3 * generator.standard_normal((1100, 5)))
    repair = 2.8 * np.exp(0.3 * generator.standard_normal(1100))
    doses = one_dose(0.5, activity=7400.0)
    found = protract(two_organs, values, doses, repair)
    assert found.shape == (1100, 2, 2)
    for draw in (0, 511, 512, 1099):
        with mp.workdps(DIGITS):
            expected, _ = closed_form(values[draw], 0.5, repair[draw])
        np.testing.assert_allclose(found[draw], 7400.0**2 * expected, rtol=1e-12)


@pytest.mark.usefixtures("strict_dtypes")
def test_no_dtype_is_promoted(two_organs) -> None:
    doses = Doses(np.zeros(1), np.full(1, 0.25), np.full(1, 2.0), np.float64(DECAY))
    assert protract(two_organs, USUAL[None], doses, 2.8).dtype == np.float64


def test_q_is_positive_and_g_lies_between_0_and_1(two_organs) -> None:
    generator = np.random.default_rng(6)
    values = USUAL * np.exp(generator.standard_normal((200, 5)))
    values[:, 1::2] = np.minimum(values[:, 1::2], 0.45)
    doses = one_dose(1.0)
    found = protract(two_organs, values, doses, np.exp(generator.standard_normal(200)))
    symmetric = found + found.transpose(0, 2, 1)
    lowest = np.linalg.eigvalsh(symmetric)
    assert (lowest[:, 0] >= -1e-12 * lowest[:, 1]).all()
    weights = generator.uniform(0.0, 1.0, (200, 2))
    g = g_factor(weights, found, compiled_integrals(two_organs, values, doses))
    assert ((g > 0.0) & (g < 1.0)).all()


@pytest.mark.parametrize(
    ("values", "doses", "repair", "message"),
    [
        (USUAL, one_dose(0.5), 2.8, "parameters have the shape (5,)"),
        (USUAL[None], one_dose(0.5), 0.0, "repair_half_time_h is 0 h"),
        (USUAL[None], one_dose(0.5), np.ones(2), "repair_half_time_h has the shape"),
        (USUAL[None], one_dose(-0.5), 2.8, "doses are"),
        (USUAL[None], one_dose(0.5, np.nan), 2.8, "doses are"),
        (USUAL[None], one_dose(0.5, decay=0.0), 2.8, "the label must decay"),
        (-USUAL[None], one_dose(0.5), 2.8, "'blood_half_time' of draw 0 is -1"),
    ],
)
def test_wrong_numbers_are_refused(
    two_organs, values: np.ndarray, doses: Doses, repair: Any, message: str
) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        protract(two_organs, values, doses, repair)


def test_a_system_for_boluses_takes_no_infusion() -> None:
    form = ScheduleForm((("x", "intravenous"),))
    compiled = compile_exactly(assemble(organ_exchange.model(("kidney",)), form))
    with pytest.raises(InputError, match="assembled for boluses only"):
        protract(compiled, USUAL[None, :3], one_dose(0.5), 2.8)


def test_a_draw_without_a_number_is_a_failed_solve_that_names_it(exchanging) -> None:
    values = np.stack([EXCHANGE, EXCHANGE * [np.nan, 1, 1, 1, 1]])
    with pytest.raises(SolveError, match=r"1 of 2 draws .* the first is draw 1"):
        protract(exchanging, values, one_dose(0.5), 2.8)


def test_an_infusion_too_long_to_be_doubled_is_a_failed_solve(two_organs) -> None:
    with pytest.raises(SolveError, match="1 of 1 draws"):
        protract(two_organs, USUAL[None], one_dose(1000.0), 1e-5)


@pytest.mark.parametrize(
    ("weights", "products", "areas", "message"),
    [
        (np.ones(1), np.ones((1, 1, 1)), np.ones((1, 1)), "weights have the shape"),
        (np.ones((1, 1)), np.ones((1, 1)), np.ones((1, 1)), "weights have the shape"),
        (-np.ones((1, 1)), np.ones((1, 1, 1)), np.ones((1, 1)), "weights: -1 must be"),
        (np.zeros((1, 1)), np.ones((1, 1, 1)), np.ones((1, 1)), "the dose of draw 0"),
        (np.ones((1, 1)), np.ones((1, 1, 1)), np.ones((1, 1)), "of the same doses"),
    ],
)
def test_what_gives_no_g_factor_is_refused(
    weights: np.ndarray, products: np.ndarray, areas: np.ndarray, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        g_factor(weights, products, areas)


def test_repair_rates_are_ln_2_over_the_half_times() -> None:
    np.testing.assert_allclose(
        repair_rates(np.array([1.0, 2.0]), 2), [LN2, LN2 / 2.0], rtol=1e-15
    )
