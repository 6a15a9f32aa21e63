"""Hierarchical fits: checked draws of a population and of every subject."""

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jax
import numpy as np

from pkmodels.errors import FitRefusedError
from pkmodels.fitting.checks import Checks, check
from pkmodels.fitting.hierarchy import Hierarchy, build_hierarchy
from pkmodels.fitting.hierarchy_draws import effect_draws, vector_draws
from pkmodels.fitting.hierarchy_priors import describe_priors
from pkmodels.fitting.hierarchy_starts import problem_of
from pkmodels.fitting.sampling import (
    CHAINS,
    WARMUP,
    Draws,
    Problem,
    Progress,
    Sampler,
    compile_sampler,
    draw_posterior,
)
from pkmodels.fitting.saved_draws import digest, open_saved
from pkmodels.population.coordinates import coefficient_names, names_of, readings_of

_FIRST_TARGET_ACCEPTANCE, _SECOND_TARGET_ACCEPTANCE = 0.9, 0.99
# Above so many unknowns the metric is diagonal: a dense one costs n^2 and needs more
# draws to be learnt than the warm-up has.
_DENSE_UP_TO = 100


@dataclass(frozen=True, eq=False)
class HierarchyFit:
    """Draws of a hierarchy's posterior with their checks.

    Parameters
    ----------
    hierarchy : Hierarchy
        What was fitted: its priors and centring in words by ``print(fit.hierarchy)``.
    draws : Draws
        Draws of every variable; read them by the functions of this module, which refuse
        a fit that failed.
    checks : Checks
        Whether the sampling may be trusted: they say nothing of the model, for which
        look at NPDE and predictive checks.
    seed : int
        Repeats the fit.
    assumptions : tuple of str
        Every prior in words, as the fit was made.
    """

    hierarchy: Hierarchy
    draws: Draws
    checks: Checks
    seed: int
    assumptions: tuple[str, ...] = field(default=())

    def __repr__(self) -> str:
        """Say in one line whether the sampling may be trusted; not the model."""
        name = self.hierarchy.model.name
        if self.checks.passed:
            return (
                f"<hierarchical fit of {name}: passed its checks, of sampling only: "
                "look at NPDE and predictive checks for the model>"
            )
        reasons = "; ".join(self.checks.reasons)
        return f"<hierarchical fit of {name}: NOT to be trusted: {reasons}>"

    @property
    def names(self) -> tuple[str, ...]:
        """What was estimated of the population, as FOCEI names it."""
        return names_of(self.hierarchy.model)

    def vectors(self) -> np.ndarray:
        """Return draws of the population in `pkmodels.population.coordinates`.

        Returns
        -------
        (n_draws, n) array
            Chain by chain.

        Raises
        ------
        FitRefusedError
            When the fit failed its checks.
        """
        refuse_failed(self)
        return vector_draws(self.hierarchy, self.draws)

    def readings(self) -> np.ndarray:
        """Return draws of what `names` names: variances, as FOCEI reports them.

        Returns
        -------
        (n_draws, n) array

        Raises
        ------
        FitRefusedError
            When the fit failed its checks.
        """
        model = self.hierarchy.model
        return np.array([readings_of(model, vector) for vector in self.vectors()])

    def effects(self) -> np.ndarray:
        """Return draws of every subject's random effects.

        Returns
        -------
        (n_draws, n_subjects, n_effects) array
            Eta, then kappa of each occasion, as `pkmodels.population` orders them; 0
            for an occasion that a subject does not have.

        Raises
        ------
        FitRefusedError
            When the fit failed its checks.
        """
        refuse_failed(self)
        return effect_draws(self.hierarchy, self.draws)

    def parameters(self) -> np.ndarray:
        """Return draws of every subject's own parameters, on their scales.

        Returns
        -------
        (n_draws, n_subjects, n_occasions, n_parameters) array
            In the order of ``hierarchy.model.typical``.

        Raises
        ------
        FitRefusedError
            When the fit failed its checks.
        """
        made = self.hierarchy.predictor.arrangement
        count = len(coefficient_names(self.hierarchy.model))
        typical = np.einsum("ikpc,dc->dikp", made.design, self.vectors()[:, :count])
        own = np.einsum("kpe,die->dikp", made.effects, self.effects())
        return made.fixed + typical + own


def refuse_failed(fit: HierarchyFit) -> None:
    """Refuse a fit that failed its checks.

    Parameters
    ----------
    fit : HierarchyFit
        The fit.

    Raises
    ------
    FitRefusedError
        Saying why.

    Examples
    --------
    >>> from pkmodels.fitting import hierarchy_example
    >>> draws = Draws({}, np.zeros((4, 100, 2)), np.zeros((4, 100), bool), 0.9)
    >>> failed = Checks(1.2, 9.0, 9.0, 0, 0, (), 1, ("R-hat is 1.2",))
    >>> refuse_failed(HierarchyFit(hierarchy_example.hierarchy(), draws, failed, 0))
    Traceback (most recent call last):
    pkmodels.errors.FitRefusedError: the hierarchical fit of 'oral' failed its checks: \
R-hat is 1.2. Of a hierarchy, also: take more draws, state priors of standard \
deviations more tightly, or leave out an effect that the values do not show
    """
    if not fit.checks.passed:
        raise FitRefusedError(
            f"the hierarchical fit of {fit.hierarchy.model.name!r} failed its checks: "
            f"{'; '.join(fit.checks.reasons)}. Of a hierarchy, also: take more draws, "
            "state priors of standard deviations more tightly, or leave out an effect "
            "that the values do not show"
        )


