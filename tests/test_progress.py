"""Progress in lines: the time left is that of draws that are made, not loaded."""

import io
import re

import pytest
from rich.console import Console

from pkmodels.clinic import workflow

TOTAL, CHUNK = 3000, 100


class Clock:
    """A clock that goes as it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(workflow.time, "perf_counter", made)
    return made


def told(clock: Clock, seconds_each: list[float]) -> list[int]:
    """Return each estimate of the time left, where chunks took so long."""
    text = io.StringIO()
    tell = workflow._lines(Console(file=text))
    for number, seconds in enumerate(seconds_each, start=1):
        clock.now += seconds
        tell(number * CHUNK, TOTAL)
    return [int(found) for found in re.findall(r"about (\d+) s left", text.getvalue())]


def test_chunks_that_were_loaded_make_no_rest_look_short(clock: Clock) -> None:
    """Twenty are loaded at once; each of the last ten takes 30 s: 9 x 30 s are left."""
    assert told(clock, 20 * [0.01] + 10 * [30.0]) == [30 * k for k in range(9, 0, -1)]


def test_without_loaded_chunks_the_first_only_starts_the_clock(clock: Clock) -> None:
    assert told(clock, 30 * [30.0]) == [30 * k for k in range(28, 0, -1)]


def test_another_run_is_timed_by_itself(clock: Clock) -> None:
    measure = workflow._stopwatch()
    for done in (100, 200, 300):
        clock.now += 5.0
        found = measure(done, 300)
    assert found == (10.0, 200)
    # A second attempt begins again, and has made nothing yet.
    clock.now += 50.0
    assert measure(100, 600) == (0.0, 0)
    clock.now += 7.0
    assert measure(200, 600) == (7.0, 100)
