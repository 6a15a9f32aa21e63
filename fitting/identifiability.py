"""Identifiability of a model in one table: what can be known, and what is known.

The structural answer is about exact data of this schedule and its observables; it is
found elsewhere and taken as text here. The practical one is about these measurements:
profiles without the prior, credible intervals with it, contraction, and what each
parameter is confused with.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pkmodels.errors import FitRefusedError, InputError, suggest
from pkmodels.fitting.coordinates import coordinates_of
from pkmodels.fitting.fit import Fit
from pkmodels.fitting.learning import contraction
from pkmodels.fitting.noise_mixtures import (
    NoiseMixture,
    mix_noise,
    noise_places,
    threshold_over,
    typical_noise,
)
from pkmodels.fitting.objectives import (
    hold_noise,
    objectives_of,
    parameter_target,
)
from pkmodels.fitting.posterior import Posterior
from pkmodels.fitting.profile_search import find_optimum, profile
from pkmodels.fitting.profiles import End, Objective, Profile, Target
from pkmodels.fitting.sloppiness import (
    Sloppiness,
    kinetic_information,
    sloppiness,
)

KNOWN, NOT, UNDECIDED = "known", "not", "undecided"
# A correlation above it says that two parameters are told only together.
STRONG = 0.9
# A posterior this much narrower than the prior, in variance, is the data's.
_LEARNED = 0.5
# Draws that are looked at for lower energies, and of them, those that are begun from.
_LOOKED_AT, _BEGUN_FROM = 200, 8
# Draws that quantities are computed of: tails of 2.5 % are then of 25 draws.
_COUNTED = 1000
# Lower by this, in nats, a draw shows that an optimum is none.
_LOWER = 1e-3
# About as many draws lie outside an interval as its level says, where the prior agrees
# with the data; where so many do, profile and posterior tell of different things.
_MOST_OUTSIDE = 0.25

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Answer:
    """What is known of one parameter or quantity.

    Parameters
    ----------
    name : str
        Which.
    structural : str
        "known", "not", "undecided" or a sentence; "-" where it was not asked.
    likelihood : Profile
        Without the prior of the kinetics; how far it may rise follows from the noise's
        posterior, see `noise_mixtures.threshold_over`.
    credible : (float, float)
        With every prior: the equal-tailed interval of the draws, of the same level.
    outside : float
        Share of the draws outside the profile's interval; 0 where that is not closed.
    contraction : float or None
        1 - var posterior / var prior; None of a quantity that has no prior.
    confused_with : (str, float) or None
        The parameter with the largest posterior correlation, and that.
    """

    name: str
    structural: str
    likelihood: Profile
    credible: tuple[float, float]
    outside: float
    contraction: float | None
    confused_with: tuple[str, float] | None

    @property
    def verdict(self) -> str:
        """What to make of it, in words."""
        return _verdict(self)


@dataclass(frozen=True, eq=False)
class PracticalIdentifiability:
    """What a fit knows of its parameters, in one value.

    Parameters
    ----------
    answers : tuple of Answer
        Parameters, then quantities.
    sloppiness : Sloppiness
        Of the information of the data alone, at their best fit.
    """

    answers: tuple[Answer, ...]
    sloppiness: Sloppiness

    def describe(self) -> str:
        """Return the table, and stiff and sloppy directions below it."""
        return _describe(self)


def identify(
    fit: Fit,
    *,
    structural: Mapping[str, str] | None,
    level: float,
    quantities: Sequence[Target] = (),
    parameters: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> PracticalIdentifiability:
    """Say of every kinetic parameter what can be known of it, and what is known.

    Parameters
    ----------
    fit : Fit
        A fit that passed its checks.
    structural : mapping of str to str or None
        By parameter: "known", "not", "undecided", or in words what combination can be
        known. None where it was not asked.
    level : float
        Of the profiles' intervals, in (0, 1).
    quantities : sequence of Target
        From `quantity_target`: TIACs, doses.
    parameters : sequence of str, optional
        Which; all of the kinetics by default.
    progress : callable, optional
        Called with (profiles done, profiles in all).

    Returns
    -------
    PracticalIdentifiability

    Raises
    ------
    FitRefusedError
        When the fit failed its checks.
    InputError
        When a structural answer or a parameter is of no parameter of the kinetics, or
        the level is outside (0, 1).
    SolveError
        When no optimum is found.

    Notes
    -----
    "Data alone" is a profile of the likelihood, cut where a Student's t of the noise's
    own posterior says: of repeated data it holds the truth as often as its level says,
    where the parameter's scale is about linear and the noise's prior right.
    "With prior" is the credible interval of the draws. A profile that the posterior
    contradicts is told as not decided.

    References
    ----------
    Bates and Watts, Nonlinear Regression Analysis and its Applications, 1988, chapter
    6; Raue et al., Bioinformatics 2009;25:1923; Raue et al., Phil Trans R Soc A
    2013;371:20110544 (profiles beside the posterior).

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> from pkmodels.fitting.checks import Checks
    >>> from pkmodels.fitting.sampling import Draws
    >>> at = np.random.default_rng(0).normal([4.17, -3.0], 0.02, (4, 500, 2))
    >>> variables = {"kinetics": np.exp(at[..., :1])}
    >>> variables["relative_noise"] = np.exp(at[..., 1:])
    >>> draws = Draws(variables, at, np.zeros((4, 500), bool), 0.9)
    >>> passed = Checks(1.0, 2e3, 2e3, 0, 0, (), 1, ())
    >>> made = Fit(worked_example.posterior(), draws, passed, seed=0)
    >>> found = identify(made, structural={"half_life": "known"}, level=0.95)
    >>> found.answers[0].verdict
    'the measurements tell it'
    """
    if not fit.checks.passed and fit.despite is None:
        raise FitRefusedError("; ".join(fit.checks.reasons))
    posterior = fit.posterior
    kinetic = [c.key for c in coordinates_of(posterior) if c.kinetic]
    names = kinetic if parameters is None else list(parameters)
    for name in (*names, *(structural or {})):
        if name not in kinetic:
            raise InputError(
                f"{name!r} is no parameter of the kinetics: {suggest(name, kinetic)}"
            )
    targets = [*(parameter_target(posterior, name) for name in names), *quantities]
    learned, confused = contraction(fit), strongest_correlations(fit)
    draws = fit.draws.unconstrained.reshape(fit.draws.diverging.size, -1)
    free = objectives_of(posterior, seed=fit.seed).likelihood
    held, best = _best_fit(free, posterior, draws)
    mixture = mix_noise(free, posterior, best, draws)
    answers = []
    for done, target in enumerate(targets):
        found = _profiled(held, target, best, mixture, level)
        inside, outside = _credible(target, found, draws, level)
        answers.append(
            Answer(
                name=target.name,
                structural=(structural or {}).get(target.name, "-"),
                likelihood=found,
                credible=inside,
                outside=outside,
                contraction=learned.get(target.name),
                confused_with=confused.get(target.name),
            )
        )
        if progress is not None:
            progress(done + 1, len(targets))
    information = kinetic_information(posterior, held, best)
    return PracticalIdentifiability(tuple(answers), sloppiness(*information))


def _best_fit(
    free: Objective, posterior: Posterior, draws: np.ndarray
) -> tuple[Objective, np.ndarray]:
    """Hold the noise, and fit from draws, too, until none of them lies lower."""
    held = hold_noise(free, posterior, typical_noise(posterior, draws))
    few = _thinned(draws, _BEGUN_FROM)
    best = find_optimum(replace(held, starts=np.concatenate([held.starts, few])))
    looked_at = _thinned(draws, _LOOKED_AT)
    noise = typical_noise(posterior, draws)
    energies = [_energy(held, posterior, x, noise) for x in looked_at]
    if min(energies) < held.slope(best)[0] - _LOWER:
        lowest = looked_at[int(np.argmin(energies))]
        best = find_optimum(replace(held, starts=np.stack([best, lowest])))
    return held, best


def _energy(
    held: Objective, posterior: Posterior, x: np.ndarray, noise: np.ndarray
) -> float:
    """Return the energy of a draw with the noise where it is held."""
    return held.slope(np.where(noise_places(posterior), noise, x))[0]


def _thinned(draws: np.ndarray, most: int) -> np.ndarray:
    count = min(most, len(draws))
    return draws[((np.arange(count) + 0.5) * len(draws) / count).astype(int)]


def _profiled(
    held: Objective,
    target: Target,
    best: np.ndarray,
    mixture: NoiseMixture,
    level: float,
) -> Profile:
    threshold = threshold_over(mixture, target.at(best)[1], level)
    return profile(held, target, level=level, optimum=best, threshold=threshold)


def _credible(
    target: Target, found: Profile, draws: np.ndarray, level: float
) -> tuple[tuple[float, float], float]:
    """Return the draws' equal-tailed interval, and their share outside the other."""
    each = [target.shown(target.at(x)[0]) for x in _thinned(draws, _COUNTED)]
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(each, (tail, 1.0 - tail))
    least, most = found.interval
    outside = 0.0
    if least is not None and most is not None:
        outside = float(np.mean([not least <= x <= most for x in each]))
    return (float(low), float(high)), outside


