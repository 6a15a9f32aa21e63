"""Trials: whether a solver finds an answer that is known, before it is relied on."""

import logging
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pkmodels.kernels.foreign import Solver
from pkmodels.kernels.problem import Controls, Problem, Solution, Tangents

_LOGGER = logging.getLogger("pkmodels.kernels")


class Trial(NamedTuple):
    """A problem whose answer is known, for `is_sound`.

    Attributes
    ----------
    problem : Problem
        Without batch axes.
    tangents : Tangents
    controls : Controls
    expected : Solution
        The report's last two numbers are not compared.
    within : float
        Largest difference, relative to each number.
    """

    problem: Problem
    tangents: Tangents
    controls: Controls
    expected: Solution
    within: float


def is_sound(name: str, solver: Solver, trial: Trial) -> bool:
    """Say whether a solver finds a known answer; where not, log why.

    It is solved under ``jit``, alone and twice in a batch.

    Parameters
    ----------
    name : str
        What to call the solver in the message.
    solver : callable
        As that of `ffi_solver`.
    trial : Trial
        The problem.

    Returns
    -------
    bool

    Examples
    --------
    >>> one = np.ones((1, 1))
    >>> problem = Problem(one, one[0], one, one, one[0], one[0], np.array([0]))
    >>> tangents = Tangents(one[None], one, one[None])
    >>> expected = Solution(one, one[None], np.array([0.0, 1.0, 9.0]))
    >>> trial = Trial(problem, tangents, Controls(), expected, 1e-6)
    >>> def constant(problem, tangents, controls):
    ...     axes = (*problem.added.shape[:-2], 1)
    ...     ones = jnp.ones((*axes, 1))
    ...     return Solution(ones, jnp.ones((*axes, 1, 1)), jnp.zeros((*axes[:-1], 3)))
    >>> is_sound("the constant", constant, trial)
    True
    """

    def run(problem: Problem, tangents: Tangents) -> tuple[Solution, Solution]:
        batch = jax.tree.map(lambda a: jnp.stack([a, a]), (problem, tangents))
        return (
            solver(problem, tangents, trial.controls),
            solver(*batch, trial.controls),
        )

    try:
        # Also where it is first needed within a transformation of JAX.
        with jax.ensure_compile_time_eval():
            arrays = jax.tree.map(jnp.asarray, (trial.problem, trial.tangents))
            alone, batch = jax.tree.map(np.asarray, jax.jit(run)(*arrays))
    except Exception as error:  # whatever it is, there are other solvers
        _LOGGER.warning("%s cannot be used: %s", name, error)
        return False
    for found in (alone, *(Solution(*(a[n] for a in batch)) for n in (0, 1))):
        for what, value, known in (
            ("states", found.states, trial.expected.states),
            ("sensitivities", found.sensitivities, trial.expected.sensitivities),
            ("outcome", found.report[0], trial.expected.report[0]),
        ):
            known = np.asarray(known)
            if value.shape != known.shape or not np.allclose(
                value, known, rtol=trial.within, atol=0.0
            ):
                _LOGGER.warning(
                    "%s cannot be used: its %s are %s instead of %s",
                    name,
                    what,
                    value.tolist(),
                    known.tolist(),
                )
                return False
    return True
