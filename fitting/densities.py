"""Densities: a PyMC model as a JAX function of one flat unconstrained vector."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pymc as pm
from pymc.sampling.jax import get_jaxified_graph
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.replace import clone_replace
from pytensor.graph.traversal import ancestors


@dataclass(frozen=True, eq=False)
class Density:
    """A PyMC model's log-density, with its data as arguments.

    Parameters
    ----------
    model : pymc.Model
        The model.
    size : int
        Length n of the unconstrained vector.
    log_density : callable
        ``log_density(x, *data) -> float``: ln p(x, data) with the Jacobian of PyMC's
        transforms; traceable.
    log_prior : callable
        ``log_prior(x, *data) -> float``: the part of it that hangs on no measurement.
    constrain : callable
        ``constrain(x) -> tuple of arrays``: the model's named variables; traceable.
    names : tuple of str
        Names of those variables.
    data_names : tuple of str
        Names of the model's ``pm.Data``, in the order of `data`.
    split : callable
        ``split(x) -> list of arrays``: the model's value variables; traceable.
    """

    model: pm.Model
    size: int
    log_density: Callable[..., Any]
    log_prior: Callable[..., Any]
    constrain: Callable[[Any], Any]
    names: tuple[str, ...]
    data_names: tuple[str, ...]
    split: Callable[[Any], list[Any]]

    def data(self, values: Mapping[str, np.ndarray]) -> tuple[Any, ...]:
        """Return the values of the model's ``pm.Data``, in order."""
        return tuple(jnp.asarray(values[name]) for name in self.data_names)


def compile_density(model: pm.Model) -> Density:
    """Return the log-density of a PyMC model as a JAX function.

    Parameters
    ----------
    model : pymc.Model
        The model.

    Returns
    -------
    Density

    Examples
    --------
    >>> with pm.Model() as model:
    ...     x = pm.LogNormal("x")
    ...     y = pm.Normal("y", x, observed=1.0)
    >>> density = compile_density(model)
    >>> zero = np.zeros(1)  # ln x
    >>> round(float(density.log_density(zero)), 4)
    -1.8379
    >>> round(float(density.log_prior(zero)), 4)
    -0.9189
    """
    split = _splitter(model)
    shared = _data_variables(model)
    wanted = {v.name for v in (*model.free_RVs, *model.deterministics)}
    outputs = [v for v in model.unobserved_value_vars if v.name in wanted]
    graph = get_jaxified_graph(inputs=model.value_vars, outputs=outputs)
    return Density(
        model=model,
        size=sum(int(np.prod(shape)) for shape in _shapes(model)),
        log_density=_jaxified(model, model.logp(), split, shared),
        log_prior=_jaxified(model, model.varlogp, split, shared),
        constrain=lambda x: graph(*split(x)),
        names=tuple(str(output.name) for output in outputs),
        data_names=tuple(str(v.name) for v in shared),
        split=split,
    )


def values_of(density: Density) -> Callable[..., Any]:
    """Return what evaluates many vectors at once: many draws a machine instruction.

    Parameters
    ----------
    density : Density
        The log-density.

    Returns
    -------
    callable
        ``values(xs, data) -> (n_draws,)`` of (n_draws, n) vectors, jitted; -inf where a
        solve failed.

    Examples
    --------
    >>> with pm.Model() as model:
    ...     x = pm.Normal("x")
    >>> values_of(compile_density(model))(np.zeros((2, 1)), ()).round(3).tolist()
    [-0.919, -0.919]
    """

    @jax.jit
    def values(xs: Any, data: tuple[Any, ...]) -> Any:
        found = jax.vmap(lambda x: density.log_density(x, *data))(xs)
        return jnp.where(jnp.isnan(found), -jnp.inf, found)

    return values


def slope_of(density: Density) -> Callable[..., Any]:
    """Return the log-density and its gradient.

    Parameters
    ----------
    density : Density
        The log-density.

    Returns
    -------
    callable
        ``slope(x, data) -> (float, (n,))``, jitted.

    Examples
    --------
    >>> with pm.Model() as model:
    ...     x = pm.Normal("x")
    >>> value, gradient = slope_of(compile_density(model))(np.ones(1), ())
    >>> gradient.tolist()
    [-1.0]
    """

    @jax.jit
    def slope(x: Any, data: tuple[Any, ...]) -> Any:
        return jax.value_and_grad(density.log_density)(x, *data)

    return slope


def _shapes(model: pm.Model) -> list[tuple[int, ...]]:
    point = model.initial_point()
    return [np.shape(point[str(v.name)]) for v in model.value_vars]


def _splitter(model: pm.Model) -> Callable[[Any], list[Any]]:
    """Return what cuts the flat unconstrained vector into the model's variables."""
    shapes = _shapes(model)
    cuts = np.cumsum([np.prod(shape, dtype=int) for shape in shapes])[:-1]

    def split(x: Any) -> list[Any]:
        parts = jnp.split(x, cuts)
        return [part.reshape(s) for part, s in zip(parts, shapes, strict=True)]

    return split


def _jaxified(
    model: pm.Model,
    density: Any,
    split: Callable[[Any], list[Any]],
    shared: list[Any],
) -> Callable[..., Any]:
    """Return a scalar of the model as a function of the flat vector and the data."""
    replaced: Any = {v: v.type(name=v.name) for v in shared}
    outputs: Any = clone_replace([density], replace=replaced)
    inputs = [*model.value_vars, *replaced.values()]
    function = get_jaxified_graph(inputs=inputs, outputs=outputs)
    return lambda x, *data: function(*split(x), *data)[0]


def _data_variables(model: pm.Model) -> list[Any]:
    """Return what of the log-density is ``pm.Data``, in the model's own order."""
    density: Any = model.logp()
    used = {v for v in ancestors([density]) if isinstance(v, SharedVariable)}
    return [v for v in model.named_vars.values() if v in used]
