"""Maximum marginal likelihood: typical values, covariances and residual error."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import OptimizeResult, minimize

from pkmodels.errors import FitRefusedError, InputError, SolveError
from pkmodels.population.boundaries import boundaries_of
from pkmodels.population.coordinates import (
    Estimates,
    coefficient_names,
    estimates_of,
    names_of,
    readings_of,
    start_of,
)
from pkmodels.population.marginal import Marginal, marginal_at
from pkmodels.population.modes import Modes
from pkmodels.population.predictions import Predictor, on_own_scale, predictor_of
from pkmodels.population.structure import (
    PopulationModel,
    effects_of,
)
from pkmodels.population.subjects import Subject, arrange

# Where the gradient is shorter than this, in units of standard errors of what is
# estimated, the objective is within half its square of the least.
_GRADIENT = 1e-3
# A search whose line searches can go no lower is accepted below this, and says so.
_ACCEPTED_GRADIENT = 3e-2
# By how much a gradient may be longer once its units are known better.
_LOOSE = 5.0
_MOST_RESTARTS = 4


@dataclass(frozen=True, eq=False)
class PopulationFit:
    """A population model fitted to subjects by FOCEI.

    Parameters
    ----------
    predictor : Predictor
        Model and subjects.
    vector : (n,) array
        What was estimated, in `pkmodels.population.coordinates`.
    estimates : Estimates
        The same as it is read.
    objective : float
        NONMEM's objective: -2 ln L without n ln(2 pi), and of ln y where the error is
        log-normal.
    laplace_objective : float
        The same with exact second derivatives, at the same estimates; inf where they
        are not positive definite.
    modes : Modes
        Each subject's mode: the empirical Bayes estimates of its random effects.
    gradient : float
        Length of the objective's gradient in units of standard errors.
    evaluations, failed_evaluations : int
        How many times the objective was computed, and could not be.
    boundaries : tuple of str
        Effects and errors that ran to 0, and covariances that became singular.
    findings : tuple of str
        What else a reader must know, and the boundaries.
    """

    predictor: Predictor
    vector: np.ndarray
    estimates: Estimates
    objective: float
    laplace_objective: float
    modes: Modes
    gradient: float
    evaluations: int
    failed_evaluations: int
    boundaries: tuple[str, ...] = field(default=())
    findings: tuple[str, ...] = field(default=())

    @property
    def model(self) -> PopulationModel:
        """The population model."""
        return self.predictor.model

    @property
    def names(self) -> tuple[str, ...]:
        """What was estimated."""
        return names_of(self.model)

    @property
    def values(self) -> np.ndarray:
        """The estimates, in the order of the names."""
        return readings_of(self.model, self.vector)

    @property
    def minus_two_log_likelihood(self) -> float:
        """-2 ln p(y), constants and all, by FOCEI's approximation."""
        made = self.predictor.arrangement
        constant = made.n_values * math.log(2.0 * math.pi)
        return self.objective + constant + 2.0 * made.log_jacobian

    @property
    def aic(self) -> float:
        """Akaike's criterion, -2 ln L + 2 n."""
        return self.minus_two_log_likelihood + 2.0 * len(self.vector)

    @property
    def bic(self) -> float:
        """Schwarz's criterion with ln of the number of values for every estimate."""
        values = math.log(self.predictor.arrangement.n_values)
        return self.minus_two_log_likelihood + len(self.vector) * values

    @property
    def corrected_bic(self) -> float:
        """The criterion of Delattre et al., Electron J Stat 2014;8:456-475.

        ln of the number of subjects for what varies between them (their typical values
        and covariances), ln of the number of values for all else.
        """
        model, made = self.model, self.predictor.arrangement
        varying = {*effects_of(model.between), *effects_of(model.occasions)}
        count = sum(t.estimated for n, t in model.typical.items() if n in varying)
        count += sum(e.estimated and e.parameter in varying for e in model.covariates)
        blocks = (*model.between, *model.occasions)
        count += sum(len(b.parameters) * (len(b.parameters) + 1) // 2 for b in blocks)
        return (
            self.minus_two_log_likelihood
            + count * math.log(len(made.names))
            + (len(self.vector) - count) * math.log(made.n_values)
        )

    def parameters(self) -> dict[str, np.ndarray]:
        """Return each subject's own parameters at its mode.

        Returns
        -------
        dict of str to (n_subjects, n_occasions) array
            By name, on no scale but their own.
        """
        scales = tuple(typical.scale for typical in self.model.typical.values())
        found = np.asarray(on_own_scale(self.modes.local.parameters, scales))
        return {name: found[..., n] for n, name in enumerate(self.model.typical)}


@dataclass
class _Search:
    """The state of one search: the last modes, from which the next ones are found."""

    predictor: Predictor
    effects: np.ndarray
    centre: np.ndarray
    stretch: np.ndarray
    last: Marginal | None = None
    at: np.ndarray | None = None
    best: float = math.inf
    best_vector: np.ndarray | None = None
    evaluations: int = 0
    failed: int = 0

    def evaluate(self, vector: np.ndarray) -> Marginal:
        """Return the objective at a vector."""
        if self.at is not None and np.array_equal(self.at, vector):
            assert self.last is not None
            return self.last
        found = marginal_at(self.predictor, vector, self.effects)
        self.evaluations += 1
        if math.isfinite(found.objective):
            self.effects = found.modes.local.effects
            if found.objective < self.best:
                self.best, self.best_vector = found.objective, vector.copy()
        else:
            self.failed += 1
        self.last, self.at = found, vector.copy()
        return found

    def stretched(self, position: np.ndarray) -> tuple[float, np.ndarray]:
        """Return objective and gradient where the curvature is about 1."""
        found = self.evaluate(self.centre + self.stretch @ position)
        return found.objective, self.stretch.T @ found.gradient


def fit_population(
    model: PopulationModel,
    subjects: Sequence[Subject],
    *,
    start: np.ndarray | None = None,
    most_iterations: int = 200,
    progress: Callable[[int, float, np.ndarray], object] | None = None,
) -> PopulationFit:
    """Estimate a population model by FOCEI.

    The objective of `pkmodels.population.marginal` is minimized by BFGS (scipy) with
    its exact gradient, in coordinates stretched by the subjects' scores. At the end
    every mode is searched anew from 0, and the search goes on where one is better.

    Parameters
    ----------
    model : PopulationModel
        What is estimated, and where from.
    subjects : sequence of Subject
        Two or more.
    start : (n,) array or None
        Where to start instead, in `pkmodels.population.coordinates`: the last that
        `progress` saw of an interrupted search, for one.
    most_iterations : int
        Of BFGS, >= 1.
    progress : callable or None
        Called with iteration, objective and vector after each; what it raises ends the
        search.

    Returns
    -------
    PopulationFit

    Raises
    ------
    InputError
        As `pkmodels.population.subjects.arrange`, or when `start` has another length.
    SolveError
        When a subject cannot be solved, or has no mode, at the start.
    FitRefusedError
        When the search does not converge.

    References
    ----------
    Wang, J Pharmacokinet Pharmacodyn 2007;34:575-593; Almquist et al., J Pharmacokinet
    Pharmacodyn 2015;42:191-209.

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> fit = fit_population(worked_example.population(), worked_example.subjects())
    >>> print(round(fit.objective, 2), fit.values.round(2))
    -14.35 [0.24 0.99 3.47 0.27 0.07 0.26]
    """
    predictor = predictor_of(model, arrange(model, subjects))
    vector = start_of(model) if start is None else np.asarray(start, np.float64)
    if vector.shape != start_of(model).shape:
        raise InputError(
            f"the start has {vector.size} numbers, and {model.name!r} estimates "
            f"{len(names_of(model))}: {', '.join(names_of(model))}"
        )
    effects = np.zeros((len(subjects), predictor.arrangement.effects.shape[2]))
    search = _Search(predictor, effects, vector, np.eye(len(vector)))
    _check_start(search.evaluate(vector), predictor)
    found = _run(search, most_iterations, progress)
    for _ in range(_MOST_RESTARTS):
        if not _better_modes(search):
            break
        found = _run(search, most_iterations, progress)
    return _concluded(search, found)


def _run(
    search: _Search,
    most_iterations: int,
    progress: Callable[[int, float, np.ndarray], object] | None,
) -> OptimizeResult:
    """Minimize from the best vector, in coordinates stretched anew when it stalls."""
    done = 0

    def report(intermediate_result: OptimizeResult) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            vector = search.centre + search.stretch @ intermediate_result.x
            progress(done, float(intermediate_result.fun), vector)

    found = OptimizeResult()
    for n in range(_MOST_RESTARTS):
        assert search.best_vector is not None
        search.centre = search.best_vector
        last = search.evaluate(search.centre)
        count = len(coefficient_names(search.predictor.model))
        stretch = _stretch(last.gradients, count)
        # Far from the end, scores are large and make the gradient look short.
        if n and np.linalg.norm(stretch.T @ last.gradient) < _LOOSE * _GRADIENT:
            break
        search.stretch = stretch
        with np.errstate(all="ignore"):  # what overflows there is not taken
            found = minimize(
                search.stretched,
                np.zeros(len(search.centre)),
                jac=True,
                method="BFGS",
                callback=report,
                options={"gtol": _GRADIENT, "maxiter": most_iterations, "norm": 2},
            )
        if found.status == 1:  # as many iterations as were allowed
            break
    return found


def _stretch(scores: np.ndarray, n_coefficients: int) -> np.ndarray:
    """Return steps of about one standard error, from the scores of the subjects.

    The second derivatives of -2 ln L are about half the sum of squared scores. Logs of
    standard deviations that have next to none move by 1 at most.
    """
    expected = 0.5 * scores.T @ scores
    least = np.where(np.arange(len(expected)) < n_coefficients, 1e-8, 1.0)
    scale = np.sqrt(np.maximum(np.diag(expected), least))
    correlation = expected / np.outer(scale, scale)
    values, vectors = np.linalg.eigh(correlation)
    # Fewer subjects than estimates leave directions without a score.
    roots = 1.0 / np.sqrt(np.maximum(values, 1e-2))
    return (vectors * roots) / scale[:, None]


def _better_modes(search: _Search) -> bool:
    """Look for the modes from 0, and take over those that are more probable."""
    assert search.best_vector is not None
    before = search.evaluate(search.best_vector)
    anew = marginal_at(search.predictor, search.best_vector, 0.0 * search.effects)
    search.evaluations += 1
    slack = 1e-6
    better = anew.modes.is_found & (
        anew.modes.local.half < before.modes.local.half - slack
    )
    if not better.any():
        return False
    search.effects = np.where(better[:, None], anew.modes.local.effects, search.effects)
    search.at, search.best = None, math.inf
    search.evaluate(search.best_vector)
    return True


def _check_start(found: Marginal, predictor: Predictor) -> None:
    bad = np.flatnonzero(~np.isfinite(found.subjects))
    if not len(bad):
        return
    names = predictor.arrangement.names
    shown = ", ".join(names[i] for i in bad[:5]) + (" ..." if len(bad) > 5 else "")
    if not np.isfinite(found.modes.local.half[bad]).all():
        raise SolveError(
            f"{len(bad)} of {len(names)} subjects cannot be solved, or have a value "
            f"whose variance is 0, at the start ({shown}): begin nearer, look at their "
            "doses and times, or give the error an additive part where 0 is predicted"
        )
    raise SolveError(
        f"no most probable random effects were found at the start of {len(bad)} of "
        f"{len(names)} subjects ({shown}): begin nearer, or with smaller covariances"
    )


def _concluded(search: _Search, found: OptimizeResult) -> PopulationFit:
    assert search.best_vector is not None
    vector, predictor = search.best_vector, search.predictor
    last = search.evaluate(vector)
    length = float(np.linalg.norm(search.stretch.T @ last.gradient))
    names = names_of(predictor.model)
    if not length < _ACCEPTED_GRADIENT:
        steepest = names[int(np.argmax(np.abs(search.stretch.T @ last.gradient)))]
        raise FitRefusedError(
            f"the estimation of {predictor.model.name!r} did not converge: after "
            f"{search.evaluations} evaluations ({search.failed} of them failed) the "
            f"gradient is {length:.2g} standard errors long, steepest about "
            f"{steepest}, with {found.message!r}: begin nearer, simplify the model, or "
            "tighten the controls of the solve"
        )
    estimates = estimates_of(predictor.model, vector)
    boundaries = tuple(boundaries_of(predictor.model, estimates))
    findings = list(boundaries)
    if length > _LOOSE * _GRADIENT:
        findings.append(
            f"the search stopped where the gradient is {length:.2g} standard errors "
            "long: estimates are that uncertain beside their standard errors"
        )
    return PopulationFit(
        predictor=predictor,
        vector=vector,
        estimates=estimates,
        objective=last.objective,
        laplace_objective=float(last.laplace.sum()),
        modes=last.modes,
        gradient=length,
        evaluations=search.evaluations,
        failed_evaluations=search.failed,
        boundaries=boundaries,
        findings=tuple(findings),
    )
