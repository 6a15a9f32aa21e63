"""Variance budgets against Sobol indices that are known in closed form."""

import math

import numpy as np
import pytest
from scipy.special import ndtri

from pkmodels.dosimetry.variance_budget import VarianceBudget, variance_budget
from pkmodels.errors import InputError

N_DRAWS = 4000
# The accuracy that is asked for: 1 % of the variance, and three times its noise.
ACCURACY = 0.015


def shuffled(values, seed):
    """The midpoints of equal-probability intervals: no error of the sampling itself."""
    return np.random.default_rng(seed).permutation(values)


def uniform(seed):
    return shuffled((np.arange(N_DRAWS) + 0.5) / N_DRAWS, seed)


def normal(seed):
    return ndtri(uniform(seed))


def budget_of(function, blocks, seed=0, **options) -> VarianceBudget:
    return variance_budget(function, blocks, np.random.default_rng(seed), **options)


def sums_to_one(budget):
    first = sum(share.first_order for share in budget.shares.values())
    return first + budget.interactions + budget.dependence == pytest.approx(1.0)


def test_an_additive_result_has_the_variances_of_its_factors():
    """Mass 62 %, calibration 21 %, recovery 17 % of an ln dose."""
    sds = {"mass": math.sqrt(0.62), "calibration": math.sqrt(0.21)}
    sds["recovery"] = math.sqrt(0.17)
    draws = {name: sd * normal(i) for i, (name, sd) in enumerate(sds.items())}
    budget = budget_of(lambda x: x["mass"] + x["calibration"] - x["recovery"], draws)
    for name, sd in sds.items():
        share = budget.shares[name]
        own = budget.variance * np.array([share.first_order, share.total])
        np.testing.assert_allclose(own, sd**2, atol=ACCURACY, err_msg=name)
    assert budget.interactions == pytest.approx(0.0, abs=ACCURACY)
    assert abs(budget.dependence) < 4.0 * budget.dependence_noise
    assert budget.noise < 0.005
    assert sums_to_one(budget)


def test_the_ishigami_function_has_its_known_indices():
    """sin x1 + 7 sin^2 x2 + 0.1 x3^4 sin x1 on (-pi, pi) (Ishigami and Homma 1990)."""
    a, b, pi = 7.0, 0.1, math.pi
    first = 0.5 * (1.0 + b * pi**4 / 5.0) ** 2
    second, together = a**2 / 8.0, 8.0 * b**2 * pi**8 / 225.0
    total = first + second + together
    draws = {f"x{i}": pi * (2.0 * uniform(i) - 1.0) for i in (1, 2, 3)}
    # The chance correlation of these draws is no part of the truth: take it out.
    budget = budget_of(
        lambda x: (
            np.sin(x["x1"])
            + a * np.sin(x["x2"]) ** 2
            + b * x["x3"] ** 4 * np.sin(x["x1"])
        ),
        draws,
    )
    independent = 1.0 - budget.dependence
    known = {
        "x1": (first / total, (first + together) / total),
        "x2": (second / total, second / total),
        "x3": (0.0, together / total),
    }
    for name, (alone, with_others) in known.items():
        share = budget.shares[name]
        assert share.first_order / independent == pytest.approx(alone, abs=ACCURACY)
        assert share.total / independent == pytest.approx(with_others, abs=ACCURACY)
    assert budget.interactions / independent == pytest.approx(
        together / total, abs=ACCURACY
    )
    assert sums_to_one(budget)


def test_a_product_of_log_normals_interacts_as_it_must():
    """V_i = exp(s_i^2) - 1; with the others, (exp(s_i^2) - 1) times their exp(s^2)."""
    sds = {"tia": 0.5, "s": 0.7}
    draws = {name: np.exp(sd * normal(i)) for i, (name, sd) in enumerate(sds.items())}
    budget = budget_of(lambda x: x["tia"] * x["s"], draws)
    own = {name: math.exp(sd**2) - 1.0 for name, sd in sds.items()}
    total = math.exp(sum(sd**2 for sd in sds.values())) - 1.0
    independent = 1.0 - budget.dependence
    for name, other in (("tia", "s"), ("s", "tia")):
        share = budget.shares[name]
        alone, with_others = own[name] / total, own[name] * (1 + own[other]) / total
        assert share.first_order / independent == pytest.approx(alone, abs=0.02)
        assert share.total / independent == pytest.approx(with_others, abs=0.02)
    together = own["tia"] * own["s"] / total
    assert budget.interactions / independent == pytest.approx(together, abs=0.02)


@pytest.mark.parametrize("correlation", [-0.6, 0.5])
def test_a_correlated_pair_shows_as_dependence(correlation):
    """Var(x + y) = 2 + 2 rho, of which 2 rho is dependence."""
    x, e = normal(1), normal(2)
    e = e - x * (x @ e) / (x @ x)
    e /= e.std()
    y = correlation * x / x.std() + math.sqrt(1.0 - correlation**2) * e
    budget = budget_of(lambda b: b["x"] + b["y"], {"x": x / x.std(), "y": y})
    total = 2.0 + 2.0 * correlation
    assert budget.variance == pytest.approx(total, rel=1e-9)
    allowed = ACCURACY / (1.0 + correlation)
    for share in budget.shares.values():
        assert share.first_order == pytest.approx(1.0 / total, abs=2.0 * allowed)
    assert budget.dependence == pytest.approx(
        2.0 * correlation / total, abs=2.0 * allowed
    )
    assert abs(budget.interactions) < allowed
    assert sums_to_one(budget)
    assert ("adds" if correlation > 0 else "takes away") in budget.explain()


