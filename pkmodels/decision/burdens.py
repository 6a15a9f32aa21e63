"""Burdens: what each limit counts, as draws of a function of the activity."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from pkmodels.decision.limits import (
    DoseLimit,
    Quantity,
    check_cycles,
    check_limit,
    check_quantity,
)
from pkmodels.decision.roots import DoseAt, solve_increasing
from pkmodels.errors import InputError


@dataclass(frozen=True, eq=False)
class Burden:
    """What one limit counts, as draws of a function of the activity A.

    burden(A) = received + slope A + curvature A^2, in Gy, A the activity of all cycles.

    Parameters
    ----------
    limit_Gy : float
        The limit, Gy, > 0, of the same quantity.
    received : (n_draws,) array
        What was received before, Gy, >= 0, in the same quantity.
    slope : (n_draws,) array
        Absorbed dose per activity, Gy/GBq, > 0.
    curvature : (n_draws,) array
        Gy per GBq^2, >= 0, with the cycles as stated; zero for an absorbed dose.
    quantity : "absorbed_dose" or "bed"
        What is counted.
    cycles : int
        Equal cycles that the activity is given in, >= 1.

    Raises
    ------
    InputError
        When the quantity is unknown, a number is out of its range, the arrays differ
        in shape or an absorbed dose has a curvature.
    """

    limit_Gy: float
    received: np.ndarray
    slope: np.ndarray
    curvature: np.ndarray
    quantity: Quantity
    cycles: int = 1

    def __post_init__(self) -> None:
        """Refuse what is no burden; draws that are no numbers are found later."""
        check_limit("a burden", self.quantity, self.limit_Gy)
        check_cycles(self.cycles)
        shapes = {np.shape(x) for x in (self.received, self.slope, self.curvature)}
        if len(shapes) > 1 or len(next(iter(shapes))) != 1:
            raise InputError(
                f"received, slope and curvature of a burden have the shapes {shapes}: "
                "give one number a draw of each"
            )
        for name in ("received", "slope", "curvature"):
            values = getattr(self, name)
            _refuse_outside(f"{name} of a burden", values, values < 0.0, ">= 0")
        if self.quantity == "absorbed_dose" and np.any(self.curvature != 0.0):
            raise InputError(
                "an absorbed dose is in proportion to the activity, but the curvature "
                "is not 0: write quantity='bed', or leave the curvature out"
            )

    def at(self, activity_GBq: float) -> np.ndarray:
        """Return the draws of the burden at an activity (GBq), (n_draws,), Gy."""
        return self.received + activity_GBq * (
            self.slope + activity_GBq * self.curvature
        )

    def activity_at_limit(self) -> np.ndarray:
        """Return for each draw the activity that reaches the limit, GBq; at least 0."""
        room = np.maximum(self.limit_Gy - self.received, 0.0)
        # The root of curvature A^2 + slope A - room, in the form that does not cancel.
        with np.errstate(divide="ignore", invalid="ignore"):
            root = np.sqrt(self.slope**2 + 4.0 * self.curvature * room)
            return 2.0 * room / (self.slope + root)

    def exceeds(self, activity_GBq: float) -> np.ndarray:
        """Return for each draw whether the burden is above the limit, (n_draws,) bool.

        Judged by activity, so that rounding cannot tip the draw that decides.
        """
        already = self.received > self.limit_Gy
        return already | (self.activity_at_limit() < activity_GBq)


@dataclass(frozen=True, eq=False)
class SimulatedBurden:
    """What one limit counts where each activity is simulated with its own ligand mass.

    burden(A) = received + n dose_at(A / n), with n equal cycles between which the body
    returns to what it was.

    Parameters
    ----------
    limit_Gy : float
        The limit, Gy, > 0, of the same quantity.
    quantity : "absorbed_dose" or "bed"
        What `dose_at` returns.
    received : (n_draws,) array
        What was received before, Gy, >= 0, in the same quantity.
    dose_at : callable
        The activity of one cycle (GBq, one a draw) to what it adds (Gy, one a draw);
        continuous and increasing, 0 at 0.
    cycles : int
        Equal cycles that the activity is given in, >= 1.
    start_GBq : float
        Where the search for the limit begins, GBq, > 0.

    Raises
    ------
    InputError
        When the quantity is unknown, or the limit or the cycles out of their range.
    """

    limit_Gy: float
    quantity: Quantity
    received: np.ndarray
    dose_at: DoseAt
    cycles: int = 1
    start_GBq: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what is no burden."""
        check_limit("a simulated burden", self.quantity, self.limit_Gy)
        check_cycles(self.cycles)
        before = self.received
        _refuse_outside("received of a burden", before, before < 0.0, ">= 0")

    def at(self, activity_GBq: float) -> np.ndarray:
        """Return the draws of the burden at an activity (GBq), (n_draws,), Gy."""
        if activity_GBq == 0.0:
            return np.array(self.received, np.float64)
        each = np.full(self.received.shape, activity_GBq / self.cycles)
        return self.received + self.cycles * self.dose_at(each)

    def activity_at_limit(self) -> np.ndarray:
        """Return for each draw the activity that reaches the limit, GBq; at least 0.

        Found once, by `pkmodels.decision.roots.solve_increasing`.
        """
        return self._reached

    @cached_property
    def _reached(self) -> np.ndarray:
        room = np.maximum(self.limit_Gy - self.received, 0.0)
        return self.cycles * solve_increasing(
            self.dose_at, room / self.cycles, start_GBq=self.start_GBq
        )

    def exceeds(self, activity_GBq: float) -> np.ndarray:
        """Return for each draw whether the burden is above the limit, (n_draws,) bool.

        Judged by activity, as of `Burden`.
        """
        already = self.received > self.limit_Gy
        return already | (self.activity_at_limit() < activity_GBq)


