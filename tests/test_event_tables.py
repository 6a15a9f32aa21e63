"""Event tables: what NONMEM's columns mean, and how mistakes in them are named."""

from pathlib import Path

import pytest

from pkmodels.administrations import SteadyState
from pkmodels.errors import InputError
from pkmodels.event_tables import Subject, read_event_table, subjects_of

ROUTES = {1: "oral", 2: "central"}


def one(*rows: dict[str, object], **details: object) -> Subject:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    full = [{name: row.get(name, ".") for name in columns} for row in rows]
    options = {"routes": ROUTES, "ligand": "drug", **details}
    (subject,) = subjects_of(full, **options)  # type: ignore[arg-type]
    return subject


def dose(**columns: object) -> dict[str, object]:
    return {"TIME": 0, "AMT": 100, "CMT": 1, "EVID": 1, **columns}


def refusal(*rows: dict[str, object], **details: object) -> str:
    with pytest.raises(InputError) as error:
        one(*rows, **details)
    return str(error.value)


def test_additional_doses_are_written_out() -> None:
    """The two fragments that NONMEM's help on ADDL calls the same set of doses."""
    short = one(
        {"TIME": 10.0, "AMT": 15.0, "ADDL": 2, "II": 12.0},
        {"TIME": 15.0, "DV": 25.7},
        {"TIME": 20.0, "AMT": 10.0},
        {"TIME": 36.0, "DV": 30.2},
        routes={1: "oral"},
    )
    long = one(
        {"TIME": 10.0, "AMT": 15.0},
        {"TIME": 15.0, "DV": 25.7},
        {"TIME": 20.0, "AMT": 10.0},
        {"TIME": 22.0, "AMT": 15.0},
        {"TIME": 34.0, "AMT": 15.0},
        {"TIME": 36.0, "DV": 30.2},
        routes={1: "oral"},
    )
    assert short.schedule == long.schedule
    assert (short.times_h, short.observed) == ((15.0, 36.0), (25.7, 30.2))
    assert [a.time_h for a in long.schedule.administrations] == [10, 20, 22, 34]


def test_rates_and_durations() -> None:
    (given,) = one(dose(RATE=20)).schedule.administrations
    assert (given.duration_h, given.holds_rate, given.modelled) == (5.0, True, False)
    (given,) = one(dose(DUR=5)).schedule.administrations
    assert (given.duration_h, given.holds_rate, given.modelled) == (5.0, False, False)
    for rate in (-1, -2):
        (given,) = one(dose(RATE=rate)).schedule.administrations
        assert (given.duration_h, given.holds_rate, given.modelled) == (0, False, True)


def test_routes_by_compartment() -> None:
    subject = one(dose(), dose(CMT=2), {"TIME": 1, "EVID": 0, "CMT": 7, "DV": 3})
    assert [a.route for a in subject.schedule.administrations] == ["oral", "central"]
    assert subject.compartments == (7,)


def test_steady_states() -> None:
    subject = one(
        dose(SS=1, II=12, ADDL=1), dose(TIME=6, SS=2, II=12), dose(TIME=12, CMT=2)
    )
    given = subject.schedule.administrations
    assert [a.time_h for a in given] == [0.0, 6.0, 12.0, 12.0]
    assert [a.steady_state for a in given] == [
        SteadyState(12.0),
        SteadyState(12.0, adds=True),
        None,
        None,
    ]
    (endless,) = one(dose(AMT=0, RATE=7, SS=1)).schedule.administrations
    assert endless.steady_state == SteadyState(0.0)
    assert endless.ligand_nmol == 7.0 * endless.duration_h


def test_steady_state_that_replaces_cancels_doses_to_come() -> None:
    subject = one(dose(ADDL=3, II=24), dose(TIME=30, SS=1, II=12))
    assert [a.time_h for a in subject.schedule.administrations] == [0.0, 24.0, 30.0]


