"""One subject under many draws of a population: its modes, and draws about them."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import gammaln

from pkmodels.population.coordinates import coefficient_names, estimates_of
from pkmodels.population.predictions import Predictor, predictor_of
from pkmodels.population.residuals import Residuals, residuals_of
from pkmodels.population.structure import PopulationModel
from pkmodels.population.subjects import Subject, arrange

# Of the Student t about each mode: heavier tails than the target's.
_DEGREES = 5.0
# Share of the draws that are of the effects' own distribution.
_DEFENSIVE = 0.125
_MOST_STEPS, _SHORT = 60, 1e-6


@dataclass(frozen=True, eq=False)
class Populations:
    """One subject as many copies, each of another draw of the population.

    Parameters
    ----------
    predictor : Predictor
        Of the copies.
    vectors : (n, n_estimates) array
        The draws, in `pkmodels.population.coordinates`.
    typical : (n, n_occasions, n_parameters) array
        Parameters without random effects, on their scales.
    precision : (n, n_effects, n_effects) array
        Inverse covariances of the random effects.
    log_determinant : (n,) array
        Of the covariances.
    additive, proportional : (n, n_occasions, n_values) arrays
        a and b of each value's error.
    """

    predictor: Predictor
    vectors: np.ndarray
    typical: np.ndarray
    precision: np.ndarray
    log_determinant: np.ndarray
    additive: np.ndarray
    proportional: np.ndarray

    def local(
        self, effects: np.ndarray, derivatives: int
    ) -> tuple[np.ndarray, Residuals, np.ndarray]:
        """Return half of -2 ln p(y, u | h), without constants, residuals and slopes.

        Parameters
        ----------
        effects : (n, n_effects) array
            u of each copy.
        derivatives : int
            0 or 1; slopes are empty with 0.

        Returns
        -------
        (n,) array, Residuals, (n, n_occasions, n_values, n_active) array
            Inf where it cannot be solved.
        """
        made = self.predictor.arrangement
        own = self.typical + np.einsum("kpe,ie->ikp", made.effects, effects)
        with np.errstate(all="ignore"):
            found = self.predictor.predict(own, derivatives)
            residuals = residuals_of(
                made.values,
                found.values,
                self.additive,
                self.proportional,
                made.is_value,
            )
            prior = np.einsum("ie,ief,if->i", effects, self.precision, effects)
            half = residuals.value.sum(axis=(1, 2))
            half = half + 0.5 * (prior + self.log_determinant)
            if derivatives:
                half = half + 0.0 * found.slopes.reshape(len(half), -1).sum(axis=1)
        return np.where(np.isfinite(half), half, np.inf), residuals, found.slopes


def copy_subject(
    model: PopulationModel, vectors: np.ndarray, subject: Subject
) -> Populations:
    """Return a subject under each of many draws of a population.

    Parameters
    ----------
    model : PopulationModel
        The population.
    vectors : (n, n_estimates) array
        The draws, in `pkmodels.population.coordinates`.
    subject : Subject
        The subject.

    Returns
    -------
    Populations

    Raises
    ------
    InputError
        As `pkmodels.population.subjects.arrange`.

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> fit = worked_example.fitted()
    >>> first = worked_example.subjects()[0]
    >>> copy_subject(fit.model, np.array([fit.vector] * 3), first).precision.shape
    (3, 2, 2)
    """
    copies = [replace(subject, name=f"{n}") for n in range(len(vectors))]
    predictor = predictor_of(model, arrange(model, copies, whole=False))
    made = predictor.arrangement
    occasions = made.values.shape[1]
    count = len(coefficient_names(model))
    estimates = [estimates_of(model, vector) for vector in vectors]
    whole = np.zeros((len(vectors), made.effects.shape[2], made.effects.shape[2]))
    first = 0
    between = np.array([e.between for e in estimates])
    within = np.array([e.within for e in estimates])
    for part in (between, *[within] * (occasions if within.shape[1] else 0)):
        here = slice(first, first + part.shape[1])
        whole[:, here, here] = part
        first += part.shape[1]
    errors = [
        np.array([getattr(e, kind) for e in estimates])
        for kind in ("additive", "proportional")
    ]
    rows = np.arange(len(vectors))[:, None, None]
    typical = made.fixed + np.einsum("ikpc,ic->ikp", made.design, vectors[:, :count])
    return Populations(
        predictor=predictor,
        vectors=vectors,
        typical=typical,
        precision=np.linalg.inv(whole),
        log_determinant=np.linalg.slogdet(whole)[1],
        additive=errors[0][rows, made.error],
        proportional=errors[1][rows, made.error],
    )


def find_own_modes(many: Populations) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return about the most probable effects, by damped steps of Gauss and Newton.

    Parameters
    ----------
    many : Populations
        The copies.

    Returns
    -------
    half : (n,) array
        Half of -2 ln p(y, u | h) there; inf where a copy cannot be solved.
    effects : (n, n_effects) array
        u.
    curvature : (n, n_effects, n_effects) array
        FOCEI's approximation of the second derivatives.

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> fit = worked_example.fitted()
    >>> first = worked_example.subjects()[0]
    >>> found = find_own_modes(copy_subject(fit.model, fit.vector[None], first))
    >>> off = found[1][0] - fit.modes.local.effects[0]  # from FOCEI's modes
    >>> bool(np.abs(off).max() < 1e-3)
    True
    """
    made = many.predictor.arrangement
    active = made.active_effects
    effects = np.zeros((len(many.vectors), active.shape[2]))
    half, residuals, slopes = many.local(effects, 1)
    damping = np.full(len(effects), 1e-3)
    curvature = many.precision
    for _ in range(_MOST_STEPS):
        by = slopes @ active
        gradient = np.einsum("ikj,ikje->ie", residuals.slope, by)
        gradient += np.einsum("ief,if->ie", many.precision, effects)
        weighted = residuals.weight[..., None] * by
        curvature = np.einsum("ikje,ikjf->ief", weighted, by) + many.precision
        good = np.isfinite(half)[:, None]
        gradient = np.where(good & np.isfinite(gradient), gradient, 0.0)
        sound = np.isfinite(curvature).all(axis=(1, 2))[:, None, None]
        curvature = np.where(sound & good[:, :, None], curvature, many.precision)
        diagonal = np.einsum("iee->ie", curvature)
        extra = damping[:, None, None] * np.eye(effects.shape[1])
        step = -np.linalg.solve(
            curvature + extra * diagonal[:, None, :], gradient[..., None]
        )[..., 0]
        if (-(gradient * step).sum(axis=1) < _SHORT).all():
            break
        trial = effects + step
        now, moved, bent = many.local(trial, 1)
        better = now <= half
        effects = np.where(better[:, None], trial, effects)
        half = np.where(better, now, half)
        residuals = Residuals(
            *(
                np.where(
                    better[:, None, None], getattr(moved, n), getattr(residuals, n)
                )
                for n in Residuals.__dataclass_fields__
            )
        )
        slopes = np.where(better[:, None, None, None], bent, slopes)
        damping = np.where(better, damping * 0.2, np.maximum(damping * 8.0, 1e-2))
    return half, effects, curvature


