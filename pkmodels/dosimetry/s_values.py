"""S-values: which one serves a target, a source and a radionuclide, and its source."""

from dataclasses import replace

from pkmodels.dosimetry.absorbed_fractions import solid_organ_y90, tumour
from pkmodels.dosimetry.decay_energies import energy_of_chain
from pkmodels.dosimetry.mass_scaling import (
    SValue,
    Uncertainty,
    check_label,
    check_target,
    kidneys_confused,
)
from pkmodels.dosimetry.s_rows import (
    ONE_KIDNEY,
    SEXES,
    SRow,
    STable,
    table_name,
    value_of_row,
)
from pkmodels.dosimetry.s_tables import opendose_table, organ_table
from pkmodels.errors import InputError, suggest
from pkmodels.nuclides import nuclide
from pkmodels.units import GY_G_PER_MEV_MBQ_H
from pkmodels.values import Certainty, Value

__all__ = [
    "KIDNEY_Y90_LOG_SD",
    "KIDNEY_Y90_OVER_LU177",
    "SValue",
    "Uncertainty",
    "check_label",
    "check_target",
    "cross_value",
    "known_s_values",
    "require_s_value",
    "s_value",
]

KIDNEY_Y90_OVER_LU177 = Value(
    5.9,
    "1",
    "between 5.83 (Monte Carlo for a 155 g ellipsoid, over OpenDose) and 6.07 "
    "(OLINDA-type tables); sd of ln 0.034",
    Certainty.DERIVED,
)
KIDNEY_Y90_LOG_SD = Value(0.034, "1", KIDNEY_Y90_OVER_LU177.source, Certainty.DERIVED)

# Solid organs whose Y-90 absorbed fraction follows from their size alone.
_SPHERE_ORGANS = ("liver", "spleen")
_SIDES = ("left", "right")


def s_value(
    organ: str,
    label: str,
    sex: str,
    *,
    source_organ: str | None = None,
    side: str | None = None,
    table: STable | None = None,
) -> SValue | None:
    """Return the S-value of an organ, or None where none is known.

    Parameters
    ----------
    organ : str
        The target: ``kidney`` (one kidney), ``kidneys`` (both outlined as one region),
        ``liver``, ``spleen``, ``red_marrow``, ``total_body``, ``tumour`` (a sphere of
        its mass), any target of OpenDose, or one of the user's table. ``lung``,
        ``adrenal`` and ``salivary_gland`` are taken as the tables' ``lungs``, ...
    label : str
        Radionuclide.
    sex : str
        ``male`` or ``female``: which reference phantom is scaled.
    source_organ : str or None
        What holds the activity; None is the organ itself. See `cross_value`.
    side : str or None
        ``left`` or ``right``, of ``kidney`` only; None is the phantom's left one. For
        the same mass their self-dose differs by 0.2 %.
    table : STable or None
        A user's table; its rows go before pkmodels' own, and their source says so.

    Returns
    -------
    SValue or None

    Raises
    ------
    InputError
        When the sex, side or radionuclide is none, or the user's table holds one
        kidney where both are asked for, or the other way round.

    References
    ----------
    OpenDose (ICRP 110 phantoms), see data/opendose_lu177.csv; OLINDA-type tables, see
    data/s_values.csv; for Y-90 the kidneys by ratio to Lu-177, liver and spleen by
    absorbed fraction; tumours as spheres (`pkmodels.dosimetry.absorbed_fractions`).

    Examples
    --------
    >>> left = s_value("kidney", "Lu-177", "male")
    >>> round(1e3 * left.at_mass(245.3) * 1.0532, 2)  # Gy/GBq from a TIAC of 1.0532 h
    0.37
    >>> s_value("bladder", "Lu-177", "male") is None
    True
    """
    target = _target(organ, side)
    source = None if source_organ is None else table_name(source_organ)
    if source is not None and source not in (organ, target):
        return cross_value(target, source, label, sex, table=table)
    found = known_s_values(organ, label, sex, side=side, table=table)
    return found[0] if found else None


