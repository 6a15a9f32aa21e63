"""A user's table of S-values: read from CSV, with every mistake by line and column."""

import csv
import math
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from importlib import resources
from pathlib import Path

from pkmodels.dosimetry.decay_energies import emits_alphas
from pkmodels.dosimetry.mass_scaling import kidneys_confused
from pkmodels.dosimetry.s_rows import (
    ONE_KIDNEY,
    SEXES,
    TABLE_NAMES,
    SRow,
    STable,
    table_name,
)
from pkmodels.errors import InputError, suggest
from pkmodels.nuclides import nuclide, nuclides
from pkmodels.units import GY_G_PER_MEV_MBQ_H, GY_PER_MBQ_H_PER_MGY_PER_MBQ_S
from pkmodels.values import Certainty, Value

COLUMNS = (
    "target",
    "source",
    "label",
    "sex",
    "mass_g",
    "S_mGy_per_MBq_s",
    "log_sd",
    "certainty",
    "provenance",
)
OPTIONAL_COLUMN = "electron_fraction"
KIDNEY_ABSORBED = Value(
    0.8,
    "1",
    "judgement: a kidney absorbs 0.93 (Y-90) to 1.02 (Lu-177, with photons) of the "
    "electron energy; half of it or twice as much is the S-value of the wrong region",
    Certainty.JUDGEMENT,
)

_NAME = re.compile(r"[a-z][a-z0-9_]*")
# Organs of a patient's file that neither phantom has as one target.
_WHOLE_ORGANS = ("heart", "stomach", "intestine", "bone", "bladder")
# So alike that one is taken for a slip of the other; "kindey" and "kidney": 0.83.
_ALIKE = 0.8


def read_s_table(table: Path | str) -> STable:
    """Read and check a user's S-values.

    Comma-separated, with the columns target, source, label, sex (male, female or any),
    mass_g, S_mGy_per_MBq_s, log_sd, certainty (published, derived, judgement or stated)
    and provenance, and electron_fraction if wanted; lines after a # are left out. One
    row holds one line.

    Parameters
    ----------
    table : Path or str
        The file; text with a line break is taken as the table itself.

    Returns
    -------
    STable

    Raises
    ------
    InputError
        With every mistake by line and column: columns missing or unknown; a number
        that is none, or not positive; an unknown radionuclide; a row without
        provenance; two rows for one case; more energy absorbed than is emitted; the
        S-value of both kidneys in a row for one, or the other way round; a cross value
        that does not say which kidney; alphas without a word on their relative
        biological effectiveness (RBE); a header without rows.

    Examples
    --------
    >>> kidneys = "kidneys,kidneys,Lu-177,any,299,8.03e-5,0.02,published,OLINDA/EXM 1"
    >>> read_s_table(",".join(COLUMNS) + "\\n" + kidneys).rows[0].provenance
    'own table, line 2: OLINDA/EXM 1'
    """
    if isinstance(table, str) and "\n" in table:
        return parse_s_table(table, "own table", own=True)
    path = Path(table)
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"table of S-values {path}: cannot be read ({error}); give a CSV file in "
            "UTF-8"
        ) from error
    return parse_s_table(text, f"own table {path.name}", own=True)


def parse_s_table(text: str, name: str, own: bool) -> STable:
    """Read and check the text of a table; see `read_s_table`.

    Parameters
    ----------
    text : str
        The table.
    name : str
        Its name, for messages.
    own : bool
        Whether it is a user's, whose rows then say so.

    Returns
    -------
    STable

    Raises
    ------
    InputError
        As `read_s_table` does.

    Examples
    --------
    >>> parse_s_table("target,source", "mine", own=True)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    pkmodels.errors.InputError: mine, line 1: column 'label' is missing: add it
    ...
    """
    lines = [
        (number, line)
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.startswith("#")
    ]
    if not lines:
        raise InputError(f"{name}: is empty; its first line names {', '.join(COLUMNS)}")
    (first, header_line), *rest = lines
    header = [cell.strip() for cell in next(csv.reader([header_line]))]
    _check_header(header, header_line, f"{name}, line {first}")
    problems: list[str] = []
    rows: list[SRow] = []
    seen: dict[tuple[str, str, str, str], int] = {}
    for number, line in rest:
        where = f"{name}, line {number}"
        cells = _cells(line, header, where, problems)
        if cells is None:
            continue
        wrong = list(_cell_problems(cells, where))
        if not wrong:
            row = _row(cells, where, own)
            wrong = [*_physical_problems(row, where), *_repeats(row, seen, where)]
            for sex in SEXES if row.sex == "any" else (row.sex,):
                seen[row.target, row.source, row.label, sex] = number
            rows.append(row)
        problems += wrong
    if problems:
        raise InputError("\n".join(problems))
    if not rows:
        raise InputError(
            f"{name}: holds a header and no row below it; add rows, or leave the table "
            "out"
        )
    return STable(name, tuple(rows))


