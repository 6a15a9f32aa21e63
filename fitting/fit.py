"""The fit: from a posterior to checked draws of its parameters."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import jax
import numpy as np

from pkmodels.errors import FitRefusedError, InputError
from pkmodels.fitting.anchoring import anchored, fit_form, problem_of
from pkmodels.fitting.checks import Checks, Weights, check
from pkmodels.fitting.paths import Path as Way
from pkmodels.fitting.paths import choose_path, draw_fast
from pkmodels.fitting.posterior import (
    EXPECTED,
    MASS,
    NOISE,
    Posterior,
    build_model,
    parameter_draws,
)
from pkmodels.fitting.predictive_checks import (
    Scorer,
    check_predictions,
    compile_scores,
    count_runs,
    normal_scores,
)
from pkmodels.fitting.prior_conflicts import find_conflicts
from pkmodels.fitting.sampling import (
    Draws,
    Problem,
    Progress,
    Sampler,
    compile_sampler,
    draw_posterior,
    warm_up,
)
from pkmodels.fitting.saved_draws import SavedDraws, digest, open_saved
from pkmodels.fitting.whitening import of_no_data, whiten, whitened

# First try, and a second with smaller steps where the first fails its checks.
FIRST_TARGET_ACCEPTANCE = 0.95
_SECOND_TARGET_ACCEPTANCE = 0.99
# Where chains are too short, they go on to so many times their length.
_LONGER = 2
# A posterior that is nearly standard normal needs fewer; with 100, or without learning
# the metric anew, some chains got a step half as long as the others'.
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
    despite : str or None
        Why it is used although it failed its checks; None: it is not. See
        `use_despite`.
    """

    posterior: Posterior
    draws: Draws
    checks: Checks
    seed: int
    despite: str | None = None

    def __repr__(self) -> str:
        """Say in one line whether the fit may be trusted."""
        name = self.posterior.compiled.system.name
        if self.checks.passed:
            return f"<fit of {name}: passed its checks>"
        if self.despite is not None:
            return f"<fit of {name}: FAILED its checks, used since {self.despite}>"
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
            When the fit failed its checks, unless `use_despite` says why it is used.
        """
        if not self.checks.passed and self.despite is None:
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


def use_despite(fit: Fit, why: str) -> Fit:
    """Return a fit that failed its checks as one that is used all the same.

    Everything that is reported from it should tell `why`.

    Parameters
    ----------
    fit : Fit
        A fit that failed.
    why : str
        The reason, in so many words.

    Returns
    -------
    Fit

    Raises
    ------
    InputError
        When no reason is given, or the fit passed.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> draws = Draws({}, np.zeros((4, 100, 2)), np.zeros((4, 100), bool), 0.9)
    >>> failed = Checks(1.2, 9.0, 9.0, 0, 0, (), 1, ("R-hat is 1.2",))
    >>> refused = Fit(worked_example.posterior(), draws, failed, seed=0)
    >>> use_despite(refused, "a dry run of the form, no patient")
    <fit of one organ: FAILED its checks, used since a dry run of the form, no patient>
    """
    if not why.strip():
        raise InputError("a fit that failed its checks is used only with a reason")
    if fit.checks.passed:
        raise InputError("this fit passed its checks: it needs no reason to be used")
    return replace(fit, despite=why.strip())


@dataclass(frozen=True)
class CompiledFit:
    """A sampler compiled for every patient of the same form.

    Parameters
    ----------
    sampler : Sampler
        The compiled log-density.
    form : str
        What it was compiled for; see `fitting.anchoring.fit_form`.
    scorer : callable
        The distribution of every measured value, from `compile_scores`.
    posterior : Posterior
        What it was compiled from, one of that form.
    """

    sampler: Sampler
    form: str
    scorer: Scorer
    posterior: Posterior

    @cached_property
    def with_smaller_steps(self) -> "CompiledFit":
        """The same for a second attempt, compiled once, by the first that needs it."""
        return compile_fit(self.posterior, target_acceptance=_SECOND_TARGET_ACCEPTANCE)


def compile_fit(
    posterior: Posterior, *, target_acceptance: float = FIRST_TARGET_ACCEPTANCE
) -> CompiledFit:
    """Compile the sampler of a posterior.

    It serves every posterior that differs in the sizes of measured values and of their
    sd only, and of which the same coordinates have an anchor: see `fit_form`.

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
    if posterior.saturates:
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
    scorer = compile_scores(sampler.density)
    return CompiledFit(sampler, fit_form(posterior), scorer, posterior)


