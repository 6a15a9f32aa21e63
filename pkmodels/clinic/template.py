"""The templates: a patient's folder for `pkmodels new`, a mapping for `import`."""

from importlib import resources
from pathlib import Path

from pkmodels.atomic_files import write_text_atomically
from pkmodels.errors import InputError

TEMPLATE_NAMES = ("patient.toml", "measurements.csv")
MAPPING_NAME = "mapping.toml"


def write_template(folder: Path) -> tuple[Path, ...]:
    """Write a commented example of a patient's folder.

    Parameters
    ----------
    folder : Path
        Where to write; made when it does not exist.

    Returns
    -------
    tuple of Path
        The files written.

    Raises
    ------
    InputError
        When one of the files exists already, or the folder cannot be made.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     [path.name for path in write_template(Path(parent) / "patient1")]
    ['patient.toml', 'measurements.csv']
    """
    paths = tuple(folder / name for name in TEMPLATE_NAMES)
    for path in paths:
        if path.exists():
            raise InputError(
                f"{path} exists already and is left as it is; name another folder"
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            write_text_atomically(path, _text(path.name))
    except OSError as error:
        raise InputError(
            f"{folder}: the template cannot be written ({error.strerror}); name a "
            "folder that you may write to"
        ) from error
    return paths


def example_mapping() -> str:
    """Return a commented example of a mapping file, as `pkmodels import` reads it.

    Returns
    -------
    str
        The text of a mapping.toml.

    Examples
    --------
    >>> from pkmodels.clinic.organ_mapping import parse_mapping
    >>> parse_mapping(example_mapping(), MAPPING_NAME).time.column
    'Time (h)'
    """
    return _text(MAPPING_NAME)


def _text(name: str) -> str:
    source = resources.files("pkmodels.clinic").joinpath("templates", name)
    return source.read_text("utf-8")
