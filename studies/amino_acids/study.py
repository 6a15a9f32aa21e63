"""Arginine and lysine during the injection: the kidneys' dose with and without.

    python studies/amino_acids/study.py

Writes amino_acids.csv and, with the development requirements (matplotlib), its figure.
"""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from pkmodels.models.pentixather import AMINO_ACID_BLOCK
from pkmodels.schedule import Schedule, Window
from studies import pentixather_doses as bodies
from studies.pentixather_doses import Patients, Row

FOLDER = Path(__file__).resolve().parent
PATIENTS, SEED = 500, 1
LABEL, MASS_UG = "Y-90", 250.0
# 4 h from 30 min before the injection: judgement, after peptide therapies.
INFUSION_END_H = 3.5
BLOCKS = (0.25, 0.5, 0.75, 1.0)
ENDS_H = (1.0, 2.0, 3.5, 6.0, 9.5, 12.0, 24.0, 48.0, 96.0)
# A peptide hardly bound in plasma, everything else as in these patients.
HARDLY_BOUND = 0.9
LESS = "kidneys, % less"
EXCESS = "with at dosimetry only: kidneys, Gy"
SHORTFALL = "without at dosimetry, with at therapy: kidneys, Gy"
OTHERS = "tumour, % less"
QUANTITIES = (LESS, EXCESS, SHORTFALL, OTHERS)


def case_of(block: float, end_h: float = INFUSION_END_H, whom: str = "") -> str:
    return f"{100.0 * block:g} % blocked until {end_h:g} h{whom}"


def infused(block: float, end_h: float = INFUSION_END_H) -> Schedule:
    """Return the injection with a part of reabsorption blocked from it until `end_h`.

    What is infused before the injection meets no ligand, and needs no equation.
    """
    given = bodies.bolus(LABEL, MASS_UG)
    return replace(given, windows=(Window(AMINO_ACID_BLOCK, 0.0, end_h, block),))


def effects(
    patients: Patients, block: float, end_h: float = INFUSION_END_H
) -> dict[str, np.ndarray]:
    """Return what amino acids take from doses, and what a mismatch does to 23 Gy.

    The plan gives the kidneys 23 Gy as they were at dosimetry; what they get is told
    where amino acids were infused on one of the two occasions.
    """
    without = bodies.doses(patients, bodies.bolus(LABEL, MASS_UG))
    with_them = bodies.doses(patients, infused(block, end_h))
    ratio = with_them["kidneys"] / without["kidneys"]
    return {
        LESS: 100.0 * (1.0 - ratio),
        EXCESS: bodies.KIDNEY_LIMIT_GY / ratio,
        SHORTFALL: bodies.KIDNEY_LIMIT_GY * ratio,
        OTHERS: 100.0 * (1.0 - with_them["tumour"] / without["tumour"]),
    }


def compute(n_patients: int = PATIENTS) -> list[Row]:
    """Return every row of the table."""
    patients = bodies.drawn(n_patients, SEED)
    rows = []
    for block in BLOCKS:
        for name, values in effects(patients, block).items():
            rows.append(bodies.row(case_of(block), name, values))
    for end_h in ENDS_H:
        for block in (0.5, 1.0):
            if end_h == INFUSION_END_H:
                continue
            values = effects(patients, block, end_h)[LESS]
            rows.append(bodies.row(case_of(block, end_h), LESS, values))
    unbound = bodies.changed(patients, {"unbound_fraction": HARDLY_BOUND})
    for block in (0.5, 1.0):
        case = case_of(block, whom=f", {100.0 * HARDLY_BOUND:g} % unbound")
        rows.append(bodies.row(case, LESS, effects(unbound, block)[LESS]))
    return rows


def lines(rows: list[Row]) -> list[str]:
    """Return the lines of the README's tables."""
    found = bodies.markdown(rows, map(case_of, BLOCKS), QUANTITIES, 1)
    rest = [
        r.case
        for r in rows
        if r.quantity == LESS and r.case not in map(case_of, BLOCKS)
    ]
    return found + bodies.markdown(rows, rest, (LESS,), 1)


def draw(rows: list[Row], path: Path) -> None:
    """Draw the reduction against the end of the block, and the mismatches."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(
        1, 2, figsize=(10.0, 4.2), layout="constrained"
    )
    for block, colour, style in ((1.0, "#0072b2", "-"), (0.5, "#d55e00", "--")):
        at = [bodies.find(rows, case_of(block, end), LESS) for end in ENDS_H]
        label = f"{100.0 * block:g} % blocked"
        left.plot(ENDS_H, [r.median for r in at], style, color=colour, label=label)
        low, high = [r.low for r in at], [r.high for r in at]
        left.fill_between(ENDS_H, low, high, color=colour, alpha=0.15, lw=0)
    left.axvline(INFUSION_END_H, color="grey", lw=0.8)
    left.set_xscale("log")
    left.set_xticks((1, 3.5, 12, 24, 48, 96), ("1", "3.5", "12", "24", "48", "96"))
    left.minorticks_off()
    left.set_ylim(0.0, 100.0)
    left.set_xlabel("end of the block, h after injection")
    left.set_ylabel("kidneys' dose of 90Y, % less")
    left.legend(
        frameon=False, fontsize=8, title="median, 95 % of patients", loc="lower right"
    )
    percent = np.array([100.0 * b for b in BLOCKS])
    for quantity, shift, colour, marker, label in (
        (EXCESS, -1.0, "#d55e00", "o", "infused at dosimetry, not at therapy"),
        (SHORTFALL, 1.0, "#0072b2", "s", "infused at therapy, not at dosimetry"),
    ):
        at = [bodies.find(rows, case_of(block), quantity) for block in BLOCKS]
        median = np.array([r.median for r in at])
        bars = [median - [r.low for r in at], [r.high for r in at] - median]
        right.errorbar(
            percent + shift,
            median,
            bars,
            color=colour,
            fmt=marker,
            capsize=3,
            label=label,
        )
    right.axhline(bodies.KIDNEY_LIMIT_GY, color="black", lw=0.8)
    right.annotate("planned: 23 Gy", (55.0, 23.3), fontsize=8)
    right.set_ylim(0.0)
    right.set_xticks(percent)
    right.set_xlabel("reabsorption blocked for 3.5 h, % (unknown)")
    right.set_ylabel("dose that the kidneys get, Gy")
    right.legend(frameon=False, fontsize=8, loc="lower left")
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Compute, print, write the table, and draw where matplotlib is installed."""
    rows = compute()
    print("\n".join(lines(rows)))
    bodies.write(rows, FOLDER / "amino_acids.csv")
    if importlib.util.find_spec("matplotlib") is None:
        print("matplotlib is not installed: no figure (install the dev requirements)")
    else:
        draw(rows, FOLDER / "figures" / "amino_acids.png")


if __name__ == "__main__":
    main()
