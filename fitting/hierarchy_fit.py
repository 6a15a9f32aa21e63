"""Hierarchical fits: checked draws of a population and of every subject."""

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jax
import numpy as np

from pkmodels.errors import FitRefusedError, SolveError
from pkmodels.fitting.centring import scores_spread
from pkmodels.fitting.checks import Checks, check
from pkmodels.fitting.hierarchy import (
    Hierarchy,
    build_hierarchy,
    real_occasions,
    shifts_of,
)
from pkmodels.fitting.hierarchy_priors import (
    correlation_name,
    describe_priors,
)
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
from pkmodels.population.coordinates import (
    coefficient_names,
    estimates_of,
    names_of,
    readings_of,
)

_FIRST_TARGET_ACCEPTANCE, _SECOND_TARGET_ACCEPTANCE = 0.9, 0.99
# Above so many unknowns the metric is diagonal: a dense one costs n^2 and needs more
# draws to be learnt than the warm-up has.
_DENSE_UP_TO = 100
# Spread of the chains' starts, in approximate posterior standard deviations.
_DISPERSION = 1.5


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
        Whether they may be trusted.
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
        """Say in one line whether the fit may be trusted."""
        name = self.hierarchy.model.name
        if self.checks.passed:
            return f"<hierarchical fit of {name}: passed its checks>"
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
        return _vectors(self.hierarchy, self.draws)

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
        return _effects(self.hierarchy, self.draws)

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
    <hierarchical fit of oral: passed its checks>
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


def problem_of(hierarchy: Hierarchy, sampler: Sampler) -> Problem:
    """Return where the chains of a hierarchy begin.

    Parameters
    ----------
    hierarchy : Hierarchy
        What to fit.
    sampler : Sampler
        From `compile_hierarchy`.

    Returns
    -------
    Problem

    Raises
    ------
    SolveError
        When the posterior is not finite there.

    Examples
    --------
    >>> from pkmodels.fitting import hierarchy_example
    >>> example = hierarchy_example.hierarchy()
    >>> sampler = compile_hierarchy(example, target_acceptance=0.9)
    >>> problem_of(example, sampler).coordinates[0][:3].round(2)  # FOCEI's ln ka, cl, v
    array([0.24, 0.99, 3.47])
    """
    model = sampler.model
    values, spreads = _begin(hierarchy)
    centre, scale = [], []
    for variable in model.free_RVs:
        value = np.ravel(values[str(variable.name)])
        centre.append(value)
        scale.append(
            np.broadcast_to(np.ravel(spreads[str(variable.name)]), value.shape)
        )
    whole = (np.concatenate(centre), np.concatenate(scale))
    density, gradient = sampler.slope(whole[0], ())
    if not (np.isfinite(density) and np.isfinite(gradient).all()):
        raise SolveError(
            f"the posterior of {hierarchy.model.name!r} is not finite at the start: "
            "start nearer, look at doses and times, or give the error an additive part "
            "where 0 is predicted"
        )
    size = len(whole[0])
    return Problem({}, whole, np.zeros(size), np.full(size, _DISPERSION))


