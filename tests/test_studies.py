"""The studies run as their READMEs say."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pkmodels.clinic.command_line import main


def test_the_first_model_is_printed_simulated_and_drawn(
    repository: Path, tmp_path: Path
) -> None:
    script = tmp_path / "study.py"
    shutil.copy(repository / "studies" / "first_model" / "study.py", script)
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=True
    )
    assert "tumour_association: plasma + receptor -> bound" in done.stdout
    assert "d plasma/dt" in done.stdout
    assert r"\frac{d" in done.stdout
    assert "bound + receptor" in done.stdout
    peaks = {
        line.split(",")[0].strip(): float(line.split("peak occupancy")[1])
        for line in done.stdout.splitlines()
        if "peak occupancy" in line
    }
    # More ligand occupies more receptors, whatever its label.
    assert peaks["68Ga"] < peaks["177Lu"] < peaks["90Y"] < 1.0
    assert (tmp_path / "out" / "model.svg").read_text("utf-8").startswith("<svg")
    assert "<html>" in (tmp_path / "out" / "curves.html").read_text("utf-8")
    assert done.stderr == ""


def test_the_first_model_has_a_supplement(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = repository / "studies" / "first_model"
    command = "pkmodels show studies/first_model/study.py --as supplement"
    assert command in (study / "README.md").read_text("utf-8")
    assert main(["show", str(study / "study.py"), "--as", "supplement"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("# first_model\n\n## Assumptions\n\nA first model: ")
    assert "| `k_on` | L/(nmol h) | 0.3 | not stated |" in printed
