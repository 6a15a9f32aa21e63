"""Joint data of one patient, PET, planar, SPECT, blood, urine: read, or refused."""

import re
from pathlib import Path

import pytest
from clinic_patients import HEADER, PATIENT, replaced, write_patient

from pkmodels.clinic.command_line import main
from pkmodels.clinic.joint_data import (
    MaximumExcess,
    StatedCounting,
    StatedOverlap,
    StatedSharing,
)
from pkmodels.clinic.patient import Patient
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.patient_summary import summarize
from pkmodels.clinic.template import write_template
from pkmodels.errors import InputError
from pkmodels.measurements import Quantity

GIVEN = """\
[[administration]]
time_h = 0.0
duration_h = 0.0
ligand = "pentixafor"
label = "Ga-68"
activity_MBq = 150.0
ligand_mass_ug = 20.0
occasion = "PET"

[[administration]]
time_h = 48.0
duration_h = 0.25
ligand = "pentixather"
label = "Lu-177"
activity_MBq = 200.0
ligand_mass_ug = 75.0
occasion = "dosimetry"

[regions.kidney_left]
density_g_per_mL = 1.05
"""

JOINT = """\
confidence = 0.95
model = "pentixather"

[regions.blood]
organ = "blood"

[regions.urine]
organ = "urine"

[calibration.planar]
scope = "region"
cv = "free"

[calibration.PET]
scope = "modality"
cv = 0.05

[overlap.planar.kidney_left]
of = { liver = 0.1, rest = 0.02 }
share_median = 0.3
share_logit_sd = 0.5
source = "judgement"

[noise]
student_t_degrees = 4.0

[noise.maximum.PET]
excess_median = 0.4
excess_log_sd = 0.8
source = "judgement"

[samples]
volume_cv = 0.03

[counting.camera]
counts_per_s_per_MBq = 10.0
background_log_sd = 0.02
overdispersed = true

[[sharing]]
parameter = "binding_potential_spleen"
occasion = "PET"
how = "linked"
ratio_median = 1.2
ratio_log_sd = 0.5
source = "judgement"

[[sharing]]
parameter = "release"
occasion = "PET"
how = "free"
"""

MORE = f"{HEADER},below,sample,live_time_s,background_counts"
ROWS = f"""\
{MORE}
kidney_left,Ga-68,PET,1,1.25,9,SUVmax,,0,,,,
kidney_left,Lu-177,SPECT,72,,6,MBq,,,,,,
kidney_right,Lu-177,SPECT,72,,6,MBq,,,,,,
kidney_left,Lu-177,planar,52,,900,MBq,,,,,,
kidney_left,Lu-177,planar,72,,700,MBq,,,,,,
kidney_right,Lu-177,SPECT,96,,5,MBq,,,,,,
blood,Lu-177,well counter,49,,4.1,kBq/mL,,,,tube 1,,
blood,Lu-177,well counter,49,,4.0,kBq/mL,,,,tube 1,,
blood,Lu-177,well counter,144,,0.01,kBq/mL,,,yes,,,
urine,Lu-177,well counter,48,52,60,MBq,,,,,,
urine,Lu-177,well counter,52,72,20,MBq,,,,,,
liver,Lu-177,camera,72,72.5,12000,counts,,,,,600,300
"""


def joint_patient() -> str:
    start = PATIENT.index("[[administration]]")
    end = PATIENT.index("[regions.kidney_left]")
    text = PATIENT[:start] + GIVEN + PATIENT[end:].split("\n", 1)[1]
    text = text.replace(
        '[[plan]]\nligand = "dotatate"', '[[plan]]\nligand = "pentixather"'
    )
    return replaced(text, "confidence = 0.95\n", JOINT)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_patient(tmp_path / "p", joint_patient(), ROWS)


@pytest.fixture
def patient(folder: Path) -> Patient:
    return read_patient(folder)


def test_occasions_hold_their_administrations_and_measurements(
    patient: Patient,
) -> None:
    pet, dosimetry = patient.occasions
    assert (pet.name, pet.start_h, pet.schedule.labels) == ("PET", 0.0, ("Ga-68",))
    assert (dosimetry.name, dosimetry.start_h) == ("dosimetry", 48.0)
    # Molar masses of the model reach the occasions, too.
    assert dosimetry.schedule.administrations[0].ligand_nmol == pytest.approx(
        55.7, 0.01
    )
    of_each = [patient.occasion_of(m).name for m in patient.measurements]
    assert of_each == ["PET"] + 11 * ["dosimetry"]


