"""Inflows: what arrives in a state at once or for a while, also from repeated doses."""

import math
from dataclasses import dataclass, replace

from pkmodels.administrations import Administration, Delivery, SteadyState
from pkmodels.errors import InputError

# Times that differ by less, relative to the larger of them and 1 h, are one time.
_SAME_TIME = 1e-12


@dataclass(frozen=True)
class Inflow:
    """An amount that arrives in one state at once, or at a rate for a while.

    Parameters
    ----------
    state : int
        Number of the state.
    start_h, end_h : float
        From and to, h; equal for a bolus.
    value : float
        Amount (nmol or MBq) of a bolus; rate at the start (per h) of an infusion.
    decay_per_h : float
        Rate at which the rate of an infusion falls, 1/h, >= 0.
    """

    state: int
    start_h: float
    end_h: float
    value: float
    decay_per_h: float

    def value_at(self, time_h: float) -> float:
        """Return the rate of an infusion at a time."""
        return self.value * math.exp(-self.decay_per_h * (time_h - self.start_h))

    def within(self, start_h: float, end_h: float) -> "Inflow":
        """Return the part of it that lies between two times, which meet it."""
        if self.start_h == self.end_h:
            return self
        start, end = max(self.start_h, start_h), min(self.end_h, end_h)
        rate = self.value_at(start)
        return _spread(self.state, start, end, rate * (end - start), self.decay_per_h)

    def moved(self, by_h: float) -> "Inflow":
        """Return it at another time; all of it arrives there, too."""
        start, end = self.start_h + by_h, self.end_h + by_h
        if self.start_h == self.end_h:
            return replace(self, start_h=start, end_h=end)
        amount = self.value * (self.end_h - self.start_h)
        return _spread(self.state, start, end, amount, self.decay_per_h)


@dataclass(frozen=True)
class Portion:
    """What one administration brings into one state.

    Parameters
    ----------
    state : int
        Number of the state.
    amount : float
        How much of what is given arrives, were there no decay: nmol or MBq.
    lag_h, length_h : float
        How late it arrives, and for how long, h. A length 0 is a bolus, and so is one
        within the rounding of the time at which it ends.
    decay_per_h : float
        Decay constant of the label, 1/h; 0 for ligand.
    delivered : Delivery
        Whether the label decays in the syringe. During the lag it always does.
    """

    state: int
    amount: float
    lag_h: float
    length_h: float
    decay_per_h: float
    delivered: Delivery

    def inflow(self, given_h: float) -> Inflow:
        """Return the inflow where it is given at a time, arriving a lag later."""
        start = given_h + self.lag_h
        end = start + self.length_h
        return _spread(self.state, start, end, self.arriving, self.falls_per_h)

    @property
    def arriving(self) -> float:
        """What is left of the amount after the lag, nmol or MBq."""
        return self.amount * math.exp(-self.decay_per_h * self.lag_h)

    @property
    def falls_per_h(self) -> float:
        """How fast the rate of an infusion falls, 1/h."""
        return 0.0 if self.delivered is Delivery.CONSTANT else self.decay_per_h


def _spread(
    state: int, start_h: float, end_h: float, amount: float, decay_per_h: float
) -> Inflow:
    """Return what brings an amount, were there no decay: at once if it is too short."""
    # As `distinct_times` tells times apart: what is shorter has no segment of its own.
    if end_h - start_h <= slack_h(end_h):
        return Inflow(state, start_h, start_h, amount, 0.0)
    return Inflow(state, start_h, end_h, amount / (end_h - start_h), decay_per_h)