def test_resets() -> None:
    subject = one(dose(), {"TIME": 5, "EVID": 3}, dose(TIME=7, EVID=4))
    assert subject.schedule.resets_h == (5.0, 7.0)
    assert [a.time_h for a in subject.schedule.administrations] == [0.0, 7.0]
    # NONMEM's help: a reset event ignores CMT.
    assert one(dose(), {"TIME": 5, "EVID": 3, "CMT": -1}).schedule.resets_h == (5.0,)
    wiped = one(dose(), dose(TIME=5), {"TIME": 5, "EVID": 3})
    assert [a.time_h for a in wiped.schedule.administrations] == [0.0]


def test_observations_before_and_after_a_dose_at_one_time() -> None:
    seen = {"EVID": 0, "DV": 1.0}
    subject = one(
        dose(),
        {"TIME": 0, **seen},
        {"TIME": 8, **seen},
        dose(TIME=8),
        {"TIME": 8, **seen},
        {"TIME": 9, "EVID": 2},
    )
    assert subject.times_h == (0.0, 8.0, 8.0)
    assert subject.before == (False, True, False)


def test_missing_values() -> None:
    rows = [
        dose(MDV=1, DV=99),
        {"TIME": 1, "EVID": 0, "MDV": 1, "DV": 5.0},
        {"TIME": 2, "EVID": 0, "MDV": 0, "DV": 6.0},
    ]
    assert one(*rows).observed == (None, 6.0)
    rows = [dose(), {"TIME": 1, "EVID": 0, "DV": "NA"}, {"TIME": 2, "EVID": 0, "DV": 0}]
    assert one(*rows).observed == (None, 0.0)


