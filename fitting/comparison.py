"""Comparison: which of several models predicts best what it was not shown.

The difference of two models is a sum over the groups left out, so that its standard
error comes from how the groups scatter. With few groups that error is itself hardly
known, and the text says so instead of giving it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import arviz
import numpy as np
import xarray as xr
from arviz_stats.utils import ELPDDataLOO

from pkmodels.dosimetry.curve_comparisons import CurveScore
from pkmodels.errors import InputError
from pkmodels.fitting.cross_validation import CrossValidation, How

# It types what it exports too narrowly.
az: Any = arviz
# Fewer groups say nothing of the error of their sum: with 10 the standard error itself
# is known to 1 / sqrt(2 x 9) = 24 %.
FEW_GROUPS = 10
# Sivula et al.: below either, the error of a difference is not normal.
_MANY_GROUPS, _LARGE_DIFFERENCE = 100, 4.0
# In nats: a likelihood that is known to a fifth.
_LARGEST_ERROR = 0.2


@dataclass(frozen=True)
class Score:
    """How one model fares beside the best one.

    Parameters
    ----------
    model : str
        Its name.
    elpd : float
        ln of its predictive density of all groups, each left out in turn.
    difference : float
        elpd less that of the best model, <= 0.
    standard_error : float
        Of the difference, sqrt(n var_i(difference_i)); 0 of the best model. Of fewer
        than `FEW_GROUPS` groups it means nothing.
    better_in : int
        Groups that it predicts better than the best model does.
    effective_parameters : float
        How much better it says what it was shown.
    weight : float
        Its stacking weight, in [0, 1].
    weight_range : (float, float) or None
        Least and largest weight when any one group is not counted; None of more than
        100 groups, where one hardly matters.
    refits : int
        Groups for which it was fitted again.
    monte_carlo_error : float
        Standard error of `elpd` from the draws of those fits.
    """

    model: str
    elpd: float
    difference: float
    standard_error: float
    better_in: int
    effective_parameters: float
    weight: float
    weight_range: tuple[float, float] | None
    refits: int
    monte_carlo_error: float = 0.0


@dataclass(frozen=True)
class Comparison:
    """Several models of the same data, the best first.

    Parameters
    ----------
    by : str
        What was left out at a time.
    n_groups : int
        How many there are.
    scores : tuple of Score
        The models, by elpd.
    """

    by: str
    n_groups: int
    scores: tuple[Score, ...]

    @property
    def weights(self) -> dict[str, float]:
        """Stacking weight by model."""
        return {score.model: score.weight for score in self.scores}

    @property
    def few(self) -> bool:
        """Whether the groups are too few for a standard error."""
        return self.n_groups < FEW_GROUPS


def compare(validations: Mapping[str, CrossValidation]) -> Comparison:
    """Compare models by how well they predict what they are not shown.

    The weights are those of the mixture of predictive distributions that would have
    predicted the groups best (stacking): w = argmax sum_g ln sum_m w_m p_m(y_g | y_-g).

    Parameters
    ----------
    validations : mapping of str to CrossValidation
        By model, at least two, of the same values in the same groups.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        When there are fewer than two, or they are of other data or groups.
    FitRefusedError
        When a group of one of them was refused.

    References
    ----------
    Vehtari, Gelman and Gabry, Stat Comput 2017;27:1413, equation 24 (standard error of
    a difference); Yao et al., Bayesian Anal 2018;13:917 (stacking); Sivula et al.,
    arXiv:2008.10296 (when its error is not normal).

    Examples
    --------
    >>> from pkmodels.fitting.cross_validation import LeftOut
    >>> from pkmodels.fitting.row_groups import By, RowGroup
    >>> def of(*elpds):
    ...     left = [LeftOut(RowGroup(f"scan {i}", (i,)), x, x, 0.1, How.IMPORTANCE)
    ...             for i, x in enumerate(elpds)]
    ...     return CrossValidation(By.SCAN, tuple(left), 0.7, "the same")
    >>> found = compare({"one": of(-1.0, -2.0, -1.5), "two": of(-2.0, -2.5, -1.0)})
    >>> found.scores[1].model, found.scores[1].difference
    ('two', -1.0)
    >>> round(found.weights["one"], 2)
    1.0
    """
    _check_alike(validations)
    elpds = {name: found.each for name, found in validations.items()}
    weights = stacking_weights(elpds)
    ranges = _weight_ranges(elpds, weights)
    order = sorted(elpds, key=lambda name: -elpds[name].sum())
    best = elpds[order[0]]
    scores = []
    for name in order:
        change = elpds[name] - best
        own = validations[name]
        scores.append(
            Score(
                model=name,
                elpd=own.elpd,
                difference=float(change.sum()),
                standard_error=math.sqrt(change.size * np.var(change, ddof=1)),
                better_in=int((change > 0.0).sum()),
                effective_parameters=own.effective_parameters,
                weight=weights[name],
                weight_range=ranges.get(name),
                refits=sum(x.how is How.REFIT for x in own.left_out),
                monte_carlo_error=math.hypot(
                    *(x.monte_carlo_error or 0.0 for x in own.left_out)
                ),
            )
        )
    by = next(iter(validations.values())).by
    return Comparison(str(by), best.size, tuple(scores))


def _check_alike(validations: Mapping[str, CrossValidation]) -> None:
    if len(validations) < 2:
        raise InputError(
            f"{len(validations)} model to compare "
            f"({', '.join(validations) or 'none'}): give at least two"
        )
    (first, one), *others = validations.items()
    for name, other in others:
        if other.by is not one.by or other.data != one.data:
            raise InputError(
                f"{first} (by {one.by}, {len(one.left_out)} groups) and {name} (by "
                f"{other.by}, {len(other.left_out)} groups) do not predict the same "
                "values: fit both to the same measurements, and leave out the same"
            )


def stacking_weights(elpds: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return the weights of the mixture that predicts the groups best, by ArviZ.

    Parameters
    ----------
    elpds : mapping of str to (n_groups,) array
        ln p_m(y_g | y_-g) of each model.

    Returns
    -------
    dict of str to float
        In [0, 1]; their sum is 1.

    References
    ----------
    Yao et al., Bayesian Anal 2018;13:917, equation 4.

    Examples
    --------
    One of two models is right of 3 groups in 4, by a factor of 1000 each time.

    >>> one, two = np.array([0.0, 0.0, 0.0, -6.9]), np.array([-6.9, -6.9, -6.9, 0.0])
    >>> {name: round(w, 2) for name, w in stacking_weights(
    ...     {"one": one, "two": two}).items()}
    {'one': 0.75, 'two': 0.25}
    """
    # What all models gain by a group does not enter, but would underflow.
    highest = np.max(np.stack(list(elpds.values())), axis=0)
    data = {}
    for name, values in elpds.items():
        left = values - highest
        data[name] = ELPDDataLOO(
            elpd=float(left.sum()),
            se=0.0,
            p=0.0,
            n_samples=1,
            n_data_points=left.size,
            scale="log",
            warning=False,
            good_k=0.7,
            elpd_i=xr.DataArray(left, dims=["group"]),
            pareto_k=xr.DataArray(np.zeros_like(left), dims=["group"]),
        )
    table = az.compare(data, method="stacking", round_to="none")
    found = {name: max(float(table.loc[name, "weight"]), 0.0) for name in elpds}
    total = sum(found.values())
    return {name: weight / total for name, weight in found.items()}


