"""What this version cannot answer is refused before any fit, with the remedy."""

import pytest
from clinic_patients import MEASUREMENTS, PATIENT, replaced, write_patient

from pkmodels.clinic.answerable import check_answerable
from pkmodels.clinic.patient_files import read_patient
from pkmodels.errors import InputError

LIVER = '[regions.liver]\norgan = "liver"\n'


REFUSED = {
    "BED limit of an organ without alpha/beta": (
        LIVER,
        f"{LIVER}mass_g = 1600\nmass_cv = 0.05\n[limits.liver]\nbed_Gy = 40.0\n",
        "[limits.liver] bed_Gy = 40: no alpha/beta and repair half-time of liver are "
        "known: state them in [radiobiology.liver]",
    ),
    "unknown model": (
        "confidence = 0.95",
        'confidence = 0.95\nmodel = "organ_exchang"',
        "did you mean 'organ_exchange'",
    ),
    "region the model does not describe": (
        LIVER,
        '[regions.liver]\norgan = "bladder"\n',
        "[regions.liver] organ 'bladder'",
    ),
    "limit on an organ without S-value": (
        LIVER,
        '[regions.liver]\norgan = "adrenal"\nmass_g = 14\nmass_cv = 0.1\n'
        "[limits.liver]\nabsorbed_dose_Gy = 5\n",
        "no S-value of Y-90 for adrenal",
    ),
    "mass in kg": ("mass_g = 160.0", "mass_g = 0.16", "taken for a wrong unit"),
    "name of the model's own": (
        LIVER,
        f'{LIVER}[regions.blood]\norgan = "tumour"\n',
        "uses this name itself",
    ),
    "confidence beyond the draws": (
        "confidence = 0.95",
        "confidence = 0.99999",
        "at most 0.999",
    ),
}


@pytest.mark.parametrize(("old", "new", "said"), REFUSED.values(), ids=REFUSED)
def test_is_refused(tmp_path, old, new, said):
    folder = write_patient(tmp_path / "p", replaced(PATIENT, old, new))
    with pytest.raises(InputError) as error:
        check_answerable(read_patient(folder))
    assert said in str(error.value)


def test_counted_label_without_s_value_is_refused_unless_it_does_not_count(tmp_path):
    gallium = replaced(PATIENT, "[regions.kidney_left]", "{}[regions.kidney_left]")
    gallium = gallium.format(
        "[[administration]]\ntime_h = 1.0\nduration_h = 0.0\n"
        'ligand = "dotatate"\nlabel = "Ga-68"\nactivity_MBq = 150.0\n'
    )
    folder = write_patient(tmp_path / "p", gallium, MEASUREMENTS)
    with pytest.raises(InputError, match="Ga-68 that was given counts"):
        check_answerable(read_patient(folder))
    left_out = 'confidence = 0.95\ncount_administrations = false\ncount_reason = "PET"'
    text = replaced(gallium, "confidence = 0.95", left_out)
    folder = write_patient(tmp_path / "q", text, MEASUREMENTS)
    check_answerable(read_patient(folder))


def test_one_kidney_is_answerable(tmp_path):
    text = replaced(
        PATIENT, 'regions = ["kidney_left", "kidney_right"]', "regions = []"
    )
    text = replaced(text, "[groups.kidneys]\nregions = []\n", "")
    right = '[regions.kidney_right]\norgan = "kidney"\nmass_g = 150.0\nmass_cv = 0.05\n'
    text = replaced(
        replaced(text, right, ""), "[limits.kidneys]", "[limits.kidney_left]"
    )
    rows = "".join(
        line for line in MEASUREMENTS.splitlines(True) if "kidney_right" not in line
    )
    check_answerable(read_patient(write_patient(tmp_path / "p", text, rows)))