def test_files(tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_text(
        "\ufeffid,time,Amt,evid,cmt,WT,dv\n"
        "7,0,100,1,2,70,.\n7,1.5,0,0,2,71,3.25\n\n8,0,50,1,1,80,\n",
        encoding="utf-8",
    )
    first, second = read_event_table(
        file, routes=ROUTES, ligand="drug", covariates=["WT"]
    )
    assert (first.identifier, second.identifier) == ("7", "8")
    assert first.covariates == {"WT": ("70", "71")}
    assert first.rows_h == (0.0, 1.5)
    assert first.observed == (3.25,)
    assert second.schedule.administrations[0].ligand_nmol == 50.0
    assert second.times_h == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "events.csv: is empty: write a header and one event to a line"),
        (
            "ID,TIME,AMTT\n1,0,5\n",
            "events.csv: column 'AMTT' is unknown: did you mean 'AMT'?",
        ),
        ("ID,TIM,AMT\n1,0,5\n", "events.csv: has no column TIME: did you mean 'TIM'?"),
        ("ID,TIME,time\n1,0,5\n", "events.csv: column TIME is there twice: drop one"),
        (
            "ID;TIME;AMT\n1;0,5;3\n",
            "events.csv: the columns are separated by semicolons: separate them by "
            "commas, and write decimals with a point",
        ),
        ("id\ttime\tamt\n1\t0\t3\n", "events.csv: the columns are separated by tabs"),
        ("ID  TIME AMT\n1 0 3\n", "events.csv: the columns are separated by spaces"),
        ("ID;TIME,AMT\n1;0,3\n", "events.csv: has no column TIME: did you mean"),
        (
            "ID,TIME,AMT\n1,0\n",
            "events.csv, line 2: has 2 values and the header 3: mend the commas",
        ),
        (
            "ID,TIME,AMT\n1,0,5\n1,one,0\n",
            "events.csv, line 3, column TIME: 'one' is not a number: write one, or .",
        ),
        (
            "ID,TIME,DV\n1,0,5\n2,0,5\n1,1,5\n",
            "events.csv, line 4: ID 1 comes back after ID 2: sort the rows by subject",
        ),
        (
            "TIME,DV\n2,5\n1,5\n",
            "events.csv, line 3, column TIME: is 1, after 2 h in the row before",
        ),
        ("TIME,DV\n.,5\n", "events.csv, line 2, column TIME: is missing: state"),
    ],
)
def test_files_are_refused(text: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_text(text)
    with pytest.raises(InputError) as error:
        read_event_table(file, routes=ROUTES, ligand="drug")
    assert str(error.value).removeprefix(f"{tmp_path}/").startswith(told)


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read as a CSV file: "):
        read_event_table(tmp_path / "none.csv", routes=ROUTES, ligand="drug")


WHERE = "row 1 of the event table, column "


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (dose(EVID=5), "EVID: is 5, which is none of 0 observation, 1 dose"),
        (dose(EVID=1.5), "EVID: 1.5 is not a whole number: write one"),
        (dose(EVID=0), "AMT: is 100, but EVID 0 gives no dose: write 0"),
        ({"TIME": 0, "EVID": 3, "II": 4}, "II: is 4, but EVID 3 gives no dose"),
        (dose(TIME=-1), "TIME: is -1, before 0: count from the subject's first"),
        (dose(AMT=-5), "AMT: is -5, but it must be 0 or more"),
        (dose(AMT=0), "AMT: is 0, but EVID 1 gives a dose: state how much"),
        (dose(RATE=-3), "RATE: is -3, but it must be 0 or more"),
        (dose(RATE=3, DUR=2), "DUR: is 2, and RATE is 3: keep one of the two"),
        (dose(RATE=-2, DUR=2), "DUR: is 2, and RATE is -2: keep one of the two"),
        (dose(ADDL=2), "ADDL: is 2, but II, the interval between, is missing"),
        (dose(ADDL=-1, II=2), "ADDL: is -1, but it must be 0 or more"),
        (dose(II=24), "II: is 24, but neither ADDL nor SS repeats the dose"),
        (dose(SS=1), "II: is 0, with SS 1, AMT 100 and RATE 0: state the interval"),
        (dose(SS=3, II=12), "SS: is 3, but only 1 (replaces) and 2 (adds) are known"),
        (dose(AMT=0, RATE=5, SS=1, ADDL=1), "ADDL: is 1, but an infusion without end"),
        (dose(CMT=3), "CMT: is 3, and no route is named for it; routes has 1 (oral)"),
        ({"TIME": 0, "AMT": 5}, "CMT: is missing, and no route is named for it"),
        (
            {"TIME": 0, "EVID": 2, "CMT": -1},
            "CMT: is -1, which turns a compartment off, and none can be here: drop the",
        ),
        (
            {"TIME": 0, "EVID": 0, "CMT": -2},
            "CMT: is -2, which turns a compartment off",
        ),
        (dose(MDV=0), "MDV: is 0, but EVID 1 observes nothing: write 1"),
        (dose(MDV=2), "MDV: is 2, it is 0 (observed) or 1 (missing)"),
        ({"TIME": 0, "EVID": 0, "MDV": 0}, "MDV: is 0, but DV is missing: write MDV 1"),
    ],
)
def test_rows_that_contradict_themselves(row: dict[str, object], told: str) -> None:
    assert refusal(row).startswith(WHERE + told)


def test_rows_that_contradict_others() -> None:
    told = refusal(dose(ADDL=3, II=24), {"TIME": 30, "EVID": 3})
    assert told.startswith(
        "row 2 of the event table, column EVID: is 3, but ADDL goes on to 72 h, and "
        "programs differ in whether a reset ends it"
    )
    told = refusal(dose(RATE=-1), dose(TIME=1, RATE=-2))
    assert "is -2, and -1 before: a route has a modelled rate (-1) or" in told


def test_columns_named_as_covariates() -> None:
    row = {**dose(), "WT": 70}
    assert one(row, covariates=["WT"]).covariates == {"WT": ("70",)}
    assert "column 'WT' is unknown" in refusal(row)
    assert "has no column 'WTT', named as a covariate: did you mean 'WT'?" in refusal(
        row, covariates=["WT", "WTT"]
    )
    told = refusal(row, covariates=["WT", "AMT"])
    assert "column 'AMT' cannot be a covariate" in told


def test_rows_of_different_columns() -> None:
    rows: list[dict[str, object]] = [dose(), {"TIME": 3}]
    with pytest.raises(InputError, match="row 2 of the event table has the columns"):
        subjects_of(rows, routes=ROUTES, ligand="drug")
    with pytest.raises(InputError, match="the event table has no rows"):
        subjects_of([], routes=ROUTES, ligand="drug")
