"""DOTATATE in the whole body against published values, computed anew elsewhere."""

import csv
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jax
import numpy as np
import peptide_rewrite
import pytest
import sympy
from reference_tables import rows

from pkmodels.administrations import Delivery
from pkmodels.compiled import compile_system
from pkmodels.courses import course_of
from pkmodels.definition import Model
from pkmodels.errors import ModelError
from pkmodels.models import dotatate_pbpk
from pkmodels.models.dotatate_values import meningioma, neuroendocrine_tumour
from pkmodels.models.physiology import Body, reference_body
from pkmodels.schedule import Schedule
from pkmodels.system import System, assemble
from pkmodels.trajectory import simulate
from pkmodels.values import Prior, typical

REGIONS = dotatate_pbpk.SHOWN_REGIONS
MINUTES = np.concatenate(
    [np.arange(0, 121, 2), np.arange(122, 1441, 6), np.arange(1450, 30_001, 50)]
).astype(float)
# As the paper has them; ICRP 107's differ by 0.4 and 0.1 %.
DECAY_PER_MIN = {"In-111": 1.71e-4, "Y-90": 1.80e-4}
ORGANS = ("serum", "whole_body", "kidneys", "spleen", "liver", "tumour")
# The same, as the tables outside the repository call them.
THEIR_NAMES = ("serum", "body", "kidney", "spleen", "liver", "tumor")


def delivered_as(delivered: Delivery) -> Schedule:
    """The study's administration: at a constant labelled rate as published, or not."""
    (given,) = dotatate_pbpk.schedule().administrations
    return Schedule((replace(given, delivered=delivered),))


def carrier(patient: Mapping[str, str]) -> dict[sympy.Basic, np.ndarray]:
    """All peptide in each amount at MINUTES, nmol, by the equations of it alone."""
    _, system = model_of(patient["female"] == "1", Delivery.DECAYING)
    given, own = delivered_as(Delivery.DECAYING), parameters_of(patient)
    found = simulate(system, own, given, MINUTES / 60.0, label="ligand").amounts
    return {a: found[str(a)] for a in system.amounts}


@cache
def model_of(female: bool, delivered: Delivery) -> tuple[Model, System]:
    """The model, and its system."""
    model = dotatate_pbpk.model(body=reference_body("female" if female else "male"))
    return model, assemble(model, delivered_as(delivered).form)


@cache
def solver_of(female: bool) -> Any:
    """The jitted solve at MINUTES of values and a course at a constant rate."""
    compiled = compile_system(model_of(female, Delivery.CONSTANT)[1])
    return jax.jit(lambda v, c: compiled.solve(v, c, MINUTES / 60.0))


def parameters_of(patient: Mapping[str, str]) -> dict[str, float]:
    """The typical values in one patient's body."""
    female = patient["female"] == "1"
    haematocrit = 0.40 if female else 0.45
    sex = "female" if female else "male"
    body = Body(sex, 71.0, float(patient["surface"]), haematocrit)
    values = dotatate_pbpk.values(body=body)
    kind = neuroendocrine_tumour if patient["neuroendocrine"] == "1" else meningioma
    own = typical({**values, **kind(body)})
    for organ in ("spleen", "liver", "kidneys", "tumour"):
        own[f"volume_{organ}"] = float(patient[f"{organ}_mL"]) / 1e3
    own["filtration_rate"] = 60.0 * float(patient["filtration"])
    return own


def labelled(patient: Mapping[str, str], label: str) -> dict[str, np.ndarray]:
    """What one label shows, as fractions of what was given, at MINUTES."""
    model, system = model_of(patient["female"] == "1", Delivery.CONSTANT)
    solve = solver_of(patient["female"] == "1")
    parameters = parameters_of(patient)
    course = replace(
        course_of(system, delivered_as(Delivery.CONSTANT)),
        decay_constants=np.array([60.0 * DECAY_PER_MIN[label]]),
    )
    states = np.asarray(solve(parameters, course)) / course.activity_MBq[0]
    first = len(system.amounts)
    curves: dict[sympy.Basic, np.ndarray] = {
        t.amount: states[:, first + n] for n, t in enumerate(system.tracers)
    }
    return {name: read(model, name, curves, parameters) for name in ORGANS}