AnyBurden = Burden | SimulatedBurden
Burdens = Mapping[str, AnyBurden]


def dose_burden(
    limit: DoseLimit, received_Gy: np.ndarray | float, dose_Gy_per_GBq: np.ndarray
) -> Burden:
    """Return the burden of an absorbed dose, received + d A.

    Parameters
    ----------
    limit : DoseLimit
        Of the absorbed dose.
    received_Gy : (n_draws,) array or float
        Absorbed dose received before, Gy, >= 0.
    dose_Gy_per_GBq : (n_draws,) array
        d, Gy/GBq, > 0.

    Returns
    -------
    Burden

    Raises
    ------
    InputError
        When the limit is one of BED.

    Examples
    --------
    >>> limit = DoseLimit("kidneys", "absorbed_dose", 23.0)
    >>> dose_burden(limit, 3.0, np.array([2.0])).activity_at_limit().tolist()
    [10.0]
    """
    check_quantity(limit, "absorbed_dose", f"the absorbed dose of {limit.target}")
    zero = np.zeros_like(dose_Gy_per_GBq)
    return Burden(
        limit.value_Gy, zero + received_Gy, dose_Gy_per_GBq, zero, "absorbed_dose"
    )


def bed_burden(
    limit: DoseLimit,
    received_bed_Gy: np.ndarray | float,
    dose_Gy_per_GBq: np.ndarray,
    protraction: np.ndarray,
    alpha_beta_Gy: np.ndarray,
    *,
    cycles: int = 1,
) -> Burden:
    """Return the burden of a BED, received + d A + G d^2 A^2 / (n alpha/beta).

    With n equal cycles each has the dose d A / n and BEDs of cycles add, since all that
    can be repaired is repaired between them.

    Parameters
    ----------
    limit : DoseLimit
        Of the BED.
    received_bed_Gy : (n_draws,) array or float
        BED received before, Gy, >= 0.
    dose_Gy_per_GBq : (n_draws,) array
        d, absorbed dose per activity, Gy/GBq, > 0.
    protraction : (n_draws,) array
        G, the Lea-Catcheside factor of one cycle's dose rate, 0 to 1.
    alpha_beta_Gy : (n_draws,) array
        alpha/beta, Gy, > 0.
    cycles : int
        n, >= 1.

    Returns
    -------
    Burden

    Raises
    ------
    InputError
        When the limit is one of absorbed dose, or a number is out of its range.

    References
    ----------
    Dale, Br J Radiol 1985;58:515-528; Baechler et al., Med Phys 2008;35:1123-1134.

    Examples
    --------
    The kidneys' 40 Gy BED at G = 0.06393, alpha/beta = 2.5 Gy are 24.57 Gy.

    >>> limit = DoseLimit("kidneys", "bed", 40.0)
    >>> one, g, ab = np.array([1.0]), np.array([0.06393]), np.array([2.5])
    >>> bed_burden(limit, 0.0, one, g, ab).activity_at_limit().round(2).tolist()
    [24.57]
    """
    check_quantity(limit, "bed", f"the BED of {limit.target}")
    check_cycles(cycles)
    _refuse_outside("G", protraction, (protraction < 0.0) | (protraction > 1.0), "0-1")
    _refuse_outside("alpha/beta", alpha_beta_Gy, alpha_beta_Gy <= 0.0, "> 0 Gy")
    zero = np.zeros_like(dose_Gy_per_GBq)
    curvature = zero + protraction * dose_Gy_per_GBq**2 / (alpha_beta_Gy * cycles)
    before = zero + received_bed_Gy
    return Burden(limit.value_Gy, before, dose_Gy_per_GBq, curvature, "bed", cycles)


