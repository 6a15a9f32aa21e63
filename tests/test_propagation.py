"""Outlines against a blurred sphere integrated by scipy; propagation by Monte Carlo."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import ncx2

from pkmodels.dosimetry.outlines import (
    Recovery,
    RecoveryCurve,
    border_density,
    outline_exponent,
    recover,
    recover_sphere,
    sphere_diameter,
    volume_uncertainty,
)
from pkmodels.dosimetry.propagation import (
    CALIBRATION,
    FIT,
    MASS,
    OUTLINE,
    RECOVERY,
    calibration_uncertainty,
    propagate_dose,
)
from pkmodels.errors import InputError

SIGMA_PER_FWHM = 1.0 / (2.0 * math.sqrt(2.0 * math.log(2.0)))
SIZES = [(40.0, 12.0), (15.0, 12.0), (60.0, 7.0), (5.0, 20.0)]
PHANTOM = RecoveryCurve(6.0, 0.9, ((0.36, -0.012), (-0.012, 0.0016)), "made up")


def phantom_of(diameter, fwhm):
    """A curve through the recovery of that sphere, with a slope of its own."""
    value = recover_sphere(diameter, fwhm).value
    volume_mL = math.pi * diameter**3 / 6.0 * 1e-3
    b1 = volume_mL * (1.0 / value - 1.0) ** (1.0 / 0.9)
    return RecoveryCurve(b1, 0.9, PHANTOM.covariance, "made up")


def blurred(distance, radius, fwhm):
    """Density of a blurred sphere of density 1: a Gaussian shift that stays inside."""
    sigma = SIGMA_PER_FWHM * fwhm
    return ncx2.cdf((radius / sigma) ** 2, 3, (distance / sigma) ** 2)


def counts(outlined, radius, fwhm):
    """Counts of that sphere inside a concentric outline, by quadrature."""
    return quad(
        lambda s: 4.0 * math.pi * s**2 * blurred(s, radius, fwhm),
        0.0,
        outlined,
        epsrel=1e-11,
    )[0]


def volume(radius):
    return 4.0 / 3.0 * math.pi * radius**3


@pytest.mark.reference
def test_volume_uncertainty_of_the_example_is_56_percent():
    """d 40 mm, voxel 4.8 mm, FWHM 12 mm; computed apart for the project."""
    assert volume_uncertainty(40.0, 4.8, 12.0) == pytest.approx(0.56, abs=0.005)


def test_volume_uncertainty_is_that_of_edges_drawn_at_random():
    """Each edge of a diameter off by a voxel's rounding and by the blur's sd."""
    generator = np.random.default_rng(5)
    edges = generator.uniform(-0.5, 0.5, (2, 400_000)) * 1.0
    edges += 0.5 * SIGMA_PER_FWHM * generator.standard_normal((2, 400_000))
    diameters = 100.0 + edges[1] - edges[0]
    volumes = diameters**3
    spread = volumes.std() / volumes.mean()
    assert volume_uncertainty(100.0, 1.0, 0.5) == pytest.approx(spread, rel=0.01)


@pytest.mark.parametrize(("diameter", "fwhm"), SIZES)
def test_border_density_is_twice_that_of_the_blurred_sphere(diameter, fwhm):
    at_border = blurred(diameter / 2.0, diameter / 2.0, fwhm)
    assert border_density(diameter, fwhm) == pytest.approx(2.0 * at_border, rel=1e-10)


@pytest.mark.parametrize(("diameter", "fwhm"), SIZES)
def test_counts_follow_an_outline_that_moves_as_phi_over_two_r(diameter, fwhm):
    """The EANM formula, by numerical integration and a border moved by 0.01 %."""
    radius, step = diameter / 2.0, 1e-4
    recovered = counts(radius, radius, fwhm) / volume(radius)
    wide, tight = (
        math.log(counts(radius * (1.0 + s), radius, fwhm)) for s in (step, -step)
    )
    slope = (wide - tight) / (6.0 * step)
    formula = border_density(diameter, fwhm) / (2.0 * recovered)
    assert formula == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize(("diameter", "fwhm"), SIZES)
def test_recovery_of_a_sphere_and_its_slope_are_those_of_quadrature(diameter, fwhm):
    radius, step = diameter / 2.0, 1e-4

    def recovered(at):
        return counts(at, at, fwhm) / volume(at)

    found = recover_sphere(diameter, fwhm)
    assert found.value == pytest.approx(recovered(radius), rel=1e-8)
    wide, tight = (math.log(recovered(radius * (1.0 + s))) for s in (step, -step))
    assert found.exponent == pytest.approx((wide - tight) / (6.0 * step), rel=1e-5)


@pytest.mark.parametrize(("diameter", "fwhm"), SIZES)
def test_an_activity_follows_the_outline_by_its_exponent(diameter, fwhm):
    """Counts inside outlines 0.1 % off, divided by the recovery at their volume."""
    radius, true_volume = diameter / 2.0, volume(diameter / 2.0) * 1e-3
    phantom = phantom_of(diameter, fwhm)
    wide, tight = (
        counts(radius * size ** (1.0 / 3.0), radius, fwhm)
        / recover(phantom, size * true_volume).value
        for size in (1.001, 1.0 / 1.001)
    )
    found = math.log(wide / tight) / (2.0 * math.log(1.001))
    kappa = outline_exponent(diameter, fwhm, recover(phantom, true_volume))
    assert kappa == pytest.approx(found, abs=1e-5)


@given(st.floats(2.0, 300.0), st.floats(3.0, 20.0))
def test_an_ideal_exponent_is_one_less_that_of_the_counts(diameter, fwhm):
    """Sphere and outline change counts alike: kappa = 1 - phi / 2 R, 0 to 1/2."""
    ideal = recover_sphere(diameter, fwhm)
    kappa = outline_exponent(diameter, fwhm, ideal)
    expected = 1.0 - border_density(diameter, fwhm) / (2.0 * ideal.value)
    assert kappa == pytest.approx(expected, abs=1e-9)
    assert 0.0 < kappa < 0.5
    assert 0.0 < ideal.value < 1.0


def test_recovery_curve_and_its_uncertainty():
    """Monte Carlo over b, and finite differences in v."""
    found = recover(PHANTOM, 20.0)
    exact = 1.0 - 1.0 / (1.0 + (20.0 / 6.0) ** 0.9)
    assert found.value == pytest.approx(exact, rel=1e-14)
    wide = recover(PHANTOM, 20.0 * (1.0 + 1e-6)).value
    slope = math.log(wide / found.value) / math.log1p(1e-6)
    assert found.exponent == pytest.approx(slope, rel=1e-5)
    small = np.array(PHANTOM.covariance) / 100.0
    b1, b2 = np.random.default_rng(3).multivariate_normal([6.0, 0.9], small, 400_000).T
    recoveries = 1.0 - 1.0 / (1.0 + (20.0 / b1) ** b2)
    spread = 10.0 * recoveries.std() / recoveries.mean()
    assert found.curve_uncertainty == pytest.approx(spread, rel=0.01)


def chain(scale, *, mass, mass_exponent=0.97):
    """The chain with every uncertainty scaled: what is propagated, and what it is."""
    size = sphere_diameter(20.0)
    curve = RecoveryCurve(
        phantom_of(size, 12.0).b1_mL,
        0.9,
        (
            (scale**2 * 0.36, scale**2 * -0.012),
            (scale**2 * -0.012, scale**2 * 0.0016),
        ),
        "made up",
    )
    inputs = {
        "fit": 0.2 * scale,
        "calibration": 0.3 * scale,
        "volume": 0.5 * scale,
        "mass": None if mass is None else mass * scale,
    }
    recovery = recover(curve, 20.0)
    propagated = propagate_dose(
        **inputs,
        recovery=recovery,
        border=border_density(size, 12.0),
        mass_exponent=mass_exponent,
        others={"S-value table": 0.1 * scale},
    )
    return propagated, inputs, curve, recovery


def simulated_doses(inputs, curve, *, scale, mass_exponent=0.97):
    """D = C / (Q R) x fit x S(m), with counts of a real blurred sphere of 20 mL."""
    n = 200_000
    generator = np.random.default_rng(21)
    z = generator.standard_normal((5, n))
    radius = sphere_diameter(20.0) / 2.0
    volumes = np.exp(inputs["volume"] * z[0])
    grid = np.geomspace(volumes.min(), volumes.max(), 200)
    inside = [counts(radius * g ** (1.0 / 3.0), radius, 12.0) for g in grid]
    counted = np.interp(volumes, grid, inside)
    b1, b2 = generator.multivariate_normal(
        [curve.b1_mL, curve.b2], np.array(curve.covariance), n
    ).T
    kept = b1 > 0.0
    recoveries = 1.0 - 1.0 / (1.0 + (20.0 * volumes / np.where(kept, b1, 1.0)) ** b2)
    masses = volumes if inputs["mass"] is None else np.exp(inputs["mass"] * z[1])
    factors = np.exp(
        inputs["fit"] * z[2] + inputs["calibration"] * z[3] + 0.1 * scale * z[4]
    )
    return (counted / recoveries * factors * masses**-mass_exponent)[kept]


@pytest.mark.parametrize("mass", [None, 0.3])
def test_propagation_equals_monte_carlo_in_the_linear_regime_and_not_beyond(mass):
    for scale, linear in ((0.05, True), (1.0, False)):
        propagated, inputs, curve, _ = chain(scale, mass=mass)
        doses = simulated_doses(inputs, curve, scale=scale)
        spread = doses.std() / doses.mean()
        assert (propagated.total == pytest.approx(spread, rel=1e-2)) == linear
        assert bool(propagated.warnings) != linear


@pytest.mark.parametrize("mass", [None, 0.3])
def test_steps_with_covariances_and_independent_factors_give_one_total(mass):
    """The chain as the EANM writes it; its covariance of counts and recovery."""
    found, inputs, _, recovery = chain(0.2, mass=mass)
    phi, v = border_density(sphere_diameter(20.0), 12.0), inputs["volume"]
    counted = phi / (2.0 * recovery.value)
    by_hand = inputs["calibration"] ** 2 + (counted * v) ** 2
    by_hand += recovery.curve_uncertainty**2 + (recovery.exponent * v) ** 2
    # (phi / R^2) (dR / dv) u(v)^2 / v
    slope = recovery.exponent * recovery.value / 20.0
    by_hand -= phi / recovery.value**2 * slope * (v * 20.0) ** 2 / 20.0
    assert found.steps["activity"] == pytest.approx(math.sqrt(by_hand), rel=1e-12)
    assert found.covariances["activity"] < 0.0
    by_hand += inputs["fit"] ** 2
    assert found.steps["TIA"] == pytest.approx(math.sqrt(by_hand), rel=1e-12)
    by_hand += (0.97 * (v if mass is None else inputs["mass"])) ** 2
    by_hand += found.covariances["dose"] + (0.1 * 0.2) ** 2
    assert (found.covariances["dose"] < 0.0) == (mass is None)
    assert found.total == pytest.approx(math.sqrt(by_hand), rel=1e-12)
    assert found.steps["dose"] == pytest.approx(found.total, rel=1e-12)
    squares = sum(factor**2 for factor in found.factors.values())
    assert squares == pytest.approx(found.total**2, rel=1e-12)
    expected = {FIT, CALIBRATION, RECOVERY, OUTLINE, "S-value table"}
    assert set(found.factors) == expected | (set() if mass is None else {MASS})


def test_a_shared_outline_makes_the_dose_surer_than_its_parts():
    """Large organ: counts as v^(1/2), S as 1 / v, so that the dose goes as v^(-1/2)."""
    found = propagate_dose(
        fit=0.0,
        calibration=0.0,
        recovery=Recovery(1.0, 0.0, 0.0),
        border=1.0,
        volume=0.1,
        mass_exponent=1.0,
        mass=None,
        others={},
    )
    assert found.total == pytest.approx(0.05)
    assert found.steps["S"] == pytest.approx(0.1)


def test_calibration_adds_reference_and_repeats():
    assert calibration_uncertainty(0.05, 0.12) == pytest.approx(0.13)


GOOD = {
    "fit": 0.03,
    "calibration": 0.05,
    "recovery": Recovery(0.8, 0.1, 0.05),
    "border": 0.8,
    "volume": 0.1,
    "mass_exponent": 1.0,
    "mass": None,
    "others": {},
}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"fit": -0.1}, "uncertainty of fit is -0.1"),
        ({"volume": math.inf}, "uncertainty of volume is inf"),
        ({"mass": math.nan}, "uncertainty of mass is nan"),
        ({"border": 1.2}, "density at the border is 1.2"),
        ({"recovery": Recovery(0.0, 0.1, 0.05)}, "recovery 0.0"),
        ({"others": {"mass": 0.1}}, "'mass' is one of the chain's own"),
        ({"others": {"tail": -0.1}}, "uncertainty of tail is -0.1"),
    ],
)
def test_what_is_no_uncertainty_is_refused(changes, text):
    with pytest.raises(InputError, match=text):
        propagate_dose(**{**GOOD, **changes})


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: sphere_diameter(0.0), "volume, mL, is 0.0"),
        (lambda: volume_uncertainty(-1.0, 4.0, 10.0), "diameter, mm, is -1.0"),
        (lambda: volume_uncertainty(40.0, -4.0, 10.0), "neither may be negative"),
        (lambda: border_density(0.5, 12.0), "cannot be outlined"),
        (lambda: recover(PHANTOM, 0.0), "volume, mL, is 0.0"),
        (lambda: RecoveryCurve(0.0, 1.0, PHANTOM.covariance, ""), "b1 = 0.0 mL"),
        (
            lambda: RecoveryCurve(5.0, 1.0, ((0.1, 0.2), (0.2, 0.1)), ""),
            "is none: give",
        ),
        (lambda: outline_exponent(40.0, 12.0, Recovery(0.0, 0.0, 0.0)), "recovery, is"),
    ],
)
def test_what_is_no_outline_is_refused(call, text):
    with pytest.raises(InputError, match=text):
        call()
