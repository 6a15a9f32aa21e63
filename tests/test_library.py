"""The library's list, `pkmodels models`, and what every model's file must have."""

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pkmodels.models
from pkmodels.clinic.command_line import main
from pkmodels.clinic.model_display import show
from pkmodels.clinic.model_list import list_models
from pkmodels.definition import Model
from pkmodels.errors import InputError
from pkmodels.models import library
from pkmodels.models.library import MODELS, find, summary
from pkmodels.schedule import Schedule
from pkmodels.system import assemble
from pkmodels.trajectory import simulate
from pkmodels.values import typical

WIDEST = 100
# "whose equations are those of", or "with the equations of", another module.
_BORROWED = re.compile(r"equations\s+(?:are\s+those\s+)?of\s+`pkmodels\.models\.(\w+)`")
HEAVY = ("jax", "sympy", "numpy", "scipy")

every_model = pytest.mark.parametrize("name", MODELS)
# The bodies of ten organs take seconds to analyse and print.
LARGE = ("dotatate_pbpk", "psma_pbpk")
every_model_shown = pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow) if n in LARGE else n for n in MODELS],
)


def test_the_list_holds_every_module_that_has_a_model() -> None:
    modules = [found.name for found in pkgutil.iter_modules(pkmodels.models.__path__)]
    texts = {
        name: Path(path, f"{name}.py").read_text("utf-8")
        for path in pkmodels.models.__path__
        for name in modules
    }
    parts = ("\nNAME = ", "\ndef model(")
    offering = {n for n, text in texts.items() if all(part in text for part in parts)}
    assert offering == set(MODELS)
    assert len(MODELS) == len(set(MODELS))


@every_model
def test_each_file_has_the_same_shape(name: str) -> None:
    """As CONTRIBUTING.md says under "A new model"."""
    module = find(name)
    assert name == module.NAME
    assert isinstance(module.model(), Model)
    assert isinstance(module.schedule(), Schedule)
    taken = inspect.signature(module.model).parameters
    known = inspect.signature(module.values).parameters
    assert set(taken) <= set(known)
    for parameter in [*taken.values(), *known.values()]:
        assert parameter.default is not parameter.empty, parameter


@every_model
def test_each_says_what_it_assumes_cannot_do_and_rests_on(name: str) -> None:
    documented = inspect.getdoc(find(name)) or ""
    said = documented.lower()
    assert "assum" in said
    assert "cannot" in said or "limit" in said
    borrowed = _BORROWED.search(said)
    module = f"pkmodels.models.{borrowed[1]}" if borrowed else find(name).__name__
    written = inspect.getdoc(importlib.import_module(module)) or ""
    assert re.search(r"^    .* (=|->) ", written, re.MULTILINE), "no equation"
    assert "\nReferences\n----------\n" in documented
    assert summary(name) == documented.splitlines()[0]
    assert summary(name).endswith(".")
    assert library.checked_against(name) == find(name).TESTED_AGAINST


@every_model_shown
def test_each_shows_a_value_and_its_source_for_every_parameter(name: str) -> None:
    model = find(name).model()
    table = show(name, "table")
    rows = {line.split()[0]: line for line in table.splitlines() if line}
    for parameter in model.parameters:
        found = rows[parameter.name]
        assert re.search(r"\((published|derived|judgement|stated): \S", found), found
    supplement = show(name, "supplement")
    assert "not stated" not in supplement


def copied(name: str, folder: Path, *changes: tuple[str, str]) -> Path:
    """Write a copy of a model's file, with its first line, name and more changed."""
    text = Path(inspect.getfile(find(name))).read_text("utf-8")
    first, named = f'"""{summary(name)}', f'NAME = "{name}"'
    own = ((first, '"""A copy of my own.'), (named, 'NAME = "own_copy"'))
    for old, new in (*own, *changes):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / "own_copy.py"
    path.write_text(text, "utf-8")
    return path


