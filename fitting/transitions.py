"""Transitions of NUTS: all chains as one program, or each chain in a thread of its own.

The kernel is NumPyro's. A chunk of transitions is one call, after
which the state of the chains is a tree of plain arrays that can be kept and taken up
again.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from numpyro.infer.hmc import hmc

from pkmodels.kernels.native import available_threads

CHUNK = 100

# While the metric is unknown, long trajectories cost much and teach little.
_FIRST_STEP_SIZE = 0.1
_WARMUP_TREE_DEPTH = 7
TREE_DEPTH = 10


class Chunk(NamedTuple):
    """What `CHUNK` transitions of every chain left behind.

    Attributes
    ----------
    positions : (n_chains, CHUNK, n) array
        Where the chains were.
    diverging : (n_chains, CHUNK) array of bool
        Transitions that diverged.
    potential, energy : (n_chains, CHUNK) arrays
        Potential energy of the position, and the Hamiltonian of the transition.
    acceptance_rate, step_size : (n_chains, CHUNK) arrays
        Mean Metropolis acceptance along the trajectory, and the step.
    n_steps : (n_chains, CHUNK) array of int
        Leapfrog steps, each one gradient.
    """

    positions: Any
    diverging: Any
    potential: Any
    energy: Any
    acceptance_rate: Any
    step_size: Any
    n_steps: Any


@dataclass(frozen=True)
class Transitions:
    """NUTS on one potential, compiled.

    Parameters
    ----------
    start : callable
        ``start(positions, keys, arguments) -> state`` of all chains, a tree of arrays.
    advance : callable
        ``advance(state, arguments) -> (state, Chunk)``.
    """

    start: Callable[..., Any]
    advance: Callable[..., tuple[Any, Chunk]]


def compile_transitions(
    potential: Callable[..., Callable[[Any], Any]],
    *,
    target_acceptance: float,
    warmup: int,
    in_threads: bool,
    adapt_metric: bool,
    dense_metric: bool = True,
) -> Transitions:
    """Compile NUTS for a potential.

    Parameters
    ----------
    potential : callable
        ``potential(*arguments) -> (position -> energy)``, traceable.
    target_acceptance : float
        Target acceptance probability, in (0, 1).
    warmup : int
        Transitions that adapt the step, a multiple of `CHUNK`.
    in_threads : bool
        Whether each chain runs by itself, in threads; else all move in step.
    adapt_metric : bool
        Whether the warm-up learns the metric, too; else it stays the identity, which
        is for coordinates that are standard normal already.
    dense_metric : bool
        Whether the metric has every covariance, or variances alone.

    Returns
    -------
    Transitions

    References
    ----------
    Hoffman and Gelman, J Mach Learn Res 2014;15:1593 (NUTS); Phan et al.,
    arXiv:1912.11554 (NumPyro).

    Examples
    --------
    >>> nuts = compile_transitions(lambda: lambda x: x @ x / 2.0, target_acceptance=0.8,
    ...     warmup=100, in_threads=False, adapt_metric=True)
    >>> keys = jax.random.split(jax.random.PRNGKey(0), 4)
    >>> state = nuts.start(jnp.zeros((4, 2)), keys, ())
    >>> state, chunk = nuts.advance(state, ())
    >>> chunk.positions.shape
    (4, 100, 2)
    """
    initialize, step = hmc(potential_fn_gen=potential)
    tree_depths: Any = (_WARMUP_TREE_DEPTH, TREE_DEPTH)

    def start_one(position: Any, key: Any, arguments: tuple[Any, ...]) -> Any:
        return initialize(
            position,
            num_warmup=warmup,
            step_size=_FIRST_STEP_SIZE,
            max_tree_depth=tree_depths,
            dense_mass=dense_metric,
            adapt_mass_matrix=adapt_metric,
            target_accept_prob=target_acceptance,
            model_args=arguments,
            rng_key=key,
        )

    def advance_one(state: Any, arguments: tuple[Any, ...]) -> Any:
        def move(state: Any, _: Any) -> Any:
            used = state.adapt_state.step_size
            state = step(state, arguments)
            return state, Chunk(
                state.z,
                state.diverging,
                state.potential_energy,
                state.energy,
                state.accept_prob,
                used,
                state.num_steps,
            )

        return jax.lax.scan(move, state, None, length=CHUNK)

    return (_threaded if in_threads else _in_step)(start_one, advance_one)


def _in_step(
    start_one: Callable[..., Any], advance_one: Callable[..., Any]
) -> Transitions:
    """Return what starts and advances all chains as one program."""
    start = jax.jit(jax.vmap(start_one, in_axes=(0, 0, None)))
    return Transitions(start, jax.jit(jax.vmap(advance_one, in_axes=(0, None))))


def _threaded(
    start_one: Callable[..., Any], advance_one: Callable[..., Any]
) -> Transitions:
    """Return what starts and advances each chain by itself, several at a time.

    No chain then waits for the longest trajectory of the others.
    """
    begin, move = jax.jit(start_one), jax.jit(advance_one)

    def start(positions: Any, keys: Any, arguments: tuple[Any, ...]) -> Any:
        return [
            begin(x, key, arguments) for x, key in zip(positions, keys, strict=True)
        ]

    def advance(states: Any, arguments: tuple[Any, ...]) -> tuple[Any, Chunk]:
        def one(state: Any) -> Any:
            return jax.block_until_ready(move(state, arguments))

        with ThreadPoolExecutor(available_threads()) as pool:
            found = list(pool.map(one, states))
        moved, chunks = zip(*found, strict=True)
        parts = zip(*chunks, strict=True)
        return list(moved), Chunk(*(jnp.stack(part) for part in parts))

    return Transitions(start, advance)
