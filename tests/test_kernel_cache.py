"""Whatever is wrong with the cache, the answer is right, and what is wrong is said."""

import errno
import hashlib
import os
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import llvmlite
import pytest
import sympy

from pkmodels.kernels import cache
from pkmodels.kernels.cache import cache_key, cached
from pkmodels.kernels.machine_code import Processor

PAYLOAD = bytes(range(256)) * 8


class Maker:
    """Counts how often it is asked."""

    def __init__(self, payload: bytes = PAYLOAD) -> None:
        self.payload, self.times = payload, 0

    def __call__(self) -> bytes:
        self.times += 1
        return self.payload


@pytest.fixture
def make() -> Maker:
    return Maker()


@pytest.fixture
def folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[Path]:
    monkeypatch.setenv("PKMODELS_CACHE", str(tmp_path / "cache"))
    cache._say_once.cache_clear()
    yield tmp_path / "cache" / "kernels"
    cache._say_once.cache_clear()


def file_of(key: str, folder: Path) -> Path:
    return folder / f"{hashlib.sha256(key.encode()).hexdigest()}.kernel"


def assert_said_once(caplog: pytest.LogCaptureFixture, text: str) -> None:
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("pkmodels.kernels", "WARNING")
    assert text in record.message


def test_it_is_made_once_in_a_private_folder(
    folder: Path, make: Maker, caplog: pytest.LogCaptureFixture
):
    assert [cached("a", make) for _ in range(3)] == [PAYLOAD] * 3
    assert cached("b", Maker(b"")) == cached("b", make) == b""
    assert make.times == 1
    assert sorted(folder.iterdir()) == sorted(file_of(k, folder) for k in "ab")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(file_of("a", folder).stat().st_mode) == 0o600
    assert caplog.text == ""


