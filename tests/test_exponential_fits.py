"""Exponential fits against published fits, a worked example and Monte Carlo."""

import math

import numpy as np
import pytest
from reference_tables import rows
from scipy.integrate import quad
from scipy.optimize import curve_fit

from pkmodels.dosimetry.exponential_curves import differentiate_residuals
from pkmodels.dosimetry.exponential_fits import (
    Form,
    Weights,
    corrected_akaike,
    fit_exponentials,
    integrate_fit,
    weigh_residuals,
)
from pkmodels.dosimetry.outlines import Recovery
from pkmodels.dosimetry.propagation import propagate_dose
from pkmodels.dosimetry.scans import Scans
from pkmodels.errors import InputError

LU177 = math.log(2.0) / 159.528  # ICRP 107
Y90 = math.log(2.0) / 64.10  # ICRP 107

EXAMPLE = {r["quantity"]: r for r in rows("propagation_example")}
EXAMPLE_SCANS = Scans("kidney", "Lu-177", (24.0, 72.0, 120.0), (70.0, 35.0, 16.0))
PUBLISHED = {r["organ"]: r for r in rows("lu177_patient4_published_fit")}

# T_eff, published as 49.2 and 47.7 h; TIAC 1.0532 and 0.9427 h.
KIDNEYS = {"Kidney_Left": (49.2, 1.0532, 0.680), "Kidney_Right": (47.7, 0.9427, 0.688)}


def patient_4(organ):
    found = [r for r in rows("lu177_patient4_scans") if r["organ"] == organ]
    return Scans(
        organ,
        "Lu-177",
        tuple(float(r["time_h"]) for r in found),
        tuple(float(r["activity_MBq"]) for r in found),
    )


def two_terms(times, amplitudes, rates):
    return np.exp(-np.outer(times, rates)) @ np.array(amplitudes)


def example_fit():
    return fit_exponentials(
        EXAMPLE_SCANS, Form.WASHOUT, weights=Weights.LOGARITHM, sd=0.05
    )


def is_that_of_the_example(name, value):
    row = EXAMPLE[name]
    return round(float(value), int(row["digits"])) == pytest.approx(
        float(row["value"]), rel=1e-12
    )


@pytest.mark.reference
def test_worked_example_to_every_printed_digit():
    fit = example_fit()
    deviations = np.sqrt(np.diag(fit.covariance))
    both = integrate_fit(fit, ("Lu-177", "Y-90"))
    found = {
        "A0_MBq": math.exp(fit.estimates[0]),
        "lambda_per_h": fit.estimates[1],
        "effective_half_life_h": math.log(2.0) / fit.estimates[1],
        "u_ln_A0": deviations[0],
        "u_lambda_per_h": deviations[1],
        "corr_ln_A0_lambda": fit.covariance[0, 1] / deviations.prod(),
        "tia_lu177_MBq_h": both.MBq_h[0],
        "ur_tia_lu177": both.relative_uncertainty[0],
        "tia_y90_MBq_h": both.MBq_h[1],
        "ur_tia_y90": both.relative_uncertainty[1],
        "corr_tia_lu177_y90": both.correlation[0, 1],
    }
    wrong = [n for n, value in found.items() if not is_that_of_the_example(n, value)]
    assert wrong == []


@pytest.mark.reference
def test_worked_example_of_the_dose():
    """Calibration 5 %, recovery 8 % and mass 10 % beside the fit: 14.06 %."""
    own = integrate_fit(example_fit(), ("Lu-177",)).relative_uncertainty[0]
    found = propagate_dose(
        fit=own,
        calibration=0.05,
        recovery=Recovery(0.8, 0.1, 0.08),
        border=1.0,
        volume=0.0,
        mass_exponent=1.0,
        mass=0.10,
        others={},
    )
    assert is_that_of_the_example("ur_dose_lu177", found.total)