def test_tables_of_joint_data_are_read(patient: Patient) -> None:
    assert patient.sharings == (
        StatedSharing(
            "binding_potential_spleen", "PET", "linked", 1.2, 0.5, "judgement"
        ),
        StatedSharing("release", "PET", "free"),
    )
    assert patient.overlaps == (
        StatedOverlap(
            "planar", "kidney_left", {"liver": 0.1, "rest": 0.02}, 0.3, 0.5, "judgement"
        ),
    )
    assert patient.maximum_excess == (MaximumExcess("PET", 0.4, 0.8, "judgement"),)
    assert patient.countings == (StatedCounting("camera", 10.0, 0.02, True),)
    assert patient.sample_volume_cv == 0.03
    assert patient.student_t_degrees == 4.0
    assert not patient.noise_floor


def test_rows_of_joint_data_are_read(patient: Patient) -> None:
    suv, *_ = patient.measurements
    # 9 x 150 MBq / 70 kg / 1.05 g/mL.
    assert suv.value == pytest.approx(9 * 150 / 70 / 1.05 / 1000, rel=1e-12)
    assert (suv.quantity, suv.maximum) == (Quantity.CONCENTRATION, True)
    blood = [m for m in patient.measurements if m.region == "blood"]
    assert [m.value for m in blood] == [4.1, 4.0, 0.01]
    assert [m.below for m in blood] == [False, False, True]
    assert [m.sample is not None for m in blood] == [True, True, False]
    urine = [m for m in patient.measurements if m.region == "urine"]
    assert {m.quantity for m in urine} == {Quantity.COLLECTED}
    counts = patient.measurements[-1]
    assert counts.counting is not None
    assert counts.counting.live_time_s == 600.0


def test_each_ligand_is_an_occasion_where_none_is_named(tmp_path: Path) -> None:
    text = re.sub(r'^occasion = "(PET|dosimetry)"\n', "", joint_patient(), flags=re.M)
    text = re.sub(r"(?s)\[\[sharing\]\].*?(?=\n\[limits|\Z)", "", text)
    patient = read_patient(write_patient(tmp_path / "p", text, ROWS))
    assert [o.name for o in patient.occasions] == ["pentixafor", "pentixather"]


def test_what_joint_data_rest_on_is_told(patient: Patient) -> None:
    told = "\n".join(patient.warnings)
    assert "PET, dosimetry are solved each by itself" in told
    assert "blood was measured at one time" not in told
    assert "one scan only" not in told


def test_values_corrected_to_before_their_label_was_given_are_told(
    tmp_path: Path,
) -> None:
    words = "Lu-177 corrected to 0 h, before it was given at 48 h (rows: 1)"
    for row, is_told in (("72,,6,MBq,,0", True), ("72,,6,MBq,,48", False)):
        rows = ROWS.replace(
            "kidney_left,Lu-177,SPECT,72,,6,MBq,,", f"kidney_left,Lu-177,SPECT,{row}"
        )
        patient = read_patient(
            write_patient(tmp_path / str(is_told), joint_patient(), rows)
        )
        assert (words in "\n".join(patient.warnings)) is is_told


def test_a_limit_seen_with_another_ligand_only_is_told(tmp_path: Path) -> None:
    rows = "\n".join(
        line for line in ROWS.splitlines() if not line.startswith("kidney_left,Lu-177")
    )
    text = re.sub(r"(?s)\[overlap.*?(?=\[noise\])", "", joint_patient())
    text = replaced(text, '[calibration.planar]\nscope = "region"\ncv = "free"\n', "")
    patient = read_patient(write_patient(tmp_path / "p", text, rows))
    assert "kidney_left under a limit: measured with another ligand" in "\n".join(
        patient.warnings
    )


