"""From 177Lu to 90Y: simulated patients, what fits predict of them, and the truth.

    python studies/lu177_to_y90/study.py --patients 24

Adds to patients.csv what it lacks, one patient after another (1 to 2 minutes each), and
prints what is in it. Stop it and start it again at will; `figures.py` draws.
"""

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import by_hand
import joint_fits
import measured_patients as patients
import numpy as np
from scipy.stats import norm

from pkmodels.cohorts.rank_tests import coverage_p

TABLE = Path(__file__).parent / "patients.csv"
BY_HAND = "by hand"
METHODS = (*joint_fits.FITS, BY_HAND)
TIMES_H = np.array([1.0, 4.0, 24.0, 48.0, 72.0, 120.0])
BANDS = ("kidneys", "blood")
LEVELS = ("low", "median", "high")
COLUMNS = (
    "seed",
    "method",
    "checks",
    "tiac_truth",
    *(f"tiac_{level}" for level in LEVELS),
    "dose_truth",
    *(f"dose_{level}" for level in LEVELS),
    "received_truth",
    "allowed_GBq",
    "safe_GBq",
    "plain_GBq",
    *(f"{name}_inside" for name in BANDS),
)
_TWO_SIDED, _ONE_SIDED = norm.ppf(0.975), norm.ppf(patients.CONFIDENCE)


def rows_of(seed: int) -> Iterator[dict[str, object]]:
    """Measure one patient, fit it in every way, and hold all against the truth."""
    patient = patients.simulate_patient(seed)
    truth: dict[str, object] = {
        "seed": seed,
        "tiac_truth": patient.tiac_h,
        "dose_truth": patient.dose_Gy_per_GBq["Y-90"],
        "received_truth": patient.received_Gy,
        "allowed_GBq": patient.allowed_GBq,
    }
    true = patients.true_curves(patients.THERAPY, patient.parameters, TIMES_H)
    for name in joint_fits.FITS:
        fitted = joint_fits.fit_patient(patient, name, seed)
        row = truth | {"method": name, "checks": "; ".join(fitted.checks.reasons)}
        if not fitted.checks.passed:
            yield row
            continue
        found = joint_fits.answer(fitted, seed)
        bands = joint_fits.bands(fitted, patients.THERAPY, TIMES_H)
        left = patients.LIMIT_GY - np.median(found.received_Gy)
        row |= _levels("tiac", np.quantile(found.tiac_h, joint_fits.LEVELS))
        row |= _levels("dose", np.quantile(found.dose_Gy_per_GBq, joint_fits.LEVELS))
        row |= {"safe_GBq": found.safe_GBq}
        row |= {"plain_GBq": left / np.median(found.dose_Gy_per_GBq)}
        for curve in BANDS:
            low, _, high = bands[curve]
            inside = (low <= true[curve]) & (true[curve] <= high)
            row |= {f"{curve}_inside": int(inside.sum())}
        yield row
    yield truth | _by_hand(patient)


def _by_hand(patient: patients.SimulatedPatient) -> dict[str, object]:
    found = by_hand.calculate(patient)
    steps = np.array([-_TWO_SIDED, 0.0, _TWO_SIDED])
    tiac = found.tiac_h * np.exp(steps * found.tiac_log_sd)
    dose = found.dose_Gy_per_GBq * np.exp(steps * found.dose_log_sd)
    row: dict[str, object] = {"method": BY_HAND, "checks": ""}
    row |= _levels("tiac", tiac) | _levels("dose", dose)
    safe = found.activity_GBq(float(_ONE_SIDED))
    return row | {"safe_GBq": safe, "plain_GBq": found.activity_GBq(0.0)}


def _levels(name: str, values: np.ndarray) -> dict[str, object]:
    return {f"{name}_{x}": float(v) for x, v in zip(LEVELS, values, strict=True)}


def read_table() -> list[dict[str, str]]:
    """Return the table's rows of patients that are there with every method."""
    if not TABLE.exists():
        return []
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    last = {row["seed"] for row in rows if row["method"] == METHODS[-1]}
    return [row for row in rows if row["seed"] in last]


def summary(rows: list[dict[str, str]]) -> str:
    """Say of each method how its intervals and activities did, as Markdown."""
    head = (
        "method",
        "refused",
        "TIAC covered",
        "factor of the interval",
        "above 23 Gy",
        "worst, Gy",
        "given up",
        "curves inside",
    )
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    for name in METHODS:
        own = [r for r in rows if r["method"] == name]
        kept = [r for r in own if r["tiac_low"]]
        if not kept:
            continue
        column = {
            k: np.array([float(r[k] or "nan") for r in kept]) for k in COLUMNS[3:]
        }
        lines.append(_line(name, len(own) - len(kept), column))
        if name == BY_HAND:
            plain = column | {"safe_GBq": column["plain_GBq"]}
            lines.append(_line(f"{name}, no margin", 0, plain))
    return "\n".join(f"| {line} |" for line in lines)


def _line(name: str, refused: int, of: dict[str, np.ndarray]) -> str:
    inside = (of["tiac_low"] <= of["tiac_truth"]) & (
        of["tiac_truth"] <= of["tiac_high"]
    )
    count, held = inside.size, int(inside.sum())
    p = coverage_p(held, count)
    width = np.median(of["tiac_high"] / of["tiac_low"])
    dose = of["received_truth"] + of["safe_GBq"] * of["dose_truth"]
    above = dose > patients.LIMIT_GY
    lost = np.maximum(1.0 - of["safe_GBq"] / of["allowed_GBq"], 0.0)
    curves = [of[f"{c}_inside"].mean() / TIMES_H.size for c in BANDS]
    seen = ", ".join(f"{c} {x:.0%}" for c, x in zip(BANDS, curves, strict=True))
    return " | ".join(
        (
            name,
            str(refused),
            f"{held} of {count} (p = {p:.2g})",
            f"{width:.2f}",
            f"{int(above.sum())} of {count}",
            f"{dose.max():.1f}",
            f"{np.median(lost):.0%}",
            seen if np.isfinite(curves).all() else "-",
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--patients", type=int, default=0, help="how many in all")
    wanted = parser.parse_args().patients
    rows = read_table()
    done = {int(row["seed"]) for row in rows}
    for seed in range(wanted):
        if seed in done:
            continue
        add_patient(seed)
        print(f"patient {seed} of {wanted}", flush=True)
    print(summary(read_table()))


def add_patient(seed: int) -> None:
    """Append a patient's rows to the table, all at once."""
    found = list(rows_of(seed))
    is_new = not TABLE.exists()
    with TABLE.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerows(_rounded(row) for row in found)


def _rounded(row: dict[str, object]) -> dict[str, object]:
    return {k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()}


if __name__ == "__main__":
    main()
