"""The information that measurements hold of each unknown, from the sensitivities.

With e(x) the expected values of the rows and h(x, ln e) the log-density, in which all
but the kinetics stands in closed form,

    F = -d2/dx2 h(x, ln e(x0) + J (x - x0)) at x0,  J = d ln e / dx,

is the curvature but for the bend of e itself, which measurements that scatter about
their expectation average out: for normal noise F = J' W J + the priors' curvature, the
Fisher information. One solve with sensitivities gives it.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pymc as pm
from pymc.sampling.jax import get_jaxified_graph
from pytensor.graph.replace import clone_replace

from pkmodels.fitting.densities import Density, compile_density

# The model's deterministic variable that holds the expected value of each row.
EXPECTED = "expected"


def information_of(density: Density) -> Callable[..., Any] | None:
    """Return the information about the unconstrained vector as a JAX function.

    Parameters
    ----------
    density : Density
        Of a model whose likelihood hangs on the kinetics through the deterministic
        variable ``expected``, each row above 0; one of exactly 0 tells nothing.

    Returns
    -------
    callable or None
        ``information(x, data) -> (n, n)``, jitted; not positive definite where noise
        is far from its mode. None for a model without such a variable.

    References
    ----------
    Schraudolph, Neural Comput 2002;14:1723 (the generalized Gauss-Newton matrix, which
    for these likelihoods is Fisher's information).

    Examples
    --------
    >>> with pm.Model() as model:  # ln y ~ Normal(2 x, 0.1): 2^2 / 0.1^2 + 1 / 1^2
    ...     x = pm.Normal("x", shape=1)
    ...     expected = pm.Deterministic("expected", pm.math.exp(2.0 * x))
    ...     y = pm.Normal("y", pm.math.log(expected), 0.1, observed=np.zeros(1))
    >>> information = information_of(compile_density(model))
    >>> round(float(information(np.zeros(1), ())[0, 0]), 6)
    401.0
    """
    if EXPECTED not in density.model.named_vars:
        return None
    expected, rest = _expected(density), _given_log_expected(density)

    @jax.jit
    def information(x: Any, data: tuple[Any, ...]) -> Any:
        found, changes = expected(x, *data), jax.jacfwd(expected)(x, *data)
        nothing = found == 0.0
        safe = jnp.where(nothing, 1.0, found)
        there = jnp.log(safe)
        slopes = jnp.where(nothing[:, None], 0.0, changes / safe[:, None])

        def linear(change: Any) -> Any:
            return rest(x + change, there + slopes @ change, nothing, *data)

        return -jax.hessian(linear)(jnp.zeros_like(x))

    return information


def _expected(density: Density) -> Callable[..., Any]:
    """Return e(x, data) of each row."""
    model = density.model
    (graph,) = model.replace_rvs_by_values([model[EXPECTED]])
    named = [model[name] for name in density.data_names]
    shared: Any = {v: v.type(name=v.name) for v in named}
    outputs: Any = clone_replace([graph], replace=shared)
    inputs = [*model.value_vars, *shared.values()]
    function: Any = get_jaxified_graph(inputs=inputs, outputs=outputs)
    return lambda x, *data: function(*density.split(x), *data)[0]


def given_expected(density: Density) -> tuple[pm.Model, list[int]]:
    """Return the model in which the expected values are data.

    Parameters
    ----------
    density : Density
        Of a model with the deterministic variable ``expected``.

    Returns
    -------
    model : pymc.Model
        The same model, with ``expected`` as ``pm.Data``.
    order : list of int
        Where each of its value variables stands among the first model's.

    Examples
    --------
    >>> with pm.Model() as model:
    ...     x = pm.Normal("x", shape=1)
    ...     expected = pm.Deterministic("expected", pm.math.exp(2.0 * x))
    >>> known, order = given_expected(compile_density(model))
    >>> list(known.named_vars), order
    (['expected', 'x'], [0])
    """
    shapes = jax.eval_shape(density.constrain, np.zeros(density.size))
    shape = shapes[density.names.index(EXPECTED)].shape
    known = pm.do(density.model, {EXPECTED: np.ones(shape)})
    names = [v.name for v in density.model.value_vars]
    return known, [names.index(v.name) for v in known.value_vars]


def _given_log_expected(density: Density) -> Callable[..., Any]:
    """Return the log-density as a function of x, ln e, where e is 0, and the data."""
    model, order = given_expected(density)
    known = compile_density(model)

    def log_density(x: Any, log_rows: Any, nothing: Any, *data: Any) -> Any:
        by_name = dict(zip(density.data_names, data, strict=True))
        by_name[EXPECTED] = jnp.where(nothing, 0.0, jnp.exp(log_rows))
        parts = density.split(x)
        moved = jnp.concatenate([jnp.ravel(parts[i]) for i in order])
        return known.log_density(moved, *(by_name[name] for name in known.data_names))

    return log_density
