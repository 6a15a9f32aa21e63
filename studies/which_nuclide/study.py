"""177Lu or 90Y: the tumour's dose at the kidneys' limit, and what is left in marrow.

    python studies/which_nuclide/study.py

Writes which_nuclide.csv and, with the development requirements (matplotlib), its
figure.
"""

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from pkmodels.dosimetry.biological_dose import (
    dose_of_biologically_effective_dose,
)
from pkmodels.dosimetry.radiobiology import KIDNEY_BED_LIMIT, radiobiology_of
from pkmodels.dosimetry.s_values import (
    KIDNEY_Y90_OVER_LU177,
    require_s_value,
)
from pkmodels.nuclides import nuclide
from studies import pentixather_doses as bodies
from studies.pentixather_cohort import study as cohort
from studies.pentixather_doses import Patients, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FOLDER = Path(__file__).resolve().parent
PATIENTS, SEED = 400, 1
LABELS, MASS_UG = ("Lu-177", "Y-90"), 250.0
TUMOURS_ML = (1.0, 50.0, 500.0)
TUMOUR_ML = 50.0
# A transplantation is on day 14 after 90Y, and later and less fixed after 177Lu.
DAYS = {"Y-90": (14,), "Lu-177": (14, 21, 28)}
BED_LIMIT_GY = KIDNEY_BED_LIMIT.value
RATIO, BY_HALF_LIVES = "90Y over 177Lu", "by half-lives, over the model's"
AT_LIMIT = "tumour at the kidney limit, Gy"
RATE, LATER = "marrow, mGy/h", "marrow from then on, Gy"
AS_LOW = "day when marrow's rate is that of 90Y on day 14"
HALF_LIFE, LONGEST_H = "biological half-life, h, at most 1000", 1000.0
MARROW, ACTIVITY = "marrow at the kidney limit, Gy", "activity, GBq"
WINS = "better with 90Y, % of patients"
# After the grid of the cohort, steps of 6 h: the tail is decided there.
LATE_H = np.union1d(cohort.TIMES_H, np.arange(24.0 * 14, 24.0 * 42 + 1, 6.0))
NUCLIDE_STYLES = {"Lu-177": ("#0072b2", "-"), "Y-90": ("#d55e00", "--")}


def effective_ratio(biological_h: Any) -> Any:
    """Return (lambda_b + lambda_Lu) / (lambda_b + lambda_Y): TIAC of 90Y over 177Lu."""
    lutetium, yttrium = (nuclide(n).decay_constant_per_h for n in LABELS)
    rate = np.log(2.0) / np.asarray(biological_h, float)
    return (rate + lutetium) / (rate + yttrium)


def s_ratio(tumour_mL: float) -> float:
    """Return the S-value of 90Y over that of 177Lu in a sphere; 1 mL is 1 g."""
    lutetium, yttrium = (
        float(require_s_value("tumour", n, "male").at_mass(tumour_mL)) for n in LABELS
    )
    return yttrium / lutetium


def ratio_by_half_lives(tumour_h: Any, kidney_h: Any, tumour_mL: float) -> Any:
    """Return the tumour's dose of 90Y over that of 177Lu, at one dose to the kidneys.

    (sigma_T / sigma_K) e(T_T) / e(T_K) for uptake at once and one washout each, with
    sigma = S_Y / S_Lu and e of `effective_ratio`: uptakes cancel.
    """
    of_size = s_ratio(tumour_mL) / KIDNEY_Y90_OVER_LU177.value
    return of_size * effective_ratio(tumour_h) / effective_ratio(kidney_h)


def dose_at_bed_limit(label: str, kidney_h: Any) -> np.ndarray:
    """Return the kidneys' dose that is a BED of 40 Gy: G = T_rep / (T_rep + T_eff)."""
    known = radiobiology_of("kidney")
    repair = known.repair_half_time_h.parameters["median"]
    physical = np.log(2.0) / nuclide(label).decay_constant_per_h
    effective = 1.0 / (1.0 / np.asarray(kidney_h, float) + 1.0 / physical)
    return dose_of_biologically_effective_dose(
        BED_LIMIT_GY,
        repair / (repair + effective),
        known.alpha_beta_Gy.parameters["median"],
    )


def half_lives(patients: Patients) -> dict[str, np.ndarray]:
    """Return biological half-lives, h, of tumour and kidneys as four scans show them.

    Infinite where the activity falls no faster than by decay.
    """
    curves = bodies.activities(patients, bodies.bolus("Lu-177", MASS_UG))
    decay = nuclide("Lu-177").decay_constant_per_h
    found = {}
    for organ in ("tumour", "kidneys"):
        rate = np.log(2.0) / cohort.half_lives(curves[organ]) - decay
        found[organ] = np.where(
            rate > 0.0, np.log(2.0) / np.where(rate > 0.0, rate, 1.0), np.inf
        )
    return found