def _check_header(header: list[str], line: str, where: str) -> None:
    if len(header) == 1 and ";" in line:
        raise InputError(
            f"{where}: the cells are separated by ';': separate them by commas, with a "
            "point in numbers"
        )
    known = (*COLUMNS, OPTIONAL_COLUMN)
    wrong = [f"column {c!r} is not known: {suggest(c, known)}" for c in header]
    wrong = [text for c, text in zip(header, wrong, strict=True) if c not in known]
    wrong += [f"column {c!r} is missing: add it" for c in COLUMNS if c not in header]
    wrong += [
        f"column {c!r} stands there twice: leave one out"
        for c in dict.fromkeys(header)
        if header.count(c) > 1
    ]
    if wrong:
        raise InputError("\n".join(f"{where}: {text}" for text in wrong))


def _cells(
    line: str, header: list[str], where: str, problems: list[str]
) -> dict[str, str] | None:
    try:
        cells = [cell.strip() for cell in next(csv.reader([line], strict=True))]
    except csv.Error as error:
        problems.append(f"{where}: {error}: put quotes around the whole cell")
        return None
    if len(cells) != len(header):
        problems.append(
            f"{where}: {len(cells)} cells where the header has {len(header)}: put text "
            "that holds a comma in quotes, and write decimals with a point"
        )
        return None
    return dict(zip(header, cells, strict=True))


def _cell_problems(cells: Mapping[str, str], where: str) -> Iterator[str]:
    for column in ("target", "source"):
        yield from _name_problems(column, cells[column], where)
    if cells["label"] not in nuclides():
        yield (
            f"{where}, label: {cells['label']!r} is not a known radionuclide: "
            f"{suggest(cells['label'], nuclides())}"
        )
    choices = {"sex": (*SEXES, "any"), "certainty": tuple(c.value for c in Certainty)}
    for column, known in choices.items():
        if cells[column] not in known:
            remedy = suggest(cells[column], known)
            yield f"{where}, {column}: {cells[column]!r} is not known: {remedy}"
    numbers = ["S_mGy_per_MBq_s", "log_sd"]
    numbers += ["mass_g"] * bool(cells["mass_g"] or cells["target"] == cells["source"])
    numbers += [OPTIONAL_COLUMN] * bool(cells.get(OPTIONAL_COLUMN))
    for column in numbers:
        number = _number(cells[column])
        if number is None or not number > 0.0:
            yield (
                f"{where}, {column}: {cells[column]!r} is not a number above 0: write "
                "one, with a decimal point"
            )
        elif column == OPTIONAL_COLUMN and number > 1.0:
            yield f"{where}, {column}: {number:g} is above 1: give a fraction"
    if not cells["provenance"]:
        yield (
            f"{where}, provenance: is empty: say which paper, table or program the "
            "value comes from"
        )


def _name_problems(column: str, name: str, where: str) -> Iterator[str]:
    known = _known_names()
    if not _NAME.fullmatch(name):
        yield (
            f"{where}, {column}: {name!r}: write an organ's name in small letters, "
            "with _ between words, as in 'left_kidney'"
        )
    elif name not in known:
        near = get_close_matches(name, known, n=1, cutoff=_ALIKE)
        if near:
            yield (
                f"{where}, {column}: {name!r} is not known: did you mean {near[0]!r}? "
                "If it is another organ, take a name less like it"
            )


