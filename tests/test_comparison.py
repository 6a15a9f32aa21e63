"""Comparison of models: known mixtures, the cement data, and words about few groups."""

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from pkmodels.dosimetry.curve_comparisons import akaike_weights, score_curve
from pkmodels.dosimetry.exponential_curves import Form, Weights
from pkmodels.dosimetry.exponential_fits import (
    ExponentialFit,
    corrected_akaike,
    fit_exponentials,
)
from pkmodels.dosimetry.scans import Scans
from pkmodels.errors import FitRefusedError, InputError
from pkmodels.fitting.comparison import compare, describe, stacking_weights
from pkmodels.fitting.cross_validation import CrossValidation, How, LeftOut
from pkmodels.fitting.row_groups import By, RowGroup

SCANS = Scans(
    "kidney", "Lu-177", (4.0, 24.0, 72.0, 120.0, 168.0), (95.0, 70.0, 35.0, 16.0, 9.0)
)


def validation(elpds: np.ndarray, data: str = "the same") -> CrossValidation:
    left = tuple(
        LeftOut(RowGroup(f"scan {i}", (i,)), float(x), float(x) + 0.1, 0.2, How.REFIT)
        for i, x in enumerate(elpds)
    )
    return CrossValidation(By.SCAN, left, 0.7, data)


def test_stacking_finds_the_weights_of_a_known_mixture() -> None:
    """Of 4000 values, 70 % from N(-2, 1) and the rest from N(2, 1)."""
    generator = np.random.default_rng(0)
    first = generator.random(4000) < 0.7
    y = np.where(first, -2.0, 2.0) + generator.standard_normal(4000)
    one, two = norm.logpdf(y, -2.0), norm.logpdf(y, 2.0)
    found = stacking_weights({"one": one, "two": two})
    assert found["one"] == pytest.approx(first.mean(), abs=0.01)
    # The maximum of its own criterion, by another optimizer.
    best = minimize_scalar(
        lambda w: -np.logaddexp(np.log(w) + one, np.log1p(-w) + two).sum(),
        bounds=(1e-6, 1.0 - 1e-6),
        method="bounded",
    )
    assert found["one"] == pytest.approx(best.x, abs=1e-3)


def test_stacking_does_not_underflow_where_groups_are_large() -> None:
    """exp(-2000) is 0: what all models lose by a group must not enter."""
    elpds = {"one": np.array([-2000.0, -1900.0]), "two": np.array([-2007.0, -1893.0])}
    assert stacking_weights(elpds)["one"] == pytest.approx(0.5, abs=0.01)


def test_a_model_that_is_never_better_gets_no_weight() -> None:
    one = np.linspace(-3.0, -1.0, 12)
    found = compare({"better": validation(one), "worse": validation(one - 0.3)})
    assert found.weights["worse"] == pytest.approx(0.0, abs=1e-6)
    assert found.scores[1].difference == pytest.approx(-3.6)
    assert found.scores[1].standard_error == pytest.approx(0.0, abs=1e-12)
    assert found.scores[1].better_in == 0
    assert found.scores[0].effective_parameters == pytest.approx(1.2)


def test_the_standard_error_is_that_of_a_sum_of_differences() -> None:
    """Known sd 0.5 of each difference: 0.5 sqrt(n) of their sum."""
    generator = np.random.default_rng(4)
    one = generator.normal(-2.0, 1.0, 20000)
    other = one - generator.normal(0.1, 0.5, 20000)
    found = compare({"one": validation(one), "other": validation(other)})
    assert found.scores[1].standard_error == pytest.approx(
        0.5 * math.sqrt(20000), rel=0.02
    )


def test_few_groups_have_no_standard_error_in_words() -> None:
    one, other = np.array([-1.0, -2.0, -1.0, -1.5]), np.array([-1.5, -1.9, -2.0, -2.5])
    few = describe(compare({"one": validation(one), "other": validation(other)}))
    assert "4 groups are too few for a standard error" in few
    assert "1 of 4" in few
    assert "std error" not in few
    assert "Fitted again where weights could not tell: one 4 of 4" in few
    many = np.tile(one, 6), np.tile(other, 6)
    enough = describe(compare({"one": validation(many[0]), "o": validation(many[1])}))
    assert "std error" in enough
    assert "too few" not in enough
    assert "With 24 groups the standard error is itself uncertain" in enough


