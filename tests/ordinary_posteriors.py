"""Posteriors as fits of patients give them, of fresh parameters, times and noise.

In units of the prior's sd, z ~ N(0, 1) each. Truth is in closed form for the linear
ones and a long run of NumPyro's NUTS for the others.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.infer.hmc import hmc
from pathological_posteriors import (
    PROBABILITIES,
    Problem,
    Random,
    Truth,
    log_prior,
    truth_of_draws,
)
from scipy.special import ndtri

LUTETIUM_PER_H = 0.004344987590266
CHAINS, WARMUP, KEPT = 8, 500, 1000


# --- densities, by family -----------------------------------------------------------


def log_linear(z: Any, design: Any, seen: Any) -> Any:
    return log_prior(z) - 0.5 * jnp.sum((design @ z - seen) ** 2)


def biexponential(z: Any, times: Any) -> Any:
    """Uptake and clearance: ln A = 1 + z1, ln l1 = -4 + z2, ln l2 = -0.5 + z3."""
    slow, fast = jnp.exp(-4.0 + z[1]), jnp.exp(-0.5 + z[2])
    late = jnp.exp(-(slow + LUTETIUM_PER_H) * times)
    return 1.0 + z[0] + jnp.log(late * -jnp.expm1(-fast * times))


def organs(z: Any, times: Any) -> Any:
    """ln of the activity of each organ, fed by one blood: (n_organs, n_times)."""
    times = times[None, :]
    count = (z.size - 2) // 2
    blood = jnp.log(2.0) / jnp.exp(0.7 * z[1])
    share = jnp.exp(-3.5 + 0.8 * z[2 : 2 + count])[:, None]
    washout = jnp.log(2.0) / jnp.exp(4.1 + z[2 + count :])[:, None]
    difference = blood - washout
    shape = jnp.exp(-washout * times) * -jnp.expm1(-difference * times) / difference
    return jnp.log(share * blood * shape) - LUTETIUM_PER_H * times


def _log_normal(z: Any, log_curve: Any, log_seen: Any, sigma_at: Any) -> Any:
    log_sigma = -2.3 + 0.5 * sigma_at
    wrong = (log_curve - log_seen) * jnp.exp(-log_sigma)
    return log_prior(z) - 0.5 * jnp.sum(wrong**2) - log_seen.size * log_sigma


def log_biexponential(z: Any, times: Any, log_seen: Any) -> Any:
    return _log_normal(z, biexponential(z, times), log_seen, z[3])


def log_organs(z: Any, times: Any, log_seen: Any) -> Any:
    return _log_normal(z, organs(z, times), log_seen, z[0])


FAMILIES: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "linear": (log_linear, ("design", "seen")),
    "biexp": (log_biexponential, ("times", "log_seen")),
    "organs": (log_organs, ("times", "log_seen")),
}


# --- problems -------------------------------------------------------------------------


def linear(random: Random, size: int) -> Problem:
    """20 readings with noise of 5 to 50 %, of sums of `size` log-normal factors."""
    noise = np.exp(random.uniform(np.log(0.05), np.log(0.5)))
    design = random.standard_normal((20, size)) * (random.random((20, size)) < 0.6)
    truth = random.standard_normal(size)
    seen = design @ truth / noise + random.standard_normal(20)
    precision = np.eye(size) + design.T @ design / noise**2
    covariance = np.linalg.inv(precision)
    mean = covariance @ (design.T @ seen) / noise
    sd = np.sqrt(np.diag(covariance))
    exact = Truth(mean, sd, mean + ndtri(PROBABILITIES)[:, None] * sd)
    return Problem(
        "linear", "linear", size, {"design": design / noise, "seen": seen}, exact
    )


def _times(random: Random, count: int) -> np.ndarray:
    early, late = random.uniform(0.3, 2.0), random.uniform(96.0, 200.0)
    inside = np.exp(np.sort(random.uniform(np.log(3.0), np.log(90.0), count - 2)))
    return np.concatenate([[early], inside, [late]])


def biexp(random: Random, size: int, sampler: Any) -> Problem:
    """Seven fresh times of one region."""
    times, z = _times(random, 7), random.standard_normal(size)
    return _noisy(
        "biexp", random, times, np.asarray(biexponential(z, times)), z[3], sampler, size
    )


def organ_exchange(random: Random, size: int, sampler: Any) -> Problem:
    """One to five organs at six fresh times."""
    times, z = _times(random, 6), random.standard_normal(size)
    return _noisy(
        "organs", random, times, np.asarray(organs(z, times)), z[0], sampler, size
    )


def _noisy(
    kind: str,
    random: Random,
    times: np.ndarray,
    log_curve: np.ndarray,
    noise: float,
    sampler: Any,
    size: int,
) -> Problem:
    sigma = np.exp(-2.3 + 0.5 * noise)
    log_seen = log_curve + sigma * random.standard_normal(log_curve.shape)
    data = {"times": times, "log_seen": log_seen}
    seed = int(random.integers(2**31))
    return Problem(kind, kind, size, data, sampler((times, log_seen), seed))


# --- long runs ------------------------------------------------------------------------


def long_run(
    log_density: Callable[..., Any],
    size: int,
    chains: int = CHAINS,
    warmup: int = WARMUP,
    kept: int = KEPT,
) -> Callable[..., Truth]:
    """Return what samples a posterior with NUTS, from the prior or from some places."""
    initialize, step = hmc(
        potential_fn_gen=lambda *data: lambda z: -log_density(z, *data)
    )

    depths: Any = (8, 9)  # during and after the warm-up

    def one(start: Any, key: Any, data: Any) -> Any:
        state = initialize(
            start,
            num_warmup=warmup,
            step_size=0.1,
            max_tree_depth=depths,
            dense_mass=True,
            target_accept_prob=0.9,
            model_args=data,
            rng_key=key,
        )

        def move(state: Any, _: Any) -> Any:
            state = step(state, data)
            return state, state.z

        return jax.lax.scan(move, state, None, length=warmup + kept)[1]

    run = jax.jit(jax.vmap(one, in_axes=(0, 0, None)))

    def sampled(data: Any, seed: int, starts: np.ndarray | None = None) -> Truth:
        if starts is None:
            random = np.random.default_rng(seed)
            starts = 0.5 * random.standard_normal((chains, size))
        keys = jax.random.split(jax.random.PRNGKey(seed), chains)
        z = np.asarray(run(jnp.asarray(starts), keys, data))[:, warmup:]
        means, within = z.mean(axis=1), z.var(axis=1, ddof=1).mean(axis=0)
        ratio = np.sqrt(1.0 + means.var(axis=0, ddof=1) / within)
        if not (ratio < 1.02).all():
            raise ArithmeticError(f"the long run did not converge: R-hat {ratio.max()}")
        return truth_of_draws(z.reshape(-1, size))

    return sampled