@cache
def _known_names() -> tuple[str, ...]:
    path = resources.files("pkmodels").joinpath("data/opendose_lu177.csv")
    lines = [x for x in path.read_text("utf-8").splitlines() if not x.startswith("#")]
    targets = [row["target"] for row in csv.DictReader(lines)]
    others = ("kidney", "red_marrow", "total_body", "tumour", "remainder", "blood")
    names = [*others, *TABLE_NAMES, *_WHOLE_ORGANS, *targets]
    return tuple(dict.fromkeys(names))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _row(cells: Mapping[str, str], where: str, own: bool) -> SRow:
    fraction = cells.get(OPTIONAL_COLUMN)
    said = cells["provenance"]
    return SRow(
        target=table_name(cells["target"]),
        source=table_name(cells["source"]),
        label=cells["label"],
        sex=cells["sex"],
        mass_g=float(cells["mass_g"]) if cells["mass_g"] else None,
        S_mGy_per_MBq_s=float(cells["S_mGy_per_MBq_s"]),
        electron_fraction=float(fraction) if fraction else None,
        log_sd=float(cells["log_sd"]),
        certainty=Certainty(cells["certainty"]),
        provenance=f"{where}: {said}" if own else said,
        own=own,
        place=where if own else "",
    )


def _repeats(
    row: SRow, seen: Mapping[tuple[str, str, str, str], int], where: str
) -> Iterator[str]:
    for sex in SEXES if row.sex == "any" else (row.sex,):
        before = seen.get((row.target, row.source, row.label, sex))
        if before is not None:
            yield (
                f"{where}: {row.target} from {row.source}, {row.label}, {sex} stands "
                f"in line {before} already: leave one of them out"
            )
            return


def _physical_problems(row: SRow, where: str) -> Iterator[str]:
    pair = {row.target, row.source}
    if "kidneys" in pair and pair & set(ONE_KIDNEY):
        yield f"{where}, target: {kidneys_confused(row.source, row.target)}"
        return
    if row.target != row.source and "kidney" in pair:
        yield (
            f"{where}: {row.target} from {row.source}: left and right kidney differ by "
            "up to a factor of 12: write left_kidney or right_kidney (regions with a "
            "side), or kidneys (regions without one)"
        )
        return
    found = nuclide(row.label)
    if emits_alphas(row.label):
        said = row.provenance.removeprefix(f"{where}: ")
        if row.own and not re.search(r"\bRBE\b", said, re.IGNORECASE):
            yield (
                f"{where}, provenance: {row.label} or its daughters emit alphas: say "
                "which relative biological effectiveness the value holds, as in "
                "'RBE 1' (absorbed dose), and which daughters"
            )
        return
    radioactive = any(name in nuclides() for name, _ in found.daughters)
    if row.target != row.source or row.mass_g is None or radioactive:
        return
    absorbed = row.S_mGy_per_MBq_s * GY_PER_MBQ_H_PER_MGY_PER_MBQ_S * row.mass_g
    absorbed_MeV = absorbed / GY_G_PER_MEV_MBQ_H
    share = absorbed_MeV / found.electron_MeV
    kidney = row.target in (*ONE_KIDNEY, "kidneys") and row.label in ("Lu-177", "Y-90")
    low = KIDNEY_ABSORBED.value
    if kidney and not low < share < 1.0 / low:
        yield (
            f"{where}, S_mGy_per_MBq_s: {row.target} of {row.mass_g:g} g would absorb "
            f"{share:.3g} of the electron energy of {row.label}: "
            f"{_kidney_remedy(row.target, share)}"
        )
    elif absorbed_MeV > found.electron_MeV + found.photon_MeV:
        yield (
            f"{where}, S_mGy_per_MBq_s: {row.target} of {row.mass_g:g} g would absorb "
            f"{absorbed_MeV:.3g} MeV per decay, but {row.label} emits only "
            f"{found.electron_MeV + found.photon_MeV:.3g} MeV: check the unit, "
            "mGy/(MBq s), and mass_g"
        )


def _kidney_remedy(target: str, share: float) -> str:
    """Say what a kidney's absorbed share of the electrons speaks for."""
    low, both = KIDNEY_ABSORBED.value, target == "kidneys"
    if not low / 2.0 < share < 2.0 / low:  # one kidney for both is a factor of 2
        return "check the unit, mGy/(MBq s), and mass_g"
    return (
        f"is this the S-value or mass of {'one kidney' if both else 'both kidneys'}? "
        f"{kidneys_confused('kidney' if both else 'kidneys', target)}"
    )
