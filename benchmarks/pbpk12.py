"""The model that solvers are timed on: a labelled peptide in plasma, tumour, kidney.

Its states, in nmol: labelled (s) and unlabelled (u) ligand in plasma (P), in the
interstitium of a tumour (I), bound to the tumour's receptors (C), internalized there
(N), bound in the kidney (K) and internalized there (L). A labelled state decays into
its unlabelled twin, so that the occupancy of receptors is kept. Hours and litres.

All numbers are a made-up patient's: they define the benchmark, and are of no source.
"""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import sympy
from scipy.integrate import solve_ivp

from pkmodels.kernels.equations import Equations
from pkmodels.kernels.problem import Problem, Tangents

STATES = ("Ps", "Pu", "Is", "Iu", "Cs", "Cu", "Ns", "Nu", "Ks", "Ku", "Ls", "Lu")
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
    "lam": 0.004344987590266,
}
START = np.array([8.0, 92.0, *[0.0] * 10])
# Every 0.1 to 240 h; those of the posterior problem are fewer.
TIMES_H = np.array(
    [0.1, 0.25, 0.5, 1, 2, 3, 4, 6, 8, 12, 18, 24, 36, 48, 72, 96, 120, 144, 192, 240]
)
POSTERIOR_TIMES_H = np.array([0.5, 1.0, 4.0, 24.0, 48.0, 96.0, 168.0])

# The estimated parameters, on a logarithmic scale.
ESTIMATED = ("kon", "RT", "RK", "kintT", "krelT", "krelK", "GFR", "freab")
TRUE_LOG = np.log([VALUES[name] for name in ESTIMATED])
PRIOR_SD = 0.5
# Where the gradient is evaluated.
SHIFTED_LOG = TRUE_LOG + np.log([1.1, 0.9, 1.05, 0.95, 1.1, 0.9, 1.05, 0.95])
NOISE_SD = 0.1
# What a normal density is divided by, as a logarithm.
LOG_NORM = np.log(NOISE_SD) + 0.5 * np.log(2.0 * np.pi)
# Integrated to 1e-12, derivatives by complex steps, by the benchmark's authors.
LOG_LIKELIHOOD = 36.536656304757045
GRADIENT = np.array(
    [
        -109.70277820629055,
        30.93459161203156,
        -212.5276242539995,
        22.081987772216905,
        -21.952911427480167,
        306.03110397637255,
        -51.44700530624731,
        -47.72349784517364,
    ]
)

# Rows: concentration in plasma, tumour, and kidney with the plasma in its reading.
OBSERVED = np.zeros((3, len(STATES)))
OBSERVED[0, 0] = 1.0 / VALUES["VP"]
OBSERVED[1, [2, 4, 6]] = 1.0
OBSERVED[2, [8, 10, 0]] = (1.0, 1.0, 0.05)

ESTIMATED_PLACES = [list(VALUES).index(name) for name in ESTIMATED]
_REFERENCE = (
    Path(__file__).resolve().parents[2] / "shared/reference/benchmark"
    "/pbpk12_reference.csv"
)
# Below this an amount counts by its absolute error.
_FLOOR_NMOL = 1e-6


def derivatives(states: Any, constants: Any) -> list[Any]:
    """Return dy/dt, in nmol/h, of numbers, arrays or symbols of any library."""
    Ps, Pu, Is, Iu, Cs, Cu, Ns, Nu, Ks, Ku, Ls, Lu = states
    VP, VI, kT, kon, koff, RT, RK, kintT, kintK, krelT, krelK, GFR, freab, lam = (
        constants
    )
    free_tumour = RT - Cs - Cu
    free_kidney = RK - Ks - Ku

    def move(P, I, C, N, K, L):  # noqa: E741
        perfused = kT * (P / VP - I / VI)
        bound_tumour = kon * I / VI * free_tumour - koff * C
        bound_kidney = kon * P / VP * free_kidney - koff * K
        filtered = GFR * P / VP
        return (
            -perfused - bound_kidney - filtered + krelK * L,
            perfused - bound_tumour + krelT * N,
            bound_tumour - kintT * C,
            kintT * C - krelT * N,
            bound_kidney - kintK * K,
            kintK * K + freab * filtered - krelK * L,
        )

    changes = []
    labelled = (Ps, Is, Cs, Ns, Ks, Ls)
    moves = zip(move(*labelled), move(Pu, Iu, Cu, Nu, Ku, Lu), labelled, strict=True)
    for of_labelled, of_unlabelled, state in moves:
        changes += [of_labelled - lam * state, of_unlabelled + lam * state]
    return changes


def equations() -> Equations:
    """Return the equations in symbols."""
    states, constants = sympy.symbols(STATES), sympy.symbols(tuple(VALUES))
    return Equations(
        name="pbpk12",
        states=states,
        constants=constants,
        derivatives=tuple(derivatives(states, constants)),
        from_zero=False,
    )


def constants_of(log_values: np.ndarray) -> np.ndarray:
    """Return all constants, (..., 14), of the estimated parameters' logs, (..., 8)."""
    constants = np.empty((*log_values.shape[:-1], len(VALUES)))
    constants[...] = list(VALUES.values())
    constants[..., ESTIMATED_PLACES] = np.exp(log_values)
    return constants


