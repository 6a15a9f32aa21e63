"""What a decision holds of earlier history, and what it rests on, is said truly."""

from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO

import made_up_result as made
import numpy as np
import pytest
from clinic_patients import MEASUREMENTS, PATIENT, replaced, write_patient
from made_up_fit import made_up_fit
from rich.console import Console

from pkmodels.administrations import Administration
from pkmodels.clinic.assessment import Assessment, assess
from pkmodels.clinic.decision_basis import history_left_out, history_texts, judgements
from pkmodels.clinic.decision_text import safe_activities
from pkmodels.clinic.patient import Limit, Patient, StatedRadiobiology
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.report import ReportFigures, write_report
from pkmodels.clinic.report_labels import left_over
from pkmodels.clinic.reporting import build_result
from pkmodels.clinic.result_format import Result
from pkmodels.clinic.result_table import print_result
from pkmodels.clinic.result_text import (
    STATED_KINDS,
    budget_scope,
    stated_alone,
    uninformed_parameters,
)
from pkmodels.clinic.rounding import rounded_down
from pkmodels.decision import History, cautions_of
from pkmodels.fitting.fit import Fit
from pkmodels.fitting.posterior import CALIBRATION, MASS, RECOVERY
from pkmodels.schedule import Schedule

BED_BEFORE, SD_BEFORE = 6.0, 1.0
KIDNEY_RESPONSE = (
    "alpha/beta (2.5 Gy) and half-time of repair (2.8 h) in the BED of kidneys"
)
MARROW_S_VALUE = "the S-value of Y-90 for marrow from marrow"


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Patient:
    """Kidneys limited in BED, with a history in BED; marrow measured and limited."""
    text = replaced(
        PATIENT,
        "[groups.kidneys]",
        '[regions.marrow]\norgan = "red_marrow"\nmass_g = 1000.0\nmass_cv = 0.1\n\n'
        "[groups.kidneys]",
    )
    rows = "marrow,Lu-177,SPECT,24,,40,MBq,,\nmarrow,Lu-177,SPECT,96,,20,MBq,,\n"
    folder = tmp_path_factory.mktemp("p")
    read = read_patient(write_patient(folder, text, MEASUREMENTS + rows))
    return replace(
        read,
        limits=(Limit("kidneys", None, 40.0), Limit("marrow", 10.0, None)),
        history=(
            History("kidneys", "bed", BED_BEFORE, SD_BEFORE, "beam, 2021"),
            History("red_marrow", "absorbed_dose", 1.0, 0.2, "total body, 2020"),
        ),
    )


@pytest.fixture(scope="module")
def fit(patient: Patient) -> Fit:
    return made_up_fit(patient)


@pytest.fixture(scope="module")
def assessment(patient: Patient, fit: Fit) -> Assessment:
    return assess(patient, fit)


@pytest.fixture(scope="module")
def result(patient: Patient, fit: Fit, assessment: Assessment) -> Result:
    return build_result(patient, fit, assessment)


def test_only_the_named_dose_of_the_named_target_holds_a_history(
    patient: Patient, assessment: Assessment, result: Result
) -> None:
    """Held against D = before + d A and BED = sum of D + G D^2 / (alpha/beta)."""
    safe = result.safe_activity["Y-90"]
    assert safe.activity_GBq is not None
    assert safe.history_counted == {"kidneys": "bed"}
    assert safe.history_left_out == {
        "kidney_left": ["kidneys"],
        "kidney_right": ["kidneys"],
    }
    given = patient.schedule.administrations[0].activity_MBq / 1e3
    for target in ("kidneys", "kidney_left"):
        dose = beds = 0.0
        for label, activity in (("Lu-177", given), ("Y-90", safe.activity_GBq)):
            exposure = assessment.exposures[label][target]
            assert exposure.dose_Gy_per_GBq is not None
            assert exposure.protraction is not None
            each = exposure.dose_Gy_per_GBq * activity
            ratio = assessment.dosimetry.responses[target].alpha_beta_Gy
            dose = dose + each
            beds = beds + each * (1.0 + exposure.protraction * each / ratio)
        assert safe.absorbed_dose_Gy[target].mean == pytest.approx(np.mean(dose))
        held = BED_BEFORE if target in safe.history_counted else 0.0
        # Five standard errors of the mean of 2000 draws of the history.
        scatter = 5.0 * SD_BEFORE / np.sqrt(2000.0) if held else 1e-9
        more = safe.bed_Gy[target].mean - np.mean(beds)
        assert more == pytest.approx(held, abs=scatter)


