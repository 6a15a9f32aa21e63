"""Time integrals: the time-integrated activity (TIA) of observables, to infinity."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import sympy

from pkmodels.compiled_integrals import (
    LIFETIMES,
    coefficients_of,
    label_matrix,
    with_tracers,
)
from pkmodels.errors import PkmodelsError, SolveError
from pkmodels.integration import CONTROLS, integrate
from pkmodels.kernels.choice import solve_numbers
from pkmodels.kernels.equations import equations_of
from pkmodels.kernels.printing import numpy_function
from pkmodels.kernels.problem import Outcome
from pkmodels.lowering import problem_of
from pkmodels.nuclides import nuclide
from pkmodels.readability import is_of_ligand
from pkmodels.readings import activities
from pkmodels.schedule import Schedule
from pkmodels.symbols import (
    ADMINISTERED,
    COUNTED_DECAYS,
    DECAY_CONSTANT,
    LIGAND,
    REFERENCE_DENSITY,
    UNDECAYED,
    Amount,
    Input,
    amounts_in,
    symbols_in,
)
from pkmodels.system import System, linear_matrix
from pkmodels.timeline import Timeline, lower
from pkmodels.units import DECAYS_PER_MBQ_H, REFERENCE_DENSITY_G_PER_L

# Judgement: far below what any dose is known to, far above the error of a solve.
_TOLERANCE = 1e-6
# Times at which the tail is tried: the span to the end, halved again and again.
_HALVINGS = 40


@dataclass(frozen=True)
class Tail:
    """The part of time integrals that linear equations give in closed form.

    Parameters
    ----------
    from_h : float
        From when on, h. From 0 where the system is linear.
    share : float
        The largest part of any integral that is after it, 0 to 1.
    error : float
        The largest part of any integral by which its tail is off, since something
        still saturates: found by integrating on until the label has decayed. 0 where
        the system is linear.
    """

    from_h: float
    share: float
    error: float


@dataclass(frozen=True)
class TimeIntegrals:
    """The time integrals of observables of one label, from 0 to infinity.

    Parameters
    ----------
    values : mapping of str to float
        Of each that has one: MBq h where it is in MBq.
    reasons : mapping of str to str
        Why each other one has none.
    tail : Tail or None
        What of them is closed form; None where there are none.
    """

    values: Mapping[str, float]
    reasons: Mapping[str, str]
    tail: Tail | None


class _EndlessError(PkmodelsError):
    """An activity that has no integral, and why."""


@dataclass(frozen=True)
class _Areas:
    """Integrals of a label's activity in each amount, at times to switch at.

    Parameters
    ----------
    switch_h : (n_switches,) array
        When the tail begins, h.
    until, tails : mapping of Amount to (n_switches,) array
        Until then, and from then on, MBq h; the last switch is after everything.
    """

    switch_h: np.ndarray
    until: Mapping[Amount, np.ndarray]
    tails: Mapping[Amount, np.ndarray]


def integrate_observables(
    system: System,
    parameters: Mapping[str, float],
    schedule: Schedule,
    label: str,
    names: Iterable[str],
) -> TimeIntegrals:
    """Return the time-integrated activity of observables, from 0 to infinity.

    Where a label's equations da/dt = M a + inflow are linear, with M constant between
    jumps, each stretch has the integral M^-1 (a_end - a_start - inflow) in closed form.
    Otherwise M depends on what saturates: the activities are integrated as states to
    the switch T, and the tail is -M^-1 a(T) with M as it is then. T is the first of
    some times from the last jump on whose tail, and every later one, is within 1e-6 of
    the whole of what is found by integrating on for forty mean lives of the label.

    Parameters
    ----------
    system : System
        The system, assembled for the schedule's form.
    parameters : mapping of str to float
        Value of each parameter by name.
    schedule : Schedule
        What is done.
    label : str
        A label given, a daughter of one, or `LIGAND`, which has no activity.
    names : iterable of str
        Observables of the system.

    Returns
    -------
    TimeIntegrals

    Raises
    ------
    InputError
        When a value is missing or wrong, or the form another.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.administrations import Administration
    >>> from pkmodels.system import assemble
    >>> given = Schedule((Administration(0.0, 0.0, "dotatate", "Lu-177", 100.0),))
    >>> system = assemble(organ_exchange.model(("kidney",)), given.form)
    >>> values = {"blood_half_time": 1.0, "fraction_kidney": 0.02,
    ...           "biological_half_life_kidney": 60.0}
    >>> found = integrate_observables(system, values, given, "Lu-177", ["kidney"])
    >>> round(found.values["kidney"], 2), found.tail
    (125.02, Tail(from_h=0.0, share=1.0, error=0.0))
    """
    readings = dict(zip(system.observables, system.readings, strict=True))
    reasons: dict[str, str] = {}
    weights: dict[str, dict[Amount, float]] = {}
    for name in names:
        reason = _reason(readings[name], label)
        if reason is not None:
            reasons[name] = reason
        else:
            weights[name] = _weights(readings[name], parameters, label)
    if not weights:
        return TimeIntegrals({}, reasons, None)
    try:
        areas = _areas(system, parameters, schedule, label)
    except (_EndlessError, SolveError) as error:
        reasons |= dict.fromkeys(weights, str(error))
        return TimeIntegrals({}, reasons, None)
    return _chosen(areas, weights, reasons)


def _reason(reading: sympy.Expr, label: str) -> str | None:
    """Say why an observable that can be read has no time integral, if it has none."""
    if label == LIGAND:
        return "ligand has no activity: read a label"
    if is_of_ligand(reading):
        return "it is read of the ligand, which has no activity"
    inputs = [str(s) for s in symbols_in(reading) if isinstance(s, Input)]
    if inputs:
        return f"it depends on {', '.join(inputs)}, which may change with time"
    if reading.has(ADMINISTERED, UNDECAYED):
        return (
            "it is relative to what was given until then: divide the integral of an "
            "activity by what was given"
        )
    if _row_of(reading) is None:
        return "it is not in proportion to the activities in it"
    return None


def _weights(
    reading: sympy.Expr, parameters: Mapping[str, float], label: str
) -> dict[Amount, float]:
    """Return how much an observable counts the activity in each amount."""
    amounts, row = tuple(amounts_in(reading)), _row_of(reading)
    assert row is not None
    known: dict[sympy.Symbol, float] = {
        DECAY_CONSTANT: nuclide(label).decay_constant_per_h,
        REFERENCE_DENSITY: REFERENCE_DENSITY_G_PER_L,
        COUNTED_DECAYS: DECAYS_PER_MBQ_H,
    }
    symbols = tuple(s for s in symbols_in(reading) if s not in amounts)
    values = [known.get(s, parameters.get(s.name)) for s in symbols]
    found = numpy_function(symbols, tuple(row.flat()))(values)
    return dict(zip(amounts, map(float, found), strict=True))


@lru_cache(maxsize=256)
def _row_of(reading: sympy.Expr) -> sympy.ImmutableMatrix | None:
    """Return the coefficients of a reading, if it is linear in its amounts."""
    return linear_matrix(tuple(amounts_in(reading)), (reading,))


def _chosen(
    areas: _Areas,
    weights: Mapping[str, Mapping[Amount, float]],
    reasons: Mapping[str, str],
) -> TimeIntegrals:
    """Return the integrals with the first tail that is good enough for all."""
    nothing = np.zeros(areas.switch_h.shape)

    def weighed(of: Mapping[Amount, np.ndarray], name: str) -> np.ndarray:
        parts = [w * of.get(amount, nothing) for amount, w in weights[name].items()]
        return np.sum(parts, axis=0)

    reasons, wholes, shares, errors = dict(reasons), {}, {}, {}
    for name in weights:
        tails = weighed(areas.tails, name)
        whole = weighed(areas.until, name) + tails
        size = abs(whole[-1]) or 1.0
        off = np.abs(whole - whole[-1]) / size
        if len(off) > 1 and not off[-2] <= _TOLERANCE:
            reasons[name] = (
                f"its tail is not linear even at {areas.switch_h[-2]:.4g} h: it is "
                f"off by {off[-2]:.2g} of the whole"
            )
            continue
        wholes[name], shares[name], errors[name] = whole, np.abs(tails) / size, off
    if not wholes:
        return TimeIntegrals({}, reasons, None)
    worst = np.max(list(errors.values()), axis=0)
    wrong = np.flatnonzero(~(worst <= _TOLERANCE))
    first = int(wrong[-1]) + 1 if wrong.size else 0
    share = max(float(share[first]) for share in shares.values())
    return TimeIntegrals(
        values={name: float(whole[first]) for name, whole in wholes.items()},
        reasons=reasons,
        tail=Tail(float(areas.switch_h[first]), share, float(worst[first])),
    )


def _areas(
    system: System, parameters: Mapping[str, float], schedule: Schedule, label: str
) -> _Areas:
    followed = with_tracers(system)
    is_linear = followed.matrix is not None
    line = lower(followed, parameters, schedule, label if is_linear else None)
    if is_linear:
        found = _linear_areas(line)
        until = dict.fromkeys(followed.amounts, np.zeros(1))
        tails = dict(zip(followed.amounts, found[:, None], strict=True))
        return _Areas(np.zeros(1), until, tails)
    switch_h, until, tails = _solved_areas(line)
    both = (activities(followed, schedule, label, switch_h, x) for x in (until, tails))
    return _Areas(switch_h, *both)


def _linear_areas(line: Timeline) -> np.ndarray:
    """Return the integral of each state of a linear system, stretch by stretch."""
    segments, boundaries = line.segments, line.boundaries_h
    nothing = np.zeros((len(boundaries), len(line.start)))
    matrices = _matrices(line, nothing, segments.inputs)
    _refuse_growth(matrices[-1])
    lengths, decay = np.diff(boundaries)[:, None], line.syringe_decay_per_h
    came = nothing.copy()
    came[:-1] = segments.rates[:-1] * lengths
    came[:-1] += segments.syringe_rates[:-1] * -np.expm1(-decay * lengths) / decay
    if not line.steady and not segments.resets.any() and np.ptp(matrices, 0).max() == 0:
        total = line.start + segments.added.sum(axis=0) + came.sum(axis=0)
        return np.linalg.solve(-matrices[-1], total)
    times = np.append(boundaries, boundaries[1:])
    states = integrate(line, times, np.arange(len(times)) >= len(boundaries))
    came += states[: len(boundaries)]
    came[:-1] -= states[len(boundaries) :]
    return np.linalg.solve(-matrices, came[:, :, None])[:, :, 0].sum(axis=0)


def _solved_areas(line: Timeline) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return when to switch, and what the states' integrals are until and after it."""
    system, size, last = line.system, len(line.start), line.boundaries_h[-1]
    equations, layout = equations_of(system, integrals=True)
    span = LIFETIMES / line.decay_constants.min()
    switch_h = last + np.append(0.0, span * 2.0 ** -np.arange(_HALVINGS, -1.0, -1.0))
    problem, rows = problem_of(replace(line, steady=()), layout, switch_h)
    keep, added = np.array(problem.keep), np.array(problem.added)
    for dose in line.steady:
        time = line.boundaries_h[[dose.boundary]]
        # One segment of the problem is before those of the timeline.
        keep[dose.boundary + 1, :size] = 0.0
        added[dose.boundary + 1, :size] = integrate(line, time)[0]
    problem = problem._replace(keep=keep, added=added)
    found = solve_numbers(equations, problem, CONTROLS)
    outcome = Outcome(int(found.report[0]))
    if outcome is not Outcome.SOLVED:
        reason = outcome.name.lower().replace("_", " ")
        raise _EndlessError(
            f"the solution ends at {float(found.report[1]):.4g} h ({reason}), before "
            "the activity has died away"
        )
    states = np.asarray(found.states)[rows]
    assert layout.integrals is not None
    until = states[:, layout.integrals : layout.integrals + size]
    inputs = np.repeat(line.segments.inputs[-1:], len(states), axis=0)
    matrices = _matrices(line, states[:, :size], inputs)
    _refuse_growth(matrices[-1])
    tails, first = np.zeros(until.shape), len(system.amounts)
    active = states[:, first:size, None]
    tails[:, first:] = np.linalg.solve(-matrices, active)[:, :, 0]
    return switch_h, until, tails


