"""PyMC's own samplers, nutpie, NumPyro and both of our paths agree.

Each mean and each 2.5, 50 and 97.5 % quantile of each sampler is compared with a closed
form or quadrature where there is one, else with the other samplers together, in
Monte-Carlo standard errors by ArviZ; limits are two-sided and of all comparisons of one
problem together.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import arviz
import jax
import jax.numpy as jnp
import numpy as np
import pymc as pm
import pytest
import simulators
from scipy.stats import norm

from pkmodels.administrations import Administration
from pkmodels.definition import Model
from pkmodels.exact import compile_exactly
from pkmodels.fitting import worked_example
from pkmodels.fitting.certificate import SEVERAL_MODES
from pkmodels.fitting.checks import DIVERGENCE_LIMIT
from pkmodels.fitting.densities import compile_density
from pkmodels.fitting.experiments import Experiment, alone
from pkmodels.fitting.fast_path import draw_certified
from pkmodels.fitting.fit import fit
from pkmodels.fitting.observations import arrange
from pkmodels.fitting.operations import solved_rows
from pkmodels.fitting.posterior import Posterior, build_model
from pkmodels.fitting.repeated_tempering import draw_tempered
from pkmodels.fitting.sampling import Problem, compile_sampler, draw_posterior
from pkmodels.fitting.targets import target_of
from pkmodels.models import organ_exchange
from pkmodels.models.blocks import binding
from pkmodels.reactions import flow
from pkmodels.saturable import compile_saturable
from pkmodels.schedule import Schedule
from pkmodels.symbols import amounts, parameters, receptors
from pkmodels.system import assemble
from pkmodels.values import Certainty, PriorSet, log_normal

pytestmark = pytest.mark.slow

DRAWS, LEVELS = 1000, (0.025, 0.5, 0.975)
az: Any = arviz
# All comparisons of one problem together are wrong this often by chance.
FAMILY = 1e-3
Sampled = Mapping[str, np.ndarray]  # (4, n_draws) by name of the parameter
Truth = Mapping[str, tuple[float, ...]]  # mean and quantiles


def by_pymc(model: pm.Model, accept: float, draws: int = DRAWS, **options: Any) -> Any:
    with model:
        return pm.sample(
            draws,
            tune=DRAWS,
            chains=4,
            random_seed=1,
            target_accept=accept,
            progressbar=False,
            quiet=True,
            compute_convergence_checks=False,
            **options,
        )


SAMPLERS: dict[str, Mapping[str, Any]] = {
    "PyMC": {"nuts_sampler": "pymc", "cores": 1},
    "nutpie": {"nuts_sampler": "nutpie", "backend": "jax"},
    "NumPyro": {"nuts_sampler": "numpyro", "nuts": {"chain_method": "vectorized"}},
}


def flat(variables: Mapping[str, Any], names: list[str]) -> Sampled:
    """Return each element of some variables by its own name."""
    found = {}
    for name in names:
        array = np.asarray(variables[name])
        array = array.reshape(*array.shape[:2], -1)
        found |= {f"{name} {i}": array[..., i] for i in range(array.shape[-1])}
    return found


def samples_of(
    model: pm.Model,
    own: Mapping[str, Any],
    accept: float = 0.95,
    *,
    draws: int = DRAWS,
    accepted: bool = True,
) -> dict[str, Sampled]:
    """Return draws by every sampler; `accepted` says what the certificate must say."""
    names = [str(variable.name) for variable in model.free_RVs]
    # As many of each: a fit whose chains were short has gone on.
    found: dict[str, Sampled] = {
        "own": {n: x[:, :draws] for n, x in flat(own, names).items()}
    }
    for sampler, options in SAMPLERS.items():
        tree = by_pymc(model, accept, draws, **copy.deepcopy(dict(options)))
        # As `fit` does: a few of them, where the noise is free, move nothing.
        diverging = tree["sample_stats"]["diverging"].values
        assert diverging.mean() <= DIVERGENCE_LIMIT, sampler
        found[sampler] = flat(tree["posterior"], names)
    fast, is_certified = by_fast_path(model)
    assert is_certified is accepted
    found["fast path"] = flat(fast, names)
    return found


def by_fast_path(model: pm.Model) -> tuple[Mapping[str, np.ndarray], bool]:
    """Return draws, few beside what they are worth, and whether they are certified.

    Where they are not, two tempered runs give them, as `fit` goes on.
    """
    density = compile_density(model)
    data: Any = {name: model[name] for name in density.data_names}
    values = {name: variable.get_value() for name, variable in data.items()}
    target = target_of(density)
    certified = draw_certified(target, values, seed=1, n_draws=DRAWS)
    drawn, certificate = certified.draws, certified.certificate
    if not certificate.accepted:
        assert certificate.fallback == SEVERAL_MODES, str(certificate)
        again = draw_tempered(
            target, values, seed=1, n_draws=DRAWS, modes=certified.modes
        )
        assert again.identified, again.reasons
        assert again.mean_size > DRAWS, again.mean_size
        drawn = again.draws
    variables = jax.vmap(density.constrain)(drawn)
    named = zip(density.names, variables, strict=True)
    return {name: np.asarray(x)[None] for name, x in named}, certificate.accepted


def summary(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and quantiles of (n_chains, n_draws) draws, and their errors."""
    values = [draws.mean(), *np.quantile(draws, LEVELS)]
    errors = [az.mcse(draws, method="mean")]
    errors += [az.mcse(draws, method="quantile", prob=level) for level in LEVELS]
    return np.array(values), np.array(errors, dtype=float)