def _weight_ranges(
    elpds: Mapping[str, np.ndarray], weights: Mapping[str, float]
) -> dict[str, tuple[float, float]]:
    """Return the least and largest weights when any one group is not counted."""
    count = len(next(iter(elpds.values())))
    if count > _MANY_GROUPS:
        return {}
    each = [weights]
    if count > 2:
        for i in range(count):
            left = {name: np.delete(values, i) for name, values in elpds.items()}
            each.append(stacking_weights(left))
    return {
        name: (min(w[name] for w in each), max(w[name] for w in each)) for name in elpds
    }


def describe(comparison: Comparison, curves: Sequence[CurveScore] = ()) -> str:
    """Return a comparison as a table with sentences that say what it is worth.

    Parameters
    ----------
    comparison : Comparison
        From `compare`.
    curves : sequence of CurveScore
        Closed-form curves of scans among the data, from `score_curve`, which stand
        below the models: -AIC / 2 is on the same scale, but of its own scans only.

    Returns
    -------
    str

    Examples
    --------
    >>> one = Score("organ_exchange", -20.0, 0.0, 0.0, 0, 3.1, 0.8, (0.6, 1.0), 0)
    >>> two = Score("pentixather", -21.5, -1.5, 0.9, 1, 4.0, 0.2, (0.0, 0.4), 2, 0.05)
    >>> print(describe(Comparison("scan", 4, (one, two))))
    Left out one scan at a time, 4 in all.
    model               elpd  difference  better in     p  weight (leaving one out)
    organ_exchange     -20.0        best          -   3.1  0.80 (0.60-1.00)
    pentixather        -21.5        -1.5     1 of 4   4.0  0.20 (0.00-0.40)
    4 groups are too few for a standard error of the difference (10 are the least): look
    at the column before p, and at how far one group moves the weights.
    Fitted again where weights could not tell: pentixather 2 of 4 (elpd to +-0.05).
    """
    lines = [f"Left out one {comparison.by} at a time, {comparison.n_groups} in all."]
    column = "better in" if comparison.few else "std error"
    ranged = comparison.scores[0].weight_range is not None
    width = max(14, *(len(s.model) for s in comparison.scores))
    lines.append(
        f"{'model':{width}}  {'elpd':>8}  {'difference':>10}  {column:>9}  {'p':>4}  "
        f"weight{' (leaving one out)' if ranged else ''}"
    )
    lines += [_line(score, comparison, width) for score in comparison.scores]
    lines += worth(comparison)
    refits = [
        f"{s.model} {s.refits} of {comparison.n_groups} "
        f"(elpd to +-{s.monte_carlo_error:.2f})"
        for s in comparison.scores
        if s.refits
    ]
    if refits:
        lines.append(f"Fitted again where weights could not tell: {', '.join(refits)}.")
    return "\n".join([*lines, *_curve_lines(curves, width)])


