"""The study from 177Lu to 90Y: its patients and its comparator."""

import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator
from test_pentixather import solve_anew

from pkmodels.models import pentixather
from pkmodels.nuclides import nuclide
from pkmodels.values import typical

STUDY = Path(__file__).resolve().parents[1] / "studies" / "lu177_to_y90"
sys.path.append(str(STUDY))
import by_hand  # noqa: E402  # pyright: ignore[reportMissingImports]
import measured_patients as patients  # noqa: E402  # pyright: ignore[reportMissingImports]

# No tumour is in the study; the equations typed anew have one, here of nothing.
NO_TUMOUR = typical(pentixather.values()) | {"volume_tumour": 1e-12}
NMOL = {
    name: schedule.administrations[0].ligand_nmol
    for name, schedule in patients.SCHEDULES.items()
}


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
