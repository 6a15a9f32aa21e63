"""Label exchange: time integrals of published curves, ratios and uncertainties."""

import math
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference_tables import rows

from pkmodels.definition import Model
from pkmodels.exact import Doses, ExactSystem, compile_exactly
from pkmodels.models import organ_exchange
from pkmodels.nuclides import nuclide
from pkmodels.reactions import flow
from pkmodels.schedule import ScheduleForm
from pkmodels.symbols import Amount, parameters
from pkmodels.system import assemble

pytestmark = [pytest.mark.reference, pytest.mark.usefixtures("strict_dtypes")]

LN2 = math.log(2.0)
FORM = ScheduleForm((("ligand", "intravenous"),))
RATIOS = rows("y90_lu177_ratio")


@cache
def one_organ() -> ExactSystem:
    """An organ that holds the whole dose at once and releases it at a rate."""
    organ, (rate,) = Amount("organ", "nmol"), parameters("rate", unit="1/h")
    release = flow("release", organ, None, rate * organ)
    model = Model("one organ", (release,), {"intravenous": organ}, {"organ": organ})
    return compile_exactly(assemble(model, FORM))


def organ_integral(rate: Any, label: str, activity: Any = 1.0) -> Any:
    decay = np.float64(nuclide(label).decay_constant_per_h)
    doses = Doses(np.zeros(1), np.zeros(1), jnp.reshape(activity, (1,)), decay)
    return one_organ().integrate(jnp.reshape(rate, (1,)), doses)[0]


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
    organs = compile_exactly(assemble(model, FORM))
    parameters_ = np.array([LN2 / k, fraction, LN2 / w])
    doses = Doses(np.zeros(1), np.zeros(1), np.array([activity]), np.float64(decay))
    area = float(organs.integrate(parameters_, doses)[1])
    assert area == pytest.approx(float(row["TIA_MBq_h"]), rel=1e-9)
    assert area / activity == pytest.approx(float(row["TIAC_h"]), rel=1e-6)
    times = np.array([3.74, 27.7, 103.1])
    curve = organs.solve(parameters_, doses, times)[:, 1]
    published = amplitude * (np.exp(-washout * times) - np.exp(-uptake * times))
    np.testing.assert_allclose(curve, published, rtol=1e-12)


@pytest.mark.parametrize("row", RATIOS, ids=lambda r: f"{r['Tbio_h']} h")
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


def test_one_s_value_ratio_explains_every_row_of_the_monte_carlo_column() -> None:
    found = []
    for row in RATIOS:
        rate = LN2 / float(row["Tbio_h"])
        ratio = organ_integral(rate, "Y-90") / organ_integral(rate, "Lu-177")
        found.append(float(row["dose_ratio_MC_5.827282"]) / float(ratio))
    np.testing.assert_allclose(found, found[0], rtol=1e-9)


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
