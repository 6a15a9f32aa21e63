"""The study from 177Lu to 90Y: its patients, its comparator, its table, one anew."""

import importlib.util
import math
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator
from scipy.stats import binom, binomtest
from test_pentixather import solve_anew

from pkmodels.models import pentixather
from pkmodels.nuclides import nuclide
from pkmodels.values import typical

STUDY = Path(__file__).resolve().parents[1] / "studies" / "lu177_to_y90"
sys.path.append(str(STUDY))
import by_hand  # noqa: E402  # pyright: ignore[reportMissingImports]
import measured_patients as patients  # noqa: E402  # pyright: ignore[reportMissingImports]

P_LIMIT = 0.005
# No tumour is in the study; the equations typed anew have one, here of nothing.
NO_TUMOUR = typical(pentixather.values()) | {"volume_tumour": 1e-12}
NMOL = {
    name: schedule.administrations[0].ligand_nmol
    for name, schedule in patients.SCHEDULES.items()
}


@pytest.fixture(scope="module")
def study() -> ModuleType:
    # Other studies are called study.py, too.
    spec = importlib.util.spec_from_file_location("lu177_to_y90", STUDY / "study.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def rows(study: ModuleType) -> list[dict[str, str]]:
    return study.read_table()


def anew(occasion: str, seed: int, times: np.ndarray) -> dict[str, np.ndarray]:
    """Return nmol of each region (nmol/L of blood) by the equations typed anew."""
    values = NO_TUMOUR | patients.draw_parameters(seed)
    found, _ = solve_anew(
        values, NMOL[occasion], times, pentixafor=occasion == patients.PET
    )
    return found


@pytest.mark.parametrize("occasion", [patients.PET, patients.DOSIMETRY])
def test_its_patients_obey_the_equations_typed_anew(occasion: str) -> None:
    seed, times = 5, np.array([0.5, 1.0, 4.0, 24.0, 96.0])
    [given] = patients.SCHEDULES[occasion].administrations
    decay = nuclide(str(given.label)).decay_constant_per_h
    found = patients.true_curves(occasion, patients.draw_parameters(seed), times)
    expected = anew(occasion, seed, times)
    per_nmol = given.activity_MBq / NMOL[occasion] * np.exp(-decay * times)
    for name in patients.SHOWN:
        np.testing.assert_allclose(
            found[name], expected[name] * per_nmol, rtol=1e-5, err_msg=name
        )


def test_its_true_tiac_is_the_integral_of_the_curve_typed_anew() -> None:
    seed = 5
    times = np.concatenate([[0.0], np.geomspace(0.01, 600.0, 160)])
    kidneys = anew(patients.THERAPY, seed, times[1:])["kidneys"]
    decay = nuclide("Y-90").decay_constant_per_h
    held = np.concatenate([[kidneys[0]], kidneys]) / NMOL[patients.THERAPY]
    curve = PchipInterpolator(times, held * np.exp(-decay * times))
    expected = float(curve.integrate(0.0, 600.0))
    assert patients.simulate_patient(seed).tiac_h == pytest.approx(expected, rel=2e-3)


def test_two_exponentials_give_the_comparator_their_closed_form() -> None:
    """Counts and a SPECT without scatter: TIAC = scale sum c / (l + difference)."""
    lu, y = (nuclide(n).decay_constant_per_h for n in patients.LABELS)
    washout, uptake, scale = 0.015, 0.3, 0.02

    def activity(t: float) -> float:
        shape = math.exp(-washout * t) - math.exp(-uptake * t)
        return scale * 200.0 * shape * math.exp(-lu * t)

    patient = patients.simulate_patient(0)
    exact = {
        name: tuple(
            replace(
                item,
                value=activity(item.start_h)
                * (7.0 if item.modality == "planar" else 1.0),
            )
            for item in items
        )
        for name, items in patient.measurements.items()
    }
    found = by_hand.calculate(replace(patient, measurements=exact))
    expected = scale * (1.0 / (washout + y) - 1.0 / (uptake + y))
    assert found.tiac_h == pytest.approx(expected, rel=1e-4)
    # A clinic's activity keeps 23 Gy less the tracer's dose, with its margin.
    left = 23.0 - found.received_Gy
    margin = math.exp(1.645 * found.dose_log_sd)
    assert found.activity_GBq(1.645) * found.dose_Gy_per_GBq * margin == pytest.approx(
        left, rel=1e-9
    )


def column(rows: list[dict[str, str]], method: str, name: str) -> np.ndarray:
    own = [r for r in rows if r["method"] == method and r["tiac_low"]]
    return np.array([float(r[name]) for r in own])


def test_the_table_holds_enough_patients(study: ModuleType, rows: list) -> None:
    seeds = {int(row["seed"]) for row in rows}
    assert seeds == set(range(len(seeds)))
    assert len(seeds) >= 12
    assert len(rows) == len(seeds) * len(study.METHODS)


def test_intervals_of_every_fit_hold_the_truth(study: ModuleType, rows: list) -> None:
    for method in study.joint_fits.FITS:
        truth = column(rows, method, "tiac_truth")
        low, high = (column(rows, method, f"tiac_{x}") for x in ("low", "high"))
        held = int(((low <= truth) & (truth <= high)).sum())
        assert binomtest(held, truth.size, 0.95).pvalue > P_LIMIT, (method, held)


def test_few_patients_are_above_the_limit(study: ModuleType, rows: list) -> None:
    for method in study.joint_fits.FITS:
        safe, of = (column(rows, method, n) for n in ("safe_GBq", "dose_truth"))
        dose = column(rows, method, "received_truth") + safe * of
        above = int((dose > patients.LIMIT_GY).sum())
        assert binom.sf(above - 1, dose.size, 0.05) > P_LIMIT, (method, above)


def test_truths_are_those_of_the_patients(rows: list) -> None:
    row = rows[-1]
    patient = patients.simulate_patient(int(row["seed"]))
    assert float(row["tiac_truth"]) == pytest.approx(patient.tiac_h, rel=1e-4)
    assert float(row["allowed_GBq"]) == pytest.approx(patient.allowed_GBq, rel=1e-4)


def test_the_readme_says_what_the_table_does(study: ModuleType, rows: list) -> None:
    readme = (STUDY / "README.md").read_text("utf-8")
    for line in study.summary(rows).splitlines():
        assert line in readme


@pytest.mark.slow
def test_a_patient_fitted_anew_is_that_of_the_table(
    study: ModuleType, rows: list
) -> None:
    known = {row["method"]: row for row in rows if row["seed"] == "0"}
    patient = patients.simulate_patient(0)
    fitted = study.joint_fits.fit_patient(patient, "tracer", 0)
    found = study.joint_fits.answer(fitted, 0)
    # Another processor takes other steps: the draws differ by their noise.
    assert found.safe_GBq == pytest.approx(float(known["tracer"]["safe_GBq"]), rel=0.03)
    assert np.median(found.tiac_h) == pytest.approx(
        float(known["tracer"]["tiac_median"]), rel=0.02
    )
