"""Bars and intervals in table cells lie where their numbers do."""

import re

import pytest

from pkmodels.clinic.report_strips import (
    Axis,
    amount_axis,
    bar_strip,
    interval_strip,
    ratio_axis,
    share_axis,
)


def places(strip, tag):
    """Return start and width of each shape of a strip, percent."""
    shape = rf'<{tag} x="([\d.]+)%" y="\d+" width="([\d.]+)%"'
    return [tuple(map(float, match)) for match in re.findall(shape, strip.svg)]


def test_bars_are_as_long_as_their_shares():
    axis = share_axis([0.4, 0.3, -0.1])
    (start, total), (first_start, first) = places(bar_strip(axis, 0.4, 0.3), "rect")
    assert start == first_start
    assert first / total == pytest.approx(0.75, abs=2e-3)
    ((left, width),) = places(bar_strip(axis, -0.1), "rect")
    assert left + width == pytest.approx(start, abs=0.02)
    assert width == pytest.approx(total / 4.0, abs=0.02)


def test_intervals_lie_where_their_logarithms_do():
    axis = ratio_axis([0.2, 5.0])
    assert axis.ticks == (0.1, 1.0, 10.0)
    assert axis.place(1.0) == pytest.approx(50.0)
    strip = interval_strip(axis, (0.1, 1.0, 10.0), (1.0, 10.0**0.5, 10.0))
    (_, prior), (start, posterior) = places(strip, "rect")
    assert start == pytest.approx(50.0, abs=0.01)
    assert prior / posterior == pytest.approx(2.0, abs=1e-3)


@pytest.mark.parametrize("values", [[0.0], [1e-9, 1e9], [0.0, 3.0]])
def test_odd_values_stay_on_the_axis(values):
    for axis in (ratio_axis(values), amount_axis(values), share_axis(values)):
        assert isinstance(axis, Axis)
        assert 2 <= len(axis.ticks) <= 10
        assert all(0.0 <= axis.place(value) <= 100.0 for value in values)


@pytest.mark.parametrize("largest", [0.013, 0.9, 1.0, 5.3, 31.2, 99.0, 4321.0])
def test_an_axis_of_amounts_has_few_round_ticks_and_holds_its_values(largest):
    axis = amount_axis([largest])
    assert axis.ticks[0] == 0.0
    assert axis.high >= largest
    assert 3 <= len(axis.ticks) <= 6