def known_s_values(
    organ: str,
    label: str,
    sex: str,
    *,
    side: str | None = None,
    table: STable | None = None,
) -> tuple[SValue, ...]:
    """Return every self-dose S-value that is known, the one to be used first.

    Parameters
    ----------
    organ, label, sex, side, table
        As in `s_value`.

    Returns
    -------
    tuple of SValue
        The user's, then OpenDose's, then OLINDA-type and judgements, then what is
        derived for Y-90 and for tumours. Of Ga-68, whose diagnostic activities give an
        organ some mGy, a bound: all energy, photons too, stays in the organ.

    Raises
    ------
    InputError
        As `s_value` does.

    Examples
    --------
    >>> both = known_s_values("kidneys", "Lu-177", "male")
    >>> [f"{value.at_mass(310.0) / 3.6:.3e}" for value in both]
    ['7.712e-05', '7.760e-05']
    """
    target = _target(organ, side)
    _check_sex(sex)
    nuclide(label)
    rows = [
        *_own_rows(table, organ, target, label, sex),
        opendose_table().find(_phantom_name(target), _phantom_name(target), label, sex),
        organ_table().find(target, target, label, sex),
    ]
    found = [
        replace(value_of_row(row), organ=target) for row in rows if row is not None
    ]
    if label == "Y-90" and target in (*ONE_KIDNEY, "kidneys"):
        lutetium = s_value(organ, "Lu-177", sex, side=side, table=table)
        found += [_kidney_y90(lutetium)] if lutetium is not None else []
    if label == "Y-90" and target in _SPHERE_ORGANS:
        found.append(solid_organ_y90(target))
    if target == "tumour":
        sphere = tumour(label)
        found += [sphere] if sphere is not None else []
    if label == "Ga-68" and not found:
        found.append(_bound(target, label))
    return tuple(found)


def cross_value(
    target: str, source: str, label: str, sex: str, *, table: STable | None = None
) -> SValue | None:
    """Return the S-value of a target for activity in another organ, or None.

    To first order it does not depend on the masses (MIRD pamphlet 21): `at_mass` gives
    the same for all. Its sd is a judgement, `CROSS_LOG_SD`, from the spread of tables.

    Parameters
    ----------
    target, source : str
        Organs; of the kidneys ``left_kidney``, ``right_kidney`` or ``kidneys`` (as a
        source: the activity of both).
    label : str
        Radionuclide. Of Y-90, which has no photons to speak of, no value is known.
    sex : str
        ``male`` or ``female``.
    table : STable or None
        A user's table, whose rows go first.

    Returns
    -------
    SValue or None

    Raises
    ------
    InputError
        When target and source are the same or lie in each other, or it is not said
        which kidney is meant.

    References
    ----------
    OpenDose; OLINDA-type tables: data/opendose_lu177.csv, data/s_values.csv.

    Examples
    --------
    >>> marrow = cross_value("red_marrow", "kidneys", "Lu-177", "male")
    >>> round(marrow.at_mass(1170.0) / 3.6, 10)  # mGy/(MBq s)
    3.35e-08
    >>> cross_value("liver", "spleen", "Y-90", "male") is None
    True
    """
    _check_sex(sex)
    nuclide(label)
    target, source = table_name(target), table_name(source)
    if target == source:
        raise InputError(
            f"S-value of {label} for {target} from {source} is a self-dose: take "
            f"s_value({target!r}, {label!r}, {sex!r})"
        )
    pair = {target, source}
    if "kidneys" in pair and pair & set(ONE_KIDNEY):
        raise InputError(
            f"S-value of {label} for {target} from {source}: one lies in the other; "
            f"{kidneys_confused(source, target)}"
        )
    for own in (table, opendose_table(), organ_table()):
        row = own.find(target, source, label, sex) if own is not None else None
        if row is not None:
            return value_of_row(row)
    if "kidney" in pair:
        raise InputError(
            f"S-value of {label} for {target} from {source}: left and right kidney "
            "differ by up to a factor of 12: name left_kidney, right_kidney or kidneys"
        )
    if source in ONE_KIDNEY and organ_table().find(target, "kidneys", label, sex):
        raise InputError(
            f"S-value of {label} for {target} from {source}: known for the activity of "
            "both kidneys only; add up their activities and take the source 'kidneys'"
        )
    return None


