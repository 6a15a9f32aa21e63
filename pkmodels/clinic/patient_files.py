"""A patient's folder, patient.toml and measurements.csv, read into a `Patient`."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pkmodels.administrations import Administration
from pkmodels.clinic import measurement_table, patient_toml
from pkmodels.clinic.cohort_prior import cohort_problems, cohort_warnings
from pkmodels.clinic.cohort_prior_file import read_cohort_prior
from pkmodels.clinic.joint_checks import (
    joint_problems,
    joint_warnings,
    occasion_problems,
)
from pkmodels.clinic.joint_data import (
    MaximumExcess,
    StatedCounting,
    StatedOverlap,
    StatedSharing,
)
from pkmodels.clinic.measurement_checks import (
    measurement_problems,
    measurement_warnings,
)
from pkmodels.clinic.measurement_setting import setting_of
from pkmodels.clinic.measurement_table import MeasurementRow, parse_measurement_rows
from pkmodels.clinic.measurement_units import SUVS, convert_rows
from pkmodels.clinic.own_s_values import own_row_warnings
from pkmodels.clinic.patient import (
    Calibration,
    Group,
    Limit,
    Patient,
    Plan,
    Recovery,
    Region,
    StatedRadiobiology,
    TailRule,
    Treatment,
    Waiver,
)
from pkmodels.clinic.patient_checks import table_problems, table_warnings
from pkmodels.clinic.patient_format import HistoryTable, PatientFile
from pkmodels.clinic.patient_models import with_amounts
from pkmodels.clinic.patient_tables import AdministrationTable, RegionTable
from pkmodels.clinic.patient_toml import parse_patient_toml
from pkmodels.decision import History
from pkmodels.dosimetry.outlines import sphere_diameter, volume_uncertainty
from pkmodels.dosimetry.s_table_files import read_s_table
from pkmodels.dosimetry.s_tables import STable
from pkmodels.errors import InputError
from pkmodels.schedule import Schedule


def read_patient(folder: Path) -> Patient:
    """Read and check the folder of one patient.

    Parameters
    ----------
    folder : Path
        Holds patient.toml and measurements.csv.

    Returns
    -------
    Patient

    Raises
    ------
    InputError
        When a file is missing or breaks the format. The message names the folder
        and then, one a line, every mistake that was found.

    Examples
    --------
    >>> import tempfile
    >>> from pkmodels.clinic.template import write_template
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     folder = Path(parent) / "new"
    ...     _ = write_template(folder)
    ...     patient = read_patient(folder)
    >>> patient.id, len(patient.measurements)
    ('EXAMPLE', 9)
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise InputError(
            f"{folder} {what}; give the folder of a patient, with "
            f"{patient_toml.FILE_NAME} and {measurement_table.FILE_NAME}"
        )
    problems: list[str] = []
    tables = rows = None
    toml_bytes = csv_bytes = b""
    try:
        toml_bytes = _read_bytes(folder, patient_toml.FILE_NAME)
        tables = parse_patient_toml(_decode(toml_bytes, patient_toml.FILE_NAME))
    except InputError as error:
        problems.append(str(error))
    try:
        csv_bytes = _read_bytes(folder, measurement_table.FILE_NAME)
        rows = parse_measurement_rows(_decode(csv_bytes, measurement_table.FILE_NAME))
    except InputError as error:
        problems.append(str(error))
    files = {patient_toml.FILE_NAME: toml_bytes, measurement_table.FILE_NAME: csv_bytes}
    s_table = cohort = reason = None
    if tables is not None and tables.s_values is not None:
        name = tables.s_values.table
        try:
            _check_beside(folder, name, "[s_values] table", "table of S-values")
            files[name] = _read_bytes(folder, name)
            s_table = read_s_table(folder / name)
        except InputError as error:
            problems.append(str(error))
    if tables is not None and tables.cohort_prior is not None:
        name = tables.cohort_prior.file
        reason = tables.cohort_prior.without_scans_reason
        try:
            _check_beside(folder, name, "[cohort_prior] file", "cohort's prior")
            files[name] = _read_bytes(folder, name)
            cohort = read_cohort_prior(folder / name)
        except InputError as error:
            problems.append(str(error))
    if tables is None or rows is None or problems:
        raise _refusal(folder, problems)
    patient = replace(
        _patient(tables, s_table, files),
        cohort_prior=cohort,
        without_scans_reason=reason,
    )
    return _with_measurements(folder, patient, rows)


