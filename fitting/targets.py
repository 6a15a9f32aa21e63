"""What the fast path draws from: a log-density, its prior, and draws of that prior."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.shape_utils import change_dist_size
from pymc.pytensorf import reseed_rngs
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.replace import clone_replace, vectorize_graph
from pytensor.graph.traversal import ancestors
from pytensor.tensor.random.type import RandomType

from pkmodels.errors import ModelError
from pkmodels.fitting.densities import Density

# Vectors evaluated by one call, so that every call has the same shape.
BATCH = 512
# Gradients by one call: the trajectories of the certificate move so many at once.
SLOPES = 16

PriorDraws = Callable[[int, int, tuple[Any, ...]], np.ndarray]


@dataclass(frozen=True, eq=False)
class Target:
    """A posterior of one flat unconstrained vector, ready to be evaluated in batches.

    Parameters
    ----------
    size : int
        Length n of the vector.
    data_names : tuple of str
        Names of the data, in the order of ``data`` below.
    draw_prior : callable
        ``draw_prior(count, seed, data) -> (count, n)``, of exactly the prior that
        `values` gives.
    values : callable
        ``values(xs, data) -> (log_prior, log_density)``, each (m,), of (m, n) vectors;
        a log-density that is no number is -inf.
    slopes : callable
        ``slopes(xs, data) -> ((m,), (m, n))``: log-densities and gradients.
    """

    size: int
    data_names: tuple[str, ...]
    draw_prior: PriorDraws
    values: Callable[[np.ndarray, tuple[Any, ...]], tuple[np.ndarray, np.ndarray]]
    slopes: Callable[[np.ndarray, tuple[Any, ...]], tuple[np.ndarray, np.ndarray]]

    def data(self, values: Mapping[str, np.ndarray]) -> tuple[Any, ...]:
        """Return the data in order."""
        return tuple(jnp.asarray(values[name]) for name in self.data_names)


def compile_target(
    log_density: Callable[..., Any],
    log_prior: Callable[..., Any],
    draw_prior: PriorDraws,
    size: int,
    data_names: tuple[str, ...] = (),
) -> Target:
    """Return what evaluates a posterior in batches.

    Parameters
    ----------
    log_density, log_prior : callable
        ``(x, *data) -> float``, traceable by JAX: ln of prior times likelihood up to a
        constant, and ln of the normalized prior, at an unconstrained vector (n,).
    draw_prior : callable
        As of `Target`.
    size : int
        n.
    data_names : tuple of str
        Names of the data.

    Returns
    -------
    Target

    Examples
    --------
    >>> normal = lambda x: -0.5 * (x**2).sum() - 0.5 * jnp.log(2.0 * jnp.pi)
    >>> draws = lambda m, seed, _: np.random.default_rng(seed).standard_normal((m, 1))
    >>> target = compile_target(lambda x: normal(x) - x[0], normal, draws, 1)
    >>> target.slopes(np.ones((1, 1)), ())[1].tolist()
    [[-2.0]]
    """

    @jax.jit
    def both(xs: Any, data: Any) -> Any:
        return (
            jax.vmap(lambda x: log_prior(x, *data))(xs),
            jax.vmap(lambda x: log_density(x, *data))(xs),
        )

    @jax.jit
    def many(xs: Any, data: Any) -> Any:
        return jax.vmap(lambda x: jax.value_and_grad(log_density)(x, *data))(xs)

    def values(xs: np.ndarray, data: Any) -> tuple[np.ndarray, np.ndarray]:
        prior, density = _in_batches(both, xs, data, BATCH)
        return prior, np.where(np.isfinite(density), density, -np.inf)

    def slopes(xs: np.ndarray, data: Any) -> tuple[np.ndarray, np.ndarray]:
        return _in_batches(many, xs, data, SLOPES)

    return Target(size, data_names, draw_prior, values, slopes)


def target_of(density: Density) -> Target:
    """Return the posterior of a PyMC model, ready to be evaluated in batches.

    Parameters
    ----------
    density : Density
        From `pkmodels.fitting.densities.compile_density`.

    Returns
    -------
    Target

    Raises
    ------
    ModelError
        When a prior cannot be drawn from, as a flat one.

    Examples
    --------
    >>> from pkmodels.fitting.densities import compile_density
    >>> with pm.Model() as model:
    ...     x = pm.LogNormal("x", 1.0, 0.5)
    >>> target = target_of(compile_density(model))
    >>> draws = target.draw_prior(4000, 1, ())  # of ln x
    >>> abs(draws.mean() - 1.0) < 0.03, abs(draws.std() - 0.5) < 0.03
    (np.True_, np.True_)
    """
    return compile_target(
        density.log_density,
        density.log_prior,
        _prior_of(density),
        density.size,
        density.data_names,
    )


def _prior_of(density: Density) -> PriorDraws:
    """Return what draws a model's free variables on the unconstrained scale."""
    model = density.model
    count_of: Any = pt.lscalar("count")
    batched: dict[Any, Any] = {}
    flat: list[Any] = []
    for variable in model.free_RVs:
        parents = {v: batched[v] for v in ancestors([variable]) if v in batched}
        many: Any = (
            vectorize_graph(variable, replace=parents)
            if parents
            else change_dist_size(variable, (count_of,), expand=True)
        )
        batched[variable] = many
        transform = model.rvs_to_transforms[variable]
        value = many if transform is None else _forward(transform, many)
        flat.append(value.reshape((count_of, -1)))
    outputs: Any = [pt.concatenate(flat, axis=1)]
    own = [model.named_vars[name] for name in density.data_names]
    used = {v for v in ancestors(outputs) if isinstance(v, SharedVariable)}
    given: Any = {v: v.type(name=v.name) for v in own if v in used}
    names = [str(v.name) for v in given]
    graph: Any = clone_replace(outputs, replace=given)
    draw: Any = pm.compile([count_of, *given.values()], graph[0], mode="FAST_COMPILE")
    generators = [v for v in draw.get_shared() if isinstance(v.type, RandomType)]

    def draw_prior(count: int, seed: int, data: tuple[Any, ...]) -> np.ndarray:
        reseed_rngs(generators, seed)
        by_name = dict(zip(density.data_names, map(np.asarray, data), strict=True))
        try:
            return draw(count, *(by_name[name] for name in names))
        except NotImplementedError as no_draws:
            raise ModelError(
                "the fast path starts from draws of the prior, and this model has a "
                f"prior without draws: {no_draws}; give each parameter a proper prior"
            ) from no_draws

    return draw_prior


def _forward(transform: Any, variable: Any) -> Any:
    return transform.forward(variable, *variable.owner.inputs)


def _in_batches(
    function: Callable[..., Any], xs: np.ndarray, data: Any, batch: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return two results of each row, evaluated in batches of one size."""
    rows = len(xs)
    whole = -(-rows // batch) * batch
    padded = np.concatenate([xs, np.repeat(xs[-1:], whole - rows, axis=0)])
    parts = [function(padded[at : at + batch], data) for at in range(0, whole, batch)]
    first, second = (np.concatenate([np.asarray(p[i]) for p in parts]) for i in (0, 1))
    return first[:rows], second[:rows]
