"""What a label shows: its activity in each amount, and the observables made of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import sympy

from pkmodels.chains import decay_chain, effective_parents, has_followed_daughters
from pkmodels.dimensions import unit_of
from pkmodels.errors import InputError, suggest
from pkmodels.given import Given
from pkmodels.kernels.printing import numpy_function
from pkmodels.nuclides import STABLE_DAUGHTERS, nuclide, nuclides
from pkmodels.readability import (
    is_of_ligand,
    label_unit,
    needs_label,
    unreadable,
)
from pkmodels.schedule import Schedule
from pkmodels.symbols import (
    ADMINISTERED,
    COUNTED_DECAYS,
    DECAY_CONSTANT,
    LIGAND,
    REFERENCE_DENSITY,
    UNDECAYED,
    Amount,
    amounts_in,
    symbols_in,
)
from pkmodels.system import System
from pkmodels.units import (
    DECAYS_PER_MBQ_H,
    REFERENCE_DENSITY_G_PER_L,
    Unit,
)


@dataclass(frozen=True)
class Observed:
    """The observables of a system for one label.

    Parameters
    ----------
    curves : mapping of str to (n_times,) array
        Each that can be read; NaN where 0 is divided by 0, as before the first dose.
    units : mapping of str to str
        Their units.
    unread : mapping of str to str
        The reason for each other one.
    """

    curves: Mapping[str, np.ndarray]
    units: Mapping[str, str]
    unread: Mapping[str, str]


@dataclass(frozen=True)
class Sample:
    """All that observables are made of, at some times.

    Parameters
    ----------
    shown : mapping of Amount to (n_times,) array
        What the label shows in each amount, MBq (nmol for the ligand); 0 in others.
    ligand : mapping of Amount to (n_times,) array
        The amounts of all ligand, as far as they are followed, nmol.
    inputs : mapping of str to (n_times,) array
        Values of the inputs.
    given : Given
        What had been given of the label.
    """

    shown: Mapping[Amount, np.ndarray]
    ligand: Mapping[Amount, np.ndarray]
    inputs: Mapping[str, np.ndarray]
    given: Given

    def curves(self) -> list[np.ndarray]:
        """Return every curve, in a fixed order."""
        groups = (self.shown, self.ligand, self.inputs)
        found = [curve for group in groups for curve in group.values()]
        return [*found, self.given.administered, self.given.undecayed]

    def with_curves(self, curves: Iterable[np.ndarray]) -> "Sample":
        """Return a sample with other curves, in the order of `curves`."""
        left = iter(curves)
        shown = {amount: next(left) for amount in self.shown}
        ligand = {amount: next(left) for amount in self.ligand}
        inputs = {name: next(left) for name in self.inputs}
        given = replace(self.given, administered=next(left), undecayed=next(left))
        return Sample(shown, ligand, inputs, given)


def choose_label(schedule: Schedule, label: str | None) -> str:
    """Return the label to read, or `LIGAND` for the ligand itself.

    Parameters
    ----------
    schedule : Schedule
        What was given.
    label : str or None
        A radionuclide given or arising by decay, ``"ligand"``, or None for the only
        label, and for the ligand where there is none.

    Returns
    -------
    str

    Raises
    ------
    InputError
        When there are several labels to choose from, or the one named is not there.

    Examples
    --------
    >>> from pkmodels.administrations import Administration
    >>> given = Administration(0.0, 0.5, "dotatate", "Lu-177", 7400.0)
    >>> choose_label(Schedule((given,)), None)
    'Lu-177'
    """
    known = list(schedule.labels)
    if label is None:
        if len(known) > 1:
            raise InputError(
                f"the schedule gives {', '.join(known)}: say which one to read, "
                f"label={known[0]!r} (or label='{LIGAND}' for all ligand)"
            )
        return known[0] if known else LIGAND
    for parent in schedule.labels:
        if has_followed_daughters(parent):
            known += [member.name for member in decay_chain(parent)[1:]]
    if label != LIGAND and label not in known:
        raise InputError(
            f"label {label!r} is neither given nor a daughter of what is: "
            f"{suggest(label, [*known, LIGAND])}"
        )
    return label


def activities(
    system: System,
    schedule: Schedule,
    label: str,
    times_h: np.ndarray,
    states: np.ndarray,
) -> dict[Amount, np.ndarray]:
    """Return what a label shows in each amount of a system that is not linear.

    Parameters
    ----------
    system : System
        The system.
    schedule : Schedule
        What was given.
    label : str
        A label given, a daughter of one, or `LIGAND`.
    times_h : (n_times,) array
        Times, h.
    states : (n_times, n_states) array
        The solution there.

    Returns
    -------
    dict of Amount to (n_times,) array
        MBq of the label, or nmol of the ligand.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.administrations import Administration
    >>> from pkmodels.system import assemble
    >>> given = Administration(0.0, 0.0, "x", "Lu-177", 100.0, ligand_nmol=50.0)
    >>> schedule = Schedule((given,))
    >>> system = assemble(organ_exchange.model(("kidney",)), schedule.form)
    >>> shown = activities(system, schedule, "ligand", np.zeros(1), np.ones((1, 2)))
    >>> {str(amount): curve.tolist() for amount, curve in shown.items()}
    {'blood': [1.0], 'kidney': [1.0]}
    """
    if label == LIGAND:
        return {a: states[:, i] for i, a in enumerate(system.amounts)}
    found: dict[Amount, np.ndarray] = {}

    def add(amount: Amount, curve: np.ndarray) -> None:
        found[amount] = found[amount] + curve if amount in found else curve

    for form, (ligand, given) in zip(system.labels, schedule.slots(), strict=True):
        if form.proportional and given == label:
            ratio = _molar_activity(schedule, ligand, label, times_h)
            for i, amount in enumerate(system.amounts):
                if amount.ligand == form.ligand:
                    add(amount, ratio * states[:, i])
    shares = _shares(schedule, label)
    for i, tracer in enumerate(system.tracers, start=len(system.amounts)):
        nuclide_name = tracer.nuclide or schedule.slots()[tracer.slot][1]
        if nuclide_name in shares:
            add(tracer.amount, shares[nuclide_name] * states[:, i])
    return found


def _molar_activity(
    schedule: Schedule, ligand: str, label: str, times_h: np.ndarray
) -> np.ndarray:
    """Return the activity over the amount of ligand, MBq/nmol, the same everywhere."""
    first = next(a for a in schedule.administrations if a.ligand == ligand)
    ratio = first.molar_activity_MBq_per_nmol
    assert ratio is not None
    rate = nuclide(label).decay_constant_per_h
    return ratio * np.exp(-rate * (np.asarray(times_h) - first.time_h))


def _shares(schedule: Schedule, label: str) -> dict[str, float]:
    """Return the nuclides whose states show a label, with its activity per theirs."""
    for parent in schedule.labels:
        if has_followed_daughters(parent):
            chain = decay_chain(parent)
            if any(member.name == label and member.prompt for member in chain):
                return dict(effective_parents(chain)[label])
    return {label: 1.0}


def observe(
    system: System, label: str, parameters: Mapping[str, float], sample: Sample
) -> Observed:
    """Return the observables of a system, and why others cannot be read.

    An occupancy (`is_of_ligand`) is read of the ligand whatever the label.

    Parameters
    ----------
    system : System
        The system.
    label : str
        What is read.
    parameters : mapping of str to float
        Values by name.
    sample : Sample
        What is to be read.

    Returns
    -------
    Observed

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.schedule import ScheduleForm
    >>> from pkmodels.system import assemble
    >>> model = organ_exchange.model(("kidney",))
    >>> system = assemble(model, ScheduleForm((("x", "intravenous"),)))
    >>> (blood, kidney), one = system.amounts, np.ones(1)
    >>> values = {str(parameter): 1.0 for parameter in system.parameters}
    >>> sample = Sample({kidney: 5 * one}, {}, {}, Given(one, one, 0.1))
    >>> found = observe(system, "Lu-177", values, sample)
    >>> found.curves["kidney"].tolist(), found.units, found.unread
    ([5.0], {'kidney': 'MBq'}, {})
    """
    given, zero = sample.given, np.zeros(sample.given.administered.shape)
    curves: dict[str, np.ndarray] = {}
    units: dict[str, str] = {}
    unread: dict[str, str] = {}
    for name, reading in zip(system.observables, system.readings, strict=True):
        of_ligand = label == LIGAND or is_of_ligand(reading)
        reason = _reason(reading, label, sample, of_ligand)
        if reason is not None:
            unread[name] = reason
            continue
        symbols = tuple(symbols_in(reading))
        source = sample.ligand if of_ligand else sample.shown
        known: dict[sympy.Symbol, object] = {
            ADMINISTERED: given.administered,
            UNDECAYED: given.undecayed,
            DECAY_CONSTANT: given.decay_constant_per_h,
            REFERENCE_DENSITY: REFERENCE_DENSITY_G_PER_L,
            COUNTED_DECAYS: DECAYS_PER_MBQ_H,
        }
        for symbol in symbols:
            if isinstance(symbol, Amount):
                known[symbol] = source.get(symbol, zero)
            elif symbol not in known:
                named = {**parameters, **sample.inputs}
                known[symbol] = named[symbol.name]
        with np.errstate(divide="ignore", invalid="ignore"):
            (values,) = numpy_function(symbols, (reading,))([known[s] for s in symbols])
        curves[name] = np.broadcast_to(values, zero.shape)
        units[name] = str(_unit(reading, of_ligand))
    return Observed(curves, units, unread)


def _unit(reading: sympy.Expr, of_ligand: bool) -> Unit:
    """Return the unit of a reading: of a label, amounts are its activity."""
    unit = unit_of(reading) if of_ligand else label_unit(reading)
    assert unit is not None
    return unit


def parents_of(schedule: Schedule, label: str) -> tuple[str, ...]:
    """Return the labels given that decay into one.

    Parameters
    ----------
    schedule : Schedule
        What was given.
    label : str
        What is read.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> from pkmodels.administrations import Administration
    >>> dose = Administration(0.0, 0.0, "x", "Ac-225", 8.0)
    >>> parents_of(Schedule((dose,)), "Bi-213")
    ('Ac-225',)
    """
    return tuple(
        parent
        for parent in schedule.labels
        if has_followed_daughters(parent)
        and any(member.name == label for member in decay_chain(parent)[1:])
    )


def unfollowed_daughters(schedule: Schedule) -> dict[str, str]:
    """Say which radioactive daughters of the labels are not followed.

    Parameters
    ----------
    schedule : Schedule
        What was given.

    Returns
    -------
    dict of str to str
        The reason for each.

    Examples
    --------
    >>> from pkmodels.administrations import Administration
    >>> dose = Administration(0.0, 0.0, "x", "Ra-223", 4.0)
    >>> unfollowed_daughters(Schedule((dose,)))
    {'Rn-219': 'a radioactive daughter of Ra-223 that is not in the table'}
    """
    found = {}
    for label in schedule.labels:
        for name, _ in nuclide(label).daughters:
            if name not in nuclides() and name not in STABLE_DAUGHTERS:
                found[name] = (
                    f"a radioactive daughter of {label} that is not in the table"
                )
    return found


def _reason(
    reading: sympy.Expr, label: str, sample: Sample, of_ligand: bool
) -> str | None:
    """Say why an observable cannot be read, if it cannot."""
    relative = reading.has(ADMINISTERED, UNDECAYED)
    if relative and np.isnan(sample.given.administered).any():
        return "what was given until then is not known as one amount"
    if not of_ligand:
        if relative and not sample.given.administered.any():
            return f"{label} was not administered"
        return unreadable(reading)
    if needs_label(reading):
        return "it needs a label"
    missing = [str(a) for a in amounts_in(reading) if a not in sample.ligand]
    if missing:
        return f"the amount of ligand in {', '.join(missing)} is not followed"
    return None
