"""Priors that are PyMC distributions: the density, the fit, and what is refused."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pymc as pm
import pytest
from scipy.stats import gamma, lognorm

from pkmodels.errors import ModelError
from pkmodels.fitting import worked_example
from pkmodels.fitting.densities import compile_density
from pkmodels.fitting.learning import priors_in_words
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


def test_a_distribution_of_nothing_is_refused() -> None:
    with pytest.raises(ModelError, match="'half_lives', which is no unknown"):
        replace(EXAMPLE, distributions={"half_lives": pm.Gamma.dist(2.0, 0.5)})
