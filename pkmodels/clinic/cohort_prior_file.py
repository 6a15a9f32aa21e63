"""The format of a cohort's prior, "pkmodels-cohort-prior/1": written, read, checked.

Each field's description completes the sentence "give ...", in error messages too.
"""

import json
import tomllib
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from pkmodels.clinic.cohort_prior import MODEL, CohortPrior
from pkmodels.clinic.patient_tables import Label, Name, Table, Text
from pkmodels.errors import InputError, suggest
from pkmodels.values import Certainty, log_normal

FORMAT = "pkmodels-cohort-prior/1"
LEAST_PATIENTS = 8  # as of pkmodels.fitting.cohort_posterior, which a test compares

_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Three = Annotated[
    list[Annotated[float, Field(gt=0)]], Field(min_length=3, max_length=3)
]
_REMEDY = "write it anew with `pkmodels cohort FOLDER --prior-out FILE`"
_HEAD = """\
# What {patients} patients of one department tell of the kinetics of the next one.
# Written by `pkmodels cohort`; a patient's patient.toml names it, with the file beside:
#     [cohort_prior]
#     file = "{file}"
# x of a parameter is log-normal: ln x has the mean ln(median) and the sd log_sd, with
# all that is not known of the population. Between patients: 2.5, 50 and 97.5 % of the
# population's median and of the sd of ln x. own_...: the model's prior without it.
# tail_ratio: the 99 % interval over that of the log-normal; above 1 it is wider.
# widened: log_sd holds this factor, for the correlation of an organ's uptake and
# half-life between patients, which independent log-normals cannot have.
# shared_sd: log_sd and both intervals hold it, the sd of ln x of the calibration that
# the patients share, which no number of them averages out.
"""


class ParameterTable(Table):
    """One table [parameter.NAME]."""

    unit: str = Field(description='the unit in quotes, as "h"')
    median: float = Field(gt=0, description="the next patient's median, above 0")
    log_sd: float = Field(gt=0, le=5, description="the sd of ln x, above 0, at most 5")
    patients: int = Field(
        ge=LEAST_PATIENTS,
        description=f"the patients it was learnt from, {LEAST_PATIENTS} or more",
    )
    own_median: float = Field(gt=0, description="the own prior's median, above 0")
    own_log_sd: float = Field(gt=0, description="the own prior's sd of ln x, above 0")
    population_median: _Three = Field(description="three numbers above 0")
    population_log_sd: _Three = Field(description="three numbers above 0")
    tail_ratio: float = Field(gt=0, description="a number above 0")
    widened: float = Field(ge=1, description="a number, 1 or more")
    shared_sd: float | None = Field(
        None, ge=0, description="the shared error's sd of ln x, 0 or more"
    )


