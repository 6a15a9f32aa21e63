"""The rows of measurements.csv in the units of pkmodels: MBq, or MBq per g."""

from collections.abc import Iterable, Mapping

from pkmodels.clinic.measurement_table import MeasurementRow, at
from pkmodels.clinic.patient import Region
from pkmodels.errors import InputError, suggest
from pkmodels.measurements import Measurement, Quantity
from pkmodels.schedule import Schedule

_KBQ_PER_MBQ = 1000.0


def convert_rows(
    rows: Iterable[MeasurementRow], regions: Iterable[Region], schedule: Schedule
) -> tuple[Measurement, ...]:
    """Name the label of each row and convert its value and sd.

    %IA counts, as 100 %, the activities of the row's label administered before the
    start of the acquisition, each as stated at its own time. kBq/mL becomes MBq per
    g by the region's density; where only its volume is known, MBq in the region.

    Parameters
    ----------
    rows : iterable of MeasurementRow
    regions : iterable of Region
        Those of the patient's file.
    schedule : Schedule
        What was administered.

    Returns
    -------
    tuple of Measurement
        In the order of the rows.

    Raises
    ------
    InputError
        When a region or label is unknown, a row precedes its label's first
        administration, or its unit cannot be converted; one line for each.

    Examples
    --------
    >>> from pkmodels.administrations import Administration
    >>> given = Schedule((Administration(0.0, 0.0, "dotatate", "Lu-177", 7400.0),))
    >>> row = MeasurementRow(
    ...     2, "liver", None, "SPECT", 24.0, 24.0, 5.0, "%IA", None, None
    ... )
    >>> convert_rows([row], [Region("liver", "liver")], given)[0].value
    370.0
    """
    known = {region.name: region for region in regions}
    measurements: list[Measurement] = []
    problems: list[str] = []
    for row in rows:
        try:
            measurements.append(_convert(row, known, schedule))
        except InputError as error:
            problems.append(str(error))
    if problems:
        raise InputError("\n".join(problems))
    return tuple(measurements)


def _convert(
    row: MeasurementRow, regions: Mapping[str, Region], schedule: Schedule
) -> Measurement:
    if row.region not in regions:
        raise InputError(
            f"{at(row.line, 'region')}: unknown region {row.region!r}; "
            f"{suggest(row.region, regions)} (the tables [regions.NAME] of "
            "patient.toml)"
        )
    label = _label_of(row, schedule)
    given = schedule.of_label(label)
    first_h = min(a.time_h for a in given.administrations)
    if row.start_h < first_h:
        raise InputError(
            f"{at(row.line, 'start_h')}: found {row.start_h:g} h, before the first "
            f"administration of {label} at {first_h:g} h; times count from the start "
            "of the first administration"
        )
    factor, quantity = _factor(row, regions[row.region], given)
    return Measurement(
        region=row.region,
        label=label,
        modality=row.modality,
        start_h=row.start_h,
        end_h=row.end_h,
        value=row.value * factor,
        quantity=quantity,
        sd=None if row.sd is None else row.sd * factor,
        decay_corrected_to_h=row.decay_corrected_to_h,
        source=at(row.line),
    )


def _label_of(row: MeasurementRow, schedule: Schedule) -> str:
    given = schedule.labels
    if row.label is None and len(given) == 1:
        return given[0]
    if row.label is None:
        raise InputError(
            f"{at(row.line, 'label')}: is blank while {len(given)} labels were given; "
            f"name one of {', '.join(given)}"
        )
    if row.label not in given:
        raise InputError(
            f"{at(row.line, 'label')}: {row.label!r} was not administered; "
            f"{suggest(row.label, given)}"
        )
    return row.label


def _factor(
    row: MeasurementRow, region: Region, given: Schedule
) -> tuple[float, Quantity]:
    """Return what multiplies the row's value, and what the product is."""
    match row.unit:
        case "MBq":
            return 1.0, Quantity.ACTIVITY
        case "kBq":
            return 1.0 / _KBQ_PER_MBQ, Quantity.ACTIVITY
        case "%IA":
            return _given_before(row, given) / 100.0, Quantity.ACTIVITY
        case "%IA/g":
            _require_mass(row, region)
            return _given_before(row, given) / 100.0, Quantity.CONCENTRATION
        case _:
            return _factor_per_mL(row, region)


def _factor_per_mL(row: MeasurementRow, region: Region) -> tuple[float, Quantity]:
    density = region.density_g_per_mL
    if density is None and region.mass_g is not None and region.volume_mL is not None:
        density = region.mass_g / region.volume_mL
    if density is not None:
        _require_mass(row, region)
        return 1.0 / (_KBQ_PER_MBQ * density), Quantity.CONCENTRATION
    if region.volume_mL is not None:
        return region.volume_mL / _KBQ_PER_MBQ, Quantity.ACTIVITY
    raise InputError(
        f"{at(row.line, 'unit')}: kBq/mL needs the density or the volume of region "
        f"{region.name!r}; add density_g_per_mL (soft tissue has about 1.05) or "
        f"volume_mL to [regions.{region.name}] of patient.toml"
    )


def _require_mass(row: MeasurementRow, region: Region) -> None:
    # A blood sample stands for the concentration alone; an organ's model holds MBq.
    if region.mass_g is None and region.organ != "blood":
        raise InputError(
            f"{at(row.line, 'unit')}: {row.unit} needs the mass of region "
            f"{region.name!r}; add mass_g and mass_cv to [regions.{region.name}] of "
            "patient.toml"
        )


def _given_before(row: MeasurementRow, given: Schedule) -> float:
    first_h = min(a.time_h for a in given.administrations)
    during = [
        a.time_h
        for a in given.administrations
        if row.start_h <= a.time_h <= row.end_h and a.time_h > first_h
    ]
    if during:
        raise InputError(
            f"{at(row.line, 'unit')}: an administration starts at {during[0]:g} h, at "
            f"or during this measurement, so that {row.unit} is not defined; give the "
            "value in MBq, or its time just before or after"
        )
    return sum(a.activity_MBq for a in given.administrations if a.time_h <= row.start_h)
