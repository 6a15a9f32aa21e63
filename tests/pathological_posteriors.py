"""Posteriors made to mislead samplers, whose moments and quantiles are known exactly.

Each is a family of densities in n dimensions, its numbers arguments, under a prior
N(0, 1) in each dimension; truth is in closed form, by quadrature, or by a million exact
draws. The code under test only evaluates them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

PROBABILITIES = np.array([0.025, 0.975])
LOG_2PI = np.log(2.0 * np.pi)
_EXACT_DRAWS = 1_000_000
_MOST_PARTS = 4


@dataclass(frozen=True, eq=False)
class Truth:
    """Exact moments and quantiles of each parameter."""

    mean: np.ndarray
    sd: np.ndarray
    quantiles: np.ndarray


@dataclass(frozen=True, eq=False)
class Problem:
    """One posterior: its kind, its family of densities, its numbers, the truth."""

    kind: str
    family: str
    size: int
    data: Mapping[str, np.ndarray]
    truth: Truth


def log_prior(x: Any, *_: Any) -> Any:
    return -0.5 * jnp.sum(x**2) - 0.5 * x.size * LOG_2PI


def draw_prior(size: int) -> Callable[[int, int, Any], np.ndarray]:
    def draws(count: int, seed: int, _: Any) -> np.ndarray:
        return np.random.default_rng(seed).standard_normal((count, size))

    return draws


# --- densities, by family ---------------------------------------------------------


def log_mixture(x: Any, log_weights: Any, means: Any, whiten: Any) -> Any:
    """Of normals; `whiten` are the inverses of their covariances' Cholesky factors."""
    z = jnp.einsum("kij,kj->ki", whiten, x[None] - means)
    volumes = jnp.sum(jnp.log(jnp.diagonal(whiten, axis1=1, axis2=2)), axis=1)
    return jax.nn.logsumexp(log_weights + volumes - 0.5 * jnp.sum(z**2, axis=1))


def log_banana(x: Any, shift: Any, turn: Any, scales: Any, bend: Any) -> Any:
    """A normal whose second coordinate is bent along the first, then turned."""
    u = turn.T @ (x - shift)
    straight = u.at[1].add(-bend * (u[0] ** 2 / scales[0] ** 2 - 1.0))
    return -0.5 * jnp.sum((straight / scales) ** 2)


def log_funnel(x: Any, shift: Any, scales: Any, spread: Any) -> Any:
    """All coordinates but the first are as wide as exp of the first."""
    u = (x - shift) / scales
    rest = u[1:] * jnp.exp(-spread * u[0])
    return -0.5 * (u[0] ** 2 + jnp.sum(rest**2)) - spread * u[0] * rest.size


def log_ring(x: Any, radius: Any, width: Any, shift: Any) -> Any:
    """A ring in the first two coordinates, heavier on one side; the others normal."""
    u = x - shift
    r = jnp.sqrt(u[0] ** 2 + u[1] ** 2 + 1e-300)
    density = -0.5 * ((r - radius) / width) ** 2 - jnp.log(r) + 0.5 * u[0] / r
    return density - 0.5 * jnp.sum((u[2:] / 0.3) ** 2)


_FLIP_TIMES = np.array([0.5, 1.0, 2.0, 4.0, 8.0, 16.0])


def log_flip(x: Any, log_data: Any, noise: Any) -> Any:
    """Two exponentials of rates that may change places: ln k = -1 + x."""
    rates = jnp.exp(-1.0 + x)
    curve = jnp.exp(-_FLIP_TIMES[:, None] * rates[None]).sum(axis=1)
    wrong = (jnp.log(curve) - log_data) / noise
    # The second is thought to be slower, so that one mode is heavier than the other.
    return log_prior(x) - 0.5 * jnp.sum(wrong**2) + 0.3 * (x[0] - x[1])


