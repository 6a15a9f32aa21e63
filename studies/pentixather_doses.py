"""Doses of virtual patients, as the studies of `pentixather` calculate them.

Patients, masses of organs, S-values and the grid of times are those of
`studies/pentixather_cohort`; all doses are of each organ's own activity.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from pkmodels.dosimetry.radiobiology import KIDNEY_DOSE_LIMIT
from pkmodels.models import pentixather
from pkmodels.nuclides import nuclide
from pkmodels.populations import gather_sets, simulate_sets
from pkmodels.schedule import Schedule, ScheduleForm
from pkmodels.system import System, assemble
from pkmodels.values import draw_values, typical
from studies.pentixather_cohort import study as cohort

ORGANS = ("kidneys", "red_marrow", "spleen", "liver", "tumour")
KIDNEY_LIMIT_GY = KIDNEY_DOSE_LIMIT.value
ENDS = ("median", "low", "high")
# Doses are per GBq: little, so that a trace of ligand can carry it.
ACTIVITY_MBQ = 1.0
RECEPTOR_ORGANS = ("spleen", "red_marrow", "adrenals", "tumour")
# Okabe and Ito: told apart by readers who see no red and green.
STYLES = {
    "kidneys": ("#0072b2", "-"),
    "red_marrow": ("#009e73", "-."),
    "spleen": ("#cc79a7", ":"),
    "liver": ("#e69f00", (0, (5, 1))),
    "tumour": ("#d55e00", "--"),
}


@dataclass(frozen=True, eq=False)
class Patients:
    """Virtual patients.

    Parameters
    ----------
    parameters : mapping of str to (n_patients,) array
        Every parameter of the model.
    sexes : (n_patients,) array of str
        For S-values.
    """

    parameters: Mapping[str, np.ndarray]
    sexes: np.ndarray

    def __len__(self) -> int:
        """Return the number of patients."""
        return len(self.sexes)


def drawn(n_patients: int, seed: int) -> Patients:
    """Return patients that differ in their bodies, with one molecule in all."""
    return Patients(*cohort.patients(n_patients, seed))


def with_molecules(patients: Patients, seed: int) -> Patients:
    """Return the patients, each with constants of the molecule from their priors."""
    known = pentixather.values(cohort.REGIONS)
    of_molecule = {n: known[n] for n in pentixather.MOLECULAR if n in known}
    return changed(patients, draw_values(of_molecule, len(patients), seed))


def reference_man() -> Patients:
    """Return one man with every parameter at its median."""
    medians = typical(cohort.known("male"))
    return Patients(
        {name: np.array([value]) for name, value in medians.items()}, np.array(["male"])
    )


def changed(patients: Patients, values: Mapping[str, float | np.ndarray]) -> Patients:
    """Return the patients with other values of some parameters."""
    unknown = set(values) - set(patients.parameters)
    if unknown:
        raise KeyError(f"no parameters of the model: {sorted(unknown)}")
    columns = {
        name: np.broadcast_to(np.asarray(value, float), len(patients)).copy()
        for name, value in values.items()
    }
    return replace(patients, parameters={**patients.parameters, **columns})


def scaled(patients: Patients, factors: Mapping[str, float]) -> Patients:
    """Return the patients with some parameters times a factor."""
    return changed(
        patients, {name: f * patients.parameters[name] for name, f in factors.items()}
    )


def joined(groups: Sequence[Patients]) -> Patients:
    """Return several groups as one, to be solved together."""
    names = groups[0].parameters
    return Patients(
        {n: np.concatenate([g.parameters[n] for g in groups]) for n in names},
        np.concatenate([g.sexes for g in groups]),
    )


def bolus(label: str, mass_ug: float) -> Schedule:
    """Return one bolus on some mass of pentixather."""
    return cohort.schedule(label, ACTIVITY_MBQ, mass_ug)


@cache
def _system(form: ScheduleForm) -> System:
    return assemble(pentixather.model(cohort.REGIONS), form)


def activities(
    patients: Patients, given: Schedule, times_h: np.ndarray = cohort.TIMES_H
) -> dict[str, np.ndarray]:
    """Return each organ's activity over time, MBq (blood: MBq/L)."""
    sets = gather_sets(
        simulate_sets(
            _system(given.form),
            patients.parameters,
            given,
            times_h,
            observables=cohort.READ,
        )
    )
    if sets.failures:
        raise RuntimeError(f"patients that could not be solved: {sets.failures}")
    found = dict(sets.observables)
    found["kidneys"] = found["kidney_left"] + found["kidney_right"]
    return found


def s_values(patients: Patients, label: str, organ: str) -> np.ndarray:
    """Return each patient's self-dose S-value, Gy/(MBq h)."""
    return cohort.s_values(organ, label, patients.sexes, patients.parameters)


def doses(patients: Patients, given: Schedule) -> dict[str, np.ndarray]:
    """Return each organ's dose, Gy per GBq given."""
    return doses_of(patients, given, activities(patients, given))


def doses_of(
    patients: Patients, given: Schedule, curves: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return each organ's dose, Gy per GBq, of activities at `cohort.TIMES_H`."""
    (label,) = given.labels
    decay = nuclide(label).decay_constant_per_h
    activity = sum(a.activity_MBq for a in given.administrations)
    return {
        organ: cohort.areas(curves[organ], decay)
        * s_values(patients, label, organ)
        * (1e3 / activity)
        for organ in ORGANS
    }


def summary(values: np.ndarray) -> tuple[float, float, float]:
    """Return the median and the ends of the central 95 % of patients."""
    low, median, high = np.percentile(values, [2.5, 50.0, 97.5])
    return float(median), float(low), float(high)


@dataclass(frozen=True)
class Row:
    """A number of a study's table: the median and central 95 % of patients."""

    case: str
    quantity: str
    median: float
    low: float
    high: float

    def shown(self, digits: int = 0) -> str:
        """Return the median and, where they differ, the ends."""
        middle, low, high = (
            f"{round(x, digits) + 0.0:.{digits}f}"  # no "-0.0"
            for x in (self.median, self.low, self.high)
        )
        return middle if low == high == middle else f"{middle} ({low} to {high})"


def row(case: str, quantity: str, values: np.ndarray) -> Row:
    """Return the row of what was found in some patients."""
    return Row(case, quantity, *summary(values))


def write(rows: Iterable[Row], path: Path) -> None:
    """Write a table, numbers to five digits."""
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(["case", "quantity", "median", "low", "high"])
        for r in rows:
            numbers = (f"{x:.5g}" for x in (r.median, r.low, r.high))
            lines.writerow([r.case, r.quantity, *numbers])


def read(path: Path) -> list[Row]:
    """Return the rows of a written table."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Row(r["case"], r["quantity"], *(float(r[n]) for n in ENDS))
            for r in csv.DictReader(file)
        ]


def find(rows: Iterable[Row], case: str, quantity: str) -> Row:
    """Return the one row of a case and a quantity."""
    (found,) = (r for r in rows if (r.case, r.quantity) == (case, quantity))
    return found


def markdown(
    rows: Sequence[Row], cases: Iterable[str], quantities: Iterable[str], digits: int
) -> list[str]:
    """Return lines of a README's table, a case each."""
    names = list(quantities)
    return [
        f"| {case} | "
        + " | ".join(find(rows, case, name).shown(digits) for name in names)
        + " |"
        for case in cases
    ]
