"""The study of competition: its page against its table, and rows computed anew."""

import csv
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pkmodels.models import binding_assay, xenograft
from pkmodels.values import draw_values

# With `make test` they would take it beyond ten minutes.
pytestmark = pytest.mark.slow

STUDY = Path(__file__).resolve().parents[1] / "studies" / "competition"
# Of each line of the README's table, the rows of the CSV.
LINES = {
    "tube, 316 nmol/L": ("tube", "AMD3100, nmol/L", 316.2),
    "tube, 10 umol/L": ("tube", "AMD3100, nmol/L", 1e4),
    "intravenously, 1 min before": ("", "intravenous, customary", 2.0),
    "under the skin, 30 min before": ("", "subcutaneous, customary", 2.0),
    "in one syringe": ("", "co-injected, customary", 2.0),
    "no receptors at all": ("", "no receptors", 0.0),
}


def table() -> list[dict[str, str]]:
    with (STUDY / "competition.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def row(system: str, varied: str, dose: float) -> dict[str, str]:
    (found,) = (
        r
        for r in table()
        if (r["system"], r["varied"]) == (system, varied)
        and float(r["dose"]) == pytest.approx(dose, rel=1e-3)
    )
    return found


@pytest.fixture(scope="module")
def study() -> ModuleType:
    """The script under a name of its own, since every study is called study.py."""
    spec = importlib.util.spec_from_file_location(
        "competition_study", STUDY / "study.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_page_says_what_the_table_says() -> None:
    text = (STUDY / "README.md").read_text("utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    shown = 0
    for line in lines:
        for ending, (system, varied, dose) in LINES.items():
            name, numbers = (cell.strip() for cell in line.strip("|").split("|"))
            if name.endswith(ending):
                found = row(system or name.split(",")[0], varied, dose)
                percent = [f"{100 * float(found[k]):.0f}" for k in ("median", "low")]
                percent.append(f"{100 * float(found['high']):.0f}")
                assert numbers == "{} ({} to {})".format(*percent)
                shown += 1
    assert shown == 10
    for name in ("IC50", "Cheng-Prusoff", "exact"):
        found = row("tube", f"{name} over K_i", 0.0)
        median, low, high = (
            f"{float(found[key]):.2f}" for key in ("median", "low", "high")
        )
        assert f"{median} ({low} to {high})" in text


def test_more_amd3100_leaves_less_down_to_what_no_receptor_holds() -> None:
    for system, varied in (
        ("tube", "AMD3100, nmol/L"),
        ("OH-1", "intravenous, mg/kg"),
        ("Daudi", "intravenous, mg/kg"),
    ):
        chosen = [r for r in table() if (r["system"], r["varied"]) == (system, varied)]
        for key in ("median", "low", "high"):
            assert np.all(np.diff([float(r[key]) for r in chosen]) < 0.0)
        if system != "tube":
            floor = float(row(system, "no receptors", 0.0)["median"])
            assert floor < float(chosen[-1]["median"]) < 1.5 * floor


def test_tube_and_mouse_share_their_draws() -> None:
    tube = draw_values(binding_assay.values(), 3, seed=1)
    mouse = draw_values(xenograft.values(), 3, seed=1)
    shared = {
        "dissociation_constant",
        "dissociation",
        "internalization",
        "release",
        "amd3100_dissociation_constant",
        "amd3100_dissociation",
    }
    for name in shared:
        np.testing.assert_array_equal(tube[name], mouse[name])


@pytest.mark.slow
def test_rows_computed_anew_are_those_of_the_table(study: ModuleType) -> None:
    animals = study.drawn(xenograft.values(tumour="Daudi"), study.DRAWS)
    found = {
        "subcutaneous, customary": study.mouse(animals, "subcutaneous", (2.0,))[0],
        "no receptors": study.floor(animals),
    }
    for varied, values in found.items():
        stored = row("Daudi", varied, 0.0 if varied == "no receptors" else 2.0)
        low, median, high = np.quantile(values, [0.025, 0.5, 0.975])
        for key, value in (("low", low), ("median", median), ("high", high)):
            assert float(stored[key]) == pytest.approx(value, rel=1e-3)
