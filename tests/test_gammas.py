"""Photon lines: whose table, and what mixing two of them costs."""

import csv
import re
from pathlib import Path

import pytest

from pkmodels.errors import InputError
from pkmodels.gammas import check_one_source, gamma_line, gamma_ratio


@pytest.mark.reference
@pytest.mark.parametrize(
    ("energy_keV", "source", "percent"),
    [
        (208.0, "ICRP 107", 11.0),
        (113.0, "ICRP 107", 6.40),
        (208.0, "ENSDF", 10.41),
        (113.0, "ENSDF", 0.5980 * 10.41),  # ENSDF gives it relative to 208 keV
        (208.0, "DDEP", 10.38),
        (113.0, "DDEP", 6.20),
    ],
)
def test_lu177_lines_are_those_of_each_evaluation(
    energy_keV: float, source: str, percent: float
) -> None:
    line = gamma_line("Lu-177", energy_keV, source)
    assert 100.0 * line.yield_per_decay == pytest.approx(percent, abs=6e-3)
    assert line.source == source


def test_uncertainty_is_given_where_the_source_gives_one() -> None:
    assert gamma_line("Lu-177", 208.4, "ENSDF").sd == pytest.approx(0.0004)
    # 59.80(26) % of 10.41(4) %: 6.225 x sqrt(0.435^2 + 0.384^2) % = 0.036 %.
    sd = gamma_line("Lu-177", 113.0, "ENSDF").sd
    assert sd is not None
    assert sd == pytest.approx(0.00036, abs=5e-5)
    assert gamma_line("Lu-177", 208.4, "ICRP 107").sd is None


@pytest.mark.reference
def test_every_line_of_icrp_107_is_there(repository: Path) -> None:
    table = repository.parent / "shared/reference/data/icrp107/selected_nuclides.csv"
    if not table.exists():
        pytest.skip("needs ../shared/reference, which is no part of the repository")
    count = 0
    for row in csv.DictReader(table.read_text("utf-8").splitlines()):
        for energy, percent in re.findall(
            r"([\d.]+) keV ([\d.e+-]+)%", row["top_photons"]
        ):
            line = gamma_line(row["nuclide"], float(energy), "ICRP 107")
            assert line.energy_keV == float(energy)
            assert line.yield_per_decay == pytest.approx(float(percent) / 100.0)
            count += 1
    assert count == 203


def test_the_nearest_line_within_1_keV_is_taken() -> None:
    assert gamma_line("I-125", 27.3, "ICRP 107").energy_keV == 27.19
    with pytest.raises(InputError, match=r"no line within 1 keV of 210 keV.*208\.37"):
        gamma_line("Lu-177", 210.0, "ICRP 107")


def test_what_a_table_lacks_is_said_with_what_it_has() -> None:
    with pytest.raises(InputError, match=r"ENSDF has no line.*ICRP 107 also lists In-"):
        gamma_line("In-111", 245.0, "ENSDF")
    with pytest.raises(InputError, match=r"Pb-209: ICRP 107 has no line.*holds no"):
        gamma_line("Pb-209", 100.0, "ICRP 107")
    with pytest.raises(InputError, match=r"'endsf' of photon lines: known: ICRP"):
        gamma_line("Lu-177", 208.0, "endsf")
    with pytest.raises(InputError, match="did you mean 'Lu-177'"):
        gamma_line("Lu177", 208.0, "ENSDF")


def test_a_mixture_of_sources_is_refused_with_its_error() -> None:
    """11.0 over 10.41 is 1.0567."""
    with pytest.raises(InputError) as refused:
        check_one_source("Lu-177", 208.0, "ICRP 107", "ENSDF")
    text = str(refused.value)
    assert "calibrated with ICRP 107 (11 %) but quantified with ENSDF (10.41 %)" in text
    assert "activities come out 5.7 % too high" in text
    with pytest.raises(InputError, match=r"5\.4 % too low"):
        gamma_ratio("Lu-177", 208.0, "ENSDF", "ICRP 107")
    check_one_source("Lu-177", 208.0, "DDEP", "DDEP")
    assert gamma_ratio("Lu-177", 208.0, "DDEP", "DDEP") == 1.0


def test_a_named_mixture_gives_the_factor_that_mends_the_activity() -> None:
    """A source of 100 MBq: counts 1000 x yield; the two tables in turn."""
    true_MBq, per_photon = 100.0, 10.0
    for truth in (0.11, 0.1041):
        counts = true_MBq * per_photon * truth
        sensitivity = counts / (true_MBq * 0.11)  # calibrated with ICRP 107
        found = counts / (sensitivity * 0.1041)  # read with ENSDF
        mixture = ("ICRP 107", "ENSDF")
        mended = found * gamma_ratio("Lu-177", 208.0, *mixture, mixture=mixture)
        assert mended == pytest.approx(true_MBq)
    with pytest.raises(InputError, match="name them in this order"):
        gamma_ratio("Lu-177", 208.0, "ICRP 107", "ENSDF", mixture=("ENSDF", "ICRP 107"))
