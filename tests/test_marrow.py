"""Red-marrow dose from blood: worked by hand, and where it does not apply."""

import dataclasses

import numpy as np
import pytest

from pkmodels.dosimetry.doses import draw_factors
from pkmodels.dosimetry.marrow import (
    PEPTIDE_RATIO,
    BloodActivity,
    MarrowDose,
    MarrowSValues,
    marrow_s_values,
    red_marrow_dose,
    red_marrow_to_blood_ratio,
    remainder_s,
)
from pkmodels.errors import InputError

# 1 mGy/(MBq s), the unit of the tables, is 3.6 Gy/(MBq h).
TABULATED = 3.6
REASON = "binds to no stem cell: Forrer 2009"
BLOOD = BloodActivity(15000.0, 5600.0, 1170.0, PEPTIDE_RATIO.value)


def ones(values: MarrowSValues) -> dict[str, float]:
    """Return every uncertain factor at its median."""
    return {u.name: 1.0 for v in values.by_source.values() for u in v.uncertainties}


def dose(
    activity: BloodActivity,
    label: str = "Lu-177",
    reason: str | None = REASON,
    ligand: str = "dotatate",
) -> MarrowDose:
    values = marrow_s_values(
        label,
        "male",
        tuple(activity.organs_MBq_h),
        remainder=activity.body_MBq_h is not None,
    )
    return red_marrow_dose(
        values, ones(values), activity, ligand=ligand, binds_nothing_because=reason
    )


@pytest.mark.reference
def test_ratio_is_the_extracellular_fraction_over_the_plasma() -> None:
    """0.19 / (1 - 0.40) = 0.3167; the range of the guideline: 0.32 to 0.36."""
    assert red_marrow_to_blood_ratio(0.40) == pytest.approx(0.19 / 0.60)
    found = red_marrow_to_blood_ratio(np.array([0.41, 0.47]))
    np.testing.assert_allclose(found, [0.322, 0.358], atol=5e-4)
    for wrong in (0.0, 45.0, 1.0, np.nan):
        with pytest.raises(InputError, match=r"haematocrit: found .*not percent"):
            red_marrow_to_blood_ratio(wrong)


@pytest.mark.reference
def test_dose_from_blood_alone_is_that_worked_by_hand() -> None:
    """15000 MBq h in 5600 g of blood: 2.678571 MBq h/g; x 1170 g = 3133.93 MBq h.

    S = 1.15e-5 x 3.6 = 4.14e-5 Gy/(MBq h): 0.129745 Gy; at a ratio of 0.345, 0.04482.
    """
    found = dose(BLOOD)
    assert found.total == pytest.approx(0.129745, abs=1e-6)
    assert found.from_remainder is None
    assert "left out: the remainder of the body" in found.statement
    assert REASON in found.statement
    ratio = red_marrow_to_blood_ratio(0.45)
    found = dose(dataclasses.replace(BLOOD, ratio=ratio))
    assert found.total == pytest.approx(0.129745 * 0.19 / 0.55, rel=1e-5)


def test_mass_of_the_marrow_cancels_but_for_its_photons() -> None:
    """Twice the marrow holds twice the activity, and S halves."""
    heavy = dose(dataclasses.replace(BLOOD, red_marrow_g=2340.0))
    assert heavy.total == pytest.approx(dose(BLOOD).total, rel=1e-12)


@pytest.mark.reference
def test_dose_with_organs_and_remainder_is_that_worked_by_hand() -> None:
    """Lu-177, MBq h: blood 15000, kidneys 15000, liver 20000, body 300000; male.

    Marrow 3133.93; remainder 300000 - 3133.93 - 15000 - 20000 = 261866.07.
    Kidneys 15000 x 3.35e-8 x 3.6 = 1.8090e-3 Gy; liver 20000 x 3.09e-8 x 3.6 =
    2.2248e-3 Gy. S(RM<-RB), mGy/(MBq s), with OpenDose's 309.994 and 1799.776 g:
    2.74e-7 x 73000 = 2.00020e-2; less marrow 1.15e-5 x 1170 = 1.34550e-2, kidneys
    3.35e-8 x 309.994 = 1.03848e-5, liver 3.09e-8 x 1799.776 = 5.56131e-5: 6.48100e-3,
    over 73000 - 1170 - 309.994 - 1799.776 = 69720.23 g: 9.29572e-8.
    At 80 kg: 261866.07 x 9.29572e-8 x 3.6 x 73000 / 80000 = 7.99651e-2 Gy.
    """
    found = dose(
        dataclasses.replace(
            BLOOD,
            organs_MBq_h={"kidneys": 15000.0, "liver": 20000.0},
            body_MBq_h=300000.0,
            body_g=80000.0,
        )
    )
    assert found.from_organs["kidneys"] == pytest.approx(1.8090e-3, rel=1e-9)
    assert found.from_organs["liver"] == pytest.approx(2.2248e-3, rel=1e-9)
    assert found.from_remainder == pytest.approx(7.99651e-2, rel=1e-5)
    parts = 0.129745 + 1.8090e-3 + 2.2248e-3 + 7.99651e-2
    assert found.total == pytest.approx(parts, abs=2e-6)
    assert "left out" not in found.statement


