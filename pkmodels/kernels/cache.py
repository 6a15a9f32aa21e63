"""The cache of compiled kernels: a folder of the user's own, and never a failure.

A kernel is compiled once for each model, processor and version, by whichever process
comes first. What is wrong with the folder, or with a file in it, is said once by the
logger ``pkmodels.kernels``, and the kernel is compiled in memory.
"""

import contextlib
import functools
import hashlib
import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path

import jax
import llvmlite
import platformdirs
import sympy
from llvmlite.binding import llvm_version_info

from pkmodels.atomic_files import replace_atomically
from pkmodels.kernels.machine_code import processor

FOLDER_VARIABLE = "PKMODELS_CACHE"
MOST_BYTES = 512 * 2**20
_WORTH_KEEPING_S = 0.2

_LOGGER = logging.getLogger("pkmodels.kernels")
_MAGIC = b"pkmodels kernel 1\n"
_DIGEST_BYTES = 32


class _UnusableFolderError(Exception):
    """Why a folder cannot hold machine code that will be run."""


def cache_key(*parts: str) -> str:
    """Return the key of a kernel: of what it is, and of all that compiles it.

    That is the source of this package, the versions of SymPy, llvmlite and LLVM, and
    the processor.

    Parameters
    ----------
    *parts : str
        What the kernel solves.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> cache_key("-k * x") == cache_key("-k * x")
    True
    >>> cache_key("ab", "c") == cache_key("a", "bc")
    False
    """
    hashed = hashlib.sha256()
    for part in (*_compiler(), *parts):
        text = part.encode()
        # With its length, so that no two lists of parts read the same.
        hashed.update(len(text).to_bytes(8, "little") + text)
    return hashed.hexdigest()


def cached(key: str, make: Callable[[], bytes]) -> bytes:
    """Return what was made under a key before, by any process, or make it.

    The files lie in the folder ``kernels`` of the user's cache folder, or of the
    folder that the environment variable ``PKMODELS_CACHE`` names. Only one that belongs
    to the user, and that nobody else can write to, is used: what lies there is
    executed. Files are checked before they are used. Above 512 MiB, those used longest
    ago are removed.

    Parameters
    ----------
    key : str
        Of `cache_key`.
    make : callable
        Makes it; what it raises is passed on.

    Returns
    -------
    bytes

    Examples
    --------
    >>> import tempfile
    >>> from unittest.mock import patch
    >>> with (tempfile.TemporaryDirectory() as folder,
    ...       patch.dict("os.environ", {"PKMODELS_CACHE": folder})):
    ...     cached("a key", lambda: b"made"), cached("a key", lambda: b"not made again")
    (b'made', b'made')
    """
    try:
        folder = _own_folder("kernels")
    except (OSError, RuntimeError, _UnusableFolderError) as error:
        _say_not_kept(error)
        return make()
    path = _path(folder, key)
    payload = _read(path)
    if payload is None:
        payload = make()
        _write(path, payload)
    return payload


def discard(key: str, reason: str) -> None:
    """Remove what was kept under a key, and say why.

    For what is whole, as it was written, and yet of no use. Where there is none, or it
    cannot be removed, nothing happens.

    Parameters
    ----------
    key : str
        Of `cache_key`.
    reason : str
        Why it is of no use.

    Examples
    --------
    >>> import tempfile
    >>> from unittest.mock import patch
    >>> with (tempfile.TemporaryDirectory() as folder,
    ...       patch.dict("os.environ", {"PKMODELS_CACHE": folder}),
    ...       patch("pkmodels.kernels.cache._say_once")):
    ...     cached("a key", lambda: b"of no use")
    ...     discard("a key", "it is of no use")
    ...     cached("a key", lambda: b"made anew")
    b'of no use'
    b'made anew'
    """
    try:
        path = _path(_own_folder("kernels"), key)
        path.unlink()
    except FileNotFoundError:
        return
    except (OSError, RuntimeError, _UnusableFolderError) as error:
        _say_not_kept(error)
        return
    _say_once(f"{path} is of no use: {reason}; it is compiled anew and replaced")


