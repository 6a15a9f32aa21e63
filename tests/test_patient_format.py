"""What a patient's folder becomes: values, units and warnings, checked by hand."""

import math
import re
from pathlib import Path

import pytest
from clinic_patients import HEADER, MEASUREMENTS, PATIENT, replaced, write_patient
from made_up_cohort_prior import content as made_up_cohort

from pkmodels.administrations import Administration
from pkmodels.clinic.answerable import check_answerable
from pkmodels.clinic.cohort_prior_file import cohort_prior_text
from pkmodels.clinic.patient import (
    Calibration,
    Limit,
    Plan,
    Recovery,
    Region,
    StatedRadiobiology,
    TailRule,
    Treatment,
    Waiver,
)
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.patient_format import PatientFile
from pkmodels.clinic.patient_summary import summarize
from pkmodels.clinic.patient_tables import ORGANS, Table
from pkmodels.clinic.patient_toml import SCHEMAS
from pkmodels.clinic.template import write_template
from pkmodels.decision import History
from pkmodels.dosimetry.s_table_files import COLUMNS as S_COLUMNS
from pkmodels.errors import InputError
from pkmodels.measurements import Quantity

STUDY = Path(__file__).parents[1] / "studies" / "lu177_patient4"

# CT volumes of the first scan, mL: SNMMI Lu-177 Dosimetry Challenge 2021, patient 4
# (doi:10.7302/864r-tb45), as processed by PyTheranostics.
FIRST_SCAN_VOLUMES_ML = {
    "kidney_left": 233.60824584960938,
    "kidney_right": 250.99468231201172,
    "liver": 2037.3516082763672,
    "spleen": 268.9018249511719,
}


def test_a_patient_holds_what_its_files_state(tmp_path: Path) -> None:
    patient = read_patient(write_patient(tmp_path / "p"))
    assert patient.id == "test"
    assert patient.covariates == {"sex": "female", "body_mass_kg": 70.0}
    assert patient.schedule.administrations == (
        Administration(0.0, 0.0, "dotatate", "Lu-177", 7400.0, 200.0),
    )
    assert patient.regions[0] == Region("kidney_left", "kidney", 160.0, 0.05)
    assert patient.regions[2] == Region("liver", "liver")
    assert [r.name for r in patient.regions_of("kidneys")] == [
        "kidney_left",
        "kidney_right",
    ]
    assert [r.name for r in patient.regions_of("liver")] == ["liver"]
    assert patient.regions_of("heart") == ()
    assert patient.calibrations == (Calibration("SPECT", "modality", 0.05),)
    assert patient.plans == (Plan("dotatate", "Y-90", None, 0.5),)
    assert patient.limits == (Limit("kidneys", 23.0, None),)
    assert patient.waived == (Waiver("red_marrow", "no marrow data"),)
    assert (patient.confidence, patient.model) == (0.95, None)
    assert (patient.count_administrations, patient.count_reason) == (True, None)
    assert not patient.noise_floor
    first = patient.measurements[0]
    assert (first.region, first.label, first.modality) == (
        "kidney_left",
        "Lu-177",
        "SPECT",
    )
    assert (first.start_h, first.end_h, first.value, first.sd) == (24, 24, 70, None)
    assert (first.quantity, first.decay_corrected_to_h) == (Quantity.ACTIVITY, None)
    assert first.source == "measurements.csv line 3"


def test_optional_keys_are_read(tmp_path: Path) -> None:
    text = replaced(
        PATIENT,
        "confidence = 0.95",
        'confidence = 0.9\nmodel = "organ_exchange"\ncount_administrations = false\n'
        'count_reason = "two years ago"\n[noise]\nfloor = true',
    )
    text = replaced(text, "absorbed_dose_Gy = 23.0", "bed_Gy = 40")
    text = replaced(text, 'sex = "female"', 'note = "never a covariate"\nage = 61')
    patient = read_patient(write_patient(tmp_path / "p", text))
    assert (patient.confidence, patient.model) == (0.9, "organ_exchange")
    assert not patient.count_administrations
    assert patient.count_reason == "two years ago"
    assert patient.noise_floor
    assert patient.limits == (Limit("kidneys", None, 40.0),)
    assert patient.covariates == {"body_mass_kg": 70.0, "age": 61.0}


