"""pbpk12 by brute force: each label and the unlabelled ligand as molecules apart.

The twelve equations of the benchmark problem, written out again by hand for any number
of labels. It imports nothing of ours.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.integrate import solve_ivp

VALUES = {
    "VP": 3.0,
    "VI": 0.05,
    "kT": 0.3,
    "kon": 2.4,
    "koff": 1.2,
    "RT": 20.0,
    "RK": 8.0,
    "kintT": 0.06,
    "kintK": 0.17,
    "krelT": 0.012,
    "krelK": 0.018,
    "GFR": 6.6,
    "freab": 0.02,
}
HALF_LIFE_H = {"Lu-177": 159.528, "Y-90": 64.10, "Ga-68": 67.71 / 60.0}
STATES = ("P", "I", "C", "N", "K", "L")
AVOGADRO = 6.02214076e23


@dataclass(frozen=True)
class Dose:
    """Ligand with at most one label into plasma: MBq and nmol at `start`."""

    start: float
    duration: float
    nmol: float
    label: str | None = None
    MBq: float = 0.0
    decays_in_syringe: bool = True


def decay_constant(label: str) -> float:
    return math.log(2.0) / HALF_LIFE_H[label]


def MBq_per_nmol(label: str) -> float:
    return decay_constant(label) / 3600.0 * AVOGADRO * 1e-9 * 1e-6


def slopes(x: np.ndarray, decay: np.ndarray) -> np.ndarray:
    """dx/dt of x[species, state]; species 0 is unlabelled, where labels decay to."""
    v = VALUES
    plasma, interstitium, bound, inside, kidney, lysosome = x.T
    tumour_free = v["RT"] - bound.sum()
    kidney_free = v["RK"] - kidney.sum()
    perfusion = v["kT"] * (plasma / v["VP"] - interstitium / v["VI"])
    binding = v["kon"] * interstitium / v["VI"] * tumour_free - v["koff"] * bound
    renal = v["kon"] * plasma / v["VP"] * kidney_free - v["koff"] * kidney
    filtered = v["GFR"] * plasma / v["VP"]
    change = np.array(
        [
            -perfusion - renal - filtered + v["krelK"] * lysosome,
            perfusion - binding + v["krelT"] * inside,
            binding - v["kintT"] * bound,
            v["kintT"] * bound - v["krelT"] * inside,
            renal - v["kintK"] * kidney,
            v["kintK"] * kidney + v["freab"] * filtered - v["krelK"] * lysosome,
        ]
    ).T
    lost = decay[:, None] * x
    change -= lost
    change[0] += lost.sum(axis=0)
    return change


def activities(
    doses: list[Dose], labels: tuple[str, ...], times: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return all ligand (nmol) and each label (MBq), (n_times, 6) each."""
    decay = np.array([0.0, *(decay_constant(label) for label in labels)])
    shape = (len(decay), len(STATES))
    edges = sorted(
        {0.0, *(d.start for d in doses), *(d.start + d.duration for d in doses)}
    )
    edges.append(float(times.max()) + 1.0)
    x, found = np.zeros(shape), np.zeros((len(times), *shape))

    def hot(dose: Dose) -> float:
        return dose.MBq / MBq_per_nmol(dose.label) if dose.label else 0.0

    def rate(t: float, left: float) -> np.ndarray:
        into = np.zeros(shape)
        for dose in doses:
            if dose.duration > 0 and dose.start <= left < dose.start + dose.duration:
                row = labels.index(dose.label) + 1 if dose.label else 0
                fall = decay[row] if dose.decays_in_syringe else 0.0
                labelled = hot(dose) * math.exp(-fall * (t - dose.start))
                into[row, 0] += labelled / dose.duration
                into[0, 0] += (dose.nmol - labelled) / dose.duration
        return into

    for left, right in pairwise(edges):
        for dose in doses:
            if dose.duration == 0 and dose.start == left:
                row = labels.index(dose.label) + 1 if dose.label else 0
                x[row, 0] += hot(dose)
                x[0, 0] += dose.nmol - hot(dose)
        here = (times >= left) & (times < right)
        solution = solve_ivp(
            lambda t, y, left=left: (
                slopes(y.reshape(shape), decay) + rate(t, left)
            ).ravel(),
            (left, right),
            x.ravel(),
            method="Radau",
            t_eval=[*times[here], right],
            rtol=1e-10,
            atol=1e-14,
        )
        assert solution.success
        values = solution.y.T.reshape(-1, *shape)
        found[here], x = values[:-1], values[-1]
    by_label = {
        label: found[:, i + 1] * MBq_per_nmol(label) for i, label in enumerate(labels)
    }
    return found.sum(axis=1), by_label