def assert_agreement(found: Mapping[str, Sampled], truth: Truth | None = None) -> None:
    names = list(found["own"])
    count = len(found) * len(names) * (1 + len(LEVELS))
    limit = norm.isf(FAMILY / (2.0 * count))
    for name in names:
        summaries = {s: summary(draws[name]) for s, draws in found.items()}
        for sampler, (values, errors) in summaries.items():
            if truth is not None:
                others, theirs = np.array(truth[name]), np.zeros(len(values))
            else:
                # Fewer, and no error can be told (Vehtari et al. 2021).
                assert float(az.ess(found[sampler][name])) > 400.0, (sampler, name)
                rest = [found[s][name] for s in found if s != sampler]
                others, theirs = summary(np.concatenate(rest))
            z = (values - others) / np.hypot(errors, theirs)
            assert (np.abs(z) < limit).all(), (sampler, name, z, limit)


# Rows that are linear in three unknowns: the posterior is normal.
DESIGN = np.array([[1.0, 0.5, 0.0], [0.2, 1.0, 1.0], [0.0, 0.3, -1.0], [1.0, 1.0, 1.0]])
MEASURED, NOISE, PRIOR_SD = np.array([1.0, 2.0, -0.5, 2.5]), 0.3, 1.5


def linear_rows(design: np.ndarray) -> Callable[[Any], Any]:
    return lambda x: design @ x


def linear_model() -> pm.Model:
    with pm.Model() as model:
        x = pm.Normal("x", 0.0, PRIOR_SD, shape=3)
        rows = solved_rows(linear_rows, (DESIGN,))(x)
        pm.Normal("y", rows, NOISE, observed=MEASURED)
    return model


def own_draws(model: pm.Model, draws: int = DRAWS) -> Mapping[str, np.ndarray]:
    sampler = compile_sampler(model, target_acceptance=0.95)
    centre = np.concatenate([np.ravel(x) for x in model.initial_point().values()])
    problem = Problem({}, (), centre, np.full(centre.size, 0.5))
    return draw_posterior(sampler, problem, seed=2, draws_per_chain=draws).variables


def linear_truth() -> Truth:
    precision = DESIGN.T @ DESIGN / NOISE**2 + np.eye(3) / PRIOR_SD**2
    covariance = np.linalg.inv(precision)
    mean = covariance @ DESIGN.T @ MEASURED / NOISE**2
    return {
        f"x {i}": (mean[i], *norm.ppf(LEVELS, mean[i], np.sqrt(covariance[i, i])))
        for i in range(3)
    }


def test_all_agree_with_a_closed_form() -> None:
    model = linear_model()
    assert_agreement(samples_of(model, own_draws(model)), linear_truth())


@pytest.mark.parametrize("context", ["spawn", "forkserver"])
def test_pymcs_chains_run_in_processes_of_their_own(context: str) -> None:
    """The operation and its compiled system are rebuilt there, from their pickle."""
    model = receptor_model() if context == "spawn" else linear_model()
    with model:
        tree: Any = pm.sample(
            500,
            tune=500,
            chains=2,
            cores=2,
            mp_ctx=context,
            nuts_sampler="pymc",
            random_seed=1,
            progressbar=False,
            quiet=True,
            compute_convergence_checks=False,
        )
    if context == "spawn":
        own = fit(receptor_posterior(), seed=3, draws_per_chain=500).draws.variables
        parts = [flat(own, ["kinetics"]), flat(tree["posterior"], ["kinetics"])]
        for name in parts[0]:
            (ours, errors), (theirs, more) = (summary(part[name]) for part in parts)
            assert (np.abs(ours - theirs) < 4.0 * np.hypot(errors, more)).all()
        return
    for name, truth in linear_truth().items():
        values, errors = summary(flat(tree["posterior"], ["x"])[name])
        assert (np.abs(values - np.array(truth)) < 4.0 * errors).all()