def _begin(hierarchy: Hierarchy) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return each variable at the start, unconstrained, and about how wide it is."""
    predictor, model, priors = hierarchy.predictor, hierarchy.model, hierarchy.priors
    estimates = estimates_of(model, hierarchy.start)
    n_subjects = len(predictor.arrangement.names)
    values: dict[str, Any] = {}
    spreads: dict[str, Any] = {}
    # A standard deviation of n things is known to 1 / sqrt(2 n) of itself.
    of_subjects = 1.0 / np.sqrt(2.0 * n_subjects)
    of_values = 1.0 / np.sqrt(2.0 * predictor.arrangement.n_values)
    shared = float(np.sqrt(np.diag(estimates.between).mean() / n_subjects))
    for n, name in enumerate(coefficient_names(model)):
        values[name] = estimates.coefficients[n]
        spreads[name] = min(shared, priors[name].numbers["sd"])
    pairs = (
        (model.between, estimates.between, ""),
        (model.occasions, estimates.within, " by occasion"),
    )
    for blocks, covariance, ending in pairs:
        first = 0
        for block in blocks:
            here = slice(first, first + len(block.parameters))
            part = covariance[here, here]
            sds = np.sqrt(np.diag(part))
            for name, sd in zip(block.parameters, sds, strict=True):
                values[f"sd of {name}{ending}"] = np.log(sd)
                spreads[f"sd of {name}{ending}"] = of_subjects
            name = f"sampled {correlation_name(block, ending)}"
            # Shrunk, so that the start is away from the edge.
            shrunk = 0.9 * part / np.outer(sds, sds) + 0.1 * np.eye(len(sds))
            values[name] = 2.0 * np.arctanh(_partial_correlations(shrunk))
            spreads[name] = 2.0 * of_subjects
            first += len(block.parameters)
    for n, name in enumerate(model.residual):
        for kind in ("additive", "proportional"):
            value = getattr(estimates, kind)[n]
            values[f"{kind} sd of {name}"] = np.log(value) if value else 0.0
            spreads[f"{kind} sd of {name}"] = of_values
    _begin_effects(hierarchy, values, spreads)
    return values, spreads


def _begin_effects(
    hierarchy: Hierarchy, values: dict[str, Any], spreads: dict[str, Any]
) -> None:
    """Add the sampled effects, each centred or not, at the modes."""
    predictor, centring = hierarchy.predictor, hierarchy.centring
    estimates = estimates_of(hierarchy.model, hierarchy.start)
    left = scores_spread(predictor, hierarchy.start, hierarchy.modes)
    real = real_occasions(predictor)
    between, within = shifts_of(predictor)
    k, m = len(centring.effects), len(centring.occasion_effects)
    root = np.linalg.cholesky(estimates.between)
    eta = hierarchy.modes[:, :k]
    scores = np.linalg.solve(root, eta.T).T
    for e, name in enumerate(centring.effects):
        which, own = centring.between[:, e], between[:, e] @ estimates.coefficients
        key = f"sampled effect of {name}"
        values[key] = np.where(which, own + eta[:, e], scores[:, e])
        spreads[key] = np.where(which, root[e, e], 1.0) * left[:, e]
    if not m:
        return
    rows, occasions = real[:, 0], real[:, 1]
    kappa = hierarchy.modes[:, k:].reshape(len(eta), -1, m)[rows, occasions]
    left = left[:, k:].reshape(len(eta), -1, m)[rows, occasions]
    root = np.linalg.cholesky(estimates.within)
    scores = np.linalg.solve(root, kappa.T).T
    for e, name in enumerate(centring.occasion_effects):
        which = centring.within[rows, occasions, e]
        own = within[:, e] @ estimates.coefficients + kappa[:, e]
        if name in centring.effects:
            own = own + eta[rows, centring.effects.index(name)]
        key = f"sampled effect of {name} by occasion"
        values[key] = np.where(which, own, scores[:, e])
        spreads[key] = np.where(which, root[e, e], 1.0) * left[:, e]


def _partial_correlations(correlations: np.ndarray) -> np.ndarray:
    """Return the correlation of each pair given all before both, row by row."""
    factor = np.linalg.cholesky(correlations)
    rows, columns = np.tril_indices(len(factor), -1)
    before = [(factor[i, :j] ** 2).sum() for i, j in zip(rows, columns, strict=True)]
    return factor[rows, columns] / np.sqrt(1.0 - np.array(before))


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


def _flat(draws: Draws, name: str) -> np.ndarray:
    found = np.asarray(draws.variables[name])
    return found.reshape(-1, *found.shape[2:])


def _vectors(hierarchy: Hierarchy, draws: Draws) -> np.ndarray:
    """Return draws in `pkmodels.population.coordinates`."""
    model = hierarchy.model
    found = [_flat(draws, name)[:, None] for name in coefficient_names(model)]
    for blocks, ending in ((model.between, ""), (model.occasions, " by occasion")):
        for block in blocks:
            sds = [_flat(draws, f"sd of {name}{ending}") for name in block.parameters]
            factor = np.stack(sds, axis=1)[:, :, None] * (
                np.linalg.cholesky(_flat(draws, correlation_name(block, ending)))
                if len(sds) > 1
                else np.ones((len(sds[0]), 1, 1))
            )
            rows, columns = np.tril_indices(len(sds))
            entries = factor[:, rows, columns]
            diagonal = rows == columns
            entries[:, diagonal] = np.log(entries[:, diagonal])
            found.append(entries)
    for name, error in model.residual.items():
        for kind, value in (
            ("additive", error.additive),
            ("proportional", error.proportional),
        ):
            if value:
                found.append(np.log(_flat(draws, f"{kind} sd of {name}"))[:, None])
    return np.concatenate(found, axis=1)


def _effects(hierarchy: Hierarchy, draws: Draws) -> np.ndarray:
    """Return draws of the random effects in the order of `pkmodels.population`."""
    centring, made = hierarchy.centring, hierarchy.predictor.arrangement
    eta = [_flat(draws, f"effect of {name}") for name in centring.effects]
    found = np.stack(eta, axis=-1)
    if not centring.occasion_effects:
        return found
    real = real_occasions(hierarchy.predictor)
    shape = (len(found), *made.values.shape[:2], len(centring.occasion_effects))
    kappa = np.zeros(shape)
    for e, name in enumerate(centring.occasion_effects):
        own = _flat(draws, f"effect of {name} by occasion")
        kappa[:, real[:, 0], real[:, 1], e] = own
    flat = kappa.reshape(*found.shape[:2], -1)
    return np.concatenate([found, flat], axis=-1)
