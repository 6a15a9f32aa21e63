"""Coordinates: what each entry of a posterior's unconstrained vector is.

PyMC moves positive variables to ln x and fractions to logit x; the vector holds the
variables of `Posterior.all_priors` in order, then the user's own distributions.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from pkmodels.fitting.posterior import (
    KINETICS,
    MASS,
    ODDS,
    PROPORTION,
    Posterior,
    parameter_draws,
)
from pkmodels.fitting.priors import sampling_scale_sd
from pkmodels.fitting.sampling import Draws
from pkmodels.values import Family, Prior

# What is asked of a patient; all else belongs to the instrument and the outline.
KINETIC = (KINETICS, PROPORTION, ODDS)
# About how wide ln of a noise is under its prior, a half-normal.
_NOISE_SPREAD = 0.5


@dataclass(frozen=True)
class Coordinate:
    """One entry of the unconstrained vector.

    Parameters
    ----------
    variable, name : str
        PyMC variable, and which of its entries.
    prior : Prior or None
        Its prior; None of a PyMC distribution of the user's own.
    """

    variable: str
    name: str
    prior: Prior | None

    @property
    def key(self) -> str:
        """What `pkmodels.fitting.learning.contraction` calls it."""
        own = self.variable in KINETIC or self.prior is None
        return self.name if own else f"{self.variable}[{self.name}]"

    @property
    def kinetic(self) -> bool:
        """Whether it is of the kinetics, not of the instrument or the outline."""
        return self.variable in KINETIC or self.prior is None

    @property
    def centre(self) -> float:
        """Median of the prior on the unconstrained scale; of a noise half its scale."""
        if self.prior is None:
            return 0.0
        given = self.prior.parameters
        if self.prior.family is Family.LOGIT_NORMAL:
            return float(logit(given["median"]))
        half = self.prior.family is Family.HALF_NORMAL
        return float(np.log(given["scale"] / 2.0 if half else given["median"]))

    @property
    def spread(self) -> float:
        """About how wide the prior is on the unconstrained scale."""
        if self.prior is None or self.prior.family is Family.HALF_NORMAL:
            return _NOISE_SPREAD
        return sampling_scale_sd(self.prior)

    def shown(self, at: np.ndarray) -> np.ndarray:
        """Return the numbers of places on the unconstrained scale, in the own unit."""
        is_share = self.prior is not None and self.prior.family is Family.LOGIT_NORMAL
        return expit(at) if is_share else np.exp(at)


def coordinates_of(posterior: Posterior) -> tuple[Coordinate, ...]:
    """Return what each entry of a posterior's unconstrained vector is.

    Parameters
    ----------
    posterior : Posterior
        What is fitted.

    Returns
    -------
    tuple of Coordinate

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> [c.key for c in coordinates_of(worked_example.posterior())]
    ['half_life', 'relative_noise[SPECT]']
    """
    found = [
        Coordinate(variable, name, prior)
        for variable, group in posterior.all_priors.items()
        for name, prior in group.items()
    ]
    own = [Coordinate(name, name, None) for name in posterior.distributions]
    return (*found, *own)


def parameters_at(
    posterior: Posterior, points: np.ndarray, experiment: str | None = None
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return an experiment's parameters and the masses at unconstrained vectors.

    Parameters
    ----------
    posterior : Posterior
        What is fitted, without distributions of the user's own.
    points : (m, n) array
        Unconstrained vectors.
    experiment : str, optional
        Which; the first one by default.

    Returns
    -------
    parameters : (m, n_parameters) array
        In the order of the experiment's vector.
    masses : dict of str to (m,) array
        g, by region.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> at = np.log([[60.0, 0.1]])
    >>> parameters_at(worked_example.posterior(), at)[0].round(3)
    array([[60.]])
    """
    count = len(points)
    variables: dict[str, list[np.ndarray]] = {}
    for column, each in zip(points.T, coordinates_of(posterior), strict=True):
        variables.setdefault(each.variable, []).append(each.shown(column))
    stacked = {name: np.stack(v, axis=-1)[None] for name, v in variables.items()}
    draws = Draws(stacked, points[None], np.zeros((1, count), bool), 0.0)
    masses = {n: np.full(count, mass) for n, mass in posterior.exact_masses.items()}
    for i, name in enumerate(posterior.masses):
        masses[name] = stacked[MASS][0, :, i]
    return parameter_draws(posterior, draws, experiment), masses
