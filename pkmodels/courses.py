"""Courses: a schedule on a system as arrays that JAX can trace, and what is static."""

from dataclasses import dataclass, field
from typing import Any

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np  # noqa: E402

from pkmodels.administrations import Administration, Delivery  # noqa: E402
from pkmodels.arrivals import (  # noqa: E402
    Arrival,
    Length,
    arrivals_of,
    check_labels,
    length_source,
    route_number,
)
from pkmodels.errors import InputError, check_kind  # noqa: E402
from pkmodels.quantities import decay_values, loss_of  # noqa: E402
from pkmodels.schedule import Schedule  # noqa: E402
from pkmodels.symbols import LIGAND  # noqa: E402
from pkmodels.system import System  # noqa: E402
from pkmodels.timeline import check_resets  # noqa: E402
from pkmodels.windows import input_values  # noqa: E402


@dataclass(frozen=True)
class DoseForm:
    """What of one dose is no number.

    Parameters
    ----------
    arrivals : tuple of Arrival
        What arrives where.
    route : int
        Number of the route of its ligand in ``system.routes``.
    length : Length
        What decides how long it takes.
    constant : bool
        Whether its label enters at a constant rate instead of decaying in the syringe.
    stopped_by : int or None
        Number of the reset that stops what has not arrived, the first one later than
        the time of the dose.
    """

    arrivals: tuple[Arrival, ...]
    route: int
    length: Length
    constant: bool
    stopped_by: int | None


@dataclass(frozen=True)
class WindowForm:
    """What of one window is no number.

    Parameters
    ----------
    input : int
        Number of the input of the system that it sets.
    begins, ends : bool
        Whether that is at a finite time.
    """

    input: int
    begins: bool
    ends: bool


@dataclass(frozen=True)
class CourseForm:
    """What of a course is no number; equal forms share one compilation.

    Parameters
    ----------
    system : tuple of str
        Name, states and routes of the system that it is for.
    doses : tuple of DoseForm
    windows : tuple of WindowForm
    resets : int
        How many there are.
    """

    system: tuple[str, ...]
    doses: tuple[DoseForm, ...]
    windows: tuple[WindowForm, ...]
    resets: int


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Course:
    """A schedule on a system as arrays, each of which JAX may trace.

    Names of labels are no part of it, so that two labels share one compilation, too.
    Change it by `dataclasses.replace`: for the derivative in the time of a dose, give
    a traced `time_h`. A dose stays on the side of each reset that it was on, and one
    of length 0 is a bolus, whose derivative in its length is given as 0.

    Parameters
    ----------
    time_h, duration_h : (n_doses,) arrays
        Start of each administration, and its stated length, h, >= 0; in a system with
        infusions, a length of 0 is a bolus.
    ligand_nmol, activity_MBq : (n_doses,) arrays
        What is in the syringe at that time, >= 0; NaN where the amount of ligand is not
        known.
    free_label_fraction : (n_doses,) array
        Fraction of the activity that no ligand carries, 0 to 1.
    reset_h : (n_resets,) array
        When every state goes back to its start, h, >= 0.
    window_start_h, window_end_h, window_value : (n_windows,) arrays
        From and to (h), and the value of an input there.
    decay_constants : (n_decay_constants,) array
        Of the system's `decay_constants`, 1/h.
    loss_per_h : scalar
        Decay constant of the label whose activity the states of a linear system hold,
        1/h; else 0.
    start_nmol : (n_amounts,) array or None
        What is there before anything is given; None for the model's own.
    form : CourseForm
        What is static.
    """

    time_h: Any
    duration_h: Any
    ligand_nmol: Any
    activity_MBq: Any
    free_label_fraction: Any
    reset_h: Any
    window_start_h: Any
    window_end_h: Any
    window_value: Any
    decay_constants: Any
    loss_per_h: Any
    start_nmol: Any
    form: CourseForm = field(metadata={"static": True})


def course_of(system: System, schedule: Schedule, label: str | None = None) -> Course:
    """Return a schedule on a system as run-time arrays.

    The doses, windows and resets are in the order of the schedule.

    Parameters
    ----------
    system : System
        The system, assembled for the schedule's form.
    schedule : Schedule
        What is done; all times from 0 on, no dose at steady state.
    label : str or None
        The label whose activity the states of a linear system shall hold, or
        ``"ligand"`` for amounts of ligand; None where there is one at most, and for any
        other system, whose states hold ligand and labels at once.

    Returns
    -------
    Course

    Raises
    ------
    InputError
        When the form is another, an input or an amount of ligand is not known, or a
        dose is at steady state.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.system import assemble
    >>> dose = Administration(0.0, 0.5, "dotatate", "Y-90", 100.0)
    >>> system = assemble(organ_exchange.model(("kidney",)), Schedule((dose,)).form)
    >>> course = course_of(system, Schedule((dose,)), "Y-90")
    >>> course.duration_h.tolist(), course.activity_MBq.tolist()
    ([0.5], [100.0])
    """
    label = _label_of_states(system, schedule, label)
    check_labels(system, schedule, label)
    check_resets(schedule)
    for a in schedule.administrations:
        if a.steady_state is not None:
            raise InputError(
                f"the {a.described()} is at steady state, which is no array: use "
                "simulate, or write the doses out with repeat()"
            )
    given, windows = schedule.administrations, schedule.windows
    form = CourseForm(
        _identity(system),
        tuple(_dose_form(system, schedule, a, label) for a in given),
        _window_forms(system, schedule),
        len(schedule.resets_h),
    )
    nmol = [np.nan if a.ligand_nmol is None else a.ligand_nmol for a in given]
    return Course(
        time_h=_column([a.time_h for a in given]),
        duration_h=_column([a.duration_h for a in given]),
        ligand_nmol=_column(nmol),
        activity_MBq=_column([a.activity_MBq for a in given]),
        free_label_fraction=_column([a.free_label_fraction for a in given]),
        reset_h=_column(schedule.resets_h),
        window_start_h=_column([w.start_h for w in windows]),
        window_end_h=_column([w.end_h for w in windows]),
        window_value=_column([w.value for w in windows]),
        decay_constants=decay_values(system, schedule),
        loss_per_h=np.array(loss_of(system, label)),
        start_nmol=None,
        form=form,
    )


