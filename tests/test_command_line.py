"""The command line: what it prints where, its exit status, and what it loads."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from clinic_patients import PATIENT, replaced, write_patient

from pkmodels.clinic.command_line import main
from pkmodels.clinic.template import example_mapping
from pkmodels.errors import FitRefusedError, InputError, SolveError

HEAVY = ("jax", "pymc", "arviz", "numba", "pandas", "scipy", "sympy")

Streams = pytest.CaptureFixture[str]


class _Result:
    def model_dump_json(self, indent: int) -> str:
        return "{" + " " * indent + "}"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """Put a workflow in place that fits nothing, and return what it is called with."""
    made: list[tuple[object, ...]] = []

    def run(folder: Path, out: Path | None, seed: int, console: object) -> object:
        made.append((folder, out, seed))
        behaviour = {
            "bad": InputError("measurements.csv line 3: found x; give y"),
            "refused": FitRefusedError("R-hat is 1.3; measure once more"),
            "unsolved": SolveError("no solution at rate 1e9"),
            "unwritable": PermissionError(13, "Permission denied", "/locked/out"),
            "interrupted": KeyboardInterrupt(),
        }.get(folder.name)
        if behaviour is not None:
            raise behaviour
        status = 3 if folder.name == "unconverged" else 0
        return SimpleNamespace(result=_Result(), exit_code=status)

    workflow, table = ModuleType("workflow"), ModuleType("result_table")
    vars(workflow)["run"] = run
    vars(table)["print_result"] = lambda result, console: console.print("the table")
    monkeypatch.setitem(sys.modules, "pkmodels.clinic.workflow", workflow)
    monkeypatch.setitem(sys.modules, "pkmodels.clinic.result_table", table)
    return made


def test_check_describes_a_folder(tmp_path: Path, capsys: Streams) -> None:
    assert main(["check", str(write_patient(tmp_path / "p"))]) == 0
    assert capsys.readouterr().out == (
        "Patient test: patient.toml and measurements.csv are in order.\n"
        "WAIVED:\n"
        "  red_marrow: no marrow data\n"
        "Given:\n"
        "  7400 MBq Lu-177 dotatate at 0 h, bolus, 200 ug ligand\n"
        "Measured (SPECT of Lu-177):\n"
        "  kidney_left (kidney), 160 g (cv 5 %): 2 values, 24 to 96 h\n"
        "  kidney_right (kidney), 150 g (cv 5 %): 2 values, 24 to 96 h\n"
        "  liver, mass not stated: 2 values, 24 to 96 h\n"
        "Calibration:\n"
        "  SPECT: one factor, cv 5 %\n"
        "Planned:\n"
        "  Y-90 dotatate, infusion of 0.5 h, ligand mass not stated\n"
        "Limits:\n"
        "  kidneys (kidney_left, kidney_right): absorbed dose 23 Gy\n"
        "  together at 95 % confidence; the dose already given counts\n"
        "What the data cannot tell:\n"
        "  share of an integral after the last scan: above 30 % a warning, above 60 % "
        "no activity\n"
        "Stated, and of no effect on any number:\n"
        "  body_mass_kg 70.0\n"
    )


def test_check_tells_warnings_and_what_does_not_count(
    tmp_path: Path, capsys: Streams
) -> None:
    text = replaced(
        PATIENT,
        "confidence = 0.95",
        'confidence = 0.9\ncount_administrations = false\ncount_reason = "long ago"',
    )
    text = replaced(text, "[calibration.SPECT]", "[calibration.PET]")
    rows = (
        "region,label,modality,start_h,end_h,value,unit,sd,decay_corrected_to_h\n"
        "kidney_left,,PET,24,,70,MBq,,\nkidney_right,,PET,24,,70,MBq,,\n"
    )
    assert main(["check", str(write_patient(tmp_path / "p", text, rows))]) == 0
    printed = capsys.readouterr().out
    assert "the dose already given does NOT count (long ago)" in printed
    assert "1 value, 24 h" in printed
    assert "liver, mass not stated: no value" in printed
    assert "Warnings:\n  one scan only" in printed


def test_a_bed_limit_without_a_response_is_refused(
    tmp_path: Path, capsys: Streams
) -> None:
    liver = '[regions.liver]\norgan = "liver"\n'
    limited = f"{liver}mass_g = 1600\nmass_cv = 0.05\n[limits.liver]\nbed_Gy = 40.0\n"
    text = replaced(PATIENT, liver, limited)
    assert main(["check", str(write_patient(tmp_path / "p", text))]) == 2
    said = capsys.readouterr().err
    assert "[limits.liver] bed_Gy = 40: no alpha/beta" in said
    text = text.replace(
        "[groups",
        """[radiobiology.liver]