def test_a_blank_label_is_the_only_one(tmp_path: Path) -> None:
    rows = MEASUREMENTS.replace("Lu-177", "")
    patient = read_patient(write_patient(tmp_path / "p", measurements=rows))
    assert {m.label for m in patient.measurements} == {"Lu-177"}


def test_mass_is_volume_times_density_where_it_is_not_given(tmp_path: Path) -> None:
    text = replaced(
        PATIENT, "mass_g = 160.0", "volume_mL = 150.0\ndensity_g_per_mL = 1.04"
    )
    patient = read_patient(write_patient(tmp_path / "p", text))
    assert patient.regions[0].mass_g == pytest.approx(156.0)


def test_administrations_are_put_in_order_of_time(tmp_path: Path) -> None:
    later = (
        "[[administration]]\ntime_h = 240\nduration_h = 0.5\n"
        'ligand = "dotatate"\nlabel = "Lu-177"\nactivity_MBq = 7000\n\n'
    )
    text = replaced(PATIENT, "[[administration]]", f"{later}[[administration]]")
    patient = read_patient(write_patient(tmp_path / "p", text))
    assert [a.time_h for a in patient.schedule.administrations] == [0.0, 240.0]


def test_one_kidney_is_enough(tmp_path: Path) -> None:
    text = replaced(PATIENT, '["kidney_left", "kidney_right"]', '["kidney_left"]')
    text = replaced(
        text,
        '[regions.kidney_right]\norgan = "kidney"\nmass_g = 150.0\nmass_cv = 0.05',
        "",
    )
    rows = "\n".join(
        line for line in MEASUREMENTS.splitlines() if "kidney_right" not in line
    )
    for limits in (text, text.replace("[limits.kidneys]", "[limits.kidney_left]")):
        patient = read_patient(write_patient(tmp_path / "p", limits, rows))
        assert len(patient.regions_of(patient.limits[0].target)) == 1
        [warning] = patient.warnings
        assert "kidney_left is the only kidney region" in warning


def test_each_kidney_may_carry_its_own_limit(tmp_path: Path) -> None:
    text = replaced(
        PATIENT,
        "[limits.kidneys]",
        "[limits.kidney_right]\nbed_Gy = 40.0\n[limits.kidney_left]",
    )
    patient = read_patient(write_patient(tmp_path / "p", text))
    assert len(patient.limits) == 2


@pytest.mark.parametrize(
    ("target", "more", "warning"),
    [
        ("kidneys", "", "every limit is waived"),
        ("kidney_left", "[limits.kidney_right]\nbed_Gy = 40.0\n", ""),
    ],
)
def test_kidneys_are_waived_by_any_of_their_names(
    target: str, more: str, warning: str, tmp_path: Path
) -> None:
    text = replaced(
        PATIENT,
        "[limits.kidneys]\nabsorbed_dose_Gy = 23.0",
        f'{more}[limits.{target}]\nwaived = true\nreason = "a test"',
    )
    patient = read_patient(write_patient(tmp_path / "p", text))
    assert Waiver(target, "a test") in patient.waived
    assert warning in "".join(patient.warnings)


def test_marrow_is_limited_by_its_organ_whatever_its_name(tmp_path: Path) -> None:
    text = replaced(
        PATIENT,
        '[limits.red_marrow]\nwaived = true\nreason = "no marrow data"',
        '[regions.spine]\norgan = "red_marrow"\nmass_g = 300\nmass_cv = 0.2\n'
        "[limits.spine]\nabsorbed_dose_Gy = 2",
    )
    rows = f"{MEASUREMENTS}spine,,SPECT,24,,30,MBq,,\n"
    patient = read_patient(write_patient(tmp_path / "p", text, rows))
    assert patient.limits[1] == Limit("spine", 2.0, None)
    assert patient.waived == ()


def test_a_free_calibration_needs_a_second_modality(tmp_path: Path) -> None:
    text = replaced(
        PATIENT,
        "[[plan]]",
        '[calibration."planar 1/2"]\nscope = "region"\ncv = "free"\n\n[[plan]]',
    )
    rows = f"{MEASUREMENTS}liver,,planar 1/2,4,,35000,MBq,,\n"
    patient = read_patient(write_patient(tmp_path / "p", text, rows))
    assert patient.calibrations[1] == Calibration("planar 1/2", "region", None)
    rows = rows.replace("liver,Lu-177,SPECT", "kidney_left,Lu-177,PET")
    with pytest.raises(InputError, match=r"planar 1/2.*none for liver"):
        read_patient(write_patient(tmp_path / "p", text, rows))


