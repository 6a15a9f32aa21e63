"""S-values and doses against OpenDose, published doses and Monte Carlo."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_tables import rows

from pkmodels.dosimetry.doses import absorbed_dose, draw_factors, energy_weighted_mean
from pkmodels.dosimetry.s_values import KIDNEY_Y90_LOG_SD, SValue, s_value
from pkmodels.nuclides import nuclide
from pkmodels.units import GY_G_PER_MEV_MBQ_H
from pkmodels.values import Certainty

# 1 mGy/(MBq s), the unit of the tables, is 3.6 Gy/(MBq h).
TABULATED = 3.6

LU177 = rows("lu177_self_dose")
FRACTIONS = rows("beta_absorbed_fractions")
SPHERES = [row for row in FRACTIONS if row["geometry"].startswith("sphere")]
KIDNEYS = [row for row in FRACTIONS if row["geometry"].startswith("ellipsoid")]
ALL = [
    (organ, label, sex)
    for organ in ("kidney", "liver", "spleen", "red_marrow")
    for label in ("Lu-177", "Y-90")
    for sex in ("male", "female")
]


def known(organ: str, label: str, sex: str = "male") -> SValue:
    found = s_value(organ, label, sex)
    assert found is not None
    return found


def local_deposition(label: str, mass_g: float) -> float:
    """Return S where every electron stays in the organ, Gy/(MBq h)."""
    return nuclide(label).electron_MeV * GY_G_PER_MEV_MBQ_H / mass_g


@pytest.mark.reference
@pytest.mark.parametrize("row", LU177, ids=lambda r: f"{r['sex']} {r['organ']}")
def test_lu177_is_that_of_the_tables(row: dict[str, str]) -> None:
    """At the phantom's mass; the right kidney also scaled from the left one."""
    mass, published = float(row["mass_g"]), float(row["S_mGy_per_MBq_s"]) * TABULATED
    value = s_value(row["organ"], "Lu-177", row["sex"], side=row["side"] or None)
    assert value is not None
    assert value.at_mass(mass) == pytest.approx(published, rel=1e-12)
    assert value.reference_mass_g == mass
    unsided = known(row["organ"], "Lu-177", row["sex"]).at_mass(mass)
    assert unsided == pytest.approx(published, rel=2e-3)


@pytest.mark.reference
@pytest.mark.parametrize(
    ("organ", "fraction", "low", "high"),
    [
        ("kidney", 0.993, 0.015, 0.025),
        ("liver", 0.997, 0.03, 0.06),
        ("spleen", 0.994, 0.015, 0.035),
    ],
)
def test_photons_of_lu177_give_a_few_percent_and_scale_by_their_own_law(
    organ: str, fraction: float, low: float, high: float
) -> None:
    """Electrons as the mass to the -1, photons to the -2/3."""
    [row] = [
        r
        for r in LU177
        if (r["organ"], r["sex"]) == (organ, "male") and r["side"] != "right"
    ]
    mass, value = float(row["mass_g"]), known(organ, "Lu-177")
    electrons = fraction * local_deposition("Lu-177", mass)
    photons = value.at_mass(mass) - electrons
    assert low < photons / value.at_mass(mass) < high
    for factor in (0.5, 1.6, 3.0):
        expected = electrons / factor + photons / factor ** (2.0 / 3.0)
        assert value.at_mass(factor * mass) == pytest.approx(expected, rel=2e-4)


@pytest.mark.reference
@pytest.mark.parametrize(
    ("organ", "mass_g", "dose"),
    [("Kidney_Left", 245.3, 0.370), ("Kidney_Right", 263.5, 0.309)],
)
def test_published_tiac_gives_the_dose_of_each_kidney(
    organ: str, mass_g: float, dose: float
) -> None:
    """Patient 4: a kidney of its own, not half of both, and scaled to its mass."""
    [row] = [r for r in rows("lu177_patient4_published_fit") if r["organ"] == organ]
    per_GBq = 1e3 * known("kidney", "Lu-177").at_mass(mass_g) * float(row["TIAC_h"])
    assert per_GBq == pytest.approx(dose, rel=0.01)


