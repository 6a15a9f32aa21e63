"""What is known of each parameter of a model, as values and in words."""

import textwrap
from dataclasses import dataclass

import numpy as np

from pkmodels.fitting.profiles import End, Profile
from pkmodels.fitting.sloppiness import Sloppiness
from pkmodels.identifiability.answers import Verdict

KNOWN, NOT = str(Verdict.IDENTIFIABLE), str(Verdict.NOT)
# A correlation above it says that two parameters are told only together.
STRONG = 0.9
# A posterior this much narrower than the prior, in variance, is the data's.
_LEARNED = 0.5
# About as many draws lie outside an interval as its level says, where the prior agrees
# with the data; where so many do, profile and posterior tell of different things.
_MOST_OUTSIDE = 0.25
# Intervals without the prior that are so many times as wide rest on it.
_WIDER = 1.5


@dataclass(frozen=True, eq=False)
class Answer:
    """What is known of one parameter or quantity.

    Parameters
    ----------
    name : str
        Which.
    structural : str
        "identifiable", "not identifiable" or "undecided"; "-" where it was not asked.
    likelihood, posterior : Profile
        Without and with the prior of the kinetics; how far each may rise follows from
        the noise's draws, see `noise_mixtures.threshold_over`.
    contraction : float or None
        1 - var posterior / var prior; None of a quantity that has no prior.
    confused_with : (str, float) or None
        The parameter with the largest posterior correlation, and that.
    known_only_in : str
        Of what is not identifiable: the combinations that exact data would tell.
    drawn : (float, float) or None
        Equal-tailed posterior interval of the draws, at the same level; None of a
        quantity.
    outside : float
        Share of the draws outside the likelihood's interval; 0 where that is not
        closed.
    """

    name: str
    structural: str
    likelihood: Profile
    posterior: Profile
    contraction: float | None
    confused_with: tuple[str, float] | None
    known_only_in: str = ""
    drawn: tuple[float, float] | None = None
    outside: float = 0.0

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
        wider = _wider_alone(answer)
        if wider > _WIDER:
            return (
                "the measurements tell it together with priors of what it is confused "
                f"with: alone they leave an interval {wider:.1f} times as wide"
            )
        return "the measurements tell it"
    both = ends == {End.OPEN}
    side = "on either side" if both else _open_side(answer.likelihood)
    more = ": other times, or more of them, may" if answer.structural == KNOWN else ""
    return f"these measurements do not bound it {side}{more}; the prior does"


def _wider_alone(answer: Answer) -> float:
    """Return the width of ln of the profile without the prior over that with it."""
    widths = []
    for found in (answer.likelihood, answer.posterior):
        low, high = found.interval
        if low is None or high is None or low <= 0.0 or high <= low:
            return 1.0
        widths.append(float(np.log(high / low)))
    return widths[0] / widths[1]


def _open_side(found: Profile) -> str:
    return "below" if found.lower.end is End.OPEN else "above"


def _describe(found: PracticalIdentifiability) -> str:
    level = f"{100.0 * found.answers[0].likelihood.level:g} %"
    asked = any(a.structural != "-" for a in found.answers)
    heads = [
        "",
        "unit",
        *(["structural"] if asked else []),
        f"data alone, {level}",
        f"with prior, {level}",
        f"draws, {level}",
        "learned",
        "confused with",
    ]
    rows = [heads, *(_row(a, asked) for a in found.answers)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    combined = dict.fromkeys(
        f"{a.name}: known only in {a.known_only_in}."
        for a in found.answers
        if a.known_only_in
    )
    lines += ["", *(f"{a.name}: {a.verdict}." for a in found.answers), *combined]
    lines += ["", *found.sloppiness.describe().splitlines(), "", _MEANING]
    width = max(_WIDTH, *(len(line) for line in lines[: len(rows)]))
    return "\n".join(
        wrapped
        for line in lines
        for wrapped in textwrap.wrap(line, width, subsequent_indent="  ") or [""]
    )


_MEANING = (
    "Data alone: profile without the prior of the kinetics (calibration and mass keep "
    "theirs); open: followed a thousandfold without rising enough. With prior: profile "
    "of the posterior. Both are cut by Student's t of the noise's own draws. Draws: "
    "the posterior's equal-tailed interval, its noise and all else unknown. Learned: "
    "1 - posterior / prior variance of ln."
)
_WIDTH = 110


def _row(answer: Answer, asked: bool) -> list[str]:
    strong = answer.confused_with is not None and abs(answer.confused_with[1]) >= STRONG
    other = ""
    if strong and answer.confused_with is not None:
        other = f"{answer.confused_with[0]} ({answer.confused_with[1]:+.2f})"
    unit = answer.likelihood.unit
    return [
        answer.name,
        "" if unit == "1" else unit,
        *([answer.structural] if asked else []),
        _interval(answer.likelihood),
        _interval(answer.posterior),
        "-" if answer.drawn is None else "{:.3g} to {:.3g}".format(*answer.drawn),
        "-" if answer.contraction is None else f"{answer.contraction:.2f}",
        other,
    ]


def _interval(found: Profile) -> str:
    low, high = (
        {End.OPEN: "open", End.UNSOLVED: "?", End.AGAIN: "?"}.get(
            s.end, f"{s.bound or 0.0:.3g}"
        )
        for s in (found.lower, found.upper)
    )
    return f"{low} to {high}"
