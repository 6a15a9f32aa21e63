"""The figures of the study, as SVG, from patients.csv and one patient fitted anew.

    python studies/safe_activity/figures.py

Needs the development requirements, for matplotlib.
"""

from pathlib import Path

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import kstwo
from summary import (
    DECISIONS,
    LIMIT_GY,
    ONE_SIDED,
    PROMISED,
    QUANTITIES,
    STATED,
    TOLERATED,
    Group,
    classical_activity,
    overdoses,
    posterior_width,
    ranks,
    read_groups,
)

from pkmodels.cohorts.rank_tests import exact_interval

OUT = Path(__file__).resolve().parent / "figures"
# Okabe and Ito: told apart by readers who see no red and green.
BLUE, ORANGE, GREEN, PURPLE, SKY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9"
GREY = "#777777"
OF_PROTOCOL = {"two": SKY, "three": BLUE, "five": GREEN}
OF_DECISION = {
    "posterior, 23 Gy": (BLUE, "o"),
    "posterior, 40 Gy BED": (GREEN, "s"),
    "classical, 95 %": (ORANGE, "^"),
    "classical, plug-in": (PURPLE, "D"),
}
EXAMPLE = ("as stated", "three", 2)
plt.rcParams |= {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "svg.hashsalt": "safe_activity",  # the same file from the same table
}


def draw_ranks(groups: list[Group]) -> Figure:
    """Draw the cumulative ranks of the truths, less the diagonal, with a band."""
    figure, panels = plt.subplots(1, 4, figsize=(10, 3.0), sharey=True)
    shown = ("tiac", "dose", "bed", "at_dose_limit")
    stated = [group for group in groups if group.world == STATED]
    for panel, quantity in zip(panels, shown, strict=True):
        for group in stated:
            found = np.sort(ranks(group, quantity))
            at = np.concatenate([[0.0], np.repeat(found, 2), [1.0]])
            below = np.repeat(np.arange(found.size + 1) / found.size, 2)
            colour = OF_PROTOCOL[group.protocol]
            name = f"{group.protocol} scans, n = {found.size}"
            panel.plot(at, below - at, color=colour, lw=1.2, label=name)
            panel.axhspan(*_band(found.size), color=colour, alpha=0.08, lw=0)
        panel.axhline(0.0, color=GREY, lw=0.8)
        panel.set_title(QUANTITIES[quantity], fontsize=9)
        panel.set_xlabel("rank of the truth among the draws")
    panels[0].set_ylabel("share of patients below\nless what is expected")
    _legend_below(figure, panels[0], 3)
    return figure


def _band(n: int) -> tuple[float, float]:
    """Return the Kolmogorov-Smirnov band that holds 95 % of uniform samples."""
    half = float(kstwo.ppf(0.95, n))
    return -half, half


def draw_widths(groups: list[Group]) -> Figure:
    """Draw how wide each method takes the dose to be, and the activity it gives."""
    figure, (widths, activities) = plt.subplots(1, 2, figsize=(9, 3.6))
    stated = [group for group in groups if group.world == STATED]
    methods = {
        "posterior": (BLUE, posterior_width, lambda p: p["safe_dose_GBq"]),
        "classical, 10 % a scan": (
            ORANGE,
            lambda p: p["stated_sd"],
            lambda p: classical_activity(p, "stated", ONE_SIDED),
        ),
        "classical, scatter from residuals (three scans or more)": (
            PURPLE,
            lambda p: p["residual_sd"],
            lambda p: classical_activity(p, "residual", ONE_SIDED),
        ),
    }
    for i, group in enumerate(stated):
        for j, (colour, width, activity) in enumerate(methods.values()):
            at = i + 0.25 * (j - 1)
            _box(widths, at, [100.0 * width(p) for p in group.answered], colour)
            of_truth = [activity(p) / p["at_dose_limit_truth"] for p in group.answered]
            _box(activities, at, of_truth, colour)
    widths.set_ylabel("relative sd of the dose (%)")
    widths.set_ylim(0.0, None)
    activities.set_ylabel("recommended activity /\nactivity that truly reaches 23 Gy")
    activities.axhline(1.0, color=GREY, lw=0.8)
    names = [f"{g.protocol} scans" for g in stated]
    for panel in (widths, activities):
        panel.set_xticks(range(len(names)), names)
    for name, (colour, *_) in methods.items():
        widths.plot([], [], color=colour, lw=6, alpha=0.5, label=name)
    _legend_below(figure, widths, 3)
    return figure


