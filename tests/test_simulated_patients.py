"""Patients simulated from a file: their truths are those of another simulator."""

import numpy as np
import pytest
import simulators

from pkmodels.clinic.command_line import main
from pkmodels.clinic.folder_digests import digest_folder
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.simulated_patients import (
    BLOCK,
    _file,
    check_simulable,
    draw_truth,
    measure,
    write_example,
)
from pkmodels.cohorts.calibration import Found, Truth
from pkmodels.cohorts.tasks import work_identity
from pkmodels.errors import InputError, SolveError
from pkmodels.fitting import worked_example
from pkmodels.fitting.prior_predictive import draw_prior_predictive


def test_what_is_measured_scatters_by_itself():
    """Noise had the very random numbers of the first parameter once."""
    example = worked_example.posterior()
    drawn = draw_prior_predictive(example, 500, seed=3)
    [prior] = example.all_priors["kinetics"].values()
    at = np.log(drawn.variables["kinetics"][:, 0] / prior.parameters["median"])
    noise = np.hypot(drawn.variables["relative_noise"], example.minimum_noise)
    scatter = np.log(drawn.values / drawn.variables["expected"]) / noise
    unit = at / prior.parameters["log_sd"]
    # The same numbers, wherever they begin, would correlate by 1.
    flat = scatter.ravel()[: unit.size]
    assert abs(np.corrcoef(unit, flat)[0, 1]) < 0.15
    assert scatter.std() == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize(
    "name", ["clinic-default", pytest.param("pentixather", marks=pytest.mark.slow)]
)
def test_the_examples_can_be_simulated(name, tmp_path):
    patient = read_patient(write_example(name, tmp_path))
    check_simulable(patient)
    assert {plan.label for plan in patient.plans} == {"Y-90"}


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("kidney_left,Lu-177,SPECT,48,,1,MBq,0.2,\n", "additive noise"),
        ("no_such,Lu-177,SPECT,24,,1,MBq,,\n", "no_such"),
    ],
)
def test_a_file_that_cannot_be_simulated_is_refused(row, why, tmp_path, capsys):
    folder = write_example("clinic-default", tmp_path / "subject")
    with (folder / "measurements.csv").open("a") as file:
        file.write(row)
    command = ["calibrate", str(folder), "--patients", "2", "--out", str(tmp_path)]
    assert main(command) == 2
    assert why in capsys.readouterr().err


def test_an_unknown_example_is_refused(tmp_path):
    with pytest.raises(InputError, match="did you mean 'pentixather'"):
        write_example("pentixater", tmp_path)


def test_a_file_that_is_changed_is_another_subject_in_the_same_process(tmp_path):
    """Its truths were those of the file as it was first read."""
    folder = write_example("clinic-default", tmp_path)
    before = digest_folder(folder)
    assert len(measured(folder, before)) == 12
    table = folder / "measurements.csv"
    *kept, _ = table.read_text("utf-8").splitlines()
    table.write_text("\n".join(kept) + "\n", "utf-8")
    assert len(measured(folder, digest_folder(folder))) == 11
    _file.cache_clear()
    with pytest.raises(InputError, match="are not those that this run began with"):
        measured(folder, before)


def measured(folder, digest):
    patient, _ = _file(str(folder), digest)
    return patient.measurements


def test_every_file_of_the_subject_is_of_what_is_kept(tmp_path, monkeypatch):
    """Its own table of S-values was not."""
    folder = write_example("clinic-default", tmp_path / "subject")
    seen = []

    def calibrate(draw_truth, simulate, *_, **options):
        seen.append((work_identity(draw_truth), work_identity(simulate)))
        raise KeyboardInterrupt

    monkeypatch.setattr("pkmodels.clinic.many_patients.calibrate", calibrate)
    command = ["calibrate", str(folder), "--patients", "1", "--out", str(tmp_path)]
    for text in ("a", "b"):
        (folder / "s_values.csv").write_text(text)
        assert main(command) == 130
    assert seen[0][0] != seen[1][0]
    assert seen[0][1] != seen[1][1]