def strongest_correlations(fit: Fit) -> dict[str, tuple[str, float]]:
    """Return the parameter that each is most correlated with in the posterior.

    Of ln x, and of logit x of fractions, among all unknowns, calibration, masses and
    noise included.

    Parameters
    ----------
    fit : Fit
        The fit.

    Returns
    -------
    dict of str to (str, float)
        By parameter; those that do not vary are left out.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> from pkmodels.fitting.checks import Checks
    >>> from pkmodels.fitting.sampling import Draws
    >>> x = np.random.default_rng(0).standard_normal((4, 500, 2))
    >>> x[..., 1] = 0.6 * x[..., 0] - 0.8 * x[..., 1]
    >>> draws = Draws({}, x, np.zeros((4, 500), bool), 0.9)
    >>> passed = Checks(1.0, 2e3, 2e3, 0, 0, (), 1, ())
    >>> made = Fit(worked_example.posterior(), draws, passed, seed=0)
    >>> found = strongest_correlations(made)
    >>> found["half_life"][0], round(found["half_life"][1], 1)
    ('relative_noise[SPECT]', 0.6)
    """
    keys = [c.key for c in coordinates_of(fit.posterior)]
    draws = fit.draws.unconstrained.reshape(-1, len(keys))
    moving = [i for i in range(len(keys)) if np.ptp(draws[:, i]) > 0.0]
    if len(moving) < 2:
        return {}
    found = np.corrcoef(draws[:, moving].T)
    np.fill_diagonal(found, 0.0)
    strongest = np.argmax(np.abs(found), axis=0)
    return {
        keys[i]: (keys[moving[j]], float(found[j, k]))
        for k, (i, j) in enumerate(zip(moving, strongest, strict=True))
    }


