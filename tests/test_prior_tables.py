"""Prior tables: what is read, and what a mistake is told."""

from pathlib import Path

import pytest

from pkmodels.errors import InputError
from pkmodels.prior_tables import read_priors
from pkmodels.values import Certainty, Family

HEADER = "parameter,family,median,spread,unit,source,certainty\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "priors.csv"
    path.write_text(text, "utf-8")
    return path


def test_priors_are_read_as_written(tmp_path: Path) -> None:
    table = written(
        tmp_path,
        f'# mine\n{HEADER}sites,log_normal,20,0.8,nmol,"a paper, table 2",published\n'
        "kept,logit_normal,0.5,0.2,1,two kidneys,judgement\n",
    )
    priors = read_priors(table)
    assert list(priors) == ["sites", "kept"]
    sites, kept = priors.values()
    assert sites.parameters == {"median": 20.0, "log_sd": 0.8}
    assert (sites.unit, sites.source) == ("nmol", "a paper, table 2")
    assert sites.certainty is Certainty.PUBLISHED
    assert kept.family is Family.LOGIT_NORMAL
    assert kept.parameters == {"median": 0.5, "logit_sd": 0.2}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,normal,1,1,h,x,published", "line 2, column family: 'normal'"),
        ("a,log_normal,-1,1,h,x,published", "line 2, column median: found '-1'"),
        ("a,log_normal,1,nan,h,x,published", "line 2, column spread: found 'nan'"),
        ("a,log_normal,1,1,h,,published", "line 2, column source: is blank"),
        ("a,log_normal,1,1,h,x,sure", "line 2, column certainty: 'sure'"),
        ("a,logit_normal,1.5,1,1,x,published", "line 2: the median of a logit_normal"),
        ("a,log_normal,1,1,h,x, y,published", "line 2: 8 columns"),
        (
            "a,log_normal,1,1,h,x,published\na,log_normal,1,1,h,x,published",
            "line 3, column parameter: a has a prior already",
        ),
    ],
)
def test_a_mistake_is_told_with_line_and_column(
    tmp_path: Path, row: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_priors(written(tmp_path, f"{HEADER}{row}\n"))


def test_another_header_and_a_missing_file_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the header is name, value; it must be"):
        read_priors(written(tmp_path, "name,value\na,1\n"))
    with pytest.raises(InputError, match=r"nowhere.csv cannot be read"):
        read_priors(tmp_path / "nowhere.csv")
