"""New subjects: the cohort's posterior as the prior of one who was no part of it.

With h the population and u the random effects of the new subject,

    p(h, u | cohort, y) ~ p(h | cohort) p(u | h) p(y | u, h)

Draws of p(h | cohort) stand for the cohort, which is not fitted again. For each, u is
drawn about its mode, and the weight p(u | h) p(y | u, h) / q(u) makes both draws of the
posterior, whatever the mode: exact but for Monte-Carlo error. The mean of the weights
of one h estimates p(y | h) without bias.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from scipy.special import logsumexp

from pkmodels.errors import FitRefusedError, InputError, SolveError, suggest
from pkmodels.fitting.checks import ESS_LIMIT
from pkmodels.fitting.hierarchy_fit import HierarchyFit
from pkmodels.fitting.importance import WeightedSample, weigh
from pkmodels.fitting.subject_copies import (
    Populations,
    copy_subject,
    find_own_modes,
    propose_effects,
)
from pkmodels.population.coordinates import coefficient_names, estimates_of
from pkmodels.population.designs import design_of
from pkmodels.population.predictions import on_own_scale
from pkmodels.population.residuals import variance_of
from pkmodels.population.responses import Response
from pkmodels.population.structure import ErrorForm, PopulationModel
from pkmodels.population.subjects import Subject

# Draws of the population that are weighted at most, and of the effects for each.
_POPULATIONS, _EACH = 2000, 32


@dataclass(frozen=True, eq=False)
class NewSubject:
    """Draws of a new subject and of the population, as the cohort and its values say.

    Parameters
    ----------
    name : str
        Whose.
    model : PopulationModel
        The population's.
    vectors : (n_draws, n) array
        The population, in `pkmodels.population.coordinates`.
    on_scale : (n_draws, n_occasions, n_parameters) array
        Its parameters on their scales; read them by `parameters`.
    log_predictive : float or None
        ln p(y | cohort) of its values; None where there are none.
    k_hat : float or None
        Pareto's shape of the weights.
    effective_size : float
        How many independent draws of the population these are worth.
    reasons : tuple of str
        Why they may not be used; empty where they may.
    """

    name: str
    model: PopulationModel
    vectors: np.ndarray
    on_scale: np.ndarray
    log_predictive: float | None
    k_hat: float | None
    effective_size: float
    reasons: tuple[str, ...]

    def __repr__(self) -> str:
        """Say in one line whether the draws may be used."""
        if self.reasons:
            return f"<{self.name}: NOT to be trusted: {'; '.join(self.reasons)}>"
        return f"<{self.name}: {self.effective_size:.0f} effective draws>"

    def parameters(self) -> dict[str, np.ndarray]:
        """Return draws of its own parameters, on no scale but their own.

        Returns
        -------
        dict of str to (n_draws, n_occasions) array
            All equally probable.

        Raises
        ------
        FitRefusedError
            When the cohort's draws cannot carry this subject.
        """
        if self.reasons:
            raise FitRefusedError(f"subject {self.name}: {'; '.join(self.reasons)}")
        scales = tuple(typical.scale for typical in self.model.typical.values())
        found = np.asarray(on_own_scale(self.on_scale, scales))
        return {name: found[..., n] for n, name in enumerate(self.model.typical)}


def learn_subject(
    fit: HierarchyFit,
    subject: Subject,
    *,
    seed: int,
    progress: Callable[[int, int], object] | None = None,
) -> NewSubject:
    """Fit a new subject with the cohort's posterior as its prior.

    Parameters
    ----------
    fit : HierarchyFit
        The cohort, which does not hold this subject.
    subject : Subject
        With one value or more; it may lack observables, and parameters of occasions,
        that others have.
    seed : int
        Repeats the draws.
    progress : callable or None
        Called with the number of batches done, and of all.

    Returns
    -------
    NewSubject
        Which refuses to hand out draws where the subject would move the population too
        far for the cohort's draws to follow: it must then be fitted within the cohort.

    Raises
    ------
    InputError
        When the cohort has a subject of this name, whose values would count twice, or
        as `pkmodels.population.subjects.arrange`.
    FitRefusedError
        When the cohort's fit failed its checks.
    SolveError
        When the subject cannot be solved at the cohort's typical values.

    References
    ----------
    Vehtari et al., J Machine Learning Research 2024;25(72) (Pareto smoothing and its
    diagnostic); Tran et al., arXiv:1309.3339 (importance sampling with an estimated
    likelihood is exact).

    Examples
    --------
    >>> from dataclasses import replace
    >>> from pkmodels.fitting import hierarchy_example
    >>> from pkmodels.population import worked_example
    >>> new = replace(worked_example.subjects()[0], name="new")
    >>> found = learn_subject(hierarchy_example.made_up_fit(), new, seed=1)
    >>> found.parameters()["cl"].mean().round(2)  # its values alone: about 2.5
    np.float64(2.55)
    """
    if subject.name in fit.hierarchy.predictor.arrangement.names:
        raise InputError(
            f"the cohort holds a subject {subject.name!r}: its values would count "
            "twice; read its draws from the cohort's fit, or rename another person"
        )
    every = fit.vectors()
    chosen = np.unique(np.linspace(0, len(every) - 1, _POPULATIONS).astype(int))
    many = copy_subject(fit.hierarchy.model, every[chosen], subject)
    half, mode, curvature = find_own_modes(many)
    if not np.isfinite(half).any():
        raise SolveError(
            f"subject {subject.name} cannot be solved at the cohort's typical values, "
            "or has a value whose variance is 0 there: look at its doses and times"
        )
    logs, effects = propose_effects(many, mode, curvature, seed, _EACH, progress)
    by_population = np.asarray(logsumexp(logs, axis=0)) - np.log(len(logs))
    sample = weigh(many.vectors, by_population, np.zeros(len(many.vectors)))
    pairs = weigh(np.zeros((logs.size, 1)), logs.ravel(), np.zeros(logs.size))
    # Thinned draws are as good as independent where chains hold more.
    independent = min(1.0, (fit.checks.ess_bulk_min or 0.0) / len(chosen))
    size = _kish(sample) * independent
    k_hat = max(sample.k_hat, pairs.k_hat)
    own = _drawn(many, logs, effects, by_population, sample, seed)
    return NewSubject(
        name=subject.name,
        model=fit.hierarchy.model,
        vectors=own[0],
        on_scale=own[1],
        log_predictive=sample.log_evidence,
        k_hat=float(k_hat),
        effective_size=size,
        reasons=tuple(_reasons(k_hat, size, len(chosen))),
    )


def predict_subject(
    fit: HierarchyFit,
    name: str,
    covariates: Sequence[Mapping[str, float | str]],
    *,
    seed: int,
) -> NewSubject:
    """Draw a new subject of whom nothing was measured: what the cohort says of anyone.

    Parameters
    ----------
    fit : HierarchyFit
        The cohort.
    name : str
        What messages call the subject.
    covariates : sequence of mapping of str to float or str
        On each of its occasions, one or more.
    seed : int
        Repeats the draws.

    Returns
    -------
    NewSubject
        One draw for each of the cohort's.

    Raises
    ------
    InputError
        When there is no occasion, or a covariate is missing.
    FitRefusedError
        When the cohort's fit failed its checks.

    Examples
    --------
    >>> from pkmodels.fitting import hierarchy_example
    >>> found = predict_subject(hierarchy_example.made_up_fit(), "anyone", [{}], seed=1)
    >>> np.median(found.parameters()["cl"]).round(1)  # exp(0.99) = 2.7
    np.float64(2.7)
    """
    if not covariates:
        raise InputError(f"subject {name} has no occasion: give one mapping or more")
    model, vectors = fit.hierarchy.model, fit.vectors()
    generator = np.random.default_rng(seed)
    designs = [design_of(model, known, name) for known in covariates]
    names = list(model.typical)
    count = len(coefficient_names(model))
    found = np.empty((len(vectors), len(covariates), len(names)))
    for k, (fixed, design) in enumerate(designs):
        found[:, k] = fixed + vectors[:, :count] @ design.T
    for n, vector in enumerate(vectors):
        estimates = estimates_of(model, vector)
        _add_normal(found[n], model.between, estimates.between, names, generator)
        for k in range(len(covariates)):
            here = found[n, k : k + 1]
            _add_normal(here, model.occasions, estimates.within, names, generator)
    size = min(float(len(vectors)), fit.checks.ess_bulk_min or 0.0)
    return NewSubject(name, model, vectors, found, None, None, size, ())


def predict_values(
    subject: NewSubject,
    response: Response,
    given: Any,
    times_h: np.ndarray,
    *,
    occasion: int = 0,
    seed: int | None = None,
) -> np.ndarray:
    """Predict what a new subject's curves are, or what would be measured of them.

    Parameters
    ----------
    subject : NewSubject
        Of `learn_subject` or `predict_subject`.
    response : Response
        What predicts it.
    given : pytree of arrays
        What the response takes.
    times_h : (n_times,) array
        Ascending, h.
    occasion : int
        On which of its occasions.
    seed : int or None
        Of the residual errors; None leaves them out.

    Returns
    -------
    (n_draws, n_times, n_observables) array

    Raises
    ------
    InputError
        When the response has a parameter that the population does not, or with a seed
        an observable has no residual error.
    FitRefusedError
        When the subject's draws may not be used.
    SolveError
        When a draw cannot be solved.

    Examples
    --------
    >>> from pkmodels.fitting import hierarchy_example
    >>> from pkmodels.population import worked_example
    >>> anyone = predict_subject(
    ...     hierarchy_example.made_up_fit(), "anyone", [{}], seed=1)
    >>> response = worked_example.oral_response()
    >>> found = predict_values(anyone, response, 320.0, np.array([2.0, 24.0]))
    >>> print(np.median(found, axis=0).round(1).ravel())  # mg/L
    [8.  1.4]
    """
    own, model = subject.parameters(), subject.model
    for name in response.parameters:
        if name not in own:
            raise InputError(f"the response needs {name!r}: {suggest(name, own)}")
    at = np.stack([own[name][:, occasion] for name in response.parameters], axis=1)
    run = jax.jit(jax.vmap(lambda p: response.predict(p, given, times_h)))
    found = np.array(run(at))
    if not np.isfinite(found).all():
        worst = int(np.argmin(np.isfinite(found).all(axis=(1, 2))))
        raise SolveError(
            f"draw {worst} of subject {subject.name} cannot be solved, with "
            f"{dict(zip(response.parameters, at[worst].tolist(), strict=True))}"
        )
    if seed is None:
        return found
    for name in response.observables:
        if name not in model.residual:
            raise InputError(
                f"{name!r} has no residual error: {suggest(name, model.residual)}"
            )
    return _measured(subject, response, found, np.random.default_rng(seed))


def _measured(
    subject: NewSubject,
    response: Response,
    found: np.ndarray,
    generator: np.random.Generator,
) -> np.ndarray:
    """Return predictions with residual errors."""
    model = subject.model
    places = [list(model.residual).index(name) for name in response.observables]
    made = [estimates_of(model, vector) for vector in subject.vectors]
    additive = np.array([e.additive[places] for e in made])[:, None]
    proportional = np.array([e.proportional[places] for e in made])[:, None]
    forms = [model.residual[name].form for name in response.observables]
    logs = np.array([form is ErrorForm.LOG_NORMAL for form in forms])
    scatter = generator.standard_normal(found.shape)
    sd = np.sqrt(variance_of(found, additive, proportional))
    return np.where(logs, found * np.exp(additive * scatter), found + sd * scatter)


def _drawn(
    many: Populations,
    logs: np.ndarray,
    effects: np.ndarray,
    by_population: np.ndarray,
    sample: WeightedSample,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return as many equally probable draws as populations were weighted."""
    generator = np.random.default_rng([seed, 1])
    usable = np.flatnonzero(np.isfinite(by_population))
    count = len(many.vectors)
    # Systematic resampling: as many of each as its weight says, to within one.
    at = (np.arange(count) + generator.random()) / count
    chosen = np.searchsorted(np.cumsum(sample.weights), at)
    rows = usable[np.minimum(chosen, len(usable) - 1)]
    # The largest of logs with Gumbel's noise is a draw by their weights.
    own = logs[:, rows] + generator.gumbel(size=(len(logs), count))
    taken = effects[np.argmax(own, axis=0), rows]
    made = many.predictor.arrangement
    on_scale = many.typical[rows] + np.einsum("kpe,ie->ikp", made.effects, taken)
    order = generator.permutation(count)
    return many.vectors[rows][order], on_scale[order]


