"""Population likelihoods and data by other means; imports nothing of ours."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import lambertw, logsumexp

DATA = Path("/", "work", "shared", "reference", "data", "nlmixr2data")


def read_rows(name: str) -> list[dict[str, str]]:
    """Rows of a table of nlmixr2data, where it is."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"needs {name} of nlmixr2data, which is not part of the project")
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def oral_subjects(name: str) -> list[tuple[str, float, float, np.ndarray, np.ndarray]]:
    """Name, dose, weight, times and concentrations of each subject."""
    rows = read_rows(name)
    if name.startswith("warfarin"):
        rows = [
            {key.upper(): value for key, value in row.items()}
            for row in rows
            if row["dvid"] == "cp"
        ]
    found = []
    for subject in dict.fromkeys(row["ID"] for row in rows):
        own = [row for row in rows if row["ID"] == subject]
        (dose,) = [float(row["AMT"]) for row in own if row["EVID"] != "0"]
        seen = [row for row in own if row["EVID"] == "0"]
        times = np.array([float(row["TIME"]) for row in seen])
        values = np.array([float(row["DV"]) for row in seen])
        found.append((subject, dose, float(own[0]["WT"]), times, values))
    return found


def oral(dose, ka, cl, v, times):
    """One compartment with first-order absorption, closed form."""
    k = cl / v
    return dose * ka / (v * (ka - k)) * (np.exp(-k * times) - np.exp(-ka * times))


def oral_focei(subjects, typical, variances, additive, proportional) -> float:
    """FOCEI's objective of `oral`, NONMEM's convention, by numerical derivatives."""
    precision = np.diag(1.0 / np.asarray(variances))
    total = 0.0
    for _, dose, _, times, values in subjects:

        def predict(eta, dose=dose, times=times):
            ka, cl, v = np.exp(typical + eta)
            return oral(dose, ka, cl, v, times)

        def joint(eta, values=values, predict=predict):
            f = predict(eta)
            variance = additive**2 + (proportional * f) ** 2
            misfit = ((values - f) ** 2 / variance + np.log(variance)).sum()
            return misfit + eta @ precision @ eta + np.log(variances).sum()

        found = minimize(joint, np.zeros(3), method="Nelder-Mead", options=TIGHT)
        found = minimize(joint, found.x, method="Nelder-Mead", options=TIGHT)
        eta, f = found.x, predict(found.x)
        slopes = np.stack(
            [(predict(eta + h) - predict(eta - h)) / 2e-5 for h in 1e-5 * np.eye(3)],
            axis=1,
        )
        variance = additive**2 + (proportional * f) ** 2
        changes = 2.0 * proportional**2 * f[:, None] * slopes / variance[:, None]
        curvature = slopes.T @ (slopes / variance[:, None]) + precision
        curvature += 0.5 * changes.T @ changes
        total += found.fun + np.linalg.slogdet(curvature)[1]
    return total


TIGHT = {"xatol": 1e-9, "fatol": 1e-11, "maxiter": 4000}


def oral_quadrature(subjects, typical, variances, sd, nodes: int) -> float:
    """-2 ln L of `oral` with additive error, by adaptive Gauss-Hermite quadrature."""
    x, w = np.polynomial.hermite.hermgauss(nodes)
    grid = np.stack(np.meshgrid(x, x, x, indexing="ij"), axis=-1).reshape(-1, 3)
    weights = np.prod(
        np.stack(np.meshgrid(w, w, w, indexing="ij"), axis=-1).reshape(-1, 3), axis=1
    )
    total = 0.0
    for _, dose, _, times, values in subjects:

        def log_joint(eta, dose=dose, times=times, values=values):
            ka, cl, v = (
                x[..., None] for x in np.moveaxis(np.exp(typical + eta), -1, 0)
            )
            f = oral(dose, ka, cl, v, times)
            one = -0.5 * ((values - f) ** 2 / sd**2 + np.log(2 * np.pi * sd**2))
            prior = eta**2 / variances + np.log(2 * np.pi * np.asarray(variances))
            return one.sum(axis=-1) - 0.5 * prior.sum(axis=-1)

        mode = minimize(
            lambda eta, log_joint=log_joint: -log_joint(eta), np.zeros(3), tol=1e-10
        ).x
        h = 1e-4
        hessian = np.empty((3, 3))
        for i, a in enumerate(h * np.eye(3)):
            for j, b in enumerate(h * np.eye(3)):
                corners = (mode + a + b, mode + a - b, mode - a + b, mode - a - b)
                four = [float(log_joint(corner)) for corner in corners]
                hessian[i, j] = -(four[0] - four[1] - four[2] + four[3]) / (4 * h * h)
        root = np.linalg.inv(np.linalg.cholesky(hessian)).T
        eta = mode + math.sqrt(2.0) * grid @ root.T
        logs = log_joint(eta) + (grid**2).sum(axis=1) + np.log(weights)
        scale = 1.5 * math.log(2.0) + np.linalg.slogdet(root)[1]
        total += -2.0 * (logsumexp(logs) + scale)
    return float(total)


def michaelis_menten(dose, vmax, km, v, times):
    """Concentration after a bolus with saturable elimination, closed form.

    Schnell and Mendoza, J Theor Biol 1997;187:207-212.
    """
    start = dose / v
    return km * lambertw(start / km * np.exp((start - vmax / v * times) / km)).real


def michaelis_menten_subjects(count, seed):
    """Doses, times and values of a population with known truth.

    V_max, K_m, V typically 2, 1, 3; variances 0.09 and 0.04 of ln V_max and ln V; error
    of 10 % and 0.02.
    """
    generator = np.random.default_rng(seed)
    times = np.array([0.5, 2.0, 5.0, 9.0, 14.0, 20.0])
    found = []
    for n in range(count):
        dose = (10.0, 30.0, 90.0)[n % 3]
        vmax, v = np.array([2.0, 3.0]) * np.exp([0.3, 0.2] * generator.normal(size=2))
        f = michaelis_menten(dose, vmax, 1.0, v, times)
        sd = np.hypot(0.1 * f, 0.02)
        found.append((dose, times, f + sd * generator.normal(size=6)))
    return found
