"""Models shown to a reader: those of the library, and those in a user's file."""

import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from sympy import sympify

from pkmodels.definition import Model
from pkmodels.errors import InputError, PkmodelsError, suggest
from pkmodels.models import library
from pkmodels.notation.equations import equations_text, latex
from pkmodels.notation.formulas import formula_text
from pkmodels.notation.graph import graph_svg
from pkmodels.notation.parameter_values import Known, check_values, value_texts
from pkmodels.notation.supplement import supplement

_DEFAULT_NAME = "model"
_VALUES = "VALUES"
_VALUES_FUNCTION = "values"
_LOADED_NAME = "shown_model_file"


@dataclass(frozen=True)
class _Origin:
    """Where a model is from: a module, the name in it, and what a user calls both."""

    module: ModuleType
    name: str
    shown: str


def _chemistry(model: Model, origin: _Origin) -> str:
    return str(model)


def _equations(model: Model, origin: _Origin) -> str:
    return equations_text(model)


def _latex(model: Model, origin: _Origin) -> str:
    return latex(model)


def _graph(model: Model, origin: _Origin) -> str:
    return graph_svg(model)


def _supplement(model: Model, origin: _Origin) -> str:
    documented = inspect.getdoc(origin.module) or ""
    return supplement(model, _values_of(origin), assumptions=documented)


def _table(model: Model, origin: _Origin) -> str:
    values = _values_of(origin)
    check_values(model.parameters, values)
    amounts = [
        (a.name, a.unit, a.ligand or "none", formula_text(sympify(start)))
        for a, start in ((a, model.start.get(a, 0)) for a in model.amounts)
    ]
    parameters = [
        (p.name, p.unit, _described(values.get(p.name))) for p in model.parameters
    ]
    inputs = [(i.name, i.unit, f"{i.otherwise:g}") for i in model.inputs]
    parts = [
        _aligned(("amount", "unit", "ligand", "start"), amounts),
        _aligned(("parameter", "unit", "value"), parameters),
        _aligned(("input", "unit", "otherwise"), inputs),
    ]
    return "\n\n".join(part for part in parts if part)


FORMS: Mapping[str, Callable[[Model, _Origin], str]] = {
    "chemistry": _chemistry,
    "equations": _equations,
    "latex": _latex,
    "graph": _graph,
    "table": _table,
    "supplement": _supplement,
}


def show(name: str, form: str) -> str:
    """Return a model in a form to read.

    Parameters
    ----------
    name : str
        A model of the library, or ``file.py:name``, or ``file.py`` where the name is
        ``model``: of a Model, or of a function that returns one and takes no
        arguments. The module may have ``VALUES``, a mapping of parameter names to
        Value, Prior or number, or a function ``values()`` that returns one, and its
        docstring opens the supplement.
    form : str
        ``chemistry``, ``equations`` (plain text), ``latex``, ``graph`` (SVG),
        ``table`` (amounts and parameters with units and values) or ``supplement``
        (Markdown).

    Returns
    -------
    str

    Raises
    ------
    InputError
        When there is no such form, model, file or function, it does not return a model,
        or ``VALUES`` or ``values()`` holds what is no value.
    ModelError
        When the model is ill-posed.

    Examples
    --------
    >>> show("organ_exchange", "tabel")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    pkmodels.errors.InputError: no form 'tabel': did you mean 'table'? Known: ...
    """
    if form not in FORMS:
        raise InputError(f"no form {form!r}: {suggest(form, FORMS)}")
    file, model_name = _file_and_name(name)
    if file is None:
        origin = _Origin(_library_module(name), _DEFAULT_NAME, name)
        return _shown(origin, form)
    with _importable(file.parent):
        origin = _Origin(_loaded(file), model_name, f"{file}:{model_name}")
        return _shown(origin, form)


def _shown(origin: _Origin, form: str) -> str:
    return FORMS[form](_made(origin), origin).rstrip("\n")


def library_names() -> tuple[str, ...]:
    """Return the names of the models of the library.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> "organ_exchange" in library_names()
    True
    """
    return library.MODELS


