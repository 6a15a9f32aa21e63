"""Draws the ranks of every table and writes the README's tests.

python studies/calibration/figures.py
"""

import csv
from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from pkmodels.clinic.calibration_table import verdict_rows
from pkmodels.cohorts.calibration import Calibration, Ranks
from pkmodels.cohorts.rank_tests import (
    counts_below,
    ecdf_band,
    rank_histogram,
    usual_bins,
)
from pkmodels.cohorts.verdicts import judge

HERE = Path(__file__).resolve().parent
# How many patients each is to have: nothing is judged before.
TABLES = {"default": 500, "default_again": 500, "pentixather": 200}
BEGIN, END = "<!-- from here by figures.py -->", "<!-- to here by figures.py -->"
COLUMNS = 4


def read_table(path: Path) -> Calibration:
    """Return what a table of ranks says."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    answered = [row for row in rows if row["outcome"] == "answered"]
    others = {int(r["patient"]): r["outcome"] for r in rows if r not in answered}
    names = dict.fromkeys(row["quantity"] for row in answered)
    return Calibration(
        quantities=tuple(
            _ranks(name, [r for r in answered if r["quantity"] == name])
            for name in names
        ),
        refused={n: why for n, why in others.items() if why.startswith("refused")},
        failed={n: why for n, why in others.items() if why.startswith("failed")},
        total=len({row["patient"] for row in rows}),
        cpu_seconds=np.zeros(0),
        refused_truths={},
    )


def _ranks(name: str, rows: list[dict[str, str]]) -> Ranks:
    def column(key: str) -> np.ndarray:
        return np.array([float(row[key]) for row in rows])

    return Ranks(
        name=name,
        draws=int(rows[0]["draws"]),
        patients=column("patient").astype(int),
        ranks=column("rank").astype(int),
        truths=column("truth"),
        low=column("low"),
        median=column("median"),
        high=column("high"),
        correlated=0,
    )


def draw(found: Calibration, path: Path) -> None:
    """Draw every quantity: bins above, the ECDF less the uniform one below."""
    n_rows = -(-len(found.quantities) // COLUMNS)
    figure, grid = plt.subplots(
        2 * n_rows, COLUMNS, figsize=(3.1 * COLUMNS, 3.0 * n_rows), squeeze=False,
        layout="constrained", height_ratios=[1.0, 1.0] * n_rows,
    )  # fmt: skip
    for axis in grid.ravel():
        axis.set_visible(False)
    for i, each in enumerate(found.quantities):
        row, column = divmod(i, COLUMNS)
        _bins(grid[2 * row, column], each)
        _ecdf(grid[2 * row + 1, column], each)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _bins(axis: Axes, each: Ranks) -> None:
    bins = usual_bins(each.ranks.size, each.draws)
    counts = rank_histogram(each.ranks, each.draws, bins)
    axis.set_visible(True)
    axis.bar((np.arange(bins) + 0.5) / bins, counts, 0.9 / bins, color="#0072B2")
    axis.axhline(each.ranks.size / bins, color="black", lw=0.8)
    axis.set_title(each.name.replace("kinetics: ", ""), fontsize=8)
    axis.tick_params(labelsize=7)


def _ecdf(axis: Axes, each: Ranks) -> None:
    n = each.ranks.size
    band = ecdf_band(n, each.draws, 0.95)
    share = band.thresholds / (each.draws + 1)
    axis.set_visible(True)
    axis.fill_between(
        share, band.low / n - share, band.high / n - share, color="#DDDDDD", lw=0
    )
    counts = counts_below(each.ranks, each.draws)
    axis.step(share, counts / n - share, color="#0072B2", lw=1.2)
    axis.axhline(0.0, color="black", lw=0.5)
    axis.set_xlabel("rank / 200", fontsize=7)
    axis.tick_params(labelsize=7)


def text_of(which: str, found: Calibration) -> str:
    """Return one table's tests as Markdown."""
    verdicts = judge(found)
    heads, *rows = verdict_rows(verdicts)
    reasons = Counter(why.split(":")[1].strip() for why in found.refused.values())
    p_values = [v.ecdf_p for v in verdicts if v.ecdf_p is not None]
    lines = [
        f"**{which}**: {found.total} patients, {len(found.refused)} refused, "
        f"{len(found.failed)} failed. Least p of {len(p_values)} ECDF tests "
        f"{min(p_values):.2g}; together (Bonferroni) "
        f"{min(1.0, len(p_values) * min(p_values)):.2g}.",
        "",
        *[f"- refused, {n}: {why}" for why, n in reasons.most_common()],
        *([""] if reasons else []),
        _line(heads),
        _line("---" for _ in heads),
        *[_line(row) for row in rows],
    ]
    return "\n".join(lines)


def _line(cells) -> str:
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Draw what there is, and write it into the README."""
    (HERE / "figures").mkdir(exist_ok=True)
    parts = []
    for which, total in TABLES.items():
        table = HERE / f"ranks_{which}.csv"
        if not table.exists():
            print(f"{table.name} is not there yet: run study.py {which}")
            continue
        found = read_table(table)
        if found.total < total:
            print(f"{table.name} has {found.total} of {total} patients: run study.py "
                  f"{which}")  # fmt: skip
            continue
        draw(found, HERE / "figures" / f"{which}.png")
        parts.append(text_of(which, found))
    readme = HERE / "README.md"
    head, rest = readme.read_text("utf-8").split(BEGIN)
    _, tail = rest.split(END)
    text = "\n\n".join(parts)
    readme.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{tail}", "utf-8")
    print(text)


if __name__ == "__main__":
    main()
