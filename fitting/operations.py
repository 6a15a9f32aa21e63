"""The solve inside a PyMC model: a PyTensor operation that any of its samplers can run.

Values f(x) of rows and their Jacobian J = df/dx come from one JAX function:

- a graph without gradients has `SolvedRows`, f alone;
- a gradient g' J adds `SolvedRowsAndSlopes`, (f, J) from one solve, which then also
  gives the values, so that log-density and gradient cost one solve together;
- JAX (NumPyro, our own sampler, nutpie's ``backend="jax"``) sees the function itself;
  numba, C and Python call it compiled.

Both are pickled as what they are rebuilt from (`Recipe`), so that processes that are
spawned rebuild them through the cache of kernels.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytensor.tensor as pt
from pytensor.compile.mode import optdb
from pytensor.gradient import DisconnectedType, grad_not_implemented
from pytensor.graph.basic import Apply
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.graph.rewriting.basic import GraphRewriter
from pytensor.link.jax.dispatch.basic import jax_funcify

from pkmodels.errors import ModelError

# PyTensor's order of rewrites: after specialize (2), before fusion (49).
_AFTER_SPECIALIZATION = 10.0


@dataclass(frozen=True, eq=False)
class Recipe:
    """What a function of rows is built from, here and in another process.

    Two recipes are never equal: only the same one gives the same function.

    Parameters
    ----------
    build : callable
        ``build(*arguments) -> function`` with ``function(*vectors) -> (n_rows,)`` that
        JAX can trace. A function of a module, so that another process finds it.
    arguments : tuple
        What can be pickled: values, compiled systems, arrays.
    """

    build: Callable[..., Callable[..., Any]]
    arguments: tuple[Any, ...]

    def __repr__(self) -> str:
        """Name the function, without what it is built from."""
        return f"<rows of {self.build.__name__}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what it is built from, without the function."""
        return _unpickled, (self.build, self.arguments)

    @cached_property
    def function(self) -> Callable[..., Any]:
        """The rows as a JAX function of the vectors."""
        return self.build(*self.arguments)

    @cached_property
    def slopes(self) -> Callable[..., tuple[Any, ...]]:
        """Rows and, for each vector, the (n_rows, n) Jacobian, as a JAX function."""

        def both(*vectors: Any) -> tuple[Any, ...]:
            cuts = np.cumsum([v.shape[0] for v in vectors])[:-1]
            flat = jnp.concatenate(vectors)

            def rows(x: Any) -> Any:
                return self.function(*jnp.split(x, cuts))

            def along(direction: Any) -> tuple[Any, Any]:
                return jax.jvp(rows, (flat,), (direction,))

            # The values do not vary along the directions: they are solved once.
            along_all = jax.vmap(along, out_axes=(None, -1))
            values, jacobian = along_all(jnp.eye(flat.size))
            return values, *jnp.split(jacobian, cuts, axis=1)

        return both

    @cached_property
    def compiled(self) -> Callable[..., Any]:
        """The rows, compiled."""
        return jax.jit(self.function)

    @cached_property
    def compiled_slopes(self) -> Callable[..., tuple[Any, ...]]:
        """Rows and Jacobians, compiled."""
        return jax.jit(self.slopes)


def _unpickled(build: Callable[..., Any], arguments: tuple[Any, ...]) -> Recipe:
    """Return a recipe of another process, whose graphs may be compiled by numba."""
    from pkmodels.fitting import numba_operations  # noqa: F401

    return Recipe(build, arguments)


class SolvedRows(Op):
    """Values of rows as a PyTensor operation on one or several vectors.

    Parameters
    ----------
    recipe : Recipe
        The function.
    """

    __props__ = ("recipe",)

    def __init__(self, recipe: Recipe) -> None:
        """Keep the recipe."""
        self.recipe = recipe

    def make_node(self, *vectors: Any) -> Apply:
        """Return the node that holds the rows of some vectors."""
        inputs = _vectors(vectors)
        return Apply(self, inputs, [_rows(self.recipe, inputs)])

    def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
        """Calculate the rows."""
        _refuse_fork()
        output_storage[0][0] = np.array(self.recipe.compiled(*inputs))

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> Any:
        """Return g' J for each vector."""
        both: Any = SolvedRowsAndSlopes(self.recipe)(*inputs, return_list=True)
        return [cotangents[0] @ jacobian for jacobian in both[1:]]


class SolvedRowsAndSlopes(Op):
    """Values of rows and their Jacobian by each vector, from one solve.

    Parameters
    ----------
    recipe : Recipe
        The function.
    """

    __props__ = ("recipe",)

    def __init__(self, recipe: Recipe) -> None:
        """Keep the recipe."""
        self.recipe = recipe

    def make_node(self, *vectors: Any) -> Apply:
        """Return the node that holds rows and Jacobians."""
        inputs = _vectors(vectors)
        rows = _rows(self.recipe, inputs)
        shapes = [(*rows.type.shape, *vector.type.shape) for vector in inputs]
        jacobians = [pt.TensorType("float64", shape=shape)() for shape in shapes]
        return Apply(self, inputs, [rows, *jacobians])

    def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
        """Calculate rows and Jacobians."""
        _refuse_fork()
        found = self.recipe.compiled_slopes(*inputs)
        for place, array in zip(output_storage, found, strict=True):
            place[0] = np.array(array)

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> Any:
        """Return g' J for each vector; a Jacobian has no derivative of its own."""
        rows, *jacobians = cotangents
        if any(not isinstance(g.type, DisconnectedType) for g in jacobians):
            reason = "a solve has no second derivatives: use differences of gradients"
            return [
                grad_not_implemented(self, i, vector, reason)
                for i, vector in enumerate(inputs)
            ]
        return [rows @ jacobian for jacobian in outputs[1:]]


