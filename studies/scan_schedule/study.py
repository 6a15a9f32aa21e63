"""Which three scans of a pentixather tracer tell most of the kidneys' 90Y dose?

    python studies/scan_schedule/study.py --design            # designs.csv, 3 minutes
    python studies/scan_schedule/study.py --patients 15       # fits.csv, 10 minutes

The first chooses scans on 64 simulated patients, judges them on 200 others, and writes
designs.csv. The second adds to fits.csv the full fits that it lacks, one after another;
stop it and start it again at will. Both print what is there; `figures.py` draws.
"""

import argparse
import csv
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import fits
import numpy as np
import protocols
from protocols import CHOSEN, CUSTOMARY, FEWER, HYBRID, ROUND
from scipy.stats import binomtest

from pkmodels.design.criteria import criterion
from pkmodels.design.questions import Question
from pkmodels.design.scans import Scan
from pkmodels.design.search import Design, choose_scans, judge

HERE = Path(__file__).resolve().parent
DESIGNS, FITS = HERE / "designs.csv", HERE / "fits.csv"
CHOSEN_ON, JUDGED_ON = 64, 200
SEED_CHOSEN, SEED_JUDGED = 1, 2
# A median dose that is wrong by more than a fifth.
WRONG_FACTOR = 1.2
# Scatter that stays when little activity is left, MBq: none, and a judgement of what
# SPECT of 200 MBq might have.
FLOORS_MBQ = (0.0, 0.2)
DESIGN_COLUMNS: tuple[str, ...] = (
    "floor_MBq",
    "protocol",
    "scans",
    "log_sd",
    "width",
    "median_log_sd",
    "wrong",
    "agreeing",
)
FITTED = (
    "4, 24, 48 h",
    "4, 24, 72 h",
    "4, 24, 96 h",
    "chosen, working hours",
    "4, 24 h",
    "24, 120 h",
)
FIT_COLUMNS: tuple[str, ...] = (
    "seed",
    "protocol",
    "predicted_log_sd",
    "checks",
    "log_sd",
    "low",
    "median",
    "high",
    "truth",
)


@cache
def question(count: int, seed: int, floor_MBq: float) -> Question:
    return protocols.patients(count, seed, floor_MBq).question


def design_rows() -> Iterator[dict[str, object]]:
    for floor in FLOORS_MBQ:
        first = question(CHOSEN_ON, SEED_CHOSEN, floor)
        given = {**FEWER, **CUSTOMARY, **ROUND, **HYBRID}
        for name, scans in given.items():
            yield _row(floor, name, scans, 0)
        for name, (calendar, count, kinds) in CHOSEN.items():
            found = choose_scans(
                first, calendar, count, modalities=kinds, beginnings=8, seed=0
            )
            yield _row(floor, name, rounded(found), found.agreeing)


def rounded(found: Design) -> tuple[Scan, ...]:
    """Return scans at whole tenths of an hour, as they can be ordered."""
    return tuple(Scan(round(s.time_h, 1), s.modality) for s in found.scans)


def _row(
    floor: float, name: str, scans: tuple[Scan, ...], agreeing: int
) -> dict[str, object]:
    judged = judge(question(JUDGED_ON, SEED_JUDGED, floor), scans)
    each = np.array(judged.log_sd_of_draws)
    return {
        "floor_MBq": floor,
        "protocol": name,
        "scans": protocols.named(scans),
        "log_sd": judged.log_sd,
        "width": judged.width(0.95),
        "median_log_sd": float(np.median(each)),
        "wrong": float(criterion(each**2, WRONG_FACTOR)),
        "agreeing": agreeing,
    }