@pytest.mark.reference
@pytest.mark.parametrize("organ", ["liver", "spleen"])
@pytest.mark.parametrize("row", SPHERES[2:], ids=lambda r: f"{r['mass_g']} g")
def test_y90_of_a_solid_organ_is_that_of_a_sphere(
    organ: str, row: dict[str, str]
) -> None:
    """The absorbed fraction of the first-order law, within its stated 3 % from 1 g."""
    mass = float(row["mass_g"])
    fraction = known(organ, "Y-90").at_mass(mass) / local_deposition("Y-90", mass)
    assert fraction == pytest.approx(float(row["phi_Y90"]), rel=0.03)


@pytest.mark.reference
@pytest.mark.parametrize("sex", ["male", "female"])
@pytest.mark.parametrize("row", KIDNEYS, ids=lambda r: f"{r['mass_g']} g")
def test_y90_of_a_kidney_agrees_with_monte_carlo(row: dict[str, str], sex: str) -> None:
    """S = phi Delta / m of the ellipsoid; 5.9 S of Lu-177 lies within twice its sd."""
    mass = float(row["mass_g"])
    expected = float(row["phi_Y90"]) * local_deposition("Y-90", mass)
    found = known("kidney", "Y-90", sex).at_mass(mass)
    assert abs(math.log(found / expected)) < 2.0 * KIDNEY_Y90_LOG_SD.value


@pytest.mark.reference
@pytest.mark.parametrize(
    ("sex", "both_g", "published"),
    [
        ("male", 310.0, 4.49e-4),  # Monte Carlo, 2 x 155 g
        ("female", 274.0, 5.06e-4),  # Monte Carlo, 2 x 137 g
        ("male", 299.0, 2.93e-5 / 60.0 * 1e3),  # Budiansah et al. 2025
        ("female", 275.0, 3.18e-5 / 60.0 * 1e3),  # Budiansah et al. 2025
    ],
)
def test_y90_of_both_kidneys_is_half_that_of_one(
    sex: str, both_g: float, published: float
) -> None:
    """Activity in both kidneys spreads over twice the mass; mGy/(MBq s)."""
    one = known("kidney", "Y-90", sex).at_mass(both_g / 2.0) / TABULATED
    assert abs(math.log(one / 2.0 / published)) < 2.0 * KIDNEY_Y90_LOG_SD.value


@pytest.mark.reference
def test_kidneys_taken_together_have_the_tabulated_dose() -> None:
    """Equal activity in kidneys of 153 and 157 g; kidneys <- kidneys of OpenDose."""
    masses = {"left": 152.983, "right": 157.011}
    doses = {r: 0.5 * known("kidney", "Lu-177").at_mass(m) for r, m in masses.items()}
    together = energy_weighted_mean(doses, masses) / TABULATED
    assert together == pytest.approx(7.712e-5, rel=5e-3)
    assert together == pytest.approx(7.76e-5, rel=5e-3)  # OLINDA-type, 310 g


@pytest.mark.reference
@pytest.mark.parametrize("label", ["Lu-177", "Y-90"])
@pytest.mark.parametrize("sex", ["male", "female"])
def test_marrow_is_never_taken_for_local_deposition(label: str, sex: str) -> None:
    """Electrons escape from the cavities: 0.57 of Lu-177 stays in the tables."""
    value = known("red_marrow", label, sex)
    assert value.at_mass(1000.0) < 0.65 * local_deposition(label, 1000.0)
    if label == "Y-90":
        assert value.certainty is Certainty.JUDGEMENT
        assert value.uncertainties[0].log_sd == 0.25
        assert "Haenscheid" in value.source


@given(st.sampled_from(ALL[:12]), st.floats(20.0, 3000.0), st.floats(1.001, 2.0))
def test_a_heavier_organ_takes_less_dose_from_no_less_energy(
    which: tuple[str, str, str], mass: float, factor: float
) -> None:
    value = known(*which)
    light, heavy = value.at_mass(mass), value.at_mass(factor * mass)
    assert heavy < light
    assert heavy * factor >= light * (1.0 - 1e-12)