def solved_rows(
    build: Callable[..., Callable[..., Any]], arguments: tuple[Any, ...]
) -> Callable[..., Any]:
    """Return a function of PyTensor vectors that gives the rows of a JAX function.

    Parameters
    ----------
    build : callable
        ``build(*arguments) -> function``, a function of a module; ``function(*vectors)
        -> (n_rows,)`` of float64, which JAX can trace and differentiate forward. Where
        it cannot be solved it gives NaN; it never raises.
    arguments : tuple
        What can be pickled, where chains are to run in other processes.

    Returns
    -------
    callable
        ``rows(*vectors) -> vector``, each vector of a static length. Its gradient comes
        from the Jacobian of the same solve; there is no second one.

    Raises
    ------
    ModelError
        By the callable, when the length of a vector is not known; when it runs in a
        process that was forked after JAX had been used, where it could hang.

    Examples
    --------
    >>> def decays(times):
    ...     return lambda rate: jnp.exp(-rate[0] * times)
    >>> rate = pt.vector("rate", shape=(1,))
    >>> rows = solved_rows(decays, (np.array([1.0, 2.0]),))(rate)
    >>> import pytensor
    >>> slope = pt.grad(rows.sum(), rate)  # - e^-1 - 2 e^-2
    >>> both = pytensor.function([rate], [rows, slope], mode="FAST_COMPILE")
    >>> print(*(array.round(3) for array in both(np.ones(1))))
    [0.368 0.135] [-0.639]
    """
    return SolvedRows(Recipe(build, arguments))


def _vectors(vectors: Sequence[Any]) -> list[Any]:
    inputs: list[Any] = [pt.as_tensor(vector) for vector in vectors]
    for vector in inputs:
        if vector.type.ndim != 1 or vector.type.shape[0] is None:
            raise ModelError(
                f"the rows of a solve need a vector of known length, got {vector} of "
                f"shape {vector.type.shape}: use pytensor.tensor.specify_shape"
            )
    return [pt.cast(vector, "float64") for vector in inputs]


def _rows(recipe: Recipe, inputs: Sequence[Any]) -> Any:
    like = [jax.ShapeDtypeStruct(v.type.shape, np.float64) for v in inputs]
    shape = jax.eval_shape(recipe.function, *like).shape
    return pt.TensorType("float64", shape=shape)()


# The process in which JAX was first used; inherited by those that are forked from it.
_used_in: list[int] = []


def _refuse_fork() -> None:
    """Refuse a process forked after JAX had threads, before it hangs."""
    if not _used_in:
        _used_in.append(os.getpid())
    if _used_in[0] != os.getpid():
        raise ModelError(
            "this process was forked after JAX had been used, and could hang: pass "
            'mp_ctx="spawn" or mp_ctx="forkserver" to pm.sample'
        )


def _rows_in_jax(op: Any, **_: Any) -> Any:
    return op.recipe.function


def _slopes_in_jax(op: Any, **_: Any) -> Any:
    return op.recipe.slopes


_in_jax: Any = jax_funcify  # which claims never to return
_in_jax.register(SolvedRows, _rows_in_jax)
_in_jax.register(SolvedRowsAndSlopes, _slopes_in_jax)


class OneSolve(GraphRewriter):
    """Where a graph has rows and slopes of one input, take the rows from there."""

    def apply(self, fgraph: FunctionGraph, **_: Any) -> None:
        """Replace each `SolvedRows` beside a `SolvedRowsAndSlopes` of its input."""
        nodes = fgraph.toposort()
        both = {
            (node.op.recipe, tuple(node.inputs)): node.outputs[0]
            for node in nodes
            if isinstance(node.op, SolvedRowsAndSlopes)
        }
        for node in nodes:
            if isinstance(node.op, SolvedRows):
                rows = both.get((node.op.recipe, tuple(node.inputs)))
                if rows is not None:
                    reason = "one solve gives rows and slopes"
                    fgraph.replace(node.outputs[0], rows, reason=reason)


class NumbaDispatch(GraphRewriter):
    """Where a graph is compiled by numba, load how: importing numba takes a while."""

    def apply(self, fgraph: FunctionGraph, **_: Any) -> None:
        """Register what numba does with both operations."""
        from pkmodels.fitting import numba_operations  # noqa: F401


optdb.register(
    "one_solve_gives_rows_and_slopes",
    OneSolve(),
    "fast_run",
    "fast_compile",
    position=_AFTER_SPECIALIZATION,
)
optdb.register(
    "solved_rows_numba", NumbaDispatch(), "numba", position=_AFTER_SPECIALIZATION
)
