"""Models shown to a reader: those of the library, and those in a user's file."""

import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from sympy import sympify

import pkmodels.models
from pkmodels.definition import Model
from pkmodels.errors import InputError, PkmodelsError, suggest
from pkmodels.notation.equations import equations_text, latex
from pkmodels.notation.formulas import formula_text
from pkmodels.notation.graph import graph_svg
from pkmodels.notation.parameter_values import Known, check_values, value_texts
from pkmodels.notation.supplement import supplement

_DEFAULT_NAME = "model"
_VALUES = "VALUES"
_LOADED_NAME = "shown_model_file"


def _chemistry(model: Model, module: ModuleType) -> str:
    return str(model)


def _equations(model: Model, module: ModuleType) -> str:
    return equations_text(model)


def _latex(model: Model, module: ModuleType) -> str:
    return latex(model)


def _graph(model: Model, module: ModuleType) -> str:
    return graph_svg(model)


def _supplement(model: Model, module: ModuleType) -> str:
    return supplement(
        model, _values_of(module), assumptions=inspect.getdoc(module) or ""
    )


def _table(model: Model, module: ModuleType) -> str:
    values = _values_of(module)
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


FORMS: Mapping[str, Callable[[Model, ModuleType], str]] = {
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
        Value, Prior or number, and its docstring opens the supplement.
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
        or ``VALUES`` holds what is no value.
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
        module = _library_module(name)
        model = _made(module, _DEFAULT_NAME, name)
    else:
        with _importable(file.parent):
            module = _loaded(file)
            model = _made(module, model_name, f"{file}:{model_name}")
    return FORMS[form](model, module).rstrip("\n")


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
    names = [found.name for found in pkgutil.iter_modules(pkmodels.models.__path__)]
    return tuple(
        name for name in names if hasattr(_module_of_library(name), _DEFAULT_NAME)
    )


def _module_of_library(name: str) -> ModuleType:
    return importlib.import_module(f"{pkmodels.models.__name__}.{name}")


def _library_module(name: str) -> ModuleType:
    known = library_names()
    if name not in known:
        raise InputError(
            f"no model {name!r}: {suggest(name, known)}; a model of your own is shown "
            "by file.py:name"
        )
    return _module_of_library(name)


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


def _made(module: ModuleType, name: str, shown: str) -> Model:
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
    required = [
        name
        for name, parameter in inspect.signature(found).parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if required:
        raise InputError(
            f"{shown} needs {', '.join(required)}: write a function without arguments "
            "that calls it, and name that one as file.py:function"
        )
    try:
        made = found()
    except PkmodelsError:
        raise
    except Exception as error:
        raise InputError(f"{shown} fails, by {_named(error)}: mend it") from error
    if not isinstance(made, Model):
        raise InputError(
            f"{shown} returns {made!r}, which is no Model: return one, or name another "
            "function"
        )
    return made


def _values_of(module: ModuleType) -> Mapping[str, Known]:
    return getattr(module, _VALUES, {})


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