@pytest.mark.parametrize("organ", ["kidney", "liver", "spleen"])
@pytest.mark.parametrize("sex", ["male", "female"])
def test_local_deposition_bounds_what_electrons_give(organ: str, sex: str) -> None:
    """Y-90 has no photons: below the bound. Lu-177 exceeds it by its photons only."""
    for mass in (50.0, 150.0, 300.0):
        bound = local_deposition("Y-90", mass)
        assert 0.85 * bound < known(organ, "Y-90", sex).at_mass(mass) < bound
        electrons = sum(
            c / mass for c, p in known(organ, "Lu-177", sex).terms if p == 1.0
        )
        bound = local_deposition("Lu-177", mass)
        assert 0.99 * bound < electrons < bound


@pytest.mark.parametrize("which", ALL)
def test_every_s_value_says_where_it_comes_from(which: tuple[str, str, str]) -> None:
    value = known(*which)
    assert value.source
    assert value.certainty in Certainty
    assert all(uncertainty.log_sd > 0.0 for uncertainty in value.uncertainties)
    assert value.uncertainties


def test_what_is_not_known_is_not_made_up() -> None:
    assert s_value("bladder", "Lu-177", "male") is None
    assert s_value("kidney", "Ga-67", "male") is None
    assert s_value("tumour", "Tb-161", "female") is None


def test_an_uncertainty_is_drawn_once_for_all_that_share_it() -> None:
    """Both kidneys, and Lu-177 under Y-90, move together."""
    values = [known(o, n) for o in ("kidney", "liver") for n in ("Lu-177", "Y-90")]
    factors = draw_factors([*values, values[0]], 20_000, [3])
    names = {u.name for value in values for u in value.uncertainties}
    assert set(factors) == names
    assert len(names) == 4  # Lu kidney, Y/Lu kidney, Lu liver, Y liver
    alone = draw_factors(values[:1], 20_000, [3])
    for again in (draw_factors(values[::-1], 20_000, [3]), alone):
        for name in again:  # whatever else is drawn
            np.testing.assert_array_equal(factors[name], again[name])
    ratio = np.log(factors["Y-90 / Lu-177 S-value ratio, kidney"])
    assert ratio.std() == pytest.approx(0.034, rel=0.03)
    assert np.median(ratio) == pytest.approx(0.0, abs=1e-3)
    lutetium, yttrium = (
        absorbed_dose(known("kidney", n), n, 100.0, 150.0, factors)
        for n in ("Lu-177", "Y-90")
    )
    np.testing.assert_allclose(np.log(yttrium / lutetium), math.log(5.9) + ratio)
    together = np.corrcoef(np.log(lutetium), np.log(yttrium))[0, 1]
    assert together == pytest.approx(0.01 / math.hypot(0.01, 0.034), abs=0.02)


def test_dose_is_the_time_integral_times_s_times_its_factors() -> None:
    value = known("liver", "Y-90")
    integrals, masses = np.array([100.0, 200.0]), np.array([1500.0, 1800.0])
    [uncertainty] = value.uncertainties
    doses = absorbed_dose(
        value, "Y-90", integrals, masses, {uncertainty.name: np.array([1, 1.1])}
    )
    expected = [100.0 * value.at_mass(1500.0), 220.0 * value.at_mass(1800.0)]
    np.testing.assert_allclose(doses, expected, rtol=1e-14)


def test_a_group_takes_energy_over_mass() -> None:
    """Two kidneys of 100 and 300 g that absorb 400 and 600 g Gy: 1000 over 400 g."""
    doses = {"left": np.array([4.0]), "right": np.array([2.0])}
    masses = {"left": np.array([100.0]), "right": np.array([300.0])}
    assert energy_weighted_mean(doses, masses) == pytest.approx(2.5)
    # A region without activity dilutes the group; it is not left out.
    doses["right"] = np.array([0.0])
    assert energy_weighted_mean(doses, masses) == pytest.approx(1.0)
