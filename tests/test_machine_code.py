"""Compiled kernels give the same by ctypes, XLA's FFI and a callback: a formula's."""

import ctypes
import re
from collections.abc import Callable
from pathlib import Path

import decay_kernel
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pkmodels.errors import InputError
from pkmodels.kernels import machine_code
from pkmodels.kernels.ffi_frame import HANDLER, UnknownVersionError, read_api_version
from pkmodels.kernels.foreign import (
    ForeignKernel,
    Solver,
    call,
    callback_solver,
    ffi_solver,
)
from pkmodels.kernels.machine_code import load, object_code
from pkmodels.kernels.problem import Controls, Problem, Solution, Tangents
from pkmodels.kernels.trial import Trial, is_sound

CONSTANTS, STATES, SEGMENTS, TIMES, DIRECTIONS, THREADS = 2, 3, 4, 5, 6, 7
CONTROLS = Controls(relative=0.5, absolute=0.25, most_steps=9, negative=0.125)
BY_JAX = pytest.mark.parametrize("make", [ffi_solver, callback_solver])

pytestmark = pytest.mark.usefixtures("strict_dtypes")


@pytest.fixture(scope="module")
def kernel() -> ForeignKernel:
    return decay_kernel.kernel("test", CONSTANTS, STATES)


def course(*batch: int) -> tuple[Problem, Tangents]:
    """Numbers that differ everywhere."""
    rng = np.random.default_rng(1)

    def some(*shape: int) -> np.ndarray:
        return rng.uniform(0.1, 1.0, (*batch, *shape))

    problem = Problem(
        constants=some(SEGMENTS, CONSTANTS),
        boundaries_h=some(SEGMENTS),
        keep=some(SEGMENTS, STATES),
        added=some(SEGMENTS, STATES),
        scales=some(STATES),
        times_h=some(TIMES),
        places=rng.integers(0, SEGMENTS, (*batch, TIMES)),
    )
    tangents = Tangents(
        constants=some(DIRECTIONS, SEGMENTS, CONSTANTS),
        boundaries_h=some(DIRECTIONS, SEGMENTS),
        added=some(DIRECTIONS, SEGMENTS, STATES),
    )
    return problem, tangents


def trial() -> Trial:
    problem, tangents = course()
    known = decay_kernel.expected(problem, tangents, CONTROLS, THREADS)
    return Trial(problem, tangents, CONTROLS, known, 1e-12)


def assert_is_formula(
    found: Solution, problem: Problem, tangents: Tangents, controls: Controls = CONTROLS
) -> None:
    known = decay_kernel.expected(problem, tangents, controls, THREADS)
    for value, other in zip(found, known, strict=True):
        np.testing.assert_allclose(np.asarray(value), other, rtol=1e-13)


@pytest.mark.parametrize("batch", [(), (1,), (3,), (2, 3), (0,)])
def test_numpy_arrays(kernel: ForeignKernel, batch: tuple[int, ...]):
    problem, tangents = course(*batch)
    found = call(kernel, problem, tangents, CONTROLS, threads=THREADS)
    assert found.states.shape == (*batch, TIMES, STATES)
    assert_is_formula(found, problem, tangents)


@BY_JAX
@pytest.mark.parametrize("batch", [(), (1,), (3,), (2, 3), (0,)])
@pytest.mark.parametrize("compiled", [False, True])
def test_jax_arrays(
    kernel: ForeignKernel,
    make: Callable[..., Solver],
    batch: tuple[int, ...],
    compiled: bool,
):
    problem, tangents = course(*batch)
    solver = make(kernel, threads=THREADS)

    def run(problem: Problem, tangents: Tangents) -> Solution:
        return solver(problem, tangents, CONTROLS)

    found = (jax.jit(run) if compiled else run)(problem, tangents)
    assert_is_formula(found, problem, tangents)