FAMILIES: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "mixture": (log_mixture, ("log_weights", "means", "whiten")),
    "banana": (log_banana, ("shift", "turn", "scales", "bend")),
    "funnel": (log_funnel, ("shift", "scales", "spread")),
    "ring": (log_ring, ("radius", "width", "shift")),
    "flip": (log_flip, ("log_data", "noise")),
}


# --- truths -------------------------------------------------------------------------


def truth_of_draws(draws: np.ndarray) -> Truth:
    quantiles = np.quantile(draws, PROBABILITIES, axis=0)
    return Truth(draws.mean(axis=0), draws.std(axis=0), quantiles)


def truth_of_mixture(
    weights: np.ndarray, means: np.ndarray, covariances: np.ndarray
) -> Truth:
    """In closed form; quantiles are roots of a sum of normal distribution functions."""
    spreads = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    mean = weights @ means
    sd = np.sqrt(weights @ (spreads**2 + means**2) - mean**2)
    quantiles = np.empty((len(PROBABILITIES), means.shape[1]))
    for i, (centres, widths) in enumerate(zip(means.T, spreads.T, strict=True)):
        low, high = (centres - 9 * widths).min(), (centres + 9 * widths).max()
        for row, p in enumerate(PROBABILITIES):
            root: Any = brentq(
                lambda q, c=centres, s=widths, p=p: weights @ ndtr((q - c) / s) - p,
                low,
                high,
            )
            quantiles[row, i] = root
    return Truth(mean, sd, quantiles)


def truth_on_grid(log_density: Callable[[Any], Any]) -> Truth:
    """Of two dimensions, by sums over a grid of 1,600 x 1,600."""
    axis = np.linspace(-6.0, 6.0, 1601)
    rows = jax.jit(jax.vmap(jax.vmap(log_density)))
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)
    log = np.concatenate([np.asarray(rows(part)) for part in np.split(points, 1601)])
    mass = np.exp(log - log.max())
    mass /= mass.sum()
    found = []
    for margin in (mass.sum(axis=1), mass.sum(axis=0)):
        mean = margin @ axis
        cumulative = np.cumsum(margin) - 0.5 * margin
        found.append(
            (
                mean,
                np.sqrt(margin @ (axis - mean) ** 2),
                np.interp(PROBABILITIES, cumulative, axis),
            )
        )
    mean, sd, quantiles = zip(*found, strict=True)
    return Truth(np.array(mean), np.array(sd), np.stack(quantiles, axis=1))


# --- kinds ----------------------------------------------------------------------------

Random = np.random.Generator


def _turn(random: Random, size: int) -> np.ndarray:
    return np.linalg.qr(random.standard_normal((size, size)))[0]


def _covariance(random: Random, size: int, smallest: float, largest: float):
    widths = np.exp(random.uniform(np.log(smallest), np.log(largest), size))
    turn = _turn(random, size)
    return (turn * widths**2) @ turn.T


def _mixture(
    kind: str, weights: np.ndarray, means: np.ndarray, covariances: np.ndarray
) -> Problem:
    """Pad to a fixed number of parts, so that one compilation serves all."""
    absent, size = _MOST_PARTS - len(weights), means.shape[1]
    whiten = np.linalg.inv(np.linalg.cholesky(covariances))
    with np.errstate(divide="ignore"):
        log_weights = np.log(np.concatenate([weights, np.zeros(absent)]))
    data = {
        "log_weights": np.maximum(log_weights, -1e4),
        "means": np.concatenate([means, np.zeros((absent, size))]),
        "whiten": np.concatenate([whiten, np.repeat(np.eye(size)[None], absent, 0)]),
    }
    truth = truth_of_mixture(weights, means, covariances)
    return Problem(kind, "mixture", size, data, truth)


