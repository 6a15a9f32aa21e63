"""Receptors lost between dosimetry and therapy: what is left of the plan.

    python studies/receptor_loss/study.py

Writes receptor_loss.csv and, with the development requirements (matplotlib), its
figure.
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from studies import pentixather_doses as bodies
from studies.pentixather_doses import Patients, Row

FOLDER = Path(__file__).resolve().parent
PATIENTS, SEED = 400, 1
LABEL, MASS_UG = "Y-90", 250.0
REMAINING = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
# Where receptors are lost: in the tumour alone, or wherever there are any.
LOST_IN = {"tumour": ("tumour",), "all organs": bodies.RECEPTOR_ORGANS}
ORGANS = ("kidneys", "red_marrow", "spleen", "tumour")
ACTIVITY = "activity at the kidney limit"
AT_LIMIT = "tumour at the kidney limit"
PLANNED = "tumour, % of the plan"
CHANGE = "kidneys, % more"
LINES = (ACTIVITY, CHANGE, AT_LIMIT, PLANNED)
TITLES = {"tumour": "lost in the tumour alone", "all organs": "lost in all organs"}


def case_of(place: str, left: float) -> str:
    return f"{TITLES[place]}, {100.0 * left:g} % left"


def with_receptors(patients: Patients, place: str, left: float) -> Patients:
    """Return the patients with a part of their receptors."""
    names = [f"binding_potential_{organ}" for organ in LOST_IN[place]]
    return bodies.scaled(patients, dict.fromkeys(names, left))


def of_receptors(patients: Patients, place: str, left: float) -> dict[str, np.ndarray]:
    """Return doses (Gy/GBq), and what they mean for an activity planned before.

    The activity (GBq) that gives the kidneys 23 Gy, with the receptors left; the
    tumour's dose there, Gy; and, at the activity planned with all receptors, the
    tumour's dose over that planned and what the kidneys get more, in percent.
    """
    given = bodies.bolus(LABEL, MASS_UG)
    before = bodies.doses(patients, given)
    after = bodies.doses(with_receptors(patients, place, left), given)
    activity = bodies.KIDNEY_LIMIT_GY / after["kidneys"]
    return {
        **{organ: after[organ] for organ in ORGANS},
        ACTIVITY: activity,
        AT_LIMIT: activity * after["tumour"],
        PLANNED: 100.0 * after["tumour"] / before["tumour"],
        CHANGE: 100.0 * (after["kidneys"] / before["kidneys"] - 1.0),
        "tumour over kidneys": after["tumour"] / after["kidneys"],
    }


def compute(n_patients: int = PATIENTS) -> list[Row]:
    """Return every row of the table."""
    patients = bodies.drawn(n_patients, SEED)
    rows = []
    for place in LOST_IN:
        for left in REMAINING:
            found = of_receptors(patients, place, left)
            rows += [
                bodies.row(case_of(place, left), name, values)
                for name, values in found.items()
            ]
            if left in (0.1, 1.0):
                # Share of patients whose tumour gets less than their kidneys.
                share = 100.0 * float(np.mean(found["tumour over kidneys"] < 1.0))
                case = case_of(place, left)
                rows.append(Row(case, "tumour below kidneys, %", *[share] * 3))
    return rows


def lines(rows: list[Row]) -> list[str]:
    """Return the lines of the README's tables."""
    found = []
    for place, names, digits in (
        ("all organs", ORGANS, 2),
        ("all organs", LINES, 1),
        ("tumour", LINES, 1),
    ):
        cases = [case_of(place, left) for left in reversed(REMAINING)]
        found += bodies.markdown(rows, cases, names, digits)
    return found


def draw(rows: list[Row], path: Path) -> None:
    """Draw doses per GBq, and activity and tumour dose at the kidney limit."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(
        1, 2, figsize=(10.0, 4.2), layout="constrained"
    )
    percent = [100.0 * x for x in REMAINING]

    def of(place: str, quantity: str) -> list[Row]:
        cases = (case_of(place, x) for x in REMAINING)
        return [bodies.find(rows, case, quantity) for case in cases]

    for organ in ORGANS:
        colour, style = bodies.STYLES[organ]
        at = of("all organs", organ)
        label = organ.replace("_", " ")
        left.plot(percent, [r.median for r in at], ls=style, color=colour, label=label)
        low, high = [r.low for r in at], [r.high for r in at]
        left.fill_between(percent, low, high, color=colour, alpha=0.12, lw=0)
    left.set_yscale("log")
    left.set_yticks((0.1, 0.3, 1, 3, 10), ("0.1", "0.3", "1", "3", "10"))
    left.minorticks_off()
    left.set_ylabel("dose of 90Y, Gy/GBq")
    left.set_title("receptors lost in all organs", fontsize=10)
    left.legend(frameon=False, fontsize=8, title="median, 95 % of patients")
    for place, quantity, organ, style, label in (
        ("tumour", ACTIVITY, "kidneys", "--", "activity, lost in the tumour alone"),
        ("all organs", ACTIVITY, "kidneys", "-", "activity, lost in all organs"),
        ("all organs", AT_LIMIT, "tumour", "-", "tumour's dose, lost in either"),
    ):
        at = [r.median for r in of(place, quantity)]
        relative = [100.0 * x / at[-1] for x in at]
        colour = bodies.STYLES[organ][0]
        right.plot(percent, relative, ls=style, color=colour, label=label)
    right.set_ylim(0.0, 110.0)
    right.set_ylabel("median, % of that with all receptors")
    right.set_title("at 23 Gy to the kidneys", fontsize=10)
    right.legend(frameon=False, fontsize=8, loc="lower right")
    for panel in (left, right):
        panel.set_xlabel("receptors left at therapy, % of those at dosimetry")
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Compute, print, write the table, and draw where matplotlib is installed."""
    rows = compute()
    print("\n".join(lines(rows)))
    for r in rows:
        if "below" in r.quantity or r.quantity == "tumour over kidneys":
            print(r.case, r.quantity, r.shown(2))
    bodies.write(rows, FOLDER / "receptor_loss.csv")
    if importlib.util.find_spec("matplotlib") is None:
        print("matplotlib is not installed: no figure (install the dev requirements)")
    else:
        draw(rows, FOLDER / "figures" / "receptor_loss.png")


if __name__ == "__main__":
    main()