@BY_JAX
def test_vmap_and_nested_vmap(kernel: ForeignKernel, make: Callable[..., Solver]):
    solver = make(kernel, threads=THREADS)

    def run(problem: Problem, tangents: Tangents) -> Solution:
        return solver(problem, tangents, CONTROLS)

    problem, tangents = course(2, 3)
    once = jax.vmap(run)(problem, tangents)  # one axis of its own, one mapped
    assert_is_formula(once, problem, tangents)
    twice = jax.jit(jax.vmap(jax.vmap(run)))(problem, tangents)
    assert_is_formula(twice, problem, tangents)
    inner = jax.vmap(run, in_axes=1, out_axes=1)
    assert_is_formula(inner(problem, tangents), problem, tangents)


@BY_JAX
def test_vmap_over_some(kernel: ForeignKernel, make: Callable[..., Solver]):
    """What is not mapped is the same for all."""
    solver = make(kernel, threads=THREADS)
    problem, tangents = course()
    constants = np.linspace(0.1, 1.0, 4)[:, None, None] * problem.constants

    def run(constants: jax.Array) -> Solution:
        return solver(problem._replace(constants=constants), tangents, CONTROLS)

    found = jax.jit(jax.vmap(run))(constants)
    whole, directions = jax.tree.map(
        lambda a: np.broadcast_to(a, (4, *a.shape)), (problem, tangents)
    )
    assert_is_formula(found, whole._replace(constants=constants), directions)


def test_batch_axes_are_broadcast(kernel: ForeignKernel):
    problem, tangents = course(2, 3)
    problem = problem._replace(scales=problem.scales[:1, :1], keep=problem.keep[0, 0])
    whole = problem._replace(
        scales=np.broadcast_to(problem.scales, (2, 3, STATES)),
        keep=np.broadcast_to(problem.keep, (2, 3, SEGMENTS, STATES)),
    )
    for found in (
        call(kernel, problem, tangents, CONTROLS, threads=THREADS),
        ffi_solver(kernel, threads=THREADS)(problem, tangents, CONTROLS),
        callback_solver(kernel, threads=THREADS)(problem, tangents, CONTROLS),
    ):
        assert_is_formula(found, whole, tangents)


def test_arrays_in_another_order_are_copied(kernel: ForeignKernel):
    problem, tangents = course(3)
    turned = problem._replace(
        added=np.asfortranarray(problem.added),
        places=np.repeat(problem.places, 2, -1)[:, ::2].astype(np.int32),
    )
    found = call(kernel, turned, tangents, CONTROLS, threads=THREADS)
    assert_is_formula(found, problem, tangents)


@pytest.mark.parametrize("batch", [(), (3,)])
def test_without_tangents_there_are_no_directions(
    kernel: ForeignKernel, batch: tuple[int, ...]
):
    problem, tangents = course(*batch)
    none = Tangents(
        tangents.constants[..., :0, :, :],
        tangents.boundaries_h[..., :0, :],
        tangents.added[..., :0, :, :],
    )
    for found in (
        call(kernel, problem, controls=CONTROLS, threads=THREADS),
        jax.jit(lambda p: ffi_solver(kernel, threads=THREADS)(p, None, CONTROLS))(
            problem
        ),
        callback_solver(kernel, threads=THREADS)(problem, None, CONTROLS),
    ):
        assert found.sensitivities.shape == (*batch, 0, TIMES, STATES)
        assert_is_formula(found, problem, none)


def test_a_large_batch_from_a_callback_does_not_wait_for_itself(kernel: ForeignKernel):
    problem, tangents = course(20_000)
    solver = callback_solver(kernel, threads=THREADS)
    run = jax.jit(lambda *arrays: solver(*arrays, CONTROLS))
    assert_is_formula(run(problem, tangents), problem, tangents)


def test_no_memory_is_said(kernel: ForeignKernel):
    problem, tangents = course(3)
    none = CONTROLS._replace(most_steps=-1)
    with pytest.raises(MemoryError, match="no memory for a batch of 3: solve fewer"):
        call(kernel, problem, tangents, none)
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"RESOURCE_EXHAUSTED.*fewer"):
        ffi_solver(kernel)(problem, tangents, none).states.block_until_ready()


