"""Runs that are killed, interrupted or of another problem, and what is kept of them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pymc as pm
import pytest

from pkmodels.errors import InputError
from pkmodels.fitting.sampling import (
    Draws,
    Problem,
    Sampler,
    compile_sampler,
    draw_posterior,
)
from pkmodels.fitting.saved_draws import SavedDraws, open_saved
from pkmodels.fitting.transitions import CHUNK

PROBLEM = Problem({"measured": np.array([1.0, 2.0])}, (), np.zeros(2), np.ones(2))
WARMUP, WANTED = 2 * CHUNK, 4 * CHUNK
KEY = {"seed": "5", "form": "two means"}


class PowerCut(BaseException):
    """What ends a process without any of our code noticing."""


@pytest.fixture(
    scope="module",
    params=[pytest.param(False, marks=pytest.mark.slow), True],
    ids=["in step", "in threads"],
)
def sampler(request: pytest.FixtureRequest) -> Sampler:
    with pm.Model() as model:
        mean = pm.Normal("mean", 0.0, 2.0, shape=2)
        pm.Normal("value", mean, 1.0, observed=pm.Data("measured", np.zeros(2)))
    return compile_sampler(
        model, target_acceptance=0.8, warmup=WARMUP, in_threads=request.param
    )


def drawn(sampler: Sampler, saved: SavedDraws | None = None, **more: Any) -> Draws:
    wanted = more.pop("draws_per_chain", WANTED)
    return draw_posterior(
        sampler, PROBLEM, seed=5, draws_per_chain=wanted, saved=saved, **more
    )


def after_chunks(count: int, error: type[BaseException]) -> Any:
    """Return a progress callback that raises when so many chunks are done."""

    def tell(done: int, _: int) -> None:
        if done == count * CHUNK:
            raise error

    return tell


def counted(sampler: Sampler) -> tuple[Sampler, list[int]]:
    calls: list[int] = []

    def advance(*arguments: Any) -> Any:
        calls.append(1)
        return sampler.advance(*arguments)

    return replace(sampler, advance=advance), calls


def assert_same(first: Draws, second: Draws) -> None:
    np.testing.assert_array_equal(first.unconstrained, second.unconstrained)
    np.testing.assert_array_equal(first.diverging, second.diverging)
    assert first.statistics.keys() == second.statistics.keys()
    for name, values in first.statistics.items():
        np.testing.assert_array_equal(values, second.statistics[name])


@pytest.mark.parametrize("killed_after", [1, 2, 5])
def test_a_killed_run_goes_on_to_the_same_draws_bit_for_bit(
    sampler: Sampler, tmp_path: Path, killed_after: int
) -> None:
    saved = open_saved(tmp_path / "draws", KEY)
    with pytest.raises(PowerCut):
        drawn(sampler, saved, progress=after_chunks(killed_after, PowerCut))
    counting, calls = counted(sampler)
    resumed = drawn(counting, open_saved(tmp_path / "draws", KEY))
    assert len(calls) == (WARMUP + WANTED) // CHUNK - killed_after
    assert_same(resumed, drawn(sampler))


def test_a_run_that_is_done_is_read_and_more_draws_are_added(
    sampler: Sampler, tmp_path: Path
) -> None:
    saved = open_saved(tmp_path, KEY)
    first = drawn(sampler, saved)
    counting, calls = counted(sampler)
    assert_same(first, drawn(counting, saved))
    assert not calls
    more = drawn(counting, saved, draws_per_chain=WANTED + CHUNK)
    assert len(calls) == 1
    assert_same(more, drawn(sampler, draws_per_chain=WANTED + CHUNK))


def test_ctrl_c_keeps_what_was_drawn(sampler: Sampler) -> None:
    found = drawn(sampler, progress=after_chunks(4, KeyboardInterrupt))
    assert found.wanted_per_chain == WANTED
    whole = drawn(sampler)
    assert whole.wanted_per_chain is None
    assert found.unconstrained.shape[1] == 2 * CHUNK
    np.testing.assert_array_equal(
        found.unconstrained, whole.unconstrained[:, : 2 * CHUNK]
    )


def test_ctrl_c_during_the_warm_up_is_raised(sampler: Sampler) -> None:
    with pytest.raises(KeyboardInterrupt):
        drawn(sampler, progress=after_chunks(2, KeyboardInterrupt))


def test_draws_of_another_problem_are_refused_by_name(tmp_path: Path) -> None:
    open_saved(tmp_path, KEY)
    with pytest.raises(InputError, match="its form is two means, not three means"):
        open_saved(tmp_path, {**KEY, "form": "three means"})


def test_draws_of_another_version_are_refused_by_name(tmp_path: Path) -> None:
    open_saved(tmp_path, KEY)
    record = tmp_path / "run.json"
    old = json.loads(record.read_text()) | {"numpyro version": "0.1"}
    record.write_text(json.dumps(old))
    with pytest.raises(InputError, match=r"its numpyro version is 0\.1, not"):
        open_saved(tmp_path, KEY)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "patient.toml").write_text("")
    with pytest.raises(InputError, match=r"holds 'patient\.toml' and no draws"):
        open_saved(tmp_path, KEY)


def test_a_damaged_chunk_is_named(sampler: Sampler, tmp_path: Path) -> None:
    saved = open_saved(tmp_path, KEY)
    drawn(sampler, saved)
    chunk = tmp_path / "chunk_0003.npz"
    chunk.write_bytes(chunk.read_bytes()[:500])
    with pytest.raises(InputError, match=r"chunk_0003\.npz cannot be read"):
        drawn(sampler, saved)
