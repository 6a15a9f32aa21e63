"""Values in the units of the files become MBq, or MBq per g: checked by hand."""

from dataclasses import replace

import pytest

from pkmodels.administrations import Administration
from pkmodels.clinic.measurement_table import MeasurementRow
from pkmodels.clinic.measurement_units import convert_rows
from pkmodels.clinic.patient import Region
from pkmodels.errors import InputError
from pkmodels.schedule import Schedule

TWO_DOSES = Schedule(
    (
        Administration(0.0, 0.0, "dotatate", "Lu-177", 7000.0),
        Administration(48.0, 1.0, "dotatate", "Lu-177", 3000.0),
        Administration(50.0, 0.0, "dotatate", "Y-90", 500.0),
    )
)
ROW = MeasurementRow(
    line=5,
    region="liver",
    label="Lu-177",
    modality="SPECT",
    start_h=24.0,
    end_h=24.0,
    value=10.0,
    unit="MBq",
    sd=2.0,
    decay_corrected_to_h=None,
)


def converted(region: Region, **changes: object) -> tuple[float, float | None, str]:
    [m] = convert_rows([replace(ROW, **changes)], [region], TWO_DOSES)
    return m.value, m.sd, m.quantity


@pytest.mark.parametrize(
    ("region", "unit", "start_h", "value", "quantity"),
    [
        (Region("liver", "liver"), "MBq", 24.0, 10.0, "activity"),
        (Region("liver", "liver"), "kBq", 24.0, 0.01, "activity"),
        # 10 % of 7000 MBq, and after the second one of 7000 + 3000 as stated.
        (Region("liver", "liver"), "%IA", 24.0, 700.0, "activity"),
        (Region("liver", "liver"), "%IA", 0.0, 700.0, "activity"),
        (Region("liver", "liver"), "%IA", 49.0, 1000.0, "activity"),
        (Region("liver", "liver", 1000.0, 0.0), "%IA/g", 49.0, 1e3, "concentration"),
        # 10 kBq/mL at 1.25 g/mL are 8 kBq/g.
        (
            Region("liver", "liver", 1000.0, 0.05, None, 1.25),
            "kBq/mL",
            24.0,
            0.008,
            "concentration",
        ),
        (
            Region("liver", "liver", 1000.0, 0.05, 800.0, None),
            "kBq/mL",
            24.0,
            0.008,
            "concentration",
        ),
        # 10 kBq/mL in 800 mL are 8 MBq.
        (
            Region("liver", "liver", None, None, 800.0, None),
            "kBq/mL",
            24.0,
            8.0,
            "activity",
        ),
        # A blood sample needs no mass of all blood.
        (
            Region("liver", "blood", None, None, None, 1.25),
            "kBq/mL",
            24.0,
            0.008,
            "concentration",
        ),
    ],
)
def test_units_are_converted_with_their_sd(
    region: Region, unit: str, start_h: float, value: float, quantity: str
) -> None:
    got = converted(region, unit=unit, start_h=start_h, end_h=start_h)
    assert got == (pytest.approx(value, rel=1e-12), pytest.approx(value / 5), quantity)


def test_percent_of_the_activity_counts_its_own_label_only() -> None:
    liver = Region("liver", "liver")
    value, _, _ = converted(liver, unit="%IA", label="Y-90", start_h=60.0, end_h=60.0)
    assert value == pytest.approx(50.0)


def test_percent_at_the_moment_of_a_later_administration_is_refused() -> None:
    liver = Region("liver", "liver")
    for start_h, end_h in ((48.0, 48.0), (47.9, 48.1)):
        with pytest.raises(InputError, match=r"at 48 h, at or during.*%IA"):
            converted(liver, unit="%IA", start_h=start_h, end_h=end_h)
    assert converted(liver, start_h=48.0, end_h=48.0)[0] == 10.0


def test_a_label_is_not_measured_before_it_is_given() -> None:
    with pytest.raises(InputError, match=r"first administration of Y-90 at 50 h"):
        converted(Region("liver", "liver"), label="Y-90")
