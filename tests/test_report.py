import os
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import made_up_result as made
import numpy as np
import pytest
from rich.console import Console

from pkmodels.clinic.report import CurveBand, DoseDraws, ReportFigures, write_report
from pkmodels.clinic.report_curve_plots import region_plots
from pkmodels.clinic.report_dose_plots import bin_edges
from pkmodels.clinic.result_format import Result
from pkmodels.clinic.result_table import print_result
from pkmodels.clinic.rounding import EN_DASH, rounded_down
from pkmodels.errors import FitRefusedError, InputError

HOSTILE = "</script><script>alert('x')</script><img src=x onerror=alert(1)>[bold]"


def printed(result, width=80):
    stream = StringIO()
    print_result(result, Console(file=stream, width=width))
    return stream.getvalue()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, made.result(), made.figures())
    return path.read_text("utf-8")


class Page(HTMLParser):
    """Collect the tags, the attributes and the text outside scripts."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.scripts, self.words = [], [], [], []
        self.into = self.words
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.into = self.scripts if tag in ("script", "style") else self.words

    def handle_endtag(self, tag):
        self.into = self.words

    def handle_data(self, data):
        self.into.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def test_the_table_tells_what_matters_in_order():
    text = printed(made.result())
    order = (
        "WAIVED LIMITS",
        "red_marrow: no marrow data; demonstration",
        "may be trusted",
        "Kinetics and dose",
        f"1.61 (1.45{EN_DASH}1.77)",
        "Dose already received",
        "SAFE ACTIVITY of Y-90: 5.31 GBq. Binding limit: kidneys",
        "The prior, not the data, speaks for",
        "uptake (0.03)",
        "Warnings",
        "1 assumption",
        "Not clinically validated",
    )
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    assert "washout" not in text


@pytest.mark.parametrize("width", [80, 100])
def test_the_table_fits_and_needs_no_colour(width):
    text = printed(made.result(), width)
    assert max(map(len, text.splitlines())) <= width
    assert "\x1b" not in text


def test_every_limit_shows_its_own_activity_and_risk():
    (kidneys,) = re.findall(r"^kidneys +23 Gy.*$", printed(made.result()), re.M)
    (liver,) = re.findall(r"^liver +40 Gy.*$", printed(made.result()), re.M)
    assert kidneys.split() == "kidneys 23 Gy absorbed dose 5.31 GBq 5.0 % binds".split()
    assert liver.split() == "liver 40 Gy BED 31.2 GBq 0 %".split()


def test_a_failed_fit_prints_its_reasons_and_no_number():
    text = printed(Result.model_validate(made.failed()))
    assert "may NOT be trusted" in text
    assert "R-hat of washout is 1.31: add scans or narrow its prior" in text
    assert "WAIVED LIMITS" in text
    assert "Gy" not in text
    assert "GBq" not in text


def test_what_is_missing_is_said():
    without = made.organ() | {
        "absorbed_dose_per_activity_Gy_per_GBq": None,
        "missing": "no S-value for organ bladder",
    }
    organs = made.passed()["organs"] | {"bladder": {"Y-90": without}}
    text = printed(made.result(organs=organs))
    assert "bladder (Y-90): no S-value for organ bladder" in text
    assert "unknown" in text


def test_no_activity_is_safe_and_nothing_limits_read_differently():
    dire = made.safe_activity() | {"activity_GBq": 0.0}
    dire["per_limit"] = {"kidneys": made.limit(0.0, 23.0, "absorbed_dose", 0.7)}
    assert "no activity is safe" in printed(made.result(safe_activity={"Y-90": dire}))
    unlimited = made.safe_activity() | {
        "activity_GBq": None,
        "binding_limit": None,
        "per_limit": {},
        "activity_at_limit_GBq": None,
        "missing": "every limit is waived",
    }
    text = printed(made.result(safe_activity={"Y-90": unlimited}))
    assert "not given: every limit is waived" in text


def test_text_from_files_cannot_steer_the_terminal():
    text = printed(made.result(patient_id="a\x1b[2Jb [red]c[/red] :skull:"))
    assert "a [2Jb [red]c[/red] :skull:" in text


def test_a_safe_activity_is_never_rounded_up():
    generator = np.random.default_rng(3)
    for value in np.exp(generator.uniform(-6.0, 6.0, 500)):
        shown = float(rounded_down(float(value)))
        assert shown <= value
        assert shown >= value * 0.99


def test_the_report_holds_everything_and_asks_the_network_for_nothing(page):
    found = Page(page)
    assert not {"link", "iframe", "img", "object", "embed", "base"} & set(found.tags)
    loading = {"src", "href", "srcset", "action", "data", "poster"}
    assert not loading & {name for name, _ in found.attributes}
    policy = next(v for _, v in found.attributes if v and v.startswith("default-src"))
    assert policy.startswith("default-src 'none'; script-src 'unsafe-inline';")
    assert "http" not in policy
    assert page.count("* plotly.js v") == 1


def test_the_tables_need_no_javascript(page):
    text = Page(page).text
    for words in (
        "For research use; not a medical device. Not clinically validated.",
        "red_marrow : no marrow data; demonstration",
        "Y-90: 5.31 GBq. Binding limit: kidneys",
        f"0.381 (0.343{EN_DASH}0.419)",
        f"2.51 (2.26{EN_DASH}2.76)",
        "uptake (0.03)",
        "ab" * 32,
        "takes responsibility",
    ):
        assert words in text


def test_every_region_and_limit_is_drawn(page):
    found = Page(page)
    drawn = [value for name, value in found.attributes if name == "id" and value]
    regions = [
        f"figure-r{number}-{label}"
        for number in range(1, len(made.ORGANS) + 1)
        for label in (1, 2)
    ]
    assert [name for name in drawn if name.startswith("figure-")] == [
        "figure-d1-1",
        "figure-d1-2",
        *regions,
    ]
    assert "kidneys: P(above 23 Gy absorbed dose) = 5.0 %" in found.text
    assert "liver: P(above 40 Gy BED) = 0 %" in found.text
    assert "planar (bar: 1 sd)" in found.text
    scripts = "".join(found.scripts)
    for title in (
        "Time after administration (h)",
        "Time in the patient's file (h)",
        "Activity (MBq)",
        "Activity (MBq per GBq planned)",
        "BED (Gy)",
        "Absorbed dose (Gy)",
    ):
        assert title in scripts


@pytest.mark.parametrize("n_planned", [0, 1, 2, 3])
def test_a_region_has_one_pair_of_axes_for_each_label(n_planned):
    measured, predicted = made.figures().curves[:2]
    planned = (replace(predicted, label=f"planned {n}") for n in range(n_planned))
    (gallery,) = region_plots(ReportFigures(curves=(measured, *planned)))
    titles = [panel.title for panel in gallery.panels]
    assert len(titles) == 1 + n_planned
    assert sum("predicted (dashed)" in title for title in titles) == n_planned


def test_the_share_drawn_above_the_limit_is_the_probability():
    draws = made.dose_draws("kidneys", 23.0, "absorbed_dose", 0.05)
    edges = bin_edges(draws.draws, 23.0)
    counts, _ = np.histogram(draws.draws, bins=edges)
    assert counts.sum() == draws.draws.size
    assert np.allclose(np.diff(edges), edges[1] - edges[0], rtol=1e-9)
    assert counts[edges[:-1] > 23.0 - 1e-9].sum() / draws.draws.size == 0.05


@pytest.mark.parametrize(
    "draws",
    [
        np.full(10, 2.0),
        np.zeros(10),
        np.append(np.ones(999), 1e4),
        np.append(np.linspace(1.0, 2.0, 999), 1e6),
    ],
)
def test_odd_draws_still_make_few_bins(draws):
    edges = bin_edges(draws, 23.0)
    counts, _ = np.histogram(draws, bins=edges)
    assert counts.sum() == draws.size
    assert 2 <= edges.size <= 500


def test_text_from_files_cannot_steer_the_page(tmp_path):
    hostile = made.passed(
        patient_id=HOSTILE,
        model=HOSTILE,
        waived={HOSTILE: HOSTILE},
        warnings=[HOSTILE],
        versions={HOSTILE: HOSTILE},
    )
    for table in ("organs", "dose_already_received_Gy"):
        hostile[table] = {HOSTILE + k: value for k, value in hostile[table].items()}
    safe = hostile["safe_activity"]["Y-90"]
    safe["per_limit"] = {HOSTILE + k: limit for k, limit in safe["per_limit"].items()}
    safe["binding_limit"] = HOSTILE + "kidneys"
    plain = made.figures()
    figures = ReportFigures(
        tuple(replace(c, region=HOSTILE + c.region) for c in plain.curves),
        tuple(
            replace(p, region=HOSTILE + p.region, modality=HOSTILE)
            for p in plain.points
        ),
        tuple(replace(d, limit_name=HOSTILE + d.limit_name) for d in plain.dose_draws),
    )
    path = tmp_path / "report.html"
    write_report(path, Result.model_validate(hostile), figures)
    quiet_path = tmp_path / "quiet.html"
    write_report(quiet_path, made.result(), plain)
    found, quiet = (Page(p.read_text("utf-8")) for p in (path, quiet_path))
    assert found.tags.count("script") == quiet.tags.count("script")
    assert "img" not in found.tags
    assert "onerror" not in {name for name, _ in found.attributes}
    assert HOSTILE in found.text


def test_the_same_result_gives_the_same_bytes(page, tmp_path):
    code = (
        "import sys; from pathlib import Path; import made_up_result as made;"
        "from pkmodels.clinic.report import write_report;"
        "write_report(Path(sys.argv[1]), made.result(), made.figures())"
    )
    path = tmp_path / "report.html"
    subprocess.run(
        [sys.executable, "-c", code, str(path)],
        check=True,
        cwd=Path(__file__).parent,
        env=os.environ | {"PYTHONHASHSEED": "77"},
    )
    assert path.read_text("utf-8") == page


def test_a_failed_fit_has_a_report_without_curves_or_doses(tmp_path):
    refused = Result.model_validate(made.failed())
    path = tmp_path / "report.html"
    for figures in (
        ReportFigures(curves=made.figures().curves),
        ReportFigures(dose_draws=made.figures().dose_draws),
    ):
        with pytest.raises(FitRefusedError, match="failed its checks"):
            write_report(path, refused, figures)
    assert not path.exists()
    write_report(path, refused, ReportFigures(points=made.figures().points))
    text = Page(path.read_text("utf-8")).text
    assert "may NOT be trusted" in text
    assert "R-hat of washout is 1.31" in text
    assert "Kinetics and dose" not in text


KIDNEYS = made.dose_draws("kidneys", 23.0, "absorbed_dose", 0.05)
STRANGERS = {
    "unknown limit": (replace(KIDNEYS, limit_name="spleen"), "no probability"),
    "unknown label": (replace(KIDNEYS, label="Lu-177"), "no probability"),
    "other activity": (replace(KIDNEYS, at_activity_GBq=9.0), "safe activity"),
    "other limit": (replace(KIDNEYS, limit_Gy=28.0), "safe activity"),
    "other draws": (replace(KIDNEYS, draws=KIDNEYS.draws * 1.1), "the same fit"),
}


@pytest.mark.parametrize(("draws", "words"), STRANGERS.values(), ids=STRANGERS)
def test_draws_of_another_result_are_refused(draws, words, tmp_path):
    path = tmp_path / "report.html"
    with pytest.raises(InputError, match=words):
        write_report(path, made.result(), ReportFigures(dose_draws=(draws,)))
    assert not path.exists()


TIME = np.array([0.0, 1.0, 2.0])
CURVES = {
    "lengths": ({"median": np.ones(2)}, "one value"),
    "not finite": ({"hi95": np.array([1.0, np.nan, 1.0])}, "1 values"),
    "no times": ({"time_h": np.empty(0)}, "at least one"),
    "times fall": ({"time_h": TIME[::-1]}, "does not increase"),
    "outside": ({"lo95": np.full(3, 2.0)}, "leaves the band"),
}


@pytest.mark.parametrize(("change", "words"), CURVES.values(), ids=CURVES)
def test_arrays_that_make_no_curve_are_refused(change, words):
    arrays = {
        "time_h": TIME,
        "median": np.ones(3),
        "lo95": np.ones(3),
        "hi95": np.ones(3),
    }
    with pytest.raises(InputError, match=words):
        CurveBand("liver", "Lu-177", "measured", "MBq", **(arrays | change))


def test_draws_that_make_no_distribution_are_refused():
    with pytest.raises(InputError, match="not finite"):
        DoseDraws("liver", "Y-90", 1.0, np.array([1.0, np.inf]), 23.0, "absorbed_dose")
