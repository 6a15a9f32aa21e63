"""The whole command on a patient whose model saturates and whose truth is known."""

import csv
import sys
from pathlib import Path

import pytest
from rich.console import Console

from pkmodels.clinic.workflow import EXIT_DONE, run


def quiet() -> Console:
    return Console(file=sys.stderr, quiet=True)


def tiacs(out: Path, label: str) -> dict[str, tuple[float, float]]:
    """Return the 95 % interval of each region's TIAC, h."""
    with (out / "summary.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["target"]: (float(row["lo95"]), float(row["hi95"]))
            for row in csv.DictReader(file)
            if row["label"] == label and row["quantity"] == "TIAC"
        }


@pytest.mark.slow
def test_a_simulated_pentixather_patient_is_answered(
    repository: Path, tmp_path: Path
) -> None:
    folder = repository / "studies" / "simulated_pentixather"
    output = run(folder, tmp_path, 0, quiet())
    assert output.exit_code == EXIT_DONE
    with (folder / "patients.csv").open(encoding="utf-8", newline="") as file:
        truths = [row for row in csv.DictReader(file) if row["seed"] == "0"]
    found = tiacs(tmp_path, "Y-90")
    assert len(truths) == 5
    for row in truths:
        low, high = found[row["region"]]
        assert low < float(row["truth_h"]) < high
