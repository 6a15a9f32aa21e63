"""The prior-predictive figure: its bands, its points and what it leaves out."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pkmodels.clinic.prior_plots import plot_prior_predictive
from pkmodels.fitting import worked_example
from pkmodels.fitting.experiments import alone
from pkmodels.fitting.observations import arrange
from pkmodels.fitting.posterior import Posterior
from pkmodels.fitting.prior_predictive import PriorPredictive, draw_prior_predictive
from pkmodels.measurements import Quantity

MASS_G = 20.0


@pytest.fixture(scope="module")
def drawn() -> PriorPredictive:
    """Of three scans: an activity, a limit that was not reached, a concentration."""
    only = worked_example.experiment()
    first, second, third = only.measurements
    per_gram = replace(
        third, value=third.value / MASS_G, quantity=Quantity.CONCENTRATION
    )
    scans = (first, replace(second, below=True), per_gram)
    only = replace(only, measurements=scans)
    whole: Posterior = replace(
        worked_example.posterior(),
        experiments=(only,),
        table=alone(only, worked_example.posterior().priors),
        observations=arrange([only], []),
        exact_masses={"organ": MASS_G},
    )
    return draw_prior_predictive(whole, 4000, seed=2)


def traces(figure: Any, name: str) -> list[Any]:
    return [trace for trace in figure.data if trace.name == name]


def test_bands_are_quantiles_of_the_curves(drawn: PriorPredictive) -> None:
    """100 exp(-(ln 2 / T + lambda) t), T of median 60 h."""
    figure = plot_prior_predictive(drawn)
    (median,) = traces(figure, "median")
    decay = np.log(2.0) / (6.647 * 24.0)
    truth = 100.0 * np.exp(-(np.log(2.0) / 60.0 + decay) * np.asarray(median.x))
    np.testing.assert_allclose(median.y, truth, rtol=0.05)
    (outer,) = traces(figure, "curve expected, 95 %")
    (inner,) = traces(figure, "curve expected, 50 %")
    assert (np.asarray(outer.y)[:83] >= np.asarray(inner.y)[:83]).all()
    assert (np.asarray(outer.y)[83:] <= np.asarray(inner.y)[83:]).all()


def test_values_of_all_kinds_are_drawn_as_activities(drawn: PriorPredictive) -> None:
    figure = plot_prior_predictive(drawn)
    (measured,) = traces(figure, "SPECT, measured")
    np.testing.assert_allclose(measured.x, [24.0, 120.0])
    np.testing.assert_allclose(measured.y, [70.0, 16.0], rtol=1e-9)
    (limit,) = traces(figure, "SPECT, limit not reached")
    np.testing.assert_allclose([limit.x[0], limit.y[0]], [72.0, 35.0], rtol=1e-9)
    bars = traces(figure, "value expected, 95 %")
    low = np.asarray(bars[0].y) - np.asarray(bars[0].error_y.arrayminus)
    truth = np.quantile(drawn.values[:, [0, 2]], 0.025, axis=0) * [1.0, MASS_G]
    np.testing.assert_allclose(low, truth, rtol=1e-9)
