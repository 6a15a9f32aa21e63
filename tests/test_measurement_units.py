"""Values in the units of the files become MBq, or MBq per g: checked by hand."""

import math
from dataclasses import replace

import pytest

from pkmodels.administrations import Administration
from pkmodels.clinic.joint_data import StatedCounting
from pkmodels.clinic.measurement_setting import Setting
from pkmodels.clinic.measurement_table import MeasurementRow
from pkmodels.clinic.measurement_units import convert_rows
from pkmodels.clinic.patient import Region
from pkmodels.errors import InputError
from pkmodels.measurements import Counting, Measurement, Quantity
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
    setting = Setting({region.name: region}, TWO_DOSES)
    [m] = convert_rows([replace(ROW, **changes)], setting)
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
        # A sample of blood: kBq/mL are MBq/L; 10 %/g of 7000 MBq are 700 MBq/g.
        (Region("liver", "blood"), "kBq/mL", 24.0, 10.0, "per litre"),
        (
            Region("liver", "blood", None, None, None, 1.06),
            "%IA/g",
            24.0,
            742_000.0,
            "per litre",
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


PET = Schedule(
    (
        Administration(0.0, 0.0, "pentixafor", "Ga-68", 150.0),
        Administration(48.0, 0.25, "pentixather", "Lu-177", 200.0),
        Administration(500.0, 0.0, "pentixafor", "Ga-68", 120.0),
    )
)
OF_PET = replace(
    ROW, label="Ga-68", modality="PET", start_h=1.0, end_h=1.25, unit="SUV",
    value=5.0, sd=1.0, decay_corrected_to_h=0.0,
)  # fmt: skip
NAMES = ("PET", "therapy", "after")


def measured(row: MeasurementRow, region: Region, **more: object) -> Measurement:
    setting = Setting({"liver": region}, PET, NAMES, 75.0)
    [found] = convert_rows([row], replace(setting, **more))
    return found


@pytest.mark.parametrize(
    ("region", "unit", "value", "quantity"),
    [
        # SUV 5: 5 x 150 MBq / 75 kg = 10 kBq/mL, at 1.25 g/mL 8 kBq/g, ...
        (Region("liver", "liver", 1e3, 0.0, None, 1.25), "SUV", 0.008, "concentration"),
        (
            Region("liver", "liver", 1e3, 0.0, None, 1.25),
            "SUVmax",
            0.008,
            "concentration",
        ),
        # ... in 800 mL 8 MBq, and of blood 10 MBq/L.
        (Region("liver", "liver", None, None, 800.0), "SUV", 8.0, "activity"),
        (Region("liver", "blood"), "SUV", 10.0, "per litre"),
    ],
)
def test_an_suv_is_a_share_of_activity_over_body_mass(
    region: Region, unit: str, value: float, quantity: str
) -> None:
    found = measured(replace(OF_PET, unit=unit), region)
    assert found.value == pytest.approx(value, rel=1e-12)
    assert found.sd == pytest.approx(value / 5.0, rel=1e-12)
    assert found.quantity == quantity
    assert found.maximum is (unit == "SUVmax")
    assert found.decay_corrected_to_h == 0.0


def test_an_suv_of_a_second_pet_compares_with_its_own_activity() -> None:
    later = replace(OF_PET, start_h=501.0, end_h=501.0, decay_corrected_to_h=500.0)
    region = Region("liver", "liver", None, None, 800.0)
    # 5 x 120 MBq / 75 kg = 8 kBq/mL.
    assert measured(later, region).value == pytest.approx(6.4)
    percent = replace(later, unit="%IA", decay_corrected_to_h=None)
    assert measured(percent, region).value == pytest.approx(6.0)
    # As one occasion, both PETs are one series: 5 % of 270 MBq.
    both = measured(percent, region, occasion_names=("PET", "therapy", "PET"))
    assert both.value == pytest.approx(13.5)
    # What is given later does not count.
    names = ("PET", "therapy", "PET")
    assert measured(OF_PET, region, occasion_names=names).value == pytest.approx(8.0)
    with pytest.raises(InputError, match=r"compares with one administration, and 2"):
        measured(later, region, occasion_names=("PET", "therapy", "PET"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"decay_corrected_to_h": None}, "decay_corrected_to_h: is blank; an SUV"),
        ({"decay_corrected_to_h": 1.0}, "found 1 h; an SUV .*write 0 if it does"),
        ({"end_h": 600.0}, "past the Ga-68 of occasion 'after' at 500 h"),
        ({"sample": "tube 1"}, "a value in SUV is an image's"),
        ({"sample": "a", "unit": "MBq"}, "column sample: 'a' needs .* \\[samples\\]"),
        ({"unit": "SUVmax"}, "SUVmax needs the density of region 'liver'"),
    ],
)
def test_what_an_suv_or_a_sample_needs_is_told(changes: dict, words: str) -> None:
    region = Region("liver", "liver", None, None, 800.0)
    with pytest.raises(InputError, match=words):
        measured(replace(OF_PET, **changes), region)


def test_an_suv_needs_the_body_mass() -> None:
    region = Region("liver", "liver", None, None, 800.0)
    with pytest.raises(InputError, match=r"SUV needs body_mass_kg; add it to \[patien"):
        measured(OF_PET, region, body_mass_kg=None)


@pytest.mark.parametrize(
    ("organ", "changes", "words"),
    [
        ("blood", {"unit": "MBq"}, "whose organ is blood; .* kBq/mL, %IA/g or SUV"),
        ("blood", {"unit": "SUVmax"}, "found SUVmax"),
        ("blood", {"unit": "%IA/g"}, "needs its density"),
        ("urine", {"unit": "kBq/mL"}, "give the activity of the whole collection"),
        ("urine", {"unit": "MBq", "end_h": 1.0}, "collected between two times"),
    ],
)
def test_blood_and_urine_have_units_of_their_own(
    organ: str, changes: dict, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        measured(replace(OF_PET, **changes), Region("liver", organ))


def test_urine_is_what_was_collected() -> None:
    urine = replace(OF_PET, unit="%IA", start_h=0.0, end_h=4.0, below=True)
    found = measured(urine, Region("liver", "urine"))
    assert found.value == pytest.approx(7.5)  # 5 % of 150 MBq
    assert (found.quantity, found.below) == ("collected", True)


def test_counts_carry_how_they_were_counted() -> None:
    counted = replace(
        OF_PET, unit="counts", value=1000.0, sd=None, decay_corrected_to_h=None,
        live_time_s=600.0, background_counts=50.0,
    )  # fmt: skip
    region = Region("liver", "liver")
    with pytest.raises(InputError, match=r"add \[counting.PET\] with counts_per_s_per"):
        measured(counted, region)
    stated = {"PET": StatedCounting("PET", 10.0, 0.1, True)}
    found = measured(counted, region, countings=stated)
    assert (found.value, found.quantity) == (1000.0, Quantity.COUNTS)
    assert found.counting == Counting(10.0, 600.0, 50.0, 0.1, True)
    bare = measured(replace(counted, background_counts=0.0), region, countings=stated)
    assert bare.counting == Counting(10.0, 600.0, 0.0, 0.0, True)


def test_replicates_share_the_error_of_their_sample() -> None:
    tube = replace(OF_PET, unit="kBq/mL", sample="at 1 h")
    found = measured(tube, Region("liver", "blood"), sample_volume_cv=0.03)
    assert found.sample is not None
    assert found.sample.name == "at 1 h"
    # A log-normal of cv 3 %.
    assert found.sample.log_sd == pytest.approx(math.sqrt(math.log(1.0 + 0.03**2)))
