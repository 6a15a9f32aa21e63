"""The figures of the study, as PNG, from patients.csv and one patient fitted anew.

    python studies/lu177_to_y90/figures.py

Needs the development requirements, for matplotlib.
"""

from pathlib import Path

import joint_fits
import matplotlib as mpl
import measured_patients as patients
import numpy as np
from measured_patients import DOSIMETRY, THERAPY

mpl.use("agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from study import BY_HAND, METHODS, read_table

OUT = Path(__file__).parent / "figures"
EXAMPLE = 1
# Okabe and Ito: told apart by readers who see no red and green.
COLOURS = dict(zip(METHODS, ("#0072b2", "#56b4e9", "#009e73", "#d55e00"), strict=True))
GREY = "#555555"
DOTS_PER_INCH = 110
plt.rcParams |= {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


def draw_patient(seed: int) -> Figure:
    """Draw what is measured of the tracer, and what is predicted of the therapy."""
    patient = patients.simulate_patient(seed)
    fitted = joint_fits.fit_patient(patient, "tracer", seed)
    times = np.geomspace(0.6, 168.0, 60)
    figure, panels = plt.subplots(2, 3, figsize=(9.5, 5.2), sharex=True)
    for row, occasion in zip(panels, (DOSIMETRY, THERAPY), strict=True):
        bands = joint_fits.bands(fitted, occasion, times)
        true = patients.true_curves(occasion, patient.parameters, times)
        label = "177Lu, 75 µg" if occasion == DOSIMETRY else "90Y, 250 µg (predicted)"
        for panel, region in zip(row, patients.SHOWN, strict=True):
            low, middle, high = bands[region]
            colour = COLOURS["tracer"]
            panel.fill_between(times, low, high, color=colour, alpha=0.25, lw=0)
            panel.plot(times, middle, color=colour, label="fit, 95 %")
            panel.plot(times, true[region], "--", color=GREY, label="truth")
            _scatter(panel, patient, occasion, region)
            unit = "MBq/L" if region == "blood" else "MBq"
            panel.set(xscale="log", yscale="log", title=f"{region}, {label}")
            panel.set_ylabel(unit)
            for axis in (panel.xaxis, panel.yaxis):
                axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
                axis.set_major_formatter("{x:g}")
                axis.set_minor_locator(NullLocator())
            panel.set_xticks([1.0, 3.0, 10.0, 30.0, 100.0])
            panel.title.set_fontsize(9)
    for panel in panels[1]:
        panel.set_xlabel("h after the administration")
    panels[0, 0].legend(loc="lower left", fontsize=8)
    figure.tight_layout()
    return figure


def _scatter(
    panel: Axes, patient: patients.SimulatedPatient, occasion: str, region: str
) -> None:
    """Draw the values of known scale; those of the therapy were not in the fit."""
    for item in patient.measurements[occasion]:
        if item.region == region and item.modality != "planar":
            is_used = occasion == DOSIMETRY
            panel.plot(
                item.start_h,
                item.value,
                "o",
                ms=4,
                color=GREY,
                mfc=GREY if is_used else "white",
            )


def draw_intervals(rows: list[dict[str, str]]) -> Figure:
    """Draw each 95 % interval of the TIAC over the truth, patients by their truth."""
    figure, panels = plt.subplots(
        1, len(METHODS), figsize=(10.5, 3.4), sharey=True, sharex=True
    )
    for panel, name in zip(panels, METHODS, strict=True):
        own = [r for r in rows if r["method"] == name and r["tiac_low"]]
        own.sort(key=lambda row: float(row["tiac_truth"]))
        held = 0
        for row in own:
            truth = float(row["tiac_truth"])
            low, middle, high = (
                float(row[f"tiac_{level}"]) / truth
                for level in ("low", "median", "high")
            )
            inside = low <= 1.0 <= high
            held += inside
            style = {"color": COLOURS[name], "alpha": 1.0 if inside else 0.55}
            panel.plot([truth, truth], [low, high], lw=1.6 if inside else 1.0, **style)
            panel.plot(truth, middle, "o" if inside else "x", ms=4, **style)
        panel.axhline(1.0, color=GREY, lw=0.8)
        panel.set(xscale="log", yscale="log", xlabel="true TIAC of 90Y, h")
        panel.set_title(f"{name}\n{held} of {len(own)} hold the truth", fontsize=9)
        panel.set_yticks([0.6, 0.8, 1.0, 1.25, 1.6], ["0.6", "0.8", "1", "1.25", "1.6"])
        panel.set_xticks([1.0, 2.0, 4.0, 8.0], ["1", "2", "4", "8"])
        panel.minorticks_off()
    panels[0].set_ylabel("estimate / truth")
    figure.tight_layout()
    return figure


def draw_regret(rows: list[dict[str, str]]) -> Figure:
    """Draw the dose that each method's activity would give, against the limit."""
    figure, panel = plt.subplots(figsize=(6.5, 3.4))
    lines = [*((name, "safe_GBq") for name in METHODS), (BY_HAND, "plain_GBq")]
    labels = []
    for place, (name, activity) in enumerate(lines):
        own = [r for r in rows if r["method"] == name and r["tiac_low"]]
        dose = np.array(
            [
                float(r["received_truth"]) + float(r[activity]) * float(r["dose_truth"])
                for r in own
            ]
        )
        beside = np.linspace(-0.25, 0.25, len(dose)) if len(dose) > 1 else [0.0]
        marker = "o" if activity == "safe_GBq" else "D"
        panel.plot(dose, place + np.asarray(beside), marker, ms=4, color=COLOURS[name])
        above = int((dose > patients.LIMIT_GY).sum())
        margin = "" if activity == "safe_GBq" else ", no margin"
        labels.append(f"{name}{margin}\n{above} of {len(dose)} above")
    panel.axvline(patients.LIMIT_GY, color=GREY, lw=1.0)
    panel.set_yticks(range(len(labels)), labels, fontsize=8)
    panel.invert_yaxis()
    panel.set_xlabel("true kidney dose of the activity called safe, Gy (limit: 23)")
    figure.tight_layout()
    return figure


def main() -> None:
    """Write every figure."""
    rows = read_table()
    if not rows:
        raise SystemExit("patients.csv holds nobody: run study.py --patients 24 first")
    OUT.mkdir(exist_ok=True)
    drawn = {
        "intervals": draw_intervals(rows),
        "regret": draw_regret(rows),
        "patient": draw_patient(EXAMPLE),
    }
    for name, figure in drawn.items():
        figure.savefig(OUT / f"{name}.png", dpi=DOTS_PER_INCH)


if __name__ == "__main__":
    main()