class CohortPriorFile(Table):
    """The file."""

    format: str = Field(description=f'"{FORMAT}"')
    cohort: Text = Field(description="the cohort's name in quotes")
    pkmodels: Text = Field(description="the version of pkmodels in quotes")
    seed: int = Field(ge=0, description="a whole number, 0 or more")
    model: Text = Field(description=f'"{MODEL}"')
    ligand: Text = Field(description="the ligand's name in quotes")
    labels: list[Label] = Field(min_length=1, description="the labels in brackets")
    ligand_mass_ug: list[Annotated[float, Field(gt=0)]] | None = Field(
        None,
        min_length=2,
        max_length=2,
        description="the smallest and largest mass in ug, or leave the key out",
    )
    patients: int = Field(
        ge=LEAST_PATIENTS, description=f"how many, {LEAST_PATIENTS} or more"
    )
    left_out: int = Field(ge=0, description="how many patients were left out")
    organs: list[Text] = Field(description="the organs in brackets")
    hyperprior: Text = Field(description="the priors of the population in words")
    independent: Text = Field(description="what is taken as independent, in words")
    checked_together: bool | None = Field(
        None, description="true, or false where draws were held by patient alone"
    )
    subjects: list[_Digest] = Field(description="a digest of each patient's id")
    measured: list[_Digest] = Field(description="a digest of each one's measurements")
    parameter: dict[Name, ParameterTable] = Field(
        min_length=1, description="a table [parameter.NAME] for each parameter"
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.model != MODEL:
            raise ValueError(f"model: found {self.model!r}; only {MODEL!r} has cohorts")
        for name in ("subjects", "measured"):
            count = len(getattr(self, name))
            if count != self.patients:
                raise ValueError(
                    f"{name}: {count} digests of {self.patients} patients; {_REMEDY}"
                )
        for name, table in self.parameter.items():
            if table.patients > self.patients:
                raise ValueError(
                    f"[parameter.{name}] patients: {table.patients} of "
                    f"{self.patients}; {_REMEDY}"
                )
        return self


def cohort_prior_text(content: CohortPriorFile, name: str) -> str:
    """Return a cohort's prior as a file that a person can read.

    Parameters
    ----------
    content : CohortPriorFile
        What it says.
    name : str
        Of the file.

    Returns
    -------
    str
        TOML.
    """
    lines = [_HEAD.format(patients=content.patients, file=name)]
    values = content.model_dump(exclude_none=True)
    tables = values.pop("parameter")
    lines += [f"{key} = {_toml(value)}" for key, value in values.items()]
    for parameter, table in tables.items():
        lines += ["", f"[parameter.{parameter}]"]
        lines += [f"{key} = {_toml(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    """Return text, a number or a list of them as TOML, floats to the last digit."""
    if isinstance(value, list):
        inner = [_toml(each) for each in value]
        long = sum(map(len, inner)) > 80
        return f"[\n  {',\n  '.join(inner)},\n]" if long else f"[{', '.join(inner)}]"
    return json.dumps(value, ensure_ascii=False)


def parse_cohort_prior(text: str, name: str) -> CohortPrior:
    """Read the text of a cohort's prior.

    Parameters
    ----------
    text : str
        The whole file.
    name : str
        Its name, for messages.

    Returns
    -------
    CohortPrior

    Raises
    ------
    InputError
        When it is not TOML, of another format, or breaks the format; one line for each
        mistake.

    Examples
    --------
    >>> parse_cohort_prior("patients = 25", "cohort_prior.toml")
    Traceback (most recent call last):
        ...
    pkmodels.errors.InputError: cohort_prior.toml: format: found nothing; this version \
reads format = "pkmodels-cohort-prior/1" only
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{name}: not valid TOML: {error}; {_REMEDY}") from None
    if content.get("format") != FORMAT:
        found = repr(content["format"]) if "format" in content else "nothing"
        raise InputError(
            f"{name}: format: found {found}; this version reads "
            f'format = "{FORMAT}" only'
        )
    try:
        read = CohortPriorFile.model_validate(content)
    except ValidationError as error:
        lines = [f"{name}: {_problem(e)}" for e in error.errors(include_url=False)]
        raise InputError("\n".join(dict.fromkeys(lines))) from None
    mass = read.ligand_mass_ug
    return CohortPrior(
        file=name,
        cohort=read.cohort,
        model=read.model,
        ligand=read.ligand,
        ligand_mass_ug=None if mass is None else (mass[0], mass[1]),
        organs=tuple(read.organs),
        patients=read.patients,
        priors={
            key: log_normal(
                table.median,
                table.log_sd,
                table.unit,
                f"cohort {read.cohort!r}, {table.patients} patients; the model's own: "
                f"median {table.own_median:.6g}, sd of ln {table.own_log_sd:.3g}",
                Certainty.DERIVED,
            )
            for key, table in read.parameter.items()
        },
        scale_counted=all(t.shared_sd is not None for t in read.parameter.values()),
        subjects=frozenset(read.subjects),
        measured=frozenset(read.measured),
    )


def read_cohort_prior(path: Path) -> CohortPrior:
    """Read the file of a cohort's prior.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    CohortPrior

    Raises
    ------
    InputError
        As `parse_cohort_prior`, or when it cannot be read as UTF-8.
    """
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path.name}: the file is not UTF-8; {_REMEDY}") from None
    return parse_cohort_prior(text, path.name)


def _problem(details: ErrorDetails) -> str:
    """Write one mistake: the key as the file has it, what was found, what to give."""
    parts = [str(part) for part in details["loc"] if part != "[key]"]
    table = len(parts) > 1 and parts[0] == "parameter"
    schema = ParameterTable if table else CohortPriorFile
    where = f"[parameter.{parts[1]}]" if table else ""
    key = (parts[2] if len(parts) > 2 else "") if table else (parts[0] if parts else "")
    where = f"{where} {key}".strip()
    field = schema.model_fields.get(key)
    match details["type"]:
        case "extra_forbidden":
            return f"{where}: unknown key; {suggest(key, list(schema.model_fields))}"
        case "value_error":
            told = f"{details.get('ctx', {}).get('error')}"
            return f"{where}: {told}".removeprefix(": ")
        case "missing":
            return f"{where} is missing; {_REMEDY}"
        case _:
            found = details["input"]
            shown = "a table" if isinstance(found, dict) else repr(found)[:60]
            give = f"give {field.description}" if field else _REMEDY
            return f"{where}: found {shown}; {give}"
