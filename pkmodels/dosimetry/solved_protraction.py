"""Protraction of any system, saturable ones too, by states beside its own.

For each observable a_o of a label, dz_o/dt = a_o - mu z_o is the damage not yet
repaired, and dq_op/dt = a_o z_p; they are solved with the system until the label has
decayed, so that no rule for the tail is needed. What follows from them is as in
`pkmodels.dosimetry.protraction`, which is faster and exact where nothing saturates.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import sympy

from pkmodels.compiled_integrals import LIFETIMES, with_tracers
from pkmodels.courses import Course, course_of
from pkmodels.dosimetry.protraction import repair_rates
from pkmodels.errors import InputError, SolveError, suggest
from pkmodels.integration import CONTROLS
from pkmodels.kernels.choice import choose_solver
from pkmodels.kernels.equations import Equations, Layout, equations_of
from pkmodels.kernels.problem import Controls, Outcome, Problem
from pkmodels.lowering import lower_course
from pkmodels.readability import label_unit
from pkmodels.readings import activities, choose_label
from pkmodels.schedule import Schedule
from pkmodels.symbols import LIGAND, amounts_in
from pkmodels.system import System, linear_matrix
from pkmodels.timeline import check_parameters
from pkmodels.units import parse_unit

# What the size of damage, or of an integral, is that of an activity times.
_HOUR = 1.0


@dataclass(frozen=True, eq=False)
class Protraction:
    """What the G-factors of a label's activities are made of.

    Parameters
    ----------
    observables : tuple of str
        Names, in the order of the axes.
    q : (n_draws, n_observables, n_observables) array
        Q_ij = int_0^inf a_i(t) int_0^t a_j(w) exp(-mu (t - w)) dw dt, MBq^2 h^2.
    time_integrals : (n_draws, n_observables) array
        int_0^inf a_i dt, MBq h.
    """

    observables: tuple[str, ...]
    q: np.ndarray
    time_integrals: np.ndarray


@dataclass(frozen=True, eq=False)
class _Augmented:
    """Equations with states of damage, and what an activity's size follows from.

    `counted` says for each observable which states of the system it counts.
    """

    equations: Equations
    counted: np.ndarray


def protraction_of(
    system: System,
    parameters: Mapping[str, Any],
    schedule: Schedule,
    repair_half_time_h: Any,
    *,
    label: str | None = None,
    observables: Sequence[str],
    controls: Controls = CONTROLS,
) -> Protraction:
    """Return what G-factors are made of, for any system and draws of its parameters.

    Parameters
    ----------
    system : System
        The system, assembled for the schedule's form; it may saturate.
    parameters : mapping of str to float or (n_draws,) array
        Every parameter by name, >= 0; a number is that of all draws.
    schedule : Schedule
        What is done; no dose at steady state. After a reset damage goes on to be
        repaired.
    repair_half_time_h : float or (n_draws,) array
        Half-time of repair of sublethal damage, h, > 0.
    label : str or None
        The label that is read, or a daughter; None where there is only one.
    observables : sequence of str
        Activities, MBq, in proportion to those of the system's amounts.
    controls : Controls
        Tolerances and limits of each solve.

    Returns
    -------
    Protraction
        For `pkmodels.dosimetry.biological_dose.g_factor`.

    Raises
    ------
    InputError
        When a name, a number or a shape is wrong, or an observable is no activity.
    SolveError
        When a draw cannot be solved.

    References
    ----------
    Lea and Catcheside, J Genet 1942;44:216; Gustafsson et al., Phys Med Biol
    2013;58:1507 (repair as a convolution, here by added states).

    Examples
    --------
    >>> from pkmodels.administrations import Administration
    >>> from pkmodels.dosimetry.biological_dose import g_factor
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.system import assemble
    >>> given = Schedule((Administration(0.0, 0.0, "pentixather", "Lu-177", 1.0),))
    >>> system = assemble(organ_exchange.model(("kidney",)), given.form)
    >>> values = {"blood_half_time": 1.0, "fraction_kidney": 0.02,
    ...           "biological_half_life_kidney": 55.0}
    >>> found = protraction_of(system, values, given, 2.8, observables=("kidney",))
    >>> print(g_factor(np.ones((1, 1)), found.q, found.time_integrals).round(5))
    [0.06368]
    """
    chosen = choose_label(schedule, label)
    if chosen == LIGAND:
        raise InputError(
            f"{system.name!r}: ligand has no activity, so that it gives no dose: give "
            "a label in the schedule, and name it"
        )
    rows = _rows(system, parameters)
    repair = repair_rates(repair_half_time_h, len(rows))
    followed, names = with_tracers(system), tuple(observables)
    readings = _activities(followed, schedule, chosen, names)
    augmented, layout = _augmented(followed, readings), equations_of(followed)[1]
    course = course_of(
        followed, schedule, chosen if followed.matrix is not None else None
    )
    problem = _lowered(followed, layout, course, rows)
    extended = _extended(problem, augmented, repair)
    found = choose_solver(augmented.equations).solve(extended, None, controls)
    _refuse_failures(system, np.asarray(found.report), rows)
    return _read(names, np.asarray(found.states)[:, -1])


def _rows(system: System, parameters: Mapping[str, Any]) -> np.ndarray:
    """Return the values of each draw in the order of the system's parameters."""
    columns = {name: np.asarray(values, float) for name, values in parameters.items()}
    shapes = {column.shape for column in columns.values() if column.shape}
    if len(shapes) > 1 or any(len(shape) != 1 or shape == (0,) for shape in shapes):
        raise InputError(
            f"the parameters have the shapes {sorted(shapes)}: give a number of each, "
            "or one list with as many draws of each"
        )
    check_parameters(system, {n: float(c.flat[0]) for n, c in columns.items()})
    count = next(iter(shapes), (1,))[0]
    columns = {n: np.broadcast_to(c, (count,)) for n, c in columns.items()}
    for name, column in columns.items():
        wrong = np.flatnonzero(~(np.isfinite(column) & (column >= 0.0)))
        if wrong.size:
            raise InputError(
                f"parameter {name!r} of draw {wrong[0]} is {column[wrong[0]]:g}; it "
                "must be finite and >= 0"
            )
    if not system.parameters:
        return np.zeros((count, 0))
    return np.stack([columns[str(p)] for p in system.parameters], axis=1)


