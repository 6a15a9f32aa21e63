"""What a label shows: its activity in each amount, and the observables made of it."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import sympy

from pkmodels.chains import decay_chain, effective_parents, has_followed_daughters
from pkmodels.errors import InputError, suggest
from pkmodels.kernels.printing import numpy_function
from pkmodels.nuclides import nuclide
from pkmodels.observables import needs_label, unreadable
from pkmodels.schedule import Schedule
from pkmodels.symbols import (
    ADMINISTERED,
    COUNTED_DECAYS,
    DECAY_CONSTANT,
    LIGAND,
    NO_LIGAND,
    REFERENCE_DENSITY,
    UNDECAYED,
    Amount,
    amounts_in,
    symbols_in,
)
from pkmodels.system import System
from pkmodels.units import DECAYS_PER_MBQ_H, REFERENCE_DENSITY_G_PER_L


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


def given_by(schedule: Schedule, label: str, times_h: np.ndarray) -> Given:
    """Return what had been given of a label until some times.

    Parameters
    ----------
    schedule : Schedule
        What was given.
    label : str
        A label, or `LIGAND`.
    times_h : (n_times,) array
        Times, h.

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
    rate = 0.0 if label == LIGAND else nuclide(label).decay_constant_per_h
    administered, undecayed = np.zeros(times.shape), np.zeros(times.shape)
    for a in schedule.administrations:
        if label == LIGAND:
            known = len(schedule.ligands) == 1 and a.ligand_nmol is not None
            amount = a.ligand_nmol if known else math.nan
        else:
            amount = a.activity_MBq if a.label == label else 0.0
        elapsed = times - a.time_h
        whole = np.where(elapsed >= 0.0, amount, 0.0)
        administered += whole
        undecayed += whole * np.exp(-rate * np.maximum(elapsed, 0.0))
    return Given(administered, undecayed, rate)


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
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the observables of a system, and why others cannot be read.

    What holds an amount that is no ligand, as an occupancy, is read of the ligand
    whatever the label.

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
    observables : dict of str to (n_times,) array
        NaN where 0 is divided by 0, as before the first dose.
    unread : dict of str to str
        The reason for each observable that is left out.

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
    >>> curves, unread = observe(system, "Lu-177", values, sample)
    >>> curves["kidney"].tolist(), unread
    ([5.0], {})
    """
    given, zero = sample.given, np.zeros(sample.given.administered.shape)
    observables: dict[str, np.ndarray] = {}
    unread: dict[str, str] = {}
    for name, reading in zip(system.observables, system.readings, strict=True):
        of_receptor = any(a.ligand == NO_LIGAND for a in amounts_in(reading))
        of_ligand = of_receptor or label == LIGAND
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
        observables[name] = np.broadcast_to(values, zero.shape)
    return observables, unread


def _reason(
    reading: sympy.Expr, label: str, sample: Sample, of_ligand: bool
) -> str | None:
    """Say why an observable cannot be read, if it cannot."""
    if not of_ligand:
        relative = reading.has(ADMINISTERED, UNDECAYED)
        if relative and not sample.given.administered.any():
            return f"{label} was not administered"
        return unreadable(reading)
    if needs_label(reading):
        return "it needs a label"
    if (
        reading.has(ADMINISTERED, UNDECAYED)
        and np.isnan(sample.given.administered).any()
    ):
        return "what was given is not a known amount of one ligand"
    missing = [str(a) for a in amounts_in(reading) if a not in sample.ligand]
    if missing:
        return f"the amount of ligand in {', '.join(missing)} is not followed"
    return None
