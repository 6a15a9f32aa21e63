"""The complete report: every filled field is shown, truly, and nothing else is."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO

import made_up_result as made
import numpy as np
import pytest
from rich.console import Console

from pkmodels.clinic.report import ReportFigures, write_report
from pkmodels.clinic.report_axes import WIDTH
from pkmodels.clinic.report_dose_plots import risk_plots
from pkmodels.clinic.result_format import Result
from pkmodels.clinic.result_table import print_result
from pkmodels.clinic.rounding import EN_DASH, MINUS, relative, share, with_interval
from pkmodels.errors import FitRefusedError

HOSTILE = "</pre></script><script>alert('x')</script><img src=x onerror=alert(1)>"
PHONE = 390  # CSS pixels, the width of a common phone


class Page(HTMLParser):
    """Collect the text in order, the tags, and each table's wrapper."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.words = [], [], []
        self.open, self.tables = [], []
        self.silent = False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.silent = tag in ("script", "style")
        if tag == "table":
            self.tables.append(self.open[-1])
        if tag not in ("meta", "input", "br"):
            self.open.append((tag, dict(attrs).get("class")))

    def handle_endtag(self, tag):
        self.silent = False
        self.open.pop()

    def handle_startendtag(self, tag, attrs):
        self.attributes += attrs

    def handle_data(self, data):
        if not self.silent:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def written(tmp_path, result, figures):
    path = tmp_path / "report.html"
    write_report(path, result, figures)
    return path.read_text("utf-8")


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    folder = tmp_path_factory.mktemp("complete")
    return written(folder, made.complete_result(), made.complete_figures())


@pytest.fixture(scope="module")
def text(html):
    return Page(html).text


def plotted(html, name):
    """Return the traces and the layout that a figure hands to plotly."""
    start = html.index("[", html.index(f'"figure-{name}"', html.index("newPlot")))
    decoder = json.JSONDecoder()
    traces, end = decoder.raw_decode(html, start)
    layout, _ = decoder.raw_decode(html, html.index("{", end))
    return traces, layout


def test_the_first_words_answer_what_a_physicist_asks_first(text):
    order = (
        "not a medical device. Not clinically validated.",
        "Y-90: 5.31 GBq. Binding limit: kidneys (28 Gy BED)",
        "sum over 2 cycles of 2.65 GBq each",
        "kept with a probability of at least 95 %",
        "It rests on judgements: alpha/beta",
        "Monte-Carlo standard error of it, from the finite number of draws: 0.42 %",
        f"lesion_1 61 (40{EN_DASH}83) Gy",
        "The fit may be trusted",
        "Warnings kidney_left at 3.74 h can hold urine activity",
        "May the fit be trusted?",
        "limits, risk and doses",
    )
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    assert places[-1] < 1300


