"""A patient's own S-values: which rows serve a region, and why the others do not."""

from collections.abc import Iterator
from dataclasses import dataclass

from pkmodels.clinic.dose_weights import irradiation_of, labels_of, self_value
from pkmodels.clinic.patient import Patient, Region
from pkmodels.dosimetry.s_rows import ONE_KIDNEY, SRow, table_name
from pkmodels.errors import InputError, suggest
from pkmodels.models.values import EXCHANGING_ORGANS

# What rows may be for: the organs that can be measured, and each kidney by its side.
_SERVED = tuple(dict.fromkeys([*map(table_name, EXCHANGING_ORGANS), *ONE_KIDNEY]))


@dataclass(frozen=True)
class UnusedRow:
    """A row of the patient's own table that no dose of this patient rests on.

    Parameters
    ----------
    row : SRow
        The row.
    why : str
        Why not, in words.
    mistaken : bool
        Whether it is taken for a mistake; otherwise it may be for other patients.
    """

    row: SRow
    why: str
    mistaken: bool


def unused_rows(patient: Patient) -> tuple[UnusedRow, ...]:
    """Return the rows of the patient's own table that serve none of its doses.

    A row is a mistake when its organ is none that can be measured, or when it is for
    organs that were measured, of a label in use, and neither it nor a row like it is
    used: its sex or its side of the kidney does not fit. Rows of other labels, of
    organs that were not measured and beside one in use may be for other patients.

    Parameters
    ----------
    patient : Patient
        The patient, with its measurements.

    Returns
    -------
    tuple of UnusedRow
        In the order of the table; none without a table.

    Raises
    ------
    InputError
        When an S-value cannot be looked up, as `irradiation_of` does.
    """
    if patient.s_table is None:
        return ()
    used = _used(patient, patient.s_table.rows)
    served = {(_organs(row), row.label) for row in used}
    found = []
    for row in patient.s_table.rows:
        if row in used:
            continue
        why, mistaken = _reason(patient, row, (_organs(row), row.label) in served)
        found.append(UnusedRow(row, why, mistaken))
    return tuple(found)


def own_row_problems(patient: Patient) -> Iterator[str]:
    """Yield the rows of the patient's own table that are mistakes, one a line.

    Parameters
    ----------
    patient : Patient
        The patient, with its measurements.

    Yields
    ------
    str
        Table and line, why the row serves nothing, and the remedy.
    """
    for each in _unused_if_found(patient):
        if each.mistaken:
            yield f"{each.row.place}: {each.why}"


def own_row_warnings(patient: Patient) -> Iterator[str]:
    """Yield which rows of the patient's own table are not used, in one sentence.

    Parameters
    ----------
    patient : Patient
        The patient, with its measurements.

    Yields
    ------
    str
        Lines and reasons; nothing when every row is used.
    """
    lines: dict[str, list[str]] = {}
    for each in _unused_if_found(patient):
        if not each.mistaken:
            line = each.row.place.rpartition("line ")[2]
            lines.setdefault(each.why, []).append(line)
    if lines and patient.s_table is not None:
        listed = "; ".join(f"line {', '.join(n)} ({why})" for why, n in lines.items())
        yield f"rows of the {patient.s_table.name} that serve no dose here: {listed}"


def _unused_if_found(patient: Patient) -> tuple[UnusedRow, ...]:
    try:
        return unused_rows(patient)
    except InputError:
        return ()  # `check_answerable` refuses the look-up itself, with its reason


def _measured(patient: Patient) -> list[Region]:
    names = {m.region for m in patient.measurements}
    return [region for region in patient.regions if region.name in names]


def _used(patient: Patient, rows: tuple[SRow, ...]) -> list[SRow]:
    """Return the rows that the S-values in use name as their source."""
    regions = _measured(patient)
    names = tuple(region.name for region in regions)
    sources: list[str] = []
    for label in labels_of(patient):
        found = irradiation_of(patient, names, label)
        sources += [pair.value.source for pair in found.pairs]
        # A region without mass has no dose; its row is right none the less.
        values = (self_value(patient, region, label) for region in regions)
        sources += [value.source for value in values if value is not None]
    return [row for row in rows if any(row.provenance in source for source in sources)]


def _organs(row: SRow) -> tuple[str, str]:
    return _organ(row.target), _organ(row.source)


def _organ(name: str) -> str:
    """Return a table's organ, whichever kidney it is."""
    return "kidney" if name in (*ONE_KIDNEY, "kidneys") else name


def _reason(patient: Patient, row: SRow, served: bool) -> tuple[str, bool]:
    """Say why a row is not used, and whether that is a mistake."""
    for name in dict.fromkeys((row.target, row.source)):
        if name not in _SERVED:
            return _unknown_organ(patient, name), True
    if row.label not in labels_of(patient):
        return f"of {row.label}", False
    regions = _measured(patient)
    measured = {_organ(table_name(region.organ)) for region in regions}
    for organ in dict.fromkeys(_organs(row)):
        if organ not in measured:
            return f"no region of {organ} is measured", False
    if served:
        return "another row serves its organs", False
    if row.sex not in (patient.sex, "any"):
        return _other_sex(patient, row), True
    if _lacks_dose(patient, row):
        return f"no dose of {row.target} is known", False
    kidneys = [region for region in regions if _organ(region.organ) == "kidney"]
    return _other_kidney(row, kidneys), True


def _lacks_dose(patient: Patient, row: SRow) -> bool:
    """Tell whether a row's target has no self-dose or mass, and so no dose at all."""
    names = tuple(region.name for region in _measured(patient))
    pairs = irradiation_of(patient, names, row.label).pairs
    return _organ(row.target) not in {_organ(pair.value.organ) for pair in pairs}


def _unknown_organ(patient: Patient, name: str) -> str:
    region = next((r for r in patient.regions if r.name == name), None)
    if region is None:
        return (
            f"{name!r} is no organ that this version can measure, so that the row "
            f"serves no region; {suggest(name, _SERVED)}"
        )
    side = "" if region.side is None else f"{region.side}_"
    return (
        f"{name!r} is the name of a region, and rows go by organ: write "
        f"{side}{table_name(region.organ)}"
    )


def _other_sex(patient: Patient, row: SRow) -> str:
    if "sex" in patient.covariates:
        why = f"[patient] sex is {patient.sex!r}"
    else:
        why = f"[patient] sex is not stated, so that {patient.sex!r} is taken"
    return (
        f"sex is {row.sex!r}, but {why}: the row serves no region; mend one of them, "
        "or write 'any'"
    )


def _other_kidney(row: SRow, kidneys: list[Region]) -> str:
    listed = ", ".join(
        f"{r.name} ({'no side' if r.side is None else r.side}, organ {r.organ!r})"
        for r in kidneys
    )
    return (
        f"{row.target} from {row.source} serves none of {listed}: between organs, a "
        "kidney with a side is looked up as left_kidney or right_kidney and others as "
        "kidneys, the dose to red_marrow from kidneys, and a kidney's own by its side"
    )
