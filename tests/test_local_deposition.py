"""Local deposition: where it holds, its error, and where it is refused."""

import pytest
from reference_tables import rows

from pkmodels.dosimetry.local_deposition import (
    local_deposition,
    local_deposition_error,
)
from pkmodels.dosimetry.s_values import s_value
from pkmodels.errors import InputError

FRACTIONS = rows("beta_absorbed_fractions")
# 1 MeV per decay in 1 g, mGy/(MBq s).
PER_MEV = 1.60218e-1


@pytest.mark.reference
@pytest.mark.parametrize(
    ("label", "electron_MeV"), [("Lu-177", 0.14792), ("Y-90", 0.93310)]
)
def test_value_is_the_electron_energy_over_the_mass(
    label: str, electron_MeV: float
) -> None:
    found = local_deposition(label, "kidney").at_mass(155.0) / 3.6
    assert found == pytest.approx(electron_MeV * PER_MEV / 155.0, rel=1e-5)


@pytest.mark.reference
def test_y90_kidneys_are_7_percent_high_and_lu177_within_1_5_percent() -> None:
    """4.82e-4 over 4.49e-4 at 310 g (Monte Carlo); OpenDose and OLINDA-type kidneys."""
    error = local_deposition_error("Y-90", "kidney", 155.0)
    assert error == pytest.approx(4.82e-4 / 4.49e-4 - 1.0, abs=3e-3)
    lutetium = local_deposition_error("Lu-177", "kidney", 155.0)
    assert -0.015 < lutetium < -0.009
    both = 0.14792 * PER_MEV / 310.0
    for tabulated in (7.712e-5, 7.76e-5):
        assert lutetium == pytest.approx(both / tabulated - 1.0, abs=5e-3)


@pytest.mark.reference
@pytest.mark.parametrize(
    "row",
    [r for r in FRACTIONS if float(r["mass_g"]) >= 1.0],
    ids=lambda r: r["mass_g"],
)
def test_stated_error_of_y90_is_that_of_monte_carlo(row: dict[str, str]) -> None:
    organ = "kidney" if row["geometry"].startswith("ellipsoid") else "tumour"
    error = local_deposition_error("Y-90", organ, float(row["mass_g"]))
    assert 1.0 + error == pytest.approx(1.0 / float(row["phi_Y90"]), rel=0.03)


@pytest.mark.reference
@pytest.mark.parametrize(("organ", "mass"), [("liver", 1799.776), ("spleen", 149.968)])
def test_stated_error_of_lu177_is_that_against_opendose(
    organ: str, mass: float
) -> None:
    """Photons stay in proportion to the organ's size: 4 % in the liver."""
    value = s_value(organ, "Lu-177", "male")
    assert value is not None
    found = local_deposition("Lu-177", organ).at_mass(mass) / value.at_mass(mass) - 1.0
    assert local_deposition_error("Lu-177", organ, mass) == pytest.approx(
        found, abs=6e-3
    )


def test_error_stands_in_the_source_and_in_the_uncertainty() -> None:
    value = local_deposition("Y-90", "kidney", mass_g=155.0)
    assert "its error for a kidney of 155 g is +7.4 %" in value.source
    [uncertainty] = value.uncertainties
    assert uncertainty.log_sd == pytest.approx(0.075, abs=1e-3)


def test_marrow_is_refused() -> None:
    for organ in ("red_marrow", "marrow"):
        with pytest.raises(InputError, match=r"refused: electrons leave the cavities"):
            local_deposition("Lu-177", organ)


def test_what_is_no_solid_region_is_refused() -> None:
    with pytest.raises(InputError, match="kidneys: they are two regions"):
        local_deposition("Y-90", "kidneys")
    for organ in ("bladder_wall", "lungs", "total_body"):
        with pytest.raises(
            InputError, match=f"in {organ} is refused: it holds in a so"
        ):
            local_deposition("Y-90", organ)


def test_small_tumours_of_y90_are_refused_and_large_ones_are_not() -> None:
    """phi is 0.881 at 20 g and 0.911 at 50 g: 10 % lies between them."""
    with pytest.raises(
        InputError, match=r"tumour of 20 g is wrong by \+1[34] %, above"
    ):
        local_deposition("Y-90", "tumour", mass_g=20.0)
    value = local_deposition("Y-90", "tumour", mass_g=100.0)
    with pytest.raises(InputError, match=r"20 g is outside the 4\d\.\d+ to 100000 g"):
        value.at_mass(20.0)
    local_deposition("Lu-177", "tumour", mass_g=0.1).at_mass(0.1)
    with pytest.raises(InputError, match="depends on the mass: give mass_g"):
        local_deposition("Y-90", "tumour")
    with pytest.raises(InputError, match=r"found a mass of 0\.05 g"):
        local_deposition("Lu-177", "tumour", mass_g=0.05)


def test_alphas_need_their_rbe_and_the_source_states_it() -> None:
    with pytest.raises(InputError, match="rbe_alpha is not given"):
        local_deposition("Ac-225", "kidney")
    plain = local_deposition("Ac-225", "kidney", rbe_alpha=1.0)
    weighted = local_deposition("Ac-225", "kidney", rbe_alpha=5.0)
    # 27.994 and 0.690 MeV, domain sums; photons left out.
    expected = (27.994 + 0.690) * PER_MEV / 150.0
    assert plain.at_mass(150.0) / 3.6 == pytest.approx(expected, rel=1e-4)
    expected = (5.0 * 27.994 + 0.690) * PER_MEV / 150.0
    assert weighted.at_mass(150.0) / 3.6 == pytest.approx(expected, rel=1e-4)
    assert "rbe_alpha = 5 as stated by the caller (RBE-weighted" in weighted.source
    assert "rbe_alpha = 1 as stated by the caller (absorbed dose)" in plain.source
    assert "Bi-213" in plain.source
    assert "must not be counted again" in plain.source


def test_labels_whose_electrons_and_photons_are_not_known_are_refused() -> None:
    for label in ("I-131", "Ga-68", "Tb-161"):
        with pytest.raises(InputError, match=f"deposition of {label}: how far its"):
            local_deposition(label, "kidney")
