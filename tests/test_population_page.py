"""The page of a fitted population: its tables and figures against what was given."""

import base64
import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import population_cases as cases
import pytest

from pkmodels.clinic.population_diagnostics import Diagnostics, diagnose
from pkmodels.clinic.population_page import population_page, write_population_page
from pkmodels.clinic.population_tables import (
    effect_rows,
    estimate_rows,
    subject_table,
    value_table,
)
from pkmodels.errors import InputError
from pkmodels.population import worked_example
from pkmodels.population.estimation import PopulationFit
from pkmodels.population.subjects import Subject
from pkmodels.population.uncertainty import CovarianceKind

TIMES = np.array([0.5, 1.0, 2.0, 5.0, 9.0, 24.0])
WEIGHTS = (61.0, 70.5, 82.0, 90.0, 55.0, 75.0)
ASKED = {
    "kind": CovarianceKind.CURVATURE,
    "bins": [0.0, 0.75, 1.5, 25.0],
    "replicates": 1000,
    "seed": 1,
}


def people() -> list[Subject]:
    """The worked example's, with a weight and a word that a page must escape."""
    return [
        replace(one, covariates={"weight_kg": w, "sex": "f<b>" if n % 2 else "m"})
        for n, (one, w) in enumerate(
            zip(worked_example.subjects(), WEIGHTS, strict=True)
        )
    ]


@pytest.fixture(scope="module")
def fit() -> PopulationFit:
    return worked_example.fitted()


@pytest.fixture(scope="module")
def found(fit: PopulationFit) -> Diagnostics:
    return diagnose(fit, people(), **ASKED)


@pytest.fixture(scope="module")
def page(found: Diagnostics) -> str:
    return population_page(found, logarithmic=False)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def typical_curve(fit: PopulationFit) -> np.ndarray:
    """Bateman's function at the typical values, written anew; 320 mg."""
    ka, cl, v = np.exp(fit.values[:3])
    gone = np.exp(-cl / v * TIMES) - np.exp(-ka * TIMES)
    return 320.0 * ka / (v * ka - cl) * gone


def traces(page: str, figure: str) -> list[dict]:
    """What plotly draws in a figure, arrays decoded."""
    start = page.index(f'"figure-{figure}",', page.index("Plotly.newPlot"))
    start = page.index("[", start)
    drawn, _ = json.JSONDecoder().raw_decode(page, start)
    for trace in drawn:
        for axis in ("x", "y"):
            if isinstance(trace.get(axis), dict):
                raw = base64.b64decode(trace[axis]["bdata"])
                trace[axis] = np.frombuffer(raw, np.dtype(trace[axis]["dtype"]))
    return drawn


def test_values_stand_beside_their_predictions(found: Diagnostics, fit: PopulationFit):
    table = rows(value_table(found))
    assert len(table) == 36
    assert {row["unit"] for row in table} == {"mg/L"}
    given = [v for one in people() for v in one.occasions[0].values]
    assert [float(row["DV"]) for row in table] == given
    predicted = [float(row["PRED"]) for row in table]
    assert predicted == pytest.approx(np.tile(typical_curve(fit), 6), rel=1e-9)
    assert [float(row["NPDE"]) for row in table] == found.npde.errors.tolist()


def test_subjects_have_their_covariates_and_own_parameters(
    found: Diagnostics, fit: PopulationFit
):
    table = rows(subject_table(found))
    assert [float(row["weight_kg"]) for row in table] == list(WEIGHTS)
    typical = np.exp(fit.values[1])
    for row in table:
        own = typical * np.exp(float(row["eta of cl"]))
        assert float(row["cl [L/h]"]) == pytest.approx(own, rel=1e-12)
        assert row["occasion"] == "1"


