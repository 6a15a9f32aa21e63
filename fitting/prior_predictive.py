"""Prior prediction: what a model and its priors expect before anything is measured."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import numpy as np

from pkmodels.errors import InputError, SolveError
from pkmodels.fitting.densities import compile_density
from pkmodels.fitting.posterior import (
    EXPECTED,
    Posterior,
    build_model,
    measured_data,
    parameter_draws,
)
from pkmodels.fitting.prediction import predict_labels
from pkmodels.fitting.rows import draw_rows
from pkmodels.fitting.sampling import Draws
from pkmodels.fitting.targets import target_of

# More failures than this say that the priors hold what is no body.
MOST_FAILED = 0.05


@dataclass(frozen=True, eq=False)
class PriorPredictive:
    """Draws of the prior, with the measurements that each predicts.

    Parameters
    ----------
    posterior : Posterior
        Whose prior.
    variables : mapping of str to (n_draws, ...) array
        Every named variable of the PyMC model, ``expected`` among them.
    values : (n_draws, n_rows) array
        A measured value of each row, noise included, in the row's unit.
    failed : int
        Draws that could not be solved; they are left out of the arrays.
    seed : int
        Repeats them exactly.
    """

    posterior: Posterior
    variables: Mapping[str, np.ndarray]
    values: np.ndarray
    failed: int
    seed: int

    def curves(
        self, label: str, times_h: np.ndarray, experiment: str | None = None
    ) -> np.ndarray:
        """Return the activity of every observable over time, of each draw.

        Parameters
        ----------
        label : str
            Which label, of those measured in the experiment.
        times_h : (n_times,) array
            Times, h, >= 0.
        experiment : str, optional
            Which; the first one by default.

        Returns
        -------
        (n_draws, n_times, n_observables) array, MBq

        Raises
        ------
        InputError
            When the label was not measured in that experiment.
        """
        own = self.posterior.experiment(experiment)
        known = dict.fromkeys(m.label for m in own.measurements)
        if label not in known:
            raise InputError(
                f"no label {label!r} was measured in experiment {own.name!r}: known "
                f"are {', '.join(known)}"
            )
        parameters = parameter_draws(
            self.posterior, _as_chain(self.variables), own.name
        )
        return predict_labels(own.compiled, parameters, own.schedule, times_h)[label]


def draw_prior_predictive(
    posterior: Posterior, n_draws: int, *, seed: int
) -> PriorPredictive:
    """Draw from the prior, and what would be measured of each draw.

    Parameters
    ----------
    posterior : Posterior
        Model, priors, and the measurements whose times, regions and noise are used;
        their values are not.
    n_draws : int
        How many, >= 1.
    seed : int
        Repeats them exactly, >= 0.

    Returns
    -------
    PriorPredictive

    Raises
    ------
    InputError
        When `n_draws` is below 1.
    SolveError
        When more than `MOST_FAILED` of the draws cannot be solved.

    References
    ----------
    Gabry et al., J R Stat Soc A 2019;182:389 (prior predictive checks).

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> drawn = draw_prior_predictive(worked_example.posterior(), 2000, seed=0)
    >>> times = np.array([24.0])  # 100 exp(-(ln 2 / 60 + lambda) 24) MBq at the median
    >>> curves = drawn.curves("Lu-177", times)
    >>> abs(np.median(curves) - 68.3) < 1.0
    np.True_
    """
    if n_draws < 1:
        raise InputError(f"n_draws is {n_draws}: it must be at least 1")
    model = build_model(posterior)
    density = compile_density(model)
    data = density.data(measured_data(posterior))
    unconstrained = target_of(density).draw_prior(n_draws, seed, data)
    found = jax.jit(jax.vmap(density.constrain))(unconstrained)
    variables = dict(zip(density.names, map(np.asarray, found), strict=True))
    solved = np.isfinite(variables[EXPECTED]).all(axis=1)
    failed = int((~solved).sum())
    if failed > MOST_FAILED * n_draws:
        raise SolveError(
            f"{failed} of {n_draws} draws of the prior cannot be solved: look at the "
            "priors of the rates for a wrong unit or a far too wide spread"
        )
    variables = {name: array[solved] for name, array in variables.items()}
    values = draw_rows(model, variables, _seed_of_noise(seed))
    return PriorPredictive(posterior, variables, values, failed, seed)


def _seed_of_noise(seed: int) -> int:
    """Return another seed: the same would draw the first parameter as the noise."""
    return int(np.random.SeedSequence([seed, 1]).generate_state(1)[0])


def _as_chain(variables: Mapping[str, np.ndarray]) -> Draws:
    """Return draws as those of one chain."""
    count = len(variables[EXPECTED])
    shaped = {name: array[None] for name, array in variables.items()}
    none = np.zeros((1, count))
    return Draws(shaped, none[..., None], none.astype(bool), np.nan)
