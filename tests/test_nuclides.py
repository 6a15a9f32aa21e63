"""Radionuclides against ICRP Publication 107 and what follows from it."""

import csv
import math
import subprocess
import sys
from pathlib import Path

import pytest
from reference_tables import FOLDER, rows, source

from pkmodels import units
from pkmodels.errors import InputError
from pkmodels.nuclides import STABLE_DAUGHTERS, Nuclide, nuclide, nuclides

ICRP107 = {row["nuclide"]: row for row in rows("icrp107")}
HOURS = {"s": 1 / 3600, "min": 1 / 60, "h": 1.0, "d": 24.0}


def published_digits(text: str) -> float:
    """Return half a unit in the last digit of a printed number."""
    return 0.5 * 10.0 ** -len(text.partition(".")[2])


@pytest.fixture(scope="module")
def selected(repository: Path) -> dict[str, dict[str, str]]:
    """Rows of ICRP 107's index for 43 nuclides; they may not be committed."""
    table = repository.parent / "shared/reference/data/icrp107/selected_nuclides.csv"
    if not table.exists():
        pytest.skip("needs ../shared/reference, which is no part of the repository")
    found = csv.DictReader(table.read_text("utf-8").splitlines())
    return {row["nuclide"]: row for row in found}


def test_every_nuclide_of_the_reference_is_known() -> None:
    assert ICRP107.keys() <= nuclides().keys()


@pytest.mark.reference
def test_the_table_is_that_of_icrp_107(selected: dict[str, dict[str, str]]) -> None:
    assert nuclides().keys() == selected.keys()
    hours = {"s": 1 / 3600, "m": 1 / 60, "h": 1.0, "d": 24.0}
    for name, row in selected.items():
        found, (value, unit) = nuclide(name), row["half_life"].split()
        daughters = (pair.split(":") for pair in row["daughters"].split(","))
        assert found.half_life_h == pytest.approx(float(value) * hours[unit], rel=1e-12)
        assert found.alpha_MeV == float(row["E_alpha_incl_recoil_MeV"])
        assert found.electron_MeV == float(row["E_electron_MeV"])
        assert found.photon_MeV == float(row["E_photon_MeV"])
        assert dict(found.daughters) == {d: float(part) for d, part in daughters}


@pytest.mark.reference
@pytest.mark.parametrize("name", nuclides())
def test_daughters_are_those_of_radioactivedecay(name: str) -> None:
    import radioactivedecay

    expected = radioactivedecay.Nuclide(name)
    fractions = dict(
        zip(expected.progeny(), expected.branching_fractions(), strict=True)
    )
    assert dict(nuclide(name).daughters) == fractions


@pytest.mark.reference
def test_stable_daughters_are_those_of_radioactivedecay() -> None:
    import radioactivedecay

    daughters = {d for found in nuclides().values() for d, _ in found.daughters}
    stable = {
        daughter
        for daughter in daughters
        if radioactivedecay.Nuclide(daughter).half_life("readable") == "stable"
    }
    assert stable == STABLE_DAUGHTERS


@pytest.mark.parametrize("name", nuclides())
def test_branching_fractions_add_up_to_one(name: str) -> None:
    # ICRP 107 leaves out the branch of At-217 to Rn-217, 1.2e-4; five digits elsewhere.
    total = 0.99988 if name == "At-217" else 1.0
    assert sum(f for _, f in nuclide(name).daughters) == pytest.approx(total, abs=1e-5)


@pytest.mark.reference
@pytest.mark.parametrize(
    ("name", "text"),
    [
        # GBq/nmol, computed from ICRP 107 by hand: ln 2 / half-life x 6.022e14.
        ("Ga-68", "102.7"),
        ("Y-90", "1.809"),
        ("In-111", "1.723"),
        ("Lu-177", "0.7268"),
        ("Ac-225", "0.483"),
    ],
)
def test_carrier_free_molar_activities_of_five_labels(name: str, text: str) -> None:
    molar = nuclide(name).carrier_free_MBq_per_nmol / 1e3
    assert molar == pytest.approx(float(text), abs=published_digits(text))


@pytest.mark.reference
@pytest.mark.parametrize("name", nuclides())
def test_half_life_is_that_of_radioactivedecay(name: str) -> None:
    # It holds the half-lives of ICRP 107; imported here, since it takes a second.
    import radioactivedecay

    expected = radioactivedecay.Nuclide(name).half_life("h")
    assert nuclide(name).half_life_h == pytest.approx(expected, rel=1e-12)