def read(
    model: Model,
    name: str,
    curves: Mapping[sympy.Basic, np.ndarray],
    parameters: Mapping[str, float],
) -> np.ndarray:
    """An observable."""
    expression = model.observables[name]
    symbols = tuple(expression.free_symbols)
    known = (curves[s] if s in curves else parameters[str(s)] for s in symbols)
    return sympy.lambdify(symbols, expression, "math")(*known)


def outside(repository: Path, name: str) -> list[dict[str, str]]:
    """A table that is no part of the repository."""
    path = repository.parent / f"shared/reference/data/dotatate_pbpk/{name}.csv"
    if not path.exists():
        pytest.skip("needs ../shared/reference, which is no part of the repository")
    return list(csv.DictReader(path.read_text("utf-8").splitlines()))


def patients_outside(repository: Path) -> dict[str, dict[str, str]]:
    found = {}
    for row in outside(repository, "cohort_covariates"):
        found[row["id"]] = {
            "female": row["SEXF"],
            "neuroendocrine": row["NET"],
            "surface": row["BSA"],
            "filtration": row["GFR"],
            "spleen_mL": row["Vs"],
            "liver_mL": row["Vl"],
            "kidneys_mL": row["Vk"],
            "tumour_mL": row["Vt"],
        }
    return found


@pytest.mark.slow
@pytest.mark.reference
@pytest.mark.parametrize(
    "row",
    rows("dotatate_pbpk"),
    ids=lambda row: f"{row['patient']}-{row['nuclide']}",
)
def test_time_integrals_are_those_of_the_published_parameters(
    row: dict[str, str],
) -> None:
    curves = labelled(row, row["nuclide"])
    for organ in ORGANS:
        integral = float(np.trapezoid(curves[organ], MINUTES))
        # The table has 6 figures; the solve's tolerance is 1e-7 a step.
        assert integral == pytest.approx(float(row[organ]), rel=1e-5), organ


@pytest.mark.slow
@pytest.mark.reference
def test_all_time_integrals_and_curves_of_the_eight_patients(repository: Path) -> None:
    patients = patients_outside(repository)
    sampled = outside(repository, "typical_curves_In111")
    for row in outside(repository, "typical_TIAC_min"):
        found = labelled(patients[row["id"]], row["nuclide"])
        for organ, theirs in zip(ORGANS, THEIR_NAMES, strict=True):
            integral = float(np.trapezoid(found[organ], MINUTES))
            expected = float(row[theirs])
            assert integral == pytest.approx(expected, rel=1e-3), (row["id"], organ)
        if row["nuclide"] != "In-111":
            continue
        for point in (p for p in sampled if p["id"] == row["id"]):
            (place,) = np.flatnonzero(MINUTES == float(point["time_min"]))
            for organ, theirs in zip(ORGANS, THEIR_NAMES, strict=True):
                expected = float(point[theirs])
                value = found[organ][place]
                assert value == pytest.approx(expected, rel=1e-3, abs=1e-12)


@pytest.mark.reference
def test_amounts_are_those_of_the_equations_written_anew() -> None:
    row = rows("dotatate_pbpk")[2]
    female, kind = row["female"] == "1", row["neuroendocrine"] == "1"
    litres = {o: float(row[f"{o}_mL"]) / 1e3 for o in ("liver", "spleen", "kidneys")}
    lesion = peptide_rewrite.NEUROENDOCRINE if kind else peptide_rewrite.MENINGIOMA
    body = peptide_rewrite.dotatate(
        female=female,
        bsa=float(row["surface"]),
        gfr=float(row["filtration"]),
        litres=litres,
        lesion=replace(lesion, volume=float(row["tumour_mL"]) / 1e3),
    )
    places = [40, 119, 280]  # of MINUTES: 80 min, 6.1 and 22 h
    expected = body.read(body.solve(75.0, 51.0, MINUTES[places]))
    model, _ = model_of(female, Delivery.DECAYING)
    curves, own = carrier(row), parameters_of(row)
    for organ in (*ORGANS, "red_marrow"):
        found = read(model, organ, curves, own)[places]
        np.testing.assert_allclose(found, expected[organ], rtol=1e-5, err_msg=organ)


