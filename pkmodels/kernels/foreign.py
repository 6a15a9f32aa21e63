"""Calls of a compiled kernel: from NumPy, or from JAX by the FFI or a callback."""

import ctypes
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pkmodels.errors import InputError
from pkmodels.kernels.ffi_frame import HANDLER, VERSION, read_api_version
from pkmodels.kernels.machine_code import Library
from pkmodels.kernels.problem import Controls, Problem, Solution, Tangents

SOLVE = "solve"
# What a library that is called from here was loaded with.
NAMES = (SOLVE, HANDLER, VERSION)

Solver = Callable[..., Solution]

_FUNCTION = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_int64), ctypes.POINTER(ctypes.c_void_p)
)


@dataclass(frozen=True, eq=False)
class ForeignKernel:
    """A compiled kernel.

    Parameters
    ----------
    library : Library
        Loaded with the `NAMES`.
    key : str
        Of `pkmodels.kernels.cache.cache_key`: no two kernels of a process share one.
    n_constants, n_states : int
        Of its equations.
    """

    library: Library
    key: str
    n_constants: int
    n_states: int


class _Call(NamedTuple):
    """What a kernel's function takes, and what it fills."""

    operands: list[Any]
    batch: tuple[int, ...]
    n_segments: int
    n_times: int
    n_directions: int
    shapes: tuple[tuple[int, ...], ...]


def call(
    kernel: ForeignKernel,
    problem: Problem,
    tangents: Tangents | None = None,
    controls: Controls = Controls(),  # noqa: B008 (cannot change)
    *,
    threads: int = 1,
) -> Solution:
    """Solve problems given as NumPy arrays.

    Parameters
    ----------
    kernel : ForeignKernel
        What solves them.
    problem : Problem
        Batch axes are broadcast against each other, and so are those of the tangents.
    tangents : Tangents, optional
        No sensitivities without.
    controls : Controls
        What a solve is allowed.
    threads : int
        Most that share a batch, >= 1.

    Returns
    -------
    Solution
        With the batch axes first; without tangents, of no directions.

    Raises
    ------
    InputError
        When the arrays do not fit each other or the equations, naming the array.
    MemoryError
        When there is not enough for so many problems.

    Examples
    --------
    >>> from pkmodels.kernels.machine_code import load, object_code
    >>> from llvmlite import ir
    >>> from pkmodels.kernels.ffi_frame import emit_handler
    >>> module = ir.Module()
    >>> kind = ir.FunctionType(ir.IntType(32), [ir.PointerType()] * 2)
    >>> solve = ir.Function(module, kind, "solve")
    >>> builder = ir.IRBuilder(solve.append_basic_block())
    >>> _ = builder.ret(ir.IntType(32)(1))  # has no memory for anything
    >>> _ = emit_handler(module, solve)
    >>> library = load(object_code(str(module)), NAMES)
    >>> one = np.ones((1, 1))
    >>> problem = Problem(one, [0.0], one, one, [1.0], [0.0], [0])
    >>> call(ForeignKernel(library, "doctest", 1, 1), problem)
    Traceback (most recent call last):
    MemoryError: no memory for a batch of 1: solve fewer at a time
    """
    found = _arranged(kernel, problem, tangents, np)
    operands = [np.ascontiguousarray(operand) for operand in found.operands]
    results = [np.empty(shape) for shape in found.shapes]
    numbers, limits = _settings(controls, threads)
    size = int(np.prod(found.batch, dtype=np.int64))
    n_sizes = (size, found.n_segments, found.n_times, found.n_directions, *limits)
    sizes = (ctypes.c_int64 * 6)(*n_sizes)
    pointers = [array.ctypes.data for array in (*operands, numbers, *results)]
    arrays = (ctypes.c_void_p * len(pointers))(*pointers)
    if _FUNCTION(kernel.library.addresses[SOLVE])(sizes, arrays) != 0:
        raise MemoryError(f"no memory for a batch of {size}: solve fewer at a time")
    return Solution(*results)


def ffi_solver(kernel: ForeignKernel, *, threads: int = 1) -> Solver:
    """Return the solver that XLA calls by its typed FFI, on the CPU.

    Parameters
    ----------
    kernel : ForeignKernel
        What solves.
    threads : int
        Most that share a batch, >= 1.

    Returns
    -------
    callable
        ``solve(problem, tangents=None, controls=Controls())`` as `call`, for JAX
        arrays, under ``jit`` and ``vmap``; the controls are static. Without memory, a
        ``JaxRuntimeError``. When it is called first, it raises `UnknownVersionError`
        where XLA's FFI is not of a version that we know.

    Examples
    --------
    >>> library = Library({SOLVE: 0, HANDLER: 0, VERSION: 0})
    >>> callable(ffi_solver(ForeignKernel(library, "doctest", 1, 1)))
    True
    """

    def solve(
        problem: Problem,
        tangents: Tangents | None = None,
        controls: Controls = Controls(),  # noqa: B008 (cannot change)
    ) -> Solution:
        found = _arranged(kernel, problem, tangents, jnp)
        numbers, limits = _settings(controls, threads)
        run = jax.ffi.ffi_call(
            _target(kernel), _results(found), vmap_method="broadcast_all"
        )
        return Solution(*run(*found.operands, controls=numbers, limits=limits))

    return solve


