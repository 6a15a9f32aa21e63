"""The list of the library's models, and what each says of itself.

A module of the library says in the first line of its docstring what it is, and in
``TESTED_AGAINST`` what its numbers were compared with. Both are read without importing
it, since a model needs SymPy.
"""

import ast
import importlib
import importlib.util
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from pkmodels.errors import InputError, suggest

# In the order in which a reader meets them: the clinic's models first.
MODELS = (
    "pentixather",
    "organ_exchange",
    "dotatate_pbpk",
    "psma_pbpk",
    "binding_assay",
    "xenograft",
    "pet_tissue",
    "exponentials",
    "sstr_tracer_to_therapy",
    "psma617_population",
    "marrow",
    "alpha_therapy",
)

_PACKAGE = "pkmodels.models"
_TESTED = "TESTED_AGAINST"


def find(name: str) -> ModuleType:
    """Return the module of a model of the library.

    Parameters
    ----------
    name : str
        Name of the model, one of `MODELS`.

    Returns
    -------
    module
        With ``model()``, ``values()`` and ``schedule()``.

    Raises
    ------
    InputError
        When the library has no such model.

    Examples
    --------
    >>> find("organ_exchange").model(("kidney",)).ligands
    ('ligand',)
    >>> find("organexchange")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    pkmodels.errors.InputError: no model 'organexchange': did you mean 'organ_...
    """
    _check(name)
    return importlib.import_module(f"{_PACKAGE}.{name}")


def summary(name: str) -> str:
    """Return the one line that says what a model is.

    Parameters
    ----------
    name : str
        Name of the model, one of `MODELS`.

    Returns
    -------
    str

    Raises
    ------
    InputError
        When the library has no such model.

    Examples
    --------
    >>> summary("organ_exchange")
    'Organs that take a tracer up from blood and release it out of the body.'
    """
    documented = ast.get_docstring(_source(name)) or ""
    return documented.partition("\n")[0]


def checked_against(name: str) -> str:
    """Return what the numbers of a model were compared with.

    Parameters
    ----------
    name : str
        Name of the model, one of `MODELS`.

    Returns
    -------
    str
        Its ``TESTED_AGAINST``; empty where it states none.

    Raises
    ------
    InputError
        When the library has no such model.

    Examples
    --------
    >>> len(checked_against("organ_exchange")) > 0
    True
    """
    for statement in _source(name).body:
        if isinstance(statement, ast.Assign):
            targets = [t.id for t in statement.targets if isinstance(t, ast.Name)]
            if _TESTED in targets:
                return str(ast.literal_eval(statement.value))
    return ""


def _check(name: str) -> None:
    if name not in MODELS:
        raise InputError(f"no model {name!r}: {suggest(name, MODELS)}")


@lru_cache(maxsize=64)
def _source(name: str) -> ast.Module:
    _check(name)
    # Finding a module imports the packages above it, and not the module.
    spec = importlib.util.find_spec(f"{_PACKAGE}.{name}")
    if spec is None or spec.origin is None:
        raise InputError(f"model {name!r} is listed, but has no file: mend the library")
    return ast.parse(Path(spec.origin).read_text("utf-8"))
