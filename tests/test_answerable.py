"""What this version cannot answer is refused before any fit, with the remedy."""

import pytest
from clinic_patients import MEASUREMENTS, PATIENT, replaced, write_patient

from pkmodels.clinic.answerable import check_answerable
from pkmodels.clinic.patient_files import read_patient
from pkmodels.dosimetry.s_values import s_value
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
    "blood in organ_exchange": (
        LIVER,
        '[regions.liver]\norgan = "liver"\n[regions.artery]\norgan = "blood"\n',
        "[regions.artery] organ 'blood': organ_exchange has no samples of blood or "
        'urine: leave them out or take model = "pentixather"',
    ),
    "urine in organ_exchange": (
        LIVER,
        '[regions.liver]\norgan = "liver"\n[regions.artery]\norgan = "urine"\n',
        "[regions.artery] organ 'urine': organ_exchange has no samples",
    ),
    "overlap with what was not measured": (
        LIVER,
        '[regions.liver]\norgan = "liver"\n[overlap.SPECT.kidney_left]\n'
        "of = { livr = 0.3 }\nshare_median = 0.3\nshare_logit_sd = 0.5\n"
        'source = "judgement"\n',
        "[overlap.SPECT.kidney_left] of: organ_exchange does not show 'livr', which "
        "was not measured; did you mean 'liver'",
    ),
    "confidence beyond the draws": (
        "confidence = 0.95",
        "confidence = 0.99999",
        "at most 0.999",
    ),
}


@pytest.mark.parametrize(("old", "new", "said"), REFUSED.values(), ids=REFUSED)
def test_is_refused(tmp_path, old, new, said):
    rows = MEASUREMENTS
    if 'organ = "blood"' in new:
        rows += "artery,Lu-177,counter,24,,1,kBq/mL,,\n"
    if 'organ = "urine"' in new:
        rows += "artery,Lu-177,counter,0,24,100,MBq,,\n"
    folder = write_patient(tmp_path / "p", replaced(PATIENT, old, new), rows)
    with pytest.raises(InputError) as error:
        check_answerable(read_patient(folder))
    assert said in str(error.value)


def test_a_pet_counts_by_a_bound_of_its_dose(tmp_path):
    """0.73794 MeV of electrons and 0.94869 of photons a decay (ICRP 107), in 310 g."""
    gallium = replaced(PATIENT, "[regions.kidney_left]", "{}[regions.kidney_left]")
    gallium = gallium.format(
        "[[administration]]\ntime_h = 1.0\nduration_h = 0.0\n"
        'ligand = "dotatate"\nlabel = "Ga-68"\nactivity_MBq = 150.0\n'
    )
    check_answerable(read_patient(write_patient(tmp_path / "p", gallium, MEASUREMENTS)))
    kidneys = s_value("kidneys", "Ga-68", "male")
    assert kidneys is not None
    assert kidneys.at_mass(310.0) == pytest.approx(
        0.576784 * (0.73794 + 0.94869) / 310.0, rel=1e-5
    )
    assert "bound" in kidneys.source


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