def _kish(sample: WeightedSample) -> float:
    return float(1.0 / (sample.weights**2).sum()) if len(sample.weights) else 0.0


def _reasons(k_hat: float, size: float, count: int) -> list[str]:
    remedy = (
        "fit the cohort anew with this subject in it, and look whether it belongs to "
        "the same population"
    )
    # Vehtari et al. 2024: above it, so many draws do not give a reliable mean.
    limit = min(0.7, 1.0 - 1.0 / np.log10(count))
    found = []
    if not k_hat < limit:
        found.append(
            f"the weights of the cohort's draws are too uneven (Pareto k {k_hat:.2f}, "
            f"limit {limit:.2f}): {remedy}"
        )
    if not size >= ESS_LIMIT:
        found.append(
            f"only {size:.0f} effective draws of the cohort are left (limit "
            f"{ESS_LIMIT:.0f}): take more draws of the cohort, or {remedy}"
        )
    return found


def _add_normal(
    parameters: np.ndarray,
    blocks: Sequence[Any],
    covariance: np.ndarray,
    names: list[str],
    generator: np.random.Generator,
) -> None:
    """Add normal effects of blocks to (n_occasions, n_parameters), alike on all."""
    if not len(covariance):
        return
    drawn = np.linalg.cholesky(covariance) @ generator.standard_normal(len(covariance))
    at = [names.index(name) for block in blocks for name in block.parameters]
    parameters[:, at] += drawn
