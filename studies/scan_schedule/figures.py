"""The figures of the study, as PNG, from its tables and 200 patients solved anew.

    python studies/scan_schedule/figures.py

Needs the development requirements, for matplotlib.
"""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from protocols import LATEST_H, SPECT, spects
from study import (
    DESIGNS,
    FITS,
    FITTED,
    FLOORS_MBQ,
    JUDGED_ON,
    SEED_JUDGED,
    question,
    read_table,
)

from pkmodels.design.variances import variances_with_one_more

mpl.use("agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

OUT = Path(__file__).parent / "figures"
# Okabe and Ito: told apart by readers who see no red and green.
BLUE, LIGHT, GREEN, RED = "#0072b2", "#56b4e9", "#009e73", "#d55e00"
PINK, ORANGE, GREY = "#cc79a7", "#e69f00", "#555555"
DOTS_PER_INCH = 110
plt.rcParams |= {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}
# Scans made already, and the colour of what one more adds to them.
MADE = {
    "none": ((), GREY),
    "4 h": (spects(4.0), RED),
    "24 h": (spects(24.0), BLUE),
    "4 and 24 h": (spects(4.0, 24.0), GREEN),
}


def draw_one_more() -> Figure:
    """Draw the width after one more scan against its time, for what is made already."""
    figure, panels = plt.subplots(1, 2, figsize=(9.5, 3.6), sharey=True)
    times = np.geomspace(1.0, LATEST_H, 60)
    for panel, floor in zip(panels, FLOORS_MBQ, strict=True):
        asked = question(JUDGED_ON, SEED_JUDGED, floor)
        for name, (made, colour) in MADE.items():
            found = variances_with_one_more(asked, made, SPECT, times)
            sd = np.sqrt(found.mean(axis=1))
            low, high = np.quantile(np.sqrt(found), (0.1, 0.9), axis=1)
            panel.fill_between(times, low, high, color=colour, alpha=0.15, lw=0)
            panel.plot(times, sd, color=colour, label=name)
            best = int(np.argmin(sd))
            panel.plot(times[best], sd[best], "o", color=colour, ms=5)
        words = "no floor of the scatter" if floor == 0.0 else f"floor {floor:g} MBq"
        panel.set(xscale="log", yscale="log", title=words, xlabel="time of it, h")
        panel.set_xticks([1, 2, 4, 8, 24, 48, 96], [1, 2, 4, 8, 24, 48, 96])
        panel.set_yticks([0.07, 0.1, 0.2, 0.3, 0.5], [0.07, 0.1, 0.2, 0.3, 0.5])
        panel.minorticks_off()
        panel.title.set_fontsize(9)
    panels[0].set_ylabel("sd of ln of the 90Y TIAC\nafter one more SPECT")
    panels[1].legend(title="made already", loc="lower left", fontsize=8)
    figure.tight_layout()
    return figure


def draw_check() -> Figure:
    """Draw what designs promise of each protocol, and what full fits have."""
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(9.5, 4.2), gridspec_kw={"width_ratios": [1.35, 1.0]}
    )
    _protocols(left)
    _fits(right)
    figure.tight_layout()
    return figure


def _protocols(panel: Axes) -> None:
    rows = [row for row in read_table(DESIGNS) if row["protocol"] != "no scan"]
    names = list(dict.fromkeys(row["protocol"] for row in rows))
    at = np.arange(len(names))[::-1]
    for floor, colour, mark in zip(FLOORS_MBQ, (BLUE, ORANGE), "os", strict=True):
        own = [row for row in rows if float(row["floor_MBq"]) == floor]
        sd = [float(row["log_sd"]) for row in own]
        label = "no floor" if floor == 0.0 else f"floor {floor:g} MBq"
        panel.plot(sd, at, mark, color=colour, label=label, ms=5)
    panel.set_yticks(at, names, fontsize=8)
    for tick, name in zip(panel.get_yticklabels(), names, strict=True):
        if name.startswith("chosen"):
            tick.set_fontweight("bold")
    panel.set(xscale="log", xlabel="expected sd of ln of the 90Y TIAC")
    ticks = [0.06, 0.08, 0.1, 0.15, 0.25]
    panel.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    panel.minorticks_off()
    panel.grid(axis="x", color="#dddddd", lw=0.6)
    panel.legend(loc="lower right", fontsize=8)


def _fits(panel: Axes) -> None:
    rows = [row for row in read_table(FITS) if not row["checks"]]
    colours = (ORANGE, PINK, LIGHT, GREEN, RED, BLUE)
    for name, colour in zip(FITTED, colours, strict=True):
        own = [row for row in rows if row["protocol"] == name]
        predicted = [float(row["predicted_log_sd"]) for row in own]
        found = [float(row["log_sd"]) for row in own]
        panel.plot(predicted, found, "o", color=colour, ms=4, alpha=0.7, label=name)
    ends = np.array([0.05, 0.2])
    panel.plot(ends, ends, "--", color=GREY, lw=1.0)
    panel.set(xscale="log", yscale="log", xlabel="predicted sd of ln", xlim=ends)
    panel.set(ylim=ends, ylabel="sd of ln of the full fit")
    ticks = [0.05, 0.07, 0.1, 0.15, 0.2]
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
    panel.minorticks_off()
    panel.legend(loc="upper left", fontsize=8)


def main() -> None:
    OUT.mkdir(exist_ok=True)
    for name, draw in (("one_more", draw_one_more), ("check", draw_check)):
        figure = draw()
        figure.savefig(OUT / f"{name}.png", dpi=DOTS_PER_INCH)
        plt.close(figure)


if __name__ == "__main__":
    main()
