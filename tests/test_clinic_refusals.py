"""What must never give a number, each refused before any fit and by its words."""

from pathlib import Path

import numpy as np
import pytest
from clinic_patients import HEADER, MEASUREMENTS, PATIENT, replaced, write_patient
from pbpk12_model import TRUE_VALUES
from pbpk12_model import model as pbpk12

from pkmodels.clinic.answerable import check_answerable
from pkmodels.clinic.patient import Patient
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.responses import draw_responses, radiobiologies
from pkmodels.decision import DoseLimit, History, draw_histories
from pkmodels.dosimetry.local_deposition import local_deposition
from pkmodels.dosimetry.s_table_files import COLUMNS
from pkmodels.errors import InputError
from pkmodels.simulated_doses import simulated_dose
from pkmodels.therapy import Therapy

LIVER = '[regions.liver]\norgan = "liver"\n'
S_VALUES = '[s_values]\ntable = "own.csv"\n[decision]'
BOTH = "kidneys,kidneys,Lu-177,any,310,7.7e-5,0.02,published,a table"
LEFT = "left_kidney,left_kidney,Lu-177,any,155,1.5e-4,0.02,published,a table"
ONE = "kidney,kidney,Lu-177,any,155,1.5e-4,0.02,published,a table"
PANCREAS = "pancreas,pancreas,Lu-177,any,140,1.6e-4,0.1,published,a table"


def patient_of(
    folder: Path,
    *exchanges: tuple[str, str],
    rows: str = MEASUREMENTS,
    table: str | None = None,
) -> Patient:
    """Write the usual patient with exchanges and a table of S-values, and read it."""
    text = PATIENT
    if table is not None:
        exchanges = (*exchanges, ("[decision]", S_VALUES))
    for old, new in exchanges:
        text = replaced(text, old, new)
    write_patient(folder, text, rows)
    if table is not None:
        (folder / "own.csv").write_text(f"{','.join(COLUMNS)}\n{table}\n", "utf-8")
    return read_patient(folder)


def refusal_of(folder: Path, *exchanges: tuple[str, str], **files: str) -> str:
    with pytest.raises(InputError) as error:
        check_answerable(patient_of(folder, *exchanges, **files))
    return str(error.value)


ONE_REGION = (
    ('[regions.kidney_left]\norgan = "kidney"', '[regions.kidneys]\norgan = "kidneys"'),
    ('[regions.kidney_right]\norgan = "kidney"', '[regions.lesion]\norgan = "tumour"'),
    ('[groups.kidneys]\nregions = ["kidney_left", "kidney_right"]\n', ""),
)
ONE_REGION_ROWS = MEASUREMENTS.replace("kidney_left", "kidneys").replace(
    "kidney_right", "lesion"
)


def test_a_summed_kidney_s_value_is_refused_for_one_kidney(tmp_path: Path) -> None:
    said = refusal_of(tmp_path, table=BOTH)
    for words in (
        "own table own.csv: Lu-177, female: S-value for kidneys asked to serve kidney",
        "'kidneys' is both outlined as one region (the activity of both over",
        "their S-values differ by about a factor of 2",
    ):
        assert words in said


@pytest.mark.parametrize("row", [LEFT, ONE])
def test_one_kidneys_s_value_is_refused_for_both(row: str, tmp_path: Path) -> None:
    said = refusal_of(tmp_path, *ONE_REGION, rows=ONE_REGION_ROWS, table=row)
    name = row.split(",")[0]
    assert f"S-value for {name} asked to serve kidneys: 'kidneys' is both" in said


def test_a_left_kidneys_s_value_needs_the_side(tmp_path: Path) -> None:
    said = refusal_of(tmp_path / "p", table=LEFT)
    assert "holds left_kidney, but the side of 'kidney' is not said" in said
    sided = ('organ = "kidney"', 'organ = "kidney"\nside = "left"')
    # The right one, without a side, is refused still.
    assert "is not said" in refusal_of(tmp_path / "q", sided, table=LEFT)


def test_each_kidneys_table_serves_its_own_regions(tmp_path: Path) -> None:
    check_answerable(patient_of(tmp_path / "p", table=ONE))
    both = patient_of(tmp_path / "q", *ONE_REGION, rows=ONE_REGION_ROWS, table=BOTH)
    check_answerable(both)


def test_marrow_by_local_deposition_is_refused() -> None:
    with pytest.raises(InputError) as error:
        local_deposition("Lu-177", "red_marrow")
    assert "red_marrow is refused: electrons leave the cavities" in str(error.value)