SCANS_H = np.array([1.0, 4.0, 24.0, 48.0, 96.0, 168.0])


def two_phases(times: np.ndarray) -> Callable[[Any], Any]:
    def rows(log_values: Any) -> Any:
        fast, slow, rate, slower = jnp.exp(log_values)
        return fast * jnp.exp(-rate * times) + slow * jnp.exp(-slower * times)

    return rows


def test_all_agree_on_a_bi_exponential() -> None:
    truth = np.log([60.0, 40.0, 0.2, 0.01])
    generator = np.random.default_rng(7)
    exact = np.asarray(two_phases(SCANS_H)(truth))
    values = np.log(exact) + 0.1 * generator.standard_normal(SCANS_H.size)
    with pm.Model() as model:
        x = pm.Normal("x", truth, 0.7, shape=4)
        rows: Any = solved_rows(two_phases, (SCANS_H,))(x)
        pm.Normal("y", pm.math.log(rows), 0.1, observed=values)
    assert_agreement(samples_of(model, own_draws(model)))


def test_all_agree_on_a_patient() -> None:
    """One kidney of a simulated patient, since all regions take PyMC minutes."""
    example = worked_example.experiment().measurements[0]
    scans = tuple(
        replace(example, region=row[0], start_h=row[3], end_h=row[3], value=row[5])
        for row in simulators.simulate(5).rows
        if row[0] == "kidney_left"
    )
    assert len(scans) == 4
    activity = simulators.THERAPY.activity_MBq
    given = Schedule((Administration(0.0, 0.0, "dotatate", "Lu-177", activity),))
    organs = {"kidney_left": "kidney"}
    system = assemble(organ_exchange.model(tuple(organs)), given.form)
    only = Experiment("therapy", compile_exactly(system), given, scans)
    posterior = replace(
        worked_example.posterior(),
        experiments=(only,),
        table=alone(only, organ_exchange.priors("dotatate", organs)),
        observations=arrange([only], []),
    )
    fitted = fit(posterior, seed=2, draws_per_chain=DRAWS)
    own = fitted.draws.variables
    # Trajectories diverge where the noise may vanish, so that it is not certified.
    assert_agreement(samples_of(build_model(posterior), own, accepted=False))


