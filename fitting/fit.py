"""The fit: from a posterior to checked draws of its parameters."""

from dataclasses import dataclass
from functools import partial

import arviz as az
import numpy as np
import xarray as xr

from pkmodels.errors import FitRefusedError, InputError
from pkmodels.fitting.anchoring import anchored, problem_of
from pkmodels.fitting.checks import Checks, check
from pkmodels.fitting.posterior import (
    EXPECTED,
    FRACTION,
    MASS,
    NOISE,
    ODDS,
    Posterior,
    build_model,
    form_of,
    parameter_draws,
)
from pkmodels.fitting.prediction import predict_curves
from pkmodels.fitting.sampling import (
    Draws,
    Problem,
    Progress,
    Sampler,
    compile_sampler,
    draw_posterior,
    warm_up,
)
from pkmodels.fitting.whitening import of_no_data, whiten, whitened
from pkmodels.saturable import SaturableSystem

# First try, and a second with smaller steps where the first fails its checks.
FIRST_TARGET_ACCEPTANCE = 0.95
_SECOND_TARGET_ACCEPTANCE = 0.99
# A posterior that is nearly standard normal needs fewer.
_WHITENED_WARMUP = 300


@dataclass(frozen=True)
class Fit:
    """A posterior's draws with their checks.

    Parameters
    ----------
    posterior : Posterior
        What was fitted.
    draws : Draws
        Draws of every variable.
    checks : Checks
        Whether they may be trusted.
    seed : int
        Repeats the fit exactly.
    """

    posterior: Posterior
    draws: Draws
    checks: Checks
    seed: int

    def __repr__(self) -> str:
        """Say in one line whether the fit may be trusted."""
        name = self.posterior.compiled.system.name
        if self.checks.passed:
            return f"<fit of {name}: passed its checks>"
        return f"<fit of {name}: NOT to be trusted: {'; '.join(self.checks.reasons)}>"

    def parameters(self, experiment: str | None = None) -> np.ndarray:
        """Return draws of an experiment's parameters, (n_draws, n_parameters).

        Parameters
        ----------
        experiment : str, optional
            Which; the first one by default.

        Raises
        ------
        FitRefusedError
            When the fit failed its checks.
        """
        if not self.checks.passed:
            raise FitRefusedError("; ".join(self.checks.reasons))
        return parameter_draws(self.posterior, self.draws, experiment)

    def masses(self) -> dict[str, np.ndarray]:
        """Return draws of each region's mass, (n_draws,), g."""
        n_draws = self.draws.diverging.size
        exact = self.posterior.exact_masses
        masses = {region: np.full(n_draws, mass) for region, mass in exact.items()}
        if self.posterior.masses:
            drawn = self.draws.variables[MASS].reshape(n_draws, -1)
            masses |= dict(zip(self.posterior.masses, drawn.T, strict=True))
        return masses


@dataclass(frozen=True)
class CompiledFit:
    """A sampler compiled for every patient of the same form.

    Parameters
    ----------
    sampler : Sampler
        The compiled log-density.
    form : str
        What it was compiled for; see `fitting.posterior.form_of`.
    """

    sampler: Sampler
    form: str


def compile_fit(
    posterior: Posterior, *, target_acceptance: float = FIRST_TARGET_ACCEPTANCE
) -> CompiledFit:
    """Compile the sampler of a posterior.

    It serves every posterior that differs in the measured values and sd only.

    Parameters
    ----------
    posterior : Posterior
        What to fit.
    target_acceptance : float
        Of NUTS, in (0, 1).

    Returns
    -------
    CompiledFit

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> compile_fit(worked_example.posterior()).sampler.names
    ('kinetics', 'relative_noise', 'expected')
    """
    model = build_model(posterior)
    if isinstance(posterior.compiled, SaturableSystem):
        sampler = compile_sampler(
            model,
            target_acceptance=target_acceptance,
            coordinates=whitened,
            warmup=_WHITENED_WARMUP,
            in_threads=True,
        )
    else:
        sampler = compile_sampler(
            model,
            target_acceptance=target_acceptance,
            coordinates=anchored(posterior, model),
        )
    return CompiledFit(sampler, form_of(posterior))


