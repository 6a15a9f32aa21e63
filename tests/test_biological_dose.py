"""BED and G-factors of exponentials, against a table and against quadrature."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_tables import rows
from scipy.integrate import dblquad, quad

from pkmodels.dosimetry.biological_dose import (
    biologically_effective_dose,
    biologically_effective_dose_of_fractions,
    dose_of_biologically_effective_dose,
    g_factor_of_exponentials,
    total_biologically_effective_dose,
)
from pkmodels.errors import InputError

TABLE = rows("bed_g_factor")
LN2 = math.log(2.0)


def numbers(text: str) -> np.ndarray:
    return np.array([float(part) for part in text.split()])


def lea_catcheside(
    amplitudes: np.ndarray, rates: np.ndarray, repair_half_time_h: float
) -> float:
    """The double integral, with the inner one by quadrature, too: no sum of pairs."""
    mu = LN2 / repair_half_time_h

    def dose_rate(t: float) -> float:
        return float(np.sum(amplitudes * np.exp(-rates * t)))

    # In w = -ln(1 - u) / b, so that the whole half-line is 0 to 1.
    slow = rates.min()

    def integrand(v: float, u: float) -> float:
        t = -math.log1p(-u) / slow
        w = t * v
        return (
            dose_rate(t) * dose_rate(w) * math.exp(-mu * (t - w)) * t / slow / (1 - u)
        )

    double = dblquad(integrand, 0.0, 1.0, 0.0, 1.0, epsabs=0.0, epsrel=1e-9)[0]
    dose = quad(
        lambda u: dose_rate(-math.log1p(-u) / slow) / slow / (1.0 - u),
        0.0,
        1.0,
        epsrel=1e-12,
    )[0]
    return 2.0 * double / dose**2


@pytest.mark.reference
@pytest.mark.parametrize("row", TABLE, ids=lambda r: f"{r['case']}, {r['alpha_beta']}")
def test_g_and_bed_are_those_of_the_table(row: dict[str, str]) -> None:
    rates = LN2 / numbers(row["half_lives_h"])
    repair, ratio = float(row["T_rep_h"]), float(row["alpha_beta"])
    g = g_factor_of_exponentials(numbers(row["amplitudes"]), rates, repair)
    assert float(g) == pytest.approx(float(row["G"]), rel=1e-9)
    bed = biologically_effective_dose(23.0, g, ratio)
    assert float(bed) == pytest.approx(float(row["BED_at_23Gy"]), rel=1e-9)
    dose = dose_of_biologically_effective_dose(40.0, g, ratio)
    assert float(dose) == pytest.approx(float(row["D_at_BED40"]), rel=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_g_is_the_double_integral_of_random_curves(seed: int) -> None:
    generator = np.random.default_rng(seed)
    rates = LN2 / np.array([60.0, 12.0, 2.0]) * np.exp(generator.normal(0, 0.3, 3))
    amplitudes = np.array([*generator.uniform(0.2, 1.0, 2), 0.0])
    # Uptake: the curve begins at a part of what it would be, or at 0.
    amplitudes[2] = -generator.uniform(0.5, 1.0) * amplitudes.sum()
    repair = generator.uniform(0.5, 10.0)
    found = g_factor_of_exponentials(amplitudes, rates, repair)
    assert float(found) == pytest.approx(
        lea_catcheside(amplitudes, rates, repair), rel=1e-7
    )


def test_leading_axes_are_draws() -> None:
    generator = np.random.default_rng(1)
    amplitudes = generator.uniform(0.1, 1.0, (5, 3))
    rates = generator.uniform(0.01, 1.0, (5, 3))
    repair = generator.uniform(1.0, 5.0, 5)
    found = g_factor_of_exponentials(amplitudes, rates, repair)
    single = [
        float(g_factor_of_exponentials(*line))
        for line in zip(amplitudes, rates, repair, strict=True)
    ]
    assert found.shape == (5,)
    np.testing.assert_allclose(found, single, rtol=1e-14)


def test_g_is_1_without_repair_and_0_with_repair_at_once() -> None:
    curve = (np.array([0.6, 0.4]), LN2 / np.array([8.0, 60.0]))
    assert float(g_factor_of_exponentials(*curve, 1e12)) == pytest.approx(1.0, rel=1e-9)
    assert float(g_factor_of_exponentials(*curve, 1e-9)) == pytest.approx(0.0, abs=1e-8)


@given(st.floats(0.0, 100.0), st.floats(0.0, 1.0), st.floats(0.5, 20.0))
def test_the_dose_of_a_bed_has_that_bed(bed: float, g: float, ratio: float) -> None:
    dose = dose_of_biologically_effective_dose(bed, g, ratio)
    assert 0.0 <= float(dose) <= bed
    assert float(biologically_effective_dose(dose, g, ratio)) == pytest.approx(
        bed, rel=1e-12, abs=1e-300
    )


def test_the_root_does_not_cancel_for_a_small_g() -> None:
    """D = B - G B^2 / (alpha/beta) + ..., which the usual root gives as 0."""
    found = dose_of_biologically_effective_dose(1.0, 1e-17, 2.5)
    assert float(found) == pytest.approx(1.0, rel=1e-15)
    assert float(dose_of_biologically_effective_dose(40.0, 0.0, 2.5)) == 40.0


def test_fractions_are_so_many_times_the_bed_of_one() -> None:
    """60 Gy in 30 fractions with 3 Gy: 60 (1 + 2/3) = 100 Gy, the textbook example."""
    assert float(
        biologically_effective_dose_of_fractions(60.0, 30, 3.0)
    ) == pytest.approx(100.0)
    found = biologically_effective_dose_of_fractions(20.0, 4, 2.5, g=0.064)
    each = biologically_effective_dose(5.0, 0.064, 2.5)
    summed = total_biologically_effective_dose(*[each] * 4)
    assert float(found) == pytest.approx(float(summed), rel=1e-15)
    # Fewer, larger fractions are worse.
    assert found < biologically_effective_dose(20.0, 0.064, 2.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: g_factor_of_exponentials([1.0], [1.0, 2.0], 2.8),
            "amplitudes have the shape (1,) and rates (2,)",
        ),
        (
            lambda: g_factor_of_exponentials([1.0], [0.0], 2.8),
            "rates: 0 (number 1 of 1, 1 wrong in all) must be > 0 1/h",
        ),
        (
            lambda: g_factor_of_exponentials([1.0], [1.0], -2.8),
            "repair_half_time_h: -2.8",
        ),
        (
            lambda: g_factor_of_exponentials([1.0, -2.0], [1.0, 1.5], 2.8),
            "the dose of these exponentials: -0.333333",
        ),
        (
            # Negative for hours, but with a dose above 0.
            lambda: g_factor_of_exponentials([1.0, -3.0], [0.1, 0.31], 2.8),
            "the dose rate is negative somewhere",
        ),
        (lambda: g_factor_of_exponentials([np.nan], [1.0], 2.8), "amplitudes: nan"),
        (lambda: biologically_effective_dose(-1.0, 0.1, 2.5), "dose: -1"),
        (lambda: biologically_effective_dose(1.0, 1.1, 2.5), "g: 1.1"),
        (lambda: biologically_effective_dose(1.0, 0.1, 0.0), "alpha_beta: 0"),
        (
            lambda: dose_of_biologically_effective_dose([1.0, np.inf], 0.1, 2.5),
            "bed: inf (number 2 of 2",
        ),
        (
            lambda: biologically_effective_dose_of_fractions(1.0, 1.5, 2.5),
            "fractions: 1.5",
        ),
        (lambda: total_biologically_effective_dose(), "no course was given"),
        (
            lambda: total_biologically_effective_dose(1.0, -1.0),
            "the BED of course 2: -1",
        ),
    ],
)
def test_what_is_out_of_range_is_refused(call, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        call()