def _box(panel: Axes, at: float, values: list[float], colour: str) -> None:
    """Draw a median with the middle half and the middle 90 % of the patients."""
    found = np.array(values)
    found = found[np.isfinite(found)]
    if not found.size:
        return  # two scans leave no residuals
    low, first, median, third, high = np.quantile(found, (0.05, 0.25, 0.5, 0.75, 0.95))
    panel.plot([at, at], [low, high], color=colour, lw=1.2)
    panel.plot([at, at], [first, third], color=colour, lw=8, alpha=0.4,
               solid_capstyle="butt")  # fmt: skip
    panel.plot(at, median, "o", color=colour, ms=4)


def draw_overdoses(groups: list[Group]) -> Figure:
    """Draw how many patients truly pass the limit, by method and world."""
    figure, panel = plt.subplots(figsize=(8.5, 5.2))
    step = 0.18
    for i, group in enumerate(groups):
        for j, (decision, (colour, mark)) in enumerate(OF_DECISION.items()):
            count, n = overdoses(group, decision)
            low, high = exact_interval(count, n)
            at = i + step * (j - 1.5)
            panel.plot([100 * low, 100 * high], [at, at], color=colour, lw=1.2)
            name = decision if i == 0 else None
            panel.plot(
                100 * count / n, at, mark, color=colour, ms=5, label=name, clip_on=False
            )
        allowed = 100.0 * group.allowed
        panel.plot([allowed, allowed], [i - 0.45, i + 0.45], color="black", lw=1.5)
    panel.plot(
        [],
        [],
        color="black",
        lw=1.5,
        label=f"allowed: {PROMISED:.0%}, in other worlds {TOLERATED:.0%}",
    )
    panel.set_yticks(range(len(groups)), [_in_words(group) for group in groups])
    panel.invert_yaxis()
    panel.set_xlim(0.0, None)
    panel.set_xlabel(
        "patients whose true dose (or BED) exceeds the limit at the activity given, %\n"
        "with exact 95 % intervals"
    )
    _legend_below(figure, panel, 3)
    return figure


WORLDS = {
    "scatter": "scatter x 1.5, Student t",
    "slow pool": "second, slower washout",
    "heavier": "kidneys 10 % heavier",
    "lighter": "kidneys 10 % lighter",
    "S of 90Y": "S of 90Y 5 % larger",
}


def _in_words(group: Group) -> str:
    if group.world == STATED:
        return f"as stated, {group.protocol} scans"
    return WORLDS[group.world]