@pytest.mark.parametrize("sex", ["male", "female"])
@pytest.mark.parametrize("organs", [(), ("kidneys",), ("kidneys", "liver", "spleen")])
def test_an_even_distribution_gives_the_s_value_of_the_total_body(
    sex: str, organs: tuple[str, ...]
) -> None:
    """Whatever is followed apart: D = TIA_body S(RM <- total body)."""
    values = marrow_s_values("Lu-177", sex, organs, remainder=True)
    masses = values.masses_g
    body = masses["total_body"]
    even = {organ: 1e5 * masses[organ] / body for organ in organs}
    marrow = masses["red_marrow"]
    activity = BloodActivity(
        1e5 * 5000.0 / body, 5000.0, marrow, 1.0, even, body_MBq_h=1e5, body_g=body
    )
    found = red_marrow_dose(
        values, ones(values), activity, ligand="x", binds_nothing_because="test"
    )
    published = {"male": 2.74e-7, "female": 3.28e-7}[sex]
    assert found.total == pytest.approx(1e5 * published * TABULATED, rel=1e-9)


def test_draws_carry_each_uncertainty_once() -> None:
    values = marrow_s_values("Lu-177", "male", ("kidneys",), remainder=True)
    n = 4000
    factors = draw_factors(list(values.by_source.values()), n, [5])
    activity = BloodActivity(
        np.full(n, 15000.0), 5600.0, 1170.0, 1.0, {"kidneys": np.full(n, 15000.0)}
    )
    alone = marrow_s_values("Lu-177", "male", ("kidneys",), remainder=False)
    found = red_marrow_dose(
        alone, factors, activity, ligand="x", binds_nothing_because="test"
    )
    assert found.total.shape == (n,)
    own = np.log(found.from_marrow / 0.129745)
    assert own.std() == pytest.approx(0.05, rel=0.05)
    assert np.log(found.from_organs["kidneys"]).std() == pytest.approx(0.35, rel=0.05)
    remainder = remainder_s(values, factors)
    assert np.all(remainder >= 0.0)
    assert np.median(remainder) == pytest.approx(9.1e-8 * TABULATED, rel=0.05)


def test_ligands_of_cxcr4_are_refused_without_a_reason() -> None:
    for ligand in ("pentixather", "Pentixafor"):
        with pytest.raises(
            InputError, match=r"it binds to CXCR4, which cells of the mar"
        ):
            dose(BLOOD, reason=None, ligand=ligand)
        with pytest.raises(InputError, match="say why in binds_nothing_because"):
            dose(BLOOD, reason="  ", ligand=ligand)
    with pytest.raises(
        InputError, match="dotatate from blood is refused: the method h"
    ):
        dose(BLOOD, reason=None)
    blocked = dose(BLOOD, reason="CXCR4 blocked by AMD3100", ligand="pentixather")
    assert "because: CXCR4 blocked by AMD3100" in blocked.statement


def test_a_judgement_is_named_and_a_missing_value_refused() -> None:
    found = dose(BLOOD, label="Y-90")
    assert "is a judgement: inferred from the 90Y/177Lu marrow ratio" in found.statement
    with pytest.raises(
        InputError, match="no S-value of Y-90 for red_marrow from liver"
    ):
        dose(dataclasses.replace(BLOOD, organs_MBq_h={"liver": 1.0}), label="Y-90")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"blood_MBq_h": -1.0},
            "blood_MBq_h: found -1; it must be finite and at least",
        ),
        ({"blood_g": 0.0}, "blood_g: found 0; it must be finite and above 0"),
        ({"red_marrow_g": np.nan}, "red_marrow_g: found nan"),
        ({"ratio": np.array([1.0, -0.1])}, "ratio: found -0.1"),
        ({"body_MBq_h": 1e5}, "body_g is not given, but body_MBq_h is"),
        (
            {"body_MBq_h": 3000.0, "body_g": 80000.0},
            "together hold more than the whole body",
        ),
    ],
)
def test_impossible_amounts_are_refused(
    change: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        dose(dataclasses.replace(BLOOD, **change))  # pyright: ignore[reportArgumentType]


def test_values_for_other_organs_are_refused() -> None:
    values = marrow_s_values("Lu-177", "male", ("liver",), remainder=False)
    with pytest.raises(InputError, match="from red_marrow, liver, but the activity is"):
        red_marrow_dose(
            values, ones(values), BLOOD, ligand="x", binds_nothing_because="test"
        )
    with pytest.raises(InputError, match="remainder=True"):
        remainder_s(values, ones(values))