def _with_measurements(
    folder: Path, patient: Patient, rows: Sequence[MeasurementRow]
) -> Patient:
    """Add the measurements and the warnings, or refuse the folder."""
    problems = [*table_problems(patient), *occasion_problems(patient)]
    try:
        measurements = convert_rows(rows, setting_of(patient))
    except InputError as error:
        raise _refusal(folder, [*problems, str(error)]) from None
    patient = replace(
        patient,
        measurements=measurements,
        body_mass_used=any(row.unit in SUVS for row in rows),
    )
    problems += [*measurement_problems(patient), *joint_problems(patient)]
    problems += cohort_problems(patient)
    if problems:
        raise _refusal(folder, problems)
    warnings = (
        *table_warnings(patient),
        *measurement_warnings(patient),
        *joint_warnings(patient),
        *own_row_warnings(patient),
        *cohort_warnings(patient),
    )
    return with_amounts(replace(patient, warnings=warnings))


def _refusal(folder: Path, problems: Iterable[str]) -> InputError:
    lines = [line for problem in problems for line in problem.splitlines()]
    count = "1 mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
    listed = "\n".join(f"  {line}" for line in lines)
    return InputError(f"{folder}: {count} to mend\n{listed}")


def _check_beside(folder: Path, name: str, key: str, what: str) -> None:
    """Refuse what is no further file of the folder."""
    own = (patient_toml.FILE_NAME, measurement_table.FILE_NAME)
    if Path(name).name != name or name in own or not (folder / name).is_file():
        raise InputError(
            f"{patient_toml.FILE_NAME}: {key}: {name!r} is no {what} in the folder; "
            "put the file there, or mend its name"
        )


def _read_bytes(folder: Path, name: str) -> bytes:
    path = folder / name
    if not path.is_file():
        raise InputError(
            f"{name}: is not in the folder; `pkmodels new FOLDER` writes a template"
        )
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{name}: cannot be read ({error.strerror}); mend its permissions"
        ) from error


def _decode(content: bytes, name: str) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(
            f"{name} line {line}: the file is not UTF-8 (found byte "
            f'0x{content[error.start]:02x}); save it again as "UTF-8" or "CSV UTF-8"'
        ) from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise InputError(
            f"{name} line {line}: the file is not UTF-8 text (found a zero byte); save "
            'it again as "UTF-8" or "CSV UTF-8"'
        )
    return text


def _sha256(files: Mapping[str, bytes]) -> str:
    # The length keeps a byte moved from one file to the next from going unseen.
    *first, last = files.values()
    lengths = (len(content).to_bytes(8, "big") + content for content in first)
    return hashlib.sha256(b"".join(lengths) + last).hexdigest()


