"""Periodic states: what a body is in before each of doses repeated for ever."""

from collections.abc import Callable, Sequence

import numpy as np

from pkmodels.errors import SolveError

_TOLERANCE = 1e-10
# Below this share of its size a state counts as absent.
_ABSENT = 1e-3
_MOST_CYCLES = 200
_ROUNDING = 1e-9
# Of a dose: what grows without end changes by more, however much there is of it.
_UNNOTICED = 1e-4
_MOST_DOSES = 1e6
# Cycles that an extrapolation uses: more than a body has time scales that matter.
_DEPTH = 12


def find_periodic_state(
    cycle: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
    scales: np.ndarray,
    names: Sequence[str],
) -> np.ndarray:
    """Return the state x = cycle(x) that repeated cycles lead to.

    Anderson's extrapolation of the cycles, which keeps what every cycle keeps, as the
    total of a receptor. It is reached when a cycle changes no state by more than 1e-10
    of it (or of a thousandth of its size, where there is less).

    Parameters
    ----------
    cycle : callable
        ``cycle(state) -> state`` one interval later.
    start : (n_states,) array
        The state before the first cycle.
    scales : (n_states,) array
        Size of each state, > 0.
    names : sequence of str
        Name of each state.

    Returns
    -------
    (n_states,) array

    Raises
    ------
    SolveError
        When 200 cycles do not lead there, naming the states that still change.

    References
    ----------
    Anderson, J ACM 1965;12:547; Walker and Ni, SIAM J Numer Anal 2011;49:1715.

    Examples
    --------
    >>> halved = lambda x: 0.5 * (x + 1.0)  # a unit dose, half of which is left
    >>> print(find_periodic_state(halved, np.zeros(1), np.ones(1), ["plasma"]))
    [1.]
    """
    state = start
    outcomes: list[np.ndarray] = []
    changes: list[np.ndarray] = []
    change = np.zeros_like(start)
    size = scales
    for _ in range(_MOST_CYCLES):
        outcome = cycle(state)
        change = outcome - state
        size = np.maximum(np.abs(outcome), _ABSENT * scales)
        allowed = np.minimum(_TOLERANCE * size, _UNNOTICED * scales)
        if np.all(np.abs(change) <= allowed):
            return outcome
        outcomes.append(outcome)
        changes.append(change)
        del outcomes[: -_DEPTH - 1], changes[: -_DEPTH - 1]
        state = _extrapolated(outcomes, changes, size)
        if np.any((state < -_ROUNDING * scales) | (state > _MOST_DOSES * scales)):
            state = outcome  # it went too far
            outcomes.clear()
            changes.clear()
    order = np.argsort(-np.abs(change) / scales)[:3]
    moving = ", ".join(
        f"{names[i]} (by {change[i]:.3g})" for i in order if change[i] != 0.0
    )
    raise SolveError(
        f"{_MOST_CYCLES} repetitions do not settle: the last still changed {moving}; "
        "what nothing empties, as collected urine, has no steady state: leave it out, "
        "or write the doses out with repeat()"
    )


def _extrapolated(
    outcomes: Sequence[np.ndarray], changes: Sequence[np.ndarray], size: np.ndarray
) -> np.ndarray:
    """Return the combination of outcomes whose change would be least."""
    if len(outcomes) == 1:
        return outcomes[0]
    change_steps = np.diff(np.array(changes) / size, axis=0).T
    outcome_steps = np.diff(np.array(outcomes), axis=0).T
    latest = changes[-1] / size
    weights = np.linalg.lstsq(change_steps, latest, rcond=_ROUNDING)[0]
    return outcomes[-1] - outcome_steps @ weights