def fit(
    posterior: Posterior,
    *,
    seed: int,
    draws_per_chain: int,
    compiled: CompiledFit | None = None,
    progress: Progress | None = None,
    folder: Path | str | None = None,
    path: Way = Way.AUTO,
) -> Fit:
    """Draw from a posterior and check the draws.

    By certified importance sampling where few things are unknown and each solve is
    dear, else by NUTS; ``checks.path`` says which, and why. Where only more draws are
    lacking, the chains go on to twice as many; where the checks fail still, the sampler
    runs once more, as long, with a higher target acceptance, and goes on likewise;
    ``checks.attempts`` says so.

    Ctrl-C ends the run with what was drawn until then: the fit that is returned says in
    ``checks.warnings`` that it was interrupted, and is refused where the draws are too
    few. During the warm-up there are none, and KeyboardInterrupt is raised. With a
    `folder`, the same call later goes on from its last chunk, as it does after the
    process was killed: to the same draws, bit for bit, as without a break. More draws
    than before then cost only what is new. Only chains are kept there: importance
    sampling takes seconds, and is done anew.

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
    folder : Path or str, optional
        Where the draws of chains are kept, chunk by chunk; made where it does not
        exist.
    path : Path of `pkmodels.fitting.paths`
        Which way to draw.

    Returns
    -------
    Fit

    Raises
    ------
    InputError
        When `compiled` is of another form, or `folder` holds draws of another problem.
    KeyboardInterrupt
        When Ctrl-C came before the first draw that is kept.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> example = worked_example.posterior()
    >>> other = replace(compile_fit(example), form="other scans")
    >>> fit(
    ...     example, seed=1, draws_per_chain=100, compiled=other
    ... )  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    pkmodels.errors.InputError: this fit was compiled for other scans, doses or ...
    """
    if compiled is not None and compiled.form != fit_form(posterior):
        raise InputError(
            "this fit was compiled for other scans, doses or priors, or where other "
            "regions have a positive value: compile it anew with compile_fit"
        )
    compiled = compiled or compile_fit(posterior)
    chosen, why = choose_path(posterior, compiled.sampler.density.size, path)
    if chosen is Way.FAST:
        fast = draw_fast(
            compiled.sampler.density,
            posterior,
            seed=seed,
            draws_per_chain=draws_per_chain,
            progress=progress,
        )
        why = fast.told
        if fast.draws is not None:
            found = _checks(
                posterior, compiled, fast.draws, 1, why=why, weights=fast.weights
            )
            return Fit(posterior, fast.draws, found, seed)
    with TemporaryDirectory() as temporary:
        run = partial(
            _sample_and_check,
            posterior,
            why=why,
            seed=seed,
            progress=progress,
            folder=Path(temporary if folder is None else folder),
        )
        first = _long_enough(partial(run, compiled, attempt=1), draws_per_chain)
        interrupted = first.draws.wanted_per_chain is not None
        if first.checks.passed or first.checks.misfits or interrupted:
            return first
        again = partial(run, compiled.with_smaller_steps, attempt=2)
        return _long_enough(again, first.draws.diverging.shape[1])


def _long_enough(run: Callable[..., Fit], draws_per_chain: int) -> Fit:
    """Run chains, which go on where more draws may be all that is lacking."""
    found = run(draws_per_chain=draws_per_chain)
    if found.checks.short and found.draws.wanted_per_chain is None:
        return run(draws_per_chain=_LONGER * draws_per_chain)
    return found


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
    if posterior.saturates:
        problem = of_no_data(problem)
    warm_up(compiled.sampler, problem)


def _prepared(posterior: Posterior, compiled: CompiledFit, seed: int) -> Problem:
    """Return what one run is given; of a saturable system, after finding the mode."""
    problem = problem_of(posterior)
    if not posterior.saturates:
        return problem
    return whiten(compiled.sampler, problem, seed=seed)


def _sample_and_check(
    posterior: Posterior,
    compiled: CompiledFit,
    *,
    attempt: int,
    why: str,
    seed: int,
    draws_per_chain: int,
    progress: Progress | None,
    folder: Path,
) -> Fit:
    problem = _prepared(posterior, compiled, seed)
    own = folder / f"attempt_{attempt}"
    saved = _saved(own, posterior, compiled, problem, seed)
    draws = draw_posterior(
        compiled.sampler,
        problem,
        seed=seed,
        draws_per_chain=draws_per_chain,
        progress=progress,
        saved=saved,
    )
    found = _checks(posterior, compiled, draws, attempt, why=why)
    return Fit(posterior, draws, found, seed)


def _saved(
    folder: Path,
    posterior: Posterior,
    compiled: CompiledFit,
    problem: Problem,
    seed: int,
) -> SavedDraws:
    """Open the folder of a run, which must be of this very problem."""
    start = jax.tree.leaves((problem.coordinates, problem.centre, problem.spread))
    return open_saved(
        folder,
        {
            "model": posterior.compiled.system.name,
            "form (priors, scans, doses)": compiled.form,
            "measured values": digest(problem.data[name] for name in problem.data),
            "start of the chains": digest(start),
            "seed": str(seed),
            "target acceptance": str(compiled.sampler.target_acceptance),
            "warm-up": str(compiled.sampler.warmup),
        },
    )


def _checks(
    posterior: Posterior,
    compiled: CompiledFit,
    draws: Draws,
    attempt: int,
    *,
    why: str,
    weights: Weights | None = None,
) -> Checks:
    density = compiled.sampler.density
    scores = normal_scores(posterior, draws, density, compiled.scorer)
    return check(
        draws,
        _count_failed_solves(draws),
        posterior.all_priors.get(NOISE, {}),
        attempt,
        predictive=check_predictions(posterior, scores),
        runs=count_runs(posterior, scores),
        beyond_prior=find_conflicts(posterior, draws),
        weights=weights,
        path=why,
    )


def _count_failed_solves(draws: Draws) -> int:
    """Count the draws of which some measured value cannot be expected."""
    return int((~np.isfinite(draws.variables[EXPECTED]).all(axis=-1)).sum())
