"""What patients.csv says: coverage, overdoses and widths of each group."""

import csv
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import binomtest, norm

from pkmodels.cohorts.rank_tests import coverage_p

TABLE = Path(__file__).resolve().parent / "patients.csv"
BEGIN, END = "<!-- from here by summary.py -->", "<!-- to here by summary.py -->"
ANSWERED = "answered"
STATED = "as stated"
LIMIT_GY = 23.0
COVERED = (0.025, 0.975)
# How often the limit may be passed: what is promised, and where the world is another.
PROMISED, TOLERATED = 0.05, 0.10
# A one-sided 95 % of the normal distribution, and both sides.
ONE_SIDED, TWO_SIDED = float(norm.ppf(0.95)), float(norm.ppf(0.975))

Patient = dict[str, float]


@dataclass(frozen=True)
class Group:
    """The patients of one world and protocol."""

    world: str
    protocol: str
    n_patients: int
    fit_refused: int
    tail_refused: int
    answered: list[Patient]
    unanswered: list[Patient]

    @property
    def name(self) -> str:
        scans = f"{self.protocol} scans"
        return scans if self.world == STATED else f"{scans}, {self.world}"

    @property
    def allowed(self) -> float:
        return PROMISED if self.world == STATED else TOLERATED


def read_groups(table: Path = TABLE) -> list[Group]:
    """Return the groups of a table in its order."""
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = dict.fromkeys((row["world"], row["protocol"]) for row in rows)
    return [
        _group(*name, [r for r in rows if (r["world"], r["protocol"]) == name])
        for name in names
    ]


def _group(world: str, protocol: str, rows: list[dict[str, str]]) -> Group:
    outcomes = [row["outcome"] for row in rows]
    return Group(
        world=world,
        protocol=protocol,
        n_patients=len(rows),
        fit_refused=sum(o.startswith("fit refused") for o in outcomes),
        tail_refused=sum(o.startswith("refused") for o in outcomes),
        answered=[_numbers(row) for row in rows if row["outcome"] == ANSWERED],
        unanswered=[_numbers(row) for row in rows if row["outcome"] != ANSWERED],
    )


def _numbers(row: dict[str, str]) -> Patient:
    text = ("world", "protocol", "outcome")
    return {k: float(v) if v else math.nan for k, v in row.items() if k not in text}


def ranks(group: Group, quantity: str) -> np.ndarray:
    """Return for each patient the share of the draws below the truth."""
    return np.array([patient[f"{quantity}_rank"] for patient in group.answered])


def coverage(group: Group, quantity: str) -> tuple[int, int]:
    """Return how many truths lie in their 95 % interval, and of how many."""
    found = ranks(group, quantity)
    low, high = COVERED
    return int(np.sum((found > low) & (found < high))), found.size


def overdose_p(above: int, n: int, allowed: float) -> float:
    """Return the exact p of so many overdoses or more, were a share allowed."""
    return float(binomtest(above, n, allowed, alternative="greater").pvalue)


def posterior_reached(patient: Patient, question: str) -> float:
    """Return the true dose (BED) at the recommended activity over the limit."""
    return patient[f"safe_{question}_reached"]


def classical_activity(patient: Patient, method: str, sds: float) -> float:
    """Return GBq: (23 Gy exp(-sds u) - dose before) / dose per GBq; 0 sds: plug-in."""
    room = LIMIT_GY * math.exp(-sds * patient[f"{method}_sd"])
    left = max(room - patient[f"{method}_before_Gy"], 0.0)
    return left / patient[f"{method}_dose"]


def classical_reached(patient: Patient, method: str, sds: float) -> float:
    """Return the true dose at the classical activity over the limit."""
    activity = classical_activity(patient, method, sds)
    return (patient["before_Gy"] + patient["dose_truth"] * activity) / LIMIT_GY


Reached = Callable[[Patient], float]
DECISIONS: dict[str, Reached] = {
    "posterior, 23 Gy": lambda p: posterior_reached(p, "dose"),
    "posterior, 40 Gy BED": lambda p: posterior_reached(p, "bed"),
    "classical, 95 %": lambda p: classical_reached(p, "stated", ONE_SIDED),
    "classical, 95 %, residuals": lambda p: classical_reached(p, "residual", ONE_SIDED),
    "classical, bi-exponential, 95 %": lambda p: classical_reached(
        p, "biexponential", ONE_SIDED
    ),
    "classical, plug-in": lambda p: classical_reached(p, "stated", 0.0),
}


def reached(patients: Iterable[Patient], decision: str) -> np.ndarray:
    """Return what each patient truly gets over the limit; without those it refuses."""
    found = np.array([DECISIONS[decision](patient) for patient in patients])
    return found[np.isfinite(found)]


def overdoses(group: Group, decision: str) -> tuple[int, int]:
    """Return how many are above the limit at a decision's activity, of how many."""
    found = reached(group.answered, decision)
    return int(np.sum(found > 1.0)), found.size


