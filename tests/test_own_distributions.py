"""Priors that are PyMC distributions: the density, the fit, and what is refused."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pymc as pm
import pytest
from scipy.special import polygamma
from scipy.stats import gamma, lognorm

from pkmodels.errors import ModelError
from pkmodels.fitting import worked_example
from pkmodels.fitting.checks import Checks
from pkmodels.fitting.densities import compile_density
from pkmodels.fitting.fit import Fit
from pkmodels.fitting.learning import contraction, priors_in_words, quantiles_of
from pkmodels.fitting.posterior import (
    Posterior,
    build_model,
    form_of,
    measured_data,
    parameter_draws,
)
from pkmodels.fitting.sampling import Draws

EXAMPLE = worked_example.posterior()
# PyTensor would hold bare numbers in single precision.
GAMMA = np.array(20.0), np.array(0.5)
HALF_LIFE_H, NOISE = 55.0, 0.08


def log_density(posterior: Posterior) -> float:
    """Return the density at one point, whatever the order of its variables."""
    density = compile_density(build_model(posterior))
    order = [v.name for v in density.model.value_vars]
    at = {"relative_noise_log__": NOISE}
    point = [np.log(at.get(str(name), HALF_LIFE_H)) for name in order]
    found = density.log_density(
        jnp.array(point), *density.data(measured_data(posterior))
    )
    return float(found)


def test_a_distribution_takes_the_place_of_the_prior() -> None:
    own = replace(EXAMPLE, distributions={"half_life": pm.Gamma.dist(*GAMMA)})
    # On the scale of ln x both densities carry a factor x.
    moved = gamma.logpdf(HALF_LIFE_H, 20.0, scale=2.0)
    moved -= lognorm.logpdf(HALF_LIFE_H, 1.0, scale=60.0)
    assert log_density(own) - log_density(EXAMPLE) == pytest.approx(moved, abs=1e-10)
    assert priors_in_words(own)["half_life"] == "PyMC: Gamma(20, 2)"
    assert form_of(own) != form_of(EXAMPLE)


def test_its_draws_are_the_parameters() -> None:
    own = replace(EXAMPLE, distributions={"half_life": pm.Gamma.dist(*GAMMA)})
    drawn = np.arange(400.0).reshape(4, 100)
    made = Draws(
        {"half_life": drawn}, np.zeros((4, 100, 2)), np.zeros((4, 100), bool), 0.9
    )
    np.testing.assert_array_equal(parameter_draws(own, made)[:, 0], np.arange(400.0))


def test_what_the_data_taught_is_held_to_draws_of_the_distribution() -> None:
    """Var ln Gamma(20) is trigamma(20); the posterior was drawn with sd of ln 0.1."""
    own = replace(EXAMPLE, distributions={"half_life": pm.Gamma.dist(*GAMMA)})
    normal = np.random.default_rng(0).standard_normal((4, 5000))
    variables = {
        "half_life": 50.0 * np.exp(0.1 * normal),
        "relative_noise": np.full((4, 5000, 1), 0.05),
    }
    draws = Draws(variables, np.zeros((4, 5000, 2)), np.zeros((4, 5000), bool), 0.9)
    made = Fit(own, draws, Checks(1.0, 2e3, 2e3, 0, 0, (), 1, ()), seed=0)
    wanted = 1.0 - 0.01 / float(polygamma(1, 20.0))
    assert contraction(made)["half_life"] == pytest.approx(wanted, abs=0.02)
    unit, before, after = quantiles_of(made)["half_life"]
    assert unit == "h"
    truth = gamma(20.0, scale=2.0).ppf([0.025, 0.5, 0.975])
    np.testing.assert_allclose(before, truth, rtol=0.03)
    np.testing.assert_allclose(np.log(after[1] / 50.0), 0.0, atol=0.01)


def test_a_distribution_of_nothing_is_refused() -> None:
    with pytest.raises(ModelError, match="'half_lives', which is no unknown"):
        replace(EXAMPLE, distributions={"half_lives": pm.Gamma.dist(2.0, 0.5)})