MISTAKES = {
    "one occasion named": (
        'occasion = "PET"\n\n',
        "\n",
        ["[[administration]] occasion", "some name one (dosimetry)", "of none"],
    ),
    "same label again too soon": (
        'label = "Ga-68"',
        'label = "Lu-177"',
        ["'dosimetry' gives 200 MBq of Lu-177 at 48 h", "122 MBq of that of 'PET'"],
    ),
    "sharing of no occasion": (
        'occasion = "PET"\nhow',
        'occasion = "PETT"\nhow',
        ["[[sharing]] number 1 occasion", "'PETT'", "did you mean 'PET'"],
    ),
    "sharing said twice": (
        'parameter = "release"',
        'parameter = "binding_potential_spleen"',
        ["[[sharing]] number 2", "is said twice"],
    ),
    "link without a ratio": (
        "ratio_median = 1.2\n",
        "",
        ["[[sharing]] number 1", "links binding_potential_spleen without ratio_median"],
    ),
    "ratio without a link": (
        'how = "free"',
        'how = "free"\nratio_median = 2.0',
        ["[[sharing]] number 2", "a ratio belongs to", "linked"],
    ),
    "sharing in other words": (
        'how = "free"',
        'how = "own"',
        ["[[sharing]] number 2 how", "found 'own'", '"free"'],
    ),
    "two ligands in organ_exchange": (
        'model = "pentixather"',
        'model = "organ_exchange"',
        ["pentixafor, pentixather", "organ_exchange fits one ligand"],
    ),
    "SUVmax without its excess": (
        '[noise.maximum.PET]\nexcess_median = 0.4\nexcess_log_sd = 0.8\nsource = "judge'
        'ment"',
        "",
        ["[noise.maximum.PET] is missing", "line 2 and others are SUVmax"],
    ),
    "excess of nothing": (
        "[noise.maximum.PET]",
        "[noise.maximum.SPECT]",
        ["[noise.maximum.SPECT]", "no SUVmax of this modality", "PET"],
    ),
    "excess without a modality": (
        "[noise.maximum.PET]",
        "[noise.maximum]",
        ["[noise] maximum", "[noise.maximum.MODALITY]"],
    ),
    "samples that are none": (
        "[samples]\nvolume_cv = 0.03",
        "",
        ["line 8, column sample", "'tube 1' needs", "[samples] with volume_cv"],
    ),
    "counts without sensitivity": (
        "[counting.camera]",
        "[counting.camra]",
        ["line 13, column unit", "add [counting.camera]"],
    ),
    "overlap without a region": (
        "[overlap.planar.kidney_left]",
        "[overlap.planar]",
        ["[overlap]", "names no region", "[overlap.MODALITY.REGION]"],
    ),
    "overlap of an unknown region": (
        "[overlap.planar.kidney_left]",
        "[overlap.planar.kidny_left]",
        ["[overlap.planar.kidny_left]", "did you mean 'kidney_left'"],
    ),
    "overlap of what was not measured": (
        "[overlap.planar.kidney_left]",
        "[overlap.planr.kidney_left]",
        ["[overlap.planr.kidney_left]", "no such row", "did you mean 'planar'"],
    ),
    "overlap with itself": (
        "liver = 0.1",
        "kidney_left = 0.1",
        ["[overlap.planar.kidney_left] of", "does not lie over itself"],
    ),
    "overlap with blood": (
        "rest = 0.02",
        "blood = 0.02",
        ["[overlap.planar.kidney_left] of", "blood is what is sampled", "liver"],
    ),
    "overlap with urine": (
        "rest = 0.02",
        "urine = 0.02",
        ["[overlap.planar.kidney_left] of", "urine is what is sampled"],
    ),
    "overlap with all of the body": (
        "rest = 0.02",
        "whole_body = 0.02",
        ["[overlap.planar.kidney_left] of", "whole_body holds kidney_left itself"],
    ),
    "overlap with a group": (
        "rest = 0.02",
        "kidneys = 0.02",
        ["[overlap.planar.kidney_left] of", "kidneys is a group"],
    ),
    "overlap with what the model does not show": (
        "liver = 0.1",
        "livr = 0.1",
        [
            "[overlap.planar.kidney_left] of",
            "pentixather does not show 'livr'",
            "did you mean 'liver'",
        ],
    ),
    "share above one": (
        "share_median = 0.3",
        "share_median = 30",
        ["[overlap.planar.kidney_left] share_median", "found 30", "between 0 and 1"],
    ),
    "overlap of a concentration": (
        "[overlap.planar.kidney_left]",
        "[overlap.PET.kidney_left]",
        ["line 2, column unit", "has an overlap, which is of activities"],
    ),
    "two degrees of freedom": (
        "student_t_degrees = 4.0",
        "student_t_degrees = 2.0",
        ["[noise] student_t_degrees", "found 2.0", "above 2"],
    ),
    "volume error in percent": (
        "volume_cv = 0.03",
        "volume_cv = 3.0",
        ["[samples] volume_cv", "found 3.0", "0.03"],
    ),
}