@pytest.mark.parametrize(("failed", "status"), [(4, 1), (None, 0)])
def test_calibrate_ends_with_1_where_a_patient_failed(
    tmp_path, monkeypatch, capsys, failed, status
):
    def draw(folder, digest, number):
        if number == failed:
            raise SolveError("no step is small enough")
        generator = np.random.default_rng(number)
        return Truth({"x": float(generator.standard_normal())}, None)

    def find(data, number):
        return Found({"x": np.random.default_rng([number]).normal(size=(4, 300))})

    at = "pkmodels.clinic.simulated_patients"
    monkeypatch.setattr(f"{at}.draw_truth", draw)
    monkeypatch.setattr(f"{at}.measure", lambda *_: None)
    monkeypatch.setattr(f"{at}.fit_measured", find)
    command = ["calibrate", "clinic-default", "--patients", "12", "--workers", "0"]
    assert main([*command, "--out", str(tmp_path / "out")]) == status
    assert f"{int(failed is not None)} failed" in capsys.readouterr().out


@pytest.mark.slow
def test_truths_follow_from_their_parameters_as_elsewhere(tmp_path):
    """TIAC by the inverse of another simulator's matrix; doses by its S-values."""
    folder = write_example("clinic-default", tmp_path)
    where = str(folder), digest_folder(folder)
    seen, logs = [], []
    for number in range(40):
        truth = draw_truth(*where, number)
        of = truth.values
        odds = np.array([of[f"uptake_odds: fraction_{r}"] for r in simulators.REGIONS])
        stays = [of[f"kinetics: biological_half_life_{r}"] for r in simulators.REGIONS]
        other = simulators.Truth(
            blood_rate=np.log(2.0) / of["kinetics: blood_half_time"],
            fractions=odds / (1.0 + odds.sum()),
            shares=np.ones(1),
            rates=np.log(2.0) / np.array(stays)[:, None],
            calibration=of["calibration: SPECT"],
            masses={r: of[f"mass: {r}"] for r in simulators.REGIONS},
            noise=np.hypot(of["relative_noise: SPECT"], simulators.MINIMUM_NOISE),
        )
        ones = {
            (target, source): 1.0
            for target, sources in simulators.CROSS_LU.items()
            for source in sources
        }
        weights = simulators.dose_weights(
            other.masses, 1.0, simulators.Y_OVER_LU[0], ones
        )
        each = {}
        for label in simulators.LAMBDA:
            each = dict(zip(simulators.REGIONS, other.tiac(label), strict=True))
            tiac = sum(each[r] for r in simulators.KIDNEYS)
            assert of[f"TIAC {label} kidneys"] == pytest.approx(tiac, rel=1e-6)
        dose = 1e3 * sum(weights["Y-90"][r] * each[r] for r in simulators.REGIONS)
        logs.append(np.log(of["dose Y-90 kidneys"] / dose))
        expected = (
            200.0
            * other.calibration
            * np.array([other.curve("Lu-177", t) for t in (4.0, 24.0, 96.0)])
        )
        measured = measure(*where, truth, number).patient.measurements
        values = np.array([m.value for m in measured]).reshape(3, -1)
        seen.append(np.log(values / expected) / other.noise)
    # What is left of the dose is the S-value's own scatter, that of the scans normal.
    spread = np.hypot(simulators.S_LU_LOG_SD, simulators.Y_OVER_LU[1])
    assert np.std(logs) == pytest.approx(spread, rel=0.4)
    assert abs(np.mean(logs)) < 4.0 * spread / np.sqrt(40.0)
    assert np.std(seen) == pytest.approx(1.0, abs=0.1)
    assert abs(np.mean(seen)) < 4.0 / np.sqrt(480.0)
    assert draw_truth(*where, 0).values == draw_truth(*where, 0).values
    # The next block of patients is another one.
    assert draw_truth(*where, BLOCK).values != draw_truth(*where, 0).values
