"""Sampling a PyMC model: NUTS in JAX, in chunks that report progress."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pymc as pm
from numpyro.infer.hmc import hmc

from pkmodels.fitting.densities import compile_density, slope_of
from pkmodels.kernels.native import available_threads

CHAINS = 4
WARMUP = 800
CHUNK = 100

# While the metric is unknown, long trajectories cost much and teach little.
_FIRST_STEP_SIZE = 0.1
_WARMUP_TREE_DEPTH = 7
_TREE_DEPTH = 10

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Sampler:
    """A PyMC model's log-density compiled for sampling, with its data as arguments.

    Parameters
    ----------
    model : pymc.Model
        The model.
    target_acceptance : float
        Of NUTS, in (0, 1).
    warmup : int
        Iterations of each chain before the first draw that is kept.
    start : callable
        ``start(positions, keys, arguments) -> state`` of all chains.
    advance : callable
        ``advance(state, arguments) -> (state, positions, divergences)`` of a chunk.
    to_model : callable
        ``to_model(positions, arguments) -> positions`` on the model's own scale.
    constrain : callable
        ``constrain(positions) -> tuple of arrays``, the model's named variables.
    slope : callable
        ``slope(unconstrained, data) -> (log-density, gradient)`` on the model's own
        scale.
    names : tuple of str
        Names of those variables.
    data_names : tuple of str
        Names of the model's ``pm.Data``, in the order of `data`.
    """

    model: pm.Model
    target_acceptance: float
    warmup: int
    start: Callable[..., Any]
    advance: Callable[..., Any]
    to_model: Callable[..., Any]
    constrain: Callable[..., Any]
    slope: Callable[..., Any]
    names: tuple[str, ...]
    data_names: tuple[str, ...]


Coordinates = Callable[[Any, Any], tuple[Any, Any]]


def own_coordinates(position: Any, _: Any) -> tuple[Any, Any]:
    """Sample on the model's own unconstrained scale.

    Parameters
    ----------
    position : (n,) array
        Where the sampler is.

    Returns
    -------
    position, log_determinant
        The unconstrained vector, and ln of the determinant of its derivative.

    Examples
    --------
    >>> own_coordinates(1.5, ())
    (1.5, 0.0)
    """
    return position, 0.0


@dataclass(frozen=True, eq=False)
class Problem:
    """What one run of a sampler is given.

    Parameters
    ----------
    data : mapping of str to array
        Value of each ``pm.Data`` of the model, in the shapes that it was built with.
    coordinates : pytree of arrays
        Second argument of the sampler's coordinates.
    centre : (n,) or (n_chains, n) array
        Of all chains, or of each.
    spread : (n,) array
        The chains start at centre +- spread, in the sampler's coordinates.
    """

    data: Mapping[str, np.ndarray]
    coordinates: Any
    centre: np.ndarray
    spread: np.ndarray


@dataclass(frozen=True)
class Draws:
    """What sampling gives.

    Parameters
    ----------
    variables : mapping of str to (n_chains, n_draws, ...) array
        Draws of every named variable.
    unconstrained : (n_chains, n_draws, n) array
        Draws of the model's unconstrained vector.
    diverging : (n_chains, n_draws) array of bool
        Transitions that diverged.
    target_acceptance : float
        Of the run.
    """

    variables: Mapping[str, np.ndarray]
    unconstrained: np.ndarray
    diverging: np.ndarray
    target_acceptance: float


def compile_sampler(
    model: pm.Model,
    *,
    target_acceptance: float,
    coordinates: Coordinates = own_coordinates,
    warmup: int = WARMUP,
    in_threads: bool = False,
) -> Sampler:
    """Compile a PyMC model for sampling.

    Parameters
    ----------
    model : pymc.Model
        A model whose variables are all continuous. What is ``pm.Data`` in it is an
        argument of each run, so that other values need no new compilation.
    target_acceptance : float
        Target acceptance probability of NUTS, in (0, 1).
    coordinates : callable
        ``(position, arrays) -> (unconstrained, log_determinant)``: in which
        coordinates to sample. It changes the effort, never the posterior.
    warmup : int
        Iterations of each chain before the first draw that is kept, a multiple of
        `CHUNK`.
    in_threads : bool
        Whether each chain runs by itself, in threads; else all move in step, which is
        faster where a density costs less than the bookkeeping.

    Returns
    -------
    Sampler

    References
    ----------
    Hoffman and Gelman, J Mach Learn Res 2014;15:1593 (NUTS); Phan et al.,
    arXiv:1912.11554 (NumPyro, whose kernel with a dense metric is used).

    Examples
    --------
    >>> with pm.Model() as model:
    ...     x = pm.Normal("x")
    >>> compile_sampler(model, target_acceptance=0.9).names
    ('x',)
    """
    density = compile_density(model)

    def potential(data: Any, arrays: Any) -> Callable[[Any], Any]:
        def at(position: Any) -> Any:
            unconstrained, log_determinant = coordinates(position, arrays)
            return -density.log_density(unconstrained, *data) - log_determinant

        return at

    initialize, step = hmc(potential_fn_gen=potential)

    tree_depths: Any = (_WARMUP_TREE_DEPTH, _TREE_DEPTH)

    def start_one(position: Any, key: Any, arguments: tuple[Any, ...]) -> Any:
        return initialize(
            position,
            num_warmup=warmup,
            step_size=_FIRST_STEP_SIZE,
            max_tree_depth=tree_depths,
            dense_mass=True,
            target_accept_prob=target_acceptance,
            model_args=arguments,
            rng_key=key,
        )

    def advance_one(state: Any, arguments: tuple[Any, ...]) -> Any:
        def move(state: Any, _: Any) -> Any:
            state = step(state, arguments)
            return state, (state.z, state.diverging)

        state, (positions, diverging) = jax.lax.scan(move, state, None, length=CHUNK)
        return state, positions, diverging

    start, advance = (_threaded if in_threads else _in_step)(start_one, advance_one)

    @jax.jit
    def to_model(positions: Any, arguments: tuple[Any, ...]) -> Any:
        _, arrays = arguments
        return jax.vmap(jax.vmap(lambda x: coordinates(x, arrays)[0]))(positions)

    @jax.jit
    def constrain(positions: Any) -> Any:
        return jax.vmap(jax.vmap(density.constrain))(positions)

    return Sampler(
        model,
        target_acceptance,
        warmup,
        start,
        advance,
        to_model,
        constrain,
        slope_of(density),
        density.names,
        density.data_names,
    )


def _in_step(
    start_one: Callable[..., Any], advance_one: Callable[..., Any]
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return what starts and advances all chains as one program."""
    start = jax.jit(jax.vmap(start_one, in_axes=(0, 0, None)))
    return start, jax.jit(jax.vmap(advance_one, in_axes=(0, None)))


