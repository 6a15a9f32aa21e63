"""Values and priors, and the numbers of the library against their sources."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from reference_tables import rows

from pkmodels.dosimetry.s_values import s_value
from pkmodels.errors import ModelError
from pkmodels.models import organ_exchange, values
from pkmodels.nuclides import nuclide
from pkmodels.values import (
    Certainty,
    Family,
    Prior,
    PriorSet,
    half_normal,
    log_normal,
)

WIDE = log_normal(60.0, 1.0, "h", "a guess", Certainty.JUDGEMENT)
PENTIXATHER = rows("pentixather_haenscheid2022")

# IUPAC 2021 abridged standard atomic weights.
ATOMIC_MASS = {
    "C": 12.011,
    "H": 1.008,
    "N": 14.007,
    "O": 15.999,
    "S": 32.06,
    "I": 126.90,
}


def test_a_prior_prints_its_numbers_and_its_source() -> None:
    text = "log-normal, median 60 h, sd of ln 1 (judgement: a guess)"
    assert str(WIDE) == text
    noise = half_normal(0.1, "MBq", "scanner", Certainty.PUBLISHED)
    assert str(noise) == "half-normal, scale 0.1 MBq (published: scanner)"
    unitless = log_normal(0.02, 1.5, "", "a guess", Certainty.JUDGEMENT)
    assert "median 0.02, sd" in str(unitless)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("name", ["median", "log_sd"])
def test_a_prior_of_no_width_or_sign_is_refused(name: str, bad: float) -> None:
    parameters = {"median": 1.0, "log_sd": 0.5} | {name: bad}
    with pytest.raises(
        ModelError, match=f"{name} of a log_normal prior must be finite"
    ):
        Prior(Family.LOG_NORMAL, parameters, "h", "x", Certainty.JUDGEMENT)


def test_a_prior_takes_the_parameters_of_its_family() -> None:
    with pytest.raises(ModelError, match="half_normal prior takes scale; got median"):
        Prior(Family.HALF_NORMAL, {"median": 1.0}, "h", "x", Certainty.JUDGEMENT)


def test_each_parameter_has_exactly_one_prior() -> None:
    priors = PriorSet({"half_life": WIDE}, {"fraction": WIDE})
    priors.check(("half_life", "fraction"))
    with pytest.raises(ModelError, match="without one: washout; unused: none"):
        priors.check(("half_life", "fraction", "washout"))
    with pytest.raises(ModelError, match="without one: none; unused: fraction"):
        priors.check(("half_life",))
    twice = PriorSet({"half_life": WIDE}, {"half_life": WIDE})
    with pytest.raises(ModelError, match="exactly one prior"):
        twice.check(("half_life",))


@given(st.sampled_from(["dotatate", "pentixather", "new"]), st.integers(1, 4))
def test_the_model_of_the_library_has_a_prior_for_each_parameter(
    ligand: str, n_regions: int
) -> None:
    names = ("kidney_left", "kidney_right", "liver", "spleen")[:n_regions]
    organs = {name: name.split("_")[0] for name in names}
    model = organ_exchange.model(names)
    organ_exchange.priors(ligand, organs).check(tuple(map(str, model.parameters)))


def test_uptake_of_several_organs_leaves_something_to_eliminate() -> None:
    """Odds make a simplex: the fractions and the eliminated one sum to 1."""
    generator = np.random.default_rng(0)
    priors = [values.uptake_odds("dotatate", o) for o in ("kidney", "kidney", "liver")]
    odds = np.stack(
        [
            scipy.stats.lognorm(
                prior.parameters["log_sd"], scale=prior.parameters["median"]
            ).rvs(20_000, random_state=generator)
            for prior in priors
        ]
    )
    fractions = odds / (1.0 + odds.sum(axis=0))
    assert (fractions.sum(axis=0) < 1.0).all()
    # Most of a peptide is excreted: what the three take up is a minor part.
    assert np.median(fractions.sum(axis=0)) < 0.2


@pytest.mark.reference
@pytest.mark.parametrize(
    ("ligand", "atoms"),
    [
        ("pentixafor", {"C": 60, "H": 80, "N": 14, "O": 14}),
        ("pentixather", {"C": 60, "H": 79, "I": 1, "N": 14, "O": 14}),
        ("dotatate", {"C": 65, "H": 90, "N": 14, "O": 19, "S": 2}),
    ],
)
def test_molar_mass_is_that_of_the_sum_formula(
    ligand: str, atoms: dict[str, int]
) -> None:
    expected = sum(count * ATOMIC_MASS[element] for element, count in atoms.items())
    found = values.LIGANDS[ligand].molar_mass_g_per_mol
    assert found.value == pytest.approx(expected, abs=0.1)
    assert found.unit == "g/mol"


@pytest.mark.reference
@pytest.mark.parametrize("row", PENTIXATHER, ids=lambda r: r["organ"])
def test_pentixather_priors_follow_from_the_published_patients(
    row: dict[str, str],
) -> None:
    """1 / T_bio = 1 / T_eff - 1 / T_phys; the fraction is dose / (S T_eff / ln 2)."""
    organ, effective = row["organ"], float(row["effective_half_life_h"])
    biological = 1.0 / (1.0 / effective - 1.0 / nuclide("Lu-177").half_life_h)
    prior = values.biological_half_life("pentixather", organ)
    assert prior.parameters["median"] == pytest.approx(biological, rel=0.01)
    if row["uptake_percent"]:
        taken_up = float(row["uptake_percent"]) / 100.0
    else:
        lutetium = s_value(organ, "Lu-177", "male")
        assert lutetium is not None
        mass = {"liver": 1800.0, "spleen": 150.0, "red_marrow": 1170.0}[organ]
        tiac = float(row["dose_Gy_per_GBq"]) / (1e3 * lutetium.at_mass(mass))
        taken_up = tiac * math.log(2.0) / effective
    odds = values.uptake_odds("pentixather", organ)
    shift = math.log(odds.parameters["median"] / taken_up)
    assert abs(shift) < 0.25 * odds.parameters["log_sd"]


@pytest.mark.reference
def test_dotatate_release_follows_from_the_published_degradation() -> None:
    """1.01e-4 /min in normal organs (Budiansah et al., EJNMMI Phys 2025;12:26)."""
    for organ in ("liver", "spleen"):
        prior = values.biological_half_life("dotatate", organ)
        expected = math.log(2.0) / (1.01e-4 * 60.0)
        assert prior.parameters["median"] == pytest.approx(expected, rel=0.01)


def test_an_organ_without_values_of_its_own_gets_a_wider_prior() -> None:
    for look_up in (values.uptake_odds, values.biological_half_life):
        unknown = look_up("new ligand", "lung")
        assert unknown.certainty is Certainty.JUDGEMENT
        for ligand in ("dotatate", "pentixather"):
            for organ in ("kidney", "liver", "spleen"):
                known = look_up(ligand, organ).parameters["log_sd"]
                assert unknown.parameters["log_sd"] >= known
