"""What had been given of a label, or of ligand, until some time."""

import math
from dataclasses import dataclass

import numpy as np

from pkmodels.administrations import Administration, Delivery
from pkmodels.nuclides import nuclide
from pkmodels.schedule import Schedule
from pkmodels.symbols import LIGAND


@dataclass(frozen=True)
class Given:
    """What had been given of a label (MBq), or of ligand (nmol), at some times.

    Parameters
    ----------
    administered : (n_times,) array
        As it was when given, each administration counted whole from its start.
    undecayed : (n_times,) array
        The same, less its decay since.
    decay_constant_per_h : float
        Of the label, 1/h; 0 for the ligand.
    """

    administered: np.ndarray
    undecayed: np.ndarray
    decay_constant_per_h: float


def given_by(
    schedule: Schedule,
    label: str,
    times_h: np.ndarray,
    before: np.ndarray | None = None,
) -> Given:
    """Return what had been given of a label until some times.

    Parameters
    ----------
    schedule : Schedule
        What was given.
    label : str
        A label, or `LIGAND`.
    times_h : (n_times,) array
        Times, h.
    before : (n_times,) array of bool or None
        Where what is given at the very time does not count yet.

    Returns
    -------
    Given
        NaN where `label` is `LIGAND` and not one ligand in known amounts was given.

    Examples
    --------
    >>> from pkmodels.administrations import Administration
    >>> schedule = Schedule((Administration(0.0, 0.0, "dotatate", "Y-90", 100.0),))
    >>> print(given_by(schedule, "Y-90", np.array([0.0, 64.1])).undecayed)
    [100.  50.]
    """
    times = np.asarray(times_h, dtype=np.float64)
    early = np.zeros(times.shape, np.bool_) if before is None else np.asarray(before)
    rate = 0.0 if label == LIGAND else nuclide(label).decay_constant_per_h
    administered, undecayed = np.zeros(times.shape), np.zeros(times.shape)
    for a in schedule.administrations:
        amount = _amount_given(schedule, a, label)
        elapsed = times - a.time_h
        counts = (elapsed > 0.0) | ((elapsed == 0.0) & ~early)
        for reset_h in schedule.resets_h:
            if reset_h > a.time_h:
                counts &= (times < reset_h) | (early & (times == reset_h))
        administered += np.where(counts, amount, 0.0)
        left = _undecayed_part(a, rate, np.maximum(elapsed, 0.0))
        undecayed += np.where(counts, amount * left, 0.0)
    return Given(administered, undecayed, rate)


def _amount_given(schedule: Schedule, a: Administration, label: str) -> float:
    """Return what an administration gives of a label; NaN where that is not known."""
    if label == LIGAND:
        one = len(schedule.ligands) == 1 and a.steady_state is None
        return a.ligand_nmol if one and a.ligand_nmol else math.nan
    if a.label != label:
        return 0.0
    # What was given before a steady state has no end; a modelled length is not known.
    constant = a.delivered is Delivery.CONSTANT and a.modelled
    unknown = a.steady_state is not None or constant
    return math.nan if unknown else a.activity_MBq


def _undecayed_part(a: Administration, rate: float, elapsed: np.ndarray) -> np.ndarray:
    """Return what part of the activity is left by decay alone, syringe included."""
    if a.delivered is Delivery.DECAYING or a.duration_h == 0.0 or rate == 0.0:
        return np.exp(-rate * elapsed)
    # (1/T) int_0^min(e, T) exp(-rate (e - u)) du; what is in the syringe stays.
    inside = np.minimum(elapsed, a.duration_h)
    entered = np.exp(-rate * (elapsed - inside)) * -np.expm1(-rate * inside)
    return entered / (rate * a.duration_h) + 1.0 - inside / a.duration_h
