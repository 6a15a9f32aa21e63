"""Averages over models: the activity that is safe whichever of several models holds.

The draws of the models are one mixture, in which those of model m weigh w_m together.
The mixture decides as a single posterior would; what each model says alone, and how
much of the variance is the choice between them, stands beside it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pkmodels.decision.burdens import Burdens, cycles_of
from pkmodels.decision.safe_activities import (
    SafeActivity,
    safe_activity,
)
from pkmodels.dosimetry.variance_budget import VarianceBudget, variance_budget
from pkmodels.errors import InputError

# Weights that sum to 1 but for the rounding of whoever printed them.
_ROUNDING = 1e-3
# One standard deviation to each side, as probabilities of a normal distribution.
_ONE_SD = (0.15865525393145707, 0.8413447460685429)
# The equal-tailed interval of the house.
_LEVELS = (0.025, 0.5, 0.975)


@dataclass(frozen=True, eq=False)
class ModelAverage:
    """Draws of several models as one mixture.

    Parameters
    ----------
    models : tuple of str
        Those with a weight above 0.
    weights : (n_models,) array
        Their weights; the sum is 1.
    values : (n_models,) tuple of (n_draws of the model,) array
        Draws of one quantity by model.
    """

    models: tuple[str, ...]
    weights: np.ndarray
    values: tuple[np.ndarray, ...]

    def quantiles(self, levels: tuple[float, ...] = _LEVELS) -> np.ndarray:
        """Return quantiles of the mixture, (n_levels,)."""
        return _quantiles(*_pooled(self.values, self.weights), np.array(levels))

    @property
    def mean(self) -> float:
        """Mean of the mixture."""
        return float(self.weights @ [x.mean() for x in self.values])

    @property
    def between(self) -> float:
        """The model-choice part of the variance, in [0, 1].

        sum_m w_m (mean_m - mean)^2 / V, V = sum_m w_m (var_m + (mean_m - mean)^2);
        0 where nothing varies.
        """
        means = np.array([x.mean() for x in self.values])
        spread = float(self.weights @ (means - self.mean) ** 2)
        total = spread + float(self.weights @ [x.var() for x in self.values])
        return spread / total if total > 0.0 else 0.0


def average_models(
    values: Mapping[str, np.ndarray], weights: Mapping[str, float]
) -> ModelAverage:
    """Join draws of one quantity from several models.

    Parameters
    ----------
    values : mapping of str to (n_draws,) array
        By model: draws of a TIAC, a dose, or its logarithm; each finite.
    weights : mapping of str to float
        By model, each >= 0 with the sum 1, as from stacking. Models of weight 0 are
        left out.

    Returns
    -------
    ModelAverage

    Raises
    ------
    InputError
        When the weights are of other models, or no weights; when a draw is not finite.

    References
    ----------
    Yao et al., Bayesian Anal 2018;13:917 (predicting by the stacked mixture); Hoeting
    et al., Stat Sci 1999;14:382, equation 3 (mean and variance over models).

    Examples
    --------
    >>> found = average_models({"one": np.array([1.0, 3.0]), "two": np.array([5.0])},
    ...                        {"one": 0.5, "two": 0.5})
    >>> found.mean, found.between  # 2.25 between, 0.5 within
    (3.5, 0.8181818181818182)
    """
    chosen = _checked(values, weights)
    drawn = tuple(np.asarray(values[name], dtype=float) for name in chosen)
    for name, x in zip(chosen, drawn, strict=True):
        if x.ndim != 1 or x.size == 0 or not np.isfinite(x).all():
            raise InputError(
                f"{name}: the draws are of shape {x.shape}, "
                f"{int((~np.isfinite(x)).sum())} of them not finite: give one finite "
                "number a draw"
            )
    return ModelAverage(tuple(chosen), np.array(list(chosen.values())), drawn)


def model_choice_budget(
    average: ModelAverage, generator: np.random.Generator, *, quantity: str
) -> VarianceBudget:
    """Share out a variance to the choice of the model and to all else.

    The first order of ``"model choice"`` is `ModelAverage.between`; its total adds that
    the models are not equally sure.

    Parameters
    ----------
    average : ModelAverage
        Of the quantity, as ln dose.
    generator : numpy Generator
        Source of the permutations.
    quantity : str
        What it is, for sentences.

    Returns
    -------
    VarianceBudget

    Raises
    ------
    InputError
        When draws are too few, or the quantity does not vary.

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> draws = {m: x + 0.1 * generator.standard_normal(4000)
    ...          for m, x in (("one", 0.0), ("two", 0.2))}
    >>> average = average_models(draws, {"one": 0.5, "two": 0.5})
    >>> budget = model_choice_budget(average, generator, quantity="ln dose")
    >>> round(budget.shares["model choice"].first_order, 1), round(average.between, 1)
    (0.5, 0.5)
    """
    count = min(x.size for x in average.values)
    each = tuple(generator.permutation(x)[:count] for x in average.values)
    # As many of each model as its weight says, so that chance adds nothing.
    ends = np.round(np.cumsum(average.weights) * count).astype(int)
    choice = np.searchsorted(ends, np.arange(count), side="right")
    rows = np.arange(count)

    def mixed(blocks: Mapping[str, np.ndarray | tuple[np.ndarray, ...]]) -> np.ndarray:
        by_model = np.stack(list(blocks["all else"]))
        return by_model[np.asarray(blocks["model choice"]), rows]

    blocks = {"model choice": generator.permutation(choice), "all else": each}
    return variance_budget(mixed, blocks, generator, quantity=quantity)


@dataclass(frozen=True, eq=False)
class AveragedActivity:
    """The safe activity of several models together.

    Parameters
    ----------
    activity_GBq : float
        A* = sup{A : sum_m w_m P_m(burden_o(A) <= L_o for all o) >= confidence}, GBq, of
        all cycles together.
    confidence : float
        The confidence asked.
    binding_limit : str
        The limit most likely exceeded at A*.
    probability_above : mapping of str to float
        P(burden > limit) at A*, by limit.
    monte_carlo_error : float
        Standard error of A* from the number of draws, relative to A*.
    by_model : mapping of str to SafeActivity
        What each model alone allows.
    kept_by_model : mapping of str to float
        P(all limits are kept at A*) if that model holds.
    weights : mapping of str to float
        Of the models.
    cycles : int
        Equal cycles that the activity is given in.
    """

    activity_GBq: float
    confidence: float
    binding_limit: str
    probability_above: Mapping[str, float]
    monte_carlo_error: float
    by_model: Mapping[str, SafeActivity]
    kept_by_model: Mapping[str, float]
    weights: Mapping[str, float]
    cycles: int


def average_safe_activity(
    burdens: Mapping[str, Burdens],
    weights: Mapping[str, float],
    *,
    confidence: float,
    effective_sizes: Mapping[str, float] | None = None,
) -> AveragedActivity:
    """Return the largest activity that keeps every limit, over several models.

    Parameters
    ----------
    burdens : mapping of str to Burdens
        By model: its burdens of the same limits.
    weights : mapping of str to float
        By model, each >= 0 with the sum 1.
    confidence : float
        In (0, 1).
    effective_sizes : mapping of str to float or None
        Of how many independent draws each model's tail is worth; None where they are
        independent.

    Returns
    -------
    AveragedActivity

    Raises
    ------
    InputError
        When the models differ in limits or cycles, the weights are none, or a model
        has too few draws for the confidence.

    Examples
    --------
    >>> from pkmodels.decision import DoseLimit, dose_burden
    >>> limit = DoseLimit("kidneys", "absorbed_dose", 20.0)
    >>> per_GBq = np.linspace(1.0, 2.0, 1001)
    >>> burdens = {"one": {"kidneys": dose_burden(limit, 0.0, per_GBq)},
    ...            "two": {"kidneys": dose_burden(limit, 0.0, per_GBq + 1.0)}}
    >>> weights = {"one": 0.5, "two": 0.5}
    >>> found = average_safe_activity(burdens, weights, confidence=0.95)
    >>> round(found.activity_GBq, 3)  # 20 Gy over 2.9 Gy/GBq, the 90 % quantile of two
    6.897
    >>> {name: round(kept, 2) for name, kept in found.kept_by_model.items()}
    {'one': 1.0, 'two': 0.9}
    """
    chosen = _checked(burdens, weights)
    _check_limits({name: burdens[name] for name in chosen})
    sizes = dict.fromkeys(chosen) if effective_sizes is None else effective_sizes
    alone = {
        name: safe_activity(
            burdens[name], confidence=confidence, effective_size=sizes[name]
        )
        for name in chosen
    }
    shares = np.array(list(chosen.values()))
    first = tuple(found.activity_at_limit_GBq for found in alone.values())
    reached, mass = _pooled(first, shares)
    activity = _largest_kept(reached, mass, confidence)
    limits = next(iter(burdens.values()))
    above = {
        limit: sum(
            share * float(np.mean(burdens[name][limit].exceeds(activity)))
            for name, share in chosen.items()
        )
        for limit in limits
    }
    own = np.array([sizes[n] or x.size for n, x in zip(chosen, first, strict=True)])
    return AveragedActivity(
        activity_GBq=activity,
        confidence=confidence,
        # Where several have equal probability, the one that alone allows least binds.
        binding_limit=max(
            above,
            key=lambda o: (
                above[o],
                -min(x.per_limit[o].activity_GBq for x in alone.values()),
            ),
        ),
        probability_above=above,
        monte_carlo_error=_error(reached, mass, 1.0 - confidence, shares, own),
        by_model=alone,
        kept_by_model={
            name: float(np.mean(x >= activity))
            for name, x in zip(chosen, first, strict=True)
        },
        weights=chosen,
        cycles=next(iter(alone.values())).cycles,
    )


def _checked(
    given: Mapping[str, object], weights: Mapping[str, float]
) -> dict[str, float]:
    """Return the weights above 0, in the order of what was given."""
    if set(given) != set(weights) or not given:
        raise InputError(
            f"weights are of {', '.join(weights) or 'none'}, draws of "
            f"{', '.join(given) or 'none'}: give one weight to each model"
        )
    wrong = {n: w for n, w in weights.items() if not (math.isfinite(w) and w >= 0.0)}
    total = math.fsum(weights.values())
    if wrong or abs(total - 1.0) > _ROUNDING:
        listed = ", ".join(f"{name} {w:.6g}" for name, w in weights.items())
        raise InputError(
            f"the weights ({listed}) must each be >= 0, with the sum 1 (it is "
            f"{total:.6g}): take them from a comparison"
        )
    return {name: weights[name] / total for name in given if weights[name] > 0.0}


def _check_limits(burdens: Mapping[str, Burdens]) -> None:
    """Refuse models that do not count the same against the same limits."""
    said = {
        name: {o: (b.quantity, b.limit_Gy) for o, b in own.items()}
        | {"cycles": cycles_of(own)}
        for name, own in burdens.items()
    }
    (first, one), *others = said.items()
    for name, other in others:
        if other != one:
            raise InputError(
                f"{first} has the limits {one} and {name} {other}: ask the same of "
                "every model"
            )


def _pooled(
    values: tuple[np.ndarray, ...], weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return all draws ascending, and what each weighs."""
    mass = [np.full(x.size, w / x.size) for x, w in zip(values, weights, strict=True)]
    every, masses = np.concatenate(values), np.concatenate(mass)
    order = np.argsort(every, kind="stable")
    return every[order], masses[order]