def classical_coverage(group: Group, method: str) -> tuple[int, int]:
    """Return how many true doses lie within exp(+-1.96 u) of the classical one."""
    away = [
        abs(math.log(p["dose_truth"] / p[f"{method}_dose"])) / p[f"{method}_sd"]
        for p in group.answered
        if not math.isnan(p[f"{method}_dose"])
    ]
    return int(np.sum(np.array(away) < TWO_SIDED)), len(away)


def posterior_width(patient: Patient) -> float:
    """Return half the width of ln dose's 95 % interval over 1.96: a relative sd."""
    return math.log(patient["dose_high"] / patient["dose_low"]) / (2.0 * TWO_SIDED)


def _share(count: int, n: int) -> str:
    return f"{count}/{n} ({100.0 * count / n:.1f} %)" if n else "-"


def coverage_table(groups: list[Group], quantities: dict[str, str]) -> str:
    """Return a Markdown table: patients, refusals and coverage with its p."""
    heads = ("group", "patients", "fit refused", "tail refused", *quantities.values())
    lines = [_line(heads), _line("---" for _ in heads)]
    for group in groups:
        cells = [
            group.name,
            str(group.n_patients),
            str(group.fit_refused),
            str(group.tail_refused),
        ]
        for quantity in quantities:
            covered, n = coverage(group, quantity)
            cells.append(
                f"{100.0 * covered / n:.1f} % (p {coverage_p(covered, n):.2g})"
            )
        lines.append(_line(cells))
    return "\n".join(lines)


def overdose_table(groups: list[Group]) -> str:
    """Return a Markdown table: overdoses of each decision."""
    heads = ("group", *DECISIONS)
    lines = [_line(heads), _line("---" for _ in heads)]
    for group in groups:
        shares = [_share(*overdoses(group, decision)) for decision in DECISIONS]
        lines.append(_line([group.name, *shares]))
    return "\n".join(lines)


def width_table(groups: list[Group]) -> str:
    """Return a Markdown table: how wide the dose's uncertainty is, and if it covers."""
    heads = ("group", "posterior sd", "classical sd", "classical covers",
             "residuals: sd", "covers", "median activity, posterior",
             "classical", "plug-in")  # fmt: skip
    lines = [_line(heads), _line("---" for _ in heads)]
    for group in groups:
        people = group.answered
        cells = [group.name, _percent(posterior_width(p) for p in people)]
        for method in ("stated", "residual"):
            cells.append(_percent(p[f"{method}_sd"] for p in people))
            cells.append(_share(*classical_coverage(group, method)))
        activities = (
            [p["safe_dose_GBq"] for p in people],
            [classical_activity(p, "stated", ONE_SIDED) for p in people],
            [classical_activity(p, "stated", 0.0) for p in people],
        )
        cells += [f"{np.median(a):.2f} GBq" for a in activities]
        lines.append(_line(cells))
    return "\n".join(lines)


def _percent(values: Iterable[float]) -> str:
    found = np.array(list(values))
    found = found[np.isfinite(found)]
    return f"{100.0 * np.median(found):.1f} %" if found.size else "-"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def worst_table(groups: list[Group]) -> str:
    """Return a Markdown table: how much of 23 Gy each patient truly gets."""
    heads = ("group", "median", "95 % of patients below", "worst",
             "fit refused: overdoses of the classical 95 %")  # fmt: skip
    lines = [_line(heads), _line("---" for _ in heads)]
    for group in groups:
        found = reached(group.answered, "posterior, 23 Gy")
        shown = (np.median(found), np.quantile(found, 0.95), found.max())
        turned = reached(group.unanswered, "classical, 95 %")
        above = f"{int(np.sum(turned > 1.0))} of {turned.size}"
        lines.append(_line([group.name, *(f"{x:.2f}" for x in shown), above]))
    return "\n".join(lines)


QUANTITIES = {
    "tiac": "TIAC",
    "dose": "dose",
    "bed": "BED at 10 GBq",
    "at_dose_limit": "activity at 23 Gy",
    "at_bed_limit": "activity at 40 Gy BED",
}


def tables(groups: list[Group]) -> str:
    """Return all tables of the README."""
    return "\n\n".join(
        (
            "Coverage of the 95 % intervals, with the exact p of a coverage of 95 %:",
            coverage_table(groups, QUANTITIES),
            "Patients above the limit at the activity given:",
            overdose_table(groups),
            "Relative sd of the dose (median patient), whether its 95 % interval "
            "covers the truth, and the median activity for 23 Gy:",
            width_table(groups),
            "True dose at the recommended activity over 23 Gy:",
            worst_table(groups),
        )
    )


def between_marks(readme: str, text: str) -> str:
    """Return a README with the text between its marks."""
    head, rest = readme.split(BEGIN)
    _, tail = rest.split(END)
    return f"{head}{BEGIN}\n\n{text}\n\n{END}{tail}"


def main() -> None:
    """Write the tables into the README."""
    readme = TABLE.parent / "README.md"
    text = between_marks(readme.read_text("utf-8"), tables(read_groups()))
    readme.write_text(text, "utf-8")
    print(tables(read_groups()))


if __name__ == "__main__":
    main()
