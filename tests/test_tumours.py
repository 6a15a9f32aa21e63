"""S-values of tumours as spheres against tables, Monte Carlo and a power law."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_tables import rows

from pkmodels.dosimetry.mass_scaling import SValue
from pkmodels.dosimetry.s_values import s_value
from pkmodels.errors import InputError

# 1 mGy/(MBq s) is 3.6 Gy/(MBq h); 1 MeV per decay in 1 g in mGy/(MBq s).
TABULATED = 3.6
PER_MEV = 1.60218e-1
ELECTRON_MEV = {"Lu-177": 0.14792, "Y-90": 0.93310}

SPHERES = [
    r for r in rows("beta_absorbed_fractions") if r["geometry"].startswith("sphere")
]


def tumour(label: str) -> SValue:
    found = s_value("tumour", label, "male")
    assert found is not None
    return found


@pytest.mark.reference
@pytest.mark.parametrize("row", SPHERES, ids=lambda r: f"{r['mass_g']} g")
def test_y90_tumour_is_absorbed_fraction_times_energy_over_mass(
    row: dict[str, str],
) -> None:
    mass, fraction = float(row["mass_g"]), float(row["phi_Y90"])
    found = tumour("Y-90").at_mass(mass) / TABULATED
    expected = fraction * ELECTRON_MEV["Y-90"] * PER_MEV / mass
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.reference
@pytest.mark.parametrize("left_out", range(1, len(SPHERES) - 1))
def test_between_the_spheres_of_y90_interpolation_is_good_to_1_5_percent(
    left_out: int,
) -> None:
    """Without one sphere, phi linear in m^(-1/3) still gives it."""
    masses = np.array([float(r["mass_g"]) for r in SPHERES])
    fractions = np.array([float(r["phi_Y90"]) for r in SPHERES])
    x, rest = -(masses ** (-1.0 / 3.0)), np.arange(len(masses)) != left_out
    found = np.interp(x[left_out], x[rest], fractions[rest])
    assert found == pytest.approx(fractions[left_out], rel=0.016)
    # Midway, ours is that same law.
    middle = math.sqrt(masses[left_out] * masses[left_out + 1])
    phi = np.interp(-(middle ** (-1.0 / 3.0)), x, fractions)
    ours = tumour("Y-90").at_mass(middle) / TABULATED
    assert ours == pytest.approx(
        phi * ELECTRON_MEV["Y-90"] * PER_MEV / middle, rel=2e-4
    )


@pytest.mark.reference
@pytest.mark.parametrize(
    "row",
    [
        (0.0345, 6.29e-10),
        (0.116, 1.93e-10),
        (0.932, 2.49e-11),
        (14.6, 1.63e-12),
        (932.0, 2.65e-14),
    ],
)
def test_lu177_tumour_is_that_of_olguin(row: tuple[float, float]) -> None:
    """Gy/(Bq s) is 3.6e9 Gy/(MBq h)."""
    mass, published = row
    found = tumour("Lu-177").at_mass(mass)
    assert found == pytest.approx(published * 3.6e9, rel=1e-12)


@pytest.mark.reference
@pytest.mark.parametrize("row", rows("lu177_spheres"), ids=lambda r: r["volume_mL"])
def test_lu177_tumour_agrees_with_the_spheres_of_olinda(row: dict[str, str]) -> None:
    """At unit density; OLINDA's are printed to two digits."""
    volume = float(row["volume_mL"])
    published = 60.0 * float(row["S_Gy_per_MBq_min"])
    found = tumour("Lu-177").at_mass(volume)
    assert found == pytest.approx(published, rel=0.045)


@pytest.mark.reference
@pytest.mark.parametrize("mass", [0.05, 0.5, 2.21, 14.6, 116.0, 932.0])
def test_lu177_tumour_agrees_with_the_published_power_law(mass: float) -> None:
    """S = 79.6 V^-0.985 mGy/(MBq h), V in mL at unit density: 1 to 5 % below Olguin."""
    found = 1e3 * tumour("Lu-177").at_mass(mass)
    assert 0.95 < 79.6 * mass**-0.985 / found < 1.0


@pytest.mark.reference
@pytest.mark.parametrize(
    "row",
    [r for r in SPHERES if float(r["mass_g"]) <= 932.0],
    ids=lambda r: r["mass_g"],
)
def test_lu177_tumour_agrees_with_the_monte_carlo_of_electrons(
    row: dict[str, str],
) -> None:
    """Electrons, and photons over the mean path 3 R / 4 at 0.03 cm2/g: 1.5 %."""
    mass = float(row["mass_g"])
    radius = (3.0 * mass / (4.0 * math.pi)) ** (1.0 / 3.0)
    absorbed = float(row["phi_Lu177_electrons"]) * ELECTRON_MEV["Lu-177"]
    absorbed += 0.75 * 0.03 * radius * 0.03509
    found = tumour("Lu-177").at_mass(mass) / TABULATED
    assert found == pytest.approx(absorbed * PER_MEV / mass, rel=0.015)


def test_a_tumour_outside_the_table_is_refused_with_the_range() -> None:
    value = tumour("Y-90")
    for mass in (0.05, 1500.0):
        with pytest.raises(
            InputError, match=f"{mass:g} g is outside the 0.1 to 1000 g"
        ):
            value.at_mass(mass)
    with pytest.raises(InputError, match=r"0\.004 g is outside the 0\.00431 to 932 g"):
        tumour("Lu-177").at_mass(0.004)
    with pytest.raises(InputError, match=r"as are 3 of 4"):
        value.at_mass(np.array([0.01, 0.05, 0.09, 1.0]))
    for wrong in (0.0, -1.0, math.nan):
        with pytest.raises(InputError, match="must be finite and above 0 g"):
            value.at_mass(wrong)


def test_draws_in_the_tails_of_a_mass_follow_the_last_slope() -> None:
    """A small sphere's absorbed fraction grows as its radius: S as m^(-2/3)."""
    value = tumour("Y-90")
    masses = 0.15 * np.exp(0.3 * np.random.default_rng(1).standard_normal(2000))
    outside = masses < 0.1
    assert 0.02 < outside.mean() < 0.1
    found = value.at_mass(masses)
    expected = value.at_mass(0.1) * (masses[outside] / 0.1) ** (-2.0 / 3.0)
    np.testing.assert_allclose(found[outside], expected, rtol=0.02)
    delta = ELECTRON_MEV["Y-90"] * PER_MEV * TABULATED
    assert np.all(found * masses < delta)


@given(
    st.sampled_from(["Lu-177", "Y-90"]), st.floats(0.1, 465.0), st.floats(1.001, 2.0)
)
def test_a_heavier_tumour_takes_less_dose_from_no_less_energy(
    label: str, mass: float, factor: float
) -> None:
    value = tumour(label)
    light, heavy = value.at_mass(mass), value.at_mass(factor * mass)
    assert heavy < light
    assert heavy * factor >= light * (1.0 - 1e-9)
