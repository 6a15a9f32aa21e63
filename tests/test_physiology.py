"""The shared body: its sums, its scaling, and reference adults from elsewhere."""

import pytest
from reference_tables import rows

from pkmodels.errors import InputError
from pkmodels.models.physiology import (
    ARTERIAL_SHARE,
    SEXES,
    VENOUS_SHARE,
    Body,
    body_volume,
    cardiac_output,
    organ,
    organs,
    plasma_volume,
    reference_body,
)

BODIES = [reference_body(sex) for sex in SEXES] + [
    Body("male", 71.0, 1.8, 0.45),
    Body("male", 110.0, 2.3, 0.35),
    Body("female", 71.0, 1.57, 0.40),
]


@pytest.mark.reference
@pytest.mark.parametrize("row", rows("reference_adults"), ids=lambda row: row["sex"])
def test_plasma_and_cardiac_output_are_near_the_reference_adults(
    row: dict[str, str],
) -> None:
    """Another source: plasma within 5 %; a woman's flow is known to be a sixth low."""
    body = reference_body(row["sex"])
    assert plasma_volume(body).value == pytest.approx(
        float(row["plasma_volume_L"]), rel=0.05
    )
    blood = cardiac_output(body).value / 60.0 / (1.0 - body.haematocrit)
    ratio = blood / float(row["cardiac_output_blood_L_per_min"])
    assert ratio == pytest.approx(1.0 if row["sex"] == "male" else 0.83, abs=0.02)


@pytest.mark.parametrize("body", BODIES, ids=lambda b: f"{b.sex}-{b.weight_kg:g}kg")
def test_organs_leave_plasma_volume_and_flow_for_the_rest(body: Body) -> None:
    known = [organ(body, name) for name in organs(body)]
    taken = sum(o.vascular_L.value for o in known)
    shares = ARTERIAL_SHARE.value + VENOUS_SHARE.value
    assert 0.0 < taken < (1.0 - shares) * plasma_volume(body).value
    assert 0.0 < sum(o.volume_L.value for o in known) < body_volume(body).value
    flows = sum(o.flow_L_per_h.value for o in known if o.name != "lungs")
    assert 0.95 < flows / cardiac_output(body).value < 1.0
    overfull = set()
    for o in known:
        inside = o.vascular_L.value
        inside += o.interstitial_L.value if o.interstitial_L else 0.0
        if inside > o.volume_L.value:
            overfull.add(o.name)
    # As published, which the docstring says: in no other organ.
    assert overfull == {"lungs", "gut"}


def test_all_plasma_flows_through_the_lungs() -> None:
    body = reference_body("male")
    lungs = organ(body, "lungs")
    assert lungs.flow_L_per_h.value == pytest.approx(cardiac_output(body).value)


def test_published_shares_at_71_kg() -> None:
    """By hand from the paper's table: V_P = 2.8 x 0.55 x 1.94 = 2.9876 L."""
    body = Body("male", 71.0, 1.94, 0.45)
    marrow = organ(body, "red_marrow")
    assert marrow.volume_L.value == pytest.approx(1.1)
    assert marrow.vascular_L.value == pytest.approx(0.04 * 2.9876)
    assert marrow.interstitial_L is not None
    assert marrow.interstitial_L.value == pytest.approx(3.7 * 0.04 * 2.9876)
    assert marrow.flow_L_per_h.value == pytest.approx(0.03 * 1.23 * 2.9876 * 60.0)
    surface = marrow.permeability_surface_L_per_h
    assert surface is not None
    assert surface.value == pytest.approx(0.02 * 1.1 * 60.0)
    adrenals = organ(body, "adrenals")
    assert adrenals.flow_L_per_h.value == pytest.approx(6.0 * 0.55 * 0.014 * 60.0)
    bone = organ(body, "bone")
    assert bone.volume_L.value == pytest.approx(10.165 - 1.1)


def test_organs_scale_with_weight_and_plasma_with_surface() -> None:
    small, large = Body("male", 71.0, 1.8, 0.45), Body("male", 142.0, 1.8, 0.45)
    ratio = (
        organ(large, "muscle").volume_L.value / organ(small, "muscle").volume_L.value
    )
    assert ratio == pytest.approx(2.0)
    assert plasma_volume(large).value == plasma_volume(small).value
    assert organ(large, "liver").volume_L.value == organ(small, "liver").volume_L.value


def test_every_number_has_its_unit_and_source() -> None:
    for body in BODIES[:2]:
        for name in organs(body):
            found = organ(body, name)
            volumes = [found.volume_L, found.vascular_L, found.interstitial_L]
            flows = [found.flow_L_per_h, found.permeability_surface_L_per_h]
            assert {v.unit for v in volumes if v} == {"L"}
            assert {v.unit for v in flows if v} == {"L/h"}
            assert all("20" in v.source for v in (*volumes, *flows) if v)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("man", 70.0, 1.8, 0.45), "the sex of a body is 'man'"),
        (("male", 0.0, 1.8, 0.45), "weight_kg of a body is 0.0; it must be > 0"),
        (("male", 70.0, float("nan"), 0.45), "bsa_m2 of a body is nan"),
        (("male", 70.0, 1.8, 45.0), "write 0.45, not 45"),
    ],
)
def test_bodies_that_cannot_be_are_refused(
    arguments: tuple[str, float, float, float], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Body(*arguments)


def test_unknown_organs_are_refused_with_a_suggestion() -> None:
    with pytest.raises(InputError, match="no organ 'kidney' of a male body"):
        organ(reference_body("male"), "kidney")
    with pytest.raises(InputError, match="no organ 'uterus' of a male body"):
        organ(reference_body("male"), "uterus")