def _activities(
    system: System, schedule: Schedule, label: str, names: tuple[str, ...]
) -> tuple[sympy.Expr, ...]:
    """Return observables of a label as expressions of the states of a system."""
    if not names:
        raise InputError("observables is empty: name one at least")
    known = dict(zip(system.observables, system.readings, strict=True))
    shown, found = _shown(system, schedule, label), []
    for name in names:
        if name not in known:
            raise InputError(f"no observable {name!r}: {suggest(name, known)}")
        reading = sympy.sympify(known[name])
        _refuse_no_activity(name, reading, system)
        inside = {a: shown.get(a, sympy.S.Zero) for a in amounts_in(reading)}
        expression = reading.xreplace(inside)
        if expression == 0:
            raise InputError(
                f"observable {name!r} shows nothing of {label}: name one that it "
                "reaches"
            )
        found.append(expression)
    return tuple(found)


def _shown(
    system: System, schedule: Schedule, label: str
) -> dict[sympy.Symbol, sympy.Expr]:
    """Return what a label shows in each amount, as an expression of the states."""
    if system.matrix is not None:
        return {amount: amount for amount in system.amounts}
    # It is linear in the states: read with one unit of each at a time.
    units = np.eye(len(system.states))
    shown = activities(system, schedule, label, np.zeros(len(units)), units)
    return {
        amount: sympy.Add(
            *(
                state if share == 1.0 else sympy.Float(share) * state
                for state, share in zip(system.states, shares, strict=True)
                if share != 0.0
            )
        )
        for amount, shares in shown.items()
    }


def _refuse_no_activity(name: str, reading: sympy.Expr, system: System) -> None:
    amounts = tuple(amounts_in(reading))
    others = reading.free_symbols - set(amounts) - set(system.parameters)
    if (
        others
        or linear_matrix(amounts, (reading,)) is None
        or label_unit(reading) != parse_unit("MBq")
    ):
        raise InputError(
            f"observable {name!r} is {reading}: a dose follows from an activity in "
            "MBq that is a sum of those in the amounts; make such an observable"
        )