def problem_of(constants: Any, times_h: np.ndarray = TIMES_H) -> Problem:
    """Return the course with constants (..., 14), of NumPy or JAX.

    Scales are 1 nmol, as the absolute tolerances of the others are.
    """
    return Problem(
        constants=constants[..., None, :],
        boundaries_h=np.zeros(1),
        keep=np.zeros((1, len(STATES))),
        added=START[None, :],
        scales=np.ones(len(STATES)),
        times_h=times_h,
        places=np.zeros(len(times_h), np.int64),
    )


def batch_of(constants: np.ndarray, times_h: np.ndarray) -> Problem:
    """Return many courses, of constants (n, 14): every array with the leading axis."""
    count = len(constants)
    single = problem_of(constants[0], times_h)
    repeated = (np.repeat(array[None], count, axis=0) for array in single)
    return Problem(*repeated)._replace(constants=constants[:, None, :])


def tangents_of(constants: Any) -> Tangents:
    """Return the directions of the 8 logs, for constants (..., 14).

    The derivative of a parameter by its own log is the parameter.
    """
    chosen = np.zeros((len(ESTIMATED), len(VALUES)))
    chosen[np.arange(len(ESTIMATED)), ESTIMATED_PLACES] = 1.0
    towards = constants[..., None, None, :] * chosen[:, None, :]
    leading = (*constants.shape[:-1], len(ESTIMATED), 1)
    return Tangents(
        constants=towards,
        boundaries_h=np.zeros(leading),
        added=np.zeros((*leading, len(STATES))),
    )


def prior_draws(count: int, seed: int = 0) -> np.ndarray:
    """Return draws of the 8 logs from the prior of `onepatient`, (count, 8)."""
    draws = np.random.default_rng(seed).standard_normal((count, len(ESTIMATED)))
    return TRUE_LOG + PRIOR_SD * draws


def data_of(states: np.ndarray) -> np.ndarray:
    """Return the measurements, (n_times, 3), of the true states, (n_times, 12)."""
    time, observable = np.indices((len(states), len(OBSERVED)))
    noise = NOISE_SD * np.sin(1.7 * time + 2.3 * observable + 0.5)
    return states @ OBSERVED.T * np.exp(noise)


def log_likelihood(states: Any, data: np.ndarray, log: Any = np.log) -> Any:
    """Return the log-density of the logs of the data; `log` is the states' library's.

    A plain sum over times and observables of a normal log-density with sd 0.1.
    """
    wrong = (log(states @ OBSERVED.T) - np.log(data)) / NOISE_SD
    return (-0.5 * wrong * wrong).sum() - data.size * LOG_NORM


def gradient(
    states: Any, sensitivities: Any, data: np.ndarray, log: Any = np.log
) -> Any:
    """Return the derivatives of the log-likelihood, (8,), from those of the states."""
    observed = states @ OBSERVED.T
    wrong = (log(observed) - np.log(data)) / NOISE_SD**2
    return -((wrong / observed)[None] * (sensitivities @ OBSERVED.T)).sum((1, 2))


def reference_states() -> tuple[np.ndarray, str]:
    """Return the true states at `TIMES_H`, and where they are from."""
    if _REFERENCE.exists():
        lines = _REFERENCE.read_text("utf-8").splitlines()
        rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
        states = np.array([[float(row[name]) for name in STATES] for row in rows])
        return states, "the published reference solution (DOP853 and Radau at 1e-12)"
    return solve_tightly(TRUE_LOG), "SciPy's Radau at 1e-12, solved here"


def solve_tightly(
    log_values: np.ndarray, times_h: np.ndarray = TIMES_H, relative: float = 1e-12
) -> np.ndarray:
    """Return the states, (n_times, 12), by SciPy's Radau with an exact Jacobian."""
    symbols = equations()
    matrix = sympy.Matrix(symbols.derivatives).jacobian(symbols.states)
    jacobian = sympy.lambdify([symbols.states, symbols.constants], matrix, "numpy")
    constants = constants_of(log_values).tolist()
    solved = solve_ivp(
        lambda _, states: derivatives(states, constants),
        (0.0, float(times_h[-1])),
        START,
        method="Radau",
        t_eval=times_h,
        jac=lambda _, states: jacobian(states, constants),
        rtol=relative,
        atol=1e-15,
    )
    if not solved.success:
        raise ArithmeticError(f"Radau did not solve pbpk12: {solved.message}")
    return solved.y.T


def error_of(states: np.ndarray, truth: np.ndarray) -> float:
    """Return the largest |y - truth| / (|truth| + 1e-6 nmol)."""
    return float(np.max(np.abs(states - truth) / (np.abs(truth) + _FLOOR_NMOL)))


def gradient_error_of(found: tuple[float, np.ndarray]) -> float:
    """Return the largest relative error of a log-likelihood and its gradient."""
    ours, truth = np.append(*found), np.append(LOG_LIKELIHOOD, GRADIENT)
    return float(np.max(np.abs(ours / truth - 1.0)))
