"""Counts and limits in the predictive checks, each against draws of their own law."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2, kstest, norm

from pkmodels.fitting import worked_example
from pkmodels.fitting.densities import compile_density
from pkmodels.fitting.fit import fit
from pkmodels.fitting.observations import arrange
from pkmodels.fitting.posterior import EXPECTED, KINETICS, Posterior, build_model
from pkmodels.fitting.predictive_checks import (
    check_predictions,
    compile_scores,
    count_runs,
    count_scores,
    normal_scores,
)
from pkmodels.fitting.sampling import Draws
from pkmodels.measurements import Counting, Measurement, Quantity

ACTIVITIES = np.array([70.0, 35.0, 16.0])
# 540 counts of each MBq, and no background.
COUNTING = Counting(0.9, 600.0, 0.0, 0.0, overdispersed=False)


def posterior_of(rows: Sequence[Measurement]) -> Posterior:
    example = worked_example.posterior()
    own = replace(example.experiments[0], measurements=tuple(rows))
    return replace(example, experiments=(own,), observations=arrange([own], []))


def counted(values: Sequence[int], *, overdispersed: bool = False) -> Posterior:
    scans = worked_example.experiment().measurements
    counting = replace(COUNTING, overdispersed=overdispersed)
    return posterior_of(
        [
            replace(s, value=float(n), quantity=Quantity.COUNTS, counting=counting)
            for s, n in zip(scans, values, strict=True)
        ]
    )


def limited(limit: float) -> Posterior:
    scans = worked_example.experiment().measurements
    return posterior_of([replace(s, value=limit, below=True) for s in scans])


def scores_of(posterior: Posterior) -> np.ndarray:
    """Return the scores at draws that expect 70, 35 and 16 MBq; noise, if any, 5 %."""
    density = compile_density(build_model(posterior))
    factor = posterior.observations.factor
    size = density.size
    variables = {
        KINETICS: np.full((4, 100, 1), 60.0),
        EXPECTED: np.tile(ACTIVITIES * factor, (4, 100, 1)),
    }
    at = np.log([60.0, 0.05][:size])
    draws = Draws(variables, np.tile(at, (4, 100, 1)), np.zeros((4, 100), bool), 0.9)
    return normal_scores(posterior, draws, density, compile_scores(density))


@pytest.mark.parametrize("extra", [0.0, 30.0])
@pytest.mark.parametrize("mean", [0.7, 12.0, 4000.0])
def test_scores_of_counts_are_normal_under_their_own_law(
    mean: float, extra: float
) -> None:
    generator = np.random.default_rng(4)
    rates = np.full(4000, mean)
    if extra:
        rates = generator.gamma(mean**2 / extra, extra / mean, 4000)
    counts = generator.poisson(rates)
    even = np.full((1, 4000), mean)
    scores = count_scores(counts, even, np.full_like(even, extra), generator)
    assert kstest(scores[0], norm.cdf).pvalue > 1e-3


def test_only_counts_are_checked_and_wrong_ones_are_found() -> None:
    """Counts of 70, 35 and 16 MBq at 540 each, then ten times as many."""
    seen, expected = np.array([37_950, 18_800, 8_700]), 540.0 * ACTIVITIES
    right = counted(seen.tolist())
    found = check_predictions(right, scores_of(right))
    assert [(f.about, f.n_rows) for f in found] == [
        ("region organ", 3),
        ("modality SPECT", 3),
    ]
    pearson = chi2.sf(((seen - expected) ** 2 / expected).sum(), 3)
    assert found[0].p_value == pytest.approx(pearson, abs=0.01)
    wrong = counted([378_000, 189_000, 86_400])
    assert check_predictions(wrong, scores_of(wrong))[0].p_value < 1e-6


def test_a_fit_of_counts_alone_is_checked_and_kept_in_a_folder_named_by_text(
    tmp_path: Path,
) -> None:
    seen = counted([37_950, 18_800, 8_700])
    found = fit(seen, seed=1, draws_per_chain=100, folder=str(tmp_path / "kept"))
    assert [f.n_rows for f in found.checks.predictive] == [3, 3]
    assert (tmp_path / "kept" / "attempt_1").is_dir()


def test_overdispersed_counts_may_lie_farther_away() -> None:
    """5 % of 37,800 is 1,890: one sd away, where Poisson's is 194."""
    far = [39_690, 19_845, 9_072]
    wide, narrow = counted(far, overdispersed=True), counted(far)
    scores = scores_of(wide)
    np.testing.assert_allclose(scores.mean(axis=0), 1.0, atol=0.06)
    assert check_predictions(wide, scores)[0].p_value > 0.3
    assert check_predictions(narrow, scores_of(narrow))[0].p_value < 1e-6


def test_only_limits_are_checked_and_broken_ones_are_found() -> None:
    kept = limited(1000.0)
    scores = scores_of(kept)
    # All below: nothing but a uniform draw, so that p is 1/2, and no run of signs.
    assert check_predictions(kept, scores)[0].p_value == pytest.approx(0.5, abs=0.05)
    assert count_runs(kept, scores) == ()
    broken = limited(1.0)  # of 16 MBq at least, known to 5 %
    assert check_predictions(broken, scores_of(broken))[0].p_value < 1e-6
