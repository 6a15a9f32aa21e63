"""Cohorts of 19 virtual patients against the 19 of Haenscheid 2022.

    python studies/pentixather_cohort/study.py

Writes cohorts.csv and, with the development requirements (matplotlib), its figure.
"""

import argparse
import csv
import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from pkmodels.administrations import Administration
from pkmodels.dosimetry.s_values import require_s_value
from pkmodels.models import pentixather
from pkmodels.models.physiology import SEXES, reference_body
from pkmodels.models.values import LIGANDS
from pkmodels.nuclides import nuclide
from pkmodels.populations import gather_sets, simulate_sets
from pkmodels.schedule import Schedule, ScheduleForm
from pkmodels.system import System, assemble
from pkmodels.values import (
    Certainty,
    ParameterValue,
    Value,
    draw_values,
    log_normal,
    log_sd_of_cv,
    typical,
)

HERE = Path(__file__).resolve().parent
# The criterion and the published table are those of the tests.
sys.path.insert(0, str(HERE.parents[1] / "tests"))
import haenscheid_cohorts as criterion  # noqa: E402 # pyright: ignore
import reference_tables  # noqa: E402 # pyright: ignore

PATIENTS, COHORTS, SEED = 4000, 1000, 1
REGIONS = {
    "kidney_left": "kidney",
    "kidney_right": "kidney",
    "liver": "liver",
    "spleen": "spleen",
    "red_marrow": "red_marrow",
    "tumour": "tumour",
}
READ = (*REGIONS, "blood", "bladder", "whole_body")
# Spread of organs' masses between patients, as coefficients of variation: judgement.
# Spleens of haematological patients differ most.
MASS_CV = {"kidneys": 0.2, "liver": 0.2, "spleen": 0.4, "red_marrow": 0.15}
# Label, MBq, ug. 90Y as the authors calculated it, with the kinetics of 75 ug, and as
# it would be given.
GIVEN = {
    "Lu-177": ("Lu-177", 200.0, 75.0),
    "Y-90, 75 ug": ("Y-90", 200.0, 75.0),
    "Y-90, 250 ug": ("Y-90", 200.0, 250.0),
}
# Scans after the first day, of which the effective half-life is the slope. Published
# ones went on for at least 4 d; how long is not told, so that both are judged.
SCANS_H = np.array([24.0, 48.0, 72.0, 96.0])
LONG_SCANS_H = np.array([24.0, 72.0, 120.0, 168.0])
WINDOWS = {
    "Lu-177, scans at 24 to 96 h": SCANS_H,
    "Lu-177, scans at 24 to 168 h": LONG_SCANS_H,
}
# Where uptake is over.
TERMINAL_H = np.array([300.0, 400.0])
# What two exponentials, uptake and washout, are fitted to.
TWO_PHASE_H = np.array([4.0, 24.0, 48.0, 96.0, 168.0])
# The rate at which each organ's cells release their label.
RELEASE = {"kidneys": "kidney_release", "liver": "liver_release", "spleen": "release"}
# A fine grid: curves change within minutes at first, and over days at last.
TIMES_H = np.unique(
    np.concatenate(
        [
            [0.0],
            np.geomspace(0.01, 1600.0, 240),
            SCANS_H,
            LONG_SCANS_H,
            TERMINAL_H,
            TWO_PHASE_H,
        ]
    )
)
# Okabe and Ito: told apart by readers who see no red and green.
COLOURS = {
    "minimum": ("#56b4e9", "<"),
    "median": ("#000000", "D"),
    "maximum": ("#d55e00", ">"),
}
CURVES = {
    "kidneys": ("#0072b2", "-"),
    "liver": ("#d55e00", "--"),
    "spleen": ("#cc79a7", ":"),
    "red_marrow": ("#009e73", "-."),
}
TICKS_GY = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
STATISTICS = {
    "median": "median",
    "mean": "mean",
    "low": "minimum",
    "high": "maximum",
}


@dataclass(frozen=True, eq=False)
class Pool:
    """Virtual patients and what was found in each.

    Parameters
    ----------
    found : mapping of (str, str, str) to (n_patients,) array
        By quantity, organ and what was given, in the units of the published table.
    curves : mapping of str to (n_patients, n_times) array
        Of 177Lu by observable: percent of what was given, corrected for decay (blood:
        percent per L).
    failed : int
        Patients that could not be solved: none, or the study is worth nothing.
    """

    found: Mapping[tuple[str, str, str], np.ndarray]
    curves: Mapping[str, np.ndarray]
    failed: int


