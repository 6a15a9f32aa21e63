"""A kept file that is whole and yet no kernel is compiled anew, and replaced."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sympy

from pkmodels.kernels import cache, native
from pkmodels.kernels.cache import cache_key, cached, discard
from pkmodels.kernels.equations import Equations
from pkmodels.kernels.machine_code import object_code
from pkmodels.kernels.problem import Problem

X, A = sympy.symbols("x a")
DECAY = Equations("decay", (X,), (A,), (-A * X,), False)
KEY = cache_key(native.identity(DECAY), "in lanes: False")
NO_KERNELS = {
    "text": b"no object code",
    "zeros": bytes(2000),
    "other code": object_code("define i32 @one() { ret i32 1 }"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("PKMODELS_CACHE", str(tmp_path))
    cache._say_once.cache_clear()
    yield tmp_path / "kernels"
    cache._say_once.cache_clear()


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[Equations]:
    """Return what will be compiled from now on."""
    found: list[Equations] = []
    compile_it = native.compiled_code

    def counted(equations: Equations, *, in_lanes: bool) -> bytes:
        found.append(equations)
        return compile_it(equations, in_lanes=in_lanes)

    monkeypatch.setattr(native, "compiled_code", counted)
    return found


def left_of_1() -> float:
    """Return exp(-2) by a kernel that is compiled or found as in a new process."""
    kernel = native.native_kernel.__wrapped__(DECAY, in_lanes=False)
    one = np.ones((1, 1))
    problem = Problem(one, [0.0], one, one, [1.0], [2.0], [0])
    return kernel.solve(problem).states.item()


@pytest.mark.parametrize("kept", NO_KERNELS.values(), ids=NO_KERNELS)
def test_what_is_no_kernel_is_compiled_anew_once_and_replaced(
    folder: Path,
    compilations: list[Equations],
    caplog: pytest.LogCaptureFixture,
    kept: bytes,
) -> None:
    cached(KEY, lambda: kept)
    (file,) = folder.iterdir()
    for _ in range(2):
        assert left_of_1() == pytest.approx(np.exp(-2.0), rel=1e-6)
    assert len(compilations) == 1
    assert list(folder.iterdir()) == [file]
    (record,) = caplog.records
    assert record.message.startswith(f"{file} is of no use: ")


def test_what_can_never_be_loaded_is_not_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def useless(*_: object, **__: object) -> bytes:
        made.append(1)
        return NO_KERNELS["text"]

    monkeypatch.setattr(native, "compiled_code", useless)
    with pytest.raises(RuntimeError, match="not recognized as a valid object file"):
        left_of_1()
    assert len(made) == 2
    assert list(folder.iterdir()) == []


def test_a_file_that_cannot_be_removed_is_passed_over(
    folder: Path,
    compilations: list[Equations],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A read-only folder, as an administrator may provide one."""
    cached(KEY, lambda: NO_KERNELS["text"])

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    assert left_of_1() == pytest.approx(np.exp(-2.0), rel=1e-6)
    assert len(compilations) == 1
    (record,) = caplog.records
    assert "Permission denied" in record.message


def test_nothing_is_said_of_a_file_that_is_not_there(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    discard(KEY, "it is of no use")
    assert caplog.records == []
    assert list(folder.iterdir()) == []
