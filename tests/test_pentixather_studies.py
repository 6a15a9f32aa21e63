"""Four studies of pentixather: their pages, rows anew, limits and closed forms."""

import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import reference_tables

from pkmodels.models import pentixather
from pkmodels.values import Value

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from studies import pentixather_doses as bodies  # noqa: E402
from studies.amino_acids import study as amino_acids  # noqa: E402
from studies.mass_effect import study as mass_effect  # noqa: E402
from studies.pentixather_cohort import study as cohort  # noqa: E402
from studies.receptor_loss import study as receptor_loss  # noqa: E402
from studies.which_nuclide import study as which_nuclide  # noqa: E402

# With `make test` they would take it beyond ten minutes.
pytestmark = pytest.mark.slow

STUDIES = {
    "amino_acids": amino_acids,
    "mass_effect": mass_effect,
    "receptor_loss": receptor_loss,
    "which_nuclide": which_nuclide,
}
HOURS_OF_Y90 = 64.10  # half-life, ICRP Publication 107


def some_patients():
    """In lanes as wide as the studies': nothing is compiled for another size."""
    return bodies.drawn(300, seed=4)


@cache
def table(name):
    return bodies.read(ROOT / "studies" / name / f"{name}.csv")


@cache
def readme(name):
    return " ".join((ROOT / "studies" / name / "README.md").read_text("utf-8").split())


def assert_same(row, anew, within):
    for name in bodies.ENDS:
        assert getattr(anew, name) == pytest.approx(
            getattr(row, name), rel=1e-3, abs=within
        ), (row, anew)


# 1. Pages and tables.


@pytest.mark.parametrize("name", STUDIES)
def test_the_page_has_every_line_of_the_table(name):
    lines = STUDIES[name].lines(table(name))
    assert len(lines) >= 10
    written = (ROOT / "studies" / name / "README.md").read_text("utf-8").splitlines()
    assert [line for line in lines if line not in written] == []
    assert f"python studies/{name}/study.py" in readme(name)
    figure = ROOT / "studies" / name / "figures" / f"{name}.png"
    assert f"](figures/{name}.png)" in readme(name)
    assert figure.stat().st_size > 10_000


@pytest.mark.parametrize(
    ("name", "statement"),
    [
        ("mass_effect", "a statement about the prior"),
        ("receptor_loss", "cannot know"),
        ("amino_acids", "Nobody has measured"),
        ("which_nuclide", "a statement about the prior"),
    ],
)
def test_the_page_says_what_it_does_not_know(name, statement):
    assert statement in readme(name)
    assert "## What this does not show" in readme(name)


def test_rows_computed_anew_are_those_of_the_tables():
    patients = bodies.drawn(mass_effect.PATIENTS, mass_effect.SEED)
    errors = mass_effect.linear_errors(bodies.with_molecules(patients, 1))
    for organ in mass_effect.SHOWN:
        row = bodies.find(table("mass_effect"), "all that is unknown", organ)
        assert_same(row, bodies.row(row.case, organ, errors[organ]), 0.01)
    found = amino_acids.effects(patients, 0.5)
    for name in amino_acids.QUANTITIES:
        row = bodies.find(table("amino_acids"), amino_acids.case_of(0.5), name)
        assert_same(row, bodies.row(row.case, name, found[name]), 0.01)
    patients = bodies.drawn(receptor_loss.PATIENTS, receptor_loss.SEED)
    found = receptor_loss.of_receptors(patients, "all organs", 0.1)
    for name, values in found.items():
        case = receptor_loss.case_of("all organs", 0.1)
        row = bodies.find(table("receptor_loss"), case, name)
        assert_same(row, bodies.row(case, name, values), 0.01)
    for row in which_nuclide.of_marrow(patients):
        assert_same(
            bodies.find(table("which_nuclide"), row.case, row.quantity), row, 1e-3
        )


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_each_study_writes_its_table_again(name):
    rows = STUDIES[name].compute()
    written = table(name)
    assert len(rows) == len(written)
    for row, anew in zip(written, rows, strict=True):
        assert (row.case, row.quantity) == (anew.case, anew.quantity)
        assert_same(row, anew, 0.01)


def test_the_reference_doses_are_those_of_the_cohorts():
    """With all receptors, medians lie among those of the cohorts of 19."""
    path = ROOT / "studies" / "pentixather_cohort" / "cohorts.csv"
    cohorts = reference_tables.csv.DictReader(path.read_text("utf-8").splitlines())
    held = 0
    case = receptor_loss.case_of("all organs", 1.0)
    for row in cohorts:
        if (row["given"], row["statistic"]) == ("Y-90, 250 ug", "median"):
            if row["organ"] not in receptor_loss.ORGANS:
                continue
            found = bodies.find(table("receptor_loss"), case, row["organ"]).median
            assert float(row["low"]) < found < float(row["high"]), row["organ"]
            held += 1
    assert held == 3


