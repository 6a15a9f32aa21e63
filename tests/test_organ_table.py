"""Organ tables of other programs: read back as a patient, and every mistake told."""

import hashlib
from pathlib import Path

import pytest
from clinic_patients import PATIENT, replaced, write_patient

from pkmodels.clinic.command_line import main
from pkmodels.clinic.organ_import import import_table
from pkmodels.clinic.organ_mapping import parse_mapping
from pkmodels.clinic.organ_table import parse_organ_table
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.template import example_mapping
from pkmodels.errors import InputError
from pkmodels.measurements import Quantity

HEAD = "Time (h);Kidney L [MBq];Kidney R [MBq];Liver [MBq];Liver SD;Operator"
TABLE = f"""\
{HEAD}
24;73,1;68,8;321;9,6;KL
72;37,4;33,2;229,5;;KL

120;17,9;;153;5;"MM; JT"
"""
MAPPING = example_mapping()
# Without limits, any region may be without a value.
UNLIMITED = replaced(
    PATIENT, "absorbed_dose_Gy = 23.0", 'waived = true\nreason = "a test"'
)


def mapped(*exchanges: tuple[str, str], text: str = MAPPING) -> str:
    for old, new in exchanges:
        text = replaced(text, old, new)
    return text


def imported(folder: Path, table: str | bytes, mapping: str) -> tuple[str, ...]:
    """Write both files and import them as the measurements of a patient."""
    data = table if isinstance(table, bytes) else table.encode()
    write_patient(folder, UNLIMITED)
    (folder / "measurements.csv").unlink()
    (folder / "organs.csv").write_bytes(data)
    (folder / "map.toml").write_text(mapping, "utf-8")
    return import_table(
        folder / "organs.csv", folder / "map.toml", folder / "measurements.csv"
    )


def test_every_value_is_read_back_as_the_patients(tmp_path: Path) -> None:
    imported(tmp_path, TABLE, MAPPING)
    found = [
        (m.region, m.start_h, m.end_h, m.value, m.sd)
        for m in read_patient(tmp_path).measurements
    ]
    assert found == [
        ("kidney_left", 24.0, 24.0, 73.1, None),
        ("kidney_left", 72.0, 72.0, 37.4, None),
        ("kidney_left", 120.0, 120.0, 17.9, None),
        ("kidney_right", 24.0, 24.0, 68.8, None),
        ("kidney_right", 72.0, 72.0, 33.2, None),
        ("liver", 24.0, 24.0, 321.0, 9.6),
        ("liver", 72.0, 72.0, 229.5, None),
        ("liver", 120.0, 120.0, 153.0, 5.0),
    ]
    for m in read_patient(tmp_path).measurements:
        assert (m.label, m.modality, m.decay_corrected_to_h) == (
            "Lu-177",
            "SPECT",
            None,
        )


def test_what_was_done_is_told_and_kept(tmp_path: Path) -> None:
    told = imported(tmp_path, TABLE, MAPPING)
    assert told == (
        f"wrote {tmp_path / 'measurements.csv'}: 8 values at 3 times, Lu-177 by SPECT, "
        "not decay-corrected",
        '"Kidney L [MBq]": kidney_left, MBq: 3 values',
        '"Kidney R [MBq]": kidney_right, MBq: 2 values',
        '"Liver [MBq]": liver, MBq, sd from "Liver SD": 3 values',
        'ignored: "Operator"',
        "left out, without any cell: line 4",
        "1 value without an sd: to be estimated",
        'left out, being empty: organs.csv line 5, column "Kidney R [MBq]"',
    )
    kept = (tmp_path / "measurements.csv").read_text("utf-8")
    assert hashlib.sha256(TABLE.encode()).hexdigest() in kept
    assert hashlib.sha256(MAPPING.encode()).hexdigest() in kept
    for word in ("# Imported by", "organs.csv", "map.toml", '"Operator": ignored'):
        assert word in kept


@pytest.mark.parametrize(
    ("unit", "written", "hours"),
    [("h", "24,5", 24.5), ("d", "1,5", 36.0), ("min", "90", 1.5), ("s", "5400", 1.5)],
)
def test_times_become_hours(
    unit: str, written: str, hours: float, tmp_path: Path
) -> None:
    table = f"{HEAD}\n{written};20;;;;x\n"
    imported(tmp_path, table, mapped(('unit = "h"', f'unit = "{unit}"')))
    [value] = read_patient(tmp_path).measurements
    assert value.start_h == value.end_h == hours