SHOWN = {
    "limit in BED": "kidneys 28 Gy BED 5.90 (4.13-7.67) 5.31 GBq 5.0 % binds",
    "limit in Gy": "red_marrow 2 Gy absorbed dose 0.081 (0.057-0.105) 6.23 GBq 1.1 %",
    "point estimate": "would have allowed 6.76 GBq. At that activity a limit would be "
    "exceeded with a probability of 50 %; where that of kidneys is, by 2.61 Gy BED "
    "on average",
    "over point": "0.786 times that of the point estimate",
    "dose and BED": "kidneys 14.2 (9.9-18.5) 19.6 (11.8-27.4) 28 Gy BED "
    "in the BED, not in the absorbed dose",
    "no BED": "lesion_1 14.2 (9.9-18.5) not computed none none",
    "comparison": "Lu-177 (for comparison only) 21.4 GBq kidneys lesion_1 75 (52-97) "
    "4.71 (3.06-6.36)",
    "not planned": "Lu-177 is not planned: it is here for comparison only.",
    "received": "Dose already received",
    "history": "2025-11-03: 6.9 GBq of [177Lu]Lu-DOTATATE",
    "transplantation": "of the last of 2 cycles alone Y-90 14.0 d 5320 141",
    "left over": "Start of the therapy with Y-90 Lu-177 5.00 d 250 148",
    "marrow": "0.0117 (0.0070-0.0164)",
    "tail": "Lu-177 10 % (9.0-11 %) 1.05 (0.95-1.16) 1.22 (1.10-1.34) "
    "1.3 % (0.8-1.8 %) 0.0860 (0.0688-0.103)",
    "classical": "bi-exponential least squares 1.08 1.03 6.4 % 11 %",
    "classical missing": "unknown unknown none the last two values rise",
    "budget": "kinetics (fit) 40 % 43 %",
    "interactions": "interactions of factors 3 %",
    "dependence": f"dependence between factors {MINUS}4 %",
    "explained": "The kinetics explain 40 % of the variance;",
    "budget noise": "Monte-Carlo error of a share: 1 %.",
    "propagation": "recovery 4.1 %",
    "analytic": "together (analytic) 15 %",
    "residuals": "0 of 21 values lie outside 2 sd",
    "prior": "washout (1/h) 0.0125 (0.0051-0.0306) 0.0137 (0.0109-0.0171) 0.93",
    "prior speaks": "0.06 (prior)",
    "judged": "It rests on judgements: alpha/beta (2.5 Gy) and half-time of repair "
    "(2.8 h) in the BED of kidneys; the S-value of red_marrow from red_marrow.",
    "S-value": "297 0.000289 2.0 % published OpenDose, ICRP 110 adult male",
    "assumption": "dose is proportional to activity: the ligand does not saturate",
    "prior's source": "domain.md 3.4: biological half-life of 55 h",
    "input": '[[plan]] label = "Y-90" confidence = 0.95',
    "version": "jax 0.12",
    "hash": "ab" * 32,
    "signature": "Name and signature Date",
}


@pytest.mark.parametrize("words", SHOWN.values(), ids=SHOWN)
def test_every_filled_field_is_shown(text, words):
    assert words in text.replace(EN_DASH, "-")


HEADINGS = (
    "One radionuclide against another",
    "Residual activity",
    "What other methods make",
    "Where the uncertainty comes from",
    "Analytic propagation",
    "Prior against posterior",
    "Probability of exceeding a limit, against activity",
    "Doses at the safe activity",
    "Residuals",
)


@pytest.mark.parametrize("heading", HEADINGS)
def test_a_field_that_is_not_filled_has_no_heading(text, heading, tmp_path):
    assert heading in text
    bare = Page(written(tmp_path, made.result(), ReportFigures())).text
    assert heading not in bare


def test_a_failed_fit_shows_its_inputs_and_no_dose(tmp_path):
    refused = Result.model_validate(
        made.failed(
            s_values=made.s_values(),
            inputs={"patient.toml": "id = 'P1'"},
            history=["2025-11-03: kidneys 4.8 Gy"],
        )
    )
    page = Page(written(tmp_path, refused, ReportFigures())).text
    assert "may NOT be trusted" in page
    assert "id = 'P1'" in page
    assert "Gy" not in page
    assert "GBq" not in page
    whole = made.complete_figures()
    for part in ("residuals", "parameters"):
        figures = ReportFigures(**{part: getattr(whole, part)})
        with pytest.raises(FitRefusedError, match="failed its checks"):
            write_report(tmp_path / "report.html", refused, figures)


def test_an_activity_that_is_not_given_is_never_said_to_keep_its_limits(tmp_path):
    safe = made.complete_safe_activity() | {
        "activity_GBq": None,
        "missing": "too much of it lies after the last scan",
        "per_limit": {
            "kidneys": made.limit(None, 28.0, "bed", None),
        },
        "absorbed_dose_Gy": {},
        "bed_Gy": {},
    }
    refused = made.complete_result(safe_activity={"Y-90": safe})
    page = Page(written(tmp_path, refused, ReportFigures())).text
    for text in (page, printed(refused)):
        assert "not given: too much of it lies after the last scan" in text
        assert "All limits together are kept" not in text
        assert "Tumour dose from it" not in text


