"""Identifiability of a model in one table: what can be known, and what is known.

The structural answer is about exact data of this schedule and its observables; it is
found elsewhere and taken as text here. The practical one is about these measurements:
profiles without and with the prior, contraction, and what each parameter is confused
with.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pkmodels.errors import FitRefusedError, InputError, suggest
from pkmodels.fitting.coordinates import coordinates_of
from pkmodels.fitting.fit import Fit
from pkmodels.fitting.learning import contraction
from pkmodels.fitting.objectives import (
    hold_noise,
    objectives_of,
    parameter_target,
)
from pkmodels.fitting.profile_search import find_optimum, profile
from pkmodels.fitting.profiles import End, Profile, Target
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
    likelihood, posterior : Profile
        Without and with the prior of the kinetics; without it the noise is held at the
        posterior's mode, see `hold_noise`.
    contraction : float or None
        1 - var posterior / var prior; None of a quantity that has no prior.
    confused_with : (str, float) or None
        The parameter with the largest posterior correlation, and that.
    """

    name: str
    structural: str
    likelihood: Profile
    posterior: Profile
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
        When a structural answer or a parameter is of no parameter of the kinetics.
    SolveError
        When no optimum is found.

    References
    ----------
    Raue et al., Bioinformatics 2009;25:1923; Raue et al., Phil Trans R Soc A
    2013;371:20110544 (profiles beside the posterior).

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> from pkmodels.fitting.checks import Checks
    >>> from pkmodels.fitting.sampling import Draws
    >>> at = np.random.default_rng(0).normal([3.9, -3.0], 0.02, (4, 500, 2))
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
    both = objectives_of(posterior, seed=fit.seed)
    density, mode = both.posterior, find_optimum(both.posterior)
    likelihood = hold_noise(both.likelihood, posterior, mode)
    best = find_optimum(likelihood)
    answers = []
    for done, target in enumerate(targets):
        answers.append(
            Answer(
                name=target.name,
                structural=(structural or {}).get(target.name, "-"),
                likelihood=profile(likelihood, target, level=level, optimum=best),
                posterior=profile(density, target, level=level, optimum=mode),
                contraction=learned.get(target.name),
                confused_with=confused.get(target.name),
            )
        )
        if progress is not None:
            progress(done + 1, len(targets))
    information = kinetic_information(posterior, likelihood, best)
    return PracticalIdentifiability(tuple(answers), sloppiness(*information))


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
    if End.UNSOLVED in ends:
        return "not decided: the model could not be fitted far enough from the best fit"
    if answer.likelihood.identifiable:
        if answer.contraction is not None and answer.contraction < _LEARNED:
            return "the measurements bound it, but no narrower than the prior"
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
        lines.append(
            f"{a.name:{width}}  {a.structural:{text}}  {_interval(a.likelihood):>21}  "
            f"{_interval(a.posterior):>21}  {learned:>7}  {other}".rstrip()
        )
    lines += ["", *(f"{a.name}: {a.verdict}." for a in found.answers)]
    return "\n".join([*lines, "", found.sloppiness.describe()])


def _interval(found: Profile) -> str:
    low, high = (
        {End.OPEN: "open", End.UNSOLVED: "?"}.get(s.end, f"{s.bound or 0.0:.3g}")
        for s in (found.lower, found.upper)
    )
    return f"{low} to {high}"
