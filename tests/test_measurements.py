"""Decay correction: what a scanner reports against what was there."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from pkmodels.measurements import decay_correction_factor
from pkmodels.nuclides import nuclide

LU177 = nuclide("Lu-177").decay_constant_per_h
GA68 = nuclide("Ga-68").decay_constant_per_h


def test_a_physical_value_is_not_touched() -> None:
    assert decay_correction_factor(24.0, 24.5, None, LU177) == 1.0


@pytest.mark.parametrize("reference_h", [-1.0, 0.0, 24.0, 48.0])
def test_an_instant_is_corrected_by_pure_decay(reference_h: float) -> None:
    """What decays from 100 MBq at the reference time is reported as 100 MBq."""
    physical = 100.0 * math.exp(-LU177 * (24.0 - reference_h))
    factor = decay_correction_factor(24.0, 24.0, reference_h, LU177)
    assert factor * physical == pytest.approx(100.0, rel=1e-14)


@pytest.mark.parametrize(
    ("start_h", "end_h"), [(0.0, 0.25), (1.0, 1.5), (0.0, 3.0), (2.0, 2.0 + 1e-9)]
)
@pytest.mark.parametrize("reference_h", [0.0, 1.0])
def test_a_frame_of_pure_decay_is_corrected_to_the_activity_at_the_reference(
    start_h: float, end_h: float, reference_h: float
) -> None:
    """Ga-68 by quadrature of 100 MBq exp(-lambda (t - reference)) over the frame."""
    area, _ = quad(
        lambda t: 100.0 * math.exp(-GA68 * (t - reference_h)), start_h, end_h, epsabs=0
    )
    factor = decay_correction_factor(start_h, end_h, reference_h, GA68)
    assert factor * area / (end_h - start_h) == pytest.approx(100.0, rel=1e-7)


@given(st.floats(0.0, 200.0), st.floats(0.0, 24.0), st.floats(0.0, 200.0))
def test_another_reference_time_is_another_decay_factor(
    start_h: float, length_h: float, reference_h: float
) -> None:
    at_start = decay_correction_factor(start_h, start_h + length_h, start_h, LU177)
    found = decay_correction_factor(start_h, start_h + length_h, reference_h, LU177)
    moved = math.exp(LU177 * (start_h - reference_h))
    assert found == pytest.approx(at_start * moved, rel=1e-12)
    assert at_start >= 1.0


def test_a_short_frame_is_an_instant_at_its_middle() -> None:
    frame = decay_correction_factor(24.0, 24.5, 0.0, LU177)
    middle = decay_correction_factor(24.25, 24.25, 0.0, LU177)
    assert frame == pytest.approx(middle, rel=1e-6)
    assert frame != middle