def test_clock_times_count_from_the_reference(tmp_path: Path) -> None:
    """From 4 March 10:15 to 5 March 10:45 are 24.5 h; frames have start and end."""
    mapping = mapped(
        ('column = "Time (h)"', 'start = "From"\nend = "To"'),
        ('unit = "h"', 'unit = "clock"'),
        ("# clock_format", "clock_format"),
        ("# reference", "reference"),
    )
    head = HEAD.replace("Time (h)", "From;To")
    table = f"{head}\n05.03.2024 10:45;05.03.2024 11:15;20;;;;x\n"
    told = imported(tmp_path, table, mapping)
    [value] = read_patient(tmp_path).measurements
    assert (value.start_h, value.end_h) == (24.5, 25.0)
    assert any("without a change to summer time" in line for line in told)


def test_clock_times_with_a_zone_cross_the_change_to_summer_time(
    tmp_path: Path,
) -> None:
    """Night of 31 March 2024 in Europe: 10:00+01:00 to 10:00+02:00 are 23 h."""
    mapping = mapped(
        ('unit = "h"', 'unit = "clock"\nclock_format = "%Y-%m-%dT%H:%M%z"'),
        ("# reference = ", 'reference = "2024-03-30T10:00+01:00" # '),
    )
    told = imported(tmp_path, f"{HEAD}\n2024-03-31T10:00+02:00;9;;;;x\n", mapping)
    assert read_patient(tmp_path).measurements[0].start_h == 23.0
    assert not any("summer" in line for line in told)


@pytest.mark.parametrize(
    ("unit", "written", "activity_MBq"),
    [
        ("MBq", "37", 37.0),
        ("kBq", "37000", 37.0),
        ("Bq", "3,7e7", 37.0),
        ("%IA", "0,5", 37.0),  # of 7400 MBq
    ],
)
def test_units_of_activity_become_MBq(
    unit: str, written: str, activity_MBq: float, tmp_path: Path
) -> None:
    mapping = mapped(
        ('region = "liver"\nunit = "MBq"', f'region = "liver"\nunit = "{unit}"'),
        ('sd_column = "Liver SD"', "sd_fraction = 0.1"),
        ('ignore = ["Operator"]', 'ignore = ["Operator", "Liver SD"]'),
    )
    imported(tmp_path, f"{HEAD}\n24;;;{written};;x\n", mapping)
    [value] = read_patient(tmp_path).measurements
    assert value.value == pytest.approx(activity_MBq, rel=1e-14)
    assert value.sd == pytest.approx(activity_MBq / 10.0, rel=1e-14)
    assert value.quantity is Quantity.ACTIVITY


@pytest.mark.parametrize(("unit", "written"), [("kBq/mL", "420"), ("Bq/mL", "4.2e5")])
def test_units_of_concentration_become_MBq_per_g(
    unit: str, written: str, tmp_path: Path
) -> None:
    """420 kBq/mL at 1.05 g/mL is 0.4 MBq/g; comma-separated with decimal points."""
    mapping = mapped(
        ('separator = ";"', 'separator = ","'),
        ('decimal = ","', 'decimal = "."'),
        (
            'region = "kidney_right"\nunit = "MBq"',
            f'region = "kidney_right"\nunit = "{unit}"',
        ),
    )
    text = replaced(
        UNLIMITED, "mass_g = 150.0", "mass_g = 150.0\ndensity_g_per_mL = 1.05"
    )
    imported(tmp_path, f"{HEAD.replace(';', ',')}\n24,,{written},,,x\n", mapping)
    (tmp_path / "patient.toml").write_text(text, "utf-8")
    [value] = read_patient(tmp_path).measurements
    assert value.value == pytest.approx(0.4, rel=1e-14)
    assert value.quantity is Quantity.CONCENTRATION


@pytest.mark.parametrize(
    ("stated", "reference_h"), [('"none"', None), ("0", 0.0), ('"start"', 24.0)]
)
def test_decay_correction_is_carried_over(
    stated: str, reference_h: float | None, tmp_path: Path
) -> None:
    decay = ('decay_corrected_to = "none"', f"decay_corrected_to = {stated}")
    imported(tmp_path, f"{HEAD}\n24;20;;;;x\n", mapped(decay))
    [value] = read_patient(tmp_path).measurements
    assert value.decay_corrected_to_h == reference_h


