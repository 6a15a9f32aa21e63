"""The rows of measurements.csv in the units of pkmodels: MBq, per g or L, or counts."""

from collections.abc import Iterable

from pkmodels.clinic.joint_data import occasion_at
from pkmodels.clinic.measurement_cells import COUNTS
from pkmodels.clinic.measurement_setting import Setting
from pkmodels.clinic.measurement_table import MeasurementRow, at
from pkmodels.clinic.patient import Region
from pkmodels.errors import InputError, suggest
from pkmodels.measurements import (
    Counting,
    Measurement,
    Quantity,
    Sample,
    concentration_of_suv,
)
from pkmodels.schedule import Schedule
from pkmodels.values import log_sd_of_cv

_KBQ_PER_MBQ = 1000.0
_ML_PER_L = 1000.0
_G_PER_ML_OF_WATER = 1.0

BLOOD, URINE = "blood", "urine"
SUVS = ("SUV", "SUVmax")
# Judgement: times agree to their rounding in a table, 4 s.
_SAME_TIME_H = 1e-3


def convert_rows(
    rows: Iterable[MeasurementRow], setting: Setting
) -> tuple[Measurement, ...]:
    """Name the label of each row and convert its value and sd.

    %IA counts, as 100 %, the activities of the row's label administered on its occasion
    before the start of the acquisition, each as stated at its own time. kBq/mL becomes
    MBq per g by the region's density; where only its volume is known, MBq in the
    region; of blood it is MBq per L. SUV x (activity / body mass) is kBq/mL,
    decay-corrected to the administration. Urine is what was collected.

    Parameters
    ----------
    rows : iterable of MeasurementRow
    setting : Setting
        What of the patient's file says how they are to be read.

    Returns
    -------
    tuple of Measurement
        In the order of the rows.

    Raises
    ------
    InputError
        When a region or label is unknown, a row precedes its label's first
        administration, or its unit cannot be converted; one line for each.

    References
    ----------
    SUV: Boellaard, J Nucl Med 2009;50 Suppl 1:11S.

    Examples
    --------
    >>> from pkmodels.administrations import Administration
    >>> given = Schedule((Administration(0.0, 0.0, "dotatate", "Lu-177", 7400.0),))
    >>> liver = {"liver": Region("liver", "liver")}
    >>> row = MeasurementRow(
    ...     2, "liver", None, "SPECT", 24.0, 24.0, 5.0, "%IA", None, None
    ... )
    >>> convert_rows([row], Setting(liver, given))[0].value
    370.0
    """
    measurements: list[Measurement] = []
    problems: list[str] = []
    for row in rows:
        try:
            measurements.append(_convert(row, setting))
        except InputError as error:
            problems.append(str(error))
    if problems:
        raise InputError("\n".join(problems))
    return tuple(measurements)


def _convert(row: MeasurementRow, setting: Setting) -> Measurement:
    if row.region not in setting.regions:
        raise InputError(
            f"{at(row.line, 'region')}: unknown region {row.region!r}; "
            f"{suggest(row.region, setting.regions)} (the tables [regions.NAME] of "
            "patient.toml)"
        )
    label = _label_of(row, setting.schedule)
    given = _given_on_its_occasion(row, label, setting)
    region = setting.regions[row.region]
    if region.organ == BLOOD:
        factor, quantity = _of_blood(row, region, given, setting)
    elif region.organ == URINE:
        factor, quantity = _of_urine(row, given), Quantity.COLLECTED
    else:
        factor, quantity = _of_region(row, region, given, setting)
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
        below=row.below,
        counting=_counting(row, setting) if row.unit == COUNTS else None,
        sample=_sample(row, setting),
        maximum=row.unit == "SUVmax",
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


def _given_on_its_occasion(
    row: MeasurementRow, label: str, setting: Setting
) -> Schedule:
    """Return the administrations of the row's label on the row's occasion."""
    own = occasion_at(setting.occasions, label, row.start_h)
    if own is None:
        given = setting.schedule.of_label(label).administrations
        raise InputError(
            f"{at(row.line, 'start_h')}: found {row.start_h:g} h, before the first "
            f"administration of {label} at {min(a.time_h for a in given):g} h; times "
            "count from the start of the first administration"
        )
    for other in setting.occasions:
        for a in other.schedule.of_label(label).administrations:
            if other.name != own.name and row.start_h < a.time_h < row.end_h:
                raise InputError(
                    f"{at(row.line, 'end_h')}: the measurement runs from "
                    f"{row.start_h:g} to {row.end_h:g} h, past the {label} of occasion "
                    f"{other.name!r} at {a.time_h:g} h; end it before, or give both "
                    "administrations one occasion"
                )
    return own.schedule.of_label(label)


