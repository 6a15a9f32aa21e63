"""75 ug against 250 ug of pentixather: what scaling a dosimetry linearly gets wrong.

    python studies/mass_effect/study.py

Writes mass_effect.csv and, with the development requirements (matplotlib), its figure.
"""

import importlib.util
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from studies import pentixather_doses as bodies
from studies.pentixather_doses import Patients, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FOLDER = Path(__file__).resolve().parent
PATIENTS, SEED = 500, 1
LABEL = "Y-90"
DOSIMETRY_UG, THERAPY_UG = 75.0, 250.0
# Within the limits that the model states; 20 ug is that of a PET.
MASSES_UG = (10.0, 20.0, 40.0, 75.0, 120.0, 180.0, 250.0, 350.0, 500.0)
K_DS = (1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 50.0, 100.0)
SHOWN_K_DS = (1.0, 3.0, 10.0, 100.0)
BURDEN_L = 1.0
SHOWN = ("kidneys", "liver", "red_marrow", "spleen", "tumour")
# Sd of ln of one measured dose, beside its S-value and mass: an assumption.
DOSE_LOG_SD = 0.10
# Two-sided 5 %, power 80 %.
NORMAL_POINTS = 1.960 + 0.842


def case_of(k_d: float) -> str:
    return f"K_D {k_d:g} nmol/L"


def linear_errors(patients: Patients) -> dict[str, np.ndarray]:
    """Return the error of scaling the doses of 75 ug to 250 ug linearly, percent.

    100 (d(75 ug) / d(250 ug) - 1) with d in Gy/GBq: above 0, the dose that is
    predicted is larger than that given.
    """
    small, large = (
        bodies.doses(patients, bodies.bolus(LABEL, ug))
        for ug in (DOSIMETRY_UG, THERAPY_UG)
    )
    return {organ: 100.0 * (small[organ] / large[organ] - 1.0) for organ in SHOWN}


def pairs_needed(k_d: float, low_ug: float, high_ug: float, organ: str) -> float:
    """Return how many patients, measured with both masses, would show the effect."""
    man = bodies.changed(bodies.reference_man(), {"dissociation_constant": k_d})
    low, high = (
        float(bodies.doses(man, bodies.bolus(LABEL, ug))[organ][0])
        for ug in (low_ug, high_ug)
    )
    effect = abs(math.log(low / high))
    return (NORMAL_POINTS * DOSE_LOG_SD * math.sqrt(2.0) / effect) ** 2


def of_masses(k_d: float) -> dict[str, np.ndarray]:
    """Return the reference man's doses at `MASSES_UG`, over those of a trace, %."""
    man = bodies.changed(bodies.reference_man(), {"dissociation_constant": k_d})
    trace = bodies.doses(man, bodies.bolus(LABEL, 0.01))
    found = [bodies.doses(man, bodies.bolus(LABEL, ug)) for ug in MASSES_UG]
    return {
        organ: np.array([100.0 * float(d[organ][0] / trace[organ][0]) for d in found])
        for organ in SHOWN
    }


def compute(n_patients: int = PATIENTS) -> list[Row]:
    """Return every row of the table."""
    patients = bodies.drawn(n_patients, SEED)
    groups = {
        "all that is unknown": bodies.with_molecules(patients, SEED),
        **{
            case_of(k): bodies.changed(patients, {"dissociation_constant": k})
            for k in K_DS
        },
    }
    for k_d in (1.0, 10.0):
        groups[f"{case_of(k_d)}, tumour of {BURDEN_L:g} L"] = bodies.changed(
            patients, {"dissociation_constant": k_d, "volume_tumour": BURDEN_L}
        )
    rows = []
    for case, group in groups.items():
        errors = linear_errors(group)
        rows += [bodies.row(case, organ, errors[organ]) for organ in SHOWN]
    for k_d in SHOWN_K_DS:
        for organ, curve in of_masses(k_d).items():
            for mass, value in zip(MASSES_UG, curve, strict=True):
                name = f"{organ}, % of a trace"
                rows.append(Row(f"{case_of(k_d)}, {mass:g} ug", name, *[value] * 3))
        for low, high in ((75.0, 250.0), (20.0, 500.0)):
            pairs = pairs_needed(k_d, low, high, "spleen")
            case = f"{case_of(k_d)}, {low:g} and {high:g} ug"
            rows.append(Row(case, "patients", *[pairs] * 3))
    return rows


