"""The population study: its page says what its tables hold; they can be made anew."""

import csv
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import population_simulators as simulators
import pytest


@pytest.fixture(scope="module")
def study(repository: Path) -> ModuleType:
    path = repository / "studies" / "population" / "study.py"
    spec = importlib.util.spec_from_file_location("population_study", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["population_study"] = module
    spec.loader.exec_module(module)
    return module


def table(repository: Path, name: str) -> dict[tuple[str, str], list[str]]:
    path = repository / "studies" / "population" / name
    with path.open(encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    return {(row[0], row[1]): row[2:] for row in rows}


def test_the_page_states_what_its_tables_hold(repository: Path):
    page = (repository / "studies" / "population" / "README.md").read_text("utf-8")
    found = table(repository, "likelihoods.csv")

    def number(drug: str, quantity: str) -> float:
        return float(found[drug, quantity][0])

    theo = "theophylline"
    for drug, quantity, digits in (
        (theo, "objective", 3),
        (theo, "-2 ln L, FOCEI", 2),
        (theo, "-2 ln L, Laplace", 2),
        (theo, "-2 ln L, sampled", 2),
        ("warfarin", "objective", 2),
        ("warfarin", "-2 ln L, sampled", 1),
        ("warfarin, plain", "objective", 2),
        ("michaelis_menten", "-2 ln L, FOCEI", 1),
        ("michaelis_menten", "-2 ln L, sampled", 1),
    ):
        assert f"{number(drug, quantity):.{digits}f}" in page, (drug, quantity)
    error = number(theo, "-2 ln L, sampled, standard error")
    assert f"standard error {error:.3f} |" in page
    off = number(theo, "-2 ln L, sampled") - number(theo, "-2 ln L, FOCEI")
    assert f"FOCEI's -2 ln L is {off:.2f} too\nlow" in page
    estimates = table(repository, "estimates.csv")
    for (drug, name), (value, error, _) in estimates.items():
        row = f"| {name} | {float(value):.3g} | {float(error):.2g} |"
        assert row in page, (drug, row)
    figures = ("theophylline", "warfarin", "warfarin_curves", "michaelis_menten")
    for figure in (*figures, "bayes"):
        assert f"figures/{figure}.png" in page
        path = repository / "studies" / "population" / "figures" / f"{figure}.png"
        assert path.stat().st_size < 200_000


def test_the_page_states_the_posterior_of_theophylline(repository: Path):
    folder = repository / "studies" / "population"
    page = (folder / "README.md").read_text("utf-8")
    estimates = table(repository, "estimates.csv")
    with (folder / "bayes.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [r["estimate"] for r in rows] == [
        n for d, n in estimates if d == "theophylline"
    ]
    for row in rows:
        number = {k: float(v) for k, v in row.items() if k != "estimate"}
        said = (
            f"| {row['estimate']} | {number['mean']:.3g} | {number['sd']:.2g} "
            f"| {number['median']:.3g} | {number['low']:.3g} to {number['high']:.3g} "
            f"| {number['focei']:.3g} | {number['focei_se']:.2g} |"
        )
        assert said in page
        stated = [float(x) for x in estimates["theophylline", row["estimate"]][:2]]
        assert [number["focei"], number["focei_se"]] == pytest.approx(stated, rel=1e-3)
        assert number["low"] < number["focei"] < number["high"]
    with (folder / "centring.csv").open(encoding="utf-8") as file:
        gains = [float(x) for row in list(csv.reader(file))[1:] for x in row[1:]]
    assert (len(gains), min(gains), max(gains)) == (36, 1.37, 18.2)
    assert "variance 1.4 to 18" in page


def test_the_simulated_drug_is_what_the_closed_form_says(study: ModuleType):
    subject = study.saturable_subjects(study.SEED)[0]
    occasion = subject.occasions[0]
    at = np.array([study.TRUE[name] for name in occasion.response.parameters])
    found = occasion.response.predict(at, occasion.given, occasion.times_h)[:, 0]
    expected = simulators.michaelis_menten(30.0, 2.0, 1.0, 3.0, occasion.times_h)
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.slow
@pytest.mark.reference
def test_the_study_is_made_anew(study: ModuleType, repository: Path):
    simulators.read_rows("theo_sd.csv")  # skips where it is not
    found = table(repository, "estimates.csv")
    models = {
        "theophylline": (study.theophylline(), "theo_sd.csv", None),
        "warfarin": (study.warfarin(), "warfarin.csv", "lag"),
    }
    for drug, (model, file, lag) in models.items():
        subjects = study.read_subjects(simulators.DATA / file, lag)
        fit = study.fit_population(model, subjects)
        for name, value in zip(fit.names, fit.values, strict=True):
            stated, error, _ = map(float, found[drug, name])
            assert abs(value - stated) < 0.02 * error + 1e-4 * abs(stated), name