ROW_MISTAKES = {
    "below in other words": (
        "kBq/mL,,,yes",
        "kBq/mL,,,<",
        ["line 10, column below", "found '<'", "write yes"],
    ),
    "below nothing": (
        "0.01,kBq/mL",
        "0,kBq/mL",
        ["line 10, column value", "found 0 with below = yes", "above 0"],
    ),
    "a limit as its value": (
        "0.01,kBq/mL",
        "<0.01,kBq/mL",
        ["line 10, column value", "found '<0.01'", "yes in the column below"],
    ),
    "SUV without its reference": (
        "9,SUVmax,,0,",
        "9,SUVmax,,,",
        ["line 2, column decay_corrected_to_h: is blank", "write 0 if it does"],
    ),
    "SUV corrected to the scan": (
        "9,SUVmax,,0,",
        "9,SUVmax,,1,",
        ["line 2, column decay_corrected_to_h: found 1 h", "write 0 if it does"],
    ),
    "counts without live time": (
        "counts,,,,,600,300",
        "counts,,,,,,300",
        ["line 13, column live_time_s: is blank", "dead time"],
    ),
    "counts without background": (
        "counts,,,,,600,300",
        "counts,,,,,600,",
        ["line 13, column background_counts: is blank", "0 if there are none"],
    ),
    "half a count": (
        "12000,counts",
        "12000.5,counts",
        ["line 13, column value", "a whole number"],
    ),
    "counts with an sd": (
        "counts,,,,,600",
        "counts,110,,,,600",
        ["line 13, column sd", "as they were counted"],
    ),
    "counts corrected for decay": (
        "counts,,,,,600",
        "counts,,0,,,600",
        ["line 13, column decay_corrected_to_h", "uncorrected"],
    ),
    "counts below a limit": (
        "counts,,,,,600",
        "counts,,,yes,,600",
        ["line 13, column below", "never below a limit"],
    ),
    "live time longer than the scan": (
        "counts,,,,,600",
        "counts,,,,,6000",
        ["line 13, column live_time_s", "6000 s, more than lies between 72 and 72.5 h"],
    ),
    "live time of no counts": (
        "6,MBq,,,,,,",
        "6,MBq,,,,,600,",
        ["line 3, column live_time_s", "it belongs to the unit counts"],
    ),
    "blood in MBq": (
        "4.1,kBq/mL",
        "4.1,MBq",
        ["line 8, column unit", "whose organ is blood", "kBq/mL"],
    ),
    "blood in Bq/mL": (
        "4.1,kBq/mL",
        "4100,kBq/mL",
        ["line 8, column value: at least 4100 MBq", "mend the unit"],
    ),
    "urine at one time": (
        "48,52,60,MBq",
        "48,,60,MBq",
        ["line 11, column end_h", "collected between two times"],
    ),
    "urine counted twice": (
        "52,72,20,MBq",
        "48,72,80,MBq",
        ["line 12, column start_h", "before that of measurements.csv line 11 ends"],
    ),
    "more urine than was given": (
        "48,52,60,MBq",
        "48,52,600,MBq",
        ["line 11, column value", "600 MBq at 52 h", "mend the unit"],
    ),
    "one sample at two times": (
        "49,,4.0,kBq",
        "50,,4.0,kBq",
        ["line 9, column sample", "'tube 1' is blood from 50 to 50 h", "line 8"],
    ),
    "replicates of no name": (
        "tube 1",
        "",
        ["line 9", "duplicate of measurements.csv line 8"],
    ),
    "a sample of an image": (
        "9,SUVmax,,0,,,,",
        "9,SUVmax,,0,,tube 1,,",
        ["line 2, column sample", "an image's, not a sample's"],
    ),
    "column unknown": (
        "live_time_s",
        "live_times",
        ["line 1: unknown column 'live_times'", "did you mean 'live_time_s'"],
    ),
}