def test_risk_is_drawn_as_it_was_computed_with_its_marks(html):
    safe = made.complete_safe_activity()
    curve = safe["probability_curve"]
    traces, layout = plotted(html, "p1-1")
    assert [trace["name"] for trace in traces] == ["any limit", *curve["per_limit"]]
    for trace in traces:
        stated = curve["per_limit"].get(trace["name"], curve["any_limit"])
        np.testing.assert_allclose(trace["x"], curve["activity_GBq"], rtol=1e-12)
        np.testing.assert_allclose(trace["y"], 100.0 * np.array(stated), rtol=1e-12)
    across, *down = layout["shapes"]
    assert across["y0"] == across["y1"] == pytest.approx(5.0)
    assert [line["x0"] for line in down] == [made.SAFE_ACTIVITY, 6.764]
    assert [a["text"] for a in layout["annotations"]] == ["A* 5.31", "point 6.76"]
    # Their names stand on the outer sides, where they cannot overlap.
    assert [a["xanchor"] for a in layout["annotations"]] == ["right", "left"]


def test_the_detail_shows_the_safe_activity_inside_its_range(html):
    _, layout = plotted(html, "p1-2")
    low, high = layout["xaxis"]["range"]
    assert low < made.SAFE_ACTIVITY < high
    assert layout["yaxis"]["range"][1] > 5.0


def test_no_risk_is_drawn_where_none_was_computed():
    assert risk_plots(made.result()) == ()


def test_residuals_are_drawn_between_lines_at_two_sd(html):
    traces, layout = plotted(html, "e1")
    mine = [p for p in made.residual_points() if p.region == made.REGIONS[0]]
    drawn = {
        (x, y) for trace in traces for x, y in zip(trace["x"], trace["y"], strict=True)
    }
    assert drawn == {(point.time_h, point.residual) for point in mine}
    assert [line["y0"] for line in layout["shapes"]] == [0.0, 2.0, -2.0]


def test_a_large_residual_is_counted_and_stays_inside_its_axes(tmp_path):
    first, *others = made.residual_points()
    far = replace(first, residual=-7.5)
    page = written(
        tmp_path, made.complete_result(), ReportFigures(residuals=(far, *others))
    )
    assert "1 of 21 values lie outside 2 sd" in Page(page).text
    _, layout = plotted(page, "e1")
    assert layout["yaxis"]["range"][0] < -7.5


def test_a_limit_in_BED_is_drawn_on_an_axis_of_BED(html):
    titles = [
        plotted(html, f"d1-{number}")[1]["xaxis"]["title"]["text"]
        for number in (1, 2, 3)
    ]
    assert titles == ["BED (Gy)", "Absorbed dose (Gy)", "Absorbed dose (Gy)"]


def test_text_from_files_cannot_steer_the_page(tmp_path):
    plain = written(tmp_path, made.complete_result(), ReportFigures())
    fields = made.complete()
    hostile = made.complete(
        assumptions=[HOSTILE],
        warnings=[HOSTILE],
        history=[HOSTILE],
        priors={HOSTILE: HOSTILE},
        inputs={
            HOSTILE: HOSTILE,
            "measurements.csv": "a\n",
        },
        s_values=[
            value | {"target": HOSTILE, "provenance": HOSTILE}
            for value in fields["s_values"]
        ],
        comparison={
            label: compared
            | {"tumour_dose_Gy": {HOSTILE: made.summary(3.0)}, "missing": HOSTILE}
            for label, compared in fields["comparison"].items()
        },
        classical={
            HOSTILE: {
                HOSTILE: [entry | {"note": HOSTILE} for entry in made.classical()]
            }
        },
        left_over={HOSTILE: made.residual(HOSTILE, 120.0, 250.0, 148.0)},
        budgets={HOSTILE: {HOSTILE: made.budget("bed") | {"explained": HOSTILE}}},
        propagation={HOSTILE: {HOSTILE: made.propagation()}},
    )
    page = written(tmp_path, Result.model_validate(hostile), ReportFigures())
    found, quiet = Page(page), Page(plain)
    assert found.tags.count("script") == quiet.tags.count("script")
    assert "img" not in found.tags
    assert "onerror" not in {name for name, _ in found.attributes}
    assert found.text.count(HOSTILE) > 20


