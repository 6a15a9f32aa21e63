"""The figures of the study, as PNG.

    python studies/population/figures.py --data FOLDER

Needs the development requirements, for matplotlib.
"""

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import norm
from study import TRUE, TRUE_CV, TRUE_VARIANCES, Answer, answers

from pkmodels.population.goodness import GoodnessTable, goodness
from pkmodels.population.predictive_checks import PredictiveCheck

OUT = Path(__file__).parent / "figures"
# Okabe and Ito: told apart by readers who see no red and green.
BLUE, LIGHT, GREEN, RED = "#0072b2", "#56b4e9", "#009e73", "#d55e00"
GREY = "#555555"
DOTS_PER_INCH = 90
plt.rcParams |= {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


def draw_diagnostics(found: Answer) -> Figure:
    """Draw goodness of fit, predictive check and distribution errors of a fit."""
    figure, panels = plt.subplots(2, 3, figsize=(10.0, 5.8))
    table, unit = goodness(found.fit), found.fit.model.residual["plasma"].unit
    log = found.name == "michaelis_menten"
    _agreement(panels[0, 0], table.typical, table.value, "population (PRED)", unit, log)
    _agreement(
        panels[0, 1], table.individual, table.value, "individual (IPRED)", unit, log
    )
    _residuals(panels[0, 2], table, table.time_h, "h")
    _residuals(panels[1, 0], table, table.typical, f"PRED, {unit}")
    _check(panels[1, 1], found.check, unit, log)
    _normal_scores(panels[1, 2], found.npde.errors)
    figure.suptitle(found.name.replace("_", "-"), fontsize=10)
    figure.tight_layout()
    return figure


def _agreement(
    panel: Axes,
    predicted: np.ndarray,
    values: np.ndarray,
    what: str,
    unit: str,
    log: bool,
) -> None:
    kept = (predicted > 0.0) & (values > 0.0) if log else np.ones(len(values), bool)
    panel.plot(predicted[kept], values[kept], "o", ms=3, color=BLUE, alpha=0.5, mew=0)
    ends = [min(predicted[kept].min(), values[kept].min()), values.max()]
    panel.plot(ends, ends, color=GREY, lw=1)
    panel.set(xlabel=f"predicted, {what}, {unit}", ylabel=f"measured (DV), {unit}")
    if log:
        panel.set(xscale="log", yscale="log")


def _residuals(panel: Axes, table: GoodnessTable, at: np.ndarray, what: str) -> None:
    panel.axhspan(-1.96, 1.96, color=LIGHT, alpha=0.15, lw=0)
    panel.axhline(0.0, color=GREY, lw=1)
    residuals = table.conditional_residual
    panel.plot(at, residuals, "o", ms=3, color=BLUE, alpha=0.5, mew=0)
    order = np.argsort(at, kind="stable")
    parts = np.array_split(order, min(8, len(order) // 8))
    middle = [float(np.median(at[part])) for part in parts]
    panel.plot(middle, [residuals[p].mean() for p in parts], color=RED, lw=1.5)
    panel.set(xlabel=what, ylabel="CWRES")


def _check(panel: Axes, check: PredictiveCheck, unit: str, log: bool) -> None:
    for n, level in enumerate(check.levels):
        colour = GREEN if level == 0.5 else LIGHT
        panel.fill_between(
            check.middle_h, check.low[n], check.high[n], color=colour, alpha=0.3, lw=0
        )
        panel.plot(
            check.middle_h, check.observed[n], color=GREY, lw=1.2,
            ls="-" if level == 0.5 else "--",
        )  # fmt: skip
    panel.plot(check.times_h, check.values, "o", ms=2, color=BLUE, alpha=0.35, mew=0)
    corrected = ", prediction-corrected" if check.is_prediction_corrected else ""
    panel.set(xlabel="h", ylabel=f"{unit}{corrected}")
    panel.set_title("5, 50, 95 %: measured (lines), simulated (bands)", fontsize=8)
    if log:
        panel.set(yscale="log", ylim=(1e-1, None))


def _normal_scores(panel: Axes, errors: np.ndarray) -> None:
    ordered = np.sort(errors)
    expected = norm.ppf((np.arange(len(ordered)) + 0.5) / len(ordered))
    panel.plot([-3, 3], [-3, 3], color=GREY, lw=1)
    panel.plot(expected, ordered, "o", ms=3, color=BLUE, alpha=0.6, mew=0)
    panel.set(xlabel="normal quantile", ylabel="NPDE")


def draw_curves(found: Answer) -> Figure:
    """Draw each subject's values and its own curve."""
    made = found.fit.predictor.arrangement
    own = found.fit.parameters()
    group = made.groups[0]
    figure, panels = plt.subplots(4, 8, figsize=(11.0, 5.6), sharex=True, sharey=True)
    times = np.linspace(0.0, float(made.times_h.max()), 150)
    for i, panel in enumerate(panels.ravel()[: len(made.names)]):
        at = np.array([own[name][i, 0] for name in group.response.parameters])
        given = type(group.given)(
            *(None if part is None else part[i] for part in group.given)
        )
        curve = np.asarray(group.response.predict(at, given, times))[:, 0]
        panel.plot(times, curve, color=BLUE, lw=1)
        kept = made.is_value[i, 0]
        panel.plot(made.times_h[i, 0][kept], made.values[i, 0][kept], "o", ms=2.5,
                   color=GREY)  # fmt: skip
        panel.set_title(made.names[i], fontsize=7, pad=1)
    figure.supxlabel("h")
    figure.supylabel("mg/L")
    figure.tight_layout()
    return figure


def draw_recovery(found: Answer) -> Figure:
    """Draw estimates of the simulated drug over their truth."""
    typical = np.log(list(TRUE.values()))
    truth = np.array([*typical, *TRUE_VARIANCES.values(), TRUE_CV])
    off = (found.fit.values - truth) / found.errors.standard_errors
    figure, panel = plt.subplots(figsize=(6.0, 2.6))
    panel.axvline(0.0, color=GREY, lw=1)
    for n, value in enumerate(off):
        panel.plot([value - 1.96, value + 1.96], [n, n], color=BLUE, lw=1.5)
        panel.plot(value, n, "o", ms=4, color=BLUE)
    panel.set_yticks(range(len(off)), found.fit.names)
    panel.invert_yaxis()
    panel.set_xlabel("(estimate - truth) / standard error, with 95 % interval")
    figure.tight_layout()
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="nlmixr2data as CSV")
    OUT.mkdir(exist_ok=True)
    for found in answers(parser.parse_args().data):
        figures = {found.name: draw_diagnostics(found)}
        if found.name == "warfarin":
            figures["warfarin_curves"] = draw_curves(found)
        if found.name == "michaelis_menten":
            figures["recovery"] = draw_recovery(found)
        for name, figure in figures.items():
            figure.savefig(OUT / f"{name}.png", dpi=DOTS_PER_INCH)
            plt.close(figure)


if __name__ == "__main__":
    main()