@pytest.mark.reference
@pytest.mark.parametrize("organ", PUBLISHED)
def test_fit_of_patient_4_is_the_published_one(organ):
    """Which weighted all scans alike; where they differ, ours fits no worse."""
    row = PUBLISHED[organ]
    fit = fit_exponentials(
        patient_4(organ), Form.UPTAKE, weights=Weights.EQUAL, sd=None
    )
    published = [
        math.log(float(row["A_MBq"])),
        float(row["lambda_washout_per_h"]),
        float(row["lambda_uptake_per_h"]),
    ]
    np.testing.assert_allclose(fit.estimates, published, rtol=3e-6)
    theirs = weigh_residuals(
        patient_4(organ), Form.UPTAKE, Weights.EQUAL, np.array(published)
    )
    assert fit.sum_of_squares <= np.sum(theirs**2)
    integral = integrate_fit(fit, ("Lu-177",))
    assert integral.MBq_h[0] == pytest.approx(float(row["TIA_MBq_h"]), rel=1e-6)
    assert fit.warnings == ()


@pytest.mark.reference
@pytest.mark.parametrize("organ", KIDNEYS)
def test_kidneys_of_patient_4_as_published(organ):
    half_life, tiac, ratio = KIDNEYS[organ]
    fit = fit_exponentials(
        patient_4(organ), Form.UPTAKE, weights=Weights.EQUAL, sd=None
    )
    both = integrate_fit(fit, ("Lu-177", "Y-90"))
    assert math.log(2.0) / fit.rates_per_h[0] == pytest.approx(half_life, abs=0.05)
    assert both.MBq_h[0] / 7210.43 == pytest.approx(tiac, abs=5e-5)
    assert both.MBq_h[1] / both.MBq_h[0] == pytest.approx(ratio, abs=5e-4)


@pytest.mark.parametrize(
    ("form", "amplitudes", "rates"),
    [
        (Form.WASHOUT, [90.0], [0.02]),
        (Form.UPTAKE, [100.0, -100.0], [0.015, 0.2]),
        (Form.TWO_WASHOUTS, [60.0, 80.0], [0.012, 0.15]),
    ],
)
@pytest.mark.parametrize("weights", Weights)
def test_a_curve_without_noise_is_found_again(form, amplitudes, rates, weights):
    times = np.array([1.0, 4.0, 10.0, 24.0, 48.0, 96.0, 150.0])
    scans = Scans(
        "kidney", "Lu-177", tuple(times), tuple(two_terms(times, amplitudes, rates))
    )
    fit = fit_exponentials(scans, form, weights=weights, sd=0.05)
    np.testing.assert_allclose(fit.coefficients_MBq, amplitudes, rtol=1e-6)
    np.testing.assert_allclose(fit.rates_per_h, rates, rtol=1e-6)
    both = integrate_fit(fit, ("Lu-177", "Y-90"))
    for label, decay, integral, beyond in zip(
        ("Lu-177", "Y-90"),
        (LU177, Y90),
        both.MBq_h,
        both.beyond_last_scan,
        strict=True,
    ):

        def curve(t, decay=decay):
            physical = two_terms([t], amplitudes, rates)[0]
            return physical * math.exp((LU177 - decay) * t)

        truth = sum(quad(curve, *ends)[0] for ends in ((0, 20), (20, 150)))
        tail = quad(curve, 150.0, math.inf)[0]
        assert integral == pytest.approx(truth + tail, rel=1e-6), label
        assert beyond == pytest.approx(tail / (truth + tail), rel=1e-6), label