def _label_of_states(
    system: System, schedule: Schedule, label: str | None
) -> str | None:
    """Return the label whose activity the states of a linear system hold, if of one."""
    if system.matrix is None:
        if label is not None:
            raise InputError(
                f"label is {label!r}, but the states of {system.name!r} are all ligand "
                "(nmol) and the activity of every label that has states of its own: "
                "leave label out, or read one by simulate(..., label=...)"
            )
        return None
    if label is None and len(schedule.labels) > 1:
        raise InputError(
            f"the states of {system.name!r} hold the activity of one label: say which, "
            f"label={' or '.join(map(repr, schedule.labels))}, or label={LIGAND!r} for "
            "the amounts of ligand"
        )
    if label is None and schedule.labels:
        return schedule.labels[0]
    return None if label == LIGAND else label


def as_course(system: System, schedule: Schedule | Course, label: str | None) -> Course:
    """Return a schedule on a system as a course, if it is not one.

    Parameters
    ----------
    system, label
        As of `course_of`.
    schedule : Schedule or Course
        What is done.

    Returns
    -------
    Course

    Raises
    ------
    InputError
        When a label is named beside a course, the course was made for another system,
        or as `course_of` raises.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.system import assemble
    >>> given = Schedule((Administration(0.0, 0.0, "x", "Y-90", 9.0),))
    >>> system = assemble(organ_exchange.model(("kidney",)), given.form)
    >>> course = as_course(system, given, "Y-90")
    >>> as_course(system, course, None) is course
    True
    """
    if isinstance(schedule, Schedule):
        return course_of(system, schedule, label)
    check_kind(
        "the schedule", schedule, Course, "write a Schedule, or course_of(system, it)"
    )
    if label is not None:
        raise InputError(
            f"label is {label!r}, but a Course holds the label it was made for: leave "
            "it out"
        )
    own = _identity(system)
    if schedule.form.system != own:
        raise InputError(
            f"the course was made for another system, {schedule.form.system[0]!r}, "
            f"than {system.name!r}: {_difference(schedule.form.system, own)}; write "
            "course_of(system, schedule) with the system that is solved"
        )
    return schedule


def _difference(theirs: tuple[str, ...], own: tuple[str, ...]) -> str:
    """Say what of two systems is not the same, besides their names."""
    more = [part for part in theirs[1:] if part not in own[1:]]
    less = [part for part in own[1:] if part not in theirs[1:]]
    if not more and not less:
        return "their names or the order of their states, parameters or routes differ"
    found = (("with", more), ("without", less))
    return ", ".join(f"{word} {', '.join(parts)}" for word, parts in found if parts)


def _identity(system: System) -> tuple[str, ...]:
    """Return what numbers in a course refer to: a system's name, symbols and routes."""
    routes = (
        f"{name} of {who} into {route.amount}" for who, name, route in system.routes
    )
    decays = (constant.symbol for constant in system.decay_constants)
    symbols = (*system.states, *system.parameters, *system.inputs, *decays)
    return (system.name, *map(str, symbols), *routes)


def _dose_form(
    system: System, schedule: Schedule, a: Administration, label: str | None
) -> DoseForm:
    arrivals = arrivals_of(system, schedule, a, label)
    number = route_number(system, schedule, a.ligand, a.route)
    later = [(t, n) for n, t in enumerate(schedule.resets_h) if t > a.time_h]
    return DoseForm(
        arrivals=arrivals,
        route=number,
        length=length_source(system.routes[number][2], a),
        constant=a.delivered is Delivery.CONSTANT,
        stopped_by=min(later)[1] if later else None,
    )


def _window_forms(system: System, schedule: Schedule) -> tuple[WindowForm, ...]:
    input_values(system, schedule, np.zeros(0))  # refuses what is no input
    names = [symbol.name for symbol in system.inputs]
    return tuple(
        WindowForm(
            names.index(w.name),
            begins=bool(np.isfinite(w.start_h)),
            ends=bool(np.isfinite(w.end_h)),
        )
        for w in schedule.windows
    )


def _column(numbers: Any) -> np.ndarray:
    return np.array(list(numbers), dtype=np.float64)