alpha_beta_Gy = 3.0
alpha_beta_cv = 0.3
repair_half_time_h = 1.5
repair_half_time_cv = 0.3
[groups""",
    )
    assert main(["check", str(write_patient(tmp_path / "q", text))]) == 0


def test_check_import_and_help_load_nothing_heavy(tmp_path: Path) -> None:
    folder = write_patient(tmp_path / "p")
    table, mapping = tmp_path / "t.csv", tmp_path / "map.toml"
    head = "Time (h);Kidney L [MBq];Kidney R [MBq];Liver [MBq];Liver SD;Operator"
    table.write_text(f"{head}\n24;70;60;300;9;x\n", "utf-8")
    mapping.write_text(example_mapping(), "utf-8")
    out = str(tmp_path / "out" / "measurements.csv")
    arguments = [
        ["--help"],
        ["check", str(folder)],
        ["import", str(table), "--mapping", str(mapping), "--out", out],
    ]
    script = (
        "import sys\n"
        "from pkmodels.clinic.command_line import main\n"
        f"arguments = {arguments!r}\n"
        "statuses = [main(each) for each in arguments]\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "sys.exit(f'{statuses} {loaded}' if any(statuses) or loaded else 0)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


def test_a_new_folder_passes_its_check(tmp_path: Path, capsys: Streams) -> None:
    folder = tmp_path / "deep" / "patient"
    assert main(["new", str(folder)]) == 0
    assert "made up" in capsys.readouterr().out
    assert main(["check", str(folder)]) == 0
    assert "Warnings" not in capsys.readouterr().out
    assert sorted(path.name for path in folder.iterdir()) == [
        "measurements.csv",
        "patient.toml",
    ]


@pytest.mark.parametrize("name", ["patient.toml", "measurements.csv"])
def test_new_overwrites_nothing(name: str, tmp_path: Path, capsys: Streams) -> None:
    (tmp_path / name).write_text("mine")
    assert main(["new", str(tmp_path)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_new_tells_when_the_folder_is_a_file(tmp_path: Path, capsys: Streams) -> None:
    (tmp_path / "file").write_text("mine")
    assert main(["new", str(tmp_path / "file")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_safe_activity_prints_the_table(
    calls: list[tuple[object, ...]], capsys: Streams
) -> None:
    assert main(["safe-activity", "fine"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "the table\n"
    assert calls == [(Path("fine"), None, 0)]


def test_safe_activity_prints_json_alone(
    calls: list[tuple[object, ...]], capsys: Streams
) -> None:
    options = ["--json", "--seed", "7", "--out", "there"]
    assert main(["safe-activity", "fine", *options]) == 0
    assert capsys.readouterr().out == "{  }\n"
    assert calls == [(Path("fine"), Path("there"), 7)]


@pytest.mark.usefixtures("calls")
@pytest.mark.parametrize(
    ("folder", "status", "message"),
    [
        ("unconverged", 3, ""),
        ("bad", 2, "Error: measurements.csv line 3: found x; give y\n"),
        ("refused", 3, "The fit is refused: R-hat is 1.3; measure once more\n"),
        ("unsolved", 1, "Error: no solution at rate 1e9\n"),
        ("unwritable", 1, "Error: /locked/out: Permission denied\n"),
        ("interrupted", 130, "Interrupted.\n"),
    ],
)
def test_a_failure_has_its_status_and_one_message(
    folder: str, status: int, message: str, capsys: Streams
) -> None:
    assert main(["safe-activity", folder]) == status
    assert capsys.readouterr().err == message


@pytest.mark.parametrize(
    "arguments",
    [
        ["safe-activty"],
        ["check"],
        ["check", "a", "b"],
        ["safe-activity", "a", "--seed=x"],
    ],
)
def test_a_wrong_command_is_bad_input(arguments: list[str], capsys: Streams) -> None:
    assert main(arguments) == 2
    assert "Usage" in capsys.readouterr().err


def test_the_help_says_all_that_status_3_is_for(capsys: Streams) -> None:
    assert main(["--help"]) == 0
    words = " ".join(capsys.readouterr().out.split())
    assert "3 refused (the fit may not be trusted, or the scans end too early" in words


def test_the_version_is_told(capsys: Streams) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("pkmodels 0.")