def fit_hierarchy(
    hierarchy: Hierarchy,
    *,
    seed: int,
    draws_per_chain: int,
    progress: Progress | None = None,
    folder: Path | str | None = None,
) -> HierarchyFit:
    """Draw from the posterior of a population and all its subjects, and check.

    Four chains of NUTS begin about the hierarchy's start. Where they fail their checks
    by more than their number of draws could mend, they run once more with smaller
    steps; ``checks.attempts`` says so.

    Ctrl-C ends the run with what was drawn until then, as `pkmodels.fitting.fit.fit`;
    with a `folder` the same call later goes on.

    Parameters
    ----------
    hierarchy : Hierarchy
        What to fit.
    seed : int
        Repeats the fit exactly, >= 0.
    draws_per_chain : int
        Draws kept of each of the four chains, a multiple of 100.
    progress : callable or None
        Called with (iterations done, iterations in all).
    folder : Path, str or None
        Where draws are kept, chunk by chunk.

    Returns
    -------
    HierarchyFit
        Which refuses to hand out draws where its checks failed.

    Raises
    ------
    InputError
        When `folder` holds draws of another problem.
    SolveError
        When the posterior is not finite at the start.
    KeyboardInterrupt
        When Ctrl-C came before the first draw that is kept.

    Examples
    --------
    >>> from pkmodels.fitting import hierarchy_example
    >>> example = hierarchy_example.hierarchy()
    >>> print(example.start.round(2))  # FOCEI's estimates, about which chains begin
    [ 0.24  0.99  3.47 -0.66 -1.3  -1.35]
    >>> fit_hierarchy(example, seed=1, draws_per_chain=1000)  # doctest: +SKIP
    <hierarchical fit of oral: passed its checks, of sampling only: look at \
NPDE and predictive checks for the model>
    """
    with TemporaryDirectory() as temporary:
        own = Path(temporary if folder is None else folder)
        found = None
        targets = (_FIRST_TARGET_ACCEPTANCE, _SECOND_TARGET_ACCEPTANCE)
        for attempt, target in enumerate(targets, start=1):
            sampler = compile_hierarchy(hierarchy, target_acceptance=target)
            problem = problem_of(hierarchy, sampler)
            draws = draw_posterior(
                sampler,
                problem,
                seed=seed,
                draws_per_chain=draws_per_chain,
                progress=progress,
                saved=open_saved(
                    own / f"attempt_{attempt}",
                    _stated(hierarchy, sampler, problem, seed),
                ),
            )
            checks = check(draws, 0, {}, attempt, path="NUTS: a hierarchy")
            said = describe_priors(hierarchy.model, hierarchy.priors)
            found = HierarchyFit(hierarchy, draws, checks, seed, said)
            interrupted = draws.wanted_per_chain is not None
            if checks.passed or checks.short or interrupted:
                break
    assert found is not None
    return found


def compile_hierarchy(hierarchy: Hierarchy, *, target_acceptance: float) -> Sampler:
    """Compile the sampler of a hierarchy.

    Parameters
    ----------
    hierarchy : Hierarchy
        What to fit.
    target_acceptance : float
        Of NUTS, in (0, 1).

    Returns
    -------
    Sampler

    Examples
    --------
    >>> from pkmodels.fitting import hierarchy_example
    >>> found = compile_hierarchy(
    ...     hierarchy_example.hierarchy(), target_acceptance=0.9)
    >>> found.density.size
    18
    """
    model = build_hierarchy(hierarchy)
    groups = hierarchy.predictor.arrangement.groups
    centring = hierarchy.centring
    size = len(hierarchy.start) + centring.between.size + centring.within.size
    return compile_sampler(
        model,
        target_acceptance=target_acceptance,
        coordinates=_scaled,
        warmup=WARMUP,
        # A response without second derivatives is solved numerically, and dear.
        in_threads=not all(g.response.has_second_derivatives for g in groups),
        dense_metric=size <= _DENSE_UP_TO,
    )


def _scaled(position: Any, arrays: Any) -> tuple[Any, Any]:
    """Return the unconstrained vector of coordinates in units of their spread."""
    centre, scale = arrays
    return centre + scale * position, 0.0


def _stated(
    hierarchy: Hierarchy, sampler: Sampler, problem: Problem, seed: int
) -> dict[str, str]:
    """Return what the draws hang on, for the folder that keeps them."""
    made = hierarchy.predictor.arrangement
    given = [leaf for group in made.groups for leaf in _leaves(group.given)]
    return {
        "model": hierarchy.model.name,
        "priors": "; ".join(describe_priors(hierarchy.model, hierarchy.priors)),
        "subjects": digest([made.values, made.times_h, made.design, *given]),
        "centring": digest([hierarchy.centring.between, hierarchy.centring.within]),
        "start of the chains": digest([*problem.coordinates, problem.spread]),
        "seed": str(seed),
        "target acceptance": str(sampler.target_acceptance),
        "warm-up": str(sampler.warmup),
        "chains": str(CHAINS),
    }


def _leaves(tree: Any) -> list[Any]:
    return jax.tree.leaves(tree)
