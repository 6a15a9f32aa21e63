"""`pkmodels show`: the library's models and a user's, in every form."""

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pkmodels.clinic.model_display import FORMS, library_names, show
from pkmodels.errors import InputError, ModelError

FILE = '''"""A made-up organ."""

from dataclasses import dataclass

from neighbour import RATE_UNIT

from pkmodels.definition import Model
from pkmodels.reactions import flow
from pkmodels.symbols import amounts, inputs, parameters
from pkmodels.values import Certainty, Value

VALUES = {
    "loss": Value(0.1, RATE_UNIT, "made up", Certainty.JUDGEMENT),
    "uptake": 0.25,
}


@dataclass(frozen=True)
class Choice:
    region: str


def model():
    return organ(Choice("kidney"))


def liver():
    return organ(Choice("liver"))


def organ(choice):
    blood, region = amounts(f"blood {choice.region}", unit="nmol")
    uptake, loss = parameters("uptake loss", unit=RATE_UNIT)
    (start,) = parameters("before", unit="nmol")
    (amino,) = inputs("amino_acids", unit="1", otherwise=0.5)
    moves = (
        flow("filling", blood, region, uptake * blood * amino),
        flow("emptying", region, None, loss * region),
    )
    return Model("one", moves, {"by_vein": blood}, {"seen": region}, {region: start})


def number():
    return 7


def broken():
    return 1 / 0


def ill_posed():
    return Model("empty", (), {}, {})


spleen = organ(Choice("spleen"))
'''


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "neighbour.py").write_text('RATE_UNIT = "1/h"\n', "utf-8")
    path = tmp_path / "organ.py"
    path.write_text(FILE, "utf-8")
    return path


def test_a_file_s_model_is_shown_in_every_form(file: Path) -> None:
    before = list(sys.path)
    shown = {form: show(str(file), form) for form in FORMS}
    assert sys.path == before
    assert shown["chemistry"].startswith("model one\n  filling: blood -> kidney, rate ")
    assert "d kidney/dt = filling - emptying" in shown["equations"]
    assert r"\frac{d\,\mathrm{kidney}}{dt}" in shown["latex"]
    assert ElementTree.fromstring(shown["graph"]).tag.endswith("svg")
    assert "## Assumptions\n\nA made-up organ." in shown["supplement"]
    assert "| `loss` | 1/h | 0.1 | judgement | made up |" in shown["supplement"]
    assert "| `uptake` | 1/h | 0.25 |  | not stated |" in shown["supplement"]
    assert shown["table"].splitlines() == [
        "amount  unit  ligand  start",
        "------  ----  ------  ------",
        "blood   nmol  ligand  0",
        "kidney  nmol  ligand  before",
        "",
        "parameter  unit  value",
        "---------  ----  ------------------------",
        "uptake     1/h   0.25 (source not stated)",
        "loss       1/h   0.1 (judgement: made up)",
        "before     nmol",
        "",
        "input        unit  otherwise",
        "-----------  ----  ---------",
        "amino_acids  1     0.5",
    ]


def test_a_function_is_chosen_by_name(file: Path) -> None:
    assert "d liver/dt" in show(f"{file}:liver", "equations")


def test_so_is_a_model(file: Path) -> None:
    assert "d spleen/dt" in show(f"{file}:spleen", "equations")
    file.write_text(FILE.replace("def model()", "def function()"), "utf-8")
    with file.open("a", encoding="utf-8") as more:
        more.write("model = function()\n")
    assert "d kidney/dt" in show(str(file), "equations")


@pytest.mark.parametrize("form", ["table", "supplement"])
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ('{"loss": "0.1"}', r"the value of 'loss' is '0.1' \(str\): write a Value"),
        ("[0.1]", r"the mapping of values is \[0.1\] \(list\): write {'uptake'"),
        (
            '{"loss": Value(6.0, "h", "made up", Certainty.JUDGEMENT)}',
            "the value of 'loss' is in h, the parameter in 1/h: convert the value",
        ),
    ],
)
def test_values_that_are_none_are_refused(
    file: Path, form: str, values: str, message: str
) -> None:
    file.write_text(f"{FILE}\n\nVALUES = {values}\n", "utf-8")
    with pytest.raises(InputError, match=message):
        show(str(file), form)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            "livr",
            "no function and no model 'livr': did you mean 'liver'. Known: model, ",
        ),
        ("Model", "no function and no model 'Model': did you mean 'model'"),
        ("organ", "organ needs choice: write a function without arguments"),
        ("number", "number returns 7, which is no Model: return one"),
        ("broken", "broken fails, by ZeroDivisionError: division by zero: mend it"),
    ],
)
def test_functions_that_give_no_model_are_refused(
    file: Path, function: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        show(f"{file}:{function}", "chemistry")


def test_an_ill_posed_model_says_so_itself(file: Path) -> None:
    with pytest.raises(ModelError, match="'empty' has no route for a dose"):
        show(f"{file}:ill_posed", "chemistry")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("def model(:\n", "organ.py, line 1: invalid syntax: mend the file"),
        ("import no_such_module\n", "fails when it is loaded, by ModuleNotFoundError"),
        ("x = 1\n", "no function and no model 'model': known: none"),
    ],
)
def test_files_that_cannot_be_loaded_are_refused(
    file: Path, content: str, message: str
) -> None:
    file.write_text(content, "utf-8")
    with pytest.raises(InputError, match=message):
        show(str(file), "chemistry")


def test_unknown_files_models_and_forms_get_the_nearest(file: Path) -> None:
    with pytest.raises(
        InputError, match=r"there is no file .*did you mean .*organ.py'"
    ):
        show(str(file.with_name("orgn.py")), "chemistry")
    with pytest.raises(InputError, match="no model 'organexchange': did you mean 'org"):
        show("organexchange", "chemistry")
    with pytest.raises(InputError, match="no form 'tabel': did you mean 'table'"):
        show(str(file), "tabel")


def test_the_library_lists_models_only() -> None:
    names = library_names()
    assert "organ_exchange" in names
    assert not {"values", "blocks"} & set(names)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", library_names())
def test_each_model_of_the_library_is_shown(name: str, form: str) -> None:
    assert len(show(name, form)) > 100