def at_limit(patients: Patients) -> dict[str, dict[str, np.ndarray]]:
    """Return, for each nuclide, doses in Gy at 23 Gy to the kidneys, and GBq."""
    found = {}
    for label in LABELS:
        doses = bodies.doses(patients, bodies.bolus(label, MASS_UG))
        activity = bodies.KIDNEY_LIMIT_GY / doses["kidneys"]
        found[label] = {o: activity * d for o, d in doses.items()}
        found[label]["activity"] = activity
    return found


def marrow_rates(
    patients: Patients, label: str, activity_GBq: np.ndarray
) -> np.ndarray:
    """Return the marrow's dose rate at `LATE_H`, Gy/h, by its own activity."""
    given = bodies.bolus(label, MASS_UG)
    shown = bodies.activities(patients, given, LATE_H)["red_marrow"]
    per_MBq = shown / given.administrations[0].activity_MBq
    s_values = bodies.s_values(patients, label, "red_marrow")
    return per_MBq * (1e3 * activity_GBq * s_values)[:, None]


def left_after(rates: np.ndarray, label: str, day: float) -> np.ndarray:
    """Return the dose from a day on, Gy: trapezoids, then physical decay alone."""
    later = LATE_H >= 24.0 * day
    tail = rates[:, -1] / nuclide(label).decay_constant_per_h
    return np.trapezoid(rates[:, later], LATE_H[later], axis=1) + tail