def _of_region(
    row: MeasurementRow, region: Region, given: Schedule, setting: Setting
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
        case "SUV" | "SUVmax":
            per_mL, quantity = _factor_per_mL(row, region)
            return _kBq_per_mL_of_suv(row, given, setting) * per_mL, quantity
        case "kBq/mL":
            return _factor_per_mL(row, region)
        case _:
            return 1.0, Quantity.COUNTS


def _of_blood(
    row: MeasurementRow, region: Region, given: Schedule, setting: Setting
) -> tuple[float, Quantity]:
    match row.unit:
        case "kBq/mL":  # is MBq/L
            return 1.0, Quantity.PER_LITRE
        case "SUV":
            return _kBq_per_mL_of_suv(row, given, setting), Quantity.PER_LITRE
        case "%IA/g" if region.density_g_per_mL is not None:
            per_g = _given_before(row, given) / 100.0
            return per_g * region.density_g_per_mL * _ML_PER_L, Quantity.PER_LITRE
        case "%IA/g":
            raise InputError(
                f"{at(row.line, 'unit')}: %IA/g of blood needs its density; add "
                f"density_g_per_mL to [regions.{region.name}] of patient.toml (about "
                "1.06), or give kBq/mL"
            )
        case _:
            raise InputError(
                f"{at(row.line, 'unit')}: found {row.unit} of {region.name!r}, whose "
                "organ is blood; of blood give the concentration in whole blood: "
                "kBq/mL, %IA/g or SUV"
            )


def _of_urine(row: MeasurementRow, given: Schedule) -> float:
    if not row.end_h > row.start_h:
        raise InputError(
            f"{at(row.line, 'end_h')}: urine is collected between two times; give the "
            "start and the end of the collection"
        )
    match row.unit:
        case "MBq":
            return 1.0
        case "kBq":
            return 1.0 / _KBQ_PER_MBQ
        case "%IA":
            return _given_before(row, given) / 100.0
        case _:
            raise InputError(
                f"{at(row.line, 'unit')}: found {row.unit} of {row.region!r}, whose "
                "organ is urine; give the activity of the whole collection: MBq, kBq "
                "or %IA"
            )


def _factor_per_mL(row: MeasurementRow, region: Region) -> tuple[float, Quantity]:
    """Return what a value in kBq/mL is multiplied by, and what the product is."""
    density = region.density_g_per_mL
    if density is None and region.mass_g is not None and region.volume_mL is not None:
        density = region.mass_g / region.volume_mL
    if density is not None:
        _require_mass(row, region)
        return 1.0 / (_KBQ_PER_MBQ * density), Quantity.CONCENTRATION
    if region.volume_mL is not None and row.unit != "SUVmax":
        return region.volume_mL / _KBQ_PER_MBQ, Quantity.ACTIVITY
    needed = "density" if row.unit == "SUVmax" else "density or the volume"
    raise InputError(
        f"{at(row.line, 'unit')}: {row.unit} needs the {needed} of region "
        f"{region.name!r}; add density_g_per_mL (soft tissue has about 1.05) or "
        f"volume_mL to [regions.{region.name}] of patient.toml"
    )


def _kBq_per_mL_of_suv(row: MeasurementRow, given: Schedule, setting: Setting) -> float:
    """Return the concentration of SUV 1, decay-corrected as the row says, kBq/mL."""
    before = [a for a in given.administrations if a.time_h <= row.start_h]
    if setting.body_mass_kg is None:
        raise InputError(
            f"{at(row.line, 'unit')}: {row.unit} needs body_mass_kg; add it to "
            "[patient] of patient.toml, as it was given to the scanner"
        )
    if len(before) > 1:
        raise InputError(
            f"{at(row.line, 'unit')}: {row.unit} compares with one administration, and "
            f"{len(before)} of this label come before the scan; give kBq/mL"
        )
    [only] = before
    reference = row.decay_corrected_to_h
    if reference is None or abs(reference - only.time_h) > _SAME_TIME_H:
        found = "is blank" if reference is None else f"found {reference:g} h"
        raise InputError(
            f"{at(row.line, 'decay_corrected_to_h')}: {found}; an {row.unit} compares "
            "the concentration, decay-corrected to the administration, with the "
            f"activity administered: write {only.time_h:g} if it does, else give the "
            "concentration in kBq/mL and what it is corrected to"
        )
    per_mL = concentration_of_suv(
        1.0,
        body_mass_kg=setting.body_mass_kg,
        activity_MBq=only.activity_MBq,
        density_g_per_mL=_G_PER_ML_OF_WATER,  # per mL, whatever the tissue is
    )
    return per_mL * _KBQ_PER_MBQ


def _require_mass(row: MeasurementRow, region: Region) -> None:
    if region.mass_g is None:
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


def _counting(row: MeasurementRow, setting: Setting) -> Counting:
    stated = setting.countings.get(row.modality)
    if stated is None:
        raise InputError(
            f"{at(row.line, 'unit')}: counts of {row.modality} need its sensitivity; "
            f"add [counting.{row.modality}] with counts_per_s_per_MBq, "
            "background_log_sd and overdispersed to patient.toml"
        )
    live_time_s, background = row.live_time_s, row.background_counts
    assert live_time_s is not None
    assert background is not None
    return Counting(
        counts_per_s_per_MBq=stated.counts_per_s_per_MBq,
        live_time_s=live_time_s,
        background=background,
        # What is not there has no error.
        background_log_sd=stated.background_log_sd if background > 0.0 else 0.0,
        overdispersed=stated.overdispersed,
    )


def _sample(row: MeasurementRow, setting: Setting) -> Sample | None:
    if row.sample is None:
        return None
    if row.unit in (*SUVS, COUNTS):
        raise InputError(
            f"{at(row.line, 'sample')}: a value in {row.unit} is an image's, not a "
            "sample's; leave it blank"
        )
    if setting.sample_volume_cv is None:
        raise InputError(
            f"{at(row.line, 'sample')}: {row.sample!r} needs the error of a sample's "
            "volume; add [samples] with volume_cv (0.03 is 3 %) to patient.toml"
        )
    return Sample(row.sample, log_sd_of_cv(setting.sample_volume_cv))