def test_a_limit_without_an_organ_curve_is_refused(tmp_path: Path) -> None:
    rows = "".join(r for r in MEASUREMENTS.splitlines(True) if "kidney_right" not in r)
    with pytest.raises(InputError) as error:
        patient_of(tmp_path, rows=rows)
    assert (
        "[limits.kidneys]: measurements.csv has no row of kidney_right; add the rows, "
        "or waive the limit with a reason"
    ) in str(error.value)


def history(quantity: str, target: str = "kidneys") -> tuple[str, str]:
    table = f'[[history]]\ntarget = "{target}"\n{quantity} = 5.0\nsd_Gy = 1.0\n'
    return "[decision]", f'{table}source = "x"\n[decision]'


def test_a_dose_is_never_counted_against_a_limit_of_bed(tmp_path: Path) -> None:
    bed = ("absorbed_dose_Gy = 23.0", "bed_Gy = 40.0")
    said = refusal_of(tmp_path / "p", bed, history("absorbed_dose_Gy"))
    assert (
        "[[history]] of kidneys is in absorbed_dose_Gy and [limits.kidneys] in "
        "bed_Gy: they are different quantities"
    ) in said
    said = refusal_of(tmp_path / "q", history("bed_Gy"))
    assert "is in bed_Gy and [limits.kidneys] in absorbed_dose_Gy" in said
    check_answerable(patient_of(tmp_path / "r", bed, history("bed_Gy")))


def test_a_history_that_would_count_against_nothing_is_refused(tmp_path: Path) -> None:
    said = refusal_of(tmp_path / "p", history("absorbed_dose_Gy", "kidney_left"))
    assert "[[history]] target 'kidney_left' carries no limit" in said
    assert "did you mean 'kidneys'" in said
    check_answerable(patient_of(tmp_path / "q", history("bed_Gy", "red_marrow")))


def test_a_history_without_uncertainty_is_refused(tmp_path: Path) -> None:
    old, new = history("absorbed_dose_Gy")
    with pytest.raises(InputError, match="sd_Gy is missing: a dose without its uncert"):
        patient_of(tmp_path, (old, new.replace("sd_Gy = 1.0\n", "")))
    with pytest.raises(InputError, match="kidneys"):
        draw_histories(
            [History("kidneys", "absorbed_dose", 5.0, None, "x")],
            [DoseLimit("kidneys", "absorbed_dose", 23.0)],
            10,
            np.random.default_rng(0),
            waived=[],
        )


PANCREATIC = (
    LIVER,
    '[regions.liver]\norgan = "pancreas"\nmass_g = 140\nmass_cv = 0.1\n'
    "[limits.liver]\nabsorbed_dose_Gy = 20\n",
)


def test_an_s_value_of_another_nuclide_does_not_serve(tmp_path: Path) -> None:
    """A table with Lu-177 for the pancreas, and a plan of Y-90."""
    said = refusal_of(tmp_path / "p", PANCREATIC, table=PANCREAS)
    assert "[limits.liver]: no S-value of Y-90 for pancreas is known" in said
    both = f"{PANCREAS}\n{PANCREAS.replace('Lu-177', 'Y-90').replace('1.6e-4', '9e-4')}"
    check_answerable(patient_of(tmp_path / "q", PANCREATIC, table=both))


def test_an_invalid_table_of_s_values_is_told_by_line(tmp_path: Path) -> None:
    said = refusal_of(tmp_path, table=PANCREAS.replace("1.6e-4", "1,6e-4"))
    assert "own.csv" in said
    assert "line 2" in said


def test_a_plan_without_ligand_mass_is_refused_where_the_model_saturates() -> None:
    without = Therapy("drug", "Y-90", 0.5)
    with pytest.raises(InputError) as error:
        simulated_dose(pbpk12(), dict(TRUE_VALUES), without, {"kidney": 3.4e-3})
    assert (
        "the plan of drug with Y-90 has no mass of ligand, but in 'pbpk12' what ligand "
        "does depends on how much of it there is"
    ) in str(error.value)


GAMMAS = (
    "cv = 0.05\n\n[[plan]]",
    'cv = 0.05\ngamma_keV = 208.0\ncalibrated_with = "ICRP 107"\n'
    'quantified_with = "ENSDF"\n\n[[plan]]',
)


def test_a_mixture_of_gamma_yields_is_refused_with_its_error(tmp_path: Path) -> None:
    """11.0 % by ICRP 107 and 10.41 % by ENSDF: 5.7 %."""
    said = refusal_of(tmp_path / "p", GAMMAS)
    assert "[calibration.SPECT]: calibrated with ICRP 107" in said
    assert "5.7 % too high" in said
    assert "multiply the values of this modality by 0.9464" in said
    one = (GAMMAS[0], GAMMAS[1].replace("ENSDF", "ICRP 107"))
    check_answerable(patient_of(tmp_path / "q", one))