@every_model_shown
def test_a_copy_under_another_name_is_the_same_model(name: str, tmp_path: Path) -> None:
    copy = str(copied(name, tmp_path))
    found, original = (show(x, "chemistry").splitlines() for x in (copy, name))
    assert found[0] == "model own_copy"
    assert found[1:] == original[1:]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        (
            "organ_exchange",
            '("kidney_left", "kidney_right", "liver", "spleen")',
            '("kidneys", "lung")',
        ),
        (
            "pentixather",
            '"tumour": "tumour",',
            '"tumour": "tumour", "lung": "tumour",',
        ),
    ],
)
def test_a_copy_with_three_lines_changed_is_a_new_model(
    name: str, old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third changes which regions there are; it has values, and is simulated."""
    copied(name, tmp_path, (old, new))
    monkeypatch.syspath_prepend(tmp_path)
    own = importlib.import_module("own_copy")
    monkeypatch.delitem(sys.modules, "own_copy")
    model, known, schedule = own.model(), own.values(), own.schedule()
    assert set(known) == {p.name for p in model.parameters}
    assert set(model.observables) != set(find(name).model().observables)
    system = assemble(model, schedule.form)
    found = simulate(system, typical(known), schedule, np.array([0.0, 24.0]))
    assert found.observables["lung"][1] > 0.0
    shown = show(str(tmp_path / "own_copy.py"), "supplement")
    assert "A copy of my own." in shown


def test_the_table_names_all_in_order_and_fits() -> None:
    lines = list_models().splitlines()
    assert max(map(len, lines)) <= WIDEST
    names = [line.split()[0] for line in lines[2:] if line and not line[0].isspace()]
    assert tuple(names) == MODELS
    whole = " ".join(" ".join(lines).split())
    assert summary(MODELS[0]).split()[0] in whole


def test_sizes_are_those_of_the_models() -> None:
    text = list_models(sizes=True)
    assert max(map(len, text.splitlines())) <= WIDEST + 22
    row = next(x for x in text.splitlines() if x.startswith("organ_exchange "))
    model = find("organ_exchange").model()
    assert row.split()[-2:] == [str(len(model.amounts)), str(len(model.parameters))]


def test_unknown_models_get_the_nearest() -> None:
    for ask in (find, summary, library.checked_against):
        with pytest.raises(InputError, match="no model 'organexchange': did you mean"):
            ask("organexchange")


def test_a_listed_model_without_a_file_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "MODELS", ("no_such_file",))
    with pytest.raises(InputError, match="is listed, but has no file"):
        summary("no_such_file")


def test_a_model_need_not_say_what_it_was_checked_against(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(library, "MODELS", ("physiology",))
    assert library.checked_against("physiology") == ""


def test_the_command_prints_the_table_and_loads_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from pkmodels.clinic.command_line import main\n"
        "status = main(['models'])\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "sys.exit(f'{status} {loaded}' if status or loaded else 0)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith(list_models())


def test_the_command_counts_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--sizes"]) == 0
    head = capsys.readouterr().out.splitlines()[0]
    assert head.split()[-2:] == ["amounts", "parameters"]


OWN = '''"""A made-up organ."""

from pkmodels.definition import Model
from pkmodels.reactions import flow
from pkmodels.symbols import amounts, parameters
from pkmodels.values import Certainty, Value


def model():
    (blood,) = amounts("blood", unit="nmol")
    (loss,) = parameters("loss", unit="1/h")
    moves = (flow("elimination", blood, None, loss * blood),)
    return Model("own", moves, {"intravenous": blood}, {"blood": blood})


def values(loss=0.1):
    return {"loss": Value(loss, "1/h", "made up", Certainty.JUDGEMENT)}


other = model
same = model()
'''


def test_values_of_a_file_are_those_of_its_model_alone(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(OWN, "utf-8")
    assert "0.1 (judgement: made up)" in show(str(file), "table")
    assert "| `loss` | 1/h | 0.1 | judgement |" in show(str(file), "supplement")
    for name in ("other", "same"):
        assert "made up" not in show(f"{file}:{name}", "table")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("other =", "VALUES =", r"the file has VALUES and values\(\): keep one"),
        ("loss=0.1", "loss", r"values\(\) of .* needs loss: give each argument a def"),
        ('return {"loss"', 'return 1 / 0, {"loss"', r"values\(\) of .* fails, by Zero"),
        ('return {"loss": Value', "return [Value", "the mapping of values is"),
        ('"1/h", "made up"', '"h", "made up"', "is in h, the parameter in 1/h"),
    ],
)
def test_values_that_cannot_be_had_are_refused(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    text = OWN.replace(old, new)
    if "[Value" in new:
        text = text.replace("JUDGEMENT)}", "JUDGEMENT)]")
    file = tmp_path / "own.py"
    file.write_text(text, "utf-8")
    with pytest.raises(InputError, match=message):
        show(str(file), "table")
