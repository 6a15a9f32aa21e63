"""Stiff problems with solutions from the literature, as any kernel takes them.

Each is `Equations`, a `Problem`, and the true states at its times.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy
from pbpk12_model import PLASMA_IN_KIDNEY, TRUE_VALUES

from pkmodels.kernels.equations import Equations
from pkmodels.kernels.problem import Problem, Tangents


@dataclass(frozen=True)
class StiffProblem:
    """A problem, and the truth, (n_times, n_states).

    A solve to 1e-9 a step stays within the relative error `reachable`, in controls that
    let states fall below 0.
    """

    equations: Equations
    problem: Problem
    truth: np.ndarray
    reachable: float


def single(constants: Any, start: Any, scales: Any, times: Any) -> Problem:
    """Return the problem of one segment."""
    return Problem(
        constants=np.asarray(constants, float)[None, :],
        boundaries_h=np.zeros(1),
        keep=np.zeros((1, len(start))),
        added=np.asarray(start, float)[None, :],
        scales=np.asarray(scales, float),
        times_h=np.asarray(times, float),
        places=np.zeros(len(times), np.int64),
    )


def robertson() -> StiffProblem:
    """Three reactions, over fifteen decades of time.

    Hairer and Wanner, Solving Ordinary Differential Equations II (1996), IV.10; the
    values at 1e11 from Mazzia and Magherini, Test Set for Initial Value Problem Solvers
    (University of Bari, release 2.4, 2008), problem ROBER.
    """
    y = sympy.symbols("y1:4")
    slow, fast, fastest = k = sympy.symbols("k1:4")
    first, second, third = slow * y[0], fast * y[1] * y[2], fastest * y[1] ** 2
    change = (second - first, first - second - third, third)
    truth = [[2.083340149701255e-8, 8.333360770334713e-14, 0.9999999791665050]]
    return StiffProblem(
        Equations("robertson", y, k, change, from_zero=False),
        single([0.04, 1e4, 3e7], [1.0, 0.0, 0.0], [1e-6, 1e-12, 1.0], [1e11]),
        np.array(truth),
        2e-7,  # 1e4 and 1e-10 lie on one diagonal: rounding leaves some 8 digits
    )


def hires() -> StiffProblem:
    """High irradiance responses of photomorphogenesis: eight reactants.

    Equations and values as in the Test Set (see `robertson`), problem HIRES.
    """
    y = sympy.symbols("y1:9")
    k = sympy.symbols("k1:12")
    bound = k[0] * y[5] * y[7]
    change = (
        -k[1] * y[0] + k[2] * y[1] + k[3] * y[2] + k[4],
        k[1] * y[0] - k[5] * y[1],
        -k[6] * y[2] + k[2] * y[3] + k[7] * y[4],
        k[3] * y[1] + k[1] * y[2] - k[8] * y[3],
        -k[9] * y[4] + k[2] * y[5] + k[2] * y[6],
        -bound + k[10] * y[3] + k[1] * y[4] - k[2] * y[5] + k[10] * y[6],
        bound - sympy.Float("1.81") * y[6],
        -bound + sympy.Float("1.81") * y[6],
    )
    constants = [280, 1.71, 0.43, 8.32, 7e-4, 8.75, 10.03, 0.035, 1.12, 1.745, 0.69]
    start = np.zeros(8)
    start[[0, 7]] = 1.0, 0.0057
    truth = [
        0.7371312573325668e-3,
        0.1442485726316185e-3,
        0.5888729740967575e-4,
        0.1175651343283149e-2,
        0.2386356198831331e-2,
        0.6238968252742796e-2,
        0.2849998395185769e-2,
        0.2850001604814231e-2,
    ]
    return StiffProblem(
        Equations("hires", y, k, change, from_zero=False),
        single(constants, start, np.full(8, 1e-3), [321.8122]),
        np.array([truth]),
        1e-8,
    )


def van_der_pol() -> StiffProblem:
    """The oscillator with mu = 1e3, in units of mu: an amount may be negative.

    Equations and values as in the Test Set (see `robertson`), problem VDPOL.
    """
    x, v = y = sympy.symbols("x v")
    (stiffness,) = k = sympy.symbols(["mu"])
    change = (v, stiffness**2 * ((1 - x**2) * v - x))
    truth = [[0.1706167732170483e1, -0.8928097010247975]]
    return StiffProblem(
        Equations("van der pol", y, tuple(k), change, from_zero=False),
        single([1e3], [2.0, 0.0], [1.0, 1.0], [2.0]),
        np.array(truth),
        1e-7,
    )


# The benchmark pbpk12: a made-up patient, amounts in nmol, L, h; `lam` is its own.
PBPK12_CONSTANTS = {**TRUE_VALUES, "lam": 0.004344987590266}
PBPK12_ESTIMATED = ("kon", "RT", "RK", "kintT", "krelT", "krelK", "GFR", "freab")
PBPK12_SHIFTS = (1.1, 0.9, 1.05, 0.95, 1.1, 0.9, 1.05, 0.95)
# At the shifted parameters: integrated to 1e-12 by DOP853, complex-step gradient.
PBPK12_LOG_LIKELIHOOD = 36.536656304757045
PBPK12_GRADIENT = (
    -109.70277820629055,
    30.93459161203156,
    -212.5276242539995,
    22.081987772216905,
    -21.952911427480167,
    306.03110397637255,
    -51.44700530624731,
    -47.72349784517364,
)
_PBPK12_TIMES_H = (
    *(0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 18.0, 24.0, 36.0, 48.0),
    *(72.0, 96.0, 120.0, 144.0, 192.0, 240.0),
)


def pbpk12_equations() -> Equations:
    """Return the twelve states, labelled (s) beside unlabelled (u) in each place."""
    names = "Ps Pu Is Iu Cs Cu Ns Nu Ks Ku Ls Lu"
    states = sympy.symbols(names)
    constants = sympy.symbols(list(PBPK12_CONSTANTS))
    VP, VI, kT, kon, koff, RT, RK, kintT, kintK, krelT, krelK, GFR, freab, lam = (
        constants
    )
    free_tumour = RT - states[4] - states[5]
    free_kidney = RK - states[8] - states[9]
    changes: list[Any] = [None] * 12
    for species in (0, 1):
        P, I, C, N, K, L = states[species::2]  # noqa: E741
        perfusion = kT * (P / VP - I / VI)
        tumour = kon * I / VI * free_tumour - koff * C
        kidney = kon * P / VP * free_kidney - koff * K
        filtration = GFR * P / VP
        changes[species::2] = [
            -perfusion - kidney - filtration + krelK * L,
            perfusion - tumour + krelT * N,
            tumour - kintT * C,
            kintT * C - krelT * N,
            kidney - kintK * K,
            kintK * K + freab * filtration - krelK * L,
        ]
    for labelled in range(0, 12, 2):
        changes[labelled] -= lam * states[labelled]
        changes[labelled + 1] += lam * states[labelled]
    return Equations(
        "pbpk12", states, tuple(constants), tuple(changes), from_zero=False
    )


def pbpk12_problem(factors: Any = (1.0,) * 8) -> Problem:
    """Return the course, with the estimated parameters times some factors."""
    constants = dict(PBPK12_CONSTANTS)
    for name, factor in zip(PBPK12_ESTIMATED, factors, strict=True):
        constants[name] *= factor
    start = np.zeros(12)
    start[:2] = 8.0, 92.0
    # The labelled ligand is a small part of all: its own size.
    scales = np.tile([8.0, 92.0], 6)
    return single(list(constants.values()), start, scales, _PBPK12_TIMES_H)


def pbpk12_tangents(problem: Problem) -> Tangents:
    """Return the directions of the logarithms of the estimated parameters."""
    places = [list(PBPK12_CONSTANTS).index(name) for name in PBPK12_ESTIMATED]
    slopes = np.zeros((len(places), 1, len(PBPK12_CONSTANTS)))
    for direction, place in enumerate(places):
        slopes[direction, 0, place] = problem.constants[0, place]
    return Tangents(slopes, np.zeros((len(places), 1)), np.zeros((len(places), 1, 12)))


def pbpk12_truth(repository: Path) -> np.ndarray:
    """Return the published states at the times; skips where they are absent."""
    rows = _pbpk12_table(repository, "reference")
    return np.array([[float(cell) for cell in row[1:]] for row in rows])


def pbpk12_error(states: Any, truth: np.ndarray) -> float:
    """Return the benchmark's measure: relative, with 1e-6 nmol added."""
    return float(np.max(np.abs(np.asarray(states) - truth) / (np.abs(truth) + 1e-6)))