def test_a_frame_of_another_shape_is_refused(kernel: ForeignKernel):
    ffi_solver(kernel)(*course())  # known to XLA from here on
    shape = jax.ShapeDtypeStruct((1,), jnp.float64)
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"INVALID_ARGUMENT.*operands"):
        jax.ffi.ffi_call("pkmodels_test", shape)(jnp.ones(1)).block_until_ready()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"constants": np.ones((SEGMENTS, 1))}, r"constants .* should be \(4, 2\)"),
        ({"added": np.ones(STATES)}, r"added .* should be \(4, 3\)"),
        ({"places": np.zeros(TIMES + 1)}, r"places .* should be \(5,\)"),
        ({"times_h": 1.0}, r"times_h .* should be \(0,\)"),
        (
            {"scales": np.ones((2, STATES)), "keep": np.ones((3, SEGMENTS, STATES))},
            "batch axes do not fit",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_named(
    kernel: ForeignKernel, change: dict, message: str
):
    problem, tangents = course()
    for solver in (
        lambda *a: call(kernel, *a),
        ffi_solver(kernel),
        callback_solver(kernel),
    ):
        with pytest.raises(InputError, match=message):
            solver(problem._replace(**change), tangents)


@pytest.mark.parametrize("field", Tangents._fields)
def test_tangents_that_do_not_fit_are_named(kernel: ForeignKernel, field: str):
    problem, tangents = course()
    wrong = tangents._replace(**{field: getattr(tangents, field)[:, :-1]})
    with pytest.raises(InputError, match=rf"tangents\.{field}"):
        call(kernel, problem, wrong)


def test_no_thread_solves_nothing(kernel: ForeignKernel):
    with pytest.raises(InputError, match="threads is 0"):
        call(kernel, *course(), threads=0)


def test_32_bits_are_refused(kernel: ForeignKernel):
    with jax.enable_x64(False), pytest.raises(InputError, match="jax_enable_x64"):
        ffi_solver(kernel)(*jax.tree.map(jnp.float32, course()))


class _ApiVersion(ctypes.Structure):
    _fields_ = (
        ("size", ctypes.c_size_t),
        ("extension", ctypes.c_void_p),
        ("major", ctypes.c_int),
        ("minor", ctypes.c_int),
    )


class _Metadata(ctypes.Structure):
    _fields_ = (
        ("size", ctypes.c_size_t),
        ("version", _ApiVersion),
        ("traits", ctypes.c_uint32),
        ("state", ctypes.c_int64),
    )


class _Extension(ctypes.Structure):
    _fields_ = (
        ("size", ctypes.c_size_t),
        ("type", ctypes.c_int),
        ("next", ctypes.c_void_p),
        ("metadata", ctypes.POINTER(_Metadata)),
    )


def test_the_handler_answers_with_the_version_of_the_header(kernel: ForeignKernel):
    """As `XLA_FFI_Metadata` of xla/ffi/api/c_api.h is laid out."""
    ffi_solver(kernel)(*course())  # sets the version
    metadata = _Metadata(traits=7, state=7)
    extension = _Extension(type=1, metadata=ctypes.pointer(metadata))
    frame = (ctypes.c_void_p * 22)(0, ctypes.addressof(extension))
    handler = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
    answer = handler(kernel.library.addresses[HANDLER])(ctypes.addressof(frame))
    assert answer is None
    found = (metadata.version.major, metadata.version.minor)
    assert (0, 0) != found == read_api_version(Path(jax.ffi.include_dir()))
    assert metadata.version.size == ctypes.sizeof(_ApiVersion)
    assert (metadata.traits, metadata.state) == (0, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read"),
        ("#define XLA_FFI_API_MAJOR 0\n", "does not name it"),
        (
            "#define XLA_FFI_API_MAJOR 1\n#define XLA_FFI_API_MINOR 2\n",
            r"version 1\.2, and pkmodels knows 0\.x",
        ),
    ],
)
def test_another_version_of_the_ffi_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kernel: ForeignKernel,
    caplog: pytest.LogCaptureFixture,
    text: str | None,
    message: str,
):
    if text is not None:
        header = tmp_path / "xla" / "ffi" / "api" / "c_api.h"
        header.parent.mkdir(parents=True)
        header.write_text(text, "utf-8")
    with pytest.raises(UnknownVersionError, match=message):
        read_api_version(tmp_path)
    monkeypatch.setattr(jax.ffi, "include_dir", lambda: str(tmp_path))
    new = ForeignKernel(kernel.library, f"another {text}", CONSTANTS, STATES)
    assert not is_sound("the FFI", ffi_solver(new), trial())
    assert "the FFI cannot be used" in caplog.text
    assert is_sound("the callback", callback_solver(new), trial())