@pytest.mark.parametrize(
    ("patient", "measurements", "words"),
    [
        (
            PATIENT,
            "\n".join(line for line in MEASUREMENTS.splitlines() if ",96," not in line),
            ["one scan only", "wide"],
        ),
        (
            PATIENT,
            MEASUREMENTS.replace("liver,Lu-177,SPECT,96,,200,MBq,,\n", ""),
            ["region liver was measured at one time only"],
        ),
        (
            PATIENT,
            "\n".join(
                line for line in MEASUREMENTS.splitlines() if "liver" not in line
            ),
            ["region liver has no measurement"],
        ),
        (
            PATIENT,
            MEASUREMENTS.replace(
                "kidney_left,Lu-177,SPECT,24", "kidney_left,,SPECT,0.5"
            ),
            ["kidney_left was measured within 1 h", "urine"],
        ),
        (
            PATIENT.replace('[calibration.SPECT]\nscope = "modality"\ncv = 0.05', ""),
            MEASUREMENTS,
            ["SPECT has no [calibration.SPECT]", "taken as exact"],
        ),
        (
            PATIENT.replace("dotatate", "dotatat"),
            MEASUREMENTS,
            ["ligand 'dotatat' is not in the library", "did you mean 'dotatate'"],
        ),
        (
            PATIENT + '[limits.hart]\nwaived = true\nreason = "x"\n',
            MEASUREMENTS,
            ["the waived limit 'hart'"],
        ),
    ],
)
def test_what_weakens_a_result_is_told(
    patient: str, measurements: str, words: list[str], tmp_path: Path
) -> None:
    [warning] = read_patient(
        write_patient(tmp_path / "p", patient, measurements)
    ).warnings
    for word in words:
        assert word in warning


def test_columns_are_free_in_order_and_line_ends_and_marks_in_kind(
    tmp_path: Path,
) -> None:
    columns = HEADER.split(",")
    lines = [
        line if line.startswith("#") else ",".join(reversed(line.split(",")))
        for line in MEASUREMENTS.splitlines()
    ]
    shuffled = b"\xef\xbb\xbf" + "\r\n".join([*lines, ",,,,,,,,", ""]).encode()
    plain = read_patient(write_patient(tmp_path / "plain"))
    other = read_patient(
        write_patient(tmp_path / "other", b"\xef\xbb\xbf" + PATIENT.encode(), shuffled)
    )
    assert len(columns) == 9
    assert other.measurements == plain.measurements


def test_corrected_values_keep_their_reference_time(tmp_path: Path) -> None:
    decay = math.log(2) / 159.528
    rows = replaced(
        MEASUREMENTS,
        "liver,Lu-177,SPECT,24,,300,MBq,,",
        f"liver,Lu-177,SPECT,24,24.5,{7000 * math.exp(decay * 24)},MBq,10,0",
    )
    patient = read_patient(write_patient(tmp_path / "p", measurements=rows))
    liver = patient.measurements[4]
    assert (liver.decay_corrected_to_h, liver.end_h, liver.sd) == (0.0, 24.5, 10.0)


def test_zero_with_an_sd_is_a_measurement(tmp_path: Path) -> None:
    rows = replaced(MEASUREMENTS, "200,MBq,,", "0,MBq,3.5,")
    patient = read_patient(write_patient(tmp_path / "p", measurements=rows))
    assert (patient.measurements[-1].value, patient.measurements[-1].sd) == (0.0, 3.5)


def test_the_hash_tells_any_change_of_the_files(tmp_path: Path) -> None:
    texts = [(PATIENT, MEASUREMENTS), (PATIENT + "\n", MEASUREMENTS)]
    texts += [(PATIENT, MEASUREMENTS + "\n"), (PATIENT + "#", MEASUREMENTS)]
    hashes = [
        read_patient(write_patient(tmp_path / f"{n}", *text)).data_sha256
        for n, text in enumerate(texts)
    ]
    assert len(set(hashes)) == 4
    assert all(re.fullmatch(r"[0-9a-f]{64}", each) for each in hashes)
    again = read_patient(write_patient(tmp_path / "again")).data_sha256
    assert again == hashes[0]