def pbpk12_likelihood(
    repository: Path, states: Any, slopes: Any
) -> tuple[float, np.ndarray]:
    """Return the log-likelihood of the benchmark's data, and its gradient."""
    rows = _pbpk12_table(repository, "data")
    data = np.array([[float(cell) for cell in row[1:]] for row in rows])
    weights = np.zeros((12, 3))
    weights[0, 0] = 1.0 / PBPK12_CONSTANTS["VP"]
    weights[[2, 4, 6], 1] = 1.0
    weights[[8, 10, 0], 2] = 1.0, 1.0, PLASMA_IN_KIDNEY
    curves = np.asarray(states) @ weights
    misfit = np.log(curves / data) / 0.1
    value = -0.5 * misfit**2 - np.log(0.1) - 0.5 * np.log(2.0 * np.pi)
    gradient = -(misfit / 0.1 / curves) * (np.asarray(slopes) @ weights)
    return float(value.sum()), gradient.sum(axis=(1, 2))


def _pbpk12_table(repository: Path, name: str) -> list[list[str]]:
    path = repository.parent / f"shared/reference/benchmark/pbpk12_{name}.csv"
    if not path.exists():
        pytest.skip("needs ../shared/reference, which is no part of the repository")
    lines = path.read_text("utf-8").splitlines()
    return list(csv.reader(line for line in lines if not line.startswith("#")))[1:]