def callback_solver(kernel: ForeignKernel, *, threads: int = 1) -> Solver:
    """Return the solver that calls a kernel through Python, where the FFI cannot.

    Parameters
    ----------
    kernel : ForeignKernel
        What solves.
    threads : int
        Most that share a batch, >= 1.

    Returns
    -------
    callable
        As that of `ffi_solver`.

    Examples
    --------
    >>> library = Library({SOLVE: 0, HANDLER: 0, VERSION: 0})
    >>> callable(callback_solver(ForeignKernel(library, "doctest", 1, 1)))
    True
    """

    def solve(
        problem: Problem,
        tangents: Tangents | None = None,
        controls: Controls = Controls(),  # noqa: B008 (cannot change)
    ) -> Solution:
        found = _arranged(kernel, problem, tangents, jnp)
        _settings(controls, threads)

        def run(*operands: Any) -> tuple[np.ndarray, ...]:
            arrays = [np.asarray(operand) for operand in operands]
            return tuple(
                call(
                    kernel,
                    Problem(*arrays[:7]),
                    Tangents(*arrays[7:]),
                    controls,
                    threads=threads,
                )
            )

        return Solution(
            *jax.pure_callback(
                run, _results(found), *found.operands, vmap_method="broadcast_all"
            )
        )

    return solve


_REGISTERED: set[str] = set()
_LOCK = threading.Lock()


def _target(kernel: ForeignKernel) -> str:
    """Return the name that XLA knows a kernel by, registered if need be."""
    name = f"pkmodels_{kernel.key}"
    with _LOCK:
        if name not in _REGISTERED:
            version = read_api_version(Path(jax.ffi.include_dir()))
            addresses = kernel.library.addresses
            (ctypes.c_int32 * 2).from_address(addresses[VERSION])[:] = version
            handler = jax.ffi.pycapsule(addresses[HANDLER])
            jax.ffi.register_ffi_target(name, handler, platform="cpu", api_version=1)
            _REGISTERED.add(name)
    return name


def _settings(controls: Controls, threads: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the three numbers and the two limits that a kernel's function takes."""
    if threads < 1:
        raise InputError(f"threads is {threads}: at least 1 solves")
    numbers = [controls.relative, controls.absolute, controls.negative]
    limits = [threads, controls.most_steps]
    return np.array(numbers, np.float64), np.array(limits, np.int64)


def _results(found: _Call) -> tuple[jax.ShapeDtypeStruct, ...]:
    return tuple(jax.ShapeDtypeStruct(shape, jnp.float64) for shape in found.shapes)


def _arranged(
    kernel: ForeignKernel, problem: Problem, tangents: Tangents | None, numbers: Any
) -> _Call:
    """Check the shapes of arrays, and broadcast their batch axes against each other.

    `numbers` is NumPy, or its counterpart in JAX.
    """
    if numbers is jnp and not jax.config.jax_enable_x64:  # pyright: ignore[reportAttributeAccessIssue]
        raise InputError(
            "JAX is set to 32 bits, and kernels work in 64: call "
            'jax.config.update("jax_enable_x64", True) first'
        )
    n_constants, n_states = kernel.n_constants, kernel.n_states
    n_segments = _length(problem.boundaries_h, 1)
    n_times = _length(problem.times_h, 1)
    n_directions = 0 if tangents is None else _length(tangents.boundaries_h, 2)
    by_segment = {
        "constants": (n_segments, n_constants),
        "boundaries_h": (n_segments,),
        "added": (n_segments, n_states),
    }
    own = by_segment | {
        "keep": (n_segments, n_states),
        "scales": (n_states,),
        "times_h": (n_times,),
        "places": (n_times,),
    }
    directed = {name: (n_directions, *shape) for name, shape in by_segment.items()}
    if tangents is None:
        tangents = Tangents(**{n: numbers.zeros(s) for n, s in directed.items()})
    arrays, leading = [], []
    for name, value, shape in (
        *((name, a, own[name]) for name, a in problem._asdict().items()),
        *((f"tangents.{n}", a, directed[n]) for n, a in tangents._asdict().items()),
    ):
        array = _array(name, value, shape, numbers)
        arrays.append((array, shape))
        leading.append(array.shape[: array.ndim - len(shape)])
    try:
        batch = np.broadcast_shapes(*leading)
    except ValueError as error:
        raise InputError(f"batch axes do not fit each other: {leading}") from error
    operands = [
        array
        if array.shape == (*batch, *shape)
        else numbers.broadcast_to(array, (*batch, *shape))
        for array, shape in arrays
    ]
    times = (n_times, n_states)
    shapes = ((*batch, *times), (*batch, n_directions, *times), (*batch, 3))
    return _Call(operands, batch, n_segments, n_times, n_directions, shapes)


def _array(name: str, value: Any, shape: tuple[int, ...], numbers: Any) -> Any:
    """Return a field as an array of 64 bits, whose last axes are as they should be."""
    kind = numbers.int64 if name == "places" else numbers.float64
    array = numbers.asarray(value, kind)
    if array.shape[max(array.ndim - len(shape), 0) :] != shape:
        raise InputError(
            f"{name} is an array of {array.shape}: its last axes should be {shape}"
        )
    return array


def _length(value: Any, from_end: int) -> int:
    """Return the length of an axis, counted from the last, or 0 without the axis."""
    shape = np.shape(value)
    return shape[-from_end] if len(shape) >= from_end else 0
