"""Calibration of fits whose posterior is known: right ones pass, wrong ones fail."""

import csv
import io
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from pkmodels.clinic.calibration_page import write_calibration_page
from pkmodels.clinic.calibration_table import (
    ranks_table,
    summary_lines,
    verdict_table,
)
from pkmodels.cohorts.calibration import (
    Found,
    Truth,
    calibrate,
    rank_of,
    read_calibration,
)
from pkmodels.cohorts.rank_tests import ecdf_p
from pkmodels.cohorts.verdicts import judge
from pkmodels.errors import FitRefusedError, InputError

# m ~ Normal(0, 1), one value y ~ Normal(m, NOISE): m | y is normal in closed form.
NOISE = 0.5
SHRINK = 1.0 / (1.0 + NOISE**2)
N = 200


def draw(number: int) -> Truth:
    generator = np.random.default_rng([number, 0])
    mean = float(generator.standard_normal())
    return Truth({"mean": mean, "its exponential": float(np.exp(mean))}, None)


def scan(truth: Truth, number: int) -> float:
    generator = np.random.default_rng([number, 1])
    return truth.values["mean"] + NOISE * float(generator.standard_normal())


def posterior(
    value: float, number: int, *, shift: float, wide: float, refuse: float
) -> Found:
    """Draw from the posterior; refuse what lies above a value, as checks may."""
    if value > refuse:
        raise FitRefusedError("the value is too large: measure again")
    if number == 14:
        raise ArithmeticError("fourteen")
    generator = np.random.default_rng([number, 2])
    sd = wide * np.sqrt(SHRINK) * NOISE
    drawn = SHRINK * value + shift + sd * generator.standard_normal((4, 250))
    return Found({"mean": drawn, "its exponential": np.exp(drawn)})


def run(folder: Path, *, shift=0.0, wide=1.0, refuse=np.inf, count=N):
    fit = partial(posterior, shift=shift, wide=wide, refuse=float(min(refuse, 1e9)))
    calibrate(draw, scan, fit, range(count), folder, workers=0)
    return read_calibration(folder, range(count))


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    return run(tmp_path_factory.mktemp("right"), refuse=1.0)


def test_a_right_posterior_passes_though_fits_are_refused(right):
    """Refusals that hang on the data leave the ranks of the others uniform."""
    # P(y > 1) for y ~ Normal(0, sqrt(1 + NOISE^2)) is 0.186.
    assert 20 < len(right.refused) < 60
    assert list(right.failed) == [14]
    for verdict in judge(right):
        assert verdict.n == N - len(right.refused) - 1
        assert verdict.ecdf_p is not None
        assert verdict.ecdf_p > 0.005
        assert verdict.coverage_p is not None
        assert verdict.coverage_p > 0.005
        assert verdict.least == verdict.covered / N
        assert verdict.most == pytest.approx(
            (verdict.covered + len(right.refused) + 1) / N
        )


def test_the_truths_that_are_refused_are_others(right):
    """What is left out is told: here the larger half."""
    answered = right.quantities[0].truths
    refused = right.refused_truths["mean"]
    assert refused.min() > -0.5
    assert refused.mean() > answered.mean() + 1.0


@pytest.mark.parametrize("wrong", [{"shift": 0.35}, {"wide": 0.5}, {"wide": 2.2}])
def test_a_wrong_posterior_is_seen(tmp_path, wrong):
    for verdict in judge(run(tmp_path, count=90, **wrong)):
        assert verdict.ecdf_p is not None
        assert verdict.ecdf_p < 0.001


def test_ranks_and_intervals_are_those_of_the_draws():
    drawn = np.random.default_rng(5).permutation(np.arange(1990.0)).reshape(2, 995)
    found = rank_of(994.6, drawn, 199, seed=0)
    assert found["rank"] == pytest.approx(100, abs=15)
    assert found["median"] == 994.5
    assert found["low"] == pytest.approx(0.025 * 1989)


def test_draws_worth_too_few_give_no_rank():
    walk = np.random.default_rng(6).standard_normal((4, 500)).cumsum(axis=1)
    found = rank_of(0.0, walk, 199, seed=0)
    assert found["rank"] is None
    assert found["size"] is not None
    assert found["size"] < 199
    independent = np.random.default_rng(6).standard_normal((4, 500))
    assert rank_of(0.0, independent, 199, seed=0)["rank"] is not None
    assert rank_of(0.0, independent, 199, size=100.0, seed=0)["rank"] is None


def test_the_rank_of_a_constant_is_uniform():
    """It was 0 of every patient, and p as small as may be."""
    constant = np.full((4, 250), 300.0)
    # The truth was rounded elsewhere.
    found = [
        rank_of(300.0 * (1.0 + 1e-15 * (n % 3 - 1)), constant, 199, seed=n)["rank"]
        for n in range(300)
    ]
    assert ecdf_p(np.array(found), 199) > 0.01
    again = rank_of(300.0, constant, 199, seed=4)["rank"]
    assert again == rank_of(300.0, constant, 199, seed=4)["rank"]


def test_draws_that_are_not_finite_are_refused():
    drawn = np.zeros((4, 100))
    drawn[0, 0] = np.nan
    with pytest.raises(InputError, match="all finite: False"):
        rank_of(0.0, drawn, 199, seed=0)


def test_more_patients_go_on_from_those_that_are_done(tmp_path):
    few = run(tmp_path, count=20)
    more = run(tmp_path, count=30)
    assert more.total == 30
    first = more.quantities[0]
    kept = np.isin(first.patients, few.quantities[0].patients)
    assert first.ranks[kept].tolist() == few.quantities[0].ranks.tolist()


def test_tables_tell_everyone(right):
    rows = list(csv.DictReader(io.StringIO(ranks_table(right))))
    assert {int(row["patient"]) for row in rows} == set(range(N))
    answered = [row for row in rows if row["outcome"] == "answered"]
    assert len(answered) == 2 * (N - len(right.refused) - 1)
    outcomes = {row["outcome"] for row in rows} - {"answered"}
    assert outcomes == {
        "refused: the value is too large: measure again",
        "failed: ArithmeticError: fourteen",
    }
    lines = summary_lines(right, judge(right))
    n = len(right.refused)
    told = f"{199 - n} answered, {n} refused, 1 failed."
    assert lines[0] == f"200 simulated patients: {told}"
    assert lines[1] == f"Refused, {n}: the value is too large"
    assert "its exponential" in verdict_table(judge(right), gap="  ")


def test_the_page_shows_every_quantity_and_needs_no_network(right, tmp_path):
    page = tmp_path / "calibration.html"
    write_calibration_page(page, right, "<b>a subject</b>")
    text = page.read_text("utf-8")
    assert "&lt;b&gt;a subject" in text
    assert text.count('class="panel"') == 4
    assert 'src="http' not in text
    assert "<td>mean</td>" in text
