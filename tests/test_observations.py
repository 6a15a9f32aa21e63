"""Measurements as arrays: frames, labels, calibration and mass against closed forms."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from pkmodels.administrations import Administration
from pkmodels.errors import InputError
from pkmodels.exact import Doses, compile_exactly
from pkmodels.fitting.experiments import Experiment
from pkmodels.fitting.observations import (
    Calibration,
    Observations,
    Readout,
    arrange,
)
from pkmodels.measurements import Measurement, Quantity
from pkmodels.models import organ_exchange
from pkmodels.nuclides import nuclide
from pkmodels.schedule import Schedule
from pkmodels.system import assemble

LU177 = nuclide("Lu-177").decay_constant_per_h
GA68 = nuclide("Ga-68").decay_constant_per_h
OBSERVABLES = ("liver", "kidney")

SCAN = Measurement(
    region="kidney",
    label="Lu-177",
    modality="SPECT",
    start_h=24.0,
    end_h=24.0,
    value=70.0,
    quantity=Quantity.ACTIVITY,
    sd=None,
    decay_corrected_to_h=None,
    source="measurements.csv line 2",
)


def given(*doses: tuple[float, float, str, float]) -> Schedule:
    return Schedule(tuple(Administration(t, d, "x", n, a) for t, d, n, a in doses))


LUTETIUM = given((0.0, 0.0, "Lu-177", 7400.0))


def arranged(
    *scans: Measurement,
    schedule: Schedule = LUTETIUM,
    calibrations: tuple[Calibration, ...] = (),
) -> Observations:
    model = organ_exchange.model(OBSERVABLES)
    compiled = compile_exactly(assemble(model, schedule.form))
    return arrange([Experiment("first", compiled, schedule, scans)], calibrations)


def times_of(seen: Observations, label: str) -> Readout:
    (found,) = (each for each in seen.readouts if each.labels == (label,))
    return found


def predicted(
    seen: Observations, curves: dict[str, Callable[[np.ndarray], np.ndarray]]
) -> np.ndarray:
    """Return each row's prediction from the true curve of its label."""
    stacked = [
        np.repeat(curves[course.labels[0]](course.times_h), len(OBSERVABLES))
        for course in seen.readouts
    ]
    activities = np.concatenate(stacked)[seen.node]
    return seen.factor * np.sum(seen.weight * activities, axis=1)


def mean_decay(rate: float, start_h: float, end_h: float) -> float:
    """Return the mean of exp(-rate t) over a frame."""
    area = (math.exp(-rate * start_h) - math.exp(-rate * end_h)) / rate
    return area / (end_h - start_h)