def log_flip_flop(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return ln posterior of ln rates of two phases that may change places."""
    curve = np.exp(-np.exp(first[..., None]) * FLIP_H)
    curve = curve + np.exp(-np.exp(second[..., None]) * FLIP_H)
    wrong = (np.log(curve) - FLIP_LOG_DATA) / FLIP_NOISE
    away = (first - FLIP_PRIOR[0]) ** 2 + (second - FLIP_PRIOR[1]) ** 2
    return -0.5 * (away + (wrong**2).sum(axis=-1))


FLIP_H, FLIP_NOISE = np.array([0.5, 1.0, 2.0, 4.0, 8.0, 16.0]), 0.2
# The first phase is thought to be the faster, so that one mode is the heavier.
FLIP_PRIOR = (-0.7, -1.3)
FLIP_LOG_DATA = np.log(
    np.exp(-np.exp(-1.7) * FLIP_H) + np.exp(-np.exp(-0.3) * FLIP_H)
) + 0.14 * np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])


def flip_flop_truth() -> Truth:
    """Sums over a grid; each of two modes holds mass, with a valley of e^2 between."""
    axis = np.linspace(-6.0, 2.5, 1001)
    log = np.stack([log_flip_flop(np.full_like(axis, x), axis) for x in axis])
    mass = np.exp(log - log.max())
    mass /= mass.sum()
    below = np.tril(mass, -1).sum()
    assert 0.1 < below < 0.9
    diagonal, top = np.diagonal(log).max(), log.max()
    assert top - diagonal > 2.0
    truth = {}
    for i, marginal in enumerate((mass.sum(axis=1), mass.sum(axis=0))):
        cumulative = np.cumsum(marginal) - 0.5 * marginal
        truth[f"x {i}"] = (marginal @ axis, *np.interp(LEVELS, cumulative, axis))
    return truth


def test_all_agree_on_two_modes_and_the_fast_path_refuses_them() -> None:
    def curve(times: np.ndarray) -> Callable[[Any], Any]:
        return lambda x: jnp.exp(-times[:, None] * jnp.exp(x)[None]).sum(axis=1)

    with pm.Model() as model:
        x = pm.Normal("x", np.array(FLIP_PRIOR), 1.0, shape=2)
        rows: Any = solved_rows(curve, (FLIP_H,))(x)
        pm.Normal("y", pm.math.log(rows), FLIP_NOISE, observed=FLIP_LOG_DATA)
    truth = flip_flop_truth()
    # More, since few draws lie about a median that falls between the modes.
    draws = 4 * DRAWS
    own = own_draws(model, draws)
    assert_agreement(samples_of(model, own, draws=draws, accepted=False), truth)


@lru_cache(maxsize=1)
def receptor_posterior() -> Posterior:
    """Ligand that is cleared, and bound by few sites that take it in."""
    free, bound, inside = amounts("free bound inside", unit="nmol")
    (site,) = receptors("site", unit="nmol")
    (on,) = parameters("on", unit="L/(nmol h)")
    off, cleared, taken, released = parameters("off cleared taken released", unit="1/h")
    (volume,) = parameters("volume", unit="L")
    (sites,) = parameters("sites", unit="nmol")
    model = Model(
        "few sites",
        (
            *binding("b", free, site, bound, volume=volume, k_on=on, k_off=off),
            flow("clearance", free, None, cleared * free),
            flow("uptake", bound, inside, taken * bound),
            flow("release", inside, None, released * inside),
        ),
        {"intravenous": free},
        {"tumour": bound + inside},
        start={site: sites},
    )
    fixed = {"on": 2.0, "off": 0.5, "cleared": 0.5, "volume": 5.0, "taken": 0.1}
    varied = ("sites", "released")
    compiled = compile_saturable(model, "x", varied, fixed, infusions=False)
    example = worked_example.experiment().measurements[0]
    scans = tuple(
        replace(example, region="tumour", start_h=time, end_h=time, value=value)
        for time, value in ((4.0, 9.5), (24.0, 9.8), (72.0, 5.1), (120.0, 2.9))
    )
    dose = Administration(0.0, 0.0, "x", "Lu-177", 100.0, ligand_nmol=20.0)
    only = Experiment("therapy", compiled, Schedule((dose,)), scans)
    priors = {
        "sites": log_normal(3.0, 0.8, "nmol", "made up", Certainty.JUDGEMENT),
        "released": log_normal(0.01, 0.8, "1/h", "made up", Certainty.JUDGEMENT),
    }
    return replace(
        worked_example.posterior(),
        experiments=(only,),
        table=alone(only, PriorSet(priors, {})),
        observations=arrange([only], []),
    )


def receptor_model() -> pm.Model:
    return build_model(receptor_posterior())


def test_all_agree_on_a_saturable_system() -> None:
    fitted = fit(receptor_posterior(), seed=2, draws_per_chain=DRAWS)
    assert_agreement(samples_of(receptor_model(), fitted.draws.variables))


def test_all_agree_with_quadrature_where_the_prior_says_most() -> None:
    """One scan only: its half-life, and the noise, of which it tells next to nothing.

    Typed again: T ~ log-normal(60 h, 1), b ~ half-normal(0.1), ln y ~ Normal(ln f, s),
    s^2 = b^2 + 0.01^2, f = 100 exp(-(ln 2 / T + lambda) 24), y = 70.
    """
    whole = worked_example.posterior()
    only = worked_example.experiment()
    only = replace(only, measurements=only.measurements[:1])
    posterior = replace(whole, experiments=(only,), observations=arrange([only], []))
    decay = np.log(2.0) / (6.647 * 24.0)
    log_half_life = np.linspace(np.log(60.0) - 6.0, np.log(60.0) + 6.0, 2001)[:, None]
    log_noise = np.linspace(np.log(0.1) - 12.0, np.log(0.1) + 1.8, 1401)[None, :]
    half_life, noise = np.exp(log_half_life), np.exp(log_noise)
    mean = np.log(100.0) - (np.log(2.0) / half_life + decay) * 24.0
    density = norm.logpdf(log_half_life, np.log(60.0), 1.0)
    density = density - 0.5 * (noise / 0.1) ** 2 + log_noise
    density = density + norm.logpdf(np.log(70.0), mean, np.hypot(noise, 0.01))
    weight = np.exp(density - density.max())
    truth = {}
    for name, values, marginal in (
        ("kinetics 0", half_life[:, 0], weight.sum(axis=1)),
        ("relative_noise 0", noise[0], weight.sum(axis=0)),
    ):
        # The grid's ends hold nothing; a cell's mass lies about its middle.
        total = np.cumsum(marginal) - 0.5 * marginal
        quantiles = np.interp(LEVELS, total / marginal.sum(), values)
        truth[name] = ((marginal * values).sum() / marginal.sum(), *quantiles)
    fitted = fit(posterior, seed=2, draws_per_chain=4 * DRAWS)
    model, own = build_model(posterior), fitted.draws.variables
    assert_agreement(samples_of(model, own, 0.99, accepted=False), truth)