def _verdict(answer: Answer) -> str:
    ends = {answer.likelihood.lower.end, answer.likelihood.upper.end}
    if answer.structural == NOT and answer.likelihood.identifiable:
        return (
            "contradiction: structurally not to be known, but its profile is closed; "
            "a prior of calibration or mass tells it, or the structural answer is of "
            "other measurements"
        )
    if answer.structural == NOT:
        return "no such measurements can tell it: the prior speaks, whatever the fit"
    if answer.outside > _MOST_OUTSIDE:
        return (
            f"not decided: {answer.outside:.0%} of the posterior's draws lie outside "
            "the profile's interval: there are several optima, or the prior is against "
            "the measurements"
        )
    if End.AGAIN in ends:
        return (
            "not decided: other values, beyond worse ones, fit as well: "
            + answer.likelihood.describe()
        )
    if End.UNSOLVED in ends:
        return "not decided: the model could not be fitted far enough from the best fit"
    if answer.likelihood.identifiable:
        if answer.contraction is not None and answer.contraction < _LEARNED:
            return (
                "the measurements bound it, but the posterior's variance is "
                f"{1.0 - answer.contraction:.0%} of the prior's: the prior still speaks"
            )
        return "the measurements tell it"
    both = ends == {End.OPEN}
    side = "on either side" if both else _open_side(answer.likelihood)
    more = ": other times, or more of them, may" if answer.structural == KNOWN else ""
    return f"these measurements do not bound it {side}{more}; the prior does"


def _open_side(found: Profile) -> str:
    return "below" if found.lower.end is End.OPEN else "above"


def _describe(found: PracticalIdentifiability) -> str:
    width = max(12, *(len(a.name) for a in found.answers))
    text = max(10, *(len(a.structural) for a in found.answers))
    level = f"{100.0 * found.answers[0].likelihood.level:g} %"
    lines = [
        f"{'':{width}}  {'structural':{text}}  {f'data alone, {level}':>21}  "
        f"{f'with prior, {level}':>21}  {'learned':>7}  confused with"
    ]
    for a in found.answers:
        learned = "-" if a.contraction is None else f"{a.contraction:.2f}"
        strong = a.confused_with is not None and abs(a.confused_with[1]) >= STRONG
        other = ""
        if strong and a.confused_with is not None:
            other = f"{a.confused_with[0]} ({a.confused_with[1]:+.2f})"
        low, high = a.credible
        lines.append(
            f"{a.name:{width}}  {a.structural:{text}}  {_interval(a.likelihood):>21}  "
            f"{f'{low:.3g} to {high:.3g}':>21}  {learned:>7}  {other}".rstrip()
        )
    lines += [
        "",
        f"Data alone: {level} confidence, the profile of the likelihood over the "
        "noise's posterior.",
        f"With prior: {level} credible, quantiles of the draws.",
        "",
        *(f"{a.name}: {a.verdict}." for a in found.answers),
    ]
    return "\n".join([*lines, "", found.sloppiness.describe()])


def _interval(found: Profile) -> str:
    low, high = (
        {End.OPEN: "open", End.UNSOLVED: "?", End.AGAIN: "?"}.get(
            s.end, f"{s.bound or 0.0:.3g}"
        )
        for s in (found.lower, found.upper)
    )
    return f"{low} to {high}"