def _quantiles(values: np.ndarray, mass: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return quantiles of weighted draws by linear interpolation.

    Of draws that weigh the same, NumPy's own: the first draw is at 0, the last at 1.
    """
    before = np.cumsum(mass) - mass
    last = before[-1]
    return np.interp(levels, before / last if last > 0.0 else before, values)


def _largest_kept(reached: np.ndarray, mass: np.ndarray, confidence: float) -> float:
    """Return the largest A with a mass of at least the confidence at or above it."""
    at_or_above = np.cumsum(mass[::-1])[::-1]
    kept = np.flatnonzero(at_or_above >= confidence - 1e-9)
    return float(reached[kept[-1]])


def _error(
    reached: np.ndarray,
    mass: np.ndarray,
    probability: float,
    shares: np.ndarray,
    sizes: np.ndarray,
) -> float:
    """Return the relative standard error of a quantile, as `quantile_error` does."""
    # Not at the top, so that importing pkmodels.decision stays quick.
    from scipy.special import betaincinv

    size = 1.0 / float(np.sum(shares**2 / sizes))
    shape = (size * probability + 1.0, size * (1.0 - probability) + 1.0)
    points = [float(betaincinv(*shape, share)) for share in _ONE_SD]
    low, centre, high = _quantiles(
        reached, mass, np.array([points[0], probability, points[1]])
    )
    half = float(high - low) / 2.0
    if half == 0.0:
        return 0.0
    return half / float(centre) if centre > 0.0 else math.inf