def test_a_label_from_the_same_syringe_has_no_states_of_its_own() -> None:
    _, system = model_of(True, Delivery.DECAYING)
    assert not system.tracers
    # 55 of the peptide, and the free receptors of ten organs.
    receptors = [a for a in system.amounts if a.ligand == ""]
    assert (len(system.amounts), len(receptors)) == (65, 10)


@pytest.mark.slow
@pytest.mark.reference
def test_a_decaying_syringe_gives_0_4_percent_less_than_a_constant_rate() -> None:
    """As the reference says of every integral; lambda x 51 min / 2 = 0.44 %."""
    row = rows("dotatate_pbpk")[2]
    constant = labelled(row, "In-111")
    model, _ = model_of(row["female"] == "1", Delivery.DECAYING)
    decay = np.exp(-DECAY_PER_MIN["In-111"] * MINUTES) / 75.0
    curves = {a: decay * curve for a, curve in carrier(row).items()}
    for organ in ORGANS:
        decaying = np.trapezoid(read(model, organ, curves, parameters_of(row)), MINUTES)
        ratio = float(np.trapezoid(constant[organ], MINUTES) / decaying)
        assert ratio == pytest.approx(1.0043, abs=2e-4), organ


@pytest.mark.reference
def test_published_kidney_integrals_are_more_than_twice_the_parameters(
    repository: Path,
) -> None:
    """The paper's contradiction, which the docstring states: no number is tuned."""
    typical_values = outside(repository, "typical_TIAC_min")
    predicted = {
        row["id"]: float(row["kidney"])
        for row in typical_values
        if row["nuclide"] == "In-111"
    }
    published = outside(repository, "published_rTIAC_min")
    ratios = [float(r["kidney"]) / predicted[r["id"]] for r in published]
    assert np.median(ratios) == pytest.approx(2.3, abs=0.1)
    assert "2.3 times" in str(dotatate_pbpk.__doc__)


def test_two_kidneys_share_one_compartment() -> None:
    regions = {"right": "kidney", "left": "kidney"}
    whole = dotatate_pbpk.model({"kidneys": "kidneys"}).observables["kidneys"]
    shown = dotatate_pbpk.model(regions).observables
    assert sympy.expand(shown["left"] + shown["right"] - whole) == 0
    share = dotatate_pbpk.values(regions)["share_right"]
    assert typical({"share": share})["share"] == 0.5


def test_lesions_differ_in_volume_and_receptors_only() -> None:
    one = dotatate_pbpk.values({"bone_3": "tumour"})
    both = dotatate_pbpk.values({"bone_3": "tumour", "liver_7": "tumour"})
    assert set(both) - set(one) == {"volume_liver_7", "receptor_density_liver_7"}


@pytest.mark.parametrize(
    ("sex", "regions"),
    [
        ("male", {"kidneys": "kidneys", "a": "tumour", "b": "tumour", "c": "adrenal"}),
        (
            "female",
            {"l": "kidney", "r": "kidney", "m": "red_marrow", "n": "whole_body"},
        ),
    ],
)
def test_values_are_those_of_the_parameters_whatever_is_measured(
    sex: str, regions: dict[str, str]
) -> None:
    body = reference_body(sex)
    model = dotatate_pbpk.model(regions, body)
    known = dotatate_pbpk.values(regions, body)
    assert {str(p) for p in model.parameters} == set(known)
    informed = dotatate_pbpk.fitted(regions)
    assert len(set(informed)) == len(informed)
    assert all(isinstance(known[name], Prior) for name in informed)


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        ({"brain": "brain"}, "no organ 'brain'"),
        ({"a": "liver", "b": "liver"}, "2 regions are liver"),
        ({"a": "kidney", "b": "kidney", "c": "kidney"}, "3 regions are kidney"),
        ({"serum": "liver"}, "'serum' has the name of something else"),
        ({"left": "kidney", "both": "kidneys"}, "give each kidney, or both as one"),
        ({"liver": "tumour"}, "a tumour is called 'liver'"),
    ],
)
def test_regions_that_make_no_sense_are_refused(
    regions: dict[str, str], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        dotatate_pbpk.model(regions)