@pytest.mark.reference
@pytest.mark.parametrize("name", ICRP107)
def test_half_life_and_energies_are_those_of_icrp_107(name: str) -> None:
    row, found = ICRP107[name], nuclide(name)
    hours = float(row["half_life"]) * HOURS[row["half_life_unit"]]
    assert found.half_life_h == pytest.approx(hours, rel=1e-12)
    assert found.electron_MeV == float(row["electron_MeV"])
    assert found.photon_MeV == float(row["photon_MeV"])
    assert found.alpha_MeV == 0.0


@pytest.mark.reference
@pytest.mark.parametrize("name", ICRP107)
def test_mean_dose_per_decay_has_the_tabulated_digits(name: str) -> None:
    text = ICRP107[name]["delta_e_Gy_g_per_MBq_h"]
    delta = nuclide(name).electron_MeV * units.GY_G_PER_MEV_MBQ_H
    assert delta == pytest.approx(float(text), abs=published_digits(text))


@pytest.mark.reference
@pytest.mark.parametrize("name", ICRP107)
def test_carrier_free_molar_activity_has_the_tabulated_digits(name: str) -> None:
    text = ICRP107[name]["carrier_free_GBq_per_nmol"]
    molar = nuclide(name).carrier_free_MBq_per_nmol / 1e3
    assert molar == pytest.approx(float(text), abs=published_digits(text))


@pytest.mark.reference
def test_dose_units_are_those_of_the_mird_literature() -> None:
    # 1 MeV per decay in 1 g: 0.576784 Gy/(MBq h), or 1.60218e-1 mGy/(MBq s).
    assert pytest.approx(0.576784, abs=5e-7) == units.GY_G_PER_MEV_MBQ_H
    per_mGy = units.GY_G_PER_MEV_MBQ_H / units.GY_PER_MBQ_H_PER_MGY_PER_MBQ_S
    assert per_mGy == pytest.approx(1.60218e-1, abs=5e-7)


def test_half_of_the_activity_is_left_after_a_half_life() -> None:
    half_life, decay = (
        nuclide("Lu-177").half_life_h,
        nuclide("Lu-177").decay_constant_per_h,
    )
    assert math.exp(-decay * half_life) == pytest.approx(0.5, rel=1e-15)


def test_carrier_free_activity_is_the_activity_of_a_count_of_atoms() -> None:
    """One nmol is 6.02214076e14 atoms; each decays with probability lambda dt."""
    # One decay per atom and hour.
    made_up = Nuclide("X-1", math.log(2.0), 0.0, 0.0, 0.0, ())
    assert made_up.carrier_free_MBq_per_nmol == pytest.approx(
        6.02214076e14 / 3600.0 / 1e6, rel=1e-14
    )


@pytest.mark.parametrize(
    ("name", "remedy"), [("Lu177", "did you mean 'Lu-177'"), ("Xx-1", "known: ")]
)
def test_unknown_nuclide_is_named_with_the_known_ones(name: str, remedy: str) -> None:
    with pytest.raises(InputError, match=rf"'{name}'.*{remedy}.*Ga-68"):
        nuclide(name)


@pytest.mark.parametrize("table", [path.stem for path in FOLDER.glob("*.csv")])
def test_every_reference_table_opens_with_its_source(table: str) -> None:
    assert "Source" in source(table)
    assert all(None not in row and None not in row.values() for row in rows(table))


def test_importing_the_table_loads_neither_numpy_nor_scipy() -> None:
    code = (
        "import sys, pkmodels.nuclides as n; n.nuclide('Lu-177'); "
        "print(*sys.modules.keys() & {'numpy', 'scipy'})"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert run.stdout.split() == []


@pytest.mark.reference
@pytest.mark.parametrize(
    ("name", "hours", "relative"),
    [
        ("Lu-177", 6.6443 * 24.0, 5e-4),
        ("Y-90", 64.05, 1e-3),
        ("Ga-68", 67.71 / 60.0, 0.0),
    ],
)
def test_newer_half_lives_are_those_of_ensdf_and_near_the_older(
    name: str, hours: float, relative: float
) -> None:
    """Energies stay those of ICRP 107, and the result says so."""
    older, newer = nuclide(name), nuclide(name, source="ENSDF")
    assert newer.half_life_h == pytest.approx(hours, rel=1e-12)
    assert newer.half_life_h == pytest.approx(older.half_life_h, rel=relative)
    assert newer.electron_MeV == older.electron_MeV
    assert older.source == "ICRP 107"
    assert newer.source == "half-life: ENSDF; energies and branching: ICRP 107"


def test_a_source_without_the_nuclide_is_refused() -> None:
    with pytest.raises(InputError, match=r"ENSDF half-life of Ac-225.*Lu-177, Y-90"):
        nuclide("Ac-225", source="ENSDF")
    with pytest.raises(InputError, match=r"source 'ICRP107'.*did you mean 'ICRP 107'"):
        nuclide("Lu-177", source="ICRP107")
