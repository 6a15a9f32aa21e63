"""One half-life from a few scans: its energy, its posterior on a grid, and simulation.

Typed anew from the worked example of pkmodels.fitting; imports nothing of ours.
"""

import math

import numpy as np

LU177 = math.log(2.0) / (6.6443 * 24.0)
MEDIAN_H, LOG_SD, NOISE_SCALE, LEAST = 60.0, 1.0, 0.1, 0.01
# Of the grid: ln of the half-life, then ln of the noise.
N_HALF_LIVES, N_NOISES = 6001, 201


def simulate(generator, times: np.ndarray) -> tuple[float, np.ndarray]:
    """Draw ln of a half-life and a noise from their priors, and ln of what is seen."""
    log_half_life = math.log(MEDIAN_H) + LOG_SD * generator.standard_normal()
    noise = abs(NOISE_SCALE * generator.standard_normal())
    scatter = math.hypot(noise, LEAST) * generator.standard_normal(times.size)
    return log_half_life, curve(log_half_life, times) + scatter


def curve(log_half_life: float, times: np.ndarray) -> np.ndarray:
    """Return ln of 100 MBq that are released and decay."""
    rate = math.log(2.0) / math.exp(log_half_life) + LU177
    return math.log(100.0) - rate * times


def energy(
    x: np.ndarray, times: np.ndarray, seen: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return -ln of the density without the prior of the half-life, at (ln h, ln s).

    And its gradient, and its curvature after Gauss and Newton (of the noise: Fisher's).
    """
    noise = math.exp(x[1])
    variance = noise**2 + LEAST**2
    left = seen - curve(x[0], times)
    slope = math.log(2.0) / math.exp(x[0]) * times  # of the curve, in ln h
    share = noise**2 / variance
    of_noise = (noise / NOISE_SCALE) ** 2
    value = (
        0.5 * times.size * math.log(variance)
        + 0.5 * float(left @ left) / variance
        + 0.5 * of_noise
        - x[1]
    )
    gradient = np.array(
        [
            -float(left @ slope) / variance,
            share * (times.size - float(left @ left) / variance) + of_noise - 1.0,
        ]
    )
    curvature = np.diag(
        [
            float(slope @ slope) / variance,
            2.0 * share**2 * times.size + 2.0 * of_noise,
        ]
    )
    return value, gradient, curvature


def on_a_grid(
    times: np.ndarray, seen: np.ndarray, *, with_prior: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ln of half-lives and of noises, and the posterior's share of each pair."""
    log_h = math.log(MEDIAN_H) + LOG_SD * np.linspace(-4.0, 4.0, N_HALF_LIVES)
    log_s = np.linspace(math.log(1e-4), math.log(0.7), N_NOISES)
    rates = math.log(2.0) / np.exp(log_h) + LU177
    left = seen - math.log(100.0) + rates[:, None] * times
    squares = (left**2).sum(axis=1)[:, None]
    noise = np.exp(log_s)
    variance = noise**2 + LEAST**2
    logs = (
        -0.5 * times.size * np.log(variance)
        - 0.5 * squares / variance
        - 0.5 * (noise / NOISE_SCALE) ** 2
        + log_s
    )
    if with_prior:
        logs = logs - 0.5 * (((log_h - math.log(MEDIAN_H)) / LOG_SD) ** 2)[:, None]
    shares = np.exp(logs - logs.max())
    return log_h, log_s, shares / shares.sum()


def draw(generator, times: np.ndarray, seen: np.ndarray, count: int) -> np.ndarray:
    """Return draws of the posterior, (count, 2), from the grid."""
    log_h, log_s, shares = on_a_grid(times, seen, with_prior=True)
    chosen = generator.choice(shares.size, count, p=shares.ravel())
    i, j = np.unravel_index(chosen, shares.shape)
    return np.stack([log_h[i], log_s[j]], axis=1)


def interval(
    times: np.ndarray, seen: np.ndarray, level: float, *, with_prior: bool
) -> np.ndarray:
    """Return the equal-tailed interval of the half-life, the noise integrated out."""
    log_h, _, shares = on_a_grid(times, seen, with_prior=with_prior)
    share = shares.sum(axis=1)
    cumulative = np.cumsum(share) - share / 2.0
    tail = (1.0 - level) / 2.0
    return np.exp(np.interp([tail, 1.0 - tail], cumulative, log_h))