def draw_example() -> Figure:
    """Draw one patient: its scans, curves of both labels, P(dose > limit)."""
    import patient_row as study

    from pkmodels.clinic.assessment import assess
    from pkmodels.clinic.question import build_posterior, draws_per_chain
    from pkmodels.clinic.syringes import Syringe, unit_dose
    from pkmodels.fitting.fit import fit
    from pkmodels.fitting.prediction import predict_curves

    world, protocol, seed = EXAMPLE
    simulated, patient = study.measure(world, protocol, seed)
    measured = study.PROTOCOLS[protocol]
    posterior = build_posterior(patient)
    each = draws_per_chain(patient.confidence)
    fitted = fit(posterior, seed=seed, draws_per_chain=each)
    decision = assess(patient, fitted).choices["Y-90"].decision
    assert decision is not None
    truth = study.simulators.draw_truth(
        np.random.default_rng(seed), measured.ligand, study.WORLDS[world]
    )
    times = np.linspace(0.25, 200.0, 150)
    names = posterior.compiled.system.observables
    kidneys = [names.index(name) for name in study.simulators.KIDNEYS]
    figure, (curves, risk) = plt.subplots(1, 2, figsize=(9.5, 4.4))
    for label, colour in (("Lu-177", GREEN), ("Y-90", BLUE)):
        unit = unit_dose(Syringe(measured.ligand, label, 0.0, None))
        drawn = predict_curves(posterior.compiled, fitted.parameters(), unit, times)
        share = 100.0 * drawn[:, :, kidneys].sum(axis=2)
        low, middle, high = np.quantile(share, (0.025, 0.5, 0.975), axis=0)
        name = label.replace("Lu-177", "177Lu").replace("Y-90", "90Y")
        curves.fill_between(times, low, high, color=colour, alpha=0.2, lw=0)
        curves.plot(times, middle, color=colour, label=f"{name}, posterior")
        true = [100.0 * truth.curve(label, t)[:2].sum() for t in times]
        curves.plot(times, true, "--", color=colour, lw=1, label=f"{name}, truth")
    for t in measured.scans_h:
        scan = sum(
            row[5] for row in simulated.rows if row[3] == t and "kidney" in row[0]
        )
        name = "177Lu, scans" if t == measured.scans_h[0] else None
        curves.plot(t, 100.0 * scan / measured.activity_MBq, "ko", ms=4, label=name)
    curves.set_xlabel("time (h)")
    curves.set_ylabel("both kidneys (% of the activity given)")
    curves.set_ylim(0.0, None)
    curves.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2, fontsize=8)
    _draw_risk(risk, decision, simulated, study.classical_values(patient, 0.2))
    figure.tight_layout()
    return figure


def _draw_risk(panel: Axes, decision, simulated, classical) -> None:
    reaches = np.sort(decision.activity_at_limit_GBq)
    above = 100.0 * np.arange(1, reaches.size + 1) / reaches.size
    panel.plot(reaches, above, color=BLUE, label="posterior")
    panel.axhline(5.0, color=GREY, lw=0.8)
    plug_in = classical_activity(classical, "stated", 0.0)
    with_sd = classical_activity(classical, "stated", ONE_SIDED)
    for at, colour, name in (
        (decision.activity_GBq, BLUE, "recommended"),
        (with_sd, ORANGE, "classical, 95 %"),
        (plug_in, PURPLE, "classical, plug-in"),
        (simulated.activity_at_dose(LIMIT_GY), "black", "truth: 23 Gy reached"),
    ):
        panel.axvline(at, color=colour, lw=1.2, ls="--", label=f"{name}, {at:.1f} GBq")
    panel.set_xlabel("activity of 90Y (GBq)")
    panel.set_ylabel("P(kidney dose > 23 Gy), %")
    panel.set_ylim(0.0, 100.0)
    panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2, fontsize=8)


def _legend_below(figure: Figure, panel: Axes, n_columns: int) -> None:
    figure.tight_layout(rect=(0.0, 0.1, 1.0, 1.0))
    figure.legend(
        *panel.get_legend_handles_labels(), loc="lower center", ncols=n_columns
    )


def main() -> None:
    """Draw every figure into `figures`."""
    assert set(OF_DECISION) <= set(DECISIONS)
    groups = read_groups()
    OUT.mkdir(exist_ok=True)
    for name, figure in {
        "ranks": draw_ranks(groups),
        "widths": draw_widths(groups),
        "overdoses": draw_overdoses(groups),
        "example": draw_example(),
    }.items():
        figure.savefig(OUT / f"{name}.svg", metadata={"Date": None})
        plt.close(figure)
        print(f"written: figures/{name}.svg")


if __name__ == "__main__":
    main()