def told(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["check", str(folder)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_table_of_joint_data_is_told(
    mistake: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new, words = MISTAKES[mistake]
    text = replaced(joint_patient(), old, new)
    message = told(write_patient(tmp_path / "p", text, ROWS), capsys)
    for word in words:
        assert word in message


@pytest.mark.parametrize("mistake", ROW_MISTAKES)
def test_a_mistake_in_a_row_of_joint_data_is_told(
    mistake: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new, words = ROW_MISTAKES[mistake]
    if mistake == "replicates of no name":
        rows = ROWS.replace(old, new)
    else:
        rows = replaced(ROWS, old, new)
    message = told(write_patient(tmp_path / "p", joint_patient(), rows), capsys)
    for word in words:
        assert word in message


SPECT = "kidney_left,Lu-177,SPECT,72,,6,MBq,,,,,,"


@pytest.mark.parametrize(
    "instead",
    [
        # Another ligand's PET, a limit, a maximum: none gives planar scans their scale.
        "kidney_left,Ga-68,PET,2,2.25,9,SUV,,0,,,,",
        "kidney_left,Lu-177,SPECT,72,,6,MBq,,,yes,,,",
        "kidney_left,Lu-177,PET,72,,9,SUVmax,,48,,,,",
    ],
)
def test_a_free_scale_is_not_tied_down_by_what_shows_none(
    instead: str, tmp_path: Path
) -> None:
    rows = replaced(ROWS, SPECT, instead)
    with pytest.raises(
        InputError, match=r'"free" needs .* same occasion .* none for kidney_left;'
    ):
        read_patient(write_patient(tmp_path / "p", joint_patient(), rows))


def test_occasions_of_one_ligand_are_refused_where_nothing_tells_them_apart(
    tmp_path: Path,
) -> None:
    later = (
        '[[administration]]\ntime_h = 2000\nduration_h = 0\nligand = "dotatate"\n'
        'label = "Lu-177"\nactivity_MBq = 7000\noccasion = "second"\n\n[[plan]]'
    )
    text = replaced(PATIENT, "[[plan]]", later)
    text = replaced(text, "ligand_mass_ug = 200.0", 'occasion = "first"')
    with pytest.raises(InputError, match=r"found first, second; organ_exchange solves"):
        read_patient(write_patient(tmp_path / "p", text))


def test_the_template_of_joint_data_may_be_used(tmp_path: Path) -> None:
    toml, csv = write_template(tmp_path / "t")
    text = re.sub(r"^## ", "", toml.read_text("utf-8"), flags=re.MULTILINE)
    for old, new in (
        ('# occasion = "dosimetry"', 'occasion = "dosimetry"'),
        ("# body_mass_kg", "body_mass_kg"),
        ("# density_g_per_mL", "density_g_per_mL"),
        ('# model = "organ_exchange"', 'model = "pentixather"'),
    ):
        text = replaced(text, old, new)
    text = text.replace('"dotatate"', '"pentixather"')
    toml.write_text(f'{text}\n[regions.blood]\norgan = "blood"\n', "utf-8")
    lines = csv.read_text("utf-8").replace(HEADER, MORE).splitlines()
    rows = [line + 4 * "," if line.endswith(",,") else line for line in lines]
    rows += [
        "kidney_left,Lu-177,planar,24,,5000,MBq,,,,,,",
        "kidney_left,Ga-68,PET,49,,4,SUVmax,,48,,,,",
        "liver,Lu-177,gamma_camera,24,24.5,30000,counts,,,,,900,100",
        "blood,Lu-177,well counter,1,,20,kBq/mL,,,,a,,",
    ]
    csv.write_text("\n".join(rows), "utf-8")
    patient = read_patient(tmp_path / "t")
    assert [o.name for o in patient.occasions] == ["dosimetry", "PET"]
    assert [m.quantity for m in patient.measurements[-4:]] == [
        Quantity.ACTIVITY,
        Quantity.CONCENTRATION,
        Quantity.COUNTS,
        Quantity.PER_LITRE,
    ]
    for word in ("linked by a ratio to the shared value", "largest voxel", "volume cv"):
        assert word in summarize(patient)


def test_the_summary_tells_joint_data(patient: Patient) -> None:
    told = summarize(patient).splitlines()
    for line in (
        "  150 MBq Ga-68 pentixafor at 0 h, bolus, 20 ug ligand (occasion PET)",
        "Shared between occasions:",
        "  binding_potential_spleen of PET: linked by a ratio to the shared value, "
        "median 1.2, sd of ln 0.5 (judgement)",
        "  release of PET: a value of its own",
        "  one value for PET and dosimetry, as the model has it: "
        "dissociation_constant, unbound_fraction, glomerular_filtration_rate, "
        "reabsorbed_fraction, kidney_release, share_kidney_left, liver_uptake, "
        "liver_release, interstitial_protein_ratio, biliary_fraction, "
        "kidney_returned_fraction, binding_potential_red_marrow",
        "  fitted on PET, as the model has it: pentixafor_dissociation_ratio, "
        "pentixafor_unbound_odds_ratio, pentixafor_reabsorption_odds_ratio, "
        "pentixafor_liver_uptake_ratio",
        "  planar of kidney_left: counts a share of 0.1 liver, 0.02 rest with it, "
        "median 0.3, sd of logit 0.5 (judgement)",
        "  PET: a largest voxel exceeds the mean by 0.4 (median), sd of ln 0.8 "
        "(judgement)",
        "  camera: 10 counts per s and MBq, overdispersed, background's sd of ln 0.02",
        "  samples: volume cv 3 %",
        "  1 of the values are limits that were not reached",
        "  values may be outliers: Student's t with 4 degrees of freedom",
    ):
        assert line in told, line