def fractionate(burdens: Burdens, cycles: int) -> dict[str, AnyBurden]:
    """Return burdens with their activity given in some number of equal cycles.

    Limits do not change. The A^2 part of a BED is divided among the cycles, between
    which all that can be repaired is repaired; BEDs add. What is simulated is simulated
    a cycle at a time, each with the ligand mass of its own syringe.

    Parameters
    ----------
    burdens : mapping of str to Burden or SimulatedBurden
        In any number of cycles.
    cycles : int
        How many in all, >= 1.

    Returns
    -------
    dict of str to Burden or SimulatedBurden

    Raises
    ------
    InputError
        When the number of cycles is below 1.

    Examples
    --------
    >>> one, limit = np.array([1.0]), DoseLimit("kidneys", "bed", 40.0)
    >>> burden = bed_burden(limit, 0.0, one, 0.1 * one, 2.5 * one)
    >>> [round(float(fractionate({"kidneys": burden}, n)["kidneys"].activity_at_limit()
    ...        [0]), 2) for n in (1, 2, 4)]
    [21.5, 26.23, 30.62]
    """
    check_cycles(cycles)
    return {
        name: replace(burden, cycles=cycles)
        if isinstance(burden, SimulatedBurden)
        else replace(
            burden,
            curvature=burden.curvature * (burden.cycles / cycles),
            cycles=cycles,
        )
        for name, burden in burdens.items()
    }


def cycles_of(burdens: Burdens) -> int:
    """Return in how many equal cycles all burdens are given.

    Parameters
    ----------
    burdens : mapping of str to Burden or SimulatedBurden
        At least one.

    Returns
    -------
    int

    Raises
    ------
    InputError
        When they differ.

    Examples
    --------
    >>> limit, dose = DoseLimit("liver", "absorbed_dose", 30.0), np.array([1.0])
    >>> cycles_of({"liver": dose_burden(limit, 0.0, dose)})
    1
    """
    found = {name: burden.cycles for name, burden in burdens.items()}
    if len(set(found.values())) > 1:
        listed = ", ".join(f"{name} {n}" for name, n in found.items())
        raise InputError(
            f"the burdens are of different numbers of cycles ({listed}): write "
            "fractionate(burdens, cycles)"
        )
    return next(iter(found.values()))


def _refuse_outside(
    name: str, values: np.ndarray, wrong: np.ndarray, range_: str
) -> None:
    if np.any(wrong):
        first = np.asarray(values)[wrong][0]
        raise InputError(
            f"{name} is {first:g} in {int(np.sum(wrong))} of {np.size(values)} draws; "
            f"it must be {range_}"
        )