@pytest.mark.parametrize("sd", [0.03, None])
def test_estimates_and_covariance_are_those_of_another_optimizer(sd):
    """scipy's curve_fit, by finite differences, on the relative residuals."""
    times = np.array([2.0, 5.0, 12.0, 24.0, 48.0, 96.0, 144.0])
    noise = np.array([1.02, 0.97, 1.03, 0.99, 0.98, 1.02, 1.0])
    activities = two_terms(times, [100.0, -100.0], [0.015, 0.2]) * noise
    scans = Scans("kidney", "Lu-177", tuple(times), tuple(activities))
    fit = fit_exponentials(scans, Form.UPTAKE, weights=Weights.RELATIVE, sd=sd)
    estimates, covariance = curve_fit(
        lambda t, a, slow, fast: np.exp(a) * (np.exp(-slow * t) - np.exp(-fast * t)),
        times,
        activities,
        [4.5, 0.02, 0.3],
        sigma=activities * (sd or 1.0),
        absolute_sigma=sd is not None,
        ftol=1e-14,
        xtol=1e-14,
    )
    np.testing.assert_allclose(fit.estimates, estimates, rtol=1e-6)
    np.testing.assert_allclose(fit.covariance, covariance, rtol=1e-3)


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("weights", Weights)
def test_derivatives_are_those_of_finite_differences(form, weights):
    p = {
        Form.WASHOUT: np.array([4.5, 0.02]),
        Form.UPTAKE: np.array([4.5, 0.02, 0.3]),
        Form.TWO_WASHOUTS: np.array([4.5, 0.02, 4.0, 0.3]),
    }[form]
    exact = differentiate_residuals(EXAMPLE_SCANS, form, weights, p)
    for i, step in enumerate(1e-6 * p):
        shift = step * np.eye(p.size)[i]
        slope = (
            weigh_residuals(EXAMPLE_SCANS, form, weights, p + shift)
            - weigh_residuals(EXAMPLE_SCANS, form, weights, p - shift)
        ) / (2.0 * step)
        np.testing.assert_allclose(exact[:, i], slope, rtol=1e-6, atol=1e-7)


def test_uncertainty_of_an_uptake_fit_is_that_of_monte_carlo():
    """Both labels and their correlation, for small noise; not beyond, see below."""
    times = np.array([2.0, 6.0, 24.0, 48.0, 96.0, 144.0])
    truth = two_terms(times, [100.0, -100.0], [0.015, 0.2])
    generator = np.random.default_rng(8)
    found = []
    for _ in range(400):
        noisy = truth * np.exp(0.01 * generator.standard_normal(times.size))
        scans = Scans("kidney", "Lu-177", tuple(times), tuple(noisy))
        fit = fit_exponentials(scans, Form.UPTAKE, weights=Weights.LOGARITHM, sd=0.01)
        found.append(np.log(integrate_fit(fit, ("Lu-177", "Y-90")).MBq_h))
    scans = Scans("kidney", "Lu-177", tuple(times), tuple(truth))
    fit = fit_exponentials(scans, Form.UPTAKE, weights=Weights.LOGARITHM, sd=0.01)
    both = integrate_fit(fit, ("Lu-177", "Y-90"))
    # The sd of 400 draws is known to 3.5 %.
    np.testing.assert_allclose(
        np.std(found, axis=0), both.relative_uncertainty, rtol=0.11
    )
    assert np.corrcoef(np.transpose(found))[0, 1] == pytest.approx(
        both.correlation[0, 1], abs=0.05
    )


def test_one_washout_equals_monte_carlo_in_the_linear_regime_and_not_beyond():
    """Fits of ln A are linear in ln A_obs, so that many can be made at once."""
    times = np.array(EXAMPLE_SCANS.times_h)
    generator = np.random.default_rng(9)
    noise = generator.standard_normal((200_000, 3))
    design = np.stack([np.ones(3), -times], axis=1)
    for sd, linear in ((0.01, True), (0.3, False)):
        logs = np.log(EXAMPLE_SCANS.activities_MBq) + sd * noise
        ln_a, rate = np.linalg.lstsq(design, logs.T, rcond=None)[0]
        integrals = np.exp(ln_a[rate > 1e-4]) / rate[rate > 1e-4]
        spread = integrals.std() / integrals.mean()
        fit = fit_exponentials(
            EXAMPLE_SCANS, Form.WASHOUT, weights=Weights.LOGARITHM, sd=sd
        )
        propagated = integrate_fit(fit, ("Lu-177",)).relative_uncertainty[0]
        assert (spread == pytest.approx(propagated, rel=1e-2)) == linear


