"""Tasks: what is asked many times, and what makes one the same as before."""

import hashlib
import inspect
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pkmodels.errors import InputError, check_kind

Work = Callable[[Any], Any]

# What a number may hang on, besides the code of this package.
_PACKAGES = (
    "arviz",
    "arviz-stats",
    "jax",
    "jaxlib",
    "llvmlite",
    "numba",
    "numpy",
    "numpyro",
    "nutpie",
    "pymc",
    "pytensor",
    "scipy",
    "sympy",
)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,119}")


@dataclass(frozen=True)
class Task:
    """One of many questions that have nothing to do with each other.

    Parameters
    ----------
    name : str
        Names it in messages and on the disk: at most 120 letters, digits, ``_``, ``-``
        and ``.``, no dot first.
    argument : JSON value
        What the work is given: text, numbers, None, lists and dicts of them.

    Raises
    ------
    InputError
        When the name cannot name a file, or the argument is not of that kind.
    """

    name: str
    argument: Any

    def __post_init__(self) -> None:
        """Refuse what could not be kept on the disk."""
        check_kind("the name of a task", self.name, str, "give it in quotes")
        if not _NAME.fullmatch(self.name):
            raise InputError(
                f"the name of a task is {self.name!r}: use at most 120 letters, "
                "digits, '_', '-' and '.', no dot first"
            )
        canonical(self.argument, f"the argument of task {self.name!r}")


def canonical(value: Any, what: str) -> str:
    """Return a value as JSON that is the same for equal values.

    Parameters
    ----------
    value : JSON value
        Text, finite numbers, None, lists and dicts with text as keys.
    what : str
        What it is, for the message.

    Returns
    -------
    str

    Raises
    ------
    InputError
        When it is of another kind, or holds NaN or infinity.

    Examples
    --------
    >>> canonical({"seed": 1, "Gy": 23.0}, "a limit")
    '{"Gy":23.0,"seed":1}'
    """
    try:
        return json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{what} is not JSON ({error}): give text, finite numbers, None, lists and "
            "dicts of them"
        ) from error


def check_names(tasks: Sequence[Task]) -> None:
    """Refuse tasks of which two have one name, even but for the case of letters.

    Parameters
    ----------
    tasks : sequence of Task
        All tasks of a run.

    Raises
    ------
    InputError
        Naming the first that is there twice.

    Examples
    --------
    >>> check_names([Task("P1", 1), Task("P2", 1)])
    """
    seen: dict[str, str] = {}
    for task in tasks:
        # Some file systems take P1 and p1 for one file.
        folded = task.name.casefold()
        if folded in seen:
            raise InputError(
                f"two tasks are called {seen[folded]!r} and {task.name!r}: give each "
                "a name of its own"
            )
        seen[folded] = task.name


@cache
def code_version() -> str:
    """Return a digest of this package's code and data, and of what it computes with.

    Returns
    -------
    str
        64 hexadecimal digits; any change of a source file changes it.

    Examples
    --------
    >>> len(code_version())
    64
    """
    hashed = hashlib.sha256()
    for name in _PACKAGES:
        hashed.update(f"{name} {_version(name)}\n".encode())
    for package in ("pkmodels", "pkmodels.models", "pkmodels.fitting"):
        spec = find_spec(package)
        assert spec is not None
        for place in spec.submodule_search_locations or ():
            _add_files(hashed, Path(place).resolve(), package)
    return hashed.hexdigest()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "is not there"  # a sampler that is an extra


def _add_files(hashed: Any, folder: Path, package: str) -> None:
    for path in sorted(folder.rglob("*")):
        # Pages and messages change no number, but whatever else lies here may.
        if path.suffix in (".py", ".csv", ".json", ".toml", ".txt"):
            hashed.update(f"{package}/{path.relative_to(folder)}\n".encode())
            hashed.update(hashlib.sha256(path.read_bytes()).digest())


def work_identity(work: Work, sources: Iterable[Path] = ()) -> str:
    """Return a digest of a function, what is bound to it, and the files it is made of.

    Parameters
    ----------
    work : callable
        A function, or `functools.partial` of one, bound to functions and JSON values.
    sources : iterable of Path
        Other files that its numbers hang on.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    InputError
        When something is bound that has no identity, or a source cannot be read.

    Examples
    --------
    >>> work_identity(canonical) == work_identity(check_names)
    False
    >>> work_identity(partial(canonical, what="x")) == work_identity(canonical)
    False
    """
    hashed = hashlib.sha256(code_version().encode())
    for text in _parts(work):
        hashed.update(f"{len(text)} {text}".encode())
    for path in sorted(Path(source) for source in sources):
        try:
            hashed.update(hashlib.sha256(path.read_bytes()).digest())
        except OSError as error:
            raise InputError(
                f"the source {path} cannot be read ({error.strerror})"
            ) from error
    return hashed.hexdigest()


def _parts(bound: Any) -> list[str]:
    """Return a function's name and file, those of what is bound to it, or the value."""
    if isinstance(bound, partial):
        found = _parts(bound.func)
        for value in bound.args:
            found += _parts(value)
        for name, value in sorted(bound.keywords.items()):
            found += [name, *_parts(value)]
        return found
    if not inspect.isfunction(bound):
        return [canonical(bound, "what is bound to a run's work")]
    file = inspect.getsourcefile(bound)
    # Code of this package counts as a whole; a study's counts by its file.
    if file is None or bound.__module__.split(".")[0] == "pkmodels":
        return [bound.__module__, bound.__qualname__]
    # A script is called __main__ here, and something else in another process.
    return [bound.__qualname__, Path(file).read_text("utf-8")]


def task_key(task: Task, identity: str) -> str:
    """Return what makes a task's answer the same: its argument, and the work's code.

    Parameters
    ----------
    task : Task
        The task.
    identity : str
        From `work_identity`.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> one = task_key(Task("P1", {"seed": 1}), "code")
    >>> one == task_key(Task("P1", {"seed": 1}), "code")
    True
    >>> one == task_key(Task("P1", {"seed": 1}), "other code")
    False
    """
    argument = canonical(task.argument, f"the argument of task {task.name!r}")
    return hashlib.sha256(f"{identity}\n{argument}".encode()).hexdigest()
