"""Several occasions of one ligand: each dose is predicted from its own."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from clinic_patients import replaced, write_patient
from test_joint_format import ROWS, joint_patient

from pkmodels.administrations import Administration
from pkmodels.clinic import exposure, figure_data
from pkmodels.clinic.occasions import kinetics_of
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.report_figures import CurveBand
from pkmodels.clinic.syringes import Syringe, syringe_given, syringe_of
from pkmodels.errors import InputError
from pkmodels.fitting import worked_example
from pkmodels.fitting.experiments import Experiment
from pkmodels.fitting.fit import Fit
from pkmodels.schedule import Schedule

SECOND = """\
[[administration]]
time_h = 2000.0
duration_h = 0.0
ligand = "pentixather"
label = "Lu-177"
activity_MBq = 5000.0
ligand_mass_ug = 150.0
occasion = "therapy"

[[plan]]"""
# Half-lives (h) of the worked example on each occasion: its only parameter.
HALF_LIFE_H = {"therapy 2": 90.0, "PET": 30.0, "dosimetry": 60.0, "therapy 1": 70.0}


def experiment(
    name: str, ligand: str, time_h: float, label: str = "Lu-177", last_h: float = 72.0
) -> Experiment:
    """Return the worked example on an occasion of its own."""
    one = worked_example.experiment()
    given = Schedule((Administration(time_h, 0.0, ligand, label, 100.0),))
    scans = tuple(
        SimpleNamespace(label=label, end_h=time_h + share * last_h)
        for share in (1 / 3, 1)
    )
    return Experiment(name, one.compiled, given, cast(Any, scans))


def fit_of(*experiments: Experiment) -> Fit:
    """Return what of a fit is looked at: two draws of each occasion's half-life."""

    def draws(name: str) -> np.ndarray:
        return np.full((2, 1), HALF_LIFE_H[name])

    posterior = SimpleNamespace(experiments=experiments)
    return cast(Fit, SimpleNamespace(posterior=posterior, parameters=draws))


@pytest.fixture
def fitted() -> Fit:
    """The last occasion of the first planned ligand comes first, then all by time."""
    return fit_of(
        experiment("therapy 2", "pentixather", 3000.0),
        experiment("PET", "pentixafor", 0.0),
        experiment("dosimetry", "pentixather", 48.0),
        experiment("therapy 1", "pentixather", 2000.0),
    )


def test_a_planned_dose_rests_on_the_last_occasion_of_its_ligand(fitted: Fit) -> None:
    for ligand, half_life in (("pentixather", 90.0), ("pentixafor", 30.0)):
        _, parameters = kinetics_of(fitted, ligand)
        assert parameters.tolist() == [[half_life], [half_life]]
    # Of another planned ligand the last in time, too, whatever the order.
    ordered = fit_of(
        experiment("PET", "pentixafor", 5000.0),
        experiment("dosimetry", "pentixather", 48.0),
        experiment("therapy 1", "pentixather", 2000.0),
    )
    assert kinetics_of(ordered, "pentixather")[1][0, 0] == 70.0


def test_a_dose_that_was_given_rests_on_its_own_occasion(fitted: Fit) -> None:
    for occasion in ("dosimetry", "therapy 1", "therapy 2"):
        _, parameters = kinetics_of(fitted, "pentixather", occasion)
        assert parameters[0, 0] == HALF_LIFE_H[occasion]
    with pytest.raises(InputError, match="'PET': name one of therapy 2, dosimetry"):
        kinetics_of(fitted, "pentixather", "PET")


def test_each_dose_that_was_given_knows_its_occasion(tmp_path: Path) -> None:
    text = replaced(joint_patient(), "[[plan]]", SECOND)
    text = replaced(
        text, 'label = "Y-90"\n', 'label = "Y-90"\nligand_mass_ug = 150.0\n'
    )
    patient = read_patient(write_patient(tmp_path / "p", text, ROWS))
    given = [syringe_given(patient, n, a) for n, a in patient.schedule.labelled]
    assert [s.occasion for s in given] == [None, "dosimetry", "therapy"]
    assert syringe_of(patient, patient.plans[0]).occasion is None


def test_a_later_occasion_has_the_free_scale_of_one_that_a_spect_tied_down(
    tmp_path: Path,
) -> None:
    text = replaced(joint_patient(), "[[plan]]", SECOND)
    text = replaced(
        text, 'label = "Y-90"\n', 'label = "Y-90"\nligand_mass_ug = 150.0\n'
    )
    rows = f"{ROWS}kidney_left,Lu-177,planar,2072,,9000,MBq,,,,,,\n"
    patient = read_patient(write_patient(tmp_path / "p", text, rows))
    assert patient.occasion_of(patient.measurements[-1]).name == "therapy"
    told = "\n".join(patient.warnings)
    assert "they share its noise" not in told