def test_weights_that_hang_on_one_scan_show_it() -> None:
    one = np.array([-1.0, -1.0, -1.0, -9.0])
    other = np.array([-1.6, -1.6, -1.6, -1.0])
    found = compare({"one": validation(one), "other": validation(other)})
    moved = found.scores[0].weight_range
    assert moved is not None
    low, high = moved
    assert found.scores[0].model == "other"
    assert low < 0.01
    assert high > 0.5


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({}, "at least two"),
        ({"b": validation(np.zeros(3), data="others")}, "do not predict the same"),
    ],
)
def test_models_of_other_data_are_not_compared(
    others: dict[str, CrossValidation], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        compare({"a": validation(np.zeros(3)), **others})


def test_a_model_with_a_refused_group_is_not_compared() -> None:
    bad = LeftOut(RowGroup("scan 0", (0,)), None, -1.0, 0.9, How.REFUSED)
    good = validation(np.zeros(2))
    refused = replace(good, left_out=(bad, good.left_out[1]))
    with pytest.raises(FitRefusedError, match="scan 0"):
        compare({"a": good, "b": refused})


# Hald's cement: heat against four contents. Woods, Steinour and Starke, Ind Eng Chem
# 1932;24:1207, as Hald, Statistical Theory with Engineering Applications, 1952, p. 647.
CEMENT = np.array(
    [
        [7, 26, 6, 60, 78.5],
        [1, 29, 15, 52, 74.3],
        [11, 56, 8, 20, 104.3],
        [11, 31, 8, 47, 87.6],
        [7, 52, 6, 33, 95.9],
        [11, 55, 9, 22, 109.2],
        [3, 71, 17, 6, 102.7],
        [1, 31, 22, 44, 72.5],
        [2, 54, 18, 22, 93.1],
        [21, 47, 4, 26, 115.9],
        [1, 40, 23, 34, 83.8],
        [11, 66, 9, 12, 113.3],
        [10, 68, 8, 12, 109.4],
    ]
)


def test_cement_models_have_the_weights_of_their_whole_likelihoods() -> None:
    y, count = CEMENT[:, 4], len(CEMENT)
    template = fit_exponentials(SCANS, Form.WASHOUT, weights=Weights.EQUAL, sd=None)
    akaike, full = {}, {}
    models = [c for r in range(1, 5) for c in combinations(range(4), r)]
    for columns in models:
        design = np.column_stack([np.ones(count), CEMENT[:, list(columns)]])
        residual = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
        squares = float(residual @ residual)
        names = tuple(f"b{i}" for i in range(design.shape[1]))
        made = replace(template, names=names, sum_of_squares=squares, n_scans=count)
        akaike[columns] = corrected_akaike(made)
        k = len(names) + 1
        likelihood = norm.logpdf(residual, 0.0, math.sqrt(squares / count)).sum()
        penalty = 2.0 * k + 2.0 * k * (k + 1) / (count - k - 1)
        full[columns] = -2.0 * likelihood + penalty
    weights = dict(zip(models, akaike_weights(list(akaike.values())), strict=True))
    # exp(-AICc / 2) of likelihoods by SciPy, in proportion (Burnham, Anderson 2002).
    every = np.exp(-0.5 * (np.array([full[c] for c in models]) - min(full.values())))
    for columns, expected in zip(models, every / every.sum(), strict=True):
        assert weights[columns] == pytest.approx(expected, rel=1e-9)
    assert max(weights, key=lambda c: weights[c]) == (0, 1)
    # Constants apart, it is -2 ln L with its penalty.
    constants = {round(full[c] - akaike[c], 9) for c in models}
    assert constants == {round(count * (1.0 + math.log(2.0 * math.pi)), 9)}


def density_of(fit: ExponentialFit, scans: Scans) -> float:
    """Return ln of the density of the activities under a fitted washout, typed anew."""
    t, y = np.array(scans.times_h), np.array(scans.activities_MBq)
    curve = np.exp(fit.estimates[0] - fit.estimates[1] * t)
    if fit.weights is Weights.LOGARITHM:
        residual = np.log(y / curve)
        sd = fit.sd or math.sqrt(np.mean(residual**2))
        return float((norm.logpdf(residual, 0.0, sd) - np.log(y)).sum())
    scale = y if fit.weights is Weights.RELATIVE else np.ones_like(y)
    residual = (y - curve) / scale
    sd = fit.sd or math.sqrt(np.mean(residual**2))
    return float(norm.logpdf(y, curve, sd * scale).sum())


@pytest.mark.parametrize("weights", list(Weights))
@pytest.mark.parametrize("stated", [True, False])
def test_curves_are_scored_by_the_density_of_the_activities(
    weights: Weights, stated: bool
) -> None:
    sd = (3.0 if weights is Weights.EQUAL else 0.05) if stated else None
    fit = fit_exponentials(SCANS, Form.WASHOUT, weights=weights, sd=sd)
    found = score_curve(fit, SCANS)
    count = 2 + (not stated)
    assert found.n_parameters == count
    assert found.log_likelihood == pytest.approx(density_of(fit, SCANS), rel=1e-9)
    penalty = 2.0 * count
    if not stated:
        penalty += 2.0 * count * (count + 1) / (5 - count - 1)
    assert found.akaike == pytest.approx(-2.0 * found.log_likelihood + penalty)


def test_differences_of_curves_are_those_of_the_shorter_criterion() -> None:
    rising = Scans(
        "kidney",
        "Lu-177",
        (1.0, 4.0, 12.0, 24.0, 72.0, 120.0, 144.0),
        (30.0, 75.0, 80.0, 70.0, 35.0, 16.0, 11.0),
    )
    fits = [
        fit_exponentials(rising, form, weights=Weights.LOGARITHM, sd=None)
        for form in (Form.WASHOUT, Form.UPTAKE)
    ]
    own = [score_curve(fit, rising).akaike for fit in fits]
    shorter = [corrected_akaike(fit) for fit in fits]
    assert np.isfinite(own).all()
    assert own[1] - own[0] == pytest.approx(shorter[1] - shorter[0], rel=1e-9)


@pytest.mark.parametrize("n", [4, 5, 6])
def test_with_a_stated_sd_a_curve_is_too_good_by_its_parameters(n: int) -> None:
    """ln density of the scans it was fitted to, less that of new ones, is about K = 2.

    The term for few scans would take 8, 5 and 4 of n = 4, 5 and 6.
    """
    times = np.array([2.0, 8.0, 24.0, 48.0, 96.0, 144.0])[:n]
    sd, generator = 0.05, np.random.default_rng(n)
    curve = np.log(100.0) - 0.02 * times
    optimism, penalty = [], 0.0
    for _ in range(150):
        seen, new = np.exp(curve + sd * generator.standard_normal((2, n)))
        scans = Scans("kidney", "Lu-177", tuple(times), tuple(seen))
        fit = fit_exponentials(scans, Form.WASHOUT, weights=Weights.LOGARITHM, sd=sd)
        found = score_curve(fit, scans)
        fitted = fit.estimates[0] - fit.estimates[1] * times
        inside, outside = (
            (norm.logpdf(np.log(y), fitted, sd) - np.log(y)).sum() for y in (seen, new)
        )
        optimism.append(inside - outside)
        assert inside == pytest.approx(found.log_likelihood)
        penalty = found.log_likelihood - found.expected_log_density
    error = np.std(optimism) / math.sqrt(len(optimism))
    assert penalty == pytest.approx(2.0)
    assert abs(np.mean(optimism) - penalty) < 3.5 * error
    assert error < 0.35


def test_curves_stand_below_the_models_in_the_table() -> None:
    fit = fit_exponentials(SCANS, Form.WASHOUT, weights=Weights.LOGARITHM, sd=0.05)
    score = score_curve(fit, SCANS)
    one = np.array([-1.0, -2.0, -1.0])
    table = describe(
        compare({"one": validation(one), "two": validation(one - 0.1)}), [score]
    )
    assert "each by -AIC / 2 of its own scans only" in table
    assert f"kidney{'':8}  {score.expected_log_density:8.1f}  2 parameters" in table


def test_a_curve_of_other_scans_is_refused() -> None:
    fit = fit_exponentials(SCANS, Form.WASHOUT, weights=Weights.LOGARITHM, sd=0.05)
    with pytest.raises(InputError, match="give those that it was fitted to"):
        score_curve(fit, replace(SCANS, region="liver"))
    with pytest.raises(InputError, match="at least one must be finite"):
        akaike_weights([math.inf])
