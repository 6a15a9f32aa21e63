"""Saved draws: chunks of a run on disk, from which a killed run goes on.

A folder holds ``run.json``, which says of what problem the draws are, and one file for
each chunk: its draws and the chains' state after it. Each appears whole or not at all,
so that a run may be killed at any moment; what is resumed draws the same numbers, bit
for bit, as a run that was not killed.
"""

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import jax
import numpy as np

from pkmodels.atomic_files import replace_atomically, write_text_atomically
from pkmodels.errors import InputError
from pkmodels.fitting.transitions import Chunk

_RUN = "run.json"
# What the bits of a draw may hang on, besides the code of this repository.
_PACKAGES = ("jax", "jaxlib", "numpyro", "pymc", "pytensor", "pkmodels")


@dataclass(frozen=True)
class SavedDraws:
    """A folder of chunks of one run.

    Parameters
    ----------
    folder : Path
        Where they lie.
    """

    folder: Path

    def load(self, index: int, like: Any) -> tuple[Any, Chunk] | None:
        """Return the state after a chunk, and the chunk; None where it was not drawn.

        Parameters
        ----------
        index : int
            Which chunk, from 0.
        like : tree
            A state of the same chains.

        Raises
        ------
        InputError
            When the file cannot be read as a chunk.
        """
        path = self._path(index)
        if not path.exists():
            return None
        structure = jax.tree.structure(like)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
                leaves = [found[f"state_{i}"] for i in range(structure.num_leaves)]
                chunk = Chunk(*(found[name] for name in Chunk._fields))
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise InputError(
                f"{path} cannot be read as a chunk of draws ({error}): remove it and "
                "those after it, and they are drawn anew"
            ) from error
        return jax.tree.unflatten(structure, leaves), chunk

    def save(self, index: int, state: Any, chunk: Chunk) -> None:
        """Keep a chunk and the state after it, whole or not at all.

        Parameters
        ----------
        index : int
            Which chunk, from 0.
        state : tree of arrays
            Of all chains.
        chunk : Chunk
            Its draws.
        """
        leaves = {f"state_{i}": x for i, x in enumerate(jax.tree.leaves(state))}
        found: dict[str, Any] = {**leaves, **chunk._asdict()}
        arrays: dict[str, Any] = {name: np.asarray(x) for name, x in found.items()}
        with replace_atomically(self._path(index)) as temporary:
            np.savez(temporary, **arrays)

    def _path(self, index: int) -> Path:
        return self.folder / f"chunk_{index:04d}.npz"


def open_saved(folder: Path, problem: Mapping[str, str]) -> SavedDraws:
    """Open a folder for the draws of one problem.

    Parameters
    ----------
    folder : Path
        Made where it does not exist.
    problem : mapping of str to str
        What the draws hang on, by name.

    Returns
    -------
    SavedDraws

    Raises
    ------
    InputError
        When the folder holds draws of another problem, or files of something else.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     _ = open_saved(Path(name) / "draws", {"seed": "1"})
    ...     try:
    ...         open_saved(Path(name) / "draws", {"seed": "2"})
    ...     except InputError as error:
    ...         print(str(error).replace(name, ""))
    /draws holds draws of another problem: its seed is 1, not 2. Name another folder, \
or remove this one
    """
    wanted = {**dict(problem), **_versions()}
    path = folder / _RUN
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        if found := sorted(x.name for x in folder.iterdir() if x.name[0] != "."):
            raise InputError(
                f"{folder} holds {found[0]!r} and no draws: name an empty folder, or "
                "one that does not exist"
            )
        write_text_atomically(path, json.dumps(wanted, indent=1) + "\n")
        return SavedDraws(folder)
    kept = _read(path)
    other = [
        f"its {name} is {kept.get(name, 'not stated')}, not {value}"
        for name, value in wanted.items()
        if kept.get(name) != value
    ]
    if other:
        raise InputError(
            f"{folder} holds draws of another problem: {'; '.join(other)}. Name "
            "another folder, or remove this one"
        )
    return SavedDraws(folder)


def _read(path: Path) -> dict[str, str]:
    try:
        kept = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read ({error}): name another folder, or remove this one"
        ) from error
    if not isinstance(kept, dict):
        raise InputError(f"{path} is no record of a run: name another folder")
    return kept


def digest(arrays: Iterable[Any]) -> str:
    """Return a hash of arrays: of their shapes and every bit.

    Parameters
    ----------
    arrays : iterable of arrays
        In a fixed order.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> digest([np.zeros(2)]) == digest([np.zeros((2, 1))])
    False
    """
    found = hashlib.sha256()
    for array in arrays:
        values = np.ascontiguousarray(array)
        found.update(f"{values.shape} {values.dtype.str}".encode())
        found.update(values.tobytes())
    return found.hexdigest()


def _versions() -> dict[str, str]:
    """Return what else the bits of a draw hang on."""
    versions = {f"{name} version": version(name) for name in _PACKAGES}
    return {"processor": platform.machine(), **versions}