def propose_effects(
    many: Populations,
    mode: np.ndarray,
    curvature: np.ndarray,
    seed: int,
    each: int,
    progress: Callable[[int, int], object] | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw effects about the modes, with the logs of their importance weights.

    Of a multivariate Student t with 5 degrees of freedom and the modes' curvature and,
    an eighth of them, of the effects' own distribution: a mixture, whose weights are
    bounded by the likelihood however wrong the modes are.

    Parameters
    ----------
    many : Populations
        The copies.
    mode, curvature : arrays
        Of `find_own_modes`.
    seed : int
        Repeats the draws.
    each : int
        How many for each copy, >= 1.
    progress : callable or None
        Called with the number of batches done, and of all.

    Returns
    -------
    logs : (each, n) array
        ln p(y, u | h) / q(u), constants and all.
    effects : (each, n, n_effects) array
        The draws.

    References
    ----------
    Hesterberg, Technometrics 1995;37:185-194 (defensive mixtures).

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> from scipy.special import logsumexp
    >>> fit = worked_example.fitted()
    >>> copies = [copy_subject(fit.model, fit.vector[None], s)
    ...     for s in worked_example.subjects()]
    >>> logs = [propose_effects(c, *find_own_modes(c)[1:], 1, 500, None)[0]
    ...     for c in copies]
    >>> total = sum(logsumexp(each) - np.log(500) for each in logs)
    >>> abs(-2.0 * total - fit.minus_two_log_likelihood) < 0.5  # FOCEI's
    np.True_
    """
    generator = np.random.default_rng([seed, 0])
    made = many.predictor.arrangement
    size = mode.shape[1]
    spread = np.swapaxes(np.linalg.inv(np.linalg.cholesky(curvature)), -1, -2)
    wide = np.swapaxes(np.linalg.inv(np.linalg.cholesky(many.precision)), -1, -2)
    constant = (
        gammaln((_DEGREES + size) / 2.0)
        - gammaln(_DEGREES / 2.0)
        - 0.5 * size * np.log(_DEGREES * np.pi)
        + 0.5 * np.linalg.slogdet(curvature)[1]
    )
    of_normal = -0.5 * (size * np.log(2.0 * np.pi) + many.log_determinant)
    # All copies have the same values.
    n_values = int(made.is_value[0].sum())
    logs_of_values = float(made.values[0][made.is_log[0] & made.is_value[0]].sum())
    rest = 0.5 * (n_values + size) * np.log(2.0 * np.pi) + logs_of_values
    of_prior = max(1, round(_DEFENSIVE * each))
    share = of_prior / each
    logs = np.empty((each, len(mode)))
    effects = np.empty((each, *mode.shape))
    for n in range(each):
        z = generator.standard_normal(mode.shape)
        if n < of_prior:
            effects[n] = np.einsum("ief,if->ie", wide, z)
        else:
            scale = generator.chisquare(_DEGREES, len(mode)) / _DEGREES
            z = z / np.sqrt(scale)[:, None]
            effects[n] = mode + np.einsum("ief,if->ie", spread, z)
        off = effects[n] - mode
        distance = np.einsum("ie,ief,if->i", off, curvature, off)
        student = constant - 0.5 * (_DEGREES + size) * np.log1p(distance / _DEGREES)
        own = np.einsum("ie,ief,if->i", effects[n], many.precision, effects[n])
        normal = of_normal - 0.5 * own
        about = np.log(share) + normal
        if share < 1.0:
            about = np.logaddexp(np.log1p(-share) + student, about)
        logs[n] = -many.local(effects[n], 0)[0] - rest - about
        if progress is not None:
            progress(n + 1, each)
    return logs, effects