def test_what_is_drawn_jointly_stays_together():
    """One block of two correlated parts beside another factor: Sobol of the block."""
    x, y, z = normal(1), normal(2), normal(3)
    draws = {"kinetics": (x, np.stack([0.8 * x + 0.6 * y, y], axis=1)), "mass": z}

    def result(b):
        first, pair = b["kinetics"]
        return first + pair[:, 0] + b["mass"]

    budget = budget_of(result, draws)
    expected = (1.8**2 + 0.6**2) / (1.8**2 + 0.6**2 + 1.0)
    assert budget.shares["kinetics"].first_order == pytest.approx(expected, abs=0.03)
    assert abs(budget.dependence) < 4.0 * budget.dependence_noise


def test_noise_is_the_spread_of_repeated_budgets_and_is_not_clipped():
    """A factor that only scales another one has no first order of its own."""
    draws = {"mass": normal(1), "scale": normal(2)}
    budgets = [
        budget_of(lambda b: b["mass"] * (1.0 + b["scale"]), draws, seed, precision=1.0)
        for seed in range(60)
    ]
    found = [budget.shares["scale"].first_order for budget in budgets]
    told = [budget.shares["scale"].first_order_noise for budget in budgets]
    assert np.std(found) == pytest.approx(np.sqrt(np.mean(np.square(told))), rel=0.35)
    assert min(found) < 0.0 < max(found)
    assert np.mean(found) == pytest.approx(0.0, abs=5.0 * np.std(found) / math.sqrt(60))


def test_a_factor_without_effect_gets_exactly_nothing():
    draws = {"mass": normal(1), "idle": normal(2)}
    idle = budget_of(lambda b: b["mass"] + 0.0 * b["idle"], draws).shares["idle"]
    assert (idle.first_order, idle.total) == (0.0, 0.0)


def test_fewer_draws_tell_of_more_noise():
    few, many = (
        budget_of(
            lambda b: b["a"] + b["b"],
            {"a": normal(1)[:n], "b": normal(2)[:n]},
            precision=1.0,
        )
        for n in (200, N_DRAWS)
    )
    assert few.noise > 2.0 * many.noise
    assert few.dependence_noise > 2.0 * many.dependence_noise


def test_more_precision_takes_more_rounds():
    draws = {"a": normal(1), "b": normal(2)}
    rough, fine = (
        budget_of(lambda b: b["a"] * b["b"], draws, precision=p) for p in (0.05, 0.004)
    )
    assert rough.n_rounds < fine.n_rounds
    assert fine.noise < 0.004


def test_sentences_name_the_factors_in_order_with_their_parts():
    draws = {"calibration": 0.5 * normal(1), "mass": normal(2), "idle": normal(3)}
    budget = budget_of(
        lambda b: b["mass"] + b["calibration"], draws, quantity="ln kidney dose"
    )
    text = budget.explain()
    assert text.startswith("Variance of ln kidney dose: mass ")
    shares = [budget.shares[name].first_order for name in ("mass", "calibration")]
    for share, expected in zip(shares, (0.8, 0.2), strict=True):
        assert share == pytest.approx(expected, abs=0.03)
        assert f"{100.0 * share:.0f} %" in text
    assert text.index("mass") < text.index("calibration") < text.index("idle")
    assert "twice the Monte-Carlo error: idle" in text
    assert "only together" not in text
    assert f"from {N_DRAWS} draws" in text
    joint = budget_of(lambda b: b["mass"] * b["calibration"], draws).explain()
    assert "only together (with it: " in joint


def test_the_same_generator_gives_the_same_budget():
    draws = {"a": normal(1), "b": normal(2)}
    first, again = (budget_of(lambda b: b["a"] + b["b"], draws, 3) for _ in range(2))
    assert first == again


@pytest.mark.parametrize(
    ("function", "blocks", "text"),
    [
        (lambda b: b, {}, "at least one factor"),
        (lambda b: b["a"], {"a": np.zeros(50)}, "50 draws are too few"),
        (
            lambda b: b["a"],
            {"a": np.zeros(200), "b": np.zeros(100)},
            r"a \[\(200,\)\], b \[\(100,\)\]",
        ),
        (lambda b: b["a"], {"a": np.full(200, 3.0)}, "does not vary"),
        (lambda b: b["a"].sum(), {"a": np.arange(200.0)}, r"has the shape \(\)"),
        (
            lambda b: np.where(b["a"] > b["b"], np.inf, b["a"]),
            {"a": np.arange(200.0), "b": np.arange(200.0)},
            "are not finite: mend",
        ),
    ],
)
def test_what_cannot_be_shared_out_is_refused(function, blocks, text):
    with pytest.raises(InputError, match=text):
        budget_of(function, blocks)


def test_a_precision_must_be_positive():
    with pytest.raises(InputError, match="precision is 0"):
        budget_of(lambda b: b["a"], {"a": normal(1)}, precision=0.0)
