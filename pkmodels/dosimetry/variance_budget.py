"""How much of a result's variance each factor brings, from the posterior draws."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from pkmodels.errors import InputError

Block = np.ndarray | tuple[np.ndarray, ...]

# Fewer draws than this say little about a variance: its relative error is 14 % there.
MINIMUM_DRAWS = 100

# Rounds of permutations: enough to know their spread, and the end of patience.
_FEWEST_ROUNDS = 10
_MOST_ROUNDS = 100


@dataclass(frozen=True)
class Share:
    """Part of the posterior variance that one factor brings.

    Parameters
    ----------
    first_order : float
        By itself, V_i / V.
    total : float
        With all it takes part in, T_i / V.
    first_order_noise, total_noise : float
        Standard error of each from the permutations; an estimate may be below 0 by a
        few of these.
    """

    first_order: float
    total: float
    first_order_noise: float
    total_noise: float


@dataclass(frozen=True)
class VarianceBudget:
    """The variance of a result, shared out to its factors.

    sum of first orders + interactions + dependence = 1.

    Parameters
    ----------
    quantity : str
        What varies.
    variance : float
        V, its variance over the joint posterior draws, in its unit squared.
    shares : mapping of str to Share
        By factor.
    interactions : float
        What factors bring only together, (V_ind - sum V_i) / V.
    dependence : float
        What the correlation of factors in the posterior adds, (V - V_ind) / V; below
        0 where errors compensate.
    interactions_noise, dependence_noise : float
        Standard error of each: of the dependence, the size that a correlation by
        chance between as many independent draws has.
    n_draws, n_rounds : int
        Draws, and rounds of permutations averaged.
    """

    quantity: str
    variance: float
    shares: Mapping[str, Share]
    interactions: float
    dependence: float
    interactions_noise: float
    dependence_noise: float
    n_draws: int
    n_rounds: int

    @property
    def noise(self) -> float:
        """Largest standard error of a first order or a total, as part of V."""
        shares = self.shares.values()
        return max(max(s.first_order_noise, s.total_noise) for s in shares)

    def explain(self) -> str:
        """Return the budget in sentences, the largest factor first."""
        return _explain(self)


def variance_budget(
    function: Callable[[Mapping[str, Block]], np.ndarray],
    blocks: Mapping[str, Block],
    generator: np.random.Generator,
    *,
    quantity: str = "the result",
    precision: float = 0.005,
) -> VarianceBudget:
    """Share out the variance of a result to blocks of its factors.

    f is the result, X_i the blocks, P their posterior, Q the product of the blocks'
    own distributions, as when each block is permuted apart from the others:

    - V = Var_P f and V_ind = Var_Q f;
    - V_i = Var_Q E_Q[f | X_i] (first order), T_i = E_Q Var_Q[f | the other blocks]
      (total);
    - interactions (V_ind - sum V_i) / V; dependence (V - V_ind) / V.

    Blocks that are independent in the posterior have V = V_ind and Sobol's indices.
    Dependence cannot be shared out to single factors; join correlated factors in one
    block to see them as one. From two independent permutations y = f(A), y' = f(B) of
    the draws and those with block i exchanged, y_i = f(A with B_i), y'_i = f(B with
    A_i), averaged over rounds of permutations:
    T_i = mean[(y - y_i)^2 + (y' - y'_i)^2] / 4 (Jansen) and
    V_i = mean (y_i - y) (y' - y'_i) / 2 (Azzini), where the same exchange of i is seen
    against two settings of the rest, so that a factor without effect gets exactly 0.

    Parameters
    ----------
    function : callable
        Takes blocks as given and returns (n_draws,), such as ln dose.
    blocks : mapping of str to array or tuple of arrays
        Posterior draws by factor, first axis n_draws; a tuple is drawn jointly and
        stays together.
    generator : numpy Generator
        Source of the permutations.
    quantity : str
        What the function returns, for sentences.
    precision : float
        Rounds are added until every standard error is below this part of V, or there
        are 100 of them; > 0. The budget says what was reached.

    Returns
    -------
    VarianceBudget

    Raises
    ------
    InputError
        When there is no block, draws are fewer than 100 or differ in number, the
        result is not (n_draws,), not finite, or does not vary.

    References
    ----------
    Sobol, Math Comput Simul 2001;55:271 (indices); Jansen, Comput Phys Commun
    1999;117:35 (total); Azzini, Mara and Rosati, Environ Model Softw 2021;144:105167
    (first order; expectation 2 V_i of the product of differences, also Owen, ACM Trans
    Model Comput Simul 2013;23:11).

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> draws = {"mass": 0.08 * generator.standard_normal(4000),
    ...          "calibration": 0.06 * generator.standard_normal(4000)}
    >>> budget = variance_budget(lambda x: x["calibration"] - x["mass"], draws,
    ...                          generator, quantity="ln dose")
    >>> round(budget.shares["mass"].first_order, 1)  # 64 % in truth
    0.6
    """
    n_draws = _count_draws(blocks)
    if not precision > 0.0:
        raise InputError(f"precision is {precision}: it must be > 0")
    joint = _evaluate(function, blocks, n_draws, quantity)
    variance = float(joint.var())
    if variance <= (1e-12 * max(abs(float(joint.mean())), 1e-300)) ** 2:
        raise InputError(
            f"{quantity} does not vary over the draws: nothing to share out"
        )
    centre = float(joint.mean())

    def result(given: Mapping[str, Block]) -> np.ndarray:
        # Centred, so that variances lose no digits.
        return _evaluate(function, given, n_draws, quantity) - centre

    rounds: list[np.ndarray] = []
    while len(rounds) < _MOST_ROUNDS:
        rounds.append(_one_round(result, blocks, n_draws, generator) / variance)
        if len(rounds) >= _FEWEST_ROUNDS and _error(rounds)[:, :-1].max() < precision:
            break
    return _summarize(rounds, tuple(blocks), quantity, variance, n_draws)


def _one_round(
    result: Callable[[Mapping[str, Block]], np.ndarray],
    blocks: Mapping[str, Block],
    n_draws: int,
    generator: np.random.Generator,
) -> np.ndarray:
    """Return [V_i, ..., V_ind] and [T_i, ..., V_ind of one permutation], (2, d + 1)."""
    first, second = (
        {
            name: _permute(b, generator.permutation(n_draws))
            for name, b in blocks.items()
        }
        for _ in range(2)
    )
    one, other = result(first), result(second)
    found = np.empty((2, len(blocks) + 1))
    variances = [one.var(), other.var()]
    for i, name in enumerate(blocks):
        one_exchanged = result({**first, name: second[name]})
        other_exchanged = result({**second, name: first[name]})
        found[0, i] = 0.5 * np.mean((one_exchanged - one) * (other - other_exchanged))
        found[1, i] = 0.25 * (
            np.mean((one - one_exchanged) ** 2)
            + np.mean((other - other_exchanged) ** 2)
        )
        variances += [one_exchanged.var(), other_exchanged.var()]
    found[0, -1] = np.mean(variances)
    found[1, -1] = one.var()
    return found


def _error(rounds: list[np.ndarray]) -> np.ndarray:
    return np.std(rounds, axis=0, ddof=1) / math.sqrt(len(rounds))


def _summarize(
    rounds: list[np.ndarray],
    names: tuple[str, ...],
    quantity: str,
    variance: float,
    n_draws: int,
) -> VarianceBudget:
    mean, error = np.mean(rounds, axis=0), _error(rounds)
    together = [found[0, -1] - found[0, :-1].sum() for found in rounds]
    by_chance = np.std([found[1, -1] for found in rounds], ddof=1)
    return VarianceBudget(
        quantity=quantity,
        variance=variance,
        shares={
            name: Share(*(float(x) for x in (*mean[:, i], *error[:, i])))
            for i, name in enumerate(names)
        },
        interactions=float(np.mean(together)),
        dependence=float(1.0 - mean[0, -1]),
        interactions_noise=float(np.std(together, ddof=1) / math.sqrt(len(rounds))),
        dependence_noise=float(math.hypot(by_chance, error[0, -1])),
        n_draws=n_draws,
        n_rounds=len(rounds),
    )


def _permute(block: Block, order: np.ndarray) -> Block:
    if isinstance(block, tuple):
        return tuple(part[order] for part in block)
    return block[order]


def _count_draws(blocks: Mapping[str, Block]) -> int:
    if not blocks:
        raise InputError("a variance budget needs at least one factor")
    sizes = {
        name: {np.shape(part)[:1] for part in (b if isinstance(b, tuple) else (b,))}
        for name, b in blocks.items()
    }
    distinct = set().union(*sizes.values())
    if len(distinct) != 1 or () in distinct:
        told = ", ".join(f"{name} {sorted(found)}" for name, found in sizes.items())
        raise InputError(
            f"factors differ in their number of draws ({told}): the first axis of each "
            "must be that of the same draws"
        )
    [(count,)] = distinct
    if count < MINIMUM_DRAWS:
        raise InputError(
            f"{count} draws are too few to share out a variance: {MINIMUM_DRAWS} are "
            "needed"
        )
    return count


def _evaluate(
    function: Callable[[Mapping[str, Block]], np.ndarray],
    blocks: Mapping[str, Block],
    n_draws: int,
    quantity: str,
) -> np.ndarray:
    found = np.asarray(function(blocks), float)
    if found.shape != (n_draws,):
        raise InputError(
            f"{quantity} has the shape {found.shape}: the function must return one "
            f"number for each of the {n_draws} draws"
        )
    if not np.isfinite(found).all():
        count = int((~np.isfinite(found)).sum())
        raise InputError(
            f"{count} of {n_draws} values of {quantity} are not finite: mend the "
            "draws, or join factors that only make sense together in one block"
        )
    return found


def _explain(budget: VarianceBudget) -> str:
    ranked = sorted(
        budget.shares.items(), key=lambda item: item[1].first_order, reverse=True
    )
    seen = [(n, s) for n, s in ranked if s.first_order > 2.0 * budget.noise]
    unseen = [n for n, s in ranked if s.first_order <= 2.0 * budget.noise]
    parts = ", ".join(f"{name} {_percent(share.first_order)}" for name, share in seen)
    text = [f"Variance of {budget.quantity}: {parts or 'no factor by itself'}."]
    if unseen:
        text.append(
            f"By themselves below {_percent(2.0 * budget.noise)}, twice the "
            f"Monte-Carlo error: {', '.join(unseen)}."
        )
    if abs(budget.interactions) > 3.0 * budget.interactions_noise:
        joined = [
            f"{name} {_percent(share.total)}"
            for name, share in ranked
            if share.total - share.first_order
            > 3.0 * math.hypot(share.first_order_noise, share.total_noise)
        ]
        text.append(
            f"Factors bring {_percent(budget.interactions)} only together"
            + (f" (with it: {', '.join(joined)})." if joined else ".")
        )
    if abs(budget.dependence) > 3.0 * budget.dependence_noise:
        text.append(
            "Factors correlate in the posterior, which "
            + ("adds " if budget.dependence > 0.0 else "takes away ")
            + f"{_percent(abs(budget.dependence))} of the variance."
        )
    text.append(
        f"Monte-Carlo error {_percent(budget.noise)}, from {budget.n_draws} draws."
    )
    return " ".join(text)


def _percent(part: float) -> str:
    return f"{100.0 * part:.2g} %" if abs(part) < 0.1 else f"{100.0 * part:.0f} %"