def test_hostile_names_in_figures_stay_text(tmp_path):
    whole = made.complete_figures()
    residual, parameter = whole.residuals[0], whole.parameters[0]
    hostile = ReportFigures(
        residuals=(replace(residual, region=HOSTILE, label=HOSTILE, modality=HOSTILE),),
        parameters=(replace(parameter, name=HOSTILE, unit=HOSTILE),),
    )
    page = written(tmp_path, made.complete_result(), hostile)
    kind = ReportFigures(residuals=(residual,), parameters=(parameter,))
    quiet = written(tmp_path, made.complete_result(), kind)
    assert Page(page).tags == Page(quiet).tags


def test_nothing_is_wider_than_a_phone(html):
    found = Page(html)
    assert found.tables
    assert set(found.tables) == {("div", "scroll")}
    drawn = {
        int(w) for w in re.findall(r'"width":(\d{3,})', html[html.index("newPlot") :])
    }
    assert drawn == {WIDTH}
    assert WIDTH + 2 * 10 < PHONE  # the page's padding on both sides


def test_what_is_folded_on_screen_opens_on_paper(html):
    assert "details" in Page(html).tags
    assert "beforeprint" in html
    assert "details::details-content { display: block !important" in html


def test_the_page_of_one_result_is_always_the_same(html, tmp_path):
    assert html == written(tmp_path, made.complete_result(), made.complete_figures())


def printed(result):
    stream = StringIO()
    print_result(result, Console(file=stream, width=80))
    return stream.getvalue()


def test_the_terminal_holds_the_answer_its_risk_and_its_reasons_on_a_screen():
    text = printed(made.complete_result())
    assert len(text.splitlines()) <= 60
    assert max(map(len, text.splitlines())) <= 80
    for words in (
        "draws: 0.42 %",
        f"lesion_1 61 (40{EN_DASH}83) Gy",
        "kidneys (Y-90, BED at the safe activity): kinetics (fit) 43 %, mass of the",
        "Warnings",
        "It rests on judgements: alpha/beta (2.5 Gy)",
        "report.html: 3 assumptions, 1 prior, 2 S-values",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("median", "interval", "expected"),
    [
        # The second digit of sd = width / 3.92 is the last that is shown.
        (61.3, (39.8, 82.8), "61 (40-83)"),  # sd 11
        (61.3, (57.5, 65.1), "61.3 (57.5-65.1)"),  # sd 1.9
        (0.02, (0.004, 0.1), "0.020 (0.0040-0.100)"),  # sd 0.024
        (1234.0, (900.0, 1600.0), "1230 (900-1600)"),  # sd 179
        (5.0, (0.1, 400.0), "5 (0.10-400)"),  # sd 102, wider than the median
        (2.0, (2.0, 2.0), "2.00 (2.00-2.00)"),
    ],
)
def test_no_more_digits_than_the_interval_supports(median, interval, expected):
    assert with_interval(median, interval).replace(EN_DASH, "-") == expected


def test_shares_and_uncertainties_read_as_percentages():
    assert [share(0.005), share(-0.02)] == ["0 %", f"{MINUS}2 %"]
    assert [relative(0.0995), relative(0.00999)] == ["10 %", "1.0 %"]