def separate_modes(random: Random, size: int) -> Problem:
    """Two to four modes, 5 to 20 of their widths apart, of unlike mass."""
    parts = int(random.integers(2, _MOST_PARTS + 1))
    weights = random.dirichlet(np.full(parts, 1.5))
    weights = np.maximum(weights, 0.02) / np.maximum(weights, 0.02).sum()
    means = random.normal(0.0, 0.9, (parts, size))
    apart = np.linalg.norm(means[0] - means[1]) / np.sqrt(size)
    widest = apart * np.exp(random.uniform(np.log(0.05), np.log(0.2)))
    covariances = np.stack(
        [_covariance(random, size, widest / 3.0, widest) for _ in range(parts)]
    )
    return _mixture("separate modes", weights, means, covariances)


def remote_mass(random: Random, size: int) -> Problem:
    """0.1 to 2 % of the mass 8 to 40 widths away, as narrow or wider."""
    width = np.exp(random.uniform(np.log(0.03), np.log(0.12)))
    share = np.exp(random.uniform(np.log(0.001), np.log(0.02)))
    way = random.standard_normal(size)
    way *= width * random.uniform(8.0, 40.0) / np.linalg.norm(way)
    way *= min(1.0, 2.0 * np.sqrt(size) / np.linalg.norm(way))
    centre = random.normal(0.0, 0.3, size)
    wider = width * random.uniform(0.7, 2.5)
    return _mixture(
        "remote mass",
        np.array([1.0 - share, share]),
        np.stack([centre, centre + way]),
        np.stack(
            [_covariance(random, size, w / 2.0, w) for w in (width, wider)],
        ),
    )


def core_and_halo(random: Random, size: int) -> Problem:
    """A narrow core inside mass that is 4 to 30 times as wide."""
    share = random.uniform(0.1, 0.9)
    halo = random.uniform(0.3, 0.7)
    core = halo / np.exp(random.uniform(np.log(4.0), np.log(30.0)))
    centre = random.normal(0.0, 0.4, size)
    aside = centre + halo * random.normal(0.0, 0.7, size)
    return _mixture(
        "core and halo",
        np.array([1.0 - share, share]),
        np.stack([centre, aside]),
        np.stack(
            [
                _covariance(random, size, 0.6 * halo, halo),
                _covariance(random, size, 0.6 * core, core),
            ]
        ),
    )


def thin_banana(random: Random, size: int) -> Problem:
    """A ridge 0.5 wide and down to 0.005 thin, bent by up to 60 times its thickness."""
    scales = np.exp(random.uniform(np.log(0.05), np.log(0.4), size))
    scales[0] = random.uniform(0.3, 0.6)
    scales[1] = np.exp(random.uniform(np.log(0.005), np.log(0.1)))
    bend = min(scales[1] * np.exp(random.uniform(np.log(2.0), np.log(60.0))), 0.5)
    shift, turn = random.normal(0.0, 0.2, size), _turn(random, size)
    z = random.standard_normal((_EXACT_DRAWS, size))
    u = z * scales
    u[:, 1] += bend * (z[:, 0] ** 2 - 1.0)
    data = {"shift": shift, "turn": turn, "scales": scales, "bend": np.array(bend)}
    return Problem("ridge", "banana", size, data, truth_of_draws(shift + u @ turn.T))


def funnel(random: Random, size: int) -> Problem:
    """Widths that vary by exp(+-0.4) to exp(+-1.5) along the first coordinate."""
    spread = random.uniform(0.4, 1.5)
    scales = random.uniform(0.15, 0.4, size)
    scales[0] = random.uniform(0.4, 0.8)
    shift = random.normal(0.0, 0.3, size)
    z = random.standard_normal((_EXACT_DRAWS, size))
    z[:, 1:] *= np.exp(spread * z[:, :1])
    exact = truth_of_draws(shift + z * scales)
    # In closed form: E exp(2 s v) = exp(2 s^2).
    sd = scales * np.append(1.0, np.full(size - 1, np.exp(spread**2)))
    truth = Truth(shift, sd, exact.quantiles)
    data = {"shift": shift, "scales": scales, "spread": np.array(spread)}
    return Problem("funnel", "funnel", size, data, truth)