def test_tabs_windows_letters_preambles_and_marks_of_no_value(tmp_path: Path) -> None:
    mapping = mapped(
        ('separator = ";"', 'separator = "tab"'),
        ("# encoding = ", 'encoding = "cp1252" # '),
        ("# header_line = 1", "header_line = 3 #"),
        ("# blank = ", "blank = "),
        ('[columns."Kidney L [MBq]"]', '[columns."Niere links ä [MBq]"]'),
    )
    head = HEAD.replace("Kidney L", "Niere links ä").replace(";", "\t")
    table = f"Exported by X\r\n\r\n{head}\r\n24\t-\t20\tn/a\t-\tx\r\n"
    told = imported(tmp_path, table.encode("cp1252"), mapping)
    [value] = read_patient(tmp_path).measurements
    assert (value.region, value.value) == ("kidney_right", 20.0)
    assert "left out above the header: 2 lines" in told
    assert "left out, being empty: 2 cells" in told


ROWS = {
    "number": ("24;73,1x;;;;x", "line 2, column \"Kidney L [MBq]\": found '73,1x'"),
    "point": ("24;73.1;;;;x", "found '73.1', where decimal = ','"),
    "thousands": ("24;1.073,1;;;;x", "take thousands separators out"),
    "infinite": ("24;1e999;;;;x", "found '1e999'; give a number alone"),
    "negative value": ("24;-3;;;;x", "found -3; a value is above 0"),
    "zero without sd": ("24;0;;;;x", "found 0 without an sd"),
    "sd without value": ("24;3;;;5;x", 'column "Liver [MBq]": is blank beside an sd'),
    "zero sd": ("24;;;30;0;x", 'column "Liver SD": found 0; an sd is above 0'),
    "blank time": (";3;;;;x", 'column "Time (h)": is blank'),
    "time before": ("-2;3;;;;x", "found -2, 2 h before the first administration"),
    "too many cells": ("24;3,1;;;;x;y", "line 2: 7 columns where the header has 6"),
    "open quotation": ('24;3;;;;"x', "close every quotation mark"),
    "repeated time": (
        "24;3;;;;x\n24,0;4;;;;x",
        "line 3: 24 h is the time of line 2 too",
    ),
    "no value": ("24;;;;;x", "holds no value below the header"),
}


