"""The report: one self-contained HTML page, readable on screen and on A4 paper."""

from importlib import resources
from pathlib import Path

import numpy as np
from jinja2 import Environment, StrictUndefined
from plotly.offline import get_plotlyjs

from pkmodels.atomic_files import write_text_atomically
from pkmodels.clinic import (
    decision_text,
    report_decision,
    report_kinetics,
    report_labels,
    report_scans,
    report_sources,
    report_uncertainty,
    result_text,
)
from pkmodels.clinic.report_curve_plots import (
    curve_legend,
    region_plots,
    residual_count,
    residual_plots,
)
from pkmodels.clinic.report_dose_plots import dose_plots, risk_plots
from pkmodels.clinic.report_figures import (
    CurveBand,
    DoseDraws,
    MeasuredPoint,
    PriorPosterior,
    ReportFigures,
    ResidualPoint,
)
from pkmodels.clinic.result_format import Result
from pkmodels.errors import FitRefusedError, InputError

__all__ = [
    "CurveBand",
    "DoseDraws",
    "MeasuredPoint",
    "PriorPosterior",
    "ReportFigures",
    "ResidualPoint",
    "write_report",
]

# How far the drawn draws may differ from the stated probability: rounding at the
# limit moves a few of them across it.
_PROBABILITY_TOLERANCE = 0.01


def write_report(path: Path, result: Result, figures: ReportFigures) -> None:
    """Write the report of a result as one HTML page that needs no network.

    The same result and figures give the same bytes.

    Parameters
    ----------
    path : Path
        The file to create or replace; its folder must exist.
    result : Result
        What the page reports.
    figures : ReportFigures
        What the page draws.

    Raises
    ------
    FitRefusedError
        When the fit failed its checks and more than measured points is to be drawn.
    InputError
        When dose draws belong to no limit of the result, or contradict it.
    OSError
        When the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> checks = {"passed": False, "rhat_max": 1.2, "ess_bulk_min": 40,
    ...           "ess_tail_min": 35, "divergences": 3, "failed_solves": 0,
    ...           "reasons": ["R-hat is 1.2: give more data"]}
    >>> result = Result(patient_id="P1", model="organ_exchange", checks=checks,
    ...                 versions={}, seed=0, data_sha256="0" * 64)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = Path(folder) / "report.html"
    ...     write_report(page, result, ReportFigures())
    ...     "may NOT be trusted" in page.read_text("utf-8")
    True
    """
    fitted = (
        figures.curves or figures.dose_draws or figures.residuals or figures.parameters
    )
    if not result.checks.passed and fitted:
        raise FitRefusedError(
            f"the fit of patient {result.patient_id} failed its checks, but the report "
            "was given curves, doses, residuals or parameters to draw: give measured "
            "points alone"
        )
    probabilities = {
        (draws.label, draws.limit_name): _stated_probability(result, draws)
        for draws in figures.dose_draws
    }
    write_text_atomically(path, _page(result, figures, probabilities))


def _page(
    result: Result,
    figures: ReportFigures,
    probabilities: dict[tuple[str, str], str],
) -> str:
    template = resources.files("pkmodels.clinic").joinpath("templates/report.html.j2")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    risks, scans = risk_plots(result), report_scans.scan_plots(result)
    has_figures = bool(
        figures.curves or figures.points or figures.dose_draws or risks or scans
    )
    return environment.from_string(template.read_text("utf-8")).render(
        result=result,
        text=result_text,
        safe_activities=decision_text.safe_activities(result),
        decision=report_decision,
        kinetics=report_kinetics,
        labels=report_labels,
        uncertainty=report_uncertainty,
        sources=report_sources,
        plotly_js=get_plotlyjs() if has_figures or figures.residuals else "",
        regions=region_plots(figures),
        curve_legend=curve_legend(figures),
        residuals=residual_plots(figures),
        residual_count=residual_count(figures),
        doses=dose_plots(figures, probabilities),
        risks=risks,
        scans=report_scans,
        scan_plots=scans,
        parameters=report_uncertainty.parameters(figures.parameters),
    )


def _stated_probability(result: Result, draws: DoseDraws) -> str:
    """Return the result's P(above the limit), after holding the draws against it."""
    what = f"dose draws of {draws.label} for limit {draws.limit_name!r}"
    safe = result.safe_activity.get(draws.label)
    limit = None if safe is None else safe.per_limit.get(draws.limit_name)
    stated = None if limit is None else limit.probability_above_at_safe_activity
    if safe is None or limit is None or stated is None:
        raise InputError(
            f"{what}: the result states no probability for it: draw only limits of "
            "safe_activity"
        )
    told = (safe.activity_GBq, limit.limit_Gy, limit.quantity)
    drawn = (draws.at_activity_GBq, draws.limit_Gy, draws.quantity)
    if told != drawn:
        raise InputError(
            f"{what} are for (activity, limit, quantity) {drawn}, but the result says "
            f"{told}: draw the dose at the safe activity"
        )
    above = float(np.mean(draws.draws > draws.limit_Gy))
    if abs(above - stated) > _PROBABILITY_TOLERANCE:
        raise InputError(
            f"{what} exceed it with probability {above}, but the result says {stated}: "
            "give all the draws of the same fit"
        )
    return result_text.percent(stated)