def _library_module(name: str) -> ModuleType:
    if name not in library.MODELS:
        raise InputError(
            f"no model {name!r}: {suggest(name, library.MODELS)}; a model of your own "
            "is shown by file.py:name"
        )
    return library.find(name)


def _file_and_name(name: str) -> tuple[Path | None, str]:
    """Take ``file.py:name`` apart; no file where there is none."""
    head, _, tail = name.rpartition(":")
    if head.endswith(".py"):
        return Path(head), tail or _DEFAULT_NAME
    return (Path(name) if name.endswith(".py") else None), _DEFAULT_NAME


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let a file import its neighbours, as it may when it is run."""
    before = list(sys.path)
    sys.path.insert(0, str(folder.resolve()))
    try:
        yield
    finally:
        sys.path[:] = before


def _loaded(file: Path) -> ModuleType:
    if not file.is_file():
        neighbours = sorted(str(path) for path in file.parent.glob("*.py"))
        hint = suggest(str(file), neighbours) if neighbours else "no .py file is there"
        raise InputError(f"there is no file {file}: {hint}")
    spec = importlib.util.spec_from_file_location(_LOADED_NAME, file)
    if spec is None or spec.loader is None:
        raise InputError(f"{file} is not Python that can be loaded: name a .py file")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pickles of the file look their module up here.
    sys.modules[_LOADED_NAME] = module
    try:
        spec.loader.exec_module(module)
    except PkmodelsError:
        raise
    except SyntaxError as error:
        raise InputError(
            f"{error.filename}, line {error.lineno}: {error.msg}: mend the file"
        ) from error
    except Exception as error:
        raise InputError(
            f"{file} fails when it is loaded, by {_named(error)}: mend the file"
        ) from error
    return module


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _made(origin: _Origin) -> Model:
    module, name, shown = origin.module, origin.name, origin.shown
    found = getattr(module, name, None)
    if isinstance(found, Model):
        return found
    if not inspect.isfunction(found):
        own = [
            name
            for name, value in vars(module).items()
            if isinstance(value, Model)
            or (inspect.isfunction(value) and value.__module__ == module.__name__)
        ]
        raise InputError(
            f"{shown}: there is no function and no model {name!r}: {suggest(name, own)}"
        )
    remedy = (
        "write a function without arguments that calls it, and name that one as "
        "file.py:function"
    )
    made = _called(found, shown, remedy)
    if not isinstance(made, Model):
        raise InputError(
            f"{shown} returns {made!r}, which is no Model: return one, or name another "
            "function"
        )
    return made


def _called(function: FunctionType, shown: str, remedy: str) -> object:
    """Return what a user's function returns without arguments."""
    required = [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if required:
        raise InputError(f"{shown} needs {', '.join(required)}: {remedy}")
    try:
        return function()
    except PkmodelsError:
        raise
    except Exception as error:
        raise InputError(f"{shown} fails, by {_named(error)}: mend it") from error


def _values_of(origin: _Origin) -> Mapping[str, Known]:
    """Return what a module knows of parameters; its ``values()`` are ``model``'s."""
    module = origin.module
    function = getattr(module, _VALUES_FUNCTION, None)
    if origin.name != _DEFAULT_NAME or not inspect.isfunction(function):
        return getattr(module, _VALUES, {})
    if hasattr(module, _VALUES):
        raise InputError(
            f"{origin.shown}: the file has {_VALUES} and {_VALUES_FUNCTION}(): keep one"
        )
    remedy = "give each argument a default, as those of the model have"
    shown = f"{_VALUES_FUNCTION}() of {origin.shown}"
    made: Any = _called(function, shown, remedy)
    return made


def _described(value: Known | None) -> str:
    if value is None:
        return ""
    number, certainty, source = value_texts(value)
    return (
        f"{number} ({certainty}: {source})"
        if certainty
        else f"{number} (source {source})"
    )


def _aligned(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in columns of equal width, without those that are empty."""
    kept = [n for n, _ in enumerate(columns) if any(row[n] for row in rows)]
    if not kept:
        return ""
    lines = [[row[n] for n in kept] for row in (columns, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(
            cell.ljust(width) for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    )
