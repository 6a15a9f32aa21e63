"""Sampling a PyMC model: NUTS in JAX, in chunks that report progress."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pymc as pm

from pkmodels.fitting.densities import Density, compile_density, slope_of
from pkmodels.fitting.information import information_of
from pkmodels.fitting.saved_draws import SavedDraws
from pkmodels.fitting.transitions import CHUNK, Chunk, compile_transitions

CHAINS = 4
WARMUP = 800

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Sampler:
    """A PyMC model's log-density compiled for sampling, with its data as arguments.

    Parameters
    ----------
    density : Density
        The log-density.
    target_acceptance : float
        Of NUTS, in (0, 1).
    warmup : int
        Iterations of each chain before the first draw that is kept.
    start : callable
        ``start(positions, keys, arguments) -> state`` of all chains.
    advance : callable
        ``advance(state, arguments) -> (state, Chunk)``.
    to_model : callable
        ``to_model(positions, arguments) -> (positions, log_determinants)``: on the
        model's own scale.
    constrain : callable
        ``constrain(positions) -> tuple of arrays``, the model's named variables.
    slope : callable
        ``slope(unconstrained, data) -> (log-density, gradient)`` on the model's own
        scale.
    information : callable or None
        ``information(unconstrained, data) -> (n, n)``, from `information_of`.
    """

    density: Density
    target_acceptance: float
    warmup: int
    start: Callable[..., Any]
    advance: Callable[..., tuple[Any, Chunk]]
    to_model: Callable[..., Any]
    constrain: Callable[..., Any]
    slope: Callable[..., Any]
    information: Callable[..., Any] | None

    @property
    def model(self) -> pm.Model:
        """The PyMC model."""
        return self.density.model

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the model's variables, in the order of `constrain`."""
        return self.density.names

    @property
    def data_names(self) -> tuple[str, ...]:
        """Names of the model's ``pm.Data``, in the order of `data`."""
        return self.density.data_names


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
    statistics : mapping of str to (n_chains, n_draws) array
        What NUTS tells of each transition, by ArviZ's names: ``lp`` (the model's
        log-density on its unconstrained scale, to a constant), ``energy``,
        ``acceptance_rate``, ``step_size``, ``n_steps``, ``tree_depth``. Empty where
        another method drew.
    wanted_per_chain : int or None
        Draws of each chain that were asked for; more than there are where the run was
        interrupted. None where nothing was left undone.
    """

    variables: Mapping[str, np.ndarray]
    unconstrained: np.ndarray
    diverging: np.ndarray
    target_acceptance: float
    statistics: Mapping[str, np.ndarray] = field(default_factory=dict)
    wanted_per_chain: int | None = None


def compile_sampler(
    model: pm.Model,
    *,
    target_acceptance: float,
    coordinates: Coordinates = own_coordinates,
    warmup: int = WARMUP,
    in_threads: bool = False,
    adapt_metric: bool = True,
    dense_metric: bool = True,
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
    adapt_metric : bool
        Whether the warm-up learns the metric; else it is that of the coordinates.
    dense_metric : bool
        Whether the metric has every covariance; else variances alone, which is for
        more unknowns than the warm-up could learn covariances of.

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

    nuts = compile_transitions(
        potential,
        target_acceptance=target_acceptance,
        warmup=warmup,
        in_threads=in_threads,
        adapt_metric=adapt_metric,
        dense_metric=dense_metric,
    )

    @jax.jit
    def to_model(positions: Any, arguments: tuple[Any, ...]) -> Any:
        _, arrays = arguments
        return jax.vmap(jax.vmap(lambda x: coordinates(x, arrays)))(positions)

    @jax.jit
    def constrain(positions: Any) -> Any:
        return jax.vmap(jax.vmap(density.constrain))(positions)

    return Sampler(
        density,
        target_acceptance,
        warmup,
        nuts.start,
        nuts.advance,
        to_model,
        constrain,
        slope_of(density),
        information_of(density),
    )


def draw_posterior(
    sampler: Sampler,
    problem: Problem,
    *,
    seed: int,
    draws_per_chain: int,
    progress: Progress | None = None,
    saved: SavedDraws | None = None,
) -> Draws:
    """Draw from the posterior with `CHAINS` chains.

    Ctrl-C ends the run after the first draw that is kept with what was drawn until
    then (``wanted_per_chain`` says so), and before it with KeyboardInterrupt.

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
    saved : SavedDraws, optional
        Where chunks are kept; those that it holds already are not drawn again.

    Returns
    -------
    Draws

    Raises
    ------
    KeyboardInterrupt
        When Ctrl-C came during the warm-up.
    InputError
        When a saved chunk cannot be read.

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
    kept: list[Chunk] = []
    try:
        for done in range(0, total, CHUNK):
            state, chunk = _next_chunk(sampler, state, arguments, saved, done // CHUNK)
            if done >= sampler.warmup:
                kept.append(chunk)
            if progress is not None:
                progress(done + CHUNK, total)
    except KeyboardInterrupt:
        if not kept:
            raise
    joined = Chunk(*(np.concatenate(part, axis=1) for part in zip(*kept, strict=True)))
    return _draws(sampler, arguments, joined, draws_per_chain)


def _next_chunk(
    sampler: Sampler,
    state: Any,
    arguments: tuple[Any, ...],
    saved: SavedDraws | None,
    index: int,
) -> tuple[Any, Chunk]:
    """Return the next state and chunk: those that are saved, or new ones."""
    found = None if saved is None else saved.load(index, state)
    if found is not None:
        return found
    state, chunk = sampler.advance(state, arguments)
    chunk = Chunk(*(np.asarray(part) for part in chunk))
    if saved is not None:
        saved.save(index, state, chunk)
    return state, chunk


def _draws(
    sampler: Sampler, arguments: tuple[Any, ...], chunk: Chunk, wanted: int
) -> Draws:
    """Return chunks as draws of the model's variables."""
    unconstrained, log_determinants = sampler.to_model(chunk.positions, arguments)
    values = sampler.constrain(unconstrained)
    return Draws(
        variables={
            n: np.asarray(v) for n, v in zip(sampler.names, values, strict=True)
        },
        unconstrained=np.asarray(unconstrained),
        diverging=chunk.diverging,
        target_acceptance=sampler.target_acceptance,
        statistics={
            "lp": -chunk.potential - np.asarray(log_determinants),
            "energy": chunk.energy,
            "acceptance_rate": chunk.acceptance_rate,
            "step_size": chunk.step_size,
            "n_steps": chunk.n_steps,
            # A tree of depth d holds at most 2^d - 1 steps.
            "tree_depth": np.floor(np.log2(np.maximum(chunk.n_steps, 1))).astype(int)
            + 1,
        },
        wanted_per_chain=wanted if wanted > chunk.diverging.shape[1] else None,
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
    jax.block_until_ready(sampler.advance(state, arguments))


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
