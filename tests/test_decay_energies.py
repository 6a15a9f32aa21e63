"""Energy per decay of whole chains against sums computed apart, and the RBE."""

import pytest
from reference_tables import rows

from pkmodels.dosimetry.decay_energies import (
    MIRD_22_RBE_ALPHA,
    emits_alphas,
    energy_of_chain,
    weighted_energy_MeV,
)
from pkmodels.errors import InputError
from pkmodels.nuclides import nuclide


@pytest.mark.reference
@pytest.mark.parametrize("row", rows("chain_energies"), ids=lambda r: r["label"])
def test_energy_of_a_chain_has_the_digits_computed_apart(row: dict[str, str]) -> None:
    found = energy_of_chain(row["label"])
    assert found.alpha_MeV == pytest.approx(float(row["alpha_MeV"]), abs=5e-4)
    assert found.electron_MeV == pytest.approx(float(row["electron_MeV"]), abs=5e-4)
    assert found.photon_MeV == pytest.approx(float(row["photon_MeV"]), abs=5e-4)


def test_energy_of_a_chain_agrees_with_the_branches_written_out() -> None:
    """Pb-212 -> Bi-212 -> 0.6406 Po-212 + 0.3594 Tl-208, MeV by hand."""
    found = energy_of_chain("Pb-212")
    assert found.alpha_MeV == pytest.approx(2.2163 + 0.6406 * 8.9541, rel=1e-12)
    by_hand = 0.17663 + 0.50456 + 0.3594 * 0.61134
    assert found.electron_MeV == pytest.approx(by_hand, rel=1e-12)
    assert found.photon_MeV == pytest.approx(0.14503 + 0.10376 + 0.3594 * 3.36025)


def test_a_label_without_daughters_has_its_own_energy() -> None:
    found, own = energy_of_chain("Lu-177"), nuclide("Lu-177")
    assert (found.alpha_MeV, found.electron_MeV) == (0.0, own.electron_MeV)
    assert found.photon_MeV == own.photon_MeV


def test_alphas_are_found_among_daughters() -> None:
    assert [n for n in ("Lu-177", "Y-90", "Ac-225", "Pb-212", "Ra-223", "Ge-68")
            if emits_alphas(n)] == ["Ac-225", "Pb-212", "Ra-223"]  # fmt: skip


def test_alphas_are_never_added_without_a_stated_rbe() -> None:
    energy = energy_of_chain("Ac-225")
    with pytest.raises(InputError, match=r"rbe_alpha is not given, but 27\.99 MeV"):
        weighted_energy_MeV(energy, None)
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match=r"rbe_alpha is .*finite number above 0"):
            weighted_energy_MeV(energy, wrong)
    assert weighted_energy_MeV(energy, 1.0) == pytest.approx(27.994 + 0.690, abs=1e-3)
    five = weighted_energy_MeV(energy, MIRD_22_RBE_ALPHA.value)
    assert five == pytest.approx(5.0 * 27.994 + 0.690, abs=3e-3)
    assert weighted_energy_MeV(energy_of_chain("Y-90"), None) == 0.93310


def test_a_chain_with_an_unknown_daughter_is_refused() -> None:
    with pytest.raises(InputError, match="Ra-223 decays into Rn-219"):
        energy_of_chain("Ra-223")
