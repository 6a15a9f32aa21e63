"""Sloppiness: which products of parameters the measurements tell, and which not.

The Fisher information in ln of the parameters has eigenvalues that often span many
decades. A stiff direction is a product of powers that the data fix; along a sloppy one
the parameters can move together while the curves stay.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pkmodels.errors import InputError
from pkmodels.fitting.coordinates import coordinates_of
from pkmodels.fitting.posterior import Posterior
from pkmodels.fitting.profiles import Objective

# An entry of a direction smaller than this is left out of its name.
_NAMED = 0.2
# An eigenvalue below this part of the largest is rounding, and stands as 0.
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Sloppiness:
    """The eigenvalues of the information about ln of the parameters.

    Parameters
    ----------
    names : tuple of str
        The parameters; a fraction by its logit or ln of its odds.
    eigenvalues : (n,) array
        Descending, >= 0, without the prior of the parameters.
    directions : (n, n) array
        One column each, of length 1.
    prior_log_sd : (n,) array
        What the prior alone says of each direction, sd of ln.
    """

    names: tuple[str, ...]
    eigenvalues: np.ndarray
    directions: np.ndarray
    prior_log_sd: np.ndarray

    @property
    def log_sd(self) -> np.ndarray:
        """What the data alone say of each direction, sd of ln; infinite where none."""
        with np.errstate(divide="ignore"):
            return 1.0 / np.sqrt(self.eigenvalues)

    @property
    def decades(self) -> float:
        """log10 of the largest eigenvalue over the smallest; infinite over 0."""
        if self.eigenvalues[-1] == 0.0:
            return float(np.inf)
        return float(np.log10(self.eigenvalues[0] / self.eigenvalues[-1]))

    @property
    def told(self) -> np.ndarray:
        """Whether the data say more of each direction than the prior, (n,) bool."""
        return self.log_sd < self.prior_log_sd

    def direction(self, place: int) -> str:
        """Name a direction as a product of powers, the largest first."""
        return _product(self.names, self.directions[:, place])

    def describe(self) -> str:
        """Return every direction with what is known of it."""
        return _describe(self)


def sloppiness(
    information: np.ndarray, names: Sequence[str], prior_log_sd: np.ndarray
) -> Sloppiness:
    """Return stiff and sloppy directions of an information matrix.

    Parameters
    ----------
    information : (n, n) array
        About ln of the parameters, of the data alone.
    names : sequence of str
        The parameters.
    prior_log_sd : (n,) array
        sd of ln of each under its prior, > 0.

    Returns
    -------
    Sloppiness

    Raises
    ------
    InputError
        When the sizes differ, or a number is not finite.

    References
    ----------
    Brown and Sethna, Phys Rev E 2003;68:021904; Gutenkunst et al., PLoS Comput Biol
    2007;3:e189.

    Examples
    --------
    Only the product k1 k2 is seen, with a relative error of 10 %.

    >>> found = sloppiness(100.0 * np.ones((2, 2)), ["k1", "k2"], np.ones(2))
    >>> found.direction(0), found.direction(1), found.told.tolist()
    ('k1^0.71 k2^0.71', 'k1^0.71 k2^-0.71', [True, False])
    """
    found = np.asarray(information, dtype=float)
    size = len(names)
    if found.shape != (size, size) or np.shape(prior_log_sd) != (size,):
        raise InputError(
            f"the information is {found.shape}, the prior's sd {np.shape(prior_log_sd)}"
            f", for {size} names: give one row, column and sd to each"
        )
    if not np.isfinite(found).all():
        raise InputError("the information is not finite: the model cannot be solved")
    values, vectors = np.linalg.eigh((found + found.T) / 2.0)
    values, vectors = values[::-1], vectors[:, ::-1]
    values = np.where(values > _ROUNDING * max(values[0], 0.0), values, 0.0)
    largest = np.argmax(np.abs(vectors).round(9), axis=0)
    vectors = vectors * np.sign(vectors[largest, np.arange(size)])
    precision = (vectors**2 / np.asarray(prior_log_sd)[:, None] ** 2).sum(axis=0)
    return Sloppiness(tuple(names), values, vectors, 1.0 / np.sqrt(precision))


def kinetic_information(
    posterior: Posterior, objective: Objective, at: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...], np.ndarray]:
    """Return what the data alone say of the kinetics, all else being unknown, too.

    The Schur complement I_kk - I_kn I_nn^-1 I_nk of calibration, masses and noise n.

    Parameters
    ----------
    posterior : Posterior
        What is fitted.
    objective : Objective
        Its likelihood, from `objectives_of`.
    at : (n,) array
        The best fit, from `find_optimum`: elsewhere the noise and the rates mix.

    Returns
    -------
    information : (k, k) array
        About the kinetic coordinates.
    names : tuple of str
        Theirs.
    prior_log_sd : (k,) array
        sd of their priors, on the same scale.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> from pkmodels.fitting.objectives import objectives_of
    >>> from pkmodels.fitting.profile_search import find_optimum
    >>> example = worked_example.posterior()
    >>> likelihood = objectives_of(example, seed=0).likelihood
    >>> best = find_optimum(likelihood)
    >>> found, names, _ = kinetic_information(example, likelihood, best)
    >>> names, (1.0 / np.sqrt(found)).round(3).tolist()  # sd of ln, from the scans
    (('half_life',), [[0.02]])
    """
    each = coordinates_of(posterior)
    kinetic = np.array([c.kinetic for c in each])
    whole = objective.curvature(at)
    inner = whole[np.ix_(kinetic, kinetic)]
    if not kinetic.all():
        cross = whole[np.ix_(kinetic, ~kinetic)]
        others = whole[np.ix_(~kinetic, ~kinetic)]
        inner = inner - cross @ np.linalg.pinv(others, hermitian=True) @ cross.T
    chosen = [c for c in each if c.kinetic]
    return (
        inner,
        tuple(c.key for c in chosen),
        np.array([c.spread for c in chosen]),
    )


def _product(names: tuple[str, ...], direction: np.ndarray) -> str:
    order = [i for i in np.argsort(-np.abs(direction).round(9), kind="stable")]
    named = [i for i in order if abs(direction[i]) >= _NAMED]
    if len(named) == 1:
        return names[named[0]]
    return " ".join(f"{names[i]}^{direction[i]:.2f}" for i in named)


def _describe(found: Sloppiness) -> str:
    lines = []
    for i, (own, prior) in enumerate(
        zip(found.log_sd, found.prior_log_sd, strict=True)
    ):
        known = "nothing" if not np.isfinite(own) else f"sd of ln {own:.2g}"
        kind = "stiff" if own < prior else "sloppy"
        lines.append(
            f"{kind}: {found.direction(i)}: the data say {known}, the prior {prior:.2g}"
        )
    span = f"{found.decades:.1f}" if np.isfinite(found.decades) else "endlessly many"
    lines.append(f"The eigenvalues of the information span {span} decades.")
    return "\n".join(lines)
