"""Histories: what earlier treatments gave, with its uncertainty, against a limit."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pkmodels.decision.limits import QUANTITIES, DoseLimit, Quantity, check_quantity
from pkmodels.errors import InputError, suggest


@dataclass(frozen=True)
class History:
    """What a region or group received before, from another source than this fit.

    Parameters
    ----------
    target : str
        Name of the region or group.
    quantity : "absorbed_dose" or "bed"
        What the number is.
    value_Gy : float
        Its mean, Gy, > 0.
    sd_Gy : float or None
        Its standard deviation, Gy, > 0; None is refused.
    source : str
        Where the number is from: a report, its date.

    Raises
    ------
    InputError
        When the uncertainty or the source is missing, or a number out of its range.
    """

    target: str
    quantity: Quantity
    value_Gy: float
    sd_Gy: float | None
    source: str

    def __post_init__(self) -> None:
        """Refuse a history without its uncertainty or its source."""
        where = f"[[history]] of {self.target}"
        if self.quantity not in QUANTITIES:
            raise InputError(
                f"{where}: quantity is {self.quantity!r}: write one of {QUANTITIES}"
            )
        if not (math.isfinite(self.value_Gy) and self.value_Gy > 0.0):
            raise InputError(f"{where}: value_Gy is {self.value_Gy}; it must be > 0")
        if self.sd_Gy is None:
            raise InputError(
                f"{where}: {self.value_Gy:g} Gy has no uncertainty: state sd_Gy, its "
                "standard deviation in Gy"
            )
        if not (math.isfinite(self.sd_Gy) and self.sd_Gy > 0.0):
            raise InputError(
                f"{where}: sd_Gy is {self.sd_Gy}; it must be > 0, since no dose is "
                "known exactly"
            )
        if not self.source.strip():
            raise InputError(f"{where}: source is empty: say where the number is from")


def draw_history(
    history: History, n_draws: int, generator: np.random.Generator
) -> np.ndarray:
    """Draw what was received before.

    Log-normal with the stated mean m and standard deviation s: the log-sd is
    sqrt(ln(1 + (s/m)^2)), the median m / sqrt(1 + (s/m)^2).

    Parameters
    ----------
    history : History
        What was received.
    n_draws : int
        How many.
    generator : numpy Generator
        Source of randomness.

    Returns
    -------
    (n_draws,) array, Gy, of the history's quantity

    Examples
    --------
    >>> history = History("kidneys", "absorbed_dose", 12.0, 3.0, "report of 2021")
    >>> draws = draw_history(history, 100_000, np.random.default_rng(0))
    >>> round(float(draws.mean()), 1), round(float(draws.std()), 1)
    (12.0, 3.0)
    """
    assert history.sd_Gy is not None
    log_variance = math.log1p((history.sd_Gy / history.value_Gy) ** 2)
    log_median = math.log(history.value_Gy) - log_variance / 2.0
    scores = generator.standard_normal(n_draws)
    return np.exp(log_median + math.sqrt(log_variance) * scores)


def draw_histories(
    histories: Sequence[History],
    limits: Sequence[DoseLimit],
    n_draws: int,
    generator: np.random.Generator,
    *,
    waived: Collection[str] = (),
) -> Mapping[str, np.ndarray]:
    """Draw what counts as received before against each limit.

    Histories of one target are independent of each other and add.

    Parameters
    ----------
    histories : sequence of History
        What was received.
    limits : sequence of DoseLimit
        One a target.
    n_draws : int
        How many.
    generator : numpy Generator
        Source of randomness.
    waived : collection of str
        Targets whose limit is waived: their histories count against nothing.

    Returns
    -------
    mapping of str to (n_draws,) array
        Gy by target of each limit, in the limit's quantity; 0 without a history.

    Raises
    ------
    InputError
        When a history is in another quantity than its limit, or its target has none.

    Examples
    --------
    >>> history = History("kidneys", "absorbed_dose", 12.0, 3.0, "report of 2021")
    >>> limits = (DoseLimit("kidneys", "bed", 40.0),)
    >>> draw_histories((history,), limits, 10, np.random.default_rng(0))
    Traceback (most recent call last):
    pkmodels.errors.InputError: the limit of kidneys is 40 Gy of BED, and the \
[[history]] of kidneys (report of 2021) is Gy of absorbed dose: 23 Gy and 40 Gy BED \
are different limits; state the limit in the quantity that is counted
    """
    by_target = {limit.target: limit for limit in limits}
    found = {target: np.zeros(n_draws) for target in by_target}
    for history in histories:
        limit = by_target.get(history.target)
        if limit is None and history.target in waived:
            continue
        if limit is None:
            raise InputError(
                f"[[history]] of {history.target} counts against no limit: "
                f"{suggest(history.target, by_target)}"
            )
        what = f"the [[history]] of {history.target} ({history.source})"
        check_quantity(limit, history.quantity, what)
        found[history.target] += draw_history(history, n_draws, generator)
    return found