def test_without_the_variable_it_is_the_users_cache_folder(
    folder: Path, make: Maker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.delenv("PKMODELS_CACHE")
    monkeypatch.setattr(
        "platformdirs.user_cache_dir", lambda name, **_: str(tmp_path / "home" / name)
    )
    cached("a", make)
    assert file_of("a", tmp_path / "home" / "pkmodels" / "kernels").exists()


def test_what_cannot_be_made_leaves_nothing(folder: Path):
    def fail() -> bytes:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cached("a", fail)
    assert list(folder.iterdir()) == []


DAMAGES = {
    "empty": lambda b: b"",
    "magic only": lambda b: b[:18],
    "truncated digest": lambda b: b[:30],
    "no payload": lambda b: b[:50],
    "truncated": lambda b: b[:-1],
    "longer": lambda b: b + b"\0",
    "another magic": lambda b: b"x" + b[1:],
    "another digest": lambda b: b[:20] + bytes([b[20] ^ 1]) + b[21:],
    "one bit": lambda b: b[:-100] + bytes([b[-100] ^ 4]) + b[-99:],
    "zeros": lambda b: bytes(len(b)),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_made_anew_and_replaced(
    folder: Path,
    make: Maker,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[bytes], bytes],
):
    cached("a", make)
    path = file_of("a", folder)
    whole = path.read_bytes()
    assert damage(whole) != whole
    path.write_bytes(damage(whole))
    assert cached("a", make) == PAYLOAD
    assert path.read_bytes() == whole
    assert cached("a", make) == PAYLOAD
    assert make.times == 2
    assert_said_once(caplog, "is damaged")


def refuse(number: int) -> Callable[..., None]:
    def function(path: object, *arguments: object, **options: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    return function


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_folder_that_cannot_be_made(
    folder: Path,
    make: Maker,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
):
    monkeypatch.setattr(os, "mkdir", refuse(number))
    assert cached("a", make) == cached("b", make) == PAYLOAD
    assert make.times == 2
    assert_said_once(caplog, os.strerror(number))
    assert "set PKMODELS_CACHE" in caplog.text


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_folder_that_cannot_be_written_to(
    folder: Path,
    make: Maker,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
):
    """Permission bits do not bind every user, so the system's answers are made up."""
    cached("before", make)
    for name in ("open", "replace", "utime"):
        monkeypatch.setattr(os, name, refuse(number))
    assert cached("a", make) == cached("b", make) == PAYLOAD
    assert_said_once(caplog, os.strerror(number))
    assert cached("before", make) == PAYLOAD  # can still be read
    assert make.times == 3
    assert list(folder.iterdir()) == [file_of("before", folder)]


def test_a_full_disk(
    folder: Path,
    make: Maker,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
):
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        write(path, content[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    assert cached("a", make) == cached("b", make) == PAYLOAD
    assert make.times == 2
    assert list(folder.iterdir()) == []
    assert_said_once(caplog, os.strerror(errno.ENOSPC))


@pytest.mark.skipif(os.name != "posix", reason="limits are those of POSIX")
def test_a_file_that_the_system_ends(folder: Path):
    """The system itself refuses the rest of a file."""
    run = in_a_process("""
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        print(cached("a", lambda: bytes(2000)) == bytes(2000))
    """)
    out, error = run.communicate()
    assert out == "True\n"
    assert os.strerror(errno.EFBIG) in error
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("place", ["cache", "cache/kernels"])
def test_a_folder_that_is_a_file(
    folder: Path,
    tmp_path: Path,
    make: Maker,
    caplog: pytest.LogCaptureFixture,
    place: str,
):
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text("a file")
    assert cached("a", make) == cached("b", make) == PAYLOAD
    assert make.times == 2
    assert_said_once(caplog, "what is compiled is not kept")
    assert (tmp_path / place).read_text() == "a file"


def test_a_folder_in_the_place_of_a_file(
    folder: Path, make: Maker, caplog: pytest.LogCaptureFixture
):
    file_of("a", folder).mkdir(parents=True, mode=0o700)
    folder.chmod(0o700)
    assert cached("a", make) == PAYLOAD
    assert os.strerror(errno.EISDIR) in caplog.text


def test_no_home_folder(
    folder: Path,
    make: Maker,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("PKMODELS_CACHE", "~no_such_user_anywhere/kernels")
    assert cached("a", make) == PAYLOAD
    assert_said_once(caplog, "home directory")


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777, 0o1777])
def test_a_folder_that_others_can_write_to_is_not_used(
    folder: Path, make: Maker, caplog: pytest.LogCaptureFixture, mode: int
):
    cached("a", make)
    file_of("a", folder).write_bytes(b"anything")
    folder.chmod(mode)
    assert cached("a", make) == cached("b", make) == PAYLOAD
    assert_said_once(caplog, "chmod 700")
    assert file_of("a", folder).read_bytes() == b"anything"
    assert not file_of("b", folder).exists()


def test_a_folder_of_another_user_is_not_used(
    folder: Path,
    make: Maker,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
):
    cached("a", make)
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    assert cached("a", make) == cached("b", make) == PAYLOAD
    assert make.times == 3
    assert_said_once(caplog, f"is not kept: {folder} belongs to another user")
    assert not file_of("b", folder).exists()


def test_a_file_of_another_user_is_not_used(
    folder: Path,
    make: Maker,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
):
    cached("a", Maker(b"of another"))
    status = os.fstat

    def another(file: int) -> os.stat_result:
        found = list(status(file))
        found[stat.ST_UID] += 1
        return os.stat_result(found)

    monkeypatch.setattr(os, "fstat", another)
    assert cached("a", make) == PAYLOAD
    monkeypatch.undo()
    assert_said_once(caplog, "belongs to another user")


def test_those_used_longest_ago_are_removed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    maker = Maker(bytes(1000))
    monkeypatch.setattr(cache, "MOST_BYTES", 3500)
    for age, key in ((30, "a"), (20, "b"), (10, "c")):
        cached(key, maker)
        path = file_of(key, folder)
        then = path.stat().st_mtime - age
        os.utime(path, (then, then))
    cached("a", maker)  # used again
    cached("d", maker)
    assert set(folder.iterdir()) == {file_of(key, folder) for key in "acd"}
    assert maker.times == 4


def in_a_process(code: str) -> subprocess.Popen[str]:
    opening = "from pkmodels.kernels.cache import cache_key, cached\n"
    return subprocess.Popen(
        [sys.executable, "-c", opening + textwrap.dedent(code)],
        cwd=Path(__file__).parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


COMPILE = """
    import numpy as np
    import decay_kernel
    from pkmodels.kernels.foreign import NAMES, ForeignKernel, call
    from pkmodels.kernels.machine_code import load, object_code
    from pkmodels.kernels.problem import Problem

    compiled = []
    key = cache_key("decay")

    def make():
        compiled.append(1)
        return object_code(decay_kernel.text(1, 1))

    kernel = ForeignKernel(load(cached(key, make), NAMES), key, 1, 1)
    one = np.ones((1, 1))
    problem = Problem(one, [0.0], one, 5.0 * one, [1.0], [0.0, 1.0], [0, 0])
    print(len(compiled), *call(kernel, problem).states[:, 0].round(6))
"""


def test_a_second_process_compiles_nothing(folder: Path):
    for count in (1, 0):
        out, error = in_a_process(COMPILE).communicate()
        # 1 + 5 exp(-t)
        assert (out, error) == (f"{count} 6.0 2.839397\n", "")


def test_processes_at_once(folder: Path):
    """Each reads or replaces the same file until the time is over."""
    runs = [
        in_a_process(f"""
            import os, time
            from pkmodels.kernels.cache import _own_folder
            payload = bytes([1]) * 3_000_000
            print("ready", flush=True)
            input()
            end = time.monotonic() + 0.7
            seen = set()
            while time.monotonic() < end:
                seen.add(cached("a", lambda: payload) == payload)
                if {number} == 0:
                    next(_own_folder("kernels").glob("*.kernel")).unlink(missing_ok=True)
            print(seen)
        """)
        for number in range(3)
    ]
    for run in runs:
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
    assert [run.communicate("\n") for run in runs] == [("{True}\n", "")] * 3
    assert set(folder.iterdir()) <= {file_of("a", folder)}


def test_a_key_is_of_the_parts_and_of_what_compiles_them(
    monkeypatch: pytest.MonkeyPatch,
):
    keys = {cache_key(*parts) for parts in ([], [""], ["a", "b"], ["ab"], ["b", "a"])}
    whole = cache_key("ab")
    assert len(keys) == 5
    for target, value in (
        ((sympy, "__version__"), "0"),
        ((llvmlite, "__version__"), "0"),
        ((cache, "llvm_version_info"), (0, 0, 0)),
        ((cache, "processor"), lambda: Processor("a", "b", "+c")),
        ((cache, "processor"), lambda: Processor("a", "b", "-c")),
        ((Path, "read_text"), lambda *_: "another source"),
    ):
        cache._compiler.cache_clear()
        with monkeypatch.context() as patch:
            patch.setattr(*target, value)
            keys.add(cache_key("ab"))
    cache._compiler.cache_clear()
    assert len(keys) == 11
    assert cache_key("ab") == whole