@pytest.mark.parametrize(("rows", "said"), ROWS.values(), ids=ROWS)
def test_a_wrong_cell_is_told_by_line_and_column(
    rows: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as error:
        imported(tmp_path, f"{HEAD}\n{rows}\n", MAPPING)
    assert said in str(error.value)
    assert str(error.value).startswith("organs.csv")
    assert not (tmp_path / "measurements.csv").exists()


HEADERS = {
    "unmapped column": (
        HEAD + ";Spleen [MBq]",
        "line 1: column 'Spleen [MBq]' is neither mapped nor ignored; add "
        '[columns."Spleen [MBq]"] with region and unit, or list it under ignore',
    ),
    "missing column": (
        HEAD.replace("Kidney R", "kidney r"),
        "missing column 'Kidney R [MBq]', which the mapping names (values of "
        "kidney_right)",
    ),
    "missing ignored column": (HEAD.replace(";Operator", ""), "names (ignored)"),
    "column twice": (HEAD + ";Operator", "column 'Operator' stands 2 times"),
    "other separator": (HEAD.replace(";", ","), "does separator = ';' of the mapping"),
    "no header": ("", "line 1: names no columns; mend header_line"),
}


@pytest.mark.parametrize(("head", "said"), HEADERS.values(), ids=HEADERS)
def test_a_wrong_header_is_told(head: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        parse_organ_table(f"{head}\n24;1;1;1;1;x\n", parse_mapping(MAPPING, "m"), "t")
    assert said in str(error.value)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    rows = "24;a;b;;;x\nc;1;1;;;x"
    with pytest.raises(InputError) as error:
        imported(tmp_path, f"{HEAD}\n{rows}\n", MAPPING)
    lines = str(error.value).splitlines()
    assert [line[: len("organs.csv line 2")] for line in lines] == [
        "organs.csv line 2",
        "organs.csv line 2",
        "organs.csv line 3",
    ]


MAPPINGS = {
    "no correction stated": (
        'decay_corrected_to = "none"',
        "",
        'map.toml: decay_corrected_to is missing; give "none"',
    ),
    "unknown correction": (
        'decay_corrected_to = "none"',
        'decay_corrected_to = "yes"',
        "decay_corrected_to: found 'yes'",
    ),
    "unknown unit": (
        'region = "liver"\nunit = "MBq"',
        'region = "liver"\nunit = "mCi"',
        "[columns.\"Liver [MBq]\"] unit: found 'mCi'; give the column's unit",
    ),
    "no region": (
        'region = "liver"',
        "",
        '[columns."Liver [MBq]"] region is missing',
    ),
    "region that cannot be named": (
        'region = "liver"',
        'region = "my liver"',
        "'my liver' cannot name a region",
    ),
    "unknown label": ('"Lu-177"', '"177Lu"', "did you mean 'Lu-177'"),
    "unknown key": ("modality =", "modalty =", "modalty: unknown key"),
    "one region twice": (
        'region = "kidney_right"',
        'region = "kidney_left"',
        "are both kidney_left",
    ),
    "one column twice": (
        'ignore = ["Operator"]',
        'ignore = ["Liver SD"]',
        "column 'Liver SD' is named twice: sd of liver, and ignored",
    ),
    "decimal and separator alike": (
        'separator = ";"',
        'separator = ","',
        'decimal and separator are both ","',
    ),
    "two sds": ("# sd_fraction", "sd_fraction", "sd_column and sd_fraction"),
    "start without end": (
        'column = "Time (h)"',
        'start = "Time (h)"',
        "[time]: gives start; give column alone, or start and end",
    ),
    "clock without format": ('unit = "h"', 'unit = "clock"', "needs clock_format"),
    "format without clock": ("# clock_format", "clock_format", "remove them"),
    "clock without year": (
        'unit = "h"',
        'unit = "clock"\nclock_format = "%d.%m. %H:%M"\nreference = "04.03. 10:15"',
        "has no year or no hour",
    ),
    "reference of another format": (
        'unit = "h"',
        'unit = "clock"\nclock_format = "%d.%m.%Y %H:%M"\nreference = "2024-03-04"',
        "reference '2024-03-04' is not written as clock_format",
    ),
    "other format": ("pkmodels-mapping/1", "pkmodels-mapping/9", "this version reads"),
    "no TOML": ("modality = ", "modality ", "map.toml: not valid TOML"),
}


@pytest.mark.parametrize(("old", "new", "said"), MAPPINGS.values(), ids=MAPPINGS)
def test_a_wrong_mapping_is_told(old: str, new: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        parse_mapping(replaced(MAPPING, old, new), "map.toml")
    assert said in str(error.value)
    assert str(error.value).startswith("map.toml: ")


def test_the_command_imports_and_overwrites_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", "--example"]) == 0
    assert capsys.readouterr().out == MAPPING
    (tmp_path / "map.toml").write_text(MAPPING, "utf-8")
    (tmp_path / "organs.csv").write_text(TABLE, "utf-8")
    out = tmp_path / "new" / "measurements.csv"
    command = ["import", str(tmp_path / "organs.csv"), "--mapping"]
    command += [str(tmp_path / "map.toml"), "--out", str(out)]
    assert main(command) == 0
    assert "8 values at 3 times" in capsys.readouterr().out
    written = out.read_text("utf-8")
    assert main(command) == 2
    assert "exists already" in capsys.readouterr().err
    assert out.read_text("utf-8") == written
    assert main(["import", str(tmp_path / "organs.csv")]) == 2
    assert "--mapping missing" in capsys.readouterr().err


def test_the_command_writes_measurements_csv_here_if_there_is_none(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As README writes it: TABLE.csv --mapping MAP.toml, and nothing else."""
    (tmp_path / "map.toml").write_text(MAPPING, "utf-8")
    (tmp_path / "organs.csv").write_text(TABLE, "utf-8")
    monkeypatch.chdir(tmp_path)
    command = ["import", "organs.csv", "--mapping", "map.toml"]
    assert main(command) == 0
    assert "wrote measurements.csv" in capsys.readouterr().out
    written = (tmp_path / "measurements.csv").read_text("utf-8")
    assert main(command) == 2
    assert "measurements.csv exists already" in capsys.readouterr().err
    assert (tmp_path / "measurements.csv").read_text("utf-8") == written


def test_a_table_of_another_encoding_is_told(tmp_path: Path) -> None:
    table = f"{HEAD}\n24;1;1;1;1;ä\n"
    with pytest.raises(InputError, match="is not saved as utf-8"):
        imported(tmp_path, table.encode("cp1252"), MAPPING)
    with pytest.raises(InputError, match="is not saved as utf-8"):
        imported(tmp_path, table.encode("utf-16"), MAPPING)
    utf_16 = mapped(("# encoding = ", 'encoding = "utf-16" # '))
    imported(tmp_path, table.encode("utf-16"), utf_16)
    assert len(read_patient(tmp_path).measurements) == 3
