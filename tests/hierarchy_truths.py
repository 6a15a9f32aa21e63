"""Hierarchical posteriors by other means; imports nothing of ours."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.infer import MCMC, NUTS, init_to_value
from scipy.special import logsumexp


def sampled(model, *arguments, seed=0, draws=1500):
    """Draws of a NumPyro model, all chains in one, by name."""
    # From the prior's medians: from elsewhere an oral model's chain may stay at its
    # mirror image, ka and CL/V exchanged, a mode of next to no probability.
    start = init_to_value(values={"typical": jnp.array([0.5, 1.0, 3.5])})
    kernel = NUTS(model, target_accept_prob=0.95, init_strategy=start)
    run = MCMC(
        kernel,
        num_warmup=800,
        num_samples=draws,
        num_chains=2,
        chain_method="vectorized",
        progress_bar=False,
    )
    run.run(jax.random.PRNGKey(seed), *arguments)
    return {name: np.asarray(x) for name, x in run.get_samples().items()}


def oral_model(doses, times, values, is_value):
    """Theophylline: log-normal effects, additive error, every effect non-centred."""
    n = len(doses)
    typical: Any = numpyro.sample(
        "typical", dist.Normal(jnp.array([0.5, 1.0, 3.5]), 1.0)
    )
    spread: Any = numpyro.sample("spread", dist.HalfNormal(jnp.ones(3)))
    sd: Any = numpyro.sample("sd", dist.HalfNormal(2.0))
    score: Any = numpyro.sample("score", dist.Normal(jnp.zeros((n, 3)), 1.0))
    own = jnp.exp(typical[None, :] + spread[None, :] * score)
    ka, cl, v = own[:, :1], own[:, 1:2], own[:, 2:]
    k = cl / v
    gone = jnp.exp(-k * times) - jnp.exp(-ka * times)
    f = doses[:, None] * ka / (v * (ka - k)) * gone
    with numpyro.handlers.mask(mask=is_value):
        numpyro.sample("y", dist.Normal(f, sd), obs=values)


def line_model(designs, same, values, is_value):
    """A straight line with occasions, its random effects integrated out.

    Padded: what is no value has no covariance, variance 1 and is 0.
    """
    mean: Any = numpyro.sample("mean", dist.Normal(jnp.array([5.0, 0.5]), 2.0))
    spread: Any = numpyro.sample("spread", dist.HalfNormal(2.0 * jnp.ones(2)))
    half: Any = numpyro.sample("half", dist.Beta(2.0, 2.0))
    r = half * 2.0 - 1.0
    within: Any = numpyro.sample("within", dist.HalfNormal(2.0))
    sd: Any = numpyro.sample("sd", dist.HalfNormal(2.0))
    cross = r * spread[0] * spread[1]
    between = jnp.array([[spread[0] ** 2, cross], [cross, spread[1] ** 2]])
    noise = jnp.where(is_value, sd**2, 1.0)[:, :, None] * jnp.eye(values.shape[1])[None]
    covariance = jnp.einsum("nia,ab,njb->nij", designs, between, designs)
    covariance = covariance + within**2 * same + noise
    normal = dist.MultivariateNormal(designs @ mean, covariance)
    numpyro.sample("y", normal, obs=values)


def normal_hierarchy(values, prior_mean, prior_sd, spread_scale, noise_scale):
    """Posterior mean and sd of mu, omega and sigma, by quadrature on a grid.

    y_ij ~ Normal(theta_i, sigma), theta_i ~ Normal(mu, omega); mu normal, omega and
    sigma half-normal. mu is integrated in closed form.
    """
    omega = np.linspace(1e-3, 4.0 * spread_scale, 400)[:, None]
    sigma = np.linspace(0.02, 4.0 * noise_scale, 400)[None, :]
    logs = -0.5 * (omega / spread_scale) ** 2 - 0.5 * (sigma / noise_scale) ** 2
    precision, weighted = 1.0 / prior_sd**2, prior_mean / prior_sd**2
    square = prior_mean**2 / prior_sd**2
    for y in values:
        n, mean = len(y), np.mean(y)
        variance = omega**2 + sigma**2 / n
        logs = logs - 0.5 * ((y - mean) ** 2).sum() / sigma**2
        logs = logs - (n - 1) * np.log(sigma) - 0.5 * np.log(variance)
        precision = precision + 1.0 / variance
        weighted = weighted + mean / variance
        square = square + mean**2 / variance
    logs = logs + 0.5 * weighted**2 / precision - 0.5 * square - 0.5 * np.log(precision)
    weights = np.exp(logs - logsumexp(logs))
    centre, spread = weighted / precision, 1.0 / precision
    mu = (weights * centre).sum()
    found = [(mu, math.sqrt((weights * (spread + (centre - mu) ** 2)).sum()))]
    for axis in (omega, sigma):
        mean = (weights * axis).sum()
        found.append((mean, math.sqrt((weights * (axis - mean) ** 2).sum())))
    return found
