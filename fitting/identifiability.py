"""Identifiability of a model in one table: what can be known, and what is known.

The structural answer is about exact data of this schedule and its observables; it comes
from `pkmodels.identifiability`. The practical one is about these measurements:
profiles without and with the prior, contraction, and what each parameter is confused
with.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pkmodels.errors import FitRefusedError, InputError, suggest
from pkmodels.fitting.coordinates import coordinates_of
from pkmodels.fitting.fit import Fit
from pkmodels.fitting.identifiability_answers import Answer, PracticalIdentifiability
from pkmodels.fitting.learning import contraction
from pkmodels.fitting.noise_mixtures import fit_from_draws, mix_noise, threshold_over
from pkmodels.fitting.objectives import objectives_of, parameter_target
from pkmodels.fitting.posterior import FRACTION, ODDS
from pkmodels.fitting.profile_search import profile
from pkmodels.fitting.profiles import Objective, Profile, Target
from pkmodels.fitting.sloppiness import kinetic_information, sloppiness
from pkmodels.identifiability.answers import StructuralIdentifiability, Verdict

# Draws that are counted outside an interval.
_COUNTED = 1000

Progress = Callable[[int, int], None]


def identify(
    fit: Fit,
    *,
    structural: StructuralIdentifiability | Mapping[str, str] | None,
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
    structural : StructuralIdentifiability or mapping of str to str or None
        From `pkmodels.identifiability.assessment.assess_structure` of the same model,
        schedule and measured regions; or by parameter "identifiable", "not
        identifiable" or "undecided". None where it was not asked.
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
        an answer is none of the three.
    SolveError
        When no optimum is found.

    Notes
    -----
    A profile is cut where the mixture of normals over the noise's draws says, Student's
    t in the textbook's case: of repeated data it then holds the truth as often as its
    level says, where the scale is about linear and the noise's prior right. A profile
    that the draws contradict is told as not decided.

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
    >>> found = identify(made, structural={"half_life": "identifiable"}, level=0.95)
    >>> found.answers[0].verdict
    'the measurements tell it'
    """
    if not fit.checks.passed and fit.despite is None:
        raise FitRefusedError("; ".join(fit.checks.reasons))
    posterior = fit.posterior
    kinetic = [c.key for c in coordinates_of(posterior) if c.kinetic]
    names = kinetic if parameters is None else list(parameters)
    verdicts, combined = _structural(structural)
    if isinstance(structural, StructuralIdentifiability):
        # It may be of scales, too, which are no kinetics; of nothing else.
        verdicts = {n: v for n, v in verdicts.items() if n in kinetic} or verdicts
    for name in (*names, *verdicts):
        if name not in kinetic:
            raise InputError(
                f"{name!r} is no parameter of the kinetics: {suggest(name, kinetic)}"
            )
    targets = [*(parameter_target(posterior, name) for name in names), *quantities]
    learned, confused = contraction(fit), strongest_correlations(fit)
    drawn = _drawn(fit, level)
    both = objectives_of(posterior, seed=fit.seed)
    draws = fit.draws.unconstrained.reshape(fit.draws.diverging.size, -1)

    def prepared(free: Objective) -> tuple[Callable[[Target], Profile], Objective, Any]:
        held, best = fit_from_draws(free, posterior, draws)
        mixture = mix_noise(free, posterior, best, draws)

        def followed(target: Target) -> Profile:
            cut = threshold_over(mixture, target.at(best)[1], level)
            return profile(held, target, level=level, optimum=best, threshold=cut)

        return followed, held, best

    alone, likelihood, best = prepared(both.likelihood)
    with_prior, _, _ = prepared(both.posterior)
    answers = []
    for done, target in enumerate(targets):
        found = alone(target)
        answers.append(
            Answer(
                name=target.name,
                structural=verdicts.get(target.name, "-"),
                likelihood=found,
                posterior=with_prior(target),
                contraction=learned.get(target.name),
                confused_with=confused.get(target.name),
                known_only_in=combined.get(target.name, ""),
                drawn=drawn.get(target.name),
                outside=_outside(found, target, draws),
            )
        )
        if progress is not None:
            progress(done + 1, len(targets))
    information = kinetic_information(posterior, likelihood, best)
    return PracticalIdentifiability(tuple(answers), sloppiness(*information))


def _outside(found: Profile, target: Target, draws: np.ndarray) -> float:
    """Return the share of the draws outside a profile's interval."""
    low, high = found.interval
    if low is None or high is None:
        return 0.0
    each = [target.shown(target.at(x)[0]) for x in draws[:: -(-len(draws) // _COUNTED)]]
    return float(np.mean([not low <= x <= high for x in each]))


def _structural(
    found: StructuralIdentifiability | Mapping[str, str] | None,
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the verdict on each parameter, and what combinations it is known in."""
    if isinstance(found, StructuralIdentifiability):
        combined = {
            str(symbol): ", ".join(
                str(e) for e in family.combinations if symbol in e.free_symbols
            )
            or "no simple combination"
            for family in found.families
            for symbol in family.parameters
        }
        return {name: str(v) for name, v in found.parameters.items()}, combined
    known = [str(verdict) for verdict in Verdict]
    for name, answer in (found or {}).items():
        if answer not in known:
            raise InputError(
                f"the structural answer on {name} is {answer!r}: give one of "
                f"{', '.join(map(repr, known))}, or the whole StructuralIdentifiability"
            )
    return dict(found or {}), {}


def _drawn(fit: Fit, level: float) -> dict[str, tuple[float, float]]:
    """Return the equal-tailed interval of the draws of each kinetic parameter."""
    posterior, ends = fit.posterior, ((1.0 - level) / 2.0, (1.0 + level) / 2.0)
    count, found = fit.draws.diverging.size, {}
    for variable, group in posterior.all_priors.items():
        drawn = fit.draws.variables.get(FRACTION if variable == ODDS else variable)
        if drawn is None:
            continue
        for name, values in zip(group, drawn.reshape(count, -1).T, strict=True):
            low, high = np.quantile(values, ends)
            found[name] = (float(low), float(high))
    return found


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
