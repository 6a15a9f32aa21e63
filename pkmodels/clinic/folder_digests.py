"""Digests of folders: whether a patient's files are those that were asked about."""

import hashlib
import os
from pathlib import Path

from pkmodels.errors import InputError


def digest_folder(folder: Path) -> str:
    """Return a digest of a folder's files, a table of own S-values among them.

    Hidden files and folders in it do not count.

    Parameters
    ----------
    folder : Path
        Of a patient.

    Returns
    -------
    str
        64 hexadecimal digits; any change of a file, or of a file's name, changes it.

    Raises
    ------
    OSError
        When the folder or a file in it cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     table = Path(name) / "measurements.csv"
    ...     _ = table.write_text("1.0")
    ...     before = digest_folder(Path(name))
    ...     _ = table.write_text("1.1")
    ...     before == digest_folder(Path(name)), len(before)
    (False, 64)
    """
    hashed = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            # A name need not be UTF-8.
            hashed.update(os.fsencode(path.name) + b"\n")
            hashed.update(hashlib.sha256(path.read_bytes()).digest())
    return hashed.hexdigest()


def check_unchanged(folder: Path, digest: str) -> None:
    """Refuse a folder whose files are no longer those that were asked about.

    Parameters
    ----------
    folder : Path
        Of a patient.
    digest : str
        Of `digest_folder`, when it was asked about.

    Raises
    ------
    InputError
        When a file is another one now.
    OSError
        When the folder or a file in it cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     check_unchanged(Path(name), digest_folder(Path(name)))
    """
    if digest_folder(folder) != digest:
        raise InputError(
            f"{folder}: its files are not those that this run began with: let them "
            "be, and give the command again with --retry"
        )
