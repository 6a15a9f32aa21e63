"""The tree of a fit: its rows typed again, PyMC's own numbers, and ArviZ on it."""

import math
from pathlib import Path
from typing import Any

import arviz
import numpy as np
import pymc as pm
import pytest
import xarray as xr
from scipy.special import logsumexp
from scipy.stats import kstest, norm

from pkmodels.administrations import Administration
from pkmodels.errors import InputError, ModelError, SolveError
from pkmodels.exact import compile_exactly
from pkmodels.fitting import prior_predictive, worked_example
from pkmodels.fitting.checks import Checks
from pkmodels.fitting.experiments import Experiment, alone
from pkmodels.fitting.fit import Fit
from pkmodels.fitting.observations import arrange
from pkmodels.fitting.posterior import Posterior, build_model
from pkmodels.fitting.prior_predictive import draw_prior_predictive
from pkmodels.fitting.rows import draw_rows
from pkmodels.fitting.sampling import Draws
from pkmodels.fitting.trees import to_tree
from pkmodels.measurements import Measurement, Quantity
from pkmodels.models import organ_exchange
from pkmodels.nuclides import nuclide
from pkmodels.schedule import Schedule
from pkmodels.system import assemble
from pkmodels.values import Certainty, PriorSet, half_normal

GIVEN = Schedule((Administration(0.0, 0.0, "dotatate", "Lu-177", 7400.0),))
LU177 = nuclide("Lu-177").decay_constant_per_h
LEAST = 0.02
az: Any = arviz
# Terms are interleaved: a log-normal row, two with a stated sd, a limit not reached.
ROWS = (
    ("kidney", 24.0, 70.0, None, False),
    ("kidney", 72.0, 38.0, 2.0, False),
    ("liver", 24.0, 300.0, None, False),
    ("liver", 168.0, 60.0, None, True),
    ("liver", 72.0, 150.0, 9.0, False),
)
PASSED = Checks(1.0, 2e3, 2e3, 0, 0, (), 1, ())


def posterior() -> Posterior:
    scans = tuple(
        Measurement(
            region=region,
            label="Lu-177",
            modality="SPECT",
            start_h=time,
            end_h=time,
            value=value,
            quantity=Quantity.ACTIVITY,
            sd=sd,
            decay_corrected_to_h=None,
            source="typed",
            below=below,
        )
        for region, time, value, sd, below in ROWS
    )
    organs = {"kidney": "kidney", "liver": "liver"}
    compiled = compile_exactly(
        assemble(organ_exchange.model(tuple(organs)), GIVEN.form)
    )
    only = Experiment("therapy", compiled, GIVEN, scans)
    seen = arrange([only], [])
    floor = half_normal(0.7, "MBq", "typed", Certainty.JUDGEMENT)
    example = worked_example.posterior()
    fields = {name: getattr(example, name) for name in example.__dataclass_fields__} | {
        "experiments": (only,),
        "table": alone(only, organ_exchange.priors("dotatate", organs)),
        "observations": seen,
        "minimum_noise": LEAST,
        "noise_floor": dict.fromkeys(seen.floors, floor),
    }
    return Posterior(**fields)


@pytest.fixture(scope="module")
def made() -> Fit:
    """A fit whose draws are made up: near the values, with noise of 5 to 15 %."""
    generator = np.random.default_rng(0)
    shape = (4, 500)
    values = np.array([row[2] for row in ROWS])
    near = np.exp(0.05 * generator.standard_normal((*shape, len(ROWS))))
    variables = {
        "kinetics": np.exp(generator.standard_normal((*shape, 3))),
        "uptake_odds": np.full((*shape, 2), 0.02),
        "fraction": np.full((*shape, 2), 0.02 / 1.04),
        "relative_noise": generator.uniform(0.05, 0.15, (*shape, 1)),
        "noise_floor": generator.uniform(0.5, 1.5, (*shape, 2)),
        "expected": values * near,
    }
    normal = generator.standard_normal((*shape, 8))
    statistics = {"lp": normal[..., 0], "energy": normal[..., 1]}
    still = np.zeros(shape, bool)
    draws = Draws(variables, normal, still, 0.9, statistics)
    return Fit(posterior(), draws, PASSED, seed=3)


@pytest.fixture(scope="module")
def tree(made: Fit) -> Any:
    return to_tree(made)


def spreads(made: Fit) -> tuple[np.ndarray, np.ndarray]:
    """Return the sd of each row: of the logarithm, and of the value."""
    drawn = made.draws.variables
    relative = np.hypot(drawn["relative_noise"], LEAST)
    stated = np.array([row[3] or 0.0 for row in ROWS])
    # Of the two floors, the kidney's row comes first.
    floor = drawn["noise_floor"][..., [0, 0, 1, 1, 1]]
    return relative, np.sqrt(floor**2 + (relative * drawn["expected"]) ** 2 + stated**2)