def test_effects_between_occasions_stand_beside_their_occasion():
    subjects = cases.line_subjects(7, seed=3)
    fit = cases.at_the_truth(cases.line_population(), subjects)
    made = diagnose(fit, subjects, **{**ASKED, "bins": 3})
    table = rows(subject_table(made))
    assert [row["occasion"] for row in table[:6]] == ["1", "1", "2", "1", "2", "3"]
    level = fit.values[0]
    for row in table:
        own = level + float(row["eta of level"]) + float(row["kappa of level"])
        assert float(row["level [1]"]) == pytest.approx(own, rel=1e-12)
    assert [name for name, *_ in effect_rows(made)] == [
        "eta of level",
        "eta of slope",
        "kappa of level",
        "residuals (IWRES) of y",
    ]
    assert "variance of level by occasion" in [name for name, *_ in estimate_rows(made)]
    # Nothing on the page of a model whose subjects have no covariates.
    assert "against covariates" not in population_page(made, logarithmic=False)


def test_figures_show_what_was_measured_and_predicted(page: str, fit: PopulationFit):
    given = np.array([v for one in people() for v in one.occasions[0].values])
    identity, dots = traces(page, "fit-0-0")
    assert dots["x"] == pytest.approx(np.tile(typical_curve(fit), 6), rel=1e-9)
    assert dots["y"] == pytest.approx(given)
    assert list(identity["x"]) == list(identity["y"])
    # The median of the values in each bin of the predictive check.
    of_bin = given.reshape(6, 6)
    expected = [np.median(part) for part in (of_bin[:, 0], of_bin[:, 1], of_bin[:, 2:])]
    shown = [t for t in traces(page, "check-0") if t.get("hovertemplate", "")[:3] ==
             "50%"]  # fmt: skip
    assert shown[0]["y"] == pytest.approx(np.array(expected))
    # An effect against weight: the line of least squares through its dots.
    dots, line = traces(page, "cov-0")
    assert dots["x"] == pytest.approx(np.array(WEIGHTS))
    slope, level = np.polyfit(WEIGHTS, fit.modes.local.effects[:, 0], 1)
    assert line["y"] == pytest.approx(level + slope * np.array([55.0, 90.0]))


def test_the_page_needs_no_network_and_escapes_what_it_is_given(page: str):
    body = page.replace(page[page.index("<script>") : page.index("</script>")], "", 1)
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", body)
    assert "f<b>" not in re.sub(r"<script.*?</script>", "", body, flags=re.DOTALL)
    for words in (
        "FOCEI objective",
        "DV against PRED",
        "DV against IPRED",
        "CWRES against time",
        "|IWRES| against IPRED",
        "Visual predictive check of plasma",
        "Shapiro",
        "eta of cl: shrinkage",
        "eta of cl against weight_kg",
        r"PRED, mg\u002fL",
    ):
        assert words in page
    names = re.findall(r'<div id="(figure-[\w-]+)"', page)
    assert len(names) == len(set(names)) >= 5 + 1 + 4 + 2 + 4


def test_files_are_written_and_other_subjects_refused(
    fit: PopulationFit, tmp_path: Path
):
    said = []
    paths = write_population_page(
        tmp_path / "new" / "oral",
        fit,
        people(),
        logarithmic=True,
        progress=lambda *done: said.append(done),
        **ASKED,
    )
    assert [path.name for path in paths] == [
        "population.html",
        "values.csv",
        "subjects.csv",
        "estimates.csv",
    ]
    estimates = rows(paths[3].read_text("utf-8"))
    assert [float(row["value"]) for row in estimates] == fit.values.tolist()
    assert ("simulations", 1000, 1000) in said
    with pytest.raises(InputError, match="not those of the fit"):
        write_population_page(tmp_path, fit, people()[::-1], **ASKED)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_population_page(tmp_path / "file" / "x", fit, people(), **ASKED)


def test_a_fit_at_a_boundary_says_why_it_has_no_standard_errors(fit: PopulationFit):
    stuck = replace(fit, boundaries=("the variance of ka ran to 0",))
    made = diagnose(stuck, people(), **ASKED)
    page = population_page(made, logarithmic=False)
    assert "No standard errors: at the edge" in page
    assert [row[2] for row in estimate_rows(made)] == ["none"] * 6