def require_s_value(
    organ: str,
    label: str,
    sex: str,
    *,
    source_organ: str | None = None,
    side: str | None = None,
    table: STable | None = None,
) -> SValue:
    """Return an S-value, or say what is missing and what there is instead.

    Parameters
    ----------
    organ, label, sex, source_organ, side, table
        As in `s_value`.

    Returns
    -------
    SValue

    Raises
    ------
    InputError
        When none is known, and as `s_value` does.

    Examples
    --------
    >>> require_s_value("bladder_wall", "Y-90", "male")
    Traceback (most recent call last):
    pkmodels.errors.InputError: no S-value of Y-90 for bladder_wall from bladder_wall, \
male: known for this target and sex: Lu-177 from left_kidney, right_kidney, liver, \
spleen, kidneys; give it in a table of your own, or leave this dose out
    """
    found = s_value(
        organ, label, sex, source_organ=source_organ, side=side, table=table
    )
    if found is not None:
        return found
    target = _target(organ, side)
    sources: dict[str, list[str]] = {}
    for own in (table, opendose_table(), organ_table()):
        for row in own.rows if own is not None else ():
            if row.target == target and row.sex in (sex, "any"):
                listed = sources.setdefault(row.label, [])
                listed += [row.source] * (row.source not in listed)
    for other in ("Lu-177", "Y-90"):
        self_dose = [target] * bool(known_s_values(organ, other, sex, side=side))
        listed = sources.setdefault(other, [])
        listed += [name for name in self_dose if name not in listed]
    known = "; ".join(f"{n} from {', '.join(w)}" for n, w in sources.items() if w)
    raise InputError(
        f"no S-value of {label} for {target} from {source_organ or target}, {sex}: "
        f"known for this target and sex: {known or 'nothing'}; give it in a table of "
        "your own, or leave this dose out"
    )


def _target(organ: str, side: str | None) -> str:
    if side is None:
        return table_name(organ)
    if side not in _SIDES:
        raise InputError(f"side {side!r} of {organ}: {suggest(side, _SIDES)}")
    if organ != "kidney":
        raise InputError(
            f"side {side!r} of {organ}: only 'kidney' has a side here; leave it out"
        )
    return f"{side}_kidney"


def _phantom_name(target: str) -> str:
    """Return the phantom's organ that serves a target; one kidney: the left."""
    return "left_kidney" if target == "kidney" else target


def _check_sex(sex: str) -> None:
    if sex not in SEXES:
        raise InputError(f"sex {sex!r} of the reference phantom: {suggest(sex, SEXES)}")


def _own_rows(
    table: STable | None, organ: str, target: str, label: str, sex: str
) -> list[SRow]:
    """Return the user's row for a self-dose; refuse one kidney for both, and back."""
    if table is None:
        return []
    names = (target, "kidney") if target in ONE_KIDNEY else (target,)
    rows = [table.find(name, name, label, sex) for name in names]
    found = [row for row in rows if row is not None]
    if found or target not in (*ONE_KIDNEY, "kidneys"):
        return found[:1]
    for other in (*ONE_KIDNEY, "kidneys"):
        if table.find(other, other, label, sex) is None:
            continue
        where = f"{table.name}: {label}, {sex}"
        if "kidneys" in (other, target):
            raise InputError(f"{where}: {kidneys_confused(other, target)}")
        if target == "kidney":
            raise InputError(
                f"{where}: holds {other}, but the side of {organ!r} is not said: give "
                "side='left' or side='right', or a row for 'kidney'"
            )
    return []


def _bound(organ: str, label: str) -> SValue:
    """Return S = (E_electron + E_photon) / m, more than any organ's self-dose."""
    energy = energy_of_chain(label)
    size = GY_G_PER_MEV_MBQ_H * (energy.electron_MeV + energy.photon_MeV)
    return SValue(
        organ=organ,
        label=label,
        terms=((size, 1.0),),
        uncertainties=(),
        certainty=Certainty.DERIVED,
        source="a bound above the self-dose: all energy of ICRP 107, photons too, is "
        "absorbed where the decay is",
    )


def _kidney_y90(lutetium: SValue) -> SValue:
    ratio = KIDNEY_Y90_OVER_LU177.value
    own = Uncertainty("Y-90 / Lu-177 S-value ratio, kidney", KIDNEY_Y90_LOG_SD.value)
    return replace(
        lutetium,
        label="Y-90",
        terms=tuple((ratio * c, p) for c, p in lutetium.terms),
        uncertainties=(*lutetium.uncertainties, own),
        certainty=Certainty.DERIVED,
        source=f"{ratio} x S of Lu-177 ({KIDNEY_Y90_OVER_LU177.source}); Lu-177: "
        f"{lutetium.source}",
    )