def _threaded(
    start_one: Callable[..., Any], advance_one: Callable[..., Any]
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return what starts and advances each chain by itself, several at a time.

    No chain then waits for the longest trajectory of the others.
    """
    begin, move = jax.jit(start_one), jax.jit(advance_one)

    def start(positions: Any, keys: Any, arguments: tuple[Any, ...]) -> Any:
        return [
            begin(x, key, arguments) for x, key in zip(positions, keys, strict=True)
        ]

    def advance(states: Any, arguments: tuple[Any, ...]) -> Any:
        def one(state: Any) -> Any:
            return jax.block_until_ready(move(state, arguments))

        with ThreadPoolExecutor(available_threads()) as pool:
            found = list(pool.map(one, states))
        moved, positions, diverging = zip(*found, strict=True)
        return list(moved), jnp.stack(positions), jnp.stack(diverging)

    return start, advance


def draw_posterior(
    sampler: Sampler,
    problem: Problem,
    *,
    seed: int,
    draws_per_chain: int,
    progress: Progress | None = None,
) -> Draws:
    """Draw from the posterior with `CHAINS` chains.

    Parameters
    ----------
    sampler : Sampler
        The compiled model.
    problem : Problem
        Data, and where to start.
    seed : int
        Repeats a run exactly, >= 0.
    draws_per_chain : int
        Draws kept of each chain, a multiple of `CHUNK`.
    progress : callable, optional
        Called with (iterations done, iterations in all) after each chunk.

    Returns
    -------
    Draws

    Examples
    --------
    >>> with pm.Model() as model:
    ...     x = pm.Normal("x")
    >>> sampler = compile_sampler(model, target_acceptance=0.8)
    >>> problem = Problem({}, (), np.zeros(1), np.ones(1))
    >>> drawn = draw_posterior(sampler, problem, seed=1, draws_per_chain=100)
    >>> drawn.variables["x"].shape
    (4, 100)
    """
    arguments = _arguments(sampler, problem)
    state = _first_state(sampler, problem, arguments, seed)
    total = sampler.warmup + draws_per_chain
    kept, diverging = [], []
    for done in range(0, total, CHUNK):
        state, chunk, divergences = sampler.advance(state, arguments)
        jax.block_until_ready(chunk)
        if done >= sampler.warmup:
            kept.append(np.asarray(chunk))
            diverging.append(np.asarray(divergences))
        if progress is not None:
            progress(done + CHUNK, total)
    positions = np.concatenate(kept, axis=1)
    unconstrained = sampler.to_model(positions, arguments)
    values = sampler.constrain(unconstrained)
    return Draws(
        variables={
            n: np.asarray(v) for n, v in zip(sampler.names, values, strict=True)
        },
        unconstrained=np.asarray(unconstrained),
        diverging=np.concatenate(diverging, axis=1),
        target_acceptance=sampler.target_acceptance,
    )


def warm_up(sampler: Sampler, problem: Problem) -> None:
    """Compile what a sampler will need, by running one chunk.

    Parameters
    ----------
    sampler : Sampler
        The sampler; its later runs are not changed.
    problem : Problem
        Arrays of the shapes to compile for.

    Examples
    --------
    >>> with pm.Model() as model:
    ...     x = pm.Normal("x")
    >>> sampler = compile_sampler(model, target_acceptance=0.8)
    >>> warm_up(sampler, Problem({}, (), np.zeros(1), np.ones(1)))
    """
    arguments = _arguments(sampler, problem)
    state = _first_state(sampler, problem, arguments, 0)
    state, _, _ = sampler.advance(state, arguments)
    jax.block_until_ready(state)


def _arguments(sampler: Sampler, problem: Problem) -> tuple[Any, ...]:
    data = tuple(jnp.asarray(problem.data[name]) for name in sampler.data_names)
    return data, jax.tree.map(jnp.asarray, problem.coordinates)


def _first_state(
    sampler: Sampler, problem: Problem, arguments: tuple[Any, ...], seed: int
) -> Any:
    """Return the chains' first states, dispersed around the problem's centre."""
    key, start_key = jax.random.split(jax.random.PRNGKey(seed))
    shape = (CHAINS, problem.spread.size)
    offset = np.asarray(jax.random.uniform(start_key, shape, minval=-1.0, maxval=1.0))
    positions = problem.centre + problem.spread[None, :] * offset
    return sampler.start(positions, jax.random.split(key, CHAINS), arguments)