@dataclass(frozen=True)
class Row:
    """One published number against those of the cohorts."""

    quantity: str
    organ: str
    given: str
    statistic: str
    unit: str
    published: float
    low: float
    median: float
    high: float

    @property
    def inside(self) -> bool:
        """Whether the published number is within the cohorts' central interval."""
        return self.low <= self.published <= self.high


def known(sex: str) -> dict[str, ParameterValue]:
    """Return what is known of patients of one sex: one molecule, and spread masses."""
    values = pentixather.values(REGIONS, body=reference_body(sex))
    values = pentixather.one_molecule(values)
    for organ, cv in MASS_CV.items():
        stated = values[f"volume_{organ}"]
        assert isinstance(stated, Value)
        values[f"volume_{organ}"] = log_normal(
            stated.value,
            log_sd_of_cv(cv),
            "L",
            f"{stated.source}; CV {cv:g}",
            Certainty.JUDGEMENT,
        )
    return values


def patients(n_patients: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Draw patients, every second one a woman; return their parameters and sexes."""
    sexes = np.array(SEXES)[np.arange(n_patients) % len(SEXES)]
    drawn = [
        draw_values(known(sex), n_patients, seed + i) for i, sex in enumerate(SEXES)
    ]
    joined = {
        name: np.where(sexes == SEXES[0], drawn[0][name], drawn[1][name])
        for name in drawn[0]
    }
    return joined, sexes


def schedule(label: str, activity_MBq: float, mass_ug: float) -> Schedule:
    """Return one bolus of pentixather."""
    molar = LIGANDS["pentixather"].molar_mass_g_per_mol.value
    given = Administration(
        0.0,
        0.0,
        "pentixather",
        label,
        activity_MBq,
        ligand_mass_ug=mass_ug,
        molar_mass_g_per_mol=molar,
    )
    return Schedule((given,))


def simulate_pool(n_patients: int, seed: int) -> Pool:
    """Simulate a pool of patients with everything in `GIVEN`."""
    drawn, sexes = patients(n_patients, seed)
    found: dict[tuple[str, str, str], np.ndarray] = {}
    curves: dict[str, np.ndarray] = {}
    failed = 0
    model = pentixather.model(REGIONS)
    systems: dict[ScheduleForm, System] = {}
    for name, (label, activity, mass) in GIVEN.items():
        given = schedule(label, activity, mass)
        if given.form not in systems:
            systems[given.form] = assemble(model, given.form)
        system = systems[given.form]
        sets = gather_sets(
            simulate_sets(system, drawn, given, TIMES_H, observables=READ)
        )
        failed += len(sets.failures)
        shown = dict(sets.observables)
        shown["kidneys"] = shown["kidney_left"] + shown["kidney_right"]
        decay = nuclide(label).decay_constant_per_h
        for organ in (*MASS_CV, "tumour"):
            hours = areas(shown[organ], decay) / activity
            dose = hours * 1e3 * s_values(organ, label, sexes, drawn)
            found["dose", organ, name] = dose
        if label != "Lu-177":
            continue
        for organ in MASS_CV:
            for window, scans in WINDOWS.items():
                found["effective_half_life", organ, window] = half_lives(
                    shown[organ], scans
                )
            found["terminal_half_life", organ, name] = half_lives(
                shown[organ], TERMINAL_H
            )
        corrected = np.exp(decay * TIMES_H) * (100.0 / activity)
        curves = {organ: shown[organ] * corrected for organ in shown}
        found["uptake_per_kidney", "kidneys", name] = (
            curves["kidneys"].max(axis=1) / 2.0
        )
    return Pool(found, curves, failed)


def areas(activity_MBq: np.ndarray, decay_per_h: float) -> np.ndarray:
    """Return time integrals, MBq h: trapezoids, then physical decay alone."""
    steps = np.diff(TIMES_H)
    middle = (activity_MBq[:, 1:] + activity_MBq[:, :-1]) / 2.0
    return middle @ steps + activity_MBq[:, -1] / decay_per_h


def half_lives(activity_MBq: np.ndarray, scans_h: np.ndarray = SCANS_H) -> np.ndarray:
    """Return effective half-lives of 177Lu, h, at most its physical one."""
    at = np.searchsorted(TIMES_H, scans_h)
    return criterion.effective_half_life(scans_h, activity_MBq[:, at].T)


def s_values(
    organ: str, label: str, sexes: np.ndarray, drawn: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Return each patient's self-dose S-value, Gy/(MBq h); 1 L of an organ is 1 kg."""
    masses = 1e3 * drawn[f"volume_{organ}"]
    each = [_at_mass(organ, label, sex, masses) for sex in SEXES]
    return np.where(sexes == SEXES[0], each[0], each[1])


def _at_mass(organ: str, label: str, sex: str, masses_g: np.ndarray) -> np.ndarray:
    return np.asarray(require_s_value(organ, label, sex).at_mass(masses_g))


def published() -> list[dict[str, str]]:
    """Return the rows of the published table."""
    return reference_tables.rows("haenscheid2022")


def compare(pool: Pool, n_cohorts: int, seed: int) -> list[Row]:
    """Draw cohorts from the pool and hold the published numbers against them."""
    rows = []
    for entry in published():
        row = (entry["quantity"], entry["organ"], entry["label"])
        for (quantity, organ, name), values in pool.found.items():
            if (quantity, organ, name.partition(",")[0]) != row:
                continue
            rows += [
                Row(
                    quantity,
                    organ,
                    name,
                    STATISTICS[verdict.statistic],
                    entry["unit"],
                    verdict.published,
                    verdict.low,
                    verdict.simulated,
                    verdict.high,
                )
                for verdict in criterion.judged(
                    {row: values}, n_cohorts=n_cohorts, seed=seed
                )
            ]
    return rows


def write(rows: list[Row], path: Path) -> None:
    """Write the table."""
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow([f.name for f in fields(Row)] + ["inside"])
        for row in rows:
            entries = [getattr(row, f.name) for f in fields(Row)]
            numbers = [f"{x:.4g}" if isinstance(x, float) else x for x in entries]
            lines.writerow([*numbers, "yes" if row.inside else "no"])


def report(pool: Pool) -> str:
    """Return what no published number is held against: ratios, urine, blood, tumour."""
    lines = []
    for organ in MASS_CV:
        dose = {name: np.median(pool.found["dose", organ, name]) for name in GIVEN}
        lutetium, as_published, as_given = dose.values()
        lines.append(
            f"{organ}: median dose of 90Y over that of 177Lu "
            f"{as_published / lutetium:.2f}; 250 ug over 75 ug "
            f"{as_given / as_published:.3f}"
        )
    lines += [of_half_lives(pool, organ) for organ in MASS_CV]
    day, two = np.searchsorted(TIMES_H, [24.0, 48.0])
    whole, blood = (np.median(pool.curves[n], axis=0) for n in ("whole_body", "blood"))
    fall = np.log(pool.curves["blood"][:, day] / pool.curves["blood"][:, two])
    half = (TIMES_H[two] - TIMES_H[day]) * np.log(2.0) / fall
    low, median, high = np.percentile(half, [2.5, 50.0, 97.5])
    tumour = pool.found["dose", "tumour", "Y-90, 75 ug"]
    dose = np.percentile(tumour, [2.5, 50.0, 97.5])
    lines += [
        f"excreted by 24 h: {100.0 - whole[day]:.0f} %; blood at 24 h "
        f"{blood[day]:.1f} %/L; half-life in blood from 24 to 48 h {median:.1f} h "
        f"({low:.1f} to {high:.1f})",
        "liver, 90Y over 177Lu, at a release of 0.0020 /h (109 h) and of none: "
        f"{liver_ratio(0.0020):.2f}, {liver_ratio(0.0):.2f}",
        f"tumour of 50 mL, 90Y: {dose[1]:.1f} Gy/GBq ({dose[0]:.1f} to {dose[2]:.1f})",
        f"patients that could not be solved: {pool.failed}",
    ]
    return "\n".join(lines)


def of_half_lives(pool: Pool, organ: str) -> str:
    """Return what terminal half-lives are, and how many scans show no washout."""
    decay = nuclide("Lu-177").decay_constant_per_h
    terminal = pool.found["terminal_half_life", organ, "Lu-177"]
    low, median, high = np.percentile(terminal, [2.5, 50.0, 97.5])
    line = f"{organ}: from 300 to 400 h {median:.0f} h ({low:.0f} to {high:.0f})"
    for window in WINDOWS:
        found = pool.found["effective_half_life", organ, window]
        share = 100.0 * np.mean(found * decay > 0.9999 * np.log(2.0))
        line += f"; no washout seen, {window}: {share:.1f} %"
    if organ in RELEASE:
        release = typical(known("male"))[RELEASE[organ]]
        line += f"; washout alone, at the median {np.log(2) / (release + decay):.0f} h"
    if organ in ("kidneys", "liver"):
        seen = pool.curves[organ][:200, np.searchsorted(TIMES_H, TWO_PHASE_H)]
        found = criterion.two_phase_half_life(TWO_PHASE_H, seen.T)
        line += f"; two exponentials {found.mean():.0f} h, {np.median(found):.0f} h"
    return line


def liver_ratio(release_per_h: float, n_patients: int = 200) -> float:
    """Return the liver's median dose of 90Y over that of 177Lu at another release."""
    drawn, sexes = patients(n_patients, SEED)
    drawn["liver_release"] = np.full(n_patients, release_per_h)
    medians = []
    for label in ("Y-90", "Lu-177"):
        given = schedule(label, 1.0, 75.0)
        system = assemble(pentixather.model(REGIONS), given.form)
        found = simulate_sets(system, drawn, given, TIMES_H, observables=READ)
        shown = gather_sets(found).observables["liver"]
        hours = areas(shown, nuclide(label).decay_constant_per_h)
        medians.append(np.median(hours * s_values("liver", label, sexes, drawn)))
    return float(medians[0] / medians[1])


def draw(pool: Pool, rows: list[Row], path: Path) -> None:
    """Draw published numbers within cohorts, and curves of the median patient."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(
        1, 2, figsize=(10.5, 5.0), width_ratios=(1.5, 1.0), layout="constrained"
    )
    doses = [r for r in rows if r.quantity == "dose" and "250" not in r.given]
    places = list(dict.fromkeys((r.organ, r.given) for r in doses))
    for row in doses:
        colour, marker = COLOURS[row.statistic]
        shift = {"minimum": -0.2, "maximum": 0.2}.get(row.statistic, 0.0)
        at = places.index((row.organ, row.given)) + shift
        left.plot([row.low, row.high], [at, at], color=colour, lw=5, alpha=0.35)
        left.plot(row.published, at, marker, color=colour, ms=6, mec="black", mew=0.6)
    for statistic, (colour, marker) in COLOURS.items():
        share = "95" if statistic == "median" else "99"
        label = f"published {statistic}; central {share} % of the cohorts'"
        left.plot([], [], marker, color=colour, mec="black", mew=0.6, label=label)
    names = [f"{o.replace('_', ' ')}, {g.partition(',')[0]}" for o, g in places]
    left.set_yticks(range(len(places)), names)
    left.invert_yaxis()
    left.set_xscale("log")
    left.set_xticks(TICKS_GY, [f"{x:g}" for x in TICKS_GY])
    left.minorticks_off()
    left.set_xlabel("absorbed dose, Gy/GBq")
    left.legend(loc="upper center", bbox_to_anchor=(0.5, 1.2), fontsize=8)
    for organ, (colour, style) in CURVES.items():
        low, median, high = np.percentile(pool.curves[organ], [25, 50, 75], axis=0)
        right.plot(TIMES_H, median, style, color=colour, label=organ.replace("_", " "))
        right.fill_between(TIMES_H, low, high, color=colour, alpha=0.15, lw=0)
    right.set_xlim(0.0, 168.0)
    right.set_ylim(0.0)
    right.set_xticks(np.arange(0, 169, 24))
    right.set_xlabel("time after injection, h")
    right.set_ylabel("% of the administered activity, corrected for decay")
    right.legend(frameon=False, title="median, middle half", fontsize=8)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(argv: list[str] | None = None) -> None:
    """Simulate, print and write the table, and draw where matplotlib is installed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=PATIENTS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write into")
    asked = parser.parse_args(argv)
    pool = simulate_pool(asked.patients, asked.seed)
    rows = compare(pool, COHORTS, asked.seed)
    print(f"{'':50}published  cohorts: median (interval)")
    for r in rows:
        name = f"{r.quantity} {r.organ}, {r.given}: {r.statistic}, {r.unit}"
        cohorts = f"{r.median:8.2f} ({r.low:.2f} to {r.high:.2f})"
        print(f"{name:50}{r.published:9.2f}{cohorts}{'' if r.inside else '  OUTSIDE'}")
    print(report(pool))
    write(rows, asked.out / "cohorts.csv")
    if importlib.util.find_spec("matplotlib") is None:
        print("matplotlib is not installed: no figure (install the dev requirements)")
    else:
        draw(pool, rows, asked.out / "figures" / "cohorts.png")


if __name__ == "__main__":
    main()
