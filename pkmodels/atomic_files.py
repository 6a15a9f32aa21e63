"""Files that appear whole or not at all: written beside, then renamed."""

import os
import re
import secrets
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

_RANDOM_BYTES = 8
_LEFT = re.compile(rf"\.(.+)\.[0-9a-f]{{{2 * _RANDOM_BYTES}}}(\.[^.]*|)")
# Nothing takes so long from its first byte to its name.
_LEFT_S = 600.0


@contextmanager
def replace_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path that takes the place of `path` when the block ends.

    The temporary file lies in the same folder and keeps the suffix, by which some
    writers choose the format. When the block raises, it is deleted and whatever
    `path` held before is left as it was.

    Parameters
    ----------
    path : Path
        The file to create or replace; its folder must exist.

    Yields
    ------
    Path
        Where to write; the file does not exist yet.

    Raises
    ------
    OSError
        When the block wrote no file, or the file cannot be renamed.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     target = Path(folder) / "result.json"
    ...     with replace_atomically(target) as temporary:
    ...         _ = temporary.write_text("{}")
    ...     (target.read_text(), len(list(Path(folder).iterdir())))
    ('{}', 1)
    """
    temporary = path.with_name(
        f".{path.stem}.{secrets.token_hex(_RANDOM_BYTES)}{path.suffix}"
    )
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path, names: Collection[str]) -> None:
    """Remove what writers of files left that were killed before those had their names.

    Parameters
    ----------
    folder : Path
        Where the files lie.
    names : collection of str
        Of the files, which themselves are let be. Leftovers that were written to in
        the last ten minutes may be somebody's, and are let be, too.

    Raises
    ------
    OSError
        When the folder cannot be read, or one cannot be removed.

    Examples
    --------
    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     left = Path(folder) / ".result.0123456789abcdef.json"
    ...     _ = left.write_text("{")
    ...     os.utime(left, (0.0, 0.0))
    ...     remove_leftovers(Path(folder), ["result.json"])
    ...     left.exists()
    False
    """
    for path in folder.iterdir():
        found = _LEFT.fullmatch(path.name)
        if found is None or found[1] + found[2] not in names:
            continue
        if time.time() - path.stat().st_mtime > _LEFT_S:
            path.unlink(missing_ok=True)


def write_text_atomically(path: Path, text: str) -> None:
    r"""Write `text` as UTF-8 with ``\n`` line ends, whole or not at all.

    Parameters
    ----------
    path : Path
        The file to create or replace; its folder must exist.
    text : str
        What it shall hold.

    Raises
    ------
    OSError
        When the folder does not exist or cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     target = Path(folder) / "note.txt"
    ...     write_text_atomically(target, "23 Gy")
    ...     target.read_text(encoding="utf-8")
    '23 Gy'
    """
    with replace_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