def test_log_likelihood_is_of_each_value_in_its_own_unit(made: Fit, tree: Any) -> None:
    relative, absolute = spreads(made)
    expected = made.draws.variables["expected"]
    value = np.array([row[2] for row in ROWS])
    logarithms = norm.logpdf(np.log(value), np.log(expected), relative) - np.log(value)
    additive = norm.logpdf(value, expected, absolute)
    below = norm.logcdf(np.log(value), np.log(expected), relative)
    truth = np.stack(
        [
            logarithms[..., 0],
            additive[..., 1],
            logarithms[..., 2],
            below[..., 3],
            additive[..., 4],
        ],
        axis=-1,
    )
    found = tree["log_likelihood"]["value"]
    assert found.dims == ("chain", "draw", "row")
    np.testing.assert_allclose(found.values, truth, rtol=1e-9)


def test_log_likelihood_is_that_of_pymc() -> None:
    """PyMC solves each draw anew; ours takes what the draw expects."""
    example = worked_example.posterior()
    model = build_model(example)
    half_lives, noise = np.array([[50.0], [70.0]]), np.array([[0.05], [0.1]])
    expected = 100.0 * np.exp(
        -(math.log(2.0) / half_lives + LU177) * np.array([24.0, 72.0, 120.0])
    )
    variables = {
        "kinetics": half_lives[None],
        "relative_noise": noise[None],
        "expected": expected[None],
    }
    draws = Draws(variables, np.zeros((1, 2, 2)), np.zeros((1, 2), bool), 0.9)
    tree: Any = to_tree(Fit(example, draws, PASSED, seed=0))
    theirs: Any = pm.compute_log_likelihood(
        tree.copy(deep=True),
        model=model,
        extend_inferencedata=False,
        progressbar=False,
        compile_kwargs={"mode": "FAST_COMPILE"},
    )
    found = theirs["log_value"].values
    values = example.observations.value
    np.testing.assert_allclose(
        tree["log_likelihood"]["value"].values, found - np.log(values), rtol=1e-9
    )


def test_values_drawn_anew_scatter_as_the_noise_says(made: Fit, tree: Any) -> None:
    relative, absolute = spreads(made)
    expected = made.draws.variables["expected"]
    drawn = tree["posterior_predictive"]["value"].values
    logarithms = (np.log(drawn) - np.log(expected)) / relative
    additive = (drawn - expected) / absolute
    for scores in (
        logarithms[..., 0],
        additive[..., 1],
        logarithms[..., 2],
        additive[..., 4],
    ):
        assert kstest(scores.ravel(), "norm").pvalue > 1e-3
    limit = ROWS[3][2]
    assert drawn[..., 3].min() == pytest.approx(limit)
    share = norm.cdf((np.log(limit) - np.log(expected[..., 3])) / relative[..., 0])
    at_limit = (drawn[..., 3] <= limit * (1.0 + 1e-9)).mean()
    error = math.sqrt(0.25 / drawn[..., 3].size)
    assert at_limit == pytest.approx(share.mean(), abs=4.0 * error)
    # Rows and chains are drawn apart.
    flat = logarithms[..., [0, 2]].reshape(-1, 2)
    assert abs(np.corrcoef(flat.T)[0, 1]) < 0.1