def test_labels_that_share_a_modality_are_told(tmp_path: Path) -> None:
    rows = f"{ROWS}kidney_left,Ga-68,SPECT,1,1.25,5,MBq,,,,,,\n"
    patient = read_patient(write_patient(tmp_path / "p", joint_patient(), rows))
    told = "\n".join(patient.warnings)
    assert "SPECT measured Ga-68 and Lu-177: they share its noise" in told or (
        "SPECT measured Lu-177 and Ga-68: they share its noise" in told
    )


def test_the_dose_of_a_syringe_is_predicted_from_its_occasion(
    fitted: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TIAC of a trace that all arrives: effective half-life / ln 2."""
    syringe = Syringe("pentixather", "Lu-177", 0.0, None, "dosimetry")
    dosimetry: Any = SimpleNamespace(
        irradiations={"Lu-177": SimpleNamespace(missing={})},
        masses_g={},
        factors={},
        targets={"organ": ("organ",)},
        responses={},
    )
    monkeypatch.setattr(exposure, "weigh", lambda *_: {})
    physical = 6.647 * 24.0  # ICRP 107
    for occasion in ("dosimetry", "therapy 2"):
        syringe = Syringe("pentixather", "Lu-177", 0.0, None, occasion)
        found = exposure.expose(fitted, dosimetry, syringe, {"organ": 72.0})
        effective = 1.0 / (1.0 / physical + 1.0 / HALF_LIFE_H[occasion])
        assert found["organ"].tiac_h == pytest.approx(effective / np.log(2), rel=1e-5)


def test_curves_of_each_occasion_begin_with_it_and_are_told_apart(fitted: Fit) -> None:
    found = {name: times for name, _, times, _ in figure_data._measured(fitted)}
    assert {name: times[0] for name, times in found.items()} == {
        "Lu-177 (therapy 2)": 3000.0,
        "Lu-177 (PET)": 0.0,
        "Lu-177 (dosimetry)": 48.0,
        "Lu-177 (therapy 1)": 2000.0,
    }
    for times in found.values():
        assert np.diff(times[times <= times[0] + 12.0]).max() == 0.25
        assert times[-1] == times[0] + 168.0
    alone = fit_of(experiment("dosimetry", "pentixather", 48.0))
    assert [name for name, *_ in figure_data._measured(alone)] == ["Lu-177"]


@pytest.mark.parametrize(("last_h", "end_h"), [(2.0, 11.3), (20.0, 20.0)])
def test_a_label_is_drawn_until_it_is_gone_or_was_last_scanned(
    last_h: float, end_h: float
) -> None:
    """Ten half-lives of 68Ga, 1.127 h each (ICRP 107), rather than a week."""
    of_pet = fit_of(experiment("PET", "pentixafor", 48.0, "Ga-68", last_h))
    [(_, _, times, _)] = figure_data._measured(of_pet)
    assert times[-1] == pytest.approx(48.0 + end_h, abs=1.5)


def test_a_label_is_drawn_after_its_last_dose_and_not_as_long_as_another() -> None:
    one = experiment("dosimetry", "pentixather", 0.0)
    doses = (
        Administration(0.0, 0.0, "pentixather", "Ga-68", 100.0),
        Administration(100.0, 0.0, "pentixather", "Ga-68", 100.0),
        Administration(24.0, 0.0, "pentixather", "Lu-177", 100.0),
    )
    scans = tuple(
        SimpleNamespace(label=label, end_h=end)
        for label, end in (("Ga-68", 2.0), ("Lu-177", 150.0))
    )
    both = fit_of(replace(one, schedule=Schedule(doses), measurements=cast(Any, scans)))
    found = {name: times for name, _, times, _ in figure_data._measured(both)}
    assert found["Ga-68"][-1] == pytest.approx(111.3, abs=1.5)
    assert found["Lu-177"][-1] > 160.0


def test_a_second_dose_is_drawn_as_densely_as_the_first() -> None:
    times = figure_data.curve_times((0.0, 500.0), 600.0)
    for start in (0.0, 500.0):
        near = times[(times >= start) & (times <= start + 12.0)]
        assert np.diff(near).max() <= 0.25
    assert (np.diff(times) > 0.0).all()
    assert times[-1] == 900.0


def test_the_table_tells_a_prediction_from_every_occasion() -> None:
    one = np.array([0.0, 1.0])
    bands = [
        CurveBand("liver", "Lu-177 (first)", "measured", "MBq", one, one, one, one),
        CurveBand("liver", "Lu-177", "predicted", "MBq", one, one, one, one),
        CurveBand("liver", "Y-90", "predicted", "MBq", one, one, one, one),
    ]
    rows = figure_data.curves_table(bands).splitlines()[1:]
    assert [row.split(",")[1] for row in rows[::2]] == [
        "Lu-177 (first)",
        "Lu-177 (planned)",
        "Y-90",
    ]
