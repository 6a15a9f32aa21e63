"""The README's Python example runs as written, and its patient file is valid."""

import re
import subprocess
import sys

from pkmodels.clinic.answerable import check_answerable
from pkmodels.clinic.patient_files import read_patient

ROWS = """region,label,modality,start_h,end_h,value,unit,sd,decay_corrected_to_h
kidney_left,,SPECT,24,,70,MBq,,
kidney_left,,SPECT,96,,25,MBq,,
"""
OWN_S_VALUES = """\
target,source,label,sex,mass_g,S_mGy_per_MBq_s,log_sd,certainty,provenance
left_kidney,left_kidney,Lu-177,any,150,1.6e-4,0.02,stated,made up for this test
"""


def _blocks(repository, language):
    text = (repository / "README.md").read_text("utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_python_examples_run(repository):
    code = "\n".join(_blocks(repository, "python"))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "tumour_release: inside -> plasma, rate inside*release" in done.stdout
    slopes = re.findall(r"Array\(([-+.e0-9]+)", done.stdout.splitlines()[-1])
    assert all(float(slope) > 0.0 for slope in slopes)
    assert len(slopes) == 2


def test_patient_file_is_valid(repository, tmp_path):
    (tmp_path / "patient.toml").write_text(_blocks(repository, "toml")[0], "utf-8")
    (tmp_path / "measurements.csv").write_text(ROWS, "utf-8")
    (tmp_path / "s_values.csv").write_text(OWN_S_VALUES, "utf-8")
    patient = read_patient(tmp_path)
    check_answerable(patient)
    assert patient.confidence == 0.95