def test_an_unknown_gamma_source_or_line_is_refused(tmp_path: Path) -> None:
    other = (GAMMAS[0], GAMMAS[1].replace("ENSDF", "ENDSF"))
    assert "did you mean 'ENSDF'" in refusal_of(tmp_path / "p", other)
    line = (GAMMAS[0], GAMMAS[1].replace("208.0", "364.0"))
    assert "no line within 1 keV of 364 keV" in refusal_of(tmp_path / "q", line)


RECOVERY = (
    "[decision]",
    "[recovery.SPECT]\nb1_mL = 4.0\nb1_cv = 0.1\nb2 = 1.0\nb2_cv = 0.1\n"
    "correlation = 0.0\nfwhm_mm = 12.0\n[decision]",
)
DENSITIES = (
    ("mass_g = 160.0", "mass_g = 160.0\ndensity_g_per_mL = 1.05"),
    ("mass_g = 150.0", "mass_g = 150.0\ndensity_g_per_mL = 1.05"),
    (LIVER, f"{LIVER}mass_g = 1600\nmass_cv = 0.05\nvolume_mL = 1524\n"),
)


def test_a_recovery_without_volume_is_refused(tmp_path: Path) -> None:
    said = refusal_of(tmp_path / "p", RECOVERY)
    for region in ("kidney_left", "kidney_right", "liver"):
        assert (
            f"[recovery.SPECT]: the recovery of {region} follows from its volume, "
            "which is unknown; add mass_g and density_g_per_mL, or volume_mL, to "
            f"[regions.{region}]"
        ) in said
    check_answerable(patient_of(tmp_path / "q", RECOVERY, *DENSITIES))


def test_a_recovery_of_nothing_is_refused(tmp_path: Path) -> None:
    old, new = RECOVERY
    said = refusal_of(tmp_path, (old, new.replace("SPECT", "PET")), *DENSITIES)
    assert "[recovery.PET]: no measurement is of this modality" in said


def test_all_refusals_are_told_at_once(tmp_path: Path) -> None:
    bed = ("absorbed_dose_Gy = 23.0", "bed_Gy = 40.0")
    said = refusal_of(tmp_path, GAMMAS, RECOVERY, bed, history("absorbed_dose_Gy"))
    assert len(said.splitlines()) == 5


def radiobiology(organ: str) -> str:
    return (
        f"[radiobiology.{organ}]\nalpha_beta_Gy = 10.0\nalpha_beta_cv = 0.1\n"
        "repair_half_time_h = 1.0\nrepair_half_time_cv = 0.1\n"
    )


@pytest.mark.parametrize("organ", ["kidney", "kidneys"])
def test_a_response_of_the_kidneys_is_used_under_either_name(
    organ: str, tmp_path: Path
) -> None:
    stated = ("[decision]", f"{radiobiology(organ)}[decision]")
    patient = patient_of(tmp_path, stated)
    check_answerable(patient)
    assert list(radiobiologies(patient)) == ["kidney"]
    drawn = draw_responses(patient, ("kidneys",), 4000, [0])["kidneys"]
    assert np.median(drawn.alpha_beta_Gy) == pytest.approx(10.0, rel=0.02)


def test_a_response_is_stated_once_and_for_an_organ_that_there_is(
    tmp_path: Path,
) -> None:
    both = radiobiology("kidney") + radiobiology("kidneys") + radiobiology("spleen")
    said = refusal_of(tmp_path / "p", ("[decision]", f"{both}[decision]"))
    assert "[radiobiology.kidney] and [radiobiology.kidneys]: one response" in said
    assert "[radiobiology.spleen]: no region is of organ 'spleen'" in said
    one = ("[decision]", f"{radiobiology('liver')}[decision]")
    check_answerable(patient_of(tmp_path / "q", one))


@pytest.mark.parametrize(
    ("start_h", "refused"), [(10, True), (95.9, True), (96, False)]
)
def test_a_plan_that_starts_before_the_last_scan_is_refused(
    start_h: float, refused: bool, tmp_path: Path
) -> None:
    start = ("duration_h = 0.5", f"duration_h = 0.5\nstart_h = {start_h}")
    if refused:
        said = refusal_of(tmp_path, start)
        assert (
            f"[[plan]] number 1 start_h = {start_h:g}: the last scan ends at 96 h"
            in (said)
        )
    else:
        check_answerable(patient_of(tmp_path, start))


def test_the_usual_patient_is_answerable(tmp_path: Path) -> None:
    assert HEADER in MEASUREMENTS
    check_answerable(patient_of(tmp_path))
