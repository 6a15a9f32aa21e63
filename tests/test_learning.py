"""What the data taught, and what a quantile is worth, against closed forms."""

import math
from dataclasses import replace

import numpy as np
import pytest
from clinic_patients import write_patient
from made_up_fit import made_up_fit
from scipy.stats import norm

from pkmodels.clinic.patient_files import read_patient
from pkmodels.fitting.checks import quantile_size
from pkmodels.fitting.fit import Fit
from pkmodels.fitting.learning import contraction, priors_in_words, quantiles_of
from pkmodels.fitting.posterior import KINETICS, NOISE


@pytest.fixture(scope="module")
def fit(tmp_path_factory: pytest.TempPathFactory) -> Fit:
    patient = read_patient(write_patient(tmp_path_factory.mktemp("p")))
    return made_up_fit(patient, log_sd=0.2)


def test_contraction_is_one_less_the_ratio_of_variances(fit: Fit) -> None:
    """Half-lives were drawn with sd of ln 0.2, calibrations as their prior."""
    found = contraction(fit)
    prior = fit.posterior.priors.independent["biological_half_life_liver"]
    expected = 1.0 - (0.2 / prior.parameters["log_sd"]) ** 2
    assert found["biological_half_life_liver"] == pytest.approx(expected, abs=0.01)
    assert found["calibration[SPECT]"] == pytest.approx(0.0, abs=0.1)


def test_an_untaught_noise_has_no_contraction(fit: Fit) -> None:
    """Half-normal draws have variance scale^2 (1 - 2/pi)."""
    scale = fit.posterior.relative_noise.parameters["scale"]
    normal = np.random.default_rng(3).standard_normal((4, 20_000, 1))
    variables = {
        name: np.repeat(values, 40, axis=1)
        for name, values in fit.draws.variables.items()
    }
    variables[NOISE] = scale * np.abs(normal)
    many = replace(
        fit.draws, variables=variables, diverging=np.zeros((4, 20_000), dtype=bool)
    )
    found = contraction(replace(fit, draws=many))
    assert found["relative_noise[SPECT]"] == pytest.approx(0.0, abs=0.02)


def test_masses_that_no_value_hangs_on_are_left_out(fit: Fit) -> None:
    """Totals in MBq know nothing of a mass; its prior is not shown as learnt from."""
    assert fit.posterior.masses
    assert not any("mass" in name for name in contraction(fit))
    assert set(contraction(fit)) == set(quantiles_of(fit))
    assert set(contraction(fit)) <= set(priors_in_words(fit.posterior))


def test_quantiles_stand_beside_those_of_the_prior(fit: Fit) -> None:
    unit, prior, posterior = quantiles_of(fit)["biological_half_life_liver"]
    stated = fit.posterior.priors.independent["biological_half_life_liver"].parameters
    assert unit == "h"
    assert prior == pytest.approx(
        [
            stated["median"] * math.exp(stated["log_sd"] * z)
            for z in norm.ppf([0.025, 0.5, 0.975])
        ]
    )
    names = list(fit.posterior.priors.independent)
    column = names.index("biological_half_life_liver")
    drawn = fit.draws.variables[KINETICS][..., column]
    assert posterior == pytest.approx(np.quantile(drawn, [0.025, 0.5, 0.975]))
    # Drawn with median 60 h and sd of ln 0.2.
    assert posterior[1] == pytest.approx(60.0, rel=0.02)
    assert posterior[2] / posterior[1] == pytest.approx(math.exp(0.2 * 1.96), rel=0.05)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.8])
def test_a_median_of_correlated_draws_is_worth_the_arcsine_law(
    correlation: float,
) -> None:
    """Signs of a Gaussian AR(1) chain correlate by (2/pi) arcsin(rho^k) at lag k."""
    generator = np.random.default_rng(5)
    noise = generator.standard_normal((4, 20_000))
    chains = np.zeros_like(noise)
    chains[:, 0] = noise[:, 0]
    keep = math.sqrt(1.0 - correlation**2)
    for i in range(1, noise.shape[1]):
        chains[:, i] = correlation * chains[:, i - 1] + keep * noise[:, i]
    lags = correlation ** np.arange(1, 200)
    inflation = 1.0 + 2.0 * np.sum(2.0 / math.pi * np.arcsin(lags))
    expected = noise.size / inflation
    assert quantile_size(chains, 0.5) == pytest.approx(expected, rel=0.1)


def test_antithetic_draws_are_worth_no_more_than_their_number() -> None:
    half = np.random.default_rng(6).standard_normal((4, 1000))
    chains = np.stack([half, -half], axis=-1).reshape(4, 2000)
    assert quantile_size(chains, 0.5) == 8000.0