def _line(score: Score, comparison: Comparison, width: int) -> str:
    best = score is comparison.scores[0]
    difference = "best" if best else f"{score.difference:.1f}"
    beside = "-" if best else f"{score.standard_error:.1f}"
    if comparison.few and not best:
        beside = f"{score.better_in} of {comparison.n_groups}"
    moved = ""
    if score.weight_range is not None:
        moved = " ({:.2f}-{:.2f})".format(*score.weight_range)
    return (
        f"{score.model:{width}}  {score.elpd:8.1f}  {difference:>10}  {beside:>9}  "
        f"{score.effective_parameters:4.1f}  {score.weight:.2f}{moved}"
    )


def worth(comparison: Comparison) -> list[str]:
    """Say what the differences are worth.

    Parameters
    ----------
    comparison : Comparison
        From `compare`.

    Returns
    -------
    list of str
        Sentences.
    """
    imprecise = [
        f"elpd of {s.model} is known to +-{s.monte_carlo_error:.1f} only, of the draws "
        "of its refits: smaller differences, and what they make of weights, mean "
        "nothing."
        for s in comparison.scores
        if not s.monte_carlo_error <= _LARGEST_ERROR
    ]
    if comparison.few:
        return [
            *imprecise,
            f"{comparison.n_groups} groups are too few for a standard error of the "
            f"difference ({FEW_GROUPS} are the least): look\n"
            "at the column before p, and at how far one group moves the weights.",
        ]
    others, found = comparison.scores[1:], imprecise
    small = [s.model for s in others if abs(s.difference) < _LARGE_DIFFERENCE]
    if small:
        found.append(
            f"A difference below {_LARGE_DIFFERENCE:.0f} tells nothing of which is "
            f"better: {', '.join(small)}."
        )
    if comparison.n_groups < _MANY_GROUPS:
        found.append(
            f"With {comparison.n_groups} groups the standard error is itself uncertain "
            f"and may be too small (trust it from {_MANY_GROUPS} on)."
        )
    return found


def _curve_lines(curves: Sequence[CurveScore], width: int) -> list[str]:
    if not curves:
        return []
    lines = ["Curves of single regions, each by -AIC / 2 of its own scans only:"]
    for score in curves:
        shown = f"{score.expected_log_density:8.1f}"
        if not math.isfinite(score.expected_log_density):
            shown = f"{'too few':>8}"
        lines.append(
            f"{score.region:{width}}  {shown}  {score.n_parameters} parameters, "
            f"{score.n_scans} scans: {score.form}, {score.weights}"
        )
    return lines