def repeated_inflows(
    portion: Portion, steady: SteadyState
) -> tuple[tuple[Inflow, ...], tuple[Inflow, ...]]:
    """Return what a dose that has been repeated for ever brings, in two parts.

    With the dose at the times -n II for all n >= 0, each arriving a lag later.

    Parameters
    ----------
    portion : Portion
        What one dose brings.
    steady : SteadyState
        The interval II, h, > 0.

    Returns
    -------
    pattern : tuple of Inflow
        During one interval, from 0 to II, of the repetition before the last dose.
    onwards : tuple of Inflow
        From the time 0 of the last dose on, earlier doses included.

    Examples
    --------
    >>> dose = Portion(0, 10.0, 1.0, 5.0, 0.0, Delivery.DECAYING)
    >>> pattern, onwards = repeated_inflows(dose, SteadyState(interval_h=4.0))
    >>> [(i.start_h, i.end_h, i.value) for i in pattern]
    [(0.0, 2.0, 2.0), (1.0, 4.0, 2.0)]
    >>> [(i.start_h, i.end_h, i.value) for i in onwards]
    [(0.0, 2.0, 2.0), (1.0, 6.0, 2.0)]
    """
    interval, lag, length = steady.interval_h, portion.lag_h, portion.length_h
    slack = slack_h(lag)
    # Doses that have been given and have not arrived: those of a lag > II.
    pending = math.floor((lag + slack) / interval)
    phase = max(lag - pending * interval, 0.0)
    at_phase = portion.inflow(0.0).moved(phase - lag)
    running = range(-math.ceil(length / interval) - 1, 0)
    earlier = [at_phase.moved(n * interval) for n in running]
    earlier = [i.within(0.0, math.inf) for i in earlier if i.end_h > slack]
    pattern = [i.within(0.0, interval) for i in (*earlier, at_phase)]
    ahead = [at_phase.moved(n * interval) for n in range(pending + 1)]
    return tuple(pattern), (*earlier, *ahead)


def endless_inflows(
    portion: Portion, administration: Administration, cycle_h: float
) -> tuple[tuple[Inflow, ...], tuple[Inflow, ...]]:
    """Return what an infusion that has run for ever brings, in two parts.

    Parameters
    ----------
    portion : Portion
        What it brings in `length_h`.
    administration : Administration
        At its time the infusion ends.
    cycle_h : float
        Length of a stretch of time, h, > 0.

    Returns
    -------
    pattern, onwards : tuple of Inflow
        As `repeated_inflows`, with a stretch for the interval.

    Raises
    ------
    InputError
        When it has no rate, or a label that would have decayed in the syringe.

    Examples
    --------
    >>> dose = Administration(0.0, 1.0, "ligand", ligand_nmol=5.0)
    >>> portion = Portion(0, 5.0, 2.0, 1.0, 0.0, Delivery.DECAYING)
    >>> pattern, onwards = endless_inflows(portion, dose, 24.0)
    >>> [(i.start_h, i.end_h, i.value) for i in (*pattern, *onwards)]
    [(0.0, 24.0, 5.0), (0.0, 2.0, 5.0)]
    """
    if portion.length_h == 0.0:
        raise InputError(
            f"{administration.described()} has run for ever (interval_h 0), but as a "
            "bolus it has no rate: state duration_h, in which ligand_nmol is given"
        )
    if portion.falls_per_h > 0.0:
        raise InputError(
            f"{administration.described()} has run for ever (interval_h 0), and the "
            "label in its syringe has decayed: say delivered='constant'"
        )
    rate, lag = portion.arriving / portion.length_h, portion.lag_h
    pattern = (Inflow(portion.state, 0.0, cycle_h, rate, 0.0),)
    late = _spread(portion.state, 0.0, lag, rate * lag, 0.0)
    return pattern, ((late,) if lag > 0.0 else ())


def slack_h(time_h: float) -> float:
    """Return the distance within which another time is the same, h.

    Parameters
    ----------
    time_h : float
        Time, h.

    Returns
    -------
    float

    Examples
    --------
    >>> abs((0.1 + 0.2) - 0.3) < slack_h(0.3)
    True
    """
    return _SAME_TIME * max(1.0, abs(time_h))