def test_the_study_is_in_order() -> None:
    patient = read_patient(STUDY)
    assert patient.warnings == ()
    assert patient.waived == (Waiver("red_marrow", "no marrow data; demonstration"),)
    assert len(patient.measurements) == 16
    for region in patient.regions:
        mass_g = 1.05 * FIRST_SCAN_VOLUMES_ML[region.name]
        assert region.mass_g == pytest.approx(mass_g, abs=0.05)
        values = [m for m in patient.measurements if m.region == region.name]
        assert [round(m.start_h, 1) for m in values] == [3.7, 27.7, 103.1, 124.0]
        assert all(m.decay_corrected_to_h is None for m in values)
    assert patient.measurements[3].value == 19.046609999999998


def test_every_key_stands_in_the_template(tmp_path: Path) -> None:
    text = write_template(tmp_path / "t")[0].read_text("utf-8")
    schemas: list[type[Table]] = [PatientFile, *SCHEMAS.values()]
    for schema in schemas:
        for key, field in schema.model_fields.items():
            assert re.search(rf"\b{key}\b", text), f"{schema.__name__}.{key}"
            assert field.description, f"{schema.__name__}.{key} has no description"
    for organ in ORGANS:
        assert organ in text


def uncommented(folder: Path) -> Path:
    """Write the template with every optional table and key in use."""
    paths = write_template(folder)
    text = paths[0].read_text("utf-8")
    text = re.sub(r"^# (\w+ = |\[)", r"\1", text, flags=re.MULTILINE)
    text = text.replace("count_administrations = true", "count_administrations = false")
    paths[0].write_text(text, encoding="utf-8")
    table = (
        f"{','.join(S_COLUMNS)}\nliver,liver,Lu-177,any,1600,1.3e-5,0.05,stated,own\n"
    )
    (folder / "s_values.csv").write_text(table, encoding="utf-8")
    name = "cohort_prior.toml"
    (folder / name).write_text(cohort_prior_text(made_up_cohort(), name), "utf-8")
    return folder


def test_every_commented_key_of_the_template_may_be_used(tmp_path: Path) -> None:
    patient = read_patient(uncommented(tmp_path / "t"))
    check_answerable(patient)
    assert patient.noise_floor
    assert patient.model == "organ_exchange"
    assert len(patient.covariates) == 6
    assert patient.target_confirmed == "68Ga-pentixafor PET/CT, 9 days before"
    assert [r.side for r in patient.regions] == ["left", "right", None, None]
    [calibration] = patient.calibrations
    assert calibration == Calibration(
        "SPECT", "modality", 0.05, 208.0, "ICRP 107", "ICRP 107"
    )
    assert patient.recoveries == (Recovery("SPECT", 4.0, 0.1, 1.0, 0.1, 0.0, 12.0),)
    assert patient.plans == (Plan("dotatate", "Y-90", 200.0, 0.0, 336.0, 1),)
    source = "external beam 2019, treatment plan"
    assert patient.history == (History("kidneys", "absorbed_dose", 4.0, 0.8, source),)
    assert patient.treatments == (Treatment(120.0, "one cycle of chemotherapy"),)
    assert patient.radiobiology == (StatedRadiobiology("kidney", 2.5, 0.25, 2.8, 0.3),)
    assert patient.tail == TailRule(0.3, 0.6)
    assert (patient.ligand_mass_cv, patient.model_choice_cv) == (0.1, 0.05)
    assert patient.transplantation_day == 14.0
    assert patient.s_table is not None
    assert [row.provenance for row in patient.s_table.rows] == [
        "own table s_values.csv, line 2: own"
    ]
    assert patient.cohort_prior is not None
    assert patient.cohort_prior.patients == 12
    own = {"patient.toml", "measurements.csv"}
    assert set(patient.files) == {*own, "s_values.csv", "cohort_prior.toml"}


