"""Trajectories: what a simulation gives, checked at the boundary."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pkmodels.compiled import CompiledSystem, check_lengths, doses_of
from pkmodels.errors import InputError, SolveError, suggest
from pkmodels.schedule import Schedule


@dataclass(frozen=True)
class Trajectory:
    """Activity in each observable over time.

    Parameters
    ----------
    times_h : (n_times,) array
        Times, h.
    observables : mapping of str to (n_times,) array
        Activity of the label in each observable, MBq.
    time_integrals : mapping of str to float
        Time-integrated activity of each, from 0 to infinity, MBq h.
    """

    times_h: np.ndarray
    observables: Mapping[str, np.ndarray]
    time_integrals: Mapping[str, float]


def simulate(
    compiled: CompiledSystem,
    parameters: Mapping[str, float],
    schedule: Schedule,
    times_h: np.ndarray,
) -> Trajectory:
    """Simulate the activity of one label.

    Parameters
    ----------
    compiled : CompiledSystem
        The model.
    parameters : mapping of str to float
        Every parameter of the model by name.
    schedule : Schedule
        Administrations of one label.
    times_h : (n_times,) array
        Times, h, >= 0.

    Returns
    -------
    Trajectory

    Raises
    ------
    InputError
        When a parameter is missing or unknown.
    SolveError
        When the solution is not finite.

    Examples
    --------
    >>> from pkmodels.compiled import compile_system
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.schedule import Administration
    >>> from pkmodels.system import assemble
    >>> given = Schedule((Administration(0.0, 0.0, "dotatate", "Lu-177", 100.0),))
    >>> model = organ_exchange.model(("kidney",))
    >>> compiled = compile_system(assemble(model, given.form))
    >>> values = {"blood_half_time": 1.0, "fraction_kidney": 0.02,
    ...           "biological_half_life_kidney": 60.0}
    >>> kidney = simulate(compiled, values, given, np.array([0.0, 24.0]))
    >>> print(kidney.observables["kidney"].round(4))
    [0.     1.3888]
    """
    names = [str(parameter) for parameter in compiled.system.parameters]
    for name in parameters:
        if name not in names:
            raise InputError(f"no parameter {name!r}: {suggest(name, names)}")
    missing = [name for name in names if name not in parameters]
    if missing:
        raise InputError(f"parameter {missing[0]!r} has no value: give all of {names}")
    values = np.array([parameters[name] for name in names])
    doses = doses_of(schedule)
    check_lengths(compiled.system, doses)
    observe = np.asarray(compiled.observe(values))
    curves = np.asarray(compiled.solve(values, doses, times_h)) @ observe.T
    integrals = observe @ np.asarray(compiled.integrate(values, doses))
    if not (np.isfinite(curves).all() and np.isfinite(integrals).all()):
        raise SolveError(
            f"the solution of {compiled.system.name!r} is not finite at "
            f"{dict(parameters)}: check the sizes of the rates"
        )
    observables = compiled.system.observables
    return Trajectory(
        times_h=np.asarray(times_h),
        observables=dict(zip(observables, curves.T, strict=True)),
        time_integrals=dict(zip(observables, integrals.tolist(), strict=True)),
    )
