"""Prior tables: priors read from a CSV file, with every mistake told by its line."""

import csv
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from pkmodels.errors import InputError, ModelError, suggest
from pkmodels.values import Certainty, Family, Prior

COLUMNS = ("parameter", "family", "median", "spread", "unit", "source", "certainty")
_FAMILIES = (Family.LOG_NORMAL, Family.LOGIT_NORMAL)


def read_priors(path: Path) -> dict[str, Prior]:
    """Read priors from a table.

    Columns: ``parameter``; ``family``, log_normal or logit_normal; ``median`` in
    ``unit``; ``spread``, the sd of ln x or of logit x; ``source``; ``certainty``.
    Lines that begin with # are comments.

    Parameters
    ----------
    path : Path
        A CSV file.

    Returns
    -------
    dict of str to Prior
        By parameter, in the order of the file.

    Raises
    ------
    InputError
        With every mistake, one a line, with line and column.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = Path(folder) / "priors.csv"
    ...     _ = table.write_text(
    ...         "parameter,family,median,spread,unit,source,certainty\\n"
    ...         "k_off,log_normal,2.4,0.5,1/h,my own assay,judgement\\n"
    ...     )
    ...     print(read_priors(table)["k_off"])
    log-normal, median 2.4 1/h, sd of ln 0.5 (judgement: my own assay)
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name} cannot be read: {error}") from error
    rows = [
        (number, line)
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    header = [cell.strip() for cell in next(csv.reader([rows[0][1]]))] if rows else []
    if sorted(header) != sorted(COLUMNS):
        raise InputError(
            f"{path.name}: the header is {', '.join(header) or 'missing'}; it must be "
            f"{', '.join(COLUMNS)}, in any order"
        )
    found: dict[str, Prior] = {}
    problems: list[str] = []
    for number, line in rows[1:]:
        cells = [cell.strip() for cell in next(csv.reader([line]))]
        where = f"{path.name} line {number}"
        if len(cells) != len(header):
            problems.append(
                f"{where}: {len(cells)} columns where the header has {len(header)}: "
                'look for a comma in the source, which needs "quotation marks"'
            )
            continue
        row = dict(zip(header, cells, strict=True))
        wrong = list(_problems(row, found))
        problems += [f"{where}, {problem}" for problem in wrong]
        if not wrong:
            try:
                found[row["parameter"]] = _prior(row)
            except ModelError as error:
                problems.append(f"{where}: {error}")
    if problems:
        raise InputError("\n".join(problems))
    return found


def _problems(row: Mapping[str, str], found: Mapping[str, Prior]) -> Iterator[str]:
    name, family = row["parameter"], row["family"]
    if not name or not row["source"]:
        lacking = "source" if name else "parameter"
        yield f"column {lacking}: is blank: every prior names its parameter and source"
    if name in found:
        yield f"column parameter: {name} has a prior already: remove one"
    if family not in _FAMILIES:
        yield f"column family: {family!r}: {suggest(family, _FAMILIES)}"
    for column in ("median", "spread"):
        if not _is_positive(row[column]):
            yield f"column {column}: found {row[column]!r}: give a number above 0"
    if row["certainty"] not in tuple(Certainty):
        yield (
            f"column certainty: {row['certainty']!r}: "
            f"{suggest(row['certainty'], tuple(Certainty))}"
        )


def _is_positive(text: str) -> bool:
    try:
        number = float(text)
    except ValueError:
        return False
    return math.isfinite(number) and number > 0.0


def _prior(row: Mapping[str, str]) -> Prior:
    family = Family(row["family"])
    spread = "log_sd" if family is Family.LOG_NORMAL else "logit_sd"
    numbers = {"median": float(row["median"]), spread: float(row["spread"])}
    return Prior(
        family, numbers, row["unit"], row["source"], Certainty(row["certainty"])
    )
