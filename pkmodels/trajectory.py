"""Trajectories: what a simulation gives, checked at the boundary."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np

from pkmodels.arrivals import route_of
from pkmodels.errors import InputError, check_kind
from pkmodels.exact import (
    Doses,
    check_lengths,
    compile_exactly,
    doses_of,
    not_plain,
    unsolvable,
)
from pkmodels.given import given_by
from pkmodels.integration import CONTROLS, FallenError, integrate
from pkmodels.kernels.problem import Controls
from pkmodels.readings import (
    Sample,
    activities,
    choose_label,
    observe,
    parents_of,
    unfollowed_daughters,
)
from pkmodels.schedule import Schedule
from pkmodels.soundness import refuse_impossible
from pkmodels.symbols import LIGAND, Amount
from pkmodels.system import System
from pkmodels.time_integrals import Tail, TimeIntegrals, integrate_observables
from pkmodels.timeline import check_parameters, check_times, input_values, lower


@dataclass(frozen=True)
class Trajectory:
    """What one label, or the ligand itself, shows over time.

    Parameters
    ----------
    times_h : (n_times,) array
        Times, h; the middles of frames.
    label : str
        The label that is read, or ``"ligand"``.
    amounts : mapping of str to (n_times,) array
        Activity of the label (MBq) in each amount, or amount of the ligand (nmol).
    observables : mapping of str to (n_times,) array
        What can be measured; NaN where it is 0 / 0, as before the first dose.
    units : mapping of str to str
        Their units: of a label those of its activity, MBq for nmol.
    unread : mapping of str to str
        Why each other observable of the model is not among them, and which radioactive
        daughters are not followed.
    fed_by : tuple of str
        The labels given that decay into the one that is read.
    integrate : callable
        Gives the time integrals, which are calculated when they are first asked for.
    """

    times_h: np.ndarray
    label: str
    amounts: Mapping[str, np.ndarray]
    observables: Mapping[str, np.ndarray]
    units: Mapping[str, str]
    unread: Mapping[str, str]
    fed_by: tuple[str, ...] = ()
    integrate: Callable[[], TimeIntegrals] = field(
        default=partial(TimeIntegrals, {}, {}, None), repr=False, compare=False
    )

    @cached_property
    def _integrals(self) -> TimeIntegrals:
        return self.integrate()

    @property
    def time_integrals(self) -> Mapping[str, float]:
        """Of each observable in proportion to a label's activity, MBq h.

        From 0 to infinity; of means over frames there are none.
        """
        return self._integrals.values

    @property
    def not_integrated(self) -> Mapping[str, str]:
        """Why each other observable has no time integral."""
        return self._integrals.reasons

    @property
    def tail(self) -> Tail | None:
        """From when on the integrals are those of linear equations, and how well."""
        return self._integrals.tail


# What a label shows in each amount, and the amounts of all ligand, at some times.
_Shown = tuple[dict[Amount, np.ndarray], dict[Amount, np.ndarray]]


def simulate(
    system: System,
    parameters: Mapping[str, float],
    schedule: Schedule,
    times_h: np.ndarray,
    *,
    label: str | None = None,
    before: np.ndarray | None = None,
) -> Trajectory:
    """Simulate what one label, or the ligand itself, shows at some times.

    Linear systems with plain doses are solved exactly; all others are integrated from
    jump to jump (`pkmodels.integration.integrate`), each amount to some 1e-9 of itself
    or 1e-15 of what is given of its ligand or label in all, whichever is more.

    Parameters
    ----------
    system : System
        The model, assembled with the schedule's form.
    parameters : mapping of str to float
        Every parameter of the model by name.
    schedule : Schedule
        What is done.
    times_h : (n_times,) array
        Times, h, >= 0.
    label : str or None
        The radionuclide to read, a daughter of one, or ``"ligand"`` for all ligand;
        None where there is only one label, and for the ligand where there is none.
    before : (n_times,) array of bool or None
        Where a time is also that of a dose, whether the value just before it is wanted
        (a trough); None for none.

    Returns
    -------
    Trajectory

    Raises
    ------
    InputError
        When a parameter, an input or the label is missing, unknown or of another kind.
    SolveError
        When the solution is not finite, or negative, or a reaction runs backwards.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.administrations import Administration
    >>> from pkmodels.system import assemble
    >>> given = Schedule((Administration(0.0, 0.0, "dotatate", "Lu-177", 100.0),))
    >>> system = assemble(organ_exchange.model(("kidney",)), given.form)
    >>> values = {"blood_half_time": 1.0, "fraction_kidney": 0.02,
    ...           "biological_half_life_kidney": 60.0}
    >>> kidney = simulate(system, values, given, np.array([0.0, 24.0]))
    >>> print(kidney.observables["kidney"].round(4))
    [0.     1.3888]
    """
    check_arguments(system, parameters, schedule)
    chosen = choose_label(schedule, label)
    times = np.asarray(times_h, dtype=np.float64)
    check_times(times, before)
    found = sample(system, parameters, schedule, chosen, times, before)
    observed = observe(system, chosen, parameters, found)
    known = (system, dict(parameters), schedule, chosen, tuple(observed.curves))
    return Trajectory(
        times_h=times,
        label=chosen,
        amounts={str(amount): curve for amount, curve in found.shown.items()},
        # An observable that is 0 whatever happens is the number 0, no float.
        observables={n: np.array(c, np.float64) for n, c in observed.curves.items()},
        units=observed.units,
        unread={**observed.unread, **unfollowed_daughters(schedule)},
        fed_by=parents_of(schedule, chosen),
        integrate=partial(integrate_observables, *known),
    )


def check_arguments(
    system: System, parameters: Mapping[str, float], schedule: Schedule
) -> None:
    """Refuse a system, parameters or a schedule that are not what they should be.

    Parameters
    ----------
    system : System
        The model, assembled.
    parameters : mapping of str to float
        Values by name.
    schedule : Schedule
        What is done.

    Raises
    ------
    InputError
        When one is of another kind, or a parameter is missing or unknown.

    Examples
    --------
    >>> check_arguments("x", {}, Schedule(()))
    Traceback (most recent call last):
    pkmodels.errors.InputError: the system is 'x' (str): write assemble(model, \
schedule.form)
    """
    remedy = "write assemble(model, schedule.form)"
    if isinstance(getattr(system, "system", None), System):
        remedy = "write compiled.system, or use what was compiled: compiled.solve(...)"
    check_kind("the system", system, System, remedy)
    check_kind("the parameters", parameters, Mapping, "write {name: value}")
    check_kind("the schedule", schedule, Schedule, "write Schedule((dose,))")
    check_parameters(system, parameters)


def sample(
    system: System,
    parameters: Mapping[str, float],
    schedule: Schedule,
    label: str,
    times_h: np.ndarray,
    before: np.ndarray | None = None,
) -> Sample:
    """Return all that observables are made of, at some times.

    Parameters
    ----------
    system, parameters, schedule
        As `check_arguments` accepts them.
    label : str
        What is read, as `choose_label` returns it.
    times_h : (n_times,) array
        Times, h, >= 0.
    before : (n_times,) array of bool or None
        Where the value before what happens at the very time is wanted.

    Returns
    -------
    Sample

    Raises
    ------
    SolveError
        When the solution is not finite, or negative, or a reaction runs backwards.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.administrations import Administration
    >>> from pkmodels.system import assemble
    >>> given = Schedule((Administration(0.0, 0.0, "dotatate", "Lu-177", 100.0),))
    >>> system = assemble(organ_exchange.model(("kidney",)), given.form)
    >>> values = {str(parameter): 0.5 for parameter in system.parameters}
    >>> sample(system, values, given, "Lu-177", np.zeros(1)).given.administered
    array([100.])
    """
    times = np.asarray(times_h, dtype=np.float64)
    early = np.zeros(len(times), bool) if before is None else np.asarray(before, bool)
    # Where something jumps, a rate may turn negative and recover before any time.
    jumps = _jumps(system, parameters, schedule, label, times)
    every = np.concatenate([times, jumps])
    early = np.concatenate([early, np.zeros(jumps.shape, np.bool_)])
    try:
        found = _checked_sample(system, parameters, schedule, label, every, early)
    except FallenError as error:
        # Which reaction makes an amount fall is seen where it does.
        time = np.array([error.time_h])
        line = (system, parameters, schedule, label, time, np.zeros(1, np.bool_))
        _checked_sample(*line, negative=np.inf)
        raise
    return found.with_curves(curve[: len(times)] for curve in found.curves())


def _checked_sample(
    system: System,
    parameters: Mapping[str, float],
    schedule: Schedule,
    label: str,
    times: np.ndarray,
    before: np.ndarray,
    *,
    negative: float = CONTROLS.negative,
) -> Sample:
    """Return a sample; refuse what cannot be."""
    line = (system, parameters, schedule, label, times, before)
    shown, ligand = _solve(*line, CONTROLS._replace(negative=negative))
    given = given_by(schedule, label, times, before)
    inputs = input_values(system, schedule, times, before)
    found = Sample(shown, ligand, inputs, given)
    nmol = sum(a.ligand_nmol or 0.0 for a in schedule.administrations)
    activity = sum(a.activity_MBq for a in schedule.administrations)
    largest = nmol if label == LIGAND else activity
    refuse_impossible(system, parameters, times, found, largest, nmol)
    return found


def _jumps(
    system: System,
    parameters: Mapping[str, float],
    schedule: Schedule,
    label: str,
    times: np.ndarray,
) -> np.ndarray:
    """Return when something jumps up to the last time, if the solution is numeric."""
    if _is_exact(system, schedule) or not times.size:
        return np.zeros(0)
    states_of = label_of_states(system, label)
    found = lower(system, parameters, schedule, states_of).boundaries_h
    return found[found <= times.max()]


def _solve(
    system: System,
    parameters: Mapping[str, float],
    schedule: Schedule,
    label: str,
    times: np.ndarray,
    before: np.ndarray,
    controls: Controls,
) -> _Shown:
    """Return what the label shows in each amount, and the amounts of all ligand."""
    if _is_exact(system, schedule) and not before.any():
        values = np.array([parameters[str(p)] for p in system.parameters])
        doses = _doses(system, schedule, label)
        states = np.asarray(compile_exactly(system).solve(values, doses, times))
    else:
        line = lower(system, parameters, schedule, label_of_states(system, label))
        states = integrate(line, times, before, controls)
    if system.matrix is not None:
        shown = {amount: states[:, i] for i, amount in enumerate(system.amounts)}
        return shown, shown if label == LIGAND else {}
    ligand = activities(system, schedule, LIGAND, times, states)
    return activities(system, schedule, label, times, states), ligand


def label_of_states(system: System, label: str) -> str | None:
    """Return the label whose activity the states of a system are, if of one.

    Parameters
    ----------
    system : System
        The system.
    label : str
        What is read.

    Returns
    -------
    str or None
        None where the states are amounts of ligand, and tracers.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.schedule import ScheduleForm
    >>> from pkmodels.system import assemble
    >>> form = ScheduleForm((("x", "intravenous"),))
    >>> label_of_states(assemble(organ_exchange.model(("kidney",)), form), "Y-90")
    'Y-90'
    """
    return label if system.matrix is not None and label != LIGAND else None


def _is_exact(system: System, schedule: Schedule) -> bool:
    return unsolvable(system) is None and not_plain(schedule) is None


def _doses(system: System, schedule: Schedule, label: str) -> Doses:
    """Return the doses of the exact solution, if the system was assembled for them."""
    for a in schedule.administrations:
        route_of(system, schedule, a.ligand, a.route)
    if label == LIGAND:
        doses = _ligand_doses(schedule)
    else:
        doses = doses_of(schedule.of_label(label))
    check_lengths(system, doses)
    return doses


def _ligand_doses(schedule: Schedule) -> Doses:
    given = schedule.administrations
    for a in given:
        if a.ligand_nmol is None:
            raise InputError(
                f"{a.described()}: ligand_nmol is not known: state it, or read a label"
            )
    return Doses(
        np.array([a.time_h for a in given]),
        np.array([a.duration_h for a in given]),
        np.array([a.ligand_nmol for a in given]),
        np.float64(0.0),
    )