def write_designs() -> None:
    rows = []
    for row in design_rows():
        rows.append(_short(row))
        print(f"{row['protocol']}: {row['scans']}", flush=True)
    with DESIGNS.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, DESIGN_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_table(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def scans_of(name: str) -> tuple[Scan, ...]:
    """Return the scans of a protocol, those chosen as designs.csv has them."""
    fixed = {**FEWER, **CUSTOMARY, **ROUND, **HYBRID}
    if name in fixed:
        return fixed[name]
    for row in read_table(DESIGNS):
        if row["protocol"] == name and float(row["floor_MBq"]) == 0.0:
            return tuple(_scan(text) for text in row["scans"].split("; "))
    raise SystemExit(f"designs.csv has no {name!r}: run with --design first")


def _scan(text: str) -> Scan:
    modality, time = text.removesuffix(" h").split(" at ")
    return Scan(float(time), modality)


def add_fits(wanted: int) -> None:
    """Fit the first patients of those that designs were judged on."""
    have = {(int(row["seed"]), row["protocol"]) for row in read_table(FITS)}
    drawn = protocols.unknowns().draw(JUDGED_ON, SEED_JUDGED)
    truths = protocols.tiac_h(np.asarray(protocols.unknowns().parameters(drawn)))
    asked = question(JUDGED_ON, SEED_JUDGED, 0.0)
    predicted = {name: judge(asked, scans_of(name)) for name in FITTED}
    for seed in range(wanted):
        for name in FITTED:
            if (seed, name) in have:
                continue
            row: dict[str, object] = {
                "seed": seed,
                "protocol": name,
                "predicted_log_sd": predicted[name].log_sd_of_draws[seed],
                "truth": float(truths[seed]),
            }
            _append(row | fits.fit_patient(drawn[seed], scans_of(name), seed))
        print(f"patient {seed + 1} of {wanted}", flush=True)


def _append(row: dict[str, object]) -> None:
    is_new = not FITS.exists()
    with FITS.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, FIT_COLUMNS, restval="", lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerow(_short(row))


def _short(row: dict[str, object]) -> dict[str, object]:
    return {k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()}


def design_summary(floor_MBq: float) -> str:
    lines = [
        "| scans | sd of ln | 95 % interval, factor | wrong by more than a fifth |",
        "| --- | --- | --- | --- |",
    ]
    for row in read_table(DESIGNS):
        if float(row["floor_MBq"]) == floor_MBq:
            name = row["protocol"]
            if name.startswith("chosen"):
                name = f"**{name}**: {row['scans']}"
            lines.append(
                f"| {name} | {float(row['log_sd']):.3f} | {float(row['width']):.2f} | "
                f"{float(row['wrong']):.1%} |"
            )
    return "\n".join(lines)


def rivals_summary() -> str:
    """Return how many times narrower what was chosen is than each protocol, by floor.

    Of the ln of the intervals: the ratio of the sd of ln.
    """
    chosen = ("chosen, working hours", "chosen, 12 h apart")
    sd = {
        (float(row["floor_MBq"]), row["protocol"]): float(row["log_sd"])
        for row in read_table(DESIGNS)
    }
    lines = [
        "| three scans | against those chosen | chosen 12 h apart | with a floor | "
        "floor, 12 h apart |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in (*CUSTOMARY, *ROUND):
        cells = [
            f"{sd[floor, name] / sd[floor, c]:.3f}"
            for floor in FLOORS_MBQ
            for c in chosen
        ]
        shown = name if name in CUSTOMARY else f"{name} (not customary)"
        lines.append(f"| {shown} | {' | '.join(cells)} |")
    return "\n".join(lines)


def fit_summary() -> str:
    lines = [
        "| scans | fits, refused | predicted sd of ln | sd of ln of the fits | fit / "
        "predicted, 10 to 90 % | 95 % intervals that hold the truth |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    rows = read_table(FITS)
    for name in FITTED:
        own = [row for row in rows if row["protocol"] == name]
        kept = [row for row in own if not row["checks"]]
        if not kept:
            continue
        columns = FIT_COLUMNS[2:3] + FIT_COLUMNS[4:]
        of = {c: np.array([float(row[c]) for row in kept]) for c in columns}
        ratio = of["log_sd"] / of["predicted_log_sd"]
        low, high = np.quantile(ratio, (0.1, 0.9))
        held = int(np.sum((of["low"] <= of["truth"]) & (of["truth"] <= of["high"])))
        p = binomtest(held, len(kept), 0.95).pvalue
        mean = {c: np.sqrt(np.mean(of[c] ** 2)) for c in columns[:2]}
        lines.append(
            f"| {name} | {len(own)}, {len(own) - len(kept)} | "
            f"{mean['predicted_log_sd']:.3f} | {mean['log_sd']:.3f} | "
            f"{np.median(ratio):.2f} ({low:.2f} to {high:.2f}) | "
            f"{held} of {len(kept)} (p = {p:.2g}) |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--design", action="store_true", help="write designs.csv anew")
    parser.add_argument("--patients", type=int, default=0, help="how many in all")
    asked = parser.parse_args()
    if asked.design:
        write_designs()
    if asked.patients:
        add_fits(asked.patients)
    print(f"\n{rivals_summary()}")
    for floor in FLOORS_MBQ:
        print(f"\nfloor {floor:g} MBq\n{design_summary(floor)}")
    print(f"\n{fit_summary()}")


if __name__ == "__main__":
    main()
