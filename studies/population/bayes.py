"""Full Bayes of theophylline beside FOCEI: bayes.csv, centring.csv and a figure.

    python studies/population/bayes.py --data FOLDER

FOLDER holds theo_sd.csv of nlmixr2data, which is not part of this project. Needs the
development requirements, for matplotlib.
"""

import argparse
import csv
import math
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import gaussian_kde, halfnorm, norm
from study import HERE, read_subjects, theophylline

from pkmodels.fitting.hierarchy import Hierarchy, state_hierarchy
from pkmodels.fitting.hierarchy_fit import HierarchyFit, fit_hierarchy
from pkmodels.fitting.hierarchy_priors import HyperPrior, half_normal, normal
from pkmodels.population.estimation import PopulationFit, fit_population
from pkmodels.population.uncertainty import CovarianceKind, uncertainty

SEED, DRAWS_PER_CHAIN = 1, 2500
# Okabe and Ito: told apart by readers who see no red and green.
BLUE, RED, GREY = "#0072b2", "#d55e00", "#555555"
plt.rcParams |= {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


def priors() -> dict[str, HyperPrior]:
    """Wide about round numbers, so that the data and not the priors speak."""
    factor = "judgement: 95 % within a factor of 7 of a round number"
    differ = "judgement: 95 % of a standard deviation is below 2, a factor of 7"
    return {
        "ln ka": normal(math.log(1.5), 1.0, factor),
        "ln cl": normal(math.log(3.0), 1.0, factor),
        "ln v": normal(math.log(30.0), 1.0, factor),
        "sd of ka": half_normal(1.0, differ),
        "sd of cl": half_normal(1.0, differ),
        "sd of v": half_normal(1.0, differ),
        "additive sd of plasma": half_normal(
            2.0, "judgement: 95 % below 4 mg/L, a third of the highest value"
        ),
    }


def state(focei: PopulationFit) -> Hierarchy:
    """The hierarchy, started from FOCEI's estimates."""
    return state_hierarchy(focei.predictor, priors(), start=focei.vector)


def rows_of(fit: HierarchyFit, focei: PopulationFit) -> list[list[str]]:
    """Posterior mean, sd, median and interval of each estimate beside FOCEI's."""
    errors = uncertainty(focei, CovarianceKind.CURVATURE).standard_errors
    found = []
    for n, name in enumerate(fit.names):
        draws = fit.readings()[:, n]
        numbers = [draws.mean(), draws.std(), *np.quantile(draws, [0.5, 0.025, 0.975])]
        numbers += [focei.values[n], errors[n]]
        found.append([name, *(f"{x:.5g}" for x in numbers)])
    return found


def write(path: Path, header: list[str], rows: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def draw(fit: HierarchyFit, focei: PopulationFit) -> Figure:
    """Posteriors against FOCEI's estimates, and what the centring was chosen by."""
    figure, panels = plt.subplots(2, 4, figsize=(11.0, 5.0))
    errors = uncertainty(focei, CovarianceKind.CURVATURE).standard_errors
    readings = fit.readings()
    for n, (name, panel) in enumerate(zip(fit.names, panels.ravel(), strict=False)):
        _posterior(panel, name, readings[:, n], focei.values[n], errors[n])
    panels[0, 0].legend(fontsize=7, loc="upper right")
    _centring(panels[1, 3], fit.hierarchy)
    figure.tight_layout()
    return figure


def _posterior(
    panel: Axes, name: str, draws: np.ndarray, value: float, error: float
) -> None:
    low, high = np.quantile(draws, [0.001, 0.995])
    at = np.linspace(min(low, value - 3 * error), max(high, value + 3 * error), 300)
    if name.startswith(("variance", "additive")):
        at = at[at > 0.0]
    panel.fill_between(at, gaussian_kde(draws)(at), color=BLUE, alpha=0.3, lw=0,
                       label="posterior")  # fmt: skip
    panel.plot(at, norm.pdf(at, value, error), color=RED, lw=1.2,
               label="FOCEI, standard error")  # fmt: skip
    panel.plot(at, _prior_density(name, at), color=GREY, ls="--", lw=1, label="prior")
    panel.axvline(value, color=RED, lw=0.8)
    panel.set(xlabel=name, yticks=[])
    panel.set_ylim(0.0, 1.45 * float(norm.pdf(0.0, 0.0, error)))
    panel.spines["left"].set_visible(False)


def _prior_density(name: str, at: np.ndarray) -> np.ndarray:
    if name.startswith("variance"):  # of a half-normal standard deviation, squared
        prior = priors()[name.replace("variance", "sd")]
        roots = np.sqrt(at)
        return halfnorm.pdf(roots, scale=prior.numbers["scale"]) / (2.0 * roots)
    numbers = priors()[name].numbers
    if "mean" in numbers:
        return norm.pdf(at, numbers["mean"], numbers["sd"])
    return halfnorm.pdf(at, scale=numbers["scale"])


def _centring(panel: Axes, hierarchy: Hierarchy) -> None:
    found = hierarchy.centring
    for n in range(len(found.effects)):
        gain, which = found.gain_between[:, n], found.between[:, n]
        for kept, colour, what in ((which, BLUE, "centred"), (~which, RED, "not")):
            panel.plot(gain[kept], np.full(kept.sum(), n), "o", ms=4, color=colour,
                       alpha=0.5, mew=0, label=what if n == 0 else None)  # fmt: skip
    panel.axvline(1.0, color=GREY, lw=1)
    panel.set(xscale="log", xlim=(0.1, None), ylim=(-0.7, 2.7))
    panel.set_yticks(range(len(found.effects)), found.effects)
    panel.set_xlabel("information x variance, by subject")
    panel.legend(fontsize=7, loc="upper left")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="nlmixr2data as CSV")
    subjects = read_subjects(parser.parse_args().data / "theo_sd.csv")
    focei = fit_population(theophylline(), subjects)
    hierarchy = state(focei)
    print(hierarchy)
    fit = fit_hierarchy(hierarchy, seed=SEED, draws_per_chain=DRAWS_PER_CHAIN)
    print(fit, fit.checks, sep="\n")
    write(
        HERE / "bayes.csv",
        ["estimate", "mean", "sd", "median", "low", "high", "focei", "focei_se"],
        rows_of(fit, focei),
    )
    centring = hierarchy.centring
    write(
        HERE / "centring.csv",
        ["subject", *centring.effects],
        [
            [name, *(f"{x:.3g}" for x in gains)]
            for name, gains in zip(centring.names, centring.gain_between, strict=True)
        ],
    )
    draw(fit, focei).savefig(HERE / "figures" / "bayes.png", dpi=90)


if __name__ == "__main__":
    main()
