"""Objectives: a posterior, or its likelihood alone, as something to minimize.

Without the prior only that of the kinetics is taken away: calibration, masses and noise
keep theirs, since those stand for measurements of their own (a phantom, a CT).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np

from pkmodels.errors import InputError, suggest
from pkmodels.fitting.anchoring import anchored, problem_of
from pkmodels.fitting.coordinates import (
    Coordinate,
    coordinates_of,
    parameters_at,
)
from pkmodels.fitting.densities import compile_density, slope_of
from pkmodels.fitting.information import information_of
from pkmodels.fitting.posterior import (
    FLOOR,
    MASS,
    NOISE,
    ODDS,
    Posterior,
    build_model,
)
from pkmodels.fitting.profiles import FAILED, Objective, Target
from pkmodels.fitting.sampling import Coordinates, Problem
from pkmodels.values import Family

LIKELIHOOD, POSTERIOR = "the likelihood", "the posterior"
# How far a quantity is followed: to a thousandth and a thousandfold of its estimate;
# of a fraction the same of its odds.
FARTHEST = float(np.log(1000.0))
# Prior sd either side of the medians at which the other optimizations begin.
_APART = 1.0
_STARTS = 4
# Of central differences, in the width of each prior: above a solver's error, far below
# the bend of a curve.
_STEP = 1e-3

Quantity = Callable[[np.ndarray, dict[str, np.ndarray]], np.ndarray]


@dataclass(frozen=True, eq=False)
class Objectives:
    """The two things that a posterior's profiles minimize, compiled together.

    Parameters
    ----------
    likelihood : Objective
        -ln of the density without the prior of the kinetics.
    posterior : Objective
        -ln of the density with every prior.
    """

    likelihood: Objective
    posterior: Objective


def objectives_of(posterior: Posterior, *, seed: int) -> Objectives:
    """Return what the mode of a posterior, and the best fit, minimize.

    E(x) = -ln p(x, y) on PyMC's unconstrained scale (ln of rates and half-lives), and
    that without the prior of the kinetics. Gradient and curvature come of one solve
    with sensitivities each.

    Parameters
    ----------
    posterior : Posterior
        What is fitted.
    seed : int
        Repeats the places where optimizations begin, >= 0.

    Returns
    -------
    Objectives

    Raises
    ------
    InputError
        When a prior is a PyMC distribution, which cannot be taken away.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> made = objectives_of(worked_example.posterior(), seed=0)
    >>> at = np.log([30.0, 0.1])  # the prior: ln 60 h, sd 1
    >>> with_prior, alone = made.posterior.slope(at)[1], made.likelihood.slope(at)[1]
    >>> round(float(with_prior[0] - alone[0]), 4)  # -ln 2
    -0.6931
    """
    if posterior.distributions:
        raise InputError(
            f"{', '.join(posterior.distributions)} has a PyMC distribution as prior, "
            "which cannot be taken away: give a Prior in the table"
        )
    density = compile_density(build_model(posterior))
    problem = problem_of(posterior)
    data = density.data(problem.data)
    slope, information = slope_of(density), information_of(density)
    assert information is not None, "build_model names the expected values"
    each = coordinates_of(posterior)
    spread = np.array([c.spread for c in each])
    starts = _starts(anchored(posterior, density.model), problem, seed)

    def made(words: str, weight: np.ndarray) -> Objective:
        centre = np.array([c.centre for c in each])

        def energy(x: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = slope(x, data)
            # ln of the normal prior of each coordinate, to a constant.
            away = x - centre
            found = -float(value) - 0.5 * float(weight @ away**2)
            changes = -np.asarray(gradient) - weight * away
            if not (np.isfinite(found) and np.isfinite(changes).all()):
                return FAILED, np.zeros_like(x)
            return found, changes

        def curvature(x: np.ndarray) -> np.ndarray:
            found = np.asarray(information(x, data))
            if not np.isfinite(found).all():
                return np.diag(spread**-2.0)
            return (found + found.T) / 2.0 - np.diag(weight)

        return Objective(energy, curvature, starts, spread, words)

    kinetic = np.array([c.kinetic for c in each])
    return Objectives(
        likelihood=made(LIKELIHOOD, np.where(kinetic, spread**-2.0, 0.0)),
        posterior=made(POSTERIOR, np.zeros_like(spread)),
    )


def hold_noise(objective: Objective, posterior: Posterior, at: np.ndarray) -> Objective:
    """Return an objective in which the noise stays as it was found.

    Without the prior of the kinetics, few measurements are fitted so closely that a
    noise which is free shrinks with the residuals, and intervals with it: half the
    chi-square quantile bounds a parameter only where the noise is known.

    Parameters
    ----------
    objective : Objective
        From `objectives_of`.
    posterior : Posterior
        What is fitted.
    at : (n,) array
        Where the noise is taken from, as the median of draws of the posterior.

    Returns
    -------
    Objective
        Each noise is pulled back to its place, which costs nothing there.

    References
    ----------
    Bates and Watts, Nonlinear Regression Analysis and its Applications, 1988, chapter 6
    (profiles in Student's t where the noise is estimated from the residuals).

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> example, at = worked_example.posterior(), np.log([50.0, 0.05])
    >>> held = hold_noise(objectives_of(example, seed=0).likelihood, example, at)
    >>> moved = at + np.array([0.0, 0.2])
    >>> round(held.slope(moved)[0] - held.slope(at)[0], 4)  # (0.2 / 0.5)^2 / 2
    0.08
    """
    names = [c.variable in (NOISE, FLOOR) for c in coordinates_of(posterior)]
    held = np.array(names, dtype=bool)
    weight = objective.scale**-2.0

    def slope(x: np.ndarray) -> tuple[float, np.ndarray]:
        energy, gradient = objective.slope(np.where(held, at, x))
        if energy >= FAILED:
            return energy, gradient
        away = np.where(held, x - at, 0.0)
        pulled = energy + 0.5 * float(weight @ away**2)
        return pulled, np.where(held, weight * away, gradient)

    def curvature(x: np.ndarray) -> np.ndarray:
        found = objective.curvature(np.where(held, at, x))
        free = np.outer(~held, ~held)
        return np.where(free, found, np.diag(weight))

    return replace(objective, slope=slope, curvature=curvature)


def _starts(move: Coordinates, problem: Problem, seed: int) -> np.ndarray:
    """Return the medians, anchored to the values, and places within a prior sd."""
    generator = np.random.default_rng([seed, 0])
    centre, arrays = problem.centre, problem.coordinates
    away = _APART * generator.uniform(-1.0, 1.0, (_STARTS, centre.size))
    away[0] = 0.0
    places = jnp.asarray(centre + problem.spread * away)
    found = np.asarray(jax.vmap(lambda at: move(at, arrays)[0])(places))
    return np.where(np.isfinite(found), found, centre)


def parameter_target(posterior: Posterior, name: str) -> Target:
    """Return a parameter as what a profile holds.

    It is held by its logarithm, a fraction of its own by its logit, an uptake fraction
    (one of several of a whole) by its logarithm.

    Parameters
    ----------
    posterior : Posterior
        What is fitted.
    name : str
        As `contraction` names it: ``half_life``, ``relative_noise[SPECT]``.

    Returns
    -------
    Target

    Raises
    ------
    InputError
        When there is none of that name, or its prior is a PyMC distribution.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> found = parameter_target(worked_example.posterior(), "half_life")
    >>> found.unit, round(found.shown(np.log(60.0)), 6)
    ('h', 60.0)
    """
    each = coordinates_of(posterior)
    keys = [c.key for c in each]
    if name not in keys:
        raise InputError(f"no parameter {name!r}: {suggest(name, keys)}")
    place = keys.index(name)
    chosen = each[place]
    if chosen.prior is None:
        raise InputError(
            f"{name} has a PyMC distribution as prior, whose scale is not known here: "
            "profile a quantity that follows from it"
        )
    if chosen.variable == ODDS:
        return _fraction(each, place)
    gradient = np.eye(len(each))[place]
    unit = "" if chosen.prior.family is Family.LOGIT_NORMAL else chosen.prior.unit
    return Target(
        name=name,
        unit=unit,
        at=lambda x: (float(x[place]), gradient),
        shown=lambda q: float(chosen.shown(np.array(q))),
        reach=FARTHEST,
    )


def _fraction(each: tuple[Coordinate, ...], place: int) -> Target:
    """Return ln of f_i = o_i / (1 + sum o), whose slopes are (i = j) - f_j."""
    whole = np.array([c.variable == ODDS for c in each])

    def at(x: np.ndarray) -> tuple[float, np.ndarray]:
        odds = np.where(whole, np.exp(np.where(whole, x, 0.0)), 0.0)
        total = 1.0 + odds.sum()
        gradient = -odds / total
        gradient[place] += 1.0
        return float(x[place] - np.log(total)), gradient

    return Target(each[place].name, "", at, lambda q: float(np.exp(q)), FARTHEST)


def quantity_target(
    posterior: Posterior,
    name: str,
    unit: str,
    quantity: Quantity,
    experiment: str | None = None,
) -> Target:
    """Return anything that follows from the parameters as what a profile holds.

    A TIAC or a dose, by its logarithm. Its gradient is of central differences, all of
    which `quantity` is asked for at once.

    Parameters
    ----------
    posterior : Posterior
        What is fitted, without PyMC distributions as priors.
    name, unit : str
        What it is.
    quantity : callable
        ``quantity(parameters, masses) -> (m,)``, > 0, of (m, n_parameters) parameters
        and the (m,) masses (g) by region.
    experiment : str, optional
        Whose parameters; of the first one by default.

    Returns
    -------
    Target

    Raises
    ------
    InputError
        When a prior is a PyMC distribution, or the quantity is not above 0.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> rate = quantity_target(worked_example.posterior(), "rate", "1/h",
    ...                        lambda parameters, _: np.log(2.0) / parameters[:, 0])
    >>> q, gradient = rate.at(np.log([60.0, 0.1]))
    >>> round(rate.shown(q), 5), gradient.round(6).tolist()
    (0.01155, [-1.0, 0.0])
    """
    if posterior.distributions:
        raise InputError(
            f"{', '.join(posterior.distributions)} has a PyMC distribution as prior, "
            "whose scale is not known here: give a Prior in the table"
        )
    each = coordinates_of(posterior)
    # A linked ratio is of the kinetics, too; calibration and noise change nothing.
    moved = [i for i, c in enumerate(each) if c.kinetic or c.variable == MASS]
    steps = _STEP * np.array([each[i].spread for i in moved])

    def at(x: np.ndarray) -> tuple[float, np.ndarray]:
        away = np.zeros((len(moved), x.size))
        away[np.arange(len(moved)), moved] = steps
        points = np.concatenate([x[None], x + away, x - away])
        values = np.asarray(quantity(*parameters_at(posterior, points, experiment)))
        if values.shape != (len(points),) or not (values > 0.0).all():
            raise InputError(
                f"{name} is {np.ravel(values)[:3]} (shape {values.shape}) at "
                f"{len(points)} parameter sets: it must be one number above 0 for each"
            )
        logs = np.log(values)
        above, below = logs[1 : len(moved) + 1], logs[len(moved) + 1 :]
        gradient = np.zeros_like(x)
        gradient[moved] = (above - below) / (2.0 * steps)
        return float(logs[0]), gradient

    return Target(name, unit, at, lambda q: float(np.exp(q)), FARTHEST)