def test_a_history_of_a_part_is_left_out_of_its_group(patient: Patient) -> None:
    left = replace(
        patient,
        limits=(*patient.limits, Limit("kidney_left", 30.0, None)),
        history=(History("kidney_left", "absorbed_dose", 5.0, 1.0, "2021"),),
    )
    targets = ["kidney_left", "kidney_right", "liver", "kidneys"]
    assert history_left_out(left, targets) == {"kidneys": ["kidney_left"]}


def test_a_history_of_a_waived_target_counts_against_nothing(
    patient: Patient, result: Result
) -> None:
    kidneys, marrow = history_texts(patient)
    assert kidneys == "kidneys: 6 Gy (sd 1) of BED, beam, 2021"
    assert marrow == (
        "red_marrow: 1 Gy (sd 0.2) of absorbed dose, total body, 2020; counts against "
        "nothing (waived)"
    )
    assert result.history == [kidneys, marrow]
    assert "red_marrow" not in result.safe_activity["Y-90"].history_counted


def test_administrations_that_do_not_count_are_not_said_to(
    patient: Patient, fit: Fit
) -> None:
    alone = replace(patient, count_administrations=False, count_reason="another ligand")
    found = build_result(alone, fit, assess(alone, fit)).safe_activity["Y-90"]
    assert found.administrations_counted is False


def test_judgements_behind_limited_doses_are_named_beside_the_answer(
    result: Result,
) -> None:
    safe = result.safe_activity["Y-90"]
    assert safe.judgements == [KIDNEY_RESPONSE, MARROW_S_VALUE]
    (told,) = safe_activities(result)
    sentence = f"It rests on judgements: {KIDNEY_RESPONSE}; {MARROW_S_VALUE}."
    assert sentence in told.notes


def test_a_judgement_of_what_was_given_is_named_where_it_counts(
    patient: Patient, fit: Fit
) -> None:
    """90Y given before 177Lu: its marrow counts by an S-value that is a judgement."""
    assessment = assess(patient, fit)
    before = Administration(0.0, 0.0, "dotatate", "Y-90", 3000.0)
    given = (*patient.schedule.administrations, before)
    both = replace(patient, schedule=Schedule(given))
    assert MARROW_S_VALUE not in judgements(patient, assessment, "Lu-177")
    assert MARROW_S_VALUE in judgements(both, assessment, "Lu-177")
    alone = replace(both, count_administrations=False, count_reason="another ligand")
    assert MARROW_S_VALUE not in judgements(alone, assessment, "Lu-177")


def test_numbers_of_the_file_and_of_targets_without_a_limit_are_no_judgements(
    patient: Patient, fit: Fit
) -> None:
    stated = replace(
        patient,
        limits=(Limit("kidneys", None, 40.0),),
        radiobiology=(StatedRadiobiology("kidney", 2.6, 0.3, 2.8, 0.3),),
    )
    result = build_result(stated, fit, assess(stated, fit))
    assert result.safe_activity["Y-90"].judgements == []
    assert not any("rests on" in n for t in safe_activities(result) for n in t.notes)
    in_dose = replace(stated, limits=(Limit("kidneys", 23.0, None),), history=())
    found = build_result(in_dose, fit, assess(in_dose, fit))
    assert found.safe_activity["Y-90"].judgements == []
    assert budget_scope(found) is None