def keep_xla_programs() -> None:
    """Have JAX keep what it compiles beside the kernels, unless it is told where.

    That is a setting of the whole process, which is why only commands call this.

    Examples
    --------
    >>> import tempfile
    >>> from unittest.mock import patch
    >>> before = jax.config.jax_compilation_cache_dir
    >>> with (tempfile.TemporaryDirectory() as folder,
    ...       patch.dict("os.environ", {"PKMODELS_CACHE": folder})):
    ...     keep_xla_programs()
    ...     jax.config.jax_compilation_cache_dir is not None
    True
    >>> jax.config.update("jax_compilation_cache_dir", before)
    """
    if jax.config.jax_compilation_cache_dir is not None:  # pyright: ignore[reportAttributeAccessIssue]
        return
    try:
        folder = _own_folder("xla")
    except (OSError, RuntimeError, _UnusableFolderError) as error:
        _say_not_kept(error)
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_compilation_cache_max_size", MOST_BYTES)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", _WORTH_KEEPING_S)


def _say_not_kept(error: Exception) -> None:
    _say_once(
        f"what is compiled is not kept: {error}; set {FOLDER_VARIABLE} to a folder of "
        "your own"
    )


def _path(folder: Path, key: str) -> Path:
    return folder / f"{hashlib.sha256(key.encode()).hexdigest()}.kernel"


def _own_folder(name: str) -> Path:
    """Return one of the folders, made if need be; raise why there is none."""
    chosen = os.environ.get(FOLDER_VARIABLE) or platformdirs.user_cache_dir(
        "pkmodels", appauthor=False
    )
    folder = Path(chosen).expanduser().resolve() / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat()
    if not _is_ours(found):
        raise _UnusableFolderError(f"{folder} belongs to another user")
    # Windows has no such bits, and keeps a user's folder from others by other means.
    if os.name == "posix" and found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _UnusableFolderError(
            f"others can write to {folder} (make it yours alone: chmod 700)"
        )
    return folder


def _is_ours(found: os.stat_result) -> bool:
    return os.name != "posix" or found.st_uid == os.geteuid()


def _read(path: Path) -> bytes | None:
    """Return the payload of a file that is there, whole and ours."""
    try:
        with path.open("rb") as file:
            if not _is_ours(os.fstat(file.fileno())):
                _say_once(f"{path} belongs to another user: it is compiled anew")
                return None
            content = file.read()
        # The time of the last change is that of the last use: see `_trim`.
        with contextlib.suppress(OSError):
            os.utime(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        _say_once(f"{path} is compiled anew: {error.strerror or error}")
        return None
    head, digest = content[: len(_MAGIC)], content[len(_MAGIC) :][:_DIGEST_BYTES]
    payload = content[len(_MAGIC) + _DIGEST_BYTES :]
    if head != _MAGIC or hashlib.sha256(payload).digest() != digest:
        _say_once(f"{path} is damaged: it is compiled anew and replaced")
        return None
    return payload


def _write(path: Path, payload: bytes) -> None:
    try:
        with replace_atomically(path) as temporary:
            temporary.touch(mode=0o600, exist_ok=False)
            temporary.write_bytes(_MAGIC + hashlib.sha256(payload).digest() + payload)
        _trim(path.parent)
    except OSError as error:
        # Without the name of the temporary file, which is another each time.
        reason = error.strerror or error
        _say_once(f"compiled kernels could not be kept in {path.parent}: {reason}")


def _trim(folder: Path) -> None:
    """Remove the files used longest ago until the rest is small enough."""
    found = []
    for path in folder.iterdir():
        # Another process may have removed it in the meantime.
        with contextlib.suppress(FileNotFoundError):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                found.append((status.st_mtime_ns, status.st_size, path))
    found.sort(reverse=True)
    total = 0
    for _, size, path in found:
        total += size
        if total > MOST_BYTES:
            path.unlink(missing_ok=True)


@functools.cache
def _say_once(message: str) -> None:
    _LOGGER.warning(message)


@functools.cache
def _compiler() -> tuple[str, ...]:
    """Return the text and the versions of all that a kernel is compiled by."""
    host = processor()
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return (
        *(path.read_text("utf-8") for path in sources),
        sympy.__version__,
        llvmlite.__version__,
        ".".join(map(str, llvm_version_info)),
        host.triple,
        host.name,
        host.features,
    )