def test_an_instant_is_one_time_of_weight_one() -> None:
    seen = arranged(SCAN, replace(SCAN, start_h=3.7, end_h=3.7))
    times = times_of(seen, "Lu-177").times_h
    assert times.tolist() == [3.7, 24.0]
    assert times[seen.node[:, 0] // len(OBSERVABLES)].tolist() == [24.0, 3.7]
    assert seen.weight.tolist() == [[1.0], [1.0]]


@pytest.mark.parametrize(
    ("start_h", "end_h"), [(0.0, 0.25), (1.0, 1.5), (0.0, 6.0), (20.0, 28.0)]
)
def test_a_frame_is_the_mean_of_the_curve(start_h: float, end_h: float) -> None:
    """Uptake within 1 h and washout, over frames from 15 min to 8 h."""

    def curve(t: np.ndarray) -> np.ndarray:
        return np.exp(-0.02 * t) - np.exp(-0.7 * t)

    scan = replace(SCAN, start_h=start_h, end_h=end_h)
    expected = mean_decay(0.02, start_h, end_h) - mean_decay(0.7, start_h, end_h)
    found = predicted(arranged(scan), {"Lu-177": curve})
    assert found == pytest.approx(expected, rel=1e-9)


def test_a_frame_that_spans_a_bolus_is_split_where_the_curve_jumps() -> None:
    """A bolus of 100 MBq at 48 h in a frame from 47.5 to 48.5 h, half-life 1 h."""
    rate = math.log(2.0) + LU177

    def blood(t: np.ndarray) -> np.ndarray:
        later = np.where(t >= 48.0, 100.0 * np.exp(-rate * (t - 48.0)), 0.0)
        return 7400.0 * np.exp(-rate * t) + later

    schedule = given((0.0, 0.0, "Lu-177", 7400.0), (48.0, 0.0, "Lu-177", 100.0))
    scan = replace(SCAN, start_h=47.5, end_h=48.5)
    first = 7400.0 * mean_decay(rate, 47.5, 48.5)
    expected = first + 100.0 * mean_decay(rate, 0.0, 0.5) / 2.0
    seen = arranged(scan, schedule=schedule)
    found = predicted(seen, {"Lu-177": blood})
    assert found == pytest.approx(expected, rel=1e-12)


def test_a_frame_that_spans_an_infusion_is_split_at_its_start_and_end() -> None:
    """100 MBq over 0.5 h from 1 h; a frame from 0.5 to 2.5 h; blood half-life 1 h.

    During the infusion A exp(-lambda s) (1 - exp(-k s)) / (k d), s since its start.
    """
    k, length = math.log(2.0), 0.5

    def blood(t: np.ndarray) -> np.ndarray:
        since = np.maximum(t - 1.0, 0.0)
        filled = np.exp(-k * np.maximum(since - length, 0.0)) - np.exp(-k * since)
        return 100.0 * np.exp(-LU177 * since) * filled / (k * length)

    scan = replace(SCAN, start_h=0.5, end_h=2.5)
    seen = arranged(scan, schedule=given((1.0, length, "Lu-177", 100.0)))
    during = mean_decay(LU177, 0.0, 0.5) - mean_decay(LU177 + k, 0.0, 0.5)
    grown = math.exp(k * length) * mean_decay(LU177 + k, 0.5, 1.5)
    after = grown - mean_decay(LU177 + k, 0.5, 1.5)
    expected = 100.0 / (k * length) * (0.5 * during + after) / 2.0
    assert predicted(seen, {"Lu-177": blood}) == pytest.approx(expected, rel=1e-12)


def test_a_decay_corrected_frame_of_pure_decay_is_the_activity_at_the_reference() -> (
    None
):
    scan = replace(
        SCAN, label="Ga-68", start_h=0.5, end_h=1.5, decay_corrected_to_h=0.0
    )
    seen = arranged(scan, schedule=given((0.0, 0.0, "Ga-68", 150.0)))
    found = predicted(seen, {"Ga-68": lambda t: 150.0 * np.exp(-GA68 * t)})
    assert found == pytest.approx(150.0, rel=1e-12)


def test_frames_and_instants_of_two_labels_keep_their_own_curves() -> None:
    schedule = given((0.0, 0.0, "Lu-177", 1.0), (50.0, 0.0, "Ga-68", 1.0))
    scans = (
        SCAN,
        replace(SCAN, label="Ga-68", start_h=51.0, end_h=51.5),
        replace(SCAN, start_h=49.5, end_h=50.5),
        replace(SCAN, label="Ga-68", start_h=52.0, end_h=52.0),
    )
    seen = arranged(*scans, schedule=schedule)
    assert [course.labels[0] for course in seen.readouts] == ["Lu-177", "Ga-68"]
    np.testing.assert_allclose(seen.weight.sum(axis=1), 1.0, rtol=1e-14)
    found = predicted(seen, {"Lu-177": lambda t: t, "Ga-68": lambda t: 1000.0 + t})
    np.testing.assert_allclose(found, [24.0, 1051.25, 50.0, 1052.0], rtol=1e-13)
    for course in seen.readouts:
        decay = nuclide(course.labels[0]).decay_constant_per_h
        assert isinstance(course.given, Doses)
        assert course.given.decay_constant_per_h == decay
        assert len(course.given.activity) == 1


def test_a_frame_follows_the_compiled_model() -> None:
    """The kidney over a frame, from its Bateman curve."""
    model = organ_exchange.model(("liver", "kidney"))
    compiled = compile_exactly(assemble(model, LUTETIUM.form))
    parameters = np.array([1.0, 0.1, 100.0, 0.02, 60.0])
    scan = replace(SCAN, start_h=1.0, end_h=2.0)
    seen = arranged(scan)
    times = times_of(seen, "Lu-177")
    assert isinstance(times.given, Doses)
    amounts = np.asarray(compiled.solve(parameters, times.given, times.times_h))
    observed = amounts @ np.asarray(compiled.observe(parameters)).T
    found = np.sum(seen.weight * observed.ravel()[seen.node], axis=1)
    k, w = math.log(2.0), math.log(2.0) / 60.0
    difference = mean_decay(w + LU177, 1.0, 2.0) - mean_decay(k + LU177, 1.0, 2.0)
    expected = 7400.0 * 0.02 * k / (k - w) * difference
    assert found == pytest.approx(expected, rel=1e-12)


def test_each_row_knows_its_region_modality_and_value() -> None:
    scans = (
        SCAN,
        replace(SCAN, region="liver", modality="planar", value=5.0, sd=0.5),
        replace(SCAN, modality="planar", value=60.0),
    )
    seen = arranged(*scans)
    assert (seen.node[:, 0] % len(OBSERVABLES)).tolist() == [1, 0, 1]
    assert seen.regions == ("kidney", "liver")
    assert seen.region.tolist() == [0, 1, 0]
    assert seen.modalities == ("SPECT", "planar")
    assert seen.modality.tolist() == [0, 1, 1]
    assert seen.floors == ("kidney, SPECT", "liver, planar", "kidney, planar")
    assert seen.floor.tolist() == [0, 1, 2]
    assert seen.value.tolist() == [70.0, 5.0, 60.0]
    np.testing.assert_array_equal(seen.sd, [np.nan, 0.5, np.nan])


def test_a_calibration_is_shared_by_a_modality_or_by_a_regions_scans() -> None:
    """SPECT: one factor; planar: one for each region; a well counter: none."""
    scans = (
        SCAN,
        replace(SCAN, modality="planar"),
        replace(SCAN, region="liver"),
        replace(SCAN, region="liver", modality="planar"),
        replace(SCAN, modality="well counter"),
        replace(SCAN, modality="planar", start_h=72.0, end_h=72.0),
    )
    calibrations = (
        Calibration("SPECT", per_region=False, log_sd=0.05),
        Calibration("planar", per_region=True, log_sd=3.0),
        Calibration("PET", per_region=False, log_sd=0.1),  # measured nothing
    )
    seen = arranged(*scans, calibrations=calibrations)
    found = tuple((n, p.parameters["log_sd"]) for n, p in seen.calibrations)
    assert found == (
        ("SPECT", 0.05),
        ("planar, kidney", 3.0),
        ("planar, liver", 3.0),
    )
    assert seen.calibration.tolist() == [1, 2, 1, 3, 0, 2]


def test_only_concentrations_are_weighed() -> None:
    concentration = replace(SCAN, quantity=Quantity.CONCENTRATION, value=0.3)
    liver = replace(concentration, region="liver")
    seen = arranged(SCAN, liver, concentration, replace(SCAN, region="liver"))
    assert seen.weighed == ("liver", "kidney")
    assert seen.mass.tolist() == [0, 1, 2, 0]
    # A total and a concentration differ in scale, and so in additive noise.
    assert seen.floors[0] == "kidney, SPECT"
    assert seen.floors[2] == "kidney, SPECT, per g"


def test_an_unknown_region_or_label_is_named_with_its_place() -> None:
    with pytest.raises(InputError, match=r"line 2: .* no observable 'kidny': did you"):
        arranged(replace(SCAN, region="kidny"))
    with pytest.raises(InputError, match=r"line 2: label 'Y-90' was not administered"):
        arranged(replace(SCAN, label="Y-90"))