def test_a_seed_repeats_the_values_drawn(made: Fit) -> None:
    model = build_model(made.posterior)
    flat = {
        name: array.reshape(-1, array.shape[-1])
        for name, array in made.draws.variables.items()
    }
    one, again, other = (draw_rows(model, flat, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one[:, 0] != other[:, 0]).all()


def test_names_say_what_each_number_is(made: Fit, tree: Any) -> None:
    kinetics = tree["posterior"]["kinetics"]
    assert list(kinetics["kinetics_of"].values) == [
        "blood_half_time",
        "biological_half_life_kidney",
        "biological_half_life_liver",
    ]
    floors = tree["posterior"]["noise_floor"]["noise_floor_of"].values
    assert list(floors) == ["kidney, SPECT", "liver, SPECT"]
    what = tree["constant_data"]
    assert list(what["region"].values) == [row[0] for row in ROWS]
    np.testing.assert_array_equal(what["time"].values, [row[1] for row in ROWS])
    assert set(what["experiment"].values) == {"therapy"}
    np.testing.assert_array_equal(
        tree["observed_data"]["value"].values, [row[2] for row in ROWS]
    )
    np.testing.assert_array_equal(
        tree["sample_stats"]["energy"].values, made.draws.statistics["energy"]
    )
    assert tree.attrs["checks_passed"] == 1


def test_loo_takes_the_tree_as_it_is(tree: Any) -> None:
    """Of well-behaved rows: - ln of the mean of 1 / p(y | draw)."""
    found = az.loo(tree, pointwise=True)
    logs = tree["log_likelihood"]["value"].values.reshape(-1, len(ROWS))
    plain = math.log(len(logs)) - np.asarray(logsumexp(-logs, axis=0))
    assert found.elpd == pytest.approx(plain.sum(), abs=0.05)
    assert found.n_data_points == len(ROWS)


def test_arviz_summarizes_and_draws_the_tree(tree: Any) -> None:
    names = ["kinetics", "relative_noise"]
    table = az.summary(tree, var_names=names)
    assert next(iter(table.index)) == "kinetics[blood_half_time]"
    for plot in (az.plot_forest, az.plot_trace, az.plot_dist):
        plot(tree, var_names=names, backend="none")
    az.plot_ppc_dist(tree, backend="none")
    az.plot_energy(tree, backend="none")


def test_a_written_tree_is_read_again(tree: Any, tmp_path: Path) -> None:
    path = tmp_path / "posterior.nc"
    tree.to_netcdf(path, engine="h5netcdf")
    with xr.open_datatree(path, engine="h5netcdf") as again:
        assert set(again.children) == set(tree.children)
        for group in tree.children:
            xr.testing.assert_equal(again[group].to_dataset(), tree[group].to_dataset())


def test_the_prior_predicts_the_closed_form() -> None:
    """100 exp(-(ln 2 / T + lambda) t) rises with T, whose quantiles are known."""
    drawn = draw_prior_predictive(worked_example.posterior(), 8000, seed=1)
    curves = drawn.curves("Lu-177", np.array([24.0, 120.0]))[:, :, 0]
    for probability in (0.1, 0.5, 0.9):
        half_life = 60.0 * math.exp(norm.ppf(probability))
        rate = math.log(2.0) / half_life + LU177
        for column, time in enumerate((24.0, 120.0)):
            # Where the quantile lies among the draws, 4 standard errors.
            below = (curves[:, column] < 100.0 * math.exp(-rate * time)).mean()
            error = math.sqrt(probability * (1.0 - probability) / 8000.0)
            assert below == pytest.approx(probability, abs=4.0 * error)
    expected = drawn.variables["expected"]
    np.testing.assert_allclose(
        drawn.curves("Lu-177", np.array([72.0]))[:, 0, 0], expected[:, 1], rtol=1e-9
    )
    # The noise is half-normal of 0.1, beside 0.01.
    variance = np.log(drawn.values / expected).var()
    assert variance == pytest.approx(0.1**2 + 0.01**2, rel=0.06)
    assert drawn.failed == 0


def test_a_tree_may_hold_the_prior_too() -> None:
    example = worked_example.posterior()
    prior = draw_prior_predictive(example, 200, seed=1)
    variables = {name: array[None] for name, array in prior.variables.items()}
    still = np.zeros((1, 200))
    draws = Draws(variables, still[..., None], still.astype(bool), 0.9)
    tree: Any = to_tree(Fit(example, draws, PASSED, seed=0), prior=prior)
    assert tree["prior"]["kinetics"].dims == ("chain", "draw", "kinetics_of")
    np.testing.assert_array_equal(
        tree["prior_predictive"]["value"].values[0], prior.values
    )
    az.plot_ppc_dist(tree, group="prior_predictive", backend="none")


def test_a_prior_that_cannot_be_solved_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    example = worked_example.posterior()
    with pytest.raises(InputError, match="n_draws is 0"):
        draw_prior_predictive(example, 0, seed=1)
    with pytest.raises(InputError, match="no label 'Y-90'"):
        draw_prior_predictive(example, 10, seed=1).curves("Y-90", np.ones(1))
    monkeypatch.setattr(prior_predictive, "MOST_FAILED", -1.0)
    with pytest.raises(SolveError, match="0 of 10 draws of the prior"):
        draw_prior_predictive(example, 10, seed=1)


def test_missing_and_unused_priors_are_errors() -> None:
    only, known = worked_example.experiment(), worked_example.posterior().priors
    prior = known.independent["half_life"]
    with pytest.raises(ModelError, match="half_life"):
        alone(only, PriorSet({}, {}))
    with pytest.raises(ModelError, match="half_lifes"):
        alone(only, PriorSet({"half_life": prior, "half_lifes": prior}, {}))