def lines(rows: list[Row]) -> list[str]:
    """Return the lines of the README's tables."""
    cases = dict.fromkeys(r.case for r in rows if r.quantity in SHOWN)
    found = bodies.markdown(rows, cases, SHOWN, 1)
    for k_d in SHOWN_K_DS:
        case = case_of(k_d)
        spleen = [
            bodies.find(rows, f"{case}, {ug:g} ug", "spleen, % of a trace").median
            for ug in (20.0, 75.0, 250.0, 500.0)
        ]
        patients = [
            bodies.find(rows, f"{case}, {pair} ug", "patients").median
            for pair in ("75 and 250", "20 and 500")
        ]
        cells = [f"{x:.1f}" for x in spleen] + [f"{math.ceil(x)}" for x in patients]
        found.append(f"| {case} | {' | '.join(cells)} |")
    return found


def draw(rows: list[Row], path: Path) -> None:
    """Draw the error against K_D, and doses against the mass."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(
        1, 2, figsize=(10.0, 4.2), layout="constrained"
    )
    _against_k_d(left, rows)
    _against_mass(right, rows)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _against_k_d(panel: "Axes", rows: list[Row]) -> None:
    for organ in ("kidneys", "red_marrow", "spleen", "tumour"):
        colour, style = bodies.STYLES[organ]
        at = [bodies.find(rows, case_of(k), organ) for k in K_DS]
        label = organ.replace("_", " ")
        panel.plot(K_DS, [r.median for r in at], ls=style, color=colour, label=label)
        low, high = [r.low for r in at], [r.high for r in at]
        panel.fill_between(K_DS, low, high, color=colour, alpha=0.15, lw=0)
    panel.axhline(0.0, color="black", lw=0.6)
    panel.set_xscale("log")
    panel.set_xticks((1, 3, 10, 30, 100), ("1", "3", "10", "30", "100"))
    panel.minorticks_off()
    panel.set_xlabel("K_D of pentixather, nmol/L (unknown)")
    panel.set_ylabel("predicted over given dose, minus 1, %")
    panel.set_title("75 ug scaled linearly to 250 ug", fontsize=10)
    panel.legend(frameon=False, fontsize=8, title="median, 95 % of patients")


def _against_mass(panel: "Axes", rows: list[Row]) -> None:
    markers = dict(zip(SHOWN_K_DS, ("o", "s", "^", "D"), strict=True))
    for k_d, marker in markers.items():
        for organ in ("spleen", "kidneys"):
            colour, style = bodies.STYLES[organ]
            name = f"{organ}, % of a trace"
            curve = [
                bodies.find(rows, f"{case_of(k_d)}, {m:g} ug", name).median
                for m in MASSES_UG
            ]
            panel.plot(
                MASSES_UG, curve, ls=style, marker=marker, ms=4, color=colour, lw=1.2
            )
    for k_d, marker in markers.items():
        panel.plot([], [], marker, ms=4, color="black", label=f"K_D {k_d:g} nmol/L")
    for organ in ("spleen", "kidneys"):
        colour, style = bodies.STYLES[organ]
        panel.plot([], [], ls=style, color=colour, label=organ)
    for mass in (DOSIMETRY_UG, THERAPY_UG):
        panel.axvline(mass, color="grey", lw=0.8)
    panel.set_xscale("log")
    panel.set_xticks((10, 20, 75, 250, 500), ("10", "20", "75", "250", "500"))
    panel.minorticks_off()
    panel.set_ylim(50.0, 110.0)
    panel.set_xlabel("mass of pentixather, ug")
    panel.set_ylabel("dose per GBq, % of that of a trace")
    panel.set_title("reference man", fontsize=10)
    panel.legend(frameon=False, fontsize=8, loc="lower left")


def main() -> None:
    """Compute, print, write the table, and draw where matplotlib is installed."""
    rows = compute()
    print("\n".join(lines(rows)))
    bodies.write(rows, FOLDER / "mass_effect.csv")
    if importlib.util.find_spec("matplotlib") is None:
        print("matplotlib is not installed: no figure (install the dev requirements)")
    else:
        draw(rows, FOLDER / "figures" / "mass_effect.png")


if __name__ == "__main__":
    main()