@lru_cache(maxsize=64)
def _augmented(system: System, readings: tuple[sympy.Expr, ...]) -> _Augmented:
    """Return a system's equations with mu, then z, q and the integrals."""
    equations, _ = equations_of(system)
    repair = sympy.Symbol("repair of damage")
    damage = [sympy.Symbol(f"damage {i}") for i in range(len(readings))]
    states, derivatives = list(equations.states), list(equations.derivatives)
    states += damage
    derivatives += [a - repair * z for a, z in zip(readings, damage, strict=True)]
    for i, activity in enumerate(readings):
        states += [sympy.Symbol(f"product {i} {j}") for j in range(len(readings))]
        derivatives += [activity * z for z in damage]
    states += [sympy.Symbol(f"integral {i}") for i in range(len(readings))]
    derivatives += readings
    counted = [
        [bool(reading.has(state)) for state in system.states] for reading in readings
    ]
    found = replace(
        equations,
        states=tuple(states),
        constants=(*equations.constants, repair),
        derivatives=tuple(derivatives),
    )
    return _Augmented(found, np.array(counted))


def _lowered(
    system: System, layout: Layout, course: Course, rows: np.ndarray
) -> Problem:
    """Return the problems of all draws, each read when the label has decayed."""
    lower = _lowering(system, layout)
    first = lower(rows, course, np.zeros(1))
    last = np.asarray(first.boundaries_h).max()
    if system.matrix is not None:
        decay = float(course.loss_per_h)
    else:
        decay = float(np.min(course.decay_constants))
    end = last + LIFETIMES / decay
    if not np.isfinite(end):
        raise SolveError(
            f"{system.name!r}: some event has no finite time: look at the lags and "
            "lengths of the routes"
        )
    return Problem(*map(np.asarray, lower(rows, course, np.array([end]))))


@lru_cache(maxsize=64)
def _lowering(system: System, layout: Layout) -> Callable[..., Problem]:
    import jax

    def one(parameters: Any, course: Course, times: Any) -> Problem:
        return lower_course(system, layout, parameters, course, times)[0]

    return jax.jit(jax.vmap(one, in_axes=(0, None, None)))


def _extended(problem: Problem, augmented: _Augmented, repair: np.ndarray) -> Problem:
    """Return the problems with mu as a constant and no damage at the start."""
    count, segments, before = problem.keep.shape
    added = len(augmented.equations.states) - before
    sizes = problem.scales[:, None, : augmented.counted.shape[1]]
    sizes = np.where(augmented.counted, sizes, 0.0).max(axis=2) * _HOUR
    products = (sizes[:, :, None] * sizes[:, None, :]).reshape(count, -1)
    constant = np.broadcast_to(repair[:, None, None], (count, segments, 1))
    more = (count, segments, added)
    return problem._replace(
        constants=np.concatenate([problem.constants, constant], axis=2),
        keep=np.concatenate([problem.keep, np.ones(more)], axis=2),
        added=np.concatenate([problem.added, np.zeros(more)], axis=2),
        scales=np.concatenate([problem.scales, sizes, products, sizes], axis=1),
    )


def _refuse_failures(system: System, report: np.ndarray, rows: np.ndarray) -> None:
    failed = np.flatnonzero(report[:, 0] != Outcome.SOLVED)
    if failed.size:
        first = int(failed[0])
        outcome = Outcome(int(report[first, 0])).name.lower().replace("_", " ")
        values = dict(zip(map(str, system.parameters), rows[first], strict=True))
        raise SolveError(
            f"{failed.size} of {len(rows)} draws of {system.name!r} could not be "
            f"solved; the first is draw {first}, beyond {report[first, 1]:.4g} h "
            f"({outcome}), with {values}"
        )


def _read(names: tuple[str, ...], states: np.ndarray) -> Protraction:
    """Return what the last states, products and then integrals, hold."""
    count = len(names)
    return Protraction(
        names,
        states[:, -count - count**2 : -count].reshape(-1, count, count),
        states[:, -count:],
    )