def test_the_expected_excess_names_its_limit_and_quantity(
    assessment: Assessment, result: Result
) -> None:
    stated = result.safe_activity["Y-90"].point_estimate
    point = assessment.choices["Y-90"].point
    assert stated is not None
    assert point is not None
    assert stated.setting_limit == point.setting_limit == "kidneys"
    assert stated.quantity == "bed"
    burden = assessment.choices["Y-90"].burdens["kidneys"].at(point.activity_GBq)
    beyond = burden[burden > 40.0] - 40.0
    assert stated.expected_excess_Gy == pytest.approx(beyond.mean(), rel=1e-6)


def test_what_no_scan_can_tell_is_apart_from_what_the_data_did_not(
    result: Result,
) -> None:
    assert set(STATED_KINDS) == {MASS, CALIBRATION, RECOVERY}
    # Masses matter to the fit only where an outline or a recovery does.
    assert stated_alone(result) == (
        "Stated by the patient's file, since no scan can tell: calibration of SPECT."
    )
    made_up = made.result(
        prior_contraction={
            "washout": 0.05,
            "mass[liver]": 0.0,
            "mass[spleen]": 0.9,
            "recovery[SPECT, b1]": 0.1,
            "recovery[SPECT, b2]": 0.1,
            "relative_noise[SPECT]": 0.0,
        }
    )
    assert uninformed_parameters(made_up) == (
        "relative_noise[SPECT] (0.00)",
        "washout (0.05)",
    )
    assert stated_alone(made_up) == (
        "Stated by the patient's file, since no scan can tell: mass of liver; recovery "
        "of SPECT."
    )
    assert stated_alone(made.result(prior_contraction={"washout": 0.05})) is None


class Stacked(HTMLParser):
    """Collect the headers and the labelled cells of the tables that restack."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: list[tuple[list[str], list[str | None]]] = []
        self.inside = self.header = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "table":
            self.inside = found.get("class") == "stack"
            if self.inside:
                self.tables.append(([], []))
        self.header = self.inside and tag == "th"
        if self.header:
            self.tables[-1][0].append("")
        elif self.inside and tag == "td":
            self.tables[-1][1].append(found.get("data-label"))

    def handle_endtag(self, tag: str) -> None:
        self.header = False

    def handle_data(self, data: str) -> None:
        if self.header:
            self.tables[-1][0][-1] += data


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report(path, made.complete_result(), ReportFigures())
    return path.read_text("utf-8")


def test_on_a_phone_each_cell_of_the_limits_stands_below_the_last_with_its_name(
    page: str,
) -> None:
    (limits, of_limits), (doses, of_doses) = Stacked(page).tables
    assert limits[3:5] == ["Alone allows", "Probability of exceeding it"]
    assert of_limits == limits * 3
    assert of_doses == doses * len(made.REGIONS)
    style = page.partition("@media screen and (max-width: 560px)")[2][:900]
    assert "table.stack, .stack tbody, .stack tr { display: block; }" in style
    assert "content: attr(data-label)" in style


def test_the_page_and_the_terminal_say_that_history_is_not_in_the_budget(
    page: str,
) -> None:
    sentence = (
        "Without the history of kidneys and its sd, which count against the limit."
    )
    stream = StringIO()
    print_result(made.complete_result(), Console(file=stream, width=80))
    assert sentence in page
    assert sentence in stream.getvalue()
    assert budget_scope(made.result()) is None


def test_what_is_left_of_several_cycles_is_of_the_last_alone() -> None:
    table = left_over(made.complete_result())
    assert table is not None
    assert table.rows[0][0] == "Transplantation, of the last of 2 cycles alone"
    assert any("the last cycle alone" in note for note in table.notes)
    once = made.complete_safe_activity() | {"cycles": 1}
    single = left_over(made.complete_result(safe_activity={"Y-90": once}))
    assert single is not None
    assert single.rows[0][0] == "Transplantation"
    assert not any("last cycle" in note for note in single.notes)


@pytest.mark.parametrize("activity", [8.504, 13.09, 13.0, 99.99, 130.6, 1239.9])
def test_a_caution_rounds_an_activity_as_the_answer_does(activity: float) -> None:
    usual, carried = cautions_of("Y-90", activity, 0.01)
    for caution in (usual, carried):
        assert caution.text.startswith(f"{rounded_down(activity)} GBq of Y-90 ")
