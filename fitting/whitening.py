"""Whitening: coordinates in which a posterior is about standard normal at its mode.

Where a solve is dear, a sampler should not spend hundreds of iterations on finding out
how wide each direction is. Here x = x0 + F z, with x0 the mode and F F' the inverse of
the curvature there, so that z is nearly standard normal. The posterior is untouched.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult, minimize

from pkmodels.errors import SolveError
from pkmodels.fitting.sampling import CHAINS, Problem, Sampler

# The first starts at the prior's medians, the others about them.
_STARTS = 2 * CHAINS
_MOST_ITERATIONS = 200
# Of the energy's gradient, in prior sd: the mode is then known to far less than its
# width.
_GRADIENT_TOLERANCE = 1e-3
# In prior sd: far above the error of a gradient, far below the posterior's width.
_STEP = 0.02
# A prior alone curves by 1 in its own sd: less is an error of the differences.
_LEAST_CURVATURE = 0.25
# What stands for the energy of what cannot be solved; an optimizer turns back there.
_FAILED = 1e10
# The chains start so far from where their optimization ended, in posterior sd.
_DISPERSION = 2.0
# An end whose density is exp(-10) of the highest is no mode that a chain could weigh.
_FAR_BELOW = 10.0


def whitened(position: Any, arrays: Any) -> tuple[Any, Any]:
    """Return the unconstrained vector of whitened coordinates.

    Parameters
    ----------
    position : (n,) array
        z.
    arrays : ((n,) array, (n, n) array)
        x0 and F.

    Returns
    -------
    unconstrained, log_determinant
        x0 + F z; the determinant is constant, so that 0 stands for it.

    Examples
    --------
    >>> moved, _ = whitened(np.ones(1), (np.array([3.0]), np.array([[0.5]])))
    >>> moved.tolist()
    [3.5]
    """
    mode, factor = arrays
    return mode + factor @ position, 0.0


def whiten(sampler: Sampler, problem: Problem, *, seed: int) -> Problem:
    """Return what one run of a whitened sampler is given.

    The mode is the highest of several optimizations' from within a prior sd of the
    medians, and F F' the inverse of the information there. Both use what the
    sensitivities tell (`pkmodels.fitting.information`): on a whole-body model some ten
    steps of Gauss and Newton within a trust region find what takes L-BFGS a hundred
    and fifty gradients. A model that names no expected values takes L-BFGS, and
    differences of gradients. The chains start about the ends of different
    optimizations, so that several modes may show in R-hat; not about those that ended
    far below the highest.

    Parameters
    ----------
    sampler : Sampler
        Compiled with `whitened` coordinates.
    problem : Problem
        The data; `centre` and `spread` are the priors' medians and sd, unconstrained.
    seed : int
        Repeats the starts, >= 0.

    Returns
    -------
    Problem
        The chains start within two posterior sd of a mode.

    Raises
    ------
    SolveError
        When no optimization ends where the posterior is finite.

    Examples
    --------
    >>> import pymc as pm
    >>> from pkmodels.fitting.sampling import compile_sampler
    >>> with pm.Model() as model:
    ...     x = pm.Normal("x", 1.0, 0.5)
    >>> sampler = compile_sampler(model, target_acceptance=0.8, coordinates=whitened)
    >>> found = whiten(sampler, Problem({}, (), np.zeros(1), np.ones(1)), seed=0)
    >>> mode, factor = found.coordinates
    >>> mode.round(3), factor.round(3)
    (array([1.]), array([[0.5]]))
    """
    size = problem.centre.size
    data = tuple(problem.data[name] for name in sampler.data_names)
    slope = partial(_value_and_slope, sampler.slope, data, problem)
    generator = np.random.default_rng([seed, 0])
    starts = generator.uniform(-1.0, 1.0, (_STARTS, size))
    starts[0] = 0.0
    curvature = partial(_information, sampler, data, problem)
    found = [_descend(slope, start, curvature) for start in starts]
    best = min(found, key=lambda result: result.fun)
    if not np.isfinite(best.fun) or best.fun >= _FAILED:
        raise SolveError(
            "the posterior is finite at none of the places where a fit was begun: look "
            "at the priors of the rates"
        )
    mode = problem.centre + problem.spread * best.x
    at_mode = curvature(best.x)
    factor = problem.spread[:, None] * _factor(
        _curvature(slope, best.x) if at_mode is None else at_mode
    )
    high = sorted(
        (r for r in found if r.fun < best.fun + _FAR_BELOW), key=lambda r: r.fun
    )
    ends = [np.linalg.solve(factor, problem.spread * (r.x - best.x)) for r in high]
    modes = _apart(ends)
    centre = np.array([modes[i % len(modes)] for i in range(CHAINS)])
    return replace(
        problem,
        coordinates=(mode, factor),
        centre=centre,
        spread=np.full(size, _DISPERSION),
    )


def of_no_data(problem: Problem) -> Problem:
    """Return what a whitened sampler is compiled with, before a mode is known.

    Of the right shapes, but with data that are no numbers: each trajectory then ends at
    its first step, and the compilation is all that takes time.

    Parameters
    ----------
    problem : Problem
        As of `whiten`.

    Returns
    -------
    Problem

    Examples
    --------
    >>> found = of_no_data(Problem({"y": np.ones(1)}, (), np.ones(1), np.ones(1)))
    >>> found.coordinates, found.data
    ((array([1.]), array([[1.]])), {'y': array([nan])})
    """
    size = problem.centre.size
    return Problem(
        {name: np.full_like(values, np.nan) for name, values in problem.data.items()},
        (problem.centre, np.diag(problem.spread)),
        np.zeros(size),
        np.ones(size),
    )


def _value_and_slope(
    slope: Callable[..., Any], data: Any, problem: Problem, scaled: np.ndarray
) -> tuple[float, np.ndarray]:
    """Return the energy and its gradient, in prior sd from the medians."""
    value, gradient = slope(problem.centre + problem.spread * scaled, data)
    value, gradient = -float(value), -np.asarray(gradient) * problem.spread
    if not (np.isfinite(value) and np.isfinite(gradient).all()):
        return _FAILED, np.zeros_like(scaled)
    return value, gradient


def _information(
    sampler: Sampler, data: Any, problem: Problem, scaled: np.ndarray
) -> np.ndarray | None:
    """Return the information in prior sd; None where the model names no rows."""
    if sampler.information is None:
        return None
    there = problem.centre + problem.spread * scaled
    found = np.asarray(sampler.information(there, data))
    found = problem.spread[:, None] * (found + found.T) / 2.0 * problem.spread
    # A solve may fail for the sensitivities alone.
    return found if np.isfinite(found).all() else np.eye(scaled.size)


def _descend(
    slope: Callable[..., Any],
    start: np.ndarray,
    curvature: Callable[[np.ndarray], np.ndarray | None],
) -> OptimizeResult:
    """Minimize the energy from one start."""
    if curvature(start) is None:
        options: dict[str, Any] = {"maxiter": _MOST_ITERATIONS}
        return minimize(slope, start, jac=True, method="L-BFGS-B", options=options)
    options = {"maxiter": _MOST_ITERATIONS, "gtol": _GRADIENT_TOLERANCE}
    return minimize(
        slope, start, jac=True, hess=curvature, method="trust-exact", options=options
    )


def _apart(ends: list[np.ndarray]) -> list[np.ndarray]:
    """Return those of some points that lie a posterior sd from all before them."""
    found: list[np.ndarray] = []
    for end in ends:
        if all(np.linalg.norm(end - other) > 1.0 for other in found):
            found.append(end)
    return found


def _curvature(slope: Callable[..., Any], mode: np.ndarray) -> np.ndarray:
    """Return the curvature of the energy, by differences of gradients."""
    rows = []
    for direction in _STEP * np.eye(mode.size):
        above, below = slope(mode + direction)[1], slope(mode - direction)[1]
        rows.append((above - below) / (2.0 * _STEP))
    return np.array(rows)


def _factor(curvature: np.ndarray) -> np.ndarray:
    """Return F with F F' the inverse of a curvature."""
    values, vectors = np.linalg.eigh((curvature + curvature.T) / 2.0)
    return vectors / np.sqrt(np.maximum(values, _LEAST_CURVATURE))
