"""The native kernel: equations as machine code, kept from one process to the next."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import sympy
from llvmlite import ir

from pkmodels.kernels.batch_code import write_kernel
from pkmodels.kernels.cache import cache_key, cached, discard
from pkmodels.kernels.equations import Equations
from pkmodels.kernels.ffi_frame import emit_handler
from pkmodels.kernels.foreign import NAMES, SOLVE, ForeignKernel, call
from pkmodels.kernels.machine_code import Library, load, object_code
from pkmodels.kernels.problem import Controls, Problem, Solution, Tangents


@dataclass(frozen=True, eq=False)
class NativeKernel:
    """Compiled equations.

    Parameters
    ----------
    equations : Equations
        What was compiled.
    foreign : ForeignKernel
        The machine code.
    """

    equations: Equations
    foreign: ForeignKernel

    def solve(
        self,
        problem: Problem,
        tangents: Tangents | None = None,
        controls: Controls = Controls(),  # noqa: B008 (cannot change)
        threads: int = 1,
    ) -> Solution:
        """Solve problems given as NumPy arrays: see `pkmodels.kernels.foreign.call`."""
        return call(self.foreign, problem, tangents, controls, threads=threads)


@lru_cache(maxsize=256)
def native_kernel(equations: Equations, *, in_lanes: bool = True) -> NativeKernel:
    """Compile equations, or find them compiled; equal ones share one kernel.

    Parameters
    ----------
    equations : Equations
        The equations.
    in_lanes : bool
        Whether a batch is solved several draws at once; without, there is half as
        much to compile.

    Returns
    -------
    NativeKernel

    Raises
    ------
    ModelError
        When a function occurs that no code is generated for.

    Examples
    --------
    >>> import numpy as np
    >>> x, a = sympy.symbols("x a")
    >>> kernel = native_kernel(Equations("decay", (x,), (a,), (-a * x,), False))
    >>> one = np.ones((1, 1))
    >>> problem = Problem(one, [0.0], one, one, [1.0], [0.0, 1.0], [0, 0])
    >>> print(kernel.solve(problem).states[:, 0].round(6))
    [1.       0.367879]
    """
    key = cache_key(identity(equations), f"in lanes: {in_lanes}")
    library = _library(key, lambda: compiled_code(equations, in_lanes=in_lanes))
    foreign = ForeignKernel(
        library, key, len(equations.constants), len(equations.states)
    )
    return NativeKernel(equations, foreign)


def _library(key: str, make: Callable[[], bytes]) -> Library:
    """Load what is kept, or else what is made; keep only what can be loaded."""
    code = cached(key, make)
    try:
        return load(code, NAMES)
    except RuntimeError as error:
        # A whole file of something else would be refused for ever.
        discard(key, str(error))
    code = make()
    library = load(code, NAMES)
    cached(key, lambda: code)
    return library


def identity(equations: Equations) -> str:
    """Return what the machine code of equations depends on, whatever their names.

    Parameters
    ----------
    equations : Equations
        The equations.

    Returns
    -------
    str

    Examples
    --------
    >>> x, y, a = sympy.symbols("x y a")
    >>> one, other = (Equations("decay", (s,), (a,), (-a * s,), False) for s in (x, y))
    >>> identity(one) == identity(other)
    True
    """
    names = {s: sympy.Symbol(f"y{i}") for i, s in enumerate(equations.states)}
    names |= {c: sympy.Symbol(f"c{i}") for i, c in enumerate(equations.constants)}
    sizes = (len(equations.states), len(equations.constants), equations.from_zero)
    rates = [sympy.srepr(rate.xreplace(names)) for rate in equations.derivatives]
    return "\n".join([repr(sizes), *rates])


def compiled_code(equations: Equations, *, in_lanes: bool) -> bytes:
    """Compile equations to an object file.

    ``compiled_code`` is called only for what no cache has.

    Parameters
    ----------
    equations : Equations
        The equations.
    in_lanes : bool
        Whether a batch is solved several draws at once.

    Returns
    -------
    bytes

    Raises
    ------
    ModelError
        When a function occurs that no code is generated for.

    Examples
    --------
    >>> x, a = sympy.symbols("x a")
    >>> equations = Equations("decay", (x,), (a,), (-a * x,), False)
    >>> len(compiled_code(equations, in_lanes=False)) > 1000
    True
    """
    module = write_kernel(equations, in_lanes=in_lanes)
    solve = module.get_global(SOLVE)
    assert isinstance(solve, ir.Function)
    emit_handler(module, solve)
    return object_code(str(module))


def available_threads() -> int:
    """Return how many threads this process may run at once.

    Returns
    -------
    int

    Examples
    --------
    >>> available_threads() >= 1
    True
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