@pytest.mark.parametrize("form", [Form.WASHOUT, Form.UPTAKE])
def test_a_half_life_longer_than_the_physical_one_is_held_there_and_said(form):
    """Trap of four-point fits: T_eff 250 h in a liver of Lu-177."""
    times = np.array([4.0, 24.0, 48.0, 96.0, 144.0])
    rate = math.log(2.0) / 250.0
    amplitudes, rates = (
        ([100.0], [rate]) if form is Form.WASHOUT else ([100.0, -100.0], [rate, 0.3])
    )
    activities = two_terms(times, amplitudes, rates)
    scans = Scans("liver", "Lu-177", tuple(times), tuple(activities))
    fit = fit_exponentials(scans, form, weights=Weights.RELATIVE, sd=0.05)
    assert fit.rates_per_h[0] == pytest.approx(LU177, rel=1e-12)
    assert "below physical decay of Lu-177" in fit.warnings[0]
    assert np.all(fit.covariance[1] == 0.0)
    # What is left free is refitted: one washout has the mean of its relative residuals.
    if form is Form.WASHOUT:
        ratio = np.exp(-LU177 * times) / activities
        best = ratio.sum() / (ratio**2).sum()
        assert fit.coefficients_MBq[0] == pytest.approx(best, rel=1e-8)
        expected = 0.05 / math.sqrt((ratio**2).sum()) / best
        assert math.sqrt(fit.covariance[0, 0]) == pytest.approx(expected, rel=1e-8)
    both = integrate_fit(fit, ("Lu-177", "Y-90"))
    assert both.MBq_h[0] < fit.coefficients_MBq[0] / LU177 * (1.0 + 1e-12)


def test_corrected_akaike_prefers_uptake_where_the_scans_show_it():
    times = np.array([1.0, 3.0, 6.0, 24.0, 48.0, 96.0, 144.0])
    activities = two_terms(times, [100.0, -100.0], [0.015, 0.4])
    activities *= np.array([1.02, 0.98, 1.01, 0.99, 1.02, 0.98, 1.01])
    scans = Scans("kidney", "Lu-177", tuple(times), tuple(activities))
    for sd in (0.02, None):
        washout, uptake = (
            fit_exponentials(scans, form, weights=Weights.LOGARITHM, sd=sd)
            for form in (Form.WASHOUT, Form.UPTAKE)
        )
        assert corrected_akaike(uptake) < corrected_akaike(washout) - 10.0
    # By hand: chi^2 + 2 K + 2 K (K + 1) / (n - K - 1) with K = 3, n = 7.
    stated = fit_exponentials(scans, Form.UPTAKE, weights=Weights.LOGARITHM, sd=0.02)
    logs = np.log(two_terms(times, stated.coefficients_MBq, stated.rates_per_h))
    chi = np.sum(((np.log(activities) - logs) / 0.02) ** 2)
    assert corrected_akaike(stated) == pytest.approx(chi + 6.0 + 8.0, rel=1e-9)


def test_four_scans_cannot_speak_for_three_parameters():
    fit = fit_exponentials(
        patient_4("Kidney_Left"), Form.UPTAKE, weights=Weights.EQUAL, sd=2.0
    )
    assert corrected_akaike(fit) == math.inf


@pytest.mark.parametrize(
    ("times", "activities", "form", "weights", "sd", "text"),
    [
        ((24, 72), (70, 35), Form.UPTAKE, Weights.EQUAL, 1.0, "2 scans do not det"),
        ((24, 72), (70, 35), Form.WASHOUT, Weights.EQUAL, None, "and its error: 3 are"),
        ((24, 72), (70, 35), Form.WASHOUT, Weights.EQUAL, 0.0, "it must be > 0"),
        ((24, 72), (70, 0), Form.WASHOUT, Weights.RELATIVE, 0.1, "an activity of 0"),
        (
            (0, 24, 72),
            (1, 70, 35),
            Form.UPTAKE,
            Weights.LOGARITHM,
            0.1,
            "has no logarithm there",
        ),
        (
            (24, 48, 72, 96),
            (80, 40, 20, 10),
            Form.TWO_WASHOUTS,
            Weights.LOGARITHM,
            0.1,
            "take A exp|simpler form",
        ),
        (
            (24, 48, 72, 96),
            (80, 40, 20, 10),
            Form.UPTAKE,
            Weights.LOGARITHM,
            0.1,
            "take A exp|simpler form",
        ),
    ],
)
def test_what_the_scans_do_not_determine_is_refused(
    times, activities, form, weights, sd, text
):
    scans = Scans(
        "kidney", "Lu-177", tuple(map(float, times)), tuple(map(float, activities))
    )
    with pytest.raises(InputError, match=text):
        fit_exponentials(scans, form, weights=weights, sd=sd)