def test_the_summary_of_a_full_file_tells_all_of_it(tmp_path: Path) -> None:
    told = summarize(read_patient(uncommented(tmp_path / "t")))
    for line in (
        "  kidney_left (left kidney), 160 g (cv 5 %): 3 values, 24 to 120 h",
        "Calibration:",
        "  SPECT: one factor, cv 5 %; gamma line of 208 keV, calibrated with ICRP 107, "
        "quantified with ICRP 107",
        "Recovery:",
        "  SPECT: R = 1 - 1/(1 + (v/b1)^b2), b1 4 mL (cv 10 %), b2 1 (cv 10 %), "
        "correlation 0, 12 mm FWHM",
        "S-values of the patient's own:",
        "  own table s_values.csv: 1 of 1 rows used",
        "  liver from liver, Lu-177: own table s_values.csv, line 2: own",
        "Priors of the kinetics:",
        "Treatments:",
        "  one cycle of chemotherapy at 120 h",
        "Received before:",
        "  kidneys: absorbed dose 4 Gy, sd 0.8 Gy (external beam 2019, treatment plan)",
        "  Y-90 dotatate, bolus, 200 ug ligand, from 336 h",
        "  stem cells on day 14 after the therapy",
        "  kidney responds by alpha/beta 2.5 Gy (cv 25 %), repair 2.8 h (cv 30 %)",
        "  share of an integral after the last scan: above 30 % a warning, above 60 % "
        "no activity",
        "  another ligand mass may change the dose per activity by 10 % (cv)",
        "  another model may change the dose per activity by 5 % (cv)",
        "  every value carries an additive noise, too",
        "  body_mass_kg 70.0, height_cm 172.0, haematocrit 0.42, age 61.0, "
        "serum_creatinine 0.9",
    ):
        assert line in told.splitlines(), line


def test_the_summary_tells_cycles_and_a_limit_of_bed(tmp_path: Path) -> None:
    text = replaced(PATIENT, "duration_h = 0.5", "duration_h = 0.5\ncycles = 4")
    text = replaced(text, "absorbed_dose_Gy = 23.0", "bed_Gy = 28.0")
    told = summarize(read_patient(write_patient(tmp_path / "p", text)))
    assert "not stated, 4 equal cycles\n" in told
    assert "kidneys (kidney_left, kidney_right): BED 28 Gy" in told


def test_a_mass_cv_follows_from_voxel_and_resolution(tmp_path: Path) -> None:
    """EANM guidance: u(V)/V = 3 u(d)/d, u(d)^2 = a^2/6 + FWHM^2/(4 ln 2).

    200 mL: d = 72.56 mm; voxel 4.8 mm and FWHM 12 mm give u(d) = 7.469 mm.
    """
    text = replaced(
        PATIENT,
        "mass_g = 160.0\nmass_cv = 0.05",
        "volume_mL = 200.0\ndensity_g_per_mL = 1.05\nvoxel_mm = 4.8\nfwhm_mm = 12.0",
    )
    region = read_patient(write_patient(tmp_path / "p", text)).regions[0]
    diameter = (6.0 * 200e3 / math.pi) ** (1.0 / 3.0)
    error = math.sqrt(4.8**2 / 6.0 + 12.0**2 / (4.0 * math.log(2.0)))
    assert region.mass_cv == pytest.approx(3.0 * error / diameter, rel=1e-12)
    assert region.mass_g == pytest.approx(210.0)


def test_a_region_too_small_for_its_image_is_refused(tmp_path: Path) -> None:
    """2 mL: d = 15.63 mm, u(d) = 7.469 mm: 3 u(d)/d = 1.43."""
    text = replaced(
        PATIENT,
        '[regions.liver]\norgan = "liver"',
        '[regions.liver]\norgan = "liver"\nvolume_mL = 2.0\ndensity_g_per_mL = 1.05\n'
        "voxel_mm = 4.8\nfwhm_mm = 12.0",
    )
    with pytest.raises(InputError) as error:
        read_patient(write_patient(tmp_path / "p", text))
    said = str(error.value)
    assert "[regions.liver]: voxel_mm 4.8 and fwhm_mm 12 give the mass" in said
    assert "of 1.43, above 1" in said


@pytest.mark.parametrize(("age", "warned"), [(12, True), (17.9, True), (18, False)])
def test_a_child_is_told_that_the_tables_are_of_adults(
    age: float, warned: bool, tmp_path: Path
) -> None:
    text = replaced(PATIENT, "body_mass_kg = 70", f"age = {age}")
    told = read_patient(write_patient(tmp_path / "p", text)).warnings
    words = f"the patient is {age:g} years old: phantoms, S-values and priors are"
    assert any(words in line for line in told) == warned