def fit(
    posterior: Posterior,
    *,
    seed: int,
    draws_per_chain: int,
    compiled: CompiledFit | None = None,
    progress: Progress | None = None,
) -> Fit:
    """Draw from a posterior and check the draws.

    Where the checks fail, the sampler runs once more with a higher target acceptance;
    ``checks.attempts`` says so.

    Parameters
    ----------
    posterior : Posterior
        What to fit.
    seed : int
        Repeats the fit exactly, >= 0.
    draws_per_chain : int
        Draws kept of each of the four chains, a multiple of 100.
    compiled : CompiledFit, optional
        From `compile_fit` of a posterior of the same form, to save the compilation.
    progress : callable, optional
        Called with (iterations done, iterations in all).

    Returns
    -------
    Fit

    Raises
    ------
    InputError
        When `compiled` is of another form.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> example = worked_example.posterior()
    >>> other = CompiledFit(compile_fit(example).sampler, form="other scans")
    >>> fit(
    ...     example, seed=1, draws_per_chain=100, compiled=other
    ... )  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    pkmodels.errors.InputError: this fit was compiled for other scans, doses or ...
    """
    if compiled is not None and compiled.form != form_of(posterior):
        raise InputError(
            "this fit was compiled for other scans, doses or priors: compile it anew "
            "with compile_fit"
        )
    run = partial(
        _sample_and_check,
        posterior,
        seed=seed,
        draws_per_chain=draws_per_chain,
        progress=progress,
    )
    first = run(compiled or compile_fit(posterior), attempt=1)
    if first.checks.passed or first.checks.noise_conflict:
        return first
    smaller_steps = compile_fit(posterior, target_acceptance=_SECOND_TARGET_ACCEPTANCE)
    return run(smaller_steps, attempt=2)


def warm_up_fit(posterior: Posterior, compiled: CompiledFit) -> None:
    """Compile what a fit will need, by running one chunk of its sampler.

    Parameters
    ----------
    posterior : Posterior
        What is to be fitted.
    compiled : CompiledFit
        From `compile_fit`; its later runs are not changed.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> example = worked_example.posterior()
    >>> warm_up_fit(example, compile_fit(example))
    """
    problem = problem_of(posterior)
    if isinstance(posterior.compiled, SaturableSystem):
        problem = of_no_data(problem)
    warm_up(compiled.sampler, problem)


def _prepared(posterior: Posterior, compiled: CompiledFit, seed: int) -> Problem:
    """Return what one run is given; of a saturable system, after finding the mode."""
    problem = problem_of(posterior)
    if not isinstance(posterior.compiled, SaturableSystem):
        return problem
    return whiten(compiled.sampler, problem, seed=seed)


def _sample_and_check(
    posterior: Posterior,
    compiled: CompiledFit,
    *,
    attempt: int,
    seed: int,
    draws_per_chain: int,
    progress: Progress | None,
) -> Fit:
    draws = draw_posterior(
        compiled.sampler,
        _prepared(posterior, compiled, seed),
        seed=seed,
        draws_per_chain=draws_per_chain,
        progress=progress,
    )
    failed = _count_failed_solves(posterior, draws)
    noise_prior = posterior.all_priors[NOISE]
    return Fit(posterior, draws, check(draws, failed, noise_prior, attempt), seed)


def _count_failed_solves(posterior: Posterior, draws: Draws) -> int:
    """Count the draws that give no finite activity at some measured time."""
    finite = np.ones(draws.diverging.size, dtype=bool)
    for course in posterior.observations.courses:
        compiled = posterior.experiment(course.experiment).compiled
        parameters = parameter_draws(posterior, draws, course.experiment)
        curves = predict_curves(compiled, parameters, course.doses, course.times_h)
        finite &= np.isfinite(curves).all(axis=(1, 2))
    return int((~finite).sum())


def to_tree(fit: Fit) -> xr.DataTree:
    """Return the fit as an ArviZ tree, to plot or to keep.

    Parameters
    ----------
    fit : Fit
        The fit.

    Returns
    -------
    xarray.DataTree
        Groups ``posterior``, ``sample_stats``, ``observed_data``, ``constant_data``.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> variables = {
    ...     "kinetics": np.full((4, 500, 1), 60.0),
    ...     "relative_noise": np.full((4, 500, 1), 0.05),
    ... }
    >>> draws = Draws(variables, np.zeros((4, 500, 2)), np.zeros((4, 500), bool), 0.9)
    >>> passed = Checks(1.0, 2e3, 2e3, 0, 0, (), 1, ())
    >>> example = Fit(worked_example.posterior(), draws, passed, seed=0)
    >>> to_tree(example)["posterior"]["kinetics"].dims
    ('chain', 'draw', 'kinetics_of')
    """
    groups = fit.posterior.all_priors
    coords: dict[str, list[str]] = {f"{n}_of": list(g) for n, g in groups.items()}
    dims = {name: [f"{name}_of"] for name in groups}
    if ODDS in groups:
        dims[FRACTION] = dims[ODDS]
    seen = fit.posterior.observations
    row = {name: ["row"] for name in ("value", "sd", "region", EXPECTED)}
    regions = np.array(seen.regions)[seen.region]
    tree = az.from_dict(
        {
            "posterior": dict(fit.draws.variables),
            "sample_stats": {"diverging": fit.draws.diverging},
            "observed_data": {"value": seen.value},
            "constant_data": {"sd": seen.sd, "region": regions},
        },
        coords=coords,
        dims={**dims, **row},
    )
    tree.attrs["seed"] = fit.seed
    tree.attrs["checks_passed"] = int(fit.checks.passed)
    return tree