def ring(random: Random, size: int) -> Problem:
    """Only a distance is known: a circle of mass, 4 to 40 times as wide as thick."""
    radius = random.uniform(0.5, 1.2)
    width = radius / np.exp(random.uniform(np.log(8.0), np.log(40.0)))
    shift = random.normal(0.0, 0.2, size)
    angle = random.vonmises(0.0, 0.5, _EXACT_DRAWS)
    distance = radius + width * random.standard_normal(_EXACT_DRAWS)
    x = 0.3 * random.standard_normal((_EXACT_DRAWS, size))
    x[:, 0], x[:, 1] = distance * np.cos(angle), distance * np.sin(angle)
    data = {"radius": np.array(radius), "width": np.array(width), "shift": shift}
    return Problem("ring", "ring", size, data, truth_of_draws(shift + x))


def flip_flop(random: Random, _: int) -> Problem:
    """A sum of two exponentials, which does not say which is which."""
    rates = np.exp(-1.0 + random.normal(0.0, 1.0, 2))
    noise = np.exp(random.uniform(np.log(0.03), np.log(0.2)))
    curve = np.exp(-_FLIP_TIMES[:, None] * rates).sum(axis=1)
    log_data = np.log(curve) + noise * random.standard_normal(len(_FLIP_TIMES))
    data = {"log_data": log_data, "noise": np.array(noise)}
    truth = truth_on_grid(lambda x: log_flip(x, log_data, noise))
    return Problem("flip-flop", "flip", 2, data, truth)


# How many of each of a hundred; the sizes take turns.
KINDS: tuple[tuple[Callable[[Random, int], Problem], int], ...] = (
    (separate_modes, 22),
    (remote_mass, 22),
    (core_and_halo, 14),
    (thin_banana, 16),
    (funnel, 12),
    (ring, 6),
    (flip_flop, 8),
)
SIZES = (2, 3, 5, 8, 10)


def problems(seed: int, scale: float = 1.0, needles: bool = False) -> list[Problem]:
    """Return fresh problems of every kind, a hundred at scale 1; or needles instead.

    A needle is a mixture of which a part cannot be found by looking: see `is_needle`.
    """
    random = np.random.default_rng(seed)
    kinds = KINDS[:3] if needles else KINDS
    found = []
    for make, count in kinds:
        for i in range(max(1, round(scale * count))):
            size = SIZES[-1 - i % 3] if needles else SIZES[i % len(SIZES)]
            found.append(_until(make, random, size, needles))
    return found


def _until(
    make: Callable[[Random, int], Problem], random: Random, size: int, needle: bool
) -> Problem:
    while True:
        made = make(random, size)
        if made.family != "mixture" or is_needle(made, random) == needle:
            return made
        if not needle and random.random() < 0.02:  # such parts are needles at this size
            size = max(2, size - 2)


def is_needle(problem: Problem, random: Random) -> bool:
    """Return whether some part is the nearest of fewer than 2 % of all draws.

    Neither a climb from a draw of the prior, or of the rest of the posterior, nor a
    chain then ever meets that part: nothing that only evaluates the density can.
    """
    weights = np.exp(problem.data["log_weights"])
    parts = np.flatnonzero(weights > 1e-9)
    means, whiten = problem.data["means"], problem.data["whiten"]
    reached = np.zeros(len(parts))
    count = 2000
    places = [random.standard_normal((count, problem.size))]
    for k in parts:
        z = random.standard_normal((count, problem.size))
        places.append(means[k] + np.linalg.solve(whiten[k], z.T).T)
    for source, x in enumerate(places):
        log = [
            np.log(weights[k])
            + np.log(np.diag(whiten[k])).sum()
            - 0.5 * (((x - means[k]) @ whiten[k].T) ** 2).sum(axis=1)
            for k in parts
        ]
        nearest = np.argmax(np.stack(log), axis=0)
        for i in range(len(parts)):
            if source != i + 1:
                reached[i] = max(reached[i], np.mean(nearest == i))
    return bool(reached.min() < 0.02)
