"""Choice: which kernel solves some equations here, and why not a faster one."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import version

import jax
import numpy as np
import sympy

from pkmodels.errors import InputError, ModelError, PkmodelsError, suggest
from pkmodels.kernels.cache import cache_key, cached
from pkmodels.kernels.equations import Equations
from pkmodels.kernels.foreign import callback_solver, ffi_solver
from pkmodels.kernels.native import NativeKernel, available_threads, native_kernel
from pkmodels.kernels.problem import Controls, Outcome, Problem, Solution, Tangents
from pkmodels.kernels.trial import Trial, is_sound
from pkmodels.kernels.xla import xla_solver

NATIVE = "native"
CALLBACK = "native by a callback"
XLA = "xla"
KERNELS = (NATIVE, CALLBACK, XLA)

_LOGGER = logging.getLogger("pkmodels.kernels")


class _UnsoundError(PkmodelsError):
    """A way to call kernels that does not give a known answer."""


@dataclass(frozen=True, eq=False)
class Solver:
    """What solves problems of some equations.

    Parameters
    ----------
    kernel : str
        Which of the `KERNELS` it is.
    solve : callable
        ``solve(problem, tangents=None, controls=Controls()) -> Solution`` for JAX.
    """

    kernel: str
    solve: Callable[..., Solution]


def choose_solver(equations: Equations, kernel: str | None = None) -> Solver:
    """Return what solves some equations fastest here, or the kernel asked for.

    On a CPU the native kernel through XLA's FFI, else the same through a callback;
    where there is neither, or on another backend, the xla kernel. Each way is tried on
    a problem whose answer is known before it is used first; what is passed over is said
    by the logger ``pkmodels.kernels``.

    Parameters
    ----------
    equations : Equations
        The equations.
    kernel : str or None
        One of the `KERNELS`.

    Returns
    -------
    Solver

    Raises
    ------
    InputError
        When the kernel's name is unknown.
    ModelError
        When the kernel asked for cannot be had for these equations.

    Examples
    --------
    >>> x, a = sympy.symbols("x a")
    >>> equations = Equations("decay", (x,), (a,), (-a * x,), False)
    >>> choose_solver(equations, "xla").kernel
    'xla'
    """
    if kernel is not None and kernel not in KERNELS:
        raise InputError(f"no kernel {kernel!r}: {suggest(kernel, KERNELS)}")
    if kernel is None and jax.default_backend() != "cpu":
        kernel = XLA
    if kernel == XLA:
        return Solver(XLA, xla_solver(equations))
    try:
        native = native_kernel(equations)
    except (PkmodelsError, RuntimeError, OSError, MemoryError) as error:
        if kernel is not None:
            raise ModelError(f"no native kernel of {equations.name!r}: {error}") from (
                error
            )
        _LOGGER.warning("%s is solved by the kernel 'xla': %s", equations.name, error)
        return Solver(XLA, xla_solver(equations))
    for name in (NATIVE, CALLBACK):
        if kernel in (None, name) and _can_call(name):
            return Solver(name, _called(native, name))
    if kernel is not None:
        raise ModelError(f"the kernel {kernel!r} cannot be used: the log says why")
    return Solver(XLA, xla_solver(equations))


def _called(native: NativeKernel, name: str) -> Callable[..., Solution]:
    way = ffi_solver if name == NATIVE else callback_solver
    return way(native.foreign, threads=available_threads())


@cache
def _can_call(name: str) -> bool:
    """Say whether kernels can be called one way; a success is kept for later starts."""

    def tried() -> bytes:
        equations, trial = _known_decay()
        if not is_sound(name, _called(native_kernel(equations), name), trial):
            raise _UnsoundError(name)
        return b"sound"

    try:
        cached(cache_key("trial", name, jax.__version__, version("jaxlib")), tried)
    except _UnsoundError:
        return False
    return True


def _known_decay() -> tuple[Equations, Trial]:
    """Return dx/dt = -a x with doses of 1 at 0 and at 1 h, and its solution."""
    x, a = sympy.symbols("x a")
    rate, times = 0.5, np.array([0.5, 2.0])
    ones = np.ones((2, 1))
    problem = Problem(
        constants=rate * ones,
        boundaries_h=np.array([0.0, 1.0]),
        keep=ones,
        added=ones,
        scales=np.ones(1),
        times_h=times,
        places=np.array([0, 1]),
    )
    along = Tangents(np.ones((1, 2, 1)), np.zeros((1, 2)), np.zeros((1, 2, 1)))
    since = np.array([[0.5, np.inf], [2.0, 1.0]])
    left = np.where(np.isfinite(since), np.exp(-rate * since), 0.0)
    slopes = -np.where(np.isfinite(since), since, 0.0) * left
    expected = Solution(
        left.sum(axis=1)[:, None],
        slopes.sum(axis=1)[None, :, None],
        np.array([Outcome.SOLVED, 2.0, 0.0]),
    )
    equations = Equations("decay", (x,), (a,), (-a * x,), False)
    return equations, Trial(problem, along, Controls(), expected, 1e-5)


def solve_numbers(
    equations: Equations, problem: Problem, controls: Controls
) -> Solution:
    """Solve one problem of NumPy arrays, by the native kernel or else the xla kernel.

    Parameters
    ----------
    equations : Equations
        The equations.
    problem : Problem
        Without batch axes.
    controls : Controls
        What a solve is allowed.

    Returns
    -------
    Solution

    Examples
    --------
    >>> x, a = sympy.symbols("x a")
    >>> equations = Equations("decay", (x,), (a,), (-a * x,), False)
    >>> one = np.ones((1, 1))
    >>> problem = Problem(one, [0.0], one, one, [1.0], [0.0, 1.0], [0, 0])
    >>> print(solve_numbers(equations, problem, Controls()).states[:, 0].round(6))
    [1.       0.367879]
    """
    kernel = single_kernel(equations)
    if kernel is not None:
        return kernel.solve(problem, controls=controls)
    return jax.jit(xla_solver(equations), static_argnums=2)(problem, None, controls)


@lru_cache(maxsize=256)
def single_kernel(equations: Equations) -> NativeKernel | None:
    """Return the native kernel for one problem at a time, or None, with a message.

    Parameters
    ----------
    equations : Equations
        The equations.

    Returns
    -------
    NativeKernel or None

    Examples
    --------
    >>> x, a = sympy.symbols("x a")
    >>> single_kernel(Equations("decay", (x,), (a,), (-a * x,), False)) is not None
    True
    """
    try:
        return native_kernel(equations, in_lanes=False)
    except (PkmodelsError, RuntimeError, OSError, MemoryError) as error:
        _LOGGER.warning("%s is solved by the kernel 'xla': %s", equations.name, error)
        return None
