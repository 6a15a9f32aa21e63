"""Each mistake of a patient's folder: exit 2, a helpful message, nothing written."""

import tempfile
from pathlib import Path

import pytest
from clinic_patients import HEADER, MEASUREMENTS, PATIENT, replaced, write_patient
from hypothesis import given, settings
from hypothesis import strategies as st
from measurement_mistakes import MEASUREMENT_MISTAKES, ROW
from patient_mistakes import PATIENT_MISTAKES, TWO_LABELS

from pkmodels.clinic.command_line import main
from pkmodels.clinic.patient_files import read_patient
from pkmodels.errors import InputError


def refusal_of(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Check a folder that must be refused, and return what a person reads."""
    before = sorted(folder.rglob("*"))
    assert main(["check", str(folder)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Traceback" not in printed.err
    assert sorted(folder.rglob("*")) == before
    return printed.err


@pytest.mark.parametrize("mistake", PATIENT_MISTAKES)
def test_a_mistake_in_patient_toml_is_told(
    mistake: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new, words = PATIENT_MISTAKES[mistake]
    folder = write_patient(tmp_path / "p", patient=replaced(PATIENT, old, new))
    message = refusal_of(folder, capsys)
    for word in ["patient.toml", *words]:
        assert word in message


@pytest.mark.parametrize("mistake", MEASUREMENT_MISTAKES)
def test_a_mistake_in_measurements_csv_is_told(
    mistake: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new, words = MEASUREMENT_MISTAKES[mistake]
    spoiled = replaced(MEASUREMENTS, old, new)
    folder = write_patient(tmp_path / "p", measurements=spoiled)
    message = refusal_of(folder, capsys)
    for word in ["measurements.csv", *words]:
        assert word in message


def test_the_base_of_the_mistakes_is_in_order(tmp_path: Path) -> None:
    patient = read_patient(write_patient(tmp_path / "p"))
    assert patient.warnings == ()


def test_a_blank_label_is_refused_where_two_were_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_patient(
        tmp_path / "p",
        replaced(PATIENT, "\n[regions.kidney_left]", TWO_LABELS),
        replaced(MEASUREMENTS, "Lu-177", ""),
    )
    message = refusal_of(folder, capsys)
    assert "line 3, column label: is blank while 2 labels were given" in message


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("patient.toml", b"", ["the file is empty", "pkmodels new"]),
        ("patient.toml", b'\n# M\xfcller\nformat = "x"', ["line 2", "0xfc", "UTF-8"]),
        ("patient.toml", PATIENT.encode("utf-16"), ["line 1", "UTF-8"]),
        ("measurements.csv", b"\n\n# \xe9", ["line 3", "0xe9", "CSV UTF-8"]),
        ("measurements.csv", HEADER.encode("utf-16-le"), ["line 1", "zero byte"]),
    ],
)
def test_an_unreadable_file_is_told(
    name: str,
    content: bytes,
    words: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = write_patient(tmp_path / "p")
    (folder / name).write_bytes(content)
    message = refusal_of(folder, capsys)
    for word in [name, *words]:
        assert word in message


@pytest.mark.parametrize("name", ["patient.toml", "measurements.csv"])
def test_a_missing_file_is_told(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_patient(tmp_path / "p")
    (folder / name).unlink()
    assert f"{name}: is not in the folder" in refusal_of(folder, capsys)


def test_a_folder_that_is_none_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "does not exist" in refusal_of(tmp_path / "nowhere", capsys)
    (tmp_path / "file").write_text("x")
    assert "is a file" in refusal_of(tmp_path / "file", capsys)


def test_all_mistakes_are_told_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoiled = replaced(PATIENT, "7400.0", "-1").replace("0.95", "2")
    rows = replaced(MEASUREMENTS, "70,MBq", "x,mbq").replace("300,MBq", "-3,MBq")
    message = refusal_of(write_patient(tmp_path / "p", spoiled, rows), capsys)
    assert "5 mistakes to mend" in message
    lines = message.splitlines()[1:]
    assert len(lines) == 5
    assert sum("patient.toml" in line for line in lines) == 2
    assert sum("measurements.csv line 3" in line for line in lines) == 2
    assert sum("measurements.csv line 7" in line for line in lines) == 1


def test_mistakes_between_the_files_are_told_at_once(tmp_path: Path) -> None:
    spoiled = replaced(PATIENT, "[calibration.SPECT]", "[calibration.PET]")
    rows = replaced(MEASUREMENTS, ROW, f"{ROW}\n{ROW}")
    folder = write_patient(tmp_path / "p", spoiled, rows)
    with pytest.raises(InputError, match="2 mistakes") as refusal:
        read_patient(folder)
    assert "[calibration.PET]" in str(refusal.value)
    assert "duplicate" in str(refusal.value)


ODD_PIECES = (
    *(
        "",
        "\n",
        "-",
        "0",
        "nan",
        "1e400",
        '"',
        "'",
        "[",
        "]]",
        "=",
        ",",
        ";",
        "\t",
        "#",
    ),
    *("true", "[]", "{}", "{a = 1}", "1979-05-27", "kidneys", "free", "%IA", "\x1b"),
)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(
    spoils_tables=st.booleans(),
    where=st.floats(0.0, 1.0),
    length=st.integers(0, 12),
    piece=st.sampled_from(ODD_PIECES),
)
def test_no_spoiled_file_escapes_as_another_error(
    spoils_tables: bool, where: float, length: int, piece: str
) -> None:
    text = PATIENT if spoils_tables else MEASUREMENTS
    start = int(where * len(text))
    spoiled = text[:start] + piece + text[start + length :]
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "p"
        if spoils_tables:
            write_patient(folder, patient=spoiled)
        else:
            write_patient(folder, measurements=spoiled)
        assert main(["check", str(folder)]) in (0, 2)