@BY_JAX
def test_a_sound_solver_is_said_to_be_so(
    kernel: ForeignKernel,
    make: Callable[..., Solver],
    caplog: pytest.LogCaptureFixture,
):
    assert (is_sound("the solver", make(kernel), trial()), caplog.text) == (True, "")


@pytest.mark.parametrize(
    "change",
    [
        {"states": lambda a: a * (1 + 1e-9)},
        {"states": lambda a: a[:-1]},
        {"sensitivities": lambda a: a * (1 + 1e-9)},
        {"sensitivities": lambda a: a[:0]},
        {"report": lambda a: a + 1.0},
    ],
)
def test_an_unsound_solver_is_said_to_be_so(
    kernel: ForeignKernel, caplog: pytest.LogCaptureFixture, change: dict
):
    whole = trial()
    (name, changed), *_ = change.items()
    other = changed(getattr(whole.expected, name))
    wrong = whole._replace(expected=whole.expected._replace(**{name: other}))
    assert not is_sound("the solver", ffi_solver(kernel), wrong)
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("pkmodels.kernels", "WARNING")
    assert record.message.startswith("the solver cannot be used: its ")
    assert ("outcome" if name == "report" else name) in record.message


def test_a_solver_that_is_wrong_in_a_batch_only_is_unsound(kernel: ForeignKernel):
    right = ffi_solver(kernel)

    def solver(*arguments: object) -> Solution:
        found = right(*arguments)
        if found.states.ndim > 2:
            return found._replace(states=found.states.at[1].multiply(2.0))
        return found

    assert not is_sound("the solver", solver, trial())


@pytest.mark.parametrize("transform", [jax.jit, jax.vmap, jax.grad])
def test_soundness_is_found_within_transformations(
    kernel: ForeignKernel, transform: Callable
):
    answers = []

    def run(number: jax.Array) -> jax.Array:
        answers.append(is_sound("the solver", ffi_solver(kernel), trial()))
        return number * 2.0

    transform(run)(jnp.ones(2) if transform is jax.vmap else 1.0)
    assert answers == [True]


def test_code_that_calls_what_is_not_there_is_refused():
    text = "declare i32 @no_such_thing()  define i32 @f() {"
    code = object_code(f"{text} %x = call i32 @no_such_thing()  ret i32 %x }}")
    with pytest.raises(RuntimeError):
        load(code, ["f"])


def test_vectors_of_512_bits_stay_whole_where_the_processor_has_them():
    """A multiplication of 8 doubles by EVEX.512: 62 F1 .. 48 59 (Intel SDM, MULPD)."""
    if "+avx512f" not in machine_code.processor().features:
        pytest.skip("needs a processor with AVX-512")
    code = object_code(
        "define void @f(ptr %a) { %x = load <8 x double>, ptr %a "
        "%y = fmul <8 x double> %x, %x store <8 x double> %y, ptr %a ret void }"
    )
    assert re.search(rb"\x62\xf1.\x48\x59", code, re.DOTALL)
