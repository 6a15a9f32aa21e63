"""Label courses: what is given as run-time arrays, and the labels read from a solve.

The carrier is solved once for all doses of all ligands. A label whose ligand is given
once is in proportion to it, a = (A / n) x exp(-lambda (t - start)); any other has its
own states beside the carrier's, in which it moves and decays.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from pkmodels.compiled_integrals import with_tracers  # noqa: E402
from pkmodels.courses import Course, course_of  # noqa: E402
from pkmodels.errors import InputError  # noqa: E402
from pkmodels.exact import Doses  # noqa: E402
from pkmodels.nuclides import nuclide  # noqa: E402
from pkmodels.schedule import Schedule, ScheduleForm  # noqa: E402
from pkmodels.symbols import Amount  # noqa: E402
from pkmodels.system import System  # noqa: E402


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class LabelCourse:
    """All that is given to one body as arrays, each of which JAX may trace.

    Patients of one form share one compilation: names, times, lengths, activities and
    amounts of ligand are no part of it. Change it by `dataclasses.replace`.

    Parameters
    ----------
    course : Course
        What is given, on the system that is solved.
    followed : Course
        The same on the system in which every label has states, for time integrals.
    decay_per_h : (n_labels,) array
        Decay constant of each label, in the order of ``Schedule.labels``, 1/h.
    labels : tuple of int
        Number of the label of each (ligand, label) pair of ``Schedule.slots``.
    doses : tuple of int or None
        Of each pair the number of the only dose of its ligand, or None where there are
        more.
    """

    course: Course
    followed: Course
    decay_per_h: Any
    labels: tuple[int, ...] = field(metadata={"static": True})
    doses: tuple[int | None, ...] = field(metadata={"static": True})

    @property
    def n_labels(self) -> int:
        """How many labels are given."""
        return max(self.labels) + 1


def form_of_labels(schedule: Schedule) -> ScheduleForm:
    """Return the form of a schedule for equations that serve any amounts in it.

    Parameters
    ----------
    schedule : Schedule
        What is given.

    Returns
    -------
    ScheduleForm
        Where a ligand is given more than once, its labels are not in proportion to it,
        even if they happen to be in this schedule.

    Raises
    ------
    InputError
        When nothing is labelled, or a label has daughters that need equations.

    Examples
    --------
    >>> from pkmodels.administrations import Administration
    >>> syringe = [Administration(t, 0.0, "x", "Lu-177", 9.0, ligand_nmol=10.0)
    ...            for t in (0.0, 240.0)]
    >>> [form_of_labels(Schedule(tuple(syringe[:n]))).labels[0].proportional
    ...  for n in (1, 2)]
    [True, False]
    """
    form = schedule.form
    if not form.labels:
        raise InputError(
            "the schedule gives no label, whose activity could be followed: give one "
            "with an administration"
        )
    chains = [label.chain for label in form.labels if label.chain is not None]
    if chains:
        raise InputError(
            f"{chains[0]} has daughters with activities of their own, which are not "
            "followed here: use simulate"
        )
    single = _single_doses(schedule)
    labels = tuple(
        replace(label, proportional=label.proportional and label.ligand in single)
        for label in form.labels
    )
    return replace(form, labels=labels)


def _single_doses(schedule: Schedule) -> dict[str, int]:
    """Return the number of the dose of each ligand that is given once."""
    given = [a.ligand for a in schedule.administrations]
    return {x: n for n, x in enumerate(given) if given.count(x) == 1}


def label_course(system: System, schedule: Schedule) -> LabelCourse:
    """Return what is given to one body as run-time arrays.

    Parameters
    ----------
    system : System
        A saturable system, assembled for `form_of_labels` of a schedule of this form.
    schedule : Schedule
        What is given: all ligand of known amount (nmol), labelled or not.

    Returns
    -------
    LabelCourse

    Raises
    ------
    InputError
        When the form is another, an input or an amount of ligand is not known, a dose
        is at steady state, or a ligand is given again whose label was to be in
        proportion to it.

    Examples
    --------
    >>> from pkmodels.administrations import Administration
    >>> from pkmodels.models import pentixather
    >>> from pkmodels.system import assemble
    >>> tracer, = pentixather.schedule().administrations
    >>> therapy = replace(tracer, time_h=240.0, label="Y-90", ligand_mass_ug=250.0,
    ...                   ligand_nmol=None)
    >>> schedule = Schedule((tracer, therapy))
    >>> system = assemble(pentixather.model(), form_of_labels(schedule))
    >>> given = label_course(system, schedule)
    >>> given.labels, given.course.ligand_nmol.round(1).tolist()
    ((0, 1), [55.7, 185.6])
    """
    course = course_of(system, schedule)
    followed = with_tracers(system)
    names, single = schedule.labels, _single_doses(schedule)
    slots = schedule.slots()
    for (ligand, _), form in zip(slots, system.labels, strict=True):
        if form.proportional and ligand not in single:
            raise InputError(
                f"{system.name!r} was compiled for one dose of {ligand}, and the "
                "schedule gives more: compile it for a schedule with as many as there "
                "may be"
            )
    return LabelCourse(
        course=course,
        followed=course if followed is system else course_of(followed, schedule),
        decay_per_h=np.array([nuclide(x).decay_constant_per_h for x in names]),
        labels=tuple(names.index(label) for _, label in slots),
        doses=tuple(single.get(ligand) for ligand, _ in slots),
    )


def with_doses(given: LabelCourse, doses: Doses) -> LabelCourse:
    """Return a course of one dose of a ligand with other numbers.

    Parameters
    ----------
    given : LabelCourse
        Of one administration; its windows stay.
    doses : Doses
        One dose with its ``ligand_nmol``; arrays of shape (1,), which may be traced.

    Returns
    -------
    LabelCourse

    Raises
    ------
    InputError
        When either is of more doses than one, or the amount of ligand is not known.

    Examples
    --------
    >>> from pkmodels.models import pentixather
    >>> from pkmodels.system import assemble
    >>> given = pentixather.schedule()
    >>> course = label_course(assemble(pentixather.model(), given.form), given)
    >>> one = Doses(np.zeros(1), np.zeros(1), np.ones(1), 0.01, np.array([9.0]))
    >>> with_doses(course, one).course.ligand_nmol
    array([9.])
    """
    if doses.ligand_nmol is None or np.shape(doses.start_h) != (1,):
        raise InputError(
            "a saturable system is solved for one dose whose amount of ligand is "
            f"known; got {np.size(doses.start_h)} doses and ligand_nmol = "
            f"{doses.ligand_nmol}: give several as a schedule, compile_schedule"
        )
    count = len(given.course.form.doses)
    if count != 1 or given.n_labels != 1:
        raise InputError(
            f"the system was compiled for {count} administrations of {given.n_labels} "
            "labels, which one dose does not describe: write solve_labels(parameters, "
            "compiled.given(schedule), times)"
        )
    decay = jnp.reshape(doses.decay_constant_per_h, (1,))

    def changed(course: Course) -> Course:
        return replace(
            course,
            time_h=doses.start_h,
            duration_h=doses.length_h,
            ligand_nmol=doses.ligand_nmol,
            activity_MBq=doses.activity,
            decay_constants=jnp.broadcast_to(decay, np.shape(course.decay_constants)),
        )

    return replace(
        given,
        course=changed(given.course),
        followed=changed(given.followed),
        decay_per_h=decay,
    )


def labelled_amounts(system: System) -> tuple[Amount, ...]:
    """Return the amounts of a saturable system, and others that only labels are in.

    Parameters
    ----------
    system : System
        The system.

    Returns
    -------
    tuple of Amount
        First ``system.amounts``.

    Examples
    --------
    >>> from pkmodels.administrations import Administration
    >>> from pkmodels.models import pentixather
    >>> from pkmodels.system import assemble
    >>> once = pentixather.schedule().administrations
    >>> twice = Schedule((*once, replace(once[0], time_h=240.0, activity_MBq=9.0)))
    >>> system = assemble(pentixather.model(), form_of_labels(twice))
    >>> beyond = set(labelled_amounts(system)) - set(system.amounts)
    >>> sorted(str(amount) for amount in beyond)[:2]  # nothing depends on these
    ['bladder', 'internalized_adrenals']
    """
    tracers = (tracer.amount for tracer in system.tracers)
    return tuple(dict.fromkeys((*system.amounts, *tracers)))


def label_places(system: System) -> tuple[np.ndarray, ...]:
    """Return the state that shows each label of a system in each amount.

    Parameters
    ----------
    system : System
        A saturable system.

    Returns
    -------
    tuple of (n_amounts,) arrays of int
        For each of ``system.labels`` the number of the state, the ligand's own where
        the label is in proportion to it; -1 where the label cannot get to.

    Examples
    --------
    >>> from pkmodels.models import pentixather
    >>> from pkmodels.system import assemble
    >>> system = assemble(pentixather.model({}), pentixather.schedule().form)
    >>> (places,) = label_places(system)
    >>> [str(a) for a, p in zip(system.amounts, places) if p < 0][0]  # no ligand
    'receptor_spleen'
    """
    amounts = labelled_amounts(system)
    places = []
    for slot, form in enumerate(system.labels):
        found = {t.amount: n for n, t in enumerate(system.tracers) if t.slot == slot}
        found = {a: len(system.amounts) + n for a, n in found.items()}
        if form.proportional:
            found = {
                a: n for n, a in enumerate(system.amounts) if a.ligand == form.ligand
            }
        places.append(np.array([found.get(amount, -1) for amount in amounts]))
    return tuple(places)


def label_reader(system: System) -> Callable[[LabelCourse, Any, Any], Any]:
    """Return what reads the activities of all labels from the states of a solve.

    Parameters
    ----------
    system : System
        A saturable system, assembled for `form_of_labels`.

    Returns
    -------
    callable
        ``read(given, states, times) -> (n_labels, n_times, n_amounts)``, MBq in each of
        `labelled_amounts`, of `states` (n_times, n_states) at `times` (h).

    Examples
    --------
    >>> from pkmodels.models import pentixather
    >>> from pkmodels.system import assemble
    >>> schedule = pentixather.schedule()
    >>> system = assemble(pentixather.model(), schedule.form)
    >>> given, states = label_course(system, schedule), np.ones((1, len(system.states)))
    >>> read = label_reader(system)  # 200 MBq on 55.66 nmol, 100 h before
    >>> print(read(given, states, np.array([100.0]))[0, 0, :2].round(3))
    [2.327 2.327]
    """
    places = label_places(system)
    alike = np.arange(len(labelled_amounts(system)))

    def shown(slot: int, given: LabelCourse, states: Any, times: Any) -> Any:
        at = places[slot]
        reached = at >= 0
        is_whole = np.array_equal(at[reached], alike[reached])
        found = states[:, : len(alike)] if is_whole else states[:, at]
        found = jnp.where(reached[None, :], found, 0.0)
        if not system.labels[slot].proportional:
            return found
        return _molar_activity(given, slot, times)[:, None] * found

    def read(given: LabelCourse, states: Any, times: Any) -> Any:
        slots = [shown(n, given, states, times) for n in range(len(places))]
        return jnp.stack(summed_by_label(given, slots))

    return read


def summed_by_label(given: LabelCourse, slots: list[Any]) -> list[Any]:
    """Return the sum over the ligands that carry each label.

    Parameters
    ----------
    given : LabelCourse
        Which label each is.
    slots : list of array
        One for each (ligand, label) pair.

    Returns
    -------
    list of array
        One for each label.

    Examples
    --------
    >>> from pkmodels.models import pentixather
    >>> from pkmodels.system import assemble
    >>> schedule = pentixather.schedule()
    >>> given = label_course(assemble(pentixather.model(), schedule.form), schedule)
    >>> summed_by_label(given, [np.ones(2)])[0].tolist()
    [1.0, 1.0]
    """
    totals: list[Any] = [None] * given.n_labels
    for label, part in zip(given.labels, slots, strict=True):
        totals[label] = part if totals[label] is None else totals[label] + part
    return totals


def _molar_activity(given: LabelCourse, slot: int, times: Any) -> Any:
    """Return the activity over the amount of ligand, MBq/nmol, the same everywhere."""
    dose, label, course = given.doses[slot], given.labels[slot], given.course
    assert dose is not None
    bound = course.activity_MBq[dose] * (1.0 - course.free_label_fraction[dose])
    since = jnp.asarray(times) - course.time_h[dose]
    # Before the dose nothing is there, which an endless ratio would make NaN.
    since = jnp.where(since < 0.0, 0.0, since)
    decayed = jnp.exp(-jnp.asarray(given.decay_per_h)[label] * since)
    return bound / course.ligand_nmol[dose] * decayed