def day_below(rates: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the day from which each patient's rate is below another, to 6 h."""
    above = rates > wanted[:, None]
    last = rates.shape[1] - 1 - np.argmax(above[:, ::-1], axis=1)
    if (last == rates.shape[1] - 1).any():
        raise RuntimeError("a rate is still above at the last time: extend LATE_H")
    return LATE_H[last + 1] / 24.0


def compute(n_patients: int = PATIENTS) -> list[Row]:
    """Return every row of the table."""
    patients = bodies.drawn(n_patients, SEED)
    rows = []
    for size in TUMOURS_ML:
        group = bodies.changed(patients, {"volume_tumour": size / 1e3})
        doses, case = at_limit(group), f"tumour of {size:g} mL"
        ratio = doses["Y-90"]["tumour"] / doses["Lu-177"]["tumour"]
        times = half_lives(group)
        closed = ratio_by_half_lives(times["tumour"], times["kidneys"], size)
        rows += [
            bodies.row(case, RATIO, ratio),
            Row(case, WINS, *[100.0 * float(np.mean(ratio > 1.0))] * 3),
            bodies.row(case, BY_HALF_LIVES, closed / ratio),
        ]
        if size == TUMOUR_ML:
            rows += [
                bodies.row(case, f"{organ}: {HALF_LIFE}", np.minimum(hours, LONGEST_H))
                for organ, hours in times.items()
            ]
        for label in LABELS:
            rows.append(
                bodies.row(f"{case}, {label}", AT_LIMIT, doses[label]["tumour"])
            )
    return rows + of_marrow(patients)


def of_marrow(patients: Patients) -> list[Row]:
    """Return the rows of the marrow, at 23 Gy to the kidneys."""
    doses, rows, on_day_14 = at_limit(patients), [], np.zeros(len(patients))
    for label in reversed(LABELS):
        rates = marrow_rates(patients, label, doses[label]["activity"])
        on_first = rates[:, np.searchsorted(LATE_H, 24.0 * DAYS[label][0])]
        if label == "Y-90":
            on_day_14 = on_first
        else:
            rows.append(bodies.row(label, AS_LOW, day_below(rates, on_day_14)))
        rows += [
            bodies.row(label, ACTIVITY, doses[label]["activity"]),
            bodies.row(label, MARROW, doses[label]["red_marrow"]),
        ]
        for day in DAYS[label]:
            case = f"{label}, day {day}"
            at = rates[:, np.searchsorted(LATE_H, 24.0 * day)]
            rows.append(bodies.row(case, RATE, 1e3 * at))
            rows.append(bodies.row(case, LATER, left_after(rates, label, day)))
    return rows


def lines(rows: list[Row]) -> list[str]:
    """Return the lines of the README's tables."""
    sizes = [f"tumour of {size:g} mL" for size in TUMOURS_ML]
    found = []
    for case in sizes:
        ratio = bodies.find(rows, case, RATIO).shown(2)
        wins = bodies.find(rows, case, WINS).shown(0)
        closed = bodies.find(rows, case, BY_HALF_LIVES).shown(2)
        doses = [bodies.find(rows, f"{case}, {n}", AT_LIMIT).shown(0) for n in LABELS]
        found.append(
            f"| {case} | {doses[0]} | {doses[1]} | {ratio} | {wins} | {closed} |"
        )
    for organ in ("tumour", "kidneys"):
        name = f"{organ}: {HALF_LIFE}"
        hours = bodies.find(rows, f"tumour of {TUMOUR_ML:g} mL", name).shown(0)
        found.append(f"| {name} | {hours} |")
    found += bodies.markdown(rows, LABELS, (ACTIVITY, MARROW), 1)
    found.append(f"| Lu-177 | {bodies.find(rows, 'Lu-177', AS_LOW).shown(0)} |")
    days = [f"{label}, day {day}" for label in DAYS for day in DAYS[label]]
    return found + bodies.markdown(rows, days, (RATE, LATER), 2)


def draw(patients: Patients, path: Path) -> None:
    """Draw the plane of half-lives with patients on it, and dose rates in marrow."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(
        1, 2, figsize=(10.5, 4.6), layout="constrained"
    )
    doses = at_limit(patients)
    _contours(left)
    _on_plane(left, half_lives(patients), doses)
    _of_marrow(right, patients, {n: doses[n]["activity"] for n in LABELS})
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _contours(panel: "Axes") -> None:
    """Draw the ratio over the half-lives, and the lines where it is 1."""
    tumour, kidney = np.meshgrid(
        np.geomspace(10, 1000, 200), np.geomspace(15, 300, 200)
    )
    plane = ratio_by_half_lives(tumour, kidney, TUMOUR_ML)
    levels = (0.5, 0.6, 0.7, 0.8, 0.9, 1.1, 1.3, 1.5)
    lines = panel.contour(tumour, kidney, plane, levels, colors="grey", linewidths=0.8)
    panel.clabel(lines, fmt="%g", fontsize=8)
    lutetium, yttrium = (dose_at_bed_limit(n, kidney) for n in LABELS)
    for ratio, style, label in (
        (plane, "solid", "equal at 23 Gy to the kidneys"),
        (plane * yttrium / lutetium, "dotted", "equal at a BED of 40 Gy"),
    ):
        panel.contour(
            tumour,
            kidney,
            ratio,
            (1.0,),
            colors="black",
            linewidths=1.6,
            linestyles=style,
        )
        panel.plot([], [], color="black", lw=1.6, ls=style, label=label)


def _on_plane(
    panel: "Axes",
    times: dict[str, np.ndarray],
    doses: dict[str, dict[str, np.ndarray]],
) -> None:
    """Draw patients at their half-lives, by the nuclide that serves them better."""
    better = doses["Y-90"]["tumour"] > doses["Lu-177"]["tumour"]
    for label, marker, those in (("Lu-177", "o", ~better), ("Y-90", "^", better)):
        panel.plot(
            np.minimum(times["tumour"][those], LONGEST_H),
            times["kidneys"][those],
            marker,
            ms=4,
            color=NUCLIDE_STYLES[label][0],
            alpha=0.6,
            mew=0,
            label=f"virtual patient, {label} better",
        )
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xticks((10, 30, 100, 300, 1000), ("10", "30", "100", "300", "1000"))
    panel.set_yticks((20, 50, 100, 200), ("20", "50", "100", "200"))
    panel.minorticks_off()
    panel.set_xlim(10.0, 1050.0)
    panel.set_ylim(15.0, 300.0)
    panel.set_xlabel("tumour's biological half-life, h (1000: or longer)")
    panel.set_ylabel("kidneys' biological half-life, h")
    panel.set_title("tumour dose of 90Y over 177Lu, 50 mL", fontsize=10)
    panel.legend(fontsize=7, loc="upper left")


def _of_marrow(
    panel: "Axes", patients: Patients, activities_GBq: dict[str, np.ndarray]
) -> None:
    """Draw the marrow's dose rate, with the days of transplantation."""
    for label, (colour, style) in NUCLIDE_STYLES.items():
        rates = 1e3 * marrow_rates(patients, label, activities_GBq[label])
        low, median, high = np.percentile(rates, [2.5, 50.0, 97.5], axis=0)
        days = LATE_H / 24.0
        panel.plot(days, median, style, color=colour, label=label)
        panel.fill_between(days, low, high, color=colour, alpha=0.15, lw=0)
        for day in DAYS[label]:
            at = median[np.searchsorted(LATE_H, 24.0 * day)]
            panel.plot(day, at, "o" if label == "Lu-177" else "^", color=colour)
    panel.set_yscale("log")
    panel.set_yticks((0.01, 0.1, 1, 10, 100), ("0.01", "0.1", "1", "10", "100"))
    panel.minorticks_off()
    panel.set_xlim(0.0, 42.0)
    panel.set_ylim(0.01, 500.0)
    panel.set_xticks(np.arange(0, 43, 7))
    panel.set_xlabel("day after the therapy (points: transplantation)")
    panel.set_ylabel("marrow's dose rate, mGy/h")
    panel.set_title("at 23 Gy to the kidneys; median, 95 % of patients", fontsize=10)
    panel.legend(frameon=False, fontsize=8)


def main() -> None:
    """Compute, print, write the table, and draw where matplotlib is installed."""
    rows = compute()
    print("\n".join(lines(rows)))
    bodies.write(rows, FOLDER / "which_nuclide.csv")
    if importlib.util.find_spec("matplotlib") is None:
        print("matplotlib is not installed: no figure (install the dev requirements)")
    else:
        patients = bodies.drawn(PATIENTS, SEED)
        draw(patients, FOLDER / "figures" / "which_nuclide.png")


if __name__ == "__main__":
    main()
