"""Patient folders for the tests: one that is in order, and ways to spoil it."""

from pathlib import Path

PATIENT = """\
format = "pkmodels-patient/1"

[patient]
id = "test"
sex = "female"
body_mass_kg = 70

[[administration]]
time_h = 0.0
duration_h = 0.0
ligand = "dotatate"
label = "Lu-177"
activity_MBq = 7400.0
ligand_mass_ug = 200.0

[regions.kidney_left]
organ = "kidney"
mass_g = 160.0
mass_cv = 0.05

[regions.kidney_right]
organ = "kidney"
mass_g = 150.0
mass_cv = 0.05

[regions.liver]
organ = "liver"

[groups.kidneys]
regions = ["kidney_left", "kidney_right"]

[calibration.SPECT]
scope = "modality"
cv = 0.05

[[plan]]
ligand = "dotatate"
label = "Y-90"
duration_h = 0.5

[limits.kidneys]
absorbed_dose_Gy = 23.0

[limits.red_marrow]
waived = true
reason = "no marrow data"

[decision]
confidence = 0.95
"""

HEADER = "region,label,modality,start_h,end_h,value,unit,sd,decay_corrected_to_h"

MEASUREMENTS = f"""\
# made up
{HEADER}
kidney_left,Lu-177,SPECT,24,,70,MBq,,
kidney_left,Lu-177,SPECT,96,,30,MBq,,
kidney_right,Lu-177,SPECT,24,,65,MBq,,
kidney_right,Lu-177,SPECT,96,,28,MBq,,
liver,Lu-177,SPECT,24,,300,MBq,,
liver,Lu-177,SPECT,96,,200,MBq,,
"""


def write_patient(
    folder: Path,
    patient: str | bytes = PATIENT,
    measurements: str | bytes = MEASUREMENTS,
) -> Path:
    """Write the two files of a patient into a new folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (
        ("patient.toml", patient),
        ("measurements.csv", measurements),
    ):
        data = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(data)
    return folder


def replaced(text: str, old: str, new: str) -> str:
    """Exchange the first `old`, which must be there."""
    assert old in text, f"{old!r} is not in the text to spoil"
    return text.replace(old, new, 1)