def _patient(
    tables: PatientFile, s_table: STable | None, files: Mapping[str, bytes]
) -> Patient:
    decision = tables.decision
    covariates = tables.patient.model_dump(
        exclude={"id", "note", "target_confirmed"}, exclude_none=True
    )
    return Patient(
        id=tables.patient.id,
        note=(tables.patient.note or "").strip() or None,
        covariates=covariates,
        schedule=_schedule(tables),
        regions=_regions(tables),
        groups=tuple(
            Group(name, tuple(table.regions)) for name, table in tables.groups.items()
        ),
        calibrations=_calibrations(tables),
        plans=tuple(Plan(**table.model_dump()) for table in tables.plan),
        limits=tuple(
            Limit(name, table.absorbed_dose_Gy, table.bed_Gy)
            for name, table in tables.limits.items()
            if not table.waived
        ),
        waived=tuple(
            Waiver(name, table.reason)
            for name, table in tables.limits.items()
            if table.waived and table.reason is not None
        ),
        confidence=decision.confidence,
        model=decision.model,
        count_administrations=decision.count_administrations,
        count_reason=decision.count_reason,
        noise_floor=tables.noise.floor,
        measurements=(),
        warnings=(),
        data_sha256=_sha256(files),
        target_confirmed=tables.patient.target_confirmed,
        recoveries=tuple(
            Recovery(modality=name, **table.model_dump())
            for name, table in tables.recovery.items()
        ),
        history=tuple(_history(table) for table in tables.history),
        treatments=tuple(Treatment(**table.model_dump()) for table in tables.treatment),
        radiobiology=tuple(
            StatedRadiobiology(organ=name, **table.model_dump())
            for name, table in tables.radiobiology.items()
        ),
        tail=TailRule(**tables.tail.model_dump()),
        ligand_mass_cv=tables.uncertainty.ligand_mass_cv,
        model_choice_cv=tables.uncertainty.model_choice_cv,
        s_table=s_table,
        transplantation_day=(
            None if tables.transplantation is None else tables.transplantation.day
        ),
        files={name: _decode(content, name) for name, content in files.items()},
        occasion_names=_occasion_names(tables),
        sharings=tuple(StatedSharing(**t.model_dump()) for t in tables.sharing),
        overlaps=_overlaps(tables),
        maximum_excess=tuple(
            MaximumExcess(name, t.excess_median, t.excess_log_sd, t.source)
            for name, t in tables.noise.maximum.items()
        ),
        countings=tuple(
            StatedCounting(name, **table.model_dump())
            for name, table in tables.counting.items()
        ),
        sample_volume_cv=None if tables.samples is None else tables.samples.volume_cv,
        student_t_degrees=tables.noise.student_t_degrees,
    )


def _history(table: HistoryTable) -> History:
    dose, bed = table.absorbed_dose_Gy, table.bed_Gy
    return History(
        target=table.target,
        quantity="absorbed_dose" if bed is None else "bed",
        value_Gy=dose or bed or 0.0,
        sd_Gy=table.sd_Gy,
        source=table.source,
    )


def _schedule(tables: PatientFile) -> Schedule:
    given = (
        Administration(**table.model_dump(exclude={"occasion"}))
        for table in _in_order(tables)
    )
    return Schedule(tuple(given))


def _in_order(tables: PatientFile) -> list[AdministrationTable]:
    return sorted(tables.administration, key=lambda table: table.time_h)


def _occasion_names(tables: PatientFile) -> tuple[str, ...]:
    """Return each administration's occasion, blank where others only are named."""
    names = [table.occasion for table in _in_order(tables)]
    return tuple(name or "" for name in names) if any(names) else ()


def _regions(tables: PatientFile) -> tuple[Region, ...]:
    return tuple(
        Region(
            name=name,
            organ=table.organ,
            mass_g=table.mass_or_product_g,
            mass_cv=_mass_cv(table),
            volume_mL=table.volume_mL,
            density_g_per_mL=table.density_g_per_mL,
            side=table.side,
            voxel_mm=table.voxel_mm,
            fwhm_mm=table.fwhm_mm,
        )
        for name, table in tables.regions.items()
    )


def _mass_cv(table: RegionTable) -> float | None:
    """Return what the file states, or what follows from the outline's image."""
    volume_mL = table.volume_or_quotient_mL
    if table.voxel_mm is None or table.fwhm_mm is None or volume_mL is None:
        return table.mass_cv
    diameter_mm = sphere_diameter(volume_mL)
    return volume_uncertainty(diameter_mm, table.voxel_mm, table.fwhm_mm)


def _overlaps(tables: PatientFile) -> tuple[StatedOverlap, ...]:
    return tuple(
        StatedOverlap(
            modality=modality,
            region=region,
            others=dict(table.of),
            share_median=table.share_median,
            share_logit_sd=table.share_logit_sd,
            source=table.source,
        )
        for modality, tables_of_regions in tables.overlap.items()
        for region, table in tables_of_regions.items()
    )


def _calibrations(tables: PatientFile) -> tuple[Calibration, ...]:
    return tuple(
        Calibration(
            modality=name,
            scope=table.scope,
            cv=None if table.cv == "free" else table.cv,
            gamma_keV=table.gamma_keV,
            calibrated_with=table.calibrated_with,
            quantified_with=table.quantified_with,
        )
        for name, table in tables.calibration.items()
    )