def _matrices(line: Timeline, states: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """Return M in da/dt = M a + inflow for some states and inputs, one to a row."""
    places, function = _entries(line.system)
    fixed = [*line.parameters, *line.decay_constants]
    count = len(line.parameters)
    known = [*np.maximum(states, 0.0).T, *fixed[:count], *inputs.T, *fixed[count:]]
    size = label_matrix(line.system).rows
    found = np.zeros((len(states), size, size))
    with np.errstate(all="ignore"):
        for (row, column), values in zip(places, function(known), strict=True):
            found[:, row, column] = values
    if not np.isfinite(found).all():
        raise _EndlessError("the equations of the label have no value at the end")
    return found - line.loss_per_h * np.eye(size)


@lru_cache(maxsize=64)
def _entries(
    system: System,
) -> tuple[tuple[tuple[int, int], ...], Callable[[Sequence[Any]], list[Any]]]:
    """Return where `label_matrix` is not 0, and a function that gives what is there."""
    found = label_matrix(system).todok()
    return tuple(found), numpy_function(coefficients_of(system), tuple(found.values()))


def _refuse_growth(matrix: np.ndarray) -> None:
    if np.real(np.linalg.eigvals(matrix)).max() >= 0.0:
        raise _EndlessError(
            "the activity does not die away: check the signs and sizes of the rates"
        )