# 2. The mass of ligand.


def with_k_d(k_d, **others):
    return bodies.changed(some_patients(), {"dissociation_constant": k_d, **others})


def test_at_tiny_masses_the_effect_vanishes():
    man = with_k_d(1.0)
    doses = {ug: bodies.doses(man, bodies.bolus("Y-90", ug)) for ug in (0.01, 0.03, 75)}
    for organ in bodies.ORGANS:
        np.testing.assert_allclose(doses[0.03][organ], doses[0.01][organ], rtol=1e-3)
    assert (doses[75]["spleen"] < 0.97 * doses[0.01]["spleen"]).all()


def test_only_the_mass_over_the_k_d_matters():
    """Amounts in units of K_D: ten times of both change no dose per GBq."""
    half = pentixather.values()["reabsorption_half_saturation"]
    assert not isinstance(half, Value)
    median = half.parameters["median"]
    few = bodies.doses(with_k_d(1.0), bodies.bolus("Y-90", 25.0))
    many = bodies.doses(
        with_k_d(10.0, reabsorption_half_saturation=10.0 * median),
        bodies.bolus("Y-90", 250.0),
    )
    for organ in bodies.ORGANS:
        np.testing.assert_allclose(many[organ], few[organ], rtol=1e-5, err_msg=organ)


def test_linear_scaling_promises_tumours_too_much_and_kidneys_too_little():
    for row in table("mass_effect"):
        if not row.case.startswith("K_D") or float(row.case.split()[1]) > 5.0:
            continue
        if row.quantity in ("tumour", "spleen", "red_marrow"):
            assert row.low >= 0.0
        elif row.quantity in ("kidneys", "liver"):
            assert row.median < 0.0


# 3. Receptors.


def test_without_receptors_a_tumour_holds_what_its_plasma_and_interstitium_do():
    """Its interstitium is linear: d(s)/dt = CL f_u c - (CL f_i / V_s + lambda) s."""
    patients = some_patients()
    p = {n: np.asarray(v) for n, v in patients.parameters.items()}
    given = bodies.bolus("Y-90", 250.0)
    bare = receptor_loss.with_receptors(patients, "tumour", 0.0)
    curves = bodies.activities(bare, given)
    decay = np.log(2.0) / HOURS_OF_Y90
    in_plasma = cohort.areas(curves["blood"], decay) / (1.0 - p["haematocrit"])
    free, size = p["unbound_fraction"], p["volume_tumour"]
    in_tissue = 1.0 / (1.0 + p["interstitial_protein_ratio"] * (1.0 / free - 1.0))
    flow, surface = p["flow_tumour"] * size, p["permeability_tumour"] * size
    clearance = flow * surface / (flow + free * surface)
    space = p["interstitial_fraction_tumour"] * size / in_tissue
    outside = in_plasma * p["vascular_fraction_tumour"] * size
    outside += in_plasma * clearance * free / (clearance / space + decay)
    found = cohort.areas(curves["tumour"], decay)
    np.testing.assert_allclose(found, outside, rtol=2e-3)


def test_without_receptors_in_the_tumour_its_dose_falls_and_others_gain_a_little():
    rows = table("receptor_loss")
    for place in receptor_loss.LOST_IN:
        cases = [receptor_loss.case_of(place, x) for x in receptor_loss.REMAINING]
        tumour = [bodies.find(rows, c, "tumour").median for c in cases]
        kidneys = [bodies.find(rows, c, "kidneys").median for c in cases]
        assert np.all(np.diff(tumour) > 0.0)
        assert np.all(np.diff(kidneys) <= 0.0)
        assert tumour[0] < 0.1 * tumour[-1]
        assert kidneys[0] < 1.15 * kidneys[-1]


# 4. Amino acids.


def test_a_block_takes_its_share_of_the_plasma_that_passes_meanwhile():
    """Closed form: what is reabsorbed is in proportion to plasma, block or not."""
    patients = some_patients()
    # Nothing comes back from the kidneys, so that plasma is the same with a block.
    patients = bodies.changed(patients, {"kidney_returned_fraction": 0.0})
    p = {n: np.asarray(v) for n, v in patients.parameters.items()}
    decay = np.log(2.0) / HOURS_OF_Y90
    times = cohort.TIMES_H
    curves = bodies.activities(patients, bodies.bolus("Y-90", 250.0))
    end = amino_acids.INFUSION_END_H
    fine = np.unique(np.append(times[times < end], [end]))
    until = np.array(
        [np.trapezoid(np.interp(fine, times, b), fine) for b in curves["blood"]]
    )
    in_plasma = cohort.areas(curves["blood"], decay) / (1.0 - p["haematocrit"])
    early = until / cohort.areas(curves["blood"], decay)
    # What the kidneys hold in plasma and tubules is not reabsorbed; of what is filtered
    # odds times (1 - block) are.
    odds = p["reabsorbed_fraction"] / (1.0 - p["reabsorbed_fraction"])
    filtered = p["glomerular_filtration_rate"] * p["unbound_fraction"]
    leaving = p["tubular_flow"] * (1.0 + odds) / p["tubular_volume"] + decay
    held = p["vascular_fraction_kidneys"] * p["volume_kidneys"] + filtered / leaving
    reabsorbed = 1.0 - in_plasma * held / cohort.areas(curves["kidneys"], decay)
    for block in (0.5, 1.0):
        left = (1.0 - block) * odds / (1.0 + (1.0 - block) * odds)
        less = early * (1.0 - left / p["reabsorbed_fraction"]) * reabsorbed
        found = amino_acids.effects(patients, block)[amino_acids.LESS] / 100.0
        np.testing.assert_allclose(found, less, rtol=0.01)


def test_a_block_of_nothing_does_nothing_and_the_mismatch_is_its_inverse():
    patients = some_patients()
    nothing = amino_acids.effects(patients, 0.0)
    np.testing.assert_allclose(nothing[amino_acids.LESS], 0.0, atol=1e-3)
    found = amino_acids.effects(patients, 0.75)
    left = 1.0 - found[amino_acids.LESS] / 100.0
    assert (left < 0.95).all()
    np.testing.assert_allclose(found[amino_acids.EXCESS] * left, 23.0)
    np.testing.assert_allclose(found[amino_acids.SHORTFALL] / left, 23.0)
    # Of what other organs got, the kidneys return little.
    assert (found[amino_acids.OTHERS] < 2.0).all()


# 5. Which nuclide.


@pytest.mark.reference
def test_the_ratio_of_the_nuclides_is_that_of_the_independent_table():
    rows = [r for r in reference_tables.rows("y90_lu177_ratio") if r["Tbio_h"] != "inf"]
    assert len(rows) > 8
    for row in rows:
        found = which_nuclide.effective_ratio(float(row["Tbio_h"]))
        assert found == pytest.approx(float(row["TIAC_ratio"]), rel=1e-4)


@pytest.mark.reference
@pytest.mark.parametrize(
    ("label", "effective_h", "physical_h"),
    [("Lu-177", 41.0, 159.528), ("Y-90", 29.65, 64.10)],
)
def test_the_dose_of_a_bed_of_40_gy_is_that_of_the_independent_table(
    label, effective_h, physical_h
):
    (row,) = (
        r
        for r in reference_tables.rows("bed_g_factor")
        if r["case"] == f"mono Teff {effective_h:g}" and r["alpha_beta"] == "2.5"
    )
    biological = 1.0 / (1.0 / effective_h - 1.0 / physical_h)
    found = which_nuclide.dose_at_bed_limit(label, biological)
    assert found == pytest.approx(float(row["D_at_BED40"]), rel=1e-5)


def test_with_equal_half_lives_only_the_size_of_the_tumour_decides():
    for size, favours in ((1.0, "177Lu"), (500.0, "neither")):
        ratio = which_nuclide.ratio_by_half_lives(60.0, 60.0, size)
        assert ratio == pytest.approx(which_nuclide.s_ratio(size) / 5.9)
        assert ratio < (0.8 if favours == "177Lu" else 1.0)
        assert favours == "177Lu" or ratio > 0.97
    slower = which_nuclide.ratio_by_half_lives(200.0, 60.0, 50.0)
    faster = which_nuclide.ratio_by_half_lives(30.0, 60.0, 50.0)
    assert slower < 1.0 < faster


def test_what_is_left_after_a_day_is_the_rate_over_its_constant():
    times = which_nuclide.LATE_H
    rate = np.log(2.0) / 48.0
    curves = np.array([1.0, 3.0])[:, None] * np.exp(-rate * times)
    left = which_nuclide.left_after(curves, "Y-90", 14)
    closed = np.array([1.0, 3.0]) * np.exp(-rate * 24 * 14) / rate
    np.testing.assert_allclose(left, closed, rtol=2e-3)
    lower = 0.5 * curves[:, np.searchsorted(times, 336.0)]
    day = which_nuclide.day_below(curves, lower)
    np.testing.assert_allclose(day, 16.0, atol=0.26)


def test_s_values_are_those_of_each_patients_own_masses():
    """Twice the mass has half the S-value, but for a few photons of 177Lu."""
    patients = some_patients()
    heavier = bodies.scaled(patients, {"volume_kidneys": 2.0, "volume_tumour": 2.0})
    for organ, label, within in (
        ("kidneys", "Lu-177", 0.02),
        ("kidneys", "Y-90", 0.02),
        ("tumour", "Y-90", 0.05),
    ):
        one, other = (
            bodies.s_values(group, label, organ) for group in (patients, heavier)
        )
        np.testing.assert_allclose(one / other, 2.0, rtol=within)
    with pytest.raises(KeyError, match="volume_heart"):
        bodies.changed(patients, {"volume_heart": 1.0})
